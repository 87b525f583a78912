/* The outbox: what was committed goes out, in order, once, whatever happens in between. */
#include "store/fault_vfs.h"
#include "store/world.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world world;
static struct error err;

static void tear_down(void) { world_close(&world); }

TestSuite(outbox, .fini = tear_down);

/* --- what is on the fake bus, as a reader that has all of it sees it --- */

enum { KEYS_MAX = 512, SOURCES_MAX = 64, PARTITIONS = 12 };

static struct {
    char name[SOURCE_MAX + 1];
    uint64_t last[PARTITIONS], lane_last;
} sources[SOURCES_MAX];
static unsigned source_count, repeats;
static uint64_t newest[KEYS_MAX]; /* version of each key */

static unsigned source_of(const char *name)
{
    for (unsigned i = 0; i < source_count; i++)
        if (strcmp(sources[i].name, name) == 0) return i;
    cr_assert_lt(source_count, SOURCES_MAX);
    snprintf(sources[source_count].name, sizeof sources[0].name, "%s", name);
    return source_count++;
}

/* A repeat must be the same to the byte. */
static void expect_same_before(unsigned index)
{
    const struct fake_record *record = fake_bus_record(world.bus, index);

    for (unsigned i = 0; i < index; i++) {
        const struct fake_record *other = fake_bus_record(world.bus, i);

        if (other->length == record->length &&
            memcmp(other->value, record->value, record->length) == 0) {
            repeats++;
            return;
        }
    }
    cr_assert_fail("a sequence was used for two events: %.300s", record->value);
}

/* Reads all records: the chain of `prev` has no gap, repeats are the same, versions of a key rise
 * by one. Returns the number of different events. */
static unsigned read_bus(void)
{
    unsigned events = 0;

    source_count = repeats = 0;
    memset(sources, 0, sizeof sources);
    memset(newest, 0, sizeof newest);
    for (unsigned i = 0; i < fake_bus_count(world.bus); i++) {
        const struct fake_record *record = fake_bus_record(world.bus, i);
        struct event *event = NULL;
        unsigned key, source;
        uint64_t *last;

        expect_done(event_parse(record->value, record->length, &event, &err));
        cr_assert(uuid_equal(event->envelope.subject, record->key));
        cr_assert_eq(record->partition, topic_partition(record->topic, record->key));
        source = source_of(event->envelope.source);
        last = &sources[source].last[record->partition];
        if (event->envelope.sequence <= *last) {
            expect_same_before(i);
        } else {
            cr_assert_eq(event->envelope.prev, *last, "%s: %llu after %llu, not after %llu",
                         event->envelope.source, (unsigned long long)event->envelope.sequence,
                         (unsigned long long)event->envelope.prev, (unsigned long long)*last);
            *last = event->envelope.sequence;
            key = event->envelope.subject.bytes[0] + 256u * event->envelope.subject.bytes[1];
            cr_assert_eq(event->envelope.entity_version, ++newest[key], "order of key %u", key);
            events++;
        }
        event_release(event);
    }
    return events;
}

/* Versions 1 to `versions` of keys 0 to `keys` - 1 are on the bus. */
static void expect_all(unsigned keys, unsigned versions)
{
    cr_assert_eq(read_bus(), keys * versions);
    for (unsigned key = 0; key < keys; key++) cr_assert_eq(newest[key], versions);
}

/* --- it goes out --- */

Test(outbox, an_event_goes_out_once_its_change_is_durable)
{
    const struct fake_record *record;
    struct event *event;

    world_open(&world, BUS_FAKE);
    world_say(&world, 3, 1);
    cr_assert_eq(fake_bus_count(world.bus), 0);
    world_settle(&world);
    cr_assert_eq(fake_bus_count(world.bus), 1);
    record = fake_bus_record(world.bus, 0);
    expect_done(event_parse(record->value, record->length, &event, &err));
    cr_assert_str_eq(event->envelope.type, "payment.failed");
    cr_assert_str_eq(event->envelope.tenant, "main");
    cr_assert_eq(event->envelope.sequence, 1);
    cr_assert_eq(event->envelope.prev, 0);
    cr_assert_eq(strncmp(event->envelope.source, "/payment/", 9), 0);
    cr_assert_eq(event->envelope.time_ns, loop_now_ns(world.loop) - 100 * MS,
                 "what waited was the deletion");
    cr_assert_eq(((const struct payment_failed_event *)event->data)->amount.units, 1250);
    event_release(event);
    cr_assert_eq(given_number(world.store, "SELECT COUNT(*) FROM outbox"), 0);
}

