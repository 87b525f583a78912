/* What comes from elsewhere: answers of the ledger, verdicts of fraud, news of accounts, time. */
#include "payments.h"

#include "wire/buffer.h"

#include <stdlib.h>
#include <string.h>

enum { FREEZE_MAX = 256 }; /* payments of a side that are given up in one turn */

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

static void ring_payment(struct payments *service, struct uuid id)
{
    struct timer_work *w = need_memory(sizeof *w);

    w->work = (struct work){.load = timer_load, .apply = timer_apply, .done = timer_done};
    w->service = service;
    w->id = id;
    turns_add(service->turns, &w->work);
}

/* --- open payments of an account that was frozen or closed: given up, some in each turn --- */

struct freeze_work {
    struct work work;
    struct payments *service;
    struct account_copy account;
    bool found, more;
    unsigned count;
    struct uuid ids[2 * FREEZE_MAX];
};

static bool stops(const struct account_copy *account, unsigned side)
{
    return account->status == ACCOUNT_STATUS_CLOSED || account->frozen == ACCOUNT_SIDE_ALL ||
           account->frozen == side;
}

static enum outcome freeze_load_side(struct freeze_work *w, struct turn *turn, bool as_payer,
                                     struct error *err)
{
    struct uuid *ids = w->ids + w->count;
    unsigned count = 0;
    enum outcome outcome =
        sql_open_payments(turn_store(turn), w->account.id, as_payer, ids, FREEZE_MAX, &count, err);

    for (unsigned i = 0; i < count && outcome == OUTCOME_DONE; i++) {
        struct row *row;

        outcome = rows_load(w->service, turn, ids[i], &row, err);
    }
    w->count += count;
    w->more |= count == FREEZE_MAX;
    return outcome;
}

static enum outcome freeze_load(struct work *work, struct turn *turn, struct error *err)
{
    struct freeze_work *w = (struct freeze_work *)work;
    enum outcome outcome =
        sql_load_account(turn_store(turn), w->account.id, &w->account, &w->found, err);

    w->count = 0;
    w->more = false;
    if (outcome == OUTCOME_DONE && w->found && stops(&w->account, ACCOUNT_SIDE_DEBITS))
        outcome = freeze_load_side(w, turn, true, err);
    if (outcome == OUTCOME_DONE && w->found && stops(&w->account, ACCOUNT_SIDE_CREDITS))
        outcome = freeze_load_side(w, turn, false, err);
    return outcome;
}

static enum outcome freeze_apply(struct work *work, struct turn *turn, struct error *err)
{
    struct freeze_work *w = (struct freeze_work *)work;
    struct payment_input input = {.kind = INPUT_FREEZE, .reason = REASON_ACCOUNT_FROZEN};
    struct uuid id = w->account.id.uuid;

    if (w->account.status == ACCOUNT_STATUS_CLOSED) input.reason = REASON_ACCOUNT_CLOSED;
    for (unsigned i = 0; i < w->count; i++) {
        struct row *row = rows_find(&w->service->rows, w->ids[i]);

        if (row->payment != NULL && rows_step(w->service, turn, row, &input, err) != OUTCOME_DONE)
            return err->outcome;
    }
    if (!w->more) return turn_timer_clear(turn, TIMER_FREEZE, id, err);
    return turn_timer_set(turn, TIMER_FREEZE, id, turn_now_ns(turn) + 1, err);
}

static void ring_freeze(struct payments *service, struct uuid account)
{
    struct freeze_work *w = need_memory(sizeof *w);

    w->work = (struct work){.load = freeze_load, .apply = freeze_apply, .done = timer_done};
    w->service = service;
    w->account.id.uuid = account;
    turns_add(service->turns, &w->work);
}

void on_timer(void *context, unsigned kind, struct uuid key)
{
    if (kind == TIMER_FREEZE)
        ring_freeze(context, key);
    else
        ring_payment(context, key);
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

/* Its open payments are given up right after, of what is stored by then: those of this turn too. */
static enum outcome freeze_soon(struct turn *turn, struct account_id account, struct error *err)
{
    return turn_timer_set(turn, TIMER_FREEZE, account.uuid, turn_now_ns(turn), err);
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

    (void)context;
    return outcome == OUTCOME_DONE ? freeze_soon(turn, data->account, err) : outcome;
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

    (void)context;
    return outcome == OUTCOME_DONE ? freeze_soon(turn, data->account, err) : outcome;
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
