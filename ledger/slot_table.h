/* Hash table from a 64-bit keyed hash to a 32-bit slot, 8 bytes an entry, at most 12 with growth:
 * accounts and open reservations.
 *
 * Entries keep 32 bits of the hash; whoever probes compares the full id in the slot. Buckets of 8
 * entries (one cache line) are ordered by hash, so the table grows in place, a few buckets at a
 * time. One writer. Readers on other threads may probe meanwhile by the _shared functions: a hit is
 * checked by the caller against the object, a miss counts only if `version` was even and did not
 * change. */
#ifndef LEDGER_SLOT_TABLE_H
#define LEDGER_SLOT_TABLE_H

#include "buckets.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define SLOT_NONE UINT32_MAX

enum { SLOT_BUCKET = 8 };

struct slot_table {
    /* of u64 entries: slot + 1 in the low half (0 = empty), hash tag in the high half */
    struct arena arena;
    uint64_t count;
    /* the layout of what lies behind the frontier or, when not growing, of all */
    _Atomic uint64_t buckets;
    /* while growing: the layout of what lies before the frontier; else 0 */
    _Atomic uint64_t buckets_old;
    /* while growing: old bucket up to which the old layout holds; else 0 */
    _Atomic uint64_t frontier;
    _Atomic uint64_t version; /* odd while entries move */
};

/* Where a probe stands; valid until the table changes. */
struct slot_probe {
    uint64_t bucket;
    uint32_t tag;
    uint32_t left; /* a bit for each entry of the bucket still to be looked at */
};

MP_MUST_USE mp_status slot_table_open(struct slot_table *table, struct memory *memory,
                                      uint64_t entries_max, const char *name);
void slot_table_close(struct slot_table *table);
/* Starts or continues growth so that `more` insertions find room, during which nothing moves; call
 * between batches. Moves about 16 * more + 64 entries while the table grows. MP_LIMIT as
 * arena_extend: nothing changed then. */
MP_MUST_USE mp_status slot_table_prepare(struct slot_table *table, uint64_t more);
static inline void slot_table_prefetch(const struct slot_table *table, uint64_t hash);
/* First candidate slot for a hash, then slot_table_next() while it isn't the right one; SLOT_NONE
 * at the end. */
static inline uint32_t slot_table_first(const struct slot_table *table, uint64_t hash,
                                        struct slot_probe *probe);
static inline uint32_t slot_table_next(const struct slot_table *table, struct slot_probe *probe);
/* The same for readers on other threads (relaxed atomic loads). `home` as slot_table_home() has it;
 * when that has changed meanwhile, what is there may be missed. */
static inline uint32_t slot_table_first_shared(const struct slot_table *table, uint64_t home,
                                               uint64_t hash, struct slot_probe *probe);
uint32_t slot_table_next_shared(const struct slot_table *table, struct slot_probe *probe);
/* Adds an entry for which room was prepared; slot < SLOT_NONE. What the writer did before is seen
 * by those who find it. */
void slot_table_insert(struct slot_table *table, uint64_t hash, uint32_t slot);
/* Removes the entry (hash, slot), which must be there; probing stays right (entries behind it move
 * up). */
void slot_table_remove(struct slot_table *table, uint64_t hash, uint32_t slot);

/* --- the hot path, inline; the writer's --- */

static inline uint64_t slot_table_home(const struct slot_table *table, uint64_t hash)
{
    return bucket_home(hash >> 32 << 32,
                       atomic_load_explicit(&table->buckets, memory_order_relaxed),
                       atomic_load_explicit(&table->buckets_old, memory_order_relaxed),
                       atomic_load_explicit(&table->frontier, memory_order_relaxed));
}
static inline uint64_t *slot_table_bucket(const struct slot_table *table, uint64_t bucket)
{
    return (uint64_t *)table->arena.base + bucket * SLOT_BUCKET;
}

/* A bit for each entry with this tag. Empty entries look like tag 0: they are the last ones of
 * their bucket. */
static inline uint32_t slot_table_match(const uint64_t *bucket, uint32_t tag)
{
#ifdef __SSE2__
    const __m128 *pairs = (const __m128 *)(const void *)
        bucket; /* what is read plainly here, only this thread writes */
    __m128i same = _mm_set1_epi32((int)tag);
    __m128i low = _mm_castps_si128(_mm_shuffle_ps(pairs[0], pairs[1], _MM_SHUFFLE(3, 1, 3, 1)));
    __m128i high = _mm_castps_si128(_mm_shuffle_ps(pairs[2], pairs[3], _MM_SHUFFLE(3, 1, 3, 1)));

    return (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(low, same))) |
           (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(high, same))) << 4;
#else
    uint32_t mask = 0;

    for (uint32_t i = 0; i < SLOT_BUCKET; i++) mask |= (uint32_t)(bucket[i] >> 32 == tag) << i;
    return mask;
#endif
}

/* Always inline: GCC takes a function that only prefetches for one that does nothing. */
__attribute__((always_inline)) static inline void slot_table_prefetch(
    const struct slot_table *table, uint64_t hash)
{
    PREFETCH(slot_table_bucket(table, slot_table_home(table, hash)));
}

/* As slot_table_match, amid changes: what it tells is looked at once more. No branch depends on
 * where in its bucket an entry stands. */
static inline uint32_t slot_table_match_shared(const uint64_t *bucket, uint32_t tag)
{
    uint32_t mask = 0;

    for (uint32_t i = 0; i < SLOT_BUCKET; i++)
        mask |= (uint32_t)(__atomic_load_n(bucket + i, __ATOMIC_RELAXED) >> 32 == tag) << i;
    return mask;
}

static inline uint32_t slot_table_first_shared(const struct slot_table *table, uint64_t home,
                                               uint64_t hash, struct slot_probe *probe)
{
    uint32_t tag = (uint32_t)(hash >> 32);

    *probe = (struct slot_probe){
        .bucket = home,
        .tag = tag,
        .left = slot_table_match_shared(slot_table_bucket(table, home), tag),
    };
    return slot_table_next_shared(table, probe);
}

static inline uint32_t slot_table_next(const struct slot_table *table, struct slot_probe *probe)
{
    const uint64_t *bucket = slot_table_bucket(table, probe->bucket);

    while (UNLIKELY(probe->left == 0)) {
        if (bucket[SLOT_BUCKET - 1] == 0) return SLOT_NONE;
        probe->bucket++;
        bucket += SLOT_BUCKET;
        probe->left = slot_table_match(bucket, probe->tag);
    }
    bucket += __builtin_ctz(probe->left);
    probe->left &= probe->left - 1;
    return (uint32_t)*bucket -
           1; /* SLOT_NONE if empty: then no full bucket, so the search is over */
}

static inline uint32_t slot_table_first(const struct slot_table *table, uint64_t hash,
                                        struct slot_probe *probe)
{
    uint64_t home = slot_table_home(table, hash);
    uint32_t tag = (uint32_t)(hash >> 32);

    *probe = (struct slot_probe){
        .bucket = home, .tag = tag, .left = slot_table_match(slot_table_bucket(table, home), tag)};
    return slot_table_next(table, probe);
}

#endif
