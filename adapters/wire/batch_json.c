/*
 * The JSON form of bulk transfers, read in one pass without a tree: a tree of 8,190 objects takes
 * megabytes and ten times as long. It reads this one shape and refuses all else.
 */
#include "wire/batch.h"

#include "wire/json.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum kind { KIND_WIDE, KIND_NUMBER, KIND_FLAGS };

/* A member of an object, and where it goes. */
struct member {
    const char *name;
    uint8_t length, kind;
    uint8_t offset, size; /* of the field */
};

#define MEMBER(field, kind)                                                                        \
    {                                                                                              \
#field, sizeof #field - 1, KIND_##kind, offsetof(mp_transfer, field),                      \
            sizeof((mp_transfer *)NULL)->field                                                     \
    }
static const struct member members[] = {
    MEMBER(id, WIDE),
    MEMBER(debit_account_id, WIDE),
    MEMBER(credit_account_id, WIDE),
    MEMBER(amount, WIDE),
    MEMBER(pending_id, WIDE),
    MEMBER(user_data_128, WIDE),
    MEMBER(user_data_64, NUMBER),
    MEMBER(user_data_32, NUMBER),
    MEMBER(timeout, NUMBER),
    MEMBER(ledger, NUMBER),
    MEMBER(code, NUMBER),
    MEMBER(flags, FLAGS),
    MEMBER(timestamp, NUMBER),
};
enum { MEMBERS = sizeof members / sizeof *members };

static const struct {
    const char *name;
    uint16_t bit;
} flag_names[] = {
    {"linked", MP_TRANSFER_LINKED},
    {"pending", MP_TRANSFER_PENDING},
    {"post_pending_transfer", MP_TRANSFER_POST_PENDING},
    {"void_pending_transfer", MP_TRANSFER_VOID_PENDING},
    {"balancing_debit", MP_TRANSFER_BALANCING_DEBIT},
    {"balancing_credit", MP_TRANSFER_BALANCING_CREDIT},
    {"closing_debit", MP_TRANSFER_CLOSING_DEBIT},
    {"closing_credit", MP_TRANSFER_CLOSING_CREDIT},
    {"imported", MP_TRANSFER_IMPORTED},
    {"keep_pending", MP_TRANSFER_KEEP_PENDING},
    {"increase_pending", MP_TRANSFER_INCREASE_PENDING},
    {"reversal", MP_TRANSFER_REVERSAL},
    {"bind_id", MP_TRANSFER_BIND_ID},
};

uint16_t batch_flag(const char *name, size_t length)
{
    for (unsigned i = 0; i < sizeof flag_names / sizeof *flag_names; i++)
        if (strlen(flag_names[i].name) == length && memcmp(flag_names[i].name, name, length) == 0)
            return flag_names[i].bit;
    return 0;
}

/* --- text --- */

struct reader {
    const char *at, *end;
    struct error *err;
    uint32_t index;              /* of the transfer at hand */
    const struct member *member; /* that is at hand; NULL = none */
    uint8_t order[MEMBERS];      /* of the members in the object before: most are alike */
};

struct text {
    const char *bytes;
    size_t length;
};

/* Says what is wrong with the value at hand; reading may go on. */
static void value_fault(struct reader *reader, const char *message)
{
    char at[64];

    snprintf(at, sizeof at, "/%u%s%s", reader->index, reader->member != NULL ? "/" : "",
             reader->member != NULL ? reader->member->name : "");
    error_fault(reader->err, at, "%s", message);
}

/* Says what is wrong with the text; it can't be read on. */
static bool syntax_fault(struct reader *reader, const char *message)
{
    value_fault(reader, message);
    return false;
}

static void skip_blanks(struct reader *reader)
{
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\n' ||
                                        *reader->at == '\r' || *reader->at == '\t'))
        reader->at++;
}

/* Whether the next character, behind blanks, is this one; takes it if so. */
static bool take(struct reader *reader, char c)
{
    skip_blanks(reader);
    if (reader->at == reader->end || *reader->at != c) return false;
    reader->at++;
    return true;
}

static bool take_string(struct reader *reader, struct text *out)
{
    const char *at;

    if (!take(reader, '"')) return syntax_fault(reader, "is no string where one must be");
    for (at = reader->at; at < reader->end && *at != '"'; at++)
        if (*at == '\\' || (unsigned char)*at < ' ')
            return syntax_fault(reader, "has an escape or a control character in a string");
    if (at == reader->end) return syntax_fault(reader, "ends within a string");
    *out = (struct text){reader->at, (size_t)(at - reader->at)};
    reader->at = at + 1;
    return true;
}

/* --- numbers --- */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Decimal digits without leading zeros. */
static bool read_decimal(struct text text, mp_u128 *out)
{
    mp_u128 value = 0;

    if (text.length == 0 || text.length > 39 || (text.length > 1 && text.bytes[0] == '0'))
        return false;
    for (size_t at = 0; at < text.length;) {
        uint64_t part = 0, scale = 1;

        for (; at < text.length && scale < UINT64_C(1000000000000000000); at++, scale *= 10) {
            if (!is_digit(text.bytes[at])) return false;
            part = 10 * part + (uint64_t)(text.bytes[at] - '0');
        }
        if (__builtin_mul_overflow(value, (mp_u128)scale, &value) ||
            __builtin_add_overflow(value, (mp_u128)part, &value))
            return false;
    }
    *out = value;
    return true;
}

static int hex_digit(char c)
{
    if (is_digit(c)) return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 8-4-4-4-12 hexadecimal digits: the number that the rest of the API shows so. */
static bool read_uuid(struct text text, mp_u128 *out)
{
    mp_u128 value = 0;

    if (text.length != 36) return false;
    for (unsigned i = 0; i < 36; i++) {
        int digit = hex_digit(text.bytes[i]);

        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text.bytes[i] != '-') return false;
        } else if (digit < 0) {
            return false;
        } else {
            value = value << 4 | (unsigned)digit;
        }
    }
    *out = value;
    return true;
}

