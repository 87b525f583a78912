/* Balances now and then, and what moved them. */
#include "account/given.h"

#include "account/service.h"
#include "balance/service.h"
#include "ledger/ids.h"
#include "payment/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct service *const given_services[] = {&account_service, &payment_service,
                                                &balance_service, NULL};

TestSuite(balances, .init = given_platform, .fini = given_end);

static struct platform_reply *balance(const char *account, const char *query)
{
    char target[1100];

    snprintf(target, sizeof target, "/api/v1/balances/%s%s", account, query);
    return ask(&(struct platform_request){.service = "balance", .target = target});
}

static void expect_sums(const struct platform_reply *reply, const char *path, const char *posted,
                        const char *available, const char *out, const char *in)
{
    static const char *const names[] = {"posted", "available", "pending_out", "pending_in"};
    const char *const values[] = {posted, available, out, in};
    char name[64];

    expect_status(reply, 200);
    for (unsigned i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s%s", path, names[i]);
        expect_text(reply, name, values[i]);
    }
}

static const char *hold(const char *payer, const char *payee, const char *amount, const char *key)
{
    char body[256];
    struct platform_reply *reply;

    snprintf(body, sizeof body,
             "{\"payer\":\"%s\",\"payee\":\"%s\",\"amount\":\"%s\",\"currency\":\"EUR\","
             "\"capture\":\"manual\"}",
             payer, payee, amount);
    reply = ask(&(struct platform_request){.service = "payment",
                                           .method = "POST",
                                           .target = "/api/v1/payments",
                                           .key = key,
                                           .body = body});
    expect_text(reply, "status", "requires_capture");
    return keep_text(reply_text(reply, "id"));
}

static struct platform_reply *on_payment(const char *payment, const char *verb, const char *key,
                                         const char *body)
{
    char target[200];

    snprintf(target, sizeof target, "/api/v1/payments/%s/%s", payment, verb);
    return ask(&(struct platform_request){
        .service = "payment", .method = "POST", .target = target, .key = key, .body = body});
}

Test(balances, sums_are_what_the_ledger_has_now)
{
    const char *alice = open_account("alice", "EUR"), *bob = open_account("bob", "EUR");
    struct platform_reply *reply;

    expect_sums(balance(alice, ""), "", "0.00", "0.00", "0.00", "0.00");
    deposit(alice, "100.00", "EUR");
    hold(alice, bob, "30.00", "h1");
    pay(alice, bob, "12.50", "EUR");
    reply = balance(alice, "");
    expect_sums(reply, "", "87.50", "57.50", "30.00", "0.00");
    expect_text(reply, "account", alice);
    expect_text(reply, "currency", "EUR");
    expect_text(reply, "durability", "local");
    expect_text(reply, "as_of", "");
    cr_assert_str_not_empty(reply_text(reply, "sequence"));
    expect_sums(balance(bob, ""), "", "12.50", "12.50", "0.00", "30.00");
}

Test(balances, an_account_opened_a_moment_ago_is_asked_for)
{
    /* the ledger has it and the account service knows; the news has not been read */
    const char *id = open_account("k1", "JPY");
    unsigned status = 0;
    bool died = false;
    struct platform_request request = {.service = "balance", .method = "GET"};
    char target[100];

    snprintf(target, sizeof target, "/api/v1/balances/%s", id);
    request.target = target;
    for (unsigned steps = 0; steps < 40; steps++) {
        died = dies_after(steps, &request, &status);
        expect_sums(balance(id, ""), "", "0", "0", "0", "0");
        if (!died) break;
    }
    cr_assert_not(died);
}

Test(balances, one_that_nobody_has_is_not_found_and_is_asked_for_each_time)
{
    for (unsigned i = 0; i < 2; i++)
        expect_problem(balance("c1000000-0000-8000-8000-000000000001", ""), 404,
                       "account-not-found");
}

