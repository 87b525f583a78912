/* What a batch will touch, looked at before it is applied: hints for applying, records to read
 * ahead. */
#ifndef LEDGER_PROBE_H
#define LEDGER_PROBE_H

#include "apply.h"

/* Fills in a hint for each event and asks applier->fetch for what must come from disk. */
MP_MUST_USE mp_status probe_transfers(struct applier *applier, const mp_transfer *events,
                                      uint32_t count, struct event_hint *hints);
MP_MUST_USE mp_status probe_updates(struct applier *applier, const mp_account_update *events,
                                    uint32_t count);

/* Brings in an event that will be probed soon; then the tables that it is looked up in; then the
 * accounts' lines. */
void probe_prefetch_event(const struct applier *applier, const mp_transfer *event);
void probe_prefetch_tables(const struct applier *applier, const mp_transfer *event);
void probe_prefetch_lines(const struct applier *applier, const mp_transfer *event);

/* What a batch needs at most, judged as if every event were accepted. */
struct demand {
    uint64_t accounts, reservations, ids, undo;
    uint64_t touched; /* accounts' records */
    bool increases;   /* reservations may grow: their amounts may become wide */
    bool large;       /* some amount is 2^48 or more */
    uint64_t bytes;   /* of a block */
};
struct demand demand_of_accounts(const mp_account *events, uint32_t count);
struct demand demand_of_transfers(const mp_transfer *events, uint32_t count);
struct demand demand_of_updates(const mp_account_update *events, uint32_t count);
/* Makes room in every table, or refuses with MP_LIMIT. Nothing is applied. */
MP_MUST_USE mp_status demand_prepare(struct applier *applier, const struct demand *demand);

#endif
