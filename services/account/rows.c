/* The rows that the pieces of a turn share: each loaded once, written once. */
#include "account.h"

#include <stdlib.h>
#include <string.h>

/* --- finding --- */

static unsigned bucket(struct uuid id)
{
    unsigned hash;

    memcpy(&hash, id.bytes, sizeof hash); /* ids are hashes themselves */
    return hash % ROWS_BUCKETS;
}

struct wallet *account_rows_wallet(const struct rows *rows, struct uuid id)
{
    struct wallet *wallet = rows->wallet_buckets[bucket(id)];

    while (wallet != NULL && !uuid_equal(wallet->id, id)) wallet = wallet->same_bucket;
    return wallet;
}

struct change *account_rows_change(const struct rows *rows, struct uuid id)
{
    struct change *change = rows->change_buckets[bucket(id)];

    while (change != NULL && !uuid_equal(change->id, id)) change = change->same_bucket;
    return change;
}

struct currency_books *account_rows_books(const struct rows *rows, const struct books *books,
                                          const struct currency *currency)
{
    struct currency_books *row = rows->books;

    while (row != NULL && (row->currency != currency || row->books.live != books->live ||
                           strcmp(row->books.tenant, books->tenant) != 0))
        row = row->next;
    return row;
}

struct currency_books *account_rows_books_of_change(const struct rows *rows, struct uuid change)
{
    struct currency_books *row = rows->books;

    while (row != NULL && !uuid_equal(row->change, change)) row = row->next;
    return row;
}

/* --- adding --- */

struct wallet *account_rows_add_wallet(struct rows *rows, struct uuid id)
{
    struct wallet *wallet = need_memory(sizeof *wallet),
                  **first = &rows->wallet_buckets[bucket(id)];

    wallet->id = id;
    wallet->same_bucket = *first;
    *first = wallet;
    *rows->wallets_end = wallet;
    rows->wallets_end = &wallet->next;
    return wallet;
}

struct change *account_rows_add_change(struct rows *rows, struct uuid id)
{
    struct change *change = need_memory(sizeof *change),
                  **first = &rows->change_buckets[bucket(id)];

    change->id = id;
    change->same_bucket = *first;
    *first = change;
    *rows->changes_end = change;
    rows->changes_end = &change->next;
    return change;
}

struct currency_books *account_rows_add_books(struct rows *rows, const struct books *books,
                                              const struct currency *currency)
{
    struct currency_books *row = need_memory(sizeof *row);

    row->books = *books;
    row->currency = currency;
    row->next = rows->books;
    rows->books = row;
    return row;
}

/* --- changing --- */

void wallet_touch(struct wallet *wallet, uint64_t now_ns)
{
    wallet->version++;
    wallet->updated_ns = now_ns;
}

void wallet_change_send(struct change *change, const struct chain *chain)
{
    uint8_t bytes[CHAIN_BYTES_MAX];

    change->chain_length = chain_encode(chain, bytes);
    free(change->chain);
    change->chain = need_memory(change->chain_length);
    memcpy(change->chain, bytes, change->chain_length);
    change->state = CHANGE_SENT;
    change->changed = true;
}

/* --- a turn --- */

void account_rows_free(struct rows *rows)
{
    for (struct wallet *wallet = rows->wallets, *next; wallet != NULL; wallet = next) {
        next = wallet->next;
        free(wallet);
    }
    for (struct change *change = rows->changes, *next; change != NULL; change = next) {
        next = change->next;
        free(change->chain);
        free(change);
    }
    for (struct currency_books *books = rows->books, *next; books != NULL; books = next) {
        next = books->next;
        free(books);
    }
    memset(rows, 0, sizeof *rows);
    rows->wallets_end = &rows->wallets;
    rows->changes_end = &rows->changes;
}

void account_rows_begin(void *context, struct turn *turn)
{
    struct wallets *service = context;

    (void)turn;
    account_rows_free(&service->rows);
}

enum outcome account_rows_write(void *context, struct turn *turn, struct error *err)
{
    const struct rows *rows = &((struct wallets *)context)->rows;
    struct store *store = turn_store(turn);

    if (rows->damaged) return account_damaged(err);
    for (const struct currency_books *books = rows->books; books != NULL; books = books->next)
        if ((books->fresh || books->changed) &&
            account_sql_store_books(store, books, err) != OUTCOME_DONE)
            return err->outcome;
    for (const struct wallet *wallet = rows->wallets; wallet != NULL; wallet = wallet->next)
        if ((wallet->gone || wallet->version != wallet->stored_version) &&
            account_sql_store_wallet(store, wallet, err) != OUTCOME_DONE)
            return err->outcome;
    for (const struct change *change = rows->changes; change != NULL; change = change->next)
        if ((change->fresh || change->changed || change->gone) &&
            account_sql_store_change(store, change, err) != OUTCOME_DONE)
            return err->outcome;
    return OUTCOME_DONE;
}

/* What the turn has made durable goes to the ledger, in the order in which it was asked for. One
 * that was loaded as sent is under way already, unless nobody knew how its own turn had ended. */
void account_rows_end(void *context, struct turn *turn, bool committed)
{
    struct wallets *service = context;

    (void)turn;
    if (!committed) return;
    for (const struct change *change = service->rows.changes; change; change = change->next)
        if (change->state == CHANGE_SENT &&
            !resend_add(service->resend, change->chain, change->chain_length, change->id))
            abort(); /* account_rows_write() would have refused it */
}
