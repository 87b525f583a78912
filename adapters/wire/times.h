/*
 * Times on the wire: instants as RFC 3339, lengths of time as ISO 8601, and the civil calendar
 * between them. Nothing here knows a time zone but UTC and the offset that an instant brings along.
 *
 * An instant is nanoseconds since the Unix epoch (1970 to 2554), a duration whole seconds.
 */
#ifndef ADAPTERS_WIRE_TIMES_H
#define ADAPTERS_WIRE_TIMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECOND_NS UINT64_C(1000000000)
#define DAY_S     UINT64_C(86400)
/* 317 years: as nanoseconds it fits 64 bits, also behind today's date */
#define DURATION_MAX_S UINT64_C(9999999999)

enum { INSTANT_TEXT_MAX = 36, DURATION_TEXT_MAX = 32 };

/* Reads "2026-01-31T12:34:56.789Z", or with an offset such as "+01:00"; up to nine digits of the
 * second. False if it isn't that, isn't in the calendar (a 30th of February, a leap second) or lies
 * outside of what an instant can be. */
bool instant_read(const char *text, uint64_t *out_ns);
/* Prints in UTC with no, three, six or nine digits of the second, as needed. Returns the length. */
size_t instant_print(uint64_t ns, char out[INSTANT_TEXT_MAX]);

/* Reads "P7D", "PT30S", "P1DT2H", "P2W"; false if it isn't that, has a fraction, years or months
 * (which have no fixed length), or is longer than DURATION_MAX_S. */
bool duration_read(const char *text, uint64_t *out_s);
/* Prints days, hours, minutes, seconds, leaving out those that are 0: "PT0S" for none. */
size_t duration_print(uint64_t s, char out[DURATION_TEXT_MAX]);

/* A day of the Gregorian calendar. */
struct date {
    int32_t year;
    uint8_t month, day; /* from 1 */
};

/* Days since 1970-01-01; negative before it. */
int64_t date_days(struct date date);
struct date date_of_days(int64_t days);
unsigned date_month_length(int32_t year, unsigned month);
/* The day in UTC on which an instant falls. */
struct date date_of_instant(uint64_t ns);
/* The first instant of a day in UTC, of a date from 1970 to 2553. */
uint64_t date_begin(struct date date);

#endif
