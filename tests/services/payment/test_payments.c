/* Payments by HTTP, alone: accounts are made in the ledger and told of by their events. */
#include "support/platform.h"

#include "bus/events.h"
#include "ledger/ids.h"
#include "service.h"
#include "wire/buffer.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct service *const services[] = {&payment_service, NULL};
static const char *const sets[] = {"payment.fraud_policy=allow", "payment.fraud_timeout_ms=50",
                                   NULL};
static const struct books books = {"main", false};
static struct platform *platform;

#define ALICE "a1000000-0000-8000-8000-000000000001"
#define BOB   "a1000000-0000-8000-8000-000000000002"
#define SHOP  "a1000000-0000-8000-8000-000000000003"

static void execute(mp_request *request)
{
    mp_ledger *ledger = process_ledger(platform_process(platform));

    cr_assert_eq(mp_execute(ledger, request), MP_OK);
}

static void published(struct bus_record *record, enum outcome outcome, const struct error *err)
{
    cr_assert_eq(outcome, OUTCOME_DONE, "%s", err != NULL ? err->message : "");
    event_release(record->event);
    free((void *)record->value);
    free(record);
}

/* Publishes an event as the account service does. */
static void publish(const struct event_type *type, struct uuid account, const void *data)
{
    static uint64_t sequence;
    struct envelope envelope = {.major = 1, .time_ns = 1, .tenant = "main"};
    struct bus_record *record = need_memory(sizeof *record);
    struct bus *bus = process_bus(platform_process(platform));
    struct buffer text = {0};

    envelope.id = envelope.subject = account;
    envelope.entity_version = ++sequence;
    strcpy(envelope.type, type->name);
    strcpy(envelope.source, "/account/0/test");
    envelope_print_head(envelope.source, sequence, 0, &text);
    envelope_print_body(&envelope, type, data, &text);
    *record = (struct bus_record){
        .topic = topic_find("micropay.account"),
        .key = account,
        .value = text.bytes,
        .length = text.length,
        .done = published,
    };
    record->partition = topic_partition(record->topic, record->key);
    bus->ops->publish(bus, record);
}

static void tell_of(const char *id)
{
    struct account_created_event data = {.ledger = ledger_number(&books, "EUR", 0),
                                         .status = ACCOUNT_STATUS_ACTIVE,
                                         .currency = {"EUR"}};

    cr_assert(uuid_read(id, &data.account.uuid));
    publish(EVENT_TYPE(account_created), data.account.uuid, &data);
    platform_run(platform);
}

/* Limits what an account may pay a day. */
static void limit(const char *id, int64_t count, int64_t cents)
{
    struct account_limit_changed_event data = {.ledger = ledger_number(&books, "EUR", 0),
                                               .status = ACCOUNT_STATUS_ACTIVE,
                                               .currency = {"EUR"}};

    cr_assert(uuid_read(id, &data.account.uuid));
    data.limits.count = 1;
    data.limits.rows[0] = (struct account_limit){
        .present = RECORD_BIT(account_limit, count) | RECORD_BIT(account_limit, amount),
        .kind = LIMIT_KIND_PAYMENT,
        .period = LIMIT_PERIOD_DAY,
        .count = (uint64_t)count,
        .amount = {cents, 2},
    };
    publish(EVENT_TYPE(account_limit_changed), data.account.uuid, &data);
    platform_run(platform);
}

/* Freezes in the ledger, then tells of it. */
static void freeze(const char *id, unsigned side)
{
    static uint64_t updates = 900000;
    struct account_frozen_event data = {.ledger = ledger_number(&books, "EUR", 0),
                                        .status = ACCOUNT_STATUS_FROZEN,
                                        .frozen = side,
                                        .present = RECORD_BIT(account_frozen_event, frozen),
                                        .currency = {"EUR"}};
    mp_account_update update = {.id = ++updates, .code = TRANSFER_CODE_FREEZE};
    mp_result result;

    cr_assert(uuid_read(id, &data.account.uuid));
    update.account_id = id_of_uuid(data.account.uuid);
    if (side != ACCOUNT_SIDE_CREDITS) update.flags_set |= MP_ACCOUNT_FROZEN_DEBITS;
    if (side != ACCOUNT_SIDE_DEBITS) update.flags_set |= MP_ACCOUNT_FROZEN_CREDITS;
    execute(&(mp_request){
        .operation = MP_UPDATE_ACCOUNTS, .count = 1, .events = &update, .results = &result});
    cr_assert_eq(result.result, MP_CREATED);
    publish(EVENT_TYPE(account_frozen), data.account.uuid, &data);
}

