/* Lines of the log: made, limited, written. */
#include "observe/log.h"

#include "observe/metrics.h"
#include "observe/trace_context.h"
#include "security/mask.h"
#include "wire/times.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MESSAGE_MAX = 1024, VALUE_MAX = 512, KINDS = 64, KIND_LINES_MAX = 10 };
static const uint64_t window_ns = UINT64_C(10000000000);

/* Lines that say the same: how many were written since the window began, and how many not. */
struct kind {
    const char *format, *action;
    enum log_level level;
    uint64_t began_ns;
    unsigned written, suppressed;
};

static void end_window(void *context);

/* There is one standard error, so there is one of these. */
static struct {
    struct loop *loop;
    const char *name;
    enum log_level level;
    void (*write)(void *context, const char *line, size_t length);
    void *context;
    struct buffer line, masked; /* kept, so that a line claims no memory */
    bool cut;                   /* a field didn't fit into the line */
    struct kind kinds[KINDS];
    struct loop_timer window;
    bool window_runs;
} the_log = {.level = LOG_LEVEL_INFO, .window = {.fire = end_window}};

/* --- making a line --- */

/* Takes back what was added behind `length` if the line became too long; room is left for the
 * end. */
static bool fits(size_t length)
{
    if (the_log.line.length <= LOG_LINE_MAX - 40) return true;
    the_log.line.length = length;
    the_log.line.bytes[length] = '\0';
    the_log.cut = true;
    return false;
}

static void add_name(const char *name)
{
    buffer_char(&the_log.line, ',');
    buffer_json(&the_log.line, name, strlen(name));
    buffer_char(&the_log.line, ':');
}

/* A value with what it must not show taken out. */
static void add_value(const char *text, size_t most)
{
    buffer_clear(&the_log.masked);
    mask_text(text, strnlen(text, most), &the_log.masked);
    buffer_json(&the_log.line, buffer_str(&the_log.masked), the_log.masked.length);
}

static void add_text(const char *name, const char *text)
{
    size_t length = the_log.line.length;

    if (text == NULL || *text == '\0') return;
    add_name(name);
    add_value(mask_field(name) ? "***" : text, VALUE_MAX);
    (void)fits(length);
}

static void add_number(const char *name, uint64_t number)
{
    size_t length = the_log.line.length;

    if (mask_field(name)) {
        add_text(name, "***");
        return;
    }
    add_name(name);
    buffer_number(&the_log.line, number);
    (void)fits(length);
}

static void add_trace(const char *traceparent)
{
    struct trace_context context;
    char hex[33];

    if (!trace_context_read(traceparent, &context)) return;
    trace_hex(context.trace, sizeof context.trace, hex);
    add_text("trace.id", hex);
    trace_hex(context.span, sizeof context.span, hex);
    add_text("span.id", hex);
}

/* As many as there is room for. */
static void add_faults(const struct error *err)
{
    unsigned count = err->fault_count < ERROR_FAULTS_MAX ? err->fault_count : ERROR_FAULTS_MAX;
    char text[sizeof(struct error_fault) + 2];
    size_t length = the_log.line.length;

    if (count == 0) return;
    add_name("micropay.error.faults");
    buffer_char(&the_log.line, '[');
    if (!fits(length)) return;
    for (unsigned i = 0; i < count; i++) {
        length = the_log.line.length;
        if (i > 0) buffer_char(&the_log.line, ',');
        snprintf(text, sizeof text, "%s: %s", err->faults[i].field, err->faults[i].message);
        add_value(text, sizeof text);
        if (!fits(length)) break;
    }
    buffer_char(&the_log.line, ']');
}

static void add_error(const struct error *err)
{
    if (err == NULL || err->reason == REASON_NONE) return;
    add_text("event.outcome", err->outcome == OUTCOME_UNKNOWN ? "unknown" : "failure");
    add_text("error.code", reason_row(err->reason)->name);
    add_text("error.message", err->message);
    add_text("micropay.error.detail", err->detail);
    add_text("micropay.error.hint", err->hint);
    add_faults(err);
}

static const char *level_name(enum log_level level)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};

    return names[level];
}

static void add_time(void)
{
    char text[INSTANT_TEXT_MAX];

    if (the_log.loop == NULL) return;
    instant_print(loop_now_ns(the_log.loop) / 1000000 * 1000000, text);
    buffer_format(&the_log.line, "\"@timestamp\":\"%s\",", text);
}

/* One that escapes make too long is cut shorter. */
static void add_message(const char *message)
{
    size_t length;

    buffer_text(&the_log.line, "\"message\":");
    length = the_log.line.length;
    add_value(message, MESSAGE_MAX);
    if (the_log.line.length - length <= 2 * MESSAGE_MAX) return;
    the_log.line.length = length;
    add_value(message, MESSAGE_MAX / 6);
    the_log.cut = true;
}

