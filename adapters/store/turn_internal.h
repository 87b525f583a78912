/*
 * What the parts of a turn (turn.c, outbox.c, inbox.c, parked.c, timers.c) know of each other.
 *
 * A turn has three stages. start and end run on the loop's thread; work, between them, is done by
 * the turns' worker, a thread beside the loop: it uses the store and what belongs to the turn, and
 * of the loop the clocks alone. The loop meanwhile goes on with all else, and touches nothing of
 * these. Each part keeps what it does in these stages together:
 *
 *   PART_start   on the loop: takes along what the loop's side wants written
 *   PART_load    at the start, and in work after a turn that failed: reads the part's state from
 *                the database
 *   PART_write   in work, after all pieces: writes what the pieces of this turn came to
 *   PART_end     on the loop: the turn is durable, or nothing of it holds
 */
#ifndef ADAPTERS_STORE_TURN_INTERNAL_H
#define ADAPTERS_STORE_TURN_INTERNAL_H

#include "store/turn.h"

struct inbox;
struct outbox;
struct parked;
struct timers;

/* How much a turn has, to cut it back to when a piece is refused. */
struct turn_mark {
    unsigned events, timers;
};

enum { TURN_PARTS = 4 }; /* load, apply, write, commit */

struct turn {
    struct turns *turns;
    uint64_t now_ns;
    uint8_t drawn[10]; /* random; ids count up from it */
    unsigned count;
    struct work *works[TURN_MAX];
    enum outcome outcome;                    /* of the work, */
    struct error why;                        /* and why, unless it is DONE */
    uint64_t began_ns, ended_ns[TURN_PARTS]; /* of loop_elapsed_ns() */
};

struct turns {
    struct loop *loop;
    struct loop_worker *worker;
    struct store *store;
    struct bus *bus;
    const struct turn_hooks *hooks;
    void *service;
    void (*alert)(void *service, const struct error *err);

    struct work *first, *last; /* the queue */
    unsigned waiting;          /* pieces in it */
    unsigned urgent;           /* those that aren't lazy */
    unsigned alone;            /* so many turns have one piece, to find the one that is refused */
    unsigned failures;         /* in a row */
    bool wanted;               /* a turn, though no piece may wait */
    bool running, backing_off, lazy_wait, closed;
    bool working; /* the worker has the turn */
    bool reload;  /* the last turn failed: what the parts hold in memory may not be so */
    bool broken;
    struct error why; /* it is broken */
    struct loop_task task, drained;
    struct loop_timer timer; /* of a lazy wait, or of a back-off */
    void (*on_drained)(void *context);
    void *drain_context;
    uint64_t turn_count, piece_count;

    struct outbox *outbox;
    struct inbox *inboxes; /* one for each turns_consume() */
    struct parked *parked;
    struct timers *timers;
    struct turn turn; /* the one under way */
};

/* Tells the service's alert, on the loop's thread. */
void turns_alert(struct turns *turns, const struct error *err);
/* A turn is wanted within a tenth of a second, pieces or not: a part has something to write. */
void turns_want(struct turns *turns);
/* Adds a piece before all that wait. */
void turns_add_first(struct turns *turns, struct work *work);
/* After turns_close(): frees all, once the bus has nothing of it any more. */
void turns_release(struct turns *turns);

struct turn_mark turn_mark(const struct turn *turn);
void turn_cut(struct turn *turn, struct turn_mark mark);
/* A new id, UUIDv7, rising within the turn. */
struct uuid turn_id(struct turn *turn);

/* How long to wait before the next attempt: drawn from zero to 10 ms, doubled with each failure, at
 * most 5 s. */
uint64_t turns_back_off(struct loop *loop, unsigned failures);

/* --- outbox.c --- */

struct outbox *outbox_make(struct turns *turns, const char *source);
/* In a transaction. Reads what an earlier life left; draws the incarnation of a new database. */
enum outcome outbox_open(struct outbox *outbox, struct error *err) MUST_USE;
/* Begins to send. */
void outbox_begin(struct outbox *outbox);
unsigned outbox_mark(const struct outbox *outbox);
void outbox_cut(struct outbox *outbox, unsigned mark);
void outbox_start(struct outbox *outbox);
enum outcome outbox_load(struct outbox *outbox, struct error *err) MUST_USE;
enum outcome outbox_write(struct outbox *outbox, struct turn *turn, struct error *err) MUST_USE;
void outbox_end(struct outbox *outbox, bool committed);
bool outbox_empty(const struct outbox *outbox);
void outbox_state(const struct outbox *outbox, struct turns_state *out);
/* Sends nothing more. It must stay while it is busy: the bus still has records of it, and the last
 * answer calls turns_release(). */
void outbox_stop(struct outbox *outbox);
bool outbox_busy(const struct outbox *outbox);
void outbox_free(struct outbox *outbox);

/* --- inbox.c: NULL is no inbox --- */

enum outcome inboxes_load(struct inbox *inboxes, struct error *err) MUST_USE;
enum outcome inboxes_write(struct inbox *inboxes, struct error *err) MUST_USE;
void inboxes_end(struct inbox *inboxes, bool committed);
void inboxes_leave(struct inbox *inboxes);
bool inboxes_ready(const struct inbox *inboxes, struct error *err);
void inboxes_state(const struct inbox *inboxes, struct turns_state *out);
void inboxes_free(struct inbox *inboxes);

/* --- parked.c --- */

struct parked *parked_make(struct turns *turns);
enum outcome parked_load(struct parked *parked, struct error *err) MUST_USE;
enum outcome parked_write(struct parked *parked, struct turn *turn, struct error *err) MUST_USE;
void parked_end(struct parked *parked, bool committed);
void parked_state(const struct parked *parked, struct turns_state *out);
void parked_free(struct parked *parked);

/* --- timers.c --- */

struct timers *timers_make(struct turns *turns);
unsigned timers_mark(const struct timers *timers);
void timers_cut(struct timers *timers, unsigned mark);
enum outcome timers_write(struct timers *timers, struct turn *turn, struct error *err) MUST_USE;
void timers_end(struct timers *timers, bool committed);
void timers_stop(struct timers *timers);
void timers_free(struct timers *timers);

#endif
