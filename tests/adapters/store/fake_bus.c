#include "store/fake_bus.h"

#include "bus/events.h"
#include "wire/buffer.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_MAX = 500, READERS_MAX = 8 };

/* Where a reader is in a partition. */
struct cursor {
    const struct topic *topic;
    unsigned partition;
    uint64_t given;
};

struct seat {
    struct bus_reader *reader; /* NULL = free */
    bool ready;
    struct cursor *cursors;
    unsigned count;
};

struct fake_bus {
    struct bus bus;
    struct loop *loop;
    struct loop_task task;
    bool hold;
    unsigned fail_count;
    enum outcome fail_with;
    struct bus_record *first, **last; /* published, not answered */
    struct fake_record **records;
    unsigned count, dropped;
    struct seat seats[READERS_MAX];
};

static const struct bus_ops fake_ops;

static struct fake_bus *of(struct bus *bus) { return (struct fake_bus *)bus; }

static uint64_t newest_of(const struct fake_bus *bus, const struct topic *topic, unsigned partition)
{
    uint64_t newest = 0;

    for (unsigned i = 0; i < bus->count; i++)
        if (bus->records[i]->topic == topic && bus->records[i]->partition == partition)
            newest = bus->records[i]->position;
    return newest;
}

static uint64_t oldest_of(const struct fake_bus *bus, const struct topic *topic, unsigned partition)
{
    for (unsigned i = 0; i < bus->count; i++)
        if (bus->records[i]->topic == topic && bus->records[i]->partition == partition &&
            bus->records[i]->value != NULL)
            return bus->records[i]->position;
    return 0;
}

static void keep(struct fake_bus *bus, const struct topic *topic, unsigned partition,
                 struct uuid key, const char *value, size_t length)
{
    struct fake_record *record = need_memory(sizeof *record);
    char *copy = need_memory(length + 1);

    memcpy(copy, value, length);
    *record = (struct fake_record){topic, partition, newest_of(bus, topic, partition) + 1,
                                   key,   copy,      length};
    bus->records = need_more_memory(bus->records, (bus->count + 1) * sizeof *bus->records);
    bus->records[bus->count++] = record;
    loop_post(bus->loop, &bus->task);
}

/* --- publishing --- */

static void publish(struct bus *base, struct bus_record *record)
{
    struct fake_bus *bus = of(base);

    record->next = NULL;
    *bus->last = record;
    bus->last = &record->next;
    loop_post(bus->loop, &bus->task);
}

/* Takes the oldest off and answers it. */
static void answer_first(struct fake_bus *bus)
{
    struct bus_record *record = bus->first;
    struct error err = {0};
    enum outcome outcome = OUTCOME_DONE;

    bus->first = record->next;
    if (bus->first == NULL) bus->last = &bus->first;
    if (bus->fail_count > 0) {
        bus->fail_count--;
        error_set(&err, REASON_BUS_UNREACHABLE, "could not publish, as the test wants it");
        outcome = err.outcome = bus->fail_with;
    }
    if (outcome == OUTCOME_DONE || outcome == OUTCOME_UNKNOWN)
        keep(bus, record->topic, record->partition, record->key, record->value, record->length);
    record->done(record, outcome, outcome == OUTCOME_DONE ? NULL : &err);
}

void fake_bus_hold(struct bus *bus, bool hold)
{
    of(bus)->hold = hold;
    loop_post(of(bus)->loop, &of(bus)->task);
}

void fake_bus_confirm(struct bus *bus, unsigned count)
{
    while (count-- > 0 && of(bus)->first != NULL) answer_first(of(bus));
}

unsigned fake_bus_held(const struct bus *base)
{
    const struct fake_bus *bus = (const struct fake_bus *)base;
    unsigned count = 0;

    for (const struct bus_record *record = bus->first; record != NULL; record = record->next)
        count++;
    return count;
}

void fake_bus_fail(struct bus *bus, unsigned count, enum outcome outcome)
{
    of(bus)->fail_count = count;
    of(bus)->fail_with = outcome;
}

/* --- reading --- */

static enum outcome join(struct bus *base, struct bus_reader *reader, struct error *err)
{
    struct fake_bus *bus = of(base);
    unsigned at = 0;

    (void)err;
    while (bus->seats[at].reader != NULL) at++;
    bus->seats[at] = (struct seat){.reader = reader, .ready = true};
    for (unsigned i = 0; reader->topics[i] != NULL; i++) {
        for (unsigned j = 0; j < reader->topics[i]->partitions; j++) {
            struct seat *seat = &bus->seats[at];

            seat->cursors =
                need_more_memory(seat->cursors, (seat->count + 1) * sizeof *seat->cursors);
            seat->cursors[seat->count++] = (struct cursor){
                reader->topics[i], j, reader->position(reader->context, reader->topics[i], j)};
        }
    }
    reader->internal = &bus->seats[at];
    loop_post(bus->loop, &bus->task);
    return OUTCOME_DONE;
}

static void ready(struct bus *base, struct bus_reader *reader)
{
    ((struct seat *)reader->internal)->ready = true;
    loop_post(of(base)->loop, &of(base)->task);
}

static void leave(struct bus *base, struct bus_reader *reader)
{
    struct seat *seat = reader->internal;

    (void)base;
    free(seat->cursors);
    *seat = (struct seat){0};
}

