/* Reservations: reserve, post, void, expire. */
#include "given.h"

TestSuite(reservation, .init = given_open, .fini = given_close);

static const uint64_t second_ns = 1000000000;

Test(reservation, reserved_money_is_neither_gone_nor_free)
{
    GIVEN_ACCOUNTS("D1:debits_must_not_exceed_credits A1");
    transfers_one_by_one("T1 A1 -> D1 100; T2 D1 -> A1 70 pending\n"
                         "T3 D1 -> A1 31 => exceeds_credits; T4 D1 -> A1 30");
    expect_balance("D1", .debits_pending = 70, .debits_posted = 30, .credits_posted = 100);
    expect_balance("A1", .debits_posted = 100, .credits_pending = 70, .credits_posted = 30);
}

/* Each twice: whether sums are asked for beside the results or not, from batch to batch. */
Test(reservation, what_is_reserved_counts_against_both_limits)
{
    GIVEN_ACCOUNTS("D1:debits_must_not_exceed_credits E1:credits_must_not_exceed_debits A1");
    transfers("T1 A1 -> D1 10; T2 E1 -> A1 10; T3 D1 -> A1 6 pending; T4 A1 -> E1 6 pending");
    transfers_one_by_one("? D1 -> A1 5 => exceeds_credits; ? D1 -> A1 5 => exceeds_credits\n"
                         "? A1 -> E1 5 => exceeds_debits; ? A1 -> E1 5 => exceeds_debits\n"
                         "? D1 -> A1 2; ? D1 -> A1 2; ? A1 -> E1 2; ? A1 -> E1 2\n"
                         "? D1 -> A1 1 => exceeds_credits; ? D1 -> A1 1 => exceeds_credits\n"
                         "? A1 -> E1 1 => exceeds_debits; ? A1 -> E1 1 => exceeds_debits\n");
    expect_balance("D1", .debits_pending = 6, .debits_posted = 4, .credits_posted = 10);
    expect_balance("E1", .debits_posted = 10, .credits_pending = 6, .credits_posted = 4);
}

Test(reservation, a_post_moves_all_or_part_and_gives_the_rest_back)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers_one_by_one("T1 A1 -> B1 100 pending; T2 post T1\n"
                         "T3 A1 -> B1 100 pending; T4 post T3 40\n"
                         "T5 A1 -> B1 100 pending; T6 post T5 100\n"
                         "T7 A1 -> B1 100 pending; T8 post T7 0\n");
    expect_balance("A1", .debits_posted = 240);
    expect_balance("B1", .credits_posted = 240);
    cr_assert(given_transfer("T2").amount == 100 && given_transfer("T4").amount == 40);
    cr_assert(given_transfer("T8").amount == 0);
    reopen();
    expect_all_the_same_to_a_reader(1);
}

Test(reservation, a_capture_beyond_the_reserved_amount_is_refused_and_changes_nothing)
{
    GIVEN_ACCOUNTS("A1 B1");
    expect(transfer("T1 A1 -> B1 100 pending"), MP_CREATED);
    expect(transfer("T2 post T1 101"), MP_TRANSFER_EXCEEDS_PENDING_TRANSFER_AMOUNT);
    expect(transfer("T2 post T1 max-1"), MP_TRANSFER_EXCEEDS_PENDING_TRANSFER_AMOUNT);
    expect_balance("A1", .debits_pending = 100);
    expect(transfer("T2 post T1"), MP_CREATED); /* the refusal bound nothing */
}

Test(reservation, a_void_gives_all_back_and_takes_only_zero_or_the_exact_amount)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers_one_by_one("T1 A1 -> B1 100 pending\n"
                         "T2 void T1 99  => pending_transfer_has_different_amount\n"
                         "T2 void T1 1   => pending_transfer_has_different_amount\n"
                         "T2 void T1 101 => exceeds_pending_transfer_amount\n"
                         "T2 void T1 max => exceeds_pending_transfer_amount\n"
                         "T2 void T1 100\n"
                         "T3 A1 -> B1 100 pending; T4 void T3\n"
                         "T5 A1 -> B1 max pending; T6 void T5 max\n");
    expect_balance("A1", .debits_pending = 0);
    expect_balance("B1", .credits_pending = 0);
    cr_assert(given_transfer("T4").amount == 100);
    cr_assert(given_transfer("T6").amount == MP_U128_MAX);
    expect_all_the_same_to_a_reader(2);
}

