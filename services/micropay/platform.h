/*
 * The platform as verbs see it: where its services are, who asks, requests and answers.
 *
 * Addresses stand in the data directory of `micropay up` (addresses), as does the key of test mode
 * (test-key); --url or MICROPAY_URL, and MICROPAY_KEY, go before them. All on one thread; a verb
 * has one platform.
 */
#ifndef COMMAND_PLATFORM_H
#define COMMAND_PLATFORM_H

#include "command.h"

#include "http/http.h"

#include <cjson/cJSON.h>

enum { PLATFORM_NAMES_MAX = 8 };

struct platform {
    struct command *command;
    const char *data; /* directory of micropay up */
    const char *url;  /* of all services; NULL: as the data directory says */
    char *addresses;  /* what it says: "NAME URL" lines */
    char key[80];     /* API key */
    struct loop *loop;
    struct http_client *client;
    struct {
        char id[37], name[80];
    } names[PLATFORM_NAMES_MAX]; /* of accounts, for messages */
    unsigned name_count;
};

/* A request; texts are lent until it is answered. */
struct request {
    const char *service;
    enum http_method method;
    const char *path;       /* with its query */
    const char *key;        /* Idempotency-Key; NULL = none */
    const char *body;       /* JSON; NULL = none */
    const char *headers[3]; /* more, "Name: value", NULL-ended */
    uint64_t timeout_ms;    /* 0 = 40 s */
};

/* An answer. */
struct reply {
    unsigned status; /* 0: none came, `why` says why */
    bool replayed;   /* it was done before, by a request with the same key */
    char *body;
    cJSON *json; /* NULL if it isn't JSON */
    char why[192];
};
void reply_done(struct reply *reply);
void reply_copy(const struct reply *reply, struct reply *out);
static inline bool reply_is_good(const struct reply *reply)
{
    return reply->status >= 200 && reply->status < 300;
}
/* A member of an answer as text, by a path such as "payment.status"; "" if it isn't there. Lent
 * from the answer. */
const char *reply_text(const struct reply *reply, const char *path);
const char *json_member(const cJSON *json, const char *path);

/* Finds out where the platform is; says so if it can't. */
enum exit_status platform_open(struct command *command, struct platform *out);
/* The same for a data directory, whatever the command line and the environment say. */
enum exit_status platform_open_at(struct command *command, const char *data, struct platform *out);
/* Reads again where it is: it was started anew. */
void platform_again(struct platform *platform);
void platform_close(struct platform *platform);
/* In test mode: wallets may be made and filled at will. */
bool platform_is_test(const struct platform *platform);

/* The address of a service, without a path; copied. False if it isn't known. */
bool platform_address(const struct platform *platform, const char *service, char *out, size_t size);
/* Sends; `done` is called once by platform_run(), with an answer that is lent. */
void platform_send(struct platform *platform, const struct request *request,
                   void (*done)(void *context, const struct reply *reply), void *context);
/* Runs until platform_stop(). */
void platform_run(struct platform *platform);
void platform_stop(struct platform *platform);

/* Sends and waits. EXIT_DONE: a good answer. EXIT_REFUSED, EXIT_LEDGER: a problem, or none came;
 * said already. *out is to be emptied by reply_done() in any case. */
enum exit_status platform_ask(struct platform *platform, const struct request *request,
                              struct reply *out);
/* The same, but nothing is said. */
enum exit_status platform_try(struct platform *platform, const struct request *request,
                              struct reply *out);
/* Says what a problem says; returns the exit status that it comes to. */
enum exit_status platform_refused(const struct platform *platform, const struct reply *reply);

/* Remembers what an account is called, and says it: an id that isn't known is its own name. */
void platform_remember(struct platform *platform, const char *id, const char *name);
const char *platform_name(const struct platform *platform, const char *id);

/* 128 random bits as text, for keys. */
void platform_random(struct platform *platform, char out[33]);
/* A request as a curl command that does the same. */
void platform_curl(struct platform *platform, const struct request *request, struct text *out);

#endif
