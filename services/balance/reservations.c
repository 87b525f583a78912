/* Reservations that are no payment's: made, looked at, released. */
#include "balance.h"

#include "http/idempotency.h"
#include "http/pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- making one --- */

struct making {
    struct work work;
    struct balances *service;
    struct http_exchange *exchange;
    struct uuid id;
    struct known_account account, payee;
    bool asked[2]; /* for them */
    bool replayed;
};

static const struct reservation_request *body_of(const struct making *w)
{
    return w->exchange->input;
}

static uint64_t hold_of(const struct making *w)
{
    const struct reservation_request *body = body_of(w);
    bool has = (body->present & RECORD_BIT(reservation_request, hold_for)) != 0;

    return has ? body->hold_for : HOLD_DEFAULT_S;
}

static enum outcome make_load(struct work *work, struct turn *turn, struct error *err)
{
    struct making *w = (struct making *)work;
    struct store *store = turn_store(turn);

    if (balance_sql_load_account(store, w->exchange->params[0], &w->account, err) != OUTCOME_DONE ||
        balance_sql_load_account(store, body_of(w)->payee.uuid, &w->payee, err) != OUTCOME_DONE)
        return err->outcome;
    return balance_sql_load_reservation(&w->service->reservations, store, w->id, err);
}

/* What was asked with the same key before: the same, or what differs. */
static enum outcome compare(const struct making *w, const struct reservation *before,
                            struct error *err)
{
    const struct reservation_request *body = body_of(w);
    const char *what = NULL;
    int64_t amount = 0;

    if (strcmp(before->currency->code, body->currency.code) != 0) what = "currency";
    if (!amount_minor(body->amount, before->currency, &amount) || amount != before->amount)
        what = "amount";
    if (!uuid_equal(before->payee, body->payee.uuid)) what = "payee";
    if (before->hold_s != hold_of(w)) what = "hold_for";
    if (strcmp(before->reference, body->reference) != 0) what = "reference";
    if (what == NULL) return OUTCOME_DONE;
    error_set(err, REASON_KEY_REUSED, "the key has made a reservation with another %s", what);
    error_member(err, "differs", "/%s", what);
    return err->outcome;
}

static enum outcome check(const struct making *w, int64_t *amount, struct error *err)
{
    const struct reservation_request *body = body_of(w);
    const struct caller *caller = &w->exchange->caller;

    *err = (struct error){0};
    if (balance_check_account(&w->account, caller, "account", err) != OUTCOME_DONE ||
        balance_check_account(&w->payee, caller, "payee", err) != OUTCOME_DONE)
        return err->outcome;
    if (uuid_equal(w->account.id, w->payee.id))
        return error_set(err, REASON_SAME_ACCOUNT, "account and payee are the same");
    if (w->account.currency != w->payee.currency ||
        strcmp(w->account.currency->code, body->currency.code) != 0)
        return error_set(err, REASON_CURRENCY_MISMATCH,
                         "the account's currency is %s, the payee's %s, the amount's %s",
                         w->account.currency->code, w->payee.currency->code, body->currency.code);
    if (!amount_minor(body->amount, w->account.currency, amount))
        error_fault(err, "/amount", "has more digits than %s", w->account.currency->code);
    else if (*amount == 0)
        error_fault(err, "/amount", "must be above zero");
    if (hold_of(w) < 1 || hold_of(w) > HOLD_MAX_S)
        error_fault(err, "/hold_for", "must be PT1S to P31D");
    return err->outcome;
}

static void make(const struct making *w, struct turn *turn, int64_t amount)
{
    const struct reservation_request *body = body_of(w);
    struct reservation *row = balance_rows_add(&w->service->reservations, w->id);

    row->books = w->account.books;
    row->account = w->account.id;
    row->payee = w->payee.id;
    row->currency = w->account.currency;
    row->ledger = w->account.ledger;
    row->amount = amount;
    row->hold_s = hold_of(w);
    memcpy(row->reference, body->reference, sizeof row->reference);
    memcpy(row->trace, w->exchange->traceparent, sizeof row->trace);
    row->created_ns = turn_now_ns(turn);
    reservation_touch(row, turn_now_ns(turn));
    reservation_send_hold(row);
}

