/* What comes after a reservation: posts, voids, increases, expiries. */
#include "apply.h"

static uint64_t hash_of(const struct applier *applier, mp_id id)
{
    return id_hash(applier->ledger->accounts.hash_secret, id);
}

/* --- finding the reservation --- */

static mp_amount record_released(const struct record_view *view)
{
    uint64_t released = 0;

    memcpy(&released, view->reservation->released, sizeof view->reservation->released);
    if (released == RELEASED_MAX) return record_reversed(view);
    return released;
}

/* How a reservation that isn't open any more ended, and what was left of it then: its closing
 * record says it all. */
static bool closed_find(struct applier *applier, mp_id id, struct pending_target *target)
{
    struct ids_probe probe;
    uint64_t candidate = ids_first(&applier->ledger->ids, target->hash, ID_CLOSED, &probe);

    for (; candidate != 0; candidate = ids_next(&applier->ledger->ids, &probe)) {
        const struct transfer_record *record;
        struct record_view view;
        uint64_t sequence;

        record_at(applier->ledger, &applier->fetch, candidate, &view, &sequence);
        if (view.reservation == NULL || view.reservation->pending_id != id) continue;
        record = (const struct transfer_record *)view.record;
        target->debit_slot = record->debit_slot;
        target->credit_slot = record->credit_slot;
        target->transfer_code = record->code;
        target->left = record_amount(&view);
        if (record->kind == MP_RECORD_EXPIRY) {
            target->code = MP_TRANSFER_PENDING_TRANSFER_EXPIRED;
        } else if ((record->flags & MP_TRANSFER_VOID_PENDING) != 0) {
            target->code = MP_TRANSFER_PENDING_TRANSFER_ALREADY_VOIDED;
        } else {
            target->code = MP_TRANSFER_PENDING_TRANSFER_ALREADY_POSTED;
            target->left += record_released(&view);
        }
        return true;
    }
    return false;
}

struct pending_target pending_find(struct applier *applier, mp_id pending_id)
{
    struct reservations *reservations = &applier->ledger->reservations;
    struct pending_target target = {.hash = hash_of(applier, pending_id)};
    struct record_view view;

    target.slot = reservations_find(reservations, pending_id, target.hash);
    if (LIKELY(target.slot != SLOT_NONE)) {
        const struct reservation *reservation = reservation_at(reservations, target.slot);

        target.debit_slot = reservation->debit_slot;
        target.credit_slot = reservation->credit_slot;
        target.transfer_code = reservation->code;
        target.flags = reservation->flags;
        target.left = reservation_left(reservations, reservation);
        return target;
    }
    if (closed_find(applier, pending_id, &target)) return target;
    target.code = MP_TRANSFER_PENDING_TRANSFER_NOT_FOUND;
    if (find_object(applier, pending_id, target.hash, &view) &&
        view.record[0] == MP_RECORD_TRANSFER) {
        const struct transfer_record *record = (const struct transfer_record *)view.record;

        MP_ASSERT((record->flags & MP_TRANSFER_PENDING) ==
                  0); /* it would be open, or its end in the index */
        target.code = MP_TRANSFER_PENDING_TRANSFER_NOT_PENDING;
    }
    return target;
}

uint32_t pending_check(struct applier *applier, const struct pending_target *target,
                       const mp_transfer *event)
{
    const struct accounts *accounts = &applier->ledger->accounts;
    const struct account_line *debit, *credit;

    if (target->code == MP_TRANSFER_PENDING_TRANSFER_NOT_FOUND ||
        target->code == MP_TRANSFER_PENDING_TRANSFER_NOT_PENDING) {
        return target->code;
    }
    debit = account_line(accounts, target->debit_slot);
    credit = account_line(accounts, target->credit_slot);
    if (event->debit_account_id != 0 && event->debit_account_id != debit->id) {
        return MP_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID;
    }
    if (event->credit_account_id != 0 && event->credit_account_id != credit->id) {
        return MP_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID;
    }
    if (event->ledger != 0 && event->ledger != debit->ledger) {
        return MP_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_LEDGER;
    }
    if (event->code != 0 && event->code != target->transfer_code) {
        return MP_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_CODE;
    }
    return 0;
}

