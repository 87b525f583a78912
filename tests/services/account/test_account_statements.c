/* Statements: every movement once, with the right balance after it, in either order. */
#include "account/given.h"

#include "account/service.h"
#include "ledger/ids.h"
#include "payment/service.h"
#include "wire/buffer.h"
#include "wire/times.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct service *const given_services[] = {&account_service, &payment_service, NULL};

TestSuite(statements, .init = given_platform, .fini = given_end);

/* A movement as the test knows it, in the order of booking. */
struct movement {
    int64_t amount; /* below zero: paid out */
    uint64_t effective_ns;
};
static struct movement movements[4096];
static unsigned movement_count;
static const char *account, *bank;
static uint32_t book;

static void make_account(void)
{
    struct platform_reply *reply;

    account = open_account("k1", "EUR");
    bank = open_account("k2", "EUR");
    reply = get("/api/v1/accounts/%s", account);
    book = (uint32_t)strtoul(reply_text(reply, "ledger"), NULL, 10);
}

static mp_id id_of(const char *text)
{
    struct uuid uuid;

    cr_assert(uuid_read(text, &uuid));
    return id_of_uuid(uuid);
}

/* Books straight in the ledger, so that value dates and kinds are the test's to choose. */
static mp_id book_transfer(mp_id debit, mp_id credit, int64_t amount, uint64_t effective_ns,
                           uint16_t code, uint16_t flags)
{
    static mp_id id = 1000;
    mp_transfer transfer = {
        .id = ++id,
        .debit_account_id = debit,
        .credit_account_id = credit,
        .amount = (mp_amount)amount,
        .user_data_128 = 500000 + id,
        .user_data_64 = effective_ns,
        .ledger = book,
        .code = code,
        .flags = flags,
    };
    mp_result result;

    cr_assert_eq(
        mp_create_transfers(process_ledger(platform_process(platform)), &transfer, 1, &result),
        MP_OK);
    cr_assert_eq(result.result, MP_CREATED, "%s", mp_transfer_result_name(result.result));
    return id;
}

static mp_id system_bank(void)
{
    static const struct books books = {"main", false};

    return system_account(&books, "EUR", ACCOUNT_CODE_BANK, (struct uuid){{0}});
}

static void move(int64_t amount, uint64_t effective_ns)
{
    mp_id wallet = id_of(account);

    if (amount > 0)
        book_transfer(system_bank(), wallet, amount, effective_ns, TRANSFER_CODE_DEPOSIT, 0);
    else
        book_transfer(wallet, system_bank(), -amount, effective_ns, TRANSFER_CODE_WITHDRAWAL, 0);
    movements[movement_count++] = (struct movement){amount, effective_ns};
}

static int64_t minor(const char *text)
{
    bool below = text[0] == '-';
    struct amount amount;

    cr_assert(amount_read(text + below, &amount), "\"%s\" is no amount", text);
    return below ? -amount.units : amount.units;
}

/* --- the order that is expected --- */

static const struct movement *sorted[4096];
static bool by_value;

static int compare(const void *a, const void *b)
{
    const struct movement *x = *(const struct movement *const *)a;
    const struct movement *y = *(const struct movement *const *)b;

    if (by_value && x->effective_ns != y->effective_ns)
        return x->effective_ns < y->effective_ns ? -1 : 1;
    return x < y ? -1 : x > y;
}

static void sort(bool effective)
{
    by_value = effective;
    for (unsigned i = 0; i < movement_count; i++) sorted[i] = &movements[i];
    qsort(sorted, movement_count, sizeof *sorted, compare);
}

