/*
 * The payment service around the table (payment.h): its rows, its turns, its requests.
 *
 * A request, an answer of the ledger, a verdict, a timer is a piece of work (store/turn.h). A turn
 * loads each payment that its pieces touch once, lets payment_step() change it, writes what changed
 * and commits; then commands go to the ledger and waiting callers are told.
 */
#ifndef PAYMENT_PAYMENTS_H
#define PAYMENT_PAYMENTS_H

#include "payment.h"

#include "bodies.h"
#include "bus/events.h"
#include "http/waiting.h"
#include "ledger/resend.h"
#include "payment_settings.h"
#include "runtime/service.h"
#include "store/turn.h"

/* Kinds of timers: a payment has something due; an account was frozen or closed. */
enum { TIMER_PAYMENT = 1, TIMER_FREEZE };

/* An account as this service knows it. */
struct account_copy {
    struct account_id id;
    struct books books;
    const struct currency *currency;
    uint32_t ledger;
    unsigned status; /* enum account_statuses */
    unsigned frozen; /* enum account_sides; 0 = none */
    uint64_t version;
};

/* A limit of an account, and what is used of it in the period that a payment falls into. */
struct limit_copy {
    unsigned kind, period;
    bool has_count, has_amount;
    int64_t count, amount;
};

/* A payment in a turn. */
struct row {
    struct row *next;        /* in the order in which they were touched */
    struct payment *payment; /* NULL = there is none in the database, and none was made */
    struct uuid id;
    bool known, waited; /* before the turn it counted as under way */
    bool alert, settled_before;
    enum payment_status status_before; /* 0 = it is new */
    struct {
        struct uuid operation;
        enum step step;
    } sends[4 * EFFECTS_MAX];
    unsigned send_count;
};

enum { KEPT_MAX = 4096 }; /* a power of two */

struct rows {
    struct row *first, **end;
    struct row **slots; /* open addressing by id */
    unsigned room, count;
    /* Open payments as a turn has committed them, for the next turn that has them; each has one
     * place, which the next one with that place takes over. */
    struct payment *kept[KEPT_MAX];
};

struct payments {
    struct turns *turns; /* first, as runtime/dead_letters.h asks */
    const struct service_context *context;
    const struct payment_settings *settings;
    struct payment_policy policy;
    unsigned listener;
    struct resend *resend;
    struct waiting *waiting;
    struct reconcile *reconcile;
    struct rails *rails;
    struct rows rows;  /* of the turn that runs */
    struct row *ended; /* payments that ended: who waits for them is to be told */
    struct loop_task tell;
    uint64_t expiry_position, expiry_position_stored;
    bool broken;   /* a stored chain can not be read */
    uint64_t open; /* payments that wait for the ledger or fraud */
};

/* --- rows.c: the payments of a turn --- */
struct row *rows_find(struct rows *rows, struct uuid id);
/* Takes a payment of the turns before, or asks the database for it and its operations. */
enum outcome rows_load(struct payments *service, struct turn *turn, struct uuid id,
                       struct row **out, struct error *err) MUST_USE;
/* Passes an input to a payment of the turn: events and timers go out with the turn. */
enum outcome rows_step(struct payments *service, struct turn *turn, struct row *row,
                       const struct payment_input *input, struct error *err) MUST_USE;
enum outcome rows_write(void *service, struct turn *turn, struct error *err);
void rows_begin(void *service, struct turn *turn);
void rows_end(void *service, struct turn *turn, bool committed);
/* At the beginning and the end of the service. */
void rows_make(struct payments *service);
void rows_free(struct payments *service);

/* --- measure.c: metrics --- */
void measure_row(const struct row *row);
void measure_service(void *service);

/* --- sql.c: every statement --- */
enum outcome sql_load_payment(struct store *store, struct uuid id, struct row *row,
                              struct error *err) MUST_USE;
enum outcome sql_store_payment(struct store *store, struct payment *p, struct error *err) MUST_USE;
enum outcome sql_store_operation(struct store *store, const struct payment *p, unsigned index,
                                 struct error *err) MUST_USE;
/* Payments as a page's query gives them: rows in the columns of sql_payment_columns. */
extern const char sql_payment_columns[];
void sql_read_payment(const struct store_row *row, struct payment *out);
enum outcome sql_load_account(struct store *store, struct account_id id, struct account_copy *out,
                              bool *found, struct error *err) MUST_USE;
