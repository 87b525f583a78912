/* Accounts in lists, their limits, who may see them, and what goes on to the payment service. */
#include "account/given.h"

#include "account/service.h"
#include "bus/events.h"
#include "payment/service.h"

#include <stdio.h>
#include <string.h>

const struct service *const given_services[] = {&account_service, &payment_service, NULL};

TestSuite(account_lists, .init = given_platform, .fini = given_end);

#define OWNER "c1000000-0000-8000-8000-000000000001"

/* --- lists --- */

static unsigned rows_of(const struct platform_reply *reply)
{
    expect_status(reply, 200);
    return (unsigned)cJSON_GetArraySize(cJSON_GetObjectItem(reply->json, "data"));
}

static void given_accounts(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char key[16], body[160];

        snprintf(key, sizeof key, "k%u", i);
        snprintf(body, sizeof body, "{\"currency\":\"%s\",\"reference\":\"r%u\"%s}",
                 i % 2 == 0 ? "EUR" : "JPY", i, i % 3 == 0 ? ",\"owner\":\"" OWNER "\"" : "");
        expect_status(post(key, body, "/api/v1/accounts"), 201);
        platform_pass(platform, SECOND);
    }
}

Test(account_lists, pages_show_each_account_once_in_order)
{
    static const char *const orders[] = {"", "&sort=created_at", "&sort=-updated_at",
                                         "&sort=updated_at,-created_at"};

    given_accounts(23);
    for (unsigned order = 0; order < 4; order++) {
        char cursor[700] = "", before[64] = "";
        bool seen[23] = {false};
        unsigned count = 0;

        do {
            struct platform_reply *reply =
                get("/api/v1/accounts?limit=5%s%s", orders[order], cursor);
            unsigned rows = rows_of(reply);

            for (unsigned i = 0; i < rows; i++, count++) {
                char path[32];
                unsigned number;

                snprintf(path, sizeof path, "data.%u.reference", i);
                cr_assert_eq(sscanf(reply_text(reply, path), "r%u", &number), 1);
                cr_assert_not(seen[number]);
                seen[number] = true;
                snprintf(path, sizeof path, "data.%u.created_at", i);
                if (before[0] != '\0')
                    cr_assert(order == 0 || order == 2
                                  ? strcmp(before, reply_text(reply, path)) > 0
                                  : strcmp(before, reply_text(reply, path)) < 0);
                snprintf(before, sizeof before, "%s", reply_text(reply, path));
            }
            if (reply_text(reply, "next")[0] == '\0') break;
            snprintf(cursor, sizeof cursor, "&cursor=%s",
                     cJSON_GetStringValue(cJSON_GetObjectItem(reply->json, "next")));
        } while (true);
        cr_assert_eq(count, 23);
    }
}

Test(account_lists, filters_show_what_they_name_and_nothing_else)
{
    struct platform_reply *reply;
    const char *id, *created;

    given_accounts(12);
    cr_assert_eq(rows_of(get("/api/v1/accounts?currency=EUR")), 6);
    cr_assert_eq(rows_of(get("/api/v1/accounts?owner=" OWNER)), 4);
    cr_assert_eq(rows_of(get("/api/v1/accounts?owner=" OWNER "&currency=JPY")), 2);
    reply = get("/api/v1/accounts?reference=r7");
    cr_assert_eq(rows_of(reply), 1);
    id = keep_text(reply_text(reply, "data.0.id"));
    created = keep_text(reply_text(reply, "data.0.created_at"));
    cr_assert_eq(rows_of(get("/api/v1/accounts?created_at[gte]=%s", created)), 5);
    cr_assert_eq(rows_of(get("/api/v1/accounts?created_at[gt]=%s", created)), 4);
    cr_assert_eq(rows_of(get("/api/v1/accounts?created_at[lt]=%s&currency=JPY", created)), 3);
    expect_status(post("f", "", "/api/v1/accounts/%s/freeze", id), 200);
    reply = get("/api/v1/accounts?status=frozen");
    cr_assert_eq(rows_of(reply), 1);
    expect_text(reply, "data.0.id", id);
    cr_assert_eq(rows_of(get("/api/v1/accounts?status=active")), 11);
    cr_assert_eq(rows_of(get("/api/v1/accounts?status=closed")), 0);
    expect_problem(get("/api/v1/accounts?colour=red"), 400, "invalid-request");
    expect_problem(get("/api/v1/accounts?status=melted"), 400, "invalid-request");
    expect_problem(get("/api/v1/accounts?sort=name"), 400, "invalid-request");
}

