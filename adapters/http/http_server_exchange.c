/* A request of evhttp as an exchange. */
#include "http/http_server.h"
#include "http/router.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h> /* before the next two, which want its macros */

#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>

enum { COPY_MAX = 4096 }; /* bytes of an answer that are cheaper copied than lent */

struct joined {
    struct joined *next;
    struct buffer text;
};

static struct server_exchange *of(const struct http_exchange *exchange)
{
    return (struct server_exchange *)exchange;
}

/* --- what exchanges ask for --- */

/* All headers of a name, with ", " between. */
static const char *join(struct server_exchange *exchange, const struct evkeyvalq *headers,
                        const char *name)
{
    struct joined *joined = need_memory(sizeof *joined);
    const struct evkeyval *header;

    joined->next = exchange->joined;
    exchange->joined = joined;
    TAILQ_FOREACH(header, headers, next)
    {
        if (strcasecmp(header->key, name) != 0) continue;
        if (joined->text.length > 0) buffer_text(&joined->text, ", ");
        buffer_text(&joined->text, header->value);
    }
    return buffer_str(&joined->text);
}

static const char *header(const struct http_exchange *base, const char *name)
{
    struct server_exchange *exchange = of(base);
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(exchange->request);
    const struct evkeyval *at;
    const char *found = NULL;

    TAILQ_FOREACH(at, headers, next)
    {
        if (strcasecmp(at->key, name) != 0) continue;
        if (found != NULL) return join(exchange, headers, name);
        found = at->value;
    }
    return found;
}

static void set_header(struct http_exchange *base, const char *name, const char *value)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(of(base)->request);

    evhttp_remove_header(headers, name);
    evhttp_add_header(headers, name, value);
}

static void free_bytes(const void *bytes, size_t length, void *context)
{
    (void)bytes;
    (void)length;
    free(context);
}

/* Hands the body over; the buffer is empty then. */
static void give_body(struct evhttp_request *request, struct buffer *body)
{
    struct evbuffer *out = evhttp_request_get_output_buffer(request);

    if (body->length <= COPY_MAX) {
        evbuffer_add(out, body->bytes, body->length);
        buffer_done(body);
    } else {
        evbuffer_add_reference(out, body->bytes, body->length, free_bytes, body->bytes);
        *body = (struct buffer){0};
    }
}

static const char *phrase(unsigned status)
{
    switch (status) {
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    default: return NULL; /* evhttp knows the older ones */
    }
}

static void send_answer(struct connection *connection, struct evhttp_request *request,
                        unsigned status, struct buffer *body, bool close)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    bool has_body = status != 204 && status != 304;

    if (has_body) {
        char length[24];

        snprintf(length, sizeof length, "%zu", body->length);
        evhttp_add_header(headers, "Content-Length", length);
        if (evhttp_request_get_command(request) != EVHTTP_REQ_HEAD) give_body(request, body);
    }
    buffer_done(body);
    if (close) evhttp_add_header(headers, "Connection", "close");
    connection_send(connection, request);
    evhttp_send_reply(request, (int)status, phrase(status), NULL);
}

static void exchange_free(struct server_exchange *exchange)
{
    while (exchange->joined != NULL) {
        struct joined *joined = exchange->joined;

        exchange->joined = joined->next;
        buffer_done(&joined->text);
        free(joined);
    }
    buffer_done(&exchange->exchange.out);
    free(exchange);
}

static void answer(struct http_exchange *base, unsigned status)
{
    struct server_exchange *exchange = of(base);
    struct connection *connection = exchange->connection;

    if (connection != NULL)
        send_answer(connection, exchange->request, status, &base->out,
                    connection->server->draining);
    else
        evhttp_request_free(exchange->request);
    exchange_free(exchange);
}

static const struct http_exchange_ops ops = {
    .header = header, .set_header = set_header, .answer = answer};

void server_exchange_abandon(struct server_exchange *exchange)
{
    exchange->connection = NULL;
    evhttp_request_own(exchange->request);
}

/* --- what evhttp lets pass and mustn't: two readers of one stream must not see two requests --- */

