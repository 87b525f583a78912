/*
 * memory: whether a ledger keeps to memory_max, by its own count and by the system's.
 *
 * Fills a ledger until it refuses with MP_LIMIT. Then it must still answer: the same batch again
 * comes to the same refusal, and a balance is read.
 */
#include "common.h"

#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: memory WORKLOAD DIRECTORY [--mib N]\n"
    "\n"
    "Fills a ledger in DIRECTORY until memory_max (default 128 MiB) is reached.\n";

int main(int argc, char **argv)
{
    static mp_result results[MP_BATCH_MAX];
    const char *path = NULL, *directory = NULL;
    uint64_t mib = 128, peak = 0;
    mp_status status = MP_OK;
    mp_balance balance;
    mp_stats stats;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--mib") == 0) {
            mib = parse_number(argv[++i], usage);
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

    const mp_options options = {.memory_max = mib << 20};
    struct workload workload = workload_map(path);

    memset(results, 1, sizeof results); /* in memory */

    const uint64_t process_before = process_bytes();
    mp_ledger *ledger = ledger_make(directory, &options, &workload);

    for (uint64_t batch = 0; status == MP_OK; batch++) {
        const mp_transfer *transfers = workload_next(&workload);

        if (workload.used_up) {
            die("the workload is too small for so much memory");
        }
        status = mp_create_transfers(ledger, transfers, MP_BATCH_MAX, results);
        if (status == MP_LIMIT &&
            mp_create_transfers(ledger, transfers, MP_BATCH_MAX, results) != MP_LIMIT) {
            die("a batch was refused with MP_LIMIT, then not");
        }
        if (batch % 16 == 0 || status != MP_OK) {
            const uint64_t now = process_bytes() - process_before;

            peak = now > peak ? now : peak;
        }
    }
    if (status != MP_LIMIT) {
        must(status, "mp_create_transfers");
    }
    must(mp_read_balance(ledger, workload.accounts[0], &balance), "mp_read_balance");
    stats = ledger_rest(ledger);
    ledger_close(ledger);
    ledger_remove(directory);

    report_begin();
    report("memory_limit_bytes", (double)(mib << 20));
    report("memory_limit_counted_bytes", (double)stats.memory_bytes);
    report("memory_limit_process_bytes", (double)peak);
    report("memory_limit_transfers", (double)stats.transfers);
    report_end();
    return EXIT_SUCCESS;
}
