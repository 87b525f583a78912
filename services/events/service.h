/*
 * Events as they happen, for people and for trying things out: GET /api/v1/events waits for what
 * comes behind a position.
 *
 * It reads the bus of the process from its end on and keeps the newest events in memory, as many as
 * there is room for; of each it shows a caller those of its own tenant and mode. Who must not miss
 * one reads the bus, or the resources.
 */
#ifndef EVENTS_SERVICE_H
#define EVENTS_SERVICE_H

#include "runtime/service.h"

extern const struct service events_service;

#endif
