/* What is bounded, and what a caller sees at the bound: a status, nothing half applied, and work
 * goes on below it. And what callers rely on besides: sources, many balances at once.
 */
#include "story.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MIB UINT64_C(1048576)

static struct sim *sim;
static mp_ledger *ledger;
static mp_options options;
static mp_result results[MP_BATCH_MAX];

static void must(mp_status status) { cr_assert_eq(status, MP_OK, "%s", mp_last_error()); }

static mp_status open_bank(void)
{
    options.env = sim_env(sim);
    options.flags |= MP_OPEN_MANUAL;
    if (options.memory_max == 0) options.memory_max = 64 * MIB;
    return mp_open("bank", &options, &ledger);
}

static void reopen(void)
{
    must(mp_close(ledger));
    must(open_bank());
}

static void idle(void)
{
    bool worked = true;

    while (worked) must(mp_step(ledger, &worked));
}

static mp_status make_accounts(mp_id first, uint32_t count)
{
    static mp_account events[MP_BATCH_MAX];

    for (uint32_t i = 0; i < count; i++)
        events[i] = (mp_account){.id = first + i, .ledger = 1, .code = 1};
    return mp_create_accounts(ledger, events, count, results);
}

static mp_transfer payment(mp_id id)
{
    return (mp_transfer){.id = id,
                         .debit_account_id = 1,
                         .credit_account_id = 2,
                         .amount = 1,
                         .ledger = 1,
                         .code = 1};
}

static mp_status pay(mp_id first, uint32_t count, uint16_t flags)
{
    static mp_transfer events[MP_BATCH_MAX];

    for (uint32_t i = 0; i < count; i++) {
        events[i] = payment(first + i);
        events[i].flags = flags;
    }
    return mp_create_transfers(ledger, events, count, results);
}

static mp_stats stats(void)
{
    mp_stats out;

    mp_read_stats(ledger, &out);
    return out;
}

static bool exists(mp_id id)
{
    mp_transfer found;
    uint32_t count;

    must(mp_lookup_transfers(ledger, &id, 1, &found, &count));
    return count == 1;
}

static void set_up(void)
{
    options = (mp_options){0};
    sim = story_world();
    must(open_bank());
    must(make_accounts(1, 2));
}

static void tear_down(void)
{
    char why[400];

    must(mp_close(ledger));
    cr_assert(story_verified(sim, NULL, why, sizeof why), "%s", why);
    sim_free(sim);
}

static void expect_limit(mp_status status)
{
    cr_assert_eq(status, MP_LIMIT, "%s: %s", mp_status_name(status), mp_last_error());
    cr_assert_not_null(strstr(mp_last_error(), "raise the limit"), "%s", mp_last_error());
}

/* --- bounds --- */

TestSuite(limits, .init = set_up, .fini = tear_down, .timeout = 120);

Test(limits, of_outstanding_requests_is_told_as_busy_and_ends_with_a_wait)
{
    mp_transfer events[3] = {payment(1), payment(2), payment(3)};
    mp_request requests[4] = {0};

    options.outstanding_max = 2;
    reopen();
    for (unsigned i = 0; i < 3; i++) {
        requests[i].operation = MP_CREATE_TRANSFERS;
        requests[i].count = 1;
        requests[i].events = &events[i];
        requests[i].results = &results[i];
    }
    must(mp_submit(ledger, &requests[0]));
    must(mp_submit(ledger, &requests[1]));
    cr_assert_eq(stats().outstanding, 2);
    cr_assert_eq(mp_submit(ledger, &requests[2]), MP_BUSY);
    cr_assert_not_null(strstr(mp_last_error(), "2 requests"), "%s", mp_last_error());
    cr_assert_eq(stats().busy, 1);
    must(mp_execute(ledger, &requests[2])); /* waits for room */
    cr_assert(mp_done(&requests[0]));
    must(mp_wait(ledger, &requests[0]));
    must(mp_wait(ledger, &requests[1]));
    cr_assert_eq(stats().outstanding, 0);
    for (unsigned i = 0; i < 3; i++) cr_assert_eq(results[i].result, MP_CREATED, "%u", i);
}

