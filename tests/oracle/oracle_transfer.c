/* Transfers: what all of them share, the plain and the pending one, and idempotency. */
#include "oracle_state.h"

/* Which flags go together; a closing flag without pending has a code of its own. */
bool oracle_flags_agree(unsigned flags)
{
    const unsigned alone = flags & ~(unsigned)MP_TRANSFER_LINKED;
    const unsigned fresh = alone & ~(unsigned)MP_TRANSFER_IMPORTED;

    if ((flags & MP_TRANSFER_BIND_ID) != 0) return flags == MP_TRANSFER_BIND_ID;
    if ((flags & MP_TRANSFER_REVERSAL) != 0) return alone == MP_TRANSFER_REVERSAL;
    if ((flags & MP_TRANSFER_INCREASE_PENDING) != 0) return alone == MP_TRANSFER_INCREASE_PENDING;
    if ((flags & MP_TRANSFER_VOID_PENDING) != 0) return fresh == MP_TRANSFER_VOID_PENDING;
    if ((flags & MP_TRANSFER_POST_PENDING) != 0)
        return (fresh & ~(unsigned)MP_TRANSFER_KEEP_PENDING) == MP_TRANSFER_POST_PENDING;
    return (flags & MP_TRANSFER_KEEP_PENDING) == 0;
}

/* --- idempotency --- */

/* A field that may be 0 in the event: then it stands for what was recorded. */
static bool differs(mp_u128 event, mp_u128 recorded, bool may_be_zero)
{
    return event != recorded && !(may_be_zero && event == 0);
}

static bool amount_differs(const mp_transfer *t, const struct transfer *e)
{
    const mp_amount recorded = e->record.amount;

    if (has_flag(t, MP_TRANSFER_VOID_PENDING)) return t->amount != 0 && t->amount != recorded;
    if (has_flag(t, MP_TRANSFER_POST_PENDING) && t->amount == MP_AMOUNT_MAX)
        return !has_flag(t, MP_TRANSFER_KEEP_PENDING) && recorded != e->left_before;
    if (has_flag(t, MP_TRANSFER_REVERSAL) && t->amount == MP_AMOUNT_MAX) return false;
    if (has_flag(t, MP_TRANSFER_BALANCING_DEBIT | MP_TRANSFER_BALANCING_CREDIT))
        return t->amount < recorded;
    return t->amount != recorded;
}

/* What the event's user data and code stand for: those of the reservation or original where they
 * are 0. */
static mp_transfer as_meant(const struct oracle *o, const mp_transfer *t, const struct transfer *e)
{
    mp_transfer meant = *t;

    if (has_flag(t, MP_TRANSFER_POST_PENDING | MP_TRANSFER_VOID_PENDING)) {
        const mp_transfer *p = &o->transfers[e->origin].record;
        if (meant.user_data_128 == 0) meant.user_data_128 = p->user_data_128;
        if (meant.user_data_64 == 0) meant.user_data_64 = p->user_data_64;
        if (meant.user_data_32 == 0) meant.user_data_32 = p->user_data_32;
    }
    if (e->origin != NONE && meant.code == 0) meant.code = o->transfers[e->origin].record.code;
    return meant;
}

