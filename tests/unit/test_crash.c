/* The process or the machine dies at every operation of a short history; each outcome is reopened.
 *
 * What must hold: the ledger opens, its books are those after all answered batches or after one
 * more (which was in flight), every answered event is known, verification finds nothing, and work
 * goes on. Checkpoints are made all the time, while chains are undone, reservations come and go and
 * accounts are added. $MICROPAY_CUTS: outcomes tried of each crash, default 3. */
#include "sim_env.h"

#include <criterion/criterion.h>
#include <micropay/micropay.h>
#include <stdlib.h>

enum { BATCHES = 14, EVENTS = 24, ACCOUNTS = 6, ROWS = ACCOUNTS + BATCHES };

static const uint64_t second = 1000000000;

/* The books after each batch, as a run without a crash had them. */
static mp_account books[BATCHES + 1][ROWS];
static uint32_t book_rows[BATCHES + 1];

static mp_options options(struct sim *sim)
{
    return (mp_options){.flags = MP_OPEN_MANUAL,
                        .env = sim_env(sim),
                        .memory_max = UINT64_C(48) << 20,
                        .checkpoint_after = 16 << 10};
}

/* --- the history --- */

static mp_id id_of(unsigned batch, unsigned event) { return MP_U128(7, batch * 1000 + event + 1); }

static mp_transfer plain(unsigned batch, unsigned event)
{
    return (mp_transfer){.id = id_of(batch, event),
                         .debit_account_id = 1 + (batch + event) % ACCOUNTS,
                         .credit_account_id = 1 + (batch + event + 1 + event % 3) % ACCOUNTS,
                         .amount = 1 + event,
                         .ledger = 1,
                         .code = 1};
}

/* Reservations, captures, a void, reversals, a chain that breaks and one that doesn't, a refusal
 * that binds. */
static void fill(unsigned batch, mp_transfer events[EVENTS])
{
    for (unsigned i = 0; i < EVENTS; i++) events[i] = plain(batch, i);
    for (unsigned i = 0; i < 6; i++) events[i].flags = MP_TRANSFER_PENDING;
    events[0].timeout = 1000000;
    if (batch > 0) {
        events[6] = (mp_transfer){.id = id_of(batch, 6),
                                  .pending_id = id_of(batch - 1, 0),
                                  .amount = MP_AMOUNT_MAX,
                                  .flags = MP_TRANSFER_POST_PENDING};
        events[7] = (mp_transfer){.id = id_of(batch, 7),
                                  .pending_id = id_of(batch - 1, 1),
                                  .flags = MP_TRANSFER_VOID_PENDING};
        events[8] = (mp_transfer){.id = id_of(batch, 8),
                                  .pending_id = id_of(batch - 1, 2),
                                  .amount = 1,
                                  .flags = MP_TRANSFER_POST_PENDING | MP_TRANSFER_KEEP_PENDING};
        events[9] = (mp_transfer){.id = id_of(batch, 9),
                                  .pending_id = id_of(batch - 1, 12),
                                  .amount = MP_AMOUNT_MAX,
                                  .flags = MP_TRANSFER_REVERSAL};
    }
    for (unsigned i = 16; i < 19; i++) events[i].flags = MP_TRANSFER_LINKED; /* broken by 19 */
    events[17].flags |= MP_TRANSFER_PENDING;
    if (batch > 0) {
        events[18] = (mp_transfer){.id = id_of(batch, 18),
                                   .pending_id = id_of(batch - 1, 3),
                                   .amount = MP_AMOUNT_MAX,
                                   .flags = MP_TRANSFER_POST_PENDING | MP_TRANSFER_LINKED};
    }
    events[19].credit_account_id = 999999;
    events[20].flags = MP_TRANSFER_LINKED;
    events[22].debit_account_id = 888888;
}

static mp_status book_batch(mp_ledger *ledger, unsigned batch, mp_result results[EVENTS])
{
    mp_account account = {.id = 100 + batch, .ledger = 1, .code = 2};
    mp_transfer events[EVENTS];
    mp_result result;
    mp_status status = mp_create_accounts(ledger, &account, 1, &result);

    if (status != MP_OK) return status;
    fill(batch, events);
    return mp_create_transfers(ledger, events, EVENTS, results);
}

