#include "http/serving.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

struct loop *serving_loop;
struct http_server *serving_server;
struct desk serving_desk;
unsigned serving_port;

static struct http_router *router;
static pthread_t thread;

static void *run(void *context)
{
    (void)context;
    loop_run(serving_loop);
    return NULL;
}

void serving_open(const struct http_limits *limits)
{
    struct error err = {0};

    cr_assert_eq(loop_open(&serving_loop, &err), OUTCOME_DONE, "%s", err.message);
    router = desk_router(&serving_desk);
    cr_assert_eq(
        http_server_open(serving_loop, "127.0.0.1", 0, limits, router, &serving_server, &err),
        OUTCOME_DONE, "%s", err.message);
    serving_port = http_server_port(serving_server);
    cr_assert_neq(serving_port, 0);
    cr_assert_eq(pthread_create(&thread, NULL, run, NULL), 0);
}

void serving_close(void)
{
    loop_stop(serving_loop);
    pthread_join(thread, NULL);
    if (serving_server != NULL) http_server_close(serving_server);
    desk_release(&serving_desk);
    http_router_free(router);
    loop_close(serving_loop);
}

struct errand {
    void (*run)(void *context);
    void *context;
    sem_t done;
};

static void run_errand(void *context)
{
    struct errand *errand = context;

    errand->run(errand->context);
    sem_post(&errand->done);
}

void on_loop(void (*function)(void *context), void *context)
{
    struct errand errand = {.run = function, .context = context};
    struct loop_task task = {.run = run_errand, .context = &errand};

    sem_init(&errand.done, 0, 0);
    loop_post(serving_loop, &task);
    while (sem_wait(&errand.done) != 0) continue;
    sem_destroy(&errand.done);
}

void wait_for(const unsigned *counter, unsigned value)
{
    for (unsigned i = 0; i < 20000; i++) {
        if (__atomic_load_n(counter, __ATOMIC_SEQ_CST) == value) return;
        usleep(1000);
    }
    cr_assert_eq(__atomic_load_n(counter, __ATOMIC_SEQ_CST), value);
}

/* --- clients --- */

int dial(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)serving_port)};
    struct timeval limit = {.tv_sec = 20};
    int client = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_geq(client, 0);
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    cr_assert_eq(connect(client, (struct sockaddr *)&address, sizeof address), 0, "%s",
                 strerror(errno));
    return client;
}

void say_bytes(int client, const void *bytes, size_t length)
{
    const char *at = bytes;

    while (length > 0) {
        ssize_t sent = send(client, at, length, MSG_NOSIGNAL);

        cr_assert_gt(sent, 0, "%s", strerror(errno));
        at += sent;
        length -= (size_t)sent;
    }
}

void say(int client, const char *text) { say_bytes(client, text, strlen(text)); }

/* Bytes read; 0 = closed, also when it was reset. */
static size_t read_some(int client, char *out, size_t room)
{
    ssize_t got = recv(client, out, room, 0);

    if (got < 0 && errno == ECONNRESET) return 0;
    cr_assert_geq(got, 0, "%s", strerror(errno));
    return (size_t)got;
}

static bool read_head(int client, struct raw_answer *answer)
{
    size_t length = 0;

    while (length < 4 || memcmp(answer->head + length - 4, "\r\n\r\n", 4) != 0) {
        cr_assert_lt(length + 1, sizeof answer->head);
        if (read_some(client, answer->head + length, 1) == 0) {
            cr_assert_eq(length, 0, "closed inside a head: %s", answer->head);
            return false;
        }
        answer->head[++length] = '\0';
    }
    cr_assert_eq(sscanf(answer->head, "HTTP/1.%*c %u ", &answer->status), 1, "%s", answer->head);
    return true;
}

const char *raw_header(const struct raw_answer *answer, const char *name)
{
    static char value[512];
    char line[128];
    const char *at;

    snprintf(line, sizeof line, "\r\n%s:", name);
    at = strcasestr(answer->head, line);
    value[0] = '\0';
    if (at != NULL) sscanf(at + strlen(line), " %511[^\r]", value);
    return value;
}

const struct raw_answer *hear(int client, bool head)
{
    static struct raw_answer answer;
    const char *text;
    size_t wanted, got;

    free(answer.body);
    answer = (struct raw_answer){.body = calloc(1, 1)};
    if (!read_head(client, &answer) || head || answer.status == 204 || answer.status == 100)
        return &answer;
    text = raw_header(&answer, "Content-Length");
    wanted = *text != '\0' ? strtoul(text, NULL, 10) : SIZE_MAX;
    while (answer.length < wanted) {
        size_t room = wanted - answer.length < 65536 ? wanted - answer.length : 65536;

        answer.body = realloc(answer.body, answer.length + room + 1);
        got = read_some(client, answer.body + answer.length, room);
        if (got == 0) {
            cr_assert_eq(wanted, SIZE_MAX, "closed inside a body");
            break;
        }
        answer.length += got;
        answer.body[answer.length] = '\0';
    }
    return &answer;
}

void expect_closed(int client)
{
    char byte;

    cr_assert_eq(read_some(client, &byte, 1), 0);
    close(client);
}

const struct raw_answer *expect_status(int client, const char *request, unsigned status)
{
    const struct raw_answer *answer;

    say(client, request);
    answer = hear(client, strncmp(request, "HEAD", 4) == 0);
    cr_assert_eq(answer->status, status, "%u %s to: %.100s", answer->status, answer->body, request);
    return answer;
}

void expect_refused(const char *request, unsigned status)
{
    int client = dial();
    const struct raw_answer *answer = expect_status(client, request, status);

    cr_assert_str_eq(raw_header(answer, "Content-Type"), "application/problem+json", "%s%s",
                     answer->head, answer->body);
    cr_assert_eq(strncmp(answer->body, "{\"type\":\"https://micropay.dev/problems/", 39), 0);
    cr_assert_eq(answer->body[answer->length - 1], '}');
    cr_assert_str_eq(raw_header(answer, "Connection"), "close", "%s", answer->head);
    expect_closed(client);
}
