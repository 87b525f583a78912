/* The life of a program of services. */
#include "runtime/run.h"

#include "http/openapi.h"
#include "observe/exchange.h"
#include "observe/log.h"
#include "observe/trace.h"
#include "runtime/common.h"
#include "runtime/health.h"
#include "runtime/process.h"
#include "runtime/stop.h"
#include "security/keys.h"
#include "wire/buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_CUT_SHORT = 1, EXIT_BAD_SETTING = 2, EXIT_FAILED = 3, FIRST_PORT = 8080 };

/* A service's server. */
struct desk {
    struct run *run;
    const struct service *service;
    struct health *health;
    struct http_server *server;
    struct buffer openapi;
    unsigned port;
};

struct run {
    const struct program *program;
    struct settings_loaded *loaded;
    const struct common_settings *common;
    struct loop *loop;
    struct stop *stop;
    struct keys *keys;
    struct http_client *client;
    struct process *process;
    struct desk desks[PROCESS_SERVICES_MAX];
    unsigned desk_count;
    unsigned draining;
    bool in_time;
    struct buffer shorts[SETTINGS_SETS_MAX]; /* what short options set, as --set would say it */
    unsigned short_count;
    uint64_t started_ns;
};

extern char **environ;

/* --- saying what is wrong --- */

static void complain(const struct run *run, const struct error *err)
{
    fprintf(stderr, "%s: %s\n", run->program->name, err->message);
    for (unsigned i = 0; i < err->fault_count && i < ERROR_FAULTS_MAX; i++)
        fprintf(stderr, "  %s: %s\n", err->faults[i].field, err->faults[i].message);
    if (err->detail[0] != '\0') fprintf(stderr, "  %s\n", err->detail);
    if (err->hint[0] != '\0') fprintf(stderr, "  %s\n", err->hint);
}

/* --- settings --- */

static void help(const struct program *program)
{
    printf(
        "usage: %s [--config FILE]... [--set NAME=VALUE]... [--data DIR] [--port-base N]\n\n%s\n\n"
        "  --config FILE     settings, as NAME = VALUE lines; a later file wins\n"
        "  --set NAME=VALUE  one setting\n"
        "  --data DIR        where everything is kept; the same as --set data=DIR\n"
        "  --port-base N     port of the first service; 0 takes free ones\n"
        "  --print-config    shows each setting and where it comes from, and ends\n"
        "  --help-settings   shows all settings, and ends\n\n"
        "Examples:\n"
        "  %s --data /srv/micropay --port-base 9000\n"
        "  MICROPAY_DATA=/srv/micropay %s\n",
        program->name, program->help, program->name, program->name);
}

/* The options that are short for a setting. */
static bool short_option(struct run *run, struct settings_sources *sources, int argc,
                         char *const *argv, int *at)
{
    static const struct {
        const char *option, *setting;
    } shorts[] = {{"--data", "data"}, {"--port-base", "port_base"}};

    for (unsigned i = 0; i < sizeof shorts / sizeof *shorts; i++) {
        struct buffer *set = &run->shorts[run->short_count];

        if (strcmp(argv[*at], shorts[i].option) != 0 || *at + 1 >= argc) continue;
        if (sources->set_count == SETTINGS_SETS_MAX) return false;
        buffer_format(set, "%s=%s", shorts[i].setting, argv[++*at]);
        sources->sets[sources->set_count++] = buffer_str(set);
        run->short_count++;
        return true;
    }
    return false;
}

static int read_settings(struct run *run, int argc, char **argv)
{
    static const struct settings *sections[PROCESS_SERVICES_MAX + 2] = {&common_settings};
    static const char *others[PROCESS_SERVICES_MAX + 1];
    struct settings_sources sources = {.environment = environ, .others = others};
    struct error err = {0};
    struct buffer text = {0};
    unsigned count = 1, other_count = 0;

    for (const struct service *const *s = run->program->services; *s != NULL; s++)
        if ((*s)->settings != NULL) sections[count++] = (*s)->settings;
    for (const struct service *const *s = run->program->all; *s != NULL; s++)
        others[other_count++] = (*s)->name;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            help(run->program);
            return 0;
        }
        if (short_option(run, &sources, argc, argv, &i)) continue;
        if (settings_argument(&sources, argc, argv, &i, &err)) continue;
        fprintf(stderr, "%s: there is no option \"%s\"; --help lists them\n", run->program->name,
                argv[i]);
        return EXIT_BAD_SETTING;
    }
    if (sources.help_settings) {
        for (unsigned i = 0; i < count; i++) settings_print_help(sections[i], &text);
        fputs(buffer_str(&text), stdout);
        return 0;
    }
    if (settings_load(&sources, sections, &run->loaded, &err) != OUTCOME_DONE) {
        complain(run, &err);
        return EXIT_BAD_SETTING;
    }
    if (sources.print_config) {
        settings_print(run->loaded, &text);
        fputs(buffer_str(&text), stdout);
        return 0;
    }
    run->common = settings_values(run->loaded, &common_settings);
    return -1;
}

