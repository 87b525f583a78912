/* The transaction service: start, drain, stop. */
#include "service.h"
#include "transaction.h"

#include "observe/metrics.h"
#include "wire/buffer.h"

#include <stdlib.h>

extern const struct migrations transaction_migrations;

#define SETTINGS_NAME transaction
#define SETTINGS_FILE "settings.def"
#include "runtime/settings_rows.h"

static const struct turn_hooks hooks = {.begin = reversals_begin};

/* Whoever waits for an answer is gone when this is called. */
static void stop(void *context)
{
    struct transactions *service = context;

    if (service->turns != NULL) turns_halt(service->turns);
    bulk_stop(service);
    scan_stop(service);
    follow_stop(service->follow);
    if (service->turns != NULL) turns_close(service->turns);
    resend_free(service->resend);
    waiting_free(service->waiting);
    places_free(service->places);
    catalogue_free(service->catalogue);
    free(service);
}

static enum outcome start(const struct service_context *context, void **out, struct error *err)
{
    struct transactions *service = need_memory(sizeof *service);
    enum outcome outcome;

    service->context = context;
    service->settings = context->settings;
    service->ledger = context->reads;
    service->catalogue = catalogue_make(service->ledger);
    service->places = places_make(context->loop, service->ledger);
    service->waiting = waiting_make(context->loop);
    outcome = turns_open(context->loop, context->store, context->bus, "transaction", &hooks,
                         service, &service->turns, err);
    if (outcome == OUTCOME_DONE) outcome = reversals_start(service, err);
    if (outcome == OUTCOME_DONE) outcome = follow_start(service, &service->follow, err);
    if (outcome != OUTCOME_DONE) {
        stop(service);
        return outcome;
    }
    *out = service;
    return OUTCOME_DONE;
}

static bool ready(void *context, struct error *err)
{
    struct transactions *service = context;
    struct ledger_port *port = service->context->ledger;

    if (!port->ops->running(port)) {
        error_set(err, REASON_LEDGER_STOPPED, "the ledger has stopped");
        return false;
    }
    return turns_ready(service->turns, err) && follow_ready(service->follow, err);
}

/* --- draining --- */

static void turns_drained(void *context)
{
    struct transactions *service = context;

    service->drained(service->drained_context);
}

void service_idle(struct transactions *service)
{
    if (service->drained == NULL || service->turns_drain) return;
    if (service->bulk_count > 0 || service->scans != NULL || !follow_is_idle(service->follow))
        return;
    service->turns_drain = true;
    turns_drain(service->turns, turns_drained, service);
}

static void drain(void *context, void (*done)(void *context), void *done_context)
{
    struct transactions *service = context;

    service->drained = done;
    service->drained_context = done_context;
    follow_drain(service->follow);
    service_idle(service);
}

/* --- metrics --- */

/* The ledger counts block writes by powers of two of microseconds; the histogram gets those that
 * came since the last look, at the middle of each. */
static void observe_blocks(struct transactions *service, const mp_stats *stats)
{
    for (unsigned i = 0; i < MP_HISTOGRAM_BUCKETS; i++) {
        uint64_t fresh = stats->write_us[i] - service->write_us[i];

        for (; fresh > 0; fresh--)
            metric_observe(METRIC_ledger_block_seconds, (UINT64_C(1500) << i));
        service->write_us[i] = stats->write_us[i];
    }
}

static void metrics(void *context)
{
    struct transactions *service = context;
    struct ledger_port *port = service->context->ledger;
    uint16_t word = metric_word(LABEL_service, "transaction");
    struct turns_state state;
    mp_stats stats;

    mp_read_stats(service->ledger, &stats);
    turns_state(service->turns, &state);
    metric_set(METRIC_ledger_stopped, stats.stopped != 0 || !port->ops->running(port));
    metric_set(METRIC_operations_unanswered, (double)port->ops->outstanding(port));
    metric_set(METRIC_reservations_open, (double)stats.reservations_open);
    metric_set(METRIC_consumer_lag, (double)follow_lag(service->follow), .service = word);
    metric_set(METRIC_outbox_rows, (double)state.outbox_rows, .service = word);
    metric_set(METRIC_turns_waiting, state.waiting, .service = word);
    observe_blocks(service, &stats);
}

const struct service transaction_service = {
    .name = "transaction",
    .port = 8084,
    .help = "The ledger's writer: bulk transfers, journal, reversals; announces what was posted.",
    .settings = &transaction_settings,
    .routes = transaction_routes,
    .migrations = &transaction_migrations,
    .start = start,
    .ready = ready,
    .drain = drain,
    .stop = stop,
    .metrics = metrics,
};
