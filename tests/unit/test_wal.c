/* The log: making and opening one, blocks, the chain, readers. */
#include "page_cache.h"
#include "wal_given.h"
#include "wal_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* --- making and opening --- */

Test(wal_open, a_new_ledger_is_empty_and_can_be_opened_again, .init = given_a_ledger,
     .fini = remove_all)
{
    struct seen seen;

    expect(open_writer(&seen), MP_OK);
    cr_assert_eq(seen.blocks, 0);
    cr_assert_eq(wal.end, PAGE_SIZE);
    cr_assert_eq(wal.sequence, 1);
    cr_assert_eq(wal.notice_count, 0);
    cr_assert_eq(wal.identity.epoch, 1);
    reopen(0);
    cr_assert_eq(wal.identity.epoch, 2);
    cr_assert_eq(wal.notice_count, 0);
    cr_assert_eq(file_bytes("wal/00000001.wal"), MIB(16));
}

Test(wal_open, a_ledger_is_never_made_over_another, .init = given_a_ledger, .fini = remove_all)
{
    char path[PATH_MAX_BYTES];

    expect(wal_init(&env, directory, false), MP_EXISTS);
    expect(open_writer(NULL), MP_OK);
    append(1);
    wal_close(&wal);
    path_of(path, "ledger.mp");
    cr_assert_eq(remove(path), 0); /* somebody loses it: the log is no debris */
    expect(wal_init(&env, directory, false), MP_EXISTS);
    expect_error("has lost its ledger.mp");
    expect(open_writer(NULL), MP_NOT_FOUND);
}

Test(wal_open, a_making_that_was_interrupted_is_made_again, .init = given_a_ledger,
     .fini = remove_all)
{
    char path[PATH_MAX_BYTES], temporary[PATH_MAX_BYTES];

    path_of(path, "ledger.mp");
    path_of(temporary, "ledger.mp.tmp");
    cr_assert_eq(rename(path, temporary), 0);
    expect(open_writer(NULL), MP_NOT_FOUND);
    expect_error("interrupted");
    expect(wal_init(&env, directory, false), MP_OK);
    expect(open_writer(NULL), MP_OK);
}

Test(wal_open, no_room_for_the_first_segment_is_told_and_leaves_no_ledger,
     .init = given_a_directory, .fini = remove_all)
{
    world.full = true;
    expect(wal_init(&env, directory, false), MP_DISK_FULL);
    world.full = false;
    expect(open_writer(NULL), MP_NOT_FOUND);
    expect(wal_init(&env, directory, false), MP_OK);
}

Test(wal_open, a_second_writer_is_refused_and_a_reader_is_not, .init = given_a_ledger,
     .fini = remove_all)
{
    static struct wal other;

    expect(open_writer(NULL), MP_OK);
    expect(wal_open(&other, &env, directory, true, false), MP_LOCKED);
    expect_error("fork");
    expect(wal_open(&other, &env, directory, false, false), MP_OK);
    cr_assert(wal_writer_alive(&other));
    wal_close(&wal);
    cr_assert_not(wal_writer_alive(&other));
    wal_close(&other);
}

Test(wal_open, a_damaged_slot_of_ledger_mp_leaves_the_other, .init = given_a_ledger,
     .fini = remove_all)
{
    uint64_t newest;

    expect(open_writer(NULL), MP_OK); /* written twice by now: slot 0 is the newer one */
    append(1);
    newest = wal.identity.written % 2 * PAGE_BYTES;
    wal_close(&wal);
    flip("ledger.mp", newest + 40);
    reopen(1);
    cr_assert_eq(wal.identity.epoch, 2, "the epoch of the blocks counts too");
    wal_close(&wal);
    flip("ledger.mp", 40);
    flip("ledger.mp", PAGE_SIZE + 40);
    expect(open_writer(NULL), MP_CORRUPT);
    expect_error("ledger.mp: offset 0");
}

Test(wal_open, without_o_direct_and_rings_it_works_and_says_so, .init = given_a_ledger,
     .fini = remove_all)
{
    world.no_direct = world.no_ring = true;
    expect(open_writer(NULL), MP_OK);
    cr_assert_eq(wal.notice_count, 1);
    append(3);
    append(300);
    reopen(2);
}

