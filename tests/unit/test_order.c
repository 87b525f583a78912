/*
 * The order of precedence. For each two neighbours in the order of a kind of event: one event that
 * both are against gets the earlier; the same event with that mistake mended gets the later.
 * Neighbours that can't both be against one event are named where they would stand, with the
 * reason, and the next two that can follow.
 *
 * Each event has a new id (?), unless an id is what it is about.
 */
#include "given.h"

struct order {
    uint32_t earlier;
    const char *both; /* lines of a batch; the last, or the one marked with *, is the event */
    uint32_t later;
    const char *mended; /* likewise */
};

/* Plays a batch and returns what became of its last event, or of the one whose line begins with
 * `*`. */
static uint32_t play(mp_operation operation, const char *lines)
{
    static union {
        mp_account accounts[8];
        mp_transfer transfers[8];
        mp_account_update updates[8];
    } events;
    const struct words_times times = {given_now(), NULL};
    char line[WORDS_LINE_MAX], ignored[WORDS_LINE_MAX];
    uint32_t count = 0, marked = UINT32_MAX;

    for (; words_line(&lines, line, ignored); count++) {
        const char *text = line[0] == '*' ? line + 1 : line;
        cr_assert(count < 8, "too many lines");
        if (text != line) marked = count;
        if (operation == MP_CREATE_ACCOUNTS) events.accounts[count] = words_account(text, &times);
        if (operation == MP_CREATE_TRANSFERS)
            events.transfers[count] = words_transfer(text, &times);
        if (operation == MP_UPDATE_ACCOUNTS) events.updates[count] = words_update(text);
    }
    given_submit(operation, &events, count);
    return given_results()[marked == UINT32_MAX ? count - 1 : marked].result;
}

static void play_order(mp_operation operation, const struct order *pairs)
{
    for (; pairs->both != NULL; pairs++) {
        const uint32_t both = play(operation, pairs->both);
        cr_assert(both == pairs->earlier, "'%s': %s instead of %s", pairs->both, given_name(both),
                  given_name(pairs->earlier));
        const uint32_t mended = play(operation, pairs->mended);
        cr_assert(mended == pairs->later, "'%s': %s instead of %s", pairs->mended,
                  given_name(mended), given_name(pairs->later));
    }
}

TestSuite(order, .init = given_open, .fini = given_close);

/* --- accounts --- */

#define A(NAME) MP_ACCOUNT_##NAME

Test(order, of_accounts)
{
    /* Times: E1 was created at 500, the newest account, so an imported one at 400 regresses. */
    static const struct order pairs[] = {
        {A(LINKED_EVENT_CHAIN_OPEN), "? code=0 linked; ? linked", /* comes before (1) */
         A(LINKED_EVENT_FAILED), "? code=0 linked; ?"},
        {A(LINKED_EVENT_FAILED), "? imported at=1000 linked code=0; *?; ? imported at=1001",
         A(IMPORTED_EVENT_EXPECTED), "? imported at=1000; *?; ? imported at=1001 code=0"},
        {A(LINKED_EVENT_FAILED), "? code=0 linked; *? imported at=1002; ? code=0",
         A(IMPORTED_EVENT_NOT_EXPECTED), "? code=0; *? imported at=1002; ? code=0"},
        /* 22 and 23: the event isn't imported, or it is. 22 and 24, 22 and 25: likewise */
        {A(IMPORTED_EVENT_EXPECTED), "? imported at=0; ? at=5", A(TIMESTAMP_MUST_BE_ZERO),
         "? code=0; ? at=5"},
        {A(IMPORTED_EVENT_NOT_EXPECTED), "? code=0; ? imported at=0",
         A(IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE), "? imported at=0; ? imported at=0"},
        /* 23 and 3, 3 and 24: imported, or not */
        {A(TIMESTAMP_MUST_BE_ZERO), "? at=5 reserved=1", A(RESERVED_FIELD), "? reserved=1"},
        {A(IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE), "? imported at=2^63",
         A(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE), "? imported at=2^63-1"},
        {A(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE), "? imported at=2^63-1 reserved=1",
         A(RESERVED_FIELD), "? imported at=400 reserved=1"},
        {A(RESERVED_FIELD), "? reserved=1 flags=256", A(RESERVED_FLAG), "? flags=256"},
        {A(RESERVED_FLAG), "0 flags=256", A(ID_MUST_NOT_BE_ZERO), "0"},
        {A(RESERVED_FLAG), "max flags=256", A(ID_MUST_NOT_BE_INT_MAX), "max"},
        /* 6 and 7: one id. Neither 0 nor 2^128-1 exists: */
        {A(ID_MUST_NOT_BE_ZERO), "0 flags=6", A(FLAGS_ARE_MUTUALLY_EXCLUSIVE), "? flags=6"},
        {A(ID_MUST_NOT_BE_INT_MAX), "max flags=6", A(FLAGS_ARE_MUTUALLY_EXCLUSIVE), "? flags=6"},
        {A(EXISTS_WITH_DIFFERENT_FLAGS), "E2 ud128=1 history",
         A(EXISTS_WITH_DIFFERENT_USER_DATA_128), "E2 ud128=1"},
        {A(EXISTS_WITH_DIFFERENT_USER_DATA_128), "E2 ud128=1 ud64=1",
         A(EXISTS_WITH_DIFFERENT_USER_DATA_64), "E2 ud64=1"},
        {A(EXISTS_WITH_DIFFERENT_USER_DATA_64), "E2 ud64=1 ud32=1",
         A(EXISTS_WITH_DIFFERENT_USER_DATA_32), "E2 ud32=1"},
        {A(EXISTS_WITH_DIFFERENT_USER_DATA_32), "E2 ud32=1 ledger=2",
         A(EXISTS_WITH_DIFFERENT_LEDGER), "E2 ledger=2"},
        {A(EXISTS_WITH_DIFFERENT_LEDGER), "E2 ledger=2 code=2", A(EXISTS_WITH_DIFFERENT_CODE),
         "E2 code=2"},
        /* 20 and 21: exists is what nothing differs in. 21 and 8: an account with such flags never
           existed */
        {A(EXISTS_WITH_DIFFERENT_FLAGS), "E2 flags=6", A(FLAGS_ARE_MUTUALLY_EXCLUSIVE),
         "? flags=6"},
        {A(EXISTS), "E2 debits_pending=1", A(DEBITS_PENDING_MUST_BE_ZERO), "? debits_pending=1"},
        {A(EXISTS_WITH_DIFFERENT_CODE), "E2 code=0", A(CODE_MUST_NOT_BE_ZERO), "? code=0"},
        {A(FLAGS_ARE_MUTUALLY_EXCLUSIVE), "? flags=6 debits_pending=1",
         A(DEBITS_PENDING_MUST_BE_ZERO), "? debits_pending=1"},
        {A(DEBITS_PENDING_MUST_BE_ZERO), "? debits_pending=1 debits_posted=1",
         A(DEBITS_POSTED_MUST_BE_ZERO), "? debits_posted=1"},
        {A(DEBITS_POSTED_MUST_BE_ZERO), "? debits_posted=1 credits_pending=1",
         A(CREDITS_PENDING_MUST_BE_ZERO), "? credits_pending=1"},
        {A(CREDITS_PENDING_MUST_BE_ZERO), "? credits_pending=1 credits_posted=1",
         A(CREDITS_POSTED_MUST_BE_ZERO), "? credits_posted=1"},
        {A(CREDITS_POSTED_MUST_BE_ZERO), "? credits_posted=1 ledger=0", A(LEDGER_MUST_NOT_BE_ZERO),
         "? ledger=0"},
        {A(LEDGER_MUST_NOT_BE_ZERO), "? ledger=0 code=0", A(CODE_MUST_NOT_BE_ZERO), "? code=0"},
        {A(CODE_MUST_NOT_BE_ZERO), "? imported at=400 code=0",
         A(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS), "? imported at=400"},
        {A(EXISTS), "E1 imported at=400", A(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS),
         "? imported at=400"},
        {0, NULL, 0, NULL},
    };

    accounts("E1 imported at=500");
    expect(account("E2"), MP_CREATED);
    play_order(MP_CREATE_ACCOUNTS, pairs);
}

