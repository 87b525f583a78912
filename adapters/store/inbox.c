/* The inbox: records of the bus become pieces of work, and what becomes of them. */
#include "store/inbox.h"

#include "observe/trace.h"
#include "store/parked_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct inbox_partition *inbox_partition_of(struct inbox *inbox, const struct topic *topic,
                                           unsigned partition)
{
    for (unsigned i = 0; i < inbox->partition_count; i++)
        if (inbox->partitions[i].topic == topic && inbox->partitions[i].index == partition)
            return &inbox->partitions[i];
    return NULL;
}

const struct consume *inbox_consume(const struct inbox *inbox, const struct event *event,
                                    struct error *err)
{
    const struct envelope *envelope = &event->envelope;
    bool named = false;

    for (const struct consume *row = inbox->consumes; row->apply != NULL; row++) {
        if (strcmp(row->type, envelope->type) != 0) continue;
        if (row->major == envelope->major && event->type != NULL) return row;
        named = true;
    }
    if (named)
        error_set(err, REASON_INVALID_REQUEST, "cannot apply version %u of %s", envelope->major,
                  envelope->type);
    return NULL;
}

void inbox_consumed(const struct event *event, struct consumed *out)
{
    const struct envelope *envelope = &event->envelope;

    *out = (struct consumed){
        .type = event->type,
        .data = event->data,
        .id = envelope->id,
        .tenant = envelope->tenant,
        .live = envelope->live,
        .key = envelope->subject,
        .time_ns = envelope->time_ns,
        .entity_version = envelope->entity_version,
        .ledger_sequence = envelope->ledger_sequence,
        .traceparent = envelope->traceparent,
    };
}

/* --- a piece in its turn --- */

static struct piece *of(struct work *work) { return (struct piece *)work; }

/* It was applied before, or isn't to be applied now: it comes again when the partition goes on. */
static bool skips(const struct piece *piece)
{
    const struct inbox_partition *partition = piece->partition;

    return partition->stopped || partition->stops || partition->seeks ||
           piece->epoch != partition->epoch || piece->position <= partition->position;
}

static void keep_refusal(struct piece *piece, const struct error *err)
{
    if (piece->refused == NULL) piece->refused = need_memory(sizeof *piece->refused);
    *piece->refused = *err;
}

static enum outcome load(struct work *work, struct turn *turn, struct error *err)
{
    struct piece *piece = of(work);
    const struct inbox *inbox = piece->inbox;
    const struct consume *consume;
    struct consumed consumed;
    enum outcome outcome;

    if (skips(piece) || piece->event == NULL || piece->unwritable) return OUTCOME_DONE;
    free(piece->refused); /* by a turn that failed */
    piece->refused = NULL;
    consume = inbox_consume(inbox, piece->event, err);
    if (consume == NULL || consume->load == NULL) return OUTCOME_DONE;
    inbox_consumed(piece->event, &consumed);
    outcome = consume->load(inbox->turns->service, turn, &consumed, err);
    if (outcome != OUTCOME_REFUSED) return outcome;
    keep_refusal(piece, err);
    return OUTCOME_DONE;
}

/* Stops a partition once the turn is over. */
static void stop(struct inbox_partition *partition, bool gap, const struct error *why)
{
    partition->stops = true;
    partition->gap = gap;
    partition->why = *why;
}

/* Parks the event; false if there is no room: then the partition stops before it. */
static bool park(struct piece *piece, const struct error *cause)
{
    struct parking parking = {
        .reader = piece->inbox->reader,
        .topic = piece->partition->topic->name,
        .partition = piece->partition->index,
        .position = piece->position,
        .key = piece->key,
        .reason = reason_row(cause->reason)->name,
        .value = piece->inbox->values.bytes + piece->value,
        .length = piece->length,
    };
    struct error err;

    snprintf(parking.message, sizeof parking.message, "%s", cause->message);
    if (parked_add(piece->inbox->turns->parked, &parking, &err)) return true;
    stop(piece->partition, false, &err);
    return false;
}

