/* One reading of a segment's blocks, for what is derived from them: the footer, and the ids with
 * their positions.
 *
 * A finished segment's last block must be the one that the next segment's first block follows: so a
 * damaged block in between is never mistaken for the end. */
#include "hash.h"
#include "ids.h"
#include "wal_internal.h"

#include <stddef.h>
#include <stdlib.h>

#define FOOTER_SUMMED offsetof(struct segment_footer, zero3)

/* --- records --- */

/* Units of a record with its extensions; 0 = no record of a kind known. */
static unsigned record_units(const uint8_t *record)
{
    unsigned extensions = (unsigned)__builtin_popcount(record[1] & 0x7fu);

    switch (record[0]) {
    case MP_RECORD_ACCOUNT: return sizeof(struct account_record) / UNIT_SIZE;
    case MP_RECORD_TRANSFER:
    case MP_RECORD_EXPIRY:
    case MP_RECORD_UPDATE:
        return (unsigned)(sizeof(struct transfer_record) / UNIT_SIZE) + extensions;
    case MP_RECORD_BOUND_ID:
    case MP_RECORD_INPUT_POSITION: return 1;
    default: return 0;
    }
}

static const void *extension_of(const struct transfer_record *record, unsigned extension)
{
    unsigned before = record->extensions & (extension - 1);

    if ((record->extensions & extension) == 0) return NULL;
    return (const uint8_t *)(record + 1) + (size_t)__builtin_popcount(before) * UNIT_SIZE;
}

static mp_status give_id(struct segment_pass *pass, mp_id id, uint64_t position, enum id_tag tag)
{
    struct id_file_entry entry = {id_hash(pass->secret, id), position | (uint64_t)tag};

    return pass->entry(pass->entry_context, &entry);
}

/* A transfer or expiry: its own id, then the reservation that it ends or the transfer that it
 * reverses. */
static mp_status transfer_ids(struct segment_pass *pass, const struct transfer_record *record,
                              uint64_t position)
{
    const struct ext_reservation *reservation = extension_of(record, EXT_RESERVATION);
    mp_status status = MP_OK;

    if (record->kind == MP_RECORD_TRANSFER) status = give_id(pass, record->id, position, ID_OBJECT);
    if (status != MP_OK || reservation == NULL) return status;
    if ((reservation->inherited & CLOSES) != 0)
        return give_id(pass, reservation->pending_id, position, ID_CLOSED);
    if (record->kind == MP_RECORD_TRANSFER && (record->flags & MP_TRANSFER_REVERSAL) != 0) {
        return give_id(pass, reservation->pending_id, position, ID_REVERSED);
    }
    return MP_OK;
}

static mp_status record_ids(struct segment_pass *pass, const uint8_t *record, uint64_t position)
{
    switch (record[0]) {
    case MP_RECORD_TRANSFER:
    case MP_RECORD_EXPIRY:
        return transfer_ids(pass, (const struct transfer_record *)record, position);
    case MP_RECORD_UPDATE:
        return give_id(pass, ((const struct update_record *)record)->id, position, ID_OBJECT);
    case MP_RECORD_BOUND_ID:
        return give_id(pass, ((const struct bound_record *)record)->id, position, ID_OBJECT);
    default: return MP_OK;
    }
}

static void note_timestamp(struct segment_footer *footer, const struct transfer_record *record,
                           uint64_t block_time)
{
    const struct ext_user_data *user_data = extension_of(record, EXT_USER_DATA);
    uint64_t timestamp = block_time + record->time_offset;

    if (user_data != NULL && user_data->imported_time != 0) timestamp = user_data->imported_time;
    if (footer->oldest_timestamp == 0 || timestamp < footer->oldest_timestamp)
        footer->oldest_timestamp = timestamp;
    footer->newest_timestamp = max_u64(footer->newest_timestamp, timestamp);
}

static mp_status pass_page(struct segment_pass *pass, const struct block_view *block,
                           uint32_t number)
{
    const uint8_t *page = block->pages + (uint64_t)number * PAGE_SIZE;
    uint64_t page_position = block->position + (uint64_t)number * PAGE_SIZE;
    uint64_t used = trailer_of(page)->units_used;
    uint64_t unit = number == 0 ? sizeof(struct block_header) / UNIT_SIZE : 0;

    while (unit < used) {
        const uint8_t *record = page + unit * UNIT_SIZE;
        unsigned units = record_units(record);
        mp_status status = MP_OK;

        if (units == 0 || unit + units > used) {
            return block_corrupt(pass->wal, block->position,
                                 "a page in the block that begins here holds no records "
                                 "though its checksum is right");
        }
        if (record[0] == MP_RECORD_TRANSFER) {
            note_timestamp(pass->footer, (const struct transfer_record *)record,
                           block->header->time);
        }
        if (pass->entry != NULL)
            status = record_ids(pass, record, page_position + unit * UNIT_SIZE);
        if (status != MP_OK) return status;
        unit += units;
    }
    return MP_OK;
}

