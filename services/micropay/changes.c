/* changes: every change with both accounts after it, oldest first */
#include "names.h"
#include "session.h"
#include "show.h"

#include <stdlib.h>

enum { CHANGES = 1024 }; /* read at once */

static const struct column columns[] = {
    {"position", true}, {"time", false},           {"what", false},
    {"id", true},       {"debit", true},           {"credit", true},
    {"amount", true},   {"debit's balance", true}, {"credit's balance", true},
    {NULL, false}};

static void show_json(struct command *command, const mp_change *change)
{
    struct json json = json_begin(&command->out);

    json_change(&json, change);
    json_end(&json);
}

static void show_row(struct command *command, struct table *table, const mp_change *change)
{
    const mp_transfer *transfer = &change->transfer;

    table_number(table, change->position);
    cell_time(table, change->timestamp);
    table_cell(table, "%s", change_name(change->type));
    if (change->type == MP_CHANGE_ACCOUNT_UPDATED) {
        table_number(table, change->update.id);
        table_number(table, change->update.account_id);
        for (int i = 0; i < 2; i++) table_cell(table, "%s", "");
        cell_net(table, command, &change->debit);
        table_cell(table, "%s", "");
        return;
    }
    table_number(table, transfer->id != 0 ? transfer->id : transfer->pending_id);
    table_number(table, transfer->debit_account_id);
    table_number(table, transfer->credit_account_id);
    cell_amount(table, command, transfer->amount);
    cell_net(table, command, &change->debit);
    cell_net(table, command, &change->credit);
}

static enum exit_status show_all(struct command *command, mp_ledger *ledger, struct table *table,
                                 mp_change *changes)
{
    uint64_t left = given(command, OPT_LIMIT) ? u64_of(command, OPT_LIMIT) : UINT64_MAX;
    mp_change_filter filter = {
        .after = u64_of(command, OPT_AFTER),
        .timestamp_min = u64_of(command, OPT_FROM),
        .timestamp_max = u64_of(command, OPT_TO),
    };
    uint32_t count = 0;

    do {
        filter.limit = left < CHANGES ? (uint32_t)left : CHANGES;
        if (filter.limit == 0) break;
        mp_status status = mp_changes(ledger, &filter, changes, &count);
        if (status != MP_OK) return session_failed(command, status, "could not read the changes");
        for (uint32_t i = 0; i < count; i++) {
            if (command->json)
                show_json(command, &changes[i]);
            else
                show_row(command, table, &changes[i]);
        }
        if (count > 0) filter.after = changes[count - 1].position;
        left -= count;
    } while (count == filter.limit);
    return EXIT_DONE;
}

enum exit_status verb_changes(struct command *command)
{
    struct table table;
    mp_ledger *ledger;
    enum exit_status status = session_open(command, MP_OPEN_READ, &ledger);

    if (status != EXIT_DONE) return status;
    mp_change *changes = malloc(sizeof *changes * CHANGES);
    if (changes == NULL || (!command->json && !table_begin(&table, &command->out, columns))) {
        status = no_memory(command);
    } else {
        status = show_all(command, ledger, &table, changes);
        if (!command->json) table_end(&table);
    }
    free(changes);
    return session_close(command, ledger, status);
}
