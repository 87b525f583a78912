/**
 * @file types.h
 * What a ledger holds: accounts, transfers, account updates, their flags and the results of
 * creating them.
 *
 * Layouts, names and numeric codes follow the public data model of TigerBeetle 0.17, so that its
 * users' knowledge and data carry over; codes from 1000 on and the flags above bit 8 (transfers)
 * and bit 5 (accounts) are MicroPay's own. Everything is little-endian. Ids and amounts are
 * unsigned 128-bit, amounts in minor units of the ledger's currency; times are nanoseconds since
 * the Unix epoch, below 2^63.
 */
#ifndef MICROPAY_TYPES_H
#define MICROPAY_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "MicroPay's files and structs are little-endian: big-endian machines are not supported"
#endif
#if UINTPTR_MAX < UINT64_MAX
#error "MicroPay maps large tables: 32-bit machines are not supported"
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define MP_API      __attribute__((visibility("default")))
#define MP_MUST_USE __attribute__((warn_unused_result))

/** An unsigned 128-bit number: an id or an amount. */
__extension__ typedef unsigned __int128 mp_u128;
/** Identifies an account or a transfer. 0 and 2^128-1 are never valid ids. */
typedef mp_u128 mp_id;
/** Money in minor units. */
typedef mp_u128 mp_amount;

#define MP_U128_MAX (~(mp_u128)0)
/** As an amount of a post, a partial post or a reversal: all that is left. */
#define MP_AMOUNT_MAX MP_U128_MAX
/** Puts an id together from its two halves. */
#define MP_U128(high, low) (((mp_u128)(uint64_t)(high) << 64) | (mp_u128)(uint64_t)(low))

enum {
    MP_BATCH_MAX = 8190, /**< events in one request, rows of one query */
};

/** Flags of an account, by bit. */
enum mp_account_flags {
    MP_ACCOUNT_LINKED = 1 << 0,
    MP_ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS = 1 << 1,
    MP_ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS = 1 << 2,
    MP_ACCOUNT_HISTORY = 1 << 3, /**< accepted; history is kept for every account */
    MP_ACCOUNT_IMPORTED = 1 << 4,
    MP_ACCOUNT_CLOSED = 1 << 5,
    MP_ACCOUNT_FROZEN_DEBITS = 1 << 6,
    MP_ACCOUNT_FROZEN_CREDITS = 1 << 7,
};

/** Flags of a transfer, by bit. */
enum mp_transfer_flags {
    MP_TRANSFER_LINKED = 1 << 0,
    MP_TRANSFER_PENDING = 1 << 1,
    MP_TRANSFER_POST_PENDING = 1 << 2,
    MP_TRANSFER_VOID_PENDING = 1 << 3,
    MP_TRANSFER_BALANCING_DEBIT = 1 << 4,
    MP_TRANSFER_BALANCING_CREDIT = 1 << 5,
    MP_TRANSFER_CLOSING_DEBIT = 1 << 6,
    MP_TRANSFER_CLOSING_CREDIT = 1 << 7,
    MP_TRANSFER_IMPORTED = 1 << 8,
    MP_TRANSFER_KEEP_PENDING = 1 << 9,
    MP_TRANSFER_INCREASE_PENDING = 1 << 10,
    MP_TRANSFER_REVERSAL = 1 << 11,
    MP_TRANSFER_BIND_ID = 1 << 12,
};

/** Flags of an account update. */
enum mp_update_flags {
    MP_UPDATE_LINKED = 1 << 0,
};

/** An account; 128 bytes. At creation the four balances, `reserved` and (unless imported)
 * `timestamp` are zero. */
typedef struct mp_account {
    mp_id id;
    mp_amount debits_pending;
    mp_amount debits_posted;
    mp_amount credits_pending;
    mp_amount credits_posted;
    mp_u128 user_data_128;
    uint64_t user_data_64;
    uint32_t user_data_32;
    uint32_t reserved;
    uint32_t ledger; /**< accounts of one ledger number can pay each other; not 0 */
    uint16_t code;   /**< kind of account, the caller's own; not 0 */
    uint16_t flags;  /**< enum mp_account_flags */
    uint64_t timestamp;
} mp_account;

