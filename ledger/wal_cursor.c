/* The chain of blocks, one after another. The next block begins where the last one ended or on the
 * second page of the next segment, and says of itself which block it follows. */
#include "wal_internal.h"

#include <stdlib.h>

mp_status cursor_open(struct wal_cursor *cursor, struct wal *wal, uint64_t from, bool ring)
{
    MP_ASSERT(from >= PAGE_SIZE && from % PAGE_SIZE == 0);
    *cursor = (struct wal_cursor){.wal = wal, .end = from, .stop = UINT64_MAX};
    return log_reader_open(&cursor->reader, wal, ring);
}

void cursor_close(struct wal_cursor *cursor) { log_reader_close(&cursor->reader); }

bool cursor_continues(const struct wal_cursor *cursor, const struct block_header *header)
{
    if (!cursor->chained) return true;
    return header->prev_sum == cursor->prev_sum && header->first_sequence == cursor->sequence &&
           header->epoch >= cursor->epoch && header->time >= cursor->time;
}

/* Makes the window begin at a position. */
static mp_status move_window(struct wal_cursor *cursor, uint64_t position)
{
    struct log_reader *reader = &cursor->reader;
    uint32_t ordinal = segment_of(position);
    uint64_t limit = min_u64(segment_data_end(ordinal), max_u64(cursor->stop, position));

    if (reader->ordinal == ordinal && position >= reader->begin && position <= reader->loaded) {
        log_reader_release(reader, position);
        reader->limit = max_u64(limit, reader->issued);
        return MP_OK;
    }
    return log_reader_seek(reader, position, limit);
}

/* The block at a position, in cursor->view; MP_END when none that follows begins there. */
static mp_status look_at(struct wal_cursor *cursor, uint64_t position)
{
    struct wal *wal = cursor->wal;
    uint64_t limit = min_u64(segment_data_end(segment_of(position)), cursor->stop);
    const struct block_header *header;
    const uint8_t *data;
    uint64_t bytes;
    mp_status status;

    if (position + PAGE_SIZE > limit) return MP_END;
    status = move_window(cursor, position);
    if (status == MP_OK) status = log_reader_get(&cursor->reader, position, PAGE_SIZE, &data);
    if (status != MP_OK) return status;
    header = (const struct block_header *)data;
    if (!block_header_valid(data, position, wal->identity.timeline) ||
        !cursor_continues(cursor, header))
        return MP_END;
    if (header->version > FORMAT_VERSION) {
        return fail(MP_VERSION,
                    "%s/wal/%08u.wal: offset %" PRIu64
                    ": the block has format %u, this program knows "
                    "formats up to %u: use a newer one",
                    wal->directory, segment_of(position),
                    position - segment_base(segment_of(position)), header->version, FORMAT_VERSION);
    }
    bytes = (uint64_t)header->pages * PAGE_SIZE;
    if (bytes > limit - position) {
        cursor->beyond = bytes <= segment_data_end(segment_of(position)) - position;
        return MP_END;
    }
    status = log_reader_get(&cursor->reader, position, bytes, &data);
    if (status != MP_OK) return status;
    if (!block_valid(data, bytes, position, wal->identity.timeline, &cursor->sum)) return MP_END;
    cursor->view = (struct block_view){position, data, (const struct block_header *)data};
    return MP_OK;
}

mp_status cursor_look(struct wal_cursor *cursor)
{
    uint32_t next = segment_of(cursor->end) + 1;
    uint64_t position;
    uint8_t page[PAGE_SIZE];
    mp_status status;

    cursor->beyond = false;
    status = look_at(cursor, cursor->end);
    if (status != MP_END || cursor->beyond) return status;
    position = segment_base(next) + PAGE_SIZE;
    if (cursor->one_segment || position >= cursor->stop || !segment_there(cursor->wal, next))
        return MP_END;
    /* One page first: at the end of the log the window stays where it is. */
    status = segment_read_page(cursor->wal, position, page);
    if (status != MP_OK) return status;
    if (!block_header_valid(page, position, cursor->wal->identity.timeline) ||
        !cursor_continues(cursor, (const struct block_header *)page)) {
        return MP_END;
    }
    return look_at(cursor, position);
}

void cursor_take(struct wal_cursor *cursor)
{
    const struct block_header *header = cursor->view.header;

    cursor->chained = true;
    cursor->epoch = header->epoch;
    cursor->time = header->time;
    cursor->sequence = header->first_sequence + header->count;
    cursor->prev_sum = cursor->sum;
    cursor->end = header->position + (uint64_t)header->pages * PAGE_SIZE;
}

