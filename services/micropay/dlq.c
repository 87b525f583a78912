/* dlq, replay: events that a service could not apply, and reading a topic again */
#include "actions.h"
#include "table.h"

#include "services.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Of a service or a topic. */
static bool is_word(const char *text)
{
    return text[0] != '\0' && strlen(text) < 64 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789.-_") == strlen(text);
}

/* --- the list --- */

static const struct column list_columns[] = {
    {"service", false}, {"number", true},  {"parked", false},  {"type", false},
    {"key", false},     {"reason", false}, {"message", false}, {NULL, false}};

static void list_row(struct table *table, const char *service, const cJSON *letter)
{
    const char *type = json_member(letter, "type");

    table_cell(table, "%s", service);
    table_cell(table, "%s", json_member(letter, "number"));
    table_cell(table, "%.19s", json_member(letter, "parked_at"));
    table_cell(table, "%s", type[0] != '\0' ? type : "unreadable");
    table_cell(table, "%s", json_member(letter, "key"));
    table_cell(table, "%s", json_member(letter, "reason"));
    table_cell(table, "%s", json_member(letter, "message"));
}

/* Those of one service: a row, or a line of JSON, each. */
static enum exit_status list_of(struct platform *platform, const char *service, struct table *table)
{
    struct command *command = platform->command;
    uint64_t limit = given(command, OPT_LIMIT) ? u64_of(command, OPT_LIMIT) : 100;
    char path[100];
    struct request request = {.service = service, .method = HTTP_GET, .path = path};
    struct reply reply;
    const cJSON *letter;
    enum exit_status status;

    snprintf(path, sizeof path, "/api/v1/dead-letters?limit=%" PRIu64, limit);
    status = platform_ask(platform, &request, &reply);
    if (status == EXIT_DONE && command->json && reply.body[0] == '{') {
        text_format(&command->out, "{\"service\":\"%s\",", service);
        text_string(&command->out, reply.body + 1);
        text_char(&command->out, '\n');
    } else if (status == EXIT_DONE) {
        cJSON_ArrayForEach(letter, cJSON_GetObjectItem(reply.json, "data"))
            list_row(table, service, letter);
    }
    reply_done(&reply);
    return status;
}

static bool has_letters(const struct service *service)
{
    for (const struct http_route *r = service->routes; r != NULL && r->path != NULL; r++)
        if (strcmp(r->path, "/api/v1/dead-letters") == 0) return true;
    return false;
}

static enum exit_status list_into(struct platform *platform, struct table *table)
{
    const struct command *command = platform->command;
    enum exit_status status = EXIT_DONE;

    if (given(command, OPT_SERVICE))
        return list_of(platform, command->values[OPT_SERVICE].text, table);
    for (const struct service *const *s = services_all; *s != NULL && status == EXIT_DONE; s++)
        if (has_letters(*s)) status = list_of(platform, (*s)->name, table);
    return status;
}

static enum exit_status action_list(struct platform *platform)
{
    struct command *command = platform->command;
    enum exit_status status;
    struct table table;

    if (command->json) return list_into(platform, NULL);
    if (!table_begin(&table, &command->out, list_columns)) return EXIT_LEDGER;
    status = list_into(platform, &table);
    table_end(&table);
    return status;
}

/* --- one --- */

static void show_letter(struct platform *platform, const struct reply *reply)
{
    struct text *out = &platform->command->out;
    char *content = cJSON_Print(cJSON_GetObjectItem(reply->json, "content"));

    text_format(out, "dead letter %s  %s: %s\n", reply_text(reply, "number"),
                reply_text(reply, "reason"), reply_text(reply, "message"));
    text_format(out, "parked       %.19s\n", reply_text(reply, "parked_at"));
    text_format(out, "reader       %s\n", reply_text(reply, "reader"));
    text_format(out, "topic        %s, position %s\n", reply_text(reply, "topic"),
                reply_text(reply, "position"));
    text_format(out, "key          %s\n", reply_text(reply, "key"));
    if (content != NULL) {
        text_string(out, content);
        text_char(out, '\n');
    } else {
        text_string(out, "It is no event: its text isn't shown.\n");
    }
    cJSON_free(content);
}

