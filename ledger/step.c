/* The pump's crank: reap, release, take, admit, apply, write. */
#include "checkpoint.h"
#include "pump.h"
#include "stats.h"

#include <pthread.h>

#define TIME_LAST   (TIME_MAX - NS_PER_S) /* of a block: its events' times come behind it */
#define GUESS_AHEAD (60 * NS_PER_S)       /* a block's time is surely no later than this from now */

static uint64_t now_ns(const struct mp_ledger *ledger)
{
    return ledger->env->boot_ns(ledger->env->context);
}

static bool has_stopped(const struct mp_ledger *ledger)
{
    return atomic_load_explicit(&ledger->stopped, memory_order_relaxed) != 0;
}

/* --- the queue --- */

static void append(mp_request ***end, mp_request *request)
{
    request->next = NULL;
    **end = request;
    *end = &request->next;
}

static mp_request *detach(mp_request **first, mp_request ***end)
{
    mp_request *request = *first;

    *first = request->next;
    if (*first == NULL) *end = first;
    return request;
}

/* Takes all that was pushed, oldest first. */
static bool take(struct pump *pump)
{
    ck_stack_entry_t *entry;
    mp_request *reversed = NULL;

    if (pump_stack_is_empty(pump)) return false;
    entry = ck_stack_batch_pop_upmc(&pump->stack);
    while (entry != NULL) {
        mp_request *request = (mp_request *)((uint8_t *)entry - offsetof(mp_request, next));
        ck_stack_entry_t *next = entry->next;

        request->next = reversed;
        reversed = request;
        entry = next;
    }
    while (reversed != NULL) {
        mp_request *next = reversed->next;

        append(&pump->queue_end, reversed);
        reversed = next;
    }
    return true;
}

/* Releases what is durable, oldest first. */
static bool release(struct mp_ledger *ledger)
{
    struct pump *pump = ledger->pump;
    uint32_t count = 0;

    for (const mp_request *request = pump->applied;
         request != NULL && request->release_at <= pump->blocks_durable; request = request->next) {
        count++;
    }
    releases_begin(ledger, count);
    for (uint32_t i = 0; i < count; i++) {
        mp_request *request = detach(&pump->applied, &pump->applied_end);

        request_release(request, request->status);
    }
    releases_announce(ledger, count);
    return count > 0;
}

void pump_stop(struct mp_ledger *ledger, mp_status why)
{
    struct pump *pump = ledger->pump;

    if (atomic_load(&ledger->stopped) == 0) {
        memcpy(ledger->stop_message, mp_last_error(), sizeof ledger->stop_message - 1);
        atomic_store(&ledger->stopped, (uint32_t)-why);
    }
    pump->flying = false;
    pump->applier.block.open = false;
}

static uint32_t release_all(struct mp_ledger *ledger, mp_request **first, mp_request ***end)
{
    uint32_t count = 0;

    while (*first != NULL) {
        releases_begin(ledger, 1);
        request_release(detach(first, end), MP_UNKNOWN);
        count++;
    }
    return count;
}

/* After a stop: nothing that waits will ever be answered. */
static bool release_unknown(struct mp_ledger *ledger)
{
    struct pump *pump = ledger->pump;
    uint32_t count = 0;

    take(pump);
    count += release_all(ledger, &pump->applied, &pump->applied_end);
    count += release_all(ledger, &pump->aside, &pump->aside_end);
    count += release_all(ledger, &pump->queue, &pump->queue_end);
    read_ahead_drop(ledger);
    releases_announce(ledger, count);
    return count > 0;
}

/* --- blocks --- */

/* Bytes that the expiries due at a new block may need. */
static uint64_t expiries_bytes(const struct mp_ledger *ledger, uint64_t *most)
{
    const uint64_t per_page = PAGE_UNITS / RECORD_UNITS_MAX;

    *most = 0;
    if (expiry_next(&ledger->reservations) > ledger->newest.time + GUESS_AHEAD &&
        expiry_next(&ledger->reservations) >
            ledger->env->real_ns(ledger->env->context) + GUESS_AHEAD) {
        return 0;
    }
    *most = min_u64(ledger->reservations.open, EXPIRIES_MAX);
    return (*most + per_page - 1) / per_page * PAGE_SIZE;
}

