/* What goes beyond the model followed: partial captures, increases, reversals, bound ids, freezing,
 * updates. */
#include "given.h"

static const uint64_t second_ns = 1000000000;

/* --- keep_pending --- */

TestSuite(keep_pending, .init = given_open, .fini = given_close);

Test(keep_pending, captures_in_parts_leave_the_rest_reserved)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers_one_by_one("R1 A1 -> B1 100 pending ud64=5\n"
                         "P1 post R1 30 keep_pending; P2 post R1 0 keep_pending\n"
                         "P3 post R1 71 keep_pending => exceeds_pending_transfer_amount\n"
                         "P3 post R1 20 keep_pending ud64=6\n");
    expect_balance("A1", .debits_pending = 50, .debits_posted = 50);
    expect_balance("B1", .credits_pending = 50, .credits_posted = 50);
    reopen();
    transfers_one_by_one("X1 post R1 51 => exceeds_pending_transfer_amount\n"
                         "X1 void R1 100 => exceeds_pending_transfer_amount\n"
                         "X1 void R1 49 => pending_transfer_has_different_amount\n"
                         "P4 post R1 40"); /* without keep_pending: the rest goes back */
    expect_balance("A1", .debits_posted = 90);
    cr_assert(given_transfer("P1").user_data_64 == 5 && given_transfer("P3").user_data_64 == 6);
    expect(transfer("X1 post R1 0"), MP_TRANSFER_PENDING_TRANSFER_ALREADY_POSTED);
    expect_all_the_same_to_a_reader(1);
}

Test(keep_pending, taking_all_that_is_left_ends_the_reservation)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers_one_by_one("R1 A1 -> B1 100 pending; P1 post R1 30 keep_pending\n"
                         "P2 post R1 max keep_pending\n"
                         "X1 post R1 0 keep_pending => pending_transfer_already_posted\n"
                         "R2 A1 -> B1 10 pending; P3 post R2 10 keep_pending\n"
                         "X1 void R2 => pending_transfer_already_posted\n"
                         "R3 A1 -> B1 0 pending; P4 post R3 0 keep_pending\n"
                         "X1 void R3 => pending_transfer_already_posted");
    cr_assert(given_transfer("P2").amount == 70);
    expect_balance("A1", .debits_posted = 110);
    reopen();
    transfers_one_by_one("X1 post R1 0 keep_pending => pending_transfer_already_posted\n"
                         "X1 post R3 => pending_transfer_already_posted");
    expect_all_the_same_to_a_reader(2);
}

Test(keep_pending, a_void_or_expiry_gives_back_what_captures_left)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers_one_by_one("R1 A1 -> B1 100 pending; P1 post R1 30 keep_pending; V1 void R1 70\n"
                         "R2 A1 -> B1 100 pending; P2 post R2 30 keep_pending; V2 void R2\n"
                         "R3 A1 -> B1 100 pending timeout=2; P3 post R3 1 keep_pending");
    cr_assert(given_transfer("V2").amount == 70);
    clock_advance_seconds(3);
    idle();
    expect_balance("A1", .debits_posted = 61);
    transfers_one_by_one("X1 post R1 1 => pending_transfer_already_voided\n"
                         "X1 post R3 1 => pending_transfer_expired");
    reopen();
    transfers_one_by_one("V1 void R1 => exists; V1 void R1 70 => exists\n"
                         "V1 void R1 100 => exists_with_different_amount\n"
                         "V2 void R2 70 => exists\n"
                         "X1 post R1 1 => pending_transfer_already_voided\n"
                         "X1 post R3 1 => pending_transfer_expired");
    expect_all_the_same_to_a_reader(3);
}

Test(keep_pending, sent_again_it_exists_and_max_matches_any_amount)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers_one_by_one("R1 A1 -> B1 100 pending; P1 post R1 30 keep_pending\n"
                         "P2 post R1 20 keep_pending; P3 post R1 10");
    for (int pass = 0; pass < 2; pass++) {
        transfers_one_by_one("P1 post R1 30 keep_pending => exists\n"
                             "P1 post R1 max keep_pending => exists\n"
                             "P1 post R1 20 keep_pending => exists_with_different_amount\n"
                             "P1 post R1 30 => exists_with_different_flags\n"
                             "P2 post R1 max keep_pending => exists\n"
                             "P3 post R1 10 => exists\n"
                             "P3 post R1 max => exists_with_different_amount\n" /* 50 were left */
                             "P3 post R1 10 keep_pending => exists_with_different_flags\n");
        reopen();
    }
}

