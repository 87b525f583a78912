#include "security/mask.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void expect_masked(const char *text, const char *masked)
{
    struct buffer out = {0};

    mask_text(text, strlen(text), &out);
    cr_assert_str_eq(buffer_str(&out), masked, "\"%s\" became \"%s\"", text, buffer_str(&out));
    buffer_done(&out);
}

Test(mask, keys_cards_ibans_and_mail_addresses_never_reach_a_log)
{
    static const struct {
        const char *text, *masked;
    } cases[] = {
        {"Authorization: Bearer mp_test_4f9KqzT1x8LmN0pQ7rVbW2",
         "Authorization: Bearer mp_test_***"},
        {"key=mp_live_4f9KqzT1x8LmN0pQ7rVbW2&x=1", "key=mp_live_***&x=1"},
        {"xmp_internal_4f9KqzT1x8LmN0pQ7rVbW2", "xmp_internal_***"},
        {"paid by 4111111111111111.", "paid by [card]."},
        {"4111 1111 1111 1111 twice: 5555-5555-5555-4444", "[card] twice: [card]"},
        {"amex \"378282246310005\"", "amex \"[card]\""},
        {"2223003122003222", "[card]"},
        {"to DE89370400440532013000", "to [iban]"},
        {"to de89 3704 0044 0532 0130 00, and more", "to [iban], and more"},
        {"GB82 WEST 1234 5698 7654 32 here", "[iban] here"},
        {"NO9386011117947", "[iban]"},
        {"MT84MALT011000012345MTLCAST001S", "[iban]"},
        {"mail alice.b+c@example.co.uk now", "mail [e-mail] now"},
        {"<j\xc3\xbcrgen@example.com>.", "<[e-mail]>."},
        {"Ask bob@example.com.", "Ask [e-mail]."},
    };

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_masked(cases[i].text, cases[i].masked);
}

Test(mask, ids_amounts_times_and_ordinary_words_stay_readable)
{
    static const char *const cases[] = {
        "",
        "could not reach payment 0194c1f0-7a5e-7cc2-8f1e-4a2b3c4d5e6f",
        "41111111-1111-1111-9111-111111111111",
        "traceparent 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "1764487216123456789 ns",
        "amount 12.50 EUR of 999999999999999999",
        "4111111111111112 has no check digit",
        "4111111111111111x is a word",
        "x4111111111111111",
        "DE88370400440532013000",
        "at12 well that word here fits into four",
        "@timestamp a@b @ x@ @y.z",
        "mp_test_ and mp_test_x",
        "2026-11-30T07:20:16.123456789Z",
        "170141183460469231731687303715884105727",
    };

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) expect_masked(cases[i], cases[i]);
}

Test(mask, a_field_with_a_secret_name_is_masked_however_it_is_written)
{
    cr_assert(mask_field("authorization"));
    cr_assert(mask_field("http.request.Authorization"));
    cr_assert(mask_field("user.API-Key"));
    cr_assert(mask_field("config.store_password"));
    cr_assert(!mask_field("banknote"));
    cr_assert(mask_field("x.password"));
    cr_assert(!mask_field("service.name"));
    cr_assert(!mask_field("idempotency.key"));
    cr_assert(!mask_field("a.very.long.name.that.is.longer.than.any.of_the_masked_ones_is_here"));
}

static size_t draw(size_t limit)
{
    static uint32_t state = 7;

    state = state * 1664525 + 1013904223;
    return (state >> 8) % limit;
}

Test(mask, any_bytes_are_passed_through_without_reading_beyond_them)
{
    static const char alphabet[] = "mp_test_live49@. -DE80\xc3\xff";
    struct buffer out = {0};

    for (unsigned round = 0; round < 20000; round++) {
        size_t length = draw(48);
        char *text = malloc(length > 0 ? length : 1); /* exact, for AddressSanitizer */

        for (size_t i = 0; i < length; i++) text[i] = alphabet[draw(sizeof alphabet - 1)];
        buffer_clear(&out);
        mask_text(text, length, &out);
        cr_assert_leq(out.length, 8 * length + 8);
        free(text);
    }
    buffer_done(&out);
}