/* --- blocks --- */

static void note_block(struct segment_footer *footer, const struct block_header *header)
{
    uint64_t offset = header->position - footer->base;
    uint64_t end = header->position + (uint64_t)header->pages * PAGE_SIZE;

    if (footer->end == footer->base + PAGE_SIZE) { /* the first one */
        footer->first_sequence = header->first_sequence;
        footer->first_time = header->time;
    }
    /* Up to its own MiB it is the first one that begins there or behind. */
    for (uint64_t i = offset / MIB(1) + 1; i-- > 0 && footer->entries[i].position == 0;) {
        footer->entries[i] =
            (struct footer_entry){header->first_sequence, header->time, header->position};
    }
    footer->last_sequence = header->first_sequence + header->count - 1;
    footer->last_time = header->time;
    footer->end = end;
}

mp_status segment_pass_open(struct segment_pass *pass, struct wal *wal, uint32_t ordinal,
                            uint64_t stop, bool ring, id_entry_fn entry, void *entry_context)
{
    uint64_t from = segment_base(ordinal) + PAGE_SIZE;
    mp_status status;

    *pass = (struct segment_pass){.wal = wal,
                                  .ordinal = ordinal,
                                  .stop = stop,
                                  .entry = entry,
                                  .entry_context = entry_context};
    memcpy(pass->secret, wal->identity.hash_secret, sizeof pass->secret);
    if (stop > segment_data_end(ordinal)) pass->stop = UINT64_MAX; /* then it is finished */
    pass->footer = aligned_alloc(PAGE_SIZE, sizeof *pass->footer);
    if (pass->footer == NULL) return fail(MP_NO_MEMORY, "no memory to read a segment of the log");
    memset(pass->footer, 0, sizeof *pass->footer);
    pass->footer->magic = FOOTER_MAGIC;
    pass->footer->version = FORMAT_VERSION;
    pass->footer->ordinal = ordinal;
    pass->footer->base = segment_base(ordinal);
    pass->footer->end = from;
    status = wal_cursor_open(wal, from, ring, &pass->cursor);
    if (status != MP_OK) {
        segment_pass_close(pass);
        return status;
    }
    pass->cursor->one_segment = true;
    pass->cursor->stop = pass->stop;
    return MP_OK;
}

void segment_pass_close(struct segment_pass *pass)
{
    wal_cursor_close(pass->cursor);
    free(pass->footer);
    *pass = (struct segment_pass){0};
}

/* The blocks end here: rightly so? */
static mp_status pass_end(struct segment_pass *pass)
{
    struct wal_cursor *cursor = pass->cursor;
    struct wal *wal = pass->wal;
    uint64_t next = segment_base(pass->ordinal + 1) + PAGE_SIZE;
    const struct block_header *header;
    uint8_t page[PAGE_SIZE];
    mp_status status;

    if (pass->stop == UINT64_MAX) {
        if (!segment_there(wal, pass->ordinal + 1)) return MP_NOT_FOUND;
        status = segment_read_page(wal, next, page);
        if (status != MP_OK) return status;
        header = (const struct block_header *)page;
        if (memcmp(page, wal_zeros, PAGE_SIZE) == 0) return MP_NOT_FOUND;
        if (!block_header_valid(page, next, wal->identity.timeline)) {
            return block_corrupt(wal, next, "the header of the segment's first block is damaged");
        }
        if (!cursor->chained || !cursor_continues(cursor, header)) {
            return block_corrupt(
                wal, cursor->end,
                "a block that was acknowledged begins here and fails its checksums "
                "or doesn't follow the one before");
        }
    } else if (cursor->end < min_u64(pass->stop, segment_data_end(pass->ordinal))) {
        return block_corrupt(wal, cursor->end,
                             "a block that was acknowledged begins here and fails its checksums or "
                             "doesn't follow the one before");
    }
    pass->footer->sum = 0;
    pass->footer->sum = XXH3_64bits_withSeed(pass->footer, FOOTER_SUMMED, pass->footer->base);
    return MP_OK;
}

mp_status segment_pass_step(struct segment_pass *pass, uint64_t bytes, bool *done)
{
    struct wal_cursor *cursor = pass->cursor;
    uint64_t until;

    MP_ASSERT(cursor != NULL);
    until = cursor->end + bytes;
    *done = false;
    while (cursor->end < until) {
        mp_status status = cursor->end < cursor->stop ? cursor_look(cursor) : MP_END;

        if (status == MP_END) {
            *done = true;
            return pass_end(pass);
        }
        for (uint32_t number = 0; status == MP_OK && number < cursor->view.header->pages;
             number++) {
            status = pass_page(pass, &cursor->view, number);
        }
        if (status != MP_OK) return status;
        note_block(pass->footer, cursor->view.header);
        cursor_take(cursor);
    }
    return MP_OK;
}

