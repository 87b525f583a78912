#include "probe.h"

enum { AHEAD = 16 };

static inline uint64_t hash_of(const struct applier *applier, mp_id id)
{
    return id_hash(applier->ledger->accounts.hash_secret, id);
}

/* Asks for every candidate of an id that isn't in memory. */
static mp_status want(struct applier *applier, uint64_t hash, enum id_tag tag)
{
    struct ids_probe probe;
    uint64_t candidate = ids_first(&applier->ledger->ids, hash, tag, &probe);

    for (; candidate != 0; candidate = ids_next(&applier->ledger->ids, &probe)) {
        if (!record_at_hand(applier->ledger, &applier->fetch, candidate)) {
            mp_status status = fetch_want(&applier->fetch, candidate);

            if (status != MP_OK) return status;
        }
    }
    return MP_OK;
}

/* What a post, void, increase or reversal refers to. What the batch itself closes lies in the tail
 * by then. An open reservation's accounts go into the hint, to be brought in again. */
static mp_status want_target(struct applier *applier, const mp_transfer *event,
                             struct event_hint *hint)
{
    const struct reservations *reservations = &applier->ledger->reservations;
    uint64_t hash = hash_of(applier, event->pending_id);
    bool reverses = (event->flags & MP_TRANSFER_REVERSAL) != 0;
    uint32_t slot = reverses ? SLOT_NONE : reservations_find(reservations, event->pending_id, hash);
    mp_status status;

    if (slot != SLOT_NONE) {
        hint->debit_slot = reservation_at(reservations, slot)->debit_slot;
        hint->credit_slot = reservation_at(reservations, slot)->credit_slot;
        return MP_OK;
    }
    status = want(applier, hash, ID_OBJECT);
    if (status == MP_OK) status = want(applier, hash, reverses ? ID_REVERSED : ID_CLOSED);
    return status;
}

/* Brings in the line of the account that a bucket, fetched before, names. */
PREFETCHES void prefetch_line(const struct accounts *accounts, uint64_t hash)
{
    struct slot_probe probe;
    uint32_t slot = slot_table_first(&accounts->table, hash, &probe);

    if (slot != SLOT_NONE) PREFETCH_WRITE(account_line(accounts, slot));
}

PREFETCHES void hint_prefetch(const struct applier *applier, const mp_transfer *event,
                              struct event_hint *hint, uint64_t *debit_hash, uint64_t *credit_hash)
{
    const struct mp_ledger *ledger = applier->ledger;

    hint->hash = hash_of(applier, event->id);
    *debit_hash = hash_of(applier, event->debit_account_id);
    *credit_hash = hash_of(applier, event->credit_account_id);
    ids_prefetch(&ledger->ids, hint->hash);
    slot_table_prefetch(&ledger->accounts.table, *debit_hash);
    slot_table_prefetch(&ledger->accounts.table, *credit_hash);
    if (UNLIKELY((event->flags & RESOLVES) != 0)) prefetch_target(applier, event);
}

void probe_prefetch_event(const struct applier *applier, const mp_transfer *event)
{
    (void)applier;
    PREFETCH(event);
    PREFETCH((const uint8_t *)event + 64);
}

void probe_prefetch_tables(const struct applier *applier, const mp_transfer *event)
{
    struct event_hint hint;
    uint64_t debit_hash, credit_hash;

    hint_prefetch(applier, event, &hint, &debit_hash, &credit_hash);
}

void probe_prefetch_lines(const struct applier *applier, const mp_transfer *event)
{
    const struct accounts *accounts = &applier->ledger->accounts;

    prefetch_line(accounts, hash_of(applier, event->debit_account_id));
    prefetch_line(accounts, hash_of(applier, event->credit_account_id));
}

mp_status probe_transfers(struct applier *applier, const mp_transfer *events, uint32_t count,
                          struct event_hint *hints)
{
    const uint16_t referring = MP_TRANSFER_POST_PENDING | MP_TRANSFER_VOID_PENDING |
                               MP_TRANSFER_INCREASE_PENDING | MP_TRANSFER_REVERSAL;
    const struct mp_ledger *ledger = applier->ledger;
    uint64_t debit_hashes[AHEAD], credit_hashes[AHEAD];
    mp_status status = MP_OK;

