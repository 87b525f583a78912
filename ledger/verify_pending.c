/* Reservations and reversals recomputed: what is open, what is left of it, how it ended; what has
 * been reversed. */
#include "slot_table.h"
#include "verify.h"

#include <inttypes.h>
#include <stdlib.h>

/* An open reservation. */
struct pending {
    mp_id id; /* 0 = free: `next` leads on */
    mp_amount left;
    mp_u128 user_data_128;
    uint64_t user_data_64;
    uint64_t expires; /* ns; 0 = never */
    uint64_t made;    /* log position */
    uint32_t user_data_32;
    uint32_t debit_slot, credit_slot;
    uint32_t next; /* free list, + 1 */
    uint16_t code, flags;
};

/* A transfer that has been reversed, in part or whole. */
struct reversed {
    uint64_t original; /* log position */
    uint32_t debit_slot, credit_slot;
    mp_amount amount, so_far;
};

struct verify_pending {
    struct arena pendings, reversals;
    struct slot_table table, reversal_table;
    uint32_t used, free, reversal_count;
    uint64_t open;           /* of this part */
    struct pending *at_hand; /* named by the record at hand; NULL = none known */
    /* expiries of the block at hand come by (expires, made) */
    uint64_t block, last_expires, last_made;
};

mp_status verify_pending_open(struct verifier *verifier)
{
    struct verify_pending *pending = calloc(1, sizeof *pending);
    uint64_t bytes = verifier->memory_max, entries = bytes / sizeof(uint64_t);
    mp_status status;

    if (pending == NULL) return fail(MP_NO_MEMORY, "no memory to verify");
    verifier->pending = pending;
    status = arena_reserve(&pending->pendings, &verifier->memory, bytes, "reservations to verify");
    if (status == MP_OK) {
        status =
            arena_reserve(&pending->reversals, &verifier->memory, bytes, "reversals to verify");
    }
    if (status == MP_OK)
        status =
            slot_table_open(&pending->table, &verifier->memory, entries, "reservations to verify");
    if (status == MP_OK)
        status = slot_table_open(&pending->reversal_table, &verifier->memory, entries,
                                 "reversals to verify");
    return status;
}

void verify_pending_close(struct verifier *verifier)
{
    struct verify_pending *pending = verifier->pending;

    if (pending == NULL) return;
    arena_free(&pending->pendings);
    arena_free(&pending->reversals);
    slot_table_close(&pending->table);
    slot_table_close(&pending->reversal_table);
    free(pending);
    verifier->pending = NULL;
}

static uint64_t hash_of(const struct verifier *verifier, mp_id id)
{
    return id_hash(verifier->secret, id);
}

/* Whether problems about it are this part's to tell. */
static bool is_mine(const struct verifier *verifier, uint64_t hash)
{
    return (uint32_t)(hash >> 40) % verifier->parts == verifier->part;
}

static struct pending *pending_at(const struct verify_pending *pending, uint32_t slot)
{
    return (struct pending *)pending->pendings.base + slot;
}

static struct pending *find(const struct verifier *verifier, mp_id id)
{
    const struct verify_pending *pending = verifier->pending;
    struct slot_probe probe;
    uint32_t slot = slot_table_first(&pending->table, hash_of(verifier, id), &probe);

    while (slot != SLOT_NONE && pending_at(pending, slot)->id != id)
        slot = slot_table_next(&pending->table, &probe);
    return slot == SLOT_NONE ? NULL : pending_at(pending, slot);
}

/* --- reservations made --- */

/* Reservations that close an account are kept in every part: their end opens it. */
static bool closes_account(uint16_t flags)
{
    return (flags & (MP_TRANSFER_CLOSING_DEBIT | MP_TRANSFER_CLOSING_CREDIT)) != 0;
}

static mp_status make(struct verifier *verifier)
{
    struct verify_pending *pending = verifier->pending;
    const struct transfer_record *record = verify_transfer(verifier);
    uint64_t hash = hash_of(verifier, record->id);
    uint32_t slot = pending->free != 0 ? pending->free - 1 : pending->used;
    struct pending *made;
    mp_status status;

    if (!is_mine(verifier, hash) && !closes_account(record->flags)) return MP_OK;
    if (find(verifier, record->id) != NULL) return MP_OK; /* its id stands twice: told as such */
    status = arena_commit(&pending->pendings, (slot + 1ull) * sizeof *made);
    if (status == MP_OK) status = slot_table_prepare(&pending->table, 1);
    if (status != MP_OK) return status;
    made = pending_at(pending, slot);
    if (pending->free != 0)
        pending->free = made->next;
    else
        pending->used++;
    *made = (struct pending){
        .id = record->id,
        .left = record_amount(&verifier->view),
        .user_data_128 =
            verifier->view.user_data != NULL ? verifier->view.user_data->user_data_128 : 0,
        .user_data_64 = record->user_data_64,
        .expires = record->timeout == 0 ? 0 : verifier->view.timestamp + record->timeout * NS_PER_S,
        .made = verifier->view.position,
        .user_data_32 = record->user_data_32,
        .debit_slot = record->debit_slot,
        .credit_slot = record->credit_slot,
        .code = record->code,
        .flags = record->flags,
    };
    slot_table_insert(&pending->table, hash, slot);
    pending->open += is_mine(verifier, hash);
    return MP_OK;
}

