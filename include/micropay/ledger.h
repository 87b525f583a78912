/**
 * @file ledger.h
 * Opening a ledger, asking it to book, and learning what became of it.
 *
 * A ledger is a directory. One process at a time opens it for writing; any number open it for
 * reading beside it. Every function may be called from any number of threads unless it says
 * otherwise. Nothing is answered before it is durable: a result, a refusal, a balance that a caller
 * has seen survives a power cut.
 */
#ifndef MICROPAY_LEDGER_H
#define MICROPAY_LEDGER_H

#include <micropay/env.h>
#include <micropay/status.h>
#include <micropay/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An open ledger. */
typedef struct mp_ledger mp_ledger;

enum mp_open_flags {
    MP_OPEN_READ = 1 << 0, /**< reads only: no lock, writes nothing, works beside a live writer */
    MP_OPEN_ACCEPT_CLOCK =
        1 << 1,                /**< opens although the clock stands far behind the newest block */
    MP_OPEN_FORCE_FS = 1 << 2, /**< opens on a network or FUSE file system */
    MP_OPEN_MANUAL =
        1 << 3, /**< no threads: callers drive everything by mp_step (simulators, tests) */
    MP_OPEN_NO_RING = 1 << 4, /**< never uses io_uring, only blocking writes */
};

/** How to open a ledger; zero-initialise, 0 means the default. */
typedef struct mp_options {
    unsigned flags;           /**< enum mp_open_flags */
    uint32_t outstanding_max; /**< requests submitted and not yet done; default 4,096 */
    /** Bytes of RAM in all, at least 32 MiB; default a quarter of the cgroup's limit, else of the
     * machine's RAM. */
    uint64_t memory_max;
    uint64_t accounts_max;     /**< default: what memory_max has room for */
    uint64_t reservations_max; /**< open reservations; default: what memory_max has room for */
    const mp_env *env;         /**< default mp_env_posix() */
    /** Bytes of log behind the last checkpoint that start a new one; default 1 GiB. */
    uint64_t checkpoint_after;
} mp_options;

/**
 * Makes an empty ledger in a directory, which is created if missing and must hold no ledger.
 *
 * @retval MP_OK          made and durable.
 * @retval MP_EXISTS      there is a ledger in it.
 * @retval MP_FILESYSTEM  network or FUSE file system without MP_OPEN_FORCE_FS.
 * @retval MP_DISK_FULL   no room for the first segment (16 MiB).
 * @retval MP_IO          the operating system refused; mp_last_error() says what and where.
 */
MP_API MP_MUST_USE mp_status mp_init(const char *directory, const mp_options *options);

/**
 * Opens a ledger: loads the newest sound checkpoint, replays the log behind it, and cuts what was
 * in flight when the machine or process died (a copy goes to orphaned/; mp_notice() names the
 * range).
 *
 * @param options  NULL for the defaults.
 * @param[out] out the ledger; set only on MP_OK; end it with mp_close().
 *
 * @retval MP_OK          open.
 * @retval MP_NOT_FOUND   no ledger in the directory.
 * @retval MP_LOCKED      another process (or a forked child of one) has it open for writing.
 * @retval MP_CORRUPT     something acknowledged is damaged: nothing was changed; mp_last_error()
 * names file and offset.
 * @retval MP_CLOCK       see MP_OPEN_ACCEPT_CLOCK.
 * @retval MP_VERSION     the format is newer than this library.
 * @retval MP_FILESYSTEM  network or FUSE file system without MP_OPEN_FORCE_FS.
 * @retval MP_LIMIT       the ledger needs more than memory_max, accounts_max or reservations_max.
 * @retval MP_INVALID     options that make no sense (memory_max below 32 MiB).
 * @retval MP_READ_ONLY   the file system is read-only: open with MP_OPEN_READ.
 * @retval MP_IO          a read or write failed; MP_DISK_FULL, MP_NO_MEMORY likewise.
 */
MP_API MP_MUST_USE mp_status mp_open(const char *directory, const mp_options *options,
                                     mp_ledger **out);

