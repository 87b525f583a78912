/*
 * checkpoint: how fast a ledger with many accounts opens from its checkpoint.
 *
 * A process makes the workload's accounts and some transfers, then opens the ledger again so that a
 * checkpoint of all of it is due, waits until it is there, and closes. What the system holds of the
 * files is dropped before each timed mp_open().
 */
#include "common.h"

#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: checkpoint WORKLOAD DIRECTORY [--runs N] [--transfers N]\n"
    "\n"
    "Times opening a ledger in DIRECTORY with a workload file's accounts from its checkpoint.\n"
    "  --runs N       openings (default 3)\n"
    "  --transfers N  transfers booked before (default 819000)\n";

enum { RUNS_MAX = 100, WAIT_MS = 20, WAIT_TRIES = 6000 };

struct job {
    const char *directory;
    struct workload workload;
    uint64_t transfers;
};

static void fill(void *argument)
{
    const struct job *job = argument;
    mp_options options = {.checkpoint_after = UINT64_MAX / 4};
    mp_ledger *ledger = ledger_make(job->directory, &options, &job->workload);
    struct stream stream;
    mp_stats stats;
    int tries = 0;

    stream_begin(&stream, ledger, OUTSTANDING_DEFAULT);
    stream_transfers(&stream, job->workload.transfers, job->transfers);
    stream_end(&stream);
    ledger_close(ledger);

    options.checkpoint_after = 1;
    ledger = ledger_open(job->directory, &options);
    do { /* the first one is due at once */
        if (tries++ == WAIT_TRIES) {
            die("no checkpoint was written");
        }
        sleep_ms(WAIT_MS);
        mp_read_stats(ledger, &stats);
    } while (stats.checkpoints == 0 || stats.checkpoint_running != 0);
    ledger_close(ledger);
}

int main(int argc, char **argv)
{
    static double seconds[RUNS_MAX];
    const mp_options options = {.checkpoint_after = UINT64_MAX / 4};
    struct job job = {.transfers = 819000};
    const char *path = NULL;
    uint64_t runs = 3;
    mp_stats stats = {0};

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--runs") == 0) {
            runs = parse_number(argv[++i], usage);
        } else if (strcmp(argv[i], "--transfers") == 0) {
            job.transfers = parse_number(argv[++i], usage);
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
    if (job.transfers > job.workload.transfer_count) {
        die("the workload has only %llu transfers",
            (unsigned long long)job.workload.transfer_count);
    }
    run_apart(fill, &job);
    for (size_t run = 0; run < runs; run++) {
        ledger_drop_cache(job.directory);

        const double start = now_s();
        mp_ledger *ledger = ledger_open(job.directory, &options);

        seconds[run] = now_s() - start;
        mp_read_stats(ledger, &stats);
        if (stats.accounts != job.workload.account_count || stats.transfers != job.transfers) {
            die("accounts or transfers are missing");
        }
        ledger_close(ledger);
    }
    ledger_remove(job.directory);
    report_begin();
    report_runs("checkpoint_open_s", seconds, runs);
    report("checkpoint_open_accounts", (double)job.workload.account_count);
    report("checkpoint_open_replayed_bytes", (double)stats.opened_replayed_bytes);
    report_end();
    return EXIT_SUCCESS;
}
