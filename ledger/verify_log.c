/* What a log must look like record by record, whatever the accounts' sums are: order, times,
 * fields. */
#include "block_walk.h"
#include "verify.h"

#include <inttypes.h>
#include <stdlib.h>

mp_status verify_course_open(struct verifier *verifier)
{
    verifier->course = (struct verify_course){.sequence = 1};
    verifier->course.sources = calloc(SOURCES_MAX, sizeof *verifier->course.sources);
    if (verifier->course.sources == NULL) return fail(MP_NO_MEMORY, "no memory to verify");
    return arena_reserve(&verifier->metas, &verifier->small,
                         (uint64_t)UINT32_MAX * sizeof(struct verify_meta), "accounts' times");
}

void verify_course_close(struct verifier *verifier)
{
    free(verifier->course.sources);
    verifier->course.sources = NULL;
    arena_free(&verifier->metas);
}

static struct verify_meta *meta(const struct verifier *verifier, uint32_t slot)
{
    return (struct verify_meta *)verifier->metas.base + slot;
}

/* --- blocks and pages --- */

void verify_block_begin(struct verifier *verifier, const struct block_view *block)
{
    struct verify_course *course = &verifier->course;
    const struct block_header *header = block->header;
    bool seal = (header->flags & BLOCK_SEAL) != 0;

    if (header->first_sequence != course->sequence) {
        verify_problem(verifier, "begins with sequence %" PRIu64 ", but %" PRIu64 " comes next",
                       header->first_sequence, course->sequence);
        course->sequence = header->first_sequence;
    }
    if (header->epoch < course->epoch)
        verify_problem(verifier, "its epoch is older than that of the block before");
    if (header->mark < course->mark)
        verify_problem(verifier, "its durable mark lies before that of the block before");
    if (header->mark > header->position)
        verify_problem(verifier, "its durable mark lies behind its beginning");
    if (header->time > TIME_MAX) verify_problem(verifier, "its time is beyond 2^63");
    if (header->count > 0 && header->time <= max_u64(course->clock, course->newest_imported)) {
        verify_problem(verifier, "its time isn't newer than that of the records before");
    }
    if (seal && (header->count > 0 || header->input_positions > 0))
        verify_problem(verifier, "a seal that holds records");
    if (header->expiries > EXPIRIES_MAX)
        verify_problem(verifier, "it holds more than %u expiries", EXPIRIES_MAX);
    if ((header->flags & ~(BLOCK_SEAL | BLOCK_POSITIONS_ONLY)) != 0)
        verify_problem(verifier, "it has unknown flags");
    course->epoch = header->epoch;
    course->mark = header->mark;
    course->newest_imported = 0;
    verifier->report->blocks++;
    verifier->report->seals += seal;
    verifier->report->pages += header->pages;
}

void verify_page(struct verifier *verifier, const uint8_t *page, uint32_t number)
{
    const struct page_trailer *trailer = (const struct page_trailer *)(page + PAGE_DATA);

    if (trailer->first_sequence != verifier->course.sequence) {
        verify_problem(verifier,
                       "page %u says that sequence %" PRIu64 " comes first, but it is %" PRIu64,
                       number, trailer->first_sequence, verifier->course.sequence);
    }
    for (unsigned at = trailer->units_used * UNIT_SIZE; at < PAGE_DATA; at++) {
        if (page[at] != 0) {
            verify_problem(verifier, "page %u isn't zero behind its records", number);
            return;
        }
    }
}

void verify_block_end(struct verifier *verifier)
{
    const struct block_header *header = verifier->block;

    if (verifier->course.sequence != header->first_sequence + header->count) {
        verify_problem(verifier, "it says that it holds %u records, but holds %" PRIu64,
                       header->count, verifier->course.sequence - header->first_sequence);
        verifier->course.sequence = header->first_sequence + header->count;
    }
}

/* --- times --- */

static bool is_account_time(const struct verifier *verifier, uint64_t timestamp)
{
    uint32_t low = 0, high = verifier->course.accounts;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (meta(verifier, middle)->timestamp < timestamp)
            low = middle + 1;
        else
            high = middle;
    }
    return low < verifier->course.accounts && meta(verifier, low)->timestamp == timestamp;
}

/* A time that the clock gave rises from record to record; an imported one is bound by what is said
 * of it. */
