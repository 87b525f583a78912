/*
 * The micropay command: verbs in a table (verbs.c), each with its summary, usage, options and
 * examples, from which
 * --help is made; options in another (options.def). Each verb is one function in a file of its own
 * kind, which reads struct command, talks to the library and returns an exit status.
 */
#ifndef COMMAND_COMMAND_H
#define COMMAND_COMMAND_H

#include "json.h"
#include "numbers.h"
#include "text.h"

#include <micropay/micropay.h>

/* What a run comes to */
enum exit_status {
    EXIT_DONE = 0,
    EXIT_REFUSED = 1, /* an event was refused, or something was found wrong or missing */
    EXIT_USAGE = 2,   /* the command line makes no sense */
    EXIT_LEDGER = 3,  /* the ledger, or the platform, could not be opened or has failed */
};

enum option {
#define OPTION(NAME, short_name, spelling, argument, kind, help) OPT_##NAME,
#include "options.def"
#undef OPTION
    OPTION_COUNT,
    OPT_END = OPTION_COUNT, /* ends a list */
};

/* What the command line says of an option */
struct option_value {
    bool given;
    mp_u128 number;   /* of all kinds but text; 1 for a switch */
    const char *text; /* as written */
};

struct command;

struct verb {
    const char *name;
    const char *summary;
    const char *usage;          /* lines, what follows "micropay NAME" */
    const char *more;           /* paragraphs for --help; NULL: none */
    const char *examples;       /* lines */
    const enum option *options; /* beside those of every verb; ended by OPT_END */
    unsigned arguments_min, arguments_max;
    bool platform; /* asks 'micropay up', by HTTP; else it works on a ledger's directory */
    enum exit_status (*run)(struct command *command);
    /* In place of run: reads what follows the verb itself, --help too. */
    int (*program)(int argc, char **argv);
};

/* The verbs, in the order of the help; the last has no name. */
extern const struct verb verbs[];
const struct verb *verb_find(const char *name);

/* A command line that was understood, and where it writes. */
struct command {
    const struct verb *verb;
    const char **arguments; /* what isn't an option; the first is mostly the ledger's directory */
    unsigned count;
    struct option_value values[OPTION_COUNT];
    const mp_env *env;
    struct text out; /* standard output */
    unsigned scale;
    bool json;
    bool terminal; /* standard output is one: separators are welcome */
};

/* Reads a command line into *command, whose `arguments` have room for all of argv. On EXIT_USAGE it
 * has said why. */
enum exit_status options_read(struct command *command, int argc, char **argv);

static inline bool given(const struct command *command, enum option option)
{
    return command->values[option].given;
}
static inline mp_u128 number_of(const struct command *command, enum option option)
{
    return command->values[option].number;
}
static inline uint64_t u64_of(const struct command *command, enum option option)
{
    return (uint64_t)command->values[option].number;
}
static inline uint32_t u32_of(const struct command *command, enum option option)
{
    return (uint32_t)command->values[option].number;
}
static inline uint16_t u16_of(const struct command *command, enum option option)
{
    return (uint16_t)command->values[option].number;
}

/* Reads argument `index` as an id; on failure says so. */
enum exit_status argument_id(const struct command *command, unsigned index, mp_id *out);
/* Complains about options that a verb can't do without; ended by OPT_END. */
enum exit_status options_needed(const struct command *command, const enum option *needed);

/* Complains about options that make no sense as a verb is used here; ended by OPT_END. */
enum exit_status options_refused(const struct command *command, const enum option *refused,
                                 const char *why);
/* Those that choose rows; for verbs that are given ids instead. */
extern const enum option options_choosing[];

void help_all(struct text *out);
void help_verb(struct text *out, const struct verb *verb);

/* Writes "micropay VERB: ..." and a line end to standard error. */
__attribute__((format(printf, 2, 3))) void complain(const struct command *command,
                                                    const char *format, ...);
/* The same, then how to get help; returns EXIT_USAGE. */
__attribute__((format(printf, 2, 3))) enum exit_status usage_error(const struct command *command,
                                                                   const char *format, ...);

/* The verbs */
int program_up(int argc, char **argv);
enum exit_status verb_demo(struct command *command);
enum exit_status verb_dlq(struct command *command);
enum exit_status verb_events(struct command *command);
enum exit_status verb_hold(struct command *command);
enum exit_status verb_pay(struct command *command);
enum exit_status verb_payment(struct command *command);
enum exit_status verb_replay(struct command *command);
enum exit_status verb_topics(struct command *command);
enum exit_status verb_wallet(struct command *command);
enum exit_status verb_accounts(struct command *command);
enum exit_status verb_balance(struct command *command);
enum exit_status verb_capture(struct command *command);
enum exit_status verb_changes(struct command *command);
enum exit_status verb_close(struct command *command);
enum exit_status verb_dump(struct command *command);
enum exit_status verb_export(struct command *command);
enum exit_status verb_freeze(struct command *command);
enum exit_status verb_generate(struct command *command);
enum exit_status verb_help(struct command *command);
enum exit_status verb_import(struct command *command);
enum exit_status verb_increase(struct command *command);
enum exit_status verb_init(struct command *command);
enum exit_status verb_release(struct command *command);
enum exit_status verb_reserve(struct command *command);
enum exit_status verb_reverse(struct command *command);
enum exit_status verb_statement(struct command *command);
enum exit_status verb_stats(struct command *command);
enum exit_status verb_transfer(struct command *command);
enum exit_status verb_transfers(struct command *command);
enum exit_status verb_unfreeze(struct command *command);
enum exit_status verb_verify(struct command *command);
enum exit_status verb_version(struct command *command);

#endif
