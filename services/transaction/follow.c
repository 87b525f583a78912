/*
 * Following the ledger's own log: what was posted is announced on micropay.transaction, straight on
 * the bus, without a row for each event.
 *
 * Everything about an event follows from the log: its id, its text, its number (`sequence` is twice
 * the ledger's), and given how far the announcements were, which one of its partition came before
 * it. So the database need only know a position up to which all is on the bus, and be behind: after
 * a crash, or when the bus refuses, reading begins anew from there, and the same events come again
 * with the same numbers, by which readers know them. What was never confirmed is never passed over.
 *
 * Woken by the port; reads a piece of the log in a round of the loop; has at most so many events at
 * the bus at once.
 */
#include "transaction.h"

#include "announce.h"
#include "observe/log.h"
#include "posted.h"

#include <stdlib.h>
#include <string.h>

enum {
    READ_MAX = 512,    /* records in one round of the loop */
    AT_BUS_MAX = 2000, /* events; reading waits beyond */
};
#define STORE_NS UINT64_C(1000000000) /* from an event to the storing of its position */
#define RETRY_NS UINT64_C(1000000000) /* after the bus or the log has failed */

/* A place in the log: all up to it is announced. */
struct mark {
    uint64_t block, position;
};

/* An event at the bus. */
struct saying {
    struct bus_record record;
    struct follow *follow;
    struct saying *next; /* in the order of their sequences */
    struct buffer text;
    bool confirmed;
    uint64_t sequence;
    struct mark mark; /* reached with it; 0 = none */
};

struct follow {
    struct work work; /* stores how far it is */
    bool work_waits;
    struct transactions *service;
    struct announcer announcer;
    struct ledger_follower follower;
    struct loop_task read;
    struct loop_timer retry, store;
    bool store_waits; /* the timer is set */

    mp_log *log;
    struct postings postings;
    struct mark reached; /* the last record that was taken */
    uint64_t sequence;   /* of that */

    struct saying *first, *last; /* not confirmed with all before them */
    unsigned at_bus;
    bool failed; /* bus or log: all begins anew once the bus has nothing */

    struct mark confirmed, stored, storing;
    struct announced_tails tails, storing_tails; /* as confirmed, as storing */
    bool draining, closed;
    struct error why; /* the log can't be read; reason NONE = it can */
};

static void read_some(void *context);

/* --- storing how far it is --- */

static void release(struct follow *follow)
{
    if (!follow->closed || follow->at_bus > 0 || follow->work_waits) return;
    free(follow);
}

static enum outcome store_position(struct work *work, struct turn *turn, struct error *err)
{
    struct follow *follow = (struct follow *)work;

    return announced_store(turn_store(turn), &follow->announcer, follow->storing.block,
                           follow->storing.position, &follow->storing_tails, err);
}

static void position_stored(struct work *work, enum outcome outcome, const struct error *err)
{
    struct follow *follow = (struct follow *)work;

    (void)err; /* another comes with the next event, and the log can be read again */
    follow->work_waits = false;
    if (outcome == OUTCOME_DONE) follow->stored = follow->storing;
    if (follow->closed) {
        release(follow);
        return;
    }
    if (follow->draining && outcome != OUTCOME_DONE) follow->stored = follow->confirmed;
    service_idle(follow->service);
}

static void store_now(void *context)
{
    struct follow *follow = context;

    follow->store_waits = false;
    if (follow->work_waits || follow->stored.position == follow->confirmed.position) return;
    follow->work =
        (struct work){.apply = store_position, .done = position_stored, .lazy = !follow->draining};
    follow->work_waits = true;
    follow->storing = follow->confirmed;
    follow->storing_tails = follow->tails;
    turns_add(follow->service->turns, &follow->work);
}

static void store_soon(struct follow *follow)
{
    if (follow->draining) store_now(follow);
    if (follow->store_waits || follow->stored.position == follow->confirmed.position) return;
    follow->store_waits = true;
    loop_timer_set(follow->service->context->loop, &follow->store, STORE_NS);
}

/* --- at the bus --- */

