/* hello_websockets: hello_bare's answer by libwebsockets. */
#include <libwebsockets.h>

#include <stdio.h>
#include <string.h>

static const char body[] = "{\"status\":\"completed\",\"amount\":\"12.50\",\"currency\":\"EUR\"}";

static int on_event(struct lws *connection, enum lws_callback_reasons reason, void *user, void *in,
                    size_t length)
{
    uint8_t buffer[LWS_PRE + 2048], *begin = buffer + LWS_PRE, *at = begin;
    uint8_t *end = buffer + sizeof buffer - 1;

    (void)user, (void)in, (void)length;
    switch (reason) {
    case LWS_CALLBACK_HTTP:
        if (lws_add_http_common_headers(connection, HTTP_STATUS_OK, "application/json",
                                        sizeof body - 1, &at, end) != 0 ||
            lws_finalize_write_http_header(connection, begin, &at, end) != 0)
            return 1;
        lws_callback_on_writable(connection);
        return 0;
    case LWS_CALLBACK_HTTP_WRITEABLE:
        memcpy(begin, body, sizeof body - 1);
        if (lws_write(connection, begin, sizeof body - 1, LWS_WRITE_HTTP_FINAL) < 0) return 1;
        return lws_http_transaction_completed(connection) != 0 ? -1 : 0;
    default: return 0;
    }
}

int main(void)
{
    static const struct lws_protocols protocols[] = {{.name = "http", .callback = on_event},
                                                     {.name = NULL}};
    struct lws_context_creation_info info = {
        .iface = "127.0.0.1",
        .protocols = protocols,
        .keepalive_timeout = 60,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
    };
    struct lws_context *context;
    struct lws_vhost *host;

    lws_set_log_level(LLL_ERR, NULL);
    context = lws_create_context(&info);
    host = context != NULL ? lws_create_vhost(context, &info) : NULL;
    if (host == NULL) return 1;
    printf("%d\n", lws_get_vhost_listen_port(host));
    fflush(stdout);
    while (lws_service(context, 0) >= 0) continue;
    return 0;
}
