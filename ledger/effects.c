/* What every effect does: checks that all kinds share, undo within a chain, and the record. */
#include "apply.h"

/* --- undo --- */

struct undo *undo_push(struct applier *applier, enum undo_kind kind)
{
    struct undo *undo = (struct undo *)applier->undo.base + applier->undo_count++;

    MP_ASSERT(applier->in_chain);
    MP_ASSERT(applier->undo_count * sizeof *undo <= applier->undo.committed);
    undo->kind = kind;
    return undo;
}

void undo_line(struct applier *applier, uint32_t slot)
{
    struct accounts *accounts = &applier->ledger->accounts;
    struct undo *undo;

    if (LIKELY(!applier->in_chain)) return;
    undo = undo_push(applier, UNDO_LINE);
    undo->slot = slot;
    undo->line = *account_line(accounts, slot);
    if (undo->line.wide != 0)
        memcpy(undo->high, account_wide(accounts, undo->line.wide - 1)->high, sizeof undo->high);
}

void undo_reservation(struct applier *applier, uint32_t slot)
{
    struct undo *undo;

    if (LIKELY(!applier->in_chain)) return;
    undo = undo_push(applier, UNDO_RESERVATION);
    undo->slot = slot;
    undo->reservation = *reservation_at(&applier->ledger->reservations, slot);
    MP_ASSERT((undo->reservation.flags & RESERVATION_WIDE) == 0 ||
              sizeof undo->high >= sizeof(mp_u128));
    if ((undo->reservation.flags & RESERVATION_WIDE) != 0) {
        mp_amount left = reservation_left(&applier->ledger->reservations, &undo->reservation);

        memcpy(undo->high, &left, sizeof left);
    }
}

void chain_begin(struct applier *applier)
{
    MP_ASSERT(!applier->in_chain);
    applier->in_chain = true;
    applier->undo_count = 0;
    applier->block_before = applier->block;
    applier->newest_before = applier->ledger->newest;
    applier->counters_before = applier->ledger->counters;
}

void chain_commit(struct applier *applier)
{
    MP_ASSERT(applier->in_chain);
    for (uint32_t i = 0; i < applier->undo_count; i++) {
        const struct undo *undo = (const struct undo *)applier->undo.base + i;

        if (undo->kind == UNDO_REMOVED)
            reservations_recycle(&applier->ledger->reservations, undo->slot);
    }
    applier->in_chain = false;
}

static void undo_line_back(struct accounts *accounts, const struct undo *undo)
{
    struct account_line *line = account_line(accounts, undo->slot);

    if (line->wide != undo->line.wide) { /* it became wide within the chain: the newest side slot */
        MP_ASSERT(undo->line.wide == 0 && line->wide == accounts->wide_count);
        accounts->wide_count--;
    }
    memcpy(line->sums, undo->line.sums, sizeof line->sums);
    memcpy(line->last, undo->line.last, sizeof line->last);
    line->wide = undo->line.wide;
    line->flags = undo->line.flags;
    if (line->wide != 0)
        memcpy(account_wide(accounts, line->wide - 1)->high, undo->high, sizeof undo->high);
}

static void undo_reservation_back(struct reservations *reservations, const struct undo *undo)
{
    struct reservation *reservation = reservation_at(reservations, undo->slot);
    const struct reservation *before = &undo->reservation;
    mp_amount left = before->left_low;

    if ((before->flags & RESERVATION_WIDE) != 0) memcpy(&left, undo->high, sizeof left);
    expiry_remove(reservations, undo->slot);
    reservation->user_data_128 = before->user_data_128;
    reservation->user_data_64 = before->user_data_64;
    reservation->user_data_32 = before->user_data_32;
    reservation->expires = before->expires;
    memcpy(reservation->made, before->made, sizeof before->made);
    memcpy(reservation->last, before->last, sizeof before->last);
    reservation_set_left(reservations, reservation, left);
    if (reservation->expires != 0) expiry_insert(reservations, undo->slot);
}

