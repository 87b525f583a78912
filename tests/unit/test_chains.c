/* Linked events: all or nothing. */
#include "given.h"

#include <stdio.h>

TestSuite(chains, .init = given_open, .fini = given_close);

Test(chains, a_whole_chain_applies_and_each_event_sees_the_ones_before_it)
{
    GIVEN_ACCOUNTS("A1 D1:debits_must_not_exceed_credits B1");
    transfers("T1 A1 -> D1 100 linked; T2 D1 -> B1 60 linked\n"
              "T3 D1 -> B1 40 pending linked; T4 post T3 linked; T5 reverse T4 15\n"
              "T6 A1 -> B1 1");
    expect_balance("D1", .debits_posted = 100, .credits_posted = 115);
    expect_balance("B1", .debits_posted = 15, .credits_posted = 101);
    reopen();
    expect_all_the_same_to_a_reader(1);
}

Test(chains, whichever_event_breaks_it_nothing_remains)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers("T1 A1 -> B1 1 code=0 linked => code_must_not_be_zero\n"
              "T2 A1 -> B1 2 linked         => linked_event_failed\n"
              "T3 A1 -> B1 4                => linked_event_failed\n"
              "T4 A1 -> B1 8");
    transfers("T1 A1 -> B1 1 linked         => linked_event_failed\n"
              "T2 A1 -> B1 2 code=0 linked  => code_must_not_be_zero\n"
              "T3 A1 -> B1 4                => linked_event_failed\n"
              "T5 A1 -> B1 16");
    transfers("T1 A1 -> B1 1 linked         => linked_event_failed\n"
              "T2 A1 -> B1 2 linked         => linked_event_failed\n"
              "T3 A1 -> B1 4 code=0         => code_must_not_be_zero\n"
              "T6 A1 -> B1 32");
    expect_balance("A1", .debits_posted = 56);
    cr_assert(!given_has_transfer("T1") && !given_has_transfer("T2") && !given_has_transfer("T3"));
    reopen();
    transfers("T1 A1 -> B1 1 linked; T2 A1 -> B1 2 linked; T3 A1 -> B1 4"); /* the ids are free */
    expect_balance("A1", .debits_posted = 63);
    expect_all_the_same_to_a_reader(2);
}

Test(chains, results_keep_the_times_that_were_given)
{
    GIVEN_ACCOUNTS("A1 B1");
    const uint64_t first = given_now() + 2;
    transfers("T1 A1 -> B1 1 linked => linked_event_failed\n"
              "T1 A1 -> B1 1 linked => exists\n" /* of the one that is undone by it */
              "T3 A1 -> B1 4        => linked_event_failed\n"
              "T4 A1 -> B1 8");
    const mp_result *r = given_results();
    cr_assert(r[0].timestamp == first && r[1].timestamp == first && r[2].timestamp == first + 2);
    cr_assert(r[3].timestamp == first + 3);
    cr_assert(r[1].sequence == 0 && r[3].sequence != 0); /* there is no such record */
    cr_assert(!given_has_transfer("T1"));
}

Test(chains, the_same_event_outside_its_chain_has_different_flags)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers("T1 A1 -> B1 1 linked; T2 A1 -> B1 2");
    expect(transfer("T1 A1 -> B1 1"), MP_TRANSFER_EXISTS_WITH_DIFFERENT_FLAGS);
    transfers("T1 A1 -> B1 1 linked => exists; T2 A1 -> B1 2 => linked_event_failed");
    expect(transfer("T2 A1 -> B1 2"), MP_TRANSFER_EXISTS);
    accounts("C1 linked; C2");
    expect(account("C1"), MP_ACCOUNT_EXISTS_WITH_DIFFERENT_FLAGS);
    updates("U1 A1 set=frozen_debits linked; U2 B1 set=frozen_debits");
    expect(update("U1 A1 set=frozen_debits"), MP_TRANSFER_EXISTS_WITH_DIFFERENT_FLAGS);
}