static void make_wallet(const char *id)
{
    struct account_id account;
    mp_result result;
    mp_account wallet = {.ledger = ledger_number(&books, "EUR", 0),
                         .code = ACCOUNT_CODE_WALLET,
                         .flags = MP_ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS};
    mp_request request = {
        .operation = MP_CREATE_ACCOUNTS, .count = 1, .events = &wallet, .results = &result};

    cr_assert(uuid_read(id, &account.uuid));
    wallet.id = id_of_uuid(account.uuid);
    execute(&request);
    cr_assert_eq(result.result, MP_CREATED);
    tell_of(id);
}

static void set_up(void)
{
    struct platform_options options = {.services = services, .sets = sets, .seed = 1};
    struct chain chain;
    mp_result results[CHAIN_MAX];

    platform = platform_make(&options);
    chain_of_books(&books, "EUR", ledger_number(&books, "EUR", 0), &chain);
    execute(&(mp_request){.operation = MP_CREATE_ACCOUNTS,
                          .count = chain.count,
                          .events = chain.events.accounts,
                          .results = results});
    make_wallet(ALICE);
    make_wallet(BOB);
    make_wallet(SHOP);
}

static void tear_down(void) { platform_free(platform); }

static struct platform_reply *post(const char *target, const char *key, const char *body)
{
    return platform_call(
        platform,
        &(struct platform_request){
            .service = "payment", .method = "POST", .target = target, .key = key, .body = body});
}

static void expect(const struct platform_reply *reply, unsigned status, const char *path,
                   const char *value)
{
    cr_assert_eq(reply->status, status, "%u instead of %u: %s", reply->status, status,
                 reply->body != NULL ? reply->body : "");
    cr_assert_str_eq(reply_text(reply, path), value, "%s: %s", path, reply->body);
}

static void expect_balance(const char *id, int64_t available)
{
    struct uuid uuid;
    mp_balance balance;

    cr_assert(uuid_read(id, &uuid));
    cr_assert_eq(
        mp_read_balance(process_ledger(platform_process(platform)), id_of_uuid(uuid), &balance),
        MP_OK);
    cr_assert_eq((int64_t)(balance.credits_posted - balance.debits_posted - balance.debits_pending),
                 available);
}

static void deposit(const char *wallet, const char *amount)
{
    char target[80], body[80];

    snprintf(target, sizeof target, "/api/v1/accounts/%s/deposits", wallet);
    snprintf(body, sizeof body, "{\"amount\":\"%s\",\"currency\":\"EUR\"}", amount);
    expect(post(target, wallet, body), 201, "status", "completed");
}

#define PAY(payer, payee, amount, more)                                                            \
    "{\"payer\":\"" payer "\",\"payee\":\"" payee "\",\"amount\":\"" amount                        \
    "\",\"currency\":\"EUR\"" more "}"

Test(payments, a_payment_moves_money_once_however_often_it_is_sent, .init = set_up,
     .fini = tear_down)
{
    struct platform_reply *reply;
    char id[40];

    deposit(ALICE, "100.00");
    expect_balance(ALICE, 10000);
    reply = post("/api/v1/payments", "k1", PAY(ALICE, BOB, "12.50", ""));
    expect(reply, 201, "status", "completed");
    cr_assert_str_eq(reply->replayed, "");
    snprintf(id, sizeof id, "%s", reply_text(reply, "id"));
    expect_balance(ALICE, 8750);
    expect_balance(BOB, 1250);
    reply = post("/api/v1/payments", "k1", PAY(ALICE, BOB, "12.5", ""));
    expect(reply, 201, "id", id);
    cr_assert_str_eq(reply->replayed, "true");
    expect_balance(BOB, 1250);
    expect(post("/api/v1/payments", "k1", PAY(ALICE, BOB, "13.50", "")), 422, "type",
           "https://micropay.dev/problems/key-reused");
    platform_crash(platform);
    expect(post("/api/v1/payments", "k1", PAY(ALICE, BOB, "12.50", "")), 201, "id", id);
    expect_balance(BOB, 1250);
}

