/* The durable log page by page, forwards or backwards, read ahead in growing runs. What is new
 * comes from the tail. Used by one thread. */
#ifndef LEDGER_LOG_PAGES_H
#define LEDGER_LOG_PAGES_H

#include "read.h"

struct log_pages {
    mp_ledger *ledger;
    uint64_t stop; /* nothing at or beyond it is read; a durable block's end */

    /* the page at hand */
    const uint8_t *page;
    uint64_t position; /* of it */

    unsigned offset;        /* log_records_next: bytes of it that have been read ... */
    uint64_t next_sequence; /* ... and the sequence of the record that comes */

    /* its block */
    uint64_t block; /* where it begins */
    /* forwards: where it ends; the next one begins there or in the next segment */
    uint64_t block_end;
    uint64_t at; /* forwards: the page to come; backwards: the end of the page to come */
    /* forwards: the next block's first; backwards: the first of the block behind */
    uint64_t sequence;
    uint64_t time;      /* forwards: block time of the block before */
    uint32_t last_page; /* backwards: number of the block's last page */
    bool chained;       /* forwards: sequence, time and prev_sum are known */
    bool backwards;
    mp_u128 prev_sum; /* forwards: XXH3-128 of the page sums of the block before */
    uint64_t sums[BLOCK_PAGES_MAX];

    /* what was read ahead */
    uint8_t *buffer; /* RUN_MAX pages; NULL = not needed yet */
    uint64_t buffer_position;
    uint64_t buffer_bytes;
    uint32_t run; /* pages to read next time */
    uint8_t single[PAGE_SIZE];
};

/* A new one, or NULL: MP_NO_MEMORY has been set. */
struct log_pages *log_pages_new(mp_ledger *ledger);
void log_pages_free(struct log_pages *pages); /* NULL is allowed */
/* Forwards from the page that holds a position, or from the first block behind it. `stop`: a
 * durable block's end. */
MP_MUST_USE mp_status log_pages_from(struct log_pages *pages, uint64_t position, uint64_t stop);
/* The next page; `stop` may have grown. MP_END; MP_CORRUPT names file and offset; MP_IO. */
MP_MUST_USE mp_status log_pages_next(struct log_pages *pages, uint64_t stop);
/* Backwards from a page's end. */
void log_pages_back_from(struct log_pages *pages, uint64_t position);
/* The page before. MP_END, MP_CORRUPT, MP_IO. */
MP_MUST_USE mp_status log_pages_previous(struct log_pages *pages);

/* Where the records of the page at hand begin and end, in bytes. */
static inline unsigned log_page_first(const struct log_pages *pages)
{
    const struct page_trailer *trailer = (const struct page_trailer *)(pages->page + PAGE_DATA);

    return trailer->page == 0 ? sizeof(struct block_header) : 0;
}
static inline unsigned log_page_end(const struct log_pages *pages)
{
    return ((const struct page_trailer *)(pages->page + PAGE_DATA))->units_used * UNIT_SIZE;
}
/* The next record, page after page, forwards; *sequence is 0 for an input position. Valid until the
 * next call. MP_END. */
MP_MUST_USE mp_status log_records_next(struct log_pages *pages, uint64_t stop,
                                       struct record_view *view, uint64_t *sequence);
/* Views the record at `offset` of the page at hand. MP_CORRUPT. */
MP_MUST_USE mp_status log_page_record(const struct log_pages *pages, unsigned offset,
                                      struct record_view *view);

/* --- log_seek.c --- */
/* A page before which every transfer, expiry and account update is older than `min`. */
MP_MUST_USE mp_status log_seek(struct log_pages *pages, uint64_t min, uint64_t stop,
                               uint64_t *position);
/* A page from which on every transfer, expiry and account update is newer than `max`; `stop` when
 * there is none. */
MP_MUST_USE mp_status log_seek_after(struct log_pages *pages, uint64_t max, uint64_t stop,
                                     uint64_t *position);
/* The page at a position; false in *valid when none of the log's blocks has a page there. MP_IO. */
MP_MUST_USE mp_status log_pages_look(struct log_pages *pages, uint64_t position,
                                     const uint8_t **page, bool *valid);

#endif