static enum outcome make_apply(struct work *work, struct turn *turn, struct error *err)
{
    struct making *w = (struct making *)work;
    const struct reservation *before = balance_rows_find(&w->service->reservations, w->id);
    int64_t amount;

    w->replayed = before != NULL;
    if (before != NULL) return compare(w, before, err);
    if (check(w, &amount, err) != OUTCOME_DONE) return err->outcome;
    if (resend_count(w->service->resend) >= w->service->settings->unanswered_max) {
        error_set(err, REASON_BUSY, "%u reservations wait for the ledger",
                  resend_count(w->service->resend));
        return err->outcome = OUTCOME_REFUSED;
    }
    make(w, turn, amount);
    return OUTCOME_DONE;
}

static void make_asked(void *context, const struct error *err)
{
    struct making *w = context;

    if (err == NULL) {
        turns_add(w->service->turns, &w->work);
        return;
    }
    http_answer_problem(w->exchange, err);
    free(w);
}

/* Asks for an account that isn't known; true if the answer is waited for. */
static bool ask_for(struct making *w, const struct known_account *account, unsigned which)
{
    if (w->asked[which] || (account->found && account->books.tenant[0] != '\0')) return false;
    w->asked[which] = true;
    balance_ask(w->service, account->id, &w->exchange->caller, make_asked, w);
    return true;
}

static void make_done(struct work *work, enum outcome outcome, const struct error *err)
{
    struct making *w = (struct making *)work;

    if (outcome == OUTCOME_REFUSED && err->reason == REASON_ACCOUNT_NOT_FOUND &&
        (ask_for(w, &w->account, 0) || ask_for(w, &w->payee, 1)))
        return;
    if (outcome == OUTCOME_DONE)
        reservation_wait(w->service, w->exchange,
                         balance_rows_find(&w->service->reservations, w->id), w->replayed);
    else
        http_answer_problem(w->exchange, err);
    free(w);
}

void reservations_create(struct http_exchange *exchange)
{
    struct making *w = need_memory(sizeof *w);

    w->work = (struct work){.load = make_load, .apply = make_apply, .done = make_done};
    w->service = exchange->service;
    w->exchange = exchange;
    w->id = idempotency_id(exchange);
    turns_add(w->service->turns, &w->work);
}

/* --- one that is there --- */

struct looking {
    struct work work;
    struct balances *service;
    struct http_exchange *exchange;
};

static enum outcome one_load(struct work *work, struct turn *turn, struct error *err)
{
    struct looking *w = (struct looking *)work;

    return balance_sql_load_reservation(&w->service->reservations, turn_store(turn),
                                        w->exchange->params[1], err);
}

static enum outcome find_one(struct looking *w, struct reservation **out, struct error *err)
{
    struct reservation *row = balance_rows_find(&w->service->reservations, w->exchange->params[1]);

    if (row == NULL || !balance_of_caller(&row->books, &w->exchange->caller) ||
        !uuid_equal(row->account, w->exchange->params[0]))
        return error_set(err, REASON_NOT_FOUND, "the account has no such reservation");
    *out = row;
    return OUTCOME_DONE;
}

static enum outcome get_apply(struct work *work, struct turn *turn, struct error *err)
{
    struct reservation *row = NULL;

    (void)turn;
    return find_one((struct looking *)work, &row, err);
}

static enum outcome release_apply(struct work *work, struct turn *turn, struct error *err)
{
    struct reservation *row = NULL;

    if (find_one((struct looking *)work, &row, err) != OUTCOME_DONE) return err->outcome;
    if (row->status == RESERVATION_HELD) {
        reservation_touch(row, turn_now_ns(turn));
        reservation_send_void(row);
    } else if (row->status == RESERVATION_PENDING && !row->release) {
        row->release = true;
        reservation_touch(row, turn_now_ns(turn));
    }
    return OUTCOME_DONE;
}

