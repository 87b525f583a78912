/* The journal's life: a batch at a time is read, its wallets found, its events told, its end
 * stored.
 */
#include "journal.h"

#include "observe/log.h"
#include "wire/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS        UINT64_C(1000000)
#define NEWS_NS   (50 * MS)          /* between two looks for news of a wallet */
#define FAILED_NS (1000 * MS)        /* after something that failed */
#define FAR       UINT64_C(16777216) /* bytes of the log without anything to tell, worth a commit */

static void begin(struct journal *journal);
static void find(struct journal *journal);
static void tell(struct journal *journal);
static void store(struct journal *journal);

static struct journal *of(struct work *work)
{
    return (struct journal *)((char *)work - offsetof(struct journal, work));
}

/* --- what comes later --- */

static void free_journal(struct journal *journal)
{
    journal_free_messages(journal);
    journal_free_holders(journal);
    mp_log_close(journal->log);
    free(journal->facts);
    free(journal);
}

static void on_task(void *context)
{
    struct journal *journal = context;

    if (journal->state == JOURNAL_IDLE) begin(journal);
}

static uint64_t end_of_log(const struct journal *journal)
{
    mp_stats stats;

    mp_read_stats(journal->service->context.reads, &stats);
    return stats.position;
}

static void on_moved(void *context)
{
    struct journal *journal = context;

    if (journal->state == JOURNAL_IDLE && end_of_log(journal) != journal->seen)
        loop_post(journal->loop, &journal->task);
}

static void on_timer(void *context)
{
    struct journal *journal = context;

    journal->again(journal);
}

static void later(struct journal *journal, void (*again)(struct journal *journal),
                  uint64_t delay_ns)
{
    journal->state = JOURNAL_WAITING;
    journal->again = again;
    loop_timer_set(journal->loop, &journal->timer, delay_ns);
}

/* --- read --- */

static void begin(struct journal *journal)
{
    journal->seen = end_of_log(journal);
    if (!journal_gather(journal)) {
        log_warn(&(struct log_about){.service = "balance", .action = "journal.unreadable"},
                 "the ledger's log could not be read: %s", mp_last_error());
        journal_forget_batch(journal);
        later(journal, begin, FAILED_NS);
        return;
    }
    if (journal->fact_count > 0) {
        find(journal);
        return;
    }
    if (journal->position - journal->stored >= FAR) {
        store(journal);
        return;
    }
    journal->state = JOURNAL_IDLE;
    if (!journal->at_end) loop_post(journal->loop, &journal->task);
}

/* --- find whose the wallets are --- */

static enum outcome find_load(struct work *work, struct turn *turn, struct error *err)
{
    struct journal *journal = of(work);

    for (struct holder *holder = journal->wanted; holder != NULL; holder = holder->next)
        if (holder->state == HOLDER_UNKNOWN &&
            balance_sql_load_account(turn_store(turn), holder->account.id, &holder->account, err) !=
                OUTCOME_DONE)
            return err->outcome;
    return OUTCOME_DONE;
}

/* Wallets of which nothing was heard in time are remembered as nobody's. */
static enum outcome give_up_apply(struct work *work, struct turn *turn, struct error *err)
{
    struct journal *journal = of(work);

    for (struct holder *holder = journal->wanted; holder != NULL; holder = holder->next) {
        struct known_account nobody = {.id = holder->account.id, .currency = &currencies[0]};

        if (holder->state == HOLDER_UNKNOWN && !holder->account.found &&
            balance_sql_store_account(turn_store(turn), &nobody, err) != OUTCOME_DONE)
            return err->outcome;
    }
    return OUTCOME_DONE;
}

/* True if all are known. */
static bool take_found(struct journal *journal, bool gives_up)
{
    bool all = true;

    for (struct holder *holder = journal->wanted; holder != NULL; holder = holder->next) {
        if (holder->state != HOLDER_UNKNOWN) continue;
        if (holder->account.found && holder->account.books.tenant[0] != '\0')
            holder->state = HOLDER_KNOWN;
        else if (holder->account.found || gives_up)
            holder->state = HOLDER_NOBODY;
        else
            all = false;
    }
    return all;
}

