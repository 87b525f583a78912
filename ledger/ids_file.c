/* index/NNNNNNNN.ids: the ids of a finished segment with their positions, so that opening needn't
 * read the segment.
 *
 * One page of head, then chunks of 64 KiB: up to 4,095 entries of 16 bytes and, in the last 8, the
 * XXH3-64 of what comes before, seed = ordinal and the chunk's number. Derived: what is damaged or
 * missing is read from the segment. */
#include "hash.h"
#include "wal_internal.h"

#include <errno.h>
#include <stdlib.h>

#define IDS_MAGIC     0x3153444957504d4dull /* "MMPWIDS1" */
#define CHUNK_SIZE    KIB(64)
#define CHUNK_ENTRIES (CHUNK_SIZE / sizeof(struct id_file_entry) - 1)
#define BUFFER_SIZE   MIB(1)

struct PACKED ids_head {
    uint64_t magic;
    uint16_t version;
    uint16_t zero1;
    uint32_t ordinal;
    mp_u128 timeline;
    uint64_t base;
    uint64_t end;   /* log position where the segment's last block ends */
    uint64_t count; /* entries */
    uint8_t zero2[PAGE_SIZE - 64];
    uint64_t sum; /* XXH3-64 of the bytes before, seed = base */
};
_Static_assert(sizeof(struct ids_head) == PAGE_SIZE, "");
_Static_assert(sizeof(struct id_file_entry) == 16, "");

static uint64_t head_sum(const struct ids_head *head)
{
    return XXH3_64bits_withSeed(head, sizeof *head - sizeof head->sum, head->base);
}

static uint64_t chunk_sum(const uint8_t *chunk, uint32_t ordinal, uint64_t number)
{
    return XXH3_64bits_withSeed(chunk, CHUNK_SIZE - sizeof(uint64_t),
                                (uint64_t)ordinal << 32 | number);
}

static void ids_paths(const struct wal *wal, uint32_t ordinal, char temporary[PATH_MAX_BYTES],
                      char path[PATH_MAX_BYTES])
{
    wal_path(wal->directory, temporary, "index/%08u.ids.tmp", ordinal);
    wal_path(wal->directory, path, "index/%08u.ids", ordinal);
}

/* --- writing --- */

mp_status ids_writer_open(struct ids_writer *writer, struct wal *wal, uint32_t ordinal)
{
    char temporary[PATH_MAX_BYTES], path[PATH_MAX_BYTES];
    const mp_env *env = wal->env;
    int result;

    *writer = (struct ids_writer){.wal = wal, .ordinal = ordinal, .file = -1, .offset = PAGE_SIZE};
    writer->buffer = aligned_alloc(PAGE_SIZE, BUFFER_SIZE);
    if (writer->buffer == NULL) return fail(MP_NO_MEMORY, "no memory to write an ids file");
    ids_paths(wal, ordinal, temporary, path);
    writer->file = wal_file_open(wal, temporary, MP_ENV_WRITE | MP_ENV_CREATE);
    if (writer->file < 0) return wal_failed_file(temporary, "made", writer->file);
    result = env->file_resize(env->context, writer->file, 0);
    if (result < 0) return wal_failed_file(temporary, "emptied", result);
    return MP_OK;
}

void ids_writer_close(struct ids_writer *writer)
{
    if (writer->file >= 0) {
        char temporary[PATH_MAX_BYTES], path[PATH_MAX_BYTES];
        const mp_env *env = writer->wal->env;

        ids_paths(writer->wal, writer->ordinal, temporary, path);
        env->file_close(env->context, writer->file);
        env->remove(env->context, temporary);
    }
    free(writer->buffer);
    *writer = (struct ids_writer){.file = -1};
}

