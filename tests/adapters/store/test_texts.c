/* Statements made while the program runs. */
#include "store/given.h"
#include "store/texts.h"

#include <stdio.h>

static struct store *store;
static struct texts *texts;

static void begin(void)
{
    given_directory();
    store = given_store("texts.db");
    given_script(store, "CREATE TABLE a (b BIGINT); INSERT INTO a VALUES (7);");
    texts = texts_make(store);
}

static void end(void)
{
    texts_free(texts);
    store_close(store);
    given_end();
}

static void on_row(void *context, const struct store_row *row)
{
    *(int64_t *)context = store_read_integer(row, 0);
}

/* What "SELECT b + number" answers, as a statement of its own. */
static int64_t ask(unsigned number)
{
    char sql[64];
    int64_t got = -1;
    struct error err = {0};

    snprintf(sql, sizeof sql, "SELECT b + %u FROM a WHERE b = $1", number);
    expect_done(store_begin(store, &err));
    expect_done(store_query(store, texts_find(texts, "ask", sql),
                            &(struct store_value){.kind = STORE_INTEGER, .integer = 7}, 1, on_row,
                            &got, &err));
    expect_done(store_commit(store, &err));
    return got;
}

TestSuite(texts, .init = begin, .fini = end);

Test(texts, the_same_text_is_the_same_statement)
{
    const struct store_statement *one = texts_find(texts, "x", "SELECT 1");

    cr_assert_neq(one, texts_find(texts, "x", "SELECT 2"));
    cr_assert_eq(one, texts_find(texts, "x", "SELECT 1"));
}

Test(texts, thousands_of_texts_each_give_their_own_answer)
{
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < 3000; i++) cr_assert_eq(ask(i), 7 + (int64_t)i);
    for (unsigned i = 0; i < 200; i++) { /* some used again and again among others */
        cr_assert_eq(ask(i % 10), 7 + (int64_t)(i % 10));
        cr_assert_eq(ask(10000 + i), 10007 + (int64_t)i);
    }
}
