/* Idempotency: what an event means whose id is known already. */
#include "apply.h"

bool find_object(struct applier *applier, mp_id id, uint64_t hash, struct record_view *view)
{
    struct ids_probe probe;
    uint64_t candidate = ids_first(&applier->ledger->ids, hash, ID_OBJECT, &probe);

    for (; candidate != 0; candidate = ids_next(&applier->ledger->ids, &probe)) {
        uint64_t sequence;
        mp_id found;

        record_at(applier->ledger, &applier->fetch, candidate, view, &sequence);
        memcpy(&found, view->record + 8, sizeof found); /* transfers, updates and bound ids alike */
        if (found == id) return true;
    }
    return false;
}

struct outcome exists_account(const struct applier *applier, const mp_account *event, uint32_t slot)
{
    const struct accounts *accounts = &applier->ledger->accounts;
    const struct account_cold *cold = account_cold(accounts, slot);
    const struct account_rest *rest = account_rest(accounts, slot);

    if (event->flags != cold->flags_created) return refused(MP_ACCOUNT_EXISTS_WITH_DIFFERENT_FLAGS);
    if (event->user_data_128 != MP_U128(cold->user_data_128[1], cold->user_data_128[0])) {
        return refused(MP_ACCOUNT_EXISTS_WITH_DIFFERENT_USER_DATA_128);
    }
    if (event->user_data_64 != cold->user_data_64)
        return refused(MP_ACCOUNT_EXISTS_WITH_DIFFERENT_USER_DATA_64);
    if (event->user_data_32 != rest->user_data_32)
        return refused(MP_ACCOUNT_EXISTS_WITH_DIFFERENT_USER_DATA_32);
    if (event->ledger != account_line(accounts, slot)->ledger) {
        return refused(MP_ACCOUNT_EXISTS_WITH_DIFFERENT_LEDGER);
    }
    if (event->code != rest->code) return refused(MP_ACCOUNT_EXISTS_WITH_DIFFERENT_CODE);
    return (struct outcome){.code = MP_ACCOUNT_EXISTS, .timestamp = rest->timestamp};
}

/* Whether the amount sent again is the one that was asked for. */
static bool amount_agrees(const mp_transfer *event, const struct record_view *view)
{
    mp_amount recorded = record_amount(view);
    unsigned inherited = view->reservation != NULL ? view->reservation->inherited : 0;

    if ((event->flags & (MP_TRANSFER_BALANCING_DEBIT | MP_TRANSFER_BALANCING_CREDIT)) != 0) {
        return event->amount >= recorded;
    }
    if ((event->flags & MP_TRANSFER_VOID_PENDING) != 0)
        return event->amount == 0 || event->amount == recorded;
    if ((event->flags & (MP_TRANSFER_KEEP_PENDING | MP_TRANSFER_REVERSAL)) != 0) {
        return event->amount == MP_AMOUNT_MAX || event->amount == recorded;
    }
    if ((event->flags & MP_TRANSFER_POST_PENDING) != 0 && event->amount == MP_AMOUNT_MAX) {
        return (inherited & TOOK_ALL) != 0;
    }
    return event->amount == recorded;
}

/* Fields that may be given as 0 and are then taken from elsewhere. */
static bool may_be_zero(uint16_t flags)
{
    return (flags & (MP_TRANSFER_POST_PENDING | MP_TRANSFER_VOID_PENDING |
                     MP_TRANSFER_INCREASE_PENDING | MP_TRANSFER_REVERSAL)) != 0;
}

/* user_data agrees when equal, or when 0 was given and the reservation's was taken. */
static uint32_t compare_user_data(const mp_transfer *event, const struct transfer_record *record,
                                  const struct record_view *view)
{
    bool resolves = (event->flags & (MP_TRANSFER_POST_PENDING | MP_TRANSFER_VOID_PENDING)) != 0;
    unsigned inherited = resolves && view->reservation != NULL ? view->reservation->inherited : 0;
    mp_u128 user_data_128 = view->user_data != NULL ? view->user_data->user_data_128 : 0;

    if (event->user_data_128 != user_data_128 &&
        !(event->user_data_128 == 0 && (inherited & INHERITED_USER_DATA_128) != 0)) {
        return MP_TRANSFER_EXISTS_WITH_DIFFERENT_USER_DATA_128;
    }
    if (event->user_data_64 != record->user_data_64 &&
        !(event->user_data_64 == 0 && (inherited & INHERITED_USER_DATA_64) != 0)) {
        return MP_TRANSFER_EXISTS_WITH_DIFFERENT_USER_DATA_64;
    }
    if (event->user_data_32 != record->user_data_32 &&
        !(event->user_data_32 == 0 && (inherited & INHERITED_USER_DATA_32) != 0)) {
        return MP_TRANSFER_EXISTS_WITH_DIFFERENT_USER_DATA_32;
    }
    return 0;
}

