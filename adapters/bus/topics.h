/* Topics by their names in C: &topics[TOPIC_payment]. What a topic is stands in bus/bus.h. */
#ifndef ADAPTERS_BUS_TOPICS_H
#define ADAPTERS_BUS_TOPICS_H

#include "bus/bus.h"

enum topic_number {
#define TOPIC(name, topic, owner, key, partitions, days, help) TOPIC_##name,
#include "topics.def"
#undef TOPIC
    TOPIC_COUNT,
};

#endif
