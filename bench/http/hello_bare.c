/* hello_bare: the library alone. Answers every request with a small JSON body; prints its port. */
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const char body[] = "{\"status\":\"completed\",\"amount\":\"12.50\",\"currency\":\"EUR\"}";

static void answer(struct evhttp_request *request, void *context)
{
    struct evbuffer *out = evhttp_request_get_output_buffer(request);

    (void)context;
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
                      "application/json");
    evbuffer_add(out, body, sizeof body - 1);
    evhttp_send_reply(request, 200, "OK", NULL);
}

int main(void)
{
    struct event_base *base = event_base_new();
    struct evhttp *server = base != NULL ? evhttp_new(base) : NULL;
    struct evhttp_bound_socket *socket;
    struct sockaddr_in address;
    socklen_t length = sizeof address;

    if (server == NULL) return 1;
    evhttp_set_gencb(server, answer, NULL);
    socket = evhttp_bind_socket_with_handle(server, "127.0.0.1", 0);
    if (socket == NULL) return 1;
    if (getsockname(evhttp_bound_socket_get_fd(socket), (struct sockaddr *)&address, &length) != 0)
        return 1;
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
    return event_base_dispatch(base) < 0;
}
