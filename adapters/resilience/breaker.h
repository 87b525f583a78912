/*
 * A circuit breaker: stops asking a peer that fails, and finds out with a few probes when it is
 * back.
 *
 * Closed: everything may pass. When of at least `volume` calls within the window `failure_percent`
 * have failed, it opens. Open: nothing passes for `open_ms`. Half-open: at most `probes` calls are
 * out at a time; that many successes close it, one failure opens it again. On the loop's thread;
 * memory is the caller's.
 */
#ifndef ADAPTERS_RESILIENCE_BREAKER_H
#define ADAPTERS_RESILIENCE_BREAKER_H

#include "runtime/loop.h"

enum { BREAKER_BUCKETS = 10 };

struct breaker_policy {
    uint64_t window_ms;       /* rolls on by a bucket, a tenth of it */
    unsigned volume;          /* calls in the window before it may open; 0 = it never does */
    unsigned failure_percent; /* 1 to 100 */
    uint64_t open_ms;
    unsigned probes; /* at least 1 */
};

enum breaker_state { BREAKER_CLOSED, BREAKER_HALF_OPEN, BREAKER_OPEN };

enum breaker_verdict {
    BREAKER_GOOD,   /* the peer answered as it should, be it a refusal */
    BREAKER_BAD,    /* it didn't answer, or said that it is broken */
    BREAKER_NEITHER /* nothing was learnt of it */
};

struct breaker {
    struct loop *loop;
    struct breaker_policy policy;
    enum breaker_state state;
    uint32_t era; /* changes with the state; what began in an earlier one tells nothing now */
    uint64_t opened_ns;
    unsigned probes_out, probes_good;
    uint64_t opened; /* how often it has opened: for metrics */
    struct breaker_bucket {
        uint64_t number; /* of the span of time that it counts */
        unsigned good, bad;
    } buckets[BREAKER_BUCKETS];
};

/* Lets one call pass; given back with its verdict, exactly once. */
struct breaker_pass {
    uint32_t era;
};

void breaker_make(struct breaker *breaker, struct loop *loop, const struct breaker_policy *policy);
/* False: the call must not be made now. */
bool breaker_allow(struct breaker *breaker, struct breaker_pass *pass);
void breaker_report(struct breaker *breaker, struct breaker_pass pass,
                    enum breaker_verdict verdict);
/* Until it may let a call pass; 0 = now, as far as time is concerned. */
uint64_t breaker_rest_ns(const struct breaker *breaker);

#endif
