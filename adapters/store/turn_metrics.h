/* What a service's turns and database have to tell to whoever looks at metrics. */
#ifndef ADAPTERS_STORE_TURN_METRICS_H
#define ADAPTERS_STORE_TURN_METRICS_H

#include "store/turn.h"

/* Sets the gauges and totals of a service; from its `metrics` (runtime/service.h). `name` lives for
 * ever, `now_ns` is the loop's clock. */
void turns_metrics(struct turns *turns, const struct store *store, const char *name,
                   uint64_t now_ns);

#endif
