#include "resum.h"

#include "checkpoint_format.h"
#include "hash.h"

#include <stdio.h>
#include <stdlib.h>

/* A file that is there. */
struct file {
    struct sim *sim;
    char path[SIM_PATH_MAX];
    uint64_t size;
};

static bool file_find(struct file *file, struct sim *sim, const char *directory, const char *name)
{
    int64_t size;

    file->sim = sim;
    snprintf(file->path, sizeof file->path, "%s/%s", directory, name);
    size = sim_size(sim, file->path);
    file->size = size < 0 ? 0 : (uint64_t)size;
    return size >= 0;
}

/* Beyond the end: zeros are read, nothing is written. */
static void file_read(const struct file *file, uint64_t offset, void *to, size_t length)
{
    memset(to, 0, length);
    sim_read_file(file->sim, file->path, to, length, offset);
}

static void file_write(const struct file *file, uint64_t offset, const void *from, size_t length)
{
    if (offset < file->size) {
        sim_write_file(file->sim, file->path, from, (size_t)min_u64(length, file->size - offset),
                       offset);
    }
}

static void resum_slots(const struct file *file)
{
    for (unsigned i = 0; i < 2; i++) {
        struct ledger_slot slot;

        file_read(file, i * sizeof slot, &slot, sizeof slot);
        if (slot.magic != LEDGER_MAGIC) continue;
        slot.sum = XXH3_64bits(&slot, sizeof slot - sizeof slot.sum);
        file_write(file, i * sizeof slot, &slot, sizeof slot);
    }
}

/* --- the log --- */

static uint64_t base_of(uint32_t ordinal)
{
    uint64_t base = 0;

    for (uint32_t i = 1; i < ordinal && i < 64; i++)
        base += i > 4 ? SEGMENT_MAX : SEGMENT_FIRST << (i - 1);
    return base;
}

static mp_u128 sum_of_sums(const uint64_t *sums, uint32_t count)
{
    XXH128_hash_t hash = XXH3_128bits(sums, count * sizeof *sums);

    return MP_U128(hash.high64, hash.low64);
}

/* A page of a block: trailer as the header has it, sum. */
static uint64_t resum_page(const struct file *file, uint64_t offset, uint64_t position,
                           const struct block_header *header, uint32_t number, const void *changed)
{
    uint8_t page[PAGE_SIZE];
    struct page_trailer *trailer = (struct page_trailer *)(page + PAGE_DATA);

    file_read(file, offset, page, sizeof page);
    if (changed != NULL) memcpy(page, changed, sizeof *header);
    trailer->time = header->time;
    trailer->timeline_low = u128_low(header->timeline);
    trailer->epoch = header->epoch;
    trailer->page = (uint16_t)number;
    trailer->sum = XXH3_64bits_withSeed(page, PAGE_SIZE - sizeof trailer->sum, position);
    file_write(file, offset, page, sizeof page);
    return trailer->sum;
}

/* The block at an offset; returns its pages, 0 when there is none. */
static uint32_t resum_block(const struct file *file, uint64_t base, uint64_t offset,
                            mp_u128 *prev_sum)
{
    static uint64_t sums[BLOCK_PAGES_MAX];
    uint64_t size = file->size;
    struct block_header header;
    uint32_t pages;

    if (offset + PAGE_SIZE + FOOTER_SIZE > size) return 0;
    file_read(file, offset, &header, sizeof header);
    if (header.magic != BLOCK_MAGIC) return 0;
    pages = header.pages;
    if (pages == 0 || pages > BLOCK_PAGES_MAX || pages > (size - FOOTER_SIZE - offset) / PAGE_SIZE)
        pages = 1;
    for (uint32_t number = 1; number < pages; number++) {
        uint64_t at = offset + (uint64_t)number * PAGE_SIZE;

        sums[number] = resum_page(file, at, base + at, &header, number, NULL);
    }
    header.prev_sum = *prev_sum;
    header.sum = sum_of_sums(sums + 1, pages - 1);
    sums[0] = resum_page(file, offset, base + offset, &header, 0, &header);
    *prev_sum = sum_of_sums(sums, pages);
    return pages;
}

static void resum_segment(const struct file *file, uint32_t ordinal, mp_u128 *prev_sum)
{
    uint64_t size = file->size, base = base_of(ordinal), offset = PAGE_SIZE;
    struct segment_head head;
    struct segment_footer footer;

    file_read(file, 0, &head, sizeof head);
    head.sum = XXH3_64bits_withSeed(&head, sizeof head - sizeof head.sum, head.base);
    file_write(file, 0, &head, sizeof head);
    for (;;) {
        uint32_t pages = resum_block(file, base, offset, prev_sum);

        if (pages == 0) break;
        offset += (uint64_t)pages * PAGE_SIZE;
    }
    if (size < FOOTER_SIZE) return;
    file_read(file, size - FOOTER_SIZE, &footer, sizeof footer);
    if (footer.magic != FOOTER_MAGIC) return;
    footer.sum = 0;
    footer.sum = XXH3_64bits_withSeed(&footer, offsetof(struct segment_footer, zero3), footer.base);
    file_write(file, size - FOOTER_SIZE, &footer, sizeof footer);
}

/* --- what is derived --- */

static void resum_checkpoint(const struct file *file)
{
    static uint8_t chunk[CHUNK_BYTES];
    struct chunk_head *head = (struct chunk_head *)chunk;

    for (uint64_t at = 0; at + CHUNK_BYTES <= file->size; at += CHUNK_BYTES) {
        file_read(file, at, chunk, sizeof chunk);
        if (head->bytes > CHUNK_PAYLOAD) continue;
        head->sum = 0;
        head->sum = XXH3_64bits(chunk, sizeof *head + head->bytes);
        file_write(file, at, head, sizeof *head);
    }
}

static void resum_ids(const struct file *file, uint32_t ordinal)
{
    enum { CHUNK = 65536 };
    static uint8_t chunk[CHUNK];
    uint64_t size = file->size, base, sum;

    file_read(file, 0, chunk, PAGE_SIZE);
    memcpy(&base, chunk + 32, sizeof base);
    sum = XXH3_64bits_withSeed(chunk, PAGE_SIZE - sizeof sum, base);
    file_write(file, PAGE_SIZE - sizeof sum, &sum, sizeof sum);
    for (uint64_t at = PAGE_SIZE; at + CHUNK <= size; at += CHUNK) {
        file_read(file, at, chunk, sizeof chunk);
        sum = XXH3_64bits_withSeed(chunk, CHUNK - sizeof sum, (uint64_t)ordinal << 32 | at / CHUNK);
        file_write(file, at + CHUNK - sizeof sum, &sum, sizeof sum);
    }
}

void resum_all(struct sim *sim, const char *directory)
{
    char name[64];
    struct file file;
    mp_u128 prev_sum = 0;

    if (file_find(&file, sim, directory, "ledger.mp")) resum_slots(&file);
    for (uint32_t number = 1; number <= 4;
         number++) { /* more than the ledgers here have of anything */
        snprintf(name, sizeof name, "wal/%08u.wal", number);
        if (file_find(&file, sim, directory, name)) resum_segment(&file, number, &prev_sum);
        snprintf(name, sizeof name, "index/%08u.ids", number);
        if (file_find(&file, sim, directory, name)) resum_ids(&file, number);
        snprintf(name, sizeof name, "checkpoint/%08u.ckpt", number);
        if (file_find(&file, sim, directory, name)) resum_checkpoint(&file);
    }
}
