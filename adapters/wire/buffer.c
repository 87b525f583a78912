/* Text that grows. */
#include "wire/buffer.h"

#include "wire/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Noreturn void out_of_memory(size_t bytes)
{
    fprintf(
        stderr,
        "micropay: the system refused %zu bytes of memory; ending, what was confirmed is safe\n",
        bytes);
    _exit(3);
}

void *need_memory(size_t bytes)
{
    void *memory = calloc(1, bytes > 0 ? bytes : 1);

    if (memory == NULL) out_of_memory(bytes);
    return memory;
}

void *need_more_memory(void *memory, size_t bytes)
{
    void *more = realloc(memory, bytes > 0 ? bytes : 1);

    if (more == NULL) out_of_memory(bytes);
    return more;
}

char *need_copy(const char *text)
{
    size_t size = strlen(text) + 1;

    return memcpy(need_memory(size), text, size);
}

static void make_room(struct buffer *buffer, size_t length)
{
    size_t room = buffer->room > 0 ? buffer->room : 256;

    if (length < buffer->room - buffer->length) return; /* one more for the NUL */
    while (room - buffer->length <= length) {
        if (room > SIZE_MAX / 2) out_of_memory(SIZE_MAX);
        room *= 2;
    }
    buffer->bytes = need_more_memory(buffer->bytes, room);
    buffer->room = room;
}

void buffer_add(struct buffer *buffer, const void *bytes, size_t length)
{
    make_room(buffer, length);
    if (length > 0) memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
    buffer->bytes[buffer->length] = '\0';
}

void buffer_text(struct buffer *buffer, const char *text)
{
    buffer_add(buffer, text, strlen(text));
}

void buffer_char(struct buffer *buffer, char c) { buffer_add(buffer, &c, 1); }

void buffer_number(struct buffer *buffer, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    buffer_add(buffer, digits + at, sizeof digits - at);
}

void buffer_format(struct buffer *buffer, const char *format, ...)
{
    va_list list;
    int length;

    va_start(list, format);
    length = vsnprintf(NULL, 0, format, list);
    va_end(list);
    if (length <= 0) return;
    make_room(buffer, (size_t)length);
    va_start(list, format);
    vsnprintf(buffer->bytes + buffer->length, (size_t)length + 1, format, list);
    va_end(list);
    buffer->length += (size_t)length;
}

static void add_escaped(struct buffer *buffer, unsigned char c)
{
    switch (c) {
    case '"': buffer_text(buffer, "\\\""); break;
    case '\\': buffer_text(buffer, "\\\\"); break;
    case '\n': buffer_text(buffer, "\\n"); break;
    case '\r': buffer_text(buffer, "\\r"); break;
    case '\t': buffer_text(buffer, "\\t"); break;
    default: buffer_format(buffer, "\\u%04x", c);
    }
}

void buffer_json(struct buffer *buffer, const char *text, size_t length)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t from = 0, i = 0;

    buffer_char(buffer, '"');
    while (i < length) {
        size_t size = utf8_character(text + i, length - i);
        bool plain = size > 0 && bytes[i] >= ' ' && bytes[i] != '"' && bytes[i] != '\\';

        if (!plain) {
            buffer_add(buffer, text + from, i - from);
            if (size == 0)
                buffer_text(buffer, "\xef\xbf\xbd");
            else
                add_escaped(buffer, bytes[i]);
            from = i + 1;
        }
        i += size > 0 ? size : 1;
    }
    buffer_add(buffer, text + from, length - from);
    buffer_char(buffer, '"');
}

void buffer_clear(struct buffer *buffer)
{
    buffer->length = 0;
    if (buffer->bytes != NULL) buffer->bytes[0] = '\0';
}

void buffer_done(struct buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct buffer){0};
}

const char *buffer_str(const struct buffer *buffer)
{
    return buffer->bytes != NULL ? buffer->bytes : "";
}
