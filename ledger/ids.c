/* The id index, first form: a table in RAM. How it grows is told in buckets.h. */
#include "ids.h"

enum {
    /* Percent of the entries that the buckets hold: from the first on the table grows (with a
     * quarter more buckets: 19.9 bytes an entry); more than the second is never let in. */
    LOAD_GROW = 67,
    LOAD_MAX = 78,
    /* Entries carried over for each insertion to come: all are, before the load has risen from the
     * first to the second. */
    PACE = 7,
    /* Buckets that an entry stands at most behind its home. More has a chance below 10^-10 even if
     * the largest of tables is kept at LOAD_MAX, where memory_max would have it; at LOAD_GROW below
     * 10^-20. */
    AWAY_MAX = 255,
    /* The highest 4 bits of a hash can be told from where its entry stands: a change of one of them
     * moves its home by a 16th of the table, which is more than AWAY_MAX. */
    FIRST_BUCKETS = 16 * (AWAY_MAX + 1) + BUCKETS_SPARE,
    TOLD_SHIFT = 60,
    AHEAD = 64
};

static uint64_t load_of(uint64_t buckets, uint64_t percent)
{
    return buckets * IDS_BUCKET * percent / 100;
}

static uint64_t buckets_for(uint64_t entries, uint64_t percent)
{
    return entries * 100 / (IDS_BUCKET * percent) + 1;
}

mp_status ids_open(struct ids *ids, struct memory *memory)
{
    mp_status status;

    *ids = (struct ids){0};
    status = arena_reserve(&ids->arena, memory, memory->max, "the index of ids");
    if (status == MP_OK)
        status = buckets_extend(&ids->arena, 0, 1, FIRST_BUCKETS, FIRST_BUCKETS, &ids->buckets);
    if (status != MP_OK) ids_close(ids);
    return status;
}

void ids_close(struct ids *ids)
{
    arena_free(&ids->arena);
    *ids = (struct ids){0};
}

uint64_t ids_bytes(const struct ids *ids)
{
    return atomic_load_explicit(&ids->arena.committed, memory_order_relaxed);
}

/* --- entries --- */

/* All hashes here are the tags' own, as ids_hash() makes them. */

/* One that isn't in a bucket, its parts as they are there; `high` goes into `meta`. */
struct entry {
    uint32_t low;
    uint32_t position;
    uint16_t middle;
    uint32_t high;
};

static struct entry entry_of(uint64_t hash, enum id_tag tag, uint64_t position)
{
    MP_ASSERT(position != 0 && position % 32 == 0 && position >> 48 == 0);
    return (struct entry){
        .low = ids_low(hash),
        .position = (uint32_t)(position >> 5),
        .middle = (uint16_t)((hash >> 54 & 7) << 13 | (uint64_t)tag << 11 | position >> 37),
        .high = (uint32_t)(hash >> 57 & 7),
    };
}

static uint32_t count_of(const struct ids_bucket *bucket) { return bucket->meta & IDS_COUNT; }

static uint64_t position_at(const struct ids_bucket *bucket, uint32_t i)
{
    return (uint64_t)(bucket->middle[i] & 0x7ff) << 37 | (uint64_t)bucket->position[i] << 5;
}

/* What of `middle` and of `meta` must match; `low` does. */
static bool is(const struct ids_bucket *bucket, uint32_t i, uint64_t hash, uint32_t tag)
{
    uint32_t middle = (uint32_t)(hash >> 54 & 7) << 2 | tag;

    return bucket->middle[i] >> 11 == middle &&
           (bucket->meta >> (IDS_HIGH_SHIFT + 3 * i) & 7) == (uint32_t)(hash >> 57 & 7);
}

static inline void write_at(struct ids_bucket *bucket, uint32_t i, struct entry entry)
{
    bucket->low[i] = entry.low;
    bucket->position[i] = entry.position;
    bucket->middle[i] = entry.middle;
    bucket->meta =
        (bucket->meta & ~(7u << (IDS_HIGH_SHIFT + 3 * i))) | entry.high << (IDS_HIGH_SHIFT + 3 * i);
}

