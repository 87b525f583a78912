/*
 * A platform for tests: the services that a test names, in one process on the deterministic loop,
 * beside the real engine on a simulated disk. Tests speak HTTP to it, move time, and kill it.
 *
 * Callers are made by the header "Authorization: TENANT MODE [SCOPES]", such as "main test": a key
 * of that tenant with all scopes, or those that are named.
 */
#ifndef TESTS_SUPPORT_PLATFORM_H
#define TESTS_SUPPORT_PLATFORM_H

#include "runtime/process.h"
#include "sim_env.h"
#include "support/http_memory.h"
#include "support/test_loop.h"

#include <cjson/cJSON.h>

struct platform_options {
    const struct service *const *services; /* NULL-ended */
    const char *const *sets; /* "payment.fraud_policy=allow"; NULL-ended; may be NULL */
    uint64_t seed;
    bool shuffle; /* tasks run in an order drawn by the seed */
};

struct platform;

struct platform *platform_make(const struct platform_options *options);
void platform_free(struct platform *platform);
/* The process dies; a new one opens what it left. Requests under way get no answer. */
void platform_crash(struct platform *platform);
/* Where it keeps its databases. */
const char *platform_directory(const struct platform *platform);
struct loop *platform_loop(struct platform *platform);
struct process *platform_process(struct platform *platform);
/* Does one thing: a task, a timer that is due, a step of the ledger. False if there was nothing. A
 * process can die between any two. */
bool platform_step(struct platform *platform);
/* Runs all that is to do at this instant. */
void platform_run(struct platform *platform);
/* Lets time pass on all clocks. */
void platform_pass(struct platform *platform, uint64_t ns);

/* An answer; valid until the next call. */
struct platform_reply {
    unsigned status; /* 0: none came */
    char *body;
    cJSON *json; /* NULL if the body isn't JSON */
    char location[128], sequence[48], replayed[8], content_type[64];
};

struct platform_request {
    const char *service, *method, *target;
    const char *body;   /* NULL = none */
    const char *key;    /* Idempotency-Key */
    const char *caller; /* NULL = "main test" */
    const char *header; /* one more, "Name: value" */
};

/* Sends a request and runs until it is answered, letting time pass while nothing else is to do. */
struct platform_reply *platform_call(struct platform *platform,
                                     const struct platform_request *request);
/* Sends a request; the answer is told when it comes. */
void platform_send(struct platform *platform, const struct platform_request *request,
                   http_memory_on_answer on_answer, void *context);

/* A member of an answer as text: "status", "payment.status", "data.0.id"; "" if it isn't there. */
const char *reply_text(const struct platform_reply *reply, const char *path);

#endif
