/* Openings and closings one after another, with a crash at every operation, and with a damaged slot
 * of ledger.mp on top of it: what it says of a clean close must never hide what was acknowledged.
 */
#include "format.h"
#include "hash.h"
#include "sim_env.h"

#include <criterion/criterion.h>
#include <micropay/micropay.h>
#include <stdio.h>

enum { CYCLES = 3, BATCHES = 3 /* a cycle */ };

static mp_options options(struct sim *sim)
{
    return (mp_options){
        .flags = MP_OPEN_MANUAL, .env = sim_env(sim), .memory_max = UINT64_C(48) << 20};
}

static mp_status book(mp_ledger *ledger, uint64_t id)
{
    mp_account account = {.id = id, .ledger = 1, .code = 1};
    mp_result result;

    return mp_create_accounts(ledger, &account, 1, &result);
}

/* How many accounts from 1 on there are. */
static uint32_t booked(mp_ledger *ledger)
{
    mp_id ids[CYCLES * BATCHES + 2];
    mp_account rows[CYCLES * BATCHES + 2];
    uint32_t found;

    for (uint32_t i = 0; i < sizeof ids / sizeof *ids; i++) ids[i] = i + 1;
    cr_assert_eq(mp_lookup_accounts(ledger, ids, sizeof ids / sizeof *ids, rows, &found), MP_OK);
    return found;
}

static void idle(struct sim *sim, mp_ledger *ledger)
{
    bool worked = true;

    sim_pass(sim, UINT64_C(20000000));
    for (int i = 0; i < 50 && worked; i++) {
        if (mp_step(ledger, &worked) != MP_OK) return;
    }
}

/* Opens, books and closes again and again, up to the crash; how many batches were answered. */
static uint32_t story(struct sim *sim)
{
    mp_options how = options(sim);
    uint32_t answered = 0;

    if (mp_init("bank", &how) != MP_OK) return 0;
    for (int cycle = 0; cycle < CYCLES; cycle++) {
        mp_ledger *ledger;
        mp_status status = mp_open("bank", &how, &ledger);

        for (int i = 0; i < BATCHES && status == MP_OK; i++) {
            status = book(ledger, answered + 1);
            if (status == MP_OK) answered++;
            if (status == MP_OK && i == 1) idle(sim, ledger);
        }
        if (status == MP_OK || status == MP_UNKNOWN || status == MP_STOPPED)
            status = mp_close(ledger);
        if (status != MP_OK) break;
    }
    return answered;
}

static void damage_slot(struct sim *sim, unsigned slot)
{
    sim_flip(sim, "bank/ledger.mp", slot * PAGE_SIZE + 100, 3);
}

static struct ledger_slot slot_of(const struct sim *sim, unsigned number)
{
    struct ledger_slot slot = {0};

    sim_read_file(sim, "bank/ledger.mp", &slot, sizeof slot, number * sizeof slot);
    return slot;
}

static unsigned closed_slots(const struct sim *sim)
{
    unsigned count = 0;

    for (unsigned i = 0; i < 2; i++) {
        struct ledger_slot slot = slot_of(sim, i);

        count += slot.magic == LEDGER_MAGIC && slot.closed != 0 && slot.closed == slot.written;
    }
    return count;
}

static void check(struct sim *sim, const char *crash, uint32_t answered, bool damaged)
{
    mp_options how = options(sim);
    mp_verify_report report;
    mp_ledger *ledger;
    mp_status status = mp_open("bank", &how, &ledger);
    uint32_t found;

    if (status == MP_NOT_FOUND && answered == 0) return;
    if (damaged && status == MP_CORRUPT && strstr(mp_last_error(), "both slots") != NULL) return;
    cr_assert_eq(status, MP_OK, "crash in '%s': %s", crash, mp_last_error());
    found = booked(ledger);
    cr_assert(found == answered || found == answered + 1,
              "crash in '%s': %u batches were answered, %u are there", crash, answered, found);
    cr_assert_eq(book(ledger, found + 1), MP_OK);
    cr_assert_eq(closed_slots(sim), 0, "crash in '%s': a slot says closed while it is open", crash);
    cr_assert_eq(mp_close(ledger), MP_OK);
    cr_assert_eq(mp_verify("bank", sim_env(sim), 0, ".", NULL, NULL, NULL, &report), MP_OK);
    cr_assert_eq(report.problems, 0);
}

static void check_each(struct sim *crashed, uint32_t answered)
{
    char crash[128];

    snprintf(crash, sizeof crash, "%s", sim_operation(crashed));
    for (unsigned way = 0; way < 9; way++) { /* a kill or one of two power cuts, and a slot */
        struct sim *copy = sim_clone(crashed);

        sim_seed(copy, way / 3 + 1);
        if (way / 3 == 0) {
            sim_kill(copy);
        } else {
            sim_power_cut(copy, SIM_CUT_RANDOM);
        }
        if (way % 3 > 0) damage_slot(copy, way % 3 - 1);
        check(copy, crash, answered, way % 3 > 0);
        sim_free(copy);
    }
}

