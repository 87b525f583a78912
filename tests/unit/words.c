#include "words.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- names --- */

struct name {
    const char *name;
    uint32_t value;
};

#define X_ACCOUNT(NAME, name, number)         {#name, number},
#define X_TRANSFER(NAME, name, number, binds) {#name, number},

static const struct name account_results[] = {{"created", MP_CREATED},
                                              MP_ACCOUNT_RESULTS(X_ACCOUNT){NULL, 0}};
static const struct name transfer_results[] = {{"created", MP_CREATED},
                                               MP_TRANSFER_RESULTS(X_TRANSFER){NULL, 0}};

static const struct name account_flags[] = {
    {"linked", MP_ACCOUNT_LINKED},
    {"debits_must_not_exceed_credits", MP_ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS},
    {"credits_must_not_exceed_debits", MP_ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS},
    {"history", MP_ACCOUNT_HISTORY},
    {"imported", MP_ACCOUNT_IMPORTED},
    {"closed", MP_ACCOUNT_CLOSED},
    {"frozen_debits", MP_ACCOUNT_FROZEN_DEBITS},
    {"frozen_credits", MP_ACCOUNT_FROZEN_CREDITS},
    {NULL, 0},
};

static const struct name transfer_flags[] = {
    {"linked", MP_TRANSFER_LINKED},
    {"pending", MP_TRANSFER_PENDING},
    {"post", MP_TRANSFER_POST_PENDING},
    {"void", MP_TRANSFER_VOID_PENDING},
    {"balancing_debit", MP_TRANSFER_BALANCING_DEBIT},
    {"balancing_credit", MP_TRANSFER_BALANCING_CREDIT},
    {"closing_debit", MP_TRANSFER_CLOSING_DEBIT},
    {"closing_credit", MP_TRANSFER_CLOSING_CREDIT},
    {"imported", MP_TRANSFER_IMPORTED},
    {"keep_pending", MP_TRANSFER_KEEP_PENDING},
    {"increase", MP_TRANSFER_INCREASE_PENDING},
    {"reverse", MP_TRANSFER_REVERSAL},
    {"bind", MP_TRANSFER_BIND_ID},
    {NULL, 0},
};

static const struct name *find_name(const struct name *names, const char *name)
{
    for (; names->name != NULL; names++)
        if (strcmp(names->name, name) == 0) return names;
    return NULL;
}

static const struct name *results_of(mp_operation operation)
{
    return operation == MP_CREATE_ACCOUNTS ? account_results : transfer_results;
}

const char *words_result_name(mp_operation operation, uint32_t result)
{
    for (const struct name *n = results_of(operation); n->name != NULL; n++)
        if (n->value == result) return n->name;
    return "a result without a name";
}

uint32_t words_result(mp_operation operation, const char *name)
{
    const struct name *found = find_name(results_of(operation), name);

    cr_assert(found != NULL, "no result is called '%s'", name);
    return found->value;
}

/* --- numbers --- */

static mp_u128 decimal(const char **at)
{
    mp_u128 number = 0;

    cr_assert(isdigit((unsigned char)**at), "'%s' is no number", *at);
    for (; isdigit((unsigned char)**at); (*at)++) number = number * 10 + (unsigned)(**at - '0');
    return number;
}

static mp_u128 term(const char **at)
{
    if (strncmp(*at, "max", 3) == 0) {
        *at += 3;
        return MP_U128_MAX;
    }
    if (strncmp(*at, "2^", 2) == 0) {
        *at += 2;
        return (mp_u128)1 << (unsigned)decimal(at);
    }
    return decimal(at);
}

/* Sums and differences behind a first number, to the end of the word. */
static mp_u128 offsets(mp_u128 number, const char *at)
{
    while (*at == '+' || *at == '-') {
        const char sign = *at++;
        const mp_u128 by = term(&at);
        number = sign == '+' ? number + by : number - by;
    }
    cr_assert(*at == '\0', "'%s' is left over behind a number", at);
    return number;
}

static mp_u128 number_of(const char *word)
{
    const mp_u128 first = term(&word);

    return offsets(first, word);
}

