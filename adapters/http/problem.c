/* Problems, printed and answered. */
#include "http/problem.h"

#include <stdio.h>
#include <string.h>

static void add_member(struct buffer *out, const char *name, const char *value)
{
    if (value == NULL || *value == '\0') return;
    buffer_format(out, ",\"%s\":", name);
    buffer_json(out, value, strlen(value));
}

static void add_faults(struct buffer *out, const struct error *err)
{
    unsigned shown = err->fault_count < ERROR_FAULTS_MAX ? err->fault_count : ERROR_FAULTS_MAX;

    if (shown == 0) return;
    buffer_text(out, ",\"errors\":[");
    for (unsigned i = 0; i < shown; i++) {
        buffer_text(out, i > 0 ? ",{\"field\":" : "{\"field\":");
        buffer_json(out, err->faults[i].field, strlen(err->faults[i].field));
        buffer_text(out, ",\"message\":");
        buffer_json(out, err->faults[i].message, strlen(err->faults[i].message));
        buffer_char(out, '}');
    }
    buffer_char(out, ']');
    if (err->fault_count > shown)
        buffer_format(out, ",\"errors_left_out\":%u", err->fault_count - shown);
}

void problem_print(struct buffer *out, const struct error *err, const char *instance,
                   const char *traceparent)
{
    const struct reason_row *row = reason_row(err->reason);

    buffer_format(out, "{\"type\":\"https://micropay.dev/problems/%s\",\"title\":\"%s\"", row->type,
                  row->title);
    buffer_format(out, ",\"status\":%u", row->status);
    add_member(out, "detail", err->message);
    add_member(out, "hint", err->hint[0] != '\0' ? err->hint : row->help);
    add_faults(out, err);
    for (unsigned i = 0; i < err->member_count; i++)
        add_member(out, err->members[i].name, err->members[i].value);
    add_member(out, "instance", instance);
    if (traceparent != NULL) buffer_format(out, ",\"traceid\":\"%.32s\"", traceparent + 3);
    buffer_char(out, '}');
}

/* How many seconds to wait before the same request may be sent again. */
static void set_retry_after(struct http_exchange *exchange, const struct error *err)
{
    const char *seconds = "1";

    for (unsigned i = 0; i < err->member_count; i++)
        if (strcmp(err->members[i].name, "retry_after") == 0) seconds = err->members[i].value;
    http_set_header(exchange, "Retry-After", seconds);
}

static void answer(struct http_exchange *exchange, const struct error *err)
{
    unsigned status = reason_row(err->reason)->status;

    if (status == 429 || status == 503) set_retry_after(exchange, err);
    if (status == 401) http_set_header(exchange, "WWW-Authenticate", "Bearer");
    http_set_header(exchange, "Content-Type", "application/problem+json");
    http_answer(exchange, status);
}

void http_answer_problem(struct http_exchange *exchange, const struct error *err)
{
    buffer_clear(&exchange->out);
    problem_print(&exchange->out, err, exchange->path, exchange->traceparent);
    answer(exchange, err);
}

void http_answer_problem_with(struct http_exchange *exchange, const struct error *err,
                              const char *member, const struct record *record, const void *value)
{
    buffer_clear(&exchange->out);
    problem_print(&exchange->out, err, exchange->path, exchange->traceparent);
    exchange->out.length--; /* the brace that closes it */
    buffer_format(&exchange->out, ",\"%s\":", member);
    record_print(record, value, &exchange->out);
    buffer_char(&exchange->out, '}');
    answer(exchange, err);
}
