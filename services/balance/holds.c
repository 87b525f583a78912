/*
 * What the ledger says of reservations, in its order: a hold is there or is refused, ends by a void
 * or by itself. An answer that comes twice finds nothing under way.
 *
 * | status | on | next |
 * |---|---|---|
 * | pending | hold applied | held; releasing (the void is sent) if somebody has asked for it |
 * | pending | hold refused | rejected |
 * | held | DELETE | releasing: the void is sent |
 * | releasing | void applied, or was before | released |
 * | any of these | its time is over, or the void finds it so | expired |
 */
#include "balance.h"

#include "observe/log.h"

#include <stdlib.h>

static mp_id hold_id(const struct reservation *row)
{
    return ledger_id(&row->books, row->id, STEP_RESERVE, 0, 0);
}

void reservation_send_hold(struct reservation *row)
{
    struct chain chain = {.operation = MP_CREATE_TRANSFERS, .count = 1};

    chain.events.transfers[0] = (mp_transfer){
        .id = hold_id(row),
        .debit_account_id = id_of_uuid(row->account),
        .credit_account_id = id_of_uuid(row->payee),
        .amount = (mp_amount)row->amount,
        .user_data_128 = id_of_uuid(row->id),
        .user_data_32 = STEP_RESERVE,
        .timeout = (uint32_t)row->hold_s,
        .ledger = row->ledger,
        .code = TRANSFER_CODE_RESERVATION,
        .flags = MP_TRANSFER_PENDING,
    };
    row->status = RESERVATION_PENDING;
    reservation_send(row, &chain);
}

void reservation_send_void(struct reservation *row)
{
    struct chain chain = {.operation = MP_CREATE_TRANSFERS, .count = 1};

    chain.events.transfers[0] = (mp_transfer){
        .id = ledger_id(&row->books, row->id, STEP_VOID, 0, 0),
        .pending_id = hold_id(row),
        .user_data_128 = id_of_uuid(row->id),
        .user_data_32 = STEP_VOID,
        .flags = MP_TRANSFER_VOID_PENDING,
    };
    row->status = RESERVATION_RELEASING;
    reservation_send(row, &chain);
}

/* --- answers --- */

/* What is needed of an answer (struct ledger_answer has room for sixteen transfers). */
struct answered {
    struct work work;
    struct balances *service;
    struct uuid reply;
    mp_id command;
    bool expiry, applied;
    uint32_t code;
    uint64_t sequence, timestamp, expiry_position;
    bool moved; /* this piece has moved the reservation */
    bool alert; /* in a way that somebody must look at */
};

static enum outcome announce_rejected(struct turn *turn, const struct reservation *row,
                                      struct error *err)
{
    struct account_balance_rejected_event data = {
        .payment = row->id,
        .account = {row->account},
        .amount = amount_of(row->amount, row->currency),
        .reason = reason_row(row->reason)->name,
    };
    struct turn_event event = {
        .type = EVENT_TYPE(account_balance_rejected),
        .data = &data,
        .tenant = row->books.tenant,
        .live = row->books.live,
        .key = row->id,
        .time_ns = row->updated_ns,
        .entity_version = row->version,
        .correlation = row->id,
        .traceparent = row->trace,
        .ledger_sequence = row->sequence,
    };

    __builtin_memcpy(data.currency.code, row->currency->code, sizeof data.currency.code);
    return turn_event(turn, &event, err);
}

static enum outcome hold_answered(const struct answered *w, struct turn *turn,
                                  struct reservation *row, struct error *err)
{
    if (!w->applied) {
        row->status = RESERVATION_REJECTED;
        row->reason = ledger_reason(w->code);
        return announce_rejected(turn, row, err);
    }
    row->status = RESERVATION_HELD;
    row->expires_ns = w->timestamp + row->hold_s * UINT64_C(1000000000);
    if (row->release) reservation_send_void(row);
    return OUTCOME_DONE;
}

static void void_answered(struct answered *w, struct reservation *row)
{
    if (w->applied || w->code == MP_TRANSFER_PENDING_TRANSFER_ALREADY_VOIDED) {
        row->status = RESERVATION_RELEASED;
    } else if (w->code == MP_TRANSFER_PENDING_TRANSFER_EXPIRED) {
        row->status = RESERVATION_EXPIRED;
    } else {
        row->status = RESERVATION_HELD;
        w->alert = true;
    }
}

static enum outcome load(struct work *work, struct turn *turn, struct error *err)
{
    struct answered *w = (struct answered *)work;

    return balance_sql_load_reservation(&w->service->reservations, turn_store(turn), w->reply, err);
}

static void expired(struct answered *w, struct turn *turn, struct reservation *row)
{
    if (row->status != RESERVATION_PENDING && row->status != RESERVATION_HELD &&
        row->status != RESERVATION_RELEASING)
        return;
    reservation_send(row, NULL);
    row->status = RESERVATION_EXPIRED;
    reservation_touch(row, turn_now_ns(turn));
    w->moved = true;
}

static enum outcome answer(struct answered *w, struct turn *turn, struct reservation *row,
                           struct error *err)
{
    bool holds = row->status == RESERVATION_PENDING;
    struct chain chain;

    if (row->chain == NULL || !chain_decode(row->chain, row->chain_length, &chain) ||
        chain_id(&chain) != w->command)
        return OUTCOME_DONE;
    reservation_send(row, NULL);
    reservation_touch(row, turn_now_ns(turn));
    w->moved = true;
    if (holds) return hold_answered(w, turn, row, err);
    void_answered(w, row);
    return OUTCOME_DONE;
}

static enum outcome apply(struct work *work, struct turn *turn, struct error *err)
{
    struct answered *w = (struct answered *)work;
    struct reservation *row = balance_rows_find(&w->service->reservations, w->reply);

    w->moved = w->alert = false;
    if (w->expiry_position > w->service->expiries) w->service->expiries = w->expiry_position;
    if (row == NULL) return OUTCOME_DONE; /* another database's, or a bulk caller's */
    if (w->sequence > row->sequence) row->sequence = w->sequence;
    if (!w->expiry) return answer(w, turn, row, err);
    expired(w, turn, row);
    return OUTCOME_DONE;
}

static void done(struct work *work, enum outcome outcome, const struct error *err)
{
    struct answered *w = (struct answered *)work;

    (void)err; /* a piece that persists is done, or the service stands still and has said so */
    if (outcome == OUTCOME_DONE && w->alert)
        log_error(&(struct log_about){.service = "balance", .action = "reservation.stuck"},
                  "the ledger refused to release a reservation: %s",
                  mp_transfer_result_name(w->code));
    if (outcome == OUTCOME_DONE && w->moved)
        reservation_tell(w->service, balance_rows_find(&w->service->reservations, w->reply));
    free(w);
}

void balance_answered(void *service, const struct ledger_answer *from)
{
    struct answered *w = need_memory(sizeof *w);

    *w = (struct answered){
        .work = {.load = load, .apply = apply, .done = done, .persist = true},
        .service = service,
        .reply = from->reply,
        .command = from->command,
        .expiry = from->expiry,
        .applied = from->applied,
        .code = from->code,
        .sequence = from->sequence,
        .timestamp = from->timestamp,
        .expiry_position = from->expiry_position,
    };
    resend_answered(w->service->resend, from);
    turns_add(w->service->turns, &w->work);
}
