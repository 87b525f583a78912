/* The newest events in memory, in the order in which they came; the oldest give way. On the loop's
 * thread. */
#ifndef EVENTS_KEPT_H
#define EVENTS_KEPT_H

#include "bus/bus.h"
#include "bus/events.h"

enum { KEPT_MAX = 4096, KEPT_BYTES_MAX = 8 << 20 };

struct kept_event {
    uint64_t position; /* rises by 1 */
    struct uuid subject;
    const struct event *event; /* held */
    char *text;
    size_t length;
};

/* A ring. Zero-initialised but for `newest` it is empty. */
struct kept {
    struct kept_event rows[KEPT_MAX];
    unsigned first, count;
    size_t bytes;
    uint64_t newest; /* position of the last one that came */
};

/* Keeps a message that is an event. */
void kept_add(struct kept *kept, const struct bus_message *message);
/* The event at index `i` of `count`, the oldest first. */
const struct kept_event *kept_at(const struct kept *kept, unsigned i);
/* Index of the first one behind a position; count if there is none. */
unsigned kept_behind(const struct kept *kept, uint64_t position);
void kept_done(struct kept *kept);

#endif
