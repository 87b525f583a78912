/* Statements: an account's records in order of time, either way.
 *
 * A statement is a range of the account's record numbers, worked out when it is opened: the
 * filter's times and the cursor are looked up by walks. Records come in windows; oldest first, a
 * walk finds where the next window ends, from the nearest place that an earlier walk has passed. */
#include "chain_window.h"

#include <stdlib.h>

enum {
    TRAIL_MAX = 96,     /* places remembered of walks */
    WINDOW_FILTER = 64, /* the first window when a filter may leave rows out */
};

/* Where records stand that walks have passed: newest first. */
struct trail {
    unsigned count;
    struct {
        uint64_t number, position;
    } places[TRAIL_MAX];
};

struct mp_statement {
    mp_ledger *ledger;
    mp_account_filter filter;
    unsigned flags;
    uint32_t slot;
    bool newest_first;
    uint64_t first, last;   /* numbers of the records still to come; first > last: none */
    uint64_t last_position; /* newest first: of the record `last` */
    uint64_t next; /* record of the window to be given next; outside of it: the window is used up */
    uint32_t window_size; /* of the window before; 0 = none yet */
    struct trail trail;
    struct walker walker;
    struct chain_window window;
};

/* --- the trail --- */

static void trail_add(void *context, uint64_t number, uint64_t position)
{
    struct trail *trail = context;
    unsigned at = trail->count;

    while (at > 0 && trail->places[at - 1].number < number) at--;
    if (at > 0 && trail->places[at - 1].number == number) return;
    if (trail->count == TRAIL_MAX) {
        if (at < 2) return;
        /* The first one is where all can be reached from; the second one will be needed last. */
        memmove(&trail->places[1], &trail->places[2], (at - 2) * sizeof trail->places[0]);
        at--;
    } else {
        memmove(&trail->places[at + 1], &trail->places[at],
                (trail->count - at) * sizeof trail->places[0]);
        trail->count++;
    }
    trail->places[at].number = number;
    trail->places[at].position = position;
}

/* Forgets places before a record, but for the newest place. */
static void trail_cut(struct trail *trail, uint64_t number)
{
    while (trail->count > 1 && trail->places[trail->count - 1].number < number) trail->count--;
}

/* Where a record stands. */
static mp_status find_position(mp_statement *statement, uint64_t number, uint64_t *position)
{
    struct trail *trail = &statement->trail;
    struct chain_record record;
    unsigned at;
    mp_status status;

    trail_cut(trail, statement->first);
    for (at = trail->count; at > 0 && trail->places[at - 1].number < number;) at--;
    MP_ASSERT(at > 0); /* the newest record stands in it */
    status = walk(&statement->walker, statement->slot, trail->places[at - 1].position,
                  trail->places[at - 1].number, WALK_BY_NUMBER, number, &record);
    *position = record.position;
    return status;
}

/* --- opening --- */

static bool makes_sense(const mp_account_filter *filter)
{
    const uint32_t known = MP_FILTER_DEBITS | MP_FILTER_CREDITS | MP_FILTER_REVERSED;

    return filter->account_id != 0 && filter->account_id != MP_U128_MAX && filter->reserved == 0 &&
           (filter->flags & ~known) == 0 &&
           (filter->flags & (MP_FILTER_DEBITS | MP_FILTER_CREDITS)) != 0 &&
           filter_times_make_sense(filter->timestamp_min, filter->timestamp_max);
}

/* The newest record whose key is at most `key`. */
static mp_status walk_from_newest(mp_statement *statement, enum walk_by by, uint64_t key,
                                  struct chain_record *out)
{
    const struct trail *trail = &statement->trail;

    return walk(&statement->walker, statement->slot, trail->places[0].position,
                trail->places[0].number, by, key, out);
}

static mp_status apply_times(mp_statement *statement)
{
    const mp_account_filter *filter = &statement->filter;
    struct chain_record record;
    mp_status status;

    if (filter->timestamp_max != 0) {
        status = walk_from_newest(statement, WALK_BY_TIME, filter->timestamp_max, &record);
        if (status != MP_OK) return status;
        statement->last = record.number;
        statement->last_position = record.position;
    }
    if (filter->timestamp_min != 0) {
        status = walk_from_newest(statement, WALK_BY_TIME, filter->timestamp_min - 1, &record);
        if (status != MP_OK) return status;
        statement->first = record.number + 1;
    }
    return MP_OK;
}

