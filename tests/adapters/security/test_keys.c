#include "security/keys.h"

#include "support/http_memory.h"
#include "support/test_loop.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct loop *loop;
static struct keys *keys;
static struct error err;
static char folder[] = "/tmp/micropay-keys.XXXXXX";
static char url[64];

static void open_keys(const char *internal)
{
    cr_assert_eq(
        keys_open(&(struct keys_config){.loop = loop, .url = url, .internal_key = internal}, &keys,
                  &err),
        OUTCOME_DONE, "%s (%s)", err.message, err.detail);
}

static void reopen_keys(void)
{
    keys_close(keys);
    open_keys(NULL);
}

static void make(void)
{
    cr_assert_not_null(mkdtemp(folder));
    snprintf(url, sizeof url, "sqlite:%s/security.db", folder);
    loop = test_loop_make(&(struct test_loop_options){.seed = 3});
    open_keys(NULL);
}

static void finish(void)
{
    char command[64];

    keys_close(keys);
    test_loop_free(loop);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

static struct api_key made;
static char text[KEY_TEXT_MAX + 1];

static void make_key(const char *tenant, bool live, const char *names)
{
    struct key_request request = {.tenant = tenant, .live = live};

    cr_assert(scopes_read(names, &request.scopes));
    cr_assert_eq(keys_make(keys, &request, &made, text, &err), OUTCOME_DONE, "%s", err.message);
}

TestSuite(keys, .init = make, .fini = finish);

Test(keys, a_key_says_its_mode_and_is_long_enough_that_nobody_guesses_it)
{
    char before[KEY_TEXT_MAX + 1];

    make_key("main", false, "payments:write");
    cr_assert_eq(strlen(text), 32);
    cr_assert_eq(strncmp(text, "mp_test_", 8), 0);
    cr_assert_eq(strspn(text + 8, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
                 24);
    strcpy(before, text);
    make_key("main", true, "payments:write");
    cr_assert_eq(strncmp(text, "mp_live_", 8), 0);
    cr_assert_neq(strcmp(before + 8, text + 8), 0);
}

Test(keys, each_character_of_a_key_is_as_likely_as_any_other)
{
    unsigned counts[128] = {0}, least = UINT32_MAX, most = 0;

    for (unsigned i = 0; i < 600; i++) {
        make_key("main", false, "payments:read");
        for (unsigned j = 8; j < 32; j++) counts[(unsigned char)text[j]]++;
    }
    for (unsigned c = 0; c < 128; c++) {
        if (counts[c] == 0) continue;
        least = counts[c] < least ? counts[c] : least;
        most = counts[c] > most ? counts[c] : most;
    }
    cr_assert_gt(least, 232 - 75); /* 232 expected, 5 times 15 of standard deviation */
    cr_assert_lt(most, 232 + 75);
}

Test(keys, a_key_is_found_again_by_its_text_alone_also_after_a_restart)
{
    const struct api_key *found;

    make_key("acme-2", true, "payments:write balances:read");
    for (unsigned life = 0; life < 2; life++) {
        found = keys_find(keys, text);
        cr_assert_not_null(found);
        cr_assert(uuid_equal(found->id, made.id) && uuid_equal(found->owner, made.owner));
        cr_assert_str_eq(found->tenant, "acme-2");
        cr_assert(found->live);
        cr_assert_eq(found->scopes, scope_bit("payments:write") | scope_bit("balances:read"));
        text[31] = text[31] == 'x' ? 'y' : 'x';
        cr_assert_null(keys_find(keys, text));
        text[31] = '\0';
        cr_assert_null(keys_find(keys, text));
        cr_assert_null(keys_find(keys, ""));
        make_key("acme-2", true, "payments:write balances:read");
        reopen_keys();
    }
}

Test(keys, the_database_never_sees_a_key)
{
    char path[96], command[256];

    make_key("main", true, "payments:write");
    keys_find(keys, text);
    keys_close(keys);
    keys = NULL;
    snprintf(path, sizeof path, "%s/security.db", folder);
    cr_assert_eq(access(path, R_OK), 0);
    snprintf(command, sizeof command, "grep -qra 'acme\\|payments:write' %s", folder);
    cr_assert_eq(system(command), 0, "what is stored can be found by grep");
    snprintf(command, sizeof command, "grep -qra '%s' %s", text + 8, folder);
    cr_assert_neq(system(command), 0);
}

Test(keys, a_revoked_key_opens_nothing_at_once_and_for_ever)
{
    char first[KEY_TEXT_MAX + 1];
    struct uuid id;

    make_key("main", false, "payments:write");
    strcpy(first, text);
    id = made.id;
    make_key("main", false, "payments:write");
    cr_assert_eq(keys_revoke(keys, id, &err), OUTCOME_DONE);
    cr_assert_null(keys_find(keys, first));
    cr_assert_not_null(keys_find(keys, text));
    reopen_keys();
    cr_assert_null(keys_find(keys, first));
    cr_assert_not_null(keys_find(keys, text));
    cr_assert_eq(keys_revoke(keys, id, &err), OUTCOME_DONE, "again is no fault");
    id.bytes[0] ^= 1;
    cr_assert_eq(keys_revoke(keys, id, &err), OUTCOME_REFUSED);
    cr_assert_eq(err.reason, REASON_NOT_FOUND);
}

Test(keys, many_keys_are_told_apart_while_some_are_revoked)
{
    enum { MANY = 500 };
    static char texts[MANY][KEY_TEXT_MAX + 1];
    static struct uuid ids[MANY];

    for (unsigned i = 0; i < MANY; i++) {
        make_key("main", false, "payments:read");
        strcpy(texts[i], text);
        ids[i] = made.id;
        if (i % 3 == 2) cr_assert_eq(keys_revoke(keys, ids[i - 1], &err), OUTCOME_DONE);
    }
    for (unsigned life = 0; life < 2; life++) {
        for (unsigned i = 0; i < MANY; i++) {
            const struct api_key *found = keys_find(keys, texts[i]);
            bool revoked = i % 3 == 1 && i + 1 < MANY;

            cr_assert_eq(found == NULL, revoked, "key %u", i);
            if (found != NULL) cr_assert(uuid_equal(found->id, ids[i]));
        }
        reopen_keys();
    }
}

Test(keys, what_makes_no_sense_is_refused_with_all_its_faults)
{
    static const char *const tenants[] = {
        "", "Main", "a b", "a_b", "123456789012345678901234567890123", "\xc3\xa9", NULL};
    struct key_request request = {.tenant = "x", .scopes = scope_bit("payments:read")};

    for (unsigned i = 0; i < sizeof tenants / sizeof *tenants; i++) {
        request.tenant = tenants[i];
        cr_assert_eq(keys_make(keys, &request, &made, text, &err), OUTCOME_REFUSED);
    }
    request.scopes = scope_bit("payments:read") | scope_bit("internal");
    cr_assert_eq(keys_make(keys, &request, &made, text, &err), OUTCOME_REFUSED);
    cr_assert_eq(err.fault_count, 2);
    request = (struct key_request){.tenant = "12345678901234567890123456789012"};
    cr_assert_eq(keys_make(keys, &request, &made, text, &err), OUTCOME_REFUSED);
    cr_assert_eq(err.fault_count, 1);
    request.scopes = scope_bit("admin");
    cr_assert_eq(keys_make(keys, &request, &made, text, &err), OUTCOME_DONE);
}

static struct api_key listed[8];
static unsigned listed_count;
static void on_listed(void *context, const struct api_key *key)
{
    (void)context;
    listed[listed_count++ % 8] = *key;
}

Test(keys, a_list_tells_when_each_was_made_used_and_revoked)
{
    make_key("main", false, "payments:read");
    test_loop_pass(loop, 1000);
    make_key("main", false, "payments:read");
    test_loop_pass(loop, 1000);
    keys_find(keys, text);
    test_loop_pass(loop, UINT64_C(400000000000));
    cr_assert_eq(keys_revoke(keys, made.id, &err), OUTCOME_DONE);
    reopen_keys();
    cr_assert_eq(keys_list(keys, on_listed, NULL, &err), OUTCOME_DONE);
    cr_assert_eq(listed_count, 2);
    cr_assert_eq(listed[0].created_ns, UINT64_C(1767225600000000000));
    cr_assert_eq(listed[0].last_used_ns, 0);
    cr_assert_eq(listed[1].last_used_ns, UINT64_C(1767225600000002000));
    cr_assert_eq(listed[1].revoked_ns, UINT64_C(1767226000000002000));
    cr_assert(uuid_equal(listed[1].id, made.id));
    cr_assert_eq(test_loop_timers(loop), 0);
}

Test(keys, a_use_just_before_the_end_is_stored_too)
{
    make_key("main", false, "payments:read");
    test_loop_pass(loop, 5);
    keys_find(keys, text);
    reopen_keys();
    cr_assert_eq(keys_list(keys, on_listed, NULL, &err), OUTCOME_DONE);
    cr_assert_eq(listed[0].last_used_ns, UINT64_C(1767225600000000005));
}

Test(keys, an_internal_key_from_a_setting_must_be_long_and_one_that_is_drawn_is_new_each_time)
{
    char first[INTERNAL_KEY_MAX + 1];
    struct keys *other;

    strcpy(first, keys_internal(keys));
    cr_assert_eq(strncmp(first, "mp_internal_", 12), 0);
    cr_assert_eq(strlen(first), 12 + 43);
    reopen_keys();
    cr_assert_neq(strcmp(first, keys_internal(keys)), 0);
    keys_close(keys);
    keys = NULL;
    cr_assert_eq(keys_open(&(struct keys_config){.loop = loop, .url = url, .internal_key = "short"},
                           &other, &err),
                 OUTCOME_BROKEN);
    cr_assert_eq(err.reason, REASON_BAD_SETTING);
    cr_assert_null(strstr(err.message, "short"));
    open_keys("0123456789abcdef0123456789abcdef");
    cr_assert_str_eq(keys_internal(keys), "0123456789abcdef0123456789abcdef");
}

/* --- through the router --- */

static struct caller seen;
static unsigned handled;

static void handle(struct http_exchange *exchange)
{
    seen = exchange->caller;
    handled++;
    http_answer(exchange, 204);
}

static const struct http_route routes[] = {
    {.method = HTTP_GET, .path = "/open", .handle = handle, .success = 204},
    {.method = HTTP_GET,
     .path = "/payments",
     .handle = handle,
     .scope = "payments:read",
     .success = 204},
    {.method = HTTP_GET, .path = "/inside", .handle = handle, .scope = "internal", .success = 204},
    {.path = NULL},
};

static unsigned status;
static char challenge[64];

static void on_answer(void *context, const struct http_memory_reply *reply)
{
    const char *header = http_memory_reply_header(reply, "WWW-Authenticate");

    (void)context;
    status = reply->status;
    snprintf(challenge, sizeof challenge, "%s", header != NULL ? header : "");
}

/* The status of GET `path` with that Authorization header and others; ended by NULL. */
static unsigned get(const char *path, const char *authorization, const char *const *others)
{
    struct http_router *router = http_router_make();
    char line[INTERNAL_KEY_MAX + 64];
    const char *headers[8] = {NULL};
    unsigned count = 0;

    http_router_scopes(router, scope_bit);
    http_router_authenticate(router, keys_authenticate, keys);
    http_router_add(router, routes, NULL);
    snprintf(line, sizeof line, "Authorization: %s", authorization != NULL ? authorization : "");
    if (authorization != NULL) headers[count++] = line;
    for (unsigned i = 0; others != NULL && others[i] != NULL; i++) headers[count++] = others[i];
    status = 0;
    http_memory_call(router, loop, "GET", path, headers, NULL, on_answer, NULL);
    test_loop_run(loop);
    http_router_free(router);
    return status;
}

static const char *bearer(const char *token)
{
    static char header[INTERNAL_KEY_MAX + 32];

    snprintf(header, sizeof header, "Bearer %s", token);
    return header;
}

Test(keys, a_request_is_its_keys_tenant_mode_owner_and_scopes)
{
    make_key("acme", true, "payments:read bulk");
    cr_assert_eq(get("/payments", bearer(text), NULL), 204);
    cr_assert_str_eq(seen.tenant, "acme");
    cr_assert(seen.live);
    cr_assert(uuid_equal(seen.owner, made.owner));
    cr_assert_eq(seen.scopes, scope_bit("payments:read") | scope_bit("bulk"));
    make_key("acme", false, "payments:read");
    cr_assert_eq(get("/payments", bearer(text), NULL), 204);
    cr_assert(!seen.live);
}

Test(keys, without_a_good_key_nothing_is_handled)
{
    char odd[64];

    make_key("main", false, "payments:read");
    snprintf(odd, sizeof odd, "Basic %s", text);
    cr_assert_eq(get("/payments", NULL, NULL), 401);
    cr_assert_str_eq(challenge, "Bearer");
    cr_assert_eq(get("/payments", "", NULL), 401);
    cr_assert_eq(get("/payments", "Bearer", NULL), 401);
    cr_assert_eq(get("/payments", "Bearer ", NULL), 401);
    cr_assert_eq(get("/payments", odd, NULL), 401);
    cr_assert_eq(get("/payments", text, NULL), 401);
    cr_assert_eq(get("/payments", "Bearer mp_test_000000000000000000000000", NULL), 401);
    cr_assert_eq(handled, 0);
    snprintf(odd, sizeof odd, "bEARER   %s", text);
    cr_assert_eq(get("/payments", odd, NULL), 204);
    cr_assert_eq(get("/open", NULL, NULL), 204);
    cr_assert_eq(get("/inside", bearer(text), NULL), 403);
}

Test(keys, only_the_internal_key_may_say_for_whom_it_asks)
{
    const char *const headers[] = {"Micropay-Tenant: acme", "Micropay-Mode: live",
                                   "Micropay-Owner: 0194c1f0-7a5e-7cc2-8f1e-4a2b3c4d5e6f", NULL};
    const char *const narrowed[] = {"Micropay-Tenant: acme", "Micropay-Mode: test",
                                    "Micropay-Scopes: payments:read", NULL};
    const char *const no_mode[] = {"Micropay-Tenant: acme", NULL};
    const char *const no_scope[] = {"Micropay-Tenant: acme", "Micropay-Mode: test",
                                    "Micropay-Scopes: everything", NULL};

    cr_assert_eq(get("/inside", bearer(keys_internal(keys)), headers), 204);
    cr_assert_str_eq(seen.tenant, "acme");
    cr_assert(seen.live);
    cr_assert_eq(seen.owner.bytes[0], 0x01);
    cr_assert_eq(get("/payments", bearer(keys_internal(keys)), narrowed), 204);
    cr_assert(!seen.live);
    cr_assert_eq(get("/inside", bearer(keys_internal(keys)), narrowed), 403);
    cr_assert_eq(get("/payments", bearer(keys_internal(keys)), no_mode), 400);
    cr_assert_eq(get("/payments", bearer(keys_internal(keys)), no_scope), 400);

    make_key("main", false, "payments:read");
    cr_assert_eq(get("/payments", bearer(text), headers), 204);
    cr_assert_str_eq(seen.tenant, "main");
    cr_assert(!seen.live);
}
