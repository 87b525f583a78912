#include "bus/given_bus.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct error err;

void given_reopen(struct given *given)
{
    struct bus_config config = {.url = given->url};

    cr_assert_eq(bus_open(&config, given->loop, &given->bus, &err), OUTCOME_DONE, "%s %s",
                 err.message, err.detail);
}

void given_open(struct given *given, const struct contract *contract)
{
    *given = (struct given){.contract = contract, .directory = "/tmp/micropay-bus-XXXXXX"};
    cr_assert_not_null(mkdtemp(given->directory));
    contract->url(given->directory, given->url, sizeof given->url);
    given->loop = contract->make_loop();
    given_reopen(given);
}

void given_close(struct given *given)
{
    if (given->bus == NULL) return;
    bus_close(given->bus);
    given->bus = NULL;
    given_quiet(given);
}

void given_restart(struct given *given)
{
    given_close(given);
    if (given->contract->restart != NULL) given->contract->restart(given->url);
    given_reopen(given);
}

static int remove_one(const char *path, const struct stat *status, int flag, struct FTW *walk)
{
    (void)status;
    (void)flag;
    (void)walk;
    return remove(path);
}

void given_end(struct given *given)
{
    given_close(given);
    given->contract->free_loop(given->loop);
    nftw(given->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* --- publishing --- */

struct outgoing {
    struct bus_record record;
    struct given *given;
    bool answered;
    char text[];
};

static void on_done(struct bus_record *record, enum outcome outcome, const struct error *why)
{
    struct outgoing *outgoing = record->context;
    struct given *given = outgoing->given;

    cr_assert(!given->inside, "answered inside the call");
    cr_assert(!outgoing->answered, "answered twice");
    outgoing->answered = true;
    given->answered++;
    given->done += outcome == OUTCOME_DONE;
    given->again += outcome == OUTCOME_AGAIN;
    given->unknown += outcome == OUTCOME_UNKNOWN;
    given->refused += outcome == OUTCOME_REFUSED;
    if (outcome != OUTCOME_DONE) {
        cr_assert_not_null(why);
        cr_assert_eq(why->outcome, outcome);
        given->last = *why;
    }
    memset(outgoing->text, 'x', record->length); /* it is the publisher's again */
    free(outgoing);
}

void given_publish_text(struct given *given, const struct topic *topic, unsigned key,
                        const char *text, size_t length, const struct event *event)
{
    struct outgoing *outgoing = malloc(sizeof *outgoing + length);

    outgoing->given = given;
    outgoing->answered = false;
    memcpy(outgoing->text, text, length);
    outgoing->record = (struct bus_record){
        .topic = topic,
        .partition = topic_partition(topic, given_key(key)),
        .key = given_key(key),
        .value = outgoing->text,
        .length = length,
        .event = event,
        .done = on_done,
        .context = outgoing,
    };
    given->published++;
    given->inside = true;
    bus_publish(given->bus, &outgoing->record);
    given->inside = false;
}

struct uuid given_key(unsigned key)
{
    struct uuid uuid = {{1}};

    memcpy(uuid.bytes + 4, &key, sizeof key);
    return uuid;
}

void given_publish(struct given *given, const struct topic *topic, unsigned key, long number)
{
    char text[24];

    given_publish_text(given, topic, key, text, (size_t)snprintf(text, sizeof text, "%ld", number),
                       NULL);
}

static bool all_answered(void *context)
{
    struct given *given = context;

    return given->answered == given->published;
}

void given_answers(struct given *given)
{
    cr_assert(given->contract->until(given->loop, all_answered, given));
}

/* --- reading --- */

static uint64_t on_position(void *context, const struct topic *topic, unsigned partition)
{
    struct given_reader *reader = context;

    cr_assert_eq(topic, reader->api.topics[0]);
    return reader->applied[partition];
}

static void take(struct given_reader *reader, const struct bus_message *message)
{
    struct got *got = &reader->got[reader->count++];
    char text[24] = "";

    cr_assert_leq(reader->count, GOT_MAX);
    cr_assert_eq(message->topic, reader->api.topics[0]);
    cr_assert_gt(message->position, reader->applied[message->partition], "out of order");
    reader->applied[message->partition] = message->position;
    memcpy(text, message->value, message->length < sizeof text ? message->length : 20);
    *got = (struct got){message->partition, message->position, message->key, atol(text)};
    cr_assert_eq(topic_partition(message->topic, message->key), message->partition);
    reader->event = message->event;
}

static void on_records(void *context, const struct bus_message *messages, unsigned count)
{
    struct given_reader *reader = context;

    cr_assert(!reader->given->inside, "records inside the call");
    cr_assert(count > 0 && count <= 500);
    reader->calls++;
    for (unsigned i = 0; i < count; i++) take(reader, &messages[i]);
    if (reader->leaves) {
        bus_leave(reader->given->bus, &reader->api);
        return;
    }
    if (reader->stands_still) return;
    reader->given->inside = true;
    bus_ready(reader->given->bus, &reader->api);
    reader->given->inside = false;
}

static void on_failed(void *context, const struct topic *topic, unsigned partition,
                      const struct error *why)
{
    struct given_reader *reader = context;

    cr_assert(!reader->given->inside, "failed inside the call");
    cr_assert_eq(topic, reader->api.topics[0]);
    reader->failures++;
    reader->failed_partition = partition;
    reader->why = *why;
}

void given_join(struct given *given, struct given_reader *reader, const char *group,
                const struct topic *topic)
{
    reader->given = given;
    reader->topics[0] = topic;
    if (reader->got == NULL) reader->got = malloc(GOT_MAX * sizeof *reader->got);
    reader->api = (struct bus_reader){
        .group = group,
        .topics = reader->topics,
        .position = on_position,
        .records = on_records,
        .failed = on_failed,
        .context = reader,
    };
    given->inside = true;
    cr_assert_eq(bus_join(given->bus, &reader->api, &err), OUTCOME_DONE, "%s", err.message);
    given->inside = false;
}

struct waiting {
    struct given_reader *reader;
    unsigned count;
};

static bool has_got(void *context)
{
    struct waiting *waiting = context;

    return waiting->reader->count >= waiting->count;
}

void given_got(struct given *given, struct given_reader *reader, unsigned count)
{
    struct waiting waiting = {reader, count};

    cr_assert(given->contract->until(given->loop, has_got, &waiting), "got %u of %u", reader->count,
              count);
    cr_assert_eq(reader->count, count);
}

static bool has_failed(void *context)
{
    struct given_reader *reader = context;

    return reader->failures > 0;
}

void given_failed(struct given *given, struct given_reader *reader)
{
    cr_assert(given->contract->until(given->loop, has_failed, reader));
}

static bool never(void *context)
{
    (void)context;
    return false;
}

void given_quiet(struct given *given)
{
    cr_assert(!given->contract->until(given->loop, never, NULL));
}