/* --- what all transfers share --- */

#define T(NAME) MP_TRANSFER_##NAME

Test(order, of_what_all_transfers_share)
{
    static const struct order pairs[] = {
        {T(LINKED_EVENT_CHAIN_OPEN), "? A1 -> A1 1 linked; ? A1 -> B1 1 linked",
         T(LINKED_EVENT_FAILED), "? A1 -> A1 1 linked; ? A1 -> B1 1"},
        {T(LINKED_EVENT_FAILED), "? A1 -> A1 1 imported linked at=1; *? A1 -> B1 1; ? A1 -> B1 1",
         T(IMPORTED_EVENT_EXPECTED), "? A1 -> A1 1 imported at=1; *? A1 -> B1 1; ? A1 -> B1 1"},
        {T(LINKED_EVENT_FAILED), "? A1 -> A1 1 linked; *? A1 -> B1 1 imported; ? A1 -> B1 0",
         T(IMPORTED_EVENT_NOT_EXPECTED), "? A1 -> A1 1; *? A1 -> B1 1 imported; ? A1 -> B1 0"},
        /* 56 and 57, 58, 59: the event isn't imported, or it is */
        {T(IMPORTED_EVENT_EXPECTED), "? A1 -> B1 1 imported; ? A1 -> B1 1 at=1",
         T(TIMESTAMP_MUST_BE_ZERO), "? A1 -> A1 1; ? A1 -> B1 1 at=1"},
        {T(IMPORTED_EVENT_NOT_EXPECTED), "? A1 -> A1 1; ? A1 -> B1 1 imported",
         T(IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE), "? A1 -> B1 1 imported"},
        /* 57 and 3, 3 and 58: imported, or not */
        {T(TIMESTAMP_MUST_BE_ZERO), "? A1 -> B1 1 at=1 flags=8192", T(RESERVED_FLAG),
         "? A1 -> B1 1 flags=8192"},
        {T(IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE), "? A1 -> B1 1 imported at=2^63",
         T(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE), "? A1 -> B1 1 imported at=2^63-1"},
        {T(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE), "? A1 -> B1 1 flags=8448 at=2^63-1",
         T(RESERVED_FLAG), "? A1 -> B1 1 flags=8448 at=1"},
        {T(RESERVED_FLAG), "0 A1 -> B1 1 flags=8192", T(ID_MUST_NOT_BE_ZERO), "0 A1 -> B1 1"},
        {T(RESERVED_FLAG), "max A1 -> B1 1 flags=8192", T(ID_MUST_NOT_BE_INT_MAX),
         "max A1 -> B1 1"},
        /* 5 and 6: one id. Neither exists nor is bound: */
        {T(ID_MUST_NOT_BE_ZERO), "0 A1 -> B1 1 keep_pending", T(FLAGS_ARE_MUTUALLY_EXCLUSIVE),
         "? A1 -> B1 1 keep_pending"},
        {T(ID_MUST_NOT_BE_INT_MAX), "max A1 -> B1 1 keep_pending", T(FLAGS_ARE_MUTUALLY_EXCLUSIVE),
         "? A1 -> B1 1 keep_pending"},
        {T(EXISTS_WITH_DIFFERENT_FLAGS), "*E1 A1 -> B1 1 linked pending_id=X1; ? A1 -> B1 1",
         T(EXISTS_WITH_DIFFERENT_PENDING_ID), "E1 A1 -> B1 1 pending_id=X1"},
        {T(EXISTS_WITH_DIFFERENT_PENDING_ID), "E1 A1 -> B1 1 pending_id=X1 timeout=1",
         T(EXISTS_WITH_DIFFERENT_TIMEOUT), "E1 A1 -> B1 1 timeout=1"},
        {T(EXISTS_WITH_DIFFERENT_TIMEOUT), "E1 B1 -> B1 1 timeout=1",
         T(EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID), "E1 B1 -> B1 1"},
        {T(EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID), "E1 B1 -> A1 1",
         T(EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID), "E1 A1 -> A1 1"},
        {T(EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID), "E1 A1 -> A1 2",
         T(EXISTS_WITH_DIFFERENT_AMOUNT), "E1 A1 -> B1 2"},
        {T(EXISTS_WITH_DIFFERENT_AMOUNT), "E1 A1 -> B1 2 ud128=1",
         T(EXISTS_WITH_DIFFERENT_USER_DATA_128), "E1 A1 -> B1 1 ud128=1"},
        {T(EXISTS_WITH_DIFFERENT_USER_DATA_128), "E1 A1 -> B1 1 ud128=1 ud64=1",
         T(EXISTS_WITH_DIFFERENT_USER_DATA_64), "E1 A1 -> B1 1 ud64=1"},
        {T(EXISTS_WITH_DIFFERENT_USER_DATA_64), "E1 A1 -> B1 1 ud64=1 ud32=1",
         T(EXISTS_WITH_DIFFERENT_USER_DATA_32), "E1 A1 -> B1 1 ud32=1"},
        {T(EXISTS_WITH_DIFFERENT_USER_DATA_32), "E1 A1 -> B1 1 ud32=1 ledger=2",
         T(EXISTS_WITH_DIFFERENT_LEDGER), "E1 A1 -> B1 1 ledger=2"},
        {T(EXISTS_WITH_DIFFERENT_LEDGER), "E1 A1 -> B1 1 ledger=2 code=2",
         T(EXISTS_WITH_DIFFERENT_CODE), "E1 A1 -> B1 1 code=2"},
        /* 45 and 46: exists is what nothing differs in. 46 and 68: an id is a transfer's or bound.
         * 46 and 7: a transfer with such flags never existed */
        {T(EXISTS_WITH_DIFFERENT_FLAGS), "E1 A1 -> B1 1 keep_pending",
         T(FLAGS_ARE_MUTUALLY_EXCLUSIVE), "? A1 -> B1 1 keep_pending"},
        {T(ID_ALREADY_FAILED), "X1 A1 -> B1 1 keep_pending", T(FLAGS_ARE_MUTUALLY_EXCLUSIVE),
         "? A1 -> B1 1 keep_pending"},
        {T(ID_MUST_NOT_BE_ZERO), "0 bind", T(ID_ALREADY_FAILED), "X1 bind"},
        {0, NULL, 0, NULL},
    };

    GIVEN_ACCOUNTS("A1 B1");
    expect(transfer("E1 A1 -> B1 1"), MP_CREATED);
    expect(transfer("X1 bind"), MP_TRANSFER_ID_BOUND);
    play_order(MP_CREATE_TRANSFERS, pairs);
}