/* Takes those off that are confirmed with all before them. */
static void confirm(struct follow *follow)
{
    while (follow->first != NULL && follow->first->confirmed) {
        struct saying *saying = follow->first;

        follow->first = saying->next;
        follow->tails.sequences[saying->record.partition] = saying->sequence;
        if (saying->mark.position != 0) follow->confirmed = saying->mark;
        buffer_done(&saying->text);
        free(saying);
    }
}

static void forget(struct follow *follow)
{
    while (follow->first != NULL) {
        struct saying *saying = follow->first;

        follow->first = saying->next;
        buffer_done(&saying->text);
        free(saying);
    }
}

/* All is as it was when what is confirmed had just been read; in a while it begins anew. */
static void rewind_log(struct follow *follow)
{
    confirm(follow);
    forget(follow);
    mp_log_close(follow->log);
    follow->log = NULL;
    follow->reached = follow->confirmed;
    follow->announcer.tails = follow->tails;
    postings_begin(&follow->postings, follow->postings.catalogue, follow->postings.say, follow);
    loop_timer_set(follow->service->context->loop, &follow->retry, RETRY_NS);
}

static void retry(void *context)
{
    struct follow *follow = context;

    follow->failed = false;
    read_some(follow);
}

static void on_said(struct bus_record *record, enum outcome outcome, const struct error *err)
{
    struct saying *saying = (struct saying *)(void *)record;
    struct follow *follow = saying->follow;

    follow->at_bus--;
    event_release(record->event);
    saying->confirmed = outcome == OUTCOME_DONE;
    if (follow->closed) {
        if (follow->at_bus == 0) forget(follow);
        release(follow);
        return;
    }
    if (outcome != OUTCOME_DONE && !follow->failed) {
        follow->failed = true;
        log_warn(&(struct log_about){.service = "transaction", .action = "bus.refused", .err = err},
                 "what was posted is announced again");
    }
    if (!follow->failed) {
        confirm(follow);
        if (follow->at_bus == AT_BUS_MAX / 2)
            loop_post(follow->service->context->loop, &follow->read);
    } else if (follow->at_bus == 0) {
        rewind_log(follow);
    }
    if (follow->at_bus > 0) return;
    store_soon(follow);
    service_idle(follow->service);
}

static void say_event(struct follow *follow, const struct event_type *type,
                      const struct posted *posted, uint64_t sequence)
{
    struct saying *saying = need_memory(sizeof *saying);

    saying->follow = follow;
    saying->sequence = sequence;
    saying->record.done = on_said;
    announce_posted(&follow->announcer, type, posted, sequence, &saying->text, &saying->record);
    if (follow->first == NULL)
        follow->first = saying;
    else
        follow->last->next = saying;
    follow->last = saying;
    follow->at_bus++;
    bus_publish(follow->service->context->bus, &saying->record);
}

static void say(void *context, const struct posted *posted)
{
    struct follow *follow = context;
    uint64_t sequence = 2 * posted->sequence;

    if (posted->kind == POSTED_REVERSAL) {
        say_event(follow, EVENT_TYPE(transaction_reversed), posted, sequence);
        return;
    }
    if (posted->kind != POSTED_CONFIRMED)
        say_event(follow, EVENT_TYPE(transaction_created), posted, sequence);
    if (posted->kind != POSTED_EXTERNAL)
        say_event(follow, EVENT_TYPE(transaction_settled), posted, sequence + 1);
}

/* --- reading --- */

/* All that was taken is said: it is announced once the last event is confirmed. */
static void set_mark(struct follow *follow)
{
    if (!postings_all_said(&follow->postings) || follow->reached.position == 0) return;
    if (follow->first == NULL)
        follow->confirmed = follow->reached;
    else
        follow->last->mark = follow->reached;
}

static void log_failed(struct follow *follow, mp_status status)
{
    mp_log_close(follow->log);
    follow->log = NULL;
    error_set(&follow->why, status == MP_CORRUPT ? REASON_CORRUPT : REASON_INTERNAL,
              "could not read the ledger's log");
    error_detail(&follow->why, "%s", mp_last_error());
    log_error(&(struct log_about){.service = "transaction",
                                  .action = "ledger.unreadable",
                                  .err = &follow->why},
              "what is posted is not announced");
    follow->failed = true;
    if (follow->at_bus == 0) rewind_log(follow);
}

