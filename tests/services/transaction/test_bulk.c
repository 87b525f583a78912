/* Transfers in bulk by HTTP: what the ledger itself would say, for the caller's own money alone. */
#include "transaction/books.h"

#include "account/service.h"
#include "payment/service.h"
#include "sim_env.h"
#include "transaction/service.h"
#include "wire/batch.h"

#include <stdlib.h>
#include <string.h>

const struct service *const given_services[] = {&account_service, &payment_service,
                                                &transaction_service, NULL};

/* Accounts of main in EUR: 1 to 8, of which 5 and 6 mustn't be overdrawn; 11 and 12 are in USD; 21
 * and 22 of another tenant. */
static void begin(void)
{
    given_platform();
    make_books(&main_test, "EUR");
    make_books(&main_test, "USD");
    make_books(&main_live, "EUR");
    make_books(&other_test, "EUR");
    make_accounts(1, 4, number_of(&main_test, "EUR"), 0);
    make_accounts(5, 2, number_of(&main_test, "EUR"), MP_ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS);
    make_accounts(7, 2, number_of(&main_test, "EUR"), 0);
    make_accounts(11, 2, number_of(&main_test, "USD"), 0);
    make_accounts(21, 2, number_of(&other_test, "EUR"), 0);
}

TestSuite(bulk, .init = begin, .fini = given_end);

/* --- as the ledger itself --- */

static struct sim *twin_sim;
static mp_ledger *twin;

static void open_twin(void)
{
    mp_options options = {.flags = MP_OPEN_MANUAL, .memory_max = 64 << 20};

    twin_sim = sim_make(7);
    options.env = sim_env(twin_sim);
    cr_assert_eq(mp_init("twin", &options), MP_OK);
    cr_assert_eq(mp_open("twin", &options, &twin), MP_OK);
    for (mp_id id = 1; id <= 12; id++) {
        mp_account account = {
            .id = id,
            .ledger = number_of(&main_test, id < 11 ? "EUR" : "USD"),
            .code = ACCOUNT_CODE_WALLET,
            .flags = id == 5 || id == 6 ? MP_ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS : 0,
        };
        mp_result result;

        if (id == 9 || id == 10) continue;
        cr_assert_eq(mp_create_accounts(twin, &account, 1, &result), MP_OK);
    }
}

static void close_twin(void)
{
    mp_close(twin);
    sim_free(twin_sim);
}

static uint64_t drawn;

static unsigned draw(unsigned limit)
{
    drawn = drawn * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(drawn >> 33) % limit;
}

/* Anything that bulk takes, sensible or not. */
static mp_transfer any_transfer(void)
{
    static const uint16_t flags[] = {
        0,
        0,
        0,
        MP_TRANSFER_PENDING,
        MP_TRANSFER_PENDING,
        MP_TRANSFER_POST_PENDING,
        MP_TRANSFER_POST_PENDING | MP_TRANSFER_KEEP_PENDING,
        MP_TRANSFER_VOID_PENDING,
        MP_TRANSFER_INCREASE_PENDING,
        MP_TRANSFER_REVERSAL,
        MP_TRANSFER_BALANCING_DEBIT,
        MP_TRANSFER_POST_PENDING | MP_TRANSFER_VOID_PENDING,
        MP_TRANSFER_IMPORTED,
        1 << 15,
    };
    mp_transfer transfer = euros(1 + draw(300), 1 + draw(9), 1 + draw(9), draw(50));

    transfer.flags = flags[draw(sizeof flags / sizeof *flags)];
    if (draw(6) == 0) transfer.flags |= MP_TRANSFER_LINKED;
    if ((transfer.flags & (MP_TRANSFER_POST_PENDING | MP_TRANSFER_VOID_PENDING |
                           MP_TRANSFER_INCREASE_PENDING | MP_TRANSFER_REVERSAL)) != 0) {
        transfer.pending_id = 1 + draw(300);
        if (draw(3) > 0) transfer.debit_account_id = transfer.credit_account_id = 0;
        if (draw(3) == 0) transfer.amount = MP_AMOUNT_MAX;
    }
    if (draw(8) == 0) transfer.user_data_128 = draw(3);
    if (draw(10) == 0) transfer.timeout = 1000;
    if (draw(20) == 0) transfer.id = draw(2) == 0 ? 0 : MP_U128_MAX;
    if (draw(20) == 0) transfer.timestamp = 1;
    if (draw(15) == 0) transfer.ledger = number_of(&main_test, "USD");
    if (draw(15) == 0) transfer.code = 401;
    return transfer;
}