static void check_time(struct verifier *verifier, bool imported, uint32_t time_offset)
{
    struct verify_course *course = &verifier->course;
    uint64_t timestamp = verifier->view.timestamp;

    if (timestamp == 0 || timestamp > TIME_MAX)
        verify_problem(verifier, "its time is out of range");
    if (!imported) {
        if (timestamp < verifier->block->time)
            verify_problem(verifier, "it is older than its block");
        if (timestamp <= course->clock)
            verify_problem(verifier, "it isn't newer than the record before");
        course->clock = timestamp;
    } else {
        if (time_offset != 0)
            verify_problem(verifier, "it is imported, yet has an offset to its block's time");
        course->newest_imported = max_u64(course->newest_imported, timestamp);
    }
}

static void check_change_time(struct verifier *verifier)
{
    struct verify_course *course = &verifier->course;

    if (verifier->view.timestamp <= course->newest_change) {
        verify_problem(verifier,
                       "it isn't newer than the transfer, expiry or account update before");
    }
    course->newest_change = verifier->view.timestamp;
    if (verifier->view.record[0] == MP_RECORD_TRANSFER)
        course->newest_transfer = verifier->view.timestamp;
}

/* --- accounts, updates, small records --- */

static mp_status check_account(struct verifier *verifier)
{
    const struct account_record *record = (const struct account_record *)verifier->view.record;
    const unsigned limits =
        MP_ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS | MP_ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS;
    struct verify_course *course = &verifier->course;
    bool imported = (record->flags & MP_ACCOUNT_IMPORTED) != 0;
    mp_status status;

    if (record->slot != course->accounts) {
        verify_problem(verifier, "it is made as number %u, but %u accounts stand before it",
                       record->slot, course->accounts);
        return fail(MP_CORRUPT, "accounts are missing in the log: what follows can't be verified");
    }
    if (record->id == 0 || record->id == MP_U128_MAX)
        verify_problem(verifier, "such an id can't be");
    if (record->ledger == 0) verify_problem(verifier, "it has no ledger");
    if (record->code == 0) verify_problem(verifier, "it has no code");
    if (record->flags > UINT8_MAX || (record->flags & limits) == limits)
        verify_problem(verifier, "such flags can't be");
    if (imported != (record->imported_time != 0))
        verify_problem(verifier, "imported, but without a time (or not so)");
    check_time(verifier, imported, record->time_offset);
    if (verifier->view.timestamp <= course->newest_account) {
        verify_problem(verifier, "it isn't newer than the account before");
    }
    if (verifier->view.timestamp <= course->newest_transfer) {
        verify_problem(verifier, "it isn't newer than the transfers before");
    }
    course->newest_account = verifier->view.timestamp;
    status = arena_commit(&verifier->metas, (course->accounts + 1ull) * sizeof(struct verify_meta));
    if (status != MP_OK) return status;
    *meta(verifier, course->accounts) =
        (struct verify_meta){verifier->view.timestamp, record->ledger};
    course->accounts++;
    verifier->report->accounts++;
    return verify_ids_add(verifier, record->id, true);
}

static mp_status check_update(struct verifier *verifier)
{
    const struct update_record *record = (const struct update_record *)verifier->view.record;
    const unsigned may = MP_ACCOUNT_FROZEN_DEBITS | MP_ACCOUNT_FROZEN_CREDITS | MP_ACCOUNT_CLOSED;
    unsigned touched = record->flags_set | record->flags_clear;

    if (record->id == 0 || record->id == MP_U128_MAX)
        verify_problem(verifier, "such an id can't be");
    if (record->slot >= verifier->course.accounts)
        verify_problem(verifier, "its account doesn't exist");
    if (touched == 0 || (touched & ~may) != 0 || (record->flags_set & record->flags_clear) != 0 ||
        (record->flags & ~MP_UPDATE_LINKED) != 0) {
        verify_problem(verifier, "such flags can't be");
    }
    check_time(verifier, false, record->time_offset);
    check_change_time(verifier);
    verifier->report->updates++;
    return verify_ids_add(verifier, record->id, false);
}

