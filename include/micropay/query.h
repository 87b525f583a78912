/**
 * @file query.h
 * Reading: balances now and as of an instant, look-ups, statements, queries, the change stream,
 * verification.
 *
 * All of it works the same on a ledger opened for writing and on one opened with MP_OPEN_READ.
 * Filters follow TigerBeetle: one that makes no sense gives no rows, not an error (limit 0; a bound
 * of 2^63 or more; min > max; neither debits nor credits; account 0 or 2^128-1; a reserved bit).
 * Bounds are inclusive, 0 = open; fields combine with AND, 0 = any; a limit above MP_BATCH_MAX is
 * cut to it.
 */
#ifndef MICROPAY_QUERY_H
#define MICROPAY_QUERY_H

#include <micropay/ledger.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Balance of an account now. Linearizable for this account; never stops the writer; reads no disk.
 *
 * @retval MP_OK        out is written.
 * @retval MP_NOT_FOUND no such account (yet durable).
 * @retval MP_WRONG_PROCESS called in a forked child.
 */
MP_API MP_MUST_USE mp_status mp_read_balance(mp_ledger *ledger, mp_id account, mp_balance *out);

/**
 * Balances of many accounts, each linearizable by itself (not as a set: see mp_read_many). The fast
 * way to read: memory accesses overlap.
 *
 * @param[out] out   one for each id; all 0 where the account doesn't exist.
 * @param[out] found NULL, or one flag for each id.
 */
MP_API MP_MUST_USE mp_status mp_read_balances(mp_ledger *ledger, const mp_id *accounts,
                                              uint32_t count, mp_balance *out, bool *found);

/**
 * Balances of several accounts at one point of the history: no block was published between the
 * first and the last.
 *
 * @param count at most MP_BATCH_MAX.
 * @retval MP_OK        all are found and consistent.
 * @retval MP_NOT_FOUND one of them doesn't exist; nothing is written.
 */
MP_API MP_MUST_USE mp_status mp_read_many(mp_ledger *ledger, const mp_id *accounts, uint32_t count,
                                          mp_balance *out);

/**
 * Balance of an account as it stood at an instant.
 *
 * Walks the account's skip pointers: of n records it reads about 1.6 log2 n, at most about
 * 3 log2 n, each a page at worst. With a million: 33 pages on average, 48 at most of those tried.
 *
 * @param at_ns    nanoseconds since the Unix epoch; a record stamped exactly at_ns is included.
 * @param[out] out the four sums in minor units; written only on MP_OK.
 *
 * @retval MP_OK        found; before the account's first record all sums are 0.
 * @retval MP_NOT_FOUND no such account, or it was created after at_ns.
 * @retval MP_CORRUPT   a page failed its checksum; mp_last_error() names file and offset.
 * @retval MP_IO        a read failed.
 */
MP_API MP_MUST_USE mp_status mp_balance_at(mp_ledger *ledger, mp_id account, uint64_t at_ns,
                                           mp_balance *out);

/**
 * Looks accounts up; those found come out in the order asked, those asked twice twice.
 * @param[out] out   room for `count`. @param[out] found how many were found.
 */
MP_API MP_MUST_USE mp_status mp_lookup_accounts(mp_ledger *ledger, const mp_id *ids, uint32_t count,
                                                mp_account *out, uint32_t *found);

/** Looks transfers up, likewise. A post or void shows its amount and inherited fields filled in.
 * May read from disk. */
MP_API MP_MUST_USE mp_status mp_lookup_transfers(mp_ledger *ledger, const mp_id *ids,
                                                 uint32_t count, mp_transfer *out, uint32_t *found);

enum mp_filter_flags {
    MP_FILTER_DEBITS = 1 << 0,
    MP_FILTER_CREDITS = 1 << 1,
    MP_FILTER_REVERSED = 1 << 2, /**< newest first */
};

/** Which transfers of an account. */
typedef struct mp_account_filter {
    mp_id account_id;
    mp_u128 user_data_128;
    uint64_t user_data_64;
    uint32_t user_data_32;
    uint16_t code;
    uint16_t reserved;      /**< 0 */
    uint64_t timestamp_min; /**< inclusive; 0 = open */
    uint64_t timestamp_max; /**< inclusive; 0 = open */
    uint32_t limit;         /**< rows at most */
    uint32_t flags;         /**< enum mp_filter_flags */
} mp_account_filter;

/** Balances of an account right after a transfer. */
typedef struct mp_account_balance {
    mp_balance balance;
    uint64_t timestamp;
} mp_account_balance;

/** Transfers of an account. @param[out] out room for min(limit, MP_BATCH_MAX). @param[out] count
 * rows written. */
