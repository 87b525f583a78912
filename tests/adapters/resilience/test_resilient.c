#include "resilience/resilient.h"

#include "resilience/fake_client.h"
#include "support/test_loop.h"

#include <criterion/criterion.h>
#include <string.h>

static const uint64_t ms = 1000000;
static struct loop *loop;
static struct http_client client;
static struct resilient *peer;
static struct resilience_policy policy = {
    .retry = {.attempts = 3, .first_ms = 100, .most_ms = 1000},
    .breaker =
        {.window_ms = 10000, .volume = 20, .failure_percent = 50, .open_ms = 5000, .probes = 2},
    .bulkhead = {.inside = 2, .waiting = 2, .wait_ms = 500},
    .attempt_ms = 1000,
    .total_ms = 5000,
};

/* The answers of the client, one after the other; the last one stays. */
static struct fake_answer script[16];
static unsigned script_at, script_count;

static struct fake_answer next_answer(void *context, const struct http_call *call)
{
    (void)context;
    (void)call;
    return script[script_at + 1 < script_count ? script_at++ : script_at];
}

/* What callers were told. */
static struct told {
    unsigned times, status;
    enum outcome outcome;
    enum reason reason;
    uint64_t at_ns;
} told[64];

static void on_done(void *context, const struct http_reply *reply, const struct error *err)
{
    struct told *it = context;

    it->times++;
    it->status = reply->status;
    it->outcome = reply->status == 0 ? err->outcome : OUTCOME_DONE;
    it->reason = reply->status == 0 ? err->reason : REASON_NONE;
    it->at_ns = loop_elapsed_ns(loop);
}

static void make(void)
{
    loop = test_loop_make(&(struct test_loop_options){.seed = 5});
    client = (struct http_client){.loop = loop, .decide = next_answer};
    peer = resilient_make(loop, &client, "bank", &policy);
    script[0] = (struct fake_answer){.status = 200};
    script_count = 1;
}

static void finish(void)
{
    resilient_free(peer);
    test_loop_free(loop);
}

static const char *const with_key[] = {"Idempotency-Key: k1", NULL};

static void call(unsigned number, enum http_method method, const char *const *headers)
{
    resilient_call(peer, &(struct http_call){.method = method,
                                             .url = "http://bank/x",
                                             .headers = headers,
                                             .body = "{}",
                                             .length = 2,
                                             .done = on_done,
                                             .context = &told[number]});
}

static void run(void)
{
    test_loop_run(loop);
    while (test_loop_next(loop)) continue;
}

TestSuite(resilient, .init = make, .fini = finish);

Test(resilient, each_answer_is_tried_again_or_not_as_its_meaning_allows)
{
    static const struct {
        enum http_method method;
        bool key;
        struct fake_answer first;
        unsigned calls, status; /* the second attempt is answered 200 */
        enum outcome outcome;
    } cases[] = {
        {HTTP_GET, false, {.status = 200}, 1, 200, OUTCOME_DONE},
        {HTTP_GET, false, {.status = 404}, 1, 404, OUTCOME_DONE},
        {HTTP_GET, false, {.status = 500}, 1, 500, OUTCOME_DONE},
        {HTTP_GET, false, {.status = 429}, 2, 200, OUTCOME_DONE},
        {HTTP_GET, false, {.status = 502}, 2, 200, OUTCOME_DONE},
        {HTTP_POST, false, {.status = 502}, 1, 502, OUTCOME_DONE},
        {HTTP_POST, true, {.status = 502}, 2, 200, OUTCOME_DONE},
        {HTTP_POST, false, {.status = 503}, 2, 200, OUTCOME_DONE},
        {HTTP_POST, false, {.status = 504}, 1, 504, OUTCOME_DONE},
        {HTTP_PUT, false, {.status = 504}, 2, 200, OUTCOME_DONE},
        {HTTP_POST, false, {.reason = REASON_NOT_READY}, 2, 200, OUTCOME_DONE},
        {HTTP_POST, false, {.reason = REASON_TIMEOUT}, 1, 0, OUTCOME_UNKNOWN},
        {HTTP_POST, true, {.reason = REASON_TIMEOUT}, 2, 200, OUTCOME_DONE},
        {HTTP_DELETE, false, {.after_ms = 9999}, 2, 200, OUTCOME_DONE},
        {HTTP_GET, false, {.reason = REASON_INVALID_REQUEST}, 1, 0, OUTCOME_REFUSED},
    };

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        script[0] = cases[i].first;
        script[1] = (struct fake_answer){.status = 200};
        script_at = 0;
        script_count = 2;
        client.calls = 0;
        told[0] = (struct told){0};
        resilient_free(peer); /* a breaker that remembers nothing */
        peer = resilient_make(loop, &client, "bank", &policy);
        call(0, cases[i].method, cases[i].key ? with_key : NULL);
        cr_assert_eq(told[0].times, 0, "never inside");
        run();
        cr_assert_eq(told[0].times, 1, "case %u", i);
        cr_assert_eq(client.calls, cases[i].calls, "case %u: %u calls", i, client.calls);
        cr_assert_eq(told[0].status, cases[i].status, "case %u: %u", i, told[0].status);
        cr_assert_eq(told[0].outcome, cases[i].outcome, "case %u", i);
    }
}

