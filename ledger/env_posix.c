/* The world as Linux shows it: clocks, random bytes, sleeping, threads. Files are in env_files.c,
 * rings in env_ring.c. */
#include "env_posix.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* --- clocks, random bytes, the process --- */

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    MP_ASSERT(clock_gettime(clock, &now) == 0);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t env_real_ns(void *context)
{
    (void)context;
    return clock_ns(CLOCK_REALTIME);
}

static uint64_t env_boot_ns(void *context)
{
    (void)context;
    return clock_ns(CLOCK_BOOTTIME);
}

static int env_random(void *context, void *buffer, size_t length)
{
    (void)context;
    for (size_t done = 0; done < length;) {
        ssize_t got = getrandom((uint8_t *)buffer + done, length - done, 0);

        if (got < 0 && errno != EINTR) return -errno;
        if (got > 0) done += (size_t)got;
    }
    return 0;
}

/* Every call of the library asks for the process, and getpid() is a system call. So the number is
 * kept on a page that the kernel clears in a forked child. */
static _Atomic uint64_t *number_page(void)
{
    static _Atomic(_Atomic uint64_t *) page; /* MAP_FAILED = can't be had */
    _Atomic uint64_t *held = atomic_load_explicit(&page, memory_order_acquire);
    void *made;

    if (LIKELY(held != NULL)) return held;
    made = mmap(NULL, sizeof *held, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made != MAP_FAILED && madvise(made, sizeof *held, MADV_WIPEONFORK) != 0) {
        munmap(made, sizeof *held);
        made = MAP_FAILED;
    }
    if (atomic_compare_exchange_strong(&page, &held, made)) return made;
    if (made != MAP_FAILED) munmap(made, sizeof *held); /* another thread was first */
    return held;
}

static uint64_t env_process(void *context)
{
    _Atomic uint64_t *page = number_page();
    uint64_t number;

    (void)context;
    if (UNLIKELY(page == MAP_FAILED)) return (uint64_t)getpid();
    number = atomic_load_explicit(page, memory_order_relaxed);
    if (UNLIKELY(number == 0)) {
        number = (uint64_t)getpid();
        atomic_store_explicit(page, number, memory_order_relaxed);
    }
    return number;
}

/* --- sleeping --- */

static void env_wait(void *context, const uint32_t *word, uint32_t value, uint64_t timeout_ns)
{
    const struct timespec timeout = {(time_t)(timeout_ns / NS_PER_S),
                                     (long)(timeout_ns % NS_PER_S)};

    (void)context;
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, timeout_ns == UINT64_MAX ? NULL : &timeout,
            NULL, 0);
}

static void env_wake(void *context, const uint32_t *word, uint32_t count)
{
    (void)context;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, min_u64(count, INT32_MAX), NULL, NULL, 0);
}

/* --- events --- */

static int env_event_open(void *context)
{
    int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    (void)context;
    return event < 0 ? -errno : event;
}

static void env_event_signal(void *context, int event)
{
    (void)context;
    eventfd_write(event, 1); /* fails only when it has been readable for ages */
}

static void env_event_close(void *context, int event)
{
    (void)context;
    close(event);
}

/* --- threads --- */

struct start {
    void (*run)(void *argument);
    void *argument;
    char name[16]; /* the kernel keeps 15 characters */
};

static void *thread_main(void *argument)
{
    struct start start = *(struct start *)argument;

    free(argument);
    pthread_setname_np(pthread_self(), start.name);
    start.run(start.argument);
    return NULL;
}

static int env_thread_start(void *context, void (*run)(void *argument), void *argument,
                            const char *name, uint64_t *thread)
{
    struct start *start = malloc(sizeof *start);
    sigset_t all, before;
    pthread_t made;
    int error;

    (void)context;
    if (start == NULL) return -ENOMEM;
    *start = (struct start){.run = run, .argument = argument};
    snprintf(start->name, sizeof start->name, "%s", name);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the new thread inherits it */
    error = pthread_create(&made, NULL, thread_main, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        free(start);
        return -error;
    }
    *thread = (uint64_t)made;
    return 0;
}

static void env_thread_join(void *context, uint64_t thread)
{
    (void)context;
    MP_ASSERT(pthread_join((pthread_t)thread, NULL) == 0);
}

/* --- the table --- */

const mp_env *mp_env_posix(void)
{
    static const mp_env posix = {
        .context = NULL,
        .real_ns = env_real_ns,
        .boot_ns = env_boot_ns,
        .random = env_random,
        .process = env_process,
        .wait = env_wait,
        .wake = env_wake,
        .event_open = env_event_open,
        .event_signal = env_event_signal,
        .event_close = env_event_close,
        .thread_start = env_thread_start,
        .thread_join = env_thread_join,
        .dir_make = env_dir_make,
        .dir_list = env_dir_list,
        .dir_sync = env_dir_sync,
        .filesystem = env_filesystem,
        .rename = env_rename,
        .remove = env_remove,
        .file_open = env_file_open,
        .file_close = env_file_close,
        .file_size = env_file_size,
        .file_allocate = env_file_allocate,
        .file_settle = env_file_settle,
        .file_read = env_file_read,
        .file_write = env_file_write,
        .file_sync = env_file_sync,
        .file_resize = env_file_resize,
        .file_lock = env_file_lock,
        .file_locked = env_file_locked,
        .ring_open = env_ring_open,
        .ring_close = env_ring_close,
        .ring_write = env_ring_write,
        .ring_read = env_ring_read,
        .ring_reap = env_ring_reap,
        .ring_wake = env_ring_wake,
    };

    return &posix;
}
