/* Accounts by HTTP: opened, frozen, closed, limited, listed. */
#include "account/given.h"

#include "account/service.h"
#include "ledger/ids.h"
#include "payment/service.h"

#include <stdio.h>
#include <string.h>

const struct service *const given_services[] = {&account_service, &payment_service, NULL};

TestSuite(accounts, .init = given_platform, .fini = given_end);

/* --- opening --- */

Test(accounts, an_account_is_open_once_the_ledger_has_it)
{
    struct platform_reply *reply =
        post("k1",
             "{\"currency\":\"EUR\",\"owner\":\"c1000000-0000-8000-8000-000000000001\","
             "\"reference\":\"alice\",\"name\":\"Alice's wallet\"}",
             "/api/v1/accounts");
    const char *id = keep_text(reply_text(reply, "id"));

    expect_status(reply, 201);
    expect_text(reply, "status", "active");
    expect_text(reply, "frozen", "");
    expect_text(reply, "currency", "EUR");
    expect_text(reply, "reference", "alice");
    expect_text(reply, "name", "Alice's wallet");
    expect_text(reply, "owner", "c1000000-0000-8000-8000-000000000001");
    expect_text(reply, "balances.posted", "0.00");
    expect_text(reply, "balances.available", "0.00");
    expect_text(reply, "durability", "local");
    cr_assert_str_not_empty(reply->sequence);
    cr_assert_str_eq(strrchr(reply->location, '/') + 1, id);
    cr_assert_eq(ledger_flags(id), MP_ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS);
    cr_assert_str_eq(told(id), "created active");
    reply = get("/api/v1/accounts/%s", id);
    expect_status(reply, 200);
    expect_text(reply, "reference", "alice");
    expect_text(reply, "ledger", keep_text(reply_text(reply, "ledger")));
    cr_assert_str_not_empty(reply_text(reply, "sequence"));
}

Test(accounts, what_people_call_an_account_is_in_no_event)
{
    never_told = "Zebra";
    expect_status(post("k1", "{\"currency\":\"EUR\",\"name\":\"Zebra\"}", "/api/v1/accounts"), 201);
    cr_assert_str_eq(told(NULL), "created active");
}

Test(accounts, the_same_key_opens_one_account_however_often)
{
    struct platform_reply *reply = post("k1", "{\"currency\":\"EUR\"}", "/api/v1/accounts");
    const char *id = keep_text(reply_text(reply, "id"));

    cr_assert_str_eq(reply->replayed, "");
    for (unsigned i = 0; i < 2; i++) {
        reply = post("k1", "{ \"currency\" : \"EUR\" }", "/api/v1/accounts");
        expect_status(reply, 201);
        expect_text(reply, "id", id);
        cr_assert_str_eq(reply->replayed, "true");
        platform_crash(platform);
    }
    cr_assert_eq(ledger_wallets(), 1);
    cr_assert_str_neq(open_account("k2", "EUR"), id);
    cr_assert_eq(ledger_wallets(), 2);
}

Test(accounts, the_same_key_for_something_else_is_refused_and_says_what_differs)
{
    static const struct {
        const char *body, *what;
    } others[] = {
        {"{\"currency\":\"USD\",\"reference\":\"r\",\"name\":\"n\"}", "/currency"},
        {"{\"currency\":\"EUR\",\"reference\":\"s\",\"name\":\"n\"}", "/reference"},
        {"{\"currency\":\"EUR\",\"reference\":\"r\"}", "/name"},
        {"{\"currency\":\"EUR\",\"reference\":\"r\",\"name\":\"n\","
         "\"owner\":\"c1000000-0000-8000-8000-000000000001\"}",
         "/owner"},
    };

    expect_status(
        post("k1", "{\"currency\":\"EUR\",\"reference\":\"r\",\"name\":\"n\"}", "/api/v1/accounts"),
        201);
    for (unsigned i = 0; i < sizeof others / sizeof *others; i++) {
        struct platform_reply *reply = post("k1", others[i].body, "/api/v1/accounts");

        expect_problem(reply, 422, "key-reused");
        expect_text(reply, "differs", others[i].what);
    }
    cr_assert_eq(ledger_wallets(), 1);
}

