/*
 * What the files of the payment service share: a payment with its operations, what can happen to
 * it, and what comes of that.
 *
 * A payment's status follows from its operations' results. payment_step() alone changes a payment:
 * it is a pure function of the payment, what happened and the time, and holds the table of states.
 * The ledger is the judge: no timer and no request sets a final status, only results do.
 */
#ifndef PAYMENT_PAYMENT_H
#define PAYMENT_PAYMENT_H

#include "ledger/ids.h"
#include "runtime/error.h"
#include "wire/amount.h"

enum {
    LEGS_MAX = 10,        /* payee, further payees, fee */
    SPLITS_MAX = 8,       /* further payees */
    OPERATIONS_MAX = 128, /* of one payment */
    REFERENCE_MAX = 64,
};

/* Numbers are stored: they are for ever. */
enum payment_status {
    STATUS_INITIATED = 1,
    STATUS_IN_REVIEW = 2,
    STATUS_REQUIRES_CAPTURE = 3,
    STATUS_PARTIALLY_CAPTURED = 4,
    STATUS_PROCESSING = 5,
    STATUS_COMPLETED = 6,
    STATUS_PARTIALLY_REFUNDED = 7,
    STATUS_REFUNDED = 8,
    STATUS_FAILED = 9,
    STATUS_CANCELLED = 10,
};
/* Words of the API, by number from 1, NULL-ended. */
extern const char *const payment_statuses[];
extern const char *const payment_kinds[];
extern const char *const capture_modes[];
extern const char *const refund_fee_modes[];
extern const char *const insufficient_modes[];
extern const char *const operation_states[];
extern const char *const verdicts[];

enum payment_kind { KIND_PAYMENT = 1, KIND_DEPOSIT = 2, KIND_WITHDRAWAL = 3 };
enum capture_mode { CAPTURE_AUTOMATIC = 1, CAPTURE_MANUAL = 2 };
enum refund_fees { REFUND_FEES_NONE = 1, REFUND_FEES_PRO_RATA = 2 };
enum on_insufficient { INSUFFICIENT_WAIT = 1, INSUFFICIENT_FAIL = 2 };
/* Of a payment to somebody outside. */
enum rail_state {
    RAIL_NONE = 0,
    RAIL_WANTED = 1, /* captured: to be handed to the rail */
    RAIL_SENT = 2,   /* handed over, not yet confirmed */
    RAIL_CONFIRMED = 3,
    RAIL_RETURNED = 4,
};
enum verdict { VERDICT_NONE = 0, VERDICT_ALLOW = 1, VERDICT_REVIEW = 2, VERDICT_DENY = 3 };

/* What is known of the hold. */
enum hold {
    HOLD_UNKNOWN = 0, /* asked for, not answered */
    HOLD_OPEN = 1,
    HOLD_ENDED = 2, /* captured whole, voided or expired */
    HOLD_NEVER = 3, /* refused or bound: never was and never will be */
};

/* One account that a payment credits: the payee, further ones, the fee's last. */
struct leg {
    struct account_id credit;
    int64_t held;     /* reserved for it in all */
    int64_t captured; /* of that */
};

enum operation_state {
    OPERATION_SENT = 1, /* stored, sent, not answered */
    OPERATION_APPLIED = 2,
    OPERATION_REFUSED = 3, /* for good */
    OPERATION_WAITING = 4, /* refused, tried again at retry_ns (refunds) */
};

/* Whatever asks the ledger: a row with its own state. */
struct operation {
    struct uuid id; /* the payment's for what it does by itself; else a resource of its own */
    enum step step;
    enum operation_state state;
    uint32_t number; /* of its creation, from 0 */
    uint32_t attempt;
    int64_t amount;                       /* principal, minor units */
    int64_t fee;                          /* that goes with it */
    uint64_t seconds;                     /* extension */
    bool final;                           /* capture: ends the hold */
    enum on_insufficient on_insufficient; /* refund: when the payee hasn't enough */
    enum reason reason;                   /* why it was refused, or asked for (refund: RETURNED) */
    uint32_t code;                        /* the ledger's last answer; 0 = none */
    uint64_t created_ns, answered_ns, retry_ns;
    uint64_t sequence;       /* of the ledger's answer */
    uint8_t fingerprint[32]; /* of the request */
    uint8_t *chain;          /* the very bytes, chain_encode(); owned */
    uint32_t chain_length;
    enum { ROW_SAME, ROW_NEW, ROW_CHANGED } row; /* against the database */
};

