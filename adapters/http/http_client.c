/*
 * The client: libcurl's multi interface on the loop. curl says which sockets and which timer it
 * waits for; libevent tells it when.
 */
#include "http/http.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MS_NS UINT64_C(1000000)
enum {
    REPLY_MAX = 16 * 1024 * 1024, /* bytes of a reply's body */
    TIMEOUT_DEFAULT_MS = 10000,
    CONNECTIONS_MAX = 512,      /* at once */
    HOST_CONNECTIONS_MAX = 64,  /* to one host; further calls wait their turn */
    KEPT_CONNECTIONS_MAX = 128, /* idle, for the next call */
};

/* A call under way. */
struct transfer {
    struct http_reply reply; /* first, so that its `header` finds the rest */
    struct http_client *client;
    CURL *easy;
    struct curl_slist *headers;
    struct buffer body;
    bool too_large;
    bool is_added; /* to the multi handle */
    CURLcode code;
    char why[CURL_ERROR_SIZE];
    void (*done)(void *context, const struct http_reply *reply, const struct error *err);
    void *context;
    struct transfer *previous, *next; /* of those under way */
    struct transfer *next_ended;
};

struct http_client {
    struct loop *loop;
    CURLM *multi;
    struct loop_timer timer;
    struct transfer *transfers;
    struct transfer *ended; /* to be told, the first first */
    struct loop_task tell;
};

/* --- the end of a call --- */

/* "http://host:port" of an URL: paths and user names may hold secrets. */
static void print_host(CURL *easy, char *out, size_t size)
{
    const char *url = NULL, *host, *end;

    curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &url);
    host = url != NULL ? strstr(url, "://") : NULL;
    if (host == NULL) {
        snprintf(out, size, "the URL's host");
        return;
    }
    host += 3;
    end = host + strcspn(host, "/?#");
    for (const char *at = host; at < end; at++)
        if (*at == '@') host = at + 1;
    snprintf(out, size, "%.*s", (int)(end - host), host);
}

/* Whether a part of the request may have gone out. */
static bool was_sent(CURL *easy)
{
    curl_off_t until_us = 0;

    curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &until_us);
    return until_us > 0;
}

static void explain(const struct transfer *transfer, struct error *err)
{
    char host[128];

    print_host(transfer->easy, host, sizeof host);
    if (transfer->code == CURLE_URL_MALFORMAT || transfer->code == CURLE_UNSUPPORTED_PROTOCOL) {
        error_set(err, REASON_INVALID_REQUEST, "cannot call an URL that is none of HTTP");
    } else if (transfer->too_large) {
        error_set(err, REASON_TIMEOUT, "could not take an answer of more than %u bytes from %s",
                  REPLY_MAX, host);
    } else if (!was_sent(transfer->easy)) {
        error_set(err, REASON_NOT_READY, "could not reach %s", host);
    } else {
        error_set(err, REASON_TIMEOUT, "could not get an answer from %s", host);
    }
    error_detail(err, "curl said: %s.",
                 transfer->why[0] != '\0' ? transfer->why : curl_easy_strerror(transfer->code));
}

static void transfer_free(struct transfer *transfer)
{
    if (transfer->is_added) curl_multi_remove_handle(transfer->client->multi, transfer->easy);
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    buffer_done(&transfer->body);
    free(transfer);
}

static void unlink_transfer(struct transfer *transfer)
{
    if (transfer->previous != NULL)
        transfer->previous->next = transfer->next;
    else
        transfer->client->transfers = transfer->next;
    if (transfer->next != NULL) transfer->next->previous = transfer->previous;
}

/* It is over; `done` is called by a task. */
static void end_transfer(struct transfer *transfer, CURLcode code)
{
    struct transfer **last = &transfer->client->ended;

    transfer->code = code;
    unlink_transfer(transfer);
    while (*last != NULL) last = &(*last)->next_ended;
    *last = transfer;
    loop_post(transfer->client->loop, &transfer->client->tell);
}

static void tell(struct transfer *transfer)
{
    struct error err = {0};
    long status = 0;

    if (transfer->code == CURLE_OK)
        curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    else
        explain(transfer, &err);
    transfer->reply.status = (unsigned)status;
    transfer->reply.body = status != 0 ? buffer_str(&transfer->body) : "";
    transfer->reply.length = status != 0 ? transfer->body.length : 0;
    transfer->done(transfer->context, &transfer->reply, &err);
    transfer_free(transfer);
}

static void tell_all(void *context)
{
    struct http_client *client = context;

    while (client->ended != NULL) {
        struct transfer *transfer = client->ended;

        client->ended = transfer->next_ended;
        tell(transfer);
    }
}

static void look_for_ended(struct http_client *client)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        struct transfer *transfer = NULL;
        CURLcode code = message->data.result;

        if (message->msg != CURLMSG_DONE) continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        end_transfer(transfer, code);
    }
}

/* --- what curl waits for --- */

static void on_socket(evutil_socket_t descriptor, short what, void *context)
{
    struct http_client *client = context;
    int running,
        action = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);

    curl_multi_socket_action(client->multi, descriptor, action, &running);
    look_for_ended(client);
}

static void on_timer(void *context)
{
    struct http_client *client = context;
    int running;

    curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    look_for_ended(client);
}

