#include "wire/record.h"

#include "wire/hotel.h"
#include "wire/json.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define ID_1 "018f3a7e-0000-7abc-8def-0123456789ab"
#define ID_2 "018f3a7e-0000-7abc-8def-0123456789ac"
#define NEEDED_PART                                                                                \
    "\"booking\":\"" ID_1 "\",\"payer\":\"" ID_2 "\",\"price\":\"80.50\",\"currency\":\"EUR\","    \
    "\"arrival\":\"2026-02-28T14:00:00Z\""

static struct error err;

/* Reads a text into a booking; what was wrong stays in err. */
static enum outcome read_as(const char *text, bool strict, struct booking *out)
{
    cJSON *json = json_parse(text, strlen(text), &err);
    enum outcome outcome;

    memset(out, 0, sizeof *out);
    cr_assert_not_null(json, "%s", text);
    outcome = record_read(&booking_record, json, strict, "", out, &err);
    cJSON_Delete(json);
    return outcome;
}

static const char whole[] =
    "{" NEEDED_PART ",\"stay\":\"P3D\",\"number\":\"340282366920938463463374607431768211455\","
    "\"paid\":\"0\",\"open\":\"-0.05\",\"nights\":9007199254740991,\"beds\":4,"
    "\"sequence\":\"18446744073709551615\",\"breakfast\":true,\"note\":\"sealed:k1:AbC_-9\","
    "\"reference\":\"gr\xc3\xbc\xc3\x9f \\\"1\\\"\",\"mood\":\"single\",\"size\":\"double\","
    "\"host\":{\"name\":\"Ann\"},\"guests\":[{\"name\":\"Ann\",\"child\":false},"
    "{\"name\":\"Bob\",\"child\":true}]}";

Test(record, what_was_read_is_printed_again)
{
    struct booking booking;
    struct buffer out = {0};

    cr_assert_eq(read_as(whole, true, &booking), OUTCOME_DONE, "%s", err.faults[0].message);
    cr_assert_eq(booking.price.units, 8050);
    cr_assert_eq(booking.stay, 3 * 86400);
    cr_assert_eq(booking.open.units, -5);
    cr_assert_eq(booking.size, ROOM_DOUBLE);
    cr_assert_eq(booking.mood, room_sizes[0]);
    cr_assert_eq(booking.guests.count, 2);
    cr_assert_str_eq(booking.guests.rows[1].name, "Bob");
    cr_assert(booking.guests.rows[1].child);
    cr_assert(booking.present & RECORD_BIT(booking, stay));
    cr_assert(!(booking.present & RECORD_BIT(booking, status)));
    record_print(&booking_record, &booking, &out);
    cr_assert_str_eq(buffer_str(&out), whole);
    buffer_done(&out);
}

Test(record, optional_fields_without_their_bit_are_left_out)
{
    struct booking booking;
    struct buffer out = {0};

    cr_assert_eq(read_as("{" NEEDED_PART "}", true, &booking), OUTCOME_DONE);
    cr_assert_eq(booking.present, 31);
    booking.status = "confirmed";
    booking.nights = 3;
    booking.present |= RECORD_BIT(booking, status);
    record_print(&booking_record, &booking, &out);
    cr_assert_str_eq(buffer_str(&out), "{" NEEDED_PART ",\"status\":\"confirmed\"}");
    buffer_done(&out);
}

Test(record, a_bit_has_a_name_for_compiler_and_program)
{
    cr_assert_eq(record_bit(&booking_record, "booking"), 1);
    cr_assert_eq(record_bit(&booking_record, "guests"), RECORD_BIT(booking, guests));
    cr_assert_eq(record_bit(&booking_record, "minibar"), 0);
}

Test(record, personal_words_are_never_printed_in_clear_where_they_must_be_sealed)
{
    struct booking booking;
    struct buffer out = {0};

    cr_assert_eq(read_as("{" NEEDED_PART "}", true, &booking), OUTCOME_DONE);
    strcpy(booking.note.text, "for Ann");
    booking.present |= RECORD_BIT(booking, note);
    record_print(&booking_record, &booking, &out);
    cr_assert_str_eq(buffer_str(&out), "{" NEEDED_PART "}");
    buffer_done(&out);
}

struct wrong_case {
    const char *member, *field, *message;
};

