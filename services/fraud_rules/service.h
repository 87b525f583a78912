/*
 * Fraud's verdict from a few rules, until there is a fraud service: the amount, and how often a
 * payer pays.
 *
 * It reads payment.initiated from the bus and answers fraud.risk.assessed there. It keeps nothing:
 * a verdict that is lost with the process costs the payment its time-out, for which payment has a
 * policy; what a payer paid before the start is forgotten.
 */
#ifndef FRAUD_RULES_SERVICE_H
#define FRAUD_RULES_SERVICE_H

#include "runtime/service.h"

extern const struct service fraud_rules_service;

#endif
