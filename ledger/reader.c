/* What all readers begin with: pages, accounts. */
#include "read.h"

#include <inttypes.h>
#include <stdio.h>

/* What the ring has overwritten meanwhile was durable long before, so it is on disk. */
mp_status read_page(mp_ledger *ledger, uint64_t position, uint8_t page[PAGE_SIZE])
{
    if (tail_read_page(&ledger->tail, position, page)) return MP_OK;
    return wal_read_page(&ledger->wal, position, page);
}

const char *id_text(mp_id id, char text[40])
{
    if (u128_high(id) == 0)
        snprintf(text, 40, "0x%" PRIx64, u128_low(id));
    else
        snprintf(text, 40, "0x%" PRIx64 "%016" PRIx64, u128_high(id), u128_low(id));
    return text;
}

mp_status find_account(const mp_ledger *ledger, mp_id id, uint32_t *slot, struct account_view *view)
{
    char text[40];

    *slot = accounts_find_shared(&ledger->accounts, id);
    if (*slot != SLOT_NONE && account_read(&ledger->accounts, *slot, view)) return MP_OK;
    return fail(MP_NOT_FOUND, "account %s doesn't exist", id_text(id, text));
}

mp_status record_corrupt(const mp_ledger *ledger, uint64_t position, const char *what)
{
    uint32_t ordinal = segment_of(position);

    return fail(MP_CORRUPT, "%s/wal/%08u.wal: offset %" PRIu64 ": %s (log position %" PRIu64 ")",
                ledger->wal.directory, ordinal, position - segment_base(ordinal), what, position);
}

uint64_t page_sequence(const uint8_t *page, uint64_t page_position, unsigned offset)
{
    const struct page_trailer *trailer = (const struct page_trailer *)(page + PAGE_DATA);
    uint64_t sequence = trailer->first_sequence;
    unsigned at = trailer->page == 0 ? sizeof(struct block_header) : 0;
    struct record_view view;

    while (at < offset && record_view(page + at, page_position + at, 0, &view)) {
        if (page[at] != MP_RECORD_INPUT_POSITION) sequence++;
        at += view.units * UNIT_SIZE;
    }
    return at == offset ? sequence : 0;
}
