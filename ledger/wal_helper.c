/* The helper's steps: the next segment is written with zeros before it is needed, and finished
 * segments get their footer and ids file. Each step is short, so that whoever drives the helper can
 * do other things between them. */
#include "wal_internal.h"

#include <errno.h>
#include <stdlib.h>

enum { MAKING_NOBODY, MAKING_HELPER };

#define ZERO_STEP   KIB(256) /* a lone caller's write may have to wait for so much */
#define ZERO_LARGE  MIB(1)   /* more efficient, when the writer is fast: */
#define ZERO_BEHIND MIB(4)   /* so much more is due */
#define PASS_STEP   MIB(4)
#define RETRY_AFTER MIB(1) /* after a full disk: of log written meanwhile */

struct wal_helper {
    uint64_t full_at; /* the disk was full when the log had been written to here; 0 = it wasn't */
    uint32_t ordinal; /* segment being finished, 0 = none */
    bool footer;      /* it lacks one */
    struct segment_pass pass;
    struct ids_writer ids; /* file -1: it has its ids file */
};

/* --- the next segment --- */

/* How much of the next segment should be zero by now. It is begun when a third of the time to its
 * being needed has passed, and ready at 75 %, or before the writer must have it for WAL_RESERVE's
 * sake. */
static uint64_t zeros_due(uint32_t ordinal, uint64_t used)
{
    uint64_t size = segment_size(ordinal), next_size = segment_size(ordinal + 1);
    uint64_t early = WAL_RESERVE + BLOCK_MAX;
    uint64_t ready = size > 2 * early ? min_u64(size / 4 * 3, size - early) : size / 8;
    uint64_t begin = ready / 3;

    if (used <= begin) return 0;
    if (used >= ready) return next_size;
    return min_u64(next_size,
                   round_up((used - begin) * (next_size / PAGE_SIZE) / (ready - begin) * PAGE_SIZE,
                            ZERO_STEP));
}

static mp_status make_step(struct wal *wal, uint32_t next, uint64_t due, bool *worked)
{
    struct segment_maker *maker = &wal->maker;

    *worked = true;
    if (maker->ordinal != 0 && maker->ordinal != next) maker_abandon(wal);
    if (maker->ordinal == 0) return maker_begin(wal, next);
    if (maker->done < due)
        return maker_zero(wal, due - maker->done < ZERO_BEHIND ? ZERO_STEP : ZERO_LARGE);
    if (maker->done == segment_size(next)) return maker_publish(wal);
    *worked = false; /* ahead of the writer */
    return MP_OK;
}

static mp_status make_next(struct wal *wal, uint64_t written_to, bool *worked)
{
    const mp_env *env = wal->env;
    struct wal_helper *helper = wal->helper;
    uint32_t ordinal = segment_of(written_to - 1);
    uint64_t due = zeros_due(ordinal, written_to - segment_base(ordinal));
    uint32_t held = MAKING_NOBODY;
    mp_status status = MP_OK;

    if (due == 0 || ordinal + 1 > SEGMENTS_MAX) return MP_OK;
    if (helper->full_at != 0 && written_to < helper->full_at + RETRY_AFTER) return MP_OK;
    if (atomic_load_explicit(&wal->next_ready, memory_order_acquire) > ordinal) return MP_OK;
    if (!atomic_compare_exchange_strong_explicit(&wal->making, &held, MAKING_HELPER,
                                                 memory_order_acquire, memory_order_relaxed)) {
        return MP_OK; /* the writer makes it itself */
    }
    if (atomic_load_explicit(&wal->next_ready, memory_order_acquire) <= ordinal) {
        status = make_step(wal, ordinal + 1, due, worked);
    }
    atomic_store_explicit(&wal->making, MAKING_NOBODY, memory_order_release);
    env->wake(env->context, (const uint32_t *)&wal->making, 1);
    helper->full_at = status == MP_DISK_FULL ? written_to : 0;
    if (status != MP_DISK_FULL) return status;
    *worked = false; /* the writer will say so when it needs the room */
    return MP_OK;
}

/* --- finished segments --- */

static void finish_end(struct wal_helper *helper)
{
    segment_pass_close(&helper->pass);
    ids_writer_close(&helper->ids);
    helper->ordinal = 0;
}

/* Looks what a segment lacks, and begins to read it when it does. */
static mp_status finish_begin(struct wal *wal, uint32_t ordinal, bool *needed)
{
    struct wal_helper *helper = wal->helper;
    struct segment_footer *footer = malloc(sizeof *footer);
    bool footer_sound = false, ids_sound = false;
    mp_status status;

    if (footer == NULL) return fail(MP_NO_MEMORY, "no memory for a segment's footer");
    status = segment_footer_check(wal, ordinal, footer, &footer_sound);
    free(footer);
    if (status == MP_OK) status = ids_file_check(wal, ordinal, &ids_sound);
    if (status != MP_OK) return status;
    ids_sound = ids_sound && !wal->segments[ordinal - 1].ids_damaged;
    *needed = !footer_sound || !ids_sound;
    if (!*needed) return MP_OK;
    helper->footer = !footer_sound;
    if (!ids_sound) status = ids_writer_open(&helper->ids, wal, ordinal);
    if (status == MP_OK) {
        status = segment_pass_open(&helper->pass, wal, ordinal, UINT64_MAX, false,
                                   ids_sound ? NULL : ids_writer_entry, &helper->ids);
    }
    helper->ordinal = ordinal;
    return status;
}

static mp_status finish_step(struct wal *wal, bool *done)
{
    struct wal_helper *helper = wal->helper;
    mp_status status = segment_pass_step(&helper->pass, PASS_STEP, done);

    if (status != MP_OK || !*done) return status;
    if (helper->footer) status = segment_footer_write(wal, helper->pass.footer);
    if (status == MP_OK && helper->ids.file >= 0) {
        status = ids_writer_finish(&helper->ids, helper->pass.footer->end);
        if (status == MP_OK) wal->segments[helper->ordinal - 1].ids_damaged = false;
    }
    return status;
}

static mp_status finish(struct wal *wal, bool *worked)
{
    struct wal_helper *helper = wal->helper;
    uint32_t ordinal = wal->sealed + 1;
    bool needed = true, done = false;
    mp_status status;

    *worked = true;
    if (helper->ordinal == 0) {
        status = finish_begin(wal, ordinal, &needed);
        done = !needed;
    } else {
        status = finish_step(wal, &done);
    }
    if (status == MP_OK && !done) return MP_OK;
    finish_end(helper);
    wal->sealed =
        ordinal; /* also when it failed: once is enough, and the next opening tries again */
    return status == MP_DISK_FULL ? MP_OK : status;
}

/* --- steps --- */

mp_status wal_helper_step(struct wal *wal, uint64_t written_to, bool *worked)
{
    mp_status status;

    *worked = false;
    MP_ASSERT(wal->write && written_to >= PAGE_SIZE);
    if (wal->helper == NULL) {
        wal->helper = calloc(1, sizeof *wal->helper);
        if (wal->helper == NULL) return fail(MP_NO_MEMORY, "no memory for the log's helper");
        wal->helper->ids.file = -1;
    }
    status = make_next(wal, written_to, worked);
    if (status != MP_OK || *worked) return status;
    /* A segment is finished when something durable lies in the next one. */
    if (wal->sealed + 1 < segment_of(written_to - 1)) return finish(wal, worked);
    return MP_OK;
}

void wal_helper_free(struct wal *wal)
{
    if (wal->helper == NULL) return;
    finish_end(wal->helper);
    free(wal->helper);
    wal->helper = NULL;
}