/* --- plain and pending --- */

/*
 * A1, B1 ordinary · C1, D1 closed · F1 frozen_debits, G1 frozen_credits · L1
 * debits_must_not_exceed_credits, M1 credits_must_not_exceed_debits · P1: 2^127 debits pending ·
 * Q1: 2^127 credits pending · R1: 2^127 debits posted · S1: 2^127 credits posted · A2 of ledger 2 ·
 * N1 the newest account. All in ledger 1 but A2.
 */
static void set_scene(void)
{
    GIVEN_ACCOUNTS("A1 B1 C1:closed D1:closed F1:frozen_debits G1:frozen_credits P1 Q1 R1 S1 Z1 Z2"
                   " Z3 Z4 L1:debits_must_not_exceed_credits M1:credits_must_not_exceed_debits"
                   " A2:ledger=2 H1:frozen_debits I1:frozen_credits");
    transfers("? P1 -> Z1 2^127 pending; ? Z2 -> Q1 2^127 pending; ? R1 -> Z3 2^127\n"
              "? Z4 -> S1 2^127");
    clock_advance_seconds(1);
    GIVEN_ACCOUNTS("N1 O1:closed");
    clock_advance_seconds(1);
}

Test(order, of_plain_and_pending_transfers)
{
    static const struct order pairs[] = {
        {T(FLAGS_ARE_MUTUALLY_EXCLUSIVE), "? 0 -> B1 1 keep_pending",
         T(DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO), "? 0 -> B1 1"},
        {T(FLAGS_ARE_MUTUALLY_EXCLUSIVE), "? max -> B1 1 keep_pending",
         T(DEBIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX), "? max -> B1 1"},
        /* 8 and 9: one id */
        {T(DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO), "? 0 -> 0 1", T(CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO),
         "? A1 -> 0 1"},
        {T(DEBIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX), "? max -> 0 1",
         T(CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO), "? A1 -> 0 1"},
        {T(DEBIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX), "? max -> max 1",
         T(CREDIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX), "? A1 -> max 1"},
        /* 10 and 11: one id. 10 and 12, 11 and 12: equal accounts, so the debit account's 8 or 9
           comes first */
        {T(CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO), "? A1 -> 0 1 pending_id=X1",
         T(PENDING_ID_MUST_BE_ZERO), "? A1 -> B1 1 pending_id=X1"},
        {T(CREDIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX), "? A1 -> max 1 pending_id=X1",
         T(PENDING_ID_MUST_BE_ZERO), "? A1 -> B1 1 pending_id=X1"},
        {T(ACCOUNTS_MUST_BE_DIFFERENT), "? A1 -> A1 1 pending_id=X1", T(PENDING_ID_MUST_BE_ZERO),
         "? A1 -> B1 1 pending_id=X1"},
        {T(PENDING_ID_MUST_BE_ZERO), "? A1 -> B1 1 pending_id=X1 timeout=1",
         T(TIMEOUT_RESERVED_FOR_PENDING_TRANSFER), "? A1 -> B1 1 timeout=1"},
        {T(TIMEOUT_RESERVED_FOR_PENDING_TRANSFER), "? A1 -> B1 1 timeout=1 closing_debit",
         T(CLOSING_TRANSFER_MUST_BE_PENDING), "? A1 -> B1 1 closing_debit"},
        {T(CLOSING_TRANSFER_MUST_BE_PENDING), "? A1 -> B1 1 closing_credit ledger=0",
         T(LEDGER_MUST_NOT_BE_ZERO), "? A1 -> B1 1 ledger=0"},
        {T(LEDGER_MUST_NOT_BE_ZERO), "? A1 -> B1 1 ledger=0 code=0", T(CODE_MUST_NOT_BE_ZERO),
         "? A1 -> B1 1 code=0"},
        {T(CODE_MUST_NOT_BE_ZERO), "? A9 -> B1 1 code=0", T(DEBIT_ACCOUNT_NOT_FOUND),
         "? A9 -> B1 1"},
        {T(DEBIT_ACCOUNT_NOT_FOUND), "? A9 -> B9 1", T(CREDIT_ACCOUNT_NOT_FOUND), "? A1 -> B9 1"},
        /* 21 or 22 and 23 or 24: an account that isn't there has no ledger */
        {T(CREDIT_ACCOUNT_NOT_FOUND), "? A1 -> B9 1 ledger=3",
         T(TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS), "? A1 -> B1 1 ledger=3"},
        {T(ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER), "? A1 -> A2 1 ledger=3",
         T(TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS), "? A1 -> B1 1 ledger=3"},
        {T(TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS), "? A1 -> B1 1 imported at=1 ledger=3",
         T(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS), "? A1 -> B1 1 imported at=1"},
        {T(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS), "? N1 -> B1 1 imported at=1",
         T(IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_DEBIT_ACCOUNT),
         "? N1 -> B1 1 imported at=now-1500000000"},
        {T(IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_DEBIT_ACCOUNT),
         "? N1 -> O1 1 imported at=now-1500000000",
         T(IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_CREDIT_ACCOUNT),
         "? A1 -> N1 1 imported at=now-1500000000"},
        {T(IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_CREDIT_ACCOUNT),
         "? A1 -> N1 1 imported pending timeout=1 at=now-1500000000",
         T(IMPORTED_EVENT_TIMEOUT_MUST_BE_ZERO),
         "? A1 -> B1 1 imported pending timeout=1 at=now-1500000000"},
        {T(IMPORTED_EVENT_TIMEOUT_MUST_BE_ZERO),
         "? C1 -> B1 1 imported pending timeout=1 at=now-1500000000",
         T(DEBIT_ACCOUNT_ALREADY_CLOSED), "? C1 -> B1 1 imported pending at=now-1500000000"},
        {T(DEBIT_ACCOUNT_ALREADY_CLOSED), "? C1 -> D1 1", T(CREDIT_ACCOUNT_ALREADY_CLOSED),
         "? A1 -> D1 1"},
        {T(CREDIT_ACCOUNT_ALREADY_CLOSED), "? F1 -> D1 1", T(DEBIT_ACCOUNT_FROZEN), "? F1 -> B1 1"},
        {T(DEBIT_ACCOUNT_FROZEN), "? F1 -> G1 1", T(CREDIT_ACCOUNT_FROZEN), "? A1 -> G1 1"},
        {T(CREDIT_ACCOUNT_FROZEN), "? P1 -> G1 2^127 pending", T(OVERFLOWS_DEBITS_PENDING),
         "? P1 -> B1 2^127 pending"},
        {T(OVERFLOWS_DEBITS_PENDING), "? P1 -> Q1 2^127 pending", T(OVERFLOWS_CREDITS_PENDING),
         "? A1 -> Q1 2^127 pending"},
        {T(OVERFLOWS_CREDITS_PENDING), "? R1 -> Q1 2^127 pending", T(OVERFLOWS_DEBITS_POSTED),
         "? R1 -> B1 2^127 pending"},
        {T(OVERFLOWS_DEBITS_POSTED), "? R1 -> S1 2^127", T(OVERFLOWS_CREDITS_POSTED),
         "? A1 -> S1 2^127"},
        {T(OVERFLOWS_CREDITS_POSTED), "? P1 -> S1 2^127", T(OVERFLOWS_DEBITS), "? P1 -> B1 2^127"},
        {T(OVERFLOWS_DEBITS), "? P1 -> Q1 2^127", T(OVERFLOWS_CREDITS), "? A1 -> Q1 2^127"},
        {0, NULL, 0, NULL},
    };

    set_scene();
    play_order(MP_CREATE_TRANSFERS, pairs);
}

