/*
 * Relays: one a lane, from committed rows to the bus. All on the loop's thread.
 *
 * A lane's rows are given to the bus in order. They are confirmed in any order; the lane has come
 * as far as its rows are confirmed without a gap. When the bus gives a record back, the lane waits
 * until the bus has none of its records any more and sends again from there, with the same numbers:
 * readers skip what they have.
 */
#include "store/outbox.h"

#include "observe/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void look_around(struct outbox *outbox);
static void send_lane(struct lane *lane);

/* --- tails --- */

static unsigned tail_of(struct lane *lane, const struct topic *topic, unsigned partition)
{
    for (unsigned i = 0; i < lane->tail_count; i++)
        if (lane->tails[i].topic == topic && lane->tails[i].partition == partition) return i;
    lane->tails = need_more_memory(lane->tails, (lane->tail_count + 1) * sizeof *lane->tails);
    lane->tails[lane->tail_count] = (struct tail){.topic = topic, .partition = partition};
    return lane->tail_count++;
}

bool relay_read_tails(struct lane *lane, const char *text, size_t length)
{
    char line[320], name[256];
    size_t at = 0;

    while (at < length) {
        const char *end = memchr(text + at, '\n', length - at);
        size_t size = end != NULL ? (size_t)(end - text) - at : sizeof line;
        const struct topic *topic;
        unsigned long long sequence;
        unsigned partition, tail;

        if (size >= sizeof line) return false;
        memcpy(line, text + at, size);
        line[size] = '\0';
        at += size + 1;
        if (sscanf(line, "%255s %u %llu", name, &partition, &sequence) != 3) return false;
        topic = topic_find(name);
        if (topic == NULL || partition >= topic->partitions) return false;
        tail = tail_of(lane, topic, partition);
        lane->tails[tail].confirmed = sequence;
    }
    return true;
}

void relay_print_tails(const struct lane *lane, struct buffer *out)
{
    for (unsigned i = 0; i < lane->tail_count; i++)
        if (lane->tails[i].confirmed > 0)
            buffer_format(out, "%s %u %llu\n", lane->tails[i].topic->name, lane->tails[i].partition,
                          (unsigned long long)lane->tails[i].confirmed);
}

/* --- confirming --- */

/* Takes the first row off: all its events are on the bus, and all before them. */
static void confirm_row(struct lane *lane)
{
    struct outbox_row *row = lane->first;

    for (unsigned i = 0; i < row->count; i++)
        lane->tails[row->events[i].tail].confirmed = row->events[i].sequence;
    lane->sequence_confirmed = row->events[row->count - 1].sequence;
    lane->confirmed = row->number;
    lane->first = row->next;
    if (lane->first == NULL) lane->last = NULL;
    lane->outbox->memory -= row->memory;
    outbox_row_free(row);
}

static void on_published(struct bus_record *record, enum outcome outcome, const struct error *err)
{
    struct outbox_event *event = record->context;
    struct outbox_row *row = event->row;
    struct lane *lane = row->lane;
    struct outbox *outbox = lane->outbox;

    (void)err;
    lane->at_bus--;
    outbox->at_bus--;
    free((char *)record->value);
    record->value = NULL;
    if (outcome == OUTCOME_DONE) {
        if (trace_is_on)
            span_took(SPAN_bus_publish, loop_elapsed_ns(outbox->turns->loop) - row->taken_ns);
        row->unconfirmed--;
        outbox->failures = 0;
    } else {
        lane->failed = true;
    }
    if (outbox->turns->closed) {
        turns_release(outbox->turns);
        return;
    }
    /* a row that wasn't sent has none confirmed */
    while (lane->first != NULL && lane->first->unconfirmed == 0) confirm_row(lane);
    send_lane(lane);
    look_around(outbox);
}

/* --- sending --- */

static void send_event(struct lane *lane, struct outbox_event *event)
{
    struct bus_record *record = &event->record;
    struct tail *tail;
    struct buffer text = {0};

    event->tail = tail_of(lane, record->topic, record->partition);
    tail = &lane->tails[event->tail];
    event->sequence = ++lane->sequence_sent;
    envelope_print_head(lane->source, event->sequence, tail->sent, &text);
    buffer_add(&text, event->body, event->length);
    if (event->event != NULL) {
        struct envelope *envelope = &event->event->envelope;

        memcpy(envelope->source, lane->source, sizeof envelope->source);
        envelope->sequence = event->sequence;
        envelope->prev = tail->sent;
    }
    tail->sent = event->sequence;
    record->value = text.bytes;
    record->length = text.length;
    record->event = event->event;
    record->done = on_published;
    record->context = event;
    lane->at_bus++;
    lane->outbox->at_bus++;
    bus_publish(lane->outbox->turns->bus, record);
}