Test(account_lists, an_account_in_a_list_shows_its_balances)
{
    const char *id = open_account("k1", "EUR");

    deposit(id, "7.50", "EUR");
    expect_text(get("/api/v1/accounts"), "data.0.balances.available", "7.50");
}

/* --- limits --- */

Test(account_lists, limits_are_kept_shown_and_told)
{
    const char *id = open_account("k1", "EUR");
    static const char body[] =
        "{\"limits\":[{\"kind\":\"payment\",\"period\":\"day\",\"count\":5,\"amount\":\"100\"},"
        "{\"kind\":\"withdrawal\",\"period\":\"payment\",\"amount\":\"20.50\"}]}";
    struct platform_reply *reply = put(body, "/api/v1/accounts/%s/limits", id);

    expect_status(reply, 200);
    expect_text(reply, "limits.0.amount", "100.00");
    for (unsigned i = 0; i < 2; i++) {
        reply = get("/api/v1/accounts/%s/limits", id);
        expect_text(reply, "limits.0.kind", "payment");
        expect_text(reply, "limits.0.period", "day");
        expect_text(reply, "limits.0.count", "5");
        expect_text(reply, "limits.0.amount", "100.00");
        expect_text(reply, "limits.1.kind", "withdrawal");
        expect_text(reply, "limits.1.count", "");
        expect_text(reply, "limits.1.amount", "20.50");
        expect_text(get("/api/v1/accounts/%s", id), "limits.1.amount", "20.50");
        platform_crash(platform);
    }
    cr_assert_str_eq(told(id), "created active; limit.changed active");
    expect_status(put("{\"limits\":[]}", "/api/v1/accounts/%s/limits", id), 200);
    expect_text(get("/api/v1/accounts/%s/limits", id), "limits.0.kind", "");
}

Test(account_lists, a_limit_holds_payments_back)
{
    const char *alice = open_account("alice", "EUR"), *bob = open_account("bob", "EUR");
    char body[256];
    struct platform_request request = {.service = "payment",
                                       .method = "POST",
                                       .target = "/api/v1/payments",
                                       .key = "p1",
                                       .body = body};

    deposit(alice, "100.00", "EUR");
    expect_status(put("{\"limits\":[{\"kind\":\"payment\",\"period\":\"day\",\"amount\":\"10\"}]}",
                      "/api/v1/accounts/%s/limits", alice),
                  200);
    platform_pass(platform, SECOND);
    snprintf(body, sizeof body,
             "{\"payer\":\"%s\",\"payee\":\"%s\",\"amount\":\"10.01\",\"currency\":\"EUR\"}", alice,
             bob);
    expect_problem(ask(&request), 422, "limit-exceeded");
    pay(alice, bob, "10.00", "EUR");
}

