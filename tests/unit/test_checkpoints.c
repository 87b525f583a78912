/* Crashes at every operation while a checkpoint is written, slice by slice, and much happens
 * between the slices: chains are undone, reservations end and their slots are used again, accounts
 * come and their table grows. What is found then must be what was answered, from whichever
 * checkpoint and however much of the log it is read.
 *
 * $MICROPAY_CUTS: outcomes tried of each crash, default 3. */
#include "story.h"

#include <criterion/criterion.h>
#include <criterion/logging.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BASE_ACCOUNTS =
        7700, /* five slices of them, so that the last of all is taken while a block flies */
    BASE_HOLDS = 5000,   /* two slices */
    STEPS = 26,          /* accounts and transfers in turn, a slice behind each */
    MORE_ACCOUNTS = 300, /* a step; half of them in a chain that breaks */
    ENDING = 150,        /* reservations that end in a step, as many as begin */
    ALL_ACCOUNTS = BASE_ACCOUNTS + STEPS / 2 * MORE_ACCOUNTS,
};

struct telling {
    struct sim *sim;
    mp_ledger *ledger;
    unsigned asked, answered; /* steps */
};

static uint64_t known[STEPS + 1]; /* digests of the books after each step */

/* Memory of a batch; others are told while one is in flight. */
struct batch {
    mp_account accounts[BASE_ACCOUNTS];
    mp_transfer transfers[MP_BATCH_MAX];
    mp_result results[MP_BATCH_MAX];
    mp_request request;
};

/* --- what happens --- */

static mp_id hold_id(unsigned n) { return MP_U128(1, n + 1); }

static mp_transfer move(mp_id id, unsigned n, mp_amount amount, uint16_t flags)
{
    return (mp_transfer){.id = id,
                         .debit_account_id = 1 + n * 7 % BASE_ACCOUNTS,
                         .credit_account_id = 1 + (n * 7 + 1 + n % 13) % BASE_ACCOUNTS,
                         .amount = amount,
                         .ledger = 1,
                         .code = 1,
                         .flags = flags};
}

static mp_transfer about(mp_id id, unsigned hold, mp_amount amount, uint16_t flags)
{
    return (mp_transfer){.id = id, .pending_id = hold_id(hold), .amount = amount, .flags = flags};
}

/* Half of them stay, half are undone with their chain. */
static uint32_t make_accounts(mp_account *accounts, unsigned step)
{
    const unsigned first = BASE_ACCOUNTS + step / 2 * MORE_ACCOUNTS;

    for (unsigned i = 0; i < MORE_ACCOUNTS; i++) {
        bool undone = i >= MORE_ACCOUNTS / 2;

        accounts[i] = (mp_account){
            .id = first + i + 1, .ledger = 1, .code = 1, .flags = undone ? MP_ACCOUNT_LINKED : 0};
    }
    accounts[MORE_ACCOUNTS - 1].flags = 0;
    accounts[MORE_ACCOUNTS - 1].code = 0; /* which breaks the chain */
    return MORE_ACCOUNTS;
}

/* Reservations end by voids and posts, others begin in their slots; then a chain does all of that
 * too, and breaks. */
static uint32_t make_transfers(mp_transfer *transfers, unsigned step)
{
    const unsigned done = step / 2 * ENDING;
    uint32_t count = 0;

    for (unsigned i = 0; i < ENDING; i++) {
        mp_id id = MP_U128(100 + step, i + 1);

        transfers[count++] = i % 2 == 0 ? about(id, done + i, 0, MP_TRANSFER_VOID_PENDING)
                                        : about(id, done + i, 3, MP_TRANSFER_POST_PENDING);
        transfers[count++] = move(hold_id(BASE_HOLDS + done + i), done + i, 9, MP_TRANSFER_PENDING);
        transfers[count++] = about(id + 100000, BASE_HOLDS - 1 - done - i, 1,
                                   MP_TRANSFER_POST_PENDING | MP_TRANSFER_KEEP_PENDING);
    }
    for (unsigned i = 0; i < 40; i++) {
        mp_id id = MP_U128(200 + step, i + 1);

        transfers[count++] = i % 2 == 0 ? move(id, i, 5, MP_TRANSFER_PENDING | MP_TRANSFER_LINKED)
                                        : about(id, done + ENDING + i, MP_AMOUNT_MAX,
                                                MP_TRANSFER_POST_PENDING | MP_TRANSFER_LINKED);
    }
    transfers[count++] = move(MP_U128(200 + step, 100), 1, 1, 0);
    transfers[count - 1].credit_account_id = transfers[count - 1].debit_account_id;
    return count;
}