static void compare(unsigned batches, unsigned most,
                    void (*send)(const char *, const mp_transfer *, uint32_t, mp_result *))
{
    static mp_transfer transfers[MP_BATCH_MAX];
    static mp_result results[MP_BATCH_MAX], expected[MP_BATCH_MAX];
    unsigned created = 0, refused = 0;

    for (unsigned batch = 0; batch < batches; batch++) {
        uint32_t count = draw(most + 1);

        for (uint32_t i = 0; i < count; i++) transfers[i] = any_transfer();
        cr_assert_eq(mp_create_transfers(twin, transfers, count, expected), MP_OK);
        send(NULL, transfers, count, results);
        for (uint32_t i = 0; i < count; i++) {
            cr_assert_eq(results[i].result, expected[i].result, "batch %u, transfer %u: %s not %s",
                         batch, i, mp_transfer_result_name(results[i].result),
                         mp_transfer_result_name(expected[i].result));
            cr_assert_eq(results[i].bound_code, expected[i].bound_code);
            cr_assert_eq(results[i].sequence != 0, expected[i].sequence != 0);
            cr_assert_neq(results[i].timestamp, 0);
            created += results[i].result == MP_CREATED;
            refused += results[i].result != MP_CREATED;
        }
    }
    cr_assert(created > 20 && refused > 20, "%u created, %u refused", created, refused);
    for (mp_id id = 1; id <= 8; id++) {
        mp_balance balance = balance_of(id), ought;

        cr_assert_eq(mp_read_balance(twin, id, &ought), MP_OK);
        cr_assert(memcmp(&balance, &ought, sizeof balance) == 0);
    }
}

Test(bulk, json_has_the_results_that_the_ledger_itself_gives)
{
    drawn = 1;
    open_twin();
    compare(40, 60, bulk_json);
    close_twin();
}

Test(bulk, a_binary_batch_has_the_results_that_the_ledger_itself_gives)
{
    drawn = 2;
    open_twin();
    compare(40, 60, bulk_binary);
    close_twin();
}

Test(bulk, a_batch_of_8190_transfers_goes_through_in_either_form)
{
    static mp_transfer transfers[MP_BATCH_MAX];
    static mp_result results[MP_BATCH_MAX];

    for (unsigned form = 0; form < 2; form++) {
        for (unsigned i = 0; i < MP_BATCH_MAX; i++)
            transfers[i] = euros(10000 * (form + 1) + i, 1, 2, 1);
        (form == 0 ? bulk_json : bulk_binary)(NULL, transfers, MP_BATCH_MAX, results);
        for (unsigned i = 0; i < MP_BATCH_MAX; i++) cr_assert_eq(results[i].result, MP_CREATED);
        cr_assert_eq(balance_of(2).credits_posted, (form + 1) * MP_BATCH_MAX);
    }
}

Test(bulk, an_answer_names_its_place_and_how_it_is_kept)
{
    mp_transfer transfer = euros(1, 1, 2, 1);
    char *body = json_of(&transfer, 1);
    struct platform_reply *reply = bulk_body(NULL, "application/json", body, strlen(body));

    expect_status(reply, 200);
    cr_assert_neq(reply->sequence[0], '\0');
    expect_text(reply, "counts.created", "1");
    expect_text(reply, "durability", "local");
    free(body);
}

Test(bulk, an_empty_batch_is_answered)
{
    mp_result none;

    bulk_json(NULL, NULL, 0, &none);
    bulk_binary(NULL, NULL, 0, &none);
}

/* --- what can't be understood --- */

Test(bulk, a_body_cut_at_any_byte_books_nothing)
{
    mp_transfer transfers[2] = {euros(1, 1, 2, 1), euros(2, 2, 1, 1)};
    char *json = json_of(transfers, 2), *binary;
    size_t length;
    uint64_t before = ledger_sequence();

    binary = binary_of(transfers, 2, &length);
    for (size_t i = 0; i < strlen(json); i++)
        expect_problem(bulk_body(NULL, "application/json", json, i), 400, "invalid-request");
    for (size_t i = 0; i < length; i++)
        expect_problem(bulk_body(NULL, BATCH_MEDIA_TYPE, binary, i), 400, "invalid-request");
    cr_assert_eq(ledger_sequence(), before);
    free(json);
    free(binary);
}

Test(bulk, one_faulty_transfer_refuses_the_whole_request_and_is_named)
{
    static const char body[] = "[{\"id\":\"1\"},{\"id\":\"-1\"}]";
    uint64_t before = ledger_sequence();
    struct platform_reply *reply = bulk_body(NULL, "application/json", body, strlen(body));

    expect_problem(reply, 400, "invalid-request");
    expect_text(reply, "errors.0.field", "/1/id");
    cr_assert_eq(ledger_sequence(), before);
}