static mp_status check_bound(struct verifier *verifier)
{
    const struct bound_record *record = (const struct bound_record *)verifier->view.record;

    if (record->id == 0 || record->id == MP_U128_MAX)
        verify_problem(verifier, "such an id can't be");
    if (!mp_transfer_result_binds(record->result)) {
        verify_problem(verifier, "it is bound by result %u, which binds no id", record->result);
    }
    check_time(verifier, false, record->time_offset);
    verifier->report->bound_ids++;
    return verify_ids_add(verifier, record->id, false);
}

static void check_input(struct verifier *verifier)
{
    const struct input_position_record *record =
        (const struct input_position_record *)verifier->view.record;
    struct verify_course *course = &verifier->course;
    uint32_t i;

    for (i = 0; i < course->source_count && course->sources[i].source != record->source;) i++;
    if (i == course->source_count) {
        if (i == SOURCES_MAX) {
            verify_problem(verifier, "there are more than %d sources", SOURCES_MAX);
            return;
        }
        course->source_count++;
        course->sources[i] = (struct source){.source = record->source};
    } else if (record->position <= course->sources[i].position) {
        verify_problem(verifier,
                       "position %" PRIu64 " of source %" PRIu64
                       " doesn't lie behind its last one, %" PRIu64,
                       record->position, record->source, course->sources[i].position);
    }
    if (record->source == 0) verify_problem(verifier, "source 0 has a position");
    course->sources[i].position = record->position;
}

/* --- transfers and expiries --- */

enum {
    RESOLVING = MP_TRANSFER_POST_PENDING | MP_TRANSFER_VOID_PENDING,
    KINDS = MP_TRANSFER_PENDING | RESOLVING | MP_TRANSFER_INCREASE_PENDING | MP_TRANSFER_REVERSAL,
    BALANCING = MP_TRANSFER_BALANCING_DEBIT | MP_TRANSFER_BALANCING_CREDIT,
    CLOSING = MP_TRANSFER_CLOSING_DEBIT | MP_TRANSFER_CLOSING_CREDIT,
};

/* Flags that may stand beside a kind of transfer. */
static bool flags_agree(uint16_t flags)
{
    unsigned kind = flags & KINDS;
    unsigned with = flags & ~(unsigned)(KINDS | MP_TRANSFER_LINKED);

    switch (kind) {
    case 0: return (with & ~(unsigned)(BALANCING | MP_TRANSFER_IMPORTED)) == 0;
    case MP_TRANSFER_PENDING:
        return (with & ~(unsigned)(BALANCING | CLOSING | MP_TRANSFER_IMPORTED)) == 0;
    case MP_TRANSFER_POST_PENDING:
        return (with & ~(unsigned)(MP_TRANSFER_KEEP_PENDING | MP_TRANSFER_IMPORTED)) == 0;
    case MP_TRANSFER_VOID_PENDING: return (with & ~(unsigned)MP_TRANSFER_IMPORTED) == 0;
    case MP_TRANSFER_INCREASE_PENDING:
    case MP_TRANSFER_REVERSAL: return with == 0;
    default: return false; /* two kinds at once */
    }
}

static bool ends_reservation(const struct verifier *verifier)
{
    const struct transfer_record *record = verify_transfer(verifier);

    if (record->kind == MP_RECORD_EXPIRY || (record->flags & MP_TRANSFER_VOID_PENDING) != 0)
        return true;
    if ((record->flags & MP_TRANSFER_POST_PENDING) == 0) return false;
    return (record->flags & MP_TRANSFER_KEEP_PENDING) == 0 || record_left(&verifier->view) == 0;
}

static void check_reference(struct verifier *verifier)
{
    const struct transfer_record *record = verify_transfer(verifier);
    const struct ext_reservation *reservation = verifier->view.reservation;
    bool needed =
        record->kind == MP_RECORD_EXPIRY || (record->flags & KINDS & ~MP_TRANSFER_PENDING) != 0;
    bool reversal = (record->flags & MP_TRANSFER_REVERSAL) != 0;

    if (needed != (reservation != NULL)) {
        verify_problem(verifier, needed ? "it names no transfer that it refers to"
                                        : "it refers to another transfer");
        return;
    }
    if (reservation == NULL) return;
    if (reservation->pending_id == 0 || reservation->pending_id == MP_U128_MAX ||
        reservation->pending_id == record->id) {
        verify_problem(verifier, "the transfer that it refers to can't be");
    }
    if (((reservation->inherited & CLOSES) != 0) != ends_reservation(verifier)) {
        verify_problem(verifier, "it says wrongly whether it ends its reservation");
    }
    if ((reservation->inherited & CLOSES) != 0 && record_left(&verifier->view) != 0) {
        verify_problem(verifier, "it ends its reservation, yet something is left");
    }
    if (reversal &&
        (verifier->view.reversal == NULL || load_48(verifier->view.reversal->original) == 0)) {
        verify_problem(verifier, "it doesn't say where the transfer stands that it reverses");
    }
}

