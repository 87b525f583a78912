/* Records that a batch needs from disk are read by the helper, while other batches are applied. */
#include "pump.h"
#include "stats.h"

#include <stdio.h>

bool read_ahead_begin(struct mp_ledger *ledger)
{
    struct pump *pump = ledger->pump;
    struct fetch *fetch = &pump->applier.fetch;

    if (fetch->lent) {
        fetch->missing = false;
        return true;
    }
    if (atomic_load(&pump->ending) != 0) return false;
    STAT_ADD(ledger->stats.slow_prefetch, 1);
    fetch->lent = true;
    atomic_store(&pump->reading, READ_ASKED);
    helper_wake(ledger);
    return true;
}

bool read_ahead_step(struct mp_ledger *ledger)
{
    struct pump *pump = ledger->pump;

    if (!read_ahead_is_asked(pump)) return false;
    pump->reading_status = fetch_read(&pump->applier.fetch, ledger);
    if (pump->reading_status != MP_OK) {
        snprintf(pump->reading_message, sizeof pump->reading_message, "%s", mp_last_error());
    }
    atomic_store(&pump->reading, READ_DONE);
    thread_wake(ledger);
    return true;
}

bool read_ahead_end(struct mp_ledger *ledger)
{
    struct pump *pump = ledger->pump;

    if (!pump->applier.fetch.lent) return true;
    if (!read_ahead_is_done(pump)) return false;
    pump->applier.fetch.lent = false;
    atomic_store(&pump->reading, READ_NOTHING);
    if (pump->reading_status != MP_OK) /* nothing was applied, but the log can't be read */
        pump_stop(ledger, fail(pump->reading_status, "%s", pump->reading_message));
    return true;
}

void read_ahead_drop(struct mp_ledger *ledger)
{
    if (read_ahead_end(ledger)) fetch_clear(&ledger->pump->applier.fetch);
}
