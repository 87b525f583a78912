#include "story.h"

#include "words.h"

#include <criterion/criterion.h>
#include <criterion/logging.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const uint64_t ms = 1000000;

/* --- the steps --- */

enum kind { ACCOUNTS, TRANSFERS, UPDATES, IDLE };

static const struct step {
    enum kind kind;
    const char *lines;  /* events and what is expected of them */
    unsigned payments;  /* instead of lines: so many alike, for a block of several pages */
    uint64_t source;    /* comes from source 9, at this position */
    uint64_t passes_ms; /* IDLE: so much time, then all that is to be done without calls */
    bool overlaps;      /* the next step is asked while this one is in flight */
} steps[STORY_STEPS] = {
    {ACCOUNTS, .lines = "A1; A2; B1 debits_must_not_exceed_credits; C1"},
    {TRANSFERS, .lines = "T1 A1 -> A2 100\n"
                         "T2 A2 -> B1 60\n"
                         "T3 A1 -> Z9 5 => credit_account_not_found\n"
                         "T4 A1 -> A2 30 pending timeout=5\n"},
    {TRANSFERS, .lines = "T5 A1 -> A2 20 pending ud128=7 ud64=8; T6 A1 -> A2 9 pending",
     .overlaps = true},
    {TRANSFERS, .lines = "T7 post T5 5 keep_pending; T8 void T6; T9 A2 -> C1 7"},
    {TRANSFERS, .lines = "T10 A1 -> A2 3 linked => linked_event_failed\n"
                         "T11 post T5 linked => linked_event_failed\n"
                         "T12 A1 -> A2 4 pending linked => linked_event_failed\n"
                         "T13 B1 -> A1 1000 => exceeds_credits\n"
                         "T14 A1 -> C1 2 linked\n"
                         "T15 C1 -> A2 1\n"},
    {IDLE, .passes_ms = 20},
    {UPDATES, .lines = "U1 A2 set=frozen_debits; U2 C1 set=frozen_credits clear=closed"},
    {TRANSFERS, .payments = STORY_EVENTS},
    {TRANSFERS, .source = 5,
     .lines = "T20 reverse T1 40 => debit_account_frozen\n"
              "T21 increase T5 10 timeout=60\n"
              "T22 A1 -> B1 2^64\n"
              "T23 reverse T22 1\n"},
    {IDLE, .passes_ms = 6000},
    {TRANSFERS, .source = 6, .overlaps = true,
     .lines = "T24 post T5; T25 bind => id_bound; T26 A1 -> B1 max balancing_credit"},
    {ACCOUNTS, .lines = "D1; D2 closed"},
    {TRANSFERS, .lines = "T27 A1 -> D1 5 pending closing_credit; T28 reverse T22 max"},
};

static const char *const account_names[STORY_ACCOUNTS] = {"A1", "A2", "B1", "C1", "D1", "D2"};

/* A batch and what is expected of it. */
struct batch {
    mp_operation operation;
    uint32_t count;
    union {
        mp_account accounts[STORY_EVENTS];
        mp_transfer transfers[STORY_EVENTS];
        mp_account_update updates[STORY_EVENTS];
    } events;
    uint32_t expected[STORY_EVENTS];
};

static mp_id id_of(const struct batch *batch, uint32_t i)
{
    if (batch->operation == MP_CREATE_ACCOUNTS) return batch->events.accounts[i].id;
    if (batch->operation == MP_UPDATE_ACCOUNTS) return batch->events.updates[i].id;
    return batch->events.transfers[i].id;
}

static void add_event(struct batch *batch, const char *line, const char *result)
{
    static const struct words_times times = {0};
    uint32_t i = batch->count++;

    cr_assert_lt(i, STORY_EVENTS);
    batch->expected[i] = *result == '\0' ? MP_CREATED : words_result(batch->operation, result);
    switch (batch->operation) {
    case MP_CREATE_ACCOUNTS: batch->events.accounts[i] = words_account(line, &times); break;
    case MP_UPDATE_ACCOUNTS: batch->events.updates[i] = words_update(line); break;
    default: batch->events.transfers[i] = words_transfer(line, &times);
    }
}

