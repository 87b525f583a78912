/* All keys that can be used, in memory. */
#include "security/keys_internal.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

void key_hash(const char *text, uint8_t out[32])
{
    SHA256((const unsigned char *)text, strlen(text), out);
}

/* The place of a hash, or the free one where it belongs. What time this takes depends on the hash
 * of what was sent, which tells nothing about the keys. */
static unsigned place_of(const struct keys_cache *cache, const uint8_t hash[32])
{
    uint64_t number;
    unsigned at;

    memcpy(&number, hash, sizeof number);
    at = (unsigned)(number & (cache->room - 1));
    while (cache->places[at] != NULL && CRYPTO_memcmp(cache->places[at]->key.hash, hash, 32) != 0)
        at = (at + 1) & (cache->room - 1);
    return at;
}

struct cached_key *cache_find(const struct keys_cache *cache, const uint8_t hash[32])
{
    return cache->room > 0 ? cache->places[place_of(cache, hash)] : NULL;
}

/* Puts all into a table of that many places. */
static void move_to(struct keys_cache *cache, unsigned room)
{
    struct keys_cache grown = {.places = need_memory(room * sizeof(struct cached_key *)),
                               .count = cache->count,
                               .room = room};

    for (unsigned i = 0; i < cache->room; i++)
        if (cache->places[i] != NULL)
            grown.places[place_of(&grown, cache->places[i]->key.hash)] = cache->places[i];
    free(cache->places);
    *cache = grown;
}

void cache_add(struct keys_cache *cache, const struct api_key *key)
{
    struct cached_key *added = need_memory(sizeof *added);

    if (2 * (cache->count + 1) > cache->room)
        move_to(cache, cache->room > 0 ? 2 * cache->room : 64);
    added->key = *key;
    cache->places[place_of(cache, key->hash)] = added;
    cache->count++;
}

void cache_remove(struct keys_cache *cache, struct uuid id)
{
    for (unsigned i = 0; i < cache->room; i++) {
        if (cache->places[i] == NULL || !uuid_equal(cache->places[i]->key.id, id)) continue;
        free(cache->places[i]);
        cache->places[i] = NULL;
        cache->count--;
        move_to(cache, cache->room); /* what stood behind it may belong where it was */
        return;
    }
}

void cache_done(struct keys_cache *cache)
{
    for (unsigned i = 0; i < cache->room; i++) free(cache->places[i]);
    free(cache->places);
    *cache = (struct keys_cache){0};
}
