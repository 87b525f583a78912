#include "http/asking.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define ID    "00000000-0000-4000-8000-0000000000aa"
#define ITEM  "{\"name\":\"chair\",\"price\":\"12.50\",\"currency\":\"EUR\"}"
#define KEYED "Authorization: Bearer writer\nIdempotency-Key: k1"

TestSuite(dispatch, .init = asking_open, .fini = asking_close, .timeout = 60);

/* --- finding --- */

Test(dispatch, a_path_that_is_none_is_a_404_problem)
{
    const char *const paths[] = {"/",
                                 "/v1",
                                 "/v1/item",
                                 "/v1/items/",
                                 "/v1//items",
                                 "/v1/items/" ID "/",
                                 "/v1/items/not-an-id",
                                 "/v1/items/00000000-0000-4000-8000-0000000000ag",
                                 "/v1/items/" ID "/sell/more",
                                 "/V1/items",
                                 "/v1/files/a%2Fb",
                                 "/v1/files/a%20b",
                                 "/../v1/items",
                                 "/a/b/c/d/e/f/g/h/i/j/k/l/m"};

    for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++) {
        const struct answer *answer = ask("GET", paths[i], NULL, NULL);

        expect_problem(answer, 404, "not-found");
        cr_assert_str_eq(member(answer, "instance"), paths[i]);
    }
    cr_assert_eq(asking_desk.handled, 0);
}

Test(dispatch, a_path_that_is_malformed_is_a_400_problem)
{
    const char *const paths[] = {"/v1/items/%00",
                                 "/v1/items/%",
                                 "/v1/items/%2",
                                 "/v1/items/%zz",
                                 "/v1/%ff",
                                 "/v1/%ed%a0%80",
                                 "/v1/%0a",
                                 "v1/items",
                                 "*",
                                 "x.example:80",
                                 "",
                                 "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"};

    for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++)
        expect_faults(ask("GET", paths[i], NULL, NULL), "path");
}

Test(dispatch, another_method_is_405_and_says_what_is_allowed)
{
    expect_problem(ask("PUT", "/v1/items", NULL, ITEM), 405, "method-not-allowed");
    cr_assert_str_eq(ask("PUT", "/v1/items", NULL, NULL)->allow, "GET, HEAD, POST");
    cr_assert_str_eq(ask("PATCH", "/v1/items/" ID, NULL, NULL)->allow, "GET, HEAD, PUT, DELETE");
    cr_assert_str_eq(ask("get", "/v1/items/" ID "/sell", NULL, NULL)->allow, "POST");
    expect_problem(ask("OPTIONS", "/health", NULL, NULL), 405, "method-not-allowed");
}

Test(dispatch, a_word_of_the_path_goes_before_a_parameter_and_ids_reach_the_handler)
{
    expect_problem(ask("GET", "/v1/items/search", NULL, NULL), 422, "insufficient-funds");
    cr_assert_str_eq(member(ask("GET", "/v1/items/" ID, NULL, NULL), "id"), ID);
    cr_assert_str_eq(
        member(ask("GET", "/v1/%69tems/00000000-0000-4000-8000-0000000000%41A", NULL, NULL), "id"),
        ID);
    cr_assert_str_eq(
        member(ask("POST", "/v1/files/a.b_c-1", "Content-Type: text/plain", "x"), "name"),
        "a.b_c-1");
}

Test(dispatch, head_is_answered_as_get)
{
    const struct answer *answer = ask("HEAD", "/v1/items/" ID, NULL, NULL);

    cr_assert_eq(answer->status, 200);
    cr_assert_str_eq(answer->body, "");
    cr_assert_str_eq(answer->type, "application/json");
    cr_assert_eq(ask("HEAD", "/v1/items/" ID "/sell", NULL, NULL)->status, 405);
}

/* --- who asks --- */

Test(dispatch, nobody_gets_in_without_key_and_scope)
{
    const struct answer *answer = ask("GET", "/v1/items", "Accept: */*", NULL);

    expect_problem(answer, 401, "unauthorized");
    cr_assert_str_eq(answer->challenge, "Bearer");
    expect_problem(
        ask("POST", "/v1/items", "Authorization: Bearer reader\nIdempotency-Key: k", ITEM), 403,
        "forbidden");
    expect_problem(ask("DELETE", "/v1/items/" ID, "Authorization: Bearer reader", NULL), 403,
                   "forbidden");
    cr_assert_eq(asking_desk.handled, 0);
    cr_assert_eq(ask("GET", "/health", "Accept: */*", NULL)->status, 200);
}