static bool open_log(struct follow *follow)
{
    mp_status status = MP_OK;

    if (follow->log == NULL)
        status = mp_log_open(follow->service->ledger, follow->confirmed.block, &follow->log);
    if (status != MP_OK) follow->log = NULL;
    if (status != MP_OK) log_failed(follow, status);
    return status == MP_OK;
}

static void read_some(void *context)
{
    static mp_record record;
    struct follow *follow = context;
    mp_status status = MP_OK;

    if (follow->failed || follow->draining || !open_log(follow)) return;
    for (unsigned i = 0; i < READ_MAX && follow->at_bus < AT_BUS_MAX; i++) {
        status = mp_log_next(follow->log, &record);
        if (status != MP_OK) break;
        if (record.position <= follow->confirmed.position) continue;
        if (record.block_position != follow->reached.block) {
            postings_end(&follow->postings);
            set_mark(follow);
        }
        postings_take(&follow->postings, &record);
        follow->reached = (struct mark){record.block_position, record.position};
        if (record.sequence != 0) follow->sequence = record.sequence;
        set_mark(follow);
    }
    if (status == MP_END) {
        follow->why.reason = REASON_NONE;
        postings_end(&follow->postings);
        set_mark(follow);
    } else if (status != MP_OK) {
        log_failed(follow, status);
    } else if (follow->at_bus < AT_BUS_MAX) {
        loop_post(follow->service->context->loop, &follow->read);
    }
    store_soon(follow);
}

static void on_moved(void *context)
{
    struct follow *follow = context;

    if (!follow->failed && follow->at_bus < AT_BUS_MAX)
        loop_post(follow->service->context->loop, &follow->read);
}

/* --- life --- */

enum outcome follow_start(struct transactions *service, struct follow **out, struct error *err)
{
    struct follow *follow = need_memory(sizeof *follow);
    struct loop *loop = service->context->loop;

    follow->service = service;
    follow->follower = (struct ledger_follower){.moved = on_moved, .context = follow};
    follow->read = (struct loop_task){.run = read_some, .context = follow};
    follow->retry = (struct loop_timer){.fire = retry, .context = follow};
    follow->store = (struct loop_timer){.fire = store_now, .context = follow};
    postings_begin(&follow->postings, service->catalogue, say, follow);
    if (announcer_load(&follow->announcer, service->ledger, service->context->store,
                       &follow->confirmed.block, &follow->confirmed.position,
                       err) != OUTCOME_DONE) {
        free(follow);
        return err->outcome;
    }
    follow->tails = follow->announcer.tails;
    follow->stored = follow->reached = follow->confirmed;
    ledger_port_follow(service->context->ledger, &follow->follower);
    loop_post(loop, &follow->read);
    *out = follow;
    return OUTCOME_DONE;
}

void follow_drain(struct follow *follow)
{
    follow->draining = true;
    if (follow->at_bus == 0) store_now(follow);
}

bool follow_is_idle(const struct follow *follow)
{
    return follow->at_bus == 0 && !follow->work_waits &&
           follow->stored.position == follow->confirmed.position;
}

bool follow_ready(const struct follow *follow, struct error *err)
{
    if (follow->why.reason != REASON_NONE) *err = follow->why;
    return follow->why.reason == REASON_NONE;
}

uint64_t follow_lag(const struct follow *follow)
{
    uint64_t newest = ledger_newest(follow->service->ledger);

    return newest > follow->sequence ? newest - follow->sequence : 0;
}

void follow_stop(struct follow *follow)
{
    struct loop *loop;

    if (follow == NULL) return;
    loop = follow->service->context->loop;
    ledger_port_unfollow(follow->service->context->ledger, &follow->follower);
    loop_task_cancel(loop, &follow->read);
    loop_timer_cancel(loop, &follow->retry);
    loop_timer_cancel(loop, &follow->store);
    mp_log_close(follow->log);
    follow->log = NULL;
    follow->closed = true;
    if (follow->at_bus == 0) forget(follow);
    release(follow);
}
