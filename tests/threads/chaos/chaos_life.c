/* A life: workers that book in every way there is, readers beside them, an end at any time. */
#include "chaos.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { IN_FLIGHT = 8 };

/* A thread that is cancelled within ThreadSanitizer keeps locks of its. */
#ifdef __SANITIZE_THREAD__
enum { CANCELS = false };
#else
enum { CANCELS = true };
#endif

/* How a worker asks. */
enum manner { EXECUTES, PIPELINES, ENDS_EARLY, HAS_SOURCE, POLLS, MANNERS };

struct batch {
    mp_request request;
    uint32_t count;
    uint32_t index[BATCH];
    uint8_t before[BATCH];
    union {
        mp_transfer transfers[BATCH];
        mp_account accounts[BATCH];
        mp_account_update updates[BATCH];
    } events;
    mp_result results[BATCH];
    struct asked *asked;
    bool under_way;
    mp_status status; /* of a thread that has ended */
};

struct task {
    unsigned number;
    struct worker *worker;
    enum manner manner;
    unsigned size;   /* events at most */
    uint64_t newest; /* time of the newest thing created by the source */
    struct batch batches[IN_FLIGHT];
};

static mp_ledger *ledger;
static _Atomic int running;
static uint64_t end_ns;
static bool leaves_open; /* what is under way is left to mp_close */

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool goes_on(void) { return atomic_load(&running) != 0 && now_ns() < end_ns; }

/* --- what to ask --- */

static struct sent *add(struct task *task, struct batch *batch)
{
    struct worker *worker = task->worker;
    uint32_t index = atomic_load(&worker->sent_count);
    struct sent *sent = &worker->sent[index];

    memset(sent, 0, sizeof *sent);
    sent->kind = TRANSFER;
    sent->busy = true;
    sent->transfer.id = transfer_id(task->number, index);
    batch->before[batch->count] = ABSENT;
    batch->index[batch->count++] = index;
    atomic_store(&worker->sent_count, index + 1);
    return sent;
}

static void plain(struct sent *sent)
{
    uint64_t from = random_below(BASE - LIMITED), to = random_below(BASE - 1);

    sent->transfer.debit_account_id = from + 1;
    sent->transfer.credit_account_id = (to >= from ? to + 1 : to) + 1;
    sent->transfer.amount = random_below(1000);
    sent->transfer.user_data_64 = random_next();
    if (random_percent(20)) sent->transfer.user_data_128 = random_next();
    sent->transfer.ledger = 1;
    sent->transfer.code = 1;
}

static void add_chain(struct task *task, struct batch *batch, uint32_t length)
{
    uint32_t first = atomic_load(&task->worker->sent_count);
    uint32_t broken = random_percent(25) ? (uint32_t)random_below(length) : UINT32_MAX;

    for (uint32_t i = 0; i < length; i++) {
        struct sent *sent = add(task, batch);

        plain(sent);
        sent->chain = first + 1;
        sent->chain_length = length;
        sent->must = broken == UINT32_MAX;
        if (i + 1 < length) sent->transfer.flags = MP_TRANSFER_LINKED;
        if (i == broken) sent->transfer.debit_account_id = NOBODY;
        if (i != broken && random_percent(20)) sent->transfer.flags |= MP_TRANSFER_PENDING;
    }
}

static void again_one(struct batch *batch, struct sent *sent, uint32_t index)
{
    sent->busy = true;
    batch->before[batch->count] = (uint8_t)atomic_load(&sent->knowledge);
    batch->index[batch->count++] = index;
}

/* Sends something once more, of this life or an earlier one. */
static void again(struct task *task, struct batch *batch, enum kind kind)
{
    struct worker *worker = task->worker;
    uint32_t count = atomic_load(&worker->sent_count), index;
    struct sent *sent;

    if (count == 0) return;
    index = (uint32_t)random_below(count);
    sent = &worker->sent[index];
    if (sent->kind != kind || sent->busy) return;
    if (sent->chain == 0) {
        again_one(batch, sent, index);
        return;
    }
    index = sent->chain - 1;
    if (batch->count + sent->chain_length > task->size) return;
    for (uint32_t i = 0; i < sent->chain_length; i++) {
        if (worker->sent[index + i].busy) return;
    }
    for (uint32_t i = 0, length = sent->chain_length; i < length; i++)
        again_one(batch, &worker->sent[index + i], index + i);
}

