/*
 * Answers of the ledger, in its order: each ends a change, moves the wallet's row, is told to other
 * services and to who waits. An answer that comes twice finds its change answered.
 */
#include "account.h"

#include "observe/log.h"

#include <stdio.h>
#include <stdlib.h>

/* What is needed of an answer (struct ledger_answer has room for sixteen transfers). */
struct answered {
    struct work work;
    struct wallets *service;
    struct uuid reply;
    mp_id command;
    bool applied;
    uint32_t code, broke;
    uint64_t sequence;
    bool ended; /* this piece has ended the change */
    bool alert; /* in a way that somebody must look at */
};

/* --- books --- */

/* Sends the openings of all wallets that wait for them. */
static void open_waiting(struct rows *rows, const struct currency_books *books, uint64_t now_ns)
{
    for (struct change *change = rows->changes; change != NULL; change = change->next) {
        struct wallet *wallet;

        if (change->state != CHANGE_WAITING) continue;
        wallet = account_rows_wallet(rows, change->account);
        if (wallet == NULL || wallet->currency != books->currency ||
            account_rows_books(rows, &wallet->books, wallet->currency) != books)
            continue;
        wallet_touch(wallet, now_ns);
        wallet_send_opening(wallet, change, books->number);
    }
}

static enum outcome books_answered(struct answered *w, struct turn *turn, struct change *change,
                                   struct error *err)
{
    struct rows *rows = &w->service->rows;
    struct currency_books *books = account_rows_books_of_change(rows, change->id);

    if (books == NULL) return account_damaged(err);
    if (w->applied) {
        books->made = books->changed = true;
        open_waiting(rows, books, turn_now_ns(turn));
        return OUTCOME_DONE;
    }
    if (w->broke == 0 && w->code == MP_ACCOUNT_EXISTS_WITH_DIFFERENT_USER_DATA_128) {
        books->tries++; /* the number is another currency's: the next one */
        wallet_books_send(books, change);
        return OUTCOME_DONE;
    }
    w->alert = true; /* somebody has made accounts of these ids in bulk: nothing opens there */
    return OUTCOME_DONE;
}

/* --- wallets --- */

static enum outcome opening_answered(struct answered *w, struct turn *turn, struct change *change,
                                     struct wallet *wallet, struct error *err)
{
    if (w->applied) {
        wallet->status = ACCOUNT_STATUS_ACTIVE;
        wallet_touch(wallet, turn_now_ns(turn));
        return wallet_announce_created(turn, wallet, change, err);
    }
    /* Somebody has made another ledger account of that id, in bulk: it never was a wallet. */
    wallet->gone = change->gone = w->alert = true;
    return OUTCOME_DONE;
}

static enum outcome flags_answered(struct answered *w, struct turn *turn, struct change *change,
                                   struct wallet *wallet, struct error *err)
{
    if (!w->applied) return OUTCOME_DONE;
    if (change->step == STEP_CLOSE) {
        wallet->status = ACCOUNT_STATUS_CLOSED;
    } else {
        wallet->frozen =
            change->lifts ? wallet->frozen & ~change->side : wallet->frozen | change->side;
        if (wallet->frozen == 0 || !change->lifts)
            snprintf(wallet->frozen_reason, sizeof wallet->frozen_reason, "%s",
                     wallet->frozen != 0 ? change->reason : "");
    }
    wallet_touch(wallet, turn_now_ns(turn));
    return wallet_announce_change(turn, wallet, change, err);
}

/* --- the piece of work --- */

static enum outcome load(struct work *work, struct turn *turn, struct error *err)
{
    struct answered *w = (struct answered *)work;

    return account_sql_load_answered(&w->service->rows, turn_store(turn), w->reply, err);
}

/* The change that the answer is for, if it waits for it: of books that have gone on to the next
 * number, an answer to the one before is nobody's. */
static struct change *asked_for(const struct answered *w)
{
    struct change *change = account_rows_change(&w->service->rows, w->reply);
    struct chain chain;

    if (change == NULL || change->state != CHANGE_SENT) return NULL;
    if (!chain_decode(change->chain, change->chain_length, &chain)) return NULL;
    return chain_id(&chain) == w->command ? change : NULL;
}

static enum outcome apply(struct work *work, struct turn *turn, struct error *err)
{
    struct answered *w = (struct answered *)work;
    struct change *change = asked_for(w);
    struct wallet *wallet;

    w->ended = w->alert = false;
    if (change == NULL) return OUTCOME_DONE;
    change->state = w->applied ? CHANGE_APPLIED : CHANGE_REFUSED;
    change->changed = true;
    change->code = w->code;
    change->answered_ns = turn_now_ns(turn);
    change->sequence = w->sequence;
    w->ended = true;
    if (change->step == STEP_BOOKS) return books_answered(w, turn, change, err);
    wallet = account_rows_wallet(&w->service->rows, change->account);
    if (wallet == NULL) return account_damaged(err);
    if (w->sequence > wallet->sequence) wallet->sequence = w->sequence;
    return change->step == STEP_ACCOUNT ? opening_answered(w, turn, change, wallet, err)
                                        : flags_answered(w, turn, change, wallet, err);
}

static void done(struct work *work, enum outcome outcome, const struct error *err)
{
    struct answered *w = (struct answered *)work;
    const struct change *change;

    (void)err; /* a piece that persists is done, or the service stands still and has said so */
    if (outcome == OUTCOME_DONE && w->alert)
        log_error(&(struct log_about){.service = "account", .action = "account.refused"},
                  "the ledger has other accounts of these ids: event %u was refused with %s",
                  w->broke, mp_account_result_name(w->code));
    if (outcome == OUTCOME_DONE && w->ended) {
        change = account_rows_change(&w->service->rows, w->reply);
        if (change->step != STEP_BOOKS)
            wallet_change_tell(w->service, account_rows_wallet(&w->service->rows, change->account),
                               change);
    }
    free(w);
}

void account_answered(void *service, const struct ledger_answer *answer)
{
    struct answered *w = need_memory(sizeof *w);

    *w = (struct answered){
        .work = {.load = load, .apply = apply, .done = done, .persist = true},
        .service = service,
        .reply = answer->reply,
        .command = answer->command,
        .applied = answer->applied,
        .code = answer->code,
        .broke = answer->broke,
        .sequence = answer->sequence,
    };
    resend_answered(w->service->resend, answer);
    turns_add(w->service->turns, &w->work);
}
