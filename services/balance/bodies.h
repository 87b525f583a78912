/* Bodies of requests and answers, from bodies.def. */
#ifndef BALANCE_BODIES_H
#define BALANCE_BODIES_H

#include "bus/events.h"

#define RECORD_FILE "bodies.def"
#include "wire/record_struct.h"

#endif