static void make_batch(const struct step *step, struct batch *batch)
{
    char line[WORDS_LINE_MAX], result[WORDS_LINE_MAX];
    const char *lines = step->lines;

    memset(batch, 0, sizeof *batch);
    batch->operation = step->kind == ACCOUNTS  ? MP_CREATE_ACCOUNTS
                       : step->kind == UPDATES ? MP_UPDATE_ACCOUNTS
                                               : MP_CREATE_TRANSFERS;
    for (unsigned i = 0; i < step->payments; i++) {
        snprintf(line, sizeof line, "P%u A1 -> B1 %u", i + 1, i + 1);
        add_event(batch, line, "");
    }
    while (lines != NULL && words_line(&lines, line, result)) add_event(batch, line, result);
}

/* --- telling --- */

/* Thousands of ledgers are opened: memory that is given back each time costs more than they do. */
static void keep_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    mallopt(M_TOP_PAD, 64 << 20);
}

struct sim *story_world(void)
{
    struct sim *sim = sim_make(1);
    mp_options options = {.env = sim_env(sim)};

    keep_memory();
    cr_assert_eq(mp_init("bank", &options), MP_OK, "%s", mp_last_error());
    return sim;
}

struct story story_begin(struct sim *sim, mp_options options)
{
    options.flags |= MP_OPEN_MANUAL;
    if (options.memory_max == 0) options.memory_max = UINT64_C(40) << 20;
    return (struct story){.sim = sim, .options = options};
}

mp_status story_open(struct story *story)
{
    story->options.env = sim_env(story->sim);
    return mp_open("bank", &story->options, &story->ledger);
}

/* Time passes, and all happens that does while nobody calls. */
static mp_status pass(struct story *story, uint64_t time_ms)
{
    bool worked = true;

    sim_pass(story->sim, time_ms * ms);
    while (worked) {
        mp_status status = mp_step(story->ledger, &worked);

        if (status != MP_OK) return status;
    }
    return MP_OK;
}

static void expect_results(unsigned number, const struct batch *batch, const mp_result *results)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        cr_assert_eq(results[i].result, batch->expected[i], "step %u, event %u: %s instead of %s",
                     number, i, words_result_name(batch->operation, results[i].result),
                     words_result_name(batch->operation, batch->expected[i]));
    }
}

static mp_request request_of(const struct step *step, const struct batch *batch, mp_result *results)
{
    return (mp_request){.operation = batch->operation,
                        .count = batch->count,
                        .events = &batch->events,
                        .results = results,
                        .source = step->source != 0 ? 9 : 0,
                        .source_position = step->source};
}

/* One step, or two that are under way together. */
static mp_status ask(struct story *story, bool may_overlap)
{
    struct batch batches[2];
    mp_request requests[2];
    unsigned first = story->answered, count = steps[first].overlaps && may_overlap ? 2 : 1;
    mp_status status = MP_OK;

    for (unsigned i = 0; i < count; i++) {
        make_batch(&steps[first + i], &batches[i]);
        requests[i] = request_of(&steps[first + i], &batches[i], story->results[first + i]);
        story->asked = first + i + 1 > story->asked ? first + i + 1 : story->asked;
        status = mp_submit(story->ledger, &requests[i]);
        if (status != MP_OK) count = i;
        if (i == 0 && count == 2) mp_step(story->ledger, NULL); /* its block goes */
    }
    for (unsigned i = 0; i < count; i++) {
        mp_status waited = mp_wait(story->ledger, &requests[i]);

        if (waited == MP_OUT_OF_ORDER) waited = MP_OK; /* it was there: told again */
        if (status == MP_OK) status = waited;
        if (status == MP_OK) story->answered++;
    }
    return status;
}

mp_status story_tell(struct story *story, unsigned to)
{
    mp_status status = MP_OK;

    while (status == MP_OK && story->answered < to) {
        if (steps[story->answered].kind != IDLE) {
            status = ask(story, story->answered + 1 < to);
            continue;
        }
        if (story->asked <= story->answered) story->asked = story->answered + 1;
        status = pass(story, steps[story->answered].passes_ms);
        if (status == MP_OK) story->answered++;
    }
    return status;
}

mp_status story_close(struct story *story)
{
    mp_status status = mp_close(story->ledger);

    story->ledger = NULL;
    return status;
}

