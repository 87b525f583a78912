/*
 * bus_append: records a second through the embedded bus, durable and read by all groups.
 *
 * Events of 800 bytes under random keys go to four topics in batches, a commit each; each group
 * reads all of them as they come, then one more reads all from the disk. In the same run and
 * folder, the limit: the same bytes appended to one file, each batch followed by fdatasync.
 */
#include "bus/events.h"
#include "support/test_loop.h"

#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "usage: bus_append DIRECTORY [--records N] [--batch N] [--groups N] [--json]\n"
    "\n"
    "DIRECTORY gets two files, which are removed at the end.\n"
    "  --records N  in all (default 500000)\n"
    "  --batch N    in a commit (default 500, at most 2000)\n"
    "  --groups N   that read meanwhile (default 3, at most 8)\n"
    "  --json       one JSON object instead of text\n";

enum { BATCH_MAX = 2000, GROUPS_MAX = 8, TOPICS = 4 };

struct options {
    const char *directory;
    unsigned records, batch, groups;
    bool json;
};

struct group {
    struct bus_reader reader;
    char name[12];
    unsigned long count;
    uint64_t given[TOPIC_COUNT][16]; /* last position of each partition */
};

static const struct topic *const read_topics[TOPICS + 1] = {
    &topics[TOPIC_payment],
    &topics[TOPIC_balance],
    &topics[TOPIC_transaction],
    &topics[TOPIC_fraud],
};
static struct bus *bus;
static unsigned long confirmed;

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "bus_append: %s\n", what);
    exit(1);
}

static double now_s(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* --- those who use the bus, checking it --- */

static void on_done(struct bus_record *record, enum outcome outcome, const struct error *err)
{
    (void)record;
    if (outcome != OUTCOME_DONE) fail(err->message);
    confirmed++;
}

static uint64_t on_position(void *context, const struct topic *topic, unsigned partition)
{
    (void)context;
    (void)topic;
    (void)partition;
    return 0;
}

static void on_records(void *context, const struct bus_message *messages, unsigned count)
{
    struct group *group = context;

    for (unsigned i = 0; i < count; i++) {
        uint64_t *given = &group->given[messages[i].topic - topics][messages[i].partition];

        if (messages[i].position != *given + 1) fail("a record is missing or out of order");
        if (messages[i].event == NULL) fail("an event cannot be read");
        *given = messages[i].position;
    }
    group->count += count;
    bus_ready(bus, &group->reader);
}

static void on_failed(void *context, const struct topic *topic, unsigned partition,
                      const struct error *err)
{
    (void)context;
    (void)topic;
    (void)partition;
    fail(err->message);
}

static void join(struct group *group, unsigned number)
{
    struct error err;

    snprintf(group->name, sizeof group->name, "%u", number);
    group->reader = (struct bus_reader){
        .group = group->name,
        .topics = read_topics,
        .position = on_position,
        .records = on_records,
        .failed = on_failed,
        .context = group,
    };
    if (bus_join(bus, &group->reader, &err) != OUTCOME_DONE) fail(err.message);
}

/* --- what is measured --- */

/* A capture, as it goes through the bus. */
static struct event *make_event(struct buffer *text)
{
    struct envelope envelope = {
        .type = "payment.captured", .major = 1, .tenant = "main", .time_ns = UINT64_C(1) << 60};
    struct payment_captured_event data = {
        .kind = PAYMENT_KIND_PAYMENT,
        .status = PAYMENT_STATUS_COMPLETED,
        .currency = {"EUR"},
        .amount = {1250, 2},
        .reference = "order 12345",
        .present = RECORD_BIT(payment_captured_event, reference),
    };

    envelope.id.bytes[0] = envelope.subject.bytes[0] = 1;
    data.payment = data.capture = data.payer.uuid = data.payee.uuid = envelope.id;
    envelope_source("payment", 3, "018f3a7e", envelope.source);
    envelope_print_head(envelope.source, 12345, 12340, text);
    envelope_print_body(&envelope, EVENT_TYPE(payment_captured), &data, text);
    return event_make(&envelope, EVENT_TYPE(payment_captured), &data);
}

static double append_per_s(struct loop *loop, const struct options *options,
                           const struct buffer *text, const struct event *event)
{
    static struct bus_record records[BATCH_MAX];
    double begin_s = now_s(CLOCK_MONOTONIC);

    for (unsigned sent = 0; sent < options->records; sent += options->batch) {
        for (unsigned i = 0; i < options->batch; i++) {
            const struct topic *topic = read_topics[i % TOPICS];
            struct uuid key;

            loop_random(loop, key.bytes, sizeof key.bytes);
            records[i] = (struct bus_record){
                .topic = topic,
                .partition = topic_partition(topic, key),
                .key = key,
                .value = text->bytes,
                .length = text->length,
                .event = event,
                .done = on_done,
            };
            bus_publish(bus, &records[i]);
        }
        test_loop_run(loop);
    }
    return options->records / (now_s(CLOCK_MONOTONIC) - begin_s);
}

static double limit_per_s(const char *path, const struct options *options,
                          const struct buffer *text)
{
    struct buffer batch = {0};
    int file = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    double begin_s;

    if (file < 0) fail("could not make a file in DIRECTORY");
    unlink(path);
    for (unsigned i = 0; i < options->batch; i++) buffer_add(&batch, text->bytes, text->length);
    begin_s = now_s(CLOCK_MONOTONIC);
    for (unsigned sent = 0; sent < options->records; sent += options->batch)
        if (write(file, batch.bytes, batch.length) != (ssize_t)batch.length || fdatasync(file) != 0)
            fail("could not write in DIRECTORY");
    begin_s = now_s(CLOCK_MONOTONIC) - begin_s;
    close(file);
    buffer_done(&batch);
    return options->records / begin_s;
}

static void remove_bus(const char *directory)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/bus_append.db", directory);
    unlink(path);
    snprintf(path, sizeof path, "%s/bus_append.db-wal", directory);
    unlink(path);
}