Test(limits, of_accounts_refuses_a_batch_whole_and_others_go_on)
{
    mp_account found;
    mp_id id = 3;
    uint32_t count;

    options.accounts_max = 10;
    reopen();
    expect_limit(make_accounts(3, 9));
    must(mp_lookup_accounts(ledger, &id, 1, &found, &count));
    cr_assert_eq(count, 0, "half a batch was applied");
    must(make_accounts(3, 8));
    cr_assert_eq(stats().accounts, 10);
    cr_assert_eq(stats().accounts_max, 10);
    expect_limit(make_accounts(11, 1));
    cr_assert_eq(stats().refused_limit, 2);
    must(pay(1, 5, 0));
    must(mp_close(ledger));
    options.accounts_max = 9;
    cr_assert_eq(open_bank(), MP_LIMIT);
    cr_assert_not_null(strstr(mp_last_error(), "accounts_max is 9"), "%s", mp_last_error());
    options.accounts_max = 11;
    must(open_bank());
    must(make_accounts(11, 1));
}

Test(limits, of_reservations_refuses_a_batch_whole_until_some_have_ended)
{
    mp_transfer end = {.id = 1000, .pending_id = 3, .flags = MP_TRANSFER_VOID_PENDING};

    options.reservations_max = 10;
    reopen();
    expect_limit(pay(1, 11, MP_TRANSFER_PENDING));
    cr_assert_not(exists(1), "half a batch was applied");
    cr_assert_eq(stats().reservations_open, 0);
    must(pay(1, 10, MP_TRANSFER_PENDING));
    expect_limit(pay(11, 1, MP_TRANSFER_PENDING));
    must(pay(500, 3, 0));
    must(mp_create_transfers(ledger, &end, 1, results));
    cr_assert_eq(results[0].result, MP_CREATED);
    must(pay(11, 1, MP_TRANSFER_PENDING));
    cr_assert_eq(stats().reservations_open, 10);
    reopen();
    expect_limit(pay(12, 1, MP_TRANSFER_PENDING));
    must(mp_close(ledger));
    options.reservations_max = 9;
    cr_assert_eq(open_bank(), MP_LIMIT, "%s", mp_last_error());
    options.reservations_max = 11;
    must(open_bank());
    must(pay(12, 1, MP_TRANSFER_PENDING));
}

/* Ids are what fills memory in the end. */
Test(limits, of_memory_refuses_batches_whole_and_more_memory_ends_it)
{
    mp_balance balance;
    mp_status status = MP_OK;
    uint64_t booked = 0, refused;

    options.memory_max = 32 * MIB;
    reopen();
    while (status == MP_OK && booked < 3000000) {
        status = pay(MP_U128(1, booked + 1), MP_BATCH_MAX, 0);
        if (status == MP_OK) booked += MP_BATCH_MAX;
        must(mp_step(ledger, NULL));
    }
    expect_limit(status);
    cr_assert_geq(booked, 100000);
    cr_assert_leq(stats().memory_bytes, 32 * MIB);
    cr_assert_not(exists(MP_U128(1, booked + 1)), "half a batch was applied");
    cr_assert(exists(MP_U128(1, booked)));
    must(mp_read_balance(ledger, 1, &balance));
    cr_assert_eq((uint64_t)balance.debits_posted, booked);
    refused = stats().refused_limit;
    expect_limit(pay(MP_U128(1, booked + 1), MP_BATCH_MAX, 0));
    cr_assert_eq(stats().refused_limit, refused + 1);
    options.memory_max = 64 * MIB;
    reopen();
    must(pay(MP_U128(1, booked + 1), MP_BATCH_MAX, 0));
    must(mp_read_balance(ledger, 1, &balance));
    cr_assert_eq((uint64_t)balance.debits_posted, booked + MP_BATCH_MAX);
}

