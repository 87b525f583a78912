/* Every service that there is, in the order of their start. */
#include "services.h"

#include "account/service.h"
#include "balance/service.h"
#include "events/service.h"
#include "fraud_rules/service.h"
#include "payment/service.h"
#include "transaction/service.h"

const struct service *const services_all[] = {
    &account_service,
    &balance_service,
    &events_service,
    &fraud_rules_service,
    &payment_service,
    &transaction_service,
    NULL,
};
