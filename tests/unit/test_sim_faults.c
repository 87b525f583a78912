/* The simulated world: crashes, faults, rings and clocks. */
#include "sim_world.h"

#include <signal.h>
#include <unistd.h>

TestSuite(sim_faults, .init = set_up, .fini = tear_down, .timeout = 60);

/* --- crashes --- */

/* Six operations; stops at the first that fails. */
static int story(void)
{
    static uint8_t page[PAGE] = {'a'};
    mp_env_piece piece = {page, sizeof page};
    int file = CALL(file_open, "f.tmp", MP_ENV_WRITE | MP_ENV_CREATE);
    int64_t result = file;

    if (result >= 0) result = CALL(file_allocate, file, 0, PAGE);
    if (result >= 0) result = CALL(file_write, file, &piece, 1, 0, false);
    if (result >= 0) result = CALL(file_sync, file);
    if (result >= 0) result = CALL(rename, "f.tmp", "f");
    if (result >= 0) result = CALL(dir_sync, ".");
    if (file >= 0) CALL(file_close, file);
    return (int)result;
}

Test(sim_faults, a_crash_at_each_operation_leaves_all_or_nothing_of_a_careful_story)
{
    struct sim *begin = sim;
    uint64_t total;
    uint8_t byte;

    use(sim_clone(begin));
    EXPECT(story(), 0);
    total = sim_operations(sim);
    EXPECT(total, 6);
    sim_free(sim);
    for (uint64_t n = 1; n <= total; n++) {
        for (uint64_t seed = 0; seed < 50; seed++) {
            use(sim_clone(begin));
            sim_crash_at(sim, n);
            EXPECT(story(), -EIO);
            cr_expect(sim_crashed(sim));
            EXPECT(CALL(dir_sync, "."), -EIO);
            EXPECT(CALL(file_open, "f", 0), -EIO);
            EXPECT(sim_operations(sim), n);
            sim_seed(sim, seed);
            if (seed % 2) {
                sim_kill(sim);
            } else {
                sim_power_cut(sim, SIM_CUT_RANDOM);
            }
            cr_expect_not(sim_crashed(sim));
            if (sim_exists(sim, "f")) {
                EXPECT(sim_size(sim, "f"), PAGE);
                EXPECT(sim_read_file(sim, "f", &byte, 1, 0), 1);
                EXPECT(byte, 'a');
            }
            EXPECT(story(), 0);
            sim_free(sim);
        }
    }
    use(begin);
}

Test(sim_faults, a_kill_keeps_what_was_issued_and_may_tear_what_was_under_way)
{
    unsigned all = 0, none = 0, torn = 0;
    int file = open_new("f");

    write_letter(file, '-', 2 * SECTOR, 0, false);
    sim_crash_at(sim, 1);
    EXPECT(write_letter(file, 'a', 2 * SECTOR, 0, false), -EIO);
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct sim *copy = sim_clone(sim);
        const char *word;

        sim_seed(copy, seed);
        sim_kill(copy);
        word = letters(copy, "f", SECTOR);
        all += strcmp(word, "aa") == 0;
        none += strcmp(word, "--") == 0;
        torn += strcmp(word, "a-") == 0 || strcmp(word, "-a") == 0;
        sim_power_cut(copy, SIM_CUT_ABSENT);
        EXPECT(sim_exists(copy, "f"), false); /* nothing of it was ever durable */
        sim_free(copy);
    }
    EXPECT(all + none + torn, 100);
    cr_expect(all > 10 && none > 10 && torn > 10);
}

static unsigned hooked;

static void clone_and_cut(void *context, struct sim *here)
{
    const char *names = context;
    struct sim *copy = sim_clone(here);

    cr_expect_str_neq(sim_operation(here), "");
    cr_expect_not_null(names);
    sim_power_cut(copy, SIM_CUT_ABSENT);
    EXPECT(sim_exists(copy, "f"), false); /* durable only when the last operation is through */
    sim_free(copy);
    copy = sim_clone(here);
    sim_power_cut(copy, SIM_CUT_PRESENT);
    hooked += 1 + 100u * sim_exists(copy, "f");
    sim_free(copy);
}

