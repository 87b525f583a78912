/* Instants, durations, the calendar. */
#include "wire/times.h"

#include <stdio.h>
#include <string.h>

/* --- the calendar: Hinnant's days_from_civil and civil_from_days, eras of 400 years from March ---
 */

enum { ERA_DAYS = 146097, EPOCH_DAYS = 719468 /* 0000-03-01 to 1970-01-01 */ };

int64_t date_days(struct date date)
{
    int64_t year = date.year - (date.month <= 2);
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (date.month + (date.month > 2 ? -3 : 9)) + 2) / 5 + date.day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * ERA_DAYS + day_of_era - EPOCH_DAYS;
}

struct date date_of_days(int64_t days)
{
    int64_t shifted = days + EPOCH_DAYS;
    int64_t era = (shifted >= 0 ? shifted : shifted - (ERA_DAYS - 1)) / ERA_DAYS;
    int64_t day_of_era = shifted - era * ERA_DAYS;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / (ERA_DAYS - 1)) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153; /* 0 = March */
    int64_t month = shifted_month + (shifted_month < 10 ? 3 : -9);

    return (struct date){
        .year = (int32_t)(year_of_era + era * 400 + (month <= 2)),
        .month = (uint8_t)month,
        .day = (uint8_t)(day_of_year - (153 * shifted_month + 2) / 5 + 1),
    };
}

unsigned date_month_length(int32_t year, unsigned month)
{
    static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return lengths[month - 1] + (month == 2 && leap ? 1U : 0);
}

struct date date_of_instant(uint64_t ns) { return date_of_days((int64_t)(ns / SECOND_NS / DAY_S)); }

uint64_t date_begin(struct date date) { return (uint64_t)date_days(date) * DAY_S * SECOND_NS; }

/* --- instants --- */

/* Reads exactly `count` digits and moves past them. */
static bool digits(const char **text, unsigned count, unsigned *out)
{
    unsigned value = 0;

    for (unsigned i = 0; i < count; i++, (*text)++) {
        if (**text < '0' || **text > '9') return false;
        value = value * 10 + (unsigned)(**text - '0');
    }
    *out = value;
    return true;
}

static bool mark(const char **text, char c)
{
    if (**text != c) return false;
    (*text)++;
    return true;
}

/* One to nine digits of the second, as nanoseconds. */
static bool fraction(const char **text, unsigned *out)
{
    unsigned value = 0, count = 0;

    for (; **text >= '0' && **text <= '9'; (*text)++) {
        if (++count > 9) return false;
        value = value * 10 + (unsigned)(**text - '0');
    }
    if (count == 0) return false;
    for (; count < 9; count++) value *= 10;
    *out = value;
    return true;
}

/* "Z", "+01:00": seconds that local time is ahead of UTC. */
static bool offset(const char **text, int64_t *out_s)
{
    bool behind = **text == '-';
    unsigned hours, minutes;

    if (mark(text, 'Z') || mark(text, 'z')) {
        *out_s = 0;
        return true;
    }
    if (!mark(text, '+') && !mark(text, '-')) return false;
    if (!digits(text, 2, &hours) || !mark(text, ':') || !digits(text, 2, &minutes)) return false;
    if (hours > 23 || minutes > 59) return false;
    *out_s = (int64_t)(hours * 3600 + minutes * 60) * (behind ? -1 : 1);
    return true;
}

bool instant_read(const char *text, uint64_t *out_ns)
{
    unsigned year, month, day, hour, minute, second, part = 0;
    int64_t ahead_s, s;
    uint64_t ns;

    if (!digits(&text, 4, &year) || !mark(&text, '-') || !digits(&text, 2, &month) ||
        !mark(&text, '-') || !digits(&text, 2, &day))
        return false;
    if (!mark(&text, 'T') && !mark(&text, 't')) return false;
    if (!digits(&text, 2, &hour) || !mark(&text, ':') || !digits(&text, 2, &minute) ||
        !mark(&text, ':') || !digits(&text, 2, &second))
        return false;
    if (mark(&text, '.') && !fraction(&text, &part)) return false;
    if (!offset(&text, &ahead_s) || *text != '\0') return false;
    if (month < 1 || month > 12 || day < 1 || day > date_month_length((int32_t)year, month))
        return false;
    if (hour > 23 || minute > 59 || second > 59) return false;

    s = date_days((struct date){(int32_t)year, (uint8_t)month, (uint8_t)day}) * (int64_t)DAY_S;
    s += hour * 3600 + minute * 60 + second - ahead_s;
    if (s < 0 || __builtin_mul_overflow((uint64_t)s, SECOND_NS, &ns) ||
        __builtin_add_overflow(ns, part, &ns))
        return false;
    *out_ns = ns;
    return true;
}