Test(dispatch, a_repeated_authorization_is_no_authorization)
{
    expect_problem(
        ask("GET", "/v1/items/" ID, "Authorization: nobody\nAuthorization: Bearer writer", NULL),
        401, "unauthorized");
}

Test(dispatch, a_router_without_authentication_or_scopes_lets_nobody_in)
{
    http_router_authenticate(asking_router, NULL, NULL);
    expect_problem(ask("GET", "/v1/items", NULL, NULL), 401, "unauthorized");
    http_router_free(asking_router);
    asking_router = desk_router(NULL);
    expect_problem(ask("GET", "/v1/items", NULL, NULL), 403, "forbidden");
}

static const struct http_route bad_routes[][2] = {
    {{.method = HTTP_GET, .path = "/odd", .scope = "no-such-scope"}, {.path = NULL}},
    {{.method = HTTP_GET, .path = "/v1/items"}, {.path = NULL}},
    {{.method = HTTP_GET, .path = "no/slash"}, {.path = NULL}},
    {{.method = HTTP_GET, .path = "/{a}/{b}/{c}/{d}/{e}"}, {.path = NULL}},
};

static void add_bad(unsigned i) { http_router_add(asking_router, bad_routes[i], NULL); }

#define A_BAD_ROUTE(name, i)                                                                       \
    Test(dispatch, name, .signal = SIGABRT) { add_bad(i); }
A_BAD_ROUTE(a_route_with_a_scope_that_is_none_ends_the_process_at_its_start, 0)
A_BAD_ROUTE(a_route_that_is_there_twice_ends_the_process_at_its_start, 1)
A_BAD_ROUTE(a_route_without_a_path_ends_the_process_at_its_start, 2)
A_BAD_ROUTE(a_route_with_too_many_parameters_ends_the_process_at_its_start, 3)

Test(dispatch, who_asks_too_often_is_told_when_to_come_again)
{
    const struct answer *answer = ask("GET", "/v1/items", "Authorization: Bearer busy", NULL);

    expect_problem(answer, 429, "rate-limited");
    cr_assert_str_eq(answer->retry, "7");
}

/* --- media types --- */

Test(dispatch, a_body_of_another_media_type_is_415)
{
    const char *const good[] = {"application/json", "Application/JSON; charset=UTF-8",
                                "application/json;charset=\"utf-8\"", "application/json ; x=y"};
    const char *const bad[] = {"text/plain",
                               "application/x-www-form-urlencoded",
                               "application/json; charset=latin1",
                               "application/jsonx",
                               "json",
                               "",
                               "application/json\nContent-Type: text/plain"};
    char headers[200];

    for (unsigned i = 0; i < sizeof good / sizeof *good; i++) {
        snprintf(headers, sizeof headers, KEYED "\nContent-Type: %s", good[i]);
        cr_assert_eq(ask("POST", "/v1/items", headers, ITEM)->status, 201, "%s", good[i]);
    }
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(headers, sizeof headers, KEYED "\nContent-Type: %s", bad[i]);
        expect_problem(ask("POST", "/v1/items", headers, ITEM), 415, "unsupported-media-type");
    }
    cr_assert_eq(ask("POST", "/v1/files/a", "Content-Type: text/plain", "x")->status, 200);
    expect_problem(ask("POST", "/v1/files/a", "Content-Type: image/png", "x"), 415,
                   "unsupported-media-type");
}

