/*
 * Limits: account says how much an account may move, this counts what it has moved.
 *
 * A payment is taken from its payer's limits in the transaction that stores it, by an update that
 * holds only while the sum stays within the limit; so any number of payers at once never go beyond.
 * It is given back in the transaction of the result that frees it, to the period it was taken from:
 * that of the payment's creation.
 */
#include "payments.h"

#include "wire/times.h"

#include <stdio.h>
#include <string.h>

static const struct store_statement load_limits = {
    "load an account's limits",
    "SELECT l.period, l.count, l.amount, "
    "(SELECT u.count FROM limits_used u WHERE u.account = l.account AND u.kind = l.kind AND "
    "u.period = l.period AND u.starts_ns = $3), "
    "(SELECT u.amount FROM limits_used u WHERE u.account = l.account AND u.kind = l.kind AND "
    "u.period = l.period AND u.starts_ns = $3), "
    "(SELECT u.count FROM limits_used u WHERE u.account = l.account AND u.kind = l.kind AND "
    "u.period = l.period AND u.starts_ns = $4), "
    "(SELECT u.amount FROM limits_used u WHERE u.account = l.account AND u.kind = l.kind AND "
    "u.period = l.period AND u.starts_ns = $4) "
    "FROM limits l WHERE l.account = $1 AND l.kind = $2",
};
static const struct store_statement take = {
    "take from a limit",
    "INSERT INTO limits_used (account, kind, period, starts_ns, count, amount) "
    "VALUES ($1, $2, $3, $4, 1, $5) ON CONFLICT (account, kind, period, starts_ns) DO UPDATE SET "
    "count = limits_used.count + 1, amount = limits_used.amount + $5",
};
static const struct store_statement give_back = {
    "give back to a limit",
    "UPDATE limits_used SET count = count - $5, amount = amount - $6 "
    "WHERE account = $1 AND kind = $2 AND period = $3 AND starts_ns = $4",
};
static const struct store_statement forget_limits = {
    "forget an account's limits",
    "DELETE FROM limits WHERE account = $1",
};
static const struct store_statement store_limit = {
    "store a limit",
    "INSERT INTO limits (account, kind, period, count, amount) VALUES ($1, $2, $3, $4, $5)",
};

/* A limit and what is used of it */
struct used {
    struct limit_copy limit;
    int64_t count, amount;
};
struct loaded {
    struct used rows[3];
    unsigned count;
};

static uint64_t period_begin(unsigned period, uint64_t now_ns)
{
    struct date date = date_of_instant(now_ns);

    if (period == LIMIT_PERIOD_MONTH) date.day = 1;
    return period == LIMIT_PERIOD_PAYMENT ? 0 : date_begin(date);
}

static unsigned limit_kind(const struct payment *p)
{
    return p->kind == KIND_DEPOSIT      ? LIMIT_KIND_DEPOSIT
           : p->kind == KIND_WITHDRAWAL ? LIMIT_KIND_WITHDRAWAL
                                        : LIMIT_KIND_PAYMENT;
}

static struct account_id limited_account(const struct payment *p)
{
    return p->kind == KIND_DEPOSIT ? p->payee : p->payer;
}

static void on_limit(void *context, const struct store_row *row)
{
    struct loaded *loaded = context;
    struct used *used = &loaded->rows[loaded->count];
    unsigned at;

    if (loaded->count == 3) return;
    loaded->count++;
    *used = (struct used){.limit = {
                              .period = (unsigned)store_read_integer(row, 0),
                              .has_count = row->values[1].kind != STORE_NULL,
                              .has_amount = row->values[2].kind != STORE_NULL,
                              .count = store_read_integer(row, 1),
                              .amount = store_read_integer(row, 2),
                          }};
    if (used->limit.period == LIMIT_PERIOD_PAYMENT) return;
    at = used->limit.period == LIMIT_PERIOD_DAY ? 3 : 5;
    used->count = store_read_integer(row, at);
    used->amount = store_read_integer(row, at + 1);
}

static enum outcome load(struct turn *turn, const struct payment *p, struct loaded *out,
                         struct error *err)
{
    struct account_id account = limited_account(p);
    struct store_value v[] = {
        store_bytes(account.uuid.bytes, sizeof account.uuid.bytes),
        store_integer(limit_kind(p)),
        store_integer((int64_t)period_begin(LIMIT_PERIOD_DAY, p->created_ns)),
        store_integer((int64_t)period_begin(LIMIT_PERIOD_MONTH, p->created_ns)),
    };
    enum outcome outcome;

