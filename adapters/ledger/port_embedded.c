/*
 * The writer in this process. Chains that are sent during one round of the loop go to the engine as
 * one request; requests that come whole go as they are. The engine's eventfd tells when some are
 * done.
 *
 * Order. The engine releases requests in the order in which it applied them, and that is the order
 * of their timestamps. So the requests found done are handed out by timestamp, once a look at all
 * of them finds no further one done. Expiries are read from the log; one is handed out when every
 * request that was under way when it was read is done, before results with a later timestamp.
 */
#include "ledger/batches.h"
#include "ledger/ids.h"
#include "wire/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LISTENERS_MAX = 16,
    SPARE_MAX = 8,
    READ_MAX = 4096, /* records of the log that a drive looks through */
};
#define RETRY_NS UINT64_C(50000000) /* after the engine refused a request whole */

struct held_expiry {
    struct ledger_answer answer;
    uint16_t code;
    uint64_t position; /* of its record; answer.expiry_position is its block's */
    uint64_t barrier;  /* requests up to this number must be done first */
};

struct registered {
    struct ledger_listener listener;
    uint64_t told; /* position of the last expiry that it was told in this life */
};

struct embedded {
    struct ledger_port port;
    struct loop *loop;
    mp_ledger *ledger;
    struct registered listeners[LISTENERS_MAX];
    unsigned listener_count;

    struct batch *filling[MP_UPDATE_ACCOUNTS + 1]; /* by operation */
    struct batch *full, **full_end;                /* to be submitted, oldest first */
    struct batch *under_way;
    struct batch *spare;
    unsigned spare_count;
    uint64_t submitted; /* number of the newest */
    uint64_t outstanding;

    mp_log *log;
    uint64_t log_from; /* where the log is read from when it is opened */
    struct held_expiry *expiries;
    unsigned expiry_count, expiry_room;

    struct ledger_follower *followers;
    uint64_t followed; /* log position that they know of */

    struct loop_task flush, look;
    struct loop_timer retry;
    struct loop_watch watch;
    bool watching, stopped;
};

static void flush(void *context);

/* --- sending --- */

static struct batch *batch_take(struct embedded *port)
{
    struct batch *batch = port->spare;

    if (batch == NULL) return batch_make();
    port->spare = batch->next;
    port->spare_count--;
    return batch;
}

static void batch_give(struct embedded *port, struct batch *batch)
{
    if (port->spare_count == SPARE_MAX || batch->event_room > 1024) {
        batch_free(batch);
        return;
    }
    batch->request = (mp_request){0};
    batch->whole_done = NULL;
    batch->entry_count = 0;
    batch->next = port->spare;
    port->spare = batch;
    port->spare_count++;
}

static void queue_full(struct embedded *port, struct batch *batch)
{
    batch->next = NULL;
    *port->full_end = batch;
    port->full_end = &batch->next;
}

static struct entry *add(struct embedded *port, const struct chain *chain)
{
    struct batch **filling = &port->filling[chain->operation];

    if (*filling != NULL && !batch_has_room(*filling, chain->count)) {
        queue_full(port, *filling);
        *filling = NULL;
    }
    if (*filling == NULL) *filling = batch_take(port);
    loop_post(port->loop, &port->flush);
    return batch_add(*filling, chain);
}

static void embedded_send(struct ledger_port *base, unsigned listener, const struct chain *chain,
                          struct uuid reply)
{
    struct embedded *port = (struct embedded *)base;
    struct entry *entry = add(port, chain);

    entry->listener = listener;
    entry->reply = reply;
    port->outstanding++;
}

static void queue_filling(struct embedded *port)
{
    for (unsigned i = 0; i <= MP_UPDATE_ACCOUNTS; i++) {
        if (port->filling[i] == NULL) continue;
        queue_full(port, port->filling[i]);
        port->filling[i] = NULL;
    }
}

void ledger_port_submit(struct ledger_port *base, const mp_request *request,
                        void (*done)(void *context, mp_status status), void *context)
{
    struct embedded *port = (struct embedded *)base;
    struct batch *batch = batch_take(port);

    batch->request = *request;
    batch->whole_done = done;
    batch->whole_context = context;
    port->outstanding++;
    queue_filling(port); /* what was sent before goes before */
    queue_full(port, batch);
    loop_post(port->loop, &port->flush);
}

