#include "resilience/breaker.h"
#include "resilience/bulkhead.h"
#include "resilience/retry.h"
#include "resilience/timeout.h"

#include "support/test_loop.h"

#include <criterion/criterion.h>

static const uint64_t ms = 1000000;
static struct loop *loop;

static void make(void) { loop = test_loop_make(&(struct test_loop_options){.seed = 11}); }
static void finish(void) { test_loop_free(loop); }

/* --- retry --- */

TestSuite(retry, .init = make, .fini = finish);

Test(retry, what_cannot_work_later_is_never_tried_again)
{
    static const struct {
        enum outcome outcome;
        bool again;
    } cases[] = {
        {OUTCOME_DONE, false},    {OUTCOME_AGAIN, true},   {OUTCOME_UNKNOWN, true},
        {OUTCOME_REFUSED, false}, {OUTCOME_BROKEN, false},
    };

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct retry retry;
        uint64_t delay;

        retry_begin(&retry, &(struct retry_policy){.attempts = 3, .first_ms = 1, .most_ms = 9},
                    loop);
        cr_assert_eq(retry_again(&retry, loop, cases[i].outcome, 0, &delay), cases[i].again);
    }
}

Test(retry, delays_grow_to_their_bound_and_are_spread_over_the_whole_of_it)
{
    static const uint64_t bounds_ms[] = {100, 200, 400, 800, 1000, 1000, 1000};
    enum { BOUNDS = sizeof bounds_ms / sizeof *bounds_ms };
    uint64_t most[BOUNDS] = {0}, least[BOUNDS];

    for (unsigned i = 0; i < BOUNDS; i++) least[i] = UINT64_MAX;
    for (unsigned round = 0; round < 2000; round++) {
        struct retry retry;

        retry_begin(&retry, &(struct retry_policy){.attempts = 8, .first_ms = 100, .most_ms = 1000},
                    loop);
        for (unsigned i = 0; i < BOUNDS; i++) {
            uint64_t delay;

            cr_assert(retry_again(&retry, loop, OUTCOME_AGAIN, 0, &delay));
            if (delay > most[i]) most[i] = delay;
            if (delay < least[i]) least[i] = delay;
        }
    }
    for (unsigned i = 0; i < BOUNDS; i++) {
        cr_assert_leq(most[i], bounds_ms[i] * ms);
        cr_assert_geq(most[i], bounds_ms[i] * ms * 98 / 100);
        cr_assert_leq(least[i], bounds_ms[i] * ms * 2 / 100);
    }
}

Test(retry, ends_after_its_attempts_and_after_its_budget)
{
    struct retry_policy policy = {.attempts = 3, .first_ms = 10, .most_ms = 10};
    struct retry retry;
    uint64_t delay;

    retry_begin(&retry, &policy, loop);
    cr_assert(retry_again(&retry, loop, OUTCOME_AGAIN, 0, &delay));
    cr_assert(retry_again(&retry, loop, OUTCOME_AGAIN, 0, &delay));
    cr_assert(!retry_again(&retry, loop, OUTCOME_AGAIN, 0, &delay));

    policy.attempts = 1000;
    policy.budget_ms = 500;
    retry_begin(&retry, &policy, loop);
    test_loop_pass(loop, 489 * ms);
    cr_assert(retry_again(&retry, loop, OUTCOME_AGAIN, 0, &delay));
    cr_assert(!retry_again(&retry, loop, OUTCOME_AGAIN, 12 * ms, &delay));
    test_loop_pass(loop, 12 * ms);
    cr_assert(!retry_again(&retry, loop, OUTCOME_AGAIN, 0, &delay));
}

Test(retry, waits_at_least_as_long_as_it_was_told)
{
    struct retry retry;
    uint64_t delay;

    retry_begin(&retry, &(struct retry_policy){.attempts = 2, .first_ms = 10, .most_ms = 10}, loop);
    cr_assert(retry_again(&retry, loop, OUTCOME_AGAIN, 3000 * ms, &delay));
    cr_assert_eq(delay, 3000 * ms);
}

/* --- breaker --- */

static struct breaker breaker;
static const struct breaker_policy policy = {
    .window_ms = 1000, .volume = 10, .failure_percent = 50, .open_ms = 5000, .probes = 2};

static void make_breaker(void)
{
    make();
    breaker_make(&breaker, loop, &policy);
}

static void calls(unsigned count, enum breaker_verdict verdict)
{
    for (unsigned i = 0; i < count; i++) {
        struct breaker_pass pass;

        cr_assert(breaker_allow(&breaker, &pass));
        breaker_report(&breaker, pass, verdict);
    }
}

static void trip(void)
{
    calls(10, BREAKER_BAD);
    cr_assert_eq(breaker.state, BREAKER_OPEN);
}