Test(payments, one_that_the_payer_cannot_afford_fails_and_holds_nothing, .init = set_up,
     .fini = tear_down)
{
    struct platform_reply *reply;

    deposit(ALICE, "10.00");
    reply = post("/api/v1/payments", "k1", PAY(ALICE, BOB, "12.50", ""));
    expect(reply, 422, "type", "https://micropay.dev/problems/insufficient-funds");
    cr_assert_str_eq(reply_text(reply, "payment.status"), "failed");
    cr_assert_str_eq(reply_text(reply, "account"), ALICE);
    cr_assert_str_eq(reply_text(reply, "available"), "10.00");
    cr_assert_str_eq(reply_text(reply, "needed"), "12.50");
    cr_assert_str_eq(reply_text(reply, "missing"), "2.50");
    expect_balance(ALICE, 1000);
}

Test(payments, a_hotel_holds_captures_twice_increases_and_refunds, .init = set_up,
     .fini = tear_down)
{
    struct platform_reply *reply;
    char target[100], id[40];

    deposit(ALICE, "200.00");
    reply = post("/api/v1/payments", "k1", PAY(ALICE, SHOP, "80.00", ",\"capture\":\"manual\""));
    expect(reply, 201, "status", "requires_capture");
    snprintf(id, sizeof id, "%s", reply_text(reply, "id"));
    expect_balance(ALICE, 12000);
    snprintf(target, sizeof target, "/api/v1/payments/%s/captures", id);
    reply = post(target, "c1", "{\"amount\":\"30.00\"}");
    expect(reply, 201, "status", "partially_captured");
    cr_assert_str_eq(reply_text(reply, "balances_after.0.account"), ALICE);
    cr_assert_str_eq(reply_text(reply, "balances_after.0.posted"), "170.00");
    cr_assert_str_eq(reply_text(reply, "balances_after.0.available"), "120.00");
    cr_assert_str_eq(reply_text(reply, "balances_after.1.account"), SHOP);
    cr_assert_str_eq(reply_text(reply, "balances_after.1.available"), "30.00");
    expect_balance(SHOP, 3000);
    snprintf(target, sizeof target, "/api/v1/payments/%s/increments", id);
    expect(post(target, "i1", "{\"amount\":\"20.00\"}"), 201, "amount", "100.00");
    expect_balance(ALICE, 10000);
    snprintf(target, sizeof target, "/api/v1/payments/%s/captures", id);
    expect(post(target, "c2", "{\"amount\":\"70.01\"}"), 422, "left", "70.00");
    expect(post(target, "c3", "{\"amount\":\"70.00\"}"), 201, "status", "completed");
    reply = post(target, "c1", "{\"amount\":\"30.00\"}");
    expect(reply, 201, "amount_captured", "100.00");
    cr_assert_str_eq(reply->replayed, "true");
    snprintf(target, sizeof target, "/api/v1/payments/%s/refunds", id);
    expect(post(target, "r1", "{\"amount\":\"25.00\"}"), 201, "status", "partially_refunded");
    expect_balance(ALICE, 12500);
    expect_balance(SHOP, 7500);
    expect(post(target, "r2", "{\"amount\":\"75.01\"}"), 422, "left", "75.00");
    expect(post(target, "r3", "{}"), 201, "status", "refunded");
    expect_balance(ALICE, 20000);
}

Test(payments, every_fault_of_a_request_is_listed, .init = set_up, .fini = tear_down)
{
    struct platform_reply *reply =
        post("/api/v1/payments", "k1",
             "{\"payer\":\"" ALICE "\",\"payee\":\"x\",\"amount\":\"1.234\",\"colour\":\"red\"}");

    expect(reply, 400, "type", "https://micropay.dev/problems/invalid-request");
    cr_assert_eq(cJSON_GetArraySize(cJSON_GetObjectItem(reply->json, "errors")), 3, "%s",
                 reply->body);
    reply = post("/api/v1/payments", NULL, PAY(ALICE, BOB, "1.00", ""));
    expect(reply, 400, "type", "https://micropay.dev/problems/idempotency-key-missing");
    reply = post("/api/v1/payments", "k2", PAY(ALICE, BOB, "1.234", ""));
    expect(reply, 400, "errors.0.field", "/amount");
}

/* --- at once --- */

struct answers {
    unsigned count, created, refused, others;
};

static void count_answer(void *context, const struct http_memory_reply *reply)
{
    struct answers *answers = context;

    answers->count++;
    answers->created += reply->status == 201;
    answers->refused += reply->status == 422;
    answers->others += reply->status != 201 && reply->status != 422;
}

static void send(struct answers *answers, const char *target, const char *key, const char *body)
{
    platform_send(
        platform,
        &(struct platform_request){
            .service = "payment", .method = "POST", .target = target, .key = key, .body = body},
        count_answer, answers);
}

