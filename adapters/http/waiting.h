/*
 * Exchanges that wait for something to happen to a resource: `Prefer: wait` without a thread. A
 * waiting exchange belongs to the table until it is handed back, once: by waiting_tell() because
 * something happened, or because its time was over. Whoever gets it back answers it.
 *
 * All on the loop's thread. One timer of the loop serves the table; none is set when nobody waits.
 */
#ifndef ADAPTERS_HTTP_WAITING_H
#define ADAPTERS_HTTP_WAITING_H

#include "http/http.h"

struct waiting;

struct waiting *waiting_make(struct loop *loop);
/* Whoever still waits is forgotten, as when a process dies: else call waiting_end() first. */
void waiting_free(struct waiting *table);

/* Waits for `id`, at most wait_ms from now. `timeout` gets the exchange when that is over, never
 * inside this call, also when wait_ms is 0. */
void waiting_add(struct waiting *table, struct uuid id, struct http_exchange *exchange,
                 uint64_t wait_ms, void (*timeout)(struct http_exchange *exchange));
/* Asks, for each exchange that waits for `id` in the order in which they came, whether `tell`
 * answered it; those that it didn't answer wait on. Returns how many were answered. */
unsigned waiting_tell(struct waiting *table, struct uuid id,
                      bool (*tell)(struct http_exchange *exchange, void *context), void *context);
/* Whether anybody waits for it. */
bool waiting_for(const struct waiting *table, struct uuid id);
unsigned waiting_count(const struct waiting *table);
/* Everybody's time is over: the process stops. */
void waiting_end(struct waiting *table);

#endif
