/* A payment's memory and words. */
#include "payment.h"

#include "wire/buffer.h"

#include <stdlib.h>
#include <string.h>

const char *const payment_statuses[] = {
    "initiated",          "in_review",  "requires_capture",
    "partially_captured", "processing", "completed",
    "partially_refunded", "refunded",   "failed",
    "cancelled",          NULL,
};
const char *const payment_kinds[] = {"payment", "deposit", "withdrawal", NULL};
const char *const capture_modes[] = {"automatic", "manual", NULL};
const char *const refund_fee_modes[] = {"none", "pro_rata", NULL};
const char *const insufficient_modes[] = {"wait", "fail", NULL};
const char *const operation_states[] = {"pending", "succeeded", "failed", "pending_funds", NULL};
const char *const verdicts[] = {"allow", "review", "deny", NULL};

struct payment *payment_make(void) { return need_memory(sizeof(struct payment)); }

void payment_free(struct payment *payment)
{
    if (payment == NULL) return;
    for (unsigned i = 0; i < payment->operation_count; i++) free(payment->operations[i].chain);
    free(payment->operations);
    free(payment);
}

struct operation *payment_operation(struct payment *p, struct uuid id, enum step step)
{
    for (unsigned i = 0; i < p->operation_count; i++)
        if (p->operations[i].step == step && uuid_equal(p->operations[i].id, id))
            return &p->operations[i];
    return NULL;
}

struct operation *payment_add_operation(struct payment *p)
{
    struct operation *op;

    if (p->operation_count == p->operation_room) {
        p->operation_room = p->operation_room == 0 ? 4 : p->operation_room * 2;
        p->operations = need_more_memory(p->operations, p->operation_room * sizeof *p->operations);
    }
    op = &p->operations[p->operation_count++];
    memset(op, 0, sizeof *op);
    op->row = ROW_NEW;
    op->number = p->operation_count - 1;
    return op;
}
