/* import: rows of a CSV file booked as transfers or accounts */
#include "import.h"

#include "session.h"
#include "show.h"

#include <stdio.h>
#include <stdlib.h>

/* Names a column that means nothing here; a misspelt one would be taken for zeros. */
static void unknown_column(void *user, struct slice name)
{
    struct import *import = user;

    complain(import->command, "%s: column '%.*s' is no field of %s: it is not read",
             import->report.file, (int)(name.length < 64 ? name.length : 64), name.data,
             import->accounts ? "an account" : "a transfer");
    if (given(import->command, OPT_STRICT)) import->failed = true;
}

/* Reads the header. EXIT_REFUSED if the file has none that makes sense. */
static enum exit_status read_header(struct import *import, bool *empty)
{
    struct command *command = import->command;
    enum csv_outcome outcome = csv_next(&import->csv);
    char why[160];

    *empty = outcome == CSV_END;
    if (*empty && import->by_batch) return EXIT_DONE;
    if (outcome != CSV_ROW) {
        complain(command, "%s: line %llu: %s", import->report.file,
                 (unsigned long long)import->csv.line,
                 *empty ? "there is no header" : import->csv.why);
        return EXIT_REFUSED;
    }
    if (!columns_bind(&import->columns, &import->csv, import->accounts, command->scale,
                      unknown_column, import, why)) {
        complain(command, "%s: line %llu: %s", import->report.file,
                 (unsigned long long)import->csv.line, why);
        return EXIT_REFUSED;
    }
    return import->failed ? EXIT_REFUSED : EXIT_DONE;
}

static enum exit_status read_rows(struct import *import)
{
    bool strict = given(import->command, OPT_STRICT), whole = false;
    union {
        mp_transfer transfer;
        mp_account account;
    } event;
    char why[160];

    while (!import->failed) {
        enum csv_outcome outcome = csv_next(&import->csv);
        const char *wrong = NULL;
        if (outcome == CSV_END) {
            whole = true;
            break;
        }
        if (outcome != CSV_ROW)
            wrong = import->csv.why;
        else if (!columns_read(&import->columns, &import->csv, &event, why))
            wrong = why;
        if (outcome == CSV_FAILED || (wrong != NULL && strict)) {
            report_unreadable(import, import->csv.line, wrong);
            import->report.unreadable++;
            complain(import->command,
                     "stopped there; whole batches and chains before it are booked");
            break;
        }
        gather_row(import, &event, wrong);
    }
    gather_end(import, whole);
    return import->failed ? EXIT_LEDGER : EXIT_DONE;
}

/* With the ledger open and the file's first line ahead */
static enum exit_status import_rows(struct import *import)
{
    bool empty = false;
    enum exit_status status = read_header(import, &empty);

    if (status == EXIT_DONE) status = gather_begin(import);
    if (status != EXIT_DONE) return status;
    if (!send_begin(import)) return no_memory(import->command);
    import->progress = progress_begin();
    if (empty) {
        gather_end(import, true);
        status = import->failed ? EXIT_LEDGER : EXIT_DONE;
    } else {
        status = read_rows(import);
    }
    double seconds = (double)progress_elapsed(&import->progress) / 1e9;
    progress_end(&import->progress);
    return report_summary(&import->report, seconds, status);
}

static enum exit_status with_file(struct import *import)
{
    struct command *command = import->command;
    enum exit_status status = report_begin(import);

    if (status != EXIT_DONE) return status;
    status = session_open(command, 0, &import->ledger);
    if (status == EXIT_DONE) status = session_close(command, import->ledger, import_rows(import));
    return report_end(&import->report, status);
}

enum exit_status verb_import(struct command *command)
{
    const char *file = command->arguments[1];
    struct import *import = calloc(1, sizeof *import);
    enum exit_status status;

    if (import == NULL) return no_memory(command);
    import->command = command;
    import->accounts = given(command, OPT_ACCOUNTS_FILE);
    import->create_accounts = given(command, OPT_CREATE_ACCOUNTS) && !import->accounts;
    import->by_batch = given(command, OPT_BATCH);
    if (!account_set_begin(&import->made)) {
        status = no_memory(command);
    } else if (!csv_open(&import->csv, file)) {
        status = usage_error(command, "could not read '%s': %s", file, import->csv.why);
    } else {
        status = with_file(import);
        csv_close(&import->csv);
    }
    account_set_end(&import->made);
    send_end(import);
    free(import);
    return status;
}
