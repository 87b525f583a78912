/* What is told of balances: against the ledger's own log, with crashes anywhere. */
#include "account/given.h"

#include "account/service.h"
#include "balance/service.h"
#include "ledger/ids.h"
#include "payment/service.h"
#include "wire/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct service *const given_services[] = {&account_service, &payment_service,
                                                &balance_service, NULL};

TestSuite(journal, .init = given_platform, .fini = given_end);

enum { WALLETS = 4, TOLD_MAX = 20000 };

/* What was told, in order of each partition. */
static struct {
    unsigned reserved, released, updated, rejected, expired;
    struct {
        struct uuid account;
        struct account_balance_updated_event data;
        uint64_t sequence;
    } newest[64]; /* update of each account */
    unsigned newest_count;
    struct {
        struct uuid payment;
        int64_t held, freed;
    } holds[TOLD_MAX];
    unsigned hold_count;
    struct uuid ids[TOLD_MAX];
    unsigned id_count;
} heard;

static void on_updated(const struct event *event)
{
    const struct account_balance_updated_event *data = event->data;
    unsigned i = 0;

    heard.updated++;
    cr_assert(uuid_equal(event->envelope.subject, data->account.uuid));
    while (i < heard.newest_count && !uuid_equal(heard.newest[i].account, data->account.uuid)) i++;
    if (i == heard.newest_count) {
        cr_assert_lt(heard.newest_count++, 64);
        heard.newest[i].account = data->account.uuid;
        heard.newest[i].sequence = 0;
    }
    cr_assert_gt(event->envelope.ledger_sequence, heard.newest[i].sequence,
                 "an account's updates come in the ledger's order");
    heard.newest[i].sequence = event->envelope.ledger_sequence;
    heard.newest[i].data = *data;
}

static void on_hold(struct uuid payment, struct amount held, struct amount freed)
{
    unsigned i = 0;

    while (i < heard.hold_count && !uuid_equal(heard.holds[i].payment, payment)) i++;
    if (i == heard.hold_count) {
        cr_assert_lt(heard.hold_count++, TOLD_MAX);
        heard.holds[i].payment = payment;
        heard.holds[i].held = heard.holds[i].freed = 0;
    }
    heard.holds[i].held += held.units;
    heard.holds[i].freed += freed.units;
}

static void on_event(void *context, const struct event *event)
{
    const char *type = event->envelope.type;

    (void)context;
    cr_assert_str_eq(event->envelope.tenant, "main");
    cr_assert_not(event->envelope.live);
    for (unsigned i = 0; i < heard.id_count; i++)
        cr_assert_not(uuid_equal(heard.ids[i], event->envelope.id), "two events have one id");
    cr_assert_lt(heard.id_count, TOLD_MAX);
    heard.ids[heard.id_count++] = event->envelope.id;
    if (strcmp(type, "account.balance.updated") == 0) {
        on_updated(event);
    } else if (strcmp(type, "account.balance.reserved") == 0) {
        const struct account_balance_reserved_event *data = event->data;

        heard.reserved++;
        cr_assert_not(heard.hold_count == TOLD_MAX);
        on_hold(data->payment, data->amount, (struct amount){0});
    } else if (strcmp(type, "account.balance.released") == 0) {
        const struct account_balance_released_event *data = event->data;

        heard.released++;
        heard.expired += data->expired;
        on_hold(data->payment, (struct amount){0}, data->amount);
    } else {
        cr_assert_str_eq(type, "account.balance.rejected");
        heard.rejected++;
    }
}

static void hear(void)
{
    memset(&heard, 0, sizeof heard);
    platform_pass(platform, SECOND);
    read_events(&topics[TOPIC_balance], on_event, NULL);
}

/* --- what the log says --- */

static struct {
    unsigned holds, voids, expiries;
} logged;

static bool is_wallet(mp_id id)
{
    mp_account account;
    uint32_t count;

    cr_assert_eq(
        mp_lookup_accounts(process_ledger(platform_process(platform)), &id, 1, &account, &count),
        MP_OK);
    return count == 1 && account.code == ACCOUNT_CODE_WALLET;
}