static mp_status apply_cursor(mp_statement *statement, uint64_t cursor)
{
    struct chain_record record;
    mp_status status = walk_from_newest(statement, WALK_BY_POSITION, cursor, &record);

    if (status != MP_OK) return status;
    if (record.number == 0 || record.position != cursor) {
        return fail(MP_INVALID, "the cursor %llu is no position of a record of this account",
                    (unsigned long long)cursor);
    }
    if (!statement->newest_first) {
        statement->first = max_u64(statement->first, record.number + 1);
    } else if (record.number <= statement->last) {
        statement->last = record.number - 1;
        statement->last_position = record.previous;
    }
    return MP_OK;
}

static mp_status set_out(mp_statement *statement, const struct account_view *view, uint64_t cursor)
{
    mp_status status;

    if (!makes_sense(&statement->filter) || view->records == 0) {
        if (cursor != 0)
            return fail(MP_INVALID, "no cursor can belong to this filter: it gives no rows");
        return MP_OK;
    }
    statement->last = view->records;
    statement->last_position = view->last;
    trail_add(&statement->trail, view->records, view->last);
    walker_open(&statement->walker, statement->ledger);
    statement->walker.passed = trail_add;
    statement->walker.context = &statement->trail;
    status = apply_times(statement);
    if (status == MP_OK && cursor != 0) status = apply_cursor(statement, cursor);
    return status;
}

mp_status mp_statement_open(mp_ledger *ledger, const mp_account_filter *filter, unsigned flags,
                            uint64_t cursor, mp_statement **out)
{
    struct account_view view;
    mp_statement *statement;
    mp_status status = check_process(ledger);
    uint32_t slot;

    if (status == MP_OK) status = find_account(ledger, filter->account_id, &slot, &view);
    if (status != MP_OK) return status;
    statement = calloc(1, sizeof *statement);
    if (statement == NULL) return fail(MP_NO_MEMORY, "no memory for a statement");
    statement->ledger = ledger;
    statement->filter = *filter;
    statement->flags = flags;
    statement->slot = slot;
    statement->newest_first = (filter->flags & MP_FILTER_REVERSED) != 0;
    statement->first = 1;
    window_open(&statement->window, ledger, slot);
    status = set_out(statement, &view, cursor);
    if (status != MP_OK) {
        mp_statement_close(statement);
        return status;
    }
    *out = statement;
    return MP_OK;
}

void mp_statement_close(mp_statement *statement)
{
    if (statement == NULL) return;
    window_close(&statement->window);
    free(statement);
}

/* --- reading on --- */

static bool leaves_out(const mp_statement *statement)
{
    const mp_account_filter *filter = &statement->filter;
    const uint32_t both = MP_FILTER_DEBITS | MP_FILTER_CREDITS;

    return (filter->flags & both) != both || filter->user_data_128 != 0 ||
           filter->user_data_64 != 0 || filter->user_data_32 != 0 || filter->code != 0;
}

/* Brings in the next window, for about `wanted` rows. */
static mp_status next_window(mp_statement *statement, uint64_t wanted)
{
    uint64_t size = wanted, low = statement->first, high = statement->last;
    uint64_t position = statement->last_position;
    mp_status status = MP_OK;

    if (statement->window_size != 0)
        size = max_u64(size, 2 * (uint64_t)statement->window_size);
    else if (leaves_out(statement))
        size = max_u64(size, WINDOW_FILTER);
    size = min_u64(min_u64(size, WINDOW_MAX), high - low + 1);
    if (statement->newest_first) {
        low = high - size + 1;
    } else {
        high = low + size - 1;
        status = find_position(statement, high, &position);
    }
    if (status == MP_OK) status = window_load(&statement->window, low, high, position);
    if (status != MP_OK) return status;
    statement->window_size = (uint32_t)size;
    if (statement->newest_first) {
        statement->next = high;
        statement->last = low - 1;
        statement->last_position = window_record(&statement->window, low)->previous;
    } else {
        statement->next = low;
        statement->first = high + 1;
    }
    return MP_OK;
}

static bool matches(const mp_statement *statement, const struct chain_record *record,
                    const struct record_view *view)
{
    const mp_account_filter *filter = &statement->filter;
    const struct transfer_record *transfer = (const struct transfer_record *)view->record;
    bool all = (statement->flags & MP_STATEMENT_ALL) != 0;

    if (view->record[0] == MP_RECORD_UPDATE) return all;
    if ((filter->flags &
         (record->debit ? (uint32_t)MP_FILTER_DEBITS : (uint32_t)MP_FILTER_CREDITS)) == 0)
        return false;
    if (view->record[0] == MP_RECORD_EXPIRY) return all;
    return filter_has(filter->code, transfer->code) &&
           filter_has(filter->user_data_32, transfer->user_data_32) &&
           filter_has(filter->user_data_64, transfer->user_data_64) &&
           filter_has(filter->user_data_128,
                      view->user_data != NULL ? view->user_data->user_data_128 : 0);
}

