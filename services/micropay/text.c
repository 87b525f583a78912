#include "text.h"

#include "numbers.h"
#include "times.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

bool text_begin(struct text *text, int file)
{
    *text = (struct text){.buffer = malloc(TEXT_BUFFER), .file = file};
    return text->buffer != NULL;
}

bool text_flush(struct text *text)
{
    size_t done = 0;

    while (!text->failed && done < text->used) {
        ssize_t written = write(text->file, text->buffer + done, text->used - done);
        if (written >= 0) {
            done += (size_t)written;
        } else if (errno != EINTR) {
            text->failed = true;
            text->error = errno;
        }
    }
    text->used = 0;
    return !text->failed;
}

bool text_end(struct text *text)
{
    bool done = text_flush(text);

    free(text->buffer);
    text->buffer = NULL;
    return done;
}

/* Room for a short piece; returns where it goes. */
static char *text_room(struct text *text, size_t length)
{
    if (TEXT_BUFFER - text->used < length) (void)text_flush(text);
    return text->buffer + text->used;
}

void text_bytes(struct text *text, const char *data, size_t length)
{
    while (length > 0) {
        size_t room = TEXT_BUFFER - text->used;
        size_t part = length < room ? length : room;
        memcpy(text->buffer + text->used, data, part);
        text->used += part;
        data += part;
        length -= part;
        if (text->used == TEXT_BUFFER) (void)text_flush(text);
    }
}

void text_string(struct text *text, const char *string)
{
    text_bytes(text, string, strlen(string));
}

void text_char(struct text *text, char c)
{
    *text_room(text, 1) = c;
    text->used++;
}

void text_number(struct text *text, mp_u128 number)
{
    text->used += number_print(number, text_room(text, NUMBER_TEXT_MAX));
}

void text_time(struct text *text, uint64_t ns)
{
    text->used += time_print(ns, text_room(text, TIME_TEXT_MAX));
}

void text_format(struct text *text, const char *format, ...)
{
    char line[1024];
    va_list list;

    va_start(list, format);
    int length = vsnprintf(line, sizeof line, format, list);
    va_end(list);
    if (length > 0)
        text_bytes(text, line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
}
