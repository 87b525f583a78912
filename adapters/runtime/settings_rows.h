/*
 * Makes the constant `NAME_settings` of a .def file whose struct settings_struct.h has made, in one
 * source file,
 *
 *     #define SETTINGS_NAME payment
 *     #define SETTINGS_FILE "payment/settings.def"
 *     #include "runtime/settings_rows.h"
 */
#include "runtime/settings.h"

#define SETTINGS_JOIN_NOW(a, b) a##b
#define SETTINGS_JOIN(a, b)     SETTINGS_JOIN_NOW(a, b)
#define SETTINGS_TEXT_NOW(a)    #a
#define SETTINGS_TEXT(a)        SETTINGS_TEXT_NOW(a)
#define SETTINGS_STRUCT         struct SETTINGS_JOIN(SETTINGS_NAME, _settings)

/* What every row has */
#define SETTINGS_ROW(field, as, when, first, what)                                                 \
    .name = #field, .kind = SETTING_KIND_##as, .apply = SETTING_##when, .initial = (first),        \
    .offset = (uint32_t)offsetof(SETTINGS_STRUCT, field),                                          \
    .size = (uint32_t)sizeof(((SETTINGS_STRUCT *)NULL)->field), .help = (what)

#define SETTING_ONE_OF(name, initial, list, apply, help)                                           \
    {SETTINGS_ROW(name, ONE_OF, apply, initial, help), .words = (list)},
#define SETTING_MS(name, initial, least, most, apply, help)                                        \
    {SETTINGS_ROW(name, MS, apply, #initial, help), .min = (least), .max = (most)},
#define SETTING_U32(name, initial, least, most, apply, help)                                       \
    {SETTINGS_ROW(name, U32, apply, #initial, help), .min = (least), .max = (most)},
#define SETTING_BYTES(name, initial, least, most, apply, help)                                     \
    {SETTINGS_ROW(name, BYTES, apply, #initial, help), .min = (least), .max = (most)},
#define SETTING_AMOUNT(name, initial, apply, help)                                                 \
    {SETTINGS_ROW(name, AMOUNT, apply, initial, help)},
#define SETTING_FLAG(name, initial, apply, help) {SETTINGS_ROW(name, FLAG, apply, #initial, help)},
#define SETTING_TEXT(name, initial, most, apply, help)                                             \
    {SETTINGS_ROW(name, TEXT, apply, initial, help), .max = (most)},
#define SETTING_SECRET(name, apply, help) {SETTINGS_ROW(name, SECRET, apply, "", help)},

static const struct setting SETTINGS_JOIN(SETTINGS_NAME, _setting_rows)[] = {
#include SETTINGS_FILE
};
const struct settings SETTINGS_JOIN(SETTINGS_NAME, _settings) = {
    .name = SETTINGS_TEXT(SETTINGS_NAME),
    .rows = SETTINGS_JOIN(SETTINGS_NAME, _setting_rows),
    .count = sizeof SETTINGS_JOIN(SETTINGS_NAME, _setting_rows) / sizeof(struct setting),
    .size = sizeof(SETTINGS_STRUCT),
};

#undef SETTINGS_ROW
#undef SETTINGS_STRUCT
#undef SETTINGS_TEXT
#undef SETTINGS_TEXT_NOW
#include "runtime/settings_end.h"
