/* The traceparent header. */
#include "observe/trace_context.h"

#include <string.h>

static int digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

/* False if these aren't lower-case digits; *any says whether one isn't 0. */
static bool read_hex(const char *text, unsigned count, uint8_t *out, bool *any)
{
    *any = false;
    for (unsigned i = 0; i < count; i++) {
        int high = digit(text[2 * i]), low = high < 0 ? -1 : digit(text[2 * i + 1]);

        if (low < 0) return false;
        out[i] = (uint8_t)(high << 4 | low);
        *any = *any || out[i] != 0;
    }
    return true;
}

/* "00-" 32 digits "-" 16 digits "-" 2 digits; a later version may go on behind a dash. */
bool trace_context_read(const char *text, struct trace_context *out)
{
    struct trace_context context = {0};
    bool any, has_trace, has_span;
    uint8_t version, flags;

    if (text == NULL || strnlen(text, TRACEPARENT_TEXT) < TRACEPARENT_TEXT) return false;
    if (text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
    if (!read_hex(text, 1, &version, &any) || version == 0xff) return false;
    if (text[TRACEPARENT_TEXT] != '\0' && (version == 0 || text[TRACEPARENT_TEXT] != '-'))
        return false;
    if (!read_hex(text + 3, 16, context.trace, &has_trace) || !has_trace) return false;
    if (!read_hex(text + 36, 8, context.span, &has_span) || !has_span) return false;
    if (!read_hex(text + 53, 1, &flags, &any)) return false;
    context.sampled = flags & 1;
    *out = context;
    return true;
}

void trace_hex(const uint8_t *bytes, unsigned count, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (unsigned i = 0; i < count; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
}

void trace_context_print(const struct trace_context *context, char out[TRACEPARENT_TEXT + 1])
{
    out[0] = out[1] = '0'; /* the version */
    out[2] = '-';
    trace_hex(context->trace, 16, out + 3);
    out[35] = '-';
    trace_hex(context->span, 8, out + 36);
    memcpy(out + 52, context->sampled ? "-01" : "-00", 4);
}
