/* The block being filled: records are encoded straight into the tail, page by page. */
#ifndef LEDGER_BLOCK_BUILD_H
#define LEDGER_BLOCK_BUILD_H

#include "tail.h"

struct block {
    bool open;
    uint64_t position; /* of the block */
    uint64_t room;     /* bytes it may take */
    uint64_t time;     /* the block's, ns */
    uint64_t first_sequence;
    uint64_t sequence; /* next to give */
    uint32_t page;     /* being filled */
    uint32_t units;    /* used in that page */
    uint32_t count;    /* sequenced records */
    uint32_t expiries;
    uint32_t inputs;
};

/* What a block needs to know of the ledger to write its headers. */
struct block_identity {
    mp_u128 timeline;
    uint32_t epoch;
};

void block_begin(struct block *block, struct tail *tail, uint64_t position, uint64_t room,
                 uint64_t time, uint64_t sequence);
/* Room for a record of so many units; its log position goes to *position. The bytes are not zeroed.
 */
uint8_t *block_record(struct block *block, struct tail *tail, unsigned units, uint64_t *position);
static inline bool block_is_empty(const struct block *block)
{
    return block->count == 0 && block->inputs == 0;
}
static inline uint64_t block_bytes(const struct block *block)
{
    return (block->page + 1ull) * PAGE_SIZE;
}
/* No more records: zeroes what is unused. */
void block_close(struct block *block, struct tail *tail);
/* Fills in header and trailers, sums. Returns the block's own sum for the next one. */
mp_u128 block_end(struct block *block, struct tail *tail, const struct block_identity *identity,
                  mp_u128 prev_sum, uint64_t mark, unsigned flags);

#endif