Test(dispatch, an_answer_that_the_caller_cannot_read_is_406)
{
    const char *const good[] = {"*/*",
                                "application/*",
                                "text/html, application/json;q=0.1",
                                "text/html;q=0.5, */*;q=0.1",
                                "APPLICATION/JSON",
                                "",
                                " "};
    const char *const bad[] = {"text/html",
                               "application/xml, text/*",
                               "application/json;q=0",
                               "application/json; q=0.000",
                               "application",
                               "*",
                               "*/json"};
    char headers[200];

    for (unsigned i = 0; i + 1 < sizeof good / sizeof *good; i++) {
        snprintf(headers, sizeof headers, "Authorization: Bearer reader\nAccept: %s", good[i]);
        cr_assert_eq(ask("GET", "/v1/items", headers, NULL)->status, 200, "%s", good[i]);
    }
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(headers, sizeof headers, "Authorization: Bearer reader\nAccept: %s", bad[i]);
        expect_problem(ask("GET", "/v1/items", headers, NULL), 406, "not-acceptable");
    }
    cr_assert_eq(
        ask("DELETE", "/v1/items/" ID, "Authorization: Bearer writer\nAccept: text/html", NULL)
            ->status,
        204);
}

/* --- headers --- */

static double waited(const char *prefer)
{
    char headers[300];

    snprintf(headers, sizeof headers, KEYED "\nPrefer: %s", prefer);
    return member_number(ask("POST", "/v1/items", headers, ITEM), "wait_ms");
}

Test(dispatch, prefer_says_how_long_to_wait)
{
    cr_assert_eq(member_number(ask("POST", "/v1/items", KEYED, ITEM), "wait_ms"), 2000);
    cr_assert_eq(waited("wait=0"), 0);
    cr_assert_eq(waited("wait=30"), 30000);
    cr_assert_eq(waited("respond-async, wait=10"), 10000);
    cr_assert_eq(waited("WAIT = 5; x=y, respond-async"), 5000);
    cr_assert_eq(waited("respond-async\nPrefer: wait=7"), 7000);
    cr_assert_eq(waited("respond-async"), 2000);
    cr_assert_eq(member_number(ask("GET", "/v1/items/" ID,
                                   "Authorization: Bearer reader\nPrefer: wait=9", NULL),
                               "wait_ms"),
                 0);
    expect_faults(ask("POST", "/v1/items", KEYED "\nPrefer: wait=31", ITEM), "header Prefer");
    expect_faults(ask("POST", "/v1/items", KEYED "\nPrefer: wait=-1", ITEM), "header Prefer");
    expect_faults(ask("POST", "/v1/items", KEYED "\nPrefer: wait=", ITEM), "header Prefer");
    expect_faults(ask("POST", "/v1/items", KEYED "\nPrefer: wait=1.5", ITEM), "header Prefer");
    expect_faults(ask("POST", "/v1/items", KEYED "\nPrefer: wait=99999999999999999999", ITEM),
                  "header Prefer");
}

Test(dispatch, a_missing_key_is_told_by_its_own_problem)
{
    expect_problem(ask("POST", "/v1/items", NULL, ITEM), 400, "idempotency-key-missing");
    expect_problem(ask("POST", "/v1/items/" ID "/sell", NULL, NULL), 400,
                   "idempotency-key-missing");
    expect_faults(ask("POST", "/v1/items", NULL, "{}"),
                  "header Idempotency-Key|/name|/price|/currency");
    cr_assert_eq(asking_desk.handled, 0);
}

Test(dispatch, a_key_has_1_to_255_visible_characters)
{
    char headers[400] = "Authorization: Bearer writer\nIdempotency-Key: ";
    size_t at = strlen(headers);

    memset(headers + at, 'k', 255);
    cr_assert_eq(ask("POST", "/v1/items", headers, ITEM)->status, 201);
    headers[at + 255] = 'k';
    expect_faults(ask("POST", "/v1/items", headers, ITEM), "header Idempotency-Key");
    expect_faults(
        ask("POST", "/v1/items", "Authorization: Bearer writer\nIdempotency-Key: a b", ITEM),
        "header Idempotency-Key");
    expect_faults(
        ask("POST", "/v1/items", "Authorization: Bearer writer\nIdempotency-Key: k\xc3\xa4", ITEM),
        "header Idempotency-Key");
    expect_faults(ask("POST", "/v1/items", "Authorization: Bearer writer\nIdempotency-Key:", ITEM),
                  "header Idempotency-Key");
    expect_faults(ask("POST", "/v1/items", KEYED "\nIdempotency-Key: k2", ITEM),
                  "header Idempotency-Key");
}

