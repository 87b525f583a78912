/* Kept connections over epoll. */
#include "clients.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_MAX = 256, IN_FIRST = 4096 };

struct client {
    struct client *next_free;
    int descriptor;
    bool busy, writing; /* writing: the rest goes when the socket takes more */
    uint64_t tag;
    char *out, *in;
    size_t out_room, out_length, sent;
    size_t in_room, in_length;
};

struct clients {
    struct sockaddr_in address;
    int epoll;
    unsigned count, free_count;
    struct client *first_free, *all;
    void (*on_answer)(void *context, const struct client_answer *answer);
    void *context;
};

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "load: could not %s: %s\n", what, strerror(errno));
    exit(1);
}

uint64_t clients_now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return UINT64_C(1000000000) * (uint64_t)time.tv_sec + (uint64_t)time.tv_nsec;
}

/* --- connections --- */

static void connect_client(struct clients *clients, struct client *client)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    int one = 1;

    client->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->descriptor < 0) fail("make a socket");
    if (connect(client->descriptor, (const struct sockaddr *)&clients->address,
                sizeof clients->address) != 0)
        fail("connect to the server");
    setsockopt(client->descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (epoll_ctl(clients->epoll, EPOLL_CTL_ADD, client->descriptor, &event) != 0)
        fail("watch a socket");
    client->in_length = client->out_length = client->sent = 0;
    client->writing = false;
}

static void set_free(struct clients *clients, struct client *client)
{
    client->busy = false;
    client->next_free = clients->first_free;
    clients->first_free = client;
    clients->free_count++;
}

struct clients *clients_open(unsigned port, unsigned count,
                             void (*on_answer)(void *context, const struct client_answer *answer),
                             void *context)
{
    struct clients *clients = calloc(1, sizeof *clients);

    if (clients == NULL) fail("get memory");
    *clients = (struct clients){
        .address = {.sin_family = AF_INET,
                    .sin_port = htons((uint16_t)port),
                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
        .epoll = epoll_create1(EPOLL_CLOEXEC),
        .count = count,
        .all = calloc(count, sizeof(struct client)),
        .on_answer = on_answer,
        .context = context,
    };
    if (clients->epoll < 0 || clients->all == NULL) fail("make the clients");
    for (unsigned i = 0; i < count; i++) {
        connect_client(clients, &clients->all[i]);
        set_free(clients, &clients->all[i]);
    }
    return clients;
}

void clients_close(struct clients *clients)
{
    for (unsigned i = 0; i < clients->count; i++) {
        close(clients->all[i].descriptor);
        free(clients->all[i].in);
        free(clients->all[i].out);
    }
    close(clients->epoll);
    free(clients->all);
    free(clients);
}

unsigned clients_free(const struct clients *clients) { return clients->free_count; }

/* --- sending --- */

static void watch_for(struct clients *clients, struct client *client, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = client};

    if (epoll_ctl(clients->epoll, EPOLL_CTL_MOD, client->descriptor, &event) != 0)
        fail("watch a socket");
}

static void write_some(struct clients *clients, struct client *client)
{
    while (client->sent < client->out_length) {
        ssize_t n = send(client->descriptor, client->out + client->sent,
                         client->out_length - client->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) {
            if (!client->writing) watch_for(clients, client, EPOLLIN | EPOLLOUT);
            client->writing = true;
            return;
        }
        if (n < 0) return; /* reading finds the connection lost */
        client->sent += (size_t)n;
    }
    if (client->writing) watch_for(clients, client, EPOLLIN);
    client->writing = false;
}

char *clients_room(struct clients *clients, size_t length)
{
    struct client *client = clients->first_free;

    if (client->out_room < length) {
        client->out = realloc(client->out, length);
        if (client->out == NULL) fail("get memory");
        client->out_room = length;
    }
    return client->out;
}

void clients_send(struct clients *clients, uint64_t tag, size_t length)
{
    struct client *client = clients->first_free;

    clients->first_free = client->next_free;
    clients->free_count--;
    client->busy = true;
    client->tag = tag;
    client->out_length = length;
    client->sent = client->in_length = 0;
    write_some(clients, client);
}

/* --- receiving --- */

static void answered(struct clients *clients, struct client *client, struct client_answer *answer)
{
    answer->tag = client->tag;
    set_free(clients, client);
    clients->on_answer(clients->context, answer);
}

static void lost(struct clients *clients, struct client *client)
{
    bool busy = client->busy;

    close(client->descriptor);
    connect_client(clients, client);
    if (busy) answered(clients, client, &(struct client_answer){.head = "", .body = ""});
}

/* The Content-Length of a head that ends in a NUL; 0 if it has none. */
static size_t length_of(const char *head)
{
    static const char name[] = "\ncontent-length:";

    for (const char *at = strchr(head, '\n'); at != NULL; at = strchr(at + 1, '\n'))
        if (strncasecmp(at, name, sizeof name - 1) == 0)
            return strtoull(at + sizeof name - 1, NULL, 10);
    return 0;
}

/* Hands out the answer if it is whole. */
static void look(struct clients *clients, struct client *client)
{
    char *end = memmem(client->in, client->in_length, "\r\n\r\n", 4), *body;
    struct client_answer answer = {.head = client->in};

    if (end == NULL) return;
    body = end + 4;
    body[-1] = '\0';
    answer.length = length_of(client->in);
    body[-1] = '\n';
    if (client->in_length < (size_t)(body - client->in) + answer.length) return;
    body[-1] = body[answer.length] = '\0';
    answer.body = body;
    if (sscanf(client->in, "HTTP/1.1 %3u", &answer.status) != 1) answer.status = 0;
    answered(clients, client, &answer);
}

static void read_some(struct clients *clients, struct client *client)
{
    ssize_t n;

    if (client->in_room - client->in_length < IN_FIRST / 2) {
        client->in_room = client->in_room > 0 ? 2 * client->in_room : IN_FIRST;
        client->in = realloc(client->in, client->in_room + 1); /* and a NUL */
        if (client->in == NULL) fail("get memory");
    }
    n = recv(client->descriptor, client->in + client->in_length,
             client->in_room - client->in_length, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        lost(clients, client);
        return;
    }
    client->in_length += (size_t)n;
    if (client->busy) look(clients, client);
}

void clients_wait(struct clients *clients, uint64_t until_ns)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t now_ns = clients_now_ns(), wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    struct timespec wait = {.tv_sec = (time_t)(wait_ns / 1000000000),
                            .tv_nsec = (long)(wait_ns % 1000000000)};
    int count = epoll_pwait2(clients->epoll, events, EVENTS_MAX, &wait, NULL);

    for (int i = 0; i < count; i++) {
        struct client *client = events[i].data.ptr;

        if ((events[i].events & EPOLLOUT) != 0) write_some(clients, client);
        if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0) read_some(clients, client);
    }
}

void clients_sleep(uint64_t until_ns)
{
    struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000),
                             .tv_nsec = (long)(until_ns % 1000000000)};

    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}
