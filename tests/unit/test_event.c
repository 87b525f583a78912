/* mp_eventfd: a descriptor that becomes readable whenever requests were finished. */
#include "sim_env.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <micropay/micropay.h>

static struct sim *sim;
static mp_ledger *ledger;

static void open_ledger(unsigned flags)
{
    mp_options how = {.flags = flags, .env = sim_env(sim), .memory_max = UINT64_C(48) << 20};

    cr_assert_eq(mp_open("bank", &how, &ledger), MP_OK, "%s", mp_last_error());
}

static void given_a_ledger(void)
{
    mp_options how;

    sim = sim_make(1);
    how = (mp_options){.env = sim_env(sim)};
    cr_assert_eq(mp_init("bank", &how), MP_OK);
    open_ledger(MP_OPEN_MANUAL);
}

static void close_all(void)
{
    cr_assert_eq(mp_close(ledger), MP_OK);
    cr_assert_eq(sim_events(sim), 0, "an event stayed open");
    sim_free(sim);
}

static void submit(mp_request *request, mp_account *account, mp_result *result, uint64_t id)
{
    *account = (mp_account){.id = id, .ledger = 1, .code = 1};
    *request = (mp_request){
        .operation = MP_CREATE_ACCOUNTS, .count = 1, .events = account, .results = result};
    cr_assert_eq(mp_submit(ledger, request), MP_OK);
}

Test(event, is_signalled_when_requests_are_done_and_not_before, .init = given_a_ledger,
     .fini = close_all)
{
    int event = mp_eventfd(ledger);
    mp_request requests[2];
    mp_account accounts[2];
    mp_result results[2];
    bool worked = true;

    cr_assert_geq(event, 0);
    cr_assert_eq(mp_eventfd(ledger), event, "one ledger, one event");
    submit(&requests[0], &accounts[0], &results[0], 1);
    submit(&requests[1], &accounts[1], &results[1], 2);
    while (!mp_done(&requests[0])) {
        cr_assert_eq(sim_event_read(sim, event), 0);
        cr_assert_eq(mp_step(ledger, &worked), MP_OK);
    }
    cr_assert(mp_done(&requests[1]));
    cr_assert_eq(sim_event_read(sim, event), 1, "both were done at once");
}

Test(event, tells_of_what_ended_with_a_failure, .init = given_a_ledger)
{
    int event = mp_eventfd(ledger);
    mp_request request;
    mp_account account;
    mp_result result;
    bool worked;

    submit(&request, &account, &result, 1);
    sim_fault(sim, &(struct sim_fault){.operations = SIM_WRITE, .times = 1, .error = -EIO});
    while (!mp_done(&request)) {
        cr_assert_eq(sim_event_read(sim, event), 0);
        (void)mp_step(ledger, &worked);
    }
    cr_assert_eq(sim_event_read(sim, event), 1);
    cr_assert_eq(mp_wait(ledger, &request), MP_UNKNOWN);
    cr_assert_eq(mp_close(ledger), MP_STOPPED);
    cr_assert_eq(sim_events(sim), 0, "an event stayed open");
    sim_free(sim);
}

Test(event, tells_of_reservations_that_expired, .init = given_a_ledger, .fini = close_all)
{
    int event = mp_eventfd(ledger);
    mp_account accounts[2] = {{.id = 1, .ledger = 1, .code = 1}, {.id = 2, .ledger = 1, .code = 1}};
    mp_transfer hold = {.id = 3,
                        .debit_account_id = 1,
                        .credit_account_id = 2,
                        .amount = 5,
                        .ledger = 1,
                        .code = 1,
                        .timeout = 10,
                        .flags = MP_TRANSFER_PENDING};
    mp_result results[2];
    mp_balance balance;
    bool worked = true;

    cr_assert_eq(mp_create_accounts(ledger, accounts, 2, results), MP_OK);
    cr_assert_eq(mp_create_transfers(ledger, &hold, 1, results), MP_OK);
    sim_event_read(sim, event);
    while (worked) cr_assert_eq(mp_step(ledger, &worked), MP_OK);
    cr_assert_eq(sim_event_read(sim, event), 0);
    sim_pass(sim, UINT64_C(11000000000));
    for (worked = true; worked;) cr_assert_eq(mp_step(ledger, &worked), MP_OK);
    cr_assert_eq(sim_event_read(sim, event), 1);
    cr_assert_eq(mp_read_balance(ledger, 1, &balance), MP_OK);
    cr_assert(balance.debits_pending == 0);
}

Test(event, may_be_refused_and_asked_for_again, .init = given_a_ledger, .fini = close_all)
{
    sim_fault(sim, &(struct sim_fault){.operations = SIM_EVENT, .times = 1, .error = -EMFILE});
    cr_assert_eq(mp_eventfd(ledger), -1);
    cr_assert_geq(mp_eventfd(ledger), 0);
}

Test(event, a_reader_has_none, .init = given_a_ledger, .fini = close_all)
{
    cr_assert_eq(mp_close(ledger), MP_OK);
    open_ledger(MP_OPEN_READ);
    cr_assert_eq(mp_eventfd(ledger), -1);
}