/* An earlier transfer with such a flag, or a plain one; NULL when none was found at once. */
static const struct sent *earlier(const struct task *task, uint16_t flags)
{
    uint32_t count = atomic_load(&task->worker->sent_count);

    for (unsigned i = 0; i < 20 && count > 0; i++) {
        const struct sent *sent = &task->worker->sent[random_below(count)];

        if (sent->kind == TRANSFER && sent->transfer.flags == flags &&
            atomic_load(&sent->knowledge) != ABSENT)
            return sent;
    }
    return NULL;
}

static void add_closing(struct task *task, struct batch *batch)
{
    static const uint16_t flags[] = {MP_TRANSFER_POST_PENDING, MP_TRANSFER_VOID_PENDING,
                                     MP_TRANSFER_POST_PENDING | MP_TRANSFER_KEEP_PENDING,
                                     MP_TRANSFER_INCREASE_PENDING};
    const struct sent *reservation = earlier(task, MP_TRANSFER_PENDING);
    struct sent *sent;

    if (reservation == NULL) return;
    sent = add(task, batch);
    sent->transfer.pending_id = reservation->transfer.id;
    sent->transfer.flags = flags[random_below(4)];
    if (sent->transfer.flags != MP_TRANSFER_VOID_PENDING)
        sent->transfer.amount =
            random_percent(50) && (sent->transfer.flags & MP_TRANSFER_POST_PENDING) != 0
                ? MP_AMOUNT_MAX
                : random_below(100);
    if (sent->transfer.flags == MP_TRANSFER_INCREASE_PENDING && random_percent(50))
        sent->transfer.timeout = 2;
}

static void add_reversal(struct task *task, struct batch *batch)
{
    const struct sent *original = earlier(task, 0);
    struct sent *sent;

    if (original == NULL) return;
    sent = add(task, batch);
    sent->transfer.pending_id = original->transfer.id;
    sent->transfer.flags = MP_TRANSFER_REVERSAL;
    sent->transfer.amount = random_percent(50) ? MP_AMOUNT_MAX : random_below(100);
}

static void add_transfer(struct task *task, struct batch *batch)
{
    uint64_t dice = random_below(100);
    struct sent *sent;

    if (dice < 40) {
        sent = add(task, batch);
        plain(sent);
        sent->must = true;
    } else if (dice < 52) {
        sent = add(task, batch);
        plain(sent);
        sent->transfer.flags = MP_TRANSFER_PENDING;
        sent->transfer.timeout = (uint32_t)random_below(4);
        sent->must = true;
    } else if (dice < 63) {
        add_closing(task, batch);
    } else if (dice < 72) {
        uint32_t length = 2 + (uint32_t)random_below(4);

        if (batch->count + length <= task->size) add_chain(task, batch, length);
    } else if (dice < 75) {
        sent = add(task, batch);
        plain(sent);
        if (random_percent(50))
            sent->transfer.debit_account_id = NOBODY;
        else
            sent->transfer.debit_account_id = BASE - random_below(LIMITED);
        if (sent->transfer.debit_account_id == sent->transfer.credit_account_id)
            sent->transfer.credit_account_id = 1;
        sent->transfer.amount *= 100;
    } else if (dice < 77) {
        sent = add(task, batch);
        sent->transfer.flags = MP_TRANSFER_BIND_ID;
    } else if (dice < 81) {
        add_reversal(task, batch);
    } else if (dice < 96) {
        again(task, batch, TRANSFER);
    } else {
        sent = add(task, batch);
        plain(sent);
        sent->transfer.ledger = 2; /* between accounts that may be there */
        sent->transfer.debit_account_id = account_id(
            task->number, (uint32_t)random_below(atomic_load(&task->worker->sent_count)));
        sent->transfer.credit_account_id = account_id(
            task->number, (uint32_t)random_below(atomic_load(&task->worker->sent_count)));
    }
}

