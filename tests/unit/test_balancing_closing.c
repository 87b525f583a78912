/* Transfers that move what balances an account, and reservations that close one. */
#include "given.h"

TestSuite(balancing, .init = given_open, .fini = given_close);

Test(balancing, moves_what_there_is_and_never_more_than_asked)
{
    GIVEN_ACCOUNTS("A1 B1 C1");
    expect(transfer("T1 C1 -> A1 100"), MP_CREATED);
    expect(transfer("T2 A1 -> B1 30 balancing_debit"), MP_CREATED);
    cr_assert(given_transfer("T2").amount == 30);
    expect(transfer("T3 A1 -> B1 20 pending"), MP_CREATED); /* counts too */
    expect(transfer("T4 A1 -> B1 max balancing_debit"), MP_CREATED);
    cr_assert(given_transfer("T4").amount == 50);
    expect(transfer("T5 A1 -> B1 max balancing_debit"), MP_CREATED); /* nothing is left: 0 */
    cr_assert(given_transfer("T5").amount == 0);
    expect(transfer("T6 A1 -> B1 0 balancing_debit"), MP_CREATED);
    expect_balance("A1", .debits_pending = 20, .debits_posted = 80, .credits_posted = 100);
    expect(transfer("T7 A1 -> B1 40"), MP_CREATED); /* below balance: still never below 0 */
    expect(transfer("T8 A1 -> B1 5 balancing_debit"), MP_CREATED);
    cr_assert(given_transfer("T8").amount == 0);
    reopen();
    expect_all_the_same_to_a_reader(1);
}

Test(balancing, the_credit_side_mirrors_it)
{
    GIVEN_ACCOUNTS("A1 B1 C1");
    transfers_one_by_one("T1 B1 -> C1 100; T2 A1 -> B1 30 balancing_credit\n"
                         "T3 A1 -> B1 20 pending; T4 A1 -> B1 max balancing_credit\n"
                         "T5 A1 -> B1 9 balancing_credit");
    cr_assert(given_transfer("T2").amount == 30 && given_transfer("T4").amount == 50);
    cr_assert(given_transfer("T5").amount == 0);
    expect_balance("B1", .debits_posted = 100, .credits_pending = 20, .credits_posted = 80);
}

Test(balancing, with_both_flags_the_smaller_counts)
{
    GIVEN_ACCOUNTS("A1 B1 A2 B2 C1");
    transfers_one_by_one("T1 C1 -> A1 100; T2 B1 -> C1 60\n"
                         "T3 A1 -> B1 max balancing_debit balancing_credit\n"
                         "T4 C1 -> A2 10; T5 B2 -> C1 60\n"
                         "T6 A2 -> B2 max balancing_debit balancing_credit pending timeout=5");
    cr_assert(given_transfer("T3").amount == 60 && given_transfer("T6").amount == 10);
    expect_balance("A2", .debits_pending = 10, .credits_posted = 10);
}

Test(balancing, wide_amounts_balance_exactly)
{
    GIVEN_ACCOUNTS("A1 B1 C1");
    transfers_one_by_one("T1 C1 -> A1 2^127+5; T2 A1 -> B1 2^64; T3 A1 -> B1 max balancing_debit");
    cr_assert(given_transfer("T3").amount == ((mp_u128)1 << 127) + 5 - ((mp_u128)1 << 64));
}

Test(balancing, the_other_accounts_limit_still_refuses)
{
    GIVEN_ACCOUNTS("A1 B1 C1 E1:credits_must_not_exceed_debits D1:debits_must_not_exceed_credits");
    transfers_one_by_one("T1 C1 -> A1 100; T2 E1 -> C1 40\n"
                         "T3 A1 -> E1 41 balancing_debit => exceeds_debits\n"
                         "T4 A1 -> E1 40 balancing_debit\n"
                         "T5 B1 -> C1 10; T6 D1 -> B1 5 balancing_credit => exceeds_credits\n"
                         "T7 D1 -> B1 5 balancing_debit");
    cr_assert(given_transfer("T7").amount == 0);
}