static unsigned count_of(const struct reply *reply, const char *name)
{
    return (unsigned)cJSON_GetNumberValue(cJSON_GetObjectItem(reply->json, name));
}

static void show_replayed(struct platform *platform, const struct reply *reply)
{
    text_format(&platform->command->out, "applied %u, numbers %s to %s; %u of the key are left\n",
                count_of(reply, "applied"), reply_text(reply, "first"), reply_text(reply, "last"),
                count_of(reply, "waiting"));
}

static void show_dropped(struct platform *platform, const struct reply *reply)
{
    unsigned waiting = count_of(reply, "waiting");

    text_format(&platform->command->out, "dropped %s\n", reply_text(reply, "number"));
    if (waiting > 0)
        text_format(&platform->command->out,
                    "%u of its key stay parked; 'micropay dlq replay' of one applies them\n",
                    waiting);
}

/* Asks a service for the letter that argument 1 numbers, or to do something with it. */
static enum exit_status ask_letter(struct platform *platform, enum http_method method,
                                   const char *what,
                                   void (*show)(struct platform *, const struct reply *))
{
    const struct command *command = platform->command;
    const char *number = command->arguments[1];
    char path[100];
    struct request request = {.method = method, .path = path};

    if (strspn(number, "0123456789") != strlen(number) || strlen(number) > 19)
        return usage_error(command, "'%s' is no number of a dead letter", number);
    if (!given(command, OPT_SERVICE))
        return usage_error(command, "whose? --service names the service");
    request.service = command->values[OPT_SERVICE].text;
    snprintf(path, sizeof path, "/api/v1/dead-letters/%s%s", number, what);
    return action_ask(platform, &request, show);
}

static enum exit_status action_show(struct platform *platform)
{
    return ask_letter(platform, HTTP_GET, "", show_letter);
}

static enum exit_status action_drop(struct platform *platform)
{
    return ask_letter(platform, HTTP_POST, "/drop", show_dropped);
}

static enum exit_status action_replay(struct platform *platform)
{
    return ask_letter(platform, HTTP_POST, "/replay", show_replayed);
}

enum exit_status verb_dlq(struct command *command)
{
    static const struct action actions[] = {
        {"list", 0, 0, action_list},
        {"show", 1, 1, action_show},
        {"replay", 1, 1, action_replay},
        {"drop", 1, 1, action_drop},
        {.name = NULL},
    };

    if (given(command, OPT_SERVICE) && !is_word(command->values[OPT_SERVICE].text))
        return usage_error(command, "'%s' is no service", command->values[OPT_SERVICE].text);
    return action_run(command, actions);
}

/* --- reading again --- */

static void show_begun(struct platform *platform, const struct reply *reply)
{
    text_format(&platform->command->out, "%s reads %s again, from behind position %s\n",
                reply_text(reply, "reader"), reply_text(reply, "topic"),
                reply_text(reply, "position"));
}

enum exit_status verb_replay(struct command *command)
{
    char body[240];
    struct platform platform;
    struct request request = {.service = command->arguments[0],
                              .method = HTTP_POST,
                              .path = "/api/v1/replay",
                              .body = body};
    enum exit_status status;

    for (unsigned i = 0; i < 2; i++)
        if (!is_word(command->arguments[i]))
            return usage_error(command, "'%s' is no %s", command->arguments[i],
                               i == 0 ? "service" : "topic");
    snprintf(body, sizeof body, "{\"reader\":\"%s\",\"topic\":\"%s\",\"position\":\"%" PRIu64 "\"}",
             command->arguments[0], command->arguments[1], u64_of(command, OPT_AFTER_RECORD));
    status = platform_open(command, &platform);
    if (status != EXIT_DONE) return status;
    status = action_ask(&platform, &request, show_begun);
    platform_close(&platform);
    return status;
}
