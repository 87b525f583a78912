/* What a crash leaves behind the end of the log: what was in flight is cut, what was acknowledged
 * is never. */
#include "wal_given.h"

#include <stdio.h>
#include <unistd.h>

/* --- what was in flight --- */

Test(wal_settle, a_torn_block_is_cut_with_a_copy_and_a_notice, .init = given_a_ledger,
     .fini = remove_all)
{
    expect(open_writer(NULL), MP_OK);
    append(2);
    for (uint64_t torn = 0; torn < 7; torn++) { /* each subset of three pages but the whole */
        unsigned copies = files_in("orphaned");
        uint64_t end = wal.end;

        build(end, 3, wal.identity.epoch, end);
        finish_block();
        write_pages(torn);
        reopen(1);
        cr_assert_eq(wal.end, end);
        cr_assert_eq(wal.notice_count, torn == 0 ? 0 : 1);
        cr_assert_eq(files_in("orphaned"), copies + (torn == 0 ? 0 : 1));
        if (torn != 0)
            cr_assert_not_null(strstr(wal.notices[0], "wal/00000001.wal, offset"), "%s",
                               wal.notices[0]);
        reopen(1);
        cr_assert_eq(wal.notice_count, 0, "cut once");
    }
    append(3);
    reopen(2);
}

/* From the first page that arrived to the last one, with what lies between. */
Test(wal_settle, the_copy_holds_what_was_cut, .init = given_a_ledger, .fini = remove_all)
{
    enum { COPIED = 3 * PAGE_SIZE };
    static uint8_t copy[COPIED], expected[COPIED];
    char path[PATH_MAX_BYTES], name[80];
    FILE *file;

    expect(open_writer(NULL), MP_OK);
    build(wal.end, 5, wal.identity.epoch, wal.end);
    finish_block();
    write_pages(1u << 1 | 1u << 3);
    memcpy(expected, block_bytes + PAGE_SIZE, PAGE_SIZE);
    memcpy(expected + 2 * PAGE_SIZE, block_bytes + 3 * PAGE_SIZE, PAGE_SIZE);
    reopen(0);
    snprintf(name, sizeof name, "orphaned/e00000001-p%015" PRIu64 "-0.wal", 2 * PAGE_BYTES);
    cr_assert_not_null(strstr(wal.notices[0], name), "%s", wal.notices[0]);
    path_of(path, name);
    file = fopen(path, "r");
    cr_assert_not_null(file);
    cr_assert_eq(fread(copy, 1, sizeof copy, file), COPIED);
    cr_assert_eq(fgetc(file), EOF);
    fclose(file);
    cr_assert_eq(memcmp(copy, expected, COPIED), 0);
}

Test(wal_settle, a_torn_block_on_the_next_segments_second_page_is_cut, .init = given_a_ledger,
     .fini = remove_all)
{
    uint64_t position, end;

    expect(open_writer(NULL), MP_OK);
    append(1400);
    append(1400);
    end = wal.end;
    expect(wal_place(&wal, BLOCK_MAX, &position), MP_OK);
    cr_assert_eq(position, segment_base(2) + PAGE_SIZE);
    build(position, 3, wal.identity.epoch, end);
    finish_block();
    write_pages(3);
    reopen(2);
    cr_assert_eq(wal.end, end);
    cr_assert_eq(wal.notice_count, 1);
    cr_assert_not_null(strstr(wal.notices[0], "wal/00000002.wal"), "%s", wal.notices[0]);
    reopen(2);
    cr_assert_eq(wal.notice_count, 0, "cut once");
    append(2); /* fits where the chain ends */
    cr_assert_eq(wal.last_block, end);
    append(1400);
    cr_assert_eq(wal.last_block, position);
    reopen(4);
}

Test(wal_settle, a_whole_block_that_nobody_waited_for_stays, .init = given_a_ledger,
     .fini = remove_all)
{
    expect(open_writer(NULL), MP_OK);
    append(1);
    build(wal.end, 3, wal.identity.epoch, wal.end);
    finish_block();
    write_pages(UINT64_MAX);
    reopen(2);
    cr_assert_eq(wal.notice_count, 0);
}