MP_API MP_MUST_USE mp_status mp_account_transfers(mp_ledger *ledger,
                                                  const mp_account_filter *filter, mp_transfer *out,
                                                  uint32_t *count);
/** Balances after each transfer that mp_account_transfers gives; no row for an expiry or account
 * update. */
MP_API MP_MUST_USE mp_status mp_account_balances(mp_ledger *ledger, const mp_account_filter *filter,
                                                 mp_account_balance *out, uint32_t *count);

/** What kind of change a record is. */
typedef enum mp_change_type {
    MP_CHANGE_SINGLE_PHASE = 0,
    MP_CHANGE_TWO_PHASE_PENDING = 1,
    MP_CHANGE_TWO_PHASE_POSTED = 2,
    MP_CHANGE_TWO_PHASE_VOIDED = 3,
    MP_CHANGE_TWO_PHASE_EXPIRED = 4,
    MP_CHANGE_TWO_PHASE_PART_POSTED = 100, /**< a post with keep_pending that left something */
    MP_CHANGE_TWO_PHASE_INCREASED = 101,
    MP_CHANGE_REVERSAL = 102,
    MP_CHANGE_ACCOUNT_UPDATED = 103,
} mp_change_type;

/** A line of an account's statement. */
typedef struct mp_statement_row {
    mp_change_type type;
    bool debit; /**< this account is the debit side */
    /** As recorded. An expiry: id 0, pending_id the reservation's, amount what was released. An
     * account update: id and user_data of the update, the rest 0. */
    mp_transfer transfer;
    mp_balance balance;     /**< this account's sums after it */
    uint16_t account_flags; /**< after it */
    uint64_t position;      /**< log position of the record: a cursor to go on from */
    uint64_t sequence;      /**< 0 when not known */
} mp_statement_row;

/** A statement being read. Used by one thread at a time. */
typedef struct mp_statement mp_statement;

enum mp_statement_flags {
    MP_STATEMENT_ALL = 1 << 0, /**< expiries and account updates too, not only transfers */
};

/**
 * Begins a statement of any length (filter->limit is not looked at) over what is durable at this
 * moment.
 *
 * @param cursor 0, or mp_statement_row.position of the last row read: goes on behind it, in the
 * same direction.
 * @param flags  enum mp_statement_flags.
 * @retval MP_OK        *out is set; end it with mp_statement_close(). A filter without sense gives
 * no rows.
 * @retval MP_NOT_FOUND no such account.
 * @retval MP_INVALID   the cursor is no position of this account's records.
 */
MP_API MP_MUST_USE mp_status mp_statement_open(mp_ledger *ledger, const mp_account_filter *filter,
                                               unsigned flags, uint64_t cursor, mp_statement **out);
/** Reads on. @param[out] count rows written, 0 at the end. @retval MP_CORRUPT, MP_IO a page could
 * not be read. */
MP_API MP_MUST_USE mp_status mp_statement_next(mp_statement *statement, mp_statement_row *rows,
                                               uint32_t max, uint32_t *count);
/** Ends a statement; NULL is allowed. */
MP_API void mp_statement_close(mp_statement *statement);

/** Which accounts or transfers. */
typedef struct mp_query_filter {
    mp_u128 user_data_128;
    uint64_t user_data_64;
    uint32_t user_data_32;
    uint32_t ledger;
    uint16_t code;
    uint16_t reserved16;    /**< 0 */
    uint32_t reserved32;    /**< 0 */
    uint64_t timestamp_min; /**< inclusive; 0 = open */
    uint64_t timestamp_max; /**< inclusive; 0 = open */
    uint32_t limit;
    uint32_t flags; /**< MP_FILTER_REVERSED or 0 */
} mp_query_filter;

/** Accounts by their fields, in order of creation. Reads no disk. */
MP_API MP_MUST_USE mp_status mp_query_accounts(mp_ledger *ledger, const mp_query_filter *filter,
                                               mp_account *out, uint32_t *count);
/** Transfers by their fields, in order of time; scans the segments whose times may match. */
MP_API MP_MUST_USE mp_status mp_query_transfers(mp_ledger *ledger, const mp_query_filter *filter,
                                                mp_transfer *out, uint32_t *count);

/** One change with both accounts as they stood after it. */
typedef struct mp_change {
    mp_change_type type;
    uint16_t debit_account_flags;  /**< after it */
    uint16_t credit_account_flags; /**< after it */
    mp_transfer transfer; /**< as recorded; expiry: as mp_statement_row. 0 for an account update */
    mp_account_update update; /**< MP_CHANGE_ACCOUNT_UPDATED only */
    uint16_t update_flags_before,
        update_flags_after; /**< the account's; MP_CHANGE_ACCOUNT_UPDATED only */
    mp_balance debit;       /**< the debit account's (the updated account's) sums after it */
    mp_balance credit;      /**< the credit account's sums after it */
    uint64_t timestamp;
    uint64_t sequence;
    uint64_t position; /**< log position: as `after` it goes on behind this change */
} mp_change;

