/*
 * The fixture: a fresh ledger, events in a small language (words.h), and what is expected of them.
 *
 * Whatever a case does is done to the oracle and to the engine, and both must say the same; what
 * the case expects is compared on top. The clock stands still unless the case moves it; each batch
 * is a block of its own.
 *
 *     TestSuite(reservation, .init = given_open, .fini = given_close);
 *
 *     Test(reservation, a_capture_beyond_the_reserved_amount_is_refused_and_changes_nothing)
 *     {
 *         GIVEN_ACCOUNTS("A1 B1");
 *         expect(transfer("T1 A1 -> B1 100 pending"), MP_CREATED);
 *         expect(transfer("T2 post T1 101"), MP_TRANSFER_EXCEEDS_PENDING_TRANSFER_AMOUNT);
 *         expect_balance("A1", .debits_pending = 100);
 *     }
 */
#ifndef MICROPAY_TEST_GIVEN_H
#define MICROPAY_TEST_GIVEN_H

#include "subject.h"
#include "words.h"

#include <criterion/criterion.h>

void given_open(void);
void given_close(void); /* once more is harmless */

/* Accounts by name, options behind a colon: "A1 D1:debits_must_not_exceed_credits,ledger=2". All
 * must be created. */
#define GIVEN_ACCOUNTS(names) given_accounts(names)
void given_accounts(const char *names);

/* One event as a batch of its own; returns what became of it. */
#define account(line)  given_one(MP_CREATE_ACCOUNTS, line)
#define transfer(line) given_one(MP_CREATE_TRANSFERS, line)
#define update(line)   given_one(MP_UPDATE_ACCOUNTS, line)
uint32_t given_one(mp_operation operation, const char *line);

/* Lines that make up one batch, each with what is expected of it (`=> name`; else created). */
#define accounts(lines)  given_batch(MP_CREATE_ACCOUNTS, lines, __LINE__)
#define transfers(lines) given_batch(MP_CREATE_TRANSFERS, lines, __LINE__)
#define updates(lines)   given_batch(MP_UPDATE_ACCOUNTS, lines, __LINE__)
void given_batch(mp_operation operation, const char *lines, int line);

/* As above, but each line is a batch of its own: a table. */
#define accounts_one_by_one(lines)  given_table(MP_CREATE_ACCOUNTS, lines, __LINE__)
#define transfers_one_by_one(lines) given_table(MP_CREATE_TRANSFERS, lines, __LINE__)
#define updates_one_by_one(lines)   given_table(MP_UPDATE_ACCOUNTS, lines, __LINE__)
void given_table(mp_operation operation, const char *lines, int line);

/* Events as they are, as one batch; the results, compared, are in given_results(). */
void given_submit(mp_operation operation, const void *events, uint32_t count);
const mp_result *given_results(void);

#define expect(actual, expected)                                                                   \
    do {                                                                                           \
        const uint32_t actual_ = (actual), expected_ = (expected);                                 \
        cr_assert(actual_ == expected_, "%s instead of %s", given_name(actual_),                   \
                  given_name(expected_));                                                          \
    } while (0)
/* Name of a result of the last batch's operation. */
const char *given_name(uint32_t result);

/* The four sums; what isn't named is 0. */
#define expect_balance(name, ...) given_expect_balance(name, (mp_balance){__VA_ARGS__}, __LINE__)
void given_expect_balance(const char *name, mp_balance expected, int line);
/* The sums as they stood at an instant. */
#define expect_balance_at(name, at_ns, ...)                                                        \
    given_expect_balance_at(name, at_ns, (mp_balance){__VA_ARGS__}, __LINE__)
void given_expect_balance_at(const char *name, uint64_t at_ns, mp_balance expected, int line);

/* Closed and frozen flags of an account as of now. */
uint16_t given_flags(const char *name);
/* An account or transfer as a look-up shows it; the test ends if there is none. */
mp_account given_account(const char *name);
mp_transfer given_transfer(const char *name);
bool given_has_transfer(const char *name);
/* Time recorded of an account or transfer. */
uint64_t given_time(const char *name);

/* A line put together as by printf; good until four more are. */
__attribute__((format(printf, 1, 2))) const char *lines_of(const char *format, ...);

/* What every failure is reported with, as printf: a seed, the number of a step. */
__attribute__((format(printf, 1, 2))) void given_context(const char *format, ...);
const char *given_context_text(void);

/* The clock; it never goes back. */
uint64_t given_now(void);
void clock_set(uint64_t ns);
void clock_advance_ns(uint64_t ns);
void clock_advance_seconds(uint64_t seconds);

/* Lets all that is due expire without a batch. */
void idle(void);
/* Closes the ledger and opens it again. */
void reopen(void);

/* --- all that can be read, oracle against engine (compare.c) --- */

/* Balances, look-ups, statements, queries and changes of everything. `seed` picks instants and
 * filters. */
void expect_all_the_same(uint64_t seed);
/* The same with a second handle that reads beside the writer. */
void expect_all_the_same_to_a_reader(uint64_t seed);

#endif
