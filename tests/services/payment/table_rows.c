/*
 * The rows of the payment's table, as docs/architecture.md and states.c have them: so that none of
 * them goes untried, and no status changes but by one of them.
 */
#include "table.h"

#include <stdio.h>

/* A step that was committed */
struct taken {
    const struct payment *before, *after;
    const struct payment_input *input;
    const struct operation *op; /* that was answered; NULL = none, or it had been before */
};

static bool from(const struct taken *t, enum payment_status status)
{
    return t->before->status == status;
}
static bool to(const struct taken *t, enum payment_status status)
{
    return t->after->status == status;
}
static bool on(const struct taken *t, enum input_kind kind) { return t->input->kind == kind; }
static bool is_giving_up(const struct payment *p) { return p->giving_up != REASON_NONE; }
static bool gives_up(const struct taken *t)
{
    return !is_giving_up(t->before) && is_giving_up(t->after);
}
static bool stays(const struct taken *t) { return t->before->status == t->after->status; }
static bool answers(const struct taken *t, enum step step)
{
    return t->op != NULL && t->op->step == step;
}
static bool applied(const struct taken *t, enum step step)
{
    return answers(t, step) && t->input->answer->applied;
}
static bool refused(const struct taken *t, enum step step)
{
    return answers(t, step) && !t->input->answer->applied;
}
static bool code(const struct taken *t, uint32_t code) { return t->input->answer->code == code; }
static bool expires(const struct taken *t)
{
    return on(t, INPUT_ANSWER) && t->input->answer->expiry;
}
static bool bound(const struct taken *t)
{
    return answers(t, STEP_BIND) &&
           (code(t, MP_TRANSFER_ID_BOUND) || code(t, MP_TRANSFER_ID_ALREADY_FAILED));
}
static bool hold_over(const struct taken *t)
{
    return code(t, MP_TRANSFER_PENDING_TRANSFER_ALREADY_POSTED) ||
           code(t, MP_TRANSFER_PENDING_TRANSFER_ALREADY_VOIDED) ||
           code(t, MP_TRANSFER_PENDING_TRANSFER_EXPIRED);
}
static bool too_large(const struct taken *t)
{
    return code(t, MP_TRANSFER_EXCEEDS_PENDING_TRANSFER_AMOUNT) || code(t, MP_TRANSFER_ID_BOUND);
}
static bool was_out(const struct taken *t, enum step step)
{
    const struct operation *op =
        payment_operation((struct payment *)t->before, t->before->id, step);

    return op != NULL && op->state == OPERATION_SENT;
}
/* What the payment does by itself was sent by this step. */
static bool is_asked(const struct taken *t, enum step step)
{
    return !was_out(t, step) &&
           payment_operation((struct payment *)t->after, t->after->id, step) != NULL &&
           payment_operation((struct payment *)t->after, t->after->id, step)->state ==
               OPERATION_SENT;
}
static bool refund_is(const struct taken *t, enum operation_state state)
{
    return refused(t, STEP_REFUND) && t->op->state == state;
}

#define TOO_LARGE "the payment refuses more than is left, and the ledger has no less"
#define NOT_HERE  "payments in this world have no payee outside: the service's tests have"