/** A transfer; 128 bytes. */
typedef struct mp_transfer {
    mp_id id; /**< idempotency: the same id is applied at most once, for ever */
    mp_id debit_account_id;
    mp_id credit_account_id;
    mp_amount amount;
    mp_id pending_id; /**< the reservation (post, void, increase) or the transfer to reverse */
    mp_u128 user_data_128;
    uint64_t user_data_64;
    uint32_t user_data_32;
    uint32_t timeout; /**< seconds until a pending transfer expires; 0 = never */
    uint32_t ledger;
    uint16_t code;
    uint16_t flags; /**< enum mp_transfer_flags */
    uint64_t timestamp;
} mp_transfer;

/** A change of an account's flags; 80 bytes. user_data and code describe the update, not the
 * account. */
typedef struct mp_account_update {
    mp_id id; /**< idempotency; shares the transfers' id space */
    mp_id account_id;
    mp_u128 user_data_128;
    uint64_t user_data_64;
    uint32_t user_data_32;
    /** Of MP_ACCOUNT_FROZEN_DEBITS, MP_ACCOUNT_FROZEN_CREDITS, MP_ACCOUNT_CLOSED. */
    uint16_t flags_set;
    uint16_t flags_clear; /**< of the same */
    uint16_t code;
    uint16_t flags;      /**< enum mp_update_flags */
    uint8_t ignored[12]; /**< not looked at */
} mp_account_update;

/** The four sums of an account. */
typedef struct mp_balance {
    mp_amount debits_pending;
    mp_amount debits_posted;
    mp_amount credits_pending;
    mp_amount credits_posted;
} mp_balance;

/** Result of an event that was applied. */
#define MP_CREATED 4294967295u

/**
 * Results of mp_create_accounts, in order of precedence: the first that applies is returned.
 * (linked_event_chain_open alone comes before linked_event_failed.)
 * X(NAME, name, number)
 */
#define MP_ACCOUNT_RESULTS(X)                                                                      \
    X(LINKED_EVENT_FAILED, linked_event_failed, 1)                                                 \
    X(LINKED_EVENT_CHAIN_OPEN, linked_event_chain_open, 2)                                         \
    X(IMPORTED_EVENT_EXPECTED, imported_event_expected, 22)                                        \
    X(IMPORTED_EVENT_NOT_EXPECTED, imported_event_not_expected, 23)                                \
    X(TIMESTAMP_MUST_BE_ZERO, timestamp_must_be_zero, 3)                                           \
    X(IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE, imported_event_timestamp_out_of_range, 24)            \
    X(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE, imported_event_timestamp_must_not_advance, 25)    \
    X(RESERVED_FIELD, reserved_field, 4)                                                           \
    X(RESERVED_FLAG, reserved_flag, 5)                                                             \
    X(ID_MUST_NOT_BE_ZERO, id_must_not_be_zero, 6)                                                 \
    X(ID_MUST_NOT_BE_INT_MAX, id_must_not_be_int_max, 7)                                           \
    X(EXISTS_WITH_DIFFERENT_FLAGS, exists_with_different_flags, 15)                                \
    X(EXISTS_WITH_DIFFERENT_USER_DATA_128, exists_with_different_user_data_128, 16)                \
    X(EXISTS_WITH_DIFFERENT_USER_DATA_64, exists_with_different_user_data_64, 17)                  \
    X(EXISTS_WITH_DIFFERENT_USER_DATA_32, exists_with_different_user_data_32, 18)                  \
    X(EXISTS_WITH_DIFFERENT_LEDGER, exists_with_different_ledger, 19)                              \
    X(EXISTS_WITH_DIFFERENT_CODE, exists_with_different_code, 20)                                  \
    X(EXISTS, exists, 21)                                                                          \
    X(FLAGS_ARE_MUTUALLY_EXCLUSIVE, flags_are_mutually_exclusive, 8)                               \
    X(DEBITS_PENDING_MUST_BE_ZERO, debits_pending_must_be_zero, 9)                                 \
    X(DEBITS_POSTED_MUST_BE_ZERO, debits_posted_must_be_zero, 10)                                  \
    X(CREDITS_PENDING_MUST_BE_ZERO, credits_pending_must_be_zero, 11)                              \
    X(CREDITS_POSTED_MUST_BE_ZERO, credits_posted_must_be_zero, 12)                                \
    X(LEDGER_MUST_NOT_BE_ZERO, ledger_must_not_be_zero, 13)                                        \
    X(CODE_MUST_NOT_BE_ZERO, code_must_not_be_zero, 14)                                            \
    X(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS, imported_event_timestamp_must_not_regress, 26)

