/*
 * reads: balances by id, alone and beside a writer at full load, on Google Benchmark.
 *
 * writer         the writer alone
 * reads          one thread that reads alone
 * reads_beside   both; the writer's rate is a counter
 *
 * The accounts are drawn uniformly. An iteration is a slice of time.
 */
#include "common.h"
#include "gbench_shim.h"

#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: reads WORKLOAD DIRECTORY [GOOGLE BENCHMARK OPTION...]\n"
    "\n"
    "Reads balances from a ledger in DIRECTORY that has a workload file's accounts.\n";

enum {
    IDS_A_CALL = 256,
    SLICES = 20,
    IDS_SMALL = 1 << 16, /* stay in a cache, as 10,000 accounts do */
    IDS_LARGE = 1 << 22,
    SMALL_ACCOUNTS = 20000,
};

static const double SLICE_S = 0.1;

static struct {
    mp_ledger *ledger;
    struct workload workload;
    struct writer writer;
    mp_id *ids; /* drawn */
    uint64_t id_count;
} shared;

static void draw_ids(void)
{
    const struct workload *workload = &shared.workload;

    shared.id_count = workload->account_count <= SMALL_ACCOUNTS ? IDS_SMALL : IDS_LARGE;
    shared.ids = calloc(shared.id_count, sizeof *shared.ids);
    if (shared.ids == NULL) {
        die("no memory");
    }
    srand48(1);
    for (uint64_t i = 0; i < shared.id_count; i++) {
        shared.ids[i] = workload->accounts[(uint64_t)(drand48() * (double)workload->account_count)];
    }
}

/* Reads for a slice of time; returns how many. */
static uint64_t read_slice(uint64_t *next)
{
    static mp_balance balances[IDS_A_CALL];
    const double end = now_s() + SLICE_S;
    uint64_t count = 0;

    do {
        must(mp_read_balances(shared.ledger, shared.ids + *next, IDS_A_CALL, balances, NULL),
             "mp_read_balances");
        mpb_use_pointer(balances);
        *next = (*next + IDS_A_CALL) % shared.id_count;
        count += IDS_A_CALL;
    } while (now_s() < end);
    return count;
}

static void run(mpb_state *state, bool reading, bool writing)
{
    uint64_t next = 0, reads = 0, durable_before = 0;
    double start;

    if (writing) {
        writer_start(&shared.writer);
        sleep_ms(200); /* at its pace */
        durable_before = atomic_load(&shared.writer.durable);
    }
    start = now_s();
    while (mpb_keep_running(state)) {
        if (reading) {
            reads += read_slice(&next);
        } else {
            sleep_ms((unsigned)(SLICE_S * 1e3));
        }
    }

    const double elapsed = now_s() - start;

    if (writing) {
        const uint64_t durable = atomic_load(&shared.writer.durable) - durable_before;

        writer_stop(&shared.writer);
        mpb_set_counter(state, "writer_per_s", (double)durable / elapsed);
    }
    mpb_set_items_processed(state, (int64_t)reads);
}

static void writer_alone(mpb_state *state, void *argument)
{
    (void)argument;
    run(state, false, true);
}

static void reads_alone(mpb_state *state, void *argument)
{
    (void)argument;
    run(state, true, false);
}

static void reads_beside(mpb_state *state, void *argument)
{
    (void)argument;
    run(state, true, true);
}

static void measure(const char *name, mpb_function *function)
{
    mpb_benchmark *benchmark = mpb_register(name, function, NULL);

    mpb_use_time(benchmark, MPB_TIME_REAL);
    mpb_use_unit(benchmark, MPB_MILLISECOND);
    mpb_use_iterations(benchmark, SLICES);
}

int main(int argc, char **argv)
{
    bool found[IDS_A_CALL];
    mp_balance balances[IDS_A_CALL];

    if (argc < 3 || argv[1][0] == '-' || argv[2][0] == '-') {
        show_usage(usage, argc > 1 && strcmp(argv[1], "--help") == 0);
    }

    const char *directory = argv[2];

    shared.workload = workload_map(argv[1]);
    workload_own(&shared.workload);
    shared.ledger = ledger_make(directory, NULL, &shared.workload);
    (void)ledger_rest(shared.ledger);
    shared.writer = (struct writer){.workload = &shared.workload, .ledger = shared.ledger};
    draw_ids();
    must(mp_read_balances(shared.ledger, shared.ids, IDS_A_CALL, balances, found),
         "mp_read_balances");
    for (int i = 0; i < IDS_A_CALL; i++) {
        if (!found[i]) {
            die("an account isn't found");
        }
    }
    argv[2] = argv[0];
    argv += 2;
    argc -= 2;

    measure("writer", writer_alone);
    measure("reads", reads_alone);
    measure("reads_beside", reads_beside);

    const int status = mpb_run(&argc, argv);

    ledger_close(shared.ledger);
    ledger_remove(directory);
    free(shared.ids);
    return status;
}
