#include "wal_given.h"

#include "hash.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

char directory[PATH_MAX_BYTES];
mp_env env;
struct wal wal;
uint8_t *block_bytes;
struct world world;

/* Whether this change is made; the first one that isn't is the process's death. */
static bool changes(void)
{
    if (world.changes_left < 0) return true;
    if (world.changes_left == 0) return false;
    world.changes_left--;
    return true;
}

static const mp_env *posix(void) { return mp_env_posix(); }

static int64_t failing_read(void *context, int file, void *buffer, size_t length, uint64_t offset)
{
    (void)context;
    if (world.read_fails_at >= 0 && offset + length > (uint64_t)world.read_fails_at) return -EIO;
    return posix()->file_read(posix()->context, file, buffer, length, offset);
}

static int64_t failing_write(void *context, int file, const mp_env_piece *pieces, unsigned count,
                             uint64_t offset, bool durable)
{
    (void)context;
    if (world.write_fails != NULL && file == world.failing_file) return -EIO;
    if (!changes()) {
        mp_env_piece half = {pieces[0].data, pieces[0].length / PAGE_SIZE / 2 * PAGE_BYTES};

        if (half.length > 0) posix()->file_write(posix()->context, file, &half, 1, offset, false);
        return -EIO;
    }
    return posix()->file_write(posix()->context, file, pieces, count, offset, durable);
}

static int failing_dir_make(void *context, const char *path)
{
    (void)context;
    return changes() ? posix()->dir_make(posix()->context, path) : -EIO;
}

static int failing_dir_sync(void *context, const char *path)
{
    (void)context;
    return changes() ? posix()->dir_sync(posix()->context, path) : -EIO;
}

static int failing_rename(void *context, const char *from, const char *to)
{
    (void)context;
    return changes() ? posix()->rename(posix()->context, from, to) : -EIO;
}

static int failing_remove(void *context, const char *path)
{
    (void)context;
    return changes() ? posix()->remove(posix()->context, path) : -EIO;
}

static int failing_sync(void *context, int file)
{
    (void)context;
    return changes() ? posix()->file_sync(posix()->context, file) : -EIO;
}

static int failing_resize(void *context, int file, uint64_t size)
{
    (void)context;
    return changes() ? posix()->file_resize(posix()->context, file, size) : -EIO;
}

static int failing_open(void *context, const char *path, unsigned flags)
{
    int file;

    (void)context;
    if (world.no_direct && (flags & MP_ENV_DIRECT) != 0) return -EINVAL;
    if ((flags & MP_ENV_CREATE) != 0 && !changes()) return -EIO;
    file = posix()->file_open(posix()->context, path, flags);
    if (world.write_fails != NULL && (flags & MP_ENV_WRITE) != 0 &&
        strstr(path, world.write_fails) != NULL) {
        world.failing_file = file;
    }
    return file;
}

static int failing_allocate(void *context, int file, uint64_t offset, uint64_t length)
{
    (void)context;
    if (!changes()) return -EIO;
    return world.full ? -ENOSPC : posix()->file_allocate(posix()->context, file, offset, length);
}

static int failing_ring_open(void *context, unsigned entries, mp_env_ring **ring)
{
    (void)context;
    return world.no_ring ? -ENOSYS : posix()->ring_open(posix()->context, entries, ring);
}

void expect(mp_status status, mp_status expected)
{
    cr_assert_eq(status, expected, "%s instead of %s: %s", mp_status_name(status),
                 mp_status_name(expected), mp_last_error());
}

void expect_error(const char *text)
{
    cr_assert_not_null(strstr(mp_last_error(), text), "'%s' is not in: %s", text, mp_last_error());
}

void given_a_directory(void)
{
    const char *base = getenv("TMPDIR");

    snprintf(directory, sizeof directory, "%s/micropay-wal-XXXXXX", base != NULL ? base : "/tmp");
    cr_assert_not_null(mkdtemp(directory));
    env = *posix();
    env.file_read = failing_read;
    env.file_write = failing_write;
    env.file_open = failing_open;
    env.file_allocate = failing_allocate;
    env.ring_open = failing_ring_open;
    env.dir_make = failing_dir_make;
    env.dir_sync = failing_dir_sync;
    env.rename = failing_rename;
    env.remove = failing_remove;
    env.file_sync = failing_sync;
    env.file_resize = failing_resize;
    memset(&world, 0, sizeof world);
    world.read_fails_at = -1;
    world.failing_file = world.changes_left = -1;
}

