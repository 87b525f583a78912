/* Every statement of the payment service, and rows to structs and back. */
#include "payments.h"

#include "wire/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAYMENT_COLUMNS                                                                            \
    "id, tenant, live, owner, kind, payer, payee, scheme, identifier, currency, ledger, "          \
    "fee_fixed, fee_ppm, refund_fees, capture, timeout, reference, created_ns, effective_ns, "     \
    "fingerprint, fee_leg, limited, lasting, status, reason, giving_up, hold, amount, captured, "  \
    "refunded, "                                                                                   \
    "refundable, fee_captured, verdict, rail, legs, updated_ns, review_ns, hold_until_ns, "        \
    "due_ns, "                                                                                     \
    "version, sequence"
const char sql_payment_columns[] = PAYMENT_COLUMNS;

/* In the order of PAYMENT_COLUMNS */
enum {
    AT_ID,
    AT_TENANT,
    AT_LIVE,
    AT_OWNER,
    AT_KIND,
    AT_PAYER,
    AT_PAYEE,
    AT_SCHEME,
    AT_IDENTIFIER,
    AT_CURRENCY,
    AT_LEDGER,
    AT_FEE_FIXED,
    AT_FEE_PPM,
    AT_REFUND_FEES,
    AT_CAPTURE,
    AT_TIMEOUT,
    AT_REFERENCE,
    AT_CREATED,
    AT_EFFECTIVE,
    AT_FINGERPRINT,
    AT_FEE_LEG,
    AT_LIMITED,
    AT_LASTING,
    AT_STATUS,
    AT_REASON,
    AT_GIVING_UP,
    AT_HOLD,
    AT_AMOUNT,
    AT_CAPTURED,
    AT_REFUNDED,
    AT_REFUNDABLE,
    AT_FEE_CAPTURED,
    AT_VERDICT,
    AT_RAIL,
    AT_LEGS,
    AT_UPDATED,
    AT_REVIEW,
    AT_HOLD_UNTIL,
    AT_DUE,
    AT_VERSION,
    AT_SEQUENCE,
    PAYMENT_VALUES,
};
enum { FIRST_CHANGING = AT_STATUS };

static const struct store_statement load_payment = {
    "load a payment",
    "SELECT " PAYMENT_COLUMNS " FROM payments WHERE id = $1",
};
static const struct store_statement insert_payment = {
    "store a payment",
    "INSERT INTO payments (" PAYMENT_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, "
    "$11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, "
    "$29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41)",
};
/* The guard on the version finds a second writer. */
#define SET_CHANGED                                                                                \
    "UPDATE payments SET status = $2, reason = $3, giving_up = $4, hold = $5, amount = $6, "       \
    "captured = $7, refunded = $8, refundable = $9, fee_captured = $10, verdict = $11, "           \
    "rail = $12, legs = $13, updated_ns = $14, review_ns = $15, hold_until_ns = $16, "             \
    "due_ns = $17, version = $18, sequence = $19"
#define WHERE_UNCHANGED " WHERE id = $1 AND version = $20"
static const struct store_statement update_payment = {
    "change a payment",
    SET_CHANGED WHERE_UNCHANGED,
};
static const struct store_statement update_lasting_payment = {
    "change a payment and how long it lasts",
    SET_CHANGED ", lasting = $21" WHERE_UNCHANGED,
};
static const struct store_statement load_operations = {
    "load a payment's operations",
    "SELECT id, step, state, attempt, number, amount, fee, seconds, final, on_insufficient, "
    "reason, code, created_ns, answered_ns, retry_ns, sequence, fingerprint, chain "
    "FROM operations WHERE payment = $1",
};
static const struct store_statement insert_operation = {
    "store an operation",
    "INSERT INTO operations (payment, id, step, state, attempt, number, amount, fee, seconds, "
    "final, on_insufficient, reason, code, created_ns, answered_ns, retry_ns, sequence, "
    "fingerprint, chain) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, "
    "$15, $16, $17, $18, $19)",
};
static const struct store_statement update_operation = {
    "change an operation",
    "UPDATE operations SET state = $4, attempt = $5, seconds = $6, reason = $7, code = $8, "
    "answered_ns = $9, retry_ns = $10, sequence = $11, chain = $12 "
    "WHERE payment = $1 AND id = $2 AND step = $3",
};

