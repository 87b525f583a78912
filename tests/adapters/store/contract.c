/*
 * What every store must do, asked of each row of `stores`. A store may answer an error at once or
 * only at sync or commit: `outcome_of` takes the first that it hears.
 */
#include "store/given.h"
#include "wire/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kind {
    const char *name;
    struct store *(*open)(void); /* the same database each time within a test */
};

static struct store *open_sqlite(void) { return given_store("contract.db"); }

static const struct kind stores[] = {
    {"sqlite", open_sqlite},
};
enum { STORES = sizeof stores / sizeof *stores };

static const struct kind *kind;
static struct store *store;
static struct error err;

static void forget(void)
{
    store_close(store);
    store = NULL;
}

static void crash_and_reopen(void)
{
    forget(); /* without a commit: what was not committed is gone */
    store = kind->open();
}

static const char tables[] = "CREATE TABLE things (id BYTEA PRIMARY KEY, name TEXT, size BIGINT)"
                             " /* clustered */;"
                             "CREATE TABLE parts (id BIGINT PRIMARY KEY, thing BYTEA NOT NULL"
                             " REFERENCES things (id));"
                             "CREATE UNIQUE INDEX things_by_name ON things (name);";

/* Runs the body once for each store, with the tables made. */
#define EACH_STORE for (kind = stores; kind < stores + STORES && (start(), true); end(), kind++)

static void start(void)
{
    given_directory();
    err = (struct error){0};
    store = kind->open();
    given_script(store, tables);
}

static void end(void)
{
    forget();
    given_end();
}

static const struct store_statement insert = {
    "store a thing", "INSERT INTO things (size, name, id) VALUES ($3, $2, $1)"};
static const struct store_statement update = {"change a thing",
                                              "UPDATE things SET size = $2 WHERE id = $1"};
static const struct store_statement upsert = {
    "store or change a thing", "INSERT INTO things (id, name, size) VALUES ($1, $2, $3)"
                               " ON CONFLICT (id) DO UPDATE SET size = excluded.size"};
static const struct store_statement insert_part = {"store a part",
                                                   "INSERT INTO parts (id, thing) VALUES ($1, $2)"};
static const struct store_statement select_all = {
    "read the things", "SELECT id, name, size FROM things ORDER BY size, id"};
static const struct store_statement wrong = {"do nonsense", "SELECT nothing FROM nowhere"};

static struct uuid id_of(unsigned number)
{
    return (struct uuid){.bytes = {[0] = 0xaa, [15] = (uint8_t)number}};
}

static enum outcome put(const struct store_statement *statement, unsigned id, const char *name,
                        int64_t size)
{
    struct uuid uuid = id_of(id);
    struct store_value arguments[] = {store_uuid(&uuid), store_text(name), store_integer(size)};

    return store_exec(store, statement, arguments, 3, 1, &err);
}

/* What a transaction's call came to, heard at once or at the commit. */
static enum outcome outcome_of(enum outcome outcome)
{
    if (outcome == OUTCOME_DONE) outcome = store_sync(store, &err);
    if (outcome == OUTCOME_DONE) return store_commit(store, &err);
    store_rollback(store);
    return outcome;
}

static void begin(void) { expect_done(store_begin(store, &err)); }

static int64_t things(void) { return given_number(store, "SELECT COUNT(*) FROM things"); }

static void put_committed(unsigned id, const char *name, int64_t size)
{
    begin();
    expect_done(put(&insert, id, name, size));
    expect_done(store_commit(store, &err));
}

struct seen {
    unsigned rows;
    struct buffer text;
};

static void on_thing(void *context, const struct store_row *row)
{
    struct seen *seen = context;
    struct uuid id = store_read_uuid(row, 0);
    char name[8];

    store_read_text(row, 1, name, sizeof name);
    seen->rows++;
    buffer_format(&seen->text, "%u %s %lld;", id.bytes[15], name,
                  (long long)store_read_integer(row, 2));
}

Test(store_contract, what_was_committed_is_there_after_it_was_opened_again)
{
    EACH_STORE
    {
        struct seen seen = {0};

        put_committed(1, "one", 10);
        put_committed(2, "two", 5);
        crash_and_reopen();
        begin();
        expect_done(store_query(store, &select_all, NULL, 0, on_thing, &seen, &err));
        expect_done(store_sync(store, &err));
        cr_assert_str_eq(buffer_str(&seen.text), "2 two 5;1 one 10;");
        expect_done(store_commit(store, &err));
        buffer_done(&seen.text);
    }
}

