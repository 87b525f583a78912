/* What a verb writes: a buffer in front of a file. One thread at a time. */
#ifndef COMMAND_TEXT_H
#define COMMAND_TEXT_H

#include "slice.h"

#include <micropay/micropay.h>

enum { TEXT_BUFFER = 1 << 18 };

struct text {
    char *buffer; /* TEXT_BUFFER bytes */
    size_t used;
    int file;
    bool failed; /* a write failed: what follows is dropped; errno is kept in `error` */
    int error;
};

/* Begins to write to an open file, which stays the caller's. False without memory. */
bool text_begin(struct text *text, int file);
/* Writes what is buffered; false if this or an earlier write failed. */
bool text_flush(struct text *text);
/* Flushes and frees; as text_flush. */
bool text_end(struct text *text);

void text_bytes(struct text *text, const char *data, size_t length);
void text_string(struct text *text, const char *string);
void text_char(struct text *text, char c);
void text_number(struct text *text, mp_u128 number);
void text_time(struct text *text, uint64_t ns);
__attribute__((format(printf, 2, 3))) void text_format(struct text *text, const char *format, ...);

#endif
