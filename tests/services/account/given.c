#include "account/given.h"

#include "bus/events.h"
#include "ledger/ids.h"
#include "wire/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct platform *platform;

void given_platform(void)
{
    static const char *const sets[] = {"payment.fraud_policy=allow", "payment.fraud_timeout_ms=50",
                                       NULL};
    struct platform_options options = {.services = given_services, .sets = sets, .seed = 1};

    platform = platform_make(&options);
}

void given_end(void) { platform_free(platform); }

const char *keep_text(const char *text)
{
    static char kept[32][256];
    static unsigned turn;
    char *to = kept[turn++ % 32];

    snprintf(to, sizeof kept[0], "%s", text);
    return to;
}

/* --- requests --- */

struct platform_reply *ask(const struct platform_request *request)
{
    struct platform_request copy = *request;

    if (copy.service == NULL) copy.service = "account";
    if (copy.method == NULL) copy.method = "GET";
    return platform_call(platform, &copy);
}

#define TARGET(format)                                                                             \
    char target[1024];                                                                             \
    va_list list;                                                                                  \
    va_start(list, format);                                                                        \
    vsnprintf(target, sizeof target, format, list);                                                \
    va_end(list)

struct platform_reply *get(const char *format, ...)
{
    TARGET(format);
    return ask(&(struct platform_request){.target = target});
}

struct platform_reply *post(const char *key, const char *body, const char *format, ...)
{
    TARGET(format);
    return ask(
        &(struct platform_request){.method = "POST", .target = target, .key = key, .body = body});
}

struct platform_reply *put(const char *body, const char *format, ...)
{
    TARGET(format);
    return ask(&(struct platform_request){.method = "PUT", .target = target, .body = body});
}

/* --- answers --- */

void expect_status(const struct platform_reply *reply, unsigned status)
{
    cr_assert_eq(reply->status, status, "%u instead of %u: %s", reply->status, status,
                 reply->body != NULL ? reply->body : "");
}

void expect_text(const struct platform_reply *reply, const char *path, const char *value)
{
    cr_assert_str_eq(reply_text(reply, path), value, "%s is \"%s\" instead of \"%s\": %s", path,
                     reply_text(reply, path), value, reply->body);
}

void expect_problem(const struct platform_reply *reply, unsigned status, const char *type)
{
    char url[128];

    expect_status(reply, status);
    snprintf(url, sizeof url, "https://micropay.dev/problems/%s", type);
    expect_text(reply, "type", url);
}

/* --- money --- */

const char *open_account(const char *key, const char *currency)
{
    char body[64];
    struct platform_reply *reply;

    snprintf(body, sizeof body, "{\"currency\":\"%s\"}", currency);
    reply = post(key, body, "/api/v1/accounts");
    expect_status(reply, 201);
    return keep_text(reply_text(reply, "id"));
}

void deposit(const char *account, const char *amount, const char *currency)
{
    static unsigned number;
    char key[32], body[96];

    snprintf(key, sizeof key, "deposit-%u", ++number);
    snprintf(body, sizeof body, "{\"amount\":\"%s\",\"currency\":\"%s\"}", amount, currency);
    expect_status(post(key, body, "/api/v1/accounts/%s/deposits", account), 201);
}

void pay(const char *payer, const char *payee, const char *amount, const char *currency)
{
    static unsigned number;
    char key[32], body[256];
    struct platform_reply *reply;

    snprintf(key, sizeof key, "pay-%u", ++number);
    snprintf(body, sizeof body,
             "{\"payer\":\"%s\",\"payee\":\"%s\",\"amount\":\"%s\",\"currency\":\"%s\"}", payer,
             payee, amount, currency);
    reply = ask(&(struct platform_request){.service = "payment",
                                           .method = "POST",
                                           .target = "/api/v1/payments",
                                           .key = key,
                                           .body = body});
    expect_status(reply, 201);
    expect_text(reply, "status", "completed");
}

static mp_ledger *ledger(void) { return process_ledger(platform_process(platform)); }

static mp_id id_of(const char *account)
{
    struct uuid uuid;

    cr_assert(uuid_read(account, &uuid), "\"%s\" is no id", account);
    return id_of_uuid(uuid);
}

int64_t ledger_balance(const char *account)
{
    mp_balance balance;

    cr_assert_eq(mp_read_balance(ledger(), id_of(account), &balance), MP_OK);
    return (int64_t)balance.credits_posted - (int64_t)balance.debits_posted;
}

int ledger_flags(const char *account)
{
    mp_id id = id_of(account);
    mp_account found;
    uint32_t count;

    cr_assert_eq(mp_lookup_accounts(ledger(), &id, 1, &found, &count), MP_OK);
    return count == 1 ? found.flags : -1;
}

unsigned ledger_wallets(void)
{
    static mp_account accounts[MP_BATCH_MAX];
    mp_query_filter filter = {.code = ACCOUNT_CODE_WALLET, .limit = MP_BATCH_MAX};
    uint32_t count = 0;

    cr_assert_eq(mp_query_accounts(ledger(), &filter, accounts, &count), MP_OK);
    return count;
}

