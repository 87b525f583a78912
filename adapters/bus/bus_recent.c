/* A ring of pointers for each partition, and one list of all for forgetting the oldest. */
#include "bus/bus_recent.h"

#include "bus/events.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_KEPT = 64 }; /* pointers of a partition that stay when all is forgotten */

/* Records oldest to newest of a partition; that of a position lies at position & (room - 1). */
struct ring {
    struct recent **slots;
    uint64_t oldest, newest; /* oldest > newest: none */
    uint64_t room;           /* a power of two, or 0 */
};

struct recents {
    struct ring *rings[TOPIC_COUNT]; /* one for each partition */
    struct recent *first, **last;
    size_t bytes;
};

struct recents *recents_make(void)
{
    struct recents *recents = need_memory(sizeof *recents);

    for (unsigned i = 0; i < TOPIC_COUNT; i++) {
        recents->rings[i] = need_memory(topics[i].partitions * sizeof(struct ring));
        for (unsigned j = 0; j < topics[i].partitions; j++) recents->rings[i][j].oldest = 1;
    }
    recents->last = &recents->first;
    return recents;
}

static struct ring *ring_of(const struct recents *recents, const struct topic *topic,
                            unsigned partition)
{
    return &recents->rings[topic - topics][partition];
}

/* The event among it, whether it was parsed already or not. */
static size_t cost_of(const struct recent *recent)
{
    const struct event_type *type = recent->event != NULL ? recent->event->type : NULL;

    return sizeof *recent + recent->length + sizeof(struct event) +
           (type != NULL ? type->size : 1024);
}

static void forget_first(struct recents *recents)
{
    struct recent *recent = recents->first;
    struct ring *ring = ring_of(recents, recent->topic, recent->partition);

    assert(ring->oldest == recent->position);
    ring->oldest++;
    recents->first = recent->next;
    if (recents->first == NULL) recents->last = &recents->first;
    recents->bytes -= recent->cost;
    recent_free(recent);
}

static void grow(struct ring *ring)
{
    uint64_t room = ring->room > 0 ? 2 * ring->room : ROOM_KEPT;
    struct recent **slots = need_memory(room * sizeof(struct recent *));

    for (uint64_t i = ring->oldest; i <= ring->newest; i++)
        slots[i & (room - 1)] = ring->slots[i & (ring->room - 1)];
    free(ring->slots);
    ring->slots = slots;
    ring->room = room;
}

void recents_add(struct recents *recents, struct recent *recent)
{
    struct ring *ring = ring_of(recents, recent->topic, recent->partition);

    if (ring->oldest > ring->newest) {
        ring->oldest = recent->position;
        ring->newest = recent->position - 1;
    }
    assert(recent->position == ring->newest + 1);
    if (ring->newest + 1 - ring->oldest == ring->room) grow(ring);
    ring->newest++;
    ring->slots[recent->position & (ring->room - 1)] = recent;
    *recents->last = recent;
    recents->last = &recent->next;
    recent->cost = cost_of(recent);
    recents->bytes += recent->cost;
    while (recents->bytes > RECENT_BYTES_MAX && recents->first != recent) forget_first(recents);
}

struct recent *recents_find(const struct recents *recents, const struct topic *topic,
                            unsigned partition, uint64_t position)
{
    const struct ring *ring = ring_of(recents, topic, partition);

    if (position < ring->oldest || position > ring->newest) return NULL;
    return ring->slots[position & (ring->room - 1)];
}

void recents_clear(struct recents *recents)
{
    while (recents->first != NULL) forget_first(recents);
    for (unsigned i = 0; i < TOPIC_COUNT; i++) {
        for (unsigned j = 0; j < topics[i].partitions; j++) {
            struct ring *ring = &recents->rings[i][j];

            if (ring->room <= ROOM_KEPT) continue;
            free(ring->slots);
            *ring = (struct ring){.oldest = 1};
        }
    }
}

void recents_free(struct recents *recents)
{
    recents_clear(recents);
    for (unsigned i = 0; i < TOPIC_COUNT; i++) {
        for (unsigned j = 0; j < topics[i].partitions; j++) free(recents->rings[i][j].slots);
        free(recents->rings[i]);
    }
    free(recents);
}

struct recent *recent_make(const struct topic *topic, unsigned partition, uint64_t position,
                           struct uuid key, const char *value, size_t length,
                           const struct event *event)
{
    struct recent *recent = need_memory(sizeof *recent + length + 1);

    *recent = (struct recent){
        .topic = topic,
        .partition = partition,
        .position = position,
        .key = key,
        .length = length,
        .event = event != NULL ? event_hold(event) : NULL,
        .parsed = event != NULL,
    };
    memcpy(recent->value, value, length);
    return recent;
}

void recent_free(struct recent *recent)
{
    event_release(recent->event);
    free(recent);
}

const struct event *recent_event(struct recent *recent)
{
    struct event *event;
    struct error err;

    if (recent->parsed) return recent->event;
    recent->parsed = true;
    if (event_parse(recent->value, recent->length, &event, &err) == OUTCOME_DONE)
        recent->event = event;
    return recent->event;
}
