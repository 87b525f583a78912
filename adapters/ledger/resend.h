/*
 * Commands without answer: sent, and sent again as the very same bytes, 5 s later, then with longer
 * and longer pauses up to a minute, for ever, until the ledger's answer is there.
 *
 * The rows are the service's, stored in its database before the first sending; this table has those
 * of them in memory that are under way. A service adds each once its row is durable (from
 * turn_hooks.end), and at start all that an earlier life left without answer. It takes one out when
 * the answer comes; the piece of work that stores the answer persists, so it need not be asked for
 * again unless the process dies.
 *
 * While the writer has stopped nothing is sent. On the loop's thread. Bytes are copied.
 */
#ifndef ADAPTERS_LEDGER_RESEND_H
#define ADAPTERS_LEDGER_RESEND_H

#include "ledger/port.h"

struct resend;

/* Sends as `listener` of the port (ledger_port_ops.listen); loop and port outlive the table. */
struct resend *resend_make(struct loop *loop, struct ledger_port *port, unsigned listener);
/* Sends a chain, as chain_encode() made it, and keeps it until it is answered. One that is under
 * way already is left as it is. False if the bytes are no chain: nothing is sent. */
bool resend_add(struct resend *table, const void *bytes, size_t length, struct uuid reply) MUST_USE;
/* An answer has come: what it is for is sent no more. False if it was not under way: an expiry, or
 * an answer to a chain that was sent twice. A bind_id is another command than the chain whose id it
 * binds. */
bool resend_answered(struct resend *table, const struct ledger_answer *answer);
/* How many are under way, and how many of these have been for longer than that. */
unsigned resend_count(const struct resend *table);
unsigned resend_older(const struct resend *table, uint64_t than_ns);
/* Sends nothing more; NULL is allowed. */
void resend_free(struct resend *table);

#endif