static char *put(char *out, unsigned value, unsigned count)
{
    for (unsigned i = count; i > 0; i--, value /= 10) out[i - 1] = (char)('0' + value % 10);
    return out + count;
}

size_t instant_print(uint64_t ns, char out[INSTANT_TEXT_MAX])
{
    struct date date = date_of_instant(ns);
    unsigned second_of_day = (unsigned)(ns / SECOND_NS % DAY_S), part = (unsigned)(ns % SECOND_NS);
    char *at = out;

    at = put(at, (unsigned)date.year, 4);
    *at++ = '-';
    at = put(at, date.month, 2);
    *at++ = '-';
    at = put(at, date.day, 2);
    *at++ = 'T';
    at = put(at, second_of_day / 3600, 2);
    *at++ = ':';
    at = put(at, second_of_day / 60 % 60, 2);
    *at++ = ':';
    at = put(at, second_of_day % 60, 2);
    if (part != 0) {
        *at++ = '.';
        if (part % 1000000 == 0)
            at = put(at, part / 1000000, 3);
        else if (part % 1000 == 0)
            at = put(at, part / 1000, 6);
        else
            at = put(at, part, 9);
    }
    *at++ = 'Z';
    *at = '\0';
    return (size_t)(at - out);
}

/* --- durations --- */

struct unit {
    char letter;
    bool of_time; /* behind the T */
    uint64_t seconds;
};
static const struct unit units[] = {
    {'W', false, 7 * DAY_S}, {'D', false, DAY_S}, {'H', true, 3600},
    {'M', true, 60},         {'S', true, 1},
};
enum { UNITS = sizeof units / sizeof *units };

/* The unit of a letter that may come next; UNITS if there is none. */
static unsigned find_unit(char letter, bool of_time, unsigned from)
{
    while (from < UNITS && (units[from].letter != letter || units[from].of_time != of_time)) from++;
    return from;
}

bool duration_read(const char *text, uint64_t *out_s)
{
    uint64_t total = 0;
    unsigned next = 0;
    bool of_time = false;

    if (!mark(&text, 'P')) return false;
    do {
        uint64_t value = 0;
        const char *begin;
        unsigned unit;

        if (!of_time && mark(&text, 'T')) of_time = true;
        for (begin = text; *text >= '0' && *text <= '9'; text++) {
            value = value * 10 + (uint64_t)(*text - '0');
            if (value > DURATION_MAX_S) return false;
        }
        if (text == begin) return false;
        unit = find_unit(*text, of_time, next);
        if (unit == UNITS) return false;
        total += value * units[unit].seconds; /* at most five times 10^10 * 604,800 */
        if (total > DURATION_MAX_S) return false;
        next = unit + 1;
        text++;
    } while (*text != '\0');
    *out_s = total;
    return true;
}

size_t duration_print(uint64_t s, char out[DURATION_TEXT_MAX])
{
    size_t length = 0;
    bool timed = false;

    out[length++] = 'P';
    for (unsigned i = 1; i < UNITS; i++) { /* weeks are told as days */
        uint64_t count = s / units[i].seconds;

        if (count == 0 && !(s == 0 && length == 1 && i == UNITS - 1)) continue;
        if (units[i].of_time && !timed) {
            out[length++] = 'T';
            timed = true;
        }
        length += (size_t)snprintf(out + length, DURATION_TEXT_MAX - length, "%llu%c",
                                   (unsigned long long)count, units[i].letter);
        s %= units[i].seconds;
    }
    out[length] = '\0';
    return length;
}
