/* Metrics of payments. */
#include "payments.h"
#include "reconcile.h"

#include "observe/log.h"
#include "observe/metrics.h"
#include "observe/trace.h"
#include "store/turn_metrics.h"

static uint16_t status_word(enum payment_status status)
{
    return (uint16_t)status; /* the label's values have the order of the statuses */
}

static void count_status(const struct payment *p)
{
    metric_add(METRIC_payments_total, 1, .status = status_word(p->status),
               .reason = metric_reason(p->reason), .currency = metric_currency(p->currency));
}

/* From acceptance to the first status that a caller waits for. */
static void time_it(const struct payment *p)
{
    uint64_t took = p->updated_ns > p->created_ns ? p->updated_ns - p->created_ns : 0;

    metric_observe(METRIC_payment_duration_seconds, took, .status = status_word(p->status));
    span_took(SPAN_payment, took);
}

void measure_row(const struct row *row)
{
    const struct payment *p = row->payment;

    if (row->alert) {
        char id[UUID_TEXT + 1];

        uuid_print(p->id, id);
        log_error(&(struct log_about){.service = "payment", .action = "payment.alert"},
                  "the ledger's answer to payment %s can't be: look at its operations", id);
    }
    if (p->status == row->status_before) return;
    count_status(p);
    if (!row->settled_before && payment_is_settled(p)) time_it(p);
    if (p->status != STATUS_COMPLETED) return;
    metric_add(METRIC_payment_amount_minor_total, (uint64_t)p->captured,
               .currency = metric_currency(p->currency));
    metric_add(METRIC_revenue_minor_total, (uint64_t)p->fee_captured,
               .currency = metric_currency(p->currency));
}

void measure_service(void *context)
{
    struct payments *service = context;
    const struct service_context *around = service->context;

    turns_metrics(service->turns, around->store, "payment", loop_now_ns(around->loop));
    metric_set(METRIC_saga_open, (double)service->open);
    metric_set(METRIC_operations_unanswered, resend_count(service->resend));
    metric_set(METRIC_reservations_open, reconcile_open(service->reconcile));
    metric_set(METRIC_reconcile_findings, reconcile_findings(service->reconcile));
    metric_set(METRIC_ledger_stopped, !around->ledger->ops->running(around->ledger));
}
