/*
 * Idempotency: the id of what a request makes is derived from who asks, where, and its
 * Idempotency-Key, so the same key never makes a second thing, at any time, in any process. The
 * resource's row keeps the fingerprint of what was asked; a repeat that asks for something else is
 * refused (key-reused).
 */
#ifndef ADAPTERS_HTTP_IDEMPOTENCY_H
#define ADAPTERS_HTTP_IDEMPOTENCY_H

#include "http/http.h"

enum { FINGERPRINT_BYTES = 32 };

/* UUIDv8 of tenant, mode, owner of the API key, method, path with its ids, and key. All zero if the
 * exchange has no key. */
struct uuid idempotency_id(const struct http_exchange *exchange);
/* SHA-256 of what was asked: of the body as it was understood, so that blanks, the order of members
 * and escapes make no difference. */
void idempotency_fingerprint(const struct http_exchange *exchange, uint8_t out[FINGERPRINT_BYTES]);

#endif
