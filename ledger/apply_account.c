/* Accounts made and accounts' flags changed. */
#include "apply.h"

static uint64_t hash_of(const struct applier *applier, mp_id id)
{
    return id_hash(applier->ledger->accounts.hash_secret, id);
}

/* --- creation --- */

/* 22, 23, 3, 24, 25, 4 to 7. */
static uint32_t check_account_first(const struct applier *applier, const mp_account *event)
{
    bool imported = (event->flags & MP_ACCOUNT_IMPORTED) != 0;

    if (applier->batch_imported && !imported) return MP_ACCOUNT_IMPORTED_EVENT_EXPECTED;
    if (!applier->batch_imported && imported) return MP_ACCOUNT_IMPORTED_EVENT_NOT_EXPECTED;
    if (!imported && event->timestamp != 0) return MP_ACCOUNT_TIMESTAMP_MUST_BE_ZERO;
    if (imported) {
        if (event->timestamp == 0 || event->timestamp > TIME_MAX) {
            return MP_ACCOUNT_IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE;
        }
        if (event->timestamp >= applier->batch_time)
            return MP_ACCOUNT_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE;
    }
    if (event->reserved != 0) return MP_ACCOUNT_RESERVED_FIELD;
    if ((event->flags & ~0xff) != 0) return MP_ACCOUNT_RESERVED_FLAG;
    if (event->id == 0) return MP_ACCOUNT_ID_MUST_NOT_BE_ZERO;
    if (event->id == MP_U128_MAX) return MP_ACCOUNT_ID_MUST_NOT_BE_INT_MAX;
    return 0;
}

/* 8 to 14, 26. */
static uint32_t check_account_fields(const struct applier *applier, const mp_account *event)
{
    const uint16_t both =
        MP_ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS | MP_ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS;
    const struct newest *newest = &applier->ledger->newest;

    if ((event->flags & both) == both) return MP_ACCOUNT_FLAGS_ARE_MUTUALLY_EXCLUSIVE;
    if (event->debits_pending != 0) return MP_ACCOUNT_DEBITS_PENDING_MUST_BE_ZERO;
    if (event->debits_posted != 0) return MP_ACCOUNT_DEBITS_POSTED_MUST_BE_ZERO;
    if (event->credits_pending != 0) return MP_ACCOUNT_CREDITS_PENDING_MUST_BE_ZERO;
    if (event->credits_posted != 0) return MP_ACCOUNT_CREDITS_POSTED_MUST_BE_ZERO;
    if (event->ledger == 0) return MP_ACCOUNT_LEDGER_MUST_NOT_BE_ZERO;
    if (event->code == 0) return MP_ACCOUNT_CODE_MUST_NOT_BE_ZERO;
    if ((event->flags & MP_ACCOUNT_IMPORTED) != 0 &&
        (event->timestamp <= newest->account || event->timestamp <= newest->transfer)) {
        return MP_ACCOUNT_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS;
    }
    return 0;
}

static void account_record_write(struct applier *applier, const mp_account *event, uint32_t slot,
                                 uint64_t time, uint64_t *sequence)
{
    bool imported = (event->flags & MP_ACCOUNT_IMPORTED) != 0;
    uint64_t position;
    struct account_record *record =
        (struct account_record *)block_record(&applier->block, applier->tail, 3, &position);

    *record = (struct account_record){
        .kind = MP_RECORD_ACCOUNT,
        .code = event->code,
        .flags = event->flags,
        .id = event->id,
        .slot = slot,
        .ledger = event->ledger,
        .user_data_128 = event->user_data_128,
        .user_data_64 = event->user_data_64,
        .user_data_32 = event->user_data_32,
        .time_offset = imported ? 0 : (uint32_t)(time - applier->block.time),
        .imported_time = imported ? event->timestamp : 0,
    };
    *sequence = applier->block.sequence++;
    applier->block.count++;
}

struct outcome apply_account(struct applier *applier, const mp_account *event, uint64_t time)
{
    struct accounts *accounts = &applier->ledger->accounts;
    uint64_t hash = hash_of(applier, event->id);
    uint64_t timestamp = (event->flags & MP_ACCOUNT_IMPORTED) != 0 ? event->timestamp : time;
    struct outcome outcome = {.code = MP_CREATED, .timestamp = timestamp};
    uint32_t code = check_account_first(applier, event);
    uint32_t slot;

    if (code != 0) return refused(code);
    slot = accounts_find(accounts, event->id, hash);
    if (slot != SLOT_NONE) return exists_account(applier, event, slot);
    code = check_account_fields(applier, event);
    if (code != 0) return refused(code);

    slot = accounts_add(accounts, event->id, hash, event->ledger);
    if (applier->in_chain) undo_push(applier, UNDO_ACCOUNT)->hash = hash;
    account_line(accounts, slot)->flags = (uint8_t)event->flags;
    account_details_set(accounts, slot, event, timestamp);
    account_record_write(applier, event, slot, time, &outcome.sequence);
    applier->ledger->newest.account = timestamp;
    return outcome;
}

/* --- updates --- */

