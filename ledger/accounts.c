#include "accounts.h"

#include <sched.h>

/* Of a reader, before it lets a writer go on that was interrupted amid a change. */
enum { SPINS = 64 };

mp_status accounts_open(struct accounts *accounts, struct memory *memory, uint64_t max,
                        const uint64_t *hash_secret)
{
    mp_status status;

    memset(accounts, 0, sizeof *accounts);
    accounts->hash_secret = hash_secret;
    accounts->max = (uint32_t)min_u64(max, UINT32_MAX - 1);
    status = slot_table_open(&accounts->table, memory, accounts->max, "the table of accounts");
    if (status == MP_OK) {
        status = arena_reserve(&accounts->lines, memory,
                               accounts->max * sizeof(struct account_line), "accounts");
    }
    if (status == MP_OK) {
        status =
            arena_reserve(&accounts->published, memory,
                          accounts->max * sizeof(struct account_published), "published balances");
    }
    if (status == MP_OK) {
        status = arena_reserve(&accounts->cold, memory, accounts->max * sizeof(struct account_cold),
                               "accounts");
    }
    if (status == MP_OK) {
        status = arena_reserve(&accounts->rest, memory, accounts->max * sizeof(struct account_rest),
                               "accounts");
    }
    if (status == MP_OK) {
        status = arena_reserve(&accounts->wide, memory, accounts->max * sizeof(struct wide_sums),
                               "wide sums");
    }
    if (status == MP_OK) {
        status = arena_reserve(&accounts->chunks, memory, accounts->max * (uint64_t)384,
                               "jump pointers");
    }
    if (status != MP_OK) accounts_close(accounts);
    return status;
}

void accounts_close(struct accounts *accounts)
{
    slot_table_close(&accounts->table);
    arena_free(&accounts->lines);
    arena_free(&accounts->published);
    arena_free(&accounts->cold);
    arena_free(&accounts->rest);
    arena_free(&accounts->wide);
    arena_free(&accounts->chunks);
}

mp_status accounts_commit(struct accounts *accounts, uint64_t count)
{
    mp_status status = arena_commit(&accounts->lines, count * sizeof(struct account_line));

    if (status == MP_OK)
        status = arena_commit(&accounts->published, count * sizeof(struct account_published));
    if (status == MP_OK)
        status = arena_commit(&accounts->cold, count * sizeof(struct account_cold));
    if (status == MP_OK)
        status = arena_commit(&accounts->rest, count * sizeof(struct account_rest));
    return status;
}

mp_status accounts_prepare(struct accounts *accounts, uint64_t more, uint64_t touched, bool large)
{
    uint64_t count = accounts->count + more;
    uint64_t wide = min_u64(accounts->wide_count + touched, count);
    mp_status status = chunks_prepare(accounts, min_u64(touched + accounts->waiting, count));

    if (count > accounts->max) {
        return fail(MP_LIMIT, "accounts_max is %u and %u accounts exist: no room for %zu more",
                    accounts->max, accounts->count, (size_t)more);
    }
    if (status == MP_OK && more > 0) {
        status = slot_table_prepare(&accounts->table, more);
        if (status == MP_OK) status = accounts_commit(accounts, count);
    }
    if (status == MP_OK && (large || accounts->near_wide)) {
        status = arena_commit(&accounts->wide, wide * sizeof(struct wide_sums));
    }
    return status;
}

uint32_t accounts_add(struct accounts *accounts, mp_id id, uint64_t hash, uint32_t ledger)
{
    uint32_t slot = accounts->count++;
    struct account_line *line = account_line(accounts, slot);

    MP_ASSERT(slot < accounts->max);
    memset(line, 0, sizeof *line);
    memset(account_cold(accounts, slot), 0, sizeof(struct account_cold));
    line->id = id;
    line->ledger = ledger;
    slot_table_insert(&accounts->table, hash, slot);
    return slot;
}

