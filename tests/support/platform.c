/* The platform for tests. */
#include "support/platform.h"

#include "http/openapi.h"
#include "ledger/port.h"
#include "security/scopes.h"
#include "wire/buffer.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct platform {
    struct platform_options options;
    struct sim *sim;
    struct loop *loop;
    struct settings_loaded *settings;
    struct process *process;
    char directory[64];
    struct platform_reply reply;
    bool answered;
};

static _Noreturn void give_up(const char *what, const struct error *err)
{
    fprintf(stderr, "%s: %s (%s)\n", what, err->message, err->detail);
    for (unsigned i = 0; i < err->fault_count && i < ERROR_FAULTS_MAX; i++)
        fprintf(stderr, "  %s %s\n", err->faults[i].field, err->faults[i].message);
    abort();
}

/* --- callers --- */

static enum outcome authenticate(void *context, struct http_exchange *exchange, struct error *err)
{
    const char *header = http_header(exchange, "Authorization");
    char mode[8] = "", words[256] = "";

    (void)context;
    if (header == NULL ||
        sscanf(header, "%32s %7s %255[^\n]", exchange->caller.tenant, mode, words) < 2)
        return error_set(err, REASON_UNAUTHORIZED, "who asks?");
    exchange->caller.live = strcmp(mode, "live") == 0;
    exchange->caller.owner.bytes[0] = (uint8_t)exchange->caller.tenant[0];
    exchange->caller.scopes = UINT64_MAX;
    if (words[0] != '\0' && !scopes_read(words, &exchange->caller.scopes)) abort();
    return OUTCOME_DONE;
}

/* --- services ask each other --- */

struct asking {
    void (*done)(void *context, const struct http_reply *reply, const struct error *err);
    void *context;
    const struct http_memory_reply *memory;
    struct http_reply reply;
};

static const char *asked_header(const struct http_reply *reply, const char *name)
{
    const struct asking *asking =
        (const struct asking *)((const char *)reply - offsetof(struct asking, reply));

    return http_memory_reply_header(asking->memory, name);
}

static void ask_answered(void *context, const struct http_memory_reply *memory)
{
    struct asking *asking = context;
    struct error err = {0};

    asking->memory = memory;
    asking->reply = (struct http_reply){.status = memory->status,
                                        .body = memory->body,
                                        .length = memory->length,
                                        .header = asked_header};
    if (memory->status == 0) error_set(&err, REASON_TIMEOUT, "the process died");
    asking->done(asking->context, &asking->reply, memory->status == 0 ? &err : NULL);
    free(asking);
}

struct no_service {
    struct loop_task task;
    struct asking *asking;
};

static void tell_nobody(void *context)
{
    struct no_service *no = context;
    struct http_memory_reply nothing = {.body = ""};

    ask_answered(no->asking, &nothing);
    free(no);
}

static void ask(void *context, const char *service, const struct caller *caller,
                const struct http_call *call)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE"};
    struct platform *platform = context;
    struct http_router *router = process_router(platform->process, service);
    struct asking *asking = need_memory(sizeof *asking);
    const char *headers[24];
    char authorization[96];
    unsigned count = 0;

    asking->done = call->done;
    asking->context = call->context;
    if (router == NULL) {
        struct no_service *no = need_memory(sizeof *no);

        *no = (struct no_service){{.run = tell_nobody, .context = no}, asking};
        loop_post(platform->loop, &no->task);
        return;
    }
    snprintf(authorization, sizeof authorization, "Authorization: %s %s", caller->tenant,
             caller->live ? "live" : "test");
    headers[count++] = authorization;
    for (unsigned i = 0; call->headers != NULL && call->headers[i] != NULL && count < 23; i++)
        if (strncasecmp(call->headers[i], "Authorization:", 14) != 0)
            headers[count++] = call->headers[i];
    headers[count] = NULL;
    http_memory_call_bytes(router, platform->loop, methods[call->method], call->url, headers,
                           call->body, call->length, ask_answered, asking);
}

/* --- answers --- */

