/* What the embedded bus does beyond the contract: disks that fail, processes that die, its file. */
#include "bus/bus_recent.h"
#include "bus/faulty_vfs.h"
#include "bus/given_bus.h"
#include "support/test_loop.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAYMENTS (&topics[TOPIC_payment])

static struct error err;
static struct given given;

static void given_embedded(void) { given_open(&given, &contracts[0]); }

static void given_faulty(void)
{
    faulty_vfs_install();
    given_embedded();
}

static void end(void) { given_end(&given); }

/* Every number from `first` to before `end` in order, all of key 1. */
static void check_numbers(const struct given_reader *reader, long first, long end_number)
{
    cr_assert_eq(reader->count, end_number - first);
    for (unsigned i = 0; i < reader->count; i++)
        cr_assert_eq(reader->got[i].number, first + i, "%u: %ld", i, reader->got[i].number);
}

/* Reads all of what is there as a new group. */
static void check_kept(long first, long end_number)
{
    static struct given_reader reader;

    given_join(&given, &reader, "checker", PAYMENTS);
    given_got(&given, &reader, (unsigned)(end_number - first));
    given_quiet(&given);
    check_numbers(&reader, first, end_number);
}

static void publish_numbers(long from, long to)
{
    for (long i = from; i < to; i++) given_publish(&given, PAYMENTS, 1, i);
}

/* --- disks that fail --- */

Test(bus_embedded, on_a_full_disk_nothing_is_kept_and_publishing_goes_on_later,
     .init = given_faulty, .fini = end)
{
    publish_numbers(0, 10);
    given_answers(&given);
    faulty_vfs.writes = SQLITE_FULL;
    publish_numbers(1000, 1010);
    given_answers(&given);
    cr_assert_eq(given.again, 10);
    cr_assert_eq(given.last.reason, REASON_OUT_OF_SPACE);
    faulty_vfs.writes = 0;
    publish_numbers(10, 20);
    given_answers(&given);
    check_kept(0, 20);
    cr_assert_eq(given.bus->records_published, 20);
    cr_assert_eq(given.bus->commits, 2);
}

/* More than one transaction takes: those of the second must not be kept when the first failed. */
Test(bus_embedded, what_waits_behind_a_failed_commit_fails_too, .init = given_faulty, .fini = end)
{
    faulty_vfs.writes = SQLITE_FULL;
    publish_numbers(1000, 6000);
    while (given.again == 0) cr_assert(test_loop_step(given.loop));
    faulty_vfs.writes = 0;
    given_answers(&given);
    cr_assert_eq(given.again, 5000);
    publish_numbers(0, 5);
    given_answers(&given);
    check_kept(0, 5);
}

Test(bus_embedded, a_commit_that_was_not_synced_is_told_as_unknown_and_not_read,
     .init = given_faulty, .fini = end)
{
    static struct given_reader live;

    given_join(&given, &live, "live", PAYMENTS);
    publish_numbers(0, 3);
    given_answers(&given);
    faulty_vfs.syncs = SQLITE_IOERR_FSYNC;
    publish_numbers(1000, 1003);
    given_answers(&given);
    cr_assert_eq(given.unknown, 3);
    cr_assert_eq(given.last.outcome, OUTCOME_UNKNOWN);
    faulty_vfs.syncs = 0;
    publish_numbers(3, 6);
    given_answers(&given);
    given_got(&given, &live, 6);
    check_numbers(&live, 0, 6);
    check_kept(0, 6);
}

Test(bus_embedded, a_disk_that_cannot_be_read_stops_the_reader, .init = given_faulty, .fini = end)
{
    static struct given_reader reader;

    for (unsigned i = 0; i < 20; i++) {
        char text[100000];

        memset(text, ' ', sizeof text);
        given_publish_text(&given, PAYMENTS, 1, text, sizeof text, NULL);
    }
    given_answers(&given);
    given_restart(&given); /* so that SQLite's cache is empty */
    faulty_vfs.reads = SQLITE_IOERR_READ;
    given_join(&given, &reader, "group", PAYMENTS);
    given_failed(&given, &reader);
    cr_assert_eq(reader.count, 0);
    faulty_vfs.reads = 0;
    cr_assert_eq(bus_seek(given.bus, &reader.api, PAYMENTS, reader.failed_partition, 0, &err),
                 OUTCOME_DONE);
    given_got(&given, &reader, 20);
}

/* --- a process that dies --- */

/* Publishes for ever; writes a byte for each record that was confirmed. */
static _Noreturn void publish_until_killed(int confirmed)
{
    unsigned told = 0;

    given_reopen(&given);
    for (long i = 0;; i++) {
        given_publish(&given, PAYMENTS, 1, i);
        if (i % 7 != 6) continue;
        given_answers(&given);
        for (; told < given.done; told++)
            if (write(confirmed, "", 1) != 1) _exit(1);
    }
}

