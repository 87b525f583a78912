/*
 * Ending a process by signals. The first SIGTERM or SIGINT drains: nothing new is taken, what is
 * under way ends, at the latest after the time-out. The second ends the process at once, even if
 * its loop hangs (what was confirmed is durable, so nothing is lost). SIGHUP reads the settings
 * again. SIGPIPE is ignored. One of these a process, opened before other threads are started.
 */
#ifndef ADAPTERS_RUNTIME_STOP_H
#define ADAPTERS_RUNTIME_STOP_H

#include "runtime/loop.h"

/* Called on the loop. */
struct stop_calls {
    /* Must. Take nothing new; call stop_drained() when nothing is under way. */
    void (*drain)(void *context);
    /* Must. Everything is drained, or the time is over; comes once. Calls loop_stop(). */
    void (*end)(void *context, bool in_time);
    /* May be NULL: SIGHUP is ignored then. */
    void (*reload)(void *context);
};

struct stop;

/* *drain_timeout_ms is read when draining begins, so that the setting may be changed. A loop
 * without descriptors (a simulated one) hears no signals. */
enum outcome stop_open(struct loop *loop, const struct stop_calls *calls, void *context,
                       const uint64_t *drain_timeout_ms, struct stop **out,
                       struct error *err) MUST_USE;
/* As the first signal does. */
void stop_begin(struct stop *stop);
/* Nothing is under way any more. */
void stop_drained(struct stop *stop);
bool stop_has_begun(const struct stop *stop);
/* Signals do what they did before. NULL is allowed. */
void stop_close(struct stop *stop);

#endif