Test(accounts, a_reference_is_used_once_a_tenant_and_mode)
{
    static const char body[] = "{\"currency\":\"EUR\",\"reference\":\"r\"}";
    static const char *const others[] = {"main live", "other test"};

    expect_status(post("k1", body, "/api/v1/accounts"), 201);
    expect_problem(post("k2", body, "/api/v1/accounts"), 422, "reference-used");
    for (unsigned i = 0; i < 2; i++)
        expect_status(ask(&(struct platform_request){.method = "POST",
                                                     .target = "/api/v1/accounts",
                                                     .key = "k2",
                                                     .caller = others[i],
                                                     .body = body}),
                      201);
}

static unsigned answers[2];

static void on_answer(void *context, const struct http_memory_reply *reply)
{
    *(unsigned *)context = reply->status;
}

Test(accounts, of_two_at_the_same_instant_one_gets_the_reference)
{
    for (unsigned i = 0; i < 2; i++)
        platform_send(
            platform,
            &(struct platform_request){.service = "account",
                                       .method = "POST",
                                       .target = "/api/v1/accounts",
                                       .key = i == 0 ? "k1" : "k2",
                                       .body = "{\"currency\":\"EUR\",\"reference\":\"r\"}"},
            on_answer, &answers[i]);
    platform_pass(platform, SECOND);
    cr_assert_eq(answers[0], 201);
    cr_assert_eq(answers[1], 422);
    cr_assert_eq(ledger_wallets(), 1);
}

Test(accounts, who_does_not_wait_is_told_where_to_look)
{
    struct platform_reply *reply =
        ask(&(struct platform_request){.method = "POST",
                                       .target = "/api/v1/accounts",
                                       .key = "k1",
                                       .header = "Prefer: wait=0",
                                       .body = "{\"currency\":\"EUR\"}"});

    expect_status(reply, 202);
    expect_text(reply, "status", "opening");
    expect_text(reply, "ledger", "");
    reply = get("%s", keep_text(reply->location));
    expect_status(reply, 200);
    platform_pass(platform, SECOND);
    expect_text(get("/api/v1/accounts/%s", keep_text(reply_text(reply, "id"))), "status", "active");
}

Test(accounts, currencies_tenants_and_modes_have_books_of_their_own)
{
    static const struct {
        const char *caller, *currency;
    } cases[] = {
        {"main test", "EUR"}, {"main test", "JPY"}, {"main live", "EUR"}, {"other test", "EUR"}};
    char ledgers[4][16];

    for (unsigned i = 0; i < 4; i++) {
        char body[32];
        struct platform_reply *reply;

        snprintf(body, sizeof body, "{\"currency\":\"%s\"}", cases[i].currency);
        for (unsigned j = 0; j < 2; j++) {
            reply = ask(&(struct platform_request){.method = "POST",
                                                   .target = "/api/v1/accounts",
                                                   .key = j == 0 ? "k1" : "k2",
                                                   .caller = cases[i].caller,
                                                   .body = body});
            if (cases[i].currency[0] == 'J') expect_problem(reply, 422, "key-reused");
            if (cases[i].currency[0] == 'J')
                reply = ask(&(struct platform_request){.method = "POST",
                                                       .target = "/api/v1/accounts",
                                                       .key = j == 0 ? "k3" : "k4",
                                                       .caller = cases[i].caller,
                                                       .body = body});
            expect_status(reply, 201);
            if (j == 1) expect_text(reply, "ledger", ledgers[i]);
            snprintf(ledgers[i], sizeof ledgers[i], "%s", reply_text(reply, "ledger"));
        }
        for (unsigned j = 0; j < i; j++) cr_assert_str_neq(ledgers[i], ledgers[j]);
    }
}

Test(accounts, a_ledger_number_that_is_taken_is_passed_over)
{
    static const struct books books = {"main", false};
    struct platform_reply *reply;
    char expected[16];
    mp_result result;

    for (unsigned tries = 0; tries < 2; tries++) {
        uint32_t number = ledger_number(&books, "EUR", tries);
        mp_account root = {.id = ledger_root(number),
                           .user_data_128 = 99,
                           .ledger = number,
                           .code = ACCOUNT_CODE_ROOT,
                           .flags = MP_ACCOUNT_LINKED};
        mp_account second = {.id = 1000 + tries, .ledger = number, .code = 1};
        mp_account chain[2] = {root, second};
        mp_result results[2];

        cr_assert_eq(
            mp_create_accounts(process_ledger(platform_process(platform)), chain, 2, results),
            MP_OK);
        result = results[0];
        cr_assert_eq(result.result, MP_CREATED);
    }
    reply = post("k1", "{\"currency\":\"EUR\"}", "/api/v1/accounts");
    expect_status(reply, 201);
    snprintf(expected, sizeof expected, "%u", ledger_number(&books, "EUR", 2));
    expect_text(reply, "ledger", expected);
    platform_crash(platform);
    expect_text(post("k2", "{\"currency\":\"EUR\"}", "/api/v1/accounts"), "ledger", expected);
}

