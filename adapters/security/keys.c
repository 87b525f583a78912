/* Making, revoking and finding API keys. */
#include "security/keys_internal.h"

#include "observe/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t store_used_ns = UINT64_C(300000000000);

static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
enum { ALPHABET = sizeof alphabet - 1 };

/* Characters of the alphabet, each as likely: bytes beyond its largest multiple are drawn anew. */
static void draw_text(struct loop *loop, char *out, unsigned count)
{
    uint8_t random;

    while (count > 0) {
        loop_random(loop, &random, 1);
        if (random >= 256 / ALPHABET * ALPHABET) continue;
        *out++ = alphabet[random % ALPHABET];
        count--;
    }
    *out = '\0';
}

bool tenant_is_valid(const char *tenant)
{
    size_t length = strspn(tenant, "abcdefghijklmnopqrstuvwxyz0123456789-");

    return length >= 1 && length <= TENANT_MAX && tenant[length] == '\0';
}

/* --- opening and closing --- */

static enum outcome take_internal_key(struct keys *keys, const char *given, struct error *err)
{
    static const char prefix[] = "mp_internal_";

    if (given == NULL || *given == '\0') {
        memcpy(keys->internal_key, prefix, sizeof prefix);
        draw_text(keys->loop, keys->internal_key + strlen(prefix), 43);
    } else if (strlen(given) < INTERNAL_KEY_LEAST || strlen(given) > INTERNAL_KEY_MAX) {
        error_set(err, REASON_BAD_SETTING, "cannot use the internal key: it has %zu characters",
                  strlen(given));
        error_hint(err, "Let its file hold %d to %d random characters.", INTERNAL_KEY_LEAST,
                   INTERNAL_KEY_MAX);
        return err->outcome;
    } else {
        memcpy(keys->internal_key, given, strlen(given) + 1);
    }
    key_hash(keys->internal_key, keys->internal_hash);
    return OUTCOME_DONE;
}

static void on_loaded(void *context, const struct api_key *key)
{
    struct keys *keys = context;

    if (key->revoked_ns == 0) cache_add(&keys->cache, key);
}

static void store_used(void *context)
{
    struct keys *keys = context;
    struct error err = {0};

    loop_timer_cancel(keys->loop, &keys->store_used);
    keys->timer_set = false;
    if (rows_used(keys->store, &keys->cache, &err) == OUTCOME_DONE) return;
    log_warn((&(struct log_about){.action = "keys.not_stored", .err = &err}),
             "could not store when API keys were used");
}

static enum outcome open_all(struct keys *keys, const struct keys_config *config, struct error *err)
{
    const struct store_config store = {.url = config->url};

    if (take_internal_key(keys, config->internal_key, err) != OUTCOME_DONE) return err->outcome;
    if (store_open(&store, &keys->store, err) != OUTCOME_DONE) return err->outcome;
    if (store_migrate(keys->store, &security_migrations, err) != OUTCOME_DONE) return err->outcome;
    return rows_list(keys->store, on_loaded, keys, err);
}

enum outcome keys_open(const struct keys_config *config, struct keys **out, struct error *err)
{
    struct keys *keys = need_memory(sizeof *keys);
    enum outcome outcome;

    keys->loop = config->loop;
    keys->store_used = (struct loop_timer){.fire = store_used, .context = keys};
    outcome = open_all(keys, config, err);
    if (outcome != OUTCOME_DONE) {
        keys_close(keys);
        return outcome;
    }
    *out = keys;
    return OUTCOME_DONE;
}

void keys_close(struct keys *keys)
{
    if (keys == NULL) return;
    if (keys->timer_set) store_used(keys);
    store_close(keys->store);
    cache_done(&keys->cache);
    explicit_bzero(keys->internal_key, sizeof keys->internal_key);
    free(keys);
}

const char *keys_internal(const struct keys *keys) { return keys->internal_key; }

/* --- the verbs --- */

static struct uuid new_id(struct keys *keys)
{
    uint8_t random[10];

    loop_random(keys->loop, random, sizeof random);
    return uuid_7(loop_now_ns(keys->loop), random);
}

static enum outcome check(const struct keys *keys, const struct key_request *request,
                          struct error *err)
{
    *err = (struct error){0};
    if (request->tenant == NULL || !tenant_is_valid(request->tenant))
        error_fault(err, "/tenant", "a tenant is 1 to %d characters of a-z, 0-9 and -", TENANT_MAX);
    if (request->scopes == 0 || (request->scopes & scope_bit("internal")) != 0)
        error_fault(err, "/scopes", "a key has at least one scope, and never \"internal\"");
    if (err->fault_count > 0) return err->outcome;
    if (keys->cache.count >= KEYS_MAX) {
        error_set(err, REASON_OUT_OF_SPACE, "cannot make more than %d API keys", KEYS_MAX);
        error_hint(err, "Revoke some.");
        return err->outcome;
    }
    return OUTCOME_DONE;
}

enum outcome keys_make(struct keys *keys, const struct key_request *request, struct api_key *out,
                       char text[KEY_TEXT_MAX + 1], struct error *err)
{
    struct api_key key = {.live = request->live, .scopes = request->scopes};
    char made[KEY_TEXT_MAX + 1];

    if (check(keys, request, err) != OUTCOME_DONE) return err->outcome;
    key.id = new_id(keys);
    key.owner = uuid_is_zero(request->owner) ? new_id(keys) : request->owner;
    key.created_ns = loop_now_ns(keys->loop);
    memcpy(key.tenant, request->tenant, strlen(request->tenant) + 1);
    snprintf(made, sizeof made, "%s", request->live ? "mp_live_" : "mp_test_");
    draw_text(keys->loop, made + 8, KEY_RANDOM);
    key_hash(made, key.hash);
    if (rows_add(keys->store, &key, err) != OUTCOME_DONE) return err->outcome;
    cache_add(&keys->cache, &key);
    *out = key;
    memcpy(text, made, sizeof made);
    explicit_bzero(made, sizeof made);
    return OUTCOME_DONE;
}

enum outcome keys_revoke(struct keys *keys, struct uuid id, struct error *err)
{
    bool found;

    if (rows_revoke(keys->store, id, loop_now_ns(keys->loop), &found, err) != OUTCOME_DONE)
        return err->outcome;
    if (!found) return error_set(err, REASON_NOT_FOUND, "there is no such API key");
    cache_remove(&keys->cache, id);
    return OUTCOME_DONE;
}

enum outcome keys_list(struct keys *keys, void (*each)(void *context, const struct api_key *key),
                       void *context, struct error *err)
{
    if (keys->timer_set) store_used(keys); /* may be late, but not here */
    return rows_list(keys->store, each, context, err);
}

const struct api_key *keys_find(struct keys *keys, const char *text)
{
    struct cached_key *cached;
    uint8_t hash[32];

    key_hash(text, hash);
    cached = cache_find(&keys->cache, hash);
    if (cached == NULL) return NULL;
    cached->key.last_used_ns = loop_now_ns(keys->loop);
    cached->used = true;
    if (!keys->timer_set) {
        keys->timer_set = true;
        loop_timer_set(keys->loop, &keys->store_used, store_used_ns);
    }
    return &cached->key;
}
