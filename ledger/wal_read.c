/* Single pages of the log for readers: verified, through the cache. */
#include "wal_internal.h"

bool wal_cached_page(struct wal *wal, uint64_t position, uint8_t page[PAGE_SIZE])
{
    return wal->cache != NULL && page_cache_get(wal->cache, position, page);
}

mp_status wal_take_page(struct wal *wal, uint64_t position, int64_t result,
                        const uint8_t page[PAGE_SIZE])
{
    uint32_t ordinal = segment_of(position);
    uint64_t offset = position - segment_base(ordinal);

    atomic_fetch_add_explicit(&wal->disk_reads, 1, memory_order_relaxed);
    if (result != (int64_t)PAGE_SIZE) {
        char path[PATH_MAX_BYTES];

        wal_path(wal->directory, path, "wal/%08u.wal", ordinal);
        return wal_failed(path, offset, "read", result);
    }
    if (!page_valid(page, position, u128_low(wal->identity.timeline))) {
        return fail(MP_CORRUPT,
                    "%s/wal/%08u.wal: offset %" PRIu64
                    ": this page of the log is damaged (log position %" PRIu64
                    "): put the file back from a copy",
                    wal->directory, ordinal, offset, position);
    }
    if (wal->cache != NULL) page_cache_put(wal->cache, position, page);
    return MP_OK;
}

mp_status wal_read_page(struct wal *wal, uint64_t position, uint8_t page[PAGE_SIZE])
{
    _Alignas(PAGE_SIZE) uint8_t aligned[PAGE_SIZE];
    const mp_env *env = wal->env;
    uint32_t ordinal = segment_of(position);
    int64_t result;
    int file = -1;
    mp_status status;

    MP_ASSERT(position % PAGE_SIZE == 0 && position != 0);
    if (wal_cached_page(wal, position, page)) return MP_OK;
    status = segment_hold(wal, ordinal, &file);
    if (status != MP_OK) return status;
    result = env->file_read(env->context, file, aligned, sizeof aligned,
                            position - segment_base(ordinal));
    segment_release(wal, ordinal);
    status = wal_take_page(wal, position, result, aligned);
    if (status == MP_OK) memcpy(page, aligned, PAGE_SIZE);
    return status;
}
