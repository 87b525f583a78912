/* The reservations that the pieces of a turn share. */
#include "balance.h"

#include <stdlib.h>
#include <string.h>

static struct reservation **bucket(struct reservations *rows, struct uuid id)
{
    unsigned hash;

    memcpy(&hash, id.bytes, sizeof hash); /* ids are hashes themselves */
    return &rows->buckets[hash % RESERVATION_BUCKETS];
}

struct reservation *balance_rows_find(const struct reservations *rows, struct uuid id)
{
    struct reservation *row = *bucket((struct reservations *)rows, id);

    while (row != NULL && !uuid_equal(row->id, id)) row = row->same_bucket;
    return row;
}

struct reservation *balance_rows_add(struct reservations *rows, struct uuid id)
{
    struct reservation *row = need_memory(sizeof *row), **first = bucket(rows, id);

    row->id = id;
    row->same_bucket = *first;
    *first = row;
    *rows->end = row;
    rows->end = &row->next;
    return row;
}

void reservation_touch(struct reservation *row, uint64_t now_ns)
{
    row->version++;
    row->updated_ns = now_ns;
}

void reservation_send(struct reservation *row, const struct chain *chain)
{
    uint8_t bytes[CHAIN_BYTES_MAX];

    free(row->chain);
    row->chain = NULL;
    row->chain_length = 0;
    if (chain == NULL) return;
    row->chain_length = chain_encode(chain, bytes);
    row->chain = need_memory(row->chain_length);
    memcpy(row->chain, bytes, row->chain_length);
}

/* --- a turn --- */

void balance_rows_free(struct reservations *rows)
{
    for (struct reservation *row = rows->first, *next; row != NULL; row = next) {
        next = row->next;
        free(row->chain);
        free(row);
    }
    memset(rows, 0, sizeof *rows);
    rows->end = &rows->first;
}

void balance_rows_begin(void *context, struct turn *turn)
{
    struct balances *service = context;

    (void)turn;
    balance_rows_free(&service->reservations);
}

enum outcome balance_damaged(struct error *err)
{
    error_set(err, REASON_CORRUPT, "cannot read what was asked of the ledger: rows are damaged");
    error_detail(err, "A row of the table reservations has a chain that is none.");
    return err->outcome;
}

enum outcome balance_rows_write(void *context, struct turn *turn, struct error *err)
{
    struct balances *service = context;
    struct store *store = turn_store(turn);

    if (service->reservations.damaged) return balance_damaged(err);
    for (const struct reservation *row = service->reservations.first; row; row = row->next)
        if (row->version != row->stored_version &&
            balance_sql_store_reservation(store, row, err) != OUTCOME_DONE)
            return err->outcome;
    if (service->expiries == service->expiries_stored) return OUTCOME_DONE;
    return balance_sql_store_expiries(store, service->expiries, err);
}

/* What the turn has made durable goes to the ledger. One that was loaded with its chain is under
 * way already, unless nobody knew how its own turn had ended. */
void balance_rows_end(void *context, struct turn *turn, bool committed)
{
    struct balances *service = context;

    (void)turn;
    if (!committed) return;
    service->expiries_stored = service->expiries;
    for (const struct reservation *row = service->reservations.first; row; row = row->next)
        if (row->chain != NULL &&
            !resend_add(service->resend, row->chain, row->chain_length, row->id))
            abort(); /* balance_rows_write() would have refused it */
}
