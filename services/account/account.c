/* The account service: what the runtime knows of it, its beginning and end. */
#include "service.h"

#include "account.h"

#include "observe/log.h"
#include "store/turn_metrics.h"

#include <stdlib.h>
#include <string.h>

#define SETTINGS_NAME account
#define SETTINGS_FILE "settings.def"
#include "runtime/settings_rows.h"

/* --- what every handler asks --- */

unsigned wallet_status(const struct wallet *wallet)
{
    if (wallet->status == ACCOUNT_STATUS_ACTIVE && wallet->frozen != 0)
        return ACCOUNT_STATUS_FROZEN;
    return wallet->status;
}

bool wallet_of_caller(const struct wallet *wallet, const struct caller *caller)
{
    return wallet->books.live == caller->live && strcmp(wallet->books.tenant, caller->tenant) == 0;
}

enum outcome account_refuse(struct error *err)
{
    err->outcome = OUTCOME_REFUSED;
    return OUTCOME_REFUSED;
}

enum outcome wallet_find(struct rows *rows, struct uuid id, const struct caller *caller,
                         struct wallet **out, struct error *err)
{
    struct wallet *wallet = account_rows_wallet(rows, id);

    if (wallet == NULL || wallet->gone || !wallet_of_caller(wallet, caller))
        return error_set(err, REASON_ACCOUNT_NOT_FOUND, "there is no such account");
    *out = wallet;
    return OUTCOME_DONE;
}

enum outcome wallet_must_be_open(const struct wallet *wallet, struct error *err)
{
    switch (wallet->status) {
    case ACCOUNT_STATUS_OPENING:
        error_set(err, REASON_NOT_READY, "the account is not open yet");
        return account_refuse(err);
    case ACCOUNT_STATUS_CLOSED:
        return error_set(err, REASON_ACCOUNT_CLOSED, "the account is closed");
    default: return OUTCOME_DONE;
    }
}

/* --- beginning --- */

static const struct turn_hooks hooks = {
    .begin = account_rows_begin, .write = account_rows_write, .end = account_rows_end};

static void on_alert(void *service, const struct error *err)
{
    (void)service;
    log_error(&(struct log_about){.service = "account", .action = "account.stopped", .err = err},
              "the account service stands still");
}

static void stop(void *context)
{
    struct wallets *service = context;

    service->stopping = true;
    if (service->turns != NULL) turns_close(service->turns);
    waiting_end(service->waiting);
    places_end(service->places);
    account_statements_end(service);
    account_forwardings_end(service);
    resend_free(service->resend);
    waiting_free(service->waiting);
    places_free(service->places);
    texts_free(service->texts);
    account_rows_free(&service->rows);
    free(service);
}

static enum outcome start(const struct service_context *context, void **out, struct error *err)
{
    struct wallets *service = need_memory(sizeof *service);
    struct ledger_listener listener = {.answered = account_answered, .context = service};

    service->context = *context;
    service->settings = context->settings;
    account_rows_free(&service->rows);
    service->texts = texts_make(context->store);
    service->waiting = waiting_make(context->loop);
    service->places = places_make(context->loop, context->reads);
    if (turns_open(context->loop, context->store, context->bus, "/account", &hooks, service,
                   &service->turns, err) != OUTCOME_DONE) {
        stop(service);
        return err->outcome;
    }
    turns_on_alert(service->turns, on_alert);
    service->resend = resend_make(context->loop, context->ledger,
                                  context->ledger->ops->listen(context->ledger, &listener));
    if (account_sql_send_unanswered(context->store, service->resend, err) != OUTCOME_DONE) {
        stop(service);
        return err->outcome;
    }
    *out = service;
    return OUTCOME_DONE;
}

/* --- life and end --- */

static bool ready(void *context, struct error *err)
{
    struct wallets *service = context;
    struct ledger_port *port = service->context.ledger;

    if (!port->ops->running(port)) {
        error_set(err, REASON_LEDGER_STOPPED, "the ledger has stopped");
        return false;
    }
    return turns_ready(service->turns, err);
}

static void drain(void *context, void (*done)(void *context), void *done_context)
{
    struct wallets *service = context;

    service->stopping = true;
    waiting_end(service->waiting);
    places_end(service->places);
    turns_drain(service->turns, done, done_context);
}

static void set_metrics(void *context)
{
    struct wallets *service = context;

    turns_metrics(service->turns, service->context.store, "account",
                  loop_now_ns(service->context.loop));
}

extern const struct migrations account_migrations;

const struct service account_service = {
    .name = "account",
    .port = 8082,
    .help = "Wallet accounts: opened, frozen, closed, limited; their statements.",
    .settings = &account_settings,
    .routes = account_routes,
    .migrations = &account_migrations,
    .start = start,
    .ready = ready,
    .drain = drain,
    .stop = stop,
    .metrics = set_metrics,
};
