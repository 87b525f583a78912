/* JSON to a struct, by the rows of a record. */
#include "wire/record.h"

#include "wire/json.h"
#include "wire/times.h"
#include "wire/utf8.h"

#include <stdio.h>
#include <string.h>

const char word_unknown[] = "unknown";

enum { POINTER_MAX = 256 };

/* --- values that are texts --- */

static bool read_uuid(const char *text, struct uuid *out)
{
    return uuid_read(text, out) && !uuid_is_zero(*out);
}

static bool read_whole(const char *text, mp_u128 most, mp_u128 *out)
{
    mp_u128 value = 0;

    if (*text == '\0' || (text[0] == '0' && text[1] != '\0')) return false;
    for (; *text != '\0'; text++) {
        unsigned digit = (unsigned)(unsigned char)*text - '0';

        if (digit > 9 || value > (most - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

static bool read_up_to(const char *text, uint64_t most, uint64_t *out)
{
    mp_u128 value;

    if (!read_whole(text, most, &value)) return false;
    *out = (uint64_t)value;
    return true;
}

static bool read_balance(const char *text, struct amount *out)
{
    bool below = text[0] == '-';

    if (!amount_read(text + below, out)) return false;
    if (below) out->units = -out->units;
    return true;
}

static bool read_currency(const char *text, struct currency_code *out)
{
    const struct currency *currency = currency_find(text);

    if (currency == NULL) return false;
    memcpy(out->code, currency->code, sizeof out->code);
    return true;
}

static bool read_flag(const char *text, bool *out)
{
    *out = strcmp(text, "true") == 0;
    return *out || strcmp(text, "false") == 0;
}

bool record_value(enum record_kind kind, const char *text, void *out)
{
    switch (kind) {
    case RECORD_ID:
    case RECORD_ACCOUNT: return read_uuid(text, out);
    case RECORD_LEDGER_ID:
    case RECORD_MINOR: return read_whole(text, MP_U128_MAX, out);
    case RECORD_AMOUNT: return amount_read(text, out);
    case RECORD_BALANCE: return read_balance(text, out);
    case RECORD_CURRENCY: return read_currency(text, out);
    case RECORD_TIME: return instant_read(text, out);
    case RECORD_DURATION: return duration_read(text, out);
    case RECORD_COUNT_OF: return read_up_to(text, JSON_COUNT_MAX, out);
    case RECORD_BIG: return read_up_to(text, UINT64_MAX, out);
    case RECORD_FLAG: return read_flag(text, out);
    case RECORD_WORD:
    case RECORD_SEALED:
    case RECORD_TEXT:
    case RECORD_CHOICE:
    case RECORD_ONE:
    case RECORD_LIST: break;
    }
    return false;
}

const char *record_kind_words(enum record_kind kind)
{
    static const char *const words[] = {
        [RECORD_ID] = "a UUID",
        [RECORD_ACCOUNT] = "a UUID",
        [RECORD_LEDGER_ID] = "a whole number in a string, below 2^128",
        [RECORD_MINOR] = "minor units, a whole number in a string",
        [RECORD_AMOUNT] = "a decimal amount in a string, such as \"12.50\"",
        [RECORD_BALANCE] = "a decimal amount in a string, such as \"12.50\" or \"-1.00\"",
        [RECORD_CURRENCY] = "an ISO 4217 currency code, such as \"EUR\"",
        [RECORD_TIME] = "a time as in RFC 3339, such as \"2026-01-31T12:00:00Z\"",
        [RECORD_DURATION] = "a duration as in ISO 8601, such as \"P7D\" or \"PT30S\"",
        [RECORD_COUNT_OF] = "a whole number below 2^53",
        [RECORD_BIG] = "a whole number in a string, below 2^64",
        [RECORD_FLAG] = "true or false",
        [RECORD_WORD] = "a word",
        [RECORD_SEALED] = "sealed text",
        [RECORD_TEXT] = "a text",
        [RECORD_CHOICE] = "a word of the list",
        [RECORD_ONE] = "an object",
        [RECORD_LIST] = "an array",
    };

    return words[kind];
}

/* --- the reader --- */

struct reading {
    struct error *err;
    char at[POINTER_MAX]; /* of the value being read */
    bool strict;
};

static bool read_object(struct reading *reading, const struct record *record, const cJSON *json,
                        char *out);

/* Appends a name to the pointer; returns what to give to leave() afterwards. */
static size_t enter(struct reading *reading, const char *name)
{
    size_t length = strlen(reading->at), at = length;

    if (at + 1 < POINTER_MAX) reading->at[at++] = '/';
    for (; *name != '\0' && at + 2 < POINTER_MAX; name++) {
        bool escaped = *name == '~' || *name == '/';

        if (escaped) reading->at[at++] = '~';
        reading->at[at++] = *name == '~' ? '0' : *name == '/' ? '1' : *name;
    }
    reading->at[at] = '\0';
    return length;
}

static void leave(struct reading *reading, size_t length) { reading->at[length] = '\0'; }

static bool must_be(struct reading *reading, const char *what)
{
    error_fault(reading->err, reading->at, "must be %s", what);
    return false;
}

static bool read_text(struct reading *reading, const struct record_field *field, const char *text,
                      char *out)
{
    size_t length;

    if (text == NULL) return must_be(reading, "a string");
    length = strlen(text);
    if (length == 0 || length > field->max) {
        error_fault(reading->err, reading->at, "must have 1 to %u bytes, has %zu", field->max,
                    length);
        return false;
    }
    if (!utf8_printable(text, length)) {
        error_fault(reading->err, reading->at, "must have no control characters");
        return false;
    }
    memcpy(out, text, length + 1);
    return true;
}

/* The words of a list, for a message: "automatic, manual". */
static void list_words(const char *const *words, char *out, size_t size)
{
    size_t length = 0;

    out[0] = '\0';
    for (; *words != NULL && length < size; words++)
        length +=
            (size_t)snprintf(out + length, size - length, "%s%s", length > 0 ? ", " : "", *words);
}

/* Index of a text in the words from 1; 0 with a fault. */
static unsigned find_word(struct reading *reading, const char *const *words, const char *text)
{
    char list[96];

    for (unsigned i = 0; text != NULL && words[i] != NULL; i++)
        if (strcmp(words[i], text) == 0) return i + 1;
    list_words(words, list, sizeof list);
    error_fault(reading->err, reading->at, "must be one of: %s", list);
    return 0;
}

static bool read_word(struct reading *reading, const struct record_field *field, const char *text,
                      char *out)
{
    const char *word = word_unknown;

    if (text == NULL) return must_be(reading, "a string");
    if (field->choices == NULL) return must_be(reading, "left out: it is only ever answered");
    if (reading->strict) {
        unsigned index = find_word(reading, field->choices, text);

        if (index == 0) return false;
        word = field->choices[index - 1];
    } else {
        for (unsigned i = 0; field->choices[i] != NULL; i++)
            if (strcmp(field->choices[i], text) == 0) word = field->choices[i];
    }
    memcpy(out, &word, sizeof word);
    return true;
}

static bool read_choice(struct reading *reading, const struct record_field *field, const char *text,
                        char *out)
{
    unsigned index = find_word(reading, field->choices, text);

    memcpy(out, &index, sizeof index);
    return index != 0;
}

static bool is_base64url(const char *text, size_t length)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    return length > 0 && strspn(text, alphabet) >= length;
}

bool sealed_valid(const char *text)
{
    const char *key, *colon;

    if (strlen(text) > SEALED_MAX || strncmp(text, "sealed:", 7) != 0) return false;
    key = text + 7;
    colon = strchr(key, ':');
    return colon != NULL && is_base64url(key, (size_t)(colon - key)) &&
           is_base64url(colon + 1, strlen(colon + 1));
}

static bool read_sealed(struct reading *reading, const char *text, char *out)
{
    if (text == NULL || !sealed_valid(text)) return must_be(reading, "sealed text");
    memcpy(out, text, strlen(text) + 1);
    return true;
}

static bool read_count(struct reading *reading, const struct record_field *field, const cJSON *json,
                       char *out)
{
    uint64_t count;

    if (!json_count(json, &count) || count < field->low || count > field->high) {
        error_fault(reading->err, reading->at, "must be a whole number from %llu to %llu",
                    (unsigned long long)field->low, (unsigned long long)field->high);
        return false;
    }
    memcpy(out, &count, sizeof count);
    return true;
}

static bool read_list(struct reading *reading, const struct record_field *field, const cJSON *json,
                      char *out)
{
    const struct record *record = field->record;
    const cJSON *row;
    unsigned count = 0;
    bool good = true;
    char *rows = out + field->rows;

    if (!cJSON_IsArray(json)) return must_be(reading, "an array");
    cJSON_ArrayForEach(row, json)
    {
        char index[12];
        size_t length;

        if (count == field->max) {
            error_fault(reading->err, reading->at, "must have at most %u rows", field->max);
            return false;
        }
        snprintf(index, sizeof index, "%u", count);
        length = enter(reading, index);
        if (!read_object(reading, record, row, rows + (size_t)count * record->size)) good = false;
        leave(reading, length);
        count++;
    }
    memcpy(out, &count, sizeof count);
    return good;
}

static bool read_value(struct reading *reading, const struct record_field *field, const cJSON *json,
                       char *out)
{
    const char *text = cJSON_GetStringValue(json);

    switch (field->kind) {
    case RECORD_COUNT_OF: return read_count(reading, field, json, out);
    case RECORD_FLAG: {
        bool flag = cJSON_IsTrue(json);

        if (!cJSON_IsBool(json)) return must_be(reading, "true or false");
        memcpy(out, &flag, sizeof flag);
        return true;
    }
    case RECORD_WORD: return read_word(reading, field, text, out);
    case RECORD_SEALED: return read_sealed(reading, text, out);
    case RECORD_TEXT: return read_text(reading, field, text, out);
    case RECORD_CHOICE: return read_choice(reading, field, text, out);
    case RECORD_ONE: return read_object(reading, field->record, json, out);
    case RECORD_LIST: return read_list(reading, field, json, out);
    default:
        if (text != NULL && record_value(field->kind, text, out)) return true;
        return must_be(reading, record_kind_words(field->kind));
    }
}

/* The row of a name, looked for from where the last one was found: members mostly come in order of
 * the rows. -1 if there is none. */
static int find_field(const struct record_field *fields, unsigned count, unsigned from,
                      const char *name)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned index = from + i < count ? from + i : from + i - count;

        if (strcmp(fields[index].name, name) == 0) return (int)index;
    }
    return -1;
}

static bool read_member(struct reading *reading, const struct record_field *fields, unsigned count,
                        unsigned *next, const cJSON *member, uint64_t *seen, char *out)
{
    int index = find_field(fields, count, *next, member->string);
    size_t length;
    bool good = true;

    if (index < 0 && !reading->strict) return true;
    length = enter(reading, member->string);
    if (index < 0) {
        error_fault(reading->err, reading->at, "is not known here");
        good = false;
    } else if (*seen >> index & 1) {
        error_fault(reading->err, reading->at, "stands there twice");
        good = false;
    } else if (cJSON_IsNull(member) && !reading->strict && fields[index].need == OPTIONAL) {
        /* absent */
    } else {
        *seen |= UINT64_C(1) << index;
        *next = (unsigned)index + 1;
        good = read_value(reading, &fields[index], member, out + fields[index].offset);
    }
    leave(reading, length);
    return good;
}

static bool read_object(struct reading *reading, const struct record *record, const cJSON *json,
                        char *out)
{
    const struct record_field *fields = record_fields(record);
    unsigned count = 0, next = 0;
    uint64_t seen = 0;
    bool good = true;
    const cJSON *member;

    if (!cJSON_IsObject(json)) return must_be(reading, "an object");
    while (fields[count].name != NULL) count++;
    cJSON_ArrayForEach(member, json)
    {
        if (!read_member(reading, fields, count, &next, member, &seen, out)) good = false;
    }
    for (unsigned i = 0; i < count; i++) {
        size_t length;

        if (fields[i].need != NEEDED || (seen >> i & 1)) continue;
        length = enter(reading, fields[i].name);
        error_fault(reading->err, reading->at, "is missing");
        leave(reading, length);
        good = false;
    }
    memcpy(out, &seen, sizeof seen);
    return good;
}

enum outcome record_read(const struct record *record, const cJSON *json, bool strict,
                         const char *at, void *out, struct error *err)
{
    struct reading reading = {.err = err, .strict = strict};

    snprintf(reading.at, sizeof reading.at, "%s", at);
    return read_object(&reading, record, json, out) ? OUTCOME_DONE : err->outcome;
}

uint64_t record_bit(const struct record *record, const char *field)
{
    const struct record_field *fields = record_fields(record);

    for (unsigned i = 0; fields[i].name != NULL; i++)
        if (strcmp(fields[i].name, field) == 0) return UINT64_C(1) << i;
    return 0;
}
