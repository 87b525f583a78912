#include "fetch.h"
#include "page_reads.h"

enum { TABLE_SIZE = 1 << 16 };
_Static_assert(FETCH_MAX < TABLE_SIZE / 2, "the table is at most half full");

mp_status fetch_open(struct fetch *fetch, struct memory *memory)
{
    mp_status status = arena_reserve(&fetch->entries, memory, FETCH_MAX * sizeof(struct fetched),
                                     "records read ahead");

    if (status == MP_OK)
        status =
            arena_reserve(&fetch->positions, memory, FETCH_MAX * sizeof(uint64_t), "read ahead");
    return status;
}

void fetch_close(struct fetch *fetch)
{
    arena_free(&fetch->entries);
    arena_free(&fetch->positions);
}

void fetch_clear(struct fetch *fetch)
{
    if (fetch->count == 0) return;
    memset(fetch->table, 0, sizeof fetch->table);
    fetch->count = 0;
    fetch->read = 0;
}

static uint32_t slot_of(uint64_t position)
{
    return (uint32_t)((position / UNIT_SIZE * 0x9e3779b97f4a7c15ull) >> 48);
}

static struct fetched *entry_at(const struct fetch *fetch, uint32_t index)
{
    return (struct fetched *)fetch->entries.base + index;
}

static const struct fetched *fetch_find(const struct fetch *fetch, uint64_t position)
{
    for (uint32_t slot = slot_of(position);; slot = (slot + 1) % TABLE_SIZE) {
        uint32_t entry = fetch->table[slot];

        if (entry == 0) return NULL;
        if (entry_at(fetch, entry - 1)->position == position) return entry_at(fetch, entry - 1);
    }
}

mp_status fetch_want(struct fetch *fetch, uint64_t position)
{
    uint32_t slot = slot_of(position);
    mp_status status;

    if (fetch->lent) {
        fetch->missing = true;
        return MP_OK;
    }
    if (fetch_find(fetch, position) != NULL) return MP_OK;
    MP_ASSERT(fetch->count < FETCH_MAX);
    status = arena_commit(&fetch->entries, (fetch->count + 1) * sizeof(struct fetched));
    if (status != MP_OK) return status;
    while (fetch->table[slot] != 0) slot = (slot + 1) % TABLE_SIZE;
    entry_at(fetch, fetch->count)->position = position;
    fetch->table[slot] = ++fetch->count;
    return MP_OK;
}

/* Sequence of the record at `offset` in a page: the page's first, plus the sequenced records before
 * it. */
static uint64_t sequence_in_page(const uint8_t *page, uint64_t page_position, unsigned offset)
{
    const struct page_trailer *trailer = (const struct page_trailer *)(page + PAGE_DATA);
    uint64_t sequence = trailer->first_sequence;
    unsigned at = trailer->page == 0 ? sizeof(struct block_header) : 0;

    while (at < offset) {
        struct record_view view;

        if (!record_view(page + at, page_position + at, trailer->time, &view)) return 0;
        if (page[at] != MP_RECORD_INPUT_POSITION) sequence++;
        at += view.units * UNIT_SIZE;
    }
    return sequence;
}

/* A record_fn: keeps the record, which the caller's page is soon over. */
static mp_status take_record(void *context, uint32_t number, const uint8_t *page,
                             const struct record_view *view)
{
    struct fetch *fetch = context;
    struct fetched *entry = entry_at(fetch, number);
    const struct page_trailer *trailer = (const struct page_trailer *)(page + PAGE_DATA);
    unsigned offset = (unsigned)(entry->position % PAGE_SIZE);

    entry->block_time = trailer->time;
    entry->sequence = sequence_in_page(page, entry->position - offset, offset);
    memcpy(entry->record, view->record, view->units * UNIT_SIZE);
    return MP_OK;
}

mp_status fetch_read(struct fetch *fetch, struct mp_ledger *ledger)
{
    uint64_t *positions;
    mp_status status = arena_commit(&fetch->positions, fetch->count * sizeof *positions);

    if (status != MP_OK) return status;
    positions = (uint64_t *)fetch->positions.base;
    for (uint32_t i = 0; i < fetch->count; i++) {
        positions[i] = i < fetch->read ? 0 : entry_at(fetch, i)->position;
    }
    status = read_records(ledger, positions, fetch->count, take_record, fetch);
    if (status == MP_OK) fetch->read = fetch->count;
    return status;
}

bool record_at_hand(const struct mp_ledger *ledger, const struct fetch *fetch, uint64_t position)
{
    const struct fetched *entry;

    if (tail_has(&ledger->tail, position)) return true;
    if (fetch->lent) return false;
    entry = fetch_find(fetch, position);
    return entry != NULL && entry < entry_at(fetch, fetch->read);
}

void record_at(const struct mp_ledger *ledger, const struct fetch *fetch, uint64_t position,
               struct record_view *view, uint64_t *sequence)
{
    const struct fetched *entry;

    if (tail_has(&ledger->tail, position)) {
        unsigned offset = (unsigned)(position % PAGE_SIZE);
        const uint8_t *page = tail_at(&ledger->tail, position - offset);
        const struct page_trailer *trailer = (const struct page_trailer *)(page + PAGE_DATA);

        MP_ASSERT(record_view(page + offset, position, trailer->time, view));
        *sequence = sequence_in_page(page, position - offset, offset);
        return;
    }
    entry = fetch_find(fetch, position);
    MP_ASSERT(entry != NULL && !fetch->lent); /* the probe before applying asked for it */
    MP_ASSERT(record_view(entry->record, position, entry->block_time, view));
    *sequence = entry->sequence;
}