/* --- and what becomes of them --- */

static void end(struct verifier *verifier, struct pending *made)
{
    struct verify_pending *pending = verifier->pending;
    uint64_t hash = hash_of(verifier, made->id);
    uint32_t slot = (uint32_t)(made - pending_at(pending, 0));

    slot_table_remove(&pending->table, hash, slot);
    pending->open -= is_mine(verifier, hash);
    made->id = 0;
    made->next = pending->free;
    pending->free = slot + 1;
}

static void check_inherited(struct verifier *verifier, const struct pending *made)
{
    const struct transfer_record *record = verify_transfer(verifier);
    mp_u128 user_data_128 =
        verifier->view.user_data != NULL ? verifier->view.user_data->user_data_128 : 0;
    unsigned inherited = verifier->view.reservation->inherited;

    if (record->kind == MP_RECORD_EXPIRY) {
        inherited |= INHERITED_USER_DATA_128 | INHERITED_USER_DATA_64 | INHERITED_USER_DATA_32;
    }
    if (((inherited & INHERITED_USER_DATA_128) != 0 && user_data_128 != made->user_data_128) ||
        ((inherited & INHERITED_USER_DATA_64) != 0 && record->user_data_64 != made->user_data_64) ||
        ((inherited & INHERITED_USER_DATA_32) != 0 && record->user_data_32 != made->user_data_32)) {
        verify_table_problem(verifier, "its user data is said to be the reservation's, but isn't");
    }
    if (record->debit_slot != made->debit_slot || record->credit_slot != made->credit_slot ||
        record->code != made->code) {
        verify_table_problem(verifier, "its accounts or code aren't the reservation's");
    }
}

static void check_expiry_order(struct verifier *verifier, const struct pending *made)
{
    struct verify_pending *pending = verifier->pending;

    if (pending->block != verifier->block_begin) {
        pending->block = verifier->block_begin;
        pending->last_expires = pending->last_made = 0;
    }
    if (made->expires < pending->last_expires ||
        (made->expires == pending->last_expires && made->made < pending->last_made)) {
        verify_table_problem(verifier, "a reservation that expired later was released before it");
    }
    pending->last_expires = made->expires;
    pending->last_made = made->made;
}

/* A time at which it was open, or for an expiry over. An imported post is judged by the clock, of
 * which the block's time is all that is known. */
static void check_due(struct verifier *verifier, const struct pending *made)
{
    const struct transfer_record *record = verify_transfer(verifier);
    bool imported = (record->flags & MP_TRANSFER_IMPORTED) != 0;
    uint64_t clock = imported ? verifier->block->time : verifier->view.timestamp;

    if (record->kind != MP_RECORD_EXPIRY) {
        if (made->expires != 0 && made->expires <= clock)
            verify_table_problem(verifier, "its reservation had expired");
        return;
    }
    if (made->expires == 0)
        verify_table_problem(verifier, "its reservation never expires");
    else if (made->expires > verifier->view.timestamp)
        verify_table_problem(verifier, "its reservation expires later");
    check_expiry_order(verifier, made);
}

/* What must be left of the reservation after the record. */
static mp_amount left_after(struct verifier *verifier, const struct pending *made)
{
    const struct transfer_record *record = verify_transfer(verifier);
    mp_amount amount = record_amount(&verifier->view),
              given_back = verify_released(&verifier->view), left;
    bool is_post = (record->flags & MP_TRANSFER_POST_PENDING) != 0;
    char is[40], was[40];

    if ((record->flags & MP_TRANSFER_INCREASE_PENDING) != 0) {
        if (__builtin_add_overflow(made->left, amount, &left))
            verify_table_problem(verifier, "the reservation overflows");
        return left;
    }
    if (!is_post && (amount != made->left || given_back != 0)) {
        verify_table_problem(verifier, "it releases %s, but %s is left of the reservation",
                             verify_number(amount, is), verify_number(made->left, was));
        return 0;
    }
    if (amount > made->left || given_back > made->left - amount) {
        verify_table_problem(verifier, "it takes %s, but %s is left of the reservation",
                             verify_number(amount + given_back, is),
                             verify_number(made->left, was));
        return 0;
    }
    return made->left - amount - given_back;
}

