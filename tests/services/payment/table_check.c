/* What must hold at the end of a run, recomputed from the ledger's log alone. */
#include "table.h"

/* What the log says of one payment */
struct booked {
    mp_amount posted[LEGS_MAX]; /* by leg of the hold */
    mp_amount left[LEGS_MAX];   /* of the hold */
    mp_amount reversed_principal, reversed_fee;
    unsigned captures[LEGS_MAX];
    mp_id posts[LEGS_MAX][OPERATIONS_MAX]; /* ids of the posts of a leg */
};

static mp_id hold_id(const struct payment *p, unsigned leg)
{
    return ledger_id(&p->books, p->id, STEP_RESERVE, 0, leg);
}

static void add_post(struct booked *booked, unsigned leg, const mp_record *record)
{
    booked->posted[leg] += record->change.transfer.amount;
    if (booked->captures[leg] < OPERATIONS_MAX)
        booked->posts[leg][booked->captures[leg]++] = record->change.transfer.id;
}

static void add_reversal(const struct payment *p, struct booked *booked, const mp_record *record)
{
    for (unsigned leg = 0; leg < p->leg_count; leg++) {
        for (unsigned i = 0; i < booked->captures[leg]; i++) {
            if (booked->posts[leg][i] != record->change.transfer.pending_id) continue;
            if (p->fee_leg && leg == p->leg_count - 1)
                booked->reversed_fee += record->change.transfer.amount;
            else
                booked->reversed_principal += record->change.transfer.amount;
        }
    }
}

static void add_record(const struct payment *p, struct booked *booked, const mp_record *record)
{
    const mp_transfer *transfer = &record->change.transfer;

    if (record->kind != MP_RECORD_TRANSFER && record->kind != MP_RECORD_EXPIRY) return;
    if (transfer->user_data_128 != id_of_uuid(p->id)) return;
    if ((transfer->flags & MP_TRANSFER_REVERSAL) != 0) {
        add_reversal(p, booked, record);
        return;
    }
    for (unsigned leg = 0; leg < p->leg_count; leg++) {
        if (transfer->id != hold_id(p, leg) && transfer->pending_id != hold_id(p, leg)) continue;
        booked->left[leg] = record->kind == MP_RECORD_EXPIRY ? 0 : record->left;
        if ((transfer->flags & MP_TRANSFER_POST_PENDING) != 0) add_post(booked, leg, record);
    }
}

static bool read_log(struct world *world, struct booked *booked)
{
    static mp_record record;
    mp_log *log;
    mp_status status;

    if (mp_log_open(world->ledger, 0, &log) != MP_OK) return table_fail(world, "the log is gone");
    while ((status = mp_log_next(log, &record)) == MP_OK)
        for (unsigned i = 0; i < world->slot_count; i++)
            add_record(world->slots[i].live, &booked[i], &record);
    mp_log_close(log);
    return status == MP_END || table_fail(world, "the log can't be read");
}

static bool check_money(struct world *world, unsigned number, const struct booked *booked)
{
    const struct payment *p = world->slots[number].live;
    mp_amount principal = 0, fee = 0;

    for (unsigned leg = 0; leg < p->leg_count; leg++) {
        bool is_fee = p->fee_leg && leg == p->leg_count - 1;

        if (booked->posted[leg] != (mp_amount)p->legs[leg].captured)
            return table_fail(world, "payment %u: leg %u captured %lld, the ledger %llu", number,
                              leg, (long long)p->legs[leg].captured,
                              (unsigned long long)booked->posted[leg]);
        if (is_fee)
            fee = booked->posted[leg];
        else
            principal += booked->posted[leg];
    }
    if (principal != (mp_amount)p->captured)
        return table_fail(world, "payment %u: captured %lld, the ledger %llu", number,
                          (long long)p->captured, (unsigned long long)principal);
    if (fee != (mp_amount)p->fee_captured || fee != (mp_amount)fee_of(p, p->captured))
        return table_fail(world, "payment %u: the fee is %llu, not %lld", number,
                          (unsigned long long)fee, (long long)fee_of(p, p->captured));
    if (booked->reversed_principal != (mp_amount)p->refunded || p->refunded > p->captured)
        return table_fail(world, "payment %u: refunded %lld, the ledger %llu", number,
                          (long long)p->refunded, (unsigned long long)booked->reversed_principal);
    if (booked->reversed_fee > fee ||
        (p->refund_fees == REFUND_FEES_NONE && booked->reversed_fee != 0))
        return table_fail(world, "payment %u: too much of the fee went back", number);
    if (p->refunded == p->captured && p->refund_fees == REFUND_FEES_PRO_RATA &&
        booked->reversed_fee != fee)
        return table_fail(world, "payment %u: refunded whole, but %llu of the fee %llu", number,
                          (unsigned long long)booked->reversed_fee, (unsigned long long)fee);
    return true;
}

static bool check_hold(struct world *world, unsigned number, const struct booked *booked)
{
    const struct payment *p = world->slots[number].live;
    mp_amount left = 0;

    for (unsigned leg = 0; leg < p->leg_count; leg++) left += booked->left[leg];
    if (status_is_final(p->status) && left != 0)
        return table_fail(world, "payment %u is %s, but %llu are still reserved", number,
                          payment_statuses[p->status - 1], (unsigned long long)left);
    if (!status_is_final(p->status) &&
        left != (mp_amount)(p->amount - p->captured + fee_of(p, p->amount) - p->fee_captured))
        return table_fail(world, "payment %u is %s, but %llu are reserved", number,
                          payment_statuses[p->status - 1], (unsigned long long)left);
    return true;
}

