#include "log_pages.h"
#include "hash.h"

#include <stdlib.h>

#define RUN_MAX   256u /* pages read at once */
#define RUN_FIRST 4u

struct log_pages *log_pages_new(mp_ledger *ledger)
{
    struct log_pages *pages = malloc(sizeof *pages);

    if (pages == NULL) {
        (void)fail(MP_NO_MEMORY, "no memory to read the log");
        return NULL;
    }
    memset(pages, 0, sizeof *pages);
    pages->ledger = ledger;
    pages->run = RUN_FIRST;
    return pages;
}

void log_pages_free(struct log_pages *pages)
{
    if (pages == NULL) return;
    free(pages->buffer);
    free(pages);
}

static const struct page_trailer *trailer_of(const uint8_t *page)
{
    return (const struct page_trailer *)(page + PAGE_DATA);
}

/* --- getting pages --- */

static bool is_valid(const struct log_pages *pages, const uint8_t *page, uint64_t position)
{
    return page_valid(page, position, u128_low(pages->ledger->wal.identity.timeline));
}

/* Reads a run of pages that holds `position` into the buffer, or that page alone into `single` when
 * that fails. */
static mp_status read_run(struct log_pages *pages, uint64_t position, const uint8_t **page)
{
    struct wal *wal = &pages->ledger->wal;
    uint32_t ordinal = segment_of(position);
    uint64_t first = segment_base(ordinal) + PAGE_SIZE;
    uint64_t begin = position, end = position + PAGE_SIZE;
    uint64_t run = (uint64_t)pages->run * PAGE_SIZE;
    int file = segment_file(wal, ordinal);
    int64_t result = -1;

    if (pages->buffer == NULL) pages->buffer = aligned_alloc(PAGE_SIZE, RUN_MAX * PAGE_SIZE);
    if (pages->backwards) {
        begin = end - min_u64(run, end - first);
    } else {
        end = begin + min_u64(run, min_u64(segment_data_end(ordinal), pages->stop) - begin);
    }
    pages->buffer_bytes = 0;
    if (pages->buffer != NULL && file >= 0) {
        result = wal->env->file_read(wal->env->context, file, pages->buffer, (size_t)(end - begin),
                                     begin - segment_base(ordinal));
    }
    if (file >= 0) segment_release(wal, ordinal);
    if (result != (int64_t)(end - begin)) {
        mp_status status = wal_read_page(wal, position, pages->single);

        *page = pages->single;
        if (status == MP_CORRUPT && file >= 0)
            memset(pages->single, 0, PAGE_SIZE); /* isn't valid either */
        return status == MP_CORRUPT && file >= 0 ? MP_OK : status;
    }
    pages->buffer_position = begin;
    pages->buffer_bytes = end - begin;
    pages->run = (uint32_t)min_u64(2 * pages->run, RUN_MAX);
    *page = pages->buffer + (position - begin);
    return MP_OK;
}

/* The page at a position below `stop`, whatever it is. */
static mp_status get(struct log_pages *pages, uint64_t position, const uint8_t **page, bool *valid)
{
    mp_status status = MP_OK;

    *page = pages->single;
    if (!tail_read_page(&pages->ledger->tail, position, pages->single)) {
        if (position - pages->buffer_position < pages->buffer_bytes) {
            *page = pages->buffer + (position - pages->buffer_position);
        } else if (!wal_cached_page(&pages->ledger->wal, position, pages->single)) {
            status = read_run(pages, position, page);
        }
    }
    *valid = status == MP_OK && is_valid(pages, *page, position);
    return status;
}

mp_status log_pages_look(struct log_pages *pages, uint64_t position, const uint8_t **page,
                         bool *valid)
{
    struct wal *wal = &pages->ledger->wal;
    mp_status status = MP_OK;

    *page = pages->single;
    if (!tail_read_page(&pages->ledger->tail, position, pages->single)) {
        status = wal_read_page(wal, position, pages->single);
    }
    *valid = status == MP_OK && is_valid(pages, *page, position);
    return status == MP_CORRUPT ? MP_OK : status;
}

static mp_status damaged(const struct log_pages *pages, uint64_t position)
{
    return record_corrupt(pages->ledger, position,
                          "this page of the log is damaged: put the file back from a copy");
}

/* --- forwards --- */

/* A block begins, or the block before ends, at a position. */
static void expect_block(struct log_pages *pages, uint64_t position)
{
    pages->at = pages->block_end = position;
    pages->chained = false;
    pages->page = NULL;
}

