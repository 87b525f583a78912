/* The simulated world: that it loses what a real disk may lose, and nothing else. */
#include "sim_world.h"

TestSuite(sim, .init = set_up, .fini = tear_down, .timeout = 60);

/* --- files --- */

Test(sim, a_file_holds_what_was_written_and_zeros_between)
{
    int file = open_new("f");
    uint8_t bytes[10];

    EXPECT(write_letter(file, 'a', 1024, SECTOR, false), 1024);
    EXPECT(write_letter(file, 'b', SECTOR, 3 * SECTOR, false), SECTOR);
    EXPECT(write_letter(file, 'c', SECTOR, 5 * SECTOR, false), SECTOR);
    cr_expect_str_eq(letters(sim, "f", SECTOR), ".aab.c");
    EXPECT(CALL(file_size, file), 6 * SECTOR);
    EXPECT(CALL(file_read, file, bytes, 10, 6 * SECTOR - 4), 4);
    cr_expect_eq(memcmp(bytes, "cccc", 4), 0);
    EXPECT(CALL(file_read, file, bytes, 10, 7 * SECTOR), 0);
    EXPECT(CALL(file_resize, file, 2 * SECTOR), 0);
    EXPECT(CALL(file_resize, file, 4 * SECTOR), 0);
    cr_expect_str_eq(letters(sim, "f", SECTOR), ".a..");
    EXPECT(CALL(file_allocate, file, 0, 6 * SECTOR), 0);
    cr_expect_str_eq(letters(sim, "f", SECTOR), ".a....");
}

Test(sim, a_large_file_of_zeros_costs_nothing_and_copies_share_pages)
{
    enum { MB = 1 << 20 };
    uint8_t *zeros = calloc(1, MB);
    int file = open_new("f");
    struct sim *copies[100];

    for (uint64_t i = 0; i < 256; i++) {
        EXPECT(CALL(file_write, file, &(mp_env_piece){zeros, MB}, 1, i * MB, false), MB);
    }
    EXPECT(sim_used(sim), 256 * MB);
    write_letter(file, 'a', PAGE, 0, false);
    for (unsigned i = 0; i < 100; i++) copies[i] = sim_clone(sim);
    for (unsigned i = 0; i < 100; i++) {
        sim_write_file(copies[i], "f", "b", 1, i);
        EXPECT(sim_used(copies[i]), 256 * MB);
    }
    EXPECT(sim_read_file(sim, "f", zeros, 2, 0), 2);
    cr_expect_eq(memcmp(zeros, "aa", 2), 0, "the copies have changed their own");
    for (unsigned i = 0; i < 100; i++) sim_free(copies[i]);
    free(zeros);
}

Test(sim, what_is_not_there_is_missing)
{
    char names[64];
    int file;

    EXPECT(CALL(file_open, "f", MP_ENV_WRITE), -ENOENT);
    EXPECT(CALL(file_open, "d/f", MP_ENV_WRITE | MP_ENV_CREATE), -ENOENT);
    EXPECT(CALL(dir_make, "d"), 0);
    EXPECT(CALL(dir_make, "d/"), -EEXIST);
    EXPECT(CALL(dir_make, "/"), -EEXIST);
    file = open_new("d/f");
    EXPECT(CALL(file_open, "d/f/g", MP_ENV_WRITE | MP_ENV_CREATE), -ENOTDIR);
    EXPECT(CALL(file_open, "d", 0), -EINVAL);
    EXPECT(CALL(dir_sync, "e"), -ENOENT);
    EXPECT(CALL(remove, "e"), -ENOENT);
    EXPECT(CALL(remove, "d"), -EISDIR);
    EXPECT(CALL(rename, "e", "f"), -ENOENT);
    EXPECT(CALL(filesystem, "e"), -ENOENT);
    EXPECT(CALL(filesystem, "./d"), MP_ENV_FS_LOCAL);
    EXPECT(CALL(dir_list, "/d/", names, sizeof names), 1);
    cr_expect_eq(memcmp(names, "f\0", 3), 0);
    EXPECT(CALL(dir_list, "d", names, 2), -ENOBUFS);
    EXPECT(CALL(file_close, file), 0);
    EXPECT(CALL(file_close, file), -EBADF);
    EXPECT(CALL(file_size, file), -EBADF);
    file = CALL(file_open, "d/f", 0);
    EXPECT(write_letter(file, 'a', 1, 0, false), -EBADF);
    EXPECT(CALL(file_lock, file), -EBADF);
}

