#include "session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* The engine's time ends at 2^63 - 1: a ledger that has come so far takes nothing more. */
#define NOW_MAX_NS (INT64_MAX - UINT64_C(1000000000))

/* The one clock of a run whose time is given; a run opens one ledger. */
static uint64_t still_ns;
static mp_env still_env;

static uint64_t still_clock(void *context)
{
    (void)context;
    return still_ns;
}

enum exit_status session_clock(struct command *command)
{
    const char *now = getenv("MICROPAY_NOW");
    mp_u128 number;

    if (now == NULL || *now == '\0') return EXIT_DONE;
    if (!number_parse(slice_of(now), &number) || number > NOW_MAX_NS)
        return usage_error(command,
                           "MICROPAY_NOW is '%s': nanoseconds since 1970, at most %llu, are meant",
                           now, (unsigned long long)NOW_MAX_NS);
    still_ns = (uint64_t)number;
    still_env = *command->env;
    still_env.real_ns = still_clock;
    still_env.boot_ns = still_clock;
    command->env = &still_env;
    return EXIT_DONE;
}

mp_options session_options(const struct command *command, unsigned flags)
{
    if (given(command, OPT_ACCEPT_CLOCK) || command->env == &still_env)
        flags |= MP_OPEN_ACCEPT_CLOCK;
    if (given(command, OPT_FORCE_FS)) flags |= MP_OPEN_FORCE_FS;
    return (mp_options){
        .flags = flags,
        .memory_max = u64_of(command, OPT_MEMORY_MAX),
        .env = command->env,
    };
}

/* What a person can do about it; NULL if the message says it all. */
static const char *advice(mp_status status)
{
    switch (status) {
    case MP_NOT_FOUND: return "'micropay init DIR' makes a ledger";
    case MP_LOCKED: return "end that process, or use a verb that only reads";
    case MP_CLOCK: return "if the clock is right, say --accept-clock";
    case MP_FILESYSTEM: return "if you know better, say --force-fs";
    case MP_LIMIT: return "give it more by --memory-max";
    case MP_NO_MEMORY: return "give it less by --memory-max, or raise the system's limit";
    case MP_DISK_FULL: return "make room on the disk, then run the same again";
    case MP_UNKNOWN:
    case MP_STOPPED:
        return "run the same again with the same ids: what was booked is not booked twice";
    default: return NULL;
    }
}

enum exit_status session_failed(const struct command *command, mp_status status, const char *what,
                                ...)
{
    const char *message = mp_last_error(), *hint = advice(status);
    char subject[512];
    va_list list;

    va_start(list, what);
    vsnprintf(subject, sizeof subject, what, list);
    va_end(list);
    if (*message == '\0') message = mp_status_text(status);
    complain(command, "%s: %s (%s)", subject, message, mp_status_name(status));
    if (hint != NULL) fprintf(stderr, "%s\n", hint);
    return EXIT_LEDGER;
}

enum exit_status session_open(struct command *command, unsigned flags, mp_ledger **out)
{
    mp_options options = session_options(command, flags);
    const char *directory = command->arguments[0], *notice;
    mp_status status = mp_open(directory, &options, out);

    if (status != MP_OK)
        return session_failed(command, status, "could not open the ledger in '%s'", directory);
    for (unsigned i = 0; (notice = mp_notice(*out, i)) != NULL; i++)
        complain(command, "note: %s", notice);
    return EXIT_DONE;
}

enum exit_status session_close(struct command *command, mp_ledger *ledger, enum exit_status status)
{
    mp_status closed = mp_close(ledger);

    if (closed == MP_OK) return status;
    /* a failure that was told already needn't be told twice */
    if (status != EXIT_LEDGER) (void)session_failed(command, closed, "could not close the ledger");
    return EXIT_LEDGER;
}
