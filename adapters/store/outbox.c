/* The outbox on the turn's side: what pieces add, what a turn writes. */
#include "store/outbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static const struct store_statement insert_row = {
    "store events",
    "INSERT INTO outbox (lane, number, written, count, events) VALUES ($1, $2, $3, $4, $5)"};
static const struct store_statement delete_rows = {
    "delete events that were sent", "DELETE FROM outbox WHERE lane = $1 AND number <= $2"};
static const struct store_statement upsert_lane = {
    "store how far a lane is",
    "INSERT INTO outbox_lanes (lane, number, sequence, tails) VALUES ($1, $2, $3, $4)"
    " ON CONFLICT (lane) DO UPDATE SET number = excluded.number, sequence = excluded.sequence,"
    " tails = excluded.tails"};
static const struct store_statement upsert_incarnation = {
    "store the outbox's incarnation",
    "INSERT INTO outbox_incarnation (one, incarnation) VALUES (1, $1)"
    " ON CONFLICT (one) DO UPDATE SET incarnation = excluded.incarnation"};

/* --- what pieces add --- */

unsigned outbox_mark(const struct outbox *outbox) { return outbox->added_count; }

void outbox_cut(struct outbox *outbox, unsigned mark)
{
    if (mark < outbox->added_count) outbox->bodies.length = outbox->added[mark].at;
    while (outbox->added_count > mark) event_release(outbox->added[--outbox->added_count].event);
}

static void copy_text(const char *text, char *out, size_t size)
{
    if (text != NULL) snprintf(out, size, "%s", text);
}

enum outcome turn_event(struct turn *turn, const struct turn_event *event, struct error *err)
{
    struct outbox *outbox = turn->turns->outbox;
    struct envelope envelope = {
        .id = turn_id(turn),
        .major = event->type->major,
        .subject = event->key,
        .time_ns = event->time_ns,
        .live = event->live,
        .entity_version = event->entity_version,
        .correlation = event->correlation,
        .causation = event->causation,
        .ledger_sequence = event->ledger_sequence,
    };
    size_t at = outbox->bodies.length;

    (void)err;
    copy_text(event->type->name, envelope.type, sizeof envelope.type);
    copy_text(event->tenant, envelope.tenant, sizeof envelope.tenant);
    copy_text(event->traceparent, envelope.traceparent, sizeof envelope.traceparent);
    if (outbox->added_count == outbox->added_room) {
        outbox->added_room = outbox->added_room > 0 ? 2 * outbox->added_room : 64;
        outbox->added = need_more_memory(outbox->added, outbox->added_room * sizeof *outbox->added);
    }
    envelope_print_body(&envelope, event->type, event->data, &outbox->bodies);
    outbox->added[outbox->added_count++] = (struct outbox_added){
        .lane = (unsigned)(XXH3_64bits(event->key.bytes, sizeof event->key.bytes) % OUTBOX_LANES),
        .event = event_make(&envelope, event->type, event->data),
        .at = at,
        .length = outbox->bodies.length - at,
    };
    return OUTCOME_DONE;
}

/* --- what a turn writes --- */

void outbox_start(struct outbox *outbox)
{
    outbox->step_count = 0;
    outbox->redraws = outbox->redraw;
    if (outbox->reading_waits) outbox_start_reading(outbox);
    for (unsigned i = 0; i < OUTBOX_LANES; i++) {
        struct lane *lane = &outbox->lanes[i];
        struct lane_step *step = &outbox->steps[outbox->step_count];

        if (lane->confirmed == lane->deleted && !outbox->redraws) continue;
        step->lane = i;
        step->number = lane->confirmed;
        step->sequence = lane->sequence_confirmed;
        buffer_clear(&step->tails);
        relay_print_tails(lane, &step->tails);
        outbox->step_count++;
    }
}

static enum outcome write_incarnation(struct outbox *outbox, struct error *err)
{
    struct store_value bytes = store_bytes(outbox->incarnation, sizeof outbox->incarnation);

    return store_exec(outbox->turns->store, &upsert_incarnation, &bytes, 1, 1, err);
}

static enum outcome write_step(struct store *store, const struct lane_step *step, struct error *err)
{
    struct store_value arguments[] = {store_integer(step->lane), store_integer(step->number),
                                      store_integer((int64_t)step->sequence),
                                      store_text(buffer_str(&step->tails))};

    if (store_exec(store, &upsert_lane, arguments, 4, 1, err) != OUTCOME_DONE) return err->outcome;
    return store_exec(store, &delete_rows, arguments, 2, -1, err);
}

/* Makes a row of what was added to a lane. */
static struct outbox_row *make_row(struct outbox *outbox, unsigned lane, uint64_t now_ns)
{
    struct buffer bytes = {0};
    struct outbox_row *row;
    unsigned count = 0;