/* Expiries come before a batch in its block: there must be room in the index of ids for both. */
Test(limits, of_the_id_index_hold_for_expiries_and_a_batch_together)
{
    static mp_transfer events[MP_BATCH_MAX];
    const uint32_t reversed =
        6740; /* so that the index, with both, would run over if it didn't grow */

    for (uint32_t i = 0; i < MP_BATCH_MAX; i++) {
        events[i] = payment(MP_U128(1, i + 1));
        events[i].flags = MP_TRANSFER_PENDING;
        events[i].timeout = 1;
    }
    must(mp_create_transfers(ledger, events, MP_BATCH_MAX, results));
    must(pay(MP_U128(2, 1), reversed, 0));
    for (uint32_t i = 0; i < reversed; i++) {
        events[i] = (mp_transfer){.id = MP_U128(3, i + 1),
                                  .pending_id = MP_U128(2, i + 1),
                                  .amount = MP_AMOUNT_MAX,
                                  .flags = MP_TRANSFER_REVERSAL};
    }
    sim_pass(sim, UINT64_C(2000000000));
    must(mp_create_transfers(ledger, events, reversed, results));
    for (uint32_t i = 0; i < reversed; i++) cr_assert_eq(results[i].result, MP_CREATED, "%u", i);
    cr_assert_eq(stats().expiries, MP_BATCH_MAX);
}

/* As docs/reliability.md has it: to end a reservation takes an entry, too. */
Test(limits, of_the_id_index_put_ends_of_reservations_off_until_there_is_more_memory)
{
    const uint32_t timeout = 1000000; /* seconds */
    mp_transfer reserved = payment(MP_U128(2, 1)), capture = {.id = MP_U128(2, 2)};
    mp_balance balance;
    uint64_t booked = 0;

    options.memory_max = 32 * MIB;
    reopen();
    reserved.flags = MP_TRANSFER_PENDING;
    reserved.timeout = timeout;
    must(mp_create_transfers(ledger, &reserved, 1, results));
    for (uint32_t count = MP_BATCH_MAX; count > 0;) {
        if (pay(MP_U128(1, booked + 1), count, 0) == MP_OK)
            booked += count;
        else
            count /= 2;
        idle();
    }
    capture.pending_id = reserved.id;
    capture.amount = MP_AMOUNT_MAX;
    capture.flags = MP_TRANSFER_POST_PENDING;
    expect_limit(mp_create_transfers(ledger, &capture, 1, results));
    sim_pass(sim, (timeout + 1) * UINT64_C(1000000000));
    idle();
    must(mp_read_balance(ledger, 1, &balance));
    cr_assert_eq((uint64_t)balance.debits_pending, 1);
    cr_assert_eq(stats().expiries, 0);
    options.memory_max = 64 * MIB;
    reopen();
    idle();
    must(mp_read_balance(ledger, 1, &balance));
    cr_assert_eq((uint64_t)balance.debits_pending, 0);
    cr_assert_eq((uint64_t)balance.debits_posted, booked);
    cr_assert_eq(stats().expiries, 1);
}

/* Two accounts that nobody else pays or is paid by. */
static mp_transfer payment_of_pair(mp_id id, uint32_t pair)
{
    mp_transfer event = payment(id);

    event.debit_account_id = 1000 + 2 * pair;
    event.credit_account_id = 1001 + 2 * pair;
    return event;
}

/* Takes what memory is left, for accounts and the undoing of chains; all are refused for another
 * reason. */
static void use_up_memory(void)
{
    static mp_account events[MP_BATCH_MAX];

    for (uint32_t step = MP_BATCH_MAX / 2, linked = 0; step > 0; step /= 2) {
        mp_status status;

        for (uint32_t i = 0; i < MP_BATCH_MAX; i++)
            events[i].flags = i < linked + step ? MP_ACCOUNT_LINKED : 0;
        status = mp_create_accounts(ledger, events, linked + step + 1, results);
        if (status == MP_OK)
            linked += step;
        else
            expect_limit(status);
    }
}

