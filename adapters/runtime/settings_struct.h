/*
 * Makes `struct NAME_settings` of a .def file and declares the constant `NAME_settings`. No include
 * guard: it is included once a file of settings,
 *
 *     #define SETTINGS_NAME payment
 *     #define SETTINGS_FILE "payment/settings.def"
 *     #include "runtime/settings_struct.h"
 */
#include "runtime/settings.h"

#define SETTINGS_JOIN_NOW(a, b) a##b
#define SETTINGS_JOIN(a, b)     SETTINGS_JOIN_NOW(a, b)

#define SETTING_ONE_OF(name, initial, words, apply, help)   unsigned name;
#define SETTING_MS(name, initial, min, max, apply, help)    uint64_t name;
#define SETTING_U32(name, initial, min, max, apply, help)   uint32_t name;
#define SETTING_BYTES(name, initial, min, max, apply, help) uint64_t name;
#define SETTING_AMOUNT(name, initial, apply, help)          struct amount name;
#define SETTING_FLAG(name, initial, apply, help)            bool name;
#define SETTING_TEXT(name, initial, max, apply, help)       char name[(max) + 1];
#define SETTING_SECRET(name, apply, help)                   char name[SETTING_SECRET_MAX + 1];

struct SETTINGS_JOIN(SETTINGS_NAME, _settings) {
#include SETTINGS_FILE
};
extern const struct settings SETTINGS_JOIN(SETTINGS_NAME, _settings);

#include "runtime/settings_end.h"
