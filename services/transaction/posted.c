/* Records of the log to announcements. */
#include "posted.h"

void postings_begin(struct postings *postings, struct catalogue *catalogue,
                    void (*say)(void *context, const struct posted *posted), void *context)
{
    *postings = (struct postings){.catalogue = catalogue, .say = say, .context = context};
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
static void say_groups(struct postings *postings)
{
    while (postings->group_count > 0) {
        unsigned least = 0;
        struct posted group;

        for (unsigned i = 1; i < postings->group_count; i++)
            if (postings->groups[i].sequence < postings->groups[least].sequence) least = i;
        group = postings->groups[least];
        postings->groups[least] = postings->groups[--postings->group_count];
        postings->say(postings->context, &group);
    }
}

static void take_bulk(struct postings *postings, const struct ledger_book *book,
                      const mp_record *record)
{
    struct posted *group = postings->groups, *end = group + postings->group_count;

    while (group < end && group->book != book) group++;
    if (group == postings->groups + POSTED_GROUPS_MAX ||
        (group < end && !has_room(group, &record->change.transfer))) {
        say_groups(postings);
        group = postings->groups;
    }
    if (group == postings->groups + postings->group_count) {
        *group = (struct posted){.bulk = true};
        postings->group_count++;
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

static void end_chain(struct postings *postings)
{
    if (postings->chained && postings->chain.count > 0)
        postings->say(postings->context, &postings->chain);
    postings->chained = false;
}

static void take_chain(struct postings *postings, const struct ledger_book *book,
                       const mp_record *record)
{
    const mp_transfer *transfer = &record->change.transfer;
    struct posted *chain = &postings->chain;

    if (!postings->chained) *chain = (struct posted){0};
    postings->chained = true;
    if (is_posting(record->change.type)) {
        say_groups(postings);
        add(chain, book, record);
        if (chain->count == 1) {
            chain->kind = kind_of(chain, transfer);
            chain->effective_ns = transfer->user_data_64;
            if (transfer->code <= TRANSFER_CODE_PAYMENT_MAX)
                chain->payment = transfer->user_data_128;
        }
    }
    if ((transfer->flags & MP_TRANSFER_LINKED) == 0) end_chain(postings);
}

/* --- records --- */

void postings_end(struct postings *postings)
{
    end_chain(postings);
    say_groups(postings);
}

void postings_take(struct postings *postings, const mp_record *record)
{
    const mp_transfer *transfer = &record->change.transfer;
    const struct ledger_book *book;

    if (record->block_position != postings->block) {
        postings_end(postings);
        postings->block = record->block_position;
    }
    if (record->kind != MP_RECORD_TRANSFER) return;
    if (!is_platforms(transfer) && !is_posting(record->change.type)) return;
    book = catalogue_find(postings->catalogue, transfer->ledger);
    if (book == NULL) return; /* not made by the platform */
    if (is_platforms(transfer))
        take_chain(postings, book, record);
    else
        take_bulk(postings, book, record);
}
