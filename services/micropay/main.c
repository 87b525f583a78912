/* The micropay command: reads the command line, runs the verb, says what went wrong. */
#include "command.h"
#include "session.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void complain(const struct command *command, const char *format, ...)
{
    char line[8192]; /* a path has at most 4,096 bytes */
    va_list list;

    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    /* what is quoted from a file or a command line neither breaks the line nor steers a terminal */
    for (char *c = line; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == '\x7f') *c = '?';
    fprintf(stderr, "micropay%s%s: %s\n", command->verb != NULL ? " " : "",
            command->verb != NULL ? command->verb->name : "", line);
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
    if (!command->verb->platform) status = session_clock(command);
    return status == EXIT_DONE ? command->verb->run(command) : status;
}

/* A standard stream that is closed stays useless: otherwise the next file that is opened, the
 * ledger's among them, would take its number and get what is said there. */
static bool keep_standard_streams(void)
{
    for (int file = STDIN_FILENO; file <= STDERR_FILENO; file++) {
        int direction = file == STDIN_FILENO ? O_WRONLY : O_RDONLY;
        if (fcntl(file, F_GETFD) < 0 && open("/dev/null", direction) != file) return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    static struct command command;
    enum exit_status status = EXIT_LEDGER;
    const struct verb *verb;

    if (!keep_standard_streams()) return (int)status;
    if (argc > 1 && (verb = verb_find(argv[1])) != NULL && verb->program != NULL)
        return verb->program(argc - 1, argv + 1);
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
