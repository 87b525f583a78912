/* The power goes at each operation of a short history, and every outcome is reopened: each page
 * that was on its way to the disk is there, isn't, or is torn. The same again at each operation of
 * those openings. And the process dies at each operation, somebody opens the ledger, is told
 * something, and then the power goes. sim_env.h has the model. */
#include "story.h"

#include <criterion/criterion.h>
#include <criterion/logging.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UNITS_MAX = 4096, OUTCOMES_MAX = 5000, DISKS_MAX = 100000 };

/* Disks that were reopened already, with as much answered: once is enough. */
struct disks {
    uint64_t digests[DISKS_MAX];
    uint32_t count;
};

struct cuts {
    struct story *story;
    struct disks first_disks, second_disks;
    struct tally first, second;
    uint64_t operations, outcomes; /* of the history */
    uint64_t opening_operations, opening_outcomes;
    bool crash_openings;
};

static bool is_new(struct disks *disks, const struct sim *sim, const struct story *story)
{
    uint64_t digest = sim_digest(sim) ^ (uint64_t)story->answered << 32 ^ story->asked;

    for (uint32_t i = 0; i < disks->count; i++)
        if (disks->digests[i] == digest) return false;
    cr_assert_lt(disks->count, DISKS_MAX);
    disks->digests[disks->count++] = digest;
    return true;
}

static void each_outcome(struct sim *world, const char *what, struct cuts *cuts,
                         void (*outcome)(struct cuts *cuts, struct sim *sim, const char *what))
{
    uint8_t *states = calloc(1, UNITS_MAX);
    unsigned tried = 0;

    cr_assert_leq(sim_cut_units(world), UNITS_MAX, "%u pages under way in %s", sim_cut_units(world),
                  what);
    do {
        struct sim *copy = sim_clone(world);

        cr_assert_lt(tried++, OUTCOMES_MAX, "too many outcomes of '%s'", what);
        sim_power_cut_as(copy, states);
        outcome(cuts, copy, what);
        sim_free(copy);
    } while (sim_cut_next(world, states));
    free(states);
}

/* --- the crash of an opening --- */

static void check_second(struct cuts *cuts, struct sim *sim, const char *what)
{
    cuts->opening_outcomes++;
    if (is_new(&cuts->second_disks, sim, cuts->story))
        story_check(cuts->story, sim, what, &cuts->second);
}

static void during_opening(void *context, struct sim *sim)
{
    struct cuts *cuts = context;
    struct sim *world = sim_clone(sim);
    char what[256];

    cuts->opening_operations++;
    snprintf(what, sizeof what, "a crash of the opening in '%.200s'", sim_operation(sim));
    each_outcome(world, what, cuts, check_second);
    sim_free(world);
}

static void crash_the_opening(struct cuts *cuts, struct sim *sim)
{
    struct story story = *cuts->story;

    story.sim = sim;
    sim_hook(sim, during_opening, cuts);
    cr_assert_eq(story_open(&story), MP_OK, "%s", mp_last_error());
    sim_hook(sim, NULL, NULL);
    story_close(&story);
}

/* --- the crash of the history --- */

static void check_first(struct cuts *cuts, struct sim *sim, const char *what)
{
    cuts->outcomes++;
    if (!is_new(&cuts->first_disks, sim, cuts->story)) return;
    if (cuts->crash_openings) {
        struct sim *copy = sim_clone(sim);

        crash_the_opening(cuts, copy);
        sim_free(copy);
    }
    story_check(cuts->story, sim, what, &cuts->first);
}

static void during_story(void *context, struct sim *sim)
{
    struct cuts *cuts = context;
    struct sim *world = sim_clone(sim);
    char what[256];

    cuts->operations++;
    snprintf(what, sizeof what, "a cut in '%.200s'", sim_operation(sim));
    each_outcome(world, what, cuts, check_first);
    sim_free(world);
}

