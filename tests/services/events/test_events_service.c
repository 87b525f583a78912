/* Events over HTTP, as the account service causes them. */
#include "support/platform.h"

#include "account/service.h"
#include "events/kept.h"
#include "events/service.h"
#include "wire/buffer.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct service *const services[] = {&account_service, &events_service, NULL};
static struct platform *platform;

static void set_up(void)
{
    platform = platform_make(&(struct platform_options){.services = services, .seed = 1});
}
static void tear_down(void) { platform_free(platform); }

static const char *open_account(const char *key, const char *caller)
{
    static char id[40];
    const struct platform_reply *reply =
        platform_call(platform, &(struct platform_request){.service = "account",
                                                           .method = "POST",
                                                           .target = "/api/v1/accounts",
                                                           .key = key,
                                                           .caller = caller,
                                                           .body = "{\"currency\":\"EUR\"}"});

    cr_assert_eq(reply->status, 201, "%s", reply->body);
    snprintf(id, sizeof id, "%s", reply_text(reply, "id"));
    return id;
}

static const struct platform_reply *events(const char *query, const char *caller)
{
    char target[200];
    const struct platform_reply *reply;

    snprintf(target, sizeof target, "/api/v1/events%s", query);
    reply = platform_call(
        platform, &(struct platform_request){
                      .service = "events", .method = "GET", .target = target, .caller = caller});
    cr_assert_eq(reply->status, 200, "%s", reply->body);
    return reply;
}

static unsigned count_of(const struct platform_reply *reply)
{
    return (unsigned)cJSON_GetArraySize(cJSON_GetObjectItem(reply->json, "data"));
}

static const char *here(void)
{
    static char query[60];

    snprintf(query, sizeof query, "?after=%s", reply_text(events("", NULL), "next"));
    return query;
}

Test(events, who_asks_where_it_is_gets_nothing_of_before, .init = set_up, .fini = tear_down)
{
    const struct platform_reply *reply;

    open_account("k1", NULL);
    reply = events("", NULL);
    cr_assert_eq(count_of(reply), 0);
    cr_assert_str_eq(reply_text(reply, "complete"), "true");
    cr_assert_eq(count_of(events(here(), NULL)), 0);
}

Test(events, an_event_is_shown_once_to_who_goes_on_from_what_was_told, .init = set_up,
     .fini = tear_down)
{
    const struct platform_reply *reply;
    char query[80], id[40];

    snprintf(query, sizeof query, "%s", here());
    snprintf(id, sizeof id, "%s", open_account("k1", NULL));
    reply = events(query, NULL);
    cr_assert_gt(count_of(reply), 0, "%s", reply->body);
    cr_assert_str_eq(reply_text(reply, "data.0.type"), "account.created");
    cr_assert_str_eq(reply_text(reply, "data.0.subject"), id);
    cr_assert_str_eq(reply_text(reply, "data.0.data.currency"), "EUR");
    snprintf(query, sizeof query, "?after=%s", reply_text(reply, "next"));
    cr_assert_eq(count_of(events(query, NULL)), 0);
}

static char waited[400];

static void keep(void *context, const struct http_memory_reply *reply)
{
    (void)context;
    snprintf(waited, sizeof waited, "%u %s", reply->status, reply->body);
}

Test(events, who_waits_is_told_when_it_happens_and_not_before, .init = set_up, .fini = tear_down)
{
    char target[100];

    snprintf(target, sizeof target, "/api/v1/events%s&wait=30", here());
    waited[0] = '\0';
    platform_send(
        platform,
        &(struct platform_request){.service = "events", .method = "GET", .target = target}, keep,
        NULL);
    platform_pass(platform, UINT64_C(10000000000));
    cr_assert_str_eq(waited, "");
    open_account("k1", NULL);
    cr_assert_not_null(strstr(waited, "200 {\"data\":[{"), "%s", waited);
}

Test(events, who_waits_in_vain_is_told_so, .init = set_up, .fini = tear_down)
{
    char query[100];

    snprintf(query, sizeof query, "%s&wait=5", here());
    cr_assert_eq(count_of(events(query, NULL)), 0);
}

Test(events, others_see_nothing_of_it, .init = set_up, .fini = tear_down)
{
    char query[80];

    snprintf(query, sizeof query, "%s", here());
    open_account("k1", NULL);
    open_account("k1", "other test");
    cr_assert_eq(count_of(events(query, "main live")), 0);
    cr_assert_str_eq(reply_text(events(query, "other test"), "data.0.tenant"), "other");
    cr_assert_str_eq(reply_text(events(query, NULL), "data.0.tenant"), "main");
}

Test(events, subject_and_type_choose, .init = set_up, .fini = tear_down)
{
    char query[80], target[200], first[40];

    snprintf(query, sizeof query, "%s", here());
    snprintf(first, sizeof first, "%s", open_account("k1", NULL));
    open_account("k2", NULL);
    snprintf(target, sizeof target, "%s&subject=%s&type=account.created", query, first);
    cr_assert_eq(count_of(events(target, NULL)), 1);
    snprintf(target, sizeof target, "%s&type=account.created", query);
    cr_assert_eq(count_of(events(target, NULL)), 2);
    snprintf(target, sizeof target, "%s&type=account.closed", query);
    cr_assert_eq(count_of(events(target, NULL)), 0);
}

Test(events, a_position_of_an_earlier_life_says_that_something_may_be_missing, .init = set_up,
     .fini = tear_down)
{
    char query[80];

    snprintf(query, sizeof query, "%s", here());
    platform_pass(platform, 1000000);
    platform_crash(platform);
    open_account("k1", NULL);
    cr_assert_str_eq(reply_text(events(query, NULL), "complete"), "false");
}

/* --- what is kept --- */

static void add(struct kept *kept, const struct event *event, size_t length)
{
    char *text = calloc(1, length + 1);
    struct bus_message message = {.event = event, .value = text, .length = length};

    kept_add(kept, &message);
    free(text);
}

Test(kept, the_oldest_give_way_when_there_is_no_room)
{
    static struct kept kept = {.newest = 100};
    struct account_frozen_event data = {.present = 0};
    struct envelope envelope = {.tenant = "main"};
    struct event *event = event_make(&envelope, EVENT_TYPE(account_frozen), &data);

    for (unsigned i = 0; i < KEPT_MAX + 10; i++) add(&kept, event, 8);
    cr_assert_eq(kept.count, KEPT_MAX);
    cr_assert_eq(kept_at(&kept, 0)->position, 111);
    cr_assert_eq(kept_behind(&kept, 0), 0);
    cr_assert_eq(kept_behind(&kept, 111), 1);
    cr_assert_eq(kept_behind(&kept, kept.newest), kept.count);
    cr_assert_eq(kept_behind(&kept, UINT64_MAX), kept.count);
    for (unsigned i = 0; i < 10; i++) add(&kept, event, 1000000);
    cr_assert_leq(kept.bytes, KEPT_BYTES_MAX);
    cr_assert_eq(kept.count, 8);
    kept_done(&kept);
    cr_assert_eq(kept.bytes, 0);
    event_release(event);
}
