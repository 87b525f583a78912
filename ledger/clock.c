/* The time that blocks get: the wall clock, guarded against jumps by the time that has passed since
 * boot. */
#include "pump.h"
#include "stats.h"

#define JUMP_MAX (60 * NS_PER_S)
#define GAP_MAX  (400 * 24 * 3600 * NS_PER_S)

void clock_open(struct mp_ledger *ledger)
{
    struct pump *pump = ledger->pump;

    pump->clock_real = ledger->env->real_ns(ledger->env->context);
    pump->clock_boot = ledger->env->boot_ns(ledger->env->context);
}

mp_status clock_check_opening(const struct mp_ledger *ledger)
{
    uint64_t now = ledger->env->real_ns(ledger->env->context);
    uint64_t newest = ledger->wal.last_time;

    if (newest == 0 || (ledger->flags & MP_OPEN_ACCEPT_CLOCK) != 0 || now <= newest ||
        now - newest <= GAP_MAX) {
        return MP_OK;
    }
    return fail(MP_CLOCK,
                "%s: the clock stands %llu days after the newest block; if it is right, open with "
                "--accept-clock "
                "(MP_OPEN_ACCEPT_CLOCK)",
                ledger->wal.directory,
                (unsigned long long)((now - newest) / (24 * 3600 * NS_PER_S)));
}

/* The clock as far as it is believed. */
static uint64_t clock_now(struct mp_ledger *ledger)
{
    struct pump *pump = ledger->pump;
    uint64_t real = ledger->env->real_ns(ledger->env->context);
    uint64_t boot = ledger->env->boot_ns(ledger->env->context);
    uint64_t expected = pump->clock_real + (boot - pump->clock_boot);
    bool accepted = atomic_exchange_explicit(&pump->clock_accept, 0, memory_order_relaxed) != 0;

    if (!accepted && real > expected + JUMP_MAX) {
        STAT_SET(ledger->stats.clock_held, 1);
        return expected;
    }
    STAT_SET(ledger->stats.clock_held, 0);
    if (accepted ||
        real + JUMP_MAX >= expected) { /* a clock that was set back far is not believed to be new */
        pump->clock_real = real;
        pump->clock_boot = boot;
    }
    return real;
}

uint64_t clock_block_time(struct mp_ledger *ledger)
{
    uint64_t now = clock_now(ledger);
    /* A seal may be later than the newest record. */
    uint64_t next = max_u64(ledger->newest.time + 1, ledger->wal.last_time);

    MP_ASSERT(next <= TIME_MAX);
    return min_u64(max_u64(now, next), TIME_MAX);
}

mp_status mp_clock_accept(mp_ledger *ledger)
{
    mp_status status = check_process(ledger);

    if (status != MP_OK) return status;
    if (ledger->pump == NULL)
        return fail(MP_READ_ONLY, "a ledger opened for reading gives no times");
    atomic_store_explicit(&ledger->pump->clock_accept, 1, memory_order_relaxed);
    return MP_OK;
}