/* Reads all pages of a statement; compares with those from first to last of `sorted`. */
static void expect_pages(const char *query, unsigned limit, bool descending, unsigned first,
                         unsigned last)
{
    char cursor[600] = "";
    int64_t balances[4096], sum = 0;
    unsigned seen = 0, count = last - first;

    for (unsigned i = 0; i < movement_count; i++) balances[i] = sum += sorted[i]->amount;
    do {
        struct platform_reply *reply =
            get("/api/v1/accounts/%s/statement?limit=%u%s%s", account, limit, query, cursor);
        const cJSON *data = cJSON_GetObjectItem(reply->json, "data");
        int rows = cJSON_GetArraySize(data);
        const char *next;

        expect_status(reply, 200);
        cr_assert_leq((unsigned)rows, limit);
        for (int i = 0; i < rows; i++, seen++) {
            const cJSON *row = cJSON_GetArrayItem(data, i);
            const char *debit = cJSON_GetStringValue(cJSON_GetObjectItem(row, "debit"));
            const char *credit = cJSON_GetStringValue(cJSON_GetObjectItem(row, "credit"));
            unsigned at = descending ? last - 1 - seen : first + seen;

            cr_assert_lt(seen, count, "there are more rows than movements");
            cr_assert((debit == NULL) != (credit == NULL));
            cr_assert_eq(debit != NULL ? -minor(debit) : minor(credit), sorted[at]->amount,
                         "%s: row %u", query, seen);
            cr_assert_eq(minor(cJSON_GetStringValue(cJSON_GetObjectItem(row, "balance"))),
                         balances[at], "%s: balance after row %u: %s instead of %lld", query, seen,
                         cJSON_GetStringValue(cJSON_GetObjectItem(row, "balance")),
                         (long long)balances[at]);
        }
        next = cJSON_GetStringValue(cJSON_GetObjectItem(reply->json, "next"));
        snprintf(cursor, sizeof cursor, "&cursor=%s", next != NULL ? next : "");
        if (next == NULL) break;
        cr_assert_eq((unsigned)rows, limit);
    } while (true);
    cr_assert_eq(seen, count, "%s: %u rows of %u", query, seen, count);
}

Test(statements, rows_equal_an_independent_sum_in_every_order)
{
    static const unsigned limits[] = {1, 7, 100, 1000};
    uint64_t day = UINT64_C(1767225600000000000);

    make_account();
    srand(7);
    move(1000000, day);
    for (unsigned i = 0; i < 300; i++) {
        int64_t amount = 1 + rand() % 1000;

        move(rand() % 2 ? amount : -amount, day + (uint64_t)(rand() % 20) * DAY_S * SECOND_NS);
    }
    for (unsigned effective = 0; effective < 2; effective++) {
        for (unsigned descending = 0; descending < 2; descending++) {
            for (unsigned i = effective + descending > 0 ? 1 : 0; i < 4; i++) {
                char query[100];

                snprintf(query, sizeof query, "%s%s", effective ? "&by=effective" : "",
                         descending ? "&sort=-time" : "");
                sort(effective);
                expect_pages(query, limits[i], descending, 0, movement_count);
            }
        }
    }
}

Test(statements, from_and_to_are_of_the_time_that_by_names)
{
    uint64_t day = UINT64_C(1767225600000000000);
    unsigned first, last;

    make_account();
    for (unsigned i = 0; i < 40; i++)
        move(100 + i, day + (uint64_t)((i * 7) % 10) * DAY_S * SECOND_NS);
    sort(true);
    for (first = 0; sorted[first]->effective_ns < day + 3 * DAY_S * SECOND_NS;) first++;
    for (last = first; last < 40 && sorted[last]->effective_ns < day + 6 * DAY_S * SECOND_NS;)
        last++;
    cr_assert(first > 0 && last > first && last < 40);
    for (unsigned i = 1; i < 50; i += 6) {
        expect_pages("&by=effective&from=2026-01-04T00:00:00Z&to=2026-01-07T00:00:00Z", i, false,
                     first, last);
        expect_pages("&by=effective&from=2026-01-04T00:00:00Z&to=2026-01-07T00:00:00Z&sort=-time",
                     i, true, first, last);
        expect_pages("&by=effective&to=2026-01-07T00:00:00Z", i, false, 0, last);
        expect_pages("&by=effective&from=2026-01-04T00:00:00Z&sort=-time", i, true, first, 40);
    }
    expect_pages("&from=2030-01-01T00:00:00Z", 5, false, 0, 0);
    expect_pages("&from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", 5, false, 0, 0);
    expect_problem(get("/api/v1/accounts/%s/statement?from=2026-02-01T00:00:00Z"
                       "&to=2026-01-01T00:00:00Z",
                       account),
                   400, "invalid-request");
}

Test(statements, times_of_booking_bound_a_statement)
{
    struct platform_reply *reply;
    char middle[64];

    make_account();
    for (unsigned i = 0; i < 10; i++) move(100 + i, 1);
    platform_pass(platform, SECOND);
    for (unsigned i = 0; i < 10; i++) move(200 + i, 1);
    reply = get("/api/v1/accounts/%s/statement?limit=11", account);
    snprintf(middle, sizeof middle, "%s", reply_text(reply, "data.10.booked_at"));
    cr_assert_str_not_empty(middle);
    sort(false);
    for (unsigned limit = 3; limit < 12; limit += 4) {
        char query[120];

        snprintf(query, sizeof query, "&from=%s", middle);
        expect_pages(query, limit, false, 10, 20);
        snprintf(query, sizeof query, "&to=%s", middle);
        expect_pages(query, limit, false, 0, 10);
        snprintf(query, sizeof query, "&to=%s&sort=-time", middle);
        expect_pages(query, limit, true, 0, 10);
    }
}