Test(store_contract, nothing_of_a_transaction_holds_before_its_commit)
{
    EACH_STORE
    {
        begin();
        expect_done(put(&insert, 1, "one", 10));
        store_rollback(store);
        cr_assert_eq(things(), 0);
        begin();
        expect_done(put(&insert, 1, "one", 10));
        crash_and_reopen();
        cr_assert_eq(things(), 0);
    }
}

Test(store_contract, a_transaction_reads_what_it_wrote)
{
    EACH_STORE
    {
        struct seen seen = {0};

        begin();
        expect_done(put(&insert, 1, "one", 10));
        expect_done(put(&upsert, 1, "other", 11));
        expect_done(store_query(store, &select_all, NULL, 0, on_thing, &seen, &err));
        expect_done(store_sync(store, &err));
        cr_assert_str_eq(buffer_str(&seen.text), "1 one 11;");
        store_rollback(store);
        buffer_done(&seen.text);
    }
}

Test(store_contract, a_row_that_somebody_else_changed_undoes_the_whole_transaction)
{
    EACH_STORE
    {
        begin();
        expect_done(put(&insert, 1, "one", 10));
        expect_outcome(outcome_of(put(&update, 2, "two", 5)), OUTCOME_AGAIN);
        cr_assert_eq(err.reason, REASON_CONFLICT);
        cr_assert_eq(things(), 0);
    }
}

Test(store_contract, an_error_sticks_until_the_rollback)
{
    EACH_STORE
    {
        begin();
        (void)put(&update, 2, "two", 5);
        expect_outcome(store_sync(store, &err), OUTCOME_AGAIN);
        err = (struct error){0};
        expect_outcome(put(&insert, 1, "one", 10), OUTCOME_AGAIN);
        expect_outcome(store_commit(store, &err), OUTCOME_AGAIN);
        cr_assert_eq(err.reason, REASON_CONFLICT);
        cr_assert_eq(things(), 0);
        put_committed(1, "one", 10);
        cr_assert_eq(things(), 1);
    }
}

Test(store_contract, a_row_that_contradicts_others_is_refused)
{
    EACH_STORE
    {
        struct uuid nobody = id_of(9);
        struct store_value part[] = {store_integer(1), store_uuid(&nobody)};

        put_committed(1, "one", 10);
        begin();
        expect_outcome(outcome_of(put(&insert, 1, "again", 10)), OUTCOME_REFUSED);
        cr_assert_eq(err.reason, REASON_CONFLICT);
        begin();
        expect_outcome(outcome_of(put(&insert, 2, "one", 10)), OUTCOME_REFUSED);
        begin();
        expect_outcome(outcome_of(store_exec(store, &insert_part, part, 2, 1, &err)),
                       OUTCOME_REFUSED);
        cr_assert_eq(things(), 1);
    }
}

Test(store_contract, sql_that_makes_no_sense_breaks_instead_of_being_tried_for_ever)
{
    EACH_STORE
    {
        struct store_value none = {.kind = STORE_NULL};

        begin();
        expect_outcome(outcome_of(store_query(store, &wrong, NULL, 0, NULL, NULL, &err)),
                       OUTCOME_BROKEN);
        begin(); /* two arguments are missing */
        expect_outcome(outcome_of(store_exec(store, &insert, &none, 1, -1, &err)), OUTCOME_BROKEN);
        cr_assert_eq(things(), 0);
    }
}

Test(store_contract, arguments_go_by_their_number_and_come_back_as_they_were)
{
    static const struct store_statement select = {
        "read a thing", "SELECT size, name, id FROM things WHERE size = $2 AND name = $1"};

    EACH_STORE
    {
        struct {
            int64_t size;
            const char *name;
        } cases[] = {{INT64_MAX, "a"}, {INT64_MIN, ""}, {0, "\xc3\xa4\xe2\x82\xac"}, {-1, "it's"}};

        for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
            struct store_value arguments[] = {store_text(cases[i].name),
                                              store_integer(cases[i].size)};
            struct seen seen = {0};

            put_committed(i, cases[i].name, cases[i].size);
            begin();
            expect_done(store_query(store, &select, arguments, 2, on_thing, &seen, &err));
            expect_done(store_commit(store, &err));
            cr_assert_eq(seen.rows, 1, "case %u", i);
            buffer_done(&seen.text);
        }
    }
}

