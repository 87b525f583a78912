/*
 * Money on the wire: decimal strings with an ISO 4217 code.
 *
 * Inside, an amount is a whole number of minor units, at most AMOUNT_MAX, so that no sum of two
 * overflows and a database's 64-bit integer holds it.
 */
#ifndef ADAPTERS_WIRE_AMOUNT_H
#define ADAPTERS_WIRE_AMOUNT_H

#include "runtime/error.h"

/* 18 digits; below 2^60 */
#define AMOUNT_MAX INT64_C(999999999999999999)
enum { AMOUNT_TEXT_MAX = 32 };

/* units * 10^-digits; what a request says before the currency is known, and what an answer shows.
 */
struct amount {
    int64_t units;
    uint8_t digits;
};

/* Three letters and a NUL; empty = absent. */
struct currency_code {
    char code[4];
};

/* A row of currencies.def: ISO 4217, list of the date that stands there. */
struct currency {
    char code[4];
    uint16_t number;
    uint8_t digits; /* of the minor unit: JPY 0, EUR 2, KWD 3 */
    const char *name;
};
/* NULL if there is none. */
const struct currency *currency_find(const char *code);
/* The rows in order of their codes; ended by one without name. */
extern const struct currency currencies[];

/* Reads "12.50"; false if it isn't an amount: digits, at most one point with digits on both sides,
 * no sign, exponent, blank or leading zeros, at most AMOUNT_MAX units. */
bool amount_read(const char *text, struct amount *out);
/* Prints with all its digits; returns the length. */
size_t amount_print(struct amount amount, char out[AMOUNT_TEXT_MAX]);
/* As minor units of a currency; false if it has more digits than that or is beyond AMOUNT_MAX. */
bool amount_minor(struct amount amount, const struct currency *currency, int64_t *out);
/* Minor units of a currency as an amount. */
struct amount amount_of(int64_t minor, const struct currency *currency);

#endif
