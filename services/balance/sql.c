/* Every statement of the balance service, and rows to structs and back. */
#include "balance.h"

#include "wire/buffer.h"

#include <string.h>

#define ACCOUNT_COLUMNS "id, tenant, live, currency, ledger, version"
#define RESERVATION_COLUMNS                                                                        \
    "id, tenant, live, account, payee, currency, ledger, amount, hold_for, reference, trace, "     \
    "created, status, release, reason, expires, updated, version, sequence, chain"

/* In the order of RESERVATION_COLUMNS */
enum {
    AT_ID,
    AT_TENANT,
    AT_LIVE,
    AT_ACCOUNT,
    AT_PAYEE,
    AT_CURRENCY,
    AT_LEDGER,
    AT_AMOUNT,
    AT_HOLD_FOR,
    AT_REFERENCE,
    AT_TRACE,
    AT_CREATED,
    AT_STATUS,
    AT_RELEASE,
    AT_REASON,
    AT_EXPIRES,
    AT_UPDATED,
    AT_VERSION,
    AT_SEQUENCE,
    AT_CHAIN,
    AT_STORED, /* the version that must be there */
    AT_VALUES,
};

const char balance_sql_select_reservations[] = "SELECT " RESERVATION_COLUMNS " FROM reservations"
                                               " WHERE account = $1 AND tenant = $2 AND live = $3";

static const struct store_statement load_account = {
    "load an account", "SELECT " ACCOUNT_COLUMNS " FROM accounts WHERE id = $1"};
static const struct store_statement store_account = {
    "store an account",
    "INSERT INTO accounts (" ACCOUNT_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6)"
    " ON CONFLICT (id) DO UPDATE SET tenant = excluded.tenant, live = excluded.live,"
    " currency = excluded.currency, ledger = excluded.ledger, version = excluded.version"
    " WHERE excluded.version > accounts.version"};
static const struct store_statement load_reservation = {
    "load a reservation", "SELECT " RESERVATION_COLUMNS " FROM reservations WHERE id = $1"};
static const struct store_statement insert_reservation = {
    "store a reservation",
    "INSERT INTO reservations (" RESERVATION_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8,"
    " $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)"};
/* The guard on the version finds a second writer. */
static const struct store_statement update_reservation = {
    "change a reservation",
    "UPDATE reservations SET status = $13, release = $14, reason = $15, expires = $16,"
    " updated = $17, version = $18, sequence = $19, chain = $20 WHERE id = $1 AND version = $21"};
static const struct store_statement find_unanswered = {
    "find what the ledger has not answered",
    "SELECT id, chain FROM reservations WHERE chain IS NOT NULL ORDER BY created"};
static const struct store_statement load_positions = {
    "load how far the ledger is known",
    "SELECT expiries, journal, tails FROM positions WHERE one = 1"};
static const struct store_statement store_expiries = {
    "store how far expiries are known", "UPDATE positions SET expiries = $1 WHERE one = 1"};
static const struct store_statement store_journal = {
    "store how far the journal was told",
    "UPDATE positions SET journal = $1, tails = $2 WHERE one = 1"};

/* --- values --- */

static struct store_value number(uint64_t value) { return store_integer((int64_t)value); }

static uint64_t read_number(const struct store_row *row, unsigned column)
{
    return (uint64_t)store_read_integer(row, column);
}

static struct store_value id_value(const struct uuid *id)
{
    return store_bytes(id->bytes, sizeof id->bytes);
}

/* One that was taken off ISO's list since is shown as none, in minor units. */
static const struct currency *read_currency(const struct store_row *row, unsigned column)
{
    static const struct currency none = {"XXX", 999, 0, "no currency"};
    const struct currency *currency;
    char code[4];

    store_read_text(row, column, code, sizeof code);
    currency = currency_find(code);
    return currency != NULL ? currency : &none;
}

/* --- accounts --- */

static void on_account(void *context, const struct store_row *row)
{
    struct known_account *account = context;

    account->id = store_read_uuid(row, 0);
    store_read_text(row, 1, account->books.tenant, sizeof account->books.tenant);
    account->books.live = store_read_integer(row, 2) != 0;
    account->currency = read_currency(row, 3);
    account->ledger = (uint32_t)store_read_integer(row, 4);
    account->version = read_number(row, 5);
    account->found = true;
}

enum outcome balance_sql_load_account(struct store *store, struct uuid id,
                                      struct known_account *out, struct error *err)
{
    *out = (struct known_account){.id = id};
    return store_query(store, &load_account, (struct store_value[]){id_value(&id)}, 1, on_account,
                       out, err);
}

enum outcome balance_sql_store_account(struct store *store, const struct known_account *account,
                                       struct error *err)
{
    struct store_value values[] = {
        id_value(&account->id),      store_text(account->books.tenant),
        number(account->books.live), store_text(account->currency->code),
        number(account->ledger),     number(account->version),
    };

    return store_exec(store, &store_account, values, 6, -1, err);
}

/* --- reservations --- */

