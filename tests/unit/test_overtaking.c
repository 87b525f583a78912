/* A batch that waits for records from disk is overtaken by others, but never by one of its source.
 */
#include "sim_env.h"

#include <criterion/criterion.h>
#include <micropay/micropay.h>
#include <string.h>

enum { FIRST_ID = 1000, BATCH = 40 };

static struct sim *sim;
static mp_ledger *ledger;
static mp_transfer events[4][BATCH];
static mp_result results[4][BATCH];
static mp_request requests[4];

static mp_options options(void)
{
    return (mp_options){
        .flags = MP_OPEN_MANUAL, .env = sim_env(sim), .memory_max = UINT64_C(48) << 20};
}

static mp_transfer transfer(mp_id id)
{
    return (mp_transfer){.id = id,
                         .debit_account_id = 1,
                         .credit_account_id = 2,
                         .amount = 1,
                         .ledger = 1,
                         .code = 1};
}

static void open_ledger(void)
{
    mp_options how = options();

    cr_assert_eq(mp_open("bank", &how, &ledger), MP_OK, "%s", mp_last_error());
}

/* Books ids from FIRST_ID on and opens again: their records are on disk alone. */
static void given_old_transfers(void)
{
    mp_options how;
    mp_account accounts[2] = {{.id = 1, .ledger = 1, .code = 1}, {.id = 2, .ledger = 1, .code = 1}};

    sim = sim_make(1);
    how = options();
    cr_assert_eq(mp_init("bank", &how), MP_OK);
    open_ledger();
    cr_assert_eq(mp_create_accounts(ledger, accounts, 2, results[0]), MP_OK);
    for (unsigned i = 0; i < BATCH; i++) events[0][i] = transfer(FIRST_ID + i);
    cr_assert_eq(mp_create_transfers(ledger, events[0], BATCH, results[0]), MP_OK);
    cr_assert_eq(mp_close(ledger), MP_OK);
    open_ledger();
}

static void close_all(void)
{
    mp_verify_report report;

    cr_assert_eq(mp_close(ledger), MP_OK, "%s", mp_last_error());
    cr_assert_eq(mp_verify("bank", sim_env(sim), 0, ".", NULL, NULL, NULL, &report), MP_OK);
    cr_assert_eq(report.problems, 0);
    sim_free(sim);
}

TestSuite(overtaking, .init = given_old_transfers, .fini = close_all, .timeout = 60);

/* Queues a batch of new transfers, all but the last `old` of them. */
static void queue(unsigned number, uint64_t source, unsigned old)
{
    for (unsigned i = 0; i < BATCH; i++) {
        events[number][i] = transfer(i < BATCH - old ? 10000 * (number + 1) + i : FIRST_ID + i);
    }
    requests[number] = (mp_request){.operation = MP_CREATE_TRANSFERS,
                                    .count = BATCH,
                                    .events = events[number],
                                    .results = results[number],
                                    .source = source};
    cr_assert_eq(mp_submit(ledger, &requests[number]), MP_OK);
}

static void run(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        cr_assert_eq(mp_wait(ledger, &requests[i]), MP_OK, "%s", mp_last_error());
    }
}

static void must_be_answered(unsigned number, unsigned old)
{
    for (unsigned i = 0; i < BATCH; i++) {
        cr_assert_eq(results[number][i].result,
                     i < BATCH - old ? (uint32_t)MP_CREATED : (uint32_t)MP_TRANSFER_EXISTS);
    }
}

static bool came_before(unsigned one, unsigned other)
{
    return results[one][0].sequence < results[other][0].sequence;
}

Test(overtaking, what_needs_the_disk_is_overtaken)
{
    queue(0, 0, 1);
    queue(1, 0, 0);
    run(2);
    must_be_answered(0, 1);
    must_be_answered(1, 0);
    cr_assert(came_before(1, 0));
    mp_stats stats;
    mp_read_stats(ledger, &stats);
    cr_assert_eq(stats.slow_prefetch, 1);
}

Test(overtaking, one_source_keeps_its_order)
{
    queue(0, 7, 1);
    queue(1, 7, 0);
    queue(2, 8, 0);
    queue(3, 7, 2);
    run(4);
    must_be_answered(0, 1);
    must_be_answered(1, 0);
    must_be_answered(2, 0);
    must_be_answered(3, 2);
    cr_assert(came_before(0, 1));
    cr_assert(came_before(1, 3));
    cr_assert(came_before(2, 0));
}