static void add_account(struct task *task, struct batch *batch)
{
    struct sent *sent;

    if (random_percent(20)) {
        again(task, batch, ACCOUNT);
        return;
    }
    sent = add(task, batch);
    sent->kind = ACCOUNT;
    sent->account = account_id(task->number, batch->index[batch->count - 1]);
    sent->must = true;
}

static void add_update(struct task *task, struct batch *batch)
{
    uint32_t count = atomic_load(&task->worker->sent_count);
    struct sent *sent;

    if (random_percent(20) || count == 0) {
        again(task, batch, UPDATE);
        return;
    }
    sent = add(task, batch);
    sent->kind = UPDATE;
    sent->account =
        random_percent(10) ? NOBODY : account_id(task->number, (uint32_t)random_below(count));
    sent->flags_set = random_percent(50) ? MP_ACCOUNT_FROZEN_DEBITS : 0;
    sent->flags_clear = sent->flags_set == 0 ? MP_ACCOUNT_FROZEN_DEBITS : 0;
}

static void fill_event(struct batch *batch, uint32_t i, const struct sent *sent)
{
    switch (sent->kind) {
    case TRANSFER: batch->events.transfers[i] = sent->transfer; break;
    case ACCOUNT:
        batch->events.accounts[i] = (mp_account){.id = sent->account, .ledger = 2, .code = 7};
        break;
    default:
        batch->events.updates[i] = (mp_account_update){.id = sent->transfer.id,
                                                       .account_id = sent->account,
                                                       .flags_set = (uint16_t)sent->flags_set,
                                                       .flags_clear = (uint16_t)sent->flags_clear};
    }
}

/* False when this worker has sent all that it may. */
static bool prepare(struct task *task, struct batch *batch)
{
    static void (*const adds[])(struct task *, struct batch *) = {add_transfer, add_account,
                                                                  add_update};
    static const mp_operation operations[] = {MP_CREATE_TRANSFERS, MP_CREATE_ACCOUNTS,
                                              MP_UPDATE_ACCOUNTS};
    struct worker *worker = task->worker;
    uint64_t dice = random_below(100);
    unsigned what = dice < 90 ? 0 : dice < 96 ? 1 : 2;
    uint32_t size = 1 + (uint32_t)random_below(random_percent(50) ? 3 : task->size);
    uint32_t asked = atomic_load(&worker->asked_count), first = atomic_load(&worker->sent_count);

    if (asked == ASKED_MAX || first + BATCH > SENT_MAX) return false;
    if (what != 0 && size > 20) size = 20;
    batch->count = 0;
    batch->asked = &worker->asked[asked];
    for (uint32_t tries = 0; batch->count < size && tries < 2 * size; tries++)
        adds[what](task, batch);
    for (uint32_t i = 0; i < batch->count; i++) {
        struct sent *sent = &worker->sent[batch->index[i]];

        fill_event(batch, i, sent);
        if (batch->before[i] == ABSENT) atomic_store(&sent->knowledge, MAYBE);
    }
    batch->request = (mp_request){.operation = operations[what],
                                  .count = batch->count,
                                  .events = &batch->events,
                                  .results = batch->results};
    if (task->manner == HAS_SOURCE) {
        batch->request.source = SOURCE_OF(task->number);
        batch->request.source_position = ++worker->position;
    }
    batch->asked->first = first;
    batch->asked->count = atomic_load(&worker->sent_count) - first;
    batch->asked->source_position = batch->request.source_position;
    batch->asked->life = world->life;
    atomic_store(&batch->asked->state, ASKED_UNKNOWN);
    atomic_store(&worker->asked_count, asked + 1);
    memset(batch->results, 0, batch->count * sizeof batch->results[0]);
    return true;
}

/* --- what was told --- */