static void undo_one(struct applier *applier, const struct undo *undo)
{
    struct mp_ledger *ledger = applier->ledger;

    switch (undo->kind) {
    case UNDO_LINE: undo_line_back(&ledger->accounts, undo); break;
    case UNDO_ACCOUNT: accounts_remove_last(&ledger->accounts, undo->hash); break;
    case UNDO_RESERVATION: undo_reservation_back(&ledger->reservations, undo); break;
    case UNDO_ADDED:
        reservations_remove(&ledger->reservations, undo->slot);
        reservations_recycle(&ledger->reservations, undo->slot);
        break;
    case UNDO_REMOVED: reservations_restore(&ledger->reservations, undo->slot); break;
    case UNDO_ID_INSERT:
        ids_remove_last(&ledger->ids, undo->hash, undo->id.tag, undo->id.position);
        break;
    case UNDO_ID_REPLACE:
        ids_put_back(&ledger->ids, undo->hash, undo->id.tag, undo->id.to, undo->id.position);
        break;
    }
}

void chain_undo(struct applier *applier)
{
    MP_ASSERT(applier->in_chain);
    while (applier->undo_count > 0) {
        undo_one(applier, (const struct undo *)applier->undo.base + --applier->undo_count);
    }
    applier->block = applier->block_before;
    applier->ledger->newest = applier->newest_before;
    applier->ledger->counters = applier->counters_before;
    applier->in_chain = false;
}

/* --- checks --- */

uint32_t check_closed(const struct account_line *debit, const struct account_line *credit)
{
    if (UNLIKELY((debit->flags & MP_ACCOUNT_CLOSED) != 0))
        return MP_TRANSFER_DEBIT_ACCOUNT_ALREADY_CLOSED;
    if (UNLIKELY((credit->flags & MP_ACCOUNT_CLOSED) != 0))
        return MP_TRANSFER_CREDIT_ACCOUNT_ALREADY_CLOSED;
    return 0;
}

uint32_t check_frozen(const struct account_line *debit, const struct account_line *credit)
{
    if (UNLIKELY((debit->flags & MP_ACCOUNT_FROZEN_DEBITS) != 0))
        return MP_TRANSFER_DEBIT_ACCOUNT_FROZEN;
    if (UNLIKELY((credit->flags & MP_ACCOUNT_FROZEN_CREDITS) != 0))
        return MP_TRANSFER_CREDIT_ACCOUNT_FROZEN;
    return 0;
}

static bool overflows(mp_u128 a, mp_u128 b)
{
    mp_u128 sum;

    return __builtin_add_overflow(a, b, &sum);
}

static bool overflows_with_pending(mp_u128 pending, mp_u128 posted, mp_u128 amount)
{
    mp_u128 sum;

    return __builtin_add_overflow(pending, posted, &sum) ||
           __builtin_add_overflow(sum, amount, &sum);
}

uint32_t check_overflow(const struct sums *debit, const struct sums *credit, mp_amount amount,
                        bool pending)
{
    mp_u128 all = debit->of[DEBITS_PENDING] | debit->of[DEBITS_POSTED] |
                  credit->of[CREDITS_PENDING] | credit->of[CREDITS_POSTED] | amount;

    if (LIKELY(all >> 120 == 0)) return 0;
    if (pending && overflows(debit->of[DEBITS_PENDING], amount))
        return MP_TRANSFER_OVERFLOWS_DEBITS_PENDING;
    if (pending && overflows(credit->of[CREDITS_PENDING], amount))
        return MP_TRANSFER_OVERFLOWS_CREDITS_PENDING;
    if (overflows(debit->of[DEBITS_POSTED], amount)) return MP_TRANSFER_OVERFLOWS_DEBITS_POSTED;
    if (overflows(credit->of[CREDITS_POSTED], amount)) return MP_TRANSFER_OVERFLOWS_CREDITS_POSTED;
    if (overflows_with_pending(debit->of[DEBITS_PENDING], debit->of[DEBITS_POSTED], amount)) {
        return MP_TRANSFER_OVERFLOWS_DEBITS;
    }
    if (overflows_with_pending(credit->of[CREDITS_PENDING], credit->of[CREDITS_POSTED], amount)) {
        return MP_TRANSFER_OVERFLOWS_CREDITS;
    }
    return 0;
}