Test(wal_open, a_lost_segment_is_named, .init = given_a_ledger, .fini = remove_all)
{
    char path[PATH_MAX_BYTES];

    expect(open_writer(NULL), MP_OK);
    fill_to(2);
    wal_close(&wal);
    path_of(path, "wal/00000001.wal");
    cr_assert_eq(remove(path), 0);
    expect(open_writer(NULL), MP_CORRUPT);
    expect_error("wal/00000001.wal");
}

Test(wal_open, a_lost_newest_segment_is_noticed_by_the_mark, .init = given_a_ledger,
     .fini = remove_all)
{
    char path[PATH_MAX_BYTES];

    expect(open_writer(NULL), MP_OK);
    fill_to(2);
    wal.identity.mark = wal.end; /* as at a seal */
    expect(ledger_file_write(&wal), MP_OK);
    wal_close(&wal);
    path_of(path, "wal/00000002.wal");
    cr_assert_eq(remove(path), 0);
    expect(open_writer(NULL), MP_CORRUPT);
    expect_error("ledger.mp says");
}

static mp_status attempt_init(void) { return wal_init(&env, directory, false); }

static void init_again(void)
{
    mp_status status = wal_init(&env, directory, false);

    cr_assert(status == MP_OK || status == MP_EXISTS, "%s", mp_last_error());
    expect(open_writer(NULL), MP_OK);
    remove_all();
    given_a_directory();
}

Test(wal_open, a_death_while_making_a_ledger_leaves_none_or_one, .init = given_a_directory,
     .fini = remove_all)
{
    die_at_each_change(attempt_init, init_again);
}

/* --- blocks --- */

Test(wal_block, every_flipped_byte_of_a_block_is_seen, .init = given_a_ledger, .fini = remove_all)
{
    mp_u128 sum, again;
    uint64_t size = 3 * PAGE_BYTES;

    expect(open_writer(NULL), MP_OK);
    build(wal.end, 3, 1, PAGE_SIZE);
    sum = finish_block();
    cr_assert(block_valid(block_bytes, size, wal.end, wal.identity.timeline, &again));
    cr_assert(sum == again);
    for (uint64_t at = 0; at < size; at++) {
        uint8_t *page = block_bytes + at / PAGE_SIZE * PAGE_BYTES;
        uint64_t position = wal.end + at / PAGE_SIZE * PAGE_BYTES;

        block_bytes[at] ^= 1;
        cr_assert_not(page_valid(page, position, u128_low(wal.identity.timeline)), "byte %" PRIu64,
                      at);
        cr_assert_not(block_valid(block_bytes, size, wal.end, wal.identity.timeline, &again),
                      "byte %" PRIu64, at);
        block_bytes[at] ^= 1;
    }
}

Test(wal_block, a_block_elsewhere_of_others_or_cut_short_is_none, .init = given_a_ledger,
     .fini = remove_all)
{
    mp_u128 sum;
    uint8_t page[PAGE_SIZE];

    expect(open_writer(NULL), MP_OK);
    build(wal.end, 3, 1, PAGE_SIZE);
    finish_block();
    cr_assert_not(
        block_valid(block_bytes, 3 * PAGE_BYTES, wal.end + PAGE_SIZE, wal.identity.timeline, &sum));
    cr_assert_not(
        block_valid(block_bytes, 3 * PAGE_BYTES, wal.end, wal.identity.timeline + 1, &sum));
    cr_assert_not(block_valid(block_bytes, 2 * PAGE_BYTES, wal.end, wal.identity.timeline, &sum));
    cr_assert_not(block_valid(block_bytes, 0, wal.end, wal.identity.timeline, &sum));
    memcpy(page, block_bytes + PAGE_SIZE, PAGE_SIZE); /* two of its pages change places */
    memcpy(block_bytes + PAGE_SIZE, block_bytes + 2 * PAGE_BYTES, PAGE_SIZE);
    memcpy(block_bytes + 2 * PAGE_BYTES, page, PAGE_SIZE);
    cr_assert_not(block_valid(block_bytes, 3 * PAGE_BYTES, wal.end, wal.identity.timeline, &sum));
}

/* --- the chain --- */

