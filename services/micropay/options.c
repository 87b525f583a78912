#include "command.h"
#include "names.h"
#include "times.h"

#include <stdio.h>

enum kind {
    KIND_SWITCH,
    KIND_ID,
    KIND_AMOUNT,
    KIND_U16,
    KIND_U32,
    KIND_U64,
    KIND_SIZE,
    KIND_TIME,
    KIND_TEXT,
    KIND_TRANSFER_FLAGS,
    KIND_ACCOUNT_FLAGS,
};

struct row {
    const char *spelling;
    const char *argument; /* NULL: it is a switch */
    const char *help;
    enum kind kind;
    char short_name; /* 0: none */
};

static const struct row rows[OPTION_COUNT] = {
#define OPTION(NAME, short_name, spelling, argument, kind, help)                                   \
    [OPT_##NAME] = {spelling, argument, help, KIND_##kind, short_name},
#include "options.def"
#undef OPTION
};

/* Options that every verb takes */
static const enum option common[] = {OPT_JSON,     OPT_SCALE, OPT_MEMORY_MAX, OPT_ACCEPT_CLOCK,
                                     OPT_FORCE_FS, OPT_HELP,  OPT_END};

/* --- reading a command line --------------------------------------------------------------------
 */

/* Options that every verb of the platform takes */
static const enum option common_platform[] = {OPT_JSON, OPT_DATA, OPT_URL, OPT_HELP, OPT_END};

static const enum option *common_of(const struct command *command)
{
    return command->verb != NULL && command->verb->platform ? common_platform : common;
}

static bool spelled(const struct row *row, const char *argument, size_t length)
{
    if (argument[0] == '-' && argument[1] != '-')
        return length == 2 && row->short_name != 0 && argument[1] == row->short_name;
    return length > 2 && slice_is((struct slice){argument + 2, length - 2}, row->spelling);
}

static enum option find_in(const enum option *list, const char *argument, size_t length)
{
    while (*list != OPT_END && !spelled(&rows[*list], argument, length)) list++;
    return *list;
}

static enum option find(const struct command *command, const char *argument, size_t length)
{
    enum option found = find_in(common_of(command), argument, length);

    if (found == OPT_END && command->verb != NULL)
        found = find_in(command->verb->options, argument, length);
    return found;
}

/* Reads a number of at most `bits`. */
static const char *read_number(struct slice text, unsigned bits, mp_u128 *out)
{
    if (!number_parse(text, out)) return "is not a number";
    if (bits < 128 && *out >> bits != 0) return "is too large";
    return NULL;
}

/* Reads an option's value; returns NULL, or why it can't be read. Amounts wait until the scale is
 * known. */
static const char *read_value(enum kind kind, struct slice text, struct option_value *value)
{
    const char *why = NULL;
    uint64_t number = 0;
    uint16_t flags = 0;

    switch (kind) {
    case KIND_SWITCH: value->number = 1; return NULL;
    case KIND_AMOUNT:
    case KIND_TEXT: return NULL;
    case KIND_ID: return id_parse(text, &value->number) ? NULL : "is not a number or UUID";
    case KIND_U16: return read_number(text, 16, &value->number);
    case KIND_U32: return read_number(text, 32, &value->number);
    case KIND_U64: return read_number(text, 64, &value->number);
    case KIND_SIZE: why = size_parse(text, &number) ? NULL : "is not a size as in 512M"; break;
    case KIND_TIME:
        why = time_parse(text, &number) ? NULL
                                        : "is not a time (nanoseconds, or 2024-12-31T23:59:59Z)";
        break;
    case KIND_TRANSFER_FLAGS:
        why = flags_parse(&transfer_flag_names, text, &flags);
        number = flags;
        break;
    case KIND_ACCOUNT_FLAGS:
        why = flags_parse(&account_flag_names, text, &flags);
        number = flags;
        break;
    }
    value->number = number;
    return why;
}

/* Reads the option at argv[*index], and its value there or behind. */
static enum exit_status read_option(struct command *command, int argc, char **argv, int *index)
{
    const char *argument = argv[*index], *equals = strchr(argument, '=');
    size_t length = equals != NULL ? (size_t)(equals - argument) : strlen(argument);
    enum option option = find(command, argument, length);
    const char *why;

    if (option == OPT_END)
        return usage_error(command, "there is no option %.*s", (int)length, argument);
    struct option_value *value = &command->values[option];
    if (rows[option].argument == NULL) {
        if (equals != NULL)
            return usage_error(command, "--%s takes no value", rows[option].spelling);
        value->text = "";
    } else if (equals != NULL) {
        value->text = equals + 1;
    } else if (*index + 1 < argc) {
        value->text = argv[++*index];
    } else {
        return usage_error(command, "--%s lacks its %s", rows[option].spelling,
                           rows[option].argument);
    }
    value->given = true;
    why = read_value(rows[option].kind, slice_of(value->text), value);
    if (why != NULL)
        return usage_error(command, "--%s: '%s' %s", rows[option].spelling, value->text, why);
    return EXIT_DONE;
}

/* What depends on several options */
static enum exit_status finish(struct command *command)
{
    command->json = given(command, OPT_JSON);
    command->scale = u16_of(command, OPT_SCALE);
    if (command->scale > SCALE_MAX) return usage_error(command, "--scale: at most %d", SCALE_MAX);
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        struct option_value *value = &command->values[i];
        if (rows[i].kind != KIND_AMOUNT || !value->given) continue;
        const char *why = amount_parse(slice_of(value->text), command->scale, &value->number);
        if (why != NULL)
            return usage_error(command, "--%s: '%s' %s", rows[i].spelling, value->text, why);
    }
    if (command->verb == NULL || given(command, OPT_HELP)) return EXIT_DONE;
    if (command->count < command->verb->arguments_min)
        return usage_error(command, "too few arguments: %s %.*s", command->verb->name,
                           (int)strcspn(command->verb->usage, "\n"), command->verb->usage);
    if (command->count > command->verb->arguments_max)
        return usage_error(command, "'%s' is one argument too many",
                           command->arguments[command->verb->arguments_max]);
    return EXIT_DONE;
}

