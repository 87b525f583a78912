#include "stats.h"
#include "checkpoint.h"
#include "pump.h"

void stats_refresh(struct mp_ledger *ledger)
{
    mp_stats *stats = &ledger->stats;
    const struct accounts *accounts = &ledger->accounts;

    STAT_SET(stats->transfers, ledger->counters.transfers);
    STAT_SET(stats->updates, ledger->counters.updates);
    STAT_SET(stats->expiries, ledger->counters.expiries);
    STAT_SET(stats->ids_bound, ledger->counters.ids_bound);
    STAT_SET(stats->accounts_max, accounts->max);
    STAT_SET(stats->reservations_open, ledger->reservations.open);
    STAT_SET(stats->reservations_max, ledger->reservations.max);
    STAT_SET(stats->newest_ns, ledger->newest.time);
    STAT_SET(stats->id_entries, ledger->ids.count);
    STAT_SET(stats->id_index_bytes, ids_bytes(&ledger->ids));
    STAT_SET(stats->account_bytes, accounts->lines.committed + accounts->published.committed +
                                       accounts->cold.committed + accounts->rest.committed +
                                       accounts->wide.committed + accounts->chunks.committed +
                                       accounts->table.arena.committed);
    STAT_SET(stats->reservation_bytes, ledger->reservations.slab.committed +
                                           ledger->reservations.wide.committed +
                                           ledger->reservations.table.arena.committed);
}

void mp_read_stats(mp_ledger *ledger, mp_stats *out)
{
    const uint64_t *from = (const uint64_t *)&ledger->stats;
    uint64_t *to = (uint64_t *)out;

    for (size_t i = 0; i < sizeof *out / sizeof *to; i++)
        to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
    out->accounts = atomic_load_explicit(&ledger->accounts.published_count, memory_order_relaxed);
    out->sequence = atomic_load_explicit(&ledger->sequence, memory_order_relaxed);
    out->position = ledger_mark(ledger);
    out->segments = atomic_load_explicit(&ledger->wal.segment_count, memory_order_relaxed);
    out->log_bytes = out->position;
    out->memory_bytes = atomic_load_explicit(&ledger->memory.committed, memory_order_relaxed);
    out->memory_max = ledger->memory.max;
    out->epoch = ledger->wal.identity.epoch;
    out->timeline_high = u128_high(ledger->wal.identity.timeline);
    out->timeline_low = u128_low(ledger->wal.identity.timeline);
    out->disk_reads = atomic_load_explicit(&ledger->wal.disk_reads, memory_order_relaxed);
    out->direct_io = ledger->wal.direct;
    out->stopped = atomic_load_explicit(&ledger->stopped, memory_order_relaxed) != 0;
    if (ledger->pump != NULL) {
        out->outstanding = atomic_load_explicit(&ledger->pump->outstanding, memory_order_relaxed);
    }
    checkpoint_stats(ledger, out);
}
