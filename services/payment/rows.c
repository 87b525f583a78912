/*
 * The payments of a turn: loaded once, changed by payment_step() alone, written once.
 *
 * An open payment is in turn after turn: it is kept in memory as it was committed. The guard on its
 * version finds out if somebody else has changed it; that turn fails, and the next one asks the
 * database.
 */
#include "payments.h"

#include "wire/buffer.h"

#include <stdlib.h>
#include <string.h>

static unsigned place_of(const struct rows *rows, struct uuid id)
{
    uint64_t hash;

    memcpy(&hash, id.bytes + 8, sizeof hash); /* ids are hashes themselves */
    return (unsigned)(hash & (rows->room - 1));
}

struct row *rows_find(struct rows *rows, struct uuid id)
{
    for (unsigned at = place_of(rows, id); rows->slots[at] != NULL;
         at = (at + 1) & (rows->room - 1))
        if (uuid_equal(rows->slots[at]->id, id)) return rows->slots[at];
    return NULL;
}

static void grow(struct rows *rows)
{
    free(rows->slots);
    rows->room = rows->room == 0 ? 2048 : rows->room * 2;
    rows->slots = need_memory(rows->room * sizeof(struct row *));
    for (struct row *row = rows->first; row != NULL; row = row->next) {
        unsigned at = place_of(rows, row->id);

        while (rows->slots[at] != NULL) at = (at + 1) & (rows->room - 1);
        rows->slots[at] = row;
    }
}

static struct row *add(struct rows *rows, struct uuid id)
{
    struct row *row = need_memory(sizeof *row);
    unsigned at;

    if (rows->count * 2 >= rows->room) grow(rows);
    row->id = id;
    *rows->end = row;
    rows->end = &row->next;
    rows->count++;
    for (at = place_of(rows, id); rows->slots[at] != NULL; at = (at + 1) & (rows->room - 1)) {
    }
    rows->slots[at] = row;
    return row;
}

void rows_begin(void *context, struct turn *turn)
{
    struct payments *service = context;

    (void)turn;
    service->rows.first = NULL;
    service->rows.end = &service->rows.first;
    service->rows.count = 0;
    if (service->rows.room == 0) grow(&service->rows);
}

/* --- kept from turn to turn --- */

static struct payment **kept_place(struct rows *rows, struct uuid id)
{
    uint64_t hash;

    memcpy(&hash, id.bytes + 8, sizeof hash);
    return &rows->kept[hash & (KEPT_MAX - 1)];
}

static struct payment *take_kept(struct rows *rows, struct uuid id)
{
    struct payment **place = kept_place(rows, id), *p = *place;

    if (p == NULL || !uuid_equal(p->id, id)) return NULL;
    *place = NULL;
    return p;
}

/* As if it had been read from the database just now. */
static void keep(struct rows *rows, struct payment *p)
{
    struct payment **place = kept_place(rows, p->id);

    p->changed = p->fresh = false;
    p->version_stored = p->version;
    for (unsigned i = 0; i < p->operation_count; i++) p->operations[i].row = ROW_SAME;
    payment_free(*place);
    *place = p;
}

enum outcome rows_load(struct payments *service, struct turn *turn, struct uuid id,
                       struct row **out, struct error *err)
{
    *out = rows_find(&service->rows, id);
    if (*out != NULL) return OUTCOME_DONE;
    *out = add(&service->rows, id);
    (*out)->payment = take_kept(&service->rows, id);
    if ((*out)->payment != NULL) return OUTCOME_DONE;
    return sql_load_payment(turn_store(turn), id, *out, err);
}

/* What counts towards the limit of payments under way: the ledger or fraud owes an answer. */
static bool waits(const struct payment *p) { return payment_is_open(p) && !payment_is_settled(p); }

static void remember_sends(struct row *row, const struct payment_effects *effects)
{
    for (unsigned i = 0; i < effects->send_count; i++) {
        const struct operation *op = &row->payment->operations[effects->sends[i]];

        if (row->send_count == sizeof row->sends / sizeof *row->sends) return; /* resent by timer */
        row->sends[row->send_count].operation = op->id;
        row->sends[row->send_count++].step = op->step;
    }
}

enum outcome rows_step(struct payments *service, struct turn *turn, struct row *row,
                       const struct payment_input *input, struct error *err)
{
    struct payment_effects effects;
    enum outcome outcome;

    if (!row->known) {
        row->known = true;
        if (!row->payment->fresh) {
            row->waited = waits(row->payment);
            row->status_before = row->payment->status;
            row->settled_before = payment_is_settled(row->payment);
        }
    }
    outcome = payment_step(row->payment, input, &service->policy, turn_now_ns(turn), &effects, err);
    if (outcome != OUTCOME_DONE) return outcome;
    remember_sends(row, &effects);
    row->alert |= effects.alert;
    outcome = announce(turn, row->payment, &effects, err);
    if (outcome == OUTCOME_DONE && effects.limits_back != 0)
        outcome =
            limits_give_back(turn, row->payment, effects.limits_back, effects.limits_back_one, err);
    return outcome;
}