static void make_line(enum log_level level, const struct log_about *about, const char *message)
{
    buffer_clear(&the_log.line);
    the_log.cut = false;
    buffer_char(&the_log.line, '{');
    add_time();
    buffer_format(&the_log.line, "\"log.level\":\"%s\",", level_name(level));
    add_message(message);
    add_text("ecs.version", "8.11.0");
    add_text("service.name", about->service != NULL ? about->service : the_log.name);
    add_text("event.action", about->action);
    add_trace(about->traceparent);
    add_error(about->err);
    for (unsigned i = 0; i < LOG_FIELDS_MAX && about->fields[i].name != NULL; i++) {
        if (about->fields[i].text != NULL)
            add_text(about->fields[i].name, about->fields[i].text);
        else
            add_number(about->fields[i].name, about->fields[i].number);
    }
    buffer_text(&the_log.line, the_log.cut ? ",\"micropay.log.cut\":true}\n" : "}\n");
}

/* --- writing it --- */

/* False if standard error doesn't take a whole line now. */
static bool write_line(const char *line, size_t length)
{
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    ssize_t written;

    if (poll(&ready, 1, 0) != 1 || !(ready.revents & POLLOUT)) return false;
    do written = write(STDERR_FILENO, line, length);
    while (written < 0 && errno == EINTR);
    return written == (ssize_t)length;
}

static void send_line(enum log_level level)
{
    if (the_log.write != NULL) {
        the_log.write(the_log.context, the_log.line.bytes, the_log.line.length);
    } else if (!write_line(the_log.line.bytes, the_log.line.length)) {
        metric_add(METRIC_log_lines_suppressed_total, 1);
        return;
    }
    metric_add(METRIC_log_lines_total, 1, .level = metric_word(LABEL_level, level_name(level)));
}

/* --- repetitions --- */

static void tell_suppressed(struct kind *kind)
{
    struct log_about about = {.action = kind->action};
    char message[MESSAGE_MAX];

    if (kind->suppressed > 0) {
        snprintf(message, sizeof message, "suppressed %u more lines of \"%s\"", kind->suppressed,
                 kind->format);
        make_line(kind->level, &about, message);
        send_line(kind->level);
    }
    *kind = (struct kind){0};
}

static void end_window(void *context)
{
    (void)context;
    the_log.window_runs = false;
    for (unsigned i = 0; i < KINDS; i++) tell_suppressed(&the_log.kinds[i]);
}

/* True if enough of its kind was written. */
static bool is_too_much(enum log_level level, const struct log_about *about, const char *format)
{
    uint64_t now_ns = loop_elapsed_ns(the_log.loop);
    uintptr_t hash = ((uintptr_t)format ^ (uintptr_t)about->action << 7) * 0x9e3779b97f4a7c15;
    struct kind *kind = &the_log.kinds[(hash >> 32) % KINDS];

    if (kind->format != format || kind->action != about->action || kind->level != level ||
        now_ns - kind->began_ns >= window_ns) {
        tell_suppressed(kind);
        *kind = (struct kind){
            .format = format, .action = about->action, .level = level, .began_ns = now_ns};
    }
    if (kind->written < KIND_LINES_MAX) {
        kind->written++;
        return false;
    }
    kind->suppressed++;
    metric_add(METRIC_log_lines_suppressed_total, 1);
    if (!the_log.window_runs) {
        the_log.window_runs = true;
        loop_timer_set(the_log.loop, &the_log.window, window_ns);
    }
    return true;
}

/* --- the verbs --- */

void log_open(struct loop *loop, const char *name, enum log_level level)
{
    the_log.loop = loop;
    the_log.name = name;
    the_log.level = level;
}

void log_level_set(enum log_level level) { the_log.level = level; }

bool log_shows(enum log_level level) { return level >= the_log.level; }

void log_close(void)
{
    if (the_log.loop != NULL) {
        loop_timer_cancel(the_log.loop, &the_log.window);
        end_window(NULL);
    }
    the_log.loop = NULL;
    buffer_done(&the_log.line);
    buffer_done(&the_log.masked);
}

void log_to(void (*write)(void *context, const char *line, size_t length), void *context)
{
    the_log.write = write;
    the_log.context = context;
}

void log_write(enum log_level level, const struct log_about *about, const char *format, ...)
{
    static const struct log_about nothing;
    char message[MESSAGE_MAX];
    va_list list;

    if (about == NULL) about = &nothing;
    if (!log_shows(level)) return;
    if (the_log.loop != NULL && !about->every && is_too_much(level, about, format)) return;
    va_start(list, format);
    vsnprintf(message, sizeof message, format, list);
    va_end(list);
    make_line(level, about, message);
    send_line(level);
}
