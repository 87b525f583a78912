/* The tables of topics and event types, printed for people (Markdown) and for programs (JSON
 * Schema, AsyncAPI 3.0). Made of the same rows as the code, so they are never older than it. */
#ifndef ADAPTERS_BUS_DOCS_H
#define ADAPTERS_BUS_DOCS_H

#include "bus/events.h"

/* One table: a row a topic. */
void docs_topics(struct buffer *out);
/* The envelope, then for each type a heading and a table of its data's fields. */
void docs_events(struct buffer *out);
/* JSON Schema (2020-12) of a type's data: what its `dataschema` names. */
void schema_of_event(const struct event_type *type, struct buffer *out);
/* AsyncAPI 3.0 of all topics and event types, as JSON. */
void asyncapi_print(struct buffer *out);

#endif
