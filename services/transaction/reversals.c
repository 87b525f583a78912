/*
 * POST /transactions/{id}/reversals: a row, then the ledger's reversal with an id that follows from
 * the row's, sent again until it is answered; the answer goes into the row, and whoever waits is
 * told. The ledger alone judges whether and how much can be reversed.
 */
#include "transaction.h"

#include "http/idempotency.h"
#include "reversal.h"
#include "wire/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A request for a reversal, or to see one. */
struct asking {
    struct work work;
    struct transactions *service;
    struct http_exchange *exchange;
    struct reversal made; /* what is to be stored if it isn't there */
    struct reversal_load load;
    struct asking *next; /* stored in the same turn */
};

/* The ledger's answer to one. */
struct answering {
    struct work work;
    struct transactions *service;
    struct ledger_answer answer;
    struct reversal_load load;
};

/* exchange->user of one that repeats an earlier one */
static char is_repeated;

/* --- showing --- */

static void show(struct transactions *service, const struct reversal *reversal,
                 struct reversal_body *out)
{
    static const unsigned statuses[] = {
        [REVERSAL_SENT] = REVERSAL_PENDING,
        [REVERSAL_APPLIED] = REVERSAL_SUCCEEDED,
        [REVERSAL_REFUSED] = REVERSAL_FAILED,
    };
    struct chain chain;

    (void)service;
    memset(out, 0, sizeof *out);
    out->id = reversal->id;
    out->reverses = reversal->reverses;
    out->status = statuses[reversal->state];
    if (reversal->state == REVERSAL_REFUSED) {
        out->reason = reason_row(reversal->reason)->name;
        out->present |= RECORD_BIT(reversal_body, reason);
    }
    if (chain_decode(reversal->chain, reversal->chain_length, &chain)) {
        out->ledger = chain.events.transfers[0].ledger;
        out->transaction = uuid_of_id(chain.events.transfers[0].id);
    }
    if (reversal->amount != MP_AMOUNT_MAX) {
        out->amount = reversal->amount;
        out->present |= RECORD_BIT(reversal_body, amount);
    }
    out->created_at = reversal->created_ns;
    if (reversal->state == REVERSAL_SENT) return;
    out->answered_at = reversal->answered_ns;
    out->durability = TRANSACTION_LOCAL;
    out->present |= RECORD_BIT(reversal_body, answered_at) | RECORD_BIT(reversal_body, durability);
}

static void set_location(struct http_exchange *exchange, const struct reversal *reversal)
{
    char of[UUID_TEXT + 1], id[UUID_TEXT + 1], location[128];

    uuid_print(reversal->reverses, of);
    uuid_print(reversal->id, id);
    snprintf(location, sizeof location, "/api/v1/transactions/%s/reversals/%s", of, id);
    http_set_header(exchange, "Location", location);
}

/* Answers with the reversal as it is. */
static void answer(struct transactions *service, struct http_exchange *exchange,
                   const struct reversal *reversal)
{
    bool asked = exchange->route->method == HTTP_POST;
    struct reversal_body body;
    struct error err = {0};

    show(service, reversal, &body);
    if (exchange->user == &is_repeated) http_set_header(exchange, "Idempotent-Replayed", "true");
    if (asked) set_location(exchange, reversal);
    ledger_place_header(service->ledger, exchange, reversal->sequence);
    if (asked && reversal->state == REVERSAL_REFUSED) {
        error_set(&err, reversal->reason, "the ledger refused the reversal");
        http_answer_problem_with(exchange, &err, "reversal", &reversal_body_record, &body);
        return;
    }
    http_answer_record(exchange,
                       !asked                             ? 200
                       : reversal->state == REVERSAL_SENT ? 202
                                                          : exchange->route->success,
                       &body);
}

/* --- seeing one --- */

static enum outcome load(struct work *work, struct turn *turn, struct error *err)
{
    struct asking *w = (struct asking *)work;