/* Room in the tables for expiries and the batch behind them; where memory is short, for fewer
 * expiries. */
static mp_status prepare_expiries(struct mp_ledger *ledger, const struct demand *demand,
                                  uint64_t *expiries)
{
    mp_status status = MP_OK;

    for (; *expiries > 0; *expiries /= 2) {
        status = ids_prepare(&ledger->ids, *expiries + demand->ids);
        if (status == MP_OK) {
            status = accounts_prepare(&ledger->accounts, 0, 2 * *expiries + demand->touched,
                                      demand->large);
        }
        if (status != MP_LIMIT) break;
    }
    return status;
}

/* Begins a block with room for the batch and the expiries before it, and releases what has expired.
 */
static mp_status open_block(struct mp_ledger *ledger, const struct demand *demand, uint64_t bytes)
{
    struct pump *pump = ledger->pump;
    struct applier *applier = &pump->applier;
    uint64_t expiries, position, time = clock_block_time(ledger);
    uint64_t needed = PAGE_SIZE + bytes + expiries_bytes(ledger, &expiries);
    mp_status status = prepare_expiries(ledger, demand, &expiries);

    needed = min_u64(needed, BLOCK_MAX);
    if (status != MP_OK) return status;
    if (time > TIME_LAST) return fail(MP_CLOCK, "the clock stands at the end of all times");
    status = wal_place(&ledger->wal, needed, &position);
    if (status != MP_OK) return status;
    block_begin(&applier->block, applier->tail, position,
                min_u64(wal_room(&ledger->wal), BLOCK_MAX), time, ledger->wal.sequence);
    if (expiries > 0) apply_expiries(applier, (uint32_t)expiries);
    return MP_OK;
}

/* Drops an open block in which nothing happened. */
static void drop_empty_block(struct pump *pump)
{
    if (pump->applier.block.open && block_is_empty(&pump->applier.block))
        pump->applier.block.open = false;
}

/* --- admission --- */

enum admission {
    ADMITTED, /* applied or refused: off its queue */
    LATER,    /* the open block must be written first */
    ASIDE,    /* waits for records to be read ahead, or behind such a one of its source */
};

static struct demand demand_of(const mp_request *request)
{
    switch (request->operation) {
    case MP_CREATE_ACCOUNTS: return demand_of_accounts(request->events, request->count);
    case MP_CREATE_TRANSFERS: return demand_of_transfers(request->events, request->count);
    default: return demand_of_updates(request->events, request->count);
    }
}

static mp_status probe(struct mp_ledger *ledger, const mp_request *request)
{
    struct applier *applier = &ledger->pump->applier;

    switch (request->operation) {
    case MP_CREATE_TRANSFERS:
        return probe_transfers(applier, request->events, request->count, ledger->pump->hints);
    case MP_UPDATE_ACCOUNTS: return probe_updates(applier, request->events, request->count);
    default: return MP_OK;
    }
}

static void apply(struct mp_ledger *ledger, mp_request *request)
{
    struct applier *applier = &ledger->pump->applier;
    uint64_t time = max_u64(applier->block.time, ledger->newest.time + 1);

    switch (request->operation) {
    case MP_CREATE_ACCOUNTS:
        apply_accounts(applier, request->events, request->count, time, request->results);
        break;
    case MP_CREATE_TRANSFERS:
        apply_transfers(applier, request->events, request->count, time, ledger->pump->hints,
                        request->results, request->sums);
        break;
    default: apply_updates(applier, request->events, request->count, time, request->results); break;
    }
    if (request->source != 0 && request->source_position != 0) {
        apply_input_position(applier, request->source, request->source_position);
        MP_ASSERT(source_set(ledger, request->source,
                             request->source_position)); /* source_check came before */
    }
    STAT_ADD(ledger->stats.batches, 1);
    STAT_ADD(ledger->stats.events, request->count);
}

