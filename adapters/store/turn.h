/*
 * Turns: how a service touches its database. Requests, results of the ledger, events and timers are
 * pieces of work that wait in a queue; a turn takes up to 500 of them, loads what they need, calls
 * them one after the other, writes what changed and commits once. Only then is anybody told.
 *
 * A turn is done by a thread of its own beside the loop: load and apply of pieces, of consumers,
 * and hooks.write run there. They use the turn, the store, and what of the service nobody else
 * touches while a turn is under way (its rows); done, hooks.begin and hooks.end run on the loop.
 *
 * A piece of work never waits inside its functions and tells nobody before `done`. Rows that
 * several pieces of a turn touch are loaded once and written once: the service keeps them by key
 * (its rows live from hooks.begin to hooks.end).
 *
 * Also here: the outbox, the inbox, parked events and timers of the service, all written in the
 * turn's transaction (outbox.c, inbox.c, parked.c, timers.c).
 */
#ifndef ADAPTERS_STORE_TURN_H
#define ADAPTERS_STORE_TURN_H

#include "bus/bus.h"
#include "runtime/loop.h"
#include "store/store.h"
#include "wire/buffer.h"

enum { TURN_MAX = 500, OUTBOX_LANES = 16, PARKED_MAX = 1000 };

struct turn;
struct turns;

struct work {
    /* Asks for rows by store_query(turn_store(turn), ...); NULL = none. */
    enum outcome (*load)(struct work *work, struct turn *turn, struct error *err);
    /* NULL = nothing to do. Changes rows, adds events and timers. Anything but OUTCOME_DONE must
     * have changed nothing: REFUSED ends this piece alone, AGAIN and BROKEN the whole turn. */
    enum outcome (*apply)(struct work *work, struct turn *turn, struct error *err);
    /* Called once: DONE when the turn is durable; REFUSED with the error of load or apply, or when
     * what it wrote contradicts the database; AGAIN or UNKNOWN when the turn failed and the piece
     * doesn't `persist`; BROKEN when the turns have stopped. May free the work, may add others;
     * must not close the turns. */
    void (*done)(struct work *work, enum outcome outcome, const struct error *err);
    bool persist; /* what must not be lost (results, events): tried again with back-off for ever */
    bool lazy;    /* waits up to 100 ms for another piece to share its commit */
    struct work *next; /* the queue's own, as the rest */
    uint64_t internal_added_ns;
    enum outcome internal_outcome;
    struct error *internal_error;
};

/* What a service does around its pieces; each may be NULL. */
struct turn_hooks {
    void (*begin)(void *service, struct turn *turn);
    /* Writes what changed, by store_exec. REFUSED (a row contradicts others): every piece is tried
     * in a turn of its own, and the one that is refused again is told. */
    enum outcome (*write)(void *service, struct turn *turn, struct error *err);
    /* The turn is durable (committed) or nothing of it holds: sends commands, forgets rows. Comes
     * before the pieces' done. */
    void (*end)(void *service, struct turn *turn, bool committed);
};

/* What the outbox makes of an event beside its data; texts are lent until turn_event() returns. */
struct turn_event {
    const struct event_type *type; /* bus/events.h */
    const void *data;              /* the type's struct */
    const char *tenant;
    bool live;
    struct uuid key;  /* the event's key and subject */
    uint64_t time_ns; /* of the fact */
    uint64_t entity_version;
    struct uuid correlation, causation;
    const char *traceparent;  /* "" = none */
    uint64_t ledger_sequence; /* 0 = none */
};

/* The queue of a service. `source` names it in events ("/payment"). Loads what an earlier life left
 * in the outbox and the timers, so call it after store_migrate(). `bus` may be NULL for a service
 * that neither says nor reads anything. */
enum outcome turns_open(struct loop *loop, struct store *store, struct bus *bus, const char *source,
                        const struct turn_hooks *hooks, void *service, struct turns **out,
                        struct error *err) MUST_USE;
