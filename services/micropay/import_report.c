#include "import.h"

#include "outcome.h"
#include "show.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RESULT_OTHER = 2047 };

enum exit_status report_begin(struct import *import)
{
    struct report *report = &import->report;
    struct command *command = import->command;
    const char *path = command->values[OPT_RESULTS].text;
    struct stat status;

    *report = (struct report){
        .command = command, .file = command->arguments[1], .accounts = import->accounts};
    if (!given(command, OPT_RESULTS)) return EXIT_DONE;
    /* what is there is cut off only when it is known not to be the file to read */
    int results = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (results >= 0 && fstat(results, &status) == 0 && csv_reads(&import->csv, &status))
        return usage_error(command, "--results %s would overwrite the file to import", path);
    if (results < 0 || (ftruncate(results, 0) != 0 && errno != EINVAL)) /* a pipe isn't cut */
        return usage_error(command, "could not write '%s': %s", path, strerror(errno));
    if (!text_begin(&report->results, results)) return no_memory(command);
    report->has_results = true;
    text_string(&report->results, "line,result,timestamp\n");
    return EXIT_DONE;
}

void report_unreadable(struct import *import, uint64_t line, const char *why)
{
    progress_end(&import->progress);
    complain(import->command, "%s: line %llu: %s", import->report.file, (unsigned long long)line,
             why);
}

static const char *result_text(const struct report *report, uint32_t result, char out[32])
{
    return report->accounts ? account_result_text(result, out) : transfer_result_text(result, out);
}

static bool result_good(const struct report *report, uint32_t result)
{
    return report->accounts ? account_result_good(result) : transfer_result_good(result);
}

/* Says why rows were refused, of the first. */
static void show_refusal(struct import *import, uint64_t line, const char *name)
{
    struct report *report = &import->report;
    bool account_missing = !report->accounts && (strcmp(name, "debit_account_not_found") == 0 ||
                                                 strcmp(name, "credit_account_not_found") == 0);

    if (++report->refusals_shown > REFUSALS_SHOWN_MAX) return;
    progress_end(&import->progress);
    complain(report->command, "%s: line %llu: refused: %s%s", report->file,
             (unsigned long long)line, name,
             !account_missing ? ""
             : !import->create_accounts
                 ? " (--create-accounts makes accounts)"
                 : " (an imported row that names a new account lies at least 3 ns "
                   "behind the row before it)");
}

static void count_result(struct import *import, uint64_t line, uint32_t result, const char *name)
{
    struct report *report = &import->report;
    uint32_t exists = report->accounts ? (uint32_t)MP_ACCOUNT_EXISTS : (uint32_t)MP_TRANSFER_EXISTS;

    if (result != MP_CREATED) report->by_result[result < RESULT_OTHER ? result : RESULT_OTHER]++;
    if (result == exists) {
        report->exists++;
    } else if (result_good(report, result)) {
        report->created++;
    } else {
        report->refused++;
        show_refusal(import, line, name);
    }
}

static void report_row(struct import *import, const struct slot *slot, const struct row *row)
{
    struct report *report = &import->report;
    uint64_t timestamp = 0;
    const char *name = NULL;
    char unnamed[32];

    report->rows++;
    switch (row->fate) {
    case FATE_SENT:
        name = result_text(report, slot->results[row->event].result, unnamed);
        timestamp = slot->results[row->event].timestamp;
        count_result(import, row->line, slot->results[row->event].result, name);
        break;
    case FATE_UNREADABLE:
        name = "unreadable";
        report->unreadable++;
        break;
    case FATE_CHAIN_TOO_LONG:
        name = "linked_event_failed";
        count_result(import, row->line, MP_TRANSFER_LINKED_EVENT_FAILED, name);
        break;
    case FATE_BATCH_TOO_LARGE:
        name = "batch_too_large";
        report->refused++;
        show_refusal(import, row->line, name);
        break;
    }
    if (!report->has_results) return;
    text_number(&report->results, row->line);
    text_char(&report->results, ',');
    text_string(&report->results, name);
    text_char(&report->results, ',');
    text_number(&report->results, timestamp);
    text_char(&report->results, '\n');
}

/* An account that was to be made for a row, and couldn't. That it is there already, however it was
 * made, is fine. */