static void end_chunk(struct ids_writer *writer)
{
    uint64_t start = writer->used / CHUNK_SIZE * CHUNK_SIZE;
    uint64_t number = (writer->offset - PAGE_SIZE + start) / CHUNK_SIZE;
    uint8_t *chunk = writer->buffer + start;
    uint64_t sum;

    memset(chunk + (writer->used - start), 0, CHUNK_SIZE - (writer->used - start));
    sum = chunk_sum(chunk, writer->ordinal, number);
    memcpy(chunk + CHUNK_SIZE - sizeof sum, &sum, sizeof sum);
    writer->used = start + CHUNK_SIZE;
}

static mp_status flush(struct ids_writer *writer)
{
    const mp_env *env = writer->wal->env;
    mp_env_piece piece = {writer->buffer, (size_t)writer->used};
    int64_t written;

    MP_ASSERT(writer->used % CHUNK_SIZE == 0);
    if (writer->used == 0) return MP_OK;
    written = env->file_write(env->context, writer->file, &piece, 1, writer->offset, false);
    if (written != (int64_t)writer->used) {
        char temporary[PATH_MAX_BYTES], path[PATH_MAX_BYTES];

        ids_paths(writer->wal, writer->ordinal, temporary, path);
        return wal_failed(temporary, writer->offset, "written", written);
    }
    writer->offset += writer->used;
    writer->used = 0;
    return MP_OK;
}

mp_status ids_writer_entry(void *context, const struct id_file_entry *entry)
{
    struct ids_writer *writer = context;

    memcpy(writer->buffer + writer->used, entry, sizeof *entry);
    writer->used += sizeof *entry;
    writer->count++;
    if (writer->used % CHUNK_SIZE == CHUNK_ENTRIES * sizeof *entry) end_chunk(writer);
    return writer->used == BUFFER_SIZE ? flush(writer) : MP_OK;
}

mp_status ids_writer_finish(struct ids_writer *writer, uint64_t end)
{
    _Alignas(PAGE_SIZE) struct ids_head head = {
        .magic = IDS_MAGIC,
        .version = FORMAT_VERSION,
        .ordinal = writer->ordinal,
        .timeline = writer->wal->identity.timeline,
        .base = segment_base(writer->ordinal),
        .end = end,
        .count = writer->count,
    };
    const mp_env *env = writer->wal->env;
    mp_env_piece piece = {&head, sizeof head};
    char temporary[PATH_MAX_BYTES], path[PATH_MAX_BYTES], directory[PATH_MAX_BYTES];
    int64_t written;
    mp_status status;
    int file = writer->file;

    if (writer->used % CHUNK_SIZE != 0) end_chunk(writer);
    status = flush(writer);
    if (status != MP_OK) return status;
    ids_paths(writer->wal, writer->ordinal, temporary, path);
    wal_path(writer->wal->directory, directory, "index");
    head.sum = head_sum(&head);
    written = env->file_write(env->context, file, &piece, 1, 0, false);
    if (written != (int64_t)sizeof head) return wal_failed(temporary, 0, "written", written);
    writer->file = -1;
    return wal_publish(env, file, temporary, path, directory);
}

/* --- reading --- */

/* Opens an ids file whose head is sound: *file = -1 when there is none. */
static mp_status open_sound(struct wal *wal, uint32_t ordinal, int *file, struct ids_head *head)
{
    char temporary[PATH_MAX_BYTES], path[PATH_MAX_BYTES];
    const mp_env *env = wal->env;
    int64_t result;

    ids_paths(wal, ordinal, temporary, path);
    *file = wal_file_open(wal, path, 0);
    if (*file == -ENOENT || *file == -ENOTDIR) {
        *file = -1;
        return MP_OK;
    }
    if (*file < 0) return wal_failed_file(path, "opened", *file);
    result = env->file_read(env->context, *file, head, sizeof *head, 0);
    if (result == (int64_t)sizeof *head && head->magic == IDS_MAGIC &&
        head->version <= FORMAT_VERSION && head->ordinal == ordinal &&
        head->base == segment_base(ordinal) && head->timeline == wal->identity.timeline &&
        head->sum == head_sum(head)) {
        return MP_OK;
    }
    env->file_close(env->context, *file); /* derived: a read error is damage like any other */
    *file = -1;
    return MP_OK;
}

