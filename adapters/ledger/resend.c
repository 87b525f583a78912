/*
 * Commands without answer: a hash table by command, and a queue for each length of pause. All in
 * one queue wait equally long, so that the one added first is due first.
 */
#include "ledger/resend.h"

#include "observe/trace.h"
#include "wire/buffer.h"

#include <stdlib.h>
#include <string.h>

/* Pauses before the second, third, ... sending; the last one for ever after. */
static const uint64_t pauses_ns[] = {
    UINT64_C(5000000000),  UINT64_C(10000000000), UINT64_C(20000000000),
    UINT64_C(40000000000), UINT64_C(60000000000),
};
enum { PAUSES = sizeof pauses_ns / sizeof *pauses_ns, BUCKETS_MIN = 64 };

struct command {
    mp_id id;
    bool bind;
    uint8_t pause;             /* number of its queue */
    struct command *same_hash; /* the next one in its bucket */
    struct command *before, *next;
    uint64_t added_ns, due_ns; /* of loop_elapsed_ns() */
    struct uuid reply;
    size_t length;
    uint8_t bytes[];
};

struct queue {
    struct command *first, *last;
};

struct resend {
    struct loop *loop;
    struct ledger_port *port;
    unsigned listener;
    struct command **buckets;
    unsigned bucket_count, count;
    struct queue queues[PAUSES];
    struct loop_timer timer;
    uint64_t rings_ns; /* of loop_elapsed_ns(); 0 = not set */
};

/* --- by command --- */

static struct command **bucket(const struct resend *table, mp_id id)
{
    return &table->buckets[(unsigned)id & (table->bucket_count - 1)];
}

/* The link that points at a command; at NULL if there is none. */
static struct command **find(const struct resend *table, mp_id id, bool bind)
{
    struct command **link = bucket(table, id);

    while (*link != NULL && ((*link)->id != id || (*link)->bind != bind))
        link = &(*link)->same_hash;
    return link;
}

static void buckets_grow(struct resend *table)
{
    struct command **old = table->buckets;
    unsigned old_count = table->bucket_count;

    table->bucket_count *= 2;
    table->buckets = need_memory(table->bucket_count * sizeof(struct command *));
    for (unsigned i = 0; i < old_count; i++) {
        for (struct command *command = old[i], *next; command != NULL; command = next) {
            struct command **to = bucket(table, command->id);

            next = command->same_hash;
            command->same_hash = *to;
            *to = command;
        }
    }
    free(old);
}

/* --- by time --- */

static void queue_remove(struct resend *table, struct command *command)
{
    struct queue *queue = &table->queues[command->pause];

    *(command->before != NULL ? &command->before->next : &queue->first) = command->next;
    *(command->next != NULL ? &command->next->before : &queue->last) = command->before;
}

static void queue_add(struct resend *table, struct command *command)
{
    struct queue *queue = &table->queues[command->pause];

    command->due_ns = loop_elapsed_ns(table->loop) + pauses_ns[command->pause];
    command->next = NULL;
    command->before = queue->last;
    *(queue->last != NULL ? &queue->last->next : &queue->first) = command;
    queue->last = command;
}

/* The one that is due first; NULL if there is none. */
static struct command *first_due(const struct resend *table)
{
    struct command *first = NULL;

    for (unsigned i = 0; i < PAUSES; i++) {
        struct command *command = table->queues[i].first;

        if (command != NULL && (first == NULL || command->due_ns < first->due_ns)) first = command;
    }
    return first;
}

/* The timer is left alone where it rings soon enough: it isn't set anew with each command. */
static void timer_set(struct resend *table)
{
    const struct command *first = first_due(table);
    uint64_t now_ns = loop_elapsed_ns(table->loop);

    if (first == NULL || (table->rings_ns != 0 && table->rings_ns <= first->due_ns)) return;
    table->rings_ns = first->due_ns;
    loop_timer_set(table->loop, &table->timer, first->due_ns > now_ns ? first->due_ns - now_ns : 0);
}

