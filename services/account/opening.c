/*
 * Opening an account: its row, its ledger account, and before the first one of a currency the
 * books: the ledger number and the system accounts.
 *
 * A wallet whose books are not made yet waits; the answer to the books sends its opening. Books and
 * openings are sent after they are durable and again until answered, so a crash at any point leaves
 * a wallet that opens by itself, once.
 */
#include "account.h"

#include "http/idempotency.h"

#include <stdlib.h>
#include <string.h>

struct opening {
    struct work work;
    struct wallets *service;
    struct http_exchange *exchange;
    struct uuid id;
    struct books books;
    const struct currency *currency;
    struct uuid reference_owner; /* the account that has the reference */
    bool replayed;
};

/* --- chains --- */

void wallet_send_opening(struct wallet *wallet, struct change *change, uint32_t number)
{
    struct chain chain = {.operation = MP_CREATE_ACCOUNTS, .count = 1};

    wallet->ledger = number;
    chain.events.accounts[0] = (mp_account){
        .id = id_of_uuid(wallet->id),
        .user_data_128 = id_of_uuid(wallet->owner),
        .ledger = number,
        .code = ACCOUNT_CODE_WALLET,
        .flags = MP_ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS,
    };
    wallet_change_send(change, &chain);
}

void wallet_books_send(struct currency_books *books, struct change *change)
{
    struct chain chain;

    books->number = ledger_number(&books->books, books->currency->code, books->tries);
    books->changed = true;
    chain_of_books(&books->books, books->currency->code, books->number, &chain);
    wallet_change_send(change, &chain);
}

/* --- in the turn --- */

static struct currency_books *begin_books(struct opening *w, struct turn *turn)
{
    struct rows *rows = &w->service->rows;
    struct currency_books *books = account_rows_add_books(rows, &w->books, w->currency);
    struct change *change;

    books->fresh = true;
    books->change = uuid_of_id(ledger_root_data(&w->books, w->currency->code));
    change = account_rows_add_change(rows, books->change);
    change->fresh = true;
    change->step = STEP_BOOKS;
    change->created_ns = turn_now_ns(turn);
    memcpy(change->trace, w->exchange->traceparent, sizeof change->trace);
    wallet_books_send(books, change);
    return books;
}

static void make_wallet(struct opening *w, struct turn *turn)
{
    const struct account_request *body = w->exchange->input;
    struct rows *rows = &w->service->rows;
    struct wallet *wallet = account_rows_add_wallet(rows, w->id);
    struct change *change = account_rows_add_change(rows, w->id);
    const struct currency_books *books = account_rows_books(rows, &w->books, w->currency);

    wallet->books = w->books;
    wallet->owner = body->owner;
    wallet->currency = w->currency;
    memcpy(wallet->reference, body->reference, sizeof wallet->reference);
    memcpy(wallet->name, body->name, sizeof wallet->name);
    wallet->created_ns = turn_now_ns(turn);
    wallet->status = ACCOUNT_STATUS_OPENING;
    wallet_touch(wallet, turn_now_ns(turn));
    change->fresh = true;
    change->step = STEP_ACCOUNT;
    change->account = w->id;
    change->created_ns = turn_now_ns(turn);
    change->state = CHANGE_WAITING;
    memcpy(change->trace, w->exchange->traceparent, sizeof change->trace);
    if (books == NULL) books = begin_books(w, turn);
    if (books->made) wallet_send_opening(wallet, change, books->number);
}

/* Books that the ledger has refused can't be had: none of their accounts would ever open. */
static enum outcome check_books(const struct opening *w, struct error *err)
{
    const struct rows *rows = &w->service->rows;
    const struct currency_books *books = account_rows_books(rows, &w->books, w->currency);
    const struct change *change = books != NULL ? account_rows_change(rows, books->change) : NULL;

    if (change == NULL || change->state != CHANGE_REFUSED) return OUTCOME_DONE;
    error_set(err, REASON_INTERNAL, "cannot open accounts in %s: its books could not be made",
              w->currency->code);
    return account_refuse(err);
}