/* 14 to 16. */
static uint32_t check_pending_id(const mp_transfer *event)
{
    if (event->pending_id == 0) return MP_TRANSFER_PENDING_ID_MUST_NOT_BE_ZERO;
    if (event->pending_id == MP_U128_MAX) return MP_TRANSFER_PENDING_ID_MUST_NOT_BE_INT_MAX;
    if (event->pending_id == event->id) return MP_TRANSFER_PENDING_ID_MUST_BE_DIFFERENT;
    return 0;
}

/* 33 to 35: open, and not due at this very time (the clock's, also for imported events). */
static uint32_t check_open(const struct applier *applier, const struct pending_target *target,
                           uint64_t time)
{
    const struct reservation *reservation;

    if (target->code != 0) return target->code;
    reservation = reservation_at(&applier->ledger->reservations, target->slot);
    if (reservation->expires != 0 && reservation->expires <= time)
        return MP_TRANSFER_PENDING_TRANSFER_EXPIRED;
    return 0;
}

/* --- posts and voids --- */

/* 31, 32; *amount becomes what is posted or released. */
static uint32_t resolve_amount(const mp_transfer *event, mp_amount left, mp_amount *amount)
{
    bool is_void = (event->flags & MP_TRANSFER_VOID_PENDING) != 0;

    *amount = event->amount;
    if (is_void && event->amount == 0) *amount = left;
    if (!is_void && event->amount == MP_AMOUNT_MAX) *amount = left;
    if (*amount > left) return MP_TRANSFER_EXCEEDS_PENDING_TRANSFER_AMOUNT;
    if (is_void && *amount < left) return MP_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT;
    return 0;
}

/* Takes `release` off both accounts' pending sums and adds `post` to their posted ones. */
static void settle(struct applier *applier, uint32_t debit_slot, uint32_t credit_slot,
                   mp_amount release, mp_amount post, struct sums *debit, struct sums *credit)
{
    struct accounts *accounts = &applier->ledger->accounts;
    struct account_line *debit_line = account_line(accounts, debit_slot);
    struct account_line *credit_line = account_line(accounts, credit_slot);

    undo_line(applier, debit_slot);
    undo_line(applier, credit_slot);
    *debit = account_sums(accounts, debit_line);
    *credit = account_sums(accounts, credit_line);
    MP_ASSERT(debit->of[DEBITS_PENDING] >= release && credit->of[CREDITS_PENDING] >= release);
    debit->of[DEBITS_PENDING] -= release;
    credit->of[CREDITS_PENDING] -= release;
    debit->of[DEBITS_POSTED] += post;
    credit->of[CREDITS_POSTED] += post;
    account_set_sums(accounts, debit_line, debit);
    account_set_sums(accounts, credit_line, credit);
}

/* A void or expiry undoes the closing flags that its reservation set. */
static void reopen(struct accounts *accounts, const struct pending_target *target)
{
    if ((target->flags & MP_TRANSFER_CLOSING_DEBIT) != 0) {
        account_line(accounts, target->debit_slot)->flags &= (uint8_t)~MP_ACCOUNT_CLOSED;
    }
    if ((target->flags & MP_TRANSFER_CLOSING_CREDIT) != 0) {
        account_line(accounts, target->credit_slot)->flags &= (uint8_t)~MP_ACCOUNT_CLOSED;
    }
}

static void reservation_end(struct applier *applier, uint32_t slot)
{
    struct reservations *reservations = &applier->ledger->reservations;

    reservations_remove(reservations, slot);
    if (applier->in_chain) {
        undo_push(applier, UNDO_REMOVED)->slot = slot;
    } else {
        reservations_recycle(reservations, slot);
    }
}

/* A field given as 0 is the reservation's; sent again, 0 stands for it too. */
static uint8_t inherit(const mp_transfer *event, const struct reservation *reservation,
                       struct effect *effect)
{
    uint8_t inherited = 0;

