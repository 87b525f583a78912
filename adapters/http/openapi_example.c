/* Examples: a value of each kind that a reader takes. */
#include "http/openapi_parts.h"

#include "wire/record.h"

/* Of the kinds that don't depend on the row. */
static const char *const kind_examples[] = {
    [RECORD_LEDGER_ID] = "\"42\"", [RECORD_MINOR] = "\"1250\"",
    [RECORD_AMOUNT] = "\"12.50\"", [RECORD_BALANCE] = "\"-12.50\"",
    [RECORD_CURRENCY] = "\"EUR\"", [RECORD_TIME] = "\"2026-01-31T12:00:00Z\"",
    [RECORD_DURATION] = "\"P7D\"", [RECORD_BIG] = "\"42\"",
    [RECORD_FLAG] = "true",        [RECORD_SEALED] = "\"sealed:key:text\"",
    [RECORD_LIST] = NULL,
};

static void add_text(const struct record_field *field, struct buffer *out)
{
    size_t length = strlen(field->name);

    buffer_json(out, field->name, field->max < length ? field->max : length);
}

static void add_value(const struct record_field *field, unsigned index, struct buffer *out)
{
    switch (field->kind) {
    case RECORD_ID:
    case RECORD_ACCOUNT: /* of each field another one */
        buffer_format(out, "\"0197c5a0-0000-8000-8000-%012u\"", index + 1);
        break;
    case RECORD_COUNT_OF:
        buffer_number(out, field->low > 0 || field->high == 0 ? field->low : 1);
        break;
    case RECORD_WORD:
    case RECORD_CHOICE:
        if (field->choices == NULL)
            buffer_text(out, "\"word\"");
        else
            buffer_json(out, field->choices[0], strlen(field->choices[0]));
        break;
    case RECORD_TEXT: add_text(field, out); break;
    case RECORD_ONE: openapi_example(field->record, out); break;
    case RECORD_LIST:
        buffer_char(out, '[');
        openapi_example(field->record, out);
        buffer_char(out, ']');
        break;
    default: buffer_text(out, kind_examples[field->kind]);
    }
}

void openapi_example(const struct record *record, struct buffer *out)
{
    const struct record_field *fields = record_fields(record);

    buffer_char(out, '{');
    for (unsigned i = 0; fields[i].name != NULL; i++) {
        /* an account that may be left out mostly stands for another way to say who */
        if (fields[i].need != NEEDED && fields[i].kind != RECORD_ACCOUNT) continue;
        member(out, fields[i].name);
        add_value(&fields[i], i, out);
    }
    buffer_char(out, '}');
}
