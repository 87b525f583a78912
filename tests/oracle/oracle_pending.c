/* Transfers that refer to an earlier one: posts, voids, increases, reversals; and expiry. */
#include "oracle_state.h"

#include <stdlib.h>

static uint32_t check_pending_id(const mp_transfer *t)
{
    REFUSE_IF(t->pending_id == 0, PENDING_ID_MUST_NOT_BE_ZERO);
    REFUSE_IF(t->pending_id == MP_U128_MAX, PENDING_ID_MUST_NOT_BE_INT_MAX);
    REFUSE_IF(t->pending_id == t->id, PENDING_ID_MUST_BE_DIFFERENT);
    return 0;
}

/* Whether it is the reservation that is meant: 0 stands for anything. */
static uint32_t check_same(const struct oracle *o, const mp_transfer *t)
{
    const uint32_t number = oracle_transfer_number(o, t->pending_id);

    REFUSE_IF(number == NONE, PENDING_TRANSFER_NOT_FOUND);
    REFUSE_IF(o->fates[number].state == NO_RESERVATION, PENDING_TRANSFER_NOT_PENDING);
    const mp_transfer *p = &o->transfers[number].record;
    REFUSE_IF(t->debit_account_id != 0 && t->debit_account_id != p->debit_account_id,
              PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID);
    REFUSE_IF(t->credit_account_id != 0 && t->credit_account_id != p->credit_account_id,
              PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID);
    REFUSE_IF(t->ledger != 0 && t->ledger != p->ledger, PENDING_TRANSFER_HAS_DIFFERENT_LEDGER);
    REFUSE_IF(t->code != 0 && t->code != p->code, PENDING_TRANSFER_HAS_DIFFERENT_CODE);
    return 0;
}

/* A reservation that is due but not yet released can't be used either. */
static uint32_t check_state(const struct fate *fate, uint64_t now)
{
    REFUSE_IF(fate->state == POSTED, PENDING_TRANSFER_ALREADY_POSTED);
    REFUSE_IF(fate->state == VOIDED, PENDING_TRANSFER_ALREADY_VOIDED);
    REFUSE_IF(fate->state == EXPIRED, PENDING_TRANSFER_EXPIRED);
    REFUSE_IF(fate->expires != 0 && fate->expires <= now, PENDING_TRANSFER_EXPIRED);
    return 0;
}

/* What an event on a reservation is recorded as: accounts, ledger and code are the reservation's.
 */
static struct transfer taken_from(const struct oracle *o, const mp_transfer *event)
{
    const uint32_t number = oracle_transfer_number(o, event->pending_id);
    const struct transfer *p = &o->transfers[number];
    struct transfer taken = {
        .record = *event,
        .debit = p->debit,
        .credit = p->credit,
        .origin = number,
        .left_before = o->fates[number].left,
    };

    taken.record.debit_account_id = p->record.debit_account_id;
    taken.record.credit_account_id = p->record.credit_account_id;
    taken.record.ledger = p->record.ledger;
    taken.record.code = p->record.code;
    return taken;
}

/* Takes money out of the two pending sums. */
static void release(struct oracle *o, const struct transfer *p, mp_amount amount)
{
    o->accounts[p->debit].balance.debits_pending -= amount;
    o->accounts[p->credit].balance.credits_pending -= amount;
}

void oracle_reservation_end(struct oracle *o, uint32_t number, enum state state)
{
    const struct transfer *p = &o->transfers[number];

    o->fates[number].state = state;
    if (state == POSTED) return;
    if (has_flag(&p->record, MP_TRANSFER_CLOSING_DEBIT))
        o->accounts[p->debit].flags &= (uint16_t)~MP_ACCOUNT_CLOSED;
    if (has_flag(&p->record, MP_TRANSFER_CLOSING_CREDIT))
        o->accounts[p->credit].flags &= (uint16_t)~MP_ACCOUNT_CLOSED;
}

/* --- post and void --- */

/* 2^128-1 posts, and 0 voids, all that is left. */
static mp_amount settled_amount(const mp_transfer *t, mp_amount left)
{
    if (has_flag(t, MP_TRANSFER_VOID_PENDING)) return t->amount == 0 ? left : t->amount;
    return t->amount == MP_AMOUNT_MAX ? left : t->amount;
}

static void inherit_user_data(mp_transfer *record, const mp_transfer *p)
{
    if (record->user_data_128 == 0) record->user_data_128 = p->user_data_128;
    if (record->user_data_64 == 0) record->user_data_64 = p->user_data_64;
    if (record->user_data_32 == 0) record->user_data_32 = p->user_data_32;
}

