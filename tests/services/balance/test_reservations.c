/* Money set aside that belongs to no payment. */
#include "account/given.h"

#include "account/service.h"
#include "balance/service.h"
#include "payment/service.h"

#include <stdio.h>
#include <string.h>

const struct service *const given_services[] = {&account_service, &payment_service,
                                                &balance_service, NULL};

static const char *alice, *shop;

static void set_up(void)
{
    given_platform();
    alice = open_account("alice", "EUR");
    shop = open_account("shop", "EUR");
    deposit(alice, "100.00", "EUR");
}

TestSuite(reservations, .init = set_up, .fini = given_end);

static const char *body_of(const char *amount, const char *more)
{
    static char body[300];

    snprintf(body, sizeof body, "{\"payee\":\"%s\",\"amount\":\"%s\",\"currency\":\"EUR\"%s}", shop,
             amount, more);
    return body;
}

static const char *target_of(const char *id)
{
    static char target[4][200];
    static unsigned turn;
    char *text = target[turn++ % 4];

    snprintf(text, sizeof target[0], "/api/v1/balances/%s/reservations%s%s", alice,
             id[0] != '\0' && id[0] != '?' ? "/" : "", id);
    return text;
}

static struct platform_reply *reserve(const char *key, const char *body)
{
    return ask(&(struct platform_request){
        .service = "balance", .method = "POST", .target = target_of(""), .key = key, .body = body});
}

static struct platform_reply *look(const char *id)
{
    return ask(&(struct platform_request){.service = "balance", .target = target_of(id)});
}

static struct platform_reply *release(const char *id)
{
    return ask(&(struct platform_request){
        .service = "balance", .method = "DELETE", .target = target_of(id)});
}

static void expect_available(const char *available, const char *held)
{
    struct platform_reply *reply = get("/api/v1/accounts/%s", alice);

    expect_text(reply, "balances.available", available);
    expect_text(reply, "balances.pending_out", held);
}

static unsigned open_ones(void)
{
    struct platform_reply *reply = look("");

    expect_status(reply, 200);
    return (unsigned)cJSON_GetArraySize(cJSON_GetObjectItem(reply->json, "data"));
}

Test(reservations, what_is_set_aside_cannot_be_spent_until_it_is_released)
{
    struct platform_reply *reply = reserve("r1", body_of("60.00", ",\"reference\":\"deposit 7\""));
    const char *id = keep_text(reply_text(reply, "id"));

    expect_status(reply, 201);
    expect_text(reply, "status", "held");
    expect_text(reply, "amount", "60.00");
    expect_text(reply, "account", alice);
    expect_text(reply, "payee", shop);
    expect_text(reply, "reference", "deposit 7");
    cr_assert_str_not_empty(reply_text(reply, "expires_at"));
    cr_assert_str_not_empty(reply->sequence);
    cr_assert_str_eq(strrchr(reply->location, '/') + 1, id);
    expect_available("40.00", "60.00");
    expect_text(look(id), "status", "held");
    cr_assert_eq(open_ones(), 1);
    expect_problem(post("w", "{\"amount\":\"40.01\",\"currency\":\"EUR\"}",
                        "/api/v1/accounts/%s/withdrawals", alice),
                   422, "insufficient-funds");
    reply = release(id);
    expect_status(reply, 200);
    expect_text(reply, "status", "released");
    expect_available("100.00", "0.00");
    cr_assert_eq(open_ones(), 0);
    expect_text(look("?status=released"), "data.0.id", id);
    /* once more does nothing */
    expect_text(release(id), "status", "released");
    expect_available("100.00", "0.00");
}

Test(reservations, the_same_key_sets_aside_once)
{
    struct platform_reply *reply = reserve("r1", body_of("60.00", ""));
    const char *id = keep_text(reply_text(reply, "id"));
    static const struct {
        const char *amount, *more, *what;
    } others[] = {{"60.01", "", "/amount"},
                  {"60.00", ",\"hold_for\":\"P1D\"", "/hold_for"},
                  {"60.00", ",\"reference\":\"x\"", "/reference"}};

    for (unsigned i = 0; i < 2; i++) {
        reply = reserve("r1", body_of("60", ",\"hold_for\":\"P7D\""));
        expect_status(reply, 201);
        expect_text(reply, "id", id);
        cr_assert_str_eq(reply->replayed, "true");
        expect_available("40.00", "60.00");
        platform_crash(platform);
    }
    for (unsigned i = 0; i < 3; i++) {
        reply = reserve("r1", body_of(others[i].amount, others[i].more));
        expect_problem(reply, 422, "key-reused");
        expect_text(reply, "differs", others[i].what);
    }
}