static const void *settings_of(void *context, const struct settings *section)
{
    return settings_values(((struct run *)context)->loaded, section);
}

/* --- services ask each other --- */

static unsigned port_of(const struct run *run, const char *service)
{
    for (unsigned i = 0; i < run->desk_count; i++)
        if (strcmp(run->desks[i].service->name, service) == 0) return run->desks[i].port;
    for (const struct service *const *s = run->program->all; *s != NULL; s++)
        if (strcmp((*s)->name, service) == 0)
            return run->common->port_base + ((*s)->port - FIRST_PORT);
    return 0;
}

static void ask(void *context, const char *service, const struct caller *caller,
                const struct http_call *call)
{
    struct run *run = context;
    struct http_call copy = *call;
    const char *headers[24];
    char url[512], authorization[INTERNAL_KEY_MAX + 32], tenant[64];
    unsigned count = 0;

    snprintf(url, sizeof url, "http://%s:%u%s", run->common->listen, port_of(run, service),
             call->url);
    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s",
             keys_internal(run->keys));
    snprintf(tenant, sizeof tenant, "Micropay-Tenant: %s", caller->tenant);
    headers[count++] = authorization;
    headers[count++] = tenant;
    headers[count++] = caller->live ? "Micropay-Mode: live" : "Micropay-Mode: test";
    for (unsigned i = 0; call->headers != NULL && call->headers[i] != NULL && count < 23; i++)
        headers[count++] = call->headers[i];
    headers[count] = NULL;
    copy.url = url;
    copy.headers = headers;
    http_client_call(run->client, &copy);
}

/* --- starting --- */

static enum outcome make_data(const struct run *run, struct error *err)
{
    if (mkdir(run->common->data, 0700) == 0 || errno == EEXIST) return OUTCOME_DONE;
    error_set(err, REASON_BAD_SETTING, "could not make the directory %s: %s", run->common->data,
              strerror(errno));
    error_hint(err, "Set MICROPAY_DATA, or --data, to a directory that can be made.");
    return err->outcome;
}

static enum outcome open_keys(struct run *run, struct error *err)
{
    struct buffer url = {0};
    struct keys_config config = {.loop = run->loop, .internal_key = run->common->internal_key};
    enum outcome outcome;

    buffer_format(&url, "sqlite:%s/security.db", run->common->data);
    config.url = url.bytes;
    outcome = keys_open(&config, &run->keys, err);
    buffer_done(&url);
    return outcome;
}

static enum outcome open_process(struct run *run, struct error *err)
{
    struct process_config config = {
        .loop = run->loop,
        .services = run->program->services,
        .data = run->common->data,
        .ledger_memory = run->common->ledger_memory,
        .settings = settings_of,
        .settings_context = run,
        .ask = ask,
        .ask_context = run,
        .authenticate = keys_authenticate,
        .authenticate_context = run->keys,
        .observe = observe_exchange,
    };

    return process_open(&config, &run->process, err);
}

static bool check_ready(void *context, struct error *err)
{
    const struct desk *desk = context;

    return process_ready(desk->run->process, desk->service->name, err);
}

static void set_metrics(void *context) { process_metrics(((struct run *)context)->process); }

static enum outcome open_desk(struct run *run, const struct service *service, struct error *err)
{
    struct http_limits limits = {
        .body_max = run->common->body_max,
        .headers_max = run->common->headers_max,
        .connections = run->common->connections_max,
        .request_ms = run->common->request_timeout_ms,
        .idle_ms = run->common->idle_timeout_ms,
    };
    struct http_router *router = process_router(run->process, service->name);
    struct desk *desk = &run->desks[run->desk_count++];
    unsigned port =
        run->common->port_base == 0 ? 0 : run->common->port_base + (service->port - FIRST_PORT);
    enum outcome outcome;