    return reversal_load(turn_store(turn), w->made.id, &w->load, err);
}

static enum outcome check_row(const struct reversal_load *row, struct error *err)
{
    if (row->damaged) return error_set(err, REASON_CORRUPT, "a reversal's row cannot be read");
    return OUTCOME_DONE;
}

static enum outcome see(struct work *work, struct turn *turn, struct error *err)
{
    const struct asking *w = (struct asking *)work;
    const struct reversal *row = &w->load.row;
    struct books books = books_of(&w->exchange->caller);

    (void)turn;
    if (w->load.found && check_row(&w->load, err) != OUTCOME_DONE) return OUTCOME_REFUSED;
    if (!w->load.found || !books_equal(&row->books, &books) ||
        !uuid_equal(row->reverses, w->exchange->params[0]))
        return error_set(err, REASON_NOT_FOUND, "there is no such reversal");
    return OUTCOME_DONE;
}

static void seen(struct work *work, enum outcome outcome, const struct error *err)
{
    struct asking *w = (struct asking *)work;

    if (outcome == OUTCOME_DONE)
        answer(w->service, w->exchange, &w->load.row);
    else
        http_answer_problem(w->exchange, err);
    free(w);
}

static void see_one(struct http_exchange *exchange, struct uuid id)
{
    struct asking *w = need_memory(sizeof *w);

    w->work = (struct work){.load = load, .apply = see, .done = seen};
    w->service = exchange->service;
    w->exchange = exchange;
    w->made.id = id;
    turns_add(w->service->turns, &w->work);
}

static void get_now(struct http_exchange *exchange) { see_one(exchange, exchange->params[1]); }

void reversals_get(struct http_exchange *exchange)
{
    places_wait(((struct transactions *)exchange->service)->places, exchange, get_now);
}

/* --- asking for one --- */

/* Its time is over: it gets the row as it is. */
static void on_timeout(struct http_exchange *exchange)
{
    see_one(exchange, idempotency_id(exchange));
}

void reversals_begin(void *context, struct turn *turn)
{
    struct transactions *service = context;

    (void)turn;
    service->made = NULL;
}

/* One with the same key that this turn has stored already. */
static const struct reversal *made_before(const struct asking *w)
{
    for (const struct asking *a = w->service->made; a != NULL; a = a->next)
        if (uuid_equal(a->made.id, w->made.id)) return &a->made;
    return NULL;
}

static enum outcome make(struct work *work, struct turn *turn, struct error *err)
{
    struct asking *w = (struct asking *)work;
    const struct reversal *before = w->load.found ? &w->load.row : made_before(w);

    if (w->load.found && check_row(&w->load, err) != OUTCOME_DONE) return OUTCOME_REFUSED;
    if (before == NULL) {
        w->made.created_ns = turn_now_ns(turn);
        w->next = w->service->made;
        w->service->made = w;
        w->load.row = w->made;
        return reversal_insert(turn_store(turn), &w->made, err);
    }
    if (memcmp(before->fingerprint, w->made.fingerprint, sizeof before->fingerprint) != 0)
        return error_set(err, REASON_KEY_REUSED, "the key was used for another reversal");
    w->exchange->user = &is_repeated;
    w->load.row = *before;
    return OUTCOME_DONE;
}

static void made(struct work *work, enum outcome outcome, const struct error *err)
{
    struct asking *w = (struct asking *)work;
    const struct reversal *row = &w->load.row;

    if (outcome != OUTCOME_DONE) {
        http_answer_problem(w->exchange, err);
    } else if (row->state != REVERSAL_SENT) {
        answer(w->service, w->exchange, row);
    } else {
        /* one that is under way is not sent twice */
        if (!resend_add(w->service->resend, row->chain, row->chain_length, row->id)) abort();
        waiting_add(w->service->waiting, row->id, w->exchange, w->exchange->wait_ms, on_timeout);
    }
    free(w);
}

