/* What went wrong, for people and for programs. */
#include "types.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static _Thread_local char last_error[1024];

const char *mp_last_error(void) { return last_error; }

mp_status fail(mp_status status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(last_error, sizeof last_error, format, arguments);
    va_end(arguments);
    return status;
}

void assert_failed(const char *what, const char *file, int line)
{
    fprintf(stderr,
            "micropay: broken invariant: %s (%s:%d); the ledger's files are untouched by this\n",
            what, file, line);
    abort();
}

const char *mp_status_name(mp_status status)
{
    switch (status) {
#define MP_X(NAME, number, text)                                                                   \
    case MP_##NAME: return "MP_" #NAME;
        MP_STATUSES(MP_X)
#undef MP_X
    }
    return "MP_?";
}

const char *mp_status_text(mp_status status)
{
    switch (status) {
#define MP_X(NAME, number, text)                                                                   \
    case MP_##NAME: return text;
        MP_STATUSES(MP_X)
#undef MP_X
    }
    return "unknown status";
}

const char *mp_account_result_name(uint32_t result)
{
    if (result == MP_CREATED) return "created";
    switch (result) {
#define MP_X(NAME, name, number)                                                                   \
    case number: return #name;
        MP_ACCOUNT_RESULTS(MP_X)
#undef MP_X
    default: return NULL;
    }
}

const char *mp_transfer_result_name(uint32_t result)
{
    if (result == MP_CREATED) return "created";
    switch (result) {
#define MP_X(NAME, name, number, binds)                                                            \
    case number: return #name;
        MP_TRANSFER_RESULTS(MP_X)
#undef MP_X
    default: return NULL;
    }
}

bool mp_transfer_result_binds(uint32_t result)
{
    switch (result) {
#define MP_X(NAME, name, number, binds)                                                            \
    case number: return binds;
        MP_TRANSFER_RESULTS(MP_X)
#undef MP_X
    default: return false;
    }
}

const char *mp_version(void) { return "0.1.0"; }
