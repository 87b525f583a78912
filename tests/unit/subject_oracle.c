/* The oracle behind the table of subject.h. */
#include "subject.h"

#include "oracle/oracle.h"

static oracle *o;

struct oracle *subject_oracle_state(void) { return o; }

static void open_it(uint64_t clock_ns)
{
    (void)clock_ns;
    o = oracle_new();
}

static void close_it(uint64_t clock_ns)
{
    (void)clock_ns;
    oracle_free(o);
    o = NULL;
}

/* It forgets nothing. */
static void reopen(uint64_t clock_ns) { (void)clock_ns; }

static void idle(uint64_t clock_ns)
{
    while (oracle_expire(o, oracle_block_time(o, clock_ns), ORACLE_EXPIRIES_MAX) > 0)
        ;
}

static mp_status create_accounts(uint64_t clock_ns, const mp_account *events, uint32_t count,
                                 mp_result *results)
{
    if (count > MP_BATCH_MAX) return MP_BATCH_TOO_LARGE;
    return oracle_create_accounts(o, oracle_begin(o, clock_ns), events, count, results);
}

static mp_status create_transfers(uint64_t clock_ns, const mp_transfer *events, uint32_t count,
                                  mp_result *results, mp_result_sums *sums)
{
    if (count > MP_BATCH_MAX) return MP_BATCH_TOO_LARGE;
    return oracle_create_transfers(o, oracle_begin(o, clock_ns), events, count, results, sums);
}

static mp_status update_accounts(uint64_t clock_ns, const mp_account_update *events, uint32_t count,
                                 mp_result *results)
{
    if (count > MP_BATCH_MAX) return MP_BATCH_TOO_LARGE;
    return oracle_update_accounts(o, oracle_begin(o, clock_ns), events, count, results);
}

static mp_status balance(mp_id account, mp_balance *out)
{
    return oracle_balance(o, account, out, NULL);
}

static mp_status balance_at(mp_id account, uint64_t at_ns, mp_balance *out)
{
    return oracle_balance_at(o, account, at_ns, out);
}

static mp_status lookup_accounts(const mp_id *ids, uint32_t count, mp_account *out, uint32_t *found)
{
    return oracle_lookup_accounts(o, ids, count, out, found);
}

static mp_status lookup_transfers(const mp_id *ids, uint32_t count, mp_transfer *out,
                                  uint32_t *found)
{
    return oracle_lookup_transfers(o, ids, count, out, found);
}

static mp_status account_transfers(const mp_account_filter *filter, mp_transfer *out,
                                   uint32_t *count)
{
    return oracle_account_transfers(o, filter, out, count);
}

static mp_status account_balances(const mp_account_filter *filter, mp_account_balance *out,
                                  uint32_t *count)
{
    return oracle_account_balances(o, filter, out, count);
}

static mp_status query_accounts(const mp_query_filter *filter, mp_account *out, uint32_t *count)
{
    return oracle_query_accounts(o, filter, out, count);
}

static mp_status query_transfers(const mp_query_filter *filter, mp_transfer *out, uint32_t *count)
{
    return oracle_query_transfers(o, filter, out, count);
}

static mp_status changes(const mp_change_filter *filter, mp_change *out, uint32_t *count)
{
    return oracle_changes(o, filter, out, count);
}

static mp_status statement(const mp_account_filter *filter, unsigned flags, mp_statement_row *rows,
                           uint32_t max, uint32_t *count)
{
    return oracle_statement(o, filter, flags, rows, max, count);
}

static void stats(mp_stats *out) { oracle_stats(o, out); }

const struct subject subject_oracle = {
    .name = "oracle",
    .open = open_it,
    .close = close_it,
    .reopen = reopen,
    .idle = idle,
    .create_accounts = create_accounts,
    .create_transfers = create_transfers,
    .update_accounts = update_accounts,
    .balance = balance,
    .balance_at = balance_at,
    .lookup_accounts = lookup_accounts,
    .lookup_transfers = lookup_transfers,
    .account_transfers = account_transfers,
    .account_balances = account_balances,
    .query_accounts = query_accounts,
    .query_transfers = query_transfers,
    .changes = changes,
    .statement = statement,
    .stats = stats,
};