uint32_t oracle_transfer_exists(const struct oracle *o, const mp_transfer *event, uint32_t number)
{
    const struct transfer *found = &o->transfers[number];
    const mp_transfer *e = &found->record;
    const bool refers = found->origin != NONE;
    mp_transfer meant;

    REFUSE_IF(event->flags != e->flags, EXISTS_WITH_DIFFERENT_FLAGS);
    REFUSE_IF(event->pending_id != e->pending_id, EXISTS_WITH_DIFFERENT_PENDING_ID);
    REFUSE_IF(event->timeout != e->timeout, EXISTS_WITH_DIFFERENT_TIMEOUT);
    meant = as_meant(o, event, found);
    REFUSE_IF(differs(event->debit_account_id, e->debit_account_id, refers),
              EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID);
    REFUSE_IF(differs(event->credit_account_id, e->credit_account_id, refers),
              EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID);
    REFUSE_IF(amount_differs(event, found), EXISTS_WITH_DIFFERENT_AMOUNT);
    REFUSE_IF(meant.user_data_128 != e->user_data_128, EXISTS_WITH_DIFFERENT_USER_DATA_128);
    REFUSE_IF(meant.user_data_64 != e->user_data_64, EXISTS_WITH_DIFFERENT_USER_DATA_64);
    REFUSE_IF(meant.user_data_32 != e->user_data_32, EXISTS_WITH_DIFFERENT_USER_DATA_32);
    REFUSE_IF(differs(event->ledger, e->ledger, refers), EXISTS_WITH_DIFFERENT_LEDGER);
    REFUSE_IF(meant.code != e->code, EXISTS_WITH_DIFFERENT_CODE);
    return MP_TRANSFER_EXISTS;
}

/* --- checks that several kinds share --- */

uint32_t oracle_check_closed_frozen(const struct oracle *o, uint32_t debit, uint32_t credit)
{
    const uint16_t dr = o->accounts[debit].flags, cr = o->accounts[credit].flags;

    REFUSE_IF((dr & MP_ACCOUNT_CLOSED) != 0, DEBIT_ACCOUNT_ALREADY_CLOSED);
    REFUSE_IF((cr & MP_ACCOUNT_CLOSED) != 0, CREDIT_ACCOUNT_ALREADY_CLOSED);
    REFUSE_IF((dr & MP_ACCOUNT_FROZEN_DEBITS) != 0, DEBIT_ACCOUNT_FROZEN);
    REFUSE_IF((cr & MP_ACCOUNT_FROZEN_CREDITS) != 0, CREDIT_ACCOUNT_FROZEN);
    return 0;
}

/* Whether the sum of a and b has no room. */
static bool overflows(mp_amount a, mp_amount b) { return a > MP_U128_MAX - b; }

uint32_t oracle_check_sums(const struct oracle *o, uint32_t debit, uint32_t credit,
                           mp_amount amount, bool pending)
{
    const mp_balance *dr = &o->accounts[debit].balance, *cr = &o->accounts[credit].balance;

    REFUSE_IF(pending && overflows(dr->debits_pending, amount), OVERFLOWS_DEBITS_PENDING);
    REFUSE_IF(pending && overflows(cr->credits_pending, amount), OVERFLOWS_CREDITS_PENDING);
    REFUSE_IF(overflows(dr->debits_posted, amount), OVERFLOWS_DEBITS_POSTED);
    REFUSE_IF(overflows(cr->credits_posted, amount), OVERFLOWS_CREDITS_POSTED);
    REFUSE_IF(overflows(dr->debits_pending + dr->debits_posted, amount), OVERFLOWS_DEBITS);
    REFUSE_IF(overflows(cr->credits_pending + cr->credits_posted, amount), OVERFLOWS_CREDITS);
    return 0;
}

/* The sums have been found not to overflow. */
uint32_t oracle_check_limits(const struct oracle *o, uint32_t debit, uint32_t credit,
                             mp_amount amount)
{
    const struct account *dr = &o->accounts[debit], *cr = &o->accounts[credit];

    REFUSE_IF((dr->flags & MP_ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS) != 0 &&
                  dr->balance.debits_pending + dr->balance.debits_posted + amount >
                      dr->balance.credits_posted,
              EXCEEDS_CREDITS);
    REFUSE_IF((cr->flags & MP_ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS) != 0 &&
                  cr->balance.credits_pending + cr->balance.credits_posted + amount >
                      cr->balance.debits_posted,
              EXCEEDS_DEBITS);
    return 0;
}

static bool account_stamped(const struct oracle *o, uint64_t time)
{
    for (uint32_t i = 0; i < o->account_count; i++)
        if (o->accounts[i].created.timestamp == time) return true;
    return false;
}

