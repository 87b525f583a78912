#include "show.h"

#include "names.h"
#include "times.h"

void json_sums(struct json *json, const mp_balance *sums)
{
    json_digits(json, "debits_pending", sums->debits_pending);
    json_digits(json, "debits_posted", sums->debits_posted);
    json_digits(json, "credits_pending", sums->credits_pending);
    json_digits(json, "credits_posted", sums->credits_posted);
}

void json_account_flags(struct json *json, const char *name, uint16_t flags)
{
    char text[FLAGS_TEXT_MAX];

    json_string(json, name, flags_print(&account_flag_names, flags, text));
}

void json_account(struct json *json, const mp_account *account)
{
    mp_balance sums = account_sums(account);

    json_digits(json, "id", account->id);
    json_sums(json, &sums);
    json_digits(json, "user_data_128", account->user_data_128);
    json_digits(json, "user_data_64", account->user_data_64);
    json_number(json, "user_data_32", account->user_data_32);
    json_number(json, "ledger", account->ledger);
    json_number(json, "code", account->code);
    json_account_flags(json, "flags", account->flags);
    json_digits(json, "timestamp", account->timestamp);
}

void json_transfer(struct json *json, const mp_transfer *transfer)
{
    char flags[FLAGS_TEXT_MAX];

    json_digits(json, "id", transfer->id);
    json_digits(json, "debit_account_id", transfer->debit_account_id);
    json_digits(json, "credit_account_id", transfer->credit_account_id);
    json_digits(json, "amount", transfer->amount);
    json_digits(json, "pending_id", transfer->pending_id);
    json_digits(json, "user_data_128", transfer->user_data_128);
    json_digits(json, "user_data_64", transfer->user_data_64);
    json_number(json, "user_data_32", transfer->user_data_32);
    json_number(json, "timeout", transfer->timeout);
    json_number(json, "ledger", transfer->ledger);
    json_number(json, "code", transfer->code);
    json_string(json, "flags", flags_print(&transfer_flag_names, transfer->flags, flags));
    json_digits(json, "timestamp", transfer->timestamp);
}

void json_update(struct json *json, const mp_account_update *update)
{
    char flags[FLAGS_TEXT_MAX];

    json_digits(json, "id", update->id);
    json_digits(json, "account_id", update->account_id);
    json_digits(json, "user_data_128", update->user_data_128);
    json_digits(json, "user_data_64", update->user_data_64);
    json_number(json, "user_data_32", update->user_data_32);
    json_account_flags(json, "flags_set", update->flags_set);
    json_account_flags(json, "flags_clear", update->flags_clear);
    json_number(json, "code", update->code);
    json_string(json, "flags", flags_print(&update_flag_names, update->flags, flags));
}

static void changed_account(struct json *json, const char *name, mp_id id, uint16_t flags,
                            const mp_balance *sums)
{
    json_object(json, name);
    json_digits(json, "id", id);
    json_sums(json, sums);
    json_account_flags(json, "flags", flags);
    json_object_end(json);
}

void json_change(struct json *json, const mp_change *change)
{
    json_string(json, "type", change_name(change->type));
    json_digits(json, "timestamp", change->timestamp);
    json_digits(json, "sequence", change->sequence);
    json_digits(json, "position", change->position);
    if (change->type == MP_CHANGE_ACCOUNT_UPDATED) {
        json_object(json, "update");
        json_update(json, &change->update);
        json_object_end(json);
        json_account_flags(json, "flags_before", change->update_flags_before);
        changed_account(json, "account", change->update.account_id, change->update_flags_after,
                        &change->debit);
        return;
    }
    json_object(json, "transfer");
    json_transfer(json, &change->transfer);
    json_object_end(json);
    changed_account(json, "debit_account", change->transfer.debit_account_id,
                    change->debit_account_flags, &change->debit);
    changed_account(json, "credit_account", change->transfer.credit_account_id,
                    change->credit_account_flags, &change->credit);
}

void cell_amount(struct table *table, const struct command *command, mp_amount amount)
{
    char text[SCALED_TEXT_MAX];

    scaled_print(amount, command->scale, command->terminal, text);
    table_cell(table, "%s", text);
}

void cell_net(struct table *table, const struct command *command, const mp_balance *sums)
{
    char text[SCALED_TEXT_MAX];

    difference_print(sums->credits_posted, sums->debits_posted, command->scale, command->terminal,
                     text);
    table_cell(table, "%s", text);
}

void cell_sums(struct table *table, const struct command *command, const mp_balance *sums)
{
    cell_amount(table, command, sums->debits_pending);
    cell_amount(table, command, sums->debits_posted);
    cell_amount(table, command, sums->credits_pending);
    cell_amount(table, command, sums->credits_posted);
    cell_net(table, command, sums);
}

void cell_time(struct table *table, uint64_t ns)
{
    char text[TIME_TEXT_MAX];

    time_print(ns, text);
    table_cell(table, "%s", text);
}

void cell_account_flags(struct table *table, uint16_t flags)
{
    char text[FLAGS_TEXT_MAX];

    table_cell(table, "%s", flags_print(&account_flag_names, flags, text));
}

void cell_transfer_flags(struct table *table, uint16_t flags)
{
    char text[FLAGS_TEXT_MAX];

    table_cell(table, "%s", flags_print(&transfer_flag_names, flags, text));
}

enum exit_status no_memory(const struct command *command)
{
    complain(command, "there is no memory left");
    return EXIT_LEDGER;
}