/* Whatever a test asks: an answer must be one that the route's row says. */
static void check_answer(void *context, const struct http_exchange *exchange, unsigned status,
                         uint64_t elapsed_ns)
{
    static const char problems[] = "https://micropay.dev/problems/";
    const struct http_route *route = exchange->route;
    const char *type = strstr(buffer_str(&exchange->out), problems);
    struct error err = {0};
    char name[64];

    (void)context;
    (void)elapsed_ns;
    if (route == NULL) return;
    if (status < 400) {
        if (status == (route->success != 0 ? route->success : 200)) return;
        if (status == 202 && route->waits) return;
        error_set(&err, REASON_INTERNAL, "%s is answered %u", route->path, status);
        give_up("a status that no row has", &err);
    }
    if (type == NULL) return;
    type += strlen(problems);
    snprintf(name, sizeof name, "%.*s", (int)strcspn(type, "\""), type);
    if (openapi_refuses(route, reason_find(name))) return;
    error_set(&err, REASON_INTERNAL, "%s refuses with %s", route->path, name);
    give_up("a reason that the row doesn't have", &err);
}

/* --- life --- */

static const void *settings_of(void *context, const struct settings *section)
{
    return settings_values(((struct platform *)context)->settings, section);
}

static void load_settings(struct platform *platform)
{
    const struct settings *sections[PROCESS_SERVICES_MAX + 1] = {NULL};
    struct settings_sources sources = {0};
    struct error err = {0};
    unsigned count = 0;

    for (unsigned i = 0; platform->options.services[i] != NULL; i++)
        if (platform->options.services[i]->settings != NULL)
            sections[count++] = platform->options.services[i]->settings;
    for (const char *const *set = platform->options.sets; set != NULL && *set != NULL; set++)
        sources.sets[sources.set_count++] = *set;
    if (settings_load(&sources, sections, &platform->settings, &err) != OUTCOME_DONE)
        give_up("settings", &err);
}

static void open_process(struct platform *platform)
{
    struct process_config config = {
        .loop = platform->loop,
        .services = platform->options.services,
        .data = platform->directory,
        .env = sim_env(platform->sim),
        .ledger = "ledger",
        .ledger_flags = MP_OPEN_MANUAL,
        .ledger_memory = 32 << 20,
        .settings = settings_of,
        .settings_context = platform,
        .ask = ask,
        .ask_context = platform,
        .authenticate = authenticate,
        .observe = check_answer,
    };
    struct error err = {0};

    if (process_open(&config, &platform->process, &err) != OUTCOME_DONE) give_up("open", &err);
}

