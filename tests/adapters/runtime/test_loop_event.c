#include "runtime/loop.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

static struct loop *loop;
static int pipe_fds[2];
static char trace[64];

static void open_loop(void)
{
    struct error err = {0};

    cr_assert_eq(loop_open(&loop, &err), OUTCOME_DONE, "%s", err.message);
    cr_assert_eq(pipe(pipe_fds), 0);
}

static void close_loop(void)
{
    loop_close(loop);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

TestSuite(loop, .init = open_loop, .fini = close_loop, .timeout = 60);

static void note(void *context) { trace[strlen(trace)] = *(const char *)context; }
static void stop(void *context)
{
    (void)context;
    loop_stop(loop);
}

/* --- tasks --- */

struct input {
    int fds[2];
    struct loop_watch watch;
};
static struct loop_task behind = {.run = note, .context = "t"}, last = {.run = stop};

static void read_one(void *context)
{
    const struct input *input = context;
    char byte;

    note("i");
    cr_assert_eq(read(input->fds[0], &byte, 1), 1);
    loop_post(loop, &behind);
    loop_post(loop, &last);
}

Test(loop, a_task_runs_after_the_input_that_is_ready_now)
{
    struct input input[2];
    struct error err = {0};

    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(pipe(input[i].fds), 0);
        input[i].watch = (struct loop_watch){.readable = read_one, .context = &input[i]};
        cr_assert_eq(loop->ops->watch(loop, &input[i].watch, input[i].fds[0], &err), OUTCOME_DONE);
        cr_assert_eq(write(input[i].fds[1], "x", 1), 1);
    }
    loop_run(loop);
    cr_assert_str_eq(trace, "iit");
    for (unsigned i = 0; i < 2; i++) {
        loop->ops->unwatch(loop, &input[i].watch);
        close(input[i].fds[0]);
        close(input[i].fds[1]);
    }
}

static unsigned inputs, tasks;
static struct loop_task endless;

static void count_input(void *context)
{
    (void)context;
    if (++inputs == 1000) loop_stop(loop);
    loop_post(loop, &endless);
}

static void count_task(void *context)
{
    (void)context;
    if (++tasks == 10000) loop_stop(loop);
    loop_post(loop, &endless);
}

Test(loop, input_without_end_and_tasks_without_end_let_each_other_run)
{
    struct loop_watch watch = {.readable = count_input};
    struct error err = {0};

    endless.run = count_task;
    cr_assert_eq(loop->ops->watch(loop, &watch, pipe_fds[0], &err), OUTCOME_DONE);
    cr_assert_eq(write(pipe_fds[1], "x", 1), 1); /* is never read */
    loop_post(loop, &endless);
    loop_run(loop);
    cr_assert_eq(inputs, 1000);
    cr_assert_geq(tasks, 900);
    cr_assert_leq(tasks, 1100);
    loop->ops->unwatch(loop, &watch);
}

static struct loop_task first, second, third;

static void cancel_second(void *context)
{
    note(context);
    loop_task_cancel(loop, &second);
    loop_post(loop, &first); /* once more, at the end */
    if (strlen(trace) == 3) loop_stop(loop);
}

Test(loop, a_task_that_was_cancelled_does_not_run_and_one_posted_twice_runs_once)
{
    struct loop_task never = {.run = note, .context = "n"};

    first = (struct loop_task){.run = cancel_second, .context = "1"};
    second = (struct loop_task){.run = note, .context = "2"};
    third = (struct loop_task){.run = note, .context = "3"};
    loop_post(loop, &first);
    loop_post(loop, &never);
    loop_post(loop, &second);
    loop_post(loop, &third);
    loop_post(loop, &third);
    loop_task_cancel(loop, &never);
    loop_task_cancel(loop, &never);
    loop_run(loop);
    cr_assert_str_eq(trace, "131");
    loop_post(loop, &second); /* can be used again */
    loop_task_cancel(loop, &first);
    third.run = stop;
    loop_post(loop, &third);
    loop_run(loop);
    cr_assert_str_eq(trace, "1312");
}

enum { THREADS = 4, POSTS = 20000 };
static unsigned posted_runs;
struct poster {
    pthread_t thread;
    struct loop_task task;
    unsigned ran; /* on the loop's thread */
    uint32_t free;
};

static void run_posted(void *context)
{
    struct poster *poster = context;

    poster->ran++;
    __atomic_store_n(&poster->free, 1, __ATOMIC_RELEASE);
    if (++posted_runs == THREADS * POSTS) loop_stop(loop);
}

static void *post_many(void *context)
{
    struct poster *poster = context;

    for (unsigned i = 0; i < POSTS; i++) {
        while (__atomic_exchange_n(&poster->free, 0, __ATOMIC_ACQUIRE) == 0) usleep(1);
        loop_post(loop, &poster->task);
    }
    return NULL;
}

