/* A process of services: opens and closes what they stand on. */
#include "runtime/process.h"

#include "ledger/port.h"
#include "observe/metrics.h"
#include "security/scopes.h"
#include "wire/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct hosted {
    const struct service *service;
    struct service_context context;
    struct http_router *router;
    void *state;
};

struct process {
    struct process_config config;
    char *ledger_directory;
    mp_ledger *ledger;
    struct ledger_port *port;
    struct bus *bus;
    struct hosted hosted[PROCESS_SERVICES_MAX];
    unsigned count;

    unsigned draining;
    void (*drained)(void *context);
    void *drained_context;
};

/* --- what services stand on --- */

static char *path_of(const struct process_config *config, const char *name)
{
    struct buffer path = {0};

    buffer_format(&path, "%s/%s", config->data, name);
    return path.bytes;
}

static enum outcome make_directory(const struct process_config *config, struct error *err)
{
    if (config->data == NULL || mkdir(config->data, 0700) == 0 || errno == EEXIST)
        return OUTCOME_DONE;
    error_set(err, REASON_BAD_SETTING, "could not make the directory %s: %s", config->data,
              strerror(errno));
    error_hint(err, "Set MICROPAY_DATA to a directory that can be made.");
    return err->outcome;
}

static enum outcome refuse_ledger(const struct process *process, const char *what,
                                  struct error *err)
{
    error_set(err, REASON_INTERNAL, "could not %s the ledger in %s", what,
              process->ledger_directory);
    error_detail(err, "%s", mp_last_error());
    return err->outcome;
}

static enum outcome open_ledger(struct process *process, struct error *err)
{
    const struct process_config *config = &process->config;
    mp_options options = {
        .flags = config->ledger_flags,
        .env = config->env,
        .memory_max = config->ledger_memory,
    };
    mp_status status;

    process->ledger_directory =
        config->ledger != NULL ? need_copy(config->ledger) : path_of(config, "ledger");
    status = mp_open(process->ledger_directory, &options, &process->ledger);
    if (status == MP_NOT_FOUND) {
        status = mp_init(process->ledger_directory, &options);
        if (status != MP_OK) return refuse_ledger(process, "make", err);
        status = mp_open(process->ledger_directory, &options, &process->ledger);
    }
    if (status != MP_OK) {
        process->ledger = NULL;
        return refuse_ledger(process, "open", err);
    }
    return ledger_port_open(config->loop, process->ledger, &process->port, err);
}

static enum outcome open_bus(struct process *process, struct error *err)
{
    struct buffer url = {0};
    struct bus_config config;
    enum outcome outcome;

    if (process->config.data == NULL)
        buffer_text(&url, "embedded::memory:");
    else
        buffer_format(&url, "embedded:%s/bus.db", process->config.data);
    config = (struct bus_config){.url = url.bytes};
    outcome = bus_open(&config, process->config.loop, &process->bus, err);
    buffer_done(&url);
    return outcome;
}

static enum outcome open_store(struct process *process, struct hosted *hosted, struct error *err)
{
    struct buffer url = {0};
    struct store_config config;
    enum outcome outcome;

    if (hosted->service->migrations == NULL) return OUTCOME_DONE;
    if (process->config.data == NULL)
        buffer_text(&url, "sqlite::memory:");
    else
        buffer_format(&url, "sqlite:%s/%s.db", process->config.data, hosted->service->name);
    config = (struct store_config){.url = url.bytes};
    outcome = store_open(&config, &hosted->context.store, err);
    if (outcome == OUTCOME_DONE)
        outcome = store_migrate(hosted->context.store, hosted->service->migrations, err);
    buffer_done(&url);
    return outcome;
}

/* --- services --- */

static struct http_router *make_router(const struct process_config *config,
                                       const struct service *service)
{
    struct http_router *router = http_router_make();

    http_router_scopes(router, scope_bit);
    if (config->authenticate != NULL)
        http_router_authenticate(router, config->authenticate, config->authenticate_context);
    if (config->observe != NULL)
        http_router_observe(router, config->observe, (void *)service->name);
    return router;
}

static enum outcome start(struct process *process, const struct service *service, struct error *err)
{
    const struct process_config *config = &process->config;
    struct hosted *hosted = &process->hosted[process->count++];
    enum outcome outcome;

