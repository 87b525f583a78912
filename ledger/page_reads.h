/* Pages of the log for one reader, up to 64 of them being read at once. Used by one thread; nothing
 * is under way between two calls of whoever owns it (page_reads_drain), so the thread may end then.
 */
#ifndef LEDGER_PAGE_READS_H
#define LEDGER_PAGE_READS_H

#include "engine.h"

enum { PAGE_READS = 64 };
#define PLACE_NONE UINT32_MAX

enum place_state { PLACE_FREE, PLACE_READY, PLACE_FLYING };

/* Where a page is, or will be when its read ends. */
struct place {
    uint64_t position; /* of the page */
    enum place_state state;
    uint32_t waiting; /* the caller's: first of those who wait for it, + 1; 0 = nobody */
};

struct page_reads {
    mp_ledger *ledger;
    mp_env_ring *ring; /* NULL: not yet, or refused */
    bool refused;      /* there is no ring to be had: one read after another */
    bool plain;        /* the owner's: so little is to be read now that a ring isn't worth it */
    bool broken;       /* the ring failed: its reads may still write into `bytes` */
    unsigned flying;
    unsigned turn;
    uint8_t *bytes; /* of all places */
    struct place places[PAGE_READS];
};

MP_MUST_USE mp_status page_reads_open(struct page_reads *reads,
                                      mp_ledger *ledger); /* MP_NO_MEMORY */
void page_reads_close(struct page_reads *reads);          /* harmless when all is zero */
/* Asks for a page: *place is where it is (PLACE_READY) or will be (PLACE_FLYING: enter yourself in
 * `waiting`). MP_BUSY: all places are taken, reap first. MP_CORRUPT, MP_IO. */
MP_MUST_USE mp_status page_reads_ask(struct page_reads *reads, uint64_t position, uint32_t *place);
/* Waits until some reads have ended: *count places, which stay as they are until the next call of
 * page_reads_ask. MP_CORRUPT, MP_IO. */
MP_MUST_USE mp_status page_reads_reap(struct page_reads *reads, uint32_t places[PAGE_READS],
                                      unsigned *count);
/* Waits for all reads and forgets who waits for them. */
void page_reads_drain(struct page_reads *reads);
static inline const uint8_t *page_reads_bytes(const struct page_reads *reads, uint32_t place)
{
    return reads->bytes + (uint64_t)place * PAGE_SIZE;
}

/* Called with each record; `page` holds it. */
typedef mp_status (*record_fn)(void *context, uint32_t number, const uint8_t *page,
                               const struct record_view *view);
/* Reads the records at `positions` (0 = none there), in any order, many at once. MP_CORRUPT when
 * there is none. */
MP_MUST_USE mp_status read_records(mp_ledger *ledger, const uint64_t *positions, uint32_t count,
                                   record_fn fn, void *context);

#endif