/* Sums can't overflow here: check_overflow came before. */
uint32_t check_limits(const struct account_line *debit, const struct account_line *credit,
                      const struct sums *debit_sums, const struct sums *credit_sums,
                      mp_amount amount)
{
    if ((debit->flags & MP_ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS) != 0 &&
        debit_sums->of[DEBITS_PENDING] + debit_sums->of[DEBITS_POSTED] + amount >
            debit_sums->of[CREDITS_POSTED]) {
        return MP_TRANSFER_EXCEEDS_CREDITS;
    }
    if ((credit->flags & MP_ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS) != 0 &&
        credit_sums->of[CREDITS_PENDING] + credit_sums->of[CREDITS_POSTED] + amount >
            credit_sums->of[DEBITS_POSTED]) {
        return MP_TRANSFER_EXCEEDS_DEBITS;
    }
    return 0;
}

/* Accounts' times rise with their slots, so whether one has this very time is a binary search. */
static bool is_account_time(const struct accounts *accounts, uint64_t timestamp)
{
    uint32_t low = 0, high = accounts->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (account_rest(accounts, middle)->timestamp < timestamp) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < accounts->count && account_rest(accounts, low)->timestamp == timestamp;
}

uint32_t check_imported_time(const struct applier *applier, uint64_t timestamp)
{
    const struct mp_ledger *ledger = applier->ledger;

    if (timestamp <= max_u64(ledger->newest.transfer, ledger->newest.other))
        return MP_TRANSFER_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS;
    if (timestamp <= ledger->newest.account && is_account_time(&ledger->accounts, timestamp)) {
        return MP_TRANSFER_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS;
    }
    return 0;
}

/* --- the record --- */

static void insert_id(struct applier *applier, uint64_t hash, enum id_tag tag, uint64_t position)
{
    ids_insert(&applier->ledger->ids, hash, tag, position);
    if (UNLIKELY(applier->in_chain)) {
        struct undo *undo = undo_push(applier, UNDO_ID_INSERT);

        undo->hash = hash;
        undo->id.tag = tag;
        undo->id.position = position;
    }
}

/* Enters a reversal as the newest one of its original, in place of the one before. */
static void replace_reversed(struct applier *applier, const struct effect *effect,
                             uint64_t position)
{
    struct ids *ids = &applier->ledger->ids;
    uint64_t hash = id_hash(applier->ledger->accounts.hash_secret, effect->pending_id);
    mp_amount reversed;
    uint64_t newest = reversal_newest(applier, effect->pending_id, hash, &reversed);
    struct ids_probe probe;
    uint64_t candidate = ids_first(ids, hash, ID_REVERSED, &probe);

    if (newest == 0) {
        insert_id(applier, hash, ID_REVERSED, position);
        return;
    }
    while (candidate != newest) candidate = ids_next(ids, &probe);
    ids_replace(ids, &probe, position);
    if (applier->in_chain) {
        struct undo *undo = undo_push(applier, UNDO_ID_REPLACE);

        undo->hash = hash;
        undo->id.tag = ID_REVERSED;
        undo->id.position = candidate;
        undo->id.to = position;
    }
}

static unsigned effect_extensions(const struct effect *effect, const struct sums *debit,
                                  const struct sums *credit)
{
    mp_u128 pending = debit->of[DEBITS_PENDING] | debit->of[CREDITS_PENDING] |
                      credit->of[DEBITS_PENDING] | credit->of[CREDITS_PENDING];
    mp_u128 posted = debit->of[DEBITS_POSTED] | debit->of[CREDITS_POSTED] |
                     credit->of[DEBITS_POSTED] | credit->of[CREDITS_POSTED];
    unsigned extensions = 0;

    if (pending != 0) extensions |= EXT_PENDING;
    if (effect->pending_id != 0) extensions |= EXT_RESERVATION;
    if (effect->user_data_128 != 0 || (effect->flags & MP_TRANSFER_IMPORTED) != 0)
        extensions |= EXT_USER_DATA;
    if (effect->original != 0 || effect->released >= RELEASED_MAX) extensions |= EXT_REVERSAL;
    if (UNLIKELY(posted >> 64 != 0)) extensions |= EXT_POSTED_HIGH;
    if (UNLIKELY(pending >> 64 != 0)) extensions |= EXT_PENDING_HIGH;
    if (UNLIKELY((effect->amount | effect->left) >> 64 != 0)) extensions |= EXT_AMOUNT_HIGH;
    return extensions;
}

static void write_reservation(uint8_t *at, const struct effect *effect)
{
    struct ext_reservation *reservation = (struct ext_reservation *)at;
    uint64_t released =
        (uint64_t)(effect->released < RELEASED_MAX ? effect->released : RELEASED_MAX);

    reservation->pending_id = effect->pending_id;
    reservation->left = u128_low(effect->left);
    reservation->inherited = effect->inherited;
    memcpy(reservation->released, &released, sizeof reservation->released);
}

