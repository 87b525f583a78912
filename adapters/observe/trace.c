/* Spans: starting, ending, sampling, and sending those that were sampled. */
#include "observe/trace.h"

#include "observe/metrics.h"
#include "resilience/resilient.h"
#include "security/mask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 2048, BATCH = 256 };
static const uint64_t batch_wait_ns = UINT64_C(2000000000);

static const struct resilience_policy collector_policy = {
    .retry = {.attempts = 5, .first_ms = 500, .most_ms = 8000},
    .breaker =
        {.window_ms = 60000, .volume = 4, .failure_percent = 75, .open_ms = 30000, .probes = 1},
    .bulkhead = {.inside = 1, .waiting = 0},
    .attempt_ms = 5000,
    .total_ms = 30000,
};

/* A span that has ended and waits to be sent. */
struct ended {
    struct span span;
    uint64_t end_ns; /* wall clock */
    uint64_t took_ns;
    bool good;
};

static void send_batch(void *context);

/* There is one loop in a process, and so one of these. */
static struct {
    struct loop *loop;
    unsigned sample_ppm;
    struct resilient *collector; /* NULL = timing alone */
    char *url, *service;
    struct ended *ring;
    unsigned first, count; /* that wait */
    unsigned sending;      /* spans of the batch that is under way */
    struct loop_timer wait;
    bool waits;
    void (*drained)(void *context);
    void *drained_context;
    struct buffer body, masked;
} tracer = {.wait = {.fire = send_batch}};

bool trace_is_on;

/* --- starting and ending --- */

/* By the trace id, so that whoever decides decides the same. */
static bool is_sampled(const uint8_t trace[16])
{
    uint64_t low;

    memcpy(&low, trace + 8, sizeof low);
    return low % 1000000 < tracer.sample_ppm;
}

void trace_root(struct loop *loop, struct trace_context *out)
{
    loop_random(loop, out->trace, sizeof out->trace);
    loop_random(loop, out->span, sizeof out->span);
    out->trace[0] |= 1; /* neither is ever all zero */
    out->span[0] |= 1;
    out->sampled = is_sampled(out->trace);
}

static void draw_span(struct loop *loop, struct trace_context *context)
{
    loop_random(loop, context->span, sizeof context->span);
    context->span[0] |= 1;
}

void trace_continue(struct loop *loop, const char *given, char out[TRACEPARENT_TEXT + 1])
{
    struct trace_context context;

    if (trace_context_read(given, &context))
        draw_span(loop, &context);
    else
        trace_root(loop, &context);
    trace_context_print(&context, out);
}

void span_begin(struct span *span, enum span_name name, const struct trace_context *parent)
{
    span->name = name;
    span->attribute_count = 0;
    span->is_root = parent == NULL || trace_context_is_none(parent);
    if (span->is_root) {
        trace_root(tracer.loop, &span->context);
    } else {
        span->context = *parent;
        memcpy(span->parent, parent->span, sizeof span->parent);
        if (parent->sampled && tracer.collector != NULL) draw_span(tracer.loop, &span->context);
    }
    span->start_ns = loop_elapsed_ns(tracer.loop);
}

void span_attribute(struct span *span, const char *name, const char *value)
{
    struct span_attribute *attribute = &span->attributes[span->attribute_count];

    if (!span->on || !span->context.sampled || span->attribute_count == SPAN_ATTRIBUTES_MAX) return;
    attribute->name = name;
    snprintf(attribute->value, sizeof attribute->value, "%s", value);
    span->attribute_count++;
}

static void keep(const struct span *span, uint64_t took_ns, bool good)
{
    struct ended *ended = &tracer.ring[(tracer.first + tracer.count) % ROOM];

    if (tracer.count == ROOM) {
        metric_add(METRIC_spans_dropped_total, 1);
        return;
    }
    *ended = (struct ended){
        .span = *span, .end_ns = loop_now_ns(tracer.loop), .took_ns = took_ns, .good = good};
    tracer.count++;
    if (tracer.waits && tracer.count != BATCH) return;
    tracer.waits = true;
    loop_timer_set(tracer.loop, &tracer.wait, tracer.count >= BATCH ? 0 : batch_wait_ns);
}

void span_finish(struct span *span, bool good)
{
    uint64_t took_ns;

    span->on = false;
    if (!trace_is_on) return;
    took_ns = loop_elapsed_ns(tracer.loop) - span->start_ns;
    span_took(span->name, took_ns);
    if (span->context.sampled && tracer.collector != NULL) keep(span, took_ns, good);
}

void span_record(enum span_name name, const struct trace_context *context,
                 const struct trace_context *parent, uint64_t took_ns, bool good)
{
    struct span span = {.name = name, .context = *context, .is_root = parent == NULL};

    if (!trace_is_on) return;
    span_took(name, took_ns);
    if (parent != NULL) memcpy(span.parent, parent->span, sizeof span.parent);
    if (context->sampled && tracer.collector != NULL) keep(&span, took_ns, good);
}

/* --- a batch as OTLP's JSON --- */

static void add_attribute(const char *name, const char *value)
{
    struct buffer *body = &tracer.body;

    buffer_clear(&tracer.masked);
    mask_text(mask_field(name) ? "***" : value, strlen(mask_field(name) ? "***" : value),
              &tracer.masked);
    buffer_text(body, "{\"key\":");
    buffer_json(body, name, strlen(name));
    buffer_text(body, ",\"value\":{\"stringValue\":");
    buffer_json(body, buffer_str(&tracer.masked), tracer.masked.length);
    buffer_text(body, "}}");
}

