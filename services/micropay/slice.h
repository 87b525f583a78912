/* A piece of text that knows its length and belongs to somebody else; not ended by NUL. */
#ifndef COMMAND_SLICE_H
#define COMMAND_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *data;
    size_t length;
};

static inline struct slice slice_of(const char *text) { return (struct slice){text, strlen(text)}; }

static inline bool slice_is(struct slice slice, const char *text)
{
    return strlen(text) == slice.length && memcmp(slice.data, text, slice.length) == 0;
}

/* Without blanks at both ends */
static inline struct slice slice_trim(struct slice slice)
{
    while (slice.length > 0 && (*slice.data == ' ' || *slice.data == '\t'))
        slice.data++, slice.length--;
    while (slice.length > 0 &&
           (slice.data[slice.length - 1] == ' ' || slice.data[slice.length - 1] == '\t'))
        slice.length--;
    return slice;
}

#endif
