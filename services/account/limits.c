/* The amounts of limits. What is used of them is counted by payment, which learns of them from
 * account.limit.changed. */
#include "account.h"

#include <stdio.h>
#include <stdlib.h>

struct limiting {
    struct work work;
    struct wallets *service;
    struct http_exchange *exchange;
    struct uuid wallet;
};

/* --- what can be asked --- */

/* Adds a fault of a row. */
static void fault(struct error *err, unsigned row, const char *field, const char *message)
{
    char at[64];

    snprintf(at, sizeof at, "/limits/%u%s", row, field);
    error_fault(err, at, "%s", message);
}

static bool has(const struct account_limit *limit, uint64_t bit)
{
    return (limit->present & bit) != 0;
}

/* A limit in the currency's digits; false if it has more. */
static bool settle_amount(struct account_limit *limit, const struct currency *currency)
{
    int64_t minor;

    if (!has(limit, RECORD_BIT(account_limit, amount))) return true;
    if (!amount_minor(limit->amount, currency, &minor)) return false;
    limit->amount = amount_of(minor, currency);
    return true;
}

static enum outcome check(struct account_limits *limits, const struct currency *currency,
                          struct error *err)
{
    *err = (struct error){0};
    for (unsigned i = 0; i < limits->limits.count; i++) {
        struct account_limit *limit = &limits->limits.rows[i];

        if (!has(limit, RECORD_BIT(account_limit, count)) &&
            !has(limit, RECORD_BIT(account_limit, amount)))
            fault(err, i, "", "must have a count, an amount, or both");
        if (limit->period == LIMIT_PERIOD_PAYMENT && has(limit, RECORD_BIT(account_limit, count)))
            fault(err, i, "/count", "makes no sense for each payment");
        if (!settle_amount(limit, currency))
            fault(err, i, "/amount", "has more digits than the currency");
        for (unsigned j = 0; j < i; j++)
            if (limits->limits.rows[j].kind == limit->kind &&
                limits->limits.rows[j].period == limit->period)
                fault(err, i, "", "has the kind and period of another one");
    }
    return err->fault_count > 0 ? err->outcome : OUTCOME_DONE;
}

/* --- in the turn --- */

static enum outcome load(struct work *work, struct turn *turn, struct error *err)
{
    struct limiting *w = (struct limiting *)work;

    return account_sql_load_wallet(&w->service->rows, turn_store(turn), w->wallet, err);
}

static enum outcome get_apply(struct work *work, struct turn *turn, struct error *err)
{
    struct limiting *w = (struct limiting *)work;
    struct wallet *wallet;

    (void)turn;
    return wallet_find(&w->service->rows, w->wallet, &w->exchange->caller, &wallet, err);
}

static enum outcome put_apply(struct work *work, struct turn *turn, struct error *err)
{
    struct limiting *w = (struct limiting *)work;
    struct account_limits limits = *(const struct account_limits *)w->exchange->input;
    struct wallet *wallet;

    if (wallet_find(&w->service->rows, w->wallet, &w->exchange->caller, &wallet, err) !=
            OUTCOME_DONE ||
        wallet_must_be_open(wallet, err) != OUTCOME_DONE ||
        check(&limits, wallet->currency, err) != OUTCOME_DONE)
        return err->outcome;
    wallet->limits = limits;
    wallet_touch(wallet, turn_now_ns(turn));
    return wallet_announce_limits(turn, wallet, w->exchange->traceparent, err);
}

static void done(struct work *work, enum outcome outcome, const struct error *err)
{
    struct limiting *w = (struct limiting *)work;

    if (outcome == OUTCOME_DONE)
        http_answer_record(w->exchange, 200,
                           &account_rows_wallet(&w->service->rows, w->wallet)->limits);
    else
        http_answer_problem(w->exchange, err);
    free(w);
}

static void begin(struct http_exchange *exchange,
                  enum outcome (*apply)(struct work *, struct turn *, struct error *))
{
    struct limiting *w = need_memory(sizeof *w);

    *w = (struct limiting){
        .work = {.load = load, .apply = apply, .done = done},
        .service = exchange->service,
        .exchange = exchange,
        .wallet = exchange->params[0],
    };
    turns_add(w->service->turns, &w->work);
}

void accounts_limits_get(struct http_exchange *exchange) { begin(exchange, get_apply); }
void accounts_limits_put(struct http_exchange *exchange) { begin(exchange, put_apply); }
