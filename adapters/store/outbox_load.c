/* The outbox read from the database: at the start, after a turn that failed, and rows that did not
 * stay in memory. */
#include "store/outbox.h"

#include <stdlib.h>
#include <string.h>

static const struct store_statement select_incarnation = {
    "read the outbox's incarnation", "SELECT incarnation FROM outbox_incarnation"};
static const struct store_statement select_lanes = {
    "read how far the lanes are", "SELECT lane, number, sequence, tails FROM outbox_lanes"};
static const struct store_statement select_waiting = {
    "read which events wait",
    "SELECT lane, MAX(number), CAST(SUM(count) AS BIGINT) FROM outbox GROUP BY lane"};
static const struct store_statement select_rows = {
    "read events back", "SELECT number, written, count, events FROM outbox"
                        " WHERE lane = $1 AND number > $2 ORDER BY number LIMIT $3"};

/* --- numbers, at the start and after a turn that failed --- */

static unsigned lane_of(const struct store_row *row)
{
    int64_t lane = store_read_integer(row, 0);

    return lane >= 0 && lane < OUTBOX_LANES ? (unsigned)lane : OUTBOX_LANES;
}

static void on_number(void *context, const struct store_row *row)
{
    int64_t *newest = context, number = store_read_integer(row, 1);
    unsigned lane = lane_of(row);

    if (lane < OUTBOX_LANES && number > newest[lane]) newest[lane] = number;
}

enum outcome outbox_load(struct outbox *outbox, struct error *err)
{
    struct store *store = outbox->turns->store;

    memset(outbox->newest, 0, sizeof outbox->newest);
    if (store_query(store, &select_lanes, NULL, 0, on_number, outbox->newest, err) != OUTCOME_DONE)
        return err->outcome;
    return store_query(store, &select_waiting, NULL, 0, on_number, outbox->newest, err);
}

/* --- the lanes, at the start --- */

struct start {
    struct outbox *outbox;
    bool drawn, damaged;
};

static void on_incarnation(void *context, const struct store_row *row)
{
    struct start *start = context;
    struct uuid incarnation = store_read_uuid(row, 0);

    start->drawn = true;
    memcpy(start->outbox->incarnation, incarnation.bytes, sizeof incarnation.bytes);
}

static void on_lane(void *context, const struct store_row *row)
{
    struct start *start = context;
    struct lane *lane;

    if (lane_of(row) == OUTBOX_LANES || row->count < 4) {
        start->damaged = true;
        return;
    }
    lane = &start->outbox->lanes[lane_of(row)];
    lane->confirmed = lane->deleted = lane->loaded = store_read_integer(row, 1);
    lane->sequence_confirmed = (uint64_t)store_read_integer(row, 2);
    if (!relay_read_tails(lane, row->values[3].bytes, row->values[3].length)) start->damaged = true;
    relay_rewind(lane);
}

static void on_waiting(void *context, const struct store_row *row)
{
    struct outbox *outbox = ((struct start *)context)->outbox;

    if (lane_of(row) < OUTBOX_LANES)
        outbox->waiting_at_start[lane_of(row)] = (uint64_t)store_read_integer(row, 2);
}

enum outcome outbox_load_start(struct outbox *outbox, bool *drawn, struct error *err)
{
    struct store *store = outbox->turns->store;
    struct start start = {.outbox = outbox};

    if (store_query(store, &select_incarnation, NULL, 0, on_incarnation, &start, err) !=
            OUTCOME_DONE ||
        store_query(store, &select_lanes, NULL, 0, on_lane, &start, err) != OUTCOME_DONE ||
        store_query(store, &select_waiting, NULL, 0, on_waiting, &start, err) != OUTCOME_DONE ||
        outbox_load(outbox, err) != OUTCOME_DONE || store_sync(store, err) != OUTCOME_DONE)
        return err->outcome;
    if (start.damaged)
        return error_set(err, REASON_CORRUPT, "cannot understand how far the outbox is");
    for (unsigned i = 0; i < OUTBOX_LANES; i++) outbox->lanes[i].newest = outbox->newest[i];
    *drawn = start.drawn;
    return OUTCOME_DONE;
}

