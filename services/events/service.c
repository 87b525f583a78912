/* The events service: what it reads, and what it answers. */
#include "service.h"

#include "bodies.h"
#include "http/pages.h"
#include "http/waiting.h"
#include "kept.h"
#include "wire/buffer.h"

#include <stdlib.h>
#include <string.h>

enum { WAIT_MAX_S = 30, ANSWER_MAX = 500 };

struct watcher {
    const struct service_context *context;
    struct bus_reader reader;
    const struct topic *topics[TOPIC_COUNT + 1];
    bool joined;
    struct waiting *waiting; /* all wait for the same: the next event */
    struct kept kept;
};

/* What everybody waits for */
static const struct uuid next_event = {{1}};

/* --- answering --- */

static bool is_asked_for(const struct http_exchange *exchange, const struct kept_event *row)
{
    const struct envelope *envelope = &row->event->envelope;
    const union page_value *subject = page_filter(exchange->page, "subject", PAGE_IS);
    const union page_value *type = page_filter(exchange->page, "type", PAGE_IS);

    return envelope->live == exchange->caller.live &&
           strcmp(envelope->tenant, exchange->caller.tenant) == 0 &&
           (subject == NULL || uuid_equal(subject->id, row->subject)) &&
           (type == NULL || strcmp(type->text, envelope->type) == 0);
}

/* Answers with what is behind `after`; false: there is nothing, and it may wait. */
static bool answer(struct http_exchange *exchange, bool now)
{
    const struct watcher *watcher = exchange->service;
    const struct kept *kept = &watcher->kept;
    const union page_value *after = page_filter(exchange->page, "after", PAGE_IS);
    uint64_t position = after != NULL ? after->number : kept->newest, next = kept->newest;
    bool complete = position >= kept->newest - kept->count;
    unsigned count = 0;

    buffer_clear(&exchange->out);
    buffer_text(&exchange->out, "{\"data\":[");
    for (unsigned i = kept_behind(kept, position); i < kept->count; i++) {
        const struct kept_event *row = kept_at(kept, i);

        if (!is_asked_for(exchange, row)) continue;
        if (count == ANSWER_MAX) {
            next = row->position - 1;
            break;
        }
        if (count++ > 0) buffer_char(&exchange->out, ',');
        buffer_add(&exchange->out, row->text, row->length);
    }
    if (count == 0 && !now && complete) return false;
    buffer_format(&exchange->out, "],\"next\":\"%llu\",\"complete\":%s}", (unsigned long long)next,
                  complete ? "true" : "false");
    http_set_header(exchange, "Cache-Control", "no-store");
    http_answer(exchange, 200);
    return true;
}

static void time_over(struct http_exchange *exchange) { answer(exchange, true); }

static void get_events(struct http_exchange *exchange)
{
    struct watcher *watcher = exchange->service;
    const union page_value *wait = page_filter(exchange->page, "wait", PAGE_IS);
    bool waits = wait != NULL && page_filter(exchange->page, "after", PAGE_IS) != NULL;
    struct error err = {0};

    if (wait != NULL && wait->number > WAIT_MAX_S) {
        error_fault(&err, "query wait", "must be a whole number of seconds from 0 to %u",
                    WAIT_MAX_S);
        http_answer_problem(exchange, &err);
        return;
    }
    if (!answer(exchange, !waits))
        waiting_add(watcher->waiting, next_event, exchange, wait->number * 1000, time_over);
}

/* --- reading --- */

static bool tell_one(struct http_exchange *exchange, void *context)
{
    (void)context;
    return answer(exchange, false);
}

static void on_records(void *context, const struct bus_message *messages, unsigned count)
{
    struct watcher *watcher = context;

    for (unsigned i = 0; i < count; i++)
        if (messages[i].event != NULL) kept_add(&watcher->kept, &messages[i]);
    bus_ready(watcher->context->bus, &watcher->reader);
    waiting_tell(watcher->waiting, next_event, tell_one, NULL);
}

/* From the end on: what was before is nobody's here. */
static uint64_t end_of(void *context, const struct topic *topic, unsigned partition)
{
    struct watcher *watcher = context;
    uint64_t oldest = 0, newest = 0;
    struct error err = {0};

    if (bus_range(watcher->context->bus, topic, partition, &oldest, &newest, &err) != OUTCOME_DONE)
        return 0;
    return newest;
}

/* What it stood at was dropped meanwhile: it goes on from the end. */
static void on_failed(void *context, const struct topic *topic, unsigned partition,
                      const struct error *err)
{
    struct watcher *watcher = context;
    struct error again = {0};

    (void)err;
    if (bus_seek(watcher->context->bus, &watcher->reader, topic, partition,
                 end_of(watcher, topic, partition), &again) != OUTCOME_DONE)
        return; /* it stands still there; nothing but this view lacks it */
}

/* --- life --- */

static void end_waits(void *context) { waiting_end(((struct watcher *)context)->waiting); }

static void stop(void *context)
{
    struct watcher *watcher = context;

    if (watcher->joined) bus_leave(watcher->context->bus, &watcher->reader);
    waiting_end(watcher->waiting);
    waiting_free(watcher->waiting);
    kept_done(&watcher->kept);
    free(watcher);
}

static enum outcome start(const struct service_context *context, void **out, struct error *err)
{
    struct watcher *watcher = need_memory(sizeof *watcher);
    unsigned count = 0;

    watcher->context = context;
    watcher->waiting = waiting_make(context->loop);
    /* beyond those of any earlier life, which so are behind what is kept */
    watcher->kept.newest = loop_now_ns(context->loop) / 1000;
    for (const struct topic *topic = topics; topic->name != NULL; topic++)
        if (strncmp(topic->name, "micropay.", strlen("micropay.")) == 0)
            watcher->topics[count++] = topic;
    watcher->reader = (struct bus_reader){
        .group = "events",
        .topics = watcher->topics,
        .position = end_of,
        .records = on_records,
        .failed = on_failed,
        .context = watcher,
    };
    if (bus_join(context->bus, &watcher->reader, err) != OUTCOME_DONE) {
        stop(watcher);
        return err->outcome;
    }
    watcher->joined = true;
    bus_ready(context->bus, &watcher->reader);
    *out = watcher;
    return OUTCOME_DONE;
}

static const struct http_query query[] = {
    {.name = "after",
     .kind = RECORD_BIG,
     .help = "`next` of the answer before; the first request goes without, and says where it is."},
    {.name = "wait",
     .kind = RECORD_COUNT_OF,
     .help = "Seconds to wait for one if there is none behind `after`, 0 to 30; 0 unless said."},
    {.name = "subject", .kind = RECORD_ID, .help = "Of that payment or account alone."},
    {.name = "type", .kind = RECORD_TEXT, .help = "Of that type alone: payment.completed."},
    {.name = NULL},
};

static const struct http_route routes[] = {
    {.method = HTTP_GET,
     .path = "/api/v1/events",
     .handle = get_events,
     .scope = "events:read",
     .gives = &event_page_record,
     .query = query,
     .summary = "Show events as they happen",
     .help = "Those of the tenant and mode of the API key, as they were published: to look on, not "
             "to build on. The newest alone are kept, and none over a restart."},
    {.path = NULL},
};

const struct service events_service = {
    .name = "events",
    .port = 8095,
    .help = "Events as they happen, for people: the newest alone.",
    .routes = routes,
    .start = start,
    .end_waits = end_waits,
    .stop = stop,
};