static mp_id id_part(const char **at)
{
    static uint64_t fresh;

    if (**at == '?') {
        (*at)++;
        return MP_U128('?', ++fresh);
    }
    if (isupper((unsigned char)**at)) {
        const uint64_t letter = (uint64_t)(unsigned char)*(*at)++;
        return MP_U128(letter, (uint64_t)decimal(at));
    }
    return term(at);
}

mp_id words_id(const char *word)
{
    const mp_id id = id_part(&word);

    return offsets(id, word);
}

static uint64_t time_of(const char *word, const struct words_times *times)
{
    mp_u128 time;

    if (strncmp(word, "now", 3) == 0) {
        time = times->now;
        word += 3;
    } else if (isupper((unsigned char)*word)) {
        time = times->recorded(id_part(&word));
        cr_assert(time != 0, "what a time refers to isn't there");
    } else {
        time = term(&word);
    }
    return (uint64_t)offsets(time, word);
}

/* --- lines --- */

static void cut_blanks(char *text)
{
    size_t length = strlen(text), from = strspn(text, " \t");

    while (length > from && isspace((unsigned char)text[length - 1])) length--;
    memmove(text, text + from, length - from);
    text[length - from] = '\0';
}

bool words_line(const char **lines, char line[WORDS_LINE_MAX], char result[WORDS_LINE_MAX])
{
    size_t length;
    char *arrow;

    *lines += strspn(*lines, " \t\n;");
    length = strcspn(*lines, "\n;");
    if (length == 0) return false;
    cr_assert(length < WORDS_LINE_MAX, "a line is too long: %s", *lines);
    memcpy(line, *lines, length);
    line[length] = '\0';
    *lines += length;

    result[0] = '\0';
    arrow = strstr(line, "=>");
    if (arrow != NULL) {
        strcpy(result, arrow + 2);
        *arrow = '\0';
        cut_blanks(result);
    }
    cut_blanks(line);
    return true;
}

/* The words of a line, one after the other. */
struct reader {
    char line[WORDS_LINE_MAX];
    char *rest;
};

static void read_begin(struct reader *reader, const char *line)
{
    cr_assert(strlen(line) < WORDS_LINE_MAX, "a line is too long: %s", line);
    strcpy(reader->line, line);
    reader->rest = reader->line;
}

static char *next_word(struct reader *reader)
{
    char *word;

    do word = strsep(&reader->rest, " \t\n");
    while (word != NULL && *word == '\0');
    return word;
}

static char *needed_word(struct reader *reader)
{
    char *word = next_word(reader);

    cr_assert(word != NULL, "a word is missing in '%s'", reader->line);
    return word;
}

/* Splits key=value; NULL if it is none. */
static char *value_of(char *word)
{
    char *equals = strchr(word, '=');

    if (equals == NULL) return NULL;
    *equals = '\0';
    return equals + 1;
}

/* A field that is a number, by name. */
struct field {
    const char *name;
    void *at;
    size_t size;
};

#define FIELD(name, member)                                                                        \
    {                                                                                              \
        name, &(member), sizeof(member)                                                            \
    }

static bool set_field(const struct field *fields, const char *name, const char *value)
{
    for (; fields->name != NULL; fields++) {
        if (strcmp(fields->name, name) != 0) continue;
        const mp_u128 number =
            isupper((unsigned char)*value) || *value == '?' ? words_id(value) : number_of(value);
        memcpy(fields->at, &number, fields->size);
        return true;
    }
    return false;
}

/* --- events --- */

