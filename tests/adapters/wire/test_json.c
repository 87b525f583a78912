#include "wire/json.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct error err;

/* From memory of exactly that size, so that a look behind the end is seen. */
static cJSON *parse(const char *text, size_t length)
{
    char *copy = malloc(length > 0 ? length : 1);
    cJSON *json;

    memcpy(copy, text, length);
    err = (struct error){0};
    json = json_parse(copy, length, &err);
    free(copy);
    return json;
}

Test(json, what_is_json_is_taken)
{
    static const char *const good[] = {
        "{}",
        "[]",
        " { \"a\" : [ 1 , -0.5e+3 , \"x\\u00e9\\\\u0000\" , true , null ] } \r\n",
        "0",
        "-9007199254740991",
        "9007199254740991",
        "1e400",
        "\"\\ud83d\\udcb6\"",
        "\"\"",
    };

    for (unsigned i = 0; i < sizeof good / sizeof *good; i++) {
        cJSON *json = parse(good[i], strlen(good[i]));

        cr_assert_not_null(json, "%s: %s", good[i], err.faults[0].message);
        cJSON_Delete(json);
    }
}

Test(json, what_would_be_read_otherwise_than_it_was_meant_is_refused)
{
    struct {
        const char *text, *message;
    } cases[] = {
        {"", "is not JSON, at byte 0"},
        {"{\"a\":1} x", "is not JSON, at byte 9"},
        {"{\"a\":1}{}", "goes on behind its end, at byte 7"},
        {"{\"a\":\"b\\u0000c\"}", "has a NUL, at byte 7"},
        {"{\"a\":\"b\nc\"}", "has a control character, at byte 7"},
        {"{\"a\":\"\xc3(\"}", "is not UTF-8, at byte 6"},
        {"\xef\xbb\xbf{}", "is not JSON, at byte 1"},
        {"{\"a\":9007199254740992}",
         "has a whole number beyond 2^53 - 1: send it as a string, at byte 21"},
        {"[-99999999999999999999]",
         "has a whole number beyond 2^53 - 1: send it as a string, at byte 22"},
        {"[01]", "has a malformed number, at byte 3"},
        {"[1.]", "has a malformed number, at byte 3"},
        {"[1e]", "has a malformed number, at byte 3"},
        {"[-]", "has a malformed number, at byte 2"},
        {"[0.1111111111111111111111111111111111111111111111111111111111111111]",
         "has a number of too many digits, at byte 67"},
        {"\"abc", "ends inside a string, at byte 4"},
        {"\"abc\\", "ends inside a string, at byte 5"},
        {"\"\\ud83d\"", "is not JSON, at byte 1"},
        {"{\"a\":1,}", "is not JSON, at byte 7"},
        {"]", "is not JSON, at byte 1"},
        {"[1", "is not JSON, at byte 1"},
        {"{'a':1}", "is not JSON, at byte 2"},
        {"NaN", "is not JSON, at byte 1"},
    };

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert_null(parse(cases[i].text, strlen(cases[i].text)), "%s", cases[i].text);
        cr_assert_eq(err.reason, REASON_INVALID_REQUEST);
        cr_assert_str_eq(err.faults[0].message, cases[i].message, "%s: %s", cases[i].text,
                         err.faults[0].message);
    }
    cr_assert_null(parse("[1]\0", 4));
    cr_assert_null(parse("\"a\0b\"", 5));
}

Test(json, nesting_has_a_limit)
{
    char text[2 * JSON_DEPTH_MAX + 3];
    cJSON *json;

    memset(text, '[', JSON_DEPTH_MAX + 1);
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    cr_assert_null(parse(text, 2 * JSON_DEPTH_MAX + 2));
    cr_assert_str_eq(err.faults[0].message, "is nested too deeply, at byte 33");
    json = parse(text + 1, 2 * JSON_DEPTH_MAX);
    cr_assert_not_null(json);
    cJSON_Delete(json);
}

Test(json, members_are_read_by_kind)
{
    cJSON *json = parse("{\"n\":3,\"f\":0.5,\"t\":\"x\"}", 23);
    uint64_t count = 7;

    cr_assert_str_eq(json_text(json, "t"), "x");
    cr_assert_null(json_text(json, "n"));
    cr_assert_null(json_text(json, "T"));
    cr_assert(json_count(cJSON_GetObjectItem(json, "n"), &count));
    cr_assert_eq(count, 3);
    cr_assert(!json_count(cJSON_GetObjectItem(json, "f"), &count));
    cr_assert(!json_count(cJSON_GetObjectItem(json, "t"), &count));
    cr_assert(!json_count(NULL, &count));
    cJSON_Delete(json);
}
