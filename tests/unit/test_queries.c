/* Statements, queries and the change stream, with what they must give written down by hand. */
#include "given.h"

TestSuite(queries, .init = given_open, .fini = given_close);

/* Every subject in turn. */
#define EACH(s)                                                                                    \
    for (int s = 0; subjects[s] != NULL; s++)                                                      \
        if (!subjects[s]->reads_only)

enum { BOTH = MP_FILTER_DEBITS | MP_FILTER_CREDITS, ROWS = 40 };

/* Expects transfers of an account by their ids, said with blanks between. */
static void expect_transfers(mp_account_filter filter, const char *names)
{
    mp_transfer rows[ROWS];
    mp_account_balance balances[ROWS];
    uint32_t count = 99, balance_count = 99, wanted = 0;
    mp_id ids[ROWS];
    char text[400];
    char *rest = strcpy(text, names), *name;

    while ((name = strsep(&rest, " ")) != NULL)
        if (*name != '\0') ids[wanted++] = words_id(name);
    EACH(s)
    {
        cr_assert(subjects[s]->account_transfers(&filter, rows, &count) == MP_OK);
        cr_assert(count == wanted, "%s: %u rows instead of '%s'", subjects[s]->name, count, names);
        cr_assert(subjects[s]->account_balances(&filter, balances, &balance_count) == MP_OK);
        cr_assert(balance_count == wanted, "%s: %u balances", subjects[s]->name, balance_count);
        for (uint32_t i = 0; i < wanted; i++) {
            cr_assert(rows[i].id == ids[i], "%s: row %u isn't that of '%s'", subjects[s]->name, i,
                      names);
            cr_assert(balances[i].timestamp == rows[i].timestamp);
        }
    }
}

/* A filter without any fields yet. */
#define FILTER(account, sides, ...)                                                                \
    ((mp_account_filter){.account_id = words_id(account), .flags = (sides), __VA_ARGS__})

static void set_scene(void)
{
    GIVEN_ACCOUNTS("A1 B1 C1");
    transfers("T1 A1 -> B1 1 code=7 ud128=1; T2 B1 -> A1 2 ud64=5; T3 B1 -> C1 4\n"
              "T4 A1 -> C1 8 pending timeout=1 code=7; T5 A1 -> C1 16 pending ud32=9");
    clock_advance_seconds(2);
    idle(); /* T4 expires */
    transfers("T6 post T5 10 keep_pending; T7 increase T5 1; T8 void T5; T9 reverse T1");
}

Test(queries, an_accounts_transfers_are_those_that_all_fields_let_through)
{
    set_scene();
    for (int pass = 0; pass < 2; pass++) {
        expect_transfers(FILTER("A1", BOTH, .limit = ROWS), "T1 T2 T4 T5 T6 T7 T8 T9");
        expect_transfers(FILTER("A1", BOTH | MP_FILTER_REVERSED, .limit = ROWS),
                         "T9 T8 T7 T6 T5 T4 T2 T1");
        expect_transfers(FILTER("A1", MP_FILTER_DEBITS, .limit = ROWS), "T1 T4 T5 T6 T7 T8");
        expect_transfers(FILTER("A1", MP_FILTER_CREDITS, .limit = ROWS), "T2 T9");
        expect_transfers(FILTER("A1", MP_FILTER_CREDITS | MP_FILTER_REVERSED, .limit = ROWS),
                         "T9 T2");
        expect_transfers(FILTER("A1", BOTH, .limit = 3), "T1 T2 T4");
        expect_transfers(FILTER("A1", BOTH | MP_FILTER_REVERSED, .limit = 3), "T9 T8 T7");
        expect_transfers(FILTER("A1", BOTH, .limit = ROWS, .code = 7), "T1 T4 T9");
        expect_transfers(FILTER("A1", BOTH, .limit = ROWS, .user_data_128 = 1), "T1");
        expect_transfers(FILTER("A1", BOTH, .limit = ROWS, .user_data_64 = 5), "T2");
        expect_transfers(FILTER("A1", BOTH, .limit = ROWS, .user_data_32 = 9),
                         "T5 T6 T8"); /* inherited, but by the increase */
        expect_transfers(FILTER("A1", BOTH, .limit = ROWS, .code = 7, .user_data_128 = 2), "");
        expect_transfers(FILTER("C1", MP_FILTER_DEBITS, .limit = ROWS), "");
        expect_transfers(FILTER("C1", BOTH, .limit = ROWS), "T3 T4 T5 T6 T7 T8");
        reopen();
    }
}

