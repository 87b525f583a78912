#include "runtime/stop.h"

#include "support/test_loop.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const uint64_t ms = 1000000;
static uint64_t drain_ms = 5000;
static struct loop *loop;
static struct stop *stop;
static struct error err;
static unsigned drains, ends, reloads;
static bool ended_in_time, drain_at_once;

static void on_drain(void *context)
{
    (void)context;
    drains++;
    if (drain_at_once) stop_drained(stop);
}
static void on_end(void *context, bool in_time)
{
    (void)context;
    ends++;
    ended_in_time = in_time;
    if (loop->ops->watch != NULL) loop_stop(loop);
}
static void on_reload(void *context)
{
    (void)context;
    reloads++;
    loop_stop(loop);
}

static const struct stop_calls calls = {.drain = on_drain, .end = on_end, .reload = on_reload};

static void open_on(struct loop *on)
{
    loop = on;
    cr_assert_eq(stop_open(loop, &calls, NULL, &drain_ms, &stop, &err), OUTCOME_DONE);
}

/* --- on a loop whose clock is moved --- */

Test(stop, ends_as_soon_as_all_is_drained)
{
    open_on(test_loop_make(NULL));
    cr_assert(!stop_has_begun(stop));
    stop_drained(stop); /* before it began: means nothing */
    stop_begin(stop);
    stop_begin(stop);
    cr_assert(stop_has_begun(stop));
    test_loop_pass(loop, 1000 * ms);
    cr_assert_eq(ends, 0);
    stop_drained(stop);
    stop_drained(stop);
    test_loop_pass(loop, 60000 * ms);
    cr_assert_eq(drains, 1);
    cr_assert_eq(ends, 1);
    cr_assert(ended_in_time);
    stop_close(stop);
    test_loop_free(loop);
}

Test(stop, ends_when_the_time_is_over_that_was_set_last)
{
    open_on(test_loop_make(NULL));
    drain_ms = 7000;
    stop_begin(stop);
    test_loop_pass(loop, 6999 * ms);
    cr_assert_eq(ends, 0);
    test_loop_pass(loop, 1 * ms);
    cr_assert_eq(ends, 1);
    cr_assert(!ended_in_time);
    stop_drained(stop);
    cr_assert_eq(ends, 1);
    stop_close(stop);
    test_loop_free(loop);
}

/* --- with real signals --- */

static void open_real(void)
{
    struct loop *real;

    cr_assert_eq(loop_open(&real, &err), OUTCOME_DONE);
    open_on(real);
}

static void close_real(void)
{
    stop_close(stop);
    loop_close(loop);
}

Test(stop, the_first_signal_drains_and_the_process_ends_well)
{
    open_real();
    drain_at_once = true;
    kill(getpid(), SIGTERM);
    loop_run(loop);
    cr_assert_eq(drains, 1);
    cr_assert_eq(ends, 1);
    cr_assert(ended_in_time);
    close_real();
}

Test(stop, a_hangup_reads_the_settings_again_and_ends_nothing)
{
    open_real();
    kill(getpid(), SIGHUP);
    loop_run(loop);
    cr_assert_eq(reloads, 1);
    cr_assert_eq(drains, 0);
    kill(getpid(), SIGHUP);
    loop_run(loop);
    cr_assert_eq(reloads, 2);
    close_real();
}

/* What a child came to that is sent two signals; `run` whether its loop runs in between. */
static int status_after_two(int first, int second)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        open_real();
        raise(first);
        raise(second); /* its loop doesn't even run: it hangs */
        _exit(99);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

Test(stop, the_second_signal_ends_the_process_at_once_even_if_its_loop_hangs)
{
    cr_assert_eq(status_after_two(SIGTERM, SIGTERM), 128 + SIGTERM);
    cr_assert_eq(status_after_two(SIGTERM, SIGINT), 128 + SIGINT);
    cr_assert_eq(status_after_two(SIGHUP, SIGTERM), 99);
}

Test(stop, writing_to_who_has_gone_does_not_end_the_process)
{
    int ends_of_pipe[2];

    open_real();
    cr_assert_eq(pipe(ends_of_pipe), 0);
    close(ends_of_pipe[0]);
    cr_assert_eq(write(ends_of_pipe[1], "x", 1), -1);
    close_real();
}

Test(stop, once_closed_signals_do_what_they_did_before)
{
    struct sigaction action;

    open_real();
    close_real();
    sigaction(SIGTERM, NULL, &action);
    cr_assert_eq(action.sa_handler, SIG_DFL);
}