enum exit_status options_read(struct command *command, int argc, char **argv)
{
    bool only_arguments = false;

    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i];
        if (!only_arguments && strcmp(argument, "--") == 0) {
            only_arguments = true;
        } else if (!only_arguments && argument[0] == '-' && argument[1] != '\0') {
            enum exit_status status = read_option(command, argc, argv, &i);
            if (status != EXIT_DONE) return status;
        } else if (command->verb == NULL) {
            command->verb = verb_find(argument);
            if (command->verb == NULL)
                return usage_error(command, "there is no verb '%s'", argument);
        } else {
            command->arguments[command->count++] = argument;
        }
    }
    return finish(command);
}

enum exit_status argument_id(const struct command *command, unsigned index, mp_id *out)
{
    const char *text = command->arguments[index];

    if (id_parse(slice_of(text), out)) return EXIT_DONE;
    return usage_error(command, "'%s' is no id: a number, 0x and hexadecimal digits, or a UUID",
                       text);
}

enum exit_status options_needed(const struct command *command, const enum option *needed)
{
    for (; *needed != OPT_END; needed++) {
        if (!given(command, *needed))
            return usage_error(command, "--%s %s is missing", rows[*needed].spelling,
                               rows[*needed].argument);
    }
    return EXIT_DONE;
}

const enum option options_choosing[] = {
    OPT_LEDGER, OPT_CODE, OPT_USER_DATA_128, OPT_USER_DATA_64, OPT_USER_DATA_32,
    OPT_FROM,   OPT_TO,   OPT_LIMIT,         OPT_NEWEST,       OPT_END};

enum exit_status options_refused(const struct command *command, const enum option *refused,
                                 const char *why)
{
    for (; *refused != OPT_END; refused++)
        if (given(command, *refused))
            return usage_error(command, "--%s %s", rows[*refused].spelling, why);
    return EXIT_DONE;
}

/* --- help ---------------------------------------------------------------------------------------
 */

/* Writes words in lines of at most 96 columns, continued at column `indent`; the first begins at
 * `column`. */
static void wrapped(struct text *out, const char *words, unsigned column, unsigned indent)
{
    for (bool first = true; *words != '\0'; first = false) {
        size_t length = strcspn(words, " ");
        if (column + 1 + length > 97) {
            text_format(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!first) {
            text_char(out, ' ');
            column++;
        }
        text_bytes(out, words, length);
        column += (unsigned)length;
        words += length + (words[length] == ' ');
    }
    text_char(out, '\n');
}

static void help_options(struct text *out, const enum option *list)
{
    enum { COLUMN = 26 };

    for (; *list != OPT_END; list++) {
        const struct row *row = &rows[*list];
        char name[64];
        int length =
            snprintf(name, sizeof name, "  %s--%s %s", row->short_name == 'o' ? "-o, " : "",
                     row->spelling, row->argument != NULL ? row->argument : "");
        text_format(out, "%-*s", COLUMN, name);
        if (length >= COLUMN) text_format(out, "\n%*s", COLUMN, "");
        wrapped(out, row->help, COLUMN, COLUMN);
    }
}

/* Each line of a text behind a prefix; the first may have another. */
static void help_lines(struct text *out, const char *first, const char *prefix, const char *lines)
{
    for (const char *start = first; *lines != '\0'; start = prefix) {
        size_t length = strcspn(lines, "\n");
        text_string(out, start);
        text_bytes(out, lines, length);
        text_char(out, '\n');
        lines += length + (lines[length] == '\n');
    }
}

void help_verb(struct text *out, const struct verb *verb)
{
    char first[64], prefix[64];

    snprintf(first, sizeof first, "usage: micropay %s ", verb->name);
    snprintf(prefix, sizeof prefix, "       micropay %s ", verb->name);
    text_format(out, "%s\n\n", verb->summary);
    if (verb->usage[0] != '\0')
        help_lines(out, first, prefix, verb->usage);
    else
        text_format(out, "%s\n", first);
    if (verb->more != NULL) {
        text_char(out, '\n');
        for (const char *more = verb->more; *more != '\0';) {
            char paragraph[1024];
            size_t length = strcspn(more, "\n");
            snprintf(paragraph, sizeof paragraph, "%.*s", (int)length, more);
            wrapped(out, paragraph, 0, 0);
            more += length + (more[length] == '\n');
        }
    }
    if (verb->options[0] != OPT_END) {
        text_string(out, "\noptions:\n");
        help_options(out, verb->options);
    }
    text_format(out, "\noptions of every verb%s:\n", verb->platform ? " of the platform" : "");
    help_options(out, verb->platform ? common_platform : common);
    text_string(out, "\nexamples:\n");
    help_lines(out, "  ", "  ", verb->examples);
}
