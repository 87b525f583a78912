/* A ledger whose files were damaged, or that somebody else uses: what was acknowledged and is
 * damaged is refused by file and offset, and nothing is changed; what nobody vouches for is cut
 * with a copy and a notice; what is foreign or stale is never taken for the log. */
#include "story.h"
#include "wal.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCKS_MAX = 64 };

static const char log_path[] = "bank/wal/00000001.wal";

/* Where a log's blocks are; 0 or more of them. */
struct blocks {
    uint64_t position[BLOCKS_MAX];
    uint64_t end;
    unsigned count;
};

static struct blocks find_blocks(const struct sim *sim)
{
    struct blocks blocks = {.end = PAGE_SIZE};
    struct block_header header;

    for (;;) {
        sim_read_file(sim, log_path, &header, sizeof header, blocks.end);
        if (header.magic != BLOCK_MAGIC) return blocks;
        cr_assert_lt(blocks.count, BLOCKS_MAX);
        blocks.position[blocks.count++] = blocks.end;
        blocks.end += (uint64_t)header.pages * PAGE_SIZE;
    }
}

static void die(struct story *story)
{
    struct sim *copy = sim_clone(story->sim);

    story_close(story);
    sim_free(story->sim);
    story->sim = copy;
    sim_kill(copy);
}

/* A story that was told up to a step; then the process dies, or closes the ledger. */
static struct story told_up_to(unsigned step, bool closed)
{
    struct story story = story_begin(story_world(), (mp_options){0});

    cr_assert_eq(story_open(&story), MP_OK, "%s", mp_last_error());
    cr_assert_eq(story_tell(&story, step), MP_OK, "%s", mp_last_error());
    if (closed)
        cr_assert_eq(story_close(&story), MP_OK);
    else
        die(&story);
    return story;
}

/* Refused as damaged, by file and offset; neither this nor a reader changes anything. */
static void expect_refused(const struct story *told, struct sim *sim, uint64_t page)
{
    struct story story = *told;
    uint64_t digest = sim_digest(sim);
    char why[400], offset[64];

    story.sim = sim;
    cr_assert_eq(story_open(&story), MP_CORRUPT, "damage at %" PRIu64 " was opened", page);
    cr_assert_not_null(strstr(mp_last_error(), log_path), "%s", mp_last_error());
    snprintf(offset, sizeof offset, "offset %" PRIu64, page);
    cr_assert_not_null(strstr(mp_last_error(), offset), "%s is not said: %s", offset,
                       mp_last_error());
    story.options.flags |= MP_OPEN_READ;
    cr_assert_eq(story_open(&story), MP_CORRUPT, "a reader took damage at %" PRIu64, page);
    cr_assert_not(story_verified(sim, NULL, why, sizeof why), "damage at %" PRIu64, page);
    cr_assert_eq(sim_digest(sim), digest, "something was changed");
}

static unsigned orphans(const struct sim *sim)
{
    char names[1024];

    return (unsigned)sim_list(sim, "bank/orphaned", names, sizeof names);
}

/* Opened as after so many steps, with a copy and a notice; goes on, and the next opening finds
 * nothing more to cut. */
static void expect_cut(const struct story *told, struct sim *sim, unsigned answered,
                       const char *what)
{
    struct story story = *told;
    struct tally tally = {0};
    unsigned before = orphans(sim);

    story.sim = sim;
    story.answered = story.asked = answered;
    cr_assert_eq(story_open(&story), MP_OK, "%s: %s", what, mp_last_error());
    cr_assert_not_null(mp_notice(story.ledger, 0), "%s: no notice", what);
    cr_assert_not_null(strstr(mp_notice(story.ledger, 0), "orphaned/"), "%s: %s", what,
                       mp_notice(story.ledger, 0));
    cr_assert_eq(orphans(sim), before + 1, "%s", what);
    cr_assert_eq(story_books(story.ledger, answered, answered), (int)answered,
                 "%s: the books are wrong", what);
    cr_assert_eq(story_close(&story), MP_OK);
    cr_assert_eq(story_open(&story), MP_OK, "%s", mp_last_error());
    cr_assert_null(mp_notice(story.ledger, 0), "%s: again %s", what, mp_notice(story.ledger, 0));
    cr_assert_eq(story_close(&story), MP_OK);
    story_check(&story, sim, what, &tally);
    cr_assert_eq(tally.refused + tally.lost + tally.wrong, 0, "%s", tally.first);
}