Test(reservation, a_reservation_of_nothing_can_be_posted_and_voided)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers_one_by_one("T1 A1 -> B1 0 pending; T2 post T1 1 => exceeds_pending_transfer_amount\n"
                         "T2 post T1; T2 post T1 => exists; T2 post T1 0 => exists\n"
                         "T3 A1 -> B1 0 pending; T4 void T3; T4 void T3 => exists\n"
                         "T5 A1 -> B1 0 pending; T6 post T5 0; T7 post T5 0 "
                         "=> pending_transfer_already_posted");
}

Test(reservation, what_is_over_is_named_by_how_it_ended)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers_one_by_one("T1 A1 -> B1 10 pending; P1 post T1 4\n"
                         "T2 A1 -> B1 10 pending; V2 void T2\n"
                         "T3 A1 -> B1 10 pending timeout=1\n");
    clock_advance_seconds(1);
    for (int pass = 0; pass < 2; pass++) {
        transfers_one_by_one("X1 post T1    => pending_transfer_already_posted\n"
                             "X1 post T1 10 => pending_transfer_already_posted\n"
                             "X1 void T1    => pending_transfer_already_posted\n"
                             "X1 void T1 10 => pending_transfer_already_posted\n"
                             "X1 post T1 11 => exceeds_pending_transfer_amount\n"
                             "X1 void T1 9  => pending_transfer_has_different_amount\n"
                             "X1 post T2    => pending_transfer_already_voided\n"
                             "X1 post T2 3  => pending_transfer_already_voided\n"
                             "X1 void T2    => pending_transfer_already_voided\n"
                             "X1 post T3    => pending_transfer_expired\n"
                             "X1 post T3 3  => pending_transfer_expired\n"
                             "X1 void T3    => pending_transfer_expired\n"
                             "X1 post P1    => pending_transfer_not_pending\n"
                             "X1 void V2    => pending_transfer_not_pending\n");
        reopen();
    }
    expect(transfer("X1 post T9"), MP_TRANSFER_PENDING_TRANSFER_NOT_FOUND);
    expect(transfer("X1 post T1"), MP_TRANSFER_ID_ALREADY_FAILED);
    expect(transfer("X2 post X1"), MP_TRANSFER_PENDING_TRANSFER_NOT_FOUND); /* a bound id is none */
    expect_balance("A1", .debits_posted = 4);
}

Test(reservation, a_post_or_void_may_name_what_the_reservation_says_and_nothing_else)
{
    GIVEN_ACCOUNTS("A1 B1 C1 A2:ledger=2");
    expect(transfer("T1 A1 -> B1 10 pending code=7"), MP_CREATED);
    transfers_one_by_one(
        "P1 post T1 debit=C1   => pending_transfer_has_different_debit_account_id\n"
        "P1 post T1 debit=Z9   => pending_transfer_has_different_debit_account_id\n"
        "P1 post T1 credit=C1  => pending_transfer_has_different_credit_account_id\n"
        "P1 post T1 debit=max credit=B1 => pending_transfer_has_different_debit_account_id\n"
        "P1 void T1 ledger=2   => pending_transfer_has_different_ledger\n"
        "P1 void T1 code=1     => pending_transfer_has_different_code\n"
        "P1 post T1 timeout=1  => timeout_reserved_for_pending_transfer\n"
        "P1 post 0             => pending_id_must_not_be_zero\n"
        "P1 post max           => pending_id_must_not_be_int_max\n"
        "P1 post P1            => pending_id_must_be_different\n"
        "P1 post T1 pending    => flags_are_mutually_exclusive\n"
        "P1 post T1 void       => flags_are_mutually_exclusive\n"
        "P1 void T1 keep_pending => flags_are_mutually_exclusive\n"
        "P1 post T1 balancing_debit => flags_are_mutually_exclusive\n"
        "P1 void T1 closing_credit  => flags_are_mutually_exclusive\n"
        "P1 post T1 debit=A1 credit=B1 ledger=1 code=7\n");
    const mp_transfer p = given_transfer("P1");
    cr_assert(p.amount == 10 && p.ledger == 1 && p.code == 7 && p.timeout == 0);
    cr_assert(p.debit_account_id == words_id("A1") && p.pending_id == words_id("T1"));
}

