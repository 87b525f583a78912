/* What must still be told when a record stands on the disk alone: reservations and originals of
 * before a restart. */
#include "given.h"

TestSuite(reopening, .init = given_open, .fini = given_close);

Test(reopening, a_reservation_is_resolved_once_also_within_one_batch)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers("R1 A1 -> B1 9 pending; R2 A1 -> B1 9 pending; R3 A1 -> B1 9 pending\n"
              "R4 A1 -> B1 9 pending");
    reopen();
    transfers("P1 post R1; X1 post R1 => pending_transfer_already_posted; P1 post R1 => exists\n"
              "V2 void R2; X1 post R2 => pending_transfer_already_voided; V2 void R2 => exists\n"
              "P3 post R3 4 keep_pending; P4 post R3\n"
              "X1 increase R3 1 => pending_transfer_already_posted\n"
              "X1 void R3 5 => pending_transfer_already_posted\n"
              "X1 void R3 6 => exceeds_pending_transfer_amount");
    transfers("P5 post R4 linked => linked_event_failed\n"
              "X1 post R4 => pending_transfer_already_posted\n"
              "P6 post R4; X1 void R4 => pending_transfer_already_posted");
    expect_all_the_same_to_a_reader(1);
}

Test(reopening, increases_and_voids_within_one_batch)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers("R1 A1 -> B1 9 pending ud64=3");
    reopen();
    transfers("I1 increase R1 4; I1 increase R1 4 => exists; V1 void R1; V1 void R1 => exists\n"
              "I2 increase R1 1 => pending_transfer_already_voided\n"
              "R1 A1 -> B1 9 pending ud64=3 => exists");
}

Test(reopening, an_expiry_in_front_of_the_batch_is_seen_by_it)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers("R1 A1 -> B1 9 pending timeout=3; R2 A1 -> B1 9 pending timeout=60");
    reopen();
    clock_advance_seconds(5);
    transfers("X1 post R1 => pending_transfer_expired; X1 void R1 => pending_transfer_expired\n"
              "X1 void R1 8 => pending_transfer_has_different_amount\n"
              "R1 A1 -> B1 9 pending timeout=3 => exists; P2 post R2");
}

Test(reopening, an_undone_post_leaves_the_reservation_open)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers("R1 A1 -> B1 9 pending");
    reopen();
    transfers("P1 post R1 linked => linked_event_failed\n"
              "X1 A1 -> B1 1 code=0 => code_must_not_be_zero\n"
              "P3 post R1; X2 void R1 => pending_transfer_already_posted");
}

Test(reopening, reversals_go_on_where_they_stood)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers("T1 A1 -> B1 7; X0 reverse T1 1; T2 A1 -> B1 7; R1 A1 -> B1 7 pending");
    reopen();
    transfers("X2 reverse T1 3 linked => linked_event_failed\n"
              "X3 reverse T1 4 => exceeds_reversible_amount; X4 reverse T1 6\n"
              "X5 reverse T1 1 => exceeds_reversible_amount\n"
              "X6 reverse T2 3; X7 reverse T2 3; X8 reverse T2 3 => exceeds_reversible_amount\n"
              "X8 reverse R1 => reversed_transfer_not_posted\n"
              "X8 reverse X6 => reversed_transfer_not_posted\n"
              "P1 post R1; X9 reverse P1; X10 reverse R1 => reversed_transfer_not_posted");
    expect_all_the_same_to_a_reader(2);
}

Test(reopening, captures_go_on_where_they_stood)
{
    GIVEN_ACCOUNTS("A1 B1");
    transfers("R1 A1 -> B1 9 pending ud64=3; P0 post R1 1 keep_pending");
    reopen();
    transfers("P1 post R1 4 keep_pending; P1 post R1 4 keep_pending => exists\n"
              "P0 post R1 1 keep_pending => exists; P2 post R1; P2 post R1 4 => exists\n"
              "P2 post R1 => exists; R1 A1 -> B1 9 pending ud64=3 => exists");
}

Test(reopening, many_times_changes_nothing)
{
    GIVEN_ACCOUNTS("A1 B1 C1:closed");
    transfers("R1 A1 -> B1 9 pending timeout=1000; T1 A1 -> B1 2^64");
    for (int i = 0; i < 12; i++) {
        reopen();
        transfers(lines_of("T%d A1 -> B1 1; T1 A1 -> B1 2^64 => exists", i + 2));
    }
    expect_balance("A1", .debits_pending = 9, .debits_posted = ((mp_amount)1 << 64) + 12);
    expect_all_the_same_to_a_reader(3);
}
