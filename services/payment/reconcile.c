#include "reconcile.h"

#include "observe/log.h"
#include "wire/buffer.h"

#include <stdlib.h>
#include <string.h>

#define MINUTE_NS UINT64_C(60000000000)
enum { SLICE = 2000 /* records at a time */, LOOK_MAX = 500 /* reservations in a turn */ };

/* An open reservation */
struct held {
    mp_id id; /* 0 = free place */
    struct uuid payment;
    uint64_t since_ns; /* when it was first found to be nobody's; 0 = it isn't */
};

struct reconcile {
    struct payments *service;
    mp_log *log;
    struct held *places; /* open addressing */
    unsigned room, count;
    struct loop_timer timer;
    struct loop_task task;
    unsigned next;            /* place that the look goes on from */
    unsigned findings, found; /* of the last look; of the one under way */
    struct look *look;
};

/* A piece of work: some reservations whose payments are looked at. */
struct look {
    struct work work;
    struct reconcile *owner; /* NULL: it was freed meanwhile */
    unsigned count;
    mp_id ids[LOOK_MAX];
    struct uuid payments[LOOK_MAX];
    bool stray[LOOK_MAX];
};

/* --- the open reservations --- */

static unsigned place_of(const struct reconcile *r, mp_id id)
{
    unsigned at = (unsigned)(id >> 64) & (r->room - 1); /* ids are hashes */

    while (r->places[at].id != 0 && r->places[at].id != id) at = (at + 1) & (r->room - 1);
    return at;
}

static void grow(struct reconcile *r)
{
    struct held *before = r->places;
    unsigned room = r->room;

    r->room = room == 0 ? 64 : room * 2;
    r->places = need_memory(r->room * sizeof *r->places);
    for (unsigned i = 0; i < room; i++)
        if (before[i].id != 0) r->places[place_of(r, before[i].id)] = before[i];
    free(before);
}

static void add(struct reconcile *r, mp_id id, mp_u128 payment)
{
    unsigned at;

    if (2 * (r->count + 1) > r->room) grow(r);
    at = place_of(r, id);
    r->count += r->places[at].id == 0;
    r->places[at] = (struct held){.id = id, .payment = uuid_of_id(payment)};
}

static void take_out(struct reconcile *r, mp_id id)
{
    unsigned at;

    if (r->room == 0) return;
    at = place_of(r, id);
    if (r->places[at].id == 0) return;
    r->places[at].id = 0;
    r->count--;
    for (at = (at + 1) & (r->room - 1); r->places[at].id != 0; at = (at + 1) & (r->room - 1)) {
        struct held moved = r->places[at]; /* those behind may belong before the gap */

        r->places[at].id = 0;
        r->places[place_of(r, moved.id)] = moved;
    }
}

static void follow(struct reconcile *r, const mp_record *record)
{
    const mp_transfer *transfer = &record->change.transfer;

    if (record->kind == MP_RECORD_EXPIRY) {
        take_out(r, transfer->pending_id);
    } else if (record->kind != MP_RECORD_TRANSFER) {
        return;
    } else if ((transfer->flags & MP_TRANSFER_PENDING) != 0) {
        if (transfer->code >= TRANSFER_CODE_PAYMENT_MIN &&
            transfer->code <= TRANSFER_CODE_PAYMENT_MAX)
            add(r, transfer->id, transfer->user_data_128);
    } else if ((transfer->flags & (MP_TRANSFER_POST_PENDING | MP_TRANSFER_VOID_PENDING)) != 0 &&
               record->left == 0) {
        take_out(r, transfer->pending_id);
    }
}

/* True while there is more to read at once. */
static bool read_slice(struct reconcile *r)
{
    static mp_record record;

    if (r->log == NULL && mp_log_open(r->service->context->reads, 0, &r->log) != MP_OK) {
        r->log = NULL;
        return false;
    }
    for (unsigned i = 0; i < SLICE; i++) {
        if (mp_log_next(r->log, &record) != MP_OK) return false;
        follow(r, &record);
    }
    return true;
}

/* --- looking at their payments --- */

static enum outcome look_load(struct work *work, struct turn *turn, struct error *err)
{
    struct look *look = (struct look *)work;
    struct row *row;

    for (unsigned i = 0; look->owner != NULL && i < look->count; i++)
        if (rows_load(look->owner->service, turn, look->payments[i], &row, err) != OUTCOME_DONE)
            return err->outcome;
    return OUTCOME_DONE;
}

static enum outcome look_apply(struct work *work, struct turn *turn, struct error *err)
{
    struct look *look = (struct look *)work;

