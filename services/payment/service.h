/* The payment service, as the runtime knows it. */
#ifndef PAYMENT_SERVICE_H
#define PAYMENT_SERVICE_H

#include "runtime/service.h"

extern const struct service payment_service;

#endif
