/* The table of topics; which partition a key belongs to. */
#include "bus/topics.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define DAY_MS UINT64_C(86400000)

const struct topic topics[] = {
#define TOPIC(name, topic, owner, key, partitions, days, help)                                     \
    {topic, owner, key, partitions, (days)*DAY_MS, help},
#include "topics.def"
#undef TOPIC
    {.name = NULL},
};

const struct topic *topic_find(const char *name)
{
    for (const struct topic *topic = topics; topic->name != NULL; topic++)
        if (strcmp(topic->name, name) == 0) return topic;
    return NULL;
}

unsigned topic_partition(const struct topic *topic, struct uuid key)
{
    return (unsigned)(XXH3_64bits(key.bytes, sizeof key.bytes) % topic->partitions);
}