Test(keep_pending, a_last_post_of_all_that_was_left_matches_max)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers_one_by_one("R1 A1 -> B1 100 pending; P1 post R1 30 keep_pending; P2 post R1 70\n"
                         "P2 post R1 max => exists; P2 post R1 70 => exists\n"
                         "P2 post R1 100 => exists_with_different_amount");
    reopen();
    transfers_one_by_one("P2 post R1 max => exists; P2 post R1 70 => exists\n"
                         "P2 post R1 100 => exists_with_different_amount");
}

Test(keep_pending, what_limit_the_ended_reservation_is_measured_by)
{
    /* The amount is checked before the state: by what was left just before the end. */
    GIVEN_ACCOUNTS("A1 B1");
    transfers_one_by_one("R1 A1 -> B1 100 pending; P1 post R1 60 keep_pending; P2 post R1 10\n"
                         "X1 post R1 41 => exceeds_pending_transfer_amount\n"
                         "X1 post R1 40 => pending_transfer_already_posted\n"
                         "X1 void R1 39 => pending_transfer_has_different_amount\n"
                         "X1 void R1 40 => pending_transfer_already_posted");
}

/* --- increase_pending --- */

TestSuite(increase, .init = given_open, .fini = given_close);

Test(increase, grows_the_reservation)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers_one_by_one("R1 A1 -> B1 100 pending code=3 ud64=4\n"
                         "I1 increase R1 50; I2 increase R1 0; I3 increase R1 7 ud64=9\n");
    expect_balance("A1", .debits_pending = 157);
    const mp_transfer i = given_transfer("I1"), r = given_transfer("R1");
    cr_assert(i.amount == 50 && i.ledger == 1 && i.code == 3 && i.user_data_64 == 0);
    cr_assert(i.debit_account_id == words_id("A1") && i.credit_account_id == words_id("B1"));
    cr_assert(r.amount == 100); /* as recorded */
    reopen();
    transfers_one_by_one("X1 void R1 100 => pending_transfer_has_different_amount\n"
                         "P1 post R1 150 keep_pending; V1 void R1 7");
    expect_balance("A1", .debits_posted = 150);
    expect_all_the_same_to_a_reader(4);
}

Test(increase, extends_a_hold_or_gives_it_an_end)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers_one_by_one("R1 A1 -> B1 1 pending timeout=5; R2 A1 -> B1 2 pending timeout=5\n"
                         "R3 A1 -> B1 4 pending; R4 A1 -> B1 8 pending timeout=5\n"
                         "R5 A1 -> B1 16 pending timeout=100");
    clock_advance_seconds(3);
    transfers_one_by_one("I1 increase R1 0 timeout=5; I3 increase R3 0 timeout=1\n"
                         "I4 increase R4 1; I5 increase R5 0 timeout=3");
    const uint64_t extended = given_time("I1");
    clock_set(given_time("I3") + second_ns);
    idle(); /* R3 */
    expect_balance("A1", .debits_pending = 28);
    clock_set(given_time("R4") + 5 * second_ns);
    idle(); /* R2 and R4: an increase without timeout changes no end */
    expect_balance("A1", .debits_pending = 17);
    reopen();
    clock_set(given_time("I5") + 3 * second_ns);
    idle(); /* R5, shortened */
    expect_balance("A1", .debits_pending = 1);
    clock_set(extended + 5 * second_ns - 1);
    transfers("P1 post R1 0 keep_pending; P2 post R1 => pending_transfer_expired");
    idle();
    expect_balance("A1", .debits_pending = 0);
    expect_all_the_same_to_a_reader(5);
}

