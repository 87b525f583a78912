/* What the tests of the simulated world share: a world, files of letters in it, and what power cuts
 * leave of them. */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "sim_env.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR UINT64_C(512)
#define PAGE   UINT64_C(4096)
#define MS     UINT64_C(1000000) /* ns */

static struct sim *sim;
static const mp_env *env;

#define CALL(verb, ...) env->verb(env->context, ##__VA_ARGS__)
#define EXPECT(expression, wanted)                                                                 \
    do {                                                                                           \
        long long got_ = (long long)(expression), wanted_ = (long long)(wanted);                   \
        cr_assert(got_ == wanted_, "%s: %lld instead of %lld", #expression, got_, wanted_);        \
    } while (0)

static inline void use(struct sim *which)
{
    sim = which;
    env = sim_env(sim);
}

static inline void set_up(void) { use(sim_make(1)); }
static inline void tear_down(void) { sim_free(sim); }

static inline int open_new(const char *path)
{
    int file = CALL(file_open, path, MP_ENV_WRITE | MP_ENV_CREATE);

    cr_assert_geq(file, 0, "%s: %s", path, strerror(-file));
    return file;
}

/* Writes `length` times a letter. */
static inline int64_t write_letter(int file, char letter, size_t length, uint64_t offset,
                                   bool durable)
{
    static uint8_t bytes[64 * PAGE];

    cr_assert_leq(length, sizeof bytes);
    memset(bytes, letter, length);
    return CALL(file_write, file, &(mp_env_piece){bytes, length}, 1, offset, durable);
}

/* The file as a word: one letter for each piece of `step` bytes, '.' for zeros, '?' where it isn't
 * all the same. */
static inline const char *letters(const struct sim *of, const char *path, size_t step)
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
static inline int open_named(const char *path)
{
    int file = open_new(path);

    EXPECT(CALL(dir_sync, "."), 0);
    return file;
}

/* Cuts the power off a copy, in one of the ways. */
static inline struct sim *cut_copy(enum sim_cut cut, uint64_t seed)
{
    struct sim *copy = sim_clone(sim);

    sim_seed(copy, seed);
    sim_power_cut(copy, cut);
    return copy;
}

/* How many of the random cuts leave a file that reads as a word. */
static inline unsigned cuts_that_leave(const char *path, size_t step, const char *word)
{
    unsigned count = 0;

    for (uint64_t seed = 0; seed < 400; seed++) {
        struct sim *copy = cut_copy(SIM_CUT_RANDOM, seed);

        count += strcmp(letters(copy, path, step), word) == 0;
        sim_free(copy);
    }
    return count;
}

#endif
