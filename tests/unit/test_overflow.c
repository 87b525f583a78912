/* Sums at the edges of 63, 64, 127 and 128 bits. */
#include "given.h"

TestSuite(overflow, .init = given_open, .fini = given_close);

static const char *const edges[] = {"2^62",   "2^63-1", "2^63",  "2^63+1",  "2^64-1", "2^64",
                                    "2^64+1", "2^96",   "2^126", "2^127-1", "2^127"};
enum { EDGES = sizeof(edges) / sizeof(edges[0]) };

/* A pair of accounts of its own for each edge. */
static void make_pairs(void)
{
    for (int i = 0; i < EDGES; i++) GIVEN_ACCOUNTS(lines_of("A%d B%d", i, i));
}

Test(overflow, sums_cross_each_edge_exactly)
{
    make_pairs();
    for (int i = 0; i < EDGES; i++)
        expect(transfer(lines_of("T%d A%d -> B%d %s-1", i, i, i, edges[i])), MP_CREATED);
    for (int step = 1; step <= 3; step++) {
        for (int i = 0; i < EDGES; i++)
            expect(transfer(lines_of("T%d A%d -> B%d 1", 100 * step + i, i, i)), MP_CREATED);
        if (step == 2) reopen();
        expect_all_the_same_to_a_reader((uint64_t)step);
    }
}

Test(overflow, reservations_cross_each_edge_and_come_back)
{
    make_pairs();
    for (int i = 0; i < EDGES; i++)
        transfers(lines_of("R%d A%d -> B%d %s pending timeout=5; I%d increase R%d 1\n"
                           "Q%d A%d -> B%d 1 pending; P%d post R%d %s-2 keep_pending",
                           i, i, i, edges[i], i, i, i, i, i, i, i, edges[i]));
    reopen();
    expect_all_the_same_to_a_reader(1);
    clock_advance_seconds(10);
    idle();
    for (int i = 0; i < EDGES; i++) {
        transfers(lines_of("V%d void Q%d; X%d reverse P%d", i, i, i, i));
        const mp_account b = given_account(lines_of("B%d", i));
        cr_assert(b.credits_pending == 0 && b.debits_posted == b.credits_posted);
    }
    reopen();
    expect_all_the_same_to_a_reader(2);
}

/* Whether sums are asked for beside the results or not, from batch to batch. */
Test(overflow, small_amounts_cross_the_edges_too)
{
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1) given_close();
        if (pass == 1) given_open();
        GIVEN_ACCOUNTS("A1 B1 C1 D1");
        if (pass == 1) GIVEN_ACCOUNTS("E1");
        for (int i = 1; i <= 12; i++) {
            GIVEN_ACCOUNTS(lines_of("F%d", i));
            expect(transfer("? A1 -> B1 2^61"), MP_CREATED);
            GIVEN_ACCOUNTS(lines_of("G%d", i));
            expect(transfer(lines_of("? C1 -> F%d 2^61", i)), MP_CREATED); /* one side alone */
            GIVEN_ACCOUNTS(lines_of("H%d", i));
            expect(transfer(lines_of("? G%d -> D1 2^61", i)), MP_CREATED);
        }
        expect_balance("A1", .debits_posted = (mp_u128)12 << 61);
        expect_balance("D1", .credits_posted = (mp_u128)12 << 61);
        expect_all_the_same_to_a_reader(1);
        reopen();
        expect_all_the_same_to_a_reader(2);
    }
}

Test(overflow, a_wide_account_that_becomes_narrow_again_and_wide_again)
{
    GIVEN_ACCOUNTS("A1 B1");
    for (int i = 1; i <= 4; i++) {
        transfers(lines_of("R%d A1 -> B1 2^100 pending; V%d void R%d; T%d A1 -> B1 1", i, i, i, i));
        if (i == 2) reopen();
    }
    expect_balance("A1", .debits_posted = 4);
    expect_all_the_same_to_a_reader(3);
}

Test(overflow, each_sum_is_named)
{
    GIVEN_ACCOUNTS("A1 B1 C1 D1 E1 F1");
    transfers_one_by_one("? A1 -> B1 2^127 pending\n"
                         "? A1 -> C1 2^127 pending => overflows_debits_pending\n"
                         "? D1 -> B1 2^127 pending => overflows_credits_pending\n"
                         "? A1 -> C1 2^127         => overflows_debits\n"
                         "? D1 -> B1 2^127         => overflows_credits\n"
                         "? A1 -> C1 2^127-1; ? D1 -> B1 2^127-1\n"
                         "? A1 -> C1 1             => overflows_debits\n"
                         "? A1 -> C1 1 pending     => overflows_debits\n"
                         "? D1 -> B1 1             => overflows_credits\n"
                         "? D1 -> E1 2^127+1       => overflows_debits_posted; ? D1 -> E1 2^127\n"
                         "? D1 -> F1 1             => overflows_debits_posted\n"
                         "? D1 -> F1 1 pending     => overflows_debits_posted\n"
                         "? C1 -> E1 2^127-1\n"
                         "? F1 -> E1 1             => overflows_credits_posted\n"
                         "? F1 -> E1 max pending   => overflows_credits_posted\n"
                         "? F1 -> E1 0");
    reopen();
    transfers_one_by_one("? A1 -> C1 1 => overflows_debits; ? D1 -> F1 1 "
                         "=> overflows_debits_posted; ? F1 -> E1 1 => overflows_credits_posted");
    expect_all_the_same_to_a_reader(4);
}