/* Takes the block whose first page is at hand. */
static bool take_block(struct log_pages *pages, uint64_t position, const uint8_t *page)
{
    const struct block_header *header = (const struct block_header *)page;

    if (!block_header_valid(page, position, pages->ledger->wal.identity.timeline)) return false;
    if (pages->chained &&
        (header->prev_sum != pages->prev_sum || header->first_sequence != pages->sequence ||
         header->time < pages->time)) {
        return false;
    }
    pages->block = pages->at = position;
    pages->block_end = position + (uint64_t)header->pages * PAGE_SIZE;
    pages->sequence = header->first_sequence + header->count;
    pages->time = header->time;
    pages->chained = true;
    return true;
}

/* The next block begins where the last one ended, or on the second page of the next segment. */
static mp_status next_block(struct log_pages *pages)
{
    uint64_t position = pages->at;
    uint32_t ordinal = segment_of(position);
    const uint8_t *page;
    bool valid;
    mp_status status;

    if (position + PAGE_SIZE <= segment_data_end(ordinal)) {
        status = get(pages, position, &page, &valid);
        if (status != MP_OK) return status;
        if (valid && take_block(pages, position, page)) return MP_OK;
    }
    if (segment_base(ordinal + 1) + PAGE_SIZE < pages->stop) {
        uint64_t next = segment_base(ordinal + 1) + PAGE_SIZE;

        status = get(pages, next, &page, &valid);
        if (status != MP_OK) return status;
        if (valid && take_block(pages, next, page)) return MP_OK;
        if (position + PAGE_SIZE > segment_data_end(ordinal)) position = next;
    }
    return record_corrupt(pages->ledger, position,
                          "an acknowledged block that begins here is damaged or doesn't follow "
                          "the one before: put the file back from a copy");
}

/* The block has been read to its end: what the next one must follow. */
static void end_block(struct log_pages *pages)
{
    uint64_t count = (pages->block_end - pages->block) / PAGE_SIZE;
    XXH128_hash_t sum = XXH3_128bits(pages->sums, count * sizeof pages->sums[0]);

    pages->prev_sum = MP_U128(sum.high64, sum.low64);
}

mp_status log_pages_next(struct log_pages *pages, uint64_t stop)
{
    uint64_t number;
    bool valid;
    mp_status status;

    MP_ASSERT(stop >= pages->stop && !pages->backwards);
    pages->stop = stop;
    if (pages->at >= stop) return MP_END;
    if (pages->at == pages->block_end) {
        status = next_block(pages);
        if (status != MP_OK) return status;
    }
    number = (pages->at - pages->block) / PAGE_SIZE;
    status = get(pages, pages->at, &pages->page, &valid);
    if (status != MP_OK) return status;
    if (!valid || trailer_of(pages->page)->page != number) return damaged(pages, pages->at);
    pages->position = pages->at;
    pages->sums[number] = trailer_of(pages->page)->sum;
    pages->at += PAGE_SIZE;
    if (pages->at == pages->block_end) end_block(pages);
    return MP_OK;
}

/* Sets out in the middle of a block: its first page says where it ends. */
static mp_status enter_block(struct log_pages *pages, uint64_t block, uint64_t position)
{
    const uint8_t *page;
    bool valid;
    mp_status status;

    for (uint64_t at = block; at < position; at += PAGE_SIZE) {
        status = get(pages, at, &page, &valid);
        if (status != MP_OK) return status;
        if (!valid || (at == block && !take_block(pages, at, page))) return damaged(pages, at);
        pages->sums[(at - block) / PAGE_SIZE] = trailer_of(page)->sum;
    }
    pages->at = position;
    return position < pages->block_end ? MP_OK : damaged(pages, position);
}

mp_status log_pages_from(struct log_pages *pages, uint64_t position, uint64_t stop)
{
    uint64_t at = position / PAGE_SIZE * PAGE_SIZE;
    const uint8_t *page;
    uint32_t number;
    bool valid;
    mp_status status;

    pages->backwards = false;
    pages->stop = stop;
    if (at < stop && at == segment_base(segment_of(at))) at += PAGE_SIZE;
    expect_block(pages, min_u64(at, stop));
    if (at >= stop) return MP_OK;
    status = log_pages_look(pages, at, &page, &valid);
    if (status != MP_OK) return status;
    if (!valid) { /* behind a segment's last block, or damaged */
        status = wal_find(&pages->ledger->wal, at, stop, &at);
        if (status == MP_OK) expect_block(pages, at);
        return status;
    }
    number = trailer_of(page)->page;
    return number == 0 ? MP_OK : enter_block(pages, at - (uint64_t)number * PAGE_SIZE, at);
}

