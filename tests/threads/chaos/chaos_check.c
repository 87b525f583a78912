/* After a life: the ledger in a sound world, against what callers were told. */
#include "chaos.h"

#include <stdlib.h>
#include <string.h>

enum { ACCOUNTS_MAX = 60000, RESENT = 400, BLOCK_NONE = 0 };

/* What the log says of an event. */
struct found {
    uint64_t timestamp, sequence, block; /* block: position; 0 = it isn't there */
    uint32_t bound_code;                 /* 0 = an object */
    uint32_t kind;
};

struct balance_after {
    mp_id id;
    mp_balance balance;
};

static struct found found[WORKERS][SENT_MAX];
static struct balance_after accounts[ACCOUNTS_MAX];
static uint32_t account_count;
static uint64_t block_of_position[WORKERS][ASKED_MAX]; /* of an asked request with a source */
static uint64_t position[WORKERS];                     /* last of each source */
static mp_ledger *ledger;

static mp_ledger *open_soundly(unsigned flags)
{
    mp_options options = {.flags = flags, .memory_max = UINT64_C(128) << 20};
    mp_status status = mp_open(world->directory, &options, &ledger);

    if (status != MP_OK)
        differs("opening again%s: %s: %s", flags != 0 ? " to read" : "", mp_status_name(status),
                mp_last_error());
    return ledger;
}

/* --- the log --- */

static struct balance_after *account_of(mp_id id)
{
    uint64_t at = ((uint64_t)(id >> 64) * 40009 + (uint64_t)id * 7) % ACCOUNTS_MAX;

    while (accounts[at].id != 0 && accounts[at].id != id) at = (at + 1) % ACCOUNTS_MAX;
    if (accounts[at].id == 0) {
        MUST(++account_count < ACCOUNTS_MAX / 2);
        accounts[at].id = id;
    }
    return &accounts[at];
}

static struct found *found_of(mp_id id, bool account)
{
    uint64_t worker = (uint64_t)(id >> 64) - (account ? 1000 : 1), index = (uint64_t)id - 1;

    if (account && id >> 64 == 0) return NULL; /* of the base */
    if (worker >= WORKERS || index >= atomic_load(&world->workers[worker].sent_count))
        differs("the log has an id that nobody sent");
    return &found[worker][index];
}

static void note(struct found *at, const mp_record *record, enum kind kind, uint32_t bound_code)
{
    if (at == NULL) return;
    if (at->block != 0)
        differs("the log has the id of its record %llu twice",
                (unsigned long long)record->sequence);
    *at = (struct found){record->timestamp, record->sequence, record->block_position, bound_code,
                         kind};
}

static void add_posted(const mp_transfer *transfer, struct balance_after *debit,
                       struct balance_after *credit, const mp_change *change)
{
    bool posts =
        change->type == MP_CHANGE_SINGLE_PHASE || change->type == MP_CHANGE_TWO_PHASE_POSTED ||
        change->type == MP_CHANGE_TWO_PHASE_PART_POSTED || change->type == MP_CHANGE_REVERSAL;

    if (posts) {
        debit->balance.debits_posted += transfer->amount;
        credit->balance.credits_posted += transfer->amount;
    }
    if (debit->balance.debits_posted != change->debit.debits_posted ||
        debit->balance.credits_posted != change->debit.credits_posted ||
        credit->balance.debits_posted != change->credit.debits_posted ||
        credit->balance.credits_posted != change->credit.credits_posted)
        differs("the sums after record %llu aren't those of the transfers before",
                (unsigned long long)change->sequence);
    debit->balance = change->debit;
    credit->balance = change->credit;
}

static void note_transfer(const mp_record *record)
{
    const mp_transfer *transfer = &record->change.transfer;

    if (record->kind == MP_RECORD_TRANSFER)
        note(found_of(transfer->id, false), record, TRANSFER, 0);
    add_posted(transfer, account_of(transfer->debit_account_id),
               account_of(transfer->credit_account_id), &record->change);
}

