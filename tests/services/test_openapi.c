/* What every service says of its API, against what its code does. */
#include "support/openapi_check.h"

#include "services.h"

#include <criterion/criterion.h>

Test(openapi, every_route_field_and_reason_of_every_service_is_described)
{
    for (const struct service *const *service = services_all; *service != NULL; service++) {
        cJSON *document = openapi_document(*service);

        openapi_check_rows(*service, document);
        cJSON_Delete(document);
    }
}

Test(openapi, nothing_is_described_that_the_services_do_not_have)
{
    for (const struct service *const *service = services_all; *service != NULL; service++) {
        cJSON *document = openapi_document(*service);

        openapi_check_nothing_else(*service, document);
        cJSON_Delete(document);
    }
}

Test(openapi, every_route_says_what_it_is_for)
{
    for (const struct service *const *service = services_all; *service != NULL; service++)
        for (const struct http_route *r = (*service)->routes; r != NULL && r->path != NULL; r++)
            cr_assert(r->summary != NULL && r->help != NULL, "%s %s", (*service)->name, r->path);
}