Test(dispatch, at_least_is_timeline_shard_and_sequence)
{
    const char *const bad[] = {"5",          "1.live",    "1.live.",
                               "1.live.x",   "1..5",      ".live.5",
                               "1.live.5.6", "1.live.-5", "1.live.18446744073709551616",
                               "1.live.5 "};
    char headers[200];

    cr_assert_str_eq(member(ask("GET", "/v1/items/" ID,
                                "Authorization: Bearer reader\n"
                                "Micropay-At-Least: 3.live.18446744073709551615",
                                NULL),
                            "at_least"),
                     "18446744073709551615");
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(headers, sizeof headers, "Authorization: Bearer reader\nMicropay-At-Least: %s",
                 bad[i]);
        expect_faults(ask("GET", "/v1/items/" ID, headers, NULL), "header Micropay-At-Least");
    }
}

Test(dispatch, outcomes_can_be_simulated_in_test_mode_alone)
{
    cr_assert_str_eq(
        member(ask("POST", "/v1/items", KEYED "\nSimulate: fraud-deny", ITEM), "simulate"),
        "fraud-deny");
    expect_faults(ask("POST", "/v1/items",
                      "Authorization: Bearer live\nIdempotency-Key: k\nSimulate: fraud-deny", ITEM),
                  "header Simulate");
    expect_faults(ask("POST", "/v1/items", KEYED "\nSimulate: a b", ITEM), "header Simulate");
}

static void expect_new_trace(const char *given)
{
    char headers[300];
    const struct answer *answer;

    snprintf(headers, sizeof headers, "traceparent: %s", given);
    answer = ask("GET", "/health", headers, NULL);
    cr_assert_eq(strlen(answer->trace), 55, "%s", given);
    cr_assert_eq(strncmp(answer->trace, "00-", 3), 0);
    cr_assert(strlen(given) < 35 || memcmp(answer->trace + 3, given + 3, 32) != 0, "%s", given);
}

Test(dispatch, an_answer_belongs_to_the_callers_trace_or_to_a_new_one)
{
    const char *given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
    char headers[100];
    const struct answer *answer;

    snprintf(headers, sizeof headers, "traceparent: %s", given);
    answer = ask("GET", "/health", headers, NULL);
    cr_assert_eq(strncmp(answer->trace, given, 36), 0);
    cr_assert_neq(strncmp(answer->trace + 36, given + 36, 16), 0);
    cr_assert_str_eq(answer->trace + 52, "-00");
    expect_new_trace("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-00");
    expect_new_trace("00-00000000000000000000000000000000-00f067aa0ba902b7-00");
    expect_new_trace("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-00");
    expect_new_trace("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00");
    expect_new_trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-x");
    expect_new_trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7");
    expect_new_trace("0");
}

/* --- bodies --- */

Test(dispatch, a_body_that_is_not_json_is_refused)
{
    const char *const bad[] = {
        "x",
        "{",
        "{\"name\":\"a\"",
        ITEM "x",
        ITEM ITEM,
        "{'name':'a'}",
        "{\"name\":\"\xff\"}",
        "{\"name\":\"a\\u0000b\"}",
        "{\"name\":\"a\nb\"}",
        "\xef\xbb\xbf" ITEM,
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
        "[]",
        "null",
        "\"text\"",
        "7",
    };

    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_faults(ask("POST", "/v1/items", KEYED, bad[i]), "");
    cr_assert_eq(asking_desk.handled, 0);
}

Test(dispatch, every_fault_of_headers_query_and_body_is_in_one_answer)
{
    expect_faults(ask("POST", "/v1/items?limit=5&name=x",
                      "Authorization: Bearer live\nPrefer: wait=x\nSimulate: s\n"
                      "Micropay-At-Least: 5\nIdempotency-Key: a b",
                      "{\"name\":\"\",\"name\":\"b\",\"price\":12.5,\"state\":\"lost\","
                      "\"extra\":1,\"parts\":[{\"name\":\"leg\",\"pieces\":0},{}]}"),
                  "header Prefer|header Micropay-At-Least|header Idempotency-Key|header Simulate|"
                  "query limit|query name|/name|/name|/price|/state|/extra|/parts/0/pieces|"
                  "/parts/1/name|/currency");
}

