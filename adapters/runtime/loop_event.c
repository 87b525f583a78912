/*
 * The real loop, on libevent.
 *
 * A pass of libevent polls and then calls back for all that is ready, in order. The tasks' event is
 * put behind that queue, so tasks run after the input that is ready now; what a task posts waits
 * for the next poll, so neither side can starve the other. Nothing wakes up without cause.
 *
 * libevent is used on the loop's thread alone and so needs no locks: other threads push their tasks
 * onto a list and write to an eventfd. That comes before input, which is interrupted for it: a
 * worker that waits costs more than a poll.
 */
#include "runtime/loop.h"

#include "runtime/loop_worker.h"
#include "wire/buffer.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS    UINT64_C(1000000000)
#define TIMER_MAX_NS (86400 * SECOND_NS) /* a longer one is set anew once a day */
enum {
    RANDOM_POOL = 512,
    INPUT_MAX = 32, /* callbacks between two polls */
};

struct loop_event {
    struct loop loop;
    struct event_base *base;
    struct event *tasks; /* runs what was posted */
    struct event *wake;  /* the eventfd is readable */
    int wake_fd;
    bool stopping; /* any thread sets it */
    bool in_tasks;
    bool soon, later;          /* tasks will run: behind what is ready now, after the next poll */
    struct loop_task *posted;  /* by any thread, the newest first */
    struct loop_task *taken;   /* from there, the oldest first */
    struct loop_task *running; /* the rest of those that run now */
    uint8_t pool[RANDOM_POOL];
    size_t pool_used;
};

/* The loop that runs on this thread. */
static __thread struct loop_event *here;

static struct loop_event *of(struct loop *loop) { return (struct loop_event *)loop; }

/* --- clock, randomness --- */

static uint64_t read_clock(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * SECOND_NS + (uint64_t)time.tv_nsec;
}

static uint64_t now_ns(struct loop *loop)
{
    (void)loop;
    return read_clock(CLOCK_REALTIME);
}

static uint64_t elapsed_ns(struct loop *loop)
{
    (void)loop;
    return read_clock(CLOCK_MONOTONIC);
}

static void fill_random(uint8_t *out, size_t length)
{
    while (length > 0) {
        ssize_t got = getrandom(out, length, 0);

        if (got < 0 && errno == EINTR) continue;
        if (got < 0) abort(); /* can't be: the call has no other failure for sane arguments */
        out += got;
        length -= (size_t)got;
    }
}

/* From a pool, so that an id costs no system call; bytes that were given out are wiped. */
static void random_bytes(struct loop *base, void *buffer, size_t length)
{
    struct loop_event *loop = of(base);

    if (length > RANDOM_POOL / 4) {
        fill_random(buffer, length);
        return;
    }
    if (length > RANDOM_POOL - loop->pool_used) {
        fill_random(loop->pool, RANDOM_POOL);
        loop->pool_used = 0;
    }
    memcpy(buffer, loop->pool + loop->pool_used, length);
    memset(loop->pool + loop->pool_used, 0, length);
    loop->pool_used += length;
}

/* --- timers: internal[0] is libevent's event while one is set, internal[1] when it is due --- */

static _Noreturn void no_memory(void)
{
    fprintf(stderr, "micropay: the system refused memory for a timer; ending, what was confirmed "
                    "is safe\n");
    _exit(3);
}

static void timer_forget(struct loop_timer *timer)
{
    event_free(timer->internal[0]);
    timer->internal[0] = NULL;
}

static void timer_add(struct event *event, uint64_t delay_ns)
{
    uint64_t us;
    struct timeval delay;

    if (delay_ns > TIMER_MAX_NS) delay_ns = TIMER_MAX_NS;
    us = (delay_ns + 999) / 1000;
    delay.tv_sec = (time_t)(us / 1000000);
    delay.tv_usec = (suseconds_t)(us % 1000000);
    event_add(event, &delay);
}

/* libevent counts from the time of the last poll, by a coarse clock: it may call too early. */
static void on_timer(evutil_socket_t none, short what, void *context)
{
    struct loop_timer *timer = context;
    uint64_t due_ns = (uint64_t)(uintptr_t)timer->internal[1];
    uint64_t elapsed = read_clock(CLOCK_MONOTONIC);

    (void)none;
    (void)what;
    if (elapsed < due_ns) {
        timer_add(timer->internal[0], due_ns - elapsed);
        return;
    }
    timer_forget(timer);
    timer->fire(timer->context);
}

