/* The payment service: start, drain, stop. */
#include "service.h"
#include "payments.h"
#include "reconcile.h"

#include "wire/buffer.h"

#include <stdlib.h>

#define MS UINT64_C(1000000)

extern const struct migrations payment_migrations;

#define SETTINGS_NAME payment
#define SETTINGS_FILE "settings.def"
#include "runtime/settings_rows.h"

static void read_policy(struct payments *service)
{
    const struct payment_settings *settings = service->settings;

    service->policy = payment_policy_default;
    service->policy.fraud_timeout_ns = settings->fraud_timeout_ms * MS;
    service->policy.reserve_timeout_ns = settings->reserve_timeout_ms * MS;
    service->policy.capture_timeout_ns = settings->capture_timeout_ms * MS;
    service->policy.review_timeout_ns = settings->review_timeout_ms * MS;
    service->policy.without_verdict = (enum verdict)(VERDICT_ALLOW + settings->fraud_policy);
}

static const struct turn_hooks hooks = {.begin = rows_begin, .write = rows_write, .end = rows_end};

static void send_unanswered(void *context, struct uuid payment, const void *chain, size_t length)
{
    struct payments *service = context;

    if (!resend_add(service->resend, chain, length, payment)) service->broken = true;
}

static enum outcome listen_to_ledger(struct payments *service, struct error *err)
{
    const struct service_context *context = service->context;
    struct ledger_listener listener = {
        .answered = on_ledger_answer,
        .context = service,
        .code_min = TRANSFER_CODE_PAYMENT_MIN,
        .code_max = TRANSFER_CODE_PAYMENT_MAX,
    };
    enum outcome outcome = sql_load_position(context->store, &service->expiry_position, err);

    if (outcome != OUTCOME_DONE) return outcome;
    service->expiry_position_stored = service->expiry_position;
    listener.expiry_position = service->expiry_position;
    service->listener = context->ledger->ops->listen(context->ledger, &listener);
    service->resend = resend_make(context->loop, context->ledger, service->listener);
    outcome = sql_unanswered(context->store, send_unanswered, service, err);
    if (outcome == OUTCOME_DONE) outcome = sql_count_waiting(context->store, &service->open, err);
    if (outcome == OUTCOME_DONE && service->broken)
        return error_set(err, REASON_CORRUPT, "an operation's chain cannot be read");
    return outcome;
}

static void stop(void *context)
{
    struct payments *service = context;

    if (service->turns != NULL) turns_halt(service->turns);
    reconcile_free(service->reconcile);
    rails_free(service->rails);
    waiting_end(service->waiting);
    if (service->turns != NULL) turns_close(service->turns);
    resend_free(service->resend);
    waiting_free(service->waiting);
    rows_free(service);
    free(service);
}

static enum outcome start(const struct service_context *context, void **out, struct error *err)
{
    struct payments *service = need_memory(sizeof *service);
    enum outcome outcome;

    service->context = context;
    service->settings = context->settings;
    service->waiting = waiting_make(context->loop);
    read_policy(service);
    rows_make(service);
    outcome = turns_open(context->loop, context->store, context->bus, "payment", &hooks, service,
                         &service->turns, err);
    if (outcome == OUTCOME_DONE) outcome = listen_to_ledger(service, err);
    if (outcome == OUTCOME_DONE) {
        turns_on_timer(service->turns, on_timer);
        outcome = turns_consume(service->turns, "payment", payment_consumes, err);
    }
    if (outcome != OUTCOME_DONE) {
        stop(service);
        return outcome;
    }
    service->reconcile = reconcile_make(service);
    service->rails = rails_make(service);
    *out = service;
    return OUTCOME_DONE;
}

static bool ready(void *context, struct error *err)
{
    struct payments *service = context;
    struct turns_state state;

    turns_state(service->turns, &state);
    if (state.broken) {
        error_set(err, REASON_NOT_READY, "the payments' database has failed");
        return false;
    }
    if (!service->context->ledger->ops->running(service->context->ledger)) {
        error_set(err, REASON_LEDGER_STOPPED, "the ledger has stopped");
        return false;
    }
    return true;
}

static void drain(void *context, void (*done)(void *context), void *done_context)
{
    struct payments *service = context;

    turns_drain(service->turns, done, done_context);
}

const struct service payment_service = {
    .name = "payment",
    .port = 8083,
    .help = "The payment, its saga, history, reconciliation.",
    .settings = &payment_settings,
    .routes = payment_routes,
    .migrations = &payment_migrations,
    .consumes = payment_consumes,
    .start = start,
    .ready = ready,
    .drain = drain,
    .stop = stop,
    .metrics = measure_service,
};