Test(bulk, another_media_type_is_refused)
{
    expect_problem(bulk_body(NULL, "text/plain", "[]", 2), 415, "unsupported-media-type");
}

/* --- whose money --- */

static void expect_refused(const mp_transfer *transfers, uint32_t count, const char *caller,
                           const char *field)
{
    uint64_t before = ledger_sequence();
    size_t length;
    char *json = json_of(transfers, count), *binary = binary_of(transfers, count, &length);
    struct platform_reply *reply = bulk_body(caller, "application/json", json, strlen(json));

    expect_problem(reply, 400, "invalid-request");
    expect_text(reply, "errors.0.field", field);
    reply = bulk_body(caller, BATCH_MEDIA_TYPE, binary, length);
    expect_problem(reply, 400, "invalid-request");
    expect_text(reply, "errors.0.field", field);
    cr_assert_eq(ledger_sequence(), before, "something was booked");
    free(json);
    free(binary);
}

Test(bulk, a_ledger_of_another_tenant_or_mode_or_of_nobody_is_refused)
{
    mp_transfer transfers[2] = {euros(1, 1, 2, 1), euros(2, 21, 22, 1)};

    transfers[1].ledger = number_of(&other_test, "EUR");
    expect_refused(transfers, 2, NULL, "/1/ledger");
    transfers[1].ledger = number_of(&main_live, "EUR");
    expect_refused(transfers, 2, NULL, "/1/ledger");
    transfers[1].ledger = 12345;
    expect_refused(transfers, 2, NULL, "/1/ledger");
    transfers[1].ledger = 0;
    expect_refused(transfers, 2, NULL, "/1/ledger");
    expect_refused(transfers, 1, "main live", "/0/ledger");
    expect_refused(transfers, 1, "other test", "/0/ledger");
}

Test(bulk, what_others_have_cannot_be_posted_voided_or_reversed)
{
    static const struct {
        uint16_t flags;
        uint32_t result;
    } cases[] = {
        {MP_TRANSFER_POST_PENDING, MP_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_LEDGER},
        {MP_TRANSFER_VOID_PENDING, MP_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_LEDGER},
        {MP_TRANSFER_INCREASE_PENDING, MP_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_LEDGER},
        {MP_TRANSFER_REVERSAL, MP_TRANSFER_REVERSED_TRANSFER_HAS_DIFFERENT_LEDGER},
    };
    mp_transfer theirs[2] = {euros(1, 21, 22, 10), euros(2, 21, 22, 10)};
    mp_result results[2];

    theirs[0].ledger = theirs[1].ledger = number_of(&other_test, "EUR");
    theirs[0].flags = MP_TRANSFER_PENDING;
    bulk_json("other test", theirs, 2, results);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        mp_transfer mine = euros(10 + i, 0, 0, 1);

        mine.flags = cases[i].flags;
        mine.pending_id = cases[i].flags == MP_TRANSFER_REVERSAL ? 2 : 1;
        if (cases[i].flags == MP_TRANSFER_VOID_PENDING) mine.amount = 0;
        bulk_json(NULL, &mine, 1, results);
        cr_assert_eq(results[0].result, cases[i].result, "%u: %s", i,
                     mp_transfer_result_name(results[0].result));
        mine.ledger = number_of(&other_test, "EUR");
        expect_refused(&mine, 1, NULL, "/0/ledger");
    }
    cr_assert_eq(balance_of(21).debits_pending, 10);
    cr_assert_eq(balance_of(21).debits_posted, 10);
}

Test(bulk, accounts_of_another_ledger_are_refused_by_the_ledger)
{
    mp_transfer transfers[2] = {euros(1, 1, 21, 1), euros(2, 11, 12, 1)};
    mp_result results[2];

    bulk_json(NULL, transfers, 2, results);
    cr_assert_eq(results[0].result, MP_TRANSFER_ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER);
    cr_assert_eq(results[1].result, MP_TRANSFER_TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS);
}

