/* The id index, first form: where in the log the record of an id stands. One table in RAM, six
 * entries a cache line, at most 20 bytes an entry with growth. Kept by the writer alone.
 *
 * An entry is (42 bits of the keyed hash, tag, log position / 32). Several ids may share a hash: a
 * hit is a candidate that the caller confirms by reading the record. Of the hash only 38 bits are
 * stored: the highest 4 are told by where in the table the entry stands. */
#ifndef LEDGER_IDS_H
#define LEDGER_IDS_H

#include "buckets.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum id_tag {
    ID_OBJECT = 0,   /* the record that bears the id: transfer, account update, bound id */
    ID_CLOSED = 1,   /* the record that closed the reservation with this id (post, void, expiry) */
    ID_REVERSED = 2, /* the newest reversal of the transfer with this id */
};

enum { IDS_BUCKET = 6 };

struct ids_bucket {
    uint32_t low[IDS_BUCKET];      /* bits 22 to 53 of the hash */
    uint32_t position[IDS_BUCKET]; /* bits 0 to 31 of position / 32 */
    /* bits 32 to 42 of position / 32 | tag << 11 | bits 54 to 56 of the hash << 13 */
    uint16_t middle[IDS_BUCKET];
    /* Entries in use, the first ones (3 bits) | a filter of the entries that have their home here
     * but stand further on (11 bits) | bits 57 to 59 of the hash of each entry (6 x 3 bits). */
    uint32_t meta;
};
_Static_assert(sizeof(struct ids_bucket) == BUCKET_BYTES, "");

struct ids {
    struct arena arena;
    uint64_t count;
    uint64_t buckets; /* the layout of what lies behind the frontier or, when not growing, of all */
    uint64_t buckets_old; /* while growing: the layout of what lies before the frontier; else 0 */
    uint64_t frontier;    /* while growing: old bucket up to which the old layout holds; else 0 */
};

/* Where a probe stands; valid until the index changes. */
struct ids_probe {
    uint64_t hash;   /* the tag's own: ids_hash() */
    uint64_t bucket; /* of the candidate found last */
    uint32_t entry;  /* of it */
    enum id_tag tag;
};

MP_MUST_USE mp_status ids_open(struct ids *ids, struct memory *memory);
void ids_close(struct ids *ids);
/* Makes room for `more` insertions, during which nothing moves; call between batches. Amortised:
 * while the table grows it moves about 16 * more + 64 entries. MP_LIMIT when memory_max is reached:
 * nothing changed then. */
MP_MUST_USE mp_status ids_prepare(struct ids *ids, uint64_t more);
/* Brings in the line where ids_first(.., ID_OBJECT, ..) begins; the second, with a tag. */
static inline void ids_prefetch(const struct ids *ids, uint64_t hash);
static inline void ids_prefetch_tag(const struct ids *ids, uint64_t hash, enum id_tag tag);
/* Log position of the first candidate, 0 = none; then ids_next() for further ones. */
static inline uint64_t ids_first(const struct ids *ids, uint64_t hash, enum id_tag tag,
                                 struct ids_probe *probe);
static inline uint64_t ids_next(const struct ids *ids, struct ids_probe *probe);
/* Adds an entry; `position` is a multiple of 32 below 2^48, not 0. Room was made by ids_prepare. */
void ids_insert(struct ids *ids, uint64_t hash, enum id_tag tag, uint64_t position);
/* Gives the candidate that a probe found last another position; returns the old one (for undo). */
uint64_t ids_replace(struct ids *ids, const struct ids_probe *probe, uint64_t position);
/* Undo of the newest ids_insert with these very values (last in, first out); of ids_replace:
 * ids_put_back. */
void ids_remove_last(struct ids *ids, uint64_t hash, enum id_tag tag, uint64_t position);
/* Gives the entry (hash, tag, from) the position `to`; it must be there. */
void ids_put_back(struct ids *ids, uint64_t hash, enum id_tag tag, uint64_t from, uint64_t to);
uint64_t ids_bytes(const struct ids *ids); /* RAM in use by the table */