static enum outcome write_timer(struct payments *service, struct turn *turn, struct payment *p,
                                struct error *err)
{
    uint64_t due = payment_due(p, &service->policy);
    enum outcome outcome = OUTCOME_DONE;

    if (due == p->due_ns) return OUTCOME_DONE;
    if (due == 0)
        outcome = turn_timer_clear(turn, TIMER_PAYMENT, p->id, err);
    else
        outcome = turn_timer_set(turn, TIMER_PAYMENT, p->id, due, err);
    p->due_ns = due;
    return outcome;
}

static enum outcome write_row(struct payments *service, struct turn *turn, struct payment *p,
                              struct error *err)
{
    struct store *store = turn_store(turn);
    enum outcome outcome = write_timer(service, turn, p, err);

    if (outcome == OUTCOME_DONE) outcome = sql_store_payment(store, p, err);
    for (unsigned i = 0; i < p->operation_count && outcome == OUTCOME_DONE; i++)
        if (p->operations[i].row != ROW_SAME) outcome = sql_store_operation(store, p, i, err);
    return outcome;
}

enum outcome rows_write(void *context, struct turn *turn, struct error *err)
{
    struct payments *service = context;
    enum outcome outcome = OUTCOME_DONE;

    for (struct row *row = service->rows.first; row != NULL && outcome == OUTCOME_DONE;
         row = row->next)
        if (row->payment != NULL && row->payment->changed)
            outcome = write_row(service, turn, row->payment, err);
    if (outcome == OUTCOME_DONE && service->expiry_position > service->expiry_position_stored)
        outcome = sql_store_position(turn_store(turn), service->expiry_position, err);
    return outcome;
}

static void send_row(struct payments *service, const struct row *row)
{
    for (unsigned i = 0; i < row->send_count; i++) {
        const struct operation *op =
            payment_operation(row->payment, row->sends[i].operation, row->sends[i].step);

        /* answered within the same turn it needs no sending */
        if (op == NULL || op->state != OPERATION_SENT) continue;
        if (!resend_add(service->resend, op->chain, op->chain_length, row->id)) abort();
    }
}

static void free_row(struct row *row)
{
    payment_free(row->payment);
    free(row);
}

/* Those that have ended are told of when the next turn has begun: the worker needn't wait. */
static void tell_ended(void *context)
{
    struct payments *service = context;

    while (service->ended != NULL) {
        struct row *row = service->ended;

        service->ended = row->next;
        payment_tell(service, row->payment);
        free_row(row);
    }
}

void rows_make(struct payments *service)
{
    service->tell = (struct loop_task){.run = tell_ended, .context = service};
}

void rows_free(struct payments *service)
{
    loop_task_cancel(service->context->loop, &service->tell);
    while (service->ended != NULL) {
        struct row *row = service->ended;

        service->ended = row->next;
        free_row(row);
    }
    for (unsigned i = 0; i < KEPT_MAX; i++) payment_free(service->rows.kept[i]);
    free(service->rows.slots);
}

static void end_row(struct payments *service, struct row *row, bool committed)
{
    if (!committed || row->payment == NULL) {
        free_row(row);
    } else if (payment_is_open(row->payment)) {
        if (row->payment->changed) payment_tell(service, row->payment);
        keep(&service->rows, row->payment);
        free(row);
    } else if (row->payment->changed) {
        row->next = service->ended;
        service->ended = row;
        loop_post(service->context->loop, &service->tell);
    } else {
        free_row(row);
    }
}

static void end_rows(struct payments *service, bool committed)
{
    struct rows *rows = &service->rows;

    while (rows->first != NULL) {
        struct row *row = rows->first;

        rows->first = row->next;
        end_row(service, row, committed);
    }
    rows->end = &rows->first;
    rows->count = 0;
    memset(rows->slots, 0, rows->room * sizeof(struct row *));
}

void rows_end(void *context, struct turn *turn, bool committed)
{
    struct payments *service = context;

    (void)turn;
    if (committed) service->expiry_position_stored = service->expiry_position;
    for (struct row *row = service->rows.first; committed && row != NULL; row = row->next) {
        if (row->payment == NULL || !row->payment->changed) continue;
        send_row(service, row);
        service->open += waits(row->payment);
        service->open -= row->waited;
        measure_row(row);
        if (row->payment->rail == RAIL_WANTED) rails_wake(service->rails);
    }
    end_rows(service, committed);
}
