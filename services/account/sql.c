/* Every statement of the account service, and rows to structs and back. */
#include "account.h"

#include "wire/json.h"

#include <stdlib.h>
#include <string.h>

#define WALLET_COLUMNS                                                                             \
    "id, tenant, live, owner, currency, reference, name, created, ledger, status, frozen, "        \
    "frozen_reason, limits, updated, version, sequence"
#define CHANGE_COLUMNS                                                                             \
    "id, step, account, created, lifts, side, reason, trace, state, chain, code, answered, "       \
    "sequence"
#define BOOKS_COLUMNS "tenant, live, currency, change, number, tries, made"

/* In the order of WALLET_COLUMNS */
enum {
    WALLET_ID,
    WALLET_TENANT,
    WALLET_LIVE,
    WALLET_OWNER,
    WALLET_CURRENCY,
    WALLET_REFERENCE,
    WALLET_NAME,
    WALLET_CREATED,
    WALLET_LEDGER,
    WALLET_STATUS,
    WALLET_FROZEN,
    WALLET_FROZEN_REASON,
    WALLET_LIMITS,
    WALLET_UPDATED,
    WALLET_VERSION,
    WALLET_SEQUENCE,
    WALLET_STORED, /* the version that must be there */
    WALLET_VALUES,
};
/* In the order of CHANGE_COLUMNS */
enum {
    CHANGE_ID,
    CHANGE_STEP,
    CHANGE_ACCOUNT,
    CHANGE_CREATED,
    CHANGE_LIFTS,
    CHANGE_SIDE,
    CHANGE_REASON,
    CHANGE_TRACE,
    CHANGE_STATE,
    CHANGE_CHAIN,
    CHANGE_CODE,
    CHANGE_ANSWERED,
    CHANGE_SEQUENCE,
    CHANGE_VALUES,
};
/* In the order of BOOKS_COLUMNS */
enum {
    BOOKS_TENANT,
    BOOKS_IS_LIVE,
    BOOKS_CURRENCY,
    BOOKS_CHANGE,
    BOOKS_NUMBER,
    BOOKS_TRIES,
    BOOKS_MADE,
    BOOKS_VALUES,
};

const char account_sql_select_wallets[] =
    "SELECT " WALLET_COLUMNS " FROM wallets WHERE tenant = $1 AND live = $2";

static const struct store_statement load_wallet = {
    "load an account", "SELECT " WALLET_COLUMNS " FROM wallets WHERE id = $1"};
static const struct store_statement load_wallet_of_change = {
    "load the account of a change",
    "SELECT " WALLET_COLUMNS
    " FROM wallets WHERE id = (SELECT account FROM changes WHERE id = $1)"};
static const struct store_statement load_waiting_wallets = {
    "load the accounts that wait for a currency",
    "SELECT " WALLET_COLUMNS " FROM wallets WHERE id IN"
    " (SELECT account FROM changes WHERE state = 1) AND (tenant, live, currency) ="
    " (SELECT tenant, live, currency FROM books WHERE change = $1)"};
static const struct store_statement load_change = {
    "load a change of an account", "SELECT " CHANGE_COLUMNS " FROM changes WHERE id = $1"};
static const struct store_statement load_waiting_changes = {
    "load the openings that wait for a currency",
    "SELECT " CHANGE_COLUMNS " FROM changes WHERE state = 1 AND account IN"
    " (SELECT id FROM wallets WHERE (tenant, live, currency) ="
    " (SELECT tenant, live, currency FROM books WHERE change = $1))"};
static const struct store_statement load_books = {
    "load a currency's books",
    "SELECT " BOOKS_COLUMNS " FROM books WHERE tenant = $1 AND live = $2 AND currency = $3"};
static const struct store_statement load_change_of_books = {
    "load how a currency's books are made",
    "SELECT " CHANGE_COLUMNS " FROM changes WHERE id ="
    " (SELECT change FROM books WHERE tenant = $1 AND live = $2 AND currency = $3 AND made = 0)"};
static const struct store_statement load_books_of_change = {
    "load the books that a change makes", "SELECT " BOOKS_COLUMNS " FROM books WHERE change = $1"};
static const struct store_statement find_reference = {
    "look for a reference",
    "SELECT id FROM wallets WHERE tenant = $1 AND live = $2 AND reference = $3"};
static const struct store_statement find_unanswered = {
    "find what the ledger has not answered",
    "SELECT id, chain FROM changes WHERE state = 2 ORDER BY created"};