Test(queries, times_are_inclusive_and_open_at_zero)
{
    set_scene();
    const uint64_t t2 = given_time("T2"), t6 = given_time("T6");
    expect_transfers(FILTER("A1", BOTH, .limit = ROWS, .timestamp_min = t2),
                     "T2 T4 T5 T6 T7 T8 T9");
    expect_transfers(FILTER("A1", BOTH, .limit = ROWS, .timestamp_min = t2 + 1),
                     "T4 T5 T6 T7 T8 T9");
    expect_transfers(FILTER("A1", BOTH, .limit = ROWS, .timestamp_max = t6), "T1 T2 T4 T5 T6");
    expect_transfers(FILTER("A1", BOTH, .limit = ROWS, .timestamp_max = t6 - 1), "T1 T2 T4 T5");
    expect_transfers(FILTER("A1", BOTH, .limit = ROWS, .timestamp_min = t2, .timestamp_max = t2),
                     "T2");
    expect_transfers(FILTER("A1", BOTH | MP_FILTER_REVERSED, .limit = ROWS, .timestamp_min = t2,
                            .timestamp_max = t6),
                     "T6 T5 T4 T2");
    expect_transfers(
        FILTER("A1", BOTH, .limit = ROWS, .timestamp_min = 1, .timestamp_max = INT64_MAX),
        "T1 T2 T4 T5 T6 T7 T8 T9");
    expect_transfers(FILTER("A1", BOTH, .limit = ROWS, .timestamp_max = 1), "");
    expect_transfers(FILTER("A1", BOTH, .limit = ROWS, .timestamp_min = INT64_MAX), "");
}

Test(queries, a_filter_without_sense_gives_no_rows)
{
    set_scene();
    expect_transfers(FILTER("A1", BOTH, .limit = 0), "");
    expect_transfers(FILTER("A1", 0, .limit = ROWS), "");
    expect_transfers(FILTER("A1", MP_FILTER_REVERSED, .limit = ROWS), "");
    expect_transfers(FILTER("A1", BOTH | 8, .limit = ROWS), "");
    expect_transfers(FILTER("A1", BOTH | 0x80000000, .limit = ROWS), "");
    expect_transfers(FILTER("A1", BOTH, .limit = ROWS, .reserved = 1), "");
    expect_transfers(FILTER("0", BOTH, .limit = ROWS), "");
    expect_transfers(FILTER("max", BOTH, .limit = ROWS), "");
    expect_transfers(FILTER("A9", BOTH, .limit = ROWS), "");
    expect_transfers(FILTER("A1", BOTH, .limit = ROWS, .timestamp_min = UINT64_C(1) << 63), "");
    expect_transfers(FILTER("A1", BOTH, .limit = ROWS, .timestamp_max = UINT64_C(1) << 63), "");
    expect_transfers(FILTER("A1", BOTH, .limit = ROWS, .timestamp_min = 7, .timestamp_max = 6), "");
}

/* What query_accounts and query_transfers give, by number. */
static void expect_counts(mp_query_filter filter, uint32_t accounts, uint32_t transfers)
{
    mp_account found_accounts[ROWS];
    mp_transfer found_transfers[ROWS];
    uint32_t count = 99;

    EACH(s)
    {
        cr_assert(subjects[s]->query_accounts(&filter, found_accounts, &count) == MP_OK);
        cr_assert(count == accounts, "%s: %u accounts", subjects[s]->name, count);
        cr_assert(subjects[s]->query_transfers(&filter, found_transfers, &count) == MP_OK);
        cr_assert(count == transfers, "%s: %u transfers", subjects[s]->name, count);
    }
}

#define QUERY(...) ((mp_query_filter){__VA_ARGS__})

