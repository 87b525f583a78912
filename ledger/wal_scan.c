/* Reading the chain at opening, and again when a reader looks for what is new. */
#include "wal_internal.h"

enum {
    HOPS_MAX = 16
}; /* headers looked at for a mark: more than any format has blocks in flight */

/* Of whom a reader learns that a block is durable. */
struct vouching {
    uint64_t mark;  /* all before it is durable */
    uint32_t epoch; /* so are valid blocks of this epoch and older ones: their writers were gone
                       when we began; 0 = none */
};

static void scan_begin(struct wal *wal, struct wal_cursor *cursor, uint64_t from, mp_u128 prev_sum,
                       uint64_t sequence)
{
    MP_ASSERT(from >= PAGE_SIZE && sequence >= 1);
    wal->end = from;
    wal->prev_sum = prev_sum;
    wal->sequence = sequence;
    cursor->chained = true;
    cursor->epoch = wal->last_epoch;
    cursor->time = wal->last_time;
    cursor->sequence = sequence;
    cursor->prev_sum = prev_sum;
}

/* The block looked at has been given out: the log goes on behind it. */
static void scan_take(struct wal *wal, struct wal_cursor *cursor)
{
    const struct block_header *header = cursor->view.header;

    wal->last_block = header->position;
    wal->last_time = header->time;
    wal->last_epoch = header->epoch;
    wal->last_mark = max_u64(wal->last_mark, header->mark);
    cursor_take(cursor);
    wal->end = cursor->end;
    wal->prev_sum = cursor->prev_sum;
    wal->sequence = cursor->sequence;
}

/* Page 0 of whatever block continues behind one that ends at `end`: copied, since the window stays
 * on the block before. MP_END: none. */
static mp_status next_header(struct wal_cursor *cursor, uint64_t end, uint8_t page[PAGE_SIZE],
                             uint64_t *position)
{
    struct wal *wal = cursor->wal;
    struct log_reader *reader = &cursor->reader;
    uint32_t ordinal = segment_of(end);
    const uint8_t *data;
    mp_status status;

    *position = end;
    if (end + PAGE_SIZE <= segment_data_end(ordinal)) {
        if (ordinal == reader->ordinal &&
            end + PAGE_SIZE - reader->begin <= BLOCK_MAX + PAGE_SIZE) {
            status = log_reader_get(reader, end, PAGE_SIZE, &data);
            if (status == MP_OK) memcpy(page, data, PAGE_SIZE);
        } else {
            status = segment_read_page(wal, end, page);
        }
        if (status != MP_OK) return status;
        if (block_header_valid(page, end, wal->identity.timeline)) return MP_OK;
    }
    if (!segment_there(wal, ordinal + 1)) return MP_END;
    *position = segment_base(ordinal + 1) + PAGE_SIZE;
    status = segment_read_page(wal, *position, page);
    if (status != MP_OK) return status;
    return block_header_valid(page, *position, wal->identity.timeline) ? MP_OK : MP_END;
}

/* Whether the block looked at is known to be durable. A header behind it that follows is enough,
 * since marks are true whatever became of the rest of their block. */
static mp_status is_durable(struct wal_cursor *cursor, struct vouching *vouching, bool *durable)
{
    const struct block_header *header = cursor->view.header;
    uint64_t end = header->position + (uint64_t)header->pages * PAGE_SIZE;
    uint64_t next = end;
    uint32_t epoch = header->epoch;

    vouching->mark = max_u64(vouching->mark, header->mark);
    for (unsigned hop = 0;
         hop < HOPS_MAX && vouching->mark < end && header->epoch > vouching->epoch; hop++) {
        uint8_t page[PAGE_SIZE] = {0};
        const struct block_header *later = (const struct block_header *)page;
        uint64_t position;
        mp_status status = next_header(cursor, next, page, &position);

        if (status == MP_END || (status == MP_OK && later->epoch < epoch)) break;
        if (status != MP_OK) return status;
        if (hop == 0 && later->prev_sum != cursor->sum) break;
        vouching->mark = max_u64(vouching->mark, later->mark);
        epoch = later->epoch;
        next = position + (uint64_t)later->pages * PAGE_SIZE;
        if (next > segment_data_end(segment_of(position))) break;
    }
    *durable = vouching->mark >= end || header->epoch <= vouching->epoch;
    return MP_OK;
}

static mp_status scan(struct wal *wal, struct wal_cursor *cursor, struct vouching *vouching,
                      wal_block_fn fn, void *context)
{
    for (;;) {
        bool durable = true;
        mp_status status = cursor_look(cursor);

        if (status == MP_END) return MP_OK;
        if (status == MP_OK && vouching != NULL) status = is_durable(cursor, vouching, &durable);
        if (status != MP_OK) return status;
        if (!durable) return MP_OK;
        status = fn(context, &cursor->view);
        if (status != MP_OK) return status;
        scan_take(wal, cursor);
    }
}

mp_status wal_scan(struct wal *wal, uint64_t from, mp_u128 prev_sum, uint64_t sequence,
                   uint64_t stop, wal_block_fn fn, void *context)
{
    struct wal_cursor cursor;
    mp_status status = cursor_open(&cursor, wal, from, true);

    if (status != MP_OK) return status;
    cursor.stop = stop == UINT64_MAX ? stop : round_up(stop, PAGE_SIZE);
    scan_begin(wal, &cursor, from, prev_sum, sequence);
    status = scan(wal, &cursor, NULL, fn, context);
    cursor_close(&cursor);
    return status;
}

mp_status wal_scan_reader(struct wal *wal, uint64_t from, mp_u128 prev_sum, uint64_t sequence,
                          wal_block_fn fn, void *context)
{
    struct vouching vouching = {0};
    struct ledger_slot slot; /* not wal->identity: other threads read by that */
    struct wal_cursor cursor;
    mp_status status;

    MP_ASSERT(!wal->write);
    /* In this order: a writer who comes between the two has an epoch that we don't trust. */
    status = ledger_file_load(wal->env, wal->directory, wal->lock_file, &slot);
    if (status != MP_OK) return status;
    vouching.mark = max_u64(slot.mark, wal->last_mark);
    if (!wal_writer_alive(wal)) vouching.epoch = slot.epoch;

    status = cursor_open(&cursor, wal, from, true);
    if (status != MP_OK) return status;
    scan_begin(wal, &cursor, from, prev_sum, sequence);
    status = scan(wal, &cursor, &vouching, fn, context);
    cursor_close(&cursor);
    if (status == MP_OK && wal_mark_beyond(slot.mark, wal->end)) {
        return block_corrupt(wal, wal_end_of_chain(wal),
                             "ledger.mp says that the block that begins here was "
                             "acknowledged, but it fails its checksums");
    }
    return status;
}
