/*
 * What belongs to a tenant is not there for others: every route of every service is asked for the
 * things of one tenant by another, and by the same tenant in live mode. Driven by the rows, so a
 * route that is new is asked too; that its owner gets to see something there is checked as well.
 */
#include "support/platform.h"

#include "ledger/ids.h"

#include "http/openapi_parts.h"
#include "http/router.h"
#include "services.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IDS_MAX = 64, TEXT_ID_LEAST = 12 };

static const char owner[] = "main test";
static const char *const strangers[] = {"other test", "main live"};
/* What an answer to a stranger must not have, beside ids. */
static const char *const secrets[] = {"name-of-main", "reference-of-main", "4711.17"};

static struct platform *platform;
static char ids[IDS_MAX][80]; /* all that the owner was shown */
static unsigned id_count;

/* --- ids --- */

static bool is_id(const char *text)
{
    struct uuid uuid;
    size_t length = strlen(text);

    if (uuid_read(text, &uuid)) return true;
    return length >= TEXT_ID_LEAST && length < sizeof ids[0] &&
           strspn(text, "0123456789") == length;
}

static void collect(const cJSON *json)
{
    const cJSON *child;
    const char *text = cJSON_GetStringValue(json);

    if (text != NULL && is_id(text)) {
        for (unsigned i = 0; i < id_count; i++)
            if (strcmp(ids[i], text) == 0) return;
        if (id_count < IDS_MAX) snprintf(ids[id_count++], sizeof ids[0], "%s", text);
    }
    cJSON_ArrayForEach(child, json) { collect(child); }
}

/* --- asking --- */

static struct platform_reply *ask_as(const char *caller, const struct service *service,
                                     const struct http_route *route, const char *target,
                                     const char *body)
{
    char key[160];

    /* one for each target, so that no request is another one's repeat */
    snprintf(key, sizeof key, "k%zx%s", strlen(target), target + (strlen(target) > 120 ? 40 : 0));
    for (char *c = key; *c != '\0'; c++)
        if (*c <= ' ') *c = '_';
    return platform_call(platform, &(struct platform_request){
                                       .service = service->name,
                                       .method = http_method_name(route->method),
                                       .target = target,
                                       .key = route->key == HTTP_KEY_REQUIRED ? key : NULL,
                                       .body = route->takes != NULL ? body : NULL,
                                       .caller = caller,
                                   });
}

static char transaction[UUID_TEXT + 1]; /* of the owner's */

/* The path with an id in place of its last parameter, and an account, or a transaction, in place of
 * those before. */
static void target_of(const struct http_route *route, const char *account, const char *id,
                      char *out, size_t size)
{
    const char *last = strrchr(route->path, '{');
    const char *before = strstr(route->path, "/transactions/") != NULL ? transaction : account;
    size_t length = 0;

    for (const char *c = route->path; *c != '\0' && length + 1 < size; c++) {
        if (*c != '{') {
            out[length++] = *c;
            out[length] = '\0';
            continue;
        }
        length += (size_t)snprintf(out + length, size - length, "%s", c == last ? id : before);
        c = strchr(c, '}');
    }
}

/* The example of the route's body, its ids replaced by those that were collected first. */
static const char *body_of(const struct http_route *route)
{
    static const char made_up[] = "0197c5a0-0000-8000-8000-";
    static struct buffer body;
    char *at;
    unsigned next = 0;

    buffer_clear(&body);
    if (route->takes == NULL) return "";
    openapi_example(route->takes, &body);
    for (at = body.bytes; (at = strstr(at, made_up)) != NULL; at += UUID_TEXT)
        memcpy(at, ids[next++], UUID_TEXT);
    return body.bytes;
}

static bool has_parameter(const struct http_route *route)
{
    return strchr(route->path, '{') != NULL;
}

static bool names_things(const struct http_route *route)
{
    return strstr(body_of(route), ids[0]) != NULL;
}

/* --- what the owner does --- */

static struct platform_reply *post(const char *service, const char *target, const char *key,
                                   const char *body)
{
    struct platform_reply *reply = platform_call(
        platform,
        &(struct platform_request){
            .service = service, .method = "POST", .target = target, .key = key, .body = body});

    cr_assert_eq(reply->status / 100, 2, "%s: %u %s", target, reply->status, reply->body);
    collect(reply->json);
    return reply;
}

