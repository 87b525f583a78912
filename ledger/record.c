/* Records as they lie in a page: found, checked, read. Safe on any bytes. */
#include "engine.h"

enum { KINDS = 7 };

/* By kind; no units = no such kind. */
static const uint8_t units_of[KINDS] = {
    [MP_RECORD_ACCOUNT] = sizeof(struct account_record) / UNIT_SIZE,
    [MP_RECORD_TRANSFER] = sizeof(struct transfer_record) / UNIT_SIZE,
    [MP_RECORD_EXPIRY] = sizeof(struct transfer_record) / UNIT_SIZE,
    [MP_RECORD_UPDATE] = sizeof(struct update_record) / UNIT_SIZE,
    [MP_RECORD_BOUND_ID] = sizeof(struct bound_record) / UNIT_SIZE,
    [MP_RECORD_INPUT_POSITION] = sizeof(struct input_position_record) / UNIT_SIZE,
};
#define EXTENSIONS_ALL 0x7f
static const uint8_t extensions_of[KINDS] = {
    [MP_RECORD_TRANSFER] = EXTENSIONS_ALL,
    [MP_RECORD_EXPIRY] = EXTENSIONS_ALL,
    [MP_RECORD_UPDATE] = EXT_POSTED_HIGH,
};

static unsigned popcount_7(unsigned bits)
{
    static const uint8_t of_four[16] = {0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4};

    return of_four[bits & 15] + of_four[bits >> 4 & 7];
}

/* Where the extensions lie that follow a record's head. */
static void locate_extensions(const uint8_t *at, unsigned extensions, struct record_view *out)
{
    if ((extensions & EXT_PENDING) != 0) {
        out->pending = (const struct ext_pending *)at;
        at += UNIT_SIZE;
    }
    if ((extensions & EXT_RESERVATION) != 0) {
        out->reservation = (const struct ext_reservation *)at;
        at += UNIT_SIZE;
    }
    if ((extensions & EXT_USER_DATA) != 0) {
        out->user_data = (const struct ext_user_data *)at;
        if (out->user_data->imported_time != 0) out->timestamp = out->user_data->imported_time;
        at += UNIT_SIZE;
    }
    if ((extensions & EXT_REVERSAL) != 0) {
        out->reversal = (const struct ext_reversal *)at;
        at += UNIT_SIZE;
    }
    if ((extensions & EXT_POSTED_HIGH) != 0) {
        out->posted_high = (const struct ext_high *)at;
        at += UNIT_SIZE;
    }
    if ((extensions & EXT_PENDING_HIGH) != 0) {
        out->pending_high = (const struct ext_pending *)at;
        at += UNIT_SIZE;
    }
    if ((extensions & EXT_AMOUNT_HIGH) != 0) out->amount_high = (const struct ext_amount_high *)at;
}

static uint64_t head_timestamp(const uint8_t *record, uint64_t block_time)
{
    const struct account_record *account;

    switch (record[0]) {
    case MP_RECORD_TRANSFER:
    case MP_RECORD_EXPIRY:
        return block_time + ((const struct transfer_record *)record)->time_offset;
    case MP_RECORD_UPDATE: return block_time + ((const struct update_record *)record)->time_offset;
    case MP_RECORD_BOUND_ID: return block_time + ((const struct bound_record *)record)->time_offset;
    case MP_RECORD_ACCOUNT:
        account = (const struct account_record *)record;
        return account->imported_time != 0 ? account->imported_time
                                           : block_time + account->time_offset;
    default: return 0; /* an input position has none */
    }
}

bool record_view(const uint8_t *record, uint64_t position, uint64_t block_time,
                 struct record_view *out)
{
    unsigned offset = (unsigned)(position % PAGE_SIZE);
    unsigned kind, extensions, units;

    if (UNLIKELY(offset >= PAGE_DATA || offset % UNIT_SIZE != 0)) return false;
    kind = record[0];
    extensions = record[1];
    if (UNLIKELY(kind >= KINDS || units_of[kind] == 0 ||
                 (extensions & ~(unsigned)extensions_of[kind]) != 0)) {
        return false;
    }
    units = units_of[kind] + popcount_7(extensions);
    if (UNLIKELY(offset + units * UNIT_SIZE > PAGE_DATA)) return false;
    *out = (struct record_view){
        .record = record,
        .position = position,
        .timestamp = head_timestamp(record, block_time),
        .units = units,
    };
    if (extensions != 0) locate_extensions(record + units_of[kind] * UNIT_SIZE, extensions, out);
    return true;
}