Test(sim_faults, a_hook_sees_each_operation_while_it_is_under_way)
{
    char context[] = "x";

    sim_hook(sim, clone_and_cut, context);
    EXPECT(story(), 0);
    EXPECT(hooked, 206); /* the rename and the sync of the directory could have happened */
}

/* --- faults --- */

Test(sim_faults, faults_strike_where_and_as_often_as_told)
{
    int file = open_new("a.wal"), other = open_new("b");
    uint8_t byte;

    write_letter(file, 'a', 4 * SECTOR, 0, false);
    write_letter(other, 'a', SECTOR, 0, false);
    sim_fault(
        sim,
        &(struct sim_fault){
            .operations = SIM_READ, .path = "*.wal", .offset = 1000, .length = 24, .error = -EIO});
    EXPECT(CALL(file_read, file, &byte, 1, 999), 1);
    EXPECT(CALL(file_read, file, &byte, 1, 1000), -EIO);
    EXPECT(CALL(file_read, file, &byte, 1, 1023), -EIO);
    EXPECT(CALL(file_read, file, &byte, 1, 1024), 1);
    EXPECT(CALL(file_read, other, &byte, 1, 10), 1);
    sim_no_faults(sim);
    sim_fault(sim,
              &(struct sim_fault){
                  .operations = SIM_SYNC | SIM_DIR_SYNC, .after = 1, .times = 2, .error = -EIO});
    EXPECT(CALL(file_sync, file), 0);
    EXPECT(CALL(file_sync, file), -EIO);
    EXPECT(CALL(dir_sync, "."), -EIO);
    EXPECT(CALL(file_sync, file), 0);
    EXPECT(sim_faults_struck(sim), 4);
}

Test(sim_faults, a_failed_write_may_have_done_any_part_of_its_work)
{
    int file = open_new("f");
    unsigned all = 0, none = 0;

    write_letter(file, '-', 4 * SECTOR, 0, false);
    sim_fault(sim, &(struct sim_fault){.operations = SIM_WRITE, .error = -EIO});
    for (uint64_t seed = 0; seed < 100; seed++) {
        const char *word;

        sim_seed(sim, seed);
        EXPECT(write_letter(file, (char)('a' + seed % 20), 4 * SECTOR, 0, true), -EIO);
        word = letters(sim, "f", SECTOR);
        all += word[0] == (char)('a' + seed % 20) && strspn(word, (char[]){word[0], '\0'}) == 4;
        none += strchr(word, (char)('a' + seed % 20)) == NULL;
    }
    cr_expect(all > 10 && none > 10 && all + none < 90);
}

Test(sim_faults, a_failed_sync_may_drop_what_it_was_to_write)
{
    int file = open_named("f");
    struct sim *copy;

    write_letter(file, '-', 2 * SECTOR, 0, true);
    write_letter(file, 'a', SECTOR, 0, false);
    sim_fault(sim, &(struct sim_fault){
                       .operations = SIM_SYNC, .times = 1, .error = -EIO, .dropped = SIM_DROPPED});
    EXPECT(CALL(file_sync, file), -EIO);
    EXPECT(CALL(file_sync, file), 0); /* says nothing of what was lost */
    cr_expect_str_eq(letters(sim, "f", SECTOR), "a-");
    copy = cut_copy(SIM_CUT_PRESENT, 1);
    cr_expect_str_eq(letters(copy, "f", SECTOR), "--");
    sim_free(copy);
    sim_no_faults(sim);
    write_letter(file, 'b', SECTOR, SECTOR, false);
    sim_fault(sim, &(struct sim_fault){.operations = SIM_SYNC, .times = 1, .error = -EIO});
    EXPECT(CALL(file_sync, file), -EIO);
    EXPECT(CALL(file_sync, file), 0);
    sim_power_cut(sim, SIM_CUT_ABSENT);
    cr_expect_str_eq(letters(sim, "f", SECTOR), "-b");
}

