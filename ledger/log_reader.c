/* Sequential reading of a segment: a ring of bytes that reads fill ahead, several at once. A block
 * must lie in one piece, so before the ring there is room for one: what straddles the ring's end
 * has its first part copied there, right before the ring's start. */
#include "memory.h"
#include "wal_internal.h"

#define RING_BYTES   MIB(8)    /* a block and what is read ahead */
#define ROOM_BYTES   BLOCK_MAX /* before the ring */
#define READ_FIRST   KIB(64)   /* the first read; each is twice as long as the one before ... */
#define READ_MAX     MIB(1)    /* ... up to this */
#define AHEAD_MAX    MIB(4)    /* under way at once */
#define COMPACT_FROM MIB(1)    /* released before what is held moves to the ring's start */

_Static_assert(RING_BYTES + ROOM_BYTES == WAL_CURSOR_BYTES, "");
_Static_assert(RING_BYTES >= BLOCK_MAX + PAGE_SIZE, "a block and the next one's header");
_Static_assert(AHEAD_MAX / READ_MAX <= READS_MAX, "");

static uint8_t *ring_of(const struct log_reader *reader) { return reader->memory + ROOM_BYTES; }

mp_status log_reader_open(struct log_reader *reader, struct wal *wal, bool ring)
{
    const mp_env *env = wal->env;

    *reader = (struct log_reader){.wal = wal, .file = -1};
    reader->memory = pages_take(WAL_CURSOR_BYTES);
    if (reader->memory == NULL) {
        return fail(MP_NO_MEMORY, "no memory to read the log: %" PRIu64 " bytes", WAL_CURSOR_BYTES);
    }
    if (ring && !wal->no_ring && env->ring_open(env->context, 2 * READS_MAX, &reader->ring) < 0) {
        reader->ring = NULL; /* refused here: plain reads do */
    }
    return MP_OK;
}

/* Starts what is queued and takes in what has ended, one read at least if it may wait; false if the
 * ring is broken. */
static bool reap(struct log_reader *reader, bool wait)
{
    const mp_env *env = reader->wal->env;
    mp_env_completion completions[READS_MAX];
    int count =
        env->ring_reap(env->context, reader->ring, completions, READS_MAX, wait ? UINT64_MAX : 0);

    for (int i = 0; i < count; i++) {
        MP_ASSERT(completions[i].user < READS_MAX);
        reader->reads[completions[i].user].result = completions[i].result;
        reader->reads[completions[i].user].done = true;
    }
    return count >= 0;
}

/* Waits for all reads under way, since the memory is theirs until then. */
static void drain(struct log_reader *reader)
{
    while (reader->count > 0) {
        if (!reader->reads[reader->first].done) {
            if (!reap(reader, true)) return;
            continue;
        }
        reader->first = (reader->first + 1) % READS_MAX;
        reader->count--;
    }
}

void log_reader_close(struct log_reader *reader)
{
    if (reader->wal == NULL) return;
    drain(reader);
    if (reader->file >= 0) reader->wal->env->file_close(reader->wal->env->context, reader->file);
    if (reader->ring != NULL) reader->wal->env->ring_close(reader->wal->env->context, reader->ring);
    pages_free(reader->memory, WAL_CURSOR_BYTES);
    *reader = (struct log_reader){.file = -1};
}

mp_status log_reader_seek(struct log_reader *reader, uint64_t position, uint64_t limit)
{
    uint32_t ordinal = segment_of(position);

    MP_ASSERT(position % PAGE_SIZE == 0 && limit % PAGE_SIZE == 0);
    drain(reader);
    if (reader->ordinal != ordinal) {
        mp_status status;

        if (reader->file >= 0)
            reader->wal->env->file_close(reader->wal->env->context, reader->file);
        reader->ordinal = 0;
        reader->file = -1;
        status = segment_open_own(reader->wal, ordinal, &reader->file);
        if (status != MP_OK) return status;
        reader->ordinal = ordinal;
    }
    MP_ASSERT(limit <= segment_base(reader->ordinal) + segment_size(reader->ordinal));
    reader->origin = reader->begin = reader->loaded = reader->issued = position;
    reader->limit = limit;
    reader->ahead = READ_FIRST;
    return MP_OK;
}

static mp_status read_failed(const struct log_reader *reader)
{
    char path[PATH_MAX_BYTES];

    wal_path(reader->wal->directory, path, "wal/%08u.wal", reader->ordinal);
    return wal_failed(path, reader->reads[reader->first].position - segment_base(reader->ordinal),
                      "read", reader->reads[reader->first].result);
}

