/*
 * The queue, and the turn: begin, load all, apply each, write, commit, tell.
 *
 * All between begin and tell is done by the turns' worker, beside the loop (turn_internal.h).
 *
 * A turn that fails leaves nothing: pieces that persist go back to the front of the queue in their
 * order and are tried again after a back-off, the others are told. One exception: when what was
 * written contradicts the database (OUTCOME_REFUSED from write or commit), nobody knows which piece
 * is at fault; so they all go back and the next turns take one piece each, until the one that is
 * refused has been found and told.
 */
#include "store/turn_internal.h"

#include "observe/trace.h"

#include <stdlib.h>
#include <string.h>

static const uint64_t lazy_ns = UINT64_C(100000000);
static const uint64_t back_off_first_ns = UINT64_C(10000000);
static const uint64_t back_off_max_ns = UINT64_C(5000000000);

static void run(void *context);
static void look_drained(struct turns *turns);

/* --- the queue --- */

static void push_last(struct turns *turns, struct work *work)
{
    work->next = NULL;
    if (turns->last != NULL)
        turns->last->next = work;
    else
        turns->first = work;
    turns->last = work;
}

static void push_first(struct turns *turns, struct work *work)
{
    work->next = turns->first;
    turns->first = work;
    if (turns->last == NULL) turns->last = work;
}

static struct work *pop_first(struct turns *turns)
{
    struct work *work = turns->first;

    turns->first = work->next;
    if (turns->first == NULL) turns->last = NULL;
    work->next = NULL;
    return work;
}

static void count_in(struct turns *turns, const struct work *work)
{
    turns->waiting++;
    if (!work->lazy) turns->urgent++;
}

static void count_out(struct turns *turns, const struct work *work)
{
    turns->waiting--;
    if (!work->lazy) turns->urgent--;
}

/* Sees to it that a turn comes. */
static void schedule(struct turns *turns)
{
    if (turns->running || turns->backing_off) return;
    if (turns->waiting == 0 && !turns->wanted) return;
    if (turns->urgent > 0 || turns->waiting >= TURN_MAX || turns->broken ||
        turns->on_drained != NULL) {
        loop_post(turns->loop, &turns->task);
    } else if (!turns->lazy_wait) {
        turns->lazy_wait = true;
        loop_timer_set(turns->loop, &turns->timer, lazy_ns);
    }
}

void turns_add(struct turns *turns, struct work *work)
{
    work->internal_outcome = OUTCOME_DONE;
    work->internal_error = NULL;
    work->internal_added_ns = trace_is_on ? loop_elapsed_ns(turns->loop) : 0;
    push_last(turns, work);
    count_in(turns, work);
    schedule(turns);
}

void turns_add_first(struct turns *turns, struct work *work)
{
    work->internal_outcome = OUTCOME_DONE;
    work->internal_error = NULL;
    work->internal_added_ns = trace_is_on ? loop_elapsed_ns(turns->loop) : 0;
    push_first(turns, work);
    count_in(turns, work);
    schedule(turns);
}

void turns_want(struct turns *turns)
{
    turns->wanted = true;
    schedule(turns);
}

unsigned turns_waiting(const struct turns *turns) { return turns->waiting; }

/* Tells a piece what became of it; it may be gone then. */
static void tell(struct work *work, enum outcome outcome, const struct error *err)
{
    struct error *own = work->internal_error;

    work->internal_error = NULL;
    if (work->done != NULL) work->done(work, outcome, own != NULL ? own : err);
    free(own);
}

static void tell_all_waiting(struct turns *turns, const struct error *err)
{
    struct work *work = turns->first;

    turns->first = turns->last = NULL; /* what is added meanwhile waits for the next call */
    turns->waiting = turns->urgent = 0;
    while (work != NULL) {
        struct work *next = work->next;

        tell(work, err->outcome, err);
        work = next;
    }
}

/* --- what pieces ask of their turn --- */

struct store *turn_store(struct turn *turn) { return turn->turns->store; }