Test(wal_scan, what_was_appended_is_found_again, .init = given_a_ledger, .fini = remove_all)
{
    static const uint32_t sizes[] = {1, 2, 1, 17, 256, 1, 1536, 3};
    struct seen seen;

    expect(open_writer(NULL), MP_OK);
    for (unsigned i = 0; i < 8; i++) append(sizes[i]);
    wal_close(&wal);
    expect(open_writer(&seen), MP_OK);
    cr_assert_eq(seen.blocks, 8);
    cr_assert_eq(seen.records + 1, wal.sequence);
    cr_assert_eq(wal.notice_count, 0);
    cr_assert_eq(wal.last_epoch, 1);
    append(5);
    reopen(9);
    cr_assert_eq(wal.last_epoch, 2);
}

Test(wal_scan, the_chain_goes_on_in_the_next_segment, .init = given_a_ledger, .fini = remove_all)
{
    struct seen seen;
    unsigned blocks = 0;
    uint64_t position;

    expect(open_writer(NULL), MP_OK);
    for (; wal.ordinal < 3; blocks++) append(1400);
    cr_assert_eq(wal.last_block, segment_base(3) + PAGE_SIZE);
    position = wal.end;
    reopen(blocks);
    cr_assert_eq(wal.end, position);
    cr_assert_eq(wal.ordinal, 3);
    /* From the middle, as behind a checkpoint. */
    expect(wal_scan(&wal, wal.end, wal.prev_sum, wal.sequence, UINT64_MAX, count_block, &seen),
           MP_OK);
    seen.blocks = wal.last_epoch = 0;
    wal.last_time = 0;
    expect(wal_scan(&wal, PAGE_SIZE, 0, 1, segment_base(2), count_block, &seen), MP_OK);
    cr_assert_eq(seen.blocks, 2, "those that end before the stop: %u", seen.blocks);
}

Test(wal_scan, the_largest_blocks_are_found_one_after_another, .init = given_a_ledger,
     .fini = remove_all)
{
    expect(open_writer(NULL), MP_OK);
    append(255); /* so that they stand askew in the window */
    for (unsigned i = 0; i < 16; i++) append(BLOCK_PAGES_MAX);
    reopen(17);
    world.no_ring = true;
    reopen(17);
}

Test(wal_scan, small_blocks_over_many_windows_are_all_found, .init = given_a_ledger,
     .fini = remove_all)
{
    unsigned blocks = 0;

    expect(open_writer(NULL), MP_OK);
    for (uint32_t i = 0; wal.ordinal < 2; blocks++, i++) append(1 + i * 37 % 200);
    reopen(blocks);
    world.no_ring = true;
    reopen(blocks);
}

/* --- readers --- */

static struct wal reader;

static unsigned look_again(void)
{
    struct seen seen = {0};

    expect(
        wal_scan_reader(&reader, reader.end, reader.prev_sum, reader.sequence, count_block, &seen),
        MP_OK);
    return seen.blocks;
}

Test(wal_reader, a_block_is_shown_when_a_later_mark_covers_it, .init = given_a_ledger,
     .fini = remove_all)
{
    expect(open_writer(NULL), MP_OK);
    append(1);
    append(3);
    expect(wal_open(&reader, &env, directory, false, false), MP_OK);
    cr_assert_eq(look_again(), 1, "the last one may not be durable yet");
    cr_assert_eq(look_again(), 0);
    append(1); /* a seal */
    cr_assert_eq(look_again(), 1);
    cr_assert_eq(reader.last_block, 2 * PAGE_BYTES);
    append(2);
    append(1);
    cr_assert_eq(look_again(), 2);
    wal.identity.mark = wal.end;
    expect(ledger_file_write(&wal), MP_OK);
    cr_assert_eq(look_again(), 1);
    append(1);
    cr_assert_eq(look_again(), 0);
    wal_close(&wal);
    cr_assert_eq(look_again(), 1, "nobody writes any more");
    wal_close(&reader);
}

Test(wal_reader, it_follows_into_segments_made_later, .init = given_a_ledger, .fini = remove_all)
{
    unsigned blocks = 1, seen;

    expect(open_writer(NULL), MP_OK);
    append(1);
    expect(wal_open(&reader, &env, directory, false, false), MP_OK);
    cr_assert_eq(look_again(), 0);
    for (; wal.ordinal < 3; blocks++) append(1500);
    seen = look_again();
    cr_assert_eq(seen, blocks - 1, "%u of %u", seen, blocks);
    append(1);
    cr_assert_eq(look_again(), 1);
    wal_close(&reader);
}