Test(increase, obeys_limits_closed_and_frozen_like_a_reservation)
{
    GIVEN_ACCOUNTS("D1:debits_must_not_exceed_credits E1:credits_must_not_exceed_debits A1 B1");
    transfers_one_by_one("T1 A1 -> D1 100; R1 D1 -> A1 60 pending\n"
                         "I1 increase R1 41 => exceeds_credits\n"
                         "I1 increase R1 40 => id_already_failed; I2 increase R1 40\n"
                         "T2 E1 -> A1 10; R2 A1 -> E1 5 pending\n"
                         "I3 increase R2 6 => exceeds_debits; I4 increase R2 5\n"
                         "R3 A1 -> B1 1 pending; R4 A1 -> B1 1 pending");
    updates_one_by_one("U1 A1 set=frozen_debits");
    transfers_one_by_one("I5 increase R3 1 => debit_account_frozen");
    updates_one_by_one("U2 A1 clear=frozen_debits; U3 B1 set=frozen_credits");
    transfers_one_by_one("I6 increase R3 1 => credit_account_frozen\n"
                         "I7 increase R3 0 timeout=5 => credit_account_frozen\n"
                         "C1 B1 -> A1 0 pending closing_debit\n"
                         "I8 increase R3 1 => credit_account_already_closed");
    updates_one_by_one("U4 B1 clear=frozen_credits");
    transfers_one_by_one("V1 void C1; I9 increase R3 1");
    expect_all_the_same_to_a_reader(6);
}

Test(increase, needs_an_open_reservation_and_says_what_else_it_found)
{
    GIVEN_ACCOUNTS("A1 B1 C1");
    transfers_one_by_one("T1 A1 -> B1 1; R1 A1 -> B1 5 pending code=7\n"
                         "R2 A1 -> B1 5 pending; P2 post R2; R3 A1 -> B1 5 pending; V3 void R3\n"
                         "R4 A1 -> B1 5 pending timeout=1");
    clock_advance_seconds(2);
    transfers_one_by_one(
        "X1 increase 0 1 => pending_id_must_not_be_zero\n"
        "X1 increase max 1 => pending_id_must_not_be_int_max\n"
        "X1 increase X1 1 => pending_id_must_be_different\n"
        "X1 increase T1 1 => pending_transfer_not_pending\n"
        "X1 increase P2 1 => pending_transfer_not_pending\n"
        "X1 increase R1 1 debit=C1 => pending_transfer_has_different_debit_account_id\n"
        "X1 increase R1 1 credit=C1 => pending_transfer_has_different_credit_account_id\n"
        "X1 increase R1 1 ledger=2 => pending_transfer_has_different_ledger\n"
        "X1 increase R1 1 code=1 => pending_transfer_has_different_code\n"
        "X1 increase R2 1 => pending_transfer_already_posted\n"
        "X1 increase R2 max => pending_transfer_already_posted\n"
        "X1 increase R3 1 => pending_transfer_already_voided\n"
        "X1 increase R4 1 => pending_transfer_expired\n"
        "X1 increase R1 1 pending => flags_are_mutually_exclusive\n"
        "X1 increase R1 1 keep_pending => flags_are_mutually_exclusive\n"
        "X1 increase R1 max => overflows_debits_pending\n"
        "X1 increase R1 1 debit=A1 credit=B1 ledger=1 code=7\n"
        "X2 increase R9 1 => pending_transfer_not_found\n"
        "X3 post X1 => pending_transfer_not_pending\n"
        "X3 increase X1 => pending_transfer_not_pending");
}

Test(increase, sent_again_it_exists_when_equal)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers_one_by_one("R1 A1 -> B1 5 pending ud128=1 code=7; I1 increase R1 3 timeout=9 ud64=2");
    for (int pass = 0; pass < 2; pass++) {
        transfers_one_by_one(
            "I1 increase R1 3 timeout=9 ud64=2 => exists\n"
            "I1 increase R1 3 timeout=9 ud64=2 debit=A1 credit=B1 ledger=1 code=7 => exists\n"
            "I1 increase R1 3 timeout=8 ud64=2 => exists_with_different_timeout\n"
            "I1 increase R1 4 timeout=9 ud64=2 => exists_with_different_amount\n"
            "I1 increase R1 max timeout=9 ud64=2 => exists_with_different_amount\n"
            "I1 increase R1 3 timeout=9 ud64=2 debit=B1 => exists_with_different_debit_account_id\n"
            "I1 increase R1 3 timeout=9 ud64=2 credit=A1 "
            "=> exists_with_different_credit_account_id\n"
            "I1 increase R1 3 timeout=9 ud64=2 ud128=1 => exists_with_different_user_data_128\n"
            "I1 increase R1 3 timeout=9 => exists_with_different_user_data_64\n"
            "I1 increase R1 3 timeout=9 ud64=2 ud32=1 => exists_with_different_user_data_32\n"
            "I1 increase R1 3 timeout=9 ud64=2 ledger=3 => exists_with_different_ledger\n"
            "I1 increase R1 3 timeout=9 ud64=2 code=3 => exists_with_different_code\n");
        reopen();
        if (pass == 0) expect(transfer("V1 void R1"), MP_CREATED); /* also when it is over */
    }
    expect_balance("A1", .debits_pending = 0);
}