static void report_account(struct import *import, const struct slot *slot, uint32_t index)
{
    uint32_t result = slot->account_results[index].result;
    char unnamed[32], id[NUMBER_TEXT_MAX];

    if (result == MP_CREATED) import->report.accounts_created++;
    if (result == MP_CREATED ||
        (result >= MP_ACCOUNT_EXISTS_WITH_DIFFERENT_FLAGS && result <= MP_ACCOUNT_EXISTS))
        return;
    number_print(slot->accounts[index].id, id);
    progress_end(&import->progress);
    complain(import->command, "%s: line %llu: account %s could not be made: %s",
             import->report.file, (unsigned long long)slot->account_lines[index], id,
             account_result_text(result, unnamed));
}

void report_slot(struct import *import, const struct slot *slot)
{
    for (uint32_t i = 0; i < slot->account_count; i++) report_account(import, slot, i);
    for (size_t i = 0; i < slot->row_count; i++) report_row(import, slot, &slot->rows[i]);
    progress_show(&import->progress, import->report.rows, csv_done(&import->csv), import->csv.size);
}

/* --- summary ------------------------------------------------------------------------------------
 */

/* The results to be named: those of rows that weren't booked. */
static bool summary_names(const struct report *report, uint32_t result)
{
    return report->by_result[result] != 0 && !result_good(report, result);
}

static const char *summary_name(const struct report *report, uint32_t result, char unnamed[32])
{
    return result == RESULT_OTHER ? "other" : result_text(report, result, unnamed);
}

static void summary_json(const struct report *report, double seconds, double rate)
{
    struct json json = json_begin(&report->command->out);
    char unnamed[32];

    json_number(&json, "rows", report->rows);
    json_number(&json, "created", report->created);
    json_number(&json, "exists", report->exists);
    json_number(&json, "refused", report->refused);
    json_number(&json, "unreadable", report->unreadable);
    json_number(&json, "accounts_created", report->accounts_created);
    json_decimal(&json, "seconds", seconds);
    json_number(&json, "rows_per_s", (uint64_t)rate);
    json_object(&json, "results");
    for (uint32_t i = 0; i <= RESULT_OTHER; i++) {
        if (report->by_result[i] == 0) continue;
        json_number(&json, summary_name(report, i, unnamed), report->by_result[i]);
    }
    json_object_end(&json);
    json_end(&json);
}

static void summary_line(const struct report *report, int width, const char *name, uint64_t count)
{
    char text[SCALED_TEXT_MAX];

    scaled_print(count, 0, report->command->terminal, text);
    text_format(&report->command->out, "%-*s %15s\n", width, name, text);
}

static void summary_table(const struct report *report, double seconds, double rate)
{
    char unnamed[32], name[80];
    int width = 24;

    for (uint32_t i = 0; i <= RESULT_OTHER; i++) {
        if (!summary_names(report, i)) continue;
        int length = (int)strlen(summary_name(report, i, unnamed)) + 2;

        if (length > width) width = length;
    }
    summary_line(report, width, "rows", report->rows);
    summary_line(report, width, "booked", report->created);
    summary_line(report, width, "there already", report->exists);
    summary_line(report, width, "refused", report->refused);
    summary_line(report, width, "unreadable", report->unreadable);
    if (!report->accounts) summary_line(report, width, "accounts made", report->accounts_created);
    text_format(&report->command->out, "%-*s %15.3f\n", width, "seconds", seconds);
    summary_line(report, width, "rows a second", (uint64_t)rate);
    for (uint32_t i = 0; i <= RESULT_OTHER; i++) {
        if (!summary_names(report, i)) continue;
        snprintf(name, sizeof name, "  %s", summary_name(report, i, unnamed));
        summary_line(report, width, name, report->by_result[i]);
    }
}

enum exit_status report_summary(const struct report *report, double seconds,
                                enum exit_status status)
{
    double rate = (double)report->rows / seconds;

    if (report->refusals_shown > REFUSALS_SHOWN_MAX)
        complain(report->command, "%llu more rows were refused (--results FILE names each)",
                 (unsigned long long)(report->refusals_shown - REFUSALS_SHOWN_MAX));
    if (report->command->json)
        summary_json(report, seconds, rate);
    else
        summary_table(report, seconds, rate);
    if (status == EXIT_DONE && report->refused + report->unreadable > 0) return EXIT_REFUSED;
    return status;
}

enum exit_status report_end(struct report *report, enum exit_status status)
{
    if (!report->has_results) return status;
    bool written = text_end(&report->results);
    int error = report->results.error;
    if (close(report->results.file) != 0 && written) {
        written = false;
        error = errno;
    }
    if (written) return status;
    complain(report->command,
             "could not write all results to '%s': %s; what was booked is booked: run the same "
             "again for the rest",
             report->command->values[OPT_RESULTS].text, strerror(error));
    return EXIT_LEDGER;
}