mp_account words_account(const char *line, const struct words_times *times)
{
    mp_account a = {.ledger = 1, .code = 1};
    const struct field fields[] = {
        FIELD("ledger", a.ledger),
        FIELD("code", a.code),
        FIELD("ud128", a.user_data_128),
        FIELD("ud64", a.user_data_64),
        FIELD("ud32", a.user_data_32),
        FIELD("reserved", a.reserved),
        FIELD("flags", a.flags),
        FIELD("debits_pending", a.debits_pending),
        FIELD("debits_posted", a.debits_posted),
        FIELD("credits_pending", a.credits_pending),
        FIELD("credits_posted", a.credits_posted),
        {NULL, NULL, 0},
    };
    struct reader reader;

    read_begin(&reader, line);
    a.id = words_id(needed_word(&reader));
    for (char *word; (word = next_word(&reader)) != NULL;) {
        const char *value = value_of(word);
        const struct name *flag = value == NULL ? find_name(account_flags, word) : NULL;

        if (flag != NULL)
            a.flags |= (uint16_t)flag->value;
        else if (value != NULL && strcmp(word, "at") == 0)
            a.timestamp = time_of(value, times);
        else
            cr_assert(value != NULL && set_field(fields, word, value), "'%s' in '%s'?", word, line);
    }
    return a;
}

/* The words behind "A1": an arrow and the other account. */
static void read_sides(struct reader *reader, mp_transfer *t, const char *debit)
{
    t->debit_account_id = words_id(debit);
    cr_assert(strcmp(needed_word(reader), "->") == 0, "no arrow behind '%s'", debit);
    t->credit_account_id = words_id(needed_word(reader));
    t->ledger = 1;
    t->code = 1;
}

/* The first words: id, and what it is about. */
static void read_head(struct reader *reader, mp_transfer *t)
{
    const char *word;
    const struct name *flag;

    t->id = words_id(needed_word(reader));
    word = needed_word(reader);
    flag = find_name(transfer_flags, word);
    if (flag == NULL) {
        read_sides(reader, t, word);
        return;
    }
    t->flags |= (uint16_t)flag->value;
    if (flag->value != MP_TRANSFER_BIND_ID) t->pending_id = words_id(needed_word(reader));
    if ((flag->value & (MP_TRANSFER_POST_PENDING | MP_TRANSFER_REVERSAL)) != 0)
        t->amount = MP_AMOUNT_MAX;
}

static bool is_amount(const char *word)
{
    return isdigit((unsigned char)*word) || strncmp(word, "max", 3) == 0;
}

mp_transfer words_transfer(const char *line, const struct words_times *times)
{
    mp_transfer t = {0};
    const struct field fields[] = {
        FIELD("debit", t.debit_account_id),
        FIELD("credit", t.credit_account_id),
        FIELD("amount", t.amount),
        FIELD("pending_id", t.pending_id),
        FIELD("ud128", t.user_data_128),
        FIELD("ud64", t.user_data_64),
        FIELD("ud32", t.user_data_32),
        FIELD("timeout", t.timeout),
        FIELD("ledger", t.ledger),
        FIELD("code", t.code),
        FIELD("flags", t.flags),
        {NULL, NULL, 0},
    };
    struct reader reader;

    read_begin(&reader, line);
    read_head(&reader, &t);
    for (char *word; (word = next_word(&reader)) != NULL;) {
        const char *value = value_of(word);
        const struct name *flag = value == NULL ? find_name(transfer_flags, word) : NULL;

        if (flag != NULL)
            t.flags |= (uint16_t)flag->value;
        else if (value == NULL && is_amount(word))
            t.amount = number_of(word);
        else if (value != NULL && strcmp(word, "at") == 0)
            t.timestamp = time_of(value, times);
        else
            cr_assert(value != NULL && set_field(fields, word, value), "'%s' in '%s'?", word, line);
    }
    return t;
}

/* Flags with commas between them, or a number. */
static uint16_t mask_of(char *value)
{
    uint16_t mask = 0;

    if (isdigit((unsigned char)*value)) return (uint16_t)number_of(value);
    for (char *word; (word = strsep(&value, ",")) != NULL;) {
        const struct name *flag = find_name(account_flags, word);
        cr_assert(flag != NULL, "no account flag is called '%s'", word);
        mask |= (uint16_t)flag->value;
    }
    return mask;
}

