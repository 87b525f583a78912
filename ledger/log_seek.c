/* Where in the log a time lies, by binary search: first over the segments, then over the pages of
 * one.
 *
 * Timestamps of transfers, expiries and account updates rise through the log. A time that the clock
 * gave to anything else (blocks, accounts, bound ids) is newer than all of those before it, but
 * imported transfers behind it may be older. Times of imported accounts say nothing. So some pages
 * tell nothing either, and the search looks for one behind that does. */
#include "log_pages.h"

enum verdict { UNKNOWN, EARLY, LATE };

typedef enum verdict (*judge_fn)(const uint8_t *page, uint64_t position, uint64_t time);

static bool is_imported_account(const uint8_t *record)
{
    return record[0] == MP_RECORD_ACCOUNT &&
           ((const struct account_record *)record)->imported_time != 0;
}

/* EARLY: all changes before the page are older than `min`. */
static enum verdict judge_before(const uint8_t *page, uint64_t position, uint64_t min)
{
    const struct page_trailer *trailer = (const struct page_trailer *)(page + PAGE_DATA);
    unsigned at = trailer->page == 0 ? sizeof(struct block_header) : 0;
    struct record_view view;

    if (trailer->page == 0 && trailer->time <= min) return EARLY;
    for (; at < trailer->units_used * UNIT_SIZE; at += view.units * UNIT_SIZE) {
        if (!record_view(page + at, position + at, trailer->time, &view)) return UNKNOWN;
        if (view.timestamp == 0 || is_imported_account(page + at)) continue;
        return view.timestamp <= min ? EARLY : LATE;
    }
    return UNKNOWN;
}

/* LATE: all changes from the page on are newer than `max`. */
static enum verdict judge_behind(const uint8_t *page, uint64_t position, uint64_t max)
{
    const struct page_trailer *trailer = (const struct page_trailer *)(page + PAGE_DATA);
    unsigned at = trailer->page == 0 ? sizeof(struct block_header) : 0;
    struct record_view view;

    for (; at < trailer->units_used * UNIT_SIZE; at += view.units * UNIT_SIZE) {
        if (!record_view(page + at, position + at, trailer->time, &view)) return UNKNOWN;
        if (record_is_change(page + at)) return view.timestamp <= max ? EARLY : LATE;
    }
    return UNKNOWN;
}

/* A search over numbered places: `low` is EARLY or before all, `high` is LATE or behind all. */
struct search {
    struct log_pages *pages;
    judge_fn judge;
    uint64_t time, stop;
    bool segments; /* places are the first pages of segments, by ordinal; else pages */
    uint64_t low, high;
};

static mp_status judge_at(const struct search *search, uint64_t place, enum verdict *verdict)
{
    uint64_t position =
        search->segments ? segment_base((uint32_t)place) + PAGE_SIZE : place * PAGE_SIZE;
    const uint8_t *page;
    bool valid;
    mp_status status;

    *verdict = UNKNOWN;
    if (position >= search->stop) return MP_OK;
    status = log_pages_look(search->pages, position, &page, &valid);
    if (status == MP_OK && valid) *verdict = search->judge(page, position, search->time);
    return status;
}

/* The nearest place at or behind `middle` that tells something, as far as a few tries show; `high`
 * = none. */
static mp_status find_telling(const struct search *search, uint64_t middle, uint64_t *place,
                              enum verdict *verdict)
{
    mp_status status = MP_OK;

    *verdict = UNKNOWN;
    *place = middle;
    for (uint64_t step = 1; *place < search->high; step *= 2) {
        status = judge_at(search, *place, verdict);
        if (status != MP_OK || *verdict != UNKNOWN) return status;
        *place = middle + step;
    }
    *place = search->high;
    return status;
}

/* `unknown`: what a stretch counts as that tells nothing up to its end. */
static mp_status search_places(struct search *search, enum verdict unknown)
{
    while (search->high > search->low + 1) {
        uint64_t middle = search->low + (search->high - search->low) / 2, place;
        enum verdict verdict;
        mp_status status = find_telling(search, middle, &place, &verdict);

        if (status != MP_OK) return status;
        if (verdict == UNKNOWN) {
            place = middle;
            verdict = unknown;
        }
        if (verdict == EARLY)
            search->low = place;
        else
            search->high = place;
    }
    return MP_OK;
}

static struct search pages_of(const struct search *segments, uint32_t ordinal)
{
    struct search search = *segments;

    search.segments = false;
    search.low = segment_base(ordinal) / PAGE_SIZE + 1;
    search.high = min_u64(segment_data_end(ordinal), search.stop) / PAGE_SIZE;
    return search;
}

/* Behind a finished segment's last block nothing stands that could tell. */
static mp_status leave_gap(struct search *search)
{
    uint32_t ordinal = segment_of(search->low * PAGE_SIZE);
    mp_status status;

    if (ordinal == segment_of(search->stop)) return MP_OK;
    log_pages_back_from(search->pages, segment_base(ordinal + 1) + PAGE_SIZE);
    status = log_pages_previous(search->pages);
    if (status == MP_OK) search->high = search->pages->position / PAGE_SIZE + 1;
    return status;
}

mp_status log_seek(struct log_pages *pages, uint64_t min, uint64_t stop, uint64_t *position)
{
    struct search search = {
        .pages = pages, .judge = judge_before, .time = min, .stop = stop, .segments = true};
    mp_status status;

    search.low = 1;
    search.high = segment_of(stop) + 1;
    status = search_places(&search, LATE);
    if (status != MP_OK) return status;
    search = pages_of(&search, (uint32_t)search.low);
    status = search_places(&search, LATE);
    *position = search.low * PAGE_SIZE;
    return status;
}

mp_status log_seek_after(struct log_pages *pages, uint64_t max, uint64_t stop, uint64_t *position)
{
    struct search search = {
        .pages = pages, .judge = judge_behind, .time = max, .stop = stop, .segments = true};
    uint64_t late;
    mp_status status;

    search.high = segment_of(stop) + 1;
    status = search_places(&search, EARLY);
    if (status != MP_OK) return status;
    late = min_u64(segment_base((uint32_t)search.high) + PAGE_SIZE, stop);
    *position = late;
    if (search.low == 0) return MP_OK;
    search = pages_of(&search, (uint32_t)search.low);
    status = leave_gap(&search);
    if (status != MP_OK) return status;
    late = search.high;
    status = search_places(&search, EARLY);
    if (search.high < late) *position = search.high * PAGE_SIZE;
    return status;
}
