/*
 * Order is everything here. What the engine is sent, it applies in that order, so batches may
 * overlap.
 *
 * But the events of a batch are sent only when the accounts it needs are known to be made: a
 * transfer refused for want of an account would bind its id for ever. The accounts are sent while
 * the next batch is read, so the wait is short.
 *
 * And a batch smaller than one under way waits for it: a full disk could refuse the larger and take
 * the smaller, and imported rows left out could not be brought in later.
 */
#include "import.h"

#include "session.h"

#include <stdlib.h>

bool send_begin(struct import *import)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *slot = &import->slots[i];
        slot->events = malloc(MP_BATCH_MAX * event_bytes(import));
        slot->results = malloc(MP_BATCH_MAX * sizeof *slot->results);
        slot->row_capacity = SLOT_ROWS_MAX;
        slot->rows = malloc(slot->row_capacity * sizeof *slot->rows);
        if (slot->events == NULL || slot->results == NULL || slot->rows == NULL) return false;
        if (!import->create_accounts) continue;
        slot->accounts = malloc(SLOT_ACCOUNTS_MAX * sizeof *slot->accounts);
        slot->account_results = malloc(SLOT_ACCOUNTS_MAX * sizeof *slot->account_results);
        slot->account_lines = malloc(SLOT_ACCOUNTS_MAX * sizeof *slot->account_lines);
        if (slot->accounts == NULL || slot->account_results == NULL || slot->account_lines == NULL)
            return false;
    }
    return true;
}

void send_end(struct import *import)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *slot = &import->slots[i];
        free(slot->events);
        free(slot->results);
        free(slot->rows);
        free(slot->accounts);
        free(slot->account_results);
        free(slot->account_lines);
    }
}

bool slot_add_row(struct slot *slot, struct row row)
{
    if (slot->row_count == slot->row_capacity) { /* --batch alone lets a slot grow so large */
        struct row *larger = realloc(slot->rows, 2 * slot->row_capacity * sizeof *larger);
        if (larger == NULL) return false;
        slot->rows = larger;
        slot->row_capacity *= 2;
    }
    slot->rows[slot->row_count++] = row;
    return true;
}

static void retire(struct import *import);

/* Notes that a slot could not be booked. Older ones may have failed, too: the first is told. */
static void fail(struct import *import, mp_status status, const struct slot *slot)
{
    uint64_t line = slot->row_count > 0 ? slot->rows[0].line : 0;

    while (import->under_way > 0 && &import->slots[import->tail] != slot &&
           import->slots[import->tail].state == SLOT_FLYING)
        retire(import);
    if (!import->failed) {
        progress_end(&import->progress);
        (void)session_failed(import->command, status,
                             "%s: stopped at line %llu; the rows before it are booked",
                             import->report.file, (unsigned long long)line);
    }
    import->failed = true;
}

static uint32_t account_requests(const struct slot *slot)
{
    return (slot->account_count + MP_BATCH_MAX - 1) / MP_BATCH_MAX;
}

/* Waits until the accounts of a slot are made. */
static bool wait_accounts(struct import *import, struct slot *slot)
{
    bool made = true;

    for (uint32_t i = 0; i < account_requests(slot); i++) {
        mp_request *request = &slot->account_requests[i];
        if (request->count == 0) continue; /* it couldn't be sent */
        mp_status status = mp_wait(import->ledger, request);
        if (status == MP_OK) continue;
        fail(import, status, slot);
        made = false;
    }
    return made;
}

/* Waits for the oldest slot under way, reports it, frees it. */
static void retire(struct import *import)
{
    struct slot *slot = &import->slots[import->tail];
    mp_status status = MP_OK;

    if (slot->request.operation != 0) status = mp_wait(import->ledger, &slot->request);
    if (status != MP_OK) fail(import, status, slot);
    if (status != MP_OK || slot->unsent) import->cut = true;
    if (!import->cut) report_slot(import, slot);
    slot->state = SLOT_FREE;
    import->tail = (import->tail + 1) % SLOTS;
    import->under_way--;
}

/* Sends a request; waits for older ones if too many are outstanding. */
static bool submit(struct import *import, struct slot *slot, mp_request *request)
{
    mp_status status;

    request->source = 1; /* the rows' order counts: none may overtake another */
    while ((status = mp_submit(import->ledger, request)) == MP_BUSY) {
        if (import->slots[import->tail].state != SLOT_FLYING) break;
        retire(import);
    }
    if (status == MP_OK) return true;
    fail(import, status, slot);
    return false;
}

static void submit_accounts(struct import *import, struct slot *slot)
{
    for (uint32_t i = 0; i < account_requests(slot); i++) {
        uint32_t first = i * MP_BATCH_MAX, left = slot->account_count - first;
        mp_request *request = &slot->account_requests[i];
        *request = (mp_request){
            .operation = MP_CREATE_ACCOUNTS,
            .count = left < MP_BATCH_MAX ? left : MP_BATCH_MAX,
            .events = slot->accounts + first,
            .results = slot->account_results + first,
        };
        if (!submit(import, slot, request)) request->count = 0;
    }
}

/* Whether a slot under way has more events than this. */
static bool larger_under_way(const struct import *import, uint32_t count)
{
    for (unsigned i = 0; i < SLOTS; i++)
        if (import->slots[i].state == SLOT_FLYING && import->slots[i].count > count) return true;
    return false;
}

static void submit_events(struct import *import, struct slot *slot)
{
    slot->request = (mp_request){0};
    if ((slot->count > 0 || slot->send_empty) && !slot->too_large) {
        while (larger_under_way(import, slot->count) &&
               import->slots[import->tail].state == SLOT_FLYING)
            retire(import);
        slot->request = (mp_request){
            .operation = import->accounts ? MP_CREATE_ACCOUNTS : MP_CREATE_TRANSFERS,
            .count = slot->count,
            .events = slot->events,
            .results = slot->results,
        };
        slot->unsent = import->failed || !submit(import, slot, &slot->request);
        if (slot->unsent) slot->request.operation = 0;
    }
    slot->state = SLOT_FLYING;
}

/* Sends the events of the slot that waits for its accounts, if there is one: the newest. */
static void release_held(struct import *import)
{
    struct slot *slot = &import->slots[(import->head + SLOTS - 1) % SLOTS];

    if (import->under_way == 0 || slot->state != SLOT_HELD) return;
    (void)wait_accounts(import, slot);
    submit_events(import, slot);
}

void send_slot(struct import *import)
{
    struct slot *slot = slot_filled(import);

    release_held(import);
    import->head = (import->head + 1) % SLOTS;
    import->under_way++;
    if (slot->account_count > 0 && !import->failed) {
        slot->state = SLOT_HELD;
        submit_accounts(import, slot);
    } else {
        slot->account_count = 0;
        submit_events(import, slot);
    }
    if (import->under_way == SLOTS) retire(import);
    slot = slot_filled(import);
    slot->count = 0;
    slot->row_count = 0;
    slot->account_count = 0;
    slot->too_large = slot->send_empty = slot->unsent = false;
}

void send_finish(struct import *import)
{
    release_held(import);
    while (import->under_way > 0) retire(import);
}