static void wait_for(const struct answers *answers, unsigned count)
{
    for (unsigned i = 0; i < 4000 && answers->count < count; i++)
        platform_pass(platform, UINT64_C(10000000));
    cr_assert_eq(answers->count, count);
}

Test(payments, two_refunds_at_once_never_give_back_more_than_was_captured, .init = set_up,
     .fini = tear_down)
{
    struct answers answers = {0};
    char target[100];

    deposit(ALICE, "100.00");
    snprintf(target, sizeof target, "/api/v1/payments/%s/refunds",
             reply_text(post("/api/v1/payments", "k1", PAY(ALICE, BOB, "60.00", "")), "id"));
    deposit(BOB, "100.00");
    for (unsigned i = 0; i < 8; i++) {
        char key[8];

        snprintf(key, sizeof key, "r%u", i);
        send(&answers, target, key, "{\"amount\":\"25.00\"}");
    }
    wait_for(&answers, 8);
    cr_assert_eq(answers.created, 2);
    cr_assert_eq(answers.refused, 6);
    expect_balance(ALICE, 9000);
    expect_balance(BOB, 11000);
}

Test(payments, a_limit_is_exact_however_many_pay_at_once, .init = set_up, .fini = tear_down)
{
    struct answers answers = {0};

    deposit(ALICE, "1000.00");
    limit(ALICE, 40, 20000);
    for (unsigned i = 0; i < 64; i++) {
        char key[8];

        snprintf(key, sizeof key, "k%u", i);
        send(&answers, "/api/v1/payments", key, PAY(ALICE, BOB, "7.00", ""));
    }
    wait_for(&answers, 64);
    cr_assert_eq(answers.created, 28, "%u", answers.created); /* 28 * 7 = 196 of 200 */
    cr_assert_eq(answers.refused, 36);
    expect_balance(BOB, 19600);
}

Test(payments, what_fails_is_given_back_to_its_limit, .init = set_up, .fini = tear_down)
{
    deposit(ALICE, "50.00");
    limit(ALICE, 2, 10000);
    for (unsigned i = 0; i < 3; i++) {
        char key[8];

        snprintf(key, sizeof key, "k%u", i);
        expect(post("/api/v1/payments", key, PAY(ALICE, BOB, "60.00", "")), 422, "type",
               "https://micropay.dev/problems/insufficient-funds");
    }
    expect(post("/api/v1/payments", "k4", PAY(ALICE, BOB, "20.00", "")), 201, "status",
           "completed");
    expect(post("/api/v1/payments", "k5", PAY(ALICE, BOB, "20.00", "")), 201, "status",
           "completed");
    expect(post("/api/v1/payments", "k6", PAY(ALICE, BOB, "1.00", "")), 422, "type",
           "https://micropay.dev/problems/limit-exceeded");
}

/* Runs a number of the loop's steps, driving the ledger beside. */
static void run_steps(unsigned steps)
{
    struct loop *loop = platform_loop(platform);
    mp_ledger *ledger = process_ledger(platform_process(platform));

    for (unsigned i = 0; i < steps; i++) {
        if (!test_loop_step(loop)) test_loop_pass(loop, UINT64_C(10000000));
        cr_assert_eq(mp_step(ledger, NULL), MP_OK);
        ledger_port_drive(process_port(platform_process(platform)));
    }
}

static void freeze_at(unsigned steps, const char *who, unsigned side)
{
    struct answers answers = {0};
    struct uuid alice, bob;
    mp_balance a, b;
    mp_ledger *ledger;

    set_up();
    deposit(ALICE, "100.00");
    send(&answers, "/api/v1/payments", "k1", PAY(ALICE, BOB, "30.00", ""));
    run_steps(steps);
    freeze(who, side);
    wait_for(&answers, 1);
    ledger = process_ledger(platform_process(platform));
    cr_assert(uuid_read(ALICE, &alice) && uuid_read(BOB, &bob));
    cr_assert_eq(mp_read_balance(ledger, id_of_uuid(alice), &a), MP_OK);
    cr_assert_eq(mp_read_balance(ledger, id_of_uuid(bob), &b), MP_OK);
    cr_assert(a.debits_pending == 0 && b.credits_pending == 0, "%u: still held", steps);
    cr_assert(a.debits_posted == b.credits_posted);
    cr_assert_eq(a.debits_posted == 3000, answers.created == 1, "%u", steps);
    cr_assert_eq(a.debits_posted == 0, answers.created == 0, "%u", steps);
    tear_down();
}

