/* A piece of text that grows. Zero-initialised it is empty. Running out of memory ends the process
 * with a message, as everywhere above the engine: what is durable is safe, and nothing else can be
 * kept. */
#ifndef ADAPTERS_WIRE_BUFFER_H
#define ADAPTERS_WIRE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
    char *bytes; /* length bytes, then a NUL once anything was added */
    size_t length, room;
};

void buffer_add(struct buffer *buffer, const void *bytes, size_t length);
void buffer_text(struct buffer *buffer, const char *text);
void buffer_char(struct buffer *buffer, char c);
void buffer_number(struct buffer *buffer, uint64_t number);
__attribute__((format(printf, 2, 3))) void buffer_format(struct buffer *buffer, const char *format,
                                                         ...);
/* A JSON string with its quotes; what isn't UTF-8 becomes U+FFFD. */
void buffer_json(struct buffer *buffer, const char *text, size_t length);
/* Empties it, keeping the memory. */
void buffer_clear(struct buffer *buffer);
/* Gives the memory back; it is empty then. */
void buffer_done(struct buffer *buffer);
/* The text, never NULL. */
const char *buffer_str(const struct buffer *buffer);

/* Memory that is there, or the end of the process. */
void *need_memory(size_t bytes);                    /* zeroed */
void *need_more_memory(void *memory, size_t bytes); /* as realloc */
char *need_copy(const char *text);

#endif
