#include "wire/fill.h"

#include <stdlib.h>
#include <string.h>

static void put(char *out, const void *value, size_t size) { memcpy(out, value, size); }

static void fill_uuid(unsigned seed, char *out)
{
    struct uuid id = {{1}};

    memcpy(id.bytes + 12, &seed, sizeof seed);
    put(out, &id, sizeof id);
}

static void fill_text(const struct record_field *field, unsigned seed, char *out)
{
    unsigned length = 1 + seed % field->max;

    memset(out, 'a' + (int)(seed % 26), length);
}

static void fill_list(const struct record_field *field, unsigned seed, char *out)
{
    unsigned count = seed % (field->max + 1);

    put(out, &count, sizeof count);
    for (unsigned i = 0; i < count; i++)
        fill_record(field->record, seed + i, out + field->rows + i * field->record->size);
}

static void fill_word(const struct record_field *field, unsigned seed, char *out)
{
    unsigned count = 1, index;

    if (field->choices == NULL || field->choices[0] == NULL) return;
    while (field->choices[count] != NULL) count++;
    index = seed % count;
    if (field->kind == RECORD_WORD) {
        put(out, &field->choices[index], sizeof(char *));
    } else {
        index++;
        put(out, &index, sizeof index);
    }
}

static void fill_number(const struct record_field *field, unsigned seed, char *out)
{
    uint64_t most = field->high - field->low, number = UINT64_C(1) << seed % 33;

    if (field->kind == RECORD_COUNT_OF) number = field->low + (seed <= most ? seed : most);

    put(out, &number, sizeof number);
}

static void fill_value(const struct record_field *field, unsigned seed, char *out)
{
    mp_u128 large = (mp_u128)seed << 100 | 7;
    struct amount amount = {.units = seed, .digits = (uint8_t)(seed % 4)};
    bool flag = seed % 2;

    switch (field->kind) {
    case RECORD_ID:
    case RECORD_ACCOUNT: fill_uuid(seed, out); break;
    case RECORD_LEDGER_ID:
    case RECORD_MINOR: put(out, &large, sizeof large); break;
    case RECORD_BALANCE: amount.units = -amount.units; /* fallthrough */
    case RECORD_AMOUNT: put(out, &amount, sizeof amount); break;
    case RECORD_CURRENCY: strcpy(out, currencies[seed % 100].code); break;
    case RECORD_TIME:
    case RECORD_DURATION:
    case RECORD_BIG:
    case RECORD_COUNT_OF: fill_number(field, seed, out); break;
    case RECORD_FLAG: put(out, &flag, sizeof flag); break;
    case RECORD_SEALED: strcpy(out, seed % 2 ? "sealed:key-1:QUJD_w" : "sealed:2:-"); break;
    case RECORD_TEXT: fill_text(field, seed, out); break;
    case RECORD_WORD:
    case RECORD_CHOICE: fill_word(field, seed, out); break;
    case RECORD_ONE: fill_record(field->record, seed, out); break;
    case RECORD_LIST: fill_list(field, seed, out); break;
    }
}

void fill_record(const struct record *record, unsigned seed, void *out)
{
    const struct record_field *fields = record_fields(record);
    uint64_t present = 0;

    for (unsigned i = 0; fields[i].name != NULL; i++) {
        present |= UINT64_C(1) << i;
        fill_value(&fields[i], seed + 7 * i, (char *)out + fields[i].offset);
    }
    memcpy(out, &present, sizeof present);
}