Test(reservation, user_data_left_out_is_the_reservations)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers_one_by_one("T1 A1 -> B1 10 pending ud128=1 ud64=2 ud32=3; P1 post T1\n"
                         "T2 A1 -> B1 10 pending ud128=1 ud64=2 ud32=3; P2 void T2 ud64=20\n"
                         "T3 A1 -> B1 10 pending; P3 post T3 ud128=2^64 ud32=30\n");
    reopen();
    const mp_transfer p1 = given_transfer("P1"), p2 = given_transfer("P2"),
                      p3 = given_transfer("P3");
    cr_assert(p1.user_data_128 == 1 && p1.user_data_64 == 2 && p1.user_data_32 == 3);
    cr_assert(p2.user_data_128 == 1 && p2.user_data_64 == 20 && p2.user_data_32 == 3);
    cr_assert(p3.user_data_128 == (mp_u128)1 << 64 && p3.user_data_64 == 0);
    cr_assert(p3.user_data_32 == 30);
}

Test(reservation, a_post_sent_again_exists_however_its_amount_was_said)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers_one_by_one("T1 A1 -> B1 10 pending; P1 post T1\n"
                         "T2 A1 -> B1 10 pending; P2 post T2 4\n"
                         "T3 A1 -> B1 10 pending; P3 post T3 10\n"
                         "T4 A1 -> B1 10 pending; V4 void T4\n"
                         "T5 A1 -> B1 10 pending; V5 void T5 10\n");
    for (int pass = 0; pass < 2; pass++) {
        transfers_one_by_one("P1 post T1 => exists; P1 post T1 10 => exists\n"
                             "P1 post T1 0 => exists_with_different_amount\n"
                             "P1 post T1 11 => exists_with_different_amount\n"
                             "P2 post T2 4 => exists; P2 post T2 => exists_with_different_amount\n"
                             "P2 post T2 10 => exists_with_different_amount\n"
                             "P3 post T3 => exists; P3 post T3 10 => exists\n"
                             "V4 void T4 => exists; V4 void T4 10 => exists\n"
                             "V4 void T4 9 => exists_with_different_amount\n"
                             "V4 void T4 max => exists_with_different_amount\n"
                             "V5 void T5 => exists; V5 void T5 10 => exists\n"
                             "V5 post T5 => exists_with_different_flags\n"
                             "P1 post T2 => exists_with_different_pending_id\n"
                             "P1 post T1 timeout=1 => exists_with_different_timeout\n"
                             "P1 post T1 debit=A1 credit=B1 ledger=1 code=1 => exists\n"
                             "P1 post T1 debit=B1 => exists_with_different_debit_account_id\n"
                             "P1 post T1 credit=A1 => exists_with_different_credit_account_id\n"
                             "P1 post T1 ledger=2 => exists_with_different_ledger\n"
                             "P1 post T1 code=2 => exists_with_different_code\n");
        reopen();
    }
}

Test(reservation, user_data_of_a_post_sent_again_means_what_it_meant_at_first)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers_one_by_one("T1 A1 -> B1 10 pending ud128=1 ud64=2 ud32=3; P1 post T1\n"
                         "T2 A1 -> B1 10 pending ud128=1 ud64=2 ud32=3\n"
                         "P2 void T2 ud128=9 ud64=8 ud32=7\n"
                         "T3 A1 -> B1 10 pending; P3 post T3\n"
                         "T4 A1 -> B1 10 pending ud128=1 ud64=2 ud32=3\n"
                         "P4 post T4 ud128=1 ud64=2 ud32=3\n");
    for (int pass = 0; pass < 2; pass++) {
        transfers_one_by_one(
            "P1 post T1 => exists; P1 post T1 ud128=1 ud64=2 ud32=3 => exists\n"
            "P1 post T1 ud128=2 => exists_with_different_user_data_128\n"
            "P1 post T1 ud64=1 => exists_with_different_user_data_64\n"
            "P1 post T1 ud32=1 => exists_with_different_user_data_32\n"
            "P2 void T2 ud128=9 ud64=8 ud32=7 => exists\n"
            "P2 void T2 => exists_with_different_user_data_128\n"
            "P2 void T2 ud128=9 => exists_with_different_user_data_64\n"
            "P2 void T2 ud128=9 ud64=8 => exists_with_different_user_data_32\n"
            "P2 void T2 ud128=9 ud64=8 ud32=3 => exists_with_different_user_data_32\n"
            "P3 post T3 => exists; P3 post T3 ud64=1 => exists_with_different_user_data_64\n"
            "P4 post T4 => exists; P4 post T4 ud64=2 => exists\n");
        reopen();
    }
}

