/* Dead letters over HTTP: what the balance service could not apply, seen, applied and dropped. */
#include "account/given.h"

#include "account/service.h"
#include "balance/service.h"
#include "payment/service.h"
#include "wire/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct service *const given_services[] = {&account_service, &balance_service,
                                                &payment_service, NULL};

TestSuite(dead_letters, .init = given_platform, .fini = given_end);

/* --- poison --- */

static void published(struct bus_record *record, enum outcome outcome, const struct error *err)
{
    cr_assert_eq(outcome, OUTCOME_DONE, "%s", err != NULL ? err->message : "");
    free((void *)record->value);
    free(record);
}

static void publish(struct uuid key, struct buffer *text)
{
    struct bus *bus = process_bus(platform_process(platform));
    struct bus_record *record = need_memory(sizeof *record);

    *record = (struct bus_record){.topic = topic_find("micropay.account"),
                                  .key = key,
                                  .value = text->bytes,
                                  .length = text->length,
                                  .done = published};
    record->partition = topic_partition(record->topic, key);
    bus->ops->publish(bus, record);
    platform_run(platform);
}

static struct uuid account_of(unsigned number)
{
    return (struct uuid){{(uint8_t)number, [6] = 0x70, [8] = 0x80, [15] = 1}};
}

/* An account is open, as an account service of a later release would say it: in QQQ, a currency
 * that the balance service doesn't know. */
static void say(const char *tenant, unsigned account, uint64_t sequence, const char *currency)
{
    struct account_created_event data = {
        .account = {.uuid = account_of(account)}, .ledger = 7, .status = ACCOUNT_STATUS_ACTIVE};
    struct envelope envelope = {.major = 1, .time_ns = 1, .entity_version = sequence};
    struct buffer text = {0};

    envelope.id = envelope.subject = account_of(account);
    snprintf(data.currency.code, sizeof data.currency.code, "%s", currency);
    snprintf(envelope.tenant, sizeof envelope.tenant, "%s", tenant);
    strcpy(envelope.type, EVENT_TYPE(account_created)->name);
    snprintf(envelope.source, sizeof envelope.source, "/account/%u/test", account);
    envelope_print_head(envelope.source, sequence, 0, &text);
    envelope_print_body(&envelope, EVENT_TYPE(account_created), &data, &text);
    publish(account_of(account), &text);
}

static void say_nonsense(void)
{
    struct buffer text = {0};

    buffer_text(&text, "{\"tenant\":\"other\",\"secret\":\"of-other\"}");
    publish(account_of(99), &text);
}

/* --- asking --- */

static struct platform_reply *letters(const char *method, const char *caller, const char *rest)
{
    char target[400];

    snprintf(target, sizeof target, "/api/v1/dead-letters%s", rest);
    return ask(&(struct platform_request){
        .service = "balance", .method = method, .target = target, .caller = caller});
}

static struct platform_reply *replay_topic(const char *service, const char *reader,
                                           const char *topic)
{
    char body[160];

    snprintf(body, sizeof body, "{\"reader\":\"%s\",\"topic\":\"%s\"}", reader, topic);
    return ask(&(struct platform_request){
        .service = service, .method = "POST", .target = "/api/v1/replay", .body = body});
}

static unsigned rows_of(const struct platform_reply *reply)
{
    return (unsigned)cJSON_GetArraySize(cJSON_GetObjectItem(reply->json, "data"));
}

static unsigned count_of(const struct platform_reply *reply, const char *name)
{
    return (unsigned)cJSON_GetNumberValue(cJSON_GetObjectItem(reply->json, name));
}

/* The cause is gone: the text that is parked names a currency that there is. */
static void mend(unsigned number)
{
    static const struct store_statement update = {
        "mend", "UPDATE parked SET value = CAST(REPLACE(CAST(value AS TEXT), 'QQQ', 'EUR') AS BLOB)"
                " WHERE number = $1"};
    struct store_value argument = store_integer(number);
    struct store *store = process_store(platform_process(platform), "balance");
    struct error err = {0};

    cr_assert_eq(store_begin(store, &err), OUTCOME_DONE, "%s", err.message);
    cr_assert_eq(store_exec(store, &update, &argument, 1, 1, &err), OUTCOME_DONE, "%s",
                 err.message);
    cr_assert_eq(store_commit(store, &err), OUTCOME_DONE, "%s", err.message);
}

/* --- the tests --- */

Test(dead_letters, what_could_not_be_applied_is_listed_and_shown)
{
    struct platform_reply *reply;

    cr_assert_eq(rows_of(letters("GET", NULL, "")), 0);
    say("main", 1, 1, "QQQ");
    say("main", 1, 2, "EUR");
    reply = letters("GET", NULL, "");
    expect_status(reply, 200);
    cr_assert_eq(rows_of(reply), 2, "%s", reply->body);
    expect_text(reply, "data.0.number", "1");
    expect_text(reply, "data.0.reader", "balance");
    expect_text(reply, "data.0.type", "account.created");
    expect_text(reply, "data.0.reason", "invalid-request");
    expect_text(reply, "data.1.reason", "conflict");
    reply = letters("GET", NULL, "/1");
    expect_status(reply, 200);
    expect_text(reply, "content.data.currency", "QQQ");
    expect_problem(letters("GET", NULL, "/3"), 404, "not-found");
    expect_problem(letters("GET", NULL, "/x"), 404, "not-found");
}

