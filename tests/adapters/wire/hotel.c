#include "wire/hotel.h"

#define RECORD_FILE "wire/hotel.def"
#include "wire/record_rows.h"
