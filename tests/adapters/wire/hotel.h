/* The records of hotel.def */
#ifndef TESTS_ADAPTERS_WIRE_HOTEL_H
#define TESTS_ADAPTERS_WIRE_HOTEL_H

#define RECORD_FILE "wire/hotel.def"
#include "wire/record_struct.h"

#endif
