/*
 * Readers of the embedded bus, each with a cursor for every partition of its topics. What a cursor
 * comes to next is in memory when its reader keeps up, else on disk; it makes no difference but the
 * time. At most one batch a reader is in memory for those that are behind.
 */
#include "bus/bus_embedded.h"
#include "bus/topics.h"
#include "wire/buffer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH_MAX = 500,
    BATCH_BYTES_MAX = 4 << 20, /* of values read from disk for one batch */
};

/* Where a reader is in a partition. */
struct cursor {
    const struct topic *topic;
    unsigned partition;
    uint64_t given;    /* position that it was given last */
    struct error *why; /* it can't go on from there; else NULL */
    bool told;         /* its reader knows */
};

struct reader {
    struct bus_reader *api;
    struct reader *next;
    bool ready, gone;
    unsigned stuck; /* cursors that can't go on */
    unsigned turn;  /* cursor that the next batch begins with */
    unsigned count;
    struct cursor cursors[];
};

/* What one call of a reader gets. */
struct batch {
    struct bus_message messages[BATCH_MAX];
    unsigned count;
    struct recent *read; /* from disk, freed afterwards */
    size_t bytes;
};

static struct embedded *of(struct bus *bus) { return (struct embedded *)bus; }

static bool is_behind(const struct embedded *bus, const struct cursor *cursor)
{
    return bus_log_newest(bus->log, cursor->topic, cursor->partition) > cursor->given;
}

/* --- where cursors stand --- */

/* Whether what comes behind a position is there, or will be. */
static bool is_inside(const struct embedded *bus, const struct cursor *cursor, uint64_t position)
{
    return position + 1 >= bus_log_oldest(bus->log, cursor->topic, cursor->partition) &&
           position <= bus_log_newest(bus->log, cursor->topic, cursor->partition);
}

static enum outcome set_outside(const struct embedded *bus, const struct cursor *cursor,
                                uint64_t position, enum reason reason, struct error *err)
{
    uint64_t oldest = bus_log_oldest(bus->log, cursor->topic, cursor->partition);
    uint64_t newest = bus_log_newest(bus->log, cursor->topic, cursor->partition);

    error_set(err, reason, "cannot read %s/%u from position %llu", cursor->topic->name,
              cursor->partition, (unsigned long long)position);
    error_detail(err, "It has %llu records: %llu to %llu.",
                 (unsigned long long)(newest + 1 - oldest), (unsigned long long)oldest,
                 (unsigned long long)newest);
    return err->outcome;
}

static void get_stuck(struct reader *reader, struct cursor *cursor, const struct error *why)
{
    cursor->why = need_memory(sizeof *why);
    *cursor->why = *why;
    cursor->told = false;
    reader->stuck++;
}

static void get_unstuck(struct reader *reader, struct cursor *cursor)
{
    if (cursor->why == NULL) return;
    free(cursor->why);
    cursor->why = NULL;
    reader->stuck--;
}

/* Notices that a cursor has nowhere to go on. */
static bool check_inside(struct embedded *bus, struct reader *reader, struct cursor *cursor)
{
    struct error why;

    if (is_inside(bus, cursor, cursor->given)) return true;
    set_outside(bus, cursor, cursor->given, REASON_CORRUPT, &why);
    get_stuck(reader, cursor, &why);
    return false;
}

static void place(struct embedded *bus, struct reader *reader, struct cursor *cursor,
                  uint64_t position)
{
    /* one that has applied nothing begins with what there is */
    if (position == 0) position = bus_log_oldest(bus->log, cursor->topic, cursor->partition) - 1;
    cursor->given = position;
    check_inside(bus, reader, cursor);
}

static struct cursor *find_cursor(struct reader *reader, const struct topic *topic,
                                  unsigned partition)
{
    for (unsigned i = 0; i < reader->count; i++)
        if (reader->cursors[i].topic == topic && reader->cursors[i].partition == partition)
            return &reader->cursors[i];
    return NULL;
}

/* --- coming and going --- */

