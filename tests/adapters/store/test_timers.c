/* Timers of a service. */
#include "store/given.h"
#include "store/turn.h"
#include "support/test_loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

static struct loop *loop;
static struct store *store;
static struct turns *turns;
static struct error err;
static char told[8192];
static unsigned told_count;

static const struct turn_hooks hooks = {0};

static struct uuid key_of(unsigned number)
{
    return (struct uuid){.bytes = {7, [14] = (uint8_t)(number >> 8), [15] = (uint8_t)number}};
}

static void on_due(void *context, unsigned kind, struct uuid key)
{
    cr_assert_eq(context, &told);
    if (told_count++ < 100)
        snprintf(told + strlen(told), 32, "%u:%u ", kind, key.bytes[14] * 256u + key.bytes[15]);
}

static void open_turns(bool listens)
{
    store = given_migrated("a.db", NULL);
    expect_done(turns_open(loop, store, NULL, "/test", &hooks, &told, &turns, &err));
    if (listens) turns_on_timer(turns, on_due);
    test_loop_run(loop);
}

static void close_turns(void)
{
    turns_close(turns);
    test_loop_run(loop);
    store_close(store);
}

static void set_up(void)
{
    given_directory();
    loop = test_loop_make(NULL);
    open_turns(true);
}

static void tear_down(void)
{
    close_turns();
    test_loop_free(loop);
    given_end();
}

TestSuite(timers, .init = set_up, .fini = tear_down);

/* A piece that sets timers, or clears those whose delay is 0. */
struct piece {
    struct work work;
    struct {
        unsigned kind, key;
        uint64_t delay_ns;
    } timers[4];
    enum outcome outcome;
};

static enum outcome apply(struct work *work, struct turn *turn, struct error *out)
{
    struct piece *piece = (struct piece *)work;

    for (unsigned i = 0; i < 4 && piece->timers[i].kind > 0; i++) {
        struct uuid key = key_of(piece->timers[i].key);

        if (piece->timers[i].delay_ns == 0)
            expect_done(turn_timer_clear(turn, piece->timers[i].kind, key, &err));
        else
            expect_done(turn_timer_set(turn, piece->timers[i].kind, key,
                                       turn_now_ns(turn) + piece->timers[i].delay_ns, &err));
    }
    if (piece->outcome == OUTCOME_DONE) return OUTCOME_DONE;
    error_set(out, REASON_CONFLICT, "no");
    return out->outcome = piece->outcome;
}

/* DO({kind, key, delay}, ...) in one piece of work */
#define DO(...)                                                                                    \
    do {                                                                                           \
        struct piece piece_ = {.work = {.apply = apply}, .timers = {__VA_ARGS__}};                 \
        turns_add(turns, &piece_.work);                                                            \
        test_loop_run(loop);                                                                       \
    } while (0)

static int64_t rows(void) { return given_number(store, "SELECT COUNT(*) FROM timers"); }

Test(timers, each_is_told_when_it_is_due_in_the_order_of_the_instants)
{
    DO({1, 1, 3 * S}, {2, 1, S}, {1, 2, 2 * S});
    test_loop_pass(loop, S - 1);
    cr_assert_str_eq(told, "");
    test_loop_pass(loop, 1);
    cr_assert_str_eq(told, "2:1 ");
    test_loop_pass(loop, 2 * S);
    cr_assert_str_eq(told, "2:1 1:2 1:1 ");
}

Test(timers, one_that_is_cleared_is_not_told)
{
    DO({1, 1, S}, {1, 2, S});
    DO({1, 1, 0});
    test_loop_pass(loop, 10 * S);
    cr_assert_str_eq(told, "1:2 ");
}

Test(timers, one_that_is_set_anew_is_told_at_the_new_instant_alone)
{
    DO({1, 1, S}, {1, 2, 5 * S});
    DO({1, 1, 3 * S}, {1, 2, 2 * S});
    test_loop_pass(loop, S);
    cr_assert_str_eq(told, "");
    test_loop_pass(loop, S);
    cr_assert_str_eq(told, "1:2 ");
    test_loop_pass(loop, S);
    cr_assert_str_eq(told, "1:2 1:1 ");
}