void account_details_set(struct accounts *accounts, uint32_t slot, const mp_account *account,
                         uint64_t timestamp)
{
    struct account_cold *cold = account_cold(accounts, slot);

    cold->flags_created = (uint8_t)account->flags;
    cold->user_data_128[0] = u128_low(account->user_data_128);
    cold->user_data_128[1] = u128_high(account->user_data_128);
    cold->user_data_64 = account->user_data_64;
    *account_rest(accounts, slot) = (struct account_rest){
        .timestamp = timestamp, .user_data_32 = account->user_data_32, .code = account->code};
}

void accounts_remove_last(struct accounts *accounts, uint64_t hash)
{
    uint32_t slot = --accounts->count;

    slot_table_remove(&accounts->table, hash, slot);
}

struct sums account_sums(const struct accounts *accounts, const struct account_line *line)
{
    struct sums sums;

    for (int i = 0; i < SUMS; i++) sums.of[i] = line->sums[i];
    if (UNLIKELY(line->wide != 0)) {
        const struct wide_sums *wide = account_wide(accounts, line->wide - 1);

        for (int i = 0; i < SUMS; i++) sums.of[i] |= (mp_u128)wide->high[i] << 64;
    }
    return sums;
}

static void set_wide_sums(struct accounts *accounts, struct account_line *line,
                          const struct sums *sums)
{
    struct wide_sums *wide;

    if (line->wide == 0) {
        line->wide = ++accounts->wide_count;
        MP_ASSERT(accounts->wide_count * sizeof *wide <=
                  accounts->wide.committed); /* accounts_prepare */
    }
    wide = account_wide(accounts, line->wide - 1);
    for (int i = 0; i < SUMS; i++) {
        line->sums[i] = u128_low(sums->of[i]);
        wide->high[i] = u128_high(sums->of[i]);
    }
}

void account_set_sums(struct accounts *accounts, struct account_line *line, const struct sums *sums)
{
    mp_u128 all = sums->of[0] | sums->of[1] | sums->of[2] | sums->of[3];

    if (UNLIKELY(all >> 62 != 0)) accounts->near_wide = true;
    if (UNLIKELY(line->wide != 0 || all >> 63 != 0)) {
        set_wide_sums(accounts, line, sums);
        return;
    }
    for (int i = 0; i < SUMS; i++) line->sums[i] = (uint64_t)sums->of[i];
}

/* --- what readers see --- */

void account_publish_id(struct accounts *accounts, uint32_t slot)
{
    struct account_published *published = account_published(accounts, slot);
    mp_id id = account_line(accounts, slot)->id;

    atomic_store_explicit(&published->words[6], u128_low(id), memory_order_relaxed);
    atomic_store_explicit(&published->words[7], u128_high(id), memory_order_relaxed);
}

/* Words 2 to 5 say that the sums are in a side slot, which is written meanwhile. */
static void publish_wide(struct accounts *accounts, uint32_t slot, const struct sums *sums,
                         uint64_t words[SUMS])
{
    const struct account_line *line = account_line(accounts, slot);
    struct wide_sums *wide = account_wide(accounts, line->wide - 1);

    MP_ASSERT(line->wide != 0);
    for (int i = 0; i < SUMS; i++) {
        atomic_store_explicit(&wide->published[2 * i], u128_low(sums->of[i]), memory_order_relaxed);
        atomic_store_explicit(&wide->published[2 * i + 1], u128_high(sums->of[i]),
                              memory_order_relaxed);
    }
    words[0] = PUBLISHED_WIDE | (line->wide - 1);
}

void account_publish(struct accounts *accounts, uint32_t slot, const struct sums *sums,
                     uint8_t flags, uint64_t last, uint64_t records_more)
{
    struct account_published *published = account_published(accounts, slot);
    mp_u128 all = sums->of[0] | sums->of[1] | sums->of[2] | sums->of[3];
    uint64_t words[SUMS], head = publish_begin(published);

    for (int i = 0; i < SUMS; i++) words[i] = (uint64_t)sums->of[i];
    if (UNLIKELY(all >> 63 != 0)) publish_wide(accounts, slot, sums, words);
    publish_end(published, head, words, flags, last, records_more);
}

