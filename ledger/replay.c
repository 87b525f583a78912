#include "replay.h"
#include "block_walk.h"
#include "id_feed.h"
#include "pump.h"

#include <inttypes.h>

enum { AHEAD = 12 }; /* records between a prefetch and its use */

/* Log position of the transfer that a reversal reverses; 0 = it is none. */
static uint64_t record_original(const struct record_view *view)
{
    return view->reversal == NULL ? 0 : load_48(view->reversal->original);
}

static uint64_t hash_of(const struct mp_ledger *ledger, mp_id id)
{
    return id_hash(ledger->accounts.hash_secret, id);
}

static mp_status corrupt(const struct mp_ledger *ledger, uint64_t position, const char *what)
{
    uint32_t ordinal = segment_of(position);

    return fail(MP_CORRUPT, "%s/wal/%08u.wal: the record at offset %" PRIu64 " %s",
                ledger->wal.directory, ordinal, position - segment_base(ordinal), what);
}

/* --- ids --- */

static mp_status replay_id(struct mp_ledger *ledger, uint64_t hash, enum id_tag tag,
                           uint64_t position)
{
    mp_status status;

    if (ledger->feed != NULL) return id_feed_put(ledger->feed, hash, tag, position);
    status = ids_prepare(&ledger->ids, 1);
    if (status == MP_OK) ids_insert(&ledger->ids, hash, tag, position);
    return status;
}

static mp_status replay_ids(struct mp_ledger *ledger, const struct record_view *view)
{
    mp_status status = MP_OK;
    mp_id id;

    if (ledger->wal.write == false && !ledger->ids_loaded) return MP_OK;
    if (view->record[0] == MP_RECORD_ACCOUNT || view->record[0] == MP_RECORD_INPUT_POSITION)
        return MP_OK;
    if (view->record[0] != MP_RECORD_EXPIRY) {
        memcpy(&id, view->record + 8, sizeof id);
        status = replay_id(ledger, hash_of(ledger, id), ID_OBJECT, view->position);
    }
    if (status == MP_OK && view->reservation != NULL) {
        uint64_t hash = hash_of(ledger, view->reservation->pending_id);

        if ((view->reservation->inherited & CLOSES) != 0) {
            status = replay_id(ledger, hash, ID_CLOSED, view->position);
        } else if (record_original(view) != 0) {
            status = replay_id(ledger, hash, ID_REVERSED, view->position);
        }
    }
    return status;
}

/* --- accounts --- */

static mp_status replay_account(struct mp_ledger *ledger, const struct record_view *view)
{
    const struct account_record *record = (const struct account_record *)view->record;
    struct accounts *accounts = &ledger->accounts;
    mp_account account = {.user_data_128 = record->user_data_128,
                          .user_data_64 = record->user_data_64,
                          .user_data_32 = record->user_data_32,
                          .code = record->code,
                          .flags = record->flags};
    mp_status status;
    uint32_t slot;

    ledger->newest.account = max_u64(ledger->newest.account, view->timestamp);
    if (record->slot < accounts->count) { /* a checkpoint had it already */
        if (account_line(accounts, record->slot)->id == record->id) return MP_OK;
        return corrupt(ledger, view->position, "makes an account in a slot that is another's");
    }
    if (record->slot != accounts->count)
        return corrupt(ledger, view->position, "leaves out an account");
    status = accounts_prepare(accounts, 1, 0, false);
    if (status != MP_OK) return status;
    slot = accounts_add(accounts, record->id, hash_of(ledger, record->id), record->ledger);
    account_line(accounts, slot)->flags = (uint8_t)record->flags;
    account_details_set(accounts, slot, &account, view->timestamp);
    return MP_OK;
}

