#include "http/waiting.h"

#include "support/http_memory.h"
#include "support/test_loop.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define MS UINT64_C(1000000)

static struct loop *loop;
static struct http_router *router;
static struct waiting *table;
static char trace[256]; /* what was answered, in order */

static void on_timeout(struct http_exchange *exchange)
{
    buffer_text(&exchange->out, "{\"late\":true}");
    http_answer(exchange, 202);
}

/* Waits for the id in the path as long as Prefer says. */
static void wait_for_it(struct http_exchange *exchange)
{
    waiting_add(table, exchange->params[0], exchange, exchange->wait_ms, on_timeout);
}

static const struct http_route routes[] = {
    {.method = HTTP_GET, .path = "/things/{id}", .handle = wait_for_it, .waits = true},
    {.path = NULL},
};

static void open_table(void)
{
    loop = test_loop_make(NULL);
    router = http_router_make();
    http_router_add(router, routes, NULL);
    table = waiting_make(loop);
}

static void close_table(void)
{
    waiting_free(table);
    http_router_free(router);
    test_loop_free(loop);
}

TestSuite(waiting, .init = open_table, .fini = close_table, .timeout = 60);

static struct uuid id_of(unsigned number)
{
    struct uuid id = {0};

    id.bytes[0] = 1;
    memcpy(id.bytes + 12, &number, sizeof number);
    return id;
}

static void on_answer(void *context, const struct http_memory_reply *reply)
{
    size_t length = strlen(trace);

    snprintf(trace + length, sizeof trace - length, "%s%s:%u", length > 0 ? " " : "",
             (const char *)context, reply->status);
}

static void begin(const char *name, unsigned id, unsigned wait_s)
{
    char target[64], prefer[32], text[UUID_TEXT + 1];
    const char *headers[] = {prefer, NULL};

    uuid_print(id_of(id), text);
    snprintf(target, sizeof target, "/things/%s", text);
    snprintf(prefer, sizeof prefer, "Prefer: wait=%u", wait_s);
    http_memory_call(router, loop, "GET", target, headers, NULL, on_answer, (void *)name);
}

static bool answer_all(struct http_exchange *exchange, void *context)
{
    (void)context;
    http_answer(exchange, 200);
    return true;
}

static bool answer_none(struct http_exchange *exchange, void *context)
{
    (void)exchange;
    ++*(unsigned *)context;
    return false;
}

static bool answer_first(struct http_exchange *exchange, void *context)
{
    if (++*(unsigned *)context > 1) return false;
    http_answer(exchange, 200);
    return true;
}

Test(waiting, who_waits_is_answered_when_it_happens)
{
    begin("a", 1, 10);
    begin("b", 2, 10);
    begin("c", 1, 20);
    test_loop_pass(loop, 5000 * MS);
    cr_assert_str_eq(trace, "");
    cr_assert(waiting_for(table, id_of(1)));
    cr_assert_not(waiting_for(table, id_of(3)));
    cr_assert_eq(waiting_count(table), 3);
    cr_assert_eq(waiting_tell(table, id_of(1), answer_all, NULL), 2);
    test_loop_run(loop);
    cr_assert_str_eq(trace, "a:200 c:200");
    cr_assert_not(waiting_for(table, id_of(1)));
    cr_assert_eq(waiting_tell(table, id_of(2), answer_all, NULL), 1);
    test_loop_run(loop);
    cr_assert_eq(test_loop_timers(loop), 0);
}

Test(waiting, who_waits_in_vain_is_answered_at_his_own_time)
{
    begin("a", 1, 10);
    begin("b", 1, 3);
    begin("c", 2, 0);
    begin("d", 3, 5);
    test_loop_run(loop);
    cr_assert_str_eq(trace, "c:202");
    test_loop_pass(loop, 2999 * MS);
    cr_assert_str_eq(trace, "c:202");
    test_loop_pass(loop, MS);
    cr_assert_str_eq(trace, "c:202 b:202");
    test_loop_pass(loop, 2000 * MS);
    cr_assert_str_eq(trace, "c:202 b:202 d:202");
    test_loop_pass(loop, 5000 * MS);
    cr_assert_str_eq(trace, "c:202 b:202 d:202 a:202");
    cr_assert_eq(test_loop_timers(loop), 0);
}

Test(waiting, who_is_not_answered_waits_on)
{
    unsigned asked = 0;

    begin("a", 1, 10);
    begin("b", 1, 10);
    cr_assert_eq(waiting_tell(table, id_of(1), answer_none, &asked), 0);
    cr_assert_eq(asked, 2);
    asked = 0;
    cr_assert_eq(waiting_tell(table, id_of(1), answer_first, &asked), 1);
    test_loop_run(loop);
    cr_assert_str_eq(trace, "a:200");
    test_loop_pass(loop, 10000 * MS);
    cr_assert_str_eq(trace, "a:200 b:202");
}

Test(waiting, thousands_wait_and_each_gets_one_answer)
{
    enum { COUNT = 5000 };
    unsigned told = 0;

    for (unsigned i = 0; i < COUNT; i++) {
        char target[64], prefer[32], text[UUID_TEXT + 1];
        const char *headers[] = {prefer, NULL};

        uuid_print(id_of(i % 1000), text);
        snprintf(target, sizeof target, "/things/%s", text);
        snprintf(prefer, sizeof prefer, "Prefer: wait=%u", 1 + i % 30);
        http_memory_call(router, loop, "GET", target, headers, NULL, NULL, NULL);
    }
    cr_assert_eq(http_memory_outstanding(loop), COUNT);
    for (unsigned s = 0; s < 15; s++) {
        for (unsigned i = s; i < 1000; i += 50)
            told += waiting_tell(table, id_of(i), answer_all, NULL);
        test_loop_pass(loop, 1000 * MS);
    }
    cr_assert_gt(told, 0);
    cr_assert_eq(http_memory_outstanding(loop), waiting_count(table));
    cr_assert_gt(waiting_count(table), 0);
    test_loop_pass(loop, 15000 * MS);
    cr_assert_eq(waiting_count(table), 0);
    cr_assert_eq(http_memory_outstanding(loop), 0);
}

Test(waiting, at_the_end_of_the_process_nobody_is_left_without_answer)
{
    begin("a", 1, 10);
    begin("b", 2, 20);
    waiting_end(table);
    test_loop_run(loop);
    cr_assert_str_eq(trace, "a:202 b:202");
    cr_assert_eq(test_loop_timers(loop), 0);
}

Test(waiting, a_process_that_dies_leaves_no_memory_behind)
{
    begin("a", 1, 10);
    begin("b", 2, 20);
    http_memory_crash(loop);
    cr_assert(strstr(trace, "a:0") != NULL && strstr(trace, "b:0") != NULL, "%s", trace);
    cr_assert_eq(http_memory_outstanding(loop), 0);
}
