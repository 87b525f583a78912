/* History brought in with its own times. */
#include "given.h"

TestSuite(imported, .init = given_open, .fini = given_close);

Test(imported, accounts_and_transfers_keep_the_times_they_bring)
{
    accounts("A1 imported at=100; B1 imported at=200");
    transfers("T1 A1 -> B1 5 imported at=201; T2 A1 -> B1 6 imported at=202");
    cr_assert(given_results()[0].timestamp == 201 && given_results()[1].timestamp == 202);
    cr_assert(given_time("A1") == 100 && given_time("T2") == 202);
    expect_balance_at("A1", 200, .debits_posted = 0);
    expect_balance_at("A1", 201, .debits_posted = 5);
    expect_balance_at("A1", 202, .debits_posted = 11);
    reopen();
    cr_assert(given_time("A1") == 100 && given_transfer("T1").timestamp == 201);
    expect_all_the_same_to_a_reader(1);
}

Test(imported, a_batch_is_all_imported_or_none_is)
{
    accounts("A1 imported at=1; B1 => imported_event_expected; C1 imported at=2");
    accounts("B1; D1 imported at=3 => imported_event_not_expected; E1");
    /* The first decides even if it is refused */
    accounts("F1 imported at=0 => imported_event_timestamp_out_of_range\n"
             "F1 => imported_event_expected");
    transfers("T1 A1 -> C1 1 imported at=3 code=0 => code_must_not_be_zero\n"
              "T1 A1 -> C1 1 => imported_event_expected; T1 A1 -> C1 1 imported at=4");
    transfers("T2 B1 -> E1 1; T3 B1 -> E1 1 imported at=now-1 => imported_event_not_expected");
    /* A chain open at its very first event decides too */
    transfers("T4 A1 -> C1 1 linked => linked_event_failed\n"
              "T5 A1 -> C1 1 imported at=5 => imported_event_not_expected");
}

Test(imported, times_lie_before_the_batch_and_within_bounds)
{
    const char *const lines = "A1 imported at=0      => imported_event_timestamp_out_of_range\n"
                              "A1 imported at=2^63   => imported_event_timestamp_out_of_range\n"
                              "A1 imported at=2^64-1 => imported_event_timestamp_out_of_range\n"
                              "A1 imported at=2^63-1 => imported_event_timestamp_must_not_advance\n"
                              "A1 imported at=now+9  => imported_event_timestamp_must_not_advance\n"
                              "A1 imported at=now    => imported_event_timestamp_must_not_advance\n"
                              "A1 imported at=now-1\n";
    accounts(lines); /* one batch: its first event has the time `now`, the last one a later one */
    cr_assert(given_results()[0].timestamp == given_now()); /* of validation */
    cr_assert(given_results()[6].timestamp == given_now() - 1);
    clock_advance_seconds(1);
    GIVEN_ACCOUNTS("B1");
    clock_advance_seconds(1);
    transfers("T1 A1 -> B1 1 imported at=0      => imported_event_timestamp_out_of_range\n"
              "T1 A1 -> B1 1 imported at=2^63   => imported_event_timestamp_out_of_range\n"
              "T1 A1 -> B1 1 imported at=2^63-1 => imported_event_timestamp_must_not_advance\n"
              "T1 A1 -> B1 1 imported at=now    => imported_event_timestamp_must_not_advance\n"
              "T1 A1 -> B1 1 imported at=now-1");
    cr_assert(given_results()[2].timestamp == given_now() + 2);
}

Test(imported, an_account_is_later_than_the_newest_account_and_transfer)
{
    accounts("A1 imported at=100; B1 imported at=100 => imported_event_timestamp_must_not_regress\n"
             "B1 imported at=99 => imported_event_timestamp_must_not_regress\n"
             "B1 imported at=101");
    transfers("T1 A1 -> B1 1 imported at=500");
    accounts("C1 imported at=499 => imported_event_timestamp_must_not_regress\n"
             "C1 imported at=500 => imported_event_timestamp_must_not_regress\n"
             "A1 imported at=50 => exists\n"
             "C1 imported at=501");
    cr_assert(given_results()[2].timestamp == 100);
    clock_advance_seconds(1);
    GIVEN_ACCOUNTS("D1");
    clock_advance_seconds(1);
    /* A live one counts likewise */
    accounts("E1 imported at=502 => imported_event_timestamp_must_not_regress\n"
             "E1 imported at=D1  => imported_event_timestamp_must_not_regress\n"
             "E1 imported at=D1+1");
    expect_all_the_same_to_a_reader(2);
}

