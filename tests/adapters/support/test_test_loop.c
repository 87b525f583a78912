#include "support/test_loop.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static char story[4096];

struct actor {
    struct loop_task task;
    struct loop_timer timer;
    struct loop *loop;
    const char *name;
    unsigned again; /* so many times it posts itself from inside */
};

static void tell(void *context)
{
    struct actor *actor = context;

    snprintf(story + strlen(story), sizeof story - strlen(story), "%s%llu ", actor->name,
             (unsigned long long)loop_elapsed_ns(actor->loop));
    if (actor->again > 0) {
        actor->again--;
        loop_post(actor->loop, &actor->task);
    }
}

static struct actor actor_of(struct loop *loop, const char *name)
{
    return (struct actor){.loop = loop, .name = name};
}

static void ready(struct actor *actor)
{
    actor->task.run = actor->timer.fire = tell;
    actor->task.context = actor->timer.context = actor;
}

Test(test_loop, tasks_run_once_in_the_order_of_posting)
{
    struct loop *loop = test_loop_make(NULL);
    struct actor a = actor_of(loop, "a"), b = actor_of(loop, "b");

    ready(&a);
    ready(&b);
    a.again = 1;
    loop_post(loop, &a.task);
    loop_post(loop, &b.task);
    loop_post(loop, &a.task);
    cr_assert_eq(test_loop_tasks(loop), 2);
    cr_assert_eq(test_loop_run(loop), 3);
    cr_assert_str_eq(story, "a0 b0 a0 ");
    test_loop_free(loop);
}

Test(test_loop, timers_fire_at_their_instants_and_never_before)
{
    struct loop *loop = test_loop_make(NULL);
    struct actor a = actor_of(loop, "a"), b = actor_of(loop, "b"), c = actor_of(loop, "c");
    uint64_t begin_ns = loop_now_ns(loop);

    ready(&a);
    ready(&b);
    ready(&c);
    loop_timer_set(loop, &a.timer, 30);
    loop_timer_set(loop, &b.timer, 10);
    loop_timer_set(loop, &c.timer, 20);
    b.again = 1;
    test_loop_run(loop);
    cr_assert_str_eq(story, "");
    loop_timer_set(loop, &a.timer, 15); /* anew */
    loop_timer_cancel(loop, &c.timer);
    loop_timer_cancel(loop, &c.timer);
    test_loop_pass(loop, 12);
    cr_assert_str_eq(story, "b10 b10 ");
    cr_assert_eq(loop_now_ns(loop), begin_ns + 12);
    cr_assert(test_loop_next(loop));
    cr_assert_str_eq(story, "b10 b10 a15 ");
    cr_assert(!test_loop_next(loop));
    test_loop_free(loop);
}

/* Against a plain search for the earliest */
Test(test_loop, many_timers_set_and_cancelled_fire_in_order)
{
    enum { TIMERS = 200 };
    struct loop *loop = test_loop_make(&(struct test_loop_options){.seed = 7});
    struct actor actors[TIMERS];
    uint64_t due[TIMERS];
    unsigned left = 0;

    for (unsigned i = 0; i < TIMERS; i++) {
        actors[i] = actor_of(loop, "");
        ready(&actors[i]);
        due[i] = UINT64_MAX;
    }
    for (unsigned n = 0; n < 2000; n++) {
        unsigned i = (unsigned)test_loop_below(loop, TIMERS);

        if (test_loop_below(loop, 3) == 0) {
            loop_timer_cancel(loop, &actors[i].timer);
            due[i] = UINT64_MAX;
        } else {
            due[i] = 1 + test_loop_below(loop, 50);
            loop_timer_set(loop, &actors[i].timer, due[i]);
        }
    }
    for (unsigned i = 0; i < TIMERS; i++) left += due[i] != UINT64_MAX;
    cr_assert_eq(test_loop_timers(loop), left);
    for (uint64_t at = 1; at <= 50; at++) {
        test_loop_pass(loop, 1);
        for (unsigned i = 0; i < TIMERS; i++) left -= due[i] == at;
        cr_assert_eq(test_loop_timers(loop), left);
    }
    cr_assert_eq(left, 0);
    test_loop_free(loop);
}

static void story_by_seed(uint64_t seed, bool shuffle, char *out, size_t size)
{
    struct loop *loop =
        test_loop_make(&(struct test_loop_options){.seed = seed, .shuffle = shuffle});
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    struct actor actors[8];

    story[0] = '\0';
    for (unsigned i = 0; i < 8; i++) {
        actors[i] = actor_of(loop, names[i]);
        ready(&actors[i]);
        loop_post(loop, &actors[i].task);
        loop_timer_set(loop, &actors[i].timer, 5);
    }
    test_loop_pass(loop, 5);
    cr_assert_eq(strlen(story), 8 * 2 * 3);
    snprintf(out, size, "%s", story);
    test_loop_free(loop);
}

Test(test_loop, the_same_seed_gives_the_same_order)
{
    char first[128], again[128], other[128], plain[128];

    story_by_seed(1, true, first, sizeof first);
    story_by_seed(1, true, again, sizeof again);
    story_by_seed(2, true, other, sizeof other);
    story_by_seed(1, false, plain, sizeof plain);
    cr_assert_str_eq(first, again);
    cr_assert_str_neq(first, other);
    cr_assert_str_eq(plain, "a0 b0 c0 d0 e0 f0 g0 h0 a5 b5 c5 d5 e5 f5 g5 h5 ");
}

Test(test_loop, a_clock_set_back_moves_no_timer)
{
    struct loop *loop = test_loop_make(NULL);
    struct actor a = actor_of(loop, "a");

    ready(&a);
    loop_timer_set(loop, &a.timer, 10);
    test_loop_set_clock(loop, 5);
    test_loop_pass(loop, 10);
    cr_assert_eq(loop_now_ns(loop), 15);
    cr_assert_str_eq(story, "a10 ");
    test_loop_free(loop);
}

static bool told(void *context) { return strstr(story, context) != NULL; }

Test(test_loop, waits_for_a_condition_and_not_beyond_its_limit)
{
    struct loop *loop = test_loop_make(NULL);
    struct actor a = actor_of(loop, "a"), b = actor_of(loop, "b");

    ready(&a);
    ready(&b);
    loop_timer_set(loop, &a.timer, 10);
    loop_timer_set(loop, &b.timer, 1000);
    cr_assert(test_loop_until(loop, told, "a", 100));
    cr_assert_eq(loop_elapsed_ns(loop), 10);
    cr_assert(!test_loop_until(loop, told, "b", 100));
    test_loop_forget(loop);
    cr_assert_eq(test_loop_timers(loop), 0);
    cr_assert(!test_loop_until(loop, told, "b", 10000));
    test_loop_free(loop);
}
