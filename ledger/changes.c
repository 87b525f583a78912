/* The change stream: transfers, expiries and account updates in the order of the log, which is that
 * of their times. */
#include "log_pages.h"

/* The page to begin with: behind what was read before, and not long before what is asked for. */
static mp_status begin(struct log_pages *pages, const mp_change_filter *filter, uint64_t stop)
{
    uint64_t from = 0;

    if (filter->timestamp_min != 0) {
        mp_status status = log_seek(pages, filter->timestamp_min, stop, &from);

        if (status != MP_OK) return status;
    }
    return log_pages_from(pages, max_u64(from, filter->after), stop);
}

static mp_status collect(struct log_pages *pages, const mp_change_filter *filter, uint64_t stop,
                         mp_change *out, uint32_t *count)
{
    uint32_t limit = filter_limit(filter->limit);
    struct record_view view;
    uint64_t sequence;

    while (*count < limit) {
        mp_status status = log_records_next(pages, stop, &view, &sequence);

        if (status != MP_OK) return status == MP_END ? MP_OK : status;
        if (!record_is_change(view.record) || view.position <= filter->after) continue;
        if (view.timestamp < filter->timestamp_min) continue;
        if (filter->timestamp_max != 0 && view.timestamp > filter->timestamp_max) break;
        decode_change(&pages->ledger->accounts, &view, sequence, &out[(*count)++]);
    }
    return MP_OK;
}

mp_status mp_changes(mp_ledger *ledger, const mp_change_filter *filter, mp_change *out,
                     uint32_t *count)
{
    uint64_t stop = ledger_mark(ledger);
    struct log_pages *pages;
    mp_status status = check_process(ledger);

    if (status != MP_OK) return status;
    *count = 0;
    if (filter->reserved != 0 || filter->limit == 0 ||
        !filter_times_make_sense(filter->timestamp_min, filter->timestamp_max) ||
        filter->after >= stop) {
        return MP_OK;
    }
    pages = log_pages_new(ledger);
    if (pages == NULL) return MP_NO_MEMORY;
    status = begin(pages, filter, stop);
    if (status == MP_OK) status = collect(pages, filter, stop, out, count);
    log_pages_free(pages);
    return status;
}
