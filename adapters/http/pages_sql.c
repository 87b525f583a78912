/* A page to the tail of a SELECT: columns from the service's table, values as parameters. */
#include "http/pages.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* The service's table has every field that its route takes: a filter left out unseen would show
 * what wasn't asked for. */
static const char *column_of(const struct page_column *columns, const char *field)
{
    while (columns->field != NULL && strcmp(columns->field, field) != 0) columns++;
    assert(columns->column != NULL);
    return columns->column;
}

/* Appends "$N" for a value. */
static void add_argument(struct page_query *out, struct store_value value)
{
    out->arguments[out->argument_count++] = value;
    buffer_format(&out->sql, "$%u", out->argument_count);
}

/* --- filters --- */

static bool amount_value(const struct page *page, const struct page_filter *filter,
                         const struct currency *currency, struct store_value *out,
                         struct error *err)
{
    const union page_value *named = page_filter(page, "currency", PAGE_IS);
    int64_t minor;

    if (currency == NULL && named != NULL) currency = currency_find(named->currency.code);
    if (currency == NULL) {
        error_fault(err, "query currency", "is needed beside an amount");
        return false;
    }
    if (!amount_minor(filter->value.amount, currency, &minor)) {
        char field[64];

        snprintf(field, sizeof field, "query %s", filter->query->name);
        error_fault(err, field, "has more digits than %s", currency->code);
        return false;
    }
    *out = store_integer(minor);
    return true;
}

static bool filter_value(const struct page *page, const struct page_filter *filter,
                         const struct currency *currency, struct store_value *out,
                         struct error *err)
{
    const union page_value *value = &filter->value;

    switch (filter->query->kind) {
    case RECORD_ID:
    case RECORD_ACCOUNT: *out = store_bytes(&value->id, sizeof value->id); return true;
    case RECORD_AMOUNT:
    case RECORD_BALANCE: return amount_value(page, filter, currency, out, err);
    case RECORD_CURRENCY:
        *out = (struct store_value){.kind = STORE_TEXT,
                                    .bytes = value->currency.code,
                                    .length = strlen(value->currency.code)};
        return true;
    case RECORD_LEDGER_ID:
    case RECORD_MINOR: *out = store_bytes(&value->whole, sizeof value->whole); return true;
    case RECORD_FLAG: *out = store_integer(value->flag); return true;
    case RECORD_TEXT:
        *out = (struct store_value){
            .kind = STORE_TEXT, .bytes = value->text, .length = strlen(value->text)};
        return true;
    default:
        *out = store_integer(value->number > INT64_MAX ? INT64_MAX : (int64_t)value->number);
        return true;
    }
}

static void add_filters(const struct page *page, const struct page_column *columns,
                        const struct currency *currency, struct page_query *out, struct error *err)
{
    static const char *const operators[] = {
        [PAGE_IS] = "=", [PAGE_GTE] = ">=", [PAGE_GT] = ">", [PAGE_LTE] = "<=", [PAGE_LT] = "<"};

    for (unsigned i = 0; i < page->filter_count; i++) {
        const struct page_filter *filter = &page->filters[i];
        const char *column = column_of(columns, filter->query->name);
        struct store_value value;

        if (!filter_value(page, filter, currency, &value, err)) continue;
        buffer_format(&out->sql, " AND %s %s ", column, operators[filter->op]);
        add_argument(out, value);
    }
}

/* --- order, and the place to go on from --- */

/* A column to sort by: one of the page's, the last one the id, which goes the way of the one before
 * it. */
struct key {
    const char *column;
    bool descending;
};

static unsigned list_keys(const struct page *page, const struct page_column *columns,
                          const char *id_column, struct key keys[PAGE_SORTS_MAX + 1])
{
    unsigned count = page->sort_count;

    for (unsigned i = 0; i < count; i++)
        keys[i] = (struct key){column_of(columns, page->sorts[i].field), page->sorts[i].descending};
    keys[count] = (struct key){id_column, count > 0 && keys[count - 1].descending};
    return count + 1;
}

static bool one_way(const struct key *keys, unsigned count)
{
    for (unsigned i = 1; i < count; i++)
        if (keys[i].descending != keys[0].descending) return false;
    return true;
}

/* (a, b, id) > ($1, $2, $3): what an index of these columns answers by itself. */
static void add_place(const struct page *page, const struct key *keys, unsigned count,
                      struct page_query *out)
{
    buffer_text(&out->sql, " AND (");
    for (unsigned i = 0; i < count; i++)
        buffer_format(&out->sql, "%s%s", i > 0 ? ", " : "", keys[i].column);
    buffer_format(&out->sql, ") %c (", keys[0].descending ? '<' : '>');
    for (unsigned i = 0; i < count; i++) {
        if (i > 0) buffer_text(&out->sql, ", ");
        add_argument(out, page->last[i]);
    }
    buffer_char(&out->sql, ')');
}

/* The same of columns that go different ways: (a < $1 OR (a = $1 AND (b > $2 OR (b = $2 AND id >
 * $3)))). */
static void add_mixed_place(const struct page *page, const struct key *keys, unsigned count,
                            struct page_query *out)
{
    buffer_text(&out->sql, " AND ");
    for (unsigned i = 0; i < count; i++) {
        buffer_format(&out->sql, "(%s %c ", keys[i].column, keys[i].descending ? '<' : '>');
        add_argument(out, page->last[i]);
        if (i + 1 == count) break;
        buffer_format(&out->sql, " OR (%s = $%u AND ", keys[i].column, out->argument_count);
    }
    for (unsigned i = 1; i < count; i++) buffer_text(&out->sql, "))");
    buffer_char(&out->sql, ')');
}

static void add_order(const struct page *page, const struct key *keys, unsigned count,
                      struct page_query *out)
{
    buffer_text(&out->sql, " ORDER BY ");
    for (unsigned i = 0; i < count; i++)
        buffer_format(&out->sql, "%s%s%s", i > 0 ? ", " : "", keys[i].column,
                      keys[i].descending ? " DESC" : "");
    buffer_text(&out->sql, " LIMIT ");
    add_argument(out, store_integer((int64_t)page->limit + 1));
}

enum outcome page_sql(const struct page *page, const struct page_column *columns,
                      const char *id_column, const struct currency *currency,
                      struct page_query *out, struct error *err)
{
    unsigned faults = err->fault_count, count;
    struct key keys[PAGE_SORTS_MAX + 1];

    add_filters(page, columns, currency, out, err);
    if (err->fault_count > faults) return err->outcome;
    count = list_keys(page, columns, id_column, keys);
    if (page->last_count > 0) {
        if (one_way(keys, count))
            add_place(page, keys, count, out);
        else
            add_mixed_place(page, keys, count, out);
    }
    add_order(page, keys, count, out);
    return OUTCOME_DONE;
}