/* --- books --- */

struct books {
    uint32_t count;
    mp_account rows[STORY_ACCOUNTS];
};

static struct books known[STORY_STEPS + 1]; /* after each step */

static struct books read_books(mp_ledger *ledger)
{
    struct books books = {0};
    mp_id ids[STORY_ACCOUNTS];

    for (unsigned i = 0; i < STORY_ACCOUNTS; i++) ids[i] = words_id(account_names[i]);
    cr_assert_eq(mp_lookup_accounts(ledger, ids, STORY_ACCOUNTS, books.rows, &books.count), MP_OK,
                 "%s", mp_last_error());
    for (uint32_t i = 0; i < books.count; i++) books.rows[i].timestamp = 0;
    return books;
}

/* Tells it once without a mishap. */
static void learn_books(void)
{
    struct sim *sim = story_world();
    struct story story = story_begin(sim, (mp_options){0});
    struct batch batch;

    cr_assert_eq(story_open(&story), MP_OK, "%s", mp_last_error());
    for (unsigned step = 0; step <= STORY_STEPS; step++) {
        cr_assert_eq(story_tell(&story, step), MP_OK, "%s", mp_last_error());
        known[step] = read_books(story.ledger);
    }
    for (unsigned step = 0; step < STORY_STEPS; step++) {
        make_batch(&steps[step], &batch);
        expect_results(step, &batch, story.results[step]);
    }
    cr_assert_eq(story_close(&story), MP_OK);
    sim_free(sim);
}

static bool are_books(const struct books *books, unsigned step)
{
    return books->count == known[step].count &&
           memcmp(books->rows, known[step].rows, books->count * sizeof *books->rows) == 0;
}

int story_books(mp_ledger *ledger, unsigned from, unsigned to)
{
    struct books books = read_books(ledger);

    if (known[STORY_STEPS].count == 0) learn_books();
    for (unsigned step = to + 1; step-- > from;)
        if (are_books(&books, step)) return (int)step;
    return -1;
}

/* --- answers --- */

