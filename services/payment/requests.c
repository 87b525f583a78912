/* Requests that start or change a payment: read, checked, stepped in a turn, answered when the
 * ledger has. */
#include "payments.h"

#include "http/idempotency.h"
#include "rail/rail.h"
#include "wire/buffer.h"
#include "wire/times.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOLD_DEFAULT_S = 7 * 86400, HOLD_MAX_S = 31 * 86400 };

struct request_work {
    struct work work;
    struct payments *service;
    struct http_exchange *exchange;
    struct uuid id;              /* the payment's */
    struct payment *made;        /* a new one; owned until it is a row's */
    struct payment_input input;  /* what is asked of one that is there */
    enum step step;              /* of the operation that is waited for; 0 = the payment */
    struct uuid reference_owner; /* payment that has the reference */
    struct amount amount;        /* of the request, before the currency is known */
    bool has_amount;
    unsigned simulation;       /* enum simulation */
    struct account_id unknown; /* an account to be asked for */
    bool asks;
};

/* --- making one --- */

static void read_amount(struct amount amount, const struct currency *currency, const char *field,
                        bool zero, int64_t *out, struct error *err)
{
    if (!amount_minor(amount, currency, out))
        error_fault(err, field, "has more than the %u digits of %s, or is too large",
                    currency->digits, currency->code);
    else if (*out == 0 && !zero)
        error_fault(err, field, "must be above zero");
}

static void read_splits(const struct payment_request *body, struct payment *p, struct error *err)
{
    int64_t left = p->amount;

    p->leg_count = 1;
    p->legs[0].credit = p->payee;
    for (unsigned i = 0; i < body->splits.count; i++) {
        struct leg *leg = &p->legs[p->leg_count++];
        char field[48];

        snprintf(field, sizeof field, "/splits/%u/amount", i);
        leg->credit = body->splits.rows[i].payee;
        read_amount(body->splits.rows[i].amount, p->currency, field, false, &leg->held, err);
        if (leg->held > left)
            error_fault(err, field, "the splits are more than the amount");
        else
            left -= leg->held;
        if (uuid_equal(leg->credit.uuid, p->payer.uuid))
            error_fault(err, field, "the payer can't be a payee");
    }
    p->legs[0].held = left;
}

static void read_fee(const struct payment_request *body, struct payment *p, struct error *err)
{
    if ((body->present & RECORD_BIT(payment_request, fee)) == 0) return;
    if ((body->fee.present & RECORD_BIT(payment_fee, fixed)) != 0)
        read_amount(body->fee.fixed, p->currency, "/fee/fixed", true, &p->fee_fixed, err);
    p->fee_ppm = (int64_t)body->fee.ppm;
    p->fee_leg = true;
    if (fee_of(p, p->amount) > AMOUNT_MAX - p->amount)
        error_fault(err, "/fee", "amount and fee are too large together");
    p->legs[p->leg_count].held = fee_of(p, p->amount);
    p->legs[p->leg_count++].credit.uuid = uuid_of_id(
        system_account(&p->books, p->currency->code, ACCOUNT_CODE_FEES, (struct uuid){{0}}));
}

/* A wallet, or somebody outside: then the money is held in transit. */
static void read_payee(const struct payment_request *body, struct payment *p, struct error *err)
{
    bool inside = (body->present & RECORD_BIT(payment_request, payee)) != 0;
    bool outside = (body->present & RECORD_BIT(payment_request, external)) != 0;

    if (inside == outside) {
        error_fault(err, "/payee", "either payee or external is needed");
        return;
    }
    p->payee = body->payee;
    if (!outside) return;
    if (!rail_scheme_is_valid(body->external.scheme))
        error_fault(err, "/external/scheme", "must be a word of [a-z0-9_-]");
    if (body->splits.count > 0) error_fault(err, "/splits", "don't go with a payee outside");
    memcpy(p->scheme, body->external.scheme, sizeof body->external.scheme);
    memcpy(p->identifier, body->external.identifier, sizeof body->external.identifier);
    p->payee.uuid = uuid_of_id(
        system_account(&p->books, p->currency->code, ACCOUNT_CODE_IN_TRANSIT, (struct uuid){{0}}));
}

