/* init, help, version: the verbs that open no ledger */
#include "session.h"

enum exit_status verb_init(struct command *command)
{
    mp_options options = session_options(command, 0);
    const char *directory = command->arguments[0];
    mp_status status = mp_init(directory, &options);

    if (status != MP_OK)
        return session_failed(command, status, "could not make a ledger in '%s'", directory);
    if (command->json) {
        struct json json = json_begin(&command->out);
        json_string(&json, "directory", directory);
        json_end(&json);
    } else {
        text_format(&command->out, "made an empty ledger in %s\n", directory);
    }
    return EXIT_DONE;
}

enum exit_status verb_help(struct command *command)
{
    if (command->count == 0) {
        help_all(&command->out);
        return EXIT_DONE;
    }
    const struct verb *verb = verb_find(command->arguments[0]);
    if (verb == NULL) return usage_error(command, "there is no verb '%s'", command->arguments[0]);
    help_verb(&command->out, verb);
    return EXIT_DONE;
}

enum exit_status verb_version(struct command *command)
{
    if (command->json) {
        struct json json = json_begin(&command->out);
        json_string(&json, "version", mp_version());
        json_end(&json);
    } else {
        text_format(&command->out, "micropay %s\n", mp_version());
    }
    return EXIT_DONE;
}
