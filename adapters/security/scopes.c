/* The table of scopes. */
#include "security/scopes.h"

#include <stddef.h>
#include <string.h>

const struct scope scopes[] = {
#define SCOPE(name, help) {name, help},
#include "security/scopes.def"
#undef SCOPE
    {NULL, NULL},
};
_Static_assert(sizeof scopes / sizeof *scopes <= 64 + 1, "a scope is a bit of 64");

static uint64_t bit_of(const char *name, size_t length)
{
    for (unsigned i = 0; scopes[i].name != NULL; i++)
        if (strlen(scopes[i].name) == length && memcmp(scopes[i].name, name, length) == 0)
            return UINT64_C(1) << i;
    return 0;
}

uint64_t scope_bit(const char *name) { return bit_of(name, strlen(name)); }

bool scopes_read(const char *names, uint64_t *out)
{
    bool known = true;

    *out = 0;
    for (names += strspn(names, " "); *names != '\0'; names += strspn(names, " ")) {
        size_t length = strcspn(names, " ");
        uint64_t bit = bit_of(names, length);

        known = known && bit != 0;
        *out |= bit;
        names += length;
    }
    return known;
}

void scopes_print(uint64_t bits, struct buffer *out)
{
    bool first = true;

    for (unsigned i = 0; scopes[i].name != NULL; i++) {
        if (!(bits >> i & 1)) continue;
        if (!first) buffer_char(out, ' ');
        buffer_text(out, scopes[i].name);
        first = false;
    }
}
