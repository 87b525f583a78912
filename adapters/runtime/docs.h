/*
 * Tables of the manual, printed in Markdown from the rows that the code itself is made of, so they
 * are never older than it. Topics and events: bus/docs.h; settings: settings_print_help(). Which
 * file of docs/ has which table stands in docs/tables.c.
 */
#ifndef ADAPTERS_RUNTIME_DOCS_H
#define ADAPTERS_RUNTIME_DOCS_H

#include "runtime/service.h"

/* A row a service: its port, what it is for, the topics it publishes to. `services` is NULL-ended,
 * here and below. */
void docs_services(const struct service *const *services, struct buffer *out);
/* For each service a heading and a row a route. */
void docs_routes(const struct service *const *services, struct buffer *out);
/* A row a type that is consumed: by whom, and whether it can be replayed. */
void docs_consumers(const struct service *const *services, struct buffer *out);
/* For each service a heading and its migrations' SQL; before them what all databases have. */
void docs_schemas(const struct service *const *services, struct buffer *out);
/* A heading and a table for the process and for each service that has settings. */
void docs_settings(const struct service *const *services, struct buffer *out);

/* A row a reason, by HTTP status. */
void docs_reasons(struct buffer *out);
/* A row a result of the ledger: number, problem, status, whether a repeat may succeed. */
void docs_results(struct buffer *out);
/* A row a scope of API keys. */
void docs_scopes(struct buffer *out);

#endif
