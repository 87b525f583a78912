/* Requests in and results out. */
#include "pump.h"
#include "stats.h"

_Static_assert(sizeof(ck_stack_entry_t) == sizeof(mp_request *),
               "a request is its own stack entry");

bool mp_done(const mp_request *request)
{
    return __atomic_load_n(&request->state, __ATOMIC_ACQUIRE) == REQUEST_DONE;
}

/* --- waking --- */

void thread_wake(struct mp_ledger *ledger)
{
    struct pump *pump = ledger->pump;

    atomic_store(&pump->wanted, 1);
    if (atomic_exchange(&pump->asleep, 0) == 0) return;
    if (pump->ring != NULL) {
        ledger->env->ring_wake(ledger->env->context, pump->ring);
    } else {
        __atomic_add_fetch(&pump->wake_word, 1, __ATOMIC_SEQ_CST);
        ledger->env->wake(ledger->env->context, &pump->wake_word, 1);
    }
}

void helper_wake(struct mp_ledger *ledger)
{
    struct pump *pump = ledger->pump;

    if (atomic_exchange(&pump->helper_asleep, 0) == 0) return; /* awake, or there is none */
    __atomic_add_fetch(&pump->helper_word, 1, __ATOMIC_SEQ_CST);
    ledger->env->wake(ledger->env->context, &pump->helper_word, 1);
}

/* --- out --- */

void releases_begin(struct mp_ledger *ledger, uint32_t count)
{
    if (count > 0) atomic_fetch_sub(&ledger->pump->outstanding, count);
}

void request_release(mp_request *request, mp_status status)
{
    request->status = status;
    __atomic_store_n(&request->state, REQUEST_DONE,
                     __ATOMIC_RELEASE); /* from here on it is the caller's */
}

void releases_announce(struct mp_ledger *ledger, uint32_t count)
{
    struct pump *pump = ledger->pump;

    if (count == 0) return;
    __atomic_add_fetch(&pump->completions, 1, __ATOMIC_SEQ_CST);
    if (atomic_load(&pump->sleepers) != 0) {
        ledger->env->wake(ledger->env->context, &pump->completions, INT32_MAX);
    }
    event_announce(ledger);
}

void event_announce(struct mp_ledger *ledger)
{
    int file = atomic_load_explicit(&ledger->pump->event_file, memory_order_acquire);

    if (file >= 0) ledger->env->event_signal(ledger->env->context, file);
}

int mp_eventfd(mp_ledger *ledger)
{
    struct pump *pump = ledger->pump;
    int expected = -1, made;

    if (pump == NULL || check_process(ledger) != MP_OK) return -1;
    if (atomic_load_explicit(&pump->event_file, memory_order_acquire) >= 0)
        return atomic_load(&pump->event_file);
    made = ledger->env->event_open(ledger->env->context);
    if (made < 0) return -1;
    if (!atomic_compare_exchange_strong(&pump->event_file, &expected, made)) {
        ledger->env->event_close(ledger->env->context, made);
        return expected; /* another thread was first */
    }
    return made;
}

/* --- in --- */

static mp_status check_request(const struct mp_ledger *ledger, const mp_request *request)
{
    mp_status status = check_process(ledger);

    if (status != MP_OK) return status;
    if (ledger->pump == NULL) return fail(MP_READ_ONLY, "the ledger was opened with MP_OPEN_READ");
    if (request->operation != OPERATION_FIND_IDS &&
        (request->operation < MP_CREATE_ACCOUNTS || request->operation > MP_UPDATE_ACCOUNTS)) {
        return fail(MP_INVALID, "operation %u of a request is none of enum mp_operation",
                    request->operation);
    }
    if (request->count > MP_BATCH_MAX) {
        return fail(MP_BATCH_TOO_LARGE, "a request holds %u events, at most %d are allowed",
                    request->count, MP_BATCH_MAX);
    }
    if (request->count > 0 && (request->events == NULL || request->results == NULL)) {
        return fail(MP_INVALID, "a request of %u events needs `events` and `results`",
                    request->count);
    }
    if (atomic_load(&ledger->stopped) != 0) {
        return fail(MP_STOPPED, "%s", ledger->stop_message);
    }
    return MP_OK;
}

static mp_status push(struct mp_ledger *ledger, mp_request *request)
{
    struct pump *pump = ledger->pump;
    uint64_t outstanding = atomic_load(&pump->outstanding);

    /* Counted only when there is room: those who find none wait for one that is. */
    do {
        if (outstanding >= pump->outstanding_max) return MP_BUSY;
    } while (!atomic_compare_exchange_weak(&pump->outstanding, &outstanding, outstanding + 1));
    request->status = MP_OK;
    request->release_at = 0;
    __atomic_store_n(&request->state, REQUEST_SUBMITTED, __ATOMIC_RELAXED);
    ck_stack_push_upmc(&pump->stack, (ck_stack_entry_t *)&request->next);
    atomic_thread_fence(memory_order_seq_cst);
    return MP_OK;
}