static void on_null(void *context, const struct store_row *row)
{
    char text[4] = "abc";
    struct uuid id = store_read_uuid(row, 0);

    ++*(unsigned *)context;
    cr_assert_eq(row->values[0].kind, STORE_NULL);
    cr_assert_eq(row->values[1].kind, STORE_BYTES);
    cr_assert_eq(row->values[1].length, 0);
    cr_assert_eq(store_read_integer(row, 0), 0);
    cr_assert(uuid_is_zero(id));
    store_read_text(row, 0, text, sizeof text);
    cr_assert_str_eq(text, "");
    store_read_text(row, 2, text, sizeof text);
    cr_assert_str_eq(text, "tex", "cut to fit");
    cr_assert_eq(store_read_integer(row, 99), 0, "no such column");
}

Test(store_contract, absent_and_empty_values_are_told_apart)
{
    static const struct store_statement make = {
        "make a table", "CREATE TABLE blanks (a TEXT, b BYTEA NOT NULL, c TEXT NOT NULL)"};
    static const struct store_statement fill = {"fill it",
                                                "INSERT INTO blanks (a, b, c) VALUES ($1, $2, $3)"};
    static const struct store_statement select = {"read it", "SELECT a, b, c FROM blanks"};

    EACH_STORE
    {
        struct uuid none = {0};
        struct store_value arguments[] = {store_uuid(&none), store_bytes(NULL, 0),
                                          store_text("texts")};
        unsigned rows = 0;

        cr_assert_eq(store_text(NULL).kind, STORE_NULL);
        begin();
        expect_done(store_exec(store, &make, NULL, 0, -1, &err));
        expect_done(store_exec(store, &fill, arguments, 3, 1, &err));
        expect_done(store_query(store, &select, NULL, 0, on_null, &rows, &err));
        expect_done(store_commit(store, &err));
        cr_assert_eq(rows, 1);
    }
}

Test(store_contract, a_value_is_what_it_was_when_it_was_given)
{
    EACH_STORE
    {
        char name[] = "one";
        struct seen seen = {0};

        begin();
        expect_done(put(&insert, 1, name, 10));
        memcpy(name, "xxx", 3);
        expect_done(store_query(store, &select_all, NULL, 0, on_thing, &seen, &err));
        expect_done(store_commit(store, &err));
        cr_assert_str_eq(buffer_str(&seen.text), "1 one 10;");
        buffer_done(&seen.text);
    }
}

Test(store_contract, counts_each_row_that_holds_and_each_commit_that_wrote)
{
    static const struct store_statement delete = {"delete things",
                                                  "DELETE FROM things WHERE size > $1"};

    EACH_STORE
    {
        uint64_t rows = store->rows_written, commits = store->commits;
        struct store_value zero = store_integer(0);

        put_committed(1, "one", 10);
        put_committed(2, "two", 20);
        cr_assert_eq(store->rows_written - rows, 2);
        cr_assert_eq(store->commits - commits, 2);
        begin();
        expect_done(put(&update, 1, "", 11));
        expect_done(store_exec(store, &delete, &zero, 1, 2, &err));
        store_rollback(store);
        cr_assert_eq(store->rows_written - rows, 2, "what was rolled back counts nothing");
        begin();
        expect_done(store_exec(store, &delete, &zero, 1, 2, &err));
        expect_done(store_commit(store, &err));
        cr_assert_eq(store->rows_written - rows, 4);
        cr_assert_eq(things(), 0);
        cr_assert_eq(store->commits - commits, 3, "reading is no commit");
    }
}

Test(store_contract, hundreds_of_statements_are_each_their_own)
{
    enum { COUNT = 300 };
    static struct store_statement statements[COUNT];
    static char sqls[COUNT][64];

    EACH_STORE
    {
        for (unsigned pass = 0; pass < 2; pass++) {
            for (unsigned i = 0; i < COUNT; i++) {
                int64_t number;
                struct seen seen = {0};

                snprintf(sqls[i], sizeof sqls[i], "SELECT NULL, 'n', %u", i);
                statements[i] = (struct store_statement){"count", sqls[i]};
                begin();
                expect_done(store_query(store, &statements[i], NULL, 0, on_thing, &seen, &err));
                expect_done(store_commit(store, &err));
                number = strtol(strstr(buffer_str(&seen.text), "n ") + 2, NULL, 10);
                cr_assert_eq(number, i);
                buffer_done(&seen.text);
            }
        }
    }
}