/* Applies an event that is new; false if the partition has stopped before it. */
static enum outcome apply_new(struct piece *piece, struct turn *turn, bool *passed,
                              struct error *err)
{
    const struct inbox *inbox = piece->inbox;
    struct turn_mark mark = turn_mark(turn);
    struct error cause = {0};
    const struct consume *consume = inbox_consume(inbox, piece->event, &cause);
    struct consumed consumed;
    enum outcome outcome;

    if (consume == NULL && cause.reason == REASON_NONE) return OUTCOME_DONE;
    if (parked_has(inbox->turns->parked, inbox->reader, piece->partition->topic->name,
                   piece->key)) {
        error_set(&cause, REASON_CONFLICT, "an event before it with the same key is parked");
    } else if (piece->refused != NULL) {
        cause = *piece->refused;
    } else if (consume != NULL) {
        inbox_consumed(piece->event, &consumed);
        outcome = consume->apply(inbox->turns->service, turn, &consumed, err);
        if (outcome != OUTCOME_REFUSED) return outcome;
        turn_cut(turn, mark);
        cause = *err;
    }
    *passed = park(piece, &cause);
    return OUTCOME_DONE;
}

static enum outcome apply(struct work *work, struct turn *turn, struct error *err)
{
    struct piece *piece = of(work);
    struct inbox_partition *partition = piece->partition;
    enum arrival arrival;
    bool passed = true;

    if (skips(piece)) return OUTCOME_DONE;
    if (piece->event == NULL) {
        error_set(err, REASON_INVALID_REQUEST, "cannot read the event");
        passed = park(piece, err);
    } else {
        arrival = inbox_arrival(partition, &piece->event->envelope, err);
        if (arrival == ARRIVAL_GAP) {
            stop(partition, true, err);
            return OUTCOME_DONE;
        }
        if (arrival == ARRIVAL_NEW && apply_new(piece, turn, &passed, err) != OUTCOME_DONE)
            return err->outcome;
        if (arrival == ARRIVAL_NEW && passed) inbox_note(partition, &piece->event->envelope);
    }
    if (!passed) return OUTCOME_DONE;
    partition->position = piece->position;
    partition->touched = true;
    return OUTCOME_DONE;
}

static void done(struct work *work, enum outcome outcome, const struct error *err)
{
    struct piece *piece = of(work);
    struct inbox *inbox = piece->inbox;
    struct bus *bus = inbox->turns->bus;

    if (outcome == OUTCOME_REFUSED) { /* what it wrote contradicts the database */
        keep_refusal(piece, err);
        piece->unwritable = true;
        turns_add_first(inbox->turns, work);
        return;
    }
    if (trace_is_on && work->internal_added_ns != 0)
        span_took(SPAN_bus_apply, loop_elapsed_ns(inbox->turns->loop) - work->internal_added_ns);
    free(piece->refused);
    event_release(piece->event);
    if (--inbox->outstanding == 0 && inbox->joined && outcome == OUTCOME_DONE)
        bus_ready(bus, &inbox->bus_reader);
}

/* --- the bus's side --- */

static uint64_t on_position(void *context, const struct topic *topic, unsigned partition)
{
    const struct inbox_partition *there = inbox_partition_of(context, topic, partition);

    return there != NULL ? there->durable : 0;
}

static void on_records(void *context, const struct bus_message *messages, unsigned count)
{
    struct inbox *inbox = context;

    if (count > inbox->room) {
        inbox->pieces = need_more_memory(inbox->pieces, count * sizeof *inbox->pieces);
        inbox->room = count;
    }
    buffer_clear(&inbox->values);
    inbox->outstanding = count;
    for (unsigned i = 0; i < count; i++) {
        const struct bus_message *message = &messages[i];
        struct piece *piece = &inbox->pieces[i];

        *piece = (struct piece){
            .work = {.load = load, .apply = apply, .done = done, .persist = true},
            .inbox = inbox,
            .partition = inbox_partition_of(inbox, message->topic, message->partition),
            .position = message->position,
            .key = message->key,
            .event = message->event != NULL ? event_hold(message->event) : NULL,
            .value = inbox->values.length,
            .length = message->length,
        };
        piece->epoch = piece->partition->epoch;
        buffer_add(&inbox->values, message->value, message->length);
        turns_add(inbox->turns, &piece->work);
    }
}

