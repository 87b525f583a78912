/*
 * Spans: how long things took, and within what.
 *
 * Three degrees: off (nothing happens), timing (a histogram for each name of spans.def: "where the
 * time goes", without anything outside), and sending (sampled spans go to an OpenTelemetry
 * collector, by OTLP/HTTP in JSON, in batches; the buffer is bounded, what doesn't fit or isn't
 * taken is dropped and counted). A trace is sampled when it starts, by its trace id, and all
 * processes follow the flag of its traceparent.
 *
 *     span_start(&span, SPAN_ledger_command, &context);
 *     ... span.context is the parent of what happens within ...
 *     span_end(&span, outcome == OUTCOME_DONE);
 *
 * On the loop's thread. A span is the caller's memory and may last as long as it likes.
 */
#ifndef ADAPTERS_OBSERVE_TRACE_H
#define ADAPTERS_OBSERVE_TRACE_H

#include "http/http.h"
#include "observe/trace_context.h"

enum span_name {
#define SPAN(name, shown, kind, help) SPAN_##name,
#include "observe/spans.def"
#undef SPAN
    SPANS,
};

enum { SPAN_ATTRIBUTES_MAX = 4, SPAN_VALUE_MAX = 64 };

struct span {
    bool on; /* false: started while spans were off */
    bool is_root;
    enum span_name name;
    uint64_t start_ns; /* of loop_elapsed_ns() */
    /* Of the span itself when sampled, else its parent's. */
    struct trace_context context;
    uint8_t parent[8];
    unsigned attribute_count;
    struct span_attribute {
        const char *name; /* lives for ever */
        char value[SPAN_VALUE_MAX];
    } attributes[SPAN_ATTRIBUTES_MAX];
};

/* Starts timing; spans were off before. */
void trace_open(struct loop *loop, unsigned sample_ppm);
/* Starts sending too, to ENDPOINT/v1/traces ("http://127.0.0.1:4318"); `service` names this
 * process. The texts are copied, the client lives until trace_close(). */
void trace_send_to(struct http_client *client, const char *endpoint, const char *service);
void trace_sample(unsigned sample_ppm);
/* Sends what is left; calls done when that was answered, or at once. */
void trace_drain(void (*done)(void *context), void *context);
/* Nothing more is sent. Before the client is closed. */
void trace_stop(void);
/* Spans are off again, what is left is forgotten. After the client was closed. */
void trace_close(void);

/* The root of a new trace, sampled or not as trace_sample() says; also when spans are off. */
void trace_root(struct loop *loop, struct trace_context *out);
/* The traceparent of a span within the one whose header was `given`, or of a root if that is NULL
 * or none. */
void trace_continue(struct loop *loop, const char *given, char out[TRACEPARENT_TEXT + 1]);

extern bool trace_is_on;
void span_begin(struct span *span, enum span_name name, const struct trace_context *parent);
void span_finish(struct span *span, bool good);

/* `parent` NULL or none: the root of a trace. */
static inline void span_start(struct span *span, enum span_name name,
                              const struct trace_context *parent)
{
    span->on = trace_is_on;
    if (span->on) span_begin(span, name, parent);
}
/* Once for each start. */
static inline void span_end(struct span *span, bool good)
{
    if (span->on) span_finish(span, good);
}
/* Something that took that long and ends now: timing alone. */
void span_took(enum span_name name, uint64_t ns);
/* One whose ids somebody else has made, and that ends now: a request, whose span is in its
 * traceparent. `parent` NULL = none. */
void span_record(enum span_name name, const struct trace_context *context,
                 const struct trace_context *parent, uint64_t took_ns, bool good);
/* Sampled spans keep up to SPAN_ATTRIBUTES_MAX; the value is cut to fit. */
void span_attribute(struct span *span, const char *name, const char *value);

/* --- where the time goes --- */

struct span_times {
    uint64_t count, sum_ns, max_ns;
    uint64_t p50_ns, p99_ns; /* within 4 % */
};
const char *span_shown(enum span_name name);
void span_times(enum span_name name, struct span_times *out);
/* A table for people, longest sum first. */
void trace_report(struct buffer *out);
/* Prometheus' text form: a summary. */
void trace_print_metrics(struct buffer *out);
void trace_forget_times(void);

#endif
