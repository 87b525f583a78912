/* What comes from elsewhere: answers of the ledger, verdicts of fraud, news of accounts, time. */
#include "payments.h"

#include "wire/buffer.h"

#include <stdlib.h>
#include <string.h>

enum { FREEZE_MAX = 4096 };

/* --- answers of the ledger --- */

struct answer_work {
    struct work work;
    struct payments *service;
    struct row *row;
    struct ledger_answer answer; /* cut behind what it has */
};

static enum outcome answer_load(struct work *work, struct turn *turn, struct error *err)
{
    struct answer_work *w = (struct answer_work *)work;

    return rows_load(w->service, turn, w->answer.reply, &w->row, err);
}

static enum outcome answer_apply(struct work *work, struct turn *turn, struct error *err)
{
    struct answer_work *w = (struct answer_work *)work;
    struct payment_input input = {.kind = INPUT_ANSWER, .answer = &w->answer};

    w->row = rows_find(&w->service->rows, w->answer.reply);
    if (w->answer.expiry_position > w->service->expiry_position)
        w->service->expiry_position = w->answer.expiry_position;
    if (w->row->payment == NULL) return OUTCOME_DONE; /* another database's, or a bulk caller's */
    return rows_step(w->service, turn, w->row, &input, err);
}

static void answer_done(struct work *work, enum outcome outcome, const struct error *err)
{
    (void)outcome;
    (void)err;
    free(work);
}

void on_ledger_answer(void *context, const struct ledger_answer *answer)
{
    struct answer_work *w = need_memory(sizeof *w);

    w->work = (struct work){
        .load = answer_load, .apply = answer_apply, .done = answer_done, .persist = true};
    w->service = context;
    w->answer = *answer;
    resend_answered(w->service->resend, answer);
    turns_add(w->service->turns, &w->work);
}

/* --- time --- */

struct timer_work {
    struct work work;
    struct payments *service;
    struct uuid id;
    struct row *row;
};

static enum outcome timer_load(struct work *work, struct turn *turn, struct error *err)
{
    struct timer_work *w = (struct timer_work *)work;

    return rows_load(w->service, turn, w->id, &w->row, err);
}

static enum outcome timer_apply(struct work *work, struct turn *turn, struct error *err)
{
    struct timer_work *w = (struct timer_work *)work;
    struct payment_input input = {.kind = INPUT_TIME};

    w->row = rows_find(&w->service->rows, w->id);
    if (w->row->payment == NULL) return turn_timer_clear(turn, TIMER_PAYMENT, w->id, err);
    w->row->payment->due_ns = 0; /* written anew whatever it is */
    return rows_step(w->service, turn, w->row, &input, err);
}

static void timer_done(struct work *work, enum outcome outcome, const struct error *err)
{
    (void)outcome; /* a timer that is still set rings again */
    (void)err;
    free(work);
}

void on_timer(void *context, unsigned kind, struct uuid key)
{
    struct timer_work *w = need_memory(sizeof *w);

    (void)kind;
    w->work = (struct work){.load = timer_load, .apply = timer_apply, .done = timer_done};
    w->service = context;
    w->id = key;
    turns_add(w->service->turns, &w->work);
}

/* --- verdicts --- */

static enum outcome verdict_load(void *context, struct turn *turn, const struct consumed *event,
                                 struct error *err)
{
    struct row *row;

    return rows_load(context, turn, event->key, &row, err);
}

static enum outcome verdict_apply(void *context, struct turn *turn, const struct consumed *event,
                                  struct error *err)
{
    struct payments *service = context;
    const struct fraud_risk_assessed_event *data = event->data;
    struct row *row = rows_find(&service->rows, event->key);
    struct payment_input input = {.kind = INPUT_VERDICT, .verdict = (enum verdict)data->decision};

    if (row->payment == NULL) return OUTCOME_DONE;
    return rows_step(service, turn, row, &input, err);
}

/* --- accounts --- */

static enum outcome store_copy(struct turn *turn, const struct consumed *event,
                               struct account_id account, struct currency_code currency,
                               uint64_t ledger, unsigned status, unsigned frozen, struct error *err)
{
    struct account_copy copy = {
        .id = account,
        .books = {.live = event->live},
        .currency = currency_find(currency.code),
        .ledger = (uint32_t)ledger,
        .status = status,
        .frozen = frozen,
        .version = event->entity_version,
    };

    strncpy(copy.books.tenant, event->tenant, sizeof copy.books.tenant - 1);
    if (copy.currency == NULL)
        return error_set(err, REASON_INVALID_REQUEST, "there is no currency \"%s\"", currency.code);
    return sql_store_account(turn_store(turn), &copy, err);
}

/* Gives up the account's open payments on one side. */
static enum outcome give_up_side(struct payments *service, struct turn *turn,
                                 struct account_id account, bool as_payer, enum reason reason,
                                 struct error *err)
{
    struct payment_input input = {.kind = INPUT_FREEZE, .reason = reason};
    struct uuid *ids = need_memory(FREEZE_MAX * sizeof *ids);
    unsigned count = 0;
    enum outcome outcome =
        sql_open_payments(turn_store(turn), account, as_payer, ids, FREEZE_MAX, &count, err);