/**
 * Finishes what was submitted, seals the log, ends the threads and frees the ledger. No other call
 * may be running or follow. The handle is gone whatever is returned.
 *
 * @retval MP_OK      everything is durable and sealed.
 * @retval MP_STOPPED the ledger had stopped after a failure; what was answered is safe all the
 * same.
 */
MP_API mp_status mp_close(mp_ledger *ledger);

/** What happened at opening that a person should know (a cut tail, a fallback), by number from 0;
 * NULL behind the last. Valid until mp_close(). */
MP_API const char *mp_notice(const mp_ledger *ledger, unsigned number);

/** What a request asks. */
typedef enum mp_operation {
    MP_CREATE_ACCOUNTS = 1,  /**< events: mp_account; results: mp_result */
    MP_CREATE_TRANSFERS = 2, /**< events: mp_transfer; results: mp_result */
    MP_UPDATE_ACCOUNTS = 3,  /**< events: mp_account_update; results: mp_result */
} mp_operation;

/**
 * A request: the caller's own memory, linked into the ledger's queue without a copy.
 * Zero-initialise, fill in the first part, and leave it and all that it points to untouched until
 * mp_done() says true.
 */
typedef struct mp_request {
    uint32_t operation; /**< enum mp_operation */
    uint32_t count;     /**< events, 0 to MP_BATCH_MAX */
    const void *events;
    mp_result *results;   /**< one for each event */
    mp_result_sums *sums; /**< NULL, or one for each event: written for created transfers */
    /**
     * 0, or where this request comes from: requests of one source are applied in order. Without a
     * source a request that waits for records from disk (an id that was used long ago, an old
     * reservation) is overtaken by those behind it.
     */
    uint64_t source;
    /** 0, or the position in that source, rising; durable together with the effects. */
    uint64_t source_position;
    void *user; /**< the caller's own; not looked at */
    /** @cond the engine's own */
    uint32_t state;
    int32_t status;
    struct mp_request *next;
    uint64_t release_at;
    uint64_t internal[4];
    /** @endcond */
} mp_request;

/**
 * Hands a request over; lock-free, no copy, no allocation; returns at once.
 *
 * @retval MP_OK              handed over: wait for it by mp_done(), mp_wait() or the eventfd.
 * @retval MP_BUSY            outstanding_max requests are under way.
 * @retval MP_BATCH_TOO_LARGE more than MP_BATCH_MAX events.
 * @retval MP_INVALID         unknown operation, or a pointer is missing.
 * @retval MP_READ_ONLY, MP_WRONG_PROCESS, MP_STOPPED as named.
 */
MP_API MP_MUST_USE mp_status mp_submit(mp_ledger *ledger, mp_request *request);

/** Whether a request is done: then the memory is the caller's again. Wait-free. */
MP_API bool mp_done(const mp_request *request);

/**
 * Waits until a submitted request is done. The waiting thread drives the ledger itself when nobody
 * else does.
 *
 * A source has no gaps: once a request of it was refused whole, those with a higher source_position
 * are refused with the same status, until one up to the refused position comes and is applied.
 * Closing the ledger forgets the refusal.
 *
 * @retval MP_OK        done: `results` are written, all that they tell is durable.
 * @retval MP_LIMIT     refused whole (memory, accounts, reservations): nothing was applied.
 * @retval MP_DISK_FULL refused whole: nothing was applied.
 * @retval MP_CLOCK     refused whole: the clock has come to the end of all times, 2^63 ns (2262).
 * @retval MP_OUT_OF_ORDER source_position is not beyond the source's last one: nothing was applied.
 * @retval MP_UNKNOWN   the ledger stopped first: open again and send the same ids.
 */
MP_API MP_MUST_USE mp_status mp_wait(mp_ledger *ledger, mp_request *request);

/** mp_submit() and mp_wait() in one; waits for room instead of answering MP_BUSY. */
MP_API MP_MUST_USE mp_status mp_execute(mp_ledger *ledger, mp_request *request);

/** An eventfd that becomes readable whenever requests were finished or reservations have expired;
 * made at the first call, closed by mp_close(). Returns -1 if the system refuses. */
MP_API int mp_eventfd(mp_ledger *ledger);

/** Creates accounts; one result for each. Blocks until durable; statuses as mp_submit() and
 * mp_wait(). */
