/* Segments kept open for reading: a bounded number of them, shared by all threads.
 *
 * One word a segment says it all, so that no lock is needed: the file's number + 1 (0 = none), how
 * many use it just now, and whether it was used lately. Whoever opens one more than are to be kept
 * closes one that nobody uses, by the rule of the second chance. */
#include "wal_internal.h"

#include <errno.h>

#define FILE_BITS UINT32_MAX
#define ONE_USER  (1ull << 32)
#define LATELY    (1ull << 63)

static int file_of(uint64_t kept) { return (int)(kept & FILE_BITS) - 1; }

static uint64_t users_of(uint64_t kept) { return (kept & ~LATELY) / ONE_USER; }

/* Holds a segment's file if it is open. */
static bool hold_open(struct wal *wal, uint32_t ordinal, int *file)
{
    struct segment *segment = &wal->segments[ordinal - 1];
    uint64_t kept = atomic_load_explicit(&segment->kept, memory_order_relaxed);

    do {
        if (file_of(kept) < 0) return false;
    } while (!atomic_compare_exchange_weak_explicit(&segment->kept, &kept,
                                                    (kept + ONE_USER) | LATELY,
                                                    memory_order_acquire, memory_order_relaxed));
    *file = file_of(kept);
    return true;
}

/* Closes a file that nobody uses, if it has had its second chance. */
static void drop(struct wal *wal, struct segment *segment)
{
    uint64_t kept = atomic_load_explicit(&segment->kept, memory_order_relaxed);
    uint64_t next = (kept & LATELY) != 0 ? kept & ~LATELY : 0;

    if (file_of(kept) < 0 || users_of(kept) > 0) return;
    if (atomic_compare_exchange_strong_explicit(&segment->kept, &kept, next, memory_order_acq_rel,
                                                memory_order_relaxed) &&
        next == 0) {
        atomic_fetch_sub_explicit(&wal->files_kept, 1, memory_order_relaxed);
        wal->env->file_close(wal->env->context, file_of(kept));
    }
}

/* Down to as many as are to be kept; those in use stay open beyond that. */
static void drop_some(struct wal *wal)
{
    uint32_t count = atomic_load_explicit(&wal->segment_count, memory_order_acquire);

    for (uint32_t looks = 0;
         looks < 2 * count &&
         atomic_load_explicit(&wal->files_kept, memory_order_relaxed) > wal->files_max;
         looks++) {
        uint32_t turn = atomic_fetch_add_explicit(&wal->files_turn, 1, memory_order_relaxed);

        drop(wal, &wal->segments[turn % count]);
    }
}

/* Keeps a file that was opened, held once; false when another thread was first. */
static bool keep(struct wal *wal, struct segment *segment, int file)
{
    uint64_t none = 0;

    if (!atomic_compare_exchange_strong_explicit(&segment->kept, &none,
                                                 ((uint64_t)file + 1) | ONE_USER | LATELY,
                                                 memory_order_acq_rel, memory_order_relaxed)) {
        return false;
    }
    atomic_fetch_add_explicit(&wal->files_kept, 1, memory_order_relaxed);
    drop_some(wal);
    return true;
}

mp_status segment_hold(struct wal *wal, uint32_t ordinal, int *file)
{
    uint32_t count = atomic_load_explicit(&wal->segment_count, memory_order_acquire);

    while (ordinal > count || !hold_open(wal, ordinal, file)) {
        int number = -1;
        mp_status status = segment_open_own(wal, ordinal, &number);

        if (status != MP_OK) return status;
        if (keep(wal, &wal->segments[ordinal - 1], number)) {
            *file = number;
            return MP_OK;
        }
        wal->env->file_close(wal->env->context, number);
    }
    return MP_OK;
}

int segment_file(struct wal *wal, uint32_t ordinal)
{
    int file = -1;
    mp_status status = segment_hold(wal, ordinal, &file);

    if (status == MP_OK) return file;
    return status == MP_CORRUPT || status == MP_VERSION ? -EBADMSG : -EIO;
}

void segment_release(struct wal *wal, uint32_t ordinal)
{
    uint64_t before =
        atomic_fetch_sub_explicit(&wal->segments[ordinal - 1].kept, ONE_USER, memory_order_release);

    MP_ASSERT(users_of(before) > 0);
}

void segment_files_close(struct wal *wal)
{
    uint32_t count = atomic_load_explicit(&wal->segment_count, memory_order_acquire);

    for (uint32_t i = 0; wal->segments != NULL && i < count; i++) {
        int file = file_of(atomic_exchange(&wal->segments[i].kept, 0));

        if (file >= 0) wal->env->file_close(wal->env->context, file);
    }
}
