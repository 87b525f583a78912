/*
 * singles: transfers sent one by one, on Google Benchmark.
 *
 * one_caller      a blocking call after the other; percentiles of all calls
 * callers         64 threads, each as above
 * in_flight       2 threads that keep 512 requests of one transfer each outstanding
 */
#include "common.h"
#include "gbench_shim.h"

#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: singles WORKLOAD DIRECTORY [GOOGLE BENCHMARK OPTION...]\n"
    "\n"
    "Books transfers one by one in a ledger in DIRECTORY, whose accounts a workload file names.\n";

enum {
    ONE_CALLER_CALLS = 5000,
    WARM_UP_CALLS = 200,
    CALLERS = 64,
    CALLER_CALLS = 2000,
    SUBMITTERS = 2,
    IN_FLIGHT = 512, /* of each submitter */
    IN_FLIGHT_CALLS = 400000,
    CHUNK = 1000, /* transfers that a thread takes at a time */
};

static struct {
    mp_ledger *ledger;
    struct workload workload;
    _Atomic uint64_t next;
} shared;

/* One thread's transfers. */
struct supply {
    uint64_t next, end;
};

static const mp_transfer *take(struct supply *supply)
{
    if (supply->next == supply->end) {
        supply->next = atomic_fetch_add(&shared.next, CHUNK);
        supply->end = supply->next + CHUNK;
        if (supply->end > shared.workload.transfer_count) {
            die("the workload is used up");
        }
    }
    return &shared.workload.transfers[supply->next++];
}

static void expect_created(const mp_result *result)
{
    if (result->result != MP_CREATED) {
        die("a transfer came to %u", result->result);
    }
}

static void call(struct supply *supply)
{
    mp_result result;

    must(mp_create_transfers(shared.ledger, take(supply), 1, &result), "mp_create_transfers");
    expect_created(&result);
}

static void one_caller(mpb_state *state, void *argument)
{
    static double us[ONE_CALLER_CALLS];
    struct supply supply = {0};
    size_t count = 0;

    (void)argument;
    for (int i = 0; i < WARM_UP_CALLS; i++) {
        call(&supply);
    }
    while (mpb_keep_running(state)) {
        const double start = now_s();

        call(&supply);
        us[count++] = (now_s() - start) * 1e6;
    }
    sort_doubles(us, count);
    mpb_set_counter(state, "p50_us", quantile(us, count, 0.50));
    mpb_set_counter(state, "p99_us", quantile(us, count, 0.99));
    mpb_set_counter(state, "p999_us", quantile(us, count, 0.999));
    mpb_set_items_processed(state, mpb_iterations(state));
}

static void callers(mpb_state *state, void *argument)
{
    struct supply supply = {0};

    (void)argument;
    while (mpb_keep_running(state)) {
        call(&supply);
    }
    mpb_set_items_processed(state, mpb_iterations(state));
}

static void in_flight(mpb_state *state, void *argument)
{
    struct supply supply = {0};
    mp_request *requests = calloc(IN_FLIGHT, sizeof *requests);
    mp_result *results = calloc(IN_FLIGHT, sizeof *results);
    uint64_t submitted = 0, done = 0;

    (void)argument;
    if (requests == NULL || results == NULL) {
        die("no memory");
    }
    while (mpb_keep_running(state)) {
        const uint64_t place = submitted % IN_FLIGHT;

        if (submitted - done == IN_FLIGHT) {
            must(mp_wait(shared.ledger, &requests[place]), "mp_wait");
            expect_created(&results[place]);
            done++;
        }
        requests[place] = (mp_request){
            .operation = MP_CREATE_TRANSFERS,
            .count = 1,
            .events = take(&supply),
            .results = &results[place],
        };
        must(mp_submit(shared.ledger, &requests[place]), "mp_submit");
        submitted++;
    }
    for (; done < submitted; done++) {
        must(mp_wait(shared.ledger, &requests[done % IN_FLIGHT]), "mp_wait");
        expect_created(&results[done % IN_FLIGHT]);
    }
    mpb_set_items_processed(state, mpb_iterations(state));
    free(requests);
    free(results);
}

int main(int argc, char **argv)
{
    mpb_benchmark *benchmark;

    if (argc < 3 || argv[1][0] == '-' || argv[2][0] == '-') {
        show_usage(usage, argc > 1 && strcmp(argv[1], "--help") == 0);
    }

    const char *directory = argv[2];

    shared.workload = workload_map(argv[1]);
    shared.ledger = ledger_make(directory, NULL, &shared.workload);
    (void)ledger_rest(shared.ledger);
    argv[2] = argv[0];
    argv += 2;
    argc -= 2;

    benchmark = mpb_register("one_caller", one_caller, NULL);
    mpb_use_time(benchmark, MPB_TIME_REAL);
    mpb_use_iterations(benchmark, ONE_CALLER_CALLS);
    benchmark = mpb_register("callers", callers, NULL);
    mpb_use_time(benchmark, MPB_TIME_REAL);
    mpb_use_threads(benchmark, CALLERS);
    mpb_use_iterations(benchmark, CALLER_CALLS);
    benchmark = mpb_register("in_flight", in_flight, NULL);
    mpb_use_time(benchmark, MPB_TIME_REAL);
    mpb_use_threads(benchmark, SUBMITTERS);
    mpb_use_iterations(benchmark, IN_FLIGHT_CALLS);

    const int status = mpb_run(&argc, argv);

    ledger_close(shared.ledger);
    ledger_remove(directory);
    return status;
}
