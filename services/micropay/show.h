/* Accounts, transfers and balances on the screen and in JSON, the same in every verb. */
#ifndef COMMAND_SHOW_H
#define COMMAND_SHOW_H

#include "command.h"
#include "table.h"

/* Members of the JSON object that is open, in the order and by the names of the data model */
void json_account(struct json *json, const mp_account *account);
void json_transfer(struct json *json, const mp_transfer *transfer);
void json_update(struct json *json, const mp_account_update *update);
void json_sums(struct json *json, const mp_balance *sums);
void json_account_flags(struct json *json, const char *name, uint16_t flags);
/* type, timestamp, sequence, position; the transfer or update; the accounts after it */
void json_change(struct json *json, const mp_change *change);

/* Cells */
void cell_amount(struct table *table, const struct command *command, mp_amount amount);
/* credits - debits, posted */
void cell_net(struct table *table, const struct command *command, const mp_balance *sums);
/* The four sums and the net: SUMS_COLUMNS */
void cell_sums(struct table *table, const struct command *command, const mp_balance *sums);
void cell_time(struct table *table, uint64_t ns);
void cell_account_flags(struct table *table, uint16_t flags);
void cell_transfer_flags(struct table *table, uint16_t flags);

#define SUMS_COLUMNS                                                                               \
    {"debits_pending", true}, {"debits_posted", true}, {"credits_pending", true},                  \
        {"credits_posted", true},                                                                  \
    {                                                                                              \
        "credits-debits", true                                                                     \
    }

static inline mp_balance account_sums(const mp_account *account)
{
    return (mp_balance){account->debits_pending, account->debits_posted, account->credits_pending,
                        account->credits_posted};
}

/* Says that memory is short; returns EXIT_LEDGER. */
enum exit_status no_memory(const struct command *command);

#endif
