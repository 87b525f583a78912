/* A writer's port over the real engine in a simulated world, for tests. */
#ifndef TESTS_ADAPTERS_LEDGER_WRITER_H
#define TESTS_ADAPTERS_LEDGER_WRITER_H

#include "ledger/ids.h"
#include "sim_env.h"
#include "support/test_loop.h"

struct writer {
    struct sim *sim;
    struct loop *loop;
    mp_ledger *ledger;
    struct ledger_port *port;
};

void writer_make(struct writer *writer);
void writer_free(struct writer *writer);
/* Closes port and ledger, and opens them again. */
void writer_reopen(struct writer *writer);
/* Until nothing is left to do. */
void writer_run(struct writer *writer);
/* Lets time pass on all clocks. */
void writer_pass(struct writer *writer, uint64_t ns);
/* Makes accounts 1 to `count` of ledger 7. */
void writer_accounts(struct writer *writer, unsigned count);

#endif
