/* Connections of the server: their states, how long each may last, the library's own answers. */
#include "http/http_server.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#define MS_NS UINT64_C(1000000)
enum { READ_AHEAD = 64 * 1024 }; /* bytes that may come while an answer is under way */

/* --- states --- */

static void list_remove(struct connection *connection)
{
    struct connection_list *list = &connection->server->lists[connection->state];

    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        list->first = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    else
        list->last = connection->previous;
}

static void list_add(struct connection *connection)
{
    struct connection_list *list = &connection->server->lists[connection->state];

    connection->previous = list->last;
    connection->next = NULL;
    if (list->last != NULL)
        list->last->next = connection;
    else
        list->first = connection;
    list->last = connection;
}

/* How long a state may last; 0 = as long as the handler takes. */
static uint64_t state_ns(const struct http_server *server, enum connection_state state)
{
    switch (state) {
    case CONNECTION_READING: return server->limits.request_ms * MS_NS;
    case CONNECTION_HANDLING: return 0;
    default: return server->limits.idle_ms * MS_NS;
    }
}

/* Sees to it that the timer fires when a state that began at `since_ns` has lasted too long. It
 * isn't moved along with every change: looking in vain now and then is cheaper. */
static void expect_end(struct http_server *server, enum connection_state state, uint64_t since_ns)
{
    uint64_t limit_ns = state_ns(server, state), due_ns = since_ns + limit_ns, now_ns;

    if (limit_ns == 0 || (server->sweep_ns != 0 && server->sweep_ns <= due_ns)) return;
    now_ns = loop_elapsed_ns(server->loop);
    server->sweep_ns = due_ns;
    loop_timer_set(server->loop, &server->sweep, due_ns > now_ns ? due_ns - now_ns : 0);
}

void connection_enter(struct connection *connection, enum connection_state state)
{
    struct http_server *server = connection->server;

    list_remove(connection);
    connection->state = state;
    connection->since_ns = loop_elapsed_ns(server->loop);
    list_add(connection);
    expect_end(server, state, connection->since_ns);
}

void connection_sweep(void *context)
{
    struct http_server *server = context;
    uint64_t now_ns = loop_elapsed_ns(server->loop);

    server->sweep_ns = 0;
    for (unsigned i = 0; i < CONNECTION_STATES; i++) {
        enum connection_state state = (enum connection_state)i;
        uint64_t limit_ns = state_ns(server, state);
        struct connection *first;

        if (limit_ns == 0) continue;
        while ((first = server->lists[state].first) != NULL &&
               first->since_ns + limit_ns <= now_ns && first->library != NULL)
            connection_drop(first);
        if (first != NULL) expect_end(server, state, first->since_ns);
    }
}

/* --- what comes in and goes out --- */

static void watch_input(struct connection *connection, bool watch)
{
    struct evbuffer *input = bufferevent_get_input(connection->stream);

    if (watch)
        evbuffer_cb_set_flags(input, connection->input_cb, EVBUFFER_CB_ENABLED);
    else
        evbuffer_cb_clear_flags(input, connection->input_cb, EVBUFFER_CB_ENABLED);
}

/* The first bytes of a request. */
static void on_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *context)
{
    struct connection *connection = context;

    (void)input;
    if (info->n_added == 0 || connection->state != CONNECTION_IDLE) return;
    connection_enter(connection, CONNECTION_READING);
    watch_input(connection, false);
}

/* What evhttp refuses by itself, as a problem. Its words for a head that is too large are the same
 * as for one that is malformed. */
static void page_problem(const struct connection *connection, unsigned status, struct error *err)
{
    const struct http_limits *limits = &connection->server->limits;

    if (status == 413) {
        error_set(err, REASON_BODY_TOO_LARGE, "the body has more than %zu bytes", limits->body_max);
        error_hint(err, "Send less in one request, and chunks that are well-formed.");
    } else if (status == 501) {
        error_set(err, REASON_METHOD_NOT_ALLOWED, "the method is not one of HTTP's");
    } else {
        error_set(err, REASON_INVALID_REQUEST, "the request is not well-formed HTTP/1.1");
        error_hint(err,
                   "Its head may have %zu bytes; it has a Content-Length or a "
                   "Transfer-Encoding, not both.",
                   limits->headers_max);
    }
}