Test(queries, accounts_and_transfers_are_found_by_their_fields)
{
    set_scene();
    GIVEN_ACCOUNTS("D1:code=7,ledger=2,ud64=5 E1:ud128=1,closed,ledger=2 F1:ud32=9");
    for (int pass = 0; pass < 2; pass++) {
        expect_counts(QUERY(.limit = ROWS, .flags = 0), 6, 9);
        expect_counts(QUERY(.limit = 2), 2, 2);
        expect_counts(QUERY(.limit = 0), 0, 0);
        expect_counts(QUERY(.limit = ROWS, .code = 7), 1, 3);
        expect_counts(QUERY(.limit = ROWS, .ledger = 2), 2, 0);
        expect_counts(QUERY(.limit = ROWS, .ledger = 1), 4, 9);
        expect_counts(QUERY(.limit = ROWS, .user_data_64 = 5), 1, 1);
        expect_counts(QUERY(.limit = ROWS, .user_data_128 = 1), 1, 1);
        expect_counts(QUERY(.limit = ROWS, .user_data_32 = 9), 1, 3);
        expect_counts(QUERY(.limit = ROWS, .user_data_32 = 9, .ledger = 2), 0, 0);
        expect_counts(QUERY(.limit = ROWS, .timestamp_max = given_time("B1")), 2, 0);
        expect_counts(QUERY(.limit = ROWS, .timestamp_min = given_time("T6")), 3, 4);
        expect_counts(QUERY(.limit = ROWS, .timestamp_min = 9, .timestamp_max = 8), 0, 0);
        expect_counts(QUERY(.limit = ROWS, .timestamp_max = UINT64_C(1) << 63), 0, 0);
        expect_counts(QUERY(.limit = ROWS, .flags = MP_FILTER_DEBITS), 0, 0);
        expect_counts(QUERY(.limit = ROWS, .reserved16 = 1), 0, 0);
        expect_counts(QUERY(.limit = ROWS, .reserved32 = 1), 0, 0);
        reopen();
    }
    EACH(s)
    {
        const mp_query_filter newest = {.limit = 2, .flags = MP_FILTER_REVERSED};
        mp_account found_accounts[2];
        mp_transfer found_transfers[2];
        uint32_t count = 0;
        cr_assert(subjects[s]->query_accounts(&newest, found_accounts, &count) == MP_OK);
        cr_assert(count == 2 && found_accounts[0].id == words_id("F1") &&
                  found_accounts[1].id == words_id("E1"));
        cr_assert(found_accounts[1].flags == MP_ACCOUNT_CLOSED);
        cr_assert(subjects[s]->query_transfers(&newest, found_transfers, &count) == MP_OK);
        cr_assert(count == 2 && found_transfers[0].id == words_id("T9") &&
                  found_transfers[1].id == words_id("T8"));
    }
}

/* --- the change stream --- */

struct expected_change {
    mp_change_type type;
    const char *id; /* an expiry: the reservation; an update: its own */
    mp_amount amount;
    mp_amount debits_pending; /* of the debit account, after it */
    mp_amount debits_posted;
};

static void expect_changes(const struct expected_change *expected, uint32_t count)
{
    const mp_change_filter all = {.limit = ROWS};
    mp_change changes[ROWS];
    uint32_t got = 0;

    EACH(s)
    {
        cr_assert(subjects[s]->changes(&all, changes, &got) == MP_OK);
        cr_assert(got == count, "%s: %u changes", subjects[s]->name, got);
        for (uint32_t i = 0; i < count; i++) {
            const struct expected_change *e = &expected[i];
            const mp_change *c = &changes[i];
            const mp_id id = e->type == MP_CHANGE_TWO_PHASE_EXPIRED ? c->transfer.pending_id
                             : e->type == MP_CHANGE_ACCOUNT_UPDATED ? c->update.id
                                                                    : c->transfer.id;
            cr_assert(c->type == e->type && id == words_id(e->id), "%s: %s is of type %d",
                      subjects[s]->name, e->id, (int)c->type);
            cr_assert(c->transfer.amount == e->amount, "%s: amount of %s", subjects[s]->name,
                      e->id);
            cr_assert(c->debit.debits_pending == e->debits_pending &&
                          c->debit.debits_posted == e->debits_posted,
                      "%s: sums behind %s", subjects[s]->name, e->id);
        }
    }
}

Test(queries, the_change_stream_tells_everything_in_order)
{
    static const struct expected_change expected[] = {
        {MP_CHANGE_SINGLE_PHASE, "T1", 1, 0, 1},
        {MP_CHANGE_SINGLE_PHASE, "T2", 2, 0, 2},
        {MP_CHANGE_SINGLE_PHASE, "T3", 4, 0, 6},
        {MP_CHANGE_TWO_PHASE_PENDING, "T4", 8, 8, 1},
        {MP_CHANGE_TWO_PHASE_PENDING, "T5", 16, 24, 1},
        {MP_CHANGE_TWO_PHASE_EXPIRED, "T4", 8, 16, 1},
        {MP_CHANGE_TWO_PHASE_PART_POSTED, "T6", 10, 6, 11},
        {MP_CHANGE_TWO_PHASE_INCREASED, "T7", 1, 7, 11},
        {MP_CHANGE_TWO_PHASE_VOIDED, "T8", 7, 0, 11},
        {MP_CHANGE_REVERSAL, "T9", 1, 0, 7},
        {MP_CHANGE_TWO_PHASE_PENDING, "R1", 5, 5, 11},
        {MP_CHANGE_TWO_PHASE_POSTED, "P1", 5, 0, 16},
        {MP_CHANGE_ACCOUNT_UPDATED, "U1", 0, 0, 16},
        {MP_CHANGE_SINGLE_PHASE, "L1", 3, 0, 10},
    };

    set_scene();
    transfers("R1 A1 -> B1 5 pending; P1 post R1 5 keep_pending");
    expect(update("U1 A1 set=frozen_debits"), MP_CREATED);
    transfers("X1 A1 -> B1 5 => debit_account_frozen; L1 B1 -> A1 3 linked => linked_event_failed\n"
              "X2 bind => id_bound\n"
              "X3 A1 -> A1 1 => accounts_must_be_different");
    /* the bound id broke the chain: L1 never was */
    transfers("L1 B1 -> A1 3");
    for (int pass = 0; pass < 2; pass++) {
        expect_changes(expected, sizeof(expected) / sizeof(expected[0]));
        reopen();
    }
}

