/*
 * GET /journal: changes of the tenant's books in the order of the ledger. There is always a `next`:
 * a reader who asks again from there, at once or later, misses none and sees none twice, whatever
 * happened meanwhile.
 */
#include "transaction.h"

#include "http/pages.h"

#include <stdlib.h>

enum { PIECE = 1024 };

struct journal {
    struct scan scan;
    uint64_t after; /* log position up to which all was looked at */
    unsigned rows;
};

static mp_change piece[PIECE];

/* The books that a change belongs to, if they are the caller's. */
static const struct ledger_book *match(const struct journal *journal, const mp_change *change)
{
    struct transactions *service = journal->scan.service;
    uint32_t number = change->transfer.ledger, found = 0;
    mp_account account;

    if (change->type == MP_CHANGE_ACCOUNT_UPDATED) {
        if (mp_lookup_accounts(service->ledger, &change->update.account_id, 1, &account, &found) !=
                MP_OK ||
            found == 0)
            return NULL;
        number = account.ledger;
    }
    return book_of(service, &journal->scan.exchange->caller, number);
}

static bool answer(struct journal *journal)
{
    struct http_exchange *exchange = journal->scan.exchange;
    struct uuid nothing = {{0}};
    struct store_value last[] = {store_integer((int64_t)journal->after),
                                 store_bytes(&nothing, sizeof nothing)};

    ledger_place_header(journal->scan.service->ledger, exchange,
                        ledger_newest(journal->scan.service->ledger));
    page_answer(exchange, last);
    return false;
}

static bool refuse(struct journal *journal)
{
    struct error err = {0};

    error_set(&err, REASON_INTERNAL, "could not read the ledger");
    error_detail(&err, "%s", mp_last_error());
    http_answer_problem(journal->scan.exchange, &err);
    return false;
}

static bool look(struct scan *scan)
{
    struct journal *journal = (struct journal *)scan;
    mp_change_filter filter = {.after = journal->after, .limit = PIECE};
    struct journal_entry entry;
    uint32_t count = 0;

    if (mp_changes(scan->service->ledger, &filter, piece, &count) != MP_OK) return refuse(journal);
    for (uint32_t i = 0; i < count; i++) {
        const struct ledger_book *book = match(journal, &piece[i]);

        if (book != NULL && journal->rows == scan->exchange->page->limit) return answer(journal);
        journal->after = piece[i].position;
        if (book == NULL) continue;
        journal_show(&piece[i], book, &entry);
        page_row(scan->exchange, &entry);
        journal->rows++;
    }
    scan->looked += count;
    if (count < PIECE || scan->looked >= scan->service->settings->scan_max) return answer(journal);
    return true;
}

static void list_now(struct http_exchange *exchange)
{
    const struct page *page = exchange->page;
    const union page_value *after = page_filter(page, "after", PAGE_IS);
    struct journal *journal;
    struct error err = {0};

    if (page->sorts[0].descending) {
        error_fault(&err, "query sort", "can only be by rising position");
        http_answer_problem(exchange, &err);
        return;
    }
    journal = need_memory(sizeof *journal);
    if (after != NULL) journal->after = after->number;
    if (page->last_count > 0) journal->after = (uint64_t)page->last[0].integer;
    page_begin(exchange);
    scan_begin(&journal->scan, exchange, look);
}

void journal_list(struct http_exchange *exchange)
{
    places_wait(((struct transactions *)exchange->service)->places, exchange, list_now);
}