/* The next record that the filter lets through; `wanted`: how many rows more the caller has room
 * for. MP_END. */
static mp_status next_record(mp_statement *statement, uint64_t wanted,
                             const struct chain_record **out, struct record_view *view)
{
    const struct chain_window *window = &statement->window;

    for (;;) {
        if (statement->next < window->low || statement->next > window->high) {
            mp_status status;

            if (statement->first > statement->last) return MP_END;
            status = next_window(statement, wanted);
            if (status != MP_OK) return status;
        }
        *out = window_record(window, statement->next);
        statement->next += statement->newest_first ? (uint64_t)-1 : 1;
        chain_view(*out, view);
        if (matches(statement, *out, view)) return MP_OK;
    }
}

static void row_write(const mp_statement *statement, const struct chain_record *record,
                      const struct record_view *view, mp_statement_row *row)
{
    struct sums sums = chain_sums(record);

    memset(row, 0, sizeof *row);
    row->type = record_change_type(view);
    row->debit = record->debit;
    row->balance = balance_of(&sums);
    row->position = record->position;
    row->sequence = record->sequence;
    if (row->type == MP_CHANGE_ACCOUNT_UPDATED) {
        const struct update_record *update = (const struct update_record *)view->record;

        row->transfer.id = update->id;
        row->transfer.user_data_128 = update->user_data_128;
        row->transfer.user_data_64 = update->user_data_64;
        row->transfer.user_data_32 = update->user_data_32;
        row->transfer.timestamp = view->timestamp;
        row->account_flags = update->account_flags_after;
    } else {
        const struct transfer_record *transfer = (const struct transfer_record *)view->record;

        record_transfer(&statement->ledger->accounts, view, &row->transfer);
        row->account_flags = record->debit ? transfer->debit_flags : transfer->credit_flags;
    }
}

mp_status mp_statement_next(mp_statement *statement, mp_statement_row *rows, uint32_t max,
                            uint32_t *count)
{
    const struct chain_record *record;
    struct record_view view;
    mp_status status = check_process(statement->ledger);

    *count = 0;
    while (status == MP_OK && *count < max) {
        status = next_record(statement, max - *count, &record, &view);
        if (status == MP_OK) row_write(statement, record, &view, &rows[(*count)++]);
    }
    return status == MP_END ? MP_OK : status;
}

/* --- an account's transfers, at once --- */

/* Opens the statement; *out = NULL: there is nothing to give. */
static mp_status open_rows(mp_ledger *ledger, const mp_account_filter *filter, uint32_t *count,
                           mp_statement **out)
{
    mp_status status = check_process(ledger);

    *count = 0;
    *out = NULL;
    if (status == MP_OK && filter->limit != 0 && makes_sense(filter))
        status = mp_statement_open(ledger, filter, 0, 0, out);
    return status == MP_NOT_FOUND ? MP_OK : status;
}

mp_status mp_account_transfers(mp_ledger *ledger, const mp_account_filter *filter, mp_transfer *out,
                               uint32_t *count)
{
    uint32_t limit = filter_limit(filter->limit);
    const struct chain_record *record;
    struct record_view view;
    mp_statement *statement;
    mp_status status = open_rows(ledger, filter, count, &statement);

    while (statement != NULL && status == MP_OK && *count < limit) {
        status = next_record(statement, limit - *count, &record, &view);
        if (status == MP_OK) record_transfer(&ledger->accounts, &view, &out[(*count)++]);
    }
    mp_statement_close(statement);
    return status == MP_END ? MP_OK : status;
}

mp_status mp_account_balances(mp_ledger *ledger, const mp_account_filter *filter,
                              mp_account_balance *out, uint32_t *count)
{
    uint32_t limit = filter_limit(filter->limit);
    const struct chain_record *record;
    struct record_view view;
    mp_statement *statement;
    mp_status status = open_rows(ledger, filter, count, &statement);

    while (statement != NULL && status == MP_OK && *count < limit) {
        status = next_record(statement, limit - *count, &record, &view);
        if (status == MP_OK) {
            struct sums sums = chain_sums(record);

            out[(*count)++] =
                (mp_account_balance){.balance = balance_of(&sums), .timestamp = view.timestamp};
        }
    }
    mp_statement_close(statement);
    return status == MP_END ? MP_OK : status;
}
