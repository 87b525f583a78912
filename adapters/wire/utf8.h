/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing beyond U+10FFFF. */
#ifndef ADAPTERS_WIRE_UTF8_H
#define ADAPTERS_WIRE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Length of the well-formed character at the start of `text`; 0 if there is none. */
size_t utf8_character(const char *text, size_t length);
/* Whether all of it is well-formed. */
bool utf8_valid(const char *text, size_t length);
/* Whether it is well-formed and has none of the control characters (C0, DEL, C1). */
bool utf8_printable(const char *text, size_t length);

#endif