/* --- damage --- */

static void damage_each_page(const struct story *told, uint64_t from, uint64_t to)
{
    static const unsigned offsets[] = {1, 200, PAGE_DATA - 1, PAGE_DATA + 1, PAGE_SIZE - 1};

    cr_assert_lt(from, to);
    for (uint64_t page = from; page < to; page += PAGE_SIZE) {
        for (unsigned i = 0; i < sizeof offsets / sizeof *offsets; i++) {
            struct sim *sim = sim_clone(told->sim);

            sim_flip(sim, log_path, page + offsets[i], i % 8);
            expect_refused(told, sim, page);
            sim_free(sim);
        }
    }
}

Test(damage, a_flipped_bit_anywhere_in_a_sealed_log_is_refused_and_nothing_changed, .timeout = 120)
{
    struct story told = told_up_to(STORY_STEPS, true);

    damage_each_page(&told, PAGE_SIZE, find_blocks(told.sim).end);
    sim_free(told.sim);
}

/* The process has died right after an answer: nothing is sealed, but each block vouches for the one
 * before. */
Test(damage, a_flipped_bit_before_an_unsealed_block_is_refused, .timeout = 120)
{
    struct story told = told_up_to(4, false);
    struct blocks blocks = find_blocks(told.sim);

    cr_assert_geq(blocks.count, 4);
    damage_each_page(&told, PAGE_SIZE, blocks.position[blocks.count - 1]);
    sim_free(told.sim);
}

/* Nothing else vouches for the very last block yet: docs/reliability.md, What stays open. */
Test(damage, a_flipped_bit_in_the_very_last_unsealed_block_is_cut_with_a_copy, .timeout = 120)
{
    struct story told = told_up_to(8, false);
    struct blocks blocks = find_blocks(told.sim);
    uint64_t last = blocks.position[blocks.count - 1];

    cr_assert_geq(blocks.end - last, 3 * PAGE_SIZE, "it has several pages");
    for (uint64_t page = last; page < blocks.end; page += PAGE_SIZE) {
        struct sim *sim = sim_clone(told.sim);

        sim_flip(sim, log_path, page + 300, 5);
        expect_cut(&told, sim, 7, "a flipped bit in the last block");
        sim_free(sim);
    }
    sim_free(told.sim);
}

Test(damage, the_same_block_is_refused_once_it_is_sealed, .timeout = 120)
{
    struct story told = told_up_to(6, true);
    struct blocks blocks = find_blocks(told.sim);

    damage_each_page(&told, blocks.position[blocks.count - 2], blocks.end);
    sim_free(told.sim);
}

/* The seal's own block, and the one before it, are gone: ledger.mp still says what was sealed. */
Test(damage, a_lost_seal_and_what_lay_before_it_are_missed, .timeout = 120)
{
    struct story told = story_begin(story_world(), (mp_options){0});
    static const uint8_t zeros[PAGE_SIZE];
    struct blocks blocks;
    bool worked = true;

    cr_assert_eq(story_open(&told), MP_OK, "%s", mp_last_error());
    cr_assert_eq(story_tell(&told, 4), MP_OK, "%s", mp_last_error());
    sim_pass(told.sim, 20000000);
    while (worked) cr_assert_eq(mp_step(told.ledger, &worked), MP_OK);
    die(&told);
    blocks = find_blocks(told.sim);
    for (uint64_t page = blocks.position[blocks.count - 2]; page < blocks.end; page += PAGE_SIZE)
        sim_write_file(told.sim, log_path, zeros, sizeof zeros, page);
    expect_refused(&told, told.sim, blocks.position[blocks.count - 2]);
    sim_free(told.sim);
}