/* --- words and numbers --- */

static struct store_value reason_value(enum reason reason)
{
    return store_text(reason == REASON_NONE ? NULL : reason_row(reason)->name);
}

static enum reason read_reason(const struct store_row *row, unsigned column)
{
    char name[48];

    store_read_text(row, column, name, sizeof name);
    return name[0] == '\0' ? REASON_NONE : reason_find(name);
}

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
    return store_text(text[0] == '\0' ? NULL : text);
}

/* --- payments --- */

static void payment_values(const struct payment *p, struct store_value *v)
{
    v[AT_ID] = id_value(&p->id);
    v[AT_TENANT] = store_text(p->books.tenant);
    v[AT_LIVE] = number(p->books.live);
    v[AT_OWNER] = id_value(&p->owner);
    v[AT_KIND] = number(p->kind);
    v[AT_PAYER] = id_value(&p->payer.uuid);
    v[AT_PAYEE] = id_value(&p->payee.uuid);
    v[AT_SCHEME] = text_or_null(p->scheme);
    v[AT_IDENTIFIER] = text_or_null(p->identifier);
    v[AT_CURRENCY] = store_text(p->currency->code);
    v[AT_LEDGER] = number(p->ledger);
    v[AT_FEE_FIXED] = store_integer(p->fee_fixed);
    v[AT_FEE_PPM] = store_integer(p->fee_ppm);
    v[AT_REFUND_FEES] = number(p->refund_fees);
    v[AT_CAPTURE] = number(p->capture);
    v[AT_TIMEOUT] = number(p->timeout);
    v[AT_REFERENCE] = text_or_null(p->reference);
    v[AT_CREATED] = number(p->created_ns);
    v[AT_EFFECTIVE] = number(p->effective_ns);
    v[AT_FINGERPRINT] = store_bytes(p->fingerprint, sizeof p->fingerprint);
    v[AT_FEE_LEG] = number(p->fee_leg);
    v[AT_LIMITED] = number(p->limited);
    v[AT_LASTING] = number(p->lasting);
    v[AT_STATUS] = number(p->status);
    v[AT_REASON] = reason_value(p->reason);
    v[AT_GIVING_UP] = reason_value(p->giving_up);
    v[AT_HOLD] = number(p->hold);
    v[AT_AMOUNT] = store_integer(p->amount);
    v[AT_CAPTURED] = store_integer(p->captured);
    v[AT_REFUNDED] = store_integer(p->refunded);
    v[AT_REFUNDABLE] = store_integer(p->refundable);
    v[AT_FEE_CAPTURED] = store_integer(p->fee_captured);
    v[AT_VERDICT] = number(p->verdict);
    v[AT_RAIL] = number(p->rail);
    v[AT_LEGS] = store_bytes(p->legs, p->leg_count * sizeof p->legs[0]);
    v[AT_UPDATED] = number(p->updated_ns);
    v[AT_REVIEW] = number(p->review_ns);
    v[AT_HOLD_UNTIL] = number(p->hold_until_ns);
    v[AT_DUE] = number(p->due_ns);
    v[AT_VERSION] = number(p->version);
    v[AT_SEQUENCE] = number(p->sequence);
}

