/*
 * Records: a list of fields declared once as rows, from which come a C struct, its reading from and
 * printing as JSON, and its JSON Schema. Bodies of requests and answers and the data of events are
 * records.
 *
 * A .def file holds rows
 *
 *     RECORD(payment_request, "A payment to start.",
 *            FIELD(account, payer, NEEDED, "Wallet that is debited.")
 *            FIELD(amount, amount, NEEDED, "What the payee gets, before fees.")
 *            TEXT(reference, 64, OPTIONAL, "The caller's own; unique for a tenant.")
 *            CHOICE(capture, capture_modes, OPTIONAL, "automatic (default) or manual.")
 *            LIST(split, splits, 8, OPTIONAL, "Further payees."))
 *
 * and is made into structs and rows by including it through wire/record_struct.h and
 * wire/record_rows.h (see there). The C types:
 *
 *     id        struct uuid        a UUID, 36 characters; all zero = absent
 *     account   struct account_id  16 bytes, written as a UUID too
 *     ledger_id mp_u128            decimal string (bulk and journal alone)
 *     amount    struct amount      decimal string, such as "12.50"
 *     currency  struct currency_code  three letters of ISO 4217
 *     time      uint64_t           nanoseconds since the epoch; RFC 3339 in UTC, up to nine digits
 *     duration  uint64_t           seconds, as ISO 8601 ("P7D", "PT30S")
 *     count     uint64_t           a JSON number up to 2^53
 *     flag      bool
 *     word      const char *       one of a closed list of the code's own, lives for ever
 *     TEXT      char[MAX + 1]      UTF-8, at most MAX bytes, no control characters
 *     CHOICE    unsigned           index into a NULL-ended array of names, from 1; 0 = absent
 *     ONE       struct NAME        a record within the record; absent when its `present` is false
 *     LIST      struct { unsigned count; struct NAME rows[MAX]; }
 *
 * Every struct begins with `uint64_t present`, a bit for each field in order of the rows: reading
 * sets it, printing leaves out OPTIONAL fields whose bit is not set. NEEDED ones are always
 * printed.
 */
#ifndef ADAPTERS_WIRE_RECORD_H
#define ADAPTERS_WIRE_RECORD_H

#include "runtime/error.h"
#include "wire/amount.h"
#include "wire/buffer.h"
#include "wire/ids.h"

struct cJSON;

enum record_kind {
    RECORD_ID,
    RECORD_ACCOUNT,
    RECORD_LEDGER_ID,
    RECORD_AMOUNT,
    RECORD_CURRENCY,
    RECORD_TIME,
    RECORD_DURATION,
    RECORD_COUNT_OF,
    RECORD_FLAG,
    RECORD_WORD,
    RECORD_TEXT,
    RECORD_CHOICE,
    RECORD_ONE,
    RECORD_LIST,
};

enum record_need { NEEDED, OPTIONAL };

struct record;

/* A row */
struct record_field {
    const char *name;
    enum record_kind kind;
    enum record_need need;
    bool sealed; /* personal data: never in clear in an event, never in a log */
    uint32_t offset;
    uint32_t max;                /* TEXT: bytes; LIST: rows */
    uint32_t size;               /* LIST: bytes of a row */
    const char *const *choices;  /* CHOICE, WORD: NULL-ended; WORD may have none */
    const struct record *record; /* ONE, LIST */
    const char *help;
};

/* Ended by a field without name. At most 64. */
struct record {
    const char *name;
    const char *help;
    uint32_t size; /* of the struct */
    const struct record_field *fields;
};

/*
 * Reads a JSON object into a zeroed struct. Adds a fault to err for everything that is wrong, not
 * only the first: missing, of the wrong kind, out of range, unknown (an unknown member is a fault
 * when `strict`, as in requests; readers of events ignore it). `at` is the object's JSON pointer,
 * "" for a body.
 */
enum outcome record_read(const struct record *record, const struct cJSON *json, bool strict,
                         const char *at, void *out, struct error *err) MUST_USE;
/* Prints the struct as a JSON object. */
void record_print(const struct record *record, const void *in, struct buffer *out);
/* Prints the JSON Schema (2020-12) of it; records within are referred to as `refs` NAME, which is
 * such as "#/components/schemas/". */
void record_schema(const struct record *record, const char *refs, struct buffer *out);
/* The bit of a field in `present`. */
uint64_t record_bit(const struct record *record, const char *field);

#endif