static mp_status replay_sums(struct mp_ledger *ledger, uint32_t slot, const struct sums *sums,
                             uint8_t flags, const struct record_view *view)
{
    struct accounts *accounts = &ledger->accounts;
    struct account_line *line;
    mp_status status;

    if (slot >= accounts->count)
        return corrupt(ledger, view->position, "names an account that doesn't exist");
    line = account_line(accounts, slot);
    if (load_48(line->last) >= view->position) return MP_OK; /* a checkpoint was ahead */
    status =
        accounts_prepare(accounts, 0, 1,
                         view->posted_high != NULL ||
                             (sums->of[0] | sums->of[1] | sums->of[2] | sums->of[3]) >> 62 != 0);
    if (status != MP_OK) return status;
    account_set_sums(accounts, line, sums);
    line->flags = flags;
    store_48(line->last, view->position);
    digits_push(accounts, slot, view->position, view->timestamp);
    return MP_OK;
}

/* --- reservations --- */

static mp_status replay_pending(struct mp_ledger *ledger, const struct record_view *view)
{
    const struct transfer_record *record = (const struct transfer_record *)view->record;
    struct reservations *reservations = &ledger->reservations;
    uint64_t hash = hash_of(ledger, record->id);
    struct reservation *reservation;
    mp_status status;
    uint32_t slot = reservations_find(reservations, record->id, hash);

    if (slot != SLOT_NONE) return MP_OK; /* a checkpoint had it already */
    status = reservations_prepare(reservations, 1);
    if (status != MP_OK) return status;
    slot = reservations_add(reservations, record->id, hash);
    reservation = reservation_at(reservations, slot);
    reservation->user_data_128 = view->user_data != NULL ? view->user_data->user_data_128 : 0;
    reservation->user_data_64 = record->user_data_64;
    reservation->user_data_32 = record->user_data_32;
    reservation->expires = record->timeout == 0 ? 0 : view->timestamp + record->timeout * NS_PER_S;
    reservation->debit_slot = record->debit_slot;
    reservation->credit_slot = record->credit_slot;
    reservation->code = record->code;
    reservation->flags = record->flags;
    store_48(reservation->made, view->position);
    store_48(reservation->last, view->position);
    reservation_set_left(reservations, reservation, record_amount(view));
    if (reservation->expires != 0) expiry_insert(reservations, slot);
    return MP_OK;
}

static mp_status replay_touched(struct mp_ledger *ledger, const struct record_view *view)
{
    const struct transfer_record *record = (const struct transfer_record *)view->record;
    struct reservations *reservations = &ledger->reservations;
    mp_id id = view->reservation->pending_id;
    uint32_t slot = reservations_find(reservations, id, hash_of(ledger, id));
    struct reservation *reservation;

    if (slot == SLOT_NONE) return MP_OK; /* it ended before its part of the checkpoint was copied */
    reservation = reservation_at(reservations, slot);
    if (load_48(reservation->last) >= view->position) return MP_OK;
    if ((view->reservation->inherited & CLOSES) != 0) {
        reservations_remove(reservations, slot);
        reservations_recycle(reservations, slot);
        return MP_OK;
    }
    store_48(reservation->last, view->position);
    reservation_set_left(reservations, reservation, record_left(view));
    if ((record->flags & MP_TRANSFER_INCREASE_PENDING) != 0 && record->timeout != 0) {
        expiry_remove(reservations, slot);
        reservation->expires = view->timestamp + record->timeout * NS_PER_S;
        expiry_insert(reservations, slot);
    }
    return MP_OK;
}

/* --- records --- */

static mp_status replay_transfer(struct mp_ledger *ledger, const struct record_view *view)
{
    const struct transfer_record *record = (const struct transfer_record *)view->record;
    struct sums debit, credit;
    mp_status status;

    if (record->kind == MP_RECORD_EXPIRY) {
        ledger->newest.other = max_u64(ledger->newest.other, view->timestamp);
    } else {
        ledger->newest.transfer = max_u64(ledger->newest.transfer, view->timestamp);
    }
    record_sums(view, &debit, &credit);
    status = replay_sums(ledger, record->debit_slot, &debit, record->debit_flags, view);
    if (status == MP_OK)
        status = replay_sums(ledger, record->credit_slot, &credit, record->credit_flags, view);
    if (status != MP_OK) return status;
    if (record->kind == MP_RECORD_TRANSFER && (record->flags & MP_TRANSFER_PENDING) != 0) {
        return replay_pending(ledger, view);
    }
    if (view->reservation != NULL && record_original(view) == 0)
        return replay_touched(ledger, view);
    return MP_OK;
}

