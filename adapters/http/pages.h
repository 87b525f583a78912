/*
 * Pages: what a GET with filters asks for, and how the next page is found again.
 *
 * `limit` is the number of rows; `sort=-created_at,amount` names fields, a minus for those that
 * descend; `field`, `field[gte]`, `[gt]`, `[lte]`, `[lt]` are filters. The page behind another is
 * asked for with the same sort and filters and its `next` as `cursor`: an opaque text that holds
 * the last row's sort values and id, so that the database goes on from there (keyset pagination)
 * whatever was added meanwhile. With another sort or filter it is refused. Who makes a cursor up
 * gets another place in his own rows, nothing else.
 *
 * Columns that rows are sorted by must not be NULL.
 */
#ifndef ADAPTERS_HTTP_PAGES_H
#define ADAPTERS_HTTP_PAGES_H

#include "http/http.h"
#include "store/store.h"

enum {
    PAGE_LIMIT_DEFAULT = 20,
    PAGE_LIMIT_MAX = 1000,
    PAGE_FILTERS_MAX = 16,
    PAGE_SORTS_MAX = 4,
    PAGE_TEXT_MAX = 255, /* bytes of a filter's text */
};

enum page_op { PAGE_IS, PAGE_GTE, PAGE_GT, PAGE_LTE, PAGE_LT };

/* By the kind of its row: */
union page_value {
    struct uuid id;       /* ID, ACCOUNT */
    uint64_t number;      /* TIME in ns, DURATION in s, COUNT_OF, BIG; CHOICE from 1 */
    struct amount amount; /* AMOUNT, BALANCE */
    struct currency_code currency;
    mp_u128 whole; /* LEDGER_ID, MINOR */
    bool flag;
    const char *text; /* TEXT */
};

struct page_filter {
    const struct http_query *query; /* the route's row */
    enum page_op op;
    union page_value value;
};

struct page_sort {
    const char *field; /* of the route's sorts, without the minus */
    bool descending;
};

struct page {
    unsigned limit;
    unsigned sort_count;
    struct page_sort sorts[PAGE_SORTS_MAX];
    unsigned filter_count; /* in order of the route's rows */
    struct page_filter filters[PAGE_FILTERS_MAX];
    /* Where the page before ended: its last row's sort values, then its id. 0 = the first page. */
    unsigned last_count;
    struct store_value last[PAGE_SORTS_MAX + 1]; /* bytes are in cursor_bytes */
    uint8_t digest[8];                           /* of route, sort and filters */
    char *cursor_bytes;
};

struct target;
/* Reads the query of a request for a route with `query`, `sorts` or `lists`, adding a fault for
 * everything that is wrong. Texts are lent from the target. */
void page_read(struct page *page, const struct http_route *route, const struct target *target,
               struct error *err);
void page_done(struct page *page);

/* The filter of a name and operation; NULL if it wasn't given. */
const union page_value *page_filter(const struct page *page, const char *name, enum page_op op);

/* --- answering: {"data": [rows], "next": cursor or null} --- */

void page_begin(struct http_exchange *exchange);
/* Adds a row, printed as route->gives. */
void page_row(struct http_exchange *exchange, const void *record);
/* Answers. `last` has the last row's sort values in order of page->sorts, then its id; NULL if
 * there is no page behind this one. */
void page_answer(struct http_exchange *exchange, const struct store_value *last);

/* --- SQL --- */

/* Which column a field is. `id_column` of page_sql() is unique and the last to sort by. */
struct page_column {
    const char *field, *column;
};

/* A statement under way: text, and what its $1 to $N stand for (bytes lent from the page). */
struct page_query {
    struct buffer sql;
    struct store_value arguments[STORE_ARGUMENTS_MAX];
    unsigned argument_count;
};

/* Appends to "SELECT ... WHERE tenant = $1" the filters, the place to go on from, order and limit:
 * one row more than the page has, which shows whether there is another. The text is made of the
 * columns alone, never of what the request said. A `columns` row is needed for every field of
 * route->query and route->sorts that the request named; ended by one without field.
 *
 * Amounts are compared as minor units: of `currency`, or if that is NULL of the one that the filter
 * "currency" names. Without either, or with digits that the currency hasn't, they are faults. */
enum outcome page_sql(const struct page *page, const struct page_column *columns,
                      const char *id_column, const struct currency *currency,
                      struct page_query *out, struct error *err) MUST_USE;

#endif
