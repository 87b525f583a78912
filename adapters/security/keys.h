/*
 * API keys: who may ask, for which tenant, in which mode, and what.
 *
 * A key is mp_test_ or mp_live_ and 24 characters of [0-9A-Za-z], 142 random bits: long enough that
 * its SHA-256 can be kept without salt or work factor, and that nobody guesses one. It is shown
 * once, when it is made. Keys live in one table of a database of their own, and all of them in
 * memory, so that a request costs no database access.
 *
 * Services of this process call each other with the internal key, which is drawn at each start, or
 * comes from a setting when they are several processes. With it, and only with it, headers say for
 * whom: Micropay-Tenant, Micropay-Mode (test or live), Micropay-Owner, Micropay-Scopes (which can
 * but narrow).
 *
 * On the loop's thread. Making and revoking wait for the database; both are rare.
 */
#ifndef ADAPTERS_SECURITY_KEYS_H
#define ADAPTERS_SECURITY_KEYS_H

#include "http/http.h"
#include "security/scopes.h"
#include "store/store.h"

enum {
    KEY_RANDOM = 24,
    KEY_TEXT_MAX = 8 + KEY_RANDOM, /* without its NUL */
    KEYS_MAX = 100000,             /* that aren't revoked */
    INTERNAL_KEY_LEAST = 32,
    INTERNAL_KEY_MAX = 1024,
    TENANT_MAX = 32,
};

struct keys;

struct keys_config {
    struct loop *loop;
    const char *url;          /* "sqlite:DIR/security.db" */
    const char *internal_key; /* "" or NULL: one is drawn */
};

/* Makes the database if there is none, loads all keys. */
enum outcome keys_open(const struct keys_config *config, struct keys **out,
                       struct error *err) MUST_USE;
/* Stores when keys were last used. NULL is allowed. */
void keys_close(struct keys *keys);

/* A key as it is kept. */
struct api_key {
    struct uuid id, owner;
    char tenant[TENANT_MAX + 1];
    bool live;
    uint64_t scopes;
    uint64_t created_ns, last_used_ns, revoked_ns; /* 0 = never */
    uint8_t hash[32];                              /* SHA-256 of the text */
};

struct key_request {
    const char *tenant; /* [a-z0-9-], 1 to 32 */
    bool live;
    uint64_t scopes;   /* at least one; not `internal` */
    struct uuid owner; /* zero = a new one */
};

/* Makes a key; `text` is the only place that ever has it. */
enum outcome keys_make(struct keys *keys, const struct key_request *request, struct api_key *out,
                       char text[KEY_TEXT_MAX + 1], struct error *err) MUST_USE;
/* From now on nobody can use it. NOT_FOUND if there is none; one that was revoked before is done.
 */
enum outcome keys_revoke(struct keys *keys, struct uuid id, struct error *err) MUST_USE;
/* Every key, revoked ones too, oldest first; lent during the call. */
enum outcome keys_list(struct keys *keys, void (*each)(void *context, const struct api_key *key),
                       void *context, struct error *err) MUST_USE;
/* The key that has this text and isn't revoked; NULL if there is none. Lent until the next call. */
const struct api_key *keys_find(struct keys *keys, const char *text);
/* For calls to other services: goes behind "Authorization: Bearer ". */
const char *keys_internal(const struct keys *keys);

/* Fits http_router_authenticate(); the context is struct keys. Sets exchange->caller by the
 * Authorization header, or refuses with REASON_UNAUTHORIZED. */
enum outcome keys_authenticate(void *context, struct http_exchange *exchange,
                               struct error *err) MUST_USE;

bool tenant_is_valid(const char *tenant);

#endif