/* Jump pointers are worked out when a block is closed, for all its batches: there must be room. */
Test(limits, of_memory_hold_for_all_batches_of_a_block_together)
{
    enum { PAIRS = 1000, RECORDS = 248 /* one more, and their pointers outgrow their place */ };
    static mp_transfer events[MP_BATCH_MAX];
    static mp_request requests[PAIRS];
    uint32_t count = 0, made = 0;

    must(make_accounts(1000, 2 * PAIRS));
    for (uint32_t i = 0; i < PAIRS * RECORDS; i++) {
        events[count++] = payment_of_pair(MP_U128(1, i + 1), i % PAIRS);
        if (count < MP_BATCH_MAX && i + 1 < PAIRS * RECORDS) continue;
        must(mp_create_transfers(ledger, events, count, results));
        count = 0;
    }
    must(mp_close(ledger));
    options.memory_max = 36 * MIB;
    must(open_bank());
    use_up_memory();
    for (uint32_t i = 0; i < PAIRS; i++) {
        events[i] = payment_of_pair(MP_U128(2, i + 1), i);
        requests[i] = (mp_request){.operation = MP_CREATE_TRANSFERS,
                                   .count = 1,
                                   .events = &events[i],
                                   .results = &results[i]};
        must(mp_submit(ledger, &requests[i]));
    }
    for (uint32_t i = 0; i < PAIRS; i++) {
        mp_status status = mp_wait(ledger, &requests[i]);

        if (status != MP_LIMIT) must(status);
        made += status == MP_OK;
    }
    cr_assert(made > 0 && made < PAIRS, "%u", made);
}

Test(limits, of_memory_that_make_no_sense_are_refused_at_once)
{
    must(mp_close(ledger));
    options.memory_max = 32 * MIB - 1;
    cr_assert_eq(open_bank(), MP_INVALID);
    cr_assert_not_null(strstr(mp_last_error(), "32 MiB"), "%s", mp_last_error());
    options.memory_max = 64 * MIB;
    must(open_bank());
}

Test(limits, of_checkpoints_is_two_also_when_one_has_failed)
{
    char names[1024];

    options.checkpoint_after = 1;
    reopen();
    for (unsigned i = 0; i < 6; i++) {
        if (i == 3) {
            sim_fault(sim, &(struct sim_fault){.operations = SIM_RENAME,
                                               .path = "bank/checkpoint/*",
                                               .times = 1,
                                               .error = -5});
        }
        for (unsigned j = 1; j <= 3; j++) must(pay(MP_U128(5 + 10 * i + j, 1), MP_BATCH_MAX, 0));
        idle();
        sim_pass(sim, UINT64_C(11000000000)); /* one that failed is tried again later */
    }
    cr_assert_eq(sim_faults_struck(sim), 1);
    cr_assert_eq(sim_list(sim, "bank/checkpoint", names, sizeof names), 2, "%s, ...", names);
}

/* A reservation falls due when nobody calls, and its block would be the first of a segment. */
Test(limits, of_a_segment_is_told_to_ledger_mp_or_the_ledger_stops)
{
    static mp_transfer events[MP_BATCH_MAX];
    const uint64_t near =
        14 * MIB - MIB / 2; /* too near to the end, 16 MiB, for so many expiries */
    mp_status status = MP_OK;

    for (uint32_t i = 0; i < MP_BATCH_MAX; i++) {
        events[i] = payment(MP_U128(1, i + 1));
        events[i].flags = MP_TRANSFER_PENDING;
        events[i].timeout = 1000;
    }
    must(mp_create_transfers(ledger, events, MP_BATCH_MAX, results));
    for (uint64_t id = 1; stats().position < near; id += 1000) must(pay(MP_U128(2, id), 1000, 0));
    idle();
    sim_fault(sim, &(struct sim_fault){
                       .operations = SIM_WRITE, .path = "bank/ledger.mp", .times = 1, .error = -5});
    sim_pass(sim, UINT64_C(1001000000000));
    for (unsigned i = 0; i < 10 && status == MP_OK; i++) status = mp_step(ledger, NULL);
    cr_assert_eq(sim_faults_struck(sim), 1);
    cr_assert_eq(status, MP_STOPPED);
    cr_assert_not_null(strstr(mp_last_error(), "ledger.mp"), "%s", mp_last_error());
    cr_assert_eq(mp_close(ledger), MP_STOPPED);
    must(open_bank());
    idle();
    cr_assert_eq(stats().reservations_open, 0);
}

