/* A service for tests of adapters/http: its handlers answer with what they were given. */
#ifndef TESTS_ADAPTERS_HTTP_DESK_H
#define TESTS_ADAPTERS_HTTP_DESK_H

#include "http/http.h"

#define RECORD_FILE "http/desk.def"
#include "wire/record_struct.h"

/* What its handlers keep; they run on the loop's thread, others may read the counters. */
struct desk {
    unsigned handled;    /* requests that reached a handler */
    unsigned held_count; /* exchanges of GET /v1/hold that wait for desk_release() */
    struct http_exchange *held[64];
    unsigned forgotten; /* exchanges that ended with `forget` */
    size_t large;       /* bytes that GET /v1/large answers */
    unsigned observed, last_status;
};

extern const struct http_route desk_routes[];
enum { SCOPE_READ = 1, SCOPE_WRITE = 2 };

/* A router with the routes. Keys: "Bearer reader", "Bearer writer" (both scopes), "Bearer live"
 * (both, live mode), "Bearer other" (writer of another owner), "Bearer busy" (rate limited). */
struct http_router *desk_router(struct desk *desk); /* NULL = one that knows no scopes */
/* Answers all that are held. */
void desk_release(struct desk *desk);

#endif
