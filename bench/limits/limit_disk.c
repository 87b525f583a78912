/*
 * limit_disk: what the disk gives to a program that does nothing but write, or read, a log.
 *
 * A file is filled with zeros first and made durable, since blocks written before are what a log
 * that prepares its segments ahead writes over. Then one of:
 *   (default)  1 MiB blocks, each write followed by fdatasync, one at a time: the limit of
 *              transfers/s for a log of 136 bytes a transfer
 *   --raw-4k   4 KiB blocks by blocking pwrite with O_DSYNC: the limit of one caller's latency
 *   --read     1 MiB reads, four at a time: the limit of recovery
 * All of it with O_DIRECT, sequentially. Shares no code with the engine.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "usage: limit_disk PATH [--raw-4k | --read] [--mib N] [--windows N] [--json]\n"
    "\n"
    "PATH is a directory, or the name of a new file; what is written is removed at the end.\n"
    "  --raw-4k     latency of durable 4 KiB writes instead of the rate of 1 MiB writes\n"
    "  --read       rate of 1 MiB reads, four at a time\n"
    "  --mib N      size of the file; a window goes over all of it once (default 256)\n"
    "  --windows N  windows to take the median of (default 5)\n"
    "  --json       one JSON object instead of text\n";

enum {
    BLOCK_BYTES = 1 << 20,
    PAGE_BYTES = 4096,
    RAW_WRITES = 2000,
    READ_DEPTH = 4,
    TRANSFER_BYTES = 136, /* log bytes of a plain transfer in a full block, all included */
    WINDOWS_MAX = 1000,
};

static const double NS_PER_S = 1e9;

enum mode { MODE_WRITE, MODE_RAW_4K, MODE_READ };

struct options {
    const char *path;
    enum mode mode;
    size_t blocks;
    size_t windows;
    bool json;
};

/* The file under test. Its name is removed at once, so that nothing is left however this ends. */
struct target {
    char path[PATH_MAX];
    int fd;
    bool direct;
};

/* What the reading threads share: they take block after block. */
struct reading {
    const struct target *target;
    size_t blocks;
    atomic_size_t next;
    atomic_bool failed;
};

static struct options parse_options(int argc, char **argv);
static struct target open_target(const struct options *options);
static void fill_with_zeros(struct target *target, size_t size);
static void measure_write(const struct target *target, const struct options *options);
static void measure_raw_4k(const struct target *target, const struct options *options);
static void measure_read(const struct target *target, const struct options *options);
static void reopen(struct target *target, int flags);
_Noreturn static void die(const char *what);

int main(int argc, char **argv)
{
    struct options options = parse_options(argc, argv);
    struct target target = open_target(&options);

    fill_with_zeros(&target, options.mode == MODE_RAW_4K ? (size_t)RAW_WRITES * PAGE_BYTES
                                                         : options.blocks * BLOCK_BYTES);
    switch (options.mode) {
    case MODE_WRITE: measure_write(&target, &options); break;
    case MODE_RAW_4K:
        reopen(&target, O_DSYNC);
        measure_raw_4k(&target, &options);
        break;
    case MODE_READ: measure_read(&target, &options); break;
    }
    close(target.fd);
    return EXIT_SUCCESS;
}

static uint64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof values[0], compare_doubles);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

/* Aligned for O_DIRECT; contents that no disk can compress or find twice. */
static uint8_t *make_buffer(size_t size)
{
    uint8_t *buffer = aligned_alloc(PAGE_BYTES, size);
    uint64_t state = now_ns() | 1;

    if (buffer == NULL) {
        die("memory");
    }
    for (size_t i = 0; i < size; i += sizeof state) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        memcpy(buffer + i, &state, sizeof state);
    }
    return buffer;
}

static void write_fully(int fd, const uint8_t *from, size_t size, size_t offset)
{
    for (size_t done = 0; done < size;) {
        const ssize_t put = pwrite(fd, from + done, size - done, (off_t)(offset + done));

        if (put < 0 && errno != EINTR) {
            die("write");
        }
        done += put > 0 ? (size_t)put : 0;
    }
}

