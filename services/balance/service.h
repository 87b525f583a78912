/* The balance service, as the runtime knows it. */
#ifndef BALANCE_SERVICE_H
#define BALANCE_SERVICE_H

#include "runtime/service.h"

extern const struct service balance_service;

#endif