Test(imported, a_transfer_is_later_than_all_that_moved_money_or_flags)
{
    accounts("A1 imported at=100; B1 imported at=200; C1 imported at=300; D1 imported at=400");
    transfers("T1 A1 -> B1 1 imported at=250\n"
              "T2 A1 -> B1 1 imported at=250 => imported_event_timestamp_must_not_regress\n"
              "T2 A1 -> B1 1 imported at=249 => imported_event_timestamp_must_not_regress\n"
              "T2 A1 -> B1 1 imported at=300 => imported_event_timestamp_must_not_regress\n"
              "T2 A1 -> B1 1 imported at=301\n" /* older than D1, which it doesn't touch */
              "T3 D1 -> B1 1 imported at=302 "
              "=> imported_event_timestamp_must_postdate_debit_account\n"
              "T3 B1 -> D1 1 imported at=302 "
              "=> imported_event_timestamp_must_postdate_credit_account\n"
              "T3 B1 -> D1 1 imported at=400 => imported_event_timestamp_must_not_regress\n"
              "T3 B1 -> D1 1 imported at=401");
    /* An update and an expiry, stamped by the clock, count too */
    expect(update("U1 A1 set=frozen_credits"), MP_CREATED);
    const uint64_t updated = given_results()->timestamp;
    clock_advance_seconds(1);
    cr_assert(updated < given_now() - 2);
    transfers("T4 A1 -> B1 1 imported at=402 => imported_event_timestamp_must_not_regress");
    expect(transfer("R1 A1 -> B1 1 pending timeout=1"), MP_CREATED);
    clock_advance_seconds(5);
    idle(); /* releases R1, long after it was due */
    clock_advance_seconds(5);
    transfers("T4 A1 -> B1 1 imported at=R1+1 => imported_event_timestamp_must_not_regress\n"
              "T4 A1 -> B1 1 imported at=now-1");
    expect_all_the_same_to_a_reader(3);
}

Test(imported, an_update_alone_moves_the_bound)
{
    accounts("A1 imported at=100; B1 imported at=200");
    clock_advance_seconds(1);
    expect(update("U1 A1 set=frozen_credits"), MP_CREATED);
    const uint64_t updated = given_results()->timestamp;
    clock_advance_seconds(1);
    transfers("T1 A1 -> B1 1 imported at=now-1000000000 "
              "=> imported_event_timestamp_must_not_regress\n"
              "T1 A1 -> B1 1 imported at=now-999999999");
    cr_assert(given_time("T1") == updated + 1);
}

Test(imported, an_account_may_be_older_than_an_update_or_expiry)
{
    accounts("A1 imported at=100; B1 imported at=200");
    expect(update("U1 A1 set=frozen_credits"), MP_CREATED);
    clock_advance_seconds(1);
    accounts("C1 imported at=201"); /* only accounts and transfers bound it */
    expect(transfer("R1 A1 -> B1 1 pending timeout=1"), MP_CREATED);
    clock_advance_seconds(5);
    accounts("D1 imported at=R1+1"); /* R1 expires in front of this batch */
    reopen();
    accounts("E1 imported at=D1+1; F1 imported at=D1 => imported_event_timestamp_must_not_regress");
    expect_all_the_same_to_a_reader(7);
}

Test(imported, what_was_refused_or_undone_moves_no_bound)
{
    accounts("A1 imported at=100; B1 imported at=200");
    transfers("T1 A1 -> B1 1 imported at=900 linked => linked_event_failed\n"
              "T2 A1 -> B1 1 imported at=901 code=0 => code_must_not_be_zero\n"
              "T1 A1 -> B1 1 imported at=300");
    cr_assert(given_results()[0].timestamp == 900); /* the time it was given */
    accounts("C1 imported at=900 linked => linked_event_failed\n"
             "D1 imported at=901 code=0 => code_must_not_be_zero\n"
             "C1 imported at=301");
    transfers("T2 A9 -> B1 1 imported at=902 => debit_account_not_found\n"
              "T3 A1 -> B1 1 imported at=302");
    reopen();
    transfers("T4 A1 -> B1 1 imported at=302 => imported_event_timestamp_must_not_regress\n"
              "T4 A1 -> B1 1 imported at=303");
    expect_all_the_same_to_a_reader(4);
}

Test(imported, the_bounds_are_known_after_a_restart)
{
    accounts("A1 imported at=100; B1 imported at=200; C1 imported at=700");
    transfers("T1 A1 -> B1 1 imported at=500");
    reopen();
    accounts("D1 imported at=700 => imported_event_timestamp_must_not_regress\n"
             "D1 imported at=701");
    transfers("T2 A1 -> B1 1 imported at=500 => imported_event_timestamp_must_not_regress\n"
              "T2 A1 -> B1 1 imported at=700 => imported_event_timestamp_must_not_regress\n"
              "T2 A1 -> B1 1 imported at=501");
}

Test(imported, the_time_of_an_update_is_a_bound_after_a_restart_too)
{
    accounts("A1 imported at=100; B1 imported at=200");
    updates("U1 A1 set=frozen_credits");
    const unsigned long long updated = given_results()->timestamp;
    clock_advance_seconds(1);
    reopen();
    expect(transfer(lines_of("T1 A1 -> B1 1 imported at=%llu", updated)),
           MP_TRANSFER_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS);
    expect(transfer(lines_of("T1 A1 -> B1 1 imported at=%llu", updated + 1)), MP_CREATED);
}

