/* Balances now: by the published lines alone. */
#include "walk.h"

#include <sched.h>

enum {
    TOGETHER = 32, /* accounts whose memory accesses overlap */
    TRIES = 3,     /* of reading many at one point of the history before another way is taken */
    SPINS = 256,   /* before a wait lets others run ... */
    YIELDS = 64,   /* ... and before it sleeps */
};
#define NAP_NS 50000ull

mp_status mp_read_balance(mp_ledger *ledger, mp_id account, mp_balance *out)
{
    struct account_view view;
    mp_status status = check_process(ledger);
    uint32_t slot;

    if (status != MP_OK) return status;
    status = find_account(ledger, account, &slot, &view);
    if (status == MP_OK) *out = view.balance;
    return status;
}

/* --- many, each by itself --- */

/* The usual case without a detour: the line is this account's, isn't being written, and no sum is
 * wide. */
static inline bool read_usual(const struct accounts *accounts, uint32_t slot, mp_id id,
                              mp_balance *out)
{
    const struct account_published *published = account_published(accounts, slot);
    uint64_t head = atomic_load_explicit(&published->words[0], memory_order_acquire);
    uint64_t words[8];

    for (int i = 2; i < 8; i++)
        words[i] = atomic_load_explicit(&published->words[i], memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    if (UNLIKELY(atomic_load_explicit(&published->words[0], memory_order_relaxed) != head))
        return false;
    if (UNLIKELY((head & 1) != 0 || (words[2] & PUBLISHED_WIDE) != 0)) return false;
    if (UNLIKELY(words[6] != u128_low(id) || words[7] != u128_high(id))) return false;
    *out = (mp_balance){words[2], words[3], words[4], words[5]};
    return true;
}

/* Any case; the rare id that shares a tag with another one among them. */
static bool read_unusual(const struct accounts *accounts, mp_id id, mp_balance *out)
{
    uint32_t slot = accounts_find_shared(accounts, id);
    struct account_view view = {0};
    bool found = slot != SLOT_NONE && account_read(accounts, slot, &view);

    *out = view.balance;
    return found;
}

/* In three passes, each of which finds in the cache what the one before has asked for. */
static void read_together(const struct accounts *accounts, const mp_id *ids, uint32_t count,
                          mp_balance *out, bool *found)
{
    uint32_t published = atomic_load_explicit(&accounts->published_count, memory_order_acquire);
    uint64_t hashes[TOGETHER], homes[TOGETHER];
    uint32_t slots[TOGETHER];

    for (uint32_t i = 0; i < count; i++) {
        hashes[i] = id_hash(accounts->hash_secret, ids[i]);
        homes[i] = slot_table_home(&accounts->table, hashes[i]);
        PREFETCH(slot_table_bucket(&accounts->table, homes[i]));
    }
    for (uint32_t i = 0; i < count; i++) {
        struct slot_probe probe;

        slots[i] = slot_table_first_shared(&accounts->table, homes[i], hashes[i], &probe);
        if (slots[i] >= published)
            slots[i] = SLOT_NONE;
        else
            PREFETCH(account_published(accounts, slots[i]));
    }
    for (uint32_t i = 0; i < count; i++) {
        bool there = slots[i] != SLOT_NONE && read_usual(accounts, slots[i], ids[i], &out[i]);

        if (UNLIKELY(!there)) there = read_unusual(accounts, ids[i], &out[i]);
        if (found != NULL) found[i] = there;
    }
}

mp_status mp_read_balances(mp_ledger *ledger, const mp_id *accounts, uint32_t count,
                           mp_balance *out, bool *found)
{
    mp_status status = check_process(ledger);

    if (status != MP_OK) return status;
    for (uint32_t done = 0; done < count; done += TOGETHER) {
        uint32_t some = count - done < TOGETHER ? count - done : TOGETHER;

        read_together(&ledger->accounts, accounts + done, some, out + done,
                      found == NULL ? NULL : found + done);
    }
    return MP_OK;
}

/* --- many at one point of the history --- */

/* Between two looks at something that another thread is about to change. */
static void wait_a_little(const mp_ledger *ledger, unsigned turn)
{
    static const uint32_t never;

    if (turn < SPINS) {
        __asm__ volatile("" ::: "memory");
    } else if (turn < SPINS + YIELDS) {
        sched_yield();
    } else {
        ledger->env->wait(ledger->env->context, &never, 0, NAP_NS);
    }
}

/* Reads all; true when no block was published meanwhile. *newest is the newest record seen. */
static bool read_quietly(const mp_ledger *ledger, const uint32_t *slots, uint32_t count,
                         mp_balance *out, uint64_t *newest)
{
    const struct accounts *accounts = &ledger->accounts;
    uint64_t before = atomic_load_explicit(&accounts->publications, memory_order_acquire);
    struct account_view view;

    for (unsigned turn = 0; (before & 1) != 0; turn++) {
        wait_a_little(ledger, turn);
        before = atomic_load_explicit(&accounts->publications, memory_order_acquire);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (i + TOGETHER < count) PREFETCH(account_published(accounts, slots[i + TOGETHER]));
        account_read(accounts, slots[i], &view);
        *newest = max_u64(*newest, view.last);
        out[i] = view.balance;
    }
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&accounts->publications, memory_order_relaxed) == before;
}

