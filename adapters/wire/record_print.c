/* A struct to JSON, by the rows of a record. */
#include "wire/record.h"

#include "wire/times.h"

#include <string.h>

/* Digits need no escaping. */
static void quote(struct buffer *out, const char *text, size_t length)
{
    buffer_char(out, '"');
    buffer_add(out, text, length);
    buffer_char(out, '"');
}

static void print_uuid(const char *in, struct buffer *out)
{
    struct uuid id;
    char text[UUID_TEXT + 1];

    memcpy(&id, in, sizeof id);
    uuid_print(id, text);
    quote(out, text, UUID_TEXT);
}

static void print_whole(mp_u128 value, struct buffer *out)
{
    char text[40];
    size_t at = sizeof text;

    do {
        text[--at] = (char)('0' + (unsigned)(value % 10));
        value /= 10;
    } while (value > 0);
    quote(out, text + at, sizeof text - at);
}

static uint64_t number_at(const char *in)
{
    uint64_t number;

    memcpy(&number, in, sizeof number);
    return number;
}

static void print_string(const char *text, struct buffer *out)
{
    buffer_json(out, text, strlen(text));
}

static void print_list(const struct record_field *field, const char *in, struct buffer *out)
{
    unsigned count;

    memcpy(&count, in, sizeof count);
    if (count > field->max) count = field->max;
    buffer_char(out, '[');
    for (unsigned i = 0; i < count; i++) {
        if (i > 0) buffer_char(out, ',');
        record_print(field->record, in + field->rows + (size_t)i * field->record->size, out);
    }
    buffer_char(out, ']');
}

static void print_word(const char *in, struct buffer *out)
{
    const char *word;

    memcpy(&word, in, sizeof word);
    print_string(word != NULL ? word : "", out);
}

static void print_choice(const struct record_field *field, const char *in, struct buffer *out)
{
    unsigned index, count = 0;

    memcpy(&index, in, sizeof index);
    while (field->choices[count] != NULL) count++;
    print_string(index > 0 && index <= count ? field->choices[index - 1] : "", out);
}

static void print_amount(const char *in, struct buffer *out)
{
    struct amount amount;
    char text[AMOUNT_TEXT_MAX];

    memcpy(&amount, in, sizeof amount);
    quote(out, text, amount_print(amount, text));
}

static void print_whole_at(const char *in, struct buffer *out)
{
    mp_u128 value;

    memcpy(&value, in, sizeof value);
    print_whole(value, out);
}

static void print_time(const struct record_field *field, const char *in, struct buffer *out)
{
    char text[INSTANT_TEXT_MAX > DURATION_TEXT_MAX ? INSTANT_TEXT_MAX : DURATION_TEXT_MAX];

    quote(out, text,
          field->kind == RECORD_TIME ? instant_print(number_at(in), text)
                                     : duration_print(number_at(in), text));
}

static void print_flag(const char *in, struct buffer *out)
{
    bool flag;

    memcpy(&flag, in, sizeof flag);
    buffer_text(out, flag ? "true" : "false");
}

static void print_value(const struct record_field *field, const char *in, struct buffer *out)
{
    switch (field->kind) {
    case RECORD_ID:
    case RECORD_ACCOUNT: print_uuid(in, out); break;
    case RECORD_LEDGER_ID:
    case RECORD_MINOR: print_whole_at(in, out); break;
    case RECORD_AMOUNT:
    case RECORD_BALANCE: print_amount(in, out); break;
    case RECORD_CURRENCY: print_string(in, out); break;
    case RECORD_TIME:
    case RECORD_DURATION: print_time(field, in, out); break;
    case RECORD_COUNT_OF: buffer_number(out, number_at(in)); break;
    case RECORD_BIG: print_whole(number_at(in), out); break;
    case RECORD_FLAG: print_flag(in, out); break;
    case RECORD_WORD: print_word(in, out); break;
    case RECORD_SEALED:
    case RECORD_TEXT: print_string(in, out); break;
    case RECORD_CHOICE: print_choice(field, in, out); break;
    case RECORD_ONE: record_print(field->record, in, out); break;
    case RECORD_LIST: print_list(field, in, out); break;
    }
}

static bool is_printed(const struct record_field *field, bool present, const char *in)
{
    if (field->kind == RECORD_SEALED && !sealed_valid(in)) return false; /* would be in clear */
    return present || field->need == NEEDED;
}

void record_print(const struct record *record, const void *in, struct buffer *out)
{
    const struct record_field *fields = record_fields(record);
    uint64_t present = number_at(in);
    bool first = true;

    buffer_char(out, '{');
    for (unsigned i = 0; fields[i].name != NULL; i++) {
        const char *value = (const char *)in + fields[i].offset;

        if (!is_printed(&fields[i], present >> i & 1, value)) continue;
        if (!first) buffer_char(out, ',');
        first = false;
        quote(out, fields[i].name, strlen(fields[i].name));
        buffer_char(out, ':');
        print_value(&fields[i], value, out);
    }
    buffer_char(out, '}');
}
