/* What http_dispatch() keeps for an exchange until it was answered, and the steps that it takes. */
#ifndef ADAPTERS_HTTP_DISPATCH_H
#define ADAPTERS_HTTP_DISPATCH_H

#include "http/http.h"
#include "http/pages.h"
#include "http/target.h"

struct http_dispatched {
    struct http_router *router;
    uint64_t began_ns;
    bool typed; /* the handler set Content-Type */
    struct target target;
    struct page page;
    void *input;
    struct http_dispatched *next_spare;
};

/* Frees those that a router keeps for its next exchanges. */
void dispatch_free_spare(struct http_router *router);
/* Frees what is kept of an exchange that nobody will answer: for a simulator whose process dies. */
void http_abandon(struct http_exchange *exchange);

/* --- request_headers.c --- */

/* Sets exchange->traceparent, in the caller's trace if it named one. */
void headers_trace(struct http_exchange *exchange);
/* Accept against what the route produces, Content-Type against what it takes. */
enum outcome headers_media_types(const struct http_exchange *exchange, struct error *err);
/* Prefer, Micropay-At-Least, Idempotency-Key, Simulate; adds a fault for each that is wrong. */
void headers_read(struct http_exchange *exchange, struct error *err);

/* --- body.c --- */

enum { BODY_JSON_MAX = 256 * 1024 };

/* Reads a body as route->takes; adds a fault for everything that is wrong. One that is empty is an
 * object without members. */
void body_read(struct http_exchange *exchange, struct error *err);

#endif
