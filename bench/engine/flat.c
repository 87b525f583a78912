/*
 * flat: whether the rate stays as the ledger grows, and what a checkpoint costs meanwhile.
 *
 * One caller submits full batches, from the workload file again and again with fresh ids, which it
 * gives them just before. The rate is taken over windows of equal size; the latency of each batch
 * goes to those that had a checkpoint running when they were submitted or answered, or to the
 * others.
 */
#include "common.h"

#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: flat WORKLOAD DIRECTORY [--transfers N] [--window N]\n"
    "\n"
    "Fills a ledger in DIRECTORY with transfers; shows the rate of each window.\n"
    "  --transfers N  default 20 million\n"
    "  --window N     transfers a window (default: a tenth of all)\n";

enum { WINDOWS_MAX = 1000 };

static const double TAIL = 0.999;

struct run {
    struct workload workload;
    uint64_t batches;
    uint64_t window; /* batches */
    double rates[WINDOWS_MAX];
    size_t windows;
    double *latencies;
    bool *during; /* a checkpoint was running */
};

static bool checkpoint_is_running(mp_ledger *ledger)
{
    mp_stats stats;

    mp_read_stats(ledger, &stats);
    return stats.checkpoint_running != 0;
}

static void fill(struct run *run, mp_ledger *ledger)
{
    struct stream stream;
    double window_start;
    uint64_t seen = 0;

    stream_begin(&stream, ledger, OUTSTANDING_DEFAULT);
    stream.latencies = run->latencies;
    window_start = now_s();
    for (uint64_t batch = 0; batch < run->batches; batch++) {
        stream_submit(&stream, MP_CREATE_TRANSFERS, workload_next(&run->workload), MP_BATCH_MAX);
        run->during[batch] = checkpoint_is_running(ledger);
        for (; seen < stream.done; seen++) {
            run->during[seen] |= run->during[batch];
        }
        if ((batch + 1) % run->window == 0) {
            const double now = now_s();

            run->rates[run->windows++] = (double)run->window * MP_BATCH_MAX / (now - window_start);
            window_start = now;
        }
    }
    stream_end(&stream);
}

/* Sorts out the latencies of one kind, in milliseconds; returns their number. */
static size_t latencies_of(const struct run *run, bool during, double *to)
{
    size_t count = 0;

    for (uint64_t batch = 0; batch < run->batches; batch++) {
        if (run->during[batch] == during) {
            to[count++] = run->latencies[batch] * 1e3;
        }
    }
    sort_doubles(to, count);
    return count;
}

static void report_latencies(const struct run *run, bool during, double *room)
{
    const size_t count = latencies_of(run, during, room);

    report(during ? "batches_during_checkpoint" : "batches_outside_checkpoint", (double)count);
    if (count > 0) {
        report(during ? "batch_p999_during_checkpoint_ms" : "batch_p999_outside_checkpoint_ms",
               quantile(room, count, TAIL));
        report(during ? "batch_p50_during_checkpoint_ms" : "batch_p50_outside_checkpoint_ms",
               quantile(room, count, 0.5));
    }
}

int main(int argc, char **argv)
{
    static struct run run;
    const char *path = NULL, *directory = NULL;
    uint64_t transfers = 20000000, window = 0;
    mp_stats stats;
    double *room;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--transfers") == 0) {
            transfers = parse_number(argv[++i], usage);
        } else if (strcmp(argv[i], "--window") == 0) {
            window = parse_number(argv[++i], usage);
        } else if (argv[i][0] == '-') {
            show_usage(usage, strcmp(argv[i], "--help") == 0);
        } else if (path == NULL) {
            path = argv[i];
        } else if (directory == NULL) {
            directory = argv[i];
        } else {
            show_usage(usage, false);
        }
    }
    if (directory == NULL) {
        show_usage(usage, false);
    }
    run.batches = transfers / MP_BATCH_MAX;
    run.window = window == 0 ? run.batches / 10 : window / MP_BATCH_MAX;
    if (run.window == 0 || run.batches / run.window > WINDOWS_MAX) {
        die("1 to %d windows of %d transfers at least are needed", WINDOWS_MAX, MP_BATCH_MAX);
    }
    run.workload = workload_map(path);
    workload_own(&run.workload);
    run.latencies = calloc(run.batches, sizeof *run.latencies);
    run.during = calloc(run.batches, sizeof *run.during);
    room = calloc(run.batches, sizeof *room);
    if (run.latencies == NULL || run.during == NULL || room == NULL) {
        die("no memory");
    }

    mp_ledger *ledger = ledger_make(directory, NULL, &run.workload);

    (void)ledger_rest(ledger);
    fill(&run, ledger);
    stats = ledger_rest(ledger);
    ledger_close(ledger);
    ledger_remove(directory);

    report_begin();
    report("flat_transfers", (double)stats.transfers);
    report("flat_first_per_s", run.rates[0]);
    report("flat_last_per_s", run.rates[run.windows - 1]);
    for (size_t i = 0; i < run.windows && i < 100; i++) {
        char name[32] = "flat_window_00_per_s";

        name[12] = (char)('0' + i / 10);
        name[13] = (char)('0' + i % 10);
        report(name, run.rates[i]);
    }
    report_runs("flat_per_s", run.rates, run.windows);
    report("flat_spread", (run.rates[run.windows - 1] - run.rates[0]) /
                              median(run.rates, run.windows)); /* sorted by now */
    report_latencies(&run, false, room);
    report_latencies(&run, true, room);
    report("flat_checkpoints", (double)stats.checkpoints);
    report("flat_memory_bytes", (double)stats.memory_bytes);
    report("flat_memory_max", (double)stats.memory_max);
    report("flat_id_bytes_per_entry", (double)stats.id_index_bytes / (double)stats.id_entries);
    report_end();
    free(run.latencies);
    free(run.during);
    free(room);
    return EXIT_SUCCESS;
}
