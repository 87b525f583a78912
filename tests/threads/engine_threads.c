/* Many callers, readers and a reading ledger beside them at once: what a user would lose if a race
 * were there.
 *
 * Accounts pay each other in a ring, so the sum of all balances is 0 at every instant: each
 * mp_read_many must see that. Threads that end right after their call, asynchronous callers and
 * blocking ones mix. Runs under ThreadSanitizer. */
#include "support/must.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ACCOUNTS = 16, CALLERS = 6, CALLS = 300, BATCH = 20, IN_FLIGHT = 8 };

static mp_ledger *ledger;
static char directory[] = "/tmp/micropay-threads-XXXXXX";
static _Atomic int running = 1;
static _Atomic uint64_t booked;

static mp_transfer payment(unsigned caller, unsigned call, unsigned i)
{
    unsigned from = (caller * 7 + call * 3 + i) % ACCOUNTS;

    return (mp_transfer){.id = MP_U128(caller + 1, (uint64_t)call * BATCH + i + 1),
                         .debit_account_id = from + 1,
                         .credit_account_id = (from + 1 + call % (ACCOUNTS - 1)) % ACCOUNTS + 1,
                         .amount = 1 + i,
                         .ledger = 1,
                         .code = 1};
}

static void *blocking_caller(void *argument)
{
    unsigned caller = (unsigned)(uintptr_t)argument;

    for (unsigned call = 0; call < CALLS; call++) {
        mp_transfer events[BATCH];
        mp_result results[BATCH];

        for (unsigned i = 0; i < BATCH; i++) events[i] = payment(caller, call, i);
        MUST(mp_create_transfers(ledger, events, BATCH, results) == MP_OK);
        for (unsigned i = 0; i < BATCH; i++) MUST(results[i].result == MP_CREATED);
        atomic_fetch_add(&booked, BATCH);
    }
    return NULL;
}

static void *asynchronous_caller(void *argument)
{
    static mp_transfer events[CALLERS][IN_FLIGHT][BATCH];
    static mp_result results[CALLERS][IN_FLIGHT][BATCH];
    mp_request requests[IN_FLIGHT];
    unsigned caller = (unsigned)(uintptr_t)argument;

    memset(requests, 0, sizeof requests);
    for (unsigned call = 0; call < CALLS + IN_FLIGHT; call++) {
        unsigned at = call % IN_FLIGHT;

        if (call >= IN_FLIGHT) {
            MUST(mp_wait(ledger, &requests[at]) == MP_OK);
            for (unsigned i = 0; i < BATCH; i++) MUST(results[caller][at][i].result == MP_CREATED);
            atomic_fetch_add(&booked, BATCH);
        }
        if (call >= CALLS) continue;
        for (unsigned i = 0; i < BATCH; i++) events[caller][at][i] = payment(caller, call, i);
        requests[at] = (mp_request){.operation = MP_CREATE_TRANSFERS,
                                    .count = BATCH,
                                    .events = events[caller][at],
                                    .results = results[caller][at]};
        MUST(mp_submit(ledger, &requests[at]) == MP_OK);
    }
    return NULL;
}

/* After an opening: what was booked is sent again, and each answer needs its record from disk,
 * while other callers send new events alone. */
static void *again_caller(void *argument)
{
    unsigned caller = (unsigned)(uintptr_t)argument;
    bool sends_old = caller < CALLERS / 2;

    for (unsigned call = 0; call < CALLS; call += 3) {
        mp_transfer events[BATCH];
        mp_result results[BATCH];

        for (unsigned i = 0; i < BATCH; i++) {
            bool old = sends_old && i % 2 == 0;

            events[i] = payment(old ? caller : 200 + caller, call, i);
        }
        MUST(mp_create_transfers(ledger, events, BATCH, results) == MP_OK);
        for (unsigned i = 0; i < BATCH; i++) {
            bool old = sends_old && i % 2 == 0;

            MUST(results[i].result == (old ? (uint32_t)MP_TRANSFER_EXISTS : (uint32_t)MP_CREATED));
            if (!old) atomic_fetch_add(&booked, 1);
        }
    }
    return NULL;
}

/* Ends right after its call: what it asked must not die with it. */
static void *short_lived(void *argument)
{
    mp_transfer event = payment(100, (unsigned)(uintptr_t)argument, 0);
    mp_result result;

    MUST(mp_create_transfers(ledger, &event, 1, &result) == MP_OK && result.result == MP_CREATED);
    atomic_fetch_add(&booked, 1);
    return NULL;
}

static void check_sum(mp_ledger *from)
{
    mp_id ids[ACCOUNTS];
    mp_balance balances[ACCOUNTS];
    mp_amount debits = 0, credits = 0;

    for (unsigned i = 0; i < ACCOUNTS; i++) ids[i] = i + 1;
    MUST(mp_read_many(from, ids, ACCOUNTS, balances) == MP_OK);
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        debits += balances[i].debits_posted;
        credits += balances[i].credits_posted;
    }
    MUST(debits == credits);
}

