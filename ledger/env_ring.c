/*
 * Rings over io_uring: writes that are followed by a data sync, reads, and a sleep that another
 * thread can end.
 *
 * A write is two linked entries, writev and fdatasync; its caller hears of it once, when both are
 * done. What a short write or read leaves is queued again.
 *
 * Waking. `signal` says that somebody called env_ring_wake since the last sleep that this ended. A
 * sleeper that found no signal waits for the ring's completions, among them a poll of an eventfd.
 * `sleep` says in its lowest two bits where it is, above them which sleep it is: who wakes writes
 * the eventfd only while somebody sleeps, and once is enough. Sleeper: sleep = ASLEEP, then read
 * signal. Waker: signal = 1, then read sleep. So one of them sees the other.
 */
#include "env_posix.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    ENTRIES_MAX = 4096,
    PIECES_MAX = 4,
    ATTEMPTS_MAX = 16,   /* of an operation that the kernel puts off */
    READ_STEP = 1 << 30, /* bytes in one entry */
    READ_ALIGNMENT = 4096,
};

enum { AWAKE = 0, ASLEEP = 1, NOTIFIED = 2, SLEEP_STATES = 4 };

/* What an entry's user_data says: which part of an operation, and above that its index. */
enum { PART_MAIN = 0, PART_SYNC = 1, PART_WAKE = 2, PARTS = 4 };

struct operation {
    uint64_t user;
    struct iovec pieces[PIECES_MAX]; /* what is left */
    unsigned piece_count;
    uint64_t offset; /* of what is left */
    int64_t left;    /* bytes */
    int64_t done;    /* bytes */
    int file;
    bool write;
    bool apart; /* its two entries were handed over in two system calls, so nothing orders them */
    unsigned attempts;
    unsigned running;       /* entries whose completion is to come */
    unsigned queue_end;     /* where its last entry ends in the submission queue */
    int32_t result, synced; /* of the running attempt */
    struct operation *next; /* free ones */
};

struct mp_env_ring {
    struct io_uring uring;
    unsigned entries;
    unsigned busy; /* operations not yet told */
    struct operation *free;
    int event_file;
    bool poll_armed;
    _Alignas(64) _Atomic uint32_t signal;
    _Atomic uint64_t sleep;
    _Alignas(64) struct operation operations[];
};

/* --- life --- */

static int uring_open(struct io_uring *uring, unsigned entries)
{
    /* Without interrupts for completions, since 5.19. Nothing that ties the ring to the thread that
     * opens it. */
    struct io_uring_params quiet = {
        .flags = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
    };
    struct io_uring_params plain = {0};
    int result = io_uring_queue_init_params(entries, uring, &quiet);

    return result == -EINVAL ? io_uring_queue_init_params(entries, uring, &plain) : result;
}

int env_ring_open(void *context, unsigned entries, mp_env_ring **out)
{
    mp_env_ring *ring;
    size_t size = sizeof *ring + entries * sizeof *ring->operations;
    int result;

    (void)context;
    if (entries == 0 || entries > ENTRIES_MAX) return -EINVAL;
    ring = aligned_alloc(64, round_up(size, 64));
    if (ring == NULL) return -ENOMEM;
    memset(ring, 0, size);
    ring->entries = entries;
    for (unsigned i = 0; i < entries; i++) {
        ring->operations[i].next = ring->free;
        ring->free = &ring->operations[i];
    }
    ring->event_file = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    /* Two entries each, the poll, and the time-out that liburing needs before 5.11. */
    result = ring->event_file < 0 ? -errno : uring_open(&ring->uring, 2 * entries + 2);
    if (result < 0) {
        if (ring->event_file >= 0) close(ring->event_file);
        free(ring);
        return result;
    }
    io_uring_ring_dontfork(&ring->uring);
    *out = ring;
    return 0;
}

/* --- the submission queue --- */

static struct io_uring_sqe *entry_get(mp_env_ring *ring)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&ring->uring);

    MP_ASSERT(entry != NULL); /* the queue has room for all operations */
    return entry;
}