TestSuite(breaker, .init = make_breaker, .fini = finish);

Test(breaker, opens_at_its_ratio_of_failures_and_not_below_its_volume)
{
    static const struct {
        unsigned good, bad;
        enum breaker_state state;
    } cases[] = {
        {0, 9, BREAKER_CLOSED}, {0, 10, BREAKER_OPEN},  {5, 4, BREAKER_CLOSED},
        {5, 5, BREAKER_OPEN},   {6, 5, BREAKER_CLOSED}, {100, 99, BREAKER_CLOSED},
    };

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        breaker_make(&breaker, loop, &policy);
        calls(cases[i].good, BREAKER_GOOD);
        calls(cases[i].bad, BREAKER_BAD);
        cr_assert_eq(breaker.state, cases[i].state, "case %u", i);
    }
}

Test(breaker, what_taught_nothing_counts_for_nothing)
{
    calls(1000, BREAKER_NEITHER);
    calls(9, BREAKER_BAD);
    calls(1000, BREAKER_NEITHER);
    cr_assert_eq(breaker.state, BREAKER_CLOSED);
    calls(1, BREAKER_BAD);
    cr_assert_eq(breaker.state, BREAKER_OPEN);
}

Test(breaker, failures_older_than_the_window_are_forgotten)
{
    calls(9, BREAKER_BAD);
    test_loop_pass(loop, 1000 * ms);
    calls(9, BREAKER_BAD);
    cr_assert_eq(breaker.state, BREAKER_CLOSED);
    test_loop_pass(loop, 800 * ms);
    calls(1, BREAKER_BAD);
    cr_assert_eq(breaker.state, BREAKER_OPEN);
}

Test(breaker, an_open_one_lets_nothing_pass_until_its_time_is_over)
{
    struct breaker_pass pass;

    trip();
    for (unsigned i = 0; i < 50; i++) {
        cr_assert(!breaker_allow(&breaker, &pass));
        cr_assert_eq(breaker_rest_ns(&breaker), (5000 - 100 * i) * ms);
        test_loop_pass(loop, 100 * ms);
    }
    cr_assert_eq(breaker_rest_ns(&breaker), 0);
    cr_assert(breaker_allow(&breaker, &pass));
    cr_assert_eq(breaker.state, BREAKER_HALF_OPEN);
}

Test(breaker, half_open_it_sends_no_more_than_its_probes_and_closes_when_all_are_good)
{
    struct breaker_pass first, second, third;

    trip();
    test_loop_pass(loop, 5000 * ms);
    cr_assert(breaker_allow(&breaker, &first));
    cr_assert(breaker_allow(&breaker, &second));
    cr_assert(!breaker_allow(&breaker, &third));
    breaker_report(&breaker, first, BREAKER_GOOD);
    cr_assert(!breaker_allow(&breaker, &third));
    breaker_report(&breaker, second, BREAKER_NEITHER);
    cr_assert(breaker_allow(&breaker, &third)); /* in place of the second */
    breaker_report(&breaker, third, BREAKER_GOOD);
    cr_assert_eq(breaker.state, BREAKER_CLOSED);
    calls(9, BREAKER_BAD); /* the failures that opened it are gone */
    cr_assert_eq(breaker.state, BREAKER_CLOSED);
}

Test(breaker, a_probe_that_fails_opens_it_for_the_whole_time_again)
{
    struct breaker_pass first, second;

    trip();
    test_loop_pass(loop, 5000 * ms);
    cr_assert(breaker_allow(&breaker, &first));
    cr_assert(breaker_allow(&breaker, &second));
    breaker_report(&breaker, first, BREAKER_BAD);
    cr_assert_eq(breaker.state, BREAKER_OPEN);
    cr_assert_eq(breaker_rest_ns(&breaker), 5000 * ms);
    breaker_report(&breaker, second, BREAKER_GOOD);
    cr_assert_eq(breaker.state, BREAKER_OPEN);
    cr_assert_eq(breaker.opened, 2);
}

Test(breaker, a_late_answer_from_before_it_opened_neither_closes_nor_opens_it)
{
    struct breaker_pass early, late, probe;

    cr_assert(breaker_allow(&breaker, &early));
    cr_assert(breaker_allow(&breaker, &late));
    trip();
    breaker_report(&breaker, early, BREAKER_GOOD);
    test_loop_pass(loop, 5000 * ms);
    cr_assert(breaker_allow(&breaker, &probe));
    breaker_report(&breaker, late, BREAKER_BAD);
    cr_assert_eq(breaker.state, BREAKER_HALF_OPEN);
    cr_assert_eq(breaker.probes_out, 1);
}

