#include "walk.h"

/* --- numbers --- */

/* A record of number n is the root of a complete tree: the last digit of n in skew-binary. It jumps
 * over that tree. */
uint64_t chain_jump_number(uint64_t number)
{
    uint64_t rest = number;

    while (rest > 0) {
        uint64_t tree =
            (1ull << (63 - __builtin_clzll(rest + 1))) - 1; /* the largest 2^k - 1 in it */

        if (tree == rest) return number - tree;
        rest -= tree;
    }
    return 0;
}

/* --- taking records out of pages --- */

static uint64_t target(uint64_t position, const uint8_t distance[6])
{
    uint64_t back = load_48(distance);

    return back == 0 || back >= position ? 0 : position - back;
}

/* Where the record leads on the account's side; false when the account has no part in it. */
static bool read_pointers(const struct record_view *view, uint32_t slot, struct chain_record *out)
{
    const struct transfer_record *transfer = (const struct transfer_record *)view->record;
    const struct update_record *update = (const struct update_record *)view->record;

    switch (view->record[0]) {
    case MP_RECORD_TRANSFER:
    case MP_RECORD_EXPIRY:
        out->debit = transfer->debit_slot == slot;
        if (!out->debit && transfer->credit_slot != slot) return false;
        out->previous = target(view->position,
                               out->debit ? transfer->debit_previous : transfer->credit_previous);
        out->jump =
            target(view->position, out->debit ? transfer->debit_jump : transfer->credit_jump);
        out->jump_time =
            load_48(out->debit ? transfer->debit_jump_time : transfer->credit_jump_time);
        return true;
    case MP_RECORD_UPDATE:
        out->debit = true;
        out->previous = target(view->position, update->previous);
        out->jump = target(view->position, update->jump);
        out->jump_time = load_48(update->jump_time);
        return update->slot == slot;
    default: return false;
    }
}

mp_status chain_take(const mp_ledger *ledger, uint32_t slot, const uint8_t *page, uint64_t position,
                     uint64_t number, struct chain_record *out)
{
    const struct page_trailer *trailer = (const struct page_trailer *)(page + PAGE_DATA);
    unsigned offset = (unsigned)(position % PAGE_SIZE);
    struct record_view view;
    bool leaps;

    if (offset >= trailer->units_used * UNIT_SIZE ||
        !record_view(page + offset, position, trailer->time, &view) ||
        !read_pointers(&view, slot, out)) {
        return record_corrupt(ledger, position,
                              "no record of the account stands where one before it points to");
    }
    leaps = chain_jump_number(number) != 0;
    if ((out->previous != 0) != (number > 1) || (out->jump != 0) != leaps ||
        out->jump > out->previous) {
        return record_corrupt(
            ledger, position,
            "the record's pointers don't agree with the number of records before it");
    }
    out->position = position;
    out->number = number;
    out->block_time = trailer->time;
    out->timestamp = view.timestamp;
    out->sequence = page_sequence(page, position - offset, offset);
    memcpy(out->bytes, view.record, view.units * UNIT_SIZE);
    return MP_OK;
}

/* The copy stands as it stood in its page, so it is a record still. */
void chain_view(const struct chain_record *record, struct record_view *out)
{
    MP_ASSERT(record_view(record->bytes, record->position, record->block_time, out));
}

struct sums chain_sums(const struct chain_record *record)
{
    struct record_view view;
    struct sums debit, credit;

    chain_view(record, &view);
    record_sums(&view, &debit, &credit);
    return record->debit ? debit : credit;
}

/* --- walking --- */

void walker_open(struct walker *walker, mp_ledger *ledger)
{
    walker->ledger = ledger;
    walker->reads = 0;
    walker->turn = 0;
    walker->passed = NULL;
    walker->context = NULL;
    for (unsigned i = 0; i < WALK_PAGES; i++) walker->pages[i].position = 0;
}

static mp_status load_page(struct walker *walker, uint64_t position, const uint8_t **page)
{
    mp_status status;
    unsigned place;

    for (place = 0; place < WALK_PAGES; place++) {
        if (walker->pages[place].position == position) {
            *page = walker->pages[place].bytes;
            return MP_OK;
        }
    }
    place = walker->turn++ % WALK_PAGES;
    walker->pages[place].position = 0;
    walker->reads++;
    status = read_page(walker->ledger, position, walker->pages[place].bytes);
    if (status != MP_OK) return status;
    walker->pages[place].position = position;
    *page = walker->pages[place].bytes;
    return MP_OK;
}

static mp_status load(struct walker *walker, uint32_t slot, uint64_t position, uint64_t number,
                      struct chain_record *out)
{
    const uint8_t *page;
    mp_status status = load_page(walker, position / PAGE_SIZE * PAGE_SIZE, &page);

    if (status == MP_OK) status = chain_take(walker->ledger, slot, page, position, number, out);
    if (status == MP_OK && walker->passed != NULL)
        walker->passed(walker->context, number, position);
    return status;
}

static bool reached(const struct chain_record *record, enum walk_by by, uint64_t key)
{
    switch (by) {
    case WALK_BY_TIME: return record->timestamp <= key;
    case WALK_BY_POSITION: return record->position <= key;
    default: return record->number <= key;
    }
}

enum verdict { BEYOND, REACHED, UNKNOWN };

/* What a record's pointers alone say of its jump target. */
static enum verdict judge_jump(const struct chain_record *record, enum walk_by by, uint64_t key)
{
    if (record->jump == 0) return REACHED;
    switch (by) {
    case WALK_BY_TIME:
        if (record->jump_time == key >> 16) return UNKNOWN;
        return record->jump_time < key >> 16 ? REACHED : BEYOND;
    case WALK_BY_POSITION: return record->jump <= key ? REACHED : BEYOND;
    default: return chain_jump_number(record->number) <= key ? REACHED : BEYOND;
    }
}

mp_status walk(struct walker *walker, uint32_t slot, uint64_t position, uint64_t number,
               enum walk_by by, uint64_t key, struct chain_record *out)
{
    struct chain_record jumped;
    uint64_t floor = 0; /* a record at or before this position is known to be reached */
    mp_status status;

    out->number = 0;
    if (number == 0) return MP_OK;
    status = load(walker, slot, position, number, out);
    while (status == MP_OK && !reached(out, by, key)) {
        enum verdict verdict = out->jump <= floor ? REACHED : judge_jump(out, by, key);
        bool exact = verdict == UNKNOWN;

        if (verdict != REACHED) {
            status = load(walker, slot, out->jump, chain_jump_number(out->number), &jumped);
            if (status != MP_OK) return status;
            if (!exact || !reached(&jumped, by, key)) {
                *out = jumped;
                continue;
            }
            floor = jumped.position;
        }
        if (out->previous == 0) {
            out->number = 0;
            return MP_OK;
        }
        status = load(walker, slot, out->previous, out->number - 1, out);
    }
    return status;
}