/* A request has been dealt with: its answer waits for all that it may have seen. */
static void done_with(struct mp_ledger *ledger, mp_request *request, mp_status status)
{
    struct pump *pump = ledger->pump;
    bool in_block = pump->applier.block.open && !block_is_empty(&pump->applier.block);

    source_done(ledger, request, status);
    request->status = status;
    request->release_at = pump->blocks_written + (in_block ? 1 : 0);
    append(&pump->applied_end, request);
    if (status == MP_LIMIT) STAT_ADD(ledger->stats.refused_limit, 1);
    if (status == MP_DISK_FULL) STAT_ADD(ledger->stats.refused_disk_full, 1);
}

/* Makes room in the open block, or opens one. */
static enum admission make_room(struct mp_ledger *ledger, const struct demand *demand,
                                mp_status *status)
{
    struct pump *pump = ledger->pump;
    struct block *block = &pump->applier.block;
    uint64_t bytes = demand->bytes + PAGE_SIZE;

    if (block->open && block_bytes(block) + bytes > block->room) {
        if (!block_is_empty(block)) return LATER;
        block->open = false;
    }
    *status = wal_can_accept(&ledger->wal, (block->open ? block_bytes(block) : PAGE_SIZE) + bytes);
    if (*status == MP_OK && !block->open) *status = open_block(ledger, demand, bytes);
    return ADMITTED;
}

/* Probes a request; ASIDE when it must wait for records. */
static enum admission look(struct mp_ledger *ledger, const mp_request *request, mp_status *status)
{
    struct fetch *fetch = &ledger->pump->applier.fetch;

    *status = probe(ledger, request);
    if (*status != MP_OK || !fetch_is_waiting(fetch)) return ADMITTED;
    if (read_ahead_begin(ledger)) return ASIDE;
    *status = fetch_read(fetch, ledger); /* while it ends there is nobody else to read */
    return ADMITTED;
}

static enum admission admit(struct mp_ledger *ledger, mp_request *request, mp_status *status)
{
    struct pump *pump = ledger->pump;
    struct demand demand;

    *status = MP_OK;
    if (request->operation == OPERATION_FIND_IDS) {
        find_candidates(ledger, request);
        return ADMITTED;
    }
    demand = demand_of(request);
    *status = source_check(ledger, request);
    if (*status == MP_OK) *status = demand_prepare(&pump->applier, &demand);
    if (*status == MP_OK && make_room(ledger, &demand, status) == LATER) return LATER;
    if (*status == MP_OK && look(ledger, request, status) == ASIDE) return ASIDE;
    if (*status == MP_IO ||
        *status == MP_CORRUPT) { /* of the log: going on could only make it worse */
        pump_stop(ledger, *status);
        return LATER;
    }
    if (*status == MP_OK) apply(ledger, request);
    if (!pump->applier.fetch.lent) fetch_clear(&pump->applier.fetch);
    return ADMITTED;
}

/* Whether a request of the same source was put aside: then this one must not overtake it. */
static bool source_is_aside(const struct pump *pump, const mp_request *request)
{
    if (request->source == 0) return false;
    for (const mp_request *aside = pump->aside; aside != NULL; aside = aside->next) {
        if (aside->source == request->source) return true;
    }
    return false;
}

static bool block_is_filled(const struct block *block)
{
    return block->open && block_bytes(block) >= BLOCK_TARGET;
}

/* Small requests, one behind the other, would each wait for memory. So what their first events
 * touch is brought in while those before them are applied: three places in the queue go ahead of
 * its first request. */
struct ahead {
    const mp_request *events, *tables, *lines;
};
enum { AHEAD_STEP = 4, AHEAD = 3 * AHEAD_STEP };

