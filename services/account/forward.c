/*
 * Deposits and withdrawals: they are payments, so the payment service has them. They stand below the
 * account because that is where people look; the request goes on as it came, the answer comes back
 * as it is.
 */
#include "account.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FORWARDED_MAX = 8 };

/* Headers that go along, and those that come back. */
static const char *const request_headers[] = {"Authorization", "Idempotency-Key", "Prefer",
                                              "Simulate", NULL};
static const char *const reply_headers[] = {
    "Content-Type", "Idempotent-Replayed", "Location", "Micropay-Sequence", "Retry-After", NULL};

struct forwarding {
    struct work work;
    struct wallets *service;
    struct http_exchange *exchange;
    char url[256];
    char *headers[FORWARDED_MAX + 1];
};

static void forwarding_free(struct forwarding *w)
{
    for (unsigned i = 0; i < FORWARDED_MAX; i++) free(w->headers[i]);
    free(w);
}

/* --- the answer --- */

static void on_reply(void *context, const struct http_reply *reply, const struct error *err)
{
    struct forwarding *w = context;
    struct http_exchange *exchange = w->exchange;

    if (reply == NULL || reply->status == 0) {
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

static void call(struct forwarding *w)
{
    struct http_exchange *exchange = w->exchange;
    struct http_call call = {
        .method = HTTP_POST,
        .url = w->url,
        .headers = (const char *const *)w->headers,
        .body = exchange->body,
        .length = exchange->body_length,
        .done = on_reply,
        .context = w,
    };
    unsigned count = 0;

    snprintf(w->url, sizeof w->url, "%s%s", w->service->payment_url, exchange->path);
    for (unsigned i = 0; request_headers[i] != NULL; i++)
        add_header(w, &count, request_headers[i], http_header(exchange, request_headers[i]));
    add_header(w, &count, "traceparent", exchange->traceparent);
    resilient_call(w->service->payment, &call);
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
    struct error nobody;

    if (outcome == OUTCOME_DONE && w->service->payment != NULL) {
        call(w);
        return;
    }
    if (outcome == OUTCOME_DONE) {
        error_set(&nobody, REASON_NOT_READY, "nobody has said where the payment service is");
        err = &nobody;
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
