/* Metrics, span and log line of a request. */
#include "observe/exchange.h"

#include "observe/log.h"
#include "observe/metrics.h"
#include "observe/trace.h"

#include <stdio.h>

enum { ROUTES_MAX = 512, STATUS_FIRST = 100, STATUS_LAST = 599 };

static const char *const method_names[HTTP_METHODS] = {
    [HTTP_GET] = "GET", [HTTP_POST] = "POST", [HTTP_PUT] = "PUT", [HTTP_DELETE] = "DELETE"};

/* The labels of a route, kept by the address of its row. */
static struct route_labels {
    const struct http_route *route;
    uint16_t route_word, method_word;
} known[ROUTES_MAX];

static const struct route_labels *labels_of(const struct http_route *route)
{
    static const struct route_labels other;
    uint64_t hash = (uint64_t)(uintptr_t)route * UINT64_C(0x9e3779b97f4a7c15);

    if (route == NULL) return &other;
    for (unsigned i = 0; i < ROUTES_MAX; i++) {
        struct route_labels *labels = &known[((hash >> 32) + i) % ROUTES_MAX];

        if (labels->route == NULL)
            *labels = (struct route_labels){
                .route = route,
                .route_word = metric_word(LABEL_route, route->path),
                .method_word = metric_word(LABEL_method, method_names[route->method]),
            };
        if (labels->route == route) return labels;
    }
    return &other;
}

static uint16_t status_word(unsigned status)
{
    static uint16_t words[STATUS_LAST - STATUS_FIRST + 1]; /* plus 1; 0 = not asked for yet */
    char text[16];

    if (status < STATUS_FIRST || status > STATUS_LAST) return 0;
    if (words[status - STATUS_FIRST] == 0) {
        snprintf(text, sizeof text, "%u", status);
        words[status - STATUS_FIRST] = (uint16_t)(metric_word(LABEL_http_status, text) + 1);
    }
    return (uint16_t)(words[status - STATUS_FIRST] - 1);
}

static void record_span(const struct http_exchange *exchange, unsigned status, uint64_t elapsed_ns)
{
    struct trace_context context, parent;
    bool has_parent;

    if (!trace_is_on || !trace_context_read(exchange->traceparent, &context)) return;
    has_parent = trace_context_read(http_header(exchange, "traceparent"), &parent);
    span_record(SPAN_http_request, &context, has_parent ? &parent : NULL, elapsed_ns, status < 500);
}

static void log_exchange(const char *service, const struct http_exchange *exchange, unsigned status,
                         uint64_t elapsed_ns)
{
    enum log_level level = status >= 500 && status != 503 ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG;
    const struct http_route *route = exchange->route;

    if (!log_shows(level)) return;
    log_write(level,
              &(struct log_about){
                  .service = service,
                  .action = "http.request",
                  .traceparent = exchange->traceparent,
                  .every = level == LOG_LEVEL_DEBUG,
                  .fields = {{.name = "http.request.method",
                              .text = route != NULL ? method_names[route->method] : ""},
                             {.name = "url.path", .text = exchange->path},
                             {.name = "http.response.status_code", .number = status},
                             {.name = "event.duration", .number = elapsed_ns}},
              },
              "answered with %u", status);
}

void observe_exchange(void *service, const struct http_exchange *exchange, unsigned status,
                      uint64_t elapsed_ns)
{
    const struct route_labels *labels = labels_of(exchange->route);

    metric_observe(METRIC_http_request_duration_seconds, elapsed_ns, .method = labels->method_word,
                   .route = labels->route_word, .http_status = status_word(status));
    record_span(exchange, status, elapsed_ns);
    log_exchange(service, exchange, status, elapsed_ns);
}
