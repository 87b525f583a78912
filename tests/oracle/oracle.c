/* The oracle's tables, its batches, and the undoing of chains. */
#include "oracle_state.h"

#include <stdlib.h>
#include <string.h>

static void *or_die(void *memory)
{
    if (memory == NULL) abort();
    return memory;
}

void *oracle_room(void *array, uint32_t count, uint32_t *room, size_t size)
{
    if (count < *room) return array;
    *room = *room == 0 ? 64 : *room * 2;
    return or_die(realloc(array, *room * size));
}

static void ids_begin(struct id_table *table)
{
    for (uint32_t i = 0; i < BUCKETS; i++) table->buckets[i] = NONE;
}

oracle *oracle_new(void)
{
    oracle *o = or_die(calloc(1, sizeof(*o)));

    ids_begin(&o->account_ids);
    ids_begin(&o->ids);
    return o;
}

void oracle_free(oracle *o)
{
    if (o == NULL) return;
    free(o->accounts);
    free(o->transfers);
    free(o->fates);
    free(o->changes);
    free(o->account_ids.entries);
    free(o->ids.entries);
    free(o);
}

static uint32_t bucket(mp_id id)
{
    uint64_t mixed = ((uint64_t)id ^ (uint64_t)(id >> 64) * 31) * UINT64_C(0x9E3779B97F4A7C15);

    return (uint32_t)(mixed >> 48) % BUCKETS;
}

struct id_entry *oracle_id_find(const struct id_table *table, mp_id id)
{
    for (uint32_t i = table->buckets[bucket(id)]; i != NONE; i = table->entries[i].next)
        if (table->entries[i].id == id) return &table->entries[i];
    return NULL;
}

struct id_entry *oracle_id_take(struct id_table *table, mp_id id, enum holder holder,
                                uint32_t number)
{
    uint32_t *head = &table->buckets[bucket(id)];
    struct id_entry *entry;

    table->entries = oracle_room(table->entries, table->count, &table->room, sizeof(*entry));
    entry = &table->entries[table->count];
    *entry = (struct id_entry){.id = id, .holder = holder, .number = number, .next = *head};
    *head = table->count++;
    return entry;
}

/* The newest entries are the heads of their buckets. */
void oracle_id_cut(struct id_table *table, uint32_t count)
{
    while (table->count > count) {
        struct id_entry *entry = &table->entries[--table->count];
        table->buckets[bucket(entry->id)] = entry->next;
    }
}

uint32_t oracle_account_number(const struct oracle *o, mp_id id)
{
    struct id_entry *entry = oracle_id_find(&o->account_ids, id);

    return entry == NULL ? NONE : entry->number;
}

uint32_t oracle_transfer_number(const struct oracle *o, mp_id id)
{
    struct id_entry *entry = oracle_id_find(&o->ids, id);

    return entry == NULL || entry->holder != TRANSFER ? NONE : entry->number;
}

/* --- chains --- */

static void *copy_of(const void *array, size_t size)
{
    void *copy = or_die(malloc(size + 1));

    if (size > 0) memcpy(copy, array, size);
    return copy;
}

static struct snapshot snapshot_take(const struct oracle *o)
{
    return (struct snapshot){
        .accounts = copy_of(o->accounts, o->account_count * sizeof(*o->accounts)),
        .fates = copy_of(o->fates, o->transfer_count * sizeof(*o->fates)),
        .account_count = o->account_count,
        .transfer_count = o->transfer_count,
        .change_count = o->change_count,
        .account_id_count = o->account_ids.count,
        .id_count = o->ids.count,
        .newest_account = o->newest_account,
        .newest_transfer = o->newest_transfer,
        .newest_change = o->newest_change,
        .sequence = o->sequence,
        .updates = o->updates,
    };
}

static void snapshot_drop(struct snapshot *snapshot)
{
    free(snapshot->accounts);
    free(snapshot->fates);
}

