/*
 * Drives the payment's table through seeds: 'table FIRST-LAST', or as many as MICROPAY_TABLE says.
 * Exit status 1 and the seed when something that must hold doesn't; the same seed does it again.
 */
#include "table.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS_FROM = 10000 }; /* runs that must have taken each row of the table */

int main(int argc, char **argv)
{
    const char *range = argc > 1 ? argv[1] : getenv("MICROPAY_TABLE");
    uint64_t first = 1, last = 10000;
    static struct world world;
    struct sim *image;
    unsigned crashes = 0, payments = 0;
    uint64_t taken[ROWS_MAX] = {0};

    if (range != NULL && sscanf(range, "%" SCNu64 "-%" SCNu64, &first, &last) != 2) {
        fprintf(stderr, "usage: table FIRST-LAST\n");
        return 2;
    }
    /* each run opens ledgers: their memory is kept and used again, not given back */
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, INT32_MAX);
    image = table_image();
    for (uint64_t seed = first; seed <= last; seed++) {
        if (table_run(&world, image, seed) != 0) {
            printf("seed %" PRIu64 ": %s\n", seed, world.problem);
            return 1;
        }
        for (unsigned row = 0; row < ROWS_MAX; row++) taken[row] += world.rows_taken[row];
        crashes += world.crashes;
        payments += world.slot_count;
    }
    sim_free(image);
    printf("%" PRIu64 " runs, %u payments, %u crashes\n", last - first + 1, payments, crashes);
    if (last - first + 1 >= ROWS_FROM &&
        !table_rows_taken(taken, world.problem, sizeof world.problem)) {
        table_print_rows(taken);
        printf("%s\n", world.problem);
        return 1;
    }
    return 0;
}