void sql_read_payment(const struct store_row *row, struct payment *p)
{
    char currency[4];
    const struct store_value *legs = &row->values[AT_LEGS];

    p->id = store_read_uuid(row, AT_ID);
    store_read_text(row, AT_TENANT, p->books.tenant, sizeof p->books.tenant);
    p->books.live = store_read_integer(row, AT_LIVE) != 0;
    p->owner = store_read_uuid(row, AT_OWNER);
    p->kind = (enum payment_kind)store_read_integer(row, AT_KIND);
    p->payer.uuid = store_read_uuid(row, AT_PAYER);
    p->payee.uuid = store_read_uuid(row, AT_PAYEE);
    store_read_text(row, AT_SCHEME, p->scheme, sizeof p->scheme);
    store_read_text(row, AT_IDENTIFIER, p->identifier, sizeof p->identifier);
    store_read_text(row, AT_CURRENCY, currency, sizeof currency);
    p->currency = currency_find(currency);
    p->ledger = (uint32_t)store_read_integer(row, AT_LEDGER);
    p->fee_fixed = store_read_integer(row, AT_FEE_FIXED);
    p->fee_ppm = store_read_integer(row, AT_FEE_PPM);
    p->refund_fees = (enum refund_fees)store_read_integer(row, AT_REFUND_FEES);
    p->capture = (enum capture_mode)store_read_integer(row, AT_CAPTURE);
    p->timeout = (uint32_t)store_read_integer(row, AT_TIMEOUT);
    store_read_text(row, AT_REFERENCE, p->reference, sizeof p->reference);
    p->created_ns = read_number(row, AT_CREATED);
    p->effective_ns = read_number(row, AT_EFFECTIVE);
    if (row->values[AT_FINGERPRINT].length == sizeof p->fingerprint)
        memcpy(p->fingerprint, row->values[AT_FINGERPRINT].bytes, sizeof p->fingerprint);
    p->fee_leg = store_read_integer(row, AT_FEE_LEG) != 0;
    p->limited = (unsigned)store_read_integer(row, AT_LIMITED);
    p->lasting = store_read_integer(row, AT_LASTING) != 0;
    p->status = (enum payment_status)store_read_integer(row, AT_STATUS);
    p->reason = read_reason(row, AT_REASON);
    p->giving_up = read_reason(row, AT_GIVING_UP);
    p->hold = (enum hold)store_read_integer(row, AT_HOLD);
    p->amount = store_read_integer(row, AT_AMOUNT);
    p->captured = store_read_integer(row, AT_CAPTURED);
    p->refunded = store_read_integer(row, AT_REFUNDED);
    p->refundable = store_read_integer(row, AT_REFUNDABLE);
    p->fee_captured = store_read_integer(row, AT_FEE_CAPTURED);
    p->verdict = (enum verdict)store_read_integer(row, AT_VERDICT);
    p->rail = (enum rail_state)store_read_integer(row, AT_RAIL);
    p->leg_count = (unsigned)(legs->length / sizeof p->legs[0]);
    if (p->leg_count > LEGS_MAX) p->leg_count = LEGS_MAX;
    if (p->leg_count > 0) memcpy(p->legs, legs->bytes, p->leg_count * sizeof p->legs[0]);
    p->updated_ns = read_number(row, AT_UPDATED);
    p->review_ns = read_number(row, AT_REVIEW);
    p->hold_until_ns = read_number(row, AT_HOLD_UNTIL);
    p->due_ns = read_number(row, AT_DUE);
    p->version = read_number(row, AT_VERSION);
    p->version_stored = p->version;
    p->sequence = read_number(row, AT_SEQUENCE);
}

static void on_payment(void *context, const struct store_row *values)
{
    struct row *row = context;

    if (row->payment == NULL) row->payment = payment_make();
    sql_read_payment(values, row->payment);
}

/* Operations come in the order of their ids: they are put in that of creation. */
static void insert_in_order(struct payment *p, const struct operation *loaded)
{
    unsigned at;

    payment_add_operation(p);
    for (at = p->operation_count - 1; at > 0 && p->operations[at - 1].number > loaded->number; at--)
        p->operations[at] = p->operations[at - 1];
    p->operations[at] = *loaded;
}

