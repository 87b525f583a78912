/* What must hold of a ledger at any time, worked out anew from the transfers. */
#include "oracle_state.h"

#include <stdlib.h>

/* Sums without the account table: each transfer's effect by its kind and state. */
static void add_up(const struct oracle *o, mp_balance *sums)
{
    for (uint32_t i = 0; i < o->transfer_count; i++) {
        const struct transfer *t = &o->transfers[i];
        const struct fate *fate = &o->fates[i];

        if (fate->state == OPEN) {
            sums[t->debit].debits_pending += fate->left;
            sums[t->credit].credits_pending += fate->left;
        }
        if (!has_flag(&t->record, MP_TRANSFER_PENDING | MP_TRANSFER_VOID_PENDING |
                                      MP_TRANSFER_INCREASE_PENDING)) {
            sums[t->debit].debits_posted += t->record.amount;
            sums[t->credit].credits_posted += t->record.amount;
        }
    }
}

static bool is_same(const mp_balance *a, const mp_balance *b)
{
    return a->debits_pending == b->debits_pending && a->debits_posted == b->debits_posted &&
           a->credits_pending == b->credits_pending && a->credits_posted == b->credits_posted;
}

static const char *check_account(const struct account *account)
{
    const mp_balance *b = &account->balance;

    if (b->debits_pending > MP_U128_MAX - b->debits_posted) return "an account's debits overflow";
    if (b->credits_pending > MP_U128_MAX - b->credits_posted)
        return "an account's credits overflow";
    if ((account->flags & MP_ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS) != 0 &&
        b->debits_pending + b->debits_posted > b->credits_posted)
        return "debits exceed credits";
    if ((account->flags & MP_ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS) != 0 &&
        b->credits_pending + b->credits_posted > b->debits_posted)
        return "credits exceed debits";
    return NULL;
}

static const char *check_accounts(const struct oracle *o, const mp_balance *sums)
{
    mp_u128 pending = 0, posted = 0; /* debits less credits, modulo 2^128 */

    for (uint32_t i = 0; i < o->account_count; i++) {
        const char *broken = check_account(&o->accounts[i]);
        const mp_balance *b = &o->accounts[i].balance;

        if (broken != NULL) return broken;
        if (!is_same(b, &sums[i])) return "an account's sums aren't those of its transfers";
        pending += b->debits_pending - b->credits_pending;
        posted += b->debits_posted - b->credits_posted;
    }
    if (pending != 0) return "pending debits and credits differ";
    return posted == 0 ? NULL : "posted debits and credits differ";
}

static const char *check_times(const struct oracle *o)
{
    for (uint32_t i = 1; i < o->change_count; i++)
        if (o->changes[i].seen.timestamp <= o->changes[i - 1].seen.timestamp)
            return "times don't rise";
    for (uint32_t i = 1; i < o->account_count; i++)
        if (o->accounts[i].created.timestamp <= o->accounts[i - 1].created.timestamp)
            return "times of accounts don't rise";
    for (uint32_t i = 0; i < o->transfer_count; i++)
        if (o->fates[i].reversed > o->transfers[i].record.amount)
            return "more is reversed than was posted";
    if (o->account_count + o->change_count + o->bound != o->sequence) return "a number is missing";
    return NULL;
}

const char *oracle_check(const oracle *o)
{
    mp_balance *sums = calloc(o->account_count + 1, sizeof(*sums));
    const char *broken;

    if (sums == NULL) abort();
    add_up(o, sums);
    broken = check_accounts(o, sums);
    free(sums);
    return broken != NULL ? broken : check_times(o);
}