static mp_status pass_all(struct segment_pass *pass)
{
    mp_status status = MP_OK;
    bool done = false;

    while (status == MP_OK && !done) status = segment_pass_step(pass, MIB(64), &done);
    if (status == MP_NOT_FOUND) {
        return fail(MP_NOT_FOUND,
                    "%s/wal/%08u.wal: isn't finished: no block stands in the next segment",
                    pass->wal->directory, pass->ordinal);
    }
    return status;
}

/* --- footer --- */

mp_status segment_footer_write(struct wal *wal, const struct segment_footer *footer)
{
    const mp_env *env = wal->env;
    uint64_t offset = segment_size(footer->ordinal) - FOOTER_SIZE;
    mp_env_piece piece = {footer, sizeof *footer};
    char path[PATH_MAX_BYTES];
    int64_t written;
    int file = -1;
    mp_status status = segment_open_write(wal, footer->ordinal, &file);

    MP_ASSERT((uintptr_t)footer % PAGE_SIZE == 0);
    if (status != MP_OK) return status;
    written = env->file_write(env->context, file, &piece, 1, offset, true);
    env->file_close(env->context, file);
    if (written == (int64_t)sizeof *footer) return MP_OK;
    wal_path(wal->directory, path, "wal/%08u.wal", footer->ordinal);
    return wal_failed(path, offset, "written", written);
}

mp_status segment_footer_check(struct wal *wal, uint32_t ordinal, struct segment_footer *footer,
                               bool *sound)
{
    uint64_t sum;
    uint64_t position = segment_data_end(ordinal);
    mp_status status = MP_OK;

    for (uint64_t at = 0; status == MP_OK && at < FOOTER_SIZE; at += PAGE_SIZE) {
        status = segment_read_page(wal, position + at, (uint8_t *)footer + at);
    }
    if (status != MP_OK) return status;
    sum = footer->sum;
    footer->sum = 0;
    *sound = footer->magic == FOOTER_MAGIC && footer->version <= FORMAT_VERSION &&
             footer->ordinal == ordinal && footer->base == segment_base(ordinal) &&
             sum == XXH3_64bits_withSeed(footer, FOOTER_SUMMED, footer->base);
    footer->sum = sum;
    return MP_OK;
}

mp_status segment_footer_read(struct wal *wal, uint32_t ordinal, struct segment_footer *out)
{
    struct segment_pass pass;
    bool sound = false;
    mp_status status = segment_footer_check(wal, ordinal, out, &sound);

    if (status != MP_OK || sound) return status;
    status = segment_pass_open(&pass, wal, ordinal, UINT64_MAX, false, NULL, NULL);
    if (status != MP_OK) return status;
    status = pass_all(&pass);
    if (status == MP_OK) memcpy(out, pass.footer, sizeof *out);
    if (status == MP_OK && wal->write) status = segment_footer_write(wal, pass.footer);
    segment_pass_close(&pass);
    return status;
}

/* --- all at once --- */

mp_status segment_finish(struct wal *wal, uint32_t ordinal, bool footer, bool ids)
{
    struct ids_writer writer = {.file = -1};
    struct segment_pass pass = {0};
    mp_status status = MP_OK;

    if (ids) status = ids_writer_open(&writer, wal, ordinal);
    if (status == MP_OK) {
        status = segment_pass_open(&pass, wal, ordinal, UINT64_MAX, false,
                                   ids ? ids_writer_entry : NULL, &writer);
    }
    if (status == MP_OK) status = pass_all(&pass);
    if (status == MP_OK && footer) status = segment_footer_write(wal, pass.footer);
    if (status == MP_OK && ids) status = ids_writer_finish(&writer, pass.footer->end);
    segment_pass_close(&pass);
    ids_writer_close(&writer);
    return status;
}

mp_status segment_seal(struct wal *wal, uint32_t ordinal)
{
    return segment_finish(wal, ordinal, true, false);
}

mp_status ids_file_write(struct wal *wal, uint32_t ordinal)
{
    return segment_finish(wal, ordinal, false, true);
}

mp_status ids_scan(struct wal *wal, uint32_t ordinal, uint64_t stop, id_entry_fn fn, void *context)
{
    struct segment_pass pass;
    mp_status status = segment_pass_open(&pass, wal, ordinal, stop, true, fn, context);

    if (status != MP_OK) return status;
    status = pass_all(&pass);
    segment_pass_close(&pass);
    return status;
}