    for (uint32_t i = 0; i < count + AHEAD && status == MP_OK; i++) {
        if (LIKELY(i >= AHEAD / 2 && i < count + AHEAD / 2)) {
            uint32_t middle = (i - AHEAD / 2) % AHEAD;

            if (UNLIKELY((events[i - AHEAD / 2].flags & RESOLVES) != 0))
                prefetch_reservation(applier, &events[i - AHEAD / 2]);
            prefetch_line(&ledger->accounts, debit_hashes[middle]);
            prefetch_line(&ledger->accounts, credit_hashes[middle]);
        }
        if (LIKELY(i >= AHEAD)) {
            uint32_t now = i - AHEAD;
            const mp_transfer *event = &events[now];
            struct ids_probe probe;

            hints[now].debit_slot = accounts_find(&ledger->accounts, event->debit_account_id,
                                                  debit_hashes[now % AHEAD]);
            hints[now].credit_slot = accounts_find(&ledger->accounts, event->credit_account_id,
                                                   credit_hashes[now % AHEAD]);
            if (UNLIKELY(ids_first(&ledger->ids, hints[now].hash, ID_OBJECT, &probe) != 0)) {
                status = want(applier, hints[now].hash, ID_OBJECT);
            }
            if (status == MP_OK && (event->flags & referring) != 0)
                status = want_target(applier, event, &hints[now]);
        }
        if (LIKELY(i < count)) {
            hint_prefetch(applier, &events[i], &hints[i], &debit_hashes[i % AHEAD],
                          &credit_hashes[i % AHEAD]);
        }
    }
    return status;
}

mp_status probe_updates(struct applier *applier, const mp_account_update *events, uint32_t count)
{
    mp_status status = MP_OK;

    for (uint32_t i = 0; i < count && status == MP_OK; i++) {
        status = want(applier, hash_of(applier, events[i].id), ID_OBJECT);
    }
    return status;
}

/* --- demand --- */

static uint64_t pages_bytes(uint64_t records, unsigned units)
{
    uint64_t per_page = PAGE_UNITS / units;

    return ((records + per_page - 1) / per_page + 1) * PAGE_SIZE;
}

struct demand demand_of_accounts(const mp_account *events, uint32_t count)
{
    struct demand demand = {.accounts = count, .bytes = pages_bytes(count, 3)};

    for (uint32_t i = 0; i < count; i++) {
        if ((events[i].flags & MP_ACCOUNT_LINKED) != 0) demand.undo++;
    }
    return demand;
}

struct demand demand_of_transfers(const mp_transfer *events, uint32_t count)
{
    const uint16_t twice =
        MP_TRANSFER_POST_PENDING | MP_TRANSFER_VOID_PENDING | MP_TRANSFER_REVERSAL;
    struct demand demand = {.ids = count,
                            .touched = 2 * (uint64_t)count,
                            .bytes = pages_bytes(count, RECORD_UNITS_MAX)};
    mp_amount amounts = 0;

    for (uint32_t i = 0; i < count; i++) {
        demand.reservations += (events[i].flags & MP_TRANSFER_PENDING) != 0;
        demand.ids += (events[i].flags & twice) != 0;
        demand.undo += (events[i].flags & MP_TRANSFER_LINKED) != 0;
        demand.increases |= (events[i].flags & MP_TRANSFER_INCREASE_PENDING) != 0;
        amounts |= events[i].amount;
    }
    demand.large = amounts >> 48 != 0;
    return demand;
}

struct demand demand_of_updates(const mp_account_update *events, uint32_t count)
{
    struct demand demand = {.ids = count, .touched = count, .bytes = pages_bytes(count, 5)};

    for (uint32_t i = 0; i < count; i++) demand.undo += (events[i].flags & MP_UPDATE_LINKED) != 0;
    return demand;
}

mp_status demand_prepare(struct applier *applier, const struct demand *demand)
{
    struct mp_ledger *ledger = applier->ledger;
    uint64_t undo = demand->undo == 0 ? 0 : (demand->undo * 2 + 1) * UNDO_PER_EVENT;
    mp_status status;

    ledger->accounts.waiting = applier->block.open ? 2 * (uint64_t)applier->block.count : 0;
    status = accounts_prepare(&ledger->accounts, demand->accounts, demand->touched, demand->large);

    if (status == MP_OK) status = ids_prepare(&ledger->ids, demand->ids);
    if (status == MP_OK && (demand->reservations > 0 || demand->increases)) {
        status = reservations_prepare(&ledger->reservations, demand->reservations);
    }
    if (status == MP_OK && undo > 0)
        status = arena_commit(&applier->undo, undo * sizeof(struct undo));
    return status;
}