/* Adds a piece at the end. The turn comes soon: at once when TURN_MAX pieces wait. */
void turns_add(struct turns *turns, struct work *work);
/* Pieces that wait. */
unsigned turns_waiting(const struct turns *turns);
/* Reads no more events; calls done once the queue and the outbox are empty. */
void turns_drain(struct turns *turns, void (*done)(void *context), void *context);
/* The turn under way comes to its end, and none begins any more: before that is freed which pieces
 * use and which isn't theirs. */
void turns_halt(struct turns *turns);
/* Halts. Pieces that wait are told AGAIN. What the bus still has to confirm is sent again by the
 * next life. The bus and the loop may outlive it, the store too. */
void turns_close(struct turns *turns);
/* False, and why, when the turns have stopped (BROKEN) or a partition has: somebody must look. */
bool turns_ready(const struct turns *turns, struct error *err);
/* Called on the loop when that becomes so, for the log. */
void turns_on_alert(struct turns *turns, void (*alert)(void *service, const struct error *err));

struct store *turn_store(struct turn *turn);
/* The loop's clock, read once a turn: every piece of a turn sees the same. */
uint64_t turn_now_ns(const struct turn *turn);
/* Adds an event to the outbox; it goes out after the commit, in order within its key. */
enum outcome turn_event(struct turn *turn, const struct turn_event *event,
                        struct error *err) MUST_USE;

/* --- timers: rows (kind, key, due) of the service; the earliest wakes the loop --- */

/* Sets, or sets anew. */
enum outcome turn_timer_set(struct turn *turn, unsigned kind, struct uuid key, uint64_t due_ns,
                            struct error *err) MUST_USE;
enum outcome turn_timer_clear(struct turn *turn, unsigned kind, struct uuid key,
                              struct error *err) MUST_USE;
/* Called on the loop for each timer that is due, once; the service adds a piece of work that sets
 * it anew or clears it. One that is still set a minute later is told again. */
void turns_on_timer(struct turns *turns,
                    void (*due)(void *service, unsigned kind, struct uuid key));

/* --- consuming: the inbox --- */

enum consume_kind {
    CONSUME_PURE,   /* changes rows alone: may be replayed */
    CONSUME_ACTING, /* moves money, calls others */
};

/* An event as a consumer gets it. */
struct consumed {
    const struct event_type *type;
    const void *data; /* the type's struct */
    struct uuid id;
    const char *tenant;
    bool live;
    struct uuid key;
    uint64_t time_ns, entity_version, ledger_sequence;
    const char *traceparent;
};

/* One row for a type that a service consumes; ended by one without apply. */
struct consume {
    const char *type; /* "fraud.risk.assessed" */
    unsigned major;
    enum consume_kind kind;
    enum outcome (*load)(void *service, struct turn *turn, const struct consumed *event,
                         struct error *err);
    /* REFUSED parks the event and its key; AGAIN and BROKEN end the turn. */
    enum outcome (*apply)(void *service, struct turn *turn, const struct consumed *event,
                          struct error *err);
};
/* Joins the topics of these types as group `service`, at the positions in the database. */
enum outcome turns_consume(struct turns *turns, const char *group, const struct consume *consumes,
                           struct error *err) MUST_USE;
/* Lets a partition that has stopped go on from where it is, over a gap if there is one. */
void turns_resume(struct turns *turns, const char *group, const struct topic *topic,
                  unsigned partition);
/* Reads a topic's partitions again from behind `position` (0 = all that the bus has). Refused
 * unless all that the group consumes of the topic is CONSUME_PURE. Parked events stay parked. */
void turns_rewind(struct turns *turns, const char *group, const struct topic *topic,
                  uint64_t position, void (*done)(void *context, const struct error *err),
                  void *context);

/* Gauges, for metrics. */
struct turns_state {
    unsigned waiting, parked;
    uint64_t outbox_rows, outbox_oldest_ns; /* 0 = empty */
    uint64_t lag;                           /* records not yet applied */
    uint64_t turns, pieces;
    unsigned stopped; /* partitions */
    bool working;     /* a turn is under way */
    bool broken;
};
void turns_state(struct turns *turns, struct turns_state *out);

#endif