Test(sim_faults, a_full_disk_takes_what_fits_and_files_that_go_give_room)
{
    int file = open_new("f"), other = open_new("g");

    sim_settings(sim)->disk_bytes = 5 * PAGE;
    EXPECT(write_letter(file, 'a', 4 * PAGE, 0, false), 4 * PAGE);
    EXPECT(write_letter(other, 'b', 3 * PAGE, 0, false), -ENOSPC);
    EXPECT(CALL(file_size, other), PAGE);
    EXPECT(CALL(file_allocate, other, 0, 2 * PAGE), -ENOSPC);
    EXPECT(write_letter(file, 'c', 4 * PAGE, 0, true), 4 * PAGE); /* over itself */
    CALL(file_close, other);
    EXPECT(CALL(remove, "g"), 0);
    EXPECT(write_letter(file, 'd', PAGE, 4 * PAGE, false), PAGE);
    EXPECT(sim_used(sim), 5 * PAGE);
}

Test(sim_faults, a_read_only_world_can_be_looked_at)
{
    uint8_t byte;
    int file;

    sim_write_file(sim, "f", "a", 1, 0);
    sim_settings(sim)->read_only = true;
    file = CALL(file_open, "f", 0);
    EXPECT(CALL(file_read, file, &byte, 1, 0), 1);
    EXPECT(CALL(file_open, "f", MP_ENV_WRITE), -EROFS);
    EXPECT(CALL(file_open, "g", MP_ENV_WRITE | MP_ENV_CREATE), -EROFS);
    EXPECT(CALL(dir_make, "d"), -EROFS);
    EXPECT(CALL(rename, "f", "g"), -EROFS);
    EXPECT(CALL(remove, "f"), -EROFS);
}

Test(sim_faults, damage_is_done_for_good)
{
    uint8_t byte;
    char names[64];

    sim_write_file(sim, "d/e/f", "abc", 3, 1);
    EXPECT(sim_size(sim, "d/e/f"), 4);
    EXPECT(sim_flip(sim, "d/e/f", 1, 1), 0);
    EXPECT(sim_flip(sim, "d/e/f", 4, 1), -ENOENT);
    EXPECT(sim_cut_file(sim, "d/e/f", 3), 0);
    sim_power_cut(sim, SIM_CUT_ABSENT);
    EXPECT(sim_read_file(sim, "d/e/f", &byte, 1, 1), 1);
    EXPECT(byte, 'a' ^ 2);
    EXPECT(sim_size(sim, "d/e/f"), 3);
    sim_write_file(sim, "d/g", "", 0, 0);
    EXPECT(sim_list(sim, "d", names, sizeof names), 2);
    cr_expect_eq(memcmp(names, "e\0g\0", 5), 0);
    EXPECT(sim_remove(sim, "d"), 0);
    EXPECT(sim_remove(sim, "d"), -ENOENT);
    EXPECT(sim_list(sim, "d", names, sizeof names), -ENOENT);
    EXPECT(sim_list(sim, ".", names, sizeof names), 0);
}

Test(sim_faults, a_world_can_be_looked_at_on_the_real_disk)
{
    char directory[] = "/tmp/micropay-sim-XXXXXX", path[100], text[8] = "";
    FILE *file;

    cr_assert_not_null(mkdtemp(directory));
    sim_write_file(sim, "d/e/f", "abc", 3, 0);
    EXPECT(sim_export(sim, directory), 0);
    snprintf(path, sizeof path, "%s/d/e/f", directory);
    file = fopen(path, "r");
    cr_assert_not_null(file);
    cr_expect_str_eq(fgets(text, sizeof text, file), "abc");
    fclose(file);
    remove(path);
    for (char *slash; (slash = strrchr(path, '/')) > path + 4;) {
        *slash = '\0';
        if (rmdir(path) != 0) break;
    }
}

/* --- rings --- */

static mp_env_ring *ring_of(unsigned entries)
{
    mp_env_ring *ring = NULL;

    EXPECT(CALL(ring_open, entries, &ring), 0);
    return ring;
}

