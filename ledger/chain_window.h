/* A run of an account's records, brought into memory with many reads at once: both pointers of
 * every record that is known are followed, as far as they lead into the run. N records take about 2
 * log2(N) + 8 rounds of reads. */
#ifndef LEDGER_CHAIN_WINDOW_H
#define LEDGER_CHAIN_WINDOW_H

#include "page_reads.h"
#include "walk.h"

enum { WINDOW_MAX = 2048 };

struct window_entry;

struct chain_window {
    mp_ledger *ledger;
    uint32_t slot;
    struct page_reads reads; /* opened at first use */
    struct window_entry *entries;
    uint32_t room;        /* entries that fit */
    uint64_t low, high;   /* numbers of the records in it; low > high: empty */
    uint32_t first, last; /* queue of entries whose position is known, + 1; 0 = empty */
    uint32_t missing;     /* records not yet read */
};

void window_open(struct chain_window *window, mp_ledger *ledger, uint32_t slot);
void window_close(struct chain_window *window);
/* Brings in the records `low` to `high`, at most WINDOW_MAX; the one numbered `high` stands at
 * `position`. On failure the window is empty. MP_CORRUPT, MP_IO, MP_NO_MEMORY. */
MP_MUST_USE mp_status window_load(struct chain_window *window, uint64_t low, uint64_t high,
                                  uint64_t position);
/* A record of the window. */
const struct chain_record *window_record(const struct chain_window *window, uint64_t number);

#endif
