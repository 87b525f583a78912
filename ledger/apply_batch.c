/* A batch: chains, times, results. */
#include "apply.h"

enum { AHEAD = 12 }; /* events between a prefetch and its use */

/* Where a batch stands in its chains. */
struct chain {
    struct applier *applier;
    mp_result *results;
    uint32_t count; /* events of the batch */
    bool active;
    bool broken;
    uint32_t start;
};

enum {
    LINKED_EVENT_FAILED = 1,
    LINKED_EVENT_CHAIN_OPEN = 2
}; /* the same for all kinds of events */
_Static_assert((int)LINKED_EVENT_FAILED == (int)MP_TRANSFER_LINKED_EVENT_FAILED, "");
_Static_assert((int)LINKED_EVENT_FAILED == (int)MP_ACCOUNT_LINKED_EVENT_FAILED, "");
_Static_assert((int)LINKED_EVENT_CHAIN_OPEN == (int)MP_TRANSFER_LINKED_EVENT_CHAIN_OPEN, "");
_Static_assert((int)LINKED_EVENT_CHAIN_OPEN == (int)MP_ACCOUNT_LINKED_EVENT_CHAIN_OPEN, "");

/* Before event i: opens a chain if it is linked; returns the code that decides it already, else 0.
 */
static inline uint32_t chain_enter(struct chain *chain, uint32_t i, bool linked)
{
    if (LIKELY(!linked && !chain->active)) return 0;
    if (linked && !chain->active) {
        chain->active = true;
        chain->broken = false;
        chain->start = i;
        chain_begin(chain->applier);
    }
    if (linked && i == chain->count - 1) return LINKED_EVENT_CHAIN_OPEN;
    return chain->broken ? LINKED_EVENT_FAILED : 0;
}

static void chain_break(struct chain *chain, uint32_t i, struct outcome *outcome)
{
    chain_undo(chain->applier);
    /* Of an `exists` within the chain: the original is gone, and its sequence another's to come. */
    if (outcome->sequence >= chain->applier->block.sequence) outcome->sequence = 0;
    for (uint32_t j = chain->start; j < i; j++) {
        chain->results[j].result = LINKED_EVENT_FAILED;
        chain->results[j].sequence = 0;
        chain->results[j].bound_code = 0;
    }
    chain->broken = true;
}

/* After event i: breaks the chain if it was refused, ends it if it is the last. */
static inline void chain_leave(struct chain *chain, uint32_t i, bool linked,
                               struct outcome *outcome)
{
    if (LIKELY(!chain->active)) return;
    if (outcome->code != MP_CREATED && !chain->broken) chain_break(chain, i, outcome);
    if (!linked || i == chain->count - 1) {
        if (!chain->broken) chain_commit(chain->applier);
        chain->active = false;
    }
}

static inline void result_write(mp_result *result, const struct outcome *outcome, uint64_t time)
{
    result->result = outcome->code;
    result->bound_code = outcome->bound_code;
    result->timestamp = outcome->timestamp != 0 ? outcome->timestamp : time;
    result->sequence = outcome->sequence;
    result->reserved = 0;
}

void apply_bound_id(struct applier *applier, mp_id id, uint64_t hash, uint32_t code, uint64_t time)
{
    uint64_t position;
    struct bound_record *record =
        (struct bound_record *)block_record(&applier->block, applier->tail, 1, &position);

    *record = (struct bound_record){
        .kind = MP_RECORD_BOUND_ID,
        .result = (uint16_t)code,
        .time_offset = (uint32_t)(time - applier->block.time),
        .id = id,
    };
    MP_ASSERT(!applier->in_chain);
    ids_insert(&applier->ledger->ids, hash, ID_OBJECT, position);
    applier->block.sequence++;
    applier->block.count++;
    applier->ledger->counters.ids_bound++;
}

void apply_input_position(struct applier *applier, uint64_t source, uint64_t position)
{
    uint64_t at;
    struct input_position_record *record =
        (struct input_position_record *)block_record(&applier->block, applier->tail, 1, &at);

    *record = (struct input_position_record){
        .kind = MP_RECORD_INPUT_POSITION, .source = source, .position = position};
    applier->block.inputs++;
}

static void batch_begin(struct applier *applier, uint64_t time, bool imported)
{
    applier->batch_time = time;
    applier->batch_imported = imported;
    applier->sums = NULL;
}

