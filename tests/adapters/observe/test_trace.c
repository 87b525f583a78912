#include "observe/trace.h"

#include "observe/metrics.h"
#include "resilience/fake_client.h"
#include "support/test_loop.h"

#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t ms = 1000000;
static struct loop *loop;
static struct http_client client;
static struct fake_answer answer = {.status = 200};
static cJSON *batches[32];
static char url[128];

static struct fake_answer take(void *context, const struct http_call *call)
{
    (void)context;
    snprintf(url, sizeof url, "%s", call->url);
    cr_assert_eq(call->method, HTTP_POST);
    cr_assert_str_eq(call->headers[0], "Content-Type: application/json");
    batches[client.calls % 32] = cJSON_ParseWithLength(call->body, call->length);
    cr_assert_not_null(batches[client.calls % 32]);
    return answer;
}

static void make(void)
{
    loop = test_loop_make(NULL);
    client = (struct http_client){.loop = loop, .decide = take};
}

static void make_sending(void)
{
    make();
    trace_open(loop, 1000000);
    trace_send_to(&client, "http://collector:4318", "micropay");
}

static void finish(void)
{
    trace_stop();
    trace_close();
    for (unsigned i = 0; i < 32; i++) cJSON_Delete(batches[i]);
    test_loop_free(loop);
}

static const cJSON *spans_of(const cJSON *batch)
{
    const cJSON *resource = cJSON_GetArrayItem(cJSON_GetObjectItem(batch, "resourceSpans"), 0);
    const cJSON *scope = cJSON_GetArrayItem(cJSON_GetObjectItem(resource, "scopeSpans"), 0);

    return cJSON_GetObjectItem(scope, "spans");
}

static const char *text(const cJSON *span, const char *name)
{
    const cJSON *value = cJSON_GetObjectItem(span, name);

    return cJSON_IsString(value) ? value->valuestring : "";
}

/* A span of its own, of that length. */
static void one(uint64_t length_ns)
{
    struct span span;

    span_start(&span, SPAN_turn, NULL);
    test_loop_pass(loop, length_ns);
    span_end(&span, true);
}

Test(trace, when_off_nothing_is_counted_and_nothing_is_sent, .init = make, .fini = finish)
{
    struct span_times times;
    struct span span;

    span_start(&span, SPAN_turn, NULL);
    cr_assert(!span.on);
    trace_open(loop, 1000000); /* one that began before doesn't count */
    span_attribute(&span, "a", "b");
    span_end(&span, true);
    span_times(SPAN_turn, &times);
    cr_assert_eq(times.count, 0);
    cr_assert_eq(test_loop_timers(loop), 0);
}

Test(trace, where_the_time_goes_is_known_without_a_collector, .init = make, .fini = finish)
{
    struct buffer out = {0};
    struct span_times times;
    struct span outer, inner;

    trace_open(loop, 0);
    for (unsigned i = 1; i <= 100; i++) {
        span_start(&outer, SPAN_turn, NULL);
        span_start(&inner, SPAN_turn_commit, &outer.context);
        test_loop_pass(loop, i * ms);
        span_end(&inner, true);
        test_loop_pass(loop, 1 * ms);
        span_end(&outer, true);
    }
    span_times(SPAN_turn_commit, &times);
    cr_assert_eq(times.count, 100);
    cr_assert_eq(times.sum_ns, 5050 * ms);
    cr_assert_eq(times.max_ns, 100 * ms);
    cr_assert_leq(labs((long)(times.p50_ns - 50 * ms)), (long)(2 * ms));
    cr_assert_leq(labs((long)(times.p99_ns - 99 * ms)), (long)(4 * ms));
    trace_report(&out);
    cr_assert_lt(strstr(out.bytes, "turn "), strstr(out.bytes, "turn.commit "), "longest first: %s",
                 out.bytes);
    cr_assert_null(strstr(out.bytes, "payment"));
    buffer_clear(&out);
    trace_print_metrics(&out);
    cr_assert_not_null(strstr(out.bytes, "micropay_span_seconds_count{span=\"turn\"} 100\n"));
    cr_assert_not_null(strstr(out.bytes, "micropay_span_seconds_sum{span=\"turn\"} 5.150000000\n"));
    buffer_done(&out);
    cr_assert_eq(client.calls, 0);
    trace_forget_times();
}

