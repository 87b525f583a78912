/* The disk is full: batches are refused whole, all else goes on, and so does booking once there is
 * room. A full disk for checkpoints and ids files alone harms nothing. */
#include "story.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MIB UINT64_C(1048576)

static struct sim *sim;
static mp_ledger *ledger;
static mp_result results[MP_BATCH_MAX];
static uint64_t batches; /* booked */

static void must(mp_status status) { cr_assert_eq(status, MP_OK, "%s", mp_last_error()); }

static void open_bank(uint64_t checkpoint_after)
{
    mp_options options = {.flags = MP_OPEN_MANUAL,
                          .env = sim_env(sim),
                          .memory_max = 64 * MIB,
                          .checkpoint_after = checkpoint_after};

    must(mp_open("bank", &options, &ledger));
}

static void set_up(void)
{
    mp_account accounts[] = {{.id = 1, .ledger = 1, .code = 1}, {.id = 2, .ledger = 1, .code = 1}};

    sim = story_world();
    open_bank(0);
    must(mp_create_accounts(ledger, accounts, 2, results));
}

static void tear_down(void)
{
    char why[400];

    must(mp_close(ledger));
    cr_assert(story_verified(sim, NULL, why, sizeof why), "%s", why);
    sim_free(sim);
}

static void idle(void)
{
    bool worked = true;

    while (worked) must(mp_step(ledger, &worked));
}

/* A mebibyte of payments. */
static mp_status book(void)
{
    static mp_transfer events[MP_BATCH_MAX];
    mp_status status;

    for (unsigned i = 0; i < MP_BATCH_MAX; i++) {
        events[i] = (mp_transfer){.id = MP_U128(batches + 1, i + 1),
                                  .debit_account_id = 1,
                                  .credit_account_id = 2,
                                  .amount = 1,
                                  .ledger = 1,
                                  .code = 1};
    }
    status = mp_create_transfers(ledger, events, MP_BATCH_MAX, results);
    batches += status == MP_OK;
    return status;
}

static void book_until_full(void)
{
    mp_status status = MP_OK;

    sim_settings(sim)->disk_bytes = sim_used(sim);
    for (unsigned i = 0; i < 20 && status == MP_OK; i++) {
        status = book();
        if (status == MP_OK) idle();
    }
    cr_assert_eq(status, MP_DISK_FULL, "%s", mp_status_name(status));
    cr_assert(strstr(mp_last_error(), "bank") != NULL, "%s", mp_last_error());
}

/* What is booked is booked whole, and nothing of what was refused. */
static void expect_books(void)
{
    mp_id ids[2] = {MP_U128(batches, MP_BATCH_MAX), MP_U128(batches + 1, 1)};
    mp_transfer found;
    mp_balance balance;
    uint32_t count;

    must(mp_read_balance(ledger, 1, &balance));
    cr_assert(balance.debits_posted == batches * MP_BATCH_MAX, "%" PRIu64 " batches", batches);
    must(mp_lookup_transfers(ledger, ids, 2, &found, &count));
    cr_assert_eq(count, 1);
    cr_assert(found.id == ids[0]);
}

TestSuite(disk_full, .init = set_up, .fini = tear_down, .timeout = 120);

Test(disk_full, batches_are_refused_whole_and_go_on_when_there_is_room)
{
    mp_account_filter filter = {.account_id = 2, .limit = 10, .flags = MP_FILTER_CREDITS};
    mp_transfer rows[10];
    mp_stats stats;
    uint32_t count;

    must(book());
    book_until_full();
    cr_assert_eq(book(), MP_DISK_FULL, "it doesn't go by itself");
    expect_books();
    must(mp_account_transfers(ledger, &filter, rows, &count));
    cr_assert_eq(count, 10);
    mp_read_stats(ledger, &stats);
    cr_assert_eq(stats.refused_disk_full, 2);
    cr_assert_eq(stats.stopped, 0);
    cr_assert_leq(stats.position, 4 * MIB, "12 of the first segment's 16 MiB stay free");
    sim_settings(sim)->disk_bytes = UINT64_MAX;
    for (unsigned i = 0; i < 6; i++) must(book());
    expect_books();
}

