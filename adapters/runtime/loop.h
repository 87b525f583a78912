/*
 * The one loop of a process: clock, randomness, timers, work handed over by other threads, workers
 * beside it, descriptors. Services and embedded adapters ask nothing of the world but through it,
 * so a simulator that fills in struct loop_ops owns them all. loop_event.c is the real one
 * (libevent), tests/support has the simulated one.
 *
 * All on the loop's thread, but loop_post() and the clocks. Memory of timers, tasks, jobs and
 * watches is the caller's and stays where it is while they are set.
 */
#ifndef ADAPTERS_RUNTIME_LOOP_H
#define ADAPTERS_RUNTIME_LOOP_H

#include "runtime/error.h"

struct loop;

/* Calls back once after a delay. Zero-initialise, set the first two. */
struct loop_timer {
    void (*fire)(void *context);
    void *context;
    void *internal[4];
};

/* Calls back once, soon. Posting one that waits already does nothing. */
struct loop_task {
    void (*run)(void *context);
    void *context;
    struct loop_task *next; /* the loop's own, as the rest */
    uint32_t waiting;
};

/* What a worker does: `work` on the worker's own thread, where it touches nothing that the loop may
 * touch meanwhile; then `done` on the loop, never inside the call that began it. */
struct loop_job {
    void (*work)(void *context);
    void (*done)(void *context);
    void *context;
};

/* Does one job at a time beside the loop. */
struct loop_worker;

/* Calls back whenever a descriptor is readable. */
struct loop_watch {
    void (*readable)(void *context);
    void *context;
    void *internal[2];
};

struct loop_ops {
    /* Must. Wall clock, nanoseconds since the Unix epoch. */
    uint64_t (*now_ns)(struct loop *loop);
    /* Must. Nanoseconds that have passed since some instant; never runs backwards. */
    uint64_t (*elapsed_ns)(struct loop *loop);
    /* Must. Random bytes fit for keys. */
    void (*random)(struct loop *loop, void *buffer, size_t length);
    /* Must. Sets, or sets anew; fires once, not before delay_ns have passed, never inside. */
    void (*timer_set)(struct loop *loop, struct loop_timer *timer, uint64_t delay_ns);
    /* Must. Nothing if it isn't set. */
    void (*timer_cancel)(struct loop *loop, struct loop_timer *timer);
    /* Must. From any thread; runs on the loop's thread, after input that is ready now. */
    void (*post)(struct loop *loop, struct loop_task *task);
    /* Must. A task that waits runs no more; on the loop's thread. */
    void (*cancel)(struct loop *loop, struct loop_task *task);
    /* Must. A worker, whose thread is called `name` (at most 15 characters). */
    enum outcome (*worker_open)(struct loop *loop, const char *name, struct loop_worker **out,
                                struct error *err);
    /* Must. Begins a job; the one before is done. */
    void (*worker_begin)(struct loop_worker *worker, const struct loop_job *job);
    /* Must. Returns when the work of the job that was begun is over; `done` isn't called any more.
     * False if no job was under way. */
    bool (*worker_finish)(struct loop_worker *worker);
    /* Must. No job is under way. NULL is allowed. */
    void (*worker_close)(struct loop_worker *worker);
    /* May be NULL: a simulated loop has no descriptors. */
    enum outcome (*watch)(struct loop *loop, struct loop_watch *watch, int descriptor,
                          struct error *err);
    void (*unwatch)(struct loop *loop, struct loop_watch *watch);
};

/* Instances begin with it. */
struct loop {
    const struct loop_ops *ops;
};

static inline uint64_t loop_now_ns(struct loop *loop) { return loop->ops->now_ns(loop); }
static inline uint64_t loop_elapsed_ns(struct loop *loop) { return loop->ops->elapsed_ns(loop); }
static inline void loop_random(struct loop *loop, void *buffer, size_t length)
{
    loop->ops->random(loop, buffer, length);
}
static inline void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t delay_ns)
{
    loop->ops->timer_set(loop, timer, delay_ns);
}
static inline void loop_timer_cancel(struct loop *loop, struct loop_timer *timer)
{
    loop->ops->timer_cancel(loop, timer);
}
static inline void loop_post(struct loop *loop, struct loop_task *task)
{
    loop->ops->post(loop, task);
}

static inline void loop_task_cancel(struct loop *loop, struct loop_task *task)
{
    loop->ops->cancel(loop, task);
}

/* A worker begins with the ops that made it. */
struct loop_worker {
    const struct loop_ops *ops;
};

MUST_USE static inline enum outcome loop_worker_open(struct loop *loop, const char *name,
                                                     struct loop_worker **out, struct error *err)
{
    return loop->ops->worker_open(loop, name, out, err);
}
static inline void loop_worker_begin(struct loop_worker *worker, const struct loop_job *job)
{
    worker->ops->worker_begin(worker, job);
}
static inline bool loop_worker_finish(struct loop_worker *worker)
{
    return worker->ops->worker_finish(worker);
}
static inline void loop_worker_close(struct loop_worker *worker)
{
    if (worker != NULL) worker->ops->worker_close(worker);
}

/* The real one. `base` is libevent's, for adapters that bring their own sockets (adapters/http). */
struct event_base;
enum outcome loop_open(struct loop **out, struct error *err) MUST_USE;
struct event_base *loop_event_base(struct loop *loop);
/* Runs until loop_stop(), which any thread or signal handler's task may call. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
void loop_close(struct loop *loop);

#endif