/* The id that "main test" gets for a key. */
static struct uuid id_of_key(const char *key)
{
    static const uint8_t owner[16] = {'m'};
    uint8_t hash[32];

    hash_fields(
        (struct hash_field[]){
            {"main", 4}, {"test", 4}, {owner, 16}, {"POST", 4}, {"/api/v1/accounts", 16}, {key, 2}},
        6, hash);
    return uuid_8(hash);
}

Test(accounts, one_that_the_ledger_has_as_something_else_is_refused_and_leaves_nothing)
{
    mp_account other = {.id = id_of_uuid(id_of_key("k1")), .ledger = 7, .code = 7};
    mp_result result;
    char id[UUID_TEXT + 1];

    cr_assert_eq(mp_create_accounts(process_ledger(platform_process(platform)), &other, 1, &result),
                 MP_OK);
    cr_assert_eq(result.result, MP_CREATED);
    uuid_print(id_of_key("k1"), id);
    for (unsigned i = 0; i < 2; i++) {
        expect_problem(post("k1", "{\"currency\":\"EUR\"}", "/api/v1/accounts"), 422, "key-reused");
        expect_problem(get("/api/v1/accounts/%s", id), 404, "account-not-found");
        expect_text(get("/api/v1/accounts"), "data.0.id", "");
        platform_crash(platform);
    }
    uuid_print(id_of_key("k2"), id);
    cr_assert_str_eq(open_account("k2", "EUR"), id);
    cr_assert_str_eq(told(NULL), "created active");
}

Test(accounts, a_crash_after_any_step_of_opening_neither_loses_nor_doubles_an_account)
{
    struct platform_request request = {.service = "account",
                                       .method = "POST",
                                       .target = "/api/v1/accounts",
                                       .body = "{\"currency\":\"EUR\"}"};
    unsigned status, accounts = 0, steps;
    char currency[64], key[16];

    /* each round has a currency of its own, so that its books are made too */
    for (steps = 0; currencies[steps].name != NULL; steps++) {
        struct platform_reply *reply;
        const char *id;
        bool died;

        snprintf(currency, sizeof currency, "{\"currency\":\"%s\"}", currencies[steps].code);
        snprintf(key, sizeof key, "k%u", steps);
        request.key = key;
        request.body = currency;
        died = dies_after(steps, &request, &status);
        reply = ask(&request);
        expect_status(reply, 201);
        expect_text(reply, "status", "active");
        id = keep_text(reply_text(reply, "id"));
        cr_assert_eq(ledger_wallets(), ++accounts);
        cr_assert_str_eq(told(id), "created active");
        if (!died) break;
    }
    cr_assert_not_null(currencies[steps].name, "there are more steps than currencies");
    cr_assert_gt(steps, 6);
}

/* --- freezing --- */

static void expect_account(const char *id, const char *status, const char *frozen, int flags)
{
    struct platform_reply *reply = get("/api/v1/accounts/%s", id);

    expect_status(reply, 200);
    expect_text(reply, "status", status);
    expect_text(reply, "frozen", frozen);
    cr_assert_eq(ledger_flags(id) & ~MP_ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS, flags);
}

static struct platform_reply *try_payment(const char *key, const char *payer, const char *payee)
{
    char body[256];

    snprintf(body, sizeof body,
             "{\"payer\":\"%s\",\"payee\":\"%s\",\"amount\":\"1.00\",\"currency\":\"EUR\"}", payer,
             payee);
    return ask(&(struct platform_request){.service = "payment",
                                          .method = "POST",
                                          .target = "/api/v1/payments",
                                          .key = key,
                                          .body = body});
}