Test(timers, the_last_word_of_a_turn_counts_and_costs_one_row)
{
    uint64_t written = store->rows_written;

    DO({1, 1, S}, {1, 1, 0}, {1, 1, 2 * S}, {1, 1, 4 * S});
    cr_assert_eq(store->rows_written - written, 1);
    test_loop_pass(loop, 3 * S);
    cr_assert_str_eq(told, "");
    test_loop_pass(loop, S);
    cr_assert_str_eq(told, "1:1 ");
    DO({1, 2, S}, {1, 2, 0});
    cr_assert_eq(rows(), 1);
}

Test(timers, a_refused_piece_sets_and_clears_nothing)
{
    struct piece refused = {
        .work = {.apply = apply}, .timers = {{1, 1, 0}, {1, 2, S}}, .outcome = OUTCOME_REFUSED};

    DO({1, 1, S});
    turns_add(turns, &refused.work);
    test_loop_pass(loop, 10 * S);
    cr_assert_str_eq(told, "1:1 ");
}

Test(timers, one_that_nobody_clears_is_told_again_each_minute)
{
    DO({1, 1, S});
    test_loop_pass(loop, 60 * S);
    cr_assert_str_eq(told, "1:1 ");
    test_loop_pass(loop, S);
    cr_assert_str_eq(told, "1:1 1:1 ");
    DO({1, 1, 0});
    test_loop_pass(loop, 600 * S);
    cr_assert_str_eq(told, "1:1 1:1 ");
    cr_assert_eq(rows(), 0);
}

Test(timers, those_that_fell_due_while_nobody_was_there_are_told_at_the_start)
{
    DO({1, 1, S}, {1, 2, 60 * S});
    close_turns();
    test_loop_set_clock(loop, loop_now_ns(loop) + 10 * S);
    open_turns(true);
    cr_assert_str_eq(told, "1:1 ");
    test_loop_pass(loop, 50 * S);
    cr_assert_str_eq(told, "1:1 1:2 ");
}

Test(timers, a_thousand_that_are_due_at_once_are_all_told_once)
{
    for (unsigned i = 0; i < 1000; i += 4)
        DO({1, i, S}, {1, i + 1, S}, {1, i + 2, S}, {1, i + 3, S});
    test_loop_pass(loop, 30 * S);
    cr_assert_eq(told_count, 1000);
    test_loop_pass(loop, 60 * S);
    cr_assert_eq(told_count, 2000, "again after a minute");
}

Test(timers, a_wall_clock_that_jumps_is_noticed_within_a_minute)
{
    DO({1, 1, 7200 * S});
    test_loop_pass(loop, S);
    test_loop_set_clock(loop, loop_now_ns(loop) + 7200 * S);
    test_loop_pass(loop, 60 * S);
    cr_assert_str_eq(told, "1:1 ");
}

Test(timers, one_that_is_cleared_in_the_turn_that_reads_it_is_not_told)
{
    struct piece clears = {.work = {.apply = apply}, .timers = {{1, 1, 0}}};

    DO({1, 1, S}, {1, 2, S});
    test_loop_set_clock(loop, loop_now_ns(loop) + S);
    close_turns();
    open_turns(false);
    turns_on_timer(turns, on_due);
    turns_add(turns, &clears.work);
    test_loop_run(loop);
    cr_assert_str_eq(told, "1:2 ");
    cr_assert_eq(rows(), 1);
}

Test(timers, a_service_without_timers_is_never_woken)
{
    DO({1, 1, S});
    test_loop_pass(loop, S);
    DO({1, 1, 0});
    test_loop_pass(loop, 120 * S);
    cr_assert_eq(test_loop_timers(loop), 0);
}

Test(timers, one_that_a_crash_kept_from_its_effect_is_told_again_at_the_start)
{
    uint64_t written;

    DO({1, 1, S}, {1, 2, 2 * S});
    written = store->rows_written;
    test_loop_pass(loop, S);
    cr_assert_str_eq(told, "1:1 ");
    cr_assert_eq(store->rows_written, written, "telling writes nothing");
    close_turns();
    open_turns(true);
    cr_assert_str_eq(told, "1:1 1:1 ");
    test_loop_pass(loop, S);
    cr_assert_str_eq(told, "1:1 1:1 1:2 ");
}

Test(timers, one_that_is_set_for_an_instant_gone_by_is_told_at_once)
{
    DO({1, 1, 5 * S});
    test_loop_pass(loop, 5 * S);
    DO({1, 1, 0});
    test_loop_set_clock(loop, loop_now_ns(loop) - 4 * S);
    DO({1, 2, S});
    test_loop_pass(loop, S);
    cr_assert_str_eq(told, "1:1 1:2 ");
}
