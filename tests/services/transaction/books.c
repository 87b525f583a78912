/* Books and bulk requests for tests. */
#include "transaction/books.h"

#include "wire/batch.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct books main_test = {"main", false}, main_live = {"main", true},
                   other_test = {"other", false};

static mp_ledger *ledger(void) { return process_ledger(platform_process(platform)); }

uint32_t number_of(const struct books *books, const char *currency)
{
    return ledger_number(books, currency, 0);
}

mp_id bank_of(const struct books *books, const char *currency)
{
    return system_account(books, currency, ACCOUNT_CODE_BANK, (struct uuid){{0}});
}

void make_books(const struct books *books, const char *currency)
{
    struct chain chain;
    mp_result results[CHAIN_MAX];

    chain_of_books(books, currency, number_of(books, currency), &chain);
    cr_assert_eq(mp_create_accounts(ledger(), chain.events.accounts, chain.count, results), MP_OK);
}

void make_accounts(mp_id first, unsigned count, uint32_t number, uint16_t flags)
{
    for (unsigned i = 0; i < count; i++) {
        mp_account account = {
            .id = first + i, .ledger = number, .code = ACCOUNT_CODE_WALLET, .flags = flags};
        mp_result result;

        cr_assert_eq(mp_create_accounts(ledger(), &account, 1, &result), MP_OK);
        cr_assert_eq(result.result, MP_CREATED);
    }
}

mp_balance balance_of(mp_id account)
{
    mp_balance balance;

    cr_assert_eq(mp_read_balance(ledger(), account, &balance), MP_OK);
    return balance;
}

uint64_t ledger_sequence(void)
{
    mp_stats stats;

    mp_read_stats(ledger(), &stats);
    return stats.sequence;
}

/* --- bodies --- */

static void print_wide(struct buffer *out, const char *name, mp_u128 number)
{
    char digits[39];
    size_t at = sizeof digits;

    if (number == 0) return;
    do {
        digits[--at] = (char)('0' + (unsigned)(number % 10));
        number /= 10;
    } while (number > 0);
    buffer_format(out, ",\"%s\":\"%.*s\"", name, (int)(sizeof digits - at), digits + at);
}

char *json_of(const mp_transfer *transfers, uint32_t count)
{
    struct buffer out = {0};

    buffer_char(&out, '[');
    for (uint32_t i = 0; i < count; i++) {
        const mp_transfer *t = &transfers[i];

        buffer_format(&out, "%s{\"flags\":%u", i > 0 ? "," : "", t->flags);
        print_wide(&out, "id", t->id);
        print_wide(&out, "debit_account_id", t->debit_account_id);
        print_wide(&out, "credit_account_id", t->credit_account_id);
        print_wide(&out, "amount", t->amount);
        print_wide(&out, "pending_id", t->pending_id);
        print_wide(&out, "user_data_128", t->user_data_128);
        print_wide(&out, "user_data_64", t->user_data_64);
        buffer_format(&out,
                      ",\"user_data_32\":%u,\"timeout\":%u,\"ledger\":%u,\"code\":%u,"
                      "\"timestamp\":\"%llu\"}",
                      t->user_data_32, t->timeout, t->ledger, t->code,
                      (unsigned long long)t->timestamp);
    }
    buffer_char(&out, ']');
    return out.bytes;
}

char *binary_of(const mp_transfer *transfers, uint32_t count, size_t *length)
{
    struct {
        char magic[4];
        uint16_t version, kind;
        uint32_t count, reserved;
    } head = {{'M', 'P', 'B', 'T'}, 1, 1, count, 0};
    struct buffer out = {0};

    buffer_add(&out, &head, sizeof head);
    buffer_add(&out, transfers, count * sizeof *transfers);
    *length = out.length;
    return out.bytes;
}

/* --- requests --- */

struct got {
    struct platform_reply reply;
    size_t length;
    bool answered;
};
static struct got got;

