/* Plain and pending transfers, and the way to the other kinds. */
#include "apply.h"

enum {
    KNOWN_FLAGS = (1 << 13) - 1,
    KINDS = MP_TRANSFER_INCREASE_PENDING | MP_TRANSFER_REVERSAL | MP_TRANSFER_BIND_ID,
};

/* What comes before idempotency: 56, 57, 3, 58, 59, 4, 5, 6. */
static uint32_t check_first(const struct applier *applier, const mp_transfer *event)
{
    bool imported = (event->flags & MP_TRANSFER_IMPORTED) != 0;

    if (applier->batch_imported && !imported) return MP_TRANSFER_IMPORTED_EVENT_EXPECTED;
    if (!applier->batch_imported && imported) return MP_TRANSFER_IMPORTED_EVENT_NOT_EXPECTED;
    if (!imported && event->timestamp != 0) return MP_TRANSFER_TIMESTAMP_MUST_BE_ZERO;
    if (imported) {
        if (event->timestamp == 0 || event->timestamp > TIME_MAX) {
            return MP_TRANSFER_IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE;
        }
        if (event->timestamp >= applier->batch_time)
            return MP_TRANSFER_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE;
    }
    if ((event->flags & ~KNOWN_FLAGS) != 0) return MP_TRANSFER_RESERVED_FLAG;
    if (event->id == 0) return MP_TRANSFER_ID_MUST_NOT_BE_ZERO;
    if (event->id == MP_U128_MAX) return MP_TRANSFER_ID_MUST_NOT_BE_INT_MAX;
    return 0;
}

/* 7: flags that don't go together. */
static uint32_t check_company(uint16_t flags)
{
    const unsigned resolving = MP_TRANSFER_POST_PENDING | MP_TRANSFER_VOID_PENDING;
    const unsigned with_linked = MP_TRANSFER_LINKED;
    unsigned others;

    if ((flags & resolving) != 0) {
        unsigned allowed = MP_TRANSFER_LINKED | MP_TRANSFER_IMPORTED;

        if ((flags & resolving) == resolving) return MP_TRANSFER_FLAGS_ARE_MUTUALLY_EXCLUSIVE;
        if ((flags & MP_TRANSFER_POST_PENDING) != 0) allowed |= MP_TRANSFER_KEEP_PENDING;
        return (flags & ~(resolving | allowed)) != 0 ? MP_TRANSFER_FLAGS_ARE_MUTUALLY_EXCLUSIVE : 0;
    }
    if ((flags & MP_TRANSFER_KEEP_PENDING) != 0) return MP_TRANSFER_FLAGS_ARE_MUTUALLY_EXCLUSIVE;
    others = flags & KINDS;
    if (others == 0) return 0;
    if (others == MP_TRANSFER_BIND_ID) {
        return flags != MP_TRANSFER_BIND_ID ? MP_TRANSFER_FLAGS_ARE_MUTUALLY_EXCLUSIVE : 0;
    }
    if ((others & (others - 1)) != 0 || (flags & ~(others | with_linked)) != 0) {
        return MP_TRANSFER_FLAGS_ARE_MUTUALLY_EXCLUSIVE;
    }
    return 0;
}