/* Each beside what is needed */
static const struct wrong_case wrong_cases[] = {
    {"\"stay\":\"3 days\"", "/stay",
     "must be a duration as in ISO 8601, such as \"P7D\" or \"PT30S\""},
    {"\"stay\":3", "/stay", "must be a duration as in ISO 8601, such as \"P7D\" or \"PT30S\""},
    {"\"number\":\"01\"", "/number", "must be a whole number in a string, below 2^128"},
    {"\"number\":\"340282366920938463463374607431768211456\"", "/number",
     "must be a whole number in a string, below 2^128"},
    {"\"number\":5", "/number", "must be a whole number in a string, below 2^128"},
    {"\"paid\":\"-1\"", "/paid", "must be minor units, a whole number in a string"},
    {"\"open\":\"--1\"", "/open",
     "must be a decimal amount in a string, such as \"12.50\" or \"-1.00\""},
    {"\"nights\":1.5", "/nights", "must be a whole number from 0 to 9007199254740991"},
    {"\"nights\":-1", "/nights", "must be a whole number from 0 to 9007199254740991"},
    {"\"nights\":1e30", "/nights", "must be a whole number from 0 to 9007199254740991"},
    {"\"nights\":\"3\"", "/nights", "must be a whole number from 0 to 9007199254740991"},
    {"\"beds\":0", "/beds", "must be a whole number from 1 to 4"},
    {"\"beds\":5", "/beds", "must be a whole number from 1 to 4"},
    {"\"sequence\":\"18446744073709551616\"", "/sequence",
     "must be a whole number in a string, below 2^64"},
    {"\"breakfast\":\"yes\"", "/breakfast", "must be true or false"},
    {"\"breakfast\":null", "/breakfast", "must be true or false"},
    {"\"status\":\"paid\"", "/status", "must be left out: it is only ever answered"},
    {"\"note\":\"for Ann\"", "/note", "must be sealed text"},
    {"\"note\":\"sealed:k1:\"", "/note", "must be sealed text"},
    {"\"reference\":\"\"", "/reference", "must have 1 to 10 bytes, has 0"},
    {"\"reference\":\"12345678901\"", "/reference", "must have 1 to 10 bytes, has 11"},
    {"\"reference\":\"a\\nb\"", "/reference", "must have no control characters"},
    {"\"reference\":\"a\\u0085b\"", "/reference", "must have no control characters"},
    {"\"reference\":7", "/reference", "must be a string"},
    {"\"mood\":\"triple\"", "/mood", "must be one of: single, double"},
    {"\"size\":\"triple\"", "/size", "must be one of: single, double"},
    {"\"host\":[]", "/host", "must be an object"},
    {"\"host\":{}", "/host/name", "is missing"},
    {"\"host\":{\"name\":\"A\",\"age\":1}", "/host/age", "is not known here"},
    {"\"guests\":{}", "/guests", "must be an array"},
    {"\"guests\":[{\"name\":\"A\"},7]", "/guests/1", "must be an object"},
    {"\"guests\":[{\"name\":\"A\"},{\"name\":\"A\"},{\"name\":\"A\"},{\"name\":\"A\"}]", "/guests",
     "must have at most 3 rows"},
    {"\"payer\":\"" ID_1 "\"", "/payer", "stands there twice"},
    {"\"mini/b~r\":1", "/mini~1b~0r", "is not known here"},
};

Test(record, a_fault_names_its_field_and_what_would_be_right)
{
    for (unsigned i = 0; i < sizeof wrong_cases / sizeof *wrong_cases; i++) {
        struct booking booking;
        char text[1024];

        err = (struct error){0};
        snprintf(text, sizeof text, "{" NEEDED_PART ",%s}", wrong_cases[i].member);
        cr_assert_eq(read_as(text, true, &booking), OUTCOME_REFUSED, "%s", text);
        cr_assert_eq(err.reason, REASON_INVALID_REQUEST);
        cr_assert_eq(err.fault_count, 1, "%s: %u", text, err.fault_count);
        cr_assert_str_eq(err.faults[0].field, wrong_cases[i].field);
        cr_assert_str_eq(err.faults[0].message, wrong_cases[i].message);
    }
}

Test(record, needed_values_are_checked_as_well)
{
    struct wrong_case cases[] = {
        {"booking\":\"00000000-0000-0000-0000-000000000000", "/booking", "must be a UUID"},
        {"payer\":\"alice", "/payer", "must be a UUID"},
        {"price\":\"80,50", "/price", "must be a decimal amount in a string, such as \"12.50\""},
        {"price\":\"-80.50", "/price", "must be a decimal amount in a string, such as \"12.50\""},
        {"currency\":\"eur", "/currency", "must be an ISO 4217 currency code, such as \"EUR\""},
        {"currency\":\"EURO", "/currency", "must be an ISO 4217 currency code, such as \"EUR\""},
        {"arrival\":\"2026-02-29T14:00:00Z", "/arrival",
         "must be a time as in RFC 3339, such as \"2026-01-31T12:00:00Z\""},
    };

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024] = "{" NEEDED_PART "}", rest[1024], *at;
        struct booking booking;
        size_t name = strcspn(cases[i].member, "\"");
        char begin[32];

        err = (struct error){0};
        snprintf(begin, sizeof begin, "%.*s\":\"", (int)name, cases[i].member);
        at = strstr(text, begin);
        strcpy(rest, strchr(at + strlen(begin), '"'));
        strcpy(at, cases[i].member);
        strcat(text, rest);
        cr_assert_eq(read_as(text, true, &booking), OUTCOME_REFUSED, "%s", text);
        cr_assert_str_eq(err.faults[0].field, cases[i].field);
        cr_assert_str_eq(err.faults[0].message, cases[i].message);
    }
}

