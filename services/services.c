/* Every service that there is, in the order of their start. */
#include "services.h"

#include "payment/service.h"

const struct service *const services_all[] = {&payment_service, NULL};