/* 8 to 13, 17, 64, 19, 20. */
static uint32_t check_fields(const mp_transfer *event)
{
    if (UNLIKELY(event->debit_account_id == 0))
        return MP_TRANSFER_DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO;
    if (UNLIKELY(event->debit_account_id == MP_U128_MAX))
        return MP_TRANSFER_DEBIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX;
    if (UNLIKELY(event->credit_account_id == 0))
        return MP_TRANSFER_CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO;
    if (UNLIKELY(event->credit_account_id == MP_U128_MAX))
        return MP_TRANSFER_CREDIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX;
    if (UNLIKELY(event->debit_account_id == event->credit_account_id))
        return MP_TRANSFER_ACCOUNTS_MUST_BE_DIFFERENT;
    if (UNLIKELY(event->pending_id != 0)) return MP_TRANSFER_PENDING_ID_MUST_BE_ZERO;
    if ((event->flags & MP_TRANSFER_PENDING) == 0) {
        if (UNLIKELY(event->timeout != 0)) return MP_TRANSFER_TIMEOUT_RESERVED_FOR_PENDING_TRANSFER;
        if (UNLIKELY((event->flags & (MP_TRANSFER_CLOSING_DEBIT | MP_TRANSFER_CLOSING_CREDIT)) !=
                     0)) {
            return MP_TRANSFER_CLOSING_TRANSFER_MUST_BE_PENDING;
        }
    }
    if (UNLIKELY(event->ledger == 0)) return MP_TRANSFER_LEDGER_MUST_NOT_BE_ZERO;
    if (UNLIKELY(event->code == 0)) return MP_TRANSFER_CODE_MUST_NOT_BE_ZERO;
    return 0;
}

/* 23, 24, 60 to 63, 65, 66, 1010, 1011. */
static uint32_t check_accounts(const struct applier *applier, const mp_transfer *event,
                               const struct event_hint *hint, const struct account_line *debit,
                               const struct account_line *credit)
{
    uint32_t code;

    if (UNLIKELY(debit->ledger != credit->ledger))
        return MP_TRANSFER_ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER;
    if (UNLIKELY(event->ledger != debit->ledger)) {
        return MP_TRANSFER_TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS;
    }
    if (UNLIKELY((event->flags & MP_TRANSFER_IMPORTED) != 0)) {
        const struct accounts *accounts = &applier->ledger->accounts;

        code = check_imported_time(applier, event->timestamp);
        if (code != 0) return code;
        if (event->timestamp <= account_rest(accounts, hint->debit_slot)->timestamp) {
            return MP_TRANSFER_IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_DEBIT_ACCOUNT;
        }
        if (event->timestamp <= account_rest(accounts, hint->credit_slot)->timestamp) {
            return MP_TRANSFER_IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_CREDIT_ACCOUNT;
        }
        if (event->timeout != 0) return MP_TRANSFER_IMPORTED_EVENT_TIMEOUT_MUST_BE_ZERO;
    }
    code = check_closed(debit, credit);
    return code != 0 ? code : check_frozen(debit, credit);
}

static mp_amount room(mp_amount limit, mp_amount pending, mp_amount posted)
{
    mp_amount used;

    if (__builtin_add_overflow(pending, posted, &used)) return 0;
    return limit > used ? limit - used : 0;
}

static mp_amount balanced_amount(const mp_transfer *event, const struct sums *debit,
                                 const struct sums *credit)
{
    mp_amount amount = event->amount;

    if ((event->flags & MP_TRANSFER_BALANCING_DEBIT) != 0) {
        mp_amount most =
            room(debit->of[CREDITS_POSTED], debit->of[DEBITS_PENDING], debit->of[DEBITS_POSTED]);

        if (amount > most) amount = most;
    }
    if ((event->flags & MP_TRANSFER_BALANCING_CREDIT) != 0) {
        mp_amount most = room(credit->of[DEBITS_POSTED], credit->of[CREDITS_PENDING],
                              credit->of[CREDITS_POSTED]);

        if (amount > most) amount = most;
    }
    return amount;
}

static void reservation_make(struct applier *applier, const mp_transfer *event,
                             const struct effect *effect, uint64_t expires, uint64_t position)
{
    struct reservations *reservations = &applier->ledger->reservations;
    uint32_t slot = reservations_add(reservations, event->id, effect->hash);
    struct reservation *reservation = reservation_at(reservations, slot);

    reservation->user_data_128 = event->user_data_128;
    reservation->user_data_64 = event->user_data_64;
    reservation->user_data_32 = event->user_data_32;
    reservation->expires = expires;
    reservation->debit_slot = effect->debit_slot;
    reservation->credit_slot = effect->credit_slot;
    reservation->code = event->code;
    reservation->flags = event->flags;
    store_48(reservation->made, position);
    store_48(reservation->last, position);
    reservation_set_left(reservations, reservation, effect->amount);
    if (expires != 0) expiry_insert(reservations, slot);
    if (applier->in_chain) undo_push(applier, UNDO_ADDED)->slot = slot;
}