Test(dead_letters, a_list_goes_on_page_by_page)
{
    char query[300];
    struct platform_reply *reply;

    for (unsigned i = 1; i <= 120; i++) say(i % 2 ? "other" : "main", i, 1, "QQQ");
    reply = letters("GET", NULL, "?limit=40");
    cr_assert_eq(rows_of(reply), 40);
    snprintf(query, sizeof query, "?limit=40&cursor=%s", reply_text(reply, "next"));
    reply = letters("GET", NULL, query);
    cr_assert_eq(rows_of(reply), 20);
    expect_text(reply, "data.0.number", "82");
    expect_text(reply, "next", "");
}

Test(dead_letters, they_are_applied_once_the_cause_is_gone_as_far_as_it_is)
{
    struct platform_reply *reply;

    say("main", 1, 1, "QQQ");
    say("main", 1, 2, "EUR");
    say("main", 1, 3, "QQQ");
    reply = letters("POST", NULL, "/2/replay");
    expect_problem(reply, 409, "event-refused");
    expect_text(reply, "replayed.refused", "1");
    mend(1);
    reply = letters("POST", NULL, "/2/replay");
    expect_problem(reply, 409, "event-refused");
    expect_text(reply, "replayed.first", "1");
    expect_text(reply, "replayed.last", "2");
    expect_text(reply, "replayed.refused", "3");
    cr_assert_eq(rows_of(letters("GET", NULL, "")), 1);
    mend(3);
    reply = letters("POST", NULL, "/3/replay");
    expect_status(reply, 200);
    cr_assert_eq(count_of(reply, "applied"), 1);
    cr_assert_eq(count_of(reply, "waiting"), 0);
    cr_assert_eq(rows_of(letters("GET", NULL, "")), 0);
    expect_problem(letters("POST", NULL, "/3/replay"), 404, "not-found");
}

Test(dead_letters, dropping_one_leaves_those_behind_it)
{
    struct platform_reply *reply;

    say("main", 1, 1, "QQQ");
    say("main", 1, 2, "EUR");
    reply = letters("POST", NULL, "/1/drop");
    expect_status(reply, 200);
    cr_assert_eq(count_of(reply, "waiting"), 1);
    expect_problem(letters("POST", NULL, "/1/drop"), 404, "not-found");
    expect_status(letters("POST", NULL, "/2/replay"), 200);
    cr_assert_eq(rows_of(letters("GET", NULL, "")), 0);
}

Test(dead_letters, another_tenant_or_mode_sees_and_reaches_none)
{
    static const char *const strangers[] = {"other test", "main live"};

    say("main", 1, 1, "QQQ");
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(rows_of(letters("GET", strangers[i], "")), 0);
        expect_problem(letters("GET", strangers[i], "/1"), 404, "not-found");
        expect_problem(letters("POST", strangers[i], "/1/replay"), 404, "not-found");
        expect_problem(letters("POST", strangers[i], "/1/drop"), 404, "not-found");
    }
    cr_assert_eq(rows_of(letters("GET", NULL, "")), 1);
}

Test(dead_letters, a_key_without_the_scope_is_refused)
{
    static const char plain[] = "main test payments:read payments:write balances:read";

    say("main", 1, 1, "QQQ");
    expect_problem(letters("GET", plain, ""), 403, "forbidden");
    expect_problem(letters("GET", plain, "/1"), 403, "forbidden");
    expect_problem(letters("POST", plain, "/1/replay"), 403, "forbidden");
    expect_problem(letters("POST", plain, "/1/drop"), 403, "forbidden");
    expect_problem(ask(&(struct platform_request){
                       .service = "balance",
                       .method = "POST",
                       .target = "/api/v1/replay",
                       .caller = plain,
                       .body = "{\"reader\":\"balance\",\"topic\":\"micropay.account\"}"}),
                   403, "forbidden");
}

Test(dead_letters, what_is_no_event_is_listed_without_its_text)
{
    struct platform_reply *reply;

    say_nonsense();
    reply = letters("GET", NULL, "");
    cr_assert_eq(rows_of(reply), 1, "%s", reply->body);
    cr_assert_null(strstr(reply->body, "of-other"));
    reply = letters("GET", NULL, "/1");
    expect_status(reply, 200);
    cr_assert(cJSON_IsFalse(cJSON_GetObjectItem(reply->json, "readable")));
    cr_assert_null(strstr(reply->body, "of-other"));
    expect_problem(letters("POST", NULL, "/1/replay"), 409, "event-refused");
    expect_status(letters("POST", NULL, "/1/drop"), 200);
}

Test(dead_letters, only_a_reader_that_acts_on_nothing_reads_a_topic_again)
{
    const char *account = open_account("a", "EUR");
    char target[100];

    expect_status(replay_topic("balance", "balance", "micropay.account"), 202);
    platform_pass(platform, SECOND);
    snprintf(target, sizeof target, "/api/v1/balances/%s", account);
    expect_status(ask(&(struct platform_request){.service = "balance", .target = target}), 200);
    expect_problem(replay_topic("balance", "balance", "micropay.payment"), 404, "not-found");
    expect_problem(replay_topic("balance", "balance", "nonsense"), 404, "not-found");
    expect_problem(replay_topic("payment", "payment", "micropay.account"), 403, "forbidden");
}
