#include "http/serving.h"

#include "http/http_server.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ID    "00000000-0000-4000-8000-0000000000aa"
#define HOST  "Host: x\r\n"
#define HELLO "GET /health HTTP/1.1\r\n" HOST "\r\n"

static void open_plain(void) { serving_open(NULL); }

TestSuite(server, .init = open_plain, .fini = serving_close, .timeout = 120);

/* --- what every client expects --- */

Test(server, a_connection_is_kept_for_further_requests)
{
    int client = dial();

    for (unsigned i = 0; i < 100; i++) {
        const struct raw_answer *answer = expect_status(client, HELLO, 200);

        cr_assert_str_eq(raw_header(answer, "Content-Type"), "application/json");
        cr_assert_eq(strlen(raw_header(answer, "traceparent")), 55);
        cr_assert_str_eq(raw_header(answer, "Connection"), "");
    }
    close(client);
}

Test(server, pipelined_requests_are_answered_in_their_order)
{
    int client = dial();
    struct buffer requests = {0};

    for (unsigned i = 0; i < 200; i++)
        buffer_format(&requests,
                      "POST /v1/echo HTTP/1.1\r\n" HOST
                      "Content-Type: application/json\r\nContent-Length: 3\r\n\r\n%03u",
                      i);
    say_bytes(client, requests.bytes, requests.length);
    for (unsigned i = 0; i < 200; i++) {
        const struct raw_answer *answer = hear(client, false);

        cr_assert_eq(answer->status, 200, "%s", answer->body);
        cr_assert_eq((unsigned)atoi(answer->body), i);
    }
    buffer_done(&requests);
    close(client);
}

Test(server, a_request_may_come_in_any_pieces)
{
    static const char request[] =
        "POST /v1/echo HTTP/1.1\r\n" HOST "Content-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
        "2\r\n{}\r\nb\r\n 0123456789\r\n0\r\nTrailer: t\r\n\r\n";
    int client = dial();

    for (size_t i = 0; i + 1 < sizeof request; i++) {
        say_bytes(client, request + i, 1);
        if (i % 16 == 0) usleep(1000);
    }
    cr_assert_str_eq(hear(client, false)->body, "{} 0123456789");
    close(client);
}