Test(resilient, what_may_have_been_carried_out_is_never_told_as_refused)
{
    script[0] = (struct fake_answer){.reason = REASON_TIMEOUT, .after_ms = 10};
    script[1] = (struct fake_answer){.status = 503};
    script[2] = (struct fake_answer){.reason = REASON_NOT_READY};
    script_count = 3;
    call(0, HTTP_POST, with_key);
    run();
    cr_assert_eq(client.calls, 3);
    cr_assert_eq(told[0].status, 0);
    cr_assert_eq(told[0].outcome, OUTCOME_UNKNOWN);
}

Test(resilient, comes_back_no_sooner_than_it_was_asked_to)
{
    script[0] = (struct fake_answer){.status = 503, .retry_after = "2"};
    script[1] = (struct fake_answer){.status = 201};
    script_count = 2;
    call(0, HTTP_POST, with_key);
    run();
    cr_assert_eq(told[0].status, 201);
    cr_assert_eq(told[0].at_ns, 2000 * ms);
}

Test(resilient, does_not_wait_for_what_would_come_after_its_time)
{
    script[0] = (struct fake_answer){.status = 503, .retry_after = "60"};
    call(0, HTTP_GET, NULL);
    run();
    cr_assert_eq(told[0].status, 503);
    cr_assert_eq(told[0].at_ns, 0);
}

Test(resilient, ends_in_its_time_even_if_the_client_never_answers)
{
    script[0] = (struct fake_answer){.never = true, .after_ms = 60000, .status = 200};
    call(0, HTTP_GET, NULL);
    run();
    cr_assert_eq(told[0].times, 1);
    cr_assert_eq(told[0].outcome, OUTCOME_UNKNOWN);
    cr_assert_eq(told[0].at_ns, 5000 * ms);
    cr_assert_eq(client.outstanding, 0); /* the late answer came to nobody */
}

Test(resilient, a_limit_of_the_call_itself_stands_for_that_of_the_policy)
{
    script[0] = (struct fake_answer){.after_ms = 9999};
    resilient_call(
        peer, &(struct http_call){
                  .url = "http://bank/x", .timeout_ms = 300, .done = on_done, .context = &told[0]});
    run();
    cr_assert_eq(told[0].at_ns, 300 * ms);
    cr_assert_eq(told[0].outcome, OUTCOME_UNKNOWN);
}

