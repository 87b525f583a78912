/* Records as the public structs show them. */
#include "read.h"

mp_change_type record_change_type(const struct record_view *view)
{
    const struct transfer_record *record = (const struct transfer_record *)view->record;

    if (record->kind == MP_RECORD_UPDATE) return MP_CHANGE_ACCOUNT_UPDATED;
    if (record->kind == MP_RECORD_EXPIRY) return MP_CHANGE_TWO_PHASE_EXPIRED;
    if ((record->flags & MP_TRANSFER_REVERSAL) != 0) return MP_CHANGE_REVERSAL;
    if ((record->flags & MP_TRANSFER_INCREASE_PENDING) != 0) return MP_CHANGE_TWO_PHASE_INCREASED;
    if ((record->flags & MP_TRANSFER_VOID_PENDING) != 0) return MP_CHANGE_TWO_PHASE_VOIDED;
    if ((record->flags & MP_TRANSFER_POST_PENDING) != 0) {
        bool closes = view->reservation != NULL && (view->reservation->inherited & CLOSES) != 0;

        return closes ? MP_CHANGE_TWO_PHASE_POSTED : MP_CHANGE_TWO_PHASE_PART_POSTED;
    }
    return (record->flags & MP_TRANSFER_PENDING) != 0 ? MP_CHANGE_TWO_PHASE_PENDING
                                                      : MP_CHANGE_SINGLE_PHASE;
}

/* Ids of published accounts never change; a slot beyond them stands in no sound log. */
static mp_id account_id(const struct accounts *accounts, uint32_t slot)
{
    if (slot >= atomic_load_explicit(&accounts->published_count, memory_order_acquire)) return 0;
    return account_line(accounts, slot)->id;
}

static void decode_update(const struct accounts *accounts, const struct record_view *view,
                          mp_change *out)
{
    const struct update_record *record = (const struct update_record *)view->record;

    out->update = (mp_account_update){
        .id = record->id,
        .account_id = account_id(accounts, record->slot),
        .user_data_128 = record->user_data_128,
        .user_data_64 = record->user_data_64,
        .user_data_32 = record->user_data_32,
        .flags_set = record->flags_set,
        .flags_clear = record->flags_clear,
        .code = record->code,
        .flags = record->flags,
    };
    out->update_flags_before = record->account_flags_before;
    out->update_flags_after = record->account_flags_after;
    out->debit_account_flags = record->account_flags_after;
}

void decode_change(const struct accounts *accounts, const struct record_view *view,
                   uint64_t sequence, mp_change *out)
{
    const struct transfer_record *record = (const struct transfer_record *)view->record;
    struct sums debit, credit;

    memset(out, 0, sizeof *out);
    out->type = record_change_type(view);
    out->timestamp = view->timestamp;
    out->sequence = sequence;
    out->position = view->position;
    record_sums(view, &debit, &credit);
    out->debit = balance_of(&debit);
    out->credit = balance_of(&credit);
    if (out->type == MP_CHANGE_ACCOUNT_UPDATED) {
        decode_update(accounts, view, out);
        return;
    }
    out->debit_account_flags = record->debit_flags;
    out->credit_account_flags = record->credit_flags;
    record_transfer(accounts, view, &out->transfer);
}

static void decode_account(const struct record_view *view, mp_record *out)
{
    const struct account_record *record = (const struct account_record *)view->record;

    out->slot = record->slot;
    out->account = (mp_account){
        .id = record->id,
        .user_data_128 = record->user_data_128,
        .user_data_64 = record->user_data_64,
        .user_data_32 = record->user_data_32,
        .ledger = record->ledger,
        .code = record->code,
        .flags = record->flags,
        .timestamp = view->timestamp,
    };
}

void decode_record(const struct accounts *accounts, const struct record_view *view,
                   uint64_t sequence, mp_record *out)
{
    const struct bound_record *bound = (const struct bound_record *)view->record;
    const struct input_position_record *input = (const struct input_position_record *)view->record;

    memset(out, 0, sizeof *out);
    out->kind = (mp_record_kind)view->record[0];
    out->position = view->position;
    out->timestamp = view->timestamp;
    out->sequence = out->kind == MP_RECORD_INPUT_POSITION ? 0 : sequence;
    switch (out->kind) {
    case MP_RECORD_ACCOUNT: decode_account(view, out); break;
    case MP_RECORD_BOUND_ID:
        out->bound_id = bound->id;
        out->bound_code = bound->result;
        break;
    case MP_RECORD_INPUT_POSITION:
        out->source = input->source;
        out->source_position = input->position;
        break;
    default:
        decode_change(accounts, view, out->sequence, &out->change);
        out->left = record_left(view);
        if (out->change.type == MP_CHANGE_TWO_PHASE_PENDING)
            out->left = out->change.transfer.amount;
        if (out->change.type == MP_CHANGE_REVERSAL) out->reversed = record_reversed(view);
        break;
    }
}