Test(sim, direct_files_take_only_whole_pages)
{
    int file = CALL(file_open, "f", MP_ENV_WRITE | MP_ENV_CREATE | MP_ENV_DIRECT);
    uint8_t *bytes = aligned_alloc(PAGE, 2 * PAGE);

    memset(bytes, 'a', 2 * PAGE);
    EXPECT(CALL(file_write, file, &(mp_env_piece){bytes, PAGE}, 1, PAGE, true), PAGE);
    EXPECT(CALL(file_write, file, &(mp_env_piece){bytes + 1, PAGE}, 1, 0, true), -EINVAL);
    EXPECT(CALL(file_write, file, &(mp_env_piece){bytes, SECTOR}, 1, 0, true), -EINVAL);
    EXPECT(CALL(file_write, file, &(mp_env_piece){bytes, PAGE}, 1, SECTOR, true), -EINVAL);
    EXPECT(CALL(file_read, file, bytes + 8, PAGE, 0), -EINVAL);
    EXPECT(CALL(file_resize, file, 100), 0);
    EXPECT(CALL(file_read, file, bytes, 2 * PAGE, 0), 100);
    sim_settings(sim)->no_direct = true;
    EXPECT(CALL(file_open, "f", MP_ENV_DIRECT), -EINVAL);
    free(bytes);
}

Test(sim, one_opening_at_a_time_has_the_lock)
{
    int a = open_new("f"), b = open_new("f");

    EXPECT(CALL(file_lock, a), 0);
    EXPECT(CALL(file_lock, b), -EAGAIN);
    EXPECT(CALL(file_locked, a), 0);
    EXPECT(CALL(file_locked, b), 1);
    EXPECT(CALL(file_close, a), 0);
    EXPECT(CALL(file_locked, b), 0);
    EXPECT(CALL(file_lock, b), 0);
    sim_kill(sim);
    EXPECT(CALL(file_lock, open_new("f")), 0);
}

Test(sim, a_removed_file_lives_while_it_is_open)
{
    int file = open_new("f");

    write_letter(file, 'a', PAGE, 0, false);
    EXPECT(CALL(remove, "f"), 0);
    EXPECT(sim_used(sim), PAGE);
    EXPECT(CALL(file_size, file), PAGE);
    CALL(file_close, file);
    EXPECT(sim_used(sim), 0);
    EXPECT(sim_exists(sim, "f"), 0);
}

/* --- power cuts: bytes --- */

Test(sim, a_synced_file_survives_whole_and_an_unsynced_one_may_not)
{
    int file = open_named("f");

    write_letter(file, 'a', 2048, 0, false);
    EXPECT(CALL(file_sync, file), 0);
    write_letter(file, 'b', 1024, 1024, false);
    cr_expect_str_eq(letters(sim, "f", SECTOR), "aabb");
    cr_expect_gt(cuts_that_leave("f", SECTOR, "aaaa"), 20);
    cr_expect_gt(cuts_that_leave("f", SECTOR, "aabb"), 20);
    cr_expect_gt(cuts_that_leave("f", SECTOR, "aaba"), 20);
    cr_expect_gt(cuts_that_leave("f", SECTOR, "aaab"), 20);
    EXPECT(cuts_that_leave("f", SECTOR, "aaaa") + cuts_that_leave("f", SECTOR, "aaab") +
               cuts_that_leave("f", SECTOR, "aaba") + cuts_that_leave("f", SECTOR, "aabb"),
           400);
}