static bool say(char *why, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool say(char *why, size_t size, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(why, size, format, arguments);
    va_end(arguments);
    return false;
}

/* Transfers answered as created are found as they were, those refused aren't. */
static bool transfers_there(struct story *story, const struct batch *batch,
                            const mp_result *results, char *why, size_t size)
{
    mp_transfer found[STORY_EVENTS];
    mp_id ids[STORY_EVENTS];
    uint32_t count, next = 0;

    for (uint32_t i = 0; i < batch->count; i++) ids[i] = batch->events.transfers[i].id;
    cr_assert_eq(mp_lookup_transfers(story->ledger, ids, batch->count, found, &count), MP_OK, "%s",
                 mp_last_error());
    for (uint32_t i = 0; i < batch->count; i++) {
        if (batch->expected[i] != MP_CREATED) continue;
        if (next == count || found[next].id != ids[i])
            return say(why, size, "a transfer that was answered is lost");
        if (results[i].result == MP_CREATED && found[next].timestamp != results[i].timestamp)
            return say(why, size, "a transfer has another time than was answered");
        next++;
    }
    if (next != count) return say(why, size, "a refused transfer is there");
    return true;
}

/* What bound an id binds it still; an update that was accepted exists. */
static bool ids_bound(struct story *story, const struct batch *batch, char *why, size_t size)
{
    mp_transfer probes[STORY_EVENTS];
    mp_result results[STORY_EVENTS];
    uint32_t codes[STORY_EVENTS], count = 0;

    for (uint32_t i = 0; i < batch->count; i++) {
        bool update = batch->operation == MP_UPDATE_ACCOUNTS;

        if (!update && !mp_transfer_result_binds(batch->expected[i])) continue;
        codes[count] = update ? 0 : batch->expected[i];
        probes[count] =
            (mp_transfer){.id = id_of(batch, i), .ledger = 1, .code = 1, .debit_account_id = 1};
        count++;
    }
    if (count == 0) return true;
    cr_assert_eq(mp_create_transfers(story->ledger, probes, count, results), MP_OK, "%s",
                 mp_last_error());
    for (uint32_t i = 0; i < count; i++) {
        if (codes[i] == 0 && results[i].result != MP_TRANSFER_EXISTS_WITH_DIFFERENT_FLAGS)
            return say(why, size, "an account update that was answered is lost");
        if (codes[i] != 0 && (results[i].result != MP_TRANSFER_ID_ALREADY_FAILED ||
                              results[i].bound_code != codes[i]))
            return say(why, size, "an id that a refusal bound isn't bound");
    }
    return true;
}

bool story_answers_hold(struct story *story, unsigned answered, char *why, size_t size)
{
    struct batch batch;

    for (unsigned step = 0; step < answered; step++) {
        if (steps[step].kind == IDLE || steps[step].kind == ACCOUNTS) continue; /* books show it */
        make_batch(&steps[step], &batch);
        if (steps[step].kind == TRANSFERS &&
            !transfers_there(story, &batch, story->results[step], why, size))
            return false;
        if (!ids_bound(story, &batch, why, size)) return false;
    }
    return true;
}

static void keep_first(void *user, const char *text)
{
    char *problem = user;

    if (*problem == '\0') snprintf(problem, 400, "%s", text);
}

bool story_verified(struct sim *sim, mp_verify_report *report, char *why, size_t size)
{
    char problem[400] = "";
    mp_verify_report ours;
    mp_status status = mp_verify("bank", sim_env(sim), 0, ".", keep_first, NULL, problem,
                                 report != NULL ? report : &ours);

    if (status != MP_OK) return say(why, size, "verification: %s", mp_last_error());
    if (*problem != '\0') return say(why, size, "verification: %s", problem);
    return true;
}

/* --- all of it --- */

static void note(struct tally *tally, uint64_t *count, const struct story *told, const char *what,
                 const char *why)
{
    if (tally->refused + tally->lost + tally->wrong == 0)
        snprintf(tally->first, sizeof tally->first, "%u of %u steps answered, %.200s: %.200s",
                 told->answered, told->asked, what, why);
    ++*count;
}

/* The ledger is open: is all there, and does work go on? */
static void check_open(struct story *story, const struct story *told, const char *what,
                       struct tally *tally)
{
    char why[400];
    int found = story_books(story->ledger, told->answered, told->asked);

    if (found < 0) {
        found = story_books(story->ledger, 0, told->answered);
        note(tally, found < 0 ? &tally->wrong : &tally->lost, told, what,
             found < 0 ? "these books never were" : "the books are those of an earlier step");
        return;
    }
    if (!story_answers_hold(story, told->answered, why, sizeof why)) {
        note(tally, &tally->lost, told, what, why);
        return;
    }
    if (story_tell(story, STORY_STEPS) != MP_OK) {
        note(tally, &tally->refused, told, what, mp_last_error());
    } else if (story_books(story->ledger, STORY_STEPS, STORY_STEPS) < 0) {
        note(tally, &tally->wrong, told, what, "at the end the books are wrong");
    } else if (!story_answers_hold(story, STORY_STEPS, why, sizeof why)) {
        note(tally, &tally->lost, told, what, why);
    }
}

void story_check(const struct story *told, struct sim *sim, const char *what, struct tally *tally)
{
    struct story story = *told;
    char why[400];

    tally->outcomes++;
    story.sim = sim;
    if (story_open(&story) != MP_OK) {
        note(tally, &tally->refused, told, what, mp_last_error());
        return;
    }
    check_open(&story, told, what, tally);
    if (story_close(&story) != MP_OK) note(tally, &tally->refused, told, what, mp_last_error());
    if (!story_verified(sim, NULL, why, sizeof why)) note(tally, &tally->wrong, told, what, why);
}

void tally_expect_clean(const struct tally *tally, const char *of)
{
    cr_log_info("%s: %" PRIu64 " outcomes reopened: %" PRIu64 " wrongly refused, %" PRIu64
                " with acknowledged work lost, %" PRIu64 " with wrong books",
                of, tally->outcomes, tally->refused, tally->lost, tally->wrong);
    cr_assert_eq(tally->refused, 0, "%s", tally->first);
    cr_assert_eq(tally->lost, 0, "%s", tally->first);
    cr_assert_eq(tally->wrong, 0, "%s", tally->first);
}