Test(dispatch, more_faults_than_an_answer_holds_are_counted)
{
    struct buffer body = {0};
    const struct answer *answer;

    buffer_text(&body, "{\"name\":\"a\",\"price\":\"1\",\"currency\":\"EUR\"");
    for (unsigned i = 0; i < 100; i++) buffer_format(&body, ",\"x%u\":1", i);
    buffer_char(&body, '}');
    answer = ask("POST", "/v1/items", KEYED, body.bytes);
    expect_problem(answer, 400, "invalid-request");
    cr_assert_eq(member_number(answer, "errors_left_out"), 68);
    buffer_done(&body);
}

Test(dispatch, an_empty_body_is_an_empty_object)
{
    expect_faults(ask("PUT", "/v1/items/" ID, NULL, NULL), "/name");
}

Test(dispatch, a_body_where_none_is_taken_is_a_fault)
{
    expect_faults(ask("POST", "/v1/items/" ID "/sell", KEYED, "{}"), "");
    expect_faults(ask("DELETE", "/v1/items/" ID, NULL, "{}"), "");
}

Test(dispatch, a_json_body_that_is_too_large_is_413)
{
    struct buffer body = {0};

    buffer_text(&body, ITEM);
    while (body.length <= 256 * 1024) buffer_text(&body, "          ");
    expect_problem(ask("POST", "/v1/items", KEYED, body.bytes), 413, "body-too-large");
    body.bytes[256 * 1024] = '\0';
    cr_assert_eq(ask("POST", "/v1/items", KEYED, body.bytes)->status, 201);
    buffer_done(&body);
}

/* --- query --- */

Test(dispatch, a_query_that_is_malformed_or_unknown_is_refused_with_all_that_is_wrong)
{
    expect_faults(ask("GET", "/v1/items/" ID "?x=1&limit=3", NULL, NULL), "query x|query limit");
    expect_faults(ask("GET", "/health?cursor=", NULL, NULL), "query cursor");
    expect_faults(ask("GET", "/v1/items?limit=3&limit=3", NULL, NULL), "query limit");
    expect_faults(ask("GET", "/v1/items?name=%zz&name=%00&%=1&name=%ff", NULL, NULL),
                  "query name|query name|query|query name");
    expect_faults(ask("GET", "/v1/items?name=a&%6eame=b", NULL, NULL), "query name");
    cr_assert_eq(ask("GET", "/v1/items?&&limit=2&", NULL, NULL)->status, 200);
}

Test(dispatch, a_query_of_too_many_parameters_is_refused)
{
    struct buffer target = {0};

    buffer_text(&target, "/v1/items?");
    for (unsigned i = 0; i < 33; i++) buffer_format(&target, "x%u=1&", i);
    cr_assert_eq(ask("GET", target.bytes, NULL, NULL)->status, 400);
    buffer_done(&target);
}

/* --- answers --- */

Test(dispatch, a_problem_shows_its_members_and_resource_and_nothing_of_the_log)
{
    const struct answer *answer = ask("GET", "/v1/items/search", NULL, NULL);

    expect_problem(answer, 422, "insufficient-funds");
    cr_assert_str_eq(member(answer, "detail"), "the account has not enough \"money\"");
    cr_assert_str_eq(member(answer, "missing"), "12.50");
    cr_assert_str_eq(member(answer, "instance"), "/v1/items/search");
    cr_assert(strstr(answer->body, "\"item\":{\"name\":\"chair\"") != NULL, "%s", answer->body);
    cr_assert(strstr(answer->body, "half of") == NULL);
    cr_assert(strstr(answer->body, "For the log") == NULL);
}

Test(dispatch, each_exchange_is_observed_once_with_its_status)
{
    ask("GET", "/health", NULL, NULL);
    cr_assert_eq(asking_desk.last_status, 200);
    ask("GET", "/nowhere", NULL, NULL);
    cr_assert_eq(asking_desk.last_status, 404);
    ask("POST", "/v1/items", NULL, "{");
    cr_assert_eq(asking_desk.last_status, 400);
    cr_assert_eq(asking_desk.observed, 3);
}