/* Late in time, where a timeout overflows: the clock stands in the year 2262. */
Test(order, of_timeout_and_limits)
{
    static const struct order pairs[] = {
        {T(OVERFLOWS_CREDITS), "? A1 -> S1 2^127-1 pending timeout=2^32-1", T(OVERFLOWS_TIMEOUT),
         "? A1 -> B1 1 pending timeout=2^32-1"},
        {T(OVERFLOWS_TIMEOUT), "? L1 -> M1 1 pending timeout=2^32-1", T(EXCEEDS_CREDITS),
         "? L1 -> M1 1 pending"},
        {T(EXCEEDS_CREDITS), "? L1 -> M1 1", T(EXCEEDS_DEBITS), "? A1 -> M1 1"},
        /* An increase likewise: R1 is pending from P1 to Q1, R2 from L1 to M1 with amount 0 */
        {T(OVERFLOWS_CREDITS), "? increase R1 2^127-1 timeout=2^32-1", T(OVERFLOWS_TIMEOUT),
         "? increase R1 0 timeout=2^32-1"},
        {T(OVERFLOWS_TIMEOUT), "? increase R2 1 timeout=2^32-1", T(EXCEEDS_CREDITS),
         "? increase R2 1"},
        {T(EXCEEDS_CREDITS), "? increase R2 1", T(EXCEEDS_DEBITS), "? increase R3 1"},
        {0, NULL, 0, NULL},
    };

    GIVEN_ACCOUNTS("A1 B1 S1 Z1 Z2 P1 Q1 L1:debits_must_not_exceed_credits"
                   " M1:credits_must_not_exceed_debits");
    clock_set(UINT64_C(9214560000000000000));
    transfers("? Z1 -> S1 2^126 pending; ? Z1 -> S1 2^126+1\n"
              "R1 P1 -> Q1 1 pending; ? Z2 -> Q1 2^127; R2 L1 -> M1 0 pending\n"
              "R3 A1 -> M1 0 pending");
    play_order(MP_CREATE_TRANSFERS, pairs);
}

/* --- posts and voids --- */

