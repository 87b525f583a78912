/* Plain transfers: what they move, each refusal, idempotency, what a look-up shows. */
#include "given.h"

TestSuite(transfers, .init = given_open, .fini = given_close);

Test(transfers, money_leaves_one_account_and_arrives_in_the_other)
{
    GIVEN_ACCOUNTS("A1 B1");
    expect(transfer("T1 A1 -> B1 100"), MP_CREATED);
    expect(transfer("T2 B1 -> A1 30"), MP_CREATED);
    expect(transfer("T3 A1 -> B1 0"), MP_CREATED); /* zero is legal */
    expect_balance("A1", .debits_posted = 100, .credits_posted = 30);
    expect_balance("B1", .debits_posted = 30, .credits_posted = 100);
    reopen();
    expect_balance("A1", .debits_posted = 100, .credits_posted = 30);
    expect_all_the_same_to_a_reader(1);
}

Test(transfers, a_mistake_is_named_and_moves_nothing)
{
    GIVEN_ACCOUNTS("A1 B1 A2:ledger=2 B2:ledger=2 C1:closed F1:frozen_debits G1:frozen_credits"
                   " D1:debits_must_not_exceed_credits E1:credits_must_not_exceed_debits");
    transfers_one_by_one(
        "T1 A1 -> B1 1 at=9           => timestamp_must_be_zero\n"
        "T1 A1 -> B1 1 flags=8192     => reserved_flag\n"
        "T1 A1 -> B1 1 flags=32768    => reserved_flag\n"
        "0  A1 -> B1 1                => id_must_not_be_zero\n"
        "max A1 -> B1 1               => id_must_not_be_int_max\n"
        "T1 A1 -> B1 1 keep_pending   => flags_are_mutually_exclusive\n"
        "T1 0 -> B1 1                 => debit_account_id_must_not_be_zero\n"
        "T1 max -> B1 1               => debit_account_id_must_not_be_int_max\n"
        "T1 A1 -> 0 1                 => credit_account_id_must_not_be_zero\n"
        "T1 A1 -> max 1               => credit_account_id_must_not_be_int_max\n"
        "T1 A1 -> A1 1                => accounts_must_be_different\n"
        "T1 A1 -> B1 1 pending_id=T9  => pending_id_must_be_zero\n"
        "T1 A1 -> B1 1 timeout=1      => timeout_reserved_for_pending_transfer\n"
        "T1 A1 -> B1 1 closing_debit  => closing_transfer_must_be_pending\n"
        "T1 A1 -> B1 1 closing_credit => closing_transfer_must_be_pending\n"
        "T1 A1 -> B1 1 ledger=0       => ledger_must_not_be_zero\n"
        "T1 A1 -> B1 1 code=0         => code_must_not_be_zero\n"
        "T1 A1 -> B2 1        => accounts_must_have_the_same_ledger\n"
        "T1 A1 -> B1 1 ledger=2 => transfer_must_have_the_same_ledger_as_accounts\n"
        "T1 A1 -> B1 1 linked         => linked_event_chain_open\n");
    expect(transfer("T1 A1 -> B1 1"), MP_CREATED); /* none of these binds the id */
    transfers_one_by_one("T2 A9 -> B1 1 => debit_account_not_found\n"
                         "T3 A1 -> B9 1 => credit_account_not_found\n"
                         "T4 C1 -> B1 1 => debit_account_already_closed\n"
                         "T5 A1 -> C1 1 => credit_account_already_closed\n"
                         "T6 F1 -> B1 1 => debit_account_frozen\n"
                         "T7 A1 -> G1 1 => credit_account_frozen\n"
                         "T8 D1 -> B1 1 => exceeds_credits\n"
                         "T9 A1 -> E1 1 => exceeds_debits\n");
    transfers_one_by_one("T2 A1 -> B1 1 => id_already_failed; T9 A1 -> B1 1 => id_already_failed\n"
                         "T10 A1 -> F1 1; T11 G1 -> B1 1"); /* frozen on the other side only */
    expect_balance("A1", .debits_posted = 2);
    expect_balance("B1", .credits_posted = 2);
    expect_all_the_same_to_a_reader(2);
}