Test(chains, a_chain_left_open_fails_and_says_so_above_all)
{
    GIVEN_ACCOUNTS("A1 B1");
    expect(transfer("T1 A1 -> B1 1 linked"), MP_TRANSFER_LINKED_EVENT_CHAIN_OPEN);
    transfers("T1 A1 -> B1 1; T2 A1 -> B1 2 linked => linked_event_failed\n"
              "T3 A1 -> B1 4 linked => linked_event_chain_open");
    transfers("T2 A1 -> B9 2 linked => credit_account_not_found\n"
              "T3 A1 -> B1 4 linked => linked_event_failed\n"
              "T4 A1 -> B9 4 linked => linked_event_chain_open\n");
    expect(transfer("T4 A1 -> B1 4"), MP_CREATED); /* chain_open binds nothing */
    expect_balance("A1", .debits_posted = 5);
}

Test(chains, several_in_a_batch_fail_each_for_itself)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers("T1 A1 -> B1 1 linked; T2 A1 -> B1 2\n"
              "T3 A1 -> B1 4 linked => linked_event_failed; T4 A1 -> A1 8 "
              "=> accounts_must_be_different\n"
              "T5 A1 -> B1 16 linked; T6 A1 -> B1 32 linked; T7 A1 -> B1 64\n"
              "T8 A1 -> A1 1 => accounts_must_be_different\n"
              "T9 A1 -> B1 128 linked => linked_event_failed\n"
              "T9 A1 -> B1 128 => exists_with_different_flags\n"
              "T10 A1 -> B1 256");
    expect_balance("A1", .debits_posted = 115 + 256);
    reopen();
    expect_all_the_same_to_a_reader(3);
}

Test(chains, a_transient_refusal_binds_the_id_of_the_event_that_broke_it_alone)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers("T1 A1 -> B1 1 linked => linked_event_failed\n"
              "T2 A9 -> B1 2 linked => debit_account_not_found\n"
              "T3 A9 -> B1 4        => linked_event_failed");
    for (int pass = 0; pass < 2; pass++) {
        expect(transfer("T2 A1 -> B1 2"), MP_TRANSFER_ID_ALREADY_FAILED);
        cr_assert(given_results()->bound_code == MP_TRANSFER_DEBIT_ACCOUNT_NOT_FOUND);
        reopen();
    }
    transfers("T1 A1 -> B1 1; T3 A1 -> B1 4");
    /* In the batch where it broke, too */
    transfers("T4 A1 -> B1 1 linked => linked_event_failed\n"
              "T5 A9 -> B1 2        => debit_account_not_found\n"
              "T5 A1 -> B1 2        => id_already_failed; T4 A1 -> B1 1");
    expect_all_the_same_to_a_reader(4);
}

Test(chains, a_bound_id_inside_a_chain_breaks_it)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers("T1 A1 -> B1 1 linked => linked_event_failed; T2 bind => id_bound");
    transfers("T3 bind => id_bound\n"
              "T4 A1 -> B1 1 linked => linked_event_failed\n"
              "T3 A1 -> B1 1 linked => id_already_failed\n"
              "T5 A1 -> B1 1        => linked_event_failed");
    expect(transfer("T2 A1 -> B1 1"), MP_TRANSFER_ID_ALREADY_FAILED);
    cr_assert(given_results()->bound_code == MP_TRANSFER_ID_BOUND);
    expect(transfer("T6 bind linked"), MP_TRANSFER_LINKED_EVENT_CHAIN_OPEN);
    transfers("T6 bind linked => flags_are_mutually_exclusive\n"
              "T7 A1 -> B1 1 => linked_event_failed; T6 A1 -> B1 1");
}