mp_status wal_cursor_open(struct wal *wal, uint64_t from, bool ring, struct wal_cursor **out)
{
    struct wal_cursor *cursor = malloc(sizeof *cursor);
    mp_status status;

    if (cursor == NULL) return fail(MP_NO_MEMORY, "no memory to read the log");
    status = cursor_open(cursor, wal, from, ring);
    if (status != MP_OK) {
        free(cursor);
        return status;
    }
    *out = cursor;
    return MP_OK;
}

mp_status wal_cursor_next(struct wal_cursor *cursor, uint64_t stop, struct block_view *out)
{
    mp_status status;

    MP_ASSERT(cursor->stop == UINT64_MAX || stop >= cursor->stop);
    cursor->stop = stop;
    if (cursor->end >= stop) return MP_END;
    status = cursor_look(cursor);
    if (status == MP_END && !cursor->beyond) {
        uint64_t position = cursor->end;
        uint32_t next = segment_of(position) + 1;
        uint8_t page[PAGE_SIZE];

        /* It should be there: say where it is damaged. */
        if (segment_base(next) + PAGE_SIZE < stop &&
            (position + PAGE_SIZE > segment_data_end(next - 1) ||
             (segment_read_page(cursor->wal, position, page) == MP_OK &&
              memcmp(page, wal_zeros, PAGE_SIZE) == 0))) {
            position = segment_base(next) + PAGE_SIZE;
        }
        return block_corrupt(cursor->wal, position,
                             "an acknowledged block that begins here fails its checksums or "
                             "doesn't follow the one before");
    }
    if (status != MP_OK) return status;
    cursor_take(cursor);
    *out = cursor->view;
    return MP_OK;
}

void wal_cursor_close(struct wal_cursor *cursor)
{
    if (cursor == NULL) return;
    cursor_close(cursor);
    free(cursor);
}

mp_status wal_block_of(struct wal *wal, uint64_t position, uint64_t *block)
{
    uint64_t at = position / PAGE_SIZE * PAGE_SIZE;
    uint8_t page[PAGE_SIZE];
    mp_status status = wal_read_page(wal, at, page);

    if (status != MP_OK) return status;
    *block = at - (uint64_t)trailer_of(page)->page * PAGE_SIZE;
    return MP_OK;
}

/* The page at `at`, below `stop`, belongs to no valid block: that is right only behind a finished
 * segment's last one. */
static mp_status find_behind_gap(struct wal *wal, uint64_t at, uint64_t stop, uint64_t *from)
{
    uint32_t ordinal = segment_of(at);
    struct segment_footer *footer;
    mp_status status;

    if (ordinal == segment_of(stop - 1))
        return block_corrupt(wal, at, "an acknowledged page fails its checksum");
    footer = malloc(sizeof *footer);
    if (footer == NULL) return fail(MP_NO_MEMORY, "no memory for a segment's footer");
    status = segment_footer_read(wal, ordinal, footer);
    if (status == MP_OK && at < footer->end) {
        status = block_corrupt(wal, at, "an acknowledged page fails its checksum");
    }
    free(footer);
    *from = segment_base(ordinal + 1) + PAGE_SIZE;
    return status;
}

mp_status wal_find(struct wal *wal, uint64_t position, uint64_t stop, uint64_t *from)
{
    uint64_t at = round_up(max_u64(position, PAGE_SIZE), PAGE_SIZE);
    uint8_t page[PAGE_SIZE];
    uint64_t begin;
    mp_status status;

    *from = stop;
    if (position >= stop || at >= stop) return MP_OK;
    if (at == segment_base(segment_of(at))) at += PAGE_SIZE;
    if (at > segment_data_end(segment_of(at))) at = segment_data_end(segment_of(at));
    status = segment_read_page(wal, at, page);
    if (status != MP_OK) return status;
    if (!page_valid(page, at, u128_low(wal->identity.timeline)))
        return find_behind_gap(wal, at, stop, from);
    begin = at - (uint64_t)trailer_of(page)->page * PAGE_SIZE;
    if (begin == at) {
        *from = at;
        return MP_OK;
    }
    status = wal_read_page(wal, begin, page);
    if (status != MP_OK) return status;
    if (!block_header_valid(page, begin, wal->identity.timeline)) {
        return block_corrupt(wal, begin, "an acknowledged block's header is damaged");
    }
    *from = begin + (uint64_t)((const struct block_header *)page)->pages * PAGE_SIZE;
    return MP_OK;
}
