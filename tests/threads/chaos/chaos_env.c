/* The system's environment, but late, failing, with a clock that jumps, and perhaps deadly. */
#include "chaos.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

enum { RING_ENTRIES_MAX = 4096 };

enum operation {
    WRITE,
    WRITE_DURABLE,
    RING_WRITE,
    RING_READ,
    SYNC,
    RENAME,
    DIR_SYNC,
    DIR_MAKE,
    OPEN,
    READ,
    ALLOCATE,
    RESIZE,
    REMOVE,
    RING_OPEN,
    THREAD,
    OPERATIONS,
};

static const char *const names[OPERATIONS] = {
    "write",    "durable write", "ring write", "ring read", "sync",
    "rename",   "dir sync",      "dir make",   "open",      "read",
    "allocate", "resize",        "remove",     "ring open", "thread",
};

static struct {
    uint32_t fails;     /* operations that may fail, by bit */
    int64_t fails_from; /* number among these; -1 = none */
    int64_t fails_count;
    int64_t dies_at; /* number among all; -1 = never */
    unsigned late_per_mille, very_late_per_mille;
    bool clock_jumps, is_busy;
} plan;

static _Atomic int64_t counted, counted_all;
static _Atomic bool armed; /* operations are counted */
static _Atomic int64_t clock_ahead;
static _Atomic uint64_t threads_begun;
static const mp_env *env;

/* --- random numbers --- */

static _Thread_local uint64_t state;

void random_begin(uint64_t seed) { state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1; }

