/* An account's records, one after another: each record points back to the account's record before
 * (previous) and to one far before (jump). They are numbered from 1; a number alone says which one
 * the jump leads to, so a walk to a number, a log position or a time takes O(log n) records.
 * Transfers, expiries and account updates belong to the chain, the record that made the account
 * doesn't. */
#ifndef LEDGER_WALK_H
#define LEDGER_WALK_H

#include "read.h"

/* A record of the chain, copied out of its page. */
struct chain_record {
    uint64_t position;
    /* among the account's records, from 1; 0 = none: the walk went beyond the first one */
    uint64_t number;
    uint64_t block_time;
    uint64_t sequence;
    uint64_t timestamp;
    uint64_t previous, jump; /* log positions; 0 = none */
    uint64_t jump_time;      /* the jump target's timestamp / 2^16 */
    bool debit;              /* the account is the debit side (or the updated account) */
    uint8_t bytes[RECORD_UNITS_MAX * UNIT_SIZE];
};

/* Number of the record that record `number` jumps to; 0 = none. */
uint64_t chain_jump_number(uint64_t number);
/* Takes the account's record `number` out of its page. MP_CORRUPT, naming file and offset, when it
 * isn't one. */
MP_MUST_USE mp_status chain_take(const mp_ledger *ledger, uint32_t slot, const uint8_t *page,
                                 uint64_t position, uint64_t number, struct chain_record *out);
/* Views the copy. */
void chain_view(const struct chain_record *record, struct record_view *out);
/* The account's sums after it. */
struct sums chain_sums(const struct chain_record *record);

/* What a walk looks for: the newest record whose key is at most `key`. */
enum walk_by { WALK_BY_TIME, WALK_BY_POSITION, WALK_BY_NUMBER };

enum { WALK_PAGES = 4 };

/* Walks chains of one ledger; used by one thread. */
struct walker {
    mp_ledger *ledger;
    uint64_t reads; /* pages asked for */
    unsigned turn;
    struct {
        uint64_t position; /* 0 = free */
        uint8_t bytes[PAGE_SIZE];
    } pages[WALK_PAGES];
    /* Called for each record passed, newest first; NULL = not wanted. */
    void (*passed)(void *context, uint64_t number, uint64_t position);
    void *context;
};

void walker_open(struct walker *walker, mp_ledger *ledger);
/* Goes from record `number` at `position` (the newest one, or any that isn't older than what is
 * looked for). out->number = 0 when all are beyond `key`. */
MP_MUST_USE mp_status walk(struct walker *walker, uint32_t slot, uint64_t position, uint64_t number,
                           enum walk_by by, uint64_t key, struct chain_record *out);

#endif
