/* What was posted is announced: once, in order, whatever dies meanwhile. */
#include "transaction/announced.h"
#include "transaction/books.h"

#include "account/service.h"
#include "payment/service.h"
#include "transaction/service.h"
#include "wire/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct service *const given_services[] = {&account_service, &payment_service,
                                                &transaction_service, NULL};

TestSuite(follow, .init = given_platform, .fini = given_end);

static struct platform_reply *pay_by(const char *key, const char *body)
{
    return ask(&(struct platform_request){.service = "payment",
                                          .method = "POST",
                                          .target = "/api/v1/payments",
                                          .key = key,
                                          .body = body});
}

/* Alice has 100.00, bob nothing. */
static const char *alice, *bob;

static void open_wallets(void)
{
    alice = keep_text(open_account("a", "EUR"));
    bob = keep_text(open_account("b", "EUR"));
    deposit(alice, "100.00", "EUR");
}

static const char *body_of(const char *amount, const char *more)
{
    static char body[512];

    snprintf(body, sizeof body,
             "{\"payer\":\"%s\",\"payee\":\"%s\",\"amount\":\"%s\",\"currency\":\"EUR\"%s}", alice,
             bob, amount, more);
    return body;
}

Test(follow, a_payment_is_created_and_settled_when_its_capture_is_posted)
{
    const struct announced *all;
    const struct transaction_created_event *data;
    struct platform_reply *reply;
    unsigned count;
    char id[UUID_TEXT + 1];

    open_wallets();
    reply = pay_by("k", body_of("12.50", ""));
    expect_text(reply, "status", "completed");
    snprintf(id, sizeof id, "%s", reply_text(reply, "id"));
    cr_assert_str_eq(announced_text(platform), "created 1 10000; settled 1 10000; "
                                               "created 1 1250; settled 1 1250");
    announced_check(platform);
    all = announced(platform, &count);
    data = all[2].event->data;
    char subject[UUID_TEXT + 1], debit[UUID_TEXT + 1];

    uuid_print(all[2].event->envelope.subject, subject);
    cr_assert_str_eq(subject, id, "the key is not the payment");
    cr_assert(uuid_equal(data->payment, all[2].event->envelope.subject));
    uuid_print(data->debit.uuid, debit);
    cr_assert_str_eq(debit, alice);
    cr_assert_str_eq(data->currency.code, "EUR");
    cr_assert_str_eq(all[2].event->envelope.tenant, "main");
    cr_assert_not(all[2].event->envelope.live);
    cr_assert_neq(all[2].event->envelope.ledger_sequence, 0);
}

Test(follow, what_is_only_reserved_or_released_is_not_announced)
{
    struct platform_reply *reply;
    char target[128];

    open_wallets();
    reply = pay_by("k", body_of("12.50", ",\"capture\":\"manual\""));
    snprintf(target, sizeof target, "/api/v1/payments/%s/cancel", reply_text(reply, "id"));
    cr_assert_str_eq(announced_text(platform), "created 1 10000; settled 1 10000");
    reply = ask(&(struct platform_request){
        .service = "payment", .method = "POST", .target = target, .key = "c", .body = "{}"});
    expect_text(reply, "status", "cancelled");
    cr_assert_str_eq(announced_text(platform), "created 1 10000; settled 1 10000");
    announced_check(platform);
}

Test(follow, a_fee_goes_with_its_payment_and_a_refund_is_a_reversal)
{
    struct platform_reply *reply;
    char target[128];

    open_wallets();
    reply = pay_by("k", body_of("10.00", ",\"fee\":{\"fixed\":\"0.30\"}"));
    snprintf(target, sizeof target, "/api/v1/payments/%s/refunds", reply_text(reply, "id"));
    reply = ask(&(struct platform_request){.service = "payment",
                                           .method = "POST",
                                           .target = target,
                                           .key = "r",
                                           .body = "{\"amount\":\"4.00\"}"});
    expect_status(reply, 201);
    cr_assert_str_eq(announced_text(platform), "created 1 10000; settled 1 10000; "
                                               "created 2 1030; settled 2 1030; reversed 1 400");
    announced_check(platform);
}

