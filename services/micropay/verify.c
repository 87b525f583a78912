/* verify: recomputes every invariant from the log alone */
#include "progress.h"
#include "session.h"
#include "show.h"

#include <stdio.h>
#include <stdlib.h>

struct run {
    struct command *command;
    struct progress progress;
};

static void on_problem(void *user, const char *text)
{
    struct run *run = user;

    progress_end(&run->progress);
    complain(run->command, "problem: %s", text);
}

static void on_progress(void *user, const mp_verify_report *report)
{
    struct run *run = user;

    progress_show(&run->progress, report->records, report->bytes_done, report->bytes_total);
}

static void show_json(struct command *command, const mp_verify_report *report, bool complete,
                      double seconds)
{
    struct json json = json_begin(&command->out);

    json_bool(&json, "complete", complete);
    json_number(&json, "problems", report->problems);
    json_number(&json, "blocks", report->blocks);
    json_number(&json, "seals", report->seals);
    json_number(&json, "pages", report->pages);
    json_number(&json, "records", report->records);
    json_number(&json, "accounts", report->accounts);
    json_number(&json, "transfers", report->transfers);
    json_number(&json, "updates", report->updates);
    json_number(&json, "expiries", report->expiries);
    json_number(&json, "bound_ids", report->bound_ids);
    json_number(&json, "reservations_open", report->reservations_open);
    json_number(&json, "checkpoints", report->checkpoints);
    json_digits(&json, "position", report->position);
    json_decimal(&json, "seconds", seconds);
    json_end(&json);
}

/* A line: what was recomputed, and over how many */
static void line(struct command *command, const char *what, uint64_t count, const char *of)
{
    char text[SCALED_TEXT_MAX];

    scaled_print(count, 0, command->terminal, text);
    text_format(&command->out, "  %-62s %14s %s\n", what, text, of);
}

static void show_table(struct command *command, const mp_verify_report *report, bool complete,
                       double seconds)
{
    struct text *out = &command->out;

    text_string(out, "recomputed from the log alone, and compared:\n");
    line(command, "checksums, order and chain of blocks", report->blocks, "blocks");
    line(command, "checksums of pages", report->pages, "pages");
    line(command, "records: sequence, times, both accounts' sums after each", report->records,
         "records");
    line(command, "accounts: sums, limits, debits = credits for each ledger number",
         report->accounts, "accounts");
    line(command, "transfers: each id once, captures and reversals within bounds",
         report->transfers, "transfers");
    line(command, "account updates: flags before and after", report->updates, "updates");
    line(command, "expiries: order, what was released", report->expiries, "expiries");
    line(command, "ids bound by refusals", report->bound_ids, "ids");
    line(command, "open reservations = pending sums", report->reservations_open, "open");
    line(command, "checkpoints against the log", report->checkpoints, "checkpoints");
    text_format(out, "%s: ",
                report->problems > 0 ? "PROBLEMS FOUND"
                : complete           ? "all invariants hold"
                                     : "NOT FINISHED, so nothing is proven");
    text_number(out, report->problems);
    text_format(out, " problems, in %.2f s\n", seconds);
}

enum exit_status verb_verify(struct command *command)
{
    struct run run = {.command = command, .progress = progress_begin()};
    const char *temporary = command->values[OPT_TEMPORARY].text, *directory = command->arguments[0];
    mp_verify_report report = {0};
    mp_status status;

    if (temporary == NULL || *temporary == 0) temporary = getenv("TMPDIR");
    if (temporary == NULL || *temporary == 0) temporary = "/tmp";
    status = mp_verify(directory, command->env, u64_of(command, OPT_MEMORY_MAX), temporary,
                       on_problem, on_progress, &run, &report);
    const double seconds = (double)progress_elapsed(&run.progress) / 1e9;
    progress_end(&run.progress);
    if (status != MP_OK && report.records == 0)
        return session_failed(command, status, "could not verify the ledger in '%s'", directory);
    if (command->json)
        show_json(command, &report, status == MP_OK, seconds);
    else
        show_table(command, &report, status == MP_OK, seconds);
    if (status != MP_OK)
        return session_failed(command, status, "could not verify all of the ledger in '%s'",
                              directory);
    return report.problems == 0 ? EXIT_DONE : EXIT_REFUSED;
}