Test(server, a_chunked_body_is_read_as_one)
{
    int client = dial();
    const struct raw_answer *answer =
        expect_status(client,
                      "POST /v1/echo HTTP/1.1\r\n" HOST
                      "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "5\r\n{\"a\":\r\n3\r\n 1}\r\n0\r\n\r\n",
                      200);

    cr_assert_str_eq(answer->body, "{\"a\": 1}");
    expect_status(client, HELLO, 200);
    close(client);
}

Test(server, head_is_answered_like_get_without_the_body)
{
    int client = dial();
    const struct raw_answer *answer;
    char length[16];

    serving_desk.large = 12345;
    answer = expect_status(client, "HEAD /v1/large HTTP/1.1\r\n" HOST "\r\n", 200);
    cr_assert_str_eq(raw_header(answer, "Content-Length"), "12345");
    cr_assert_str_eq(raw_header(answer, "Content-Type"), "text/plain");
    expect_status(client, "HEAD /nowhere HTTP/1.1\r\n" HOST "\r\n", 404);
    answer = expect_status(client, "GET /v1/large HTTP/1.1\r\n" HOST "\r\n", 200);
    snprintf(length, sizeof length, "%zu", answer->length);
    cr_assert_str_eq(length, "12345");
    close(client);
}

Test(server, a_large_answer_arrives_whole)
{
    int client = dial();
    const struct raw_answer *answer;

    serving_desk.large = 5000000;
    for (unsigned round = 0; round < 3; round++) {
        answer = expect_status(client, "GET /v1/large HTTP/1.1\r\n" HOST "\r\n", 200);
        cr_assert_eq(answer->length, 5000000);
        for (size_t i = 0; i < answer->length; i++)
            cr_assert_eq(answer->body[i], (char)('a' + i % 26));
    }
    close(client);
}

Test(server, an_answer_without_body_keeps_the_connection)
{
    int client = dial();

    expect_status(
        client, "DELETE /v1/items/" ID " HTTP/1.1\r\n" HOST "Authorization: Bearer writer\r\n\r\n",
        204);
    expect_status(client, HELLO, 200);
    close(client);
}

Test(server, close_is_done_when_it_is_asked_for)
{
    int client = dial();

    cr_assert_str_eq(
        raw_header(
            expect_status(client, "GET /health HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 200),
            "Connection"),
        "close");
    expect_closed(client);
    client = dial();
    expect_status(client, "GET /health HTTP/1.0\r\n\r\n", 200);
    expect_closed(client);
    client = dial();
    expect_status(client, "GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200);
    expect_status(client, "GET /health HTTP/1.0\r\n\r\n", 200);
    expect_closed(client);
}

Test(server, an_absolute_url_is_its_path_and_query)
{
    int client = dial();

    expect_status(client, "GET http://x/nowhere HTTP/1.1\r\n" HOST "\r\n", 404);
    close(client);
    client = dial();
    expect_status(client, "GET http://x/health HTTP/1.1\r\n" HOST "\r\n", 200);
    close(client);
    client = dial();
    expect_status(client, "GET http://x/health?y=1 HTTP/1.1\r\n" HOST "\r\n", 400);
    close(client);
}

Test(server, a_repeated_header_is_one_list)
{
    int client = dial();
    const struct raw_answer *answer =
        expect_status(client,
                      "POST /v1/items/" ID "/sell HTTP/1.1\r\n" HOST
                      "Authorization: Bearer writer\r\nIdempotency-Key: a\r\n"
                      "idempotency-KEY: b\r\nContent-Length: 0\r\n\r\n",
                      400);

    cr_assert(strstr(answer->body, "header Idempotency-Key") != NULL, "%s", answer->body);
    close(client);
}

/* --- methods --- */

Test(server, every_other_method_is_405_with_allow_and_never_a_page)
{
    static const char *const known[] = {"PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "POST"};
    const struct raw_answer *answer;
    int client = dial();
    char request[200];

    for (unsigned i = 0; i < sizeof known / sizeof *known; i++) {
        snprintf(request, sizeof request, "%s /health HTTP/1.1\r\n" HOST "\r\n", known[i]);
        answer = expect_status(client, request, 405);
        cr_assert_str_eq(raw_header(answer, "Allow"), "GET, HEAD");
        cr_assert_str_eq(raw_header(answer, "Content-Type"), "application/problem+json");
    }
    close(client);
    /* also behind requests that were answered */
    client = dial();
    expect_status(client, "GET /health HTTP/1.1\r\n" HOST "\r\n", 200);
    say(client, "BREW /health HTTP/1.1\r\n" HOST "\r\n");
    answer = hear(client, false);
    cr_assert_eq(answer->status, 405);
    cr_assert_str_eq(raw_header(answer, "Content-Type"), "application/problem+json");
    expect_closed(client);
    expect_refused("BREW /health HTTP/1.1\r\n" HOST "\r\n", 405);
    expect_refused("get /health HTTP/1.1\r\n" HOST "\r\n", 405);
    expect_refused("PROPFIND /health HTTP/1.1\r\n" HOST "\r\n", 405);
    expect_refused("TRACE /health HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nGET ", 405);
}

/* --- what is malformed --- */

Test(server, a_request_that_two_readers_could_take_for_two_is_refused_and_cut_off)
{
#define POST   "POST /v1/echo HTTP/1.1\r\n" HOST "Content-Type: application/json\r\n"
#define SECOND "GET /health HTTP/1.1\r\n" HOST "\r\n"
    static const char *const heads[] = {
        POST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SECOND,
        POST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" SECOND,
        POST "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}" SECOND,
        POST "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" SECOND,
        POST "Content-Length: +2\r\n\r\n{}" SECOND,
        POST "Content-Length: -2\r\n\r\n{}" SECOND,
        POST "Content-Length: 0x2\r\n\r\n{}" SECOND,
        POST "Content-Length: 2 2\r\n\r\n{}" SECOND,
        POST "Content-Length: two\r\n\r\n{}" SECOND,
        POST "Content-Length:\r\n\r\n{}" SECOND,
        POST "Content-Length : 2\r\n\r\n{}" SECOND,
        POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" SECOND,
        POST "Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n" SECOND,
        POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" SECOND,
        POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" SECOND,
        POST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" SECOND,
        POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" SECOND,
        POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SECOND,
        "POST /v1/echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SECOND,
        "HEAD /health HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nGET " SECOND,
    };

    for (unsigned i = 0; i < sizeof heads / sizeof *heads; i++) {
        int client = dial();
        const struct raw_answer *answer;

        say(client, heads[i]);
        answer = hear(client, strncmp(heads[i], "HEAD", 4) == 0);
        cr_assert_eq(answer->status, 400, "%u %s to: %s", answer->status, answer->body, heads[i]);
        cr_assert_str_eq(raw_header(answer, "Content-Type"), "application/problem+json");
        expect_closed(client);
    }
    cr_assert_eq(serving_desk.handled, 0);
}

Test(server, a_head_that_is_malformed_is_a_400_problem)
{
    expect_refused("GET /health\r\n\r\n", 400);
    expect_refused("GET /health HTTP/2.0\r\n" HOST "\r\n", 400);
    expect_refused("GET /health HTTP/1.1 x\r\n" HOST "\r\n", 400);
    expect_refused("GET /health FTP/1.1\r\n" HOST "\r\n", 400);
    expect_refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400);
    expect_refused("\x16\x03\x01\x02 this is TLS\r\n\r\n", 400);
    expect_refused("GET /health HTTP/1.1\r\n\r\n", 400);
    expect_refused("GET /health HTTP/1.1\r\n" HOST HOST "\r\n", 400);
    expect_refused("GET /health HTTP/1.1\r\n" HOST "no colon\r\n\r\n", 400);
    expect_refused("GET /health HTTP/1.1\r\n" HOST ": empty\r\n\r\n", 400);
    expect_refused("GET /health HTTP/1.1\r\n" HOST "a b: c\r\n\r\n", 400);
    expect_refused("GET /health HTTP/1.1\r\n" HOST "a: b\x01\r\n\r\n", 400);
    expect_refused("GET /health HTTP/1.1\r\n" HOST "a: b\rc\r\n\r\n", 400);
    expect_refused("GET /health HTTP/1.1\r\n continued\r\n" HOST "\r\n", 400);
    expect_refused("POST /v1/echo HTTP/1.1\r\n" HOST "Expect: tea\r\nContent-Length: 2\r\n\r\n{}",
                   400);
    cr_assert_eq(serving_desk.handled, 0);
}

Test(server, paths_are_decoded_once_and_malformed_ones_refused)
{
    static const struct {
        const char *path;
        unsigned status;
    } cases[] = {
        {"/%68ealth", 200},  {"/health%00", 400},    {"/health%", 400},      {"/health%2", 400},
        {"/health%zz", 400}, {"/%ff", 400},          {"/%c0%af", 400},       {"/%2568ealth", 404},
        {"/../health", 404}, {"//health", 404},      {"/health/..", 404},    {"/health#x", 404},
        {"*", 400},          {"/health?a=%00", 400}, {"/health?a=%ff", 400}, {"/h\xc3\xa4", 404},
        {"/\xff", 400},
    };
    int client = dial();
    char request[200];

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" HOST "\r\n", cases[i].path);
        expect_status(client, request, cases[i].status);
    }
    close(client);
}

Test(server, chunks_that_are_malformed_are_refused)
{
    static const char *const chunks[] = {
        "zz\r\n{}\r\n0\r\n\r\n", "-2\r\n{}\r\n0\r\n\r\n", "2x\r\n{}\r\n0\r\n\r\n",
        "7fffffffffffffff\r\n{}\r\n0\r\n\r\n", "ffffffffffffffffff\r\n{}\r\n0\r\n\r\n"};

    for (unsigned i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        char request[300];

        snprintf(request, sizeof request, POST "Transfer-Encoding: chunked\r\n\r\n%s", chunks[i]);
        expect_refused(request, 413);
    }
    cr_assert_eq(serving_desk.handled, 0);
}

/* --- limits of size --- */

static void open_small(void)
{
    serving_open(&(struct http_limits){.body_max = 1000, .headers_max = 2000});
}

TestSuite(server_small, .init = open_small, .fini = serving_close, .timeout = 120);

/* A request with `count` bytes somewhere in its head. */
static void say_long(int client, const char *before, size_t count, const char *behind)
{
    struct buffer text = {0};

    buffer_text(&text, before);
    for (size_t i = 0; i < count; i++) buffer_char(&text, 'a');
    buffer_text(&text, behind);
    send(client, text.bytes, text.length, MSG_NOSIGNAL);
    buffer_done(&text);
}

Test(server_small, a_head_that_is_too_large_is_refused)
{
    static const char *const befores[] = {
        "GET /", "GET /health?a=", "GET /health HTTP/1.1\r\nA: ", "GET /health HTTP/1.1\r\n", "a"};

    for (unsigned i = 0; i < sizeof befores / sizeof *befores; i++) {
        int client = dial();
        const struct raw_answer *answer;

        say_long(client, befores[i], 2100, "");
        answer = hear(client, false);
        cr_assert_eq(answer->status, 400);
        cr_assert(strstr(answer->body, "2000 bytes") != NULL, "%s", answer->body);
        expect_closed(client);
    }
    for (unsigned i = 0; i < 5; i++) {
        char rest[512];
        int client = dial();

        say_long(client, "GET /", 200000, " HTTP/1.1\r\n" HOST "\r\n"); /* more than is read */
        while (recv(client, rest, sizeof rest, 0) > 0) continue;
        close(client);
        client = dial();
        say_long(client, "GET /health HTTP/1.1\r\n" HOST "A: ", 1900, "\r\n\r\n");
        cr_assert_eq(hear(client, false)->status, 200);
        close(client);
    }
}

Test(server_small, a_body_that_is_too_large_is_413_and_its_sender_gets_to_read_it)
{
    struct buffer body = {0};
    char request[200];
    int client = dial();

    for (unsigned i = 0; i < 100000; i++) buffer_char(&body, ' ');
    say(client, POST "Content-Length: 100000\r\n\r\n");
    say_bytes(client, body.bytes, body.length);
    cr_assert_eq(hear(client, false)->status, 413);
    expect_closed(client);
    expect_refused(POST "Transfer-Encoding: chunked\r\n\r\n3e9\r\n", 413);
    client = dial(); /* who would wait for "100 Continue" sends it some time */
    say(client, POST "Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n");
    say_bytes(client, body.bytes, 1001);
    cr_assert_eq(hear(client, false)->status, 413);
    expect_closed(client);
    client = dial();
    snprintf(request, sizeof request, POST "Content-Length: 1000\r\n\r\n");
    say(client, request);
    say_bytes(client, body.bytes, 1000);
    cr_assert_eq(hear(client, false)->length, 1000);
    close(client);
    cr_assert_eq(serving_desk.handled, 1);
    buffer_done(&body);
}

Test(server_small, who_asks_whether_to_send_the_body_is_told_to)
{
    int client = dial();

    say(client, POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    cr_assert_eq(hear(client, false)->status, 100);
    say(client, "{}");
    cr_assert_str_eq(hear(client, false)->body, "{}");
    say(client, POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    cr_assert_eq(hear(client, false)->status, 100);
    say(client, "[]GARBAGE\r\n\r\n");
    cr_assert_str_eq(hear(client, false)->body, "[]");
    cr_assert_eq(hear(client, false)->status, 400);
    expect_closed(client);
}

Test(server_small, what_is_sent_ahead_of_an_answer_takes_little_memory)
{
    static char garbage[65536];
    struct timeval short_time = {.tv_sec = 2};
    size_t taken = 0;
    int client = dial();

    memset(garbage, 'x', sizeof garbage);
    say(client, "GET /v1/hold HTTP/1.1\r\n" HOST "\r\n");
    wait_for(&serving_desk.held_count, 1);
    setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &short_time, sizeof short_time);
    while (taken < 64u << 20) {
        ssize_t sent = send(client, garbage, sizeof garbage, MSG_NOSIGNAL);

        if (sent <= 0) break;
        taken += (size_t)sent;
    }
    cr_assert_lt(taken, 32u << 20); /* what the system's buffers hold */
    close(client);
}

/* --- limits of time --- */

static void open_hasty(void)
{
    serving_open(&(struct http_limits){.request_ms = 1500, .idle_ms = 3000});
}

TestSuite(server_hasty, .init = open_hasty, .fini = serving_close, .timeout = 120);

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Sends a byte every 50 ms until the server hangs up; returns the seconds. */
static double drip(const char *first, char byte)
{
    int client = dial();
    double begin_s = now_s();
    char got;

    say(client, first);
    while (now_s() - begin_s < 15) {
        if (send(client, &byte, 1, MSG_NOSIGNAL) != 1) break;
        if (recv(client, &got, 1, MSG_DONTWAIT) == 0) break;
        usleep(50000);
    }
    close(client);
    return now_s() - begin_s;
}

Test(server_hasty, who_sends_a_request_drop_by_drop_is_cut_off)
{
    double seconds;

    seconds = drip("GET /health HTTP/1.1\r\n" HOST "A: ", 'a');
    cr_assert(seconds > 1.4 && seconds < 10, "%f", seconds);
    seconds = drip(POST "Content-Length: 100000\r\n\r\n", ' ');
    cr_assert(seconds > 1.4 && seconds < 10, "%f", seconds);
    seconds = drip(POST "Transfer-Encoding: chunked\r\n\r\n", '0');
    cr_assert(seconds > 1.4 && seconds < 10, "%f", seconds);
    seconds = drip(HELLO, 'G'); /* an answer, then drops of the next request */
    cr_assert(seconds > 1.4 && seconds < 10, "%f", seconds);
    cr_assert_eq(serving_desk.handled, 1);
}

Test(server_hasty, a_connection_on_which_nothing_happens_is_closed)
{
    double begin_s = now_s(), seconds;
    int silent = dial(), idle = dial();

    expect_status(idle, HELLO, 200);
    expect_closed(silent);
    expect_closed(idle);
    seconds = now_s() - begin_s;
    cr_assert(seconds > 2.9 && seconds < 15, "%f", seconds);
}

Test(server_hasty, who_does_not_read_his_answer_is_cut_off)
{
    int client = dial(), small = 4096;
    char head[16];
    double begin_s = now_s();

    setsockopt(client, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    serving_desk.large = 64u << 20;
    say(client, "GET /v1/large HTTP/1.1\r\n" HOST "\r\n");
    cr_assert_eq(recv(client, head, sizeof head, 0), sizeof head);
    while (now_s() - begin_s < 30) {
        bool gone = false;

        char rest[100];
        usleep(200000);
        gone = recv(client, rest, sizeof rest, MSG_DONTWAIT) < 0 && now_s() - begin_s > 5;
        if (gone) break;
        on_loop((void (*)(void *))connection_sweep, serving_server);
        if (serving_server->connection_count == 0) break;
    }
    cr_assert_eq(serving_server->connection_count, 0);
    cr_assert_gt(now_s() - begin_s, 2.9);
    close(client);
}

Test(server_hasty, an_answer_that_takes_long_to_make_is_waited_for)
{
    int client = dial();

    say(client, "GET /v1/hold HTTP/1.1\r\n" HOST "\r\n");
    wait_for(&serving_desk.held_count, 1);
    sleep(4);
    on_loop((void (*)(void *))desk_release, &serving_desk);
    cr_assert_str_eq(hear(client, false)->body, "{\"released\":true}");
    expect_status(client, HELLO, 200);
    close(client);
}

/* --- clients that go away --- */

Test(server, a_client_that_goes_away_before_its_answer_harms_nobody)
{
    for (unsigned i = 0; i < 20; i++) {
        int client = dial();

        say(client, "GET /v1/hold HTTP/1.1\r\n" HOST "\r\n");
        if (i % 2 == 0) say(client, HELLO);
        wait_for(&serving_desk.held_count, i + 1);
        if (i % 3 == 0)
            setsockopt(client, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
                       sizeof(struct linger)); /* a reset, no end */
        close(client);
    }
    on_loop((void (*)(void *))desk_release, &serving_desk);
    cr_assert_eq(serving_desk.forgotten, 20);
    close(dial());
    expect_status(dial(), HELLO, 200);
}

Test(server, a_client_that_goes_away_inside_its_request_harms_nobody)
{
    static const char request[] = POST "Content-Length: 10\r\n\r\n{\"a\":1}";

    for (size_t length = 0; length < sizeof request; length += 3) {
        int client = dial();

        say_bytes(client, request, length);
        close(client);
    }
    expect_status(dial(), HELLO, 200);
    cr_assert_eq(serving_desk.handled, 1);
}

Test(server, a_server_that_closes_leaves_exchanges_that_can_still_be_answered)
{
    int client = dial();

    say(client, "GET /v1/hold HTTP/1.1\r\n" HOST "X: 1\r\nX: 2\r\n\r\n");
    wait_for(&serving_desk.held_count, 1);
    on_loop((void (*)(void *))http_server_close, serving_server);
    serving_server = NULL;
    expect_closed(client);
    on_loop((void (*)(void *))desk_release, &serving_desk);
    cr_assert_eq(serving_desk.forgotten, 1);
}

/* --- chance --- */

static uint64_t chance = 20261130;
static unsigned below(unsigned limit)
{
    chance = chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(chance >> 33) % limit;
}

/* A request with some of its bytes changed, removed or doubled. */
static void spoil(struct buffer *request)
{
    static const char bytes[] = "\r\n\0 :%/?&=+-0aZ{}\"\\\x7f\x80\xff";

    for (unsigned left = below(5); left > 0 && request->length > 2; left--) {
        size_t at = below((unsigned)request->length - 1);

        switch (below(4)) {
        case 0: request->length = at + 1; break;
        case 1:
            memmove(request->bytes + at, request->bytes + at + 1, request->length - at - 1);
            request->length--;
            break;
        case 2: {
            struct buffer tail = {0};

            buffer_add(&tail, request->bytes + at, request->length - at);
            buffer_add(request, tail.bytes, tail.length);
            buffer_done(&tail);
            break;
        }
        default: request->bytes[at] = bytes[below(sizeof bytes - 1)];
        }
    }
}

Test(server, requests_that_are_spoiled_at_random_never_bring_it_down)
{
    static const char *const requests[] = {
        HELLO HELLO,
        "GET /v1/items?limit=3&sort=-price,name&price[gte]=5&cursor=AQID HTTP/1.1\r\n" HOST
        "Authorization: Bearer reader\r\nPrefer: wait=3\r\n\r\n",
        "POST /v1/items HTTP/1.1\r\n" HOST "Authorization: Bearer writer\r\n"
        "Content-Type: application/json; charset=utf-8\r\nAccept: */*;q=0.5\r\n"
        "Idempotency-Key: k1\r\nMicropay-At-Least: 1.live.5\r\nContent-Length: 46\r\n\r\n"
        "{\"name\":\"chair\",\"price\":\"1\",\"currency\":\"EUR\"}",
        POST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" HELLO,
        POST "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
        "HEAD http://x/health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    };

    for (unsigned i = 0; i < 3000; i++) {
        const char *plain = requests[below(sizeof requests / sizeof *requests)];
        struct buffer request = {0};
        char answer[4096];
        int client = dial();

        buffer_text(&request, plain);
        spoil(&request);
        send(client, request.bytes, request.length, MSG_NOSIGNAL);
        shutdown(client, SHUT_WR);
        while (recv(client, answer, sizeof answer, 0) > 0) continue;
        close(client);
        buffer_done(&request);
    }
    expect_status(dial(), HELLO, 200);
}

/* --- how many --- */

static void open_few(void) { serving_open(&(struct http_limits){.connections = 4}); }

TestSuite(server_few, .init = open_few, .fini = serving_close, .timeout = 120);

Test(server_few, a_new_client_takes_the_place_of_the_one_idle_longest)
{
    int idle[4], client;

    for (unsigned i = 0; i < 4; i++) {
        idle[i] = dial();
        expect_status(idle[i], HELLO, 200);
    }
    client = dial();
    expect_status(client, HELLO, 200);
    expect_closed(idle[0]);
    close(client);
}

Test(server_few, a_client_too_many_waits_until_another_goes)
{
    int busy[4], client, flags;

    for (unsigned i = 0; i < 4; i++) {
        busy[i] = dial();
        say(busy[i], "GET /v1/hold HTTP/1.1\r\n" HOST "\r\n");
        wait_for(&serving_desk.held_count, i + 1);
    }
    client = dial(); /* in the system's queue */
    say(client, HELLO);
    usleep(300000);
    flags = fcntl(client, F_GETFL);
    fcntl(client, F_SETFL, flags | O_NONBLOCK);
    cr_assert_eq(recv(client, (char[1]){0}, 1, 0), -1);
    fcntl(client, F_SETFL, flags);
    on_loop((void (*)(void *))desk_release, &serving_desk);
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(hear(busy[i], false)->status, 200);
        close(busy[i]);
    }
    cr_assert_eq(hear(client, false)->status, 200);
    close(client);
}

/* --- stopping --- */

static unsigned drained;
static void on_drained(void *context)
{
    (void)context;
    __atomic_store_n(&drained, 1, __ATOMIC_SEQ_CST);
}
static void drain(void *context)
{
    http_server_drain(context, on_drained, NULL);
    cr_assert_eq(drained, 0, "told inside");
}

Test(server, a_server_that_stops_answers_what_is_under_way_and_takes_nothing_new)
{
    int idle = dial(), held = dial(), half = dial(), late;
    const struct raw_answer *answer;

    expect_status(idle, HELLO, 200);
    say(held, "GET /v1/hold HTTP/1.1\r\n" HOST "\r\n");
    wait_for(&serving_desk.held_count, 1);
    say(half, "GET /health HTTP/1.1\r\n");
    usleep(100000); /* it has been read */
    on_loop(drain, serving_server);
    expect_closed(idle);
    late = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(http_server_port(serving_server), 0);
    close(late);
    cr_assert_eq(__atomic_load_n(&drained, __ATOMIC_SEQ_CST), 0);
    say(half, HOST "\r\n");
    answer = hear(half, false);
    cr_assert_eq(answer->status, 200);
    cr_assert_str_eq(raw_header(answer, "Connection"), "close");
    expect_closed(half);
    cr_assert_eq(__atomic_load_n(&drained, __ATOMIC_SEQ_CST), 0);
    on_loop((void (*)(void *))desk_release, &serving_desk);
    cr_assert_eq(hear(held, false)->status, 200);
    expect_closed(held);
    wait_for(&drained, 1);
}

Test(server, a_server_without_clients_is_drained_at_once)
{
    on_loop(drain, serving_server);
    wait_for(&drained, 1);
}

Test(server, an_address_that_cannot_be_listened_on_is_told)
{
    struct error err = {0};
    struct http_server *other = NULL;

    cr_assert_eq(http_server_open(serving_loop, "no.address", 0, NULL, NULL, &other, &err),
                 OUTCOME_BROKEN);
    cr_assert_eq(
        http_server_open(serving_loop, "127.0.0.1", serving_port, NULL, NULL, &other, &err),
        OUTCOME_BROKEN);
    cr_assert_eq(err.reason, REASON_BAD_SETTING);
    cr_assert_str_neq(err.hint, "");
    cr_assert_null(other);
}
