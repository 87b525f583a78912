/*
 * What is sent, and whether the answers are right: payments between wallets, or batches of
 * transfers. One thread.
 */
#ifndef BENCH_TRAFFIC_H
#define BENCH_TRAFFIC_H

#include "clients.h"

#include <micropay/types.h>

enum { TRAFFIC_PROBLEMS_MAX = 32 };

struct wallet {
    char text[37];
    mp_id id;
    int64_t net; /* what right answers have moved into it, minor units */
};

struct traffic_config {
    const char *key;  /* of the API */
    const char *path; /* NULL: that of the kind */
    struct wallet *wallets;
    unsigned wallet_count;
    unsigned wait_s;
    uint32_t ledger;      /* batches: number of the wallets' books */
    unsigned batch_count; /* batches: transfers in each */
    uint64_t seed;        /* of keys and ids: another one each run */
};

/* Answers that weren't right, by what they said. */
struct traffic_problem {
    char name[96];
    uint64_t count;
};

struct traffic {
    struct traffic_config config;
    uint64_t random[2];
    uint64_t right, moved; /* answers; minor units */
    struct traffic_problem problems[TRAFFIC_PROBLEMS_MAX];
    unsigned problem_count;
    struct { /* by tag: what was asked of the payments under way */
        uint32_t payer, payee, cents;
    } * asked;
    size_t asked_room;
};

/* A kind of traffic. */
struct traffic_kind {
    const char *name;
    unsigned items; /* that a request has; 0 = batch_count */
    /* Makes the request of that number. */
    void (*send)(struct traffic *traffic, struct clients *clients, uint64_t number);
    /* Whether the answer is right; else it is counted as a problem. */
    bool (*check)(struct traffic *traffic, const struct client_answer *answer);
};
extern const struct traffic_kind traffic_payments, traffic_bulk_binary, traffic_bulk_json;

void traffic_begin(struct traffic *traffic, const struct traffic_config *config);
void traffic_end(struct traffic *traffic);
/* Counts an answer that wasn't right, by its problem type, else as `what`. Returns false. */
bool traffic_problem(struct traffic *traffic, const struct client_answer *answer, const char *what);
uint64_t traffic_problem_count(const struct traffic *traffic);
uint64_t traffic_random(struct traffic *traffic);

#endif