static void entry_tag(mp_env_ring *ring, struct io_uring_sqe *entry, struct operation *operation,
                      unsigned part)
{
    uint64_t index = (uint64_t)(operation - ring->operations);

    io_uring_sqe_set_data64(entry, index * PARTS + part);
    operation->running++;
    operation->queue_end = ring->uring.sq.sqe_tail;
}

static void queue_sync(mp_env_ring *ring, struct operation *operation)
{
    struct io_uring_sqe *entry = entry_get(ring);

    io_uring_prep_fsync(entry, operation->file, IORING_FSYNC_DATASYNC);
    entry_tag(ring, entry, operation, PART_SYNC);
}

static void queue_write(mp_env_ring *ring, struct operation *operation)
{
    struct io_uring_sqe *entry = entry_get(ring);

    io_uring_prep_writev(entry, operation->file, operation->pieces, operation->piece_count,
                         operation->offset);
    io_uring_sqe_set_flags(entry, IOSQE_IO_LINK);
    entry_tag(ring, entry, operation, PART_MAIN);
    queue_sync(ring, operation);
}

static void queue_read(mp_env_ring *ring, struct operation *operation)
{
    struct io_uring_sqe *entry = entry_get(ring);
    uint64_t length = min_u64(operation->pieces->iov_len, READ_STEP);

    io_uring_prep_read(entry, operation->file, operation->pieces->iov_base, (unsigned)length,
                       operation->offset);
    entry_tag(ring, entry, operation, PART_MAIN);
}

static void queue(mp_env_ring *ring, struct operation *operation)
{
    operation->apart = false;
    if (operation->write) {
        queue_write(ring, operation);
    } else {
        queue_read(ring, operation);
    }
}

/* The poll of the eventfd, which a wake-up ends. */
static void queue_poll(mp_env_ring *ring)
{
    struct io_uring_sqe *entry = entry_get(ring);

    io_uring_prep_poll_add(entry, ring->event_file, POLLIN);
    io_uring_sqe_set_data64(entry, PART_WAKE);
    ring->poll_armed = true;
}

/* Hands over what is queued. The kernel may take a part of it: a write cut off from its sync is
 * noted. */
static int submit(mp_env_ring *ring)
{
    unsigned head;
    int result;

    if (io_uring_sq_ready(&ring->uring) == 0) return 0;
    result = io_uring_submit(&ring->uring);
    if (LIKELY(io_uring_sq_ready(&ring->uring) == 0)) return 0;
    head = ring->uring.sq.sqe_tail - io_uring_sq_ready(&ring->uring);
    for (unsigned i = 0; i < ring->entries; i++) {
        struct operation *operation = &ring->operations[i];

        if (operation->running > 0 && (int32_t)(operation->queue_end - head) > 0) {
            operation->apart = true;
        }
    }
    return result < 0 ? result : -EAGAIN;
}

/* --- operations --- */

static struct operation *operation_take(mp_env_ring *ring, int file, uint64_t offset, uint64_t user)
{
    struct operation *operation = ring->free;

    if (operation == NULL) return NULL;
    ring->free = operation->next;
    ring->busy++;
    *operation = (struct operation){.user = user, .offset = offset, .file = file};
    return operation;
}

int env_ring_write(void *context, mp_env_ring *ring, int file, const mp_env_piece *pieces,
                   unsigned count, uint64_t offset, uint64_t user)
{
    struct operation *operation;

    (void)context;
    if (count == 0 || count > PIECES_MAX) return -EINVAL;
    operation = operation_take(ring, file, offset, user);
    if (operation == NULL) return -EBUSY;
    operation->write = true;
    operation->piece_count = count;
    for (unsigned i = 0; i < count; i++) {
        operation->pieces[i].iov_base = (void *)(uintptr_t)pieces[i].data;
        operation->pieces[i].iov_len = pieces[i].length;
        operation->left += (int64_t)pieces[i].length;
    }
    queue(ring, operation);
    return 0;
}