Test(order, of_posts_and_voids)
{
    /*
     * R1: A1 -> B1 9, open, code 7 · R2: posted · R3: voided · R4: expired · R5: due, but not yet
     * released · X1: from a closed account to a closed one · X2: to a closed one · X3: from a
     * frozen account to a closed one · X4: from a frozen account to a frozen one · X5: to a frozen
     * one
     */
    static const struct order pairs[] = {
        {T(FLAGS_ARE_MUTUALLY_EXCLUSIVE), "? post 0 pending", T(PENDING_ID_MUST_NOT_BE_ZERO),
         "? post 0"},
        {T(FLAGS_ARE_MUTUALLY_EXCLUSIVE), "? void max pending", T(PENDING_ID_MUST_NOT_BE_INT_MAX),
         "? void max"},
        /* 14 and 15: one id. 14 and 16, 15 and 16: the event's own id would be 0 or 2^128-1 */
        {T(PENDING_ID_MUST_NOT_BE_ZERO), "? post 0 timeout=1",
         T(TIMEOUT_RESERVED_FOR_PENDING_TRANSFER), "? post R1 timeout=1"},
        {T(PENDING_ID_MUST_NOT_BE_INT_MAX), "? void max timeout=1",
         T(TIMEOUT_RESERVED_FOR_PENDING_TRANSFER), "? void R1 timeout=1"},
        {T(PENDING_ID_MUST_BE_DIFFERENT), "S9 post S9 timeout=1",
         T(TIMEOUT_RESERVED_FOR_PENDING_TRANSFER), "S9 post R1 timeout=1"},
        {T(TIMEOUT_RESERVED_FOR_PENDING_TRANSFER), "? post R9 timeout=1",
         T(PENDING_TRANSFER_NOT_FOUND), "? post R9"},
        /* 25 and all that follows: nothing is known of what isn't there; 26 is the next */
        {T(TIMEOUT_RESERVED_FOR_PENDING_TRANSFER), "? void T1 timeout=1",
         T(PENDING_TRANSFER_NOT_PENDING), "? void T1"},
        {T(PENDING_TRANSFER_NOT_FOUND), "? post R9 debit=B1",
         T(PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID), "? post R1 debit=B1"},
        {T(PENDING_TRANSFER_NOT_PENDING), "? post T1 debit=B1",
         T(PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID), "? post R1 debit=B1"},
        {T(PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID), "? post R1 debit=B1 credit=A1",
         T(PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID), "? post R1 credit=A1"},
        {T(PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID), "? void R1 credit=A1 ledger=2",
         T(PENDING_TRANSFER_HAS_DIFFERENT_LEDGER), "? void R1 ledger=2"},
        {T(PENDING_TRANSFER_HAS_DIFFERENT_LEDGER), "? post R1 ledger=2 code=2",
         T(PENDING_TRANSFER_HAS_DIFFERENT_CODE), "? post R1 code=2"},
        {T(PENDING_TRANSFER_HAS_DIFFERENT_CODE), "? post R1 10 code=2",
         T(EXCEEDS_PENDING_TRANSFER_AMOUNT), "? post R1 10"},
        {T(PENDING_TRANSFER_HAS_DIFFERENT_CODE), "? void R1 8 code=2",
         T(PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT), "? void R1 8"},
        /* 31 and 32: more or less; 33, 34 and 35: it ended in one way */
        {T(EXCEEDS_PENDING_TRANSFER_AMOUNT), "? post R2 10", T(PENDING_TRANSFER_ALREADY_POSTED),
         "? post R2 9"},
        {T(EXCEEDS_PENDING_TRANSFER_AMOUNT), "? post R3 10", T(PENDING_TRANSFER_ALREADY_VOIDED),
         "? post R3 9"},
        {T(EXCEEDS_PENDING_TRANSFER_AMOUNT), "? post R4 10", T(PENDING_TRANSFER_EXPIRED),
         "? post R4 9"},
        {T(PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT), "? void R2 8",
         T(PENDING_TRANSFER_ALREADY_POSTED), "? void R2 9"},
        {T(PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT), "? void R3 8",
         T(PENDING_TRANSFER_ALREADY_VOIDED), "? void R3"},
        {T(PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT), "? void R4 8", T(PENDING_TRANSFER_EXPIRED),
         "? void R4"},
        {T(PENDING_TRANSFER_ALREADY_POSTED), "? post R2 imported at=1",
         T(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS), "? post R1 imported at=1"},
        {T(PENDING_TRANSFER_ALREADY_VOIDED), "? void R3 imported at=1",
         T(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS), "? void R1 imported at=1"},
        {T(PENDING_TRANSFER_EXPIRED), "? post R4 imported at=1",
         T(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS), "? post R1 imported at=1"},
        {T(PENDING_TRANSFER_ALREADY_POSTED), "? post X6", T(DEBIT_ACCOUNT_ALREADY_CLOSED),
         "? post X1"},
        {T(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS), "? post X1 imported at=1",
         T(DEBIT_ACCOUNT_ALREADY_CLOSED), "? post X1"},
        {T(DEBIT_ACCOUNT_ALREADY_CLOSED), "? post X1", T(CREDIT_ACCOUNT_ALREADY_CLOSED),
         "? post X2"},
        {T(CREDIT_ACCOUNT_ALREADY_CLOSED), "? post X3", T(DEBIT_ACCOUNT_FROZEN), "? post X4"},
        {T(DEBIT_ACCOUNT_FROZEN), "? post X4", T(CREDIT_ACCOUNT_FROZEN), "? post X5"},
        /* and a void passes all four */
        {T(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS), "? void X1 imported at=1", MP_CREATED,
         "? void X1"},
        {T(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS), "? void X4 imported at=1", MP_CREATED,
         "? void X4"},
        {0, NULL, 0, NULL},
    };

    GIVEN_ACCOUNTS("A1 B1 C1 D1 F1 G1 Z1");
    transfers("T1 A1 -> B1 1; R1 A1 -> B1 9 pending code=7; R2 A1 -> B1 9 pending; S2 post R2\n"
              "R3 A1 -> B1 9 pending; S3 void R3; R4 A1 -> B1 9 pending timeout=1\n"
              "X1 C1 -> D1 5 pending; X2 A1 -> D1 5 pending; X3 F1 -> D1 5 pending\n"
              "X4 F1 -> G1 5 pending; X5 A1 -> G1 5 pending; X6 C1 -> B1 5 pending; S6 post X6\n"
              "C9 C1 -> D1 0 pending closing_debit closing_credit");
    updates("U1 F1 set=frozen_debits; U2 G1 set=frozen_credits");
    clock_advance_seconds(2);
    idle();
    play_order(MP_CREATE_TRANSFERS, pairs);
}