static void snapshot_restore(struct oracle *o, const struct snapshot *s)
{
    if (s->account_count > 0)
        memcpy(o->accounts, s->accounts, s->account_count * sizeof(*o->accounts));
    if (s->transfer_count > 0) memcpy(o->fates, s->fates, s->transfer_count * sizeof(*o->fates));
    o->account_count = s->account_count;
    o->transfer_count = s->transfer_count;
    o->change_count = s->change_count;
    oracle_id_cut(&o->account_ids, s->account_id_count);
    oracle_id_cut(&o->ids, s->id_count);
    o->newest_account = s->newest_account;
    o->newest_transfer = s->newest_transfer;
    o->newest_change = s->newest_change;
    o->sequence = s->sequence;
    o->updates = s->updates;
}

/* --- batches --- */

/* A batch of any operation. */
struct batch {
    uint32_t operation;
    const void *events;
    uint32_t count;
    mp_result *results;
    mp_result_sums *sums;
};

static bool is_linked(const struct batch *batch, uint32_t i)
{
    switch (batch->operation) {
    case MP_CREATE_ACCOUNTS:
        return (((const mp_account *)batch->events)[i].flags & MP_ACCOUNT_LINKED) != 0;
    case MP_CREATE_TRANSFERS:
        return (((const mp_transfer *)batch->events)[i].flags & MP_TRANSFER_LINKED) != 0;
    default: return (((const mp_account_update *)batch->events)[i].flags & MP_UPDATE_LINKED) != 0;
    }
}

/* The first event decides, accepted or not. */
static bool is_imported(const struct batch *batch)
{
    if (batch->count == 0) return false;
    switch (batch->operation) {
    case MP_CREATE_ACCOUNTS:
        return (((const mp_account *)batch->events)->flags & MP_ACCOUNT_IMPORTED) != 0;
    case MP_CREATE_TRANSFERS:
        return (((const mp_transfer *)batch->events)->flags & MP_TRANSFER_IMPORTED) != 0;
    default: return false;
    }
}

static void sums_tell(const struct oracle *o, mp_result_sums *sums)
{
    const struct change *change = &o->changes[o->change_count - 1];

    sums->debit = change->seen.debit;
    sums->credit = change->seen.credit;
}

static uint32_t apply(struct oracle *o, const struct batch *batch, uint32_t i,
                      const struct place *place)
{
    mp_result *result = &batch->results[i];
    uint32_t code;

    switch (batch->operation) {
    case MP_CREATE_ACCOUNTS:
        return oracle_account_create(o, (const mp_account *)batch->events + i, place, result);
    case MP_CREATE_TRANSFERS:
        code = oracle_transfer_create(o, (const mp_transfer *)batch->events + i, place, result);
        if (code == MP_CREATED && batch->sums != NULL) sums_tell(o, &batch->sums[i]);
        return code;
    default:
        return oracle_account_update(o, (const mp_account_update *)batch->events + i, place,
                                     result);
    }
}

static mp_id id_of(const struct batch *batch, uint32_t i)
{
    return batch->operation == MP_CREATE_TRANSFERS
               ? ((const mp_transfer *)batch->events)[i].id
               : ((const mp_account_update *)batch->events)[i].id;
}

static bool is_transient(uint32_t code)
{
    switch (code) {
    case MP_TRANSFER_DEBIT_ACCOUNT_NOT_FOUND:
    case MP_TRANSFER_CREDIT_ACCOUNT_NOT_FOUND:
    case MP_TRANSFER_PENDING_TRANSFER_NOT_FOUND:
    case MP_TRANSFER_REVERSED_TRANSFER_NOT_FOUND:
    case MP_TRANSFER_DEBIT_ACCOUNT_ALREADY_CLOSED:
    case MP_TRANSFER_CREDIT_ACCOUNT_ALREADY_CLOSED:
    case MP_TRANSFER_DEBIT_ACCOUNT_FROZEN:
    case MP_TRANSFER_CREDIT_ACCOUNT_FROZEN:
    case MP_TRANSFER_EXCEEDS_CREDITS:
    case MP_TRANSFER_EXCEEDS_DEBITS:
    case MP_TRANSFER_ID_BOUND:
    case MP_TRANSFER_ACCOUNT_NOT_FOUND:
    case MP_TRANSFER_ACCOUNT_NOT_EMPTY: return true;
    default: return false;
    }
}