static void end_whole(struct embedded *port, struct batch *batch, mp_status status)
{
    void (*done)(void *context, mp_status status) = batch->whole_done;
    void *context = batch->whole_context;

    port->outstanding--;
    batch_give(port, batch);
    done(context, status);
}

static mp_status submit(struct embedded *port, struct batch *batch)
{
    bool whole = batch->whole_done != NULL;
    bool sums = batch->request.operation == MP_CREATE_TRANSFERS;

    batch->request = (mp_request){
        .operation = batch->request.operation,
        .count = batch->request.count,
        .events = whole ? batch->request.events : batch->events,
        .results = whole ? batch->request.results : batch->results,
        .sums = whole  ? batch->request.sums
                : sums ? batch->sums
                       : NULL,
    };
    return mp_submit(port->ledger, &batch->request);
}

static struct batch *take_full(struct embedded *port)
{
    struct batch *batch = port->full;

    port->full = batch->next;
    if (port->full == NULL) port->full_end = &port->full;
    return batch;
}

/* The writer has stopped: askers of whole requests are told, chains wait for the next life. */
static void stop(struct embedded *port)
{
    struct batch *queue = port->full;

    port->stopped = true;
    port->full = NULL;
    port->full_end = &port->full;
    while (queue != NULL) {
        struct batch *batch = queue;

        queue = batch->next;
        if (batch->whole_done != NULL)
            end_whole(port, batch, MP_STOPPED);
        else
            queue_full(port, batch);
    }
}

static void flush(void *context)
{
    struct embedded *port = context;

    queue_filling(port);
    if (port->stopped) {
        stop(port);
        return;
    }
    while (port->full != NULL) {
        struct batch *batch = port->full;
        mp_status status = submit(port, batch);

        if (status == MP_BUSY) {
            loop_timer_set(port->loop, &port->retry, RETRY_NS);
            return;
        }
        if (status == MP_INVALID || status == MP_BATCH_TOO_LARGE) {
            if (batch->whole_done == NULL) abort(); /* the port makes no such request */
            end_whole(port, take_full(port), status);
            continue;
        }
        if (status != MP_OK) {
            stop(port);
            return;
        }
        take_full(port);
        batch->number = ++port->submitted;
        batch->next = port->under_way;
        port->under_way = batch;
    }
}

/* --- answers --- */

static bool code_exists(uint32_t operation, uint32_t code)
{
    return operation == MP_CREATE_ACCOUNTS ? code == MP_ACCOUNT_EXISTS : code == MP_TRANSFER_EXISTS;
}

/* Whether a refusal stays what it is however often the chain is sent: its id is bound, or what it
 * refers to is over for good, or the id is another event's. */
static bool is_final(uint32_t operation, uint32_t code)
{
    if (operation == MP_CREATE_ACCOUNTS) return true;
    if (mp_transfer_result_binds(code)) return true;
    switch (code) {
    case MP_TRANSFER_ID_ALREADY_FAILED:
    case MP_TRANSFER_PENDING_TRANSFER_ALREADY_POSTED:
    case MP_TRANSFER_PENDING_TRANSFER_ALREADY_VOIDED:
    case MP_TRANSFER_PENDING_TRANSFER_EXPIRED:
    case MP_TRANSFER_EXISTS_WITH_DIFFERENT_FLAGS:
    case MP_TRANSFER_EXISTS_WITH_DIFFERENT_PENDING_ID:
    case MP_TRANSFER_EXISTS_WITH_DIFFERENT_TIMEOUT:
    case MP_TRANSFER_EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID:
    case MP_TRANSFER_EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID:
    case MP_TRANSFER_EXISTS_WITH_DIFFERENT_ACCOUNT_ID:
    case MP_TRANSFER_EXISTS_WITH_DIFFERENT_AMOUNT:
    case MP_TRANSFER_EXISTS_WITH_DIFFERENT_USER_DATA_128:
    case MP_TRANSFER_EXISTS_WITH_DIFFERENT_USER_DATA_64:
    case MP_TRANSFER_EXISTS_WITH_DIFFERENT_USER_DATA_32:
    case MP_TRANSFER_EXISTS_WITH_DIFFERENT_LEDGER:
    case MP_TRANSFER_EXISTS_WITH_DIFFERENT_CODE: return true;
    default: return false;
    }
}