static mp_status submit(struct telling *telling, unsigned step, struct batch *batch)
{
    bool of_accounts = step % 2 == 0;
    mp_status status;

    telling->asked = step + 1;
    batch->request =
        (mp_request){.operation = of_accounts ? MP_CREATE_ACCOUNTS : MP_CREATE_TRANSFERS,
                     .count = of_accounts ? make_accounts(batch->accounts, step)
                                          : make_transfers(batch->transfers, step),
                     .events = of_accounts ? (void *)batch->accounts : batch->transfers,
                     .results = batch->results};
    status = mp_submit(telling->ledger, &batch->request);
    return status == MP_OK ? mp_step(telling->ledger, NULL) : status;
}

/* Two steps: the second one is asked while the first one is in flight, and the helper has some
 * turns then, as batches without events come. */
static mp_status ask(struct telling *telling)
{
    unsigned first = telling->answered;
    struct batch *batches = calloc(2, sizeof *batches);
    mp_status status = submit(telling, first, &batches[0]);
    bool both = first + 1 < STEPS && first % 2 == 0 && status == MP_OK;
    mp_request nothing[2] = {{.operation = MP_CREATE_TRANSFERS},
                             {.operation = MP_CREATE_TRANSFERS}};

    if (both) status = submit(telling, first + 1, &batches[1]);
    for (unsigned i = 0; i < 2 && status == MP_OK; i++) {
        status = mp_submit(telling->ledger, &nothing[i]);
        if (status == MP_OK) status = mp_step(telling->ledger, NULL);
    }
    for (unsigned i = 0; i < 1u + both; i++) {
        if (status == MP_OK) status = mp_wait(telling->ledger, &batches[i].request);
        if (status == MP_OK) telling->answered++;
    }
    for (unsigned i = 0; i < 2 && status == MP_OK; i++)
        status = mp_wait(telling->ledger, &nothing[i]);
    free(batches);
    return status;
}

/* --- books --- */

static uint64_t digest_of_books(mp_ledger *ledger)
{
    static mp_account rows[MP_BATCH_MAX];
    uint64_t digest = 1;
    static mp_id ids[MP_BATCH_MAX];

    for (unsigned done = 0; done < ALL_ACCOUNTS; done += MP_BATCH_MAX) {
        uint32_t count = ALL_ACCOUNTS - done < MP_BATCH_MAX ? ALL_ACCOUNTS - done : MP_BATCH_MAX;
        uint32_t found;

        for (uint32_t i = 0; i < count; i++) ids[i] = done + i + 1;
        cr_assert_eq(mp_lookup_accounts(ledger, ids, count, rows, &found), MP_OK, "%s",
                     mp_last_error());
        for (uint32_t i = 0; i < found; i++) {
            uint64_t words[sizeof *rows / 8];

            rows[i].timestamp = 0;
            memcpy(words, &rows[i], sizeof words);
            for (size_t word = 0; word < sizeof words / 8; word++)
                digest = (digest ^ words[word]) * UINT64_C(0x9e3779b97f4a7c15) ^ digest >> 29;
        }
    }
    return digest;
}

/* --- the world in which it begins --- */

static mp_options options(struct sim *sim, uint64_t checkpoint_after)
{
    return (mp_options){.flags = MP_OPEN_MANUAL,
                        .env = sim_env(sim),
                        .memory_max = UINT64_C(48) << 20,
                        .checkpoint_after = checkpoint_after};
}

/* A checkpoint of nearly nothing, then accounts and reservations, of which none is. */
static struct sim *make_world(void)
{
    struct sim *sim = story_world();
    mp_options how = options(sim, 1);
    struct batch *batch = malloc(sizeof *batch);
    mp_ledger *ledger;