Test(outbox, keys_keep_their_order_and_each_partition_its_chain)
{
    world_open(&world, BUS_FAKE);
    for (unsigned version = 1; version <= 20; version++) {
        world_say_many(&world, 100, version, version, OUTCOME_DONE);
        if (version % 3 == 0) world_run(&world);
    }
    world_settle(&world);
    expect_all(100, 20);
    cr_assert_eq(repeats, 0);
    cr_assert_eq(source_count, OUTBOX_LANES);
}

Test(outbox, what_a_refused_piece_or_a_failed_turn_said_is_never_heard)
{
    world_open(&world, BUS_FAKE);
    world_say_many(&world, 10, 1, 1, OUTCOME_DONE);
    world_say_many(&world, 10, 2, 5, OUTCOME_REFUSED);
    world_say_many(&world, 10, 2, 2, OUTCOME_DONE);
    world_settle(&world);
    world_say_many(&world, 10, 3, 3, OUTCOME_DONE);
    world_say_many(&world, 10, 4, 4, OUTCOME_AGAIN);
    world_settle(&world);
    expect_all(10, 2);
}

Test(outbox, what_could_not_be_committed_is_never_heard)
{
    fault_vfs_install();
    world_open(&world, BUS_FAKE);
    world_say_many(&world, 10, 1, 1, OUTCOME_DONE);
    world_settle(&world);
    fault_set(FAULT_SYNC, FAULT_WAL, 0, SQLITE_IOERR_FSYNC);
    world_say_many(&world, 10, 2, 2, OUTCOME_DONE);
    world_run(&world);
    fault_set(FAULT_WRITE, FAULT_WAL, 0, SQLITE_FULL);
    world_say_many(&world, 10, 2, 2, OUTCOME_DONE);
    world_pass(&world, 10 * S);
    fault_clear();
    world_pass(&world, 10 * S);
    expect_all(10, 1);
    world_say_many(&world, 10, 2, 2, OUTCOME_DONE);
    world_settle(&world);
    expect_all(10, 2);
}

Test(outbox, hundreds_of_events_of_a_turn_cost_three_rows_a_lane)
{
    uint64_t rows, commits;

    world_open(&world, BUS_FAKE);
    rows = world.store->rows_written;
    commits = world.store->commits;
    for (unsigned i = 1; i <= 500; i++) world_say_many(&world, 4, i, i, OUTCOME_DONE);
    world_settle(&world);
    expect_all(4, 500);
    cr_assert_leq(world.store->rows_written - rows, 3 * 4);
    cr_assert_eq(world.store->commits - commits, 2);
}

Test(outbox, a_busy_service_deletes_what_was_sent_with_its_next_turn)
{
    uint64_t commits;

    world_open(&world, BUS_FAKE);
    world_run(&world);
    commits = world.store->commits;
    for (unsigned i = 1; i <= 50; i++) {
        world_say(&world, 1, i);
        world_run(&world);
    }
    cr_assert_eq(world.store->commits - commits, 50);
    world_settle(&world);
    cr_assert_eq(world.store->commits - commits, 51);
}

/* --- the bus fails --- */

Test(outbox, what_the_bus_gives_back_is_sent_again_with_the_same_numbers)
{
    enum outcome outcomes[] = {OUTCOME_AGAIN, OUTCOME_UNKNOWN};

    world_open(&world, BUS_FAKE);
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned version = 1; version <= 5; version++)
            world_say_many(&world, 20, 5 * i + version, 5 * i + version, OUTCOME_DONE);
        fake_bus_fail(world.bus, 250, outcomes[i]); /* all that is sent, then some of it again */
        world_settle(&world);
        expect_all(20, 5 * (i + 1));
    }
    cr_assert_gt(repeats, 0);
}

Test(outbox, what_is_said_while_the_bus_is_away_waits_behind_what_it_gave_back)
{
    world_open(&world, BUS_FAKE);
    world_run(&world);
    fake_bus_fail(world.bus, 20, OUTCOME_AGAIN);
    for (unsigned version = 1; version <= 5; version++) {
        world_say_many(&world, 20, version, version, OUTCOME_DONE);
        world_run(&world); /* the clock stands still: no second attempt yet */
    }
    cr_assert_eq(fake_bus_count(world.bus), 0);
    world_settle(&world);
    expect_all(20, 5);
}

