/*
 * The table of states: what each thing that can happen does to a payment.
 *
 * Three rules hold it together. A final status is set in finish() and on_captured() alone, behind a
 * result of the ledger. Once giving up, nothing but the answer of the void or bind, an expiry, or a
 * capture that was already out moves the payment. What comes late, twice or out of order finds the
 * operation answered, and changes nothing.
 */
#include "payment.h"

#include <string.h>

static const uint64_t day_ns = UINT64_C(86400000000000);

const struct payment_policy payment_policy_default = {
    .fraud_timeout_ns = UINT64_C(2000000000),
    .reserve_timeout_ns = UINT64_C(30000000000),
    .capture_timeout_ns = UINT64_C(60000000000),
    .review_timeout_ns = UINT64_C(259200000000000),
    .automatic_hold_s = 120,
    .review_hold_s = 172800,
    .without_verdict = VERDICT_REVIEW,
};

/* A step's circumstances */
struct step_of {
    struct payment *p;
    const struct payment_input *input;
    const struct payment_policy *policy;
    uint64_t now;
    struct payment_effects *effects;
};

void effects_event(struct payment_effects *effects, enum payment_event kind, unsigned operation)
{
    if (effects->event_count == EFFECTS_MAX) {
        effects->alert = true;
        return;
    }
    effects->events[effects->event_count].kind = kind;
    effects->events[effects->event_count++].operation = operation;
}

static void set_status(struct payment *p, enum payment_status status) { p->status = status; }

/* --- the end --- */

static bool is_out(const struct payment *p, enum step step)
{
    for (unsigned i = 0; i < p->operation_count; i++)
        if (p->operations[i].step == step && p->operations[i].state == OPERATION_SENT) return true;
    return false;
}

/* What was asked for and hasn't been captured counts no longer; the payment itself only if nothing
 * of it was captured. */
static void give_limits_back(struct step_of *s)
{
    s->effects->limits_back += s->p->amount - s->p->captured;
    s->effects->limits_back_one |= s->p->captured == 0;
}

/* The hold has ended, or never was: the payment ends with what was captured. */
static void finish(struct step_of *s, enum reason reason)
{
    struct payment *p = s->p;

    if (status_is_final(p->status)) return;
    give_limits_back(s);
    if (p->captured > 0) {
        p->refundable = p->captured;
        if (p->scheme[0] != '\0') p->rail = RAIL_WANTED;
        set_status(p, STATUS_COMPLETED);
        effects_event(s->effects, EVENT_COMPLETED, 0);
        return;
    }
    p->reason = p->giving_up != REASON_NONE ? p->giving_up : reason;
    if (p->reason == REASON_CANCELLED_BY_CALLER || p->reason == REASON_HOLD_EXPIRED) {
        set_status(p, STATUS_CANCELLED);
        effects_event(s->effects, EVENT_CANCELLED, 0);
    } else {
        set_status(p, STATUS_FAILED);
        effects_event(s->effects, EVENT_FAILED, 0);
    }
}

/* Nothing of the hold is left. A capture that is out may have taken it: then its answer decides. */
static void hold_ended(struct step_of *s, enum reason reason)
{
    struct payment *p = s->p;

    p->hold = HOLD_ENDED;
    if (!is_out(p, STEP_CAPTURE)) {
        finish(s, reason);
    } else if (p->giving_up == REASON_NONE) {
        p->giving_up = reason;
    }
}

/* --- giving up --- */

static void give_up(struct step_of *s, enum reason reason)
{
    struct payment *p = s->p;

    if (status_is_final(p->status) || p->giving_up != REASON_NONE) return;
    p->giving_up = reason;
    if (p->hold == HOLD_OPEN)
        send_void(p, s->now, s->effects);
    else if (p->hold == HOLD_UNKNOWN)
        send_bind(p, s->now, s->effects);
}

/* --- going on --- */

static uint64_t capture_deadline(const struct payment *p, const struct payment_policy *policy)
{
    return (p->review_ns != 0 ? p->review_ns : p->created_ns) + policy->capture_timeout_ns;
}