/* --- reversal --- */

TestSuite(reversal, .init = given_open, .fini = given_close);

Test(reversal, moves_money_back_in_parts_and_never_beyond_the_original)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers_one_by_one("T1 A1 -> B1 100 code=3 ud64=4\n"
                         "R1 reverse T1 30; R2 reverse T1 71 => exceeds_reversible_amount\n"
                         "R2 reverse T1 0; R3 reverse T1 20 ud64=9 code=8");
    expect_balance("A1", .debits_posted = 100, .credits_posted = 50);
    const mp_transfer r = given_transfer("R1");
    cr_assert(r.debit_account_id == words_id("B1") && r.credit_account_id == words_id("A1"));
    cr_assert(r.ledger == 1 && r.code == 3 && r.amount == 30 && r.user_data_64 == 0);
    cr_assert(given_transfer("R3").code == 8 && given_transfer("R3").user_data_64 == 9);
    reopen();
    transfers_one_by_one("R4 reverse T1 51 => exceeds_reversible_amount; R4 reverse T1 max\n"
                         "R5 reverse T1 1 => exceeds_reversible_amount; R5 reverse T1 0\n"
                         "R6 reverse T1 max");
    cr_assert(given_transfer("R4").amount == 50 && given_transfer("R6").amount == 0);
    expect_balance("B1", .debits_posted = 100, .credits_posted = 100);
    reopen();
    expect(transfer("R7 reverse T1 1"), MP_TRANSFER_EXCEEDS_REVERSIBLE_AMOUNT);
    expect_all_the_same_to_a_reader(7);
}

Test(reversal, of_a_post_goes_as_far_as_that_post)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers_one_by_one("H1 A1 -> B1 100 pending; P1 post H1 30 keep_pending; P2 post H1 50\n"
                         "R1 reverse P1 31 => exceeds_reversible_amount; R1 reverse P1\n"
                         "R2 reverse P2 50; R3 reverse P2 1 => exceeds_reversible_amount");
    expect_balance("A1", .debits_posted = 80, .credits_posted = 80);
}

Test(reversal, only_what_was_posted_can_be_reversed)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers_one_by_one("H1 A1 -> B1 100 pending; I1 increase H1 1\n"
                         "X1 reverse H1 => reversed_transfer_not_posted\n"
                         "X1 reverse I1 => reversed_transfer_not_posted\n"
                         "V1 void H1; X1 reverse V1 => reversed_transfer_not_posted\n"
                         "X1 reverse H1 => reversed_transfer_not_posted\n"
                         "T1 A1 -> B1 5; R1 reverse T1 1\n"
                         "X1 reverse R1 => reversed_transfer_not_posted\n"
                         "X1 reverse 0 => pending_id_must_not_be_zero\n"
                         "X1 reverse max => pending_id_must_not_be_int_max\n"
                         "X1 reverse X1 => pending_id_must_be_different\n"
                         "X1 reverse T1 timeout=1 => timeout_reserved_for_pending_transfer\n"
                         "X1 reverse T1 pending => flags_are_mutually_exclusive\n"
                         "X1 reverse T1 increase => flags_are_mutually_exclusive\n"
                         "X1 reverse T9 => reversed_transfer_not_found\n"
                         "X1 reverse T1 => id_already_failed\n"
                         "X2 reverse X1 => reversed_transfer_not_found\n"
                         "T2 A1 -> B1 9 balancing_credit; X3 reverse T2; T3 A1 -> B1 0\n"
                         "X4 reverse T3; X5 reverse T3 1 => exceeds_reversible_amount\n"
                         "X6 post R1 => pending_transfer_not_pending\n");
    updates_one_by_one("U1 A1 set=frozen_debits");
    transfers_one_by_one("X7 reverse U1 => reversed_transfer_not_found");
}

