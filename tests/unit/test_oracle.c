/*
 * The oracle by itself, with every number written down by hand: what judges the engine has to be
 * right on its own. The cases of the other suites are played to it alone as well.
 */
#include "oracle/oracle.h"

#include <criterion/criterion.h>

static oracle *o;

static void begin(void) { o = oracle_new(); }

static void end(void)
{
    const char *broken = oracle_check(o);

    cr_assert(broken == NULL, "%s", broken);
    oracle_free(o);
}

TestSuite(oracle, .init = begin, .fini = end);

static void make_accounts(uint32_t count)
{
    mp_account events[16] = {0};
    mp_result results[16];

    for (uint32_t i = 0; i < count; i++)
        events[i] = (mp_account){.id = i + 1, .ledger = 1, .code = 1};
    cr_assert(oracle_create_accounts(o, oracle_begin(o, 100), events, count, results) == MP_OK);
    for (uint32_t i = 0; i < count; i++)
        cr_assert(results[i].result == MP_CREATED && results[i].timestamp == 100 + i &&
                  results[i].sequence == i + 1);
}

static mp_result send(uint64_t clock, mp_transfer transfer)
{
    mp_result result;

    cr_assert(oracle_create_transfers(o, oracle_begin(o, clock), &transfer, 1, &result, NULL) ==
              MP_OK);
    return result;
}

static mp_balance balance(mp_id account)
{
    mp_balance out = {0};

    cr_assert(oracle_balance(o, account, &out, NULL) == MP_OK);
    return out;
}

/* A transfer from 1 to 2. */
static mp_transfer move(mp_id id, mp_amount amount)
{
    return (mp_transfer){.id = id,
                         .debit_account_id = 1,
                         .credit_account_id = 2,
                         .amount = amount,
                         .ledger = 1,
                         .code = 1};
}

static mp_transfer hold(mp_id id, mp_amount amount, uint32_t timeout)
{
    mp_transfer transfer = move(id, amount);

    transfer.flags = MP_TRANSFER_PENDING;
    transfer.timeout = timeout;
    return transfer;
}

Test(oracle, stamps_a_block_with_the_clock_or_one_beyond_the_last_time)
{
    make_accounts(3);
    cr_assert(oracle_block_time(o, 50) == 103 && oracle_block_time(o, 103) == 103);
    cr_assert(oracle_block_time(o, 200) == 200);
    cr_assert(send(50, move(1, 5)).timestamp == 103);
    cr_assert(send(50, move(1, 6)).timestamp == 104); /* refused: takes a time */
    cr_assert(send(50, move(1, 5)).timestamp == 103); /* exists */
    cr_assert(send(50, move(2, 5)).timestamp == 106);
    cr_assert(balance(1).debits_posted == 10 && balance(2).credits_posted == 10);
}

Test(oracle, releases_what_is_due_before_the_batch)
{
    const uint64_t second = 1000000000;
    mp_change changes[8];
    uint32_t count;

    make_accounts(2);
    send(1000, hold(1, 5, 2));
    send(1001, hold(2, 7, 1));
    cr_assert(balance(1).debits_pending == 12);
    cr_assert(send(second + 1000, move(3, 1)).timestamp == second + 1000);
    cr_assert(balance(1).debits_pending == 12);
    cr_assert(send(2 * second + 1000, move(4, 1)).timestamp == 2 * second + 1002);
    cr_assert(balance(1).debits_pending == 0);
    oracle_changes(o, &(mp_change_filter){.limit = 8}, changes, &count);
    cr_assert(count == 6 && changes[3].type == MP_CHANGE_TWO_PHASE_EXPIRED);
    cr_assert(changes[3].transfer.pending_id == 2 && changes[4].transfer.pending_id == 1);
    cr_assert(changes[3].timestamp == 2 * second + 1000 && changes[3].debit.debits_pending == 5);
}

Test(oracle, expires_no_more_than_asked)
{
    make_accounts(2);
    for (uint32_t i = 1; i <= 5; i++) send(1000, hold(i, i, 1));
    cr_assert(oracle_expire(o, UINT64_C(5000000000), 3) == 3);
    cr_assert(balance(1).debits_pending == 9);
    cr_assert(oracle_block_time(o, 0) == UINT64_C(5000000003));
    cr_assert(oracle_expire(o, UINT64_C(5000000003), 3) == 2);
    cr_assert(oracle_expire(o, UINT64_C(5000000005), 3) == 0);
}