Test(reservations, more_than_there_is_is_refused_with_what_is_missing)
{
    struct platform_reply *reply = reserve("r1", body_of("100.01", ""));

    expect_problem(reply, 422, "insufficient-funds");
    expect_text(reply, "available", "100.00");
    expect_text(reply, "needed", "100.01");
    expect_text(reply, "missing", "0.01");
    expect_text(reply, "reservation.status", "rejected");
    expect_text(reply, "reservation.reason", "insufficient-funds");
    deposit(alice, "50.00", "EUR");
    /* it was refused for good */
    reply = reserve("r1", body_of("100.01", ""));
    expect_problem(reply, 422, "insufficient-funds");
    expect_available("150.00", "0.00");
    expect_status(reserve("r2", body_of("100.01", "")), 201);
}

Test(reservations, one_ends_by_itself_when_its_time_is_over)
{
    const char *id;
    struct platform_reply *reply = reserve("r1", body_of("60.00", ",\"hold_for\":\"PT30S\""));

    id = keep_text(reply_text(reply, "id"));
    expect_text(reply, "status", "held");
    platform_pass(platform, 29 * SECOND);
    expect_text(look(id), "status", "held");
    platform_pass(platform, 3 * SECOND);
    expect_text(look(id), "status", "expired");
    expect_available("100.00", "0.00");
    expect_text(release(id), "status", "expired");
    platform_crash(platform);
    expect_text(look(id), "status", "expired");
    cr_assert_eq(open_ones(), 0);
}

Test(reservations, an_expiry_while_the_process_is_down_is_learned_at_the_next_start)
{
    const char *ids[3];

    for (unsigned i = 0; i < 3; i++) {
        char key[8];

        snprintf(key, sizeof key, "r%u", i);
        ids[i] =
            keep_text(reply_text(reserve(key, body_of("1.00", ",\"hold_for\":\"PT30S\"")), "id"));
    }
    platform_crash(platform);
    platform_pass(platform, 40 * SECOND);
    for (unsigned i = 0; i < 3; i++) expect_text(look(ids[i]), "status", "expired");
    expect_available("100.00", "0.00");
}

static void on_status(void *context, const struct http_memory_reply *reply)
{
    *(unsigned *)context = reply->status;
}

Test(reservations, one_can_be_released_before_the_ledger_has_answered)
{
    struct platform_request request = {.service = "balance",
                                       .method = "POST",
                                       .target = target_of(""),
                                       .key = "r1",
                                       .header = "Prefer: wait=0",
                                       .body = body_of("60.00", "")};
    unsigned reserved = 0, released = 0;
    const char *id;
    struct platform_reply *reply;

    platform_send(platform, &request, on_status, &reserved);
    test_loop_run(platform_loop(platform)); /* the ledger doesn't move */
    cr_assert_eq(reserved, 202);
    {
        /* its id is in the list of those that are open */
        unsigned listed = 0;

        platform_send(platform,
                      &(struct platform_request){
                          .service = "balance", .method = "GET", .target = target_of("")},
                      on_status, &listed);
        test_loop_run(platform_loop(platform));
        cr_assert_eq(listed, 200);
    }
    reply = look("");
    id = keep_text(reply_text(reply, "data.0.id"));
    request = (struct platform_request){
        .service = "balance", .method = "DELETE", .target = target_of(id)};
    platform_send(platform, &request, on_status, &released);
    platform_pass(platform, SECOND);
    cr_assert_eq(released, 200);
    expect_text(look(id), "status", "released");
    expect_available("100.00", "0.00");
}