static uint32_t read_hold(const struct payment_request *body, const struct payment *p,
                          const struct payment_policy *policy, struct error *err)
{
    bool given = (body->present & RECORD_BIT(payment_request, hold_for)) != 0;

    if (p->capture == CAPTURE_AUTOMATIC) {
        if (given) error_fault(err, "/hold_for", "goes with manual capture alone");
        return policy->automatic_hold_s;
    }
    if (!given) return HOLD_DEFAULT_S;
    if (body->hold_for < 1 || body->hold_for > HOLD_MAX_S)
        error_fault(err, "/hold_for", "must be PT1S to P31D");
    return (uint32_t)body->hold_for;
}

static void begin(struct http_exchange *exchange, struct payment *p)
{
    p->id = idempotency_id(exchange);
    p->fresh = true;
    memcpy(p->books.tenant, exchange->caller.tenant, sizeof p->books.tenant);
    p->books.live = exchange->caller.live;
    p->owner = exchange->caller.owner;
    p->status = STATUS_INITIATED;
    p->created_ns = loop_now_ns(exchange->loop);
    p->effective_ns = p->created_ns;
    idempotency_fingerprint(exchange, p->fingerprint);
}

static struct payment *read_payment(struct payments *service, struct http_exchange *exchange,
                                    struct error *err)
{
    const struct payment_request *body = exchange->input;
    struct payment *p = payment_make();

    begin(exchange, p);
    p->kind = KIND_PAYMENT;
    p->payer = body->payer;
    p->currency = currency_find(body->currency.code);
    p->capture = body->capture == 0 ? CAPTURE_AUTOMATIC : (enum capture_mode)body->capture;
    p->refund_fees =
        body->refund_fees == 0 ? REFUND_FEES_NONE : (enum refund_fees)body->refund_fees;
    if (p->currency == NULL) {
        error_fault(err, "/currency", "is no currency of ISO 4217");
        return p;
    }
    read_payee(body, p, err);
    read_amount(body->amount, p->currency, "/amount", false, &p->amount, err);
    p->timeout = read_hold(body, p, &service->policy, err);
    read_splits(body, p, err);
    read_fee(body, p, err);
    if ((body->present & RECORD_BIT(payment_request, reference)) != 0)
        memcpy(p->reference, body->reference, sizeof p->reference);
    if ((body->present & RECORD_BIT(payment_request, effective_at)) != 0)
        p->effective_ns = body->effective_at;
    if (err->fault_count == 0 && uuid_equal(p->payer.uuid, p->payee.uuid))
        error_set(err, REASON_SAME_ACCOUNT, "payer and payee are the same account");
    return p;
}

static struct payment *read_money(struct http_exchange *exchange, enum payment_kind kind,
                                  struct error *err)
{
    const struct money_request *body = exchange->input;
    struct account_id wallet = {exchange->params[0]}, system;
    struct payment *p = payment_make();

    begin(exchange, p);
    p->kind = kind;
    p->capture = CAPTURE_AUTOMATIC;
    p->refund_fees = REFUND_FEES_NONE;
    p->verdict = VERDICT_ALLOW;
    p->timeout = payment_policy_default.automatic_hold_s;
    p->currency = currency_find(body->currency.code);
    if (p->currency == NULL) {
        error_fault(err, "/currency", "is no currency of ISO 4217");
        return p;
    }
    read_amount(body->amount, p->currency, "/amount", false, &p->amount, err);
    system.uuid = uuid_of_id(system_account(
        &p->books, p->currency->code,
        body->source == BODY_CASH ? ACCOUNT_CODE_CASH : ACCOUNT_CODE_BANK, (struct uuid){{0}}));
    p->payer = kind == KIND_DEPOSIT ? system : wallet;
    p->payee = kind == KIND_DEPOSIT ? wallet : system;
    p->leg_count = 1;
    p->legs[0] = (struct leg){.credit = p->payee, .held = p->amount};
    if ((body->present & RECORD_BIT(money_request, reference)) != 0)
        memcpy(p->reference, body->reference, sizeof p->reference);
    if ((body->present & RECORD_BIT(money_request, effective_at)) != 0)
        p->effective_ns = body->effective_at;
    return p;
}

/* --- the Simulate header of test mode --- */

enum simulation {
    SIMULATE_NOTHING,
    SIMULATE_INSUFFICIENT_FUNDS,
    SIMULATE_FRAUD_DENY,
    SIMULATE_FRAUD_REVIEW,
    SIMULATE_STEP_TIMEOUT,
    SIMULATE_LATE_EVENT,
    SIMULATE_PAYEE_FROZEN,
    SIMULATIONS,
};

