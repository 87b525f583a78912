/*
 * Calls to one peer that fails at times: http_client_call() within a bulkhead, a circuit breaker,
 * a time-out and retries.
 *
 * An attempt waits for its place in the bulkhead, asks the breaker, and is sent. What may work
 * later is tried again after a back-off (retry.h), during which it holds no place: no answer, 429,
 * 502, 503, 504; at the earliest when Retry-After says. A call that may have been carried out is
 * repeated only if that is harmless: any method but POST, or one with an Idempotency-Key. When an
 * attempt may have been carried out and no later one was answered, the outcome is UNKNOWN, whatever
 * the last refusal says.
 *
 * On the loop's thread. Calls are copied.
 */
#ifndef ADAPTERS_RESILIENCE_RESILIENT_H
#define ADAPTERS_RESILIENCE_RESILIENT_H

#include "http/http.h"
#include "resilience/breaker.h"
#include "resilience/bulkhead.h"
#include "resilience/retry.h"

struct resilience_policy {
    struct retry_policy retry;
    struct breaker_policy breaker;
    struct bulkhead_policy bulkhead;
    uint64_t attempt_ms; /* limit of an attempt */
    uint64_t total_ms;   /* of a call with all its attempts and delays */
};

struct resilient;

/* `name` of the peer is for messages; it and the client outlive it. */
struct resilient *resilient_make(struct loop *loop, struct http_client *client, const char *name,
                                 const struct resilience_policy *policy);
/* As http_client_call(): calls done once, never inside. The call's timeout_ms, unless 0, stands for
 * the policy's total_ms. Refused without being sent: BUSY (bulkhead full), NOT_READY (breaker
 * open), both OUTCOME_AGAIN. */
void resilient_call(struct resilient *peer, const struct http_call *call);
/* Nothing more is sent; what waits is done at once. Before the client is closed. */
void resilient_stop(struct resilient *peer);
/* After the client was closed: nobody is told any more. NULL is allowed. */
void resilient_free(struct resilient *peer);

/* For metrics. */
struct resilient_state {
    enum breaker_state breaker;
    unsigned inside, waiting;
    uint64_t calls, attempts, retries;
    uint64_t refused_full, refused_open, timeouts; /* calls */
};
void resilient_state(const struct resilient *peer, struct resilient_state *out);

#endif
