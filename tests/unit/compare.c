/* Everything that can be read, asked of all subjects and compared with what the oracle says. */
#include "given.h"

#include "oracle/oracle.h"

#include <stdio.h>
#include <string.h>

static struct {
    uint64_t random;
    bool with_reader;
} comparing;

/* A generator of its own, so that a seed gives the same questions everywhere (xorshift64*). */
static uint64_t dice(uint64_t sides)
{
    comparing.random ^= comparing.random >> 12;
    comparing.random ^= comparing.random << 25;
    comparing.random ^= comparing.random >> 27;
    return (comparing.random * UINT64_C(0x2545F4914F6CDD1D) >> 11) % sides;
}

/* Whether subject `s` is asked: all but the oracle, and the reader only while it is up to date. */
static bool is_asked(int s) { return !subjects[s]->reads_only || comparing.with_reader; }

#define FOR_EACH_JUDGED(s)                                                                         \
    for (int s = 1; subjects[s] != NULL; s++)                                                      \
        if (is_asked(s))

static void must_agree(bool agrees, int s, const char *what, mp_id id, uint64_t at)
{
    char name[48];

    words_say_id(id, name);
    cr_assert(agrees, "%s: %s and oracle differ: %s, %s, %llu", given_context_text(),
              subjects[s]->name, what, name, (unsigned long long)at);
}

/* --- balances --- */

/* An instant worth asking for: around a change, now, the ends of time. */
static uint64_t some_instant(void)
{
    const struct oracle *o = subject_oracle_state();
    const uint32_t transfers = oracle_transfer_count(o);

    switch (dice(8)) {
    case 0: return 0;
    case 1: return (uint64_t)INT64_MAX;
    case 2: return given_now() - dice(UINT64_C(10000000000));
    default:
        if (transfers == 0) return given_now();
        return oracle_transfer(o, (uint32_t)dice(transfers))->timestamp + dice(3) - 1;
    }
}

static void compare_balance(mp_id id)
{
    mp_balance said, judge;
    const mp_status status = subjects[0]->balance(id, &judge);

    FOR_EACH_JUDGED(s)
    {
        const bool same = subjects[s]->balance(id, &said) == status &&
                          (status != MP_OK || memcmp(&said, &judge, sizeof(said)) == 0);
        must_agree(same, s, "balance", id, 0);
    }
}

static void compare_balance_at(mp_id id, uint64_t at)
{
    mp_balance said, judge;
    const mp_status status = subjects[0]->balance_at(id, at, &judge);

    FOR_EACH_JUDGED(s)
    {
        const bool same = subjects[s]->balance_at(id, at, &said) == status &&
                          (status != MP_OK || memcmp(&said, &judge, sizeof(said)) == 0);
        must_agree(same, s, "balance at an instant", id, at);
    }
}

/* --- rows --- */

/* Room for as many rows as any question gives. */
static struct {
    mp_account accounts[2][MP_BATCH_MAX];
    mp_transfer transfers[2][MP_BATCH_MAX];
    mp_account_balance balances[2][MP_BATCH_MAX];
    mp_change changes[2][MP_BATCH_MAX];
    mp_statement_row rows[2][MP_BATCH_MAX];
    mp_id ids[MP_BATCH_MAX];
} room;

static void compare_account_lookups(uint32_t count)
{
    uint32_t said, judge;

    subjects[0]->lookup_accounts(room.ids, count, room.accounts[0], &judge);
    FOR_EACH_JUDGED(s)
    {
        const mp_status status =
            subjects[s]->lookup_accounts(room.ids, count, room.accounts[1], &said);
        must_agree(status == MP_OK && said == judge, s, "number of accounts found", 0, said);
        for (uint32_t i = 0; i < judge; i++)
            must_agree(memcmp(&room.accounts[1][i], &room.accounts[0][i], sizeof(mp_account)) == 0,
                       s, "account looked up", room.accounts[0][i].id, i);
    }
}

