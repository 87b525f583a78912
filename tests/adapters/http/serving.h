/* The desk behind a real server, its loop on a thread of its own; and clients that speak raw bytes.
 */
#ifndef TESTS_ADAPTERS_HTTP_SERVING_H
#define TESTS_ADAPTERS_HTTP_SERVING_H

#include "http/desk.h"

extern struct loop *serving_loop;
extern struct http_server *serving_server;
extern struct desk serving_desk;
extern unsigned serving_port;

/* NULL = the defaults. */
void serving_open(const struct http_limits *limits);
/* Releases what is held, closes the server and the loop. */
void serving_close(void);
/* Runs a function on the loop's thread and waits until it has. */
void on_loop(void (*run)(void *context), void *context);
/* Waits until a counter of the desk has a value. */
void wait_for(const unsigned *counter, unsigned value);

/* --- clients: every wait ends after 20 seconds, in a failed test --- */

int dial(void);
void say(int client, const char *text);
void say_bytes(int client, const void *bytes, size_t length);

struct raw_answer {
    unsigned status; /* 0: the connection was closed before one came */
    char head[4096];
    char *body; /* ends in a NUL; freed by the next call */
    size_t length;
};
/* Reads one answer: by Content-Length, or to the end if there is none. `head` = of a HEAD: no body.
 */
const struct raw_answer *hear(int client, bool head);
/* A header of it; "" if it isn't there. */
const char *raw_header(const struct raw_answer *answer, const char *name);
/* Checks that the server closes without saying more. */
void expect_closed(int client);
/* Says it, and checks the answer's status. Returns the answer. */
const struct raw_answer *expect_status(int client, const char *request, unsigned status);
/* The same on a connection of its own; the answer must be a problem after which it is closed. */
void expect_refused(const char *request, unsigned status);

#endif