void balance_sql_read_reservation(const struct store_row *row, struct reservation *r)
{
    char reason[48];

    r->id = store_read_uuid(row, AT_ID);
    store_read_text(row, AT_TENANT, r->books.tenant, sizeof r->books.tenant);
    r->books.live = store_read_integer(row, AT_LIVE) != 0;
    r->account = store_read_uuid(row, AT_ACCOUNT);
    r->payee = store_read_uuid(row, AT_PAYEE);
    r->currency = read_currency(row, AT_CURRENCY);
    r->ledger = (uint32_t)store_read_integer(row, AT_LEDGER);
    r->amount = store_read_integer(row, AT_AMOUNT);
    r->hold_s = read_number(row, AT_HOLD_FOR);
    store_read_text(row, AT_REFERENCE, r->reference, sizeof r->reference);
    store_read_text(row, AT_TRACE, r->trace, sizeof r->trace);
    r->created_ns = read_number(row, AT_CREATED);
    r->status = (unsigned)store_read_integer(row, AT_STATUS);
    r->release = store_read_integer(row, AT_RELEASE) != 0;
    store_read_text(row, AT_REASON, reason, sizeof reason);
    r->reason = reason_find(reason);
    r->expires_ns = read_number(row, AT_EXPIRES);
    r->updated_ns = read_number(row, AT_UPDATED);
    r->version = r->stored_version = read_number(row, AT_VERSION);
    r->sequence = read_number(row, AT_SEQUENCE);
}

static void on_reservation(void *context, const struct store_row *row)
{
    struct reservations *rows = context;
    struct uuid id = store_read_uuid(row, AT_ID);
    const struct store_value *chain = &row->values[AT_CHAIN];
    struct chain decoded;
    struct reservation *r;

    if (balance_rows_find(rows, id) != NULL) return;
    r = balance_rows_add(rows, id);
    balance_sql_read_reservation(row, r);
    if (chain->kind != STORE_BYTES) return;
    if (chain_decode(chain->bytes, chain->length, &decoded))
        reservation_send(r, &decoded);
    else
        rows->damaged = true;
}

enum outcome balance_sql_load_reservation(struct reservations *rows, struct store *store,
                                          struct uuid id, struct error *err)
{
    return store_query(store, &load_reservation, (struct store_value[]){id_value(&id)}, 1,
                       on_reservation, rows, err);
}

enum outcome balance_sql_store_reservation(struct store *store, const struct reservation *r,
                                           struct error *err)
{
    const char *reason = r->reason != REASON_NONE ? reason_row(r->reason)->name : NULL;
    struct store_value v[AT_VALUES] = {
        [AT_ID] = id_value(&r->id),
        [AT_TENANT] = store_text(r->books.tenant),
        [AT_LIVE] = number(r->books.live),
        [AT_ACCOUNT] = id_value(&r->account),
        [AT_PAYEE] = id_value(&r->payee),
        [AT_CURRENCY] = store_text(r->currency->code),
        [AT_LEDGER] = number(r->ledger),
        [AT_AMOUNT] = store_integer(r->amount),
        [AT_HOLD_FOR] = number(r->hold_s),
        [AT_REFERENCE] = store_text(r->reference[0] != '\0' ? r->reference : NULL),
        [AT_TRACE] = store_text(r->trace),
        [AT_CREATED] = number(r->created_ns),
        [AT_STATUS] = number(r->status),
        [AT_RELEASE] = number(r->release),
        [AT_REASON] = store_text(reason),
        [AT_EXPIRES] = number(r->expires_ns),
        [AT_UPDATED] = number(r->updated_ns),
        [AT_VERSION] = number(r->version),
        [AT_SEQUENCE] = number(r->sequence),
        [AT_STORED] = number(r->stored_version),
    };

    if (r->chain != NULL) v[AT_CHAIN] = store_bytes(r->chain, r->chain_length);
    if (r->stored_version == 0) return store_exec(store, &insert_reservation, v, AT_STORED, 1, err);
    return store_exec(store, &update_reservation, v, AT_VALUES, 1, err);
}

/* --- at start --- */

struct unanswered {
    struct resend *resend;
    bool damaged;
};

static void on_unanswered(void *context, const struct store_row *row)
{
    struct unanswered *unanswered = context;
    const struct store_value *chain = &row->values[1];

    unanswered->damaged |=
        !resend_add(unanswered->resend, chain->bytes, chain->length, store_read_uuid(row, 0));
}

static enum outcome read_alone(struct store *store, const struct store_statement *statement,
                               store_on_row on_row, void *context, struct error *err)
{
    if (store_begin(store, err) != OUTCOME_DONE) return err->outcome;
    if (store_query(store, statement, NULL, 0, on_row, context, err) == OUTCOME_DONE)
        return store_commit(store, err);
    store_rollback(store);
    return err->outcome;
}

enum outcome balance_sql_send_unanswered(struct store *store, struct resend *resend,
                                         struct error *err)
{
    struct unanswered unanswered = {.resend = resend};

    if (read_alone(store, &find_unanswered, on_unanswered, &unanswered, err) != OUTCOME_DONE)
        return err->outcome;
    return unanswered.damaged ? balance_damaged(err) : OUTCOME_DONE;
}

/* --- positions --- */

static void on_positions(void *context, const struct store_row *row)
{
    struct positions *positions = context;

    positions->expiries = read_number(row, 0);
    positions->journal = read_number(row, 1);
    store_read_text(row, 2, positions->tails, sizeof positions->tails);
}

enum outcome balance_sql_load_positions(struct store *store, struct positions *out,
                                        struct error *err)
{
    return read_alone(store, &load_positions, on_positions, out, err);
}

enum outcome balance_sql_store_expiries(struct store *store, uint64_t position, struct error *err)
{
    return store_exec(store, &store_expiries, (struct store_value[]){number(position)}, 1, 1, err);
}

enum outcome balance_sql_store_journal(struct store *store, const struct positions *positions,
                                       struct error *err)
{
    struct store_value values[] = {number(positions->journal), store_text(positions->tails)};

    return store_exec(store, &store_journal, values, 2, 1, err);
}
