/* The names that flags, kinds of change and kinds of record go by, in files and on the screen. */
#ifndef COMMAND_NAMES_H
#define COMMAND_NAMES_H

#include "slice.h"

#include <micropay/micropay.h>

enum { FLAGS_TEXT_MAX = 320 };

/* Names of the bits of a flags field, by bit; NULL where a bit has none. */
struct flag_names {
    const char *names[16];
};
extern const struct flag_names account_flag_names;
extern const struct flag_names transfer_flag_names;
extern const struct flag_names update_flag_names;

/* Names or numbers joined with '|', empty = 0. Returns NULL, or why it can't be read. */
const char *flags_parse(const struct flag_names *names, struct slice text, uint16_t *out);

/* Writes the names joined with '|', what has none as a hexadecimal number; "" for 0. Returns `out`.
 */
char *flags_print(const struct flag_names *names, uint16_t flags, char out[FLAGS_TEXT_MAX]);

const char *change_name(mp_change_type type);
const char *record_name(mp_record_kind kind);

#endif