/* --- events --- */

const char *never_told;

/* What was read of a source in a partition, as a consumer's inbox keeps it. */
struct lane {
    char source[SOURCE_MAX + 1];
    unsigned partition;
    uint64_t sequence;
};

struct reading {
    struct bus_reader reader;
    void (*each)(void *context, const struct event *event);
    void *context;
    struct lane lanes[512];
    unsigned lane_count;
};

/* Events come at least once: a repeat has a sequence that isn't greater. None may be missing. */
static bool is_repeat(struct reading *reading, unsigned partition, const struct envelope *envelope)
{
    struct lane *lane = reading->lanes, *end = lane + reading->lane_count;

    while (lane < end &&
           (lane->partition != partition || strcmp(lane->source, envelope->source) != 0))
        lane++;
    if (lane == end) {
        cr_assert_lt(reading->lane_count++, 512);
        *lane = (struct lane){.partition = partition};
        snprintf(lane->source, sizeof lane->source, "%s", envelope->source);
    }
    if (envelope->sequence <= lane->sequence) return true;
    cr_assert_leq(envelope->prev, lane->sequence, "an event of %s is missing", envelope->source);
    lane->sequence = envelope->sequence;
    return false;
}

static void position_failed(void *context, const struct topic *topic, unsigned partition,
                            const struct error *err)
{
    (void)context;
    cr_assert(false, "%s/%u: %s", topic->name, partition, err->message);
}

static uint64_t from_the_start(void *context, const struct topic *topic, unsigned partition)
{
    (void)context;
    (void)topic;
    (void)partition;
    return 0;
}

static void on_records(void *context, const struct bus_message *messages, unsigned count)
{
    struct reading *reading = context;

    for (unsigned i = 0; i < count; i++) {
        cr_assert_not_null(messages[i].event);
        if (never_told != NULL)
            cr_assert_null(
                memmem(messages[i].value, messages[i].length, never_told, strlen(never_told)));
        if (!is_repeat(reading, messages[i].partition, &messages[i].event->envelope))
            reading->each(reading->context, messages[i].event);
    }
    bus_ready(process_bus(platform_process(platform)), &reading->reader);
}

void read_events(const struct topic *topic, void (*each)(void *context, const struct event *event),
                 void *context)
{
    static struct reading reading;
    const struct topic *read[] = {topic, NULL};
    struct bus *bus = process_bus(platform_process(platform));
    struct error err = {0};

    memset(&reading, 0, sizeof reading);
    reading.reader = (struct bus_reader){
        .group = "test",
        .topics = read,
        .position = from_the_start,
        .records = on_records,
        .failed = position_failed,
        .context = &reading,
    };
    reading.each = each;
    reading.context = context;
    cr_assert_eq(bus_join(bus, &reading.reader, &err), OUTCOME_DONE, "%s", err.message);
    platform_pass(platform, SECOND / 10);
    bus_leave(bus, &reading.reader);
}

struct telling {
    const char *account; /* NULL = of all */
    uint64_t version;
    struct buffer text;
};

static void add_told(void *context, const struct event *event)
{
    struct telling *telling = context;
    char id[UUID_TEXT + 1];
    cJSON *json;
    const char *status, *frozen;
    struct buffer text = {0};

    uuid_print(event->envelope.subject, id);
    if (telling->account != NULL && strcmp(telling->account, id) != 0) return;
    record_print(event->type->record, event->data, &text);
    json = cJSON_Parse(buffer_str(&text));
    status = cJSON_GetStringValue(cJSON_GetObjectItem(json, "status"));
    frozen = cJSON_GetStringValue(cJSON_GetObjectItem(json, "frozen"));
    buffer_format(&telling->text, "%s%s %s%s%s", telling->text.length > 0 ? "; " : "",
                  event->envelope.type + strlen("account."), status != NULL ? status : "",
                  frozen != NULL ? " " : "", frozen != NULL ? frozen : "");
    if (telling->account != NULL) cr_assert_gt(event->envelope.entity_version, telling->version);
    telling->version = event->envelope.entity_version;
    cJSON_Delete(json);
    buffer_done(&text);
}

const char *told(const char *account)
{
    static struct telling telling;

    buffer_clear(&telling.text);
    telling = (struct telling){.account = account, .text = telling.text};
    read_events(&topics[TOPIC_account], add_told, &telling);
    return buffer_str(&telling.text);
}

/* --- death --- */

static void on_answer(void *context, const struct http_memory_reply *reply)
{
    *(unsigned *)context = reply->status;
}

bool dies_after(unsigned steps, const struct platform_request *request, unsigned *status)
{
    *status = 0;
    platform_send(platform, request, on_answer, status);
    for (unsigned i = 0; i < steps; i++) {
        if (platform_step(platform)) continue;
        if (*status != 0) return false;
        platform_pass(platform, SECOND / 100);
    }
    platform_crash(platform);
    return true;
}
