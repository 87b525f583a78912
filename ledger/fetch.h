/* Records read ahead from disk, so that applying never waits: a bounded set for the batch at
 * hand. */
#ifndef LEDGER_FETCH_H
#define LEDGER_FETCH_H

#include "engine.h"

enum { FETCH_MAX = 3 * MP_BATCH_MAX };

struct fetched {
    uint64_t position; /* log position of the record; 0 = free */
    uint64_t block_time;
    uint64_t sequence;
    uint8_t record[RECORD_UNITS_MAX * UNIT_SIZE];
};

struct fetch {
    struct arena entries;   /* struct fetched */
    struct arena positions; /* uint64_t: what is read now */
    uint32_t count;
    uint32_t read; /* the first so many entries have been read */
    bool lent;     /* another thread reads: until it gives them back only the tail is at hand */
    bool missing;  /* something was asked for meanwhile */
    uint32_t table[1 << 16]; /* entry + 1 by position; 0 = free */
};

MP_MUST_USE mp_status fetch_open(struct fetch *fetch, struct memory *memory);
void fetch_close(struct fetch *fetch);
void fetch_clear(struct fetch *fetch);
/* Asks for the record at a position that is not in the tail; while lent, in vain. */
MP_MUST_USE mp_status fetch_want(struct fetch *fetch, uint64_t position);
static inline bool fetch_is_waiting(const struct fetch *fetch)
{
    return fetch->lent ? fetch->missing : fetch->read < fetch->count;
}
/* Reads all that was asked for and isn't there, up to 64 pages at a time. Blocks. */
MP_MUST_USE mp_status fetch_read(struct fetch *fetch, struct mp_ledger *ledger);
/* Views a record in the tail or among those fetched; *sequence is the record's. The record must be
 * in one of them. */
void record_at(const struct mp_ledger *ledger, const struct fetch *fetch, uint64_t position,
               struct record_view *view, uint64_t *sequence);
bool record_at_hand(const struct mp_ledger *ledger, const struct fetch *fetch, uint64_t position);

#endif