static void compare_transfer_lookups(uint32_t count)
{
    uint32_t said, judge;

    subjects[0]->lookup_transfers(room.ids, count, room.transfers[0], &judge);
    FOR_EACH_JUDGED(s)
    {
        const mp_status status =
            subjects[s]->lookup_transfers(room.ids, count, room.transfers[1], &said);
        must_agree(status == MP_OK && said == judge, s, "number of transfers found", 0, said);
        for (uint32_t i = 0; i < judge; i++)
            must_agree(memcmp(&room.transfers[1][i], &room.transfers[0][i], sizeof(mp_transfer)) ==
                           0,
                       s, "transfer looked up", room.transfers[0][i].id, i);
    }
}

static void compare_account_transfers(const mp_account_filter *f)
{
    uint32_t said, judge;

    subjects[0]->account_transfers(f, room.transfers[0], &judge);
    FOR_EACH_JUDGED(s)
    {
        const mp_status status = subjects[s]->account_transfers(f, room.transfers[1], &said);
        must_agree(status == MP_OK && said == judge, s, "number of an account's transfers",
                   f->account_id, said);
        for (uint32_t i = 0; i < judge; i++)
            must_agree(memcmp(&room.transfers[1][i], &room.transfers[0][i], sizeof(mp_transfer)) ==
                           0,
                       s, "an account's transfer", f->account_id, i);
    }
}

static void compare_account_balances(const mp_account_filter *f)
{
    uint32_t said, judge;

    subjects[0]->account_balances(f, room.balances[0], &judge);
    FOR_EACH_JUDGED(s)
    {
        const mp_status status = subjects[s]->account_balances(f, room.balances[1], &said);
        must_agree(status == MP_OK && said == judge, s, "number of an account's balances",
                   f->account_id, said);
        for (uint32_t i = 0; i < judge; i++) {
            const mp_account_balance *a = &room.balances[1][i], *b = &room.balances[0][i];
            must_agree(a->timestamp == b->timestamp &&
                           memcmp(&a->balance, &b->balance, sizeof(a->balance)) == 0,
                       s, "an account's balance after a transfer", f->account_id, i);
        }
    }
}

/* What a record of a transfer shows; of an expiry only what is promised. */
static bool same_transfer(mp_change_type type, const mp_transfer *a, const mp_transfer *b)
{
    if (type == MP_CHANGE_ACCOUNT_UPDATED) return true; /* shown elsewhere */
    if (type != MP_CHANGE_TWO_PHASE_EXPIRED) return memcmp(a, b, sizeof(*a)) == 0;
    return a->id == 0 && a->pending_id == b->pending_id && a->amount == b->amount &&
           a->debit_account_id == b->debit_account_id &&
           a->credit_account_id == b->credit_account_id && a->timestamp == b->timestamp;
}

static bool same_row(const mp_statement_row *a, const mp_statement_row *b)
{
    const bool updated = b->type == MP_CHANGE_ACCOUNT_UPDATED;

    return a->type == b->type && (updated || a->debit == b->debit) &&
           (!updated || (a->transfer.id == b->transfer.id &&
                         a->transfer.user_data_128 == b->transfer.user_data_128 &&
                         a->transfer.user_data_64 == b->transfer.user_data_64 &&
                         a->transfer.user_data_32 == b->transfer.user_data_32)) &&
           same_transfer(b->type, &a->transfer, &b->transfer) &&
           memcmp(&a->balance, &b->balance, sizeof(a->balance)) == 0 &&
           a->account_flags == b->account_flags && (a->sequence == 0 || a->sequence == b->sequence);
}

