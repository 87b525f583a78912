/* Room for the log, and what is derived from it: footers and ids. */
#include "hash.h"
#include "ids.h"
#include "wal_given.h"

/* --- room --- */

Test(wal_place, twelve_mib_stay_allocated_ahead, .init = given_a_ledger, .fini = remove_all)
{
    uint64_t position, taken = 0;

    expect(open_writer(NULL), MP_OK);
    world.full = true;
    while (wal_can_accept(&wal, MIB(1)) == MP_OK) {
        append(256);
        taken++;
    }
    cr_assert_eq(taken, 3);
    expect(wal_can_accept(&wal, MIB(1)), MP_DISK_FULL);
    expect_error("wal/00000002.wal");
    expect_error("33554432 bytes");
    /* What was promised still fits: two largest blocks, which no segment needs to be made for. */
    append(1536);
    append(1536);
    expect(wal_place(&wal, BLOCK_MAX, &position), MP_DISK_FULL);
    cr_assert_eq(files_in("wal"), 1);
    world.full = false;
    expect(wal_can_accept(&wal, MIB(1)), MP_OK);
    expect(wal_place(&wal, BLOCK_MAX, &position), MP_OK);
    cr_assert_eq(position, segment_base(2) + PAGE_SIZE);
    append(1);
    reopen(6);
}

static mp_status attempt_segment(void) { return wal_next_segment(&wal); }

static void append_again(void)
{
    unsigned blocks;

    reopen(1);
    append(1500);
    append(1500);
    append(1500);
    for (blocks = 4; wal.ordinal < 2; blocks++) append(100);
    reopen(blocks);
    remove_all();
    given_a_ledger();
    expect(open_writer(NULL), MP_OK);
    append(1);
}

Test(wal_place, a_death_while_making_a_segment_leaves_the_log_whole, .init = given_a_ledger,
     .fini = remove_all)
{
    expect(open_writer(NULL), MP_OK);
    append(1);
    die_at_each_change(attempt_segment, append_again);
}

/* The helper, until there is nothing to do. */
static unsigned help(void)
{
    unsigned steps = 0;
    bool worked = true;

    for (; worked; steps++) expect(wal_helper_step(&wal, wal.end, &worked), MP_OK);
    return steps - 1;
}

Test(wal_helper, the_next_segment_is_ready_before_it_is_needed, .init = given_a_ledger,
     .fini = remove_all)
{
    expect(open_writer(NULL), MP_OK);
    cr_assert_eq(help(), 0);
    while (wal.ordinal < 3) {
        append(64);
        help();
        if (wal_room(&wal) < WAL_RESERVE) {
            cr_assert_geq(atomic_load(&wal.next_ready), wal.ordinal + 1, "%" PRIu64 " bytes left",
                          wal_room(&wal));
        }
    }
    cr_assert_eq(file_bytes("wal/00000003.wal"), MIB(64));
    help();
    cr_assert_eq(wal.sealed, 2);
    cr_assert_eq(files_in("index"), 2);
}

Test(wal_helper, the_writer_takes_over_what_is_half_made, .init = given_a_ledger,
     .fini = remove_all)
{
    expect(open_writer(NULL), MP_OK);
    while (wal.maker.ordinal == 0) {
        append(64);
        help();
    }
    cr_assert_gt(wal.maker.done, 0);
    cr_assert_lt(wal.maker.done, MIB(32));
    expect(wal_next_segment(&wal), MP_OK);
    cr_assert_eq(files_in("wal"), 2);
    cr_assert_eq(wal.maker.ordinal, 0);
    fill_to(2);
    help();
    wal_close(&wal);
    expect(open_writer(NULL), MP_OK);
    cr_assert_eq(wal.ordinal, 2);
}

Test(wal_helper, a_full_disk_is_no_failure_of_the_helper, .init = given_a_ledger,
     .fini = remove_all)
{
    expect(open_writer(NULL), MP_OK);
    append(512);
    world.full = true;
    cr_assert_eq(help(), 0);
    cr_assert_eq(files_in("wal"), 1);
    world.full = false;
    append(512);
    cr_assert_gt(help(), 0);
}

/* --- what is derived --- */