static uint32_t compare_transfer(const struct applier *applier, const mp_transfer *event,
                                 const struct record_view *view)
{
    const struct transfer_record *record = (const struct transfer_record *)view->record;
    const struct accounts *accounts = &applier->ledger->accounts;
    const struct account_line *debit = account_line(accounts, record->debit_slot);
    const struct account_line *credit = account_line(accounts, record->credit_slot);
    mp_id pending_id = view->reservation != NULL ? view->reservation->pending_id : 0;
    bool lax = may_be_zero(event->flags);
    uint32_t code;

    if (event->flags != record->flags) return MP_TRANSFER_EXISTS_WITH_DIFFERENT_FLAGS;
    if (event->pending_id != pending_id) return MP_TRANSFER_EXISTS_WITH_DIFFERENT_PENDING_ID;
    if (event->timeout != record->timeout) return MP_TRANSFER_EXISTS_WITH_DIFFERENT_TIMEOUT;
    if (event->debit_account_id != debit->id && !(lax && event->debit_account_id == 0)) {
        return MP_TRANSFER_EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID;
    }
    if (event->credit_account_id != credit->id && !(lax && event->credit_account_id == 0)) {
        return MP_TRANSFER_EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID;
    }
    if (!amount_agrees(event, view)) return MP_TRANSFER_EXISTS_WITH_DIFFERENT_AMOUNT;
    code = compare_user_data(event, record, view);
    if (code != 0) return code;
    if (event->ledger != debit->ledger && !(lax && event->ledger == 0)) {
        return MP_TRANSFER_EXISTS_WITH_DIFFERENT_LEDGER;
    }
    if ((event->flags & MP_TRANSFER_REVERSAL) != 0 && view->reservation != NULL)
        lax = (view->reservation->inherited & INHERITED_CODE) != 0;
    if (event->code != record->code && !(lax && event->code == 0))
        return MP_TRANSFER_EXISTS_WITH_DIFFERENT_CODE;
    return MP_TRANSFER_EXISTS;
}

/* The object with an id, and its sequence; 0 when the id is free. */
static uint64_t find_with_sequence(struct applier *applier, mp_id id, uint64_t hash,
                                   struct record_view *view, uint64_t *sequence)
{
    if (!find_object(applier, id, hash, view)) return 0;
    record_at(applier->ledger, &applier->fetch, view->position, view, sequence);
    return view->position;
}

static struct outcome already_failed(const struct record_view *view)
{
    const struct bound_record *bound = (const struct bound_record *)view->record;

    return (struct outcome){.code = MP_TRANSFER_ID_ALREADY_FAILED, .bound_code = bound->result};
}

/* An `exists` tells of the original; an exists_with_different_* of this event alone. */
static struct outcome existing(uint32_t code, const struct record_view *view, uint64_t sequence)
{
    if (code != MP_TRANSFER_EXISTS) return refused(code);
    return (struct outcome){.code = code, .timestamp = view->timestamp, .sequence = sequence};
}

struct outcome exists_transfer(struct applier *applier, const mp_transfer *event, uint64_t hash)
{
    struct ids_probe probe;
    struct record_view view;
    uint64_t sequence;

    if (LIKELY(ids_first(&applier->ledger->ids, hash, ID_OBJECT, &probe) == 0)) return refused(0);
    if (find_with_sequence(applier, event->id, hash, &view, &sequence) == 0) return refused(0);
    if (view.record[0] == MP_RECORD_BOUND_ID) return already_failed(&view);
    if (view.record[0] == MP_RECORD_UPDATE) return refused(MP_TRANSFER_EXISTS_WITH_DIFFERENT_FLAGS);
    return existing(compare_transfer(applier, event, &view), &view, sequence);
}

static uint32_t compare_update(const struct applier *applier, const mp_account_update *event,
                               const struct update_record *record)
{
    if (event->flags != record->flags || event->flags_set != record->flags_set ||
        event->flags_clear != record->flags_clear) {
        return MP_TRANSFER_EXISTS_WITH_DIFFERENT_FLAGS;
    }
    if (event->account_id != account_line(&applier->ledger->accounts, record->slot)->id) {
        return MP_TRANSFER_EXISTS_WITH_DIFFERENT_ACCOUNT_ID;
    }
    if (event->user_data_128 != record->user_data_128)
        return MP_TRANSFER_EXISTS_WITH_DIFFERENT_USER_DATA_128;
    if (event->user_data_64 != record->user_data_64)
        return MP_TRANSFER_EXISTS_WITH_DIFFERENT_USER_DATA_64;
    if (event->user_data_32 != record->user_data_32)
        return MP_TRANSFER_EXISTS_WITH_DIFFERENT_USER_DATA_32;
    if (event->code != record->code) return MP_TRANSFER_EXISTS_WITH_DIFFERENT_CODE;
    return MP_TRANSFER_EXISTS;
}

struct outcome exists_update(struct applier *applier, const mp_account_update *event, uint64_t hash)
{
    struct record_view view;
    uint64_t sequence;

    if (find_with_sequence(applier, event->id, hash, &view, &sequence) == 0) return refused(0);
    if (view.record[0] == MP_RECORD_BOUND_ID) return already_failed(&view);
    if (view.record[0] != MP_RECORD_UPDATE) return refused(MP_TRANSFER_EXISTS_WITH_DIFFERENT_FLAGS);
    return existing(compare_update(applier, event, (const struct update_record *)view.record),
                    &view, sequence);
}
