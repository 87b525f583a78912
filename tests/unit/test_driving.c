/* Who drives a ledger, with the real threads: the ledger's own one sleeps when there is nothing to
 * do, wakes for seals and expiries, and takes over from callers whatever becomes of those. */
#include "env_world.h"

#include <micropay/micropay.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define SECOND UINT64_C(1000000000)

static mp_env wrapped; /* the system's, but for what a test changes */
static mp_ledger *ledger;
static mp_result results[MP_BATCH_MAX];
static mp_transfer events[MP_BATCH_MAX];

static _Atomic uint64_t clock_ahead; /* ns */
static _Atomic int ring_fails;       /* so many of its writes */
static _Atomic int write_waits;      /* 1: the next write of a block is to wait; 2: it does */
static _Atomic uint64_t looks;       /* at the clock or for something to do */

static uint64_t real_ns(void *context) { return env->real_ns(context) + atomic_load(&clock_ahead); }

static uint64_t boot_ns(void *context)
{
    atomic_fetch_add(&looks, 1);
    return env->boot_ns(context);
}

/* A write fails, and a reservation falls due at that very time. It is found by who looks, not by
 * who waits. */
static int ring_reap(void *context, mp_env_ring *ring, mp_env_completion *completions, unsigned max,
                     uint64_t timeout_ns)
{
    int count;

    if (atomic_load(&ring_fails) > 0 && timeout_ns == UINT64_MAX) {
        sched_yield(); /* as if waked */
        return 0;
    }
    count = env->ring_reap(context, ring, completions, max, timeout_ns);
    if (count > 0 && atomic_load(&ring_fails) > 0) {
        atomic_fetch_sub(&ring_fails, 1);
        completions[0].result = -EIO;
        atomic_store(&clock_ahead, 10 * SECOND);
    }
    return count;
}

static int64_t file_write(void *context, int file, const mp_env_piece *pieces, unsigned count,
                          uint64_t offset, bool durable)
{
    if (atomic_load(&write_waits) == 1) {
        atomic_store(&write_waits, 2);
        while (atomic_load(&write_waits) != 0) sched_yield();
    }
    return env->file_write(context, file, pieces, count, offset, durable);
}

static void must(mp_status status)
{
    cr_assert_eq(status, MP_OK, "%s: %s", mp_status_name(status), mp_last_error());
}

static mp_status open_bank(unsigned flags)
{
    mp_options how = {.flags = flags, .env = &wrapped, .memory_max = UINT64_C(64) << 20};

    return mp_open(in("bank"), &how, &ledger);
}

static void open_with_accounts(void)
{
    mp_account accounts[2] = {{.id = 1, .ledger = 1, .code = 1}, {.id = 2, .ledger = 1, .code = 1}};
    mp_options how = {.env = &wrapped};

    set_up();
    wrapped = *env;
    wrapped.real_ns = real_ns;
    wrapped.boot_ns = boot_ns;
    wrapped.ring_reap = ring_reap;
    wrapped.file_write = file_write;
    must(mp_init(in("bank"), &how));
    must(open_bank(0));
    must(mp_create_accounts(ledger, accounts, 2, results));
}

static void close_and_verify(void)
{
    mp_verify_report report;
    mp_status status = mp_close(ledger);

    cr_assert(status == MP_OK || status == MP_STOPPED);
    must(open_bank(0));
    must(mp_close(ledger));
    must(mp_verify(in("bank"), NULL, 0, directory, NULL, NULL, NULL, &report));
    cr_assert_eq(report.problems, 0);
    tear_down();
}

TestSuite(driving, .init = open_with_accounts, .fini = close_and_verify, .timeout = 60);

static mp_transfer payment(mp_id id)
{
    return (mp_transfer){.id = id,
                         .debit_account_id = 1,
                         .credit_account_id = 2,
                         .amount = 1,
                         .ledger = 1,
                         .code = 1};
}

static void reserve(mp_id id, uint32_t timeout)
{
    mp_transfer event = payment(id);

    event.flags = MP_TRANSFER_PENDING;
    event.timeout = timeout;
    must(mp_create_transfers(ledger, &event, 1, results));
    cr_assert_eq(results[0].result, MP_CREATED);
}

