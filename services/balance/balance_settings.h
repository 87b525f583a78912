/* Settings of the balance service: struct balance_settings, from settings.def. */
#ifndef BALANCE_SETTINGS_H
#define BALANCE_SETTINGS_H

#define SETTINGS_NAME balance
#define SETTINGS_FILE "settings.def"
#include "runtime/settings_struct.h"

#endif
