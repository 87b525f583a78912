/* Accounts and transfers by their fields: accounts from memory, transfers from the part of the log
 * that may hold them. */
#include "log_pages.h"

static bool makes_sense(const mp_query_filter *filter)
{
    return filter->limit != 0 && filter->reserved16 == 0 && filter->reserved32 == 0 &&
           (filter->flags & ~(uint32_t)MP_FILTER_REVERSED) == 0 &&
           filter_times_make_sense(filter->timestamp_min, filter->timestamp_max);
}

/* --- accounts: their times rise with their slots --- */

/* The first of `count` accounts that isn't older than a time. */
static uint32_t first_since(const struct accounts *accounts, uint32_t count, uint64_t timestamp)
{
    uint32_t low = 0, high = count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (account_rest(accounts, middle)->timestamp < timestamp)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool account_matches(const struct accounts *accounts, uint32_t slot,
                            const mp_query_filter *filter)
{
    const struct account_cold *cold = account_cold(accounts, slot);
    const struct account_rest *rest = account_rest(accounts, slot);

    return filter_has(filter->ledger, account_line(accounts, slot)->ledger) &&
           filter_has(filter->code, rest->code) &&
           filter_has(filter->user_data_32, rest->user_data_32) &&
           filter_has(filter->user_data_64, cold->user_data_64) &&
           filter_has(filter->user_data_128,
                      MP_U128(cold->user_data_128[1], cold->user_data_128[0]));
}

mp_status mp_query_accounts(mp_ledger *ledger, const mp_query_filter *filter, mp_account *out,
                            uint32_t *count)
{
    const struct accounts *accounts = &ledger->accounts;
    uint32_t published = atomic_load_explicit(&accounts->published_count, memory_order_acquire);
    uint32_t limit = filter_limit(filter->limit);
    bool reversed = (filter->flags & MP_FILTER_REVERSED) != 0;
    mp_status status = check_process(ledger);
    uint32_t first, end;

    if (status != MP_OK) return status;
    *count = 0;
    if (!makes_sense(filter)) return MP_OK;
    first = first_since(accounts, published, filter->timestamp_min);
    end = filter->timestamp_max == 0 ? published
                                     : first_since(accounts, published, filter->timestamp_max + 1);
    for (uint32_t left = end > first ? end - first : 0; left > 0 && *count < limit; left--) {
        uint32_t slot = reversed ? first + left - 1 : end - left;
        struct account_view view;

        if (!account_matches(accounts, slot, filter) || !account_read(accounts, slot, &view))
            continue;
        account_fill(accounts, slot, &view, &out[(*count)++]);
    }
    return MP_OK;
}

/* --- transfers --- */

static bool transfer_matches(const struct accounts *accounts, const struct record_view *view,
                             const mp_query_filter *filter)
{
    const struct transfer_record *record = (const struct transfer_record *)view->record;

    if (record->kind != MP_RECORD_TRANSFER) return false;
    if (!filter_has_time(filter->timestamp_min, filter->timestamp_max, view->timestamp))
        return false;
    if (!filter_has(filter->code, record->code) ||
        !filter_has(filter->user_data_32, record->user_data_32) ||
        !filter_has(filter->user_data_64, record->user_data_64) ||
        !filter_has(filter->user_data_128,
                    view->user_data != NULL ? view->user_data->user_data_128 : 0)) {
        return false;
    }
    return filter->ledger == 0 ||
           (record->debit_slot <
                atomic_load_explicit(&accounts->published_count, memory_order_acquire) &&
            account_line(accounts, record->debit_slot)->ledger == filter->ledger);
}

static mp_status query_forwards(struct log_pages *pages, const mp_query_filter *filter,
                                uint64_t stop, mp_transfer *out, uint32_t *count)
{
    const struct accounts *accounts = &pages->ledger->accounts;
    uint32_t limit = filter_limit(filter->limit);
    struct record_view view;
    uint64_t from = 0, sequence;
    mp_status status = MP_OK;

    if (filter->timestamp_min != 0) status = log_seek(pages, filter->timestamp_min, stop, &from);
    if (status == MP_OK) status = log_pages_from(pages, from, stop);
    while (status == MP_OK && *count < limit) {
        status = log_records_next(pages, stop, &view, &sequence);
        if (status != MP_OK) break;
        if (transfer_matches(accounts, &view, filter))
            record_transfer(accounts, &view, &out[(*count)++]);
        if (record_is_change(view.record) && filter->timestamp_max != 0 &&
            view.timestamp > filter->timestamp_max)
            break;
    }
    return status == MP_END ? MP_OK : status;
}

/* The matching records of the page at hand, last first; *older: none before can match. */
static mp_status query_page(struct log_pages *pages, const mp_query_filter *filter,
                            mp_transfer *out, uint32_t *count, bool *older)
{
    const struct accounts *accounts = &pages->ledger->accounts;
    uint32_t limit = filter_limit(filter->limit);
    unsigned offsets[PAGE_UNITS], records = 0;
    struct record_view view;

    for (unsigned at = log_page_first(pages); at < log_page_end(pages);
         at += view.units * UNIT_SIZE) {
        mp_status status = log_page_record(pages, at, &view);

        if (status != MP_OK) return status;
        offsets[records++] = at;
    }
    while (records > 0 && *count < limit) {
        mp_status status = log_page_record(pages, offsets[--records], &view);

        if (status != MP_OK) return status;
        if (transfer_matches(accounts, &view, filter))
            record_transfer(accounts, &view, &out[(*count)++]);
        if (record_is_change(view.record) && view.timestamp < filter->timestamp_min) *older = true;
    }
    return MP_OK;
}

static mp_status query_backwards(struct log_pages *pages, const mp_query_filter *filter,
                                 uint64_t stop, mp_transfer *out, uint32_t *count)
{
    uint32_t limit = filter_limit(filter->limit);
    uint64_t from = stop;
    bool older = false;
    mp_status status = MP_OK;

    if (filter->timestamp_max != 0)
        status = log_seek_after(pages, filter->timestamp_max, stop, &from);
    log_pages_back_from(pages, from);
    while (status == MP_OK && *count < limit && !older) {
        status = log_pages_previous(pages);
        if (status == MP_OK) status = query_page(pages, filter, out, count, &older);
    }
    return status == MP_END ? MP_OK : status;
}

mp_status mp_query_transfers(mp_ledger *ledger, const mp_query_filter *filter, mp_transfer *out,
                             uint32_t *count)
{
    uint64_t stop = ledger_mark(ledger);
    struct log_pages *pages;
    mp_status status = check_process(ledger);

    if (status != MP_OK) return status;
    *count = 0;
    if (!makes_sense(filter)) return MP_OK;
    pages = log_pages_new(ledger);
    if (pages == NULL) return MP_NO_MEMORY;
    if ((filter->flags & MP_FILTER_REVERSED) != 0)
        status = query_backwards(pages, filter, stop, out, count);
    else
        status = query_forwards(pages, filter, stop, out, count);
    log_pages_free(pages);
    return status;
}