/* The transaction that is to be undone, if it is the caller's. */
static enum outcome find_transaction(struct transactions *service,
                                     const struct http_exchange *exchange, mp_transfer *out,
                                     struct error *err)
{
    mp_id id = id_of_uuid(exchange->params[0]);
    uint32_t found = 0;

    if (mp_lookup_transfers(service->ledger, &id, 1, out, &found) != MP_OK) {
        error_set(err, REASON_INTERNAL, "could not read the ledger");
        error_detail(err, "%s", mp_last_error());
        return err->outcome;
    }
    if (found == 0 || book_of(service, &exchange->caller, out->ledger) == NULL)
        return error_set(err, REASON_NOT_FOUND, "there is no such transaction");
    if (out->code < TRANSFER_CODE_PAYMENT_MIN || out->code > TRANSFER_CODE_PAYMENT_MAX)
        return OUTCOME_DONE;
    error_set(err, REASON_PAYMENT_CAPTURED, "the transaction is part of a payment");
    error_hint(err, "Refund the payment: POST /api/v1/payments/{id}/refunds.");
    return err->outcome;
}

static void build(struct http_exchange *exchange, const mp_transfer *original,
                  struct reversal *reversal)
{
    const struct reversal_request *body = exchange->input;
    bool part = (body->present & RECORD_BIT(reversal_request, amount)) != 0;
    struct chain chain = {.operation = MP_CREATE_TRANSFERS, .count = 1};
    uint8_t bytes[CHAIN_BYTES_MAX];

    reversal->id = idempotency_id(exchange);
    reversal->books = books_of(&exchange->caller);
    reversal->reverses = exchange->params[0];
    reversal->state = REVERSAL_SENT;
    reversal->amount = part ? body->amount : MP_AMOUNT_MAX;
    idempotency_fingerprint(exchange, reversal->fingerprint);
    chain.events.transfers[0] = (mp_transfer){
        .id = ledger_id(&reversal->books, reversal->id, STEP_REVERSAL, 0, 0),
        .amount = reversal->amount,
        .pending_id = original->id,
        .user_data_128 = id_of_uuid(reversal->id),
        .user_data_32 = STEP_REVERSAL,
        .ledger = original->ledger,
        .code = TRANSFER_CODE_REVERSAL,
        .flags = MP_TRANSFER_REVERSAL,
    };
    reversal->chain_length = chain_encode(&chain, bytes);
    memcpy(reversal->chain, bytes, reversal->chain_length);
}

void reversals_create(struct http_exchange *exchange)
{
    struct transactions *service = exchange->service;
    const struct reversal_request *body = exchange->input;
    struct asking *w;
    mp_transfer original;
    struct error err = {0};

    if ((body->present & RECORD_BIT(reversal_request, amount)) != 0 &&
        (body->amount == 0 || body->amount == MP_AMOUNT_MAX))
        error_fault(&err, "/amount", "must be above zero, and be left out for all that is left");
    if (err.fault_count > 0 ||
        find_transaction(service, exchange, &original, &err) != OUTCOME_DONE) {
        http_answer_problem(exchange, &err);
        return;
    }
    w = need_memory(sizeof *w);
    w->work = (struct work){.load = load, .apply = make, .done = made};
    w->service = service;
    w->exchange = exchange;
    build(exchange, &original, &w->made);
    turns_add(service->turns, &w->work);
}

/* --- the ledger's answer --- */

static enum outcome answer_load(struct work *work, struct turn *turn, struct error *err)
{
    struct answering *w = (struct answering *)work;

    return reversal_load(turn_store(turn), w->answer.reply, &w->load, err);
}

