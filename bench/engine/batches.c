/*
 * batches: durable transfers a second, from one caller that submits full batches.
 *
 * Each run starts with a fresh ledger that has the workload's accounts. The clock runs from the
 * first submission until the last answer; requests point into the mapped workload, and the caller
 * looks at every result. What the ledger then takes in memory and log is read from its own
 * counters, and from the system.
 */
#include "common.h"

#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: batches WORKLOAD DIRECTORY [--runs N] [--outstanding N] [--batches N]\n"
    "\n"
    "Applies the transfers of a workload file, 8,190 a batch, to a fresh ledger in DIRECTORY.\n"
    "  --runs N         timed runs, each from an empty ledger (default 5)\n"
    "  --outstanding N  batches that the caller keeps outstanding (default 4)\n"
    "  --batches N      only so many (default: all)\n";

enum { RUNS_MAX = 100 };

struct options {
    const char *workload;
    const char *directory;
    uint64_t runs;
    uint64_t outstanding;
    uint64_t batches;
};

struct outcome {
    double rates[RUNS_MAX];
    double p50_ms[RUNS_MAX];
    double p99_ms[RUNS_MAX];
    double cpu_ns[RUNS_MAX]; /* a transfer */
    mp_stats empty;          /* of the last run: before the first transfer, and at the end */
    mp_stats full;
    uint64_t process_bytes; /* that the last run added to the process */
};

static struct options parse_options(int argc, char **argv)
{
    struct options options = {.runs = 5, .outstanding = OUTSTANDING_DEFAULT, .batches = UINT64_MAX};

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--runs") == 0) {
            options.runs = parse_number(argv[++i], usage);
        } else if (strcmp(argv[i], "--outstanding") == 0) {
            options.outstanding = parse_number(argv[++i], usage);
        } else if (strcmp(argv[i], "--batches") == 0) {
            options.batches = parse_number(argv[++i], usage);
        } else if (argv[i][0] == '-') {
            show_usage(usage, strcmp(argv[i], "--help") == 0);
        } else if (options.workload == NULL) {
            options.workload = argv[i];
        } else if (options.directory == NULL) {
            options.directory = argv[i];
        } else {
            show_usage(usage, false);
        }
    }
    if (options.directory == NULL || options.runs == 0 || options.runs > RUNS_MAX ||
        options.batches == 0 || options.outstanding == 0 || options.outstanding > OUTSTANDING_MAX) {
        show_usage(usage, false);
    }
    return options;
}

static void measure(const struct options *options, const struct workload *workload, size_t run,
                    struct outcome *outcome)
{
    const uint64_t all = workload->transfer_count / MP_BATCH_MAX;
    const uint64_t batches = options->batches < all ? options->batches : all;
    const uint64_t transfers = batches * MP_BATCH_MAX;
    const uint64_t process_before = process_bytes();
    mp_ledger *ledger = ledger_make(options->directory, NULL, workload);
    double *latencies = calloc(batches, sizeof *latencies);
    struct stream stream;

    if (latencies == NULL) {
        die("no memory");
    }
    memset(latencies, 1, batches * sizeof *latencies); /* in memory */
    stream_begin(&stream, ledger, (uint32_t)options->outstanding);
    stream.latencies = latencies;
    outcome->empty = ledger_rest(ledger);

    const double cpu_start = cpu_s();
    const double start = now_s();

    stream_transfers(&stream, workload->transfers, transfers);
    outcome->rates[run] = (double)transfers / (now_s() - start);
    outcome->cpu_ns[run] = (cpu_s() - cpu_start) / (double)transfers * 1e9;
    stream_end(&stream);
    outcome->full = ledger_rest(ledger);
    outcome->process_bytes = process_bytes() - process_before;
    sort_doubles(latencies, batches);
    outcome->p50_ms[run] = quantile(latencies, batches, 0.50) * 1e3;
    outcome->p99_ms[run] = quantile(latencies, batches, 0.99) * 1e3;
    if (outcome->full.transfers != transfers) {
        die("%llu transfers were sent, the ledger counts %llu", (unsigned long long)transfers,
            (unsigned long long)outcome->full.transfers);
    }
    free(latencies);
    ledger_close(ledger);
    ledger_remove(options->directory);
}

int main(int argc, char **argv)
{
    static struct outcome outcome;
    const struct options options = parse_options(argc, argv);
    const struct workload workload = workload_map(options.workload);
    const mp_stats *full = &outcome.full;

    for (size_t run = 0; run < options.runs; run++) {
        measure(&options, &workload, run, &outcome);
    }

    const double transfers = (double)full->transfers;

    report_begin();
    report_runs("transfers_per_s", outcome.rates, options.runs);
    report_runs("batch_p50_ms", outcome.p50_ms, options.runs);
    report_runs("batch_p99_ms", outcome.p99_ms, options.runs);
    report_runs("cpu_ns_per_transfer", outcome.cpu_ns, options.runs);
    report("outstanding", (double)options.outstanding);
    report("log_bytes_per_transfer",
           (double)(full->block_bytes - outcome.empty.block_bytes) / transfers);
    report("log_position_per_transfer",
           (double)(full->position - outcome.empty.position) / transfers);
    report("transfers_per_block", transfers / (double)(full->blocks - outcome.empty.blocks));
    report("ram_bytes_per_account", (double)full->account_bytes / (double)full->accounts);
    report("ram_bytes_per_transfer", (double)full->id_index_bytes / (double)full->id_entries);
    report("memory_bytes", (double)full->memory_bytes);
    report("memory_max", (double)full->memory_max);
    report("process_bytes", (double)outcome.process_bytes);
    report("writes_ring", (double)(full->writes_ring - outcome.empty.writes_ring));
    report("writes_blocking", (double)(full->writes_blocking - outcome.empty.writes_blocking));
    report("direct_io", (double)full->direct_io);
    report_end();
    return EXIT_SUCCESS;
}
