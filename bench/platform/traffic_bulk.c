/* Batches of transfers of 1 minor unit to 9.99 between wallets, binary or JSON. */
#include "traffic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_MAX = 512, BATCH_HEAD = 16, JSON_TRANSFER_MAX = 240 };

static const char default_path[] = "/api/v1/transactions";

static mp_transfer draw(struct traffic *traffic, uint64_t number, unsigned index)
{
    const struct traffic_config *config = &traffic->config;
    uint64_t drawn = traffic_random(traffic);
    uint32_t debit = (uint32_t)(drawn >> 32) % config->wallet_count,
             credit =
                 (debit + 1 + (uint32_t)drawn % (config->wallet_count - 1)) % config->wallet_count;
    mp_transfer transfer = {
        .id = (mp_id)config->seed << 64 | (number * config->batch_count + index + 1),
        .debit_account_id = config->wallets[debit].id,
        .credit_account_id = config->wallets[credit].id,
        .amount = 1 + (uint32_t)(drawn >> 17) % 999,
        .ledger = config->ledger,
        .code = 1,
    };

    return transfer;
}

static size_t print_head(const struct traffic *traffic, char *out, const char *type, size_t length)
{
    const struct traffic_config *config = &traffic->config;

    return (size_t)snprintf(
        out, HEAD_MAX,
        "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n"
        "Content-Type: %s\r\nAccept: %s\r\nPrefer: return=minimal\r\nContent-Length: %zu\r\n\r\n",
        config->path != NULL ? config->path : default_path, config->key, type, type, length);
}

static void put32(char *out, uint32_t value) { memcpy(out, &value, sizeof value); }

static void send_binary(struct traffic *traffic, struct clients *clients, uint64_t number)
{
    unsigned count = traffic->config.batch_count;
    size_t length = BATCH_HEAD + (size_t)count * sizeof(mp_transfer), head;
    char *room = clients_room(clients, HEAD_MAX + length), *at;

    head = print_head(traffic, room, "application/vnd.micropay.batch", length);
    at = room + head;
    memcpy(at, "MPBT\1\0\1\0", 8);
    put32(at + 8, count);
    put32(at + 12, 0);
    for (unsigned i = 0; i < count; i++) {
        mp_transfer transfer = draw(traffic, number, i);

        memcpy(at + BATCH_HEAD + i * sizeof transfer, &transfer, sizeof transfer);
    }
    clients_send(clients, number, head + length);
}

/* Digits of a 128-bit number. */
static char *print_number(char *out, mp_u128 value)
{
    char digits[40];
    unsigned count = 0;

    do {
        digits[count++] = (char)('0' + (unsigned)(value % 10));
        value /= 10;
    } while (value != 0);
    while (count > 0) *out++ = digits[--count];
    return out;
}

static char *print_field(char *out, const char *name, mp_u128 value)
{
    out += sprintf(out, "%s", name);
    out = print_number(out, value);
    *out++ = '"';
    return out;
}

static void send_json(struct traffic *traffic, struct clients *clients, uint64_t number)
{
    unsigned count = traffic->config.batch_count;
    char *room = clients_room(clients, HEAD_MAX + 2 + (size_t)count * JSON_TRANSFER_MAX);
    char *body = room + HEAD_MAX, *at = body, head[HEAD_MAX];
    size_t length;

    *at++ = '[';
    for (unsigned i = 0; i < count; i++) {
        mp_transfer transfer = draw(traffic, number, i);

        if (i > 0) *at++ = ',';
        at = print_field(at, "{\"id\":\"", transfer.id);
        at = print_field(at, ",\"debit_account_id\":\"", transfer.debit_account_id);
        at = print_field(at, ",\"credit_account_id\":\"", transfer.credit_account_id);
        at = print_field(at, ",\"amount\":\"", transfer.amount);
        at += sprintf(at, ",\"ledger\":%u,\"code\":%u}", transfer.ledger, transfer.code);
    }
    *at++ = ']';
    length = print_head(traffic, head, "application/json", (size_t)(at - body));
    memcpy(room, head, length);
    memmove(room + length, body, (size_t)(at - body));
    clients_send(clients, number, length + (size_t)(at - body));
}

/* All transfers were made: nothing but that may be the answer. */
static bool check_binary(struct traffic *traffic, const struct client_answer *answer)
{
    unsigned count = traffic->config.batch_count;

    if (answer->status != 200 && answer->status != 201)
        return traffic_problem(traffic, answer, "no problem");
    if (answer->length != BATCH_HEAD + (size_t)count * sizeof(mp_result))
        return traffic_problem(traffic, answer, "not so many results");
    for (unsigned i = 0; i < count; i++) {
        mp_result result;

        memcpy(&result, answer->body + BATCH_HEAD + i * sizeof result, sizeof result);
        if (result.result != MP_CREATED) return traffic_problem(traffic, answer, "not all created");
    }
    traffic->right++;
    return true;
}

static bool check_json(struct traffic *traffic, const struct client_answer *answer)
{
    char text[48];

    if (answer->status != 200 && answer->status != 201)
        return traffic_problem(traffic, answer, "no problem");
    snprintf(text, sizeof text, "\"created\":%u,", traffic->config.batch_count);
    if (strstr(answer->body, text) == NULL)
        return traffic_problem(traffic, answer, "not all created");
    traffic->right++;
    return true;
}

const struct traffic_kind traffic_bulk_binary = {
    .name = "bulk-binary", .send = send_binary, .check = check_binary};
const struct traffic_kind traffic_bulk_json = {
    .name = "bulk-json", .send = send_json, .check = check_json};