uint64_t random_next(void)
{
    uint64_t z;

    if (state == 0)
        random_begin(world->seed * 1000 + world->life +
                     (atomic_fetch_add(&threads_begun, 1) << 32));
    z = state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* --- the plan --- */

void chaos_plan(void)
{
    static const uint32_t often[] = {
        1u << WRITE_DURABLE,
        1u << RING_WRITE,
        1u << WRITE_DURABLE | 1u << RING_WRITE,
        1u << READ,
        1u << RING_READ,
        1u << SYNC,
        1u << ALLOCATE,
        1u << OPEN,
        1u << RENAME | 1u << DIR_SYNC,
        1u << WRITE,
        1u << READ | 1u << RING_READ | 1u << OPEN,
    };
    static const uint64_t numbers[] = {3, 12, 60, 600};
    unsigned what = (unsigned)random_below(10);

    plan.late_per_mille = random_percent(50) ? (unsigned)random_below(300) : 0;
    plan.very_late_per_mille = random_percent(50) ? (unsigned)random_below(10) : 0;
    plan.clock_jumps = random_percent(40);
    plan.fails_from = plan.dies_at = -1;
    plan.is_busy = false;
    atomic_store(&armed, random_percent(30));
    plan.fails_count = random_percent(50)   ? 1
                       : random_percent(50) ? 1 + (int64_t)random_below(10)
                                            : INT64_MAX / 2;
    if (what < 5) {
        plan.fails = random_percent(80) ? often[random_below(sizeof often / sizeof *often)]
                                        : (uint32_t)random_below(1u << OPERATIONS);
        plan.fails_from = (int64_t)random_below(numbers[random_below(4)]);
    }
    if (what == 8) { /* a disk that is full, perhaps for a while */
        plan.fails = 1u << ALLOCATE;
        plan.fails_from = 0;
        plan.is_busy = true;
    }
    if (what == 5) { /* a block fails while others wait */
        plan.fails = 1u << RING_WRITE;
        plan.fails_from = (int64_t)random_below(60);
        plan.is_busy = true;
    }
    if (what == 6 || what == 7) plan.dies_at = (int64_t)random_below(numbers[random_below(4)]);
}

void chaos_arm(void) { atomic_store(&armed, true); }

bool chaos_is_busy(void) { return plan.is_busy; }

void chaos_describe(char *text, size_t size)
{
    size_t used = (size_t)snprintf(
        text, size, "late %u, very late %u per mille%s; dies at %lld; fails from %lld, %lld times:",
        plan.late_per_mille, plan.very_late_per_mille, plan.clock_jumps ? ", clock jumps" : "",
        (long long)plan.dies_at, (long long)plan.fails_from, (long long)plan.fails_count);

    for (unsigned i = 0; i < OPERATIONS && used < size; i++) {
        if ((plan.fails >> i & 1) != 0)
            used += (size_t)snprintf(text + used, size - used, " %s", names[i]);
    }
}

static void sleep_us(uint64_t us)
{
    nanosleep(&(struct timespec){(time_t)(us / 1000000), (long)(us % 1000000) * 1000}, NULL);
}

static void late(void)
{
    uint64_t dice = random_below(1000);

    if (dice < plan.very_late_per_mille) {
        sleep_us(random_below(20000));
    } else if (dice < plan.late_per_mille) {
        if (dice % 2 == 0)
            sched_yield();
        else
            sleep_us(random_below(300));
    }
}

/* Before an operation: 0 or the error that it is to have. */
static int before(enum operation operation)
{
    int64_t number;

    late();
    if (!atomic_load(&armed)) return 0;
    if (atomic_fetch_add(&counted_all, 1) == plan.dies_at) {
        kill(getpid(), SIGKILL);
        for (;;) pause();
    }
    if (plan.fails_from < 0 || (plan.fails >> operation & 1) == 0) return 0;
    number = atomic_fetch_add(&counted, 1);
    if (number < plan.fails_from || number - plan.fails_from >= plan.fails_count) return 0;
    switch (operation) {
    case ALLOCATE: return -ENOSPC;
    case OPEN: return random_percent(50) ? -EMFILE : -EIO;
    case THREAD: return -EAGAIN;
    case RING_OPEN: return -ENOMEM;
    case WRITE:
    case RESIZE: return random_percent(50) ? -ENOSPC : -EIO;
    default: return -EIO;
    }
}

/* --- time, waiting, threads --- */

static uint64_t chaos_real_ns(void *context)
{
    static const int64_t steps[] = {-SECOND,     SECOND,         -SECOND / 10, 3 * SECOND,
                                    61 * SECOND, -3600 * SECOND, 100 * SECOND, -30 * SECOND};

    if (plan.clock_jumps && random_below(200) == 0)
        atomic_store(&clock_ahead, steps[random_below(sizeof steps / sizeof *steps)]);
    return env->real_ns(context) + (uint64_t)atomic_load(&clock_ahead);
}

static void chaos_wait(void *context, const uint32_t *word, uint32_t value, uint64_t timeout_ns)
{
    late();
    if (plan.late_per_mille > 0 && random_below(20) == 0) {
        sched_yield(); /* as if waked */
        return;
    }
    env->wait(context, word, value, timeout_ns);
    late();
}

static void chaos_wake(void *context, const uint32_t *word, uint32_t count)
{
    late();
    env->wake(context, word, count);
    late();
}

struct start {
    void (*run)(void *argument);
    void *argument;
};

static void begin_late(void *argument)
{
    struct start start = *(struct start *)argument;
    sigset_t dump;

    free(argument);
    sigemptyset(&dump);
    sigaddset(&dump, SIGUSR2);
    pthread_sigmask(SIG_UNBLOCK, &dump, NULL);
    if (plan.late_per_mille > 0) sleep_us(random_below(3000));
    start.run(start.argument);
}

static int chaos_thread_start(void *context, void (*run)(void *argument), void *argument,
                              const char *name, uint64_t *thread)
{
    struct start *start = malloc(sizeof *start);
    int result = before(THREAD);

    MUST(start != NULL);
    *start = (struct start){run, argument};
    if (result == 0) result = env->thread_start(context, begin_late, start, name, thread);
    if (result < 0) free(start);
    return result;
}

/* --- files --- */

static int chaos_dir_make(void *context, const char *path)
{
    int error = before(DIR_MAKE);

    return error != 0 ? error : env->dir_make(context, path);
}

static int chaos_dir_sync(void *context, const char *path)
{
    int error = before(DIR_SYNC);

    if (error == 0 || random_percent(50)) {
        int result = env->dir_sync(context, path);

        if (error == 0) return result;
    }
    return error;
}

static int chaos_rename(void *context, const char *from, const char *to)
{
    int error = before(RENAME);

    return error != 0 ? error : env->rename(context, from, to);
}

static int chaos_remove(void *context, const char *path)
{
    int error = before(REMOVE);

    return error != 0 ? error : env->remove(context, path);
}

static int chaos_file_open(void *context, const char *path, unsigned flags)
{
    int error = before(OPEN);

    return error != 0 ? error : env->file_open(context, path, flags);
}

static int chaos_file_allocate(void *context, int file, uint64_t offset, uint64_t length)
{
    int error = before(ALLOCATE);

    if (error != 0 && random_percent(50))
        (void)!env->file_allocate(context, file, offset, length / 8192 * 4096);
    return error != 0 ? error : env->file_allocate(context, file, offset, length);
}

static int64_t chaos_file_read(void *context, int file, void *buffer, size_t length,
                               uint64_t offset)
{
    int error = before(READ);

    return error != 0 ? error : env->file_read(context, file, buffer, length, offset);
}

/* Of a write that fails, all, nothing or a part may be there. */
static void write_some(int file, const mp_env_piece *pieces, unsigned count, uint64_t offset)
{
    unsigned how = (unsigned)random_below(3);
    mp_env_piece first = pieces[0];

    first.length = first.length / 8192 * 4096;
    if (how == 0 && first.length > 0)
        (void)!env->file_write(env->context, file, &first, 1, offset, false);
    if (how == 1)
        (void)!env->file_write(env->context, file, pieces, count, offset, random_percent(50));
}

static int64_t chaos_file_write(void *context, int file, const mp_env_piece *pieces, unsigned count,
                                uint64_t offset, bool durable)
{
    int error = before(durable ? WRITE_DURABLE : WRITE);
    int64_t result;

    if (error != 0) {
        write_some(file, pieces, count, offset);
        return error;
    }
    result = env->file_write(context, file, pieces, count, offset, durable);
    late();
    return result;
}

static int chaos_file_sync(void *context, int file)
{
    int error = before(SYNC);

    return error != 0 ? error : env->file_sync(context, file);
}

static int chaos_file_resize(void *context, int file, uint64_t size)
{
    int error = before(RESIZE);

    return error != 0 ? error : env->file_resize(context, file, size);
}

/* --- rings --- */

struct chaos_ring {
    mp_env_ring *real;
    unsigned held_count;
    mp_env_completion
        held[RING_ENTRIES_MAX]; /* not told yet; some of what failed was never begun */
    bool writes;
};

static struct chaos_ring *ring_of(mp_env_ring *ring) { return (void *)ring; }

static int chaos_ring_open(void *context, unsigned entries, mp_env_ring **ring)
{
    struct chaos_ring *made = calloc(1, sizeof *made);
    int result = before(RING_OPEN);

    MUST(made != NULL);
    if (result == 0) result = env->ring_open(context, entries, &made->real);
    if (result < 0) {
        free(made);
        return result;
    }
    *ring = (void *)made;
    return 0;
}

static void chaos_ring_close(void *context, mp_env_ring *ring)
{
    late();
    env->ring_close(context, ring_of(ring)->real);
    free(ring);
}

static int ring_fails(struct chaos_ring *ring, uint64_t user, int error)
{
    if (random_percent(20)) return error; /* at once */
    ring->held[ring->held_count++] = (mp_env_completion){user, error};
    return 0;
}

static int chaos_ring_write(void *context, mp_env_ring *ring, int file, const mp_env_piece *pieces,
                            unsigned count, uint64_t offset, uint64_t user)
{
    int error = before(RING_WRITE);

    ring_of(ring)->writes = true;
    atomic_fetch_add(&world->ring_writes, 1);
    if (error != 0) {
        write_some(file, pieces, count, offset);
        return ring_fails(ring_of(ring), user, error);
    }
    return env->ring_write(context, ring_of(ring)->real, file, pieces, count, offset, user);
}

static int chaos_ring_read(void *context, mp_env_ring *ring, int file, void *buffer, size_t length,
                           uint64_t offset, uint64_t user)
{
    int error = before(RING_READ);

    if (error != 0) return ring_fails(ring_of(ring), user, error);
    return env->ring_read(context, ring_of(ring)->real, file, buffer, length, offset, user);
}

static int chaos_ring_reap(void *context, mp_env_ring *opaque, mp_env_completion *completions,
                           unsigned max, uint64_t timeout_ns)
{
    struct chaos_ring *ring = ring_of(opaque);
    int count;

    late();
    if (ring->held_count > 0 && (timeout_ns != 0 || random_percent(50))) {
        completions[0] = ring->held[--ring->held_count];
        return 1;
    }
    if (plan.late_per_mille > 0 && random_below(20) == 0) timeout_ns = 0; /* as if waked */
    count = env->ring_reap(context, ring->real, completions, max, timeout_ns);
    for (int i = 0; i < count; i++) {
        int error = before(ring->writes ? RING_WRITE : RING_READ);

        if (error != 0) completions[i].result = error;
    }
    if (count > 0 && timeout_ns == 0 && random_percent(30)) { /* told the next time */
        memcpy(&ring->held[ring->held_count], completions, (unsigned)count * sizeof *completions);
        ring->held_count += (unsigned)count;
        return 0;
    }
    return count;
}

static void chaos_ring_wake(void *context, mp_env_ring *ring)
{
    late();
    env->ring_wake(context, ring_of(ring)->real);
}

static mp_env wrapped;

const mp_env *chaos_env(void) { return &wrapped; }

void chaos_env_make(void)
{
    env = mp_env_posix();
    wrapped = *env;
    wrapped.real_ns = chaos_real_ns;
    wrapped.wait = chaos_wait;
    wrapped.wake = chaos_wake;
    wrapped.thread_start = chaos_thread_start;
    wrapped.dir_make = chaos_dir_make;
    wrapped.dir_sync = chaos_dir_sync;
    wrapped.rename = chaos_rename;
    wrapped.remove = chaos_remove;
    wrapped.file_open = chaos_file_open;
    wrapped.file_allocate = chaos_file_allocate;
    wrapped.file_read = chaos_file_read;
    wrapped.file_write = chaos_file_write;
    wrapped.file_sync = chaos_file_sync;
    wrapped.file_resize = chaos_file_resize;
    wrapped.ring_open = chaos_ring_open;
    wrapped.ring_close = chaos_ring_close;
    wrapped.ring_write = chaos_ring_write;
    wrapped.ring_read = chaos_ring_read;
    wrapped.ring_reap = chaos_ring_reap;
    wrapped.ring_wake = chaos_ring_wake;
}
