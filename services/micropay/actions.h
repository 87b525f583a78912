/* Verbs with actions: "micropay wallet freeze alice". */
#ifndef COMMAND_ACTIONS_H
#define COMMAND_ACTIONS_H

#include "platform.h"

struct action {
    const char *name;
    unsigned arguments_min, arguments_max; /* behind it */
    enum exit_status (*run)(struct platform *platform);
};

/* Runs the action that argument 0 names, on the open platform. `actions` ends with one without
 * name. */
enum exit_status action_run(struct command *command, const struct action *actions);

/* Asks, and shows the answer: as it is with --json, else by `show`. */
enum exit_status action_ask(struct platform *platform, const struct request *request,
                            void (*show)(struct platform *platform, const struct reply *reply));

#endif