Test(reservations, what_makes_no_sense_is_refused_before_anything_is_held)
{
    char body[200];

    expect_problem(reserve("a", body_of("0", "")), 400, "invalid-request");
    expect_problem(reserve("b", body_of("1.001", "")), 400, "invalid-request");
    expect_problem(reserve("c", body_of("1.00", ",\"hold_for\":\"P32D\"")), 400, "invalid-request");
    expect_problem(reserve("d", body_of("1.00", ",\"hold_for\":\"PT0S\"")), 400, "invalid-request");
    expect_problem(reserve(NULL, body_of("1.00", "")), 400, "idempotency-key-missing");
    snprintf(body, sizeof body, "{\"payee\":\"%s\",\"amount\":\"1\",\"currency\":\"EUR\"}", alice);
    expect_problem(reserve("e", body), 422, "same-account");
    snprintf(body, sizeof body, "{\"payee\":\"%s\",\"amount\":\"1\",\"currency\":\"EUR\"}",
             open_account("yen", "JPY"));
    expect_problem(reserve("f", body), 422, "currency-mismatch");
    expect_problem(reserve("g",
                           "{\"payee\":\"c1000000-0000-8000-8000-000000000001\",\"amount\":\"1\","
                           "\"currency\":\"EUR\"}"),
                   404, "account-not-found");
    expect_available("100.00", "0.00");
    cr_assert_eq(open_ones(), 0);
    expect_problem(look("c1000000-0000-8000-8000-000000000001"), 404, "not-found");
}

Test(reservations, a_frozen_or_closed_account_sets_nothing_aside)
{
    const char *other = open_account("other", "EUR");
    char body[200];

    expect_status(post("f", "{\"side\":\"debits\"}", "/api/v1/accounts/%s/freeze", alice), 200);
    expect_problem(reserve("a", body_of("1.00", "")), 409, "account-frozen");
    expect_status(post("u", "", "/api/v1/accounts/%s/unfreeze", alice), 200);
    expect_status(reserve("b", body_of("1.00", "")), 201);
    expect_status(post("c", "", "/api/v1/accounts/%s/close", other), 200);
    snprintf(body, sizeof body, "{\"payee\":\"%s\",\"amount\":\"1\",\"currency\":\"EUR\"}", other);
    expect_problem(reserve("d", body), 409, "account-closed");
}

Test(reservations, lists_have_pages)
{
    char cursor[700] = "?limit=4";
    unsigned count = 0;

    for (unsigned i = 0; i < 10; i++) {
        char key[8];

        snprintf(key, sizeof key, "r%u", i);
        expect_status(reserve(key, body_of("1.00", "")), 201);
    }
    do {
        struct platform_reply *reply = look(cursor);

        expect_status(reply, 200);
        count += (unsigned)cJSON_GetArraySize(cJSON_GetObjectItem(reply->json, "data"));
        if (reply_text(reply, "next")[0] == '\0') break;
        snprintf(cursor, sizeof cursor, "?limit=4&cursor=%s",
                 cJSON_GetStringValue(cJSON_GetObjectItem(reply->json, "next")));
    } while (true);
    cr_assert_eq(count, 10);
}

Test(reservations, a_crash_after_any_step_of_reserving_holds_once)
{
    char key[16];
    struct platform_request request = {.service = "balance",
                                       .method = "POST",
                                       .target = target_of(""),
                                       .key = key,
                                       .body = body_of("1.00", "")};
    unsigned status, steps;

    for (steps = 0; steps < 90; steps++) {
        char available[32], held[32];
        bool died;

        snprintf(key, sizeof key, "r%u", steps);
        died = dies_after(steps, &request, &status);
        expect_status(ask(&request), 201);
        snprintf(available, sizeof available, "%u.00", 99 - steps);
        snprintf(held, sizeof held, "%u.00", steps + 1);
        expect_available(available, held);
        cr_assert_eq(open_ones(), steps + 1 > 20 ? 20 : steps + 1);
        if (!died) break;
    }
    cr_assert_lt(steps, 90);
    cr_assert_gt(steps, 4);
}

Test(reservations, a_crash_after_any_step_of_releasing_releases_once)
{
    unsigned status, steps;

    for (steps = 0; steps < 90; steps++) {
        struct platform_request request = {.service = "balance", .method = "DELETE"};
        char key[16];
        const char *id;
        bool died;

        snprintf(key, sizeof key, "r%u", steps);
        id = keep_text(reply_text(reserve(key, body_of("1.00", "")), "id"));
        expect_available("99.00", "1.00");
        request.target = target_of(id);
        died = dies_after(steps, &request, &status);
        expect_text(release(id), "status", "released");
        expect_available("100.00", "0.00");
        if (!died) break;
    }
    cr_assert_lt(steps, 90);
    cr_assert_gt(steps, 4);
}