mp_status log_records_next(struct log_pages *pages, uint64_t stop, struct record_view *view,
                           uint64_t *sequence)
{
    mp_status status = MP_OK;

    while (pages->page == NULL || pages->offset >= log_page_end(pages)) {
        const uint8_t *before = pages->page;

        pages->page = NULL;
        status = log_pages_next(pages, stop);
        if (status == MP_END) pages->page = before;
        if (status != MP_OK) return status;
        pages->offset = log_page_first(pages);
        pages->next_sequence = trailer_of(pages->page)->first_sequence;
    }
    status = log_page_record(pages, pages->offset, view);
    if (status != MP_OK) return status;
    pages->offset += view->units * UNIT_SIZE;
    *sequence = view->record[0] == MP_RECORD_INPUT_POSITION ? 0 : pages->next_sequence++;
    return MP_OK;
}

mp_status log_page_record(const struct log_pages *pages, unsigned offset, struct record_view *view)
{
    const struct page_trailer *trailer = trailer_of(pages->page);

    if (record_view(pages->page + offset, pages->position + offset, trailer->time, view) &&
        offset + view->units * UNIT_SIZE <= log_page_end(pages)) {
        return MP_OK;
    }
    return record_corrupt(pages->ledger, pages->position + offset,
                          "no record, though the page's checksum is right");
}

/* --- backwards --- */

void log_pages_back_from(struct log_pages *pages, uint64_t position)
{
    pages->backwards = true;
    pages->at = position;
    pages->page = NULL;
    pages->sequence = 0;
}

/* Where the last block of a segment ends: behind its last valid page, which must be followed by the
 * block at hand. */
static mp_status end_of_segment(struct log_pages *pages, uint32_t ordinal)
{
    const uint8_t *page;
    bool valid = false;

    for (uint64_t at = segment_data_end(ordinal) - PAGE_SIZE; at > segment_base(ordinal);
         at -= PAGE_SIZE) {
        mp_status status = get(pages, at, &page, &valid);

        if (status != MP_OK) return status;
        if (valid) {
            pages->at = at + PAGE_SIZE;
            return MP_OK;
        }
    }
    return record_corrupt(pages->ledger, segment_base(ordinal) + PAGE_SIZE,
                          "no block in this segment is sound");
}

/* The first page of a block is at hand: does the block reach to where it was entered, and the next
 * one follow it? */
static mp_status check_block(struct log_pages *pages)
{
    const struct block_header *header = (const struct block_header *)pages->page;

    if (!block_header_valid(pages->page, pages->position, pages->ledger->wal.identity.timeline) ||
        (pages->sequence != 0 && (header->pages != pages->last_page + 1 ||
                                  header->first_sequence + header->count != pages->sequence))) {
        return record_corrupt(pages->ledger, pages->position,
                              "the block that begins here is damaged or isn't followed "
                              "by the next one: put the file back from a copy");
    }
    pages->sequence = header->first_sequence;
    return MP_OK;
}

mp_status log_pages_previous(struct log_pages *pages)
{
    bool begins =
        pages->page == NULL || trailer_of(pages->page)->page == 0; /* another block comes */
    uint32_t expected = begins ? 0 : trailer_of(pages->page)->page - 1u;
    uint32_t ordinal = segment_of(pages->at - 1);
    bool valid;
    mp_status status;

    MP_ASSERT(pages->backwards && pages->at % PAGE_SIZE == 0 && pages->at >= PAGE_SIZE);
    if (pages->at <= segment_base(ordinal) + PAGE_SIZE) {
        if (ordinal == 1) return MP_END;
        status = end_of_segment(pages, ordinal - 1);
        if (status != MP_OK) return status;
    }
    status = get(pages, pages->at - PAGE_SIZE, &pages->page, &valid);
    if (status != MP_OK) return status;
    pages->position = pages->at - PAGE_SIZE;
    if (!valid || (!begins && trailer_of(pages->page)->page != expected))
        return damaged(pages, pages->position);
    if (begins) pages->last_page = trailer_of(pages->page)->page;
    pages->at = pages->position;
    return trailer_of(pages->page)->page == 0 ? check_block(pages) : MP_OK;
}