    (void)turn;
    (void)err;
    for (unsigned i = 0; look->owner != NULL && i < look->count; i++) {
        const struct row *row = rows_find(&look->owner->service->rows, look->payments[i]);

        look->stray[i] = row->payment == NULL || status_is_final(row->payment->status);
    }
    return OUTCOME_DONE;
}

/* Nobody's for a quarter of an hour: given back. The id is derived, so it is voided once. */
static void give_back(struct reconcile *r, const struct held *held)
{
    static const struct books books = {"reconcile", false};
    struct chain chain = {.operation = MP_CREATE_TRANSFERS, .count = 1};
    uint8_t bytes[CHAIN_BYTES_MAX];

    chain.events.transfers[0] = (mp_transfer){
        .id = ledger_id(&books, uuid_of_id(held->id), STEP_VOID, 0, 0),
        .pending_id = held->id,
        .flags = MP_TRANSFER_VOID_PENDING,
    };
    if (!resend_add(r->service->resend, bytes, chain_encode(&chain, bytes), held->payment)) abort();
}

static void judge(struct reconcile *r, mp_id id, bool stray)
{
    uint64_t now = loop_now_ns(r->service->context->loop);
    struct held *held = &r->places[place_of(r, id)];
    char text[UUID_TEXT + 1];

    if (held->id == 0) return; /* ended meanwhile */
    if (!stray) {
        held->since_ns = 0;
        return;
    }
    r->found++;
    if (held->since_ns == 0) {
        held->since_ns = now;
        return;
    }
    if (now - held->since_ns < 15 * MINUTE_NS) return;
    uuid_print(uuid_of_id(id), text);
    log_error(&(struct log_about){.service = "payment", .action = "reconcile.voided"},
              "reservation %s belonged to no live payment for 15 minutes and is given back", text);
    give_back(r, held);
}

static void go_on(struct reconcile *r);

static void look_done(struct work *work, enum outcome outcome, const struct error *err)
{
    struct look *look = (struct look *)work;
    struct reconcile *r = look->owner;

    (void)err;
    for (unsigned i = 0; r != NULL && outcome == OUTCOME_DONE && i < look->count; i++)
        judge(r, look->ids[i], look->stray[i]);
    free(look);
    if (r == NULL) return;
    r->look = NULL;
    go_on(r);
}

static void say_findings(struct reconcile *r)
{
    unsigned old = resend_older(r->service->resend, MINUTE_NS);

    r->findings = r->found + old;
    if (r->findings == 0) return;
    log_error(&(struct log_about){.service = "payment", .action = "reconcile.findings"},
              "%u reservations belong to no live payment, %u commands have no answer for a minute",
              r->found, old);
}

/* The next reservations; at the end of all, says what was found. */
static void go_on(struct reconcile *r)
{
    struct look *look = need_memory(sizeof *look);

    for (; r->next < r->room && look->count < LOOK_MAX; r->next++) {
        if (r->places[r->next].id == 0) continue;
        look->ids[look->count] = r->places[r->next].id;
        look->payments[look->count++] = r->places[r->next].payment;
    }
    if (look->count == 0) {
        free(look);
        say_findings(r);
        loop_timer_set(r->service->context->loop, &r->timer, MINUTE_NS);
        return;
    }
    look->work = (struct work){.load = look_load, .apply = look_apply, .done = look_done};
    look->owner = r;
    r->look = look;
    turns_add(r->service->turns, &look->work);
}

/* Reads on a slice at a time, then looks. */
static void run(void *context)
{
    struct reconcile *r = context;

    if (read_slice(r)) {
        loop_post(r->service->context->loop, &r->task);
        return;
    }
    r->next = 0;
    r->found = 0;
    go_on(r);
}

static void ring(void *context)
{
    struct reconcile *r = context;

    loop_post(r->service->context->loop, &r->task);
}

struct reconcile *reconcile_make(struct payments *service)
{
    struct reconcile *r;

    if (service->context->reads == NULL) return NULL; /* the writer is another process */
    r = need_memory(sizeof *r);
    r->service = service;
    r->timer = (struct loop_timer){.fire = ring, .context = r};
    r->task = (struct loop_task){.run = run, .context = r};
    loop_timer_set(service->context->loop, &r->timer, MINUTE_NS);
    return r;
}

void reconcile_free(struct reconcile *r)
{
    if (r == NULL) return;
    loop_timer_cancel(r->service->context->loop, &r->timer);
    loop_task_cancel(r->service->context->loop, &r->task);
    if (r->look != NULL) r->look->owner = NULL;
    mp_log_close(r->log);
    free(r->places);
    free(r);
}

unsigned reconcile_open(const struct reconcile *r) { return r != NULL ? r->count : 0; }
unsigned reconcile_findings(const struct reconcile *r) { return r != NULL ? r->findings : 0; }