static void start_review(struct step_of *s)
{
    s->p->review_ns = s->now;
    set_status(s->p, STATUS_IN_REVIEW);
    effects_event(s->effects, EVENT_REVIEW_STARTED, 0);
}

static void allowed(struct step_of *s)
{
    struct payment *p = s->p;

    if (p->capture == CAPTURE_MANUAL) {
        set_status(p, STATUS_REQUIRES_CAPTURE);
        return;
    }
    set_status(p, STATUS_PROCESSING);
    effects_event(s->effects, EVENT_PROCESSING, 0);
    send_capture(p, p->id, p->amount, true, s->now, s->effects);
}

/* Both the reservation and the verdict are needed, in either order. */
static void proceed(struct step_of *s)
{
    struct payment *p = s->p;

    if (p->status != STATUS_INITIATED || p->giving_up != REASON_NONE) return;
    if (p->verdict == VERDICT_DENY) {
        give_up(s, REASON_FRAUD_DENIED);
        return;
    }
    if (p->hold != HOLD_OPEN || p->verdict == VERDICT_NONE) return;
    if (p->verdict == VERDICT_REVIEW)
        start_review(s);
    else if (p->capture == CAPTURE_AUTOMATIC && s->now >= capture_deadline(p, s->policy))
        give_up(s, REASON_CAPTURE_TIMEOUT);
    else
        allowed(s);
}

/* --- answers of the ledger --- */

static void on_reserved(struct step_of *s)
{
    struct payment *p = s->p;

    if (p->hold != HOLD_UNKNOWN) return;
    p->hold = HOLD_OPEN;
    if (p->hold_until_ns == 0)
        p->hold_until_ns = s->input->answer->timestamp + p->timeout * UINT64_C(1000000000);
    proceed(s);
}

static void on_reserve_refused(struct step_of *s, uint32_t code)
{
    struct payment *p = s->p;

    if (status_is_final(p->status) || p->giving_up != REASON_NONE) return;
    if (!mp_transfer_result_binds(code)) {
        give_up(s, ledger_reason(code));
        return;
    }
    p->hold = HOLD_NEVER;
    finish(s, ledger_reason(code));
}

/* Adds what a capture moved. */
static void book_capture(struct payment *p, const struct operation *op,
                         const struct ledger_answer *answer)
{
    for (unsigned i = 0; i < answer->count; i++) {
        const mp_transfer *moved = &answer->transfers[i];

        for (unsigned leg = 0; leg < p->leg_count; leg++)
            if (moved->pending_id == ledger_id(&p->books, p->id, STEP_RESERVE, 0, leg))
                p->legs[leg].captured += (int64_t)moved->amount;
    }
    p->captured += op->amount;
    p->fee_captured += op->fee;
}

/* Giving up with a void that was refused because of this capture: the rest needs another one. */
static void void_what_is_left(struct step_of *s)
{
    const struct operation *op = payment_operation(s->p, s->p->id, STEP_VOID);

    if (s->p->hold == HOLD_OPEN && op != NULL && op->state == OPERATION_REFUSED)
        send_void(s->p, s->now, s->effects);
}

static void on_captured(struct step_of *s, unsigned index)
{
    struct payment *p = s->p;
    const struct operation *op = &p->operations[index];

    if (status_is_final(p->status)) {
        s->effects->alert = true; /* can't be: it ended before this answer, though it was out */
        return;
    }
    book_capture(p, op, s->input->answer);
    effects_event(s->effects, EVENT_CAPTURED, index);
    if (op->final || p->captured == p->amount) p->hold = HOLD_ENDED;
    if (p->hold == HOLD_ENDED)
        finish(s, REASON_NONE);
    else if (p->giving_up == REASON_NONE)
        set_status(p, STATUS_PARTIALLY_CAPTURED);
    else
        void_what_is_left(s);
}