static bool has_room(const struct lane *lane)
{
    return lane->at_bus == 0 || lane->at_bus + lane->unsent->count <= OUTBOX_AT_BUS_MAX;
}

static void send_lane(struct lane *lane)
{
    if (lane->failed) return;
    while (lane->unsent != NULL && has_room(lane)) {
        struct outbox_row *row = lane->unsent;

        lane->unsent = row->next;
        for (unsigned i = 0; i < row->count; i++) send_event(lane, &row->events[i]);
    }
    if (lane->unsent == NULL && lane->loaded < lane->newest) outbox_read(lane);
}

void relay_send_all(struct outbox *outbox)
{
    for (unsigned i = 0; i < OUTBOX_LANES && outbox->open; i++) send_lane(&outbox->lanes[i]);
    look_around(outbox);
}

void relay_rewind(struct lane *lane)
{
    lane->failed = false;
    lane->unsent = lane->first;
    lane->sequence_sent = lane->sequence_confirmed;
    for (unsigned i = 0; i < lane->tail_count; i++) lane->tails[i].sent = lane->tails[i].confirmed;
    for (struct outbox_row *row = lane->first; row != NULL; row = row->next)
        row->unconfirmed = row->count;
}

static void on_retry(void *context)
{
    struct outbox *outbox = context;

    outbox->retry_waits = false;
    for (unsigned i = 0; i < OUTBOX_LANES; i++)
        if (outbox->lanes[i].failed && outbox->lanes[i].at_bus == 0)
            relay_rewind(&outbox->lanes[i]);
    relay_send_all(outbox);
}

void relay_set_up(struct outbox *outbox)
{
    outbox->retry = (struct loop_timer){.fire = on_retry, .context = outbox};
}

/* --- rows that come --- */

static void append(struct lane *lane, struct outbox_row *row)
{
    row->next = NULL;
    row->taken_ns = loop_elapsed_ns(lane->outbox->turns->loop);
    if (lane->last != NULL)
        lane->last->next = row;
    else
        lane->first = row;
    lane->last = row;
    if (lane->unsent == NULL) lane->unsent = row;
    lane->loaded = row->number;
    lane->outbox->memory += row->memory;
}

void relay_take(struct outbox *outbox, struct outbox_row *row)
{
    /* behind rows that are in the table alone it must stay there too */
    if (row->lane->loaded == row->number - 1 && outbox->memory + row->memory <= OUTBOX_MEMORY_MAX)
        append(row->lane, row);
    else
        outbox_row_free(row);
}

void relay_take_read(struct lane_read *read)
{
    while (read->first != NULL) {
        struct outbox_row *row = read->first;

        read->first = row->next;
        append(read->lane, row);
    }
    read->last = NULL;
}

/* --- the rest --- */

void relay_name_sources(struct outbox *outbox)
{
    char text[INCARNATION_TEXT + 1];

    for (unsigned i = 0; i < sizeof outbox->incarnation; i++)
        snprintf(text + 2 * (size_t)i, 3, "%02x", (unsigned)outbox->incarnation[i]);
    for (unsigned i = 0; i < OUTBOX_LANES; i++)
        envelope_source(outbox->service, i, text, outbox->lanes[i].source);
}

void relay_renumber(struct outbox *outbox)
{
    for (unsigned i = 0; i < OUTBOX_LANES; i++) {
        outbox->lanes[i].sequence_confirmed = 0;
        outbox->lanes[i].tail_count = 0;
        relay_rewind(&outbox->lanes[i]);
    }
    relay_name_sources(outbox);
}

void relay_free(struct outbox *outbox)
{
    for (unsigned i = 0; i < OUTBOX_LANES; i++) {
        struct lane *lane = &outbox->lanes[i];

        while (lane->first != NULL) {
            struct outbox_row *next = lane->first->next;

            outbox_row_free(lane->first);
            lane->first = next;
        }
        free(lane->tails);
    }
}

/* After anything has changed: asks for a turn that deletes, for another attempt, for the end. */
static void look_around(struct outbox *outbox)
{
    bool ahead = false, failed = false;

    for (unsigned i = 0; i < OUTBOX_LANES; i++) {
        struct lane *lane = &outbox->lanes[i];

        ahead |= lane->confirmed > lane->deleted;
        failed |= lane->failed && lane->at_bus == 0;
    }
    if (ahead || outbox->redraw) turns_want(outbox->turns);
    if (failed && !outbox->retry_waits) {
        outbox->retry_waits = true;
        loop_timer_set(outbox->turns->loop, &outbox->retry,
                       turns_back_off(outbox->turns->loop, outbox->failures++));
    }
}
