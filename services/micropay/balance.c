/* balance: the four sums of accounts, now or as of an instant */
#include "session.h"
#include "show.h"

#include <stdlib.h>

/* Reads one account's sums; EXIT_REFUSED and a message if there is no such account. */
static enum exit_status read_one(struct command *command, mp_ledger *ledger, unsigned index,
                                 mp_id id, mp_balance *out)
{
    bool past = given(command, OPT_AT);
    mp_status status = past ? mp_balance_at(ledger, id, u64_of(command, OPT_AT), out)
                            : mp_read_balance(ledger, id, out);
    const char *name = command->arguments[index];

    if (status == MP_OK) return EXIT_DONE;
    if (status != MP_NOT_FOUND)
        return session_failed(command, status, "could not read account %s", name);
    complain(command, past ? "there was no account %s then" : "there is no account %s", name);
    return EXIT_REFUSED;
}

static void show(struct command *command, struct table *table, mp_id id, const mp_balance *sums)
{
    if (!command->json) {
        table_number(table, id);
        cell_sums(table, command, sums);
        return;
    }
    struct json json = json_begin(&command->out);
    json_digits(&json, "id", id);
    json_sums(&json, sums);
    if (given(command, OPT_AT)) json_digits(&json, "at", u64_of(command, OPT_AT));
    json_end(&json);
}

/* Shows the accounts: all as of one point of the history if they exist, else those that do. */
static enum exit_status show_all(struct command *command, mp_ledger *ledger, struct table *table,
                                 const mp_id *ids, mp_balance *sums, uint32_t count)
{
    enum exit_status result = EXIT_DONE;
    bool together = !given(command, OPT_AT) && mp_read_many(ledger, ids, count, sums) == MP_OK;

    for (uint32_t i = 0; i < count; i++) {
        enum exit_status status = EXIT_DONE;
        if (!together) status = read_one(command, ledger, i + 1, ids[i], &sums[i]);
        if (status == EXIT_LEDGER) return status;
        if (status == EXIT_DONE)
            show(command, table, ids[i], &sums[i]);
        else
            result = status;
    }
    return result;
}

static enum exit_status with_ledger(struct command *command, const mp_id *ids, mp_balance *sums,
                                    uint32_t count)
{
    static const struct column columns[] = {{"account", true}, SUMS_COLUMNS, {NULL, false}};
    struct table table;
    mp_ledger *ledger;
    enum exit_status status = session_open(command, MP_OPEN_READ, &ledger);

    if (status != EXIT_DONE) return status;
    if (!command->json && !table_begin(&table, &command->out, columns))
        return session_close(command, ledger, no_memory(command));
    status = show_all(command, ledger, &table, ids, sums, count);
    if (!command->json) table_end(&table);
    return session_close(command, ledger, status);
}

enum exit_status verb_balance(struct command *command)
{
    uint32_t count = command->count - 1;
    enum exit_status status = EXIT_DONE;

    if (count > MP_BATCH_MAX)
        return usage_error(command, "at most %d accounts at once", MP_BATCH_MAX);
    mp_id *ids = calloc(count, sizeof *ids);
    mp_balance *sums = calloc(count, sizeof *sums);
    if (ids == NULL || sums == NULL) {
        status = no_memory(command);
    } else {
        for (uint32_t i = 0; i < count && status == EXIT_DONE; i++)
            status = argument_id(command, i + 1, &ids[i]);
        if (status == EXIT_DONE) status = with_ledger(command, ids, sums, count);
    }
    free(ids);
    free(sums);
    return status;
}