static struct cursor *cursor_of(struct seat *seat, const struct topic *topic, unsigned partition)
{
    for (unsigned i = 0; i < seat->count; i++)
        if (seat->cursors[i].topic == topic && seat->cursors[i].partition == partition)
            return &seat->cursors[i];
    return NULL;
}

static enum outcome seek(struct bus *base, struct bus_reader *reader, const struct topic *topic,
                         unsigned partition, uint64_t position, struct error *err)
{
    (void)err;
    cursor_of(reader->internal, topic, partition)->given = position;
    loop_post(of(base)->loop, &of(base)->task);
    return OUTCOME_DONE;
}

static uint64_t lag(struct bus *base, const struct bus_reader *reader)
{
    struct seat *seat = reader->internal;
    uint64_t behind = 0;

    for (unsigned i = 0; i < seat->count; i++)
        behind += newest_of(of(base), seat->cursors[i].topic, seat->cursors[i].partition) -
                  seat->cursors[i].given;
    return behind;
}

static enum outcome range(struct bus *base, const struct topic *topic, unsigned partition,
                          uint64_t *oldest, uint64_t *newest, struct error *err)
{
    (void)err;
    *oldest = oldest_of(of(base), topic, partition);
    *newest = *oldest > 0 ? newest_of(of(base), topic, partition) : 0;
    return OUTCOME_DONE;
}

static void deliver(struct fake_bus *bus, struct seat *seat)
{
    static struct bus_message messages[BATCH_MAX];
    static struct event *events[BATCH_MAX];
    unsigned count = 0;
    struct error err;

    for (unsigned i = 0; i < bus->count && count < BATCH_MAX; i++) {
        const struct fake_record *record = bus->records[i];
        struct cursor *cursor = cursor_of(seat, record->topic, record->partition);

        if (record->value == NULL || cursor == NULL || record->position <= cursor->given) continue;
        cursor->given = record->position;
        events[count] = NULL;
        if (event_parse(record->value, record->length, &events[count], &err) != OUTCOME_DONE)
            events[count] = NULL;
        messages[count] =
            (struct bus_message){record->topic, record->partition, record->position, record->key,
                                 record->value, record->length,    events[count]};
        count++;
    }
    if (count == 0) return;
    seat->ready = false;
    seat->reader->records(seat->reader->context, messages, count);
    for (unsigned i = 0; i < count; i++) event_release(events[i]);
}

static void run(void *context)
{
    struct fake_bus *bus = context;

    for (unsigned waiting = bus->hold ? 0 : fake_bus_held(&bus->bus); waiting > 0; waiting--)
        answer_first(bus);
    for (unsigned i = 0; i < READERS_MAX; i++)
        if (bus->seats[i].reader != NULL && bus->seats[i].ready) deliver(bus, &bus->seats[i]);
}

/* --- the rest --- */

void fake_bus_crash(struct bus *base, unsigned kept)
{
    struct fake_bus *bus = of(base);

    bus->fail_count = 0;
    while (bus->first != NULL) { /* the answer reaches nobody, it only gives the memory back */
        bus->fail_count = 1;
        bus->fail_with = kept > 0 ? OUTCOME_UNKNOWN : OUTCOME_AGAIN;
        if (kept > 0) kept--;
        answer_first(bus);
    }
    for (unsigned i = 0; i < READERS_MAX; i++) {
        free(bus->seats[i].cursors);
        bus->seats[i] = (struct seat){0};
    }
    bus->hold = false;
}

unsigned fake_bus_count(const struct bus *bus) { return ((const struct fake_bus *)bus)->count; }

const struct fake_record *fake_bus_record(const struct bus *bus, unsigned index)
{
    return ((const struct fake_bus *)bus)->records[index];
}

void fake_bus_put(struct bus *bus, const struct topic *topic, unsigned partition, struct uuid key,
                  const char *value)
{
    keep(of(bus), topic, partition, key, value, strlen(value));
}

void fake_bus_drop(struct bus *base, const struct topic *topic, unsigned partition, unsigned count)
{
    struct fake_bus *bus = of(base);

    for (unsigned i = 0; i < bus->count && count > 0; i++) {
        struct fake_record *record = bus->records[i];

        if (record->topic != topic || record->partition != partition || record->value == NULL)
            continue;
        free((char *)record->value);
        record->value = NULL;
        count--;
    }
}

static const struct bus_ops fake_ops = {
    .scheme = "fake",
    .publish = publish,
    .join = join,
    .ready = ready,
    .leave = leave,
    .seek = seek,
    .lag = lag,
    .range = range,
};

struct bus *fake_bus_make(struct loop *loop)
{
    struct fake_bus *bus = need_memory(sizeof *bus);

    bus->bus.ops = &fake_ops;
    bus->loop = loop;
    bus->task = (struct loop_task){.run = run, .context = bus};
    bus->last = &bus->first;
    return &bus->bus;
}

void fake_bus_free(struct bus *base)
{
    struct fake_bus *bus = of(base);

    for (unsigned i = 0; i < bus->count; i++) {
        free((char *)bus->records[i]->value);
        free(bus->records[i]);
    }
    for (unsigned i = 0; i < READERS_MAX; i++) free(bus->seats[i].cursors);
    free(bus->records);
    free(bus);
}
