/* The buses under test. */
#include "bus/contract.h"

#include "support/test_loop.h"

#include <stdio.h>

static void embedded_url(const char *directory, char *out, size_t size)
{
    snprintf(out, size, "embedded:%s/bus.db", directory);
}

static struct loop *embedded_loop(void) { return test_loop_make(NULL); }

static bool embedded_until(struct loop *loop, bool (*ready)(void *context), void *context)
{
    return test_loop_until(loop, ready, context, UINT64_C(60000000000));
}

const struct contract contracts[] = {
    {
        .name = "embedded",
        .url = embedded_url,
        .make_loop = embedded_loop,
        .free_loop = test_loop_free,
        .until = embedded_until,
        .pass = test_loop_pass,
    },
};
const unsigned contract_count = sizeof contracts / sizeof *contracts;
