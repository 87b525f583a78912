/* The simulated world: that it loses what a real disk may lose, and nothing else. */
#include "sim_env.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAGE = SIM_PAGE };
#define MS UINT64_C(1000000)

static struct sim *sim;
static const mp_env *env;

#define CALL(verb, ...) env->verb(env->context, ##__VA_ARGS__)
#define EXPECT(expression, wanted)                                                                 \
    do {                                                                                           \
        long long got_ = (long long)(expression), wanted_ = (long long)(wanted);                   \
        cr_assert(got_ == wanted_, "%s: %lld instead of %lld", #expression, got_, wanted_);        \
    } while (0)

static void use(struct sim *which)
{
    sim = which;
    env = sim_env(sim);
}

static void set_up(void) { use(sim_make(1)); }
static void tear_down(void) { sim_free(sim); }

TestSuite(sim, .init = set_up, .fini = tear_down, .timeout = 60);

static int open_new(const char *path)
{
    int file = CALL(file_open, path, MP_ENV_WRITE | MP_ENV_CREATE);

    cr_assert_geq(file, 0, "%s: %s", path, strerror(-file));
    return file;
}

/* Writes `length` times a letter. */
static int64_t write_letter(int file, char letter, size_t length, uint64_t offset, bool durable)
{
    static uint8_t bytes[64 * PAGE];

    cr_assert_leq(length, sizeof bytes);
    memset(bytes, letter, length);
    return CALL(file_write, file, &(mp_env_piece){bytes, length}, 1, offset, durable);
}

/* The file as a word: one letter for each piece of `step` bytes, '.' for zeros, '?' where it isn't
 * all the same. */
static const char *letters(const struct sim *of, const char *path, size_t step)
{
    static char words[4][80];
    static unsigned turn;
    char *word = words[turn++ % 4];
    uint8_t bytes[PAGE];
    unsigned length = 0;
    int64_t got;

    while ((got = sim_read_file(of, path, bytes, step, length * step)) > 0) {
        bool same = true;

        cr_assert_lt(length, sizeof words[0] - 1);
        for (int64_t i = 1; i < got; i++) same &= bytes[i] == bytes[0];
        word[length++] = !same ? '?' : bytes[0] == 0 ? '.' : (char)bytes[0];
    }
    word[length] = '\0';
    return got < 0 ? "-" : word;
}

/* A file whose name is durable. */
static int open_named(const char *path)
{
    int file = open_new(path);

    EXPECT(CALL(dir_sync, "."), 0);
    return file;
}

/* Cuts the power off a copy, in one of the ways. */
static struct sim *cut_copy(enum sim_cut cut, uint64_t seed)
{
    struct sim *copy = sim_clone(sim);

    sim_seed(copy, seed);
    sim_power_cut(copy, cut);
    return copy;
}

/* How many of the random cuts leave a file that reads as a word. */
static unsigned cuts_that_leave(const char *path, size_t step, const char *word)
{
    unsigned count = 0;

    for (uint64_t seed = 0; seed < 400; seed++) {
        struct sim *copy = cut_copy(SIM_CUT_RANDOM, seed);

        count += strcmp(letters(copy, path, step), word) == 0;
        sim_free(copy);
    }
    return count;
}

/* --- files
 * ---------------------------------------------------------------------------------------------------
 */

Test(sim, a_file_holds_what_was_written_and_zeros_between)
{
    int file = open_new("f");
    uint8_t bytes[10];

    EXPECT(write_letter(file, 'a', 1024, 512, false), 1024);
    EXPECT(write_letter(file, 'b', 512, 3 * 512, false), 512);
    EXPECT(write_letter(file, 'c', 512, 5 * 512, false), 512);
    cr_expect_str_eq(letters(sim, "f", 512), ".aab.c");
    EXPECT(CALL(file_size, file), 6 * 512);
    EXPECT(CALL(file_read, file, bytes, 10, 6 * 512 - 4), 4);
    cr_expect_eq(memcmp(bytes, "cccc", 4), 0);
    EXPECT(CALL(file_read, file, bytes, 10, 7 * 512), 0);
    EXPECT(CALL(file_resize, file, 2 * 512), 0);
    EXPECT(CALL(file_resize, file, 4 * 512), 0);
    cr_expect_str_eq(letters(sim, "f", 512), ".a..");
    EXPECT(CALL(file_allocate, file, 0, 6 * 512), 0);
    cr_expect_str_eq(letters(sim, "f", 512), ".a....");
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
    EXPECT(CALL(file_write, file, &(mp_env_piece){bytes, 512}, 1, 0, true), -EINVAL);
    EXPECT(CALL(file_write, file, &(mp_env_piece){bytes, PAGE}, 1, 512, true), -EINVAL);
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

/* --- power cuts: bytes
 * --------------------------------------------------------------------------------------- */

Test(sim, a_synced_file_survives_whole_and_an_unsynced_one_may_not)
{
    int file = open_named("f");

    write_letter(file, 'a', 2048, 0, false);
    EXPECT(CALL(file_sync, file), 0);
    write_letter(file, 'b', 1024, 1024, false);
    cr_expect_str_eq(letters(sim, "f", 512), "aabb");
    cr_expect_gt(cuts_that_leave("f", 512, "aaaa"), 20);
    cr_expect_gt(cuts_that_leave("f", 512, "aabb"), 20);
    cr_expect_gt(cuts_that_leave("f", 512, "aaba"), 20);
    cr_expect_gt(cuts_that_leave("f", 512, "aaab"), 20);
    EXPECT(cuts_that_leave("f", 512, "aaaa") + cuts_that_leave("f", 512, "aaab") +
               cuts_that_leave("f", 512, "aaba") + cuts_that_leave("f", 512, "aabb"),
           400);
}

Test(sim, every_subset_of_unsynced_writes_can_be_left)
{
    int file = open_named("f");

    write_letter(file, '-', 3 * 512, 0, true);
    write_letter(file, 'a', 512, 0, false);
    write_letter(file, 'b', 512, 512, false);
    write_letter(file, 'c', 512, 1024, false);
    for (unsigned set = 0; set < 8; set++) {
        char word[] = {set & 1 ? 'a' : '-', set & 2 ? 'b' : '-', set & 4 ? 'c' : '-', '\0'};

        cr_expect_gt(cuts_that_leave("f", 512, word), 5, "%s is never left", word);
    }
}

Test(sim, of_two_writes_of_one_place_either_or_none_is_left)
{
    int file = open_named("f");

    write_letter(file, '-', 512, 0, true);
    write_letter(file, 'a', 512, 0, false);
    write_letter(file, 'b', 512, 0, false);
    cr_expect_gt(cuts_that_leave("f", 512, "-"), 20);
    cr_expect_gt(cuts_that_leave("f", 512, "a"), 20);
    cr_expect_gt(cuts_that_leave("f", 512, "b"), 20);
}

Test(sim, a_durable_write_makes_only_itself_durable)
{
    int file = open_named("f");
    struct sim *copy;

    write_letter(file, '-', 4 * 512, 0, true);
    write_letter(file, 'a', 3 * 512, 0, false);
    EXPECT(write_letter(file, 'b', 512, 512, true), 512);
    copy = cut_copy(SIM_CUT_ABSENT, 1);
    cr_expect_str_eq(letters(copy, "f", 512), "-b--");
    sim_free(copy);
    copy = cut_copy(SIM_CUT_PRESENT, 1);
    cr_expect_str_eq(letters(copy, "f", 512), "aba-", "the older write doesn't come out on top");
    sim_free(copy);
    sim_settings(sim)->durable_covers_all = true;
    write_letter(file, 'c', 512, 1536, true);
    copy = cut_copy(SIM_CUT_ABSENT, 1);
    cr_expect_str_eq(letters(copy, "f", 512), "abac");
    sim_free(copy);
}

Test(sim, a_durable_write_behind_a_cut_makes_the_cut_durable)
{
    int file = open_named("f");
    struct sim *copy;

    write_letter(file, '-', 4 * 512, 0, true);
    EXPECT(CALL(file_resize, file, 512), 0);
    write_letter(file, 'a', 512, 512, true);
    copy = cut_copy(SIM_CUT_ABSENT, 1);
    cr_expect_str_eq(letters(copy, "f", 512), "-a");
    sim_free(copy);
}

Test(sim, nothing_behind_a_cut_that_is_lost_is_left)
{
    int file = open_named("f");

    write_letter(file, '-', 3 * 512, 0, true);
    EXPECT(CALL(file_resize, file, 0), 0);
    write_letter(file, 'a', 512, 0, false);
    cr_expect_gt(cuts_that_leave("f", 512, "---"), 20);
    cr_expect_gt(cuts_that_leave("f", 512, "a"), 20);
    cr_expect_gt(cuts_that_leave("f", 512, ""), 20);
    EXPECT(cuts_that_leave("f", 512, "---") + cuts_that_leave("f", 512, "a") +
               cuts_that_leave("f", 512, ""),
           400);
}

Test(sim, an_appended_write_may_leave_a_shorter_file_or_a_hole)
{
    int file = open_named("f");

    write_letter(file, 'a', 512, 0, true);
    write_letter(file, 'b', 2 * 512, 512, false);
    cr_expect_gt(cuts_that_leave("f", 512, "a"), 5);
    cr_expect_gt(cuts_that_leave("f", 512, "ab"), 5);
    cr_expect_gt(cuts_that_leave("f", 512, "a.b"), 5);
    cr_expect_gt(cuts_that_leave("f", 512, "abb"), 5);
}

Test(sim, the_same_seed_gives_the_same_world)
{
    int file = open_named("f");
    char first[80];
    uint64_t a, b;

    write_letter(file, 'a', 64 * 512, 0, false);
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct sim *one = cut_copy(SIM_CUT_RANDOM, seed), *two = cut_copy(SIM_CUT_RANDOM, seed);

        strcpy(first, letters(one, "f", 512));
        cr_expect_str_eq(letters(two, "f", 512), first);
        sim_env(one)->random(one, &a, sizeof a);
        sim_env(two)->random(two, &b, sizeof b);
        EXPECT(a == b, true);
        sim_free(one);
        sim_free(two);
    }
}

/* --- power cuts: names
 * --------------------------------------------------------------------------------------- */

Test(sim, the_name_of_a_new_file_needs_a_sync_of_its_directory)
{
    int file = open_new("f");
    struct sim *copy;

    write_letter(file, 'a', 512, 0, true);
    EXPECT(CALL(file_sync, file), 0);
    cr_expect_gt(cuts_that_leave("f", 512, "-"), 20);
    cr_expect_gt(cuts_that_leave("f", 512, "a"), 20);
    EXPECT(CALL(dir_sync, "/"), 0);
    copy = cut_copy(SIM_CUT_ABSENT, 1);
    cr_expect_str_eq(letters(copy, "f", 512), "a");
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

/* --- every outcome
 * ------------------------------------------------------------------------------------------- */

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
        strcpy(word, letters(copy, "f", 512));
        for (unsigned unit = 0; unit < 3; unit++) {
            const char *page = word + unit * 8;
            unsigned first = unit == 0 ? 4 : 0, end = unit == 2 ? 4 : 8, there = 0;

            for (unsigned i = first; i < end; i++) there += page[i] == 'a';
            if (states[unit] == SIM_ABSENT) EXPECT(there, 0);
            if (states[unit] == SIM_PRESENT) EXPECT(there, end - first);
            if (states[unit] == SIM_TORN) cr_expect(there > 0 && there < end - first);
        }
        if (count < 20) strcpy(seen[count], word);
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

    write_letter(file, 'a', 100, 0, false);              /* one sector */
    EXPECT(CALL(file_resize, file, 2 * PAGE), 0);        /* a size */
    write_letter(file, 'b', 2 * 512, PAGE - 512, false); /* two pages, a sector each */
    EXPECT(sim_cut_units(sim), 5);
    do count++;
    while (sim_cut_next(sim, states));
    EXPECT(count, 32);
}

/* --- crashes
 * -------------------------------------------------------------------------------------------------
 */

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

Test(sim, a_crash_at_each_operation_leaves_all_or_nothing_of_a_careful_story)
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

Test(sim, a_kill_keeps_what_was_issued_and_may_tear_what_was_under_way)
{
    unsigned all = 0, none = 0, torn = 0;
    int file = open_new("f");

    write_letter(file, '-', 2 * 512, 0, false);
    sim_crash_at(sim, 1);
    EXPECT(write_letter(file, 'a', 2 * 512, 0, false), -EIO);
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct sim *copy = sim_clone(sim);
        const char *word;

        sim_seed(copy, seed);
        sim_kill(copy);
        word = letters(copy, "f", 512);
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

Test(sim, a_hook_sees_each_operation_while_it_is_under_way)
{
    char context[] = "x";

    sim_hook(sim, clone_and_cut, context);
    EXPECT(story(), 0);
    EXPECT(hooked, 206); /* the rename and the sync of the directory could have happened */
}

/* --- faults
 * --------------------------------------------------------------------------------------------------
 */

Test(sim, faults_strike_where_and_as_often_as_told)
{
    int file = open_new("a.wal"), other = open_new("b");
    uint8_t byte;

    write_letter(file, 'a', 4 * 512, 0, false);
    write_letter(other, 'a', 512, 0, false);
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

Test(sim, a_failed_write_may_have_done_any_part_of_its_work)
{
    int file = open_new("f");
    unsigned all = 0, none = 0;

    write_letter(file, '-', 4 * 512, 0, false);
    sim_fault(sim, &(struct sim_fault){.operations = SIM_WRITE, .error = -EIO});
    for (uint64_t seed = 0; seed < 100; seed++) {
        const char *word;

        sim_seed(sim, seed);
        EXPECT(write_letter(file, (char)('a' + seed % 20), 4 * 512, 0, true), -EIO);
        word = letters(sim, "f", 512);
        all += word[0] == (char)('a' + seed % 20) && strspn(word, (char[]){word[0], '\0'}) == 4;
        none += strchr(word, (char)('a' + seed % 20)) == NULL;
    }
    cr_expect(all > 10 && none > 10 && all + none < 90);
}

Test(sim, a_failed_sync_may_drop_what_it_was_to_write)
{
    int file = open_named("f");
    struct sim *copy;

    write_letter(file, '-', 2 * 512, 0, true);
    write_letter(file, 'a', 512, 0, false);
    sim_fault(sim, &(struct sim_fault){
                       .operations = SIM_SYNC, .times = 1, .error = -EIO, .dropped = SIM_DROPPED});
    EXPECT(CALL(file_sync, file), -EIO);
    EXPECT(CALL(file_sync, file), 0); /* says nothing of what was lost */
    cr_expect_str_eq(letters(sim, "f", 512), "a-");
    copy = cut_copy(SIM_CUT_PRESENT, 1);
    cr_expect_str_eq(letters(copy, "f", 512), "--");
    sim_free(copy);
    sim_no_faults(sim);
    write_letter(file, 'b', 512, 512, false);
    sim_fault(sim, &(struct sim_fault){.operations = SIM_SYNC, .times = 1, .error = -EIO});
    EXPECT(CALL(file_sync, file), -EIO);
    EXPECT(CALL(file_sync, file), 0);
    sim_power_cut(sim, SIM_CUT_ABSENT);
    cr_expect_str_eq(letters(sim, "f", 512), "-b");
}

Test(sim, a_full_disk_takes_what_fits_and_files_that_go_give_room)
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

Test(sim, a_read_only_world_can_be_looked_at)
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

Test(sim, damage_is_done_for_good)
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

Test(sim, a_world_can_be_looked_at_on_the_real_disk)
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

/* --- rings
 * ---------------------------------------------------------------------------------------------------
 */

static mp_env_ring *ring_of(unsigned entries)
{
    mp_env_ring *ring = NULL;

    EXPECT(CALL(ring_open, entries, &ring), 0);
    return ring;
}

Test(sim, a_ring_write_is_durable_when_it_is_told_and_anything_before)
{
    static uint8_t a[512], b[512];
    mp_env_piece pieces[] = {{a, 512}, {b, 512}};
    mp_env_ring *ring = ring_of(4);
    int file = open_named("f");
    mp_env_completion done;
    struct sim *copy;

    memset(a, 'a', sizeof a);
    memset(b, 'b', sizeof b);
    write_letter(file, '-', 3 * 512, 0, true);
    write_letter(file, 'x', 512, 1024, false); /* the ring's sync covers it */
    EXPECT(CALL(ring_write, ring, file, pieces, 2, 0, 7), 0);
    cr_expect_gt(cuts_that_leave("f", 512, "---"), 5);
    cr_expect_gt(cuts_that_leave("f", 512, "a--"), 5);
    cr_expect_gt(cuts_that_leave("f", 512, "-bx"), 5);
    cr_expect_gt(cuts_that_leave("f", 512, "abx"), 5);
    EXPECT(CALL(ring_reap, ring, &done, 1, UINT64_MAX), 1);
    EXPECT(done.user, 7);
    EXPECT(done.result, 1024);
    copy = cut_copy(SIM_CUT_ABSENT, 1);
    cr_expect_str_eq(letters(copy, "f", 512), "abx");
    sim_free(copy);
    CALL(ring_close, ring);
}

Test(sim, ring_operations_end_in_any_order_and_some_calls_later)
{
    static uint8_t bytes[4][512];
    unsigned orders[256] = {0}, different = 0, calls = 0;

    for (uint64_t seed = 0; seed < 200; seed++) {
        mp_env_ring *ring = ring_of(4);
        int file = open_new("f");
        unsigned told = 0, code = 0;

        sim_seed(sim, seed);
        for (unsigned i = 0; i < 4; i++) {
            mp_env_piece piece = {bytes[i], 512};

            EXPECT(CALL(ring_write, ring, file, &piece, 1, i * 512, i), 0);
        }
        EXPECT(CALL(ring_write, ring, file, &(mp_env_piece){bytes, 512}, 1, 0, 9), -EBUSY);
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

Test(sim, ring_reads_and_errors_are_told)
{
    static uint8_t bytes[PAGE];
    mp_env_ring *ring = ring_of(4);
    int file = open_named("f");
    mp_env_completion done;

    write_letter(file, 'a', 512, 0, true);
    EXPECT(CALL(ring_read, ring, file, bytes, PAGE, 0, 1), 0);
    cr_expect_neq(bytes[0], 'a');
    EXPECT(CALL(ring_reap, ring, &done, 1, UINT64_MAX), 1);
    EXPECT(done.result, 512);
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

Test(sim, a_ring_whose_process_dies_leaves_its_writes_in_flight)
{
    static uint8_t bytes[512] = {1};
    mp_env_ring *ring = ring_of(4);
    int file = open_named("f");
    unsigned there = 0;

    EXPECT(CALL(ring_write, ring, file, &(mp_env_piece){bytes, 512}, 1, 0, 1), 0);
    sim_crash_at(sim, 1);
    EXPECT(CALL(file_sync, file), -EIO);
    EXPECT(CALL(ring_reap, ring, &(mp_env_completion){0}, 1, UINT64_MAX), -EIO);
    CALL(ring_close, ring);
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct sim *copy = sim_clone(sim);

        sim_seed(copy, seed);
        sim_kill(copy);
        there += sim_size(copy, "f") == 512;
        sim_free(copy);
    }
    cr_expect(there > 20 && there < 80);
}

Test(sim, a_ring_sleeps_and_wakes)
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

Test(sim, memory_that_changes_under_a_ring_is_a_fault_of_the_caller, .signal = SIGABRT)
{
    static uint8_t bytes[512];
    mp_env_ring *ring = ring_of(4);

    EXPECT(CALL(ring_write, ring, open_new("f"), &(mp_env_piece){bytes, 512}, 1, 0, 1), 0);
    bytes[100] = 1;
    CALL(ring_reap, ring, &(mp_env_completion){0}, 1, UINT64_MAX);
}

Test(sim, a_sleep_that_nothing_can_end_is_a_fault_of_the_caller, .signal = SIGABRT)
{
    CALL(ring_reap, ring_of(4), &(mp_env_completion){0}, 1, UINT64_MAX);
}

/* --- clocks
 * --------------------------------------------------------------------------------------------------
 */

Test(sim, clocks_stand_where_a_test_puts_them)
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
