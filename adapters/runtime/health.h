/*
 * /health/live, /health/ready, /health/startup and /metrics, as rows that every service has.
 *
 * Live: the loop answers; a process that doesn't should be started anew. Startup: the service has
 * started. Ready: it has started, isn't draining and all its checks hold; else 503 with each that
 * fails and why, so that nothing more is sent to it. On the loop's thread.
 */
#ifndef ADAPTERS_RUNTIME_HEALTH_H
#define ADAPTERS_RUNTIME_HEALTH_H

#include "http/http.h"

enum { HEALTH_CHECKS_MAX = 14 };

struct health;

/* `service` is copied. */
struct health *health_make(const char *service);
/* One more check, of at most HEALTH_CHECKS_MAX: true, or says in err what is wrong. `name` lives as
 * long as the health. */
void health_add(struct health *health, const char *name,
                bool (*check)(void *context, struct error *err), void *context);
/* Called before each scrape, to set gauges. */
void health_on_metrics(struct health *health, void (*set)(void *context), void *context);
/* It has started. */
void health_started(struct health *health);
/* It takes nothing more: not ready from now on. */
void health_draining(struct health *health);
/* Whether it is ready; err says what is wrong first. */
bool health_is_ready(struct health *health, struct error *err);
void health_free(struct health *health);

/* For http_router_add() with a struct health as `service`; ended by one without path. */
extern const struct http_route health_routes[];

#endif
