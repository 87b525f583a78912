/* A payment as verbs show it, and the newest one of a data directory. */
#ifndef COMMAND_PAYMENTS_H
#define COMMAND_PAYMENTS_H

#include "platform.h"

/* The payment that --id names, else the one that was made last; says so if there is none. */
enum exit_status payment_id(const struct platform *platform, char out[37]);
/* Keeps it in DATA/last-payment, if that can be written. */
void payment_remember(const struct platform *platform, const char *id);

/* Finds out what payer and payee are called, if that isn't known yet. */
void payment_names(struct platform *platform, const cJSON *payment);
/* One line: who pays whom how much, and where it stands. */
void payment_line(struct platform *platform, const cJSON *payment);
/* A table: what it asked of the ledger, and what was held, captured and refunded after each. */
void payment_bill(struct platform *platform, const cJSON *payment);

#endif