Test(damage, both_slots_of_ledger_mp_are_needed_to_lose_it, .timeout = 120)
{
    struct story told = told_up_to(STORY_STEPS, true), story = told;

    for (unsigned slot = 0; slot < 2; slot++) {
        struct tally tally = {0};
        struct sim *sim = sim_clone(told.sim);

        sim_flip(sim, "bank/ledger.mp", slot * UINT64_C(4096) + 24, 1);
        story_check(&told, sim, "a damaged slot", &tally);
        cr_assert_eq(tally.refused + tally.lost + tally.wrong, 0, "%s", tally.first);
        sim_free(sim);
    }
    sim_flip(told.sim, "bank/ledger.mp", 24, 1);
    sim_flip(told.sim, "bank/ledger.mp", 4096 + 24, 1);
    cr_assert_eq(story_open(&story), MP_CORRUPT);
    cr_assert_not_null(strstr(mp_last_error(), "bank/ledger.mp: offset 0"), "%s", mp_last_error());
    sim_free(told.sim);
}

/* --- what is not the log's --- */

static void plant(struct sim *to, const struct sim *from, uint64_t source, uint64_t target,
                  uint64_t length)
{
    uint8_t *bytes = malloc(length);

    sim_read_file(from, log_path, bytes, length, source);
    sim_write_file(to, log_path, bytes, length, target);
    free(bytes);
}

/* Whole and sound, but of another place. */
Test(damage, an_older_block_behind_the_end_is_not_taken_for_a_new_one, .timeout = 120)
{
    struct story told = told_up_to(STORY_STEPS, true);
    struct blocks blocks = find_blocks(told.sim);

    for (unsigned i = 0; i < blocks.count; i++) {
        uint64_t to = i + 1 < blocks.count ? blocks.position[i + 1] : blocks.end;

        for (unsigned gap = 0; gap < 2; gap++) {
            struct sim *sim = sim_clone(told.sim);

            plant(sim, told.sim, blocks.position[i], blocks.end + gap * PAGE_SIZE,
                  to - blocks.position[i]);
            expect_cut(&told, sim, STORY_STEPS, "an older block behind the end");
            sim_free(sim);
        }
    }
    sim_free(told.sim);
}

/* A power cut left a block in flight; the ledger went on otherwise from there. Should a block of
 * that other life come back to its very place, it doesn't follow. */
Test(damage, a_block_of_another_life_at_its_own_place_is_not_taken, .timeout = 120)
{
    struct story told = told_up_to(6, true), other = told;
    struct block_header header;
    uint64_t end;

    other.sim = sim_clone(told.sim);
    sim_pass(other.sim, UINT64_C(1000000000)); /* the same events, but for their time */
    cr_assert_eq(story_open(&other), MP_OK);
    cr_assert_eq(story_tell(&other, 8), MP_OK); /* two blocks: of one page, of several */
    cr_assert_eq(story_close(&other), MP_OK);
    cr_assert_eq(story_open(&told), MP_OK);
    cr_assert_eq(story_tell(&told, 7), MP_OK);
    die(&told);
    end = find_blocks(told.sim).end;
    sim_read_file(other.sim, log_path, &header, sizeof header, end);
    cr_assert(header.magic == BLOCK_MAGIC && header.position == end);
    plant(told.sim, other.sim, end, end, (uint64_t)header.pages * PAGE_SIZE);
    expect_cut(&told, told.sim, 7, "a block of another life");
    sim_free(other.sim);
    sim_free(told.sim);
}

Test(damage, a_block_of_another_ledger_is_not_taken, .timeout = 120)
{
    struct story told = told_up_to(3, false), other;
    struct sim *world = sim_make(2);
    mp_options options = {.env = sim_env(world)};
    uint64_t end = find_blocks(told.sim).end;

    cr_assert_eq(mp_init("bank", &options), MP_OK);
    other = story_begin(world, (mp_options){0});
    cr_assert_eq(story_open(&other), MP_OK);
    cr_assert_eq(story_tell(&other, STORY_STEPS), MP_OK);
    cr_assert_eq(story_close(&other), MP_OK);
    plant(told.sim, world, end, end, PAGE_SIZE);
    expect_cut(&told, told.sim, 3, "a block of another ledger");
    sim_free(world);
    sim_free(told.sim);
}