static void measure_write(const struct target *target, const struct options *options)
{
    double *rates = calloc(options->windows, sizeof *rates); /* bytes/s */
    uint8_t *buffer = make_buffer(BLOCK_BYTES);

    if (rates == NULL) {
        die("memory");
    }
    for (size_t window = 0; window < options->windows; window++) {
        const uint64_t start = now_ns();

        for (size_t block = 0; block < options->blocks; block++) {
            const uint64_t number = window * options->blocks + block;

            memcpy(buffer, &number, sizeof number); /* no two blocks alike */
            write_fully(target->fd, buffer, BLOCK_BYTES, block * BLOCK_BYTES);
            if (fdatasync(target->fd) != 0) {
                die("fdatasync");
            }
        }
        rates[window] =
            (double)options->blocks * BLOCK_BYTES * NS_PER_S / (double)(now_ns() - start);
    }

    const double rate = median(rates, options->windows);

    if (options->json) {
        printf("{\"limit_disk_mb_per_s\":%.1f,\"limit_disk_transfers_per_s\":%.0f,"
               "\"min_transfers_per_s\":%.0f,\"max_transfers_per_s\":%.0f,\"windows\":%zu,"
               "\"window_mib\":%zu,\"direct\":%s}\n",
               rate / 1e6, rate / TRANSFER_BYTES, rates[0] / TRANSFER_BYTES,
               rates[options->windows - 1] / TRANSFER_BYTES, options->windows, options->blocks,
               target->direct ? "true" : "false");
    } else {
        printf("1 MiB write + fdatasync over blocks written before, depth 1, median of %zu windows "
               "of %zu MiB:\n"
               "  %.0f MB/s (%.0f to %.0f) = %.2f million transfers/s at %d bytes\n",
               options->windows, options->blocks, rate / 1e6, rates[0] / 1e6,
               rates[options->windows - 1] / 1e6, rate / TRANSFER_BYTES / 1e6, TRANSFER_BYTES);
    }
    free(buffer);
    free(rates);
}

static void measure_raw_4k(const struct target *target, const struct options *options)
{
    static double micros[RAW_WRITES];
    uint8_t *buffer = make_buffer(PAGE_BYTES);

    for (size_t i = 0; i < RAW_WRITES; i++) {
        memcpy(buffer, &i, sizeof i);

        const uint64_t start = now_ns();

        write_fully(target->fd, buffer, PAGE_BYTES, i * PAGE_BYTES);
        micros[i] = (double)(now_ns() - start) / 1e3;
    }

    const double p50 = median(micros, RAW_WRITES);
    const double p99 = micros[RAW_WRITES * 99 / 100];

    if (options->json) {
        printf("{\"raw_4k_p50_us\":%.1f,\"raw_4k_p99_us\":%.1f,\"min_us\":%.1f,\"max_us\":%.1f,"
               "\"writes\":%d,\"direct\":%s}\n",
               p50, p99, micros[0], micros[RAW_WRITES - 1], RAW_WRITES,
               target->direct ? "true" : "false");
    } else {
        printf("durable 4 KiB pwrite (O_DSYNC) over blocks written before, %d writes:\n"
               "  p50 %.1f us, p99 %.1f us (%.1f to %.1f)\n",
               RAW_WRITES, p50, p99, micros[0], micros[RAW_WRITES - 1]);
    }
    free(buffer);
}

static void *read_blocks(void *shared)
{
    struct reading *reading = shared;
    uint8_t *buffer = aligned_alloc(PAGE_BYTES, BLOCK_BYTES);

    if (buffer == NULL) {
        reading->failed = true;
        return NULL;
    }
    for (size_t block; (block = atomic_fetch_add(&reading->next, 1)) < reading->blocks;) {
        if (pread(reading->target->fd, buffer, BLOCK_BYTES, (off_t)(block * BLOCK_BYTES)) !=
            BLOCK_BYTES) {
            reading->failed = true;
            break;
        }
    }
    free(buffer);
    return NULL;
}

static double read_window(const struct target *target, size_t blocks)
{
    struct reading reading = {.target = target, .blocks = blocks};
    pthread_t threads[READ_DEPTH];
    const uint64_t start = now_ns();

    for (size_t i = 0; i < READ_DEPTH; i++) {
        errno = pthread_create(&threads[i], NULL, read_blocks, &reading);
        if (errno != 0) {
            die("thread");
        }
    }
    for (size_t i = 0; i < READ_DEPTH; i++) {
        pthread_join(threads[i], NULL);
    }
    if (reading.failed) {
        die("read");
    }
    return (double)blocks * BLOCK_BYTES * NS_PER_S / (double)(now_ns() - start);
}