static mp_status replay_update(struct mp_ledger *ledger, const struct record_view *view)
{
    const struct update_record *record = (const struct update_record *)view->record;
    struct sums sums, none;

    ledger->newest.other = max_u64(ledger->newest.other, view->timestamp);
    record_sums(view, &sums, &none);
    return replay_sums(ledger, record->slot, &sums, record->account_flags_after, view);
}

static mp_status replay_input(struct mp_ledger *ledger, const struct record_view *view)
{
    const struct input_position_record *record = (const struct input_position_record *)view->record;

    if (!source_set(ledger, record->source, record->position)) {
        return corrupt(ledger, view->position, "is one source too many");
    }
    return MP_OK;
}

static mp_status replay_record(struct mp_ledger *ledger, const struct record_view *view)
{
    mp_status status = MP_OK;

    switch (view->record[0]) {
    case MP_RECORD_ACCOUNT: status = replay_account(ledger, view); break;
    case MP_RECORD_TRANSFER:
        ledger->counters.transfers++;
        status = replay_transfer(ledger, view);
        break;
    case MP_RECORD_EXPIRY:
        ledger->counters.expiries++;
        status = replay_transfer(ledger, view);
        break;
    case MP_RECORD_UPDATE:
        ledger->counters.updates++;
        status = replay_update(ledger, view);
        break;
    case MP_RECORD_BOUND_ID: ledger->counters.ids_bound++; break;
    default: status = replay_input(ledger, view); break;
    }
    return status == MP_OK ? replay_ids(ledger, view) : status;
}

static unsigned page_end(const uint8_t *page)
{
    return ((const struct page_trailer *)(page + PAGE_DATA))->units_used * UNIT_SIZE;
}

/* Stands before a record of a block, some records ahead of the one that is applied. */
struct ahead {
    const uint8_t *page;
    unsigned at, end;     /* in the page, bytes */
    uint32_t pages_after; /* pages of the block behind this one */
};

static struct ahead ahead_begin(const struct block_view *block)
{
    return (struct ahead){.page = block->pages,
                          .at = page_first(0),
                          .end = page_end(block->pages),
                          .pages_after = block->header->pages - 1};
}

/* Brings in what the next record touches, and steps behind it. */
PREFETCHES void ahead_step(struct ahead *ahead, const struct accounts *accounts)
{
    uint32_t slots[2];
    unsigned units;

    while (ahead->at >= ahead->end) {
        if (ahead->pages_after == 0) return;
        ahead->pages_after--;
        ahead->page += PAGE_SIZE;
        ahead->at = 0;
        ahead->end = page_end(ahead->page);
    }
    units = record_units(ahead->page + ahead->at);
    record_slots(ahead->page + ahead->at, slots);
    ahead->at = units == 0 ? ahead->end : ahead->at + units * UNIT_SIZE;
    for (int i = 0; i < 2; i++) {
        if (slots[i] >= accounts->count) continue;
        PREFETCH_WRITE(account_line(accounts, slots[i]));
        PREFETCH_WRITE(account_cold(accounts, slots[i]));
        PREFETCH_WRITE((uint8_t *)account_cold(accounts, slots[i]) + 64);
    }
}

/* A block's last timestamp: the newest given, refused events' ones that nobody saw aside. */
static uint64_t last_time(const struct mp_ledger *ledger, const struct record_view *view,
                          uint64_t block_time)
{
    uint32_t offset = 0;

    switch (view->record[0]) {
    case MP_RECORD_ACCOUNT:
        offset = ((const struct account_record *)view->record)->time_offset;
        break;
    case MP_RECORD_TRANSFER:
    case MP_RECORD_EXPIRY:
        offset = ((const struct transfer_record *)view->record)->time_offset;
        break;
    case MP_RECORD_UPDATE:
        offset = ((const struct update_record *)view->record)->time_offset;
        break;
    case MP_RECORD_BOUND_ID:
        offset = ((const struct bound_record *)view->record)->time_offset;
        break;
    default: break;
    }
    return max_u64(ledger->newest.time, block_time + offset);
}

