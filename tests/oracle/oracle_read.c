/* Reading the oracle: everything walks the whole history. */
#include "oracle_state.h"

/* --- balances and look-ups --- */

mp_status oracle_balance(const oracle *o, mp_id account, mp_balance *out, uint16_t *flags)
{
    const uint32_t number = oracle_account_number(o, account);

    if (number == NONE) return MP_NOT_FOUND;
    *out = o->accounts[number].balance;
    if (flags != NULL) *flags = o->accounts[number].flags;
    return MP_OK;
}

mp_status oracle_balance_at(const oracle *o, mp_id account, uint64_t at_ns, mp_balance *out)
{
    const uint32_t number = oracle_account_number(o, account);

    if (number == NONE || o->accounts[number].created.timestamp > at_ns) return MP_NOT_FOUND;
    *out = (mp_balance){0};
    for (uint32_t i = 0; i < o->change_count; i++) {
        const struct change *change = &o->changes[i];
        if (change->seen.timestamp > at_ns) continue;
        if (change->debit == number) *out = change->seen.debit;
        if (change->credit == number) *out = change->seen.credit;
    }
    return MP_OK;
}

static mp_account account_seen(const struct account *account)
{
    mp_account seen = account->created;

    seen.flags = account->flags;
    seen.debits_pending = account->balance.debits_pending;
    seen.debits_posted = account->balance.debits_posted;
    seen.credits_pending = account->balance.credits_pending;
    seen.credits_posted = account->balance.credits_posted;
    return seen;
}

mp_status oracle_lookup_accounts(const oracle *o, const mp_id *ids, uint32_t count, mp_account *out,
                                 uint32_t *found)
{
    *found = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t number = oracle_account_number(o, ids[i]);
        if (number != NONE) out[(*found)++] = account_seen(&o->accounts[number]);
    }
    return MP_OK;
}

mp_status oracle_lookup_transfers(const oracle *o, const mp_id *ids, uint32_t count,
                                  mp_transfer *out, uint32_t *found)
{
    *found = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t number = oracle_transfer_number(o, ids[i]);
        if (number != NONE) out[(*found)++] = o->transfers[number].record;
    }
    return MP_OK;
}

/* --- filters --- */

static bool times_make_sense(uint64_t min, uint64_t max)
{
    return min <= TIME_MAX && max <= TIME_MAX && (max == 0 || min <= max);
}

/* 0 is open on both sides. */
static bool within(uint64_t time, uint64_t min, uint64_t max)
{
    return time >= min && (max == 0 || time <= max);
}

static bool matches(mp_u128 wanted, mp_u128 value) { return wanted == 0 || wanted == value; }

static uint32_t cut(uint32_t limit) { return limit > MP_BATCH_MAX ? MP_BATCH_MAX : limit; }

/* Number `i` of `count` in the direction asked for. */
static uint32_t nth(uint32_t i, uint32_t count, bool reversed)
{
    return reversed ? count - 1 - i : i;
}

static bool account_filter_makes_sense(const mp_account_filter *f)
{
    const unsigned known = MP_FILTER_DEBITS | MP_FILTER_CREDITS | MP_FILTER_REVERSED;

    return f->account_id != 0 && f->account_id != MP_U128_MAX && f->reserved == 0 &&
           (f->flags & ~known) == 0 && (f->flags & (MP_FILTER_DEBITS | MP_FILTER_CREDITS)) != 0 &&
           times_make_sense(f->timestamp_min, f->timestamp_max);
}

static bool fields_match(const mp_account_filter *f, const mp_transfer *t)
{
    return matches(f->user_data_128, t->user_data_128) &&
           matches(f->user_data_64, t->user_data_64) && matches(f->user_data_32, t->user_data_32) &&
           matches(f->code, t->code);
}

/* Whether a change is on a side of the account that is asked for, and within the times. */
static bool side_matches(const mp_account_filter *f, uint32_t account, const struct change *c)
{
    const bool debit = (f->flags & MP_FILTER_DEBITS) != 0 && c->debit == account;
    const bool credit = (f->flags & MP_FILTER_CREDITS) != 0 && c->credit == account;

    return (debit || credit) && within(c->seen.timestamp, f->timestamp_min, f->timestamp_max);
}

