#include "bus/given_bus.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAYMENTS (&topics[TOPIC_payment])
#define BALANCES (&topics[TOPIC_balance])
#define DAY_NS   UINT64_C(86400000000000)

/* A test that runs once for each row of contracts[], with `given` open. */
#define CONTRACT(name)                                                                             \
    static void run_##name(struct given *given);                                                   \
    ParameterizedTestParameters(bus, name) { return all_contracts(); }                             \
    ParameterizedTest(const unsigned *index, bus, name)                                            \
    {                                                                                              \
        struct given given;                                                                        \
                                                                                                   \
        given_open(&given, &contracts[*index]);                                                    \
        run_##name(&given);                                                                        \
        given_end(&given);                                                                         \
    }                                                                                              \
    static void run_##name(struct given *given)

static struct criterion_test_params all_contracts(void)
{
    static unsigned indices[8];

    for (unsigned i = 0; i < contract_count; i++) indices[i] = i;
    return cr_make_param_array(unsigned, indices, contract_count);
}

static struct error err;

static void range_is(struct given *given, const struct topic *topic, unsigned partition,
                     uint64_t oldest, uint64_t newest)
{
    uint64_t found_oldest = 7, found_newest = 7;

    cr_assert_eq(bus_range(given->bus, topic, partition, &found_oldest, &found_newest, &err),
                 OUTCOME_DONE);
    cr_assert_eq(found_oldest, oldest, "%llu", (unsigned long long)found_oldest);
    cr_assert_eq(found_newest, newest, "%llu", (unsigned long long)found_newest);
}

/* Numbers of a key come in the order in which they were published, from 0, each once. */
static void check_keys(const struct given_reader *reader)
{
    enum { KEYS = 128 };
    unsigned next[KEYS] = {0};

    for (unsigned i = 0; i < reader->count; i++) {
        unsigned key;

        memcpy(&key, reader->got[i].key.bytes + 4, sizeof key);
        cr_assert_lt(key, KEYS);
        cr_assert_eq(reader->got[i].number, next[key], "key %u: %ld for %u", key,
                     reader->got[i].number, next[key]);
        next[key]++;
    }
}

CONTRACT(records_of_a_key_are_read_in_the_order_of_publishing)
{
    static struct given_reader early, late;

    given_join(given, &early, "early", PAYMENTS);
    for (unsigned i = 0; i < 40; i++) {
        for (unsigned key = 0; key < 100; key++) given_publish(given, PAYMENTS, key, i);
        if (i % 10 == 3) given_answers(given);
    }
    given_answers(given);
    cr_assert_eq(given->done, 4000);
    given_got(given, &early, 4000);
    check_keys(&early);
    given_join(given, &late, "late", PAYMENTS);
    given_got(given, &late, 4000);
    check_keys(&late);
}

CONTRACT(topics_do_not_mix)
{
    static struct given_reader payments, balances;

    given_join(given, &payments, "payments", PAYMENTS);
    given_join(given, &balances, "balances", BALANCES);
    for (unsigned i = 0; i < 30; i++) {
        given_publish(given, PAYMENTS, i, i);
        given_publish(given, BALANCES, i, 100 + i);
        given_publish(given, BALANCES, i, 200 + i);
    }
    given_got(given, &payments, 30);
    given_got(given, &balances, 60);
    for (unsigned i = 0; i < 30; i++) cr_assert_lt(payments.got[i].number, 100);
    for (unsigned i = 0; i < 60; i++) cr_assert_geq(balances.got[i].number, 100);
}

CONTRACT(groups_read_at_their_own_positions)
{
    static struct given_reader first, second;
    unsigned partition = topic_partition(PAYMENTS, given_key(1));

    for (unsigned i = 0; i < 10; i++) given_publish(given, PAYMENTS, 1, i);
    given_answers(given);
    given_join(given, &first, "first", PAYMENTS);
    given_got(given, &first, 10);
    second.applied[partition] = first.got[6].position;
    given_join(given, &second, "second", PAYMENTS);
    given_got(given, &second, 3);
    cr_assert_eq(second.got[0].number, 7);
    cr_assert_eq(second.got[0].position, first.got[7].position);
    given_publish(given, PAYMENTS, 1, 10);
    given_got(given, &first, 11);
    given_got(given, &second, 4);
}

