#include "columns.h"

#include "names.h"
#include "numbers.h"
#include "times.h"

#include <stdio.h>

enum kind {
    KIND_ID,
    KIND_AMOUNT,
    KIND_U64,
    KIND_U32,
    KIND_U16,
    KIND_TIME,
    KIND_TRANSFER_FLAGS,
    KIND_ACCOUNT_FLAGS
};

struct field {
    const char *name;
    size_t offset; /* in the struct */
    enum kind kind;
};

#define FIELD(type, name) #name, offsetof(type, name)

static const struct field transfer_fields[] = {
    {FIELD(mp_transfer, id), KIND_ID},
    {FIELD(mp_transfer, debit_account_id), KIND_ID},
    {FIELD(mp_transfer, credit_account_id), KIND_ID},
    {FIELD(mp_transfer, amount), KIND_AMOUNT},
    {FIELD(mp_transfer, pending_id), KIND_ID},
    {FIELD(mp_transfer, user_data_128), KIND_ID},
    {FIELD(mp_transfer, user_data_64), KIND_U64},
    {FIELD(mp_transfer, user_data_32), KIND_U32},
    {FIELD(mp_transfer, timeout), KIND_U32},
    {FIELD(mp_transfer, ledger), KIND_U32},
    {FIELD(mp_transfer, code), KIND_U16},
    {FIELD(mp_transfer, flags), KIND_TRANSFER_FLAGS},
    {FIELD(mp_transfer, timestamp), KIND_TIME},
    {NULL, 0, KIND_ID},
};

static const struct field account_fields[] = {
    {FIELD(mp_account, id), KIND_ID},
    {FIELD(mp_account, debits_pending), KIND_AMOUNT},
    {FIELD(mp_account, debits_posted), KIND_AMOUNT},
    {FIELD(mp_account, credits_pending), KIND_AMOUNT},
    {FIELD(mp_account, credits_posted), KIND_AMOUNT},
    {FIELD(mp_account, user_data_128), KIND_ID},
    {FIELD(mp_account, user_data_64), KIND_U64},
    {FIELD(mp_account, user_data_32), KIND_U32},
    {FIELD(mp_account, reserved), KIND_U32},
    {FIELD(mp_account, ledger), KIND_U32},
    {FIELD(mp_account, code), KIND_U16},
    {FIELD(mp_account, flags), KIND_ACCOUNT_FLAGS},
    {FIELD(mp_account, timestamp), KIND_TIME},
    {NULL, 0, KIND_ID},
};

static const struct field *field_find(const struct field *fields, struct slice name)
{
    while (fields->name != NULL && !slice_is(name, fields->name)) fields++;
    return fields->name != NULL ? fields : NULL;
}

bool columns_bind(struct columns *columns, const struct csv *csv, bool accounts, unsigned scale,
                  columns_unknown *unknown, void *user, char *why)
{
    bool known = false;

    *columns = (struct columns){.batch = -1, .flags = -1, .scale = scale};
    columns->event_bytes = accounts ? sizeof(mp_account) : sizeof(mp_transfer);
    for (unsigned i = 0; i < csv->count; i++) {
        struct slice name = slice_trim(csv->fields[i]);
        for (unsigned j = 0; j < i; j++) {
            struct slice other = slice_trim(csv->fields[j]);
            if (name.length != other.length || memcmp(name.data, other.data, name.length) != 0)
                continue;
            snprintf(why, 160, "column '%.*s' comes twice",
                     (int)(name.length < 64 ? name.length : 64), name.data);
            return false;
        }
        columns->fields[i] = field_find(accounts ? account_fields : transfer_fields, name);
        if (slice_is(name, "batch")) columns->batch = (int)i;
        if (slice_is(name, "flags")) columns->flags = (int)i;
        known = known || columns->fields[i] != NULL || columns->batch == (int)i;
    }
    if (!known) {
        snprintf(why, 160, "no column is a field of %s: is this a header, in UTF-8?",
                 accounts ? "an account" : "a transfer");
        return false;
    }
    for (unsigned i = 0; i < csv->count; i++)
        if (columns->fields[i] == NULL && columns->batch != (int)i)
            unknown(user, slice_trim(csv->fields[i]));
    return true;
}