Test(reversal, may_name_the_accounts_swapped_and_nothing_else)
{
    GIVEN_ACCOUNTS("A1 B1 C1");
    transfers_one_by_one(
        "T1 A1 -> B1 5\n"
        "X1 reverse T1 debit=A1 => reversed_transfer_has_different_debit_account_id\n"
        "X1 reverse T1 credit=B1 => reversed_transfer_has_different_credit_account_id\n"
        "X1 reverse T1 debit=C1 credit=A1 => reversed_transfer_has_different_debit_account_id\n"
        "X1 reverse T1 ledger=2 => reversed_transfer_has_different_ledger\n"
        "X1 reverse T1 debit=B1 credit=A1 ledger=1 code=77");
    cr_assert(given_transfer("X1").code == 77);
}

Test(reversal, obeys_limits_closed_and_frozen_like_a_plain_transfer)
{
    GIVEN_ACCOUNTS("D1:debits_must_not_exceed_credits E1:credits_must_not_exceed_debits A1 B1");
    transfers_one_by_one("T1 A1 -> D1 10; T2 D1 -> B1 4\n"
                         "X1 reverse T1 7 => exceeds_credits; X2 reverse T1 6\n"
                         "T3 E1 -> A1 10; T4 B1 -> E1 4; X3 reverse T3 7 => exceeds_debits\n"
                         "T5 A1 -> B1 9");
    updates_one_by_one("U1 B1 set=frozen_debits");
    transfers_one_by_one("X4 reverse T5 => debit_account_frozen");
    updates_one_by_one("U2 B1 clear=frozen_debits; U3 A1 set=frozen_credits");
    transfers_one_by_one("X5 reverse T5 => credit_account_frozen");
    updates_one_by_one("U4 A1 clear=frozen_credits");
    transfers_one_by_one("C1 A1 -> B1 0 pending closing_debit\n"
                         "X6 reverse T5 => credit_account_already_closed\n"
                         "V1 void C1; X7 reverse T5");
    expect_all_the_same_to_a_reader(8);
}

Test(reversal, sent_again_it_exists_and_max_matches_any_amount)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers_one_by_one(
        "T1 A1 -> B1 100 code=3 ud64=7; R1 reverse T1 30; R2 reverse T1 20 code=9\n"
        "R3 reverse T1 max");
    for (int pass = 0; pass < 2; pass++) {
        transfers_one_by_one(
            "R1 reverse T1 30 => exists; R1 reverse T1 max => exists\n"
            "R1 reverse T1 29 => exists_with_different_amount\n"
            "R1 reverse T1 30 debit=B1 credit=A1 ledger=1 code=3 => exists\n"
            "R1 reverse T1 30 debit=A1 => exists_with_different_debit_account_id\n"
            "R1 reverse T1 30 credit=B1 => exists_with_different_credit_account_id\n"
            "R1 reverse T1 30 ledger=2 => exists_with_different_ledger\n"
            "R1 reverse T1 30 code=4 => exists_with_different_code\n"
            "R1 reverse T1 30 ud64=7 => exists_with_different_user_data_64\n"
            "R2 reverse T1 20 code=9 => exists\n"
            "R2 reverse T1 20 => exists_with_different_code\n" /* 0 means the original's */
            "R3 reverse T1 50 => exists; R3 reverse T1 max => exists\n");
        reopen();
    }
}

/* --- bind_id --- */

TestSuite(bind_id, .init = given_open, .fini = given_close);

