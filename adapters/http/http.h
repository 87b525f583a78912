/*
 * HTTP as services see it: rows of routes, exchanges, answers. Behind it a server and a client,
 * each of a well-kept library (http_server.c, http_client.c), and the simulator, which makes
 * exchanges itself. All on the loop's thread. A request that waits holds an exchange and no thread.
 */
#ifndef ADAPTERS_HTTP_HTTP_H
#define ADAPTERS_HTTP_HTTP_H

#include "runtime/error.h"
#include "runtime/loop.h"
#include "wire/buffer.h"
#include "wire/ids.h"
#include "wire/record.h"

enum http_method { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_METHODS };

enum http_key_rule {
    HTTP_KEY_NONE,
    HTTP_KEY_REQUIRED, /* Idempotency-Key: missing is 400 */
};

enum {
    HTTP_PARAMS_MAX = 4,
    HTTP_REFUSES_MAX = 24,
    HTTP_QUERY_MAX = 32,
    HTTP_WAIT_DEFAULT_MS = 2000,
    HTTP_WAIT_MAX_S = 30,
};

struct http_dispatched; /* http/dispatch.h */
struct http_exchange;
struct http_route;
struct page; /* http/pages.h */

/* Who asks: filled in by security/ before the handler is called. */
struct caller {
    char tenant[33];   /* [a-z0-9-], at most 32 */
    bool live;         /* mode: test or live */
    struct uuid owner; /* of the API key */
    uint64_t scopes;   /* bits of scopes.def */
};

/* A parameter of a query that a route understands. It is read into exchange->page by its kind, any
 * up to RECORD_FLAG, RECORD_TEXT, RECORD_CHOICE. */
struct http_query {
    const char *name;
    enum record_kind kind;
    const char *const *choices; /* RECORD_CHOICE; NULL-ended */
    bool range;                 /* also takes NAME[gte], [gt], [lte], [lt] */
    const char *help;
};

/* One row for router, scope and tenant matrix, idempotency, OpenAPI and docs. */
struct http_route {
    enum http_method method;
    const char *path; /* "/api/v1/payments/{id}": parameters are UUIDs unless `text_params` */
    void (*handle)(struct http_exchange *exchange);
    const char *scope; /* of scopes.def; NULL = open to all (health, openapi) */
    enum http_key_rule key;
    bool waits;                 /* understands Prefer: wait */
    bool text_params;           /* path parameters are words, [A-Za-z0-9._-]{1,64} */
    bool raw;                   /* the handler reads the body itself; `consumes` says what it is */
    const struct record *takes; /* body; NULL = none, or raw */
    const struct record *gives; /* of a success; NULL = raw, or nothing */
    bool lists;                 /* gives a page of `gives`: {"data": [...], "next": "cursor"} */
    unsigned success;           /* 200 unless said: 201, 202 (together with 201), 204 */
    /* Media types, "a/b, c/d"; NULL = application/json. The answer's is the first one of `produces`
     * unless the handler sets another. */
    const char *consumes, *produces;
    const struct http_query *query;        /* ended by one without name; NULL = none */
    const char *const *sorts;              /* fields that `sort` takes, NULL-ended; NULL = none. The
                                              first is the default; "-name" is one that descends */
    enum reason refuses[HTTP_REFUSES_MAX]; /* beside those of every route; ended by REASON_NONE */
    const char *summary, *help;
};

/* A request on its way. Lives until it was answered. Who makes it (server, simulator) sets loop,
 * body, body_length and ops; http_dispatch() the rest. */
struct http_exchange {
    const struct http_route *route; /* NULL if there is none for the path and method */
    const char *path;               /* as it came, without the query */
    void *service;                  /* struct NAME of the service that has the route */
    struct loop *loop;
    struct caller caller;
    struct uuid params[HTTP_PARAMS_MAX];      /* in the order of the path */
    const char *text_params[HTTP_PARAMS_MAX]; /* the same as text */
    const struct page *page;                  /* the query; NULL if the route takes none */
    const void *input;                        /* the body, as route->takes; NULL if none */
    const char *body;                         /* its bytes */
    size_t body_length;
    const char *key;      /* Idempotency-Key; NULL if none */
    uint64_t wait_ms;     /* Prefer: wait, or the default */
    uint64_t at_least;    /* sequence of Micropay-At-Least; 0 if none */
    const char *simulate; /* the Simulate: header in test mode; else NULL */
    char traceparent[56]; /* W3C: this request's span, in the caller's trace if it named one */
    struct buffer out;    /* the answer's body, filled by the handler */
    void *user;           /* the handler's own; `forget` is called with the exchange at its end */
    void (*forget)(struct http_exchange *exchange);
    const struct http_exchange_ops *ops;
    struct http_dispatched *dispatched; /* http_dispatch()'s own */
};

/* What a server (or simulator) does for an exchange. */
struct http_exchange_ops {
    /* A header of the request by name, any case; NULL if it isn't there. One that came several
     * times is all of them with ", " between, as RFC 9110 has it. */
    const char *(*header)(const struct http_exchange *exchange, const char *name);
    /* Sets a header of the answer; in place of one of that name. */
    void (*set_header)(struct http_exchange *exchange, const char *name, const char *value);
    /* Sends status, headers and exchange->out; the exchange is gone then. */
    void (*answer)(struct http_exchange *exchange, unsigned status);
};