static void on_operation(void *context, const struct store_row *values)
{
    struct row *row = context;
    struct operation op = {
        .id = store_read_uuid(values, 0),
        .step = (enum step)store_read_integer(values, 1),
        .state = (enum operation_state)store_read_integer(values, 2),
        .attempt = (uint32_t)store_read_integer(values, 3),
        .number = (uint32_t)store_read_integer(values, 4),
        .amount = store_read_integer(values, 5),
        .fee = store_read_integer(values, 6),
        .seconds = read_number(values, 7),
        .final = store_read_integer(values, 8) != 0,
        .on_insufficient = (enum on_insufficient)store_read_integer(values, 9),
        .reason = read_reason(values, 10),
        .code = (uint32_t)store_read_integer(values, 11),
        .created_ns = read_number(values, 12),
        .answered_ns = read_number(values, 13),
        .retry_ns = read_number(values, 14),
        .sequence = read_number(values, 15),
        .chain_length = (uint32_t)values->values[17].length,
        .row = ROW_SAME,
    };

    if (values->values[16].length == sizeof op.fingerprint)
        memcpy(op.fingerprint, values->values[16].bytes, sizeof op.fingerprint);
    op.chain = need_memory(op.chain_length);
    memcpy(op.chain, values->values[17].bytes, op.chain_length);
    /* a payment is asked for before its operations: its row was read */
    if (row->payment == NULL) row->payment = payment_make();
    insert_in_order(row->payment, &op);
}

enum outcome sql_load_payment(struct store *store, struct uuid id, struct row *row,
                              struct error *err)
{
    struct store_value argument = id_value(&id);
    enum outcome outcome = store_query(store, &load_payment, &argument, 1, on_payment, row, err);

    if (outcome != OUTCOME_DONE) return outcome;
    return store_query(store, &load_operations, &argument, 1, on_operation, row, err);
}

static bool lasts(const struct payment *p)
{
    return payment_is_open(p) &&
           (p->lasting || p->capture == CAPTURE_MANUAL || p->status == STATUS_IN_REVIEW);
}

enum outcome sql_store_payment(struct store *store, struct payment *p, struct error *err)
{
    struct store_value v[PAYMENT_VALUES], u[21];
    bool lasted = p->lasting;

    p->lasting = lasts(p);
    payment_values(p, v);
    if (p->fresh) return store_exec(store, &insert_payment, v, PAYMENT_VALUES, 1, err);
    u[0] = v[AT_ID];
    memcpy(u + 1, v + FIRST_CHANGING, (PAYMENT_VALUES - FIRST_CHANGING) * sizeof *v);
    u[19] = number(p->version_stored);
    u[20] = v[AT_LASTING];
    if (p->lasting == lasted) return store_exec(store, &update_payment, u, 20, 1, err);
    return store_exec(store, &update_lasting_payment, u, 21, 1, err);
}

enum outcome sql_store_operation(struct store *store, const struct payment *p, unsigned index,
                                 struct error *err)
{
    const struct operation *op = &p->operations[index];
    bool has_fingerprint = !uuid_equal(op->id, p->id);

    if (op->row == ROW_NEW) {
        struct store_value v[] = {
            id_value(&p->id),
            id_value(&op->id),
            number(op->step),
            number(op->state),
            number(op->attempt),
            number(op->number),
            store_integer(op->amount),
            store_integer(op->fee),
            number(op->seconds),
            number(op->final),
            number(op->on_insufficient),
            reason_value(op->reason),
            number(op->code),
            number(op->created_ns),
            number(op->answered_ns),
            number(op->retry_ns),
            number(op->sequence),
            has_fingerprint ? store_bytes(op->fingerprint, sizeof op->fingerprint)
                            : (struct store_value){.kind = STORE_NULL},
            store_bytes(op->chain, op->chain_length),
        };

        return store_exec(store, &insert_operation, v, 19, 1, err);
    }
    struct store_value v[] = {
        id_value(&p->id),         id_value(&op->id),    number(op->step),
        number(op->state),        number(op->attempt),  number(op->seconds),
        reason_value(op->reason), number(op->code),     number(op->answered_ns),
        number(op->retry_ns),     number(op->sequence), store_bytes(op->chain, op->chain_length),
    };
    return store_exec(store, &update_operation, v, 12, 1, err);
}

