/* Where the writer's next block goes, and whether there will be room for what it takes on. */
#include "wal_internal.h"

#include <errno.h>

enum { MAKING_NOBODY, MAKING_HELPER, MAKING_WRITER };

#define WAIT_NS 1000000ull

uint64_t wal_room(const struct wal *wal) { return segment_data_end(wal->ordinal) - wal->end; }

/* Takes what the helper is making out of its hands. It holds that for one step at most: some zeros,
 * or a sync. */
static void claim_making(struct wal *wal)
{
    const mp_env *env = wal->env;
    uint32_t held = MAKING_NOBODY;

    while (!atomic_compare_exchange_strong_explicit(&wal->making, &held, MAKING_WRITER,
                                                    memory_order_acquire, memory_order_relaxed)) {
        env->wait(env->context, (const uint32_t *)&wal->making, held, WAIT_NS);
        held = MAKING_NOBODY;
    }
}

mp_status wal_next_segment(struct wal *wal)
{
    const mp_env *env = wal->env;
    uint32_t next = wal->ordinal + 1;
    mp_status status = MP_OK;

    if (atomic_load_explicit(&wal->next_ready, memory_order_acquire) >= next) return MP_OK;
    claim_making(wal);
    if (atomic_load_explicit(&wal->next_ready, memory_order_acquire) < next)
        status = segment_make(wal, next, true);
    atomic_store_explicit(&wal->making, MAKING_NOBODY, memory_order_release);
    env->wake(env->context, (const uint32_t *)&wal->making, 1);
    return status;
}

mp_status wal_can_accept(struct wal *wal, uint64_t bytes)
{
    MP_ASSERT(wal->write && wal->file >= 0);
    if (LIKELY(bytes + WAL_RESERVE <= wal_room(wal))) return MP_OK;
    return wal_next_segment(wal);
}

mp_status wal_place(struct wal *wal, uint64_t bytes, uint64_t *position)
{
    const mp_env *env = wal->env;
    mp_status status;
    int file = -1;

    MP_ASSERT(wal->write && wal->file >= 0);
    MP_ASSERT(bytes >= PAGE_SIZE && bytes <= BLOCK_MAX && wal->end % PAGE_SIZE == 0);
    if (LIKELY(bytes <= wal_room(wal))) {
        *position = wal->end;
        return MP_OK;
    }
    status = wal_next_segment(wal);
    if (status == MP_OK) status = segment_open_write(wal, wal->ordinal + 1, &file);
    if (status != MP_OK) return status;

    /* The block before may still be in flight in the present file, hardly one of the segment before
     * that. */
    if (wal->file_previous >= 0) env->file_close(env->context, wal->file_previous);
    wal->file_previous = wal->file;
    wal->file = file;
    wal->ordinal++;
    wal->end = segment_base(wal->ordinal) + PAGE_SIZE;
    *position = wal->end;
    wal->identity.mark = max_u64(wal->identity.mark, wal->last_mark);
    wal->identity.newest_time = max_u64(wal->identity.newest_time, wal->last_time);
    return ledger_file_write(wal);
}