static const struct store_statement insert_wallet = {
    "store an account",
    "INSERT INTO wallets (" WALLET_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,"
    " $11, $12, $13, $14, $15, $16)"};
/* The guard on the version finds a second writer. */
static const struct store_statement update_wallet = {
    "change an account",
    "UPDATE wallets SET ledger = $9, status = $10, frozen = $11, frozen_reason = $12, limits = $13,"
    " updated = $14, version = $15, sequence = $16 WHERE id = $1 AND version = $17"};
static const struct store_statement delete_wallet = {
    "take back an account", "DELETE FROM wallets WHERE id = $1 AND version = $17"};
static const struct store_statement insert_change = {
    "store a change of an account",
    "INSERT INTO changes (" CHANGE_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,"
    " $12, $13)"};
static const struct store_statement update_change = {
    "store what became of a change",
    "UPDATE changes SET state = $9, chain = $10, code = $11, answered = $12, sequence = $13"
    " WHERE id = $1"};
static const struct store_statement delete_change = {"take back a change",
                                                     "DELETE FROM changes WHERE id = $1"};
static const struct store_statement insert_books = {"store a currency's books",
                                                    "INSERT INTO books (" BOOKS_COLUMNS
                                                    ") VALUES ($1, $2, $3, $4, $5, $6, $7)"};
static const struct store_statement update_books = {
    "store what became of a currency's books",
    "UPDATE books SET number = $5, tries = $6, made = $7"
    " WHERE tenant = $1 AND live = $2 AND currency = $3"};

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

static struct store_value text_or_null(const char *text)
{
    return store_text(text[0] != '\0' ? text : NULL);
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

static void read_books(const struct store_row *row, unsigned tenant, struct books *out)
{
    store_read_text(row, tenant, out->tenant, sizeof out->tenant);
    out->live = store_read_integer(row, tenant + 1) != 0;
}

static void read_limits(const struct store_row *row, struct account_limits *out)
{
    const struct store_value *value = &row->values[WALLET_LIMITS];
    struct error err = {0};
    cJSON *json;

    if (value->kind != STORE_TEXT) return;
    json = json_parse(value->bytes, value->length, &err);
    if (json == NULL) return;
    if (record_read(&account_limits_record, json, false, "", out, &err) != OUTCOME_DONE)
        out->limits.count = 0;
    cJSON_Delete(json);
}

void account_sql_read_wallet(const struct store_row *row, struct wallet *w)
{
    w->id = store_read_uuid(row, WALLET_ID);
    read_books(row, WALLET_TENANT, &w->books);
    w->owner = store_read_uuid(row, WALLET_OWNER);
    w->currency = read_currency(row, WALLET_CURRENCY);
    store_read_text(row, WALLET_REFERENCE, w->reference, sizeof w->reference);
    store_read_text(row, WALLET_NAME, w->name, sizeof w->name);
    w->created_ns = read_number(row, WALLET_CREATED);
    w->ledger = (uint32_t)store_read_integer(row, WALLET_LEDGER);
    w->status = (unsigned)store_read_integer(row, WALLET_STATUS);
    w->frozen = (unsigned)store_read_integer(row, WALLET_FROZEN);
    if (w->status == ACCOUNT_STATUS_FROZEN) w->status = ACCOUNT_STATUS_ACTIVE;
    store_read_text(row, WALLET_FROZEN_REASON, w->frozen_reason, sizeof w->frozen_reason);
    read_limits(row, &w->limits);
    w->updated_ns = read_number(row, WALLET_UPDATED);
    w->version = w->stored_version = read_number(row, WALLET_VERSION);
    w->sequence = read_number(row, WALLET_SEQUENCE);
}

static void on_wallet(void *context, const struct store_row *row)
{
    struct uuid id = store_read_uuid(row, WALLET_ID);

    if (account_rows_wallet(context, id) == NULL)
        account_sql_read_wallet(row, account_rows_add_wallet(context, id));
}

static void on_change(void *context, const struct store_row *row)
{
    const struct store_value *chain = &row->values[CHANGE_CHAIN];
    struct uuid id = store_read_uuid(row, CHANGE_ID);
    struct chain decoded;
    struct change *c;

    if (account_rows_change(context, id) != NULL) return;
    c = account_rows_add_change(context, id);
    c->step = (enum step)store_read_integer(row, CHANGE_STEP);
    c->account = store_read_uuid(row, CHANGE_ACCOUNT);
    c->created_ns = read_number(row, CHANGE_CREATED);
    c->lifts = store_read_integer(row, CHANGE_LIFTS) != 0;
    c->side = (unsigned)store_read_integer(row, CHANGE_SIDE);
    store_read_text(row, CHANGE_REASON, c->reason, sizeof c->reason);
    store_read_text(row, CHANGE_TRACE, c->trace, sizeof c->trace);
    c->state = (enum change_state)store_read_integer(row, CHANGE_STATE);
    c->code = (uint32_t)store_read_integer(row, CHANGE_CODE);
    c->answered_ns = read_number(row, CHANGE_ANSWERED);
    c->sequence = read_number(row, CHANGE_SEQUENCE);
    if (chain->kind != STORE_BYTES) return;
    ((struct rows *)context)->damaged |= !chain_decode(chain->bytes, chain->length, &decoded);
    c->chain_length = chain->length;
    c->chain = need_memory(chain->length);
    memcpy(c->chain, chain->bytes, chain->length);
}

static void on_books(void *context, const struct store_row *row)
{
    const struct currency *currency = read_currency(row, BOOKS_CURRENCY);
    struct currency_books *b;
    struct books books;

    read_books(row, BOOKS_TENANT, &books);
    if (account_rows_books(context, &books, currency) != NULL) return;
    b = account_rows_add_books(context, &books, currency);
    b->change = store_read_uuid(row, BOOKS_CHANGE);
    b->number = (uint32_t)store_read_integer(row, BOOKS_NUMBER);
    b->tries = (unsigned)store_read_integer(row, BOOKS_TRIES);
    b->made = store_read_integer(row, BOOKS_MADE) != 0;
}

/* --- loading --- */

enum outcome account_sql_load_wallet(struct rows *rows, struct store *store, struct uuid id,
                                     struct error *err)
{
    return store_query(store, &load_wallet, (struct store_value[]){id_value(&id)}, 1, on_wallet,
                       rows, err);
}

enum outcome account_sql_load_change(struct rows *rows, struct store *store, struct uuid id,
                                     struct error *err)
{
    return store_query(store, &load_change, (struct store_value[]){id_value(&id)}, 1, on_change,
                       rows, err);
}

enum outcome account_sql_load_answered(struct rows *rows, struct store *store, struct uuid change,
                                       struct error *err)
{
    static const struct {
        const struct store_statement *statement;
        store_on_row on_row;
    } queries[] = {
        {&load_change, on_change},          {&load_wallet_of_change, on_wallet},
        {&load_books_of_change, on_books},  {&load_waiting_changes, on_change},
        {&load_waiting_wallets, on_wallet},
    };

