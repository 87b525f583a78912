/* Ids, amounts and sizes as people and files write them. No state; any thread. */
#ifndef COMMAND_NUMBERS_H
#define COMMAND_NUMBERS_H

#include "slice.h"

#include <micropay/micropay.h>

enum {
    NUMBER_TEXT_MAX = 40,  /* digits of 2^128-1, and the NUL */
    SCALED_TEXT_MAX = 112, /* the same with sign, separators and decimals */
    SCALE_MAX = 30,        /* decimals that --scale takes */
};

/* Decimal, or hexadecimal behind 0x; false if it is neither or has more than 128 bits. */
bool number_parse(struct slice text, mp_u128 *out);

/* A number, or a UUID (its 32 digits as one number). */
bool id_parse(struct slice text, mp_id *out);

/* Minor units; with a scale, decimals are allowed ("12.34" at scale 2 is 1234). "max" is 2^128-1:
 * as the amount of a capture or reversal all that is left. Returns NULL, or why it can't be read.
 */
const char *amount_parse(struct slice text, unsigned scale, mp_amount *out);

/* Bytes, with K, M, G or T of 1,024 each ("512M", "2GiB"). */
bool size_parse(struct slice text, uint64_t *out);

/* Writes decimal digits and a NUL; returns the number of digits. */
size_t number_print(mp_u128 number, char out[NUMBER_TEXT_MAX]);

/* Writes an amount with `scale` decimals and a NUL, with thousands separators if wanted; returns
 * its length. */
size_t scaled_print(mp_amount amount, unsigned scale, bool separators, char out[SCALED_TEXT_MAX]);

/* Writes plus - minus, which may be negative. */
size_t difference_print(mp_amount plus, mp_amount minus, unsigned scale, bool separators,
                        char out[SCALED_TEXT_MAX]);

#endif