static void open_wallet(const char *key, char id[UUID_TEXT + 1])
{
    char target[100], body[160];

    snprintf(
        body, sizeof body,
        "{\"currency\":\"EUR\",\"name\":\"name-of-main\",\"reference\":\"reference-of-main-%s\"}",
        key);
    snprintf(id, UUID_TEXT + 1, "%s",
             reply_text(post("account", "/api/v1/accounts", key, body), "id"));
    snprintf(target, sizeof target, "/api/v1/accounts/%s/deposits", id);
    post("account", target, key, "{\"amount\":\"4711.17\",\"currency\":\"EUR\"}");
}

static void pay(const char *key, const char *payer, const char *payee, const char *more)
{
    char body[300];

    snprintf(body, sizeof body,
             "{\"payer\":\"%s\",\"payee\":\"%s\",\"amount\":\"47.11\",\"currency\":\"EUR\","
             "\"reference\":\"reference-of-main-%s\"%s}",
             payer, payee, key, more);
    post("payment", "/api/v1/payments", key, body);
}

static void reserve(const char *account, const char *other)
{
    char target[100], body[160];

    snprintf(target, sizeof target, "/api/v1/balances/%s/reservations", account);
    snprintf(body, sizeof body, "{\"amount\":\"4.71\",\"currency\":\"EUR\",\"payee\":\"%s\"}",
             other);
    post("balance", target, "reserved", body);
}

static void print_decimal(mp_u128 number, char out[40])
{
    char digits[40];
    unsigned count = 0;

    for (; number > 0; number /= 10) digits[count++] = (char)('0' + (unsigned)(number % 10));
    for (unsigned i = 0; i < count; i++) out[i] = digits[count - 1 - i];
    out[count] = '\0';
}

/* A transfer in bulk, and a part of it undone. */
static void move_in_bulk(const char *debit, const char *credit)
{
    static const struct books books = {"main", false};
    char debit_id[40], credit_id[40], body[400], target[100];
    struct uuid uuid;

    cr_assert(uuid_read(debit, &uuid));
    print_decimal(id_of_uuid(uuid), debit_id);
    cr_assert(uuid_read(credit, &uuid));
    print_decimal(id_of_uuid(uuid), credit_id);
    snprintf(body, sizeof body,
             "[{\"id\":\"471147114711\",\"debit_account_id\":\"%s\",\"credit_account_id\":\"%s\","
             "\"amount\":\"4711\",\"ledger\":%u,\"code\":400}]",
             debit_id, credit_id, ledger_number(&books, "EUR", 0));
    post("transaction", "/api/v1/transactions", NULL, body);
    uuid_print(uuid_of_id(471147114711), transaction);
    snprintf(target, sizeof target, "/api/v1/transactions/%s/reversals", transaction);
    post("transaction", target, "reversed", "{}");
}

/* All that lists show to a caller. */
static void read_lists(const char *caller, struct buffer *out)
{
    for (const struct service *const *s = services_all; *s != NULL; s++) {
        for (const struct http_route *r = (*s)->routes; r != NULL && r->path != NULL; r++) {
            struct platform_reply *reply;

            if (!r->lists || has_parameter(r)) continue;
            reply = ask_as(caller, *s, r, r->path, "");
            cr_assert_eq(reply->status, 200, "%s: %u %s", r->path, reply->status, reply->body);
            buffer_format(out, "%s: %s\n", r->path, reply->body);
            if (caller == owner) collect(reply->json);
        }
    }
}

static void set_up(void)
{
    static const char *const sets[] = {"payment.fraud_policy=allow", NULL};
    char alice[UUID_TEXT + 1], bob[UUID_TEXT + 1];
    struct buffer lists = {0};

    platform = platform_make(
        &(struct platform_options){.services = services_all, .sets = sets, .seed = 1});
    id_count = 0;
    open_wallet("alice", alice);
    open_wallet("bob", bob);
    pay("paid", alice, bob, "");
    pay("held", alice, bob, ",\"capture\":\"manual\"");
    reserve(alice, bob);
    move_in_bulk(alice, bob);
    cr_assert_str_eq(ids[0], alice);
    read_lists(owner, &lists);
    buffer_done(&lists);
}

static void tear_down(void) { platform_free(platform); }

/* --- the tests --- */