static void start_read(struct log_reader *reader, uint64_t length)
{
    const mp_env *env = reader->wal->env;
    unsigned number = (reader->first + reader->count) % READS_MAX;
    uint64_t position = reader->issued;
    uint64_t offset = position - segment_base(reader->ordinal);
    uint8_t *buffer = ring_of(reader) + (position - reader->origin) % RING_BYTES;

    MP_ASSERT(length > 0 && reader->count < READS_MAX);
    reader->reads[number].position = position;
    reader->reads[number].length = length;
    reader->reads[number].done = false;
    reader->issued += length;
    reader->count++;
    if (reader->ring != NULL && env->ring_read(env->context, reader->ring, reader->file, buffer,
                                               (size_t)length, offset, number) >= 0) {
        return;
    }
    reader->reads[number].result =
        env->file_read(env->context, reader->file, buffer, (size_t)length, offset);
    reader->reads[number].done = true;
}

/* Starts what is needed up to `need`, and with a ring some more ahead; whether there was anything
 * to start. */
static bool start_reads(struct log_reader *reader, uint64_t need)
{
    uint64_t target = min_u64(reader->limit, reader->ring == NULL ? need : need + reader->ahead);
    bool started = false;

    while (reader->issued < target && reader->count < READS_MAX) {
        uint64_t offset = (reader->issued - reader->origin) % RING_BYTES;
        uint64_t space = reader->begin + RING_BYTES - reader->issued;
        uint64_t length = reader->ahead;

        if (reader->issued < need) length = max_u64(length, need - reader->issued);
        length = min_u64(min_u64(length, READ_MAX),
                         min_u64(RING_BYTES - offset, reader->limit - reader->issued));
        if (length > space) {
            if (reader->issued >= need) break;
            length = space;
        }
        start_read(reader, length);
        started = true;
    }
    if (started) reader->ahead = min_u64(2 * reader->ahead, AHEAD_MAX);
    return started;
}

/* Takes in what has been read, in order, up to the first failure. */
static void collect(struct log_reader *reader)
{
    while (reader->count > 0 && reader->reads[reader->first].done &&
           reader->reads[reader->first].result == (int64_t)reader->reads[reader->first].length) {
        reader->loaded += reader->reads[reader->first].length;
        reader->first = (reader->first + 1) % READS_MAX;
        reader->count--;
    }
}

mp_status log_reader_get(struct log_reader *reader, uint64_t position, uint64_t bytes,
                         const uint8_t **data)
{
    uint64_t need = position + bytes;
    uint64_t offset = (position - reader->origin) % RING_BYTES;
    uint64_t before_end = RING_BYTES - offset;

    MP_ASSERT(reader->ordinal != 0 && position >= reader->begin && need <= reader->limit &&
              bytes <= BLOCK_MAX);
    MP_ASSERT(need - reader->begin <= RING_BYTES && position % PAGE_SIZE == 0 &&
              bytes % PAGE_SIZE == 0);
    for (;;) {
        bool broken = false;

        collect(reader);
        /* Also when all is there: the disk shall work while the caller does. */
        if (start_reads(reader, need) && reader->ring != NULL) broken = !reap(reader, false);
        collect(reader);
        if (reader->loaded >= need) break;
        /* A read that was only ahead may have failed: that matters when its bytes are wanted. */
        if (reader->reads[reader->first].done) return read_failed(reader);
        if (broken || !reap(reader, true))
            return fail(MP_IO, "the ring for reading the log failed: open without rings");
    }
    if (bytes <= before_end) {
        *data = ring_of(reader) + offset;
        return MP_OK;
    }
    memcpy(ring_of(reader) - before_end, ring_of(reader) + offset, before_end);
    *data = ring_of(reader) - before_end;
    return MP_OK;
}

/* Moves what is held to the ring's start, so that its later pages are never touched. */
static void compact(struct log_reader *reader)
{
    uint64_t offset = (reader->begin - reader->origin) % RING_BYTES;
    uint64_t held = reader->loaded - reader->begin;

    if (offset + held > RING_BYTES) return;
    memmove(ring_of(reader), ring_of(reader) + offset, held);
    reader->origin = reader->begin;
}

void log_reader_release(struct log_reader *reader, uint64_t position)
{
    MP_ASSERT(position >= reader->begin && position <= reader->loaded);
    reader->begin = position;
    /* Without a ring nothing writes into the memory now. */
    if (reader->ring == NULL && reader->count == 0 && position - reader->origin >= COMPACT_FROM)
        compact(reader);
}