static mp_status touch(struct verifier *verifier)
{
    const struct transfer_record *record = verify_transfer(verifier);
    const struct ext_reservation *reservation = verifier->view.reservation;
    struct pending *made = find(verifier, reservation->pending_id);
    char is[40], should[40];
    mp_amount left;

    verifier->pending->at_hand = made;
    if (made == NULL) {
        if (is_mine(verifier, hash_of(verifier, reservation->pending_id))) {
            verify_table_problem(verifier, "no reservation is open under the id that it names");
        }
        return MP_OK;
    }
    check_inherited(verifier, made);
    check_due(verifier, made);
    left = left_after(verifier, made);
    if (left != record_left(&verifier->view)) {
        verify_table_problem(verifier, "%s of the reservation is said to be left, but %s is",
                             verify_number(record_left(&verifier->view), is),
                             verify_number(left, should));
    }
    made->left = record_left(&verifier->view);
    if ((record->flags & MP_TRANSFER_INCREASE_PENDING) != 0 && record->timeout != 0) {
        made->expires = verifier->view.timestamp + record->timeout * NS_PER_S;
    }
    return MP_OK; /* it stays in the table until verify_pending_leave: verify_closing still asks for
                     it */
}

uint16_t verify_closing(const struct verifier *verifier)
{
    const struct pending *made = verifier->pending->at_hand;

    return made == NULL ? 0
                        : made->flags & (MP_TRANSFER_CLOSING_DEBIT | MP_TRANSFER_CLOSING_CREDIT);
}

/* --- reversals --- */

static struct reversed *reversed_at(const struct verify_pending *pending, uint32_t slot)
{
    return (struct reversed *)pending->reversals.base + slot;
}

static uint64_t position_hash(uint64_t position) { return XXH3_64bits(&position, sizeof position); }

/* The transfer that is reversed for the first time, from the log; false when it can't be reversed.
 */
static mp_status read_original(struct verifier *verifier, uint64_t position, struct reversed *out,
                               bool *right)
{
    uint8_t page[PAGE_SIZE];
    const struct page_trailer *trailer = (const struct page_trailer *)(page + PAGE_DATA);
    const uint16_t not_posted = MP_TRANSFER_PENDING | MP_TRANSFER_VOID_PENDING |
                                MP_TRANSFER_INCREASE_PENDING | MP_TRANSFER_REVERSAL;
    const struct transfer_record *record;
    struct record_view view;
    mp_status status;

    *right = false;
    if (position >= verifier->view.position || position % UNIT_SIZE != 0) return MP_OK;
    status = wal_read_page(&verifier->wal, position / PAGE_SIZE * PAGE_SIZE, page);
    if (status != MP_OK) return status == MP_CORRUPT ? MP_OK : status;
    if (!record_view(page + position % PAGE_SIZE, position, trailer->time, &view)) return MP_OK;
    record = (const struct transfer_record *)view.record;
    *right = record->kind == MP_RECORD_TRANSFER && (record->flags & not_posted) == 0 &&
             record->id == verifier->view.reservation->pending_id;
    *out = (struct reversed){.original = position,
                             .debit_slot = record->debit_slot,
                             .credit_slot = record->credit_slot,
                             .amount = record_amount(&view)};
    return MP_OK;
}

static mp_status find_reversed(struct verifier *verifier, uint64_t position, struct reversed **out)
{
    struct verify_pending *pending = verifier->pending;
    uint64_t hash = position_hash(position);
    struct slot_probe probe;
    uint32_t slot = slot_table_first(&pending->reversal_table, hash, &probe);
    struct reversed original;
    bool right;
    mp_status status;

    while (slot != SLOT_NONE && reversed_at(pending, slot)->original != position) {
        slot = slot_table_next(&pending->reversal_table, &probe);
    }
    *out = slot == SLOT_NONE ? NULL : reversed_at(pending, slot);
    if (*out != NULL) return MP_OK;
    status = read_original(verifier, position, &original, &right);
    if (status != MP_OK || !right) return status;
    slot = pending->reversal_count;
    status = arena_commit(&pending->reversals, (slot + 1ull) * sizeof original);
    if (status == MP_OK) status = slot_table_prepare(&pending->reversal_table, 1);
    if (status != MP_OK) return status;
    *reversed_at(pending, slot) = original;
    slot_table_insert(&pending->reversal_table, hash, slot);
    pending->reversal_count++;
    *out = reversed_at(pending, slot);
    return MP_OK;
}

