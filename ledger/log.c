/* The log being read, record by record. */
#include "log_pages.h"

#include <stdlib.h>

struct mp_log {
    struct log_pages *pages;
    uint64_t from; /* blocks that begin before are left out */
};

mp_status mp_log_open(mp_ledger *ledger, uint64_t from, mp_log **out)
{
    struct mp_log *log;
    mp_status status = check_process(ledger);

    if (status != MP_OK) return status;
    log = calloc(1, sizeof *log);
    if (log == NULL) return fail(MP_NO_MEMORY, "no memory to read the log");
    log->from = from;
    log->pages = log_pages_new(ledger);
    status =
        log->pages == NULL ? MP_NO_MEMORY : log_pages_from(log->pages, from, ledger_mark(ledger));
    if (status != MP_OK) {
        mp_log_close(log);
        return status;
    }
    *out = log;
    return MP_OK;
}

mp_status mp_log_next(mp_log *log, mp_record *out)
{
    struct log_pages *pages = log->pages;
    struct record_view view;
    uint64_t sequence;
    mp_status status = check_process(pages->ledger);

    if (status != MP_OK) return status;
    do {
        status = log_records_next(pages, ledger_mark(pages->ledger), &view, &sequence);
        if (status != MP_OK) return status;
    } while (pages->block < log->from);
    decode_record(&pages->ledger->accounts, &view, sequence, out);
    out->block_position = pages->block;
    out->block_pages = (uint32_t)((pages->block_end - pages->block) / PAGE_SIZE);
    out->block_time = ((const struct page_trailer *)(pages->page + PAGE_DATA))->time;
    return MP_OK;
}

void mp_log_close(mp_log *log)
{
    if (log == NULL) return;
    log_pages_free(log->pages);
    free(log);
}