static uint32_t check_settle(const struct oracle *o, const mp_transfer *t,
                             const struct place *place)
{
    const bool voids = has_flag(t, MP_TRANSFER_VOID_PENDING);
    const struct transfer *p;
    const struct fate *fate;
    mp_amount amount;

    REFUSE_BY(check_pending_id(t));
    REFUSE_IF(t->timeout != 0, TIMEOUT_RESERVED_FOR_PENDING_TRANSFER);
    REFUSE_BY(check_same(o, t));
    p = &o->transfers[oracle_transfer_number(o, t->pending_id)];
    fate = &o->fates[oracle_transfer_number(o, t->pending_id)];
    amount = settled_amount(t, fate->left);
    REFUSE_IF(amount > fate->left, EXCEEDS_PENDING_TRANSFER_AMOUNT);
    REFUSE_IF(voids && amount < fate->left, PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT);
    REFUSE_BY(check_state(fate, place->now));
    REFUSE_BY(oracle_check_imported_time(o, t));
    return voids ? 0 : oracle_check_closed_frozen(o, p->debit, p->credit);
}

/* Posts part and keeps the rest reserved. */
static void capture_part(struct oracle *o, struct transfer *t, uint64_t time, mp_result *result)
{
    release(o, t, t->record.amount);
    o->accounts[t->debit].balance.debits_posted += t->record.amount;
    o->accounts[t->credit].balance.credits_posted += t->record.amount;
    o->fates[t->origin].left -= t->record.amount;
    oracle_transfer_record(o, t, MP_CHANGE_TWO_PHASE_PART_POSTED, time, result);
}

uint32_t oracle_reservation_settle(struct oracle *o, const mp_transfer *event,
                                   const struct place *place, mp_result *result)
{
    const uint64_t time = has_flag(event, MP_TRANSFER_IMPORTED) ? event->timestamp : place->now;
    struct transfer t;

    REFUSE_BY(check_settle(o, event, place));
    t = taken_from(o, event);
    t.record.amount = settled_amount(event, t.left_before);
    inherit_user_data(&t.record, &o->transfers[t.origin].record);

    if (has_flag(event, MP_TRANSFER_KEEP_PENDING) && t.record.amount < t.left_before) {
        capture_part(o, &t, time, result);
        return MP_CREATED;
    }
    release(o, &t, t.left_before);
    if (has_flag(event, MP_TRANSFER_VOID_PENDING)) {
        oracle_reservation_end(o, t.origin, VOIDED);
        oracle_transfer_record(o, &t, MP_CHANGE_TWO_PHASE_VOIDED, time, result);
        return MP_CREATED;
    }
    o->accounts[t.debit].balance.debits_posted += t.record.amount;
    o->accounts[t.credit].balance.credits_posted += t.record.amount;
    oracle_reservation_end(o, t.origin, POSTED);
    oracle_transfer_record(o, &t, MP_CHANGE_TWO_PHASE_POSTED, time, result);
    return MP_CREATED;
}

/* --- increase --- */

uint32_t oracle_reservation_increase(struct oracle *o, const mp_transfer *event,
                                     const struct place *place, mp_result *result)
{
    struct transfer t;
    struct fate *fate;

    REFUSE_BY(check_pending_id(event));
    REFUSE_BY(check_same(o, event));
    t = taken_from(o, event);
    fate = &o->fates[t.origin];
    REFUSE_BY(check_state(fate, place->now));
    REFUSE_BY(oracle_check_closed_frozen(o, t.debit, t.credit));
    REFUSE_BY(oracle_check_sums(o, t.debit, t.credit, event->amount, true));
    REFUSE_IF(oracle_timeout_overflows(place->now, event->timeout), OVERFLOWS_TIMEOUT);
    REFUSE_BY(oracle_check_limits(o, t.debit, t.credit, event->amount));

    o->accounts[t.debit].balance.debits_pending += event->amount;
    o->accounts[t.credit].balance.credits_pending += event->amount;
    fate->left += event->amount;
    if (event->timeout != 0) fate->expires = place->now + event->timeout * NS_PER_SECOND;
    oracle_transfer_record(o, &t, MP_CHANGE_TWO_PHASE_INCREASED, place->now, result);
    return MP_CREATED;
}

/* --- reversal --- */

/* Plain transfers and posts move money for good; all else doesn't, and a reversal is not
 * reversible. */
