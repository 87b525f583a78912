#include "security/scopes.h"

#include <criterion/criterion.h>
#include <string.h>

Test(scopes, each_has_a_bit_of_its_own_and_is_kept_by_its_name)
{
    uint64_t all = 0, read;
    struct buffer out = {0};

    for (unsigned i = 0; scopes[i].name != NULL; i++) {
        uint64_t bit = scope_bit(scopes[i].name);

        cr_assert_eq(__builtin_popcountll(bit), 1);
        cr_assert_eq(all & bit, 0);
        all |= bit;
        if (i > 0) cr_assert_lt(strcmp(scopes[i - 1].name, scopes[i].name), 0);
    }
    scopes_print(all, &out);
    cr_assert(scopes_read(buffer_str(&out), &read));
    cr_assert_eq(read, all);
    buffer_done(&out);
}

Test(scopes, a_name_that_does_not_exist_allows_nothing)
{
    uint64_t read;

    cr_assert_eq(scope_bit("payments"), 0);
    cr_assert_eq(scope_bit(""), 0);
    cr_assert_eq(scope_bit("payments:write "), 0);
    cr_assert(!scopes_read("payments:read payments:wreite", &read));
    cr_assert_eq(read, scope_bit("payments:read"));
    cr_assert(scopes_read("  payments:read   bulk ", &read));
    cr_assert_eq(read, scope_bit("payments:read") | scope_bit("bulk"));
    cr_assert(scopes_read("", &read));
    cr_assert_eq(read, 0);
}
