#include "bus/topics.h"

#include <criterion/criterion.h>
#include <string.h>

/* Counted with xxHash's own program: a key that moves would be read out of order. */
Test(topics, a_key_stays_in_its_partition_for_ever)
{
    struct {
        const char *key;
        unsigned partition;
    } cases[] = {
        {"018f3a7e-0000-7abc-8def-0123456789ab", 4},
        {"00000000-0000-0000-0000-000000000000", 8},
        {"ffffffff-ffff-ffff-ffff-ffffffffffff", 7},
        {"550e8400-e29b-41d4-a716-446655440000", 10},
    };

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct uuid key;

        cr_assert(uuid_read(cases[i].key, &key));
        cr_assert_eq(topic_partition(&topics[TOPIC_payment], key), cases[i].partition, "%s",
                     cases[i].key);
    }
}

Test(topics, keys_spread_over_all_partitions)
{
    unsigned counts[12] = {0};

    for (unsigned i = 0; i < 12000; i++) {
        struct uuid key = {{(uint8_t)i, (uint8_t)(i >> 8)}};
        unsigned partition = topic_partition(&topics[TOPIC_payment], key);

        cr_assert_lt(partition, 12);
        counts[partition]++;
    }
    for (unsigned i = 0; i < 12; i++) cr_assert(counts[i] > 800 && counts[i] < 1200);
}

Test(topics, each_is_found_by_its_name_and_stands_there_once)
{
    unsigned count = 0;

    for (const struct topic *topic = topics; topic->name != NULL; topic++, count++) {
        cr_assert_eq(topic_find(topic->name), topic);
        cr_assert_gt(topic->partitions, 0);
        cr_assert_gt(strlen(topic->help), 0);
    }
    cr_assert_eq(count, TOPIC_COUNT);
    cr_assert_str_eq(topics[TOPIC_payment].name, "micropay.payment");
    cr_assert_eq(topics[TOPIC_payment].retention_ms, 30 * UINT64_C(86400000));
    cr_assert_null(topic_find("micropay.nothing"));
}
