/* A payment as the API shows it; callers that wait for one. */
#include "payments.h"

#include "ledger/place.h"
#include "wire/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct amount amount(const struct payment *p, int64_t minor)
{
    return amount_of(minor, p->currency);
}

static void show_splits(const struct payment *p, struct payment_body *out)
{
    unsigned count = p->leg_count - (p->fee_leg ? 1 : 0);

    for (unsigned i = 1; i < count; i++) {
        struct payment_split *split = &out->splits.rows[out->splits.count++];

        split->payee = p->legs[i].credit;
        split->amount = amount(p, p->legs[i].held);
    }
    if (out->splits.count > 0) out->present |= RECORD_BIT(payment_body, splits);
}

static void show_operation(const struct payment *p, const struct operation *op,
                           struct operation_body *out)
{
    static const unsigned kinds[] = {
        [STEP_RESERVE] = BODY_RESERVE,    [STEP_CAPTURE] = BODY_CAPTURE,
        [STEP_INCREASE] = BODY_INCREMENT, [STEP_EXTEND] = BODY_EXTENSION,
        [STEP_VOID] = BODY_VOID,          [STEP_BIND] = BODY_BIND,
        [STEP_REFUND] = BODY_REFUND,      [STEP_RETURN] = BODY_RETURN,
        [STEP_CONFIRM] = BODY_CONFIRM,
    };

    memset(out, 0, sizeof *out);
    out->id = op->id;
    out->kind = kinds[op->step];
    out->status = op->state;
    out->created_at = op->created_ns;
    if (op->amount > 0) {
        out->amount = amount(p, op->amount);
        out->fee = amount(p, op->fee);
        out->present |= RECORD_BIT(operation_body, amount) | RECORD_BIT(operation_body, fee);
    }
    if (op->step == STEP_CAPTURE) {
        out->final = op->final;
        out->present |= RECORD_BIT(operation_body, final);
    }
    if (op->reason != REASON_NONE) {
        out->reason = reason_row(op->reason)->name;
        out->present |= RECORD_BIT(operation_body, reason);
    }
    if (op->answered_ns != 0) {
        out->answered_at = op->answered_ns;
        out->present |= RECORD_BIT(operation_body, answered_at);
    }
}

static void show_optional(const struct payment *p, struct payment_body *out)
{
    enum reason reason = p->reason != REASON_NONE ? p->reason : p->giving_up;

    if (reason != REASON_NONE) {
        out->reason = reason_row(reason)->name;
        out->present |= RECORD_BIT(payment_body, reason);
    }
    if (p->verdict != VERDICT_NONE) {
        out->verdict = p->verdict;
        out->present |= RECORD_BIT(payment_body, verdict);
    }
    if (p->reference[0] != '\0') {
        memcpy(out->reference, p->reference, sizeof out->reference);
        out->present |= RECORD_BIT(payment_body, reference);
    }
    if (p->scheme[0] != '\0') {
        memcpy(out->scheme, p->scheme, sizeof out->scheme);
        out->present |= RECORD_BIT(payment_body, scheme);
    }
    if (p->rail != RAIL_NONE) {
        out->rail = p->rail;
        out->present |= RECORD_BIT(payment_body, rail);
    }
    if (p->hold == HOLD_OPEN && payment_is_open(p)) {
        out->hold_expires_at = p->hold_until_ns;
        out->present |= RECORD_BIT(payment_body, hold_expires_at);
    }
}

void payment_show(const struct payment *p, struct payment_body *out)
{
    bool held = p->hold == HOLD_OPEN && payment_is_open(p);

    memset(out, 0, offsetof(struct payment_body, operations) + sizeof out->operations.count);
    out->id = p->id;
    out->kind = p->kind;
    out->status = p->status;
    out->payer = p->payer;
    out->payee = p->payee;
    memcpy(out->currency.code, p->currency->code, sizeof out->currency.code);
    out->amount = amount(p, p->amount);
    out->amount_capturable = amount(p, held ? p->amount - p->captured : 0);
    out->amount_captured = amount(p, p->captured);
    out->amount_refunded = amount(p, p->refunded);
    out->amount_refundable = amount(p, p->refundable);
    out->fee = amount(p, fee_of(p, p->amount));
    out->fee_captured = amount(p, p->fee_captured);
    out->capture = p->capture;
    out->effective_at = p->effective_ns;
    out->created_at = p->created_ns;
    out->updated_at = p->updated_ns;
    out->version = p->version;
    out->durability = BODY_LOCAL;
    show_optional(p, out);
    show_splits(p, out);
    if (p->operation_count == 0) return;
    for (unsigned i = 0; i < p->operation_count; i++)
        show_operation(p, &p->operations[i], &out->operations.rows[out->operations.count++]);
    out->present |= RECORD_BIT(payment_body, operations);
}

