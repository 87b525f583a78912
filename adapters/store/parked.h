/*
 * Dead letters: events that could not be applied, and what came behind them with the same key. They
 * are rows of the service's database; `micropay dlq` shows, applies and drops them by these.
 *
 * All on the loop's thread; each answers once, never inside the call. err is NULL if it worked.
 */
#ifndef ADAPTERS_STORE_PARKED_H
#define ADAPTERS_STORE_PARKED_H

#include "store/turn.h"

enum { PARKED_LIST_MAX = 100 };

struct parked_event {
    int64_t number; /* rises in the order of parking */
    char reader[64], topic[64];
    unsigned partition;
    uint64_t position;
    struct uuid key;
    uint64_t parked_ns; /* since the epoch */
    char reason[64];    /* the word of reasons.def; "conflict" for those behind another */
    char message[192];
    const char *value; /* the event's JSON */
    size_t length;
};

/* Up to `limit` (at most PARKED_LIST_MAX) of them behind number `after`; lent during the call. To
 * show one, ask for one behind the number before it. */
void parked_list(struct turns *turns, int64_t after, unsigned limit,
                 void (*done)(void *context, const struct parked_event *events, unsigned count,
                              const struct error *err),
                 void *context);
/* What a replay came to, whether or not it ended in an error. */
struct parked_replayed {
    unsigned applied;    /* for good */
    int64_t first, last; /* numbers of those; 0 = none */
    int64_t refused;     /* the one that it ended at; 0 = none */
    unsigned waiting;    /* that are still parked with the key */
};
/* Applies all that are parked with the key of this one, from the oldest on, each deleted in the
 * transaction of its effect; stops at one that is refused again. */
void parked_replay(struct turns *turns, int64_t number,
                   void (*done)(void *context, const struct parked_replayed *replayed,
                                const struct error *err),
                   void *context);
/* Deletes one for good. Those of its key stay parked: `waiting` of them. */
void parked_drop(struct turns *turns, int64_t number,
                 void (*done)(void *context, unsigned waiting, const struct error *err),
                 void *context);

#endif
