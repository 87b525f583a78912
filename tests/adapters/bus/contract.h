/*
 * What every bus must keep, written against struct bus_ops alone. contracts.c has a row for each
 * implementation; contract.c runs all of it for each row.
 */
#ifndef TESTS_ADAPTERS_BUS_CONTRACT_H
#define TESTS_ADAPTERS_BUS_CONTRACT_H

#include "bus/bus.h"

struct contract {
    const char *name;
    /* The url of a bus that is empty the first time; `directory` is the test's own. */
    void (*url)(const char *directory, char *out, size_t size);
    /* What outlives the process that closed the bus stops and starts; NULL: nothing does. */
    void (*restart)(const char *url);
    struct loop *(*make_loop)(void);
    void (*free_loop)(struct loop *loop);
    /* Runs the loop until `ready` says so; false if it takes too long. */
    bool (*until)(struct loop *loop, bool (*ready)(void *context), void *context);
    /* Lets time pass, for tests of retention; NULL: the bus is tidied by somebody else. */
    void (*pass)(struct loop *loop, uint64_t ns);
};
extern const struct contract contracts[];
extern const unsigned contract_count;

#endif
