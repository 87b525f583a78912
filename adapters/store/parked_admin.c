/* What an operator does to parked events. Each request is an object of its own that lives until it
 * was answered. */
#include "store/inbox.h"
#include "store/parked_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS "number, reader, topic, partition, position, key, parked_at, reason, message, value"

static const struct store_statement select_behind = {
    "list parked events",
    "SELECT " COLUMNS " FROM parked WHERE number > $1 ORDER BY number LIMIT $2"};
static const struct store_statement select_key = {
    "read the parked events of a key",
    "SELECT " COLUMNS " FROM parked WHERE reader = $1 AND topic = $2 AND key = $3"
    " ORDER BY number LIMIT $4"};

/* --- rows into memory --- */

struct rows {
    unsigned count;
    struct parked_event events[PARKED_LIST_MAX];
};

static void clear(struct rows *rows)
{
    for (unsigned i = 0; i < rows->count; i++) free((char *)rows->events[i].value);
    rows->count = 0;
}

static void on_row(void *context, const struct store_row *row)
{
    struct rows *rows = context;
    struct parked_event *event = &rows->events[rows->count];
    const struct store_value *value = &row->values[9];
    char *bytes;

    if (rows->count == PARKED_LIST_MAX) return;
    rows->count++;
    *event = (struct parked_event){
        .number = store_read_integer(row, 0),
        .partition = (unsigned)store_read_integer(row, 3),
        .position = (uint64_t)store_read_integer(row, 4),
        .key = store_read_uuid(row, 5),
        .parked_ns = (uint64_t)store_read_integer(row, 6),
        .length = value->length,
    };
    store_read_text(row, 1, event->reader, sizeof event->reader);
    store_read_text(row, 2, event->topic, sizeof event->topic);
    store_read_text(row, 7, event->reason, sizeof event->reason);
    store_read_text(row, 8, event->message, sizeof event->message);
    event->value = bytes = need_memory(value->length + 1);
    if (value->length > 0) memcpy(bytes, value->bytes, value->length);
}

static enum outcome read_behind(struct store *store, int64_t after, unsigned limit,
                                struct rows *rows, struct error *err)
{
    struct store_value arguments[] = {store_integer(after), store_integer(limit)};

    clear(rows); /* of a turn that failed */
    return store_query(store, &select_behind, arguments, 2, on_row, rows, err);
}

static enum outcome there_is_none(int64_t number, struct error *err)
{
    return error_set(err, REASON_NOT_FOUND, "no parked event has the number %lld",
                     (long long)number);
}

/* --- listing --- */

struct list {
    struct work work;
    int64_t after;
    unsigned limit;
    void (*done)(void *context, const struct parked_event *events, unsigned count,
                 const struct error *err);
    void *context;
    struct rows rows;
};

static enum outcome list_load(struct work *work, struct turn *turn, struct error *err)
{
    struct list *list = (struct list *)work;

    return read_behind(turn_store(turn), list->after, list->limit, &list->rows, err);
}

static void list_done(struct work *work, enum outcome outcome, const struct error *err)
{
    struct list *list = (struct list *)work;
    bool read = outcome == OUTCOME_DONE;

    list->done(list->context, list->rows.events, read ? list->rows.count : 0, read ? NULL : err);
    clear(&list->rows);
    free(list);
}

void parked_list(struct turns *turns, int64_t after, unsigned limit,
                 void (*done)(void *context, const struct parked_event *events, unsigned count,
                              const struct error *err),
                 void *context)
{
    struct list *list = need_memory(sizeof *list);

    *list = (struct list){
        .work = {.load = list_load, .done = list_done},
        .after = after,
        .limit = limit < PARKED_LIST_MAX ? limit : PARKED_LIST_MAX,
        .done = done,
        .context = context,
    };
    turns_add(turns, &list->work);
}

/* --- dropping --- */

struct drop {
    struct work work;
    struct turns *turns;
    int64_t number;
    void (*done)(void *context, unsigned waiting, const struct error *err);
    void *context;
    struct rows rows;
};

static enum outcome drop_load(struct work *work, struct turn *turn, struct error *err)
{
    struct drop *drop = (struct drop *)work;

    return read_behind(turn_store(turn), drop->number - 1, 1, &drop->rows, err);
}

static enum outcome drop_apply(struct work *work, struct turn *turn, struct error *err)
{
    struct drop *drop = (struct drop *)work;

    (void)turn;
    if (drop->rows.count == 0 || drop->rows.events[0].number != drop->number)
        return there_is_none(drop->number, err);
    parked_remove(drop->turns->parked, &drop->rows.events[0]);
    return OUTCOME_DONE;
}

static void drop_done(struct work *work, enum outcome outcome, const struct error *err)
{
    struct drop *drop = (struct drop *)work;

    if (outcome == OUTCOME_DONE)
        drop->done(drop->context, parked_waiting(drop->turns->parked, &drop->rows.events[0]), NULL);
    else
        drop->done(drop->context, 0, err);
    clear(&drop->rows);
    free(drop);
}

void parked_drop(struct turns *turns, int64_t number,
                 void (*done)(void *context, unsigned waiting, const struct error *err),
                 void *context)
{
    struct drop *drop = need_memory(sizeof *drop);

    *drop = (struct drop){
        .work = {.load = drop_load, .apply = drop_apply, .done = drop_done},
        .turns = turns,
        .number = number,
        .done = done,
        .context = context,
    };
    turns_add(turns, &drop->work);
}

