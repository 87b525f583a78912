/*
 * The bus of one process. What is published in one round of the loop is committed together in the
 * next; then its publishers are answered, and readers get it from memory. No thread: a commit costs
 * the loop one fdatasync.
 */
#include "bus/bus_embedded.h"

#include "bus/topics.h"
#include "observe/trace.h"
#include "wire/buffer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    COMMIT_RECORDS_MAX = 2000,
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

/* A record that was appended, for those who read; put into `appended` until the commit. */
static void remember(const struct bus_record *record, uint64_t position, struct recent ***appended)
{
    struct recent *recent = recent_make(record->topic, record->partition, position, record->key,
                                        record->value, record->length, record->event);
    **appended = recent;
    *appended = &recent->next;
}

static enum outcome append_all(struct embedded *bus, const struct bus_record *records,
                               struct recent ***appended, struct error *err)
{
    uint64_t now_ns = loop_now_ns(bus->loop), position;
    enum outcome outcome = bus_log_begin(bus->log, err);

    for (; outcome == OUTCOME_DONE && records != NULL; records = records->next) {
        outcome = bus_log_append(bus->log, records, now_ns, &position, err);
        if (outcome == OUTCOME_DONE && bus->readers != NULL) remember(records, position, appended);
    }
    if (outcome == OUTCOME_DONE) return bus_log_commit(bus->log, err);
    bus_log_rollback(bus->log);
    return outcome;
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

static void commit_some(struct embedded *bus)
{
    struct bus_record *records = take(bus, false), *too_long = take_too_long(&records);
    struct recent *appended = NULL, **end = &appended, *next;
    struct error err = {0};
    enum outcome outcome = OUTCOME_DONE;
    uint64_t began_ns;

    if (bus->readers == NULL) recents_clear(bus->recents); /* else it would get gaps */
    if (records != NULL) {
        began_ns = loop_elapsed_ns(bus->loop);
        outcome = append_all(bus, records, &end, &err);
        if (trace_is_on) span_took(SPAN_bus_append, loop_elapsed_ns(bus->loop) - began_ns);
        if (outcome == OUTCOME_DONE) bus->bus.commits++;
    }
    for (; appended != NULL; appended = next) {
        next = appended->next;
        appended->next = NULL;
        if (outcome == OUTCOME_DONE)
            recents_add(bus->recents, appended);
        else
            recent_free(appended);
    }
    if (outcome == OUTCOME_DONE) {
        for (const struct bus_record *r = records; r != NULL; r = r->next)
            bus->bus.records_published++;
    } else {
        /* What waits behind them must not be kept when they aren't: nothing of it was tried. */
        struct bus_record *behind = take(bus, true);
        struct error untried = err;

        answer(records, outcome, &err);
        records = behind;
        outcome = untried.outcome = OUTCOME_AGAIN;
        err = untried;
    }
    answer(records, outcome, outcome == OUTCOME_DONE ? NULL : &err);
    if (too_long != NULL) {
        error_set(&err, REASON_BODY_TOO_LARGE, "cannot publish a record of more than %d bytes",
                  LOG_VALUE_MAX);
        answer(too_long, err.outcome, &err);
    }
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

    if (bus->first != NULL) commit_some(bus);
    if (bus->tidy_ns != 0) tidy_some(bus);
    if (readers_deliver(bus) || bus->first != NULL || bus->tidy_ns != 0) embedded_wake(bus);
}

void embedded_wake(struct embedded *bus) { loop_post(bus->loop, &bus->task); }

/* --- opening and closing --- */

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
    *out = &bus->bus;
    return OUTCOME_DONE;
}

static void close_embedded(struct bus *base)
{
    struct embedded *bus = of(base);

    assert(!bus->delivering);
    readers_free(bus);
    while (bus->first != NULL) commit_some(bus);
    recents_free(bus->recents);
    bus_log_close(bus->log);
    loop_task_cancel(bus->loop, &bus->task);
    free(bus);
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
