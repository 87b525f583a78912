/* Forgets the macros of settings_struct.h and settings_rows.h. */
#undef SETTING_AMOUNT
#undef SETTING_BYTES
#undef SETTING_FLAG
#undef SETTING_MS
#undef SETTING_ONE_OF
#undef SETTING_SECRET
#undef SETTING_TEXT
#undef SETTING_U32
#undef SETTINGS_FILE
#undef SETTINGS_JOIN
#undef SETTINGS_JOIN_NOW
#undef SETTINGS_NAME