int env_ring_read(void *context, mp_env_ring *ring, int file, void *buffer, size_t length,
                  uint64_t offset, uint64_t user)
{
    struct operation *operation = operation_take(ring, file, offset, user);

    (void)context;
    if (operation == NULL) return -EBUSY;
    operation->pieces[0] = (struct iovec){buffer, length};
    operation->piece_count = 1;
    operation->left = (int64_t)length;
    queue(ring, operation);
    return 0;
}

/* Leaves out what was done of the running attempt. */
static void operation_advance(struct operation *operation, int64_t bytes)
{
    size_t skip = (size_t)bytes;
    unsigned whole = 0;

    MP_ASSERT(bytes > 0 && bytes < operation->left);
    while (whole < operation->piece_count && skip >= operation->pieces[whole].iov_len) {
        skip -= operation->pieces[whole++].iov_len;
    }
    operation->piece_count -= whole;
    memmove(operation->pieces, operation->pieces + whole,
            operation->piece_count * sizeof *operation->pieces);
    operation->pieces->iov_base = (uint8_t *)operation->pieces->iov_base + skip;
    operation->pieces->iov_len -= skip;
    operation->offset += (uint64_t)bytes;
    operation->done += bytes;
    operation->left -= bytes;
}

static bool put_off(struct operation *operation, int32_t result)
{
    return (result == -EAGAIN || result == -EINTR) && ++operation->attempts < ATTEMPTS_MAX;
}

/* Whether a write is over, or queued once more. */
static bool write_over(mp_env_ring *ring, struct operation *operation, int64_t *result)
{
    int32_t written = operation->result;

    if (put_off(operation, written)) {
        queue(ring, operation);
        return false;
    }
    if (written <= 0 && operation->left > 0) {
        /* Behind a short write an odd offset is refused: what went wrong is the short write. */
        *result = written == 0 || (written == -EINVAL && operation->done > 0) ? -EIO : written;
        return true;
    }
    if (written < operation->left) {
        operation_advance(operation, written);
        queue(ring, operation);
        return false;
    }
    if (operation->apart || put_off(operation, operation->synced)) {
        operation->apart = false;
        queue_sync(ring, operation);
        return false;
    }
    *result = operation->synced < 0 ? operation->synced : operation->done + written;
    return true;
}

/* Whether a read is over, or queued once more. */
static bool read_over(mp_env_ring *ring, struct operation *operation, int64_t *result)
{
    int32_t got = operation->result;

    if (put_off(operation, got)) {
        queue(ring, operation);
        return false;
    }
    if (got > 0 && got < operation->left) {
        operation_advance(operation, got);
        queue(ring, operation);
        return false;
    }
    /* Past the page cache an odd count is the end of the file, and one can't go on there to see it.
     */
    if (got == -EINVAL && operation->done % READ_ALIGNMENT != 0) got = 0;
    *result = got < 0 ? got : operation->done + got;
    return true;
}

/* --- completions --- */

static void poll_ended(mp_env_ring *ring)
{
    eventfd_t count;

    ring->poll_armed = false;
    (void)eventfd_read(ring->event_file, &count);
}

/* Whether a completion ends an operation, which is then free again. */
static bool entry_ended(mp_env_ring *ring, uint64_t tag, int32_t result, mp_env_completion *out)
{
    struct operation *operation = &ring->operations[tag / PARTS];
    unsigned part = tag % PARTS;

    if (part == PART_WAKE) {
        poll_ended(ring);
        return false;
    }
    MP_ASSERT(tag / PARTS < ring->entries && operation->running > 0);
    operation->running--;
    if (part == PART_MAIN) {
        operation->result = result;
    } else {
        operation->synced = result;
    }
    if (operation->running > 0) return false;
    out->user = operation->user;
    if (!(operation->write ? write_over : read_over)(ring, operation, &out->result)) return false;
    operation->next = ring->free;
    ring->free = operation;
    ring->busy--;
    return true;
}

static unsigned take(mp_env_ring *ring, mp_env_completion *completions, unsigned max)
{
    struct io_uring_cqe *entry;
    unsigned count = 0;

    while (count < max && io_uring_peek_cqe(&ring->uring, &entry) == 0) {
        uint64_t tag = io_uring_cqe_get_data64(entry);
        int32_t result = entry->res;

        io_uring_cqe_seen(&ring->uring, entry);
        if (entry_ended(ring, tag, result, &completions[count])) count++;
    }
    return count;
}

