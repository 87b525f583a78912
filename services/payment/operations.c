/*
 * Which chain each step sends.
 *
 * Leg i of the hold has the id ledger_id(payment, RESERVE, 0, i); every later step refers to it.
 * Whatever is done to a hold is done to all its legs in one chain; a leg of amount 0, or one that
 * is used up, is left out.
 */
#include "payment.h"
#include "wire/buffer.h"

#include <stdlib.h>
#include <string.h>

void chain_link(struct chain *chain)
{
    for (unsigned i = 0; i + 1 < chain->count; i++)
        chain->events.transfers[i].flags |= MP_TRANSFER_LINKED;
}

mp_transfer *chain_leg(struct chain *chain, const struct payment *p, const struct operation *op,
                       unsigned leg)
{
    mp_transfer *transfer = &chain->events.transfers[chain->count++];

    *transfer = (mp_transfer){
        .id = ledger_id(&p->books, op->id, op->step, op->attempt, leg),
        .user_data_128 = id_of_uuid(p->id),
        .user_data_64 = p->effective_ns,
        .user_data_32 = op->step,
        .ledger = p->ledger,
    };
    return transfer;
}

static mp_id hold_id(const struct payment *p, unsigned leg)
{
    return ledger_id(&p->books, p->id, STEP_RESERVE, 0, leg);
}

bool operation_chain(const struct operation *op, struct chain *out)
{
    return chain_decode(op->chain, op->chain_length, out);
}

void operation_send(struct payment *p, struct operation *op, const struct chain *chain,
                    struct payment_effects *effects)
{
    uint8_t bytes[CHAIN_BYTES_MAX];
    size_t length = chain_encode(chain, bytes);

    free(op->chain);
    op->chain = need_memory(length);
    op->chain_length = (uint32_t)length;
    memcpy(op->chain, bytes, length);
    op->state = OPERATION_SENT;
    if (op->row == ROW_SAME) op->row = ROW_CHANGED;
    if (effects->send_count == EFFECTS_MAX)
        effects->alert = true; /* resent by the timer */
    else
        effects->sends[effects->send_count++] = (unsigned)(op - p->operations);
}

static struct operation *begin(struct payment *p, struct uuid id, enum step step, uint64_t now_ns,
                               struct chain *chain)
{
    struct operation *op = payment_add_operation(p);

    op->id = id;
    op->step = step;
    op->created_ns = now_ns;
    memset(chain, 0, sizeof *chain);
    chain->operation = MP_CREATE_TRANSFERS;
    return op;
}

void spread(int64_t amount, const int64_t *left, unsigned count, int64_t *out)
{
    int64_t sum = 0, rest = amount;

    for (unsigned i = 0; i < count; i++) sum += left[i];
    for (unsigned i = 0; i < count; i++) {
        out[i] = sum == 0 ? 0 : (int64_t)((__int128)amount * left[i] / sum);
        rest -= out[i];
    }
    while (rest > 0) { /* what was rounded off: less than one unit a leg */
        int64_t before = rest;

        for (unsigned i = 0; i < count && rest > 0; i++) {
            if (out[i] == left[i]) continue;
            out[i]++;
            rest--;
        }
        if (rest == before) return; /* the amount is more than there is: the caller has checked */
    }
}

static unsigned principal_legs(const struct payment *p)
{
    return p->leg_count - (p->fee_leg ? 1 : 0);
}

static uint16_t code_of(const struct payment *p, unsigned leg)
{
    if (p->fee_leg && leg == p->leg_count - 1) return TRANSFER_CODE_FEE;
    return p->kind == KIND_DEPOSIT      ? TRANSFER_CODE_DEPOSIT
           : p->kind == KIND_WITHDRAWAL ? TRANSFER_CODE_WITHDRAWAL
                                        : TRANSFER_CODE_PAYMENT;
}

void send_reserve(struct payment *p, uint64_t now_ns, struct payment_effects *effects)
{
    struct chain chain;
    struct operation *op = begin(p, p->id, STEP_RESERVE, now_ns, &chain);

    op->amount = p->amount;
    op->fee = fee_of(p, p->amount);
    for (unsigned i = 0; i < p->leg_count; i++) {
        mp_transfer *leg;

        if (p->legs[i].held == 0) continue;
        leg = chain_leg(&chain, p, op, i);
        leg->debit_account_id = id_of_uuid(p->payer.uuid);
        leg->credit_account_id = id_of_uuid(p->legs[i].credit.uuid);
        leg->amount = (mp_amount)p->legs[i].held;
        if (p->beyond_means) leg->amount += (mp_amount)AMOUNT_MAX * 1000;
        leg->code = code_of(p, i);
        leg->timeout = p->timeout;
        leg->flags = MP_TRANSFER_PENDING;
    }
    chain_link(&chain);
    operation_send(p, op, &chain, effects);
}

void send_capture(struct payment *p, struct uuid id, int64_t amount, bool final, uint64_t now_ns,
                  struct payment_effects *effects)
{
    int64_t left[LEGS_MAX], parts[LEGS_MAX] = {0};
    unsigned count = principal_legs(p);
    struct chain chain;
    struct operation *op = begin(p, id, STEP_CAPTURE, now_ns, &chain);

