/* The smallest benchmark in C: how fast is FNV-1a? It also shows that the shim works. */
#include "gbench_shim.h"

#include <stdlib.h>
#include <string.h>

static void hash_fnv1a(mpb_state *state, void *arg)
{
    const size_t size = (size_t)mpb_range(state, 0);
    unsigned char *data = malloc(size);
    uint64_t hash = *(const uint64_t *)arg;

    if (data == NULL) {
        mpb_skip_with_error(state, "no memory");
        return;
    }
    memset(data, 0x5a, size);
    while (mpb_keep_running(state)) {
        for (size_t i = 0; i < size; i++) {
            hash = (hash ^ data[i]) * UINT64_C(0x100000001b3);
        }
        mpb_use_value(hash);
    }
    mpb_set_bytes_processed(state, mpb_iterations(state) * (int64_t)size);
    mpb_set_counter(state, "size", (double)size);
    free(data);
}

int main(int argc, char **argv)
{
    static uint64_t basis = UINT64_C(0xcbf29ce484222325);
    mpb_benchmark *benchmark = mpb_register("hash_fnv1a", hash_fnv1a, &basis);

    mpb_arg(benchmark, 128);
    mpb_arg(benchmark, 4096);
    mpb_use_min_time(benchmark, 0.05);
    return mpb_run(&argc, argv);
}
