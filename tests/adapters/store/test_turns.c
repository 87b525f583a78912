/* The queue and its turns: order, failure, back-off. */
#include "store/fault_vfs.h"
#include "store/given.h"
#include "store/turn.h"
#include "support/test_loop.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

static const struct migrations tables = {(const struct migration[]){
    {1, "0001_notes", "CREATE TABLE notes (id BIGINT PRIMARY KEY, word TEXT NOT NULL UNIQUE);"},
    {0, NULL, NULL}}};
static const struct store_statement insert = {"store a note",
                                              "INSERT INTO notes (id, word) VALUES ($1, $2)"};

/* A service that keeps notes: what pieces noted is written by the hook. */
struct service {
    struct loop *loop;
    struct store *store;
    struct turns *turns;
    struct {
        int64_t id;
        char word[16];
    } notes[2000];
    unsigned count;
    enum outcome write_fails; /* what write answers; DONE = it doesn't */
    unsigned begins, commits, failures;
    char log[8192]; /* what pieces were told, in order */
    bool drained;
    struct error alert;
    unsigned alerts;
};
static struct service service;
static struct error err;

static void on_begin(void *context, struct turn *turn)
{
    struct service *s = context;

    (void)turn;
    s->begins++;
    s->count = 0;
}

static enum outcome on_write(void *context, struct turn *turn, struct error *out)
{
    struct service *s = context;

    for (unsigned i = 0; i < s->count; i++) {
        struct store_value arguments[] = {store_integer(s->notes[i].id),
                                          store_text(s->notes[i].word)};

        if (store_exec(turn_store(turn), &insert, arguments, 2, 1, out) != OUTCOME_DONE)
            return out->outcome;
    }
    if (s->write_fails == OUTCOME_DONE) return OUTCOME_DONE;
    error_set(out, REASON_STORE_UNREACHABLE, "could not write, as the test wants it");
    return out->outcome = s->write_fails;
}

static void on_end(void *context, struct turn *turn, bool committed)
{
    struct service *s = context;

    (void)turn;
    if (committed)
        s->commits++;
    else
        s->failures++;
    strcat(s->log, committed ? "| " : "/ ");
}

static const struct turn_hooks hooks = {.begin = on_begin, .write = on_write, .end = on_end};

static void on_alert(void *context, const struct error *why)
{
    struct service *s = context;

    s->alerts++;
    s->alert = *why;
}

static void open_turns(void)
{
    service.store = given_migrated("a.db", &tables);
    expect_done(turns_open(service.loop, service.store, NULL, "/test", &hooks, &service,
                           &service.turns, &err));
    turns_on_alert(service.turns, on_alert);
}

static void close_turns(void)
{
    turns_close(service.turns);
    test_loop_run(service.loop);
    store_close(service.store);
    service.turns = NULL;
}

static void set_up(void)
{
    given_directory();
    service = (struct service){.loop = test_loop_make(NULL)};
    open_turns();
}

static void tear_down(void)
{
    if (service.turns != NULL) close_turns();
    test_loop_free(service.loop);
    given_end();
}

TestSuite(turns, .init = set_up, .fini = tear_down);

static int64_t notes(void) { return given_number(service.store, "SELECT COUNT(*) FROM notes"); }

static void on_drained(void *context)
{
    struct service *s = context;

    s->drained = true;
}

/* A piece that notes a word; what it answers may be set. */
struct note {
    struct work work;
    int64_t id;
    const char *word;
    enum outcome load, apply; /* what they answer */
    unsigned times;           /* that apply answers so, then DONE; 0 = always */
    unsigned applied, loaded, told;
    enum outcome outcome; /* as told */
    struct error err;
    enum reason found; /* in the error that load and apply are given: none, whoever was before */
    struct note *adds; /* another piece, when it is told */
};

static enum outcome wanted(enum outcome outcome, const char *what, struct error *out)
{
    if (outcome == OUTCOME_DONE) return OUTCOME_DONE;
    error_set(out, REASON_CONFLICT, "could not %s, as the test wants it", what);
    return out->outcome = outcome;
}

