#include "block_build.h"
#include "wal.h"

static struct page_trailer *trailer_of(struct tail *tail, uint64_t page_position)
{
    return (struct page_trailer *)(tail_at(tail, page_position) + PAGE_DATA);
}

static void page_begin(struct block *block, struct tail *tail)
{
    struct page_trailer *trailer =
        trailer_of(tail, block->position + (uint64_t)block->page * PAGE_SIZE);

    memset(trailer, 0, sizeof *trailer);
    trailer->time = block->time;
    trailer->first_sequence = block->sequence;
    trailer->page = (uint16_t)block->page;
}

static void page_end(struct block *block, struct tail *tail)
{
    uint64_t position = block->position + (uint64_t)block->page * PAGE_SIZE;

    trailer_of(tail, position)->units_used = (uint16_t)block->units;
    memset(tail_at(tail, position) + block->units * UNIT_SIZE, 0,
           (PAGE_UNITS - block->units) * UNIT_SIZE);
}

void block_begin(struct block *block, struct tail *tail, uint64_t position, uint64_t room,
                 uint64_t time, uint64_t sequence)
{
    MP_ASSERT(!block->open && position % PAGE_SIZE == 0 && room >= PAGE_SIZE);
    *block = (struct block){
        .open = true,
        .position = position,
        .room = room,
        .time = time,
        .first_sequence = sequence,
        .sequence = sequence,
        .units = sizeof(struct block_header) / UNIT_SIZE,
    };
    tail_claim(tail, position, min_u64(room, BLOCK_MAX));
    page_begin(block, tail);
}

uint8_t *block_record(struct block *block, struct tail *tail, unsigned units, uint64_t *position)
{
    uint64_t at;

    if (UNLIKELY(block->units + units > PAGE_UNITS)) {
        page_end(block, tail);
        block->page++;
        block->units = 0;
        MP_ASSERT(block_bytes(block) <= block->room);
        page_begin(block, tail);
    }
    at = block->position + (uint64_t)block->page * PAGE_SIZE + block->units * UNIT_SIZE;
    block->units += units;
    *position = at;
    return tail_at(tail, at);
}

void block_close(struct block *block, struct tail *tail) { page_end(block, tail); }

mp_u128 block_end(struct block *block, struct tail *tail, const struct block_identity *identity,
                  mp_u128 prev_sum, uint64_t mark, unsigned flags)
{
    struct block_header *header = (struct block_header *)tail_at(tail, block->position);

    for (uint32_t page = 0; page <= block->page; page++) {
        struct page_trailer *trailer =
            trailer_of(tail, block->position + (uint64_t)page * PAGE_SIZE);

        trailer->timeline_low = u128_low(identity->timeline);
        trailer->epoch = identity->epoch;
    }
    *header = (struct block_header){
        .magic = BLOCK_MAGIC,
        .version = FORMAT_VERSION,
        .flags = (uint16_t)flags,
        .pages = block->page + 1,
        .timeline = identity->timeline,
        .epoch = identity->epoch,
        .position = block->position,
        .first_sequence = block->first_sequence,
        .count = block->count,
        .expiries = block->expiries,
        .time = block->time,
        .mark = mark,
        .prev_sum = prev_sum,
        .input_positions = block->inputs,
    };
    block->open = false;
    return block_finish(tail->bytes, tail->size, block->position);
}