/* --- increases --- */

Test(order, of_increases)
{
    /* As for posts; Y1 to Y8: reservations of 0 between accounts whose sums are near the end, see
     * below */
    static const struct order pairs[] = {
        {T(FLAGS_ARE_MUTUALLY_EXCLUSIVE), "? increase 0 1 pending", T(PENDING_ID_MUST_NOT_BE_ZERO),
         "? increase 0 1"},
        {T(FLAGS_ARE_MUTUALLY_EXCLUSIVE), "? increase max 1 pending",
         T(PENDING_ID_MUST_NOT_BE_INT_MAX), "? increase max 1"},
        /* 14, 15 and 16: as for posts; what comes next is 25 */
        {T(FLAGS_ARE_MUTUALLY_EXCLUSIVE), "S9 increase S9 1 pending",
         T(PENDING_ID_MUST_BE_DIFFERENT), "S9 increase S9 1"},
        {T(PENDING_ID_MUST_BE_DIFFERENT), "S9 increase S9 1", T(PENDING_TRANSFER_NOT_FOUND),
         "S9 increase R9 1"},
        {T(PENDING_TRANSFER_NOT_PENDING), "? increase T1 1 debit=B1",
         T(PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID), "? increase R1 1 debit=B1"},
        {T(PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID), "? increase R1 1 debit=B1 credit=A1",
         T(PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID), "? increase R1 1 credit=A1"},
        {T(PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID), "? increase R1 1 credit=A1 ledger=2",
         T(PENDING_TRANSFER_HAS_DIFFERENT_LEDGER), "? increase R1 1 ledger=2"},
        {T(PENDING_TRANSFER_HAS_DIFFERENT_LEDGER), "? increase R1 1 ledger=2 code=2",
         T(PENDING_TRANSFER_HAS_DIFFERENT_CODE), "? increase R1 1 code=2"},
        {T(PENDING_TRANSFER_HAS_DIFFERENT_CODE), "? increase R2 1 code=2",
         T(PENDING_TRANSFER_ALREADY_POSTED), "? increase R2 1"},
        {T(PENDING_TRANSFER_HAS_DIFFERENT_CODE), "? increase R3 1 code=2",
         T(PENDING_TRANSFER_ALREADY_VOIDED), "? increase R3 1"},
        {T(PENDING_TRANSFER_HAS_DIFFERENT_CODE), "? increase R4 1 code=2",
         T(PENDING_TRANSFER_EXPIRED), "? increase R4 1"},
        {T(PENDING_TRANSFER_ALREADY_POSTED), "? increase X6 1", T(DEBIT_ACCOUNT_ALREADY_CLOSED),
         "? increase X1 1"},
        {T(DEBIT_ACCOUNT_ALREADY_CLOSED), "? increase X1 1", T(CREDIT_ACCOUNT_ALREADY_CLOSED),
         "? increase X2 1"},
        {T(CREDIT_ACCOUNT_ALREADY_CLOSED), "? increase X3 1", T(DEBIT_ACCOUNT_FROZEN),
         "? increase X4 1"},
        {T(DEBIT_ACCOUNT_FROZEN), "? increase X4 1", T(CREDIT_ACCOUNT_FROZEN), "? increase X5 1"},
        {T(CREDIT_ACCOUNT_FROZEN), "? increase X5 max", T(OVERFLOWS_DEBITS_PENDING),
         "? increase R1 max"},
        {T(OVERFLOWS_DEBITS_PENDING), "? increase Y1 2^127", T(OVERFLOWS_CREDITS_PENDING),
         "? increase Y2 2^127"},
        {T(OVERFLOWS_CREDITS_PENDING), "? increase Y3 2^127", T(OVERFLOWS_DEBITS_POSTED),
         "? increase Y4 2^127"},
        {T(OVERFLOWS_DEBITS_POSTED), "? increase Y4 2^127", T(OVERFLOWS_CREDITS_POSTED),
         "? increase Y5 2^127"},
        {T(OVERFLOWS_CREDITS_POSTED), "? increase Y6 2^127", T(OVERFLOWS_DEBITS),
         "? increase Y7 2^127"},
        {T(OVERFLOWS_DEBITS), "? increase Y7 2^127", T(OVERFLOWS_CREDITS), "? increase Y8 2^127"},
        {0, NULL, 0, NULL},
    };

    GIVEN_ACCOUNTS("A1 B1 C1 D1 F1 G1 K1 K2 K3 K4 K5 K6 K7 K8 K9 Z1 Z2 Z3 Z4 Z5");
    transfers("T1 A1 -> B1 1; R1 A1 -> B1 9 pending code=7; R2 A1 -> B1 9 pending; S2 post R2\n"
              "R3 A1 -> B1 9 pending; S3 void R3; R4 A1 -> B1 9 pending timeout=1\n"
              "X1 C1 -> D1 5 pending; X2 A1 -> D1 5 pending; X3 F1 -> D1 5 pending\n"
              "X4 F1 -> G1 5 pending; X5 A1 -> G1 5 pending; X6 C1 -> B1 5 pending; S6 post X6\n"
              "C9 C1 -> D1 0 pending closing_debit closing_credit");
    /* K1: debits pending, K2: credits pending, K3: debits posted, K4: credits posted; 2^127 each.
     * Half of it pending and half posted, less than half each: K5 debits, K6 credits */
    transfers("? K1 -> Z1 2^127 pending; ? Z1 -> K2 2^127 pending; ? K3 -> Z2 2^127\n"
              "? Z3 -> K4 2^127; ? K5 -> Z4 2^126 pending; ? K5 -> Z4 2^126\n"
              "? Z5 -> K6 2^126 pending; ? Z5 -> K6 2^126");
    transfers("Y1 K1 -> K2 0 pending; Y2 K7 -> K2 0 pending; Y3 K3 -> K2 0 pending\n"
              "Y4 K3 -> K4 0 pending; Y5 K7 -> K4 0 pending; Y6 K5 -> K4 0 pending\n"
              "Y7 K5 -> K6 0 pending; Y8 K7 -> K6 0 pending");
    updates("U1 F1 set=frozen_debits; U2 G1 set=frozen_credits");
    clock_advance_seconds(2);
    idle();
    play_order(MP_CREATE_TRANSFERS, pairs);
}

