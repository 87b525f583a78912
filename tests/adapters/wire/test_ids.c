#include "wire/ids.h"

#include <criterion/criterion.h>
#include <string.h>

Test(ids, a_uuid_reads_as_it_was_printed)
{
    struct uuid id;
    char text[UUID_TEXT + 1];

    cr_assert(uuid_read("018F3a7e-0000-7abc-8def-0123456789AB", &id));
    uuid_print(id, text);
    cr_assert_str_eq(text, "018f3a7e-0000-7abc-8def-0123456789ab");
}

Test(ids, what_is_no_uuid_is_refused)
{
    static const char *const bad[] = {
        "",
        "018f3a7e-0000-7abc-8def-0123456789a",
        "018f3a7e-0000-7abc-8def-0123456789abc",
        "018f3a7e00007abc8def0123456789ab",
        "018f3a7e-0000-7abc-8def-0123456789ag",
        "018f3a7e_0000-7abc-8def-0123456789ab",
        " 18f3a7e-0000-7abc-8def-0123456789ab",
    };
    struct uuid id;

    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert(!uuid_read(bad[i], &id), "%s", bad[i]);
}

Test(ids, versions_stand_where_rfc_9562_wants_them)
{
    static const uint8_t ones[32] = {[0 ... 31] = 0xff};
    char text[UUID_TEXT + 1];

    uuid_print(uuid_7(UINT64_C(0x0123456789ab) * 1000000 + 5, ones), text);
    cr_assert_str_eq(text, "01234567-89ab-7fff-bfff-ffffffffffff");
    uuid_print(uuid_8(ones), text);
    cr_assert_str_eq(text, "ffffffff-ffff-8fff-bfff-ffffffffffff");
}

/* Counted with sha256sum over 01 00.. 61 02 00.. 62 63 */
Test(ids, fields_are_hashed_with_their_lengths)
{
    struct hash_field fields[] = {{"a", 1}, {"bc", 2}}, others[] = {{"ab", 2}, {"c", 1}};
    uint8_t hash[32], other[32];

    hash_fields(fields, 2, hash);
    hash_fields(others, 2, other);
    cr_assert_neq(memcmp(hash, other, 32), 0);
    cr_assert_arr_eq(hash,
                     ((uint8_t[]){0x9a, 0x8a, 0xcc, 0xa1, 0xb6, 0xc6, 0xc0, 0xbe, 0xfd, 0x3f, 0xbc,
                                  0x75, 0x6a, 0xed, 0x62, 0x5d, 0xa9, 0x98, 0xc9, 0x98, 0xf7, 0x25,
                                  0x2e, 0x73, 0x8c, 0x4e, 0xf0, 0x61, 0x90, 0x6b, 0x9b, 0x21}),
                     32);
}
