/* Instants as people write them: nanoseconds since the Unix epoch, or a date in UTC. */
#ifndef COMMAND_TIMES_H
#define COMMAND_TIMES_H

#include "slice.h"

#include <stdint.h>

enum { TIME_TEXT_MAX = 40 };

#define DAY_NS UINT64_C(86400000000000)

/* Nanoseconds, YYYY-MM-DD (its first instant), or YYYY-MM-DDTHH:MM[:SS[.fraction]][Z]; UTC; below
 * 2^63. */
bool time_parse(struct slice text, uint64_t *out_ns);

/* Writes YYYY-MM-DDTHH:MM:SS[.fraction]Z and a NUL; the fraction has 3, 6 or 9 digits where needed.
 */
size_t time_print(uint64_t ns, char out[TIME_TEXT_MAX]);

/* Writes YYYY-MM-DD and a NUL. */
size_t date_print(uint64_t ns, char out[TIME_TEXT_MAX]);

#endif
