/* A query of any length, asked in pages of MP_BATCH_MAX. */
#ifndef COMMAND_PAGES_H
#define COMMAND_PAGES_H

#include "command.h"

struct pages {
    mp_query_filter filter; /* of the next page */
    uint64_t left;          /* rows still wanted */
    bool more;              /* there is a next page */
};

/* The query that the command line asks for: --ledger, --code, --user-data-*, --from, --to, --limit,
 * --newest. */
struct pages pages_begin(const struct command *command);
/* Moves on behind a page of `count` rows, the last of which has this time. */
void pages_next(struct pages *pages, uint32_t count, uint64_t last_timestamp);

#endif
