/* Refusals that hang on the state of the moment bind the id: a retry can't be applied behind a
 * caller's back. */
#include "given.h"

TestSuite(transient, .init = given_open, .fini = given_close);

struct transient {
    const char *line; /* without its id */
    uint32_t result;
};

/* Behind set_scene. */
static const struct transient bind_transfers[] = {
    {"A9 -> B1 1", MP_TRANSFER_DEBIT_ACCOUNT_NOT_FOUND},
    {"A1 -> B9 1", MP_TRANSFER_CREDIT_ACCOUNT_NOT_FOUND},
    {"post T9", MP_TRANSFER_PENDING_TRANSFER_NOT_FOUND},
    {"void T9", MP_TRANSFER_PENDING_TRANSFER_NOT_FOUND},
    {"post T9 keep_pending", MP_TRANSFER_PENDING_TRANSFER_NOT_FOUND},
    {"increase T9 1", MP_TRANSFER_PENDING_TRANSFER_NOT_FOUND},
    {"reverse T9", MP_TRANSFER_REVERSED_TRANSFER_NOT_FOUND},
    {"C1 -> B1 1", MP_TRANSFER_DEBIT_ACCOUNT_ALREADY_CLOSED},
    {"A1 -> C1 1", MP_TRANSFER_CREDIT_ACCOUNT_ALREADY_CLOSED},
    {"post R1", MP_TRANSFER_DEBIT_ACCOUNT_ALREADY_CLOSED},
    {"increase R1 1", MP_TRANSFER_DEBIT_ACCOUNT_ALREADY_CLOSED},
    {"reverse T1", MP_TRANSFER_CREDIT_ACCOUNT_ALREADY_CLOSED},
    {"F1 -> B1 1", MP_TRANSFER_DEBIT_ACCOUNT_FROZEN},
    {"post R2", MP_TRANSFER_DEBIT_ACCOUNT_FROZEN},
    {"A1 -> G1 1", MP_TRANSFER_CREDIT_ACCOUNT_FROZEN},
    {"D1 -> B1 1", MP_TRANSFER_EXCEEDS_CREDITS},
    {"A1 -> E1 1", MP_TRANSFER_EXCEEDS_DEBITS},
    {"bind", MP_TRANSFER_ID_BOUND},
};
enum { TRANSFERS = sizeof(bind_transfers) / sizeof(bind_transfers[0]) };

static const struct transient bind_updates[] = {
    {"A9 set=closed", MP_TRANSFER_ACCOUNT_NOT_FOUND},
    {"B1 set=closed", MP_TRANSFER_ACCOUNT_NOT_EMPTY},
};
enum { UPDATES = sizeof(bind_updates) / sizeof(bind_updates[0]) };

static void set_scene(void)
{
    GIVEN_ACCOUNTS("A1 B1 C1 F1 G1 D1:debits_must_not_exceed_credits"
                   " E1:credits_must_not_exceed_debits");
    transfers_one_by_one("R1 C1 -> B1 5 pending; R2 F1 -> B1 5 pending; T1 C1 -> B1 5\n"
                         "R3 C1 -> B1 0 pending closing_debit\n"
                         "T2 A1 -> B1 1");
    updates_one_by_one("U1 F1 set=frozen_debits; U2 G1 set=frozen_credits");
}

static void play(mp_operation operation, const struct transient *cases, int count, int first)
{
    for (int i = 0; i < count; i++) {
        expect(given_one(operation, lines_of("X%d %s", first + i, cases[i].line)), cases[i].result);
        cr_assert(given_results()->bound_code == 0);
    }
}

/* The same ids again, as other events that nothing else is against. */
static void expect_bound(const struct transient *cases, int count, int first)
{
    for (int i = 0; i < count; i++) {
        expect(transfer(lines_of("X%d A1 -> B1 1", first + i)), MP_TRANSFER_ID_ALREADY_FAILED);
        cr_assert(given_results()->bound_code == cases[i].result, "%s", cases[i].line);
        expect(update(lines_of("X%d A1 clear=closed", first + i)), MP_TRANSFER_ID_ALREADY_FAILED);
        cr_assert(given_results()->bound_code == cases[i].result, "%s", cases[i].line);
        expect(transfer(lines_of("X%d bind", first + i)), MP_TRANSFER_ID_ALREADY_FAILED);
        cr_assert(!given_has_transfer(lines_of("X%d", first + i)));
    }
}

Test(transient, a_refused_id_stays_refused_after_a_restart_too)
{
    set_scene();
    play(MP_CREATE_TRANSFERS, bind_transfers, TRANSFERS, 0);
    play(MP_UPDATE_ACCOUNTS, bind_updates, UPDATES, TRANSFERS);
    for (int pass = 0; pass < 3; pass++) {
        expect_bound(bind_transfers, TRANSFERS, 0);
        expect_bound(bind_updates, UPDATES, TRANSFERS);
        if (pass < 2) reopen();
    }
    expect_balance("A1", .debits_posted = 1);
    expect_all_the_same_to_a_reader(1);
}