Test(follow, a_batch_is_one_event_for_each_ledger)
{
    enum { COUNT = 300 };
    mp_transfer transfers[COUNT];
    mp_result results[COUNT];
    const struct announced *all;
    const struct transaction_created_event *data;
    unsigned count;

    make_books(&main_test, "EUR");
    make_books(&main_test, "USD");
    make_accounts(1, 2, number_of(&main_test, "EUR"), 0);
    make_accounts(11, 2, number_of(&main_test, "USD"), 0);
    for (unsigned i = 0; i < COUNT; i++) {
        transfers[i] = euros(100 + i, i % 3 == 0 ? 11 : 1, i % 3 == 0 ? 12 : 2, 2);
        if (i % 3 == 0) transfers[i].ledger = number_of(&main_test, "USD");
    }
    bulk_binary(NULL, transfers, COUNT, results);
    cr_assert_str_eq(announced_text(platform), "created 100 200; settled 100 200; "
                                               "created 200 400; settled 200 400");
    announced_check(platform);
    all = announced(platform, &count);
    data = all[2].event->data;
    cr_assert(id_of_uuid(data->transaction) == 101);
    cr_assert_eq(data->present & RECORD_BIT(transaction_created_event, debit), 0);
}

/* --- death --- */

struct script {
    const char *service, *target, *key, *body; /* %a and %b: the wallets */
};

static const char *filled(const char *text)
{
    static char out[2][1024];
    static unsigned turn;
    struct buffer buffer = {0};
    char *to = out[turn++ % 2];

    for (; *text != '\0'; text++) {
        if (*text == '$') {
            text++;
            buffer_text(&buffer, *text == 'a' ? alice : bob);
        } else {
            buffer_char(&buffer, *text);
        }
    }
    snprintf(to, sizeof out[0], "%s", buffer_str(&buffer));
    buffer_done(&buffer);
    return to;
}

Test(follow, nothing_is_missed_or_told_in_two_ways_when_the_process_dies_after_any_step)
{
    static const struct script script[] = {
        {"payment", "/api/v1/payments", "p1",
         "{\"payer\":\"$a\",\"payee\":\"$b\",\"amount\":\"1.00\",\"currency\":\"EUR\","
         "\"fee\":{\"fixed\":\"0.10\"}}"},
        {"payment", "/api/v1/payments", "p2",
         "{\"payer\":\"$a\",\"payee\":\"$b\",\"amount\":\"2.00\",\"currency\":\"EUR\"}"},
    };
    unsigned deaths = 0, repeats = 0, count;
    const struct announced *all;

    open_wallets();
    deposit(alice, "1000.00", "EUR");
    make_accounts(1, 2, number_of(&main_test, "EUR"), 0);
    for (unsigned round = 0; round < 40; round++) {
        mp_transfer transfers[3];
        mp_result results[3];
        unsigned status;

        for (unsigned i = 0; i < sizeof script / sizeof *script; i++) {
            char key[32];
            struct platform_request request = {
                .service = script[i].service,
                .method = "POST",
                .target = script[i].target,
                .key = key,
                .body = filled(script[i].body),
            };

            snprintf(key, sizeof key, "%s-%u", script[i].key, round);
            deaths += dies_after((round * 2 + i) % 24, &request, &status);
            expect_status(ask(&request), 201);
        }
        for (unsigned i = 0; i < 3; i++) transfers[i] = euros(1000 + 10 * round + i, 1, 2, 7);
        bulk_json(NULL, transfers, 3, results);
        if (round % 2 == 0) platform_crash(platform);
        if (round % 5 == 0) platform_pass(platform, 2 * SECOND); /* the position is stored */
    }
    announced_check(platform);
    all = announced(platform, &count);
    for (unsigned i = 0; i < count; i++) repeats += all[i].times > 1;
    cr_assert_gt(deaths, 40, "%u deaths", deaths);
    cr_assert_gt(repeats, 10, "no event was ever told again");
}

Test(follow, a_restart_tells_nothing_again_once_the_position_is_stored)
{
    const struct announced *all;
    unsigned count;

    open_wallets();
    expect_status(pay_by("k", body_of("1.00", "")), 201);
    platform_pass(platform, 2 * SECOND);
    platform_crash(platform);
    expect_status(pay_by("k2", body_of("2.00", "")), 201);
    all = announced(platform, &count);
    cr_assert_eq(count, 6);
    for (unsigned i = 0; i < count; i++)
        cr_assert_eq(all[i].times, 1 + (i >= 4 && all[i].times > 1), "%u came again", i);
    announced_check(platform);
}

static void drained(void *context) { *(bool *)context = true; }

Test(follow, a_stop_stores_how_far_the_announcements_are)
{
    const struct announced *all;
    unsigned count;
    bool done = false;

    open_wallets();
    expect_status(pay_by("k", body_of("1.00", "")), 201);
    process_drain(platform_process(platform), drained, &done);
    for (unsigned i = 0; i < 100 && !done; i++) platform_pass(platform, SECOND / 10);
    cr_assert(done);
    platform_crash(platform);
    platform_pass(platform, SECOND);
    all = announced(platform, &count);
    cr_assert_eq(count, 4);
    for (unsigned i = 0; i < count; i++) cr_assert_eq(all[i].times, 1);
}