static mp_status replay_page(struct mp_ledger *ledger, const uint8_t *page, uint64_t position,
                             unsigned at, struct ahead *ahead)
{
    const struct page_trailer *trailer = (const struct page_trailer *)(page + PAGE_DATA);

    while (at < trailer->units_used * UNIT_SIZE) {
        struct record_view view;
        mp_status status;

        ahead_step(ahead, &ledger->accounts);
        if (!record_view(page + at, position + at, trailer->time, &view)) {
            return corrupt(ledger, position + at, "is none");
        }
        status = replay_record(ledger, &view);
        if (status != MP_OK) return status;
        ledger->newest.time = last_time(ledger, &view, trailer->time);
        ledger->stats.opened_replayed_records++;
        at += view.units * UNIT_SIZE;
    }
    return MP_OK;
}

mp_status replay_block(void *context, const struct block_view *block)
{
    struct mp_ledger *ledger = context;
    uint32_t pages = block->header->pages;
    struct ahead ahead = ahead_begin(block);

    for (unsigned i = 0; i < AHEAD; i++) ahead_step(&ahead, &ledger->accounts);
    for (uint32_t number = 0; number < pages; number++) {
        const uint8_t *page = block->pages + (uint64_t)number * PAGE_SIZE;
        mp_status status;

        status = replay_page(ledger, page, block->position + (uint64_t)number * PAGE_SIZE,
                             page_first(number), &ahead);
        if (status != MP_OK) return status;
    }
    ledger->newest.time = max_u64(ledger->newest.time, block->header->time);
    ledger->stats.opened_replayed_bytes += (uint64_t)pages * PAGE_SIZE;
    return MP_OK;
}

/* --- publishing --- */

static void replay_publish(struct mp_ledger *ledger, uint32_t slot)
{
    struct accounts *accounts = &ledger->accounts;
    const struct account_line *line = account_line(accounts, slot);
    struct sums sums = account_sums(accounts, line);
    struct account_view view;
    uint64_t records = 0;

    if (account_read(accounts, slot, &view)) records = view.records;
    account_publish_id(accounts, slot);
    account_publish(accounts, slot, &sums, line->flags, load_48(line->last),
                    digits_count(accounts, slot) - records);
}

void replay_publish_all(struct mp_ledger *ledger)
{
    for (uint32_t slot = 0; slot < ledger->accounts.count; slot++) replay_publish(ledger, slot);
    atomic_store_explicit(&ledger->accounts.published_count, ledger->accounts.count,
                          memory_order_release);
}

static void publish_page(struct mp_ledger *ledger, const uint8_t *page, unsigned at)
{
    const struct page_trailer *trailer = (const struct page_trailer *)(page + PAGE_DATA);

    for (; at < trailer->units_used * UNIT_SIZE; at += record_units(page + at) * UNIT_SIZE) {
        uint32_t slots[2];

        record_slots(page + at, slots);
        if (page[at] == MP_RECORD_ACCOUNT)
            slots[0] = ((const struct account_record *)(page + at))->slot;
        for (int i = 0; i < 2; i++) {
            if (slots[i] != SLOT_NONE) replay_publish(ledger, slots[i]);
        }
    }
}

mp_status replay_block_published(void *context, const struct block_view *block)
{
    struct mp_ledger *ledger = context;
    struct accounts *accounts = &ledger->accounts;
    struct counters counters = ledger->counters;
    mp_status status = replay_block(context, block);
    uint64_t publications = atomic_load_explicit(&accounts->publications, memory_order_relaxed);

    if (status != MP_OK) {
        ledger->counters = counters; /* it comes again; the rest is passed over then */
        return status;
    }
    atomic_store_explicit(&accounts->publications, publications + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    for (uint32_t number = 0; number < block->header->pages; number++) {
        publish_page(ledger, block->pages + (uint64_t)number * PAGE_SIZE, page_first(number));
    }
    atomic_store_explicit(&accounts->published_count, accounts->count, memory_order_release);
    atomic_store_explicit(&accounts->publications, publications + 2, memory_order_release);
    return MP_OK;
}
