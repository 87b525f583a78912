/* Creating accounts: each refusal, idempotency, and what a look-up shows. */
#include "given.h"

TestSuite(accounts, .init = given_open, .fini = given_close);

Test(accounts, a_mistake_is_named_and_creates_nothing)
{
    GIVEN_ACCOUNTS("A1");
    accounts_one_by_one(
        "A2 at=5                                   => timestamp_must_be_zero\n"
        "A2 reserved=1                             => reserved_field\n"
        "A2 flags=256                              => reserved_flag\n"
        "A2 flags=32768                            => reserved_flag\n"
        "0                                         => id_must_not_be_zero\n"
        "max                                       => id_must_not_be_int_max\n"
        "A2 flags=6                                => flags_are_mutually_exclusive\n"
        "A2 debits_pending=1                       => debits_pending_must_be_zero\n"
        "A2 debits_posted=2^127                    => debits_posted_must_be_zero\n"
        "A2 credits_pending=2^64                   => credits_pending_must_be_zero\n"
        "A2 credits_posted=max                     => credits_posted_must_be_zero\n"
        "A2 ledger=0                               => ledger_must_not_be_zero\n"
        "A2 code=0                                 => code_must_not_be_zero\n"
        "A2 linked                                 => linked_event_chain_open\n");
    cr_assert(given_time("A2") == 0, "a refused account exists");
    accounts_one_by_one("A2; A2 => exists"); /* none of these binds the id */
    expect_all_the_same(1);
}

Test(accounts, every_field_is_kept_and_shown)
{
    accounts_one_by_one("A1 ledger=4294967295 code=65535 ud128=max ud64=2^64-1 ud32=2^32-1\n"
                        "A2 ledger=7 code=9 ud128=2^64 ud64=1 ud32=2 history\n"
                        "max-1 closed frozen_debits frozen_credits\n"
                        "1 credits_must_not_exceed_debits\n");
    const mp_account a = given_account("A1");
    cr_assert(a.ledger == UINT32_MAX && a.code == UINT16_MAX && a.user_data_128 == MP_U128_MAX);
    cr_assert(a.user_data_64 == UINT64_MAX && a.user_data_32 == UINT32_MAX && a.flags == 0);
    cr_assert(a.timestamp == given_now());
    cr_assert(given_account("A2").flags == MP_ACCOUNT_HISTORY);
    cr_assert(given_flags("max-1") ==
              (MP_ACCOUNT_CLOSED | MP_ACCOUNT_FROZEN_DEBITS | MP_ACCOUNT_FROZEN_CREDITS));
    reopen();
    cr_assert(memcmp(&a, &(mp_account){0}, sizeof(a)) != 0);
    const mp_account again = given_account("A1");
    cr_assert(memcmp(&a, &again, sizeof(a)) == 0);
    expect_all_the_same_to_a_reader(2);
}

Test(accounts, the_same_account_sent_again_exists_and_keeps_its_time)
{
    expect(account("A1 ud128=1 ud64=2 ud32=3 ledger=4 code=5"), MP_CREATED);
    const uint64_t made = given_time("A1");
    clock_advance_seconds(1);
    expect(account("A1 ud128=1 ud64=2 ud32=3 ledger=4 code=5"), MP_ACCOUNT_EXISTS);
    cr_assert(given_results()->timestamp == made);
    reopen();
    expect(account("A1 ud128=1 ud64=2 ud32=3 ledger=4 code=5"), MP_ACCOUNT_EXISTS);
    cr_assert(given_results()->timestamp == made);
}

Test(accounts, each_field_that_differs_is_named_the_first_alone)
{
    expect(account("A1 ud128=1 ud64=2 ud32=3 ledger=4 code=5"), MP_CREATED);
    for (int pass = 0; pass < 2; pass++) {
        accounts_one_by_one(
            "A1 ud128=1 ud64=2 ud32=3 ledger=4 code=5 history => exists_with_different_flags\n"
            "A1 ud128=1 ud64=2 ud32=3 ledger=4 code=5 closed  => exists_with_different_flags\n"
            "A1 ud128=0 ud64=2 ud32=3 ledger=4 code=5 => exists_with_different_user_data_128\n"
            "A1 ud128=1 ud64=0 ud32=3 ledger=4 code=5 => exists_with_different_user_data_64\n"
            "A1 ud128=1 ud64=2 ud32=0 ledger=4 code=5 => exists_with_different_user_data_32\n"
            "A1 ud128=1 ud64=2 ud32=3 ledger=0 code=5 => exists_with_different_ledger\n"
            "A1 ud128=1 ud64=2 ud32=3 ledger=4 code=0 => exists_with_different_code\n"
            "A1 ud128=0 ud64=0 ud32=0 ledger=0 code=0 => exists_with_different_user_data_128\n"
            "A1 ud128=1 ud64=2 ud32=3 ledger=4 code=5 credits_posted=9 => exists\n");
        cr_assert(given_results()->timestamp == given_time("A1"));
        reopen();
    }
}

Test(accounts, freezing_or_closing_an_account_breaks_no_retry)
{
    expect(account("A1 frozen_debits"), MP_CREATED);
    expect(update("U1 A1 clear=frozen_debits set=frozen_credits,closed"), MP_CREATED);
    for (int pass = 0; pass < 2; pass++) {
        expect(account("A1 frozen_debits"), MP_ACCOUNT_EXISTS);
        expect(account("A1 frozen_credits closed"), MP_ACCOUNT_EXISTS_WITH_DIFFERENT_FLAGS);
        reopen();
    }
    cr_assert(given_flags("A1") == (MP_ACCOUNT_FROZEN_CREDITS | MP_ACCOUNT_CLOSED));
}