Test(bind_id, a_bound_id_is_never_applied)
{
    GIVEN_ACCOUNTS("A1 B1");
    expect(transfer("T1 bind"), MP_TRANSFER_ID_BOUND);
    for (int pass = 0; pass < 2; pass++) {
        transfers_one_by_one("T1 A1 -> B1 5 => id_already_failed");
        cr_assert(given_results()->bound_code == MP_TRANSFER_ID_BOUND);
        transfers_one_by_one("T1 bind => id_already_failed; T1 bind code=1 => id_already_failed");
        updates_one_by_one("T1 A1 set=closed => id_already_failed");
        cr_assert(given_results()->bound_code == MP_TRANSFER_ID_BOUND);
        cr_assert(!given_has_transfer("T1"));
        reopen();
    }
    expect_balance("A1", .debits_posted = 0);
    expect_all_the_same_to_a_reader(9);
}

Test(bind_id, tells_a_caller_that_gives_up_whether_it_was_applied)
{
    GIVEN_ACCOUNTS("A1 B1");
    expect(transfer("T1 A1 -> B1 5"), MP_CREATED);
    expect(update("U1 A1 set=frozen_debits"), MP_CREATED);
    transfers_one_by_one("T1 bind => exists_with_different_flags\n"
                         "U1 bind => exists_with_different_flags\n"
                         "T2 A1 -> B1 1 => debit_account_frozen; T2 bind => id_already_failed");
    cr_assert(given_results()->bound_code == MP_TRANSFER_DEBIT_ACCOUNT_FROZEN);
    expect(transfer("T1 A1 -> B1 5"), MP_TRANSFER_EXISTS);
}

Test(bind_id, takes_no_other_field_and_no_other_flag)
{
    transfers_one_by_one("T1 bind debit=A1 => bind_fields_must_be_zero\n"
                         "T1 bind credit=A1 => bind_fields_must_be_zero\n"
                         "T1 bind 1 => bind_fields_must_be_zero\n"
                         "T1 bind 2^64 => bind_fields_must_be_zero\n"
                         "T1 bind pending_id=T2 => bind_fields_must_be_zero\n"
                         "T1 bind ud128=2^64 => bind_fields_must_be_zero\n"
                         "T1 bind ud64=1 => bind_fields_must_be_zero\n"
                         "T1 bind ud32=1 => bind_fields_must_be_zero\n"
                         "T1 bind timeout=1 => bind_fields_must_be_zero\n"
                         "T1 bind ledger=1 => bind_fields_must_be_zero\n"
                         "T1 bind code=1 => bind_fields_must_be_zero\n"
                         "T1 bind at=1 => timestamp_must_be_zero\n"
                         "T1 bind pending => flags_are_mutually_exclusive\n"
                         "T1 bind keep_pending => flags_are_mutually_exclusive\n"
                         "0 bind => id_must_not_be_zero; max bind => id_must_not_be_int_max\n"
                         "T1 bind => id_bound"); /* none of them bound it */
}

/* --- frozen --- */

TestSuite(frozen, .init = given_open, .fini = given_close);

Test(frozen, one_side_takes_nothing_while_voids_and_expiries_pass)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers_one_by_one("R1 A1 -> B1 1 pending; R2 A1 -> B1 2 pending; T1 A1 -> B1 50\n"
                         "R3 A1 -> B1 4 pending timeout=2; R4 B1 -> A1 8 pending");
    updates_one_by_one("U1 A1 set=frozen_debits");
    transfers_one_by_one("X1 A1 -> B1 1 => debit_account_frozen\n"
                         "X2 A1 -> B1 1 pending => debit_account_frozen\n"
                         "X3 A1 -> B1 0 => debit_account_frozen\n"
                         "X4 post R1 => debit_account_frozen\n"
                         "X5 post R1 0 keep_pending => debit_account_frozen\n"
                         "X6 increase R1 0 => debit_account_frozen\n"
                         "X7 A1 -> B1 max balancing_debit => debit_account_frozen\n"
                         "Y1 B1 -> A1 1; Y2 post R4; Y3 reverse T1 1; V1 void R2\n"
                         "X8 reverse Y1 => debit_account_frozen");
    clock_advance_seconds(3);
    idle();
    updates_one_by_one("U2 A1 clear=frozen_debits set=frozen_credits");
    transfers_one_by_one("X9 B1 -> A1 1 => credit_account_frozen\n"
                         "X10 reverse T1 1 => credit_account_frozen\n"
                         "Y4 post R1; Y5 A1 -> B1 1");
    expect_balance("A1", .debits_posted = 52, .credits_posted = 10);
    reopen();
    cr_assert(given_flags("A1") == MP_ACCOUNT_FROZEN_CREDITS);
    expect(transfer("X11 B1 -> A1 1"), MP_TRANSFER_CREDIT_ACCOUNT_FROZEN);
    expect_all_the_same_to_a_reader(10);
}