Test(loop, no_task_of_another_thread_is_lost_or_run_twice)
{
    struct poster posters[THREADS] = {0};

    for (unsigned i = 0; i < THREADS; i++) {
        posters[i].task = (struct loop_task){.run = run_posted, .context = &posters[i]};
        posters[i].free = 1;
        cr_assert_eq(pthread_create(&posters[i].thread, NULL, post_many, &posters[i]), 0);
    }
    loop_run(loop);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(posters[i].thread, NULL);
        cr_assert_eq(posters[i].ran, POSTS);
    }
}

static void *stop_from_outside(void *context)
{
    (void)context;
    loop_stop(loop);
    return NULL;
}

Test(loop, another_thread_can_stop_it_and_it_can_run_again)
{
    for (unsigned i = 0; i < 100; i++) {
        pthread_t thread;

        cr_assert_eq(pthread_create(&thread, NULL, stop_from_outside, NULL), 0);
        loop_run(loop);
        pthread_join(thread, NULL);
    }
}

/* --- timers --- */

static uint64_t fired_ns;
static void note_time(void *context)
{
    note(context);
    fired_ns = loop_elapsed_ns(loop);
    loop_stop(loop);
}

Test(loop, a_timer_never_fires_before_its_time)
{
    struct loop_timer timer = {.fire = note_time, .context = "t"};

    for (uint64_t delay_ns = 1; delay_ns < 40 * MS; delay_ns = delay_ns * 3 + 1) {
        uint64_t set_ns = loop_elapsed_ns(loop);

        loop_timer_set(loop, &timer, delay_ns);
        loop_run(loop);
        cr_assert_geq(fired_ns - set_ns, delay_ns);
    }
}

static void busy(void *context)
{
    uint64_t begin_ns = loop_elapsed_ns(loop);

    while (loop_elapsed_ns(loop) - begin_ns < 30 * MS) continue;
    loop_timer_set(loop, context, 20 * MS);
    fired_ns = loop_elapsed_ns(loop);
}

static void check_later(void *context)
{
    (void)context;
    cr_assert_geq(loop_elapsed_ns(loop) - fired_ns, 20 * MS);
    note("x");
    loop_stop(loop);
}

Test(loop, a_timer_set_by_a_slow_callback_counts_from_then_on)
{
    struct loop_timer later = {.fire = check_later};
    struct loop_task task = {.run = busy, .context = &later};

    loop_post(loop, &task);
    loop_run(loop);
    cr_assert_str_eq(trace, "x");
}

Test(loop, timers_fire_once_in_order_and_not_when_cancelled_or_set_anew)
{
    struct loop_timer a = {.fire = note, .context = "a"}, b = {.fire = note, .context = "b"};
    struct loop_timer c = {.fire = note, .context = "c"}, end = {.fire = stop};
    struct loop_timer far = {.fire = note, .context = "f"};

    loop_timer_set(loop, &b, 20 * MS);
    loop_timer_set(loop, &a, 10 * MS);
    loop_timer_set(loop, &c, 15 * MS);
    loop_timer_set(loop, &far, UINT64_MAX);
    loop_timer_set(loop, &end, 60 * MS);
    loop_timer_set(loop, &a, 30 * MS);
    loop_timer_cancel(loop, &c);
    loop_timer_cancel(loop, &c);
    loop_run(loop);
    cr_assert_str_eq(trace, "ba");
    loop_timer_cancel(loop, &far);
    loop_timer_cancel(loop, &a);
}

Test(loop, an_idle_loop_does_not_wake_up)
{
    struct loop_timer end = {.fire = stop};
    struct rusage before, after;

    loop_timer_set(loop, &end, 300 * MS);
    getrusage(RUSAGE_SELF, &before);
    loop_run(loop);
    getrusage(RUSAGE_SELF, &after);
    cr_assert_leq(after.ru_nvcsw - before.ru_nvcsw, 5);
}

/* --- the rest --- */

Test(loop, random_bytes_do_not_repeat)
{
    static uint8_t seen[4000][16];
    uint8_t large[1000] = {0};
    unsigned zeros = 0;

    for (unsigned i = 0; i < 4000; i++) loop_random(loop, seen[i], 16);
    for (unsigned i = 1; i < 4000; i++)
        for (unsigned j = i > 40 ? i - 40 : 0; j < i; j++)
            cr_assert_neq(memcmp(seen[i], seen[j], 16), 0);
    loop_random(loop, large, sizeof large);
    for (unsigned i = 0; i < sizeof large; i++) zeros += large[i] == 0;
    cr_assert_leq(zeros, 40);
}

Test(loop, the_wall_clock_is_the_systems)
{
    uint64_t now_s = loop_now_ns(loop) / 1000000000;

    cr_assert_leq(now_s - 1, (uint64_t)time(NULL));
    cr_assert_geq(now_s + 1, (uint64_t)time(NULL));
}

Test(loop, a_descriptor_that_cannot_be_watched_is_refused)
{
    struct loop_watch watch = {.readable = note};
    struct error err = {0};
    int file = open("/proc/self/exe", O_RDONLY);

    cr_assert_eq(loop->ops->watch(loop, &watch, 9999, &err), OUTCOME_BROKEN);
    cr_assert_eq(loop->ops->watch(loop, &watch, file, &err), OUTCOME_BROKEN);
    loop->ops->unwatch(loop, &watch);
    close(file);
}