Test(limits, of_time_refuses_what_comes_at_its_end)
{
    uint64_t now = sim_settings(sim)->real_ns;

    must(pay(1, 1, 0));
    must(mp_close(ledger));
    options.flags |= MP_OPEN_ACCEPT_CLOCK;
    sim_settings(sim)->real_ns = UINT64_MAX / 2;
    must(open_bank());
    cr_assert_eq(pay(2, 5, 0), MP_CLOCK);
    cr_assert_not_null(strstr(mp_last_error(), "clock"), "%s", mp_last_error());
    cr_assert_not(exists(2));
    must(mp_close(ledger));
    sim_settings(sim)->real_ns = now;
    must(open_bank());
    must(pay(2, 5, 0));
}

Test(limits, requests_that_make_no_sense_are_refused_before_they_are_queued)
{
    mp_transfer event = payment(1);
    mp_request request = {.operation = 99, .count = 1, .events = &event, .results = results};

    cr_assert_eq(mp_submit(ledger, &request), MP_INVALID);
    request.operation = MP_CREATE_TRANSFERS;
    request.count = MP_BATCH_MAX + 1;
    cr_assert_eq(mp_submit(ledger, &request), MP_BATCH_TOO_LARGE);
    request.count = 1;
    request.results = NULL;
    cr_assert_eq(mp_submit(ledger, &request), MP_INVALID);
    request.results = results;
    request.events = NULL;
    cr_assert_eq(mp_submit(ledger, &request), MP_INVALID);
    cr_assert_eq(stats().outstanding, 0);
    request.count = 0; /* an empty batch is legal */
    must(mp_execute(ledger, &request));
}

/* --- sources --- */

TestSuite(sources, .init = set_up, .fini = tear_down, .timeout = 120);

/* One payment from a source; its id is given. */
static mp_status from(uint64_t source, uint64_t position, mp_id id)
{
    mp_transfer event = payment(id);
    mp_request request = {.operation = MP_CREATE_TRANSFERS,
                          .count = 1,
                          .events = &event,
                          .results = results,
                          .source = source,
                          .source_position = position};

    return mp_execute(ledger, &request);
}

static void expect_out_of_order(uint64_t source, uint64_t position)
{
    mp_id id = MP_U128(99, position);

    cr_assert_eq(from(source, position, id), MP_OUT_OF_ORDER, "%" PRIu64, position);
    cr_assert_not(exists(id), "it was applied all the same");
}

static void expect_positions(void)
{
    expect_out_of_order(7, 1);
    expect_out_of_order(7, 9);
    expect_out_of_order(8, 3);
}

Test(sources, go_forwards_only_also_when_opened_again_and_after_a_crash)
{
    struct sim *cut;

    must(from(7, 5, 1));
    must(from(8, 3, 2));
    must(from(7, 9, 3));
    must(from(0, 1, 4)); /* from nowhere: any position, any number of times */
    must(from(0, 1, 5));
    must(from(9, 0, 6)); /* no position: likewise */
    must(from(9, 0, 7));
    expect_positions();
    cut = sim_clone(sim);
    must(mp_close(ledger));
    sim_free(sim);
    sim = cut;
    sim_power_cut(sim, SIM_CUT_ABSENT);
    must(open_bank());
    expect_positions();
    options.checkpoint_after = 1;
    reopen();
    idle();
    cr_assert(sim_exists(sim, "bank/checkpoint/00000001.ckpt"));
    expect_positions();
    reopen();
    expect_positions();
    must(from(7, 10, 10));
    must(from(8, 4, 11));
}