static enum simulation read_simulation(const struct http_exchange *exchange, struct error *err)
{
    static const char *const names[SIMULATIONS] = {
        [SIMULATE_INSUFFICIENT_FUNDS] = "insufficient-funds",
        [SIMULATE_FRAUD_DENY] = "fraud-deny",
        [SIMULATE_FRAUD_REVIEW] = "fraud-review",
        [SIMULATE_STEP_TIMEOUT] = "step-timeout",
        [SIMULATE_LATE_EVENT] = "late-event",
        [SIMULATE_PAYEE_FROZEN] = "payee-frozen",
    };

    if (exchange->simulate == NULL) return SIMULATE_NOTHING;
    for (unsigned i = 1; i < SIMULATIONS; i++)
        if (strcmp(exchange->simulate, names[i]) == 0) return (enum simulation)i;
    error_fault(err, "header Simulate",
                "must be insufficient-funds, fraud-deny, fraud-review, step-timeout, late-event or "
                "payee-frozen");
    return SIMULATE_NOTHING;
}

/* What is known before the payment starts. */
static void simulate_before(struct payments *service, struct payment *p, enum simulation simulation)
{
    if (simulation == SIMULATE_FRAUD_DENY) p->verdict = VERDICT_DENY;
    if (simulation == SIMULATE_FRAUD_REVIEW) p->verdict = VERDICT_REVIEW;
    /* fraud's own verdict will come too late to count */
    if (simulation == SIMULATE_LATE_EVENT) p->verdict = service->policy.without_verdict;
    if (simulation == SIMULATE_INSUFFICIENT_FUNDS) p->beyond_means = true;
}

/* What happens to it right after: the ledger decides on what becomes of that, as always. */
static enum outcome simulate_after(struct request_work *w, struct turn *turn, struct row *row,
                                   struct error *err)
{
    struct payment_input input = {.kind = INPUT_FREEZE};

    if (w->simulation == SIMULATE_PAYEE_FROZEN) input.reason = REASON_ACCOUNT_FROZEN;
    if (w->simulation == SIMULATE_STEP_TIMEOUT) input.reason = REASON_RESERVE_TIMEOUT;
    if (input.reason == REASON_NONE) return OUTCOME_DONE;
    return rows_step(w->service, turn, row, &input, err);
}

/* --- in the turn --- */

static enum outcome request_load(struct work *work, struct turn *turn, struct error *err)
{
    struct request_work *w = (struct request_work *)work;
    struct row *row;
    enum outcome outcome = rows_load(w->service, turn, w->id, &row, err);

    if (outcome == OUTCOME_DONE && w->made != NULL && w->made->reference[0] != '\0')
        outcome = sql_find_reference(turn_store(turn), &w->made->books, w->made->reference,
                                     &w->reference_owner, err);
    return outcome;
}

static bool same_splits(const struct payment *p, const struct payment *other)
{
    unsigned payees = p->leg_count - (p->fee_leg ? 1 : 0);

    if (p->leg_count != other->leg_count) return false;
    for (unsigned i = 1; i < payees; i++)
        if (!uuid_equal(p->legs[i].credit.uuid, other->legs[i].credit.uuid) ||
            p->legs[i].held != other->legs[i].held)
            return false;
    return true;
}

static bool same_effective(const struct payment *p, const struct payment *other)
{
    bool now = p->effective_ns == p->created_ns,
         other_now = other->effective_ns == other->created_ns;

    return now == other_now && (now || p->effective_ns == other->effective_ns);
}

/* Names what differs between two requests with the same key. The fingerprint says quickly that
 * nothing does; "12.5" and "12.50" have two, and are the same. */
