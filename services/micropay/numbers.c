#include "numbers.h"

#include <strings.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static bool hex_parse(struct slice text, mp_u128 *out)
{
    mp_u128 number = 0;

    if (text.length == 0) return false;
    for (size_t i = 0; i < text.length; i++) {
        int digit = hex_digit(text.data[i]);
        if (digit < 0 || number >> 124 != 0) return false;
        number = (number << 4) + (unsigned)digit;
    }
    *out = number;
    return true;
}

/* Appends decimal digits to a number. */
static bool digits_append(mp_u128 *number, struct slice digits)
{
    mp_u128 sum = *number;

    for (size_t i = 0; i < digits.length; i++) {
        unsigned digit = (unsigned)(digits.data[i] - '0');
        if (digit > 9 || sum > MP_U128_MAX / 10) return false;
        sum *= 10;
        if (sum > MP_U128_MAX - digit) return false;
        sum += digit;
    }
    *number = sum;
    return true;
}

bool number_parse(struct slice text, mp_u128 *out)
{
    mp_u128 wide = 0;

    if (text.length == 0) return false;
    if (text.length <= 19) { /* fits 64 bits: nearly always */
        uint64_t number = 0;
        size_t i = 0;
        for (; i < text.length; i++) {
            unsigned digit = (unsigned)(text.data[i] - '0');
            if (digit > 9) break;
            number = number * 10 + digit;
        }
        if (i == text.length) {
            *out = number;
            return true;
        }
    }
    if (text.length > 2 && text.data[0] == '0' && (text.data[1] | 0x20) == 'x')
        return hex_parse((struct slice){text.data + 2, text.length - 2}, out);
    if (!digits_append(&wide, text)) return false;
    *out = wide;
    return true;
}

static bool uuid_parse(struct slice text, mp_u128 *out)
{
    char digits[32];
    size_t count = 0;

    if (text.length != 36) return false;
    for (size_t i = 0; i < text.length; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text.data[i] != '-') return false;
        } else {
            digits[count++] = text.data[i];
        }
    }
    return hex_parse((struct slice){digits, count}, out);
}

bool id_parse(struct slice text, mp_id *out)
{
    return number_parse(text, out) || uuid_parse(text, out);
}

const char *amount_parse(struct slice text, unsigned scale, mp_amount *out)
{
    const char *point = memchr(text.data, '.', text.length);
    struct slice whole = text, decimals = {NULL, 0};
    mp_u128 amount = 0;

    if (slice_is(text, "max")) {
        *out = MP_AMOUNT_MAX;
        return NULL;
    }
    if (text.length > 0 && text.data[0] == '-') return "is negative";
    if (point == NULL && scale == 0) {
        return number_parse(text, out) ? NULL : "is not a number of at most 128 bits";
    }
    if (point != NULL) {
        if (scale == 0) return "has decimals: say how many by --scale";
        whole.length = (size_t)(point - text.data);
        decimals = (struct slice){point + 1, text.length - whole.length - 1};
        while (decimals.length > scale && decimals.data[decimals.length - 1] == '0')
            decimals.length--;
        if (decimals.length > scale) return "has more decimals than --scale says";
    }
    if (whole.length + decimals.length == 0) return "is not a number";
    if (!digits_append(&amount, whole) || !digits_append(&amount, decimals))
        return "is not a number of at most 128 bits";
    for (size_t i = decimals.length; i < scale; i++) {
        if (!digits_append(&amount, slice_of("0"))) return "is not a number of at most 128 bits";
    }
    *out = amount;
    return NULL;
}

bool size_parse(struct slice text, uint64_t *out)
{
    static const char *units = "kmgt";
    mp_u128 number;
    size_t digits = 0;
    unsigned shift = 0;

    while (digits < text.length && text.data[digits] >= '0' && text.data[digits] <= '9') digits++;
    struct slice unit = {text.data + digits, text.length - digits};
    if (unit.length > 0) {
        const char *found = strchr(units, unit.data[0] | 0x20);
        bool binary = unit.length == 3 && strncasecmp(unit.data + 1, "ib", 2) == 0;
        if (found == NULL || (unit.length != 1 && !binary)) return false;
        shift = 10 * (unsigned)(found - units + 1);
    }
    if (!number_parse((struct slice){text.data, digits}, &number)) return false;
    if (number > UINT64_MAX >> shift) return false;
    *out = (uint64_t)number << shift;
    return true;
}

size_t number_print(mp_u128 number, char out[NUMBER_TEXT_MAX])
{
    char digits[NUMBER_TEXT_MAX];
    size_t count = 0;

    while (number > UINT64_MAX) { /* 128-bit divisions are slow: one for 19 digits */
        uint64_t low = (uint64_t)(number % 10000000000000000000u);
        number /= 10000000000000000000u;
        for (int i = 0; i < 19; i++, low /= 10) digits[count++] = (char)('0' + low % 10);
    }
    uint64_t rest = (uint64_t)number;
    do {
        digits[count++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    for (size_t i = 0; i < count; i++) out[i] = digits[count - 1 - i];
    out[count] = '\0';
    return count;
}

static size_t print(mp_amount amount, unsigned scale, bool separators, char *out)
{
    char plain[NUMBER_TEXT_MAX], digits[NUMBER_TEXT_MAX + SCALE_MAX];
    size_t count = number_print(amount, plain), length = 0;
    size_t zeros = count > scale ? 0 : scale + 1 - count; /* "0.05" has a digit before the point */

    memset(digits, '0', zeros);
    memcpy(digits + zeros, plain, count);
    count += zeros;
    for (size_t i = 0; i < count; i++) {
        size_t left = count - i; /* digits from here on */
        if (left == scale && scale > 0)
            out[length++] = '.';
        else if (separators && i > 0 && left > scale && (left - scale) % 3 == 0)
            out[length++] = ',';
        out[length++] = digits[i];
    }
    out[length] = '\0';
    return length;
}

size_t scaled_print(mp_amount amount, unsigned scale, bool separators, char out[SCALED_TEXT_MAX])
{
    return print(amount, scale, separators, out);
}

size_t difference_print(mp_amount plus, mp_amount minus, unsigned scale, bool separators,
                        char out[SCALED_TEXT_MAX])
{
    if (plus >= minus) return print(plus - minus, scale, separators, out);
    out[0] = '-';
    return 1 + print(minus - plus, scale, separators, out + 1);
}
