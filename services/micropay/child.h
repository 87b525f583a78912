/* `micropay up` as a child process, which a demonstration starts, kills and starts again. */
#ifndef COMMAND_CHILD_H
#define COMMAND_CHILD_H

#include "command.h"

#include <sys/types.h>

struct child {
    pid_t process; /* 0 = it doesn't run */
};

/* Starts this program's `up` on a data directory and free ports, and waits until it is ready. What
 * it says stands in DIR/up.log. */
enum exit_status child_start(const struct command *command, const char *data, struct child *out);
/* Dies at once, as by a power cut of the process. */
void child_kill(struct child *child);
/* Drains and ends; its exit status. */
int child_stop(struct child *child);
/* Runs this program with these arguments (NULL-ended) and waits; its exit status, -1 if it has
 * none. What it says goes to DIR/LOG. */
int child_run(const char *data, const char *log, const char *const *arguments);

#endif
