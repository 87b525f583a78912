/* Chaos with real threads: what is shared by those who ask, the world that fails, and the check.
 *
 * A history has several lives. Each is a child process: it opens a ledger in a world that delays,
 * fails and perhaps kills it, and notes in shared memory what it sent and what it was told. The
 * parent then opens the ledger in a sound world and compares. */
#ifndef CHAOS_H
#define CHAOS_H

#include <micropay/micropay.h>

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

enum {
    WORKERS = 6,
    READERS = 3,
    BASE = 24,   /* accounts that are there from the start and only pay each other */
    LIMITED = 4, /* the last of these may not be overdrawn */
    SENT_MAX = 40000,
    ASKED_MAX = 8000,
    SEEN_MAX = 4000,
    BATCH = 1500,
    STATUSES = 21,
};

#define SOURCE_OF(worker) (1000 + (uint64_t)(worker))
#define NOBODY            999999 /* an account that never is */

enum kind { ACCOUNT, TRANSFER, UPDATE };

/* What the caller knows of an event. */
enum knowledge {
    ABSENT, /* not sent yet, or refused */
    MAYBE,  /* sent and not answered */
    PRESENT,
    BOUND,
};

/* An event with an id of its own: number `index + 1` of its worker. */
struct sent {
    mp_transfer transfer; /* TRANSFER */
    mp_id account;        /* UPDATE: the account */
    uint32_t flags_set, flags_clear;
    uint64_t timestamp, sequence; /* PRESENT; sequence 0 = not told */
    _Atomic uint32_t knowledge;
    uint32_t bound_code; /* BOUND */
    uint32_t chain;      /* index of its chain's first event + 1; 0 = in none */
    uint32_t chain_length;
    uint8_t kind;
    bool must; /* nothing can refuse it alone */
    bool busy; /* in a request under way */
};

enum asked_state { ASKED_NOT, ASKED_REFUSED, ASKED_UNKNOWN, ASKED_DONE };

/* A request: the events that were new in it. */
struct asked {
    uint32_t first, count;
    uint64_t source_position; /* 0 = without source */
    uint32_t life;
    _Atomic uint32_t state;
};

struct worker {
    _Atomic uint32_t sent_count, asked_count;
    uint64_t position, position_told; /* of its source: last used, last told to be done */
    struct sent sent[SENT_MAX];
    struct asked asked[ASKED_MAX];
};

/* What a reader was shown must be there for ever. */
struct seen {
    uint64_t debits[BASE];
    _Atomic uint32_t count;
    struct {
        uint32_t worker, index;
        uint64_t timestamp;
    } found[SEEN_MAX];
    _Atomic uint32_t as_of_count;
    struct {
        uint64_t account, at_ns;
        mp_balance balance;
    } as_of[SEEN_MAX];
};

struct world {
    /* Requests of all lives by status, openings and closings likewise: so that one sees what was
     * tried. */
    _Atomic uint32_t told[STATUSES], opened[STATUSES], closed[STATUSES], killed, ring_writes;
    uint64_t seed;
    uint32_t life;
    char directory[256];
    struct worker workers[WORKERS];
    struct seen seen[READERS];
};

extern struct world *world; /* in memory shared by parent and children */

/* Says what differs in which life, and ends the process. */
__attribute__((noreturn, format(printf, 1, 2))) void differs(const char *format, ...);

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            differs("%s:%d: %s: %s", __FILE__, __LINE__, #condition, mp_last_error());             \
    } while (0)

/* --- random numbers, one stream a thread --- */
void random_begin(uint64_t seed);
uint64_t random_next(void);
static inline uint64_t random_below(uint64_t limit) { return random_next() % limit; }
static inline bool random_percent(unsigned percent) { return random_below(100) < percent; }

/* --- chaos_env.c --- */
/* Plans a life's faults and delays, from this thread's random numbers. */
void chaos_plan(void);
void chaos_env_make(void);
const mp_env *chaos_env(void);
/* The ledger is open: what was to go wrong only then may do so from now on. */
void chaos_arm(void);
/* Whether much is to be asked at once. */
bool chaos_is_busy(void);
/* What was planned, for a message. */
void chaos_describe(char *text, size_t size);

/* --- chaos_life.c: in the child --- */
void live(void);

/* --- chaos_check.c: in the parent --- */
void check(void);

static inline mp_id transfer_id(unsigned worker, uint32_t index)
{
    return MP_U128(worker + 1, index + 1);
}

static inline mp_id account_id(unsigned worker, uint32_t index)
{
    return MP_U128(1000 + worker, index + 1);
}

#endif