Test(bus_embedded, what_was_confirmed_outlives_a_killed_process, .init = given_embedded,
     .fini = end)
{
    static struct given_reader reader;
    unsigned confirmed = 0;
    char byte;
    int ends[2];
    pid_t child;

    given_close(&given);
    cr_assert_eq(pipe(ends), 0);
    child = fork();
    if (child == 0) publish_until_killed(ends[1]);
    close(ends[1]);
    while (confirmed < 500 && read(ends[0], &byte, 1) == 1) confirmed++;
    kill(child, SIGKILL);
    while (read(ends[0], &byte, 1) == 1) confirmed++;
    waitpid(child, NULL, 0);
    cr_assert_geq(confirmed, 500);

    given_reopen(&given);
    given_join(&given, &reader, "group", PAYMENTS);
    given_quiet(&given);
    cr_assert_geq(reader.count, confirmed);
    check_numbers(&reader, 0, reader.count);
    given_publish(&given, PAYMENTS, 1, reader.count);
    given_got(&given, &reader, reader.count + 1);
}

/* --- its file --- */

static enum outcome open_url(const char *url)
{
    struct bus_config config = {.url = url};
    struct bus *bus = NULL;
    enum outcome outcome = bus_open(&config, given.loop, &bus, &err);

    cr_assert((outcome == OUTCOME_DONE) == (bus != NULL));
    if (bus != NULL) bus_close(bus);
    return outcome;
}