/* What was asked with the same key before: the same, or what differs. */
static enum outcome compare(const struct opening *w, const struct wallet *before, struct error *err)
{
    const struct account_request *body = w->exchange->input;
    const char *what = NULL;

    if (before->currency != w->currency) what = "currency";
    if (!uuid_equal(before->owner, body->owner)) what = "owner";
    if (strcmp(before->reference, body->reference) != 0) what = "reference";
    if (strcmp(before->name, body->name) != 0) what = "name";
    if (what == NULL) return OUTCOME_DONE;
    error_set(err, REASON_KEY_REUSED, "the key has opened an account with another %s", what);
    error_member(err, "differs", "/%s", what);
    return err->outcome;
}

static bool has_reference(const struct opening *w)
{
    const struct account_request *body = w->exchange->input;

    return body->reference[0] != '\0';
}

/* Whether an account has the reference: in the database, or in this turn. */
static bool reference_is_used(const struct opening *w)
{
    const struct account_request *body = w->exchange->input;

    if (!has_reference(w)) return false;
    if (!uuid_is_zero(w->reference_owner)) return true;
    for (const struct wallet *other = w->service->rows.wallets; other; other = other->next)
        if (!other->gone && wallet_of_caller(other, &w->exchange->caller) &&
            strcmp(other->reference, body->reference) == 0)
            return true;
    return false;
}

static enum outcome load(struct work *work, struct turn *turn, struct error *err)
{
    struct opening *w = (struct opening *)work;
    const struct account_request *body = w->exchange->input;
    struct rows *rows = &w->service->rows;
    struct store *store = turn_store(turn);

    w->reference_owner = (struct uuid){{0}};
    if (account_sql_load_wallet(rows, store, w->id, err) != OUTCOME_DONE ||
        account_sql_load_change(rows, store, w->id, err) != OUTCOME_DONE ||
        account_sql_load_books(rows, store, &w->books, w->currency, err) != OUTCOME_DONE)
        return err->outcome;
    if (!has_reference(w)) return OUTCOME_DONE;
    return account_sql_find_reference(store, &w->books, body->reference, &w->reference_owner, err);
}

static enum outcome apply(struct work *work, struct turn *turn, struct error *err)
{
    struct opening *w = (struct opening *)work;
    const struct wallet *before = account_rows_wallet(&w->service->rows, w->id);

    w->replayed = before != NULL;
    if (before != NULL) return compare(w, before, err);
    if (reference_is_used(w))
        return error_set(err, REASON_REFERENCE_USED, "another account has the reference");
    if (resend_count(w->service->resend) >= w->service->settings->unanswered_max) {
        error_set(err, REASON_BUSY, "%u changes of accounts wait for the ledger",
                  resend_count(w->service->resend));
        return account_refuse(err);
    }
    if (check_books(w, err) != OUTCOME_DONE) return err->outcome;
    make_wallet(w, turn);
    return OUTCOME_DONE;
}

static void done(struct work *work, enum outcome outcome, const struct error *err)
{
    struct opening *w = (struct opening *)work;

    if (outcome == OUTCOME_DONE)
        wallet_change_wait(w->service, w->exchange, account_rows_wallet(&w->service->rows, w->id),
                           account_rows_change(&w->service->rows, w->id), w->replayed);
    else
        http_answer_problem(w->exchange, err);
    free(w);
}

void accounts_open(struct http_exchange *exchange)
{
    const struct account_request *body = exchange->input;
    struct opening *w = need_memory(sizeof *w);

    w->work = (struct work){.load = load, .apply = apply, .done = done};
    w->service = exchange->service;
    w->exchange = exchange;
    w->id = idempotency_id(exchange);
    memcpy(w->books.tenant, exchange->caller.tenant, sizeof w->books.tenant);
    w->books.live = exchange->caller.live;
    w->currency = currency_find(body->currency.code);
    turns_add(w->service->turns, &w->work);
}