struct payment {
    struct uuid id;
    struct books books; /* tenant and mode */
    enum payment_kind kind;
    enum payment_status status;
    enum reason reason;    /* of a final status; REASON_NONE */
    enum reason giving_up; /* REASON_NONE = it isn't */
    enum hold hold;
    struct account_id payer, payee;
    char scheme[17], identifier[65]; /* of an external payee; empty = none */
    const struct currency *currency;
    uint32_t ledger; /* number of the books */
    int64_t amount;  /* principal in all, with increments */
    int64_t captured, refunded, refundable;
    int64_t fee_fixed, fee_ppm; /* millionths of the principal */
    int64_t fee_captured;
    enum refund_fees refund_fees;
    enum capture_mode capture;
    enum verdict verdict;
    enum rail_state rail;
    uint32_t timeout; /* of the hold, seconds */
    unsigned leg_count;
    struct leg legs[LEGS_MAX];
    bool fee_leg;     /* the last leg is the fee's */
    unsigned limited; /* bits by enum limit_periods: what limits it was taken from */
    bool lasting;     /* as stored: a freeze finds it, see sql.c */
    char reference[REFERENCE_MAX + 1];
    uint64_t created_ns, updated_ns, effective_ns;
    uint64_t review_ns;      /* since when in review; 0 = never */
    uint64_t hold_until_ns;  /* by the ledger's clock; 0 = not known */
    uint64_t due_ns;         /* of its timer as stored; 0 = none */
    uint64_t version;        /* grows with each change */
    uint64_t version_stored; /* that the database has */
    uint64_t sequence;       /* of the last answer of the ledger that it knows */
    uint8_t fingerprint[32]; /* of the request */
    struct uuid owner;       /* of the API key */

    unsigned operation_count, operation_room;
    struct operation *operations; /* in order of creation; owned */
    bool changed, fresh;          /* against the database */
    bool beyond_means;            /* a simulation: its reservation asks for more than anybody has */
};

static inline bool status_is_final(enum payment_status status)
{
    return status >= STATUS_COMPLETED;
}
static inline bool payment_is_open(const struct payment *p) { return !status_is_final(p->status); }
/* What a caller waits for: nothing more happens without somebody's word. */
static inline bool payment_is_settled(const struct payment *p)
{
    return status_is_final(p->status) ||
           (p->giving_up == REASON_NONE &&
            (p->status == STATUS_REQUIRES_CAPTURE || p->status == STATUS_PARTIALLY_CAPTURED ||
             p->status == STATUS_IN_REVIEW));
}

struct payment *payment_make(void);
void payment_free(struct payment *payment);
struct operation *payment_operation(struct payment *p, struct uuid id, enum step step);
/* Adds a row at the end; pointers to others go stale. */
struct operation *payment_add_operation(struct payment *p);

/* --- what can happen --- */

enum input_kind {
    INPUT_CREATED, /* a new one, its fields filled in by payment_begin() */
    INPUT_ANSWER,  /* of the ledger: an operation's, or an expiry */
    INPUT_VERDICT, /* of fraud */
    INPUT_TIME,    /* its timer is due */
    INPUT_CANCEL,
    INPUT_FREEZE, /* payer or payee was frozen on this payment's side, or closed */
    INPUT_REVIEW, /* verdict: ALLOW or DENY */
    INPUT_CAPTURE,
    INPUT_INCREASE,
    INPUT_EXTEND,
    INPUT_REFUND,
    INPUT_HANDED_OVER, /* to its rail */
    INPUT_CONFIRMED,   /* by its rail */
    INPUT_RETURN,      /* a rail sent it back */
};

struct payment_input {
    enum input_kind kind;
    const struct ledger_answer *answer;
    enum verdict verdict;
    struct uuid operation; /* CAPTURE, INCREASE, EXTEND, REFUND: its id */
    int64_t amount;        /* 0 = all that is left (capture, refund) */
    bool final;
    uint64_t seconds;
    enum reason reason; /* FREEZE: ACCOUNT_FROZEN or ACCOUNT_CLOSED */
    enum on_insufficient on_insufficient;
    uint8_t fingerprint[32];
};

