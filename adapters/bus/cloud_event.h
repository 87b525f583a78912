/* The record of an envelope, for reading and schemas. */
#ifndef ADAPTERS_BUS_CLOUD_EVENT_H
#define ADAPTERS_BUS_CLOUD_EVENT_H

#define RECORD_FILE "bus/envelope.def"
#include "wire/record_struct.h"

#endif
