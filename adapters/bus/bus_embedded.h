/*
 * What the files of the embedded bus share: bus_embedded.c (publishing, tidying, opening and
 * closing), bus_readers.c (who reads, and from where), over bus_log.c (the disk) and bus_recent.c
 * (the newest records in memory).
 */
#ifndef ADAPTERS_BUS_BUS_EMBEDDED_H
#define ADAPTERS_BUS_BUS_EMBEDDED_H

#include "bus/bus.h"
#include "bus/bus_log.h"
#include "bus/bus_recent.h"

enum { COMMIT_RECORDS_MAX = 2000 };

struct batch;
struct reader;

/* Records that the worker appends: it has them, and the log, until it is done. */
struct commit {
    struct bus_record *records; /* NULL = none is under way */
    struct bus_record *too_long;
    uint64_t positions[COMMIT_RECORDS_MAX]; /* in the records' order */
    uint64_t now_ns;
    uint64_t began_ns, ended_ns; /* of loop_elapsed_ns() */
    enum outcome outcome;
    struct error why;
};

struct embedded {
    struct bus bus;
    struct loop *loop;
    struct bus_log *log;
    struct recents *recents;
    struct loop_task task;
    struct loop_worker *worker;
    struct commit commit;

    struct bus_record *first, **last; /* published, not yet committed */

    struct reader *readers;
    bool delivering;
    struct batch *batch; /* what the reader at hand gets */

    uint64_t tidy_ns; /* now, as told; 0 = nothing to tidy */
    unsigned tidy_topic, tidy_partition;
};

/* Has the task run soon. */
void embedded_wake(struct embedded *bus);
/* The worker has the log: nothing may be read from it. The task runs when it gives it back. */
static inline bool embedded_commits(const struct embedded *bus)
{
    return bus->commit.records != NULL;
}

extern const struct bus_ops bus_embedded;

/* --- bus_readers.c: the functions of bus_ops by their names, and --- */

enum outcome readers_join(struct bus *base, struct bus_reader *api, struct error *err);
void readers_ready(struct bus *base, struct bus_reader *api);
void readers_leave(struct bus *base, struct bus_reader *api);
enum outcome readers_seek(struct bus *base, struct bus_reader *api, const struct topic *topic,
                          unsigned partition, uint64_t position, struct error *err);
uint64_t readers_lag(struct bus *base, const struct bus_reader *api);
/* Gives each reader that is ready its next records. True if any has more behind them. */
bool readers_deliver(struct embedded *bus);
void readers_free(struct embedded *bus);

#endif