/* A directory in memory where there is one: what it syncs costs nothing. */
static void make_directory(struct platform *platform)
{
    struct stat shm;
    bool has = stat("/dev/shm", &shm) == 0 && access("/dev/shm", W_OK) == 0;

    snprintf(platform->directory, sizeof platform->directory, "%s/platform-XXXXXX",
             has ? "/dev/shm" : "/tmp");
    if (mkdtemp(platform->directory) == NULL) abort();
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
    (void)stat;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void remove_directory(const struct platform *platform)
{
    nftw(platform->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

struct platform *platform_make(const struct platform_options *options)
{
    struct platform *platform = need_memory(sizeof *platform);
    struct test_loop_options how = {.seed = options->seed, .shuffle = options->shuffle};

    platform->options = *options;
    platform->sim = sim_make(options->seed + 1);
    how.now_ns = sim_settings(platform->sim)->real_ns;
    platform->loop = test_loop_make(&how);
    make_directory(platform);
    load_settings(platform);
    open_process(platform);
    platform_run(platform);
    return platform;
}

static void forget_reply(struct platform *platform)
{
    cJSON_Delete(platform->reply.json);
    free(platform->reply.body);
    memset(&platform->reply, 0, sizeof platform->reply);
}

void platform_free(struct platform *platform)
{
    process_close(platform->process);
    http_memory_crash(platform->loop);
    settings_free(platform->settings);
    test_loop_free(platform->loop);
    sim_free(platform->sim);
    remove_directory(platform);
    forget_reply(platform);
    free(platform);
}

/* Copies what the process has written so far, as its death leaves it. */
static void copy_file(const char *from, const char *to)
{
    static char bytes[1 << 16];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    size_t length;

    if (in == NULL || out == NULL) abort();
    while ((length = fread(bytes, 1, sizeof bytes, in)) > 0)
        if (fwrite(bytes, 1, length, out) != length) abort();
    fclose(in);
    if (fclose(out) != 0) abort();
}

static void copy_directory(const char *from, const char *to)
{
    DIR *directory = opendir(from);
    struct dirent *entry;
    char paths[2][400];

    if (directory == NULL) abort();
    while ((entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] == '.') continue;
        snprintf(paths[0], sizeof paths[0], "%s/%s", from, entry->d_name);
        snprintf(paths[1], sizeof paths[1], "%s/%s", to, entry->d_name);
        copy_file(paths[0], paths[1]);
    }
    closedir(directory);
}

/* The new process goes on from a copy of what there was at this moment. So the old one can be
 * closed in order, which frees its memory: what it still writes, books and answers then is seen by
 * nobody.
 */
void platform_crash(struct platform *platform)
{
    struct platform before = *platform;

    platform->sim = sim_clone(before.sim);
    make_directory(platform);
    copy_directory(before.directory, platform->directory);
    process_close(before.process);
    http_memory_crash(platform->loop);
    test_loop_forget(platform->loop);
    sim_free(before.sim);
    remove_directory(&before);
    sim_kill(platform->sim);
    open_process(platform);
}

const char *platform_directory(const struct platform *platform) { return platform->directory; }
struct loop *platform_loop(struct platform *platform) { return platform->loop; }
struct process *platform_process(struct platform *platform) { return platform->process; }

void platform_run(struct platform *platform)
{
    bool worked = true, more;

    while (worked) {
        worked = test_loop_run(platform->loop) > 0;
        if (mp_step(process_ledger(platform->process), &more) != MP_OK) abort();
        worked |= more;
        worked |= ledger_port_drive(process_port(platform->process));
    }
}

bool platform_step(struct platform *platform)
{
    bool more = false;

    if (test_loop_step(platform->loop)) return true;
    if (mp_step(process_ledger(platform->process), &more) != MP_OK) abort();
    more |= ledger_port_drive(process_port(platform->process));
    return more;
}

void platform_pass(struct platform *platform, uint64_t ns)
{
    sim_pass(platform->sim, ns);
    test_loop_pass(platform->loop, ns);
    platform_run(platform);
}

/* --- requests --- */

void platform_send(struct platform *platform, const struct platform_request *request,
                   http_memory_on_answer on_answer, void *context)
{
    struct http_router *router = process_router(platform->process, request->service);
    char key[300], caller[300];
    const char *headers[4] = {caller};
    unsigned count = 1;

    if (router == NULL) abort();
    snprintf(caller, sizeof caller, "Authorization: %s",
             request->caller != NULL ? request->caller : "main test");
    if (request->key != NULL) {
        snprintf(key, sizeof key, "Idempotency-Key: %s", request->key);
        headers[count++] = key;
    }
    if (request->header != NULL) headers[count++] = request->header;
    http_memory_call(router, platform->loop, request->method, request->target, headers,
                     request->body, on_answer, context);
}

static void copy_header(const struct http_memory_reply *from, const char *name, char *out,
                        size_t size)
{
    const char *value = http_memory_reply_header(from, name);

    snprintf(out, size, "%s", value != NULL ? value : "");
}

static void keep_answer(void *context, const struct http_memory_reply *from)
{
    struct platform *platform = context;
    struct platform_reply *reply = &platform->reply;

    platform->answered = true;
    reply->status = from->status;
    reply->body = need_copy(from->body);
    reply->json = cJSON_Parse(from->body);
    copy_header(from, "Location", reply->location, sizeof reply->location);
    copy_header(from, "Micropay-Sequence", reply->sequence, sizeof reply->sequence);
    copy_header(from, "Idempotent-Replayed", reply->replayed, sizeof reply->replayed);
    copy_header(from, "Content-Type", reply->content_type, sizeof reply->content_type);
}

struct platform_reply *platform_call(struct platform *platform,
                                     const struct platform_request *request)
{
    forget_reply(platform);
    platform->answered = false;
    platform_send(platform, request, keep_answer, platform);
    platform_run(platform);
    for (unsigned i = 0; i < 4000 && !platform->answered; i++)
        platform_pass(platform, UINT64_C(10000000));
    return &platform->reply;
}

const char *reply_text(const struct platform_reply *reply, const char *path)
{
    static char texts[8][256];
    static unsigned turn;
    char *text = texts[turn++ % 8], name[64];
    const cJSON *at = reply->json;

    text[0] = '\0';
    while (at != NULL && *path != '\0') {
        size_t length = strcspn(path, ".");

        snprintf(name, sizeof name, "%.*s", (int)length, path);
        at = cJSON_IsArray(at) ? cJSON_GetArrayItem(at, atoi(name))
                               : cJSON_GetObjectItemCaseSensitive(at, name);
        path += length + (path[length] == '.');
    }
    if (cJSON_IsString(at)) snprintf(text, sizeof texts[0], "%s", at->valuestring);
    if (cJSON_IsNumber(at)) snprintf(text, sizeof texts[0], "%.0f", at->valuedouble);
    if (cJSON_IsBool(at))
        snprintf(text, sizeof texts[0], "%s", cJSON_IsTrue(at) ? "true" : "false");
    return text;
}
