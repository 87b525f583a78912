/* accounts: adds accounts, looks them up, lists them */
#include "outcome.h"
#include "pages.h"
#include "session.h"
#include "show.h"

#include <stdlib.h>

/* Where accounts are listed: lines of JSON or a table */
struct listing {
    struct command *command;
    struct table table;
};

static enum exit_status listing_begin(struct listing *listing, struct command *command)
{
    static const struct column columns[] = {{"id", true}, {"ledger", true},   {"code", true},
                                            SUMS_COLUMNS, {"created", false}, {"flags", false},
                                            {NULL, false}};

    listing->command = command;
    if (command->json || table_begin(&listing->table, &command->out, columns)) return EXIT_DONE;
    return no_memory(command);
}

static void listing_row(struct listing *listing, const mp_account *account)
{
    struct command *command = listing->command;
    struct table *table = &listing->table;
    mp_balance sums = account_sums(account);

    if (command->json) {
        struct json json = json_begin(&command->out);
        json_account(&json, account);
        json_end(&json);
        return;
    }
    table_number(table, account->id);
    table_number(table, account->ledger);
    table_number(table, account->code);
    cell_sums(table, command, &sums);
    cell_time(table, account->timestamp);
    cell_account_flags(table, account->flags);
}

static void listing_end(struct listing *listing)
{
    if (!listing->command->json) table_end(&listing->table);
}

static enum exit_status list_all(struct command *command, mp_ledger *ledger,
                                 struct listing *listing)
{
    mp_account *accounts = malloc(sizeof *accounts * MP_BATCH_MAX);
    struct pages pages = pages_begin(command);
    mp_status status = MP_OK;

    if (accounts == NULL) return no_memory(command);
    while (pages.more) {
        uint32_t count = 0;
        status = mp_query_accounts(ledger, &pages.filter, accounts, &count);
        if (status != MP_OK || count == 0) break;
        for (uint32_t i = 0; i < count; i++) listing_row(listing, &accounts[i]);
        pages_next(&pages, count, accounts[count - 1].timestamp);
    }
    free(accounts);
    return status == MP_OK ? EXIT_DONE
                           : session_failed(command, status, "could not list the accounts");
}

static enum exit_status list_some(struct command *command, mp_ledger *ledger,
                                  struct listing *listing)
{
    enum exit_status result = EXIT_DONE;

    for (unsigned i = 1; i < command->count; i++) {
        mp_account account;
        mp_id id;
        uint32_t found = 0;
        enum exit_status status = argument_id(command, i, &id);
        if (status != EXIT_DONE) return status;
        mp_status looked = mp_lookup_accounts(ledger, &id, 1, &account, &found);
        if (looked != MP_OK) return session_failed(command, looked, "could not look up an account");
        if (found == 0) {
            complain(command, "there is no account %s", command->arguments[i]);
            result = EXIT_REFUSED;
        } else {
            listing_row(listing, &account);
        }
    }
    return result;
}

static enum exit_status list(struct command *command)
{
    static const enum option of_add[] = {OPT_ACCOUNT_FLAGS, OPT_TIMESTAMP, OPT_END};
    struct listing listing;
    mp_ledger *ledger;
    enum exit_status status = options_refused(command, of_add, "goes with 'add' alone");

    if (status == EXIT_DONE && command->count > 1)
        status = options_refused(command, options_choosing, "chooses rows: it doesn't go with ids");
    if (status == EXIT_DONE) status = session_open(command, MP_OPEN_READ, &ledger);
    if (status != EXIT_DONE) return status;
    status = listing_begin(&listing, command);
    if (status == EXIT_DONE) {
        status = command->count > 1 ? list_some(command, ledger, &listing)
                                    : list_all(command, ledger, &listing);
        listing_end(&listing);
    }
    return session_close(command, ledger, status);
}

/* --- add ----------------------------------------------------------------------------------------
 */

static enum exit_status show_results(struct command *command, const mp_account *accounts,
                                     const mp_result *results, uint32_t count)
{
    static const struct column columns[] = {
        {"id", true}, {"result", false}, {"created", false}, {NULL, false}};
    enum exit_status status = EXIT_DONE;
    struct table table;
    char unnamed[32];

    if (!command->json && !table_begin(&table, &command->out, columns)) return no_memory(command);
    for (uint32_t i = 0; i < count; i++) {
        const char *name = account_result_text(results[i].result, unnamed);
        if (!account_result_good(results[i].result)) status = EXIT_REFUSED;
        if (command->json) {
            struct json json = json_begin(&command->out);
            json_digits(&json, "id", accounts[i].id);
            json_string(&json, "result", name);
            json_digits(&json, "timestamp", results[i].timestamp);
            json_digits(&json, "sequence", results[i].sequence);
            json_end(&json);
        } else {
            table_number(&table, accounts[i].id);
            table_cell(&table, "%s", name);
            cell_time(&table, results[i].timestamp);
        }
    }
    if (!command->json) table_end(&table);
    return status;
}

static enum exit_status create(struct command *command, const mp_account *accounts, uint32_t count)
{
    mp_result *results = calloc(count, sizeof *results);
    mp_ledger *ledger;

    if (results == NULL) return no_memory(command);
    enum exit_status status = session_open(command, 0, &ledger);
    if (status == EXIT_DONE) {
        mp_status made = mp_create_accounts(ledger, accounts, count, results);
        if (made != MP_OK)
            status = session_failed(command, made, "could not add the accounts");
        else
            status = show_results(command, accounts, results, count);
        status = session_close(command, ledger, status);
    }
    free(results);
    return status;
}

static enum exit_status add(struct command *command)
{
    static const enum option needed[] = {OPT_LEDGER, OPT_CODE, OPT_END};
    static const enum option of_list[] = {OPT_FROM, OPT_TO, OPT_LIMIT, OPT_NEWEST, OPT_END};
    const unsigned first = 2; /* argument 0 is the directory, 1 is "add" */
    enum exit_status status = options_needed(command, needed);

    if (status == EXIT_DONE)
        status = options_refused(command, of_list, "chooses rows: it doesn't go with 'add'");
    if (status != EXIT_DONE) return status;
    if (command->count == first) return usage_error(command, "which account?");
    uint32_t count = command->count - first;
    if (count > MP_BATCH_MAX)
        return usage_error(command, "at most %d accounts at once", MP_BATCH_MAX);
    mp_account *accounts = calloc(count, sizeof *accounts);
    if (accounts == NULL) return no_memory(command);
    for (uint32_t i = 0; i < count && status == EXIT_DONE; i++) {
        accounts[i] = (mp_account){
            .user_data_128 = number_of(command, OPT_USER_DATA_128),
            .user_data_64 = u64_of(command, OPT_USER_DATA_64),
            .user_data_32 = u32_of(command, OPT_USER_DATA_32),
            .ledger = u32_of(command, OPT_LEDGER),
            .code = u16_of(command, OPT_CODE),
            .flags = u16_of(command, OPT_ACCOUNT_FLAGS),
            .timestamp = u64_of(command, OPT_TIMESTAMP),
        };
        status = argument_id(command, first + i, &accounts[i].id);
    }
    if (status == EXIT_DONE) status = create(command, accounts, count);
    free(accounts);
    return status;
}

enum exit_status verb_accounts(struct command *command)
{
    if (command->count > 1 && strcmp(command->arguments[1], "add") == 0) return add(command);
    return list(command);
}
