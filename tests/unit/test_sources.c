/* Requests of a source are applied in order: none is applied while one before it was refused whole
 * and not sent again. */
#include "sim_env.h"

#include <criterion/criterion.h>
#include <micropay/micropay.h>

enum { REQUESTS = 8, MANY = 40 };

static struct sim *sim;
static mp_ledger *ledger;
static mp_request requests[REQUESTS];
static mp_account accounts[REQUESTS][MANY];
static mp_result results[REQUESTS][MANY];
static unsigned queued;
static uint64_t next_id;

static void open_ledger(void)
{
    mp_options how = {.flags = MP_OPEN_MANUAL,
                      .env = sim_env(sim),
                      .memory_max = UINT64_C(48) << 20,
                      .accounts_max = 30,
                      .checkpoint_after = 4096};

    cr_assert_eq(mp_open("bank", &how, &ledger), MP_OK, "%s", mp_last_error());
}

static void given_a_ledger(void)
{
    mp_options how;

    sim = sim_make(1);
    how = (mp_options){.env = sim_env(sim)};
    cr_assert_eq(mp_init("bank", &how), MP_OK);
    open_ledger();
}

static void close_all(void)
{
    mp_verify_report report;

    cr_assert_eq(mp_close(ledger), MP_OK);
    cr_assert_eq(mp_verify("bank", sim_env(sim), 0, ".", NULL, NULL, NULL, &report), MP_OK);
    cr_assert_eq(report.problems, 0);
    sim_free(sim);
}

/* Queues a request that makes so many accounts; beyond accounts_max it is refused whole. */
static void queue(uint64_t source, uint64_t position, uint32_t count)
{
    mp_request *request = &requests[queued];

    for (uint32_t i = 0; i < count; i++)
        accounts[queued][i] = (mp_account){.id = ++next_id, .ledger = 1, .code = 1};
    *request = (mp_request){.operation = MP_CREATE_ACCOUNTS,
                            .count = count,
                            .events = accounts[queued],
                            .results = results[queued],
                            .source = source,
                            .source_position = position};
    queued++;
    cr_assert_eq(mp_submit(ledger, request), MP_OK);
}

/* What became of what was queued, in order. */
static void expect(unsigned count, const mp_status *wanted)
{
    cr_assert_eq(queued, count);
    for (unsigned i = 0; i < count; i++) {
        mp_status status = mp_wait(ledger, &requests[i]);

        cr_assert_eq(status, wanted[i], "request %u: %s instead of %s", i, mp_status_name(status),
                     mp_status_name(wanted[i]));
    }
    queued = 0;
}

#define EXPECT(...)                                                                                \
    expect(sizeof((mp_status[]){__VA_ARGS__}) / sizeof(mp_status), (mp_status[]){__VA_ARGS__})

Test(sources, what_waits_behind_a_refused_request_is_refused_too, .init = given_a_ledger,
     .fini = close_all)
{
    queue(5, 10, 2);
    queue(5, 20, MANY);
    queue(5, 30, 1);
    queue(6, 1, 1);
    queue(0, 0, 1);
    queue(5, 40, 1);
    EXPECT(MP_OK, MP_LIMIT, MP_LIMIT, MP_OK, MP_OK, MP_LIMIT);
    queue(5, 30, 1); /* still */
    queue(5, 10, 1); /* has been */
    queue(5, 20, 1); /* again, now small enough */
    queue(5, 30, 1);
    EXPECT(MP_LIMIT, MP_OUT_OF_ORDER, MP_OK, MP_OK);
}

Test(sources, a_refused_request_may_come_again_in_parts, .init = given_a_ledger, .fini = close_all)
{
    queue(5, 20, MANY); /* of a source that nothing is known of */
    queue(5, 30, 1);
    EXPECT(MP_LIMIT, MP_LIMIT);
    queue(5, 10, MANY); /* refused again: no later one than this */
    queue(5, 20, 1);
    EXPECT(MP_LIMIT, MP_LIMIT);
    queue(5, 7, 1);
    queue(5, 25, 1);
    EXPECT(MP_OK, MP_OK);
}

Test(sources, a_full_disk_leaves_no_gap, .init = given_a_ledger, .fini = close_all)
{
    mp_transfer transfers[100] = {0};
    mp_result out[100];
    uint64_t id = 0, position = 100;
    mp_status status = MP_OK;

    queue(7, 1, 2);
    EXPECT(MP_OK);
    sim_settings(sim)->disk_bytes = sim_used(sim);
    while (status == MP_OK) {
        mp_request request = {.operation = MP_CREATE_TRANSFERS,
                              .count = 100,
                              .events = transfers,
                              .results = out,
                              .source = 7,
                              .source_position = ++position};

        for (unsigned i = 0; i < 100; i++)
            transfers[i] = (mp_transfer){.id = ++id,
                                         .debit_account_id = 1,
                                         .credit_account_id = 2,
                                         .amount = 1,
                                         .ledger = 1,
                                         .code = 1};
        status = mp_execute(ledger, &request);
    }
    cr_assert_eq(status, MP_DISK_FULL);
    sim_settings(sim)->disk_bytes = UINT64_MAX / 2; /* there is room again */
    queue(7, position + 1, 1);
    queue(7, position, 1);
    queue(7, position + 1, 1);
    EXPECT(MP_DISK_FULL, MP_OK, MP_OK);
}

Test(sources, a_refusal_is_forgotten_at_the_next_opening, .init = given_a_ledger, .fini = close_all)
{
    bool worked = true;

    queue(5, 20, MANY);
    EXPECT(MP_LIMIT);
    queue(0, 0, 20); /* enough for a checkpoint */
    EXPECT(MP_OK);
    queue(0, 0, 1);
    EXPECT(MP_OK);
    for (int i = 0; i < 100 && worked; i++) cr_assert_eq(mp_step(ledger, &worked), MP_OK);
    cr_assert_eq(mp_close(ledger), MP_OK);
    cr_assert(sim_exists(sim, "bank/checkpoint/00000001.ckpt"));
    open_ledger();
    queue(5, 30, 1);
    EXPECT(MP_OK);
}