Test(transfers, every_field_is_kept_and_shown)
{
    GIVEN_ACCOUNTS("A1:ledger=4294967295 B1:ledger=4294967295 A2 B2");
    transfers_one_by_one(
        "T1 A1 -> B1 2^100 ledger=2^32-1 code=65535 ud128=max ud64=2^64-1 ud32=2^32-1\n"
        "T2 A2 -> B2 7 pending timeout=2^32-1 ud128=2^64 ud64=5 ud32=6\n"
        "max-1 A2 -> B2 1\n");
    const mp_transfer t = given_transfer("T1");
    cr_assert(t.debit_account_id == words_id("A1") && t.credit_account_id == words_id("B1"));
    cr_assert(t.amount == (mp_u128)1 << 100 && t.pending_id == 0 && t.timeout == 0);
    cr_assert(t.user_data_128 == MP_U128_MAX && t.user_data_64 == UINT64_MAX);
    cr_assert(t.user_data_32 == UINT32_MAX && t.ledger == UINT32_MAX && t.code == UINT16_MAX);
    cr_assert(t.flags == 0 && t.timestamp == given_time("T1"));
    cr_assert(given_transfer("T2").timeout == UINT32_MAX);
    reopen();
    const mp_transfer again = given_transfer("T1");
    cr_assert(memcmp(&t, &again, sizeof(t)) == 0);
    expect_all_the_same_to_a_reader(3);
}

Test(transfers, the_same_transfer_sent_again_exists_and_moves_nothing)
{
    GIVEN_ACCOUNTS("A1 B1");
    expect(transfer("T1 A1 -> B1 5 ud128=1 ud64=2 ud32=3"), MP_CREATED);
    const uint64_t made = given_time("T1");
    for (int pass = 0; pass < 3; pass++) {
        clock_advance_seconds(1);
        expect(transfer("T1 A1 -> B1 5 ud128=1 ud64=2 ud32=3"), MP_TRANSFER_EXISTS);
        cr_assert(given_results()->timestamp == made);
        if (pass == 1) reopen();
    }
    expect_balance("A1", .debits_posted = 5);
}

Test(transfers, each_field_that_differs_is_named_the_first_alone)
{
    GIVEN_ACCOUNTS("A1 B1 A2");
    expect(transfer("T1 A1 -> B1 5 pending timeout=9 ud128=1 ud64=2 ud32=3 code=4"), MP_CREATED);
    for (int pass = 0; pass < 2; pass++) {
        transfers_one_by_one(
            "T1 A1 -> B1 5 timeout=9 ud128=1 ud64=2 ud32=3 code=4 => exists_with_different_flags\n"
            "T1 A1 -> B1 5 pending pending_id=T2 timeout=9 ud128=1 ud64=2 ud32=3 code=4 "
            "=> exists_with_different_pending_id\n"
            "T1 A1 -> B1 5 pending timeout=8 ud128=1 ud64=2 ud32=3 code=4 "
            "=> exists_with_different_timeout\n"
            "T1 A2 -> B1 5 pending timeout=9 ud128=1 ud64=2 ud32=3 code=4 "
            "=> exists_with_different_debit_account_id\n"
            "T1 0 -> B1 5 pending timeout=9 ud128=1 ud64=2 ud32=3 code=4 "
            "=> exists_with_different_debit_account_id\n"
            "T1 A1 -> A2 5 pending timeout=9 ud128=1 ud64=2 ud32=3 code=4 "
            "=> exists_with_different_credit_account_id\n"
            "T1 A1 -> B1 6 pending timeout=9 ud128=1 ud64=2 ud32=3 code=4 "
            "=> exists_with_different_amount\n"
            "T1 A1 -> B1 5 pending timeout=9 ud128=0 ud64=2 ud32=3 code=4 "
            "=> exists_with_different_user_data_128\n"
            "T1 A1 -> B1 5 pending timeout=9 ud128=1 ud64=0 ud32=3 code=4 "
            "=> exists_with_different_user_data_64\n"
            "T1 A1 -> B1 5 pending timeout=9 ud128=1 ud64=2 ud32=0 code=4 "
            "=> exists_with_different_user_data_32\n"
            "T1 A1 -> B1 5 pending timeout=9 ud128=1 ud64=2 ud32=3 code=4 ledger=2 "
            "=> exists_with_different_ledger\n"
            "T1 A1 -> B1 5 pending timeout=9 ud128=1 ud64=2 ud32=3 code=0 "
            "=> exists_with_different_code\n"
            "T1 A1 -> B1 5 pending timeout=9 ud128=1 ud64=2 ud32=3 code=4 => exists\n");
        reopen();
        clock_advance_seconds(20); /* also when it has expired */
        idle();
    }
    expect_balance("A1", .debits_pending = 0);
}

Test(transfers, amounts_that_agree_only_in_their_low_half_are_different)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers_one_by_one("T1 A1 -> B1 2^64+5; T1 A1 -> B1 5 => exists_with_different_amount\n"
                         "T2 A1 -> B1 5; T2 A1 -> B1 2^64+5 => exists_with_different_amount\n"
                         "T3 A1 -> B1 1 ud128=2^64+1\n"
                         "T3 A1 -> B1 1 ud128=1 => exists_with_different_user_data_128");
    reopen();
    transfers_one_by_one("T1 A1 -> B1 5 => exists_with_different_amount\n"
                         "T2 A1 -> B1 2^64+5 => exists_with_different_amount\n"
                         "T3 A1 -> B1 1 ud128=1 => exists_with_different_user_data_128");
}

