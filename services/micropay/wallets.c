/* Wallets by name. */
#include "wallets.h"

#include "wire/buffer.h"

#include <stdio.h>
#include <string.h>

enum { FILLED_UNITS = 1000 };

enum exit_status currency_check(const struct command *command, const char *currency)
{
    if (currency_find(currency) != NULL) return EXIT_DONE;
    return usage_error(command, "'%s' is no currency of ISO 4217", currency);
}

void wallet_read(const cJSON *account, struct wallet *out)
{
    const char *name = json_member(account, "name");

    if (out->name[0] == '\0') snprintf(out->name, sizeof out->name, "%s", name);
    snprintf(out->id, sizeof out->id, "%s", json_member(account, "id"));
    snprintf(out->currency, sizeof out->currency, "%s", json_member(account, "currency"));
    snprintf(out->status, sizeof out->status, "%s", json_member(account, "status"));
    snprintf(out->frozen, sizeof out->frozen, "%s", json_member(account, "frozen"));
    snprintf(out->posted, sizeof out->posted, "%s", json_member(account, "balances.posted"));
    snprintf(out->available, sizeof out->available, "%s",
             json_member(account, "balances.available"));
}

/* --- the two requests that make one --- */

struct making {
    char open_key[160], open_body[256], path[80], fill_key[160], fill_body[96];
    struct request open, fill;
};

static void plan(const struct wallet *wallet, struct making *out)
{
    const struct currency *currency = currency_find(wallet->currency);
    int64_t minor = FILLED_UNITS;
    char amount[AMOUNT_TEXT_MAX];

    for (unsigned i = 0; i < currency->digits; i++) minor *= 10;
    amount_print(amount_of(minor, currency), amount);
    snprintf(out->open_key, sizeof out->open_key, "wallet:%s:%s", wallet->name, currency->code);
    snprintf(out->open_body, sizeof out->open_body, "{\"currency\":\"%s\",\"name\":\"%s\"}",
             currency->code, wallet->name);
    snprintf(out->path, sizeof out->path, "/api/v1/accounts/%s/deposits", wallet->id);
    snprintf(out->fill_key, sizeof out->fill_key, "deposit:%s:%s", wallet->name, currency->code);
    snprintf(out->fill_body, sizeof out->fill_body, "{\"amount\":\"%s\",\"currency\":\"%s\"}",
             amount, currency->code);
    out->open = (struct request){.service = "account",
                                 .method = HTTP_POST,
                                 .path = "/api/v1/accounts",
                                 .key = out->open_key,
                                 .body = out->open_body,
                                 .headers = {"Prefer: wait=30"}};
    out->fill = (struct request){.service = "account",
                                 .method = HTTP_POST,
                                 .path = out->path,
                                 .key = out->fill_key,
                                 .body = out->fill_body,
                                 .headers = {"Prefer: wait=30"}};
}

static bool is_name(const char *name)
{
    size_t length =
        strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

    return length > 0 && length <= 64 && name[length] == '\0';
}

static enum exit_status make(struct platform *platform, struct wallet *wallet)
{
    struct making making;
    struct reply reply;
    enum exit_status status;

    plan(wallet, &making);
    status = platform_ask(platform, &making.open, &reply);
    if (status == EXIT_DONE) wallet_read(reply.json, wallet);
    reply_done(&reply);
    if (status != EXIT_DONE) return status;
    plan(wallet, &making); /* with its id */
    status = platform_try(platform, &making.fill, &reply);
    /* one that is frozen or closed by now was filled before, or needs no money */
    if (status == EXIT_REFUSED && reply.status == 409) status = EXIT_DONE;
    if (status != EXIT_DONE) status = platform_refused(platform, &reply);
    reply_done(&reply);
    return status;
}

enum exit_status wallet_by_name(struct platform *platform, const char *name, const char *currency,
                                struct wallet *out)
{
    const struct command *command = platform->command;
    struct uuid id;
    enum exit_status status;

    *out = (struct wallet){.id = ""};
    if (uuid_read(name, &id)) { /* uuid_read() has seen to the length */
        snprintf(out->id, sizeof out->id, "%s", name);
        return wallet_refresh(platform, out);
    }
    if (!is_name(name))
        return usage_error(command, "'%s' is neither an account's id nor a wallet's name", name);
    if (!platform_is_test(platform))
        return usage_error(command,
                           "'%s': wallets go by name in test mode alone; name the account "
                           "by its id",
                           name);
    snprintf(out->name, sizeof out->name, "%s", name);
    snprintf(out->currency, sizeof out->currency, "%s", currency);
    status = make(platform, out);
    return status == EXIT_DONE ? wallet_refresh(platform, out) : status;
}

enum exit_status wallet_refresh(struct platform *platform, struct wallet *wallet)
{
    char path[80];
    struct request request = {.service = "account", .method = HTTP_GET, .path = path};
    struct reply reply;
    enum exit_status status;

    snprintf(path, sizeof path, "/api/v1/accounts/%s", wallet->id);
    status = platform_ask(platform, &request, &reply);
    if (status == EXIT_DONE) {
        wallet_read(reply.json, wallet);
        platform_remember(platform, wallet->id,
                          wallet->name[0] != '\0' ? wallet->name : wallet->id);
    }
    reply_done(&reply);
    return status;
}

void wallet_curl(struct platform *platform, const struct wallet *wallet, struct text *out)
{
    struct making making;

    if (!is_name(wallet->name)) return;
    plan(wallet, &making);
    platform_curl(platform, &making.open, out);
    platform_curl(platform, &making.fill, out);
}