static void write_extensions(uint8_t *at, const struct effect *effect, unsigned extensions,
                             const struct sums *debit, const struct sums *credit)
{
    if ((extensions & EXT_PENDING) != 0) {
        *(struct ext_pending *)at = (struct ext_pending){
            u128_low(debit->of[DEBITS_PENDING]), u128_low(debit->of[CREDITS_PENDING]),
            u128_low(credit->of[DEBITS_PENDING]), u128_low(credit->of[CREDITS_PENDING])};
        at += UNIT_SIZE;
    }
    if ((extensions & EXT_RESERVATION) != 0) {
        write_reservation(at, effect);
        at += UNIT_SIZE;
    }
    if ((extensions & EXT_USER_DATA) != 0) {
        *(struct ext_user_data *)at = (struct ext_user_data){
            .user_data_128 = effect->user_data_128,
            .imported_time = (effect->flags & MP_TRANSFER_IMPORTED) != 0 ? effect->timestamp : 0};
        at += UNIT_SIZE;
    }
    if ((extensions & EXT_REVERSAL) != 0) {
        mp_u128 value = effect->original != 0 ? effect->reversed : effect->released;
        struct ext_reversal *reversal = (struct ext_reversal *)at;

        *reversal =
            (struct ext_reversal){.reversed = u128_low(value), .reversed_high = u128_high(value)};
        store_48(reversal->original, effect->original);
        at += UNIT_SIZE;
    }
    if ((extensions & EXT_POSTED_HIGH) != 0) {
        *(struct ext_high *)at = (struct ext_high){
            {u128_high(debit->of[DEBITS_POSTED]), u128_high(debit->of[CREDITS_POSTED]),
             u128_high(credit->of[DEBITS_POSTED]), u128_high(credit->of[CREDITS_POSTED])}};
        at += UNIT_SIZE;
    }
    if ((extensions & EXT_PENDING_HIGH) != 0) {
        *(struct ext_pending *)at = (struct ext_pending){
            u128_high(debit->of[DEBITS_PENDING]), u128_high(debit->of[CREDITS_PENDING]),
            u128_high(credit->of[DEBITS_PENDING]), u128_high(credit->of[CREDITS_PENDING])};
        at += UNIT_SIZE;
    }
    if ((extensions & EXT_AMOUNT_HIGH) != 0) {
        *(struct ext_amount_high *)at = (struct ext_amount_high){
            .amount = u128_high(effect->amount), .left = u128_high(effect->left)};
    }
}

uint64_t effect_write(struct applier *applier, const struct effect *effect,
                      const struct sums *debit, const struct sums *credit, uint64_t *sequence)
{
    struct mp_ledger *ledger = applier->ledger;
    struct account_line *debit_line = account_line(&ledger->accounts, effect->debit_slot);
    struct account_line *credit_line = account_line(&ledger->accounts, effect->credit_slot);
    unsigned extensions = effect_extensions(effect, debit, credit);
    unsigned units = 4 + (unsigned)__builtin_popcount(extensions);
    uint64_t position;
    struct transfer_record *record =
        (struct transfer_record *)block_record(&applier->block, applier->tail, units, &position);
    bool imported = (effect->flags & MP_TRANSFER_IMPORTED) != 0;

    memset(record, 0, sizeof *record);
    record->kind = effect->kind;
    record->extensions = (uint8_t)extensions;
    record->code = effect->code;
    record->flags = effect->flags;
    record->debit_flags = debit_line->flags;
    record->credit_flags = credit_line->flags;
    record->id = effect->id;
    record->debit_slot = effect->debit_slot;
    record->credit_slot = effect->credit_slot;
    record->amount = u128_low(effect->amount);
    record->user_data_64 = effect->user_data_64;
    record->user_data_32 = effect->user_data_32;
    record->time_offset = imported ? 0 : (uint32_t)(effect->timestamp - applier->block.time);
    record->timeout = effect->timeout;
    record->debit_debits_posted = u128_low(debit->of[DEBITS_POSTED]);
    record->debit_credits_posted = u128_low(debit->of[CREDITS_POSTED]);
    record->credit_debits_posted = u128_low(credit->of[DEBITS_POSTED]);
    record->credit_credits_posted = u128_low(credit->of[CREDITS_POSTED]);
    if (extensions != 0)
        write_extensions((uint8_t *)(record + 1), effect, extensions, debit, credit);

    store_48(debit_line->last, position);
    store_48(credit_line->last, position);
    *sequence = applier->block.sequence++;
    applier->block.count++;
    if (effect->kind == MP_RECORD_TRANSFER) {
        insert_id(applier, effect->hash, ID_OBJECT, position);
        ledger->counters.transfers++;
    }
    if ((effect->inherited & CLOSES) != 0) {
        insert_id(applier, id_hash(ledger->accounts.hash_secret, effect->pending_id), ID_CLOSED,
                  position);
    }
    if (effect->original != 0) replace_reversed(applier, effect, position);
    if (effect->kind == MP_RECORD_EXPIRY) {
        ledger->newest.other = effect->timestamp;
    } else {
        ledger->newest.transfer = effect->timestamp;
    }
    if (applier->sums != NULL) {
        applier->sums->debit = (mp_balance){debit->of[0], debit->of[1], debit->of[2], debit->of[3]};
        applier->sums->credit =
            (mp_balance){credit->of[0], credit->of[1], credit->of[2], credit->of[3]};
    }
    return position;
}

