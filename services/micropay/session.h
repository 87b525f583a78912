/* An open ledger, its clock, and what to say when it fails. */
#ifndef COMMAND_SESSION_H
#define COMMAND_SESSION_H

#include "command.h"

/* Sets the clocks by $MICROPAY_NOW, if there is one: nanoseconds since the epoch; they stand still.
 */
enum exit_status session_clock(struct command *command);

/* The options for opening that the command line gives, with these flags (enum mp_open_flags)
 * besides. */
mp_options session_options(const struct command *command, unsigned flags);

/* Opens the ledger that argument 0 names; notices go to standard error. MP_OPEN_READ for verbs that
 * only read. */
enum exit_status session_open(struct command *command, unsigned flags, mp_ledger **out);

/* Closes; returns `status`, or EXIT_LEDGER if that fails. */
enum exit_status session_close(struct command *command, mp_ledger *ledger, enum exit_status status);

/* Says that `what` could not be done, why, and what to do; returns EXIT_LEDGER. */
__attribute__((format(printf, 3, 4))) enum exit_status session_failed(const struct command *command,
                                                                      mp_status status,
                                                                      const char *what, ...);

#endif