static void expect_nothing_shown(const char *caller, const struct http_route *route,
                                 const char *target, const char *body,
                                 const struct platform_reply *reply)
{
    for (unsigned i = 0; i < sizeof secrets / sizeof *secrets; i++)
        cr_assert_null(strstr(reply->body, secrets[i]), "%s sees %s of %s %s: %s", caller,
                       secrets[i], http_method_name(route->method), target, reply->body);
    for (unsigned i = 0; i < id_count; i++)
        if (strstr(target, ids[i]) == NULL && strstr(body, ids[i]) == NULL)
            cr_assert_null(strstr(reply->body, ids[i]), "%s sees %s of %s %s: %s", caller, ids[i],
                           http_method_name(route->method), target, reply->body);
}

static void expect_hidden(const char *caller, const struct service *service,
                          const struct http_route *route, const char *target)
{
    const char *body = body_of(route);
    const struct platform_reply *reply = ask_as(caller, service, route, target, body);

    cr_assert(reply->status == 404 || reply->status == 403 || reply->status == 401,
              "%s gets %u of %s %s: %s", caller, reply->status, http_method_name(route->method),
              target, reply->body);
    expect_nothing_shown(caller, route, target, body, reply);
}

/* Calls `each` for every route that names things of the owner's, with each of them. */
static void each_target(void (*each)(const struct service *service, const struct http_route *route,
                                     const char *target))
{
    char target[300];

    for (const struct service *const *s = services_all; *s != NULL; s++) {
        for (const struct http_route *r = (*s)->routes; r != NULL && r->path != NULL; r++) {
            if (r->scope == NULL) continue;
            if (!has_parameter(r) && names_things(r)) each(*s, r, r->path);
            for (unsigned i = 0; i < id_count && has_parameter(r); i++) {
                struct uuid uuid;

                if (!r->text_params && !uuid_read(ids[i], &uuid)) continue;
                target_of(r, ids[0], ids[i], target, sizeof target);
                each(*s, r, target);
            }
        }
    }
}

static void as_strangers(const struct service *service, const struct http_route *route,
                         const char *target)
{
    for (unsigned i = 0; i < sizeof strangers / sizeof *strangers; i++)
        expect_hidden(strangers[i], service, route, target);
}

Test(tenants, nobody_reaches_what_is_not_his_by_any_route, .init = set_up, .fini = tear_down)
{
    struct buffer before = {0}, after = {0};

    cr_assert_gt(id_count, 6);
    read_lists(owner, &before);
    each_target(as_strangers);
    read_lists(owner, &after);
    cr_assert_str_eq(buffer_str(&after), buffer_str(&before));
    buffer_done(&before);
    buffer_done(&after);
}

Test(tenants, lists_have_nothing_of_others, .init = set_up, .fini = tear_down)
{
    for (unsigned i = 0; i < sizeof strangers / sizeof *strangers; i++) {
        struct buffer lists = {0};

        read_lists(strangers[i], &lists);
        for (unsigned j = 0; j < id_count; j++)
            cr_assert_null(strstr(buffer_str(&lists), ids[j]), "%s sees %s: %s", strangers[i],
                           ids[j], buffer_str(&lists));
        buffer_done(&lists);
    }
}

/* What can only be there when something went wrong; test_dead_letters.c sees to those. */
static bool is_of_operators(const struct http_route *route)
{
    return strstr(route->path, "/dead-letters/") != NULL;
}

/* Routes at which the owner was told anything but that there is nothing. */
static const struct http_route *reached[256];
static unsigned reached_count;

static void as_owner(const struct service *service, const struct http_route *route,
                     const char *target)
{
    if (reached_count > 0 && reached[reached_count - 1] == route) return;
    if (ask_as(owner, service, route, target, body_of(route))->status != 404)
        reached[reached_count++] = route;
}

Test(tenants, the_owner_reaches_his_own_by_each_of_them, .init = set_up, .fini = tear_down)
{
    reached_count = 0;
    each_target(as_owner);
    for (const struct service *const *s = services_all; *s != NULL; s++) {
        for (const struct http_route *r = (*s)->routes; r != NULL && r->path != NULL; r++) {
            unsigned i = 0;

            if (r->scope == NULL || !has_parameter(r) || is_of_operators(r)) continue;
            while (i < reached_count && reached[i] != r) i++;
            cr_assert_lt(i, reached_count, "nothing of the owner's is at %s %s",
                         http_method_name(r->method), r->path);
        }
    }
}
