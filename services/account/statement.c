/* Reading a statement. */
#include "statement.h"

#include "http/pages.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS_STEP = 256 }; /* that are looked at in one round of the loop */

#define TIME_MAX (UINT64_MAX >> 1)

/* --- what is asked --- */

static uint64_t time_filter(const struct page *page, const char *name, uint64_t otherwise)
{
    const union page_value *value = page_filter(page, name, PAGE_IS);

    if (value == NULL) return otherwise;
    return value->number < TIME_MAX ? value->number : TIME_MAX;
}

static unsigned choice_filter(const struct page *page, const char *name)
{
    const union page_value *value = page_filter(page, name, PAGE_IS);

    return value != NULL ? (unsigned)value->number : 0;
}

static bool wants_csv(const struct http_exchange *exchange)
{
    const char *accept = http_header(exchange, "Accept");
    unsigned format = choice_filter(exchange->page, "format");

    if (format != 0) return format == STATEMENT_CSV;
    return accept != NULL && strcasestr(accept, "text/csv") != NULL &&
           strcasestr(accept, "json") == NULL;
}

static enum outcome read_query(struct statement *s, struct error *err)
{
    const struct page *page = s->exchange->page;

    s->csv = wants_csv(s->exchange);
    s->effective = choice_filter(page, "by") == STATEMENT_EFFECTIVE;
    s->descending = page->sorts[0].descending;
    s->from_ns = time_filter(page, "from", 0);
    s->to_ns = time_filter(page, "to", TIME_MAX);
    s->room = page->limit + 1;
    if (s->from_ns > s->to_ns) error_fault(err, "query from", "must not be behind `to`");
    s->goes_on = page->last_count > 0;
    if (s->goes_on) {
        if (page->last[0].kind != STORE_INTEGER || page->last[1].kind != STORE_INTEGER)
            error_fault(err, "query cursor", "is not the `next` of a statement");
        s->after = (struct statement_place){(uint64_t)page->last[0].integer,
                                            (uint64_t)page->last[1].integer};
    }
    return err->outcome;
}

/* --- rows of the ledger --- */

static bool moves_money(const mp_statement_row *row)
{
    switch (row->type) {
    case MP_CHANGE_SINGLE_PHASE:
    case MP_CHANGE_TWO_PHASE_POSTED:
    case MP_CHANGE_TWO_PHASE_PART_POSTED:
    case MP_CHANGE_REVERSAL: return row->transfer.amount > 0;
    default: return false;
    }
}

static struct statement_line line_of(const struct statement *s, const mp_statement_row *row)
{
    const mp_transfer *transfer = &row->transfer;
    uint64_t effective_ns =
        transfer->user_data_64 != 0 ? transfer->user_data_64 : transfer->timestamp;

    return (struct statement_line){
        .place = {s->effective ? effective_ns : transfer->timestamp, row->position},
        .booked_ns = transfer->timestamp,
        .effective_ns = effective_ns,
        .payment = transfer->user_data_128,
        .counterparty = row->debit ? transfer->credit_account_id : transfer->debit_account_id,
        .transfer = transfer->id,
        .code = transfer->code,
        .debit = row->debit,
        .amount = transfer->amount,
        .balance = (signed_sum)row->balance.credits_posted - (signed_sum)row->balance.debits_posted,
    };
}

static signed_sum signed_amount(const struct statement_line *line)
{
    return line->debit ? -(signed_sum)line->amount : (signed_sum)line->amount;
}

/* --- by value date --- */

static bool is_earlier(struct statement_place a, struct statement_place b)
{
    return a.time_ns != b.time_ns ? a.time_ns < b.time_ns : a.position < b.position;
}

/* Whether one line stands above another. */
static bool stands_above(const struct statement *s, const struct statement_line *a,
                         const struct statement_line *b)
{
    return s->descending ? is_earlier(b->place, a->place) : is_earlier(a->place, b->place);
}

/* Keeps a line if it is one of the first of the page. Lines mostly come in order. */
static void keep(struct statement *s, const struct statement_line *line)
{
    unsigned at = s->count;

    if (at == s->room && !stands_above(s, line, &s->lines[at - 1])) return;
    if (at == s->room)
        at--;
    else
        s->count++;
    for (; at > 0 && stands_above(s, line, &s->lines[at - 1]); at--)
        s->lines[at] = s->lines[at - 1];
    s->lines[at] = *line;
}

static void take_by_value(struct statement *s, const struct statement_line *line)
{
    uint64_t time_ns = line->place.time_ns;
    bool before_page; /* in time: it is part of the balance before the page's first movement */

    if (s->descending) {
        bool behind = s->goes_on ? !is_earlier(line->place, s->after) : time_ns >= s->to_ns;

        if (behind) return;
        s->sum += signed_amount(line); /* the page's own among it */
        if (time_ns >= s->from_ns) keep(s, line);
        return;
    }
    before_page = s->goes_on ? !is_earlier(s->after, line->place) : time_ns < s->from_ns;
    if (before_page)
        s->sum += signed_amount(line);
    else if (time_ns < s->to_ns)
        keep(s, line);
}

static void sum_lines(struct statement *s)
{
    signed_sum sum = s->sum;

    for (unsigned i = 0; i < s->count; i++) {
        struct statement_line *line = &s->lines[i];

        if (!s->descending) sum += signed_amount(line);
        line->balance = sum;
        if (s->descending) sum -= signed_amount(line);
    }
}