Test(chains, reservations_come_back_as_they_were)
{
    GIVEN_ACCOUNTS("A1 B1 C1");
    transfers("R1 A1 -> B1 100 pending timeout=5; R2 A1 -> B1 50 pending; R3 A1 -> B1 0 pending");
    transfers("P1 post R1 30 keep_pending linked    => linked_event_failed\n"
              "I1 increase R1 7 timeout=900 linked  => linked_event_failed\n"
              "P2 post R1 linked                    => linked_event_failed\n"
              "V1 void R2 linked                    => linked_event_failed\n"
              "P3 post R3 linked                    => linked_event_failed\n"
              "N1 A1 -> B1 5 pending timeout=1 linked => linked_event_failed\n"
              "X1 A1 -> B1 1 code=0                 => code_must_not_be_zero");
    expect_balance("A1", .debits_pending = 150);
    reopen();
    expect_balance("A1", .debits_pending = 150);
    transfers_one_by_one("X1 void R1 99 => pending_transfer_has_different_amount\n"
                         "X1 post N1 => pending_transfer_not_found\n"
                         "V1 void R2; P3 post R3");
    clock_advance_seconds(6); /* the old timeout holds */
    idle();
    expect_balance("A1", .debits_pending = 0);
    expect_all_the_same_to_a_reader(5);
}

Test(chains, a_failed_chain_leaves_no_way_to_reverse_twice)
{
    GIVEN_ACCOUNTS("A1 B1");
    expect(transfer("T1 A1 -> B1 100"), MP_CREATED);
    expect(transfer("R1 reverse T1 10"), MP_CREATED);
    transfers("R2 reverse T1 60 linked => linked_event_failed\n"
              "R3 reverse T1 31 => exceeds_reversible_amount");
    transfers("R2 reverse T1 60 linked; R3 reverse T1 30");
    expect(transfer("R4 reverse T1 1"), MP_TRANSFER_EXCEEDS_REVERSIBLE_AMOUNT);
    reopen();
    expect(transfer("R4 reverse T1 1"), MP_TRANSFER_EXCEEDS_REVERSIBLE_AMOUNT);
    expect_balance("B1", .debits_posted = 100, .credits_posted = 100);
}

Test(chains, what_is_created_and_reversed_inside_a_chain_is_undone_with_it)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers("T1 A1 -> B1 100 linked  => linked_event_failed\n"
              "R1 reverse T1 40 linked => linked_event_failed\n"
              "R2 reverse T1 61        => exceeds_reversible_amount");
    expect_balance("A1", .debits_posted = 0);
    transfers("T1 A1 -> B1 100 linked; R1 reverse T1 40 linked; R2 reverse T1 60");
    expect_balance("A1", .debits_posted = 100, .credits_posted = 100);
}

Test(chains, closing_and_freezing_are_undone_too)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers("T1 A1 -> B1 0 pending closing_debit closing_credit linked => linked_event_failed\n"
              "T2 A1 -> B1 1 => debit_account_already_closed");
    cr_assert(given_flags("A1") == 0 && given_flags("B1") == 0);
    updates("U1 A1 set=frozen_debits,closed linked => linked_event_failed\n"
            "U2 B1 set=frozen_credits linked => linked_event_failed\n"
            "U3 A9 set=closed                => account_not_found");
    cr_assert(given_flags("A1") == 0 && given_flags("B1") == 0);
    expect(transfer("U1 A1 -> B1 1"), MP_CREATED); /* the id of the undone update is free */
    expect(transfer("U3 A1 -> B1 1"), MP_TRANSFER_ID_ALREADY_FAILED);
    cr_assert(given_results()->bound_code == MP_TRANSFER_ACCOUNT_NOT_FOUND);
    /* A void that would have opened it */
    transfers("T3 A1 -> B1 0 pending closing_debit; V1 void T3 linked => linked_event_failed\n"
              "T4 A1 -> B1 1 code=0 => code_must_not_be_zero");
    cr_assert(given_flags("A1") == MP_ACCOUNT_CLOSED);
    reopen();
    cr_assert(given_flags("A1") == MP_ACCOUNT_CLOSED && given_flags("B1") == 0);
    expect_all_the_same_to_a_reader(6);
}

