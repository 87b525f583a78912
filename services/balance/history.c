/* What happened to an account, with its balance right after each: holds and their ends too. */
#include "balance.h"

#include "http/pages.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS_READ = 128 }; /* at once */

#define TIME_MAX (UINT64_MAX >> 1)

/* A page being read. */
struct history {
    struct http_exchange *exchange;
    const struct known_account *account;
    mp_statement *rows;
    unsigned count;
    struct store_value last[2]; /* of the page's last row: its time and position */
};

static unsigned what_of(mp_change_type type)
{
    switch (type) {
    case MP_CHANGE_SINGLE_PHASE: return BALANCE_MOVED;
    case MP_CHANGE_TWO_PHASE_PENDING: return BALANCE_RESERVED;
    case MP_CHANGE_TWO_PHASE_POSTED: return BALANCE_CAPTURED;
    case MP_CHANGE_TWO_PHASE_PART_POSTED: return BALANCE_CAPTURED_PART;
    case MP_CHANGE_TWO_PHASE_VOIDED: return BALANCE_RELEASED;
    case MP_CHANGE_TWO_PHASE_EXPIRED: return BALANCE_EXPIRED;
    case MP_CHANGE_TWO_PHASE_INCREASED: return BALANCE_INCREASED;
    case MP_CHANGE_REVERSAL: return BALANCE_REVERSED;
    default: return 0; /* freezing and closing move nothing */
    }
}

/* False: it has sums that can't be shown. */
static bool add_row(struct history *h, const mp_statement_row *row)
{
    const struct currency *currency = h->account->currency;
    const mp_transfer *transfer = &row->transfer;
    struct balance_history_row out = {0};
    struct shown_sums shown;

    if (transfer->amount > (mp_amount)AMOUNT_MAX ||
        !balance_show_sums(&row->balance, currency, &shown))
        return false;
    out.time = transfer->timestamp;
    out.what = what_of(row->type);
    out.side = row->debit ? BALANCE_DEBIT : BALANCE_CREDIT;
    out.amount = amount_of((int64_t)transfer->amount, currency);
    out.posted = shown.posted;
    out.available = shown.available;
    out.pending_out = shown.pending_out;
    out.pending_in = shown.pending_in;
    if (transfer->user_data_128 != 0) {
        out.payment = uuid_of_id(transfer->user_data_128);
        out.present |= RECORD_BIT(balance_history_row, payment);
    }
    if (transfer->id != 0) {
        out.transfer = uuid_of_id(transfer->id);
        out.present |= RECORD_BIT(balance_history_row, transfer);
    }
    page_row(h->exchange, &out);
    h->last[0] = store_integer((int64_t)transfer->timestamp);
    h->last[1] = store_integer((int64_t)row->position);
    return true;
}

/* Reads up to one row more than the page has. */
static enum outcome read_rows(struct history *h, struct error *err)
{
    static mp_statement_row rows[ROWS_READ];
    unsigned limit = h->exchange->page->limit;
    uint32_t count = 1;

    while (h->count <= limit && count > 0) {
        mp_status status = mp_statement_next(h->rows, rows, ROWS_READ, &count);

        if (status != MP_OK) {
            error_set(err, status == MP_CORRUPT ? REASON_CORRUPT : REASON_INTERNAL,
                      "could not read the ledger");
            error_detail(err, "%s: %s", mp_status_name(status), mp_last_error());
            return err->outcome;
        }
        for (uint32_t i = 0; i < count && h->count <= limit; i++) {
            if (what_of(rows[i].type) == 0) continue;
            if (h->count++ == limit) break; /* there is another page */
            if (!add_row(h, &rows[i])) {
                balance_too_large(err);
                return err->outcome;
            }
        }
    }
    return OUTCOME_DONE;
}

static uint64_t time_filter(const struct page *page, const char *name, uint64_t otherwise)
{
    const union page_value *value = page_filter(page, name, PAGE_IS);

    if (value == NULL) return otherwise;
    return value->number < TIME_MAX ? value->number : TIME_MAX;
}

static enum outcome open_rows(struct history *h, struct error *err)
{
    const struct page *page = h->exchange->page;
    const struct balances *service = h->exchange->service;
    uint64_t from_ns = time_filter(page, "from", 0), to_ns = time_filter(page, "to", TIME_MAX);
    mp_account_filter filter = {
        .account_id = id_of_uuid(h->account->id),
        .timestamp_min = from_ns,
        .timestamp_max = to_ns - 1,
        .flags = MP_FILTER_DEBITS | MP_FILTER_CREDITS |
                 (page->sorts[0].descending ? (unsigned)MP_FILTER_REVERSED : 0),
    };
    bool goes_on = page->last_count > 0;
    mp_status status;

    if (from_ns >= to_ns) {
        error_fault(err, "query from", "must be before `to`");
        return err->outcome;
    }
    status = mp_statement_open(
        service->context.reads, &filter, MP_STATEMENT_ALL,
        goes_on && page->last[1].kind == STORE_INTEGER ? (uint64_t)page->last[1].integer : 0,
        &h->rows);
    if (status == MP_INVALID) {
        error_fault(err, "query cursor", "is no place in this account's history");
        return err->outcome;
    }
    if (status == MP_OK) return OUTCOME_DONE;
    error_set(err, REASON_NOT_READY, "the ledger has no such account yet");
    return err->outcome;
}

static void found(struct http_exchange *exchange, const struct known_account *account)
{
    struct history h = {.exchange = exchange, .account = account};
    struct error err = {0};

    page_begin(exchange);
    if (open_rows(&h, &err) == OUTCOME_DONE && read_rows(&h, &err) == OUTCOME_DONE) {
        mp_statement_close(h.rows);
        page_answer(exchange, h.count > exchange->page->limit ? h.last : NULL);
        return;
    }
    mp_statement_close(h.rows);
    http_answer_problem(exchange, &err);
}

static void begin(struct http_exchange *exchange)
{
    const struct balances *service = exchange->service;
    struct error err;

    if (service->context.reads != NULL) {
        balance_find(exchange, found);
        return;
    }
    error_set(&err, REASON_NOT_READY, "this process has no ledger to read");
    http_answer_problem(exchange, &err);
}

void balances_history(struct http_exchange *exchange)
{
    places_wait(((struct balances *)exchange->service)->places, exchange, begin);
}
