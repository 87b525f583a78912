/* Chains side by side in one request to the engine. */
#include "ledger/batches.h"

#include "wire/buffer.h"

#include <stdlib.h>
#include <string.h>

size_t operation_event_size(uint32_t operation)
{
    return operation == MP_UPDATE_ACCOUNTS   ? sizeof(mp_account_update)
           : operation == MP_CREATE_ACCOUNTS ? sizeof(mp_account)
                                             : sizeof(mp_transfer);
}

struct batch *batch_make(void) { return need_memory(sizeof(struct batch)); }

void batch_free(struct batch *batch)
{
    for (uint32_t i = 0; i < batch->entry_count; i++) free(batch->entries[i].refusal);
    free(batch->events);
    free(batch->results);
    free(batch->sums);
    free(batch->entries);
    free(batch);
}

bool batch_has_room(const struct batch *batch, uint32_t events)
{
    return batch->request.count + events <= MP_BATCH_MAX;
}

static void grow(struct batch *batch, uint32_t events)
{
    if (batch->entry_count == batch->entry_room) {
        batch->entry_room = batch->entry_room == 0 ? 16 : batch->entry_room * 2;
        batch->entries =
            need_more_memory(batch->entries, batch->entry_room * sizeof *batch->entries);
    }
    if (batch->request.count + events <= batch->event_room) return;
    batch->event_room = batch->event_room == 0 ? 32 : batch->event_room * 2;
    batch->events = need_more_memory(batch->events, batch->event_room * sizeof(mp_transfer));
    batch->results = need_more_memory(batch->results, batch->event_room * sizeof *batch->results);
    batch->sums = need_more_memory(batch->sums, batch->event_room * sizeof *batch->sums);
}

struct entry *batch_add(struct batch *batch, const struct chain *chain)
{
    size_t size = operation_event_size(chain->operation);
    struct entry *entry;

    grow(batch, chain->count);
    memcpy(batch->events + batch->request.count * size, &chain->events, chain->count * size);
    entry = &batch->entries[batch->entry_count++];
    *entry = (struct entry){.first = batch->request.count, .count = chain->count};
    batch->request.operation = chain->operation;
    batch->request.count += chain->count;
    return entry;
}

void batch_chain(const struct batch *batch, const struct entry *entry, struct chain *out)
{
    size_t size = operation_event_size(batch->request.operation);

    memset(out, 0, sizeof *out);
    out->operation = batch->request.operation;
    out->count = entry->count;
    memcpy(&out->events, batch->events + entry->first * size, entry->count * size);
}
