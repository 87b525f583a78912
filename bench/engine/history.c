/*
 * history: statements and balances as of an instant, with nothing in memory.
 *
 * One account stands in every eighth transfer of the workload (a million records of 8 million),
 * another in every fortieth; an ordinary one has a page of the log to itself for nearly every
 * record. For each sample the ledger is opened for reading once more, and what the system holds of
 * its files is dropped before. The instants are random.
 */
#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: history WORKLOAD DIRECTORY [--samples N]\n"
    "\n"
    "Fills a ledger in DIRECTORY, then reads statements and past balances from it.\n"
    "  --samples N  of each kind (default 15)\n";

enum {
    SAMPLES_MAX = 1000,
    BUSIEST = 0, /* accounts of the workload */
    BUSY = 1,
    SPARE = 2,
    ORDINARY = 3, /* the first of those that the samples go through */
    BUSIEST_EVERY = 8,
    BUSY_EVERY = 40,
    ROWS_FEW = 100,
    ROWS_MANY = MP_BATCH_MAX,
    CHECKPOINT_AFTER = 64 << 20, /* so that opening is quick */
};

struct job {
    const char *directory;
    struct workload workload;
};

static void fill(void *argument)
{
    struct job *job = argument;
    struct workload *workload = &job->workload;
    const mp_id *accounts = workload->accounts;
    const mp_options options = {.checkpoint_after = CHECKPOINT_AFTER};
    mp_ledger *ledger = ledger_make(job->directory, &options, workload);
    struct stream stream;

    for (uint64_t i = 0; i < workload->transfer_count; i++) {
        mp_transfer *transfer = &workload->transfers[i];

        if (i % BUSIEST_EVERY == 0) {
            transfer->debit_account_id = accounts[BUSIEST];
        } else if (i % BUSY_EVERY == 1) {
            transfer->debit_account_id = accounts[BUSY];
        }
        if (transfer->debit_account_id == transfer->credit_account_id) {
            transfer->credit_account_id = accounts[SPARE];
        }
        if (transfer->debit_account_id == transfer->credit_account_id) {
            transfer->debit_account_id = accounts[ORDINARY];
        }
    }
    stream_begin(&stream, ledger, OUTSTANDING_DEFAULT);
    stream_transfers(&stream, workload->transfers, workload->transfer_count);
    stream_end(&stream);
    (void)ledger_rest(ledger);
    ledger_close(ledger);
}

static mp_ledger *open_cold(const struct job *job)
{
    const mp_options options = {.flags = MP_OPEN_READ};

    ledger_drop_cache(job->directory);
    return ledger_open(job->directory, &options);
}

static double as_of_ms(mp_ledger *ledger, mp_id account, uint64_t at_ns)
{
    mp_balance balance;
    const double start = now_s();

    must(mp_balance_at(ledger, account, at_ns, &balance), "mp_balance_at");
    return (now_s() - start) * 1e3;
}

/* The last `wanted` rows up to an instant, newest first. */
static double statement_ms(mp_ledger *ledger, mp_id account, uint64_t until_ns,
                           mp_statement_row *rows, uint32_t wanted)
{
    const mp_account_filter filter = {
        .account_id = account,
        .timestamp_max = until_ns,
        .flags = MP_FILTER_DEBITS | MP_FILTER_CREDITS | MP_FILTER_REVERSED,
    };
    mp_statement *statement;
    uint32_t count = 0, more;
    const double start = now_s();

    must(mp_statement_open(ledger, &filter, 0, 0, &statement), "mp_statement_open");
    do {
        must(mp_statement_next(statement, rows + count, wanted - count, &more),
             "mp_statement_next");
        count += more;
    } while (more > 0 && count < wanted);

    const double elapsed = now_s() - start;

    mp_statement_close(statement);
    if (count != wanted) {
        die("a statement has %u rows, not %u", count, wanted);
    }
    return elapsed * 1e3;
}

/* The times of the first and the last transfer of an account, and how many records it has. */
static void ends(const struct job *job, mp_id account, uint64_t *first, uint64_t *last)
{
    mp_ledger *ledger = open_cold(job);
    mp_account_filter filter = {
        .account_id = account,
        .limit = 1,
        .flags = MP_FILTER_DEBITS | MP_FILTER_CREDITS,
    };
    mp_transfer transfer;
    uint32_t count;

    must(mp_account_transfers(ledger, &filter, &transfer, &count), "mp_account_transfers");
    *first = transfer.timestamp;
    filter.flags |= MP_FILTER_REVERSED;
    must(mp_account_transfers(ledger, &filter, &transfer, &count), "mp_account_transfers");
    *last = transfer.timestamp;
    ledger_close(ledger);
}

/* A random instant in the later half of a history, so that enough lies before it. */
static uint64_t draw_instant(uint64_t first, uint64_t last)
{
    const uint64_t middle = first + (last - first) / 2;

    return middle + (uint64_t)(drand48() * (double)(last - middle));
}

int main(int argc, char **argv)
{
    static double few[SAMPLES_MAX], many[SAMPLES_MAX], as_of[SAMPLES_MAX];
    struct job job = {0};
    const char *path = NULL;
    uint64_t samples = 15, first, last;
    mp_statement_row *rows = calloc(ROWS_MANY, sizeof *rows);
    mp_stats before = {0}, after = {0};
    double reads_many = 0, reads_as_of = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--samples") == 0) {
            samples = parse_number(argv[++i], usage);
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
    if (job.directory == NULL || samples == 0 || samples > SAMPLES_MAX) {
        show_usage(usage, false);
    }
    if (rows == NULL) {
        die("no memory");
    }
    memset(rows, 1, ROWS_MANY * sizeof *rows); /* in memory */
    job.workload = workload_map(path);
    if (job.workload.account_count < ORDINARY + samples) {
        die("the workload has too few accounts");
    }
    run_apart(fill, &job);

    const mp_id *accounts = job.workload.accounts;

    ends(&job, accounts[BUSIEST], &first, &last);
    srand48(1);
    for (size_t i = 0; i < samples; i++) {
        mp_ledger *ledger = open_cold(&job);

        mp_read_stats(ledger, &before);
        as_of[i] = as_of_ms(ledger, accounts[BUSIEST], draw_instant(first, last));
        mp_read_stats(ledger, &after);
        reads_as_of += (double)(after.disk_reads - before.disk_reads);
        few[i] =
            statement_ms(ledger, accounts[ORDINARY + i], draw_instant(first, last), rows, ROWS_FEW);
        mp_read_stats(ledger, &before);
        many[i] = statement_ms(ledger, accounts[BUSY], draw_instant(first, last), rows, ROWS_MANY);
        mp_read_stats(ledger, &after);
        reads_many += (double)(after.disk_reads - before.disk_reads);
        ledger_close(ledger);
    }
    ledger_remove(job.directory);

    report_begin();
    report_runs("cold_statement_100_ms", few, samples);
    report_runs("cold_statement_8190_ms", many, samples);
    report_runs("cold_as_of_ms", as_of, samples);
    report("cold_as_of_reads", reads_as_of / (double)samples);
    report("cold_statement_8190_reads", reads_many / (double)samples);
    report_end();
    free(rows);
    return EXIT_SUCCESS;
}
