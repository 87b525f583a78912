/*
 * Whose an account is, and its currency: learned from account.created. A wallet opened a moment ago
 * may not be known yet, so one that isn't is asked for once.
 */
#include "balance.h"

#include "wire/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- from events --- */

static enum outcome created_apply(void *context, struct turn *turn, const struct consumed *event,
                                  struct error *err)
{
    const struct account_created_event *data = event->data;
    struct known_account account = {
        .id = data->account.uuid,
        .books = {.live = event->live},
        .currency = currency_find(data->currency.code),
        .ledger = (uint32_t)data->ledger,
        .version = event->entity_version,
    };

    (void)context;
    snprintf(account.books.tenant, sizeof account.books.tenant, "%s", event->tenant);
    if (account.currency == NULL)
        return error_set(err, REASON_INVALID_REQUEST, "there is no currency \"%s\"",
                         data->currency.code);
    return balance_sql_store_account(turn_store(turn), &account, err);
}

const struct consume balance_consumes[] = {
    {.type = "account.created", .major = 1, .kind = CONSUME_PURE, .apply = created_apply},
    {.type = NULL},
};

/* --- by asking --- */

struct asking {
    struct work work;
    struct balances *service;
    struct known_account account;
    char path[80];
    void (*done)(void *context, const struct error *err); /* NULL: was told that we stop */
    void *context;
    struct asking *next, **link;
};

static void join(struct asking *ask)
{
    ask->link = &ask->service->askings;
    ask->next = *ask->link;
    if (ask->next != NULL) ask->next->link = &ask->next;
    *ask->link = ask;
}

static void leave(struct asking *ask)
{
    *ask->link = ask->next;
    if (ask->next != NULL) ask->next->link = ask->link;
}

static void finish(struct asking *ask, const struct error *err)
{
    leave(ask);
    ask->done(ask->context, err);
    free(ask);
}

void balance_asks_end(struct balances *service)
{
    struct error err;

    error_set(&err, REASON_NOT_READY, "the service stops before the account service has answered");
    while (service->askings != NULL) {
        struct asking *ask = service->askings;

        leave(ask);
        ask->done(ask->context, &err);
        ask->done = NULL;
    }
}

static enum outcome store_apply(struct work *work, struct turn *turn, struct error *err)
{
    return balance_sql_store_account(turn_store(turn), &((struct asking *)work)->account, err);
}

static void store_done(struct work *work, enum outcome outcome, const struct error *err)
{
    finish((struct asking *)work, outcome == OUTCOME_DONE ? NULL : err);
}

/* REFUSED: the answer is no account that is open. */
static enum outcome read_account(const struct http_reply *reply, struct known_account *out,
                                 struct error *err)
{
    cJSON *json = json_parse(reply->body, reply->length, err);
    const char *currency = json_text(json, "currency");
    uint64_t ledger = 0;

    out->currency = currency != NULL ? currency_find(currency) : NULL;
    if (!json_count(cJSON_GetObjectItem(json, "ledger"), &ledger) || ledger > UINT32_MAX)
        ledger = 0;
    out->ledger = (uint32_t)ledger;
    if (!json_count(cJSON_GetObjectItem(json, "version"), &out->version)) out->version = 1;
    cJSON_Delete(json);
    if (out->currency != NULL && out->ledger != 0) return OUTCOME_DONE;
    return error_set(err, REASON_NOT_READY, "the account is not open yet");
}

static void replied(void *context, const struct http_reply *reply, const struct error *why)
{
    struct asking *ask = context;
    struct error err = {0};

    if (ask->done == NULL) { /* the service has stopped */
        free(ask);
        return;
    }
    if (reply->status == 200) {
        if (read_account(reply, &ask->account, &err) == OUTCOME_DONE) {
            ask->work = (struct work){.apply = store_apply, .done = store_done};
            turns_add(ask->service->turns, &ask->work);
            return;
        }
    } else if (reply->status == 404) {
        error_set(&err, REASON_ACCOUNT_NOT_FOUND, "there is no such account");
    } else {
        error_set(&err, REASON_NOT_READY, "could not ask the account service");
        error_detail(&err, "It answered %u. %s", reply->status,
                     reply->status == 0 && why != NULL ? why->message : "");
    }
    finish(ask, &err);
}