Test(sim, every_subset_of_unsynced_writes_can_be_left)
{
    int file = open_named("f");

    write_letter(file, '-', 3 * SECTOR, 0, true);
    write_letter(file, 'a', SECTOR, 0, false);
    write_letter(file, 'b', SECTOR, SECTOR, false);
    write_letter(file, 'c', SECTOR, 1024, false);
    for (unsigned set = 0; set < 8; set++) {
        char word[] = {set & 1 ? 'a' : '-', set & 2 ? 'b' : '-', set & 4 ? 'c' : '-', '\0'};

        cr_expect_gt(cuts_that_leave("f", SECTOR, word), 5, "%s is never left", word);
    }
}

Test(sim, of_two_writes_of_one_place_either_or_none_is_left)
{
    int file = open_named("f");

    write_letter(file, '-', SECTOR, 0, true);
    write_letter(file, 'a', SECTOR, 0, false);
    write_letter(file, 'b', SECTOR, 0, false);
    cr_expect_gt(cuts_that_leave("f", SECTOR, "-"), 20);
    cr_expect_gt(cuts_that_leave("f", SECTOR, "a"), 20);
    cr_expect_gt(cuts_that_leave("f", SECTOR, "b"), 20);
}

Test(sim, a_durable_write_makes_only_itself_durable)
{
    int file = open_named("f");
    struct sim *copy;

    write_letter(file, '-', 4 * SECTOR, 0, true);
    write_letter(file, 'a', 3 * SECTOR, 0, false);
    EXPECT(write_letter(file, 'b', SECTOR, SECTOR, true), SECTOR);
    copy = cut_copy(SIM_CUT_ABSENT, 1);
    cr_expect_str_eq(letters(copy, "f", SECTOR), "-b--");
    sim_free(copy);
    copy = cut_copy(SIM_CUT_PRESENT, 1);
    cr_expect_str_eq(letters(copy, "f", SECTOR), "aba-", "the older write doesn't come out on top");
    sim_free(copy);
    sim_settings(sim)->durable_covers_all = true;
    write_letter(file, 'c', SECTOR, 1536, true);
    copy = cut_copy(SIM_CUT_ABSENT, 1);
    cr_expect_str_eq(letters(copy, "f", SECTOR), "abac");
    sim_free(copy);
}

Test(sim, a_durable_write_behind_a_cut_makes_the_cut_durable)
{
    int file = open_named("f");
    struct sim *copy;

    write_letter(file, '-', 4 * SECTOR, 0, true);
    EXPECT(CALL(file_resize, file, SECTOR), 0);
    write_letter(file, 'a', SECTOR, SECTOR, true);
    copy = cut_copy(SIM_CUT_ABSENT, 1);
    cr_expect_str_eq(letters(copy, "f", SECTOR), "-a");
    sim_free(copy);
}

Test(sim, nothing_behind_a_cut_that_is_lost_is_left)
{
    int file = open_named("f");

    write_letter(file, '-', 3 * SECTOR, 0, true);
    EXPECT(CALL(file_resize, file, 0), 0);
    write_letter(file, 'a', SECTOR, 0, false);
    cr_expect_gt(cuts_that_leave("f", SECTOR, "---"), 20);
    cr_expect_gt(cuts_that_leave("f", SECTOR, "a"), 20);
    cr_expect_gt(cuts_that_leave("f", SECTOR, ""), 20);
    EXPECT(cuts_that_leave("f", SECTOR, "---") + cuts_that_leave("f", SECTOR, "a") +
               cuts_that_leave("f", SECTOR, ""),
           400);
}

