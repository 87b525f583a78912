#include "common.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { REST_MS = 60, REST_TRIES = 200, PATH_BYTES = 4096 };

static_assert(sizeof(mp_transfer) == sizeof(struct workload_transfer), "one layout");
static_assert(offsetof(mp_transfer, amount) == offsetof(struct workload_transfer, amount) &&
                  offsetof(mp_transfer, timestamp) == offsetof(struct workload_transfer, timestamp),
              "one layout");

/* --- ends --- */

void die(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    exit(EXIT_FAILURE);
}

void must(mp_status status, const char *what)
{
    if (status != MP_OK) {
        die("%s: %s: %s", what, mp_status_name(status), mp_last_error());
    }
}

void show_usage(const char *usage, bool asked)
{
    fputs(usage, asked ? stdout : stderr);
    exit(asked ? EXIT_SUCCESS : 2);
}

uint64_t parse_number(const char *text, const char *usage)
{
    char *end = NULL;

    if (text == NULL || *text < '0' || *text > '9') {
        show_usage(usage, false);
    }
    errno = 0;

    const uint64_t value = strtoull(text, &end, 10);

    if (errno != 0 || *end != '\0') {
        show_usage(usage, false);
    }
    return value;
}

/* --- time and statistics --- */

double now_s(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

double cpu_s(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void sleep_ms(unsigned ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    nanosleep(&time, NULL);
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;

    return (x > y) - (x < y);
}

void sort_doubles(double *values, size_t count)
{
    qsort(values, count, sizeof values[0], compare_doubles);
}

double median(double *values, size_t count)
{
    sort_doubles(values, count);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

double quantile(const double *sorted, size_t count, double part)
{
    const size_t at = (size_t)(part * (double)count);

    return sorted[at < count ? at : count - 1];
}

/* --- workload --- */

struct workload workload_map(const char *path)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    struct workload workload = {0};

    if (file < 0 || fstat(file, &status) != 0) {
        die("%s: %s", path, strerror(errno));
    }

    /* populated for reading: for writing it would be copied at once */
    uint8_t *bytes =
        mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);

    if (bytes == MAP_FAILED ||
        mprotect(bytes, (size_t)status.st_size, PROT_READ | PROT_WRITE) != 0) {
        die("%s: %s", path, strerror(errno));
    }
    close(file);
    workload.header = (const struct workload_header *)bytes;
    if ((size_t)status.st_size < sizeof *workload.header ||
        workload.header->magic != WORKLOAD_MAGIC ||
        (uint64_t)status.st_size < workload.header->transfers_offset +
                                       workload.header->transfer_count * sizeof(mp_transfer)) {
        die("%s: no workload file", path);
    }
    workload.accounts = (const mp_id *)(bytes + workload.header->accounts_offset);
    workload.transfers = (mp_transfer *)(bytes + workload.header->transfers_offset);
    workload.account_count = workload.header->account_count;
    workload.transfer_count = workload.header->transfer_count;
    if (workload.transfer_count < (uint64_t)(OUTSTANDING_MAX + 1) * MP_BATCH_MAX) {
        die("%s: the benchmarks need %d transfers at least", path,
            (OUTSTANDING_MAX + 1) * MP_BATCH_MAX);
    }
    return workload;
}

mp_transfer *workload_next(struct workload *workload)
{
    mp_transfer *batch;

    if (workload->next + MP_BATCH_MAX > workload->transfer_count) {
        workload->next = 0;
        workload->used_up = true;
    }
    batch = workload->transfers + workload->next;
    for (uint32_t i = 0; workload->used_up && i < MP_BATCH_MAX; i++) {
        batch[i].id += (mp_u128)1 << 64;
    }
    workload->next += MP_BATCH_MAX;
    return batch;
}

void workload_own(struct workload *workload)
{
    volatile uint8_t *bytes = (volatile uint8_t *)workload->transfers;
    const uint64_t end = workload->transfer_count * sizeof(mp_transfer);

    for (uint64_t at = 0; at < end; at += WORKLOAD_ALIGN) {
        bytes[at] = bytes[at]; /* a page at a time */
    }
}

/* --- ledgers --- */

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

void ledger_remove(const char *directory)
{
    char path[PATH_BYTES];

    snprintf(path, sizeof path, "%s/ledger.mp", directory);
    if (access(path, F_OK) != 0) {
        return; /* whatever it is, it is no ledger of ours to remove */
    }
    if (nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0) {
        die("%s: %s", directory, strerror(errno));
    }
}

static void create_accounts(mp_ledger *ledger, const struct workload *workload)
{
    enum { BUFFERS = OUTSTANDING_DEFAULT + 1 }; /* the one being filled is never outstanding */
    mp_account *accounts = calloc((size_t)BUFFERS * MP_BATCH_MAX, sizeof *accounts);
    struct stream stream;

    if (accounts == NULL) {
        die("no memory");
    }
    stream_begin(&stream, ledger, OUTSTANDING_DEFAULT);
    for (uint64_t made = 0, batch = 0; made < workload->account_count; batch++) {
        mp_account *at = accounts + batch % BUFFERS * MP_BATCH_MAX;
        const uint64_t left = workload->account_count - made;
        const uint32_t count = left < MP_BATCH_MAX ? (uint32_t)left : MP_BATCH_MAX;

        for (uint32_t i = 0; i < count; i++) {
            at[i] = (mp_account){
                .id = workload->accounts[made + i],
                .ledger = workload->header->ledger,
                .code = workload->header->code,
            };
        }
        stream_submit(&stream, MP_CREATE_ACCOUNTS, at, count);
        made += count;
    }
    stream_drain(&stream);
    stream_end(&stream);
    free(accounts);
}

mp_ledger *ledger_make(const char *directory, const mp_options *options,
                       const struct workload *workload)
{
    mp_ledger *ledger;

    ledger_remove(directory);
    must(mp_init(directory, options), "mp_init");
    ledger = ledger_open(directory, options);
    create_accounts(ledger, workload);
    return ledger;
}

mp_ledger *ledger_open(const char *directory, const mp_options *options)
{
    mp_ledger *ledger = NULL;

    must(mp_open(directory, options, &ledger), "mp_open");
    return ledger;
}

void ledger_close(mp_ledger *ledger) { must(mp_close(ledger), "mp_close"); }

mp_stats ledger_rest(mp_ledger *ledger)
{
    mp_stats before, after;

    mp_read_stats(ledger, &after);
    for (int i = 0; i < REST_TRIES; i++) {
        before = after;
        sleep_ms(REST_MS);
        mp_read_stats(ledger, &after);
        if (after.blocks == before.blocks && after.position == before.position &&
            after.outstanding == 0 && after.checkpoint_running == 0) {
            return after;
        }
    }
    die("the ledger doesn't come to rest");
}

static int drop_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)place;
    if (type == FTW_F) {
        const int file = open(path, O_RDONLY | O_CLOEXEC);

        if (file >= 0) {
            (void)fdatasync(file); /* dirty pages can't be dropped */
            (void)posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
            close(file);
        }
    }
    return 0;
}

