/* transfer, reserve, capture, increase, release, reverse: one transfer each */
#include "outcome.h"

/* What the command line says of a transfer; `flags` besides those given. */
static enum exit_status transfer_of(struct command *command, uint16_t flags, mp_transfer *transfer)
{
    *transfer = (mp_transfer){
        .debit_account_id = number_of(command, OPT_DEBIT),
        .credit_account_id = number_of(command, OPT_CREDIT),
        .amount = number_of(command, OPT_AMOUNT),
        .pending_id = number_of(command, OPT_PENDING_ID),
        .user_data_128 = number_of(command, OPT_USER_DATA_128),
        .user_data_64 = u64_of(command, OPT_USER_DATA_64),
        .user_data_32 = u32_of(command, OPT_USER_DATA_32),
        .timeout = u32_of(command, OPT_TIMEOUT),
        .ledger = u32_of(command, OPT_LEDGER),
        .code = u16_of(command, OPT_CODE),
        .flags = (uint16_t)(u16_of(command, OPT_TRANSFER_FLAGS) | flags),
        .timestamp = u64_of(command, OPT_TIMESTAMP),
    };
    return outcome_id(command, &transfer->id);
}

/* A transfer that refers to the one that argument 1 names */
static enum exit_status refer(struct command *command, uint16_t flags, mp_amount amount)
{
    mp_transfer transfer;
    enum exit_status status = transfer_of(command, flags, &transfer);

    if (status == EXIT_DONE) status = argument_id(command, 1, &transfer.pending_id);
    if (status != EXIT_DONE) return status;
    transfer.amount = amount;
    return outcome_transfer(command, &transfer);
}

static mp_amount amount_or_all(const struct command *command)
{
    return given(command, OPT_AMOUNT) ? number_of(command, OPT_AMOUNT) : MP_AMOUNT_MAX;
}

static const enum option needed[] = {OPT_DEBIT,  OPT_CREDIT, OPT_AMOUNT,
                                     OPT_LEDGER, OPT_CODE,   OPT_END};

enum exit_status verb_transfer(struct command *command)
{
    /* what refers to another transfer takes its accounts from there */
    const uint16_t refers = MP_TRANSFER_POST_PENDING | MP_TRANSFER_VOID_PENDING |
                            MP_TRANSFER_INCREASE_PENDING | MP_TRANSFER_REVERSAL |
                            MP_TRANSFER_BIND_ID;
    mp_transfer transfer;
    enum exit_status status = transfer_of(command, 0, &transfer);

    if (status == EXIT_DONE && !(transfer.flags & refers)) status = options_needed(command, needed);
    return status == EXIT_DONE ? outcome_transfer(command, &transfer) : status;
}

enum exit_status verb_reserve(struct command *command)
{
    mp_transfer transfer;
    enum exit_status status = options_needed(command, needed);

    if (status == EXIT_DONE) status = transfer_of(command, MP_TRANSFER_PENDING, &transfer);
    return status == EXIT_DONE ? outcome_transfer(command, &transfer) : status;
}

enum exit_status verb_capture(struct command *command)
{
    uint16_t keep = given(command, OPT_KEEP) ? MP_TRANSFER_KEEP_PENDING : 0;

    return refer(command, (uint16_t)(MP_TRANSFER_POST_PENDING | keep), amount_or_all(command));
}

enum exit_status verb_increase(struct command *command)
{
    if (!given(command, OPT_AMOUNT) && !given(command, OPT_TIMEOUT))
        return usage_error(command, "--amount N or --timeout S is missing");
    return refer(command, MP_TRANSFER_INCREASE_PENDING, number_of(command, OPT_AMOUNT));
}

enum exit_status verb_release(struct command *command)
{
    return refer(command, MP_TRANSFER_VOID_PENDING, 0);
}

enum exit_status verb_reverse(struct command *command)
{
    return refer(command, MP_TRANSFER_REVERSAL, amount_or_all(command));
}