Test(imported, a_reservation_has_no_timeout_but_can_be_resolved_by_either_kind)
{
    accounts("A1 imported at=100; B1 imported at=200");
    transfers("R1 A1 -> B1 10 pending imported timeout=1 at=300 "
              "=> imported_event_timeout_must_be_zero\n"
              "R1 A1 -> B1 10 pending imported at=300\n"
              "R2 A1 -> B1 10 pending imported at=301\n"
              "R3 A1 -> B1 10 pending imported at=302\n"
              "P1 post R1 4 imported at=302 => imported_event_timestamp_must_not_regress\n"
              "P1 post R1 4 imported keep_pending at=303\n"
              "V2 void R2 imported at=304");
    transfers("P2 post R1; V3 void R3");
    expect_balance_at("A1", 302, .debits_pending = 30);
    expect_balance_at("A1", 303, .debits_pending = 26, .debits_posted = 4);
    expect_balance_at("A1", 304, .debits_pending = 16, .debits_posted = 4);
    expect_balance("A1", .debits_posted = 10);
    /* A live one, resolved by an imported post */
    clock_advance_seconds(1);
    transfers("R4 A1 -> B1 7 pending timeout=100; R5 A1 -> B1 7 pending timeout=10");
    clock_advance_seconds(5);
    transfers("P4 post R4 imported at=R5+1");
    expect_balance("A1", .debits_pending = 7, .debits_posted = 17);
    reopen();
    expect_all_the_same_to_a_reader(5);
}

Test(imported, expiry_is_judged_by_the_clock_not_by_the_time_brought)
{
    GIVEN_ACCOUNTS("A1 B1");
    expect(transfer("R1 A1 -> B1 7 pending timeout=10"), MP_CREATED);
    const uint64_t due = given_time("R1") + UINT64_C(10000000000);
    clock_set(due - 1);
    transfers("P0 post R1 0 keep_pending imported at=R1+1\n"
              "P1 post R1 imported at=R1+2 => pending_transfer_expired\n"
              "P2 post R1 imported at=R1 => pending_transfer_expired");
    expect_balance("A1", .debits_pending = 0);
}

Test(imported, only_moves_posts_and_voids_can_be_imported)
{
    accounts("A1 imported at=100; B1 imported at=200");
    transfers("T1 A1 -> B1 10 imported at=300; R1 A1 -> B1 10 pending imported at=301\n"
              "X1 increase R1 1 imported at=302 => flags_are_mutually_exclusive\n"
              "X1 reverse T1 imported at=302    => flags_are_mutually_exclusive\n"
              "X1 bind imported at=302          => flags_are_mutually_exclusive\n"
              "T2 A1 -> B1 9 balancing_debit imported at=302\n"
              "T3 A1 -> B1 9 pending closing_debit imported at=303");
    transfers("X1 increase R1 1 => debit_account_already_closed; X2 reverse T1 "
              "=> credit_account_already_closed");
    transfers("V3 void T3 imported at=304");
    cr_assert(given_flags("A1") == 0);
    transfers("X3 increase R1 1 timeout=5; X4 reverse T1");
    expect_balance("A1", .debits_pending = 11, .debits_posted = 10, .credits_posted = 10);
}

Test(imported, sent_again_it_exists_whatever_time_it_brings)
{
    accounts("A1 imported at=100; B1 imported at=200");
    transfers("T1 A1 -> B1 10 imported at=300");
    transfers("T1 A1 -> B1 10 imported at=300 => exists; T1 A1 -> B1 10 imported at=250 => exists\n"
              "T1 A1 -> B1 10 imported at=0 => imported_event_timestamp_out_of_range\n"
              "T1 A1 -> B1 10 imported at=now+99 => imported_event_timestamp_must_not_advance");
    cr_assert(given_results()[0].timestamp == 300 && given_results()[1].timestamp == 300);
    transfers("T1 A1 -> B1 10 => exists_with_different_flags");
    accounts("A1 => exists_with_different_flags");
    accounts("A1 imported at=7 => exists");
}

Test(imported, statements_and_instants_are_in_order_across_expiry_and_update)
{
    accounts("A1 imported at=100; B1 imported at=200");
    transfers("T1 A1 -> B1 1 imported at=300");
    clock_advance_seconds(1);
    transfers("R1 A1 -> B1 2 pending timeout=1; T2 A1 -> B1 4");
    clock_advance_seconds(5);
    idle();
    expect(update("U1 A1 set=frozen_credits"), MP_CREATED);
    clock_advance_seconds(5);
    transfers("T3 A1 -> B1 8 imported at=now-3; T4 A1 -> B1 16 imported at=now-2");
    expect(transfer("T5 A1 -> B1 32"), MP_CREATED);
    reopen();
    expect_balance("A1", .debits_posted = 61);
    expect_balance_at("A1", given_time("T3"), .debits_posted = 13);
    expect_balance_at("A1", given_time("T3") - 1, .debits_posted = 5);
    expect_balance_at("A1", given_time("T2"), .debits_pending = 2, .debits_posted = 5);
    for (uint64_t seed = 0; seed < 20; seed++) expect_all_the_same(seed);
    expect_all_the_same_to_a_reader(6);
}