Test(oracle, undoes_a_chain_to_the_last_bit)
{
    mp_transfer events[3] = {
        {.id = 2,
         .pending_id = 1,
         .amount = 3,
         .flags = MP_TRANSFER_POST_PENDING | MP_TRANSFER_LINKED},
        move(3, 1),
        move(4, 1),
    };
    mp_result results[3];
    mp_stats stats;

    events[1].flags = MP_TRANSFER_LINKED;
    events[2].debit_account_id = 77;
    make_accounts(2);
    send(1000, hold(1, 5, 0));
    oracle_create_transfers(o, oracle_begin(o, 2000), events, 3, results, NULL);
    cr_assert(results[0].result == MP_TRANSFER_LINKED_EVENT_FAILED && results[0].sequence == 0);
    cr_assert(results[1].result == MP_TRANSFER_LINKED_EVENT_FAILED);
    cr_assert(results[2].result == MP_TRANSFER_DEBIT_ACCOUNT_NOT_FOUND);
    cr_assert(results[0].timestamp == 2000 && results[2].timestamp == 2002);
    oracle_stats(o, &stats);
    cr_assert(stats.transfers == 1 && stats.reservations_open == 1 && stats.ids_bound == 1);
    cr_assert(stats.sequence == 4); /* two accounts, one transfer, one bound id */
    const mp_result again = send(3000, events[2]);
    cr_assert(again.result == MP_TRANSFER_ID_ALREADY_FAILED);
    cr_assert(again.bound_code == MP_TRANSFER_DEBIT_ACCOUNT_NOT_FOUND);
    cr_assert(balance(1).debits_pending == 5 && balance(1).debits_posted == 0);
}

Test(oracle, refuses_a_batch_that_is_too_large)
{
    mp_transfer transfer = {0};
    mp_account account = {0};
    mp_account_update update = {0};
    mp_result result;

    cr_assert(oracle_create_transfers(o, 1, &transfer, MP_BATCH_MAX + 1, &result, NULL) ==
              MP_BATCH_TOO_LARGE);
    cr_assert(oracle_create_accounts(o, 1, &account, MP_BATCH_MAX + 1, &result) ==
              MP_BATCH_TOO_LARGE);
    cr_assert(oracle_update_accounts(o, 1, &update, MP_BATCH_MAX + 1, &result) ==
              MP_BATCH_TOO_LARGE);
    cr_assert(oracle_create_transfers(o, 1, &transfer, 0, &result, NULL) == MP_OK);
}

Test(oracle, tells_both_accounts_sums_after_a_transfer)
{
    mp_transfer events[2] = {move(1, 5), move(2, 7)};
    mp_result results[2];
    mp_result_sums sums[2];

    make_accounts(2);
    oracle_create_transfers(o, oracle_begin(o, 2000), events, 2, results, sums);
    cr_assert(sums[0].debit.debits_posted == 5 && sums[0].credit.credits_posted == 5);
    cr_assert(sums[1].debit.debits_posted == 12 && sums[1].credit.credits_posted == 12);
}

Test(oracle, finds_a_reservation_that_is_open)
{
    mp_amount left;
    uint64_t expires;

    make_accounts(2);
    send(1000, hold(1, 5, 1));
    send(1001, move(2, 5));
    cr_assert(oracle_transfer_count(o) == 2 && oracle_transfer(o, 0)->id == 1);
    cr_assert(oracle_open_reservation(o, 0, &left, &expires));
    cr_assert(left == 5 && expires == UINT64_C(1000001000));
    cr_assert(!oracle_open_reservation(o, 1, &left, &expires));
    cr_assert(oracle_newest(o) == 1001);
}

Test(oracle, looks_back_to_any_instant)
{
    mp_balance out;

    make_accounts(2);
    send(1000, move(1, 5));
    send(2000, move(2, 7));
    cr_assert(oracle_balance_at(o, 1, 99, &out) == MP_NOT_FOUND);
    cr_assert(oracle_balance_at(o, 1, 999, &out) == MP_OK && out.debits_posted == 0);
    cr_assert(oracle_balance_at(o, 1, 1000, &out) == MP_OK && out.debits_posted == 5);
    cr_assert(oracle_balance_at(o, 2, 2000, &out) == MP_OK && out.credits_posted == 12);
}