static void bind_if_transient(struct oracle *o, const struct batch *batch, uint32_t i)
{
    mp_result *result = &batch->results[i];
    struct id_entry *entry;

    if (batch->operation == MP_CREATE_ACCOUNTS || !is_transient(result->result)) return;
    entry = oracle_id_take(&o->ids, id_of(batch, i), BOUND, NONE);
    entry->bound_code = result->result;
    entry->sequence = ++o->sequence;
    result->sequence = entry->sequence;
    o->bound++;
}

static void fail_chain(mp_result *results, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        results[i].result = MP_TRANSFER_LINKED_EVENT_FAILED;
        results[i].sequence = 0;
    }
}

static void run(struct oracle *o, const struct batch *batch, uint64_t first)
{
    struct place place = {.first = first, .imported = is_imported(batch)};
    struct snapshot before = {0};
    uint32_t chain = NONE; /* the event that began it */
    bool broken = false;

    for (uint32_t i = 0; i < batch->count; i++) {
        mp_result *result = &batch->results[i];
        bool linked = is_linked(batch, i), last = i == batch->count - 1;

        place.now = first + i;
        *result = (mp_result){.timestamp = place.now};
        if (linked && chain == NONE) {
            chain = i;
            broken = false;
            before = snapshot_take(o);
        }

        if (linked && last)
            result->result = MP_TRANSFER_LINKED_EVENT_CHAIN_OPEN;
        else if (chain != NONE && broken)
            result->result = MP_TRANSFER_LINKED_EVENT_FAILED;
        else
            result->result = apply(o, batch, i, &place);

        if (chain != NONE && !broken && result->result != MP_CREATED) {
            broken = true;
            snapshot_restore(o, &before);
            fail_chain(batch->results, chain, i);
            if (result->sequence > o->sequence) result->sequence = 0; /* of an original undone */
        }
        bind_if_transient(o, batch, i);
        if (chain != NONE && (!linked || last)) {
            chain = NONE;
            snapshot_drop(&before);
        }
    }
    if (batch->count > 0) o->last = first + batch->count - 1;
}

mp_status oracle_create_accounts(oracle *o, uint64_t first, const mp_account *events,
                                 uint32_t count, mp_result *results)
{
    struct batch batch = {MP_CREATE_ACCOUNTS, events, count, results, NULL};

    if (count > MP_BATCH_MAX) return MP_BATCH_TOO_LARGE;
    run(o, &batch, first);
    return MP_OK;
}

mp_status oracle_create_transfers(oracle *o, uint64_t first, const mp_transfer *events,
                                  uint32_t count, mp_result *results, mp_result_sums *sums)
{
    struct batch batch = {MP_CREATE_TRANSFERS, events, count, results, sums};

    if (count > MP_BATCH_MAX) return MP_BATCH_TOO_LARGE;
    run(o, &batch, first);
    return MP_OK;
}

mp_status oracle_update_accounts(oracle *o, uint64_t first, const mp_account_update *events,
                                 uint32_t count, mp_result *results)
{
    struct batch batch = {MP_UPDATE_ACCOUNTS, events, count, results, NULL};

    if (count > MP_BATCH_MAX) return MP_BATCH_TOO_LARGE;
    run(o, &batch, first);
    return MP_OK;
}

/* --- time --- */

uint64_t oracle_block_time(const oracle *o, uint64_t clock_ns)
{
    return clock_ns > o->last ? clock_ns : o->last + 1;
}

uint64_t oracle_begin(oracle *o, uint64_t clock_ns)
{
    uint64_t time = oracle_block_time(o, clock_ns);

    return time + oracle_expire(o, time, ORACLE_EXPIRIES_MAX);
}
