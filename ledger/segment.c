/* Segments of the log: where they lie, opening them, and what is said when a file operation fails.
 */
#include "hash.h"
#include "wal_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum { SEGMENTS_GROWING = 4 }; /* the fifth one has the full size */

_Alignas(PAGE_SIZE) const uint8_t wal_zeros[ZEROS_SIZE];

/* --- geometry --- */

uint64_t segment_size(uint32_t ordinal)
{
    MP_ASSERT(ordinal >= 1);
    return ordinal > SEGMENTS_GROWING ? SEGMENT_MAX : SEGMENT_FIRST << (ordinal - 1);
}

uint64_t segment_base(uint32_t ordinal)
{
    uint64_t growing = min_u64(ordinal - 1, SEGMENTS_GROWING);

    MP_ASSERT(ordinal >= 1);
    return SEGMENT_FIRST * ((1ull << growing) - 1) + (ordinal - 1 - growing) * SEGMENT_MAX;
}

uint32_t segment_of(uint64_t position)
{
    uint64_t full = segment_base(SEGMENTS_GROWING + 1);
    uint32_t ordinal = 1;

    MP_ASSERT(position <= POSITION_MAX);
    if (position >= full) return (uint32_t)(SEGMENTS_GROWING + 1 + (position - full) / SEGMENT_MAX);
    while (position >= segment_base(ordinal + 1)) ordinal++;
    return ordinal;
}

uint64_t segment_data_end(uint32_t ordinal)
{
    return segment_base(ordinal) + segment_size(ordinal) - FOOTER_SIZE;
}

/* --- paths and failures --- */

void wal_path(const char *directory, char path[PATH_MAX_BYTES], const char *format, ...)
{
    va_list arguments;
    int length = snprintf(path, PATH_MAX_BYTES, "%s/", directory);

    MP_ASSERT(length > 0 && length < PATH_MAX_BYTES - 128); /* wal_open and wal_init have looked */
    va_start(arguments, format);
    length = vsnprintf(path + length, (size_t)(PATH_MAX_BYTES - length), format, arguments);
    va_end(arguments);
    MP_ASSERT(length > 0 && length < 128);
}

static mp_status status_of(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT: return MP_DISK_FULL;
    case EROFS: return MP_READ_ONLY;
    case ENOMEM: return MP_NO_MEMORY;
    default: return MP_IO;
    }
}

static const char *advice(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT: return "free some space, then try again";
    case EROFS: return "open the ledger for reading";
    case EACCES:
    case EPERM: return "check the permissions";
    case EMFILE: return "raise the limit of open files (ulimit -n)";
    case EIO: return "check the disk and the kernel's log before you go on";
    default: return "check the file system";
    }
}

mp_status wal_failed(const char *path, uint64_t offset, const char *verb, int64_t result)
{
    int number = result < 0 ? (int)-result : EIO;

    return fail(status_of(number), "%s: can't be %s at offset %" PRIu64 ": %s; %s", path, verb,
                offset, result < 0 ? strerror(number) : "fewer bytes than asked for",
                advice(number));
}

mp_status wal_failed_file(const char *path, const char *verb, int64_t result)
{
    int number = result < 0 ? (int)-result : EIO;

    return fail(status_of(number), "%s: can't be %s: %s; %s", path, verb, strerror(number),
                advice(number));
}

/* --- files --- */

int wal_file_open(const struct wal *wal, const char *path, unsigned flags)
{
    const mp_env *env = wal->env;

    if (wal->direct) {
        int file = env->file_open(env->context, path, flags | MP_ENV_DIRECT);

        if (file != -EINVAL) return file;
    }
    return env->file_open(env->context, path, flags);
}

mp_status wal_write_zeros(const mp_env *env, int file, const char *path, uint64_t offset,
                          uint64_t length)
{
    enum { PIECES = 16 };
    uint64_t end = offset + length;

    MP_ASSERT(offset % PAGE_SIZE == 0 && length % PAGE_SIZE == 0);
    while (offset < end) {
        mp_env_piece pieces[PIECES];
        unsigned count = 0;
        uint64_t bytes = 0;
        int64_t written;

        while (count < PIECES && offset + bytes < end) {
            uint64_t piece = min_u64(ZEROS_SIZE, end - offset - bytes);

            pieces[count++] = (mp_env_piece){wal_zeros, (size_t)piece};
            bytes += piece;
        }
        written = env->file_write(env->context, file, pieces, count, offset, false);
        if (written != (int64_t)bytes) return wal_failed(path, offset, "written", written);
        offset += bytes;
    }
    return MP_OK;
}

mp_status wal_publish(const mp_env *env, int file, const char *from, const char *to,
                      const char *directory)
{
    mp_status status = MP_OK;
    int result = env->file_sync(env->context, file);

    if (result < 0) status = wal_failed_file(from, "synced", result);
    if (status == MP_OK) {
        result = env->rename(env->context, from, to);
        if (result < 0) status = wal_failed_file(from, "renamed", result);
    }
    if (status == MP_OK) {
        result = env->dir_sync(env->context, directory);
        if (result < 0) status = wal_failed_file(directory, "synced", result);
    }
    env->file_close(env->context, file); /* now: a lock on it covers the renaming */
    return status;
}

static mp_status segment_missing(const struct wal *wal, uint32_t ordinal)
{
    return fail(
        MP_CORRUPT,
        "%s/wal/%08u.wal: offset 0: this segment of the log is missing; put it back from a copy",
        wal->directory, ordinal);
}