static void remove_folder(const char *path)
{
    char names[65536], inside[PATH_MAX_BYTES];

    if (posix()->dir_list(posix()->context, path, names, sizeof names) < 0) return;
    for (const char *name = names; *name != '\0'; name += strlen(name) + 1) {
        cr_assert_lt(snprintf(inside, sizeof inside, "%s/%s", path, name), PATH_MAX_BYTES);
        remove(inside);
    }
    remove(path);
}

void remove_all(void)
{
    static const char *const folders[] = {"wal", "checkpoint", "index", "orphaned"};
    char path[PATH_MAX_BYTES];

    wal_close(&wal);
    free(block_bytes);
    block_bytes = NULL;
    for (unsigned i = 0; i < sizeof folders / sizeof *folders; i++) {
        path_of(path, folders[i]);
        remove_folder(path);
    }
    remove_folder(directory);
}

void given_a_ledger(void)
{
    given_a_directory();
    expect(wal_init(&env, directory, false), MP_OK);
}

/* --- what is done with it --- */

mp_status count_block(void *context, const struct block_view *block)
{
    struct seen *seen = context;

    seen->blocks++;
    seen->records += block->header->count;
    return MP_OK;
}

mp_status scan(struct wal *log, struct seen *seen)
{
    *seen = (struct seen){0};
    return wal_scan(log, PAGE_SIZE, 0, 1, UINT64_MAX, count_block, seen);
}

/* Opens as a writer does. */
mp_status open_writer(struct seen *seen)
{
    struct seen ignored;
    mp_status status = wal_open(&wal, &env, directory, true, false);

    if (seen == NULL) seen = &ignored;
    if (status == MP_OK) status = scan(&wal, seen);
    if (status == MP_OK) status = wal_settle(&wal, 0);
    return status;
}

void reopen(unsigned blocks)
{
    struct seen seen;

    wal_close(&wal);
    expect(open_writer(&seen), MP_OK);
    cr_assert_eq(seen.blocks, blocks, "%u blocks instead of %u", seen.blocks, blocks);
}

/* Builds a block of plain transfers with ids from its first sequence on. */
struct block_header *build(uint64_t position, uint32_t pages, uint32_t epoch, uint64_t mark)
{
    struct block_header *header;
    uint64_t sequence = wal.sequence;

    free(block_bytes);
    block_bytes = aligned_alloc(PAGE_SIZE, pages * PAGE_BYTES);
    cr_assert_not_null(block_bytes);
    memset(block_bytes, 0, pages * PAGE_BYTES);
    for (uint32_t number = 0; number < pages; number++) {
        uint8_t *page = block_bytes + number * PAGE_BYTES;
        struct page_trailer *trailer = (struct page_trailer *)(page + (size_t)PAGE_DATA);
        unsigned unit = number == 0 ? 4 : 0;

        trailer->first_sequence = sequence;
        for (; unit + 4 <= PAGE_UNITS; unit += 4) {
            struct transfer_record *record =
                (struct transfer_record *)(page + (size_t)unit * UNIT_SIZE);

            record->kind = MP_RECORD_TRANSFER;
            record->id = sequence++;
            record->amount = 1;
        }
        trailer->units_used = (uint16_t)unit;
    }
    header = (struct block_header *)block_bytes;
    *header = (struct block_header){
        .magic = BLOCK_MAGIC,
        .version = FORMAT_VERSION,
        .pages = pages,
        .timeline = wal.identity.timeline,
        .epoch = epoch,
        .position = position,
        .first_sequence = wal.sequence,
        .count = (uint32_t)(sequence - wal.sequence),
        .time = wal.last_time + 1000,
        .mark = mark,
        .prev_sum = wal.prev_sum,
    };
    return header;
}

/* Sums it, in a ring of just its size: so its pages lie turned round, as in the tail. */
mp_u128 finish_block(void)
{
    const struct block_header *header = (const struct block_header *)block_bytes;
    uint64_t position = header->position, size = (uint64_t)header->pages * PAGE_BYTES;
    uint8_t *ring = aligned_alloc(PAGE_SIZE, size);
    mp_u128 sum;

    cr_assert_not_null(ring);
    for (uint64_t at = 0; at < size; at += PAGE_SIZE) {
        memcpy(ring + (position + at) % size, block_bytes + at, PAGE_SIZE);
    }
    sum = block_finish(ring, size, position);
    for (uint64_t at = 0; at < size; at += PAGE_SIZE) {
        memcpy(block_bytes + at, ring + (position + at) % size, PAGE_SIZE);
    }
    free(ring);
    return sum;
}

/* Writes some pages of the block built last, as a power cut may leave it: bit i of `pages` = page i
 * is there. */
