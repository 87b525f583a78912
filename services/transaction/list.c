/*
 * GET /transactions: pages of the ledger's transfers, of one account by its own chain of records,
 * else by looking through all.
 *
 * Transfers have no two times alike, so a page goes on from the time where the one before ended. A
 * request looks through `scan_max` records at most: then its page ends there, full or not, and the
 * next one goes on.
 */
#include "transaction.h"

#include "http/pages.h"

#include <stdlib.h>
#include <string.h>

/* Records of one piece: what the loop can spare at once. An account's lie scattered on the disk. */
enum { PIECE = 2048, ACCOUNT_PIECE = 256 };

struct list {
    struct scan scan;
    mp_id account;   /* 0 = all */
    uint32_t ledger; /* 0 = any, as the next two */
    uint16_t code;
    mp_u128 payment;
    uint64_t min, max; /* time that is left to look through; max 0 = open */
    bool descending, ended;
    unsigned rows;
    mp_transfer last; /* row shown, or record looked at: where the next page goes on */
};

static mp_transfer piece[PIECE];

/* --- what is asked for --- */

static uint64_t number_of(const struct page *page, const char *name)
{
    const union page_value *value = page_filter(page, name, PAGE_IS);

    return value != NULL ? value->number : 0;
}

static void after(struct list *list, uint64_t time)
{
    if (time == UINT64_MAX) list->ended = true;
    if (time + 1 > list->min) list->min = time + 1;
}

static void before(struct list *list, uint64_t time)
{
    if (time <= 1)
        list->ended = true;
    else if (list->max == 0 || time - 1 < list->max)
        list->max = time - 1;
}

static void read_times(struct list *list, const struct page *page)
{
    for (unsigned i = 0; i < page->filter_count; i++) {
        const struct page_filter *filter = &page->filters[i];
        uint64_t time = filter->value.number;

        if (strcmp(filter->query->name, "timestamp") != 0) continue;
        if (filter->op == PAGE_GT) after(list, time);
        if (filter->op == PAGE_LT) before(list, time);
        if (filter->op == PAGE_GTE || filter->op == PAGE_IS) after(list, time > 0 ? time - 1 : 0);
        if (filter->op == PAGE_LTE || filter->op == PAGE_IS) before(list, time + 1);
    }
    if (page->last_count == 0) return;
    if (list->descending)
        before(list, (uint64_t)page->last[0].integer);
    else
        after(list, (uint64_t)page->last[0].integer);
}

/* Accounts and ledgers of others are as if they weren't there. */
static enum outcome check_account(struct list *list, struct error *err)
{
    struct transactions *service = list->scan.service;
    mp_account account;
    uint32_t found = 0;

    if (mp_lookup_accounts(service->ledger, &list->account, 1, &account, &found) == MP_OK &&
        found == 1 && book_of(service, &list->scan.exchange->caller, account.ledger) != NULL)
        return OUTCOME_DONE;
    return error_set(err, REASON_ACCOUNT_NOT_FOUND, "there is no such account");
}

static enum outcome read_filters(struct list *list, struct error *err)
{
    struct http_exchange *exchange = list->scan.exchange;
    const struct page *page = exchange->page;
    const union page_value *account = page_filter(page, "account", PAGE_IS),
                           *payment = page_filter(page, "payment", PAGE_IS),
                           *ledger = page_filter(page, "ledger", PAGE_IS);

    list->descending = page->sorts[0].descending;
    if (number_of(page, "code") > UINT16_MAX || number_of(page, "ledger") > UINT32_MAX)
        error_fault(err, number_of(page, "code") > UINT16_MAX ? "query code" : "query ledger",
                    "is more than there can be");
    list->code = (uint16_t)number_of(page, "code");
    list->ledger = (uint32_t)number_of(page, "ledger");
    if (ledger != NULL && err->fault_count == 0 &&
        book_of(list->scan.service, &exchange->caller, list->ledger) == NULL)
        error_fault(err, "query ledger", "is no ledger of the API key's tenant and mode");
    if (payment != NULL) list->payment = id_of_uuid(payment->id);
    read_times(list, page);
    if (err->fault_count > 0) return err->outcome;
    if (account == NULL) return OUTCOME_DONE;
    list->account = id_of_uuid(account->id);
    return check_account(list, err);
}