static inline const char *http_header(const struct http_exchange *exchange, const char *name)
{
    return exchange->ops->header(exchange, name);
}
/* A parameter of the query as text, decoded; NULL if it isn't there. "amount[gte]" is a name. */
const char *http_parameter(const struct http_exchange *exchange, const char *name);
/* Sets a header of the answer; in place of one of that name. Content-Type is set for what the route
 * produces unless the handler does. */
void http_set_header(struct http_exchange *exchange, const char *name, const char *value);
/* Sends what is in exchange->out. Call exactly once; the exchange is gone then. */
void http_answer(struct http_exchange *exchange, unsigned status);
/* Prints a record and sends it. */
void http_answer_record(struct http_exchange *exchange, unsigned status, const void *record);
/* RFC 9457, from the error's reason. A status that asks to come again (429, 503) gets a Retry-After
 * of one second, or of the seconds in the error's member "retry_after". */
void http_answer_problem(struct http_exchange *exchange, const struct error *err);
/* The same with a further member: the resource that the problem is about, a JSON object. */
void http_answer_problem_with(struct http_exchange *exchange, const struct error *err,
                              const char *member, const struct record *record, const void *value);

/* --- the router: shared by server and simulator --- */

struct http_router;
/* Rows of one service; ended by a row without path. */
struct http_router *http_router_make(void);
void http_router_add(struct http_router *router, const struct http_route *routes, void *service);
void http_router_free(struct http_router *router);
/* Looks the caller up: sets exchange->caller, or refuses with unauthorized. Set by security/. */
typedef enum outcome (*http_authenticate)(void *context, struct http_exchange *exchange,
                                          struct error *err);
void http_router_authenticate(struct http_router *router, http_authenticate authenticate,
                              void *context);
/* The bit of a scope's name, 0 if there is none of that name: a row that names such a one ends the
 * process. Set it before rows are added; without it, and without http_router_authenticate(), routes
 * with a scope refuse everybody. */
void http_router_scopes(struct http_router *router, uint64_t (*scope_bit)(const char *name));
/* Called at the end of each exchange, for metrics and the log. */
typedef void (*http_observe)(void *context, const struct http_exchange *exchange, unsigned status,
                             uint64_t elapsed_ns);
void http_router_observe(struct http_router *router, http_observe observe, void *context);
/* Finds the route (404, 405 with Allow), checks caller (401) and scope (403), media types (406,
 * 415), then headers, query and body, whose faults are all in one refusal (400); then calls the
 * handler. `target` is path and query as they came, HEAD is answered as GET. Answers, or has the
 * handler answer, exactly once. */
void http_dispatch(struct http_router *router, struct http_exchange *exchange, const char *method,
                   const char *target);

/* --- the server --- */

/* 0 = the default. A connection holds up to body_max while its request comes in. */
struct http_limits {
    size_t body_max;      /* bytes; default 2 MiB */
    size_t headers_max;   /* bytes; default 16 KiB */
    unsigned connections; /* at once; default 10,000 */
    uint64_t request_ms;  /* a request must be whole within; default 10 s */
    uint64_t idle_ms;     /* a kept connection without request; default 60 s */
};
struct http_server;
/* Listens on address:port (port 0 = any free one). */
enum outcome http_server_open(struct loop *loop, const char *address, unsigned port,
                              const struct http_limits *limits, struct http_router *router,
                              struct http_server **out, struct error *err) MUST_USE;
unsigned http_server_port(const struct http_server *server);
/* Takes no new connections and closes idle ones; calls done once all exchanges were answered. */
void http_server_drain(struct http_server *server, void (*done)(void *context), void *context);
void http_server_close(struct http_server *server);

/* --- the client --- */

struct http_client;
struct http_reply {
    unsigned status;  /* 0: none came; err says why */
    const char *body; /* ends in a NUL that isn't counted */
    size_t length;    /* at most 16 MiB; more counts as no answer */
    const char *(*header)(const struct http_reply *reply, const char *name);
};
struct http_call {
    enum http_method method;
    const char *url;
    const char *const *headers; /* "Name: value", NULL-ended; NULL = none */
    const void *body;           /* copied; application/json unless a header says otherwise */
    size_t length;
    uint64_t timeout_ms; /* for all of it; 0 = 10 s */
    /* err->outcome is DONE when an answer came, whatever its status; AGAIN when nothing was sent;
     * UNKNOWN when something was; REFUSED when the URL is none. Both are lent. */
    void (*done)(void *context, const struct http_reply *reply, const struct error *err);
    void *context;
};
enum outcome http_client_open(struct loop *loop, struct http_client **out,
                              struct error *err) MUST_USE;
/* Calls done once, never inside. Connections are kept and used again. */
void http_client_call(struct http_client *client, const struct http_call *call);
/* Ends what is under way: done is called with OUTCOME_UNKNOWN, inside. Not to be called by done. */
void http_client_close(struct http_client *client);

#endif