    cr_assert_eq(mp_open("bank", &how, &ledger), MP_OK, "%s", mp_last_error());
    for (unsigned i = 0; i < BASE_ACCOUNTS; i++)
        batch->accounts[i] = (mp_account){.id = i + 1, .ledger = 1, .code = 1};
    cr_assert_eq(mp_create_accounts(ledger, batch->accounts, 10, batch->results), MP_OK);
    for (unsigned i = 0; i < 20; i++) mp_step(ledger, NULL);
    cr_assert(sim_exists(sim, "bank/checkpoint/00000001.ckpt"));
    cr_assert_eq(mp_create_accounts(ledger, batch->accounts, BASE_ACCOUNTS, batch->results), MP_OK);
    for (unsigned i = 0; i < BASE_HOLDS; i++)
        batch->transfers[i] = move(hold_id(i), i, 10, MP_TRANSFER_PENDING);
    cr_assert_eq(mp_create_transfers(ledger, batch->transfers, BASE_HOLDS, batch->results), MP_OK);
    for (unsigned i = 0; i < MP_BATCH_MAX; i++)
        batch->transfers[i] = move(MP_U128(50, i + 1), i, 1, 0);
    cr_assert_eq(mp_create_transfers(ledger, batch->transfers, MP_BATCH_MAX, batch->results),
                 MP_OK);
    cr_assert_eq(mp_close(ledger), MP_OK);
    free(batch);
    return sim;
}

/* --- one outcome --- */

static void note(struct tally *tally, uint64_t *count, const char *what, const char *why)
{
    if (tally->first[0] == '\0')
        snprintf(tally->first, sizeof tally->first, "%.200s: %.250s", what, why);
    ++*count;
}

static bool are_books(uint64_t digest, unsigned from, unsigned to)
{
    for (unsigned step = from; step <= to; step++)
        if (known[step] == digest) return true;
    return false;
}

static void check(const struct telling *told, struct sim *sim, const char *what,
                  struct tally *tally)
{
    struct telling telling = {.sim = sim, .asked = told->asked, .answered = told->answered};
    mp_options how = options(sim, UINT64_C(1) << 30);
    char why[400];

    tally->outcomes++;
    if (mp_open("bank", &how, &telling.ledger) != MP_OK) {
        note(tally, &tally->refused, what, mp_last_error());
        return;
    }
    if (!are_books(digest_of_books(telling.ledger), told->answered, told->asked))
        note(tally, &tally->lost, what, "the books aren't those that were answered");
    while (telling.answered < STEPS && ask(&telling) == MP_OK) continue;
    if (telling.answered < STEPS) note(tally, &tally->refused, what, mp_last_error());
    if (!are_books(digest_of_books(telling.ledger), STEPS, STEPS))
        note(tally, &tally->wrong, what, "at the end the books are wrong");
    mp_close(telling.ledger);
    if (!story_verified(sim, NULL, why, sizeof why)) note(tally, &tally->wrong, what, why);
}

/* --- the crashes --- */

struct crashes {
    struct telling *telling;
    struct tally tally;
    unsigned operations, of_checkpoints;
};

static unsigned cuts(void)
{
    const char *text = getenv("MICROPAY_CUTS");

    return text != NULL && atoi(text) > 0 ? (unsigned)atoi(text) : 3;
}

static void during(void *context, struct sim *sim)
{
    struct crashes *crashes = context;
    char what[256];

    crashes->operations++;
    crashes->of_checkpoints += strstr(sim_operation(sim), "checkpoint") != NULL;
    snprintf(what, sizeof what, "a crash in '%.200s'", sim_operation(sim));
    for (unsigned seed = 0; seed < cuts(); seed++) {
        struct sim *copy = sim_clone(sim);

        sim_seed(copy, crashes->operations * UINT64_C(1000) + seed);
        if (seed == 0)
            sim_kill(copy);
        else
            sim_power_cut(copy, seed == 1 ? SIM_CUT_ABSENT : SIM_CUT_RANDOM);
        check(crashes->telling, copy, what, &crashes->tally);
        sim_free(copy);
    }
}

