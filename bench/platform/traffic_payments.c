/* Payments between wallets, of 0.01 to 9.99 each, every one with a key of its own. */
#include "traffic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AMOUNT_TEXT = 8, REQUEST_MAX = 1024 };

/* Remembers what is asked; tags rise from 0. */
static void remember(struct traffic *traffic, uint64_t number, uint32_t payer, uint32_t payee,
                     uint32_t cents)
{
    if (number >= traffic->asked_room) {
        traffic->asked_room = traffic->asked_room > 0 ? 2 * traffic->asked_room : 4096;
        traffic->asked = realloc(traffic->asked, traffic->asked_room * sizeof *traffic->asked);
        if (traffic->asked == NULL) abort();
    }
    traffic->asked[number].payer = payer;
    traffic->asked[number].payee = payee;
    traffic->asked[number].cents = cents;
}

static void print_amount(uint32_t cents, char out[AMOUNT_TEXT])
{
    out[0] = (char)('0' + cents / 100);
    out[1] = '.';
    out[2] = (char)('0' + cents / 10 % 10);
    out[3] = (char)('0' + cents % 10);
    out[4] = '\0';
}

static void send_payment(struct traffic *traffic, struct clients *clients, uint64_t number)
{
    const struct traffic_config *config = &traffic->config;
    uint64_t drawn = traffic_random(traffic);
    uint32_t payer = (uint32_t)(drawn >> 32) % config->wallet_count,
             payee =
                 (payer + 1 + (uint32_t)drawn % (config->wallet_count - 1)) % config->wallet_count,
             cents = 1 + (uint32_t)(drawn >> 17) % 999;
    char *room = clients_room(clients, REQUEST_MAX), amount[AMOUNT_TEXT];
    int body_length = (int)strlen("{\"payer\":\"\",\"payee\":\"\",\"amount\":\"0.00\","
                                  "\"currency\":\"EUR\"}") +
                      72;
    int length;

    remember(traffic, number, payer, payee, cents);
    print_amount(cents, amount);
    length =
        snprintf(room, REQUEST_MAX,
                 "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n"
                 "Content-Type: application/json\r\nPrefer: wait=%u\r\n"
                 "Idempotency-Key: load-%016llx-%llu\r\nContent-Length: %d\r\n\r\n"
                 "{\"payer\":\"%s\",\"payee\":\"%s\",\"amount\":\"%s\",\"currency\":\"EUR\"}",
                 config->path != NULL ? config->path : "/api/v1/payments", config->key,
                 config->wait_s, (unsigned long long)config->seed, (unsigned long long)number,
                 body_length, config->wallets[payer].text, config->wallets[payee].text, amount);
    clients_send(clients, number, (size_t)length);
}

/* A member of the answer with its value, both as text; they stand in the answer's first part. */
static bool has(const struct client_answer *answer, const char *name, const char *value)
{
    char text[96];

    snprintf(text, sizeof text, "\"%s\":\"%s\"", name, value);
    return strstr(answer->body, text) != NULL;
}

static bool check_payment(struct traffic *traffic, const struct client_answer *answer)
{
    struct wallet *payer, *payee;
    uint32_t cents;
    char amount[AMOUNT_TEXT];

    if (answer->status != 201) return traffic_problem(traffic, answer, "no problem");
    payer = &traffic->config.wallets[traffic->asked[answer->tag].payer];
    payee = &traffic->config.wallets[traffic->asked[answer->tag].payee];
    cents = traffic->asked[answer->tag].cents;
    print_amount(cents, amount);
    if (!has(answer, "status", "completed"))
        return traffic_problem(traffic, answer, "not completed");
    if (!has(answer, "amount", amount) || !has(answer, "amount_captured", amount) ||
        !has(answer, "payer", payer->text) || !has(answer, "payee", payee->text))
        return traffic_problem(traffic, answer, "another payment");
    payer->net -= cents;
    payee->net += cents;
    traffic->right++;
    traffic->moved += cents;
    return true;
}

const struct traffic_kind traffic_payments = {
    .name = "payments", .items = 1, .send = send_payment, .check = check_payment};