    for (unsigned i = 0; i < sizeof queries / sizeof *queries; i++)
        if (store_query(store, queries[i].statement, (struct store_value[]){id_value(&change)}, 1,
                        queries[i].on_row, rows, err) != OUTCOME_DONE)
            return err->outcome;
    return OUTCOME_DONE;
}

enum outcome account_sql_load_books(struct rows *rows, struct store *store,
                                    const struct books *books, const struct currency *currency,
                                    struct error *err)
{
    struct store_value values[] = {store_text(books->tenant), number(books->live),
                                   store_text(currency->code)};

    if (store_query(store, &load_books, values, 3, on_books, rows, err) != OUTCOME_DONE)
        return err->outcome;
    return store_query(store, &load_change_of_books, values, 3, on_change, rows, err);
}

static void on_reference(void *context, const struct store_row *row)
{
    *(struct uuid *)context = store_read_uuid(row, 0);
}

enum outcome account_sql_find_reference(struct store *store, const struct books *books,
                                        const char *reference, struct uuid *out, struct error *err)
{
    struct store_value values[] = {store_text(books->tenant), number(books->live),
                                   store_text(reference)};

    return store_query(store, &find_reference, values, 3, on_reference, out, err);
}

/* --- storing --- */

static void wallet_values(const struct wallet *w, struct buffer *limits, struct store_value *v)
{
    if (w->limits.limits.count > 0) record_print(&account_limits_record, &w->limits, limits);
    v[WALLET_ID] = id_value(&w->id);
    v[WALLET_TENANT] = store_text(w->books.tenant);
    v[WALLET_LIVE] = number(w->books.live);
    v[WALLET_OWNER] = store_uuid(&w->owner);
    v[WALLET_CURRENCY] = store_text(w->currency->code);
    v[WALLET_REFERENCE] = text_or_null(w->reference);
    v[WALLET_NAME] = text_or_null(w->name);
    v[WALLET_CREATED] = number(w->created_ns);
    v[WALLET_LEDGER] = number(w->ledger);
    v[WALLET_STATUS] = number(wallet_status(w));
    v[WALLET_FROZEN] = number(w->frozen);
    v[WALLET_FROZEN_REASON] = text_or_null(w->frozen_reason);
    v[WALLET_LIMITS] = text_or_null(buffer_str(limits));
    v[WALLET_UPDATED] = number(w->updated_ns);
    v[WALLET_VERSION] = number(w->version);
    v[WALLET_SEQUENCE] = number(w->sequence);
    v[WALLET_STORED] = number(w->stored_version);
}

enum outcome account_sql_store_wallet(struct store *store, const struct wallet *w,
                                      struct error *err)
{
    struct store_value values[WALLET_VALUES];
    struct buffer limits = {0};
    enum outcome outcome = OUTCOME_DONE;