Test(wal_settle, a_block_of_an_older_epoch_is_not_taken_for_a_later_one, .init = given_a_ledger,
     .fini = remove_all)
{
    uint64_t end;

    expect(open_writer(NULL), MP_OK);
    append(1);
    reopen(1);
    append(1); /* epoch 2 */
    end = wal.end;
    build(end, 1, 1, end);
    finish_block();
    write_pages(UINT64_MAX);
    reopen(2);
    cr_assert_eq(wal.end, end);
    cr_assert_eq(wal.notice_count, 1);

    /* One that would follow another block is none either, nor is one with a hole in the numbers or
     * an older time. */
    for (unsigned i = 0; i < 3; i++) {
        struct block_header *header = build(end, 1, wal.identity.epoch, end);

        if (i == 0) header->prev_sum++;
        if (i == 1) header->first_sequence++;
        if (i == 2) header->time = wal.last_time - 1;
        finish_block();
        write_pages(UINT64_MAX);
        reopen(2);
        cr_assert_eq(wal.end, end);
        cr_assert_eq(wal.notice_count, 1);
    }
}

/* An opening that dies at its first write to a file with this in its path. */
static void open_failing(const char *path)
{
    wal_close(&wal);
    world.failing_file = -1;
    world.write_fails = path;
    expect(open_writer(NULL), MP_IO);
    wal_close(&wal);
}

Test(wal_settle, a_crash_while_cutting_loses_neither_copy_nor_log, .init = given_a_ledger,
     .fini = remove_all)
{
    uint64_t before;

    expect(open_writer(NULL), MP_OK);
    append(2);
    build(wal.end, 3, wal.identity.epoch, wal.end);
    finish_block();
    write_pages(5);
    before = contents();
    open_failing("orphaned/"); /* while copying */
    cr_assert_eq(contents(), before, "nothing is cut before it is copied");
    open_failing("wal/"); /* while writing zeros */
    cr_assert_eq(files_in("orphaned"), 1);
    open_failing("ledger.mp"); /* the epoch */
    world.write_fails = NULL;
    reopen(1);
    cr_assert_eq(wal.notice_count, 0);
    cr_assert_eq(files_in("orphaned"), 2, "copied twice, not %u times", files_in("orphaned"));
    cr_assert_eq(wal.identity.epoch, 2);
}

static mp_status attempt_opening(void)
{
    wal_close(&wal);
    return open_writer(NULL);
}

static void open_and_tear_again(void)
{
    uint64_t position, end;

    reopen(2);
    end = wal.end;
    expect(wal_place(&wal, BLOCK_MAX, &position), MP_OK);
    build(position, 3, wal.identity.epoch, end);
    finish_block();
    write_pages(6);
    build(end, 3, wal.identity.epoch, end); /* and where the chain ends likewise */
    finish_block();
    write_pages(5);
}

Test(wal_settle, a_death_at_any_step_of_an_opening_leaves_what_was_acknowledged,
     .init = given_a_ledger, .fini = remove_all)
{
    expect(open_writer(NULL), MP_OK);
    append(1400);
    append(1400);
    open_and_tear_again();
    die_at_each_change(attempt_opening, open_and_tear_again);
}

Test(wal_settle, leftovers_are_removed, .init = given_a_ledger, .fini = remove_all)
{
    char path[PATH_MAX_BYTES];
    FILE *file;

    path_of(path, "wal/00000002.wal.tmp");
    file = fopen(path, "w");
    cr_assert_not_null(file);
    fclose(file);
    expect(open_writer(NULL), MP_OK);
    cr_assert_eq(files_in("wal"), 1);
}

/* --- damage to what was acknowledged --- */

static void expect_corrupt(const char *file, uint64_t offset)
{
    char text[80];
    uint64_t before = contents();

    wal_close(&wal);
    expect(open_writer(NULL), MP_CORRUPT);
    snprintf(text, sizeof text, "%s: offset %" PRIu64 ":", file, offset);
    expect_error(text);
    cr_assert_eq(contents(), before, "something was changed");
    cr_assert_eq(files_in("orphaned"), 0);
    wal_close(&wal);
}

Test(wal_damage, a_flipped_bit_in_the_last_block_without_a_later_mark_is_cut,
     .init = given_a_ledger, .fini = remove_all)
{
    expect(open_writer(NULL), MP_OK);
    append(1);
    append(2);
    flip("wal/00000001.wal", 3 * PAGE_BYTES + 100);
    reopen(1);
    cr_assert_eq(wal.notice_count, 1);
}

Test(wal_damage, a_flipped_bit_in_the_last_block_before_a_seal_is_refused, .init = given_a_ledger,
     .fini = remove_all)
{
    expect(open_writer(NULL), MP_OK);
    append(1);
    append(3);
    append(1); /* carries the mark, as a seal does */
    flip("wal/00000001.wal", 4 * PAGE_BYTES + 100);
    expect_corrupt("wal/00000001.wal", 4 * PAGE_BYTES);
}