static void ahead_one(const struct applier *applier, const mp_request **place,
                      void (*prefetch)(const struct applier *, const mp_transfer *))
{
    const mp_request *request = *place;

    if (request == NULL) return;
    if (request->operation == MP_CREATE_TRANSFERS && request->count > 0)
        prefetch(applier, request->events);
    *place = request->next;
}

static void ahead_step(const struct applier *applier, struct ahead *ahead, unsigned begun)
{
    ahead_one(applier, &ahead->events, probe_prefetch_event);
    if (begun >= AHEAD_STEP) ahead_one(applier, &ahead->tables, probe_prefetch_tables);
    if (begun >= 2 * AHEAD_STEP) ahead_one(applier, &ahead->lines, probe_prefetch_lines);
}

static struct ahead ahead_begin(const struct pump *pump)
{
    struct ahead ahead = {pump->queue, pump->queue, pump->queue};

    for (unsigned begun = 0; begun < AHEAD; begun++) ahead_step(&pump->applier, &ahead, begun);
    return ahead;
}

/* Applies what was put aside and has its records by now, then what waits, as much as one block
 * takes. */
static bool fill(struct mp_ledger *ledger)
{
    struct pump *pump = ledger->pump;
    struct ahead ahead = ahead_begin(pump);
    bool worked = false;

    while (!block_is_filled(&pump->applier.block)) {
        bool resumes = read_ahead_end(ledger) && pump->aside != NULL;
        mp_request *request = resumes ? pump->aside : pump->queue;
        enum admission admission = ASIDE;
        mp_status status;

        if (request == NULL || has_stopped(ledger)) break;
        if (resumes || !source_is_aside(pump, request)) admission = admit(ledger, request, &status);
        if (admission == LATER) break;
        worked = true;
        if (resumes && admission == ASIDE) continue; /* it needs more */
        if (resumes) {
            detach(&pump->aside, &pump->aside_end);
        } else {
            ahead_step(&pump->applier, &ahead, AHEAD);
            detach(&pump->queue, &pump->queue_end);
        }
        if (admission == ASIDE) {
            append(&pump->aside_end, request);
        } else {
            done_with(ledger, request, status);
        }
    }
    /* A stop is work too: those who wait must be told. */
    return worked || has_stopped(ledger);
}

/* Opens a block that nobody waits for. None follows one that failed. */
static bool open_block_alone(struct mp_ledger *ledger)
{
    const struct demand nothing = {0};
    mp_status status;

    if (has_stopped(ledger)) return false;
    status = open_block(ledger, &nothing, 0);
    if (status == MP_IO || status == MP_CORRUPT) pump_stop(ledger, status);
    return status == MP_OK;
}

/* With nothing else to do: releases what has expired, in a block of its own. */
static bool expire(struct mp_ledger *ledger)
{
    struct pump *pump = ledger->pump;

    uint64_t now = max_u64(ledger->env->real_ns(ledger->env->context), ledger->newest.time + 1);

    if (pump->applier.block.open || expiry_next(&ledger->reservations) > now) return false;
    if (!open_block_alone(ledger)) return false;
    drop_empty_block(pump);
    return pump->applier.block.open;
}

static bool seal(struct mp_ledger *ledger)
{
    struct pump *pump = ledger->pump;

    if (pump->sealed || pump->flying || pump->applier.block.open || pump->queue != NULL)
        return false;
    if (!open_block_alone(ledger)) {
        pump->last_activity = now_ns(ledger); /* once more, but later */
        return false;
    }
    block_submit(ledger, DRIVER_CALLER, block_is_empty(&pump->applier.block) ? BLOCK_SEAL : 0);
    ledger->wal.identity.mark = ledger_mark(ledger);
    ledger->wal.identity.newest_time = ledger->wal.last_time;
    if (atomic_load(&ledger->stopped) == 0) {
        mp_status status = ledger_file_write(&ledger->wal);

        if (status != MP_OK) pump_stop(ledger, status);
    }
    return true;
}

/* --- the crank --- */