static void learn_created(struct task *task, struct sent *sent, const mp_result *result, bool now)
{
    if (now) MUST(result->sequence != 0);
    sent->sequence = result->sequence;
    sent->timestamp = result->timestamp;
    if (now && task->manner == HAS_SOURCE) {
        if (result->timestamp <= task->newest)
            differs("source %u was applied out of order", task->number);
        task->newest = result->timestamp;
    }
    atomic_store(&sent->knowledge, PRESENT);
}

static void learn(struct task *task, struct sent *sent, uint32_t before, const mp_result *result)
{
    uint32_t exists =
        sent->kind == ACCOUNT ? (uint32_t)MP_ACCOUNT_EXISTS : (uint32_t)MP_TRANSFER_EXISTS;
    bool binds = sent->kind != ACCOUNT && mp_transfer_result_binds(result->result);

    if (result->result == MP_CREATED && before <= MAYBE) {
        learn_created(task, sent, result, true);
    } else if (result->result == exists && before == MAYBE) {
        learn_created(task, sent, result, false);
    } else if (result->result == exists && before == PRESENT) {
        if (result->timestamp != sent->timestamp ||
            (result->sequence != 0 && sent->sequence != 0 && result->sequence != sent->sequence))
            differs("worker %u, event %u exists at another place", task->number,
                    (uint32_t)(sent - task->worker->sent));
    } else if (result->result == MP_TRANSFER_ID_ALREADY_FAILED && sent->kind != ACCOUNT &&
               (before == MAYBE || before == BOUND)) {
        if (before == BOUND && sent->bound_code != result->bound_code)
            differs("worker %u, event %u is bound by %u, not %u", task->number,
                    (uint32_t)(sent - task->worker->sent), result->bound_code, sent->bound_code);
        sent->bound_code = result->bound_code;
        atomic_store(&sent->knowledge, BOUND);
    } else if (binds && before <= MAYBE) {
        sent->bound_code = result->result;
        atomic_store(&sent->knowledge, BOUND);
    } else if (result->result == MP_TRANSFER_LINKED_EVENT_FAILED && sent->chain != 0) {
        atomic_store(&sent->knowledge, before); /* of what was sent before, nothing is told */
    } else if (before <= MAYBE && !sent->must && result->result != exists) {
        atomic_store(&sent->knowledge, ABSENT);
    } else {
        differs("worker %u, event %u of kind %u and flags %u, known as %u, was told %u",
                task->number, (uint32_t)(sent - task->worker->sent), sent->kind,
                sent->transfer.flags, before, result->result);
    }
}

static void forget(struct task *task, struct batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++)
        atomic_store(&task->worker->sent[batch->index[i]].knowledge, batch->before[i]);
    atomic_store(&batch->asked->state, ASKED_REFUSED);
}

/* Notes what a request was told. */
static void conclude(struct task *task, struct batch *batch, mp_status status)
{
    batch->under_way = false;
    atomic_fetch_add(&world->told[-status], 1);
    switch (status) {
    case MP_OK:
        for (uint32_t i = 0; i < batch->count; i++)
            learn(task, &task->worker->sent[batch->index[i]], batch->before[i], &batch->results[i]);
        if (batch->request.source_position != 0)
            task->worker->position_told = batch->request.source_position;
        atomic_store(&batch->asked->state, ASKED_DONE);
        break;
    case MP_UNKNOWN: break;
    case MP_LIMIT:
    case MP_DISK_FULL:
    case MP_NO_MEMORY:
    case MP_STOPPED: forget(task, batch); break;
    default: differs("worker %u was told %s", task->number, mp_status_name(status));
    }
    for (uint32_t i = 0; i < batch->count; i++) task->worker->sent[batch->index[i]].busy = false;
}

/* --- how to ask --- */

static bool is_over(mp_status status) { return status == MP_STOPPED || status == MP_UNKNOWN; }

static bool execute_one(struct task *task)
{
    struct batch *batch = &task->batches[0];
    mp_status status;

    if (!prepare(task, batch)) return false;
    status = mp_execute(ledger, &batch->request);
    conclude(task, batch, status);
    return !is_over(status);
}

