/* Fuzzy checkpoints: the state as it was at some moment of the recent past, each part at its own.
 *
 * The helper asks for slices; the writer copies each between two blocks (so that no chain is
 * undecided and sums, jump pointers and reservations agree), the helper writes them. See
 * docs/architecture.md. */
#ifndef LEDGER_CHECKPOINT_H
#define LEDGER_CHECKPOINT_H

#include "engine.h"

struct checkpoint;

/* `number`, `position`, `size`: of the checkpoint that was loaded (0, 4,096, 0 = none). */
MP_MUST_USE mp_status checkpoint_open(struct mp_ledger *ledger, uint64_t after, uint64_t number,
                                      uint64_t position, uint64_t size);
void checkpoint_close(struct mp_ledger *ledger);
/* The writer, with the pump claimed and no block open: copies a slice if one was asked for. */
bool checkpoint_slice(struct mp_ledger *ledger);
/* The helper: begins, goes on with, or ends a checkpoint; true when something was done. */
bool checkpoint_step(struct mp_ledger *ledger);
/* How long the helper may sleep. */
uint64_t checkpoint_wait_ns(const struct mp_ledger *ledger);
void checkpoint_stats(const struct mp_ledger *ledger, mp_stats *out);

/* Numbers of the checkpoints in the directory, newest first; returns how many. */
unsigned checkpoint_numbers(const struct mp_ledger *ledger, uint64_t numbers[8]);
/* What a loaded checkpoint says of where to go on. */
struct checkpoint_start {
    uint64_t position;     /* replay from here; 4,096 = from the log's start */
    mp_u128 prev_sum;      /* of the block before */
    uint64_t sequence;     /* next */
    uint64_t number, size; /* of the checkpoint; 0 = none */
    uint64_t mark;         /* highest durable mark known to it */
};
/* Loads the newest sound checkpoint into the ledger's tables (accounts, digits, reservations,
 * globals); with none, *start is the log's start. */
MP_MUST_USE mp_status checkpoint_load(struct mp_ledger *ledger, struct checkpoint_start *start);

/* Loads the checkpoint of a number into empty tables. MP_CORRUPT names file and chunk; MP_LIMIT. */
MP_MUST_USE mp_status checkpoint_load_number(struct mp_ledger *ledger, uint64_t number,
                                             struct checkpoint_start *start);

#endif