Test(damage, a_flipped_bit_in_free_space_costs_nothing, .timeout = 120)
{
    struct story told = told_up_to(STORY_STEPS, true);

    sim_flip(told.sim, log_path, find_blocks(told.sim).end + 5000, 0);
    expect_cut(&told, told.sim, STORY_STEPS, "a flipped bit in free space");
    sim_free(told.sim);
}

/* --- a reader that looks again --- */

static void copy_file(struct sim *to, const struct sim *from, const char *path, uint64_t bytes)
{
    uint8_t page[PAGE_SIZE];

    for (uint64_t at = 0; at < bytes; at += PAGE_SIZE) {
        cr_assert_eq(sim_read_file(from, path, page, PAGE_SIZE, at), (int64_t)PAGE_SIZE);
        sim_write_file(to, path, page, PAGE_SIZE, at);
    }
}

/* The reader is opened beside a writer. Then its world becomes as the other is, in which the writer
 * has gone on and died, but for one bit of what is new. */
static void expect_refresh_to_see(struct story *reader, const struct story *writer, uint64_t page)
{
    const mp_env *env = sim_env(reader->sim);
    int lock = env->file_open(env->context, "bank/ledger.mp", MP_ENV_WRITE);

    cr_assert_eq(env->file_lock(env->context, lock), 0);
    cr_assert_eq(story_open(reader), MP_OK, "%s", mp_last_error());
    env->file_close(env->context, lock);
    copy_file(reader->sim, writer->sim, log_path, find_blocks(writer->sim).end);
    copy_file(reader->sim, writer->sim, "bank/ledger.mp", 2 * PAGE_SIZE);
    for (unsigned time = 0; time < 2; time++) {
        sim_flip(reader->sim, log_path, page + 70, 1);
        cr_assert_eq(mp_refresh(reader->ledger), MP_CORRUPT, "damage passed for the log's end");
        cr_assert_not_null(strstr(mp_last_error(), log_path), "%s", mp_last_error());
        sim_flip(reader->sim, log_path, page + 70, 1);
    }
    cr_assert_eq(mp_refresh(reader->ledger), MP_OK, "%s", mp_last_error());
    cr_assert_eq(mp_refresh(reader->ledger), MP_OK, "%s", mp_last_error());
    cr_assert_eq(story_books(reader->ledger, writer->answered, writer->answered),
                 (int)writer->answered);
    cr_assert_eq(story_close(reader), MP_OK);
}

Test(damage, what_a_writer_wrote_before_it_died_is_not_passed_over_by_a_refresh, .timeout = 120)
{
    struct story reader = told_up_to(2, false), writer = told_up_to(4, false);

    reader.options.flags |= MP_OPEN_READ;
    expect_refresh_to_see(&reader, &writer, find_blocks(reader.sim).end);
    sim_free(reader.sim);
    sim_free(writer.sim);
}

Test(damage, nor_what_one_wrote_that_came_later, .timeout = 120)
{
    struct story reader = told_up_to(1, true), writer = told_up_to(1, true);

    cr_assert_eq(story_open(&writer), MP_OK);
    cr_assert_eq(story_tell(&writer, 4), MP_OK);
    die(&writer);
    reader.options.flags |= MP_OPEN_READ;
    expect_refresh_to_see(&reader, &writer, find_blocks(reader.sim).end);
    sim_free(reader.sim);
    sim_free(writer.sim);
}

/* --- others --- */

Test(others, a_second_writer_is_refused_until_the_first_one_is_gone, .timeout = 120)
{
    struct story told = story_begin(story_world(), (mp_options){0}), second = told;
    struct sim *copy;

    cr_assert_eq(story_open(&told), MP_OK);
    cr_assert_eq(story_tell(&told, 4), MP_OK);
    cr_assert_eq(story_open(&second), MP_LOCKED);
    cr_assert_not_null(strstr(mp_last_error(), "bank"), "%s", mp_last_error());
    cr_assert_not_null(strstr(mp_last_error(), "forked"), "%s", mp_last_error());
    second.options.flags |= MP_OPEN_READ;
    cr_assert_eq(story_open(&second), MP_OK, "%s", mp_last_error());
    story_close(&second);
    second.options.flags &= ~(unsigned)MP_OPEN_READ;
    cr_assert_eq(story_tell(&told, 5), MP_OK, "the first one goes on");
    copy = sim_clone(told.sim);
    cr_assert_eq(story_close(&told), MP_OK);
    cr_assert_eq(story_open(&second), MP_OK, "%s", mp_last_error());
    story_close(&second);
    sim_kill(copy);
    second.sim = copy;
    cr_assert_eq(story_open(&second), MP_OK, "a dead one holds no lock: %s", mp_last_error());
    story_close(&second);
    sim_free(copy);
    sim_free(told.sim);
}