static void on_capture_refused(struct step_of *s, uint32_t code)
{
    struct payment *p = s->p;

    if (status_is_final(p->status)) return;
    switch (code) {
    case MP_TRANSFER_PENDING_TRANSFER_ALREADY_POSTED:
    case MP_TRANSFER_PENDING_TRANSFER_ALREADY_VOIDED:
    case MP_TRANSFER_PENDING_TRANSFER_EXPIRED: break; /* what ended the hold ends the payment */
    case MP_TRANSFER_EXCEEDS_PENDING_TRANSFER_AMOUNT:
    case MP_TRANSFER_ID_BOUND: /* the same, but its first answer was lost */
        if (p->giving_up == REASON_NONE)
            set_status(p, p->captured > 0 ? STATUS_PARTIALLY_CAPTURED : STATUS_REQUIRES_CAPTURE);
        break;
    default: give_up(s, ledger_reason(code));
    }
    if (p->hold == HOLD_ENDED)
        finish(s, p->giving_up);
    else if (p->giving_up != REASON_NONE)
        void_what_is_left(s);
}

static void on_voided(struct step_of *s) { hold_ended(s, s->p->giving_up); }

static bool hold_has_more(const struct payment *p)
{
    for (unsigned i = 0; i < p->leg_count; i++)
        if (p->legs[i].captured < p->legs[i].held) return true;
    return false;
}

static void on_void_refused(struct step_of *s, uint32_t code)
{
    struct payment *p = s->p;

    if (status_is_final(p->status)) return;
    switch (code) {
    case MP_TRANSFER_PENDING_TRANSFER_ALREADY_VOIDED:
    case MP_TRANSFER_PENDING_TRANSFER_EXPIRED: hold_ended(s, p->giving_up); break;
    case MP_TRANSFER_PENDING_TRANSFER_ALREADY_POSTED:
        /* A capture took a leg whole before the void came: its answer says what is left. */
        if (is_out(p, STEP_CAPTURE)) break;
        if (p->hold == HOLD_OPEN && hold_has_more(p))
            send_void(p, s->now, s->effects);
        else
            hold_ended(s, p->giving_up);
        break;
    default: s->effects->alert = true; /* not_found: stays listed */
    }
}

static void on_bound(struct step_of *s, uint32_t code)
{
    struct payment *p = s->p;

    if (status_is_final(p->status)) return;
    if (code == MP_TRANSFER_ID_BOUND || code == MP_TRANSFER_ID_ALREADY_FAILED) {
        p->hold = HOLD_NEVER;
        finish(s, p->giving_up);
        return;
    }
    if (p->hold == HOLD_UNKNOWN) p->hold = HOLD_OPEN; /* it exists: the reservation was applied */
    if (p->hold == HOLD_OPEN) send_void(p, s->now, s->effects);
}

static void on_increased(struct step_of *s, const struct operation *op)
{
    struct payment *p = s->p;
    const struct ledger_answer *answer = s->input->answer;

    if (status_is_final(p->status)) return;
    for (unsigned i = 0; i < answer->count; i++)
        for (unsigned leg = 0; leg < p->leg_count; leg++)
            if (answer->transfers[i].pending_id ==
                ledger_id(&p->books, p->id, STEP_RESERVE, 0, leg))
                p->legs[leg].held += (int64_t)answer->transfers[i].amount;
    p->amount += op->amount;
}

static void on_extended(struct step_of *s, const struct operation *op)
{
    uint64_t until = s->input->answer->timestamp + op->seconds * UINT64_C(1000000000);

    s->p->hold_until_ns = until;
}

static void on_expiry(struct step_of *s)
{
    struct payment *p = s->p;

    if (status_is_final(p->status) || p->hold == HOLD_ENDED) return;
    hold_ended(s, REASON_HOLD_EXPIRED);
}

static void on_applied(struct step_of *s, unsigned index)
{
    struct operation *op = &s->p->operations[index];

    op->state = OPERATION_APPLIED;
    switch (op->step) {
    case STEP_RESERVE: on_reserved(s); break;
    case STEP_CAPTURE: on_captured(s, index); break;
    case STEP_INCREASE: on_increased(s, op); break;
    case STEP_EXTEND: on_extended(s, op); break;
    case STEP_VOID: on_voided(s); break;
    case STEP_CONFIRM: break;
    default: s->effects->alert = true;
    }
}

