/*
 * reserve: reservations and their captures beside plain transfers, on Google Benchmark.
 *
 * An iteration is a group of full batches; what is not measured (making the events, capturing what
 * a reservation left open, reserving what is to be captured) stands outside the clock. Nothing is
 * reserved while plain transfers are measured.
 */
#include "common.h"
#include "gbench_shim.h"

#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: reserve WORKLOAD DIRECTORY [GOOGLE BENCHMARK OPTION...]\n"
    "\n"
    "Books plain transfers, reservations and captures in a ledger in DIRECTORY.\n";

enum {
    BATCHES = 40, /* a group */
    GROUP = BATCHES * MP_BATCH_MAX,
    ITERATIONS = 3,
    TIMEOUT_S = 3600, /* nothing expires meanwhile */
};

static struct {
    mp_ledger *ledger;
    struct workload workload;
    mp_transfer *plain, *pending, *posts; /* a group each */
    struct stream stream;
} shared;

static void make_plain(mp_transfer *group)
{
    for (int batch = 0; batch < BATCHES; batch++) {
        memcpy(group + batch * MP_BATCH_MAX, workload_next(&shared.workload),
               MP_BATCH_MAX * sizeof *group);
    }
}

static void make_reservations(uint32_t timeout_s)
{
    make_plain(shared.pending);
    make_plain(shared.posts); /* for the ids */
    for (int i = 0; i < GROUP; i++) {
        shared.pending[i].flags = MP_TRANSFER_PENDING;
        shared.pending[i].timeout = timeout_s;
        shared.posts[i] = (mp_transfer){
            .id = shared.posts[i].id,
            .pending_id = shared.pending[i].id,
            .amount = shared.pending[i].amount,
            .flags = MP_TRANSFER_POST_PENDING,
        };
    }
}

static void book(const mp_transfer *group) { stream_transfers(&shared.stream, group, GROUP); }

/* Books a group on the clock; returns the log bytes of an event. */
static double measure(mpb_state *state, const mp_transfer *group)
{
    mp_stats before, after;

    mp_read_stats(shared.ledger, &before);

    const double start = now_s();

    book(group);
    mpb_set_iteration_time(state, now_s() - start);
    mp_read_stats(shared.ledger, &after);
    return (double)(after.block_bytes - before.block_bytes) / GROUP;
}

static void finish(mpb_state *state, double log_bytes)
{
    mpb_set_items_processed(state, mpb_iterations(state) * GROUP);
    mpb_set_counter(state, "log_bytes", log_bytes);
}

static void plain(mpb_state *state, void *argument)
{
    double log_bytes = 0;

    (void)argument;
    while (mpb_keep_running(state)) {
        make_plain(shared.plain);
        log_bytes = measure(state, shared.plain);
    }
    finish(state, log_bytes);
}

static void reserve(mpb_state *state, void *argument)
{
    double log_bytes = 0, ram_bytes = 0;
    mp_stats stats;

    (void)argument;
    while (mpb_keep_running(state)) {
        make_reservations((uint32_t)mpb_range(state, 0));
        log_bytes = measure(state, shared.pending);
        mp_read_stats(shared.ledger, &stats);
        ram_bytes = (double)stats.reservation_bytes / (double)stats.reservations_open;
        book(shared.posts);
    }
    mpb_set_counter(state, "ram_bytes", ram_bytes);
    finish(state, log_bytes);
}

static void capture(mpb_state *state, void *argument)
{
    double log_bytes = 0;

    (void)argument;
    while (mpb_keep_running(state)) {
        make_reservations((uint32_t)mpb_range(state, 0));
        book(shared.pending);
        log_bytes = measure(state, shared.posts);
    }
    finish(state, log_bytes);
}

static void measure_at(const char *name, mpb_function *function, bool timeouts)
{
    mpb_benchmark *benchmark = mpb_register(name, function, NULL);

    if (timeouts) {
        mpb_arg(benchmark, 0);
        mpb_arg(benchmark, TIMEOUT_S);
    }
    mpb_use_time(benchmark, MPB_TIME_MANUAL);
    mpb_use_unit(benchmark, MPB_MILLISECOND);
    mpb_use_iterations(benchmark, ITERATIONS);
}

static mp_transfer *make_group(void)
{
    mp_transfer *group = calloc(GROUP, sizeof *group);

    if (group == NULL) {
        die("no memory");
    }
    return group;
}

int main(int argc, char **argv)
{
    if (argc < 3 || argv[1][0] == '-' || argv[2][0] == '-') {
        show_usage(usage, argc > 1 && strcmp(argv[1], "--help") == 0);
    }

    const char *directory = argv[2];

    shared.workload = workload_map(argv[1]);
    workload_own(&shared.workload);
    shared.plain = make_group();
    shared.pending = make_group();
    shared.posts = make_group();
    shared.ledger = ledger_make(directory, NULL, &shared.workload);
    stream_begin(&shared.stream, shared.ledger, OUTSTANDING_DEFAULT);
    argv[2] = argv[0];
    argv += 2;
    argc -= 2;

    measure_at("plain", plain, false);
    measure_at("reserve", reserve, true);
    measure_at("capture", capture, true);

    const int status = mpb_run(&argc, argv);

    stream_end(&shared.stream);
    ledger_close(shared.ledger);
    ledger_remove(directory);
    return status;
}