static int watch_socket(CURL *easy, curl_socket_t descriptor, int what, void *context,
                        void *watched)
{
    struct http_client *client = context;
    struct event *event = watched;
    short events = EV_PERSIST;

    (void)easy;
    if (event != NULL) event_free(event);
    if (what == CURL_POLL_REMOVE) {
        curl_multi_assign(client->multi, descriptor, NULL);
        return 0;
    }
    if (what & CURL_POLL_IN) events |= EV_READ;
    if (what & CURL_POLL_OUT) events |= EV_WRITE;
    event = event_new(loop_event_base(client->loop), descriptor, events, on_socket, client);
    curl_multi_assign(client->multi, descriptor, event);
    return event != NULL && event_add(event, NULL) == 0 ? 0 : -1;
}

static int watch_time(CURLM *multi, long timeout_ms, void *context)
{
    struct http_client *client = context;

    (void)multi;
    if (timeout_ms < 0)
        loop_timer_cancel(client->loop, &client->timer);
    else
        loop_timer_set(client->loop, &client->timer, (uint64_t)timeout_ms * MS_NS);
    return 0;
}

/* --- calls --- */

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t length = size * count;

    if (length > REPLY_MAX - transfer->body.length) {
        transfer->too_large = true;
        return 0; /* curl ends the transfer */
    }
    buffer_add(&transfer->body, bytes, length);
    return length;
}

static const char *reply_header(const struct http_reply *reply, const char *name)
{
    const struct transfer *transfer = (const struct transfer *)reply;
    struct curl_header *header;

    if (curl_easy_header(transfer->easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return NULL;
    return header->value;
}

static _Noreturn void no_memory(void)
{
    fprintf(stderr, "micropay: the system refused memory for a call; ending, what was confirmed "
                    "is safe\n");
    _Exit(3);
}

static void add_header(struct transfer *transfer, const char *line)
{
    struct curl_slist *list = curl_slist_append(transfer->headers, line);

    if (list == NULL) no_memory();
    transfer->headers = list;
}

static void set_headers(struct transfer *transfer, const struct http_call *call)
{
    bool typed = false;

    for (const char *const *line = call->headers; line != NULL && *line != NULL; line++) {
        if (strncasecmp(*line, "Content-Type:", 13) == 0) typed = true;
        add_header(transfer, *line);
    }
    if (!typed && call->length > 0) add_header(transfer, "Content-Type: application/json");
    if (!typed && call->length == 0) add_header(transfer, "Content-Type:"); /* none */
    add_header(transfer, "Expect:"); /* no question whether a body may come */
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
}

static void set_method(CURL *easy, const struct http_call *call)
{
    if (call->method != HTTP_GET || call->length > 0) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->length);
        curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, call->length > 0 ? call->body : "");
    }
    switch (call->method) {
    case HTTP_PUT: curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "PUT"); break;
    case HTTP_DELETE: curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "DELETE"); break;
    case HTTP_GET:
        if (call->length > 0) curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "GET");
        break;
    default: break;
    }
}

static void set_options(struct transfer *transfer, const struct http_call *call)
{
    CURL *easy = transfer->easy;
    uint64_t timeout_ms = call->timeout_ms > 0 ? call->timeout_ms : TIMEOUT_DEFAULT_MS;

    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_URL, call->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* whatever the environment says */
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                     (long)(timeout_ms < INT32_MAX ? timeout_ms : INT32_MAX));
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "MicroPay");
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->why);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    set_method(easy, call);
    set_headers(transfer, call);
}

void http_client_call(struct http_client *client, const struct http_call *call)
{
    struct transfer *transfer = need_memory(sizeof *transfer);
    CURLMcode code;

    transfer->reply.header = reply_header;
    transfer->client = client;
    transfer->done = call->done;
    transfer->context = call->context;
    transfer->easy = curl_easy_init();
    if (transfer->easy == NULL) no_memory();
    set_options(transfer, call);
    transfer->next = client->transfers;
    if (transfer->next != NULL) transfer->next->previous = transfer;
    client->transfers = transfer;
    code = curl_multi_add_handle(client->multi, transfer->easy);
    transfer->is_added = code == CURLM_OK;
    if (!transfer->is_added) end_transfer(transfer, CURLE_FAILED_INIT);
}

/* --- life --- */

static void init_curl(void) { curl_global_init(CURL_GLOBAL_DEFAULT); }

enum outcome http_client_open(struct loop *loop, struct http_client **out, struct error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct http_client *client = need_memory(sizeof *client);

    pthread_once(&once, init_curl);
    client->loop = loop;
    client->timer = (struct loop_timer){.fire = on_timer, .context = client};
    client->tell = (struct loop_task){.run = tell_all, .context = client};
    client->multi = curl_multi_init();
    if (client->multi == NULL) {
        free(client);
        return error_set(err, REASON_OUT_OF_SPACE, "could not make an HTTP client");
    }
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, watch_time);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)CONNECTIONS_MAX);
    curl_multi_setopt(client->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)HOST_CONNECTIONS_MAX);
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)KEPT_CONNECTIONS_MAX);
    *out = client;
    return OUTCOME_DONE;
}

static void cut_off(struct transfer *transfer)
{
    struct error err = {0};

    error_set(&err, REASON_TIMEOUT, "the client was closed before an answer came");
    transfer->reply.body = "";
    unlink_transfer(transfer);
    transfer->done(transfer->context, &transfer->reply, &err);
    transfer_free(transfer);
}

void http_client_close(struct http_client *client)
{
    tell_all(client);
    while (client->transfers != NULL) cut_off(client->transfers);
    curl_multi_cleanup(client->multi);
    loop_timer_cancel(client->loop, &client->timer);
    loop_task_cancel(client->loop, &client->tell);
    free(client);
}