void ledger_drop_cache(const char *directory)
{
    if (nftw(directory, drop_entry, 16, FTW_PHYS) != 0) {
        die("%s: %s", directory, strerror(errno));
    }
}

void run_apart(void (*run)(void *argument), void *argument)
{
    int status;

    fflush(NULL);

    const pid_t child = fork();

    if (child < 0) {
        die("fork: %s", strerror(errno));
    }
    if (child == 0) {
        run(argument);
        _exit(EXIT_SUCCESS);
    }
    if (waitpid(child, &status, 0) != child ||
        !((WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS) ||
          (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))) {
        die("a process of this benchmark failed");
    }
}

/* --- a caller with batches outstanding --- */

void stream_begin(struct stream *stream, mp_ledger *ledger, uint32_t outstanding)
{
    memset(stream, 0, sizeof *stream);
    if (outstanding == 0 || outstanding > OUTSTANDING_MAX) {
        die("1 to %d batches may be outstanding", OUTSTANDING_MAX);
    }
    stream->ledger = ledger;
    stream->outstanding = outstanding;
    stream->expected = MP_CREATED;
    for (uint32_t i = 0; i < outstanding; i++) {
        stream->results[i] = calloc(MP_BATCH_MAX, sizeof(mp_result));
        if (stream->results[i] == NULL) {
            die("no memory");
        }
        memset(stream->results[i], 1, MP_BATCH_MAX * sizeof(mp_result)); /* in memory */
    }
}