/* --- what a record says --- */

static const struct transfer_record *transfer_of(const struct record_view *view)
{
    return (const struct transfer_record *)view->record;
}

static bool is_transfer_or_expiry(const struct record_view *view)
{
    return view->record[0] == MP_RECORD_TRANSFER || view->record[0] == MP_RECORD_EXPIRY;
}

mp_amount record_amount(const struct record_view *view)
{
    uint64_t high = view->amount_high != NULL ? view->amount_high->amount : 0;

    return is_transfer_or_expiry(view) ? MP_U128(high, transfer_of(view)->amount) : 0;
}

mp_amount record_left(const struct record_view *view)
{
    if (view->reservation == NULL) return 0;
    return MP_U128(view->amount_high != NULL ? view->amount_high->left : 0,
                   view->reservation->left);
}

mp_amount record_reversed(const struct record_view *view)
{
    return view->reversal == NULL
               ? 0
               : MP_U128(view->reversal->reversed_high, view->reversal->reversed);
}

static void update_sums(const struct record_view *view, struct sums *sums)
{
    const struct update_record *record = (const struct update_record *)view->record;

    for (int i = 0; i < SUMS; i++) {
        sums->of[i] =
            MP_U128(view->posted_high != NULL ? view->posted_high->high[i] : 0, record->sums[i]);
    }
}

static void add_pending(const struct ext_pending *pending, unsigned shift, struct sums *debit,
                        struct sums *credit)
{
    debit->of[DEBITS_PENDING] |= (mp_u128)pending->debit_debits << shift;
    debit->of[CREDITS_PENDING] |= (mp_u128)pending->debit_credits << shift;
    credit->of[DEBITS_PENDING] |= (mp_u128)pending->credit_debits << shift;
    credit->of[CREDITS_PENDING] |= (mp_u128)pending->credit_credits << shift;
}

void record_sums(const struct record_view *view, struct sums *debit, struct sums *credit)
{
    const struct transfer_record *record = transfer_of(view);

    memset(debit, 0, sizeof *debit);
    memset(credit, 0, sizeof *credit);
    if (view->record[0] == MP_RECORD_UPDATE) {
        update_sums(view, debit);
        return;
    }
    if (!is_transfer_or_expiry(view)) return;
    debit->of[DEBITS_POSTED] = record->debit_debits_posted;
    debit->of[CREDITS_POSTED] = record->debit_credits_posted;
    credit->of[DEBITS_POSTED] = record->credit_debits_posted;
    credit->of[CREDITS_POSTED] = record->credit_credits_posted;
    if (view->pending != NULL) add_pending(view->pending, 0, debit, credit);
    if (view->pending_high != NULL) add_pending(view->pending_high, 64, debit, credit);
    if (view->posted_high != NULL) {
        const struct ext_high *posted = view->posted_high;

        debit->of[DEBITS_POSTED] |= (mp_u128)posted->high[0] << 64;
        debit->of[CREDITS_POSTED] |= (mp_u128)posted->high[1] << 64;
        credit->of[DEBITS_POSTED] |= (mp_u128)posted->high[2] << 64;
        credit->of[CREDITS_POSTED] |= (mp_u128)posted->high[3] << 64;
    }
}

/* Id and ledger of a published account never change; a slot beyond them stands in no sound log. */
static mp_id slot_id(const struct accounts *accounts, uint32_t slot)
{
    if (slot >= atomic_load_explicit(&accounts->published_count, memory_order_acquire)) return 0;
    return account_line(accounts, slot)->id;
}

void record_transfer(const struct accounts *accounts, const struct record_view *view,
                     mp_transfer *out)
{
    const struct transfer_record *record = transfer_of(view);

    memset(out, 0, sizeof *out);
    if (!is_transfer_or_expiry(view)) return;
    out->id = record->id;
    out->debit_account_id = slot_id(accounts, record->debit_slot);
    out->credit_account_id = slot_id(accounts, record->credit_slot);
    out->amount = record_amount(view);
    out->pending_id = view->reservation != NULL ? view->reservation->pending_id : 0;
    out->user_data_128 = view->user_data != NULL ? view->user_data->user_data_128 : 0;
    out->user_data_64 = record->user_data_64;
    out->user_data_32 = record->user_data_32;
    out->timeout = record->timeout;
    out->ledger =
        out->debit_account_id != 0 ? account_line(accounts, record->debit_slot)->ledger : 0;
    out->code = record->code;
    out->flags = record->flags;
    out->timestamp = view->timestamp;
}
