/* The balance service: what the runtime knows of it, its beginning and end. */
#include "service.h"

#include "balance.h"
#include "journal.h"

#include "observe/log.h"
#include "store/turn_metrics.h"

#include <stdlib.h>

#define SETTINGS_NAME balance
#define SETTINGS_FILE "settings.def"
#include "runtime/settings_rows.h"

static const struct turn_hooks hooks = {
    .begin = balance_rows_begin, .write = balance_rows_write, .end = balance_rows_end};

static void on_alert(void *service, const struct error *err)
{
    (void)service;
    log_error(&(struct log_about){.service = "balance", .action = "balance.stopped", .err = err},
              "the balance service stands still");
}

static enum outcome listen_to_ledger(struct balances *service, struct error *err)
{
    const struct service_context *context = &service->context;
    struct ledger_listener listener = {
        .answered = balance_answered,
        .context = service,
        .code_min = TRANSFER_CODE_RESERVATION,
        .code_max = TRANSFER_CODE_RESERVATION,
    };
    struct positions positions = {0};

    if (balance_sql_load_positions(context->store, &positions, err) != OUTCOME_DONE)
        return err->outcome;
    service->expiries = service->expiries_stored = positions.expiries;
    listener.expiry_position = positions.expiries;
    service->resend = resend_make(context->loop, context->ledger,
                                  context->ledger->ops->listen(context->ledger, &listener));
    return balance_sql_send_unanswered(context->store, service->resend, err);
}

static void stop(void *context)
{
    struct balances *service = context;

    service->stopping = true;
    if (service->turns != NULL) turns_halt(service->turns);
    balance_asks_end(service);
    if (service->turns != NULL) turns_close(service->turns);
    waiting_end(service->waiting);
    places_end(service->places);
    balance_scans_end(service);
    journal_close(service->journal);
    resend_free(service->resend);
    waiting_free(service->waiting);
    places_free(service->places);
    texts_free(service->texts);
    balance_rows_free(&service->reservations);
    free(service);
}

static enum outcome start(const struct service_context *context, void **out, struct error *err)
{
    struct balances *service = need_memory(sizeof *service);
    enum outcome outcome;

    service->context = *context;
    service->settings = context->settings;
    balance_rows_free(&service->reservations);
    service->texts = texts_make(context->store);
    service->waiting = waiting_make(context->loop);
    service->places = places_make(context->loop, context->reads);
    outcome = turns_open(context->loop, context->store, context->bus, "/balance", &hooks, service,
                         &service->turns, err);
    if (outcome == OUTCOME_DONE) {
        turns_on_alert(service->turns, on_alert);
        outcome = listen_to_ledger(service, err);
    }
    if (outcome == OUTCOME_DONE)
        outcome = turns_consume(service->turns, "balance", balance_consumes, err);
    if (outcome == OUTCOME_DONE && context->reads != NULL)
        outcome = journal_open(service, &service->journal, err);
    if (outcome != OUTCOME_DONE) {
        stop(service);
        return outcome;
    }
    *out = service;
    return OUTCOME_DONE;
}

static bool ready(void *context, struct error *err)
{
    struct balances *service = context;
    struct ledger_port *port = service->context.ledger;

    if (!port->ops->running(port)) {
        error_set(err, REASON_LEDGER_STOPPED, "the ledger has stopped");
        return false;
    }
    return turns_ready(service->turns, err);
}

static void drain(void *context, void (*done)(void *context), void *done_context)
{
    struct balances *service = context;

    service->stopping = true;
    waiting_end(service->waiting);
    places_end(service->places);
    turns_drain(service->turns, done, done_context);
}

static void set_metrics(void *context)
{
    struct balances *service = context;

    turns_metrics(service->turns, service->context.store, "balance",
                  loop_now_ns(service->context.loop));
}

extern const struct migrations balance_migrations;

const struct service balance_service = {
    .name = "balance",
    .port = 8085,
    .help = "Balances now and as of an instant, their history, reservations.",
    .settings = &balance_settings,
    .routes = balance_routes,
    .migrations = &balance_migrations,
    .start = start,
    .ready = ready,
    .drain = drain,
    .stop = stop,
    .metrics = set_metrics,
};
