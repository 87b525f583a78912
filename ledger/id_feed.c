#include "id_feed.h"

#include <stdio.h>

#define FEED_BYTES ((uint64_t)ID_FEED_CHUNKS * ID_FEED_CHUNK * sizeof(struct id_feed_entry))

enum { AHEAD = 16 /* entries between a prefetch and the insertion */ };

PREFETCHES void prefetch_entry(const struct ids *ids, const struct id_feed_entry *entry)
{
    ids_prefetch_tag(ids, entry->hash, (enum id_tag)(entry->position_tag & 3));
}

static mp_status enter(struct ids *ids, const struct id_feed_entry *entries, uint32_t count)
{
    mp_status status = ids_prepare(ids, count);

    if (status != MP_OK) return status;
    for (uint32_t i = 0; i < count && i < AHEAD; i++) prefetch_entry(ids, &entries[i]);
    for (uint32_t i = 0; i < count; i++) {
        if (i + AHEAD < count) prefetch_entry(ids, &entries[i + AHEAD]);
        ids_insert(ids, entries[i].hash, (enum id_tag)(entries[i].position_tag & 3),
                   entries[i].position_tag & ~3ull);
    }
    return MP_OK;
}

/* Enters a chunk that was handed over, unless one before it found no room. */
static void enter_chunk(struct id_feed *feed, uint32_t chunk)
{
    mp_status status;

    if (atomic_load_explicit(&feed->failed, memory_order_relaxed) != MP_OK) return;
    status = enter(feed->ids, feed->chunks + (uint64_t)chunk * ID_FEED_CHUNK, feed->counts[chunk]);
    if (status == MP_OK) return;
    snprintf(feed->message, sizeof feed->message, "%s", mp_last_error());
    atomic_store_explicit(&feed->failed, (int)status, memory_order_release);
}

static mp_status failure(const struct id_feed *feed)
{
    int status = atomic_load_explicit(&feed->failed, memory_order_acquire);

    return status == MP_OK ? MP_OK : fail((mp_status)status, "%s", feed->message);
}

/* --- the thread --- */

static void count_up(struct id_feed *feed, uint32_t *word)
{
    __atomic_add_fetch(word, 1, __ATOMIC_SEQ_CST);
    feed->env->wake(feed->env->context, word, 1);
}

static void feed_main(void *argument)
{
    struct id_feed *feed = argument;
    uint32_t count = ID_FEED_CHUNK;

    for (uint32_t entered = 0; count == ID_FEED_CHUNK; entered++) {
        uint32_t chunk = entered % ID_FEED_CHUNKS;

        while (__atomic_load_n(&feed->filled, __ATOMIC_ACQUIRE) == entered)
            feed->env->wait(feed->env->context, &feed->filled, entered, UINT64_MAX);
        count = feed->counts[chunk];
        enter_chunk(feed, chunk);
        count_up(feed, &feed->entered);
    }
}

static void start_thread(struct id_feed *feed)
{
    feed->has_thread = feed->env->thread_start(feed->env->context, feed_main, feed, "micropay-ids",
                                               &feed->thread) >= 0;
    feed->may_thread = false; /* when there can be none, this one does without */
}

/* --- feeding --- */

mp_status id_feed_open(struct id_feed *feed, struct ids *ids, const mp_env *env, bool may_thread)
{
    *feed = (struct id_feed){.ids = ids, .env = env, .may_thread = may_thread};
    feed->chunks = pages_take(FEED_BYTES);
    if (feed->chunks == NULL) return fail(MP_NO_MEMORY, "no memory to fill the index of ids");
    return MP_OK;
}

static void hand_over(struct id_feed *feed)
{
    uint32_t chunk = feed->filled % ID_FEED_CHUNKS;

    feed->counts[chunk] = feed->used;
    feed->used = 0;
    if (feed->may_thread) start_thread(feed);
    if (feed->has_thread) {
        count_up(feed, &feed->filled);
        for (;;) {
            uint32_t entered = __atomic_load_n(&feed->entered, __ATOMIC_ACQUIRE);

            if (feed->filled - entered < ID_FEED_CHUNKS) break;
            feed->env->wait(feed->env->context, &feed->entered, entered, UINT64_MAX);
        }
    } else {
        enter_chunk(feed, chunk);
    }
}

mp_status id_feed_hand_over(struct id_feed *feed)
{
    hand_over(feed);
    return failure(feed);
}

mp_status id_feed_close(struct id_feed *feed, mp_status status)
{
    feed->may_thread = false;
    hand_over(feed); /* which isn't whole, so that the thread ends */
    if (feed->has_thread) feed->env->thread_join(feed->env->context, feed->thread);
    if (status == MP_OK) status = failure(feed);
    pages_free(feed->chunks, FEED_BYTES);
    *feed = (struct id_feed){0};
    return status;
}
