/* An index is fed, with a thread of its own and without: all that was fed is found, also when the
 * last chunk is empty, and where memory_max ends the feeding says so and hangs nowhere. */
#include "id_feed.h"
#include "hash.h"
#include "support/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t secret[2] = {11, 12};

static uint64_t position_of(uint64_t number) { return 4096 + 32 * number; }

static mp_status feed(struct ids *ids, uint64_t count, bool thread)
{
    struct id_feed feed;
    mp_status status = id_feed_open(&feed, ids, mp_env_posix(), thread);

    for (uint64_t i = 0; i < count && status == MP_OK; i++)
        status = id_feed_put(&feed, id_hash(secret, i), (enum id_tag)(i % 3), position_of(i));
    return id_feed_close(&feed, status);
}

static bool found(const struct ids *ids, uint64_t number)
{
    struct ids_probe probe;
    uint64_t position = ids_first(ids, id_hash(secret, number), (enum id_tag)(number % 3), &probe);

    while (position != 0 && position != position_of(number)) position = ids_next(ids, &probe);
    return position != 0;
}

static void all_are_found(uint64_t count, bool thread)
{
    struct memory memory = {.max = MIB(64)};
    struct ids ids;

    MUST(ids_open(&ids, &memory) == MP_OK);
    MUST(feed(&ids, count, thread) == MP_OK);
    MUST(ids.count == count);
    for (uint64_t i = 0; i < count; i++) MUST(found(&ids, i));
    ids_close(&ids);
}

static void no_room_is_told(bool thread)
{
    struct memory memory = {.max = MIB(1)}; /* for 50,000 at least, 100,000 at most */
    struct ids ids;

    MUST(ids_open(&ids, &memory) == MP_OK);
    MUST(feed(&ids, 1000000, thread) == MP_LIMIT);
    MUST(strstr(mp_last_error(), "memory_max") != NULL);
    MUST(ids.count > 50000 && ids.count < 100000);
    for (uint64_t i = 0; i < ids.count; i++) MUST(found(&ids, i));
    ids_close(&ids);
}

int main(void)
{
    static const uint64_t counts[] = {
        0,
        1,
        ID_FEED_CHUNK - 1,
        ID_FEED_CHUNK,
        ID_FEED_CHUNK + 1,
        (uint64_t)ID_FEED_CHUNKS * ID_FEED_CHUNK,
        30 * (uint64_t)ID_FEED_CHUNK + 7,
    };

    for (int thread = 0; thread < 2; thread++) {
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
            all_are_found(counts[i], thread != 0);
        no_room_is_told(thread != 0);
    }
    printf("all that was fed is found\n");
    return 0;
}
