#include "http/pages.h"

#include "http/asking.h"
#include "http/pages_cursor.h"
#include "http/target.h"

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

TestSuite(pages, .init = asking_open, .fini = asking_close, .timeout = 120);

/* --- what a request may ask for --- */

Test(pages, a_page_has_its_rows_and_a_cursor_only_when_there_are_more)
{
    const struct answer *answer = ask("GET", "/v1/items", NULL, NULL);

    cr_assert_eq(answer->status, 200);
    cr_assert(strncmp(answer->body, "{\"data\":[{", 10) == 0, "%s", answer->body);
    cr_assert(strstr(answer->body, "},{") != NULL);
    cr_assert(strstr(answer->body, "],\"next\":null}") != NULL, "%s", answer->body);
    answer = ask("GET", "/v1/items?limit=1", NULL, NULL);
    cr_assert_str_neq(member(answer, "next"), "");
}

Test(pages, a_faulty_query_is_told_fault_by_fault)
{
    expect_faults(
        ask("GET", "/v1/items?limit=0&sort=size&state=lost&price=-1&currency=eur", NULL, NULL),
        "query limit|query sort|query state|query price|query currency");
    expect_faults(ask("GET",
                      "/v1/items?created_at[gte]=yesterday&owner=me&name=&old=yes&price[gt]=1e3",
                      NULL, NULL),
                  "query price[gt]|query created_at[gte]|query owner|query name|query old");
    expect_faults(ask("GET", "/v1/items?limit=1001", NULL, NULL), "query limit");
    expect_faults(ask("GET", "/v1/items?limit=5.0", NULL, NULL), "query limit");
    expect_faults(ask("GET", "/v1/items?limit=", NULL, NULL), "query limit");
}

Test(pages, an_unknown_filter_is_refused_and_not_ignored)
{
    expect_faults(ask("GET",
                      "/v1/items?color=red&state[gte]=open&price[is]=1&price[]=1&pric=1&prices=1&"
                      "created_at%5Bgte%5D%20=2026-01-01T00:00:00Z",
                      NULL, NULL),
                  "query color|query state[gte]|query price[is]|query price[]|query pric|"
                  "query prices|query created_at[gte] ");
}

Test(pages, a_sort_names_fields_of_the_route_once)
{
    cr_assert_eq(ask("GET", "/v1/items?sort=-price,name,-state,created_at", NULL, NULL)->status,
                 200);
    expect_faults(ask("GET", "/v1/items?sort=", NULL, NULL), "query sort");
    expect_faults(ask("GET", "/v1/items?sort=price,", NULL, NULL), "query sort");
    expect_faults(ask("GET", "/v1/items?sort=price,-price", NULL, NULL), "query sort");
    expect_faults(ask("GET", "/v1/items?sort=--price", NULL, NULL), "query sort");
    expect_faults(ask("GET", "/v1/items?sort=price%20desc", NULL, NULL), "query sort");
    expect_faults(ask("GET", "/v1/items?sort=price,name,state,created_at,pieces", NULL, NULL),
                  "query sort");
}

/* --- cursors --- */

/* The cursor of the page that a query asks for. */
static const char *cursor_of(const char *query)
{
    static char cursor[512];
    char target[256];

    snprintf(target, sizeof target, "/v1/items?limit=1%s", query);
    snprintf(cursor, sizeof cursor, "%s", member(ask("GET", target, NULL, NULL), "next"));
    cr_assert_str_neq(cursor, "");
    return cursor;
}

static const struct answer *ask_behind(const char *query, const char *cursor)
{
    char target[1024];

    snprintf(target, sizeof target, "/v1/items?cursor=%s%s", cursor, query);
    return ask("GET", target, NULL, NULL);
}

Test(pages, a_cursor_fits_the_same_sort_and_filters_in_any_order_and_form)
{
    const char *cursor = cursor_of("&state=open&price[gte]=5&sort=price");

    cr_assert_eq(ask_behind("&sort=price&price%5Bgte%5D=5&state=open", cursor)->status, 200);
    cr_assert_eq(ask_behind("&limit=7&state=open&price[gte]=5&sort=price", cursor)->status, 200);
    cursor = cursor_of("");
    cr_assert_eq(ask_behind("&sort=-created_at", cursor)->status, 200);
}

