/* Markdown of topics and events. */
#include "bus/docs.h"

#include "bus/cloud_event.h"

#include <string.h>

enum { RECORDS_MAX = 32 };

void docs_topics(struct buffer *out)
{
    buffer_text(out, "| topic | published by | key | partitions | kept | what for |\n"
                     "|---|---|---|---|---|---|\n");
    for (const struct topic *topic = topics; topic->name != NULL; topic++) {
        buffer_format(out, "| `%s` | %s | %s | %u | ", topic->name, topic->owner, topic->key,
                      topic->partitions);
        if (topic->retention_ms == 0)
            buffer_text(out, "for ever");
        else
            buffer_format(out, "%llu days",
                          (unsigned long long)(topic->retention_ms / UINT64_C(86400000)));
        buffer_format(out, " | %s |\n", topic->help);
    }
}

/* --- fields --- */

static void add_words(const char *const *words, struct buffer *out)
{
    buffer_text(out, "one of");
    for (unsigned i = 0; words[i] != NULL; i++)
        buffer_format(out, "%s `%s`", i > 0 ? "," : "", words[i]);
}

static void add_form(const struct record_field *field, struct buffer *out)
{
    switch (field->kind) {
    case RECORD_TEXT: buffer_format(out, "text of 1 to %u bytes", field->max); break;
    case RECORD_COUNT_OF:
        buffer_format(out, "number from %llu to %llu", (unsigned long long)field->low,
                      (unsigned long long)field->high);
        break;
    case RECORD_ONE: buffer_format(out, "`%s`", field->record->name); break;
    case RECORD_LIST:
        buffer_format(out, "list of up to %u `%s`", field->max, field->record->name);
        break;
    case RECORD_WORD:
    case RECORD_CHOICE:
        if (field->choices == reason_words)
            buffer_text(out, "[reason](errors.md)");
        else if (field->choices != NULL)
            add_words(field->choices, out);
        else
            buffer_text(out, record_kind_words(field->kind));
        break;
    default: buffer_text(out, record_kind_words(field->kind));
    }
}

static void add_fields(const struct record *record, struct buffer *out)
{
    buffer_text(out, "| field | form | | what |\n|---|---|---|---|\n");
    for (const struct record_field *field = record_fields(record); field->name != NULL; field++) {
        buffer_format(out, "| `%s` | ", field->name);
        add_form(field, out);
        buffer_format(out, " | %s | %s |\n", field->need == NEEDED ? "always" : "optional",
                      field->help);
    }
}

/* Prints those within a record that weren't printed yet. */
static void add_records_within(const struct record *record, const struct record **printed,
                               unsigned *count, struct buffer *out)
{
    for (const struct record_field *field = record_fields(record); field->name != NULL; field++) {
        unsigned i = 0;

        if (field->record == NULL) continue;
        while (i < *count && printed[i] != field->record) i++;
        if (i < *count || *count == RECORDS_MAX) continue;
        printed[(*count)++] = field->record;
        buffer_format(out, "\n`%s`: %s\n\n", field->record->name, field->record->help);
        add_fields(field->record, out);
        add_records_within(field->record, printed, count, out);
    }
}

void docs_events(struct buffer *out)
{
    const struct record *printed[RECORDS_MAX];
    unsigned count = 0;

    buffer_format(out, "### Around every event\n%s\n\n", cloud_event_record.help);
    add_fields(&cloud_event_record, out);
    buffer_text(out, "| `data` | an object | always | The fields below, by type. |\n");
    for (const struct event_type *type = event_types; type->name != NULL; type++) {
        buffer_format(out, "\n### %s\n%s Topic `%s`, version %u.\n\n", type->name, type->help,
                      type->topic->name, type->major);
        add_fields(type->record, out);
        add_records_within(type->record, printed, &count, out);
    }
}