static void measure(const struct options *options)
{
    struct loop *loop = test_loop_make(NULL);
    struct group *groups = need_memory((options->groups + 1) * sizeof *groups);
    struct buffer text = {0};
    struct event *event = make_event(&text);
    char url[PATH_MAX], path[PATH_MAX];
    struct error err;
    double limit, append, cpu_s, catch_up_s;

    snprintf(path, sizeof path, "%s/bus_append.limit", options->directory);
    limit = limit_per_s(path, options, &text);
    remove_bus(options->directory);
    snprintf(url, sizeof url, "embedded:%s/bus_append.db", options->directory);
    if (bus_open(&(struct bus_config){.url = url}, loop, &bus, &err) != OUTCOME_DONE)
        fail(err.message);
    for (unsigned i = 0; i < options->groups; i++) join(&groups[i], i);

    cpu_s = now_s(CLOCK_PROCESS_CPUTIME_ID);
    append = append_per_s(loop, options, &text, event);
    cpu_s = now_s(CLOCK_PROCESS_CPUTIME_ID) - cpu_s;
    catch_up_s = now_s(CLOCK_MONOTONIC);
    join(&groups[options->groups], options->groups);
    test_loop_run(loop);
    catch_up_s = now_s(CLOCK_MONOTONIC) - catch_up_s;
    if (confirmed != options->records) fail("not all records were confirmed");
    for (unsigned i = 0; i <= options->groups; i++)
        if (groups[i].count != options->records) fail("a group didn't get all records");

    printf(options->json
               ? "{\"bus_append_per_s\":%.0f,\"bus_append_per_cpu_s\":%.0f,"
                 "\"bus_catch_up_per_s\":%.0f,\"limit_append_per_s\":%.0f,\"bytes\":%zu}\n"
               : "durable and read by all  %.0f/s\nin a second of CPU       %.0f\n"
                 "catching up from disk    %.0f/s\nlimit, appended bytes    %.0f/s\n"
                 "bytes of a record        %zu\n",
           append, options->records / cpu_s, options->records / catch_up_s, limit, text.length);
    bus_close(bus);
    remove_bus(options->directory);
    test_loop_run(loop);
    test_loop_free(loop);
    event_release(event);
    buffer_done(&text);
    free(groups);
}

static unsigned number(const char *text, unsigned most)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (*text == '\0' || *end != '\0' || value > most) fail(usage);
    return (unsigned)value;
}

int main(int argc, char **argv)
{
    static const struct option names[] = {
        {"records", required_argument, NULL, 'r'}, {"batch", required_argument, NULL, 'b'},
        {"groups", required_argument, NULL, 'g'},  {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    struct options options = {.records = 500000, .batch = 500, .groups = 3};

    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (c) {
        case 'r': options.records = number(optarg, 1000000000); break;
        case 'b': options.batch = number(optarg, BATCH_MAX); break;
        case 'g': options.groups = number(optarg, GROUPS_MAX); break;
        case 'j': options.json = true; break;
        case 'h': fputs(usage, stdout); return 0;
        default: fail(usage);
        }
    }
    if (optind + 1 != argc || options.batch == 0 || options.records == 0) fail(usage);
    options.directory = argv[optind];
    options.records = (options.records + options.batch - 1) / options.batch * options.batch;
    measure(&options);
    return 0;
}