uint64_t turn_now_ns(const struct turn *turn) { return turn->now_ns; }

struct uuid turn_id(struct turn *turn)
{
    for (unsigned i = sizeof turn->drawn; i-- > 0;)
        if (++turn->drawn[i] != 0) break;
    return uuid_7(turn->now_ns, turn->drawn);
}

struct turn_mark turn_mark(const struct turn *turn)
{
    return (struct turn_mark){
        .events = outbox_mark(turn->turns->outbox),
        .timers = timers_mark(turn->turns->timers),
    };
}

void turn_cut(struct turn *turn, struct turn_mark mark)
{
    outbox_cut(turn->turns->outbox, mark.events);
    timers_cut(turn->turns->timers, mark.timers);
}

/* --- a turn: what runs between start and end, without the loop --- */

/* Notes that a piece alone is refused; false if its outcome ends the turn. Else the next piece
 * finds no error. */
static bool goes_on(struct work *work, enum outcome outcome, struct error *err)
{
    work->internal_outcome = outcome;
    if (outcome != OUTCOME_DONE && outcome != OUTCOME_REFUSED) return false;
    if (outcome == OUTCOME_REFUSED) {
        work->internal_error = need_memory(sizeof *work->internal_error);
        *work->internal_error = *err;
    }
    if (err->reason != REASON_NONE) *err = (struct error){0};
    return true;
}

static enum outcome load_parts(struct turns *turns, struct error *err)
{
    if (outbox_load(turns->outbox, err) != OUTCOME_DONE) return err->outcome;
    if (parked_load(turns->parked, err) != OUTCOME_DONE) return err->outcome;
    return inboxes_load(turns->inboxes, err);
}

static enum outcome load_all(struct turn *turn, struct error *err)
{
    if (turn->turns->reload && load_parts(turn->turns, err) != OUTCOME_DONE) return err->outcome;
    for (unsigned i = 0; i < turn->count; i++) {
        struct work *work = turn->works[i];

        if (work->load == NULL) continue;
        if (!goes_on(work, work->load(work, turn, err), err)) return err->outcome;
    }
    return store_sync(turn->turns->store, err);
}

static enum outcome apply_all(struct turn *turn, struct error *err)
{
    for (unsigned i = 0; i < turn->count; i++) {
        struct work *work = turn->works[i];
        struct turn_mark mark = turn_mark(turn);

        if (work->internal_outcome != OUTCOME_DONE || work->apply == NULL) continue;
        if (!goes_on(work, work->apply(work, turn, err), err)) return err->outcome;
        if (work->internal_outcome == OUTCOME_REFUSED) turn_cut(turn, mark);
    }
    return OUTCOME_DONE;
}

static enum outcome write_all(struct turn *turn, struct error *err)
{
    struct turns *turns = turn->turns;
    const struct turn_hooks *hooks = turns->hooks;

    if (hooks->write != NULL && hooks->write(turns->service, turn, err) != OUTCOME_DONE)
        return err->outcome;
    if (timers_write(turns->timers, turn, err) != OUTCOME_DONE) return err->outcome;
    if (parked_write(turns->parked, turn, err) != OUTCOME_DONE) return err->outcome;
    if (inboxes_write(turns->inboxes, err) != OUTCOME_DONE) return err->outcome;
    return outbox_write(turns->outbox, turn, err);
}

static enum outcome do_parts(struct turn *turn, struct error *err)
{
    static enum outcome (*const parts[])(struct turn *, struct error *) = {load_all, apply_all,
                                                                           write_all};
    struct loop *loop = turn->turns->loop;
    enum outcome outcome = OUTCOME_DONE;

    for (unsigned i = 0; i < sizeof parts / sizeof *parts && outcome == OUTCOME_DONE; i++) {
        outcome = parts[i](turn, err);
        turn->ended_ns[i] = loop_elapsed_ns(loop);
    }
    return outcome;
}

static enum outcome do_work(struct turn *turn, struct error *err)
{
    struct store *store = turn->turns->store;
    enum outcome outcome;

