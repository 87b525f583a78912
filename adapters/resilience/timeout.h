/* A limit of time for something that others do: calls back once when it took too long. On the
 * loop's thread; memory is the caller's. */
#ifndef ADAPTERS_RESILIENCE_TIMEOUT_H
#define ADAPTERS_RESILIENCE_TIMEOUT_H

#include "runtime/loop.h"

struct timeout {
    struct loop *loop;
    uint64_t due_ns; /* of loop_elapsed_ns() */
    struct loop_timer timer;
};

/* `expired` is called after limit_ms, unless timeout_end() comes before. */
void timeout_start(struct timeout *timeout, struct loop *loop, uint64_t limit_ms,
                   void (*expired)(void *context), void *context);
/* What is left; 0 when it is over. */
uint64_t timeout_left_ns(const struct timeout *timeout);
/* Nothing comes any more. */
void timeout_end(struct timeout *timeout);

#endif
