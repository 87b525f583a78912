/*
 * Requests without sockets: made in memory, dispatched by a router, answered to a function. Works
 * on any loop; on the one of tests nothing depends on time.
 */
#ifndef TESTS_SUPPORT_HTTP_MEMORY_H
#define TESTS_SUPPORT_HTTP_MEMORY_H

#include "http/http.h"

enum { HTTP_MEMORY_HEADERS_MAX = 24 };

struct http_memory_header {
    char *name, *value;
};

/* An answer; lent during the call. */
struct http_memory_reply {
    unsigned status;  /* 0: none came, the process died */
    const char *body; /* ends in a NUL */
    size_t length;
    unsigned header_count;
    const struct http_memory_header *headers;
};
/* A header of an answer by name, any case; NULL if it isn't there. */
const char *http_memory_reply_header(const struct http_memory_reply *reply, const char *name);

typedef void (*http_memory_on_answer)(void *context, const struct http_memory_reply *reply);

/* Dispatches at once; on_answer comes once, never inside. `headers` are "Name: value", NULL-ended;
 * NULL = none. `body` NULL = none; it is JSON unless a header says otherwise. */
void http_memory_call(struct http_router *router, struct loop *loop, const char *method,
                      const char *target, const char *const *headers, const char *body,
                      http_memory_on_answer on_answer, void *context);
/* The same with a body that may have any bytes. */
void http_memory_call_bytes(struct http_router *router, struct loop *loop, const char *method,
                            const char *target, const char *const *headers, const void *body,
                            size_t length, http_memory_on_answer on_answer, void *context);
/* Requests on this loop that aren't answered yet. */
unsigned http_memory_outstanding(const struct loop *loop);
/* The process died: whatever waits for an answer on this loop gets none, status 0, told inside.
 * Exchanges are freed; whoever still has one must not touch it. */
void http_memory_crash(struct loop *loop);

#endif