static bool check_status(struct world *world, unsigned number)
{
    const struct slot *slot = &world->slots[number];
    const struct payment *p = slot->live;
    bool moved = p->captured > 0;
    int64_t begun = p->operations[0].amount;

    if ((p->status == STATUS_FAILED || p->status == STATUS_CANCELLED) != !moved &&
        status_is_final(p->status))
        return table_fail(world, "payment %u is %s with %lld captured", number,
                          payment_statuses[p->status - 1], (long long)p->captured);
    if ((p->status == STATUS_FAILED || p->status == STATUS_CANCELLED) && p->reason == REASON_NONE)
        return table_fail(world, "payment %u ended without a reason", number);
    if (p->status == STATUS_REFUNDED && p->refunded != p->captured)
        return table_fail(world, "payment %u is called refunded", number);
    if (p->status >= STATUS_COMPLETED && p->status <= STATUS_REFUNDED) {
        int64_t waiting = 0;

        for (unsigned i = 0; i < p->operation_count; i++)
            if (p->operations[i].step == STEP_REFUND && p->operations[i].state == OPERATION_WAITING)
                waiting += p->operations[i].amount;
        if (p->refundable + p->refunded + waiting != p->captured)
            return table_fail(world, "payment %u: refundable doesn't add up", number);
    }
    if (status_is_final(p->status) &&
        (slot->limit_amount + p->amount - begun != p->captured || slot->limit_count != moved))
        return table_fail(world, "payment %u: limits keep %lld and %d of %lld captured", number,
                          (long long)slot->limit_amount, slot->limit_count, (long long)p->captured);
    return true;
}

static unsigned told(const struct slot *slot, enum payment_event kind)
{
    unsigned count = 0;

    for (unsigned i = 0; i < slot->told_count; i++) count += slot->told[i].kind == kind;
    return count;
}

static unsigned operations_in(const struct payment *p, enum step step, enum operation_state state)
{
    unsigned count = 0;

    for (unsigned i = 0; i < p->operation_count; i++)
        count += p->operations[i].step == step && p->operations[i].state == state;
    return count;
}

static bool check_events(struct world *world, unsigned number)
{
    const struct slot *slot = &world->slots[number];
    const struct payment *p = slot->live;
    unsigned ends =
        told(slot, EVENT_COMPLETED) + told(slot, EVENT_FAILED) + told(slot, EVENT_CANCELLED);

    if (slot->told_count == HISTORY_MAX) return true; /* more than was kept */
    if (slot->told_count == 0 || slot->told[0].kind != EVENT_INITIATED ||
        told(slot, EVENT_INITIATED) != 1)
        return table_fail(world, "payment %u: initiated was not told once and first", number);
    if (ends != (status_is_final(p->status) ? 1 : 0))
        return table_fail(world, "payment %u is %s, and its end was told %u times", number,
                          payment_statuses[p->status - 1], ends);
    if (told(slot, EVENT_CAPTURED) != operations_in(p, STEP_CAPTURE, OPERATION_APPLIED))
        return table_fail(world, "payment %u: captures and their events differ", number);
    if (told(slot, EVENT_REFUNDED) != operations_in(p, STEP_REFUND, OPERATION_APPLIED))
        return table_fail(world, "payment %u: refunds and their events differ", number);
    if (told(slot, EVENT_PROCESSING) > 1 || told(slot, EVENT_REVIEW_STARTED) > 1)
        return table_fail(world, "payment %u: processing or review was told twice", number);
    return true;
}

static bool check_books(struct world *world)
{
    mp_query_filter all = {.limit = MP_BATCH_MAX};
    static mp_account accounts[64];
    mp_amount debits = 0, credits = 0, pending = 0, pending_credits = 0;
    uint32_t count = 0;

    all.limit = 64;
    if (mp_query_accounts(world->ledger, &all, accounts, &count) != MP_OK)
        return table_fail(world, "the accounts can't be read");
    for (uint32_t i = 0; i < count; i++) {
        debits += accounts[i].debits_posted;
        credits += accounts[i].credits_posted;
        pending += accounts[i].debits_pending;
        pending_credits += accounts[i].credits_pending;
        if (accounts[i].code == ACCOUNT_CODE_WALLET &&
            accounts[i].debits_posted + accounts[i].debits_pending > accounts[i].credits_posted)
            return table_fail(world, "a wallet is below zero");
    }
    if (debits != credits || pending != pending_credits)
        return table_fail(world, "the books don't balance");
    return true;
}

bool table_check(struct world *world)
{
    static struct booked booked[PAYMENTS_MAX];

    for (unsigned i = 0; i < PAYMENTS_MAX; i++) booked[i] = (struct booked){0};
    if (!read_log(world, booked) || !check_books(world)) return false;
    for (unsigned i = 0; i < world->slot_count; i++)
        if (!check_money(world, i, &booked[i]) || !check_hold(world, i, &booked[i]) ||
            !check_status(world, i) || !check_events(world, i))
            return false;
    if (world->alerts > 0) return table_fail(world, "an alert: what should never happen did");
    return true;
}

void table_check_end(struct world *world, unsigned number)
{
    static struct booked booked[PAYMENTS_MAX];

    for (unsigned i = 0; i < PAYMENTS_MAX; i++) booked[i] = (struct booked){0};
    if (read_log(world, booked)) check_hold(world, number, &booked[number]);
}
