/* statement: what moved an account, line by line, with its balance after each */
#include "names.h"
#include "session.h"
#include "show.h"

enum { ROWS = 128 }; /* read at once */

static const struct column columns[] = {
    {"time", false},          {"id", true},     {"what", false},          {"other account", true},
    {"debit", true},          {"credit", true}, {"debits_pending", true}, {"credits_pending", true},
    {"credits-debits", true}, {NULL, false}};

static mp_account_filter filter_of(const struct command *command, mp_id account)
{
    bool debits = given(command, OPT_DEBITS), credits = given(command, OPT_CREDITS);
    uint32_t sides = debits == credits ? MP_FILTER_DEBITS | MP_FILTER_CREDITS
                     : debits          ? MP_FILTER_DEBITS
                                       : MP_FILTER_CREDITS;

    return (mp_account_filter){
        .account_id = account,
        .user_data_128 = number_of(command, OPT_USER_DATA_128),
        .user_data_64 = u64_of(command, OPT_USER_DATA_64),
        .user_data_32 = u32_of(command, OPT_USER_DATA_32),
        .code = u16_of(command, OPT_CODE),
        .timestamp_min = u64_of(command, OPT_FROM),
        .timestamp_max = u64_of(command, OPT_TO),
        .limit = MP_BATCH_MAX,
        .flags = sides | (given(command, OPT_NEWEST) ? MP_FILTER_REVERSED : 0),
    };
}

static void show_json(struct command *command, const mp_statement_row *row)
{
    struct json json = json_begin(&command->out);

    json_string(&json, "type", change_name(row->type));
    if (row->type != MP_CHANGE_ACCOUNT_UPDATED)
        json_string(&json, "side", row->debit ? "debit" : "credit");
    json_transfer(&json, &row->transfer);
    json_sums(&json, &row->balance);
    json_account_flags(&json, "account_flags", row->account_flags);
    json_digits(&json, "position", row->position);
    json_digits(&json, "sequence", row->sequence);
    json_end(&json);
}

/* "single_phase" is what most rows are: it is left out, as is "two_phase_". */
static const char *short_name(mp_change_type type)
{
    static const char prefix[] = "two_phase_";
    const char *name = change_name(type);

    if (type == MP_CHANGE_SINGLE_PHASE) return "";
    return strncmp(name, prefix, sizeof prefix - 1) == 0 ? name + sizeof prefix - 1 : name;
}

static void show_row(struct command *command, struct table *table, const mp_statement_row *row)
{
    const mp_transfer *transfer = &row->transfer;
    bool update = row->type == MP_CHANGE_ACCOUNT_UPDATED;
    mp_id other = row->debit ? transfer->credit_account_id : transfer->debit_account_id;

    cell_time(table, transfer->timestamp);
    table_number(table, transfer->id != 0 ? transfer->id : transfer->pending_id);
    table_cell(table, "%s", short_name(row->type));
    if (update) {
        table_cell(table, "%s", "");
        table_cell(table, "%s", "");
        table_cell(table, "%s", "");
    } else {
        table_number(table, other);
        if (!row->debit) table_cell(table, "%s", "");
        cell_amount(table, command, transfer->amount);
        if (row->debit) table_cell(table, "%s", "");
    }
    cell_amount(table, command, row->balance.debits_pending);
    cell_amount(table, command, row->balance.credits_pending);
    cell_net(table, command, &row->balance);
}

static enum exit_status show_all(struct command *command, mp_statement *statement,
                                 struct table *table)
{
    uint64_t left = given(command, OPT_LIMIT) ? u64_of(command, OPT_LIMIT) : UINT64_MAX;
    mp_statement_row rows[ROWS];

    while (left > 0) {
        uint32_t count = 0;
        mp_status status =
            mp_statement_next(statement, rows, left < ROWS ? (uint32_t)left : ROWS, &count);
        if (status != MP_OK)
            return session_failed(command, status, "could not read on in the statement");
        if (count == 0) break;
        for (uint32_t i = 0; i < count; i++) {
            if (command->json)
                show_json(command, &rows[i]);
            else
                show_row(command, table, &rows[i]);
        }
        left -= count;
    }
    return EXIT_DONE;
}

static enum exit_status with_ledger(struct command *command, mp_ledger *ledger, mp_id account)
{
    mp_account_filter filter = filter_of(command, account);
    mp_statement *statement;
    struct table table;
    mp_status opened =
        mp_statement_open(ledger, &filter, given(command, OPT_ALL) ? MP_STATEMENT_ALL : 0,
                          u64_of(command, OPT_CURSOR), &statement);

    if (opened == MP_NOT_FOUND || opened == MP_INVALID) {
        complain(command,
                 opened == MP_NOT_FOUND ? "there is no account %s"
                                        : "--cursor is no row of account %s",
                 command->arguments[1]);
        return EXIT_REFUSED;
    }
    if (opened != MP_OK)
        return session_failed(command, opened, "could not read account %s", command->arguments[1]);
    enum exit_status status = EXIT_DONE;
    if (!command->json && !table_begin(&table, &command->out, columns)) {
        status = no_memory(command);
    } else {
        status = show_all(command, statement, &table);
        if (!command->json) table_end(&table);
    }
    mp_statement_close(statement);
    return status;
}

enum exit_status verb_statement(struct command *command)
{
    mp_id account;
    mp_ledger *ledger;
    enum exit_status status = argument_id(command, 1, &account);

    if (status == EXIT_DONE) status = session_open(command, MP_OPEN_READ, &ledger);
    if (status != EXIT_DONE) return status;
    return session_close(command, ledger, with_ledger(command, ledger, account));
}
