/* From a hash to a slot. How the table grows is told in buckets.h. */
#include "slot_table.h"

enum {
    /* Percent of the entries that the buckets hold: from the first on the table grows (with a
     * quarter more buckets: 11.8 bytes an entry); more than the second is never let in. */
    LOAD_GROW = 85,
    LOAD_MAX = 92,
    FIRST_BUCKETS = 32,
    /* Entries with the same home, of which there are 8 on average or fewer; the chance of more is
       below 10^-20. */
    HOME_MAX = 128,
    AHEAD = 64, /* buckets prefetched ahead of those that move */
};

static uint64_t get(const _Atomic uint64_t *field)
{
    return atomic_load_explicit(field, memory_order_relaxed);
}

static void set(_Atomic uint64_t *field, uint64_t value)
{
    atomic_store_explicit(field, value, memory_order_relaxed);
}

/* Readers load entries at any time: every store of one is atomic. The writer's own loads needn't
 * be. */
static void put_at(uint64_t *entry, uint64_t value)
{
    __atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

/* Between these two entries move, and a reader's miss means nothing. */
static void moving_begin(struct slot_table *table)
{
    set(&table->version, get(&table->version) + 1);
    atomic_thread_fence(memory_order_release);
}

static void moving_end(struct slot_table *table)
{
    atomic_store_explicit(&table->version, get(&table->version) + 1, memory_order_release);
}

static uint64_t load_of(uint64_t buckets, uint64_t percent)
{
    return buckets * SLOT_BUCKET * percent / 100;
}

static uint64_t buckets_for(uint64_t entries, uint64_t percent)
{
    return entries * 100 / (SLOT_BUCKET * percent) + 1;
}

mp_status slot_table_open(struct slot_table *table, struct memory *memory, uint64_t entries_max,
                          const char *name)
{
    uint64_t bytes =
        min_u64(entries_max, SLOT_NONE) * 16 + MIB(4); /* the last growth goes beyond entries_max */
    uint64_t buckets = 0;
    mp_status status;

    *table = (struct slot_table){0};
    status = arena_reserve(&table->arena, memory, bytes, name);
    if (status == MP_OK)
        status = buckets_extend(&table->arena, 0, 1, FIRST_BUCKETS, FIRST_BUCKETS, &buckets);
    if (status != MP_OK) slot_table_close(table);
    set(&table->buckets, buckets);
    return status;
}

void slot_table_close(struct slot_table *table)
{
    arena_free(&table->arena);
    *table = (struct slot_table){0};
}

/* --- entries --- */

static uint64_t hash_of(uint64_t entry) { return entry >> 32 << 32; }

static bool is_full(const uint64_t *bucket) { return bucket[SLOT_BUCKET - 1] != 0; }

/* Entries in use: the first ones. */
static uint32_t count_of(const uint64_t *bucket)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < SLOT_BUCKET; i++) count += bucket[i] != 0;
    return count;
}

/* Adds an entry to its home or behind it. */
static void put(struct slot_table *table, uint64_t home, uint64_t entry)
{
    uint64_t *bucket = slot_table_bucket(table, home);

    while (is_full(bucket)) {
        bucket += SLOT_BUCKET;
        /* The last bucket is never full: it ends all probes. */
        MP_ASSERT(bucket < slot_table_bucket(table, get(&table->buckets) + BUCKETS_SPARE - 1));
    }
    put_at(bucket + count_of(bucket), entry);
}

/* Takes an entry out; the first one behind it that may stand in its place moves up, and so on. */
static void take_out(struct slot_table *table, uint64_t hole, uint32_t i)
{
    for (;;) {
        uint64_t *bucket = slot_table_bucket(table, hole), *next;
        uint32_t last = count_of(bucket) - 1, found = SLOT_BUCKET;
        uint64_t from = hole;
        bool full = last == SLOT_BUCKET - 1;

        MP_ASSERT(i <= last && last < SLOT_BUCKET);
        put_at(bucket + i, bucket[last]);
        put_at(bucket + last, 0);
        while (full && found == SLOT_BUCKET) {
            uint32_t count;

            next = slot_table_bucket(table, ++from);
            count = count_of(next);
            for (uint32_t at = 0; at < count; at++) {
                if (slot_table_home(table, hash_of(next[at])) <= hole) found = at;
            }
            full = count == SLOT_BUCKET;
        }
        if (found == SLOT_BUCKET) return;
        put_at(bucket + last, slot_table_bucket(table, from)[found]);
        hole = from;
        i = found;
    }
}

void slot_table_insert(struct slot_table *table, uint64_t hash, uint32_t slot)
{
    MP_ASSERT(slot < SLOT_NONE);
    put(table, slot_table_home(table, hash), hash_of(hash) | (slot + 1));
    table->count++;
}

void slot_table_remove(struct slot_table *table, uint64_t hash, uint32_t slot)
{
    uint64_t bucket = slot_table_home(table, hash), entry = hash_of(hash) | (slot + 1);
    uint32_t i = 0;

    while (slot_table_bucket(table, bucket)[i] != entry) {
        if (++i < SLOT_BUCKET) continue;
        MP_ASSERT(is_full(slot_table_bucket(table, bucket)));
        bucket++;
        i = 0;
    }
    moving_begin(table);
    take_out(table, bucket, i);
    moving_end(table);
    table->count--;
}