Test(account_lists, limits_that_make_no_sense_are_listed_and_change_nothing)
{
    const char *id = open_account("k1", "EUR");
    static const struct {
        const char *body, *field;
    } cases[] = {
        {"{}", "/limits"},
        {"{\"limits\":[{\"kind\":\"payment\",\"period\":\"day\"}]}", "/limits/0"},
        {"{\"limits\":[{\"kind\":\"gift\",\"period\":\"day\",\"count\":1}]}", "/limits/0/kind"},
        {"{\"limits\":[{\"kind\":\"payment\",\"period\":\"payment\",\"count\":1}]}",
         "/limits/0/count"},
        {"{\"limits\":[{\"kind\":\"payment\",\"period\":\"day\",\"amount\":\"1.001\"}]}",
         "/limits/0/amount"},
        {"{\"limits\":[{\"kind\":\"payment\",\"period\":\"day\",\"count\":1},"
         "{\"kind\":\"payment\",\"period\":\"day\",\"count\":2}]}",
         "/limits/1"},
    };

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct platform_reply *reply = put(cases[i].body, "/api/v1/accounts/%s/limits", id);

        expect_problem(reply, 400, "invalid-request");
        expect_text(reply, "errors.0.field", cases[i].field);
    }
    cr_assert_str_eq(told(id), "created active");
}

/* --- deposits and withdrawals --- */

Test(account_lists, a_deposit_is_a_payment_and_comes_back_as_the_payment_service_says_it)
{
    const char *id = open_account("k1", "EUR"), *payment;
    struct platform_reply *reply =
        post("d1", "{\"amount\":\"25.00\",\"currency\":\"EUR\",\"source\":\"cash\"}",
             "/api/v1/accounts/%s/deposits", id);

    expect_status(reply, 201);
    expect_text(reply, "kind", "deposit");
    expect_text(reply, "status", "completed");
    payment = keep_text(reply_text(reply, "id"));
    cr_assert_not_null(strstr(reply->location, payment));
    cr_assert_str_not_empty(reply->sequence);
    cr_assert_eq(ledger_balance(id), 2500);
    reply = post("d1", "{\"amount\":\"25.00\",\"currency\":\"EUR\",\"source\":\"cash\"}",
                 "/api/v1/accounts/%s/deposits", id);
    expect_text(reply, "id", payment);
    cr_assert_str_eq(reply->replayed, "true");
    cr_assert_eq(ledger_balance(id), 2500);
    expect_problem(post("d1", "{\"amount\":\"26.00\",\"currency\":\"EUR\"}",
                        "/api/v1/accounts/%s/deposits", id),
                   422, "key-reused");
    expect_problem(post("w1", "{\"amount\":\"25.01\",\"currency\":\"EUR\"}",
                        "/api/v1/accounts/%s/withdrawals", id),
                   422, "insufficient-funds");
    reply = post("w2", "{\"amount\":\"25.00\",\"currency\":\"EUR\"}",
                 "/api/v1/accounts/%s/withdrawals", id);
    expect_status(reply, 201);
    expect_text(reply, "kind", "withdrawal");
    cr_assert_eq(ledger_balance(id), 0);
    expect_problem(
        post(NULL, "{\"amount\":\"1\",\"currency\":\"EUR\"}", "/api/v1/accounts/%s/deposits", id),
        400, "idempotency-key-missing");
}

Test(account_lists, a_deposit_that_dies_at_any_step_is_made_once)
{
    char target[100], key[16];
    struct platform_request request = {.service = "account",
                                       .method = "POST",
                                       .target = target,
                                       .key = key,
                                       .body = "{\"amount\":\"1.00\",\"currency\":\"EUR\"}"};
    const char *id = open_account("k1", "EUR");
    unsigned status, steps;

    snprintf(target, sizeof target, "/api/v1/accounts/%s/deposits", id);
    for (steps = 0; steps < 100; steps++) {
        bool died;

        snprintf(key, sizeof key, "d%u", steps);
        died = dies_after(steps, &request, &status);
        expect_status(ask(&request), 201);
        cr_assert_eq(ledger_balance(id), 100 * (int64_t)(steps + 1));
        if (!died) break;
    }
    cr_assert_lt(steps, 100);
}

/* --- who may see what --- */