/* Index of the event that broke the chain; count if it was applied. */
static uint32_t breaker(const struct batch *batch, const struct entry *entry)
{
    for (uint32_t i = 0; i < entry->count; i++) {
        uint32_t code = batch->results[entry->first + i].result;

        if (code != MP_CREATED && code != MP_TRANSFER_LINKED_EVENT_FAILED) return i;
    }
    return entry->count;
}

/* Fills in the transfers as they are recorded. False: one is not found, or can't be read. */
static bool look_up(struct embedded *port, const struct batch *batch, const struct entry *entry,
                    struct ledger_answer *answer)
{
    const mp_transfer *sent = (const mp_transfer *)(const void *)batch->events + entry->first;
    mp_id ids[CHAIN_MAX];
    uint32_t found = 0;

    for (uint32_t i = 0; i < entry->count; i++) ids[i] = sent[i].id;
    return mp_lookup_transfers(port->ledger, ids, entry->count, answer->transfers, &found) ==
               MP_OK &&
           found == entry->count;
}

/* The amount that an applied event moved is in it, unless it asked for all that is left. */
static bool amounts_are_known(const mp_transfer *sent, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (sent[i].amount == MP_AMOUNT_MAX) return false;
    return true;
}

static bool fill_applied(struct embedded *port, const struct batch *batch,
                         const struct entry *entry, struct ledger_answer *answer)
{
    const mp_transfer *sent = (const mp_transfer *)(const void *)batch->events + entry->first;
    const mp_result *last = &batch->results[entry->first + entry->count - 1];

    answer->applied = true;
    answer->code = MP_CREATED;
    if (!answer->before) {
        answer->sequence = last->sequence;
        answer->timestamp = last->timestamp;
    }
    if (batch->request.operation != MP_CREATE_TRANSFERS) return true;
    if (!answer->before) {
        memcpy(answer->sums, batch->sums + entry->first, entry->count * sizeof *answer->sums);
        if (amounts_are_known(sent, entry->count)) {
            memcpy(answer->transfers, sent, entry->count * sizeof *sent);
            for (uint32_t i = 0; i < entry->count; i++)
                answer->transfers[i].timestamp = batch->results[entry->first + i].timestamp;
            return true;
        }
    }
    if (!look_up(port, batch, entry, answer)) return false;
    answer->timestamp = answer->transfers[entry->count - 1].timestamp;
    return true;
}

static void tell(struct embedded *port, unsigned listener, const struct ledger_answer *answer)
{
    const struct ledger_listener *to = &port->listeners[listener].listener;

    port->outstanding--;
    to->answered(to->context, answer);
}

static struct ledger_answer *answer_begin(const struct batch *batch, const struct entry *entry)
{
    static struct ledger_answer answer;
    struct chain chain;

    batch_chain(batch, entry, &chain);
    memset(&answer, 0, offsetof(struct ledger_answer, transfers));
    answer.command = chain_id(&chain);
    answer.reply = entry->reply;
    answer.count = entry->count;
    return &answer;
}

/* Sends bind_id of the chain's first id; the refusal is told when that is answered. */
static void bind_first(struct embedded *port, const struct batch *batch, const struct entry *entry,
                       uint32_t code, uint32_t broke)
{
    struct refusal *refusal = need_memory(sizeof *refusal);
    struct chain bind = {.operation = MP_CREATE_TRANSFERS, .count = 1};
    struct entry *added, copy = *entry;

    batch_chain(batch, entry, &refusal->chain);
    refusal->code = code;
    refusal->broke = broke;
    bind.events.transfers[0].id = chain_id(&refusal->chain);
    bind.events.transfers[0].flags = MP_TRANSFER_BIND_ID;
    added = add(port, &bind);
    added->listener = copy.listener;
    added->reply = copy.reply;
    added->purpose = ENTRY_BIND;
    added->refusal = refusal;
}

static void send_again(struct embedded *port, const struct entry *entry, const struct chain *chain)
{
    struct entry copy = *entry, *added = add(port, chain);

    added->listener = copy.listener;
    added->reply = copy.reply;
}

static void answer_refused(struct embedded *port, const struct batch *batch,
                           const struct entry *entry, uint32_t code, uint32_t broke)
{
    struct ledger_answer *answer = answer_begin(batch, entry);

    answer->code = code;
    answer->broke = broke;
    answer->timestamp = batch->results[entry->first + broke].timestamp;
    tell(port, entry->listener, answer);
}

