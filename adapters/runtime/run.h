/*
 * The life of a program of services: settings, the loop, keys, the process, a server for each
 * service, signals, drain, end. `micropay up` runs all services, a binary of its own one.
 */
#ifndef ADAPTERS_RUNTIME_RUN_H
#define ADAPTERS_RUNTIME_RUN_H

#include "runtime/service.h"

struct program {
    const char *name;                      /* "micropay up", "micropay-payment" */
    const char *help;                      /* a sentence */
    const struct service *const *services; /* NULL-ended */
    const struct service *const
        *all;      /* every service that there is: others' settings are passed over */
    bool test_key; /* makes a key for tenant `main` in test mode, keeps it in DATA/test-key, shows
                      it */
};

/* Runs until a signal ends it. Returns the exit status: 0 = drained, 1 = a time-out cut it short,
 * 2 = bad command line or settings, 3 = could not start or failed. */
int program_run(const struct program *program, int argc, char **argv);

#endif