Test(resilient, a_slow_peer_holds_no_more_than_its_share)
{
    struct resilient_state state;

    script[0] = (struct fake_answer){.status = 200, .after_ms = 400};
    for (unsigned i = 0; i < 6; i++) call(i, HTTP_GET, NULL);
    run();
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(told[i].status, 200);
        cr_assert_eq(told[i].at_ns, (i < 2 ? 400 : 800) * ms);
    }
    for (unsigned i = 4; i < 6; i++) {
        cr_assert_eq(told[i].reason, REASON_BUSY);
        cr_assert_eq(told[i].outcome, OUTCOME_AGAIN);
        cr_assert_eq(told[i].at_ns, 0);
    }
    cr_assert_eq(client.most_outstanding, 2);
    resilient_state(peer, &state);
    cr_assert_eq(state.refused_full, 2);
}

Test(resilient, a_broken_peer_is_left_alone_and_asked_again_later)
{
    struct resilient_state state;

    script[0] = (struct fake_answer){.status = 500};
    for (unsigned i = 0; i < 20; i++) {
        call(i, HTTP_GET, NULL);
        run();
    }
    cr_assert_eq(client.calls, 20);
    call(20, HTTP_GET, NULL);
    run();
    cr_assert_eq(client.calls, 20);
    cr_assert_eq(told[20].reason, REASON_NOT_READY);
    cr_assert_eq(told[20].outcome, OUTCOME_AGAIN);

    script[0] = (struct fake_answer){.status = 200};
    test_loop_pass(loop, 5000 * ms);
    for (unsigned i = 21; i < 30; i++) {
        call(i, HTTP_GET, NULL);
        run();
        cr_assert_eq(told[i].status, 200);
    }
    resilient_state(peer, &state);
    cr_assert_eq(state.breaker, BREAKER_CLOSED);
    cr_assert_eq(state.refused_open, 1);
    cr_assert_eq(state.inside, 0);
}

Test(resilient, a_stop_ends_what_waits_at_once_and_sends_nothing_more)
{
    script[0] = (struct fake_answer){.status = 503, .after_ms = 10};
    script[1] = (struct fake_answer){.status = 200, .after_ms = 400};
    script_count = 2;
    call(0, HTTP_GET, NULL);
    test_loop_pass(loop, 10 * ms); /* backs off now */
    for (unsigned i = 1; i < 5; i++) call(i, HTTP_GET, NULL);
    cr_assert_eq(client.calls, 1);
    while (client.calls < 3) test_loop_step(loop); /* two are sent, one or two wait */
    resilient_stop(peer);
    call(5, HTTP_GET, NULL);
    run();
    for (unsigned i = 0; i < 6; i++) cr_assert_eq(told[i].times, 1, "call %u", i);
    cr_assert_eq(told[0].reason, REASON_NOT_READY);
    cr_assert_eq(told[5].reason, REASON_NOT_READY);
    cr_assert_eq(client.calls, 3);
    cr_assert_eq(told[1].status + told[2].status, 400);
}

Test(resilient, freeing_it_with_calls_under_way_leaves_nothing_behind)
{
    script[0] = (struct fake_answer){.status = 503, .after_ms = 10};
    for (unsigned i = 0; i < 2; i++) call(i, HTTP_GET, NULL);
    test_loop_pass(loop, 10 * ms); /* both back off */
    for (unsigned i = 2; i < 4; i++) call(i, HTTP_GET, NULL);
    resilient_stop(peer);
    resilient_free(peer);
    peer = NULL;
    run(); /* neither a task nor a timer of it is left */
    for (unsigned i = 0; i < 4; i++) cr_assert_eq(told[i].times, 1);
}

/* --- a simulation: a peer that is well, slow, or gone, by seed --- */

enum { CALLS = 3000 };

static struct sim {
    uint64_t end_of_mood_ns;
    unsigned mood; /* 0 well, 1 slow, 2 gone */
    unsigned told, attempts;
    uint64_t sum; /* of all that happened, in order */
} sim;

static struct sim_call {
    struct loop_timer timer;
    uint64_t began_ns;
    unsigned times, number;
} sim_calls[CALLS];

