/* wallet: opens, lists, freezes, shows wallets */
#include "actions.h"
#include "table.h"
#include "wallets.h"

#include <stdio.h>
#include <string.h>

static const char *currency_of(const struct command *command)
{
    return given(command, OPT_CURRENCY) ? command->values[OPT_CURRENCY].text : "EUR";
}

/* The wallet that argument 1 names. */
static enum exit_status find(struct platform *platform, struct wallet *out)
{
    const struct command *command = platform->command;
    enum exit_status status = currency_check(command, currency_of(command));

    if (status != EXIT_DONE) return status;
    return wallet_by_name(platform, command->arguments[1], currency_of(command), out);
}

/* --- one, some --- */

static const struct column list_columns[] = {
    {"wallet", false},   {"account", false}, {"", false},  {"posted", true},
    {"available", true}, {"status", false},  {NULL, false}};

static void list_row(struct table *table, const cJSON *account)
{
    struct wallet wallet = {.id = ""};

    wallet_read(account, &wallet);
    table_cell(table, "%s", wallet.name);
    table_cell(table, "%s", wallet.id);
    table_cell(table, "%s", wallet.currency);
    table_cell(table, "%s", wallet.posted);
    table_cell(table, "%s", wallet.available);
    table_cell(table, "%s%s%s", wallet.status, wallet.frozen[0] != '\0' ? ", frozen: " : "",
               wallet.frozen);
}

static void show_one(struct platform *platform, const struct reply *reply)
{
    struct table table;

    if (!table_begin(&table, &platform->command->out, list_columns)) return;
    list_row(&table, reply->json);
    table_end(&table);
}

static void show_list(struct platform *platform, const struct reply *reply)
{
    const cJSON *account;
    struct table table;

    if (!table_begin(&table, &platform->command->out, list_columns)) return;
    cJSON_ArrayForEach(account, cJSON_GetObjectItem(reply->json, "data")) list_row(&table, account);
    table_end(&table);
}

static enum exit_status ask_account(struct platform *platform, const char *what,
                                    void (*show)(struct platform *, const struct reply *))
{
    char path[160], random[33];
    struct wallet wallet;
    struct request request = {.service = "account", .method = HTTP_GET, .path = path};
    enum exit_status status = find(platform, &wallet);

    if (status != EXIT_DONE) return status;
    snprintf(path, sizeof path, "/api/v1/accounts/%s%s", wallet.id, what);
    if (what[0] == '/' && strchr(what, '?') == NULL) { /* changes it */
        platform_random(platform, random);
        request.method = HTTP_POST;
        request.key = random;
        request.body = "{}";
    }
    return action_ask(platform, &request, show);
}

static enum exit_status action_open(struct platform *platform)
{
    return ask_account(platform, "", show_one);
}

static enum exit_status action_freeze(struct platform *platform)
{
    return ask_account(platform, "/freeze", show_one);
}

static enum exit_status action_unfreeze(struct platform *platform)
{
    return ask_account(platform, "/unfreeze", show_one);
}

static enum exit_status action_list(struct platform *platform)
{
    struct request request = {
        .service = "account", .method = HTTP_GET, .path = "/api/v1/accounts?limit=1000"};

    return action_ask(platform, &request, show_list);
}

/* --- its statement --- */

static void show_statement(struct platform *platform, const struct reply *reply)
{
    static const struct column columns[] = {{"booked", false}, {"what", false},  {"payment", false},
                                            {"debit", true},   {"credit", true}, {"balance", true},
                                            {NULL, false}};
    const cJSON *row;
    struct table table;

    if (!table_begin(&table, &platform->command->out, columns)) return;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(reply->json, "data"))
    {
        table_cell(&table, "%.19s", json_member(row, "booked_at"));
        table_cell(&table, "%s", json_member(row, "kind"));
        table_cell(&table, "%s", json_member(row, "payment"));
        table_cell(&table, "%s", json_member(row, "debit"));
        table_cell(&table, "%s", json_member(row, "credit"));
        table_cell(&table, "%s", json_member(row, "balance"));
    }
    table_end(&table);
}

static enum exit_status action_statement(struct platform *platform)
{
    const struct command *command = platform->command;
    uint64_t limit = given(command, OPT_LIMIT) ? u64_of(command, OPT_LIMIT) : 100;
    char what[80];

    snprintf(what, sizeof what, "/statement?limit=%llu&sort=%stime", (unsigned long long)limit,
             given(command, OPT_NEWEST) ? "-" : "");
    return ask_account(platform, what, show_statement);
}

enum exit_status verb_wallet(struct command *command)
{
    static const struct action actions[] = {
        {"open", 1, 1, action_open},           {"list", 0, 0, action_list},
        {"freeze", 1, 1, action_freeze},       {"unfreeze", 1, 1, action_unfreeze},
        {"statement", 1, 1, action_statement}, {.name = NULL},
    };

    return action_run(command, actions);
}
