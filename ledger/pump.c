/* The pump's life: its memory, the ledger's thread, the helper's thread. */
#include "pump.h"
#include "checkpoint.h"

#include <pthread.h>
#include <stdlib.h>

enum { RING_ENTRIES = 64 };

/* --- the ledger's own thread --- */

/* Waits for the write under way, or for more requests to fill the next block with. */
static void wait_in_flight(struct mp_ledger *ledger)
{
    struct pump *pump = ledger->pump;

    atomic_store(&pump->asleep, THREAD_IN_FLIGHT);
    if (pump_stack_is_empty(pump) && !read_ahead_is_done(pump)) flight_reap(ledger, UINT64_MAX);
    atomic_store(&pump->asleep, THREAD_AWAKE);
}

static void drive(struct mp_ledger *ledger)
{
    struct pump *pump = ledger->pump;

    for (;;) {
        if (pump_step(ledger, DRIVER_THREAD)) continue;
        if (!pump->flying) return;
        wait_in_flight(ledger);
    }
}

static void sleep_until(struct mp_ledger *ledger, uint64_t wake)
{
    struct pump *pump = ledger->pump;
    const mp_env *env = ledger->env;
    uint32_t word = __atomic_load_n(&pump->wake_word, __ATOMIC_SEQ_CST);
    uint64_t now, timeout = UINT64_MAX;

    atomic_store(&pump->asleep, THREAD_IDLE);
    if (atomic_load(&pump->wanted) != 0 ||
        ((!pump_stack_is_empty(pump) || read_ahead_is_done(pump) ||
          atomic_load(&pump->ending) != 0) &&
         atomic_load(&pump->claimed) == 0)) {
        atomic_store(&pump->asleep, THREAD_AWAKE);
        return;
    }
    if (wake != UINT64_MAX) {
        now = env->boot_ns(env->context);
        timeout = wake > now ? wake - now : 0;
    }
    if (pump->ring != NULL) {
        mp_env_completion none;

        env->ring_reap(env->context, pump->ring, &none, 1, timeout);
    } else {
        env->wait(env->context, &pump->wake_word, word, timeout);
    }
    atomic_store(&pump->asleep, THREAD_AWAKE);
}

static void thread_main(void *argument)
{
    struct mp_ledger *ledger = argument;
    struct pump *pump = ledger->pump;

    for (;;) {
        uint64_t wake = ledger->env->boot_ns(ledger->env->context) + SEAL_AFTER;
        bool idle = false;

        atomic_store(&pump->wanted, 0);
        if (pump_claim(pump)) {
            drive(ledger);
            wake = pump_next_wake(ledger);
            idle = pump_is_idle(ledger) && (pump->sealed || atomic_load(&ledger->stopped) != 0);
            atomic_store(&pump->sleeps_long, pump->sealed);
            pump_unclaim(ledger, DRIVER_THREAD);
        }
        if (atomic_load(&pump->ending) != 0 && (idle || pump_stack_is_empty(pump))) return;
        sleep_until(ledger, wake);
        atomic_store(&pump->sleeps_long, 0);
    }
}

/* --- the helper's thread --- */

static void helper_main(void *argument)
{
    struct mp_ledger *ledger = argument;
    struct pump *pump = ledger->pump;

    while (atomic_load(&pump->ending) == 0) {
        uint32_t word = __atomic_load_n(&pump->helper_word, __ATOMIC_SEQ_CST);

        if (helper_step(ledger)) continue;
        atomic_store(&pump->helper_asleep, 1);
        if (atomic_load(&pump->ending) == 0 && !read_ahead_is_asked(pump)) {
            ledger->env->wait(ledger->env->context, &pump->helper_word, word,
                              checkpoint_wait_ns(ledger));
        }
        atomic_store(&pump->helper_asleep, 0);
    }
}

bool helper_step(struct mp_ledger *ledger)
{
    bool worked = false;
    bool segments = false;

    worked |= read_ahead_step(ledger); /* also after a stop: it would be asked for ever */
    if (atomic_load(&ledger->stopped) != 0) return worked;
    if (wal_helper_step(&ledger->wal, ledger_mark(ledger), &segments) == MP_OK) {
        worked |= segments;
    } else {
        __atomic_add_fetch(&ledger->stats.helper_failures, 1, __ATOMIC_RELAXED);
    }
    worked |= checkpoint_step(ledger);
    worked |= arena_touch_ahead(&ledger->ids.arena);
    return worked;
}

/* --- life --- */

static mp_status open_ring(struct mp_ledger *ledger)
{
    struct pump *pump = ledger->pump;

    if ((ledger->flags & MP_OPEN_NO_RING) != 0) return MP_OK;
    if (ledger->env->ring_open(ledger->env->context, RING_ENTRIES, &pump->ring) < 0) {
        pump->ring = NULL;
        wal_notice(&ledger->wal, "io_uring is refused here: blocks go by blocking writes");
    }
    return MP_OK;
}