static void *reader(void *argument)
{
    mp_amount before[ACCOUNTS] = {0};

    (void)argument;
    while (atomic_load(&running)) {
        for (unsigned i = 0; i < ACCOUNTS; i++) {
            mp_balance balance;

            MUST(mp_read_balance(ledger, i + 1, &balance) == MP_OK);
            MUST(balance.debits_posted >= before[i]);
            before[i] = balance.debits_posted;
        }
        check_sum(ledger);
    }
    return NULL;
}

static void *looker(void *argument)
{
    (void)argument;
    while (atomic_load(&running)) {
        mp_id ids[3] = {MP_U128(1, 1), MP_U128(999, 1), MP_U128(2, 5)};
        mp_transfer found[3];
        mp_account_filter filter = {.account_id = 1, .limit = 10, .flags = 7};
        mp_transfer rows[10];
        uint32_t count;

        MUST(mp_lookup_transfers(ledger, ids, 3, found, &count) == MP_OK && count <= 2);
        MUST(mp_account_transfers(ledger, &filter, rows, &count) == MP_OK && count <= 10);
    }
    return NULL;
}

static void *other_process(void *argument)
{
    mp_options options = {.flags = MP_OPEN_READ};
    mp_ledger *beside;

    (void)argument;
    MUST(mp_open(directory, &options, &beside) == MP_OK);
    while (atomic_load(&running)) {
        MUST(mp_refresh(beside) == MP_OK);
        check_sum(beside);
        usleep(2000);
    }
    MUST(mp_close(beside) == MP_OK);
    return NULL;
}

static void make_accounts(void)
{
    mp_account accounts[ACCOUNTS] = {0};
    mp_result results[ACCOUNTS];

    for (unsigned i = 0; i < ACCOUNTS; i++)
        accounts[i] = (mp_account){.id = i + 1, .ledger = 1, .code = 1};
    MUST(mp_create_accounts(ledger, accounts, ACCOUNTS, results) == MP_OK);
    for (unsigned i = 0; i < ACCOUNTS; i++) MUST(results[i].result == MP_CREATED);
}

static void run(unsigned flags)
{
    mp_options options = {.flags = flags, .memory_max = 256u << 20, .checkpoint_after = 1u << 20};
    pthread_t callers[CALLERS], readers[3], short_lived_thread;
    char command[128];

    atomic_store(&running, 1);
    atomic_store(&booked, 0);
    memcpy(directory + sizeof directory - 7, "XXXXXX", 6);
    MUST(mkdtemp(directory) != NULL);
    MUST(mp_init(directory, &options) == MP_OK);
    MUST(mp_open(directory, &options, &ledger) == MP_OK);
    make_accounts();
    for (unsigned i = 0; i < CALLERS; i++) {
        MUST(pthread_create(&callers[i], NULL, i % 2 == 0 ? blocking_caller : asynchronous_caller,
                            (void *)(uintptr_t)i) == 0);
    }
    MUST(pthread_create(&readers[0], NULL, reader, NULL) == 0);
    MUST(pthread_create(&readers[1], NULL, looker, NULL) == 0);
    MUST(pthread_create(&readers[2], NULL, other_process, NULL) == 0);
    for (unsigned i = 0; i < 50; i++) {
        MUST(pthread_create(&short_lived_thread, NULL, short_lived, (void *)(uintptr_t)i) == 0);
        MUST(pthread_join(short_lived_thread, NULL) == 0);
    }
    for (unsigned i = 0; i < CALLERS; i++) MUST(pthread_join(callers[i], NULL) == 0);
    atomic_store(&running, 0);
    for (unsigned i = 0; i < 3; i++) MUST(pthread_join(readers[i], NULL) == 0);
    MUST(mp_close(ledger) == MP_OK);

    MUST(mp_open(directory, &options, &ledger) == MP_OK);
    check_sum(ledger);
    for (unsigned i = 0; i < CALLERS; i++) {
        MUST(pthread_create(&callers[i], NULL, again_caller, (void *)(uintptr_t)i) == 0);
    }
    for (unsigned i = 0; i < CALLERS; i++) MUST(pthread_join(callers[i], NULL) == 0);
    check_sum(ledger);
    mp_stats stats;
    mp_read_stats(ledger, &stats);
    MUST(stats.slow_prefetch > 0);
    MUST(stats.transfers == atomic_load(&booked));
    MUST(mp_close(ledger) == MP_OK);
    snprintf(command, sizeof command, "rm -r %s", directory);
    MUST(system(command) == 0);
}

int main(void)
{
    run(0);
    run(MP_OPEN_NO_RING);
    printf("engine_threads: passed\n");
    return 0;
}
