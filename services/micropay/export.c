/*
 * export: the posted movements as a plain-text journal for hledger, in one pass over the log. A
 * debit is positive. Accounts are named code-CODE:ID, commodities "LN" by ledger number.
 */
#include "session.h"
#include "show.h"
#include "times.h"

#include <stdlib.h>

enum { WINDOW = 1024 }; /* movements whose accounts are looked up at once */

struct movement {
    mp_id id;
    mp_amount amount;
    uint64_t timestamp;
    uint32_t ledger;
    uint16_t code;
    bool reversal;
};

struct export
{
    struct command *command;
    mp_ledger *ledger;
    struct movement movements[WINDOW];
    mp_id ids[WINDOW][2]; /* debit and credit account of each */
    mp_account accounts[WINDOW][2];
    uint32_t count;
};

/* Whether a change moved posted money. Of a reservation nothing counts until it is captured. */
static bool moves(mp_change_type type)
{
    return type == MP_CHANGE_SINGLE_PHASE || type == MP_CHANGE_TWO_PHASE_POSTED ||
           type == MP_CHANGE_TWO_PHASE_PART_POSTED || type == MP_CHANGE_REVERSAL;
}

static void name_account(struct text *out, const mp_account *account)
{
    text_string(out, "code-");
    text_number(out, account->code);
    text_char(out, ':');
    text_number(out, account->id);
}

static void posting(struct export *export, const mp_account *account, const char *sign,
                    const struct movement *movement)
{
    struct text *out = &export->command->out;
    char amount[SCALED_TEXT_MAX];

    text_string(out, "    ");
    name_account(out, account);
    scaled_print(movement->amount, export->command->scale, false, amount);
    text_string(out, "  ");
    text_string(out, sign);
    text_string(out, amount);
    text_string(out, " \"L");
    text_number(out, movement->ledger);
    text_string(out, "\"\n");
}

static void write_movement(struct export *export, uint32_t index)
{
    const struct movement *movement = &export->movements[index];
    struct text *out = &export->command->out;
    char date[TIME_TEXT_MAX];

    date_print(movement->timestamp, date);
    text_string(out, date);
    text_string(out, " * (");
    text_number(out, movement->id);
    text_string(out, movement->reversal ? ") reversal, code " : ") code ");
    text_number(out, movement->code);
    text_char(out, '\n');
    posting(export, &export->accounts[index][0], "", movement);
    posting(export, &export->accounts[index][1], "-", movement);
    text_char(out, '\n');
}

static enum exit_status write_window(struct export *export)
{
    uint32_t found = 0;
    mp_status status = mp_lookup_accounts(export->ledger, export->ids[0], 2 * export->count,
                                          export->accounts[0], &found);

    if (status != MP_OK)
        return session_failed(export->command, status, "could not look up accounts");
    if (found != 2 * export->count) {
        complain(export->command,
                 "accounts of posted movements are missing: 'micropay verify' says more");
        return EXIT_REFUSED;
    }
    for (uint32_t i = 0; i < export->count; i++) write_movement(export, i);
    export->count = 0;
    return EXIT_DONE;
}

/* The journal knows an account from the moment of its creation, moved or not. */
static void declare_account(struct export *export, const mp_account *account)
{
    struct text *out = &export->command->out;

    text_string(out, "account ");
    name_account(out, account);
    text_string(out, "\n\n");
}

static enum exit_status take(struct export *export, const mp_record *record)
{
    const mp_transfer *transfer = &record->change.transfer;

    if (record->kind == MP_RECORD_ACCOUNT) declare_account(export, &record->account);
    if (record->kind != MP_RECORD_TRANSFER || !moves(record->change.type)) return EXIT_DONE;
    export->movements[export->count] = (struct movement){
        .id = transfer->id,
        .amount = transfer->amount,
        .timestamp = transfer->timestamp,
        .ledger = transfer->ledger,
        .code = transfer->code,
        .reversal = record->change.type == MP_CHANGE_REVERSAL,
    };
    export->ids[export->count][0] = transfer->debit_account_id;
    export->ids[export->count][1] = transfer->credit_account_id;
    export->count++;
    return export->count == WINDOW ? write_window(export) : EXIT_DONE;
}

static enum exit_status write_journal(struct export *export)
{
    enum exit_status result = EXIT_DONE;
    mp_log *log;
    mp_record record;
    mp_status status = mp_log_open(export->ledger, 0, &log);

    if (status != MP_OK) return session_failed(export->command, status, "could not read the log");
    while (result == EXIT_DONE && (status = mp_log_next(log, &record)) == MP_OK)
        result = take(export, &record);
    mp_log_close(log);
    if (result == EXIT_DONE && status != MP_END)
        return session_failed(export->command, status, "could not read on in the log");
    return result == EXIT_DONE ? write_window(export) : result;
}

enum exit_status verb_export(struct command *command)
{
    const char *format = command->values[OPT_FORMAT].text;
    static const enum option needed[] = {OPT_FORMAT, OPT_END};
    enum exit_status status = options_needed(command, needed);

    if (status != EXIT_DONE) return status;
    if (strcmp(format, "hledger") != 0)
        return usage_error(command, "'%s' is no format that it writes; hledger is", format);
    struct export *export = calloc(1, sizeof *export);
    if (export == NULL) return no_memory(command);
    export->command = command;
    status = session_open(command, MP_OPEN_READ, &export->ledger);
    if (status == EXIT_DONE) status = session_close(command, export->ledger, write_journal(export));
    free(export);
    return status;
}
