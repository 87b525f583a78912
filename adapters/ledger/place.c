/* Places in the ledger's history. */
#include "ledger/place.h"

#include "wire/buffer.h"

#include <stdio.h>
#include <stdlib.h>

#define LOOK_NS UINT64_C(5000000)    /* between two looks at the ledger while anybody waits */
#define WAIT_NS UINT64_C(2000000000) /* longest */

struct waiter {
    struct http_exchange *exchange;
    void (*seen)(struct http_exchange *exchange);
    uint64_t until_ns; /* of loop_elapsed_ns() */
    struct waiter *next;
};

struct places {
    struct loop *loop;
    mp_ledger *ledger;
    struct waiter *first, **end; /* in the order in which they came */
    struct loop_timer timer;
};

void ledger_place_print(mp_ledger *ledger, bool live, uint64_t sequence,
                        char out[LEDGER_PLACE_MAX + 1])
{
    mp_stats stats;

    mp_read_stats(ledger, &stats);
    snprintf(out, LEDGER_PLACE_MAX + 1, "%016llx.%s.%llu",
             (unsigned long long)(stats.timeline_high ^ stats.timeline_low), live ? "live" : "test",
             (unsigned long long)sequence);
}

uint64_t ledger_newest(mp_ledger *ledger)
{
    mp_stats stats;

    mp_read_stats(ledger, &stats);
    return stats.sequence;
}

void ledger_place_header(mp_ledger *ledger, struct http_exchange *exchange, uint64_t sequence)
{
    char text[LEDGER_PLACE_MAX + 1];

    if (ledger == NULL || sequence == 0) return;
    ledger_place_print(ledger, exchange->caller.live, sequence, text);
    http_set_header(exchange, "Micropay-Sequence", text);
}

/* --- waiting --- */

static uint64_t newest(const struct places *places)
{
    return places->ledger != NULL ? ledger_newest(places->ledger) : 0;
}

static void refuse(struct http_exchange *exchange)
{
    struct error err;

    error_set(&err, REASON_NOT_YET_VISIBLE, "the ledger has not come to %llu yet",
              (unsigned long long)exchange->at_least);
    error_hint(&err, "Ask again, with a Micropay-Sequence that this ledger has answered.");
    http_answer_problem(exchange, &err);
}

/* Takes all that are to be told now off the list: those whose place is seen or whose time is over.
 */
static struct waiter *take_due(struct places *places, uint64_t sequence, uint64_t now_ns)
{
    struct waiter *due = NULL, **due_end = &due, **link = &places->first;

    while (*link != NULL) {
        struct waiter *waiter = *link;

        if (waiter->exchange->at_least > sequence && waiter->until_ns > now_ns) {
            link = &waiter->next;
            continue;
        }
        *link = waiter->next;
        waiter->next = NULL;
        *due_end = waiter;
        due_end = &waiter->next;
    }
    places->end = link;
    return due;
}

static void tell(struct places *places, uint64_t sequence, uint64_t now_ns)
{
    struct waiter *due = take_due(places, sequence, now_ns);

    while (due != NULL) {
        struct waiter waiter = *due;

        free(due);
        due = waiter.next;
        if (waiter.exchange->at_least <= sequence)
            waiter.seen(waiter.exchange);
        else
            refuse(waiter.exchange);
    }
}

static void look(void *context)
{
    struct places *places = context;

    tell(places, newest(places), loop_elapsed_ns(places->loop));
    if (places->first != NULL) loop_timer_set(places->loop, &places->timer, LOOK_NS);
}

struct places *places_make(struct loop *loop, mp_ledger *ledger)
{
    struct places *places = need_memory(sizeof *places);

    places->loop = loop;
    places->ledger = ledger;
    places->end = &places->first;
    places->timer = (struct loop_timer){.fire = look, .context = places};
    return places;
}

void places_wait(struct places *places, struct http_exchange *exchange,
                 void (*seen)(struct http_exchange *exchange))
{
    struct waiter *waiter;

    if (exchange->at_least == 0 || exchange->at_least <= newest(places)) {
        seen(exchange);
        return;
    }
    if (places->first == NULL) loop_timer_set(places->loop, &places->timer, LOOK_NS);
    waiter = need_memory(sizeof *waiter);
    *waiter = (struct waiter){
        .exchange = exchange, .seen = seen, .until_ns = loop_elapsed_ns(places->loop) + WAIT_NS};
    *places->end = waiter;
    places->end = &waiter->next;
}

void places_end(struct places *places) { tell(places, 0, UINT64_MAX); }

void places_free(struct places *places)
{
    if (places == NULL) return;
    loop_timer_cancel(places->loop, &places->timer);
    while (places->first != NULL) {
        struct waiter *next = places->first->next;

        free(places->first);
        places->first = next;
    }
    free(places);
}
