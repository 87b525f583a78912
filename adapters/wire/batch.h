/*
 * Bulk transfers on the wire: up to MP_BATCH_MAX of them in one body, in two forms.
 *
 * Binary, application/vnd.micropay.batch. All little-endian; a head of 16 bytes, then what it
 * counts, and nothing behind:
 *
 *     0   4   "MPBT"
 *     4   2   version, 1
 *     6   2   what follows: 1 = transfers, 2 = results
 *     8   4   how many
 *     12  4   0
 *     16      transfers, 128 bytes each as struct mp_transfer (micropay/types.h) lays them out;
 *             results, 32 bytes each as struct mp_result, in the order of the transfers
 *
 * JSON: an array of objects with the fields of a transfer by their names. 128-bit numbers, which
 * are ids, amounts in minor units and user_data_128, are decimal strings, or UUIDs, which is how
 * the rest of the API shows ids; other numbers are JSON numbers, up to 2^53 - 1, or decimal
 * strings. `flags` is a number, the name of a flag, or an array of names. What is absent is 0.
 * Strings have no escapes, as nothing in them needs one. Answered is an object with counts and
 * results (batch_print_json).
 *
 * A body that isn't exactly that is refused, and nothing of it was understood. Any thread.
 */
#ifndef ADAPTERS_WIRE_BATCH_H
#define ADAPTERS_WIRE_BATCH_H

#include "runtime/error.h"
#include "wire/buffer.h"

#include <micropay/types.h>

#define BATCH_MEDIA_TYPE "application/vnd.micropay.batch"

enum {
    BATCH_HEAD = 16,
    BATCH_VERSION = 1,
    BATCH_TRANSFERS = 1,
    BATCH_RESULTS = 2,
    BATCH_BINARY_MAX = BATCH_HEAD + MP_BATCH_MAX * 128, /* bytes of a body */
};

/* Both read into `out`, which has room for MP_BATCH_MAX. REFUSED with faults, whose fields are JSON
 * pointers such as "/17/amount"; of a binary body "/17" and such. */
enum outcome batch_read_binary(const void *body, size_t length, mp_transfer *out, uint32_t *count,
                               struct error *err) MUST_USE;
enum outcome batch_read_json(const char *body, size_t length, mp_transfer *out, uint32_t *count,
                             struct error *err) MUST_USE;

void batch_print_binary(const mp_result *results, uint32_t count, struct buffer *out);
/* {"counts": {"created": 2, "exists": 0, "refused": 1}, "results": [...], "durability": "local"}, a
 * result being {"index": 0, "result": "created", "timestamp": "ns since the epoch", "sequence":
 * "7"} with the names of micropay/types.h; a bound id has its refusal as "bound". `minimal`: of the
 * results only those that are neither created nor there already. */
void batch_print_json(const mp_result *results, uint32_t count, bool minimal, struct buffer *out);

/* The bit of a transfer's flag by its name; 0 if there is none. */
uint16_t batch_flag(const char *name, size_t length);

#endif