enum outcome sql_store_account(struct store *store, const struct account_copy *account,
                               struct error *err) MUST_USE;
enum outcome sql_find_reference(struct store *store, const struct books *books,
                                const char *reference, struct uuid *found,
                                struct error *err) MUST_USE;
enum outcome sql_load_position(struct store *store, uint64_t *out, struct error *err) MUST_USE;
enum outcome sql_store_position(struct store *store, uint64_t position, struct error *err) MUST_USE;
/* Payments that wait for the ledger or fraud. */
enum outcome sql_count_waiting(struct store *store, uint64_t *out, struct error *err) MUST_USE;
/* Calls `each` for every operation that was sent and not answered. */
enum outcome sql_unanswered(struct store *store,
                            void (*each)(void *context, struct uuid payment, const void *chain,
                                         size_t length),
                            void *context, struct error *err) MUST_USE;
/* Ids of open payments that wait for somebody's word, that nobody gives up yet, and whose payer (or
 * payee) an account is. Those that wait for the ledger alone find out by themselves. */
enum outcome sql_open_payments(struct store *store, struct account_id account, bool as_payer,
                               struct uuid *out, unsigned max, unsigned *count,
                               struct error *err) MUST_USE;

/* Payments that are to be handed to a rail, oldest first. */
enum outcome sql_for_rails(struct store *store, struct uuid *out, unsigned max, unsigned *count,
                           struct error *err) MUST_USE;

/* --- rails.c: payments to somebody outside --- */
struct rails *rails_make(struct payments *service);
void rails_free(struct rails *rails);
/* A payment was captured that goes outside. */
void rails_wake(struct rails *rails);

/* --- limits.c --- */
/* Takes a new payment from its payer's limits, or refuses it. */
enum outcome limits_take(struct turn *turn, struct payment *p, struct error *err) MUST_USE;
enum outcome limits_give_back(struct turn *turn, const struct payment *p, int64_t amount,
                              bool payment, struct error *err) MUST_USE;
enum outcome limits_store(struct store *store, struct account_id account,
                          const struct limit_copy *limits, unsigned count,
                          struct error *err) MUST_USE;

/* --- announce.c: events from what a step did --- */
enum outcome announce(struct turn *turn, const struct payment *p,
                      const struct payment_effects *effects, struct error *err) MUST_USE;

/* --- consume.c: answers of the ledger, verdicts, accounts, time --- */
void on_ledger_answer(void *context, const struct ledger_answer *answer);
void on_timer(void *service, unsigned kind, struct uuid key);
extern const struct consume payment_consumes[];

/* --- requests.c, routes.c --- */
extern const struct http_route payment_routes[];
/* What an exchange that asks for a payment waits for: its `user`. */
struct asked {
    bool replayed;
    enum step step; /* of the operation that it waits for; 0 = the payment as a whole */
    struct uuid operation;
    struct payment *seen; /* as it was committed last; without chains */
};
struct asked *asked_make(struct http_exchange *exchange);
void asked_remember(struct asked *asked, const struct payment *p);
void asked_forget(struct asked *asked);
/* Answers once what was asked for is there, or the time is over. */
void payment_wait(struct payments *service, struct http_exchange *exchange);
/* Answers with the payment as it was seen. */
void payment_answer_shown(struct http_exchange *exchange);

/* accounts.c: an account that isn't known here is asked for, of the account service, once; `done`
 * with NULL when it is known now, else with why not. Never inside. */
void accounts_ask(struct payments *service, struct account_id account, const struct caller *caller,
                  void (*done)(void *context, const struct error *err), void *context);

void payments_create(struct http_exchange *exchange);
void payments_list(struct http_exchange *exchange);
void payments_get(struct http_exchange *exchange);
void payments_cancel(struct http_exchange *exchange);
void payments_review(struct http_exchange *exchange);
void captures_create(struct http_exchange *exchange);
void increments_create(struct http_exchange *exchange);
void extensions_create(struct http_exchange *exchange);
void refunds_create(struct http_exchange *exchange);
void deposits_create(struct http_exchange *exchange);
void withdrawals_create(struct http_exchange *exchange);

/* A payment as the API shows it. */
void payment_show(const struct payment *p, struct payment_body *out);
/* Answers an exchange that asked for a payment, if it is settled or `now`; false: it waits on. */
bool payment_answer(struct http_exchange *exchange, const struct payment *p, bool now);
/* Callers that wait for it look at it. */
void payment_tell(struct payments *service, const struct payment *p);

#endif
