/* GET /payments: pages of the history. */
#include "payments.h"

#include "http/pages.h"
#include "wire/buffer.h"

#include <stdlib.h>
#include <string.h>

static const struct page_column columns[] = {
    {"status", "status"},
    {"kind", "kind"},
    {"payer", "payer"},
    {"payee", "payee"},
    {"currency", "currency"},
    {"reference", "reference"},
    {"amount", "amount"},
    {"created_at", "created_ns"},
    {"effective_at", "effective_ns"},
    {NULL, NULL},
};

struct list_work {
    struct work work;
    struct payments *service;
    struct http_exchange *exchange;
    struct page_query query;
    struct payment *rows;
    unsigned count, room;
};

static void on_row(void *context, const struct store_row *row)
{
    struct list_work *w = context;

    if (w->count == w->room) return;
    memset(&w->rows[w->count], 0, sizeof *w->rows);
    sql_read_payment(row, &w->rows[w->count++]);
}

static enum outcome list_load(struct work *work, struct turn *turn, struct error *err)
{
    struct list_work *w = (struct list_work *)work;
    const struct page *page = w->exchange->page;
    struct store_statement statement = {.name = "list payments"};
    enum outcome outcome;

    buffer_format(&w->query.sql, "SELECT %s FROM payments WHERE tenant = $1 AND live = $2",
                  sql_payment_columns);
    w->query.arguments[w->query.argument_count++] = store_text(w->exchange->caller.tenant);
    w->query.arguments[w->query.argument_count++] = store_integer(w->exchange->caller.live);
    w->room = page->limit + 1;
    w->rows = need_memory(w->room * sizeof *w->rows);
    outcome = page_sql(page, columns, "id", NULL, &w->query, err);
    if (outcome != OUTCOME_DONE) return outcome;
    statement.sql = buffer_str(&w->query.sql);
    outcome = store_query(turn_store(turn), &statement, w->query.arguments, w->query.argument_count,
                          on_row, w, err);
    store_forget(turn_store(turn), &statement);
    return outcome;
}

static enum outcome list_apply(struct work *work, struct turn *turn, struct error *err)
{
    (void)work;
    (void)turn;
    (void)err;
    return OUTCOME_DONE;
}

static void sort_value(const struct payment *p, const char *field, struct store_value *out)
{
    *out = strcmp(field, "amount") == 0 ? store_integer(p->amount)
                                        : store_integer((int64_t)p->created_ns);
}

static void answer(struct list_work *w)
{
    const struct page *page = w->exchange->page;
    struct store_value last[PAGE_SORTS_MAX + 1];
    bool more = w->count > page->limit;
    static struct payment_body body;

    page_begin(w->exchange);
    for (unsigned i = 0; i < w->count && i < page->limit; i++) {
        payment_show(&w->rows[i], &body);
        page_row(w->exchange, &body);
    }
    if (more) {
        const struct payment *p = &w->rows[page->limit - 1];

        for (unsigned i = 0; i < page->sort_count; i++)
            sort_value(p, page->sorts[i].field, &last[i]);
        last[page->sort_count] = store_bytes(p->id.bytes, sizeof p->id.bytes);
    }
    page_answer(w->exchange, more ? last : NULL);
}

static void list_done(struct work *work, enum outcome outcome, const struct error *err)
{
    struct list_work *w = (struct list_work *)work;

    if (outcome == OUTCOME_DONE)
        answer(w);
    else
        http_answer_problem(w->exchange, err);
    buffer_done(&w->query.sql);
    free(w->rows);
    free(w);
}

void payments_list(struct http_exchange *exchange)
{
    struct list_work *w = need_memory(sizeof *w);

    w->work = (struct work){.load = list_load, .apply = list_apply, .done = list_done};
    w->service = exchange->service;
    w->exchange = exchange;
    turns_add(w->service->turns, &w->work);
}