    wallet_values(w, &limits, values);
    if (w->stored_version == 0 && !w->gone)
        outcome = store_exec(store, &insert_wallet, values, WALLET_STORED, 1, err);
    else if (w->stored_version != 0)
        outcome = store_exec(store, w->gone ? &delete_wallet : &update_wallet, values,
                             WALLET_VALUES, 1, err);
    buffer_done(&limits);
    return outcome;
}

enum outcome account_sql_store_change(struct store *store, const struct change *c,
                                      struct error *err)
{
    struct store_value v[CHANGE_VALUES] = {
        [CHANGE_ID] = id_value(&c->id),
        [CHANGE_STEP] = number(c->step),
        [CHANGE_ACCOUNT] = store_uuid(&c->account),
        [CHANGE_CREATED] = number(c->created_ns),
        [CHANGE_LIFTS] = number(c->lifts),
        [CHANGE_SIDE] = number(c->side),
        [CHANGE_REASON] = text_or_null(c->reason),
        [CHANGE_TRACE] = store_text(c->trace),
        [CHANGE_STATE] = number(c->state),
        [CHANGE_CODE] = number(c->code),
        [CHANGE_ANSWERED] = number(c->answered_ns),
        [CHANGE_SEQUENCE] = number(c->sequence),
    };

    if (c->chain != NULL) v[CHANGE_CHAIN] = store_bytes(c->chain, c->chain_length);
    if (c->gone && c->fresh) return OUTCOME_DONE;
    return store_exec(store,
                      c->gone    ? &delete_change
                      : c->fresh ? &insert_change
                                 : &update_change,
                      v, CHANGE_VALUES, 1, err);
}

enum outcome account_sql_store_books(struct store *store, const struct currency_books *b,
                                     struct error *err)
{
    struct store_value v[BOOKS_VALUES] = {
        [BOOKS_TENANT] = store_text(b->books.tenant),
        [BOOKS_IS_LIVE] = number(b->books.live),
        [BOOKS_CURRENCY] = store_text(b->currency->code),
        [BOOKS_CHANGE] = id_value(&b->change),
        [BOOKS_NUMBER] = number(b->number),
        [BOOKS_TRIES] = number(b->tries),
        [BOOKS_MADE] = number(b->made),
    };

    return store_exec(store, b->fresh ? &insert_books : &update_books, v, BOOKS_VALUES, 1, err);
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

enum outcome account_sql_send_unanswered(struct store *store, struct resend *resend,
                                         struct error *err)
{
    struct unanswered unanswered = {.resend = resend};

    if (store_begin(store, err) != OUTCOME_DONE) return err->outcome;
    if (store_query(store, &find_unanswered, NULL, 0, on_unanswered, &unanswered, err) !=
            OUTCOME_DONE ||
        store_sync(store, err) != OUTCOME_DONE) {
        store_rollback(store);
        return err->outcome;
    }
    if (!unanswered.damaged) return store_commit(store, err);
    store_rollback(store);
    return account_damaged(err);
}

enum outcome account_damaged(struct error *err)
{
    error_set(err, REASON_CORRUPT,
              "cannot read what was asked of the ledger: the rows are damaged");
    error_detail(err, "A row of the table changes has a chain that is none.");
    return err->outcome;
}
