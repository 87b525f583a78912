/* Calls of the operating system fail: one at a time, or all from one on, at every place of a short
 * history in which a checkpoint is made too; and the disk is full. Whatever fails: a status and a
 * message that say so, no batch half applied, nothing lost that was answered. */
#include "story.h"

#include <criterion/criterion.h>
#include <criterion/logging.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHANGES = SIM_WRITE | SIM_SYNC | SIM_DIR_SYNC | SIM_OPEN | SIM_CREATE | SIM_RENAME |
              SIM_REMOVE | SIM_RESIZE | SIM_ALLOCATE | SIM_RING,
};

static const mp_options with_checkpoints = {.checkpoint_after = 1};

/* --- one failure after another --- */

static void expect_message(mp_status status, const char *what)
{
    cr_assert(strstr(mp_last_error(), "bank") != NULL, "%s, %s: the message names no file: '%s'",
              what, mp_status_name(status), mp_last_error());
}

/* Balances that were told stay readable, and nothing more is taken. */
static void expect_stopped(struct story *story, const char *what)
{
    mp_account account = {.id = 77, .ledger = 1, .code = 1};
    mp_result result;
    mp_balance balance;

    cr_assert_eq(mp_create_accounts(story->ledger, &account, 1, &result), MP_STOPPED, "%s", what);
    expect_message(MP_STOPPED, what);
    if (story->answered > 0)
        cr_assert_eq(mp_read_balance(story->ledger, MP_U128('A', 1), &balance), MP_OK, "%s", what);
}

/* Tells the story while something fails. */
static void tell(struct story *story, const char *what)
{
    mp_status status = story_open(story);

    if (status != MP_OK) {
        cr_assert(status == MP_IO || status == MP_DISK_FULL, "%s: opening: %s: %s", what,
                  mp_status_name(status), mp_last_error());
        expect_message(status, what);
        return;
    }
    status = story_tell(story, STORY_STEPS);
    if (status == MP_DISK_FULL) { /* goes on when there is room, without being opened again */
        expect_message(status, what);
        sim_no_faults(story->sim);
        status = story_tell(story, STORY_STEPS);
        cr_assert_eq(status, MP_OK, "%s, then room: %s", what, mp_last_error());
    } else if (status != MP_OK) {
        cr_assert(status == MP_UNKNOWN || status == MP_STOPPED, "%s: %s: %s", what,
                  mp_status_name(status), mp_last_error());
        expect_message(status, what);
        expect_stopped(story, what);
    }
    status = story_close(story);
    cr_assert(status == MP_OK || status == MP_STOPPED || status == MP_IO || status == MP_DISK_FULL,
              "%s: closing: %s", what, mp_status_name(status));
    if (status != MP_OK) expect_message(status, what);
}

/* The story with a fault, opened again as it stands and after a power cut. Returns whether the
 * fault struck. */
static bool fail_once(const struct sim *world, struct sim_fault fault, mp_options options,
                      struct tally *tally)
{
    struct sim *sim = sim_clone(world), *copy;
    struct story story = story_begin(sim, options);
    char what[128];
    bool struck;

    snprintf(what, sizeof what, "%s of %s call %" PRIu64 " %s", strerror(-fault.error),
             fault.path == NULL ? "any" : fault.path, fault.after + 1,
             fault.times == 0 ? "and all behind" : "alone");
    sim_fault(sim, &fault);
    tell(&story, what);
    struck = sim_faults_struck(sim) > 0;
    sim_no_faults(sim);
    copy = sim_clone(sim);
    sim_power_cut(copy, SIM_CUT_RANDOM);
    story_check(&story, copy, what, tally);
    sim_free(copy);
    story_check(&story, sim, what, tally);
    sim_free(sim);
    return struck;
}

static void fail_everywhere(struct sim_fault fault, mp_options options, unsigned at_least,
                            const char *of)
{
    struct sim *world = story_world();
    struct tally tally = {0};
    unsigned places = 0;

    for (fault.after = 0; fail_once(world, fault, options, &tally); fault.after++) places++;
    cr_assert_geq(places, at_least, "%s: only %u calls could fail", of, places);
    tally_expect_clean(&tally, of);
    sim_free(world);
}

