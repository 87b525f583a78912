/* Scopes: what an API key may be allowed to do. A closed list (scopes.def), kept by name, used as
 * bits. Any thread. */
#ifndef ADAPTERS_SECURITY_SCOPES_H
#define ADAPTERS_SECURITY_SCOPES_H

#include "wire/buffer.h"

#include <stdbool.h>
#include <stdint.h>

/* A row of scopes.def */
struct scope {
    const char *name, *help;
};
/* Ended by one without name. */
extern const struct scope scopes[];

/* The bit of a scope; 0 if there is none of that name. */
uint64_t scope_bit(const char *name);
/* Reads names with blanks between; false if one is unknown, and *out has the bits of the others. */
bool scopes_read(const char *names, uint64_t *out);
/* Prints names with blanks between. */
void scopes_print(uint64_t bits, struct buffer *out);

#endif
