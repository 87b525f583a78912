/* transfers: looks transfers up, lists them */
#include "pages.h"
#include "session.h"
#include "show.h"

#include <stdlib.h>

/* Where transfers are listed: lines of JSON or a table */
struct listing {
    struct command *command;
    struct table table;
};

static const struct column columns[] = {
    {"id", true},     {"time", false}, {"debit", true}, {"credit", true}, {"amount", true},
    {"ledger", true}, {"code", true},  {"of", true},    {"flags", false}, {NULL, false}};

static void listing_row(struct listing *listing, const mp_transfer *transfer)
{
    struct command *command = listing->command;
    struct table *table = &listing->table;

    if (command->json) {
        struct json json = json_begin(&command->out);
        json_transfer(&json, transfer);
        json_end(&json);
        return;
    }
    table_number(table, transfer->id);
    cell_time(table, transfer->timestamp);
    table_number(table, transfer->debit_account_id);
    table_number(table, transfer->credit_account_id);
    cell_amount(table, command, transfer->amount);
    table_number(table, transfer->ledger);
    table_number(table, transfer->code);
    if (transfer->pending_id != 0)
        table_number(table, transfer->pending_id);
    else
        table_cell(table, "%s", "");
    cell_transfer_flags(table, transfer->flags);
}

static enum exit_status list_all(struct command *command, mp_ledger *ledger,
                                 struct listing *listing)
{
    mp_transfer *transfers = malloc(sizeof *transfers * MP_BATCH_MAX);
    struct pages pages = pages_begin(command);
    mp_status status = MP_OK;

    if (transfers == NULL) return no_memory(command);
    while (pages.more) {
        uint32_t count = 0;
        status = mp_query_transfers(ledger, &pages.filter, transfers, &count);
        if (status != MP_OK || count == 0) break;
        for (uint32_t i = 0; i < count; i++) listing_row(listing, &transfers[i]);
        pages_next(&pages, count, transfers[count - 1].timestamp);
    }
    free(transfers);
    return status == MP_OK ? EXIT_DONE
                           : session_failed(command, status, "could not list the transfers");
}

static enum exit_status list_some(struct command *command, mp_ledger *ledger,
                                  struct listing *listing)
{
    enum exit_status result = EXIT_DONE;

    for (unsigned i = 1; i < command->count; i++) {
        mp_transfer transfer;
        mp_id id;
        uint32_t found = 0;
        enum exit_status status = argument_id(command, i, &id);
        if (status != EXIT_DONE) return status;
        mp_status looked = mp_lookup_transfers(ledger, &id, 1, &transfer, &found);
        if (looked != MP_OK) return session_failed(command, looked, "could not look up a transfer");
        if (found == 0) {
            complain(command, "there is no transfer %s", command->arguments[i]);
            result = EXIT_REFUSED;
        } else {
            listing_row(listing, &transfer);
        }
    }
    return result;
}

enum exit_status verb_transfers(struct command *command)
{
    struct listing listing = {.command = command};
    mp_ledger *ledger;
    enum exit_status status = EXIT_DONE;

    if (command->count > 1)
        status = options_refused(command, options_choosing, "chooses rows: it doesn't go with ids");
    if (status == EXIT_DONE) status = session_open(command, MP_OPEN_READ, &ledger);
    if (status != EXIT_DONE) return status;
    if (!command->json && !table_begin(&listing.table, &command->out, columns))
        return session_close(command, ledger, no_memory(command));
    status = command->count > 1 ? list_some(command, ledger, &listing)
                                : list_all(command, ledger, &listing);
    if (!command->json) table_end(&listing.table);
    return session_close(command, ledger, status);
}
