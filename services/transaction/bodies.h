/* Bodies of requests and answers, from bodies.def. */
#ifndef TRANSACTION_BODIES_H
#define TRANSACTION_BODIES_H

#include "bus/events.h"

#define RECORD_FILE "bodies.def"
#include "wire/record_struct.h"

#endif