/* --- the pages --- */

static void end(struct statement *s)
{
    mp_statement_close(s->rows);
    if (s->link != NULL) {
        *s->link = s->next;
        if (s->next != NULL) s->next->link = s->link;
    }
    free(s->lines);
    free(s);
}

static void fail(struct statement *s, mp_status status)
{
    struct error err = {0};

    if (status == MP_INVALID) {
        error_fault(&err, "query cursor", "is no place in this account's statement");
    } else {
        error_set(&err, status == MP_CORRUPT ? REASON_CORRUPT : REASON_INTERNAL,
                  "could not read the ledger");
        error_detail(&err, "%s: %s", mp_status_name(status), mp_last_error());
    }
    http_answer_problem(s->exchange, &err);
    end(s);
}

static void answer(struct statement *s)
{
    if (s->effective) sum_lines(s);
    account_statement_answer(s);
    end(s);
}

/* Looks at some rows; true if that was all. */
static bool take_rows(struct statement *s, const mp_statement_row *rows, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct statement_line line;

        if (!moves_money(&rows[i])) continue;
        line = line_of(s, &rows[i]);
        if (s->effective)
            take_by_value(s, &line);
        else
            s->lines[s->count++] = line;
        if (!s->effective && s->count == s->room) return true;
    }
    return count == 0;
}

static void read_on(void *context)
{
    static mp_statement_row rows[ROWS_STEP];
    struct statement *s = context;
    uint32_t count = 0;
    mp_status status = mp_statement_next(s->rows, rows, ROWS_STEP, &count);

    if (status != MP_OK)
        fail(s, status);
    else if (take_rows(s, rows, count))
        answer(s);
    else
        loop_post(s->service->context.loop, &s->task);
}

static mp_status open_rows(struct statement *s)
{
    mp_account_filter filter = {
        .account_id = id_of_uuid(s->wallet),
        .flags = MP_FILTER_DEBITS | MP_FILTER_CREDITS |
                 (s->descending ? (unsigned)MP_FILTER_REVERSED : 0),
    };
    bool booked = !s->effective;

    if (booked) {
        filter.timestamp_min = s->from_ns;
        filter.timestamp_max = s->to_ns - 1;
    }
    return mp_statement_open(s->service->context.reads, &filter, 0,
                             booked && s->goes_on ? s->after.position : 0, &s->rows);
}

static void begin_reading(struct statement *s)
{
    mp_status status;

    s->lines = need_memory(s->room * sizeof *s->lines);
    if (s->from_ns == s->to_ns) {
        answer(s);
        return;
    }
    status = open_rows(s);
    if (status == MP_NOT_FOUND) { /* it is opening */
        answer(s);
        return;
    }
    if (status != MP_OK) {
        fail(s, status);
        return;
    }
    s->task = (struct loop_task){.run = read_on, .context = s};
    s->next = s->service->statements;
    s->link = &s->service->statements;
    if (s->next != NULL) s->next->link = &s->next;
    s->service->statements = s;
    loop_post(s->service->context.loop, &s->task);
}

void account_statements_end(struct wallets *service)
{
    struct error err;

    error_set(&err, REASON_NOT_READY, "the service stops");
    while (service->statements != NULL) {
        loop_task_cancel(service->context.loop, &service->statements->task);
        http_answer_problem(service->statements->exchange, &err);
        end(service->statements);
    }
}

/* --- the account, first --- */

struct finding {
    struct work work;
    struct statement *statement;
};

static enum outcome load(struct work *work, struct turn *turn, struct error *err)
{
    struct statement *s = ((struct finding *)work)->statement;

    return account_sql_load_wallet(&s->service->rows, turn_store(turn), s->wallet, err);
}

static enum outcome apply(struct work *work, struct turn *turn, struct error *err)
{
    struct statement *s = ((struct finding *)work)->statement;
    struct wallet *wallet;

    (void)turn;
    if (wallet_find(&s->service->rows, s->wallet, &s->exchange->caller, &wallet, err) !=
        OUTCOME_DONE)
        return err->outcome;
    s->currency = wallet->currency;
    return OUTCOME_DONE;
}

static void done(struct work *work, enum outcome outcome, const struct error *err)
{
    struct statement *s = ((struct finding *)work)->statement;

    free(work);
    if (outcome == OUTCOME_DONE) {
        begin_reading(s);
        return;
    }
    http_answer_problem(s->exchange, err);
    end(s);
}

static void begin(struct http_exchange *exchange)
{
    struct statement *s = need_memory(sizeof *s);
    struct finding *w;
    struct error err = {0};

    s->service = exchange->service;
    s->exchange = exchange;
    s->wallet = exchange->params[0];
    if (s->service->context.reads == NULL)
        error_set(&err, REASON_NOT_READY, "this process has no ledger to read");
    if (err.reason != REASON_NONE || read_query(s, &err) != OUTCOME_DONE) {
        http_answer_problem(exchange, &err);
        end(s);
        return;
    }
    w = need_memory(sizeof *w);
    w->work = (struct work){.load = load, .apply = apply, .done = done};
    w->statement = s;
    turns_add(s->service->turns, &w->work);
}

void accounts_statement(struct http_exchange *exchange)
{
    places_wait(((struct wallets *)exchange->service)->places, exchange, begin);
}
