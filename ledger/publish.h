/* Passes over a block in the tail: jump pointers before it is written, published balances when it
 * is durable. */
#ifndef LEDGER_PUBLISH_H
#define LEDGER_PUBLISH_H

#include "engine.h"

/* Fills in every record's previous and jump pointers. The block's trailers carry its time and
 * units. */
void pointers_fill(struct mp_ledger *ledger, uint64_t position, uint32_t pages);
/* Makes a durable block's effects visible to readers. */
void publish_block(struct mp_ledger *ledger, uint64_t position, uint32_t pages);

#endif
