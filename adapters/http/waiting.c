/* A hash of chains by id, and a heap by deadline. */
#include "http/waiting.h"

#include <stdlib.h>
#include <string.h>

#define MS_NS UINT64_C(1000000)
enum { CHAINS_FIRST = 64 };

struct waiter {
    struct uuid id;
    struct http_exchange *exchange;
    void (*timeout)(struct http_exchange *exchange);
    uint64_t due_ns;
    unsigned place;                 /* in the heap */
    struct waiter *previous, *next; /* of its chain, in the order in which they came */
};

struct chain {
    struct waiter *first, *last;
};

struct waiting {
    struct loop *loop;
    struct loop_timer timer;
    uint64_t timer_ns; /* when it fires; 0 = not set */
    struct chain *chains;
    unsigned chain_count; /* a power of two */
    struct waiter **heap;
    unsigned count, room;
};

/* --- heap --- */

static void put(struct waiting *table, unsigned place, struct waiter *waiter)
{
    table->heap[place] = waiter;
    waiter->place = place;
}

static void sift_up(struct waiting *table, unsigned place)
{
    struct waiter *waiter = table->heap[place];

    for (; place > 0 && waiter->due_ns < table->heap[(place - 1) / 2]->due_ns;
         place = (place - 1) / 2)
        put(table, place, table->heap[(place - 1) / 2]);
    put(table, place, waiter);
}

static void sift_down(struct waiting *table, unsigned place)
{
    struct waiter *waiter = table->heap[place];

    for (;;) {
        unsigned child = 2 * place + 1;

        if (child >= table->count) break;
        if (child + 1 < table->count && table->heap[child + 1]->due_ns < table->heap[child]->due_ns)
            child++;
        if (table->heap[child]->due_ns >= waiter->due_ns) break;
        put(table, place, table->heap[child]);
        place = child;
    }
    put(table, place, waiter);
}

/* --- chains --- */

static struct chain *chain_of(const struct waiting *table, struct uuid id)
{
    uint64_t halves[2];

    memcpy(halves, id.bytes, sizeof halves);
    /* ids are hashes or random, but for a few bits of either half */
    halves[0] ^= halves[1] * UINT64_C(0x9e3779b97f4a7c15);
    return &table->chains[(halves[0] ^ halves[0] >> 32) & (table->chain_count - 1)];
}

static void link_last(struct waiting *table, struct waiter *waiter)
{
    struct chain *chain = chain_of(table, waiter->id);

    waiter->previous = chain->last;
    waiter->next = NULL;
    if (chain->last != NULL)
        chain->last->next = waiter;
    else
        chain->first = waiter;
    chain->last = waiter;
}

static void unlink_waiter(struct waiting *table, struct waiter *waiter)
{
    struct chain *chain = chain_of(table, waiter->id);

    if (waiter->previous != NULL)
        waiter->previous->next = waiter->next;
    else
        chain->first = waiter->next;
    if (waiter->next != NULL)
        waiter->next->previous = waiter->previous;
    else
        chain->last = waiter->previous;
}

/* Twice as many chains; within one the order stays. */
static void grow(struct waiting *table)
{
    struct chain *old = table->chains;
    unsigned old_count = table->chain_count;

    table->chain_count *= 2;
    table->chains = need_memory(table->chain_count * sizeof *table->chains);
    for (unsigned i = 0; i < old_count; i++) {
        struct waiter *next;

        for (struct waiter *waiter = old[i].first; waiter != NULL; waiter = next) {
            next = waiter->next;
            link_last(table, waiter);
        }
    }
    free(old);
}

/* --- the timer --- */

static void set_timer(struct waiting *table)
{
    uint64_t now_ns, due_ns;

    if (table->count == 0) {
        loop_timer_cancel(table->loop, &table->timer);
        table->timer_ns = 0;
        return;
    }
    due_ns = table->heap[0]->due_ns;
    if (table->timer_ns != 0 && table->timer_ns <= due_ns) return; /* early: looks and sets anew */
    now_ns = loop_elapsed_ns(table->loop);
    table->timer_ns = due_ns;
    loop_timer_set(table->loop, &table->timer, due_ns > now_ns ? due_ns - now_ns : 0);
}

/* Takes it out; the exchange is no longer the table's. */
static void take_out(struct waiting *table, struct waiter *waiter)
{
    unsigned place = waiter->place;

    unlink_waiter(table, waiter);
    table->count--;
    if (place < table->count) {
        put(table, place, table->heap[table->count]);
        sift_up(table, place);
        sift_down(table, place);
    }
    free(waiter);
}

static void end_first(struct waiting *table)
{
    struct waiter *waiter = table->heap[0];
    struct http_exchange *exchange = waiter->exchange;
    void (*timeout)(struct http_exchange *) = waiter->timeout;

    take_out(table, waiter);
    timeout(exchange);
}

static void on_timer(void *context)
{
    struct waiting *table = context;
    uint64_t now_ns = loop_elapsed_ns(table->loop);

    table->timer_ns = 0;
    while (table->count > 0 && table->heap[0]->due_ns <= now_ns) end_first(table);
    set_timer(table);
}

/* --- the verbs --- */

struct waiting *waiting_make(struct loop *loop)
{
    struct waiting *table = need_memory(sizeof *table);

    table->loop = loop;
    table->timer = (struct loop_timer){.fire = on_timer, .context = table};
    table->chain_count = CHAINS_FIRST;
    table->chains = need_memory(table->chain_count * sizeof *table->chains);
    return table;
}

void waiting_free(struct waiting *table)
{
    loop_timer_cancel(table->loop, &table->timer);
    for (unsigned i = 0; i < table->count; i++) free(table->heap[i]);
    free(table->chains);
    free(table->heap);
    free(table);
}

void waiting_add(struct waiting *table, struct uuid id, struct http_exchange *exchange,
                 uint64_t wait_ms, void (*timeout)(struct http_exchange *exchange))
{
    struct waiter *waiter = need_memory(sizeof *waiter);

    *waiter = (struct waiter){
        .id = id,
        .exchange = exchange,
        .timeout = timeout,
        .due_ns = loop_elapsed_ns(table->loop) + wait_ms * MS_NS,
    };
    if (table->count == table->chain_count) grow(table);
    if (table->count == table->room) {
        table->room = table->room > 0 ? 2 * table->room : CHAINS_FIRST;
        table->heap = need_more_memory(table->heap, table->room * sizeof(struct waiter *));
    }
    link_last(table, waiter);
    put(table, table->count++, waiter);
    sift_up(table, waiter->place);
    set_timer(table);
}

unsigned waiting_tell(struct waiting *table, struct uuid id,
                      bool (*tell)(struct http_exchange *exchange, void *context), void *context)
{
    unsigned answered = 0;
    struct waiter *next;

    for (struct waiter *waiter = chain_of(table, id)->first; waiter != NULL; waiter = next) {
        next = waiter->next;
        if (!uuid_equal(waiter->id, id) || !tell(waiter->exchange, context)) continue;
        take_out(table, waiter);
        answered++;
    }
    if (answered > 0) set_timer(table);
    return answered;
}

bool waiting_for(const struct waiting *table, struct uuid id)
{
    for (const struct waiter *w = chain_of(table, id)->first; w != NULL; w = w->next)
        if (uuid_equal(w->id, id)) return true;
    return false;
}

unsigned waiting_count(const struct waiting *table) { return table->count; }

void waiting_end(struct waiting *table)
{
    while (table->count > 0) end_first(table);
    set_timer(table);
}
