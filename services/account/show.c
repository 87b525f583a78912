/* Wallets as answers; callers who wait for a change. */
#include "account.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- a wallet --- */

/* Sums of the ledger have 128 bits; what the API shows has 18 digits. */
static bool fits(mp_amount sum) { return sum <= (mp_amount)AMOUNT_MAX; }

static void show_balances(const struct wallets *service, const struct wallet *wallet,
                          struct account *out)
{
    uint64_t sequence = ledger_newest(service->context.reads);
    struct account_balances *show = &out->balances;
    mp_balance sums;
    int64_t posted, held;

    if (mp_read_balance(service->context.reads, id_of_uuid(wallet->id), &sums) != MP_OK) return;
    if (!fits(sums.credits_posted) || !fits(sums.debits_posted) || !fits(sums.credits_pending) ||
        !fits(sums.debits_pending))
        return;
    posted = (int64_t)sums.credits_posted - (int64_t)sums.debits_posted;
    held = (int64_t)sums.debits_pending;
    show->posted = amount_of(posted, wallet->currency);
    show->available = amount_of(posted - held, wallet->currency);
    show->pending_out = amount_of(held, wallet->currency);
    show->pending_in = amount_of((int64_t)sums.credits_pending, wallet->currency);
    ledger_place_print(service->context.reads, wallet->books.live, sequence, out->sequence);
    out->present |= RECORD_BIT(account, balances) | RECORD_BIT(account, sequence);
}

static void show_text(char *out, const char *text, size_t size, uint64_t bit, uint64_t *present)
{
    if (text[0] == '\0') return;
    memcpy(out, text, size);
    *present |= bit;
}

void wallet_show(const struct wallets *service, const struct wallet *wallet, struct account *out)
{
    memset(out, 0, sizeof *out);
    out->id = wallet->id;
    out->status = wallet_status(wallet);
    if (wallet->frozen != 0) {
        out->frozen = wallet->frozen;
        out->present |= RECORD_BIT(account, frozen);
    }
    show_text(out->frozen_reason, wallet->frozen_reason, sizeof out->frozen_reason,
              RECORD_BIT(account, frozen_reason), &out->present);
    show_text(out->reference, wallet->reference, sizeof out->reference,
              RECORD_BIT(account, reference), &out->present);
    show_text(out->name, wallet->name, sizeof out->name, RECORD_BIT(account, name), &out->present);
    if (!uuid_is_zero(wallet->owner)) {
        out->owner = wallet->owner;
        out->present |= RECORD_BIT(account, owner);
    }
    memcpy(out->currency.code, wallet->currency->code, sizeof out->currency.code);
    _Static_assert(sizeof out->limits == sizeof wallet->limits.limits, "the same list");
    memcpy(&out->limits, &wallet->limits.limits, sizeof out->limits);
    out->durability = ACCOUNT_LOCAL;
    out->created_at = wallet->created_ns;
    out->updated_at = wallet->updated_ns;
    out->version = wallet->version;
    if (wallet->status == ACCOUNT_STATUS_OPENING) return;
    out->ledger = wallet->ledger;
    out->present |= RECORD_BIT(account, ledger);
    if (service->context.reads != NULL) show_balances(service, wallet, out);
}

static void set_headers(const struct wallets *service, struct http_exchange *exchange,
                        const struct wallet *wallet)
{
    char id[UUID_TEXT + 1], location[80];

    uuid_print(wallet->id, id);
    snprintf(location, sizeof location, "/api/v1/accounts/%s", id);
    http_set_header(exchange, "Location", location);
    ledger_place_header(service->context.reads, exchange, wallet->sequence);
}

void wallet_answer(const struct wallets *service, struct http_exchange *exchange, unsigned status,
                   const struct wallet *wallet)
{
    struct account body;

    wallet_show(service, wallet, &body);
    if (exchange->route->method == HTTP_POST) set_headers(service, exchange, wallet);
    http_answer_record(exchange, status, &body);
}

/* --- a change --- */

/* Why the ledger has refused it, with the wallet as it stands. */
static void answer_refused(const struct wallets *service, struct http_exchange *exchange,
                           const struct wallet *wallet, const struct change *change)
{
    struct account body;
    struct error err;

    if (change->step == STEP_ACCOUNT) {
        error_set(&err, REASON_KEY_REUSED, "the ledger has another account of that id");
        error_hint(&err, "Use a new key.");
        http_answer_problem(exchange, &err);
        return;
    }
    if (change->code == MP_TRANSFER_ACCOUNT_NOT_EMPTY)
        error_set(&err, REASON_ACCOUNT_NOT_EMPTY, "the account holds money, or some is reserved");
    else
        error_set(&err, ledger_reason(change->code), "the ledger refused the change with %s",
                  mp_transfer_result_name(change->code));
    ledger_place_header(service->context.reads, exchange, wallet->sequence);
    wallet_show(service, wallet, &body);
    http_answer_problem_with(exchange, &err, "account", &account_record, &body);
}

static bool is_answered(const struct change *change)
{
    return change->state == CHANGE_APPLIED || change->state == CHANGE_REFUSED;
}

static void answer_change(const struct wallets *service, struct http_exchange *exchange,
                          const struct wallet *wallet, const struct change *change, bool replayed)
{
    if (replayed) http_set_header(exchange, "Idempotent-Replayed", "true");
    if (change->state == CHANGE_REFUSED)
        answer_refused(service, exchange, wallet, change);
    else if (change->state == CHANGE_APPLIED)
        wallet_answer(service, exchange, change->step == STEP_ACCOUNT ? 201 : 200, wallet);
    else
        wallet_answer(service, exchange, 202, wallet);
}

/* --- waiting --- */

/* What an exchange remembers while it waits, for when its time is over. */
struct asked {
    struct wallet wallet;
    struct change change; /* without its chain */
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

    answer_change(exchange->service, exchange, &asked->wallet, &asked->change, asked->replayed);
}

void wallet_change_wait(struct wallets *service, struct http_exchange *exchange,
                        const struct wallet *wallet, const struct change *change, bool replayed)
{
    struct asked *asked;

    if (is_answered(change) || exchange->wait_ms == 0 || service->stopping) {
        answer_change(service, exchange, wallet, change, replayed);
        return;
    }
    asked = need_memory(sizeof *asked);
    *asked = (struct asked){*wallet, *change, replayed};
    asked->change.chain = NULL;
    exchange->user = asked;
    exchange->forget = forget;
    waiting_add(service->waiting, change->id, exchange, exchange->wait_ms, on_time_over);
}

struct told {
    struct wallets *service;
    const struct wallet *wallet;
    const struct change *change;
};

static bool tell_one(struct http_exchange *exchange, void *context)
{
    const struct told *told = context;
    const struct asked *asked = exchange->user;

    answer_change(told->service, exchange, told->wallet, told->change, asked->replayed);
    return true;
}

void wallet_change_tell(struct wallets *service, const struct wallet *wallet,
                        const struct change *change)
{
    struct told told = {service, wallet, change};

    waiting_tell(service->waiting, change->id, tell_one, &told);
}