Test(overflow, nothing_of_it_binds_the_id)
{
    GIVEN_ACCOUNTS("A1 B1 C1");
    transfers_one_by_one(
        "T1 A1 -> B1 max; T2 A1 -> C1 1 => overflows_debits_posted; T2 C1 -> A1 1\n"
        "T3 C1 -> A1 1 pending; T4 increase T3 max => overflows_debits_pending\n"
        "T4 increase T3 max-1 => overflows_debits; T4 increase T3 1");
}

Test(overflow, a_reversal_overflows_like_a_plain_transfer)
{
    GIVEN_ACCOUNTS("A1 B1 C1 D1");
    transfers_one_by_one("T1 A1 -> B1 10; T2 B1 -> C1 max-5\n"
                         "X1 reverse T1 => overflows_debits_posted; X1 reverse T1 5\n"
                         "T3 D1 -> A1 max-8; X2 reverse T1 4 => overflows_debits_posted");
    GIVEN_ACCOUNTS("A2 B2 C2 D2");
    transfers_one_by_one("T4 A2 -> B2 10; T5 C2 -> A2 max-5\n"
                         "X3 reverse T4 => overflows_credits_posted; X3 reverse T4 5");
    GIVEN_ACCOUNTS("A3 B3 C3 D3");
    transfers_one_by_one("T6 A3 -> B3 10; T7 B3 -> C3 max-5 pending\n"
                         "X4 reverse T6 => overflows_debits; X4 reverse T6 5\n"
                         "T8 A3 -> B3 10; T9 D3 -> A3 max-5 pending\n"
                         "V7 void T7; X5 reverse T8 => overflows_credits");
}

Test(overflow, an_increase_checks_both_pending_sums_and_totals)
{
    GIVEN_ACCOUNTS("A1 B1 C1 A2 B2 C2 A3 B3 C3");
    transfers_one_by_one("R1 A1 -> B1 5 pending; ? A1 -> C1 max-10 pending\n"
                         "I1 increase R1 6 => overflows_debits_pending; I1 increase R1 5\n"
                         "R2 A2 -> B2 5 pending; ? C2 -> B2 max-10 pending\n"
                         "I2 increase R2 6 => overflows_credits_pending; I2 increase R2 5\n"
                         "R3 A3 -> B3 5 pending; ? A3 -> C3 max-10\n"
                         "I3 increase R3 11 => overflows_debits_posted\n"
                         "I3 increase R3 6 => overflows_debits; I3 increase R3 5\n"
                         "P3 post R3 10");
    expect_all_the_same_to_a_reader(5);
}

Test(overflow, a_timeout_beyond_the_end_of_time_is_refused)
{
    GIVEN_ACCOUNTS("A1 B1");
    /* A clock that goes ahead with the time that has passed: year 2200 */
    clock_set(UINT64_C(7258118400000000000));
    transfers_one_by_one("R1 A1 -> B1 1 pending timeout=2^32-1 => overflows_timeout\n"
                         "R1 A1 -> B1 1 pending timeout=1965253636\n"
                         "I1 increase R1 1 timeout=2^32-1 => overflows_timeout; I1 increase R1 1");
    /* To the nanosecond: the end is at 2^63-1 */
    clock_set(UINT64_C(9223372036854775807) - UINT64_C(5000000000));
    transfers("R2 A1 -> B1 1 pending timeout=5; R3 A1 -> B1 1 pending timeout=5 "
              "=> overflows_timeout\n"
              "R3 A1 -> B1 1 pending timeout=4; I2 increase R3 0 timeout=5 => overflows_timeout");
}

Test(overflow, the_largest_amounts_travel_whole)
{
    GIVEN_ACCOUNTS("A1 B1 C1");
    transfers_one_by_one("T1 A1 -> B1 max; X1 reverse T1 max; T2 B1 -> C1 0\n");
    expect_balance("A1", .debits_posted = MP_U128_MAX, .credits_posted = MP_U128_MAX);
    transfers_one_by_one("T3 A1 -> C1 1 => overflows_debits_posted\n"
                         "R1 C1 -> B1 1 pending => overflows_credits_posted\n"
                         "R1 C1 -> A1 0 pending");
    reopen();
    transfers_one_by_one("T1 A1 -> B1 max => exists; X1 reverse T1 max => exists\n"
                         "T1 A1 -> B1 max-1 => exists_with_different_amount\n"
                         "T1 A1 -> B1 2^64-1 => exists_with_different_amount");
    expect_all_the_same_to_a_reader(6);
}

/* A batch that makes no reservation may need room for a wide amount all the same. */
Test(overflow, a_hold_grows_beyond_64_bits_in_a_batch_of_its_own)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers("T1 A1 -> B1 10 pending");
    reopen();
    transfers("T2 increase T1 18446744073709551616");
    expect_balance("A1", .debits_pending = ((mp_u128)1 << 64) + 10);
    transfers("T3 post T1");
}
