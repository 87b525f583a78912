#ifndef SERVICES_SERVICES_H
#define SERVICES_SERVICES_H

#include "runtime/service.h"

/* NULL-ended */
extern const struct service *const services_all[];

#endif
