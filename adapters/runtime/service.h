/*
 * A service is one constant: all that the runtime knows of it. `micropay up` has an array of them,
 * a binary of its own names one. What isn't in it doesn't exist for docs, gateway or tests.
 */
#ifndef ADAPTERS_RUNTIME_SERVICE_H
#define ADAPTERS_RUNTIME_SERVICE_H

#include "bus/bus.h"
#include "http/http.h"
#include "runtime/loop.h"
#include "runtime/settings.h"
#include "store/turn.h"

struct ledger_port; /* ledger/port.h */
struct mp_ledger;

/* What the runtime lends a service; all of it outlives the service. */
struct service_context {
    struct loop *loop;
    struct store *store; /* open and migrated; NULL if the service has no migrations */
    struct bus *bus;
    const char *data; /* directory of what is kept beside databases; NULL = nothing can be */
    struct ledger_port *ledger; /* asks the writer */
    struct mp_ledger *reads;    /* the writer's read handle, in one process; else NULL */
    const void *settings;       /* the service's struct of settings */
    /* Asks another service in the name of a caller's tenant and mode. `call->url` is the path with
     * its query; `done` comes once, never inside. */
    void (*ask)(void *context, const char *service, const struct caller *caller,
                const struct http_call *call);
    void *ask_context;
};

struct service {
    const char *name;
    unsigned port;
    const char *help;
    const struct settings *settings;
    const struct http_route *routes;     /* ended by one without path */
    const struct migrations *migrations; /* NULL = no database */
    const struct consume *consumes;      /* what it hands to turns_consume(); NULL = nothing */
    /* Makes the service's state; its routes' exchanges get it as `service`. */
    enum outcome (*start)(const struct service_context *context, void **out, struct error *err);
    /* NULL = ready once started. Says in err what it waits for. */
    bool (*ready)(void *service, struct error *err);
    /* Takes nothing new; calls done when nothing is under way. NULL = nothing to drain. */
    void (*drain)(void *service, void (*done)(void *context), void *context);
    void (*stop)(void *service);
    void (*metrics)(void *service); /* sets gauges before a scrape; NULL = none */
};

#endif
