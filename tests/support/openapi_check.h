/* Whether a service's OpenAPI document and its rows say the same, both ways. For Criterion. */
#ifndef TESTS_SUPPORT_OPENAPI_CHECK_H
#define TESTS_SUPPORT_OPENAPI_CHECK_H

#include "runtime/service.h"

#include <cjson/cJSON.h>

/* Prints and reads the document; freed by cJSON_Delete(). */
cJSON *openapi_document(const struct service *service);
/* The operation of a route; the test fails if there is none. */
const cJSON *openapi_operation_of(const cJSON *document, const struct http_route *route);
/* A member by a path such as "responses|201|content"; NULL if it isn't there. */
const cJSON *openapi_at(const cJSON *json, const char *path);
const char *openapi_text(const cJSON *json, const char *path); /* "" if it isn't there */

/* Every route, parameter, field, status and reason of the code is in the document. */
void openapi_check_rows(const struct service *service, const cJSON *document);
/* The document has no operation, field, status or reason beside those, and refers to nothing that
 * it hasn't. */
void openapi_check_nothing_else(const struct service *service, const cJSON *document);

#endif
