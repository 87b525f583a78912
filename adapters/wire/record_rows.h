/*
 * Makes the tables of the rows in RECORD_FILE (wire/record.h says how), whose structs must be
 * known.
 *
 * A row needs its struct's name for the offset of its field, which a macro inside another's
 * argument can't learn: so the rows stand in a function, in which `struct_here` is that struct.
 */
#include "wire/json.h"

/* --- choices --- */
#include "wire/record_none.h"
#undef CHOICES
#undef VALUE
#define VALUE(name, word)  word,
#define CHOICES(name, ...) const char *const name[] = {__VA_ARGS__ NULL};
#include RECORD_FILE
#include "wire/record_end.h"

/* --- rows --- */
#define RECORD_KIND_id        RECORD_ID
#define RECORD_KIND_account   RECORD_ACCOUNT
#define RECORD_KIND_ledger_id RECORD_LEDGER_ID
#define RECORD_KIND_minor     RECORD_MINOR
#define RECORD_KIND_amount    RECORD_AMOUNT
#define RECORD_KIND_balance   RECORD_BALANCE
#define RECORD_KIND_currency  RECORD_CURRENCY
#define RECORD_KIND_time      RECORD_TIME
#define RECORD_KIND_duration  RECORD_DURATION
#define RECORD_KIND_count     RECORD_COUNT_OF
#define RECORD_KIND_big       RECORD_BIG
#define RECORD_KIND_flag      RECORD_FLAG
#define RECORD_KIND_word      RECORD_WORD
#define RECORD_KIND_sealed    RECORD_SEALED

#define RECORD_ROW(name_, kind_, need_, help_, ...)                                                \
    {.name = #name_,                                                                               \
     .kind = kind_,                                                                                \
     .need = need_,                                                                                \
     .offset = (uint32_t)offsetof(struct_here, name_),                                             \
     .help = help_,                                                                                \
     __VA_ARGS__},
#define VALUE(name, word)
#define CHOICES(name, ...)
#define FIELD(kind, name, need, help)                                                              \
    RECORD_ROW(name, RECORD_KIND_##kind, need, help, .high = JSON_COUNT_MAX)
#define COUNT(name, low_, high_, need, help)                                                       \
    RECORD_ROW(name, RECORD_COUNT_OF, need, help, .low = low_, .high = high_)
#define TEXT(name, max_, need, help) RECORD_ROW(name, RECORD_TEXT, need, help, .max = max_)
#define PERSONAL(name, max_, need, help)                                                           \
    RECORD_ROW(name, RECORD_TEXT, need, help, .max = max_, .personal = true)
#define WORD(name, words, need, help) RECORD_ROW(name, RECORD_WORD, need, help, .choices = words)
#define CHOICE(name, words, need, help)                                                            \
    RECORD_ROW(name, RECORD_CHOICE, need, help, .choices = words)
#define ONE(name, record_, need, help)                                                             \
    RECORD_ROW(name, RECORD_ONE, need, help, .record = &record_##_record)
#define LIST(name, record_, max_, need, help)                                                      \
    RECORD_ROW(name, RECORD_LIST, need, help, .max = max_, .record = &record_##_record,            \
               .rows = (uint32_t)(offsetof(struct_here, name.rows) - offsetof(struct_here, name)))
#define RECORD(name_, help_, ...)                                                                  \
    static const struct record_field *name_##_fields(void)                                         \
    {                                                                                              \
        typedef struct name_ struct_here;                                                          \
        static const struct record_field rows[] = {__VA_ARGS__{.name = NULL}};                     \
        return rows;                                                                               \
    }                                                                                              \
    const struct record name_##_record = {                                                         \
        .name = #name_,                                                                            \
        .help = help_,                                                                             \
        .size = sizeof(struct name_),                                                              \
        .fields = name_##_fields,                                                                  \
    };
#define EVENT(name, type, major, help, ...) RECORD(name##_event, help, __VA_ARGS__)
#include RECORD_FILE
#include "wire/record_end.h"

#undef RECORD_FILE