Test(payments, a_freeze_at_any_step_leaves_a_payment_whole_or_undone)
{
    for (unsigned steps = 0; steps < 40; steps++) {
        freeze_at(steps, ALICE, ACCOUNT_SIDE_DEBITS);
        freeze_at(steps, BOB, ACCOUNT_SIDE_ALL);
    }
}

Test(payments, a_freeze_gives_up_all_open_payments_however_many, .init = set_up, .fini = tear_down)
{
    struct uuid alice;
    mp_balance balance;
    char key[16];

    deposit(ALICE, "100.00");
    for (unsigned i = 0; i < 600; i++) {
        snprintf(key, sizeof key, "h%u", i);
        expect(post("/api/v1/payments", key, PAY(ALICE, BOB, "0.10", ",\"capture\":\"manual\"")),
               201, "status", "requires_capture");
    }
    expect_balance(ALICE, 4000);
    freeze(BOB, ACCOUNT_SIDE_CREDITS);
    run_steps(300);
    expect_balance(ALICE, 10000);
    cr_assert(uuid_read(ALICE, &alice));
    cr_assert_eq(
        mp_read_balance(process_ledger(platform_process(platform)), id_of_uuid(alice), &balance),
        MP_OK);
    cr_assert(balance.debits_pending == 0 && balance.debits_posted == 0);
}

Test(payments, a_crash_after_any_step_neither_loses_nor_doubles_a_payment)
{
    for (unsigned steps = 0; steps < 60; steps++) {
        struct answers answers = {0};

        set_up();
        deposit(ALICE, "100.00");
        send(&answers, "/api/v1/payments", "k1", PAY(ALICE, BOB, "12.50", ""));
        run_steps(steps);
        platform_crash(platform);
        expect(post("/api/v1/payments", "k1", PAY(ALICE, BOB, "12.50", "")), 201, "status",
               "completed");
        expect_balance(ALICE, 8750);
        expect_balance(BOB, 1250);
        tear_down();
    }
}

/* --- reconciliation --- */

Test(payments, a_reservation_that_belongs_to_no_payment_is_given_back, .init = set_up,
     .fini = tear_down)
{
    struct uuid alice, bob;
    mp_transfer stray = {.id = 4711,
                         .amount = 2500,
                         .ledger = ledger_number(&books, "EUR", 0),
                         .code = TRANSFER_CODE_PAYMENT,
                         .user_data_128 = 99,
                         .flags = MP_TRANSFER_PENDING};
    mp_result result;

    deposit(ALICE, "100.00");
    expect(post("/api/v1/payments", "k1", PAY(ALICE, BOB, "30.00", ",\"capture\":\"manual\"")), 201,
           "status", "requires_capture");
    cr_assert(uuid_read(ALICE, &alice) && uuid_read(BOB, &bob));
    stray.debit_account_id = id_of_uuid(alice);
    stray.credit_account_id = id_of_uuid(bob);
    execute(&(mp_request){
        .operation = MP_CREATE_TRANSFERS, .count = 1, .events = &stray, .results = &result});
    cr_assert_eq(result.result, MP_CREATED);
    expect_balance(ALICE, 4500);
    for (unsigned minute = 0; minute < 14; minute++) platform_pass(platform, UINT64_C(60000000000));
    expect_balance(ALICE, 4500);
    for (unsigned minute = 0; minute < 5; minute++) platform_pass(platform, UINT64_C(60000000000));
    expect_balance(ALICE, 7000); /* the payment's own hold stays */
}

Test(payments, simulate_forces_each_outcome_and_holds_nothing, .init = set_up, .fini = tear_down)
{
    static const struct {
        const char *header, *type;
    } cases[] = {
        {"Simulate: insufficient-funds", "https://micropay.dev/problems/insufficient-funds"},
        {"Simulate: fraud-deny", "https://micropay.dev/problems/fraud-denied"},
        {"Simulate: step-timeout", "https://micropay.dev/problems/reserve-timeout"},
        {"Simulate: payee-frozen", "https://micropay.dev/problems/account-frozen"},
    };

    deposit(ALICE, "100.00");
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct platform_reply *reply = platform_call(
            platform, &(struct platform_request){.service = "payment",
                                                 .method = "POST",
                                                 .target = "/api/v1/payments",
                                                 .key = cases[i].header + 10,
                                                 .header = cases[i].header,
                                                 .body = PAY(ALICE, BOB, "10.00", "")});

        cr_assert_str_eq(reply_text(reply, "type"), cases[i].type, "%s: %s", cases[i].header,
                         reply->body);
        cr_assert_str_eq(reply_text(reply, "payment.status"), "failed");
        expect_balance(ALICE, 10000);
    }
}