/* what, when, and why it is never taken here (NULL: it must be) */
#define ROWS(R)                                                                                    \
    R("created", on(t, INPUT_CREATED), NULL)                                                       \
    R("reserved, the verdict to come", applied(t, STEP_RESERVE) && to(t, STATUS_INITIATED), NULL)  \
    R("reserved and allowed, automatic",                                                           \
      applied(t, STEP_RESERVE) && from(t, STATUS_INITIATED) && to(t, STATUS_PROCESSING), NULL)     \
    R("reserved and allowed, manual",                                                              \
      applied(t, STEP_RESERVE) && from(t, STATUS_INITIATED) && to(t, STATUS_REQUIRES_CAPTURE),     \
      NULL)                                                                                        \
    R("reserved, to be reviewed",                                                                  \
      applied(t, STEP_RESERVE) && from(t, STATUS_INITIATED) && to(t, STATUS_IN_REVIEW), NULL)      \
    R("reserved too late for an automatic capture", applied(t, STEP_RESERVE) && gives_up(t),       \
      "the reservation's own deadline comes first")                                                \
    R("allowed, automatic",                                                                        \
      on(t, INPUT_VERDICT) && from(t, STATUS_INITIATED) && to(t, STATUS_PROCESSING), NULL)         \
    R("allowed, manual",                                                                           \
      on(t, INPUT_VERDICT) && from(t, STATUS_INITIATED) && to(t, STATUS_REQUIRES_CAPTURE), NULL)   \
    R("to be reviewed",                                                                            \
      on(t, INPUT_VERDICT) && from(t, STATUS_INITIATED) && to(t, STATUS_IN_REVIEW), NULL)          \
    R("denied", on(t, INPUT_VERDICT) && gives_up(t) && stays(t), NULL)                             \
    R("no verdict in time: to be reviewed",                                                        \
      on(t, INPUT_TIME) && from(t, STATUS_INITIATED) && to(t, STATUS_IN_REVIEW), NULL)             \
    R("reservation refused for good",                                                              \
      refused(t, STEP_RESERVE) && from(t, STATUS_INITIATED) && to(t, STATUS_FAILED), NULL)         \
    R("reservation refused for now", refused(t, STEP_RESERVE) && gives_up(t) && stays(t),          \
      "the accounts are there: whatever else refuses a reservation binds it")                      \
    R("reviewed and allowed, automatic",                                                           \
      on(t, INPUT_REVIEW) && from(t, STATUS_IN_REVIEW) && to(t, STATUS_PROCESSING), NULL)          \
    R("reviewed and allowed, manual",                                                              \
      on(t, INPUT_REVIEW) && from(t, STATUS_IN_REVIEW) && to(t, STATUS_REQUIRES_CAPTURE), NULL)    \
    R("reviewed and denied", on(t, INPUT_REVIEW) && gives_up(t), NULL)                             \
    R("a capture asked for",                                                                       \
      on(t, INPUT_CAPTURE) && from(t, STATUS_REQUIRES_CAPTURE) && to(t, STATUS_PROCESSING), NULL)  \
    R("another capture asked for",                                                                 \
      on(t, INPUT_CAPTURE) && from(t, STATUS_PARTIALLY_CAPTURED) && to(t, STATUS_PROCESSING),      \
      NULL)                                                                                        \
    R("captured whole",                                                                            \
      applied(t, STEP_CAPTURE) && !is_giving_up(t->before) && to(t, STATUS_COMPLETED), NULL)       \
    R("captured in part", applied(t, STEP_CAPTURE) && to(t, STATUS_PARTIALLY_CAPTURED), NULL)      \
    R("capture too large, nothing captured before",                                                \
      refused(t, STEP_CAPTURE) && too_large(t) && to(t, STATUS_REQUIRES_CAPTURE), TOO_LARGE)       \
    R("capture too large, some captured before",                                                   \
      refused(t, STEP_CAPTURE) && too_large(t) && to(t, STATUS_PARTIALLY_CAPTURED), TOO_LARGE)     \
    R("capture too late, the expiry to come",                                                      \
      refused(t, STEP_CAPTURE) && hold_over(t) && !is_giving_up(t->before) && stays(t), NULL)      \
    R("capture too late, the hold known to be over",                                               \
      refused(t, STEP_CAPTURE) && !from(t, t->after->status) && status_is_final(t->after->status), \
      NULL)                                                                                        \
    R("capture refused: frozen", refused(t, STEP_CAPTURE) && gives_up(t), NULL)                    \
    R("no reservation in time: bind", on(t, INPUT_TIME) && gives_up(t) && is_asked(t, STEP_BIND),  \
      NULL)                                                                                        \
    R("no verdict in time, or no capture: void",                                                   \
      on(t, INPUT_TIME) && gives_up(t) && is_asked(t, STEP_VOID), NULL)                            \
    R("cancelled: bind", on(t, INPUT_CANCEL) && gives_up(t) && is_asked(t, STEP_BIND), NULL)       \
    R("cancelled: void", on(t, INPUT_CANCEL) && gives_up(t) && is_asked(t, STEP_VOID), NULL)       \
    R("frozen: bind", on(t, INPUT_FREEZE) && gives_up(t) && is_asked(t, STEP_BIND), NULL)          \
    R("frozen: void", on(t, INPUT_FREEZE) && gives_up(t) && is_asked(t, STEP_VOID), NULL)          \
    R("review extended", on(t, INPUT_TIME) && is_asked(t, STEP_EXTEND), NULL)                      \
    R("expired, nothing captured",                                                                 \
      expires(t) && !is_giving_up(t->before) && to(t, STATUS_CANCELLED) && !stays(t), NULL)        \
    R("expired, some captured",                                                                    \
      expires(t) && !is_giving_up(t->before) && to(t, STATUS_COMPLETED) && !stays(t), NULL)        \
    R("expired while a capture is out", expires(t) && gives_up(t), NULL)                           \
    R("increased", applied(t, STEP_INCREASE), NULL)                                                \
    R("not increased", refused(t, STEP_INCREASE) && stays(t), NULL)                                \
    R("extended", applied(t, STEP_EXTEND), NULL)                                                   \
    R("not extended", refused(t, STEP_EXTEND) && stays(t), NULL)                                   \
    R("giving up, captured whole",                                                                 \
      applied(t, STEP_CAPTURE) && is_giving_up(t->before) && to(t, STATUS_COMPLETED), NULL)        \
    R("giving up, captured in part",                                                               \
      applied(t, STEP_CAPTURE) && is_giving_up(t->before) && stays(t), NULL)                       \
    R("giving up, bound: cancelled", bound(t) && to(t, STATUS_CANCELLED) && !stays(t), NULL)       \
    R("giving up, bound: failed", bound(t) && to(t, STATUS_FAILED) && !stays(t), NULL)             \
    R("giving up, bind says it exists: void",                                                      \
      answers(t, STEP_BIND) && !bound(t) && is_asked(t, STEP_VOID), NULL)                          \
    R("voided, some captured", applied(t, STEP_VOID) && to(t, STATUS_COMPLETED) && !stays(t),      \
      NULL)                                                                                        \
    R("voided: cancelled", applied(t, STEP_VOID) && to(t, STATUS_CANCELLED) && !stays(t), NULL)    \
    R("voided: failed", applied(t, STEP_VOID) && to(t, STATUS_FAILED) && !stays(t), NULL)          \
    R("giving up, expired",                                                                        \
      expires(t) && is_giving_up(t->before) && !stays(t) && status_is_final(t->after->status),     \
      NULL)                                                                                        \
    R("void refused: expired",                                                                     \
      answers(t, STEP_VOID) && code(t, MP_TRANSFER_PENDING_TRANSFER_EXPIRED), NULL)                \
    R("void refused: captured, its answer to come",                                                \
      answers(t, STEP_VOID) && code(t, MP_TRANSFER_PENDING_TRANSFER_ALREADY_POSTED) &&             \
          t->op->state == OPERATION_REFUSED && !status_is_final(t->before->status) && stays(t),    \
      NULL)                                                                                        \
    R("void refused: captured in part, the rest voided again",                                     \
      answers(t, STEP_VOID) && code(t, MP_TRANSFER_PENDING_TRANSFER_ALREADY_POSTED) &&             \
          t->op->state == OPERATION_SENT,                                                          \
      NULL)                                                                                        \
    R("captured in part, the rest voided again",                                                   \
      applied(t, STEP_CAPTURE) && is_asked(t, STEP_VOID), NULL)                                    \
    R("void refused: there is none",                                                               \
      answers(t, STEP_VOID) && code(t, MP_TRANSFER_PENDING_TRANSFER_NOT_FOUND),                    \
      "it is sent for a reservation that was applied; raises an alert")                            \
    R("a refund asked for", on(t, INPUT_REFUND), NULL)                                             \
    R("refunded in part",                                                                          \
      applied(t, STEP_REFUND) && from(t, STATUS_COMPLETED) && to(t, STATUS_PARTIALLY_REFUNDED),    \
      NULL)                                                                                        \
    R("refunded further",                                                                          \
      applied(t, STEP_REFUND) && from(t, STATUS_PARTIALLY_REFUNDED) &&                             \
          to(t, STATUS_PARTIALLY_REFUNDED),                                                        \
      NULL)                                                                                        \
    R("refunded whole", applied(t, STEP_REFUND) && to(t, STATUS_REFUNDED), NULL)                   \
    R("refund refused", refund_is(t, OPERATION_REFUSED), NULL)                                     \
    R("refund waits for money", refund_is(t, OPERATION_WAITING), NULL)                             \
    R("refund split anew", refund_is(t, OPERATION_SENT),                                           \
      "nobody but the payment reverses its captures, and it counts what it did")                   \
    R("refund tried again", on(t, INPUT_TIME) && status_is_final(t->before->status), NULL)         \
    R("returned by its rail", on(t, INPUT_RETURN), NOT_HERE)                                       \
    R("confirmed by its rail", on(t, INPUT_CONFIRMED), NOT_HERE)                                   \
    R("an answer late or twice: nothing",                                                          \
      on(t, INPUT_ANSWER) && !expires(t) && t->op == NULL && stays(t), NULL)

