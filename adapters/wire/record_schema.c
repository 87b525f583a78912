/* JSON Schema, draft 2020-12, of a record. */
#include "wire/record.h"

#include "wire/json.h"

#include <string.h>

/* What a kind is, without bounds that stand in the row; text is quoted for JSON. */
static const char *const kind_schemas[] = {
    [RECORD_ID] = "\"type\":\"string\",\"format\":\"uuid\"",
    [RECORD_ACCOUNT] = "\"type\":\"string\",\"format\":\"uuid\"",
    [RECORD_LEDGER_ID] = "\"type\":\"string\",\"pattern\":\"^(0|[1-9][0-9]{0,38})$\"",
    [RECORD_MINOR] = "\"type\":\"string\",\"pattern\":\"^(0|[1-9][0-9]{0,38})$\"",
    [RECORD_AMOUNT] = "\"type\":\"string\","
                      "\"maxLength\":20,\"pattern\":\"^(0|[1-9][0-9]{0,17})(\\\\.[0-9]{1,18})?$\"",
    [RECORD_BALANCE] =
        "\"type\":\"string\","
        "\"maxLength\":21,\"pattern\":\"^-?(0|[1-9][0-9]{0,17})(\\\\.[0-9]{1,18})?$\"",
    [RECORD_CURRENCY] = "\"type\":\"string\",\"pattern\":\"^[A-Z]{3}$\"",
    [RECORD_TIME] = "\"type\":\"string\",\"format\":\"date-time\"",
    [RECORD_DURATION] = "\"type\":\"string\",\"format\":\"duration\"",
    [RECORD_COUNT_OF] = "\"type\":\"integer\"",
    [RECORD_BIG] = "\"type\":\"string\",\"pattern\":\"^(0|[1-9][0-9]{0,19})$\"",
    [RECORD_FLAG] = "\"type\":\"boolean\"",
    [RECORD_WORD] = "\"type\":\"string\"",
    [RECORD_SEALED] = "\"type\":\"string\","
                      "\"pattern\":\"^sealed:[A-Za-z0-9_-]+:[A-Za-z0-9_-]+$\"",
    [RECORD_TEXT] = "\"type\":\"string\","
                    "\"pattern\":\"^[^\\\\u0000-\\\\u001f\\\\u007f-\\\\u009f]*$\"",
    [RECORD_CHOICE] = "\"type\":\"string\"",
    [RECORD_ONE] = "\"type\":\"object\"",
    [RECORD_LIST] = "\"type\":\"array\"",
};

static void add_enum(const char *const *words, struct buffer *out)
{
    buffer_text(out, ",\"enum\":[");
    for (unsigned i = 0; words[i] != NULL; i++) {
        if (i > 0) buffer_char(out, ',');
        buffer_json(out, words[i], strlen(words[i]));
    }
    buffer_char(out, ']');
}

void record_schema_kind(enum record_kind kind, const char *const *choices, struct buffer *out)
{
    buffer_char(out, '{');
    buffer_text(out, kind_schemas[kind]);
    if (kind == RECORD_COUNT_OF)
        buffer_format(out, ",\"minimum\":0,\"maximum\":%llu", (unsigned long long)JSON_COUNT_MAX);
    if (choices != NULL) add_enum(choices, out);
    buffer_char(out, '}');
}

static void add_reference(const struct record *record, const char *refs, struct buffer *out)
{
    buffer_format(out, "\"$ref\":\"%s%s\"", refs, record->name);
}

static void add_field(const struct record_field *field, const char *refs, struct buffer *out)
{
    buffer_json(out, field->name, strlen(field->name));
    buffer_text(out, ":{");
    if (field->kind == RECORD_ONE)
        add_reference(field->record, refs, out);
    else
        buffer_text(out, kind_schemas[field->kind]);
    if (field->kind == RECORD_COUNT_OF)
        buffer_format(out, ",\"minimum\":%llu,\"maximum\":%llu", (unsigned long long)field->low,
                      (unsigned long long)field->high);
    if (field->kind == RECORD_TEXT)
        buffer_format(out, ",\"minLength\":1,\"maxLength\":%u", field->max);
    if (field->kind == RECORD_SEALED) buffer_format(out, ",\"maxLength\":%u", SEALED_MAX);
    if (field->choices != NULL) add_enum(field->choices, out);
    if (field->kind == RECORD_LIST) {
        buffer_format(out, ",\"maxItems\":%u,\"items\":{", field->max);
        add_reference(field->record, refs, out);
        buffer_char(out, '}');
    }
    buffer_text(out, ",\"description\":");
    buffer_json(out, field->help, strlen(field->help));
    buffer_char(out, '}');
}

static void add_required(const struct record_field *fields, struct buffer *out)
{
    bool first = true;

    for (unsigned i = 0; fields[i].name != NULL; i++) {
        if (fields[i].need != NEEDED) continue;
        buffer_text(out, first ? ",\"required\":[" : ",");
        buffer_json(out, fields[i].name, strlen(fields[i].name));
        first = false;
    }
    if (!first) buffer_char(out, ']');
}

static void add_record(const struct record *record, const char *refs, bool closed,
                       struct buffer *out)
{
    const struct record_field *fields = record_fields(record);

    buffer_text(out, "{\"type\":\"object\",\"description\":");
    buffer_json(out, record->help, strlen(record->help));
    buffer_text(out, ",\"properties\":{");
    for (unsigned i = 0; fields[i].name != NULL; i++) {
        if (i > 0) buffer_char(out, ',');
        add_field(&fields[i], refs, out);
    }
    buffer_char(out, '}');
    add_required(fields, out);
    if (closed) buffer_text(out, ",\"additionalProperties\":false");
    buffer_char(out, '}');
}

void record_schema(const struct record *record, const char *refs, struct buffer *out)
{
    add_record(record, refs, false, out);
}

void record_schema_closed(const struct record *record, const char *refs, struct buffer *out)
{
    add_record(record, refs, true, out);
}