Test(wal_footer, a_lost_footer_is_computed_again, .init = given_a_ledger, .fini = remove_all)
{
    static struct segment_footer footer, again;
    uint64_t entries = 0;

    expect(open_writer(NULL), MP_OK);
    append(1);
    append(1023);
    fill_to(2);
    expect(segment_seal(&wal, 1), MP_OK);
    expect(segment_footer_read(&wal, 1, &footer), MP_OK);
    cr_assert_eq(footer.first_sequence, 1);
    cr_assert_eq(footer.first_time, 1000);
    cr_assert_eq(footer.oldest_timestamp, 1000);
    cr_assert_eq(footer.newest_timestamp, footer.last_time);
    cr_assert_eq(footer.entries[0].position, PAGE_SIZE);
    cr_assert_eq(footer.entries[1].position, 1025 * PAGE_BYTES,
                 "the first that begins in that MiB or behind");
    cr_assert_eq(footer.entries[4].position, 1025 * PAGE_BYTES);
    cr_assert_eq(footer.entries[4].sequence, 30 + 30 + 1022 * 31 + 1);
    for (unsigned i = 0; i < 256; i++) entries += footer.entries[i].position != 0;
    cr_assert_leq(entries, 16);
    flip("wal/00000001.wal", MIB(16) - FOOTER_SIZE + 200);
    expect(segment_footer_read(&wal, 1, &again), MP_OK);
    cr_assert_eq(memcmp(&footer, &again, sizeof footer), 0);
    memset(&again, 0, sizeof again);
    expect(segment_footer_read(&wal, 1, &again), MP_OK);
    cr_assert_eq(memcmp(&footer, &again, sizeof footer), 0);
    expect(segment_footer_read(&wal, 2, &again), MP_NOT_FOUND);
}

struct ids_seen {
    uint64_t count;
    uint64_t sum;
    uint64_t secret[2];
    bool wrong;
};

/* In these tests ids are the sequence numbers. */
static mp_status see_id(void *context, const struct id_file_entry *entry)
{
    struct ids_seen *seen = context;

    seen->count++;
    seen->wrong = seen->wrong || entry->hash != id_hash(seen->secret, seen->count);
    seen->sum = XXH3_64bits_withSeed(entry, sizeof *entry, seen->sum);
    return MP_OK;
}

static struct ids_seen nothing_seen(void)
{
    struct ids_seen seen = {0};

    memcpy(seen.secret, wal.identity.hash_secret, sizeof seen.secret);
    return seen;
}

Test(wal_ids, a_damaged_ids_file_gives_the_same_ids, .init = given_a_ledger, .fini = remove_all)
{
    static const uint64_t damage[] = {0, 100, 4095, 4096, 4096 + 65535, 400000, 1100000, 1200000};
    struct ids_seen first, again;

    expect(open_writer(NULL), MP_OK);
    fill_to(2);
    expect(ids_file_write(&wal, 1), MP_OK);
    first = nothing_seen();
    expect(ids_file_read(&wal, 1, see_id, &first), MP_OK);
    cr_assert_not(first.wrong);
    cr_assert_eq(first.count, wal.sequence - 1 - ((const struct block_header *)block_bytes)->count);
    for (unsigned i = 0; i < 8; i++) {
        flip("index/00000001.ids", damage[i]);
        again = nothing_seen();
        if (damage[i] < PAGE_SIZE) {
            expect(ids_file_read(&wal, 1, see_id, &again), MP_NOT_FOUND);
            cr_assert_eq(again.count, 0);
            expect(ids_scan(&wal, 1, UINT64_MAX, see_id, &again), MP_OK);
        } else {
            expect(ids_file_read(&wal, 1, see_id, &again), MP_OK);
        }
        cr_assert_eq(again.count, first.count);
        cr_assert_eq(again.sum, first.sum);
        cr_assert(wal.segments[0].ids_damaged);
        flip("index/00000001.ids", damage[i]);
    }
    help(); /* writes it again */
    cr_assert_not(wal.segments[0].ids_damaged);
    expect(ids_file_read(&wal, 2, see_id, &again), MP_NOT_FOUND);
    expect(ids_scan(&wal, 2, UINT64_MAX, see_id, &again), MP_NOT_FOUND);
}

Test(wal_ids, part_of_a_segment_can_be_read, .init = given_a_ledger, .fini = remove_all)
{
    struct ids_seen seen;

    expect(open_writer(NULL), MP_OK);
    append(2);
    append(300);
    append(1);
    seen = nothing_seen();
    expect(ids_scan(&wal, 1, 303 * PAGE_BYTES, see_id, &seen), MP_OK);
    cr_assert_eq(seen.count, 61 + 30 + 299 * 31);
    flip("wal/00000001.wal", 303 * PAGE_BYTES - 100);
    expect(ids_scan(&wal, 1, 303 * PAGE_BYTES, see_id, &seen), MP_CORRUPT);
    expect_error("wal/00000001.wal: offset 1236992:");
}

