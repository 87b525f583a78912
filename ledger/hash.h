/* The keyed hash of ids. The key is the ledger's secret, so nobody outside can choose ids that
 * collide. */
#ifndef LEDGER_HASH_H
#define LEDGER_HASH_H

#include "types.h"
#define XXH_INLINE_ALL
#include <xxhash.h>

static inline uint64_t id_hash(const uint64_t secret[2], mp_id id)
{
    uint64_t words[2] = {u128_low(id) ^ secret[1], u128_high(id)};
    return XXH3_64bits_withSeed(words, sizeof words, secret[0]);
}

#endif
