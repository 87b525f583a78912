/* The ledger's log to facts. */
#include "journal.h"

#include "wire/buffer.h"

#include <stdlib.h>
#include <string.h>

enum {
    FACTS_ENOUGH = 256,    /* for a batch: no further block is begun */
    RECORDS_ENOUGH = 4096, /* likewise, where records are nothing that is told */
};

/* --- holders --- */

static struct holder **bucket(struct journal *journal, mp_id id)
{
    return &journal->holders[(unsigned)(id ^ id >> 64) % HOLDER_BUCKETS];
}

void journal_free_holders(struct journal *journal)
{
    for (unsigned i = 0; i < HOLDER_BUCKETS; i++) {
        while (journal->holders[i] != NULL) {
            struct holder *next = journal->holders[i]->same_bucket;

            free(journal->holders[i]);
            journal->holders[i] = next;
        }
    }
    journal->holder_count = 0;
}

static bool is_wallet(struct journal *journal, mp_id id)
{
    mp_account account;
    uint32_t count = 0;

    return mp_lookup_accounts(journal->service->context.reads, &id, 1, &account, &count) == MP_OK &&
           count == 1 && account.code == ACCOUNT_CODE_WALLET;
}

static void want(struct journal *journal, struct holder *holder)
{
    if (holder->wanted || holder->state == HOLDER_SYSTEM || holder->state == HOLDER_KNOWN) return;
    holder->state = HOLDER_UNKNOWN; /* there may be news of one that was nobody's */
    holder->account.found = false;
    holder->wanted = true;
    holder->next = journal->wanted;
    journal->wanted = holder;
}

static struct holder *holder_of(struct journal *journal, mp_id id)
{
    struct holder **first = bucket(journal, id), *holder = *first;

    while (holder != NULL && holder->id != id) holder = holder->same_bucket;
    if (holder == NULL) {
        holder = need_memory(sizeof *holder);
        holder->id = id;
        holder->state = is_wallet(journal, id) ? HOLDER_UNKNOWN : HOLDER_SYSTEM;
        holder->account.id = uuid_of_id(id);
        holder->same_bucket = *first;
        *first = holder;
        journal->holder_count++;
    }
    want(journal, holder);
    return holder;
}

/* --- facts --- */

static struct fact *add_fact(struct journal *journal, enum fact_kind kind, struct holder *holder,
                             const mp_record *record, unsigned part)
{
    struct fact *fact;

    if (journal->fact_count == journal->fact_room) {
        journal->fact_room = journal->fact_room > 0 ? 2 * journal->fact_room : 512;
        journal->facts =
            need_more_memory(journal->facts, journal->fact_room * sizeof *journal->facts);
    }
    fact = &journal->facts[journal->fact_count++];
    *fact = (struct fact){
        .kind = kind,
        .holder = holder,
        .number = 4 * record->sequence + part,
        .timestamp = record->timestamp,
        .sequence = record->sequence,
    };
    return fact;
}

/* The legs of one hold stand behind each other: they are told as one. */
static struct fact *last_leg(struct journal *journal, enum fact_kind kind,
                             const struct holder *holder, mp_u128 payment, uint64_t sequence)
{
    for (unsigned i = journal->fact_count; i > journal->block_first; i--) {
        struct fact *fact = &journal->facts[i - 1];

        if (fact->kind == FACT_UPDATED) continue;
        return fact->kind == kind && fact->holder == holder && fact->payment == payment &&
                       fact->sequence + 1 == sequence
                   ? fact
                   : NULL;
    }
    return NULL;
}

static void take_hold(struct journal *journal, enum fact_kind kind, const mp_record *record)
{
    const mp_transfer *transfer = &record->change.transfer;
    struct holder *holder = holder_of(journal, transfer->debit_account_id);
    struct fact *fact;

    if (holder->state == HOLDER_SYSTEM) return; /* a deposit's */
    fact = last_leg(journal, kind, holder, transfer->user_data_128, record->sequence);
    if (fact == NULL) {
        fact = add_fact(journal, kind, holder, record, 0);
        fact->payment = transfer->user_data_128;
    }
    fact->sequence = record->sequence;
    fact->amount += transfer->amount;
    fact->expired = record->kind == MP_RECORD_EXPIRY;
    if (transfer->timeout > 0)
        fact->expires_ns = record->timestamp + transfer->timeout * UINT64_C(1000000000);
}

