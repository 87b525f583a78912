/* Accounts as they are: one, or a page of those that filters name. */
#include "account.h"

#include "http/pages.h"

#include <stdlib.h>

/* --- one --- */

struct reading {
    struct work work;
    struct wallets *service;
    struct http_exchange *exchange;
};

static enum outcome load_one(struct work *work, struct turn *turn, struct error *err)
{
    struct reading *w = (struct reading *)work;

    return account_sql_load_wallet(&w->service->rows, turn_store(turn), w->exchange->params[0],
                                   err);
}

static enum outcome apply_one(struct work *work, struct turn *turn, struct error *err)
{
    struct reading *w = (struct reading *)work;
    struct wallet *wallet;

    (void)turn;
    return wallet_find(&w->service->rows, w->exchange->params[0], &w->exchange->caller, &wallet,
                       err);
}

static void one_done(struct work *work, enum outcome outcome, const struct error *err)
{
    struct reading *w = (struct reading *)work;

    if (outcome == OUTCOME_DONE)
        wallet_answer(w->service, w->exchange, 200,
                      account_rows_wallet(&w->service->rows, w->exchange->params[0]));
    else
        http_answer_problem(w->exchange, err);
    free(w);
}

static void read_one(struct http_exchange *exchange)
{
    struct reading *w = need_memory(sizeof *w);

    w->work = (struct work){.load = load_one, .apply = apply_one, .done = one_done};
    w->service = exchange->service;
    w->exchange = exchange;
    turns_add(w->service->turns, &w->work);
}

void accounts_get(struct http_exchange *exchange)
{
    places_wait(((struct wallets *)exchange->service)->places, exchange, read_one);
}

/* --- a page --- */

struct listing {
    struct work work;
    struct wallets *service;
    struct http_exchange *exchange;
    struct page_query query;
    unsigned count;     /* rows so far */
    struct wallet last; /* of the page */
};

static const struct page_column columns[] = {
    {"owner", "owner"},
    {"currency", "currency"},
    {"status", "status"},
    {"reference", "reference"},
    {"created_at", "created"},
    {"updated_at", "updated"},
    {NULL, NULL},
};

static void on_row(void *context, const struct store_row *row)
{
    struct listing *w = context;
    struct wallet wallet = {0};
    struct account body;

    if (w->count++ >= w->exchange->page->limit) return; /* shows that there is another page */
    account_sql_read_wallet(row, &wallet);
    wallet_show(w->service, &wallet, &body);
    page_row(w->exchange, &body);
    w->last = wallet;
}

static enum outcome load_page(struct work *work, struct turn *turn, struct error *err)
{
    struct listing *w = (struct listing *)work;
    const struct store_statement *statement =
        texts_find(w->service->texts, "list accounts", buffer_str(&w->query.sql));

    w->count = 0;
    buffer_clear(&w->exchange->out);
    page_begin(w->exchange);
    return store_query(turn_store(turn), statement, w->query.arguments, w->query.argument_count,
                       on_row, w, err);
}

static void answer_page(struct listing *w)
{
    const struct page *page = w->exchange->page;
    struct store_value last[PAGE_SORTS_MAX + 1];

    for (unsigned i = 0; i < page->sort_count; i++)
        last[i] = store_integer(
            (int64_t)(page->sorts[i].field[0] == 'c' ? w->last.created_ns : w->last.updated_ns));
    last[page->sort_count] = store_bytes(&w->last.id, sizeof w->last.id);
    page_answer(w->exchange, w->count > page->limit ? last : NULL);
}

static void listed(struct work *work, enum outcome outcome, const struct error *err)
{
    struct listing *w = (struct listing *)work;

    if (outcome == OUTCOME_DONE)
        answer_page(w);
    else
        http_answer_problem(w->exchange, err);
    buffer_done(&w->query.sql);
    free(w);
}

static void read_page(struct http_exchange *exchange)
{
    struct listing *w = need_memory(sizeof *w);
    struct error err = {0};

    w->work = (struct work){.load = load_page, .done = listed};
    w->service = exchange->service;
    w->exchange = exchange;
    buffer_text(&w->query.sql, account_sql_select_wallets);
    w->query.arguments[0] = store_text(exchange->caller.tenant);
    w->query.arguments[1] = store_integer(exchange->caller.live);
    w->query.argument_count = 2;
    if (page_sql(exchange->page, columns, "id", NULL, &w->query, &err) == OUTCOME_DONE) {
        turns_add(w->service->turns, &w->work);
        return;
    }
    http_answer_problem(exchange, &err);
    buffer_done(&w->query.sql);
    free(w);
}

void accounts_list(struct http_exchange *exchange)
{
    places_wait(((struct wallets *)exchange->service)->places, exchange, read_page);
}
