/*
 * Trying again: how often, how long after, and until when.
 *
 * Only what may work later is tried again: OUTCOME_AGAIN, and OUTCOME_UNKNOWN, which the caller
 * must not ask for unless a repeat is harmless. The delay before attempt n + 1 is drawn evenly from
 * 0 to min(most, first * 2^(n-1)) ("full jitter": callers that failed together don't come back
 * together). On the loop's thread; holds no memory.
 */
#ifndef ADAPTERS_RESILIENCE_RETRY_H
#define ADAPTERS_RESILIENCE_RETRY_H

#include "runtime/loop.h"

struct retry_policy {
    unsigned attempts;          /* in all; 1 = never again */
    uint64_t first_ms, most_ms; /* of a delay */
    uint64_t budget_ms; /* no attempt starts later than that after the first; 0 = no limit */
};

/* One thing that is tried; begun anew by retry_begin(). */
struct retry {
    struct retry_policy policy;
    uint64_t began_ns;
    unsigned attempts; /* made */
};

void retry_begin(struct retry *retry, const struct retry_policy *policy, struct loop *loop);
/* Call after each attempt. True: try again after *delay_ns, which is at least `at_least_ns` (what
 * a Retry-After asked for). False: it is final. */
bool retry_again(struct retry *retry, struct loop *loop, enum outcome outcome, uint64_t at_least_ns,
                 uint64_t *delay_ns);

#endif
