/* Settings of the transaction service: struct transaction_settings, from settings.def. */
#ifndef TRANSACTION_SETTINGS_H
#define TRANSACTION_SETTINGS_H

#define SETTINGS_NAME transaction
#define SETTINGS_FILE "settings.def"
#include "runtime/settings_struct.h"

#endif
