/* What micropay.transaction has, checked as its readers do: numbers of a source rise in a partition
 * and each names the one before; what comes again is the very same. */
#ifndef TESTS_SERVICES_TRANSACTION_ANNOUNCED_H
#define TESTS_SERVICES_TRANSACTION_ANNOUNCED_H

#include "bus/events.h"
#include "support/platform.h"

struct announced {
    const struct event *event;
    uint64_t sequence;
    char source[SOURCE_MAX + 1];
    unsigned partition;
    char *text;
    unsigned times; /* that it came */
};

/* All events, each once, in the order of their sequences; valid until the next call. */
const struct announced *announced(struct platform *platform, unsigned *count);
/* How many of them are of a type. */
unsigned announced_of(struct platform *platform, const char *type);
/* "created 3 1250; settled ...": type, transfers, amount. */
const char *announced_text(struct platform *platform);
/* Compares them with the ledger: everything that was posted is announced once, and nothing else. */
void announced_check(struct platform *platform);

#endif
