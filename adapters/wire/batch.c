/* The binary form of bulk transfers. */
#include "wire/batch.h"

#include <string.h>

struct head {
    char magic[4];
    uint16_t version, kind;
    uint32_t count, reserved;
};
_Static_assert(sizeof(struct head) == BATCH_HEAD, "as documented");
_Static_assert(sizeof(mp_result) == 32, "as documented");

static const char magic[4] = {'M', 'P', 'B', 'T'};

enum outcome batch_read_binary(const void *body, size_t length, mp_transfer *out, uint32_t *count,
                               struct error *err)
{
    struct head head;

    if (length < sizeof head) {
        error_fault(err, "", "is shorter than a head of %d bytes", BATCH_HEAD);
        return err->outcome;
    }
    memcpy(&head, body, sizeof head);
    if (memcmp(head.magic, magic, sizeof magic) != 0)
        error_fault(err, "", "doesn't begin with \"MPBT\"");
    else if (head.version != BATCH_VERSION)
        error_fault(err, "", "has version %u; this is %d", head.version, BATCH_VERSION);
    else if (head.kind != BATCH_TRANSFERS || head.reserved != 0)
        error_fault(err, "", "is not marked as transfers");
    else if (head.count > MP_BATCH_MAX)
        error_fault(err, "", "has more than %d transfers", MP_BATCH_MAX);
    else if (length != sizeof head + (size_t)head.count * sizeof *out)
        error_fault(err, "", "has another length than its count of transfers says");
    if (err->fault_count > 0) return err->outcome;
    memcpy(out, (const char *)body + sizeof head, head.count * sizeof *out);
    *count = head.count;
    return OUTCOME_DONE;
}

void batch_print_binary(const mp_result *results, uint32_t count, struct buffer *out)
{
    struct head head = {.version = BATCH_VERSION, .kind = BATCH_RESULTS, .count = count};

    memcpy(head.magic, magic, sizeof magic);
    buffer_add(out, &head, sizeof head);
    buffer_add(out, results, count * sizeof *results);
}