Test(wal_reader, it_changes_nothing_and_finds_damage, .init = given_a_ledger, .fini = remove_all)
{
    struct seen seen = {0};
    uint64_t before;

    expect(open_writer(NULL), MP_OK);
    append(1);
    append(1);
    wal.identity.mark = wal.end;
    expect(ledger_file_write(&wal), MP_OK);
    wal_close(&wal);
    before = contents();
    expect(wal_open(&reader, &env, directory, false, false), MP_OK);
    cr_assert_eq(look_again(), 2);
    wal_close(&reader);
    cr_assert_eq(contents(), before);
    flip("wal/00000001.wal", 2 * PAGE_BYTES + 1);
    expect(wal_open(&reader, &env, directory, false, false), MP_OK);
    expect(wal_scan_reader(&reader, PAGE_SIZE, 0, 1, count_block, &seen), MP_CORRUPT);
    expect_error("wal/00000001.wal: offset 8192:");
    wal_close(&reader);
}

Test(wal_reader, single_pages_are_verified_and_kept, .init = given_a_ledger, .fini = remove_all)
{
    uint8_t page[PAGE_SIZE];

    expect(open_writer(NULL), MP_OK);
    append(3);
    expect(wal_read_page(&wal, 2 * PAGE_BYTES, page), MP_OK);
    cr_assert_eq(memcmp(page, block_bytes + PAGE_SIZE, PAGE_SIZE), 0);
    cr_assert_eq(atomic_load(&wal.disk_reads), 1);
    flip("wal/00000001.wal", 2 * PAGE_BYTES);
    expect(wal_read_page(&wal, 2 * PAGE_BYTES, page), MP_OK);
    cr_assert_eq(atomic_load(&wal.disk_reads), 1, "from the cache");
    flip("wal/00000001.wal", 3 * PAGE_BYTES);
    expect(wal_read_page(&wal, 3 * PAGE_BYTES, page), MP_CORRUPT);
    expect_error("wal/00000001.wal: offset 12288:");
    expect(wal_read_page(&wal, segment_base(2) + PAGE_SIZE, page), MP_CORRUPT);
    expect_error("wal/00000002.wal: offset 0:");
}

static unsigned open_files(void)
{
    unsigned count = 0;

    for (int file = 0; file < 256; file++) count += fcntl(file, F_GETFD) >= 0;
    return count;
}

Test(wal_reader, few_files_stay_open_however_many_segments_are_read, .init = given_a_ledger,
     .fini = remove_all)
{
    uint8_t page[PAGE_SIZE];
    unsigned before;
    int held;

    expect(open_writer(NULL), MP_OK);
    fill_to(4);
    wal_close(&wal);
    expect(wal_open(&wal, &env, directory, false, false), MP_OK);
    page_cache_close(wal.cache);
    wal.cache = NULL; /* each reading goes to the file */
    wal.files_max = 2;
    before = open_files() - 1; /* segment 1 was looked at */
    held = segment_file(&wal, 1);
    cr_assert_geq(held, 0);
    for (uint32_t i = 0; i < 40; i++) {
        expect(wal_read_page(&wal, segment_base(1 + i * 7 % 4) + PAGE_SIZE, page), MP_OK);
        cr_assert_leq(open_files(), before + 2 + 1, "%u more are open", open_files() - before);
        cr_assert_geq(fcntl(held, F_GETFD), 0, "one that is in use was closed");
    }
    cr_assert_eq(segment_file(&wal, 1), held);
    segment_release(&wal, 1);
    segment_release(&wal, 1);
    for (uint32_t i = 0; i < 40; i++) {
        expect(wal_read_page(&wal, segment_base(1 + i % 4) + PAGE_SIZE, page), MP_OK);
        cr_assert_leq(open_files(), before + 2);
    }
}

static uint64_t resident(const uint8_t *memory, uint64_t bytes)
{
    static unsigned char pages[WAL_CURSOR_BYTES / PAGE_SIZE];
    uint64_t count = 0;

    cr_assert_eq(mincore((void *)(uintptr_t)memory, bytes, pages), 0);
    for (uint64_t i = 0; i < bytes / PAGE_SIZE; i++) count += pages[i] & 1;
    return count * PAGE_SIZE;
}