Test(wal_damage, the_marks_of_ledger_mp_and_of_checkpoints_count, .init = given_a_ledger,
     .fini = remove_all)
{
    struct seen seen;

    expect(open_writer(NULL), MP_OK);
    append(1);
    append(1);
    flip("wal/00000001.wal", 2 * PAGE_BYTES);
    wal_close(&wal);
    expect(wal_open(&wal, &env, directory, true, false), MP_OK);
    expect(scan(&wal, &seen), MP_OK);
    cr_assert_eq(seen.blocks, 1);
    expect(wal_settle(&wal, 3 * PAGE_BYTES), MP_CORRUPT);
    expect_error("checkpoint");
    flip("wal/00000001.wal", 2 * PAGE_BYTES);
    reopen(2); /* this opening vouches for both */
    flip("wal/00000001.wal", 2 * PAGE_BYTES);
    expect_corrupt("wal/00000001.wal", 2 * PAGE_BYTES);
}

Test(wal_damage, a_mark_on_a_segments_second_page_says_nothing_of_a_block_there,
     .init = given_a_ledger, .fini = remove_all)
{
    uint64_t position;

    expect(open_writer(NULL), MP_OK);
    append(1400);
    append(1400);
    expect(wal_place(&wal, BLOCK_MAX, &position), MP_OK); /* and then it had nothing to write */
    wal.identity.mark = wal.end;
    expect(ledger_file_write(&wal), MP_OK);
    reopen(2);
    append(1);
    append(1);
    reopen(4);
}

Test(wal_damage, each_page_of_each_earlier_block_is_refused, .init = given_a_ledger,
     .fini = remove_all)
{
    expect(open_writer(NULL), MP_OK);
    append(1);
    append(3);
    append(2);
    append(1);
    for (uint64_t page = 1; page <= 6; page++) {
        flip("wal/00000001.wal", page * PAGE_BYTES + 50 * page);
        expect_corrupt("wal/00000001.wal", page * PAGE_BYTES);
        flip("wal/00000001.wal", page * PAGE_BYTES + 50 * page);
    }
    reopen(4);
}

Test(wal_damage, a_block_in_a_finished_segment_is_refused, .init = given_a_ledger,
     .fini = remove_all)
{
    expect(open_writer(NULL), MP_OK);
    fill_to(2);
    append(1);
    expect(segment_seal(&wal, 1), MP_OK);
    flip("wal/00000001.wal", MIB(9));
    expect_corrupt("wal/00000001.wal", MIB(9));
    flip("wal/00000001.wal", MIB(9));
    flip("wal/00000002.wal", PAGE_SIZE);
    expect_corrupt("wal/00000002.wal", PAGE_SIZE);
}

Test(wal_damage, damage_to_a_lone_block_far_from_the_end_is_found_by_search, .init = given_a_ledger,
     .fini = remove_all)
{
    expect(open_writer(NULL), MP_OK);
    append(1);
    append(1500);
    append(1500);
    append(1);
    flip("wal/00000001.wal", PAGE_SIZE);
    flip("wal/00000001.wal", 2 * PAGE_BYTES);
    expect_corrupt("wal/00000001.wal", PAGE_SIZE);
}

Test(wal_damage, a_read_error_is_no_torn_block, .init = given_a_ledger, .fini = remove_all)
{
    uint64_t before;

    expect(open_writer(NULL), MP_OK);
    append(1);
    append(1);
    wal_close(&wal);
    before = contents();
    world.no_ring = true;
    world.read_fails_at = 2 * PAGE_BYTES; /* of ledger.mp nothing lies there */
    expect(open_writer(NULL), MP_IO);
    expect_error("wal/00000001.wal: can't be read at offset");
    wal_close(&wal);
    world.read_fails_at = MIB(15); /* far behind the end: it could be a block with a mark */
    expect(open_writer(NULL), MP_IO);
    wal_close(&wal);
    cr_assert_eq(contents(), before);
    world.read_fails_at = -1;
    reopen(2);
}

Test(wal_damage, a_damaged_head_is_refused, .init = given_a_ledger, .fini = remove_all)
{
    flip("wal/00000001.wal", 70);
    expect(open_writer(NULL), MP_CORRUPT);
    expect_error("wal/00000001.wal: offset 0:");
}

Test(wal_damage, a_truncated_segment_is_refused, .init = given_a_ledger, .fini = remove_all)
{
    char path[PATH_MAX_BYTES];

    path_of(path, "wal/00000001.wal");
    cr_assert_eq(truncate(path, (off_t)MIB(15)), 0);
    expect(open_writer(NULL), MP_CORRUPT);
    expect_error("wal/00000001.wal: offset 15728640:");
}
