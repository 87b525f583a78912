#include "wire/amount.h"

#include <criterion/criterion.h>
#include <string.h>

Test(amount, is_printed_as_it_was_read)
{
    static const char *const texts[] = {
        "0",
        "5",
        "12.50",
        "0.05",
        "0.00",
        "0.000000000000000001",
        "999999999999999999",
        "9999999999999999.99",
        "1.000",
    };

    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct amount amount;
        char out[AMOUNT_TEXT_MAX];

        cr_assert(amount_read(texts[i], &amount), "%s", texts[i]);
        cr_assert_eq(amount_print(amount, out), strlen(texts[i]));
        cr_assert_str_eq(out, texts[i]);
    }
}

Test(amount, what_is_no_amount_is_refused)
{
    static const char *const texts[] = {
        "",
        ".",
        "1.",
        ".5",
        "01",
        "00",
        "00.5",
        "-1",
        "+1",
        "1e3",
        " 1",
        "1 ",
        "1,5",
        "1.2.3",
        "1000000000000000000",
        "9999999999999999999999",
        "10000000000000000.00",
        "0.0000000000000000000",
        "0x10",
        "1.5a",
        "\xd9\xa1",
    };
    struct amount amount = {7, 7};

    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++)
        cr_assert(!amount_read(texts[i], &amount), "%s", texts[i]);
    cr_assert_eq(amount.units, 7);
}

Test(amount, below_zero_keeps_its_sign_and_digits)
{
    char out[AMOUNT_TEXT_MAX];

    amount_print((struct amount){-5, 2}, out);
    cr_assert_str_eq(out, "-0.05");
    amount_print((struct amount){INT64_MIN, 18}, out);
    cr_assert_str_eq(out, "-9.223372036854775808");
    amount_print((struct amount){INT64_MIN, 0}, out);
    cr_assert_str_eq(out, "-9223372036854775808");
}

Test(amount, becomes_minor_units_only_if_nothing_is_lost)
{
    struct {
        const char *text, *currency;
        int64_t minor; /* -1 = refused */
    } cases[] = {
        {"12.50", "EUR", 1250},
        {"12.5", "EUR", 1250},
        {"12", "EUR", 1200},
        {"12.500", "EUR", -1},
        {"12.505", "EUR", -1},
        {"500", "JPY", 500},
        {"500.0", "JPY", -1},
        {"1.234", "KWD", 1234},
        {"1.2345", "KWD", -1},
        {"1.2345", "CLF", 12345},
        {"0", "EUR", 0},
        {"9999999999999999.99", "EUR", 999999999999999999},
        {"10000000000000000", "EUR", -1},
        {"999999999999999999", "JPY", 999999999999999999},
        {"999999999999999999", "KWD", -1},
    };

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct amount amount;
        int64_t minor = -1;

        cr_assert(amount_read(cases[i].text, &amount));
        cr_assert_eq(amount_minor(amount, currency_find(cases[i].currency), &minor),
                     cases[i].minor >= 0);
        cr_assert_eq(minor, cases[i].minor, "%s %s", cases[i].text, cases[i].currency);
    }
    cr_assert_eq(amount_of(1250, currency_find("KWD")).digits, 3);
}

Test(amount, the_table_of_currencies_is_in_order_and_found)
{
    unsigned count = 0;

    for (const struct currency *row = currencies; row->name != NULL; row++, count++) {
        cr_assert_eq(strlen(row->code), 3);
        cr_assert(row == currencies || strcmp(row[-1].code, row->code) < 0, "%s", row->code);
        cr_assert_eq(currency_find(row->code), row);
        for (const struct currency *other = currencies; other < row; other++)
            cr_assert_neq(other->number, row->number, "%s %s", other->code, row->code);
    }
    cr_assert_eq(count, 165);
    cr_assert_eq(currency_find("JPY")->digits, 0);
    cr_assert_eq(currency_find("EUR")->number, 978);
    cr_assert_null(currency_find("XXX"));
    cr_assert_null(currency_find("eur"));
    cr_assert_null(currency_find("EU"));
    cr_assert_null(currency_find("EURO"));
    cr_assert_null(currency_find(""));
}