static void say_row(const mp_statement_row *row, char *text, size_t size)
{
    char transfer[1000], sums[4][48];

    words_say_transfer(&row->transfer, transfer, sizeof(transfer));
    words_say_number(row->balance.debits_pending, sums[0]);
    words_say_number(row->balance.debits_posted, sums[1]);
    words_say_number(row->balance.credits_pending, sums[2]);
    words_say_number(row->balance.credits_posted, sums[3]);
    snprintf(text, size, "type %d, %s, %s %s %s %s, flags %u, sequence %llu, %s", (int)row->type,
             row->debit ? "debit" : "credit", sums[0], sums[1], sums[2], sums[3],
             row->account_flags, (unsigned long long)row->sequence, transfer);
}

static void must_be_same_row(int s, const mp_statement_row *said, const mp_statement_row *judge,
                             mp_id account)
{
    char name[48], texts[2][1400];

    if (same_row(said, judge)) return;
    words_say_id(account, name);
    say_row(said, texts[0], sizeof(texts[0]));
    say_row(judge, texts[1], sizeof(texts[1]));
    cr_assert_fail("%s: a row of %s's statement\n  %s: %s\n  oracle: %s", given_context_text(),
                   name, subjects[s]->name, texts[0], texts[1]);
}

static void compare_statement(const mp_account_filter *f, unsigned flags)
{
    uint32_t said = 0, judge = 0;
    const mp_status judged = subjects[0]->statement(f, flags, room.rows[0], MP_BATCH_MAX, &judge);

    FOR_EACH_JUDGED(s)
    {
        const mp_status status =
            subjects[s]->statement(f, flags, room.rows[1], MP_BATCH_MAX, &said);
        const bool nothing =
            judged == MP_NOT_FOUND && status == MP_OK; /* an odd id: both will do */
        must_agree((status == judged || nothing) && said == judge, s,
                   "number of a statement's rows", f->account_id, said);
        for (uint32_t i = 0; i < judge; i++)
            must_be_same_row(s, &room.rows[1][i], &room.rows[0][i], f->account_id);
    }
}

/* --- filters --- */

/* A small number or a value that was recorded: most filters let something through. */
static void some_times(uint64_t *min, uint64_t *max)
{
    *min = dice(3) == 0 ? some_instant() : 0;
    *max = dice(3) == 0 ? some_instant() : 0;
    if (dice(40) == 0) *max = (uint64_t)INT64_MAX + dice(2);
}

static uint32_t some_limit(void)
{
    static const uint32_t limits[] = {0, 1, 3, 50, MP_BATCH_MAX, MP_BATCH_MAX + 1, UINT32_MAX};

    return dice(2) == 0 ? MP_BATCH_MAX : limits[dice(sizeof(limits) / sizeof(limits[0]))];
}

static mp_account_filter some_account_filter(mp_id account)
{
    mp_account_filter f = {
        .account_id = account,
        .limit = some_limit(),
        .flags = (uint32_t)dice(8),
    };

    some_times(&f.timestamp_min, &f.timestamp_max);
    if (dice(6) == 0) f.user_data_128 = dice(4);
    if (dice(6) == 0) f.user_data_64 = dice(4);
    if (dice(6) == 0) f.user_data_32 = (uint32_t)dice(4);
    if (dice(6) == 0) f.code = (uint16_t)dice(4);
    if (dice(40) == 0) f.reserved = 1;
    if (dice(40) == 0) f.flags |= 8;
    return f;
}

static mp_query_filter some_query_filter(void)
{
    mp_query_filter f = {.limit = some_limit(), .flags = dice(2) == 0 ? MP_FILTER_REVERSED : 0};

    some_times(&f.timestamp_min, &f.timestamp_max);
    if (dice(4) == 0) f.user_data_128 = dice(4);
    if (dice(4) == 0) f.user_data_64 = dice(4);
    if (dice(4) == 0) f.user_data_32 = (uint32_t)dice(4);
    if (dice(4) == 0) f.ledger = (uint32_t)dice(4);
    if (dice(4) == 0) f.code = (uint16_t)dice(4);
    if (dice(40) == 0) f.reserved16 = 1;
    if (dice(40) == 0) f.reserved32 = 1;
    if (dice(40) == 0) f.flags |= 1;
    return f;
}