mp_status ids_file_check(struct wal *wal, uint32_t ordinal, bool *sound)
{
    _Alignas(PAGE_SIZE) struct ids_head head;
    int file = -1;
    mp_status status = open_sound(wal, ordinal, &file, &head);

    if (status != MP_OK) return status;
    *sound = file >= 0;
    if (file >= 0) wal->env->file_close(wal->env->context, file);
    return MP_OK;
}

struct delivery {
    id_entry_fn fn;
    void *context;
    uint64_t skip; /* entries that were delivered before */
    uint64_t delivered;
};

static mp_status deliver(void *context, const struct id_file_entry *entry)
{
    struct delivery *delivery = context;

    if (delivery->skip > 0) {
        delivery->skip--;
        return MP_OK;
    }
    delivery->delivered++;
    return delivery->fn(delivery->context, entry);
}

/* Delivers the sound chunks up to the first damaged one. */
static mp_status read_chunks(struct wal *wal, int file, const struct ids_head *head,
                             uint8_t *buffer, struct delivery *delivery)
{
    const mp_env *env = wal->env;
    uint64_t chunks = (head->count + CHUNK_ENTRIES - 1) / CHUNK_ENTRIES;

    for (uint64_t first = 0; first < chunks; first += BUFFER_SIZE / CHUNK_SIZE) {
        uint64_t count = min_u64(BUFFER_SIZE / CHUNK_SIZE, chunks - first);
        int64_t result = env->file_read(env->context, file, buffer, (size_t)(count * CHUNK_SIZE),
                                        PAGE_SIZE + first * CHUNK_SIZE);

        for (uint64_t i = 0; i < count; i++) {
            const uint8_t *chunk = buffer + i * CHUNK_SIZE;
            uint64_t entries = min_u64(CHUNK_ENTRIES, head->count - (first + i) * CHUNK_ENTRIES);
            uint64_t sum;

            if (result < (int64_t)((i + 1) * CHUNK_SIZE)) return MP_OK;
            memcpy(&sum, chunk + CHUNK_SIZE - sizeof sum, sizeof sum);
            if (sum != chunk_sum(chunk, head->ordinal, first + i)) return MP_OK;
            for (uint64_t e = 0; e < entries; e++) {
                const struct id_file_entry *entry = (const struct id_file_entry *)chunk + e;
                uint64_t position = entry->position_tag & ~3ull;
                mp_status status;

                if ((entry->position_tag & 3) == 3 || position % UNIT_SIZE != 0 ||
                    position < head->base + PAGE_SIZE || position >= head->end) {
                    return MP_OK;
                }
                status = deliver(delivery, entry);

                if (status != MP_OK) return status;
            }
        }
    }
    return MP_OK;
}

mp_status ids_file_read(struct wal *wal, uint32_t ordinal, id_entry_fn fn, void *context)
{
    _Alignas(PAGE_SIZE) struct ids_head head;
    struct delivery delivery = {.fn = fn, .context = context};
    uint8_t *buffer;
    int file = -1;
    mp_status status = open_sound(wal, ordinal, &file, &head);

    if (status != MP_OK) return status;
    if (file < 0) {
        wal->segments[ordinal - 1].ids_damaged = true;
        return fail(MP_NOT_FOUND,
                    "%s/index/%08u.ids: is missing or damaged; the segment has all that it held",
                    wal->directory, ordinal);
    }
    buffer = aligned_alloc(PAGE_SIZE, BUFFER_SIZE);
    if (buffer != NULL) status = read_chunks(wal, file, &head, buffer, &delivery);
    wal->env->file_close(wal->env->context, file);
    if (buffer == NULL) return fail(MP_NO_MEMORY, "no memory to read an ids file");
    free(buffer);
    if (status != MP_OK || delivery.delivered == head.count) return status;
    wal->segments[ordinal - 1].ids_damaged = true;
    delivery.skip = delivery.delivered;
    return ids_scan(wal, ordinal, UINT64_MAX, deliver, &delivery);
}
