/* What is observed of each request: its duration by method, route and status, its span, and a line
 * in the log (a warning when the service is at fault, else for who develops). */
#ifndef ADAPTERS_OBSERVE_EXCHANGE_H
#define ADAPTERS_OBSERVE_EXCHANGE_H

#include "http/http.h"

/* Fits http_router_observe(); the context is the service's name, for the log. */
void observe_exchange(void *service, const struct http_exchange *exchange, unsigned status,
                      uint64_t elapsed_ns);

#endif
