/*
 * Payments to somebody outside: held in transit once captured, handed to a rail, and booked out of
 * the bank when it confirms, or given back when it returns them.
 *
 * What is to be handed over is found by an index, in batches; the file is durable before the rows
 * say so. News are looked for while anything is under way: every two seconds.
 */
#include "payments.h"

#include "observe/log.h"
#include "rail/rail.h"
#include "wire/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_MAX = 500 };
#define LOOK_NS UINT64_C(2000000000)

/* A piece of work: payments that something happened to. */
struct rail_work {
    struct work work;
    struct rails *owner; /* NULL: it was freed meanwhile */
    enum { RAIL_FIND, RAIL_MARK, RAIL_NEWS } what;
    unsigned count;
    struct uuid ids[BATCH_MAX];
    bool returned[BATCH_MAX];
    struct rail_payment *found; /* RAIL_FIND: what to send; texts in `seen` */
    struct payment *seen;
    unsigned found_count;
};

struct rails {
    struct payments *service;
    struct rail *rail;
    struct loop_timer timer;
    struct rail_work *under_way;
    bool wanted;
    uint64_t files;
    struct rail_news *news; /* of the file that is being applied */
    unsigned news_count, news_next;
};

static void look(struct rails *rails);

/* --- in the turn --- */

static enum outcome rail_load(struct work *work, struct turn *turn, struct error *err)
{
    struct rail_work *w = (struct rail_work *)work;
    struct row *row;

    if (w->owner == NULL) return OUTCOME_DONE;
    if (w->what == RAIL_FIND &&
        sql_for_rails(turn_store(turn), w->ids, BATCH_MAX, &w->count, err) != OUTCOME_DONE)
        return err->outcome;
    for (unsigned i = 0; i < w->count; i++)
        if (rows_load(w->owner->service, turn, w->ids[i], &row, err) != OUTCOME_DONE)
            return err->outcome;
    return OUTCOME_DONE;
}

/* Keeps what goes into the file: payments of the first one's scheme. */
static void find(struct rail_work *w, const struct payment *p)
{
    struct payment *seen;

    if (w->seen == NULL) {
        w->seen = need_memory(BATCH_MAX * sizeof *w->seen);
        w->found = need_memory(BATCH_MAX * sizeof *w->found);
    }
    if (w->found_count > 0 && strcmp(w->seen[0].scheme, p->scheme) != 0) return;
    seen = &w->seen[w->found_count];
    *seen = *p;
    w->found[w->found_count++] = (struct rail_payment){
        .payment = seen->id,
        .scheme = seen->scheme,
        .identifier = seen->identifier,
        .reference = seen->reference,
        .currency = seen->currency,
        .amount = seen->captured,
        .created_ns = seen->created_ns,
    };
}

static struct uuid return_id(struct uuid payment)
{
    struct hash_field fields[] = {{"rail.returned", 13}, {payment.bytes, sizeof payment}};
    uint8_t hash[32];

    hash_fields(fields, 2, hash);
    return uuid_8(hash);
}

static enum outcome rail_apply(struct work *work, struct turn *turn, struct error *err)
{
    struct rail_work *w = (struct rail_work *)work;
    enum outcome outcome = OUTCOME_DONE;

    for (unsigned i = 0; w->owner != NULL && i < w->count && outcome == OUTCOME_DONE; i++) {
        struct row *row = rows_find(&w->owner->service->rows, w->ids[i]);
        struct payment_input input = {.kind = INPUT_HANDED_OVER};

        if (row->payment == NULL) continue; /* the other side speaks of something else */
        if (w->what == RAIL_FIND) {
            if (row->payment->rail == RAIL_WANTED) find(w, row->payment);
            continue;
        }
        if (w->what == RAIL_NEWS) {
            input.kind = w->returned[i] ? INPUT_RETURN : INPUT_CONFIRMED;
            input.operation = return_id(w->ids[i]);
        }
        outcome = rows_step(w->owner->service, turn, row, &input, err);
        if (outcome == OUTCOME_REFUSED) outcome = OUTCOME_DONE; /* its status doesn't allow that */
    }
    return outcome;
}

static void rail_work_free(struct rail_work *w)
{
    free(w->found);
    free(w->seen);
    free(w);
}

static void again_later(struct rails *rails)
{
    loop_timer_set(rails->service->context->loop, &rails->timer, LOOK_NS);
}

static struct rail_work *begin(struct rails *rails, int what);
static void add(struct rails *rails, struct rail_work *w);