    out->count = 0;
    outcome = store_query(turn_store(turn), &load_limits, v, 4, on_limit, out, err);
    return outcome == OUTCOME_DONE ? store_sync(turn_store(turn), err) : outcome;
}

static enum outcome exceeded(const struct payment *p, const struct used *used, struct error *err)
{
    char limit[AMOUNT_TEXT_MAX], left[AMOUNT_TEXT_MAX];
    const char *period = limit_periods[used->limit.period - 1];

    if (used->limit.has_count && used->count + 1 > used->limit.count) {
        error_set(err, REASON_LIMIT_EXCEEDED, "the account may make %lld %ss a %s",
                  (long long)used->limit.count, payment_kinds[p->kind - 1], period);
        error_member(err, "limit_count", "%lld", (long long)used->limit.count);
    } else {
        int64_t rest = used->limit.amount - used->amount;

        amount_print(amount_of(used->limit.amount, p->currency), limit);
        amount_print(amount_of(rest > 0 ? rest : 0, p->currency), left);
        error_set(err, REASON_LIMIT_EXCEEDED, "the account may move %s %s a %s, and %s is left",
                  limit, p->currency->code, period, left);
        error_member(err, "limit", "%s", limit);
        error_member(err, "left", "%s", left);
        error_member(err, "currency", "%s", p->currency->code);
    }
    error_member(err, "period", "%s", period);
    return err->outcome;
}

static bool fits(const struct payment *p, const struct used *used)
{
    if (used->limit.has_count && used->count + 1 > used->limit.count) return false;
    return !used->limit.has_amount || p->amount <= used->limit.amount - used->amount;
}

enum outcome limits_take(struct turn *turn, struct payment *p, struct error *err)
{
    struct account_id account = limited_account(p);
    struct loaded loaded;
    enum outcome outcome = load(turn, p, &loaded, err);

    if (outcome != OUTCOME_DONE) return outcome;
    for (unsigned i = 0; i < loaded.count; i++)
        if (!fits(p, &loaded.rows[i])) return exceeded(p, &loaded.rows[i], err);
    for (unsigned i = 0; i < loaded.count && outcome == OUTCOME_DONE; i++) {
        unsigned period = loaded.rows[i].limit.period;
        struct store_value v[] = {
            store_bytes(account.uuid.bytes, sizeof account.uuid.bytes),
            store_integer(limit_kind(p)),
            store_integer(period),
            store_integer((int64_t)period_begin(period, p->created_ns)),
            store_integer(p->amount),
        };

        if (period == LIMIT_PERIOD_PAYMENT) continue;
        outcome = store_exec(turn_store(turn), &take, v, 5, 1, err);
        p->limited |= 1U << period;
    }
    return outcome;
}

enum outcome limits_give_back(struct turn *turn, const struct payment *p, int64_t amount,
                              bool payment, struct error *err)
{
    static const unsigned periods[] = {LIMIT_PERIOD_DAY, LIMIT_PERIOD_MONTH};
    struct account_id account = limited_account(p);
    enum outcome outcome = OUTCOME_DONE;

    for (unsigned i = 0; i < 2 && outcome == OUTCOME_DONE; i++) {
        struct store_value v[] = {
            store_bytes(account.uuid.bytes, sizeof account.uuid.bytes),
            store_integer(limit_kind(p)),
            store_integer(periods[i]),
            store_integer((int64_t)period_begin(periods[i], p->created_ns)),
            store_integer(payment),
            store_integer(amount),
        };

        if ((p->limited >> periods[i] & 1) == 0) continue;
        outcome = store_exec(turn_store(turn), &give_back, v, 6, 1, err);
    }
    return outcome;
}

enum outcome limits_store(struct store *store, struct account_id account,
                          const struct limit_copy *limits, unsigned count, struct error *err)
{
    struct store_value id = store_bytes(account.uuid.bytes, sizeof account.uuid.bytes);
    struct store_value null = {.kind = STORE_NULL};
    enum outcome outcome = store_exec(store, &forget_limits, &id, 1, -1, err);

    for (unsigned i = 0; i < count && outcome == OUTCOME_DONE; i++) {
        struct store_value v[] = {
            id,
            store_integer(limits[i].kind),
            store_integer(limits[i].period),
            limits[i].has_count ? store_integer(limits[i].count) : null,
            limits[i].has_amount ? store_integer(limits[i].amount) : null,
        };

        outcome = store_exec(store, &store_limit, v, 5, 1, err);
    }
    return outcome;
}