static void note_position(const mp_record *record)
{
    uint64_t worker = record->source - SOURCE_OF(0);
    struct worker *of;

    MUST(worker < WORKERS);
    of = &world->workers[worker];
    if (record->source_position <= position[worker])
        differs("source %llu went back", (unsigned long long)record->source);
    position[worker] = record->source_position;
    for (uint32_t i = atomic_load(&of->asked_count); i-- > 0;) {
        if (of->asked[i].source_position != record->source_position ||
            atomic_load(&of->asked[i].state) == ASKED_REFUSED)
            continue;
        block_of_position[worker][i] = record->block_position;
        return;
    }
    differs("source %llu has come to %llu, which was refused or never sent",
            (unsigned long long)record->source, (unsigned long long)record->source_position);
}

static void read_log(void)
{
    uint64_t sequence = 0, newest = 0;
    static mp_record record;
    mp_status status;
    mp_log *log;

    memset(found, 0, sizeof found);
    memset(accounts, 0, sizeof accounts);
    memset(block_of_position, 0, sizeof block_of_position);
    memset(position, 0, sizeof position);
    account_count = 0;
    MUST(mp_log_open(ledger, 0, &log) == MP_OK);
    while ((status = mp_log_next(log, &record)) == MP_OK) {
        if (record.kind != MP_RECORD_INPUT_POSITION && record.sequence != ++sequence)
            differs("sequence %llu follows %llu", (unsigned long long)record.sequence,
                    (unsigned long long)sequence - 1);
        if (record.kind != MP_RECORD_INPUT_POSITION && record.kind != MP_RECORD_BOUND_ID) {
            if (record.timestamp <= newest)
                differs("the time of record %llu isn't later than that before",
                        (unsigned long long)sequence);
            newest = record.timestamp;
        }
        switch (record.kind) {
        case MP_RECORD_ACCOUNT:
            note(found_of(record.account.id, true), &record, ACCOUNT, 0);
            account_of(record.account.id);
            break;
        case MP_RECORD_TRANSFER:
        case MP_RECORD_EXPIRY: note_transfer(&record); break;
        case MP_RECORD_UPDATE:
            note(found_of(record.change.update.id, false), &record, UPDATE, 0);
            break;
        case MP_RECORD_BOUND_ID:
            note(found_of(record.bound_id, false), &record, TRANSFER, record.bound_code);
            break;
        case MP_RECORD_INPUT_POSITION: note_position(&record);
        }
    }
    if (status != MP_END)
        differs("reading the log: %s: %s", mp_status_name(status), mp_last_error());
    mp_log_close(log);
}

/* --- against what was told --- */

static void check_sent(unsigned number, uint32_t index, struct sent *sent)
{
    const struct found *at = &found[number][index];
    uint32_t knowledge = atomic_load(&sent->knowledge);
    const char *what = at->block == 0        ? "nothing"
                       : at->bound_code != 0 ? "a bound id"
                                             : "an object";

    sent->busy = false;
    if (knowledge == MAYBE) {
        knowledge = at->block == 0 ? ABSENT : at->bound_code != 0 ? BOUND : PRESENT;
        sent->timestamp = at->timestamp;
        sent->sequence = at->sequence;
        sent->bound_code = at->bound_code;
        atomic_store(&sent->knowledge, knowledge);
    }
    if ((knowledge == ABSENT) != (at->block == 0) || (knowledge == BOUND) != (at->bound_code != 0))
        differs("of worker %u's event %u, known as %u, the log has %s at sequence %llu", number,
                index, knowledge, what, (unsigned long long)at->sequence);
    if (knowledge == BOUND && at->bound_code != sent->bound_code)
        differs("worker %u's event %u is bound by %u, not %u", number, index, at->bound_code,
                sent->bound_code);
    if (knowledge == PRESENT && (at->timestamp != sent->timestamp ||
                                 (sent->sequence != 0 && at->sequence != sent->sequence)))
        differs("worker %u's event %u has another time or sequence in the log", number, index);
    if (sent->chain != 0 && sent->chain - 1 != index &&
        (at->block != 0 && at->bound_code == 0) != (found[number][sent->chain - 1].block != 0 &&
                                                    found[number][sent->chain - 1].bound_code == 0))
        differs("worker %u's chain at event %u is there in part", number, sent->chain - 1);
}

