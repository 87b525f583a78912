/* The rules of opening for writing: what lies behind the end of the chain is either proof of damage
 * (then nothing is changed) or was in flight (then it is copied, cut and overwritten with zeros).
 *
 * A crash anywhere in here leaves a log of which the same is true: copies get their name only when
 * whole, zeros go over copied bytes only, and the epoch moves last. */
#include "wal_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SEARCH_STEP MIB(1)

/* Where something may have been in flight: from a page on, at most one block, within the segment.
 */
struct window {
    uint32_t ordinal;
    uint64_t from, to; /* log positions; equal: none */
    uint64_t first,
        last; /* what isn't zero: pages from `first` up to but not with `last`; equal: none */
    uint8_t *bytes;
};

static const char *file_name(uint64_t position, char name[32])
{
    snprintf(name, 32, "wal/%08u.wal", segment_of(position));
    return name;
}

static bool all_zero(const uint8_t *bytes, uint64_t length)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

/* --- proof that a block behind the end was acknowledged --- */

bool wal_mark_beyond(uint64_t mark, uint64_t end)
{
    uint32_t ordinal = segment_of(mark);

    /* The writer may stand on a segment's second page before the first block is written there. Then
     * all that the mark says is about the segments before. */
    if (mark == segment_base(ordinal) + PAGE_SIZE) return ordinal > segment_of(end) + 1;
    return mark > end;
}

uint64_t wal_end_of_chain(struct wal *wal)
{
    uint32_t ordinal = segment_of(wal->end);
    uint8_t page[PAGE_SIZE];

    if (wal->end + PAGE_SIZE <= segment_data_end(ordinal) &&
        (segment_read_page(wal, wal->end, page) != MP_OK || !all_zero(page, PAGE_SIZE))) {
        return wal->end;
    }
    if (segment_there(wal, ordinal + 1) &&
        (wal->end + PAGE_SIZE > segment_data_end(ordinal) ||
         (segment_read_page(wal, segment_base(ordinal + 1) + PAGE_SIZE, page) == MP_OK &&
          !all_zero(page, PAGE_SIZE)))) {
        return segment_base(ordinal + 1) + PAGE_SIZE;
    }
    return wal->end;
}

static mp_status refuse(struct wal *wal, const char *witness, uint64_t mark)
{
    char why[256];

    snprintf(why, sizeof why,
             "the block that begins at log position %" PRIu64
             " is damaged, missing or out of order, "
             "but was acknowledged: %s says that all before %" PRIu64 " was durable",
             wal->end, witness, mark);
    return block_corrupt(wal, wal_end_of_chain(wal), why);
}

/* Looks at each page of a segment between two positions for a valid header whose mark lies beyond
 * the end. Also notes the highest epoch seen, so that it is never given again. */
static mp_status search_segment(struct wal *wal, struct log_reader *reader, uint64_t from,
                                uint64_t limit, uint32_t *epoch)
{
    mp_status status = log_reader_seek(reader, from, limit);

    for (uint64_t at = from; status == MP_OK && at < limit;) {
        uint64_t step = min_u64(SEARCH_STEP, limit - at);
        const uint8_t *data;

        status = log_reader_get(reader, at, step, &data);
        if (status != MP_OK) break;
        for (uint64_t offset = 0; offset < step; offset += PAGE_SIZE) {
            const struct block_header *header = (const struct block_header *)(data + offset);
            char witness[96], name[32];

            if (LIKELY(header->magic != BLOCK_MAGIC)) continue;
            if (!block_header_valid(data + offset, at + offset, wal->identity.timeline)) continue;
            *epoch = header->epoch > *epoch ? header->epoch : *epoch;
            if (!wal_mark_beyond(header->mark, wal->end)) continue; /* it was in flight itself */
            snprintf(witness, sizeof witness, "the block in %s at offset %" PRIu64,
                     file_name(at + offset, name), at + offset - segment_base(segment_of(from)));
            return refuse(wal, witness, header->mark);
        }
        at += step;
        log_reader_release(reader, at);
    }
    return status;
}

static mp_status check_marks(struct wal *wal, uint64_t mark)
{
    MP_ASSERT(wal->end >= PAGE_SIZE && wal->end % PAGE_SIZE == 0);
    if (wal_mark_beyond(wal->identity.mark, wal->end)) {
        return refuse(wal, "ledger.mp", wal->identity.mark);
    }
    if (wal_mark_beyond(mark, wal->end)) return refuse(wal, "the newest checkpoint", mark);
    return MP_OK;
}

