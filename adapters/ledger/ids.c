/* Derived ids. */
#include "ledger/ids.h"

#include <string.h>

enum { SHARD = 0 }; /* a tenant lives on one shard */

mp_id id_of_uuid(struct uuid id)
{
    uint64_t high, low;

    memcpy(&high, id.bytes, sizeof high);
    memcpy(&low, id.bytes + 8, sizeof low);
    return MP_U128(__builtin_bswap64(high), __builtin_bswap64(low));
}

struct uuid uuid_of_id(mp_id id)
{
    uint64_t high = __builtin_bswap64((uint64_t)(id >> 64)), low = __builtin_bswap64((uint64_t)id);
    struct uuid uuid;

    memcpy(uuid.bytes, &high, sizeof high);
    memcpy(uuid.bytes + 8, &low, sizeof low);
    return uuid;
}

/* The first 128 bits of a hash; never 0 nor all ones, which are no ids. */
static mp_id cut(const uint8_t hash[32])
{
    struct uuid uuid;
    mp_id id;

    memcpy(uuid.bytes, hash, sizeof uuid.bytes);
    id = id_of_uuid(uuid);
    return id == 0 || id == MP_U128_MAX ? 1 : id;
}

static struct hash_field text_field(const char *text)
{
    return (struct hash_field){text, strlen(text)};
}

static struct hash_field mode_field(const struct books *books)
{
    return text_field(books->live ? "live" : "test");
}

mp_id ledger_id(const struct books *books, struct uuid operation, enum step step, unsigned attempt,
                unsigned leg)
{
    uint32_t numbers[3] = {step, attempt, leg};
    struct hash_field fields[] = {
        text_field(books->tenant),
        mode_field(books),
        {operation.bytes, sizeof operation.bytes},
        {numbers, sizeof numbers[0]},
        {numbers + 1, sizeof numbers[0]},
        {numbers + 2, sizeof numbers[0]},
    };
    uint8_t hash[32];

    hash_fields(fields, 6, hash);
    return cut(hash);
}

mp_id system_account(const struct books *books, const char currency[4], enum account_code role,
                     struct uuid owner)
{
    uint32_t numbers[2] = {role, SHARD};
    struct hash_field fields[] = {
        text_field(books->tenant),
        {currency, 3},
        mode_field(books),
        {numbers, sizeof numbers[0]},
        {numbers + 1, sizeof numbers[0]},
        {owner.bytes, sizeof owner.bytes},
    };
    uint8_t hash[32];

    hash_fields(fields, 6, hash);
    return cut(hash);
}

static void root_hash(const struct books *books, const char currency[4], uint8_t hash[32])
{
    struct hash_field fields[] = {text_field(books->tenant), {currency, 3}, mode_field(books)};

    hash_fields(fields, 3, hash);
}

uint32_t ledger_number(const struct books *books, const char currency[4], unsigned tries)
{
    uint8_t hash[32];
    uint32_t number;

    root_hash(books, currency, hash);
    memcpy(&number, hash, sizeof number);
    number += tries;
    return number != 0 ? number : 1;
}

mp_u128 ledger_root_data(const struct books *books, const char currency[4])
{
    uint8_t hash[32];

    root_hash(books, currency, hash);
    return cut(hash);
}

mp_id ledger_root(uint32_t number)
{
    struct hash_field fields[] = {text_field("number"), {&number, sizeof number}};
    uint8_t hash[32];

    hash_fields(fields, 2, hash);
    return cut(hash);
}

const enum account_code books_roles[BOOKS_ROLES] = {
    ACCOUNT_CODE_BANK,
    ACCOUNT_CODE_CASH,
    ACCOUNT_CODE_IN_TRANSIT,
    ACCOUNT_CODE_FEES,
};
_Static_assert(BOOKS_ROLES * sizeof(uint64_t) >= sizeof((struct books *)NULL)->tenant - 1,
               "a tenant's name fits the books");

/* The n-th eight bytes of a text that is no longer than `size`. */
static uint64_t eight_of(const char *text, size_t size, unsigned n)
{
    size_t length = strnlen(text, size), at = n * sizeof(uint64_t);
    uint64_t eight = 0;

    if (at < length) memcpy(&eight, text + at, length - at < 8 ? length - at : 8);
    return eight;
}

void chain_of_books(const struct books *books, const char currency[4], uint32_t number,
                    struct chain *out)
{
    unsigned count = BOOKS_ROLES;

    memset(out, 0, sizeof *out);
    out->operation = MP_CREATE_ACCOUNTS;
    out->count = 1 + count;
    out->events.accounts[0] = (mp_account){
        .id = ledger_root(number),
        .user_data_128 = ledger_root_data(books, currency),
        .user_data_64 = eight_of(currency, 3, 0),
        .user_data_32 = books->live ? BOOKS_LIVE : BOOKS_TEST,
        .ledger = number,
        .code = ACCOUNT_CODE_ROOT,
        .flags = MP_ACCOUNT_LINKED,
    };
    for (unsigned i = 0; i < count; i++)
        out->events.accounts[1 + i] = (mp_account){
            .id = system_account(books, currency, books_roles[i], (struct uuid){{0}}),
            .user_data_128 = ledger_root_data(books, currency),
            .user_data_64 = eight_of(books->tenant, sizeof books->tenant - 1, i),
            .ledger = number,
            .code = (uint16_t)books_roles[i],
            .flags = i + 1 < count ? MP_ACCOUNT_LINKED : 0,
        };
}