/* A request is there whole, in one block, or not at all. */
static void check_asked(unsigned number, uint32_t i, const struct asked *asked)
{
    const struct worker *worker = &world->workers[number];
    uint64_t block = UINT64_MAX;

    if (asked->life != world->life || atomic_load(&asked->state) == ASKED_REFUSED) return;
    if (asked->source_position != 0) block = block_of_position[number][i];
    if (atomic_load(&asked->state) == ASKED_DONE && block == 0)
        differs("source %u: position %llu was told and is lost", number,
                (unsigned long long)asked->source_position);
    for (uint32_t index = asked->first; index < asked->first + asked->count; index++) {
        if (!worker->sent[index].must) continue;
        if (block == UINT64_MAX) block = found[number][index].block;
        if (block != found[number][index].block)
            differs("worker %u's request %u is there in part, or in two blocks: event %u", number,
                    i, index);
    }
}

static void check_told(void)
{
    for (unsigned number = 0; number < WORKERS; number++) {
        struct worker *worker = &world->workers[number];

        for (uint32_t i = 0, count = atomic_load(&worker->sent_count); i < count; i++)
            check_sent(number, i, &worker->sent[i]);
        for (uint32_t i = 0, count = atomic_load(&worker->asked_count); i < count; i++)
            check_asked(number, i, &worker->asked[i]);
        if (position[number] < worker->position_told)
            differs("source %u has come to %llu only", number,
                    (unsigned long long)position[number]);
        worker->position = worker->position_told = position[number];
    }
}

/* Without `pending` reservations may expire meanwhile. */
static void check_balances(bool pending)
{
    mp_balance debits = {0};

    for (uint32_t i = 0; i < ACCOUNTS_MAX; i++) {
        mp_balance balance;

        if (accounts[i].id == 0) continue;
        MUST(mp_read_balance(ledger, accounts[i].id, &balance) == MP_OK);
        if (pending ? memcmp(&balance, &accounts[i].balance, sizeof balance) != 0
                    : balance.debits_posted != accounts[i].balance.debits_posted ||
                          balance.credits_posted != accounts[i].balance.credits_posted)
            differs("the balance of account %llu:%llu isn't what the log says",
                    (unsigned long long)(accounts[i].id >> 64), (unsigned long long)accounts[i].id);
        debits.debits_posted += balance.debits_posted;
        debits.credits_posted += balance.credits_posted;
        debits.debits_pending += balance.debits_pending;
        debits.credits_pending += balance.credits_pending;
    }
    if (debits.debits_posted != debits.credits_posted ||
        (pending && debits.debits_pending != debits.credits_pending))
        differs("debits and credits differ");
}

static void check_seen(void)
{
    for (unsigned reader = 0; reader < READERS; reader++) {
        struct seen *seen = &world->seen[reader];

        for (unsigned i = 0; i < BASE; i++) {
            if ((uint64_t)account_of(i + 1)->balance.debits_posted < seen->debits[i])
                differs("a reader was shown more debits of account %u than there are", i + 1);
        }
        for (uint32_t i = 0, count = atomic_load(&seen->count); i < count; i++) {
            const struct found *at = &found[seen->found[i].worker][seen->found[i].index];

            if (at->block == 0 || at->bound_code != 0 || at->timestamp != seen->found[i].timestamp)
                differs("a look-up found worker %u's event %u, and it is gone",
                        seen->found[i].worker, seen->found[i].index);
        }
        for (uint32_t i = 0, count = atomic_load(&seen->as_of_count); i < count; i++) {
            mp_balance balance;

            MUST(mp_balance_at(ledger, seen->as_of[i].account, seen->as_of[i].at_ns, &balance) ==
                 MP_OK);
            if (memcmp(&balance, &seen->as_of[i].balance, sizeof balance) != 0)
                differs("a balance of the past has changed");
        }
        atomic_store(&seen->count, 0);
        atomic_store(&seen->as_of_count, 0);
    }
}

