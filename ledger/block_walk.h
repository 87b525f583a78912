/* Walking the records of a block in the tail, page by page. */
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

#endif
