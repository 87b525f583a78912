/* One call through bulkhead, breaker, time-out and retries. */
#include "resilience/resilient.h"

#include "resilience/timeout.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const uint64_t ms = 1000000;

struct resilient {
    struct loop *loop;
    struct http_client *client;
    const char *name;
    struct resilience_policy policy;
    struct breaker breaker;
    struct bulkhead bulkhead;
    struct attempted *first; /* all that are under way */
    struct resilient_state counts;
    bool stopped;
};

enum step {
    STARTING, /* its task is posted */
    WAITING,  /* for a place */
    SENT,
    BACKING_OFF,
    OVER, /* was told; its task or the client's answer is still to come, and then frees it */
};

/* A call under way, with copies of all that it says. */
struct attempted {
    struct resilient *peer;
    struct attempted *next, *before;
    struct http_call call;
    enum step step;
    bool repeatable; /* a repeat of what was carried out is harmless */
    bool maybe_done; /* an attempt may have been */
    struct retry retry;
    struct timeout limit;
    struct bulkhead_place place;
    struct breaker_pass pass;
    struct loop_task start;
    struct loop_timer back_off;
};

/* --- making and freeing --- */

static const char *const *copy_headers(const char *const *headers)
{
    unsigned count = 0;
    const char **copy;

    if (headers == NULL) return NULL;
    while (headers[count] != NULL) count++;
    copy = need_memory((count + 1) * sizeof *copy);
    for (unsigned i = 0; i < count; i++) copy[i] = need_copy(headers[i]);
    return copy;
}

static bool is_repeatable(const struct http_call *call)
{
    static const char name[] = "Idempotency-Key:";

    if (call->method != HTTP_POST) return true;
    for (const char *const *at = call->headers; at != NULL && *at != NULL; at++)
        if (strncasecmp(*at, name, strlen(name)) == 0) return true;
    return false;
}

static void begin(void *context);
static void admitted(void *context);
static void refused_full(void *context);
static void expired(void *context);

static struct attempted *attempted_make(struct resilient *peer, const struct http_call *call)
{
    struct attempted *it = need_memory(sizeof *it);

    it->peer = peer;
    it->call = *call;
    it->call.url = need_copy(call->url);
    it->call.headers = copy_headers(call->headers);
    it->call.body = NULL;
    if (call->length > 0)
        it->call.body = memcpy(need_memory(call->length), call->body, call->length);
    it->repeatable = is_repeatable(call);
    it->place =
        (struct bulkhead_place){.admitted = admitted, .refused = refused_full, .context = it};
    it->start = (struct loop_task){.run = begin, .context = it};
    it->back_off = (struct loop_timer){.fire = begin, .context = it};
    it->next = peer->first;
    if (it->next != NULL) it->next->before = it;
    peer->first = it;
    return it;
}

static void attempted_free(struct attempted *it)
{
    if (it->before != NULL)
        it->before->next = it->next;
    else
        it->peer->first = it->next;
    if (it->next != NULL) it->next->before = it->before;
    for (const char *const *at = it->call.headers; at != NULL && *at != NULL; at++)
        free((char *)*at);
    free((void *)it->call.headers);
    free((void *)it->call.body);
    free((char *)it->call.url);
    free(it);
}

struct resilient *resilient_make(struct loop *loop, struct http_client *client, const char *name,
                                 const struct resilience_policy *policy)
{
    struct resilient *peer = need_memory(sizeof *peer);

    *peer = (struct resilient){.loop = loop, .client = client, .name = name, .policy = *policy};
    breaker_make(&peer->breaker, loop, &policy->breaker);
    bulkhead_make(&peer->bulkhead, loop, &policy->bulkhead);
    return peer;
}

void resilient_free(struct resilient *peer)
{
    if (peer == NULL) return;
    while (peer->first != NULL) {
        timeout_end(&peer->first->limit);
        loop_timer_cancel(peer->loop, &peer->first->back_off);
        loop_task_cancel(peer->loop, &peer->first->start);
        if (peer->first->step == WAITING) bulkhead_give_up(&peer->first->place);
        attempted_free(peer->first);
    }
    bulkhead_done(&peer->bulkhead);
    free(peer);
}

/* --- telling --- */

static const char *no_header(const struct http_reply *reply, const char *name)
{
    (void)reply;
    (void)name;
    return NULL;
}

/* Tells the caller. Its memory goes now, or with what is still to come if it is OVER. */
static void tell(struct attempted *it, const struct http_reply *reply, const struct error *err)
{
    static const struct http_reply none = {.header = no_header};
    void (*done)(void *, const struct http_reply *, const struct error *) = it->call.done;
    void *context = it->call.context;

    timeout_end(&it->limit);
    done(context, reply != NULL ? reply : &none, err);
    if (it->step != OVER) attempted_free(it);
}

/* Nothing was answered. What an earlier attempt may have done makes the outcome unknown. */
static void fail(struct attempted *it, enum reason reason, const char *why)
{
    struct error err = {0};

    if (it->maybe_done) reason = REASON_TIMEOUT;
    error_set(&err, reason, "could not get an answer from %s: %s", it->peer->name, why);
    tell(it, NULL, &err);
}

/* --- one attempt --- */

/* What a reply means for trying again, and for the breaker. */
static enum outcome judge(const struct http_reply *reply, const struct error *err,
                          enum breaker_verdict *verdict)
{
    *verdict = BREAKER_BAD;
    switch (reply->status) {
    case 0: break;
    case 429: *verdict = BREAKER_NEITHER; return OUTCOME_AGAIN;
    case 503: return OUTCOME_AGAIN;
    case 502:
    case 504: return OUTCOME_UNKNOWN;
    default:
        if (reply->status < 500) *verdict = BREAKER_GOOD;
        return OUTCOME_DONE;
    }
    if (err->outcome != OUTCOME_AGAIN && err->outcome != OUTCOME_UNKNOWN)
        *verdict = BREAKER_NEITHER; /* the call itself makes no sense */
    return err->outcome;
}

