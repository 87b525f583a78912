/* What slot_table.c and ids.c share: tables of buckets, one cache line each, that grow in place.
 *
 * Buckets are ordered by hash: an entry's home is bucket hash * buckets / 2^64. It stands there or,
 * when that bucket is full, in the first one behind it that isn't: so no bucket between an entry
 * and its home has room. Behind the last bucket a few spare ones take what runs over.
 *
 * Growth adds buckets at the end, then carries the entries over from the last one downwards. The
 * frontier is the old bucket at which the two layouts meet: entries whose home in the old layout
 * lies before it have that home, all others their home in the new layout, which never lies before
 * the old one. Since homes rise with the hash all the same, the table is at every moment an
 * ordinary one with linear probing: insertions and removals need to know nothing else, and it does
 * no harm when a run of old entries grows past the frontier.
 *
 * A stretch is carried over at a time: some buckets that end with the frontier or, when the last of
 * them is full, with the first one behind it that isn't, and that begin behind a bucket that isn't
 * full. So nothing in it has its home before it, nothing behind it has its home in it, and all that
 * is in it gets its home in the new layout. */
#ifndef LEDGER_BUCKETS_H
#define LEDGER_BUCKETS_H

#include "memory.h"

enum {
    BUCKET_BYTES = 64,
    /* Behind the last bucket. At the loads used here the chance that entries run over so far is
       below 10^-20. */
    BUCKETS_SPARE = 64,
    /* A stretch, at least, and what is copied at once of a longer one; what must be copied at once
     * when the new homes overlap the old ones, which happens among the lowest buckets only (chance
     * of more below 10^-20). */
    STRETCH = 16,
    STRETCH_MAX = 256,
    /* Entries carried over for each insertion to come, and at least. */
    CARRY_PACE = 16,
    CARRY_LEAST = 64,
};

static inline uint64_t bucket_of(uint64_t hash, uint64_t buckets)
{
    return u128_high((mp_u128)hash * buckets);
}

/* Home of a hash; `old` and `frontier` are 0 when the table isn't growing. */
static inline uint64_t bucket_home(uint64_t hash, uint64_t buckets, uint64_t old, uint64_t frontier)
{
    uint64_t before = bucket_of(hash, old), behind = bucket_of(hash, buckets);

    return before < frontier ? before : behind;
}

/* The least new home of what has its old home in bucket `first` or behind. */
static inline uint64_t bucket_new(uint64_t first, uint64_t buckets, uint64_t old)
{
    return (uint64_t)((mp_u128)first * buckets / old);
}

/* Makes room for more buckets, which are zero: for 1/`part` more and at least `wanted` or, when
 * memory is short, for half or a quarter of that part and at least `least`. MP_LIMIT as
 * arena_extend. */
MP_MUST_USE mp_status buckets_extend(struct arena *arena, uint64_t buckets, uint64_t part,
                                     uint64_t wanted, uint64_t least, uint64_t *grown);

#endif