static enum outcome load(struct work *work, struct turn *turn, struct error *out)
{
    struct note *note = (struct note *)work;

    (void)turn;
    note->loaded++;
    if (out->reason != REASON_NONE) note->found = out->reason;
    return wanted(note->load, "load", out);
}

static enum outcome apply(struct work *work, struct turn *turn, struct error *out)
{
    struct note *note = (struct note *)work;
    struct uuid key = {.bytes = {(uint8_t)note->id, 1}};

    if (out->reason != REASON_NONE) note->found = out->reason;
    /* a refused one must not leave this behind */
    if (turn_timer_set(turn, 1, key, turn_now_ns(turn) + 3600 * S, out) != OUTCOME_DONE)
        return out->outcome;
    if (note->apply != OUTCOME_DONE && (note->times == 0 || note->applied < note->times)) {
        note->applied++;
        return wanted(note->apply, "apply", out);
    }
    note->applied++;
    service.notes[service.count].id = note->id;
    snprintf(service.notes[service.count].word, sizeof service.notes[0].word, "%s", note->word);
    service.count++;
    return OUTCOME_DONE;
}

static void done(struct work *work, enum outcome outcome, const struct error *why)
{
    struct note *note = (struct note *)work;

    note->told++;
    note->outcome = outcome;
    if (why != NULL) note->err = *why;
    snprintf(service.log + strlen(service.log), 32, "%s:%s ", note->word, outcome_word(outcome));
    if (note->adds != NULL) turns_add(service.turns, &note->adds->work);
}

static struct note note(int64_t id, const char *word)
{
    return (struct note){
        .work = {.load = load, .apply = apply, .done = done}, .id = id, .word = word};
}

static void add(struct note *note) { turns_add(service.turns, &note->work); }

static void run(void) { test_loop_run(service.loop); }

static void pass(uint64_t ns) { test_loop_pass(service.loop, ns); }

/* --- a turn that works --- */

Test(turns, pieces_are_told_in_order_once_all_are_durable)
{
    struct note a = note(1, "a"), b = note(2, "b"), c = note(3, "c");

    add(&a);
    add(&b);
    add(&c);
    cr_assert_eq(turns_waiting(service.turns), 3);
    cr_assert_eq(a.told, 0, "nothing happens inside the call");
    run();
    cr_assert_str_eq(service.log, "| a:done b:done c:done ");
    cr_assert_eq(service.begins, 1, "one turn");
    cr_assert_eq(notes(), 3);
    close_turns();
    open_turns();
    cr_assert_eq(notes(), 3);
}

Test(turns, a_piece_that_is_added_while_others_are_told_comes_in_the_next_turn)
{
    struct note c = note(3, "c"), b = note(2, "b"), a = note(1, "a");

    a.adds = &b;
    b.adds = &c;
    add(&a);
    run();
    cr_assert_str_eq(service.log, "| a:done | b:done | c:done ");
}

Test(turns, no_turn_has_more_than_500_pieces_and_none_is_left_over)
{
    enum { COUNT = 1201 };
    static struct note many[COUNT];
    static char words[COUNT][8];

    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(words[i], sizeof words[i], "%u", i);
        many[i] = note(i, words[i]);
        many[i].work.done = NULL;
        add(&many[i]);
    }
    run();
    cr_assert_eq(service.commits, 3);
    cr_assert_eq(notes(), COUNT);
    cr_assert_eq(turns_waiting(service.turns), 0);
}

Test(turns, every_piece_of_a_turn_sees_the_same_time)
{
    struct turns_state state;
    struct note a = note(1, "a");

    add(&a);
    run();
    turns_state(service.turns, &state);
    cr_assert_eq(state.turns, 1);
    cr_assert_eq(state.pieces, 1);
    cr_assert_eq(given_number(service.store, "SELECT due FROM timers"),
                 (int64_t)(loop_now_ns(service.loop) + 3600 * S));
}