/* A batch of nothing says how far its source has come; so does one that was refused in all parts.
 */
Test(sources, positions_of_batches_without_effects_are_durable)
{
    mp_request request = {
        .operation = MP_CREATE_TRANSFERS, .results = results, .source = 7, .source_position = 20};
    mp_transfer event = payment(1);

    must(mp_execute(ledger, &request));
    event.code = 0;
    request = (mp_request){.operation = MP_CREATE_TRANSFERS,
                           .count = 1,
                           .events = &event,
                           .results = results,
                           .source = 8,
                           .source_position = 30};
    must(mp_execute(ledger, &request));
    cr_assert_eq(results[0].result, MP_TRANSFER_CODE_MUST_NOT_BE_ZERO);
    reopen();
    expect_out_of_order(7, 20);
    expect_out_of_order(8, 30);
    must(from(7, 21, 2));
}

Test(sources, those_beyond_4096_are_refused_and_the_others_go_on)
{
    for (uint64_t source = 1; source <= 4096; source++) must(from(source, 1, source));
    cr_assert_eq(from(4097, 1, 5000), MP_LIMIT);
    cr_assert_not(exists(5000));
    must(from(4096, 2, 5001));
    must(from(0, 0, 5002));
    options.checkpoint_after = 1;
    reopen();
    cr_assert_eq(from(4097, 1, 5000), MP_LIMIT);
    idle();
    cr_assert(sim_exists(sim, "bank/checkpoint/00000001.ckpt"));
    reopen();
    cr_assert_lt(stats().opened_replayed_records, 4096, "the checkpoint wasn't used");
    cr_assert_eq(from(4097, 1, 5000), MP_LIMIT);
    expect_out_of_order(4096, 2);
    expect_out_of_order(1, 1);
    must(from(1, 2, 5003));
}

/* --- many balances --- */

TestSuite(read_many, .init = set_up, .fini = tear_down, .timeout = 120);

Test(read_many, gives_what_is_durable_of_all_in_the_order_asked)
{
    mp_id ids[] = {2, 1, 2, 3};
    mp_balance out[4];
    mp_transfer event = payment(50);
    mp_request request = {
        .operation = MP_CREATE_TRANSFERS, .count = 1, .events = &event, .results = results};
    mp_ledger *writer = ledger;

    must(pay(1, 7, 0));
    must(mp_read_many(ledger, ids, 3, out));
    cr_assert(out[0].credits_posted == 7 && out[1].debits_posted == 7);
    cr_assert(memcmp(&out[0], &out[2], sizeof *out) == 0);
    cr_assert_eq(mp_read_many(ledger, ids, 4, out), MP_NOT_FOUND);
    must(mp_read_many(ledger, ids, 0, out));
    cr_assert_eq(mp_read_many(ledger, ids, MP_BATCH_MAX + 1, out), MP_BATCH_TOO_LARGE);
    sim_settings(sim)->ring_delay_max = 1000;
    must(mp_submit(ledger, &request));
    must(mp_step(ledger, NULL)); /* applied, and on its way */
    must(mp_read_many(ledger, ids, 2, out));
    cr_assert_eq(mp_done(&request), out[0].credits_posted == 8,
                 "a balance was told before it was durable");
    must(mp_wait(ledger, &request));
    must(mp_read_many(ledger, ids, 2, out));
    cr_assert(out[0].credits_posted == 8 && out[1].debits_posted == 8);
    idle(); /* a seal */
    sim_pass(sim, 20 * UINT64_C(1000000));
    idle();
    options.flags |= MP_OPEN_READ;
    must(open_bank());
    must(mp_read_many(ledger, ids, 3, out));
    cr_assert(out[0].credits_posted == 8 && out[1].debits_posted == 8);
    must(mp_close(ledger));
    ledger = writer;
    options.flags &= ~(unsigned)MP_OPEN_READ;
}

/* --- imported history --- */

