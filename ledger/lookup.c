/* Transfers by id. */
#include "page_reads.h"

#include <stdlib.h>

struct looking {
    const struct accounts *accounts;
    mp_transfer *found; /* one for each id; id 0 = none */
};

static mp_status take(void *context, uint32_t number, const uint8_t *page,
                      const struct record_view *view)
{
    struct looking *looking = context;

    (void)page;
    if (view->record[0] == MP_RECORD_TRANSFER) {
        record_transfer(looking->accounts, view, &looking->found[number]);
    }
    return MP_OK; /* an account update bears an id of the same space, but is no transfer */
}

mp_status mp_lookup_transfers(mp_ledger *ledger, const mp_id *ids, uint32_t count, mp_transfer *out,
                              uint32_t *found)
{
    struct looking looking = {.accounts = &ledger->accounts};
    uint64_t *positions;
    mp_status status = check_process(ledger);

    if (status != MP_OK) return status;
    *found = 0;
    if (count == 0) return MP_OK;
    positions = malloc(count * sizeof *positions);
    looking.found = calloc(count, sizeof *looking.found);
    if (positions == NULL || looking.found == NULL)
        status = fail(MP_NO_MEMORY, "no memory to look up %u ids", count);
    if (status == MP_OK) status = find_ids(ledger, ids, count, positions);
    if (status == MP_OK) status = read_records(ledger, positions, count, take, &looking);
    for (uint32_t i = 0; status == MP_OK && i < count; i++) {
        if (looking.found[i].id != 0) out[(*found)++] = looking.found[i];
    }
    free(looking.found);
    free(positions);
    return status;
}
