/* Parked events as the inbox and parked.c's own files see them. All but make and free run in a
 * turn's work. */
#ifndef ADAPTERS_STORE_PARKED_INTERNAL_H
#define ADAPTERS_STORE_PARKED_INTERNAL_H

#include "store/parked.h"
#include "store/turn_internal.h"

enum { PARKED_KEYS_MAX = 10000 };

/* An event that is to be parked; texts and value are lent until the turn is over. */
struct parking {
    const char *reader, *topic, *reason;
    unsigned partition;
    uint64_t position;
    struct uuid key;
    char message[192];
    const char *value;
    size_t length;
};

/* False if there is no room: err says so. */
bool parked_add(struct parked *parked, const struct parking *parking, struct error *err);
bool parked_has(const struct parked *parked, const char *reader, const char *topic,
                struct uuid key);
/* How many have the reader, topic and key of this one. */
unsigned parked_waiting(const struct parked *parked, const struct parked_event *event);
/* One is deleted with this turn. */
void parked_remove(struct parked *parked, const struct parked_event *event);

#endif
