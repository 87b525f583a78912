/* From a request to its handler, and from the handler to the answer. */
#include "http/dispatch.h"

#include "http/router.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPARE_MAX = 64 };

/* --- the answer --- */

const char *http_parameter(const struct http_exchange *exchange, const char *name)
{
    return target_parameter(&exchange->dispatched->target, name);
}

void http_set_header(struct http_exchange *exchange, const char *name, const char *value)
{
    if (strcasecmp(name, "Content-Type") == 0) exchange->dispatched->typed = true;
    exchange->ops->set_header(exchange, name, value);
}

/* One from those that were used before: a piece of memory of this size is slow to get and give. */
static struct http_dispatched *dispatched_make(struct http_router *router)
{
    struct http_dispatched *dispatched = router->spare;

    if (dispatched == NULL) return need_memory(sizeof *dispatched);
    router->spare = dispatched->next_spare;
    router->spare_count--;
    memset(dispatched, 0, sizeof *dispatched);
    return dispatched;
}

static void dispatched_done(struct http_dispatched *dispatched)
{
    page_done(&dispatched->page);
    target_done(&dispatched->target);
    free(dispatched->input);
}

static void dispatched_free(struct http_dispatched *dispatched)
{
    struct http_router *router = dispatched->router;

    dispatched_done(dispatched);
    if (router->spare_count == SPARE_MAX) {
        free(dispatched);
        return;
    }
    dispatched->next_spare = router->spare;
    router->spare = dispatched;
    router->spare_count++;
}

void dispatch_free_spare(struct http_router *router)
{
    while (router->spare != NULL) {
        struct http_dispatched *dispatched = router->spare;

        router->spare = dispatched->next_spare;
        free(dispatched);
    }
}

/* The first media type that the route produces. */
static void set_type(struct http_exchange *exchange)
{
    const char *produces = exchange->route != NULL ? exchange->route->produces : NULL;
    char type[64];

    if (produces == NULL) produces = "application/json";
    snprintf(type, sizeof type, "%.*s", (int)strcspn(produces, ","), produces);
    exchange->ops->set_header(exchange, "Content-Type", type);
}

void http_answer(struct http_exchange *exchange, unsigned status)
{
    struct http_dispatched *dispatched = exchange->dispatched;
    struct http_router *router = dispatched->router;

    if (exchange->out.length > 0 && !dispatched->typed) set_type(exchange);
    exchange->ops->set_header(exchange, "traceparent", exchange->traceparent);
    if (router->observe != NULL)
        router->observe(router->observe_context, exchange, status,
                        loop_elapsed_ns(exchange->loop) - dispatched->began_ns);
    if (exchange->forget != NULL) exchange->forget(exchange);
    exchange->dispatched = NULL;
    exchange->ops->answer(exchange, status);
    dispatched_free(dispatched);
}

void http_abandon(struct http_exchange *exchange)
{
    if (exchange->dispatched == NULL) return;
    dispatched_done(exchange->dispatched);
    free(exchange->dispatched); /* its router may be gone */
    exchange->dispatched = NULL;
}

void http_answer_record(struct http_exchange *exchange, unsigned status, const void *record)
{
    buffer_clear(&exchange->out);
    record_print(exchange->route->gives, record, &exchange->out);
    http_answer(exchange, status);
}

/* --- the request --- */

/* The row of a path and method, with its parameters. */
static enum outcome find_route(struct http_exchange *exchange, const char *method,
                               const struct router_entry **out, struct error *err)
{
    struct http_dispatched *dispatched = exchange->dispatched;
    const struct router_node *node =
        router_find(dispatched->router, &dispatched->target, exchange->text_params);
    enum http_method found = http_method_find(method);
    const struct http_route *route;

    if (node == NULL) return error_set(err, REASON_NOT_FOUND, "there is nothing at this path");
    if (found == HTTP_METHODS || node->entries[found].route == NULL) {
        struct buffer allow = {0};

        router_allow(node, &allow);
        http_set_header(exchange, "Allow", buffer_str(&allow));
        error_set(err, REASON_METHOD_NOT_ALLOWED, "the method is not one of: %s",
                  buffer_str(&allow));
        buffer_done(&allow);
        return err->outcome;
    }
    route = node->entries[found].route;
    for (unsigned i = 0; i < HTTP_PARAMS_MAX && exchange->text_params[i] != NULL; i++)
        if (!route->text_params && !uuid_read(exchange->text_params[i], &exchange->params[i]))
            return error_set(err, REASON_NOT_FOUND,
                             "there is nothing at this path: \"%s\" is no id",
                             exchange->text_params[i]);
    exchange->route = route;
    exchange->service = node->entries[found].service;
    *out = &node->entries[found];
    return OUTCOME_DONE;
}

static enum outcome check_caller(struct http_exchange *exchange, const struct router_entry *entry,
                                 struct error *err)
{
    const struct http_router *router = exchange->dispatched->router;

    if (entry->route->scope == NULL) return OUTCOME_DONE;
    if (router->authenticate == NULL)
        return error_set(err, REASON_UNAUTHORIZED, "the API key could not be looked up");
    if (router->authenticate(router->authenticate_context, exchange, err) != OUTCOME_DONE)
        return err->outcome;
    if ((exchange->caller.scopes & entry->scope) == 0) {
        error_set(err, REASON_FORBIDDEN, "the API key has not the scope %s", entry->route->scope);
        return err->outcome;
    }
    return OUTCOME_DONE;
}

/* Headers, query and body: all that is wrong with them. */
static enum outcome read_request(struct http_exchange *exchange, struct error *err)
{
    struct http_dispatched *dispatched = exchange->dispatched;
    const struct http_route *route = exchange->route;
    bool key_is_missing;

    headers_read(exchange, err);
    key_is_missing = route->key == HTTP_KEY_REQUIRED && exchange->key == NULL &&
                     http_header(exchange, "Idempotency-Key") == NULL;
    page_read(&dispatched->page, route, &dispatched->target, err);
    if (route->query != NULL || route->sorts != NULL || route->lists)
        exchange->page = &dispatched->page;
    body_read(exchange, err);
    if (key_is_missing && err->fault_count == 1 && err->reason == REASON_INVALID_REQUEST)
        error_set(err, REASON_KEY_MISSING, "the Idempotency-Key header is missing");
    return err->outcome;
}

static enum outcome prepare(struct http_exchange *exchange, const char *method, const char *target,
                            struct error *err)
{
    const struct router_entry *entry = NULL;

    headers_trace(exchange);
    target_read(&exchange->dispatched->target, target, err);
    exchange->path = exchange->dispatched->target.path;
    if (err->fault_count > 0) return err->outcome;
    if (find_route(exchange, method, &entry, err) != OUTCOME_DONE) return err->outcome;
    if (check_caller(exchange, entry, err) != OUTCOME_DONE) return err->outcome;
    if (headers_media_types(exchange, err) != OUTCOME_DONE) return err->outcome;
    return read_request(exchange, err);
}

void http_dispatch(struct http_router *router, struct http_exchange *exchange, const char *method,
                   const char *target)
{
    struct error err = {0};

    exchange->dispatched = dispatched_make(router);
    exchange->dispatched->router = router;
    exchange->dispatched->began_ns = loop_elapsed_ns(exchange->loop);
    if (prepare(exchange, method, target, &err) == OUTCOME_DONE)
        exchange->route->handle(exchange);
    else
        http_answer_problem(exchange, &err);
}
