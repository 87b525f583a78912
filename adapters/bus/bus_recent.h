/*
 * The newest records of the embedded bus in memory, so that readers who keep up read no disk and an
 * event is parsed once for all of them. Of a partition it has all from some position to the newest
 * one, or none; in all at most RECENT_BYTES_MAX.
 */
#ifndef ADAPTERS_BUS_BUS_RECENT_H
#define ADAPTERS_BUS_BUS_RECENT_H

#include "bus/bus.h"

enum { RECENT_BYTES_MAX = 16 << 20 };

/* A record with its value behind it. */
struct recent {
    const struct topic *topic;
    unsigned partition;
    uint64_t position;
    struct uuid key;
    size_t length;
    const struct event *event; /* held; NULL before it was parsed, or when it can't be */
    bool parsed;
    struct recent *next; /* in order of appending */
    size_t cost;         /* bytes that it counts for */
    char value[];
};

struct recents;

struct recents *recents_make(void);
void recents_free(struct recents *recents);
/* Keeps a record, whose position is the partition's newest; forgets the oldest if it must. */
void recents_add(struct recents *recents, struct recent *recent);
/* NULL if it isn't there. */
struct recent *recents_find(const struct recents *recents, const struct topic *topic,
                            unsigned partition, uint64_t position);
/* Forgets all, and gives most of the memory back. */
void recents_clear(struct recents *recents);

/* A copy of a record, which recent_free() frees. The event may be NULL. */
struct recent *recent_make(const struct topic *topic, unsigned partition, uint64_t position,
                           struct uuid key, const char *value, size_t length,
                           const struct event *event);
void recent_free(struct recent *recent);
/* The record as an event, parsed when first asked for; NULL if it is none. */
const struct event *recent_event(struct recent *recent);

#endif