/* Counts holds of wallets by their payment, and their ends. */
static void read_log(void)
{
    static mp_record record;
    mp_ledger *ledger = process_ledger(platform_process(platform));
    mp_u128 last_hold = 0, last_end = 0;
    mp_log *log;
    mp_status status;

    memset(&logged, 0, sizeof logged);
    cr_assert_eq(mp_log_open(ledger, 0, &log), MP_OK);
    while ((status = mp_log_next(log, &record)) == MP_OK) {
        const mp_transfer *transfer = &record.change.transfer;

        if (record.kind != MP_RECORD_TRANSFER && record.kind != MP_RECORD_EXPIRY) continue;
        if (!is_wallet(transfer->debit_account_id)) continue;
        if (record.change.type == MP_CHANGE_TWO_PHASE_PENDING) {
            logged.holds += transfer->user_data_128 != last_hold;
            last_hold = transfer->user_data_128;
        }
        if (record.change.type == MP_CHANGE_TWO_PHASE_VOIDED) {
            logged.voids += transfer->user_data_128 != last_end;
            last_end = transfer->user_data_128;
        }
        if (record.change.type == MP_CHANGE_TWO_PHASE_EXPIRED) {
            logged.expiries += transfer->user_data_128 != last_end;
            last_end = transfer->user_data_128;
        }
    }
    cr_assert_eq(status, MP_END);
    mp_log_close(log);
}

/* Each account's newest update is how the ledger has it; each hold and end was told once. */
static void expect_truth(unsigned wallets)
{
    mp_ledger *ledger = process_ledger(platform_process(platform));

    hear();
    read_log();
    cr_assert_eq(heard.reserved, logged.holds, "%u reserved, the log has %u", heard.reserved,
                 logged.holds);
    cr_assert_eq(heard.released, logged.voids + logged.expiries);
    cr_assert_eq(heard.expired, logged.expiries);
    cr_assert_eq(heard.newest_count, wallets, "%u wallets instead of %u", heard.newest_count,
                 wallets);
    for (unsigned i = 0; i < heard.newest_count; i++) {
        const struct account_balance_updated_event *data = &heard.newest[i].data;
        mp_balance sums;

        cr_assert_eq(mp_read_balance(ledger, id_of_uuid(heard.newest[i].account), &sums), MP_OK);
        cr_assert(sums.credits_posted == data->credits_posted);
        cr_assert(sums.debits_posted == data->debits_posted);
        cr_assert(sums.credits_pending == data->credits_pending);
        cr_assert(sums.debits_pending == data->debits_pending);
        cr_assert_eq(data->digits, 2);
        cr_assert_str_eq(data->currency.code, "EUR");
    }
    for (unsigned i = 0; i < heard.hold_count; i++)
        cr_assert_leq(heard.holds[i].freed, heard.holds[i].held);
}

/* --- stories --- */

Test(journal, a_payment_is_told_as_it_moves_balances)
{
    const char *alice = open_account("alice", "EUR"), *bob = open_account("bob", "EUR");

    deposit(alice, "100.00", "EUR");
    pay(alice, bob, "12.50", "EUR");
    expect_truth(2);
    cr_assert_eq(heard.reserved, 1);
    cr_assert_eq(heard.holds[0].held, 1250);
    cr_assert_eq(heard.released, 0);
}

static struct platform_reply *reserve(const char *account, const char *payee, const char *key,
                                      const char *amount, const char *more)
{
    char target[120], body[300];

    snprintf(target, sizeof target, "/api/v1/balances/%s/reservations", account);
    snprintf(body, sizeof body, "{\"payee\":\"%s\",\"amount\":\"%s\",\"currency\":\"EUR\"%s}",
             payee, amount, more);
    return ask(&(struct platform_request){
        .service = "balance", .method = "POST", .target = target, .key = key, .body = body});
}

Test(journal, reservations_are_told_with_their_ends)
{
    const char *alice = open_account("alice", "EUR"), *bob = open_account("bob", "EUR");
    struct platform_reply *reply;
    char target[200];

    deposit(alice, "100.00", "EUR");
    reply = reserve(alice, bob, "r1", "10.00", "");
    snprintf(target, sizeof target, "%s", reply->location);
    expect_status(
        ask(&(struct platform_request){.service = "balance", .method = "DELETE", .target = target}),
        200);
    expect_status(reserve(alice, bob, "r2", "20.00", ",\"hold_for\":\"PT10S\""), 201);
    expect_problem(reserve(alice, bob, "r3", "500.00", ""), 422, "insufficient-funds");
    platform_pass(platform, 20 * SECOND);
    expect_truth(2);
    cr_assert_eq(heard.reserved, 2);
    cr_assert_eq(heard.released, 2);
    cr_assert_eq(heard.expired, 1);
    cr_assert_eq(heard.rejected, 1);
}