static struct fake_answer by_mood(void *context, const struct http_call *made)
{
    uint64_t now = loop_elapsed_ns(loop), luck = test_loop_below(loop, 100);

    (void)context;
    cr_assert_leq(made->timeout_ms, policy.attempt_ms);
    sim.attempts++;
    if (now >= sim.end_of_mood_ns) {
        sim.mood = (unsigned)test_loop_below(loop, 3);
        sim.end_of_mood_ns = now + (1000 + test_loop_below(loop, 8000)) * ms;
    }
    if (sim.mood == 2 && luck < 50) return (struct fake_answer){.reason = REASON_NOT_READY};
    if (sim.mood == 2) return (struct fake_answer){.after_ms = 5000};
    if (sim.mood == 1 && luck < 3) return (struct fake_answer){.never = true, .after_ms = 20000};
    if (luck < 2) return (struct fake_answer){.status = 503, .after_ms = luck};
    return (struct fake_answer){.status = 200,
                                .after_ms = test_loop_below(loop, sim.mood == 1 ? 1500 : 20)};
}

static void sim_done(void *context, const struct http_reply *reply, const struct error *err)
{
    struct sim_call *it = context;
    uint64_t took_ns = loop_elapsed_ns(loop) - it->began_ns;
    unsigned outcome = reply->status == 0 ? (unsigned)err->outcome : 0;

    cr_assert_eq(++it->times, 1);
    cr_assert_leq(took_ns, policy.total_ms * ms);
    sim.told++;
    sim.sum = sim.sum * 31 + it->number * 1000 + reply->status + outcome + took_ns;
}

static void sim_call(void *context)
{
    struct sim_call *it = context;

    it->began_ns = loop_elapsed_ns(loop);
    resilient_call(peer, &(struct http_call){.method = it->number % 2 ? HTTP_GET : HTTP_POST,
                                             .url = "http://bank/x",
                                             .done = sim_done,
                                             .context = it});
}

static uint64_t simulate(uint64_t seed, struct resilient_state *state)
{
    uint64_t at = 0;

    memset(&sim, 0, sizeof sim);
    memset(sim_calls, 0, sizeof sim_calls);
    loop = test_loop_make(&(struct test_loop_options){.seed = seed, .shuffle = true});
    client = (struct http_client){.loop = loop, .decide = by_mood};
    policy.bulkhead = (struct bulkhead_policy){.inside = 8, .waiting = 20, .wait_ms = 1000};
    peer = resilient_make(loop, &client, "bank", &policy);
    for (unsigned i = 0; i < CALLS; i++) {
        sim_calls[i].number = i;
        sim_calls[i].timer = (struct loop_timer){.fire = sim_call, .context = &sim_calls[i]};
        loop_timer_set(loop, &sim_calls[i].timer, at);
        at += test_loop_below(loop, 40 * ms);
    }
    run();
    resilient_state(peer, state);
    cr_assert_eq(sim.told, CALLS, "every call is told once");
    cr_assert_leq(client.most_outstanding, 8);
    cr_assert_eq(client.outstanding, 0);
    cr_assert_eq(state->inside + state->waiting, 0);
    cr_assert_eq(state->attempts, sim.attempts);
    cr_assert_leq(state->attempts, state->calls + state->retries);
    cr_assert_eq(test_loop_timers(loop) + test_loop_tasks(loop), 0);
    resilient_free(peer);
    test_loop_free(loop);
    return sim.sum;
}

Test(resilient_sim, through_hours_of_moods_each_call_ends_once_in_time_and_by_seed_alone)
{
    uint64_t opened = 0, full = 0, timeouts = 0;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct resilient_state first, again;

        cr_assert_eq(simulate(seed, &first), simulate(seed, &again), "seed %lu", seed);
        opened += first.refused_open;
        full += first.refused_full;
        timeouts += first.timeouts;
    }
    cr_assert_gt(opened, 0); /* each guard was met */
    cr_assert_gt(full, 0);
    cr_assert_gt(timeouts, 0);
}
