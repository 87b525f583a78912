/* Bringing the tables up to a log: records carry the state after them, so each is applied once or
 * skipped. */
#ifndef LEDGER_REPLAY_H
#define LEDGER_REPLAY_H

#include "engine.h"

/* A wal_block_fn; context: the ledger. Applies a block's records to accounts, jump pointers,
 * reservations, ids (writers) and globals; what a checkpoint holds already is skipped. MP_CORRUPT
 * when records contradict the tables, MP_LIMIT. */
mp_status replay_block(void *context, const struct block_view *block);
/* Readers: also publishes, block by block, for those who read meanwhile. */
mp_status replay_block_published(void *context, const struct block_view *block);
/* Publishes all accounts as they stand; nobody reads yet. */
void replay_publish_all(struct mp_ledger *ledger);

/* Readers: takes in what is known to be durable from wal->end on. MP_CORRUPT when nobody writes and
 * what lies behind, or `mark` (0 = none), tells that something acknowledged is damaged there. */
MP_MUST_USE mp_status read_on(struct mp_ledger *ledger, uint64_t mark, wal_block_fn fn);

/* Fills the id index with what lies before a log position, from the ids files or the segments
 * themselves. */
MP_MUST_USE mp_status load_ids(struct mp_ledger *ledger, uint64_t before);

#endif