static void send(struct resend *table, const struct command *command)
{
    struct chain chain;

    if (!table->port->ops->running(table->port)) return;
    if (!chain_decode(command->bytes, command->length, &chain)) abort(); /* resend_add() looked */
    ledger_send(table->port, table->listener, &chain, command->reply);
}

static void send_due(void *context)
{
    struct resend *table = context;
    uint64_t now_ns = loop_elapsed_ns(table->loop);
    struct command *command;

    table->rings_ns = 0;
    while ((command = first_due(table)) != NULL && command->due_ns <= now_ns) {
        queue_remove(table, command);
        if (command->pause + 1 < PAUSES) command->pause++;
        queue_add(table, command);
        send(table, command);
    }
    timer_set(table);
}

/* --- the table --- */

struct resend *resend_make(struct loop *loop, struct ledger_port *port, unsigned listener)
{
    struct resend *table = need_memory(sizeof *table);

    *table = (struct resend){
        .loop = loop,
        .port = port,
        .listener = listener,
        .buckets = need_memory(BUCKETS_MIN * sizeof(struct command *)),
        .bucket_count = BUCKETS_MIN,
        .timer = {.fire = send_due, .context = table},
    };
    return table;
}

static bool is_bind(const struct chain *chain)
{
    return chain->operation == MP_CREATE_TRANSFERS &&
           (chain->events.transfers[0].flags & MP_TRANSFER_BIND_ID) != 0;
}

/* The loop alone counts, any thread may ask. */
static void set_count(struct resend *table, unsigned count)
{
    __atomic_store_n(&table->count, count, __ATOMIC_RELAXED);
}

bool resend_add(struct resend *table, const void *bytes, size_t length, struct uuid reply)
{
    struct command *command, **link;
    struct chain chain;

    if (!chain_decode(bytes, length, &chain)) return false;
    if (*find(table, chain_id(&chain), is_bind(&chain)) != NULL) return true;
    if (table->count == table->bucket_count) buckets_grow(table);
    link = bucket(table, chain_id(&chain));
    command = need_memory(sizeof *command + length);
    command->id = chain_id(&chain);
    command->bind = is_bind(&chain);
    command->reply = reply;
    command->added_ns = loop_elapsed_ns(table->loop);
    command->length = length;
    memcpy(command->bytes, bytes, length);
    command->same_hash = *link;
    *link = command;
    set_count(table, table->count + 1);
    queue_add(table, command);
    timer_set(table);
    send(table, command);
    return true;
}

bool resend_answered(struct resend *table, const struct ledger_answer *answer)
{
    struct command **link, *command;

    if (answer->expiry) return false;
    link = find(table, answer->command, answer->bind);
    command = *link;
    if (command == NULL) return false;
    if (trace_is_on)
        span_took(SPAN_ledger_command, loop_elapsed_ns(table->loop) - command->added_ns);
    *link = command->same_hash;
    queue_remove(table, command);
    free(command);
    set_count(table, table->count - 1);
    return true;
}

unsigned resend_count(const struct resend *table)
{
    return __atomic_load_n(&table->count, __ATOMIC_RELAXED);
}

unsigned resend_older(const struct resend *table, uint64_t than_ns)
{
    uint64_t now_ns = loop_elapsed_ns(table->loop);
    unsigned older = 0;

    for (unsigned i = 0; i < PAUSES; i++)
        for (const struct command *c = table->queues[i].first; c != NULL; c = c->next)
            older += now_ns - c->added_ns > than_ns;
    return older;
}

void resend_free(struct resend *table)
{
    if (table == NULL) return;
    loop_timer_cancel(table->loop, &table->timer);
    for (unsigned i = 0; i < PAUSES; i++) {
        for (struct command *command = table->queues[i].first, *next; command; command = next) {
            next = command->next;
            free(command);
        }
    }
    free(table->buckets);
    free(table);
}
