/* What the writer's own process can ask of the port: whole requests, and to follow the log. */
#include "ledger/writer.h"

#include <criterion/criterion.h>
#include <string.h>

static struct writer writer;

static void begin(void)
{
    writer_make(&writer);
    writer_accounts(&writer, 4);
}

static void end(void) { writer_free(&writer); }

TestSuite(port, .init = begin, .fini = end);

/* --- whole requests --- */

enum { ASKED_MAX = 8 };

static struct {
    mp_transfer transfers[MP_BATCH_MAX];
    mp_result results[MP_BATCH_MAX];
    mp_request request;
    unsigned done;
    mp_status status;
} asked[ASKED_MAX];
static unsigned order[32], order_count;

static void on_done(void *context, mp_status status)
{
    unsigned i = (unsigned)(uintptr_t)context;

    asked[i].done++;
    asked[i].status = status;
    order[order_count++] = i;
}

/* Asks for `count` transfers with ids from `first` on. */
static void ask(unsigned i, mp_id first, uint32_t count)
{
    for (uint32_t n = 0; n < count; n++)
        asked[i].transfers[n] = (mp_transfer){.id = first + n,
                                              .debit_account_id = 1,
                                              .credit_account_id = 2,
                                              .amount = 1,
                                              .ledger = 7,
                                              .code = 400};
    asked[i].request = (mp_request){.operation = MP_CREATE_TRANSFERS,
                                    .count = count,
                                    .events = asked[i].transfers,
                                    .results = asked[i].results};
    ledger_port_submit(writer.port, &asked[i].request, on_done, (void *)(uintptr_t)i);
    cr_expect_eq(asked[i].done, 0, "done inside the call");
}

Test(port, a_whole_request_of_8190_transfers_is_answered_once_and_in_full)
{
    ask(0, 1000, MP_BATCH_MAX);
    writer_run(&writer);
    cr_assert_eq(asked[0].done, 1);
    cr_expect_eq(asked[0].status, MP_OK);
    for (unsigned i = 0; i < MP_BATCH_MAX; i++)
        cr_assert_eq(asked[0].results[i].result, MP_CREATED, "transfer %u", i);
    cr_expect_eq(writer.port->ops->outstanding(writer.port), 0);
}

Test(port, an_empty_request_is_answered_too)
{
    ask(0, 1000, 0);
    ask(1, 1000, 1);
    writer_run(&writer);
    cr_expect_eq(asked[0].done, 1);
    cr_expect_eq(asked[0].status, MP_OK);
    cr_expect_eq(asked[1].done, 1);
}

Test(port, a_request_that_is_too_large_is_refused_and_others_go_on)
{
    static mp_transfer transfers[MP_BATCH_MAX + 1];
    static mp_result results[MP_BATCH_MAX + 1];

    asked[0].request = (mp_request){.operation = MP_CREATE_TRANSFERS,
                                    .count = MP_BATCH_MAX + 1,
                                    .events = transfers,
                                    .results = results};
    ledger_port_submit(writer.port, &asked[0].request, on_done, (void *)0);
    ask(1, 1000, 1);
    writer_run(&writer);
    cr_expect_eq(asked[0].status, MP_BATCH_TOO_LARGE);
    cr_expect_eq(asked[1].status, MP_OK);
    cr_expect(writer.port->ops->running(writer.port));
}

static unsigned chain_answers;

static void on_answer(void *context, const struct ledger_answer *answer)
{
    (void)context;
    cr_expect(answer->applied);
    chain_answers++;
    order[order_count++] = 100 + (unsigned)answer->command;
}

Test(port, whole_requests_and_chains_are_answered_in_the_order_of_the_ledger)
{
    struct ledger_listener listener = {.answered = on_answer};
    unsigned number = writer.port->ops->listen(writer.port, &listener);
    struct chain chain = {.operation = MP_CREATE_TRANSFERS, .count = 1};

    chain.events.transfers[0] = (mp_transfer){.id = 1,
                                              .debit_account_id = 1,
                                              .credit_account_id = 2,
                                              .amount = 5,
                                              .ledger = 7,
                                              .code = 100};
    ask(0, 1000, 3);
    ledger_send(writer.port, number, &chain, (struct uuid){{0}});
    ask(1, 2000, 3);
    writer_run(&writer);
    cr_assert_eq(order_count, 3);
    cr_expect_eq(order[0], 0);
    cr_expect_eq(order[1], 101);
    cr_expect_eq(order[2], 1);
    cr_expect_lt(asked[0].results[2].timestamp, asked[1].results[0].timestamp);
}

Test(port, when_the_ledger_stops_nobody_waits_for_ever)
{
    sim_crash_at(writer.sim, 1);
    ask(0, 1000, 3);
    writer_run(&writer);
    cr_expect_eq(asked[0].done, 1);
    cr_expect(asked[0].status == MP_UNKNOWN || asked[0].status == MP_STOPPED);
    ask(1, 2000, 3);
    writer_run(&writer);
    cr_expect_eq(asked[1].done, 1);
    cr_expect_neq(asked[1].status, MP_OK);
    cr_expect_not(writer.port->ops->running(writer.port));
}