/* --- updates --- */

TestSuite(updates, .init = given_open, .fini = given_close);

Test(updates, a_mistake_is_named_and_changes_nothing)
{
    GIVEN_ACCOUNTS("A1 B1");
    expect(transfer("T1 A1 -> B1 1"), MP_CREATED);
    updates_one_by_one("U1 A1 set=closed flags=2 => reserved_flag\n"
                       "U1 A1 set=linked => reserved_flag\n"
                       "U1 A1 set=history => reserved_flag\n"
                       "U1 A1 set=256 => reserved_flag\n"
                       "U1 A1 clear=imported => reserved_flag\n"
                       "U1 A1 set=closed,debits_must_not_exceed_credits => reserved_flag\n"
                       "0 A1 set=closed => id_must_not_be_zero\n"
                       "max A1 set=closed => id_must_not_be_int_max\n"
                       "U1 A1 set=closed clear=closed => flags_are_mutually_exclusive\n"
                       "U1 A1 set=frozen_debits,closed clear=frozen_credits,closed "
                       "=> flags_are_mutually_exclusive\n"
                       "U1 0 set=closed => account_id_must_not_be_zero\n"
                       "U1 max set=closed => account_id_must_not_be_int_max\n"
                       "U1 A1 => nothing_to_update\n"
                       "U1 A1 set=closed linked => linked_event_chain_open\n"
                       "T1 A1 set=frozen_debits => exists_with_different_flags\n"
                       "U1 A1 set=frozen_debits\n"
                       "U2 A9 set=closed => account_not_found\n"
                       "U2 A1 set=closed => id_already_failed\n"
                       "U3 A1 set=closed => account_not_empty\n"
                       "U3 A1 set=frozen_debits => id_already_failed");
    cr_assert(given_results()->bound_code == MP_TRANSFER_ACCOUNT_NOT_EMPTY);
    cr_assert(given_flags("A1") == MP_ACCOUNT_FROZEN_DEBITS);
    expect_all_the_same_to_a_reader(11);
}

Test(updates, an_account_closes_only_when_it_is_even_and_nothing_is_pending)
{
    GIVEN_ACCOUNTS("A1 B1 C1");
    expect(update("U1 A1 set=closed"), MP_CREATED);
    expect(transfer("T1 A1 -> B1 1"), MP_TRANSFER_DEBIT_ACCOUNT_ALREADY_CLOSED);
    expect(update("U2 A1 clear=closed"), MP_CREATED);
    transfers_one_by_one("T2 A1 -> B1 5; T3 B1 -> A1 5; R1 A1 -> C1 1 pending");
    expect(update("U3 A1 set=closed"), MP_TRANSFER_ACCOUNT_NOT_EMPTY);
    expect(update("U4 C1 set=closed"), MP_TRANSFER_ACCOUNT_NOT_EMPTY); /* pending credits count */
    expect(update("U5 B1 set=closed"), MP_CREATED);
    expect(transfer("V1 void R1"), MP_CREATED);
    expect(update("U6 A1 set=closed,frozen_debits"), MP_CREATED);
    cr_assert(given_flags("A1") == (MP_ACCOUNT_CLOSED | MP_ACCOUNT_FROZEN_DEBITS));
    expect(update("U7 A1 clear=closed,frozen_debits"), MP_CREATED);
    expect(transfer("T4 A1 -> C1 2^64"), MP_CREATED);
    expect(transfer("T5 C1 -> A1 2^64+1"), MP_CREATED);
    expect(update("U8 A1 set=closed"), MP_TRANSFER_ACCOUNT_NOT_EMPTY);
    reopen();
    expect_all_the_same_to_a_reader(12);
}