static void add_id(const char *name, const uint8_t *id, unsigned length)
{
    char hex[33];

    trace_hex(id, length, hex);
    buffer_format(&tracer.body, "\"%s\":\"%s\",", name, hex);
}

static unsigned otlp_kind(enum span_name name)
{
    enum { INTERNAL = 1, SERVER, CLIENT, PRODUCER, CONSUMER };
    static const uint8_t kinds[SPANS] = {
#define SPAN(name, shown, kind, help) kind,
#include "observe/spans.def"
#undef SPAN
    };

    return kinds[name];
}

static void add_span(const struct ended *ended)
{
    const struct span *span = &ended->span;
    struct buffer *body = &tracer.body;

    buffer_char(body, '{');
    add_id("traceId", span->context.trace, sizeof span->context.trace);
    add_id("spanId", span->context.span, sizeof span->context.span);
    if (!span->is_root) add_id("parentSpanId", span->parent, sizeof span->parent);
    buffer_format(body,
                  "\"name\":\"%s\",\"kind\":%u,\"startTimeUnixNano\":\"%llu\","
                  "\"endTimeUnixNano\":\"%llu\",\"attributes\":[",
                  span_shown(span->name), otlp_kind(span->name),
                  (unsigned long long)(ended->end_ns - ended->took_ns),
                  (unsigned long long)ended->end_ns);
    for (unsigned i = 0; i < span->attribute_count; i++) {
        if (i > 0) buffer_char(body, ',');
        add_attribute(span->attributes[i].name, span->attributes[i].value);
    }
    buffer_format(body, "],\"status\":{%s}}", ended->good ? "" : "\"code\":2");
}

static void make_body(unsigned count)
{
    struct buffer *body = &tracer.body;

    buffer_clear(body);
    buffer_text(body, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
    add_attribute("service.name", tracer.service);
    buffer_text(body, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"micropay\"},\"spans\":[");
    for (unsigned i = 0; i < count; i++) {
        if (i > 0) buffer_char(body, ',');
        add_span(&tracer.ring[(tracer.first + i) % ROOM]);
    }
    buffer_text(body, "]}]}]}");
}

/* --- sending --- */

static void tell_drained(void)
{
    void (*drained)(void *) = tracer.drained;

    if (drained == NULL || tracer.count > 0 || tracer.sending > 0) return;
    tracer.drained = NULL;
    drained(tracer.drained_context);
}

static void sent(void *context, const struct http_reply *reply, const struct error *err)
{
    bool taken = reply->status >= 200 && reply->status < 300;

    (void)context;
    (void)err;
    metric_add(taken ? METRIC_spans_sent_total : METRIC_spans_dropped_total, tracer.sending);
    tracer.sending = 0;
    if (tracer.count >= BATCH || (tracer.drained != NULL && tracer.count > 0))
        send_batch(NULL);
    else if (tracer.count > 0 && !tracer.waits) {
        tracer.waits = true;
        loop_timer_set(tracer.loop, &tracer.wait, batch_wait_ns);
    }
    tell_drained();
}

/* One batch at a time: what comes meanwhile waits in the ring. */
static void send_batch(void *context)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    unsigned count = tracer.count < BATCH ? tracer.count : BATCH;

    (void)context;
    tracer.waits = false;
    if (tracer.sending > 0 || count == 0) return;
    make_body(count);
    tracer.first = (tracer.first + count) % ROOM;
    tracer.count -= count;
    tracer.sending = count;
    resilient_call(tracer.collector, &(struct http_call){
                                         .method = HTTP_POST,
                                         .url = tracer.url,
                                         .headers = headers,
                                         .body = tracer.body.bytes,
                                         .length = tracer.body.length,
                                         .done = sent,
                                     });
}

/* --- the verbs --- */

void trace_open(struct loop *loop, unsigned sample_ppm)
{
    tracer.loop = loop;
    tracer.sample_ppm = sample_ppm;
    trace_is_on = true;
}

void trace_send_to(struct http_client *client, const char *endpoint, const char *service)
{
    struct buffer url = {0};

    buffer_format(&url, "%s%sv1/traces", endpoint,
                  *endpoint != '\0' && endpoint[strlen(endpoint) - 1] == '/' ? "" : "/");
    tracer.url = url.bytes;
    tracer.service = need_copy(service);
    tracer.ring = need_memory(ROOM * sizeof *tracer.ring);
    tracer.collector =
        resilient_make(tracer.loop, client, "the collector of traces", &collector_policy);
}

void trace_sample(unsigned sample_ppm) { tracer.sample_ppm = sample_ppm; }

void trace_drain(void (*done)(void *context), void *context)
{
    tracer.drained = done;
    tracer.drained_context = context;
    if (tracer.collector != NULL) send_batch(NULL);
    tell_drained();
}

void trace_stop(void)
{
    if (tracer.collector != NULL) resilient_stop(tracer.collector);
}

void trace_close(void)
{
    trace_is_on = false;
    if (tracer.loop != NULL) loop_timer_cancel(tracer.loop, &tracer.wait);
    resilient_free(tracer.collector);
    free(tracer.ring);
    free(tracer.url);
    free(tracer.service);
    buffer_done(&tracer.body);
    buffer_done(&tracer.masked);
    memset(&tracer, 0, sizeof tracer);
    tracer.wait.fire = send_batch;
}
