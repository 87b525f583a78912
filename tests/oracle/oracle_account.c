/* Accounts: creating them and updating their flags. */
#include "oracle_state.h"

#define REFUSE_ACCOUNT_IF(condition, NAME)                                                         \
    do {                                                                                           \
        if (condition) return MP_ACCOUNT_##NAME;                                                   \
    } while (0)

static uint32_t check_head(const mp_account *a, const struct place *place)
{
    bool imported = (a->flags & MP_ACCOUNT_IMPORTED) != 0;

    REFUSE_ACCOUNT_IF(place->imported && !imported, IMPORTED_EVENT_EXPECTED);
    REFUSE_ACCOUNT_IF(!place->imported && imported, IMPORTED_EVENT_NOT_EXPECTED);
    REFUSE_ACCOUNT_IF(!imported && a->timestamp != 0, TIMESTAMP_MUST_BE_ZERO);
    REFUSE_ACCOUNT_IF(imported && (a->timestamp == 0 || a->timestamp > TIME_MAX),
                      IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE);
    REFUSE_ACCOUNT_IF(imported && a->timestamp >= place->first,
                      IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE);
    REFUSE_ACCOUNT_IF(a->reserved != 0, RESERVED_FIELD);
    REFUSE_ACCOUNT_IF(a->flags >= MP_ACCOUNT_FROZEN_CREDITS << 1, RESERVED_FLAG);
    REFUSE_ACCOUNT_IF(a->id == 0, ID_MUST_NOT_BE_ZERO);
    REFUSE_ACCOUNT_IF(a->id == MP_U128_MAX, ID_MUST_NOT_BE_INT_MAX);
    return 0;
}

/* The flags as created are compared: freezing or closing breaks no retry. */
static uint32_t account_exists(const mp_account *a, const mp_account *e)
{
    REFUSE_ACCOUNT_IF(a->flags != e->flags, EXISTS_WITH_DIFFERENT_FLAGS);
    REFUSE_ACCOUNT_IF(a->user_data_128 != e->user_data_128, EXISTS_WITH_DIFFERENT_USER_DATA_128);
    REFUSE_ACCOUNT_IF(a->user_data_64 != e->user_data_64, EXISTS_WITH_DIFFERENT_USER_DATA_64);
    REFUSE_ACCOUNT_IF(a->user_data_32 != e->user_data_32, EXISTS_WITH_DIFFERENT_USER_DATA_32);
    REFUSE_ACCOUNT_IF(a->ledger != e->ledger, EXISTS_WITH_DIFFERENT_LEDGER);
    REFUSE_ACCOUNT_IF(a->code != e->code, EXISTS_WITH_DIFFERENT_CODE);
    return MP_ACCOUNT_EXISTS;
}

static uint32_t check_new(const struct oracle *o, const mp_account *a)
{
    REFUSE_ACCOUNT_IF((a->flags & MP_ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS) != 0 &&
                          (a->flags & MP_ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS) != 0,
                      FLAGS_ARE_MUTUALLY_EXCLUSIVE);
    REFUSE_ACCOUNT_IF(a->debits_pending != 0, DEBITS_PENDING_MUST_BE_ZERO);
    REFUSE_ACCOUNT_IF(a->debits_posted != 0, DEBITS_POSTED_MUST_BE_ZERO);
    REFUSE_ACCOUNT_IF(a->credits_pending != 0, CREDITS_PENDING_MUST_BE_ZERO);
    REFUSE_ACCOUNT_IF(a->credits_posted != 0, CREDITS_POSTED_MUST_BE_ZERO);
    REFUSE_ACCOUNT_IF(a->ledger == 0, LEDGER_MUST_NOT_BE_ZERO);
    REFUSE_ACCOUNT_IF(a->code == 0, CODE_MUST_NOT_BE_ZERO);
    REFUSE_ACCOUNT_IF((a->flags & MP_ACCOUNT_IMPORTED) != 0 &&
                          (a->timestamp <= o->newest_account || a->timestamp <= o->newest_transfer),
                      IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS);
    return 0;
}

uint32_t oracle_account_create(struct oracle *o, const mp_account *event, const struct place *place,
                               mp_result *result)
{
    struct account *account;
    struct id_entry *entry;

    REFUSE_BY(check_head(event, place));
    entry = oracle_id_find(&o->account_ids, event->id);
    if (entry != NULL) {
        uint32_t code = account_exists(event, &o->accounts[entry->number].created);
        if (code == MP_ACCOUNT_EXISTS) {
            result->timestamp = o->accounts[entry->number].created.timestamp;
            result->sequence = entry->sequence;
        }
        return code;
    }
    REFUSE_BY(check_new(o, event));

    o->accounts = oracle_room(o->accounts, o->account_count, &o->account_room, sizeof(*account));
    account = &o->accounts[o->account_count];
    *account = (struct account){.created = *event, .flags = event->flags};
    if (account->created.timestamp == 0) account->created.timestamp = place->now;
    account->sequence = ++o->sequence;
    oracle_id_take(&o->account_ids, event->id, ACCOUNT, o->account_count++)->sequence = o->sequence;
    o->newest_account = account->created.timestamp;
    result->timestamp = account->created.timestamp;
    result->sequence = o->sequence;
    return MP_CREATED;
}

