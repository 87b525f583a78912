/* Places in the ledger's history, and reads that wait for one. */
#include "ledger/place.h"

#include "support/http_memory.h"
#include "support/test_loop.h"

#include <criterion/criterion.h>
#include <sim_env.h>
#include <stdio.h>
#include <string.h>

static struct sim *sim;
static mp_ledger *ledger;
static struct loop *loop;
static struct places *places;
static struct http_router *router;
static unsigned status;
static uint64_t answered_ns;
static char place[80];

static void seen(struct http_exchange *exchange)
{
    ledger_place_header(ledger, exchange, ledger_newest(ledger));
    http_answer(exchange, 200);
}

static void handle(struct http_exchange *exchange)
{
    places_wait(exchange->service, exchange, seen);
}

static const struct http_route routes[] = {{.method = HTTP_GET, .path = "/x", .handle = handle},
                                           {.path = NULL}};

static void begin(void)
{
    mp_options options = {.flags = MP_OPEN_MANUAL, .memory_max = 64 << 20};

    sim = sim_make(1);
    options.env = sim_env(sim);
    cr_assert_eq(mp_init("ledger", &options), MP_OK);
    cr_assert_eq(mp_open("ledger", &options, &ledger), MP_OK);
    loop = test_loop_make(NULL);
    places = places_make(loop, ledger);
    router = http_router_make();
    http_router_add(router, routes, places);
}

static void end(void)
{
    places_free(places);
    http_router_free(router);
    test_loop_free(loop);
    mp_close(ledger);
    sim_free(sim);
}

static void on_answer(void *context, const struct http_memory_reply *reply)
{
    const char *header = http_memory_reply_header(reply, "Micropay-Sequence");

    (void)context;
    status = reply->status;
    answered_ns = loop_elapsed_ns(loop);
    snprintf(place, sizeof place, "%s", header != NULL ? header : "");
}

static void ask(const char *at_least)
{
    char header[128];
    const char *headers[] = {header, NULL};

    status = 0;
    snprintf(header, sizeof header, "Micropay-At-Least: %s", at_least);
    http_memory_call(router, loop, "GET", "/x", at_least != NULL ? headers : NULL, NULL, on_answer,
                     NULL);
    test_loop_run(loop);
}

static void book(unsigned accounts)
{
    static unsigned id;
    mp_result result;

    while (accounts-- > 0) {
        mp_account account = {.id = ++id, .ledger = 1, .code = 1};

        cr_assert_eq(mp_create_accounts(ledger, &account, 1, &result), MP_OK);
        cr_assert_eq(result.result, MP_CREATED);
    }
}

TestSuite(place, .init = begin, .fini = end);

Test(place, what_an_answer_names_can_be_asked_for)
{
    char before[80];

    book(3);
    ask("0.0.0");
    cr_assert_eq(status, 200);
    cr_assert_str_not_empty(place);
    memcpy(before, place, sizeof before);
    cr_assert_str_eq(strrchr(before, '.'), ".3");
    ask(before);
    cr_assert_eq(status, 200);
    cr_assert_str_eq(place, before);
}

Test(place, a_read_waits_until_the_ledger_has_come_there)
{
    book(1);
    ask("x.live.3");
    cr_assert_eq(status, 0);
    book(1);
    test_loop_pass(loop, 1000000000);
    cr_assert_eq(status, 0);
    book(1);
    test_loop_pass(loop, 10000000);
    cr_assert_eq(status, 200);
    cr_assert_eq(test_loop_timers(loop), 0, "nobody waits, nothing ticks");
}

Test(place, after_two_seconds_it_says_not_yet)
{
    ask("x.live.1");
    test_loop_pass(loop, UINT64_C(1990000000));
    cr_assert_eq(status, 0);
    test_loop_pass(loop, 20000000);
    cr_assert_eq(status, 409);
    cr_assert_geq(answered_ns, UINT64_C(2000000000));
}

Test(place, a_stop_lets_nobody_wait)
{
    ask("x.live.1");
    places_end(places);
    test_loop_run(loop);
    cr_assert_eq(status, 409);
}
