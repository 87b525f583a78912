/* Verbs with actions. */
#include "actions.h"

#include <string.h>

static enum exit_status find(const struct command *command, const struct action *actions,
                             const struct action **out)
{
    unsigned behind = command->count - 1;

    while (actions->name != NULL && strcmp(actions->name, command->arguments[0]) != 0) actions++;
    if (actions->name == NULL)
        return usage_error(command, "there is no action '%s'", command->arguments[0]);
    if (behind < actions->arguments_min)
        return usage_error(command, "%s lacks its argument", actions->name);
    if (behind > actions->arguments_max)
        return usage_error(command, "'%s' is one argument too many",
                           command->arguments[1 + actions->arguments_max]);
    *out = actions;
    return EXIT_DONE;
}

enum exit_status action_run(struct command *command, const struct action *actions)
{
    struct platform platform;
    const struct action *action = NULL;
    enum exit_status status = find(command, actions, &action);

    if (status != EXIT_DONE) return status;
    status = platform_open(command, &platform);
    if (status != EXIT_DONE) return status;
    status = action->run(&platform);
    platform_close(&platform);
    return status;
}

enum exit_status action_ask(struct platform *platform, const struct request *request,
                            void (*show)(struct platform *platform, const struct reply *reply))
{
    struct command *command = platform->command;
    struct reply reply;
    enum exit_status status = platform_ask(platform, request, &reply);

    if (status == EXIT_DONE && command->json) {
        text_string(&command->out, reply.body != NULL ? reply.body : "");
        text_char(&command->out, '\n');
    } else if (status == EXIT_DONE) {
        show(platform, &reply);
    }
    reply_done(&reply);
    return status;
}
