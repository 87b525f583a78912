/* Threads that end right after their call: what they asked lives on, on a ring and without one.
 *
 * A request is handed over by a thread that is gone before it is answered, or answered to one that
 * drove the ledger itself; alone, and while others keep a block in flight. Few requests may be
 * outstanding, so that callers also wait for room. */
#include "support/must.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROUNDS = 60, TOGETHER = 8, OUTSTANDING = 4 };

static mp_ledger *ledger;

/* Memory of a call, which outlives the thread that made it. */
struct call {
    mp_transfer event;
    mp_result result;
    mp_request request;
};

static void prepare(struct call *call, uint64_t number)
{
    *call = (struct call){.event = {.id = MP_U128(1, number),
                                    .debit_account_id = 1,
                                    .credit_account_id = 2,
                                    .amount = 1,
                                    .ledger = 1,
                                    .code = 1}};
    call->request = (mp_request){.operation = MP_CREATE_TRANSFERS,
                                 .count = 1,
                                 .events = &call->event,
                                 .results = &call->result};
}

/* Hands over and ends. */
static void *submit(void *argument)
{
    struct call *call = argument;
    mp_status status;

    while ((status = mp_submit(ledger, &call->request)) == MP_BUSY) usleep(100);
    MUST(status == MP_OK);
    return NULL;
}

/* Asks, perhaps drives the ledger for it, and ends. */
static void *execute(void *argument)
{
    struct call *call = argument;

    MUST(mp_execute(ledger, &call->request) == MP_OK);
    return NULL;
}

/* All at once, each by a thread that ends; every other one of them doesn't wait. */
static void call_together(uint64_t *number, unsigned count)
{
    struct call calls[TOGETHER];
    pthread_t threads[TOGETHER];

    for (unsigned i = 0; i < count; i++) {
        prepare(&calls[i], ++*number);
        MUST(pthread_create(&threads[i], NULL, (i + *number) % 2 == 0 ? submit : execute,
                            &calls[i]) == 0);
    }
    for (unsigned i = 0; i < count; i++) MUST(pthread_join(threads[i], NULL) == 0);
    for (unsigned i = 0; i < count; i++) {
        MUST(mp_wait(ledger, &calls[i].request) == MP_OK);
        MUST(calls[i].result.result == MP_CREATED);
    }
}

/* Nobody calls any more: the ledger's own thread answers, and the eventfd tells. */
static void call_and_poll(uint64_t number)
{
    struct pollfd polled = {.fd = mp_eventfd(ledger), .events = POLLIN};
    struct call call;
    pthread_t thread;

    MUST(polled.fd >= 0);
    prepare(&call, number);
    MUST(pthread_create(&thread, NULL, submit, &call) == 0);
    MUST(pthread_join(thread, NULL) == 0);
    while (!mp_done(&call.request)) {
        uint64_t count;

        MUST(poll(&polled, 1, 60000) == 1);
        MUST(read(polled.fd, &count, sizeof count) == sizeof count);
    }
    MUST(mp_wait(ledger, &call.request) == MP_OK && call.result.result == MP_CREATED);
}

static void run(unsigned flags)
{
    mp_options options = {.flags = flags, .memory_max = 128u << 20, .outstanding_max = OUTSTANDING};
    mp_account accounts[2] = {{.id = 1, .ledger = 1, .code = 1}, {.id = 2, .ledger = 1, .code = 1}};
    char directory[] = "/tmp/micropay-lives-XXXXXX", command[128];
    mp_result results[2];
    mp_balance balance;
    uint64_t number = 0;

    MUST(mkdtemp(directory) != NULL);
    MUST(mp_init(directory, &options) == MP_OK);
    MUST(mp_open(directory, &options, &ledger) == MP_OK);
    MUST(mp_create_accounts(ledger, accounts, 2, results) == MP_OK);
    for (unsigned round = 0; round < ROUNDS; round++) {
        call_together(&number, 1 + round % TOGETHER);
        if (round % 10 == 0) usleep(50000); /* all is sealed by now, and everybody sleeps */
        call_and_poll(++number);
    }
    MUST(mp_read_balance(ledger, 1, &balance) == MP_OK && balance.debits_posted == number);
    MUST(mp_close(ledger) == MP_OK);
    MUST(mp_open(directory, &options, &ledger) == MP_OK);
    MUST(mp_read_balance(ledger, 1, &balance) == MP_OK && balance.debits_posted == number);
    MUST(mp_close(ledger) == MP_OK);
    snprintf(command, sizeof command, "rm -r %s", directory);
    MUST(system(command) == 0);
}

int main(void)
{
    run(0);
    run(MP_OPEN_NO_RING);
    printf("short_lives: passed\n");
    return 0;
}
