/* What else may lie in a ledger's folders: files that somebody put there, and what a death left
 * unfinished. */
#include "sim_env.h"

#include <criterion/criterion.h>
#include <micropay/micropay.h>
#include <stdio.h>

static struct sim *sim;

static mp_options options(void)
{
    return (mp_options){.flags = MP_OPEN_MANUAL,
                        .env = sim_env(sim),
                        .memory_max = UINT64_C(48) << 20,
                        .checkpoint_after = 16 << 10};
}

static mp_ledger *open_ledger(void)
{
    mp_options how = options();
    mp_ledger *ledger;

    cr_assert_eq(mp_open("bank", &how, &ledger), MP_OK, "%s", mp_last_error());
    return ledger;
}

/* Books enough for a checkpoint or two. */
static void book(mp_ledger *ledger, uint64_t first)
{
    for (uint64_t id = first; id < first + 400; id++) {
        mp_account account = {.id = id, .ledger = 1, .code = 1};
        mp_result result;
        bool worked;

        cr_assert_eq(mp_create_accounts(ledger, &account, 1, &result), MP_OK);
        if (id % 8 == 0) cr_assert_eq(mp_step(ledger, &worked), MP_OK);
    }
}

static void given_a_ledger(void)
{
    mp_options how;

    sim = sim_make(1);
    how = options();
    cr_assert_eq(mp_init("bank", &how), MP_OK);
}

static void remove_all(void) { sim_free(sim); }

static void put(const char *path) { sim_write_file(sim, path, "stray", 5, 0); }

Test(folders, many_stray_files_hide_no_checkpoint, .init = given_a_ledger, .fini = remove_all)
{
    mp_ledger *ledger = open_ledger();
    mp_stats stats;
    char path[128];

    book(ledger, 1);
    mp_read_stats(ledger, &stats);
    cr_assert_geq(stats.checkpoints, 1);
    cr_assert_eq(mp_close(ledger), MP_OK);
    for (int i = 0; i < 1000; i++) {
        snprintf(path, sizeof path, "bank/checkpoint/%08d.ckpt-copy-of-a-day-in-summer-%d", i, i);
        put(path);
    }
    put("bank/checkpoint/7.ckpt");
    put("bank/checkpoint/+0000009.ckpt");
    ledger = open_ledger();
    mp_read_stats(ledger, &stats);
    cr_assert_gt(stats.checkpoint_position, 4096, "all of the log was read again");
    cr_assert_null(mp_notice(ledger, 0), "%s", mp_notice(ledger, 0));
    cr_assert_eq(mp_close(ledger), MP_OK);
}

Test(folders, the_newest_of_many_checkpoints_counts, .init = given_a_ledger, .fini = remove_all)
{
    mp_ledger *ledger = open_ledger();
    char path[128];

    book(ledger, 1);
    cr_assert_eq(mp_close(ledger), MP_OK);
    for (int i = 20000000; i < 20000020; i++) {
        snprintf(path, sizeof path, "bank/checkpoint/%08d.ckpt", i);
        put(path);
    }
    ledger = open_ledger();
    cr_assert_not_null(strstr(mp_notice(ledger, 0), "20000019.ckpt"), "%s", mp_notice(ledger, 0));
    cr_assert_eq(mp_close(ledger), MP_OK);
}

Test(folders, what_the_library_left_unfinished_goes_and_nothing_else, .init = given_a_ledger,
     .fini = remove_all)
{
    static const char *const ours[] = {
        "bank/wal/00000002.wal.tmp", "bank/checkpoint/00000003.ckpt.tmp",
        "bank/index/00000001.ids.tmp", "bank/orphaned/e00000001-p000000000004096-0.wal.tmp"};
    static const char *const theirs[] = {"bank/wal/notes.tmp",
                                         "bank/wal/00000002.wal.tmp.bak",
                                         "bank/checkpoint/mine.tmp",
                                         "bank/checkpoint/00000003.wal.tmp",
                                         "bank/index/.00000001.ids.tmp",
                                         "bank/orphaned/e1.wal.tmp",
                                         "bank/notes.tmp"};
    mp_ledger *ledger;

    for (unsigned i = 0; i < sizeof ours / sizeof *ours; i++) put(ours[i]);
    for (unsigned i = 0; i < sizeof theirs / sizeof *theirs; i++) put(theirs[i]);
    ledger = open_ledger();
    cr_assert_eq(mp_close(ledger), MP_OK);
    for (unsigned i = 0; i < sizeof ours / sizeof *ours; i++)
        cr_assert_not(sim_exists(sim, ours[i]), "%s is still there", ours[i]);
    for (unsigned i = 0; i < sizeof theirs / sizeof *theirs; i++)
        cr_assert(sim_exists(sim, theirs[i]), "%s is gone", theirs[i]);
}

Test(folders, folders_of_what_is_derived_come_back, .init = given_a_ledger, .fini = remove_all)
{
    mp_ledger *ledger = open_ledger();

    book(ledger, 1);
    cr_assert_eq(mp_close(ledger), MP_OK);
    cr_assert_eq(sim_remove(sim, "bank/checkpoint"), 0);
    cr_assert_eq(sim_remove(sim, "bank/index"), 0);
    cr_assert_eq(sim_remove(sim, "bank/orphaned"), 0);
    ledger = open_ledger();
    book(ledger, 1000);
    cr_assert_eq(mp_close(ledger), MP_OK);
    cr_assert(sim_exists(sim, "bank/checkpoint/00000001.ckpt"));
}