/* --- reading rows back --- */

static void on_row(void *context, const struct store_row *values)
{
    struct lane_read *read = context;
    const struct store_value *events = &values->values[3];
    struct outbox_row *row;
    char *bytes;

    if (read->bytes >= OUTBOX_READ_BYTES || read->damaged) return;
    bytes = need_memory(events->length);
    if (events->length > 0) memcpy(bytes, events->bytes, events->length);
    row = outbox_row_make(bytes, events->length, (unsigned)store_read_integer(values, 2));
    if (row == NULL) {
        read->damaged = true;
        return;
    }
    row->lane = read->lane;
    row->number = store_read_integer(values, 0);
    row->written_ns = (uint64_t)store_read_integer(values, 1);
    if (read->last != NULL)
        read->last->next = row;
    else
        read->first = row;
    read->last = row;
    read->bytes += row->size;
}

static struct outbox *of_reading(struct work *work)
{
    return (struct outbox *)((char *)work - offsetof(struct outbox, reading));
}

static void free_rows(struct lane_read *read)
{
    while (read->first != NULL) {
        struct outbox_row *next = read->first->next;

        outbox_row_free(read->first);
        read->first = next;
    }
    read->last = NULL;
}

static enum outcome reading_load(struct work *work, struct turn *turn, struct error *err)
{
    struct outbox *outbox = of_reading(work);

    for (unsigned i = 0; i < OUTBOX_LANES; i++) {
        struct lane_read *read = &outbox->reads[i];
        struct store_value arguments[] = {store_integer(i), store_integer(read->after),
                                          store_integer(OUTBOX_READ_ROWS)};

        free_rows(read); /* of a turn that failed */
        if (!read->taken) continue;
        read->bytes = 0;
        if (store_query(turn_store(turn), &select_rows, arguments, 3, on_row, read, err) !=
            OUTCOME_DONE)
            return err->outcome;
    }
    return OUTCOME_DONE;
}

static enum outcome reading_apply(struct work *work, struct turn *turn, struct error *err)
{
    struct outbox *outbox = of_reading(work);

    (void)turn;
    for (unsigned i = 0; i < OUTBOX_LANES; i++) {
        const struct lane_read *read = &outbox->reads[i];

        if (read->damaged)
            return error_set(err, REASON_CORRUPT, "cannot understand a row of the outbox");
        if (read->taken && read->first == NULL)
            return error_set(err, REASON_CORRUPT, "cannot find the rows of the outbox's lane %u",
                             i);
    }
    return OUTCOME_DONE;
}

static void reading_done(struct work *work, enum outcome outcome, const struct error *err)
{
    struct outbox *outbox = of_reading(work);

    (void)err;
    outbox->reading_waits = false;
    for (unsigned i = 0; i < OUTBOX_LANES; i++) {
        struct lane_read *read = &outbox->reads[i];

        if (!read->taken) continue;
        read->taken = read->asked = false;
        if (outcome == OUTCOME_DONE) relay_take_read(read);
        free_rows(read);
    }
    if (outcome == OUTCOME_DONE) relay_send_all(outbox); /* which reads on */
}

void outbox_read(struct lane *lane)
{
    struct outbox *outbox = lane->outbox;

    outbox->reads[lane->index].asked = true;
    if (outbox->reading_waits) return;
    outbox->reading_waits = true;
    outbox->reading = (struct work){
        .load = reading_load,
        .apply = reading_apply,
        .done = reading_done,
        .persist = true,
    };
    turns_add(outbox->turns, &outbox->reading);
}

void outbox_start_reading(struct outbox *outbox)
{
    for (unsigned i = 0; i < OUTBOX_LANES; i++) {
        struct lane_read *read = &outbox->reads[i];

        read->taken = read->asked;
        read->lane = &outbox->lanes[i];
        read->after = read->lane->loaded;
    }
}

void outbox_load_free(struct outbox *outbox)
{
    for (unsigned i = 0; i < OUTBOX_LANES; i++) free_rows(&outbox->reads[i]);
}