/* --- how its wallets stand --- */

static void show_balance(const struct payments *service, const struct payment *p,
                         struct account_id wallet, struct payment_body *out)
{
    mp_ledger *ledger = service->context->reads;
    struct balance_after *show = &out->balances_after.rows[out->balances_after.count];
    uint64_t sequence = ledger_newest(ledger);
    mp_balance sums;

    if (mp_read_balance(ledger, id_of_uuid(wallet.uuid), &sums) != MP_OK) return;
    if (sums.credits_posted > (mp_amount)AMOUNT_MAX || sums.debits_posted > (mp_amount)AMOUNT_MAX ||
        sums.debits_pending > (mp_amount)AMOUNT_MAX)
        return; /* more than the API's 18 digits */
    show->account = wallet;
    show->posted = amount(p, (int64_t)sums.credits_posted - (int64_t)sums.debits_posted);
    show->available = amount(p, (int64_t)sums.credits_posted - (int64_t)sums.debits_posted -
                                    (int64_t)sums.debits_pending);
    ledger_place_print(ledger, p->books.live, sequence, show->sequence);
    out->balances_after.count++;
}

/* Payer and payees, but for those outside: the bank, cash, a rail. */
static void show_balances(const struct payments *service, const struct payment *p,
                          struct payment_body *out)
{
    unsigned payees = p->leg_count - (p->fee_leg ? 1 : 0);

    if (service->context->reads == NULL) return;
    if (p->kind != KIND_DEPOSIT) show_balance(service, p, p->payer, out);
    if (p->kind != KIND_WITHDRAWAL && p->scheme[0] == '\0')
        for (unsigned i = 0; i < payees; i++) show_balance(service, p, p->legs[i].credit, out);
    if (out->balances_after.count > 0) out->present |= RECORD_BIT(payment_body, balances_after);
}

/* --- answers --- */

static void set_sequence(struct http_exchange *exchange, const struct payment *p)
{
    const struct payments *service = exchange->service;

    ledger_place_header(service->context->reads, exchange, p->sequence);
}

static void add_amount(const struct payment *p, const char *name, int64_t minor, struct error *err)
{
    char text[AMOUNT_TEXT_MAX];

    amount_print(amount_of(minor, p->currency), text);
    error_member(err, name, "%s", text);
}

/* What the payer has now, and what it lacks. */
static void add_missing(const struct payments *service, const struct payment *p, int64_t needed,
                        struct error *err)
{
    int64_t available;
    mp_balance balance;
    char payer[UUID_TEXT + 1];

    if (service->context->reads == NULL ||
        mp_read_balance(service->context->reads, id_of_uuid(p->payer.uuid), &balance) != MP_OK)
        return;
    available = (int64_t)(balance.credits_posted - balance.debits_posted - balance.debits_pending);
    uuid_print(p->payer.uuid, payer);
    error_member(err, "account", "%s", payer);
    add_amount(p, "available", available > 0 ? available : 0, err);
    add_amount(p, "needed", needed, err);
    /* it may have got money since */
    if (needed > available) add_amount(p, "missing", needed - available, err);
}

/* Why a payment that ended badly did. */
static void failure(const struct payments *service, const struct payment *p, struct error *err)
{
    char text[AMOUNT_TEXT_MAX];

    amount_print(amount_of(p->amount, p->currency), text);
    error_set(err, p->reason, "the payment of %s %s %s", text, p->currency->code,
              p->status == STATUS_CANCELLED ? "was cancelled" : "failed");
    if (p->reason == REASON_INSUFFICIENT_FUNDS)
        add_missing(service, p, p->amount + fee_of(p, p->amount), err);
}

/* The operation that an exchange asked for; NULL: it asked for the payment as a whole. */
static const struct operation *asked_operation(const struct asked *asked, const struct payment *p)
{
    for (unsigned i = 0; i < p->operation_count; i++)
        if (p->operations[i].step == asked->step &&
            uuid_equal(p->operations[i].id, asked->operation))
            return &p->operations[i];
    return NULL;
}

static bool is_answered(const struct asked *asked, const struct payment *p)
{
    const struct operation *op;

    if (asked->step == 0) return payment_is_settled(p);
    if (asked->step == STEP_VOID) return status_is_final(p->status);
    op = asked_operation(asked, p);
    return op != NULL && op->state != OPERATION_SENT;
}