uint32_t oracle_check_imported_time(const struct oracle *o, const mp_transfer *event)
{
    REFUSE_IF(has_flag(event, MP_TRANSFER_IMPORTED) &&
                  (event->timestamp <= o->newest_change || account_stamped(o, event->timestamp)),
              IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS);
    return 0;
}

bool oracle_timeout_overflows(uint64_t time, uint32_t timeout)
{
    return time + timeout * NS_PER_SECOND > TIME_MAX;
}

/* --- recording --- */

mp_change *oracle_change_record(struct oracle *o, mp_change_type type, uint32_t debit,
                                uint32_t credit, uint64_t time)
{
    struct change *change;

    o->changes = oracle_room(o->changes, o->change_count, &o->change_room, sizeof(*change));
    change = &o->changes[o->change_count++];
    *change = (struct change){.debit = debit, .credit = credit};
    change->seen.type = type;
    change->seen.debit = o->accounts[debit].balance;
    change->seen.debit_account_flags = o->accounts[debit].flags;
    if (credit != NONE) {
        change->seen.credit = o->accounts[credit].balance;
        change->seen.credit_account_flags = o->accounts[credit].flags;
    }
    change->seen.timestamp = time;
    change->seen.sequence = ++o->sequence;
    change->seen.position = o->sequence;
    o->newest_change = time;
    return &change->seen;
}

void oracle_transfer_record(struct oracle *o, const struct transfer *transfer, mp_change_type type,
                            uint64_t time, mp_result *result)
{
    const uint32_t number = o->transfer_count++;
    mp_change *change = oracle_change_record(o, type, transfer->debit, transfer->credit, time);

    o->transfers = oracle_room(o->transfers, number, &o->transfer_room, sizeof(*o->transfers));
    o->transfers[number] = *transfer;
    o->transfers[number].record.timestamp = time;
    o->fates = oracle_room(o->fates, number, &o->fate_room, sizeof(*o->fates));
    o->fates[number] = (struct fate){.state = NO_RESERVATION};
    oracle_id_take(&o->ids, transfer->record.id, TRANSFER, number)->sequence = o->sequence;
    change->transfer = o->transfers[number].record;
    o->newest_transfer = time;
    result->timestamp = time;
    result->sequence = o->sequence;
}

/* --- plain and pending --- */

static uint32_t check_fields(const mp_transfer *t)
{
    const bool pending = has_flag(t, MP_TRANSFER_PENDING);

    REFUSE_IF(t->debit_account_id == 0, DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO);
    REFUSE_IF(t->debit_account_id == MP_U128_MAX, DEBIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX);
    REFUSE_IF(t->credit_account_id == 0, CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO);
    REFUSE_IF(t->credit_account_id == MP_U128_MAX, CREDIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX);
    REFUSE_IF(t->debit_account_id == t->credit_account_id, ACCOUNTS_MUST_BE_DIFFERENT);
    REFUSE_IF(t->pending_id != 0, PENDING_ID_MUST_BE_ZERO);
    REFUSE_IF(!pending && t->timeout != 0, TIMEOUT_RESERVED_FOR_PENDING_TRANSFER);
    REFUSE_IF(!pending && has_flag(t, MP_TRANSFER_CLOSING_DEBIT | MP_TRANSFER_CLOSING_CREDIT),
              CLOSING_TRANSFER_MUST_BE_PENDING);
    REFUSE_IF(t->ledger == 0, LEDGER_MUST_NOT_BE_ZERO);
    REFUSE_IF(t->code == 0, CODE_MUST_NOT_BE_ZERO);
    return 0;
}