static void measure_read(const struct target *target, const struct options *options)
{
    double *rates = calloc(options->windows, sizeof *rates); /* bytes/s */
    uint8_t *buffer = make_buffer(BLOCK_BYTES);

    if (rates == NULL) {
        die("memory");
    }
    for (size_t block = 0; block < options->blocks; block++) { /* zeros might be read for free */
        memcpy(buffer, &block, sizeof block);
        write_fully(target->fd, buffer, BLOCK_BYTES, block * BLOCK_BYTES);
    }
    if (fsync(target->fd) != 0) {
        die("fsync");
    }
    for (size_t window = 0; window < options->windows; window++) {
        if (!target->direct) {
            (void)posix_fadvise(target->fd, 0, 0, POSIX_FADV_DONTNEED);
        }
        rates[window] = read_window(target, options->blocks);
    }

    const double rate = median(rates, options->windows);

    if (options->json) {
        printf("{\"read_gb_per_s\":%.3f,\"min\":%.3f,\"max\":%.3f,\"windows\":%zu,"
               "\"window_mib\":%zu,\"depth\":%d,\"direct\":%s}\n",
               rate / 1e9, rates[0] / 1e9, rates[options->windows - 1] / 1e9, options->windows,
               options->blocks, READ_DEPTH, target->direct ? "true" : "false");
    } else {
        printf("1 MiB sequential reads, depth %d, median of %zu windows of %zu MiB:\n"
               "  %.2f GB/s (%.2f to %.2f)\n",
               READ_DEPTH, options->windows, options->blocks, rate / 1e9, rates[0] / 1e9,
               rates[options->windows - 1] / 1e9);
    }
    free(buffer);
    free(rates);
}

static struct target open_target(const struct options *options)
{
    struct target target = {.fd = -1, .direct = true};
    struct stat status;
    const bool in_directory = stat(options->path, &status) == 0 && S_ISDIR(status.st_mode);
    const int length =
        snprintf(target.path, sizeof target.path, in_directory ? "%s/limit_disk.%ld" : "%s",
                 options->path, (long)getpid());

    if (length < 0 || (size_t)length >= sizeof target.path) {
        errno = ENAMETOOLONG;
        die(options->path);
    }
    target.fd = open(target.path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (target.fd < 0) {
        die(target.path);
    }
    reopen(&target, 0);
    if (unlink(target.path) != 0) {
        die(target.path);
    }
    return target;
}

/* Opens the file once more, with O_DIRECT where that is granted, with other flags added. */
static void reopen(struct target *target, int flags)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/fd/%d", target->fd); /* the name may be gone */

    int fd = target->direct ? open(path, O_RDWR | O_CLOEXEC | O_DIRECT | flags) : -1;

    if (fd < 0) {
        if (target->direct) {
            fprintf(stderr,
                    "limit_disk: O_DIRECT refused on %s (%s): measuring buffered I/O with sync, "
                    "which is another limit\n",
                    target->path, strerror(errno));
        }
        target->direct = false;
        fd = open(path, O_RDWR | O_CLOEXEC | flags);
    }
    if (fd < 0) {
        die(target->path);
    }
    close(target->fd);
    target->fd = fd;
}

static void fill_with_zeros(struct target *target, size_t size)
{
    uint8_t *zeros = aligned_alloc(PAGE_BYTES, BLOCK_BYTES);

    if (zeros == NULL) {
        die("memory");
    }
    memset(zeros, 0, BLOCK_BYTES);
    for (size_t offset = 0; offset < size; offset += BLOCK_BYTES) {
        const size_t left = size - offset;

        write_fully(target->fd, zeros, left < BLOCK_BYTES ? left : BLOCK_BYTES, offset);
    }
    if (fsync(target->fd) != 0) {
        die("fsync");
    }
    free(zeros);
}

_Noreturn static void refuse_usage(void)
{
    fputs(usage, stderr);
    exit(2);
}

static size_t parse_count(const char *text, size_t max)
{
    char *end = NULL;
    const unsigned long value = text == NULL ? 0 : strtoul(text, &end, 10);

    if (text == NULL || end == text || *end != '\0' || value == 0 || value > max) {
        refuse_usage();
    }
    return value;
}

static struct options parse_options(int argc, char **argv)
{
    struct options options = {.mode = MODE_WRITE, .blocks = 256, .windows = 5};

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--raw-4k") == 0) {
            options.mode = MODE_RAW_4K;
        } else if (strcmp(argv[i], "--read") == 0) {
            options.mode = MODE_READ;
        } else if (strcmp(argv[i], "--mib") == 0) {
            options.blocks = parse_count(argv[++i], 1 << 20);
        } else if (strcmp(argv[i], "--windows") == 0) {
            options.windows = parse_count(argv[++i], WINDOWS_MAX);
        } else if (strcmp(argv[i], "--json") == 0) {
            options.json = true;
        } else if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            exit(EXIT_SUCCESS);
        } else if (argv[i][0] != '-' && options.path == NULL) {
            options.path = argv[i];
        } else {
            refuse_usage();
        }
    }
    if (options.path == NULL) {
        refuse_usage();
    }
    return options;
}

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "limit_disk: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}
