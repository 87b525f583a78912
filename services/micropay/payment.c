/* payment: captures, increases, extends, cancels, refunds, shows the newest payment or another */
#include "actions.h"
#include "payments.h"
#include "table.h"

#include "wire/amount.h"
#include "wire/times.h"

#include <stdio.h>
#include <string.h>

/* --- asking --- */

static void show(struct platform *platform, const struct reply *reply)
{
    payment_bill(platform, reply->json);
    if (reply->replayed)
        text_string(&platform->command->out, "The key was used before: nothing happened again.\n");
}

/* POSTs to the payment, and shows it as it stands then. */
static enum exit_status change(struct platform *platform, const char *what, const char *body)
{
    const struct command *command = platform->command;
    char id[37], path[100], random[33];
    struct request request = {.service = "payment",
                              .method = HTTP_POST,
                              .path = path,
                              .key = random,
                              .body = body,
                              .headers = {"Prefer: wait=30"}};
    enum exit_status status = payment_id(platform, id);

    if (status != EXIT_DONE) return status;
    platform_random(platform, random);
    if (given(command, OPT_KEY)) request.key = command->values[OPT_KEY].text;
    snprintf(path, sizeof path, "/api/v1/payments/%s/%s", id, what);
    if (given(command, OPT_CURL)) {
        platform_curl(platform, &request, &platform->command->out);
        return EXIT_DONE;
    }
    return action_ask(platform, &request, show);
}

/* The amount behind the action as a body, `more` behind it; without one just that. */
static enum exit_status body_of(const struct platform *platform, const char *more, char *out,
                                size_t size)
{
    const struct command *command = platform->command;
    struct amount amount;

    if (command->count < 2) {
        snprintf(out, size, "{%s}", more);
        return EXIT_DONE;
    }
    if (!amount_read(command->arguments[1], &amount))
        return usage_error(command, "'%s' is no amount, such as 12.50", command->arguments[1]);
    snprintf(out, size, "{\"amount\":\"%.40s\"%s%s}", command->arguments[1],
             more[0] != '\0' ? "," : "", more);
    return EXIT_DONE;
}

static enum exit_status change_amount(struct platform *platform, const char *what, const char *more)
{
    char body[160];
    enum exit_status status = body_of(platform, more, body, sizeof body);

    return status == EXIT_DONE ? change(platform, what, body) : status;
}

/* --- actions --- */

static enum exit_status action_capture(struct platform *platform)
{
    return change_amount(platform, "captures",
                         given(platform->command, OPT_FINAL) ? "\"final\":true" : "");
}

static enum exit_status action_increase(struct platform *platform)
{
    return change_amount(platform, "increments", "");
}

static enum exit_status action_refund(struct platform *platform)
{
    return change_amount(platform, "refunds", "");
}

static enum exit_status action_cancel(struct platform *platform)
{
    return change(platform, "cancel", "{}");
}

static enum exit_status action_extend(struct platform *platform)
{
    const struct command *command = platform->command;
    char body[80];
    uint64_t seconds;

    if (!duration_read(command->arguments[1], &seconds))
        return usage_error(command, "'%s' is no length of time, such as P7D or PT12H",
                           command->arguments[1]);
    snprintf(body, sizeof body, "{\"hold_for\":\"%.40s\"}", command->arguments[1]);
    return change(platform, "extensions", body);
}

static enum exit_status action_show(struct platform *platform)
{
    char id[37], path[100];
    struct request request = {.service = "payment", .method = HTTP_GET, .path = path};
    enum exit_status status = payment_id(platform, id);

    if (status != EXIT_DONE) return status;
    snprintf(path, sizeof path, "/api/v1/payments/%s", id);
    return action_ask(platform, &request, show);
}

static void show_list(struct platform *platform, const struct reply *reply)
{
    static const struct column columns[] = {
        {"created", false}, {"payment", false}, {"kind", false}, {"amount", true},
        {"", false},        {"status", false},  {NULL, false}};
    struct table table;
    const cJSON *row;

    if (!table_begin(&table, &platform->command->out, columns)) return;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(reply->json, "data"))
    {
        table_cell(&table, "%.19s", json_member(row, "created_at"));
        table_cell(&table, "%s", json_member(row, "id"));
        table_cell(&table, "%s", json_member(row, "kind"));
        table_cell(&table, "%s", json_member(row, "amount"));
        table_cell(&table, "%s", json_member(row, "currency"));
        table_cell(&table, "%s", json_member(row, "status"));
    }
    table_end(&table);
}

static enum exit_status action_list(struct platform *platform)
{
    const struct command *command = platform->command;
    char path[100];
    struct request request = {.service = "payment", .method = HTTP_GET, .path = path};
    uint64_t limit = given(command, OPT_LIMIT) ? u64_of(command, OPT_LIMIT) : 20;

    snprintf(path, sizeof path, "/api/v1/payments?limit=%llu", (unsigned long long)limit);
    return action_ask(platform, &request, show_list);
}

enum exit_status verb_payment(struct command *command)
{
    static const struct action actions[] = {
        {"capture", 0, 1, action_capture}, {"increase", 1, 1, action_increase},
        {"extend", 1, 1, action_extend},   {"cancel", 0, 0, action_cancel},
        {"refund", 0, 1, action_refund},   {"show", 0, 0, action_show},
        {"list", 0, 0, action_list},       {.name = NULL},
    };

    return action_run(command, actions);
}