Test(closing, a_crash_at_any_operation_of_opening_and_closing_loses_nothing, .timeout = 300)
{
    struct sim *begin = sim_make(1), *sim = sim_clone(begin);
    uint64_t total;

    cr_assert_eq(story(sim), CYCLES * BATCHES);
    cr_assert_eq(closed_slots(sim), 1);
    total = sim_operations(sim);
    sim_free(sim);
    for (uint64_t n = 1; n <= total; n++) {
        uint32_t answered;

        sim = sim_clone(begin);
        sim_crash_at(sim, n);
        answered = story(sim);
        check_each(sim, answered);
        sim_free(sim);
    }
    sim_free(begin);
}

/* --- damage to a ledger that was closed cleanly --- */

static struct sim *closed_ledger(void)
{
    struct sim *sim = sim_make(1);

    cr_assert_eq(story(sim), CYCLES * BATCHES);
    return sim;
}

/* Where the log ends, as ledger.mp says. */
static uint64_t log_end(const struct sim *sim)
{
    struct ledger_slot slots[2] = {slot_of(sim, 0), slot_of(sim, 1)};

    return slots[slots[0].written > slots[1].written ? 0 : 1].mark;
}

Test(closing, damage_to_any_page_of_a_closed_log_is_refused)
{
    struct sim *sim = closed_ledger();
    uint64_t end = log_end(sim);

    for (uint64_t at = PAGE_SIZE; at < end; at += PAGE_SIZE) {
        struct sim *copy = sim_clone(sim);
        mp_options how = options(copy);
        mp_ledger *ledger;
        uint64_t operations = sim_operations(copy);

        sim_flip(copy, "bank/wal/00000001.wal", at + 70, 1);
        cr_assert_eq(mp_open("bank", &how, &ledger), MP_CORRUPT, "page at %llu",
                     (unsigned long long)at);
        cr_assert_eq(sim_operations(copy), operations, "something was changed");
        sim_free(copy);
    }
    sim_free(sim);
}

/* ledger.mp is put back from a copy that says closed where the log went on. */
Test(closing, an_old_copy_of_ledger_mp_hides_no_damage)
{
    struct sim *sim = closed_ledger();
    uint8_t old[2 * PAGE_SIZE];
    uint64_t end = log_end(sim);
    mp_options how = options(sim);
    mp_ledger *ledger;

    sim_read_file(sim, "bank/ledger.mp", old, sizeof old, 0);
    cr_assert_eq(mp_open("bank", &how, &ledger), MP_OK);
    cr_assert_eq(book(ledger, 1000), MP_OK);
    cr_assert_eq(book(ledger, 1001), MP_OK);
    cr_assert_eq(mp_close(ledger), MP_OK);
    sim_write_file(sim, "bank/ledger.mp", old, sizeof old, 0);
    sim_flip(sim, "bank/wal/00000001.wal", end + 70, 1);
    cr_assert_eq(mp_open("bank", &how, &ledger), MP_CORRUPT);
    sim_flip(sim, "bank/wal/00000001.wal", end + 70, 1);
    cr_assert_eq(mp_open("bank", &how, &ledger), MP_OK, "%s", mp_last_error());
    cr_assert_eq(book(ledger, 1002), MP_OK);
    cr_assert_eq(mp_close(ledger), MP_OK);
    sim_free(sim);
}

/* A program that doesn't know of it writes ledger.mp with what it read: the number of the writing
 * tells. */
Test(closing, a_ledger_closed_by_an_older_program_is_searched)
{
    struct sim *sim = closed_ledger();
    unsigned newest = slot_of(sim, 0).written > slot_of(sim, 1).written ? 0 : 1;
    struct ledger_slot slot = slot_of(sim, newest);
    mp_options how = options(sim);
    mp_ledger *ledger;

    sim_fault(sim, &(struct sim_fault){.operations = SIM_READ,
                                       .path = "*.wal",
                                       .offset = MIB(14),
                                       .length = MIB(1),
                                       .error = -5});
    cr_assert_eq(mp_open("bank", &how, &ledger), MP_OK, "%s", mp_last_error());
    cr_assert_eq(mp_close(ledger), MP_OK);
    newest = slot_of(sim, 0).written > slot_of(sim, 1).written ? 0 : 1;
    slot = slot_of(sim, newest);
    cr_assert_eq(slot.closed, slot.written);
    slot.closed--;
    slot.sum = XXH3_64bits(&slot, sizeof slot - sizeof slot.sum);
    sim_write_file(sim, "bank/ledger.mp", &slot, sizeof slot, newest * sizeof slot);
    cr_assert_eq(mp_open("bank", &how, &ledger), MP_IO);
    sim_free(sim);
}
