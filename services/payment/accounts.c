/* Accounts that this service doesn't know yet: made a moment ago, or never. The account service is
 * asked once. */
#include "payments.h"

#include "wire/buffer.h"
#include "wire/json.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ask {
    struct work work;
    struct payments *service;
    struct account_copy copy;
    char path[80];
    void (*done)(void *context, const struct error *err);
    void *context;
};

static void finish(struct ask *ask, const struct error *err)
{
    ask->done(ask->context, err);
    free(ask);
}

static enum outcome store_apply(struct work *work, struct turn *turn, struct error *err)
{
    struct ask *ask = (struct ask *)work;

    return sql_store_account(turn_store(turn), &ask->copy, err);
}

static void store_done(struct work *work, enum outcome outcome, const struct error *err)
{
    finish((struct ask *)work, outcome == OUTCOME_DONE ? NULL : err);
}

static unsigned index_of(const char *const *words, const char *word)
{
    for (unsigned i = 0; words[i] != NULL; i++)
        if (word != NULL && strcmp(words[i], word) == 0) return i + 1;
    return 0;
}

static bool read_account(const struct http_reply *reply, struct account_copy *out)
{
    cJSON *json = cJSON_ParseWithLength(reply->body, reply->length);
    const char *currency = cJSON_GetStringValue(cJSON_GetObjectItem(json, "currency"));
    double ledger = cJSON_GetNumberValue(cJSON_GetObjectItem(json, "ledger"));
    double version = cJSON_GetNumberValue(cJSON_GetObjectItem(json, "version"));

    out->currency = currency != NULL ? currency_find(currency) : NULL;
    out->ledger = ledger >= 1 && ledger <= UINT32_MAX ? (uint32_t)ledger : 0;
    out->version = version >= 0 && version < 9e15 ? (uint64_t)version : 0;
    out->status =
        index_of(account_statuses, cJSON_GetStringValue(cJSON_GetObjectItem(json, "status")));
    out->frozen =
        index_of(account_sides, cJSON_GetStringValue(cJSON_GetObjectItem(json, "frozen")));
    cJSON_Delete(json);
    return out->currency != NULL && out->ledger != 0 && out->status != 0;
}

static void replied(void *context, const struct http_reply *reply, const struct error *err)
{
    struct ask *ask = context;
    struct error why = {0};

    if (reply->status == 200 && read_account(reply, &ask->copy)) {
        ask->work = (struct work){.apply = store_apply, .done = store_done};
        turns_add(ask->service->turns, &ask->work);
        return;
    }
    if (reply->status == 404)
        error_set(&why, REASON_ACCOUNT_NOT_FOUND, "there is no such account");
    else
        error_set(&why, REASON_NOT_READY, "could not ask the account service");
    if (err != NULL) error_detail(&why, "%s", err->message);
    finish(ask, &why);
}

void accounts_ask(struct payments *service, struct account_id account, const struct caller *caller,
                  void (*done)(void *context, const struct error *err), void *context)
{
    struct http_call call = {.method = HTTP_GET, .timeout_ms = 2000, .done = replied};
    struct ask *ask = need_memory(sizeof *ask);
    char id[UUID_TEXT + 1];

    ask->service = service;
    ask->copy.id = account;
    memcpy(ask->copy.books.tenant, caller->tenant, sizeof ask->copy.books.tenant);
    ask->copy.books.live = caller->live;
    ask->done = done;
    ask->context = context;
    uuid_print(account.uuid, id);
    snprintf(ask->path, sizeof ask->path, "/api/v1/accounts/%s", id);
    call.url = ask->path;
    call.context = ask;
    service->context->ask(service->context->ask_context, "account", caller, &call);
}