static mp_status head_check(const struct wal *wal, uint32_t ordinal, int file, const char *path)
{
    _Alignas(PAGE_SIZE) struct segment_head head;
    const mp_env *env = wal->env;
    int64_t size = env->file_size(env->context, file);
    int64_t result;

    if (size < 0) return wal_failed_file(path, "measured", size);
    if ((uint64_t)size != segment_size(ordinal)) {
        return fail(MP_CORRUPT,
                    "%s: offset %" PRIi64 ": the file ends there, but it must have %" PRIu64
                    " bytes; put it back from a copy",
                    path, size, segment_size(ordinal));
    }
    result = env->file_read(env->context, file, &head, sizeof head, 0);
    if (result != (int64_t)sizeof head) return wal_failed(path, 0, "read", result);
    if (head.magic != SEGMENT_MAGIC || head.ordinal != ordinal ||
        head.base != segment_base(ordinal) || head.size != segment_size(ordinal) ||
        head.sum != XXH3_64bits_withSeed(&head, sizeof head - sizeof head.sum, head.base)) {
        return fail(MP_CORRUPT,
                    "%s: offset 0: the segment's head is damaged; put the file back from a copy",
                    path);
    }
    if (head.version > FORMAT_VERSION) {
        return fail(MP_VERSION,
                    "%s: has format %u, this program knows formats up to %u: use a newer one", path,
                    head.version, FORMAT_VERSION);
    }
    if (head.timeline != wal->identity.timeline && wal->identity.parent == 0) {
        return fail(MP_CORRUPT,
                    "%s: offset 0: the segment belongs to another ledger; put the right file back",
                    path);
    }
    return MP_OK;
}

mp_status segment_open_own(struct wal *wal, uint32_t ordinal, int *file)
{
    char path[PATH_MAX_BYTES];
    mp_status status;
    int number;

    if (ordinal < 1 || ordinal > atomic_load_explicit(&wal->segment_count, memory_order_acquire)) {
        return segment_missing(wal, ordinal);
    }
    wal_path(wal->directory, path, "wal/%08u.wal", ordinal);
    number = wal_file_open(wal, path, 0);
    if (number == -ENOENT) return segment_missing(wal, ordinal);
    if (number < 0) return wal_failed_file(path, "opened", number);
    status = head_check(wal, ordinal, number, path);
    if (status != MP_OK) {
        wal->env->file_close(wal->env->context, number);
        return status;
    }
    *file = number;
    return MP_OK;
}

mp_status segment_open_write(const struct wal *wal, uint32_t ordinal, int *file)
{
    char path[PATH_MAX_BYTES];
    int number;

    wal_path(wal->directory, path, "wal/%08u.wal", ordinal);
    number = wal_file_open(wal, path, MP_ENV_WRITE);
    if (number < 0) return wal_failed_file(path, "opened for writing", number);
    *file = number;
    return MP_OK;
}

void segment_register(struct wal *wal, uint32_t ordinal)
{
    struct segment *segment = &wal->segments[ordinal - 1];

    MP_ASSERT(ordinal >= 1 && ordinal <= SEGMENTS_MAX);
    segment->base = segment_base(ordinal);
    segment->size = segment_size(ordinal);
    segment->exists = true;
    if (ordinal > atomic_load_explicit(&wal->segment_count, memory_order_relaxed)) {
        atomic_store_explicit(&wal->segment_count, ordinal, memory_order_release);
    }
}

bool segment_there(struct wal *wal, uint32_t ordinal)
{
    const mp_env *env = wal->env;
    char path[PATH_MAX_BYTES];
    int file;

    if (ordinal <= atomic_load_explicit(&wal->segment_count, memory_order_acquire)) return true;
    if (wal->write || ordinal > SEGMENTS_MAX) return false;
    wal_path(wal->directory, path, "wal/%08u.wal", ordinal);
    file = env->file_open(env->context, path, 0);
    if (file < 0) return false;
    env->file_close(env->context, file);
    segment_register(wal, ordinal);
    return true;
}

mp_status segment_read_page(struct wal *wal, uint64_t position, uint8_t page[PAGE_SIZE])
{
    _Alignas(PAGE_SIZE) uint8_t aligned[PAGE_SIZE];
    const mp_env *env = wal->env;
    uint32_t ordinal = segment_of(position);
    uint64_t offset = position - segment_base(ordinal);
    int file = -1;
    mp_status status = segment_hold(wal, ordinal, &file);
    int64_t result;

    if (status != MP_OK) return status;
    result = env->file_read(env->context, file, aligned, sizeof aligned, offset);
    segment_release(wal, ordinal);
    if (result != (int64_t)sizeof aligned) {
        char path[PATH_MAX_BYTES];

        wal_path(wal->directory, path, "wal/%08u.wal", ordinal);
        return wal_failed(path, offset, "read", result);
    }
    memcpy(page, aligned, PAGE_SIZE);
    return MP_OK;
}

mp_status block_corrupt(struct wal *wal, uint64_t position, const char *why)
{
    uint8_t page[PAGE_SIZE] = {0};
    uint64_t at = position;
    uint32_t ordinal = segment_of(position);

    /* When its header can be read, the page at fault is known more closely. */
    if (segment_read_page(wal, position, page) == MP_OK &&
        block_header_valid(page, position, wal->identity.timeline)) {
        uint32_t pages = ((const struct block_header *)page)->pages;

        for (uint32_t number = 1; number < pages && at == position; number++) {
            uint64_t next = position + (uint64_t)number * PAGE_SIZE;

            if (segment_of(next) != ordinal || segment_read_page(wal, next, page) != MP_OK ||
                !page_valid(page, next, u128_low(wal->identity.timeline))) {
                at = next;
            }
        }
    }
    return fail(MP_CORRUPT,
                "%s/wal/%08u.wal: offset %" PRIu64 ": the log is damaged (log position %" PRIu64
                "): %s; nothing was changed: put the file back from a copy",
                wal->directory, ordinal, at - segment_base(ordinal), at, why);
}