    turn->began_ns = loop_elapsed_ns(turn->turns->loop);
    outcome = store_begin(store, err);
    if (outcome != OUTCOME_DONE) return outcome;
    outcome = do_parts(turn, err);
    if (outcome == OUTCOME_DONE)
        outcome = store_commit(store, err);
    else
        store_rollback(store);
    turn->ended_ns[TURN_PARTS - 1] = loop_elapsed_ns(turn->turns->loop);
    return outcome;
}

/* On the worker's thread. */
static void work(void *context)
{
    struct turns *turns = context;

    turns->turn.outcome = do_work(&turns->turn, &turns->turn.why);
}

/* --- a turn: its start and end, on the loop --- */

/* Says how long the pieces of a turn have waited for it. */
static void note_waits(const struct turn *turn)
{
    uint64_t now_ns = loop_elapsed_ns(turn->turns->loop);

    for (unsigned i = 0; i < turn->count && trace_is_on; i++)
        if (turn->works[i]->internal_added_ns != 0)
            span_took(SPAN_turn_wait, now_ns - turn->works[i]->internal_added_ns);
}

/* Says how long the parts of a turn took that came to something. */
static void note_parts(const struct turn *turn)
{
    static const enum span_name names[TURN_PARTS] = {SPAN_turn_load, SPAN_turn_apply,
                                                     SPAN_turn_write, SPAN_turn_commit};
    uint64_t at_ns = turn->began_ns;

    if (!trace_is_on) return;
    for (unsigned i = 0; i < TURN_PARTS; i++) {
        span_took(names[i], turn->ended_ns[i] - at_ns);
        at_ns = turn->ended_ns[i];
    }
    span_took(SPAN_turn, at_ns - turn->began_ns);
}

static void start(struct turns *turns)
{
    struct turn *turn = &turns->turn;
    unsigned room = turns->alone > 0 ? 1 : TURN_MAX;

    if (turns->alone > 0) turns->alone--;
    turns->wanted = false;
    turn->why = (struct error){0};
    turn->now_ns = loop_now_ns(turns->loop);
    loop_random(turns->loop, turn->drawn, sizeof turn->drawn);
    for (turn->count = 0; turn->count < room && turns->first != NULL; turn->count++) {
        turn->works[turn->count] = pop_first(turns);
        count_out(turns, turn->works[turn->count]);
    }
    note_waits(turn);
    outbox_start(turns->outbox);
    if (turns->hooks->begin != NULL) turns->hooks->begin(turns->service, turn);
}

/* Puts those back that are to be tried again, in their order; the rest stays in turn->works. */
static void put_back(struct turns *turns, bool all)
{
    struct turn *turn = &turns->turn;
    unsigned kept = TURN_MAX;

    for (unsigned i = turn->count; i-- > 0;) {
        struct work *work = turn->works[i];

        if (all || work->persist) {
            free(work->internal_error);
            work->internal_error = NULL;
            work->internal_outcome = OUTCOME_DONE;
            push_first(turns, work);
            count_in(turns, work);
        } else {
            turn->works[--kept] = work;
        }
    }
    turn->count = TURN_MAX - kept;
    memmove(turn->works, turn->works + kept, turn->count * sizeof(struct work *));
}

uint64_t turns_back_off(struct loop *loop, unsigned failures)
{
    uint64_t limit_ns = back_off_first_ns << (failures < 10 ? failures : 10), drawn;

    loop_random(loop, &drawn, sizeof drawn);
    return 1 + drawn % (limit_ns < back_off_max_ns ? limit_ns : back_off_max_ns);
}

static void back_off(struct turns *turns)
{
    turns->backing_off = true;
    loop_timer_set(turns->loop, &turns->timer, turns_back_off(turns->loop, turns->failures++));
}

