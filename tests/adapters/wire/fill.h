/* Records filled with good values, for tests that go over all there are. */
#ifndef TESTS_ADAPTERS_WIRE_FILL_H
#define TESTS_ADAPTERS_WIRE_FILL_H

#include "wire/record.h"

/* Gives every field of a zeroed struct a value that its kind and bounds allow, all bits set; other
 * seeds, other values. */
void fill_record(const struct record *record, unsigned seed, void *out);

#endif
