/* From the Authorization header to the caller. */
#include "security/keys_internal.h"

#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>

static enum outcome refuse(struct http_exchange *exchange, struct error *err, const char *why)
{
    http_set_header(exchange, "WWW-Authenticate", "Bearer");
    error_set(err, REASON_UNAUTHORIZED, "the API key is %s", why);
    error_hint(err, "Send \"Authorization: Bearer mp_test_...\" or \"mp_live_...\".");
    return err->outcome;
}

/* The token behind "Bearer"; NULL if the header is missing or says something else. */
static const char *token_of(const struct http_exchange *exchange)
{
    const char *header = http_header(exchange, "Authorization");

    if (header == NULL || strncasecmp(header, "Bearer ", 7) != 0) return NULL;
    header += 7;
    header += strspn(header, " ");
    return *header != '\0' ? header : NULL;
}

static uint64_t all_scopes(void)
{
    uint64_t all = 0;

    for (unsigned i = 0; scopes[i].name != NULL; i++) all |= scope_bit(scopes[i].name);
    return all;
}

/* A service of ours asks for somebody, whom its headers name. */
static enum outcome take_headers(struct http_exchange *exchange, struct error *err)
{
    struct caller caller = {.scopes = all_scopes()};
    const char *tenant = http_header(exchange, "Micropay-Tenant");
    const char *mode = http_header(exchange, "Micropay-Mode");
    const char *owner = http_header(exchange, "Micropay-Owner");
    const char *names = http_header(exchange, "Micropay-Scopes");

    if (tenant == NULL || !tenant_is_valid(tenant))
        error_fault(err, "header Micropay-Tenant", "needed with the internal key: a tenant");
    else
        memcpy(caller.tenant, tenant, strlen(tenant) + 1);
    if (mode != NULL && strcmp(mode, "live") == 0)
        caller.live = true;
    else if (mode == NULL || strcmp(mode, "test") != 0)
        error_fault(err, "header Micropay-Mode", "needed with the internal key: live or test");
    if (owner != NULL && !uuid_read(owner, &caller.owner))
        error_fault(err, "header Micropay-Owner", "must be a UUID");
    if (names != NULL && !scopes_read(names, &caller.scopes))
        error_fault(err, "header Micropay-Scopes", "must be names of scopes, blanks between");
    if (err->fault_count > 0) return err->outcome;
    exchange->caller = caller;
    return OUTCOME_DONE;
}

enum outcome keys_authenticate(void *context, struct http_exchange *exchange, struct error *err)
{
    struct keys *keys = context;
    const char *token = token_of(exchange);
    const struct api_key *key;
    uint8_t hash[32];

    if (token == NULL) return refuse(exchange, err, "missing");
    key_hash(token, hash);
    if (CRYPTO_memcmp(hash, keys->internal_hash, sizeof hash) == 0)
        return take_headers(exchange, err);
    key = keys_find(keys, token);
    if (key == NULL) return refuse(exchange, err, "unknown or revoked");
    exchange->caller = (struct caller){
        .live = key->live,
        .owner = key->owner,
        .scopes = key->scopes,
    };
    memcpy(exchange->caller.tenant, key->tenant, sizeof key->tenant);
    return OUTCOME_DONE;
}
