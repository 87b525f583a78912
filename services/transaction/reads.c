/* What is found by its id, at once: a transaction, the books. */
#include "transaction.h"

#include "wire/buffer.h"

#include <stdlib.h>
#include <string.h>

const struct ledger_book *book_of(const struct transactions *service, const struct caller *caller,
                                  uint32_t number)
{
    const struct ledger_book *book = catalogue_find(service->catalogue, number);

    if (book == NULL || book->books.live != caller->live ||
        strcmp(book->books.tenant, caller->tenant) != 0)
        return NULL;
    return book;
}

/* The ledger could not read what it has. */
static void refuse_read(struct http_exchange *exchange, mp_status status)
{
    struct error err = {0};

    error_set(&err, status == MP_CORRUPT ? REASON_CORRUPT : REASON_INTERNAL,
              "could not read the ledger");
    error_detail(&err, "%s", mp_last_error());
    http_answer_problem(exchange, &err);
}

static void get_now(struct http_exchange *exchange)
{
    struct transactions *service = exchange->service;
    mp_id id = id_of_uuid(exchange->params[0]);
    const struct ledger_book *book = NULL;
    struct transaction_body body;
    mp_transfer transfer;
    uint32_t found = 0;
    mp_status status = mp_lookup_transfers(service->ledger, &id, 1, &transfer, &found);
    struct error err = {0};

    if (status != MP_OK) {
        refuse_read(exchange, status);
        return;
    }
    if (found == 1) book = book_of(service, &exchange->caller, transfer.ledger);
    if (book == NULL) {
        error_set(&err, REASON_NOT_FOUND, "there is no such transaction");
        http_answer_problem(exchange, &err);
        return;
    }
    transaction_show(&transfer, book, &body);
    http_answer_record(exchange, 200, &body);
}

void transactions_get(struct http_exchange *exchange)
{
    places_wait(((struct transactions *)exchange->service)->places, exchange, get_now);
}

/* --- the books --- */

static bool show_book(struct transactions *service, const struct ledger_book *book,
                      struct ledger_body *out)
{
    mp_balance balances[BOOKS_ROLES];

    if (mp_read_many(service->ledger, book->system, BOOKS_ROLES, balances) != MP_OK) return false;
    out->ledger = book->number;
    memcpy(out->currency.code, book->currency->code, sizeof out->currency.code);
    out->digits = book->currency->digits;
    out->mode = book->books.live ? LEDGER_MODE_LIVE : LEDGER_MODE_TEST;
    out->accounts.count = BOOKS_ROLES;
    for (unsigned i = 0; i < BOOKS_ROLES; i++) {
        out->accounts.rows[i].role = LEDGER_ROLE_BANK + i; /* in the order of books_roles */
        out->accounts.rows[i].account.uuid = uuid_of_id(book->system[i]);
        ledger_sums_show(&balances[i], &out->accounts.rows[i].balance);
    }
    return true;
}

static void list_now(struct http_exchange *exchange)
{
    struct transactions *service = exchange->service;
    struct ledgers_body *body = need_memory(sizeof *body);
    struct books books = books_of(&exchange->caller);
    unsigned most = sizeof body->data.rows / sizeof *body->data.rows;

    for (const struct currency *c = currencies; c->name != NULL && body->data.count < most; c++) {
        const struct ledger_book *book = catalogue_of(service->catalogue, &books, c);

        if (book == NULL) continue;
        if (!show_book(service, book, &body->data.rows[body->data.count++])) {
            refuse_read(exchange, MP_IO);
            free(body);
            return;
        }
    }
    ledger_place_header(service->ledger, exchange, ledger_newest(service->ledger));
    http_answer_record(exchange, 200, body);
    free(body);
}

void ledgers_list(struct http_exchange *exchange)
{
    places_wait(((struct transactions *)exchange->service)->places, exchange, list_now);
}