static uint32_t check_accounts(const struct oracle *o, const mp_transfer *t)
{
    const uint32_t debit = oracle_account_number(o, t->debit_account_id);
    const uint32_t credit = oracle_account_number(o, t->credit_account_id);

    REFUSE_IF(debit == NONE, DEBIT_ACCOUNT_NOT_FOUND);
    REFUSE_IF(credit == NONE, CREDIT_ACCOUNT_NOT_FOUND);
    const mp_account *dr = &o->accounts[debit].created, *cr = &o->accounts[credit].created;
    REFUSE_IF(dr->ledger != cr->ledger, ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER);
    REFUSE_IF(t->ledger != dr->ledger, TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS);
    REFUSE_BY(oracle_check_imported_time(o, t));
    if (has_flag(t, MP_TRANSFER_IMPORTED)) {
        REFUSE_IF(t->timestamp <= dr->timestamp,
                  IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_DEBIT_ACCOUNT);
        REFUSE_IF(t->timestamp <= cr->timestamp,
                  IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_CREDIT_ACCOUNT);
        REFUSE_IF(t->timeout != 0, IMPORTED_EVENT_TIMEOUT_MUST_BE_ZERO);
    }
    return oracle_check_closed_frozen(o, debit, credit);
}

static mp_amount minimum(mp_amount a, mp_amount b) { return a < b ? a : b; }

/* What `large` has beyond `small`; never below 0. */
static mp_amount excess(mp_amount large, mp_amount small)
{
    return large > small ? large - small : 0;
}

static mp_amount balanced_amount(const struct oracle *o, const mp_transfer *t, uint32_t debit,
                                 uint32_t credit)
{
    const mp_balance *dr = &o->accounts[debit].balance, *cr = &o->accounts[credit].balance;
    mp_amount amount = t->amount;

    if (has_flag(t, MP_TRANSFER_BALANCING_DEBIT))
        amount =
            minimum(amount, excess(dr->credits_posted, dr->debits_pending + dr->debits_posted));
    if (has_flag(t, MP_TRANSFER_BALANCING_CREDIT))
        amount =
            minimum(amount, excess(cr->debits_posted, cr->credits_pending + cr->credits_posted));
    return amount;
}

/* Moves or reserves; closes accounts. */
static void transfer_apply(struct oracle *o, const struct transfer *transfer, uint64_t time,
                           mp_result *result)
{
    const mp_transfer *t = &transfer->record;
    struct account *dr = &o->accounts[transfer->debit], *cr = &o->accounts[transfer->credit];
    const bool pending = has_flag(t, MP_TRANSFER_PENDING);

    if (pending) {
        dr->balance.debits_pending += t->amount;
        cr->balance.credits_pending += t->amount;
    } else {
        dr->balance.debits_posted += t->amount;
        cr->balance.credits_posted += t->amount;
    }
    if (has_flag(t, MP_TRANSFER_CLOSING_DEBIT)) dr->flags |= MP_ACCOUNT_CLOSED;
    if (has_flag(t, MP_TRANSFER_CLOSING_CREDIT)) cr->flags |= MP_ACCOUNT_CLOSED;
    oracle_transfer_record(
        o, transfer, pending ? MP_CHANGE_TWO_PHASE_PENDING : MP_CHANGE_SINGLE_PHASE, time, result);
    if (pending)
        o->fates[o->transfer_count - 1] = (struct fate){
            .state = OPEN,
            .left = t->amount,
            .expires = t->timeout == 0 ? 0 : time + t->timeout * NS_PER_SECOND,
        };
}

static uint32_t transfer_move(struct oracle *o, const mp_transfer *event, const struct place *place,
                              mp_result *result)
{
    const uint64_t time = has_flag(event, MP_TRANSFER_IMPORTED) ? event->timestamp : place->now;
    struct transfer transfer = {.record = *event, .origin = NONE};

    REFUSE_BY(check_fields(event));
    REFUSE_BY(check_accounts(o, event));
    transfer.debit = oracle_account_number(o, event->debit_account_id);
    transfer.credit = oracle_account_number(o, event->credit_account_id);
    transfer.record.amount = balanced_amount(o, event, transfer.debit, transfer.credit);
    REFUSE_BY(oracle_check_sums(o, transfer.debit, transfer.credit, transfer.record.amount,
                                has_flag(event, MP_TRANSFER_PENDING)));
    REFUSE_IF(oracle_timeout_overflows(time, event->timeout), OVERFLOWS_TIMEOUT);
    REFUSE_BY(oracle_check_limits(o, transfer.debit, transfer.credit, transfer.record.amount));
    transfer_apply(o, &transfer, time, result);
    return MP_CREATED;
}