/* --- updates --- */

enum {
    MAY_CHANGE = MP_ACCOUNT_FROZEN_DEBITS | MP_ACCOUNT_FROZEN_CREDITS | MP_ACCOUNT_CLOSED,
};

static uint32_t update_exists(const struct oracle *o, const mp_account_update *u,
                              const struct id_entry *entry)
{
    const mp_account_update *e;

    REFUSE_IF(entry->holder != UPDATE, EXISTS_WITH_DIFFERENT_FLAGS);
    e = &o->changes[entry->number].seen.update;
    REFUSE_IF(u->flags != e->flags || u->flags_set != e->flags_set ||
                  u->flags_clear != e->flags_clear,
              EXISTS_WITH_DIFFERENT_FLAGS);
    REFUSE_IF(u->account_id != e->account_id, EXISTS_WITH_DIFFERENT_ACCOUNT_ID);
    REFUSE_IF(u->user_data_128 != e->user_data_128, EXISTS_WITH_DIFFERENT_USER_DATA_128);
    REFUSE_IF(u->user_data_64 != e->user_data_64, EXISTS_WITH_DIFFERENT_USER_DATA_64);
    REFUSE_IF(u->user_data_32 != e->user_data_32, EXISTS_WITH_DIFFERENT_USER_DATA_32);
    REFUSE_IF(u->code != e->code, EXISTS_WITH_DIFFERENT_CODE);
    return MP_TRANSFER_EXISTS;
}

static bool is_empty(const mp_balance *b)
{
    return b->debits_posted == b->credits_posted && b->debits_pending == 0 &&
           b->credits_pending == 0;
}

static uint32_t check_update(const struct oracle *o, const mp_account_update *u)
{
    uint32_t number = oracle_account_number(o, u->account_id);

    REFUSE_IF((u->flags_set & u->flags_clear) != 0, FLAGS_ARE_MUTUALLY_EXCLUSIVE);
    REFUSE_IF(u->account_id == 0, ACCOUNT_ID_MUST_NOT_BE_ZERO);
    REFUSE_IF(u->account_id == MP_U128_MAX, ACCOUNT_ID_MUST_NOT_BE_INT_MAX);
    REFUSE_IF(u->flags_set == 0 && u->flags_clear == 0, NOTHING_TO_UPDATE);
    REFUSE_IF(number == NONE, ACCOUNT_NOT_FOUND);
    REFUSE_IF((u->flags_set & MP_ACCOUNT_CLOSED) != 0 && !is_empty(&o->accounts[number].balance),
              ACCOUNT_NOT_EMPTY);
    return 0;
}

static void update_apply(struct oracle *o, const mp_account_update *u, uint64_t time)
{
    uint32_t number = oracle_account_number(o, u->account_id);
    struct account *account = &o->accounts[number];
    uint16_t before = account->flags;
    mp_change *change;

    account->flags = (uint16_t)((account->flags | u->flags_set) & ~u->flags_clear);
    change = oracle_change_record(o, MP_CHANGE_ACCOUNT_UPDATED, number, NONE, time);
    change->update = *u;
    change->update_flags_before = before;
    change->update_flags_after = account->flags;
    oracle_id_take(&o->ids, u->id, UPDATE, o->change_count - 1)->sequence = o->sequence;
    o->updates++;
}

uint32_t oracle_account_update(struct oracle *o, const mp_account_update *event,
                               const struct place *place, mp_result *result)
{
    struct id_entry *entry;

    REFUSE_IF((event->flags & ~MP_UPDATE_LINKED) != 0 ||
                  ((event->flags_set | event->flags_clear) & ~MAY_CHANGE) != 0,
              RESERVED_FLAG);
    REFUSE_IF(event->id == 0, ID_MUST_NOT_BE_ZERO);
    REFUSE_IF(event->id == MP_U128_MAX, ID_MUST_NOT_BE_INT_MAX);
    entry = oracle_id_find(&o->ids, event->id);
    if (entry != NULL && entry->holder == BOUND) {
        result->bound_code = entry->bound_code;
        return MP_TRANSFER_ID_ALREADY_FAILED;
    }
    if (entry != NULL) {
        uint32_t code = update_exists(o, event, entry);
        if (code == MP_TRANSFER_EXISTS) {
            result->timestamp = o->changes[entry->number].seen.timestamp;
            result->sequence = entry->sequence;
        }
        return code;
    }
    REFUSE_BY(check_update(o, event));
    update_apply(o, event, place->now);
    result->sequence = o->sequence;
    return MP_CREATED;
}
