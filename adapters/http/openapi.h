/*
 * The description of a service's API, OpenAPI 3.1 in JSON, printed from its rows of routes: paths,
 * parameters, bodies, answers, and for each status the reasons that it can have. What a row says is
 * what the router, the readers of headers, queries and bodies, and the handlers do, so the
 * description is never older than the code.
 *
 * Beside what OpenAPI has: `x-reasons` of an answer names the reasons of reasons.def that come with
 * the status, `x-codeSamples` of an operation has it as a curl command.
 */
#ifndef ADAPTERS_HTTP_OPENAPI_H
#define ADAPTERS_HTTP_OPENAPI_H

#include "http/http.h"

struct service; /* runtime/service.h */

/* Prints the description of a service: its own routes, those of health, and that of itself. */
void openapi_print(const struct service *service, struct buffer *out);

/* Whether a request to the route can be refused for a reason: one that its row names, or one that
 * every route of its kind has. */
bool openapi_refuses(const struct http_route *route, enum reason reason);

/* GET /openapi.json: for http_router_add() with the struct buffer that openapi_print() filled as
 * `service`; ended by one without path. */
extern const struct http_route openapi_routes[];

#endif