Test(pages, a_cursor_of_another_sort_or_filter_is_refused)
{
    const char *const others[] = {"&sort=price&state=open",
                                  "&sort=price&price[gte]=6&state=open",
                                  "&sort=price&price[gt]=5&state=open",
                                  "&sort=price&price[gte]=5&state=sold",
                                  "&sort=-price&price[gte]=5&state=open",
                                  "&sort=price,name&price[gte]=5&state=open",
                                  "&price[gte]=5&state=open",
                                  "&sort=price&price[gte]=5&state=open&name=a"};
    const char *cursor = cursor_of("&sort=price&price[gte]=5&state=open");

    for (unsigned i = 0; i < sizeof others / sizeof *others; i++)
        expect_faults(ask_behind(others[i], cursor), "query cursor");
}

Test(pages, a_cursor_that_was_tampered_with_never_does_more_than_be_refused)
{
    static const char letters[] = "AZaz09-_=%";
    const char *cursor = cursor_of("");
    char changed[512];
    size_t length = strlen(cursor);

    expect_faults(ask_behind("", ""), "query cursor");
    expect_faults(ask_behind("", "AQ"), "query cursor");
    for (size_t i = 0; i < length; i++) {
        for (const char *letter = letters; *letter != '\0'; letter++) {
            const struct answer *answer;

            snprintf(changed, sizeof changed, "%s", cursor);
            changed[i] = *letter;
            answer = ask_behind("", changed);
            if (i < 12) /* version and digest */
                cr_assert(answer->status == 400 || strcmp(changed, cursor) == 0);
            else
                cr_assert(answer->status == 400 || answer->status == 200);
        }
        snprintf(changed, sizeof changed, "%.*s", (int)i, cursor);
        expect_faults(ask_behind("", changed), "query cursor");
        snprintf(changed, sizeof changed, "%sA", cursor);
        expect_faults(ask_behind("", changed), "query cursor");
    }
}

/* --- SQL --- */

static const struct page_column columns[] = {
    {"state", "state"},        {"price", "price"},   {"currency", "currency"},
    {"created_at", "created"}, {"owner", "owner"},   {"name", "name"},
    {"old", "is_old"},         {"pieces", "pieces"}, {NULL, NULL},
};

static const struct http_route *list_route(void)
{
    for (const struct http_route *route = desk_routes; route->path != NULL; route++)
        if (route->lists) return route;
    return NULL;
}

static sqlite3 *database;

static void run(const char *sql)
{
    cr_assert_eq(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK, "%s",
                 sqlite3_errmsg(database));
}

static void add_rows(unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        char sql[300];

        snprintf(sql, sizeof sql,
                 "INSERT INTO items VALUES (x'%032x', 'main', %u, %u, '%s', %u, x'%032x', "
                 "'n%u', %u, %u)",
                 i * 2654435761u, 1 + i % 2, 100 * (i % 7), i % 3 == 0 ? "USD" : "EUR",
                 1000 * (i % 5), 1 + i % 4, i % 6, i % 2, i % 3);
        run(sql);
    }
}

static void open_database(void)
{
    asking_open();
    cr_assert_eq(sqlite3_open(":memory:", &database), SQLITE_OK);
    run("CREATE TABLE items (id BLOB PRIMARY KEY, tenant TEXT, state INT NOT NULL, price INT NOT "
        "NULL, currency TEXT NOT NULL, created INT NOT NULL, owner BLOB, name TEXT NOT NULL, "
        "is_old INT, pieces INT NOT NULL)");
    add_rows(0, 100);
}

static void close_database(void)
{
    sqlite3_close(database);
    asking_close();
}

TestSuite(pages_sql, .init = open_database, .fini = close_database, .timeout = 120);

/* A page that was read from a query, and what it lends from. */
struct asked {
    struct target target;
    struct page page;
};

static void ask_page(struct asked *asked, const char *query, const char *cursor)
{
    char text[1024];
    struct error err = {0};

    snprintf(text, sizeof text, "/v1/items?%s%s%s", query, cursor != NULL ? "&cursor=" : "",
             cursor != NULL ? cursor : "");
    *asked = (struct asked){0};
    target_read(&asked->target, text, &err);
    page_read(&asked->page, list_route(), &asked->target, &err);
    cr_assert_eq(err.fault_count, 0, "%s: %s", text, err.faults[0].message);
}

static void asked_done(struct asked *asked)
{
    page_done(&asked->page);
    target_done(&asked->target);
}