/* A bind_id that a service sent: its code is the answer. */
static bool is_bind(const struct batch *batch, const struct entry *entry)
{
    const mp_transfer *events = (const mp_transfer *)(const void *)batch->events;

    return batch->request.operation == MP_CREATE_TRANSFERS &&
           (events[entry->first].flags & MP_TRANSFER_BIND_ID) != 0;
}

static void answer_bind(struct embedded *port, const struct batch *batch, const struct entry *entry)
{
    struct ledger_answer *answer = answer_begin(batch, entry);

    answer->bind = true;
    answer->code = batch->results[entry->first].result;
    answer->timestamp = batch->results[entry->first].timestamp;
    tell(port, entry->listener, answer);
}

static void answer_chain(struct embedded *port, const struct batch *batch,
                         const struct entry *entry)
{
    uint32_t broke = breaker(batch, entry);
    uint32_t operation = batch->request.operation;
    const mp_result *result = &batch->results[entry->first + broke];
    struct ledger_answer *answer;

    if (broke < entry->count && !code_exists(operation, result->result)) {
        bool failed =
            operation != MP_CREATE_ACCOUNTS && result->result == MP_TRANSFER_ID_ALREADY_FAILED;
        uint32_t code = failed ? result->bound_code : result->result;

        if (!is_final(operation, result->result))
            bind_first(port, batch, entry, code, broke);
        else
            answer_refused(port, batch, entry, code, broke);
        return;
    }
    answer = answer_begin(batch, entry);
    answer->before = broke < entry->count;
    if (answer->before) {
        answer->sequence = result->sequence;
        answer->timestamp = result->timestamp;
    }
    if (fill_applied(port, batch, entry, answer)) {
        tell(port, entry->listener, answer);
    } else {
        struct chain chain; /* the log can't be read just now */

        batch_chain(batch, entry, &chain);
        send_again(port, entry, &chain);
    }
}

/* The port's own bind_id was answered. */
static void answer_bound(struct embedded *port, const struct batch *batch,
                         const struct entry *entry)
{
    const mp_result *result = &batch->results[entry->first];
    struct refusal *refusal = entry->refusal;
    struct ledger_answer *answer;

    if (result->result != MP_TRANSFER_ID_BOUND && result->result != MP_TRANSFER_ID_ALREADY_FAILED) {
        send_again(port, entry, &refusal->chain); /* applied meanwhile: an earlier sending was */
        return;
    }
    answer = answer_begin(batch, entry);
    answer->count = refusal->chain.count;
    answer->code = refusal->code;
    answer->broke = refusal->broke;
    answer->timestamp = result->timestamp;
    tell(port, entry->listener, answer);
}

static void answer_entry(struct embedded *port, const struct batch *batch,
                         const struct entry *entry)
{
    if (entry->purpose == ENTRY_BIND)
        answer_bound(port, batch, entry);
    else if (is_bind(batch, entry))
        answer_bind(port, batch, entry);
    else
        answer_chain(port, batch, entry);
}

/* --- expiries --- */

static void hold_expiry(struct embedded *port, const mp_record *record)
{
    struct held_expiry *held;
    const mp_transfer *transfer = &record->change.transfer;

    if (port->expiry_count == port->expiry_room) {
        port->expiry_room = port->expiry_room == 0 ? 16 : port->expiry_room * 2;
        port->expiries =
            need_more_memory(port->expiries, port->expiry_room * sizeof *port->expiries);
    }
    held = &port->expiries[port->expiry_count++];
    memset(held, 0, sizeof *held);
    held->code = transfer->code;
    held->barrier = port->submitted;
    held->answer.expiry = true;
    held->answer.command = transfer->pending_id;
    held->answer.reply = uuid_of_id(transfer->user_data_128);
    held->answer.amount = transfer->amount;
    held->answer.sequence = record->sequence;
    held->answer.timestamp = record->timestamp;
    held->position = record->position;
    held->answer.expiry_position = record->block_position; /* the log is opened at blocks alone */
}

/* Looks for expiries in what the log has gained; true if there is more to read. */
static bool read_log(struct embedded *port)
{
    static mp_record record;

    if (port->log_from == UINT64_MAX) return false; /* nobody listens to expiries */
    if (port->log == NULL && mp_log_open(port->ledger, port->log_from, &port->log) != MP_OK) {
        port->log = NULL;
        return false;
    }
    for (unsigned i = 0; i < READ_MAX; i++) {
        if (mp_log_next(port->log, &record) != MP_OK) return false;
        if (record.kind == MP_RECORD_EXPIRY) hold_expiry(port, &record);
    }
    return true;
}