/* Waits for the oldest batch, and looks at its results. */
static void finish_oldest(struct stream *stream)
{
    const uint64_t place = stream->done % stream->outstanding;
    mp_request *request = &stream->requests[place];
    const mp_result *results = stream->results[place];
    uint32_t wrong = 0;

    must(mp_wait(stream->ledger, request), "mp_wait");
    if (stream->latencies != NULL) {
        stream->latencies[stream->done] = now_s() - stream->begun[place];
    }
    for (uint32_t i = 0; i < request->count; i++) {
        wrong |= results[i].result ^ stream->expected;
    }
    for (uint32_t i = 0; wrong != 0 && i < request->count; i++) {
        if (results[i].result != stream->expected) {
            die("event %u of batch %llu came to %u, not %u", i, (unsigned long long)stream->done,
                results[i].result, stream->expected);
        }
    }
    stream->done++;
}

void stream_submit(struct stream *stream, mp_operation operation, const void *events,
                   uint32_t count)
{
    const uint64_t place = stream->submitted % stream->outstanding;

    if (stream->submitted - stream->done == stream->outstanding) {
        finish_oldest(stream);
    }
    stream->requests[place] = (mp_request){
        .operation = operation,
        .count = count,
        .events = events,
        .results = stream->results[place],
    };
    if (stream->latencies != NULL) {
        stream->begun[place] = now_s();
    }
    must(mp_submit(stream->ledger, &stream->requests[place]), "mp_submit");
    stream->submitted++;
}

void stream_drain(struct stream *stream)
{
    while (stream->done < stream->submitted) {
        finish_oldest(stream);
    }
}

void stream_end(struct stream *stream)
{
    stream_drain(stream);
    for (uint32_t i = 0; i < stream->outstanding; i++) {
        free(stream->results[i]);
    }
}

void stream_transfers(struct stream *stream, const mp_transfer *transfers, uint64_t count)
{
    for (uint64_t done = 0; done < count; done += MP_BATCH_MAX) {
        const uint64_t left = count - done;

        stream_submit(stream, MP_CREATE_TRANSFERS, transfers + done,
                      left < MP_BATCH_MAX ? (uint32_t)left : MP_BATCH_MAX);
    }
    stream_drain(stream);
}

/* --- a writer that never ends --- */

static void *write_on(void *argument)
{
    struct writer *writer = argument;
    struct stream stream;

    stream_begin(&stream, writer->ledger, OUTSTANDING_DEFAULT);
    while (!atomic_load_explicit(&writer->stop, memory_order_relaxed)) {
        stream_submit(&stream, MP_CREATE_TRANSFERS, workload_next(writer->workload), MP_BATCH_MAX);
        atomic_store_explicit(&writer->durable, stream.done * MP_BATCH_MAX, memory_order_relaxed);
    }
    stream_end(&stream);
    return NULL;
}

void writer_start(struct writer *writer)
{
    pthread_t thread;

    atomic_store(&writer->durable, 0);
    atomic_store(&writer->stop, false);
    errno = pthread_create(&thread, NULL, write_on, writer);
    if (errno != 0) {
        die("no thread: %s", strerror(errno));
    }
    writer->thread = thread;
}

void writer_stop(struct writer *writer)
{
    atomic_store(&writer->stop, true);
    pthread_join(writer->thread, NULL);
}

/* --- memory --- */

uint64_t process_bytes(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    char line[256];
    uint64_t kib, sum = 0;

    if (status == NULL) {
        return 0;
    }
    (void)malloc_trim(0); /* what was freed is no memory in use */
    while (fgets(line, sizeof line, status) != NULL) {
        if (sscanf(line, "RssAnon: %lu kB", &kib) == 1 ||
            sscanf(line, "RssShmem: %lu kB", &kib) == 1) {
            sum += kib * 1024;
        }
    }
    fclose(status);
    return sum;
}

/* --- results --- */

static bool report_behind; /* a comma is due */

void report_begin(void)
{
    putchar('{');
    report_behind = false;
}

void report(const char *name, double value)
{
    if (!isfinite(value)) {
        die("%s is no number", name);
    }
    printf("%s\"%s\":%.10g", report_behind ? "," : "", name, value);
    report_behind = true;
}

void report_runs(const char *name, double *values, size_t count)
{
    char longer[128];

    report(name, median(values, count));
    snprintf(longer, sizeof longer, "%s_min", name);
    report(longer, values[0]);
    snprintf(longer, sizeof longer, "%s_max", name);
    report(longer, values[count - 1]);
    snprintf(longer, sizeof longer, "%s_runs", name);
    report(longer, (double)count);
}

void report_end(void)
{
    puts("}");
    if (fflush(stdout) != 0) {
        die("standard output: %s", strerror(errno));
    }
}
