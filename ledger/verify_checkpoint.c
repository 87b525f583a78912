/* Checkpoints against the log. */
#include "checkpoint.h"
#include "replay.h"
#include "verify.h"

#include <inttypes.h>
#include <stdlib.h>

/* Tables as an opening ledger has them, without a pump. */
static mp_status tables_open(struct verifier *verifier, struct mp_ledger *ledger)
{
    uint64_t accounts = verifier->course.accounts + 1ull;
    mp_status status;

    ledger->env = verifier->env;
    ledger->memory.max = UINT64_MAX / 2;
    memcpy(ledger->hash_secret, ledger->wal.identity.hash_secret, sizeof ledger->hash_secret);
    status = accounts_open(&ledger->accounts, &ledger->memory, accounts, ledger->hash_secret);
    if (status == MP_OK) {
        status = reservations_open(&ledger->reservations, &ledger->memory, UINT32_MAX / 2,
                                   ledger->hash_secret);
    }
    return status;
}

static void tables_close(struct mp_ledger *ledger)
{
    accounts_close(&ledger->accounts);
    reservations_close(&ledger->reservations);
    wal_close(&ledger->wal);
}

static bool same_sums(const struct sums *one, const struct sums *other)
{
    return memcmp(one->of, other->of, sizeof one->of) == 0;
}

/* Compares the accounts of the part at hand. */
static void compare_accounts(struct verifier *verifier, const struct mp_ledger *ledger,
                             uint64_t number)
{
    const struct accounts *accounts = &ledger->accounts;

    if (accounts->count != verifier->course.accounts) {
        verify_problem(verifier, "checkpoint %08" PRIu64 " leads to %u accounts, the log has %u",
                       number, accounts->count, verifier->course.accounts);
        return;
    }
    for (uint32_t slot = 0; slot < accounts->count; slot++) {
        const struct verify_account *account = verify_account(verifier, slot);
        const struct account_line *line = account_line(accounts, slot);
        struct sums sums;

        if (account == NULL) continue;
        sums = account_sums(accounts, line);
        if (line->id != account->id || !same_sums(&sums, &account->sums) ||
            line->flags != account->flags || load_48(line->last) != account->last ||
            line->ledger != account->ledger || digits_count(accounts, slot) != account->records ||
            account_rest(accounts, slot)->timestamp != account->timestamp) {
            char id[40];

            verify_problem(verifier,
                           "checkpoint %08" PRIu64 " leads to another account %s than the log",
                           number, verify_number(account->id, id));
        }
    }
}

/* What the reservations leave must be the accounts' pending sums. */
static mp_status compare_pending(struct verifier *verifier, const struct mp_ledger *ledger,
                                 uint64_t number)
{
    const struct accounts *accounts = &ledger->accounts;
    const struct reservations *reservations = &ledger->reservations;
    mp_amount(*pending)[2] = calloc(accounts->count + 1ull, sizeof *pending);
    uint32_t differ = 0;

    if (pending == NULL) return fail(MP_NO_MEMORY, "no memory to add up reservations");
    for (uint32_t slot = 0; slot < reservations->slots; slot++) {
        const struct reservation *reservation = reservation_at(reservations, slot);

        if (reservation->id == 0) continue;
        pending[reservation->debit_slot][0] += reservation_left(reservations, reservation);
        pending[reservation->credit_slot][1] += reservation_left(reservations, reservation);
    }
    for (uint32_t slot = 0; slot < accounts->count; slot++) {
        struct sums sums = account_sums(accounts, account_line(accounts, slot));

        differ += sums.of[DEBITS_PENDING] != pending[slot][0] ||
                  sums.of[CREDITS_PENDING] != pending[slot][1];
    }
    free(pending);
    if (differ > 0) {
        verify_problem(verifier,
                       "checkpoint %08" PRIu64
                       " leads to reservations that are not the pending sums of %u accounts",
                       number, differ);
    }
    return MP_OK;
}

/* Loads one checkpoint and brings it forward to where the log was read to. */
static mp_status compare(struct verifier *verifier, struct mp_ledger *ledger, uint64_t number)
{
    struct checkpoint_start start;
    mp_status status = checkpoint_load_number(ledger, number, &start);

    if (status == MP_CORRUPT) {
        verify_problem(verifier, "%s", mp_last_error());
        return MP_OK;
    }
    if (status != MP_OK || start.mark > verifier->end) return status; /* a writer made it since */
    status = wal_scan(&ledger->wal, start.position, start.prev_sum, start.sequence, verifier->end,
                      replay_block, ledger);
    if (status != MP_OK) return status;
    compare_accounts(verifier, ledger, number);
    if (verifier->part == 0) {
        verifier->report->checkpoints++;
        status = compare_pending(verifier, ledger, number);
    }
    return status;
}

mp_status verify_checkpoints(struct verifier *verifier)
{
    struct mp_ledger *ledger = aligned_alloc(64, (sizeof *ledger + 63) / 64 * 64);
    uint64_t numbers[8];
    unsigned count = 1;
    mp_status status = MP_OK;

    if (ledger == NULL) return fail(MP_NO_MEMORY, "no memory to compare checkpoints");
    for (unsigned i = 0; i < count && status == MP_OK; i++) {
        memset(ledger, 0, sizeof *ledger);
        status = wal_open(&ledger->wal, verifier->env, verifier->wal.directory, false, true);
        if (status != MP_OK) break;
        status = tables_open(verifier, ledger);
        if (i == 0 && status == MP_OK) count = checkpoint_numbers(ledger, numbers);
        if (count > 0 && status == MP_OK) status = compare(verifier, ledger, numbers[i]);
        tables_close(ledger);
    }
    free(ledger);
    return status;
}