Test(sim, an_appended_write_may_leave_a_shorter_file_or_a_hole)
{
    int file = open_named("f");

    write_letter(file, 'a', SECTOR, 0, true);
    write_letter(file, 'b', 2 * SECTOR, SECTOR, false);
    cr_expect_gt(cuts_that_leave("f", SECTOR, "a"), 5);
    cr_expect_gt(cuts_that_leave("f", SECTOR, "ab"), 5);
    cr_expect_gt(cuts_that_leave("f", SECTOR, "a.b"), 5);
    cr_expect_gt(cuts_that_leave("f", SECTOR, "abb"), 5);
}

Test(sim, the_same_seed_gives_the_same_world)
{
    int file = open_named("f");
    char first[80];
    uint64_t a, b;

    write_letter(file, 'a', 64 * SECTOR, 0, false);
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct sim *one = cut_copy(SIM_CUT_RANDOM, seed), *two = cut_copy(SIM_CUT_RANDOM, seed);

        snprintf(first, sizeof first, "%s", letters(one, "f", SECTOR));
        cr_expect_str_eq(letters(two, "f", SECTOR), first);
        sim_env(one)->random(one, &a, sizeof a);
        sim_env(two)->random(two, &b, sizeof b);
        EXPECT(a == b, true);
        sim_free(one);
        sim_free(two);
    }
}

/* --- power cuts: names --- */

Test(sim, the_name_of_a_new_file_needs_a_sync_of_its_directory)
{
    int file = open_new("f");
    struct sim *copy;

    write_letter(file, 'a', SECTOR, 0, true);
    EXPECT(CALL(file_sync, file), 0);
    cr_expect_gt(cuts_that_leave("f", SECTOR, "-"), 20);
    cr_expect_gt(cuts_that_leave("f", SECTOR, "a"), 20);
    EXPECT(CALL(dir_sync, "/"), 0);
    copy = cut_copy(SIM_CUT_ABSENT, 1);
    cr_expect_str_eq(letters(copy, "f", SECTOR), "a");
    sim_free(copy);
}

Test(sim, a_rename_leaves_the_old_or_the_new_file_under_the_name)
{
    unsigned old = 0, fresh = 0;

    sim_write_file(sim, "f", "o", 1, 0);
    sim_write_file(sim, "f.tmp", "n", 1, 0);
    EXPECT(CALL(rename, "f.tmp", "f"), 0);
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct sim *copy = cut_copy(SIM_CUT_RANDOM, seed);

        if (strcmp(letters(copy, "f", 1), "o") == 0) {
            old++;
            cr_expect_str_eq(letters(copy, "f.tmp", 1), "n");
        } else {
            fresh++;
            cr_expect_str_eq(letters(copy, "f", 1), "n");
            EXPECT(sim_exists(copy, "f.tmp"), false);
        }
        sim_free(copy);
    }
    cr_expect(old > 10 && fresh > 10);
}

Test(sim, names_of_one_directory_come_in_order_and_of_two_they_need_not)
{
    unsigned seen[4] = {0};

    EXPECT(CALL(dir_make, "d"), 0);
    EXPECT(CALL(dir_sync, "."), 0);
    CALL(file_close, open_new("a"));
    CALL(file_close, open_new("b"));
    CALL(file_close, open_new("d/c"));
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct sim *copy = cut_copy(SIM_CUT_RANDOM, seed);

        cr_expect(sim_exists(copy, "a") || !sim_exists(copy, "b"));
        seen[sim_exists(copy, "b") + 2 * sim_exists(copy, "d/c")]++;
        sim_free(copy);
    }
    for (unsigned i = 0; i < 4; i++) cr_expect_gt(seen[i], 5);
}

Test(sim, a_synced_directory_whose_own_name_is_lost_is_lost)
{
    EXPECT(CALL(dir_make, "d"), 0);
    CALL(file_close, open_new("d/f"));
    EXPECT(CALL(dir_sync, "d"), 0);
    sim_power_cut(sim, SIM_CUT_ABSENT);
    EXPECT(sim_exists(sim, "d"), false);
    EXPECT(CALL(dir_make, "d"), 0);
    EXPECT(sim_exists(sim, "d/f"), false);
}