static bool is_posted(const mp_transfer *t)
{
    return !has_flag(t, MP_TRANSFER_PENDING | MP_TRANSFER_VOID_PENDING |
                            MP_TRANSFER_INCREASE_PENDING | MP_TRANSFER_REVERSAL);
}

static uint32_t check_reversal(const struct oracle *o, const mp_transfer *t)
{
    const uint32_t number = oracle_transfer_number(o, t->pending_id);

    REFUSE_BY(check_pending_id(t));
    REFUSE_IF(t->timeout != 0, TIMEOUT_RESERVED_FOR_PENDING_TRANSFER);
    REFUSE_IF(number == NONE, REVERSED_TRANSFER_NOT_FOUND);
    const mp_transfer *original = &o->transfers[number].record;
    REFUSE_IF(!is_posted(original), REVERSED_TRANSFER_NOT_POSTED);
    REFUSE_IF(t->debit_account_id != 0 && t->debit_account_id != original->credit_account_id,
              REVERSED_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID);
    REFUSE_IF(t->credit_account_id != 0 && t->credit_account_id != original->debit_account_id,
              REVERSED_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID);
    REFUSE_IF(t->ledger != 0 && t->ledger != original->ledger,
              REVERSED_TRANSFER_HAS_DIFFERENT_LEDGER);
    REFUSE_IF(t->amount != MP_AMOUNT_MAX &&
                  t->amount > original->amount - o->fates[number].reversed,
              EXCEEDS_REVERSIBLE_AMOUNT);
    return 0;
}

uint32_t oracle_transfer_reverse(struct oracle *o, const mp_transfer *event,
                                 const struct place *place, mp_result *result)
{
    struct transfer t = {.record = *event};
    const struct transfer *original;

    REFUSE_BY(check_reversal(o, event));
    t.origin = oracle_transfer_number(o, event->pending_id);
    original = &o->transfers[t.origin];
    t.debit = original->credit;
    t.credit = original->debit;
    t.record.debit_account_id = original->record.credit_account_id;
    t.record.credit_account_id = original->record.debit_account_id;
    t.record.ledger = original->record.ledger;
    if (t.record.code == 0) t.record.code = original->record.code;
    if (t.record.amount == MP_AMOUNT_MAX)
        t.record.amount = original->record.amount - o->fates[t.origin].reversed;

    REFUSE_BY(oracle_check_closed_frozen(o, t.debit, t.credit));
    REFUSE_BY(oracle_check_sums(o, t.debit, t.credit, t.record.amount, false));
    REFUSE_BY(oracle_check_limits(o, t.debit, t.credit, t.record.amount));

    o->accounts[t.debit].balance.debits_posted += t.record.amount;
    o->accounts[t.credit].balance.credits_posted += t.record.amount;
    o->fates[t.origin].reversed += t.record.amount;
    oracle_transfer_record(o, &t, MP_CHANGE_REVERSAL, place->now, result);
    return MP_CREATED;
}

/* --- expiry --- */

struct due {
    uint64_t expires;
    uint32_t number;
};

static int due_order(const void *left, const void *right)
{
    const struct due *a = left, *b = right;

    if (a->expires != b->expires) return a->expires < b->expires ? -1 : 1;
    return a->number < b->number ? -1 : 1;
}

static void expire_one(struct oracle *o, uint32_t number, uint64_t time)
{
    const struct transfer *p = &o->transfers[number];
    mp_change *change;

    release(o, p, o->fates[number].left);
    oracle_reservation_end(o, number, EXPIRED);
    change = oracle_change_record(o, MP_CHANGE_TWO_PHASE_EXPIRED, p->debit, p->credit, time);
    change->transfer = p->record;
    change->transfer.id = 0;
    change->transfer.pending_id = p->record.id;
    change->transfer.amount = o->fates[number].left;
    change->transfer.timestamp = time;
    o->expiries++;
}

uint32_t oracle_expire(oracle *o, uint64_t block_time, uint32_t max)
{
    struct due *due = NULL;
    uint32_t count = 0, room = 0;

    for (uint32_t i = 0; i < o->transfer_count; i++) {
        const struct fate *fate = &o->fates[i];
        if (fate->state != OPEN || fate->expires == 0 || fate->expires > block_time) continue;
        due = oracle_room(due, count, &room, sizeof(*due));
        due[count++] = (struct due){.expires = fate->expires, .number = i};
    }
    if (count > 0) qsort(due, count, sizeof(*due), due_order);
    if (count > max) count = max;
    for (uint32_t i = 0; i < count; i++) expire_one(o, due[i].number, block_time + i);
    if (count > 0) o->last = block_time + count - 1;
    free(due);
    return count;
}
