/* Events from what a step did to a payment. */
#include "payments.h"

#include <stdio.h>
#include <string.h>

#define COMMON(event)                                                                              \
    do {                                                                                           \
        (event)->payment = p->id;                                                                  \
        (event)->kind = p->kind;                                                                   \
        (event)->status = p->status;                                                               \
        (event)->payer = p->payer;                                                                 \
        (event)->payee = p->payee;                                                                 \
        memcpy((event)->currency.code, p->currency->code, sizeof p->currency->code);               \
        (event)->amount = amount_of(p->amount, p->currency);                                       \
    } while (0)
#define REFERENCE(event, name)                                                                     \
    do {                                                                                           \
        if (p->reference[0] == '\0') break;                                                        \
        memcpy((event)->reference, p->reference, sizeof p->reference);                             \
        (event)->present |= RECORD_BIT(name, reference);                                           \
    } while (0)
#define SUMS(event)                                                                                \
    do {                                                                                           \
        (event)->amount_capturable = amount_of(capturable(p), p->currency);                        \
        (event)->amount_captured = amount_of(p->captured, p->currency);                            \
        (event)->amount_refunded = amount_of(p->refunded, p->currency);                            \
        (event)->fee_captured = amount_of(p->fee_captured, p->currency);                           \
    } while (0)

static int64_t capturable(const struct payment *p)
{
    return p->hold == HOLD_OPEN && payment_is_open(p) ? p->amount - p->captured : 0;
}

static const char *word(enum reason reason)
{
    return reason == REASON_NONE ? NULL : reason_row(reason)->name;
}

/* Room for the data of any of the events. */
union data {
    struct payment_initiated_event initiated;
    struct payment_processing_event processing;
    struct payment_review_started_event review;
    struct payment_captured_event captured;
    struct payment_completed_event completed;
    struct payment_failed_event failed;
    struct payment_cancelled_event cancelled;
    struct payment_refunded_event refunded;
    struct payment_refund_failed_event refund_failed;
};

static const struct event_type *initiated(const struct payment *p, union data *data)
{
    struct payment_initiated_event *e = &data->initiated;

    COMMON(e);
    REFERENCE(e, payment_initiated_event);
    e->capture = p->capture;
    if (p->fee_leg) {
        e->fee = amount_of(fee_of(p, p->amount), p->currency);
        e->present |= RECORD_BIT(payment_initiated_event, fee);
    }
    if (p->capture == CAPTURE_MANUAL) {
        e->hold_for = p->timeout;
        e->present |= RECORD_BIT(payment_initiated_event, hold_for);
    }
    if (p->effective_ns != p->created_ns) {
        e->effective_at = p->effective_ns;
        e->present |= RECORD_BIT(payment_initiated_event, effective_at);
    }
    if (p->scheme[0] != '\0') {
        memcpy(e->payee_scheme, p->scheme, sizeof p->scheme);
        e->present |= RECORD_BIT(payment_initiated_event, payee_scheme);
    }
    return EVENT_TYPE(payment_initiated);
}

static const struct event_type *processing(const struct payment *p, union data *data)
{
    struct payment_processing_event *e = &data->processing;

    COMMON(e);
    REFERENCE(e, payment_processing_event);
    e->capture = p->id;
    e->capture_amount = amount_of(p->amount, p->currency);
    return EVENT_TYPE(payment_processing);
}

static const struct event_type *review_started(const struct payment *p, union data *data)
{
    struct payment_review_started_event *e = &data->review;

    COMMON(e);
    REFERENCE(e, payment_review_started_event);
    e->deadline = p->review_ns + payment_policy_default.review_timeout_ns;
    return EVENT_TYPE(payment_review_started);
}

static const struct event_type *captured(const struct payment *p, const struct operation *op,
                                         union data *data)
{
    struct payment_captured_event *e = &data->captured;