static void find_done(struct work *work, enum outcome outcome, const struct error *err)
{
    struct journal *journal = of(work);
    bool gives_up = work->apply != NULL;

    (void)err;
    if (journal->closed) return;
    if (outcome != OUTCOME_DONE) {
        later(journal, find, FAILED_NS);
        return;
    }
    if (take_found(journal, gives_up)) {
        tell(journal);
        return;
    }
    if (journal->wanted_since_ns == 0) journal->wanted_since_ns = loop_elapsed_ns(journal->loop);
    later(journal, find, NEWS_NS);
}

static void find(struct journal *journal)
{
    uint64_t wait_ns = journal->service->settings->unknown_wait_ms * MS;
    bool gives_up = journal->wanted_since_ns != 0 &&
                    loop_elapsed_ns(journal->loop) - journal->wanted_since_ns >= wait_ns;

    if (take_found(journal, false)) {
        tell(journal);
        return;
    }
    journal->state = JOURNAL_FINDING;
    journal->work = (struct work){
        .load = find_load, .apply = gives_up ? give_up_apply : NULL, .done = find_done};
    turns_add(journal->service->turns, &journal->work);
}

/* --- tell --- */

static void on_told(struct journal *journal)
{
    if (journal->closed)
        free_journal(journal);
    else if (journal->failed)
        later(journal, tell, FAILED_NS);
    else
        store(journal);
}

static void tell(struct journal *journal)
{
    uint64_t tails[JOURNAL_PARTITIONS];

    /* what the bus gave back is told again with the same numbers */
    memcpy(tails, journal->failed ? journal->tails_before : journal->tails, sizeof tails);
    memcpy(journal->tails_before, tails, sizeof tails);
    memcpy(journal->tails, tails, sizeof tails);
    journal->state = JOURNAL_PUBLISHING;
    journal_publish(journal, on_told);
}

/* --- store --- */

static enum outcome store_apply(struct work *work, struct turn *turn, struct error *err)
{
    struct journal *journal = of(work);
    struct positions positions = {.journal = journal->position};

    journal_print_tails(journal, positions.tails, sizeof positions.tails);
    return balance_sql_store_journal(turn_store(turn), &positions, err);
}

static void store_done(struct work *work, enum outcome outcome, const struct error *err)
{
    struct journal *journal = of(work);

    (void)outcome; /* it persists; else the turns have stopped, and have said so */
    (void)err;
    if (journal->closed || outcome != OUTCOME_DONE) return;
    journal->stored = journal->position;
    journal_forget_batch(journal);
    journal->state = JOURNAL_IDLE;
    loop_post(journal->loop, &journal->task);
}

static void store(struct journal *journal)
{
    journal->state = JOURNAL_STORING;
    journal->work = (struct work){.apply = store_apply, .done = store_done, .persist = true};
    turns_add(journal->service->turns, &journal->work);
}

/* --- life --- */

enum outcome journal_open(struct balances *service, struct journal **out, struct error *err)
{
    struct journal *journal = need_memory(sizeof *journal);
    struct positions positions = {0};
    char timeline[40];
    mp_stats stats;

    journal->service = service;
    journal->loop = service->context.loop;
    journal->task = (struct loop_task){.run = on_task, .context = journal};
    journal->timer = (struct loop_timer){.fire = on_timer, .context = journal};
    if (balance_sql_load_positions(service->context.store, &positions, err) != OUTCOME_DONE) {
        free(journal);
        return err->outcome;
    }
    if (!journal_read_tails(journal, positions.tails)) {
        free(journal);
        return error_set(err, REASON_CORRUPT, "cannot read how far the journal was told");
    }
    journal->position = journal->stored = positions.journal;
    mp_read_stats(service->context.reads, &stats);
    snprintf(timeline, sizeof timeline, "%016llx%016llx", (unsigned long long)stats.timeline_high,
             (unsigned long long)stats.timeline_low);
    envelope_source("balance", JOURNAL_LANE, timeline, journal->source);
    journal->follower = (struct ledger_follower){.moved = on_moved, .context = journal};
    ledger_port_follow(service->context.ledger, &journal->follower);
    loop_post(journal->loop, &journal->task);
    *out = journal;
    return OUTCOME_DONE;
}

void journal_close(struct journal *journal)
{
    if (journal == NULL) return;
    journal->closed = true;
    ledger_port_unfollow(journal->service->context.ledger, &journal->follower);
    loop_task_cancel(journal->loop, &journal->task);
    loop_timer_cancel(journal->loop, &journal->timer);
    if (journal->state != JOURNAL_PUBLISHING) free_journal(journal);
}
