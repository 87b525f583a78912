/* The log with all its threads: a writer appends, a helper makes and finishes segments, readers
 * verify single pages through a cache too small for them, and a reader of its own follows the
 * blocks. */
#include "wal.h"
#include "page_cache.h"
#include "support/must.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { READERS = 3, PAGES_MAX = 300 };

static char directory[] = "/tmp/micropay-threads-XXXXXX";
static struct wal wal, follower;
static _Atomic uint64_t durable = PAGE_SIZE;
static _Atomic uint64_t blocks_written;
static _Atomic int ended;

/* Where the blocks begin, for the readers to choose from. */
static uint64_t starts[4096];

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return *state >> 33;
}

static void append(uint8_t *block, uint32_t pages, uint64_t number)
{
    struct block_header *header = (struct block_header *)block;
    mp_env_piece piece = {block, pages * (size_t)PAGE_SIZE};
    uint64_t position, mark = wal.last_block == 0 ? PAGE_SIZE : wal.end;

    MUST(wal_can_accept(&wal, piece.length) == MP_OK);
    MUST(wal_place(&wal, piece.length, &position) == MP_OK);
    memset(block, 0, piece.length);
    for (uint32_t page = 0; page < pages; page++) {
        struct page_trailer *trailer =
            (struct page_trailer *)(block + (size_t)page * PAGE_SIZE + (size_t)PAGE_DATA);

        trailer->first_sequence = wal.sequence;
        trailer->units_used = page == 0 ? sizeof *header / UNIT_SIZE : 0;
    }
    *header = (struct block_header){.magic = BLOCK_MAGIC,
                                    .version = FORMAT_VERSION,
                                    .pages = pages,
                                    .timeline = wal.identity.timeline,
                                    .epoch = wal.identity.epoch,
                                    .position = position,
                                    .first_sequence = wal.sequence,
                                    .time = number + 1,
                                    .mark = mark,
                                    .prev_sum = wal.prev_sum};
    wal.prev_sum = block_finish(block, piece.length, position);
    MUST(wal.env->file_write(wal.env->context, wal.file, &piece, 1,
                             position - segment_base(wal.ordinal), true) == (int64_t)piece.length);
    wal.end = position + piece.length;
    wal.last_block = position;
    starts[number] = position;
    atomic_store_explicit(&blocks_written, number + 1, memory_order_release);
    atomic_store_explicit(&durable, wal.end, memory_order_release);
}

static void *write_all(void *unused)
{
    uint8_t *block = aligned_alloc(PAGE_SIZE, (size_t)PAGES_MAX * PAGE_SIZE);
    uint64_t random = 1;

    (void)unused;
    MUST(block != NULL);
    for (uint64_t number = 0; wal.ordinal < 4 && number < 4096; number++) {
        /* block_finish takes a ring: sizes that divide the position keep the block in one piece. */
        uint32_t pages = 1 + (uint32_t)(next_random(&random) % PAGES_MAX);

        while ((wal.end / PAGE_SIZE) % pages != 0) pages--;
        append(block, wal_room(&wal) >= pages * (uint64_t)PAGE_SIZE ? pages : 1, number);
    }
    free(block);
    atomic_store(&ended, 1);
    return NULL;
}

static void *help(void *unused)
{
    bool worked = true;

    (void)unused;
    while (atomic_load(&ended) == 0 || worked) {
        MUST(wal_helper_step(&wal, atomic_load_explicit(&durable, memory_order_acquire), &worked) ==
             MP_OK);
    }
    return NULL;
}

static void *read_pages(void *seed)
{
    uint64_t random = (uint64_t)(uintptr_t)seed;
    uint8_t page[PAGE_SIZE];

    while (atomic_load(&ended) == 0) {
        uint64_t count = atomic_load_explicit(&blocks_written, memory_order_acquire);
        uint64_t position;

        if (count == 0) continue;
        position = starts[next_random(&random) % count]; /* of all segments ... */
        if (next_random(&random) % 2 == 0)
            position = starts[next_random(&random) % count % 64]; /* ... or from the cache */
        MUST(wal_read_page(&wal, position, page) == MP_OK);
        MUST(((const struct block_header *)page)->position == position);
    }
    return NULL;
}