/**
 * Results of mp_create_transfers and mp_update_accounts, in order of precedence (docs/api.md has
 * the order of each). Those marked T are transient refusals: they bind the id for ever. X(NAME,
 * name, number, binds)
 */
#define MP_TRANSFER_RESULTS(X)                                                                     \
    X(LINKED_EVENT_FAILED, linked_event_failed, 1, 0)                                              \
    X(LINKED_EVENT_CHAIN_OPEN, linked_event_chain_open, 2, 0)                                      \
    X(IMPORTED_EVENT_EXPECTED, imported_event_expected, 56, 0)                                     \
    X(IMPORTED_EVENT_NOT_EXPECTED, imported_event_not_expected, 57, 0)                             \
    X(TIMESTAMP_MUST_BE_ZERO, timestamp_must_be_zero, 3, 0)                                        \
    X(IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE, imported_event_timestamp_out_of_range, 58, 0)         \
    X(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE, imported_event_timestamp_must_not_advance, 59, 0) \
    X(RESERVED_FLAG, reserved_flag, 4, 0)                                                          \
    X(ID_MUST_NOT_BE_ZERO, id_must_not_be_zero, 5, 0)                                              \
    X(ID_MUST_NOT_BE_INT_MAX, id_must_not_be_int_max, 6, 0)                                        \
    X(EXISTS_WITH_DIFFERENT_FLAGS, exists_with_different_flags, 36, 0)                             \
    X(EXISTS_WITH_DIFFERENT_ACCOUNT_ID, exists_with_different_account_id, 1030, 0)                 \
    X(EXISTS_WITH_DIFFERENT_PENDING_ID, exists_with_different_pending_id, 40, 0)                   \
    X(EXISTS_WITH_DIFFERENT_TIMEOUT, exists_with_different_timeout, 44, 0)                         \
    X(EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID, exists_with_different_debit_account_id, 37, 0)       \
    X(EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID, exists_with_different_credit_account_id, 38, 0)     \
    X(EXISTS_WITH_DIFFERENT_AMOUNT, exists_with_different_amount, 39, 0)                           \
    X(EXISTS_WITH_DIFFERENT_USER_DATA_128, exists_with_different_user_data_128, 41, 0)             \
    X(EXISTS_WITH_DIFFERENT_USER_DATA_64, exists_with_different_user_data_64, 42, 0)               \
    X(EXISTS_WITH_DIFFERENT_USER_DATA_32, exists_with_different_user_data_32, 43, 0)               \
    X(EXISTS_WITH_DIFFERENT_LEDGER, exists_with_different_ledger, 67, 0)                           \
    X(EXISTS_WITH_DIFFERENT_CODE, exists_with_different_code, 45, 0)                               \
    X(EXISTS, exists, 46, 0)                                                                       \
    X(ID_ALREADY_FAILED, id_already_failed, 68, 0)                                                 \
    X(FLAGS_ARE_MUTUALLY_EXCLUSIVE, flags_are_mutually_exclusive, 7, 0)                            \
    X(BIND_FIELDS_MUST_BE_ZERO, bind_fields_must_be_zero, 1021, 0)                                 \
    X(ACCOUNT_ID_MUST_NOT_BE_ZERO, account_id_must_not_be_zero, 1031, 0)                           \
    X(ACCOUNT_ID_MUST_NOT_BE_INT_MAX, account_id_must_not_be_int_max, 1032, 0)                     \
    X(NOTHING_TO_UPDATE, nothing_to_update, 1033, 0)                                               \
    X(ACCOUNT_NOT_FOUND, account_not_found, 1034, 1)                                               \
    X(ACCOUNT_NOT_EMPTY, account_not_empty, 1012, 1)                                               \
    X(DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO, debit_account_id_must_not_be_zero, 8, 0)                  \
    X(DEBIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX, debit_account_id_must_not_be_int_max, 9, 0)            \
    X(CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO, credit_account_id_must_not_be_zero, 10, 0)               \
    X(CREDIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX, credit_account_id_must_not_be_int_max, 11, 0)         \
    X(ACCOUNTS_MUST_BE_DIFFERENT, accounts_must_be_different, 12, 0)                               \
    X(PENDING_ID_MUST_BE_ZERO, pending_id_must_be_zero, 13, 0)                                     \
    X(PENDING_ID_MUST_NOT_BE_ZERO, pending_id_must_not_be_zero, 14, 0)                             \
    X(PENDING_ID_MUST_NOT_BE_INT_MAX, pending_id_must_not_be_int_max, 15, 0)                       \
    X(PENDING_ID_MUST_BE_DIFFERENT, pending_id_must_be_different, 16, 0)                           \
    X(TIMEOUT_RESERVED_FOR_PENDING_TRANSFER, timeout_reserved_for_pending_transfer, 17, 0)         \
    X(CLOSING_TRANSFER_MUST_BE_PENDING, closing_transfer_must_be_pending, 64, 0)                   \
    X(LEDGER_MUST_NOT_BE_ZERO, ledger_must_not_be_zero, 19, 0)                                     \
    X(CODE_MUST_NOT_BE_ZERO, code_must_not_be_zero, 20, 0)                                         \
    X(DEBIT_ACCOUNT_NOT_FOUND, debit_account_not_found, 21, 1)                                     \
    X(CREDIT_ACCOUNT_NOT_FOUND, credit_account_not_found, 22, 1)                                   \
    X(ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER, accounts_must_have_the_same_ledger, 23, 0)               \
    X(TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS,                                              \
      transfer_must_have_the_same_ledger_as_accounts, 24, 0)                                       \
    X(PENDING_TRANSFER_NOT_FOUND, pending_transfer_not_found, 25, 1)                               \
    X(REVERSED_TRANSFER_NOT_FOUND, reversed_transfer_not_found, 1003, 1)                           \
    X(REVERSED_TRANSFER_NOT_POSTED, reversed_transfer_not_posted, 1002, 0)                         \
    X(REVERSED_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID,                                            \
      reversed_transfer_has_different_debit_account_id, 1004, 0)                                   \
    X(REVERSED_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID,                                           \
      reversed_transfer_has_different_credit_account_id, 1005, 0)                                  \
    X(REVERSED_TRANSFER_HAS_DIFFERENT_LEDGER, reversed_transfer_has_different_ledger, 1006, 0)     \
    X(EXCEEDS_REVERSIBLE_AMOUNT, exceeds_reversible_amount, 1001, 0)                               \
    X(PENDING_TRANSFER_NOT_PENDING, pending_transfer_not_pending, 26, 0)                           \
    X(PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID,                                             \
      pending_transfer_has_different_debit_account_id, 27, 0)                                      \
    X(PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID,                                            \
      pending_transfer_has_different_credit_account_id, 28, 0)                                     \
    X(PENDING_TRANSFER_HAS_DIFFERENT_LEDGER, pending_transfer_has_different_ledger, 29, 0)         \
    X(PENDING_TRANSFER_HAS_DIFFERENT_CODE, pending_transfer_has_different_code, 30, 0)             \
    X(EXCEEDS_PENDING_TRANSFER_AMOUNT, exceeds_pending_transfer_amount, 31, 0)                     \
    X(PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT, pending_transfer_has_different_amount, 32, 0)         \
    X(PENDING_TRANSFER_ALREADY_POSTED, pending_transfer_already_posted, 33, 0)                     \
    X(PENDING_TRANSFER_ALREADY_VOIDED, pending_transfer_already_voided, 34, 0)                     \
    X(PENDING_TRANSFER_EXPIRED, pending_transfer_expired, 35, 0)                                   \
    X(IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS, imported_event_timestamp_must_not_regress, 60, 0) \
    X(IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_DEBIT_ACCOUNT,                                        \
      imported_event_timestamp_must_postdate_debit_account, 61, 0)                                 \
    X(IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_CREDIT_ACCOUNT,                                       \
      imported_event_timestamp_must_postdate_credit_account, 62, 0)                                \
    X(IMPORTED_EVENT_TIMEOUT_MUST_BE_ZERO, imported_event_timeout_must_be_zero, 63, 0)             \
    X(DEBIT_ACCOUNT_ALREADY_CLOSED, debit_account_already_closed, 65, 1)                           \
    X(CREDIT_ACCOUNT_ALREADY_CLOSED, credit_account_already_closed, 66, 1)                         \
    X(DEBIT_ACCOUNT_FROZEN, debit_account_frozen, 1010, 1)                                         \
    X(CREDIT_ACCOUNT_FROZEN, credit_account_frozen, 1011, 1)                                       \
    X(OVERFLOWS_DEBITS_PENDING, overflows_debits_pending, 47, 0)                                   \
    X(OVERFLOWS_CREDITS_PENDING, overflows_credits_pending, 48, 0)                                 \
    X(OVERFLOWS_DEBITS_POSTED, overflows_debits_posted, 49, 0)                                     \
    X(OVERFLOWS_CREDITS_POSTED, overflows_credits_posted, 50, 0)                                   \
    X(OVERFLOWS_DEBITS, overflows_debits, 51, 0)                                                   \
    X(OVERFLOWS_CREDITS, overflows_credits, 52, 0)                                                 \
    X(OVERFLOWS_TIMEOUT, overflows_timeout, 53, 0)                                                 \
    X(EXCEEDS_CREDITS, exceeds_credits, 54, 1)                                                     \
    X(EXCEEDS_DEBITS, exceeds_debits, 55, 1)                                                       \
    X(ID_BOUND, id_bound, 1020, 1)