Test(statements, what_is_only_held_is_no_movement)
{
    struct platform_reply *reply;
    const char *payment;
    char body[300];

    make_account();
    deposit(account, "100.00", "EUR");
    snprintf(body, sizeof body,
             "{\"payer\":\"%s\",\"payee\":\"%s\",\"amount\":\"40.00\",\"currency\":\"EUR\","
             "\"capture\":\"manual\",\"effective_at\":\"2026-01-15T00:00:00Z\"}",
             account, bank);
    reply = ask(&(struct platform_request){.service = "payment",
                                           .method = "POST",
                                           .target = "/api/v1/payments",
                                           .key = "hold",
                                           .body = body});
    expect_text(reply, "status", "requires_capture");
    payment = keep_text(reply_text(reply, "id"));
    cr_assert_eq(cJSON_GetArraySize(cJSON_GetObjectItem(
                     get("/api/v1/accounts/%s/statement", account)->json, "data")),
                 1);
    snprintf(body, sizeof body, "/api/v1/payments/%s/captures", payment);
    expect_status(ask(&(struct platform_request){.service = "payment",
                                                 .method = "POST",
                                                 .target = body,
                                                 .key = "capture",
                                                 .body = "{\"amount\":\"30.00\",\"final\":true}"}),
                  201);
    reply = get("/api/v1/accounts/%s/statement", account);
    cr_assert_eq(cJSON_GetArraySize(cJSON_GetObjectItem(reply->json, "data")), 2);
    expect_text(reply, "data.0.kind", "deposit");
    expect_text(reply, "data.0.credit", "100.00");
    expect_text(reply, "data.0.debit", "");
    expect_text(reply, "data.0.balance", "100.00");
    expect_text(reply, "data.1.kind", "payment");
    expect_text(reply, "data.1.payment", payment);
    expect_text(reply, "data.1.debit", "30.00");
    expect_text(reply, "data.1.balance", "70.00");
    expect_text(reply, "data.1.counterparty", bank);
    expect_text(reply, "data.1.effective_at", "2026-01-15T00:00:00Z");
    reply = get("/api/v1/accounts/%s/statement", bank);
    expect_text(reply, "data.0.credit", "30.00");
    expect_text(reply, "data.0.payment", payment);
}

Test(statements, a_refund_stands_on_both_sides)
{
    struct platform_reply *reply;
    char body[300];

    make_account();
    deposit(account, "100.00", "EUR");
    snprintf(body, sizeof body,
             "{\"payer\":\"%s\",\"payee\":\"%s\",\"amount\":\"40.00\",\"currency\":\"EUR\"}",
             account, bank);
    reply = ask(&(struct platform_request){.service = "payment",
                                           .method = "POST",
                                           .target = "/api/v1/payments",
                                           .key = "pay",
                                           .body = body});
    snprintf(body, sizeof body, "/api/v1/payments/%s/refunds", reply_text(reply, "id"));
    expect_status(ask(&(struct platform_request){.service = "payment",
                                                 .method = "POST",
                                                 .target = body,
                                                 .key = "refund",
                                                 .body = "{\"amount\":\"15.00\"}"}),
                  201);
    reply = get("/api/v1/accounts/%s/statement?sort=-time&limit=1", account);
    expect_text(reply, "data.0.kind", "refund");
    expect_text(reply, "data.0.credit", "15.00");
    expect_text(reply, "data.0.balance", "75.00");
    reply = get("/api/v1/accounts/%s/statement?sort=-time&limit=1", bank);
    expect_text(reply, "data.0.debit", "15.00");
    expect_text(reply, "data.0.balance", "25.00");
}

