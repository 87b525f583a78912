/*
 * Random histories, engine against oracle: every result as it comes, everything that can be read
 * every few batches, and again after closing and opening, and by a second handle that only reads.
 *
 * $MICROPAY_SEED begins with another seed (a failure names its own), $MICROPAY_RUNS plays more than
 * one from there on; $MICROPAY_TRACE tells every event.
 */
#include "given.h"
#include "history.h"

#include <stdlib.h>

/* A run that failed is closed here. */
TestSuite(random, .fini = given_close);

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);

    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void play(const struct history_profile *profile, unsigned steps)
{
    const uint64_t first = number_from("MICROPAY_SEED", 1), runs = number_from("MICROPAY_RUNS", 1);

    for (uint64_t seed = first; seed < first + runs; seed++) {
        given_open();
        history_begin(seed, profile);
        for (unsigned step = 0; step < steps; step++) {
            given_context("MICROPAY_SEED=%llu, step %u", (unsigned long long)seed, step);
            history_step();
            if (history_dice(60) == 0) reopen();
            if (history_dice(100) == 0) expect_all_the_same(seed + step);
        }
        expect_all_the_same_to_a_reader(seed);
        reopen();
        expect_all_the_same_to_a_reader(seed + 1);
        given_close();
    }
}

static const struct history_profile usual = {
    .accounts = 12,
    .batch = 40,
    .wide = 3,
    .linked = 20,
    .pending = 35,
    .timeouts = 40,
    .imported = 5,
    .updates = 8,
    .retries = 10,
    .odd = 5,
    .seconds = 5,
};

Test(random, a_bit_of_everything) { play(&usual, 500); }

Test(random, sums_near_the_edges)
{
    struct history_profile profile = usual;

    profile.wide = 40;
    profile.accounts = 25;
    play(&profile, 400);
}

Test(random, reservations_that_expire)
{
    struct history_profile profile = usual;

    profile.pending = 60;
    profile.timeouts = 90;
    profile.seconds = 2;
    profile.imported = 2;
    play(&profile, 500);
}

Test(random, long_chains_that_break)
{
    struct history_profile profile = usual;

    profile.linked = 85;
    profile.batch = 60;
    profile.odd = 2;
    profile.pending = 50;
    play(&profile, 400);
}

Test(random, mostly_retries_and_mistakes)
{
    struct history_profile profile = usual;

    profile.retries = 55;
    profile.odd = 30;
    play(&profile, 500);
}

Test(random, mostly_imported)
{
    struct history_profile profile = usual;

    profile.imported = 70;
    profile.linked = 10;
    play(&profile, 400);
}

Test(random, three_accounts_freezing_and_thawing)
{
    struct history_profile profile = usual;

    profile.accounts = 3;
    profile.updates = 35;
    play(&profile, 500);
}

Test(random, large_batches)
{
    struct history_profile profile = usual;

    profile.batch = MP_BATCH_MAX;
    profile.accounts = 300;
    play(&profile, 50);
}