    op->amount = amount;
    op->final = final;
    op->fee = fee_of(p, p->captured + amount) - p->fee_captured;
    for (unsigned i = 0; i < count; i++) left[i] = p->legs[i].held - p->legs[i].captured;
    spread(amount, left, count, parts);
    if (p->fee_leg) parts[count] = op->fee;
    for (unsigned i = 0; i < p->leg_count; i++) {
        mp_transfer *leg;

        if (p->legs[i].held == p->legs[i].captured) continue; /* used up */
        if (parts[i] == 0 && !final) continue;
        leg = chain_leg(&chain, p, op, i);
        leg->pending_id = hold_id(p, i);
        leg->amount = (mp_amount)parts[i];
        leg->flags = MP_TRANSFER_POST_PENDING | (final ? 0 : MP_TRANSFER_KEEP_PENDING);
    }
    chain_link(&chain);
    operation_send(p, op, &chain, effects);
}

void send_increase(struct payment *p, struct uuid id, int64_t amount, uint64_t now_ns,
                   struct payment_effects *effects)
{
    int64_t parts[LEGS_MAX] = {amount}; /* the payee's: what the others get was named */
    struct chain chain;
    struct operation *op = begin(p, id, STEP_INCREASE, now_ns, &chain);

    op->amount = amount;
    op->fee = fee_of(p, p->amount + amount) - fee_of(p, p->amount);
    if (p->fee_leg) parts[principal_legs(p)] = op->fee;
    for (unsigned i = 0; i < p->leg_count; i++) {
        mp_transfer *leg;

        if (parts[i] == 0) continue;
        leg = chain_leg(&chain, p, op, i);
        leg->pending_id = hold_id(p, i);
        leg->amount = (mp_amount)parts[i];
        leg->flags = MP_TRANSFER_INCREASE_PENDING;
    }
    chain_link(&chain);
    operation_send(p, op, &chain, effects);
}

/* The row of something that a payment does by itself, and perhaps again: made, or with the next
 * attempt. NULL while it is out. */
static struct operation *begin_again(struct payment *p, struct uuid id, enum step step,
                                     uint64_t now_ns, struct chain *chain)
{
    struct operation *op = payment_operation(p, id, step);

    if (op == NULL) return begin(p, id, step, now_ns, chain);
    if (op->state == OPERATION_SENT) return NULL;
    op->attempt++;
    memset(chain, 0, sizeof *chain);
    chain->operation = MP_CREATE_TRANSFERS;
    return op;
}

static void add_open_legs(struct chain *chain, const struct payment *p, const struct operation *op,
                          uint16_t flags, uint32_t timeout)
{
    for (unsigned i = 0; i < p->leg_count; i++) {
        mp_transfer *leg;

        if (p->legs[i].held == p->legs[i].captured) continue;
        leg = chain_leg(chain, p, op, i);
        leg->pending_id = hold_id(p, i);
        leg->timeout = timeout;
        leg->flags = flags;
    }
    chain_link(chain);
}

void send_extend(struct payment *p, struct uuid id, uint64_t seconds, uint64_t now_ns,
                 struct payment_effects *effects)
{
    struct chain chain;
    struct operation *op = begin_again(p, id, STEP_EXTEND, now_ns, &chain);

    if (op == NULL) return;
    op->seconds = seconds;
    add_open_legs(&chain, p, op, MP_TRANSFER_INCREASE_PENDING, (uint32_t)seconds);
    operation_send(p, op, &chain, effects);
}

/* A second void is needed when the first one named a leg that a capture had used up: that one can
 * never be applied, so another attempt is safe. */
void send_void(struct payment *p, uint64_t now_ns, struct payment_effects *effects)
{
    struct chain chain;
    struct operation *op = begin_again(p, p->id, STEP_VOID, now_ns, &chain);

    if (op == NULL) return;
    add_open_legs(&chain, p, op, MP_TRANSFER_VOID_PENDING, 0);
    operation_send(p, op, &chain, effects);
}

/* What a rail has confirmed has left the bank. */
void send_confirm(struct payment *p, uint64_t now_ns, struct payment_effects *effects)
{
    struct uuid nobody = {{0}};
    struct chain chain;
    struct operation *op = begin(p, p->id, STEP_CONFIRM, now_ns, &chain);
    mp_transfer *leg = chain_leg(&chain, p, op, 0);

    op->amount = p->captured;
    leg->debit_account_id =
        system_account(&p->books, p->currency->code, ACCOUNT_CODE_IN_TRANSIT, nobody);
    leg->credit_account_id =
        system_account(&p->books, p->currency->code, ACCOUNT_CODE_BANK, nobody);
    leg->amount = (mp_amount)p->captured;
    leg->code = TRANSFER_CODE_PAYMENT;
    operation_send(p, op, &chain, effects);
}

void send_bind(struct payment *p, uint64_t now_ns, struct payment_effects *effects)
{
    struct chain chain, reserve;
    struct operation *op;

    operation_chain(payment_operation(p, p->id, STEP_RESERVE), &reserve);
    op = begin(p, p->id, STEP_BIND, now_ns, &chain);
    chain.count = 1;
    chain.events.transfers[0].id = chain_id(&reserve);
    chain.events.transfers[0].flags = MP_TRANSFER_BIND_ID;
    operation_send(p, op, &chain, effects);
}
