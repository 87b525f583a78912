/* Ledger numbers, read from the ledger. */
#include "ledger/catalogue.h"

#include "ledger/writer.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct writer writer;
static struct catalogue *catalogue;

static void begin(void)
{
    writer_make(&writer);
    catalogue = catalogue_make(writer.ledger);
}

static void end(void)
{
    catalogue_free(catalogue);
    writer_free(&writer);
}

TestSuite(catalogue, .init = begin, .fini = end);

static void make(const struct books *books, const char *currency, uint32_t number)
{
    struct chain chain;
    mp_result results[CHAIN_MAX];

    chain_of_books(books, currency, number, &chain);
    cr_assert_eq(mp_create_accounts(writer.ledger, chain.events.accounts, chain.count, results),
                 MP_OK);
    for (unsigned i = 0; i < chain.count; i++) cr_assert_eq(results[i].result, MP_CREATED);
}

Test(catalogue, a_number_tells_whose_money_it_is)
{
    static const struct books some[] = {
        {"main", false},    {"main", true},       {"a", false},
        {"abcdefgh", true}, {"abcdefghi", false}, {"abcdefghijklmnopqrstuvwxyz-01234", true},
    };

    for (unsigned i = 0; i < sizeof some / sizeof *some; i++) {
        uint32_t eur = ledger_number(&some[i], "EUR", 0), jpy = ledger_number(&some[i], "JPY", 0);
        const struct ledger_book *book;

        cr_expect_null(catalogue_find(catalogue, eur));
        make(&some[i], "EUR", eur);
        make(&some[i], "JPY", jpy);
        book = catalogue_find(catalogue, eur);
        cr_assert_not_null(book, "%s", some[i].tenant);
        cr_expect_eq(book->number, eur);
        cr_expect_str_eq(book->books.tenant, some[i].tenant);
        cr_expect_eq(book->books.live, some[i].live);
        cr_expect_str_eq(book->currency->code, "EUR");
        cr_expect_eq(ledger_book_account(book, ACCOUNT_CODE_IN_TRANSIT),
                     system_account(&some[i], "EUR", ACCOUNT_CODE_IN_TRANSIT, (struct uuid){{0}}));
        cr_expect_eq(ledger_book_account(book, ACCOUNT_CODE_WALLET), 0);
        cr_expect_eq(catalogue_find(catalogue, eur), book, "another the second time");
        cr_expect_str_eq(catalogue_find(catalogue, jpy)->currency->code, "JPY");
    }
}

Test(catalogue, books_are_found_by_their_currency_once_there_are_any)
{
    static const struct books main_test = {"main", false}, main_live = {"main", true};
    uint32_t number = ledger_number(&main_test, "EUR", 0);

    cr_expect_null(catalogue_of(catalogue, &main_test, currency_find("EUR")));
    make(&main_test, "EUR", number);
    cr_assert_not_null(catalogue_of(catalogue, &main_test, currency_find("EUR")));
    cr_expect_eq(catalogue_of(catalogue, &main_test, currency_find("EUR"))->number, number);
    cr_expect_null(catalogue_of(catalogue, &main_live, currency_find("EUR")));
    cr_expect_null(catalogue_of(catalogue, &main_test, currency_find("USD")));
}

Test(catalogue, a_number_that_somebody_else_has_is_passed_over)
{
    static const struct books books = {"main", false}, other = {"other", false};
    uint32_t taken = ledger_number(&books, "EUR", 0);
    mp_account stranger = {.id = ledger_root(taken + 1), .ledger = taken + 1, .code = 1};
    mp_result result;

    make(&other, "EUR", taken);
    stranger.code = ACCOUNT_CODE_ROOT; /* a root without books */
    cr_assert_eq(mp_create_accounts(writer.ledger, &stranger, 1, &result), MP_OK);
    cr_expect_null(catalogue_of(catalogue, &books, currency_find("EUR")));
    make(&books, "EUR", taken + 2);
    cr_assert_not_null(catalogue_of(catalogue, &books, currency_find("EUR")));
    cr_expect_eq(catalogue_of(catalogue, &books, currency_find("EUR"))->number, taken + 2);
    cr_expect_str_eq(catalogue_find(catalogue, taken)->books.tenant, "other");
    cr_expect_null(catalogue_find(catalogue, taken + 1));
    cr_expect_null(catalogue_find(catalogue, 0));
}