Test(queries, changes_can_be_read_from_a_position_or_between_times)
{
    set_scene();
    EACH(s)
    {
        mp_change changes[ROWS];
        mp_change_filter filter = {.limit = 4};
        uint32_t count = 0;
        cr_assert(subjects[s]->changes(&filter, changes, &count) == MP_OK && count == 4);
        filter.after = changes[3].position;
        filter.limit = ROWS;
        cr_assert(subjects[s]->changes(&filter, changes, &count) == MP_OK && count == 6);
        cr_assert(changes[0].transfer.id == words_id("T5"));
        filter.after = changes[5].position;
        cr_assert(subjects[s]->changes(&filter, changes, &count) == MP_OK && count == 0);
        filter = (mp_change_filter){
            .timestamp_min = given_time("T2"), .timestamp_max = given_time("T4"), .limit = ROWS};
        cr_assert(subjects[s]->changes(&filter, changes, &count) == MP_OK && count == 3);
        filter.reserved = 1;
        cr_assert(subjects[s]->changes(&filter, changes, &count) == MP_OK && count == 0);
        filter = (mp_change_filter){.timestamp_min = 5, .timestamp_max = 4, .limit = ROWS};
        cr_assert(subjects[s]->changes(&filter, changes, &count) == MP_OK && count == 0);
        filter = (mp_change_filter){.limit = 0};
        cr_assert(subjects[s]->changes(&filter, changes, &count) == MP_OK && count == 0);
    }
}

Test(queries, account_flags_in_changes_are_those_of_then)
{
    GIVEN_ACCOUNTS("A1 B1");
    expect(transfer("C1 A1 -> B1 1 pending closing_debit"), MP_CREATED);
    expect(transfer("V1 void C1"), MP_CREATED);
    expect(update("U1 A1 set=frozen_credits"), MP_CREATED);
    expect(transfer("T1 A1 -> B1 1"), MP_CREATED);
    for (int pass = 0; pass < 2; pass++) {
        EACH(s)
        {
            const mp_change_filter all = {.limit = ROWS};
            mp_change c[ROWS];
            uint32_t count = 0;
            cr_assert(subjects[s]->changes(&all, c, &count) == MP_OK && count == 4);
            cr_assert(c[0].debit_account_flags == MP_ACCOUNT_CLOSED);
            cr_assert(c[0].credit_account_flags == 0 && c[1].debit_account_flags == 0);
            cr_assert(c[2].update_flags_before == 0);
            cr_assert(c[2].update_flags_after == MP_ACCOUNT_FROZEN_CREDITS);
            cr_assert(c[3].debit_account_flags == MP_ACCOUNT_FROZEN_CREDITS);
        }
        reopen();
    }
}

/* --- instants --- */

Test(queries, an_instant_shows_what_was_known_then)
{
    GIVEN_ACCOUNTS("A1 B1");
    const uint64_t made = given_time("A1");
    clock_advance_seconds(1);
    expect(transfer("T1 A1 -> B1 5"), MP_CREATED);
    const uint64_t first = given_time("T1");
    clock_advance_seconds(1);
    expect(transfer("R1 A1 -> B1 7 pending timeout=1"), MP_CREATED);
    const uint64_t second = given_time("R1");
    clock_advance_seconds(5);
    idle();
    for (int pass = 0; pass < 2; pass++) {
        expect_balance_at("A1", made, .debits_posted = 0);
        expect_balance_at("A1", first - 1, .debits_posted = 0);
        expect_balance_at("A1", first, .debits_posted = 5);
        expect_balance_at("A1", second, .debits_posted = 5, .debits_pending = 7);
        /* Released late: until then the hold was there */
        expect_balance_at("A1", second + UINT64_C(1000000000), .debits_posted = 5,
                          .debits_pending = 7);
        expect_balance_at("A1", INT64_MAX, .debits_posted = 5);
        EACH(s)
        {
            mp_balance out;
            cr_assert(subjects[s]->balance_at(words_id("A1"), made - 1, &out) == MP_NOT_FOUND);
            cr_assert(subjects[s]->balance_at(words_id("A9"), made, &out) == MP_NOT_FOUND);
            cr_assert(subjects[s]->balance(words_id("A9"), &out) == MP_NOT_FOUND);
        }
        reopen();
    }
}
