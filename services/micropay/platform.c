/* Requests of verbs to the platform. */
#include "platform.h"

#include "http/router.h"
#include "wire/buffer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_MS = 40000, HEADERS_MAX = 6, PORT_BASE = 8080 };

/* --- answers --- */

const char *json_member(const cJSON *json, const char *path)
{
    char name[64];
    const char *text;

    while (json != NULL && *path != '\0') {
        size_t length = strcspn(path, ".");

        snprintf(name, sizeof name, "%.*s", (int)length, path);
        json = cJSON_IsArray(json) ? cJSON_GetArrayItem(json, atoi(name))
                                   : cJSON_GetObjectItemCaseSensitive(json, name);
        path += length + (path[length] == '.');
    }
    text = cJSON_GetStringValue(json);
    return text != NULL ? text : "";
}

const char *reply_text(const struct reply *reply, const char *path)
{
    return json_member(reply->json, path);
}

void reply_done(struct reply *reply)
{
    cJSON_Delete(reply->json);
    free(reply->body);
    *reply = (struct reply){0};
}

void reply_copy(const struct reply *reply, struct reply *out)
{
    *out = *reply;
    out->body = reply->body != NULL ? need_copy(reply->body) : NULL;
    out->json = cJSON_Duplicate(reply->json, true);
}

/* --- where it is --- */

/* A small file as text; NULL if it can't be read. */
static char *read_text(const char *directory, const char *name)
{
    struct buffer path = {0}, text = {0};
    char part[1024];
    size_t length;
    FILE *file;

    buffer_format(&path, "%s/%s", directory, name);
    file = fopen(path.bytes, "re");
    buffer_done(&path);
    if (file == NULL) return NULL;
    while ((length = fread(part, 1, sizeof part, file)) > 0 && text.length < 65536)
        buffer_add(&text, part, length);
    fclose(file);
    buffer_add(&text, "", 0);
    if (text.bytes == NULL) return need_copy("");
    return text.bytes;
}

static const char *from_option(const struct command *command, enum option option,
                               const char *variable, const char *otherwise)
{
    const char *value = getenv(variable);

    if (given(command, option)) return command->values[option].text;
    return value != NULL && value[0] != '\0' ? value : otherwise;
}

static bool read_test_key(struct platform *platform)
{
    char *file = read_text(platform->data, "test-key");

    if (file == NULL) {
        complain(platform->command,
                 "no API key: MICROPAY_KEY isn't set, and there is no %s/test-key", platform->data);
        fprintf(stderr,
                "  Start the platform by 'micropay up', or say where its data is by --data.\n");
        return false;
    }
    snprintf(platform->key, sizeof platform->key, "%.*s", (int)strcspn(file, "\r\n"), file);
    free(file);
    return true;
}

static enum exit_status open_client(struct platform *platform)
{
    struct error err = {0};

    if (platform->url == NULL) platform_again(platform);
    if (loop_open(&platform->loop, &err) == OUTCOME_DONE &&
        http_client_open(platform->loop, &platform->client, &err) == OUTCOME_DONE)
        return EXIT_DONE;
    complain(platform->command, "%s", err.message);
    platform_close(platform);
    return EXIT_LEDGER;
}

enum exit_status platform_open(struct command *command, struct platform *out)
{
    const char *key = getenv("MICROPAY_KEY");

    *out = (struct platform){.command = command};
    out->data = from_option(command, OPT_DATA, "MICROPAY_DATA", "./data");
    out->url = from_option(command, OPT_URL, "MICROPAY_URL", NULL);
    if (key != NULL && key[0] != '\0')
        snprintf(out->key, sizeof out->key, "%s", key);
    else if (!read_test_key(out))
        return EXIT_LEDGER;
    return open_client(out);
}

enum exit_status platform_open_at(struct command *command, const char *data, struct platform *out)
{
    *out = (struct platform){.command = command, .data = data};
    return read_test_key(out) ? open_client(out) : EXIT_LEDGER;
}

void platform_again(struct platform *platform)
{
    free(platform->addresses);
    platform->addresses = read_text(platform->data, "addresses");
}

