/*
 * Every value of a transfer's and an update's flags, against rules written down once more as a
 * table of what each flag may be seen with; and against the oracle, as everything.
 */
#include "given.h"

TestSuite(flags, .init = given_open, .fini = given_close);

enum {
    LINKED = MP_TRANSFER_LINKED,
    PENDING = MP_TRANSFER_PENDING,
    POST = MP_TRANSFER_POST_PENDING,
    VOID = MP_TRANSFER_VOID_PENDING,
    BALANCING = MP_TRANSFER_BALANCING_DEBIT | MP_TRANSFER_BALANCING_CREDIT,
    CLOSING = MP_TRANSFER_CLOSING_DEBIT | MP_TRANSFER_CLOSING_CREDIT,
    IMPORTED = MP_TRANSFER_IMPORTED,
    KEEP = MP_TRANSFER_KEEP_PENDING,
    INCREASE = MP_TRANSFER_INCREASE_PENDING,
    REVERSAL = MP_TRANSFER_REVERSAL,
    BIND = MP_TRANSFER_BIND_ID,
    RESERVED = 0xe000,
};

/* What each flag may be seen with, by bit. */
static const unsigned company[] = {
    [0] = PENDING | POST | VOID | BALANCING | CLOSING | IMPORTED | KEEP | INCREASE | REVERSAL,
    [1] = LINKED | BALANCING | CLOSING | IMPORTED,
    [2] = LINKED | IMPORTED | KEEP,
    [3] = LINKED | IMPORTED,
    [4] = LINKED | PENDING | BALANCING | CLOSING | IMPORTED,
    [5] = LINKED | PENDING | BALANCING | CLOSING | IMPORTED,
    [6] = LINKED | PENDING | BALANCING | CLOSING | IMPORTED,
    [7] = LINKED | PENDING | BALANCING | CLOSING | IMPORTED,
    [8] = LINKED | PENDING | POST | VOID | BALANCING | CLOSING | KEEP,
    [9] = LINKED | POST | IMPORTED,
    [10] = LINKED,
    [11] = LINKED,
    [12] = 0,
};

static bool agree(unsigned flags)
{
    for (unsigned bit = 0; bit <= 12; bit++)
        if ((flags & 1u << bit) != 0 && (flags & ~(1u << bit) & ~company[bit]) != 0) return false;
    return (flags & KEEP) == 0 || (flags & POST) != 0; /* needed, not only allowed */
}

static uint32_t expected(unsigned flags)
{
    if ((flags & RESERVED) != 0) return MP_TRANSFER_RESERVED_FLAG;
    if (!agree(flags)) return MP_TRANSFER_FLAGS_ARE_MUTUALLY_EXCLUSIVE;
    if ((flags & CLOSING) != 0 && (flags & PENDING) == 0)
        return MP_TRANSFER_CLOSING_TRANSFER_MUST_BE_PENDING;
    if ((flags & BIND) != 0) return MP_TRANSFER_ID_BOUND;
    return MP_CREATED;
}

/* An event that nothing is against but its flags. What closes uses accounts of its own (two for
 * each value). */
static mp_transfer event(unsigned flags)
{
    const mp_id pair = MP_U128('P', 2 * (flags & 0xff) + 1);
    mp_transfer t = {.id = MP_U128('T', flags), .flags = (uint16_t)flags};

    if ((flags & IMPORTED) != 0) t.timestamp = 10000 + flags;
    if ((flags & BIND) != 0) return t;
    if ((flags & (POST | VOID | INCREASE)) != 0) {
        t.pending_id = MP_U128('R', flags);
        if ((flags & (POST | KEEP)) == POST) t.amount = MP_AMOUNT_MAX;
    } else if ((flags & REVERSAL) != 0) {
        t.pending_id = MP_U128('M', 1);
        t.amount = 1;
    } else {
        t.debit_account_id = (flags & CLOSING) != 0 ? pair : words_id("A1");
        t.credit_account_id = (flags & CLOSING) != 0 ? pair + 1 : words_id("B1");
        t.amount = 1;
        t.ledger = 1;
        t.code = 1;
    }
    return t;
}

/* A reservation for each value of flags that might use one, and something to reverse. All imported
 * or none. */
static void set_scene(unsigned imported)
{
    static mp_transfer holds[MP_BATCH_MAX];
    static mp_account pairs[513];
    uint32_t count = 0;

    for (uint32_t i = 0; i < 513; i++)
        pairs[i] = (mp_account){.id = MP_U128('P', i), .ledger = 1, .code = 1};
    if (imported != 0)
        for (uint32_t i = 0; i < 513; i++) {
            pairs[i].flags = MP_ACCOUNT_IMPORTED;
            pairs[i].timestamp = 100 + i;
        }
    given_submit(MP_CREATE_ACCOUNTS, pairs, 513);
    if (imported != 0)
        accounts("A1 imported at=1000; B1 imported at=1001");
    else
        GIVEN_ACCOUNTS("A1 B1");
    for (unsigned flags = 0; flags < 0x2000; flags++) {
        if ((flags & (POST | VOID | INCREASE)) == 0 || (flags & IMPORTED) != imported) continue;
        holds[count] = (mp_transfer){.id = MP_U128('R', flags),
                                     .debit_account_id = words_id("A1"),
                                     .credit_account_id = words_id("B1"),
                                     .amount = 5,
                                     .ledger = 1,
                                     .code = 1,
                                     .flags = (uint16_t)(PENDING | imported),
                                     .timestamp = imported != 0 ? 1002 + count : 0};
        count++;
    }
    given_submit(MP_CREATE_TRANSFERS, holds, count);
    if (imported != 0)
        transfers("M1 A1 -> B1 2^32 imported at=9999");
    else
        transfers("M1 A1 -> B1 2^32");
}

