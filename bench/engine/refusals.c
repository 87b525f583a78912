/*
 * refusals: bytes of log that refused events cost, in full batches.
 *
 * A transient refusal binds its id for ever, so it leaves a record; every other leaves no trace.
 */
#include "common.h"

#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: refusals WORKLOAD DIRECTORY [--batches N]\n"
    "\n"
    "Sends batches (default 40) that are refused to a ledger in DIRECTORY.\n";

/* Makes one event into one that is refused. */
typedef void spoil(mp_transfer *transfer);

static void spoil_account(mp_transfer *transfer)
{
    transfer->debit_account_id = 1; /* no workload has it */
}

static void spoil_sides(mp_transfer *transfer)
{
    transfer->credit_account_id = transfer->debit_account_id;
}

static void spoil_into_bound_id(mp_transfer *transfer)
{
    *transfer = (mp_transfer){.id = transfer->id, .flags = MP_TRANSFER_BIND_ID};
}

static double log_bytes(mp_ledger *ledger, struct workload *workload, uint64_t batches,
                        spoil *spoil_it, uint32_t expected)
{
    const mp_stats before = ledger_rest(ledger);
    struct stream stream;
    mp_stats after;

    stream_begin(&stream, ledger, OUTSTANDING_DEFAULT);
    stream.expected = expected;
    for (uint64_t batch = 0; batch < batches; batch++) {
        mp_transfer *transfers = workload_next(workload);

        for (uint32_t i = 0; i < MP_BATCH_MAX; i++) {
            spoil_it(&transfers[i]);
        }
        stream_submit(&stream, MP_CREATE_TRANSFERS, transfers, MP_BATCH_MAX);
    }
    stream_drain(&stream);
    mp_read_stats(ledger, &after); /* before the seal */
    stream_end(&stream);
    return (double)(after.block_bytes - before.block_bytes) / ((double)batches * MP_BATCH_MAX);
}

int main(int argc, char **argv)
{
    const char *path = NULL, *directory = NULL;
    uint64_t batches = 40;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--batches") == 0) {
            batches = parse_number(argv[++i], usage);
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
    if (directory == NULL || batches == 0) {
        show_usage(usage, false);
    }

    struct workload workload = workload_map(path);
    mp_ledger *ledger = ledger_make(directory, NULL, &workload);

    if (batches * 3 * MP_BATCH_MAX > workload.transfer_count) {
        die("the workload is too small for so many batches");
    }
    report_begin();
    report("log_bytes_per_transient_refusal", log_bytes(ledger, &workload, batches, spoil_account,
                                                        MP_TRANSFER_DEBIT_ACCOUNT_NOT_FOUND));
    report("log_bytes_per_other_refusal", log_bytes(ledger, &workload, batches, spoil_sides,
                                                    MP_TRANSFER_ACCOUNTS_MUST_BE_DIFFERENT));
    report("log_bytes_per_bound_id",
           log_bytes(ledger, &workload, batches, spoil_into_bound_id, MP_TRANSFER_ID_BOUND));
    report_end();
    ledger_close(ledger);
    ledger_remove(directory);
    return EXIT_SUCCESS;
}
