/* What the tests of the transaction service share beyond account/given.h: books with money in them,
 * bulk requests in both forms. */
#ifndef TESTS_SERVICES_TRANSACTION_BOOKS_H
#define TESTS_SERVICES_TRANSACTION_BOOKS_H

#include "account/given.h"
#include "ledger/ids.h"

extern const struct books main_test, main_live, other_test;

/* Number of a currency's ledger. */
uint32_t number_of(const struct books *books, const char *currency);
/* The first system account. */
mp_id bank_of(const struct books *books, const char *currency);
/* Makes books in the ledger, as opening a first account does. */
void make_books(const struct books *books, const char *currency);
/* Makes ledger accounts `first` to `first + count - 1`. */
void make_accounts(mp_id first, unsigned count, uint32_t ledger, uint16_t flags);
mp_balance balance_of(mp_id account);
/* Records that the ledger has. */
uint64_t ledger_sequence(void);

/* --- bulk --- */

/* Sends transfers; the answer's results. The status is expected to be 200. */
void bulk_json(const char *caller, const mp_transfer *transfers, uint32_t count,
               mp_result *results);
void bulk_binary(const char *caller, const mp_transfer *transfers, uint32_t count,
                 mp_result *results);
/* Sends any body; NULL caller = "main test". */
struct platform_reply *bulk_body(const char *caller, const char *type, const void *body,
                                 size_t length);
/* Transfers as JSON; to be freed. */
char *json_of(const mp_transfer *transfers, uint32_t count);
/* Transfers as a binary batch; to be freed. */
char *binary_of(const mp_transfer *transfers, uint32_t count, size_t *length);
/* A transfer of EUR in the books of main in test mode. */
mp_transfer euros(mp_id id, mp_id debit, mp_id credit, mp_amount amount);

/* A request to the transaction service; NULL caller = "main test". */
struct platform_reply *see(const char *caller, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