/* --- pieces that are refused --- */

Test(turns, a_piece_that_is_refused_leaves_nothing_and_ends_alone)
{
    struct note a = note(1, "a"), b = note(2, "b"), c = note(3, "c"), d = note(4, "d");

    b.apply = OUTCOME_REFUSED;
    c.load = OUTCOME_REFUSED;
    add(&a);
    add(&b);
    add(&c);
    add(&d);
    run();
    cr_assert_str_eq(service.log, "| a:done b:refused c:refused d:done ");
    cr_assert_not_null(strstr(b.err.message, "could not apply"));
    cr_assert_not_null(strstr(c.err.message, "could not load"));
    cr_assert_eq(c.applied, 0);
    cr_assert_eq(c.found, REASON_NONE);
    cr_assert_eq(d.found, REASON_NONE, "a refusal is nothing to those behind it");
    cr_assert_eq(notes(), 2);
    cr_assert_eq(given_number(service.store, "SELECT COUNT(*) FROM timers"), 2,
                 "the refused one's timer must be gone");
}

Test(turns, a_piece_that_contradicts_the_database_is_found_and_the_others_hold)
{
    struct note a = note(1, "a"), b = note(2, "b"), c = note(3, "a"), d = note(4, "d");

    d.adds = &(struct note){.work = {.done = done}, .word = "e"};
    a.work.persist = true;
    add(&a);
    add(&b);
    add(&c); /* the word is there already */
    add(&d);
    run();
    cr_assert_str_eq(service.log, "/ | a:done | b:done / a:refused | d:done | e:done ");
    cr_assert_eq(c.err.reason, REASON_CONFLICT);
    cr_assert_eq(notes(), 3);
}

/* --- turns that fail --- */

Test(turns, what_must_not_be_lost_is_tried_again_in_its_order_and_the_rest_is_told)
{
    struct note a = note(1, "a"), b = note(2, "b"), c = note(3, "c"), d = note(4, "d");

    a.work.persist = c.work.persist = true;
    service.write_fails = OUTCOME_AGAIN;
    add(&a);
    add(&b);
    add(&c);
    run();
    cr_assert_str_eq(service.log, "/ b:again ");
    cr_assert_eq(notes(), 0);
    cr_assert_eq(turns_waiting(service.turns), 2);
    add(&d);
    run();
    cr_assert_str_eq(service.log, "/ b:again ", "it waits for the back-off");
    service.write_fails = OUTCOME_DONE;
    pass(10 * MS);
    cr_assert_str_eq(service.log, "/ b:again | a:done c:done d:done ");
    cr_assert_eq(a.applied, 2);
    cr_assert_eq(notes(), 3);
}

Test(turns, of_a_turn_whose_outcome_is_unknown_callers_are_told_so)
{
    struct note a = note(1, "a"), b = note(2, "b");

    close_turns();
    fault_vfs_install();
    open_turns();
    fault_set(FAULT_SYNC, FAULT_WAL, 0, SQLITE_IOERR_FSYNC);
    a.work.persist = true;
    add(&a);
    add(&b);
    run();
    cr_assert_str_eq(service.log, "/ b:unknown ");
    cr_assert_eq(b.err.outcome, OUTCOME_UNKNOWN);
    fault_clear();
    pass(10 * MS);
    cr_assert_str_eq(service.log, "/ b:unknown | a:done ");
    cr_assert_eq(notes(), 1);
}

Test(turns, a_full_disk_delays_and_loses_nothing)
{
    struct note a = note(1, "a");

    close_turns();
    fault_vfs_install();
    open_turns();
    fault_set(FAULT_WRITE, FAULT_WAL, 0, SQLITE_FULL);
    a.work.persist = true;
    add(&a);
    pass(60 * S);
    cr_assert_gt(service.failures, 12, "at least each 5 s");
    cr_assert_lt(service.failures, 100, "ever more seldom");
    cr_assert_eq(a.told, 0);
    fault_clear();
    pass(5 * S);
    cr_assert_eq(a.told, 1);
    cr_assert_eq(a.outcome, OUTCOME_DONE);
    cr_assert_eq(notes(), 1);
}

