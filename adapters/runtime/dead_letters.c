/* What operators do to dead letters, and reading again. */
#include "runtime/dead_letters.h"

#include "bus/events.h"
#include "http/pages.h"
#include "store/parked.h"
#include "wire/buffer.h"
#include "wire/json.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_FILE "runtime/dead_letters.def"
#include "wire/record_rows.h"

static struct turns *turns_of(const struct http_exchange *exchange)
{
    return *(struct turns **)exchange->service;
}

/* --- a letter as the caller may see it --- */

static void show_event(const struct envelope *envelope, struct dead_letter *out)
{
    out->readable = true;
    out->event = envelope->id;
    snprintf(out->type, sizeof out->type, "%s", envelope->type);
    out->time = envelope->time_ns;
    out->present |= RECORD_BIT(dead_letter, event) | RECORD_BIT(dead_letter, type) |
                    RECORD_BIT(dead_letter, time);
}

/* False if it is of another tenant or mode: the envelope says so, though the data make no sense. */
static bool show(const struct caller *caller, const struct parked_event *parked,
                 struct dead_letter *out)
{
    struct envelope envelope;
    struct error err = {0};
    cJSON *json = json_parse(parked->value, parked->length, &err);
    bool shown = true;

    *out = (struct dead_letter){
        .number = (uint64_t)parked->number,
        .partition = parked->partition,
        .position = parked->position,
        .key = parked->key,
        .parked_at = parked->parked_ns,
    };
    snprintf(out->reader, sizeof out->reader, "%s", parked->reader);
    snprintf(out->topic, sizeof out->topic, "%s", parked->topic);
    snprintf(out->reason, sizeof out->reason, "%s", parked->reason);
    snprintf(out->message, sizeof out->message, "%s", parked->message);
    if (!uuid_is_zero(parked->key)) out->present |= RECORD_BIT(dead_letter, key);
    if (json != NULL && envelope_read(json, &envelope, &err) == OUTCOME_DONE) {
        shown = envelope.live == caller->live && strcmp(envelope.tenant, caller->tenant) == 0;
        show_event(&envelope, out);
    }
    cJSON_Delete(json);
    return shown;
}

/* --- a page --- */

struct listing {
    struct http_exchange *exchange;
    int64_t after; /* number of the last one that was looked at */
    int64_t shown; /* of the last one in the page */
    unsigned count;
};

static void read_more(struct listing *listing);

static void end_page(struct listing *listing, bool more)
{
    struct store_value last = store_integer(listing->shown);

    page_answer(listing->exchange, more ? &last : NULL);
    free(listing);
}

static void on_letters(void *context, const struct parked_event *events, unsigned count,
                       const struct error *err)
{
    struct listing *listing = context;
    struct http_exchange *exchange = listing->exchange;
    struct dead_letter letter;

    if (err != NULL) {
        buffer_clear(&exchange->out);
        http_answer_problem(exchange, err);
        free(listing);
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        listing->after = events[i].number;
        if (!show(&exchange->caller, &events[i], &letter)) continue;
        if (listing->count == exchange->page->limit) {
            end_page(listing, true);
            return;
        }
        listing->count++;
        listing->shown = events[i].number;
        page_row(exchange, &letter);
    }
    if (count < PARKED_LIST_MAX)
        end_page(listing, false);
    else
        read_more(listing);
}

static void read_more(struct listing *listing)
{
    parked_list(turns_of(listing->exchange), listing->after, PARKED_LIST_MAX, on_letters, listing);
}

void dead_letters_list(struct http_exchange *exchange)
{
    struct listing *listing = need_memory(sizeof *listing);
    const struct page *page = exchange->page;

    listing->exchange = exchange;
    if (page->last_count > 0 && page->last[0].kind == STORE_INTEGER)
        listing->after = page->last[0].integer;
    page_begin(exchange);
    read_more(listing);
}

/* --- one --- */

struct asking {
    struct http_exchange *exchange;
    int64_t number;
    /* Called with the letter if the caller may see it. */
    void (*found)(struct asking *asking, struct dead_letter *letter,
                  const struct parked_event *parked);
};

static void refuse(struct asking *asking, const struct error *err)
{
    http_answer_problem(asking->exchange, err);
    free(asking);
}

static void there_is_none(struct asking *asking)
{
    struct error err = {0};

    error_set(&err, REASON_NOT_FOUND, "there is no such dead letter");
    refuse(asking, &err);
}

static void on_letter(void *context, const struct parked_event *events, unsigned count,
                      const struct error *err)
{
    struct asking *asking = context;
    struct dead_letter letter;

    if (err != NULL)
        refuse(asking, err);
    else if (count == 0 || events[0].number != asking->number ||
             !show(&asking->exchange->caller, &events[0], &letter))
        there_is_none(asking);
    else
        asking->found(asking, &letter, &events[0]);
}