static bool is_token(const char *text)
{
    static const char token[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "!#$%&'*+-.^_`|~";
    size_t length = strspn(text, token);

    return length > 0 && text[length] == '\0';
}

static bool has_controls(const char *text)
{
    for (; *text != '\0'; text++)
        if (((unsigned char)*text < ' ' && *text != '\t') || *text == 0x7f) return true;
    return false;
}

/* What the head says of the body. */
struct framing {
    const char *length, *encoding;
    unsigned lengths, encodings, hosts;
};

/* NULL, or what is wrong with the headers. */
static const char *read_headers(const struct evkeyvalq *headers, struct framing *out)
{
    const struct evkeyval *at;

    TAILQ_FOREACH(at, headers, next)
    {
        if (!is_token(at->key)) return "the name of a header is malformed";
        if (has_controls(at->value)) return "a header has control characters";
        if (strcasecmp(at->key, "Content-Length") == 0) {
            out->length = at->value;
            out->lengths++;
        } else if (strcasecmp(at->key, "Transfer-Encoding") == 0) {
            out->encoding = at->value;
            out->encodings++;
        } else if (strcasecmp(at->key, "Host") == 0) {
            out->hosts++;
        }
    }
    return NULL;
}

/* NULL, or what is wrong with the head. */
static const char *check_head(struct evhttp_request *request, size_t body_length)
{
    struct framing framing = {0};
    const char *wrong = read_headers(evhttp_request_get_input_headers(request), &framing);
    bool is_old = request->major == 1 && request->minor == 0;

    if (wrong != NULL) return wrong;
    if (framing.hosts > 1 || (framing.hosts == 0 && !is_old)) return "there must be one Host";
    if (framing.encodings > 0) {
        if (framing.lengths > 0) return "there are both Content-Length and Transfer-Encoding";
        if (framing.encodings > 1 || is_old || strcasecmp(framing.encoding, "chunked") != 0)
            return "the Transfer-Encoding is not chunked";
        return NULL;
    }
    if (framing.lengths == 0) return NULL;
    if (framing.lengths > 1) return "there are several Content-Lengths";
    if (framing.length[0] == '\0' || strspn(framing.length, "0123456789") != strlen(framing.length))
        return "the Content-Length is not a number";
    if (strtoull(framing.length, NULL, 10) != body_length)
        return "a request of this method has no body";
    return NULL;
}

/* --- from request to exchange --- */

static const char *method_name(enum evhttp_cmd_type method)
{
    switch (method) {
    case EVHTTP_REQ_GET: return "GET";
    case EVHTTP_REQ_POST: return "POST";
    case EVHTTP_REQ_HEAD: return "HEAD";
    case EVHTTP_REQ_PUT: return "PUT";
    case EVHTTP_REQ_DELETE: return "DELETE";
    case EVHTTP_REQ_OPTIONS: return "OPTIONS";
    case EVHTTP_REQ_TRACE: return "TRACE";
    case EVHTTP_REQ_CONNECT: return "CONNECT";
    case EVHTTP_REQ_PATCH: return "PATCH";
    default: return "";
    }
}

static void refuse(struct connection *connection, struct evhttp_request *request,
                   enum reason reason, const char *wrong)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    const char *method = method_name(evhttp_request_get_command(request));
    struct error err = {0};
    struct buffer body = {0};

    error_set(&err, reason, "%s", wrong);
    if (http_method_find(method) == HTTP_METHODS) { /* whatever else is wrong with it */
        error_set(&err, REASON_METHOD_NOT_ALLOWED, "no path has the method %s", method);
        evhttp_add_header(headers, "Allow", "GET, HEAD, POST, PUT, DELETE");
    }
    problem_print(&body, &err, NULL, NULL);
    evhttp_add_header(headers, "Content-Type", "application/problem+json");
    send_answer(connection, request, reason_row(err.reason)->status, &body, true);
}

/* Path and query, also of "GET http://host/path". */
static void dispatch(struct server_exchange *exchange, struct http_router *router)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(exchange->request);
    const char *method = method_name(evhttp_request_get_command(exchange->request));
    const char *path = evhttp_uri_get_path(uri), *query = evhttp_uri_get_query(uri);
    struct buffer target = {0};

    if (evhttp_uri_get_scheme(uri) == NULL) {
        http_dispatch(router, &exchange->exchange, method,
                      evhttp_request_get_uri(exchange->request));
        return;
    }
    buffer_text(&target, path != NULL && *path != '\0' ? path : "/");
    if (query != NULL) buffer_format(&target, "?%s", query);
    http_dispatch(router, &exchange->exchange, method, target.bytes);
    buffer_done(&target);
}

void server_exchange_begin(struct evhttp_request *request, void *context)
{
    struct http_server *server = context;
    struct connection *connection = connection_of(server, request);
    struct evbuffer *input = evhttp_request_get_input_buffer(request);
    size_t body_length = evbuffer_get_length(input);
    const char *body = body_length > 0 ? (const char *)evbuffer_pullup(input, -1) : "";
    const char *wrong = check_head(request, body_length);
    struct server_exchange *exchange;

    connection_enter(connection, CONNECTION_HANDLING);
    evbuffer_cb_clear_flags(bufferevent_get_output(connection->stream), connection->output_cb,
                            EVBUFFER_CB_ENABLED);
    if (wrong != NULL || body == NULL) {
        refuse(connection, request, wrong != NULL ? REASON_INVALID_REQUEST : REASON_OUT_OF_SPACE,
               wrong != NULL ? wrong : "the body could not be held in memory");
        return;
    }
    exchange = need_memory(sizeof *exchange);
    exchange->connection = connection;
    exchange->request = request;
    exchange->exchange.loop = server->loop;
    exchange->exchange.ops = &ops;
    exchange->exchange.body_length = body_length;
    exchange->exchange.body = body;
    connection->exchange = exchange;
    dispatch(exchange, server->router);
}
