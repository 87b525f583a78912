/* Settings of the account service: struct account_settings, from settings.def. */
#ifndef ACCOUNT_SETTINGS_H
#define ACCOUNT_SETTINGS_H

#define SETTINGS_NAME account
#define SETTINGS_FILE "settings.def"
#include "runtime/settings_struct.h"

#endif
