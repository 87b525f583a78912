/* freeze, unfreeze, close: one account update each */
#include "outcome.h"

static enum exit_status update(struct command *command, unsigned set, unsigned clear)
{
    mp_account_update change = {
        .user_data_128 = number_of(command, OPT_USER_DATA_128),
        .user_data_64 = u64_of(command, OPT_USER_DATA_64),
        .user_data_32 = u32_of(command, OPT_USER_DATA_32),
        .flags_set = (uint16_t)set,
        .flags_clear = (uint16_t)clear,
        .code = u16_of(command, OPT_CODE),
    };
    enum exit_status status = argument_id(command, 1, &change.account_id);

    if (status == EXIT_DONE) status = outcome_id(command, &change.id);
    return status == EXIT_DONE ? outcome_update(command, &change) : status;
}

/* Which sides --debits and --credits name; neither means both */
static unsigned sides(const struct command *command)
{
    bool debits = given(command, OPT_DEBITS), credits = given(command, OPT_CREDITS);

    if (debits == credits) return MP_ACCOUNT_FROZEN_DEBITS | MP_ACCOUNT_FROZEN_CREDITS;
    return debits ? MP_ACCOUNT_FROZEN_DEBITS : MP_ACCOUNT_FROZEN_CREDITS;
}

enum exit_status verb_freeze(struct command *command) { return update(command, sides(command), 0); }

enum exit_status verb_unfreeze(struct command *command)
{
    return update(command, 0, sides(command));
}

enum exit_status verb_close(struct command *command)
{
    bool reopen = given(command, OPT_REOPEN);

    return update(command, reopen ? 0 : MP_ACCOUNT_CLOSED, reopen ? MP_ACCOUNT_CLOSED : 0);
}