Test(wal_reader, a_long_reading_without_a_ring_needs_little_memory, .init = given_a_ledger,
     .fini = remove_all)
{
    static _Alignas(PAGE_SIZE) uint8_t right[MIB(2)];
    uint64_t end = segment_data_end(1), step = PAGE_SIZE;
    struct log_reader window;
    int file = -1;

    expect(open_writer(NULL), MP_OK);
    fill_to(2);
    file = segment_file(&wal, 1);
    expect(log_reader_open(&window, &wal, false), MP_OK);
    expect(log_reader_seek(&window, PAGE_SIZE, end), MP_OK);
    for (uint64_t at = PAGE_SIZE; at < end; at += step) {
        const uint8_t *data;

        step = min_u64(step * 3 % MIB(2) / PAGE_SIZE * PAGE_SIZE + PAGE_SIZE, end - at);
        expect(log_reader_get(&window, at, step, &data), MP_OK);
        cr_assert_eq(env.file_read(env.context, file, right, step, at), (int64_t)step);
        cr_assert_eq(memcmp(data, right, step), 0, "at %" PRIu64, at);
        log_reader_release(&window, at + step);
    }
    cr_assert_leq(resident(window.memory, WAL_CURSOR_BYTES), WAL_HELPER_BYTES);
    log_reader_close(&window);
    segment_release(&wal, 1);
}

Test(wal_reader, a_cursor_stops_at_what_is_durable_and_goes_on, .init = given_a_ledger,
     .fini = remove_all)
{
    struct wal_cursor *cursor;
    struct block_view view;
    unsigned blocks = 0;

    expect(open_writer(NULL), MP_OK);
    expect(wal_cursor_open(&wal, PAGE_SIZE, false, &cursor), MP_OK);
    expect(wal_cursor_next(cursor, wal.end, &view), MP_END);
    while (wal.ordinal < 3) { /* each is read right after it was written */
        uint64_t position = append(1 + blocks * 199 % 1536);

        blocks++;
        expect(wal_cursor_next(cursor, wal.end, &view), MP_OK);
        cr_assert_eq(view.position, position);
        expect(wal_cursor_next(cursor, wal.end, &view), MP_END);
    }
    append(2);
    append(2);
    expect(wal_cursor_next(cursor, wal.end - 2 * PAGE_BYTES, &view), MP_OK);
    expect(wal_cursor_next(cursor, wal.end - 2 * PAGE_BYTES, &view), MP_END);
    expect(wal_cursor_next(cursor, wal.end - PAGE_SIZE, &view), MP_END);
    flip("wal/00000003.wal", wal.last_block - segment_base(3) + PAGE_SIZE);
    expect(wal_cursor_next(cursor, wal.end, &view), MP_CORRUPT);
    wal_cursor_close(cursor);
}

Test(wal_reader, the_block_behind_any_position_is_found, .init = given_a_ledger, .fini = remove_all)
{
    uint64_t first, second, third, from, block, end;

    expect(open_writer(NULL), MP_OK);
    first = append(3);
    second = append(1500);
    append(1500);
    end = wal.end;
    third = append(1500);
    cr_assert_eq(wal.ordinal, 2);
    struct {
        uint64_t position, expected;
    } cases[] = {
        {0, first},
        {1, first},
        {PAGE_SIZE, first},
        {PAGE_SIZE + 1, second},
        {2 * PAGE_BYTES, second},
        {second, second},
        {second - 1, second},
        {second + 1, second + 1500 * PAGE_BYTES},
        {end, third},
        {end + 1, third},
        {MIB(16) - 1, third},
        {MIB(16), third},
        {third, third},
        {third + 1, wal.end},
        {wal.end, wal.end},
        {UINT64_MAX, wal.end},
    };

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect(wal_find(&wal, cases[i].position, wal.end, &from), MP_OK);
        cr_assert_eq(from, cases[i].expected, "case %u: %" PRIu64, i, from);
    }
    expect(wal_block_of(&wal, second + 700 * PAGE_BYTES + 64, &block), MP_OK);
    cr_assert_eq(block, second);
    flip("wal/00000001.wal", second + PAGE_SIZE);
    expect(wal_find(&wal, second + PAGE_SIZE, wal.end, &from), MP_CORRUPT);
}