/* Adds an entry to its home or behind it. */
static inline void put(struct ids *ids, uint64_t home, struct entry entry)
{
    struct ids_bucket *bucket = ids_bucket(ids, home);
    uint32_t i;

    if (UNLIKELY(count_of(bucket) == IDS_BUCKET)) {
        bucket->meta |= ids_filter(entry.low);
        do bucket++;
        while (count_of(bucket) == IDS_BUCKET);
        MP_ASSERT(bucket - ids_bucket(ids, home) <= AWAY_MAX);
        MP_ASSERT(bucket < ids_bucket(ids, ids->buckets + BUCKETS_SPARE -
                                               1)); /* the last one ends all probes */
    }
    i = count_of(bucket);
    bucket->low[i] = entry.low;
    bucket->position[i] = entry.position;
    bucket->middle[i] = entry.middle;
    bucket->meta += 1 + (entry.high << (IDS_HIGH_SHIFT + 3 * i)); /* which was 0 */
}

/* The next entry with this hash and tag from entry `*at` of the bucket on; NULL when there is none.
 */
static struct ids_bucket *seek(const struct ids *ids, uint64_t bucket, uint32_t *at, uint64_t hash,
                               uint32_t tag)
{
    uint64_t home = ids_home(ids, hash);
    uint32_t low = ids_low(hash), from = *at;

    for (;; bucket++, from = 0) {
        struct ids_bucket *here = ids_bucket(ids, bucket);

        for (uint32_t mask = ids_match(here, low) & ~0u << from; mask != 0; mask &= mask - 1) {
            *at = (uint32_t)__builtin_ctz(mask);
            if (is(here, *at, hash, tag)) return here;
        }
        if (count_of(here) < IDS_BUCKET) return NULL;
        if (bucket == home && (here->meta & ids_filter(low)) == 0) return NULL;
    }
}

/* The entry with just these values, which must be there. */
static struct ids_bucket *find(const struct ids *ids, uint64_t hash, enum id_tag tag,
                               uint64_t position, uint32_t *at)
{
    struct ids_bucket *bucket = ids_bucket(ids, ids_home(ids, hash));

    for (*at = 0;; ++*at) {
        bucket = seek(ids, (uint64_t)(bucket - ids_bucket(ids, 0)), at, hash, tag);
        MP_ASSERT(bucket != NULL);
        if (position_at(bucket, *at) == position) return bucket;
    }
}

uint64_t ids_seek(const struct ids *ids, struct ids_probe *probe, uint32_t entry)
{
    const struct ids_bucket *bucket = seek(ids, probe->bucket, &entry, probe->hash, probe->tag);

    if (bucket == NULL) return 0;
    probe->bucket = (uint64_t)(bucket - ids_bucket(ids, 0));
    probe->entry = entry;
    return position_at(bucket, entry);
}

void ids_insert(struct ids *ids, uint64_t hash, enum id_tag tag, uint64_t position)
{
    uint64_t own = ids_hash(hash, tag);

    put(ids, ids_home(ids, own), entry_of(own, tag, position));
    ids->count++;
}

void ids_remove_last(struct ids *ids, uint64_t hash, enum id_tag tag, uint64_t position)
{
    uint32_t at;
    struct ids_bucket *bucket = find(ids, ids_hash(hash, tag), tag, position, &at);

    /* Nothing came after it, so nothing ran over because of it. A bit in its home's filter does no
     * harm. */
    MP_ASSERT(at == count_of(bucket) - 1);
    bucket->meta = (bucket->meta & ~(7u << (IDS_HIGH_SHIFT + 3 * at))) - 1;
    ids->count--;
}

uint64_t ids_replace(struct ids *ids, const struct ids_probe *probe, uint64_t position)
{
    struct ids_bucket *bucket = ids_bucket(ids, probe->bucket);
    uint64_t before = position_at(bucket, probe->entry);

    MP_ASSERT(probe->entry < count_of(bucket) && bucket->low[probe->entry] == ids_low(probe->hash));
    write_at(bucket, probe->entry, entry_of(probe->hash, probe->tag, position));
    return before;
}

void ids_put_back(struct ids *ids, uint64_t hash, enum id_tag tag, uint64_t from, uint64_t to)
{
    uint32_t at;
    uint64_t own = ids_hash(hash, tag);
    struct ids_bucket *bucket = find(ids, own, tag, from, &at);

    write_at(bucket, at, entry_of(own, tag, to));
}

/* --- growth --- */

/* Entries on their way. */
struct moving {
    struct entry entry;
    uint64_t home; /* the new one */
};

/* Copies out all entries of the buckets [from, to), which are laid out for the old number of
 * buckets, and leaves the buckets empty. */