CONTRACT(what_was_confirmed_is_there_after_a_restart)
{
    static struct given_reader before, after, fresh;

    given_join(given, &before, "group", PAYMENTS);
    for (unsigned i = 0; i < 20; i++)
        for (unsigned key = 0; key < 50; key++) given_publish(given, PAYMENTS, key, i);
    given_answers(given);
    given_got(given, &before, 1000);
    given_restart(given);

    memcpy(after.applied, before.applied, sizeof after.applied);
    given_join(given, &after, "group", PAYMENTS);
    given_join(given, &fresh, "fresh", PAYMENTS);
    given_got(given, &fresh, 1000);
    check_keys(&fresh);
    cr_assert_eq(after.count, 0);
    for (unsigned key = 0; key < 50; key++) given_publish(given, PAYMENTS, key, 20);
    given_got(given, &after, 50);
    given_got(given, &fresh, 1050);
    check_keys(&fresh);
}

CONTRACT(a_reader_gets_no_more_before_it_is_ready)
{
    static struct given_reader reader = {.stands_still = true};

    for (unsigned i = 0; i < 1200; i++) given_publish(given, PAYMENTS, 1, i);
    given_join(given, &reader, "group", PAYMENTS);
    given_answers(given);
    given_quiet(given);
    cr_assert_eq(reader.calls, 1);
    for (unsigned calls = 2; reader.count < 1200; calls++) {
        bus_ready(given->bus, &reader.api);
        given_quiet(given);
        cr_assert_eq(reader.calls, calls);
    }
    bus_ready(given->bus, &reader.api);
    given_quiet(given);
    cr_assert_eq(reader.count, 1200);
    given_publish(given, PAYMENTS, 1, 1200);
    given_got(given, &reader, 1201);
}

CONTRACT(publishing_goes_on_while_a_reader_stands_still)
{
    enum { RECORDS = 40000, BYTES = 1000 };
    static struct given_reader still = {.stands_still = true}, live;
    char text[BYTES];

    given_join(given, &still, "still", PAYMENTS);
    given_join(given, &live, "live", PAYMENTS);
    memset(text, ' ', sizeof text);
    for (unsigned i = 0; i < RECORDS; i++) {
        snprintf(text, sizeof text, "%u", i);
        given_publish_text(given, PAYMENTS, i % 30, text, sizeof text, NULL);
        if (i % 500 == 499) given_answers(given);
    }
    given_got(given, &live, RECORDS);
    cr_assert_eq(still.calls, 1);
    cr_assert_eq(bus_lag(given->bus, &still.api), RECORDS - still.count);
    still.stands_still = false;
    bus_ready(given->bus, &still.api);
    given_got(given, &still, RECORDS);
    for (unsigned i = 0; i < RECORDS; i++) {
        unsigned key;

        memcpy(&key, still.got[i].key.bytes + 4, sizeof key);
        cr_assert_eq((unsigned)still.got[i].number % 30, key);
    }
    cr_assert_eq(bus_lag(given->bus, &still.api), 0);
}

CONTRACT(reading_again_from_an_earlier_position_gives_the_same_records)
{
    static struct given_reader reader;
    unsigned partition = topic_partition(PAYMENTS, given_key(1));

    for (unsigned i = 0; i < 100; i++) given_publish(given, PAYMENTS, 1, i);
    given_join(given, &reader, "group", PAYMENTS);
    given_got(given, &reader, 100);
    reader.applied[partition] = reader.got[59].position;
    cr_assert_eq(
        bus_seek(given->bus, &reader.api, PAYMENTS, partition, reader.got[59].position, &err),
        OUTCOME_DONE);
    given_got(given, &reader, 140);
    for (unsigned i = 0; i < 40; i++) {
        cr_assert_eq(reader.got[100 + i].number, 60 + i);
        cr_assert_eq(reader.got[100 + i].position, reader.got[60 + i].position);
    }
    reader.applied[partition] = 0;
    cr_assert_eq(bus_seek(given->bus, &reader.api, PAYMENTS, partition, 0, &err), OUTCOME_DONE);
    given_got(given, &reader, 240);
    cr_assert_eq(bus_seek(given->bus, &reader.api, PAYMENTS, partition, 1000000, &err),
                 OUTCOME_REFUSED);
    cr_assert_eq(bus_seek(given->bus, &reader.api, BALANCES, partition, 0, &err), OUTCOME_REFUSED);
    given_publish(given, PAYMENTS, 1, 100);
    given_got(given, &reader, 241);
}

