/* hello_stack: the same answer through MicroPay's loop, server, router and record printer. */
#include "http/http.h"

#include <stdio.h>
#include <string.h>

#define RECORD_FILE "hello.def"
#include "wire/record_struct.h"
#define RECORD_FILE "hello.def"
#include "wire/record_rows.h"

static void answer(struct http_exchange *exchange)
{
    struct hello hello = {
        .status = "completed", .amount = {.units = 1250, .digits = 2}, .currency = {.code = "EUR"}};

    http_answer_record(exchange, 200, &hello);
}

static const struct http_route routes[] = {
    {.method = HTTP_GET, .path = "/api/v1/hello", .handle = answer, .gives = &hello_record},
    {.path = NULL},
};

int main(void)
{
    struct error err = {0};
    struct loop *loop;
    struct http_router *router = http_router_make();
    struct http_server *server;

    http_router_add(router, routes, NULL);
    if (loop_open(&loop, &err) != OUTCOME_DONE ||
        http_server_open(loop, "127.0.0.1", 0, NULL, router, &server, &err) != OUTCOME_DONE) {
        fprintf(stderr, "hello_stack: %s\n", err.message);
        return 1;
    }
    printf("%u\n", http_server_port(server));
    fflush(stdout);
    loop_run(loop);
    return 0;
}
