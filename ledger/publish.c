#include "publish.h"
#include "block_walk.h"

enum { AHEAD = 12 }; /* records between a prefetch and its use */

PREFETCHES void prefetch_cold(const struct accounts *accounts, const uint8_t *record)
{
    uint32_t slots[2];

    record_slots(record, slots);
    for (int i = 0; i < 2; i++) {
        if (slots[i] == SLOT_NONE) continue;
        PREFETCH_WRITE(account_cold(accounts, slots[i]));
        PREFETCH_WRITE((uint8_t *)account_cold(accounts, slots[i]) + 64);
    }
}

PREFETCHES void prefetch_published(const struct accounts *accounts, const uint8_t *record)
{
    uint32_t slots[2];

    record_slots(record, slots);
    for (int i = 0; i < 2; i++) {
        if (slots[i] != SLOT_NONE) PREFETCH_WRITE(account_published(accounts, slots[i]));
    }
}

/* --- pointers --- */

static uint64_t distance(uint64_t from, uint64_t to) { return to == 0 ? 0 : from - to; }

static uint64_t record_time(const uint8_t *bytes, uint64_t block_time)
{
    const struct transfer_record *record = (const struct transfer_record *)bytes;
    unsigned before = record->extensions & (EXT_PENDING | EXT_RESERVATION);

    if ((record->extensions & EXT_USER_DATA) != 0) {
        const struct ext_user_data *user_data =
            (const struct ext_user_data *)(record + 1) + __builtin_popcount(before);

        if (user_data->imported_time != 0) return user_data->imported_time;
    }
    return block_time + record->time_offset;
}

static void fill_transfer(struct accounts *accounts, uint8_t *bytes, uint64_t position,
                          uint64_t block_time)
{
    struct transfer_record *record = (struct transfer_record *)bytes;
    uint64_t timestamp = record_time(bytes, block_time);
    struct jump debit = digits_push(accounts, record->debit_slot, position, timestamp);
    struct jump credit = digits_push(accounts, record->credit_slot, position, timestamp);

    store_48(record->debit_previous, distance(position, debit.previous));
    store_48(record->credit_previous, distance(position, credit.previous));
    store_48(record->debit_jump, distance(position, debit.target));
    store_48(record->credit_jump, distance(position, credit.target));
    store_48(record->debit_jump_time, debit.target_time);
    store_48(record->credit_jump_time, credit.target_time);
}

static void fill_update(struct accounts *accounts, uint8_t *bytes, uint64_t position,
                        uint64_t block_time)
{
    struct update_record *record = (struct update_record *)bytes;
    struct jump jump =
        digits_push(accounts, record->slot, position, block_time + record->time_offset);

    store_48(record->previous, distance(position, jump.previous));
    store_48(record->jump, distance(position, jump.target));
    store_48(record->jump_time, jump.target_time);
}

void pointers_fill(struct mp_ledger *ledger, uint64_t position, uint32_t pages)
{
    struct accounts *accounts = &ledger->accounts;
    struct block_walk walk = block_walk_begin(&ledger->tail, position, pages), ahead = walk;
    uint8_t *record;

    for (unsigned i = 0; i < AHEAD && (record = block_walk_next(&ahead)) != NULL; i++)
        prefetch_cold(accounts, record);
    while ((record = block_walk_next(&walk)) != NULL) {
        const uint8_t *later = block_walk_next(&ahead);
        uint64_t at = block_walk_position(&walk, record);
        uint64_t time = block_walk_trailer(&walk)->time;

        if (LIKELY(later != NULL)) prefetch_cold(accounts, later);
        if (LIKELY(record[0] == MP_RECORD_TRANSFER || record[0] == MP_RECORD_EXPIRY)) {
            fill_transfer(accounts, record, at, time);
        } else if (record[0] == MP_RECORD_UPDATE) {
            fill_update(accounts, record, at, time);
        }
    }
}

/* --- published balances --- */

static void publish_transfer(struct accounts *accounts, const uint8_t *bytes, uint64_t position)
{
    const struct transfer_record *record = (const struct transfer_record *)bytes;
    struct record_view view;
    struct sums debit, credit;

    if (LIKELY((record->extensions & (EXT_PENDING | EXT_POSTED_HIGH | EXT_PENDING_HIGH)) == 0 &&
               (record->debit_debits_posted | record->debit_credits_posted |
                record->credit_debits_posted | record->credit_credits_posted) >>
                       63 ==
                   0)) {
        const uint64_t debits[SUMS] = {0, record->debit_debits_posted, 0,
                                       record->debit_credits_posted};
        const uint64_t credits[SUMS] = {0, record->credit_debits_posted, 0,
                                        record->credit_credits_posted};

        account_publish_words(accounts, record->debit_slot, debits, record->debit_flags, position,
                              1);
        account_publish_words(accounts, record->credit_slot, credits, record->credit_flags,
                              position, 1);
        return;
    }
    MP_ASSERT(record_view(bytes, position, 0, &view));
    record_sums(&view, &debit, &credit);
    account_publish(accounts, record->debit_slot, &debit, record->debit_flags, position, 1);
    account_publish(accounts, record->credit_slot, &credit, record->credit_flags, position, 1);
}

static void publish_update(struct accounts *accounts, const uint8_t *bytes, uint64_t position)
{
    const struct update_record *record = (const struct update_record *)bytes;
    struct record_view view;
    struct sums sums, none;

    MP_ASSERT(record_view(bytes, position, 0, &view));
    record_sums(&view, &sums, &none);
    account_publish(accounts, record->slot, &sums, record->account_flags_after, position, 1);
}

static void publish_account(struct accounts *accounts, const uint8_t *bytes)
{
    const struct account_record *record = (const struct account_record *)bytes;
    const struct sums none = {0};

    account_publish_id(accounts, record->slot);
    account_publish(accounts, record->slot, &none, (uint8_t)record->flags, 0, 0);
    if (record->slot >= atomic_load_explicit(&accounts->published_count, memory_order_relaxed)) {
        atomic_store_explicit(&accounts->published_count, record->slot + 1, memory_order_release);
    }
}

static void publish_record(struct accounts *accounts, const uint8_t *bytes, uint64_t position)
{
    switch (bytes[0]) {
    case MP_RECORD_TRANSFER:
    case MP_RECORD_EXPIRY: publish_transfer(accounts, bytes, position); break;
    case MP_RECORD_UPDATE: publish_update(accounts, bytes, position); break;
    case MP_RECORD_ACCOUNT: publish_account(accounts, bytes); break;
    default: break; /* ids and input positions are no account's */
    }
}

void publish_block(struct mp_ledger *ledger, uint64_t position, uint32_t pages)
{
    struct accounts *accounts = &ledger->accounts;
    uint64_t publications = atomic_load_explicit(&accounts->publications, memory_order_relaxed);
    struct block_walk walk = block_walk_begin(&ledger->tail, position, pages), ahead = walk;
    const uint8_t *record;

    MP_ASSERT((publications & 1) == 0);
    atomic_store_explicit(&accounts->publications, publications + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    for (unsigned i = 0; i < AHEAD && (record = block_walk_next(&ahead)) != NULL; i++)
        prefetch_published(accounts, record);
    while ((record = block_walk_next(&walk)) != NULL) {
        const uint8_t *later = block_walk_next(&ahead);

        if (LIKELY(later != NULL)) prefetch_published(accounts, later);
        publish_record(accounts, record, block_walk_position(&walk, record));
    }
    atomic_store_explicit(&accounts->publications, publications + 2, memory_order_release);
}
