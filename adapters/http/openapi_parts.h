/* What the files of the description share: openapi.c is the document, openapi_operation.c one route
 * of it, openapi_example.c the examples. */
#ifndef ADAPTERS_HTTP_OPENAPI_PARTS_H
#define ADAPTERS_HTTP_OPENAPI_PARTS_H

#include "http/openapi.h"

#include <string.h>

#define OPENAPI_SCHEMAS "#/components/schemas/"

/* A comma, unless this is the first of its object or array. */
static inline void next_member(struct buffer *out)
{
    char last = out->length > 0 ? out->bytes[out->length - 1] : '{';

    if (last != '{' && last != '[' && last != ':') buffer_char(out, ',');
}

/* Begins a member: its name and the colon. */
static inline void member(struct buffer *out, const char *name)
{
    next_member(out);
    buffer_json(out, name, strlen(name));
    buffer_char(out, ':');
}

/* A member that is a text; nothing if it is NULL. */
static inline void member_text(struct buffer *out, const char *name, const char *text)
{
    if (text == NULL) return;
    member(out, name);
    buffer_json(out, text, strlen(text));
}

/* The parameters in braces of a path, in their order: calls `each` with the name. */
void openapi_path_parameters(const char *path, void (*each)(struct buffer *out, const char *name),
                             struct buffer *out);
/* Adds the operation of a route, a member of its path. `all` has the service's routes. */
void openapi_operation(const struct http_route *route, const char *tag,
                       const struct http_route *all, struct buffer *out);
/* Adds a value of a record that has the fields that it needs, and accounts. */
void openapi_example(const struct record *record, struct buffer *out);
/* Calls `each` for each media type of a list such as "application/json, text/csv". */
void openapi_media_types(const char *list,
                         void (*each)(const struct http_route *route, const char *type,
                                      struct buffer *out),
                         const struct http_route *route, struct buffer *out);

/* Headers and parameters that many routes have: components of the document. */
enum openapi_header {
    HEADER_KEY,      /* Idempotency-Key */
    HEADER_PREFER,   /* Prefer: wait */
    HEADER_AT_LEAST, /* Micropay-At-Least */
    HEADER_SIMULATE, /* Simulate */
    HEADER_TRACE,    /* traceparent */
    QUERY_LIMIT,
    QUERY_CURSOR,
    OPENAPI_HEADERS,
};
/* Whether a route takes it. */
bool openapi_takes(const struct http_route *route, enum openapi_header header);
/* The word by which a component is referred to. */
extern const char *const openapi_header_words[OPENAPI_HEADERS];
/* Adds the components: parameters and headers. */
void openapi_parameters(struct buffer *out);
void openapi_answer_headers(struct buffer *out);

#endif