/* --- references --- */

static const struct store_statement find_reference = {
    "look a reference up",
    "SELECT id FROM payments WHERE tenant = $1 AND live = $2 AND reference = $3",
};

static void on_id(void *context, const struct store_row *row)
{
    *(struct uuid *)context = store_read_uuid(row, 0);
}

enum outcome sql_find_reference(struct store *store, const struct books *books,
                                const char *reference, struct uuid *found, struct error *err)
{
    struct store_value v[] = {store_text(books->tenant), number(books->live),
                              store_text(reference)};

    *found = (struct uuid){{0}};
    return store_query(store, &find_reference, v, 3, on_id, found, err);
}

/* --- accounts --- */

static const struct store_statement load_account = {
    "load an account",
    "SELECT tenant, live, currency, ledger, status, frozen, version FROM accounts WHERE id = $1",
};
/* What comes late, or twice, is older than what is there. */
static const struct store_statement store_account = {
    "store an account",
    "INSERT INTO accounts (id, tenant, live, currency, ledger, status, frozen, version) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET "
    "status = excluded.status, frozen = excluded.frozen, version = excluded.version "
    "WHERE excluded.version > accounts.version",
};

struct found_account {
    struct account_copy *account;
    bool *found;
};

static void on_account(void *context, const struct store_row *row)
{
    struct found_account *to = context;
    char currency[4];

    store_read_text(row, 0, to->account->books.tenant, sizeof to->account->books.tenant);
    to->account->books.live = store_read_integer(row, 1) != 0;
    store_read_text(row, 2, currency, sizeof currency);
    to->account->currency = currency_find(currency);
    to->account->ledger = (uint32_t)store_read_integer(row, 3);
    to->account->status = (unsigned)store_read_integer(row, 4);
    to->account->frozen = (unsigned)store_read_integer(row, 5);
    to->account->version = read_number(row, 6);
    *to->found = to->account->currency != NULL;
}

enum outcome sql_load_account(struct store *store, struct account_id id, struct account_copy *out,
                              bool *found, struct error *err)
{
    struct store_value argument = id_value(&id.uuid);
    struct found_account to = {out, found};
    enum outcome outcome;

    *found = false;
    out->id = id;
    outcome = store_query(store, &load_account, &argument, 1, on_account, &to, err);
    return outcome == OUTCOME_DONE ? store_sync(store, err) : outcome;
}

enum outcome sql_store_account(struct store *store, const struct account_copy *account,
                               struct error *err)
{
    struct store_value v[] = {
        id_value(&account->id.uuid), store_text(account->books.tenant),
        number(account->books.live), store_text(account->currency->code),
        number(account->ledger),     number(account->status),
        number(account->frozen),     number(account->version),
    };

    return store_exec(store, &store_account, v, 8, -1, err);
}

static const struct store_statement open_by_payer = {
    "list what lasts of a payer's payments",
    "SELECT id FROM payments WHERE payer = $1 AND lasting = 1 AND giving_up IS NULL LIMIT $2",
};
static const struct store_statement open_by_payee = {
    "list what lasts of a payee's payments",
    "SELECT id FROM payments WHERE payee = $1 AND lasting = 1 AND giving_up IS NULL LIMIT $2",
};

struct listed {
    struct uuid *ids;
    unsigned count, max;
};

static void on_listed(void *context, const struct store_row *row)
{
    struct listed *listed = context;

    if (listed->count < listed->max) listed->ids[listed->count++] = store_read_uuid(row, 0);
}

