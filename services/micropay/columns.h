/* Which column of a CSV file is which field of a transfer or account, and reading a row by it. */
#ifndef COMMAND_COLUMNS_H
#define COMMAND_COLUMNS_H

#include "csv.h"

#include <micropay/micropay.h>

struct columns {
    const struct field *fields[CSV_FIELDS_MAX]; /* by column; NULL: not read */
    int batch;                                  /* the column "batch", -1 if there is none */
    int flags;                                  /* the column "flags", likewise */
    unsigned scale;
    size_t event_bytes;
};

/* Called for a column that is no field. */
typedef void columns_unknown(void *user, struct slice name);

/* Reads the header that the reader has just read. False if a column comes twice or none is known;
 * `why` (160 bytes) says so. */
bool columns_bind(struct columns *columns, const struct csv *csv, bool accounts, unsigned scale,
                  columns_unknown *unknown, void *user, char *why);

/* Reads a row into an mp_transfer or mp_account; an empty field is 0. False: `why` (160 bytes) says
 * why. */
bool columns_read(const struct columns *columns, const struct csv *csv, void *event, char *why);

/* Whether a row that can't be read seems to be chained to the next: by its flags, or by the word.
 */
bool columns_linked(const struct columns *columns, const struct csv *csv, bool accounts);

/* The row's value in the column "batch"; "" without one. */
struct slice columns_batch(const struct columns *columns, const struct csv *csv);

#endif
