#include "wire/times.h"

#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

Test(times, an_instant_reads_as_what_the_calendar_says)
{
    struct {
        const char *text;
        uint64_t ns;
        const char *printed;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z"},
        {"2026-01-31T12:34:56Z", 1769862896 * SECOND_NS, "2026-01-31T12:34:56Z"},
        {"2026-01-31t12:34:56.5z", 1769862896 * SECOND_NS + 500000000, "2026-01-31T12:34:56.500Z"},
        {"2026-01-31T12:34:56.000001Z", 1769862896 * SECOND_NS + 1000,
         "2026-01-31T12:34:56.000001Z"},
        {"2026-01-31T12:34:56.123456789Z", 1769862896 * SECOND_NS + 123456789,
         "2026-01-31T12:34:56.123456789Z"},
        {"2026-01-31T00:30:00+01:00", 1769815800 * SECOND_NS, "2026-01-30T23:30:00Z"},
        {"2026-01-31T12:34:56-05:30", 1769882696 * SECOND_NS, "2026-01-31T18:04:56Z"},
        {"2024-02-29T23:59:59-00:00", 1709251199 * SECOND_NS, "2024-02-29T23:59:59Z"},
        {"2554-07-21T23:34:33.709551615Z", UINT64_MAX, "2554-07-21T23:34:33.709551615Z"},
    };

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[INSTANT_TEXT_MAX];
        uint64_t ns;

        cr_assert(instant_read(cases[i].text, &ns), "%s", cases[i].text);
        cr_assert_eq(ns, cases[i].ns, "%s: %llu", cases[i].text, (unsigned long long)ns);
        cr_assert_eq(instant_print(ns, out), strlen(cases[i].printed));
        cr_assert_str_eq(out, cases[i].printed);
    }
}

Test(times, what_is_no_instant_is_refused)
{
    static const char *const texts[] = {
        "",
        "2026",
        "2026-01-31",
        "2026-01-31T12:34:56",
        "2026-01-31 12:34:56Z",
        "2026-01-31T12:34Z",
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-00-10T00:00:00Z",
        "2026-13-10T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:60:00Z",
        "2026-12-31T23:59:60Z",
        "2026-01-31T12:34:56.Z",
        "2026-01-31T12:34:56.1234567890Z",
        "2026-01-31T12:34:56+1:00",
        "2026-01-31T12:34:56+01",
        "2026-01-31T12:34:56+24:00",
        "2026-01-31T12:34:56+01:60",
        "2026-01-31T12:34:56ZZ",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "2554-07-21T23:34:33.709551616Z",
        "9999-12-31T23:59:59Z",
        "26-01-31T12:34:56Z",
        "+2026-01-31T12:34:56Z",
        "2026-1-31T12:34:56Z",
    };
    uint64_t ns = 7;

    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++)
        cr_assert(!instant_read(texts[i], &ns), "%s", texts[i]);
    cr_assert_eq(ns, 7);
}

Test(times, a_duration_reads_as_seconds_and_prints_in_days)
{
    struct {
        const char *text;
        uint64_t s;
        const char *printed;
    } cases[] = {
        {"P7D", 604800, "P7D"},      {"PT30S", 30, "PT30S"},
        {"P1DT2H", 93600, "P1DT2H"}, {"P2W", 1209600, "P14D"},
        {"PT90M", 5400, "PT1H30M"},  {"PT0S", 0, "PT0S"},
        {"P0D", 0, "PT0S"},          {"P1W1DT1H1M1S", 694861, "P8DT1H1M1S"},
        {"PT86400S", 86400, "P1D"},  {"PT9999999999S", 9999999999, "P115740DT17H46M39S"},
    };

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[DURATION_TEXT_MAX];
        uint64_t s;

        cr_assert(duration_read(cases[i].text, &s), "%s", cases[i].text);
        cr_assert_eq(s, cases[i].s, "%s", cases[i].text);
        cr_assert_eq(duration_print(s, out), strlen(cases[i].printed));
        cr_assert_str_eq(out, cases[i].printed);
    }
}

Test(times, what_has_no_fixed_length_is_no_duration)
{
    static const char *const texts[] = {
        "",
        "P",
        "PT",
        "P1",
        "1D",
        "P1Y",
        "P1M",
        "PT1D",
        "P1H",
        "P1S",
        "PT1.5S",
        "P-1D",
        "-P1D",
        "P1DT",
        "PT1M1H",
        "P1D1D",
        "P1D1W",
        "PTT1S",
        "P1DT1HT1M",
        "p1d",
        "P 1D",
        "PT10000000000S",
        "P99999999999999999999D",
        "P1D ",
        "PS",
    };
    uint64_t s = 7;

    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++)
        cr_assert(!duration_read(texts[i], &s), "%s", texts[i]);
    cr_assert_eq(s, 7);
}

/* Day by day against libc's calendar in UTC */
Test(times, the_calendar_agrees_with_the_systems_for_six_hundred_years)
{
    for (int64_t day = -36525; day < 213503; day++) {
        time_t s = (time_t)day * 86400;
        struct date date = date_of_days(day);
        struct tm tm;

        cr_assert_not_null(gmtime_r(&s, &tm));
        cr_assert(date.year == tm.tm_year + 1900 && date.month == tm.tm_mon + 1 &&
                      date.day == tm.tm_mday,
                  "%lld", (long long)day);
        cr_assert_eq(date_days(date), day);
        cr_assert_leq(date.day, date_month_length(date.year, date.month));
    }
}

Test(times, a_day_begins_at_midnight_in_utc)
{
    struct date date = date_of_instant(1769862896 * SECOND_NS);

    cr_assert(date.year == 2026 && date.month == 1 && date.day == 31);
    cr_assert_eq(date_begin(date), 1769817600 * SECOND_NS);
}