/* Changes the file of the closed bus behind its back. */
static void with_file(const char *sql)
{
    sqlite3 *db;
    char path[128];

    snprintf(path, sizeof path, "%s/bus.db", given.directory);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

Test(bus_embedded, a_url_that_names_no_bus_is_refused, .init = given_embedded, .fini = end)
{
    char url[128];

    cr_assert_eq(open_url("carrier:pigeon"), OUTCOME_BROKEN);
    cr_assert_eq(err.reason, REASON_BAD_SETTING);
    cr_assert_eq(open_url("embedded"), OUTCOME_BROKEN);
    cr_assert_eq(open_url("embedded:"), OUTCOME_BROKEN);
    cr_assert_eq(open_url(""), OUTCOME_BROKEN);
    snprintf(url, sizeof url, "embedded:%s/nothing/bus.db", given.directory);
    cr_assert_eq(open_url(url), OUTCOME_AGAIN);
    cr_assert_eq(err.reason, REASON_BUS_UNREACHABLE);
    cr_assert_eq(open_url("embedded::memory:"), OUTCOME_DONE);
}

Test(bus_embedded, two_processes_cannot_have_the_same_one, .init = given_embedded, .fini = end)
{
    pid_t child = fork();
    int status;

    if (child == 0) _exit(open_url(given.url) == OUTCOME_AGAIN ? 0 : 1);
    waitpid(child, &status, 0);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

Test(bus_embedded, one_of_a_newer_release_is_left_alone, .init = given_embedded, .fini = end)
{
    given_close(&given);
    with_file("PRAGMA user_version = 2");
    cr_assert_eq(open_url(given.url), OUTCOME_BROKEN);
    cr_assert_str_eq(err.message, "cannot open the bus: it was made by a newer release");
}

Test(bus_embedded, partitions_never_change_under_their_readers, .init = given_embedded, .fini = end)
{
    given_close(&given);
    with_file("UPDATE topics SET partitions = 6 WHERE name = 'micropay.payment'");
    cr_assert_eq(open_url(given.url), OUTCOME_BROKEN);
    cr_assert_str_eq(err.message, "cannot open the bus: micropay.payment has 6 partitions, not 12");
}

Test(bus_embedded, what_is_no_database_is_refused, .init = given_embedded, .fini = end)
{
    char path[128], rubbish[8192];
    FILE *file;

    given_close(&given);
    snprintf(path, sizeof path, "%s/bus.db", given.directory);
    memset(rubbish, 'x', sizeof rubbish);
    file = fopen(path, "w");
    fwrite(rubbish, 1, sizeof rubbish, file);
    fclose(file);
    cr_assert_eq(open_url(given.url), OUTCOME_BROKEN);
    cr_assert_eq(err.reason, REASON_CORRUPT);
}

Test(bus_embedded, a_record_that_has_vanished_stops_its_readers, .init = given_embedded,
     .fini = end)
{
    static struct given_reader reader;

    publish_numbers(0, 10);
    given_answers(&given);
    given_close(&given);
    with_file("DELETE FROM records WHERE id = (SELECT min(id) + 4 FROM records)");
    given_reopen(&given);
    given_join(&given, &reader, "group", PAYMENTS);
    given_failed(&given, &reader);
    check_numbers(&reader, 0, 4);
    cr_assert_eq(reader.why.reason, REASON_CORRUPT);
}

/* A program that adds a topic finds the others as they were. */
Test(bus_embedded, a_new_topic_gets_a_number_of_its_own, .init = given_embedded, .fini = end)
{
    publish_numbers(0, 10);
    given_publish(&given, &topics[TOPIC_user], 1, 7);
    given_answers(&given);
    given_close(&given);
    with_file("DELETE FROM topics WHERE name = 'micropay.fraud'");
    given_reopen(&given);
    given_publish(&given, &topics[TOPIC_fraud], 1, 8);
    given_answers(&given);
    check_kept(0, 10);
}

/* --- readers in the same process --- */

static const struct event *seen[2];

static void see(void *context, const struct bus_message *messages, unsigned count)
{
    struct given_reader *reader = context;

    (void)count;
    seen[reader->api.group[0] - '0'] = messages[0].event;
}

static void join_seeing(struct given_reader *reader, const char *group)
{
    given_join(&given, reader, group, &topics[TOPIC_fraud]);
    reader->api.records = see;
}

Test(bus_embedded, an_event_is_handed_on_as_its_publisher_made_it, .init = given_embedded,
     .fini = end)
{
    static struct given_reader first, second;
    struct envelope envelope = {.id = given_key(5), .subject = given_key(1), .tenant = "main"};
    struct fraud_risk_assessed_event data = {.payment = given_key(1), .decision = FRAUD_DENY};
    struct event *event = event_make(&envelope, EVENT_TYPE(fraud_risk_assessed), &data);

    join_seeing(&first, "0");
    join_seeing(&second, "1");
    given_publish_text(&given, &topics[TOPIC_fraud], 1, "{}", 2, event);
    given_answers(&given);
    given_quiet(&given);
    cr_assert_eq(seen[0], event);
    cr_assert_eq(seen[1], event);
    bus_leave(given.bus, &first.api);
    bus_leave(given.bus, &second.api);
    given_publish(&given, PAYMENTS, 1, 1);
    given_answers(&given);
    cr_assert_eq(event->references, 1, "still held");
    event_release(event);
}

Test(bus_embedded, a_group_joins_once, .init = given_embedded, .fini = end)
{
    static struct given_reader reader, twin;

    given_join(&given, &reader, "group", PAYMENTS);
    twin.api = reader.api;
    cr_assert_eq(bus_join(given.bus, &twin.api, &err), OUTCOME_AGAIN);
}

/* --- the newest records in memory --- */

static struct recent *recent_of(unsigned partition, uint64_t position, size_t length)
{
    char *value = need_memory(length);
    struct recent *recent =
        recent_make(PAYMENTS, partition, position, given_key(1), value, length, NULL);

    free(value);
    return recent;
}

Test(bus_recent, memory_has_a_limit_and_the_newest_stay)
{
    enum { BYTES = 100000 };
    struct recents *recents = recents_make();
    unsigned found = 0;

    for (uint64_t position = 1; position <= 1000; position++) {
        recents_add(recents, recent_of((unsigned)(position % 3), (position + 2) / 3, BYTES));
    }
    for (unsigned partition = 0; partition < 3; partition++) {
        uint64_t newest = partition == 1 ? 334 : 333;

        cr_assert_null(recents_find(recents, PAYMENTS, partition, newest + 1));
        cr_assert_null(recents_find(recents, PAYMENTS, partition, 1));
        for (uint64_t i = newest; recents_find(recents, PAYMENTS, partition, i) != NULL; i--) {
            cr_assert_eq(recents_find(recents, PAYMENTS, partition, i)->position, i);
            found++;
        }
    }
    cr_assert_leq(found * (size_t)BYTES, RECENT_BYTES_MAX);
    cr_assert_gt(found * (size_t)BYTES, RECENT_BYTES_MAX * 9L / 10);
    recents_clear(recents);
    cr_assert_null(recents_find(recents, PAYMENTS, 1, 334));
    recents_add(recents, recent_of(1, 900, 10));
    cr_assert_not_null(recents_find(recents, PAYMENTS, 1, 900));
    recents_free(recents);
}

Test(bus_recent, one_record_larger_than_the_limit_is_kept_alone)
{
    struct recents *recents = recents_make();

    recents_add(recents, recent_of(1, 1, 10));
    recents_add(recents, recent_of(1, 2, RECENT_BYTES_MAX + 1));
    cr_assert_null(recents_find(recents, PAYMENTS, 1, 1));
    cr_assert_not_null(recents_find(recents, PAYMENTS, 1, 2));
    recents_free(recents);
}
