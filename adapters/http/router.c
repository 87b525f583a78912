/* Rows to a tree, and a path through it. */
#include "http/router.h"

#include "http/dispatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const method_names[HTTP_METHODS] = {
    [HTTP_GET] = "GET", [HTTP_POST] = "POST", [HTTP_PUT] = "PUT", [HTTP_DELETE] = "DELETE"};

const char *http_method_name(enum http_method method) { return method_names[method]; }

enum http_method http_method_find(const char *name)
{
    unsigned method = 0;

    if (strcmp(name, "HEAD") == 0) return HTTP_GET;
    while (method < HTTP_METHODS && strcmp(method_names[method], name) != 0) method++;
    return (enum http_method)method;
}

/* --- making it --- */

static _Noreturn void bad_route(const struct http_route *route, const char *why)
{
    fprintf(stderr, "micropay: the route %s %s %s; ending\n", http_method_name(route->method),
            route->path, why);
    abort();
}

/* The child that a segment leads to, made if there is none. */
static struct router_node *descend(struct router_node *node, const char *segment, size_t length)
{
    bool is_parameter = length > 0 && segment[0] == '{';
    struct router_node **at = &node->children, *child;

    for (; *at != NULL; at = &(*at)->next) {
        child = *at;
        if (is_parameter && child->word == NULL) return child;
        if (child->word == NULL) break; /* words stand before it */
        if (!is_parameter && strncmp(child->word, segment, length) == 0 &&
            child->word[length] == '\0')
            return child;
    }
    child = need_memory(sizeof *child);
    if (!is_parameter) {
        child->word = need_memory(length + 1);
        memcpy(child->word, segment, length);
    }
    child->next = *at;
    *at = child;
    return child;
}

static void add_route(struct http_router *router, const struct http_route *route, void *service)
{
    struct router_node *node = &router->root;
    const char *segment = route->path;
    struct router_entry *entry;
    unsigned params = 0;

    if (*segment != '/') bad_route(route, "does not begin with a slash");
    while (*segment == '/') {
        size_t length = strcspn(++segment, "/");

        if (segment[0] == '{' && ++params > HTTP_PARAMS_MAX)
            bad_route(route, "has too many parameters");
        node = descend(node, segment, length);
        segment += length;
    }
    entry = &node->entries[route->method];
    if (entry->route != NULL) bad_route(route, "is there twice");
    *entry = (struct router_entry){.route = route, .service = service};
    if (route->scope != NULL && router->scope_bit != NULL) {
        entry->scope = router->scope_bit(route->scope);
        if (entry->scope == 0) bad_route(route, "names a scope that there isn't");
    }
}

struct http_router *http_router_make(void) { return need_memory(sizeof(struct http_router)); }

void http_router_add(struct http_router *router, const struct http_route *routes, void *service)
{
    for (; routes->path != NULL; routes++) add_route(router, routes, service);
}

static void free_children(struct router_node *node)
{
    while (node->children != NULL) {
        struct router_node *child = node->children;

        node->children = child->next;
        free_children(child);
        free(child->word);
        free(child);
    }
}

void http_router_free(struct http_router *router)
{
    dispatch_free_spare(router);
    free_children(&router->root);
    free(router);
}

void http_router_authenticate(struct http_router *router, http_authenticate authenticate,
                              void *context)
{
    router->authenticate = authenticate;
    router->authenticate_context = context;
}

void http_router_observe(struct http_router *router, http_observe observe, void *context)
{
    router->observe = observe;
    router->observe_context = context;
}

void http_router_scopes(struct http_router *router, uint64_t (*scope_bit)(const char *name))
{
    router->scope_bit = scope_bit;
}

/* --- finding --- */

static bool is_word(const char *text)
{
    size_t length =
        strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

    return length > 0 && length <= 64 && text[length] == '\0';
}

static bool has_entries(const struct router_node *node)
{
    for (unsigned i = 0; i < HTTP_METHODS; i++)
        if (node->entries[i].route != NULL) return true;
    return false;
}

static const struct router_node *find_below(const struct router_node *node,
                                            const struct target *target, unsigned segment,
                                            const char **params, unsigned param_count)
{
    const char *text;

    if (segment == target->segment_count) return has_entries(node) ? node : NULL;
    text = target->segments[segment];
    for (const struct router_node *child = node->children; child != NULL; child = child->next) {
        const struct router_node *found;

        if (child->word != NULL) {
            if (strcmp(child->word, text) != 0) continue;
            found = find_below(child, target, segment + 1, params, param_count);
        } else {
            if (!is_word(text)) continue;
            params[param_count] = text;
            found = find_below(child, target, segment + 1, params, param_count + 1);
            if (found == NULL) params[param_count] = NULL;
        }
        if (found != NULL) return found;
    }
    return NULL;
}

const struct router_node *router_find(const struct http_router *router, const struct target *target,
                                      const char *params[HTTP_PARAMS_MAX])
{
    return find_below(&router->root, target, 0, params, 0);
}

void router_allow(const struct router_node *node, struct buffer *out)
{
    for (unsigned i = 0; i < HTTP_METHODS; i++) {
        if (node->entries[i].route == NULL) continue;
        if (out->length > 0) buffer_text(out, ", ");
        buffer_text(out, method_names[i]);
        if (i == HTTP_GET) buffer_text(out, ", HEAD");
    }
}