void write_pages(uint64_t pages)
{
    const struct block_header *header = (const struct block_header *)block_bytes;

    for (uint32_t number = 0; number < header->pages; number++) {
        mp_env_piece piece = {block_bytes + number * PAGE_BYTES, PAGE_SIZE};
        uint64_t at = header->position + number * PAGE_BYTES;
        int file = segment_of(at) == wal.ordinal ? wal.file : wal.file_previous;

        if (number < 64 && (pages >> number & 1) == 0) continue;
        cr_assert_eq(
            env.file_write(env.context, file, &piece, 1, at - segment_base(segment_of(at)), false),
            PAGE_SIZE);
    }
}

/* The block built last is the log's last one now. */
void block_counts(mp_u128 sum)
{
    const struct block_header *header = (const struct block_header *)block_bytes;

    wal.end = header->position + (uint64_t)header->pages * PAGE_BYTES;
    wal.prev_sum = sum;
    wal.sequence += header->count;
    wal.last_time = header->time;
    wal.last_block = header->position;
}

/* Appends a block, durably; the one before is known to be durable. Returns its position. */
uint64_t append(uint32_t pages)
{
    uint64_t position, mark = wal.end;
    mp_u128 sum;

    expect(wal_place(&wal, pages * PAGE_BYTES, &position), MP_OK);
    build(position, pages, wal.identity.epoch, mark);
    sum = finish_block();
    write_pages(UINT64_MAX);
    cr_assert_eq(env.file_sync(env.context, wal.file), 0);
    block_counts(sum);
    return position;
}

/* Fills segments until the log is in number `ordinal`, where it has one block. */
void fill_to(uint32_t ordinal)
{
    while (wal.ordinal < ordinal)
        append(wal_room(&wal) >= MIB(4) ? 1024 : (uint32_t)(wal_room(&wal) / PAGE_SIZE) + 1);
}

void path_of(char path[PATH_MAX_BYTES], const char *name)
{
    cr_assert_lt(snprintf(path, PATH_MAX_BYTES, "%.*s/%s", 3000, directory, name), PATH_MAX_BYTES);
}

void flip(const char *name, uint64_t offset)
{
    char path[PATH_MAX_BYTES];
    uint8_t byte;
    FILE *file;

    path_of(path, name);
    file = fopen(path, "r+");
    cr_assert_not_null(file, "%s", path);
    cr_assert_eq(fseek(file, (long)offset, SEEK_SET), 0);
    cr_assert_eq(fread(&byte, 1, 1, file), 1);
    byte ^= 0x10;
    cr_assert_eq(fseek(file, (long)offset, SEEK_SET), 0);
    cr_assert_eq(fwrite(&byte, 1, 1, file), 1);
    cr_assert_eq(fclose(file), 0);
}

uint64_t file_bytes(const char *name)
{
    char path[PATH_MAX_BYTES];
    struct stat status;

    path_of(path, name);
    return stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}

unsigned files_in(const char *name)
{
    char path[PATH_MAX_BYTES], names[8192];
    int count;

    path_of(path, name);
    count = env.dir_list(env.context, path, names, sizeof names);
    cr_assert_geq(count, 0);
    return (unsigned)count;
}

/* Everything in the log and in ledger.mp, to see that nothing changed. */
uint64_t contents(void)
{
    const char *const names[] = {"ledger.mp", "wal/00000001.wal", "wal/00000002.wal"};
    uint64_t sum = 0;

    for (unsigned i = 0; i < 3; i++) {
        char path[PATH_MAX_BYTES];
        uint64_t size = file_bytes(names[i]);
        uint8_t *bytes = malloc(size + 1);
        FILE *file;

        path_of(path, names[i]);
        file = fopen(path, "r");
        if (file == NULL) {
            free(bytes);
            continue;
        }
        cr_assert_eq(fread(bytes, 1, size, file), size);
        fclose(file);
        sum = XXH3_64bits_withSeed(bytes, size, sum);
        free(bytes);
    }
    return sum;
}

/* Makes something fail after 0, 1, 2 ... changes until it goes through; `again` must find all right
 * each time. */
void die_at_each_change(mp_status (*attempt)(void), void (*again)(void))
{
    mp_status status = MP_IO;

    for (int changes_made = 0; status != MP_OK; changes_made++) {
        cr_assert_lt(changes_made, 200);
        world.changes_left = changes_made;
        status = attempt();
        if (status != MP_OK) cr_assert_eq(world.changes_left, 0, "%s", mp_last_error());
        world.changes_left = -1;
        again();
    }
}