Test(balancing, sent_again_any_maximum_that_could_have_moved_it_exists)
{
    GIVEN_ACCOUNTS("A1 B1 C1");
    transfers_one_by_one("T1 C1 -> A1 100; T2 A1 -> B1 500 balancing_debit");
    for (int pass = 0; pass < 2; pass++) {
        transfers_one_by_one("T2 A1 -> B1 500 balancing_debit => exists\n"
                             "T2 A1 -> B1 100 balancing_debit => exists\n"
                             "T2 A1 -> B1 max balancing_debit => exists\n"
                             "T2 A1 -> B1 99 balancing_debit => exists_with_different_amount\n"
                             "T2 A1 -> B1 0 balancing_debit  => exists_with_different_amount\n"
                             "T2 A1 -> B1 100 => exists_with_different_flags\n"
                             "T2 A1 -> B1 100 balancing_credit => exists_with_different_flags\n");
        reopen();
    }
}

Test(balancing, is_worked_out_behind_closed_and_frozen_and_before_overflow)
{
    GIVEN_ACCOUNTS("A1 B1 C1 X1:closed F1:frozen_debits Z1");
    transfers_one_by_one("T1 X1 -> B1 max balancing_debit => debit_account_already_closed\n"
                         "T2 F1 -> B1 max balancing_debit => debit_account_frozen\n"
                         "T3 C1 -> Z1 max-2; T4 C1 -> A1 5 => overflows_debits_posted\n");
    GIVEN_ACCOUNTS("C2");
    transfers_one_by_one("T5 C2 -> A1 5; T6 A1 -> B1 max balancing_debit\n"
                         "T7 A1 -> B1 max => overflows_debits_posted");
    cr_assert(given_transfer("T6").amount == 5);
}

/* --- closing --- */

TestSuite(closing, .init = given_open, .fini = given_close);

Test(closing, a_closed_account_takes_nothing_until_the_closing_is_voided)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers_one_by_one("R1 A1 -> B1 10 pending; R2 A1 -> B1 10 pending\n"
                         "C1 A1 -> B1 0 pending closing_debit\n"
                         "T1 A1 -> B1 1 => debit_account_already_closed\n"
                         "T2 B1 -> A1 1 => credit_account_already_closed\n"
                         "T3 A1 -> B1 0 => debit_account_already_closed\n"
                         "T4 A1 -> B1 1 pending => debit_account_already_closed\n"
                         "T5 post R1 => debit_account_already_closed\n"
                         "T6 increase R1 1 => debit_account_already_closed\n"
                         "T7 void R2\n"
                         "T8 post C1 => debit_account_already_closed\n");
    cr_assert(given_flags("A1") == MP_ACCOUNT_CLOSED && given_flags("B1") == 0);
    reopen();
    cr_assert(given_flags("A1") == MP_ACCOUNT_CLOSED);
    transfers_one_by_one("T9 void C1; T10 A1 -> B1 1; T11 post R1");
    cr_assert(given_flags("A1") == 0);
    expect_balance("A1", .debits_posted = 11);
    expect_all_the_same_to_a_reader(2);
}

Test(closing, each_side_or_both_can_be_closed)
{
    GIVEN_ACCOUNTS("A1 B1 A2 B2");
    transfers_one_by_one("C1 A1 -> B1 5 pending closing_credit\n"
                         "C2 A2 -> B2 0 pending closing_debit closing_credit\n"
                         "T1 A1 -> B1 1 => credit_account_already_closed\n"
                         "T2 A1 -> A2 1 => credit_account_already_closed\n"
                         "T3 A2 -> B2 1 => debit_account_already_closed\n"
                         "T4 reverse C1 => reversed_transfer_not_posted");
    cr_assert(given_flags("A1") == 0 && given_flags("B1") == MP_ACCOUNT_CLOSED);
    cr_assert(given_flags("A2") == MP_ACCOUNT_CLOSED && given_flags("B2") == MP_ACCOUNT_CLOSED);
    transfers_one_by_one("V1 void C1; V2 void C2; T5 A1 -> B1 1; T6 A2 -> B2 1");
}

