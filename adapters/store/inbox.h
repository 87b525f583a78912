/*
 * The inbox: what a service reads from the bus, and how far it is.
 *
 * The database has one row for each (reader, topic, partition): the position of the last record
 * that was applied, and of each source there the last sequence. It is moved by compare-and-set in
 * the transaction of the effect, once a turn, however many events the turn has. So an event has its
 * effect once: a repeat has a sequence that isn't greater; one that is missing shows by the `prev`
 * of the next; and of two readers with the same name the second one's turn comes to nothing.
 *
 * inbox.c is the bus's side and the pieces of work, inbox_rows.c the rows.
 */
#ifndef ADAPTERS_STORE_INBOX_H
#define ADAPTERS_STORE_INBOX_H

#include "bus/events.h"
#include "store/turn_internal.h"

enum { READER_MAX = 63 };

/* How far a partition is with one source. A source's name is "/SERVICE/LANE/INCARNATION"; another
 * incarnation of the same lane takes the place of the one before. */
struct source {
    char name[SOURCE_MAX + 1];
    uint64_t sequence;
};

struct inbox_partition {
    const struct topic *topic;
    unsigned index;

    /* the turn's side: as after the pieces of this turn so far */
    uint64_t position;
    bool whole;       /* read from its first record on: a source that is new has had none before */
    bool forgives;    /* somebody has looked at a gap: the next one passes, */
    bool forgiven;    /* as one has in this turn */
    bool touched;     /* this turn moves it */
    bool stops;       /* this turn stops it */
    bool seeks;       /* the bus must read on from another place than it does */
    uint64_t durable; /* position in the database */
    bool known;       /* there is a row */
    struct source *sources;
    unsigned source_count;

    /* the loop's side */
    bool stopped;
    bool gap;            /* because events are missing */
    struct error why;    /* why it has stopped, or stops */
    unsigned epoch;      /* pieces of an earlier one are from before a seek: they come again */
    bool fails, resumes; /* the bus, or an operator, has said so while the worker had the turn */
    struct error failure;
};

struct piece {
    struct work work;
    struct inbox *inbox;
    struct inbox_partition *partition;
    unsigned epoch;
    uint64_t position;
    struct uuid key;
    const struct event *event; /* NULL if the record can't be read */
    size_t value, length;      /* in inbox->values */
    struct error *refused;     /* by load, or because it could not be written: to be parked */
    bool unwritable;           /* the latter: not to be loaded again */
};

struct inbox {
    struct inbox *next;
    struct turns *turns;
    char reader[READER_MAX + 1];
    const struct consume *consumes;
    const struct topic *topics[TOPIC_COUNT + 1];
    struct inbox_partition *partitions;
    unsigned partition_count;
    struct bus_reader bus_reader;
    bool joined;
    struct buffer values; /* of the batch */
    unsigned outstanding; /* pieces of the batch that have not come to their end */
    struct piece *pieces;
    unsigned room;
};

/* What an event is to a partition. */
enum arrival { ARRIVAL_NEW, ARRIVAL_AGAIN, ARRIVAL_GAP };

/* NULL if the inbox doesn't read it. */
struct inbox_partition *inbox_partition_of(struct inbox *inbox, const struct topic *topic,
                                           unsigned partition);
/* The row that applies an event; NULL if none of its type does. Of a type that is consumed in
 * another major version alone *err says so. */
const struct consume *inbox_consume(const struct inbox *inbox, const struct event *event,
                                    struct error *err);
void inbox_consumed(const struct event *event, struct consumed *out);
/* Has the bus read on from the partition's place; what it gave before comes again. */
void inbox_seek(struct inbox *inbox, struct inbox_partition *partition);
/* What was said of the partition comes true: now, or when the worker has done with the turn. */
void inbox_settle(struct inbox *inbox, struct inbox_partition *partition);

/* --- inbox_rows.c --- */

enum arrival inbox_arrival(struct inbox_partition *partition, const struct envelope *envelope,
                           struct error *err);
/* The event has come; its source is further. */
void inbox_note(struct inbox_partition *partition, const struct envelope *envelope);
enum outcome inbox_load(struct inbox *inbox, struct error *err) MUST_USE;
enum outcome inbox_write(struct inbox *inbox, struct error *err) MUST_USE;

#endif