/* --- the hot path, inline --- */

#define IDS_HASH (~0ull << 22) /* the bits of the hash that count */
enum { IDS_COUNT = 7, IDS_FILTER_SHIFT = 3, IDS_FILTER = 11, IDS_HIGH_SHIFT = 14 }; /* in `meta` */

static inline struct ids_bucket *ids_bucket(const struct ids *ids, uint64_t bucket)
{
    return (struct ids_bucket *)ids->arena.base + bucket;
}
static inline uint64_t ids_home(const struct ids *ids, uint64_t hash)
{
    return bucket_home(hash & IDS_HASH, ids->buckets, ids->buckets_old, ids->frontier);
}
static inline uint32_t ids_low(uint64_t hash) { return (uint32_t)(hash >> 22); }

/* Entries of one id lie apart, each under a hash of its own, since those that come in twos make
 * longer runs. */
static inline uint64_t ids_hash(uint64_t hash, enum id_tag tag)
{
    static const uint64_t odd[] = {1, 0x9e3779b97f4a7c15, 0xd1342543de82ef95};

    return hash * odd[tag];
}

/* The bit of an entry in its home's filter: from low bits, since entries with one home share the
 * high ones. */
static inline uint32_t ids_filter(uint32_t low)
{
    return 1u << (IDS_FILTER_SHIFT + ((low & 0xffff) * IDS_FILTER >> 16));
}

/* A bit for each entry whose `low` is this. */
static inline uint32_t ids_match(const struct ids_bucket *bucket, uint32_t low)
{
    uint32_t mask;

#ifdef __SSE2__
    __m128i same = _mm_set1_epi32((int)low);
    __m128i four = _mm_loadu_si128((const __m128i *)(const void *)bucket->low);
    __m128i two = _mm_loadl_epi64((const __m128i *)(const void *)(bucket->low + 4));

    mask = (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(four, same))) |
           (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(two, same))) << 4;
#else
    mask = 0;
    for (uint32_t i = 0; i < IDS_BUCKET; i++) mask |= (uint32_t)(bucket->low[i] == low) << i;
#endif
    return mask & ~(~0u << (bucket->meta & IDS_COUNT));
}

/* The first candidate from entry `entry` of the probe's bucket on. */
uint64_t ids_seek(const struct ids *ids, struct ids_probe *probe, uint32_t entry);

/* Always inline: GCC takes a function that only prefetches for one that does nothing. */
__attribute__((always_inline)) static inline void ids_prefetch_tag(const struct ids *ids,
                                                                   uint64_t hash, enum id_tag tag)
{
    PREFETCH_WRITE(ids_bucket(ids, ids_home(ids, ids_hash(hash, tag))));
}

__attribute__((always_inline)) static inline void ids_prefetch(const struct ids *ids, uint64_t hash)
{
    ids_prefetch_tag(ids, hash, ID_OBJECT);
}

static inline uint64_t ids_first(const struct ids *ids, uint64_t hash, enum id_tag tag,
                                 struct ids_probe *probe)
{
    uint64_t own = ids_hash(hash, tag), home = ids_home(ids, own);
    const struct ids_bucket *bucket = ids_bucket(ids, home);
    uint32_t low = ids_low(own);

    PREFETCH_WRITE(bucket +
                   ((bucket->meta & IDS_COUNT) == IDS_BUCKET)); /* where an insertion would go */
    /* Most ids are new, and the filter spares them the look at further buckets. */
    if (LIKELY((ids_match(bucket, low) | (bucket->meta & ids_filter(low))) == 0)) return 0;
    *probe = (struct ids_probe){.hash = own, .bucket = home, .tag = tag};
    return ids_seek(ids, probe, 0);
}

static inline uint64_t ids_next(const struct ids *ids, struct ids_probe *probe)
{
    return ids_seek(ids, probe, probe->entry + 1);
}

#endif
