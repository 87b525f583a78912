/* Where ids stand in the log: asked of the writer, or of a reader's own index. */
#include "page_reads.h"
#include "pump.h"
#include "replay.h"
#include "stats.h"

#include <pthread.h>

/* --- readers: one thread at a time takes in what is new --- */

static void reader_claim(struct mp_ledger *ledger)
{
    uint32_t free = 0;

    while (!atomic_compare_exchange_strong(&ledger->refreshing, &free, 1)) {
        free = 0;
        ledger->env->wait(ledger->env->context, &ledger->refresh_word,
                          __atomic_load_n(&ledger->refresh_word, __ATOMIC_SEQ_CST), 1000000);
    }
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &ledger->refresh_cancel_state);
}

static void reader_unclaim(struct mp_ledger *ledger)
{
    int cancel_state = ledger->refresh_cancel_state;

    atomic_store(&ledger->refreshing, 0);
    __atomic_add_fetch(&ledger->refresh_word, 1, __ATOMIC_SEQ_CST);
    ledger->env->wake(ledger->env->context, &ledger->refresh_word, INT32_MAX);
    pthread_setcancelstate(cancel_state, NULL);
}

mp_status mp_refresh(mp_ledger *ledger)
{
    struct wal *wal = &ledger->wal;
    mp_status status = check_process(ledger);

    if (status != MP_OK || ledger->pump != NULL) return status;
    reader_claim(ledger);
    status = read_on(ledger, 0, replay_block_published);
    atomic_store(&ledger->sequence, wal->sequence - 1);
    atomic_store_explicit(&ledger->mark, wal->end, memory_order_release);
    stats_refresh(ledger);
    reader_unclaim(ledger);
    return status;
}

/* --- candidates --- */

static void candidates_of(const struct mp_ledger *ledger, const mp_id *ids, uint32_t count,
                          uint64_t nth, uint64_t *positions)
{
    for (uint32_t i = 0; i < count; i++) {
        struct ids_probe at;

        positions[i] =
            ids_first(&ledger->ids, id_hash(ledger->accounts.hash_secret, ids[i]), ID_OBJECT, &at);
        for (uint64_t skip = nth; skip > 0 && positions[i] != 0; skip--)
            positions[i] = ids_next(&ledger->ids, &at);
    }
}

void find_candidates(struct mp_ledger *ledger, const mp_request *request)
{
    candidates_of(ledger, request->events, request->count, request->source,
                  (uint64_t *)(void *)request->results);
}

static mp_status reader_candidates(struct mp_ledger *ledger, const mp_id *ids, uint32_t count,
                                   uint64_t nth, uint64_t *positions)
{
    mp_status status = MP_OK;

    reader_claim(ledger);
    if (!ledger->ids_loaded) {
        status = load_ids(ledger, ledger->wal.end);
        ledger->ids_loaded = status == MP_OK;
        if (status != MP_OK) { /* not half of them, and not twice */
            mp_status opened;

            ids_close(&ledger->ids);
            opened = ids_open(&ledger->ids, &ledger->memory);
            MP_ASSERT(opened == MP_OK);
        }
    }
    if (status == MP_OK) candidates_of(ledger, ids, count, nth, positions);
    reader_unclaim(ledger);
    return status;
}

static mp_status candidates(struct mp_ledger *ledger, const mp_id *ids, uint32_t count,
                            uint64_t nth, uint64_t *positions)
{
    mp_request request = {.operation = OPERATION_FIND_IDS,
                          .count = count,
                          .events = ids,
                          .results = (mp_result *)(void *)positions,
                          .source = nth};

    if (ledger->pump == NULL) return reader_candidates(ledger, ids, count, nth, positions);
    return mp_execute(ledger, &request);
}

/* --- confirmation --- */

/* What the records at the candidates' positions say. */
struct confirmation {
    const mp_id *ids;
    uint64_t *positions;
    uint32_t strangers; /* candidates that bear another id: a matter of one in a million */
};
#define STRANGER UINT64_MAX

/* A record_fn. */
static mp_status confirm(void *context, uint32_t number, const uint8_t *page,
                         const struct record_view *view)
{
    struct confirmation *confirmation = context;
    mp_id found;

    (void)page;
    memcpy(&found, view->record + 8, sizeof found);
    if (found != confirmation->ids[number]) {
        confirmation->positions[number] = STRANGER;
        confirmation->strangers++;
    } else if (view->record[0] != MP_RECORD_TRANSFER && view->record[0] != MP_RECORD_UPDATE) {
        confirmation->positions[number] = 0; /* a bound id is no object */
    }
    return MP_OK;
}

/* Tries an id's further candidates, one after another. */
static mp_status find_further(struct mp_ledger *ledger, const mp_id *id, uint64_t *position)
{
    mp_status status = MP_OK;

    for (uint64_t nth = 1; *position == STRANGER && status == MP_OK; nth++) {
        struct confirmation confirmation = {.ids = id, .positions = position};

        status = candidates(ledger, id, 1, nth, position);
        if (status == MP_OK) status = read_records(ledger, position, 1, confirm, &confirmation);
    }
    return status;
}

mp_status find_ids(mp_ledger *ledger, const mp_id *ids, uint32_t count, uint64_t *positions)
{
    struct confirmation confirmation = {.ids = ids, .positions = positions};
    mp_status status = candidates(ledger, ids, count, 0, positions);

    if (status == MP_OK) status = read_records(ledger, positions, count, confirm, &confirmation);
    for (uint32_t i = 0; i < count && confirmation.strangers > 0 && status == MP_OK; i++) {
        if (positions[i] == STRANGER) status = find_further(ledger, &ids[i], &positions[i]);
    }
    return status;
}