/* Stores a number that fits a field of `bits`. */
static const char *store(void *to, mp_u128 number, unsigned bits)
{
    if (bits < 128 && number >> bits != 0) return "is too large";
    memcpy(to, &number, bits / 8); /* little-endian: the low bytes come first */
    return NULL;
}

static const char *read_number(void *to, struct slice text, unsigned bits)
{
    mp_u128 number;

    if (!number_parse(text, &number)) return "is not a number of at most 128 bits";
    return store(to, number, bits);
}

static const char *read_flags(const struct flag_names *names, struct slice text, void *to)
{
    uint16_t flags;
    const char *why = flags_parse(names, text, &flags);

    return why != NULL ? why : store(to, flags, 16);
}

/* Reads a field that isn't empty; returns NULL, or what is wrong with it. */
static const char *read_field(const struct columns *columns, enum kind kind, struct slice text,
                              void *to)
{
    mp_u128 number;
    uint64_t time_ns;
    const char *why;

    switch (kind) {
    case KIND_ID:
        if (!id_parse(text, &number)) return "is no id: a number of at most 128 bits, or a UUID";
        return store(to, number, 128);
    case KIND_AMOUNT:
        why = amount_parse(text, columns->scale, &number);
        return why != NULL ? why : store(to, number, 128);
    case KIND_U64: return read_number(to, text, 64);
    case KIND_U32: return read_number(to, text, 32);
    case KIND_U16: return read_number(to, text, 16);
    case KIND_TIME: /* nanoseconds beyond 2^63 are the ledger's to refuse */
        if (number_parse(text, &number)) return store(to, number, 64);
        if (!time_parse(text, &time_ns)) return "is no time: nanoseconds, or 2024-12-31T23:59:59Z";
        return store(to, time_ns, 64);
    case KIND_TRANSFER_FLAGS: return read_flags(&transfer_flag_names, text, to);
    case KIND_ACCOUNT_FLAGS: return read_flags(&account_flag_names, text, to);
    }
    return NULL;
}

bool columns_read(const struct columns *columns, const struct csv *csv, void *event, char *why)
{
    memset(event, 0, columns->event_bytes);
    for (unsigned i = 0; i < csv->count; i++) {
        const struct field *field = columns->fields[i];
        struct slice text = csv->fields[i];
        if (field == NULL) continue;
        if (text.length > 0 && (*text.data == ' ' || text.data[text.length - 1] == ' '))
            text = slice_trim(text);
        if (text.length == 0) continue;
        const char *wrong = read_field(columns, field->kind, text, (char *)event + field->offset);
        if (wrong == NULL) continue;
        snprintf(why, 160, "%s: '%.*s' %s", field->name, (int)(text.length < 48 ? text.length : 48),
                 text.data, wrong);
        return false;
    }
    return true;
}

bool columns_linked(const struct columns *columns, const struct csv *csv, bool accounts)
{
    uint16_t flags;

    if (columns->flags >= 0 && (unsigned)columns->flags < csv->count && csv->count == csv->wanted &&
        flags_parse(accounts ? &account_flag_names : &transfer_flag_names,
                    csv->fields[columns->flags], &flags) == NULL)
        return flags & MP_TRANSFER_LINKED;
    return memmem(csv->row.data, csv->row.length, "linked", 6) != NULL;
}

struct slice columns_batch(const struct columns *columns, const struct csv *csv)
{
    if (columns->batch < 0 || (unsigned)columns->batch >= csv->count) return (struct slice){"", 0};
    return csv->fields[columns->batch];
}