static void *hand_over(void *argument)
{
    struct batch *batch = argument;

    while ((batch->status = mp_submit(ledger, &batch->request)) == MP_BUSY) sched_yield();
    return NULL;
}

static void *hand_over_and_wait(void *argument)
{
    struct batch *batch = argument;

    batch->status = mp_execute(ledger, &batch->request);
    return NULL;
}

/* By a thread that ends, perhaps cancelled. */
static bool one_ends_early(struct task *task)
{
    struct batch *batch = &task->batches[0];
    bool waits = random_percent(50);
    void *cancelled = NULL;
    pthread_t thread;

    if (!prepare(task, batch)) return false;
    batch->status = MP_OK;
    MUST(pthread_create(&thread, NULL, waits ? hand_over_and_wait : hand_over, batch) == 0);
    if (CANCELS && waits && random_percent(20)) {
        if (random_percent(50)) usleep((useconds_t)random_below(1000));
        pthread_cancel(thread);
    }
    MUST(pthread_join(thread, &cancelled) == 0);
    if (cancelled == PTHREAD_CANCELED) {
        batch->status = mp_wait(ledger, &batch->request);
        if (batch->status == MP_INVALID)
            batch->status = MP_STOPPED; /* it never came to be handed over */
        conclude(task, batch, batch->status);
        return atomic_load(&running) != 0;
    }
    if (!waits && batch->status == MP_OK) {
        batch->under_way = true;
        if (leaves_open && !goes_on()) return false;
        batch->status = mp_wait(ledger, &batch->request);
    }
    conclude(task, batch, batch->status);
    return !is_over(batch->status);
}

/* Of a source, nothing may be done behind a request that was refused. */
static void drain_refused(struct task *task, unsigned at, mp_status refusal)
{
    uint64_t position = task->batches[at].request.source_position;

    for (unsigned i = 1; i < IN_FLIGHT; i++) {
        struct batch *batch = &task->batches[(at + i) % IN_FLIGHT];
        mp_status status;

        if (!batch->under_way) continue;
        status = mp_wait(ledger, &batch->request);
        conclude(task, batch, status);
        if (status != refusal && status != MP_UNKNOWN && status != MP_NO_MEMORY)
            differs("source %u: behind %s another request was told %s", task->number,
                    mp_status_name(refusal), mp_status_name(status));
    }
    task->worker->position = position - 1;
}

static mp_status await(struct task *task, struct batch *batch)
{
    if (task->manner == POLLS) {
        struct pollfd polled = {.fd = mp_eventfd(ledger), .events = POLLIN};

        while (polled.fd >= 0 && !mp_done(&batch->request)) {
            uint64_t count;

            poll(&polled, 1, 20); /* another worker may have read it */
            (void)!read(polled.fd, &count, sizeof count);
        }
    } else if (task->manner == PIPELINES && random_percent(30)) {
        while (!mp_done(&batch->request)) usleep(50);
    }
    return mp_wait(ledger, &batch->request);
}

/* Many at once, then their answers: so that much waits in the queue. */
static void burst(struct task *task)
{
    mp_status status = MP_OK;

    while (goes_on() && !is_over(status)) {
        unsigned count = 0, handed_over = 0;

        while (count < IN_FLIGHT && prepare(task, &task->batches[count])) count++;
        if (count == 0) return;
        for (; handed_over < count; handed_over++) {
            struct batch *batch = &task->batches[handed_over];

            while ((status = mp_submit(ledger, &batch->request)) == MP_BUSY) sched_yield();
            if (status != MP_OK) break;
            batch->under_way = true;
        }
        for (unsigned i = handed_over; i < count; i++)
            conclude(task, &task->batches[i], MP_STOPPED);
        if (leaves_open && !goes_on()) return;
        for (unsigned i = 0; i < handed_over; i++) {
            struct batch *batch = &task->batches[i];

            if (!batch->under_way) break; /* drained */
            status = mp_wait(ledger, &batch->request);
            conclude(task, batch, status);
            if (task->manner == HAS_SOURCE && status != MP_OK && !is_over(status))
                drain_refused(task, i, status);
        }
    }
}