/* --- sleeping and waking --- */

static uint64_t now_ns(void)
{
    struct timespec now;

    MP_ASSERT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void pause_ns(uint64_t ns)
{
    const struct timespec pause = {(time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S)};

    nanosleep(&pause, NULL);
}

static bool signal_take(mp_env_ring *ring)
{
    return atomic_load(&ring->signal) != 0 && atomic_exchange(&ring->signal, 0) != 0;
}

/* Waits for any completion, a wake-up among them, at most for so long. */
static int doze(mp_env_ring *ring, uint64_t timeout_ns)
{
    struct __kernel_timespec timeout = {(int64_t)(timeout_ns / NS_PER_S),
                                        (long long)(timeout_ns % NS_PER_S)};
    struct io_uring_cqe *entry;

    if (timeout_ns == UINT64_MAX) return io_uring_submit_and_wait(&ring->uring, 1);
    return io_uring_submit_and_wait_timeout(&ring->uring, &entry, 1, &timeout, NULL);
}

/* 1 = somebody called env_ring_wake; 0 = there may be completions, or time is over; else a negative
 * errno. */
static int sleep_once(mp_env_ring *ring, uint64_t timeout_ns)
{
    uint64_t number = atomic_load_explicit(&ring->sleep, memory_order_relaxed) + SLEEP_STATES;
    int result = 0;

    number -= number % SLEEP_STATES;
    if (!ring->poll_armed) queue_poll(ring);
    atomic_store(&ring->sleep, number + ASLEEP);
    if (atomic_load(&ring->signal) == 0) result = doze(ring, timeout_ns);
    atomic_store(&ring->sleep, number + AWAKE);
    if (signal_take(ring)) return 1;
    return result == -ETIME || result > 0 ? 0 : result;
}

static bool passes(int error)
{
    return error == -EAGAIN || error == -EBUSY || error == -EINTR || error == -ENOMEM;
}

int env_ring_reap(void *context, mp_env_ring *ring, mp_env_completion *completions, unsigned max,
                  uint64_t timeout_ns)
{
    uint64_t end = 0; /* 0 = not asked for yet */

    (void)context;
    if (max == 0) return -EINVAL;
    for (;;) {
        uint64_t left = timeout_ns;
        int result = submit(ring);
        unsigned count = take(ring, completions, max);

        if (count > 0) return (int)count;
        if (result < 0 && !passes(result)) return result;
        if (timeout_ns == 0) return 0;
        if (timeout_ns != UINT64_MAX) {
            uint64_t now = now_ns();

            if (end == 0) end = now + timeout_ns;
            if (now >= end) return 0;
            left = end - now;
        }
        if (result < 0) { /* the kernel is short of something */
            pause_ns(min_u64(left, NS_PER_S / 1000));
            continue;
        }
        result = sleep_once(ring, left);
        if (result < 0 && !passes(result)) return result;
        if (result == 1) return (int)take(ring, completions, max);
    }
}

void env_ring_wake(void *context, mp_env_ring *ring)
{
    const uint64_t one = 1;
    uint64_t sleep;

    (void)context;
    atomic_store(&ring->signal, 1);
    sleep = atomic_load(&ring->sleep);
    if (sleep % SLEEP_STATES != ASLEEP) return;
    /* Not by write(): a thread that is cancelled in it would leave the sleeper asleep. */
    syscall(SYS_write, ring->event_file, &one, sizeof one);
    atomic_compare_exchange_strong(&ring->sleep, &sleep, sleep - ASLEEP + NOTIFIED);
}

void env_ring_close(void *context, mp_env_ring *ring)
{
    mp_env_completion completion;

    /* The kernel may still read from and write to the memory of what runs. */
    while (ring->busy > 0) {
        if (env_ring_reap(context, ring, &completion, 1, UINT64_MAX) < 0) break;
    }
    io_uring_queue_exit(&ring->uring);
    close(ring->event_file);
    free(ring);
}