static bool is_same(const struct payment *p, const struct payment *other, struct buffer *what)
{
    const struct {
        const char *name;
        bool same;
    } fields[] = {
        {"amount", p->operations[0].amount == other->amount},
        {"currency", p->currency == other->currency},
        {"payer", uuid_equal(p->payer.uuid, other->payer.uuid)},
        {"payee", uuid_equal(p->payee.uuid, other->payee.uuid) &&
                      strcmp(p->scheme, other->scheme) == 0 &&
                      strcmp(p->identifier, other->identifier) == 0},
        {"capture", p->capture == other->capture},
        {"hold_for", p->timeout == other->timeout},
        {"reference", strcmp(p->reference, other->reference) == 0},
        {"effective_at", same_effective(p, other)},
        {"splits", same_splits(p, other)},
        {"fee", p->fee_fixed == other->fee_fixed && p->fee_ppm == other->fee_ppm},
        {"refund_fees", p->refund_fees == other->refund_fees},
    };

    if (memcmp(p->fingerprint, other->fingerprint, FINGERPRINT_BYTES) == 0) return true;
    for (unsigned i = 0; i < sizeof fields / sizeof *fields; i++)
        if (!fields[i].same)
            buffer_format(what, "%s%s", what->length > 0 ? ", " : "", fields[i].name);
    return what->length == 0;
}

static enum outcome replay(struct request_work *w, const struct payment *p, struct error *err)
{
    struct asked *asked = w->exchange->user;
    struct buffer what = {0};

    if (!is_same(p, w->made, &what))
        error_set(err, REASON_KEY_REUSED, "the key was used for a payment with another %s",
                  buffer_str(&what));
    buffer_done(&what);
    if (err->reason != REASON_NONE) return err->outcome;
    asked->replayed = true;
    return OUTCOME_DONE;
}

static bool of_caller(const struct payment *p, const struct caller *caller)
{
    return p->books.live == caller->live && strcmp(p->books.tenant, caller->tenant) == 0;
}

static enum outcome check_account(struct request_work *w, struct turn *turn, struct account_id id,
                                  bool debited, struct error *err)
{
    struct account_copy account;
    const char *side = debited ? "payer" : "payee";
    bool found;
    enum outcome outcome = sql_load_account(turn_store(turn), id, &account, &found, err);

    if (outcome != OUTCOME_DONE) return outcome;
    if (!found && !w->asks) {
        w->unknown = id;
        return error_set(err, REASON_ACCOUNT_NOT_FOUND, "the %s is not known here yet", side);
    }
    if (!found || account.books.live != w->made->books.live ||
        strcmp(account.books.tenant, w->made->books.tenant) != 0)
        return error_set(err, REASON_ACCOUNT_NOT_FOUND, "there is no such %s", side);
    if (account.currency != w->made->currency)
        return error_set(err, REASON_CURRENCY_MISMATCH, "the %s's currency is %s, not %s", side,
                         account.currency->code, w->made->currency->code);
    if (account.status == ACCOUNT_STATUS_CLOSED)
        return error_set(err, REASON_ACCOUNT_CLOSED, "the %s is closed", side);
    if (account.frozen == ACCOUNT_SIDE_ALL ||
        account.frozen == (debited ? ACCOUNT_SIDE_DEBITS : ACCOUNT_SIDE_CREDITS))
        return error_set(err, REASON_ACCOUNT_FROZEN, "the %s is frozen", side);
    w->made->ledger = account.ledger;
    return OUTCOME_DONE;
}

static enum outcome check_accounts(struct request_work *w, struct turn *turn, struct error *err)
{
    struct payment *p = w->made;
    unsigned payees = p->leg_count - (p->fee_leg ? 1 : 0);
    bool inside = p->kind != KIND_WITHDRAWAL && p->scheme[0] == '\0';
    enum outcome outcome = OUTCOME_DONE;

    if (p->kind != KIND_DEPOSIT) outcome = check_account(w, turn, p->payer, true, err);
    for (unsigned i = 0; i < payees && outcome == OUTCOME_DONE && inside; i++)
        outcome = check_account(w, turn, p->legs[i].credit, false, err);
    return outcome;
}

static enum outcome create(struct request_work *w, struct turn *turn, struct row *row,
                           struct error *err)
{
    enum outcome outcome;

    if (w->service->open >= w->service->settings->saga_open_max)
        return error_set(err, REASON_BUSY, "%llu payments wait for the ledger or fraud",
                         (unsigned long long)w->service->open),
               OUTCOME_REFUSED;
    if (!uuid_is_zero(w->reference_owner))
        return error_set(err, REASON_REFERENCE_USED, "the reference \"%s\" was used before",
                         w->made->reference);
    outcome = check_accounts(w, turn, err);
    if (outcome == OUTCOME_DONE) outcome = limits_take(turn, w->made, err);
    if (outcome != OUTCOME_DONE) return outcome;
    row->payment = w->made;
    w->made = NULL;
    w->input.kind = INPUT_CREATED;
    simulate_before(w->service, row->payment, w->simulation);
    outcome = rows_step(w->service, turn, row, &w->input, err);
    return outcome == OUTCOME_DONE ? simulate_after(w, turn, row, err) : outcome;
}

