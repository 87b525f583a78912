/* Chains as they are stored. */
#include "ledger/port.h"

#include <string.h>

enum { CHAIN_HEAD = 8 };

static size_t event_size(uint32_t operation)
{
    switch (operation) {
    case MP_CREATE_ACCOUNTS: return sizeof(mp_account);
    case MP_CREATE_TRANSFERS: return sizeof(mp_transfer);
    case MP_UPDATE_ACCOUNTS: return sizeof(mp_account_update);
    default: return 0;
    }
}

size_t chain_encode(const struct chain *chain, uint8_t out[CHAIN_BYTES_MAX])
{
    size_t length = chain->count * event_size(chain->operation);

    memcpy(out, &chain->operation, 4);
    memcpy(out + 4, &chain->count, 4);
    memcpy(out + CHAIN_HEAD, &chain->events, length);
    return CHAIN_HEAD + length;
}

bool chain_decode(const void *bytes, size_t length, struct chain *out)
{
    const uint8_t *from = bytes;

    if (length < CHAIN_HEAD) return false;
    memset(out, 0, sizeof *out);
    memcpy(&out->operation, from, 4);
    memcpy(&out->count, from + 4, 4);
    if (event_size(out->operation) == 0 || out->count == 0 || out->count > CHAIN_MAX) return false;
    if (length != CHAIN_HEAD + out->count * event_size(out->operation)) return false;
    memcpy(&out->events, from + CHAIN_HEAD, length - CHAIN_HEAD);
    return true;
}

mp_id chain_id(const struct chain *chain)
{
    switch (chain->operation) {
    case MP_CREATE_ACCOUNTS: return chain->events.accounts[0].id;
    case MP_CREATE_TRANSFERS: return chain->events.transfers[0].id;
    default: return chain->events.updates[0].id;
    }
}
