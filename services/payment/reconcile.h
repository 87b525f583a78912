/*
 * Reconciliation, all the time: what the ledger holds for payments is compared with the payments.
 *
 * The log is followed, a slice at a time, and every open reservation with a payment's code is kept
 * in memory. Each minute the payments that they name are looked at: a reservation whose payment is
 * final, or unknown, is reported, and voided when it is still there a quarter of an hour later. So
 * are commands without answer, and events that wait for the bus, for over a minute.
 */
#ifndef PAYMENT_RECONCILE_H
#define PAYMENT_RECONCILE_H

#include "payments.h"

struct reconcile *reconcile_make(struct payments *service);
void reconcile_free(struct reconcile *reconcile); /* NULL is allowed */
/* Open reservations of payments as the log has them, and what the last look found wrong. */
unsigned reconcile_open(const struct reconcile *reconcile);
unsigned reconcile_findings(const struct reconcile *reconcile);

#endif