static mp_status make_accounts(mp_ledger *ledger)
{
    mp_account accounts[ACCOUNTS] = {0};
    mp_result results[ACCOUNTS];

    for (unsigned i = 0; i < ACCOUNTS; i++)
        accounts[i] = (mp_account){.id = i + 1, .ledger = 1, .code = 1};
    return mp_create_accounts(ledger, accounts, ACCOUNTS, results);
}

/* Lets helpers and seals happen, as they do while nobody calls. */
static void idle(struct sim *sim, mp_ledger *ledger)
{
    bool worked = true;

    for (int i = 0; i < 200 && worked; i++) {
        if (mp_step(ledger, &worked) != MP_OK) return;
    }
    sim_pass(sim, second / 50);
}

static uint32_t read_books(mp_ledger *ledger, mp_account rows[ROWS])
{
    mp_id ids[ROWS];
    uint32_t found;

    for (unsigned i = 0; i < ACCOUNTS; i++) ids[i] = i + 1;
    for (unsigned i = 0; i < BATCHES; i++) ids[ACCOUNTS + i] = 100 + i;
    cr_assert_eq(mp_lookup_accounts(ledger, ids, ROWS, rows, &found), MP_OK);
    for (uint32_t i = 0; i < found; i++) rows[i].timestamp = 0;
    return found;
}

/* Runs the whole history, or up to the crash; returns how many batches were answered; -1 = not even
 * the accounts. */
static int story(struct sim *sim, mp_result answers[BATCHES][EVENTS])
{
    mp_options how = options(sim);
    mp_ledger *ledger;
    int answered = -1;

    if (mp_init("bank", &how) != MP_OK) return -1;
    if (mp_open("bank", &how, &ledger) != MP_OK) return -1;
    if (make_accounts(ledger) == MP_OK) {
        answered = 0;
        while (answered < BATCHES &&
               book_batch(ledger, (unsigned)answered, answers[answered]) == MP_OK) {
            answered++;
            if (answered % 3 == 0) idle(sim, ledger);
        }
    }
    mp_close(ledger);
    return answered;
}

/* --- what must hold --- */

static bool is_book(const mp_account rows[ROWS], uint32_t count, int batch)
{
    return batch >= 0 && batch <= BATCHES && count == book_rows[batch] &&
           memcmp(rows, books[batch], count * sizeof *rows) == 0;
}

/* The account of a batch is made by a request of its own, so it may be there before the batch's
 * transfers. */
static bool are_books_of(const mp_account rows[ROWS], uint32_t count, int batch)
{
    mp_account without[ROWS];

    if (is_book(rows, count, batch)) return true;
    if (count == 0 || rows[count - 1].id != MP_U128(0, 100 + (uint64_t)batch)) return false;
    memcpy(without, rows, sizeof without);
    return is_book(without, count - 1, batch);
}

static void check_answers(mp_ledger *ledger, int answered, mp_result answers[BATCHES][EVENTS])
{
    for (int batch = 0; batch < answered; batch++) {
        mp_transfer events[EVENTS];

        fill((unsigned)batch, events);
        for (unsigned i = 0; i < EVENTS; i++) {
            uint32_t found;
            mp_transfer out;

            cr_assert_eq(mp_lookup_transfers(ledger, &events[i].id, 1, &out, &found), MP_OK);
            cr_assert_eq(found, answers[batch][i].result == MP_CREATED,
                         "batch %d, event %u was answered %s", batch, i,
                         mp_transfer_result_name(answers[batch][i].result));
            if (found == 1) cr_assert_eq(out.timestamp, answers[batch][i].timestamp);
        }
    }
}

static uint64_t check_verified(struct sim *sim)
{
    mp_verify_report report;

    cr_assert_eq(mp_verify("bank", sim_env(sim), 0, ".", NULL, NULL, NULL, &report), MP_OK,
                 "%s at %s", mp_last_error(), sim_operation(sim));
    cr_assert_eq(report.problems, 0, "%llu problems after %s", (unsigned long long)report.problems,
                 sim_operation(sim));
    return report.checkpoints;
}

