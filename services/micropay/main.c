/* The micropay command: reads the command line, runs the verb, says what went wrong. */
#include "command.h"
#include "session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void complain(const struct command *command, const char *format, ...)
{
    va_list list;

    fprintf(stderr, "micropay%s%s: ", command->verb != NULL ? " " : "",
            command->verb != NULL ? command->verb->name : "");
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
}

enum exit_status usage_error(const struct command *command, const char *format, ...)
{
    char message[512];
    va_list list;

    va_start(list, format);
    vsnprintf(message, sizeof message, format, list);
    va_end(list);
    complain(command, "%s", message);
    fprintf(stderr, "'micropay %s%s--help' says how it goes.\n",
            command->verb != NULL ? command->verb->name : "", command->verb != NULL ? " " : "");
    return EXIT_USAGE;
}

static enum exit_status run(struct command *command, int argc, char **argv)
{
    enum exit_status status = options_read(command, argc, argv);

    if (status != EXIT_DONE) return status;
    if (command->verb == NULL) {
        if (!given(command, OPT_HELP)) return usage_error(command, "which verb?");
        help_all(&command->out);
        return EXIT_DONE;
    }
    if (given(command, OPT_HELP)) {
        help_verb(&command->out, command->verb);
        return EXIT_DONE;
    }
    status = session_clock(command);
    return status == EXIT_DONE ? command->verb->run(command) : status;
}

int main(int argc, char **argv)
{
    static struct command command;
    enum exit_status status = EXIT_LEDGER;

    command.env = mp_env_posix();
    command.terminal = isatty(STDOUT_FILENO) == 1;
    command.arguments = calloc((size_t)argc + 1, sizeof *command.arguments);
    if (command.arguments == NULL || !text_begin(&command.out, STDOUT_FILENO)) {
        complain(&command, "there is no memory");
        return (int)status;
    }
    status = run(&command, argc, argv);
    if (!text_end(&command.out)) {
        complain(&command, "could not write to standard output: %s", strerror(command.out.error));
        if (status == EXIT_DONE) status = EXIT_LEDGER;
    }
    free(command.arguments);
    return (int)status;
}