Test(outbox, a_bus_that_is_away_is_asked_ever_more_seldom_and_nothing_is_lost)
{
    struct turns_state state;
    uint64_t steps;

    world_open(&world, BUS_FAKE);
    fake_bus_fail(world.bus, UINT32_MAX, OUTCOME_AGAIN);
    world_say_many(&world, 20, 1, 3, OUTCOME_DONE);
    world_pass(&world, 60 * S);
    turns_state(world.turns, &state);
    cr_assert_gt(state.outbox_rows, 0);
    cr_assert_eq(state.outbox_oldest_ns, loop_now_ns(world.loop) - 60 * S);
    steps = test_loop_run(world.loop);
    world_pass(&world, 60 * S);
    cr_assert_lt(steps, 10);
    cr_assert_eq(fake_bus_count(world.bus), 0);
    fake_bus_fail(world.bus, 0, OUTCOME_DONE);
    world_settle(&world);
    expect_all(20, 3);
    turns_state(world.turns, &state);
    cr_assert_eq(state.outbox_oldest_ns, 0);
}

Test(outbox, what_does_not_fit_into_memory_is_read_back_in_order)
{
    world_open(&world, BUS_FAKE);
    world_run(&world);
    fake_bus_hold(world.bus, true);
    for (unsigned version = 1; version <= 100; version++) {
        world_say_many(&world, 100, version, version, OUTCOME_DONE);
        world_run(&world);
    }
    cr_assert_lt(fake_bus_held(world.bus), 100 * 100, "memory would hold all: this shows nothing");
    for (unsigned version = 101; fake_bus_held(world.bus) > 0; version++) {
        fake_bus_confirm(world.bus, 500);
        if (version <= 120) world_say_many(&world, 100, version, version, OUTCOME_DONE);
        world_run(&world);
    }
    world_settle(&world);
    expect_all(100, 120);
    cr_assert_eq(repeats, 0);
}

/* --- the process dies --- */

/* Says 3 versions of 6 keys, a turn each, and dies after `steps` steps; a step is one of the loop,
 * or one more record that the bus confirms. False if it came to rest before. */
static bool die_after(unsigned steps, unsigned kept)
{
    unsigned version = 1;

    world_run(&world);
    fake_bus_hold(world.bus, true);
    while (steps-- > 0) {
        if (version <= 3 && turns_waiting(world.turns) == 0) {
            world_say_many(&world, 6, version, version, OUTCOME_DONE);
            version++;
        }
        if (test_loop_step(world.loop)) continue;
        if (fake_bus_held(world.bus) > 0)
            fake_bus_confirm(world.bus, 1);
        else if (!test_loop_next(world.loop))
            return false;
    }
    world_crash(&world, kept);
    return true;
}

static void die_everywhere(unsigned kept)
{
    unsigned deaths = 0;
    bool died = true;

    for (unsigned steps = 0; died; steps++) {
        unsigned events;

        world_open(&world, BUS_FAKE);
        died = die_after(steps, kept);
        deaths += died;
        fake_bus_hold(world.bus, false);
        world_settle(&world);
        events = read_bus();
        cr_assert_eq(events % 6, 0, "turns are whole");
        cr_assert_geq(events, 6 * world.said, "what was told is there");
        /* and the next life goes on where this one was */
        world_say_many(&world, 6, events / 6 + 1, 5, OUTCOME_DONE);
        world_settle(&world);
        expect_all(6, 5);
        cr_assert_leq(source_count, 6, "a crash is no restore");
        world_close(&world);
    }
    cr_assert_gt(deaths, 20, "%u", deaths);
}

Test(outbox, a_crash_at_any_step_loses_nothing_and_numbers_nothing_twice)
{
    die_everywhere(0);            /* died before it was published */
    die_everywhere(3);            /* while it was */
    die_everywhere(UINT32_MAX);   /* before it was confirmed */
    world_open(&world, BUS_FAKE); /* for tear_down */
}