Test(sim_faults, a_ring_write_is_durable_when_it_is_told_and_anything_before)
{
    static uint8_t a[SECTOR], b[SECTOR];
    mp_env_piece pieces[] = {{a, SECTOR}, {b, SECTOR}};
    mp_env_ring *ring = ring_of(4);
    int file = open_named("f");
    mp_env_completion done;
    struct sim *copy;

    memset(a, 'a', sizeof a);
    memset(b, 'b', sizeof b);
    write_letter(file, '-', 3 * SECTOR, 0, true);
    write_letter(file, 'x', SECTOR, 1024, false); /* the ring's sync covers it */
    EXPECT(CALL(ring_write, ring, file, pieces, 2, 0, 7), 0);
    cr_expect_gt(cuts_that_leave("f", SECTOR, "---"), 5);
    cr_expect_gt(cuts_that_leave("f", SECTOR, "a--"), 5);
    cr_expect_gt(cuts_that_leave("f", SECTOR, "-bx"), 5);
    cr_expect_gt(cuts_that_leave("f", SECTOR, "abx"), 5);
    EXPECT(CALL(ring_reap, ring, &done, 1, UINT64_MAX), 1);
    EXPECT(done.user, 7);
    EXPECT(done.result, 1024);
    copy = cut_copy(SIM_CUT_ABSENT, 1);
    cr_expect_str_eq(letters(copy, "f", SECTOR), "abx");
    sim_free(copy);
    CALL(ring_close, ring);
}

Test(sim_faults, ring_operations_end_in_any_order_and_some_calls_later)
{
    static uint8_t bytes[4][SECTOR];
    unsigned orders[256] = {0}, different = 0, calls = 0;

    for (uint64_t seed = 0; seed < 200; seed++) {
        mp_env_ring *ring = ring_of(4);
        int file = open_new("f");
        unsigned told = 0, code = 0;

        sim_seed(sim, seed);
        for (unsigned i = 0; i < 4; i++) {
            mp_env_piece piece = {bytes[i], SECTOR};

            EXPECT(CALL(ring_write, ring, file, &piece, 1, i * SECTOR, i), 0);
        }
        EXPECT(CALL(ring_write, ring, file, &(mp_env_piece){bytes, SECTOR}, 1, 0, 9), -EBUSY);
        while (told < 4) {
            mp_env_completion done[4];
            int count = CALL(ring_reap, ring, done, 4, 0);

            calls++;
            for (int i = 0; i < count; i++) code = code * 4 + (unsigned)done[i].user;
            told += (unsigned)count;
        }
        if (orders[code % 256]++ == 0) different++;
        CALL(ring_close, ring);
        CALL(file_close, file);
    }
    cr_expect_gt(different, 8);
    cr_expect_gt(calls, 300);
}

Test(sim_faults, ring_reads_and_errors_are_told)
{
    static uint8_t bytes[PAGE];
    mp_env_ring *ring = ring_of(4);
    int file = open_named("f");
    mp_env_completion done;

    write_letter(file, 'a', SECTOR, 0, true);
    EXPECT(CALL(ring_read, ring, file, bytes, PAGE, 0, 1), 0);
    cr_expect_neq(bytes[0], 'a');
    EXPECT(CALL(ring_reap, ring, &done, 1, UINT64_MAX), 1);
    EXPECT(done.result, SECTOR);
    EXPECT(bytes[0], 'a');
    sim_fault(sim, &(struct sim_fault){.operations = SIM_READ | SIM_WRITE, .error = -EIO});
    EXPECT(CALL(ring_read, ring, file, bytes, PAGE, 0, 1), 0);
    EXPECT(CALL(ring_reap, ring, &done, 1, UINT64_MAX), 1);
    EXPECT(done.result, -EIO);
    EXPECT(CALL(ring_write, ring, file, &(mp_env_piece){bytes, PAGE}, 1, 0, 1), 0);
    EXPECT(CALL(ring_reap, ring, &done, 1, UINT64_MAX), 1);
    EXPECT(done.result, -EIO);
    sim_no_faults(sim);
    sim_settings(sim)->disk_bytes = PAGE;
    EXPECT(CALL(ring_write, ring, file, &(mp_env_piece){bytes, PAGE}, 1, PAGE, 1), 0);
    EXPECT(CALL(ring_reap, ring, &done, 1, UINT64_MAX), 1);
    EXPECT(done.result, -ENOSPC);
    CALL(ring_close, ring);
    sim_settings(sim)->no_ring = true;
    EXPECT(CALL(ring_open, 4, &ring), -ENOSYS);
}

