/* The server: listening, draining, closing. */
#include "http/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BACKLOG = 1024 };
#define LISTEN_AGAIN_NS UINT64_C(100000000)

static void or_default(uint64_t *value, uint64_t standard)
{
    if (*value == 0) *value = standard;
}

static struct http_limits with_defaults(const struct http_limits *given)
{
    struct http_limits limits = given != NULL ? *given : (struct http_limits){0};

    if (limits.body_max == 0) limits.body_max = 2 * 1024 * 1024;
    if (limits.headers_max == 0) limits.headers_max = 16 * 1024;
    if (limits.connections == 0) limits.connections = 10000;
    or_default(&limits.request_ms, 10000);
    or_default(&limits.idle_ms, 60000);
    return limits;
}

/* --- taking connections, or not --- */

static void pause_listening(struct http_server *server)
{
    server->paused = true;
    if (server->bound != NULL) evconnlistener_disable(server->listener);
}

static void listen_again(void *context)
{
    struct http_server *server = context;

    if (!server->paused || server->connection_count >= server->limits.connections) return;
    server->paused = false;
    if (server->bound != NULL) evconnlistener_enable(server->listener);
}

/* New ones wait in the system's queue. */
void server_full(struct http_server *server) { pause_listening(server); }

void server_connection_gone(struct http_server *server)
{
    listen_again(server);
    if (server->draining && server->connection_count == 0 && server->done != NULL)
        loop_post(server->loop, &server->drained);
}

/* Mostly: too many open files. Without a pause the loop would spin. */
static void on_accept_error(struct evconnlistener *listener, void *context)
{
    struct http_server *server = context;

    (void)listener;
    pause_listening(server);
    connection_drop_idle(server);
    loop_timer_set(server->loop, &server->again, LISTEN_AGAIN_NS);
}

static struct evconnlistener *bind_to(struct http_server *server, const char *address,
                                      unsigned port, struct error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *found = NULL;
    struct evconnlistener *listener;
    char service[12];
    int code;

    snprintf(service, sizeof service, "%u", port);
    code = getaddrinfo(address, service, &hints, &found);
    if (code != 0) {
        error_set(err, REASON_BAD_SETTING, "cannot listen on \"%s\" port %u", address, port);
        error_detail(err, "It is no address: %s.", gai_strerror(code));
        return NULL;
    }
    listener =
        evconnlistener_new_bind(loop_event_base(server->loop), NULL, NULL,
                                LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
                                BACKLOG, found->ai_addr, (int)found->ai_addrlen);
    if (listener == NULL) {
        error_set(err, REASON_BAD_SETTING, "could not listen on %s port %u", address, port);
        error_detail(err, "The system said: %s.", strerror(errno));
        error_hint(err, "Is another process listening there? Choose another port.");
    }
    freeaddrinfo(found);
    return listener;
}

/* --- life --- */

static void on_drained(void *context)
{
    struct http_server *server = context;
    void (*done)(void *) = server->done;

    server->done = NULL;
    if (done != NULL) done(server->done_context);
}

static void configure(struct http_server *server)
{
    evhttp_set_max_body_size(server->library, (ev_ssize_t)server->limits.body_max);
    evhttp_set_max_headers_size(server->library, (ev_ssize_t)server->limits.headers_max);
    evhttp_set_allowed_methods(server->library, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
                                                    EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
                                                    EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE |
                                                    EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH);
    evhttp_set_default_content_type(server->library, NULL);
    /* reads what is too large to its end, so that its sender gets to read why it is refused */
    evhttp_set_flags(server->library, EVHTTP_SERVER_LINGERING_CLOSE);
    evhttp_set_bevcb(server->library, connection_accept, server);
    evhttp_set_gencb(server->library, server_exchange_begin, server);
}

enum outcome http_server_open(struct loop *loop, const char *address, unsigned port,
                              const struct http_limits *limits, struct http_router *router,
                              struct http_server **out, struct error *err)
{
    struct http_server *server = need_memory(sizeof *server);
    int one = 1;

    server->loop = loop;
    server->router = router;
    server->limits = with_defaults(limits);
    server->sweep = (struct loop_timer){.fire = connection_sweep, .context = server};
    server->again = (struct loop_timer){.fire = listen_again, .context = server};
    server->drained = (struct loop_task){.run = on_drained, .context = server};
    server->listener = bind_to(server, address, port, err);
    if (server->listener == NULL) {
        free(server);
        return err->outcome;
    }
    /* accepted sockets inherit it: an answer is one write, nothing is to be gathered */
    setsockopt(evconnlistener_get_fd(server->listener), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    server->library = evhttp_new(loop_event_base(loop));
    if (server->library != NULL)
        server->bound = evhttp_bind_listener(server->library, server->listener);
    if (server->bound == NULL) {
        if (server->library != NULL) evhttp_free(server->library);
        evconnlistener_free(server->listener);
        free(server);
        return error_set(err, REASON_OUT_OF_SPACE, "could not make a server");
    }
    evconnlistener_set_error_cb(server->listener, on_accept_error);
    configure(server);
    *out = server;
    return OUTCOME_DONE;
}

unsigned http_server_port(const struct http_server *server)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;

    if (server->bound == NULL || getsockname(evconnlistener_get_fd(server->listener),
                                             (struct sockaddr *)&address, &length) != 0)
        return 0;
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

void http_server_drain(struct http_server *server, void (*done)(void *context), void *context)
{
    server->done = done;
    server->done_context = context;
    server->draining = true;
    if (server->bound != NULL) evhttp_del_accept_socket(server->library, server->bound);
    server->bound = NULL;
    while (connection_drop_idle(server)) continue;
    if (server->connection_count == 0) loop_post(server->loop, &server->drained);
}

void http_server_close(struct http_server *server)
{
    struct connection *next;

    for (struct connection *c = server->lists[CONNECTION_IDLE].first; c != NULL; c = next) {
        next = c->next;
        if (c->library == NULL) connection_forget(c);
    }
    server->done = NULL;
    evhttp_free(server->library);
    loop_timer_cancel(server->loop, &server->sweep);
    loop_timer_cancel(server->loop, &server->again);
    loop_task_cancel(server->loop, &server->drained);
    free(server->by_descriptor);
    free(server);
}