static void on_answer(void *context, const struct http_memory_reply *reply)
{
    const char *sequence = http_memory_reply_header(reply, "Micropay-Sequence");
    const char *type = http_memory_reply_header(reply, "Content-Type");

    (void)context;
    got.answered = true;
    got.reply.status = reply->status;
    got.reply.body = need_memory(reply->length + 1);
    memcpy(got.reply.body, reply->body, reply->length);
    got.length = reply->length;
    got.reply.json = cJSON_Parse(got.reply.body);
    snprintf(got.reply.sequence, sizeof got.reply.sequence, "%s", sequence != NULL ? sequence : "");
    snprintf(got.reply.content_type, sizeof got.reply.content_type, "%s", type != NULL ? type : "");
}

struct platform_reply *bulk_body(const char *caller, const char *type, const void *body,
                                 size_t length)
{
    char authorization[128], content_type[96];
    const char *headers[] = {authorization, content_type, NULL};

    cJSON_Delete(got.reply.json);
    free(got.reply.body);
    memset(&got, 0, sizeof got);
    snprintf(authorization, sizeof authorization, "Authorization: %s",
             caller != NULL ? caller : "main test");
    snprintf(content_type, sizeof content_type, "Content-Type: %s", type);
    http_memory_call_bytes(process_router(platform_process(platform), "transaction"),
                           platform_loop(platform), "POST", "/api/v1/transactions", headers, body,
                           length, on_answer, NULL);
    platform_run(platform);
    cr_assert(got.answered);
    return &got.reply;
}

static uint32_t result_number(const char *name)
{
    if (strcmp(name, "created") == 0) return MP_CREATED;
#define MP_X(NAME, result, number, binds)                                                          \
    if (strcmp(name, #result) == 0) return number;
    MP_TRANSFER_RESULTS(MP_X)
#undef MP_X
    cr_assert(false, "there is no result %s", name);
    return 0;
}

void bulk_json(const char *caller, const mp_transfer *transfers, uint32_t count, mp_result *results)
{
    char *body = json_of(transfers, count);
    struct platform_reply *reply = bulk_body(caller, "application/json", body, strlen(body));
    const cJSON *rows, *row;
    uint32_t i = 0;

    free(body);
    expect_status(reply, 200);
    cr_assert_str_eq(reply->content_type, "application/json");
    rows = cJSON_GetObjectItem(reply->json, "results");
    cr_assert_eq(cJSON_GetArraySize(rows), (int)count);
    cJSON_ArrayForEach(row, rows)
    {
        const char *bound = cJSON_GetStringValue(cJSON_GetObjectItem(row, "bound"));

        cr_assert_eq(cJSON_GetObjectItem(row, "index")->valueint, (int)i);
        results[i++] = (mp_result){
            .result = result_number(cJSON_GetStringValue(cJSON_GetObjectItem(row, "result"))),
            .bound_code = bound != NULL ? result_number(bound) : 0,
            .timestamp =
                strtoull(cJSON_GetStringValue(cJSON_GetObjectItem(row, "timestamp")), NULL, 10),
            .sequence =
                strtoull(cJSON_GetStringValue(cJSON_GetObjectItem(row, "sequence")), NULL, 10),
        };
    }
}

void bulk_binary(const char *caller, const mp_transfer *transfers, uint32_t count,
                 mp_result *results)
{
    size_t length;
    char *body = binary_of(transfers, count, &length);
    struct platform_reply *reply = bulk_body(caller, BATCH_MEDIA_TYPE, body, length);

    free(body);
    expect_status(reply, 200);
    cr_assert_str_eq(reply->content_type, BATCH_MEDIA_TYPE);
    cr_assert_eq(got.length, BATCH_HEAD + count * sizeof *results);
    memcpy(results, reply->body + BATCH_HEAD, count * sizeof *results);
}

mp_transfer euros(mp_id id, mp_id debit, mp_id credit, mp_amount amount)
{
    return (mp_transfer){
        .id = id,
        .debit_account_id = debit,
        .credit_account_id = credit,
        .amount = amount,
        .ledger = number_of(&main_test, "EUR"),
        .code = TRANSFER_CODE_BULK,
    };
}

struct platform_reply *see(const char *caller, const char *format, ...)
{
    char target[1024];
    va_list list;

    va_start(list, format);
    vsnprintf(target, sizeof target, format, list);
    va_end(list);
    return ask(
        &(struct platform_request){.service = "transaction", .target = target, .caller = caller});
}