#define MP_X(NAME, name, number) MP_ACCOUNT_##NAME = (number),
enum mp_account_result { MP_ACCOUNT_RESULTS(MP_X) };
#undef MP_X
#define MP_X(NAME, name, number, binds) MP_TRANSFER_##NAME = (number),
enum mp_transfer_result { MP_TRANSFER_RESULTS(MP_X) };
#undef MP_X

/** What became of one event; 32 bytes. */
typedef struct mp_result {
    uint32_t result;     /**< MP_CREATED, else enum mp_account_result or enum mp_transfer_result */
    uint32_t bound_code; /**< for id_already_failed: the refusal that bound the id; else 0 */
    /** Of the created object; of the original for `exists`; else of validation. */
    uint64_t timestamp;
    /** Of the record written (for `exists` the original's, then 0 if not known); 0 when none. */
    uint64_t sequence;
    uint64_t reserved; /**< 0 */
} mp_result;

/** Both accounts' sums right after a transfer was applied; on request (mp_request.sums). */
typedef struct mp_result_sums {
    mp_balance debit;
    mp_balance credit;
} mp_result_sums;

/** Name of an account's result code, as in "exceeds_credits"; "created" for MP_CREATED; NULL if
 * there is none. */
MP_API const char *mp_account_result_name(uint32_t result);
/** Name of a transfer's or account update's result code; NULL if there is none. */
MP_API const char *mp_transfer_result_name(uint32_t result);
/** Whether a transfer's or update's refusal binds its id for ever (the same id sent again:
 * id_already_failed). */
MP_API bool mp_transfer_result_binds(uint32_t result);

#ifdef __cplusplus
}
#endif

#ifdef __cplusplus
#define MP_STATIC_ASSERT(condition, text) static_assert(condition, text)
#else
#define MP_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif
MP_STATIC_ASSERT(sizeof(mp_account) == 128, "an account has 128 bytes");
MP_STATIC_ASSERT(sizeof(mp_transfer) == 128, "a transfer has 128 bytes");
MP_STATIC_ASSERT(sizeof(mp_account_update) == 96 || sizeof(mp_account_update) == 80,
                 "an update has 80 bytes");

#endif