Test(account_lists, no_route_shows_or_changes_an_account_of_another_tenant_or_mode)
{
    static const struct {
        const char *method, *path, *body;
    } routes[] = {
        {"GET", "", NULL},
        {"POST", "/freeze", "{}"},
        {"POST", "/unfreeze", "{}"},
        {"POST", "/close", "{}"},
        {"GET", "/limits", NULL},
        {"PUT", "/limits", "{\"limits\":[]}"},
        {"GET", "/statement", NULL},
        {"POST", "/deposits", "{\"amount\":\"1\",\"currency\":\"EUR\"}"},
        {"POST", "/withdrawals", "{\"amount\":\"1\",\"currency\":\"EUR\"}"},
    };
    static const char *const callers[] = {"other test", "main live", "other live", "mai test"};
    const char *id = open_account("k1", "EUR");
    unsigned tried = 0;

    for (unsigned i = 0; i < sizeof routes / sizeof *routes; i++) {
        char target[120];

        snprintf(target, sizeof target, "/api/v1/accounts/%s%s", id, routes[i].path);
        for (unsigned j = 0; j < 4; j++, tried++)
            expect_problem(ask(&(struct platform_request){.method = routes[i].method,
                                                          .target = target,
                                                          .key = "x",
                                                          .caller = callers[j],
                                                          .body = routes[i].body}),
                           404, "account-not-found");
    }
    for (unsigned j = 0; j < 4; j++)
        cr_assert_eq(rows_of(ask(&(struct platform_request){.target = "/api/v1/accounts",
                                                            .caller = callers[j]})),
                     0);
    /* every route with an id was tried */
    for (unsigned i = 0; account_service.routes[i].path != NULL; i++)
        if (strstr(account_service.routes[i].path, "{id}") != NULL) tried -= 4;
    cr_assert_eq(tried, 0);
    expect_text(get("/api/v1/accounts/%s", id), "status", "active");
    cr_assert_eq(ledger_balance(id), 0);
}

Test(account_lists, a_key_without_the_scope_is_refused)
{
    struct platform_request request = {.method = "POST",
                                       .target = "/api/v1/accounts",
                                       .key = "k1",
                                       .caller = "main test accounts:read",
                                       .body = "{\"currency\":\"EUR\"}"};

    expect_problem(ask(&request), 403, "forbidden");
    request.caller = "";
    expect_problem(ask(&request), 401, "unauthorized");
    cr_assert_eq(ledger_wallets(), 0);
}

Test(account_lists, a_read_can_ask_for_what_was_written_before)
{
    struct platform_reply *reply = post("k1", "{\"currency\":\"EUR\"}", "/api/v1/accounts");
    char header[80], target[160];

    snprintf(header, sizeof header, "Micropay-At-Least: %s", reply->sequence);
    snprintf(target, sizeof target, "%s", reply->location);
    expect_status(ask(&(struct platform_request){.target = target, .header = header}), 200);
    expect_problem(ask(&(struct platform_request){.target = target,
                                                  .header = "Micropay-At-Least: x.test.999999"}),
                   409, "not-yet-visible");
}

static void on_status(void *context, const struct http_memory_reply *reply)
{
    *(unsigned *)context = reply->status;
}

static void on_drained(void *context) { *(bool *)context = true; }

Test(account_lists, a_stop_answers_who_waits_and_what_was_asked_still_happens)
{
    struct platform_request request = {.service = "account",
                                       .method = "POST",
                                       .target = "/api/v1/accounts",
                                       .key = "k1",
                                       .header = "Prefer: wait=30",
                                       .body = "{\"currency\":\"EUR\"}"};
    unsigned status = 0;
    bool drained = false;

    platform_send(platform, &request, on_status, &status);
    test_loop_run(platform_loop(platform)); /* the ledger doesn't move */
    cr_assert_eq(status, 0);
    process_drain(platform_process(platform), on_drained, &drained);
    test_loop_run(platform_loop(platform));
    cr_assert_eq(status, 202);
    platform_pass(platform, SECOND);
    cr_assert(drained);
    platform_crash(platform);
    expect_status(ask(&request), 201);
    cr_assert_eq(ledger_wallets(), 1);
}
