/* What the ledger has, as the API shows it. */
#include "transaction.h"

#include <string.h>

static unsigned kind_of(const mp_transfer *transfer)
{
    static const struct {
        unsigned flag, kind;
    } kinds[] = {
        {MP_TRANSFER_PENDING, TRANSACTION_RESERVATION},
        {MP_TRANSFER_POST_PENDING, TRANSACTION_POST},
        {MP_TRANSFER_VOID_PENDING, TRANSACTION_VOID},
        {MP_TRANSFER_INCREASE_PENDING, TRANSACTION_INCREASE},
        {MP_TRANSFER_REVERSAL, TRANSACTION_REVERSAL},
    };

    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if ((transfer->flags & kinds[i].flag) != 0) return kinds[i].kind;
    return TRANSACTION_TRANSFER;
}

static bool is_payments(const mp_transfer *transfer)
{
    return transfer->code >= TRANSFER_CODE_PAYMENT_MIN &&
           transfer->code <= TRANSFER_CODE_PAYMENT_MAX;
}

#define SHOW_CURRENCY(out, book)                                                                   \
    do {                                                                                           \
        (out)->ledger = (book)->number;                                                            \
        memcpy((out)->currency.code, (book)->currency->code, sizeof(out)->currency.code);          \
    } while (0)

/* Sets an optional field of a record if the value isn't 0. */
#define SHOW(record, out, field, value)                                                            \
    do {                                                                                           \
        if ((value) == 0) break;                                                                   \
        (out)->field = (value);                                                                    \
        (out)->present |= RECORD_BIT(record, field);                                               \
    } while (0)
#define SHOW_ID(record, out, field, value)                                                         \
    do {                                                                                           \
        if ((value) == 0) break;                                                                   \
        (out)->field = uuid_of_id(value);                                                          \
        (out)->present |= RECORD_BIT(record, field);                                               \
    } while (0)

void transaction_show(const mp_transfer *transfer, const struct ledger_book *book,
                      struct transaction_body *out)
{
    memset(out, 0, sizeof *out);
    out->id = uuid_of_id(transfer->id);
    out->kind = kind_of(transfer);
    out->debit.uuid = uuid_of_id(transfer->debit_account_id);
    out->credit.uuid = uuid_of_id(transfer->credit_account_id);
    out->amount = transfer->amount;
    SHOW_CURRENCY(out, book);
    out->digits = book->currency->digits;
    out->code = transfer->code;
    out->flags = transfer->flags;
    SHOW_ID(transaction_body, out, pending_id, transfer->pending_id);
    SHOW(transaction_body, out, timeout, transfer->timeout);
    if (is_payments(transfer)) SHOW_ID(transaction_body, out, payment, transfer->user_data_128);
    SHOW(transaction_body, out, user_data_128, transfer->user_data_128);
    SHOW(transaction_body, out, user_data_64, transfer->user_data_64);
    SHOW(transaction_body, out, user_data_32, transfer->user_data_32);
    out->timestamp = transfer->timestamp;
}

void ledger_sums_show(const mp_balance *balance, struct ledger_sums *out)
{
    *out = (struct ledger_sums){
        .debits_posted = balance->debits_posted,
        .debits_pending = balance->debits_pending,
        .credits_posted = balance->credits_posted,
        .credits_pending = balance->credits_pending,
    };
}

static unsigned journal_kind(mp_change_type type)
{
    switch (type) {
    case MP_CHANGE_SINGLE_PHASE: return JOURNAL_TRANSFER;
    case MP_CHANGE_TWO_PHASE_PENDING: return JOURNAL_RESERVATION;
    case MP_CHANGE_TWO_PHASE_POSTED: return JOURNAL_POST;
    case MP_CHANGE_TWO_PHASE_VOIDED: return JOURNAL_VOID;
    case MP_CHANGE_TWO_PHASE_EXPIRED: return JOURNAL_EXPIRY;
    case MP_CHANGE_TWO_PHASE_PART_POSTED: return JOURNAL_PART_POST;
    case MP_CHANGE_TWO_PHASE_INCREASED: return JOURNAL_INCREASE;
    case MP_CHANGE_REVERSAL: return JOURNAL_REVERSAL;
    case MP_CHANGE_ACCOUNT_UPDATED: return JOURNAL_ACCOUNT_UPDATE;
    }
    return 0;
}

static void show_update(const mp_change *change, struct journal_entry *out)
{
    const mp_account_update *update = &change->update;

    SHOW_ID(journal_entry, out, id, update->id);
    out->debit.uuid = uuid_of_id(update->account_id);
    out->code = update->code;
    out->account_flags = change->update_flags_after;
    SHOW(journal_entry, out, user_data_128, update->user_data_128);
    SHOW(journal_entry, out, user_data_64, update->user_data_64);
    SHOW(journal_entry, out, user_data_32, update->user_data_32);
    ledger_sums_show(&change->debit, &out->debit_balance);
    out->present |= RECORD_BIT(journal_entry, debit) | RECORD_BIT(journal_entry, account_flags) |
                    RECORD_BIT(journal_entry, debit_balance);
}

static void show_transfer(const mp_change *change, struct journal_entry *out)
{
    const mp_transfer *transfer = &change->transfer;

    SHOW_ID(journal_entry, out, id, transfer->id);
    SHOW_ID(journal_entry, out, pending_id, transfer->pending_id);
    out->debit.uuid = uuid_of_id(transfer->debit_account_id);
    out->credit.uuid = uuid_of_id(transfer->credit_account_id);
    out->amount = transfer->amount;
    out->code = transfer->code;
    out->flags = transfer->flags;
    SHOW(journal_entry, out, user_data_128, transfer->user_data_128);
    SHOW(journal_entry, out, user_data_64, transfer->user_data_64);
    SHOW(journal_entry, out, user_data_32, transfer->user_data_32);
    ledger_sums_show(&change->debit, &out->debit_balance);
    ledger_sums_show(&change->credit, &out->credit_balance);
    out->present |= RECORD_BIT(journal_entry, debit) | RECORD_BIT(journal_entry, credit) |
                    RECORD_BIT(journal_entry, amount) | RECORD_BIT(journal_entry, flags) |
                    RECORD_BIT(journal_entry, debit_balance) |
                    RECORD_BIT(journal_entry, credit_balance);
}

void journal_show(const mp_change *change, const struct ledger_book *book,
                  struct journal_entry *out)
{
    memset(out, 0, sizeof *out);
    out->position = change->position;
    out->sequence = change->sequence;
    out->kind = journal_kind(change->type);
    SHOW_CURRENCY(out, book);
    out->timestamp = change->timestamp;
    if (change->type == MP_CHANGE_ACCOUNT_UPDATED)
        show_update(change, out);
    else
        show_transfer(change, out);
}