Test(transient, even_the_very_same_event_fails_when_its_reason_is_gone)
{
    set_scene();
    play(MP_CREATE_TRANSFERS, bind_transfers, TRANSFERS, 0);
    GIVEN_ACCOUNTS("A9 B9");
    updates_one_by_one("U3 F1 clear=frozen_debits; U4 G1 clear=frozen_credits");
    transfers_one_by_one("T9 A1 -> B1 1 pending; V3 void R3; ? A1 -> D1 50; ? E1 -> A1 50");
    for (int i = 0; i < TRANSFERS; i++) {
        expect(transfer(lines_of("X%d %s", i, bind_transfers[i].line)),
               MP_TRANSFER_ID_ALREADY_FAILED);
        cr_assert(given_results()->bound_code == bind_transfers[i].result);
    }
}

Test(transient, what_comes_before_idempotency_still_wins)
{
    GIVEN_ACCOUNTS("A1 B1");
    expect(transfer("X1 bind"), MP_TRANSFER_ID_BOUND);
    transfers_one_by_one("X1 A1 -> B1 1 at=5 => timestamp_must_be_zero\n"
                         "X1 A1 -> B1 1 flags=8192 => reserved_flag\n"
                         "X1 A1 -> B1 1 linked => linked_event_chain_open\n"
                         "X1 A1 -> B1 1 imported at=0 => imported_event_timestamp_out_of_range\n"
                         "X1 A1 -> B1 1 imported at=now+10 "
                         "=> imported_event_timestamp_must_not_advance\n"
                         "X1 A1 -> B1 1 imported at=1 => id_already_failed\n"
                         "X1 0 -> 0 1 flags=8 => id_already_failed");
    updates_one_by_one("X1 A1 set=256 => reserved_flag; X1 0 => id_already_failed");
}

Test(transient, other_refusals_leave_the_id_free)
{
    GIVEN_ACCOUNTS("A1 B1 C1:ledger=2");
    transfers_one_by_one("R1 A1 -> B1 5 pending; R2 A1 -> B1 5 pending; V2 void R2\n"
                         "X1 post R1 6 => exceeds_pending_transfer_amount\n"
                         "X1 post R2 => pending_transfer_already_voided\n"
                         "X1 A1 -> C1 1 => accounts_must_have_the_same_ledger\n"
                         "X1 A1 -> B1 max => overflows_debits\n"
                         "X1 reverse R1 => reversed_transfer_not_posted\n"
                         "X1 bind 1 => bind_fields_must_be_zero");
    updates_one_by_one("X1 A1 => nothing_to_update; X1 A1 set=frozen_debits");
    transfers_one_by_one("X1 A1 -> B1 1 => exists_with_different_flags");
}

Test(transient, accounts_never_bind_theirs)
{
    GIVEN_ACCOUNTS("A1 B1");
    expect(account("C1 code=0"), MP_ACCOUNT_CODE_MUST_NOT_BE_ZERO);
    expect(transfer("C1 C1 -> B1 1"), MP_TRANSFER_DEBIT_ACCOUNT_NOT_FOUND);
    expect(account("C1"), MP_CREATED); /* an account's id is another space */
    expect(transfer("C1 C1 -> B1 1"), MP_TRANSFER_ID_ALREADY_FAILED);
}

Test(transient, a_bound_id_is_no_reservation_and_no_transfer)
{
    GIVEN_ACCOUNTS("A1 B1");
    expect(transfer("X1 A9 -> B1 1 pending"), MP_TRANSFER_DEBIT_ACCOUNT_NOT_FOUND);
    for (int pass = 0; pass < 2; pass++) {
        transfers_one_by_one("? post X1 => pending_transfer_not_found\n"
                             "? void X1 => pending_transfer_not_found\n"
                             "? increase X1 1 => pending_transfer_not_found\n"
                             "? reverse X1 => reversed_transfer_not_found");
        reopen();
    }
}

Test(transient, many_bound_ids_survive_many_restarts)
{
    static mp_transfer many[3000];

    GIVEN_ACCOUNTS("A1 B1");
    for (uint32_t i = 0; i < 3000; i++)
        many[i] = (mp_transfer){.id = MP_U128(i % 7, i + 1),
                                .debit_account_id = words_id(i % 3 == 0 ? "A1" : "A9"),
                                .credit_account_id = words_id("B1"),
                                .amount = 1,
                                .ledger = 1,
                                .code = 1};
    for (int pass = 0; pass < 3; pass++) {
        given_submit(MP_CREATE_TRANSFERS, many, 3000);
        reopen();
    }
    expect_balance("A1", .debits_posted = 1000);
    expect_all_the_same_to_a_reader(2);
}