static void check_transfer_fields(struct verifier *verifier)
{
    const struct transfer_record *record = verify_transfer(verifier);
    bool imported =
        verifier->view.user_data != NULL && verifier->view.user_data->imported_time != 0;
    bool expiry = record->kind == MP_RECORD_EXPIRY;

    if (expiry != (record->id == 0) || record->id == MP_U128_MAX)
        verify_problem(verifier, "such an id can't be");
    if (!expiry && (record->flags > 0x1fff || !flags_agree(record->flags))) {
        verify_problem(verifier, "such flags can't be: 0x%x", record->flags);
    }
    if (imported != ((record->flags & MP_TRANSFER_IMPORTED) != 0)) {
        verify_problem(verifier, "imported, but without a time (or not so)");
    }
    if (record->code == 0) verify_problem(verifier, "it has no code");
    if (record->timeout != 0 &&
        (imported || (record->flags & (MP_TRANSFER_PENDING | MP_TRANSFER_INCREASE_PENDING)) == 0)) {
        verify_problem(verifier, "it can't have a timeout");
    }
}

static void check_transfer_accounts(struct verifier *verifier)
{
    const struct transfer_record *record = verify_transfer(verifier);
    const struct verify_meta *debit, *credit;
    bool resolves = (record->flags & RESOLVING) != 0;

    if (record->debit_slot >= verifier->course.accounts ||
        record->credit_slot >= verifier->course.accounts) {
        verify_problem(verifier, "one of its accounts doesn't exist");
        return;
    }
    debit = meta(verifier, record->debit_slot);
    credit = meta(verifier, record->credit_slot);
    if (record->debit_slot == record->credit_slot)
        verify_problem(verifier, "it debits and credits the same account");
    if (debit->ledger != credit->ledger)
        verify_problem(verifier, "its accounts belong to different ledgers");
    if (resolves) return;
    if (verifier->view.timestamp <= debit->timestamp ||
        verifier->view.timestamp <= credit->timestamp) {
        verify_problem(verifier, "one of its accounts is newer");
    }
}

static mp_status check_transfer(struct verifier *verifier)
{
    const struct transfer_record *record = verify_transfer(verifier);
    uint64_t number =
        verifier->course.sequence - verifier->block->first_sequence; /* in the block, from 0 */
    bool imported = (record->flags & MP_TRANSFER_IMPORTED) != 0;

    check_transfer_fields(verifier);
    check_transfer_accounts(verifier);
    check_reference(verifier);
    check_time(verifier, imported, record->time_offset);
    check_change_time(verifier);
    if (imported && is_account_time(verifier, verifier->view.timestamp)) {
        verify_problem(verifier, "an account has the same time");
    }
    if ((record->kind == MP_RECORD_EXPIRY) != (number < verifier->block->expiries)) {
        verify_problem(verifier, "expiries come first in a block, and it says how many they are");
    }
    if (record->kind == MP_RECORD_EXPIRY) {
        verifier->report->expiries++;
        return MP_OK;
    }
    verifier->report->transfers++;
    return verify_ids_add(verifier, record->id, false);
}

mp_status verify_record(struct verifier *verifier)
{
    mp_status status = MP_OK;

    switch (verifier->view.record[0]) {
    case MP_RECORD_ACCOUNT: status = check_account(verifier); break;
    case MP_RECORD_TRANSFER:
    case MP_RECORD_EXPIRY: status = check_transfer(verifier); break;
    case MP_RECORD_UPDATE: status = check_update(verifier); break;
    case MP_RECORD_BOUND_ID: status = check_bound(verifier); break;
    default: check_input(verifier); return MP_OK;
    }
    verifier->course.sequence++;
    verifier->report->records++;
    return status;
}
