/*
 * Was the database restored? The owner of a topic alone publishes there, so the newest records of
 * its partitions are its own. If one of them has this database's incarnation and a sequence beyond
 * all that the database knows of, the database is older than what it has said: its next events
 * would get numbers that readers have seen. Then a new incarnation is drawn, and readers take its
 * events as those of a new source.
 *
 * Whatever the database is restored from, this notices it, as long as the bus still has one of the
 * records that were published since.
 */
#include "store/outbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NEWEST = 64 }; /* records of a partition that are read */

struct place {
    const struct topic *topic;
    unsigned partition;
    uint64_t newest, seen; /* positions */
};

struct outbox_check {
    struct outbox *outbox;
    char group[48];
    struct bus_reader reader;
    const struct topic **topics; /* the service's own, NULL-ended */
    struct place *places;
    unsigned place_count;
    bool joined, restored;
    struct loop_task task;   /* goes on outside of the bus's call */
    struct loop_timer timer; /* tries again */
    unsigned failures;
};

static struct place *place_of(struct outbox_check *check, const struct topic *topic,
                              unsigned partition)
{
    for (unsigned i = 0; i < check->place_count; i++)
        if (check->places[i].topic == topic && check->places[i].partition == partition)
            return &check->places[i];
    return NULL;
}

static void look_at(struct outbox_check *check, const struct event *event)
{
    const struct outbox *outbox = check->outbox;

    for (unsigned i = 0; i < OUTBOX_LANES; i++) {
        const struct lane *lane = &outbox->lanes[i];

        if (strcmp(event->envelope.source, lane->source) == 0 &&
            event->envelope.sequence > lane->sequence_confirmed + outbox->waiting_at_start[i])
            check->restored = true;
    }
}

static bool all_seen(const struct outbox_check *check)
{
    for (unsigned i = 0; i < check->place_count; i++)
        if (check->places[i].seen < check->places[i].newest) return false;
    return true;
}

static uint64_t on_position(void *context, const struct topic *topic, unsigned partition)
{
    struct place *place = place_of(context, topic, partition);

    return place != NULL && place->newest > NEWEST ? place->newest - NEWEST : 0;
}

static void on_records(void *context, const struct bus_message *messages, unsigned count)
{
    struct outbox_check *check = context;

    for (unsigned i = 0; i < count; i++) {
        struct place *place = place_of(check, messages[i].topic, messages[i].partition);

        if (messages[i].event != NULL) look_at(check, messages[i].event);
        if (place != NULL) place->seen = messages[i].position;
    }
    loop_post(check->outbox->turns->loop, &check->task);
}

/* Retention has moved past the position meanwhile: begin anew. */
static void on_failed(void *context, const struct topic *topic, unsigned partition,
                      const struct error *err)
{
    struct outbox_check *check = context;

    (void)topic;
    (void)partition;
    (void)err;
    loop_timer_set(check->outbox->turns->loop, &check->timer,
                   turns_back_off(check->outbox->turns->loop, check->failures++));
}

static void leave(struct outbox_check *check)
{
    struct bus *bus = check->outbox->turns->bus;

    if (check->joined) bus_leave(bus, &check->reader);
    check->joined = false;
}

static void finish(struct outbox_check *check)
{
    struct outbox *outbox = check->outbox;
    bool restored = check->restored;

    outbox_check_stop(check);
    if (!restored) {
        outbox->open = true;
        relay_send_all(outbox);
        return;
    }
    loop_random(outbox->turns->loop, outbox->incarnation, sizeof outbox->incarnation);
    relay_renumber(outbox);
    outbox->redraw = true; /* opens when it is stored */
    turns_want(outbox->turns);
}

static void on_task(void *context)
{
    struct outbox_check *check = context;
    struct bus *bus = check->outbox->turns->bus;

    if (!check->joined) return;
    if (all_seen(check))
        finish(check);
    else
        bus_ready(bus, &check->reader);
}

static enum outcome ask_ranges(struct outbox_check *check, struct error *err)
{
    struct bus *bus = check->outbox->turns->bus;

    check->place_count = 0;
    for (const struct topic **topic = check->topics; *topic != NULL; topic++) {
        for (unsigned i = 0; i < (*topic)->partitions; i++) {
            struct place *place = &check->places[check->place_count++];
            uint64_t oldest;

            *place = (struct place){.topic = *topic, .partition = i};
            if (bus_range(bus, *topic, i, &oldest, &place->newest, err) != OUTCOME_DONE)
                return err->outcome;
        }
    }
    return OUTCOME_DONE;
}

static void try(void *context)
{
    struct outbox_check *check = context;
    struct bus *bus = check->outbox->turns->bus;
    struct loop *loop = check->outbox->turns->loop;
    struct error err = {0};

    leave(check);
    if (ask_ranges(check, &err) == OUTCOME_DONE) {
        if (all_seen(check)) { /* nothing was ever published */
            finish(check);
            return;
        }
        check->joined = bus_join(bus, &check->reader, &err) == OUTCOME_DONE;
    }
    if (!check->joined)
        loop_timer_set(loop, &check->timer, turns_back_off(loop, check->failures++));
}

struct outbox_check *outbox_check_make(struct outbox *outbox)
{
    struct outbox_check *check = need_memory(sizeof *check);
    unsigned count = 0, places = 0;

    check->outbox = outbox;
    check->topics = need_memory((TOPIC_COUNT + 1) * sizeof *check->topics);
    for (const struct topic *topic = topics; topic->name != NULL; topic++) {
        if (strcmp(topic->owner, outbox->service) != 0) continue;
        check->topics[count++] = topic;
        places += topic->partitions;
    }
    check->places = need_memory(places * sizeof *check->places);
    snprintf(check->group, sizeof check->group, "%s.outbox", outbox->service);
    check->task = (struct loop_task){.run = on_task, .context = check};
    check->timer = (struct loop_timer){.fire = try, .context = check};
    check->reader = (struct bus_reader){
        .group = check->group,
        .topics = check->topics,
        .position = on_position,
        .records = on_records,
        .failed = on_failed,
        .context = check,
    };
    return check;
}

void outbox_check_start(struct outbox_check *check)
{
    if (check->topics[0] != NULL)
        try(check);
    else
        finish(check);
}

void outbox_check_stop(struct outbox_check *check)
{
    loop_timer_cancel(check->outbox->turns->loop, &check->timer);
    loop_task_cancel(check->outbox->turns->loop, &check->task);
    leave(check);
}

void outbox_check_free(struct outbox_check *check)
{
    if (check == NULL) return;
    free(check->topics);
    free(check->places);
    free(check);
}