Test(transfers, ids_that_agree_in_one_half_are_different)
{
    GIVEN_ACCOUNTS("1 2^64+1 2^64 2");
    transfers_one_by_one("1 1 -> 2 1; 2^64+1 1 -> 2 2; 2^64 2^64+1 -> 2^64 4\n"
                         "2^127+1 1 -> 2^64 8\n"
                         "2^64+1 1 -> 2 1 => exists_with_different_amount");
    expect_balance("1", .debits_posted = 11);
    expect_balance("2^64+1", .debits_posted = 4);
    expect_balance("2^64", .credits_posted = 12);
    reopen();
    expect_all_the_same_to_a_reader(4);
}

Test(transfers, an_account_and_a_transfer_may_have_the_same_id)
{
    GIVEN_ACCOUNTS("A1 B1");
    expect(transfer("A1 A1 -> B1 5"), MP_CREATED);
    expect_balance("A1", .debits_posted = 5);
    cr_assert(given_transfer("A1").amount == 5);
}

Test(transfers, times_are_consecutive_and_go_on_where_the_clock_stands_still)
{
    GIVEN_ACCOUNTS("A1 B1");
    const uint64_t first = given_now() + 2;
    transfers("T1 A1 -> B1 1\n"
              "T2 A1 -> B1 1 code=0 => code_must_not_be_zero\n"
              "T1 A1 -> B1 1 => exists\n"
              "T3 A1 -> B9 1 => credit_account_not_found\n"
              "T3 A1 -> B1 1 => id_already_failed\n"
              "T4 A1 -> B1 1");
    const mp_result *r = given_results();
    cr_assert(r[0].timestamp == first && r[1].timestamp == first + 1 && r[2].timestamp == first);
    cr_assert(r[3].timestamp == first + 3 && r[4].timestamp == first + 4);
    cr_assert(r[5].timestamp == first + 5);
    cr_assert(r[4].bound_code == MP_TRANSFER_CREDIT_ACCOUNT_NOT_FOUND && r[3].bound_code == 0);
    expect(transfer("T5 A1 -> B1 1"), MP_CREATED);
    cr_assert(given_results()->timestamp == first + 6);
    clock_advance_seconds(1);
    expect(transfer("T6 A1 -> B1 1"), MP_CREATED);
    cr_assert(given_results()->timestamp == given_now());
}

Test(transfers, look_ups_keep_the_order_asked_for_and_repeat_what_is_asked_twice)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers("T1 A1 -> B1 1; T2 A1 -> B1 2; T3 A9 -> B1 3 => debit_account_not_found");
    expect(update("U1 A1 set=frozen_debits"), MP_CREATED);
    const mp_id ids[] = {words_id("T2"), words_id("T3"), words_id("T1"),
                         words_id("T2"), words_id("U1"), 0,
                         MP_U128_MAX,    words_id("A1")};
    for (int pass = 0; pass < 2; pass++) {
        for (int s = 0; subjects[s] != NULL; s++) {
            mp_transfer out[8];
            uint32_t found = 99;
            if (subjects[s]->reads_only) continue;
            cr_assert(subjects[s]->lookup_transfers(ids, 8, out, &found) == MP_OK && found == 3);
            cr_assert(out[0].id == ids[0] && out[1].id == ids[2] && out[2].id == ids[0]);
        }
        reopen();
    }
}

Test(transfers, the_largest_batch_applies_whole)
{
    static mp_transfer many[MP_BATCH_MAX];

    GIVEN_ACCOUNTS("A1 B1");
    for (uint32_t i = 0; i < MP_BATCH_MAX; i++)
        many[i] = (mp_transfer){.id = 1 + i,
                                .debit_account_id = words_id("A1"),
                                .credit_account_id = words_id("B1"),
                                .amount = 3,
                                .ledger = 1,
                                .code = 1};
    given_submit(MP_CREATE_TRANSFERS, many, MP_BATCH_MAX);
    expect_balance("A1", .debits_posted = 3 * MP_BATCH_MAX);
    reopen();
    given_submit(MP_CREATE_TRANSFERS, many, MP_BATCH_MAX);
    cr_assert(given_results()[MP_BATCH_MAX - 1].result == MP_TRANSFER_EXISTS);
    expect_balance("B1", .credits_posted = 3 * MP_BATCH_MAX);
    expect_all_the_same_to_a_reader(5);
}
