/* Every service that there is, in the order of their start. */
#include "services.h"

#include "account/service.h"
#include "balance/service.h"
#include "payment/service.h"

const struct service *const services_all[] = {&account_service, &payment_service, &balance_service, NULL};
