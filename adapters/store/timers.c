/*
 * Timers: rows (kind, key, due), of which only the earliest due is known in memory.
 *
 * When it is due a piece of work reads the rows that are and tells them; a place in the order of
 * the instants says how far that has come. A minute after, it goes back to the start: so one whose
 * piece of work was lost is told again, without anybody keeping a list. Nothing of this is written:
 * after a crash all that is due is told at once.
 */
#include "store/turn_internal.h"

#include <stdlib.h>
#include <string.h>

enum { FOUND_MAX = 256 };

static const uint64_t pause_ns = UINT64_C(60000000000);
static const uint64_t sleep_max_ns = UINT64_C(60000000000); /* the wall clock may be set */

static const struct store_statement upsert = {
    "set a timer", "INSERT INTO timers (kind, key, due) VALUES ($1, $2, $3)"
                   " ON CONFLICT (kind, key) DO UPDATE SET due = excluded.due"};
static const struct store_statement delete = {"clear a timer",
                                              "DELETE FROM timers WHERE kind = $1 AND key = $2"};
static const struct store_statement select_due = {
    "read the timers that are due",
    "SELECT kind, key, due FROM timers WHERE due <= $1 AND (due, kind, key) > ($2, $3, $4)"
    " ORDER BY due, kind, key LIMIT $5"};
static const struct store_statement select_next = {"read when the next timer is due",
                                                   "SELECT MIN(due) FROM timers WHERE due > $1"};

/* What is to become of one timer. */
struct change {
    unsigned kind;
    struct uuid key;
    uint64_t due_ns; /* 0 = cleared */
};

struct timers {
    struct turns *turns;
    void (*due)(void *service, unsigned kind, struct uuid key);
    struct loop_timer wake;
    uint64_t next_ns;   /* none is due before that was not told; UINT64_MAX: there is none */
    struct change told; /* those up to it were told, in the order of due, kind, key */
    uint64_t again_ns;  /* when it begins anew; UINT64_MAX: nothing was told since it did */

    struct change *changes; /* of this turn, in order; the last of a timer counts */
    unsigned count, room;
    const struct change **places; /* hash table of write(), by kind and key */
    unsigned places_room;

    struct work look; /* reads what is due */
    bool looking;     /* it waits in the queue */
    bool looked;      /* it is in this turn, */
    bool anew;        /* and begins anew */
    struct change found[FOUND_MAX];
    unsigned found_count;
    unsigned read_count;    /* with those that aren't told after all */
    struct change last;     /* of these */
    uint64_t found_next_ns; /* when the first that is not due yet will be */
};

/* --- the pieces' side --- */

static void add(struct timers *timers, unsigned kind, struct uuid key, uint64_t due_ns)
{
    if (timers->count == timers->room) {
        timers->room = timers->room > 0 ? 2 * timers->room : 64;
        timers->changes = need_more_memory(timers->changes, timers->room * sizeof *timers->changes);
    }
    if (due_ns > INT64_MAX) due_ns = INT64_MAX;
    timers->changes[timers->count++] = (struct change){kind, key, due_ns};
}

enum outcome turn_timer_set(struct turn *turn, unsigned kind, struct uuid key, uint64_t due_ns,
                            struct error *err)
{
    (void)err;
    add(turn->turns->timers, kind, key, due_ns > 0 ? due_ns : 1);
    return OUTCOME_DONE;
}

enum outcome turn_timer_clear(struct turn *turn, unsigned kind, struct uuid key, struct error *err)
{
    (void)err;
    add(turn->turns->timers, kind, key, 0);
    return OUTCOME_DONE;
}

unsigned timers_mark(const struct timers *timers) { return timers->count; }

void timers_cut(struct timers *timers, unsigned mark) { timers->count = mark; }

/* --- writing --- */

static const struct change **place_of(struct timers *timers, unsigned kind, struct uuid key)
{
    uint64_t halves[2], hash;
    unsigned at;

    memcpy(halves, key.bytes, sizeof halves);
    hash = (halves[0] ^ halves[1] ^ kind) * UINT64_C(0x9e3779b97f4a7c15);
    at = (unsigned)(hash >> 32) & (timers->places_room - 1);
    while (timers->places[at] != NULL &&
           (timers->places[at]->kind != kind || !uuid_equal(timers->places[at]->key, key)))
        at = (at + 1) & (timers->places_room - 1);
    return &timers->places[at];
}

/* Empties the hash table, with room for this turn's changes. */
static void clear_places(struct timers *timers)
{
    unsigned room = timers->places_room > 0 ? timers->places_room : 64;

    while (room < 2 * timers->count) room *= 2;
    if (room != timers->places_room) {
        free(timers->places);
        timers->places = need_memory(room * sizeof(const struct change *));
        timers->places_room = room;
    } else {
        memset(timers->places, 0, room * sizeof(const struct change *));
    }
}

static enum outcome write_change(struct store *store, const struct change *change,
                                 struct error *err)
{
    struct store_value arguments[] = {store_integer(change->kind),
                                      store_bytes(change->key.bytes, sizeof change->key.bytes),
                                      store_integer((int64_t)change->due_ns)};

    if (change->due_ns == 0) return store_exec(store, &delete, arguments, 2, -1, err);
    return store_exec(store, &upsert, arguments, 3, 1, err);
}

/* What a piece of this turn has set or cleared is not told. */
static void drop_changed(struct timers *timers)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < timers->found_count; i++)
        if (*place_of(timers, timers->found[i].kind, timers->found[i].key) == NULL)
            timers->found[kept++] = timers->found[i];
    timers->found_count = kept;
}