Test(outbox, a_stop_and_a_start_go_on_with_the_same_numbers)
{
    world_open(&world, BUS_FAKE);
    for (unsigned version = 1; version <= 4; version++) {
        world_say_many(&world, 30, version, version, OUTCOME_DONE);
        world_settle(&world);
        world_restart(&world);
    }
    world_settle(&world);
    expect_all(30, 4);
    cr_assert_eq(repeats, 0);
    cr_assert_leq(source_count, OUTBOX_LANES);
}

/* --- the database is restored --- */

Test(outbox, a_database_that_was_restored_speaks_as_a_new_source)
{
    unsigned before;

    world_open(&world, BUS_FAKE);
    world_say_many(&world, 30, 1, 1, OUTCOME_DONE);
    world_settle(&world);
    world_save(&world, "backup.db");
    world_say_many(&world, 30, 2, 2, OUTCOME_DONE);
    world_settle(&world);
    read_bus();
    before = source_count;
    world_restore(&world, "backup.db");
    world_say_many(&world, 30, 3, 3, OUTCOME_DONE);
    world_settle(&world);
    expect_all(30, 3); /* with the chains of the new sources beginning at 0 */
    cr_assert_eq(source_count, 2 * before);
    world_restart(&world);
    world_say_many(&world, 30, 4, 4, OUTCOME_DONE);
    world_settle(&world);
    expect_all(30, 4);
    cr_assert_eq(source_count, 2 * before, "once");
}

Test(outbox, a_backup_with_events_that_still_waited_is_noticed_too)
{
    world_open(&world, BUS_FAKE);
    world_run(&world);
    fake_bus_hold(world.bus, true);
    world_say_many(&world, 30, 1, 1, OUTCOME_DONE);
    world_run(&world);
    world_save(&world, "backup.db");
    fake_bus_hold(world.bus, false);
    world_settle(&world);
    world_say_many(&world, 30, 2, 2, OUTCOME_DONE);
    world_settle(&world);
    read_bus();
    cr_assert_leq(source_count, OUTBOX_LANES);
    world_restore(&world, "backup.db");
    world_settle(&world);
    cr_assert_eq(fake_bus_count(world.bus), 90, "what waited in the backup is said again");
    source_count = 0;
    for (unsigned i = 0; i < 90; i++) {
        const struct fake_record *record = fake_bus_record(world.bus, i);
        struct event *event;

        expect_done(event_parse(record->value, record->length, &event, &err));
        source_of(event->envelope.source);
        event_release(event);
    }
    cr_assert_gt(source_count, OUTBOX_LANES, "as a new source");
}

/* --- the end, and damage --- */

static void on_drained(void *context) { *(bool *)context = true; }

Test(outbox, draining_waits_until_all_is_confirmed)
{
    bool drained = false;

    world_open(&world, BUS_FAKE);
    world_run(&world);
    fake_bus_hold(world.bus, true);
    world_say_many(&world, 5, 1, 1, OUTCOME_DONE);
    turns_drain(world.turns, on_drained, &drained);
    world_pass(&world, 10 * S);
    cr_assert_not(drained);
    fake_bus_hold(world.bus, false);
    world_run(&world);
    cr_assert(drained);
    cr_assert_eq(given_number(world.store, "SELECT COUNT(*) FROM outbox"), 0);
}

Test(outbox, a_row_that_is_missing_stops_the_service_instead_of_being_skipped)
{
    world_open(&world, BUS_FAKE);
    world_run(&world);
    fake_bus_hold(world.bus, true);
    world_say(&world, 1, 1);
    world_run(&world);
    world_say(&world, 1, 2);
    world_run(&world);
    world_crash(&world, 0);
    given_script(world.store, "DELETE FROM outbox");
    world_run(&world);
    cr_assert_not(turns_ready(world.turns, &err));
    cr_assert_eq(err.reason, REASON_CORRUPT);
}

Test(outbox, a_row_that_cannot_be_understood_stops_the_service_instead_of_being_skipped)
{
    world_open(&world, BUS_FAKE);
    world_run(&world);
    fake_bus_hold(world.bus, true);
    world_say(&world, 1, 1);
    world_run(&world);
    given_script(world.store, "UPDATE outbox SET events = x'0102030405'");
    world_crash(&world, 0);
    world_run(&world);
    cr_assert_not(turns_ready(world.turns, &err));
    cr_assert_eq(err.reason, REASON_CORRUPT);
    cr_assert_eq(world.alerts, 1);
    cr_assert_eq(fake_bus_count(world.bus), 0);
}