void balance_ask(struct balances *service, struct uuid account, const struct caller *caller,
                 void (*done)(void *context, const struct error *err), void *context)
{
    const struct service_context *runtime = &service->context;
    struct asking *ask = need_memory(sizeof *ask);
    char id[UUID_TEXT + 1];

    ask->service = service;
    ask->account.id = account;
    memcpy(ask->account.books.tenant, caller->tenant, sizeof ask->account.books.tenant);
    ask->account.books.live = caller->live;
    ask->done = done;
    ask->context = context;
    join(ask);
    uuid_print(account, id);
    snprintf(ask->path, sizeof ask->path, "/api/v1/accounts/%s", id);
    runtime->ask(runtime->ask_context, "account", caller,
                 &(struct http_call){
                     .method = HTTP_GET,
                     .url = ask->path,
                     .timeout_ms = service->settings->account_timeout_ms,
                     .done = replied,
                     .context = ask,
                 });
}

/* --- whose it is --- */

bool balance_of_caller(const struct books *books, const struct caller *caller)
{
    return books->live == caller->live && strcmp(books->tenant, caller->tenant) == 0;
}

enum outcome balance_check_account(const struct known_account *account, const struct caller *caller,
                                   const char *what, struct error *err)
{
    if (account->found && balance_of_caller(&account->books, caller)) return OUTCOME_DONE;
    return error_set(err, REASON_ACCOUNT_NOT_FOUND, "there is no such %s", what);
}

/* --- a request about one --- */

struct finding {
    struct work work;
    struct balances *service;
    struct http_exchange *exchange;
    struct known_account account;
    bool asked;
    void (*found)(struct http_exchange *exchange, const struct known_account *account);
};

static enum outcome find_load(struct work *work, struct turn *turn, struct error *err)
{
    struct finding *w = (struct finding *)work;

    return balance_sql_load_account(turn_store(turn), w->exchange->params[0], &w->account, err);
}

static enum outcome find_apply(struct work *work, struct turn *turn, struct error *err)
{
    struct finding *w = (struct finding *)work;

    (void)turn;
    return balance_check_account(&w->account, &w->exchange->caller, "account", err);
}

static void find_asked(void *context, const struct error *err)
{
    struct finding *w = context;

    if (err == NULL) {
        turns_add(w->service->turns, &w->work);
        return;
    }
    http_answer_problem(w->exchange, err);
    free(w);
}

/* Nobody's wallets are asked for too: it may be that the news of one comes late. */
static bool is_unknown(const struct known_account *account)
{
    return !account->found || account->books.tenant[0] == '\0';
}

static void find_done(struct work *work, enum outcome outcome, const struct error *err)
{
    struct finding *w = (struct finding *)work;

    if (outcome == OUTCOME_REFUSED && is_unknown(&w->account) && !w->asked) {
        w->asked = true;
        balance_ask(w->service, w->exchange->params[0], &w->exchange->caller, find_asked, w);
        return;
    }
    if (outcome == OUTCOME_DONE)
        w->found(w->exchange, &w->account);
    else
        http_answer_problem(w->exchange, err);
    free(w);
}

void balance_find(struct http_exchange *exchange,
                  void (*found)(struct http_exchange *exchange,
                                const struct known_account *account))
{
    struct finding *w = need_memory(sizeof *w);

    w->work = (struct work){.load = find_load, .apply = find_apply, .done = find_done};
    w->service = exchange->service;
    w->exchange = exchange;
    w->found = found;
    turns_add(w->service->turns, &w->work);
}