    desk->run = run;
    desk->service = service;
    desk->health = health_make(service->name);
    health_add(desk->health, "service", check_ready, desk);
    health_on_metrics(desk->health, set_metrics, run);
    http_router_add(router, health_routes, desk->health);
    openapi_print(service, &desk->openapi);
    http_router_add(router, openapi_routes, &desk->openapi);
    outcome =
        http_server_open(run->loop, run->common->listen, port, &limits, router, &desk->server, err);
    if (outcome != OUTCOME_DONE) return outcome;
    desk->port = http_server_port(desk->server);
    health_started(desk->health);
    return OUTCOME_DONE;
}

static enum outcome open_desks(struct run *run, struct error *err)
{
    enum outcome outcome = OUTCOME_DONE;

    for (const struct service *const *s = run->program->services;
         *s != NULL && outcome == OUTCOME_DONE; s++)
        if ((*s)->routes != NULL) outcome = open_desk(run, *s, err);
    return outcome;
}

/* --- the test key --- */

static bool read_key(const char *path, char text[KEY_TEXT_MAX + 1])
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length;

    if (file < 0) return false;
    length = read(file, text, KEY_TEXT_MAX);
    close(file);
    text[length > 0 ? length : 0] = '\0';
    return length == KEY_TEXT_MAX;
}

static bool write_key(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool written;

    if (file < 0) return false;
    written = write(file, text, strlen(text)) == (ssize_t)strlen(text);
    return close(file) == 0 && written;
}

/* The key of tenant `main` in test mode, by which the examples work. Kept in a file, which no live
 * key ever is. */
static enum outcome test_key(struct run *run, char text[KEY_TEXT_MAX + 1], struct error *err)
{
    struct key_request request = {.tenant = "main"};
    struct api_key key;
    char path[1100];
    enum outcome outcome;

    snprintf(path, sizeof path, "%s/test-key", run->common->data);
    if (read_key(path, text) && keys_find(run->keys, text) != NULL) return OUTCOME_DONE;
    for (const struct scope *scope = scopes; scope->name != NULL; scope++)
        if (strcmp(scope->name, "internal") != 0) request.scopes |= scope_bit(scope->name);
    outcome = keys_make(run->keys, &request, &key, text, err);
    if (outcome != OUTCOME_DONE) return outcome;
    if (!write_key(path, text))
        return error_set(err, REASON_BAD_SETTING, "could not write %s: %s", path, strerror(errno));
    return OUTCOME_DONE;
}

/* Says in DATA/addresses where each service is: "NAME URL" lines, for the command's verbs. */
static enum outcome write_addresses(const struct run *run, struct error *err)
{
    char path[1100];
    FILE *file;
    bool written;

    snprintf(path, sizeof path, "%s/addresses", run->common->data);
    file = fopen(path, "we");
    if (file == NULL)
        return error_set(err, REASON_BAD_SETTING, "could not write %s: %s", path, strerror(errno));
    for (unsigned i = 0; i < run->desk_count; i++)
        fprintf(file, "%s http://%s:%u\n", run->desks[i].service->name, run->common->listen,
                run->desks[i].port);
    written = ferror(file) == 0;
    if (fclose(file) == 0 && written) return OUTCOME_DONE;
    return error_set(err, REASON_BAD_SETTING, "could not write %s: %s", path, strerror(errno));
}

static enum outcome announce_start(struct run *run, struct error *err)
{
    char key[KEY_TEXT_MAX + 1];
    double ms = (double)(loop_elapsed_ns(run->loop) - run->started_ns) / 1e6;

    for (unsigned i = 0; i < run->desk_count; i++)
        printf("%-12s http://%s:%u  ready\n", run->desks[i].service->name, run->common->listen,
               run->desks[i].port);
    if (run->program->test_key) {
        if (write_addresses(run, err) != OUTCOME_DONE) return err->outcome;
        if (test_key(run, key, err) != OUTCOME_DONE) return err->outcome;
        printf("\ntest key     export MICROPAY_KEY=%s\n", key);
    }
    printf("data         %s\nready in %.0f ms; Ctrl-C drains and ends\n", run->common->data, ms);
    fflush(stdout);
    log_info(&(struct log_about){.action = "process.started"}, "ready in %.0f ms", ms);
    return OUTCOME_DONE;
}

