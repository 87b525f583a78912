/* Counters: written by whoever has the pump, read by anybody with relaxed loads. */
#ifndef LEDGER_STATS_H
#define LEDGER_STATS_H

#include "engine.h"

#define STAT_SET(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)
#define STAT_ADD(field, value) STAT_SET(field, (field) + (value))
#define STAT_GET(field)        __atomic_load_n(&(field), __ATOMIC_RELAXED)

/* Copies the engine's gauges into ledger->stats; the pump is claimed (or nobody else is there). */
void stats_refresh(struct mp_ledger *ledger);

#endif
