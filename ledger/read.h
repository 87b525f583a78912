/* What the reading verbs share: finding an account, filters, records as the public structs show
 * them. */
#ifndef LEDGER_READ_H
#define LEDGER_READ_H

#include "engine.h"

/* --- reader.c --- */
/* A published account: its slot and what is seen of it now. MP_NOT_FOUND. */
MP_MUST_USE mp_status find_account(const mp_ledger *ledger, mp_id id, uint32_t *slot,
                                   struct account_view *view);
/* An id as messages show it, in hexadecimal. */
const char *id_text(mp_id id, char text[40]);
/* MP_CORRUPT about a record: "PATH: offset N: `what` (log position N)". */
mp_status record_corrupt(const mp_ledger *ledger, uint64_t position, const char *what);
/* Sequence of the record at `offset` in a page of records; 0 = no record begins there. */
uint64_t page_sequence(const uint8_t *page, uint64_t page_position, unsigned offset);

static inline mp_balance balance_of(const struct sums *sums)
{
    return (mp_balance){sums->of[DEBITS_PENDING], sums->of[DEBITS_POSTED],
                        sums->of[CREDITS_PENDING], sums->of[CREDITS_POSTED]};
}

/* --- decode.c --- */
/* The kind of change that a transfer, expiry or account update is. */
mp_change_type record_change_type(const struct record_view *view);
static inline bool record_is_change(const uint8_t *record)
{
    return record[0] == MP_RECORD_TRANSFER || record[0] == MP_RECORD_EXPIRY ||
           record[0] == MP_RECORD_UPDATE;
}
void decode_change(const struct accounts *accounts, const struct record_view *view,
                   uint64_t sequence, mp_change *out);
/* All but the block's fields. */
void decode_record(const struct accounts *accounts, const struct record_view *view,
                   uint64_t sequence, mp_record *out);

/* --- filters --- */
static inline uint32_t filter_limit(uint32_t limit)
{
    return limit < MP_BATCH_MAX ? limit : MP_BATCH_MAX;
}
static inline bool filter_times_make_sense(uint64_t min, uint64_t max)
{
    return min <= TIME_MAX && max <= TIME_MAX && (max == 0 || min <= max);
}
static inline bool filter_has_time(uint64_t min, uint64_t max, uint64_t timestamp)
{
    return timestamp >= min && (max == 0 || timestamp <= max);
}
/* A field of a filter: 0 = any. */
static inline bool filter_has(mp_u128 wanted, mp_u128 value)
{
    return wanted == 0 || wanted == value;
}

#endif
