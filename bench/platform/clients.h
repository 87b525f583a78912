/*
 * Clients of an HTTP server: kept connections, each with one request under way at most. HTTP/1.1 as
 * far as a load generator needs it: no pipelining, no chunked answers. One thread, epoll.
 *
 * What it can't do without (memory, sockets) ends the program.
 */
#ifndef BENCH_CLIENTS_H
#define BENCH_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lent during the call. */
struct client_answer {
    uint64_t tag;     /* as given with the request */
    unsigned status;  /* 0: the connection was lost before the answer was whole */
    const char *head; /* status line and headers; ends in a NUL in place of its last line feed */
    const char *body; /* ends in a NUL */
    size_t length;    /* of the body */
};

struct clients;

/* `on_answer` may send. */
struct clients *clients_open(unsigned port, unsigned count,
                             void (*on_answer)(void *context, const struct client_answer *answer),
                             void *context);
void clients_close(struct clients *clients);
/* Connections without a request. */
unsigned clients_free(const struct clients *clients);
/* Room for a request on a free connection; there must be one. */
char *clients_room(struct clients *clients, size_t length);
/* Sends what was put into the room that was asked for last. */
void clients_send(struct clients *clients, uint64_t tag, size_t length);
/* Waits until something has come or the clock has come to `until_ns`, and handles it. */
void clients_wait(struct clients *clients, uint64_t until_ns);
/* Lets what comes wait until then. */
void clients_sleep(uint64_t until_ns);
/* Nanoseconds of the clock that all this is measured by. */
uint64_t clients_now_ns(void);

#endif
