/*
 * The inside of the server: libevent's evhttp behind struct http_exchange.
 *
 * evhttp parses requests and writes answers. What it doesn't do stands here: a limit of time for a
 * whole request, a limit of connections, checks of the head that its parser is lax about, and
 * problems in place of its HTML pages. Three things of it are relied on beyond its manual, each
 * checked by a test: the argument of a bufferevent's callbacks is the evhttp_connection; an error
 * page is in the output buffer before any of it is sent; it ends in "</BODY></HTML>\n".
 */
#ifndef ADAPTERS_HTTP_HTTP_SERVER_H
#define ADAPTERS_HTTP_HTTP_SERVER_H

#include "http/http.h"
#include "http/problem.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>

enum connection_state {
    CONNECTION_IDLE,     /* nothing of a request has come */
    CONNECTION_READING,  /* a part of one has */
    CONNECTION_HANDLING, /* an exchange is under way */
    CONNECTION_SENDING,  /* its answer is */
    CONNECTION_STATES,
};

struct connection {
    struct http_server *server;
    struct evhttp_connection *library; /* NULL until evhttp has made it: see on_adopt() */
    struct bufferevent *stream;        /* a reference of our own */
    struct evbuffer_cb_entry *input_cb, *output_cb;
    int descriptor;
    enum connection_state state;
    uint64_t since_ns;                  /* of the state */
    struct connection *previous, *next; /* of the state's list */
    struct server_exchange *exchange;   /* while HANDLING */
    bool has_page;                      /* the library's own answer is being put together */
    size_t page_from;                   /* where it begins in the output */
    struct loop_task adopt;
};

/* Connections in one state, the longest in it first. */
struct connection_list {
    struct connection *first, *last;
};

struct http_server {
    struct loop *loop;
    struct http_router *router;
    struct http_limits limits;
    struct evhttp *library;
    struct evhttp_bound_socket *bound; /* NULL once it takes no more */
    struct evconnlistener *listener;
    struct loop_timer sweep; /* ends what has lasted too long */
    struct loop_timer again; /* listens again */
    uint64_t sweep_ns;       /* when it fires; 0 = not set */
    bool paused, draining;
    struct connection_list lists[CONNECTION_STATES];
    unsigned connection_count;
    struct connection **by_descriptor;
    size_t descriptor_room;
    struct loop_task drained;
    void (*done)(void *context);
    void *done_context;
};

struct server_exchange {
    struct http_exchange exchange;
    struct connection *connection;  /* NULL: it is gone, the answer is for nobody */
    struct evhttp_request *request; /* ours to free once the connection is gone */
    struct joined *joined;          /* headers that came several times */
};

/* --- http_connection.c --- */

/* evhttp asks for the stream of a connection that it is about to accept. */
struct bufferevent *connection_accept(struct event_base *base, void *server);
/* The connection of a request. */
struct connection *connection_of(struct http_server *server, struct evhttp_request *request);
void connection_enter(struct connection *connection, enum connection_state state);
/* An answer was handed to evhttp: makes the connection idle once it is sent. */
void connection_send(struct connection *connection, struct evhttp_request *request);
/* Closes at once. It is freed. */
void connection_drop(struct connection *connection);
/* Closes the one that has been idle longest; false if none is. */
bool connection_drop_idle(struct http_server *server);
/* Frees what evhttp will not tell about any more. */
void connection_forget(struct connection *connection);
void connection_sweep(void *server);

/* --- http_server_exchange.c --- */

/* evhttp has a whole request. */
void server_exchange_begin(struct evhttp_request *request, void *server);
/* The connection went away under it. */
void server_exchange_abandon(struct server_exchange *exchange);

/* --- http_server.c --- */

/* A connection has gone: there is room for another. */
void server_connection_gone(struct http_server *server);
/* There are as many as there may be. */
void server_full(struct http_server *server);

#endif
