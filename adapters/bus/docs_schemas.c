/* JSON Schema of events, and AsyncAPI, which has them all. */
#include "bus/docs.h"

#include "bus/cloud_event.h"

#include <stdio.h>
#include <string.h>

enum { RECORDS_MAX = 64 };

/* Records that schemas refer to, each once. */
struct records {
    const struct record *rows[RECORDS_MAX];
    unsigned count;
};

static void gather(const struct record *record, struct records *records)
{
    for (unsigned i = 0; i < records->count; i++)
        if (records->rows[i] == record) return;
    if (records->count == RECORDS_MAX) return;
    records->rows[records->count++] = record;
    for (const struct record_field *field = record_fields(record); field->name != NULL; field++)
        if (field->record != NULL) gather(field->record, records);
}

static void quote(struct buffer *out, const char *text) { buffer_json(out, text, strlen(text)); }

/* "name": */
static void key(struct buffer *out, const char *name)
{
    quote(out, name);
    buffer_char(out, ':');
}

/* NAME: SCHEMA of each from a row on. */
static void add_schemas(const struct records *records, unsigned from, const char *refs,
                        struct buffer *out)
{
    for (unsigned i = from; i < records->count; i++) {
        if (i > from) buffer_char(out, ',');
        key(out, records->rows[i]->name);
        record_schema(records->rows[i], refs, out);
    }
}

void schema_of_event(const struct event_type *type, struct buffer *out)
{
    struct records records = {.count = 0};
    struct buffer schema = {0};

    gather(type->record, &records);
    record_schema(type->record, "#/$defs/", &schema);
    buffer_format(out,
                  "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\","
                  "\"$id\":\"" SCHEMA_BASE "%s/%u\",\"title\":\"%s\",",
                  type->name, type->major, type->name);
    buffer_add(out, schema.bytes + 1, schema.length - 2); /* without its braces */
    if (records.count > 1) {
        buffer_text(out, ",\"$defs\":{");
        add_schemas(&records, 1, "#/$defs/", out);
        buffer_char(out, '}');
    }
    buffer_char(out, '}');
    buffer_done(&schema);
}

/* --- AsyncAPI --- */

/* NAME: {"$ref": PLACE/NAME} of each type of a topic, or of all; NAME alone in a list. */
static void add_references(const struct topic *topic, const char *place, bool named,
                           struct buffer *out)
{
    bool first = true;

    for (const struct event_type *type = event_types; type->name != NULL; type++) {
        if (type->topic != topic) continue;
        if (!first) buffer_char(out, ',');
        first = false;
        if (named) key(out, type->name);
        buffer_format(out, "{\"$ref\":\"%s%s\"}", place, type->name);
    }
}

static void add_channel(const struct topic *topic, struct buffer *out)
{
    key(out, topic->name);
    buffer_text(out, "{\"address\":");
    quote(out, topic->name);
    buffer_text(out, ",\"description\":");
    quote(out, topic->help);
    buffer_text(out, ",\"messages\":{");
    add_references(topic, "#/components/messages/", true, out);
    buffer_format(out, "},\"bindings\":{\"kafka\":{\"topic\":\"%s\",\"partitions\":%u", topic->name,
                  topic->partitions);
    if (topic->retention_ms != 0)
        buffer_format(out, ",\"topicConfiguration\":{\"retention.ms\":%llu}",
                      (unsigned long long)topic->retention_ms);
    buffer_text(out, ",\"bindingVersion\":\"0.5.0\"}}}");
}

/* Who publishes there; those that read are as many as there are groups. */
static void add_operation(const struct topic *topic, struct buffer *out)
{
    char place[128];

    snprintf(place, sizeof place, "#/channels/%s/messages/", topic->name);
    key(out, topic->name);
    buffer_format(out, "{\"action\":\"send\",\"channel\":{\"$ref\":\"#/channels/%s\"},\"summary\":",
                  topic->name);
    buffer_format(out, "\"Published by %s, keyed by %s.\",\"messages\":[", topic->owner,
                  topic->key);
    add_references(topic, place, false, out);
    buffer_text(out, "]}");
}

static void add_message(const struct event_type *type, struct buffer *out)
{
    key(out, type->name);
    buffer_text(out, "{\"name\":");
    quote(out, type->name);
    buffer_text(out, ",\"summary\":");
    quote(out, type->help);
    buffer_text(out, ",\"contentType\":\"application/json\",\"payload\":{\"allOf\":["
                     "{\"$ref\":\"#/components/schemas/cloud_event\"},"
                     "{\"type\":\"object\",\"properties\":{\"type\":{\"const\":");
    quote(out, type->name);
    buffer_format(out,
                  "},\"data\":{\"$ref\":\"#/components/schemas/%s\"}},\"required\":[\"data\"]}",
                  type->record->name);
    buffer_text(out, "]}}");
}

static void add_components(struct buffer *out)
{
    struct records records = {.count = 0};

    gather(&cloud_event_record, &records);
    buffer_text(out, "\"components\":{\"messages\":{");
    for (const struct event_type *type = event_types; type->name != NULL; type++) {
        if (type > event_types) buffer_char(out, ',');
        add_message(type, out);
        gather(type->record, &records);
    }
    buffer_text(out, "},\"schemas\":{");
    add_schemas(&records, 0, "#/components/schemas/", out);
    buffer_text(out, "}}");
}

void asyncapi_print(struct buffer *out)
{
    buffer_text(out,
                "{\"asyncapi\":\"3.0.0\",\"info\":{\"title\":\"MicroPay events\","
                "\"version\":\"1.0.0\",\"description\":\"CloudEvents 1.0 in JSON. Delivered at "
                "least once; source and sequence tell repeats. Within a major version of a "
                "type fields are only added, and optional.\",\"license\":{\"name\":"
                "\"Apache-2.0\"}},\"defaultContentType\":\"application/json\",\"channels\":{");
    for (const struct topic *topic = topics; topic->name != NULL; topic++) {
        if (topic > topics) buffer_char(out, ',');
        add_channel(topic, out);
    }
    buffer_text(out, "},\"operations\":{");
    for (const struct topic *topic = topics; topic->name != NULL; topic++) {
        if (topic > topics) buffer_char(out, ',');
        add_operation(topic, out);
    }
    buffer_text(out, "},");
    add_components(out);
    buffer_char(out, '}');
}