static uint64_t oldest_under_way(const struct embedded *port)
{
    uint64_t oldest = UINT64_MAX;

    for (const struct batch *batch = port->under_way; batch != NULL; batch = batch->next)
        if (batch->number < oldest) oldest = batch->number;
    return oldest;
}

static void tell_expiry(struct embedded *port, const struct held_expiry *held)
{
    for (unsigned i = 0; i < port->listener_count; i++) {
        struct registered *registered = &port->listeners[i];
        const struct ledger_listener *to = &registered->listener;

        if (held->code < to->code_min || held->code > to->code_max) continue;
        if (held->answer.expiry_position < to->expiry_position) continue;
        if (held->position <= registered->told) continue;
        registered->told = held->position;
        to->answered(to->context, &held->answer);
    }
}

/* Tells expiries that are older than `before` and wait for nobody. */
static bool tell_expiries(struct embedded *port, uint64_t oldest, uint64_t before)
{
    unsigned told = 0;

    while (told < port->expiry_count && port->expiries[told].barrier < oldest &&
           port->expiries[told].answer.timestamp < before) {
        struct held_expiry held = port->expiries[told++];

        tell_expiry(port, &held);
    }
    if (told == 0) return false;
    port->expiry_count -= told;
    memmove(port->expiries, port->expiries + told, port->expiry_count * sizeof *port->expiries);
    return true;
}

/* --- driving --- */

static uint64_t first_timestamp(const struct batch *batch)
{
    return batch->request.count > 0 ? batch->request.results[0].timestamp : 0;
}

/* Unlinks what is done, oldest timestamp first. Looks until a whole look finds no more: so none is
 * handed out before one that was released earlier. */
static struct batch *take_done(struct embedded *port)
{
    struct batch *done = NULL;
    bool found = true;

    while (found) {
        found = false;
        for (struct batch **link = &port->under_way; *link != NULL;) {
            struct batch *batch = *link, **place = &done;

            if (!mp_done(&batch->request)) {
                link = &batch->next;
                continue;
            }
            found = true;
            *link = batch->next;
            while (*place != NULL && first_timestamp(*place) < first_timestamp(batch))
                place = &(*place)->next;
            batch->next = *place;
            *place = batch;
        }
    }
    return done;
}

/* A request that was refused whole (memory, disk): nothing was applied, it is sent again. */
static void submit_again(struct embedded *port, struct batch *batch)
{
    queue_full(port, batch);
    loop_timer_set(port->loop, &port->retry, RETRY_NS);
}

static void answer_batch(struct embedded *port, struct batch *batch, uint64_t oldest)
{
    for (uint32_t i = 0; i < batch->entry_count; i++) {
        const struct entry *entry = &batch->entries[i];

        tell_expiries(port, oldest, batch->results[entry->first].timestamp);
        answer_entry(port, batch, entry);
    }
    for (uint32_t i = 0; i < batch->entry_count; i++) {
        free(batch->entries[i].refusal);
        batch->entries[i].refusal = NULL;
    }
    batch_give(port, batch);
}

static void tell_followers(struct embedded *port)
{
    mp_stats stats;

    if (port->followers == NULL) return;
    mp_read_stats(port->ledger, &stats);
    if (stats.position == port->followed) return;
    port->followed = stats.position;
    for (struct ledger_follower *f = port->followers; f != NULL; f = f->next) f->moved(f->context);
}

bool ledger_port_drive(struct ledger_port *base)
{
    struct embedded *port = (struct embedded *)base;
    struct batch *done;
    uint64_t oldest;
    bool worked = false;

    if (read_log(port)) loop_post(port->loop, &port->look);
    done = take_done(port);
    oldest = oldest_under_way(port);
    while (done != NULL) {
        struct batch *batch = done;
        mp_status status = mp_wait(port->ledger, &batch->request);

        done = batch->next;
        worked = true;
        if (status == MP_UNKNOWN || status == MP_STOPPED) port->stopped = true;
        if (batch->whole_done != NULL) {
            if (status == MP_OK) tell_expiries(port, oldest, first_timestamp(batch));
            end_whole(port, batch, status);
        } else if (status == MP_OK) {
            answer_batch(port, batch, oldest);
        } else if (port->stopped) {
            batch_free(batch);
        } else {
            submit_again(port, batch);
        }
    }
    worked |= tell_expiries(port, oldest, UINT64_MAX);
    if (port->full != NULL) loop_post(port->loop, &port->flush);
    tell_followers(port);
    return worked;
}

