/* Finding secrets and personal data in text. */
#include "security/mask.h"

#include "wire/ids.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { MAIL_MOST = 320 };
enum { KEY_LEAST = 8, IBAN_LEAST = 15, IBAN_MOST = 34, CARD_LEAST = 13, CARD_MOST = 19 };

/* The rest of a text. */
struct rest {
    const char *text;
    size_t length;
};

static bool is_alnum(char c) { return isalnum((unsigned char)c) != 0; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool begins(struct rest rest, const char *with)
{
    return rest.length >= strlen(with) && memcmp(rest.text, with, strlen(with)) == 0;
}

/* Whether a piece of that length ends a word. */
static bool ends_word(struct rest rest, size_t length)
{
    return length == rest.length || !is_alnum(rest.text[length]);
}

/* --- each finds a piece at the start of the rest: its length, or 0 --- */

static size_t find_uuid(struct rest rest)
{
    char text[UUID_TEXT + 1] = "";
    struct uuid id;

    if (rest.length < UUID_TEXT || !ends_word(rest, UUID_TEXT)) return 0;
    memcpy(text, rest.text, UUID_TEXT);
    return uuid_read(text, &id) ? UUID_TEXT : 0;
}

static const char *const key_prefixes[] = {"mp_test_", "mp_live_", "mp_internal_"};

/* *shown is how much of it may be seen. */
static size_t find_key(struct rest rest, size_t *shown)
{
    for (unsigned i = 0; i < sizeof key_prefixes / sizeof *key_prefixes; i++) {
        size_t prefix = strlen(key_prefixes[i]), length = prefix;

        if (!begins(rest, key_prefixes[i])) continue;
        while (length < rest.length && is_alnum(rest.text[length])) length++;
        *shown = prefix;
        return length - prefix >= KEY_LEAST ? length : 0;
    }
    return 0;
}

static bool luhn(const char *digits, size_t count)
{
    unsigned sum = 0;

    for (size_t i = 0; i < count; i++) {
        unsigned digit = (unsigned)(digits[count - 1 - i] - '0');

        if (i % 2 == 1) digit = digit > 4 ? 2 * digit - 9 : 2 * digit;
        sum += digit;
    }
    return sum % 10 == 0;
}

/* Digits, perhaps in groups with one blank or dash between; cards begin with 2 to 6. */
static size_t find_card(struct rest rest)
{
    char digits[CARD_MOST];
    size_t count = 0, length = 0;

    if (rest.text[0] < '2' || rest.text[0] > '6') return 0;
    while (length < rest.length) {
        char c = rest.text[length];
        bool between =
            (c == ' ' || c == '-') && length + 1 < rest.length && is_digit(rest.text[length + 1]);

        if (!is_digit(c) && !between) break;
        if (is_digit(c)) {
            if (count == CARD_MOST) return 0;
            digits[count++] = c;
        }
        length++;
    }
    if (count < CARD_LEAST || !ends_word(rest, length) || !luhn(digits, count)) return 0;
    return length;
}

/* ISO 13616: the four first characters at the end, letters as 10 to 35, modulo 97 is 1. */
static bool iban_checks(const char *iban, size_t count)
{
    unsigned remainder = 0;

    for (size_t i = 0; i < count; i++) {
        char c = iban[(i + 4) % count];

        remainder = is_digit(c) ? remainder * 10 + (unsigned)(c - '0')
                                : remainder * 100 + (unsigned)(c - 'A') + 10;
        remainder %= 97;
    }
    return remainder == 1;
}

/* Two letters, two digits, then letters and digits, perhaps in groups of four with blanks. What
 * follows it, with a blank between, may look like a group of it: tries the longest first. */
static size_t find_iban(struct rest rest)
{
    char iban[IBAN_MOST];
    size_t lengths[IBAN_MOST], count = 0;

    for (size_t i = 0; i < rest.length && count < IBAN_MOST; i++) {
        char c = rest.text[i];

        if (c == ' ' && count > 0 && count % 4 == 0) continue;
        if (!is_alnum(c)) break;
        iban[count] = (char)toupper((unsigned char)c);
        lengths[count++] = i + 1;
    }
    if (count < IBAN_LEAST || is_digit(iban[0]) || is_digit(iban[1]) || !is_digit(iban[2]) ||
        !is_digit(iban[3]))
        return 0;
    for (; count >= IBAN_LEAST; count--)
        if (ends_word(rest, lengths[count - 1]) && iban_checks(iban, count))
            return lengths[count - 1];
    return 0;
}

static bool is_local_part(char c)
{
    return is_alnum(c) || (unsigned char)c >= 0x80 || (c != '\0' && strchr("._%+-'", c) != NULL);
}

static size_t find_mail(struct rest rest)
{
    size_t length = 0, dot = 0, domain;

    if (rest.length > MAIL_MOST) rest.length = MAIL_MOST;
    while (length < rest.length && is_local_part(rest.text[length])) length++;
    if (length == 0 || length == rest.length || rest.text[length] != '@') return 0;
    domain = ++length;
    while (length < rest.length &&
           (is_alnum(rest.text[length]) || rest.text[length] == '-' || rest.text[length] == '.')) {
        if (rest.text[length] == '.') dot = length;
        length++;
    }
    if (rest.text[length - 1] == '.') length--; /* the end of a sentence */
    return dot > domain ? length : 0;
}

/* What stands for the piece at the start of the rest; NULL if it may be seen. */
static const char *find(struct rest rest, size_t *length)
{
    if ((*length = find_card(rest)) > 0) return "[card]";
    if ((*length = find_iban(rest)) > 0) return "[iban]";
    if ((*length = find_mail(rest)) > 0) return "[e-mail]";
    return NULL;
}

void mask_text(const char *text, size_t length, struct buffer *out)
{
    bool at_word = true;

    for (size_t i = 0; i < length;) {
        struct rest rest = {text + i, length - i};
        size_t piece = 0, shown = 0;
        const char *instead;

        if ((piece = find_key(rest, &shown)) > 0) {
            buffer_add(out, rest.text, shown);
            buffer_text(out, "***");
        } else if (at_word && (piece = find_uuid(rest)) > 0) {
            buffer_add(out, rest.text, piece);
        } else if (at_word && (instead = find(rest, &piece)) != NULL) {
            buffer_text(out, instead);
        } else {
            buffer_char(out, text[i]);
            piece = 1;
        }
        i += piece;
        at_word = !is_local_part(text[i - 1]) || text[i - 1] == '-' || text[i - 1] == '\'';
    }
}

bool mask_field(const char *name)
{
    static const char *const masked[] = {
        "api_key",      "authorization", "birth_date", "card",       "card_number", "cookie",
        "cvc",          "email",         "e_mail",     "first_name", "full_name",   "iban",
        "internal_key", "last_name",     "note",       "pan",        "passphrase",  "password",
        "phone",        "secret",        "set_cookie", "street",     "token",
    };
    const char *dot = strrchr(name, '.');
    char last[32];
    size_t length;

    if (dot != NULL) name = dot + 1;
    length = strlen(name);
    if (length >= sizeof last) return false;
    for (size_t i = 0; i <= length; i++) last[i] = name[i] == '-' ? '_' : name[i];
    for (unsigned i = 0; i < sizeof masked / sizeof *masked; i++) {
        size_t size = strlen(masked[i]);

        if (length < size || strcasecmp(last + length - size, masked[i]) != 0) continue;
        if (length == size || last[length - size - 1] == '_') return true;
    }
    return false;
}
