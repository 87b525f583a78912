/* Reversals: a posted transfer given back, in part or whole, once for all. */
#include "apply.h"

/* The transfer to reverse and what is left of it to reverse. */
struct original {
    uint32_t code; /* 0 = can be reversed; else the refusal */
    uint32_t debit_slot, credit_slot;
    uint16_t transfer_code;
    uint64_t position;
    mp_amount reversed, left;
};

/* The newest reversal of a transfer: after a restart the index may hold older ones too. 0 = none.
 */
uint64_t reversal_newest(struct applier *applier, mp_id original, uint64_t hash,
                         mp_amount *reversed)
{
    struct ids_probe probe;
    uint64_t candidate = ids_first(&applier->ledger->ids, hash, ID_REVERSED, &probe);
    uint64_t newest = 0;

    *reversed = 0;
    for (; candidate != 0; candidate = ids_next(&applier->ledger->ids, &probe)) {
        struct record_view view;
        uint64_t sequence;

        if (candidate <= newest) continue;
        record_at(applier->ledger, &applier->fetch, candidate, &view, &sequence);
        if (view.reservation == NULL || view.reservation->pending_id != original) continue;
        newest = candidate;
        *reversed = record_reversed(&view);
    }
    return newest;
}

static struct original original_find(struct applier *applier, mp_id id)
{
    const uint16_t not_posted = MP_TRANSFER_PENDING | MP_TRANSFER_VOID_PENDING |
                                MP_TRANSFER_INCREASE_PENDING | MP_TRANSFER_REVERSAL;
    uint64_t hash = id_hash(applier->ledger->accounts.hash_secret, id);
    struct original original = {0};
    const struct transfer_record *record;
    struct record_view view;

    if (!find_object(applier, id, hash, &view) || view.record[0] != MP_RECORD_TRANSFER) {
        original.code = MP_TRANSFER_REVERSED_TRANSFER_NOT_FOUND;
        return original;
    }
    record = (const struct transfer_record *)view.record;
    if ((record->flags & not_posted) != 0) {
        original.code = MP_TRANSFER_REVERSED_TRANSFER_NOT_POSTED;
        return original;
    }
    original.debit_slot = record->debit_slot;
    original.credit_slot = record->credit_slot;
    original.transfer_code = record->code;
    original.position = view.position;
    original.left = record_amount(&view);
    reversal_newest(applier, id, hash, &original.reversed);
    MP_ASSERT(original.reversed <= original.left);
    original.left -= original.reversed;
    return original;
}

/* 1004 to 1006, 1001; *amount becomes what is reversed. */
static uint32_t check_original(const struct accounts *accounts, const struct original *original,
                               const mp_transfer *event, mp_amount *amount)
{
    const struct account_line *debit = account_line(accounts, original->credit_slot); /* swapped */
    const struct account_line *credit = account_line(accounts, original->debit_slot);

    if (event->debit_account_id != 0 && event->debit_account_id != debit->id) {
        return MP_TRANSFER_REVERSED_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID;
    }
    if (event->credit_account_id != 0 && event->credit_account_id != credit->id) {
        return MP_TRANSFER_REVERSED_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID;
    }
    if (event->ledger != 0 && event->ledger != debit->ledger) {
        return MP_TRANSFER_REVERSED_TRANSFER_HAS_DIFFERENT_LEDGER;
    }
    *amount = event->amount == MP_AMOUNT_MAX ? original->left : event->amount;
    return *amount > original->left ? MP_TRANSFER_EXCEEDS_REVERSIBLE_AMOUNT : 0;
}

static uint32_t check_booking(const struct account_line *debit_line,
                              const struct account_line *credit_line, const struct sums *debit,
                              const struct sums *credit, mp_amount amount)
{
    uint32_t code = check_closed(debit_line, credit_line);

    if (code == 0) code = check_frozen(debit_line, credit_line);
    if (code == 0) code = check_overflow(debit, credit, amount, false);
    if (code == 0) code = check_limits(debit_line, credit_line, debit, credit, amount);
    return code;
}

struct outcome apply_reversal(struct applier *applier, const mp_transfer *event, uint64_t time,
                              uint64_t hash)
{
    struct accounts *accounts = &applier->ledger->accounts;
    struct account_line *debit_line, *credit_line;
    struct outcome outcome = {.code = MP_CREATED, .timestamp = time};
    struct original original;
    struct effect effect;
    struct sums debit, credit;
    mp_amount amount;
    uint32_t code;

    if (event->pending_id == 0) return refused(MP_TRANSFER_PENDING_ID_MUST_NOT_BE_ZERO);
    if (event->pending_id == MP_U128_MAX)
        return refused(MP_TRANSFER_PENDING_ID_MUST_NOT_BE_INT_MAX);
    if (event->pending_id == event->id) return refused(MP_TRANSFER_PENDING_ID_MUST_BE_DIFFERENT);
    if (event->timeout != 0) return refused(MP_TRANSFER_TIMEOUT_RESERVED_FOR_PENDING_TRANSFER);
    original = original_find(applier, event->pending_id);
    if (original.code != 0) return refused(original.code);
    code = check_original(accounts, &original, event, &amount);
    if (code != 0) return refused(code);
    debit_line = account_line(accounts, original.credit_slot);
    credit_line = account_line(accounts, original.debit_slot);
    debit = account_sums(accounts, debit_line);
    credit = account_sums(accounts, credit_line);
    code = check_booking(debit_line, credit_line, &debit, &credit, amount);
    if (code != 0) return refused(code);

    effect = (struct effect){
        .kind = MP_RECORD_TRANSFER,
        .id = event->id,
        .hash = hash,
        .debit_slot = original.credit_slot,
        .credit_slot = original.debit_slot,
        .amount = amount,
        .user_data_128 = event->user_data_128,
        .user_data_64 = event->user_data_64,
        .user_data_32 = event->user_data_32,
        .code = event->code != 0 ? event->code : original.transfer_code,
        .flags = event->flags,
        .timestamp = time,
        .pending_id = event->pending_id,
        .inherited =
            (uint8_t)((amount == original.left ? TOOK_ALL : 0) |
                      (event->code == 0 || event->code == original.transfer_code ? INHERITED_CODE
                                                                                 : 0)),
        .reversed = original.reversed + amount,
        .original = original.position,
    };
    undo_line(applier, effect.debit_slot);
    undo_line(applier, effect.credit_slot);
    debit.of[DEBITS_POSTED] += amount;
    credit.of[CREDITS_POSTED] += amount;
    account_set_sums(accounts, debit_line, &debit);
    account_set_sums(accounts, credit_line, &credit);
    effect_write(applier, &effect, &debit, &credit, &outcome.sequence);
    return outcome;
}
