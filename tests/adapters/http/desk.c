#include "http/desk.h"

#include "http/idempotency.h"
#include "http/pages.h"

#include <stdio.h>
#include <string.h>

#define RECORD_FILE "http/desk.def"
#include "wire/record_rows.h"

static struct desk *desk_of(struct http_exchange *exchange)
{
    struct desk *desk = exchange->service;

    __atomic_add_fetch(&desk->handled, 1, __ATOMIC_SEQ_CST);
    return desk;
}

static void set_text(struct seen *seen, const char *field, char *out, size_t size, const char *text)
{
    if (text == NULL) return;
    snprintf(out, size, "%s", text);
    seen->present |= record_bit(&seen_record, field);
}

/* Answers with what it was given. */
static void show(struct http_exchange *exchange)
{
    const struct item_request *item = exchange->input;
    struct seen seen = {0};
    uint8_t print[FINGERPRINT_BYTES];

    desk_of(exchange);
    if (exchange->text_params[0] != NULL && exchange->route->text_params)
        set_text(&seen, "name", seen.name, sizeof seen.name, exchange->text_params[0]);
    if (item != NULL) set_text(&seen, "name", seen.name, sizeof seen.name, item->name);
    set_text(&seen, "key", seen.key, sizeof seen.key, exchange->key);
    set_text(&seen, "simulate", seen.simulate, sizeof seen.simulate, exchange->simulate);
    seen.id = exchange->params[0];
    seen.derived = idempotency_id(exchange);
    seen.wait_ms = exchange->wait_ms;
    seen.at_least = exchange->at_least;
    seen.bytes = exchange->body_length;
    if (!uuid_is_zero(seen.id)) seen.present |= RECORD_BIT(seen, id);
    if (!uuid_is_zero(seen.derived)) seen.present |= RECORD_BIT(seen, derived);
    seen.present |=
        RECORD_BIT(seen, wait_ms) | RECORD_BIT(seen, at_least) | RECORD_BIT(seen, bytes);
    if (exchange->input != NULL) {
        idempotency_fingerprint(exchange, print);
        for (unsigned i = 0; i < 16; i++) snprintf(seen.print + 2 * i, 3, "%02x", print[i]);
        seen.present |= RECORD_BIT(seen, print);
    }
    http_answer_record(exchange, exchange->route->success != 0 ? exchange->route->success : 200,
                       &seen);
}

static void echo(struct http_exchange *exchange)
{
    desk_of(exchange);
    buffer_add(&exchange->out, exchange->body, exchange->body_length);
    http_answer(exchange, 200);
}

static void nothing(struct http_exchange *exchange)
{
    desk_of(exchange);
    http_answer(exchange, 204);
}

static void large(struct http_exchange *exchange)
{
    struct desk *desk = desk_of(exchange);

    for (size_t i = 0; i < desk->large; i++) buffer_char(&exchange->out, (char)('a' + i % 26));
    http_answer(exchange, 200);
}

static void count_forgotten(struct http_exchange *exchange)
{
    struct desk *desk = exchange->service;

    desk->forgotten++;
}

static void hold(struct http_exchange *exchange)
{
    struct desk *desk = desk_of(exchange);

    exchange->forget = count_forgotten;
    desk->held[desk->held_count] = exchange;
    __atomic_add_fetch(&desk->held_count, 1, __ATOMIC_SEQ_CST);
}

void desk_release(struct desk *desk)
{
    while (desk->held_count > 0) {
        struct http_exchange *exchange = desk->held[desk->held_count - 1];

        __atomic_sub_fetch(&desk->held_count, 1, __ATOMIC_SEQ_CST);
        buffer_text(&exchange->out, "{\"released\":true}");
        http_set_header(exchange, "X-Path",
                        http_header(exchange, "Host") != NULL ? "host" : "none");
        http_answer(exchange, 200);
    }
}

static void fail(struct http_exchange *exchange)
{
    struct item_request item = {
        .name = "chair", .price = {.units = 5}, .currency = {.code = "EUR"}};
    struct error err = {0};

    desk_of(exchange);
    buffer_text(&exchange->out, "half of an answer");
    error_set(&err, REASON_INSUFFICIENT_FUNDS, "the account has not enough \"money\"");
    error_detail(&err, "For the log alone.");
    error_member(&err, "missing", "%s", "12.50");
    http_answer_problem_with(exchange, &err, "item", &item_request_record, &item);
}

static void list(struct http_exchange *exchange)
{
    const struct page *page = exchange->page;
    struct store_value last[PAGE_SORTS_MAX + 1];

    desk_of(exchange);
    page_begin(exchange);
    for (unsigned i = 0; i < page->limit && i < 3; i++) {
        struct seen seen = {.present = RECORD_BIT(seen, at_least), .at_least = i};

        page_row(exchange, &seen);
    }
    for (unsigned i = 0; i <= page->sort_count; i++) last[i] = store_integer(-7 - (int64_t)i);
    page_answer(exchange, page->limit < 3 ? last : NULL);
}

