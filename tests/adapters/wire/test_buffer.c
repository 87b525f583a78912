#include "wire/buffer.h"

#include <criterion/criterion.h>
#include <string.h>

static const char *as_json(const char *text, size_t length)
{
    static struct buffer buffer;

    buffer_clear(&buffer);
    buffer_json(&buffer, text, length);
    return buffer_str(&buffer);
}

Test(buffer, an_empty_one_reads_as_an_empty_text)
{
    struct buffer buffer = {0};

    cr_assert_str_eq(buffer_str(&buffer), "");
    buffer_text(&buffer, "");
    cr_assert_str_eq(buffer_str(&buffer), "");
    buffer_done(&buffer);
}

Test(buffer, keeps_what_was_added_however_much_it_grows)
{
    struct buffer buffer = {0};

    for (unsigned i = 0; i < 10000; i++) buffer_format(&buffer, "%u,", i % 10);
    buffer_number(&buffer, UINT64_MAX);
    cr_assert_eq(buffer.length, 20020);
    cr_assert_eq(strlen(buffer.bytes), buffer.length);
    cr_assert_str_eq(buffer.bytes + 20000, "18446744073709551615");
    for (unsigned i = 0; i < 10000; i++) cr_assert_eq(buffer.bytes[2 * i], (char)('0' + i % 10));
    buffer_done(&buffer);
}

Test(buffer, a_text_in_json_neither_ends_its_string_nor_breaks_its_encoding)
{
    struct {
        const char *text, *json;
    } cases[] = {
        {"plain", "\"plain\""},
        {"a\"b\\c", "\"a\\\"b\\\\c\""},
        {"a\nb\tc\rd\x01", "\"a\\nb\\tc\\rd\\u0001\""},
        {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x92\xb6",
         "\"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x92\xb6\""},
        {"\xc3", "\"\xef\xbf\xbd\""},                                 /* cut off */
        {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},                 /* overlong */
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* half a surrogate pair */
        {"\xf4\x90\x80\x80x", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx\""},
    };

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_assert_str_eq(as_json(cases[i].text, strlen(cases[i].text)), cases[i].json);
    cr_assert_str_eq(as_json("a\0b", 3), "\"a\\u0000b\"");
}