Test(updates, a_change_that_changes_nothing_is_recorded_too)
{
    GIVEN_ACCOUNTS("A1 B1");
    updates_one_by_one("U1 A1 clear=closed; U2 A1 set=frozen_debits; U3 A1 set=frozen_debits\n"
                       "U1 A1 clear=closed => exists");
    const mp_change_filter all = {.limit = 10};
    for (int s = 0; subjects[s] != NULL; s++) {
        mp_change changes[10];
        uint32_t count = 0;
        if (subjects[s]->reads_only) continue;
        cr_assert(subjects[s]->changes(&all, changes, &count) == MP_OK && count == 3);
        cr_assert(changes[2].type == MP_CHANGE_ACCOUNT_UPDATED);
        cr_assert(changes[2].update.id == words_id("U3"));
        cr_assert(changes[2].update_flags_before == MP_ACCOUNT_FROZEN_DEBITS);
        cr_assert(changes[2].update_flags_after == MP_ACCOUNT_FROZEN_DEBITS);
    }
}

Test(updates, each_field_that_differs_is_named_the_first_alone)
{
    GIVEN_ACCOUNTS("A1 B1");
    expect(update("U1 A1 set=frozen_debits clear=closed ud128=1 ud64=2 ud32=3 code=4"), MP_CREATED);
    for (int pass = 0; pass < 2; pass++) {
        updates_one_by_one(
            "U1 A1 set=frozen_debits clear=closed ud128=1 ud64=2 ud32=3 code=4 => exists\n"
            "U1 A1 set=frozen_credits clear=closed ud128=1 ud64=2 ud32=3 code=4 "
            "=> exists_with_different_flags\n"
            "U1 A1 set=frozen_debits ud128=1 ud64=2 ud32=3 code=4 => exists_with_different_flags\n"
            "U1 A1 set=0 clear=0 ud128=1 ud64=2 ud32=3 code=4 => exists_with_different_flags\n"
            "U1 B1 set=frozen_debits clear=closed ud128=1 ud64=2 ud32=3 code=4 "
            "=> exists_with_different_account_id\n"
            "U1 0 set=frozen_debits clear=closed ud128=1 ud64=2 ud32=3 code=4 "
            "=> exists_with_different_account_id\n"
            "U1 A1 set=frozen_debits clear=closed ud128=0 ud64=2 ud32=3 code=4 "
            "=> exists_with_different_user_data_128\n"
            "U1 A1 set=frozen_debits clear=closed ud128=1 ud64=0 ud32=3 code=4 "
            "=> exists_with_different_user_data_64\n"
            "U1 A1 set=frozen_debits clear=closed ud128=1 ud64=2 ud32=0 code=4 "
            "=> exists_with_different_user_data_32\n"
            "U1 A1 set=frozen_debits clear=closed ud128=1 ud64=2 ud32=3 code=0 "
            "=> exists_with_different_code\n");
        reopen();
    }
}

Test(updates, share_the_id_space_of_transfers_but_are_none)
{
    GIVEN_ACCOUNTS("A1 B1");
    expect(update("U1 A1 set=frozen_debits"), MP_CREATED);
    for (int pass = 0; pass < 2; pass++) {
        transfers_one_by_one("U1 A1 -> B1 1 => exists_with_different_flags\n"
                             "U1 bind => exists_with_different_flags\n"
                             "? post U1 => pending_transfer_not_found\n"
                             "? reverse U1 => reversed_transfer_not_found\n"
                             "? increase U1 1 => pending_transfer_not_found");
        cr_assert(!given_has_transfer("U1"));
        reopen();
    }
    expect(transfer("T1 B1 -> A1 1"), MP_CREATED);
    expect(update("T1 A1 set=frozen_debits"), MP_TRANSFER_EXISTS_WITH_DIFFERENT_FLAGS);
    expect_all_the_same_to_a_reader(13);
}

Test(updates, the_accounts_own_user_data_stay)
{
    expect(account("A1 ud128=1 ud64=2 ud32=3 code=4"), MP_CREATED);
    expect(update("U1 A1 set=frozen_debits ud128=9 ud64=9 ud32=9 code=9"), MP_CREATED);
    reopen();
    const mp_account a = given_account("A1");
    cr_assert(a.user_data_128 == 1 && a.user_data_64 == 2 && a.user_data_32 == 3 && a.code == 4);
    cr_assert(a.flags == MP_ACCOUNT_FROZEN_DEBITS);
}