Test(accounts, a_frozen_side_takes_no_payments_and_the_other_does)
{
    static const struct {
        const char *body, *frozen;
        int flags;
        bool out, in;
    } cases[] = {
        {"{\"side\":\"debits\",\"reason\":\"court order 7\"}", "debits", MP_ACCOUNT_FROZEN_DEBITS,
         false, true},
        {"{\"side\":\"credits\"}", "credits", MP_ACCOUNT_FROZEN_CREDITS, true, false},
        {"{\"side\":\"all\"}", "all", MP_ACCOUNT_FROZEN_DEBITS | MP_ACCOUNT_FROZEN_CREDITS, false,
         false},
        {"", "all", MP_ACCOUNT_FROZEN_DEBITS | MP_ACCOUNT_FROZEN_CREDITS, false, false},
    };
    const char *alice = open_account("alice", "EUR"), *bob = open_account("bob", "EUR");

    deposit(alice, "100.00", "EUR");
    deposit(bob, "100.00", "EUR");
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        char key[4][16];

        for (unsigned j = 0; j < 4; j++) snprintf(key[j], sizeof key[j], "%u-%u", i, j);
        expect_status(post(key[0], cases[i].body, "/api/v1/accounts/%s/freeze", alice), 200);
        expect_account(alice, "frozen", cases[i].frozen, cases[i].flags);
        platform_pass(platform, SECOND); /* payment hears of it */
        if (cases[i].out)
            expect_status(try_payment(key[1], alice, bob), 201);
        else
            expect_problem(try_payment(key[1], alice, bob), 409, "account-frozen");
        if (cases[i].in)
            expect_status(try_payment(key[2], bob, alice), 201);
        else
            expect_problem(try_payment(key[2], bob, alice), 409, "account-frozen");
        expect_status(post(key[3], "", "/api/v1/accounts/%s/unfreeze", alice), 200);
        expect_account(alice, "active", "", 0);
        platform_pass(platform, SECOND);
    }
    expect_status(try_payment("after", alice, bob), 201);
    cr_assert_str_eq(told(alice), "created active; "
                                  "frozen frozen debits; unfrozen active; "
                                  "frozen frozen credits; unfrozen active; "
                                  "frozen frozen all; unfrozen active; "
                                  "frozen frozen all; unfrozen active");
}

Test(accounts, sides_are_frozen_and_unfrozen_one_by_one)
{
    const char *id = open_account("k1", "EUR");
    struct platform_reply *reply;

    expect_status(
        post("f1", "{\"side\":\"debits\",\"reason\":\"x\"}", "/api/v1/accounts/%s/freeze", id),
        200);
    reply = post("f2", "{\"side\":\"credits\",\"reason\":\"y\"}", "/api/v1/accounts/%s/freeze", id);
    expect_text(reply, "frozen", "all");
    expect_text(reply, "frozen_reason", "y");
    reply = post("u1", "{\"side\":\"debits\"}", "/api/v1/accounts/%s/unfreeze", id);
    expect_text(reply, "status", "frozen");
    expect_text(reply, "frozen", "credits");
    reply = post("u2", "{\"side\":\"credits\"}", "/api/v1/accounts/%s/unfreeze", id);
    expect_text(reply, "status", "active");
    expect_text(reply, "frozen_reason", "");
    /* what is frozen already stays so */
    expect_status(post("u3", "", "/api/v1/accounts/%s/unfreeze", id), 200);
    expect_account(id, "active", "", 0);
}

Test(accounts, a_freeze_that_is_sent_again_freezes_once)
{
    const char *id = open_account("k1", "EUR");
    struct platform_reply *reply;

    for (unsigned i = 0; i < 2; i++) {
        reply = post("f1", "{\"side\":\"debits\"}", "/api/v1/accounts/%s/freeze", id);
        expect_status(reply, 200);
        cr_assert_str_eq(reply->replayed, i > 0 ? "true" : "");
    }
    expect_status(post("u1", "", "/api/v1/accounts/%s/unfreeze", id), 200);
    reply = post("f1", "{\"side\":\"debits\"}", "/api/v1/accounts/%s/freeze", id);
    expect_status(reply, 200);
    expect_text(reply, "status", "active"); /* as it is now: the key was used before */
    reply = post("f1", "{\"side\":\"all\"}", "/api/v1/accounts/%s/freeze", id);
    expect_problem(reply, 422, "key-reused");
    expect_text(reply, "differs", "/side");
    reply = post("f1", "{\"side\":\"debits\",\"reason\":\"z\"}", "/api/v1/accounts/%s/freeze", id);
    expect_text(reply, "differs", "/reason");
    cr_assert_str_eq(told(id), "created active; frozen frozen debits; unfrozen active");
}