/* --- expiry --- */

Test(expiry, a_hold_lasts_to_the_nanosecond, .init = given_open, .fini = given_close)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers("T1 A1 -> B1 10 pending timeout=5; T2 A1 -> B1 20 pending timeout=5\n"
              "T3 A1 -> B1 40 pending timeout=5");
    const uint64_t made = given_time("T1");
    /* A block at one ns before T1 expires: nothing is released in it, its second event is too late
     * for T1. */
    clock_set(made + 5 * second_ns - 1);
    transfers("P1 post T1 1; P2 post T2 2 keep_pending\n"
              "P3 post T2 3 => pending_transfer_expired\n"
              "P4 void T3   => pending_transfer_expired");
    expect_balance("A1", .debits_pending = 0, .debits_posted = 3); /* released behind the batch */
    expect_balance_at("A1", given_time("P2"), .debits_pending = 58, .debits_posted = 3);
    expect_all_the_same_to_a_reader(3);
}

Test(expiry, the_pulse_releases_at_the_very_instant, .init = given_open, .fini = given_close)
{
    GIVEN_ACCOUNTS("A1 B1");
    expect(transfer("T1 A1 -> B1 10 pending timeout=1"), MP_CREATED);
    const uint64_t due = given_time("T1") + second_ns;
    clock_set(due - 2);
    expect(transfer("T2 A1 -> B1 0"), MP_CREATED);
    expect_balance("A1", .debits_pending = 10);
    clock_set(due);
    transfers("T3 A1 -> B1 0; T4 post T1 => pending_transfer_expired");
    cr_assert(given_results()[0].timestamp == due + 1); /* the expiry took the first */
    expect_balance("A1", .debits_pending = 0);
    expect_balance_at("A1", due - 1, .debits_pending = 10);
    expect_balance_at("A1", due, .debits_pending = 0);
    reopen();
    expect_balance_at("A1", due - 1, .debits_pending = 10);
    expect_balance_at("A1", due, .debits_pending = 0);
}

Test(expiry, goes_by_instant_then_by_creation, .init = given_open, .fini = given_close)
{
    mp_change changes[16];
    const mp_change_filter all = {.limit = 16};
    uint32_t count = 0;

    GIVEN_ACCOUNTS("A1 B1");
    transfers("T1 A1 -> B1 1 pending timeout=3; T2 A1 -> B1 2 pending timeout=2\n"
              "T3 A1 -> B1 4 pending timeout=2; T4 A1 -> B1 8 pending timeout=1\n"
              "T5 A1 -> B1 16 pending; T6 A1 -> B1 32 pending timeout=9");
    clock_advance_seconds(4);
    idle();
    for (int s = 0; subjects[s] != NULL; s++) {
        static const char *const order[] = {"T4", "T2", "T3", "T1"};
        if (subjects[s]->reads_only) continue;
        cr_assert(subjects[s]->changes(&all, changes, &count) == MP_OK && count == 10);
        for (int i = 0; i < 4; i++) {
            cr_assert(changes[6 + i].type == MP_CHANGE_TWO_PHASE_EXPIRED);
            cr_assert(changes[6 + i].transfer.pending_id == words_id(order[i]), "%d", i);
        }
    }
    expect_balance("A1", .debits_pending = 48);
    expect_all_the_same_to_a_reader(4);
}