enum outcome readers_join(struct bus *base, struct bus_reader *api, struct error *err)
{
    struct embedded *bus = of(base);
    struct reader *reader;
    unsigned count = 0;

    for (const struct reader *other = bus->readers; other != NULL; other = other->next)
        if (!other->gone && strcmp(other->api->group, api->group) == 0)
            return error_set(err, REASON_CONFLICT, "cannot join twice as group %s", api->group);
    for (unsigned i = 0; api->topics[i] != NULL; i++) count += api->topics[i]->partitions;

    reader = need_memory(sizeof *reader + count * sizeof(struct cursor));
    reader->api = api;
    reader->ready = true;
    for (unsigned i = 0; api->topics[i] != NULL; i++) {
        for (unsigned j = 0; j < api->topics[i]->partitions; j++) {
            struct cursor *cursor = &reader->cursors[reader->count++];

            cursor->topic = api->topics[i];
            cursor->partition = j;
            place(bus, reader, cursor, api->position(api->context, cursor->topic, j));
        }
    }
    reader->next = bus->readers;
    bus->readers = reader;
    api->internal = reader;
    embedded_wake(bus);
    return OUTCOME_DONE;
}

/* Takes those out that have left; not while the list is walked. */
static void sweep(struct embedded *bus)
{
    struct reader **at = &bus->readers;

    while (*at != NULL) {
        struct reader *reader = *at;

        if (!reader->gone) {
            at = &reader->next;
            continue;
        }
        *at = reader->next;
        for (unsigned i = 0; i < reader->count; i++) free(reader->cursors[i].why);
        free(reader);
    }
}

void readers_leave(struct bus *base, struct bus_reader *api)
{
    struct reader *reader = api->internal;

    if (reader == NULL) return;
    api->internal = NULL;
    reader->gone = true;
    if (!of(base)->delivering) sweep(of(base));
}

void readers_ready(struct bus *base, struct bus_reader *api)
{
    struct reader *reader = api->internal;

    if (reader == NULL) return;
    reader->ready = true;
    embedded_wake(of(base));
}

enum outcome readers_seek(struct bus *base, struct bus_reader *api, const struct topic *topic,
                          unsigned partition, uint64_t position, struct error *err)
{
    struct embedded *bus = of(base);
    struct reader *reader = api->internal;
    struct cursor *cursor = reader != NULL ? find_cursor(reader, topic, partition) : NULL;

    if (cursor == NULL)
        return error_set(err, REASON_NOT_FOUND, "group %s doesn't read %s/%u", api->group,
                         topic->name, partition);
    if (!is_inside(bus, cursor, position))
        return set_outside(bus, cursor, position, REASON_NOT_FOUND, err);
    get_unstuck(reader, cursor);
    cursor->given = position;
    embedded_wake(bus);
    return OUTCOME_DONE;
}

uint64_t readers_lag(struct bus *base, const struct bus_reader *api)
{
    const struct embedded *bus = of(base);
    const struct reader *reader = api->internal;
    uint64_t lag = 0;

    for (unsigned i = 0; reader != NULL && i < reader->count; i++) {
        const struct cursor *cursor = &reader->cursors[i];

        if (is_behind(bus, cursor))
            lag += bus_log_newest(bus->log, cursor->topic, cursor->partition) - cursor->given;
    }
    return lag;
}

/* --- batches --- */

static void add_message(struct batch *batch, struct recent *recent)
{
    batch->messages[batch->count++] = (struct bus_message){
        .topic = recent->topic,
        .partition = recent->partition,
        .position = recent->position,
        .key = recent->key,
        .value = recent->value,
        .length = recent->length,
        .event = recent_event(recent),
    };
}

struct filling {
    struct batch *batch;
    struct cursor *cursor;
};

static bool add_row(void *context, const struct log_row *row)
{
    struct filling *filling = context;
    struct batch *batch = filling->batch;
    struct recent *recent = recent_make(filling->cursor->topic, filling->cursor->partition,
                                        row->position, row->key, row->value, row->length, NULL);

    recent->next = batch->read;
    batch->read = recent;
    batch->bytes += row->length;
    filling->cursor->given = row->position;
    add_message(batch, recent);
    return batch->count < BATCH_MAX && batch->bytes < BATCH_BYTES_MAX;
}