static mp_status count_block(void *context, const struct block_view *block)
{
    uint64_t *blocks = context;

    MUST(block->header->time == *blocks + 1);
    (*blocks)++;
    return MP_OK;
}

static void *follow(void *unused)
{
    uint64_t blocks = 0;

    (void)unused;
    MUST(wal_open(&follower, mp_env_posix(), directory, false, false) == MP_OK);
    while (blocks < 10 || atomic_load(&ended) == 0) {
        MUST(wal_scan_reader(&follower, follower.end, follower.prev_sum, follower.sequence,
                             count_block, &blocks) == MP_OK);
        MUST(blocks <= atomic_load_explicit(&blocks_written, memory_order_acquire) + 1);
    }
    MUST(wal_scan_reader(&follower, follower.end, follower.prev_sum, follower.sequence, count_block,
                         &blocks) == MP_OK);
    MUST(blocks == atomic_load(&blocks_written) - 1); /* no later mark covers the last one */
    wal_close(&follower);
    return NULL;
}

static void remove_folder(const char *name)
{
    const mp_env *env = mp_env_posix();
    char path[64], names[4096], inside[sizeof path + sizeof names];

    snprintf(path, sizeof path, "%s%s", directory, name);
    if (env->dir_list(env->context, path, names, sizeof names) < 0) return;
    for (const char *entry = names; *entry != '\0'; entry += strlen(entry) + 1) {
        snprintf(inside, sizeof inside, "%s/%s", path, entry);
        remove(inside);
    }
    remove(path);
}

static mp_status count_all(void *context, const struct block_view *block)
{
    (void)block;
    ++*(uint64_t *)context;
    return MP_OK;
}

int main(void)
{
    pthread_t threads[READERS + 3];
    uint64_t blocks = 0;
    unsigned count = 0;

    MUST(mkdtemp(directory) != NULL);
    MUST(wal_init(mp_env_posix(), directory, false) == MP_OK);
    MUST(wal_open(&wal, mp_env_posix(), directory, true, false) == MP_OK);
    MUST(wal_scan(&wal, PAGE_SIZE, 0, 1, UINT64_MAX, count_all, &blocks) == MP_OK);
    MUST(wal_settle(&wal, 0) == MP_OK);
    page_cache_close(wal.cache);
    wal.cache = page_cache_open(32);
    MUST(wal.cache != NULL);
    wal.files_max = 1; /* likewise */

    MUST(pthread_create(&threads[count++], NULL, write_all, NULL) == 0);
    MUST(pthread_create(&threads[count++], NULL, help, NULL) == 0);
    MUST(pthread_create(&threads[count++], NULL, follow, NULL) == 0);
    for (uintptr_t i = 0; i < READERS; i++) {
        MUST(pthread_create(&threads[count++], NULL, read_pages, (void *)(i + 1)) == 0);
    }
    while (count > 0) MUST(pthread_join(threads[--count], NULL) == 0);
    wal_close(&wal);

    MUST(wal_open(&wal, mp_env_posix(), directory, true, false) == MP_OK);
    MUST(wal_scan(&wal, PAGE_SIZE, 0, 1, UINT64_MAX, count_all, &blocks) == MP_OK);
    MUST(wal_settle(&wal, 0) == MP_OK);
    MUST(blocks == atomic_load(&blocks_written));
    MUST(wal.notice_count == 0);
    wal_close(&wal);
    remove_folder("/wal");
    remove_folder("/checkpoint");
    remove_folder("/index");
    remove_folder("/orphaned");
    remove_folder("");
    return 0;
}
