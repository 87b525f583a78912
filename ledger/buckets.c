/* How many buckets a table has next. */
#include "buckets.h"

/* Bytes for so many buckets: in whole steps of memory, if possible rather less than more. */
static uint64_t bytes_for(uint64_t buckets, uint64_t least, uint64_t committed)
{
    uint64_t bytes = (buckets + BUCKETS_SPARE) * BUCKET_BYTES;
    uint64_t step = arena_step(bytes), down = bytes / step * step;

    if (bytes <= committed) return bytes;
    if (down > committed && down >= (least + BUCKETS_SPARE) * BUCKET_BYTES) return down;
    return round_up(bytes, step);
}

mp_status buckets_extend(struct arena *arena, uint64_t buckets, uint64_t part, uint64_t wanted,
                         uint64_t least, uint64_t *grown)
{
    uint64_t committed = atomic_load_explicit(&arena->committed, memory_order_relaxed);
    uint64_t bytes = 0;
    mp_status status;

    least = max_u64(least, buckets + 1);
    for (uint64_t divisor = part; divisor <= 4 * part; divisor *= 2) {
        uint64_t enough = divisor == part ? wanted : least;

        bytes = bytes_for(max_u64(enough, buckets + buckets / divisor), least, committed);
        if (arena_has_room(arena, bytes)) break;
    }
    status = arena_extend(arena, bytes);
    if (status != MP_OK) return status;
    *grown = bytes / BUCKET_BYTES - BUCKETS_SPARE;
    MP_ASSERT(*grown >= least);
    return MP_OK;
}