Test(record, all_faults_of_a_body_are_told_at_once)
{
    struct booking booking;

    cr_assert_eq(read_as("{\"price\":1,\"size\":\"x\",\"guests\":[{},{\"name\":\"\"}],\"q\":0}",
                         true, &booking),
                 OUTCOME_REFUSED);
    cr_assert_eq(err.fault_count, 9);
    cr_assert_str_eq(err.faults[0].field, "/price");
    cr_assert_str_eq(err.faults[1].field, "/size");
    cr_assert_str_eq(err.faults[2].field, "/guests/0/name");
    cr_assert_str_eq(err.faults[3].field, "/guests/1/name");
    cr_assert_str_eq(err.faults[4].field, "/q");
    cr_assert_str_eq(err.faults[5].field, "/booking");
    cr_assert_str_eq(err.faults[8].field, "/arrival");
    cr_assert_str_eq(err.faults[8].message, "is missing");
}

Test(record, a_reader_of_events_takes_what_a_newer_writer_says)
{
    struct booking booking;

    cr_assert_eq(read_as("{" NEEDED_PART ",\"pool\":{\"deep\":[1]},\"mood\":\"sunny\","
                         "\"breakfast\":null}",
                         false, &booking),
                 OUTCOME_DONE);
    cr_assert_eq(booking.mood, word_unknown);
    cr_assert(!(booking.present & RECORD_BIT(booking, breakfast)));
    cr_assert_eq(read_as("{" NEEDED_PART ",\"size\":\"triple\"}", false, &booking),
                 OUTCOME_REFUSED);
}

Test(record, members_in_any_order_are_found)
{
    struct booking booking;

    cr_assert_eq(read_as("{\"breakfast\":true,\"arrival\":\"2026-02-28T14:00:00Z\",\"currency\":"
                         "\"EUR\",\"price\":\"80.50\",\"payer\":\"" ID_2 "\",\"booking\":\"" ID_1
                         "\"}",
                         true, &booking),
                 OUTCOME_DONE);
    cr_assert_eq(booking.present, 31 | RECORD_BIT(booking, breakfast));
}

Test(record, its_schema_is_json_and_says_what_the_reader_checks)
{
    struct buffer out = {0};
    cJSON *schema, *properties, *size;

    record_schema(&booking_record, "#/$defs/", &out);
    schema = json_parse(out.bytes, out.length, &err);
    cr_assert_not_null(schema, "%s", err.faults[0].message);
    properties = cJSON_GetObjectItemCaseSensitive(schema, "properties");
    cr_assert_eq(cJSON_GetArraySize(properties), 20);
    cr_assert_eq(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(schema, "required")), 5);
    size = cJSON_GetObjectItemCaseSensitive(properties, "size");
    cr_assert_eq(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(size, "enum")), 2);
    cr_assert_not_null(strstr(out.bytes, "\"host\":{\"$ref\":\"#/$defs/guest\""));
    cr_assert_not_null(strstr(out.bytes, "\"minimum\":1,\"maximum\":4"));
    cr_assert_null(strstr(out.bytes, "additionalProperties"));
    cJSON_Delete(schema);

    buffer_clear(&out);
    record_schema_closed(&guest_record, "#/$defs/", &out);
    cr_assert_str_eq(
        buffer_str(&out),
        "{\"type\":\"object\",\"description\":\"Who sleeps there.\",\"properties\":{\"name\":{"
        "\"type\":\"string\",\"pattern\":\"^[^\\\\u0000-\\\\u001f\\\\u007f-\\\\u009f]*$\","
        "\"minLength\":1,\"maxLength\":20,\"description\":\"As in the passport.\"},\"child\":{"
        "\"type\":\"boolean\",\"description\":\"Under 12.\"}},\"required\":[\"name\"],"
        "\"additionalProperties\":false}");
    buffer_done(&out);
}

Test(record, a_value_of_a_query_is_read_as_one_of_a_body)
{
    struct amount amount;
    uint64_t number;
    bool flag;

    cr_assert(record_value(RECORD_AMOUNT, "12.50", &amount));
    cr_assert(record_value(RECORD_COUNT_OF, "9007199254740991", &number));
    cr_assert_eq(number, JSON_COUNT_MAX);
    cr_assert(!record_value(RECORD_COUNT_OF, "9007199254740992", &number));
    cr_assert(record_value(RECORD_FLAG, "false", &flag) && !flag);
    cr_assert(!record_value(RECORD_FLAG, "0", &flag));
    cr_assert(!record_value(RECORD_TEXT, "x", &number));
}
