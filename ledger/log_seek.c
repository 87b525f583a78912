/* Where in the log a time lies, by binary search: first over the segments, then over the pages of
 * one.
 *
 * Timestamps of transfers, expiries and account updates rise through the log. Whatever else has a
 * time (accounts, bound ids, blocks) is newer than all of those before it, but imported ones behind
 * it may be older. So any time of a page's beginning shows what lies before it, and only the first
 * change shows what lies behind. */
#include "log_pages.h"

/* Whether all changes before a page are older than `min`. */
static bool begins_by(const uint8_t *page, uint64_t position, uint64_t min)
{
    const struct page_trailer *trailer = (const struct page_trailer *)(page + PAGE_DATA);
    unsigned at = trailer->page == 0 ? sizeof(struct block_header) : 0;
    struct record_view view;

    if (trailer->page == 0 && trailer->time <= min) return true;
    while (at < trailer->units_used * UNIT_SIZE &&
           record_view(page + at, position + at, trailer->time, &view)) {
        if (view.timestamp != 0) return view.timestamp <= min;
        at += view.units * UNIT_SIZE;
    }
    return false;
}

/* Whether all changes from a page on are newer than `max`. */
static bool begins_after(const uint8_t *page, uint64_t position, uint64_t max)
{
    const struct page_trailer *trailer = (const struct page_trailer *)(page + PAGE_DATA);
    unsigned at = trailer->page == 0 ? sizeof(struct block_header) : 0;
    struct record_view view;

    while (at < trailer->units_used * UNIT_SIZE &&
           record_view(page + at, position + at, trailer->time, &view)) {
        if (record_is_change(page + at)) return view.timestamp > max;
        at += view.units * UNIT_SIZE;
    }
    return false;
}

mp_status log_seek(struct log_pages *pages, uint64_t min, uint64_t stop, uint64_t *position)
{
    uint32_t ordinal = 1, beyond = segment_of(stop) + 1;
    uint64_t low, high;
    const uint8_t *page;
    bool valid;
    mp_status status;

    while (beyond - ordinal > 1) { /* the last segment that begins by then */
        uint32_t middle = ordinal + (beyond - ordinal) / 2;
        uint64_t at = segment_base(middle) + PAGE_SIZE;

        if (at >= stop) {
            beyond = middle;
            continue;
        }
        status = log_pages_look(pages, at, &page, &valid);
        if (status != MP_OK) return status;
        if (valid && begins_by(page, at, min))
            ordinal = middle;
        else
            beyond = middle;
    }
    low = segment_base(ordinal) / PAGE_SIZE + 1;
    high = min_u64(segment_data_end(ordinal), stop) / PAGE_SIZE;
    while (high > low + 1) { /* its last page that does; low is the answer */
        uint64_t middle = low + (high - low) / 2;

        status = log_pages_look(pages, middle * PAGE_SIZE, &page, &valid);
        if (status != MP_OK) return status;
        if (valid && begins_by(page, middle * PAGE_SIZE, min))
            low = middle;
        else
            high = middle;
    }
    *position = low * PAGE_SIZE;
    return MP_OK;
}

mp_status log_seek_after(struct log_pages *pages, uint64_t max, uint64_t stop, uint64_t *position)
{
    uint32_t before = 0, ordinal = segment_of(stop) + 1;
    uint64_t low, high;
    const uint8_t *page;
    bool valid;
    mp_status status;

    while (ordinal - before > 1) { /* the first segment that begins later; `before` doesn't */
        uint32_t middle = before + (ordinal - before) / 2;
        uint64_t at = segment_base(middle) + PAGE_SIZE;

        if (at >= stop) {
            ordinal = middle;
            continue;
        }
        status = log_pages_look(pages, at, &page, &valid);
        if (status != MP_OK) return status;
        if (valid && begins_after(page, at, max))
            ordinal = middle;
        else
            before = middle;
    }
    *position = min_u64(segment_base(ordinal) + PAGE_SIZE, stop);
    if (before == 0) return MP_OK;
    low = segment_base(before) / PAGE_SIZE + 1;
    high = min_u64(segment_data_end(before), stop) / PAGE_SIZE;
    while (high > low + 1) { /* the first page in `before` that does: high, unless it is the end */
        uint64_t middle = low + (high - low) / 2;

        status = log_pages_look(pages, middle * PAGE_SIZE, &page, &valid);
        if (status != MP_OK) return status;
        if (valid && begins_after(page, middle * PAGE_SIZE, max)) {
            high = middle;
            *position = middle * PAGE_SIZE;
        } else if (valid) {
            low = middle;
        } else {
            high = middle; /* behind the segment's last block */
        }
    }
    return MP_OK;
}
