/* The pump: takes requests, applies them, writes blocks, releases results. Whoever claims it drives
 * it. */
#ifndef LEDGER_PUMP_H
#define LEDGER_PUMP_H

#include "apply.h"
#include "probe.h"

/* A request's `operation` beside enum mp_operation: where ids stand; events: mp_id; results:
 * uint64_t positions. */
#define OPERATION_FIND_IDS 100u

/* A request's `state`. */
enum request_state { REQUEST_NEW = 0, REQUEST_SUBMITTED = 1, REQUEST_DONE = 2 };

/* What the ledger's thread is doing: `asleep`. */
enum thread_sleep {
    THREAD_AWAKE = 0,
    THREAD_IDLE = 1, /* sleeps, the pump unclaimed by it */
    THREAD_IN_FLIGHT =
        2, /* waits for the disk with the pump claimed: new requests should wake it */
};

#define SEAL_AFTER (10 * 1000000ull) /* ns without work */

/* Who drives. */
enum driver {
    DRIVER_CALLER, /* writes by blocking pwrite, reads no disk, touches no ring */
    DRIVER_THREAD, /* the ledger's own thread, or the only one there is (MP_OPEN_MANUAL) */
};

enum reading { READ_NOTHING = 0, READ_ASKED = 1, READ_DONE = 2 };

struct pump {
    /* submission: any thread */
    ck_stack_t stack __attribute__((aligned(64)));
    _Atomic uint32_t claimed __attribute__((aligned(64)));
    _Atomic uint64_t outstanding __attribute__((aligned(64)));
    uint64_t outstanding_max;
    uint32_t completions __attribute__((aligned(64))); /* futex: grows with each release */
    _Atomic uint32_t sleepers;                         /* callers that wait on it */
    _Atomic int event_file;                            /* of mp_eventfd, -1 = none */

    /* the rest belongs to whoever has claimed it */
    int cancel_state; /* of that thread, before: no thread ends with the pump claimed */
    mp_request *queue, **queue_end; /* taken, not yet applied */
    mp_request *aside, **aside_end; /* wait for records from disk, or behind such of their source */
    mp_request *applied, **applied_end; /* applied, not yet released */
    struct applier applier;
    struct block_identity identity;
    uint64_t blocks_written; /* number of the newest block handed to the disk */
    uint64_t blocks_durable;

    bool flying; /* a write is under way on the ring */
    struct {
        uint64_t position, end, sequence, submitted_ns;
        uint32_t pages, expiries;
        mp_env_piece pieces[2];
        unsigned piece_count;
    } flight;

    /* reading ahead: the applier's fetch is lent to the helper meanwhile */
    _Atomic uint32_t reading; /* enum reading */
    mp_status reading_status; /* when READ_DONE */
    char reading_message[256];

    struct event_hint hints[MP_BATCH_MAX];

    /* the clock's guard */
    uint64_t clock_real, clock_boot; /* taken together when the clock was last believed */
    _Atomic uint32_t clock_accept;   /* a request to believe it */

    /* seal */
    uint64_t last_activity; /* boot ns */
    bool sealed;            /* the log's last block is a seal, or there is none */

    /* the thread */
    mp_env_ring *ring;       /* NULL = none: blocking writes */
    uint32_t wake_word;      /* futex when there is no ring */
    _Atomic uint32_t asleep; /* the thread sleeps (or is about to): wake it */
    _Atomic uint32_t wanted; /* somebody waked it, perhaps before it slept */
    /* It has seen that all is sealed, and wakes by itself for the next expiry, or never; else
     * within SEAL_AFTER. */
    _Atomic uint32_t sleeps_long;
    _Atomic uint32_t ending;
    bool has_thread;
    uint64_t thread;

    /* the helper */
    uint32_t helper_word; /* futex */
    _Atomic uint32_t helper_asleep;
    bool has_helper;
    uint64_t helper;
};

/* Whether nothing was pushed; any thread. */
static inline bool pump_stack_is_empty(const struct pump *pump)
{
    return __atomic_load_n(&pump->stack.head, __ATOMIC_SEQ_CST) == NULL;
}

MP_MUST_USE mp_status pump_open(struct mp_ledger *ledger, const mp_options *options);
/* Ends the threads, finishes what is under way, seals. */
mp_status pump_close(struct mp_ledger *ledger);
void pump_free(struct mp_ledger *ledger);

/* --- step.c --- */
bool pump_claim(struct pump *pump);
void pump_unclaim(struct mp_ledger *ledger, enum driver driver);
/* Drives once; the pump is claimed. True when something was done. */
bool pump_step(struct mp_ledger *ledger, enum driver driver);
/* When the thread must be awake again, boot ns; UINT64_MAX = only when woken. */
uint64_t pump_next_wake(struct mp_ledger *ledger);
bool pump_is_idle(const struct mp_ledger *ledger);
/* Stops for good: what isn't answered is MP_UNKNOWN. */
void pump_stop(struct mp_ledger *ledger, mp_status why);

/* --- sources.c --- */
/* Whether a request's position in its source may come now. */
mp_status source_check(struct mp_ledger *ledger, const mp_request *request);
/* Holds up a source of which a request was refused whole; a request up to that one goes on with it.
 */
void source_done(struct mp_ledger *ledger, const mp_request *request, mp_status status);

/* --- read_ahead.c: a batch that needs records from disk waits aside, and others overtake it --- */
/* Has what the probe asked for read, or, while another batch's records are read, does nothing: the
 * request goes aside. False when nobody is left who could read. */
bool read_ahead_begin(struct mp_ledger *ledger);
/* The helper's step: reads what was asked for. */
bool read_ahead_step(struct mp_ledger *ledger);
/* Takes the records back; false while they are being read. A failure stops the ledger. */
bool read_ahead_end(struct mp_ledger *ledger);
/* After a stop: forgets what was read. */
void read_ahead_drop(struct mp_ledger *ledger);
static inline bool read_ahead_is_asked(const struct pump *pump)
{
    return atomic_load(&pump->reading) == READ_ASKED;
}
static inline bool read_ahead_is_done(const struct pump *pump)
{
    return atomic_load(&pump->reading) == READ_DONE;
}

/* --- write.c --- */
/* Finishes the open block and hands it to the disk. */
void block_submit(struct mp_ledger *ledger, enum driver driver, unsigned flags);
/* Reaps the ring; true when the flight ended. */
bool flight_reap(struct mp_ledger *ledger, uint64_t timeout_ns);

/* --- find.c --- */
/* OPERATION_FIND_IDS: candidates only, whoever asks confirms them; request->source says which
 * candidate. */
void find_candidates(struct mp_ledger *ledger, const mp_request *request);

/* --- clock.c --- */
void clock_open(struct mp_ledger *ledger);
/* Time for a block: the clock by its guard, but after everything before. */
uint64_t clock_block_time(struct mp_ledger *ledger);
mp_status clock_check_opening(const struct mp_ledger *ledger);

/* --- submit.c --- */
/* Before so many requests are released: whoever sees one done may submit at once. */
void releases_begin(struct mp_ledger *ledger, uint32_t count);
void request_release(mp_request *request, mp_status status);
void releases_announce(struct mp_ledger *ledger, uint32_t count);
/* Makes the eventfd readable, if somebody asked for it. */
void event_announce(struct mp_ledger *ledger);
void thread_wake(struct mp_ledger *ledger);
void helper_wake(struct mp_ledger *ledger);

/* --- helper.c --- */
/* One step of each helper: segments, checkpoint, ids files; true when something was done. */
bool helper_step(struct mp_ledger *ledger);

#endif