static void sleep_ms(unsigned ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

static uint64_t blocks(void)
{
    mp_stats stats;

    mp_read_stats(ledger, &stats);
    return stats.blocks;
}

/* Waits for blocks that nobody asked for, a seal or expiries. */
static void expect_blocks(uint64_t count, const char *what)
{
    for (unsigned i = 0; blocks() < count; i++) {
        cr_assert_lt(i, 500, "%s wasn't written", what);
        sleep_ms(10);
    }
}

/* The log must not go on behind a block that failed, or that block's requests would be told that
 * they are durable. */
Test(driving, nothing_is_written_behind_a_block_that_failed)
{
    mp_request request = {.operation = MP_CREATE_TRANSFERS,
                          .count = MP_BATCH_MAX,
                          .events = events,
                          .results = results};
    mp_balance balance;

    reserve(1, 5);
    for (unsigned i = 0; i < MP_BATCH_MAX; i++) events[i] = payment(100 + i);
    atomic_store(&ring_fails, 1);
    must(mp_submit(ledger, &request));
    while (!mp_done(&request)) sleep_ms(1); /* so that the ledger's thread drives */
    if (atomic_load(&ring_fails) > 0) cr_skip("no ring here");
    cr_assert_eq(mp_wait(ledger, &request), MP_UNKNOWN);
    must(mp_read_balance(ledger, 1, &balance));
    cr_assert(balance.debits_posted == 0 && balance.debits_pending == 1);
}

Test(driving, a_ledger_that_has_stopped_sleeps)
{
    mp_request request = {.operation = MP_CREATE_TRANSFERS,
                          .count = MP_BATCH_MAX,
                          .events = events,
                          .results = results};
    uint64_t before;

    for (unsigned i = 0; i < MP_BATCH_MAX; i++) events[i] = payment(100 + i);
    atomic_store(&ring_fails, 1);
    must(mp_submit(ledger, &request));
    while (!mp_done(&request)) sleep_ms(1);
    if (atomic_load(&ring_fails) > 0) cr_skip("no ring here");
    sleep_ms(50);
    before = atomic_load(&looks);
    sleep_ms(300);
    cr_assert_lt(atomic_load(&looks) - before, 100, "it looks for work again and again");
}

/* The ledger's thread sleeps until a reservation falls due that lies far ahead; callers who drive
 * wake it for what comes sooner. */
Test(driving, a_seal_is_written_though_a_reservation_waits)
{
    mp_transfer event = payment(2);

    reserve(1, 3600);
    expect_blocks(3, "the first seal"); /* accounts, reservation, seal */
    sleep_ms(100);
    cr_assert_eq(blocks(), 3);
    must(mp_create_transfers(ledger, &event, 1, results));
    expect_blocks(5, "the second seal");
}

Test(driving, a_reservation_expires_before_one_that_was_made_earlier)
{
    mp_balance balance;

    reserve(1, 3600);
    expect_blocks(3, "the first seal");
    sleep_ms(100);
    reserve(2, 1);
    for (unsigned i = 0;; i++) {
        must(mp_read_balance(ledger, 1, &balance));
        if (balance.debits_pending == 1) break;
        cr_assert_lt(i, 100, "it never expired");
        sleep_ms(50);
    }
}

/* The clock is set back behind a seal: blocks go on in order all the same, or the log could not be
 * read again. */
Test(driving, a_clock_that_is_set_back_behind_a_seal_leaves_the_log_in_order)
{
    mp_transfer event = payment(1);

    must(mp_create_transfers(ledger, &event, 1, results));
    expect_blocks(3, "the seal"); /* accounts, payment, seal */
    atomic_store(&clock_ahead, (uint64_t) - (10 * (int64_t)SECOND));
    event.id = 2;
    must(mp_create_transfers(ledger, &event, 1, results));
    must(mp_close(ledger));
    must(open_bank(0));
    must(mp_create_transfers(ledger, &event, 1, results));
    cr_assert_eq(results[0].result, MP_TRANSFER_EXISTS);
}

static void *pay_alone(void *argument)
{
    mp_transfer event = payment(1);
    mp_result result;

    (void)argument;
    (void)!mp_create_transfers(ledger, &event, 1, &result);
    return NULL;
}

/* A thread that is to end while it writes for itself doesn't take the ledger with it. */
Test(driving, a_caller_that_is_cancelled_leaves_the_ledger_to_others)
{
    mp_transfer event = payment(2);
    pthread_t thread;

    sleep_ms(100); /* until the seal is written */
    atomic_store(&write_waits, 1);
    cr_assert_eq(pthread_create(&thread, NULL, pay_alone, NULL), 0);
    while (atomic_load(&write_waits) != 2) sched_yield();
    cr_assert_eq(pthread_cancel(thread), 0);
    atomic_store(&write_waits, 0);
    pthread_join(thread, NULL);
    must(mp_create_transfers(ledger, &event, 1, results));
    cr_assert_eq(results[0].result, MP_CREATED);
    event.id = 1;
    must(mp_create_transfers(ledger, &event, 1, results));
    cr_assert_eq(results[0].result, MP_TRANSFER_EXISTS);
}

Test(driving, a_wait_for_nothing_is_refused)
{
    mp_request request = {.operation = MP_CREATE_TRANSFERS};

    cr_assert_eq(mp_wait(ledger, &request), MP_INVALID, "it wasn't handed over");
    must(mp_close(ledger));
    must(open_bank(MP_OPEN_READ));
    cr_assert_eq(mp_wait(ledger, &request), MP_READ_ONLY);
}