static void compare_queries(void)
{
    const mp_query_filter f = some_query_filter();
    uint32_t said, judge;

    subjects[0]->query_accounts(&f, room.accounts[0], &judge);
    FOR_EACH_JUDGED(s)
    {
        const mp_status status = subjects[s]->query_accounts(&f, room.accounts[1], &said);
        const bool same =
            status == MP_OK && said == judge &&
            memcmp(room.accounts[1], room.accounts[0], judge * sizeof(mp_account)) == 0;
        must_agree(same, s, "accounts by their fields", 0, said);
    }
    subjects[0]->query_transfers(&f, room.transfers[0], &judge);
    FOR_EACH_JUDGED(s)
    {
        const mp_status status = subjects[s]->query_transfers(&f, room.transfers[1], &said);
        const bool same =
            status == MP_OK && said == judge &&
            memcmp(room.transfers[1], room.transfers[0], judge * sizeof(mp_transfer)) == 0;
        must_agree(same, s, "transfers by their fields", 0, said);
    }
}

/* --- changes --- */

static bool same_update(const mp_change *a, const mp_change *b)
{
    const mp_account_update *u = &a->update, *w = &b->update;

    return u->id == w->id && u->account_id == w->account_id &&
           u->user_data_128 == w->user_data_128 && u->user_data_64 == w->user_data_64 &&
           u->user_data_32 == w->user_data_32 && u->flags_set == w->flags_set &&
           u->flags_clear == w->flags_clear && u->code == w->code && u->flags == w->flags &&
           a->update_flags_before == b->update_flags_before &&
           a->update_flags_after == b->update_flags_after;
}

static bool same_change(const mp_change *a, const mp_change *b)
{
    const bool updated = b->type == MP_CHANGE_ACCOUNT_UPDATED;

    return a->type == b->type && a->timestamp == b->timestamp && a->sequence == b->sequence &&
           memcmp(&a->debit, &b->debit, sizeof(a->debit)) == 0 &&
           (updated ? same_update(a, b)
                    : same_transfer(b->type, &a->transfer, &b->transfer) &&
                          memcmp(&a->credit, &b->credit, sizeof(a->credit)) == 0 &&
                          a->debit_account_flags == b->debit_account_flags &&
                          a->credit_account_flags == b->credit_account_flags);
}

/* One page; `after` is each subject's own. Returns whether more may come. */
static bool compare_change_page(const mp_change_filter *f, uint64_t after[SUBJECTS_MAX])
{
    mp_change_filter mine = *f;
    uint32_t said, judge;

    mine.after = after[0];
    subjects[0]->changes(&mine, room.changes[0], &judge);
    if (judge > 0) after[0] = room.changes[0][judge - 1].position;
    FOR_EACH_JUDGED(s)
    {
        mine.after = after[s];
        const mp_status status = subjects[s]->changes(&mine, room.changes[1], &said);
        must_agree(status == MP_OK && said == judge, s, "number of changes", 0, said);
        for (uint32_t i = 0; i < judge; i++)
            must_agree(same_change(&room.changes[1][i], &room.changes[0][i]), s, "a change",
                       room.changes[0][i].transfer.id, room.changes[0][i].timestamp);
        if (judge > 0) after[s] = room.changes[1][judge - 1].position;
    }
    return judge > 0;
}

static void compare_changes(void)
{
    mp_change_filter f = {.limit = dice(3) == 0 ? 37 : MP_BATCH_MAX};
    uint64_t after[SUBJECTS_MAX] = {0};

    while (compare_change_page(&f, after))
        ;
    f = (mp_change_filter){.limit = some_limit(), .reserved = dice(40) == 0};
    some_times(&f.timestamp_min, &f.timestamp_max);
    memset(after, 0, sizeof(after));
    compare_change_page(&f, after);
}

