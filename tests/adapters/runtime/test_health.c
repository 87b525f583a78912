#include "runtime/health.h"

#include "observe/exchange.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "observe/trace.h"
#include "support/http_memory.h"
#include "support/test_loop.h"

#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct loop *loop;
static struct health *health;
static struct http_router *router;
static struct error err;

static unsigned status;
static char *body, type[64];

static void on_answer(void *context, const struct http_memory_reply *reply)
{
    const char *header = http_memory_reply_header(reply, "Content-Type");

    (void)context;
    status = reply->status;
    free(body);
    body = need_copy(reply->body);
    snprintf(type, sizeof type, "%s", header != NULL ? header : "");
}

static unsigned get(const char *path, const char *const *headers)
{
    http_memory_call(router, loop, "GET", path, headers, NULL, on_answer, NULL);
    test_loop_run(loop);
    return status;
}

static void boom(struct http_exchange *exchange)
{
    struct error broken;

    error_set(&broken, REASON_INTERNAL, "something is wrong");
    test_loop_pass(loop, 30000000);
    http_answer_problem(exchange, &broken);
}

static const struct http_route routes[] = {
    {.method = HTTP_GET, .path = "/api/v1/boom/{id}", .handle = boom},
    {.path = NULL},
};

static void make(void)
{
    loop = test_loop_make(NULL);
    health = health_make("payment");
    router = http_router_make();
    http_router_add(router, health_routes, health);
    http_router_add(router, routes, NULL);
    http_router_observe(router, observe_exchange, "payment");
}

static void finish(void)
{
    free(body);
    http_router_free(router);
    health_free(health);
    test_loop_free(loop);
}

static bool store_is_well, ledger_is_well;
static bool check_store(void *context, struct error *why)
{
    (void)context;
    if (store_is_well) return true;
    error_set(why, REASON_STORE_UNREACHABLE, "could not reach the database");
    error_hint(why, "Start it.");
    return false;
}
static bool check_ledger(void *context, struct error *why)
{
    (void)context;
    (void)why; /* says nothing */
    return ledger_is_well;
}

/* A member of the nth check of the last answer. */
static const char *check(int number, const char *name)
{
    static char text[256];
    cJSON *json = cJSON_Parse(body);
    const cJSON *checks = cJSON_GetObjectItem(json, "checks"), *value;

    cr_assert_not_null(json, "%s", body);
    value = cJSON_GetObjectItem(cJSON_GetArrayItem(checks, number), name);
    snprintf(text, sizeof text, "%s", cJSON_IsString(value) ? value->valuestring : "");
    cJSON_Delete(json);
    return text;
}

TestSuite(health, .init = make, .fini = finish);

Test(health, a_process_that_starts_is_live_but_neither_started_nor_ready)
{
    cr_assert_eq(get("/health/live", NULL), 200);
    cr_assert_str_eq(body, "{\"service\":\"payment\",\"status\":\"ok\",\"checks\":[]}");
    cr_assert_eq(get("/health/startup", NULL), 503);
    cr_assert_eq(get("/health/ready", NULL), 503);
    cr_assert_str_eq(check(0, "name"), "started");
    cr_assert_str_eq(check(0, "reason"), "not-ready");
    cr_assert(!health_is_ready(health, &err));
    health_started(health);
    cr_assert_eq(get("/health/startup", NULL), 200);
    cr_assert_eq(get("/health/ready", NULL), 200);
    cr_assert(health_is_ready(health, &err));
}

Test(health, readiness_names_each_thing_that_is_wrong_and_what_to_do)
{
    health_add(health, "store", check_store, NULL);
    health_add(health, "ledger", check_ledger, NULL);
    health_started(health);
    cr_assert_eq(get("/health/ready", NULL), 503);
    cr_assert_not_null(strstr(body, "\"status\":\"failing\",\"checks\""));
    cr_assert_str_eq(check(0, "status"), "ok");
    cr_assert_str_eq(check(1, "name"), "store");
    cr_assert_str_eq(check(1, "status"), "failing");
    cr_assert_str_eq(check(1, "reason"), "store-unreachable");
    cr_assert_str_eq(check(1, "message"), "could not reach the database");
    cr_assert_str_eq(check(1, "hint"), "Start it.");
    cr_assert_str_eq(check(2, "reason"), "not-ready");
    cr_assert(!health_is_ready(health, &err));
    cr_assert_eq(err.reason, REASON_STORE_UNREACHABLE);
    cr_assert_eq(get("/health/live", NULL), 200);
    store_is_well = ledger_is_well = true;
    cr_assert_eq(get("/health/ready", NULL), 200);
}

Test(health, a_service_that_drains_gets_nothing_more)
{
    health_started(health);
    health_draining(health);
    cr_assert_eq(get("/health/ready", NULL), 503);
    cr_assert_str_eq(check(1, "name"), "stopping");
    cr_assert_eq(get("/health/startup", NULL), 200);
    cr_assert_eq(get("/health/live", NULL), 200);
}

