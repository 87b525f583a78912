/*
 * Ids and codes by which services speak to the ledger. All ids are derived, so whoever crashes asks
 * again with the very same: H is SHA-256 over length-prefixed fields, cut to 128 bits.
 *
 * Resources that are ledger accounts (wallets) have the ledger's id as their own, in the order of
 * the UUID's text.
 */
#ifndef ADAPTERS_LEDGER_IDS_H
#define ADAPTERS_LEDGER_IDS_H

#include "ledger/port.h"
#include "wire/ids.h"

enum account_code {
#define ACCOUNT_CODE(NAME, number, help) ACCOUNT_CODE_##NAME = (number),
#define TRANSFER_CODE(NAME, number, help)
#include "ledger/codes.def"
#undef ACCOUNT_CODE
#undef TRANSFER_CODE
};

enum transfer_code {
#define ACCOUNT_CODE(NAME, number, help)
#define TRANSFER_CODE(NAME, number, help) TRANSFER_CODE_##NAME = (number),
#include "ledger/codes.def"
#undef ACCOUNT_CODE
#undef TRANSFER_CODE
    TRANSFER_CODE_PAYMENT_MIN = 100, /* reservations of payments have a code within */
    TRANSFER_CODE_PAYMENT_MAX = 199,
    TRANSFER_CODE_PLATFORM_MIN = 100, /* no bulk transfer has a code within */
    TRANSFER_CODE_PLATFORM_MAX = 399,
};

/* Kinds of operation; user_data_32 of what they book. Numbers are for ever: ids depend on them. */
enum step {
    STEP_RESERVE = 1,
    STEP_CAPTURE = 2,
    STEP_INCREASE = 3,
    STEP_EXTEND = 4,
    STEP_VOID = 5,
    STEP_BIND = 6,
    STEP_REFUND = 7,
    STEP_ACCOUNT = 8,
    STEP_FREEZE = 9,
    STEP_CLOSE = 10,
    STEP_RETURN = 11,
    STEP_BOOKS = 12, /* a currency's ledger number and system accounts */
    STEP_CONFIRM = 13,
    STEP_REVERSAL = 14, /* of a transaction that is no payment's */
};

/* Whose books: every id depends on it. */
struct books {
    char tenant[33];
    bool live;
};

mp_id id_of_uuid(struct uuid id);
struct uuid uuid_of_id(mp_id id);

/* Id of one leg of an operation's chain. */
mp_id ledger_id(const struct books *books, struct uuid operation, enum step step, unsigned attempt,
                unsigned leg);

/* System account of a currency; for SUSPENSE with its owner, else zero. */
mp_id system_account(const struct books *books, const char currency[4], enum account_code role,
                     struct uuid owner);

/* The `tries`-th candidate of the ledger number of a currency, and the account that holds it:
 * the first whose root doesn't exist, or has this user_data_128, is it. */
uint32_t ledger_number(const struct books *books, const char currency[4], unsigned tries);
mp_id ledger_root(uint32_t number);
mp_u128 ledger_root_data(const struct books *books, const char currency[4]);

/* System accounts of a currency's books, in the order of their making. */
enum { BOOKS_ROLES = 4 };
extern const enum account_code books_roles[BOOKS_ROLES];

/* user_data_32 of a root: mode */
enum { BOOKS_TEST = 1, BOOKS_LIVE = 2 };

/* The chain that makes a currency's books: root and system accounts. They say whose they are, so
 * that the ledger alone tells what its numbers mean (ledger/catalogue.h reads it): the root's
 * user_data_64 has the currency's letters, its user_data_32 the mode; user_data_64 of the system
 * accounts together the tenant's name, eight bytes each. */
void chain_of_books(const struct books *books, const char currency[4], uint32_t number,
                    struct chain *out);

#endif