static void on_refused(struct step_of *s, unsigned index, uint32_t code)
{
    struct operation *op = &s->p->operations[index];
    bool by_itself = uuid_equal(op->id, s->p->id);

    op->state = OPERATION_REFUSED;
    op->reason = ledger_reason(code);
    switch (op->step) {
    case STEP_RESERVE: on_reserve_refused(s, code); break;
    case STEP_CAPTURE: on_capture_refused(s, code); break;
    case STEP_VOID: on_void_refused(s, code); break;
    case STEP_EXTEND: /* the review's own */
        if (by_itself && s->p->status == STATUS_IN_REVIEW) give_up(s, op->reason);
        break;
    default: break;
    }
}

/* The operation that an answer is for: each chain's first id is its own; a bind_id has that of the
 * chain that it binds. -1: none of this payment's. */
static int answered_operation(const struct payment *p, const struct ledger_answer *answer)
{
    struct chain chain;

    for (unsigned i = 0; i < p->operation_count; i++) {
        const struct operation *op = &p->operations[i];

        if ((op->step == STEP_BIND) != answer->bind) continue;
        if (operation_chain(op, &chain) && chain_id(&chain) == answer->command) return (int)i;
    }
    return -1;
}

static void on_answer(struct step_of *s)
{
    const struct ledger_answer *answer = s->input->answer;
    struct operation *op;
    int index;

    if (answer->expiry) {
        on_expiry(s);
        return;
    }
    index = answered_operation(s->p, answer);
    if (index < 0 || s->p->operations[index].state != OPERATION_SENT) return; /* known already */
    op = &s->p->operations[index];
    op->code = answer->code;
    op->answered_ns = s->now;
    op->sequence = answer->sequence;
    op->row = op->row == ROW_NEW ? ROW_NEW : ROW_CHANGED;
    if (answer->sequence > s->p->sequence) s->p->sequence = answer->sequence;
    if (op->step == STEP_REFUND || op->step == STEP_RETURN) {
        refund_answered(s->p, (unsigned)index, answer, s->now, s->effects);
    } else if (answer->bind) {
        op->state = OPERATION_APPLIED;
        on_bound(s, answer->code);
    } else if (answer->applied) {
        on_applied(s, (unsigned)index);
    } else {
        on_refused(s, (unsigned)index, answer->code);
    }
}

/* --- time --- */

static void extend_review(struct step_of *s)
{
    struct payment *p = s->p;

    if (p->hold_until_ns == 0 || s->now + day_ns < p->hold_until_ns) return;
    send_extend(p, p->id, s->policy->review_hold_s, s->now, s->effects);
}

static void on_time(struct step_of *s)
{
    struct payment *p = s->p;

    refund_time(p, s->now, s->effects);
    if (status_is_final(p->status) || p->giving_up != REASON_NONE) return;
    if (p->status == STATUS_INITIATED) {
        if (s->now >= p->created_ns + s->policy->reserve_timeout_ns) {
            give_up(s, REASON_RESERVE_TIMEOUT);
        } else if (p->verdict == VERDICT_NONE &&
                   s->now >= p->created_ns + s->policy->fraud_timeout_ns) {
            p->verdict = s->policy->without_verdict;
            proceed(s);
        }
    }
    if (p->status == STATUS_IN_REVIEW && p->giving_up == REASON_NONE) {
        if (s->now >= p->review_ns + s->policy->review_timeout_ns)
            give_up(s, REASON_REVIEW_TIMEOUT);
        else
            extend_review(s);
    }
}

static uint64_t sooner(uint64_t due, uint64_t other)
{
    return due == 0 || (other != 0 && other < due) ? other : due;
}