/* Every value of the flags field, against a rule of two lines. */
static mp_account flagged[MP_BATCH_MAX];

static uint32_t flags_expected(unsigned flags)
{
    if (flags > 0xff) return MP_ACCOUNT_RESERVED_FLAG;
    if ((flags & 6) == 6) return MP_ACCOUNT_FLAGS_ARE_MUTUALLY_EXCLUSIVE;
    return MP_CREATED;
}

/* All flags from `first` on, without the linked and, by choice, with the imported one; as many as
 * go in a batch. */
static void play_flags(unsigned first, unsigned last, unsigned imported)
{
    static unsigned flags[MP_BATCH_MAX];
    uint32_t count = 0;

    for (unsigned f = first; f <= last; f++) {
        if ((f & MP_ACCOUNT_LINKED) != 0 || (f & MP_ACCOUNT_IMPORTED) != imported) continue;
        flags[count] = f;
        flagged[count] = (mp_account){.id = MP_U128(imported + 1, f + 1),
                                      .ledger = 1,
                                      .code = 1,
                                      .flags = (uint16_t)f,
                                      .timestamp = imported != 0 ? 1000 + f : 0};
        count++;
    }
    given_submit(MP_CREATE_ACCOUNTS, flagged, count);
    for (uint32_t i = 0; i < count; i++)
        cr_assert(given_results()[i].result == flags_expected(flags[i]), "flags %u: %s", flags[i],
                  given_name(given_results()[i].result));
}

Test(accounts, only_the_two_limits_exclude_each_other)
{
    play_flags(0, 0xff, MP_ACCOUNT_IMPORTED);
    play_flags(0, 0xff, 0);
    reopen();
    for (unsigned i = 0; i < 8; i++)
        play_flags(0x100 + i * 0x1fe0, 0x100 + (i + 1) * 0x1fe0 - 1, 0);
    expect_all_the_same(3);
}

Test(accounts, a_linked_account_needs_a_companion)
{
    for (unsigned f = 1; f <= 0x3ff; f += 2) {
        mp_account pair[2] = {
            {.id = MP_U128(9, f), .ledger = 1, .code = 1, .flags = (uint16_t)f},
            {.id = MP_U128(9, f + 4096), .ledger = 1, .code = 1},
        };
        if ((f & MP_ACCOUNT_IMPORTED) != 0) continue;
        given_submit(MP_CREATE_ACCOUNTS, pair, 2);
        cr_assert(given_results()[0].result == flags_expected(f), "flags %u: %s", f,
                  given_name(given_results()[0].result));
        cr_assert(given_results()[1].result ==
                  (flags_expected(f) == MP_CREATED ? MP_CREATED : MP_ACCOUNT_LINKED_EVENT_FAILED));
    }
}

Test(accounts, times_are_consecutive_refused_ones_included)
{
    accounts("A1; A2 code=0 => code_must_not_be_zero; A3; A1 => exists; A4");
    const mp_result *r = given_results();
    const uint64_t first = given_now();
    cr_assert(r[0].timestamp == first && r[1].timestamp == first + 1);
    cr_assert(r[2].timestamp == first + 2 && r[3].timestamp == first);
    cr_assert(r[4].timestamp == first + 4);
    expect(account("A5"), MP_CREATED); /* the clock stands still */
    cr_assert(given_results()->timestamp == first + 5);
}

Test(accounts, look_ups_keep_the_order_asked_for_and_repeat_what_is_asked_twice)
{
    GIVEN_ACCOUNTS("A1 A2 A3:closed");
    const mp_id ids[] = {words_id("A3"), words_id("A9"), words_id("A1"), words_id("A3"), 0,
                         MP_U128_MAX};
    for (int s = 0; subjects[s] != NULL; s++) {
        mp_account out[6];
        uint32_t found = 99;
        if (subjects[s]->reads_only) continue;
        cr_assert(subjects[s]->lookup_accounts(ids, 6, out, &found) == MP_OK);
        cr_assert(found == 3 && out[0].id == ids[0] && out[1].id == ids[2] && out[2].id == ids[0]);
        cr_assert(subjects[s]->lookup_accounts(ids, 0, out, &found) == MP_OK && found == 0);
    }
}

Test(accounts, an_empty_batch_is_legal_and_one_too_many_is_refused_whole)
{
    static mp_account many[MP_BATCH_MAX + 1];
    static mp_result results[MP_BATCH_MAX + 1];

    for (uint32_t i = 0; i <= MP_BATCH_MAX; i++)
        many[i] = (mp_account){.id = 1 + i, .ledger = 1, .code = 1};
    for (int s = 0; subjects[s] != NULL; s++) {
        if (subjects[s]->reads_only) continue;
        cr_assert(subjects[s]->create_accounts(given_now(), many, 0, results) == MP_OK);
        cr_assert(subjects[s]->create_accounts(given_now(), many, MP_BATCH_MAX + 1, results) ==
                  MP_BATCH_TOO_LARGE);
    }
    clock_advance_seconds(1);
    given_submit(MP_CREATE_ACCOUNTS, many, MP_BATCH_MAX);
    cr_assert(given_results()[MP_BATCH_MAX - 1].result == MP_CREATED);
    expect(account("8191"), MP_CREATED);
    reopen();
    expect(account("8191"), MP_ACCOUNT_EXISTS);
}
