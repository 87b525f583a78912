/* The rows of reversals. */
#include "reversal.h"

#include <string.h>

static const struct store_statement select_reversal = {
    "read a reversal",
    "SELECT id, tenant, live, reverses, fingerprint, chain, created, state, reason, amount,"
    " sequence, answered FROM reversals WHERE id = $1"};
static const struct store_statement select_unanswered = {
    "list reversals without answer",
    "SELECT id, chain FROM reversals WHERE state = 1 ORDER BY created"};
static const struct store_statement insert_reversal = {
    "store a reversal",
    "INSERT INTO reversals (id, tenant, live, reverses, fingerprint, chain, created, state, reason,"
    " amount, sequence, answered) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"};
static const struct store_statement update_reversal = {
    "store the answer to a reversal",
    "UPDATE reversals SET state = $2, reason = $3, amount = $4, sequence = $5, answered = $6"
    " WHERE id = $1"};

static bool read_bytes(const struct store_row *row, unsigned column, void *out, size_t length)
{
    const struct store_value *value = &row->values[column];

    if (value->kind != STORE_BYTES || value->length != length) return false;
    memcpy(out, value->bytes, length);
    return true;
}

static void on_row(void *context, const struct store_row *row)
{
    struct reversal_load *load = context;
    struct reversal *out = &load->row;
    const struct store_value *chain = &row->values[5];
    char reason[64];

    *out = (struct reversal){.id = store_read_uuid(row, 0), .reverses = store_read_uuid(row, 3)};
    store_read_text(row, 1, out->books.tenant, sizeof out->books.tenant);
    out->books.live = store_read_integer(row, 2) != 0;
    out->created_ns = (uint64_t)store_read_integer(row, 6);
    out->state = (enum reversal_state)store_read_integer(row, 7);
    store_read_text(row, 8, reason, sizeof reason);
    out->reason = reason_find(reason);
    out->sequence = (uint64_t)store_read_integer(row, 10);
    out->answered_ns = (uint64_t)store_read_integer(row, 11);
    load->found = true;
    load->damaged = chain->length > sizeof out->chain ||
                    !read_bytes(row, 4, out->fingerprint, sizeof out->fingerprint) ||
                    !read_bytes(row, 9, &out->amount, sizeof out->amount) ||
                    out->state < REVERSAL_SENT || out->state > REVERSAL_REFUSED;
    if (load->damaged) return;
    out->chain_length = chain->length;
    memcpy(out->chain, chain->bytes, chain->length);
}

enum outcome reversal_load(struct store *store, struct uuid id, struct reversal_load *out,
                           struct error *err)
{
    struct store_value argument = store_uuid(&id);

    out->found = out->damaged = false;
    return store_query(store, &select_reversal, &argument, 1, on_row, out, err);
}

static struct store_value reason_value(enum reason reason)
{
    return store_text(reason == REASON_NONE ? NULL : reason_row(reason)->name);
}

enum outcome reversal_insert(struct store *store, const struct reversal *reversal,
                             struct error *err)
{
    struct store_value arguments[] = {
        store_uuid(&reversal->id),
        store_text(reversal->books.tenant),
        store_integer(reversal->books.live),
        store_uuid(&reversal->reverses),
        store_bytes(reversal->fingerprint, sizeof reversal->fingerprint),
        store_bytes(reversal->chain, reversal->chain_length),
        store_integer((int64_t)reversal->created_ns),
        store_integer(reversal->state),
        reason_value(reversal->reason),
        store_bytes(&reversal->amount, sizeof reversal->amount),
        store_integer((int64_t)reversal->sequence),
        store_integer((int64_t)reversal->answered_ns),
    };

    return store_exec(store, &insert_reversal, arguments, 12, 1, err);
}

enum outcome reversal_update(struct store *store, const struct reversal *reversal,
                             struct error *err)
{
    struct store_value arguments[] = {
        store_uuid(&reversal->id),
        store_integer(reversal->state),
        reason_value(reversal->reason),
        store_bytes(&reversal->amount, sizeof reversal->amount),
        store_integer((int64_t)reversal->sequence),
        store_integer((int64_t)reversal->answered_ns),
    };

    return store_exec(store, &update_reversal, arguments, 6, 1, err);
}

struct listing {
    void (*each)(void *context, struct uuid id, const void *chain, size_t length);
    void *context;
};

static void on_unanswered(void *context, const struct store_row *row)
{
    const struct listing *listing = context;

    listing->each(listing->context, store_read_uuid(row, 0), row->values[1].bytes,
                  row->values[1].length);
}

enum outcome reversal_unanswered(struct store *store,
                                 void (*each)(void *context, struct uuid id, const void *chain,
                                              size_t length),
                                 void *context, struct error *err)
{
    struct listing listing = {each, context};

    if (store_begin(store, err) != OUTCOME_DONE) return err->outcome;
    if (store_query(store, &select_unanswered, NULL, 0, on_unanswered, &listing, err) !=
            OUTCOME_DONE ||
        store_sync(store, err) != OUTCOME_DONE) {
        store_rollback(store);
        return err->outcome;
    }
    return store_commit(store, err);
}