static const struct http_query item_query[] = {
    {.name = "state", .kind = RECORD_CHOICE, .choices = item_states, .help = "Its state."},
    {.name = "price", .kind = RECORD_AMOUNT, .range = true, .help = "Its price."},
    {.name = "currency", .kind = RECORD_CURRENCY, .help = "Of the price."},
    {.name = "created_at", .kind = RECORD_TIME, .range = true, .help = "When it was made."},
    {.name = "owner", .kind = RECORD_ACCOUNT, .help = "Whose it is."},
    {.name = "name", .kind = RECORD_TEXT, .help = "Its name."},
    {.name = "old", .kind = RECORD_FLAG, .help = "Whether it is."},
    {.name = NULL},
};
static const char *const item_sorts[] = {"-created_at", "price", "name", "state", "pieces", NULL};

const struct http_route desk_routes[] = {
    {.method = HTTP_GET, .path = "/health", .handle = show, .gives = &seen_record},
    {.method = HTTP_GET,
     .path = "/v1/items",
     .handle = list,
     .scope = "read",
     .lists = true,
     .gives = &seen_record,
     .query = item_query,
     .sorts = item_sorts},
    {.method = HTTP_POST,
     .path = "/v1/items",
     .handle = show,
     .scope = "write",
     .key = HTTP_KEY_REQUIRED,
     .waits = true,
     .takes = &item_request_record,
     .gives = &seen_record,
     .success = 201},
    {.method = HTTP_GET,
     .path = "/v1/items/{id}",
     .handle = show,
     .scope = "read",
     .gives = &seen_record},
    {.method = HTTP_PUT,
     .path = "/v1/items/{id}",
     .handle = show,
     .scope = "write",
     .takes = &item_part_record,
     .gives = &seen_record},
    {.method = HTTP_DELETE, .path = "/v1/items/{id}", .handle = nothing, .scope = "write"},
    {.method = HTTP_POST,
     .path = "/v1/items/{id}/sell",
     .handle = show,
     .scope = "write",
     .key = HTTP_KEY_REQUIRED,
     .gives = &seen_record},
    {.method = HTTP_GET, .path = "/v1/items/search", .handle = fail, .scope = "read"},
    {.method = HTTP_POST,
     .path = "/v1/files/{name}",
     .handle = show,
     .text_params = true,
     .raw = true,
     .consumes = "application/octet-stream, text/plain",
     .gives = &seen_record},
    {.method = HTTP_POST,
     .path = "/v1/echo",
     .handle = echo,
     .raw = true,
     .produces = "application/json"},
    {.method = HTTP_GET, .path = "/v1/large", .handle = large, .produces = "text/plain"},
    {.method = HTTP_GET, .path = "/v1/hold", .handle = hold, .produces = "application/json"},
    {.path = NULL},
};

static uint64_t scope_bit(const char *name)
{
    return strcmp(name, "read") == 0 ? SCOPE_READ : strcmp(name, "write") == 0 ? SCOPE_WRITE : 0;
}

static enum outcome authenticate(void *context, struct http_exchange *exchange, struct error *err)
{
    const char *key = http_header(exchange, "Authorization");
    struct caller *caller = &exchange->caller;

    (void)context;
    if (key == NULL || strncmp(key, "Bearer ", 7) != 0)
        return error_set(err, REASON_UNAUTHORIZED, "the request has no API key");
    key += 7;
    strcpy(caller->tenant, "main");
    caller->owner.bytes[0] = strcmp(key, "other") == 0 ? 2 : 1;
    caller->live = strcmp(key, "live") == 0;
    caller->scopes = strcmp(key, "reader") == 0 ? SCOPE_READ : SCOPE_READ | SCOPE_WRITE;
    if (strcmp(key, "busy") == 0) {
        error_set(err, REASON_RATE_LIMITED, "the API key has used up its requests");
        error_member(err, "retry_after", "%u", 7);
        return err->outcome;
    }
    return OUTCOME_DONE;
}

static void observe(void *context, const struct http_exchange *exchange, unsigned status,
                    uint64_t elapsed_ns)
{
    struct desk *desk = context;

    (void)exchange;
    (void)elapsed_ns;
    desk->observed++;
    desk->last_status = status;
}

struct http_router *desk_router(struct desk *desk)
{
    struct http_router *router = http_router_make();

    if (desk != NULL) http_router_scopes(router, scope_bit);
    http_router_add(router, desk_routes, desk);
    http_router_authenticate(router, authenticate, NULL);
    if (desk != NULL) http_router_observe(router, observe, desk);
    return router;
}
