/* Amounts by hand, digit by digit: no binary fraction ever comes near money. */
#include "wire/amount.h"

#include <assert.h>
#include <string.h>

enum { DIGITS_MAX = 18 }; /* behind the point; AMOUNT_MAX has as many in all */

const struct currency currencies[] = {
#define CURRENCY(code, number, digits, name) {#code, number, digits, name},
#include "currencies.def"
#undef CURRENCY
    {.name = NULL},
};

const struct currency *currency_find(const char *code)
{
    size_t low = 0, high = sizeof currencies / sizeof *currencies - 1;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(code, currencies[middle].code);

        if (order == 0) return &currencies[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static bool add_digit(int64_t *units, char c)
{
    int64_t digit = c - '0';

    if (*units > (AMOUNT_MAX - digit) / 10) return false;
    *units = *units * 10 + digit;
    return true;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool amount_read(const char *text, struct amount *out)
{
    int64_t units = 0;
    unsigned digits = 0;

    if (!is_digit(text[0]) || (text[0] == '0' && is_digit(text[1]))) return false;
    for (; is_digit(*text); text++)
        if (!add_digit(&units, *text)) return false;
    if (*text == '.') {
        text++;
        for (; is_digit(*text); text++)
            if (++digits > DIGITS_MAX || !add_digit(&units, *text)) return false;
        if (digits == 0) return false;
    }
    if (*text != '\0') return false;
    *out = (struct amount){.units = units, .digits = (uint8_t)digits};
    return true;
}

size_t amount_print(struct amount amount, char out[AMOUNT_TEXT_MAX])
{
    uint64_t left = amount.units < 0 ? -(uint64_t)amount.units : (uint64_t)amount.units;
    char reversed[AMOUNT_TEXT_MAX];
    unsigned count = 0;
    size_t length = 0;

    assert(amount.digits <= DIGITS_MAX);
    do {
        reversed[count++] = (char)('0' + left % 10);
        left /= 10;
        if (count == amount.digits) reversed[count++] = '.';
    } while (left > 0 || count <= amount.digits + (amount.digits > 0 ? 1U : 0));
    if (amount.units < 0) out[length++] = '-';
    while (count > 0) out[length++] = reversed[--count];
    out[length] = '\0';
    return length;
}

bool amount_minor(struct amount amount, const struct currency *currency, int64_t *out)
{
    int64_t minor = amount.units;

    if (amount.digits > currency->digits) return false;
    for (unsigned digits = amount.digits; digits < currency->digits; digits++)
        if (!add_digit(&minor, '0')) return false;
    *out = minor;
    return true;
}

struct amount amount_of(int64_t minor, const struct currency *currency)
{
    return (struct amount){.units = minor, .digits = currency->digits};
}