static sqlite3_stmt *prepare(const struct page *page, const struct currency *currency)
{
    struct page_query query = {0};
    struct error err = {0};
    sqlite3_stmt *statement;

    buffer_text(&query.sql, "SELECT id, price, created, name, state, pieces FROM items "
                            "WHERE tenant = $1");
    query.arguments[query.argument_count++] =
        (struct store_value){.kind = STORE_TEXT, .bytes = "main", .length = 4};
    cr_assert_eq(page_sql(page, columns, "id", currency, &query, &err), OUTCOME_DONE, "%s",
                 err.message);
    cr_assert_eq(sqlite3_prepare_v2(database, query.sql.bytes, -1, &statement, NULL), SQLITE_OK,
                 "%s: %s", sqlite3_errmsg(database), query.sql.bytes);
    for (unsigned i = 0; i < query.argument_count; i++) {
        const struct store_value *value = &query.arguments[i];
        char name[16];
        int at;

        snprintf(name, sizeof name, "$%u", i + 1);
        at = sqlite3_bind_parameter_index(statement, name);
        cr_assert_neq(at, 0, "%s in %s", name, query.sql.bytes);
        if (value->kind == STORE_INTEGER)
            sqlite3_bind_int64(statement, at, value->integer);
        else if (value->kind == STORE_TEXT)
            sqlite3_bind_text(statement, at, value->bytes, (int)value->length, SQLITE_TRANSIENT);
        else
            sqlite3_bind_blob(statement, at, value->bytes, (int)value->length, SQLITE_TRANSIENT);
    }
    buffer_done(&query.sql);
    return statement;
}

static struct store_value column_value(sqlite3_stmt *statement, const char *field)
{
    int at = strcmp(field, "price") == 0        ? 1
             : strcmp(field, "created_at") == 0 ? 2
             : strcmp(field, "name") == 0       ? 3
             : strcmp(field, "state") == 0      ? 4
             : strcmp(field, "pieces") == 0     ? 5
                                                : 0;

    if (sqlite3_column_type(statement, at) == SQLITE_INTEGER)
        return store_integer(sqlite3_column_int64(statement, at));
    return (struct store_value){
        .kind = at == 0 ? STORE_BYTES : STORE_TEXT,
        .bytes = sqlite3_column_blob(statement, at),
        .length = (size_t)sqlite3_column_bytes(statement, at),
    };
}

/* Reads one page: appends the ids to `ids`, and the cursor of the next page to an empty `next` if
 * there is one. Returns the rows. */
static unsigned read_page(const char *query, const char *cursor, struct buffer *ids,
                          struct buffer *next)
{
    struct asked asked;
    sqlite3_stmt *statement;
    unsigned rows = 0;

    ask_page(&asked, query, cursor);
    statement = prepare(&asked.page, NULL);
    while (sqlite3_step(statement) == SQLITE_ROW) {
        struct store_value last[PAGE_SORTS_MAX + 1];

        if (rows == asked.page.limit) { /* one more than the page has */
            rows++;
            break;
        }
        rows++;
        buffer_add(ids, sqlite3_column_blob(statement, 0), 16);
        for (unsigned i = 0; i < asked.page.sort_count; i++)
            last[i] = column_value(statement, asked.page.sorts[i].field);
        last[asked.page.sort_count] = column_value(statement, "id");
        buffer_clear(next);
        page_cursor_print(&asked.page, last, next);
    }
    if (rows <= asked.page.limit) buffer_clear(next);
    sqlite3_finalize(statement);
    asked_done(&asked);
    return rows;
}

static void expect_same_rows_in_pages(const char *query)
{
    struct buffer whole = {0}, paged = {0}, next = {0};
    char limited[300], cursor[512];

    snprintf(limited, sizeof limited, "limit=1000&%s", query);
    read_page(limited, NULL, &whole, &next);
    cr_assert_eq(next.length, 0);
    snprintf(limited, sizeof limited, "limit=7&%s", query);
    read_page(limited, NULL, &paged, &next);
    while (next.length > 0) {
        snprintf(cursor, sizeof cursor, "%s", next.bytes);
        read_page(limited, cursor, &paged, &next);
    }
    cr_assert_gt(whole.length, 0);
    cr_assert_eq(paged.length, whole.length, "%s: %zu rows of %zu", query, paged.length / 16,
                 whole.length / 16);
    cr_assert_eq(memcmp(paged.bytes, whole.bytes, whole.length), 0, "%s", query);
    buffer_done(&whole);
    buffer_done(&paged);
    buffer_done(&next);
}

Test(pages_sql, pages_one_after_the_other_are_the_whole_list_once)
{
    expect_same_rows_in_pages("sort=created_at");
    expect_same_rows_in_pages("sort=-created_at");
    expect_same_rows_in_pages("sort=price,created_at");
    expect_same_rows_in_pages("sort=-price,-created_at,-name");
    expect_same_rows_in_pages("sort=-created_at,price");
    expect_same_rows_in_pages("sort=state,-price,name,-created_at");
    expect_same_rows_in_pages("sort=-pieces,price&state=open");
    expect_same_rows_in_pages("");
}