static mp_status start_threads(struct mp_ledger *ledger)
{
    struct pump *pump = ledger->pump;
    const mp_env *env = ledger->env;

    if ((ledger->flags & MP_OPEN_MANUAL) != 0) return MP_OK;
    if (env->thread_start(env->context, helper_main, ledger, "micropay-helper", &pump->helper) <
        0) {
        return fail(MP_NO_MEMORY, "no helper thread could be started for the ledger");
    }
    pump->has_helper = true;
    if (env->thread_start(env->context, thread_main, ledger, "micropay-ledger", &pump->thread) <
        0) {
        return fail(MP_NO_MEMORY, "no thread could be started for the ledger");
    }
    pump->has_thread = true;
    return MP_OK;
}

mp_status pump_open(struct mp_ledger *ledger, const mp_options *options)
{
    struct pump *pump = aligned_alloc(64, (sizeof *pump + 63) / 64 * 64);
    mp_status status;

    if (pump == NULL) return fail(MP_NO_MEMORY, "no memory for the ledger's queue");
    memset(pump, 0, sizeof *pump);
    ledger->pump = pump;
    ck_stack_init(&pump->stack);
    atomic_init(&pump->event_file, -1);
    pump->queue_end = &pump->queue;
    pump->aside_end = &pump->aside;
    pump->applied_end = &pump->applied;
    pump->outstanding_max = options->outstanding_max != 0 ? options->outstanding_max : 4096;
    pump->applier.ledger = ledger;
    pump->applier.tail = &ledger->tail;
    pump->identity =
        (struct block_identity){ledger->wal.identity.timeline, ledger->wal.identity.epoch};
    pump->sealed = ledger->wal.end <= ledger->wal.last_mark || ledger->wal.last_block == 0;
    pump->last_activity = ledger->env->boot_ns(ledger->env->context);
    clock_open(ledger);
    status = fetch_open(&pump->applier.fetch, &ledger->memory);
    if (status == MP_OK) {
        status = arena_reserve(
            &pump->applier.undo, &ledger->memory,
            (2 * (uint64_t)MP_BATCH_MAX + 1) * UNDO_PER_EVENT * sizeof(struct undo), "undo");
    }
    if (status == MP_OK) status = open_ring(ledger);
    if (status == MP_OK) status = start_threads(ledger);
    return status;
}

static void join_threads(struct mp_ledger *ledger)
{
    struct pump *pump = ledger->pump;
    const mp_env *env = ledger->env;

    atomic_store(&pump->ending, 1);
    if (pump->has_thread) {
        atomic_store(&pump->asleep, THREAD_IDLE);
        thread_wake(ledger);
        env->thread_join(env->context, pump->thread);
        pump->has_thread = false;
    }
    if (pump->has_helper) {
        __atomic_add_fetch(&pump->helper_word, 1, __ATOMIC_SEQ_CST);
        env->wake(env->context, &pump->helper_word, 1);
        env->thread_join(env->context, pump->helper);
        pump->has_helper = false;
    }
}

/* Finishes what is left, by this thread, with blocking writes. */
static void finish(struct mp_ledger *ledger)
{
    struct pump *pump = ledger->pump;

    MP_ASSERT(pump_claim(pump));
    while (pump->flying) flight_reap(ledger, UINT64_MAX); /* only with MP_OPEN_MANUAL */
    if (pump->ring != NULL) {
        ledger->env->ring_close(ledger->env->context, pump->ring);
        pump->ring = NULL;
    }
    pump->last_activity = 0; /* seal at once */
    while (pump_step(ledger, DRIVER_THREAD) || read_ahead_step(ledger)) pump->last_activity = 0;
    pthread_setcancelstate(pump->cancel_state, NULL);
}

mp_status pump_close(struct mp_ledger *ledger)
{
    join_threads(ledger);
    finish(ledger);
    if (atomic_load(&ledger->stopped) != 0) return fail(MP_STOPPED, "%s", ledger->stop_message);
    ledger->wal.identity.mark = ledger_mark(ledger);
    ledger->wal.identity.newest_time = ledger->wal.last_time;
    if (ledger->pump->sealed && ledger_mark(ledger) == ledger->wal.end)
        return ledger_file_write_closed(&ledger->wal);
    return ledger_file_write(&ledger->wal);
}

void pump_free(struct mp_ledger *ledger)
{
    struct pump *pump = ledger->pump;

    if (pump == NULL) return;
    if (pump->has_thread || pump->has_helper) join_threads(ledger);
    if (pump->ring != NULL) ledger->env->ring_close(ledger->env->context, pump->ring);
    if (atomic_load(&pump->event_file) >= 0)
        ledger->env->event_close(ledger->env->context, atomic_load(&pump->event_file));
    fetch_close(&pump->applier.fetch);
    arena_free(&pump->applier.undo);
    free(pump);
    ledger->pump = NULL;
}