Test(others, a_read_only_file_system_is_read_and_not_written, .timeout = 120)
{
    struct story told = told_up_to(STORY_STEPS, true), story = told;
    mp_account account = {.id = 5, .ledger = 1, .code = 1};
    uint64_t digest = sim_digest(told.sim);
    mp_options options = {0};
    mp_result result;
    char why[400];

    sim_settings(told.sim)->read_only = true;
    cr_assert_eq(story_open(&story), MP_READ_ONLY, "%s", mp_last_error());
    cr_assert_not_null(strstr(mp_last_error(), "bank"), "%s", mp_last_error());
    options.env = sim_env(told.sim);
    cr_assert_eq(mp_init("other", &options), MP_READ_ONLY, "%s", mp_last_error());
    story.options.flags |= MP_OPEN_READ;
    cr_assert_eq(story_open(&story), MP_OK, "%s", mp_last_error());
    cr_assert_eq(story_books(story.ledger, STORY_STEPS, STORY_STEPS), STORY_STEPS);
    cr_assert_eq(mp_create_accounts(story.ledger, &account, 1, &result), MP_READ_ONLY);
    cr_assert_eq(mp_refresh(story.ledger), MP_OK);
    cr_assert_eq(story_close(&story), MP_OK);
    cr_assert(story_verified(told.sim, NULL, why, sizeof why), "%s", why);
    cr_assert_eq(sim_digest(told.sim), digest);
    sim_free(told.sim);
}

/* Whoever has the files open may go on with them until new ones are needed. */
Test(others, a_directory_that_is_removed_under_a_ledger_ends_in_a_clear_error, .timeout = 120)
{
    static mp_transfer events[MP_BATCH_MAX];
    static mp_result results[MP_BATCH_MAX];
    struct story told = story_begin(story_world(), (mp_options){.checkpoint_after = 1});
    mp_status status = MP_OK;
    mp_balance balance;

    told.options.memory_max = UINT64_C(64) << 20;
    cr_assert_eq(story_open(&told), MP_OK);
    cr_assert_eq(story_tell(&told, 4), MP_OK);
    cr_assert_eq(sim_remove(told.sim, "bank"), 0);
    for (unsigned batch = 0; batch < 30 && status == MP_OK; batch++) {
        for (unsigned i = 0; i < MP_BATCH_MAX; i++)
            events[i] = (mp_transfer){.id = MP_U128(500 + batch, i + 1),
                                      .debit_account_id = MP_U128('A', 1),
                                      .credit_account_id = MP_U128('A', 2),
                                      .amount = 1,
                                      .ledger = 1,
                                      .code = 1};
        status = mp_create_transfers(told.ledger, events, MP_BATCH_MAX, results);
        if (status == MP_OK) status = mp_step(told.ledger, NULL);
    }
    cr_assert(status == MP_UNKNOWN || status == MP_STOPPED || status == MP_IO, "%s: %s",
              mp_status_name(status), mp_last_error());
    cr_assert_not_null(strstr(mp_last_error(), "bank/wal/"), "%s", mp_last_error());
    cr_assert_eq(mp_read_balance(told.ledger, MP_U128('A', 1), &balance), MP_OK);
    cr_assert_neq(story_close(&told), MP_OK);
    cr_assert_eq(story_open(&told), MP_NOT_FOUND);
    cr_assert_not_null(strstr(mp_last_error(), "bank"), "%s", mp_last_error());
    sim_free(told.sim);
}