static void pipeline(struct task *task)
{
    mp_status status = MP_OK;
    unsigned next = 0;

    while (goes_on() && !is_over(status)) {
        struct batch *batch = &task->batches[next];

        if (batch->under_way) {
            status = await(task, batch);
            conclude(task, batch, status);
            if (task->manner == HAS_SOURCE && status != MP_OK && !is_over(status)) {
                drain_refused(task, next, status);
                next = 0;
                continue;
            }
            if (is_over(status)) break;
        }
        if (!prepare(task, batch)) break;
        while ((status = mp_submit(ledger, &batch->request)) == MP_BUSY) sched_yield();
        if (status != MP_OK) {
            conclude(task, batch, status);
            break;
        }
        batch->under_way = true;
        next = (next + 1) % IN_FLIGHT;
    }
    if (leaves_open) return;
    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        struct batch *batch = &task->batches[(next + i) % IN_FLIGHT];

        if (!batch->under_way) continue;
        status = mp_wait(ledger, &batch->request);
        conclude(task, batch, status);
        if (task->manner == HAS_SOURCE && status != MP_OK && !is_over(status)) {
            drain_refused(task, (next + i) % IN_FLIGHT, status);
            break;
        }
    }
}

static void *work(void *argument)
{
    struct task *task = argument;

    switch (task->manner) {
    case EXECUTES:
        while (goes_on() && execute_one(task)) {
        }
        break;
    case ENDS_EARLY:
        while (goes_on() && one_ends_early(task)) {
        }
        break;
    default: (chaos_is_busy() ? burst : pipeline)(task);
    }
    return NULL;
}

/* --- readers --- */

static void note_debits(struct seen *seen, const mp_balance *balances)
{
    for (unsigned i = 0; i < BASE; i++) {
        uint64_t debits = (uint64_t)balances[i].debits_posted;

        if (debits < seen->debits[i])
            differs("account %u went back from %llu to %llu", i + 1,
                    (unsigned long long)seen->debits[i], (unsigned long long)debits);
        seen->debits[i] = debits;
    }
}

static void read_together(mp_ledger *from, struct seen *seen)
{
    mp_id ids[BASE];
    mp_balance balances[BASE];
    mp_balance sum = {0};
    mp_status status;

    for (unsigned i = 0; i < BASE; i++) ids[i] = i + 1;
    status = mp_read_many(from, ids, BASE, balances);
    if (status == MP_UNKNOWN || status == MP_STOPPED) return;
    if (status != MP_OK) differs("mp_read_many: %s: %s", mp_status_name(status), mp_last_error());
    for (unsigned i = 0; i < BASE; i++) {
        sum.debits_posted += balances[i].debits_posted;
        sum.credits_posted += balances[i].credits_posted;
        sum.debits_pending += balances[i].debits_pending;
        sum.credits_pending += balances[i].credits_pending;
    }
    if (sum.debits_posted != sum.credits_posted || sum.debits_pending != sum.credits_pending)
        differs("mp_read_many shows debits %llu, credits %llu, pending %llu, %llu",
                (unsigned long long)sum.debits_posted, (unsigned long long)sum.credits_posted,
                (unsigned long long)sum.debits_pending, (unsigned long long)sum.credits_pending);
    note_debits(seen, balances);
}

static bool readable(mp_status status, const char *what)
{
    if (status == MP_OK) return true;
    if (status != MP_IO && status != MP_STOPPED && status != MP_UNKNOWN && status != MP_NO_MEMORY &&
        status != MP_NOT_FOUND)
        differs("%s: %s: %s", what, mp_status_name(status), mp_last_error());
    return false;
}

