/* The account service, as the runtime knows it. */
#ifndef ACCOUNT_SERVICE_H
#define ACCOUNT_SERVICE_H

#include "runtime/service.h"

extern const struct service account_service;

#endif