CONTRACT(what_was_read_ahead_is_forgotten_by_seeking)
{
    static struct given_reader reader = {.stands_still = true};
    unsigned partition = topic_partition(PAYMENTS, given_key(1));
    uint64_t oldest, newest;

    for (unsigned i = 0; i < 2000; i++) given_publish(given, PAYMENTS, 1, i);
    given_answers(given);
    given_join(given, &reader, "group", PAYMENTS);
    given_quiet(given);
    cr_assert_eq(bus_range(given->bus, PAYMENTS, partition, &oldest, &newest, &err), OUTCOME_DONE);
    reader.applied[partition] = newest - 1;
    reader.count = 0;
    cr_assert_eq(bus_seek(given->bus, &reader.api, PAYMENTS, partition, newest - 1, &err),
                 OUTCOME_DONE);
    bus_ready(given->bus, &reader.api);
    given_got(given, &reader, 1);
    cr_assert_eq(reader.got[0].number, 1999);
}

CONTRACT(lag_is_what_a_reader_was_not_given_yet)
{
    static struct given_reader reader = {.stands_still = true};

    given_join(given, &reader, "group", PAYMENTS);
    given_quiet(given);
    cr_assert_eq(bus_lag(given->bus, &reader.api), 0);
    for (unsigned i = 0; i < 700; i++) given_publish(given, PAYMENTS, i, i);
    for (unsigned i = 0; i < 50; i++) given_publish(given, BALANCES, i, i);
    given_answers(given);
    given_quiet(given);
    cr_assert_eq(bus_lag(given->bus, &reader.api), 700 - reader.count);
    reader.stands_still = false;
    bus_ready(given->bus, &reader.api);
    given_got(given, &reader, 700);
    cr_assert_eq(bus_lag(given->bus, &reader.api), 0);
}

CONTRACT(the_range_of_a_partition_is_what_can_be_read)
{
    static struct given_reader reader;
    unsigned partition = topic_partition(PAYMENTS, given_key(1));
    uint64_t oldest, newest;

    range_is(given, PAYMENTS, partition, 0, 0);
    for (unsigned i = 0; i < 10; i++) given_publish(given, PAYMENTS, 1, i);
    given_join(given, &reader, "group", PAYMENTS);
    given_got(given, &reader, 10);
    range_is(given, PAYMENTS, partition, reader.got[0].position, reader.got[9].position);
    range_is(given, PAYMENTS, (partition + 1) % PARTITIONS, 0, 0);
    range_is(given, BALANCES, partition, 0, 0);
    cr_assert_eq(bus_range(given->bus, PAYMENTS, PARTITIONS, &oldest, &newest, &err),
                 OUTCOME_REFUSED);
    given_restart(given);
    range_is(given, PAYMENTS, partition, reader.got[0].position, reader.got[9].position);
}

CONTRACT(a_position_outside_stops_the_reader_and_is_never_moved_by_itself)
{
    static struct given_reader reader;
    unsigned partition = topic_partition(PAYMENTS, given_key(1));

    for (unsigned i = 0; i < 30; i++) given_publish(given, PAYMENTS, i, i);
    given_answers(given);
    reader.applied[partition] = 1000000;
    given_join(given, &reader, "group", PAYMENTS);
    given_failed(given, &reader);
    cr_assert_eq(reader.failed_partition, partition);
    cr_assert_neq(reader.why.outcome, OUTCOME_DONE);
    given_publish(given, PAYMENTS, 2, 30);
    given_answers(given);
    given_quiet(given);
    cr_assert_eq(reader.failures, 1);
    cr_assert_eq(reader.count, 0);

    reader.applied[partition] = 0;
    cr_assert_eq(bus_seek(given->bus, &reader.api, PAYMENTS, partition, 0, &err), OUTCOME_DONE);
    given_got(given, &reader, 31);
}

CONTRACT(what_is_older_than_its_retention_is_dropped_and_no_position_comes_again)
{
    static struct given_reader before, after, behind;
    unsigned partition = topic_partition(PAYMENTS, given_key(1));
    uint64_t last;

    if (given->contract->pass == NULL) cr_skip_test("tidied by somebody else");
    for (unsigned i = 0; i < 5000; i++) given_publish(given, PAYMENTS, 1, i);
    given_publish(given, &topics[TOPIC_account], 1, 7);
    given_answers(given);
    given->contract->pass(given->loop, 20 * DAY_NS);
    for (unsigned i = 0; i < 10; i++) given_publish(given, PAYMENTS, 1, 5000 + i);
    given_join(given, &before, "before", PAYMENTS);
    given_got(given, &before, 5010);
    last = before.got[5009].position;
    bus_tidy(given->bus, loop_now_ns(given->loop));
    given_quiet(given);
    range_is(given, PAYMENTS, partition, before.got[0].position, last);

    given->contract->pass(given->loop, 11 * DAY_NS);
    bus_tidy(given->bus, loop_now_ns(given->loop));
    given_quiet(given);
    range_is(given, PAYMENTS, partition, before.got[5000].position, last);
    range_is(given, &topics[TOPIC_account], topic_partition(PAYMENTS, given_key(1)), 1, 1);
    given_join(given, &after, "after", PAYMENTS);
    given_got(given, &after, 10);
    behind.applied[partition] = before.got[100].position;
    given_join(given, &behind, "behind", PAYMENTS);
    given_failed(given, &behind);

    given->contract->pass(given->loop, 30 * DAY_NS);
    bus_tidy(given->bus, loop_now_ns(given->loop));
    given_quiet(given);
    range_is(given, PAYMENTS, partition, 0, 0);
    given_restart(given);
    given_publish(given, PAYMENTS, 1, 6000);
    given_answers(given);
    range_is(given, PAYMENTS, partition, last + 1, last + 1);
}

