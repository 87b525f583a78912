/*
 * Deposits and withdrawals: they are payments, so the payment service has them. They stand below
 * the account because that is where people look; the request goes on as it came, the answer comes
 * back as it is.
 */
#include "account.h"

#include <stdlib.h>

enum { FORWARDED_MAX = 8 };

/* Headers that go along, and those that come back. */
static const char *const request_headers[] = {"Content-Type", "Idempotency-Key", "Prefer",
                                              "Simulate", NULL};
static const char *const reply_headers[] = {"Content-Type",      "Idempotent-Replayed", "Location",
                                            "Micropay-Sequence", "Retry-After",         NULL};

struct forwarding {
    struct work work;
    struct wallets *service;
    struct http_exchange *exchange;  /* NULL: answered, as the service has stopped */
    struct forwarding *next, **link; /* of those that are asked */
    char *headers[FORWARDED_MAX + 1];
};

static void forwarding_free(struct forwarding *w)
{
    for (unsigned i = 0; i < FORWARDED_MAX; i++) free(w->headers[i]);
    free(w);
}

static void join(struct forwarding *w)
{
    w->link = &w->service->forwardings;
    w->next = *w->link;
    if (w->next != NULL) w->next->link = &w->next;
    *w->link = w;
}

static void leave(struct forwarding *w)
{
    *w->link = w->next;
    if (w->next != NULL) w->next->link = w->link;
}

void account_forwardings_end(struct wallets *service)
{
    struct error err;

    error_set(&err, REASON_TIMEOUT, "the service stops before the payment service has answered");
    while (service->forwardings != NULL) {
        struct forwarding *w = service->forwardings;

        leave(w);
        http_answer_problem(w->exchange, &err);
        w->exchange = NULL;
    }
}

/* --- the answer --- */

static void on_reply(void *context, const struct http_reply *reply, const struct error *err)
{
    struct forwarding *w = context;
    struct http_exchange *exchange = w->exchange;

    if (exchange == NULL) {
        forwarding_free(w);
        return;
    }
    leave(w);
    if (reply->status == 0) {
        http_answer_problem(exchange, err);
        forwarding_free(w);
        return;
    }
    for (unsigned i = 0; reply_headers[i] != NULL; i++) {
        const char *value = reply->header(reply, reply_headers[i]);

        if (value != NULL) http_set_header(exchange, reply_headers[i], value);
    }
    buffer_clear(&exchange->out);
    buffer_add(&exchange->out, reply->body, reply->length);
    http_answer(exchange, reply->status);
    forwarding_free(w);
}

/* --- the call --- */

static void add_header(struct forwarding *w, unsigned *count, const char *name, const char *value)
{
    struct buffer header = {0};

    if (value == NULL || *count == FORWARDED_MAX) return;
    buffer_format(&header, "%s: %s", name, value);
    w->headers[(*count)++] = header.bytes;
}

/* Payment derives the payment's id from the owner of the API key too. Whoever may write accounts
 * may deposit and withdraw. */
static void add_caller(struct forwarding *w, unsigned *count)
{
    char owner[UUID_TEXT + 1];

    uuid_print(w->exchange->caller.owner, owner);
    add_header(w, count, "Micropay-Owner", owner);
    add_header(w, count, "Micropay-Scopes", "payments:write");
}

static void call(struct forwarding *w)
{
    struct http_exchange *exchange = w->exchange;
    const struct service_context *context = &w->service->context;
    struct http_call call = {
        .method = HTTP_POST,
        .url = exchange->path,
        .headers = (const char *const *)w->headers,
        .body = exchange->body,
        .length = exchange->body_length,
        .timeout_ms = w->service->settings->payment_timeout_ms,
        .done = on_reply,
        .context = w,
    };
    unsigned count = 0;

    for (unsigned i = 0; request_headers[i] != NULL; i++)
        add_header(w, &count, request_headers[i], http_header(exchange, request_headers[i]));
    add_header(w, &count, "traceparent", exchange->traceparent);
    add_caller(w, &count);
    join(w);
    context->ask(context->ask_context, "payment", &exchange->caller, &call);
}

/* --- the account must be the caller's --- */

static enum outcome load(struct work *work, struct turn *turn, struct error *err)
{
    struct forwarding *w = (struct forwarding *)work;

    return account_sql_load_wallet(&w->service->rows, turn_store(turn), w->exchange->params[0],
                                   err);
}

static enum outcome apply(struct work *work, struct turn *turn, struct error *err)
{
    struct forwarding *w = (struct forwarding *)work;
    struct wallet *wallet;

    (void)turn;
    return wallet_find(&w->service->rows, w->exchange->params[0], &w->exchange->caller, &wallet,
                       err);
}

static void done(struct work *work, enum outcome outcome, const struct error *err)
{
    struct forwarding *w = (struct forwarding *)work;

    if (outcome == OUTCOME_DONE) {
        call(w);
        return;
    }
    http_answer_problem(w->exchange, err);
    forwarding_free(w);
}

static void forward(struct http_exchange *exchange)
{
    struct forwarding *w = need_memory(sizeof *w);

    w->work = (struct work){.load = load, .apply = apply, .done = done};
    w->service = exchange->service;
    w->exchange = exchange;
    turns_add(w->service->turns, &w->work);
}

void accounts_deposit(struct http_exchange *exchange) { forward(exchange); }
void accounts_withdraw(struct http_exchange *exchange) { forward(exchange); }
