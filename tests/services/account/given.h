/* What the tests of the account and balance services share: a platform with accounts and payments,
 * requests in one line, and what is wrong with an answer in an assertion. */
#ifndef TESTS_SERVICES_ACCOUNT_GIVEN_H
#define TESTS_SERVICES_ACCOUNT_GIVEN_H

#include "bus/events.h"
#include "support/platform.h"

#include <criterion/criterion.h>

#define SECOND UINT64_C(1000000000)

extern struct platform *platform;

/* The services of a suite, NULL-ended; defined by each suite. */
extern const struct service *const given_services[];

void given_platform(void);
void given_end(void);

/* An id as text; one of eight that are used in turn. */
const char *keep_text(const char *text);

/* Requests to the account service as "main test". */
struct platform_reply *get(const char *format, ...) __attribute__((format(printf, 1, 2)));
struct platform_reply *post(const char *key, const char *body, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
struct platform_reply *put(const char *body, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Any request. */
struct platform_reply *ask(const struct platform_request *request);

void expect_status(const struct platform_reply *reply, unsigned status);
void expect_text(const struct platform_reply *reply, const char *path, const char *value);
/* A problem of that type. */
void expect_problem(const struct platform_reply *reply, unsigned status, const char *type);

/* Opens an account and returns its id. */
const char *open_account(const char *key, const char *currency);
void deposit(const char *account, const char *amount, const char *currency);
void pay(const char *payer, const char *payee, const char *amount, const char *currency);
/* Posted balance in the ledger, in minor units. */
int64_t ledger_balance(const char *account);
/* Flags of the account in the ledger; -1 if it isn't there. */
int ledger_flags(const char *account);
/* Ledger accounts that are wallets. */
unsigned ledger_wallets(void);

/* All events of a topic, each once, in order of each partition. Fails the test if one is missing.
 */
void read_events(const struct topic *topic, void (*each)(void *context, const struct event *event),
                 void *context);
/* What micropay.account has, in the order of its partitions: "TYPE STATUS FROZEN; ...", each
 * once. Of one account, whose versions must rise, or of all (NULL). */
const char *told(const char *account);
/* Reading fails the test when an event has this text. */
extern const char *never_told;

/* Sends a request, lets the process die after `steps` steps (platform_step), and opens it again.
 * False if the request was answered before: *reply is that answer's status. */
bool dies_after(unsigned steps, const struct platform_request *request, unsigned *status);

#endif