/* The extensions of a narrow transfer: what is pending on its accounts, and user data. */
static void write_narrow_extensions(uint8_t *at, unsigned extensions, const mp_transfer *event,
                                    const struct account_line *debit,
                                    const struct account_line *credit)
{
    if ((extensions & EXT_PENDING) != 0) {
        *(struct ext_pending *)at =
            (struct ext_pending){debit->sums[DEBITS_PENDING], debit->sums[CREDITS_PENDING],
                                 credit->sums[DEBITS_PENDING], credit->sums[CREDITS_PENDING]};
        at += UNIT_SIZE;
    }
    if ((extensions & EXT_USER_DATA) != 0)
        *(struct ext_user_data *)at = (struct ext_user_data){.user_data_128 = event->user_data_128};
}

void effect_write_narrow(struct applier *applier, const mp_transfer *event, uint64_t time,
                         const struct event_hint *hint, uint64_t *sequence)
{
    struct mp_ledger *ledger = applier->ledger;
    struct account_line *debit = account_line(&ledger->accounts, hint->debit_slot);
    struct account_line *credit = account_line(&ledger->accounts, hint->credit_slot);
    uint64_t pending = debit->sums[DEBITS_PENDING] | debit->sums[CREDITS_PENDING] |
                       credit->sums[DEBITS_PENDING] | credit->sums[CREDITS_PENDING];
    unsigned extensions =
        (pending != 0 ? EXT_PENDING : 0) | (event->user_data_128 != 0 ? EXT_USER_DATA : 0);
    unsigned units = 4 + (unsigned)__builtin_popcount(extensions);
    uint64_t position;
    struct transfer_record *record =
        (struct transfer_record *)block_record(&applier->block, applier->tail, units, &position);

    *record = (struct transfer_record){
        .kind = MP_RECORD_TRANSFER,
        .extensions = (uint8_t)extensions,
        .code = event->code,
        .flags = event->flags,
        .debit_flags = debit->flags,
        .credit_flags = credit->flags,
        .id = event->id,
        .debit_slot = hint->debit_slot,
        .credit_slot = hint->credit_slot,
        .amount = u128_low(event->amount),
        .user_data_64 = event->user_data_64,
        .user_data_32 = event->user_data_32,
        .time_offset = (uint32_t)(time - applier->block.time),
        .debit_debits_posted = debit->sums[DEBITS_POSTED],
        .debit_credits_posted = debit->sums[CREDITS_POSTED],
        .credit_debits_posted = credit->sums[DEBITS_POSTED],
        .credit_credits_posted = credit->sums[CREDITS_POSTED],
    };
    if (UNLIKELY(extensions != 0))
        write_narrow_extensions((uint8_t *)(record + 1), extensions, event, debit, credit);
    store_48(debit->last, position);
    store_48(credit->last, position);
    *sequence = applier->block.sequence++;
    applier->block.count++;
    insert_id(applier, hint->hash, ID_OBJECT, position);
    ledger->counters.transfers++;
    ledger->newest.transfer = time;
}