static void check_reopened(struct sim *sim, const char *crash, int answered,
                           mp_result answers[BATCHES][EVENTS])
{
    mp_options how = options(sim);
    mp_result results[EVENTS];
    mp_account rows[ROWS];
    mp_ledger *ledger;
    mp_status status = mp_open("bank", &how, &ledger);
    uint32_t count;

    if (status == MP_NOT_FOUND && answered < 0) return; /* it died while it was made */
    cr_assert_eq(status, MP_OK, "crash in '%s': %s", crash, mp_last_error());
    count = read_books(ledger, rows);
    if (answered < 0) {
        cr_assert(count == 0 || is_book(rows, count, 0), "crash in '%s': unknown books", crash);
    } else {
        cr_assert(are_books_of(rows, count, answered) || are_books_of(rows, count, answered + 1),
                  "crash in '%s': %d batches were answered, the books are of none or one more",
                  crash, answered);
        check_answers(ledger, answered, answers);
        if (answered < BATCHES) { /* whoever was not answered sends the same ids again */
            cr_assert_eq(book_batch(ledger, (unsigned)answered, results), MP_OK, "%s",
                         mp_last_error());
            count = read_books(ledger, rows);
            cr_assert(is_book(rows, count, answered + 1),
                      "crash in '%s': sent again, the books are wrong", crash);
        }
    }
    cr_assert_eq(mp_close(ledger), MP_OK, "%s", mp_last_error());
    check_verified(sim);
}

/* --- the test --- */

static void run_without_a_crash(struct sim *sim)
{
    mp_options how = options(sim);
    mp_result results[EVENTS];
    mp_ledger *ledger;

    cr_assert_eq(mp_init("bank", &how), MP_OK);
    cr_assert_eq(mp_open("bank", &how, &ledger), MP_OK);
    cr_assert_eq(make_accounts(ledger), MP_OK);
    book_rows[0] = read_books(ledger, books[0]);
    for (unsigned batch = 0; batch < BATCHES; batch++) {
        cr_assert_eq(book_batch(ledger, batch, results), MP_OK);
        book_rows[batch + 1] = read_books(ledger, books[batch + 1]);
    }
    cr_assert_eq(mp_close(ledger), MP_OK);
}

static unsigned cuts(void)
{
    const char *text = getenv("MICROPAY_CUTS");

    return text != NULL && atoi(text) > 0 ? (unsigned)atoi(text) : 3;
}

/* Every crash whose number is `part` modulo `parts`. */
static void crash_everywhere(unsigned part, unsigned parts)
{
    static mp_result answers[BATCHES][EVENTS];
    struct sim *begin = sim_make(1), *sim = sim_clone(begin);
    uint64_t total;

    run_without_a_crash(sim);
    sim_free(sim);
    sim = sim_clone(begin);
    cr_assert_eq(story(sim, answers), BATCHES);
    cr_assert_geq(check_verified(sim), 1, "no checkpoint was compared");
    total = sim_operations(sim);
    sim_free(sim);
    for (uint64_t n = 1 + part; n <= total; n += parts) {
        int answered;

        sim = sim_clone(begin);
        sim_crash_at(sim, n);
        answered = story(sim, answers);
        for (unsigned seed = 0; seed < cuts(); seed++) {
            struct sim *copy = sim_clone(sim);
            char crash[128];

            snprintf(crash, sizeof crash, "%s", sim_operation(sim));
            sim_seed(copy, seed + 1);
            if (seed == 0) {
                sim_kill(copy);
            } else {
                sim_power_cut(copy, SIM_CUT_RANDOM);
            }
            check_reopened(copy, crash, answered, answers);
            sim_free(copy);
        }
        sim_free(sim);
    }
    sim_free(begin);
}

Test(crash, at_any_operation_loses_and_doubles_nothing_1, .timeout = 300)
{
    crash_everywhere(0, 4);
}
Test(crash, at_any_operation_loses_and_doubles_nothing_2, .timeout = 300)
{
    crash_everywhere(1, 4);
}
Test(crash, at_any_operation_loses_and_doubles_nothing_3, .timeout = 300)
{
    crash_everywhere(2, 4);
}
Test(crash, at_any_operation_loses_and_doubles_nothing_4, .timeout = 300)
{
    crash_everywhere(3, 4);
}