Test(port, closing_tells_those_who_still_wait)
{
    ask(0, 1000, 3); /* handed over */
    test_loop_run(writer.loop);
    ask(1, 2000, 3); /* not yet */
    ledger_port_close(writer.port);
    writer.port = NULL;
    cr_expect_eq(asked[0].done, 1);
    cr_expect_eq(asked[0].status, MP_OK);
    cr_expect_eq(asked[1].done, 1);
    cr_expect_neq(asked[1].status, MP_OK);
}

/* --- following --- */

static unsigned moved;

static void on_moved(void *context)
{
    (void)context;
    moved++;
}

Test(port, a_follower_is_told_of_what_is_there_and_of_what_comes)
{
    struct ledger_follower follower = {.moved = on_moved};
    mp_log *log;
    mp_record record;

    ledger_port_follow(writer.port, &follower);
    writer_run(&writer);
    cr_expect_gt(moved, 0);
    cr_assert_eq(mp_log_open(writer.ledger, 0, &log), MP_OK);
    while (mp_log_next(log, &record) == MP_OK) continue;
    moved = 0;
    ask(0, 1000, 1);
    writer_run(&writer);
    cr_expect_gt(moved, 0);
    cr_expect_eq(mp_log_next(log, &record), MP_OK, "told before the log had it");
    cr_expect_eq(record.change.transfer.id, 1000);
    mp_log_close(log);
    ledger_port_unfollow(writer.port, &follower);
    moved = 0;
    ask(1, 2000, 1);
    writer_run(&writer);
    cr_expect_eq(moved, 0);
}

/* --- expiries --- */

static mp_id expired[8];
static uint64_t positions[8];
static unsigned expired_count;

static void on_expiry(void *context, const struct ledger_answer *answer)
{
    (void)context;
    if (!answer->expiry) return;
    positions[expired_count] = answer->expiry_position;
    expired[expired_count++] = answer->command;
}

static void listen_behind(uint64_t position)
{
    struct ledger_listener listener = {
        .answered = on_expiry, .code_min = 100, .code_max = 199, .expiry_position = position};

    expired_count = 0;
    writer.port->ops->listen(writer.port, &listener);
    writer_run(&writer);
}

Test(port, no_expiry_is_lost_when_its_block_was_read_in_part)
{
    mp_transfer holds[3];
    mp_result results[3];
    uint64_t first;

    for (unsigned i = 0; i < 3; i++)
        holds[i] = (mp_transfer){.id = 10 + i,
                                 .debit_account_id = 1,
                                 .credit_account_id = 2,
                                 .amount = 1,
                                 .timeout = 1,
                                 .ledger = 7,
                                 .code = 100,
                                 .flags = MP_TRANSFER_PENDING};
    cr_assert_eq(mp_create_transfers(writer.ledger, holds, 3, results), MP_OK);
    writer_pass(&writer, UINT64_C(5000000000));
    listen_behind(0);
    cr_assert_eq(expired_count, 3);
    first = positions[0];
    writer_reopen(&writer); /* the first one was dealt with, the others were not */
    listen_behind(first);
    cr_assert_geq(expired_count, 2); /* the whole block is told again */
    cr_expect_eq(expired[expired_count - 2], 11);
    cr_expect_eq(expired[expired_count - 1], 12);
}

/* --- refusals --- */

static struct ledger_answer last_answer;
static unsigned answer_count;

static void keep_answer(void *context, const struct ledger_answer *answer)
{
    (void)context;
    last_answer = *answer;
    answer_count++;
}

Test(port, what_was_told_refused_is_never_booked_by_a_late_sending)
{
    struct ledger_listener listener = {.answered = keep_answer};
    struct chain capture = {.operation = MP_CREATE_TRANSFERS, .count = 1};
    mp_transfer hold = {.id = 10,
                        .debit_account_id = 1,
                        .credit_account_id = 2,
                        .amount = 10,
                        .ledger = 7,
                        .code = 100,
                        .flags = MP_TRANSFER_PENDING};
    mp_transfer more = {
        .id = 11, .pending_id = 10, .amount = 90, .flags = MP_TRANSFER_INCREASE_PENDING};
    mp_result result;
    unsigned number = writer.port->ops->listen(writer.port, &listener);

    cr_assert_eq(mp_create_transfers(writer.ledger, &hold, 1, &result), MP_OK);
    capture.events.transfers[0] =
        (mp_transfer){.id = 12, .pending_id = 10, .amount = 20, .flags = MP_TRANSFER_POST_PENDING};
    ledger_send(writer.port, number, &capture, (struct uuid){{1}});
    writer_run(&writer);
    cr_assert_eq(answer_count, 1);
    cr_assert(!last_answer.applied);
    cr_assert_eq(last_answer.code, MP_TRANSFER_EXCEEDS_PENDING_TRANSFER_AMOUNT);
    cr_assert_eq(mp_create_transfers(writer.ledger, &more, 1, &result), MP_OK);
    cr_assert_eq(result.result, MP_CREATED);
    ledger_send(writer.port, number, &capture, (struct uuid){{1}}); /* it would be booked now */
    writer_run(&writer);
    cr_assert_eq(answer_count, 2);
    cr_assert(!last_answer.applied, "what was told refused was booked");
    cr_assert_eq(last_answer.code, MP_TRANSFER_ID_BOUND);
}