    COMMON(e);
    REFERENCE(e, payment_captured_event);
    e->capture = op->id;
    e->capture_amount = amount_of(op->amount, p->currency);
    e->capture_fee = amount_of(op->fee, p->currency);
    e->final = op->final;
    SUMS(e);
    return EVENT_TYPE(payment_captured);
}

static const struct event_type *completed(const struct payment *p, union data *data)
{
    struct payment_completed_event *e = &data->completed;

    COMMON(e);
    REFERENCE(e, payment_completed_event);
    SUMS(e);
    e->reason = word(p->giving_up);
    if (e->reason != NULL) e->present |= RECORD_BIT(payment_completed_event, reason);
    return EVENT_TYPE(payment_completed);
}

static const struct event_type *failed(const struct payment *p, union data *data)
{
    struct payment_failed_event *e = &data->failed;

    COMMON(e);
    REFERENCE(e, payment_failed_event);
    e->reason = word(p->reason);
    return EVENT_TYPE(payment_failed);
}

static const struct event_type *cancelled(const struct payment *p, union data *data)
{
    struct payment_cancelled_event *e = &data->cancelled;

    COMMON(e);
    REFERENCE(e, payment_cancelled_event);
    e->reason = word(p->reason);
    return EVENT_TYPE(payment_cancelled);
}

static const struct event_type *refunded(const struct payment *p, const struct operation *op,
                                         union data *data)
{
    struct payment_refunded_event *e = &data->refunded;

    COMMON(e);
    REFERENCE(e, payment_refunded_event);
    e->refund = op->id;
    e->refund_amount = amount_of(op->amount, p->currency);
    e->refund_fee = amount_of(op->fee, p->currency);
    if (op->step == STEP_RETURN) {
        e->reason = word(REASON_RETURNED);
        e->present |= RECORD_BIT(payment_refunded_event, reason);
    }
    SUMS(e);
    return EVENT_TYPE(payment_refunded);
}

static const struct event_type *refund_failed(const struct payment *p, const struct operation *op,
                                              union data *data)
{
    struct payment_refund_failed_event *e = &data->refund_failed;

    COMMON(e);
    REFERENCE(e, payment_refund_failed_event);
    e->refund = op->id;
    e->refund_amount = amount_of(op->amount, p->currency);
    e->reason = word(op->reason);
    SUMS(e);
    return EVENT_TYPE(payment_refund_failed);
}

static const struct event_type *fill(const struct payment *p, enum payment_event kind,
                                     unsigned operation, union data *data)
{
    switch (kind) {
    case EVENT_INITIATED: return initiated(p, data);
    case EVENT_PROCESSING: return processing(p, data);
    case EVENT_REVIEW_STARTED: return review_started(p, data);
    case EVENT_CAPTURED: return captured(p, &p->operations[operation], data);
    case EVENT_COMPLETED: return completed(p, data);
    case EVENT_FAILED: return failed(p, data);
    case EVENT_CANCELLED: return cancelled(p, data);
    case EVENT_REFUNDED: return refunded(p, &p->operations[operation], data);
    case EVENT_REFUND_FAILED: return refund_failed(p, &p->operations[operation], data);
    }
    return NULL;
}

enum outcome announce(struct turn *turn, const struct payment *p,
                      const struct payment_effects *effects, struct error *err)
{
    for (unsigned i = 0; i < effects->event_count; i++) {
        union data data;
        struct turn_event event = {
            .data = &data,
            .tenant = p->books.tenant,
            .live = p->books.live,
            .key = p->id,
            .time_ns = turn_now_ns(turn),
            .entity_version = p->version,
            .traceparent = "",
            .ledger_sequence = p->sequence,
        };
        enum outcome outcome;

        memset(&data, 0, sizeof data);
        event.type = fill(p, effects->events[i].kind, effects->events[i].operation, &data);
        outcome = turn_event(turn, &event, err);
        if (outcome != OUTCOME_DONE) return outcome;
    }
    return OUTCOME_DONE;
}
