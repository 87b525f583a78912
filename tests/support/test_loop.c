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

static void timer_cancel(struct loop *base, struct loop_timer *timer)
{
    struct test_loop *loop = of(base);
    unsigned at = (unsigned)(uintptr_t)timer->internal[0];
    struct set_timer last;

    if (at == 0) return;
    at--;
    timer->internal[0] = NULL;
    last = loop->heap[--loop->heap_count];
    if (at == loop->heap_count) return;
    place(loop, at, last);
    sift_down(loop, at);
    sift_up(loop, (unsigned)(uintptr_t)last.timer->internal[0] - 1);
}

static void timer_set(struct loop *base, struct loop_timer *timer, uint64_t delay_ns)
{
    struct test_loop *loop = of(base);
    uint64_t due_ns;

    timer_cancel(base, timer);
    if (__builtin_add_overflow(loop->elapsed_ns, delay_ns, &due_ns)) due_ns = UINT64_MAX;
    if (loop->heap_count == loop->heap_room) {
        loop->heap_room = loop->heap_room > 0 ? 2 * loop->heap_room : 64;
        loop->heap = need_more_memory(loop->heap, loop->heap_room * sizeof *loop->heap);
    }
    loop->heap[loop->heap_count] = (struct set_timer){
        .due_ns = due_ns,
        .order = loop->shuffle ? draw(loop) : loop->timers_ever++,
        .timer = timer,
    };
    sift_up(loop, loop->heap_count++);
}

/* --- tasks --- */

static void post(struct loop *base, struct loop_task *task)
{
    struct test_loop *loop = of(base);

    if (task->waiting) return;
    task->waiting = 1;
    if (loop->task_count == loop->task_room) {
        loop->task_room = loop->task_room > 0 ? 2 * loop->task_room : 64;
        loop->tasks = need_more_memory(loop->tasks, loop->task_room * sizeof(struct loop_task *));
    }
    loop->tasks[loop->task_count++] = task;
}

static void cancel(struct loop *base, struct loop_task *task)
{
    struct test_loop *loop = of(base);

    for (unsigned i = loop->task_first; i < loop->task_count; i++) {
        if (loop->tasks[i] != task) continue;
        loop->task_count--;
        memmove(loop->tasks + i, loop->tasks + i + 1,
                (loop->task_count - i) * sizeof(struct loop_task *));
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

/* --- the rest of the interface --- */

static uint64_t now_ns(struct loop *loop) { return of(loop)->wall_ns; }

static uint64_t elapsed_ns(struct loop *loop) { return of(loop)->elapsed_ns; }

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
    .now_ns = now_ns,
    .elapsed_ns = elapsed_ns,
    .random = random_bytes,
    .timer_set = timer_set,
    .timer_cancel = timer_cancel,
    .post = post,
    .cancel = cancel,
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

void test_loop_free(struct loop *base)
{
    struct test_loop *loop = of(base);

    free(loop->heap);
    free(loop->tasks);
    free(loop);
}

/* --- running --- */

bool test_loop_step(struct loop *base)
{
    struct test_loop *loop = of(base);
    struct loop_task *task = take_task(loop);

    if (task != NULL) {
        task->waiting = 0;
        task->run(task->context);
        return true;
    }
    if (loop->heap_count > 0 && loop->heap[0].due_ns <= loop->elapsed_ns) {
        struct loop_timer *timer = loop->heap[0].timer;

        timer_cancel(base, timer);
        timer->fire(timer->context);
        return true;
    }
    return false;
}

uint64_t test_loop_run(struct loop *base)
{
    uint64_t steps = 0;

    while (test_loop_step(base)) {
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

bool test_loop_next(struct loop *base)
{
    struct test_loop *loop = of(base);

    if (loop->heap_count == 0) return false;
    move_to(loop, loop->heap[0].due_ns);
    test_loop_run(base);
    return true;
}

void test_loop_pass(struct loop *base, uint64_t ns)
{
    struct test_loop *loop = of(base);
    uint64_t end_ns = loop->elapsed_ns + ns;

    test_loop_run(base);
    while (loop->heap_count > 0 && loop->heap[0].due_ns <= end_ns) test_loop_next(base);
    move_to(loop, end_ns);
}

bool test_loop_until(struct loop *base, bool (*ready)(void *context), void *context,
                     uint64_t limit_ns)
{
    struct test_loop *loop = of(base);
    uint64_t end_ns = loop->elapsed_ns + limit_ns;

    while (!ready(context)) {
        if (test_loop_step(base)) continue;
        if (loop->heap_count == 0 || loop->heap[0].due_ns > end_ns) return false;
        move_to(loop, loop->heap[0].due_ns);
    }
    return true;
}

void test_loop_set_clock(struct loop *loop, uint64_t now) { of(loop)->wall_ns = now; }

void test_loop_forget(struct loop *base)
{
    of(base)->heap_count = 0;
    of(base)->task_first = of(base)->task_count = 0;
}

unsigned test_loop_tasks(const struct loop *base)
{
    const struct test_loop *loop = (const struct test_loop *)base;

    return loop->task_count - loop->task_first;
}

unsigned test_loop_timers(const struct loop *base)
{
    return ((const struct test_loop *)base)->heap_count;
}