Test(disk_full, reservations_still_expire_and_the_log_is_sealed)
{
    mp_transfer hold = {.id = 5,
                        .debit_account_id = 1,
                        .credit_account_id = 2,
                        .amount = 9,
                        .ledger = 1,
                        .code = 1,
                        .timeout = 10,
                        .flags = MP_TRANSFER_PENDING};
    mp_balance balance;

    must(mp_create_transfers(ledger, &hold, 1, results));
    book_until_full();
    must(mp_read_balance(ledger, 1, &balance));
    cr_assert(balance.debits_pending == 9);
    sim_pass(sim, UINT64_C(20000000000));
    idle();
    must(mp_read_balance(ledger, 1, &balance));
    cr_assert(balance.debits_pending == 0);
    expect_books();
}

Test(disk_full, a_ledger_can_be_closed_opened_and_read_but_not_booked)
{
    book_until_full();
    must(mp_close(ledger));
    open_bank(0);
    expect_books();
    cr_assert_eq(book(), MP_DISK_FULL);
    expect_books();
    sim_settings(sim)->disk_bytes = UINT64_MAX;
    must(book());
    expect_books();
}

/* What was in flight needs room for its copy before it can be cut. */
Test(disk_full, an_opening_that_has_to_cut_waits_for_room_and_changes_nothing)
{
    static const char segment[] = "bank/wal/00000001.wal";
    struct sim *copy;
    mp_options options = {.flags = MP_OPEN_MANUAL, .memory_max = 64 * MIB};
    mp_ledger *other;
    uint8_t *before = malloc(4 * MIB), *after = malloc(4 * MIB);

    must(book());
    sim_crash_at(sim, 1);
    cr_assert_eq(book(), MP_UNKNOWN);
    copy = sim_clone(sim);
    mp_close(ledger);
    do { /* until something of it is there */
        struct sim *cut = sim_clone(copy);

        sim_seed(cut, sim_random(copy, UINT64_MAX));
        sim_power_cut(cut, SIM_CUT_RANDOM);
        sim_free(sim);
        sim = cut;
        options.env = sim_env(sim);
        sim_settings(sim)->disk_bytes = sim_used(sim);
        sim_read_file(sim, segment, before, 4 * MIB, 0);
    } while (mp_open("bank", &options, &other) == MP_OK && mp_close(other) == MP_OK);
    cr_assert(strstr(mp_last_error(), "bank/orphaned") != NULL, "%s", mp_last_error());
    sim_read_file(sim, segment, after, 4 * MIB, 0);
    cr_assert_eq(memcmp(before, after, 4 * MIB), 0);
    free(before);
    free(after);
    sim_settings(sim)->disk_bytes = UINT64_MAX;
    sim_free(copy);
    open_bank(0);
    cr_assert_not_null(mp_notice(ledger, 0));
    expect_books();
    must(book());
    expect_books();
}

/* Segments finish and checkpoints are due, and nothing of either can be written. */
Test(disk_full, for_checkpoints_and_ids_files_alone_harms_nothing)
{
    static const char *const paths[] = {"bank/checkpoint/*", "bank/index/*"};
    mp_stats stats;

    must(mp_close(ledger));
    open_bank(MIB);
    for (unsigned i = 0; i < 2; i++)
        sim_fault(sim, &(struct sim_fault){.operations = SIM_WRITE | SIM_CREATE | SIM_ALLOCATE,
                                           .path = paths[i],
                                           .after = i,
                                           .error = -ENOSPC});
    for (unsigned i = 0; i < 20; i++) {
        must(book());
        sim_pass(sim, UINT64_C(11000000000)); /* a failed checkpoint is begun again */
        idle();
    }
    expect_books();
    mp_read_stats(ledger, &stats);
    cr_assert_eq(stats.checkpoints, 0);
    cr_assert_eq(stats.helper_failures, 0);
    cr_assert_geq(stats.segments, 2);
    cr_assert_geq(sim_faults_struck(sim), 2);
    sim_no_faults(sim);
    must(mp_close(ledger));
    open_bank(MIB);
    expect_books();
    must(book());
    idle();
    must(book());
    idle();
    mp_read_stats(ledger, &stats);
    cr_assert_geq(stats.checkpoints, 1);
    cr_assert(sim_exists(sim, "bank/index/00000001.ids"));
    expect_books();
}
