/*
 * The bus of one process. What is published while one commit is under way makes the next one. A
 * worker beside the loop appends and commits; then the publishers are answered, and readers get it
 * from memory. Who is so far behind that the disk must be read waits for the worker's pause.
 */
#include "bus/bus_embedded.h"

#include "bus/topics.h"
#include "observe/trace.h"
#include "wire/buffer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    COMMIT_BYTES_MAX = 4 << 20,
    TRIM_MAX = 2000, /* records dropped in one round of the loop */
};

static struct embedded *of(struct bus *bus) { return (struct embedded *)bus; }

/* --- publishing --- */

static void publish(struct bus *base, struct bus_record *record)
{
    struct embedded *bus = of(base);

    assert(record->partition < record->topic->partitions);
    record->next = NULL;
    *bus->last = record;
    bus->last = &record->next;
    embedded_wake(bus);
}

/* Takes the queue up to a limit, or all of it; the rest stays. */
static struct bus_record *take(struct embedded *bus, bool all)
{
    struct bus_record *first = bus->first, **end = &bus->first;
    size_t bytes = 0;

    for (unsigned count = 0; *end != NULL; count++, end = &(*end)->next) {
        if (!all && (count == COMMIT_RECORDS_MAX || bytes > COMMIT_BYTES_MAX)) break;
        bytes += (*end)->length;
    }
    if (first == NULL) return NULL;
    bus->first = *end;
    if (bus->first == NULL) bus->last = &bus->first;
    *end = NULL;
    return first;
}

/* Answers each once. A record is its publisher's again then, and may be gone. */
static void answer(struct bus_record *records, enum outcome outcome, const struct error *err)
{
    while (records != NULL) {
        struct bus_record *record = records;

        records = record->next;
        record->next = NULL;
        record->done(record, outcome, err);
    }
}

/* Those that are too long can never be kept: they are taken out of the list, which is answered. */
static struct bus_record *take_too_long(struct bus_record **records)
{
    struct bus_record *too_long = NULL, **end = &too_long;

    while (*records != NULL) {
        struct bus_record *record = *records;

        if (record->length <= LOG_VALUE_MAX) {
            records = &record->next;
            continue;
        }
        *records = record->next;
        record->next = NULL;
        *end = record;
        end = &record->next;
    }
    return too_long;
}

/* On the worker's thread. */
static void append_all(void *context)
{
    struct embedded *bus = context;
    struct commit *commit = &bus->commit;
    uint64_t *position = commit->positions;

    commit->began_ns = loop_elapsed_ns(bus->loop);
    commit->outcome = bus_log_begin(bus->log, &commit->why);
    for (const struct bus_record *record = commit->records;
         record != NULL && commit->outcome == OUTCOME_DONE; record = record->next)
        commit->outcome =
            bus_log_append(bus->log, record, commit->now_ns, position++, &commit->why);
    if (commit->outcome == OUTCOME_DONE)
        commit->outcome = bus_log_commit(bus->log, &commit->why);
    else
        bus_log_rollback(bus->log);
    commit->ended_ns = loop_elapsed_ns(bus->loop);
}

/* What was appended is there for those who read. */
static void show(struct embedded *bus)
{
    const uint64_t *position = bus->commit.positions;

    bus_log_show(bus->log);
    bus->bus.commits++;
    if (bus->readers == NULL) recents_clear(bus->recents); /* else it would get gaps */
    for (const struct bus_record *r = bus->commit.records; r != NULL; r = r->next, position++) {
        bus->bus.records_published++;
        if (bus->readers != NULL)
            recents_add(bus->recents, recent_make(r->topic, r->partition, *position, r->key,
                                                  r->value, r->length, r->event));
    }
}

static void answer_too_long(struct bus_record *records)
{
    struct error err;

    if (records == NULL) return;
    error_set(&err, REASON_BODY_TOO_LARGE, "cannot publish a record of more than %d bytes",
              LOG_VALUE_MAX);
    answer(records, err.outcome, &err);
}

/* The commit is over. */
static void end_commit(struct embedded *bus)
{
    struct bus_record *records = bus->commit.records, *too_long = bus->commit.too_long;
    enum outcome outcome = bus->commit.outcome;
    struct error err = bus->commit.why;

    if (trace_is_on) span_took(SPAN_bus_append, bus->commit.ended_ns - bus->commit.began_ns);
    if (outcome == OUTCOME_DONE) show(bus);
    bus->commit.records = bus->commit.too_long = NULL;
    if (outcome != OUTCOME_DONE) {
        /* What waits behind them must not be kept when they aren't: nothing of it was tried. */
        struct bus_record *behind = take(bus, true);

        answer(records, outcome, &err);
        records = behind;
        outcome = err.outcome = OUTCOME_AGAIN;
    }
    answer(records, outcome, outcome == OUTCOME_DONE ? NULL : &err);
    answer_too_long(too_long);
}

static void run(void *context);

static void committed(void *context)
{
    end_commit(context);
    run(context);
}