Test(wal_ids, a_damaged_block_is_never_left_out, .init = given_a_ledger, .fini = remove_all)
{
    static struct segment_footer footer;

    expect(open_writer(NULL), MP_OK);
    fill_to(2);
    flip("wal/00000001.wal", MIB(9));
    expect(ids_file_write(&wal, 1), MP_CORRUPT);
    expect_error("wal/00000001.wal: offset 9437184:");
    expect(segment_footer_read(&wal, 1, &footer), MP_CORRUPT);
    cr_assert_eq(files_in("index"), 0);
}

struct entries {
    struct id_file_entry entries[16];
    unsigned count;
};

static mp_status keep_entry(void *context, const struct id_file_entry *entry)
{
    struct entries *entries = context;

    cr_assert_lt(entries->count, 16);
    entries->entries[entries->count++] = *entry;
    return MP_OK;
}

/* A block of records made by hand: each kind that has an id, or that closes or reverses something.
 */
Test(wal_ids, closing_and_reversing_records_are_entered_under_the_other_id, .init = given_a_ledger,
     .fini = remove_all)
{
    struct {
        mp_id id;
        uint64_t unit;
        enum id_tag tag;
    } expected[] = {
        {100, 7, ID_OBJECT},    /* a pending transfer */
        {101, 11, ID_OBJECT},   /* a post that takes all ... */
        {100, 11, ID_CLOSED},   /* ... of it */
        {102, 16, ID_OBJECT},   /* a post that keeps the rest */
        {103, 21, ID_OBJECT},   /* a reversal ... */
        {101, 21, ID_REVERSED}, /* ... of the post */
        {110, 27, ID_CLOSED},   /* an expiry */
        {104, 32, ID_OBJECT},   /* an account update */
        {105, 36, ID_OBJECT},   /* a bound id */
    };
    struct {
        mp_id id, other;
        unsigned flags;
        uint8_t kind, extensions;
        bool closes;
    } records[] = {
        {1, 0, 0, MP_RECORD_ACCOUNT, 0, false},
        {100, 0, MP_TRANSFER_PENDING, MP_RECORD_TRANSFER, 0, false},
        {101, 100, MP_TRANSFER_POST_PENDING, MP_RECORD_TRANSFER, EXT_RESERVATION, true},
        {102, 100, MP_TRANSFER_POST_PENDING | MP_TRANSFER_KEEP_PENDING, MP_RECORD_TRANSFER,
         EXT_RESERVATION, false},
        {103, 101, MP_TRANSFER_REVERSAL, MP_RECORD_TRANSFER, EXT_RESERVATION | EXT_REVERSAL, false},
        {0, 110, 0, MP_RECORD_EXPIRY, EXT_RESERVATION, true},
        {104, 0, 0, MP_RECORD_UPDATE, 0, false},
        {105, 0, 0, MP_RECORD_BOUND_ID, 0, false},
    };
    struct entries got = {0};
    struct block_header *header;
    uint64_t secret[2];
    unsigned unit = 4;

    expect(open_writer(NULL), MP_OK);
    memcpy(secret, wal.identity.hash_secret, sizeof secret);
    header = build(PAGE_SIZE, 1, 1, PAGE_SIZE);
    memset(block_bytes + 128, 0, PAGE_DATA - 128);
    for (unsigned i = 0; i < 8; i++) {
        struct transfer_record *record =
            (struct transfer_record *)(block_bytes + (size_t)unit * UNIT_SIZE);
        struct ext_reservation *reservation = (struct ext_reservation *)(record + 1);

        record->kind = records[i].kind;
        record->extensions = records[i].extensions;
        record->flags = (uint16_t)records[i].flags;
        record->id = records[i].id; /* at the same place in all */
        if (records[i].extensions != 0) {
            reservation->pending_id = records[i].other;
            reservation->inherited = records[i].closes ? CLOSES : 0;
        }
        unit += records[i].kind == MP_RECORD_ACCOUNT ? 3
                : records[i].kind == MP_RECORD_BOUND_ID
                    ? 1
                    : 4 + (unsigned)__builtin_popcount(records[i].extensions);
    }
    header->count = 8;
    ((struct page_trailer *)(block_bytes + (size_t)PAGE_DATA))->units_used = (uint16_t)unit;
    block_counts(finish_block());
    write_pages(1);
    expect(ids_scan(&wal, 1, 2 * PAGE_BYTES, keep_entry, &got), MP_OK);
    cr_assert_eq(got.count, sizeof expected / sizeof *expected);
    for (unsigned i = 0; i < got.count; i++) {
        cr_assert_eq(got.entries[i].hash, id_hash(secret, expected[i].id), "entry %u", i);
        cr_assert_eq(
            got.entries[i].position_tag, PAGE_SIZE + expected[i].unit * UNIT_SIZE + expected[i].tag,
            "entry %u at unit %" PRIu64, i, (got.entries[i].position_tag - PAGE_SIZE) / UNIT_SIZE);
    }
}