Test(pages_sql, rows_added_between_two_pages_shift_nothing)
{
    struct buffer ids = {0}, next = {0};
    char cursor[512];

    read_page("limit=50&sort=-created_at,price", NULL, &ids, &next);
    snprintf(cursor, sizeof cursor, "%s", next.bytes);
    run("INSERT INTO items VALUES (x'00000000000000000000000000000001', 'main', 1, 0, 'EUR', "
        "9999999, NULL, 'first', 0, 0)");
    read_page("limit=50&sort=-created_at,price", cursor, &ids, &next);
    cr_assert_eq(next.length, 0);
    cr_assert_eq(ids.length, 100 * 16);
    for (unsigned i = 0; i < 100; i++)
        for (unsigned j = 0; j < i; j++)
            cr_assert_neq(memcmp(ids.bytes + 16 * i, ids.bytes + 16 * j, 16), 0);
    buffer_done(&ids);
    buffer_done(&next);
}

static unsigned count_rows(const char *query)
{
    struct buffer ids = {0}, next = {0};
    char limited[300];
    unsigned rows;

    snprintf(limited, sizeof limited, "limit=1000&%s", query);
    rows = read_page(limited, NULL, &ids, &next);
    buffer_done(&ids);
    buffer_done(&next);
    return rows;
}

static unsigned count_where(const char *condition)
{
    sqlite3_stmt *statement;
    char sql[200];
    unsigned rows;

    snprintf(sql, sizeof sql, "SELECT count(*) FROM items WHERE %s", condition);
    cr_assert_eq(sqlite3_prepare_v2(database, sql, -1, &statement, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_step(statement), SQLITE_ROW);
    rows = (unsigned)sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    cr_assert_gt(rows, 0);
    return rows;
}

Test(pages_sql, filters_find_just_the_rows_that_they_name)
{
    cr_assert_eq(count_rows("state=sold"), count_where("state = 2"));
    cr_assert_eq(count_rows("price[gte]=2.00&currency=EUR"),
                 count_where("price >= 200 AND currency = 'EUR'"));
    cr_assert_eq(count_rows("price[gt]=2&price[lt]=5.0&currency=USD"),
                 count_where("price > 200 AND price < 500 AND currency = 'USD'"));
    cr_assert_eq(count_rows("price=3.00&currency=EUR"),
                 count_where("price = 300 AND currency = 'EUR'"));
    cr_assert_eq(count_rows("created_at[lte]=1970-01-01T00:00:00.000002Z"),
                 count_where("created <= 2000"));
    cr_assert_eq(count_rows("owner=00000000-0000-0000-0000-000000000002"),
                 count_where("owner = x'00000000000000000000000000000002'"));
    cr_assert_eq(count_rows("name=n3&old=true"), count_where("name = 'n3' AND is_old = 1"));
}

Test(pages_sql, what_a_request_says_is_never_part_of_the_sql)
{
    struct asked asked;
    struct page_query query = {0};
    struct error err = {0};

    ask_page(&asked, "name=x%27%20OR%201=1;%20DROP%20TABLE%20items;--", NULL);
    cr_assert_eq(page_sql(&asked.page, columns, "id", NULL, &query, &err), OUTCOME_DONE);
    cr_assert_str_eq(query.sql.bytes, " AND name = $1 ORDER BY created DESC, id DESC LIMIT $2");
    cr_assert_eq(query.argument_count, 2);
    cr_assert_eq(query.arguments[0].length, 30);
    cr_assert_eq(query.arguments[1].integer, 21);
    buffer_done(&query.sql);
    asked_done(&asked);
}

static void expect_sql_fault(const char *query_text, const char *field)
{
    struct asked asked;
    struct page_query query = {0};
    struct error err = {0};

    ask_page(&asked, query_text, NULL);
    cr_assert_eq(page_sql(&asked.page, columns, "id", NULL, &query, &err), OUTCOME_REFUSED);
    cr_assert_str_eq(err.faults[0].field, field);
    buffer_done(&query.sql);
    asked_done(&asked);
}

Test(pages_sql, an_amount_without_currency_or_with_too_many_digits_is_refused)
{
    struct asked asked;
    sqlite3_stmt *statement;

    expect_sql_fault("price[gte]=5", "query currency");
    expect_sql_fault("price[gte]=5.001&currency=EUR", "query price");
    expect_sql_fault("price=0.5&currency=JPY", "query price");
    ask_page(&asked, "price=3.000", NULL);
    statement = prepare(&asked.page, currency_find("KWD"));
    sqlite3_finalize(statement);
    asked_done(&asked);
}
