/* What the files of API keys share; nobody else includes it. */
#ifndef ADAPTERS_SECURITY_KEYS_INTERNAL_H
#define ADAPTERS_SECURITY_KEYS_INTERNAL_H

#include "security/keys.h"

/* A key that isn't revoked, in memory. */
struct cached_key {
    struct api_key key;
    bool used; /* last_used_ns isn't stored yet */
};

/* Open addressing by the hash; grows, and is never more than half full. */
struct keys_cache {
    struct cached_key **places;
    unsigned count, room;
};

struct keys {
    struct loop *loop;
    struct store *store;
    struct keys_cache cache;
    char internal_key[INTERNAL_KEY_MAX + 1];
    uint8_t internal_hash[32];
    struct loop_timer store_used;
    bool timer_set;
};

/* --- keys_cache.c --- */

/* NULL if it isn't there. */
struct cached_key *cache_find(const struct keys_cache *cache, const uint8_t hash[32]);
void cache_add(struct keys_cache *cache, const struct api_key *key);
void cache_remove(struct keys_cache *cache, struct uuid id);
void cache_done(struct keys_cache *cache);
void key_hash(const char *text, uint8_t out[32]);

/* --- keys_rows.c --- */

extern const struct migrations security_migrations;
enum outcome rows_add(struct store *store, const struct api_key *key, struct error *err) MUST_USE;
/* *X*/
enum outcome rows_revoke(struct store *store, struct uuid id, uint64_t now_ns, bool *found,
                         struct error *err) MUST_USE;
enum outcome rows_list(struct store *store, void (*each)(void *context, const struct api_key *key),
                       void *context, struct error *err) MUST_USE;
/* Stores last_used_ns of those that were used. */
enum outcome rows_used(struct store *store, struct keys_cache *cache, struct error *err) MUST_USE;

#endif
