/* Records of the log to announcements. */
#include "posted.h"

void gather_begin(struct gather *gather, struct catalogue *catalogue,
                  void (*say)(void *context, const struct posted *posted), void *context)
{
    *gather = (struct gather){.catalogue = catalogue, .say = say, .context = context};
}

static bool is_posting(mp_change_type type)
{
    return type == MP_CHANGE_SINGLE_PHASE || type == MP_CHANGE_TWO_PHASE_POSTED ||
           type == MP_CHANGE_TWO_PHASE_PART_POSTED || type == MP_CHANGE_REVERSAL;
}

static bool is_platforms(const mp_transfer *transfer)
{
    return transfer->code >= TRANSFER_CODE_PLATFORM_MIN &&
           transfer->code <= TRANSFER_CODE_PLATFORM_MAX;
}

/* Adds a transfer; the first one says what it is about. */
static void add(struct posted *posted, const struct ledger_book *book, const mp_record *record)
{
    const mp_transfer *transfer = &record->change.transfer;

    if (posted->count == 0) {
        posted->book = book;
        posted->first = transfer->id;
        posted->debit = transfer->debit_account_id;
        posted->credit = transfer->credit_account_id;
        if (record->change.type == MP_CHANGE_REVERSAL) posted->reverses = transfer->pending_id;
    }
    posted->count++;
    posted->amount += transfer->amount;
    posted->timestamp = record->timestamp;
    posted->sequence = record->sequence;
}

/* Whether a further transfer can be counted in. */
static bool has_room(const struct posted *posted, const mp_transfer *transfer)
{
    return posted->count < MP_BATCH_MAX && posted->amount <= MP_U128_MAX - transfer->amount;
}

/* --- bulk --- */

/* In order of their sequences. */
static void say_groups(struct gather *gather)
{
    while (gather->group_count > 0) {
        unsigned least = 0;
        struct posted group;

        for (unsigned i = 1; i < gather->group_count; i++)
            if (gather->groups[i].sequence < gather->groups[least].sequence) least = i;
        group = gather->groups[least];
        gather->groups[least] = gather->groups[--gather->group_count];
        gather->say(gather->context, &group);
    }
}

static void take_bulk(struct gather *gather, const struct ledger_book *book,
                      const mp_record *record)
{
    struct posted *group = gather->groups, *end = group + gather->group_count;

    while (group < end && group->book != book) group++;
    if (group == gather->groups + POSTED_GROUPS_MAX ||
        (group < end && !has_room(group, &record->change.transfer))) {
        say_groups(gather);
        group = gather->groups;
    }
    if (group == gather->groups + gather->group_count) {
        *group = (struct posted){.bulk = true};
        gather->group_count++;
    }
    add(group, book, record);
}

/* --- chains --- */

static enum posted_kind kind_of(const struct posted *chain, const mp_transfer *first)
{
    if (chain->reverses != 0) return POSTED_REVERSAL;
    if (first->user_data_32 == STEP_CONFIRM) return POSTED_CONFIRMED;
    if (chain->credit == ledger_book_account(chain->book, ACCOUNT_CODE_IN_TRANSIT))
        return POSTED_EXTERNAL;
    return POSTED_INTERNAL;
}

static void end_chain(struct gather *gather)
{
    if (gather->chained && gather->chain.count > 0) gather->say(gather->context, &gather->chain);
    gather->chained = false;
}

static void take_chain(struct gather *gather, const struct ledger_book *book,
                       const mp_record *record)
{
    const mp_transfer *transfer = &record->change.transfer;
    struct posted *chain = &gather->chain;

    if (!gather->chained) *chain = (struct posted){0};
    gather->chained = true;
    if (is_posting(record->change.type)) {
        say_groups(gather);
        add(chain, book, record);
        if (chain->count == 1) {
            chain->kind = kind_of(chain, transfer);
            chain->effective_ns = transfer->user_data_64;
            if (transfer->code <= TRANSFER_CODE_PAYMENT_MAX)
                chain->payment = transfer->user_data_128;
        }
    }
    if ((transfer->flags & MP_TRANSFER_LINKED) == 0) end_chain(gather);
}

/* --- records --- */

void gather_end(struct gather *gather)
{
    end_chain(gather);
    say_groups(gather);
}

void gather_record(struct gather *gather, const mp_record *record)
{
    const mp_transfer *transfer = &record->change.transfer;
    const struct ledger_book *book;

    if (record->block_position != gather->block) {
        gather_end(gather);
        gather->block = record->block_position;
    }
    if (record->kind != MP_RECORD_TRANSFER) return;
    if (!is_platforms(transfer) && !is_posting(record->change.type)) return;
    book = catalogue_find(gather->catalogue, transfer->ledger);
    if (book == NULL) return; /* not made by the platform */
    if (is_platforms(transfer))
        take_chain(gather, book, record);
    else
        take_bulk(gather, book, record);
}