static void look_up(struct seen *seen)
{
    enum { IDS = 8 };
    unsigned number = (unsigned)random_below(WORKERS);
    struct worker *worker = &world->workers[number];
    uint32_t count = atomic_load(&worker->sent_count), found, at = 0, indexes[IDS], known[IDS];
    mp_transfer rows[IDS];
    mp_id ids[IDS];

    if (count == 0) return;
    for (unsigned i = 0; i < IDS; i++) {
        indexes[i] = count - 1 -
                     (uint32_t)random_below(random_percent(50) ? (count < 50 ? count : 50) : count);
        known[i] = atomic_load(&worker->sent[indexes[i]].knowledge);
        if (known[i] == PRESENT && worker->sent[indexes[i]].kind != TRANSFER) known[i] = MAYBE;
        ids[i] = transfer_id(number, indexes[i]);
    }
    if (!readable(mp_lookup_transfers(ledger, ids, IDS, rows, &found), "mp_lookup_transfers"))
        return;
    for (unsigned i = 0; i < IDS; i++) {
        uint32_t seen_count = atomic_load(&seen->count);

        if (at == found || rows[at].id != ids[i]) {
            if (known[i] == PRESENT)
                differs("a look-up doesn't find worker %u's event %u", number, indexes[i]);
            continue;
        }
        if (seen_count < SEEN_MAX) {
            seen->found[seen_count].worker = number;
            seen->found[seen_count].index = indexes[i];
            seen->found[seen_count].timestamp = rows[at].timestamp;
            atomic_store(&seen->count, seen_count + 1);
        }
        at++;
    }
}

static void read_statement(struct seen *seen)
{
    uint64_t account = 1 + random_below(BASE);
    mp_account_filter filter = {.account_id = account,
                                .limit = 30,
                                .flags = MP_FILTER_DEBITS | MP_FILTER_CREDITS | MP_FILTER_REVERSED};
    mp_transfer rows[30];
    mp_balance balance;
    uint32_t count, noted = atomic_load(&seen->as_of_count);

    if (!readable(mp_account_transfers(ledger, &filter, rows, &count), "mp_account_transfers"))
        return;
    for (uint32_t i = 1; i < count; i++) MUST(rows[i].timestamp < rows[i - 1].timestamp);
    if (count == 0 || noted == SEEN_MAX) return;
    count = (uint32_t)random_below(count);
    if (!readable(mp_balance_at(ledger, account, rows[count].timestamp, &balance), "mp_balance_at"))
        return;
    seen->as_of[noted].account = account;
    seen->as_of[noted].at_ns = rows[count].timestamp;
    seen->as_of[noted].balance = balance;
    atomic_store(&seen->as_of_count, noted + 1);
}

static uint64_t read_changes(uint64_t after)
{
    mp_change_filter filter = {.after = after, .limit = 50};
    static _Thread_local mp_change rows[50];
    uint32_t count;

    if (!readable(mp_changes(ledger, &filter, rows, &count), "mp_changes") || count == 0)
        return after;
    for (uint32_t i = 1; i < count; i++)
        MUST(rows[i].sequence > rows[i - 1].sequence && rows[i].position > rows[i - 1].position);
    return rows[count - 1].position;
}

static void *read_balances(void *argument)
{
    while (atomic_load(&running)) {
        mp_stats stats;

        read_together(ledger, argument);
        mp_read_stats(ledger, &stats);
        if (random_below(100) == 0) (void)!mp_clock_accept(ledger);
    }
    return NULL;
}

static void *read_history(void *argument)
{
    uint64_t after = 0;

    while (atomic_load(&running)) {
        look_up(argument);
        read_statement(argument);
        after = read_changes(after);
    }
    return NULL;
}

/* As another process does, which looks again and again. */
static void *read_beside(void *argument)
{
    mp_options options = {
        .flags = MP_OPEN_READ, .env = chaos_env(), .memory_max = UINT64_C(64) << 20};
    mp_ledger *beside;

    while (atomic_load(&running)) {
        if (!readable(mp_open(world->directory, &options, &beside), "mp_open beside the writer"))
            continue;
        for (uint64_t i = random_below(20); i > 0 && atomic_load(&running); i--) {
            read_together(beside, argument);
            if (!readable(mp_refresh(beside), "mp_refresh")) break;
        }
        MUST(mp_close(beside) == MP_OK);
    }
    return NULL;
}

/* --- the whole --- */