static bool is_transfer(const struct change *c)
{
    return c->seen.type != MP_CHANGE_TWO_PHASE_EXPIRED && c->seen.type != MP_CHANGE_ACCOUNT_UPDATED;
}

/* The next transfer at or behind place *i that a filter lets through; NULL behind the last. */
static const struct change *next_transfer(const struct oracle *o, const mp_account_filter *f,
                                          uint32_t *i)
{
    const uint32_t account = oracle_account_number(o, f->account_id);

    if (account == NONE || !account_filter_makes_sense(f)) return NULL;
    while (*i < o->change_count) {
        const struct change *c =
            &o->changes[nth((*i)++, o->change_count, (f->flags & MP_FILTER_REVERSED) != 0)];
        if (is_transfer(c) && side_matches(f, account, c) && fields_match(f, &c->seen.transfer))
            return c;
    }
    return NULL;
}

mp_status oracle_account_transfers(const oracle *o, const mp_account_filter *filter,
                                   mp_transfer *out, uint32_t *count)
{
    const struct change *c;
    uint32_t i = 0;

    *count = 0;
    while (*count < cut(filter->limit) && (c = next_transfer(o, filter, &i)) != NULL)
        out[(*count)++] = c->seen.transfer;
    return MP_OK;
}

mp_status oracle_account_balances(const oracle *o, const mp_account_filter *filter,
                                  mp_account_balance *out, uint32_t *count)
{
    const uint32_t account = oracle_account_number(o, filter->account_id);
    const struct change *c;
    uint32_t i = 0;

    *count = 0;
    while (*count < cut(filter->limit) && (c = next_transfer(o, filter, &i)) != NULL)
        out[(*count)++] = (mp_account_balance){
            .balance = c->debit == account ? c->seen.debit : c->seen.credit,
            .timestamp = c->seen.timestamp,
        };
    return MP_OK;
}

/* --- queries --- */

static bool query_makes_sense(const mp_query_filter *f)
{
    return f->reserved16 == 0 && f->reserved32 == 0 &&
           (f->flags & ~(unsigned)MP_FILTER_REVERSED) == 0 &&
           times_make_sense(f->timestamp_min, f->timestamp_max);
}

mp_status oracle_query_accounts(const oracle *o, const mp_query_filter *f, mp_account *out,
                                uint32_t *count)
{
    *count = 0;
    if (!query_makes_sense(f)) return MP_OK;
    for (uint32_t i = 0; i < o->account_count && *count < cut(f->limit); i++) {
        const struct account *account =
            &o->accounts[nth(i, o->account_count, (f->flags & MP_FILTER_REVERSED) != 0)];
        const mp_account *a = &account->created;
        if (within(a->timestamp, f->timestamp_min, f->timestamp_max) &&
            matches(f->user_data_128, a->user_data_128) &&
            matches(f->user_data_64, a->user_data_64) &&
            matches(f->user_data_32, a->user_data_32) && matches(f->ledger, a->ledger) &&
            matches(f->code, a->code))
            out[(*count)++] = account_seen(account);
    }
    return MP_OK;
}

mp_status oracle_query_transfers(const oracle *o, const mp_query_filter *f, mp_transfer *out,
                                 uint32_t *count)
{
    *count = 0;
    if (!query_makes_sense(f)) return MP_OK;
    for (uint32_t i = 0; i < o->transfer_count && *count < cut(f->limit); i++) {
        const mp_transfer *t =
            &o->transfers[nth(i, o->transfer_count, (f->flags & MP_FILTER_REVERSED) != 0)].record;
        if (within(t->timestamp, f->timestamp_min, f->timestamp_max) &&
            matches(f->user_data_128, t->user_data_128) &&
            matches(f->user_data_64, t->user_data_64) &&
            matches(f->user_data_32, t->user_data_32) && matches(f->ledger, t->ledger) &&
            matches(f->code, t->code))
            out[(*count)++] = *t;
    }
    return MP_OK;
}