enum outcome timers_write(struct timers *timers, struct turn *turn, struct error *err)
{
    if (timers->count == 0 && !timers->looked) return OUTCOME_DONE;
    clear_places(timers);
    for (unsigned i = timers->count; i-- > 0;) {
        const struct change *change = &timers->changes[i];
        const struct change **place = place_of(timers, change->kind, change->key);

        if (*place != NULL) continue;
        *place = change;
        if (write_change(turn->turns->store, change, err) != OUTCOME_DONE) return err->outcome;
    }
    if (timers->looked) drop_changed(timers);
    return OUTCOME_DONE;
}

/* --- reading what is due --- */

static void on_due(void *context, const struct store_row *row)
{
    struct timers *timers = context;

    if (timers->found_count == FOUND_MAX) return;
    timers->last = (struct change){
        .kind = (unsigned)store_read_integer(row, 0),
        .key = store_read_uuid(row, 1),
        .due_ns = (uint64_t)store_read_integer(row, 2),
    };
    timers->found[timers->found_count++] = timers->last;
    timers->read_count++;
}

static void on_next(void *context, const struct store_row *row)
{
    int64_t next = store_read_integer(row, 0);

    if (next > 0) ((struct timers *)context)->found_next_ns = (uint64_t)next;
}

static struct timers *of_look(struct work *work)
{
    return (struct timers *)((char *)work - offsetof(struct timers, look));
}

static enum outcome look_load(struct work *work, struct turn *turn, struct error *err)
{
    struct timers *timers = of_look(work);
    struct store *store = turn_store(turn);
    bool anew = turn->now_ns >= timers->again_ns;
    struct change from = anew ? (struct change){0} : timers->told;
    struct store_value arguments[] = {
        store_integer((int64_t)turn->now_ns),
        store_integer((int64_t)from.due_ns),
        store_integer(from.kind),
        store_bytes(from.key.bytes, sizeof from.key.bytes),
        store_integer(FOUND_MAX),
    };

    timers->looked = true;
    timers->anew = anew;
    timers->found_count = timers->read_count = 0;
    timers->found_next_ns = UINT64_MAX;
    if (store_query(store, &select_due, arguments, 5, on_due, timers, err) != OUTCOME_DONE)
        return err->outcome;
    return store_query(store, &select_next, arguments, 1, on_next, timers, err);
}

static void look_done(struct work *work, enum outcome outcome, const struct error *err)
{
    struct timers *timers = of_look(work);

    (void)err;
    timers->looking = false;
    if (outcome != OUTCOME_DONE) return;
    for (unsigned i = 0; i < timers->found_count; i++)
        timers->due(timers->turns->service, timers->found[i].kind, timers->found[i].key);
}

/* --- the loop's side --- */

static void look_now(struct timers *timers)
{
    timers->looking = true;
    turns_add(timers->turns, &timers->look);
}

/* When it has to look. */
static uint64_t wake_ns(const struct timers *timers)
{
    return timers->next_ns < timers->again_ns ? timers->next_ns : timers->again_ns;
}

static void set_wake(struct timers *timers)
{
    struct loop *loop = timers->turns->loop;
    uint64_t now_ns = loop_now_ns(loop), next_ns = wake_ns(timers);
    uint64_t sleep_ns = next_ns > now_ns ? next_ns - now_ns : 0;

    if (next_ns == UINT64_MAX || timers->due == NULL || timers->looking) return;
    loop_timer_set(loop, &timers->wake, sleep_ns < sleep_max_ns ? sleep_ns : sleep_max_ns);
}

static void on_wake(void *context)
{
    struct timers *timers = context;

    if (timers->looking) return;
    if (loop_now_ns(timers->turns->loop) >= wake_ns(timers))
        look_now(timers);
    else
        set_wake(timers);
}

/* What was found is told when the turn is over. */
static void pass_found(struct timers *timers, uint64_t now_ns)
{
    if (timers->anew) {
        timers->told = (struct change){0};
        timers->again_ns = UINT64_MAX;
    }
    timers->next_ns = timers->read_count == FOUND_MAX ? 0 : timers->found_next_ns;
    if (timers->read_count > 0) timers->told = timers->last;
    if (timers->found_count > 0 && timers->again_ns == UINT64_MAX)
        timers->again_ns = now_ns + pause_ns;
}

static void note_set(struct timers *timers, uint64_t due_ns)
{
    if (due_ns == 0) return;
    if (due_ns < timers->next_ns) timers->next_ns = due_ns;
    if (due_ns <= timers->told.due_ns) timers->told = (struct change){.due_ns = due_ns - 1};
}

void timers_end(struct timers *timers, bool committed)
{
    bool changed = committed && (timers->looked || timers->count > 0);

    if (committed && timers->looked) pass_found(timers, timers->turns->turn.now_ns);
    for (unsigned i = 0; i < timers->count && committed; i++)
        note_set(timers, timers->changes[i].due_ns);
    timers->count = 0;
    if (timers->looked && committed) timers->looking = false;
    timers->looked = false;
    if (changed) set_wake(timers);
}

void turns_on_timer(struct turns *turns, void (*due)(void *service, unsigned kind, struct uuid key))
{
    struct timers *timers = turns->timers;

    timers->due = due;
    if (!timers->looking) look_now(timers); /* what an earlier life left */
}

struct timers *timers_make(struct turns *turns)
{
    struct timers *timers = need_memory(sizeof *timers);

    timers->turns = turns;
    timers->next_ns = timers->again_ns = UINT64_MAX;
    timers->wake = (struct loop_timer){.fire = on_wake, .context = timers};
    timers->look = (struct work){.load = look_load, .done = look_done, .persist = true};
    return timers;
}

void timers_stop(struct timers *timers) { loop_timer_cancel(timers->turns->loop, &timers->wake); }

void timers_free(struct timers *timers)
{
    free(timers->changes);
    free(timers->places);
    free(timers);
}
