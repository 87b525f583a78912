/* A ledger large enough that opening it takes threads of its own: first from the log alone, then
 * from a checkpoint and the log behind it, then read-only. Balances and ids are what they were. */
#include "support/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCHES = 9, BATCH = MP_BATCH_MAX, ACCOUNTS = BATCHES * BATCH };

static char directory[] = "/tmp/micropay-large-XXXXXX";
static mp_ledger *ledger;
static unsigned payments; /* rounds of them */

static void reopen(unsigned flags, uint64_t checkpoint_after)
{
    mp_options options = {
        .flags = flags, .memory_max = 256u << 20, .checkpoint_after = checkpoint_after};

    MUST(mp_close(ledger) == MP_OK);
    MUST(mp_open(directory, &options, &ledger) == MP_OK);
}

static void add_accounts(void)
{
    static mp_account accounts[BATCH];
    static mp_result results[BATCH];

    for (unsigned batch = 0; batch < BATCHES; batch++) {
        for (unsigned i = 0; i < BATCH; i++)
            accounts[i] = (mp_account){.id = batch * BATCH + i + 1, .ledger = 1, .code = 1};
        MUST(mp_create_accounts(ledger, accounts, BATCH, results) == MP_OK);
        for (unsigned i = 0; i < BATCH; i++) MUST(results[i].result == MP_CREATED);
    }
}

/* Each account pays the next one its own number. */
static void pay(uint32_t result)
{
    static mp_transfer transfers[BATCH];
    static mp_result results[BATCH];

    for (unsigned batch = 0; batch < BATCHES; batch++) {
        for (unsigned i = 0; i < BATCH; i++) {
            mp_id account = batch * BATCH + i + 1;

            transfers[i] = (mp_transfer){.id = MP_U128(payments, account),
                                         .debit_account_id = account,
                                         .credit_account_id = account % ACCOUNTS + 1,
                                         .amount = account,
                                         .ledger = 1,
                                         .code = 1};
        }
        MUST(mp_create_transfers(ledger, transfers, BATCH, results) == MP_OK);
        for (unsigned i = 0; i < BATCH; i++) MUST(results[i].result == result);
    }
}

static void check(void)
{
    static mp_id ids[BATCH];
    static mp_balance balances[BATCH];

    for (unsigned batch = 0; batch < BATCHES; batch++) {
        for (unsigned i = 0; i < BATCH; i++) ids[i] = batch * BATCH + i + 1;
        MUST(mp_read_many(ledger, ids, BATCH, balances) == MP_OK);
        for (unsigned i = 0; i < BATCH; i++) {
            mp_id before = ids[i] == 1 ? ACCOUNTS : ids[i] - 1;

            MUST(balances[i].debits_posted == payments * ids[i]);
            MUST(balances[i].credits_posted == payments * before);
        }
    }
}

static void wait_for_checkpoint(void)
{
    mp_stats stats;

    do {
        usleep(10000);
        mp_read_stats(ledger, &stats);
    } while (stats.checkpoints == 0 || stats.checkpoint_running != 0);
}

int main(void)
{
    const uint64_t never = UINT64_MAX / 4;
    char command[128];

    MUST(mkdtemp(directory) != NULL);
    MUST(mp_init(directory, NULL) == MP_OK);
    reopen(0, never);
    add_accounts();
    payments++;
    pay(MP_CREATED);
    reopen(0, 1); /* all of it is replayed, then a checkpoint is due */
    check();
    pay(MP_TRANSFER_EXISTS);
    wait_for_checkpoint();
    payments++;
    pay(MP_CREATED);
    reopen(0, never); /* the checkpoint and some log */
    check();
    pay(MP_TRANSFER_EXISTS);
    reopen(MP_OPEN_READ, 0);
    check();
    MUST(mp_close(ledger) == MP_OK);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    MUST(system(command) == 0);
    printf("%d accounts and their payments are what they were\n", ACCOUNTS);
    return 0;
}
