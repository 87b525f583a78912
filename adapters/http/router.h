/* The tree of routes. A node is a segment of a path: a word, or a parameter. */
#ifndef ADAPTERS_HTTP_ROUTER_H
#define ADAPTERS_HTTP_ROUTER_H

#include "http/http.h"
#include "http/target.h"

/* A row where it was added */
struct router_entry {
    const struct http_route *route; /* NULL = no such method here */
    void *service;
    uint64_t scope; /* its bit; 0 with a scope named: nobody has it */
};

struct router_node {
    char *word; /* NULL = a parameter */
    struct router_entry entries[HTTP_METHODS];
    struct router_node *children; /* words before the parameter */
    struct router_node *next;
};

struct http_router {
    struct router_node root;
    http_authenticate authenticate;
    void *authenticate_context;
    http_observe observe;
    void *observe_context;
    uint64_t (*scope_bit)(const char *name);
    struct http_dispatched *spare; /* for the next exchanges */
    unsigned spare_count;
};

const char *http_method_name(enum http_method method);
/* HTTP_METHODS if it is none of ours. HEAD is GET. */
enum http_method http_method_find(const char *name);

/* The node of a path, and the segments that are parameters; NULL if there is none. A word goes
 * before a parameter; a parameter is any [A-Za-z0-9._-]{1,64}, so whether it is the UUID that the
 * route wants is still to be seen. */
const struct router_node *router_find(const struct http_router *router, const struct target *target,
                                      const char *params[HTTP_PARAMS_MAX]);
/* "GET, HEAD, POST": what a node has. */
void router_allow(const struct router_node *node, struct buffer *out);

#endif
