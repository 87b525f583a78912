/*
 * A bus in memory whose publishing and reading a test holds in its hand: it confirms at once, or
 * when it is told; it gives records back; what a reader gets can be put there directly. It keeps
 * its records over crashes of its users, as a bus does.
 */
#ifndef TESTS_ADAPTERS_STORE_FAKE_BUS_H
#define TESTS_ADAPTERS_STORE_FAKE_BUS_H

#include "bus/bus.h"

struct bus *fake_bus_make(struct loop *loop);
void fake_bus_free(struct bus *bus);

/* Records that are published wait for fake_bus_confirm() instead of being confirmed at once. */
void fake_bus_hold(struct bus *bus, bool hold);
/* Confirms up to `count` of those that wait, the oldest first. They are read from then on. */
void fake_bus_confirm(struct bus *bus, unsigned count);
unsigned fake_bus_held(const struct bus *bus);
/* The next `count` records that are published answer so. UNKNOWN ones are kept and will be read. */
void fake_bus_fail(struct bus *bus, unsigned count, enum outcome outcome);
/* Publishers and readers have died. Of the records that wait, the first `kept` are kept. */
void fake_bus_crash(struct bus *bus, unsigned kept);

/* A record as it was kept, in the order of publishing over all partitions. */
struct fake_record {
    const struct topic *topic;
    unsigned partition;
    uint64_t position;
    struct uuid key;
    const char *value;
    size_t length;
};
unsigned fake_bus_count(const struct bus *bus);
const struct fake_record *fake_bus_record(const struct bus *bus, unsigned index);
/* Puts one there. */
void fake_bus_put(struct bus *bus, const struct topic *topic, unsigned partition, struct uuid key,
                  const char *value);
/* Drops the `count` oldest records of a partition, as retention does. */
void fake_bus_drop(struct bus *bus, const struct topic *topic, unsigned partition, unsigned count);

#endif
