/*
 * The log: lines of JSON on standard error, with the field names of Elastic's Common Schema (ECS).
 *
 *     log_info(&(struct log_about){.service = "payment", .action = "payment.failed", .err = &err},
 *              "gave up payment %s", id);
 *
 * Adapters return errors; handlers and main log them. Secrets and personal data are not logged, and
 * what looks like it is masked (security/mask.h). A line goes out with one write(). Of lines that
 * say the same (level, action and format, not the values) ten in ten seconds are written; how many
 * more there were is said when these are over. One that standard error can't take at once is
 * dropped and counted: a reader that hangs holds up no payment.
 *
 * On the loop's thread.
 */
#ifndef ADAPTERS_OBSERVE_LOG_H
#define ADAPTERS_OBSERVE_LOG_H

#include "runtime/error.h"
#include "runtime/loop.h"
#include "wire/ids.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

enum { LOG_FIELDS_MAX = 8, LOG_LINE_MAX = 4096 /* what a pipe takes whole: PIPE_BUF */ };

/* A further field, by its ECS name or one below "micropay."; `text` NULL: it is the number. Ended
 * by one without name. */
struct log_field {
    const char *name, *text;
    uint64_t number;
};

/* What a line is about; all of it may be left out, and NULL says nothing. */
struct log_about {
    const char *service;     /* service.name; the process's own if NULL */
    const char *action;      /* event.action: what happened, as "payment.failed" */
    const struct error *err; /* error.code, error.message, detail, hint, faults */
    const char *traceparent; /* trace.id and span.id */
    bool every;              /* never suppressed as a repetition */
    struct log_field fields[LOG_FIELDS_MAX];
};

/* Before the first line that shall have a time. `name` of the process is lent; the loop lives until
 * log_close(). */
void log_open(struct loop *loop, const char *name, enum log_level level);
void log_level_set(enum log_level level);
bool log_shows(enum log_level level);
/* Says what was suppressed, and forgets the loop. */
void log_close(void);
/* Where lines go instead of standard error, for tests: NULL = back. The line has its newline. */
void log_to(void (*write)(void *context, const char *line, size_t length), void *context);

/* Use the four below. */
__attribute__((format(printf, 3, 4))) void log_write(enum log_level level,
                                                     const struct log_about *about,
                                                     const char *format, ...);

/* For who develops; off unless asked for. */
#define log_debug(...)                                                                             \
    do {                                                                                           \
        if (log_shows(LOG_LEVEL_DEBUG)) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__);                   \
    } while (0)
/* Something of the process's life. */
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
/* It mends itself, or somebody asked for what can't be. */
#define log_warn(...) log_write(LOG_LEVEL_WARN, __VA_ARGS__)
/* Somebody has to do something. */
#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)

#endif