static void expect_result(unsigned flags, uint32_t result, uint32_t wanted)
{
    cr_assert(result == wanted, "flags %u: %s instead of %s", flags, given_name(result),
              given_name(wanted));
}

/* Values without the linked flag, as many in a batch as go. */
static void play_unlinked(unsigned first, unsigned last, unsigned imported)
{
    static mp_transfer events[MP_BATCH_MAX];
    uint32_t count = 0;

    for (unsigned flags = first; flags <= last; flags++)
        if ((flags & LINKED) == 0 && (flags & IMPORTED) == imported) events[count++] = event(flags);
    given_submit(MP_CREATE_TRANSFERS, events, count);
    for (uint32_t i = 0; i < count; i++)
        expect_result(events[i].flags, given_results()[i].result, expected(events[i].flags));
}

/* Linked ones, each chained to one that can only succeed. */
static void play_linked(unsigned imported)
{
    static mp_transfer events[MP_BATCH_MAX];
    uint32_t count = 0;

    for (unsigned flags = LINKED; flags < 0x2000; flags += 2) {
        if ((flags & IMPORTED) != imported) continue;
        events[count] = event(flags);
        events[count + 1] = event(flags);
        events[count + 1].id += 0x10000;
        events[count + 1].flags = (uint16_t)imported;
        events[count + 1].debit_account_id = words_id("A1");
        events[count + 1].credit_account_id = words_id("B1");
        events[count + 1].pending_id = 0;
        events[count + 1].amount = 1;
        events[count + 1].ledger = events[count + 1].code = 1;
        for (uint32_t i = count; imported != 0 && i < count + 2; i++)
            events[i].timestamp = 100000 + i;
        count += 2;
    }
    given_submit(MP_CREATE_TRANSFERS, events, count);
    for (uint32_t i = 0; i < count; i += 2) {
        const uint32_t wanted = expected(events[i].flags);
        expect_result(events[i].flags, given_results()[i].result, wanted);
        expect_result(events[i].flags, given_results()[i + 1].result,
                      wanted == MP_CREATED ? MP_CREATED : MP_TRANSFER_LINKED_EVENT_FAILED);
    }
}

/* A closing reservation of an earlier value may have closed the accounts: values that close differ
 * in their low byte only where the pair does, so each pair is closed once. */
Test(flags, of_live_transfers_go_together_as_the_table_says)
{
    set_scene(0);
    play_unlinked(0, 0x1fff, 0);
    for (unsigned first = 0x2000; first < 0x10000; first += 0x4000 - 0x100)
        play_unlinked(first, first + 0x3eff < 0xffff ? first + 0x3eff : 0xffff, 0);
    reopen();
    expect_all_the_same_to_a_reader(1);
}

Test(flags, of_imported_transfers_go_together_as_the_table_says)
{
    set_scene(IMPORTED);
    play_unlinked(0, 0x1fff, IMPORTED);
    reopen();
    expect_all_the_same_to_a_reader(2);
}

Test(flags, of_linked_live_transfers_go_together_as_the_table_says)
{
    set_scene(0);
    play_linked(0);
    reopen();
    expect_all_the_same_to_a_reader(3);
}

Test(flags, of_linked_imported_transfers_go_together_as_the_table_says)
{
    set_scene(IMPORTED);
    play_linked(IMPORTED);
    reopen();
    expect_all_the_same_to_a_reader(4);
}

/* --- updates --- */

static uint32_t update_expected(unsigned set, unsigned clear)
{
    const unsigned may = MP_ACCOUNT_CLOSED | MP_ACCOUNT_FROZEN_DEBITS | MP_ACCOUNT_FROZEN_CREDITS;

    if (((set | clear) & ~may) != 0) return MP_TRANSFER_RESERVED_FLAG;
    if ((set & clear) != 0) return MP_TRANSFER_FLAGS_ARE_MUTUALLY_EXCLUSIVE;
    return (set | clear) == 0 ? MP_TRANSFER_NOTHING_TO_UPDATE : MP_CREATED;
}

Test(flags, of_updates_are_the_three_that_may_change)
{
    static mp_account_update events[MP_BATCH_MAX];
    uint32_t count = 0;

    GIVEN_ACCOUNTS("A1");
    for (unsigned set = 0; set < 0x100; set++) {
        for (unsigned clear = 0; clear < 0x100; clear += set % 32 == 0 ? 1 : 32)
            events[count++] = (mp_account_update){.id = MP_U128(set + 1, clear + 1),
                                                  .account_id = words_id("A1"),
                                                  .flags_set = (uint16_t)set,
                                                  .flags_clear = (uint16_t)clear};
    }
    given_submit(MP_UPDATE_ACCOUNTS, events, count);
    for (uint32_t i = 0; i < count; i++)
        expect_result(events[i].flags_set * 65536u + events[i].flags_clear,
                      given_results()[i].result,
                      update_expected(events[i].flags_set, events[i].flags_clear));
    for (unsigned bit = 8; bit < 16; bit++) {
        expect(update(lines_of("? A1 set=%u", 1u << bit)), MP_TRANSFER_RESERVED_FLAG);
        expect(update(lines_of("? A1 clear=%u", 1u << bit)), MP_TRANSFER_RESERVED_FLAG);
        expect(update(lines_of("? A1 set=closed flags=%u", 1u << bit)), MP_TRANSFER_RESERVED_FLAG);
    }
    for (unsigned bit = 1; bit < 8; bit++)
        expect(update(lines_of("? A1 set=closed flags=%u", 1u << bit)), MP_TRANSFER_RESERVED_FLAG);
    reopen();
    expect_all_the_same_to_a_reader(5);
}
