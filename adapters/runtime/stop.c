/* Signals into the loop. */
#include "runtime/stop.h"

#include "wire/buffer.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum phase { RUNNING, DRAINING, ENDED };

struct stop {
    struct loop *loop;
    struct stop_calls calls;
    void *context;
    const uint64_t *drain_timeout_ms;
    enum phase phase;
    struct loop_timer time_out;
    struct loop_watch watch;
    int descriptor; /* -1 = hears no signals */
    struct sigaction before[4];
};

/* --- what the handler touches --- */

/* Any thread may run the handler. */
static int stops, reloads, wake_descriptor = -1;

static int get(int *value) { return __atomic_load_n(value, __ATOMIC_SEQ_CST); }
static void set(int *value, int to) { __atomic_store_n(value, to, __ATOMIC_SEQ_CST); }

static void on_signal(int number)
{
    const uint64_t one = 1;
    int error = errno;

    if (number == SIGHUP)
        set(&reloads, 1);
    else if (__atomic_fetch_add(&stops, 1, __ATOMIC_SEQ_CST) > 0)
        _exit(128 + number);
    /* fails only when the counter is full: the loop is awake then */
    if (write(get(&wake_descriptor), &one, sizeof one) < 0) errno = error;
    errno = error;
}

/* --- on the loop --- */

static void end(struct stop *stop, bool in_time)
{
    if (stop->phase == ENDED) return;
    stop->phase = ENDED;
    loop_timer_cancel(stop->loop, &stop->time_out);
    stop->calls.end(stop->context, in_time);
}

static void time_is_over(void *context) { end(context, false); }

void stop_begin(struct stop *stop)
{
    if (stop->phase != RUNNING) return;
    stop->phase = DRAINING;
    loop_timer_set(stop->loop, &stop->time_out, *stop->drain_timeout_ms * 1000000);
    stop->calls.drain(stop->context);
}

void stop_drained(struct stop *stop)
{
    if (stop->phase == DRAINING) end(stop, true);
}

bool stop_has_begun(const struct stop *stop) { return stop->phase != RUNNING; }

static void on_wake(void *context)
{
    struct stop *stop = context;
    uint64_t count;

    if (read(stop->descriptor, &count, sizeof count) < 0) return;
    if (get(&reloads) != 0) {
        set(&reloads, 0);
        if (stop->calls.reload != NULL && stop->phase == RUNNING) stop->calls.reload(stop->context);
    }
    if (get(&stops) > 0) stop_begin(stop);
}

/* --- opening and closing --- */

static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE};
enum { SIGNALS = sizeof signals / sizeof *signals };
_Static_assert(SIGNALS == sizeof(((struct stop *)NULL)->before) / sizeof(struct sigaction),
               "each is put back");

static enum outcome hear_signals(struct stop *stop, struct error *err)
{
    struct sigaction action = {.sa_flags = SA_RESTART};

    stop->descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (stop->descriptor < 0)
        return error_set(err, REASON_OUT_OF_SPACE, "could not make an eventfd: %s",
                         strerror(errno));
    if (stop->loop->ops->watch(stop->loop, &stop->watch, stop->descriptor, err) != OUTCOME_DONE) {
        close(stop->descriptor);
        return err->outcome;
    }
    set(&stops, 0);
    set(&reloads, 0);
    set(&wake_descriptor, stop->descriptor);
    sigfillset(&action.sa_mask);
    for (unsigned i = 0; i < SIGNALS; i++) {
        action.sa_handler = signals[i] == SIGPIPE ? SIG_IGN : on_signal;
        sigaction(signals[i], &action, &stop->before[i]);
    }
    return OUTCOME_DONE;
}

enum outcome stop_open(struct loop *loop, const struct stop_calls *calls, void *context,
                       const uint64_t *drain_timeout_ms, struct stop **out, struct error *err)
{
    struct stop *stop = need_memory(sizeof *stop);

    *stop = (struct stop){
        .loop = loop,
        .calls = *calls,
        .context = context,
        .drain_timeout_ms = drain_timeout_ms,
        .time_out = {.fire = time_is_over, .context = stop},
        .watch = {.readable = on_wake, .context = stop},
        .descriptor = -1,
    };
    if (loop->ops->watch != NULL && hear_signals(stop, err) != OUTCOME_DONE) {
        free(stop);
        return err->outcome;
    }
    *out = stop;
    return OUTCOME_DONE;
}

void stop_close(struct stop *stop)
{
    if (stop == NULL) return;
    loop_timer_cancel(stop->loop, &stop->time_out);
    if (stop->descriptor >= 0) {
        for (unsigned i = 0; i < SIGNALS; i++) sigaction(signals[i], &stop->before[i], NULL);
        stop->loop->ops->unwatch(stop->loop, &stop->watch);
        set(&wake_descriptor, -1);
        close(stop->descriptor);
    }
    free(stop);
}
