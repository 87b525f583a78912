/* The loop of tests: a heap of timers, a queue of tasks, a clock that is moved by hand. */
#include "support/test_loop.h"

#include "wire/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t start_ns = UINT64_C(1767225600000000000); /* 2026-01-01T00:00:00Z */
static const uint64_t steps_max = 10000000;

struct set_timer {
    uint64_t due_ns; /* of elapsed_ns */
    uint64_t order;  /* among those due at the same instant */
    struct loop_timer *timer;
};

struct test_loop {
    struct loop loop;
    bool shuffle;
    uint64_t random; /* state of the generator */
    uint64_t elapsed_ns, wall_ns;
    uint64_t timers_ever;
    struct set_timer *heap; /* the earliest first; a timer's internal[0] is its place from 1 */
    unsigned heap_count, heap_room;
    struct loop_task **tasks; /* those from task_first wait */
    unsigned task_first, task_count, task_room;
};

static struct test_loop *of(struct loop *loop) { return (struct test_loop *)loop; }

/* SplitMix64 */
static uint64_t draw(struct test_loop *loop)
{
    uint64_t z = loop->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t test_loop_below(struct loop *loop, uint64_t limit)
{
    return (uint64_t)((unsigned __int128)draw(of(loop)) * limit >> 64);
}

/* --- the heap of timers --- */

static bool earlier(const struct set_timer *a, const struct set_timer *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void place(struct test_loop *loop, unsigned at, struct set_timer set)
{
    loop->heap[at] = set;
    set.timer->internal[0] = (void *)(uintptr_t)(at + 1);
}

static void sift_up(struct test_loop *loop, unsigned at)
{
    struct set_timer set = loop->heap[at];

    for (; at > 0 && earlier(&set, &loop->heap[(at - 1) / 2]); at = (at - 1) / 2)
        place(loop, at, loop->heap[(at - 1) / 2]);
    place(loop, at, set);
}

static void sift_down(struct test_loop *loop, unsigned at)
{
    struct set_timer set = loop->heap[at];

    for (;;) {
        unsigned child = 2 * at + 1;

        if (child >= loop->heap_count) break;
        if (child + 1 < loop->heap_count && earlier(&loop->heap[child + 1], &loop->heap[child]))
            child++;
        if (!earlier(&loop->heap[child], &set)) break;
        place(loop, at, loop->heap[child]);
        at = child;
    }
    place(loop, at, set);
}

static void timer_cancel(struct loop *loop, struct loop_timer *timer)
{
    struct test_loop *self = of(loop);
    unsigned at = (unsigned)(uintptr_t)timer->internal[0];
    struct set_timer last;

    if (at == 0) return;
    at--;
    timer->internal[0] = NULL;
    last = self->heap[--self->heap_count];
    if (at == self->heap_count) return;
    place(self, at, last);
    sift_down(self, at);
    sift_up(self, (unsigned)(uintptr_t)last.timer->internal[0] - 1);
}

static void timer_set(struct loop *loop, struct loop_timer *timer, uint64_t delay_ns)
{
    struct test_loop *self = of(loop);
    uint64_t due_ns;

    timer_cancel(loop, timer);
    if (__builtin_add_overflow(self->elapsed_ns, delay_ns, &due_ns)) due_ns = UINT64_MAX;
    if (self->heap_count == self->heap_room) {
        self->heap_room = self->heap_room > 0 ? 2 * self->heap_room : 64;
        self->heap = need_more_memory(self->heap, self->heap_room * sizeof *self->heap);
    }
    self->heap[self->heap_count] = (struct set_timer){
        .due_ns = due_ns,
        .order = self->shuffle ? draw(self) : self->timers_ever++,
        .timer = timer,
    };
    sift_up(self, self->heap_count++);
}

/* --- tasks --- */

static void post(struct loop *loop, struct loop_task *task)
{
    struct test_loop *self = of(loop);

    if (task->waiting) return;
    task->waiting = 1;
    if (self->task_count == self->task_room) {
        self->task_room = self->task_room > 0 ? 2 * self->task_room : 64;
        self->tasks = need_more_memory(self->tasks, self->task_room * sizeof(struct loop_task *));
    }
    self->tasks[self->task_count++] = task;
}

static void cancel(struct loop *loop, struct loop_task *task)
{
    struct test_loop *self = of(loop);

    for (unsigned i = self->task_first; i < self->task_count; i++) {
        if (self->tasks[i] != task) continue;
        self->task_count--;
        memmove(self->tasks + i, self->tasks + i + 1,
                (self->task_count - i) * sizeof(struct loop_task *));
        task->waiting = 0;
        return;
    }
}

static struct loop_task *take_task(struct test_loop *loop)
{
    struct loop_task **first = &loop->tasks[loop->task_first];
    unsigned waiting = loop->task_count - loop->task_first;
    struct loop_task *task;

    if (waiting == 0) return NULL;
    if (loop->shuffle) {
        struct loop_task **drawn = first + test_loop_below(&loop->loop, waiting);

        task = *drawn;
        *drawn = *first;
    } else {
        task = *first;
    }
    loop->task_first++;
    if (loop->task_first == loop->task_count) loop->task_first = loop->task_count = 0;
    if (loop->task_first == 4096) { /* what never runs dry doesn't grow either */
        loop->task_count -= loop->task_first;
        memmove(loop->tasks, loop->tasks + loop->task_first,
                loop->task_count * sizeof(struct loop_task *));
        loop->task_first = 0;
    }
    return task;
}

/* --- workers: a job's work is a task like others, and so is its end --- */

struct test_worker {
    struct loop_worker worker;
    struct loop *loop;
    struct loop_job job;
    struct loop_task work, done;
    bool begun, over;
};

static void on_work(void *context)
{
    struct test_worker *worker = context;

    worker->job.work(worker->job.context);
    worker->over = true;
    post(worker->loop, &worker->done);
}

static void on_worked(void *context)
{
    struct test_worker *worker = context;

    worker->begun = worker->over = false;
    worker->job.done(worker->job.context);
}

static enum outcome worker_open(struct loop *loop, const char *name, struct loop_worker **out,
                                struct error *err)
{
    struct test_worker *worker = need_memory(sizeof *worker);

    (void)name;
    (void)err;
    worker->worker.ops = loop->ops;
    worker->loop = loop;
    worker->work = (struct loop_task){.run = on_work, .context = worker};
    worker->done = (struct loop_task){.run = on_worked, .context = worker};
    *out = &worker->worker;
    return OUTCOME_DONE;
}

static void worker_begin(struct loop_worker *base, const struct loop_job *job)
{
    struct test_worker *worker = (struct test_worker *)base;

    if (worker->begun) abort();
    worker->begun = true;
    worker->job = *job;
    post(worker->loop, &worker->work);
}

static bool worker_finish(struct loop_worker *base)
{
    struct test_worker *worker = (struct test_worker *)base;

    if (!worker->begun) return false;
    if (!worker->over) worker->job.work(worker->job.context);
    worker->begun = worker->over = false;
    cancel(worker->loop, &worker->work);
    cancel(worker->loop, &worker->done);
    return true;
}

static void worker_close(struct loop_worker *base) { free(base); }

/* --- the rest of the interface --- */

static uint64_t read_clock(struct loop *loop) { return of(loop)->wall_ns; }

static uint64_t read_elapsed(struct loop *loop) { return of(loop)->elapsed_ns; }

static void random_bytes(struct loop *loop, void *buffer, size_t length)
{
    uint8_t *bytes = buffer;

    while (length > 0) {
        uint64_t drawn = draw(of(loop));
        size_t size = length < sizeof drawn ? length : sizeof drawn;

        memcpy(bytes, &drawn, size);
        bytes += size;
        length -= size;
    }
}

static const struct loop_ops test_loop_ops = {
    .now_ns = read_clock,
    .elapsed_ns = read_elapsed,
    .random = random_bytes,
    .timer_set = timer_set,
    .timer_cancel = timer_cancel,
    .post = post,
    .cancel = cancel,
    .worker_open = worker_open,
    .worker_begin = worker_begin,
    .worker_finish = worker_finish,
    .worker_close = worker_close,
};

struct loop *test_loop_make(const struct test_loop_options *options)
{
    struct test_loop *loop = need_memory(sizeof *loop);

    loop->loop.ops = &test_loop_ops;
    loop->wall_ns = start_ns;
    if (options != NULL) {
        loop->random = options->seed;
        loop->shuffle = options->shuffle;
        if (options->now_ns != 0) loop->wall_ns = options->now_ns;
    }
    return &loop->loop;
}

void test_loop_free(struct loop *loop)
{
    struct test_loop *self = of(loop);

    free(self->heap);
    free(self->tasks);
    free(self);
}

/* --- running --- */

bool test_loop_step(struct loop *loop)
{
    struct test_loop *self = of(loop);
    struct loop_task *task = take_task(self);

    if (task != NULL) {
        task->waiting = 0;
        task->run(task->context);
        return true;
    }
    if (self->heap_count > 0 && self->heap[0].due_ns <= self->elapsed_ns) {
        struct loop_timer *timer = self->heap[0].timer;

        timer_cancel(loop, timer);
        timer->fire(timer->context);
        return true;
    }
    return false;
}

uint64_t test_loop_run(struct loop *loop)
{
    uint64_t steps = 0;

    while (test_loop_step(loop)) {
        if (++steps == steps_max) {
            fprintf(stderr, "test_loop: %llu steps at one instant\n", (unsigned long long)steps);
            abort();
        }
    }
    return steps;
}

static void move_to(struct test_loop *loop, uint64_t due_ns)
{
    if (due_ns <= loop->elapsed_ns) return;
    loop->wall_ns += due_ns - loop->elapsed_ns;
    loop->elapsed_ns = due_ns;
}

bool test_loop_next(struct loop *loop)
{
    struct test_loop *self = of(loop);

    if (self->heap_count == 0) return false;
    move_to(self, self->heap[0].due_ns);
    test_loop_run(loop);
    return true;
}

void test_loop_pass(struct loop *loop, uint64_t ns)
{
    struct test_loop *self = of(loop);
    uint64_t end_ns = self->elapsed_ns + ns;

    test_loop_run(loop);
    while (self->heap_count > 0 && self->heap[0].due_ns <= end_ns) test_loop_next(loop);
    move_to(self, end_ns);
}

bool test_loop_until(struct loop *loop, bool (*ready)(void *context), void *context,
                     uint64_t limit_ns)
{
    struct test_loop *self = of(loop);
    uint64_t end_ns = self->elapsed_ns + limit_ns;

    while (!ready(context)) {
        if (test_loop_step(loop)) continue;
        if (self->heap_count == 0 || self->heap[0].due_ns > end_ns) return false;
        move_to(self, self->heap[0].due_ns);
    }
    return true;
}

void test_loop_set_clock(struct loop *loop, uint64_t now_ns) { of(loop)->wall_ns = now_ns; }

void test_loop_forget(struct loop *loop)
{
    of(loop)->heap_count = 0;
    of(loop)->task_first = of(loop)->task_count = 0;
}

unsigned test_loop_tasks(const struct loop *loop)
{
    const struct test_loop *self = (const struct test_loop *)loop;

    return self->task_count - self->task_first;
}

unsigned test_loop_timers(const struct loop *loop)
{
    return ((const struct test_loop *)loop)->heap_count;
}
