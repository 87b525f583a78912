#include "account_set.h"

#include <stdlib.h>
#include <string.h>

enum {
    CAPACITY_FIRST = 1 << 12,
    CAPACITY_MAX = 1 << 23, /* 128 MiB */
};

bool account_set_begin(struct account_set *set)
{
    *set = (struct account_set){.capacity = CAPACITY_FIRST};
    set->slots = calloc(set->capacity, sizeof *set->slots);
    return set->slots != NULL;
}

void account_set_end(struct account_set *set)
{
    free(set->slots);
    set->slots = NULL;
}

/* Where an id is, or where it would go. */
static mp_id *place(const struct account_set *set, mp_id id)
{
    uint64_t hash =
        ((uint64_t)id ^ (uint64_t)(id >> 64) * 0x9e3779b97f4a7c15u) * 0xd6e8feb86659fd93u;
    size_t i = (size_t)(hash >> 32) & (set->capacity - 1);

    while (set->slots[i] != 0 && set->slots[i] != id) i = (i + 1) & (set->capacity - 1);
    return &set->slots[i];
}

/* Makes room: twice as much, or by forgetting. */
static void make_room(struct account_set *set)
{
    struct account_set larger = {.capacity = set->capacity * 2, .count = set->count};

    if (set->capacity < CAPACITY_MAX) larger.slots = calloc(larger.capacity, sizeof *larger.slots);
    if (larger.slots == NULL) {
        memset(set->slots, 0, set->capacity * sizeof *set->slots);
        set->count = 0;
        return;
    }
    for (size_t i = 0; i < set->capacity; i++)
        if (set->slots[i] != 0) *place(&larger, set->slots[i]) = set->slots[i];
    free(set->slots);
    *set = larger;
}

bool account_set_add(struct account_set *set, mp_id id)
{
    mp_id *slot = place(set, id);

    if (*slot == id) return false;
    if (2 * (set->count + 1) > set->capacity) {
        make_room(set);
        slot = place(set, id);
    }
    *slot = id;
    set->count++;
    return true;
}