enum { CHANGEABLE = MP_ACCOUNT_FROZEN_DEBITS | MP_ACCOUNT_FROZEN_CREDITS | MP_ACCOUNT_CLOSED };

static uint32_t check_update_first(const mp_account_update *event)
{
    if ((event->flags & ~MP_UPDATE_LINKED) != 0 || (event->flags_set & ~CHANGEABLE) != 0 ||
        (event->flags_clear & ~CHANGEABLE) != 0) {
        return MP_TRANSFER_RESERVED_FLAG;
    }
    if (event->id == 0) return MP_TRANSFER_ID_MUST_NOT_BE_ZERO;
    if (event->id == MP_U128_MAX) return MP_TRANSFER_ID_MUST_NOT_BE_INT_MAX;
    return 0;
}

static uint32_t check_update_fields(const mp_account_update *event)
{
    if ((event->flags_set & event->flags_clear) != 0)
        return MP_TRANSFER_FLAGS_ARE_MUTUALLY_EXCLUSIVE;
    if (event->account_id == 0) return MP_TRANSFER_ACCOUNT_ID_MUST_NOT_BE_ZERO;
    if (event->account_id == MP_U128_MAX) return MP_TRANSFER_ACCOUNT_ID_MUST_NOT_BE_INT_MAX;
    if ((event->flags_set | event->flags_clear) == 0) return MP_TRANSFER_NOTHING_TO_UPDATE;
    return 0;
}

static bool is_empty(const struct sums *sums)
{
    return sums->of[DEBITS_POSTED] == sums->of[CREDITS_POSTED] && sums->of[DEBITS_PENDING] == 0 &&
           sums->of[CREDITS_PENDING] == 0;
}

static void update_record_write(struct applier *applier, const mp_account_update *event,
                                uint64_t hash, uint32_t slot, uint8_t flags_before, uint64_t time,
                                const struct sums *sums, uint64_t *sequence)
{
    struct account_line *line = account_line(&applier->ledger->accounts, slot);
    bool wide = (sums->of[0] | sums->of[1] | sums->of[2] | sums->of[3]) >> 64 != 0;
    uint64_t position;
    struct update_record *record = (struct update_record *)block_record(
        &applier->block, applier->tail, wide ? 5 : 4, &position);

    *record = (struct update_record){
        .kind = MP_RECORD_UPDATE,
        .extensions = wide ? EXT_POSTED_HIGH : 0,
        .code = event->code,
        .flags = event->flags,
        .account_flags_before = flags_before,
        .account_flags_after = line->flags,
        .id = event->id,
        .slot = slot,
        .flags_set = event->flags_set,
        .flags_clear = event->flags_clear,
        .user_data_64 = event->user_data_64,
        .user_data_128 = event->user_data_128,
        .user_data_32 = event->user_data_32,
        .time_offset = (uint32_t)(time - applier->block.time),
    };
    for (int i = 0; i < SUMS; i++) record->sums[i] = u128_low(sums->of[i]);
    if (wide) {
        struct ext_high *high = (struct ext_high *)(record + 1);

        for (int i = 0; i < SUMS; i++) high->high[i] = u128_high(sums->of[i]);
    }
    store_48(line->last, position);
    *sequence = applier->block.sequence++;
    applier->block.count++;
    ids_insert(&applier->ledger->ids, hash, ID_OBJECT, position);
    if (applier->in_chain) {
        struct undo *undo = undo_push(applier, UNDO_ID_INSERT);

        undo->hash = hash;
        undo->id.tag = ID_OBJECT;
        undo->id.position = position;
    }
    applier->ledger->newest.other = time;
    applier->ledger->counters.updates++;
}

struct outcome apply_update(struct applier *applier, const mp_account_update *event, uint64_t time)
{
    struct accounts *accounts = &applier->ledger->accounts;
    uint64_t hash = hash_of(applier, event->id);
    struct outcome outcome;
    struct account_line *line;
    struct sums sums;
    uint8_t flags_before;
    uint32_t code = check_update_first(event);
    uint32_t slot;

    if (code != 0) return refused(code);
    outcome = exists_update(applier, event, hash);
    if (outcome.code != 0) return outcome;
    code = check_update_fields(event);
    if (code != 0) return refused(code);
    slot = accounts_find(accounts, event->account_id, hash_of(applier, event->account_id));
    if (slot == SLOT_NONE) return refused(MP_TRANSFER_ACCOUNT_NOT_FOUND);
    line = account_line(accounts, slot);
    sums = account_sums(accounts, line);
    if ((event->flags_set & MP_ACCOUNT_CLOSED) != 0 && !is_empty(&sums))
        return refused(MP_TRANSFER_ACCOUNT_NOT_EMPTY);

    undo_line(applier, slot);
    flags_before = line->flags;
    line->flags = (uint8_t)((flags_before | event->flags_set) & ~event->flags_clear);
    outcome = (struct outcome){.code = MP_CREATED, .timestamp = time};
    update_record_write(applier, event, hash, slot, flags_before, time, &sums, &outcome.sequence);
    return outcome;
}