Test(breaker, one_without_volume_never_opens)
{
    struct breaker_policy never = policy;

    never.volume = 0;
    breaker_make(&breaker, loop, &never);
    calls(1000, BREAKER_BAD);
    cr_assert_eq(breaker.state, BREAKER_CLOSED);
}

/* --- bulkhead --- */

enum { GUESTS = 8 };
static struct bulkhead bulkhead;
static struct guest {
    struct bulkhead_place place;
    unsigned admitted, refused;
} guests[GUESTS];
static unsigned order[GUESTS], order_count;

static void on_admitted(void *context)
{
    struct guest *guest = context;

    guest->admitted++;
    order[order_count++] = (unsigned)(guest - guests);
}
static void on_refused(void *context) { ((struct guest *)context)->refused++; }

static void make_bulkhead(void)
{
    make();
    bulkhead_make(&bulkhead, loop,
                  &(struct bulkhead_policy){.inside = 2, .waiting = 3, .wait_ms = 100});
    for (unsigned i = 0; i < GUESTS; i++)
        guests[i].place = (struct bulkhead_place){
            .admitted = on_admitted, .refused = on_refused, .context = &guests[i]};
}

static enum bulkhead_answer enter(unsigned guest)
{
    return bulkhead_enter(&bulkhead, &guests[guest].place);
}

TestSuite(bulkhead, .init = make_bulkhead, .fini = finish);

Test(bulkhead, admits_its_number_lets_some_wait_and_turns_the_rest_away)
{
    static const enum bulkhead_answer answers[] = {
        BULKHEAD_ADMITTED, BULKHEAD_ADMITTED, BULKHEAD_WAITS,
        BULKHEAD_WAITS,    BULKHEAD_WAITS,    BULKHEAD_FULL,
    };

    for (unsigned i = 0; i < 6; i++) cr_assert_eq(enter(i), answers[i]);
}

Test(bulkhead, those_that_wait_get_their_turn_in_order_and_never_inside_a_call)
{
    for (unsigned i = 0; i < 5; i++) enter(i);
    bulkhead_leave(&bulkhead);
    bulkhead_leave(&bulkhead);
    cr_assert_eq(order_count, 0);
    test_loop_run(loop);
    cr_assert_eq(order_count, 2);
    cr_assert_eq(order[0], 2);
    cr_assert_eq(order[1], 3);
    cr_assert_eq(enter(6), BULKHEAD_WAITS); /* nobody overtakes guest 4 */
    bulkhead_leave(&bulkhead);
    test_loop_run(loop);
    cr_assert_eq(order[2], 4);
    cr_assert_eq(bulkhead.inside, 2);
}

Test(bulkhead, who_waits_too_long_is_told_once_and_holds_no_place)
{
    for (unsigned i = 0; i < 5; i++) enter(i);
    test_loop_pass(loop, 100 * ms);
    for (unsigned i = 2; i < 5; i++) cr_assert_eq(guests[i].refused, 1);
    bulkhead_leave(&bulkhead);
    test_loop_pass(loop, 1000 * ms);
    cr_assert_eq(order_count, 0);
    cr_assert_eq(bulkhead.inside, 1);
    cr_assert_eq(enter(5), BULKHEAD_ADMITTED);
}

Test(bulkhead, who_gives_up_hears_nothing_and_holds_up_nobody)
{
    for (unsigned i = 0; i < 5; i++) enter(i);
    bulkhead_give_up(&guests[3].place);
    bulkhead_give_up(&guests[2].place);
    bulkhead_leave(&bulkhead);
    bulkhead_leave(&bulkhead);
    test_loop_pass(loop, 1000 * ms);
    cr_assert_eq(order_count, 1);
    cr_assert_eq(order[0], 4);
    cr_assert_eq(guests[2].refused + guests[3].refused, 0);
    cr_assert_eq(test_loop_timers(loop), 0);
}

/* --- timeout --- */

static unsigned expired;
static void on_expired(void *context)
{
    (void)context;
    expired++;
}

Test(timeout, tells_once_when_the_time_is_over_and_never_after_its_end, .init = make,
     .fini = finish)
{
    struct timeout timeout;

    timeout_start(&timeout, loop, 100, on_expired, NULL);
    test_loop_pass(loop, 40 * ms);
    cr_assert_eq(timeout_left_ns(&timeout), 60 * ms);
    test_loop_pass(loop, 60 * ms);
    cr_assert_eq(expired, 1);
    cr_assert_eq(timeout_left_ns(&timeout), 0);
    timeout_start(&timeout, loop, 100, on_expired, NULL);
    timeout_end(&timeout);
    test_loop_pass(loop, 1000 * ms);
    cr_assert_eq(expired, 1);
}
