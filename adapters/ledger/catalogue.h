/*
 * The catalogue: which ledger numbers there are, and whose. It is read from the ledger itself (from
 * the accounts that chain_of_books() makes) and kept, since books never change.
 *
 * On the loop's thread.
 */
#ifndef ADAPTERS_LEDGER_CATALOGUE_H
#define ADAPTERS_LEDGER_CATALOGUE_H

#include "ledger/ids.h"
#include "wire/amount.h"

/* The books of one tenant, mode and currency. */
struct ledger_book {
    uint32_t number;
    struct books books;
    const struct currency *currency;
    mp_id root;
    mp_id system[BOOKS_ROLES]; /* in order of books_roles */
    struct ledger_book *next;  /* the catalogue's own */
};
/* A system account by its role; 0 if books have none such. */
mp_id ledger_book_account(const struct ledger_book *book, enum account_code role);

struct catalogue;

/* The ledger outlives it. */
struct catalogue *catalogue_make(mp_ledger *ledger);
/* The books that a number is for; NULL if there are none. What is found stays where it is. */
const struct ledger_book *catalogue_find(struct catalogue *catalogue, uint32_t number);
/* The books of a currency; NULL if nobody has used it yet. */
const struct ledger_book *catalogue_of(struct catalogue *catalogue, const struct books *books,
                                       const struct currency *currency);
void catalogue_free(struct catalogue *catalogue); /* NULL is allowed */

static inline bool books_equal(const struct books *a, const struct books *b)
{
    return a->live == b->live && __builtin_strcmp(a->tenant, b->tenant) == 0;
}

#endif
