/*
 * The embedded bus's log: all topics in one SQLite database (WAL, synchronous FULL), a row a
 * record, in order of topic, partition and position. Positions of a partition begin at 1 and have
 * no gaps.
 *
 * Belongs to one process at a time; used by one thread at a time, but that positions may be asked
 * for while another one appends. Nothing of this knows readers.
 */
#ifndef ADAPTERS_BUS_BUS_LOG_H
#define ADAPTERS_BUS_BUS_LOG_H

#include "bus/bus.h"

enum { LOG_VALUE_MAX = 1000000 }; /* bytes of a record's value */

struct bus_log;

/* A row, lent while on_row runs. */
struct log_row {
    uint64_t position;
    struct uuid key;
    const char *value;
    size_t length;
};

/* Makes the database if there is none. Refuses one that another process has open, that was made by
 * a newer release, or in which a topic has another number of partitions. */
enum outcome bus_log_open(const char *path, struct bus_log **out, struct error *err) MUST_USE;
void bus_log_close(struct bus_log *log);

/* Position that the next record will have, less one: 0 = none ever. */
uint64_t bus_log_newest(const struct bus_log *log, const struct topic *topic, unsigned partition);
/* Position of the oldest record that is kept; newest + 1 = none is. */
uint64_t bus_log_oldest(const struct bus_log *log, const struct topic *topic, unsigned partition);

/* Begins a transaction of appends. */
enum outcome bus_log_begin(struct bus_log *log, struct error *err) MUST_USE;
/* Appends; the position holds once committed. On failure undo all by bus_log_rollback(). */
enum outcome bus_log_append(struct bus_log *log, const struct bus_record *record, uint64_t now_ns,
                            uint64_t *out_position, struct error *err) MUST_USE;
/* DONE: durable. AGAIN: nothing of the transaction is there. UNKNOWN: nothing of it will be read in
 * this life, but it may be there in the next. */
enum outcome bus_log_commit(struct bus_log *log, struct error *err) MUST_USE;
/* After a commit: what it appended counts as there. */
void bus_log_show(struct bus_log *log);
void bus_log_rollback(struct bus_log *log);

/* Reads the records behind a position in their order, until on_row says no or `most` were read.
 * BROKEN if the rows have a gap, so that they end before the newest one. */
enum outcome bus_log_read(struct bus_log *log, const struct topic *topic, unsigned partition,
                          uint64_t after, unsigned most,
                          bool (*on_row)(void *context, const struct log_row *row), void *context,
                          struct error *err) MUST_USE;

/* Drops the oldest records of a partition, as far as they were appended before an instant, at most
 * `most` of them. Durable when it returns. */
enum outcome bus_log_trim(struct bus_log *log, const struct topic *topic, unsigned partition,
                          uint64_t before_ns, unsigned most, unsigned *out_count,
                          struct error *err) MUST_USE;

#endif