/* Adds what follows a cursor, from memory if it is there. */
static void fill(struct embedded *bus, struct reader *reader, struct cursor *cursor,
                 struct batch *batch)
{
    struct filling filling = {batch, cursor};
    struct recent *recent;
    struct error why;

    if (!check_inside(bus, reader, cursor)) return; /* tidied away before it was read */
    while (batch->count < BATCH_MAX && is_behind(bus, cursor)) {
        recent = recents_find(bus->recents, cursor->topic, cursor->partition, cursor->given + 1);
        if (recent == NULL) break;
        add_message(batch, recent);
        cursor->given++;
    }
    if (batch->count == BATCH_MAX || batch->bytes >= BATCH_BYTES_MAX || !is_behind(bus, cursor))
        return;
    if (embedded_commits(bus)) return;
    if (bus_log_read(bus->log, cursor->topic, cursor->partition, cursor->given,
                     BATCH_MAX - batch->count, add_row, &filling, &why) != OUTCOME_DONE)
        get_stuck(reader, cursor, &why);
}

static void fill_all(struct embedded *bus, struct reader *reader, struct batch *batch)
{
    batch->count = 0;
    batch->read = NULL;
    batch->bytes = 0;
    for (unsigned i = 0; i < reader->count && batch->count < BATCH_MAX; i++) {
        struct cursor *cursor = &reader->cursors[(reader->turn + i) % reader->count];

        if (cursor->why == NULL) fill(bus, reader, cursor, batch);
    }
    if (reader->count > 0) reader->turn = (reader->turn + 1) % reader->count;
}

static void free_read(struct batch *batch)
{
    while (batch->read != NULL) {
        struct recent *recent = batch->read;

        batch->read = recent->next;
        recent_free(recent);
    }
}

/* --- delivering --- */

static void tell_stuck(struct reader *reader)
{
    for (unsigned i = 0; i < reader->count && !reader->gone; i++) {
        struct cursor *cursor = &reader->cursors[i];

        if (cursor->why == NULL || cursor->told) continue;
        cursor->told = true;
        reader->api->failed(reader->api->context, cursor->topic, cursor->partition, cursor->why);
    }
}

static void deliver_to(struct embedded *bus, struct reader *reader)
{
    struct batch *batch = bus->batch;

    fill_all(bus, reader, batch);
    if (batch->count > 0) {
        reader->ready = false;
        reader->api->records(reader->api->context, batch->messages, batch->count);
    }
    free_read(batch);
    if (reader->stuck > 0) tell_stuck(reader);
}

static bool has_more(const struct embedded *bus, const struct reader *reader)
{
    for (unsigned i = 0; i < reader->count; i++)
        if (reader->cursors[i].why == NULL && is_behind(bus, &reader->cursors[i])) return true;
    return false;
}

bool readers_deliver(struct embedded *bus)
{
    bool more = false, behind = false;

    if (bus->batch == NULL) bus->batch = need_memory(sizeof *bus->batch);
    bus->delivering = true;
    for (struct reader *reader = bus->readers; reader != NULL; reader = reader->next) {
        if (reader->gone) continue;
        if (reader->stuck > 0)
            tell_stuck(reader);
        else if (reader->ready)
            deliver_to(bus, reader);
    }
    bus->delivering = false;
    sweep(bus);
    for (const struct reader *reader = bus->readers; reader != NULL; reader = reader->next) {
        if (reader->stuck > 0 || !has_more(bus, reader)) continue;
        behind = true;
        if (reader->ready) more = true;
    }
    if (!behind) recents_clear(bus->recents);
    return more;
}

void readers_free(struct embedded *bus)
{
    for (struct reader *reader = bus->readers; reader != NULL; reader = reader->next) {
        reader->api->internal = NULL;
        reader->gone = true;
    }
    sweep(bus);
    free(bus->batch);
}
