/* A limit of time. */
#include "resilience/timeout.h"

void timeout_start(struct timeout *timeout, struct loop *loop, uint64_t limit_ms,
                   void (*expired)(void *context), void *context)
{
    uint64_t limit_ns = limit_ms * 1000000;

    *timeout = (struct timeout){
        .loop = loop,
        .due_ns = loop_elapsed_ns(loop) + limit_ns,
        .timer = {.fire = expired, .context = context},
    };
    loop_timer_set(loop, &timeout->timer, limit_ns);
}

uint64_t timeout_left_ns(const struct timeout *timeout)
{
    uint64_t now_ns = loop_elapsed_ns(timeout->loop);

    return now_ns < timeout->due_ns ? timeout->due_ns - now_ns : 0;
}

void timeout_end(struct timeout *timeout) { loop_timer_cancel(timeout->loop, &timeout->timer); }