static enum outcome create_apply(struct work *work, struct turn *turn, struct error *err)
{
    struct request_work *w = (struct request_work *)work;
    struct row *row = rows_find(&w->service->rows, w->id);
    struct asked *asked = w->exchange->user;
    enum outcome outcome = OUTCOME_DONE;

    if (row->payment == NULL)
        outcome = create(w, turn, row, err);
    else
        outcome = replay(w, row->payment, err);
    if (outcome == OUTCOME_DONE) asked_remember(asked, row->payment);
    return outcome;
}

static enum outcome read_minor(struct request_work *w, const struct payment *p, struct error *err)
{
    if (!w->has_amount) return OUTCOME_DONE;
    read_amount(w->amount, p->currency, "/amount", false, &w->input.amount, err);
    return err->fault_count > 0 ? OUTCOME_REFUSED : OUTCOME_DONE;
}

static enum outcome change_apply(struct work *work, struct turn *turn, struct error *err)
{
    struct request_work *w = (struct request_work *)work;
    struct row *row = rows_find(&w->service->rows, w->id);
    struct asked *asked = w->exchange->user;
    const struct operation *before;
    enum outcome outcome;

    if (row->payment == NULL || !of_caller(row->payment, &w->exchange->caller))
        return error_set(err, REASON_NOT_FOUND, "there is no such payment");
    before = w->step == STEP_VOID || w->step == 0
                 ? NULL
                 : payment_operation(row->payment, w->input.operation, w->step);
    if (before != NULL) {
        if (memcmp(before->fingerprint, w->input.fingerprint, FINGERPRINT_BYTES) != 0)
            return error_set(err, REASON_KEY_REUSED, "the key was used for another request");
        asked->replayed = true;
        outcome = OUTCOME_DONE;
    } else {
        outcome = read_minor(w, row->payment, err);
        if (outcome == OUTCOME_DONE) outcome = rows_step(w->service, turn, row, &w->input, err);
    }
    if (outcome == OUTCOME_DONE) asked_remember(asked, row->payment);
    return outcome;
}

static enum outcome show_apply(struct work *work, struct turn *turn, struct error *err)
{
    struct request_work *w = (struct request_work *)work;
    struct row *row = rows_find(&w->service->rows, w->id);

    (void)turn;
    if (row->payment == NULL || !of_caller(row->payment, &w->exchange->caller))
        return error_set(err, REASON_NOT_FOUND, "there is no such payment");
    asked_remember(w->exchange->user, row->payment);
    return OUTCOME_DONE;
}

static void request_free(struct request_work *w)
{
    payment_free(w->made);
    free(w);
}

static void ask_done(void *context, const struct error *err);

static void request_done(struct work *work, enum outcome outcome, const struct error *err)
{
    struct request_work *w = (struct request_work *)work;

    if (outcome == OUTCOME_REFUSED && !uuid_is_zero(w->unknown.uuid) && !w->asks) {
        w->asks = true; /* once: what is unknown then doesn't exist */
        accounts_ask(w->service, w->unknown, &w->exchange->caller, ask_done, w);
        return;
    }
    if (outcome == OUTCOME_DONE)
        payment_wait(w->service, w->exchange);
    else
        http_answer_problem(w->exchange, err);
    request_free(w);
}

static void ask_done(void *context, const struct error *err)
{
    struct request_work *w = context;

    if (err != NULL && err->reason != REASON_ACCOUNT_NOT_FOUND) {
        http_answer_problem(w->exchange, err);
        request_free(w);
        return;
    }
    w->unknown = (struct account_id){{{0}}};
    turns_add(w->service->turns, &w->work);
}

static void show_done(struct work *work, enum outcome outcome, const struct error *err)
{
    struct request_work *w = (struct request_work *)work;

    if (outcome == OUTCOME_DONE)
        payment_answer_shown(w->exchange);
    else
        http_answer_problem(w->exchange, err);
    request_free(w);
}

/* --- handlers --- */