Test(trace, quantiles_are_right_within_four_percent_over_all_lengths, .init = make, .fini = finish)
{
    for (uint64_t ns = 1; ns < UINT64_C(7200000000000); ns = ns * 21 / 20 + 1) {
        struct span_times times;

        trace_forget_times();
        span_took(SPAN_payment, ns);
        span_took(SPAN_payment, ns);
        span_took(SPAN_payment, UINT64_C(1) << 60); /* beyond all buckets */
        span_times(SPAN_payment, &times);
        cr_assert_leq(labs((long)(times.p50_ns - ns)) * 25, (long)ns, "%lu: %lu", ns, times.p50_ns);
    }
}

Test(trace, a_span_arrives_at_the_collector_as_otlp_says, .init = make_sending, .fini = finish)
{
    struct trace_context root = {.trace = {0xab, 1}, .span = {0xcd, 2}, .sampled = true};
    struct span span;
    const cJSON *sent, *attribute;

    span_start(&span, SPAN_ledger_command, &root);
    span_attribute(&span, "ledger.step", "reserve");
    span_attribute(&span, "user.email", "x");
    test_loop_pass(loop, 5 * ms);
    span_end(&span, false);
    test_loop_pass(loop, 2000 * ms);
    cr_assert_eq(client.calls, 1);
    cr_assert_str_eq(url, "http://collector:4318/v1/traces");
    sent = cJSON_GetArrayItem(spans_of(batches[0]), 0);
    cr_assert_str_eq(text(sent, "traceId"), "ab010000000000000000000000000000");
    cr_assert_str_eq(text(sent, "parentSpanId"), "cd02000000000000");
    cr_assert_eq(strlen(text(sent, "spanId")), 16);
    cr_assert_str_neq(text(sent, "spanId"), "cd02000000000000");
    cr_assert_str_eq(text(sent, "name"), "ledger.command");
    cr_assert_eq(cJSON_GetObjectItem(sent, "kind")->valueint, 3);
    cr_assert_str_eq(text(sent, "startTimeUnixNano"), "1767225600000000000");
    cr_assert_str_eq(text(sent, "endTimeUnixNano"), "1767225600005000000");
    cr_assert_eq(cJSON_GetObjectItem(cJSON_GetObjectItem(sent, "status"), "code")->valueint, 2);
    attribute = cJSON_GetArrayItem(cJSON_GetObjectItem(sent, "attributes"), 0);
    cr_assert_str_eq(text(attribute, "key"), "ledger.step");
    cr_assert_str_eq(text(cJSON_GetObjectItem(attribute, "value"), "stringValue"), "reserve");
    attribute = cJSON_GetArrayItem(cJSON_GetObjectItem(sent, "attributes"), 1);
    cr_assert_str_eq(text(cJSON_GetObjectItem(attribute, "value"), "stringValue"), "***");
    cr_assert_eq(metric_read(METRIC_spans_sent_total), 1);
}

Test(trace, what_happens_within_a_span_has_it_as_its_parent, .init = make_sending, .fini = finish)
{
    struct span outer, inner;
    const cJSON *spans;

    span_start(&outer, SPAN_turn, NULL);
    span_start(&inner, SPAN_turn_commit, &outer.context);
    span_end(&inner, true);
    span_end(&outer, true);
    test_loop_pass(loop, 2000 * ms);
    spans = spans_of(batches[0]);
    cr_assert_eq(cJSON_GetArraySize(spans), 2);
    cr_assert_str_eq(text(cJSON_GetArrayItem(spans, 0), "parentSpanId"),
                     text(cJSON_GetArrayItem(spans, 1), "spanId"));
    cr_assert_str_eq(text(cJSON_GetArrayItem(spans, 0), "traceId"),
                     text(cJSON_GetArrayItem(spans, 1), "traceId"));
    cr_assert_str_eq(text(cJSON_GetArrayItem(spans, 1), "parentSpanId"), "");
}

Test(trace, the_share_that_is_asked_for_is_sampled_and_a_callers_flag_is_followed,
     .init = make_sending, .fini = finish)
{
    struct trace_context context;
    unsigned sampled = 0;

    trace_sample(100000);
    for (unsigned i = 0; i < 20000; i++) {
        trace_root(loop, &context);
        sampled += context.sampled;
        cr_assert(!trace_context_is_none(&context));
    }
    cr_assert_leq(abs((int)sampled - 2000), 200, "%u", sampled);
    trace_sample(0);
    one(ms);
    test_loop_pass(loop, 3000 * ms);
    cr_assert_eq(client.calls, 0);
    for (unsigned flag = 0; flag < 2; flag++) {
        struct span span;

        context.sampled = flag;
        span_start(&span, SPAN_turn, &context);
        cr_assert_eq(memcmp(span.context.span, context.span, 8) != 0, flag);
        span_end(&span, true);
    }
    test_loop_pass(loop, 3000 * ms);
    cr_assert_eq(client.calls, 1);
    cr_assert_eq(cJSON_GetArraySize(spans_of(batches[0])), 1);
}