Test(bulk, nobody_ends_the_hold_of_a_payment_behind_its_back)
{
    const char *alice = keep_text(open_account("a", "EUR")),
               *bob = keep_text(open_account("b", "EUR"));
    static mp_transfer holds[16];
    mp_query_filter filter = {.code = TRANSFER_CODE_PAYMENT, .limit = 16};
    struct platform_reply *reply;
    char body[256];
    uint32_t count = 0;

    deposit(alice, "10.00", "EUR");
    snprintf(body, sizeof body,
             "{\"payer\":\"%s\",\"payee\":\"%s\",\"amount\":\"4.00\",\"currency\":\"EUR\","
             "\"capture\":\"manual\"}",
             alice, bob);
    reply = ask(&(struct platform_request){.service = "payment",
                                           .method = "POST",
                                           .target = "/api/v1/payments",
                                           .key = "k",
                                           .body = body});
    expect_text(reply, "status", "requires_capture");
    cr_assert_eq(
        mp_query_transfers(process_ledger(platform_process(platform)), &filter, holds, &count),
        MP_OK);
    cr_assert_eq(count, 1);
    for (unsigned i = 0; i < 3; i++) {
        static const uint16_t flags[] = {MP_TRANSFER_POST_PENDING, MP_TRANSFER_VOID_PENDING,
                                         MP_TRANSFER_INCREASE_PENDING};
        mp_transfer end = euros(100 + i, 0, 0, 400);
        mp_result result;

        end.flags = flags[i];
        end.pending_id = holds[0].id;
        end.code = TRANSFER_CODE_PAYMENT; /* as the hold has it */
        expect_refused(&end, 1, NULL, "/0/code");
        end.code = 0; /* taken from the hold */
        expect_refused(&end, 1, NULL, "/0/code");
        end.code = TRANSFER_CODE_BULK; /* the ledger sees that it is another */
        bulk_json(NULL, &end, 1, &result);
        cr_assert_eq(result.result, MP_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_CODE);
    }
}

Test(bulk, ids_cannot_be_bound_in_bulk)
{
    mp_transfer bind = {
        .id = 1, .ledger = number_of(&main_test, "EUR"), .flags = MP_TRANSFER_BIND_ID};

    expect_refused(&bind, 1, NULL, "/0/flags");
}

Test(bulk, a_key_without_the_scope_books_nothing)
{
    mp_transfer transfer = euros(1, 1, 2, 1);
    char *body = json_of(&transfer, 1);

    expect_problem(bulk_body("main test payments:write", "application/json", body, strlen(body)),
                   403, "forbidden");
    cr_assert_eq(balance_of(1).debits_posted, 0);
    free(body);
}

/* --- what is asked again --- */

Test(bulk, what_is_sent_again_after_a_crash_is_booked_once)
{
    enum { COUNT = 50 };
    mp_transfer transfers[COUNT];
    mp_result results[COUNT];
    char *body;
    unsigned status;

    for (unsigned i = 0; i < COUNT; i++) transfers[i] = euros(100 + i, 1, 2, 1);
    body = json_of(transfers, COUNT);
    for (unsigned steps = 0; steps < 12; steps++)
        dies_after(steps,
                   &(struct platform_request){.service = "transaction",
                                              .method = "POST",
                                              .target = "/api/v1/transactions",
                                              .body = body},
                   &status);
    bulk_json(NULL, transfers, COUNT, results);
    for (unsigned i = 0; i < COUNT; i++)
        cr_assert(results[i].result == MP_CREATED || results[i].result == MP_TRANSFER_EXISTS);
    cr_assert_eq(balance_of(2).credits_posted, COUNT);
    free(body);
}

Test(bulk, a_minimal_answer_counts_and_lists_what_was_refused)
{
    mp_transfer transfers[3] = {euros(1, 1, 2, 1), euros(2, 5, 2, 1), euros(3, 2, 1, 1)};
    char *body = json_of(transfers, 3);
    struct platform_reply *reply =
        ask(&(struct platform_request){.service = "transaction",
                                       .method = "POST",
                                       .target = "/api/v1/transactions",
                                       .header = "Prefer: return=minimal",
                                       .body = body});

    expect_status(reply, 200);
    expect_text(reply, "counts.created", "2");
    expect_text(reply, "counts.refused", "1");
    expect_text(reply, "results.0.index", "1");
    expect_text(reply, "results.0.result", "exceeds_credits");
    expect_text(reply, "results.1.index", "");
    free(body);
}

static void count_answer(void *context, const struct http_memory_reply *reply)
{
    unsigned *statuses = context;

    statuses[reply->status == 200 ? 0 : reply->status == 503 ? 1 : 2]++;
}

Test(bulk, more_than_there_is_room_for_is_asked_to_come_again)
{
    struct platform_request request = {
        .service = "transaction", .method = "POST", .target = "/api/v1/transactions", .body = "[]"};
    unsigned statuses[3] = {0};

    for (unsigned i = 0; i < 20; i++) platform_send(platform, &request, count_answer, statuses);
    platform_run(platform);
    cr_assert_eq(statuses[0], 16); /* bulk_open_max */
    cr_assert_eq(statuses[1], 4);
    expect_status(ask(&request), 200);
}
