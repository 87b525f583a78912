/*
 * recovery: how fast a ledger opens after its process was killed.
 *
 * A process fills a fresh ledger, without a checkpoint, and kills itself as soon as the last answer
 * is there. What the system holds of the files is dropped; then mp_open() is timed: it reads,
 * verifies and applies the whole log.
 */
#include "common.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] = "usage: recovery WORKLOAD DIRECTORY [--runs N]\n"
                            "\n"
                            "Applies a workload file to a fresh ledger in DIRECTORY, kills the "
                            "process, and times opening.\n"
                            "  --runs N  ledgers made, killed and opened (default 3)\n";

enum { RUNS_MAX = 100 };

struct job {
    const char *directory;
    struct workload workload;
    mp_options options;
};

static void fill_and_die(void *argument)
{
    const struct job *job = argument;
    mp_ledger *ledger = ledger_make(job->directory, &job->options, &job->workload);
    struct stream stream;

    stream_begin(&stream, ledger, OUTSTANDING_DEFAULT);
    stream_transfers(&stream, job->workload.transfers, job->workload.transfer_count);
    raise(SIGKILL);
}

int main(int argc, char **argv)
{
    static double rates[RUNS_MAX], bytes[RUNS_MAX], seconds[RUNS_MAX];
    struct job job = {.options.checkpoint_after = UINT64_MAX / 4};
    const char *path = NULL;
    uint64_t runs = 3;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--runs") == 0) {
            runs = parse_number(argv[++i], usage);
        } else if (argv[i][0] == '-') {
            show_usage(usage, strcmp(argv[i], "--help") == 0);
        } else if (path == NULL) {
            path = argv[i];
        } else if (job.directory == NULL) {
            job.directory = argv[i];
        } else {
            show_usage(usage, false);
        }
    }
    if (job.directory == NULL || runs == 0 || runs > RUNS_MAX) {
        show_usage(usage, false);
    }
    job.workload = workload_map(path);
    for (size_t run = 0; run < runs; run++) {
        mp_stats stats;

        run_apart(fill_and_die, &job);
        ledger_drop_cache(job.directory);

        const double start = now_s();
        mp_ledger *ledger = ledger_open(job.directory, &job.options);

        seconds[run] = now_s() - start;
        mp_read_stats(ledger, &stats);
        if (stats.transfers != job.workload.transfer_count) {
            die("%llu transfers were acknowledged, %llu are there",
                (unsigned long long)job.workload.transfer_count,
                (unsigned long long)stats.transfers);
        }
        rates[run] = (double)stats.transfers / seconds[run];
        bytes[run] = (double)stats.opened_replayed_bytes / seconds[run] / 1e9;
        ledger_close(ledger);
    }
    ledger_remove(job.directory);
    report_begin();
    report_runs("recovery_transfers_per_s", rates, runs);
    report_runs("recovery_gb_per_s", bytes, runs);
    report_runs("recovery_s", seconds, runs);
    report("recovery_transfers", (double)job.workload.transfer_count);
    report_end();
    return EXIT_SUCCESS;
}