/* The number in the path; 0 if it is none. */
static int64_t number_of(const char *text)
{
    uint64_t number;

    return record_value(RECORD_BIG, text, &number) && number <= INT64_MAX ? (int64_t)number : 0;
}

static void find(struct http_exchange *exchange,
                 void (*found)(struct asking *asking, struct dead_letter *letter,
                               const struct parked_event *parked))
{
    struct asking *asking = need_memory(sizeof *asking);

    asking->exchange = exchange;
    asking->number = number_of(exchange->text_params[0]);
    asking->found = found;
    if (asking->number > 0)
        parked_list(turns_of(exchange), asking->number - 1, 1, on_letter, asking);
    else
        there_is_none(asking);
}

/* The event stands in the answer as it was published: with its data, which the record lacks. */
static void show_letter(struct asking *asking, struct dead_letter *letter,
                        const struct parked_event *parked)
{
    struct buffer *out = &asking->exchange->out;

    record_print(&dead_letter_record, letter, out);
    if (letter->readable) {
        out->length--; /* the brace */
        buffer_text(out, ",\"content\":");
        buffer_add(out, parked->value, parked->length);
        buffer_char(out, '}');
    }
    http_answer(asking->exchange, 200);
    free(asking);
}

void dead_letters_get(struct http_exchange *exchange) { find(exchange, show_letter); }

/* --- replaying --- */

/* Says which one was refused, and why. */
static void refused_again(struct http_exchange *exchange, const struct error *err,
                          const struct dead_letters_replayed *body)
{
    struct error own = {0};

    error_set(&own, REASON_EVENT_REFUSED,
              "dead letter %llu was refused again, %llu before it were applied: %s",
              (unsigned long long)body->refused, (unsigned long long)body->applied, err->message);
    http_answer_problem_with(exchange, &own, "replayed", &dead_letters_replayed_record, body);
}

static void on_replayed(void *context, const struct parked_replayed *replayed,
                        const struct error *err)
{
    struct asking *asking = context;
    struct dead_letters_replayed body = {
        .applied = replayed->applied,
        .first = (uint64_t)replayed->first,
        .last = (uint64_t)replayed->last,
        .refused = (uint64_t)replayed->refused,
        .waiting = replayed->waiting,
    };

    if (replayed->applied > 0)
        body.present =
            RECORD_BIT(dead_letters_replayed, first) | RECORD_BIT(dead_letters_replayed, last);
    if (replayed->refused > 0) body.present |= RECORD_BIT(dead_letters_replayed, refused);
    if (err == NULL)
        http_answer_record(asking->exchange, 200, &body);
    else if (err->outcome == OUTCOME_REFUSED && replayed->refused > 0)
        refused_again(asking->exchange, err, &body);
    else
        http_answer_problem_with(asking->exchange, err, "replayed", &dead_letters_replayed_record,
                                 &body);
    free(asking);
}

static void replay_found(struct asking *asking, struct dead_letter *letter,
                         const struct parked_event *parked)
{
    (void)letter;
    (void)parked;
    parked_replay(turns_of(asking->exchange), asking->number, on_replayed, asking);
}

void dead_letters_replay(struct http_exchange *exchange) { find(exchange, replay_found); }

/* --- dropping --- */

static void on_dropped(void *context, unsigned waiting, const struct error *err)
{
    struct asking *asking = context;
    struct dead_letter_dropped body = {.number = (uint64_t)asking->number, .waiting = waiting};

    if (err != NULL)
        http_answer_problem(asking->exchange, err);
    else
        http_answer_record(asking->exchange, 200, &body);
    free(asking);
}

static void drop_found(struct asking *asking, struct dead_letter *letter,
                       const struct parked_event *parked)
{
    (void)letter;
    (void)parked;
    parked_drop(turns_of(asking->exchange), asking->number, on_dropped, asking);
}

void dead_letters_drop(struct http_exchange *exchange) { find(exchange, drop_found); }

/* --- reading again --- */

static void on_begun(void *context, const struct error *err)
{
    struct http_exchange *exchange = context;
    const struct replay_request *request = exchange->input;
    struct replay_begun body = {.position = request->position};
    struct error own;

    if (err != NULL) {
        own = *err;
        if (err->reason == REASON_FORBIDDEN)
            error_hint(&own, "Only what changes a service's own rows alone can be read again.");
        http_answer_problem(exchange, &own);
        return;
    }
    snprintf(body.reader, sizeof body.reader, "%s", request->reader);
    snprintf(body.topic, sizeof body.topic, "%s", request->topic);
    http_answer_record(exchange, 202, &body);
}

void replay_begin(struct http_exchange *exchange)
{
    const struct replay_request *request = exchange->input;
    const struct topic *topic = topic_find(request->topic);
    struct error err = {0};

    if (topic == NULL) {
        error_set(&err, REASON_NOT_FOUND, "there is no topic %s", request->topic);
        http_answer_problem(exchange, &err);
        return;
    }
    turns_rewind(turns_of(exchange), request->reader, topic, request->position, on_begun, exchange);
}