Test(accounts, a_crash_after_any_step_of_freezing_freezes_once)
{
    char target[100], key[16];
    struct platform_request request = {.service = "account",
                                       .method = "POST",
                                       .target = target,
                                       .key = key,
                                       .body = "{\"side\":\"debits\"}"};
    unsigned status, steps;

    for (steps = 0; steps < 100; steps++) {
        const char *id;
        bool died;

        snprintf(key, sizeof key, "k%u", steps);
        id = open_account(key, "EUR");
        snprintf(target, sizeof target, "/api/v1/accounts/%s/freeze", id);
        died = dies_after(steps, &request, &status);
        expect_status(ask(&request), 200);
        expect_account(id, "frozen", "debits", MP_ACCOUNT_FROZEN_DEBITS);
        cr_assert_str_eq(told(id), "created active; frozen frozen debits");
        if (!died) break;
    }
    cr_assert_lt(steps, 100);
    cr_assert_gt(steps, 4);
}

/* --- closing --- */

Test(accounts, an_account_closes_for_ever_when_it_is_empty)
{
    const char *alice = open_account("alice", "EUR"), *bob = open_account("bob", "EUR");
    struct platform_reply *reply;

    deposit(alice, "5.00", "EUR");
    reply = post("c1", "", "/api/v1/accounts/%s/close", alice);
    expect_problem(reply, 409, "account-not-empty");
    expect_text(reply, "account.status", "active");
    expect_text(reply, "account.balances.posted", "5.00");
    pay(alice, bob, "5.00", "EUR");
    /* a refusal is for that key; another asks anew */
    reply = post("c1", "", "/api/v1/accounts/%s/close", alice);
    expect_problem(reply, 409, "account-not-empty");
    cr_assert_str_eq(reply->replayed, "true");
    reply = post("c2", "{\"reason\":\"moved away\"}", "/api/v1/accounts/%s/close", alice);
    expect_status(reply, 200);
    expect_account(alice, "closed", "", MP_ACCOUNT_CLOSED);
    cr_assert_str_eq(told(alice), "created active; closed closed");
    expect_status(post("c2", "{\"reason\":\"moved away\"}", "/api/v1/accounts/%s/close", alice),
                  200);
    expect_problem(post("c3", "", "/api/v1/accounts/%s/close", alice), 409, "account-closed");
    expect_problem(post("c4", "", "/api/v1/accounts/%s/freeze", alice), 409, "account-closed");
    expect_problem(put("{\"limits\":[]}", "/api/v1/accounts/%s/limits", alice), 409,
                   "account-closed");
    platform_pass(platform, SECOND);
    expect_problem(try_payment("p1", bob, alice), 409, "account-closed");
}

Test(accounts, an_account_does_not_close_while_something_is_reserved)
{
    const char *alice = open_account("alice", "EUR"), *bob = open_account("bob", "EUR");
    char body[256];
    struct platform_reply *reply;

    deposit(alice, "5.00", "EUR");
    snprintf(body, sizeof body,
             "{\"payer\":\"%s\",\"payee\":\"%s\",\"amount\":\"1.00\",\"currency\":\"EUR\","
             "\"capture\":\"manual\"}",
             alice, bob);
    reply = ask(&(struct platform_request){.service = "payment",
                                           .method = "POST",
                                           .target = "/api/v1/payments",
                                           .key = "hold",
                                           .body = body});
    expect_text(reply, "status", "requires_capture");
    expect_problem(post("c1", "", "/api/v1/accounts/%s/close", bob), 409, "account-not-empty");
    expect_text(get("/api/v1/accounts/%s", alice), "balances.pending_out", "1.00");
    expect_text(get("/api/v1/accounts/%s", alice), "balances.available", "4.00");
    expect_text(get("/api/v1/accounts/%s", bob), "balances.pending_in", "1.00");
    expect_text(get("/api/v1/accounts/%s", bob), "balances.available", "0.00");
}

Test(accounts, a_crash_after_any_step_of_closing_closes_once)
{
    char target[100], key[16];
    struct platform_request request = {
        .service = "account", .method = "POST", .target = target, .key = key};
    unsigned status, steps;

    for (steps = 0; steps < 100; steps++) {
        const char *id;
        bool died;

        snprintf(key, sizeof key, "k%u", steps);
        id = open_account(key, "EUR");
        snprintf(target, sizeof target, "/api/v1/accounts/%s/close", id);
        died = dies_after(steps, &request, &status);
        expect_status(ask(&request), 200);
        expect_account(id, "closed", "", MP_ACCOUNT_CLOSED);
        cr_assert_str_eq(told(id), "created active; closed closed");
        if (!died) break;
    }
    cr_assert_lt(steps, 100);
    cr_assert_gt(steps, 4);
}