Test(health, no_more_checks_are_taken_than_an_answer_has_room_for)
{
    for (unsigned i = 0; i < 40; i++) health_add(health, "store", check_store, NULL);
    health_started(health);
    health_draining(health);
    cr_assert_eq(get("/health/ready", NULL), 503);
    cr_assert_str_eq(check(15, "name"), "store");
}

static void set_lag(void *context)
{
    metric_set(METRIC_consumer_lag, 12, .service = metric_word(LABEL_service, context));
}

Test(health, a_scrape_gets_fresh_gauges_in_the_form_that_prometheus_reads)
{
    const char *const headers[] = {
        "Accept: "
        "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        NULL};
    const char *const plain[] = {"Accept: text/plain", NULL};

    health_on_metrics(health, set_lag, "payment");
    cr_assert_eq(get("/metrics", headers), 200);
    cr_assert_str_eq(type, "text/plain; version=0.0.4; charset=utf-8");
    cr_assert_not_null(strstr(body, "\nmicropay_consumer_lag{service=\"payment\"} 12\n"));
    cr_assert_not_null(strstr(body, "\nprocess_resident_memory_bytes "));
    cr_assert_not_null(strstr(body, "\nprocess_open_fds "));
    cr_assert_not_null(strstr(body, "\nprocess_start_time_seconds 1"));
    cr_assert_eq(get("/metrics", plain), 200);
}

Test(health, all_that_a_scrape_shows_passes_prometheus_own_checker)
{
    char path[] = "/tmp/micropay-scrape.XXXXXX", command[96];
    FILE *file;
    int result;

    if (system("command -v promtool >/dev/null") != 0)
        cr_skip_test("promtool (Debian: prometheus) is not installed");
    trace_open(loop, 0);
    get("/health/live", NULL);
    get("/nowhere", NULL);
    get("/metrics", NULL);
    trace_close();
    cr_assert_not_null(strstr(body, "\nmicropay_span_seconds_count{span=\"http.request\"} 2\n"));
    file = fdopen(mkstemp(path), "w");
    cr_assert_eq(fwrite(body, 1, strlen(body), file), strlen(body));
    fclose(file);
    snprintf(command, sizeof command, "promtool check metrics < %s", path);
    result = system(command);
    unlink(path);
    cr_assert_eq(result, 0);
}

/* --- what is observed of a request --- */

static char line[LOG_LINE_MAX + 1];
static unsigned lines;
static void keep(void *context, const char *text, size_t length)
{
    (void)context;
    lines++;
    snprintf(line, sizeof line, "%.*s", (int)length, text);
}

Test(health, each_request_is_counted_under_its_route_not_its_path)
{
    get("/api/v1/boom/0194c1f0-7a5e-7cc2-8f1e-4a2b3c4d5e6f", NULL);
    get("/api/v1/boom/0194c1f0-7a5e-7cc2-8f1e-4a2b3c4d5e70", NULL);
    for (unsigned i = 0; i < 100; i++) {
        char path[32];

        snprintf(path, sizeof path, "/scan/%u", i);
        get(path, NULL);
    }
    get("/metrics", NULL);
    cr_assert_not_null(strstr(body, "micropay_http_request_duration_seconds_count{method=\"GET\","
                                    "route=\"/api/v1/boom/{id}\",status=\"500\"} 2\n"));
    cr_assert_not_null(strstr(body, "_bucket{method=\"GET\",route=\"/api/v1/boom/{id}\","
                                    "status=\"500\",le=\"0.025\"} 0\n"));
    cr_assert_not_null(strstr(body, "_bucket{method=\"GET\",route=\"/api/v1/boom/{id}\","
                                    "status=\"500\",le=\"0.05\"} 2\n"));
    cr_assert_not_null(
        strstr(body, "_count{method=\"other\",route=\"other\",status=\"404\"} 100\n"));
    cr_assert_null(strstr(body, "scan"));
}

Test(health, a_request_that_failed_for_the_services_fault_is_in_the_log_with_its_trace)
{
    const char *const headers[] = {
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", NULL};

    log_open(loop, "micropay", LOG_LEVEL_INFO);
    log_to(keep, NULL);
    get("/health/live", NULL);
    get("/nowhere", NULL);
    cr_assert_eq(lines, 0);
    get("/api/v1/boom/0194c1f0-7a5e-7cc2-8f1e-4a2b3c4d5e6f", headers);
    cr_assert_eq(lines, 1);
    cr_assert_not_null(strstr(line, "\"log.level\":\"warn\""));
    cr_assert_not_null(strstr(line, "\"service.name\":\"payment\""));
    cr_assert_not_null(strstr(line, "\"trace.id\":\"4bf92f3577b34da6a3ce929d0e0e4736\""));
    cr_assert_not_null(strstr(line, "\"http.response.status_code\":500"));
    cr_assert_not_null(strstr(line, "\"event.duration\":30000000"));
    log_level_set(LOG_LEVEL_DEBUG);
    for (unsigned i = 0; i < 50; i++) get("/health/live", NULL);
    cr_assert_eq(lines, 51);
    log_close();
}