/* Moves the amount and writes the record: nothing can fail from here on. */
static struct outcome book(struct applier *applier, const mp_transfer *event, uint64_t time,
                           const struct event_hint *hint, mp_amount amount, struct sums *debit,
                           struct sums *credit)
{
    struct accounts *accounts = &applier->ledger->accounts;
    struct account_line *debit_line = account_line(accounts, hint->debit_slot);
    struct account_line *credit_line = account_line(accounts, hint->credit_slot);
    bool pending = (event->flags & MP_TRANSFER_PENDING) != 0;
    struct effect effect = {
        .kind = MP_RECORD_TRANSFER,
        .id = event->id,
        .hash = hint->hash,
        .debit_slot = hint->debit_slot,
        .credit_slot = hint->credit_slot,
        .amount = amount,
        .user_data_128 = event->user_data_128,
        .user_data_64 = event->user_data_64,
        .user_data_32 = event->user_data_32,
        .timeout = event->timeout,
        .code = event->code,
        .flags = event->flags,
        .timestamp = (event->flags & MP_TRANSFER_IMPORTED) != 0 ? event->timestamp : time,
    };
    struct outcome outcome = {.code = MP_CREATED, .timestamp = effect.timestamp};
    uint64_t position;

    undo_line(applier, hint->debit_slot);
    undo_line(applier, hint->credit_slot);
    debit->of[pending ? DEBITS_PENDING : DEBITS_POSTED] += amount;
    credit->of[pending ? CREDITS_PENDING : CREDITS_POSTED] += amount;
    account_set_sums(accounts, debit_line, debit);
    account_set_sums(accounts, credit_line, credit);
    if ((event->flags & MP_TRANSFER_CLOSING_DEBIT) != 0) debit_line->flags |= MP_ACCOUNT_CLOSED;
    if ((event->flags & MP_TRANSFER_CLOSING_CREDIT) != 0) credit_line->flags |= MP_ACCOUNT_CLOSED;
    position = effect_write(applier, &effect, debit, credit, &outcome.sequence);
    if (pending) {
        uint64_t expires = event->timeout == 0 ? 0 : effect.timestamp + event->timeout * NS_PER_S;

        reservation_make(applier, event, &effect, expires, position);
    }
    return outcome;
}

/* The commonest transfer: nothing pending, imported or balanced, sums and amount below 2^62. It
 * does what book() does, without 128-bit arithmetic and without an effect in between. False = it
 * isn't one, or it isn't allowed: then the long way finds out which. */
static bool book_narrow(struct applier *applier, const mp_transfer *event, uint64_t time,
                        const struct event_hint *hint, struct account_line *debit,
                        struct account_line *credit, struct outcome *outcome)
{
    uint64_t amount = u128_low(event->amount);
    uint64_t debits = debit->sums[DEBITS_POSTED] + amount;
    uint64_t credits = credit->sums[CREDITS_POSTED] + amount;
    uint64_t high = u128_high(event->amount) | amount >> 62 | debits >> 62 | credits >> 62;

    if (UNLIKELY((event->flags & ~MP_TRANSFER_LINKED) != 0 || (debit->wide | credit->wide) != 0 ||
                 high != 0 || applier->sums != NULL)) {
        return false;
    }
    if ((debit->flags & MP_ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS) != 0 &&
        debit->sums[DEBITS_PENDING] + debits > debit->sums[CREDITS_POSTED]) {
        return false;
    }
    if ((credit->flags & MP_ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS) != 0 &&
        credit->sums[CREDITS_PENDING] + credits > credit->sums[DEBITS_POSTED]) {
        return false;
    }
    undo_line(applier, hint->debit_slot);
    undo_line(applier, hint->credit_slot);
    debit->sums[DEBITS_POSTED] = debits;
    credit->sums[CREDITS_POSTED] = credits;
    effect_write_narrow(applier, event, time, hint, &outcome->sequence);
    outcome->code = MP_CREATED;
    outcome->timestamp = time;
    return true;
}