static const struct {
    const char *name, *never;
} rows[] = {
#define R(name, when, never) {name, never},
    ROWS(R)
#undef R
};
enum { ROW_COUNT = sizeof rows / sizeof *rows };
_Static_assert((int)ROW_COUNT <= (int)ROWS_MAX, "each row has a place");

/* The operation that was out and isn't, or is with another attempt. */
static const struct operation *answered(const struct payment *before, const struct payment *after)
{
    for (unsigned i = 0; i < before->operation_count; i++) {
        const struct operation *was = &before->operations[i], *is = &after->operations[i];

        if (was->state == OPERATION_SENT &&
            (is->state != OPERATION_SENT || is->attempt != was->attempt))
            return is;
    }
    return NULL;
}

void table_note(struct world *world, const struct payment *before,
                const struct payment_input *input, const struct payment *after)
{
    const struct taken taken = {before, after, input,
                                input->kind == INPUT_ANSWER ? answered(before, after) : NULL};
    const struct taken *t = &taken;
    bool found = false;
    unsigned row = 0;

#define R(name, when, never)                                                                       \
    if (when) {                                                                                    \
        world->rows_taken[row]++;                                                                  \
        found = true;                                                                              \
    }                                                                                              \
    row++;
    ROWS(R)
#undef R
    if (found || stays(t) || world->stray[0] != '\0') return;
    snprintf(world->stray, sizeof world->stray,
             "a payment became %s from %s by no row of the table",
             payment_statuses[after->status - 1], payment_statuses[before->status - 1]);
}

bool table_rows_taken(const uint64_t *taken, char *problem, size_t size)
{
    for (unsigned i = 0; i < ROW_COUNT; i++) {
        if ((taken[i] > 0) == (rows[i].never == NULL)) continue;
        snprintf(problem, size, "%s: '%s'%s%s",
                 rows[i].never == NULL ? "no payment ever took the row"
                                       : "a row was taken that is said never to be",
                 rows[i].name, rows[i].never != NULL ? ": " : "",
                 rows[i].never != NULL ? rows[i].never : "");
        return false;
    }
    return true;
}

void table_print_rows(const uint64_t *taken)
{
    for (unsigned i = 0; i < ROW_COUNT; i++)
        printf("%8llu %s\n", (unsigned long long)taken[i], rows[i].name);
}