static uint32_t take(struct ids *ids, uint64_t from, uint64_t to, struct moving moving[])
{
    uint64_t told = (1ull << TOLD_SHIFT) - 1, unit = UINT64_MAX / ids->buckets_old + 1;
    uint32_t count = 0;

    for (uint64_t at = from; at < to; at++) {
        struct ids_bucket *bucket = ids_bucket(ids, at);
        mp_u128 end = (mp_u128)(at + 1) *
                      unit; /* no entry's hash reaches so far, all are less than a 16th away */
        uint64_t highest = u128_high(end) != 0 ? UINT64_MAX : u128_low(end);
        uint32_t meta = bucket->meta;

        PREFETCH_WRITE(ids_bucket(ids, at - min_u64(at, AHEAD)));
        /* All entries, used or not, so that nothing has to be predicted. */
        for (uint32_t i = 0; i < IDS_BUCKET; i++) {
            uint32_t high = meta >> (IDS_HIGH_SHIFT + 3 * i) & 7;
            uint64_t hash = (uint64_t)bucket->low[i] << 22 |
                            (uint64_t)(bucket->middle[i] >> 13) << 54 | (uint64_t)high << 57;

            moving[count + i] = (struct moving){
                .entry = {bucket->low[i], bucket->position[i], bucket->middle[i], high},
                .home = bucket_of(highest - ((highest - hash) & told), ids->buckets),
            };
        }
        count += meta & IDS_COUNT;
        bucket->meta = 0;
    }
    return count;
}

/* Carries the stretch before the frontier over; returns about how many entries. */
static uint64_t carry_stretch(struct ids *ids)
{
    struct moving moving[(STRETCH_MAX + 1) * IDS_BUCKET];
    uint64_t first = ids->frontier - min_u64(ids->frontier, STRETCH), end = ids->frontier,
             step = STRETCH;
    uint64_t new_first, new_end, moved = 0;

    while (first > 0 && count_of(ids_bucket(ids, first - 1)) == IDS_BUCKET) first--;
    while (count_of(ids_bucket(ids, end - 1)) == IDS_BUCKET) end++;
    new_first = bucket_new(first, ids->buckets, ids->buckets_old);
    new_end = bucket_new(ids->frontier, ids->buckets, ids->buckets_old);
    if (new_first < end) {
        step = end - first;
        MP_ASSERT(step <= STRETCH_MAX);
    }
    for (uint64_t to = end, from; to > first; to = from) {
        uint32_t count;

        from = to - min_u64(to - first, step);
        count = take(ids, from, to, moving);
        for (uint32_t i = 0; i < count; i++) {
            MP_ASSERT(moving[i].home - new_first <= new_end - new_first);
            PREFETCH_WRITE(ids_bucket(ids, moving[i].home - min_u64(moving[i].home, AHEAD)));
            put(ids, moving[i].home, moving[i].entry);
        }
        moved += count;
    }
    ids->frontier = first;
    return moved + 1;
}

/* Carries over about so many entries. The frontier never comes to rest where a run of old entries
 * could grow across it into the new layout's part: from there, for a few thousand entries, it is
 * carried through. */
static void carry(struct ids *ids, uint64_t budget)
{
    uint64_t moved = 0;

    while (
        ids->frontier > 0 &&
        (moved < budget ||
         bucket_new(ids->frontier, ids->buckets, ids->buckets_old) - ids->frontier <= AWAY_MAX)) {
        moved += carry_stretch(ids);
    }
    if (ids->frontier == 0) ids->buckets_old = 0;
}

mp_status ids_prepare(struct ids *ids, uint64_t more)
{
    uint64_t entries = ids->count + more, grown;

    for (;;) {
        bool fits;
        mp_status status;

        if (ids->buckets_old != 0) {
            bool all = entries > load_of(ids->buckets_old, LOAD_MAX);

            carry(ids, all ? UINT64_MAX : more * PACE + CARRY_LEAST);
            if (ids->buckets_old != 0) return MP_OK;
        }
        fits = entries <= load_of(ids->buckets, LOAD_MAX);
        if (fits && ids->count < load_of(ids->buckets, LOAD_GROW)) return MP_OK;
        status = buckets_extend(&ids->arena, ids->buckets, 4, buckets_for(entries, LOAD_GROW),
                                buckets_for(entries, LOAD_MAX), &grown);
        if (status != MP_OK) return fits ? MP_OK : status; /* fuller, but not too full */
        ids->buckets_old = ids->buckets;
        ids->frontier = ids->buckets;
        ids->buckets = grown;
    }
}