Test(trace, a_request_continues_its_callers_trace_or_begins_one_that_is_sampled_by_share,
     .init = make_sending, .fini = finish)
{
    static const char given[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
    struct trace_context context, parent;
    char text_out[TRACEPARENT_TEXT + 1];
    unsigned sampled = 0;

    trace_continue(loop, given, text_out);
    cr_assert(trace_context_read(given, &parent) && trace_context_read(text_out, &context));
    cr_assert_eq(memcmp(context.trace, parent.trace, 16), 0);
    cr_assert_neq(memcmp(context.span, parent.span, 8), 0);
    cr_assert(!context.sampled);
    trace_sample(500000);
    for (unsigned i = 0; i < 1000; i++) {
        trace_continue(loop, i % 2 ? NULL : "nonsense", text_out);
        cr_assert(trace_context_read(text_out, &context));
        sampled += context.sampled;
    }
    cr_assert_leq(abs((int)sampled - 500), 100);
}

Test(trace, a_span_whose_ids_were_made_elsewhere_is_sent_with_them, .init = make_sending,
     .fini = finish)
{
    struct trace_context own = {.trace = {1}, .span = {2}, .sampled = true};
    struct trace_context parent = {.trace = {1}, .span = {3}, .sampled = true};
    const cJSON *spans;

    span_record(SPAN_http_request, &own, &parent, 7 * ms, true);
    span_record(SPAN_http_request, &own, NULL, 7 * ms, true);
    test_loop_pass(loop, 2000 * ms);
    spans = spans_of(batches[0]);
    cr_assert_str_eq(text(cJSON_GetArrayItem(spans, 0), "spanId"), "0200000000000000");
    cr_assert_str_eq(text(cJSON_GetArrayItem(spans, 0), "parentSpanId"), "0300000000000000");
    cr_assert_str_eq(text(cJSON_GetArrayItem(spans, 1), "parentSpanId"), "");
}

Test(trace, many_spans_go_in_batches_at_once_and_few_soon, .init = make_sending, .fini = finish)
{
    for (unsigned i = 0; i < 300; i++) one(0);
    test_loop_run(loop);
    cr_assert_eq(client.calls, 1);
    cr_assert_eq(cJSON_GetArraySize(spans_of(batches[0])), 256);
    test_loop_pass(loop, 2000 * ms);
    cr_assert_eq(client.calls, 2);
    cr_assert_eq(cJSON_GetArraySize(spans_of(batches[1])), 44);
    cr_assert_eq(test_loop_timers(loop), 0, "an idle process has nothing to do");
}

Test(trace, a_collector_that_does_not_answer_costs_bounded_memory_and_the_spans,
     .init = make_sending, .fini = finish)
{
    answer = (struct fake_answer){.after_ms = 60000};
    for (unsigned i = 0; i < 10000; i++) {
        one(0);
        if (i % 100 == 0) test_loop_run(loop);
    }
    cr_assert_eq(metric_read(METRIC_spans_dropped_total), 10000 - 2048 - 256);
    cr_assert_leq(client.most_outstanding, 1);
    test_loop_pass(loop, 600000 * ms);
    cr_assert_eq(metric_read(METRIC_spans_dropped_total), 10000);
    answer = (struct fake_answer){.status = 200};
    test_loop_pass(loop, 60000 * ms);
    one(0);
    test_loop_pass(loop, 2000 * ms);
    cr_assert_eq(metric_read(METRIC_spans_sent_total), 1, "and it is found when it is back");
}

static unsigned drained;
static void on_drained(void *context)
{
    (void)context;
    drained++;
}

Test(trace, a_stop_sends_what_is_left_before_it_says_so, .init = make_sending, .fini = finish)
{
    answer.after_ms = 10;
    for (unsigned i = 0; i < 700; i++) one(0);
    trace_drain(on_drained, NULL);
    cr_assert_eq(drained, 0);
    test_loop_pass(loop, 100 * ms);
    cr_assert_eq(drained, 1);
    cr_assert_eq(metric_read(METRIC_spans_sent_total), 700);
    trace_drain(on_drained, NULL);
    cr_assert_eq(drained, 2);
}

Test(trace, a_stop_without_a_collector_is_over_at_once, .init = make, .fini = finish)
{
    trace_open(loop, 0);
    trace_drain(on_drained, NULL);
    cr_assert_eq(drained, 1);
}