Test(turns, a_piece_that_asks_for_another_try_undoes_the_turn)
{
    struct note a = note(1, "a"), b = note(2, "b");

    b.apply = OUTCOME_AGAIN;
    b.times = 3;
    b.work.persist = a.work.persist = true;
    add(&a);
    add(&b);
    pass(S);
    cr_assert_eq(service.failures, 3);
    cr_assert_eq(a.applied, 4);
    cr_assert_eq(a.told, 1);
    cr_assert_eq(b.outcome, OUTCOME_DONE);
    cr_assert_eq(notes(), 2);
}

Test(turns, when_it_is_broken_everybody_is_told_and_readiness_says_why)
{
    struct note a = note(1, "a"), b = note(2, "b"), c = note(3, "c"), late = note(4, "late");
    struct turns_state state;

    cr_assert(turns_ready(service.turns, &err));
    a.work.persist = true;
    b.apply = OUTCOME_BROKEN;
    c.adds = &late;
    add(&a);
    add(&b);
    add(&c);
    run();
    cr_assert_str_eq(service.log, "/ a:broken b:broken c:broken late:broken ");
    cr_assert_not(turns_ready(service.turns, &err));
    cr_assert_not_null(strstr(err.message, "could not apply"));
    cr_assert_eq(service.alerts, 1);
    turns_state(service.turns, &state);
    cr_assert(state.broken);
    cr_assert_eq(notes(), 0);
    turns_drain(service.turns, on_drained, &service);
    run();
    cr_assert(service.drained, "a service that is broken can be stopped");
}

/* --- when a turn comes --- */

Test(turns, a_lazy_piece_shares_the_commit_of_another)
{
    struct note lazy = note(1, "lazy"), a = note(2, "a");

    lazy.work.lazy = true;
    add(&lazy);
    pass(50 * MS);
    cr_assert_eq(lazy.told, 0);
    add(&a);
    run();
    cr_assert_str_eq(service.log, "| lazy:done a:done ");
}

Test(turns, a_lazy_piece_waits_for_a_tenth_of_a_second_at_most)
{
    struct note lazy = note(1, "lazy");

    lazy.work.lazy = true;
    add(&lazy);
    pass(99 * MS);
    cr_assert_eq(lazy.told, 0);
    pass(MS);
    cr_assert_eq(lazy.told, 1);
}

Test(turns, an_idle_queue_sets_no_timer_and_no_task)
{
    struct note a = note(1, "a");

    a.work.apply = NULL;
    add(&a);
    run();
    cr_assert_eq(test_loop_timers(service.loop), 0);
    cr_assert_eq(test_loop_tasks(service.loop), 0);
}

/* --- the end --- */

Test(turns, draining_waits_for_all_and_not_for_lazy_ones)
{
    struct note a = note(1, "a"), lazy = note(2, "lazy");

    lazy.work.lazy = true;
    a.adds = &lazy;
    add(&a);
    turns_drain(service.turns, on_drained, &service);
    cr_assert_not(service.drained, "never inside the call");
    run();
    cr_assert(service.drained);
    cr_assert_eq(lazy.told, 1);
    service.drained = false;
    turns_drain(service.turns, on_drained, &service);
    run();
    cr_assert(service.drained, "an empty queue is drained");
}

Test(turns, closing_tells_those_that_wait_that_nothing_happened)
{
    struct note a = note(1, "a"), b = note(2, "b");

    a.work.persist = true;
    a.adds = &b;
    add(&a);
    close_turns();
    cr_assert_str_eq(service.log, "a:again b:again ");
    cr_assert_eq(a.err.reason, REASON_NOT_READY);
    open_turns();
    cr_assert_eq(notes(), 0);
}