bool pump_claim(struct pump *pump)
{
    uint32_t free = 0;

    if (atomic_load(&pump->claimed) != 0 ||
        !atomic_compare_exchange_strong(&pump->claimed, &free, 1)) {
        return false;
    }
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &pump->cancel_state);
    return true;
}

bool pump_is_idle(const struct mp_ledger *ledger)
{
    const struct pump *pump = ledger->pump;

    return pump_stack_is_empty(pump) && pump->queue == NULL && pump->aside == NULL &&
           pump->applied == NULL && !pump->flying && !pump->applier.block.open;
}

void pump_unclaim(struct mp_ledger *ledger, enum driver driver)
{
    struct pump *pump = ledger->pump;
    bool idle = pump_is_idle(ledger), sealed = pump->sealed;
    int cancel_state = pump->cancel_state;

    atomic_store(&pump->claimed, 0);
    if (driver == DRIVER_CALLER) { /* the thread looks again by itself */
        bool must_seal = !sealed && atomic_load(&pump->sleeps_long) != 0;

        if (!idle || must_seal || !pump_stack_is_empty(pump)) thread_wake(ledger);
    }
    pthread_setcancelstate(cancel_state, NULL);
}

uint64_t pump_next_wake(struct mp_ledger *ledger)
{
    struct pump *pump = ledger->pump;
    uint64_t wake = pump->sealed ? UINT64_MAX : pump->last_activity + SEAL_AFTER;
    uint64_t expiry = expiry_next(&ledger->reservations);

    if (has_stopped(ledger)) return UINT64_MAX;
    if (expiry != UINT64_MAX) {
        uint64_t real = ledger->env->real_ns(ledger->env->context);
        uint64_t boot = now_ns(ledger);

        wake = min_u64(wake, expiry <= real ? boot + 1000000 : boot + (expiry - real));
    }
    return wake;
}

bool pump_step(struct mp_ledger *ledger, enum driver driver)
{
    struct pump *pump = ledger->pump;
    struct block *block = &pump->applier.block;
    bool worked = false;

    if (UNLIKELY(has_stopped(ledger))) return release_unknown(ledger);
    if (pump->flying) {
        if (driver == DRIVER_CALLER) return false;
        worked = flight_reap(ledger, 0);
        if (worked) release(ledger);
        if (UNLIKELY(has_stopped(ledger))) return true;
    }
    worked |= take(pump);
    worked |= fill(ledger);
    if (pump->queue == NULL && !pump->flying) worked |= expire(ledger);
    if (!pump->flying && block->open) {
        drop_empty_block(pump);
        if (block->open) {
            block_submit(ledger, driver, 0);
            checkpoint_slice(ledger);
            worked = true;
        }
    }
    if (!block->open && checkpoint_slice(ledger)) worked = true;
    worked |= release(ledger);
    if (!worked && driver == DRIVER_THREAD && !pump->sealed && !pump->flying &&
        now_ns(ledger) >= pump->last_activity + SEAL_AFTER) {
        worked = seal(ledger);
    }
    return worked;
}

mp_status mp_step(mp_ledger *ledger, bool *worked)
{
    bool manual = (ledger->flags & MP_OPEN_MANUAL) != 0;
    mp_status status = check_process(ledger);
    bool did;

    if (status != MP_OK) return status;
    if (ledger->pump == NULL) return fail(MP_READ_ONLY, "the ledger was opened with MP_OPEN_READ");
    if (!pump_claim(ledger->pump)) return MP_BUSY;
    did = pump_step(ledger, manual ? DRIVER_THREAD : DRIVER_CALLER);
    if (!did && manual)
        did = flight_reap(ledger, UINT64_MAX); /* nothing else to do: wait for the disk */
    pump_unclaim(ledger, DRIVER_CALLER);
    if (manual) did |= helper_step(ledger);
    if (worked != NULL) *worked = did;
    if (atomic_load(&ledger->stopped) != 0) return fail(MP_STOPPED, "%s", ledger->stop_message);
    return MP_OK;
}
