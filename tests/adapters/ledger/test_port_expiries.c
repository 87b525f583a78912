/* Expiries that the port tells, and tells again in the next life. */
#include "ledger/port.h"

#include "support/test_loop.h"

#include <criterion/criterion.h>
#include <sim_env.h>

#define SECOND UINT64_C(1000000000)

static struct sim *sim;
static mp_ledger *ledger;
static struct loop *loop;
static struct ledger_port *port;

static struct heard {
    unsigned count;
    struct ledger_answer last[32];
} heard[2];

static void on_answer(void *context, const struct ledger_answer *answer)
{
    struct heard *to = context;

    cr_assert(answer->expiry);
    cr_assert_lt(to->count, 32);
    to->last[to->count++] = *answer;
}

static void run(void)
{
    bool more = true;

    while (more) {
        cr_assert_eq(mp_step(ledger, &more), MP_OK);
        more |= ledger_port_drive(port);
        more |= test_loop_run(loop) > 0;
    }
}

static void open_port(void)
{
    struct error err;

    loop = test_loop_make(NULL);
    cr_assert_eq(ledger_port_open(loop, ledger, &port, &err), OUTCOME_DONE);
}

static void close_port(void)
{
    ledger_port_close(port);
    test_loop_free(loop);
}

static void begin(void)
{
    mp_options options = {.flags = MP_OPEN_MANUAL, .memory_max = 64 << 20};
    mp_account accounts[2] = {{.id = 1, .ledger = 1, .code = 1}, {.id = 2, .ledger = 1, .code = 1}};
    mp_result results[2];

    sim = sim_make(1);
    options.env = sim_env(sim);
    cr_assert_eq(mp_init("ledger", &options), MP_OK);
    cr_assert_eq(mp_open("ledger", &options, &ledger), MP_OK);
    cr_assert_eq(mp_create_accounts(ledger, accounts, 2, results), MP_OK);
    open_port();
}

static void end(void)
{
    close_port();
    mp_close(ledger);
    sim_free(sim);
}

static void listen_from(unsigned who, uint64_t position, uint16_t code)
{
    struct ledger_listener listener = {.answered = on_answer,
                                       .context = &heard[who],
                                       .code_min = code,
                                       .code_max = code,
                                       .expiry_position = position};

    port->ops->listen(port, &listener);
}

/* Reservations that all expire a second later, of a code each. */
static void reserve(unsigned first, unsigned count, uint16_t code)
{
    for (unsigned i = 0; i < count; i++) {
        mp_transfer hold = {.id = 100 + first + i,
                            .debit_account_id = 1,
                            .credit_account_id = 2,
                            .amount = 10 + i,
                            .user_data_128 = 7,
                            .timeout = 1,
                            .ledger = 1,
                            .code = code,
                            .flags = MP_TRANSFER_PENDING};
        mp_result result;

        cr_assert_eq(mp_create_transfers(ledger, &hold, 1, &result), MP_OK);
        cr_assert_eq(result.result, MP_CREATED);
    }
}

TestSuite(port_expiries, .init = begin, .fini = end);

Test(port_expiries, each_is_told_once_in_order_to_whom_it_concerns)
{
    listen_from(0, 0, 200);
    listen_from(1, 0, 100);
    reserve(0, 3, 200);
    reserve(3, 2, 100);
    sim_pass(sim, 3 * SECOND);
    run();
    cr_assert_eq(heard[0].count, 3);
    cr_assert_eq(heard[1].count, 2);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq((unsigned)heard[0].last[i].command, 100 + i);
        cr_assert_eq((unsigned)heard[0].last[i].amount, 10 + i);
    }
    run();
    cr_assert_eq(heard[0].count, 3);
}

Test(port_expiries, none_of_a_block_is_lost_when_the_process_dies_after_the_first)
{
    uint64_t first;

    listen_from(0, 0, 200);
    reserve(0, 5, 200);
    sim_pass(sim, 3 * SECOND);
    run();
    cr_assert_eq(heard[0].count, 5);
    first = heard[0].last[0].expiry_position;
    cr_assert_eq(heard[0].last[4].expiry_position, first, "they are in one block");
    close_port();
    open_port();
    heard[0].count = 0;
    listen_from(0, first, 200);
    run();
    cr_assert_eq(heard[0].count, 5);
}

Test(port_expiries, what_was_told_long_ago_is_not_told_again)
{
    uint64_t position;

    listen_from(0, 0, 200);
    reserve(0, 2, 200);
    sim_pass(sim, 3 * SECOND);
    run();
    reserve(2, 1, 200);
    sim_pass(sim, 3 * SECOND);
    run();
    cr_assert_eq(heard[0].count, 3);
    position = heard[0].last[2].expiry_position;
    cr_assert_gt(position, heard[0].last[1].expiry_position);
    close_port();
    open_port();
    heard[0].count = 0;
    listen_from(0, position, 200);
    run();
    cr_assert_eq(heard[0].count, 1);
    cr_assert_eq((unsigned)heard[0].last[0].command, 102);
}

Test(port_expiries, one_who_listens_late_from_the_start_makes_nobody_hear_twice)
{
    listen_from(0, 0, 200);
    reserve(0, 2, 200);
    reserve(2, 2, 100);
    sim_pass(sim, 3 * SECOND);
    run();
    cr_assert_eq(heard[0].count, 2);
    listen_from(1, 0, 100);
    run();
    cr_assert_eq(heard[0].count, 2);
    cr_assert_eq(heard[1].count, 2);
}