static void batch_end(struct applier *applier, uint32_t count)
{
    MP_ASSERT(!applier->in_chain);
    applier->sums = NULL;
    if (count > 0) applier->ledger->newest.time = applier->batch_time + count - 1;
}

void apply_accounts(struct applier *applier, const mp_account *events, uint32_t count,
                    uint64_t time, mp_result *results)
{
    struct chain chain = {.applier = applier, .results = results, .count = count};

    batch_begin(applier, time, count > 0 && (events[0].flags & MP_ACCOUNT_IMPORTED) != 0);
    for (uint32_t i = 0; i < count; i++) {
        bool linked = (events[i].flags & MP_ACCOUNT_LINKED) != 0;
        struct outcome outcome = refused(chain_enter(&chain, i, linked));

        if (outcome.code == 0) outcome = apply_account(applier, &events[i], time + i);
        chain_leave(&chain, i, linked, &outcome);
        result_write(&results[i], &outcome, time + i);
    }
    batch_end(applier, count);
}

PREFETCHES void prefetch_transfer(const struct applier *applier, const struct event_hint *hint)
{
    const struct accounts *accounts = &applier->ledger->accounts;

    ids_prefetch(&applier->ledger->ids, hint->hash);
    if (hint->debit_slot != SLOT_NONE) PREFETCH_WRITE(account_line(accounts, hint->debit_slot));
    if (hint->credit_slot != SLOT_NONE) PREFETCH_WRITE(account_line(accounts, hint->credit_slot));
}

void apply_transfers(struct applier *applier, const mp_transfer *events, uint32_t count,
                     uint64_t time, const struct event_hint *hints, mp_result *results,
                     mp_result_sums *sums)
{
    struct chain chain = {.applier = applier, .results = results, .count = count};

    batch_begin(applier, time, count > 0 && (events[0].flags & MP_TRANSFER_IMPORTED) != 0);
    for (uint32_t i = 0; i < count && i < AHEAD; i++) prefetch_transfer(applier, &hints[i]);
    for (uint32_t i = 0; i < count; i++) {
        bool linked = (events[i].flags & MP_TRANSFER_LINKED) != 0;
        struct outcome outcome = refused(chain_enter(&chain, i, linked));
        bool judged = outcome.code == 0;

        if (LIKELY(i + AHEAD < count)) {
            prefetch_transfer(applier, &hints[i + AHEAD]);
            if (UNLIKELY((events[i + AHEAD].flags & RESOLVES) != 0))
                prefetch_target(applier, &events[i + AHEAD]);
        }
        if (i + AHEAD / 2 < count && UNLIKELY((events[i + AHEAD / 2].flags & RESOLVES) != 0))
            prefetch_reservation(applier, &events[i + AHEAD / 2]);
        if (sums != NULL) applier->sums = &sums[i];
        if (LIKELY(judged)) outcome = apply_transfer(applier, &events[i], time + i, &hints[i]);
        chain_leave(&chain, i, linked, &outcome);
        if (UNLIKELY(outcome.code != MP_CREATED) && judged &&
            mp_transfer_result_binds(outcome.code)) {
            apply_bound_id(applier, events[i].id, hints[i].hash, outcome.code, time + i);
        }
        result_write(&results[i], &outcome, time + i);
    }
    batch_end(applier, count);
}

void apply_updates(struct applier *applier, const mp_account_update *events, uint32_t count,
                   uint64_t time, mp_result *results)
{
    struct chain chain = {.applier = applier, .results = results, .count = count};

    batch_begin(applier, time, false);
    for (uint32_t i = 0; i < count; i++) {
        bool linked = (events[i].flags & MP_UPDATE_LINKED) != 0;
        struct outcome outcome = refused(chain_enter(&chain, i, linked));
        bool judged = outcome.code == 0;

        if (judged) outcome = apply_update(applier, &events[i], time + i);
        chain_leave(&chain, i, linked, &outcome);
        if (outcome.code != MP_CREATED && judged && mp_transfer_result_binds(outcome.code)) {
            apply_bound_id(applier, events[i].id,
                           id_hash(applier->ledger->accounts.hash_secret, events[i].id),
                           outcome.code, time + i);
        }
        result_write(&results[i], &outcome, time + i);
    }
    batch_end(applier, count);
}