Test(journal, legs_of_one_payment_are_one_reservation)
{
    const char *alice = open_account("alice", "EUR"), *bob = open_account("bob", "EUR");
    const char *carol = open_account("carol", "EUR");
    char body[500];

    deposit(alice, "100.00", "EUR");
    snprintf(body, sizeof body,
             "{\"payer\":\"%s\",\"payee\":\"%s\",\"amount\":\"30.00\",\"currency\":\"EUR\","
             "\"splits\":[{\"payee\":\"%s\",\"amount\":\"10.00\"}],\"fee\":{\"fixed\":\"0.50\"}}",
             alice, bob, carol);
    expect_text(ask(&(struct platform_request){.service = "payment",
                                               .method = "POST",
                                               .target = "/api/v1/payments",
                                               .key = "p",
                                               .body = body}),
                "status", "completed");
    expect_truth(3);
    cr_assert_eq(heard.reserved, 1);
    cr_assert_eq(heard.holds[0].held, 3050);
}

static void book(mp_id debit, mp_id credit, unsigned amount)
{
    static mp_id id = 5000;
    static const struct books books = {"main", false};
    mp_transfer transfer = {.id = ++id,
                            .debit_account_id = debit,
                            .credit_account_id = credit,
                            .amount = amount,
                            .ledger = ledger_number(&books, "EUR", 0),
                            .code = TRANSFER_CODE_BULK};
    mp_result result;

    cr_assert_eq(
        mp_create_transfers(process_ledger(platform_process(platform)), &transfer, 1, &result),
        MP_OK);
    cr_assert_eq(result.result, MP_CREATED);
}

Test(journal, a_wallet_made_in_bulk_stops_nobody_for_long)
{
    static const struct books books = {"main", false};
    const char *alice = open_account("alice", "EUR");
    mp_account wallet = {
        .id = 777, .ledger = ledger_number(&books, "EUR", 0), .code = ACCOUNT_CODE_WALLET};
    struct uuid uuid;
    mp_result result;

    cr_assert_eq(
        mp_create_accounts(process_ledger(platform_process(platform)), &wallet, 1, &result), MP_OK);
    book(system_account(&books, "EUR", ACCOUNT_CODE_BANK, (struct uuid){{0}}), 777, 100);
    cr_assert(uuid_read(alice, &uuid));
    book(777, id_of_uuid(uuid), 40);
    deposit(alice, "1.00", "EUR");
    hear();
    cr_assert_eq(heard.updated, 0, "whose the wallet is may still be told");
    platform_pass(platform, 31 * SECOND);
    expect_truth(1);
    platform_crash(platform);
    book(777, id_of_uuid(uuid), 5);
    expect_truth(1); /* at once: it is remembered */
}

Test(journal, a_crash_anywhere_tells_everything_once)
{
    const char *wallets[WALLETS];
    uint64_t crashes = 0;

    srand(11);
    for (unsigned i = 0; i < WALLETS; i++) {
        char key[16];

        snprintf(key, sizeof key, "w%u", i);
        wallets[i] = open_account(key, "EUR");
        deposit(wallets[i], "1000.00", "EUR");
    }
    for (unsigned i = 0; i < 60; i++) {
        char body[400], key[16], target[200];
        const char *payer = wallets[rand() % WALLETS], *payee = payer;
        struct platform_request request = {.method = "POST", .key = key, .body = body};
        unsigned status;

        while (payee == payer) payee = wallets[rand() % WALLETS];
        snprintf(key, sizeof key, "k%u", i);
        if (rand() % 3 == 0) {
            request.service = "balance";
            snprintf(target, sizeof target, "/api/v1/balances/%s/reservations", payer);
            snprintf(body, sizeof body,
                     "{\"payee\":\"%s\",\"amount\":\"%d.00\",\"currency\":\"EUR\","
                     "\"hold_for\":\"PT%dS\"}",
                     payee, 1 + rand() % 20, 1 + rand() % 30);
        } else {
            request.service = "payment";
            snprintf(target, sizeof target, "/api/v1/payments");
            snprintf(
                body, sizeof body,
                "{\"payer\":\"%s\",\"payee\":\"%s\",\"amount\":\"%d.00\",\"currency\":\"EUR\"}",
                payer, payee, 1 + rand() % 20);
        }
        request.target = target;
        crashes += dies_after((unsigned)rand() % 25, &request, &status);
        expect_status(ask(&request), 201);
        if (rand() % 4 == 0) platform_pass(platform, 5 * SECOND);
    }
    cr_assert_gt(crashes, 20);
    platform_pass(platform, 40 * SECOND);
    expect_truth(WALLETS);
    cr_assert_gt(heard.expired, 5);
}