Test(expiry, ties_at_one_instant_go_by_creation, .init = given_open, .fini = given_close)
{
    GIVEN_ACCOUNTS("A1 B1");
    expect(transfer("T1 A1 -> B1 1 pending timeout=3"), MP_CREATED);
    const uint64_t made = given_time("T1");
    clock_set(made + second_ns);
    expect(transfer("T2 A1 -> B1 2 pending timeout=2"), MP_CREATED); /* the same instant */
    clock_set(made + 2 * second_ns);
    expect(transfer("T3 A1 -> B1 4 pending timeout=1"), MP_CREATED); /* and again */
    cr_assert(given_time("T3") + second_ns == made + 3 * second_ns);
    clock_set(made + 3 * second_ns);
    idle();
    expect_balance_at("A1", made + 3 * second_ns, .debits_pending = 6);
    expect_balance_at("A1", made + 3 * second_ns + 1, .debits_pending = 4);
    expect_balance_at("A1", made + 3 * second_ns + 2, .debits_pending = 0);
}

/* Many reservations that end on the same seconds, made at different ones, while others end in
 * between. */
Test(expiry, many_ties_go_by_creation_however_long_they_waited, .init = given_open,
     .fini = given_close)
{
    const uint64_t base = given_now() + second_ns;

    GIVEN_ACCOUNTS("A1 B1");
    for (unsigned i = 0; i < 60; i++) {
        clock_set(base + i * second_ns);
        transfers(
            lines_of("R%u A1 -> B1 1 pending timeout=%u; T%u A1 -> B1 0", i, 1 + i * i % 7 % 4, i));
    }
    expect_all_the_same(7);
}

Test(expiry, happens_while_the_ledger_is_closed_too, .init = given_open, .fini = given_close)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers("T1 A1 -> B1 10 pending timeout=5; T2 A1 -> B1 20 pending");
    clock_advance_seconds(10);
    reopen();
    expect_balance("A1", .debits_pending = 20);
    expect(transfer("P1 post T1"), MP_TRANSFER_PENDING_TRANSFER_EXPIRED);
    expect(transfer("P1 post T2"), MP_CREATED);
    expect_all_the_same_to_a_reader(5);
}

Test(expiry, more_than_a_block_holds_are_released_in_turn, .init = given_open, .fini = given_close)
{
    static mp_transfer many[MP_BATCH_MAX];

    GIVEN_ACCOUNTS("A1 B1");
    for (uint32_t batch = 0; batch < 2; batch++) {
        for (uint32_t i = 0; i < MP_BATCH_MAX; i++)
            many[i] = (mp_transfer){.id = 1 + batch * MP_BATCH_MAX + i,
                                    .debit_account_id = words_id("A1"),
                                    .credit_account_id = words_id("B1"),
                                    .amount = 1,
                                    .timeout = 10 - batch, /* the later ones go first */
                                    .flags = MP_TRANSFER_PENDING,
                                    .ledger = 1,
                                    .code = 1};
        given_submit(MP_CREATE_TRANSFERS, many, MP_BATCH_MAX);
    }
    clock_advance_seconds(11);
    /* 8,190 are released in front of this batch; those of the first batch are due, though not yet
     * released */
    transfers("P1 post 8191 => pending_transfer_expired; P2 post 1 => pending_transfer_expired\n"
              "T1 A1 -> B1 1000");
    cr_assert(given_results()[0].timestamp == given_now() + MP_BATCH_MAX);
    expect_balance_at("A1", given_time("T1"), .debits_pending = MP_BATCH_MAX,
                      .debits_posted = 1000);
    expect_balance("A1", .debits_pending = 0, .debits_posted = 1000);
    reopen();
    expect_all_the_same_to_a_reader(6);
}

Test(expiry, the_limit_is_free_again, .init = given_open, .fini = given_close)
{
    GIVEN_ACCOUNTS("D1:debits_must_not_exceed_credits A1");
    transfers_one_by_one("T1 A1 -> D1 10; T2 D1 -> A1 10 pending timeout=1\n"
                         "T3 D1 -> A1 1 => exceeds_credits");
    clock_advance_seconds(2);
    expect(transfer("T4 D1 -> A1 10"), MP_CREATED);
    expect_balance("D1", .debits_posted = 10, .credits_posted = 10);
}