void ledger_port_follow(struct ledger_port *base, struct ledger_follower *follower)
{
    struct embedded *port = (struct embedded *)base;

    follower->next = port->followers;
    port->followers = follower;
    port->followed = 0;
    loop_post(port->loop, &port->look); /* for what is there already */
}

void ledger_port_unfollow(struct ledger_port *base, struct ledger_follower *follower)
{
    struct embedded *port = (struct embedded *)base;
    struct ledger_follower **link = &port->followers;

    while (*link != NULL && *link != follower) link = &(*link)->next;
    if (*link != NULL) *link = follower->next;
}

static void look(void *context) { ledger_port_drive(context); }

static void readable(void *context)
{
    struct embedded *port = context;
    uint64_t count;

    if (read(mp_eventfd(port->ledger), &count, sizeof count) < 0 && errno != EAGAIN) return;
    ledger_port_drive(&port->port);
}

static unsigned embedded_listen(struct ledger_port *base, const struct ledger_listener *listener)
{
    struct embedded *port = (struct embedded *)base;

    if (port->listener_count == LISTENERS_MAX) abort();
    port->listeners[port->listener_count].listener = *listener;
    if (listener->code_max > 0) {
        mp_log_close(port->log); /* read on from the earliest position that anybody wants */
        port->log = NULL;
        if (listener->expiry_position < port->log_from) port->log_from = listener->expiry_position;
        port->expiry_count = 0;
    }
    loop_post(port->loop, &port->look);
    return port->listener_count++;
}

static uint64_t embedded_sequence(struct ledger_port *base)
{
    mp_stats stats;

    mp_read_stats(((struct embedded *)base)->ledger, &stats);
    return stats.sequence;
}

static uint64_t embedded_outstanding(struct ledger_port *base)
{
    return ((struct embedded *)base)->outstanding;
}

static bool embedded_running(struct ledger_port *base)
{
    return !((struct embedded *)base)->stopped;
}

static const struct ledger_port_ops embedded_ops = {
    .send = embedded_send,
    .listen = embedded_listen,
    .sequence = embedded_sequence,
    .outstanding = embedded_outstanding,
    .running = embedded_running,
};

enum outcome ledger_port_open(struct loop *loop, mp_ledger *ledger, struct ledger_port **out,
                              struct error *err)
{
    struct embedded *port = need_memory(sizeof *port);
    int event;

    *port = (struct embedded){
        .port = {&embedded_ops},
        .loop = loop,
        .ledger = ledger,
        .log_from = UINT64_MAX,
        .flush = {.run = flush, .context = port},
        .look = {.run = look, .context = port},
        .retry = {.fire = flush, .context = port},
        .watch = {.readable = readable, .context = port},
    };
    port->full_end = &port->full;
    if (loop->ops->watch != NULL) {
        event = mp_eventfd(ledger);
        if (event < 0) {
            free(port);
            return error_set(err, REASON_INTERNAL, "could not get an event from the ledger");
        }
        if (loop->ops->watch(loop, &port->watch, event, err) != OUTCOME_DONE) {
            free(port);
            return err->outcome;
        }
        port->watching = true;
    }
    *out = &port->port;
    return OUTCOME_DONE;
}

/* Frees a list; whole requests end with what became of them. */
static void free_batches(struct embedded *port, struct batch *batch, bool submitted)
{
    while (batch != NULL) {
        struct batch *next = batch->next;
        mp_status status = submitted ? mp_wait(port->ledger, &batch->request) : MP_STOPPED;

        if (batch->whole_done != NULL) batch->whole_done(batch->whole_context, status);
        batch_free(batch);
        batch = next;
    }
}

void ledger_port_close(struct ledger_port *base)
{
    struct embedded *port = (struct embedded *)base;

    if (port->watching) port->loop->ops->unwatch(port->loop, &port->watch);
    loop_timer_cancel(port->loop, &port->retry);
    loop_task_cancel(port->loop, &port->flush);
    loop_task_cancel(port->loop, &port->look);
    free_batches(port, port->under_way, true);
    free_batches(port, port->full, false);
    free_batches(port, port->spare, false);
    for (unsigned i = 0; i <= MP_UPDATE_ACCOUNTS; i++) free_batches(port, port->filling[i], false);
    mp_log_close(port->log);
    free(port->expiries);
    free(port);
}