static void one_done(struct work *work, enum outcome outcome, const struct error *err)
{
    struct looking *w = (struct looking *)work;
    const struct reservation *row;

    if (outcome != OUTCOME_DONE) {
        http_answer_problem(w->exchange, err);
        free(w);
        return;
    }
    row = balance_rows_find(&w->service->reservations, w->exchange->params[1]);
    if (w->exchange->route->method == HTTP_DELETE) {
        reservation_wait(w->service, w->exchange, row, false);
    } else {
        struct reservation_body body;

        reservation_show(row, &body);
        http_answer_record(w->exchange, 200, &body);
    }
    free(w);
}

static void look_at(struct http_exchange *exchange,
                    enum outcome (*apply)(struct work *, struct turn *, struct error *))
{
    struct looking *w = need_memory(sizeof *w);

    w->work = (struct work){.load = one_load, .apply = apply, .done = one_done};
    w->service = exchange->service;
    w->exchange = exchange;
    turns_add(w->service->turns, &w->work);
}

void reservations_get(struct http_exchange *exchange) { look_at(exchange, get_apply); }
void reservations_release(struct http_exchange *exchange) { look_at(exchange, release_apply); }

/* --- all of an account --- */

struct listing {
    struct work work;
    struct balances *service;
    struct http_exchange *exchange;
    struct page_query query;
    struct uuid account;
    unsigned count;          /* rows so far */
    struct reservation last; /* of the page */
};

static const struct page_column columns[] = {
    {"status", "status"}, {"reference", "reference"}, {"created_at", "created"}, {NULL, NULL}};

static void on_row(void *context, const struct store_row *row)
{
    struct listing *w = context;
    struct reservation_body body;

    if (w->count++ >= w->exchange->page->limit) return; /* shows that there is another page */
    balance_sql_read_reservation(row, &w->last);
    reservation_show(&w->last, &body);
    page_row(w->exchange, &body);
}

static enum outcome list_load(struct work *work, struct turn *turn, struct error *err)
{
    struct listing *w = (struct listing *)work;
    const struct store_statement *statement =
        texts_find(w->service->texts, "list reservations", buffer_str(&w->query.sql));

    w->count = 0;
    buffer_clear(&w->exchange->out);
    page_begin(w->exchange);
    return store_query(turn_store(turn), statement, w->query.arguments, w->query.argument_count,
                       on_row, w, err);
}

static void list_done(struct work *work, enum outcome outcome, const struct error *err)
{
    struct listing *w = (struct listing *)work;

    if (outcome == OUTCOME_DONE) {
        struct store_value last[] = {store_integer((int64_t)w->last.created_ns),
                                     store_bytes(&w->last.id, sizeof w->last.id)};

        page_answer(w->exchange, w->count > w->exchange->page->limit ? last : NULL);
    } else {
        http_answer_problem(w->exchange, err);
    }
    buffer_done(&w->query.sql);
    free(w);
}

static void list_found(struct http_exchange *exchange, const struct known_account *account)
{
    struct listing *w = need_memory(sizeof *w);
    struct error err = {0};

    w->work = (struct work){.load = list_load, .done = list_done};
    w->service = exchange->service;
    w->exchange = exchange;
    w->account = account->id;
    buffer_text(&w->query.sql, balance_sql_select_reservations);
    if (page_filter(exchange->page, "status", PAGE_IS) == NULL)
        buffer_text(&w->query.sql, " AND status IN (1, 2, 4)"); /* pending, held, releasing */
    w->query.arguments[0] = store_bytes(&w->account, sizeof w->account);
    w->query.arguments[1] = store_text(exchange->caller.tenant);
    w->query.arguments[2] = store_integer(exchange->caller.live);
    w->query.argument_count = 3;
    if (page_sql(exchange->page, columns, "id", NULL, &w->query, &err) == OUTCOME_DONE) {
        turns_add(w->service->turns, &w->work);
        return;
    }
    http_answer_problem(exchange, &err);
    buffer_done(&w->query.sql);
    free(w);
}

void reservations_list(struct http_exchange *exchange) { balance_find(exchange, list_found); }
