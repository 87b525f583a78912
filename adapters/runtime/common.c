/* The rows of common.def. */
#include "runtime/common.h"

#define SETTINGS_NAME common
#define SETTINGS_FILE "runtime/common.def"
#include "runtime/settings_rows.h"
