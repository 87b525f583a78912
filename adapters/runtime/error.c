/* Errors and the table of reasons. */
#include "runtime/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct reason_row rows[REASON_COUNT] = {
    [REASON_NONE] = {"none", OUTCOME_DONE, 200, "none", "Nothing is wrong", ""},
#define REASON(NAME, outcome, status, type, title, help)                                           \
    [REASON_##NAME] = {type, OUTCOME_##outcome, status, type, title, help},
#include "reasons.def"
#undef REASON
};

const struct reason_row *reason_row(enum reason reason)
{
    return &rows[reason < REASON_COUNT ? reason : REASON_INTERNAL];
}

enum reason reason_find(const char *name)
{
    for (unsigned i = 1; i < REASON_COUNT; i++)
        if (strcmp(rows[i].name, name) == 0) return (enum reason)i;
    return REASON_NONE;
}

static void format_into(char *out, size_t size, const char *format, va_list list)
{
    vsnprintf(out, size, format, list);
}

enum outcome error_set(struct error *err, enum reason reason, const char *format, ...)
{
    va_list list;

    memset(err, 0, sizeof *err);
    err->reason = reason;
    err->outcome = reason_row(reason)->outcome;
    va_start(list, format);
    format_into(err->message, sizeof err->message, format, list);
    va_end(list);
    return err->outcome;
}

void error_detail(struct error *err, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    format_into(err->detail, sizeof err->detail, format, list);
    va_end(list);
}

void error_hint(struct error *err, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    format_into(err->hint, sizeof err->hint, format, list);
    va_end(list);
}

void error_member(struct error *err, const char *name, const char *format, ...)
{
    va_list list;

    if (err->member_count == ERROR_MEMBERS_MAX) return;
    err->members[err->member_count].name = name;
    va_start(list, format);
    format_into(err->members[err->member_count].value, sizeof err->members[0].value, format, list);
    va_end(list);
    err->member_count++;
}

void error_fault(struct error *err, const char *field, const char *format, ...)
{
    struct error_fault *fault;
    va_list list;

    if (err->fault_count == 0) error_set(err, REASON_INVALID_REQUEST, "the request has faults");
    if (err->fault_count++ >= ERROR_FAULTS_MAX) return;
    fault = &err->faults[err->fault_count - 1];
    snprintf(fault->field, sizeof fault->field, "%s", field);
    va_start(list, format);
    format_into(fault->message, sizeof fault->message, format, list);
    va_end(list);
}