static void begin(pthread_t *thread, void *(*run)(void *argument), void *argument)
{
    MUST(pthread_create(thread, NULL, run, argument) == 0);
}

/* What was under way when the ledger was closed: it is told then, if only in the request. */
static void conclude_left(struct task *task)
{
    for (unsigned i = 0; i < IN_FLIGHT; i++) {
        struct batch *batch = &task->batches[i];

        if (!batch->under_way) continue;
        if (!mp_done(&batch->request))
            differs("worker %u: mp_close left a request undone", task->number);
        /* The order in which a source was told is another one here. */
        task->newest = 0;
        conclude(task, batch, (mp_status)batch->request.status);
    }
}

static mp_options choose_options(void)
{
    static const uint32_t outstanding[] = {0, 0, 1, 3, 16};
    static const uint64_t checkpoint_after[] = {1u << 16, 1u << 20, 0};
    mp_options options = {.flags = random_percent(30) ? MP_OPEN_NO_RING : 0,
                          .env = chaos_env(),
                          .memory_max = UINT64_C(64) << 20,
                          .outstanding_max = outstanding[random_below(5)],
                          .checkpoint_after = checkpoint_after[random_below(3)]};

    if (random_percent(15)) options.accounts_max = 200;
    if (random_percent(15)) options.reservations_max = 1000;
    return options;
}

void live(void)
{
    mp_options options;
    pthread_t workers[WORKERS], readers[READERS];
    static void *(*const reads[READERS])(void *) = {read_balances, read_history, read_beside};
    static struct task tasks[WORKERS]; /* a process has one life */
    unsigned worker_count = random_percent(20) ? 1 : 1 + (unsigned)random_below(WORKERS);
    static const unsigned lengths_ms[] = {50, 50, 300, 600};
    static const unsigned sizes[] = {3, 30, 300, BATCH};
    bool has_readers[READERS];
    mp_status status;

    options = choose_options();
    leaves_open = random_percent(50);
    status = mp_open(world->directory, &options, &ledger);
    atomic_fetch_add(&world->opened[-status], 1);
    if (status != MP_OK) {
        if (status != MP_IO && status != MP_DISK_FULL && status != MP_NO_MEMORY &&
            status != MP_LIMIT)
            differs("mp_open: %s: %s", mp_status_name(status), mp_last_error());
        return;
    }
    if (chaos_is_busy()) worker_count = WORKERS;
    chaos_arm();
    atomic_store(&running, 1);
    end_ns =
        now_ns() + 1000000 * (chaos_is_busy() ? 1500 : random_below(lengths_ms[random_below(4)]));
    for (unsigned i = 0; i < WORKERS; i++) {
        tasks[i].number = i;
        tasks[i].worker = &world->workers[i];
        tasks[i].manner = chaos_is_busy() ? random_percent(50) ? PIPELINES : HAS_SOURCE
                                          : (enum manner)random_below(MANNERS);
        tasks[i].size = chaos_is_busy() ? BATCH : sizes[random_below(4)];
        if (i < worker_count) begin(&workers[i], work, &tasks[i]);
    }
    for (unsigned i = 0; i < READERS; i++) {
        has_readers[i] = random_percent(50);
        if (has_readers[i]) begin(&readers[i], reads[i], &world->seen[i]);
    }
    for (unsigned i = 0; i < worker_count; i++) MUST(pthread_join(workers[i], NULL) == 0);
    if (random_percent(20)) usleep(30000); /* a seal, a few expiries */
    atomic_store(&running, 0);
    for (unsigned i = 0; i < READERS; i++) {
        if (has_readers[i]) MUST(pthread_join(readers[i], NULL) == 0);
    }
    status = mp_close(ledger);
    atomic_fetch_add(&world->closed[-status], 1);
    if (status != MP_OK && status != MP_STOPPED && status != MP_IO && status != MP_DISK_FULL)
        differs("mp_close: %s: %s", mp_status_name(status), mp_last_error());
    for (unsigned i = 0; i < WORKERS; i++) conclude_left(&tasks[i]);
}
