/* The newest part of the log in RAM: a ring that the writer encodes into; position p lies at p
 * modulo its size. */
#ifndef LEDGER_TAIL_H
#define LEDGER_TAIL_H

#include "format.h"

struct tail {
    uint8_t *bytes;
    uint64_t size;          /* a power of two, at least PAGE_SIZE */
    _Atomic uint64_t start; /* what lies before was not written by this process */
    _Atomic uint64_t low;   /* what lies before may have been overwritten */
};

static inline uint8_t *tail_at(const struct tail *tail, uint64_t position)
{
    return tail->bytes + (position & (tail->size - 1));
}
/* Whether the writer (who alone overwrites) finds a position in the ring. */
static inline bool tail_has(const struct tail *tail, uint64_t position)
{
    return position >= atomic_load_explicit(&tail->start, memory_order_relaxed) &&
           position >= atomic_load_explicit(&tail->low, memory_order_relaxed);
}
MP_MUST_USE mp_status tail_open(struct tail *tail, uint64_t size);
void tail_close(struct tail *tail);
/* Before a block of at most `bytes` is encoded at `position`. */
void tail_claim(struct tail *tail, uint64_t position, uint64_t bytes);
/* Any thread: copies the page at a durable position; false when it isn't (or no longer) in the
 * ring. */
bool tail_read_page(const struct tail *tail, uint64_t position, uint8_t page[PAGE_SIZE]);

#endif