Test(statements, csv_has_the_same_rows_and_its_next_page_in_a_header)
{
    static const char head[] = "booked_at,effective_at,payment,kind,counterparty,currency,debit,"
                               "credit,balance,transfer\r\n";
    struct platform_reply *reply;

    make_account();
    move(12345, UINT64_C(1767225600000000000));
    move(-45, UINT64_C(1767225600500000000));
    for (unsigned way = 0; way < 2; way++) {
        char target[200];

        snprintf(target, sizeof target, "/api/v1/accounts/%s/statement%s", account,
                 way == 0 ? "?format=csv" : "");
        reply = ask(&(struct platform_request){.target = target,
                                               .header = way == 0 ? NULL : "Accept: text/csv"});
        expect_status(reply, 200);
        cr_assert_not_null(strstr(reply->content_type, "text/csv"));
        cr_assert_eq(strstr(reply->body, head), reply->body);
        cr_assert_not_null(strstr(reply->body, ",EUR,,123.45,123.45,"), "%s", reply->body);
        cr_assert_not_null(strstr(reply->body, ",2026-01-01T00:00:00.500Z,"), "%s", reply->body);
        cr_assert_not_null(strstr(reply->body, ",EUR,0.45,,123.00,"), "%s", reply->body);
    }
}

static char next_header[600];
static unsigned csv_lines;

static void on_csv(void *context, const struct http_memory_reply *reply)
{
    const char *next = http_memory_reply_header(reply, "Micropay-Next");

    (void)context;
    snprintf(next_header, sizeof next_header, "%s", next != NULL ? next : "");
    for (const char *at = reply->body; (at = strchr(at, '\n')) != NULL; at++) csv_lines++;
}

Test(statements, csv_pages_join_to_the_whole)
{
    char target[900];
    unsigned pages = 0;

    make_account();
    for (unsigned i = 0; i < 25; i++) move(1 + i, 1);
    do {
        snprintf(target, sizeof target, "/api/v1/accounts/%s/statement?format=csv&limit=10%s%s",
                 account, pages > 0 ? "&cursor=" : "", next_header);
        platform_send(
            platform,
            &(struct platform_request){.service = "account", .method = "GET", .target = target},
            on_csv, NULL);
        platform_pass(platform, SECOND);
        pages++;
    } while (next_header[0] != '\0');
    cr_assert_eq(pages, 3);
    cr_assert_eq(csv_lines, 25 + 3);
}

Test(statements, a_cursor_of_another_statement_is_refused)
{
    struct platform_reply *reply;
    const char *next;

    make_account();
    for (unsigned i = 0; i < 5; i++) move(1 + i, 1);
    reply = get("/api/v1/accounts/%s/statement?limit=2", account);
    next = keep_text(reply_text(reply, "next"));
    expect_problem(get("/api/v1/accounts/%s/statement?limit=2&sort=-time&cursor=%s", account, next),
                   400, "invalid-request");
    /* of the other account: its position is none of this one's, or shows this one's own alone */
    reply = get("/api/v1/accounts/%s/statement?limit=2&cursor=%s", bank, next);
    if (reply->status != 400) expect_text(reply, "data.0.transfer", "");
    expect_problem(get("/api/v1/accounts/%s/statement?colour=red", account), 400,
                   "invalid-request");
}

Test(statements, a_long_one_lets_others_through_while_it_is_read)
{
    unsigned status = 0, steps = 0;
    char target[200];

    make_account();
    for (unsigned i = 0; i < 3000; i++) move(1 + i, 1);
    snprintf(target, sizeof target, "/api/v1/accounts/%s/statement?by=effective&sort=-time&limit=5",
             account);
    platform_send(
        platform,
        &(struct platform_request){.service = "account", .method = "GET", .target = target}, on_csv,
        &status);
    csv_lines = 0;
    while (platform_step(platform)) steps++;
    cr_assert_gt(steps, 3000 / 256);
    sort(true);
    expect_pages("&by=effective&sort=-time", 1000, true, 0, movement_count);
}

Test(statements, amounts_beyond_what_the_api_can_show_are_not_shown_wrong)
{
    make_account();
    book_transfer(system_bank(), id_of(account), INT64_MAX, 1, TRANSFER_CODE_BULK, 0);
    expect_problem(get("/api/v1/accounts/%s/statement", account), 422, "amount-too-large");
    expect_text(get("/api/v1/accounts/%s", account), "balances.posted", "");
    expect_status(get("/api/v1/accounts/%s", account), 200);
}

Test(statements, an_account_without_movements_has_an_empty_one)
{
    struct platform_reply *reply;

    make_account();
    reply = get("/api/v1/accounts/%s/statement", account);
    expect_status(reply, 200);
    cr_assert_str_eq(reply->body, "{\"data\":[],\"next\":null}");
    cr_assert_str_eq(reply->content_type, "application/json");
}
