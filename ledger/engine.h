/* An open ledger: what the parts of the engine share. */
#ifndef LEDGER_ENGINE_H
#define LEDGER_ENGINE_H

#include "accounts.h"
#include "ids.h"
#include "reservations.h"
#include "tail.h"
#include "wal.h"
#include <ck_stack.h>

enum { SOURCES_MAX = 4096 };

struct source {
    uint64_t source;   /* 0 = free */
    uint64_t position; /* 0 = none yet: it has only been refused */
    uint64_t last;     /* log position of the record that set it */
    uint64_t refused;  /* position of a request that was refused whole: none behind it; 0 = none */
    mp_status refusal; /* why */
};

/* What the state machine knows beside accounts, reservations and ids. */
struct newest {
    uint64_t time;     /* last timestamp given (refused events included) */
    uint64_t account;  /* newest account's timestamp */
    uint64_t transfer; /* newest transfer's timestamp */
    uint64_t other;    /* newest expiry's or account update's timestamp */
};

struct counters {
    uint64_t transfers, updates, expiries, ids_bound;
};

struct pump;       /* step.c: queue, blocks, threads */
struct checkpoint; /* checkpoint.h */
struct id_feed;    /* id_feed.h */

struct mp_ledger {
    const mp_env *env;
    uint64_t process; /* number of the process that opened it */
    unsigned flags;   /* enum mp_open_flags */
    struct memory memory;
    struct wal wal;
    struct tail tail;        /* writers only; else tail.bytes == NULL */
    uint64_t hash_secret[2]; /* of ledger.mp */
    struct accounts accounts;
    struct reservations reservations;
    struct ids ids;
    struct newest newest;
    struct counters counters;
    struct source sources[SOURCES_MAX];
    uint32_t source_count;
    _Atomic uint64_t mark;     /* log position up to which all is durable and published */
    _Atomic uint64_t sequence; /* records durable */
    _Atomic uint32_t stopped;  /* a mp_status when the log has stopped */
    char stop_message[512];
    struct pump *pump; /* writers only */
    struct checkpoint *checkpoint;
    struct id_feed *feed; /* while opening: where ids go */
    bool ids_loaded;      /* readers: the id index is filled, at the first question that needs it */
    uint32_t refresh_word;       /* readers: futex for `refreshing` */
    _Atomic uint32_t refreshing; /* readers: claimed while a thread takes in what is new */
    int refresh_cancel_state;    /* of that thread, before */
    /* Readers: where the log ended and how often ledger.mp had been written when nobody wrote, and
     * nothing behind it told of damage. */
    uint64_t looked_end, looked_written;
    mp_stats stats; /* the writer's counters; read by relaxed loads */
};

static inline mp_status check_process(const mp_ledger *ledger)
{
    if (UNLIKELY(ledger->process != ledger->env->process(ledger->env->context))) {
        return fail(MP_WRONG_PROCESS,
                    "this ledger was opened by the parent process: open it again in the child");
    }
    return MP_OK;
}
static inline uint64_t ledger_mark(const mp_ledger *ledger)
{
    return atomic_load_explicit(&ledger->mark, memory_order_acquire);
}

/* --- step.c --- */
/* Sets how far a source has come; false when there are SOURCES_MAX others. */
bool source_set(struct mp_ledger *ledger, uint64_t number, uint64_t position);

/* --- reader.c: any thread --- */
/* The page at a durable log position: from the tail, else verified from disk. */
MP_MUST_USE mp_status read_page(mp_ledger *ledger, uint64_t position, uint8_t page[PAGE_SIZE]);

/* --- record.c --- */
/* A record found in a page, its extensions located; pointers into the page. */
struct record_view {
    const uint8_t *record; /* starts with kind, extensions */
    uint64_t position;
    uint64_t timestamp;
    const struct ext_pending *pending;
    const struct ext_reservation *reservation;
    const struct ext_user_data *user_data;
    const struct ext_reversal *reversal;
    const struct ext_high *posted_high;
    const struct ext_pending *pending_high;
    const struct ext_amount_high *amount_high;
    unsigned units;
};
/* Views the record at `record` (which lies wholly in its page's data); false if it is no record. */
bool record_view(const uint8_t *record, uint64_t position, uint64_t block_time,
                 struct record_view *out);
mp_amount record_amount(const struct record_view *view);
mp_amount record_left(const struct record_view *view); /* 0 without a reservation extension */
mp_amount record_reversed(const struct record_view *view);
/* Sums after a transfer, expiry: of the debit and the credit account; update: of its account in
 * `debit`. */
void record_sums(const struct record_view *view, struct sums *debit, struct sums *credit);
/* Fills in the public transfer (ids by slot from accounts). */
void record_transfer(const struct accounts *accounts, const struct record_view *view,
                     mp_transfer *out);

/* --- lookup.c: asks the writer where ids stand --- */
/* Log position of the record of each id (0 = no such object, or a bound id); all positions are
 * durable. Any thread. */
MP_MUST_USE mp_status find_ids(mp_ledger *ledger, const mp_id *ids, uint32_t count,
                               uint64_t *positions);

#endif
