/* Ids of resources: 128 bits, written as UUIDs. Hashes that they are derived by. */
#ifndef ADAPTERS_WIRE_IDS_H
#define ADAPTERS_WIRE_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UUID_TEXT = 36 };

/* In the order in which it is written. All zero = absent. */
struct uuid {
    uint8_t bytes[16];
};
/* The same bytes; a type of its own so that a payment can't be taken for an account. */
struct account_id {
    struct uuid uuid;
};

static inline bool uuid_is_zero(struct uuid id)
{
    uint64_t halves[2];
    __builtin_memcpy(halves, id.bytes, sizeof halves);
    return (halves[0] | halves[1]) == 0;
}
static inline bool uuid_equal(struct uuid a, struct uuid b)
{
    return __builtin_memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

/* Reads 8-4-4-4-12 hexadecimal digits, either case; false if it isn't that. */
bool uuid_read(const char *text, struct uuid *out);
void uuid_print(struct uuid id, char out[UUID_TEXT + 1]);
/* Version 7 (RFC 9562): milliseconds since the epoch, then 74 random bits that are given. */
struct uuid uuid_7(uint64_t now_ns, const uint8_t random[10]);
/* Version 8: the first 122 bits of a hash. */
struct uuid uuid_8(const uint8_t hash[32]);

/* SHA-256 over length-prefixed fields (each preceded by its length, 8 bytes little-endian), so that
 * no two lists of fields are the same bytes. */
struct hash_field {
    const void *bytes;
    size_t length;
};
void hash_fields(const struct hash_field *fields, unsigned count, uint8_t out[32]);

#endif