/* How an account stands; what was known of it in this block gives way. */
static void take_sums(struct journal *journal, mp_id id, const mp_balance *sums,
                      const mp_record *record, unsigned part)
{
    struct holder *holder = holder_of(journal, id);
    struct fact *fact;

    if (holder->state == HOLDER_SYSTEM) return;
    if (holder->block != journal->position) {
        holder->block = journal->position;
        holder->fact = journal->fact_count;
        add_fact(journal, FACT_UPDATED, holder, record, part);
    }
    fact = &journal->facts[holder->fact];
    fact->number = 4 * record->sequence + part;
    fact->timestamp = record->timestamp;
    fact->sequence = record->sequence;
    fact->sums = *sums;
}

static bool is_hold(uint16_t code)
{
    return (code >= TRANSFER_CODE_PAYMENT_MIN && code <= TRANSFER_CODE_PAYMENT_MAX) ||
           code == TRANSFER_CODE_RESERVATION;
}

static void take(struct journal *journal, const mp_record *record)
{
    const mp_change *change = &record->change;
    const mp_transfer *transfer = &change->transfer;

    if (record->kind != MP_RECORD_TRANSFER && record->kind != MP_RECORD_EXPIRY) return;
    if (is_hold(transfer->code) && change->type == MP_CHANGE_TWO_PHASE_PENDING)
        take_hold(journal, FACT_RESERVED, record);
    if (is_hold(transfer->code) &&
        (change->type == MP_CHANGE_TWO_PHASE_VOIDED || change->type == MP_CHANGE_TWO_PHASE_EXPIRED))
        take_hold(journal, FACT_RELEASED, record);
    take_sums(journal, transfer->debit_account_id, &change->debit, record, 1);
    take_sums(journal, transfer->credit_account_id, &change->credit, record, 2);
}

static int by_number(const void *a, const void *b)
{
    const struct fact *x = a, *y = b;

    return x->number < y->number ? -1 : x->number > y->number;
}

static void end_block(struct journal *journal)
{
    if (journal->fact_count > journal->block_first)
        qsort(journal->facts + journal->block_first, journal->fact_count - journal->block_first,
              sizeof *journal->facts, by_number);
    journal->block_first = journal->fact_count;
}

/* --- the log --- */

static mp_status next_record(struct journal *journal, mp_record *out)
{
    mp_ledger *ledger = journal->service->context.reads;

    if (journal->has_ahead) {
        *out = journal->ahead;
        journal->has_ahead = false;
        return MP_OK;
    }
    if (journal->log == NULL) {
        mp_status status = mp_log_open(ledger, journal->position, &journal->log);

        if (status != MP_OK) {
            journal->log = NULL;
            return status;
        }
    }
    return mp_log_next(journal->log, out);
}

static bool is_enough(const struct journal *journal, unsigned records)
{
    return journal->fact_count >= FACTS_ENOUGH || records >= RECORDS_ENOUGH;
}

/* A block is durable as a whole: where there are no more records the last one is complete too. */
bool journal_gather(struct journal *journal)
{
    static mp_record record;
    unsigned records = 0;
    mp_status status;

    journal->block_first = 0;
    journal->began = journal->position;
    while ((status = next_record(journal, &record)) == MP_OK) {
        if (record.block_position >= journal->position) { /* the next block */
            end_block(journal);
            if (is_enough(journal, records)) {
                journal->ahead = record;
                journal->has_ahead = true;
                return true;
            }
            journal->position = record.block_position + 1;
        }
        take(journal, &record);
        records++;
    }
    end_block(journal);
    journal->at_end = status == MP_END;
    if (status == MP_END) return true;
    mp_log_close(journal->log); /* the batch is read again, from its first block */
    journal->log = NULL;
    journal->position = journal->began;
    return false;
}

void journal_forget_batch(struct journal *journal)
{
    while (journal->wanted != NULL) {
        journal->wanted->wanted = false;
        journal->wanted = journal->wanted->next;
    }
    journal->wanted_since_ns = 0;
    journal->fact_count = 0;
    if (journal->holder_count > HOLDERS_MAX) journal_free_holders(journal);
}