/* --- readers --- */

uint32_t slot_table_next_shared(const struct slot_table *table, struct slot_probe *probe)
{
    for (;;) {
        const uint64_t *bucket = slot_table_bucket(table, probe->bucket);

        while (probe->left != 0) {
            uint64_t entry = __atomic_load_n(bucket + __builtin_ctz(probe->left), __ATOMIC_ACQUIRE);

            probe->left &= probe->left - 1;
            if (entry == 0) return SLOT_NONE;
            if (entry >> 32 == probe->tag) return (uint32_t)entry - 1;
        }
        if (__atomic_load_n(bucket + SLOT_BUCKET - 1, __ATOMIC_RELAXED) == 0) return SLOT_NONE;
        probe->bucket++;
        probe->left = slot_table_match_shared(bucket + SLOT_BUCKET, probe->tag);
    }
}

/* --- growth --- */

/* Copies out all entries of the buckets [from, to) and leaves the buckets empty. */
static uint32_t take(struct slot_table *table, uint64_t from, uint64_t to, uint64_t entries[])
{
    uint32_t count = 0;

    for (uint64_t at = from; at < to; at++) {
        uint64_t *bucket = slot_table_bucket(table, at);

        PREFETCH_WRITE(slot_table_bucket(table, at - min_u64(at, AHEAD)));
        for (uint32_t i = 0; i < SLOT_BUCKET; i++) {
            entries[count] = bucket[i];
            count += bucket[i] != 0;
            put_at(bucket + i, 0);
        }
    }
    return count;
}

/* Carries over the entries whose home is the one bucket before the frontier; right in every case,
 * and slow. */
static uint64_t carry_bucket(struct slot_table *table)
{
    uint64_t home = get(&table->frontier) - 1;
    uint64_t entries[HOME_MAX];
    uint32_t count = 0;

    for (uint64_t bucket = home;; bucket++) {
        uint64_t *here = slot_table_bucket(table, bucket);

        for (uint32_t i = 0; i < SLOT_BUCKET && here[i] != 0;) {
            if (slot_table_home(table, hash_of(here[i])) == home) {
                MP_ASSERT(count < HOME_MAX);
                entries[count++] = here[i];
                take_out(table, bucket, i);
            } else {
                i++;
            }
        }
        if (!is_full(here)) break;
    }
    set(&table->frontier, home);
    for (uint32_t i = 0; i < count; i++)
        put(table, slot_table_home(table, hash_of(entries[i])), entries[i]);
    return count + 1;
}

/* Carries the stretch before the frontier over; returns about how many entries. */
static uint64_t carry_stretch(struct slot_table *table)
{
    uint64_t entries[(STRETCH_MAX + 1) * SLOT_BUCKET];
    uint64_t buckets = get(&table->buckets), end = get(&table->frontier), step = STRETCH, moved = 0;
    uint64_t first = end - min_u64(end, STRETCH), new_first;

    while (first > 0 && is_full(slot_table_bucket(table, first - 1))) first--;
    while (is_full(slot_table_bucket(table, end - 1))) end++;
    new_first = bucket_new(first, buckets, get(&table->buckets_old));
    if (new_first < end) {
        step = end - first;
        if (step > STRETCH_MAX) return carry_bucket(table);
    }
    for (uint64_t to = end, from; to > first; to = from) {
        uint32_t count;

        from = to - min_u64(to - first, step);
        count = take(table, from, to, entries);
        for (uint32_t i = 0; i < count; i++) {
            uint64_t home = bucket_of(hash_of(entries[i]), buckets);

            MP_ASSERT(home >= new_first);
            PREFETCH_WRITE(slot_table_bucket(table, home - min_u64(home, AHEAD)));
            put(table, home, entries[i]);
        }
        moved += count;
    }
    set(&table->frontier, first);
    return moved + 1;
}

/* Carries over about so many entries. */
static void carry(struct slot_table *table, uint64_t budget)
{
    uint64_t moved = 0;

    while (get(&table->frontier) > 0 && moved < budget) {
        moving_begin(table);
        moved += carry_stretch(table);
        if (get(&table->frontier) == 0) set(&table->buckets_old, 0);
        moving_end(table);
    }
}

mp_status slot_table_prepare(struct slot_table *table, uint64_t more)
{
    uint64_t entries = table->count + more, grown = 0;

    for (;;) {
        bool fits;
        mp_status status;

        if (get(&table->buckets_old) != 0) {
            bool all = entries > load_of(get(&table->buckets_old), LOAD_MAX);

            carry(table, all ? UINT64_MAX : more * CARRY_PACE + CARRY_LEAST);
            if (get(&table->buckets_old) != 0) return MP_OK;
        }
        fits = entries <= load_of(get(&table->buckets), LOAD_MAX);
        if (fits && table->count < load_of(get(&table->buckets), LOAD_GROW)) return MP_OK;
        status =
            buckets_extend(&table->arena, get(&table->buckets), 4, buckets_for(entries, LOAD_GROW),
                           buckets_for(entries, LOAD_MAX), &grown);
        if (status != MP_OK) return fits ? MP_OK : status; /* fuller, but not too full */
        moving_begin(table);
        set(&table->buckets_old, get(&table->buckets));
        set(&table->frontier, get(&table->buckets));
        set(&table->buckets, grown);
        moving_end(table);
    }
}
