/*
 * Settings: declared once as rows of a .def file, from which come a C struct, its parsers, the
 * names of environment variables, what --print-config shows and the table of the manual.
 *
 *     SETTING_ONE_OF(fraud_policy, "review", "allow review deny", LIVE, "What becomes of ...")
 *     SETTING_MS(fraud_timeout_ms, 2000, 50, 60000, LIVE, "How long a payment waits.")
 *     SETTING_U32(saga_open_max, 10000, 1, 1000000, RESTART, "Payments under way at once.")
 *     SETTING_BYTES(body_max, 2097152, 1024, 67108864, RESTART, "A request's body.")
 *     SETTING_FLAG(refund_fees, false, LIVE, "Whether fees are given back too.")
 *     SETTING_AMOUNT(review_above, "1000.00", LIVE, "Payments above are looked at.")
 *     SETTING_TEXT(listen, "127.0.0.1", 63, RESTART, "Address to listen on.")
 *     SETTING_SECRET(store_password, RESTART, "Password of the database: a file that holds it.")
 *
 * Numbers in rows are plain decimal literals. settings_struct.h makes the struct of them,
 * settings_rows.h the constant. LIVE takes effect at once when the value changes (settings_reload,
 * settings_change), RESTART at the next start.
 *
 * A value comes from the command line (--set name=value), else from the environment, else from the
 * last file that has it (--config FILE), else from the row. A service's settings are called
 * `service.name`, MICROPAY_SERVICE_NAME, or `name` below `[service]` in a file; common ones `name`,
 * MICROPAY_NAME, or `name` above every section. A file has lines `name = value`; `#` at the
 * beginning or after a blank starts a comment; a value may stand in double quotes, without escapes.
 *
 * A secret's value is `file:PATH`, or its variable's name with _FILE behind it holds the path; what
 * the file has, less the newlines at its end, is the secret. Secrets are never printed.
 *
 * On the loop's thread, or before there is one.
 */
#ifndef ADAPTERS_RUNTIME_SETTINGS_H
#define ADAPTERS_RUNTIME_SETTINGS_H

#include "runtime/error.h"
#include "wire/amount.h"
#include "wire/buffer.h"

enum {
    SETTING_SECRET_MAX = 1024,
    SETTING_VALUE_MAX = 4096, /* bytes of a value as written, and of a line of a file */
    SETTINGS_FILES_MAX = 16,
    SETTINGS_SETS_MAX = 128,
};

enum setting_kind {
    SETTING_KIND_ONE_OF, /* unsigned: index into the words of the row, from 0 */
    SETTING_KIND_MS,     /* uint64_t */
    SETTING_KIND_U32,    /* uint32_t */
    SETTING_KIND_BYTES,  /* uint64_t; written as a number, or with KiB, MiB or GiB */
    SETTING_KIND_AMOUNT, /* struct amount; decimal text */
    SETTING_KIND_FLAG,   /* bool; "true" or "false" */
    SETTING_KIND_TEXT,   /* char[max + 1]; no control characters or double quotes */
    SETTING_KIND_SECRET, /* char[SETTING_SECRET_MAX + 1]; "" = not given */
};

enum setting_apply { SETTING_LIVE, SETTING_RESTART };

/* A row */
struct setting {
    const char *name;
    enum setting_kind kind;
    enum setting_apply apply;
    uint32_t offset, size; /* of the field */
    uint64_t min, max;     /* numbers; TEXT: bytes */
    const char *initial;   /* as a file would say it */
    const char *words;     /* ONE_OF: with blanks between */
    const char *help;
};

/* All that one service can be told; made by settings_rows.h. */
struct settings {
    const char *name; /* the service; "common" for those of the process */
    const struct setting *rows;
    unsigned count;
    size_t size; /* of the struct */
};

/* Of the process itself: struct common_settings (common.h), common.def. */
extern const struct settings common_settings;

/* Where values come from. */
struct settings_sources {
    const char *files[SETTINGS_FILES_MAX]; /* a later one wins */
    unsigned file_count;
    const char *sets[SETTINGS_SETS_MAX]; /* "payment.fraud_policy=allow"; a later one wins */
    unsigned set_count;
    char *const *environment; /* as environ; NULL = none */
    /* Services of other processes, NULL-ended: their sections and variables are passed over, so
     * that all services can be given the same file. NULL = none. */
    const char *const *others;
    bool print_config, help_settings; /* asked for on the command line */
};

/*
 * Reads an argument of the command line if it is one of --config FILE, --set NAME=VALUE,
 * --print-config, --help-settings (also as --config=FILE). Then *at moves to the last that it took
 * and true is answered; what is wrong with it becomes a fault of err. Texts are lent.
 */
bool settings_argument(struct settings_sources *sources, int argc, char *const *argv, int *at,
                       struct error *err);

struct settings_loaded;

/*
 * Loads the settings of these sections (NULL-ended). Everything wrong is a fault of err, its field
 * the file and line, or the variable; the reason is REASON_BAD_SETTING: a value that can't be read
 * or is out of bounds, even where another source overrides it; a name that no row has; a variable
 * MICROPAY_... that no row has. Faults that settings_argument() left in err are told too, so err
 * must be zero or theirs. Sections and sources' `others` live as long as what is loaded; the rest
 * is copied.
 */
enum outcome settings_load(const struct settings_sources *sources,
                           const struct settings *const *sections, struct settings_loaded **out,
                           struct error *err) MUST_USE;
/* The struct of a section; stays where it is, and is changed in place by the two below. */
const void *settings_values(const struct settings_loaded *loaded, const struct settings *section);
/*
 * Reads all sources again (the environment as it was given). LIVE settings take their new values;
 * for each setting that is changed, but only by a restart, its name is added to `later`, a line
 * each. Refused with the faults of settings_load(), nothing changes.
 */
enum outcome settings_reload(struct settings_loaded *loaded, struct buffer *later,
                             struct error *err) MUST_USE;
/* Gives one LIVE setting another value until the next reload, as `name` or `service.name`. */
enum outcome settings_change(struct settings_loaded *loaded, const char *name, const char *value,
                             struct error *err) MUST_USE;
void settings_free(struct settings_loaded *loaded); /* wipes the secrets; NULL is allowed */

/* --- printing --- */

/* As a file that says the same again: each value, and in a comment where it came from. Of a secret
 * the file's name. */
void settings_print(const struct settings_loaded *loaded, struct buffer *out);
/* The Markdown table of a section, for --help-settings and the manual. */
void settings_print_help(const struct settings *section, struct buffer *out);

#endif
