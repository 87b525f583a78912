#include "times.h"

#include "numbers.h"

#include <stdio.h>

#define SECOND_NS UINT64_C(1000000000)

/* Days since 1970-01-01 of a date in the Gregorian calendar, year 1970 or later; by eras of 400
 * years. */
static uint64_t days_of(unsigned year, unsigned month, unsigned day)
{
    unsigned y = month <= 2 ? year - 1 : year; /* years begin in March: the leap day is the last */
    unsigned era = y / 400, of_era = y % 400;
    unsigned of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    unsigned days = of_era * 365 + of_era / 4 - of_era / 100 + of_year; /* of this era */

    return (uint64_t)era * 146097 + days - 719468;
}

static void date_of(uint64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    uint64_t z = days + 719468;
    unsigned era = (unsigned)(z / 146097), of_era = (unsigned)(z % 146097);
    unsigned y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * y + y / 4 - y / 100);
    unsigned m = (5 * of_year + 2) / 153;

    *day = of_year - (153 * m + 2) / 5 + 1;
    *month = m < 10 ? m + 3 : m - 9;
    *year = y + era * 400 + (*month <= 2);
}

static unsigned days_in(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && leap ? 29 : days[month - 1];
}

/* Takes `count` digits from the front of a text. */
static bool take_digits(struct slice *text, unsigned count, unsigned *out)
{
    unsigned number = 0;

    if (text->length < count) return false;
    for (unsigned i = 0; i < count; i++) {
        unsigned digit = (unsigned)(text->data[i] - '0');
        if (digit > 9) return false;
        number = number * 10 + digit;
    }
    text->data += count;
    text->length -= count;
    *out = number;
    return true;
}

static bool take_char(struct slice *text, char wanted)
{
    if (text->length == 0 || *text->data != wanted) return false;
    text->data++;
    text->length--;
    return true;
}

static bool take_fraction(struct slice *text, uint64_t *out_ns)
{
    uint64_t ns = 0;
    unsigned count = 0, digit;

    while (take_digits(text, 1, &digit)) {
        if (++count > 9) return false;
        ns = ns * 10 + digit;
    }
    if (count == 0) return false;
    for (; count < 9; count++) ns *= 10;
    *out_ns = ns;
    return true;
}

/* Of "HH:MM[:SS[.fraction]]" */
static bool take_clock(struct slice *text, uint64_t *out_ns)
{
    unsigned hour, minute, second = 0;
    uint64_t fraction = 0;

    if (!take_digits(text, 2, &hour) || !take_char(text, ':') || !take_digits(text, 2, &minute))
        return false;
    if (take_char(text, ':')) {
        if (!take_digits(text, 2, &second)) return false;
        if (take_char(text, '.') && !take_fraction(text, &fraction)) return false;
    }
    if (hour > 23 || minute > 59 || second > 59) return false;
    *out_ns = (uint64_t)(hour * 3600 + minute * 60 + second) * SECOND_NS + fraction;
    return true;
}

bool time_parse(struct slice text, uint64_t *out_ns)
{
    unsigned year, month, day;
    uint64_t clock_ns = 0;
    mp_u128 number;

    if (number_parse(text, &number)) {
        if (number >> 63 != 0) return false;
        *out_ns = (uint64_t)number;
        return true;
    }
    if (!take_digits(&text, 4, &year) || !take_char(&text, '-') || !take_digits(&text, 2, &month) ||
        !take_char(&text, '-') || !take_digits(&text, 2, &day))
        return false;
    if (year < 1970 || year > 2262 || month < 1 || month > 12) return false;
    if (day < 1 || day > days_in(year, month)) return false;
    if (take_char(&text, 'T') || take_char(&text, ' ')) {
        if (!take_clock(&text, &clock_ns)) return false;
        (void)take_char(&text, 'Z');
    }
    if (text.length > 0) return false;
    *out_ns = days_of(year, month, day) * DAY_NS + clock_ns;
    return *out_ns >> 63 == 0; /* until April 2262 */
}

size_t date_print(uint64_t ns, char out[TIME_TEXT_MAX])
{
    unsigned year, month, day;

    date_of(ns / DAY_NS, &year, &month, &day);
    return (size_t)snprintf(out, TIME_TEXT_MAX, "%04u-%02u-%02u", year, month, day);
}

size_t time_print(uint64_t ns, char out[TIME_TEXT_MAX])
{
    size_t length = date_print(ns, out);
    unsigned second = (unsigned)(ns % DAY_NS / SECOND_NS), fraction = (unsigned)(ns % SECOND_NS);
    int digits = 9;

    length += (size_t)snprintf(out + length, TIME_TEXT_MAX - length, "T%02u:%02u:%02u",
                               second / 3600, second / 60 % 60, second % 60);
    for (; digits > 0 && fraction % 1000 == 0; digits -= 3) fraction /= 1000;
    if (digits > 0)
        length += (size_t)snprintf(out + length, TIME_TEXT_MAX - length, ".%0*u", digits, fraction);
    return length + (size_t)snprintf(out + length, TIME_TEXT_MAX - length, "Z");
}
