/*
 * A process: one loop, one bus, one ledger if it is the writer, and the services that run in it,
 * each with its database, its turns and its routes. `micropay up` has all services in one process,
 * a binary of its own has one, a test has those that it needs on a loop whose clock it moves.
 */
#ifndef ADAPTERS_RUNTIME_PROCESS_H
#define ADAPTERS_RUNTIME_PROCESS_H

#include "runtime/service.h"

#include <micropay/micropay.h>

enum { PROCESS_SERVICES_MAX = 16 };

struct process_config {
    struct loop *loop;
    const struct service *const *services; /* NULL-ended */
    const char *data;                      /* directory; NULL = databases in memory, no bus file */
    const mp_env *env;                     /* of the ledger; NULL = the system */
    const char *ledger;                    /* its directory as env knows it; NULL = data/ledger */
    unsigned ledger_flags;                 /* MP_OPEN_MANUAL in a simulation */
    uint64_t ledger_memory;                /* bytes; 0 = the default */
    const void *(*settings)(void *context, const struct settings *section);
    void *settings_context;
    /* How a service asks another: service_context.ask. */
    void (*ask)(void *context, const char *service, const struct caller *caller,
                const struct http_call *call);
    void *ask_context;
    http_authenticate authenticate; /* of all routers; NULL: routes with a scope refuse everybody */
    void *authenticate_context;
    http_observe observe; /* with the service's name as its context; NULL = nobody */
};

struct process;

/* Opens everything: makes and migrates databases, makes the ledger if there is none, starts the
 * services in order. On failure nothing is left open. */
enum outcome process_open(const struct process_config *config, struct process **out,
                          struct error *err) MUST_USE;
/* The router with the routes of one service. */
struct http_router *process_router(struct process *process, const char *service);
/* What a service's start made. */
void *process_service(struct process *process, const char *service);
/* Whether it can do its work; else why not. */
bool process_ready(struct process *process, const char *service, struct error *err);
struct store *process_store(struct process *process, const char *service);
mp_ledger *process_ledger(struct process *process);
struct ledger_port *process_port(struct process *process);
struct bus *process_bus(struct process *process);
/* Sets the metrics of the bus, the ledger and the services. */
void process_metrics(struct process *process);
/* Has all services answer whoever only waits. */
void process_end_waits(struct process *process);
/* Takes no more work; `done` once all services have nothing under way. */
void process_drain(struct process *process, void (*done)(void *context), void *context);
/* Closes in the reverse order. */
void process_close(struct process *process);

#endif