    hosted->service = service;
    hosted->context = (struct service_context){
        .loop = config->loop,
        .bus = process->bus,
        .data = config->data,
        .ledger = process->port,
        .reads = process->ledger,
        .ask = config->ask,
        .ask_context = config->ask_context,
    };
    if (service->settings != NULL)
        hosted->context.settings = config->settings(config->settings_context, service->settings);
    outcome = open_store(process, hosted, err);
    if (outcome == OUTCOME_DONE) outcome = service->start(&hosted->context, &hosted->state, err);
    if (outcome != OUTCOME_DONE) return outcome;
    hosted->router = make_router(config, service);
    if (service->routes != NULL) http_router_add(hosted->router, service->routes, hosted->state);
    return OUTCOME_DONE;
}

enum outcome process_open(const struct process_config *config, struct process **out,
                          struct error *err)
{
    struct process *process = need_memory(sizeof *process);
    enum outcome outcome;

    process->config = *config;
    outcome = make_directory(config, err);
    if (outcome == OUTCOME_DONE) outcome = open_ledger(process, err);
    if (outcome == OUTCOME_DONE) outcome = open_bus(process, err);
    for (unsigned i = 0; config->services[i] != NULL && outcome == OUTCOME_DONE; i++)
        outcome = start(process, config->services[i], err);
    if (outcome != OUTCOME_DONE) {
        process_close(process);
        return outcome;
    }
    *out = process;
    return OUTCOME_DONE;
}

static const struct hosted *find(const struct process *process, const char *service)
{
    for (unsigned i = 0; i < process->count; i++)
        if (strcmp(process->hosted[i].service->name, service) == 0) return &process->hosted[i];
    return NULL;
}

struct http_router *process_router(struct process *process, const char *service)
{
    const struct hosted *hosted = find(process, service);

    return hosted != NULL ? hosted->router : NULL;
}

void *process_service(struct process *process, const char *service)
{
    const struct hosted *hosted = find(process, service);

    return hosted != NULL ? hosted->state : NULL;
}

bool process_ready(struct process *process, const char *service, struct error *err)
{
    const struct hosted *hosted = find(process, service);

    if (hosted == NULL || hosted->state == NULL) {
        error_set(err, REASON_NOT_READY, "the service has not started");
        return false;
    }
    return hosted->service->ready == NULL || hosted->service->ready(hosted->state, err);
}

mp_ledger *process_ledger(struct process *process) { return process->ledger; }
struct ledger_port *process_port(struct process *process) { return process->port; }
struct bus *process_bus(struct process *process) { return process->bus; }

struct store *process_store(struct process *process, const char *service)
{
    const struct hosted *hosted = find(process, service);

    return hosted != NULL ? hosted->context.store : NULL;
}

void process_metrics(struct process *process)
{
    metric_total(METRIC_bus_records_published_total, process->bus->records_published);
    metric_total(METRIC_bus_commits_total, process->bus->commits);
    metric_set(METRIC_ledger_stopped, !process->port->ops->running(process->port));
    for (unsigned i = 0; i < process->count; i++) {
        const struct hosted *hosted = &process->hosted[i];

        if (hosted->service->metrics != NULL && hosted->state != NULL)
            hosted->service->metrics(hosted->state);
    }
}

/* --- the end --- */

static void one_drained(void *context)
{
    struct process *process = context;

    if (--process->draining == 0) process->drained(process->drained_context);
}

void process_end_waits(struct process *process)
{
    for (unsigned i = 0; i < process->count; i++)
        if (process->hosted[i].service->end_waits != NULL && process->hosted[i].state != NULL)
            process->hosted[i].service->end_waits(process->hosted[i].state);
}

void process_drain(struct process *process, void (*done)(void *context), void *context)
{
    process->drained = done;
    process->drained_context = context;
    process->draining = 1;
    for (unsigned i = 0; i < process->count; i++) {
        if (process->hosted[i].service->drain == NULL || process->hosted[i].state == NULL) continue;
        process->draining++;
        process->hosted[i].service->drain(process->hosted[i].state, one_drained, process);
    }
    one_drained(process);
}

void process_close(struct process *process)
{
    for (unsigned i = process->count; i-- > 0;) {
        struct hosted *hosted = &process->hosted[i];

        if (hosted->state != NULL) hosted->service->stop(hosted->state);
    }
    if (process->bus != NULL) process->bus->ops->close(process->bus);
    for (unsigned i = process->count; i-- > 0;) store_close(process->hosted[i].context.store);
    if (process->port != NULL) ledger_port_close(process->port);
    if (process->ledger != NULL) mp_close(process->ledger);
    /* the last: what still waited was answered above */
    for (unsigned i = process->count; i-- > 0;)
        if (process->hosted[i].router != NULL) http_router_free(process->hosted[i].router);
    free(process->ledger_directory);
    free(process);
}
