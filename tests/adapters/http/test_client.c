/* The client against our own server, both on one loop. */
#include "http/desk.h"
#include "http/http_server.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS UINT64_C(1000000)
#define ID "00000000-0000-4000-8000-0000000000aa"

static struct loop *loop;
static struct http_router *router;
static struct http_server *server;
static struct http_client *client;
static struct desk desk;

static void open_both(void)
{
    struct error err = {0};

    cr_assert_eq(loop_open(&loop, &err), OUTCOME_DONE);
    router = desk_router(&desk);
    cr_assert_eq(http_server_open(loop, "127.0.0.1", 0, NULL, router, &server, &err), OUTCOME_DONE);
    cr_assert_eq(http_client_open(loop, &client, &err), OUTCOME_DONE);
}

static void close_both(void)
{
    if (client != NULL) http_client_close(client);
    http_server_close(server);
    desk_release(&desk);
    http_router_free(router);
    loop_close(loop);
}

TestSuite(client, .init = open_both, .fini = close_both, .timeout = 120);

/* What came of a call. */
struct result {
    unsigned count, status;
    enum outcome outcome;
    char body[4096], type[64], message[192], detail[384];
    size_t length;
    bool inside; /* the call has not returned yet */
};

static unsigned wanted; /* results until the loop stops */

static void on_done(void *context, const struct http_reply *reply, const struct error *err)
{
    struct result *result = context;
    const char *type = reply->header(reply, "content-TYPE");

    cr_assert_not(result->inside);
    result->count++;
    result->status = reply->status;
    result->outcome = err->outcome;
    result->length = reply->length;
    snprintf(result->body, sizeof result->body, "%s", reply->body);
    snprintf(result->type, sizeof result->type, "%s", type != NULL ? type : "");
    snprintf(result->message, sizeof result->message, "%s", err->message);
    snprintf(result->detail, sizeof result->detail, "%s", err->detail);
    cr_assert_null(reply->header(reply, "no-such-header"));
    if (--wanted == 0) loop_stop(loop);
}

static void begin(struct result *result, struct http_call call, const char *path)
{
    char url[200];

    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", http_server_port(server), path);
    if (call.url == NULL) call.url = url;
    call.done = on_done;
    call.context = result;
    *result = (struct result){.inside = true};
    wanted++;
    http_client_call(client, &call);
    result->inside = false;
}

static const struct result *call(struct http_call call, const char *path)
{
    static struct result result;

    begin(&result, call, path);
    loop_run(loop);
    cr_assert_eq(result.count, 1);
    return &result;
}

Test(client, gets_answers_whatever_their_status)
{
    const struct result *result = call((struct http_call){.method = HTTP_GET}, "/health");

    cr_assert_eq(result->status, 200);
    cr_assert_eq(result->outcome, OUTCOME_DONE);
    cr_assert_str_eq(result->type, "application/json");
    cr_assert_eq(result->body[0], '{');
    result = call((struct http_call){.method = HTTP_GET}, "/nowhere");
    cr_assert_eq(result->status, 404);
    cr_assert_eq(result->outcome, OUTCOME_DONE);
    cr_assert_str_eq(result->type, "application/problem+json");
}

Test(client, sends_method_headers_and_body)
{
    const char *const headers[] = {"Authorization: Bearer writer", "Idempotency-Key: k", NULL};
    const char *const plain[] = {"Content-Type: text/plain", NULL};
    const char *item = "{\"name\":\"chair\",\"price\":\"1\",\"currency\":\"EUR\"}";
    const char *part = "{\"name\":\"leg\"}";

    cr_assert_eq(call((struct http_call){.method = HTTP_POST,
                                         .headers = headers,
                                         .body = item,
                                         .length = strlen(item)},
                      "/v1/items")
                     ->status,
                 201);
    cr_assert_eq(
        call((struct http_call){.method = HTTP_POST, .headers = headers}, "/v1/items/" ID "/sell")
            ->status,
        200);
    cr_assert_eq(call((struct http_call){.method = HTTP_PUT,
                                         .headers = headers,
                                         .body = part,
                                         .length = strlen(part)},
                      "/v1/items/" ID)
                     ->status,
                 200);
    cr_assert_eq(
        call((struct http_call){.method = HTTP_DELETE, .headers = headers}, "/v1/items/" ID)
            ->status,
        204);
    cr_assert_eq(
        call((struct http_call){.method = HTTP_POST, .headers = plain, .body = "a\0b", .length = 3},
             "/v1/files/x")
            ->status,
        200);
}

