/*
 * A bulkhead: so many calls to a peer at once, so many that wait for their turn in order, and no
 * more; a slow peer then holds no more than its own share. On the loop's thread; places are the
 * caller's memory, until left or refused.
 */
#ifndef ADAPTERS_RESILIENCE_BULKHEAD_H
#define ADAPTERS_RESILIENCE_BULKHEAD_H

#include "runtime/loop.h"

struct bulkhead_policy {
    unsigned inside;  /* at once; at least 1 */
    unsigned waiting; /* for their turn; 0 = nobody waits */
    uint64_t wait_ms; /* longest; 0 = no limit */
};

struct bulkhead;

/* Zero-initialise, set the first three. */
struct bulkhead_place {
    void (*admitted)(void *context);
    void (*refused)(void *context); /* waited too long */
    void *context;
    struct bulkhead *bulkhead; /* the bulkhead's own, as the rest */
    struct bulkhead_place *next, *before;
    struct loop_timer timer;
};

struct bulkhead {
    struct loop *loop;
    struct bulkhead_policy policy;
    unsigned inside, waiting;
    struct bulkhead_place *first, *last;
    struct loop_task admit;
};

enum bulkhead_answer { BULKHEAD_ADMITTED, BULKHEAD_WAITS, BULKHEAD_FULL };

void bulkhead_make(struct bulkhead *bulkhead, struct loop *loop,
                   const struct bulkhead_policy *policy);
/* ADMITTED: leave it when done. WAITS: admitted() or refused() comes later, never inside. FULL:
 * nothing comes. */
enum bulkhead_answer bulkhead_enter(struct bulkhead *bulkhead, struct bulkhead_place *place);
/* One that was admitted is done. */
void bulkhead_leave(struct bulkhead *bulkhead);
/* Nobody is admitted any more. */
void bulkhead_done(struct bulkhead *bulkhead);
/* One that waits gives up; neither of its functions is called. */
void bulkhead_give_up(struct bulkhead_place *place);

#endif