    effect->user_data_128 =
        event->user_data_128 != 0 ? event->user_data_128 : reservation->user_data_128;
    effect->user_data_64 =
        event->user_data_64 != 0 ? event->user_data_64 : reservation->user_data_64;
    effect->user_data_32 =
        event->user_data_32 != 0 ? event->user_data_32 : reservation->user_data_32;
    if (effect->user_data_128 == reservation->user_data_128) inherited |= INHERITED_USER_DATA_128;
    if (effect->user_data_64 == reservation->user_data_64) inherited |= INHERITED_USER_DATA_64;
    if (effect->user_data_32 == reservation->user_data_32) inherited |= INHERITED_USER_DATA_32;
    return inherited;
}

static struct outcome resolve(struct applier *applier, const mp_transfer *event, uint64_t time,
                              uint64_t hash, const struct pending_target *target, mp_amount amount)
{
    struct reservations *reservations = &applier->ledger->reservations;
    struct reservation *reservation = reservation_at(reservations, target->slot);
    bool is_void = (event->flags & MP_TRANSFER_VOID_PENDING) != 0;
    bool keeps = (event->flags & MP_TRANSFER_KEEP_PENDING) != 0 && amount < target->left;
    struct effect effect = {
        .kind = MP_RECORD_TRANSFER,
        .id = event->id,
        .hash = hash,
        .debit_slot = target->debit_slot,
        .credit_slot = target->credit_slot,
        .amount = amount,
        .code = target->transfer_code,
        .flags = event->flags,
        .timestamp = (event->flags & MP_TRANSFER_IMPORTED) != 0 ? event->timestamp : time,
        .pending_id = event->pending_id,
        .left = keeps ? target->left - amount : 0,
        .released = keeps || is_void ? 0 : target->left - amount,
    };
    struct outcome outcome = {.code = MP_CREATED, .timestamp = effect.timestamp};
    struct sums debit, credit;
    uint64_t position;

    effect.inherited = inherit(event, reservation, &effect);
    if (amount == target->left) effect.inherited |= TOOK_ALL;
    if (!keeps) effect.inherited |= CLOSES;
    undo_reservation(applier, target->slot);
    settle(applier, target->debit_slot, target->credit_slot, keeps ? amount : target->left,
           is_void ? 0 : amount, &debit, &credit);
    if (is_void) reopen(&applier->ledger->accounts, target);
    position = effect_write(applier, &effect, &debit, &credit, &outcome.sequence);
    store_48(reservation->last, position);
    if (keeps) {
        reservation_set_left(reservations, reservation, effect.left);
    } else {
        reservation_end(applier, target->slot);
    }
    return outcome;
}

struct outcome apply_post_or_void(struct applier *applier, const mp_transfer *event, uint64_t time,
                                  uint64_t hash)
{
    struct accounts *accounts = &applier->ledger->accounts;
    struct pending_target target;
    mp_amount amount;
    uint32_t code = check_pending_id(event);

    if (code == 0 && event->timeout != 0) code = MP_TRANSFER_TIMEOUT_RESERVED_FOR_PENDING_TRANSFER;
    if (code != 0) return refused(code);
    target = pending_find(applier, event->pending_id);
    code = pending_check(applier, &target, event);
    if (code == 0) code = resolve_amount(event, target.left, &amount);
    if (code == 0) code = check_open(applier, &target, time);
    if (code == 0 && (event->flags & MP_TRANSFER_IMPORTED) != 0)
        code = check_imported_time(applier, event->timestamp);
    if (code == 0 && (event->flags & MP_TRANSFER_POST_PENDING) != 0) {
        const struct account_line *debit = account_line(accounts, target.debit_slot);
        const struct account_line *credit = account_line(accounts, target.credit_slot);

        code = check_closed(debit, credit);
        if (code == 0) code = check_frozen(debit, credit);
    }
    if (code != 0) return refused(code);
    return resolve(applier, event, time, hash, &target, amount);
}

/* --- increases --- */

static struct outcome increase(struct applier *applier, const mp_transfer *event, uint64_t time,
                               uint64_t hash, const struct pending_target *target,
                               struct sums *debit, struct sums *credit)
{
    struct accounts *accounts = &applier->ledger->accounts;
    struct reservations *reservations = &applier->ledger->reservations;
    struct reservation *reservation = reservation_at(reservations, target->slot);
    struct effect effect = {
        .kind = MP_RECORD_TRANSFER,
        .id = event->id,
        .hash = hash,
        .debit_slot = target->debit_slot,
        .credit_slot = target->credit_slot,
        .amount = event->amount,
        .user_data_128 = event->user_data_128,
        .user_data_64 = event->user_data_64,
        .user_data_32 = event->user_data_32,
        .timeout = event->timeout,
        .code = target->transfer_code,
        .flags = event->flags,
        .timestamp = time,
        .pending_id = event->pending_id,
        .left = target->left + event->amount,
    };
    struct outcome outcome = {.code = MP_CREATED, .timestamp = time};