uint64_t payment_due(const struct payment *p, const struct payment_policy *policy)
{
    uint64_t due = refund_due(p);

    if (status_is_final(p->status) || p->giving_up != REASON_NONE) return due;
    if (p->status == STATUS_INITIATED) {
        if (p->verdict == VERDICT_NONE) due = sooner(due, p->created_ns + policy->fraud_timeout_ns);
        due = sooner(due, p->created_ns + policy->reserve_timeout_ns);
    }
    if (p->status == STATUS_IN_REVIEW) {
        due = sooner(due, p->review_ns + policy->review_timeout_ns);
        if (p->hold_until_ns > day_ns && !is_out(p, STEP_EXTEND))
            due = sooner(due, p->hold_until_ns - day_ns);
    }
    return due;
}

/* --- requests --- */

static enum outcome not_open(const struct payment *p, struct error *err)
{
    if (p->reason == REASON_HOLD_EXPIRED)
        return error_set(err, REASON_HOLD_EXPIRED, "the hold of the payment has expired");
    if (p->status == STATUS_CANCELLED)
        return error_set(err, REASON_PAYMENT_CANCELLED, "the payment was cancelled before");
    if (p->status >= STATUS_COMPLETED && p->status <= STATUS_REFUNDED)
        return error_set(err, REASON_PAYMENT_CAPTURED, "the payment was captured before");
    return error_set(err, REASON_PAYMENT_NOT_OPEN, "the payment is %s%s",
                     payment_statuses[p->status - 1],
                     p->giving_up != REASON_NONE ? " and being given up" : "");
}

static enum outcome too_large(const struct payment *p, int64_t left, struct error *err)
{
    char text[AMOUNT_TEXT_MAX];

    amount_print(amount_of(left, p->currency), text);
    error_set(err, REASON_AMOUNT_TOO_LARGE, "the amount is more than the %s %s that is left", text,
              p->currency->code);
    error_member(err, "left", "%s", text);
    error_member(err, "currency", "%s", p->currency->code);
    return err->outcome;
}

static bool is_capturable(const struct payment *p)
{
    return p->giving_up == REASON_NONE &&
           (p->status == STATUS_REQUIRES_CAPTURE || p->status == STATUS_PARTIALLY_CAPTURED);
}

static enum outcome no_room(struct error *err)
{
    error_set(err, REASON_PAYMENT_NOT_OPEN, "the payment has %u operations, and takes no more",
              OPERATIONS_MAX);
    return err->outcome;
}

static enum outcome request_capture(struct step_of *s, struct error *err)
{
    struct payment *p = s->p;
    int64_t left = p->amount - p->captured;
    int64_t amount = s->input->amount == 0 ? left : s->input->amount;

    if (!is_capturable(p)) return not_open(p, err);
    if (amount > left) return too_large(p, left, err);
    if (p->operation_count == OPERATIONS_MAX) return no_room(err);
    set_status(p, STATUS_PROCESSING);
    send_capture(p, s->input->operation, amount, s->input->final || amount == left, s->now,
                 s->effects);
    memcpy(p->operations[p->operation_count - 1].fingerprint, s->input->fingerprint, 32);
    return OUTCOME_DONE;
}

static enum outcome request_increase(struct step_of *s, struct error *err)
{
    struct payment *p = s->p;
    bool extends = s->input->kind == INPUT_EXTEND;

    if (!is_capturable(p) && (p->status != STATUS_IN_REVIEW || p->giving_up != REASON_NONE))
        return not_open(p, err);
    if (!extends && s->input->amount > AMOUNT_MAX - p->amount)
        return too_large(p, AMOUNT_MAX - p->amount, err);
    if (!extends && is_out(p, STEP_INCREASE)) /* its fee depends on the one before */
        return error_set(err, REASON_BUSY, "another increment of the payment is under way");
    if (p->operation_count == OPERATIONS_MAX) return no_room(err);
    if (extends)
        send_extend(p, s->input->operation, s->input->seconds, s->now, s->effects);
    else
        send_increase(p, s->input->operation, s->input->amount, s->now, s->effects);
    memcpy(p->operations[p->operation_count - 1].fingerprint, s->input->fingerprint, 32);
    return OUTCOME_DONE;
}