Test(sim_faults, a_ring_whose_process_dies_leaves_its_writes_in_flight)
{
    static uint8_t bytes[SECTOR] = {1};
    mp_env_ring *ring = ring_of(4);
    int file = open_named("f");
    unsigned there = 0;

    EXPECT(CALL(ring_write, ring, file, &(mp_env_piece){bytes, SECTOR}, 1, 0, 1), 0);
    sim_crash_at(sim, 1);
    EXPECT(CALL(file_sync, file), -EIO);
    EXPECT(CALL(ring_reap, ring, &(mp_env_completion){0}, 1, UINT64_MAX), -EIO);
    CALL(ring_close, ring);
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct sim *copy = sim_clone(sim);

        sim_seed(copy, seed);
        sim_kill(copy);
        there += sim_size(copy, "f") == SECTOR;
        sim_free(copy);
    }
    cr_expect(there > 20 && there < 80);
}

Test(sim_faults, a_ring_sleeps_and_wakes)
{
    mp_env_ring *ring = ring_of(4);
    mp_env_completion done;
    uint64_t began = sim_settings(sim)->boot_ns;

    EXPECT(CALL(ring_reap, ring, &done, 1, 5 * MS), 0);
    EXPECT(sim_settings(sim)->boot_ns - began, 5 * MS);
    CALL(ring_wake, ring);
    EXPECT(CALL(ring_reap, ring, &done, 1, 0), 0);
    EXPECT(CALL(ring_reap, ring, &done, 1, UINT64_MAX), 0);
    EXPECT(sim_settings(sim)->boot_ns - began, 5 * MS);
    CALL(ring_close, ring);
}

Test(sim_faults, memory_that_changes_under_a_ring_is_a_fault_of_the_caller, .signal = SIGABRT)
{
    static uint8_t bytes[SECTOR];
    mp_env_ring *ring = ring_of(4);

    EXPECT(CALL(ring_write, ring, open_new("f"), &(mp_env_piece){bytes, SECTOR}, 1, 0, 1), 0);
    bytes[100] = 1;
    CALL(ring_reap, ring, &(mp_env_completion){0}, 1, UINT64_MAX);
}

Test(sim_faults, a_sleep_that_nothing_can_end_is_a_fault_of_the_caller, .signal = SIGABRT)
{
    CALL(ring_reap, ring_of(4), &(mp_env_completion){0}, 1, UINT64_MAX);
}

/* --- clocks --- */

Test(sim_faults, clocks_stand_where_a_test_puts_them)
{
    struct sim_settings *settings = sim_settings(sim);
    uint32_t word = 5;

    settings->step_ns = 0;
    settings->real_ns = 1000;
    settings->boot_ns = 100;
    EXPECT(CALL(real_ns), 1000);
    EXPECT(CALL(boot_ns), 100);
    sim_pass(sim, 7);
    EXPECT(CALL(real_ns), 1007);
    CALL(wait, &word, 4, UINT64_MAX);
    CALL(wait, &word, 5, 13);
    EXPECT(CALL(boot_ns), 120);
    settings->step_ns = 10;
    EXPECT(CALL(boot_ns), 130);
    EXPECT(CALL(boot_ns), 140);
    settings->process = 12;
    EXPECT(CALL(process), 12);
    EXPECT(CALL(thread_start, NULL, NULL, "t", &(uint64_t){0}), -ENOSYS);
}
