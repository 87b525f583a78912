/* Walking the records of a block in the tail. */
#ifndef LEDGER_BLOCK_WALK_H
#define LEDGER_BLOCK_WALK_H

#include "engine.h"

static inline unsigned record_units(const uint8_t *record)
{
    static const uint8_t units[8] = {
        [MP_RECORD_ACCOUNT] = 3, [MP_RECORD_TRANSFER] = 4, [MP_RECORD_EXPIRY] = 4,
        [MP_RECORD_UPDATE] = 4,  [MP_RECORD_BOUND_ID] = 1, [MP_RECORD_INPUT_POSITION] = 1,
    };

    return units[record[0] & 7] + (record[0] >= MP_RECORD_TRANSFER && record[0] <= MP_RECORD_UPDATE
                                       ? (unsigned)__builtin_popcount(record[1])
                                       : 0);
}

/* First record of a page of a block, and where its records end. */
static inline unsigned page_first(uint32_t page)
{
    return page == 0 ? sizeof(struct block_header) : 0;
}

/* Loads the two account slots that a record touches, SLOT_NONE for none. */
static inline void record_slots(const uint8_t *record, uint32_t slots[2])
{
    slots[0] = slots[1] = SLOT_NONE;
    if (record[0] == MP_RECORD_TRANSFER || record[0] == MP_RECORD_EXPIRY) {
        slots[0] = ((const struct transfer_record *)record)->debit_slot;
        slots[1] = ((const struct transfer_record *)record)->credit_slot;
    } else if (record[0] == MP_RECORD_UPDATE) {
        slots[0] = ((const struct update_record *)record)->slot;
    }
}

/* Stands before a record of a block; two of them, one some records ahead, bring in what the records
 * touch before it is needed. */
struct block_walk {
    const struct tail *tail;
    uint64_t page; /* log position of the page */
    uint32_t number, pages;
    uint8_t *bytes;   /* of the page */
    unsigned at, end; /* in the page, bytes */
};

static inline const struct page_trailer *block_walk_trailer(const struct block_walk *walk)
{
    return (const struct page_trailer *)(walk->bytes + PAGE_DATA);
}

static inline void block_walk_page(struct block_walk *walk, uint32_t number)
{
    walk->page += (uint64_t)(number - walk->number) * PAGE_SIZE;
    walk->number = number;
    walk->bytes = tail_at(walk->tail, walk->page);
    walk->at = page_first(number);
    walk->end = block_walk_trailer(walk)->units_used * UNIT_SIZE;
}

static inline struct block_walk block_walk_begin(const struct tail *tail, uint64_t block,
                                                 uint32_t pages)
{
    struct block_walk walk = {.tail = tail, .page = block, .pages = pages};

    block_walk_page(&walk, 0);
    return walk;
}

/* The next record; NULL behind the last. Its log position is walk->page plus its offset in the
 * page, and its page is the walk's until the next call. */
static inline uint8_t *block_walk_next(struct block_walk *walk)
{
    uint8_t *record;

    while (UNLIKELY(walk->at >= walk->end)) {
        if (walk->number + 1 >= walk->pages) return NULL;
        block_walk_page(walk, walk->number + 1);
    }
    record = walk->bytes + walk->at;
    walk->at += record_units(record) * UNIT_SIZE;
    return record;
}

static inline uint64_t block_walk_position(const struct block_walk *walk, const uint8_t *record)
{
    return walk->page + (uint64_t)(record - walk->bytes);
}

#endif