/* --- looking --- */

static mp_status read_piece(struct list *list, uint32_t *count, bool *more)
{
    struct transactions *service = list->scan.service;
    uint32_t limit = list->account != 0 ? ACCOUNT_PIECE : PIECE;
    mp_status status;

    *count = 0;
    *more = false;
    if (list->ended || (list->max != 0 && list->max < list->min)) return MP_OK;
    if (list->account != 0) {
        mp_account_filter filter = {
            .account_id = list->account,
            .timestamp_min = list->min,
            .timestamp_max = list->max,
            .limit = limit,
            .flags =
                MP_FILTER_DEBITS | MP_FILTER_CREDITS | (list->descending ? MP_FILTER_REVERSED : 0u),
        };

        status = mp_account_transfers(service->ledger, &filter, piece, count);
    } else {
        mp_query_filter filter = {
            .timestamp_min = list->min,
            .timestamp_max = list->max,
            .limit = limit,
            .flags = list->descending ? MP_FILTER_REVERSED : 0,
        };

        status = mp_query_transfers(service->ledger, &filter, piece, count);
    }
    *more = *count == limit;
    return status;
}

static const struct ledger_book *match(const struct list *list, const mp_transfer *transfer)
{
    if (list->ledger != 0 && transfer->ledger != list->ledger) return NULL;
    if (list->code != 0 && transfer->code != list->code) return NULL;
    if (list->payment != 0 && transfer->user_data_128 != list->payment) return NULL;
    return book_of(list->scan.service, &list->scan.exchange->caller, transfer->ledger);
}

static bool answer(struct list *list, bool goes_on)
{
    struct http_exchange *exchange = list->scan.exchange;
    struct uuid id = uuid_of_id(list->last.id);
    struct store_value last[] = {store_integer((int64_t)list->last.timestamp),
                                 store_bytes(&id, sizeof id)};

    ledger_place_header(list->scan.service->ledger, exchange,
                        ledger_newest(list->scan.service->ledger));
    page_answer(exchange, goes_on ? last : NULL);
    return false;
}

static bool refuse(struct list *list)
{
    struct error err = {0};

    error_set(&err, REASON_INTERNAL, "could not read the ledger");
    error_detail(&err, "%s", mp_last_error());
    http_answer_problem(list->scan.exchange, &err);
    return false;
}

static bool look(struct scan *scan)
{
    struct list *list = (struct list *)scan;
    struct transaction_body body;
    uint32_t count;
    bool more;

    if (read_piece(list, &count, &more) != MP_OK) return refuse(list);
    for (uint32_t i = 0; i < count; i++) {
        const struct ledger_book *book = match(list, &piece[i]);

        if (book == NULL) continue;
        if (list->rows == scan->exchange->page->limit) return answer(list, true);
        transaction_show(&piece[i], book, &body);
        page_row(scan->exchange, &body);
        list->rows++;
        list->last = piece[i];
    }
    if (!more) return answer(list, false);
    scan->looked += count;
    if (list->descending)
        before(list, piece[count - 1].timestamp);
    else
        after(list, piece[count - 1].timestamp);
    if (scan->looked < scan->service->settings->scan_max) return true;
    list->last = piece[count - 1];
    return answer(list, true);
}

static void list_now(struct http_exchange *exchange)
{
    struct list *list = need_memory(sizeof *list);
    struct error err = {0};

    list->scan.service = exchange->service;
    list->scan.exchange = exchange;
    if (read_filters(list, &err) != OUTCOME_DONE) {
        http_answer_problem(exchange, &err);
        free(list);
        return;
    }
    page_begin(exchange);
    scan_begin(&list->scan, exchange, look);
}

void transactions_list(struct http_exchange *exchange)
{
    places_wait(((struct transactions *)exchange->service)->places, exchange, list_now);
}