/* What the books are after each step. */
static void learn_books(const struct sim *world)
{
    struct sim *sim = sim_clone(world);
    struct telling telling = {.sim = sim};
    struct batch *batch = malloc(sizeof *batch);
    mp_options how = options(sim, UINT64_C(1) << 30);

    cr_assert_eq(mp_open("bank", &how, &telling.ledger), MP_OK, "%s", mp_last_error());
    for (unsigned step = 0; step <= STEPS; step++) {
        known[step] = digest_of_books(telling.ledger);
        if (step == STEPS) break;
        cr_assert_eq(submit(&telling, step, batch), MP_OK, "%s", mp_last_error());
        cr_assert_eq(mp_wait(telling.ledger, &batch->request), MP_OK);
    }
    cr_assert_eq(mp_close(telling.ledger), MP_OK);
    free(batch);
    sim_free(sim);
}

/* Tells all steps, a step of the helper behind each; returns checkpoints that were finished. */
static uint64_t tell(struct telling *telling)
{
    mp_options how = options(telling->sim, 1);
    mp_stats stats;

    sim_settings(telling->sim)->ring_delay_max = 50;
    cr_assert_eq(mp_open("bank", &how, &telling->ledger), MP_OK, "%s", mp_last_error());
    while (telling->answered < STEPS) {
        cr_assert_eq(ask(telling), MP_OK, "%s", mp_last_error());
        cr_assert_eq(mp_step(telling->ledger, NULL), MP_OK);
    }
    mp_read_stats(telling->ledger, &stats);
    cr_assert_eq(mp_close(telling->ledger), MP_OK);
    return stats.checkpoints;
}

Test(checkpoints, a_crash_at_each_point_of_one_loses_nothing, .timeout = 600)
{
    struct sim *sim = make_world();
    struct telling telling = {.sim = sim};
    struct crashes crashes = {.telling = &telling};

    learn_books(sim);
    sim_hook(sim, during, &crashes);
    cr_assert_eq(tell(&telling), 1, "no checkpoint was finished");
    sim_hook(sim, NULL, NULL);
    check(&telling, sim, "no crash", &crashes.tally);
    cr_log_info("%u operations, %u of them of a checkpoint", crashes.operations,
                crashes.of_checkpoints);
    cr_assert_geq(crashes.of_checkpoints, 12);
    tally_expect_clean(&crashes.tally, "crashes around a checkpoint");
    sim_free(sim);
}

/* --- damage --- */

/* Opens what is there, and looks whether the notice is. */
static void expect_opened(struct sim *sim, const char *notice, const char *what)
{
    mp_options how = options(sim, UINT64_C(1) << 30);
    mp_ledger *ledger;

    cr_assert_eq(mp_open("bank", &how, &ledger), MP_OK, "%s: %s", what, mp_last_error());
    cr_assert_not_null(mp_notice(ledger, 0), "%s: no notice", what);
    cr_assert_not_null(strstr(mp_notice(ledger, 0), notice), "%s: %s", what, mp_notice(ledger, 0));
    cr_assert_eq(digest_of_books(ledger), known[STEPS], "%s: the books are wrong", what);
    cr_assert_eq(mp_close(ledger), MP_OK);
}

Test(checkpoints, a_damaged_one_is_passed_over_with_a_notice, .timeout = 600)
{
    static const char newest[] = "bank/checkpoint/00000002.ckpt",
                      older[] = "bank/checkpoint/00000001.ckpt";
    struct sim *sim = make_world();
    struct telling telling = {.sim = sim};

    learn_books(sim);
    cr_assert_eq(tell(&telling), 1);
    for (int64_t at = 40; at < sim_size(sim, newest); at += 256 << 10) {
        struct sim *copy = sim_clone(sim);
        char what[64];

        snprintf(what, sizeof what, "a flipped bit at %" PRId64, at);
        cr_assert_eq(sim_flip(copy, newest, (uint64_t)at, 3), 0);
        expect_opened(copy, "the one before it is used", what);
        cr_assert_eq(sim_flip(copy, older, 40, 3), 0);
        expect_opened(copy, newest, "both are damaged");
        sim_free(copy);
    }
    sim_free(sim);
}
