/*
 * Records: a list of fields declared once as rows, from which come a C struct, its reading from and
 * printing as JSON, and its JSON Schema. Bodies of requests and answers and the data of events are
 * records.
 *
 * A .def file holds rows
 *
 *     CHOICES(capture_modes, VALUE(CAPTURE_AUTOMATIC, "automatic") VALUE(CAPTURE_MANUAL, "manual"))
 *     RECORD(payment_request, "A payment to start.",
 *            FIELD(account, payer, NEEDED, "Wallet that is debited.")
 *            FIELD(amount, amount, NEEDED, "What the payee gets, before fees.")
 *            TEXT(reference, 64, OPTIONAL, "The caller's own; unique for a tenant.")
 *            CHOICE(capture, capture_modes, OPTIONAL, "automatic (default) or manual.")
 *            LIST(splits, split, 8, OPTIONAL, "Further payees; RECORD(split, ...) stands above."))
 *
 * A header makes structs of it, a source the tables, both by naming the file first:
 *
 *     #define RECORD_FILE "payment/requests.def"     in requests.h: struct payment_request,
 *     #include "wire/record_struct.h"                extern payment_request_record, enum
 *                                                    capture_modes, extern capture_modes[]
 *     #include "payment/requests.h"                  in requests.c: what is extern above
 *     #define RECORD_FILE "payment/requests.def"
 *     #include "wire/record_rows.h"
 *
 * The rows and their C types:
 *
 *     FIELD(kind, name, need, help), where kind is one of
 *       id        struct uuid        a UUID, 36 characters; all zero = absent
 *       account   struct account_id  16 bytes, written as a UUID too
 *       ledger_id mp_u128            decimal string (bulk and journal alone)
 *       minor     mp_u128            decimal string: minor units (bulk and events alone)
 *       amount    struct amount      decimal string, such as "12.50"
 *       balance   struct amount      the same, which may be below zero: "-12.50"
 *       currency  struct currency_code  three letters of ISO 4217
 *       time      uint64_t           nanoseconds since the epoch; RFC 3339 in UTC, up to nine
 * digits duration  uint64_t           seconds, as ISO 8601 ("P7D", "PT30S") count     uint64_t a
 * JSON number below 2^53 big       uint64_t           decimal string: numbers that may reach 2^53
 * (sequences) flag      bool word      const char *       a word of the code's own that lives for
 * ever; NULL = absent. Is printed, never read. sealed    struct sealed      personal data under its
 * subject's key: never in clear COUNT(name, low, high, need, help)       count within bounds
 *     TEXT(name, max, need, help)              char[max + 1]: UTF-8, 1 to max bytes, no control
 *                                              characters
 *     PERSONAL(name, max, need, help)          the same, of personal data: not in events, not in
 * logs WORD(name, words, need, help)            word of a NULL-ended array, and so can be read. A
 *                                              reader that isn't strict takes one that it doesn't
 *                                              know as word_unknown
 *     CHOICE(name, words, need, help)          unsigned: index into a NULL-ended array, from 1; 0 =
 *                                              absent. What isn't in it is a fault for any reader
 *     ONE(name, record, need, help)            struct record
 *     LIST(name, record, max, need, help)      struct { unsigned count; struct record rows[max]; }
 *
 * Every struct begins with `uint64_t present`, a bit for each field in order of the rows: reading
 * sets it, printing leaves out OPTIONAL fields whose bit is not set. NEEDED ones are always
 * printed. RECORD_BIT(payment_request, reference) is a bit by its name.
 */
#ifndef ADAPTERS_WIRE_RECORD_H
#define ADAPTERS_WIRE_RECORD_H

#include "runtime/error.h"
#include "wire/amount.h"
#include "wire/buffer.h"
#include "wire/ids.h"

#include <micropay/types.h>

struct cJSON;

enum record_kind {
    RECORD_ID,
    RECORD_ACCOUNT,
    RECORD_LEDGER_ID,
    RECORD_MINOR,
    RECORD_AMOUNT,
    RECORD_BALANCE,
    RECORD_CURRENCY,
    RECORD_TIME,
    RECORD_DURATION,
    RECORD_COUNT_OF,
    RECORD_BIG,
    RECORD_FLAG,
    RECORD_WORD,
    RECORD_SEALED,
    RECORD_TEXT,
    RECORD_CHOICE,
    RECORD_ONE,
    RECORD_LIST,
};

enum record_need { NEEDED, OPTIONAL };

enum { SEALED_MAX = 320 };

/* "sealed:KEY:CIPHERTEXT", the last two in base64url. Text of another form is not printed. */
struct sealed {
    char text[SEALED_MAX + 1];
};
bool sealed_valid(const char *text);

/* What a reader gets for a word that is newer than itself: "unknown" */
extern const char word_unknown[];

struct record;

/* A row */
struct record_field {
    const char *name;
    enum record_kind kind;
    enum record_need need;
    bool personal; /* in clear: never in an event, never in a log */
    uint32_t offset;
    uint32_t max;                /* TEXT: bytes; LIST: rows */
    uint32_t rows;               /* LIST: where its rows lie, from its count on */
    uint64_t low, high;          /* COUNT_OF */
    const char *const *choices;  /* CHOICE, WORD: NULL-ended; WORD may have none */
    const struct record *record; /* ONE, LIST */
    const char *help;
};

/* NAME_record */
struct record {
    const char *name;
    const char *help;
    uint32_t size; /* of the struct */
    /* The rows, ended by one without name; at most 64. */
    const struct record_field *(*fields)(void);
};
static inline const struct record_field *record_fields(const struct record *record)
{
    return record->fields();
}

/* The bit of a field in `present`, for the compiler and by name (0 if there is none). */
#define RECORD_BIT(record, field) (UINT64_C(1) << offsetof(struct record##_bits, field))
uint64_t record_bit(const struct record *record, const char *field);

/*
 * Reads a JSON object into a zeroed struct. Adds a fault to err for everything that is wrong, not
 * only the first: missing, twice, of the wrong kind, out of range, unknown (an unknown member is a
 * fault when `strict`, as in requests; readers of events ignore it, and take null as absent). `at`
 * is the object's JSON pointer, "" for a body.
 */
enum outcome record_read(const struct record *record, const struct cJSON *json, bool strict,
                         const char *at, void *out, struct error *err) MUST_USE;
/* Prints the struct as a JSON object. */
void record_print(const struct record *record, const void *in, struct buffer *out);

/* Reads a text as a value of a kind, as in a query: for those without further bounds, up to
 * RECORD_FLAG ("true", "false", a count's digits). `out` is of the kind's C type. */
bool record_value(enum record_kind kind, const char *text, void *out);
/* What a text must be to be of a kind: "a UUID". */
const char *record_kind_words(enum record_kind kind);

/* Prints the JSON Schema (2020-12) of it; records within are referred to as `refs` NAME, which is
 * such as "#/components/schemas/". Members that it doesn't name are allowed, as readers ignore
 * them; in a closed one, of a request that is read strictly, they aren't. */
void record_schema(const struct record *record, const char *refs, struct buffer *out);
void record_schema_closed(const struct record *record, const char *refs, struct buffer *out);
/* The schema of one value of a kind, without a description: for parameters. */
void record_schema_kind(enum record_kind kind, const char *const *choices, struct buffer *out);

#endif
