/*
 * Masking: what must not stand in a log is taken out before it is written, wherever it came from.
 *
 * A second line of defence: code doesn't log secrets or personal data in the first place. It
 * knows API keys, card numbers (13 to 19 digits of a card's range with Luhn's check digit), IBANs
 * (with their check digits) and e-mail addresses; ids, amounts and times are left as they are. Any
 * thread.
 */
#ifndef ADAPTERS_SECURITY_MASK_H
#define ADAPTERS_SECURITY_MASK_H

#include "wire/buffer.h"

/* Adds the text to `out` with what it must not show replaced: "mp_test_***", "[card]", "[iban]",
 * "[e-mail]". */
void mask_text(const char *text, size_t length, struct buffer *out);
/* Whether a field is never shown because of its name: the last part of
 * "http.request.authorization", any case, `-` taken as `_`. */
bool mask_field(const char *name);

#endif
