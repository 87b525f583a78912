/*
 * A loop (runtime/loop.h) for tests and the simulator: its clock stands still until it is moved,
 * its random bytes come from a seed, and nothing runs but inside the calls below. The same seed and
 * the same calls give the same order of everything.
 *
 * No threads: a worker's job is done by a task, so that others run before it, and between it and
 * its end. No descriptors: `watch` and `unwatch` are NULL.
 */
#ifndef TESTS_SUPPORT_TEST_LOOP_H
#define TESTS_SUPPORT_TEST_LOOP_H

#include "runtime/loop.h"

struct test_loop_options {
    uint64_t seed;
    uint64_t now_ns; /* the wall clock at the start; 0 = 2026-01-01T00:00:00Z */
    bool shuffle;    /* tasks, and timers due at the same instant, run in an order drawn by seed;
                        else in the order in which they were posted or set */
};

/* NULL = the defaults. Ends the process when there is no memory. */
struct loop *test_loop_make(const struct test_loop_options *options);
/* What is still posted or set is forgotten. */
void test_loop_free(struct loop *loop);

/* Runs one task, or one timer that is due; tasks first. False if there was none. */
bool test_loop_step(struct loop *loop);
/* Runs until nothing is left to do at this instant. Returns the number of steps. Aborts with a
 * message after ten million: something posts itself for ever. */
uint64_t test_loop_run(struct loop *loop);
/* Moves the clock to the next timer and runs until nothing is left there. False if none is set. */
bool test_loop_next(struct loop *loop);
/* Lets time pass, running all that becomes due, each timer at its own instant. */
void test_loop_pass(struct loop *loop, uint64_t ns);
/* Runs, moving the clock from timer to timer, until `ready` says so; false if limit_ns have passed
 * or nothing is left before. */
bool test_loop_until(struct loop *loop, bool (*ready)(void *context), void *context,
                     uint64_t limit_ns);

/* Sets the wall clock alone, forwards or back, as an operator would. */
void test_loop_set_clock(struct loop *loop, uint64_t now_ns);
/* A number below `limit`, from the loop's seed. */
uint64_t test_loop_below(struct loop *loop, uint64_t limit);
/* The process has died: forgets every task and timer without touching them. */
void test_loop_forget(struct loop *loop);
/* Tasks that wait, timers that are set. */
unsigned test_loop_tasks(const struct loop *loop);
unsigned test_loop_timers(const struct loop *loop);

#endif