/* The account's sums after its newest record before `mark`, the end of a block. */
static mp_status read_before(struct walker *walker, uint32_t slot, uint64_t mark, mp_balance *out)
{
    struct chain_record record;
    struct account_view view;
    struct sums sums = {0};
    mp_status status;

    account_read(&walker->ledger->accounts, slot, &view);
    *out = view.balance;
    if (view.last < mark) return MP_OK;
    status = walk(walker, slot, view.last, view.records, WALK_BY_POSITION, mark - 1, &record);
    if (status != MP_OK) return status;
    if (record.number != 0) sums = chain_sums(&record);
    *out = balance_of(&sums);
    return MP_OK;
}

/* For sets that take longer to read than blocks leave time for: all as they stood at one durable
 * mark, at or behind all that was seen before. What has moved on since is found in the log, most
 * likely in its tail. */
static mp_status read_at_mark(mp_ledger *ledger, const uint32_t *slots, uint32_t count,
                              uint64_t newest, mp_balance *out)
{
    struct walker walker;
    uint64_t mark = ledger_mark(ledger);
    mp_status status = MP_OK;

    for (unsigned turn = 0; mark <= newest; turn++) { /* published, about to be the mark */
        wait_a_little(ledger, turn);
        mark = ledger_mark(ledger);
    }
    walker_open(&walker, ledger);
    for (uint32_t i = 0; i < count && status == MP_OK; i++)
        status = read_before(&walker, slots[i], mark, &out[i]);
    return status;
}

mp_status mp_read_many(mp_ledger *ledger, const mp_id *accounts, uint32_t count, mp_balance *out)
{
    uint32_t slots[MP_BATCH_MAX];
    uint64_t newest = 0;
    mp_status status = check_process(ledger);

    if (status != MP_OK) return status;
    if (count > MP_BATCH_MAX)
        return fail(MP_BATCH_TOO_LARGE, "%u accounts asked for, %d at most", count, MP_BATCH_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct account_view view;

        status = find_account(ledger, accounts[i], &slots[i], &view);
        if (status != MP_OK) return status;
    }
    for (int i = 0; i < TRIES; i++) {
        if (read_quietly(ledger, slots, count, out, &newest)) return MP_OK;
    }
    return read_at_mark(ledger, slots, count, newest, out);
}

/* --- accounts --- */

mp_status mp_lookup_accounts(mp_ledger *ledger, const mp_id *ids, uint32_t count, mp_account *out,
                             uint32_t *found)
{
    mp_status status = check_process(ledger);

    if (status != MP_OK) return status;
    *found = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = accounts_find_shared(&ledger->accounts, ids[i]);
        struct account_view view;

        if (slot == SLOT_NONE || !account_read(&ledger->accounts, slot, &view)) continue;
        account_fill(&ledger->accounts, slot, &view, &out[(*found)++]);
    }
    return MP_OK;
}
