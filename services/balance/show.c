/* Sums and reservations as answers; callers who wait for the ledger. */
#include "balance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- sums --- */

/* Sums of the ledger have 128 bits; what the API shows has 18 digits. */
static bool fits(mp_amount sum) { return sum <= (mp_amount)AMOUNT_MAX; }

bool balance_show_sums(const mp_balance *sums, const struct currency *currency,
                       struct shown_sums *out)
{
    int64_t posted, held;

    if (!fits(sums->credits_posted) || !fits(sums->debits_posted) || !fits(sums->credits_pending) ||
        !fits(sums->debits_pending))
        return false;
    posted = (int64_t)sums->credits_posted - (int64_t)sums->debits_posted;
    held = (int64_t)sums->debits_pending;
    out->posted = amount_of(posted, currency);
    out->available = amount_of(posted - held, currency);
    out->pending_out = amount_of(held, currency);
    out->pending_in = amount_of((int64_t)sums->credits_pending, currency);
    return true;
}

void balance_too_large(struct error *err)
{
    error_set(err, REASON_AMOUNT_TOO_LARGE, "the account has sums of more than 18 digits");
    error_hint(err, "Read it in bulk, or from the ledger's files.");
}

/* --- a reservation --- */

void reservation_show(const struct reservation *row, struct reservation_body *out)
{
    memset(out, 0, sizeof *out);
    out->id = row->id;
    out->account.uuid = row->account;
    out->payee.uuid = row->payee;
    out->amount = amount_of(row->amount, row->currency);
    memcpy(out->currency.code, row->currency->code, sizeof out->currency.code);
    out->status = row->status;
    if (row->reason != REASON_NONE) {
        out->reason = reason_row(row->reason)->name;
        out->present |= RECORD_BIT(reservation_body, reason);
    }
    if (row->reference[0] != '\0') {
        memcpy(out->reference, row->reference, sizeof out->reference);
        out->present |= RECORD_BIT(reservation_body, reference);
    }
    if (row->expires_ns != 0) {
        out->expires_at = row->expires_ns;
        out->present |= RECORD_BIT(reservation_body, expires_at);
    }
    out->created_at = row->created_ns;
    out->updated_at = row->updated_ns;
    out->version = row->version;
    out->durability = BALANCE_LOCAL;
}

static void set_location(struct http_exchange *exchange, const struct reservation *row)
{
    char account[UUID_TEXT + 1], id[UUID_TEXT + 1], location[128];

    uuid_print(row->account, account);
    uuid_print(row->id, id);
    snprintf(location, sizeof location, "/api/v1/balances/%s/reservations/%s", account, id);
    http_set_header(exchange, "Location", location);
}

/* What is missing, as the account stands now. */
static void add_missing(const struct balances *service, const struct reservation *row,
                        struct error *err)
{
    struct shown_sums shown;
    mp_balance sums;
    char text[AMOUNT_TEXT_MAX];

    if (service->context.reads == NULL ||
        mp_read_balance(service->context.reads, id_of_uuid(row->account), &sums) != MP_OK ||
        !balance_show_sums(&sums, row->currency, &shown))
        return;
    amount_print(shown.available, text);
    error_member(err, "available", "%s", text);
    amount_print(amount_of(row->amount, row->currency), text);
    error_member(err, "needed", "%s", text);
    if (row->amount <= shown.available.units) return; /* somebody has paid in since */
    amount_print(amount_of(row->amount - shown.available.units, row->currency), text);
    error_member(err, "missing", "%s", text);
}

static void answer_rejected(const struct balances *service, struct http_exchange *exchange,
                            const struct reservation *row)
{
    struct reservation_body body;
    char text[AMOUNT_TEXT_MAX];
    struct error err;

    amount_print(amount_of(row->amount, row->currency), text);
    error_set(&err, row->reason, "the ledger refused to set %s %s aside", text,
              row->currency->code);
    if (row->reason == REASON_INSUFFICIENT_FUNDS) add_missing(service, row, &err);
    reservation_show(row, &body);
    http_answer_problem_with(exchange, &err, "reservation", &reservation_body_record, &body);
}

static void answer(const struct balances *service, struct http_exchange *exchange,
                   const struct reservation *row, bool replayed)
{
    bool creates = exchange->route->method == HTTP_POST;
    struct reservation_body body;

    if (replayed) http_set_header(exchange, "Idempotent-Replayed", "true");
    ledger_place_header(service->context.reads, exchange, row->sequence);
    if (creates && row->status == RESERVATION_REJECTED) {
        answer_rejected(service, exchange, row);
        return;
    }
    if (creates) set_location(exchange, row);
    reservation_show(row, &body);
    http_answer_record(exchange, row->chain != NULL ? 202 : creates ? 201 : 200, &body);
}

/* --- waiting --- */

/* What an exchange remembers while it waits, for when its time is over. */
struct asked {
    struct reservation row; /* its chain is only whether there is one */
    bool replayed;
};

static void forget(struct http_exchange *exchange)
{
    free(exchange->user);
    exchange->user = NULL;
}

static void on_time_over(struct http_exchange *exchange)
{
    const struct asked *asked = exchange->user;

    answer(exchange->service, exchange, &asked->row, asked->replayed);
}

void reservation_wait(struct balances *service, struct http_exchange *exchange,
                      const struct reservation *row, bool replayed)
{
    struct asked *asked;

    if (row->chain == NULL || exchange->wait_ms == 0 || service->stopping) {
        answer(service, exchange, row, replayed);
        return;
    }
    asked = need_memory(sizeof *asked);
    *asked = (struct asked){*row, replayed};
    exchange->user = asked;
    exchange->forget = forget;
    waiting_add(service->waiting, row->id, exchange, exchange->wait_ms, on_time_over);
}

struct told {
    struct balances *service;
    const struct reservation *row;
};

static bool tell_one(struct http_exchange *exchange, void *context)
{
    const struct told *told = context;
    const struct asked *asked = exchange->user;

    answer(told->service, exchange, told->row, asked->replayed);
    return true;
}

void reservation_tell(struct balances *service, const struct reservation *row)
{
    struct told told = {service, row};

    if (row->chain != NULL) return; /* something else is under way: they wait on */
    waiting_tell(service->waiting, row->id, tell_one, &told);
}