void platform_close(struct platform *platform)
{
    if (platform->client != NULL) http_client_close(platform->client);
    if (platform->loop != NULL) loop_close(platform->loop);
    free(platform->addresses);
    *platform = (struct platform){0};
}

bool platform_is_test(const struct platform *platform)
{
    return strncmp(platform->key, "mp_test_", 8) == 0;
}

bool platform_address(const struct platform *platform, const char *service, char *out, size_t size)
{
    const char *line = platform->addresses;
    size_t length = strlen(service);

    if (platform->url != NULL) {
        size_t end = strlen(platform->url);

        while (end > 0 && platform->url[end - 1] == '/') end--;
        snprintf(out, size, "%.*s", (int)end, platform->url);
        return true;
    }
    while (line != NULL && *line != '\0') {
        if (strncmp(line, service, length) == 0 && line[length] == ' ') {
            snprintf(out, size, "%.*s", (int)strcspn(line + length + 1, "\n"), line + length + 1);
            return true;
        }
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return false;
}

/* --- sending --- */

struct sending {
    struct platform *platform;
    void (*done)(void *context, const struct reply *reply);
    void *context;
    struct loop_task unknown; /* tells that the service isn't known */
    char url[1200], authorization[128], key[300];
};

static void finish(struct sending *sending, struct reply *reply)
{
    sending->done(sending->context, reply);
    reply_done(reply);
    free(sending);
}

static void on_reply(void *context, const struct http_reply *http, const struct error *err)
{
    struct sending *sending = context;
    struct reply reply = {.status = http->status};

    if (http->status == 0) {
        snprintf(reply.why, sizeof reply.why, "%s", err->message);
    } else {
        reply.body = need_copy(http->body);
        reply.json = cJSON_ParseWithLength(http->body, http->length);
        reply.replayed = http->header(http, "Idempotent-Replayed") != NULL;
    }
    finish(sending, &reply);
}

static void on_unknown(void *context)
{
    struct sending *sending = context;
    struct reply reply = {0};

    snprintf(reply.why, sizeof reply.why, "%s/addresses doesn't name the service %.40s",
             sending->platform->data, sending->url);
    finish(sending, &reply);
}

void platform_send(struct platform *platform, const struct request *request,
                   void (*done)(void *context, const struct reply *reply), void *context)
{
    struct sending *sending = need_memory(sizeof *sending);
    const char *headers[HEADERS_MAX] = {sending->authorization};
    struct http_call call = {.method = request->method, .done = on_reply, .context = sending};
    unsigned count = 1;
    char address[512];

    *sending = (struct sending){.platform = platform, .done = done, .context = context};
    if (!platform_address(platform, request->service, address, sizeof address)) {
        snprintf(sending->url, sizeof sending->url, "%s", request->service);
        sending->unknown = (struct loop_task){.run = on_unknown, .context = sending};
        loop_post(platform->loop, &sending->unknown);
        return;
    }
    snprintf(sending->url, sizeof sending->url, "%s%s", address, request->path);
    snprintf(sending->authorization, sizeof sending->authorization, "Authorization: Bearer %s",
             platform->key);
    if (request->key != NULL) {
        snprintf(sending->key, sizeof sending->key, "Idempotency-Key: %s", request->key);
        headers[count++] = sending->key;
    }
    for (unsigned i = 0; request->headers[i] != NULL; i++) headers[count++] = request->headers[i];
    call.url = sending->url;
    call.headers = headers;
    call.body = request->body;
    call.length = request->body != NULL ? strlen(request->body) : 0;
    call.timeout_ms = request->timeout_ms != 0 ? request->timeout_ms : TIMEOUT_MS;
    http_client_call(platform->client, &call);
}

void platform_run(struct platform *platform) { loop_run(platform->loop); }
void platform_stop(struct platform *platform) { loop_stop(platform->loop); }

struct asking {
    struct platform *platform;
    struct reply *out;
};

static void on_answer(void *context, const struct reply *reply)
{
    struct asking *asking = context;

    reply_copy(reply, asking->out);
    platform_stop(asking->platform);
}

enum exit_status platform_try(struct platform *platform, const struct request *request,
                              struct reply *out)
{
    struct asking asking = {platform, out};

    *out = (struct reply){0};
    platform_send(platform, request, on_answer, &asking);
    platform_run(platform);
    return reply_is_good(out) ? EXIT_DONE : out->status == 0 ? EXIT_LEDGER : EXIT_REFUSED;
}

enum exit_status platform_ask(struct platform *platform, const struct request *request,
                              struct reply *out)
{
    enum exit_status status = platform_try(platform, request, out);

    return status == EXIT_DONE ? status : platform_refused(platform, out);
}

/* --- words --- */

static bool is_shown(const char *name)
{
    static const char *const known[] = {"type",     "title",   "status", "detail",
                                        "instance", "traceid", "hint",   NULL};

    for (unsigned i = 0; known[i] != NULL; i++)
        if (strcmp(known[i], name) == 0) return true;
    return false;
}

enum exit_status platform_refused(const struct platform *platform, const struct reply *reply)
{
    const char *type = strrchr(reply_text(reply, "type"), '/');
    const cJSON *member, *fault;

    if (reply->status == 0) {
        complain(platform->command, "could not reach the platform: %s", reply->why);
        fprintf(stderr, "  Is 'micropay up' running? --data says where its data is, --url where it "
                        "listens.\n");
        return EXIT_LEDGER;
    }
    if (platform->command->json && reply->json != NULL) {
        fprintf(stderr, "%s\n", reply->body);
        return reply->status >= 500 ? EXIT_LEDGER : EXIT_REFUSED;
    }
    complain(platform->command, "%s (%s)", reply_text(reply, "detail"),
             type != NULL ? type + 1 : "not a problem of the platform");
    cJSON_ArrayForEach(fault, cJSON_GetObjectItem(reply->json, "errors"))
        fprintf(stderr, "  %s %s\n", json_member(fault, "field"), json_member(fault, "message"));
    cJSON_ArrayForEach(member, reply->json) if (cJSON_IsString(member) && !is_shown(member->string))
        fprintf(stderr, "  %-10s %s\n", member->string,
                platform_name(platform, member->valuestring));
    if (reply_text(reply, "hint")[0] != '\0') fprintf(stderr, "  %s\n", reply_text(reply, "hint"));
    return reply->status >= 500 ? EXIT_LEDGER : EXIT_REFUSED;
}

void platform_remember(struct platform *platform, const char *id, const char *name)
{
    unsigned i = platform->name_count < PLATFORM_NAMES_MAX ? platform->name_count++ : 0;

    snprintf(platform->names[i].id, sizeof platform->names[i].id, "%s", id);
    snprintf(platform->names[i].name, sizeof platform->names[i].name, "%s", name);
}

const char *platform_name(const struct platform *platform, const char *id)
{
    for (unsigned i = 0; i < platform->name_count; i++)
        if (strcmp(platform->names[i].id, id) == 0) return platform->names[i].name;
    return id;
}

void platform_random(struct platform *platform, char out[33])
{
    uint8_t bytes[16];

    loop_random(platform->loop, bytes, sizeof bytes);
    for (unsigned i = 0; i < sizeof bytes; i++) snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

/* A word in single quotes for a shell. */
static void add_quoted(struct text *out, const char *word)
{
    text_char(out, '\'');
    for (; *word != '\0'; word++) {
        if (*word == '\'')
            text_string(out, "'\\''");
        else
            text_char(out, *word);
    }
    text_char(out, '\'');
}

void platform_curl(struct platform *platform, const struct request *request, struct text *out)
{
    char address[512] = "";

    platform_address(platform, request->service, address, sizeof address);
    text_format(out, "curl -sS -i -X %s %s%s", http_method_name(request->method), address,
                request->path);
    text_string(out, " \\\n  -H \"Authorization: Bearer $MICROPAY_KEY\"");
    if (request->key != NULL) {
        text_string(out, " \\\n  -H 'Idempotency-Key: ");
        text_string(out, request->key);
        text_char(out, '\'');
    }
    for (unsigned i = 0; request->headers[i] != NULL; i++) {
        text_string(out, " \\\n  -H ");
        add_quoted(out, request->headers[i]);
    }
    if (request->body != NULL) {
        text_string(out, " \\\n  -H 'Content-Type: application/json' -d ");
        add_quoted(out, request->body);
    }
    text_char(out, '\n');
}