static mp_status busy(struct mp_ledger *ledger)
{
    __atomic_add_fetch(&ledger->stats.busy, 1, __ATOMIC_RELAXED);
    return fail(MP_BUSY, "%llu requests are outstanding: wait for some of them first",
                (unsigned long long)ledger->pump->outstanding_max);
}

/* Wakes the ledger's thread if nobody else will see what was pushed. */
static void thread_hint(struct mp_ledger *ledger)
{
    struct pump *pump = ledger->pump;
    uint32_t asleep = atomic_load(&pump->asleep);

    if (asleep == THREAD_IN_FLIGHT || (asleep == THREAD_IDLE && atomic_load(&pump->claimed) == 0)) {
        thread_wake(ledger);
    }
}

mp_status mp_submit(mp_ledger *ledger, mp_request *request)
{
    mp_status status = check_request(ledger, request);

    if (status != MP_OK) return status;
    if (push(ledger, request) != MP_OK) return busy(ledger);
    thread_hint(ledger);
    return MP_OK;
}

/* Sleeps until something was released, unless that happened since `seen` was read. */
static void wait_for_release(struct mp_ledger *ledger, uint32_t seen)
{
    struct pump *pump = ledger->pump;

    atomic_fetch_add(&pump->sleepers, 1);
    if (__atomic_load_n(&pump->completions, __ATOMIC_SEQ_CST) == seen) {
        ledger->env->wait(ledger->env->context, &pump->completions, seen, UINT64_MAX);
    }
    atomic_fetch_sub(&pump->sleepers, 1);
}

/* Says where and what to do: who drove the pump knows more, but may be another thread. */
static mp_status tell_refusal(const struct mp_ledger *ledger, mp_status status)
{
    const char *advice = status == MP_DISK_FULL ? "; free some space, then send it again"
                         : status == MP_LIMIT   ? "; raise the limit when opening"
                                                : "";
    const char *what = status == MP_CLOCK ? "the clock stands at the end of all times: set it right"
                                          : mp_status_text(status);

    return fail(status, "%s: %s%s", ledger->wal.directory, what, advice);
}

mp_status mp_wait(mp_ledger *ledger, mp_request *request)
{
    struct pump *pump = ledger->pump;
    bool manual = (ledger->flags & MP_OPEN_MANUAL) != 0;
    enum driver driver = manual ? DRIVER_THREAD : DRIVER_CALLER;
    mp_status status = check_process(ledger);

    if (status != MP_OK) return status;
    if (pump == NULL) return fail(MP_READ_ONLY, "the ledger was opened with MP_OPEN_READ");
    if (__atomic_load_n(&request->state, __ATOMIC_RELAXED) == REQUEST_NEW)
        return fail(MP_INVALID, "the request to wait for was never handed over by mp_submit");
    while (!mp_done(request)) {
        uint32_t seen = __atomic_load_n(&pump->completions, __ATOMIC_SEQ_CST);

        if (!manual && atomic_load(&pump->outstanding) > 1) {
            thread_hint(
                ledger); /* there is something to overlap: the ledger's thread does it better */
        } else if (pump_claim(pump)) {
            while (!mp_done(request)) {
                if (pump_step(ledger, driver) || (manual && read_ahead_step(ledger))) continue;
                if (!manual || !flight_reap(ledger, UINT64_MAX)) break;
            }
            pump_unclaim(ledger, driver);
        }
        if (!mp_done(request)) wait_for_release(ledger, seen);
    }
    status = request->status;
    if (status == MP_UNKNOWN || status == MP_STOPPED)
        return fail(status, "%s", ledger->stop_message);
    if (status != MP_OK) return tell_refusal(ledger, status);
    return status;
}

mp_status mp_execute(mp_ledger *ledger, mp_request *request)
{
    mp_status status = check_request(ledger, request);

    if (status != MP_OK) return status;
    for (;;) {
        uint32_t seen = __atomic_load_n(&ledger->pump->completions, __ATOMIC_SEQ_CST);

        if (push(ledger, request) == MP_OK) return mp_wait(ledger, request);
        if ((ledger->flags & MP_OPEN_MANUAL) != 0) {
            mp_step(ledger, NULL);
        } else {
            wait_for_release(ledger, seen);
        }
    }
}

static mp_status execute(mp_ledger *ledger, mp_operation operation, const void *events,
                         uint32_t count, mp_result *results)
{
    mp_request request = {
        .operation = operation, .count = count, .events = events, .results = results};

    return mp_execute(ledger, &request);
}

mp_status mp_create_accounts(mp_ledger *ledger, const mp_account *accounts, uint32_t count,
                             mp_result *results)
{
    return execute(ledger, MP_CREATE_ACCOUNTS, accounts, count, results);
}

mp_status mp_create_transfers(mp_ledger *ledger, const mp_transfer *transfers, uint32_t count,
                              mp_result *results)
{
    return execute(ledger, MP_CREATE_TRANSFERS, transfers, count, results);
}

mp_status mp_update_accounts(mp_ledger *ledger, const mp_account_update *updates, uint32_t count,
                             mp_result *results)
{
    return execute(ledger, MP_UPDATE_ACCOUNTS, updates, count, results);
}