enum outcome sql_open_payments(struct store *store, struct account_id account, bool as_payer,
                               struct uuid *out, unsigned max, unsigned *count, struct error *err)
{
    struct store_value v[] = {id_value(&account.uuid), number(max)};
    struct listed listed = {out, 0, max};
    enum outcome outcome = store_query(store, as_payer ? &open_by_payer : &open_by_payee, v, 2,
                                       on_listed, &listed, err);

    if (outcome == OUTCOME_DONE) outcome = store_sync(store, err);
    *count = listed.count;
    return outcome;
}

/* --- the ledger's position, and what it has not answered --- */

static const struct store_statement load_position = {
    "load the ledger's position",
    "SELECT position FROM ledger_position WHERE one = 1",
};
static const struct store_statement store_position = {
    "store the ledger's position",
    "UPDATE ledger_position SET position = $1 WHERE one = 1",
};
static const struct store_statement unanswered = {
    "list what the ledger has not answered",
    "SELECT payment, chain FROM operations WHERE state = 1 ORDER BY created_ns",
};

static void on_position(void *context, const struct store_row *row)
{
    *(uint64_t *)context = read_number(row, 0);
}

enum outcome sql_load_position(struct store *store, uint64_t *out, struct error *err)
{
    enum outcome outcome = store_query(store, &load_position, NULL, 0, on_position, out, err);

    return outcome == OUTCOME_DONE ? store_sync(store, err) : outcome;
}

enum outcome sql_store_position(struct store *store, uint64_t position, struct error *err)
{
    struct store_value v = number(position);

    return store_exec(store, &store_position, &v, 1, 1, err);
}

struct each_unanswered {
    void (*each)(void *context, struct uuid payment, const void *chain, size_t length);
    void *context;
};

static void on_unanswered(void *context, const struct store_row *row)
{
    const struct each_unanswered *to = context;

    to->each(to->context, store_read_uuid(row, 0), row->values[1].bytes, row->values[1].length);
}

/* As payment_is_settled() has it: initiated, processing, or being given up. Whoever waits has a
 * timer, or a command that isn't answered. */
static const struct store_statement count_waiting = {
    "count the payments that wait",
    "SELECT COUNT(*) FROM payments WHERE status < 6"
    " AND (status IN (1, 5) OR giving_up IS NOT NULL)"
    " AND id IN (SELECT key FROM timers WHERE kind = 1"
    " UNION SELECT payment FROM operations WHERE state = 1)",
};

static void on_count(void *context, const struct store_row *row)
{
    *(uint64_t *)context = (uint64_t)store_read_integer(row, 0);
}

enum outcome sql_count_waiting(struct store *store, uint64_t *out, struct error *err)
{
    if (store_query(store, &count_waiting, NULL, 0, on_count, out, err) != OUTCOME_DONE)
        return err->outcome;
    return store_sync(store, err);
}

enum outcome sql_unanswered(struct store *store,
                            void (*each)(void *context, struct uuid payment, const void *chain,
                                         size_t length),
                            void *context, struct error *err)
{
    struct each_unanswered to = {each, context};
    enum outcome outcome = store_query(store, &unanswered, NULL, 0, on_unanswered, &to, err);

    return outcome == OUTCOME_DONE ? store_sync(store, err) : outcome;
}

static const struct store_statement for_rails = {
    "list what is to be handed to a rail",
    "SELECT id FROM payments WHERE rail = 1 ORDER BY created_ns LIMIT $1",
};

enum outcome sql_for_rails(struct store *store, struct uuid *out, unsigned max, unsigned *count,
                           struct error *err)
{
    struct store_value v = number(max);
    struct listed listed = {out, 0, max};
    enum outcome outcome = store_query(store, &for_rails, &v, 1, on_listed, &listed, err);

    if (outcome == OUTCOME_DONE) outcome = store_sync(store, err);
    *count = listed.count;
    return outcome;
}