    undo_reservation(applier, target->slot);
    undo_line(applier, target->debit_slot);
    undo_line(applier, target->credit_slot);
    debit->of[DEBITS_PENDING] += event->amount;
    credit->of[CREDITS_PENDING] += event->amount;
    account_set_sums(accounts, account_line(accounts, target->debit_slot), debit);
    account_set_sums(accounts, account_line(accounts, target->credit_slot), credit);
    store_48(reservation->last, effect_write(applier, &effect, debit, credit, &outcome.sequence));
    reservation_set_left(reservations, reservation, effect.left);
    if (event->timeout != 0) {
        expiry_remove(reservations, target->slot);
        reservation->expires = time + event->timeout * NS_PER_S;
        expiry_insert(reservations, target->slot);
    }
    return outcome;
}

struct outcome apply_increase(struct applier *applier, const mp_transfer *event, uint64_t time,
                              uint64_t hash)
{
    struct accounts *accounts = &applier->ledger->accounts;
    struct account_line *debit_line, *credit_line;
    struct pending_target target;
    struct sums debit, credit;
    uint32_t code = check_pending_id(event);

    if (code != 0) return refused(code);
    target = pending_find(applier, event->pending_id);
    code = pending_check(applier, &target, event);
    if (code == 0) code = check_open(applier, &target, time);
    if (code != 0) return refused(code);
    debit_line = account_line(accounts, target.debit_slot);
    credit_line = account_line(accounts, target.credit_slot);
    code = check_closed(debit_line, credit_line);
    if (code == 0) code = check_frozen(debit_line, credit_line);
    if (code != 0) return refused(code);
    debit = account_sums(accounts, debit_line);
    credit = account_sums(accounts, credit_line);
    code = check_overflow(&debit, &credit, event->amount, true);
    if (code == 0 && event->timeout != 0 && time + event->timeout * NS_PER_S > TIME_MAX) {
        code = MP_TRANSFER_OVERFLOWS_TIMEOUT;
    }
    if (code == 0) code = check_limits(debit_line, credit_line, &debit, &credit, event->amount);
    if (code != 0) return refused(code);
    return increase(applier, event, time, hash, &target, &debit, &credit);
}

/* --- expiries --- */

uint32_t apply_expiries(struct applier *applier, uint32_t most)
{
    struct reservations *reservations = &applier->ledger->reservations;
    uint64_t now = applier->block.time;
    uint32_t count = 0;

    while (count < most) {
        uint32_t slot = expiry_due(reservations, now);
        const struct reservation *reservation;
        struct pending_target target;
        struct sums debit, credit;
        uint64_t sequence;

        if (slot == SLOT_NONE) break;
        reservation = reservation_at(reservations, slot);
        target = pending_find(applier, reservation->id);
        MP_ASSERT(target.slot == slot && reservation->expires <= now);
        settle(applier, target.debit_slot, target.credit_slot, target.left, 0, &debit, &credit);
        reopen(&applier->ledger->accounts, &target);
        effect_write(applier,
                     &(struct effect){
                         .kind = MP_RECORD_EXPIRY,
                         .debit_slot = target.debit_slot,
                         .credit_slot = target.credit_slot,
                         .amount = target.left,
                         .user_data_128 = reservation->user_data_128,
                         .user_data_64 = reservation->user_data_64,
                         .user_data_32 = reservation->user_data_32,
                         .code = reservation->code,
                         .timestamp = now + count,
                         .pending_id = reservation->id,
                         .inherited = CLOSES | TOOK_ALL,
                     },
                     &debit, &credit, &sequence);
        applier->ledger->counters.expiries++;
        reservation_end(applier, slot);
        count++;
    }
    applier->block.expiries = count;
    if (count > 0) applier->ledger->newest.time = now + count - 1;
    return count;
}
