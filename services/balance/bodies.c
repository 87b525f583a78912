#include "bodies.h"

#define RECORD_FILE "bodies.def"
#include "wire/record_rows.h"