/* Searches so far behind the end, and from the beginning of each later segment. */
static mp_status search(struct wal *wal, uint64_t reach, uint32_t *epoch)
{
    struct log_reader reader;
    uint32_t first = segment_of(wal->end);
    uint32_t last = atomic_load_explicit(&wal->segment_count, memory_order_acquire);
    mp_status status = log_reader_open(&reader, wal, true);

    for (uint32_t ordinal = first; status == MP_OK && ordinal <= last; ordinal++) {
        uint64_t from = ordinal == first ? wal->end : segment_base(ordinal);
        uint64_t limit = segment_base(ordinal) + segment_size(ordinal);

        status =
            search_segment(wal, &reader, from, min_u64(limit, from + min_u64(reach, limit)), epoch);
    }
    log_reader_close(&reader);
    return status;
}

mp_status wal_check_end(struct wal *wal, uint64_t mark)
{
    uint32_t epoch = 0;
    mp_status status = check_marks(wal, mark);

    return status == MP_OK ? search(wal, UINT64_MAX, &epoch) : status;
}

mp_status wal_check_end_near(struct wal *wal, uint64_t mark)
{
    uint32_t epoch = 0;
    mp_status status = check_marks(wal, mark);

    return status == MP_OK ? search(wal, 2 * BLOCK_MAX, &epoch) : status;
}

/* --- what was in flight --- */

/* Reads a window and finds what isn't zero in it. */
static mp_status window_read(struct wal *wal, struct window *window, uint64_t from)
{
    const mp_env *env = wal->env;
    char path[PATH_MAX_BYTES];
    uint64_t length;
    int64_t result;
    int file = -1;
    mp_status status;

    *window = (struct window){.ordinal = segment_of(from), .from = from, .to = from};
    if (window->ordinal > atomic_load_explicit(&wal->segment_count, memory_order_acquire))
        return MP_OK;
    window->to = min_u64(from + BLOCK_MAX, segment_data_end(window->ordinal));
    length = window->to - from;
    window->first = window->last = from;
    if (length == 0) return MP_OK;
    window->bytes = aligned_alloc(PAGE_SIZE, length);
    if (window->bytes == NULL)
        return fail(MP_NO_MEMORY, "no memory to look behind the end of the log");
    status = segment_hold(wal, window->ordinal, &file);
    if (status != MP_OK) return status;
    result = env->file_read(env->context, file, window->bytes, (size_t)length,
                            from - segment_base(window->ordinal));
    segment_release(wal, window->ordinal);
    if (result != (int64_t)length) {
        wal_path(wal->directory, path, "wal/%08u.wal", window->ordinal);
        return wal_failed(path, from - segment_base(window->ordinal), "read", result);
    }
    for (uint64_t offset = 0; offset < length; offset += PAGE_SIZE) {
        if (all_zero(window->bytes + offset, PAGE_SIZE)) continue;
        if (window->first == window->last) window->first = from + offset;
        window->last = from + offset + PAGE_SIZE;
    }
    return MP_OK;
}

/* Copies what isn't zero to orphaned/, under a name with epoch and position that is not taken. */
static mp_status window_copy(struct wal *wal, const struct window *window)
{
    const mp_env *env = wal->env;
    char temporary[PATH_MAX_BYTES], path[PATH_MAX_BYTES], directory[PATH_MAX_BYTES], name[64];
    uint64_t length = window->last - window->first;
    mp_env_piece piece = {window->bytes + (window->first - window->from), (size_t)length};
    int64_t written;
    mp_status status;
    int file;

    for (unsigned number = 0;; number++) {
        snprintf(name, sizeof name, "orphaned/e%08u-p%015" PRIu64 "-%u.wal", wal->identity.epoch,
                 window->first, number);
        wal_path(wal->directory, path, "%s", name);
        file = env->file_open(env->context, path, 0);
        if (file == -ENOENT) break;
        if (file < 0) return wal_failed_file(path, "opened", file);
        env->file_close(env->context, file);
    }
    wal_path(wal->directory, temporary, "%s.tmp", name);
    wal_path(wal->directory, directory, "orphaned");
    file = env->file_open(env->context, temporary, MP_ENV_WRITE | MP_ENV_CREATE);
    if (file < 0) return wal_failed_file(temporary, "made", file);
    written = env->file_write(env->context, file, &piece, 1, 0, false);
    if (written != (int64_t)length) {
        env->file_close(env->context, file);
        return wal_failed(temporary, 0, "written", written);
    }
    status = wal_publish(env, file, temporary, path, directory);
    if (status != MP_OK) return status;
    wal_notice(wal,
               "cut %" PRIu64 " bytes at log position %" PRIu64 " (wal/%08u.wal, offset %" PRIu64
               " to %" PRIu64 "): they were being written when the ledger was last in use and had "
               "not been acknowledged; a copy is in %s",
               length, window->first, window->ordinal,
               window->first - segment_base(window->ordinal),
               window->last - segment_base(window->ordinal), name);
    return MP_OK;
}