Test(closing, expiry_opens_the_account_again)
{
    GIVEN_ACCOUNTS("A1 B1");
    expect(transfer("C1 A1 -> B1 5 pending closing_debit timeout=3"), MP_CREATED);
    clock_advance_seconds(2);
    expect(transfer("T1 A1 -> B1 1"), MP_TRANSFER_DEBIT_ACCOUNT_ALREADY_CLOSED);
    clock_advance_seconds(2);
    expect(transfer("T2 A1 -> B1 1"), MP_CREATED);
    expect_balance("A1", .debits_posted = 1);
    cr_assert(given_flags("A1") == 0);
    expect_all_the_same_to_a_reader(3);
}

Test(closing, what_is_pending_on_a_closed_account_still_expires)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers_one_by_one("R1 A1 -> B1 10 pending timeout=3; C1 A1 -> B1 0 pending closing_debit");
    clock_advance_seconds(4);
    idle();
    expect_balance("A1", .debits_pending = 0);
    cr_assert(given_flags("A1") == MP_ACCOUNT_CLOSED);
}

Test(closing, only_the_closing_reservations_void_opens_whoever_closed_it_since)
{
    GIVEN_ACCOUNTS("A1 B1");
    expect(transfer("C1 A1 -> B1 0 pending closing_debit"), MP_CREATED);
    expect(update("U1 A1 clear=closed"), MP_CREATED);
    expect(update("U2 A1 set=closed"), MP_CREATED);
    cr_assert(given_flags("A1") == MP_ACCOUNT_CLOSED);
    expect(transfer("V1 void C1"), MP_CREATED);
    cr_assert(given_flags("A1") == 0);

    /* Two closings one after the other: the first one's void opens, and the second one's finds it
     * open */
    expect(transfer("C2 A1 -> B1 0 pending closing_debit"), MP_CREATED);
    expect(update("U3 A1 clear=closed"), MP_CREATED);
    expect(transfer("C3 A1 -> B1 0 pending closing_debit"), MP_CREATED);
    expect(transfer("V2 void C2"), MP_CREATED);
    cr_assert(given_flags("A1") == 0);
    expect(transfer("V3 void C3"), MP_CREATED);
    cr_assert(given_flags("A1") == 0);
    expect_all_the_same_to_a_reader(4);
}

Test(closing, a_post_of_it_is_possible_once_an_update_has_opened_the_account)
{
    GIVEN_ACCOUNTS("A1 B1");
    expect(transfer("C1 A1 -> B1 9 pending closing_debit"), MP_CREATED);
    expect(update("U1 A1 clear=closed"), MP_CREATED);
    expect(transfer("P1 post C1 5 keep_pending"), MP_CREATED);
    cr_assert(given_flags("A1") == 0);
    expect(update("U2 A1 set=closed"), MP_TRANSFER_ACCOUNT_NOT_EMPTY);
    expect(transfer("P2 post C1"), MP_CREATED);
    cr_assert(given_flags("A1") == 0);
    expect_balance("A1", .debits_posted = 9);
}

Test(closing, an_account_created_closed_opens_by_an_update_alone)
{
    GIVEN_ACCOUNTS("A1:closed B1");
    expect(transfer("T1 A1 -> B1 1"), MP_TRANSFER_DEBIT_ACCOUNT_ALREADY_CLOSED);
    expect(transfer("T2 B1 -> A1 1 pending closing_credit"),
           MP_TRANSFER_CREDIT_ACCOUNT_ALREADY_CLOSED);
    expect(update("U1 A1 clear=closed"), MP_CREATED);
    expect(transfer("T3 A1 -> B1 1"), MP_CREATED);
    reopen();
    cr_assert(given_flags("A1") == 0);
    cr_assert(given_account("A1").flags == 0);
}
