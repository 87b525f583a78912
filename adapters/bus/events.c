/* Tables of the event types; events as they are handed about. */
#include "bus/events.h"

#include "wire/json.h"

#include <stdlib.h>
#include <string.h>

const char *const reason_words[] = {
#define REASON(NAME, outcome, status, type, title, help) type,
#include "runtime/reasons.def"
#undef REASON
    NULL,
};

#define RECORD_FILE "bus/events/account.def"
#include "wire/record_rows.h"
#define RECORD_FILE "bus/events/balance.def"
#include "wire/record_rows.h"
#define RECORD_FILE "bus/events/fraud.def"
#include "wire/record_rows.h"
#define RECORD_FILE "bus/events/payment.def"
#include "wire/record_rows.h"
#define RECORD_FILE "bus/events/transaction.def"
#include "wire/record_rows.h"

const struct event_type event_types[] = {
#include "wire/record_none.h"
#undef EVENT
#define EVENT(name, type, major, help, ...)                                                        \
    {type, major, OWNER_TOPIC, &name##_event_record, sizeof(struct name##_event), help},
#define OWNER_TOPIC &topics[TOPIC_account]
#include "bus/events/account.def"
#undef OWNER_TOPIC
#define OWNER_TOPIC &topics[TOPIC_balance]
#include "bus/events/balance.def"
#undef OWNER_TOPIC
#define OWNER_TOPIC &topics[TOPIC_fraud]
#include "bus/events/fraud.def"
#undef OWNER_TOPIC
#define OWNER_TOPIC &topics[TOPIC_payment]
#include "bus/events/payment.def"
#undef OWNER_TOPIC
#define OWNER_TOPIC &topics[TOPIC_transaction]
#include "bus/events/transaction.def"
#undef OWNER_TOPIC
#include "wire/record_end.h"
    {.name = NULL},
};

const struct event_type *event_type_find(const char *name, unsigned major)
{
    for (const struct event_type *type = event_types; type->name != NULL; type++)
        if (type->major == major && strcmp(type->name, name) == 0) return type;
    return NULL;
}

/* --- events --- */

/* Room for the data behind the event, where any type may begin. */
static struct event *with_room(const struct event_type *type)
{
    size_t head = (sizeof(struct event) + 15) / 16 * 16;
    struct event *event = need_memory(head + (type != NULL ? type->size : 0));

    event->references = 1;
    event->type = type;
    if (type != NULL) event->data = (char *)event + head;
    return event;
}

struct event *event_make(const struct envelope *envelope, const struct event_type *type,
                         const void *data)
{
    struct event *event = with_room(type);

    event->envelope = *envelope;
    memcpy((void *)event->data, data, type->size);
    return event;
}

static enum outcome parse_json(const cJSON *json, struct event **out, struct error *err)
{
    struct envelope envelope;
    const struct event_type *type;
    struct event *event;
    const cJSON *data;
    enum outcome outcome = envelope_read(json, &envelope, err);

    if (outcome != OUTCOME_DONE) return outcome;
    type = event_type_find(envelope.type, envelope.major);
    event = with_room(type);
    event->envelope = envelope;
    data = cJSON_GetObjectItemCaseSensitive(json, "data");
    if (data == NULL) {
        error_fault(err, "/data", "is missing");
        outcome = err->outcome;
    } else if (type != NULL) {
        outcome = record_read(type->record, data, false, "/data", (void *)event->data, err);
    }
    if (outcome == OUTCOME_DONE)
        *out = event;
    else
        event_release(event);
    return outcome;
}

/* Makes the first fault the message. */
static enum outcome cannot_read(struct error *err)
{
    struct error_fault fault = err->faults[0];

    return error_set(err, REASON_INVALID_REQUEST, "cannot read the event: %s%s%s", fault.field,
                     fault.field[0] != '\0' ? " " : "", fault.message);
}

enum outcome event_parse(const char *text, size_t length, struct event **out, struct error *err)
{
    cJSON *json;
    enum outcome outcome;

    *err = (struct error){0};
    json = json_parse(text, length, err);
    if (json == NULL) return cannot_read(err);
    outcome = parse_json(json, out, err);
    cJSON_Delete(json);
    return outcome == OUTCOME_DONE ? OUTCOME_DONE : cannot_read(err);
}

const struct event *event_hold(const struct event *event)
{
    ((struct event *)event)->references++;
    return event;
}

void event_release(const struct event *event)
{
    struct event *owned = (struct event *)event;

    if (owned != NULL && --owned->references == 0) free(owned);
}