static mp_status window_clear(const struct wal *wal, const struct window *window)
{
    const mp_env *env = wal->env;
    char path[PATH_MAX_BYTES];
    int file = -1;
    mp_status status = segment_open_write(wal, window->ordinal, &file);
    int result;

    if (status != MP_OK) return status;
    wal_path(wal->directory, path, "wal/%08u.wal", window->ordinal);
    status = wal_write_zeros(env, file, path, window->from - segment_base(window->ordinal),
                             window->to - window->from);
    if (status == MP_OK) {
        result = env->file_sync(env->context, file);
        if (result < 0) status = wal_failed_file(path, "synced", result);
    }
    env->file_close(env->context, file);
    return status;
}

static mp_status cut(struct wal *wal, struct window windows[2])
{
    mp_status status = MP_OK;

    for (unsigned i = 0; status == MP_OK && i < 2; i++) {
        if (windows[i].first != windows[i].last) status = window_copy(wal, &windows[i]);
    }
    for (unsigned i = 0; status == MP_OK && i < 2; i++) {
        if (windows[i].first != windows[i].last) status = window_clear(wal, &windows[i]);
    }
    return status;
}

/* --- the rest --- */

static mp_status open_tail(struct wal *wal)
{
    const mp_env *env = wal->env;
    char path[PATH_MAX_BYTES];
    mp_status status;
    int result;

    wal->ordinal = segment_of(wal->end);
    status = segment_open_write(wal, wal->ordinal, &wal->file);
    if (status != MP_OK) return status;
    /* The last valid block may stand in the drive's cache alone. */
    result = env->file_sync(env->context, wal->file);
    if (result < 0) {
        wal_path(wal->directory, path, "wal/%08u.wal", wal->ordinal);
        return wal_failed_file(path, "synced", result);
    }
    return MP_OK;
}

/* Whether nothing can lie behind the end: whoever closed the ledger left it just there, and nobody
 * writes before both slots of ledger.mp say otherwise. That ledger.mp could be an old copy, so the
 * places where a block would have come next must be as nobody wrote there. */
static bool is_untouched(const struct wal *wal, const struct window windows[2])
{
    return ledger_file_says_closed(wal) && windows[0].first == windows[0].last &&
           windows[1].first == windows[1].last &&
           atomic_load_explicit(&wal->segment_count, memory_order_acquire) <=
               segment_of(wal->end) + 1;
}

/* The new epoch, in both slots if one of them says that the ledger is closed. */
static mp_status write_epoch(struct wal *wal, uint32_t epoch)
{
    bool again = wal->identity.closed != 0;
    mp_status status;

    wal->identity.epoch = epoch;
    wal->identity.mark = max_u64(wal->identity.mark, wal->end); /* synced by open_tail */
    wal->identity.newest_time = max_u64(wal->identity.newest_time, wal->last_time);
    status = ledger_file_write(wal);
    if (status == MP_OK && again) status = ledger_file_write(wal);
    return status;
}

static mp_status settle(struct wal *wal, uint64_t mark, struct window windows[2])
{
    uint32_t epoch = wal->identity.epoch > wal->last_epoch ? wal->identity.epoch : wal->last_epoch;
    mp_status status = check_marks(wal, mark);

    if (status == MP_OK) status = window_read(wal, &windows[0], wal->end);
    if (status == MP_OK) {
        status = window_read(wal, &windows[1], segment_base(segment_of(wal->end) + 1) + PAGE_SIZE);
    }
    if (status == MP_OK && !is_untouched(wal, windows)) status = search(wal, UINT64_MAX, &epoch);
    if (status == MP_OK) status = wal_tidy(wal); /* until here nothing was changed */
    if (status == MP_OK) status = cut(wal, windows);
    if (status == MP_OK) status = open_tail(wal);
    if (status == MP_OK) status = write_epoch(wal, epoch + 1);
    if (status != MP_OK) return status;
    if (!wal->direct) {
        wal_notice(wal, "the file system refuses O_DIRECT: the log is written through the page "
                        "cache and synced, which "
                        "is as safe and slower");
    }
    return MP_OK;
}

mp_status wal_settle(struct wal *wal, uint64_t mark)
{
    struct window windows[2] = {{0}, {0}};
    mp_status status;

    MP_ASSERT(wal->write && wal->file < 0);
    status = settle(wal, mark, windows);
    free(windows[0].bytes);
    free(windows[1].bytes);
    return status;
}