Test(sim, a_rename_between_directories_takes_what_was_before_it_along)
{
    EXPECT(CALL(dir_make, "d"), 0);
    EXPECT(CALL(dir_make, "e"), 0);
    EXPECT(CALL(dir_sync, "."), 0);
    CALL(file_close, open_new("d/f"));
    CALL(file_close, open_new("e/g"));
    EXPECT(CALL(rename, "d/f", "e/f"), 0);
    CALL(file_close, open_new("d/h"));
    EXPECT(CALL(dir_sync, "e"), 0);
    sim_power_cut(sim, SIM_CUT_ABSENT);
    EXPECT(sim_exists(sim, "e/g"), true);
    EXPECT(sim_exists(sim, "e/f"), true);
    EXPECT(sim_exists(sim, "d/f"), false);
    EXPECT(sim_exists(sim, "d/h"), false);
}

Test(sim, a_removed_file_comes_back_with_what_it_held)
{
    sim_write_file(sim, "f", "a", 1, 0);
    EXPECT(CALL(remove, "f"), 0);
    EXPECT(sim_exists(sim, "f"), false);
    sim_power_cut(sim, SIM_CUT_ABSENT);
    cr_expect_str_eq(letters(sim, "f", 1), "a");
}

Test(sim, a_restart_closes_all_files_and_ends_locks)
{
    int file = open_named("f");

    EXPECT(CALL(file_lock, file), 0);
    sim_power_cut(sim, SIM_CUT_PRESENT);
    EXPECT(CALL(file_size, file), -EBADF);
    EXPECT(CALL(file_lock, open_new("f")), 0);
}

/* --- every outcome --- */

Test(sim, every_outcome_of_a_cut_is_listed_once)
{
    int file = open_named("f");
    uint8_t states[8] = {0};
    char seen[20][80];
    unsigned count = 0;

    write_letter(file, '-', 3 * PAGE, 0, true);
    write_letter(file, 'a', 2 * PAGE, PAGE / 2,
                 false); /* three pages: four, eight and four sectors */
    EXPECT(sim_cut_units(sim), 3);
    do {
        struct sim *copy = sim_clone(sim);
        char word[80];

        sim_power_cut_as(copy, states);
        snprintf(word, sizeof word, "%s", letters(copy, "f", SECTOR));
        for (unsigned unit = 0; unit < 3; unit++) {
            const char *page = word + (size_t)unit * 8;
            unsigned first = unit == 0 ? 4 : 0, end = unit == 2 ? 4 : 8, there = 0;

            for (unsigned i = first; i < end; i++) there += page[i] == 'a';
            if (states[unit] == SIM_ABSENT) EXPECT(there, 0);
            if (states[unit] == SIM_PRESENT) EXPECT(there, end - first);
            if (states[unit] == SIM_TORN) cr_expect(there > 0 && there < end - first);
        }
        if (count < 20) memcpy(seen[count], word, sizeof word);
        for (unsigned i = 0; i < count && i < 20; i++) cr_expect_str_neq(seen[i], word);
        count++;
        sim_free(copy);
    } while (sim_cut_next(sim, states));
    EXPECT(count, 27);
}

Test(sim, outcomes_of_single_sectors_and_names_have_two_states)
{
    int file = open_new("f"); /* a name */
    uint8_t states[8] = {0};
    unsigned count = 0;

    write_letter(file, 'a', 100, 0, false);                    /* one sector */
    EXPECT(CALL(file_resize, file, 2 * PAGE), 0);              /* a size */
    write_letter(file, 'b', 2 * SECTOR, PAGE - SECTOR, false); /* two pages, a sector each */
    EXPECT(sim_cut_units(sim), 5);
    do count++;
    while (sim_cut_next(sim, states));
    EXPECT(count, 32);
}