/* A JSON number or a string of digits. */
static bool take_number(struct reader *reader, uint64_t most, uint64_t *out)
{
    struct text text;
    mp_u128 value = 0;

    skip_blanks(reader);
    if (reader->at < reader->end && is_digit(*reader->at)) {
        const char *at = reader->at;

        while (at < reader->end && is_digit(*at)) at++;
        text = (struct text){reader->at, (size_t)(at - reader->at)};
        reader->at = at;
        if (at < reader->end && (*at == '.' || *at == 'e' || *at == 'E'))
            return syntax_fault(reader, "must be a whole number");
        if (most > JSON_COUNT_MAX) most = JSON_COUNT_MAX; /* others can't hold it exactly */
    } else if (!take_string(reader, &text)) {
        return false;
    }
    if (!read_decimal(text, &value) || value > most)
        value_fault(reader, "must be a whole number that fits the field");
    *out = (uint64_t)value;
    return true;
}

static bool take_wide(struct reader *reader, mp_u128 *out)
{
    struct text text;

    if (!take_string(reader, &text)) return false;
    if (!read_decimal(text, out) && !read_uuid(text, out))
        value_fault(reader, "must be a whole number below 2^128 in a string, or a UUID");
    return true;
}

/* --- flags --- */

static bool take_flag(struct reader *reader, uint64_t *flags)
{
    struct text text;
    uint16_t bit;

    if (!take_string(reader, &text)) return false;
    bit = batch_flag(text.bytes, text.length);
    if (bit == 0) value_fault(reader, "is no name of a flag");
    *flags |= bit;
    return true;
}

static bool take_flags(struct reader *reader, uint64_t *flags)
{
    skip_blanks(reader);
    if (reader->at < reader->end && is_digit(*reader->at))
        return take_number(reader, UINT16_MAX, flags);
    if (!take(reader, '[')) return take_flag(reader, flags);
    if (take(reader, ']')) return true;
    do {
        if (!take_flag(reader, flags)) return false;
    } while (take(reader, ','));
    return take(reader, ']') || syntax_fault(reader, "has an array that doesn't end");
}

/* --- objects --- */

static bool is_named(const struct member *member, struct text name)
{
    return member->length == name.length && memcmp(member->name, name.bytes, name.length) == 0;
}

/* The member of a name: most likely the one that had this place in the object before. */
static const struct member *find_member(struct reader *reader, unsigned place, struct text name)
{
    if (place < MEMBERS && is_named(&members[reader->order[place]], name))
        return &members[reader->order[place]];
    for (unsigned i = 0; i < MEMBERS; i++) {
        if (!is_named(&members[i], name)) continue;
        if (place < MEMBERS) reader->order[place] = (uint8_t)i;
        return &members[i];
    }
    return NULL;
}

static bool take_value(struct reader *reader, mp_transfer *out)
{
    const struct member *member = reader->member;
    char *field = (char *)out + member->offset;
    uint64_t number = 0;

    if (member->kind == KIND_WIDE) return take_wide(reader, (mp_u128 *)(void *)field);
    if (member->kind == KIND_FLAGS) {
        if (!take_flags(reader, &number)) return false;
    } else if (!take_number(reader, UINT64_MAX >> (64 - 8 * member->size), &number)) {
        return false;
    }
    memcpy(field, &number, member->size); /* little-endian */
    return true;
}

static bool take_object(struct reader *reader, mp_transfer *out)
{
    uint32_t seen = 0;

    memset(out, 0, sizeof *out);
    if (!take(reader, '{')) return syntax_fault(reader, "must be an object");
    if (take(reader, '}')) return true;
    for (unsigned place = 0;; place++) {
        struct text name;

        if (!take_string(reader, &name)) return false;
        reader->member = find_member(reader, place, name);
        if (reader->member == NULL)
            return syntax_fault(reader, "has a member that no transfer has");
        if ((seen & 1u << (reader->member - members)) != 0)
            return syntax_fault(reader, "stands there twice");
        seen |= 1u << (reader->member - members);
        if (!take(reader, ':')) return syntax_fault(reader, "has no colon behind its name");
        if (!take_value(reader, out)) return false;
        reader->member = NULL;
        if (take(reader, '}')) return true;
        if (!take(reader, ','))
            return syntax_fault(reader, "has neither a comma nor an end behind a member");
    }
}

static bool take_array(struct reader *reader, mp_transfer *out, uint32_t *count)
{
    *count = 0;
    if (!take(reader, '[')) {
        error_fault(reader->err, "", "must be an array of transfers");
        return false;
    }
    if (take(reader, ']')) return true;
    for (;; reader->index++) {
        if (*count == MP_BATCH_MAX) {
            error_fault(reader->err, "", "has more than %d transfers", MP_BATCH_MAX);
            return false;
        }
        if (!take_object(reader, &out[*count])) return false;
        ++*count;
        if (take(reader, ']')) return true;
        if (!take(reader, ','))
            return syntax_fault(reader, "is followed by neither a comma nor the array's end");
    }
}

enum outcome batch_read_json(const char *body, size_t length, mp_transfer *out, uint32_t *count,
                             struct error *err)
{
    struct reader reader = {.at = body, .end = body + length, .err = err};

    if (take_array(&reader, out, count)) {
        skip_blanks(&reader);
        if (reader.at != reader.end) error_fault(err, "", "has more behind the array");
    }
    return err->fault_count > 0 ? err->outcome : OUTCOME_DONE;
}
