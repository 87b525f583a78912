/* Results of bulk transfers as JSON, printed straight into the answer. */
#include "wire/batch.h"

#include <string.h>

/* A row is made here and added in one piece: 5 numbers of at most 20 digits, two names, the rest.
 */
struct row {
    char bytes[384];
    size_t length;
};

static void put(struct row *row, const char *text, size_t length)
{
    memcpy(row->bytes + row->length, text, length);
    row->length += length;
}

#define PUT(row, literal) put((row), literal, sizeof(literal) - 1)

static void put_number(struct row *row, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    put(row, digits + at, sizeof digits - at);
}

static void put_name(struct row *row, uint32_t result)
{
    const char *name = mp_transfer_result_name(result);

    if (name == NULL) name = "unknown";
    put(row, name, strlen(name));
}

static void print_result(const mp_result *result, uint32_t index, struct buffer *out)
{
    struct row row;

    row.length = 0;
    PUT(&row, "{\"index\":");
    put_number(&row, index);
    PUT(&row, ",\"result\":\"");
    put_name(&row, result->result);
    if (result->bound_code != 0) {
        PUT(&row, "\",\"bound\":\"");
        put_name(&row, result->bound_code);
    }
    PUT(&row, "\",\"timestamp\":\"");
    put_number(&row, result->timestamp);
    PUT(&row, "\",\"sequence\":\"");
    put_number(&row, result->sequence);
    PUT(&row, "\"}");
    buffer_add(out, row.bytes, row.length);
}

void batch_print_json(const mp_result *results, uint32_t count, bool minimal, struct buffer *out)
{
    uint32_t created = 0, exists = 0;
    bool first = true;

    for (uint32_t i = 0; i < count; i++) {
        created += results[i].result == MP_CREATED;
        exists += results[i].result == MP_TRANSFER_EXISTS;
    }
    buffer_format(out, "{\"counts\":{\"created\":%u,\"exists\":%u,\"refused\":%u},\"results\":[",
                  created, exists, count - created - exists);
    for (uint32_t i = 0; i < count; i++) {
        bool refused = results[i].result != MP_CREATED && results[i].result != MP_TRANSFER_EXISTS;

        if (minimal && !refused) continue;
        if (!first) buffer_char(out, ',');
        first = false;
        print_result(&results[i], i, out);
    }
    buffer_text(out, "],\"durability\":\"local\"}");
}