static enum outcome request_cancel(struct step_of *s, struct error *err)
{
    if (status_is_final(s->p->status)) {
        if (s->p->status == STATUS_CANCELLED) return OUTCOME_DONE;
        return not_open(s->p, err);
    }
    give_up(s, REASON_CANCELLED_BY_CALLER);
    return OUTCOME_DONE;
}

static enum outcome request_review(struct step_of *s, struct error *err)
{
    struct payment *p = s->p;

    bool allow = s->input->verdict == VERDICT_ALLOW;

    if (p->review_ns != 0 &&
        (allow ? p->verdict == VERDICT_ALLOW : p->giving_up == REASON_REVIEW_DENIED))
        return OUTCOME_DONE; /* decided so before */
    if (p->status != STATUS_IN_REVIEW || p->giving_up != REASON_NONE) return not_open(p, err);
    if (!allow) {
        give_up(s, REASON_REVIEW_DENIED);
        return OUTCOME_DONE;
    }
    p->verdict = VERDICT_ALLOW;
    allowed(s);
    return OUTCOME_DONE;
}

static void on_verdict(struct step_of *s)
{
    struct payment *p = s->p;

    if (p->verdict != VERDICT_NONE) return; /* late, or told twice */
    p->verdict = s->input->verdict;
    proceed(s);
}

static enum outcome dispatch(struct step_of *s, struct error *err)
{
    switch (s->input->kind) {
    case INPUT_CREATED:
        effects_event(s->effects, EVENT_INITIATED, 0);
        send_reserve(s->p, s->now, s->effects);
        proceed(s);
        return OUTCOME_DONE;
    case INPUT_ANSWER: on_answer(s); return OUTCOME_DONE;
    case INPUT_VERDICT: on_verdict(s); return OUTCOME_DONE;
    case INPUT_TIME: on_time(s); return OUTCOME_DONE;
    case INPUT_FREEZE: give_up(s, s->input->reason); return OUTCOME_DONE;
    case INPUT_CANCEL: return request_cancel(s, err);
    case INPUT_REVIEW: return request_review(s, err);
    case INPUT_CAPTURE: return request_capture(s, err);
    case INPUT_INCREASE:
    case INPUT_EXTEND: return request_increase(s, err);
    case INPUT_HANDED_OVER:
        if (s->p->rail == RAIL_WANTED) s->p->rail = RAIL_SENT;
        return OUTCOME_DONE;
    case INPUT_CONFIRMED:
        if (s->p->rail != RAIL_WANTED && s->p->rail != RAIL_SENT) return OUTCOME_DONE;
        s->p->rail = RAIL_CONFIRMED;
        send_confirm(s->p, s->now, s->effects);
        return OUTCOME_DONE;
    case INPUT_RETURN:
        if (s->p->rail != RAIL_WANTED && s->p->rail != RAIL_SENT) return OUTCOME_DONE;
        return refund_request(s->p, s->input, s->now, s->effects, err);
    case INPUT_REFUND:
        if (s->p->scheme[0] != '\0')
            return error_set(err, REASON_PAYMENT_NOT_OPEN,
                             "a payment to somebody outside is given back by its rail alone");
        return refund_request(s->p, s->input, s->now, s->effects, err);
    }
    return error_set(err, REASON_INTERNAL, "there is no input of kind %d", (int)s->input->kind);
}

enum outcome payment_step(struct payment *p, const struct payment_input *input,
                          const struct payment_policy *policy, uint64_t now_ns,
                          struct payment_effects *effects, struct error *err)
{
    struct step_of s = {p, input, policy, now_ns, effects};
    enum outcome outcome;

    memset(effects, 0, sizeof *effects);
    outcome = dispatch(&s, err);
    if (outcome != OUTCOME_DONE) return outcome;
    p->updated_ns = now_ns;
    p->version++;
    p->changed = true;
    return OUTCOME_DONE;
}