static mp_id published_id(const struct account_published *published)
{
    return MP_U128(atomic_load_explicit(&published->words[7], memory_order_relaxed),
                   atomic_load_explicit(&published->words[6], memory_order_relaxed));
}

uint32_t accounts_find_shared(const struct accounts *accounts, mp_id id)
{
    uint64_t hash = id_hash(accounts->hash_secret, id);

    for (unsigned tries = 0;; tries++) {
        uint64_t version = atomic_load_explicit(&accounts->table.version, memory_order_acquire);
        struct slot_probe probe;
        uint32_t slot = slot_table_first_shared(
            &accounts->table, slot_table_home(&accounts->table, hash), hash, &probe);

        while (slot != SLOT_NONE) {
            if (slot < atomic_load_explicit(&accounts->published_count, memory_order_acquire) &&
                published_id(account_published(accounts, slot)) == id) {
                return slot;
            }
            slot = slot_table_next_shared(&accounts->table, &probe);
        }
        atomic_thread_fence(memory_order_acquire);
        if ((version & 1) == 0 &&
            atomic_load_explicit(&accounts->table.version, memory_order_relaxed) == version) {
            return SLOT_NONE;
        }
        if (tries >= SPINS) sched_yield();
    }
}

bool account_read(const struct accounts *accounts, uint32_t slot, struct account_view *out)
{
    const struct account_published *published = account_published(accounts, slot);
    uint64_t words[8], sums[2 * SUMS];

    for (unsigned tries = 0;; tries++) {
        uint64_t head = atomic_load_explicit(&published->words[0], memory_order_acquire);

        if (UNLIKELY(tries >= SPINS)) sched_yield();
        if ((head & 1) != 0) continue; /* being written: nanoseconds */
        words[0] = head;
        for (int i = 1; i < 8; i++)
            words[i] = atomic_load_explicit(&published->words[i], memory_order_relaxed);
        for (int i = 0; i < SUMS; i++) {
            sums[2 * i] = words[2 + i];
            sums[2 * i + 1] = 0;
        }
        if (UNLIKELY((words[2] & PUBLISHED_WIDE) != 0)) {
            const struct wide_sums *wide = account_wide(accounts, (uint32_t)words[2]);

            for (int i = 0; i < 2 * SUMS; i++) {
                sums[i] = atomic_load_explicit(&wide->published[i], memory_order_relaxed);
            }
        }
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&published->words[0], memory_order_relaxed) == head) break;
    }
    out->id = MP_U128(words[7], words[6]);
    out->balance.debits_pending = MP_U128(sums[1], sums[0]);
    out->balance.debits_posted = MP_U128(sums[3], sums[2]);
    out->balance.credits_pending = MP_U128(sums[5], sums[4]);
    out->balance.credits_posted = MP_U128(sums[7], sums[6]);
    out->last = words[1] & POSITION_MAX;
    out->records = (words[0] >> 40) << 16 | words[1] >> 48;
    out->flags = (uint8_t)(words[0] >> 32);
    return out->id != 0;
}

void account_fill(const struct accounts *accounts, uint32_t slot, const struct account_view *view,
                  mp_account *out)
{
    const struct account_cold *cold = account_cold(accounts, slot);
    const struct account_rest *rest = account_rest(accounts, slot);

    memset(out, 0, sizeof *out);
    out->id = view->id;
    out->debits_pending = view->balance.debits_pending;
    out->debits_posted = view->balance.debits_posted;
    out->credits_pending = view->balance.credits_pending;
    out->credits_posted = view->balance.credits_posted;
    out->user_data_128 = MP_U128(cold->user_data_128[1], cold->user_data_128[0]);
    out->user_data_64 = cold->user_data_64;
    out->user_data_32 = rest->user_data_32;
    out->ledger = account_line(accounts, slot)->ledger;
    out->code = rest->code;
    out->flags = view->flags;
    out->timestamp = rest->timestamp;
}
