/*
 * How a service asks the ledger: commands and answers.
 *
 * A command is one linked chain of accounts, transfers or account updates. It gets one answer,
 * applied or refused, when what it saw is durable. Sending the same bytes again is harmless and
 * gives the same answer: ids are derived (ledger/ids.h), and the port looks up what an `exists`
 * means. A refusal by a code that binds nothing is answered only after the chain's first id was
 * bound, so that no answer is ever overtaken by a late success.
 *
 * Answers, and expiries of reservations, come in the order of the ledger's sequence. On the loop's
 * thread; never inside ledger_send().
 */
#ifndef ADAPTERS_LEDGER_PORT_H
#define ADAPTERS_LEDGER_PORT_H

#include "runtime/error.h"
#include "runtime/loop.h"
#include "wire/ids.h"

#include <micropay/micropay.h>

enum { CHAIN_MAX = 16, CHAIN_BYTES_MAX = 8 + CHAIN_MAX * 128 };

/* A chain as it is stored and sent: the very bytes. */
struct chain {
    uint32_t operation; /* enum mp_operation */
    uint32_t count;     /* 1 to CHAIN_MAX */
    union {
        mp_account accounts[CHAIN_MAX];
        mp_transfer transfers[CHAIN_MAX];
        mp_account_update updates[CHAIN_MAX];
    } events;
};

/* Stored form: 8 bytes of head, then the events. Returns the length. */
size_t chain_encode(const struct chain *chain, uint8_t out[CHAIN_BYTES_MAX]);
/* False if the bytes are no chain. */
bool chain_decode(const void *bytes, size_t length, struct chain *out);
/* Id of the first event: the command's id. */
mp_id chain_id(const struct chain *chain);

/* What a result of the ledger is to the platform's users (results.def). */
enum reason ledger_reason(uint32_t result);

struct ledger_answer {
    mp_id command;     /* chain_id() of what was sent; an expiry: the reservation's id */
    struct uuid reply; /* as given at sending; an expiry: the reservation's user_data_128 */
    bool expiry;       /* a reservation expired: `amount` was released */
    bool applied;      /* the chain is in the ledger (also when it was before) */
    bool bind;         /* answers a bind_id: `code` is id_bound, id_already_failed or exists_* */
    bool before;       /* applied, but by an earlier sending: no sums */
    uint32_t code;     /* MP_CREATED, or the code that broke the chain */
    uint32_t broke;    /* index of the event that did */
    uint64_t sequence, timestamp; /* of the last event; 0 where the ledger tells none */
    uint32_t count;
    mp_amount amount; /* expiry */
    /* As recorded, each with the amount that moved; applied transfers only. */
    mp_transfer transfers[CHAIN_MAX];
    /* Sums after each; unless `before`. */
    mp_result_sums sums[CHAIN_MAX];
    uint64_t expiry_position; /* expiry: to be kept, and given at ledger_port_listen(). Of a block:
                                 what else expired in it is told again in the next life */
};

/* Who asks. The struct is copied. */
struct ledger_listener {
    /* Each answer once, and each expiry of a reservation whose code lies within the bounds. */
    void (*answered)(void *context, const struct ledger_answer *answer);
    void *context;
    uint16_t code_min, code_max; /* 0, 0 = no expiries */
    uint64_t expiry_position;    /* only those from there on; 0 = all there ever were */
};

struct ledger_port;
struct ledger_port_ops {
    /* Must. Takes a copy. Answers once to the service's listener, unless the process dies first. */
    void (*send)(struct ledger_port *port, unsigned listener, const struct chain *chain,
                 struct uuid reply);
    /* Must. Registers who gets answers to what it sends; returns its number. */
    unsigned (*listen)(struct ledger_port *port, const struct ledger_listener *listener);
    /* Must. Newest sequence that is durable. */
    uint64_t (*sequence)(struct ledger_port *port);
    /* Must. Commands without answer. */
    uint64_t (*outstanding)(struct ledger_port *port);
    /* Must. False once the writer has stopped: nothing is answered until the process starts anew.
     */
    bool (*running)(struct ledger_port *port);
};
struct ledger_port {
    const struct ledger_port_ops *ops;
};

static inline void ledger_send(struct ledger_port *port, unsigned listener,
                               const struct chain *chain, struct uuid reply)
{
    port->ops->send(port, listener, chain, reply);
}

/* The writer in this process. The ledger is the caller's, open for writing, and closed after the
 * port; nobody else may use its eventfd. With a loop that has no descriptors (the simulator)
 * ledger_port_drive() must be called. */
enum outcome ledger_port_open(struct loop *loop, mp_ledger *ledger, struct ledger_port **out,
                              struct error *err) MUST_USE;
/* Takes what is done and hands answers out; true if anything happened. */
bool ledger_port_drive(struct ledger_port *port);
/* Answers no more; waits for what is under way in the ledger. */
void ledger_port_close(struct ledger_port *port);

/* --- beside the writer: what only its own process can do --- */

/* Hands a request of up to MP_BATCH_MAX events to the engine as it is, past chains and listeners.
 * Of *request operation, count, events, results and sums are taken; the memory that they name is
 * lent until `done`, which comes once, never inside this call, in the ledger's order among the
 * answers: MP_OK when results are written and all that they tell is durable; MP_UNKNOWN or
 * MP_STOPPED when the writer has stopped; any other status: refused whole, nothing was applied.
 * What is not done before comes inside ledger_port_close(). */
void ledger_port_submit(struct ledger_port *port, const mp_request *request,
                        void (*done)(void *context, mp_status status), void *context);

/* Somebody who follows the log: told on the loop whenever it may have become longer. */
struct ledger_follower {
    void (*moved)(void *context);
    void *context;
    struct ledger_follower *next; /* the port's own */
};
/* The struct is the caller's until it is taken out or the port is closed. */
void ledger_port_follow(struct ledger_port *port, struct ledger_follower *follower);
void ledger_port_unfollow(struct ledger_port *port, struct ledger_follower *follower);

#endif