/* What was to be moved and wasn't. */
static enum outcome announce_failed(struct answering *w, struct turn *turn, struct error *err)
{
    const struct reversal *row = &w->load.row;
    mp_id id = id_of_uuid(row->reverses);
    struct transaction_failed_event data = {
        .transaction = uuid_of_id(w->answer.command),
        .transfers = 1,
        .reason = reason_row(row->reason)->name,
    };
    struct turn_event event = {
        .type = EVENT_TYPE(transaction_failed),
        .data = &data,
        .tenant = row->books.tenant,
        .live = row->books.live,
        .key = data.transaction,
        .time_ns = row->answered_ns,
        .traceparent = "",
    };
    const struct ledger_book *book;
    mp_transfer original;
    uint32_t found = 0;

    if (mp_lookup_transfers(w->service->ledger, &id, 1, &original, &found) == MP_OK && found == 1) {
        data.ledger = original.ledger;
        data.debit.uuid = uuid_of_id(original.credit_account_id);
        data.credit.uuid = uuid_of_id(original.debit_account_id);
        data.amount = row->amount != MP_AMOUNT_MAX ? row->amount : original.amount;
        data.present |= RECORD_BIT(transaction_failed_event, debit) |
                        RECORD_BIT(transaction_failed_event, credit);
        book = catalogue_find(w->service->catalogue, original.ledger);
        if (book != NULL) {
            memcpy(data.currency.code, book->currency->code, sizeof data.currency.code);
            data.present |= RECORD_BIT(transaction_failed_event, currency);
        }
    }
    return turn_event(turn, &event, err);
}

static enum outcome answer_apply(struct work *work, struct turn *turn, struct error *err)
{
    struct answering *w = (struct answering *)work;
    struct reversal *row = &w->load.row;
    const struct ledger_answer *said = &w->answer;

    if (!w->load.found || w->load.damaged || row->state != REVERSAL_SENT) return OUTCOME_DONE;
    row->answered_ns = turn_now_ns(turn);
    row->sequence = said->sequence;
    row->state = said->applied ? REVERSAL_APPLIED : REVERSAL_REFUSED;
    if (said->applied)
        row->amount = said->transfers[0].amount;
    else
        row->reason = ledger_reason(said->code);
    if (reversal_update(turn_store(turn), row, err) != OUTCOME_DONE) return err->outcome;
    return said->applied ? OUTCOME_DONE : announce_failed(w, turn, err);
}

static bool tell_one(struct http_exchange *exchange, void *context)
{
    const struct answering *w = context;

    answer(w->service, exchange, &w->load.row);
    return true;
}

static void answer_done(struct work *work, enum outcome outcome, const struct error *err)
{
    struct answering *w = (struct answering *)work;

    (void)err;
    if (outcome == OUTCOME_DONE && w->load.found)
        waiting_tell(w->service->waiting, w->answer.reply, tell_one, w);
    free(w);
}

static void on_answer(void *context, const struct ledger_answer *said)
{
    struct transactions *service = context;
    struct answering *w = need_memory(sizeof *w);

    w->work = (struct work){
        .load = answer_load, .apply = answer_apply, .done = answer_done, .persist = true};
    w->service = service;
    w->answer = *said;
    resend_answered(service->resend, said);
    turns_add(service->turns, &w->work);
}

/* --- start --- */

static void send_again(void *context, struct uuid id, const void *chain, size_t length)
{
    struct transactions *service = context;

    if (!resend_add(service->resend, chain, length, id)) service->broken = true;
}

enum outcome reversals_start(struct transactions *service, struct error *err)
{
    const struct service_context *context = service->context;
    struct ledger_listener listener = {.answered = on_answer, .context = service};
    enum outcome outcome;

    service->listener = context->ledger->ops->listen(context->ledger, &listener);
    service->resend = resend_make(context->loop, context->ledger, service->listener);
    outcome = reversal_unanswered(context->store, send_again, service, err);
    if (outcome == OUTCOME_DONE && service->broken)
        return error_set(err, REASON_CORRUPT, "a reversal's chain cannot be read");
    return outcome;
}