static void stop_now(struct inbox *inbox, struct inbox_partition *partition,
                     const struct error *why)
{
    partition->stopped = true;
    partition->why = *why;
    turns_alert(inbox->turns, why);
}

static void on_failed(void *context, const struct topic *topic, unsigned partition,
                      const struct error *err)
{
    struct inbox_partition *there = inbox_partition_of(context, topic, partition);

    if (there == NULL) return;
    there->fails = true;
    there->failure = *err;
    inbox_settle(context, there);
}

/* --- turns --- */

enum outcome inboxes_load(struct inbox *inbox, struct error *err)
{
    for (; inbox != NULL; inbox = inbox->next)
        if (inbox_load(inbox, err) != OUTCOME_DONE) return err->outcome;
    return OUTCOME_DONE;
}

enum outcome inboxes_write(struct inbox *inbox, struct error *err)
{
    for (; inbox != NULL; inbox = inbox->next)
        if (inbox_write(inbox, err) != OUTCOME_DONE) return err->outcome;
    return OUTCOME_DONE;
}

void inbox_seek(struct inbox *inbox, struct inbox_partition *partition)
{
    struct bus *bus = inbox->turns->bus;
    uint64_t position = partition->durable, oldest = 0, newest = 0;
    struct error err = {0};

    partition->seeks = false;
    partition->epoch++;
    if (!inbox->joined) return;
    if (position == 0) { /* nothing was applied: what there is */
        if (bus_range(bus, partition->topic, partition->index, &oldest, &newest, &err) ==
                OUTCOME_DONE &&
            newest == 0)
            return;
        if (oldest > 0) position = oldest - 1;
    }
    if (bus_seek(bus, &inbox->bus_reader, partition->topic, partition->index, position, &err) !=
        OUTCOME_DONE)
        stop_now(inbox, partition, &err);
}

void inbox_settle(struct inbox *inbox, struct inbox_partition *partition)
{
    if (inbox->turns->working) return;
    if (partition->fails) {
        partition->gap = false;
        stop_now(inbox, partition, &partition->failure);
    }
    if (partition->resumes && partition->stopped) {
        partition->stopped = false;
        partition->forgives = partition->gap;
        inbox_seek(inbox, partition); /* what came meanwhile was passed over */
    }
    partition->fails = partition->resumes = false;
}

static void end_partition(struct inbox *inbox, struct inbox_partition *partition, bool committed)
{
    if (committed && partition->touched) {
        partition->durable = partition->position;
        partition->known = true;
    }
    if (committed && partition->forgiven) partition->forgives = false;
    if (committed && partition->stops) stop_now(inbox, partition, &partition->why);
    partition->touched = partition->forgiven = partition->stops = false;
    if (committed && partition->seeks) inbox_seek(inbox, partition);
    inbox_settle(inbox, partition);
}

void inboxes_end(struct inbox *inbox, bool committed)
{
    for (; inbox != NULL; inbox = inbox->next)
        for (unsigned i = 0; i < inbox->partition_count; i++)
            end_partition(inbox, &inbox->partitions[i], committed);
}

void inboxes_leave(struct inbox *inbox)
{
    for (; inbox != NULL; inbox = inbox->next) {
        struct bus *bus = inbox->turns->bus;

        if (inbox->joined) bus_leave(bus, &inbox->bus_reader);
        inbox->joined = false;
    }
}

bool inboxes_ready(const struct inbox *inbox, struct error *err)
{
    for (; inbox != NULL; inbox = inbox->next) {
        for (unsigned i = 0; i < inbox->partition_count; i++) {
            if (!inbox->partitions[i].stopped) continue;
            *err = inbox->partitions[i].why;
            return false;
        }
    }
    return true;
}

