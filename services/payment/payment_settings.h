/* Settings of the payment service: struct payment_settings, from settings.def. */
#ifndef PAYMENT_SETTINGS_H
#define PAYMENT_SETTINGS_H

#define SETTINGS_NAME payment
#define SETTINGS_FILE "settings.def"
#include "runtime/settings_struct.h"

#endif