    for (unsigned i = 0; i < outbox->added_count; i++) {
        const struct event *event = outbox->added[i].event;

        if (outbox->added[i].lane != lane) continue;
        outbox_row_add(&bytes, event->type->topic, event->envelope.subject,
                       outbox->bodies.bytes + outbox->added[i].at, outbox->added[i].length);
        count++;
    }
    if (count == 0) return NULL;
    row = outbox_row_make(bytes.bytes, bytes.length, count);
    for (unsigned i = 0, at = 0; i < outbox->added_count; i++) {
        if (outbox->added[i].lane != lane) continue;
        row->events[at++].event = outbox->added[i].event;
        row->memory += sizeof(struct event) + outbox->added[i].event->type->size;
        outbox->added[i].event = NULL;
    }
    row->lane = &outbox->lanes[lane];
    row->number = ++outbox->newest[lane];
    row->written_ns = now_ns;
    row->next = outbox->written;
    outbox->written = row;
    return row;
}

static enum outcome write_row(struct store *store, const struct outbox_row *row, struct error *err)
{
    struct store_value arguments[] = {store_integer(row->lane->index), store_integer(row->number),
                                      store_integer((int64_t)row->written_ns),
                                      store_integer(row->count),
                                      store_bytes(row->bytes, row->size)};

    return store_exec(store, &insert_row, arguments, 5, 1, err);
}

enum outcome outbox_write(struct outbox *outbox, struct turn *turn, struct error *err)
{
    struct store *store = turn->turns->store;

    if (outbox->redraws && write_incarnation(outbox, err) != OUTCOME_DONE) return err->outcome;
    for (unsigned i = 0; i < outbox->step_count; i++)
        if (write_step(store, &outbox->steps[i], err) != OUTCOME_DONE) return err->outcome;
    for (unsigned i = 0; i < OUTBOX_LANES && outbox->added_count > 0; i++) {
        struct outbox_row *row = make_row(outbox, i, turn->now_ns);

        if (row != NULL && write_row(store, row, err) != OUTCOME_DONE) return err->outcome;
    }
    return OUTCOME_DONE;
}

/* What the turn wrote holds. */
static void hold(struct outbox *outbox)
{
    for (unsigned i = 0; i < outbox->step_count; i++)
        outbox->lanes[outbox->steps[i].lane].deleted = outbox->steps[i].number;
    for (unsigned i = 0; i < OUTBOX_LANES; i++) outbox->lanes[i].newest = outbox->newest[i];
    if (!outbox->redraws) return;
    outbox->redraw = false;
    outbox->open = true;
}

void outbox_end(struct outbox *outbox, bool committed)
{
    struct outbox_row *row = outbox->written;

    outbox_cut(outbox, 0);
    buffer_clear(&outbox->bodies);
    outbox->written = NULL;
    while (row != NULL) {
        struct outbox_row *next = row->next;

        if (committed)
            relay_take(outbox, row);
        else
            outbox_row_free(row);
        row = next;
    }
    if (committed) hold(outbox);
    relay_send_all(outbox);
}

/* --- opening and closing --- */

struct outbox *outbox_make(struct turns *turns, const char *source)
{
    struct outbox *outbox = need_memory(sizeof *outbox);

    outbox->turns = turns;
    copy_text(source[0] == '/' ? source + 1 : source, outbox->service, sizeof outbox->service);
    for (unsigned i = 0; i < OUTBOX_LANES; i++) {
        outbox->lanes[i].outbox = outbox;
        outbox->lanes[i].index = i;
    }
    relay_set_up(outbox);
    outbox->check = outbox_check_make(outbox);
    return outbox;
}

enum outcome outbox_open(struct outbox *outbox, struct error *err)
{
    bool drawn = false;

    if (outbox_load_start(outbox, &drawn, err) != OUTCOME_DONE) return err->outcome;
    if (!drawn) {
        loop_random(outbox->turns->loop, outbox->incarnation, sizeof outbox->incarnation);
        if (write_incarnation(outbox, err) != OUTCOME_DONE) return err->outcome;
    }
    relay_name_sources(outbox);
    return OUTCOME_DONE;
}

void outbox_begin(struct outbox *outbox)
{
    if (outbox->turns->bus != NULL) outbox_check_start(outbox->check);
}

bool outbox_empty(const struct outbox *outbox)
{
    for (unsigned i = 0; i < OUTBOX_LANES; i++)
        if (outbox->lanes[i].deleted != outbox->lanes[i].newest) return false;
    return true;
}

bool outbox_busy(const struct outbox *outbox) { return outbox->at_bus > 0; }

void outbox_state(const struct outbox *outbox, struct turns_state *out)
{
    for (unsigned i = 0; i < OUTBOX_LANES; i++) {
        const struct lane *lane = &outbox->lanes[i];

        out->outbox_rows += (uint64_t)(lane->newest - lane->deleted);
        if (lane->first != NULL &&
            (out->outbox_oldest_ns == 0 || lane->first->written_ns < out->outbox_oldest_ns))
            out->outbox_oldest_ns = lane->first->written_ns;
    }
}

void outbox_stop(struct outbox *outbox)
{
    loop_timer_cancel(outbox->turns->loop, &outbox->retry);
    outbox_check_stop(outbox->check);
}

void outbox_free(struct outbox *outbox)
{
    outbox_check_free(outbox->check);
    outbox_load_free(outbox);
    relay_free(outbox);
    outbox_cut(outbox, 0);
    free(outbox->added);
    buffer_done(&outbox->bodies);
    for (unsigned i = 0; i < OUTBOX_LANES; i++) buffer_done(&outbox->steps[i].tails);
    free(outbox);
}