static struct request_work *make_work(struct http_exchange *exchange, struct uuid id,
                                      enum outcome (*apply)(struct work *, struct turn *,
                                                            struct error *))
{
    struct request_work *w = need_memory(sizeof *w);

    w->work = (struct work){.load = request_load, .apply = apply, .done = request_done};
    w->service = exchange->service;
    w->exchange = exchange;
    w->id = id;
    asked_make(exchange);
    return w;
}

static void start(struct http_exchange *exchange, struct payment *p, struct error *err)
{
    enum simulation simulation = read_simulation(exchange, err);
    struct request_work *w;

    if (err->reason != REASON_NONE) {
        payment_free(p);
        http_answer_problem(exchange, err);
        return;
    }
    w = make_work(exchange, p->id, create_apply);
    w->made = p;
    w->simulation = simulation;
    turns_add(w->service->turns, &w->work);
}

void payments_create(struct http_exchange *exchange)
{
    struct error err = {0};
    struct payment *p = read_payment(exchange->service, exchange, &err);

    start(exchange, p, &err);
}

void deposits_create(struct http_exchange *exchange)
{
    struct error err = {0};

    start(exchange, read_money(exchange, KIND_DEPOSIT, &err), &err);
}

void withdrawals_create(struct http_exchange *exchange)
{
    struct error err = {0};

    start(exchange, read_money(exchange, KIND_WITHDRAWAL, &err), &err);
}

/* Something is asked of a payment that is there. */
static void change(struct http_exchange *exchange, enum input_kind kind, enum step step,
                   const struct payment_input *input, const struct amount *amount)
{
    struct request_work *w = make_work(exchange, exchange->params[0], change_apply);
    struct asked *asked = exchange->user;

    w->input = *input;
    w->input.kind = kind;
    w->step = step;
    w->input.operation = idempotency_id(exchange);
    idempotency_fingerprint(exchange, w->input.fingerprint);
    if (amount != NULL) {
        w->has_amount = true;
        w->amount = *amount;
    }
    asked->step = step;
    asked->operation = w->input.operation;
    turns_add(w->service->turns, &w->work);
}

void captures_create(struct http_exchange *exchange)
{
    const struct capture_request *body = exchange->input;
    struct payment_input input = {.final = body->final};
    bool has = (body->present & RECORD_BIT(capture_request, amount)) != 0;

    change(exchange, INPUT_CAPTURE, STEP_CAPTURE, &input, has ? &body->amount : NULL);
}

void increments_create(struct http_exchange *exchange)
{
    const struct increment_request *body = exchange->input;
    struct payment_input input = {0};

    change(exchange, INPUT_INCREASE, STEP_INCREASE, &input, &body->amount);
}

void extensions_create(struct http_exchange *exchange)
{
    const struct extension_request *body = exchange->input;
    struct payment_input input = {.seconds = body->hold_for};
    struct error err = {0};

    if (body->hold_for < 1 || body->hold_for > HOLD_MAX_S) {
        error_fault(&err, "/hold_for", "must be PT1S to P31D");
        http_answer_problem(exchange, &err);
        return;
    }
    change(exchange, INPUT_EXTEND, STEP_EXTEND, &input, NULL);
}

void refunds_create(struct http_exchange *exchange)
{
    const struct refund_request_body *body = exchange->input;
    struct payment_input input = {.on_insufficient =
                                      body->on_insufficient == 0
                                          ? INSUFFICIENT_WAIT
                                          : (enum on_insufficient)body->on_insufficient};
    bool has = (body->present & RECORD_BIT(refund_request_body, amount)) != 0;

    change(exchange, INPUT_REFUND, STEP_REFUND, &input, has ? &body->amount : NULL);
}

void payments_cancel(struct http_exchange *exchange)
{
    struct payment_input input = {0};

    change(exchange, INPUT_CANCEL, STEP_VOID, &input, NULL);
}

void payments_review(struct http_exchange *exchange)
{
    const struct review_request *body = exchange->input;
    struct payment_input input = {.verdict = body->decision == BODY_DECISION_ALLOW ? VERDICT_ALLOW
                                                                                   : VERDICT_DENY};

    change(exchange, INPUT_REVIEW, 0, &input, NULL);
}

void payments_get(struct http_exchange *exchange)
{
    struct request_work *w = make_work(exchange, exchange->params[0], show_apply);

    w->work.done = show_done;
    turns_add(w->service->turns, &w->work);
}
