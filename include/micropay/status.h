/**
 * @file status.h
 * What a call as a whole came to. Results of single events are in types.h.
 */
#ifndef MICROPAY_STATUS_H
#define MICROPAY_STATUS_H

#include <micropay/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** X(NAME, number, text): every status with its number and what it means. */
#define MP_STATUSES(X)                                                                             \
    X(OK, 0, "done")                                                                               \
    X(INVALID, -1, "an argument makes no sense")                                                   \
    X(NOT_FOUND, -2, "no such account, transfer or ledger")                                        \
    X(BUSY, -3, "too many requests are outstanding: wait for some, then send again")               \
    X(BATCH_TOO_LARGE, -4, "a batch has at most 8,190 events")                                     \
    X(LIMIT, -5,                                                                                   \
      "a limit of memory, accounts or reservations is reached; nothing of the batch was applied")  \
    X(DISK_FULL, -6, "no space is left on the disk; nothing of the batch was applied")             \
    X(UNKNOWN, -7,                                                                                 \
      "the log stopped before the answer: open the ledger again and send the same ids")            \
    X(STOPPED, -8, "the ledger has stopped after a failure: open it again")                        \
    X(LOCKED, -9, "another process has the ledger open for writing")                               \
    X(READ_ONLY, -10, "the ledger was opened for reading")                                         \
    X(CORRUPT, -11, "a checksum failed")                                                           \
    X(IO, -12, "the operating system failed a file operation")                                     \
    X(VERSION, -13, "the files have a format that this version doesn't know")                      \
    X(CLOCK, -14,                                                                                  \
      "the clock stands more than 400 days after the newest block: accept it if it is right")      \
    X(EXISTS, -15, "there is a ledger already")                                                    \
    X(WRONG_PROCESS, -16, "a forked child must open the ledger itself")                            \
    X(FILESYSTEM, -17,                                                                             \
      "a network or FUSE file system can't be trusted with a ledger: force it if you know better") \
    X(NO_MEMORY, -18, "the operating system refused memory")                                       \
    X(OUT_OF_ORDER, -19, "a source's position does not lie behind its last one")                   \
    X(END, -20, "there is nothing more to read")

#define MP_X(NAME, number, text) MP_##NAME = (number),
/** Status of a call. 0 is success, failures are negative. */
typedef enum mp_status { MP_STATUSES(MP_X) } mp_status;
#undef MP_X

/** Name of a status, as in "MP_DISK_FULL"; never NULL. */
MP_API const char *mp_status_name(mp_status status);
/** What a status means, in a sentence; never NULL. */
MP_API const char *mp_status_text(mp_status status);
/**
 * What went wrong in this thread's last failed call: what happened, to which id or file and offset,
 * what to do. Valid until the thread's next failing call; "" when none failed. Never holds ids'
 * user data.
 */
MP_API const char *mp_last_error(void);

#ifdef __cplusplus
}
#endif
#endif