TestSuite(imported, .init = set_up, .fini = tear_down, .timeout = 120);

enum { PEOPLE = 3000, BATCHES = 10 };

static void import_accounts(void)
{
    static mp_account events[PEOPLE];

    for (unsigned i = 0; i < PEOPLE; i++)
        events[i] = (mp_account){.id = 100 + i,
                                 .ledger = 2,
                                 .code = 1,
                                 .flags = MP_ACCOUNT_IMPORTED,
                                 .timestamp = UINT64_C(1700000000000000000) + i};
    must(mp_create_accounts(ledger, events, PEOPLE, results));
    for (unsigned i = 0; i < PEOPLE; i++) cr_assert_eq(results[i].result, MP_CREATED, "%u", i);
}

/* Payments, reservations, what resolves them; each has its time. */
static void import_transfers(unsigned batch)
{
    static mp_transfer events[MP_BATCH_MAX];

    for (unsigned i = 0; i < MP_BATCH_MAX; i++) {
        uint64_t n = (uint64_t)batch * MP_BATCH_MAX + i;
        uint64_t person = n * 7919 % PEOPLE;

        events[i] = (mp_transfer){.id = MP_U128(4, n + 1),
                                  .debit_account_id = 100 + person,
                                  .credit_account_id = 100 + (person + 1 + n % 17) % PEOPLE,
                                  .amount = 10,
                                  .ledger = 2,
                                  .code = 1,
                                  .user_data_128 = n,
                                  .flags = MP_TRANSFER_IMPORTED,
                                  .timestamp = UINT64_C(1710000000000000000) + n};
        if (i % 10 == 0) events[i].flags |= MP_TRANSFER_PENDING;
        if (i % 10 != 5) continue;
        events[i] = (mp_transfer){.id = events[i].id,
                                  .pending_id = MP_U128(4, n - 4),
                                  .amount = 4,
                                  .flags = MP_TRANSFER_IMPORTED | MP_TRANSFER_POST_PENDING,
                                  .timestamp = events[i].timestamp};
        if (i % 20 == 5) events[i].flags |= MP_TRANSFER_KEEP_PENDING;
        if (i % 30 == 15) {
            events[i].amount = 0;
            events[i].flags = MP_TRANSFER_IMPORTED | MP_TRANSFER_VOID_PENDING;
        }
    }
    must(mp_create_transfers(ledger, events, MP_BATCH_MAX, results));
    for (unsigned i = 0; i < MP_BATCH_MAX; i++)
        cr_assert_eq(results[i].result, MP_CREATED, "%u: %s", i,
                     mp_transfer_result_name(results[i].result));
}

static mp_verify_report verified(uint64_t memory_max)
{
    mp_verify_report report;

    must(mp_verify("bank", sim_env(sim), memory_max, ".", NULL, NULL, NULL, &report));
    cr_assert_eq(report.problems, 0);
    return report;
}

/* With much memory and in parts. */
Test(imported, a_history_that_live_books_follow_is_verified)
{
    mp_verify_report rich, poor;

    must(mp_close(ledger)); /* whose accounts are live ones: import comes first */
    sim_free(sim);
    sim = story_world();
    must(open_bank());
    import_accounts();
    for (unsigned batch = 0; batch < BATCHES; batch++) import_transfers(batch);
    must(make_accounts(1, 2));
    must(pay(1, 100, 0));
    must(pay(200, 10, MP_TRANSFER_PENDING));
    idle();
    reopen();
    must(pay(300, 10, 0));
    must(mp_close(ledger));
    rich = verified(0);
    poor = verified(1);
    cr_assert_eq(rich.accounts, PEOPLE + 2);
    cr_assert_eq(rich.transfers, BATCHES * MP_BATCH_MAX + 120);
    cr_assert_eq(poor.records, rich.records);
    cr_assert_eq(poor.reservations_open, rich.reservations_open);
    must(open_bank());
    cr_assert_eq(rich.reservations_open, stats().reservations_open);
}