/* What follows from a turn that came to nothing, before anybody is told. */
static void prepare_again(struct turns *turns, enum outcome outcome, const struct error *err)
{
    turns->reload = true;
    switch (outcome) {
    case OUTCOME_REFUSED:
        if (turns->turn.count <= 1) break; /* it was this one */
        turns->alone = turns->turn.count;
        put_back(turns, true);
        break;
    case OUTCOME_AGAIN:
    case OUTCOME_UNKNOWN:
        put_back(turns, false);
        back_off(turns);
        break;
    default: turns->broken = true; turns->why = *err;
    }
}

static void tell_turn(struct turns *turns, enum outcome outcome, const struct error *err)
{
    struct turn *turn = &turns->turn;
    unsigned count = turn->count;

    turn->count = 0;
    for (unsigned i = 0; i < count; i++) {
        struct work *piece = turn->works[i];

        tell(piece, outcome == OUTCOME_DONE ? piece->internal_outcome : outcome, err);
    }
}

/* The parts and the service learn what became of the turn. */
static void end_parts(struct turns *turns, bool committed)
{
    timers_end(turns->timers, committed);
    parked_end(turns->parked, committed);
    inboxes_end(turns->inboxes, committed);
    outbox_end(turns->outbox, committed);
    if (turns->hooks->end != NULL) turns->hooks->end(turns->service, &turns->turn, committed);
}

static void end(struct turns *turns)
{
    struct turn *turn = &turns->turn;
    bool committed = turn->outcome == OUTCOME_DONE;

    turns->working = false;
    if (committed) {
        note_parts(turn);
        turns->failures = 0;
        turns->reload = false;
        turns->turn_count++;
        turns->piece_count += turn->count;
    }
    end_parts(turns, committed);
    if (!committed) prepare_again(turns, turn->outcome, &turn->why);
    tell_turn(turns, turn->outcome, &turn->why);
    if (turns->broken) turns_alert(turns, &turns->why);
}

/* After a turn, or instead of one. */
static void go_on(struct turns *turns)
{
    if (turns->broken) {
        tell_all_waiting(turns, &turns->why);
        turns->wanted = false;
    }
    turns->running = false;
    schedule(turns);
    look_drained(turns);
}

static void worked(void *context)
{
    struct turns *turns = context;

    end(turns);
    go_on(turns);
    /* what came meanwhile is a turn: the worker needn't wait until the loop has come around */
    if (turns->urgent > 0) run(turns);
}

static void run(void *context)
{
    struct turns *turns = context;
    struct loop_job job = {.work = work, .done = worked, .context = turns};

    if (turns->running || turns->backing_off || (turns->waiting == 0 && !turns->wanted)) return;
    if (turns->lazy_wait) loop_timer_cancel(turns->loop, &turns->timer);
    turns->lazy_wait = false;
    turns->running = true;
    if (turns->broken) {
        go_on(turns);
        return;
    }
    start(turns);
    turns->working = true;
    loop_worker_begin(turns->worker, &job);
}

static void on_timer(void *context)
{
    struct turns *turns = context;

    turns->backing_off = turns->lazy_wait = false;
    run(turns);
}

/* --- the end of a service --- */

static bool drained(const struct turns *turns)
{
    /* nothing more becomes of what is broken */
    if (turns->broken) return turns->waiting == 0;
    return turns->waiting == 0 && !turns->running && outbox_empty(turns->outbox);
}

static void look_drained(struct turns *turns)
{
    if (turns->on_drained != NULL && drained(turns)) loop_post(turns->loop, &turns->drained);
}

static void on_drained(void *context)
{
    struct turns *turns = context;
    void (*done)(void *context) = turns->on_drained;

    if (done == NULL || !drained(turns)) return;
    turns->on_drained = NULL;
    done(turns->drain_context);
}

void turns_drain(struct turns *turns, void (*done)(void *context), void *context)
{
    turns->on_drained = done;
    turns->drain_context = context;
    inboxes_leave(turns->inboxes);
    schedule(turns); /* lazy pieces wait no longer */
    look_drained(turns);
}