static void answer_problem(struct http_exchange *exchange, const struct payment *p,
                           struct error *err)
{
    static struct payment_body body;

    payment_show(p, &body);
    http_answer_problem_with(exchange, err, "payment", &payment_body_record, &body);
}

static void answer_payment(struct http_exchange *exchange, unsigned status, const struct payment *p)
{
    static struct payment_body body;
    char id[UUID_TEXT + 1], location[80];

    payment_show(p, &body);
    uuid_print(p->id, id);
    snprintf(location, sizeof location, "/api/v1/payments/%s", id);
    http_set_header(exchange, "Location", location);
    set_sequence(exchange, p);
    if (exchange->route->method != HTTP_GET) show_balances(exchange->service, p, &body);
    http_answer_record(exchange, status, &body);
}

static bool failed_badly(const struct payments *service, const struct asked *asked,
                         const struct payment *p, struct error *err)
{
    const struct operation *op;

    if (asked->step == 0) {
        if (p->status != STATUS_FAILED && p->status != STATUS_CANCELLED) return false;
        failure(service, p, err);
        return true;
    }
    if (asked->step == STEP_VOID) { /* a cancel: the ledger has said what became of it */
        if (p->status == STATUS_CANCELLED || p->status == STATUS_FAILED) return false;
        error_set(err, REASON_PAYMENT_CAPTURED, "the payment was captured before it was cancelled");
        error_hint(err, "Refund it by POST refunds.");
        return true;
    }
    op = asked_operation(asked, p);
    if (op == NULL || op->state != OPERATION_REFUSED) return false;
    error_set(err, op->reason != REASON_NONE ? op->reason : REASON_INTERNAL,
              "the ledger refused the %s",
              asked->step == STEP_CAPTURE    ? "capture"
              : asked->step == STEP_INCREASE ? "increment"
              : asked->step == STEP_EXTEND   ? "extension"
                                             : "refund");
    if (op->reason == REASON_INSUFFICIENT_FUNDS && asked->step == STEP_INCREASE)
        add_missing(service, p, op->amount + op->fee, err);
    return true;
}

bool payment_answer(struct http_exchange *exchange, const struct payment *p, bool now)
{
    const struct asked *asked = exchange->user;
    bool answered = is_answered(asked, p);
    struct error err = {0};

    if (!answered && !now) return false;
    if (asked->replayed) http_set_header(exchange, "Idempotent-Replayed", "true");
    if (answered && failed_badly(exchange->service, asked, p, &err))
        answer_problem(exchange, p, &err);
    else
        answer_payment(exchange, answered ? exchange->route->success : 202, p);
    return true;
}

static bool tell_one(struct http_exchange *exchange, void *context)
{
    struct asked *asked = exchange->user;
    const struct payment *p = context;

    if (payment_answer(exchange, p, false)) return true;
    asked_remember(asked, p);
    return false;
}

void payment_tell(struct payments *service, const struct payment *p)
{
    if (!waiting_for(service->waiting, p->id)) return;
    waiting_tell(service->waiting, p->id, tell_one, (void *)p);
}

/* --- what an exchange remembers while it waits --- */

void asked_remember(struct asked *asked, const struct payment *p)
{
    asked_forget(asked);
    asked->seen = payment_make();
    *asked->seen = *p;
    asked->seen->operations = need_memory(p->operation_count * sizeof *p->operations);
    memcpy(asked->seen->operations, p->operations, p->operation_count * sizeof *p->operations);
    for (unsigned i = 0; i < p->operation_count; i++) asked->seen->operations[i].chain = NULL;
}

void asked_forget(struct asked *asked)
{
    payment_free(asked->seen);
    asked->seen = NULL;
}

static void forget(struct http_exchange *exchange)
{
    struct asked *asked = exchange->user;

    asked_forget(asked);
    free(asked);
    exchange->user = NULL;
}

struct asked *asked_make(struct http_exchange *exchange)
{
    struct asked *asked = need_memory(sizeof *asked);

    exchange->user = asked;
    exchange->forget = forget;
    return asked;
}

static void time_over(struct http_exchange *exchange)
{
    const struct asked *asked = exchange->user;

    payment_answer(exchange, asked->seen, true);
}

void payment_wait(struct payments *service, struct http_exchange *exchange)
{
    struct asked *asked = exchange->user;

    if (payment_answer(exchange, asked->seen, false)) return;
    waiting_add(service->waiting, asked->seen->id, exchange, exchange->wait_ms, time_over);
}

void payment_answer_shown(struct http_exchange *exchange)
{
    const struct asked *asked = exchange->user;

    answer_payment(exchange, 200, asked->seen);
}