    for (unsigned i = 0; i < count && outcome == OUTCOME_DONE; i++) {
        struct row *row;

        outcome = rows_load(service, turn, ids[i], &row, err);
        if (outcome == OUTCOME_DONE) outcome = store_sync(turn_store(turn), err);
        if (outcome == OUTCOME_DONE && row->payment != NULL)
            outcome = rows_step(service, turn, row, &input, err);
    }
    free(ids);
    return outcome;
}

static enum outcome give_up_frozen(struct payments *service, struct turn *turn,
                                   struct account_id account, unsigned frozen, enum reason reason,
                                   struct error *err)
{
    enum outcome outcome = OUTCOME_DONE;

    if (frozen == ACCOUNT_SIDE_DEBITS || frozen == ACCOUNT_SIDE_ALL)
        outcome = give_up_side(service, turn, account, true, reason, err);
    if (outcome == OUTCOME_DONE && (frozen == ACCOUNT_SIDE_CREDITS || frozen == ACCOUNT_SIDE_ALL))
        outcome = give_up_side(service, turn, account, false, reason, err);
    return outcome;
}

/* Copies the limits of an event's list. */
#define COPY_LIMITS(list, currency, out)                                                           \
    for (unsigned i = 0; i < (list)->count; i++) {                                                 \
        const struct account_limit *from = &(list)->rows[i];                                       \
        (out)[i] = (struct limit_copy){                                                            \
            .kind = from->kind,                                                                    \
            .period = from->period,                                                                \
            .has_count = (from->present & RECORD_BIT(account_limit, count)) != 0,                  \
            .has_amount = (from->present & RECORD_BIT(account_limit, amount)) != 0,                \
            .count = (int64_t)from->count,                                                         \
        };                                                                                         \
        if ((out)[i].has_amount && !amount_minor(from->amount, (currency), &(out)[i].amount))      \
            return error_set(err, REASON_INVALID_REQUEST, "a limit is no amount of the currency"); \
    }

static enum outcome created_apply(void *context, struct turn *turn, const struct consumed *event,
                                  struct error *err)
{
    const struct account_created_event *data = event->data;
    const struct currency *currency = currency_find(data->currency.code);
    struct limit_copy limits[9];
    enum outcome outcome = store_copy(turn, event, data->account, data->currency, data->ledger,
                                      data->status, data->frozen, err);

    (void)context;
    if (outcome != OUTCOME_DONE || data->limits.count == 0) return outcome;
    COPY_LIMITS(&data->limits, currency, limits);
    return limits_store(turn_store(turn), data->account, limits, data->limits.count, err);
}

static enum outcome frozen_apply(void *context, struct turn *turn, const struct consumed *event,
                                 struct error *err)
{
    const struct account_frozen_event *data = event->data;
    enum outcome outcome = store_copy(turn, event, data->account, data->currency, data->ledger,
                                      data->status, data->frozen, err);

    if (outcome != OUTCOME_DONE) return outcome;
    return give_up_frozen(context, turn, data->account, data->frozen, REASON_ACCOUNT_FROZEN, err);
}

static enum outcome unfrozen_apply(void *context, struct turn *turn, const struct consumed *event,
                                   struct error *err)
{
    const struct account_unfrozen_event *data = event->data;

    (void)context;
    return store_copy(turn, event, data->account, data->currency, data->ledger, data->status,
                      data->frozen, err);
}

static enum outcome closed_apply(void *context, struct turn *turn, const struct consumed *event,
                                 struct error *err)
{
    const struct account_closed_event *data = event->data;
    enum outcome outcome = store_copy(turn, event, data->account, data->currency, data->ledger,
                                      data->status, data->frozen, err);

    if (outcome != OUTCOME_DONE) return outcome;
    return give_up_frozen(context, turn, data->account, ACCOUNT_SIDE_ALL, REASON_ACCOUNT_CLOSED,
                          err);
}

static enum outcome limits_apply(void *context, struct turn *turn, const struct consumed *event,
                                 struct error *err)
{
    const struct account_limit_changed_event *data = event->data;
    const struct currency *currency = currency_find(data->currency.code);
    struct limit_copy limits[9];

    (void)context;
    COPY_LIMITS(&data->limits, currency, limits);
    return limits_store(turn_store(turn), data->account, limits, data->limits.count, err);
}

const struct consume payment_consumes[] = {
    {"fraud.risk.assessed", 1, CONSUME_ACTING, verdict_load, verdict_apply},
    {"account.created", 1, CONSUME_PURE, NULL, created_apply},
    {"account.frozen", 1, CONSUME_ACTING, NULL, frozen_apply},
    {"account.unfrozen", 1, CONSUME_PURE, NULL, unfrozen_apply},
    {"account.closed", 1, CONSUME_ACTING, NULL, closed_apply},
    {"account.limit.changed", 1, CONSUME_PURE, NULL, limits_apply},
    {.apply = NULL},
};