static const struct cuts *cut_everywhere(mp_options options, bool crash_openings)
{
    static struct cuts cuts;
    struct sim *sim = story_world();
    struct story story = story_begin(sim, options);

    memset(&cuts, 0, sizeof cuts);
    cuts.story = &story;
    cuts.crash_openings = crash_openings;
    sim_hook(sim, during_story, &cuts);
    cr_assert_eq(story_open(&story), MP_OK, "%s", mp_last_error());
    cr_assert_eq(story_tell(&story, STORY_STEPS), MP_OK, "%s", mp_last_error());
    cr_assert_eq(story_close(&story), MP_OK, "%s", mp_last_error());
    sim_free(sim);
    cr_log_info("cuts at %" PRIu64 " operations: %" PRIu64 " outcomes", cuts.operations,
                cuts.outcomes);
    tally_expect_clean(&cuts.first, "different disks of them");
    cr_assert_geq(cuts.operations, 20);
    cr_assert_geq(cuts.first.outcomes, 50);
    return &cuts;
}

Test(cuts, every_outcome_at_every_operation_loses_and_doubles_nothing, .timeout = 600)
{
    const struct cuts *cuts = cut_everywhere((mp_options){0}, true);

    cr_log_info("cuts at %" PRIu64 " operations of those openings: %" PRIu64 " outcomes",
                cuts->opening_operations, cuts->opening_outcomes);
    tally_expect_clean(&cuts->second, "different disks of them");
    cr_assert_geq(cuts->second.outcomes, 100);
}

Test(cuts, the_same_with_blocking_writes, .timeout = 600)
{
    cut_everywhere((mp_options){.flags = MP_OPEN_NO_RING}, false);
}

/* --- the process dies, then the power goes --- */

struct deaths {
    struct story *story;
    struct tally tally;
    uint64_t operations;
};

/* Whoever had no answer sends again and gets one; then the power goes, and that answer must hold.
 */
static void die_and_cut(struct deaths *deaths, struct sim *sim, const char *what)
{
    struct story story = *deaths->story;

    story.sim = sim;
    sim_kill(sim);
    cr_assert_eq(story_open(&story), MP_OK, "%s: %s", what, mp_last_error());
    cr_assert_eq(story_tell(&story, story.asked), MP_OK, "%s: %s", what, mp_last_error());
    for (enum sim_cut cut = SIM_CUT_RANDOM; cut <= SIM_CUT_PRESENT; cut++) {
        struct sim *copy = sim_clone(sim);

        sim_power_cut(copy, cut);
        story_check(&story, copy, what, &deaths->tally);
        sim_free(copy);
    }
    story_close(&story);
}

static void during_deaths(void *context, struct sim *sim)
{
    struct deaths *deaths = context;
    char what[256];

    deaths->operations++;
    snprintf(what, sizeof what, "a death in '%.200s', then a cut", sim_operation(sim));
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct sim *copy = sim_clone(sim);

        sim_seed(copy, seed);
        die_and_cut(deaths, copy, what);
        sim_free(copy);
    }
}

static void die_everywhere(mp_options options)
{
    struct sim *sim = story_world();
    struct story story = story_begin(sim, options);
    struct deaths deaths = {.story = &story};

    sim_hook(sim, during_deaths, &deaths);
    cr_assert_eq(story_open(&story), MP_OK, "%s", mp_last_error());
    cr_assert_eq(story_tell(&story, STORY_STEPS), MP_OK, "%s", mp_last_error());
    cr_assert_eq(story_close(&story), MP_OK, "%s", mp_last_error());
    sim_free(sim);
    cr_assert_geq(deaths.operations, 20);
    tally_expect_clean(&deaths.tally, "a death, an answer, a cut");
}

/* What was found in the page cache alone, and told, is durable by then. */
Test(cuts, what_is_told_after_a_death_survives_the_power_cut_behind_it, .timeout = 600)
{
    die_everywhere((mp_options){0});
    die_everywhere((mp_options){.flags = MP_OPEN_NO_RING});
}