Test(client, a_large_body_goes_and_comes_whole)
{
    struct buffer body = {0};
    struct result result;

    for (unsigned i = 0; i < 1500000; i++) buffer_char(&body, (char)('a' + i % 26));
    begin(&result,
          (struct http_call){.method = HTTP_POST, .body = body.bytes, .length = body.length},
          "/v1/echo");
    memset(body.bytes, 'x', body.length); /* it was copied */
    loop_run(loop);
    cr_assert_eq(result.status, 200);
    cr_assert_eq(result.length, 1500000);
    cr_assert_eq(strncmp(result.body, "abcdefghijklmnopqrstuvwxyzab", 28), 0);
    buffer_done(&body);
}

Test(client, keeps_its_connection_for_the_next_call)
{
    for (unsigned i = 0; i < 20; i++)
        cr_assert_eq(call((struct http_call){.method = HTTP_GET}, "/health")->status, 200);
    cr_assert_eq(server->connection_count, 1);
}

Test(client, many_calls_at_once_all_get_their_own_answer)
{
    enum { COUNT = 300 };
    static struct result results[COUNT];
    static char bodies[COUNT][16];

    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(bodies[i], sizeof bodies[i], "%u", i);
        begin(
            &results[i],
            (struct http_call){.method = HTTP_POST, .body = bodies[i], .length = strlen(bodies[i])},
            "/v1/echo");
    }
    loop_run(loop);
    for (unsigned i = 0; i < COUNT; i++) {
        cr_assert_eq(results[i].count, 1);
        cr_assert_eq(results[i].status, 200);
        cr_assert_str_eq(results[i].body, bodies[i]);
    }
    cr_assert_leq(server->connection_count, 64);
}

Test(client, an_answer_that_does_not_come_in_time_may_have_been_sent)
{
    const struct result *result =
        call((struct http_call){.method = HTTP_GET, .timeout_ms = 300}, "/v1/hold");

    cr_assert_eq(result->status, 0);
    cr_assert_eq(result->outcome, OUTCOME_UNKNOWN);
    cr_assert_eq(desk.held_count, 1);
    cr_assert_str_eq(result->body, "");
}

/* A port on which nobody listens. */
static unsigned closed_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(bind(listener, (struct sockaddr *)&address, length), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    close(listener);
    return ntohs(address.sin_port);
}

Test(client, a_host_that_is_not_there_got_nothing)
{
    char url[100];
    const struct result *result;

    snprintf(url, sizeof url, "http://user:secret@127.0.0.1:%u/path-secret", closed_port());
    result = call((struct http_call){.method = HTTP_POST, .url = url}, "");
    cr_assert_eq(result->status, 0);
    cr_assert_eq(result->outcome, OUTCOME_AGAIN);
    cr_assert(strstr(result->message, "127.0.0.1") != NULL, "%s", result->message);
    cr_assert_null(strstr(result->message, "secret"), "%s", result->message);
    cr_assert_null(strstr(result->detail, "secret"), "%s", result->detail);
}

