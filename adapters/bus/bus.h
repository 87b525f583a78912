/*
 * What a bus promises: records with a key in topics and partitions, each partition in order and
 * kept for its topic's retention; readers in groups that keep their positions themselves.
 *
 * All on the loop's thread; no answer comes inside the call that asked. Instances begin with struct
 * bus. bus_embedded.c is one durable log for all topics in one process (a SQLite table);
 * bus_kafka.c comes with separate processes.
 */
#ifndef ADAPTERS_BUS_BUS_H
#define ADAPTERS_BUS_BUS_H

#include "runtime/error.h"
#include "runtime/loop.h"
#include "wire/ids.h"

struct bus;
struct event; /* bus/events.h: an envelope and its data, parsed */

/* A row of topics.def */
struct topic {
    const char *name;
    const char *owner; /* the service that alone publishes there */
    const char *key;   /* what the key is */
    unsigned partitions;
    uint64_t retention_ms; /* 0 = for ever */
    const char *help;
};
extern const struct topic topics[]; /* ended by one without name */
const struct topic *topic_find(const char *name);
/* The partition of a key: the same in every implementation and release. */
unsigned topic_partition(const struct topic *topic, struct uuid key);

/* A record to publish: the caller's memory until done. */
struct bus_record {
    const struct topic *topic;
    unsigned partition;
    struct uuid key;
    const char *value; /* the event's JSON */
    size_t length;
    const struct event
        *event; /* NULL, or the same parsed: readers in this process get it as it is */
    /* DONE: it will be read by all. UNKNOWN: sent, not confirmed. Called once. */
    void (*done)(struct bus_record *record, enum outcome outcome, const struct error *err);
    void *context;
    struct bus_record *next; /* the bus's own until done */
};

/* A record as readers get it; lent during the call. */
struct bus_message {
    const struct topic *topic;
    unsigned partition;
    uint64_t position; /* in its partition; rises, not always by 1 */
    struct uuid key;
    const char *value;
    size_t length;
    const struct event *event; /* never NULL for a record that can be read as an event; else NULL */
};

struct bus_reader {
    const char *group;
    const struct topic *const *topics; /* NULL-ended */
    /* The position that was applied last; 0 = none, begins with the oldest there is. Asked at each
     * assignment. */
    uint64_t (*position)(void *context, const struct topic *topic, unsigned partition);
    /* Up to 500 records in order of each partition; none more come until bus_reader_ready(). */
    void (*records)(void *context, const struct bus_message *messages, unsigned count);
    /* A partition can't be read on from where the reader is (the position lies outside, or the
     * disk fails): the whole reader stands still, until it seeks or leaves. */
    void (*failed)(void *context, const struct topic *topic, unsigned partition,
                   const struct error *err);
    void *context;
    void *internal; /* the bus's own */
};

struct bus_config {
    const char *url; /* "embedded:DIR/bus.db" */
};

struct bus_ops {
    const char *scheme;
    /* Must. On failure *out stays as it was and err says who refused. */
    enum outcome (*open)(const struct bus_config *config, struct loop *loop, struct bus **out,
                         struct error *err);
    /* Must. Records of one partition are kept in the order of the calls. */
    void (*publish)(struct bus *bus, struct bus_record *record);
    /* Must. The reader is the caller's and stays where it is until left. It is ready at first. */
    enum outcome (*join)(struct bus *bus, struct bus_reader *reader, struct error *err);
    /* Must. The reader takes more. */
    void (*ready)(struct bus *bus, struct bus_reader *reader);
    /* Must. Nothing more comes. Allowed inside the reader's functions. */
    void (*leave)(struct bus *bus, struct bus_reader *reader);
    /* Must. Reads on from another position (replay); forgets what was read ahead. */
    enum outcome (*seek)(struct bus *bus, struct bus_reader *reader, const struct topic *topic,
                         unsigned partition, uint64_t position, struct error *err);
    /* Must. Records behind what the reader was given. */
    uint64_t (*lag)(struct bus *bus, const struct bus_reader *reader);
    /* Must. Oldest and newest position of a partition; 0, 0 = empty. */
    enum outcome (*range)(struct bus *bus, const struct topic *topic, unsigned partition,
                          uint64_t *oldest, uint64_t *newest, struct error *err);
    /* Must. Begins to drop what is older than each topic's retention. */
    void (*tidy)(struct bus *bus, uint64_t now_ns);
    /* Must. Readers get nothing more; answers what is outstanding, then frees. Publish nothing from
     * those answers, and don't call it inside one, or inside a reader's function. */
    void (*close)(struct bus *bus);
};

struct bus {
    const struct bus_ops *ops;
    uint64_t records_published, commits;
};

/* Opens by the url's scheme. */
enum outcome bus_open(const struct bus_config *config, struct loop *loop, struct bus **out,
                      struct error *err) MUST_USE;

static inline void bus_publish(struct bus *bus, struct bus_record *record)
{
    bus->ops->publish(bus, record);
}
MUST_USE static inline enum outcome bus_join(struct bus *bus, struct bus_reader *reader,
                                             struct error *err)
{
    return bus->ops->join(bus, reader, err);
}
static inline void bus_ready(struct bus *bus, struct bus_reader *reader)
{
    bus->ops->ready(bus, reader);
}
static inline void bus_leave(struct bus *bus, struct bus_reader *reader)
{
    bus->ops->leave(bus, reader);
}
MUST_USE static inline enum outcome bus_seek(struct bus *bus, struct bus_reader *reader,
                                             const struct topic *topic, unsigned partition,
                                             uint64_t position, struct error *err)
{
    return bus->ops->seek(bus, reader, topic, partition, position, err);
}
static inline uint64_t bus_lag(struct bus *bus, const struct bus_reader *reader)
{
    return bus->ops->lag(bus, reader);
}
MUST_USE static inline enum outcome bus_range(struct bus *bus, const struct topic *topic,
                                              unsigned partition, uint64_t *oldest,
                                              uint64_t *newest, struct error *err)
{
    return bus->ops->range(bus, topic, partition, oldest, newest, err);
}
static inline void bus_tidy(struct bus *bus, uint64_t now_ns) { bus->ops->tidy(bus, now_ns); }
static inline void bus_close(struct bus *bus) { bus->ops->close(bus); }

#endif