/* The turn under way comes to its end; what it committed is for the next life. */
static void finish_turn(struct turns *turns)
{
    struct error err;

    if (turns->worker == NULL || !loop_worker_finish(turns->worker)) return;
    turns->working = false;
    end_parts(turns, false);
    error_set(&err, REASON_NOT_READY, "could not wait for the database: the service has stopped");
    tell_turn(turns, OUTCOME_UNKNOWN, &err);
}

void turns_halt(struct turns *turns)
{
    inboxes_leave(turns->inboxes);
    turns->running = true; /* what is told now may add more: that waits for ever */
    finish_turn(turns);
    outbox_stop(turns->outbox);
}

void turns_close(struct turns *turns)
{
    struct error err;

    turns_halt(turns);
    timers_stop(turns->timers);
    loop_timer_cancel(turns->loop, &turns->timer);
    loop_worker_close(turns->worker);
    error_set(&err, REASON_NOT_READY, "could not begin: the service has stopped");
    while (turns->waiting > 0) tell_all_waiting(turns, &err);
    turns->closed = true;
    loop_task_cancel(turns->loop, &turns->task);
    loop_task_cancel(turns->loop, &turns->drained);
    turns_release(turns);
}

void turns_release(struct turns *turns)
{
    if (outbox_busy(turns->outbox)) return; /* the bus still has records: it answers them first */
    inboxes_free(turns->inboxes);
    parked_free(turns->parked);
    timers_free(turns->timers);
    outbox_free(turns->outbox);
    free(turns);
}

/* --- the beginning --- */

static enum outcome load_at_start(struct turns *turns, struct error *err)
{
    if (store_begin(turns->store, err) != OUTCOME_DONE) return err->outcome;
    if (outbox_open(turns->outbox, err) != OUTCOME_DONE ||
        parked_load(turns->parked, err) != OUTCOME_DONE) {
        store_rollback(turns->store);
        return err->outcome;
    }
    parked_end(turns->parked, true);
    return store_commit(turns->store, err);
}

enum outcome turns_open(struct loop *loop, struct store *store, struct bus *bus, const char *source,
                        const struct turn_hooks *hooks, void *service, struct turns **out,
                        struct error *err)
{
    struct turns *turns = need_memory(sizeof *turns);

    turns->loop = loop;
    turns->store = store;
    turns->bus = bus;
    turns->hooks = hooks;
    turns->service = service;
    turns->turn.turns = turns;
    turns->task = (struct loop_task){.run = run, .context = turns};
    turns->drained = (struct loop_task){.run = on_drained, .context = turns};
    turns->timer = (struct loop_timer){.fire = on_timer, .context = turns};
    turns->timers = timers_make(turns);
    turns->parked = parked_make(turns);
    turns->outbox = outbox_make(turns, source);
    if (loop_worker_open(loop, source[0] == '/' ? source + 1 : source, &turns->worker, err) !=
            OUTCOME_DONE ||
        load_at_start(turns, err) != OUTCOME_DONE) {
        turns_close(turns);
        return err->outcome;
    }
    outbox_begin(turns->outbox);
    *out = turns;
    return OUTCOME_DONE;
}

/* --- how it is --- */

void turns_on_alert(struct turns *turns, void (*alert)(void *service, const struct error *err))
{
    turns->alert = alert;
}

void turns_alert(struct turns *turns, const struct error *err)
{
    if (turns->alert != NULL) turns->alert(turns->service, err);
}

bool turns_ready(const struct turns *turns, struct error *err)
{
    if (turns->broken) *err = turns->why;
    return !turns->broken && inboxes_ready(turns->inboxes, err);
}

void turns_state(struct turns *turns, struct turns_state *out)
{
    *out = (struct turns_state){
        .waiting = turns->waiting,
        .turns = turns->turn_count,
        .pieces = turns->piece_count,
        .working = turns->working,
        .broken = turns->broken,
    };
    outbox_state(turns->outbox, out);
    parked_state(turns->parked, out);
    inboxes_state(turns->inboxes, out);
}