static mp_status reverse(struct verifier *verifier)
{
    const struct transfer_record *record = verify_transfer(verifier);
    uint64_t position =
        verifier->view.reversal == NULL ? 0 : load_48(verifier->view.reversal->original);
    mp_amount amount = record_amount(&verifier->view);
    struct reversed *original;
    char is[40], should[40];
    mp_status status;

    if (position == 0 || !is_mine(verifier, position_hash(position))) return MP_OK;
    status = find_reversed(verifier, position, &original);
    if (status != MP_OK) return status;
    if (original == NULL) {
        verify_table_problem(
            verifier,
            "no posted transfer with the id that it names stands at log position %" PRIu64,
            position);
        return MP_OK;
    }
    if (record->debit_slot != original->credit_slot ||
        record->credit_slot != original->debit_slot) {
        verify_table_problem(verifier,
                             "its accounts aren't those of the reversed transfer, swapped");
    }
    if (amount > original->amount - original->so_far) {
        verify_table_problem(verifier, "it reverses %s, but %s is left to reverse",
                             verify_number(amount, is),
                             verify_number(original->amount - original->so_far, should));
        amount = original->amount - original->so_far;
    }
    original->so_far += amount;
    if (record_reversed(&verifier->view) != original->so_far) {
        verify_table_problem(verifier, "%s is said to be reversed so far, but %s is",
                             verify_number(record_reversed(&verifier->view), is),
                             verify_number(original->so_far, should));
    }
    return MP_OK;
}

/* --- records --- */

mp_status verify_pending_record(struct verifier *verifier)
{
    const struct transfer_record *record = verify_transfer(verifier);
    bool transfer = record->kind == MP_RECORD_TRANSFER;

    verifier->pending->at_hand = NULL;
    if (!transfer && record->kind != MP_RECORD_EXPIRY) return MP_OK;
    if (transfer && (record->flags & MP_TRANSFER_PENDING) != 0) return make(verifier);
    if (verifier->view.reservation == NULL) return MP_OK;
    return transfer && (record->flags & MP_TRANSFER_REVERSAL) != 0 ? reverse(verifier)
                                                                   : touch(verifier);
}

void verify_pending_leave(struct verifier *verifier)
{
    struct pending *made = verifier->pending->at_hand;

    if (made == NULL || (verifier->view.reservation->inherited & CLOSES) == 0) return;
    verifier->pending->at_hand = NULL;
    end(verifier, made);
}

/* Open, though due when the last block was begun. */
static void check_overdue(struct verifier *verifier, const struct pending *made)
{
    if (made->expires == 0 || made->expires > verifier->last_time ||
        verifier->last_expiries >= EXPIRIES_MAX)
        return;
    verifier->view = (struct record_view){.position = made->made};
    verify_problem(
        verifier,
        "the reservation made here had expired before the last block, which should have released "
        "it");
}

/* What the accounts have pending must be what is open. Only with all tables in one part; with more
 * it follows from what was checked of each record. */
static void check_pending_sums(struct verifier *verifier)
{
    const struct verify_pending *pending = verifier->pending;
    uint64_t count = verifier->accounts.committed / sizeof(struct verify_account);
    char text[40];

    for (uint32_t slot = 0; slot < pending->used; slot++) {
        const struct pending *made = pending_at(pending, slot);
        struct verify_account *debit, *credit;

        if (made->id == 0) continue;
        debit = verify_account(verifier, made->debit_slot);
        credit = verify_account(verifier, made->credit_slot);
        if (debit != NULL) debit->sums.of[DEBITS_PENDING] -= made->left;
        if (credit != NULL) credit->sums.of[CREDITS_PENDING] -= made->left;
    }
    for (uint64_t i = 0; i < count; i++) {
        const struct verify_account *account =
            (const struct verify_account *)verifier->accounts.base + i;

        if (account->id == 0 ||
            (account->sums.of[DEBITS_PENDING] | account->sums.of[CREDITS_PENDING]) == 0)
            continue;
        verifier->view = (struct record_view){.position = account->last};
        verify_problem(
            verifier,
            "account %s, of which the newest record stands here, has more or less pending than "
            "its open reservations hold",
            id_text(account->id, text));
    }
}

void verify_pending_end(struct verifier *verifier)
{
    const struct verify_pending *pending = verifier->pending;

    verifier->report->reservations_open += pending->open;
    for (uint32_t slot = 0; slot < pending->used; slot++) {
        const struct pending *made = pending_at(pending, slot);

        if (made->id != 0 && is_mine(verifier, hash_of(verifier, made->id)))
            check_overdue(verifier, made);
    }
    if (verifier->parts == 1) check_pending_sums(verifier);
}