/* Replaces the page at the end of the output. */
static void replace_page(struct connection *connection, struct evbuffer *output, unsigned status)
{
    struct evbuffer *before = evbuffer_new();
    struct buffer body = {0};
    struct error err = {0};

    if (before == NULL) return; /* it goes out as it is */
    page_problem(connection, status, &err);
    problem_print(&body, &err, NULL, NULL);
    evbuffer_remove_buffer(output, before, connection->page_from);
    evbuffer_drain(output, evbuffer_get_length(output));
    evbuffer_add_buffer(output, before);
    evbuffer_add_printf(output,
                        "HTTP/1.1 %u %s\r\nContent-Type: application/problem+json\r\n%s"
                        "Content-Length: %zu\r\nConnection: close\r\n\r\n",
                        reason_row(err.reason)->status, reason_row(err.reason)->title,
                        status == 501 ? "Allow: GET, HEAD, POST, PUT, DELETE\r\n" : "",
                        body.length);
    evbuffer_add(output, body.bytes, body.length);
    evbuffer_free(before);
    buffer_done(&body);
}

/* Whether the output ends as a page of evhttp does. */
static bool is_page(struct evbuffer *output)
{
    static const char end[] = "</BODY></HTML>\n";
    char last[sizeof end - 1];
    struct evbuffer_ptr at;
    size_t length = evbuffer_get_length(output);

    if (length < sizeof last ||
        evbuffer_ptr_set(output, &at, length - sizeof last, EVBUFFER_PTR_SET) != 0)
        return false;
    return evbuffer_copyout_from(output, &at, last, sizeof last) == sizeof last &&
           memcmp(last, end, sizeof last) == 0;
}

/* The status in the status line at `from`; 0 if there is none. */
static unsigned page_status(struct evbuffer *output, size_t from)
{
    char line[13] = "";
    struct evbuffer_ptr at;

    if (evbuffer_ptr_set(output, &at, from, EVBUFFER_PTR_SET) != 0 ||
        evbuffer_copyout_from(output, &at, line, 12) != 12 || memcmp(line, "HTTP/1.", 7) != 0)
        return 0;
    return (unsigned)strtoul(line + 9, NULL, 10);
}

/* What goes out while no exchange is under way is the library's own: "100 Continue", or a page. */
static void look_at_output(struct connection *connection, struct evbuffer *output, size_t from)
{
    if (!connection->has_page) {
        if (page_status(output, from) < 400) return;
        connection->has_page = true;
        connection->page_from = from;
        connection_enter(connection, CONNECTION_SENDING);
    } else if (is_page(output)) {
        evbuffer_cb_clear_flags(output, connection->output_cb, EVBUFFER_CB_ENABLED);
        replace_page(connection, output, page_status(output, connection->page_from));
    }
}

static void on_output(struct evbuffer *output, const struct evbuffer_cb_info *info, void *context)
{
    if (info->n_added == 0) return;
    /* once it has written, a bufferevent lets its output be read by nobody but itself */
    evbuffer_unfreeze(output, 1);
    look_at_output(context, output, info->orig_size);
    evbuffer_freeze(output, 1);
}

/* --- life --- */

static void on_close(struct evhttp_connection *library, void *context)
{
    struct connection *connection = context;

    (void)library;
    if (connection->exchange != NULL) server_exchange_abandon(connection->exchange);
    connection_forget(connection);
}

static void remember_descriptor(struct connection *connection)
{
    struct http_server *server = connection->server;
    size_t room = server->descriptor_room, needed = (size_t)connection->descriptor + 1;

    if (needed > room) {
        size_t more = needed > 2 * room ? needed : 2 * room;

        server->by_descriptor =
            need_more_memory(server->by_descriptor, more * sizeof(struct connection *));
        memset(server->by_descriptor + room, 0, (more - room) * sizeof(struct connection *));
        server->descriptor_room = more;
    }
    server->by_descriptor[connection->descriptor] = connection;
}

/* evhttp has made its connection, and nothing has been read from it yet. Or it couldn't, and has
 * let go of the stream. */
static void on_adopt(void *context)
{
    struct connection *connection = context;
    bufferevent_event_cb event_cb;
    void *library;

    bufferevent_getcb(connection->stream, NULL, NULL, &event_cb, &library);
    if (event_cb == NULL) {
        connection_forget(connection);
        return;
    }
    assert(evhttp_connection_get_bufferevent(library) == connection->stream);
    connection->library = library;
    connection->descriptor = bufferevent_getfd(connection->stream);
    remember_descriptor(connection);
    evhttp_connection_set_closecb(library, on_close, connection);
    if (connection->server->draining) connection_drop(connection);
}

