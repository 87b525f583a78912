/* Settings of the process, whatever services it holds: struct common_settings, from common.def. */
#ifndef ADAPTERS_RUNTIME_COMMON_H
#define ADAPTERS_RUNTIME_COMMON_H

#define SETTINGS_NAME common
#define SETTINGS_FILE "runtime/common.def"
#include "runtime/settings_struct.h"

#endif