mp_account_update words_update(const char *line)
{
    mp_account_update u = {0};
    const struct field fields[] = {
        FIELD("account", u.account_id),
        FIELD("ud128", u.user_data_128),
        FIELD("ud64", u.user_data_64),
        FIELD("ud32", u.user_data_32),
        FIELD("code", u.code),
        FIELD("flags", u.flags),
        {NULL, NULL, 0},
    };
    struct reader reader;

    read_begin(&reader, line);
    u.id = words_id(needed_word(&reader));
    u.account_id = words_id(needed_word(&reader));
    for (char *word; (word = next_word(&reader)) != NULL;) {
        char *value = value_of(word);

        if (strcmp(word, "linked") == 0)
            u.flags |= MP_UPDATE_LINKED;
        else if (value != NULL && strcmp(word, "set") == 0)
            u.flags_set = mask_of(value);
        else if (value != NULL && strcmp(word, "clear") == 0)
            u.flags_clear = mask_of(value);
        else
            cr_assert(value != NULL && set_field(fields, word, value), "'%s' in '%s'?", word, line);
    }
    return u;
}

/* --- saying --- */

void words_say_number(mp_u128 number, char text[48])
{
    char digits[48];
    size_t count = 0;

    do digits[count++] = (char)('0' + (int)(number % 10));
    while ((number /= 10) != 0);
    for (size_t i = 0; i < count; i++) text[i] = digits[count - 1 - i];
    text[count] = '\0';
}

void words_say_id(mp_id id, char text[48])
{
    const uint64_t high = (uint64_t)(id >> 64);

    if (id == MP_U128_MAX)
        strcpy(text, "max");
    else if (high < 128 && (isupper((int)high) || high == '?'))
        snprintf(text, 48, "%c%llu", (int)high, (unsigned long long)id);
    else
        words_say_number(id, text);
}

static void say_flags(const struct name *names, unsigned flags, char *text, size_t size)
{
    size_t length = strlen(text);

    for (; names->name != NULL; names++) {
        if ((flags & names->value) == 0) continue;
        flags &= ~names->value;
        length += (size_t)snprintf(text + length, size - length, " %s", names->name);
    }
    if (flags != 0) snprintf(text + length, size - length, " flags=%u", flags);
}

void words_say_account(const mp_account *a, char *text, size_t size)
{
    char id[48];

    words_say_id(a->id, id);
    snprintf(text, size, "%s ledger=%u code=%u ud128=%llu ud64=%llu ud32=%u reserved=%u at=%llu",
             id, a->ledger, a->code, (unsigned long long)a->user_data_128,
             (unsigned long long)a->user_data_64, a->user_data_32, a->reserved,
             (unsigned long long)a->timestamp);
    say_flags(account_flags, a->flags, text, size);
}

void words_say_transfer(const mp_transfer *t, char *text, size_t size)
{
    char id[48], debit[48], credit[48], pending[48], amount[48];

    words_say_id(t->id, id);
    words_say_id(t->debit_account_id, debit);
    words_say_id(t->credit_account_id, credit);
    words_say_id(t->pending_id, pending);
    words_say_number(t->amount, amount);
    snprintf(text, size,
             "%s %s -> %s %s pending_id=%s timeout=%u ledger=%u code=%u ud128=%llu ud64=%llu "
             "ud32=%u at=%llu",
             id, debit, credit, amount, pending, t->timeout, t->ledger, t->code,
             (unsigned long long)t->user_data_128, (unsigned long long)t->user_data_64,
             t->user_data_32, (unsigned long long)t->timestamp);
    say_flags(transfer_flags, t->flags, text, size);
}

void words_say_update(const mp_account_update *u, char *text, size_t size)
{
    char id[48], account[48];
    size_t length;

    words_say_id(u->id, id);
    words_say_id(u->account_id, account);
    snprintf(text, size, "%s %s code=%u ud128=%llu ud64=%llu ud32=%u flags=%u set:", id, account,
             u->code, (unsigned long long)u->user_data_128, (unsigned long long)u->user_data_64,
             u->user_data_32, u->flags);
    say_flags(account_flags, u->flags_set, text, size);
    length = strlen(text);
    snprintf(text + length, size - length, " clear:");
    say_flags(account_flags, u->flags_clear, text, size);
}
