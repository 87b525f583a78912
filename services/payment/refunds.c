/*
 * Refunds: an amount of what was captured goes back, as reversals of the captures, newest first.
 *
 * The amount is taken from `refundable` in the step that stores the refund, and given back if it
 * fails: so two refunds can't both have it. The engine's bound on reversals is the second guard.
 * When the payee has not enough, it is tried again for 30 days, each time as another attempt: the
 * one before is bound, and can't be applied any more.
 */
#include "payment.h"

#include <string.h>

#define MINUTE_NS UINT64_C(60000000000)
#define DAY_NS    (UINT64_C(1440) * MINUTE_NS)
#define GIVE_UP   (UINT64_C(30) * DAY_NS)

static bool counts(const struct operation *op)
{
    return (op->step == STEP_REFUND || op->step == STEP_RETURN) &&
           (op->state == OPERATION_SENT || op->state == OPERATION_APPLIED);
}

/* What the refunds but one have taken back of a transfer, or may have. */
static int64_t reversed(const struct payment *p, const struct operation *but, mp_id transfer)
{
    int64_t sum = 0;
    struct chain chain;

    for (unsigned i = 0; i < p->operation_count; i++) {
        const struct operation *op = &p->operations[i];

        if (op == but || !counts(op) || !operation_chain(op, &chain)) continue;
        for (unsigned leg = 0; leg < chain.count; leg++)
            if (chain.events.transfers[leg].pending_id == transfer)
                sum += (int64_t)chain.events.transfers[leg].amount;
    }
    return sum;
}

static bool is_fee(const struct payment *p, const mp_transfer *posted)
{
    return p->fee_leg &&
           posted->pending_id == ledger_id(&p->books, p->id, STEP_RESERVE, 0, p->leg_count - 1);
}

static bool add_reversal(struct chain *chain, const struct payment *p, const struct operation *op,
                         mp_id transfer, int64_t amount)
{
    mp_transfer *leg;

    if (amount == 0) return true;
    if (chain->count == CHAIN_MAX) return false;
    leg = chain_leg(chain, p, op, chain->count);
    leg->pending_id = transfer;
    leg->amount = (mp_amount)amount;
    leg->flags = MP_TRANSFER_REVERSAL;
    leg->code = op->step == STEP_RETURN ? TRANSFER_CODE_RETURN : TRANSFER_CODE_REFUND;
    return true;
}

/* Takes up to `amount` from the principal legs of one capture; returns what it took, -1 if the
 * chain has no room. */
static int64_t take(const struct payment *p, const struct operation *op,
                    const struct chain *capture, int64_t amount, struct chain *out)
{
    int64_t left[CHAIN_MAX] = {0}, parts[CHAIN_MAX] = {0}, sum = 0;

    for (unsigned i = 0; i < capture->count; i++) {
        const mp_transfer *posted = &capture->events.transfers[i];

        if (is_fee(p, posted)) continue;
        left[i] = (int64_t)posted->amount - reversed(p, op, posted->id);
        sum += left[i];
    }
    if (amount > sum) amount = sum;
    spread(amount, left, capture->count, parts);
    for (unsigned i = 0; i < capture->count; i++)
        if (!add_reversal(out, p, op, capture->events.transfers[i].id, parts[i])) return -1;
    return amount;
}

static bool take_fee(const struct payment *p, const struct operation *op, struct chain *out)
{
    int64_t left = op->fee;
    struct chain chain;

    for (unsigned i = p->operation_count; i-- > 0 && left > 0;) {
        if (p->operations[i].step != STEP_CAPTURE || p->operations[i].state != OPERATION_APPLIED ||
            !operation_chain(&p->operations[i], &chain))
            continue;
        for (unsigned leg = 0; leg < chain.count && left > 0; leg++) {
            const mp_transfer *posted = &chain.events.transfers[leg];
            int64_t rest;

            if (!is_fee(p, posted)) continue;
            rest = (int64_t)posted->amount - reversed(p, op, posted->id);
            if (rest > left) rest = left;
            if (!add_reversal(out, p, op, posted->id, rest)) return false;
            left -= rest;
        }
    }
    return left == 0;
}

/* Builds the chain of reversals; false if the captures don't yield the amount in one chain. */
static bool build(const struct payment *p, const struct operation *op, struct chain *out)
{
    int64_t left = op->amount;
    struct chain capture;

    memset(out, 0, sizeof *out);
    out->operation = MP_CREATE_TRANSFERS;
    for (unsigned i = p->operation_count; i-- > 0 && left > 0;) {
        int64_t took;

        if (p->operations[i].step != STEP_CAPTURE || p->operations[i].state != OPERATION_APPLIED ||
            !operation_chain(&p->operations[i], &capture))
            continue;
        took = take(p, op, &capture, left, out);
        if (took < 0) return false;
        left -= took;
    }
    if (left > 0 || !take_fee(p, op, out)) return false;
    chain_link(out);
    return true;
}

/* Pro rata: what is due in all for what was and is refunded, less what went back. */
static int64_t fee_back(const struct payment *p, int64_t amount)
{
    int64_t before = 0, principal = amount;

    if (p->refund_fees != REFUND_FEES_PRO_RATA || p->captured == 0) return 0;
    for (unsigned i = 0; i < p->operation_count; i++) {
        if (!counts(&p->operations[i]) && p->operations[i].state != OPERATION_WAITING) continue;
        if (p->operations[i].step != STEP_REFUND && p->operations[i].step != STEP_RETURN) continue;
        before += p->operations[i].fee;
        principal += p->operations[i].amount;
    }
    return (int64_t)((__int128)p->fee_captured * principal / p->captured) - before;
}

