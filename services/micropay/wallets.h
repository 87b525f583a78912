/*
 * Wallets by name: in test mode a wallet that is named appears, with 1,000.00 in it. Its account is
 * derived from an Idempotency-Key that the name makes, as is the deposit, so the same name is
 * always the same wallet, and is filled once. A UUID is the id of an account that is there.
 */
#ifndef COMMAND_WALLETS_H
#define COMMAND_WALLETS_H

#include "platform.h"
#include "wire/amount.h"

struct wallet {
    char name[129]; /* as on the command line, or what the account is called */
    char id[37];
    char currency[4];
    char posted[AMOUNT_TEXT_MAX], available[AMOUNT_TEXT_MAX];
    char status[16], frozen[16];
};

/* Finds it, makes it if need be; says why not. */
enum exit_status wallet_by_name(struct platform *platform, const char *name, const char *currency,
                                struct wallet *out);
/* Reads its balances again. */
enum exit_status wallet_refresh(struct platform *platform, struct wallet *wallet);
/* What an account's JSON says of it; the name is kept if the account has none. */
void wallet_read(const cJSON *account, struct wallet *out);
/* The commands that make what wallet_by_name() made. */
void wallet_curl(struct platform *platform, const struct wallet *wallet, struct text *out);
/* Checks a currency of the command line; says what is wrong. */
enum exit_status currency_check(const struct command *command, const char *currency);

#endif