/* --- what comes of it --- */

enum payment_event {
    EVENT_INITIATED,
    EVENT_PROCESSING,
    EVENT_REVIEW_STARTED,
    EVENT_CAPTURED,
    EVENT_COMPLETED,
    EVENT_FAILED,
    EVENT_CANCELLED,
    EVENT_REFUNDED,
    EVENT_REFUND_FAILED,
};

enum { EFFECTS_MAX = 8 };

struct payment_effects {
    unsigned event_count;
    struct {
        enum payment_event kind;
        unsigned operation; /* index; of CAPTURED, REFUNDED, REFUND_FAILED */
    } events[EFFECTS_MAX];
    unsigned send_count;
    unsigned sends[EFFECTS_MAX]; /* indices of operations to be sent once this is durable */
    int64_t limits_back;         /* principal that counts no more */
    bool limits_back_one;        /* nor does the payment itself */
    bool alert;                  /* something that should never happen: see the log */
};

/* What the service's settings say. */
struct payment_policy {
    uint64_t fraud_timeout_ns, reserve_timeout_ns, capture_timeout_ns, review_timeout_ns;
    uint32_t automatic_hold_s, review_hold_s;
    enum verdict without_verdict; /* when fraud doesn't answer in time */
};
extern const struct payment_policy payment_policy_default;

/*
 * The table. REFUSED: a request that the status doesn't allow; nothing has changed, err says why.
 * Answers, verdicts and time are never refused: what comes late, twice or out of order changes
 * nothing.
 */
enum outcome payment_step(struct payment *p, const struct payment_input *input,
                          const struct payment_policy *policy, uint64_t now_ns,
                          struct payment_effects *effects, struct error *err) MUST_USE;

/* When its timer must ring; 0 = not. */
uint64_t payment_due(const struct payment *p, const struct payment_policy *policy);

/* --- parts of the table, each a file --- */

/* operations.c: builds and stores the chain of an operation; the row is added, `sends` told. */
void send_reserve(struct payment *p, uint64_t now_ns, struct payment_effects *effects);
void send_capture(struct payment *p, struct uuid id, int64_t amount, bool final, uint64_t now_ns,
                  struct payment_effects *effects);
void send_increase(struct payment *p, struct uuid id, int64_t amount, uint64_t now_ns,
                   struct payment_effects *effects);
void send_extend(struct payment *p, struct uuid id, uint64_t seconds, uint64_t now_ns,
                 struct payment_effects *effects);
void send_void(struct payment *p, uint64_t now_ns, struct payment_effects *effects);
void send_confirm(struct payment *p, uint64_t now_ns, struct payment_effects *effects);
void send_bind(struct payment *p, uint64_t now_ns, struct payment_effects *effects);
/* Spreads an amount over legs of which `left` is left each, in proportion; the sum is exact. */
void spread(int64_t amount, const int64_t *left, unsigned count, int64_t *out);
/* Stores the chain in a row and has it sent. */
void operation_send(struct payment *p, struct operation *op, const struct chain *chain,
                    struct payment_effects *effects);
/* A leg of a chain of transfers, with the ids and marks of the platform. */
mp_transfer *chain_leg(struct chain *chain, const struct payment *p, const struct operation *op,
                       unsigned leg);
void chain_link(struct chain *chain);
bool operation_chain(const struct operation *op, struct chain *out);
void effects_event(struct payment_effects *effects, enum payment_event kind, unsigned operation);

/* fees.c: what is due in all once so much is captured. */
int64_t fee_of(const struct payment *p, int64_t principal);

/* refunds.c */
enum outcome refund_request(struct payment *p, const struct payment_input *input, uint64_t now_ns,
                            struct payment_effects *effects, struct error *err) MUST_USE;
void refund_answered(struct payment *p, unsigned operation, const struct ledger_answer *answer,
                     uint64_t now_ns, struct payment_effects *effects);
void refund_time(struct payment *p, uint64_t now_ns, struct payment_effects *effects);
uint64_t refund_due(const struct payment *p);

#endif