void inboxes_state(const struct inbox *inbox, struct turns_state *out)
{
    for (; inbox != NULL; inbox = inbox->next) {
        struct bus *bus = inbox->turns->bus;

        if (inbox->joined) out->lag += bus_lag(bus, &inbox->bus_reader);
        for (unsigned i = 0; i < inbox->partition_count; i++)
            out->stopped += inbox->partitions[i].stopped;
    }
}

/* --- joining --- */

static void free_inbox(struct inbox *inbox)
{
    for (unsigned i = 0; i < inbox->partition_count; i++) free(inbox->partitions[i].sources);
    free(inbox->partitions);
    free(inbox->pieces);
    buffer_done(&inbox->values);
    free(inbox);
}

void inboxes_free(struct inbox *inbox)
{
    while (inbox != NULL) {
        struct inbox *next = inbox->next;

        free_inbox(inbox);
        inbox = next;
    }
}

static void add_topic(struct inbox *inbox, const struct topic *topic)
{
    unsigned count = 0;

    for (; inbox->topics[count] != NULL; count++)
        if (inbox->topics[count] == topic) return;
    inbox->topics[count] = topic;
    inbox->partitions =
        need_more_memory(inbox->partitions,
                         (inbox->partition_count + topic->partitions) * sizeof *inbox->partitions);
    for (unsigned i = 0; i < topic->partitions; i++)
        inbox->partitions[inbox->partition_count++] =
            (struct inbox_partition){.topic = topic, .index = i};
}

static enum outcome add_topics(struct inbox *inbox, struct error *err)
{
    for (const struct consume *row = inbox->consumes; row->apply != NULL; row++) {
        const struct event_type *type = event_type_find(row->type, row->major);

        if (type == NULL)
            return error_set(err, REASON_INTERNAL, "cannot consume %s: there is no such event",
                             row->type);
        add_topic(inbox, type->topic);
    }
    return OUTCOME_DONE;
}

/* How far it is, in a transaction of its own; where it begins in partitions that are new. */
static enum outcome find_place(struct inbox *inbox, struct error *err)
{
    struct bus *bus = inbox->turns->bus;

    if (store_begin(inbox->turns->store, err) != OUTCOME_DONE) return err->outcome;
    if (inbox_load(inbox, err) != OUTCOME_DONE) {
        store_rollback(inbox->turns->store);
        return err->outcome;
    }
    if (store_commit(inbox->turns->store, err) != OUTCOME_DONE) return err->outcome;
    for (unsigned i = 0; i < inbox->partition_count; i++) {
        struct inbox_partition *partition = &inbox->partitions[i];
        uint64_t oldest, newest;

        if (partition->known) continue;
        if (bus_range(bus, partition->topic, partition->index, &oldest, &newest, err) !=
            OUTCOME_DONE)
            return err->outcome;
        partition->whole = newest == 0;
    }
    return OUTCOME_DONE;
}

enum outcome turns_consume(struct turns *turns, const char *group, const struct consume *consumes,
                           struct error *err)
{
    struct inbox *inbox = need_memory(sizeof *inbox);

    inbox->turns = turns;
    inbox->consumes = consumes;
    snprintf(inbox->reader, sizeof inbox->reader, "%s", group);
    inbox->bus_reader = (struct bus_reader){
        .group = inbox->reader,
        .topics = inbox->topics,
        .position = on_position,
        .records = on_records,
        .failed = on_failed,
        .context = inbox,
    };
    if (add_topics(inbox, err) != OUTCOME_DONE || find_place(inbox, err) != OUTCOME_DONE ||
        bus_join(turns->bus, &inbox->bus_reader, err) != OUTCOME_DONE) {
        free_inbox(inbox);
        return err->outcome;
    }
    inbox->joined = true;
    inbox->next = turns->inboxes;
    turns->inboxes = inbox;
    return OUTCOME_DONE;
}