static void timer_set(struct loop *base, struct loop_timer *timer, uint64_t delay_ns)
{
    uint64_t due_ns;

    if (__builtin_add_overflow(read_clock(CLOCK_MONOTONIC), delay_ns, &due_ns)) due_ns = UINT64_MAX;
    if (timer->internal[0] == NULL) {
        timer->internal[0] = event_new(of(base)->base, -1, 0, on_timer, timer);
        if (timer->internal[0] == NULL) no_memory();
    }
    timer->internal[1] = (void *)(uintptr_t)due_ns;
    timer_add(timer->internal[0], delay_ns);
}

static void timer_cancel(struct loop *loop, struct loop_timer *timer)
{
    (void)loop;
    if (timer->internal[0] != NULL) timer_forget(timer);
}

/* --- tasks --- */

static void wake_up(struct loop_event *loop)
{
    uint64_t one = 1;

    /* EAGAIN: it is readable already */
    while (write(loop->wake_fd, &one, sizeof one) < 0 && errno == EINTR) continue;
}

/* Lets the tasks run: behind what is ready now or, called by a task, after the next poll. */
static void schedule_tasks(struct loop_event *loop)
{
    static const struct timeval none;

    if (loop->in_tasks && !loop->later) {
        loop->later = true;
        event_add(loop->tasks, &none);
    } else if (!loop->in_tasks && !loop->soon) {
        loop->soon = true;
        event_active(loop->tasks, EV_TIMEOUT, 0);
    }
}

static void post(struct loop *base, struct loop_task *task)
{
    struct loop_event *loop = of(base);
    struct loop_task *newest;

    if (__atomic_exchange_n(&task->waiting, 1, __ATOMIC_ACQ_REL) != 0) return;
    newest = __atomic_load_n(&loop->posted, __ATOMIC_RELAXED);
    do {
        task->next = newest;
    } while (!__atomic_compare_exchange_n(&loop->posted, &newest, task, true, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED));
    if (here == loop)
        schedule_tasks(loop); /* the word of another thread may come behind input */
    else if (newest == NULL)
        wake_up(loop); /* else who posted the first one has seen to it */
}

/* Appends what was posted to what was taken before, the oldest first. */
static void take_posted(struct loop_event *loop)
{
    struct loop_task *task = __atomic_exchange_n(&loop->posted, NULL, __ATOMIC_ACQUIRE);
    struct loop_task *oldest = NULL, **end = &loop->taken;

    while (task != NULL) {
        struct loop_task *next = task->next;

        task->next = oldest;
        oldest = task;
        task = next;
    }
    while (*end != NULL) end = &(*end)->next;
    *end = oldest;
}

static void on_tasks(evutil_socket_t none, short what, void *context)
{
    struct loop_event *loop = context;

    (void)none;
    (void)what;
    take_posted(loop);
    loop->running = loop->taken;
    loop->taken = NULL;
    loop->soon = loop->later = false;
    loop->in_tasks = true;
    while (loop->running != NULL) {
        struct loop_task *task = loop->running;

        loop->running = task->next;
        __atomic_store_n(&task->waiting, 0, __ATOMIC_RELEASE);
        task->run(task->context);
    }
    loop->in_tasks = false;
}

/* Takes it out of a list; false if it isn't there. */
static bool take_out(struct loop_task **at, const struct loop_task *task)
{
    for (; *at != NULL; at = &(*at)->next) {
        if (*at != task) continue;
        *at = task->next;
        return true;
    }
    return false;
}

static void cancel(struct loop *base, struct loop_task *task)
{
    struct loop_event *loop = of(base);

    if (__atomic_load_n(&task->waiting, __ATOMIC_ACQUIRE) == 0) return;
    take_posted(loop); /* they run when they would have: on_tasks() was seen to */
    if (take_out(&loop->running, task) || take_out(&loop->taken, task))
        __atomic_store_n(&task->waiting, 0, __ATOMIC_RELEASE);
}

/* --- other threads, stopping --- */

static void on_wake(evutil_socket_t descriptor, short what, void *context)
{
    struct loop_event *loop = context;
    uint64_t count;

    (void)what;
    while (read(descriptor, &count, sizeof count) < 0 && errno == EINTR) continue;
    if (__atomic_load_n(&loop->stopping, __ATOMIC_ACQUIRE)) event_base_loopbreak(loop->base);
    on_tasks(-1, 0, loop);
}

void loop_run(struct loop *base)
{
    struct loop_event *loop = of(base), *outer = here;

    here = loop;
    while (!__atomic_load_n(&loop->stopping, __ATOMIC_ACQUIRE))
        event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
    __atomic_store_n(&loop->stopping, false, __ATOMIC_RELEASE);
    here = outer;
}