static void compare_stats(void)
{
    mp_stats said, judge;

    subjects[0]->stats(&judge);
    FOR_EACH_JUDGED(s)
    {
        subjects[s]->stats(&said);
        must_agree(said.accounts == judge.accounts, s, "stats: accounts", 0, said.accounts);
        must_agree(said.transfers == judge.transfers, s, "stats: transfers", 0, said.transfers);
        must_agree(said.updates == judge.updates, s, "stats: updates", 0, said.updates);
        must_agree(said.expiries == judge.expiries, s, "stats: expiries", 0, said.expiries);
        must_agree(said.ids_bound == judge.ids_bound, s, "stats: bound ids", 0, said.ids_bound);
        must_agree(said.reservations_open == judge.reservations_open, s, "stats: open reservations",
                   0, said.reservations_open);
        must_agree(said.sequence == judge.sequence, s, "stats: sequence", 0, said.sequence);
    }
}

/* --- all of it --- */

static const mp_id odd_ids[] = {0, MP_U128_MAX, 77, MP_U128('A', 4000000)};
enum { ODD_IDS = sizeof(odd_ids) / sizeof(odd_ids[0]) };

static void compare_account(mp_id id)
{
    mp_account_filter all = {.account_id = id, .flags = MP_FILTER_DEBITS | MP_FILTER_CREDITS};

    compare_balance(id);
    for (int i = 0; i < 8; i++) compare_balance_at(id, some_instant());
    for (int i = 0; i < 4; i++) {
        const mp_account_filter f = some_account_filter(id);
        compare_account_transfers(&f);
        compare_account_balances(&f);
        if (f.limit > 0) compare_statement(&f, 0);
    }
    if (dice(2) == 0) all.flags |= MP_FILTER_REVERSED;
    if (dice(2) == 0) some_times(&all.timestamp_min, &all.timestamp_max);
    compare_statement(&all, MP_STATEMENT_ALL);
}

static void compare_accounts(void)
{
    const struct oracle *o = subject_oracle_state();
    const uint32_t accounts = oracle_account_count(o);
    uint32_t count = 0;

    for (uint32_t i = 0; i < accounts; i++) {
        const mp_id id = oracle_account_id(o, i);
        compare_account(id);
        if (count + ODD_IDS + 2 < MP_BATCH_MAX) room.ids[count++] = id;
        if (i % 5 == 0 && count + ODD_IDS + 2 < MP_BATCH_MAX) room.ids[count++] = id;
    }
    for (int i = 0; i < ODD_IDS; i++) {
        compare_account(odd_ids[i]);
        room.ids[count++] = odd_ids[i];
    }
    compare_account_lookups(count);
}

static void compare_transfers(void)
{
    const struct oracle *o = subject_oracle_state();
    const uint32_t transfers = oracle_transfer_count(o);
    uint32_t count = 0;

    memcpy(room.ids, odd_ids, sizeof(odd_ids));
    count = ODD_IDS;
    for (uint32_t i = 0; i < transfers; i++) {
        room.ids[count++] = oracle_transfer(o, i)->id;
        if (count < MP_BATCH_MAX) continue;
        compare_transfer_lookups(count);
        count = 0;
    }
    compare_transfer_lookups(count);
}

static void compare_all(uint64_t seed)
{
    comparing.random = seed * 2 + 1;
    compare_accounts();
    compare_transfers();
    for (int i = 0; i < 6; i++) compare_queries();
    compare_changes();
    compare_stats();
}

void expect_all_the_same(uint64_t seed)
{
    idle();
    compare_all(seed);
}

void expect_all_the_same_to_a_reader(uint64_t seed)
{
    idle();
    for (int i = 0; subjects[i] != NULL; i++)
        if (subjects[i]->reads_only) subjects[i]->open(given_now());
    comparing.with_reader = true;
    compare_all(seed);
    comparing.with_reader = false;
}
