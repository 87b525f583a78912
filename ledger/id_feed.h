/* Ids on their way into the index while a ledger opens: collected in chunks and entered chunk by
 * chunk, by a thread of its own beside the one that reads the log. */
#ifndef LEDGER_ID_FEED_H
#define LEDGER_ID_FEED_H

#include "ids.h"
#include <micropay/env.h>

enum { ID_FEED_CHUNKS = 4, ID_FEED_CHUNK = 8192 };

struct id_feed_entry {
    uint64_t hash;
    uint64_t position_tag; /* log position | tag */
};

struct id_feed {
    struct ids *ids;
    const mp_env *env;
    struct id_feed_entry *chunks; /* a ring */
    uint32_t used;                /* entries of the chunk being filled */
    bool may_thread, has_thread;
    uint64_t thread;
    uint32_t counts[ID_FEED_CHUNKS]; /* entries in a chunk handed over; less than all: the last */
    _Alignas(64) uint32_t filled;    /* chunks handed over so far; a futex word */
    _Alignas(64) uint32_t entered;   /* chunks entered so far; a futex word */
    _Atomic int failed;              /* status of the first failure; its text is in `message` */
    char message[256];
};

/* Begins to feed an index that nobody else uses until id_feed_close(). With `may_thread` a thread
 * is started as soon as there is a whole chunk. MP_NO_MEMORY. */
MP_MUST_USE mp_status id_feed_open(struct id_feed *feed, struct ids *ids, const mp_env *env,
                                   bool may_thread);
/* Hands the chunk being filled over, then waits for a free one. MP_LIMIT or MP_NO_MEMORY when an
 * earlier one had no room. */
MP_MUST_USE mp_status id_feed_hand_over(struct id_feed *feed);
/* Enters what is left, ends the thread. `status`: what the feeding came to; a failure is returned
 * as it is, with its text, else the feed's own. */
MP_MUST_USE mp_status id_feed_close(struct id_feed *feed, mp_status status);

/* Enters an id by and by; as id_feed_hand_over(). `position` as in ids_insert(). */
MP_MUST_USE static inline mp_status id_feed_put(struct id_feed *feed, uint64_t hash,
                                                enum id_tag tag, uint64_t position)
{
    uint64_t chunk = feed->filled % ID_FEED_CHUNKS;

    feed->chunks[chunk * ID_FEED_CHUNK + feed->used++] =
        (struct id_feed_entry){hash, position | (uint64_t)tag};
    return LIKELY(feed->used < ID_FEED_CHUNK) ? MP_OK : id_feed_hand_over(feed);
}

#endif
