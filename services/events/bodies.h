/* The body of the answer, from bodies.def: described, but printed from the events' own text. */
#ifndef EVENTS_BODIES_H
#define EVENTS_BODIES_H

#include "bus/cloud_event.h"

#define RECORD_FILE "bodies.def"
#include "wire/record_struct.h"

#endif
