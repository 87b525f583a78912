/* A reversal that was asked for by its own request: its row. */
#ifndef TRANSACTION_REVERSAL_H
#define TRANSACTION_REVERSAL_H

#include "ledger/ids.h"
#include "store/store.h"

/* Numbers are stored: they are for ever. */
enum reversal_state { REVERSAL_SENT = 1, REVERSAL_APPLIED = 2, REVERSAL_REFUSED = 3 };

enum { REVERSAL_CHAIN_MAX = 8 + 128 };

struct reversal {
    struct uuid id;
    struct books books;
    struct uuid reverses; /* the transaction */
    uint8_t fingerprint[32];
    uint8_t chain[REVERSAL_CHAIN_MAX]; /* the very bytes, chain_encode() */
    size_t chain_length;
    uint64_t created_ns;
    enum reversal_state state;
    enum reason reason; /* of the refusal */
    mp_amount amount;   /* asked for, MP_AMOUNT_MAX = all that is left; then what was moved */
    uint64_t sequence, answered_ns;
};

/* --- reversal_sql.c: every statement --- */
/* Asks for a row; *found is set when it is there, at the latest at store_sync(). */
struct reversal_load {
    struct reversal row;
    bool found, damaged;
};
enum outcome reversal_load(struct store *store, struct uuid id, struct reversal_load *out,
                           struct error *err) MUST_USE;
enum outcome reversal_insert(struct store *store, const struct reversal *reversal,
                             struct error *err) MUST_USE;
enum outcome reversal_update(struct store *store, const struct reversal *reversal,
                             struct error *err) MUST_USE;
/* Calls `each` for every reversal that was sent and not answered, oldest first, in a transaction of
 * its own. */
enum outcome reversal_unanswered(struct store *store,
                                 void (*each)(void *context, struct uuid id, const void *chain,
                                              size_t length),
                                 void *context, struct error *err) MUST_USE;

#endif