/* --- changes and statements --- */

mp_status oracle_changes(const oracle *o, const mp_change_filter *filter, mp_change *out,
                         uint32_t *count)
{
    *count = 0;
    if (filter->reserved != 0 || !times_make_sense(filter->timestamp_min, filter->timestamp_max))
        return MP_OK;
    for (uint32_t i = 0; i < o->change_count && *count < cut(filter->limit); i++) {
        const mp_change *change = &o->changes[i].seen;
        if (change->position > filter->after &&
            within(change->timestamp, filter->timestamp_min, filter->timestamp_max))
            out[(*count)++] = *change;
    }
    return MP_OK;
}

static mp_statement_row row_of(const struct change *c, uint32_t account)
{
    mp_statement_row row = {
        .type = c->seen.type,
        .debit = c->debit == account,
        .transfer = c->seen.transfer,
        .balance = c->debit == account ? c->seen.debit : c->seen.credit,
        .account_flags =
            c->debit == account ? c->seen.debit_account_flags : c->seen.credit_account_flags,
        .position = c->seen.position,
        .sequence = c->seen.sequence,
    };

    if (row.type == MP_CHANGE_ACCOUNT_UPDATED) {
        row.transfer.id = c->seen.update.id;
        row.transfer.user_data_128 = c->seen.update.user_data_128;
        row.transfer.user_data_64 = c->seen.update.user_data_64;
        row.transfer.user_data_32 = c->seen.update.user_data_32;
    }
    return row;
}

/* An account update stands on the debit side and on the credit side. */
static bool belongs(const mp_account_filter *f, unsigned flags, uint32_t account,
                    const struct change *c)
{
    if (is_transfer(c)) return side_matches(f, account, c) && fields_match(f, &c->seen.transfer);
    if ((flags & MP_STATEMENT_ALL) == 0) return false;
    if (c->seen.type == MP_CHANGE_TWO_PHASE_EXPIRED) return side_matches(f, account, c);
    return c->debit == account && within(c->seen.timestamp, f->timestamp_min, f->timestamp_max);
}

mp_status oracle_statement(const oracle *o, const mp_account_filter *filter, unsigned flags,
                           mp_statement_row *rows, uint32_t max, uint32_t *count)
{
    const uint32_t account = oracle_account_number(o, filter->account_id);

    *count = 0;
    if (account == NONE) return MP_NOT_FOUND;
    if (!account_filter_makes_sense(filter)) return MP_OK;
    for (uint32_t i = 0; i < o->change_count && *count < max; i++) {
        const struct change *c =
            &o->changes[nth(i, o->change_count, (filter->flags & MP_FILTER_REVERSED) != 0)];
        if (belongs(filter, flags, account, c)) rows[(*count)++] = row_of(c, account);
    }
    return MP_OK;
}

/* --- what there is --- */

uint32_t oracle_account_count(const oracle *o) { return o->account_count; }

mp_id oracle_account_id(const oracle *o, uint32_t number) { return o->accounts[number].created.id; }

uint32_t oracle_transfer_count(const oracle *o) { return o->transfer_count; }

const mp_transfer *oracle_transfer(const oracle *o, uint32_t number)
{
    return &o->transfers[number].record;
}

bool oracle_open_reservation(const oracle *o, uint32_t number, mp_amount *left, uint64_t *expires)
{
    *left = o->fates[number].left;
    *expires = o->fates[number].expires;
    return o->fates[number].state == OPEN;
}

uint64_t oracle_newest(const oracle *o)
{
    return o->newest_change > o->newest_account ? o->newest_change : o->newest_account;
}

void oracle_stats(const oracle *o, mp_stats *out)
{
    *out = (mp_stats){
        .accounts = o->account_count,
        .transfers = o->transfer_count,
        .updates = o->updates,
        .expiries = o->expiries,
        .ids_bound = o->bound,
        .sequence = o->sequence,
    };
    for (uint32_t i = 0; i < o->transfer_count; i++)
        out->reservations_open += o->fates[i].state == OPEN;
}
