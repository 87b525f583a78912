/* Blocks: sums of pages and of the whole, made and verified. */
#include "hash.h"
#include "wal_internal.h"

static uint64_t page_sum(const uint8_t *page, uint64_t position)
{
    return XXH3_64bits_withSeed(page, PAGE_SIZE - sizeof(uint64_t), position);
}

/* XXH3-128 of page sums, 8 bytes each, in order. */
static mp_u128 sum_of_sums(const uint64_t *sums, uint64_t count)
{
    XXH128_hash_t hash = XXH3_128bits(sums, (size_t)(count * sizeof *sums));

    return MP_U128(hash.high64, hash.low64);
}

mp_u128 block_finish(uint8_t *ring, uint64_t ring_size, uint64_t position)
{
    struct block_header *header = (struct block_header *)(ring + position % ring_size);
    uint64_t sums[BLOCK_PAGES_MAX];
    uint32_t pages = header->pages;

    MP_ASSERT(position % PAGE_SIZE == 0 && ring_size % PAGE_SIZE == 0);
    MP_ASSERT(header->magic == BLOCK_MAGIC && header->version == FORMAT_VERSION);
    MP_ASSERT(header->position == position && header->mark <= position);
    MP_ASSERT(pages >= 1 && pages <= BLOCK_PAGES_MAX && pages * (uint64_t)PAGE_SIZE <= ring_size);

    /* Page 0 comes last: its sum covers the header, which has the sum of all others. */
    for (uint32_t left = pages; left > 0; left--) {
        uint32_t number = left - 1;
        uint64_t at = position + (uint64_t)number * PAGE_SIZE;
        uint8_t *page = ring + at % ring_size;
        struct page_trailer *trailer = (struct page_trailer *)(page + (size_t)PAGE_DATA);

        MP_ASSERT(trailer->units_used <= PAGE_UNITS);
        MP_ASSERT(number > 0 || trailer->units_used >= sizeof *header / UNIT_SIZE);
        trailer->time = header->time;
        trailer->timeline_low = u128_low(header->timeline);
        trailer->epoch = header->epoch;
        trailer->page = (uint16_t)number;
        memset(trailer->zero, 0, sizeof trailer->zero);
        if (number == 0) header->sum = sum_of_sums(sums + 1, pages - 1);
        sums[number] = trailer->sum = page_sum(page, at);
    }
    return sum_of_sums(sums, pages);
}

bool page_valid(const uint8_t *page, uint64_t position, uint64_t timeline_low)
{
    const struct page_trailer *trailer = trailer_of(page);

    return trailer->timeline_low == timeline_low && trailer->units_used <= PAGE_UNITS &&
           (uint64_t)trailer->page * PAGE_SIZE <= position && trailer->page < BLOCK_PAGES_MAX &&
           trailer->sum == page_sum(page, position);
}

bool block_header_valid(const uint8_t *page, uint64_t position, mp_u128 timeline)
{
    const struct block_header *header = (const struct block_header *)page;
    const struct page_trailer *trailer = trailer_of(page);

    return header->magic == BLOCK_MAGIC && header->position == position &&
           header->timeline == timeline && header->pages >= 1 && header->pages <= BLOCK_PAGES_MAX &&
           header->mark <= position && header->expiries <= header->count && trailer->page == 0 &&
           trailer->epoch == header->epoch && trailer->time == header->time &&
           trailer->units_used >= sizeof *header / UNIT_SIZE &&
           page_valid(page, position, u128_low(timeline));
}

bool block_valid(const uint8_t *bytes, uint64_t available, uint64_t position, mp_u128 timeline,
                 mp_u128 *sum)
{
    const struct block_header *header = (const struct block_header *)bytes;
    uint64_t sums[BLOCK_PAGES_MAX];

    if (available < PAGE_SIZE || position % PAGE_SIZE != 0) return false;
    if (!block_header_valid(bytes, position, timeline) || header->version != FORMAT_VERSION)
        return false;
    if (available / PAGE_SIZE < header->pages) return false;
    sums[0] = trailer_of(bytes)->sum;
    for (uint32_t number = 1; number < header->pages; number++) {
        const uint8_t *page = bytes + (uint64_t)number * PAGE_SIZE;
        const struct page_trailer *trailer = trailer_of(page);

        if (trailer->page != number || trailer->epoch != header->epoch ||
            trailer->time != header->time)
            return false;
        if (!page_valid(page, position + (uint64_t)number * PAGE_SIZE, u128_low(timeline)))
            return false;
        sums[number] = trailer->sum;
    }
    if (header->sum != sum_of_sums(sums + 1, header->pages - 1)) return false;
    *sum = sum_of_sums(sums, header->pages);
    return true;
}