/* --- rails --- */

static char *first_file(const char *directory)
{
    DIR *opened = opendir(directory);
    struct dirent *entry;
    static char path[600];

    cr_assert_not_null(opened, "%s", directory);
    path[0] = '\0';
    while ((entry = readdir(opened)) != NULL)
        if (entry->d_name[0] != '.') snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
    closedir(opened);
    cr_assert_neq(path[0], '\0', "no file in %s", directory);
    return path;
}

static void tell_news(const char *id, const char *result)
{
    char directory[300], path[400];
    FILE *file;

    snprintf(directory, sizeof directory, "%s/rails/sepa/in", platform_directory(platform));
    cr_assert(mkdir(directory, 0700) == 0 || errno == EEXIST);
    snprintf(path, sizeof path, "%s/%s.csv", directory, result);
    file = fopen(path, "w");
    fprintf(file, "payment,result,reason\n%s,%s,\nnot-a-payment,confirmed,\n", id, result);
    fclose(file);
    for (unsigned i = 0; i < 5; i++) platform_pass(platform, UINT64_C(1000000000));
}

#define PAY_OUTSIDE(amount)                                                                        \
    "{\"payer\":\"" ALICE "\",\"external\":{\"scheme\":\"sepa\",\"identifier\":"                   \
    "\"DE02120300000000202051\"},\"amount\":\"" amount "\",\"currency\":\"EUR\"}"

static const char *pay_outside(const char *key, char id[40])
{
    struct platform_reply *reply = post("/api/v1/payments", key, PAY_OUTSIDE("40.00"));
    char directory[300], line[300];
    FILE *file;

    expect(reply, 201, "status", "completed");
    snprintf(id, 40, "%s", reply_text(reply, "id"));
    for (unsigned i = 0; i < 3; i++) platform_pass(platform, UINT64_C(1000000000));
    snprintf(directory, sizeof directory, "%s/rails/sepa/out", platform_directory(platform));
    file = fopen(first_file(directory), "r");
    cr_assert_not_null(fgets(line, sizeof line, file));
    cr_assert_not_null(fgets(line, sizeof line, file));
    fclose(file);
    cr_assert_eq(strncmp(line, id, 36), 0, "%s", line);
    cr_assert_not_null(strstr(line, "\"DE02120300000000202051\",40.00,EUR"), "%s", line);
    return id;
}

static void expect_rail(const char *id, const char *rail, const char *status)
{
    char target[80];
    struct platform_reply *reply;

    snprintf(target, sizeof target, "/api/v1/payments/%s", id);
    reply = platform_call(platform, &(struct platform_request){
                                        .service = "payment", .method = "GET", .target = target});
    expect(reply, 200, "rail", rail);
    cr_assert_str_eq(reply_text(reply, "status"), status);
}

static void expect_system(enum account_code role, int64_t balance)
{
    struct uuid nobody = {{0}}, uuid = uuid_of_id(system_account(&books, "EUR", role, nobody));
    char id[UUID_TEXT + 1];

    uuid_print(uuid, id);
    expect_balance(id, balance);
}

Test(payments, what_a_rail_confirms_has_left_the_bank, .init = set_up, .fini = tear_down)
{
    char id[40];

    deposit(ALICE, "100.00");
    expect_rail(pay_outside("k1", id), "sent", "completed");
    expect_system(ACCOUNT_CODE_IN_TRANSIT, 4000);
    tell_news(id, "confirmed");
    expect_rail(id, "confirmed", "completed");
    expect_system(ACCOUNT_CODE_IN_TRANSIT, 0);
    expect_system(ACCOUNT_CODE_BANK, -6000);
    expect_balance(ALICE, 6000);
}

Test(payments, what_a_rail_returns_is_the_payers_again, .init = set_up, .fini = tear_down)
{
    char id[40];

    deposit(ALICE, "100.00");
    pay_outside("k1", id);
    tell_news(id, "returned");
    expect_rail(id, "returned", "refunded");
    expect_system(ACCOUNT_CODE_IN_TRANSIT, 0);
    expect_balance(ALICE, 10000);
    tell_news(id, "confirmed"); /* too late: it went back */
    expect_balance(ALICE, 10000);
}
