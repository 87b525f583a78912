/* One line on the terminal that is written over and over while something long is done. */
#ifndef COMMAND_PROGRESS_H
#define COMMAND_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool shown;       /* standard error is a terminal */
    uint64_t started; /* monotonic ns */
    uint64_t next;    /* not shown again before */
};

struct progress progress_begin(void);
/* Nanoseconds since the beginning */
uint64_t progress_elapsed(const struct progress *progress);
/* Shows how far it is, at most five times a second: rows and rate (rows = 0: none), part done and
 * time left (total = 0: not known). */
void progress_show(struct progress *progress, uint64_t rows, uint64_t done, uint64_t total);
/* Wipes the line; also before a message. */
void progress_end(const struct progress *progress);

#endif
