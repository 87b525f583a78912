/* The table of API keys. */
#include "security/keys_internal.h"

#include <string.h>

static const struct store_statement insert_key = {
    "store a key",
    "INSERT INTO api_keys (id, owner, tenant, live, scopes, hash, created, last_used, revoked) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0)"};
static const struct store_statement select_keys = {
    "read the keys", "SELECT id, owner, tenant, live, scopes, hash, created, last_used, revoked "
                     "FROM api_keys ORDER BY created, id"};
static const struct store_statement select_key = {"look a key up",
                                                  "SELECT revoked FROM api_keys WHERE id = $1"};
static const struct store_statement revoke_key = {
    "revoke a key", "UPDATE api_keys SET revoked = $1 WHERE id = $2 AND revoked = 0"};
static const struct store_statement touch_key = {
    "store when a key was used",
    "UPDATE api_keys SET last_used = $1 WHERE id = $2 AND last_used < $1"};

static enum outcome finish(struct store *store, enum outcome outcome, struct error *err)
{
    if (outcome == OUTCOME_DONE) return store_commit(store, err);
    store_rollback(store);
    return outcome;
}

enum outcome rows_add(struct store *store, const struct api_key *key, struct error *err)
{
    struct buffer scopes_text = {0};
    enum outcome outcome;

    if (store_begin(store, err) != OUTCOME_DONE) return err->outcome;
    scopes_print(key->scopes, &scopes_text);
    const struct store_value arguments[] = {
        store_uuid(&key->id),
        store_uuid(&key->owner),
        store_text(key->tenant),
        store_integer(key->live),
        store_text(buffer_str(&scopes_text)),
        store_bytes(key->hash, sizeof key->hash),
        store_integer((int64_t)key->created_ns),
    };
    outcome = store_exec(store, &insert_key, arguments, 7, 1, err);
    buffer_done(&scopes_text);
    return finish(store, outcome, err);
}

static void on_found(void *context, const struct store_row *row)
{
    (void)row;
    *(bool *)context = true;
}

enum outcome rows_revoke(struct store *store, struct uuid id, uint64_t now_ns, bool *found,
                         struct error *err)
{
    const struct store_value values[] = {store_integer((int64_t)now_ns), store_uuid(&id)};
    enum outcome outcome;

    *found = false;
    if (store_begin(store, err) != OUTCOME_DONE) return err->outcome;
    outcome = store_query(store, &select_key, &values[1], 1, on_found, found, err);
    if (outcome == OUTCOME_DONE) outcome = store_exec(store, &revoke_key, values, 2, -1, err);
    return finish(store, outcome, err);
}

/* Who wants the rows. */
struct listing {
    void (*each)(void *context, const struct api_key *key);
    void *context;
};

static void on_key(void *context, const struct store_row *row)
{
    const struct listing *listing = context;
    const struct store_value *hash = &row->values[5];
    struct api_key key = {.id = store_read_uuid(row, 0), .owner = store_read_uuid(row, 1)};
    char names[1024];

    store_read_text(row, 2, key.tenant, sizeof key.tenant);
    key.live = store_read_integer(row, 3) != 0;
    store_read_text(row, 4, names, sizeof names);
    /* A scope that this release doesn't know allows nothing. */
    (void)scopes_read(names, &key.scopes);
    key.scopes &= ~scope_bit("internal");
    if (hash->kind == STORE_BYTES && hash->length == sizeof key.hash)
        memcpy(key.hash, hash->bytes, sizeof key.hash);
    key.created_ns = (uint64_t)store_read_integer(row, 6);
    key.last_used_ns = (uint64_t)store_read_integer(row, 7);
    key.revoked_ns = (uint64_t)store_read_integer(row, 8);
    listing->each(listing->context, &key);
}

enum outcome rows_list(struct store *store, void (*each)(void *context, const struct api_key *key),
                       void *context, struct error *err)
{
    struct listing listing = {each, context};
    enum outcome outcome;

    if (store_begin(store, err) != OUTCOME_DONE) return err->outcome;
    outcome = store_query(store, &select_keys, NULL, 0, on_key, &listing, err);
    if (outcome == OUTCOME_DONE) outcome = store_sync(store, err);
    store_rollback(store);
    return outcome;
}

enum outcome rows_used(struct store *store, struct keys_cache *cache, struct error *err)
{
    enum outcome outcome = OUTCOME_DONE;

    if (store_begin(store, err) != OUTCOME_DONE) return err->outcome;
    for (unsigned i = 0; i < cache->room && outcome == OUTCOME_DONE; i++) {
        const struct cached_key *cached = cache->places[i];

        if (cached == NULL || !cached->used) continue;
        const struct store_value values[] = {store_integer((int64_t)cached->key.last_used_ns),
                                             store_uuid(&cached->key.id)};
        outcome = store_exec(store, &touch_key, values, 2, -1, err);
    }
    outcome = finish(store, outcome, err);
    for (unsigned i = 0; i < cache->room && outcome == OUTCOME_DONE; i++)
        if (cache->places[i] != NULL) cache->places[i]->used = false;
    return outcome;
}
