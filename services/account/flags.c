/* Freezing, unfreezing, closing: the ledger's flag first; the row and the event follow its answer.
 */
#include "account.h"

#include "http/idempotency.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct flagging {
    struct work work;
    struct wallets *service;
    struct http_exchange *exchange;
    struct uuid wallet, change;
    enum step step;
    bool lifts;
    unsigned side;
    const char *reason; /* in the exchange's body */
    bool replayed;
};

/* The ledger's flags of a side. */
static uint16_t side_flags(unsigned side)
{
    unsigned flags = 0;

    if ((side & ACCOUNT_SIDE_DEBITS) != 0) flags |= MP_ACCOUNT_FROZEN_DEBITS;
    if ((side & ACCOUNT_SIDE_CREDITS) != 0) flags |= MP_ACCOUNT_FROZEN_CREDITS;
    return (uint16_t)flags;
}

static void send(const struct flagging *w, const struct wallet *wallet, struct change *change)
{
    struct chain chain = {.operation = MP_UPDATE_ACCOUNTS, .count = 1};
    mp_account_update *update = &chain.events.updates[0];
    uint16_t flags = w->step == STEP_CLOSE ? MP_ACCOUNT_CLOSED : side_flags(w->side);

    update->id = ledger_id(&wallet->books, w->change, w->step, 0, 0);
    update->account_id = id_of_uuid(wallet->id);
    update->user_data_128 = id_of_uuid(w->change);
    update->user_data_32 = w->step;
    update->code = w->step == STEP_CLOSE ? TRANSFER_CODE_CLOSE : TRANSFER_CODE_FREEZE;
    *(w->lifts ? &update->flags_clear : &update->flags_set) = flags;
    wallet_change_send(change, &chain);
}

static void make_change(const struct flagging *w, struct turn *turn, const struct wallet *wallet)
{
    struct change *change = account_rows_add_change(&w->service->rows, w->change);

    change->fresh = true;
    change->step = w->step;
    change->account = w->wallet;
    change->created_ns = turn_now_ns(turn);
    change->lifts = w->lifts;
    change->side = w->side;
    snprintf(change->reason, sizeof change->reason, "%s", w->reason);
    memcpy(change->trace, w->exchange->traceparent, sizeof change->trace);
    send(w, wallet, change);
}

/* What was asked with the same key before: the path is part of the id, so only the body differs. */
static enum outcome compare(const struct flagging *w, const struct change *before,
                            struct error *err)
{
    const char *what = NULL;

    if (before->side != w->side) what = "side";
    if (strcmp(before->reason, w->reason) != 0) what = "reason";
    if (what == NULL) return OUTCOME_DONE;
    error_set(err, REASON_KEY_REUSED, "the key was used for a request with another %s", what);
    error_member(err, "differs", "/%s", what);
    return err->outcome;
}

static enum outcome load(struct work *work, struct turn *turn, struct error *err)
{
    struct flagging *w = (struct flagging *)work;
    struct rows *rows = &w->service->rows;

    if (account_sql_load_wallet(rows, turn_store(turn), w->wallet, err) != OUTCOME_DONE)
        return err->outcome;
    return account_sql_load_change(rows, turn_store(turn), w->change, err);
}

static enum outcome apply(struct work *work, struct turn *turn, struct error *err)
{
    struct flagging *w = (struct flagging *)work;
    struct rows *rows = &w->service->rows;
    const struct change *before;
    struct wallet *wallet;

    if (wallet_find(rows, w->wallet, &w->exchange->caller, &wallet, err) != OUTCOME_DONE)
        return err->outcome;
    before = account_rows_change(rows, w->change);
    w->replayed = before != NULL;
    if (before != NULL) return compare(w, before, err);
    if (wallet_must_be_open(wallet, err) != OUTCOME_DONE) return err->outcome;
    if (resend_count(w->service->resend) >= w->service->settings->unanswered_max) {
        error_set(err, REASON_BUSY, "%u changes of accounts wait for the ledger",
                  resend_count(w->service->resend));
        return account_refuse(err);
    }
    make_change(w, turn, wallet);
    return OUTCOME_DONE;
}

static void done(struct work *work, enum outcome outcome, const struct error *err)
{
    struct flagging *w = (struct flagging *)work;
    const struct rows *rows = &w->service->rows;

    if (outcome == OUTCOME_DONE)
        wallet_change_wait(w->service, w->exchange, account_rows_wallet(rows, w->wallet),
                           account_rows_change(rows, w->change), w->replayed);
    else
        http_answer_problem(w->exchange, err);
    free(w);
}

static void begin(struct http_exchange *exchange, enum step step, bool lifts, unsigned side,
                  const char *reason)
{
    struct flagging *w = need_memory(sizeof *w);

    *w = (struct flagging){
        .work = {.load = load, .apply = apply, .done = done},
        .service = exchange->service,
        .exchange = exchange,
        .wallet = exchange->params[0],
        .change = idempotency_id(exchange),
        .step = step,
        .lifts = lifts,
        .side = side,
        .reason = reason,
    };
    turns_add(w->service->turns, &w->work);
}

static void freeze(struct http_exchange *exchange, bool lifts)
{
    const struct account_freeze_request *body = exchange->input;

    begin(exchange, STEP_FREEZE, lifts, body->side != 0 ? body->side : ACCOUNT_SIDE_ALL,
          body->reason);
}

void accounts_freeze(struct http_exchange *exchange) { freeze(exchange, false); }
void accounts_unfreeze(struct http_exchange *exchange) { freeze(exchange, true); }

void accounts_close(struct http_exchange *exchange)
{
    const struct account_close_request *body = exchange->input;

    begin(exchange, STEP_CLOSE, false, 0, body->reason);
}