Test(balances, an_instant_shows_how_it_stood_then)
{
    const char *alice = open_account("alice", "EUR"), *bob = open_account("bob", "EUR");
    char query[3][100];

    for (unsigned i = 0; i < 3; i++) {
        char row[200];

        deposit(alice, "10.00", "EUR");
        platform_pass(platform, SECOND);
        snprintf(row, sizeof row, "/api/v1/balances/%s/history?limit=1", alice);
        snprintf(query[i], sizeof query[i], "?at=%s",
                 reply_text(ask(&(struct platform_request){.service = "balance", .target = row}),
                            "data.0.time"));
        if (i == 1) hold(alice, bob, "5.00", "h");
        platform_pass(platform, SECOND);
    }
    expect_sums(balance(alice, query[0]), "", "10.00", "10.00", "0.00", "0.00");
    expect_sums(balance(alice, query[1]), "", "20.00", "20.00", "0.00", "0.00");
    expect_sums(balance(alice, query[2]), "", "30.00", "25.00", "5.00", "0.00");
    expect_text(balance(alice, query[2]), "by", "booked");
    expect_sums(balance(alice, "?at=2001-01-01T00:00:00Z"), "", "0.00", "0.00", "0.00", "0.00");
    expect_sums(balance(alice, "?at=2200-01-01T00:00:00Z"), "", "30.00", "25.00", "5.00", "0.00");
    expect_problem(balance(alice, "?at=yesterday"), 400, "invalid-request");
    expect_problem(balance(alice, "?by=effective"), 400, "invalid-request");
}

Test(balances, by_value_date_late_bookings_count_when_they_are_for)
{
    static const char *const days[] = {"2026-03-01", "2026-01-01", "2026-02-01", "2026-01-15"};
    static const char *const amounts[] = {"1.00", "2.00", "4.00", "8.00"};
    static const struct {
        const char *at, *posted;
    } cases[] = {{"2025-12-31T00:00:00Z", "0.00"},  {"2026-01-01T00:00:00Z", "2.00"},
                 {"2026-01-20T00:00:00Z", "10.00"}, {"2026-02-01T00:00:00Z", "14.00"},
                 {"2026-02-28T23:59:59Z", "14.00"}, {"2026-03-02T00:00:00Z", "15.00"}};
    const char *id = open_account("k1", "EUR");

    for (unsigned i = 0; i < 4; i++) {
        char key[8], body[200];

        snprintf(key, sizeof key, "d%u", i);
        snprintf(body, sizeof body,
                 "{\"amount\":\"%s\",\"currency\":\"EUR\",\"effective_at\":\"%sT00:00:00Z\"}",
                 amounts[i], days[i]);
        expect_status(post(key, body, "/api/v1/accounts/%s/deposits", id), 201);
    }
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        char query[100];
        struct platform_reply *reply;

        snprintf(query, sizeof query, "?at=%s&by=effective", cases[i].at);
        reply = balance(id, query);
        expect_status(reply, 200);
        expect_text(reply, "posted", cases[i].posted);
        expect_text(reply, "by", "effective");
        expect_text(reply, "available", "");
    }
}

Test(balances, history_has_each_movement_with_the_sums_after_it)
{
    const char *alice = open_account("alice", "EUR"), *bob = open_account("bob", "EUR");
    const char *payment;
    struct platform_reply *reply;

    deposit(alice, "100.00", "EUR");
    payment = hold(alice, bob, "40.00", "h");
    expect_status(on_payment(payment, "captures", "c1", "{\"amount\":\"10.00\"}"), 201);
    on_payment(payment, "cancel", NULL, "{}"); /* what is captured stays, the rest is released */
    expect_status(post("f", "", "/api/v1/accounts/%s/freeze", alice), 200);
    reply = balance(alice, "/history?sort=time");
    expect_status(reply, 200);
    cr_assert_eq(cJSON_GetArraySize(cJSON_GetObjectItem(reply->json, "data")), 5, "%s",
                 reply->body);
    expect_text(reply, "data.0.what", "reserved"); /* the deposit's own hold */
    expect_text(reply, "data.0.side", "credit");
    expect_sums(reply, "data.0.", "0.00", "0.00", "0.00", "100.00");
    expect_text(reply, "data.1.what", "captured");
    expect_sums(reply, "data.1.", "100.00", "100.00", "0.00", "0.00");
    expect_text(reply, "data.2.what", "reserved");
    expect_text(reply, "data.2.side", "debit");
    expect_text(reply, "data.2.amount", "40.00");
    expect_text(reply, "data.2.payment", payment);
    expect_sums(reply, "data.2.", "100.00", "60.00", "40.00", "0.00");
    expect_text(reply, "data.3.what", "captured_part");
    expect_sums(reply, "data.3.", "90.00", "60.00", "30.00", "0.00");
    expect_text(reply, "data.4.what", "released");
    expect_text(reply, "data.4.amount", "30.00");
    expect_sums(reply, "data.4.", "90.00", "90.00", "0.00", "0.00");
}