Test(overtaking, several_that_need_the_disk_get_it_in_turn)
{
    queue(0, 0, 3);
    queue(1, 0, BATCH);
    queue(2, 0, 2);
    queue(3, 0, 0);
    run(4);
    must_be_answered(0, 3);
    must_be_answered(1, BATCH);
    must_be_answered(2, 2);
    cr_assert(came_before(3, 0));
    cr_assert(came_before(0, 2));
}

/* While one waits another books the id that it brings too. */
Test(overtaking, what_was_overtaken_sees_what_came_first)
{
    queue(0, 0, 1);
    queue(1, 0, 0);
    events[1][5].id = events[0][5].id;
    run(2);
    cr_assert_eq(results[0][5].result, MP_TRANSFER_EXISTS);
    cr_assert_eq(results[0][5].timestamp, results[1][5].timestamp);
    cr_assert_eq(results[1][5].result, MP_CREATED);
}

Test(overtaking, closing_finishes_what_waits)
{
    queue(0, 0, 1);
    queue(1, 0, 1);
    cr_assert_eq(mp_step(ledger, NULL), MP_OK);
    cr_assert_eq(mp_close(ledger), MP_OK);
    cr_assert(mp_done(&requests[0]) && mp_done(&requests[1]));
    must_be_answered(0, 1);
    must_be_answered(1, 1);
    open_ledger();
}

/* The log can't be read: nobody knows, nothing is booked. */
Test(overtaking, a_failed_read_stops_the_ledger)
{
    sim_fault(sim, &(struct sim_fault){.operations = SIM_READ, .path = "*.wal", .error = -5});
    queue(0, 0, 1);
    cr_assert_eq(mp_wait(ledger, &requests[0]), MP_UNKNOWN);
    cr_assert(strstr(mp_last_error(), ".wal") != NULL, "%s", mp_last_error());
    sim_no_faults(sim);
    cr_assert_eq(mp_close(ledger), MP_STOPPED);
    open_ledger();
    cr_assert_eq(mp_create_transfers(ledger, events[0], BATCH, results[0]), MP_OK);
    must_be_answered(0, 1);
}

/* Else a crash could undo what a caller was told that exists. */
Test(overtaking, who_sees_what_is_in_flight_is_answered_when_it_is_durable)
{
    unsigned in_flight = 0;

    sim_settings(sim)->ring_delay_max = 50;
    for (unsigned round = 0; round < 20; round++) {
        const mp_id first = 100000 * (round + 1);
        mp_transfer found;
        uint32_t count;
        bool worked = true;

        queue(0, 0, 0);
        queue(1, 0, 0);
        for (unsigned i = 0; i < BATCH; i++) events[0][i].id = events[1][i].id = first + i;
        run(2); /* together: the second one exists already */
        for (unsigned i = 0; i < BATCH; i++) cr_assert_eq(results[1][i].result, MP_TRANSFER_EXISTS);

        while (worked) cr_assert_eq(mp_step(ledger, &worked), MP_OK); /* nothing is in flight */
        queue(0, 0, 0);
        for (unsigned i = 0; i < BATCH; i++) events[0][i].id = first + 1000 + i;
        cr_assert_eq(mp_step(ledger, NULL), MP_OK);
        queue(1, 0, 0);
        memcpy(events[1], events[0], sizeof events[1]);
        cr_assert_eq(mp_step(ledger, NULL), MP_OK); /* while the first one is in flight */
        in_flight += !mp_done(&requests[0]);
        cr_assert(mp_done(&requests[0]) || !mp_done(&requests[1]));
        run(2);
        for (unsigned i = 0; i < BATCH; i++) cr_assert_eq(results[1][i].result, MP_TRANSFER_EXISTS);

        queue(0, 0, 0);
        for (unsigned i = 0; i < BATCH; i++) events[0][i].id = first + 2000 + i;
        cr_assert_eq(mp_step(ledger, NULL), MP_OK);
        cr_assert_eq(mp_lookup_transfers(ledger, &events[0][0].id, 1, &found, &count), MP_OK);
        cr_assert(count == 1 && mp_done(&requests[0]));
        run(1);
    }
    cr_assert_gt(in_flight, 5);
}
