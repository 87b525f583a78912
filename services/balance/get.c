/* A balance: now, or as it stood at an instant. */
#include "balance.h"

#include "http/pages.h"

#include <stdio.h>
#include <string.h>

static void answer(struct http_exchange *exchange, const struct known_account *account,
                   const mp_balance *sums, uint64_t at_ns, uint64_t sequence)
{
    const struct balances *service = exchange->service;
    struct balance_body body = {0};
    struct shown_sums shown;
    struct error err;

    if (!balance_show_sums(sums, account->currency, &shown)) {
        balance_too_large(&err);
        http_answer_problem(exchange, &err);
        return;
    }
    body.account.uuid = account->id;
    memcpy(body.currency.code, account->currency->code, sizeof body.currency.code);
    body.posted = shown.posted;
    body.available = shown.available;
    body.pending_out = shown.pending_out;
    body.pending_in = shown.pending_in;
    body.present = RECORD_BIT(balance_body, available) | RECORD_BIT(balance_body, pending_out) |
                   RECORD_BIT(balance_body, pending_in);
    if (at_ns != 0) {
        body.as_of = at_ns;
        body.by = BALANCE_BOOKED;
        body.present |= RECORD_BIT(balance_body, as_of) | RECORD_BIT(balance_body, by);
    }
    body.durability = BALANCE_LOCAL;
    ledger_place_print(service->context.reads, account->books.live, sequence, body.sequence);
    http_answer_record(exchange, 200, &body);
}

static void fail(struct http_exchange *exchange, mp_status status)
{
    struct error err;

    error_set(&err, status == MP_CORRUPT ? REASON_CORRUPT : REASON_INTERNAL,
              "could not read the ledger");
    error_detail(&err, "%s: %s", mp_status_name(status), mp_last_error());
    http_answer_problem(exchange, &err);
}

static void found(struct http_exchange *exchange, const struct known_account *account)
{
    const struct balances *service = exchange->service;
    const union page_value *at = page_filter(exchange->page, "at", PAGE_IS);
    const union page_value *by = page_filter(exchange->page, "by", PAGE_IS);
    uint64_t sequence = ledger_newest(service->context.reads);
    mp_id id = id_of_uuid(account->id);
    mp_balance sums = {0};
    mp_status status;

    if (at == NULL) {
        status = mp_read_balance(service->context.reads, id, &sums);
    } else if (by != NULL && by->number == BALANCE_EFFECTIVE) {
        balance_by_value(exchange, account, at->number);
        return;
    } else {
        status = mp_balance_at(service->context.reads, id,
                               at->number < INT64_MAX ? at->number : INT64_MAX, &sums);
        if (status == MP_NOT_FOUND) status = MP_OK; /* it wasn't there yet: nothing was in it */
    }
    if (status == MP_OK)
        answer(exchange, account, &sums, at != NULL ? at->number : 0, sequence);
    else
        fail(exchange, status);
}

static void begin(struct http_exchange *exchange)
{
    const struct balances *service = exchange->service;
    struct error err = {0};

    if (service->context.reads == NULL)
        error_set(&err, REASON_NOT_READY, "this process has no ledger to read");
    else if (page_filter(exchange->page, "by", PAGE_IS) != NULL &&
             page_filter(exchange->page, "at", PAGE_IS) == NULL)
        error_fault(&err, "query by", "says what `at` is of, which is missing");
    if (err.reason == REASON_NONE)
        balance_find(exchange, found);
    else
        http_answer_problem(exchange, &err);
}

void balances_get(struct http_exchange *exchange)
{
    places_wait(((struct balances *)exchange->service)->places, exchange, begin);
}
