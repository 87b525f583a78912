/* One event booked from the command line: sent, and what became of it shown. */
#ifndef COMMAND_OUTCOME_H
#define COMMAND_OUTCOME_H

#include "command.h"

/* Whether a result means that the event stands in the books, now or since an earlier try */
bool account_result_good(uint32_t result);
bool transfer_result_good(uint32_t result);
/* Names of results, also of codes that this version doesn't know; `out` is used for those. */
const char *account_result_text(uint32_t result, char out[32]);
const char *transfer_result_text(uint32_t result, char out[32]);

/* The id that --id gives, or 128 random bits. */
enum exit_status outcome_id(const struct command *command, mp_id *out);

/* Opens the ledger, books one transfer, shows result, time and both accounts after it, closes. */
enum exit_status outcome_transfer(struct command *command, const mp_transfer *transfer);
/* The same with an account update. */
enum exit_status outcome_update(struct command *command, const mp_account_update *update);

#endif