static enum outcome too_much(const struct payment *p, struct error *err)
{
    char text[AMOUNT_TEXT_MAX];

    amount_print(amount_of(p->refundable, p->currency), text);
    error_set(err, REASON_AMOUNT_TOO_LARGE, "the refund is more than the %s %s that is left", text,
              p->currency->code);
    error_member(err, "left", "%s", text);
    error_member(err, "currency", "%s", p->currency->code);
    return err->outcome;
}

enum outcome refund_request(struct payment *p, const struct payment_input *input, uint64_t now_ns,
                            struct payment_effects *effects, struct error *err)
{
    bool returned = input->kind == INPUT_RETURN;
    int64_t amount = input->amount == 0 ? p->refundable : input->amount;
    struct operation *op;
    struct chain chain;

    if (p->status != STATUS_COMPLETED && p->status != STATUS_PARTIALLY_REFUNDED) {
        if (p->status == STATUS_REFUNDED) return too_much(p, err);
        return error_set(err, REASON_PAYMENT_NOT_OPEN, "the payment is %s, and can't be refunded",
                         payment_statuses[p->status - 1]);
    }
    if (amount == 0 || amount > p->refundable) return too_much(p, err);
    if (p->operation_count == OPERATIONS_MAX)
        return error_set(err, REASON_PAYMENT_NOT_OPEN,
                         "the payment has %u operations, and takes no more", OPERATIONS_MAX);
    op = payment_add_operation(p);
    op->id = input->operation;
    op->step = returned ? STEP_RETURN : STEP_REFUND;
    op->amount = amount;
    op->fee = fee_back(p, amount);
    op->created_ns = now_ns;
    op->reason = returned ? REASON_RETURNED : REASON_NONE;
    op->on_insufficient = input->on_insufficient;
    memcpy(op->fingerprint, input->fingerprint, sizeof op->fingerprint);
    if (!build(p, op, &chain)) {
        p->operation_count--;
        error_set(err, REASON_AMOUNT_TOO_LARGE, "the refund touches too many captures at once");
        error_hint(err, "Refund it in several parts.");
        return err->outcome;
    }
    p->refundable -= amount;
    if (returned) p->rail = RAIL_RETURNED;
    operation_send(p, op, &chain, effects);
    return OUTCOME_DONE;
}

static void fail(struct payment *p, unsigned index, enum reason reason,
                 struct payment_effects *effects)
{
    struct operation *op = &p->operations[index];

    op->state = OPERATION_REFUSED;
    op->reason = reason;
    op->retry_ns = 0;
    op->row = op->row == ROW_NEW ? ROW_NEW : ROW_CHANGED;
    p->refundable += op->amount;
    effects_event(effects, EVENT_REFUND_FAILED, index);
}

/* Another attempt: the one before is bound. */
static void again(struct payment *p, unsigned index, struct payment_effects *effects)
{
    struct operation *op = &p->operations[index];
    struct chain chain;

    op->attempt++;
    op->retry_ns = 0;
    if (build(p, op, &chain)) {
        operation_send(p, op, &chain, effects);
    } else {
        effects->alert = true; /* the ledger has reversals that this payment doesn't know */
        fail(p, index, REASON_AMOUNT_TOO_LARGE, effects);
    }
}

static uint64_t back_off(uint32_t attempt)
{
    uint64_t wait = MINUTE_NS << (attempt < 11 ? attempt : 11);

    return wait < DAY_NS ? wait : DAY_NS;
}

/* Also when the answer that said so was lost: the port has bound the id since. */
static bool is_split_wrong(uint32_t code)
{
    return code == MP_TRANSFER_EXCEEDS_REVERSIBLE_AMOUNT || code == MP_TRANSFER_ID_BOUND;
}

static bool is_short(uint32_t code)
{
    return code == MP_TRANSFER_EXCEEDS_CREDITS || code == MP_TRANSFER_EXCEEDS_DEBITS;
}

void refund_answered(struct payment *p, unsigned index, const struct ledger_answer *answer,
                     uint64_t now_ns, struct payment_effects *effects)
{
    struct operation *op = &p->operations[index];

    if (answer->applied) {
        op->state = OPERATION_APPLIED;
        p->refunded += op->amount;
        p->status = p->refunded == p->captured ? STATUS_REFUNDED : STATUS_PARTIALLY_REFUNDED;
        effects_event(effects, EVENT_REFUNDED, index);
    } else if (is_split_wrong(answer->code) && op->attempt < 100) {
        again(p, index, effects);
    } else if (is_short(answer->code) && op->on_insufficient != INSUFFICIENT_FAIL) {
        op->state = OPERATION_WAITING;
        op->reason = REASON_RECIPIENT_SHORT;
        op->retry_ns = now_ns + back_off(op->attempt);
    } else {
        fail(p, index,
             is_short(answer->code) ? REASON_RECIPIENT_SHORT : ledger_reason(answer->code),
             effects);
    }
}

void refund_time(struct payment *p, uint64_t now_ns, struct payment_effects *effects)
{
    for (unsigned i = 0; i < p->operation_count; i++) {
        struct operation *op = &p->operations[i];

        if (op->state != OPERATION_WAITING || op->retry_ns > now_ns) continue;
        if (now_ns >= op->created_ns + GIVE_UP)
            fail(p, i, REASON_RECIPIENT_SHORT, effects);
        else
            again(p, i, effects);
    }
}

uint64_t refund_due(const struct payment *p)
{
    uint64_t due = 0;

    for (unsigned i = 0; i < p->operation_count; i++) {
        const struct operation *op = &p->operations[i];

        if (op->state == OPERATION_WAITING && (due == 0 || op->retry_ns < due)) due = op->retry_ns;
    }
    return due;
}
