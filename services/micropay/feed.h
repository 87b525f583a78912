/* Events as they happen, asked for again and again from the position that the last answer said. */
#ifndef COMMAND_FEED_H
#define COMMAND_FEED_H

#include "platform.h"

struct feed {
    struct platform *platform;
    /* An event's JSON, lent. */
    void (*each)(void *context, const cJSON *event);
    /* Nothing more comes: `reply` says why. */
    void (*failed)(void *context, const struct reply *reply);
    void *context;
    bool stopped;
    char position[24];
    char path[80];
};

/* Finds out where events are now; those that come later are given by feed_poll(). */
enum exit_status feed_begin(struct feed *feed);
/* Asks, and goes on asking while platform_run() runs, until `stopped` is set. */
void feed_poll(struct feed *feed);

/* Shows one at once: a line that says when it was, in milliseconds since an instant or (0) as a
 * time, what it was and of what; with --json as it is. */
void event_show(struct platform *platform, const cJSON *event, uint64_t since_ns);

#endif