/* Seconds of Retry-After; a date, or none, is 0. */
static uint64_t retry_after_ns(const struct http_reply *reply)
{
    const char *value = reply->status != 0 ? reply->header(reply, "Retry-After") : NULL;
    uint64_t seconds = 0;

    if (value == NULL || *value == '\0') return 0;
    for (; *value != '\0'; value++) {
        if (*value < '0' || *value > '9' || seconds > 1000000) return 0;
        seconds = seconds * 10 + (uint64_t)(*value - '0');
    }
    return seconds * 1000 * ms;
}

static bool try_again(struct attempted *it, enum outcome outcome, uint64_t at_least_ns)
{
    struct resilient *peer = it->peer;
    uint64_t delay_ns;

    if (outcome == OUTCOME_UNKNOWN && !it->repeatable) return false;
    if (peer->stopped) return false;
    if (!retry_again(&it->retry, peer->loop, outcome, at_least_ns, &delay_ns)) return false;
    if (delay_ns >= timeout_left_ns(&it->limit)) return false;
    peer->counts.retries++;
    it->step = BACKING_OFF;
    loop_timer_set(peer->loop, &it->back_off, delay_ns);
    return true;
}

static void answered(void *context, const struct http_reply *reply, const struct error *err)
{
    struct attempted *it = context;
    enum breaker_verdict verdict;
    enum outcome outcome = judge(reply, err, &verdict);

    bulkhead_leave(&it->peer->bulkhead);
    if (it->step == OVER) {
        attempted_free(it);
        return;
    }
    breaker_report(&it->peer->breaker, it->pass, verdict);
    if (outcome == OUTCOME_UNKNOWN) it->maybe_done = true;
    if (try_again(it, outcome, retry_after_ns(reply))) return;
    if (it->maybe_done && outcome == OUTCOME_AGAIN)
        fail(it, REASON_TIMEOUT, "an earlier attempt may have been carried out");
    else
        tell(it, reply, err);
}

static void send_it(struct attempted *it)
{
    struct resilient *peer = it->peer;
    struct http_call call = it->call;
    uint64_t left_ms = (timeout_left_ns(&it->limit) + ms - 1) / ms;

    call.timeout_ms = peer->policy.attempt_ms < left_ms ? peer->policy.attempt_ms : left_ms;
    call.done = answered;
    call.context = it;
    it->step = SENT;
    peer->counts.attempts++;
    http_client_call(peer->client, &call);
}

static void admitted(void *context)
{
    struct attempted *it = context;
    struct resilient *peer = it->peer;

    if (!breaker_allow(&peer->breaker, &it->pass)) {
        bulkhead_leave(&peer->bulkhead);
        peer->counts.refused_open++;
        fail(it, REASON_NOT_READY, "it has failed and is left alone for a while");
        return;
    }
    send_it(it);
}

static void refused_full(void *context)
{
    struct attempted *it = context;

    it->step = STARTING;
    it->peer->counts.refused_full++;
    fail(it, REASON_BUSY, "too many calls to it are under way");
}

/* The first attempt, or one more. */
static void begin(void *context)
{
    struct attempted *it = context;

    if (it->step == OVER) {
        attempted_free(it);
        return;
    }
    if (it->peer->stopped) {
        fail(it, REASON_NOT_READY, "this process is stopping");
        return;
    }
    switch (bulkhead_enter(&it->peer->bulkhead, &it->place)) {
    case BULKHEAD_ADMITTED: admitted(it); break;
    case BULKHEAD_WAITS: it->step = WAITING; break;
    case BULKHEAD_FULL: refused_full(it); break;
    }
}

/* Ends whatever it does now. */
static void abandon(struct attempted *it)
{
    switch (it->step) {
    case WAITING: bulkhead_give_up(&it->place); break;
    case BACKING_OFF: loop_timer_cancel(it->peer->loop, &it->back_off); break;
    case SENT:
        breaker_report(&it->peer->breaker, it->pass, BREAKER_BAD);
        it->maybe_done = true;
        it->step = OVER;
        break;
    case STARTING: it->step = OVER; break;
    case OVER: break;
    }
}

static void expired(void *context)
{
    struct attempted *it = context;

    it->peer->counts.timeouts++;
    abandon(it);
    fail(it, REASON_NOT_READY, "it took too long");
}

/* --- the verbs --- */

void resilient_call(struct resilient *peer, const struct http_call *call)
{
    struct attempted *it = attempted_make(peer, call);
    uint64_t limit_ms = call->timeout_ms > 0 ? call->timeout_ms : peer->policy.total_ms;

    peer->counts.calls++;
    retry_begin(&it->retry, &peer->policy.retry, peer->loop);
    timeout_start(&it->limit, peer->loop, limit_ms, expired, it);
    loop_post(peer->loop, &it->start);
}

void resilient_stop(struct resilient *peer)
{
    struct attempted *next;

    peer->stopped = true;
    for (struct attempted *it = peer->first; it != NULL; it = next) {
        next = it->next;
        if (it->step == SENT || it->step == OVER) continue;
        abandon(it);
        fail(it, REASON_NOT_READY, "this process is stopping");
    }
}

void resilient_state(const struct resilient *peer, struct resilient_state *out)
{
    *out = peer->counts;
    out->breaker = peer->breaker.state;
    out->inside = peer->bulkhead.inside;
    out->waiting = peer->bulkhead.waiting;
}