struct bufferevent *connection_accept(struct event_base *base, void *context)
{
    struct http_server *server = context;
    struct bufferevent *stream = bufferevent_socket_new(base, -1, 0);
    struct connection *connection;

    if (stream == NULL) return NULL; /* evhttp tries itself, and fails alike */
    connection = need_memory(sizeof *connection);
    connection->server = server;
    connection->stream = stream;
    connection->descriptor = -1;
    connection->adopt = (struct loop_task){.run = on_adopt, .context = connection};
    connection->input_cb = evbuffer_add_cb(bufferevent_get_input(stream), on_input, connection);
    connection->output_cb = evbuffer_add_cb(bufferevent_get_output(stream), on_output, connection);
    bufferevent_incref(stream);
    bufferevent_setwatermark(stream, EV_READ, 0,
                             server->limits.headers_max + server->limits.body_max + READ_AHEAD);
    list_add(connection);
    connection_enter(connection, CONNECTION_IDLE);
    loop_post(server->loop, &connection->adopt);
    if (++server->connection_count >= server->limits.connections && !connection_drop_idle(server))
        server_full(server);
    return stream;
}

/* One whose first request has come before it was adopted. */
static struct connection *adopt_now(struct http_server *server, const struct bufferevent *stream)
{
    for (unsigned i = 0; i < CONNECTION_STATES; i++) {
        for (struct connection *c = server->lists[i].last; c != NULL; c = c->previous) {
            if (c->stream != stream) continue;
            loop_task_cancel(server->loop, &c->adopt);
            on_adopt(c);
            return c;
        }
    }
    abort();
}

struct connection *connection_of(struct http_server *server, struct evhttp_request *request)
{
    struct evhttp_connection *library = evhttp_request_get_connection(request);
    struct bufferevent *stream = evhttp_connection_get_bufferevent(library);
    size_t descriptor = (size_t)bufferevent_getfd(stream);
    struct connection *known =
        descriptor < server->descriptor_room ? server->by_descriptor[descriptor] : NULL;

    return known != NULL ? known : adopt_now(server, stream);
}

static void on_sent(struct evhttp_request *request, void *context)
{
    struct connection *connection = context;
    struct evbuffer *input = bufferevent_get_input(connection->stream);
    const struct http_limits *limits = &connection->server->limits;

    (void)request;
    bufferevent_setwatermark(connection->stream, EV_READ, 0,
                             limits->headers_max + limits->body_max + READ_AHEAD);
    evbuffer_cb_set_flags(bufferevent_get_output(connection->stream), connection->output_cb,
                          EVBUFFER_CB_ENABLED);
    if (evbuffer_get_length(input) > 0) { /* the next request is there already */
        connection_enter(connection, CONNECTION_READING);
    } else {
        connection_enter(connection, CONNECTION_IDLE);
        watch_input(connection, true);
    }
}

void connection_send(struct connection *connection, struct evhttp_request *request)
{
    connection->exchange = NULL;
    connection_enter(connection, CONNECTION_SENDING);
    evhttp_request_set_on_complete_cb(request, on_sent, connection);
    bufferevent_setwatermark(connection->stream, EV_READ, 0, READ_AHEAD);
}

void connection_drop(struct connection *connection)
{
    evhttp_connection_free(connection->library); /* calls on_close() */
}

bool connection_drop_idle(struct http_server *server)
{
    struct connection *first = server->lists[CONNECTION_IDLE].first;

    if (first == NULL || first->library == NULL) return false;
    connection_drop(first);
    return true;
}

void connection_forget(struct connection *connection)
{
    struct http_server *server = connection->server;

    loop_task_cancel(server->loop, &connection->adopt);
    evbuffer_remove_cb_entry(bufferevent_get_input(connection->stream), connection->input_cb);
    evbuffer_remove_cb_entry(bufferevent_get_output(connection->stream), connection->output_cb);
    bufferevent_decref(connection->stream);
    if (connection->descriptor >= 0) server->by_descriptor[connection->descriptor] = NULL;
    list_remove(connection);
    free(connection);
    server->connection_count--;
    server_connection_gone(server);
}
