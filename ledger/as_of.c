/* Balance of an account as it stood at an instant. */
#include "walk.h"

mp_status mp_balance_at(mp_ledger *ledger, mp_id account, uint64_t at_ns, mp_balance *out)
{
    struct walker walker;
    struct account_view view;
    struct chain_record record;
    struct sums sums = {0};
    char text[40];
    mp_status status = check_process(ledger);
    uint32_t slot;

    if (status != MP_OK) return status;
    status = find_account(ledger, account, &slot, &view);
    if (status != MP_OK) return status;
    if (account_rest(&ledger->accounts, slot)->timestamp > at_ns) {
        return fail(MP_NOT_FOUND, "account %s was made later", id_text(account, text));
    }
    walker_open(&walker, ledger);
    status = walk(&walker, slot, view.last, view.records, WALK_BY_TIME, at_ns, &record);
    if (status != MP_OK) return status;
    if (record.number != 0) sums = chain_sums(&record);
    *out = balance_of(&sums);
    return MP_OK;
}