static struct outcome apply_plain(struct applier *applier, const mp_transfer *event, uint64_t time,
                                  const struct event_hint *hint)
{
    struct accounts *accounts = &applier->ledger->accounts;
    struct account_line *debit_line, *credit_line;
    struct outcome outcome = {0};
    struct sums debit, credit;
    mp_amount amount = event->amount;
    bool pending = (event->flags & MP_TRANSFER_PENDING) != 0;
    uint32_t code = check_fields(event);

    if (code != 0) return refused(code);
    if (UNLIKELY(hint->debit_slot == SLOT_NONE))
        return refused(MP_TRANSFER_DEBIT_ACCOUNT_NOT_FOUND);
    if (UNLIKELY(hint->credit_slot == SLOT_NONE))
        return refused(MP_TRANSFER_CREDIT_ACCOUNT_NOT_FOUND);
    debit_line = account_line(accounts, hint->debit_slot);
    credit_line = account_line(accounts, hint->credit_slot);
    code = check_accounts(applier, event, hint, debit_line, credit_line);
    if (code != 0) return refused(code);
    if (LIKELY(book_narrow(applier, event, time, hint, debit_line, credit_line, &outcome)))
        return outcome;
    debit = account_sums(accounts, debit_line);
    credit = account_sums(accounts, credit_line);
    if ((event->flags & (MP_TRANSFER_BALANCING_DEBIT | MP_TRANSFER_BALANCING_CREDIT)) != 0) {
        amount = balanced_amount(event, &debit, &credit);
    }
    code = check_overflow(&debit, &credit, amount, pending);
    if (code != 0) return refused(code);
    if (event->timeout != 0 && time + event->timeout * NS_PER_S > TIME_MAX) {
        return refused(MP_TRANSFER_OVERFLOWS_TIMEOUT);
    }
    code = check_limits(debit_line, credit_line, &debit, &credit, amount);
    if (code != 0) return refused(code);
    return book(applier, event, time, hint, amount, &debit, &credit);
}

static struct outcome apply_bind(const mp_transfer *event)
{
    mp_u128 fields = event->debit_account_id | event->credit_account_id | event->amount |
                     event->pending_id | event->user_data_128 | event->user_data_64 |
                     event->user_data_32 | event->timeout | event->ledger | event->code;

    return refused(fields != 0 ? MP_TRANSFER_BIND_FIELDS_MUST_BE_ZERO : MP_TRANSFER_ID_BOUND);
}

struct outcome apply_transfer(struct applier *applier, const mp_transfer *event, uint64_t time,
                              const struct event_hint *hint)
{
    uint32_t code = check_first(applier, event);
    struct outcome outcome;

    if (UNLIKELY(code != 0)) return refused(code);
    outcome = exists_transfer(applier, event, hint->hash);
    if (UNLIKELY(outcome.code != 0)) return outcome;
    if (LIKELY((event->flags & ~(MP_TRANSFER_LINKED | MP_TRANSFER_PENDING)) == 0)) {
        return apply_plain(applier, event, time, hint);
    }
    code = check_company(event->flags);
    if (code != 0) return refused(code);
    if ((event->flags & (MP_TRANSFER_POST_PENDING | MP_TRANSFER_VOID_PENDING)) != 0) {
        return apply_post_or_void(applier, event, time, hint->hash);
    }
    if ((event->flags & MP_TRANSFER_INCREASE_PENDING) != 0)
        return apply_increase(applier, event, time, hint->hash);
    if ((event->flags & MP_TRANSFER_REVERSAL) != 0)
        return apply_reversal(applier, event, time, hint->hash);
    if ((event->flags & MP_TRANSFER_BIND_ID) != 0) return apply_bind(event);
    return apply_plain(applier, event, time, hint);
}
