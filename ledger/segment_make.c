/* Segments of the log being made: a file of the full size under a name ending in .tmp, renamed when
 * all is durable, so that a segment is there whole or not at all. Who works on one holds
 * wal->making. */
#include "hash.h"
#include "wal_internal.h"

#include <errno.h>

static void maker_paths(const struct wal *wal, uint32_t ordinal, char temporary[PATH_MAX_BYTES],
                        char path[PATH_MAX_BYTES])
{
    wal_path(wal->directory, temporary, "wal/%08u.wal.tmp", ordinal);
    wal_path(wal->directory, path, "wal/%08u.wal", ordinal);
}

static mp_status no_room(const struct wal *wal, uint32_t ordinal)
{
    return fail(MP_DISK_FULL,
                "%s/wal/%08u.wal: no room for the next segment of the log, which takes %" PRIu64
                " bytes: free some space; nothing of what was accepted is lost",
                wal->directory, ordinal, segment_size(ordinal));
}

void maker_abandon(struct wal *wal)
{
    const mp_env *env = wal->env;
    char temporary[PATH_MAX_BYTES], path[PATH_MAX_BYTES];

    if (wal->maker.ordinal == 0) return;
    maker_paths(wal, wal->maker.ordinal, temporary, path);
    if (wal->maker.file >= 0) env->file_close(env->context, wal->maker.file);
    env->remove(env->context, temporary);
    wal->maker = (struct segment_maker){.file = -1};
}

/* Gives the space back and says what was missing. */
static mp_status maker_failed(struct wal *wal, mp_status status)
{
    uint32_t ordinal = wal->maker.ordinal;

    maker_abandon(wal);
    return status == MP_DISK_FULL ? no_room(wal, ordinal) : status;
}

mp_status maker_begin(struct wal *wal, uint32_t ordinal)
{
    const mp_env *env = wal->env;
    char temporary[PATH_MAX_BYTES], path[PATH_MAX_BYTES];
    int result;

    MP_ASSERT(wal->maker.ordinal == 0);
    if (ordinal > SEGMENTS_MAX) {
        return fail(MP_LIMIT, "%s: the log has reached its %u segments; go on with a new ledger",
                    wal->directory, SEGMENTS_MAX);
    }
    maker_paths(wal, ordinal, temporary, path);
    result = wal_file_open(wal, temporary, MP_ENV_WRITE | MP_ENV_CREATE);
    if (result == -ENOSPC || result == -EDQUOT) return no_room(wal, ordinal);
    if (result < 0) return wal_failed_file(temporary, "made", result);
    wal->maker = (struct segment_maker){.ordinal = ordinal, .file = result};

    /* What a dead process may have left under this name must not shine through allocated space. */
    result = env->file_resize(env->context, wal->maker.file, 0);
    if (result < 0) return maker_failed(wal, wal_failed_file(temporary, "emptied", result));
    result = env->file_allocate(env->context, wal->maker.file, 0, segment_size(ordinal));
    wal->maker.allocated = result == 0;
    if (result < 0 && result != -EOPNOTSUPP && result != -ENOSYS && result != -EINVAL) {
        return maker_failed(wal, wal_failed_file(temporary, "allocated", result));
    }
    return MP_OK;
}

mp_status maker_zero(struct wal *wal, uint64_t bytes)
{
    struct segment_maker *maker = &wal->maker;
    char temporary[PATH_MAX_BYTES], path[PATH_MAX_BYTES];
    mp_status status;

    MP_ASSERT(maker->ordinal != 0);
    bytes = min_u64(bytes, segment_size(maker->ordinal) - maker->done);
    maker_paths(wal, maker->ordinal, temporary, path);
    status = wal_write_zeros(wal->env, maker->file, temporary, maker->done, bytes);
    if (status != MP_OK) return maker_failed(wal, status);
    maker->done += bytes;
    return MP_OK;
}

static mp_status write_head(struct wal *wal, const char *path)
{
    _Alignas(PAGE_SIZE) struct segment_head head = {
        .magic = SEGMENT_MAGIC,
        .version = FORMAT_VERSION,
        .ordinal = wal->maker.ordinal,
        .timeline = wal->identity.timeline,
        .base = segment_base(wal->maker.ordinal),
        .size = segment_size(wal->maker.ordinal),
    };
    const mp_env *env = wal->env;
    mp_env_piece piece = {&head, sizeof head};
    int64_t written;

    head.sum = XXH3_64bits_withSeed(&head, sizeof head - sizeof head.sum, head.base);
    written = env->file_write(env->context, wal->maker.file, &piece, 1, 0, false);
    if (written != (int64_t)sizeof head) return wal_failed(path, 0, "written", written);
    return MP_OK;
}

mp_status maker_publish(struct wal *wal)
{
    struct segment_maker *maker = &wal->maker;
    char temporary[PATH_MAX_BYTES], path[PATH_MAX_BYTES], directory[PATH_MAX_BYTES];
    uint32_t ordinal = maker->ordinal;
    mp_status status = MP_OK;

    MP_ASSERT(ordinal != 0);
    maker_paths(wal, ordinal, temporary, path);
    wal_path(wal->directory, directory, "wal");
    if (!maker->allocated) status = maker_zero(wal, UINT64_MAX);
    if (status != MP_OK) return status;
    status = write_head(wal, temporary);
    if (status != MP_OK) return maker_failed(wal, status);
    status = wal_publish(wal->env, maker->file, temporary, path, directory);
    maker->file = -1; /* closed in any case */
    if (status != MP_OK) return maker_failed(wal, status);
    *maker = (struct segment_maker){.file = -1};
    segment_register(wal, ordinal);
    atomic_store_explicit(&wal->next_ready, ordinal, memory_order_release);
    return MP_OK;
}

mp_status segment_make(struct wal *wal, uint32_t ordinal, bool allocate_only)
{
    mp_status status = MP_OK;

    if (wal->maker.ordinal != 0 && wal->maker.ordinal != ordinal) maker_abandon(wal);
    if (wal->maker.ordinal == 0) status = maker_begin(wal, ordinal);
    if (status == MP_OK && !allocate_only) status = maker_zero(wal, UINT64_MAX);
    return status == MP_OK ? maker_publish(wal) : status;
}
