/*
 * Makes structs of the rows in RECORD_FILE (wire/record.h says how), once for each such file.
 * EVENT(name, "type", major, help, rows) is struct NAME_event (bus/events.h).
 */
#include "wire/record.h"

/* --- choices --- */
#include "wire/record_none.h"
#undef CHOICES
#undef VALUE
#define VALUE(name, word) name,
#define CHOICES(name, ...)                                                                         \
    enum name { name##_absent, __VA_ARGS__ };                                                      \
    extern const char *const name[];
#include RECORD_FILE
#include "wire/record_end.h"

/* --- structs --- */
#define RECORD_TYPE_id        struct uuid
#define RECORD_TYPE_account   struct account_id
#define RECORD_TYPE_ledger_id mp_u128
#define RECORD_TYPE_minor     mp_u128
#define RECORD_TYPE_amount    struct amount
#define RECORD_TYPE_balance   struct amount
#define RECORD_TYPE_currency  struct currency_code
#define RECORD_TYPE_time      uint64_t
#define RECORD_TYPE_duration  uint64_t
#define RECORD_TYPE_count     uint64_t
#define RECORD_TYPE_big       uint64_t
#define RECORD_TYPE_flag      bool
#define RECORD_TYPE_word      const char *
#define RECORD_TYPE_sealed    struct sealed

#define VALUE(name, word)
#define CHOICES(name, ...)
#define FIELD(kind, name, need, help)      RECORD_TYPE_##kind name;
#define COUNT(name, low, high, need, help) uint64_t name;
#define TEXT(name, max, need, help)        char name[(max) + 1];
#define PERSONAL(name, max, need, help)    char name[(max) + 1];
#define WORD(name, words, need, help)      const char *name;
#define CHOICE(name, words, need, help)    unsigned name;
#define ONE(name, record, need, help)      struct record name;
#define LIST(name, record, max, need, help)                                                        \
    struct {                                                                                       \
        unsigned count;                                                                            \
        struct record rows[max];                                                                   \
    } name;
#define RECORD(name, help, ...)                                                                    \
    struct name {                                                                                  \
        uint64_t present;                                                                          \
        __VA_ARGS__                                                                                \
    };                                                                                             \
    extern const struct record name##_record;
#define EVENT(name, type, major, help, ...) RECORD(name##_event, help, __VA_ARGS__)
#include RECORD_FILE
#include "wire/record_end.h"

/* --- for RECORD_BIT: a struct with a char for each field, whose offset is the bit's number --- */
#define VALUE(name, word)
#define CHOICES(name, ...)
#define FIELD(kind, name, need, help)       char name;
#define COUNT(name, low, high, need, help)  char name;
#define TEXT(name, max, need, help)         char name;
#define PERSONAL(name, max, need, help)     char name;
#define WORD(name, words, need, help)       char name;
#define CHOICE(name, words, need, help)     char name;
#define ONE(name, record, need, help)       char name;
#define LIST(name, record, max, need, help) char name;
#define RECORD(name, help, ...)                                                                    \
    struct name##_bits {                                                                           \
        __VA_ARGS__                                                                                \
    };                                                                                             \
    _Static_assert(sizeof(struct name##_bits) <= 64, "more fields than `present` has bits");
#define EVENT(name, type, major, help, ...) RECORD(name##_event, help, __VA_ARGS__)
#include RECORD_FILE
#include "wire/record_end.h"

#undef RECORD_FILE