/* --- replay: reads the oldest of the key, applies it, reads again --- */

struct replay {
    struct work work;
    struct turns *turns;
    int64_t number;
    bool key_known;
    struct parked_event key; /* one of the same reader, topic and key */
    struct rows rows;        /* the one that is next */
    struct event *event;
    const struct consume *consume;
    struct parked_replayed replayed;
    void (*done)(void *context, const struct parked_replayed *replayed, const struct error *err);
    void *context;
};

static void read_next(struct replay *replay);

static void answer(struct replay *replay, const struct error *err)
{
    struct parked_replayed *replayed = &replay->replayed;

    if (replay->key_known) replayed->waiting = parked_waiting(replay->turns->parked, &replay->key);
    if (err != NULL && replay->key_known && replay->rows.count > 0)
        replayed->refused = replay->rows.events[0].number;
    replay->done(replay->context, replayed, err);
    event_release(replay->event);
    clear(&replay->rows);
    free(replay);
}

static enum outcome apply_load(struct work *work, struct turn *turn, struct error *err)
{
    struct replay *replay = (struct replay *)work;
    struct consumed consumed;

    if (replay->consume->load == NULL) return OUTCOME_DONE;
    inbox_consumed(replay->event, &consumed);
    return replay->consume->load(replay->turns->service, turn, &consumed, err);
}

static enum outcome apply_apply(struct work *work, struct turn *turn, struct error *err)
{
    struct replay *replay = (struct replay *)work;
    struct consumed consumed;

    inbox_consumed(replay->event, &consumed);
    if (replay->consume->apply(replay->turns->service, turn, &consumed, err) != OUTCOME_DONE)
        return err->outcome;
    parked_remove(replay->turns->parked, &replay->rows.events[0]);
    return OUTCOME_DONE;
}

static void apply_done(struct work *work, enum outcome outcome, const struct error *err)
{
    struct replay *replay = (struct replay *)work;

    if (outcome != OUTCOME_DONE) {
        answer(replay, err);
        return;
    }
    if (replay->replayed.applied++ == 0) replay->replayed.first = replay->rows.events[0].number;
    replay->replayed.last = replay->rows.events[0].number;
    clear(&replay->rows);
    read_next(replay);
}

/* Parses the event that was read and finds who applies it. */
static enum outcome understand(struct replay *replay, struct error *err)
{
    const struct parked_event *parked = &replay->rows.events[0];
    struct inbox *inbox = replay->turns->inboxes;

    event_release(replay->event);
    replay->event = NULL;
    if (event_parse(parked->value, parked->length, &replay->event, err) != OUTCOME_DONE)
        return err->outcome;
    while (inbox != NULL && strcmp(inbox->reader, parked->reader) != 0) inbox = inbox->next;
    *err = (struct error){0};
    replay->consume = inbox != NULL ? inbox_consume(inbox, replay->event, err) : NULL;
    if (replay->consume == NULL && err->reason == REASON_NONE)
        error_set(err, REASON_NOT_FOUND, "cannot apply %s: nothing reads it as %s",
                  replay->event->envelope.type, parked->reader);
    return replay->consume != NULL ? OUTCOME_DONE : err->outcome;
}

static enum outcome read_load(struct work *work, struct turn *turn, struct error *err)
{
    struct replay *replay = (struct replay *)work;
    struct store_value key[] = {
        store_text(replay->key.reader),
        store_text(replay->key.topic),
        store_bytes(replay->key.key.bytes, sizeof replay->key.key.bytes),
        store_integer(1),
    };

    if (!replay->key_known)
        return read_behind(turn_store(turn), replay->number - 1, 1, &replay->rows, err);
    clear(&replay->rows);
    return store_query(turn_store(turn), &select_key, key, 4, on_row, &replay->rows, err);
}

static void read_done(struct work *work, enum outcome outcome, const struct error *err)
{
    struct replay *replay = (struct replay *)work;
    bool found = outcome == OUTCOME_DONE && replay->rows.count > 0;
    struct error own = {0};

    if (outcome != OUTCOME_DONE) {
        answer(replay, err);
    } else if (!replay->key_known) {
        if (!found || replay->rows.events[0].number != replay->number) {
            there_is_none(replay->number, &own);
            answer(replay, &own);
            return;
        }
        replay->key = replay->rows.events[0];
        replay->key_known = true;
        read_next(replay); /* the oldest of the key comes first */
    } else if (!found) {
        answer(replay, NULL);
    } else if (understand(replay, &own) != OUTCOME_DONE) {
        answer(replay, &own);
    } else {
        replay->work = (struct work){.load = apply_load, .apply = apply_apply, .done = apply_done};
        turns_add(replay->turns, &replay->work);
    }
}

static void read_next(struct replay *replay)
{
    replay->work = (struct work){.load = read_load, .done = read_done};
    turns_add(replay->turns, &replay->work);
}

void parked_replay(struct turns *turns, int64_t number,
                   void (*done)(void *context, const struct parked_replayed *replayed,
                                const struct error *err),
                   void *context)
{
    struct replay *replay = need_memory(sizeof *replay);

    replay->turns = turns;
    replay->number = number;
    replay->done = done;
    replay->context = context;
    read_next(replay);
}