/* Gives the worker what waits, if it has nothing to do. */
static void begin_commit(struct embedded *bus)
{
    struct loop_job job = {.work = append_all, .done = committed, .context = bus};
    struct commit *commit = &bus->commit;
    struct bus_record *too_long;

    if (bus->first == NULL || embedded_commits(bus)) return;
    commit->records = take(bus, false);
    too_long = take_too_long(&commit->records);
    if (commit->records == NULL) {
        answer_too_long(too_long);
        return;
    }
    commit->too_long = too_long;
    commit->why = (struct error){0};
    commit->now_ns = loop_now_ns(bus->loop);
    loop_worker_begin(bus->worker, &job);
}

/* --- what is kept --- */

static enum outcome range(struct bus *base, const struct topic *topic, unsigned partition,
                          uint64_t *oldest, uint64_t *newest, struct error *err)
{
    struct embedded *bus = of(base);

    if (partition >= topic->partitions)
        return error_set(err, REASON_NOT_FOUND, "%s has no partition %u", topic->name, partition);
    *oldest = bus_log_oldest(bus->log, topic, partition);
    *newest = bus_log_newest(bus->log, topic, partition);
    if (*oldest > *newest) *oldest = *newest = 0;
    return OUTCOME_DONE;
}

/* Drops some of one partition, or goes on to the next; ends behind the last one, or at a failure,
 * to be tried again by the next tidy. */
static void tidy_some(struct embedded *bus)
{
    const struct topic *topic = &topics[bus->tidy_topic];
    uint64_t kept_ns = topic->retention_ms * 1000000;
    unsigned count = 0;
    struct error err;

    if (kept_ns > 0 && bus->tidy_ns > kept_ns &&
        bus_log_trim(bus->log, topic, bus->tidy_partition, bus->tidy_ns - kept_ns, TRIM_MAX, &count,
                     &err) != OUTCOME_DONE) {
        bus->tidy_ns = 0;
        return;
    }
    if (count < TRIM_MAX) bus->tidy_partition++;
    if (bus->tidy_partition == topic->partitions || kept_ns == 0) {
        bus->tidy_partition = 0;
        bus->tidy_topic++;
    }
    if (bus->tidy_topic == TOPIC_COUNT) bus->tidy_ns = 0;
}

static void tidy(struct bus *base, uint64_t now_ns)
{
    struct embedded *bus = of(base);

    if (bus->tidy_ns == 0) bus->tidy_topic = bus->tidy_partition = 0;
    bus->tidy_ns = now_ns;
    embedded_wake(bus);
}

/* --- the task --- */

static void run(void *context)
{
    struct embedded *bus = context;
    bool more;

    if (bus->tidy_ns != 0 && !embedded_commits(bus)) tidy_some(bus);
    more = readers_deliver(bus);
    begin_commit(bus);
    if (embedded_commits(bus)) return; /* it comes back here */
    if (more || bus->first != NULL || bus->tidy_ns != 0) embedded_wake(bus);
}

void embedded_wake(struct embedded *bus) { loop_post(bus->loop, &bus->task); }

/* --- opening and closing --- */

static void close_embedded(struct bus *base)
{
    struct embedded *bus = of(base);

    assert(!bus->delivering);
    readers_free(bus);
    do { /* what is under way, then what waits */
        if (bus->worker != NULL && loop_worker_finish(bus->worker)) end_commit(bus);
        begin_commit(bus);
    } while (embedded_commits(bus));
    loop_worker_close(bus->worker);
    recents_free(bus->recents);
    bus_log_close(bus->log);
    loop_task_cancel(bus->loop, &bus->task);
    free(bus);
}

static enum outcome open_embedded(const struct bus_config *config, struct loop *loop,
                                  struct bus **out, struct error *err)
{
    const char *path = strchr(config->url, ':') + 1;
    struct embedded *bus;
    struct bus_log *log;
    enum outcome outcome;

    if (*path == '\0') {
        error_set(err, REASON_BAD_SETTING, "bus_url names no file");
        error_hint(err, "Write it as embedded:DIR/bus.db.");
        return err->outcome;
    }
    outcome = bus_log_open(path, &log, err);
    if (outcome != OUTCOME_DONE) return outcome;
    bus = need_memory(sizeof *bus);
    bus->bus.ops = &bus_embedded;
    bus->loop = loop;
    bus->log = log;
    bus->recents = recents_make();
    bus->last = &bus->first;
    bus->task = (struct loop_task){.run = run, .context = bus};
    outcome = loop_worker_open(loop, "bus", &bus->worker, err);
    if (outcome != OUTCOME_DONE) {
        close_embedded(&bus->bus);
        return outcome;
    }
    *out = &bus->bus;
    return OUTCOME_DONE;
}

const struct bus_ops bus_embedded = {
    .scheme = "embedded",
    .open = open_embedded,
    .publish = publish,
    .join = readers_join,
    .ready = readers_ready,
    .leave = readers_leave,
    .seek = readers_seek,
    .lag = readers_lag,
    .range = range,
    .tidy = tidy,
    .close = close_embedded,
};
