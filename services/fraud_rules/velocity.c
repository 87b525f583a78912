#include "velocity.h"

#include "wire/buffer.h"

#include <stdlib.h>
#include <string.h>

enum { PLACES = 1 << 14 };

struct place {
    struct account_id payer;
    uint64_t begun_ns, count;
};

struct velocity {
    struct place places[PLACES];
};

struct velocity *velocity_make(void) { return need_memory(sizeof(struct velocity)); }
void velocity_free(struct velocity *velocity) { free(velocity); }

uint64_t velocity_count(struct velocity *velocity, struct account_id payer, uint64_t now_ns,
                        uint64_t window_ns)
{
    uint64_t hash;
    struct place *place;

    memcpy(&hash, payer.uuid.bytes + 8, sizeof hash);
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    place = &velocity->places[hash >> 50];
    if (!uuid_equal(place->payer.uuid, payer.uuid) || now_ns < place->begun_ns ||
        now_ns - place->begun_ns >= window_ns)
        *place = (struct place){.payer = payer, .begun_ns = now_ns};
    return ++place->count;
}