static void look_up_all(void)
{
    static mp_id ids[MP_BATCH_MAX];
    static mp_transfer rows[MP_BATCH_MAX];

    for (unsigned number = 0; number < WORKERS; number++) {
        const struct worker *worker = &world->workers[number];
        uint32_t count = 0, got;

        for (uint32_t i = 0; i < atomic_load(&worker->sent_count) && count < MP_BATCH_MAX; i++) {
            if (worker->sent[i].kind == TRANSFER &&
                atomic_load(&worker->sent[i].knowledge) == PRESENT)
                ids[count++] = transfer_id(number, i);
        }
        MUST(mp_lookup_transfers(ledger, ids, count, rows, &got) == MP_OK);
        if (got != count)
            differs("a look-up finds %u of worker %u's %u transfers", got, number, count);
        for (uint32_t i = 0; i < count; i++) {
            const struct sent *sent = &worker->sent[(uint64_t)rows[i].id - 1];

            if (rows[i].timestamp != sent->timestamp || rows[i].flags != sent->transfer.flags ||
                (sent->transfer.pending_id == 0 &&
                 (rows[i].amount != sent->transfer.amount ||
                  rows[i].debit_account_id != sent->transfer.debit_account_id ||
                  rows[i].user_data_64 != sent->transfer.user_data_64)))
                differs("a look-up of worker %u's event %u shows another", number,
                        (uint32_t)(sent - worker->sent));
        }
    }
}

/* What is known answers so again. */
static void send_again(void)
{
    static mp_transfer events[RESENT];
    static mp_result results[RESENT];
    static const struct sent *of[RESENT];
    uint32_t count = 0;

    for (unsigned tries = 0; tries < 4 * RESENT && count < RESENT; tries++) {
        const struct worker *worker = &world->workers[random_below(WORKERS)];
        uint32_t sent_count = atomic_load(&worker->sent_count);
        const struct sent *sent;

        if (sent_count == 0) continue;
        sent = &worker->sent[random_below(sent_count)];
        if (sent->kind != TRANSFER || (sent->transfer.flags & MP_TRANSFER_LINKED) != 0 ||
            atomic_load(&sent->knowledge) == ABSENT)
            continue;
        of[count] = sent;
        events[count++] = sent->transfer;
    }
    MUST(mp_create_transfers(ledger, events, count, results) == MP_OK);
    for (uint32_t i = 0; i < count; i++) {
        bool present = atomic_load(&of[i]->knowledge) == PRESENT;

        if (present ? results[i].result != MP_TRANSFER_EXISTS ||
                          results[i].timestamp != of[i]->timestamp
                    : results[i].result != MP_TRANSFER_ID_ALREADY_FAILED ||
                          results[i].bound_code != of[i]->bound_code)
            differs("sent again, %llu:%llu of flags %u is told %u",
                    (unsigned long long)(events[i].id >> 64), (unsigned long long)events[i].id,
                    events[i].flags, results[i].result);
    }
    for (unsigned number = 0; number < WORKERS; number++) {
        mp_request request = {.operation = MP_CREATE_TRANSFERS,
                              .source = SOURCE_OF(number),
                              .source_position = position[number]};

        if (position[number] != 0) MUST(mp_execute(ledger, &request) == MP_OUT_OF_ORDER);
    }
}

static void tell_problem(void *user, const char *text)
{
    (void)user;
    fprintf(stderr, "verify: %s\n", text);
}

static void verify(void)
{
    mp_verify_report report;

    MUST(mp_verify(world->directory, NULL, 0, NULL, tell_problem, NULL, NULL, &report) == MP_OK);
    if (report.problems != 0)
        differs("verify found %llu problems", (unsigned long long)report.problems);
}

void check(void)
{
    bool reads_first = random_percent(50);

    if (reads_first) {
        ledger = open_soundly(MP_OPEN_READ);
        read_log();
        check_balances(true);
        MUST(mp_close(ledger) == MP_OK);
    }
    ledger = open_soundly(0);
    if (reads_first) check_balances(false);
    read_log();
    check_told();
    check_seen();
    look_up_all();
    send_again();
    MUST(mp_close(ledger) == MP_OK);
    verify();
}