/** Which changes. */
typedef struct mp_change_filter {
    uint64_t after;         /**< log position: only what lies behind it; 0 = from the start */
    uint64_t timestamp_min; /**< inclusive; 0 = open */
    uint64_t timestamp_max; /**< inclusive; 0 = open */
    uint32_t limit;
    uint32_t reserved; /**< 0 */
} mp_change_filter;

/** Durable changes, oldest first. @param[out] count rows written; fewer than the limit: no more are
 * durable now. */
MP_API MP_MUST_USE mp_status mp_changes(mp_ledger *ledger, const mp_change_filter *filter,
                                        mp_change *out, uint32_t *count);

/** What a record of the log holds. */
typedef enum mp_record_kind {
    MP_RECORD_ACCOUNT = 1,
    MP_RECORD_TRANSFER = 2,
    MP_RECORD_EXPIRY = 3,
    MP_RECORD_UPDATE = 4,
    MP_RECORD_BOUND_ID = 5,
    MP_RECORD_INPUT_POSITION = 6,
} mp_record_kind;

/** A record of the log, decoded. */
typedef struct mp_record {
    mp_record_kind kind;
    uint32_t block_pages;
    uint64_t position;       /**< of the record */
    uint64_t block_position; /**< of its block */
    uint64_t block_time;
    uint64_t sequence;   /**< 0 for an input position */
    uint64_t timestamp;  /**< 0 for an input position */
    mp_account account;  /**< MP_RECORD_ACCOUNT */
    uint32_t slot;       /**< MP_RECORD_ACCOUNT: ordinal of creation, from 0 */
    mp_change change;    /**< MP_RECORD_TRANSFER, _EXPIRY, _UPDATE */
    mp_amount left;      /**< of the reservation after it: pending, post, void, increase, expiry */
    mp_amount reversed;  /**< reversal: sum reversed of the original after it */
    mp_id bound_id;      /**< MP_RECORD_BOUND_ID */
    uint32_t bound_code; /**< the refusal that bound it */
    uint64_t source, source_position; /**< MP_RECORD_INPUT_POSITION */
} mp_record;

/** The log being read. Used by one thread at a time. */
typedef struct mp_log mp_log;

/** Begins to read the durable log, from the first block at or behind a log position (0 = from the
 * start). */
MP_API MP_MUST_USE mp_status mp_log_open(mp_ledger *ledger, uint64_t from, mp_log **out);
/** The next record. @retval MP_END nothing more is durable now (ask again later). @retval
 * MP_CORRUPT, MP_IO as named. */
MP_API MP_MUST_USE mp_status mp_log_next(mp_log *log, mp_record *out);
/** Ends reading; NULL is allowed. */
MP_API void mp_log_close(mp_log *log);

/** What verification found. */
typedef struct mp_verify_report {
    uint64_t blocks, seals, pages, records;
    uint64_t accounts, transfers, updates, expiries, bound_ids;
    uint64_t reservations_open;
    uint64_t checkpoints;             /**< that were compared with the log */
    uint64_t problems;                /**< 0 = all invariants hold */
    uint64_t position;                /**< the log was verified up to here */
    uint64_t bytes_done, bytes_total; /**< for progress */
} mp_verify_report;

/**
 * Recomputes every invariant of a ledger from its log alone, in bounded memory, and compares the
 * checkpoints with it. Reads only; works beside a live writer.
 *
 * @param memory_max bytes of RAM to use; 0 = 256 MiB. More is kept in temporary files (in
 * `temporary`, a directory; NULL = /tmp).
 * @param problem  called with a sentence for each violation, which names id, file and offset; may
 * be NULL.
 * @param progress called now and then; may be NULL.
 * @retval MP_OK      verified; report->problems says how many violations were found.
 * @retval MP_CORRUPT a block could not be read; what lies before it was verified.
 * @retval MP_NOT_FOUND, MP_IO, MP_VERSION as mp_open().
 */
MP_API MP_MUST_USE mp_status mp_verify(const char *directory, const mp_env *env,
                                       uint64_t memory_max, const char *temporary,
                                       void (*problem)(void *user, const char *text),
                                       void (*progress)(void *user, const mp_verify_report *report),
                                       void *user, mp_verify_report *report);

#ifdef __cplusplus
}
#endif
#endif
