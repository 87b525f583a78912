/* Blocks on their way to the disk: one is in flight, the next one fills meanwhile. */
#include "publish.h"
#include "pump.h"
#include "stats.h"

#define SMALL_BLOCK KIB(16)
/* Of log. The helper also looks by itself, once a second at least. */
#define HELPER_STRETCH KIB(64)

static uint64_t now_ns(const struct mp_ledger *ledger)
{
    return ledger->env->boot_ns(ledger->env->context);
}

/* The block's bytes in the ring: one piece, or two where it wraps. */
static void flight_pieces(struct pump *pump, const struct tail *tail, uint64_t position,
                          uint64_t bytes)
{
    uint64_t first = min_u64(bytes, tail->size - position % tail->size);

    pump->flight.pieces[0] = (mp_env_piece){tail_at(tail, position), first};
    pump->flight.pieces[1] = (mp_env_piece){tail->bytes, bytes - first};
    pump->flight.piece_count = first < bytes ? 2 : 1;
}

static void count_write(struct mp_ledger *ledger, uint64_t bytes)
{
    uint64_t us = (now_ns(ledger) - ledger->pump->flight.submitted_ns) / 1000;
    unsigned bucket = us == 0 ? 0 : 63 - (unsigned)__builtin_clzll(us);

    if (bucket >= MP_HISTOGRAM_BUCKETS) bucket = MP_HISTOGRAM_BUCKETS - 1;
    STAT_ADD(ledger->stats.write_us[bucket], 1);
    STAT_ADD(ledger->stats.blocks, 1);
    STAT_ADD(ledger->stats.block_bytes, bytes);
}

/* The block is durable (or lost, then everything stops): publish what it did. */
static void flight_land(struct mp_ledger *ledger, int64_t result)
{
    struct pump *pump = ledger->pump;
    uint64_t bytes = pump->flight.end - pump->flight.position;

    pump->flying = false;
    if (result != (int64_t)bytes) {
        uint32_t ordinal = segment_of(pump->flight.position);

        fail(MP_IO,
             "%s/wal/%08u.wal: writing %llu bytes at offset %llu failed: %s; the ledger has "
             "stopped: open it again",
             ledger->wal.directory, ordinal, (unsigned long long)bytes,
             (unsigned long long)(pump->flight.position - segment_base(ordinal)),
             result < 0 ? strerror((int)-result) : "fewer bytes were written");
        pump_stop(ledger, MP_IO);
        return;
    }
    count_write(ledger, bytes);
    publish_block(ledger, pump->flight.position, pump->flight.pages);
    atomic_store_explicit(&ledger->sequence, pump->flight.sequence - 1, memory_order_relaxed);
    atomic_store_explicit(&ledger->mark, pump->flight.end, memory_order_release);
    pump->blocks_durable = pump->blocks_written;
    pump->last_activity = now_ns(ledger);
    stats_refresh(ledger);
    if (pump->flight.expiries > 0) event_announce(ledger);
    if (pump->flight.position / HELPER_STRETCH != pump->flight.end / HELPER_STRETCH)
        helper_wake(ledger);
}

/* A small block goes by a blocking write: it is durable before a ring's worker and the thread had
 * waked each other, and there is little to fill the next one with meanwhile. */
static bool goes_by_ring(const struct mp_ledger *ledger, enum driver driver, uint64_t bytes)
{
    if (driver != DRIVER_THREAD || ledger->pump->ring == NULL) return false;
    return bytes > SMALL_BLOCK || (ledger->flags & MP_OPEN_MANUAL) != 0;
}

void block_submit(struct mp_ledger *ledger, enum driver driver, unsigned flags)
{
    struct pump *pump = ledger->pump;
    struct block *block = &pump->applier.block;
    struct wal *wal = &ledger->wal;
    uint64_t bytes = block_bytes(block);
    uint64_t offset = block->position - segment_base(wal->ordinal);
    const mp_env *env = ledger->env;

    MP_ASSERT(!pump->flying && bytes <= BLOCK_MAX);
    pump->flight.position = block->position;
    pump->flight.end = block->position + bytes;
    pump->flight.pages = block->page + 1;
    pump->flight.sequence = block->sequence;
    pump->flight.expiries = block->expiries;
    if (block_is_empty(block) == false && block->count == 0) flags |= BLOCK_POSITIONS_ONLY;
    wal->last_time = block->time;
    wal->last_block = block->position;
    wal->last_mark = ledger_mark(ledger);
    block_close(block, &ledger->tail);
    pointers_fill(ledger, block->position, block->page + 1);
    ledger->accounts.waiting = 0;
    wal->prev_sum =
        block_end(block, &ledger->tail, &pump->identity, wal->prev_sum, wal->last_mark, flags);
    wal->end = pump->flight.end;
    wal->sequence = block->sequence;
    pump->sealed = (flags & BLOCK_SEAL) != 0;
    pump->blocks_written++;
    pump->flying = true;
    pump->flight.submitted_ns = now_ns(ledger);
    flight_pieces(pump, &ledger->tail, pump->flight.position, bytes);
    if (goes_by_ring(ledger, driver, bytes)) {
        int result = env->ring_write(env->context, pump->ring, wal->file, pump->flight.pieces,
                                     pump->flight.piece_count, offset, pump->blocks_written);

        STAT_ADD(ledger->stats.writes_ring, 1);
        if (result < 0) {
            flight_land(ledger, result);
        } else {
            flight_reap(ledger, 0); /* starts it */
        }
        return;
    }
    STAT_ADD(ledger->stats.writes_blocking, 1);
    flight_land(ledger, env->file_write(env->context, wal->file, pump->flight.pieces,
                                        pump->flight.piece_count, offset, true));
}

bool flight_reap(struct mp_ledger *ledger, uint64_t timeout_ns)
{
    struct pump *pump = ledger->pump;
    mp_env_completion completion;
    int count;

    if (!pump->flying) return false;
    MP_ASSERT(pump->ring != NULL);
    count = ledger->env->ring_reap(ledger->env->context, pump->ring, &completion, 1, timeout_ns);
    if (count < 0) {
        flight_land(ledger, count);
        return true;
    }
    if (count == 0) return false;
    MP_ASSERT(completion.user == pump->blocks_written);
    flight_land(ledger, completion.result);
    return true;
}
