/*
 * What the engine's benchmarks share: the workload in memory, fresh ledgers, a caller that keeps a
 * few batches outstanding, figures and how they are printed.
 *
 * Only the public API of the engine is used. A benchmark that can't go on says why and ends the
 * program: nothing here returns an error.
 */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include "../limits/workload_format.h"

#include <micropay/micropay.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    OUTSTANDING_DEFAULT = 4, /* batches that one caller keeps outstanding */
    OUTSTANDING_MAX = 64,
};

/* --- ends --- */

_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Dies unless a call of the engine succeeded; `what` names it. */
void must(mp_status status, const char *what);
/* Prints the usage and ends: status 0 if it was asked for, else 2. */
_Noreturn void show_usage(const char *usage, bool asked);
/* A number that an option was given; shows the usage if it is none. */
uint64_t parse_number(const char *text, const char *usage);

/* --- time and statistics --- */

double now_s(void);
/* Seconds that all threads of this process, and the kernel for them, have computed. */
double cpu_s(void);
void sleep_ms(unsigned ms);
/* Sorts; the middle one, or the mean of the two. */
double median(double *values, size_t count);
/* The value that `part` (0 to 1) of the *sorted* values don't exceed. */
double quantile(const double *sorted, size_t count, double part);
void sort_doubles(double *values, size_t count);

/* --- workload --- */

/* A workload file, mapped and in memory. Requests point into it. */
struct workload {
    const struct workload_header *header;
    const mp_id *accounts;
    mp_transfer *transfers;
    uint64_t account_count;
    uint64_t transfer_count;
    uint64_t next; /* of workload_next() */
    bool used_up;
};

/* Has more batches than can be outstanding. */
struct workload workload_map(const char *path);
/*
 * The next MP_BATCH_MAX transfers with ids that no call gave before: from the start again when the
 * file is used up, then with 1 added to the high half of each id. Changes this process's copy
 * alone. One thread at a time.
 */
mp_transfer *workload_next(struct workload *workload);
/* Makes this process's copy now: what goes through the file more than once does so before the clock
 * starts. */
void workload_own(struct workload *workload);

/* --- ledgers --- */

/* A fresh ledger with the workload's accounts; what stood in the directory is removed. */
mp_ledger *ledger_make(const char *directory, const mp_options *options,
                       const struct workload *workload);
mp_ledger *ledger_open(const char *directory, const mp_options *options);
void ledger_close(mp_ledger *ledger);
/* Removes a ledger's directory; does nothing if there is none. */
void ledger_remove(const char *directory);
/* Waits until the ledger has nothing to do and has written its seal; then the counters. */
mp_stats ledger_rest(mp_ledger *ledger);
/* Asks the system to drop what it holds of the ledger's files. */
void ledger_drop_cache(const char *directory);

/* Runs something in a process of its own, which may kill itself with SIGKILL; waits for its end. */
void run_apart(void (*run)(void *argument), void *argument);

/* --- a caller with batches outstanding --- */

/*
 * One thread that submits batches and waits for the oldest when as many as allowed are outstanding.
 * It looks at every result: all transfers must be created.
 */
struct stream {
    mp_ledger *ledger;
    uint32_t outstanding;
    uint64_t submitted, done;             /* batches */
    mp_request requests[OUTSTANDING_MAX]; /* a ring */
    mp_result *results[OUTSTANDING_MAX];
    double begun[OUTSTANDING_MAX]; /* when each was submitted */
    double *latencies;             /* NULL, or seconds of each batch by its number from 0 */
    uint32_t expected;             /* result of each event; MP_CREATED unless set otherwise */
};

/* Not moved afterwards; at most OUTSTANDING_MAX batches. */
void stream_begin(struct stream *stream, mp_ledger *ledger, uint32_t outstanding);
/* Submits one batch, of at most MP_BATCH_MAX; waits for room first. The events stay untouched until
 * done. */
void stream_submit(struct stream *stream, mp_operation operation, const void *events,
                   uint32_t count);
void stream_drain(struct stream *stream);
void stream_end(struct stream *stream);
/* Submits `count` transfers in full batches, and waits for the last. */
void stream_transfers(struct stream *stream, const mp_transfer *transfers, uint64_t count);

/* --- a writer that never ends --- */

/* A thread that submits what workload_next() gives until it is told to stop. */
struct writer {
    struct workload *workload;
    mp_ledger *ledger;
    _Atomic uint64_t durable; /* transfers answered */
    _Atomic bool stop;
    unsigned long thread;
};

void writer_start(struct writer *writer);
void writer_stop(struct writer *writer);

/* --- memory --- */

/* Bytes of this process that no file backs (RssAnon and RssShmem). */
uint64_t process_bytes(void);

/* --- results --- */

/* One flat JSON object on standard output. Names are plain; numbers finite. */
void report_begin(void);
void report(const char *name, double value);
/* NAME, NAME_min, NAME_max, NAME_runs: the median and what it is the median of. Sorts. */
void report_runs(const char *name, double *values, size_t count);
void report_end(void);

#endif