MP_API MP_MUST_USE mp_status mp_create_accounts(mp_ledger *ledger, const mp_account *accounts,
                                                uint32_t count, mp_result *results);
/** Creates transfers; one result for each. Blocks until durable; statuses as mp_submit() and
 * mp_wait(). */
MP_API MP_MUST_USE mp_status mp_create_transfers(mp_ledger *ledger, const mp_transfer *transfers,
                                                 uint32_t count, mp_result *results);
/** Updates accounts' flags; one result for each. Blocks until durable; statuses as mp_submit() and
 * mp_wait(). */
MP_API MP_MUST_USE mp_status mp_update_accounts(mp_ledger *ledger, const mp_account_update *updates,
                                                uint32_t count, mp_result *results);

/**
 * Drives the ledger once: reaps, releases, applies, writes; with MP_OPEN_MANUAL also one step of
 * each helper. Only useful with MP_OPEN_MANUAL; otherwise the threads do it.
 *
 * @param[out] worked whether anything was done; NULL if not wanted.
 * @retval MP_OK      driven.
 * @retval MP_BUSY    another thread is driving.
 * @retval MP_STOPPED the ledger has stopped.
 */
MP_API mp_status mp_step(mp_ledger *ledger, bool *worked);

/**
 * Accepts the clock as it stands now, after it jumped ahead of the time that has passed. Until then
 * the ledger goes on by elapsed time (mp_stats.clock_held).
 */
MP_API mp_status mp_clock_accept(mp_ledger *ledger);

/**
 * For a ledger opened with MP_OPEN_READ: takes in what the writer has made durable since. Readers
 * in other threads may go on meanwhile. A no-op for a writer.
 *
 * @retval MP_OK   up to date.
 * @retval MP_CORRUPT, MP_IO, MP_LIMIT as mp_open().
 */
MP_API MP_MUST_USE mp_status mp_refresh(mp_ledger *ledger);

enum { MP_HISTOGRAM_BUCKETS = 32 };

/** Counters and gauges; each a snapshot by itself. Reset by nothing: rates are differences. */
typedef struct mp_stats {
    uint64_t accounts, accounts_max;
    uint64_t transfers; /**< accepted; posts, voids and reversals among them */
    uint64_t updates, expiries, ids_bound;
    uint64_t reservations_open, reservations_max;
    uint64_t sequence;  /**< records written and durable */
    uint64_t position;  /**< log position up to which all is durable */
    uint64_t newest_ns; /**< time of the newest record */
    uint64_t segments, log_bytes;
    uint64_t id_entries, id_index_bytes;
    uint64_t account_bytes; /**< RAM of accounts, table included */
    uint64_t reservation_bytes;
    uint64_t memory_bytes, memory_max;
    uint64_t checkpoint_position, checkpoints, checkpoint_running;
    uint64_t epoch, timeline_high, timeline_low;
    /* only a live writer knows these; 0 otherwise */
    uint64_t blocks, block_bytes, batches, events;
    uint64_t refused_limit, refused_disk_full, busy;
    uint64_t outstanding;
    uint64_t slow_prefetch; /**< batches that waited for records to be read from disk */
    uint64_t disk_reads;
    uint64_t clock_held; /**< 1 while the clock is ahead of elapsed time and not accepted */
    uint64_t writes_ring, writes_blocking;
    uint64_t direct_io;       /**< 1 = O_DIRECT, 0 = buffered with fdatasync */
    uint64_t helper_failures; /* finished segments that could not be read back: run `verify` */
    uint64_t stopped;
    uint64_t opened_replayed_bytes, opened_replayed_records;
    uint64_t opened_ns; /**< how long opening took */
    /** Durable block writes: bucket i counts those of 2^i to 2^(i+1) microseconds. */
    uint64_t write_us[MP_HISTOGRAM_BUCKETS];
} mp_stats;

/** Reads the counters; wait-free. */
MP_API void mp_read_stats(mp_ledger *ledger, mp_stats *out);

/** Version of the library, "MAJOR.MINOR.PATCH". */
MP_API const char *mp_version(void);

#ifdef __cplusplus
}
#endif
#endif