Test(faults, any_call_that_fails_alone_is_told_and_loses_nothing, .timeout = 600)
{
    static const int errors[] = {-EIO, -ENOSPC};

    for (unsigned i = 0; i < 2; i++) {
        for (enum sim_dropped dropped = SIM_KEPT; dropped <= SIM_DROPPED_RANDOM; dropped++) {
            struct sim_fault fault = {
                .operations = CHANGES, .times = 1, .error = errors[i], .dropped = dropped};

            fail_everywhere(fault, with_checkpoints, 40, strerror(-errors[i]));
        }
    }
}

Test(faults, all_calls_failing_from_one_on_are_told_and_lose_nothing, .timeout = 600)
{
    fail_everywhere((struct sim_fault){.operations = CHANGES, .error = -EIO}, with_checkpoints, 40,
                    "all fail from one on");
    fail_everywhere((struct sim_fault){.operations = CHANGES, .error = -ENOSPC}, with_checkpoints,
                    40, "the disk is full from one on");
    fail_everywhere((struct sim_fault){.operations = CHANGES, .error = -EIO},
                    (mp_options){.flags = MP_OPEN_NO_RING}, 20, "all fail, with blocking writes");
}

/* Only the log and ledger.mp may stop a ledger. */
Test(faults, a_checkpoint_that_fails_harms_nothing, .timeout = 600)
{
    static const char *const paths[] = {"bank/checkpoint/*", "bank/checkpoint"};
    static const int errors[] = {-EIO, -ENOSPC};

    for (unsigned i = 0; i < 2; i++) {
        for (uint64_t after = 0; after < 20; after++) {
            struct sim *sim = story_world();
            struct story story = story_begin(sim, with_checkpoints);
            struct tally tally = {0};

            cr_assert_eq(story_open(&story), MP_OK);
            for (unsigned path = 0; path < 2; path++)
                sim_fault(sim, &(struct sim_fault){.operations = CHANGES,
                                                   .path = paths[path],
                                                   .after = after,
                                                   .error = errors[i]});
            cr_assert_eq(story_tell(&story, STORY_STEPS), MP_OK, "%s", mp_last_error());
            cr_assert_eq(story_close(&story), MP_OK, "%s", mp_last_error());
            cr_assert(sim_faults_struck(sim) > 0 || after > 5);
            sim_no_faults(sim);
            story_check(&story, sim, "failing checkpoints", &tally);
            tally_expect_clean(&tally, "failing checkpoints");
            sim_free(sim);
        }
    }
}

/* A read that fails is no damage and no end of the log: nothing is cut. */
Test(faults, a_read_that_fails_while_opening_changes_nothing, .timeout = 600)
{
    struct sim *world = story_world();
    struct story told = story_begin(world, with_checkpoints);
    uint64_t failed = 0;

    cr_assert_eq(story_open(&told), MP_OK);
    cr_assert_eq(story_tell(&told, STORY_STEPS), MP_OK);
    cr_assert_eq(story_close(&told), MP_OK);
    for (uint64_t after = 0;; after++) {
        struct sim *sim = sim_clone(world);
        struct story story = told;
        struct tally tally = {0};
        uint64_t digest = sim_digest(sim);
        mp_status status;

        story.sim = sim;
        sim_fault(sim, &(struct sim_fault){
                           .operations = SIM_READ, .after = after, .times = 1, .error = -EIO});
        status = story_open(&story);
        if (sim_faults_struck(sim) == 0) { /* there are no more reads */
            story_close(&story);
            sim_free(sim);
            break;
        }
        if (status == MP_OK) { /* it was of a checkpoint, or ahead of what was wanted */
            story_close(&story);
        } else {
            cr_assert_eq(status, MP_IO, "read %" PRIu64 ": %s: %s", after, mp_status_name(status),
                         mp_last_error());
            expect_message(status, "a read");
            cr_assert_eq(sim_digest(sim), digest, "read %" PRIu64 ": something was changed", after);
            failed++;
        }
        story_check(&told, sim, "a read that failed", &tally);
        tally_expect_clean(&tally, "a read that failed");
        sim_free(sim);
    }
    cr_assert_geq(failed, 5);
    sim_free(world);
}