/* What was found goes into a file; then the rows say so. */
static void hand_over(struct rails *rails, const struct rail_work *found)
{
    struct rail_work *mark;
    struct error err = {0};
    char name[80], id[UUID_TEXT + 1];

    if (found->found_count == 0) {
        look(rails);
        return;
    }
    uuid_print(found->found[0].payment, id);
    snprintf(name, sizeof name, "%llu-%s",
             (unsigned long long)(loop_now_ns(rails->service->context->loop) / 1000000), id);
    if (rail_send(rails->rail, name, found->found, found->found_count, &err) != OUTCOME_DONE) {
        log_error(&(struct log_about){.service = "payment", .action = "rail.failed", .err = &err},
                  "payments wait for their rail");
        rails->wanted = true;
        again_later(rails);
        return;
    }
    rails->wanted = true; /* there may be more */
    mark = begin(rails, RAIL_MARK);
    mark->count = found->found_count;
    for (unsigned i = 0; i < found->found_count; i++) mark->ids[i] = found->found[i].payment;
    add(rails, mark);
}

static void rail_done_work(struct work *work, enum outcome outcome, const struct error *err)
{
    struct rail_work *w = (struct rail_work *)work;
    struct rails *rails = w->owner;

    (void)err;
    if (rails != NULL) {
        rails->under_way = NULL;
        if (outcome != OUTCOME_DONE) {
            rails->wanted |= w->what != RAIL_NEWS;
            if (w->what == RAIL_NEWS) rails->news_next -= w->count;
            again_later(rails);
        } else if (w->what == RAIL_FIND) {
            hand_over(rails, w);
        } else {
            look(rails);
        }
    }
    rail_work_free(w);
}

static struct rail_work *begin(struct rails *rails, int what)
{
    struct rail_work *w = need_memory(sizeof *w);

    w->work = (struct work){.load = rail_load, .apply = rail_apply, .done = rail_done_work};
    w->owner = rails;
    w->what = what;
    return w;
}

static void add(struct rails *rails, struct rail_work *w)
{
    rails->under_way = w;
    turns_add(rails->service->turns, &w->work);
}

/* --- news --- */

/* The next news of the file, or of the next file; false if there are none. */
static bool apply_news(struct rails *rails)
{
    struct error err = {0};
    struct rail_work *w;

    if (rails->news != NULL && rails->news_next == rails->news_count) {
        rail_done(rails->rail);
        free(rails->news);
        rails->news = NULL;
    }
    if (rails->news == NULL) {
        rails->news_next = 0;
        if (rail_receive(rails->rail, &rails->news, &rails->news_count, &err) != OUTCOME_DONE ||
            err.fault_count > 0)
            log_warn(&(struct log_about){.service = "payment", .action = "rail.news", .err = &err},
                     "not all of a rail's news could be read");
        if (rails->news_count == 0) {
            free(rails->news);
            rails->news = NULL;
            return false;
        }
    }
    w = begin(rails, RAIL_NEWS);
    while (rails->news_next < rails->news_count && w->count < BATCH_MAX) {
        w->ids[w->count] = rails->news[rails->news_next].payment;
        w->returned[w->count++] = rails->news[rails->news_next++].returned;
    }
    add(rails, w);
    return true;
}

static void look(struct rails *rails)
{
    if (rails->under_way != NULL) return;
    if (rails->wanted) {
        rails->wanted = false;
        add(rails, begin(rails, RAIL_FIND));
        return;
    }
    if (!apply_news(rails) && rail_was_used(rails->rail)) again_later(rails);
}

static void ring(void *context) { look(context); }

void rails_wake(struct rails *rails)
{
    if (rails == NULL) return;
    rails->wanted = true;
    loop_timer_set(rails->service->context->loop, &rails->timer, 0);
}

struct rails *rails_make(struct payments *service)
{
    struct buffer directory = {0};
    struct rails *rails;

    if (service->context->data == NULL) return NULL;
    rails = need_memory(sizeof *rails);
    rails->service = service;
    buffer_format(&directory, "%s/rails", service->context->data);
    rails->rail = rail_files_open(directory.bytes);
    buffer_done(&directory);
    rails->timer = (struct loop_timer){.fire = ring, .context = rails};
    rails->wanted = true; /* what an earlier life left */
    loop_timer_set(service->context->loop, &rails->timer, 0);
    return rails;
}

void rails_free(struct rails *rails)
{
    if (rails == NULL) return;
    loop_timer_cancel(rails->service->context->loop, &rails->timer);
    if (rails->under_way != NULL) rails->under_way->owner = NULL;
    rail_close(rails->rail);
    free(rails->news);
    free(rails);
}