static enum outcome start(struct run *run, struct error *err)
{
    enum outcome outcome = make_data(run, err);

    if (outcome == OUTCOME_DONE) outcome = open_keys(run, err);
    if (outcome == OUTCOME_DONE) outcome = http_client_open(run->loop, &run->client, err);
    if (outcome == OUTCOME_DONE) outcome = open_process(run, err);
    if (outcome == OUTCOME_DONE) outcome = open_desks(run, err);
    if (outcome == OUTCOME_DONE) outcome = announce_start(run, err);
    return outcome;
}

/* --- ending --- */

static void one_drained(void *context)
{
    struct run *run = context;

    if (--run->draining == 0) stop_drained(run->stop);
}

static void desks_drained(void *context)
{
    struct run *run = context;

    if (--run->draining > 1) return;
    process_drain(run->process, one_drained, run);
}

static void drain(void *context)
{
    struct run *run = context;

    run->draining = run->desk_count + 1;
    for (unsigned i = 0; i < run->desk_count; i++) health_draining(run->desks[i].health);
    process_end_waits(run->process);
    for (unsigned i = 0; i < run->desk_count; i++)
        http_server_drain(run->desks[i].server, desks_drained, run);
    if (run->desk_count == 0) process_drain(run->process, one_drained, run);
}

static void end(void *context, bool in_time)
{
    struct run *run = context;

    run->in_time = in_time;
    loop_stop(run->loop);
}

static void reload(void *context)
{
    struct run *run = context;
    struct error err = {0};
    struct buffer later = {0};

    if (settings_reload(run->loaded, &later, &err) != OUTCOME_DONE)
        log_error(&(struct log_about){.action = "settings.refused", .err = &err},
                  "the settings stay as they are");
    else
        log_info(&(struct log_about){.action = "settings.reloaded"},
                 "settings were read again; after a restart alone: %s", buffer_str(&later));
    log_level_set((enum log_level)run->common->log_level);
    buffer_done(&later);
}

static void close_all(struct run *run)
{
    for (unsigned i = run->desk_count; i-- > 0;)
        if (run->desks[i].server != NULL) http_server_close(run->desks[i].server);
    if (run->process != NULL) process_close(run->process);
    for (unsigned i = run->desk_count; i-- > 0;) {
        health_free(run->desks[i].health);
        buffer_done(&run->desks[i].openapi);
    }
    trace_stop();
    if (run->client != NULL) http_client_close(run->client);
    keys_close(run->keys);
    stop_close(run->stop);
    log_close();
    trace_close();
    loop_close(run->loop);
    settings_free(run->loaded);
}

static int live(struct run *run)
{
    static const struct stop_calls calls = {.drain = drain, .end = end, .reload = reload};
    struct error err = {0};

    if (loop_open(&run->loop, &err) != OUTCOME_DONE) {
        complain(run, &err);
        return EXIT_FAILED;
    }
    run->started_ns = loop_elapsed_ns(run->loop);
    log_open(run->loop, run->program->name, (enum log_level)run->common->log_level);
    trace_open(run->loop, run->common->trace_sample_ppm);
    if (stop_open(run->loop, &calls, run, &run->common->drain_timeout_ms, &run->stop, &err) !=
            OUTCOME_DONE ||
        start(run, &err) != OUTCOME_DONE) {
        complain(run, &err);
        close_all(run);
        return EXIT_FAILED;
    }
    if (run->common->otlp_endpoint[0] != '\0')
        trace_send_to(run->client, run->common->otlp_endpoint, run->program->name);
    loop_run(run->loop);
    close_all(run);
    return run->in_time ? EXIT_SUCCESS : EXIT_CUT_SHORT;
}

int program_run(const struct program *program, int argc, char **argv)
{
    static struct run run;
    int status;

    run = (struct run){.program = program};
    status = read_settings(&run, argc, argv);
    if (status < 0) status = live(&run);
    for (unsigned i = 0; i < run.short_count; i++) buffer_done(&run.shorts[i]);
    return status;
}