/* --- reversals --- */

Test(order, of_reversals)
{
    /*
     * T1: A1 -> B1 9, R1: a reservation · each X is a transfer of 5 whose reversal debits and
     * credits an account with something against it; Y likewise with sums near the end
     */
    static const struct order pairs[] = {
        {T(FLAGS_ARE_MUTUALLY_EXCLUSIVE), "? reverse 0 pending", T(PENDING_ID_MUST_NOT_BE_ZERO),
         "? reverse 0"},
        {T(FLAGS_ARE_MUTUALLY_EXCLUSIVE), "? reverse max pending",
         T(PENDING_ID_MUST_NOT_BE_INT_MAX), "? reverse max"},
        /* 14, 15 and 16: as for posts */
        {T(PENDING_ID_MUST_NOT_BE_ZERO), "? reverse 0 timeout=1",
         T(TIMEOUT_RESERVED_FOR_PENDING_TRANSFER), "? reverse T1 timeout=1"},
        {T(PENDING_ID_MUST_NOT_BE_INT_MAX), "? reverse max timeout=1",
         T(TIMEOUT_RESERVED_FOR_PENDING_TRANSFER), "? reverse T1 timeout=1"},
        {T(PENDING_ID_MUST_BE_DIFFERENT), "S9 reverse S9 timeout=1",
         T(TIMEOUT_RESERVED_FOR_PENDING_TRANSFER), "S9 reverse T1 timeout=1"},
        {T(TIMEOUT_RESERVED_FOR_PENDING_TRANSFER), "? reverse T9 timeout=1",
         T(REVERSED_TRANSFER_NOT_FOUND), "? reverse T9"},
        /* 1003 and what follows: nothing is known of what isn't there */
        {T(REVERSED_TRANSFER_NOT_FOUND), "? reverse T9 debit=A1",
         T(REVERSED_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID), "? reverse T1 debit=A1"},
        {T(TIMEOUT_RESERVED_FOR_PENDING_TRANSFER), "? reverse R1 timeout=1",
         T(REVERSED_TRANSFER_NOT_POSTED), "? reverse R1"},
        {T(REVERSED_TRANSFER_NOT_POSTED), "? reverse R1 debit=A1",
         T(REVERSED_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID), "? reverse T1 debit=A1"},
        {T(REVERSED_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID), "? reverse T1 debit=A1 credit=B1",
         T(REVERSED_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID), "? reverse T1 credit=B1"},
        {T(REVERSED_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID), "? reverse T1 credit=B1 ledger=2",
         T(REVERSED_TRANSFER_HAS_DIFFERENT_LEDGER), "? reverse T1 ledger=2"},
        {T(REVERSED_TRANSFER_HAS_DIFFERENT_LEDGER), "? reverse T1 10 ledger=2",
         T(EXCEEDS_REVERSIBLE_AMOUNT), "? reverse T1 10"},
        {T(EXCEEDS_REVERSIBLE_AMOUNT), "? reverse X1 6", T(DEBIT_ACCOUNT_ALREADY_CLOSED),
         "? reverse X1 5"},
        {T(DEBIT_ACCOUNT_ALREADY_CLOSED), "? reverse X1", T(CREDIT_ACCOUNT_ALREADY_CLOSED),
         "? reverse X2"},
        {T(CREDIT_ACCOUNT_ALREADY_CLOSED), "? reverse X3", T(DEBIT_ACCOUNT_FROZEN), "? reverse X4"},
        {T(DEBIT_ACCOUNT_FROZEN), "? reverse X4", T(CREDIT_ACCOUNT_FROZEN), "? reverse X5"},
        {T(CREDIT_ACCOUNT_FROZEN), "? reverse Y0", T(OVERFLOWS_DEBITS_POSTED), "? reverse Y1"},
        {T(OVERFLOWS_DEBITS_POSTED), "? reverse Y1", T(OVERFLOWS_CREDITS_POSTED), "? reverse Y2"},
        {T(OVERFLOWS_CREDITS_POSTED), "? reverse Y3", T(OVERFLOWS_DEBITS), "? reverse Y4"},
        {T(OVERFLOWS_DEBITS), "? reverse Y4", T(OVERFLOWS_CREDITS), "? reverse Y5"},
        {T(OVERFLOWS_CREDITS), "? reverse Y6", T(EXCEEDS_CREDITS), "? reverse Y7"},
        {T(EXCEEDS_CREDITS), "? reverse Y7", T(EXCEEDS_DEBITS), "? reverse Y8"},
        {0, NULL, 0, NULL},
    };

    GIVEN_ACCOUNTS("A1 B1 C1 D1 F1 G1 K1 K2 K3 K4 K5 K6 Z1 Z2 Z3 Z4 Z5 Z6"
                   " L1:debits_must_not_exceed_credits M1:credits_must_not_exceed_debits");
    /* The reversal debits what is on the right and credits what is on the left. */
    transfers("T1 A1 -> B1 9; R1 A1 -> B1 9 pending\n"
              "X1 D1 -> C1 5; X2 D1 -> B1 5; X3 D1 -> F1 5; X4 G1 -> F1 5; X5 G1 -> B1 5\n"
              "Y0 G1 -> K1 5; Y1 K2 -> K1 5; Y2 K2 -> B1 5; Y3 K2 -> K3 5; Y4 K4 -> K3 5\n"
              "Y5 K4 -> B1 5; Y6 K4 -> L1 5; Y7 M1 -> L1 5; Y8 M1 -> B1 5");
    /* Debits posted of K1 and credits posted of K2 near the end; debits pending of K3 and credits
     * pending of K4 too. L1 has spent what it got, M1 has got what it gave. */
    transfers("? K1 -> Z1 max-4; ? Z2 -> K2 max-4; ? K3 -> Z3 max-4 pending\n"
              "? Z4 -> K4 max-4 pending; ? L1 -> Z5 10; ? Z6 -> M1 10");
    transfers("C9 C1 -> D1 0 pending closing_debit closing_credit");
    updates("U1 F1 set=frozen_debits; U2 G1 set=frozen_credits");
    play_order(MP_CREATE_TRANSFERS, pairs);
}