Test(client, an_url_that_is_none_is_refused_and_not_called)
{
    static const char *const urls[] = {
        "",        "nonsense with blanks", "ftp://127.0.0.1/x", "file:///etc/passwd",
        "http://", "http://[::1",          "gopher:x"};

    for (unsigned i = 0; i < sizeof urls / sizeof *urls; i++) {
        const struct result *result =
            call((struct http_call){.method = HTTP_GET, .url = urls[i]}, "");

        cr_assert_eq(result->status, 0);
        cr_assert_eq(result->outcome, OUTCOME_REFUSED, "%s: %s %s", urls[i], result->message,
                     result->detail);
    }
}

Test(client, an_answer_that_is_too_large_is_cut_off)
{
    const struct result *result;

    desk.large = 16 * 1024 * 1024;
    result = call((struct http_call){.method = HTTP_GET, .timeout_ms = 60000}, "/v1/large");
    cr_assert_eq(result->status, 200);
    cr_assert_eq(result->length, 16 * 1024 * 1024);
    desk.large++;
    result = call((struct http_call){.method = HTTP_GET, .timeout_ms = 60000}, "/v1/large");
    cr_assert_eq(result->status, 0);
    cr_assert_eq(result->outcome, OUTCOME_UNKNOWN);
    cr_assert(strstr(result->message, "16777216") != NULL, "%s", result->message);
}

static void restart_server(void)
{
    struct error err = {0};
    unsigned port = http_server_port(server);

    http_server_close(server);
    cr_assert_eq(http_server_open(loop, "127.0.0.1", port, NULL, router, &server, &err),
                 OUTCOME_DONE, "%s", err.message);
}

Test(client, a_kept_connection_that_the_server_closed_is_no_failed_call)
{
    for (unsigned i = 0; i < 10; i++) {
        cr_assert_eq(
            call((struct http_call){.method = HTTP_POST, .body = "1", .length = 1}, "/v1/echo")
                ->status,
            200);
        restart_server();
    }
}

Test(client, a_server_that_dies_may_have_done_it)
{
    struct result result;
    struct loop_timer timer = {.fire = (void (*)(void *))restart_server};

    begin(&result, (struct http_call){.method = HTTP_GET}, "/v1/hold");
    loop_timer_set(loop, &timer, 500 * MS);
    loop_run(loop);
    cr_assert_eq(desk.held_count, 1);
    cr_assert_eq(result.status, 0);
    cr_assert_eq(result.outcome, OUTCOME_UNKNOWN);
}

static void stop_when_held(void *context)
{
    struct loop_task *task = context;

    if (desk.held_count == 2)
        loop_stop(loop);
    else
        loop_post(loop, task);
}

Test(client, what_is_under_way_when_it_closes_is_told)
{
    struct result held[2], waiting;
    struct loop_task task = {.run = stop_when_held, .context = &task};

    begin(&held[0], (struct http_call){.method = HTTP_GET}, "/v1/hold");
    begin(&held[1], (struct http_call){.method = HTTP_GET}, "/v1/hold");
    loop_post(loop, &task);
    loop_run(loop);
    begin(&waiting, (struct http_call){.method = HTTP_GET}, "/health");
    http_client_close(client);
    client = NULL;
    cr_assert_eq(held[0].count + held[1].count + waiting.count, 3);
    cr_assert_eq(held[0].outcome, OUTCOME_UNKNOWN);
    cr_assert_eq(waiting.outcome, OUTCOME_UNKNOWN);
    cr_assert_eq(waiting.status, 0);
}

static struct result chained;
static void call_again(void *context, const struct http_reply *reply, const struct error *err)
{
    (void)context;
    (void)err;
    cr_assert_eq(reply->status, 200);
    begin(&chained, (struct http_call){.method = HTTP_GET}, "/health");
}

Test(client, an_answer_may_lead_to_the_next_call)
{
    char url[100];

    snprintf(url, sizeof url, "http://127.0.0.1:%u/health", http_server_port(server));
    http_client_call(client,
                     &(struct http_call){.method = HTTP_GET, .url = url, .done = call_again});
    loop_run(loop);
    cr_assert_eq(chained.status, 200);
}