Test(balances, history_pages_join_to_the_whole_in_both_directions)
{
    const char *id = open_account("k1", "EUR");
    char all[2][20][64];

    for (unsigned i = 0; i < 10; i++) deposit(id, "1.00", "EUR");
    for (unsigned way = 0; way < 2; way++) {
        char cursor[700] = "";
        unsigned count = 0;

        do {
            char query[900];
            struct platform_reply *reply;

            snprintf(query, sizeof query, "/history?limit=3&sort=%s%s", way ? "-time" : "time",
                     cursor);
            reply = balance(id, query);
            expect_status(reply, 200);
            for (unsigned i = 0; i < 3; i++) {
                char path[32];

                snprintf(path, sizeof path, "data.%u.transfer", i);
                if (reply_text(reply, path)[0] == '\0') break;
                cr_assert_lt(count, 20);
                snprintf(all[way][count++], 64, "%s", reply_text(reply, path));
            }
            if (reply_text(reply, "next")[0] == '\0') break;
            snprintf(cursor, sizeof cursor, "&cursor=%s",
                     cJSON_GetStringValue(cJSON_GetObjectItem(reply->json, "next")));
        } while (true);
        cr_assert_eq(count, 20);
    }
    for (unsigned i = 0; i < 20; i++) cr_assert_str_eq(all[0][i], all[1][19 - i]);
    expect_problem(balance(id, "/history?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z"), 400,
                   "invalid-request");
}

Test(balances, no_route_shows_an_account_of_another_tenant_or_mode)
{
    static const char *const callers[] = {"other test", "main live"};
    const char *id = open_account("k1", "EUR"), *other = open_account("k2", "EUR");
    unsigned tried = 0;
    char body[200];
    const char *reservation;
    struct platform_reply *reply;

    deposit(id, "10.00", "EUR");
    snprintf(body, sizeof body, "{\"payee\":\"%s\",\"amount\":\"1.00\",\"currency\":\"EUR\"}",
             other);
    {
        char target[200];

        snprintf(target, sizeof target, "/api/v1/balances/%s/reservations", id);
        reply = ask(&(struct platform_request){
            .service = "balance", .method = "POST", .target = target, .key = "r", .body = body});
    }
    expect_status(reply, 201);
    reservation = keep_text(reply_text(reply, "id"));
    for (const struct http_route *route = balance_service.routes; route->path != NULL; route++) {
        if (strstr(route->path, "{account}") == NULL) continue; /* an operator's */
        for (unsigned j = 0; j < 2; j++, tried++) {
            char target[300];
            const char *tail = strstr(route->path, "{account}") + strlen("{account}");
            const char *id_at = strstr(tail, "{id}");

            snprintf(target, sizeof target, "/api/v1/balances/%s%.*s%s", id,
                     (int)(id_at != NULL ? id_at - tail : (long)strlen(tail)), tail,
                     id_at != NULL ? reservation : "");
            reply =
                ask(&(struct platform_request){.service = "balance",
                                               .method = route->method == HTTP_GET      ? "GET"
                                                         : route->method == HTTP_DELETE ? "DELETE"
                                                                                        : "POST",
                                               .target = target,
                                               .key = route->key == HTTP_KEY_REQUIRED ? "x" : NULL,
                                               .caller = callers[j],
                                               .body = route->method == HTTP_POST ? body : NULL});
            expect_status(reply, 404);
        }
    }
    cr_assert_eq(tried, 12);
    expect_sums(balance(id, ""), "", "10.00", "9.00", "1.00", "0.00");
}

Test(balances, a_read_can_ask_for_what_was_written_before)
{
    const char *id = open_account("k1", "EUR");
    struct platform_reply *reply;
    char header[100], target[100];

    snprintf(target, sizeof target, "/api/v1/balances/%s", id);
    for (unsigned i = 1; i < 4; i++) {
        char key[8], posted[16];

        snprintf(key, sizeof key, "d%u", i);
        reply = post(key, "{\"amount\":\"1.00\",\"currency\":\"EUR\"}",
                     "/api/v1/accounts/%s/deposits", id);
        snprintf(header, sizeof header, "Micropay-At-Least: %s", reply->sequence);
        snprintf(posted, sizeof posted, "%u.00", i);
        expect_text(ask(&(struct platform_request){
                        .service = "balance", .target = target, .header = header}),
                    "posted", posted);
    }
    expect_problem(ask(&(struct platform_request){.service = "balance",
                                                  .target = target,
                                                  .header = "Micropay-At-Least: x.test.999999"}),
                   409, "not-yet-visible");
}