/* --- bind_id and updates --- */

Test(order, of_bound_ids)
{
    static const struct order pairs[] = {
        {T(ID_ALREADY_FAILED), "X1 bind pending", T(FLAGS_ARE_MUTUALLY_EXCLUSIVE),
         "? bind pending"},
        {T(FLAGS_ARE_MUTUALLY_EXCLUSIVE), "? bind 1 pending", T(BIND_FIELDS_MUST_BE_ZERO),
         "? bind 1"},
        {T(BIND_FIELDS_MUST_BE_ZERO), "X2 bind 1", T(ID_BOUND), "X2 bind"},
        {0, NULL, 0, NULL},
    };

    expect(transfer("X1 bind"), MP_TRANSFER_ID_BOUND);
    play_order(MP_CREATE_TRANSFERS, pairs);
}

Test(order, of_updates)
{
    static const struct order pairs[] = {
        {T(LINKED_EVENT_CHAIN_OPEN), "? A1 linked; ? A1 set=closed linked", T(LINKED_EVENT_FAILED),
         "? A1 linked; ? A1 set=closed"},
        {T(LINKED_EVENT_FAILED), "? A1 linked; ? A1 set=256", T(RESERVED_FLAG),
         "? A1 clear=closed linked; ? A1 set=256"},
        {T(RESERVED_FLAG), "0 A1 set=256", T(ID_MUST_NOT_BE_ZERO), "0 A1 set=closed"},
        {T(RESERVED_FLAG), "max A1 set=256", T(ID_MUST_NOT_BE_INT_MAX), "max A1 set=closed"},
        /* 4 and 5: one id. Neither exists nor is bound: */
        {T(ID_MUST_NOT_BE_ZERO), "0 A1 set=closed clear=closed", T(FLAGS_ARE_MUTUALLY_EXCLUSIVE),
         "? A1 set=closed clear=closed"},
        {T(ID_MUST_NOT_BE_INT_MAX), "max A1 set=closed clear=closed",
         T(FLAGS_ARE_MUTUALLY_EXCLUSIVE), "? A1 set=closed clear=closed"},
        {T(RESERVED_FLAG), "E1 B1 set=256", T(EXISTS_WITH_DIFFERENT_FLAGS), "E1 B1 set=closed"},
        {T(EXISTS_WITH_DIFFERENT_FLAGS), "E1 B1 set=closed", T(EXISTS_WITH_DIFFERENT_ACCOUNT_ID),
         "E1 B1 set=frozen_debits"},
        {T(EXISTS_WITH_DIFFERENT_ACCOUNT_ID), "E1 B1 set=frozen_debits ud128=1",
         T(EXISTS_WITH_DIFFERENT_USER_DATA_128), "E1 A1 set=frozen_debits ud128=1"},
        {T(EXISTS_WITH_DIFFERENT_USER_DATA_128), "E1 A1 set=frozen_debits ud128=1 ud64=1",
         T(EXISTS_WITH_DIFFERENT_USER_DATA_64), "E1 A1 set=frozen_debits ud64=1"},
        {T(EXISTS_WITH_DIFFERENT_USER_DATA_64), "E1 A1 set=frozen_debits ud64=1 ud32=1",
         T(EXISTS_WITH_DIFFERENT_USER_DATA_32), "E1 A1 set=frozen_debits ud32=1"},
        {T(EXISTS_WITH_DIFFERENT_USER_DATA_32), "E1 A1 set=frozen_debits ud32=1 code=1",
         T(EXISTS_WITH_DIFFERENT_CODE), "E1 A1 set=frozen_debits code=1"},
        /* 45 and 46: exists is what nothing differs in. 46 and 68: an id is an update's or bound.
         * 46 and 7: such an update never existed */
        {T(EXISTS_WITH_DIFFERENT_FLAGS), "E1 A1 set=closed clear=closed",
         T(FLAGS_ARE_MUTUALLY_EXCLUSIVE), "? A1 set=closed clear=closed"},
        {T(ID_ALREADY_FAILED), "X1 A1 set=closed clear=closed", T(FLAGS_ARE_MUTUALLY_EXCLUSIVE),
         "? A1 set=closed clear=closed"},
        {T(FLAGS_ARE_MUTUALLY_EXCLUSIVE), "? 0 set=closed clear=closed",
         T(ACCOUNT_ID_MUST_NOT_BE_ZERO), "? 0 set=closed"},
        {T(FLAGS_ARE_MUTUALLY_EXCLUSIVE), "? max set=closed clear=closed",
         T(ACCOUNT_ID_MUST_NOT_BE_INT_MAX), "? max set=closed"},
        /* 1031 and 1032: one id */
        {T(ACCOUNT_ID_MUST_NOT_BE_ZERO), "? 0", T(NOTHING_TO_UPDATE), "? A1"},
        {T(ACCOUNT_ID_MUST_NOT_BE_INT_MAX), "? max", T(NOTHING_TO_UPDATE), "? A1"},
        {T(NOTHING_TO_UPDATE), "? A9", T(ACCOUNT_NOT_FOUND), "? A9 set=closed"},
        /* 1033 and 1012: closing is something. 1034 and 1012: an account that isn't there has no
           sums */
        {T(ACCOUNT_NOT_FOUND), "? A9 set=closed", T(ACCOUNT_NOT_EMPTY), "? A1 set=closed"},
        {0, NULL, 0, NULL},
    };

    GIVEN_ACCOUNTS("A1 B1");
    expect(transfer("T1 A1 -> B1 1"), MP_CREATED);
    expect(transfer("X1 bind"), MP_TRANSFER_ID_BOUND);
    expect(update("E1 A1 set=frozen_debits"), MP_CREATED);
    play_order(MP_UPDATE_ACCOUNTS, pairs);
}
