/* Exchanges in memory. */
#include "support/http_memory.h"

#include "http/dispatch.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct memory_exchange {
    struct http_exchange exchange;
    http_memory_on_answer on_answer;
    void *context;
    bool head;
    char *body;
    struct http_memory_header request[HTTP_MEMORY_HEADERS_MAX], answer[HTTP_MEMORY_HEADERS_MAX];
    unsigned request_count, answer_count;
    char *joined[HTTP_MEMORY_HEADERS_MAX]; /* headers that came several times */
    unsigned joined_count;
    unsigned status; /* 0 = not answered */
    struct loop_task deliver;
    struct memory_exchange *previous, *next;
};

/* All that were made and not delivered yet. */
static struct memory_exchange *outstanding;

static struct memory_exchange *of(const struct http_exchange *exchange)
{
    return (struct memory_exchange *)exchange;
}

static void add_header(struct http_memory_header *headers, unsigned *count, const char *name,
                       size_t name_length, const char *value)
{
    if (*count == HTTP_MEMORY_HEADERS_MAX) abort();
    headers[*count].name = need_memory(name_length + 1);
    memcpy(headers[*count].name, name, name_length);
    headers[(*count)++].value = need_copy(value);
}

static void free_headers(struct http_memory_header *headers, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        free(headers[i].name);
        free(headers[i].value);
    }
}

const char *http_memory_reply_header(const struct http_memory_reply *reply, const char *name)
{
    for (unsigned i = 0; i < reply->header_count; i++)
        if (strcasecmp(reply->headers[i].name, name) == 0) return reply->headers[i].value;
    return NULL;
}

/* --- what exchanges ask for --- */

static const char *join(struct memory_exchange *exchange, const char *name)
{
    struct buffer text = {0};

    for (unsigned i = 0; i < exchange->request_count; i++) {
        if (strcasecmp(exchange->request[i].name, name) != 0) continue;
        if (text.length > 0) buffer_text(&text, ", ");
        buffer_text(&text, exchange->request[i].value);
    }
    if (exchange->joined_count == HTTP_MEMORY_HEADERS_MAX) abort();
    return exchange->joined[exchange->joined_count++] = text.bytes;
}

static const char *header(const struct http_exchange *base, const char *name)
{
    struct memory_exchange *exchange = of(base);
    const char *found = NULL;

    for (unsigned i = 0; i < exchange->request_count; i++) {
        if (strcasecmp(exchange->request[i].name, name) != 0) continue;
        if (found != NULL) return join(exchange, name);
        found = exchange->request[i].value;
    }
    return found;
}

static void set_header(struct http_exchange *base, const char *name, const char *value)
{
    struct memory_exchange *exchange = of(base);

    for (unsigned i = 0; i < exchange->answer_count; i++) {
        if (strcasecmp(exchange->answer[i].name, name) != 0) continue;
        free(exchange->answer[i].value);
        exchange->answer[i].value = need_copy(value);
        return;
    }
    add_header(exchange->answer, &exchange->answer_count, name, strlen(name), value);
}

static void answer(struct http_exchange *base, unsigned status)
{
    struct memory_exchange *exchange = of(base);

    if (exchange->status != 0 || status == 0) abort(); /* answered twice */
    exchange->status = status;
    loop_post(base->loop, &exchange->deliver);
}

static const struct http_exchange_ops ops = {
    .header = header, .set_header = set_header, .answer = answer};

/* --- life --- */

static void unlink_exchange(struct memory_exchange *exchange)
{
    if (exchange->previous != NULL)
        exchange->previous->next = exchange->next;
    else
        outstanding = exchange->next;
    if (exchange->next != NULL) exchange->next->previous = exchange->previous;
}

static void exchange_free(struct memory_exchange *exchange)
{
    unlink_exchange(exchange);
    free_headers(exchange->request, exchange->request_count);
    free_headers(exchange->answer, exchange->answer_count);
    for (unsigned i = 0; i < exchange->joined_count; i++) free(exchange->joined[i]);
    buffer_done(&exchange->exchange.out);
    free(exchange->body);
    free(exchange);
}

static void deliver(void *context)
{
    struct memory_exchange *exchange = context;
    struct http_memory_reply reply = {
        .status = exchange->status,
        .body = exchange->head ? "" : buffer_str(&exchange->exchange.out),
        .length = exchange->head ? 0 : exchange->exchange.out.length,
        .header_count = exchange->answer_count,
        .headers = exchange->answer,
    };

    if (exchange->on_answer != NULL) exchange->on_answer(exchange->context, &reply);
    exchange_free(exchange);
}

static void add_request_headers(struct memory_exchange *exchange, const char *const *headers,
                                bool has_body)
{
    for (; headers != NULL && *headers != NULL; headers++) {
        size_t length = strcspn(*headers, ":");
        const char *value = *headers + length + ((*headers)[length] == ':');

        while (*value == ' ') value++;
        add_header(exchange->request, &exchange->request_count, *headers, length, value);
    }
    if (has_body && header(&exchange->exchange, "Content-Type") == NULL)
        add_header(exchange->request, &exchange->request_count, "Content-Type", 12,
                   "application/json");
}

void http_memory_call_bytes(struct http_router *router, struct loop *loop, const char *method,
                            const char *target, const char *const *headers, const void *body,
                            size_t length, http_memory_on_answer on_answer, void *context)
{
    struct memory_exchange *exchange = need_memory(sizeof *exchange);

    exchange->exchange.loop = loop;
    exchange->exchange.ops = &ops;
    exchange->on_answer = on_answer;
    exchange->context = context;
    exchange->head = strcmp(method, "HEAD") == 0;
    exchange->body = need_memory(length); /* just as long, so that reading on is seen */
    if (length > 0) memcpy(exchange->body, body, length);
    exchange->exchange.body = exchange->body;
    exchange->exchange.body_length = length;
    exchange->deliver = (struct loop_task){.run = deliver, .context = exchange};
    exchange->next = outstanding;
    if (outstanding != NULL) outstanding->previous = exchange;
    outstanding = exchange;
    add_request_headers(exchange, headers, length > 0);
    http_dispatch(router, &exchange->exchange, method, target);
}

void http_memory_call(struct http_router *router, struct loop *loop, const char *method,
                      const char *target, const char *const *headers, const char *body,
                      http_memory_on_answer on_answer, void *context)
{
    http_memory_call_bytes(router, loop, method, target, headers, body,
                           body != NULL ? strlen(body) : 0, on_answer, context);
}

unsigned http_memory_outstanding(const struct loop *loop)
{
    unsigned count = 0;

    for (const struct memory_exchange *e = outstanding; e != NULL; e = e->next)
        count += e->exchange.loop == loop;
    return count;
}

void http_memory_crash(struct loop *loop)
{
    struct memory_exchange *next;

    for (struct memory_exchange *exchange = outstanding; exchange != NULL; exchange = next) {
        static const struct http_memory_reply nothing = {.body = ""};

        next = exchange->next;
        if (exchange->exchange.loop != loop) continue;
        loop_task_cancel(loop, &exchange->deliver);
        http_abandon(&exchange->exchange);
        if (exchange->on_answer != NULL) exchange->on_answer(exchange->context, &nothing);
        exchange_free(exchange);
    }
}
