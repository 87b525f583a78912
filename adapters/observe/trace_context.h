/* W3C Trace Context: which request something belongs to, across processes. Any thread. */
#ifndef ADAPTERS_OBSERVE_TRACE_CONTEXT_H
#define ADAPTERS_OBSERVE_TRACE_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

enum { TRACEPARENT_TEXT = 55 };

/* All zero = none. */
struct trace_context {
    uint8_t trace[16], span[8];
    bool sampled;
};

/* Reads a traceparent header of version 00 (or what a later version begins with); false, and
 * nothing is written, if it is none or an id is all zero. NULL is none. */
bool trace_context_read(const char *text, struct trace_context *out);
void trace_context_print(const struct trace_context *context, char out[TRACEPARENT_TEXT + 1]);
static inline bool trace_context_is_none(const struct trace_context *context)
{
    uint64_t span;

    __builtin_memcpy(&span, context->span, sizeof span);
    return span == 0;
}
/* `count` bytes as 2 * count lower-case digits and a NUL. */
void trace_hex(const uint8_t *bytes, unsigned count, char *out);

#endif
