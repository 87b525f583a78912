/**
 * @file oracle.h
 * The contract of accounts, transfers, updates and queries once more: slow, in memory, and as plain
 * as possible.
 *
 * Written from the rules alone and sharing no code with the engine, so that a mistake has to be
 * made twice to go unnoticed. Not for many threads. Memory that can't be had ends the program;
 * nothing else fails.
 *
 * Time is the caller's: a block begins at oracle_block_time(), first releases what is due
 * (oracle_expire()), and the events of its batch get consecutive times from then on, refused ones
 * included.
 */
#ifndef MICROPAY_ORACLE_H
#define MICROPAY_ORACLE_H

#include <micropay/ledger.h>
#include <micropay/query.h>
#include <micropay/status.h>
#include <micropay/types.h>

typedef struct oracle oracle;

enum {
    ORACLE_EXPIRIES_MAX = 8190, /**< expiries in front of one batch */
};

oracle *oracle_new(void);
void oracle_free(oracle *o);

/** Time of a block that begins now: the clock, or one beyond the last time given. */
uint64_t oracle_block_time(const oracle *o, uint64_t clock_ns);

/**
 * Releases the reservations that are due at a block's time, in order of expiry, then of creation.
 *
 * @return how many (at most `max`); their times are block_time, block_time + 1 and so on.
 */
uint32_t oracle_expire(oracle *o, uint64_t block_time, uint32_t max);

/** Begins a block with its expiries; returns the time of the first event behind them. */
uint64_t oracle_begin(oracle *o, uint64_t clock_ns);

/**
 * Apply a batch whose first event has the time `first`; one result for each event.
 *
 * mp_result.sequence of `exists` is the original's; the engine may answer 0 there.
 * @retval MP_BATCH_TOO_LARGE more than MP_BATCH_MAX events; nothing was applied.
 */
mp_status oracle_create_accounts(oracle *o, uint64_t first, const mp_account *events,
                                 uint32_t count, mp_result *results);
/** @param sums NULL, or one for each event: written for created transfers. */
mp_status oracle_create_transfers(oracle *o, uint64_t first, const mp_transfer *events,
                                  uint32_t count, mp_result *results, mp_result_sums *sums);
mp_status oracle_update_accounts(oracle *o, uint64_t first, const mp_account_update *events,
                                 uint32_t count, mp_result *results);

/* Reading, as in query.h */
mp_status oracle_balance(const oracle *o, mp_id account, mp_balance *out, uint16_t *flags);
mp_status oracle_balance_at(const oracle *o, mp_id account, uint64_t at_ns, mp_balance *out);
mp_status oracle_lookup_accounts(const oracle *o, const mp_id *ids, uint32_t count, mp_account *out,
                                 uint32_t *found);
mp_status oracle_lookup_transfers(const oracle *o, const mp_id *ids, uint32_t count,
                                  mp_transfer *out, uint32_t *found);
mp_status oracle_account_transfers(const oracle *o, const mp_account_filter *filter,
                                   mp_transfer *out, uint32_t *count);
mp_status oracle_account_balances(const oracle *o, const mp_account_filter *filter,
                                  mp_account_balance *out, uint32_t *count);
mp_status oracle_query_accounts(const oracle *o, const mp_query_filter *filter, mp_account *out,
                                uint32_t *count);
mp_status oracle_query_transfers(const oracle *o, const mp_query_filter *filter, mp_transfer *out,
                                 uint32_t *count);
/** mp_change.position is the sequence here; `after` likewise. */
mp_status oracle_changes(const oracle *o, const mp_change_filter *filter, mp_change *out,
                         uint32_t *count);
/** A statement read to its end or to `max` rows; position is the sequence. */
mp_status oracle_statement(const oracle *o, const mp_account_filter *filter, unsigned flags,
                           mp_statement_row *rows, uint32_t max, uint32_t *count);

/* What there is, by number from 0: for tests that walk through everything or want a likely target
 */
uint32_t oracle_account_count(const oracle *o);
mp_id oracle_account_id(const oracle *o, uint32_t number);
uint32_t oracle_transfer_count(const oracle *o);
const mp_transfer *oracle_transfer(const oracle *o, uint32_t number);
/** What is left of transfer `number` if it is an open reservation, and when it expires (0 = never).
 */
bool oracle_open_reservation(const oracle *o, uint32_t number, mp_amount *left, uint64_t *expires);
/** Time of the newest transfer, expiry or account update, and of the newest account; 0 = none. */
uint64_t oracle_newest(const oracle *o);

/** How many there are: accounts, transfers, updates, expiries, ids_bound, reservations_open and
 * sequence are set. */
void oracle_stats(const oracle *o, mp_stats *out);

/** NULL if all invariants hold, else the sentence that doesn't. */
const char *oracle_check(const oracle *o);

#endif