CONTRACT(what_is_dropped_before_it_was_read_stops_its_reader)
{
    static struct given_reader still = {.stands_still = true};

    if (given->contract->pass == NULL) cr_skip_test("tidied by somebody else");
    given_join(given, &still, "still", PAYMENTS);
    for (unsigned i = 0; i < 1000; i++) given_publish(given, PAYMENTS, 1, i);
    given_answers(given);
    given_quiet(given);
    cr_assert_lt(still.count, 1000);
    given->contract->pass(given->loop, 31 * DAY_NS);
    bus_tidy(given->bus, loop_now_ns(given->loop));
    given_quiet(given);
    bus_ready(given->bus, &still.api);
    given_failed(given, &still);
    cr_assert_eq(still.calls, 1);
}

CONTRACT(closing_answers_what_is_outstanding)
{
    static struct given_reader reader;

    for (unsigned i = 0; i < 5000; i++) given_publish(given, PAYMENTS, 1, i);
    given_restart(given);
    cr_assert_eq(given->answered, 5000);
    given_join(given, &reader, "group", PAYMENTS);
    given_got(given, &reader, given->done);
    check_keys(&reader);
}

CONTRACT(one_that_has_left_gets_nothing_more)
{
    static struct given_reader reader = {.leaves = true}, other, again;

    given_join(given, &reader, "group", PAYMENTS);
    given_join(given, &other, "other", PAYMENTS);
    for (unsigned i = 0; i < 1500; i++) given_publish(given, PAYMENTS, 1, i);
    given_got(given, &other, 1500);
    cr_assert_eq(reader.calls, 1);
    memcpy(again.applied, reader.applied, sizeof again.applied);
    given_join(given, &again, "group", PAYMENTS);
    given_got(given, &again, 1500 - reader.count);
    bus_leave(given->bus, &again.api);
    bus_leave(given->bus, &other.api);
    given_publish(given, PAYMENTS, 1, 1500);
    given_answers(given);
    given_quiet(given);
    cr_assert_eq(again.count, 1500 - reader.count);
}

CONTRACT(an_event_comes_parsed_and_what_is_none_comes_too)
{
    struct envelope envelope = {.id = given_key(5), .subject = given_key(1), .tenant = "main"};
    struct fraud_risk_assessed_event data = {.payment = given_key(1), .decision = FRAUD_DENY};
    struct buffer text = {0};
    static struct given_reader reader;

    envelope_source("fraud", 1, "x", envelope.source);
    envelope_print_head(envelope.source, 1, 0, &text);
    envelope_print_body(&envelope, EVENT_TYPE(fraud_risk_assessed), &data, &text);
    given_join(given, &reader, "group", &topics[TOPIC_fraud]);
    given_publish_text(given, &topics[TOPIC_fraud], 1, text.bytes, text.length, NULL);
    reader.stands_still = true;
    given_got(given, &reader, 1);
    cr_assert_not_null(reader.event);

    bus_ready(given->bus, &reader.api);
    given_publish_text(given, &topics[TOPIC_fraud], 1, "{\"a\":1}", 7, NULL);
    given_got(given, &reader, 2);
    cr_assert_null(reader.event);
    buffer_done(&text);
}

CONTRACT(a_record_that_is_too_long_is_refused_alone)
{
    static struct given_reader reader;
    char *text = malloc(2000000);

    memset(text, ' ', 2000000);
    given_publish(given, PAYMENTS, 1, 0);
    given_publish_text(given, PAYMENTS, 1, text, 2000000, NULL);
    given_publish(given, PAYMENTS, 1, 1);
    given_answers(given);
    cr_assert_eq(given->done, 2);
    cr_assert_eq(given->refused, 1);
    cr_assert_eq(given->last.reason, REASON_BODY_TOO_LARGE);
    given_join(given, &reader, "group", PAYMENTS);
    given_got(given, &reader, 2);
    check_keys(&reader);
    free(text);
}