/* --- any transfer --- */

static uint32_t check_head(const mp_transfer *t, const struct place *place)
{
    const bool imported = has_flag(t, MP_TRANSFER_IMPORTED);

    REFUSE_IF(place->imported && !imported, IMPORTED_EVENT_EXPECTED);
    REFUSE_IF(!place->imported && imported, IMPORTED_EVENT_NOT_EXPECTED);
    REFUSE_IF(!imported && t->timestamp != 0, TIMESTAMP_MUST_BE_ZERO);
    REFUSE_IF(imported && (t->timestamp == 0 || t->timestamp > TIME_MAX),
              IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE);
    REFUSE_IF(imported && t->timestamp >= place->first, IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE);
    REFUSE_IF(t->flags >= MP_TRANSFER_BIND_ID << 1, RESERVED_FLAG);
    REFUSE_IF(t->id == 0, ID_MUST_NOT_BE_ZERO);
    REFUSE_IF(t->id == MP_U128_MAX, ID_MUST_NOT_BE_INT_MAX);
    return 0;
}

static uint32_t check_known(const struct oracle *o, const mp_transfer *t, mp_result *result)
{
    const struct id_entry *entry = oracle_id_find(&o->ids, t->id);
    uint32_t code;

    if (entry == NULL) return 0;
    REFUSE_IF(entry->holder == UPDATE, EXISTS_WITH_DIFFERENT_FLAGS);
    if (entry->holder == BOUND) {
        result->bound_code = entry->bound_code;
        return MP_TRANSFER_ID_ALREADY_FAILED;
    }
    code = oracle_transfer_exists(o, t, entry->number);
    if (code == MP_TRANSFER_EXISTS) {
        result->timestamp = o->transfers[entry->number].record.timestamp;
        result->sequence = entry->sequence;
    }
    return code;
}

/* A refusal by name: its id is bound by the code (see is_transient). */
static uint32_t id_bind(const mp_transfer *t)
{
    REFUSE_IF(t->debit_account_id != 0 || t->credit_account_id != 0 || t->amount != 0 ||
                  t->pending_id != 0 || t->user_data_128 != 0 || t->user_data_64 != 0 ||
                  t->user_data_32 != 0 || t->timeout != 0 || t->ledger != 0 || t->code != 0,
              BIND_FIELDS_MUST_BE_ZERO);
    return MP_TRANSFER_ID_BOUND;
}

uint32_t oracle_transfer_create(struct oracle *o, const mp_transfer *event,
                                const struct place *place, mp_result *result)
{
    REFUSE_BY(check_head(event, place));
    REFUSE_BY(check_known(o, event, result));
    REFUSE_IF(!oracle_flags_agree(event->flags), FLAGS_ARE_MUTUALLY_EXCLUSIVE);
    if (has_flag(event, MP_TRANSFER_BIND_ID)) return id_bind(event);
    if (has_flag(event, MP_TRANSFER_POST_PENDING | MP_TRANSFER_VOID_PENDING))
        return oracle_reservation_settle(o, event, place, result);
    if (has_flag(event, MP_TRANSFER_INCREASE_PENDING))
        return oracle_reservation_increase(o, event, place, result);
    if (has_flag(event, MP_TRANSFER_REVERSAL))
        return oracle_transfer_reverse(o, event, place, result);
    return transfer_move(o, event, place, result);
}