void loop_stop(struct loop *base)
{
    struct loop_event *loop = of(base);

    __atomic_store_n(&loop->stopping, true, __ATOMIC_RELEASE);
    if (here == loop)
        event_base_loopbreak(loop->base);
    else
        wake_up(loop);
}

/* --- descriptors: internal[0] is libevent's event --- */

static void on_readable(evutil_socket_t descriptor, short what, void *context)
{
    struct loop_watch *watch = context;

    (void)descriptor;
    (void)what;
    watch->readable(watch->context);
}

/* Whether the system can tell when it is readable: libevent asks too late to say no. */
static bool can_be_watched(int descriptor)
{
    struct stat stat;

    if (fstat(descriptor, &stat) != 0) return false;
    errno = EPERM;
    return !S_ISREG(stat.st_mode) && !S_ISDIR(stat.st_mode);
}

static enum outcome watch(struct loop *loop, struct loop_watch *watch, int descriptor,
                          struct error *err)
{
    struct event *event = NULL;

    if (can_be_watched(descriptor))
        event = event_new(of(loop)->base, descriptor, EV_READ | EV_PERSIST, on_readable, watch);
    if (event == NULL || event_add(event, NULL) != 0) {
        error_set(err, REASON_INTERNAL, "could not watch descriptor %d", descriptor);
        error_detail(err, "The system said: %s.", strerror(errno));
        if (event != NULL) event_free(event);
        return err->outcome;
    }
    watch->internal[0] = event;
    return OUTCOME_DONE;
}

static void unwatch(struct loop *loop, struct loop_watch *watch)
{
    (void)loop;
    if (watch->internal[0] == NULL) return;
    event_free(watch->internal[0]);
    watch->internal[0] = NULL;
}

/* --- life --- */

static const struct loop_ops ops = {
    .now_ns = now_ns,
    .elapsed_ns = elapsed_ns,
    .random = random_bytes,
    .timer_set = timer_set,
    .timer_cancel = timer_cancel,
    .post = post,
    .cancel = cancel,
    .worker_open = worker_open,
    .worker_begin = worker_begin,
    .worker_finish = worker_finish,
    .worker_close = worker_close,
    .watch = watch,
    .unwatch = unwatch,
};

struct event_base *loop_event_base(struct loop *loop) { return of(loop)->base; }

void loop_close(struct loop *base)
{
    struct loop_event *loop = of(base);

    if (loop->wake != NULL) event_free(loop->wake);
    if (loop->tasks != NULL) event_free(loop->tasks);
    if (loop->base != NULL) event_base_free(loop->base);
    if (loop->wake_fd >= 0) close(loop->wake_fd);
    free(loop);
}

/* Errors reach the caller; what libevent says beside that is for nobody, but its last words are. */
static void on_log(int severity, const char *message)
{
    if (severity >= EVENT_LOG_ERR) fprintf(stderr, "micropay: libevent: %s\n", message);
}

/* Changes of what is watched are handed to the system together, before the next poll: evhttp turns
 * reading and writing off and on for each answer. No descriptor may be added under two numbers. */
static struct event_base *make_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base;

    if (config == NULL) return NULL;
    event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
    event_config_set_max_dispatch_interval(config, NULL, INPUT_MAX, 1);
    base = event_base_new_with_config(config);
    if (base != NULL) event_base_priority_init(base, 2);
    event_config_free(config);
    return base;
}

enum outcome loop_open(struct loop **out, struct error *err)
{
    struct loop_event *loop = need_memory(sizeof *loop);

    event_set_log_callback(on_log);
    signal(SIGPIPE, SIG_IGN); /* who hangs up while being written to must not end the process */
    loop->loop.ops = &ops;
    loop->pool_used = RANDOM_POOL;
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->base = make_base();
    if (loop->base != NULL) {
        loop->tasks = event_new(loop->base, -1, 0, on_tasks, loop);
        loop->wake = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
    }
    if (loop->wake_fd < 0 || loop->tasks == NULL || loop->wake == NULL ||
        event_priority_set(loop->wake, 0) != 0 || event_add(loop->wake, NULL) != 0) {
        error_set(err, REASON_INTERNAL, "could not open the loop");
        error_detail(err, "The system said: %s.", strerror(errno));
        loop_close(&loop->loop);
        return err->outcome;
    }
    *out = &loop->loop;
    return OUTCOME_DONE;
}