Test(chains, accounts_of_a_failed_chain_never_were)
{
    accounts("A1 linked => linked_event_failed; B1 linked => linked_event_failed\n"
             "C1 code=0 => code_must_not_be_zero; D1");
    cr_assert(given_time("A1") == 0 && given_time("D1") != 0);
    accounts("A1 linked => linked_event_failed; A1 linked => exists\n"
             "B1 => linked_event_failed");
    expect(transfer("T1 A1 -> D1 1"), MP_TRANSFER_DEBIT_ACCOUNT_NOT_FOUND);
    accounts("A1 ledger=2 linked; B1 ledger=3 linked; C1");
    cr_assert(given_account("A1").ledger == 2);
    reopen();
    cr_assert(given_account("B1").ledger == 3);
    expect_all_the_same_to_a_reader(7);
}

Test(chains, the_longest_chain_is_undone_whole)
{
    static mp_transfer many[MP_BATCH_MAX];

    GIVEN_ACCOUNTS("A1 B1");
    expect(transfer("T1 A1 -> B1 7"), MP_CREATED);
    for (uint32_t i = 0; i < MP_BATCH_MAX; i++)
        many[i] = (mp_transfer){.id = 1 + i,
                                .debit_account_id = words_id("A1"),
                                .credit_account_id = words_id("B1"),
                                .amount = 1,
                                .flags = MP_TRANSFER_LINKED,
                                .ledger = 1,
                                .code = 1};
    many[MP_BATCH_MAX - 1].flags = 0;
    many[MP_BATCH_MAX - 1].code = 0;
    given_submit(MP_CREATE_TRANSFERS, many, MP_BATCH_MAX);
    cr_assert(given_results()[0].result == MP_TRANSFER_LINKED_EVENT_FAILED);
    expect_balance("A1", .debits_posted = 7);
    many[MP_BATCH_MAX - 1].code = 1;
    given_submit(MP_CREATE_TRANSFERS, many, MP_BATCH_MAX);
    cr_assert(given_results()[0].result == MP_CREATED);
    expect_balance("A1", .debits_posted = 7 + MP_BATCH_MAX);
    reopen();
    expect_balance("A1", .debits_posted = 7 + MP_BATCH_MAX);
}

/* A chain over many pages, so that what is undone lay behind where the log goes on. */
static void break_a_long_chain(const char *lines, const char *result)
{
    static char text[64 << 10];
    size_t used = 0;

    for (int i = 0; i < 1000; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used,
                                 "? C1 -> D1 1 linked => linked_event_failed\n");
    snprintf(text + used, sizeof(text) - used, "%s\n? A1 -> B1 1 code=0 => %s", lines, result);
    transfers(text);
}

Test(chains, what_was_undone_leaves_no_trace_in_a_checkpoint)
{
    GIVEN_ACCOUNTS("A1 B1 C1 D1");
    transfers("T1 A1 -> B1 5; T2 A1 -> B1 7 pending timeout=9");
    reopen();
    reopen(); /* from here on one is made 16 KiB later, of the tables as they are then */
    break_a_long_chain("T3 A1 -> B1 1 linked => linked_event_failed\n"
                       "T4 post T2 2 keep_pending linked => linked_event_failed",
                       "code_must_not_be_zero");
    for (int i = 0; i < 8; i++) expect(transfer("? C1 -> D1 1"), MP_CREATED);
    idle();
    transfers("T4 post T2 3 keep_pending; T6 A1 -> B1 1");
    reopen();
    expect_all_the_same_to_a_reader(1);
    expect(transfer("T7 post T2 5"), MP_TRANSFER_EXCEEDS_PENDING_TRANSFER_AMOUNT);
    transfers("T8 post T2; T9 A1 -> B1 1");
    expect_all_the_same_to_a_reader(2);
}
