/* How a service is, and its metrics. */
#include "runtime/health.h"

#include "observe/metrics.h"
#include "observe/process.h"
#include "observe/trace.h"
#include "runtime/health_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_FILE "runtime/health.def"
#include "wire/record_rows.h"

struct check {
    const char *name;
    bool (*check)(void *context, struct error *err);
    void *context;
};

struct health {
    char service[sizeof(((struct health_report *)NULL)->service)];
    bool started, draining;
    unsigned check_count;
    struct check checks[HEALTH_CHECKS_MAX];
    void (*set_metrics)(void *context);
    void *metrics_context;
};

struct health *health_make(const char *service)
{
    struct health *health = need_memory(sizeof *health);

    snprintf(health->service, sizeof health->service, "%s", service);
    return health;
}

void health_add(struct health *health, const char *name,
                bool (*check)(void *context, struct error *err), void *context)
{
    if (health->check_count == HEALTH_CHECKS_MAX) return;
    health->checks[health->check_count++] = (struct check){name, check, context};
}

void health_on_metrics(struct health *health, void (*set)(void *context), void *context)
{
    health->set_metrics = set;
    health->metrics_context = context;
}

void health_started(struct health *health) { health->started = true; }
void health_draining(struct health *health) { health->draining = true; }
void health_free(struct health *health) { free(health); }

/* --- what is reported --- */

/* Adds a check's result; err says what is wrong if it isn't well. */
static void add(struct health_report *report, const char *name, bool well, const struct error *err)
{
    struct health_check *row = &report->checks.rows[report->checks.count++];

    snprintf(row->name, sizeof row->name, "%s", name);
    row->status = well ? HEALTH_OK : HEALTH_FAILING;
    if (well) return;
    report->status = HEALTH_FAILING;
    row->reason = reason_row(err->reason)->name;
    row->present |= RECORD_BIT(health_check, reason);
    snprintf(row->message, sizeof row->message, "%s", err->message);
    if (row->message[0] != '\0') row->present |= RECORD_BIT(health_check, message);
    snprintf(row->hint, sizeof row->hint, "%s", err->hint);
    if (row->hint[0] != '\0') row->present |= RECORD_BIT(health_check, hint);
}

static void begin(const struct health *health, struct health_report *report)
{
    *report = (struct health_report){.status = HEALTH_OK};
    memcpy(report->service, health->service, sizeof report->service);
}

static void report_startup(const struct health *health, struct health_report *report)
{
    struct error err = {0};

    if (!health->started) error_set(&err, REASON_NOT_READY, "the service is still starting");
    add(report, "started", health->started, &err);
}

static void report_ready(const struct health *health, struct health_report *report)
{
    struct error err = {0};

    report_startup(health, report);
    if (health->draining) {
        error_set(&err, REASON_NOT_READY, "the service is stopping");
        add(report, "stopping", false, &err);
    }
    for (unsigned i = 0; health->started && i < health->check_count; i++) {
        const struct check *check = &health->checks[i];
        bool well;

        err = (struct error){0};
        well = check->check(check->context, &err);
        if (!well && err.reason == REASON_NONE) err.reason = REASON_NOT_READY;
        add(report, check->name, well, &err);
    }
}

bool health_is_ready(struct health *health, struct error *err)
{
    struct health_report report;

    begin(health, &report);
    report_ready(health, &report);
    for (unsigned i = 0; i < report.checks.count; i++) {
        const struct health_check *row = &report.checks.rows[i];

        if (row->status == HEALTH_OK) continue;
        error_set(err, reason_find(row->reason), "%s: %s", row->name, row->message);
        return false;
    }
    return true;
}

/* --- the routes --- */

static void answer(struct http_exchange *exchange, const struct health_report *report)
{
    http_set_header(exchange, "Cache-Control", "no-store");
    http_answer_record(exchange, report->status == HEALTH_OK ? 200 : 503, report);
}

static void get_live(struct http_exchange *exchange)
{
    struct health_report report;

    begin(exchange->service, &report);
    answer(exchange, &report);
}

static void get_ready(struct http_exchange *exchange)
{
    struct health_report report;

    begin(exchange->service, &report);
    report_ready(exchange->service, &report);
    answer(exchange, &report);
}

static void get_startup(struct http_exchange *exchange)
{
    struct health_report report;

    begin(exchange->service, &report);
    report_startup(exchange->service, &report);
    answer(exchange, &report);
}

static void get_metrics(struct http_exchange *exchange)
{
    const struct health *health = exchange->service;

    if (health->set_metrics != NULL) health->set_metrics(health->metrics_context);
    metrics_print(&exchange->out);
    trace_print_metrics(&exchange->out);
    process_print_metrics(&exchange->out);
    http_set_header(exchange, "Content-Type", METRICS_MEDIA_TYPE);
    http_answer(exchange, 200);
}

const struct http_route health_routes[] = {
    {.method = HTTP_GET,
     .path = "/health/live",
     .handle = get_live,
     .gives = &health_report_record,
     .summary = "Says that the process answers.",
     .help = "If this fails, the process should be started anew."},
    {.method = HTTP_GET,
     .path = "/health/ready",
     .handle = get_ready,
     .gives = &health_report_record,
     .refuses = {REASON_NOT_READY},
     .summary = "Says whether requests should be sent here.",
     .help = "503, with each check that fails and why, while they shouldn't."},
    {.method = HTTP_GET,
     .path = "/health/startup",
     .handle = get_startup,
     .gives = &health_report_record,
     .refuses = {REASON_NOT_READY},
     .summary = "Says whether the service has started."},
    {.method = HTTP_GET,
     .path = "/metrics",
     .handle = get_metrics,
     .produces = "text/plain",
     .summary = "All metrics of the process, in Prometheus' text form."},
    {.path = NULL},
};
