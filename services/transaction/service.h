/* The transaction service, as the runtime knows it. */
#ifndef TRANSACTION_SERVICE_H
#define TRANSACTION_SERVICE_H

#include "runtime/service.h"

extern const struct service transaction_service;

#endif
