/* Dead letters: nothing is lost, and a key's order is kept. */
#include "store/parked.h"

#include "store/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world world;

static void set_up(void)
{
    world_open(&world, BUS_FAKE);
    world.service = "fraud";
    world_restart(&world);
    world_consume(&world);
}

static void tear_down(void) { world_close(&world); }

TestSuite(parked, .init = set_up, .fini = tear_down);

static const struct topic *topic(void) { return topic_find("micropay.payment"); }

/* Puts versions of a key on the bus, each under the next sequence of the key's lane. */
static void put(unsigned key, unsigned from, unsigned to)
{
    char source[32];

    snprintf(source, sizeof source, "/payment/%u/aa", key);
    for (unsigned version = from; version <= to; version++)
        fake_bus_put(world.bus, topic(), topic_partition(topic(), world_key(key)), world_key(key),
                     world_text(source, version, version - 1, key, version));
}

static struct turns_state state(void)
{
    struct turns_state out;

    turns_state(world.turns, &out);
    return out;
}

/* --- answers --- */

struct answer {
    unsigned answers, count;
    struct parked_replayed replayed;
    struct error why;
    struct parked_event events[PARKED_LIST_MAX];
    char value[1024]; /* of the first */
};
static struct answer answer;

static void on_list(void *context, const struct parked_event *events, unsigned count,
                    const struct error *why)
{
    struct answer *out = context;

    out->answers++;
    out->count = count;
    out->why = why != NULL ? *why : (struct error){0};
    memcpy(out->events, events, count * sizeof *events);
    if (count > 0)
        snprintf(out->value, sizeof out->value, "%.*s", (int)events[0].length, events[0].value);
}

static void list(int64_t after, unsigned limit)
{
    answer = (struct answer){0};
    parked_list(world.turns, after, limit, on_list, &answer);
    cr_assert_eq(answer.answers, 0, "never inside the call");
    world_run(&world);
    cr_assert_eq(answer.answers, 1);
}

static void on_replay(void *context, const struct parked_replayed *replayed,
                      const struct error *why)
{
    struct answer *out = context;

    out->answers++;
    out->count = replayed->applied;
    out->replayed = *replayed;
    out->why = why != NULL ? *why : (struct error){0};
}

static void on_drop(void *context, unsigned waiting, const struct error *why)
{
    on_replay(context, &(struct parked_replayed){.waiting = waiting}, why);
}

static void replay(int64_t number)
{
    answer = (struct answer){0};
    parked_replay(world.turns, number, on_replay, &answer);
    world_run(&world);
    cr_assert_eq(answer.answers, 1);
}

/* --- parking --- */

Test(parked, an_event_that_is_refused_is_kept_and_its_keys_later_ones_wait_behind_it)
{
    strcpy(world.refuses, "\x05");
    put(5, 1, 1);
    world_run(&world);
    world.refuses[0] = '\0';
    put(5, 2, 3);
    put(6, 1, 2);
    world_run(&world);
    cr_assert_str_eq(world_versions(&world, 5), "");
    cr_assert_str_eq(world_versions(&world, 6), "1 2 ");
    cr_assert_eq(state().parked, 3);
    cr_assert_eq(state().stopped, 0);
    cr_assert_eq(state().lag, 0, "parked counts as applied");
    cr_assert_eq(given_number(world.store, "SELECT COUNT(*) FROM timers"), 1, "key 6's alone");

    list(0, 100);
    cr_assert_eq(answer.count, 3);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_str_eq(answer.events[i].reader, "payment");
        cr_assert_str_eq(answer.events[i].topic, "micropay.payment");
        cr_assert(uuid_equal(answer.events[i].key, world_key(5)));
        cr_assert_eq(answer.events[i].parked_ns, loop_now_ns(world.loop));
    }
    cr_assert_not_null(strstr(answer.events[0].message, "as the test wants it"));
    cr_assert_str_eq(answer.events[0].reason, "invalid-request");
    cr_assert_not_null(strstr(answer.events[1].message, "before it"));
    cr_assert_str_eq(answer.value, world_text("/payment/5/aa", 1, 0, 5, 1));
    list(answer.events[0].number, 1);
    cr_assert_eq(answer.count, 1);
}

Test(parked, a_restart_remembers_which_keys_are_parked)
{
    strcpy(world.refuses, "\x05");
    put(5, 1, 1);
    world_run(&world);
    world.refuses[0] = '\0';
    world_restart(&world);
    put(5, 2, 2);
    world_run(&world);
    cr_assert_eq(state().parked, 2);
    cr_assert_eq(world_seen(&world), 0);
}

Test(parked, an_event_that_contradicts_the_database_is_parked_alone)
{
    given_script(world.store, "CREATE UNIQUE INDEX once ON seen (version) WHERE version > 100;");
    put(5, 101, 101); /* sequence 101 of its lane: the first seen */
    world_run(&world);
    cr_assert_eq(state().stopped, 1);
    turns_resume(world.turns, "payment", topic(), topic_partition(topic(), world_key(5)));
    put(6, 1, 3);
    world_run(&world);
    cr_assert_str_eq(world_versions(&world, 5), "101 ");
    fake_bus_put(world.bus, topic(), topic_partition(topic(), world_key(6)), world_key(6),
                 world_text("/payment/6/aa", 4, 3, 6, 101));
    put(7, 1, 3);
    world_run(&world);
    cr_assert_str_eq(world_versions(&world, 6), "1 2 3 ");
    cr_assert_str_eq(world_versions(&world, 7), "1 2 3 ", "others are not held up");
    cr_assert_eq(state().parked, 1);
    list(0, 100);
    cr_assert_str_eq(answer.events[0].reason, "conflict");
}

Test(parked, a_key_with_a_thousand_stops_its_partition_and_loses_none)
{
    unsigned partition = topic_partition(topic(), world_key(5));

    strcpy(world.refuses, "\x05");
    put(5, 1, PARKED_MAX + 5);
    world_run(&world);
    cr_assert_eq(state().parked, PARKED_MAX);
    cr_assert_eq(state().stopped, 1);
    cr_assert_eq(world.alerts, 1);
    world.refuses[0] = '\0';
    replay(1);
    cr_assert_eq(answer.count, PARKED_MAX);
    turns_resume(world.turns, "payment", topic(), partition);
    world_run(&world);
    cr_assert_eq(world_seen(&world), PARKED_MAX + 5);
    cr_assert_eq(state().stopped, 0);
    put(5, PARKED_MAX + 7, PARKED_MAX + 7);
    world_run(&world);
    cr_assert_eq(state().stopped, 1, "a gap is not forgiven with it");
}

/* --- what an operator does --- */

Test(parked, applying_what_is_parked_keeps_the_order_of_the_key)
{
    strcpy(world.refuses, "\x05\x06");
    put(5, 1, 4);
    put(6, 1, 1);
    world_run(&world);
    world.refuses[0] = '\0';
    put(5, 5, 6);
    parked_replay(world.turns, 2, on_replay, &answer); /* any one of the key */
    put(5, 7, 8);
    world_run(&world);
    cr_assert_eq(answer.answers, 1);
    cr_assert_eq(answer.why.reason, REASON_NONE);
    cr_assert_str_eq(world_versions(&world, 5), "1 2 3 4 5 6 7 8 ");
    cr_assert_eq(state().parked, 1, "of another key");
    put(5, 9, 9);
    world_run(&world);
    cr_assert_str_eq(world_versions(&world, 5), "1 2 3 4 5 6 7 8 9 ");
    cr_assert_eq(given_number(world.store, "SELECT COUNT(*) FROM parked"), 1);
}

Test(parked, one_that_is_refused_again_stays_with_all_behind_it)
{
    strcpy(world.refuses, "\x05");
    put(5, 1, 3);
    world_run(&world);
    replay(1);
    cr_assert_eq(answer.count, 0);
    cr_assert_eq(answer.why.reason, REASON_INVALID_REQUEST);
    cr_assert_eq(state().parked, 3);
    cr_assert_eq(world_seen(&world), 0);
    replay(99);
    cr_assert_eq(answer.why.reason, REASON_NOT_FOUND);
}

Test(parked, a_failed_turn_while_applying_changes_nothing)
{
    strcpy(world.refuses, "\x05");
    put(5, 1, 3);
    world_run(&world);
    world.refuses[0] = '\0';
    world.applies_with = OUTCOME_AGAIN;
    replay(1);
    cr_assert_eq(answer.why.outcome, OUTCOME_AGAIN);
    cr_assert_eq(state().parked, 3);
    world.applies_with = OUTCOME_DONE;
    world_pass(&world, S);
    replay(1);
    cr_assert_eq(answer.count, 3);
    cr_assert_str_eq(world_versions(&world, 5), "1 2 3 ");
}

Test(parked, dropping_one_lets_those_behind_it_be_applied)
{
    strcpy(world.refuses, "\x05");
    put(5, 1, 3);
    world_run(&world);
    world.refuses[0] = '\0';
    answer = (struct answer){0};
    parked_drop(world.turns, 1, on_drop, &answer);
    world_run(&world);
    cr_assert_eq(answer.answers, 1);
    cr_assert_eq(answer.why.reason, REASON_NONE);
    cr_assert_eq(state().parked, 2);
    parked_drop(world.turns, 1, on_drop, &answer);
    world_run(&world);
    cr_assert_eq(answer.why.reason, REASON_NOT_FOUND);
    replay(2);
    cr_assert_str_eq(world_versions(&world, 5), "2 3 ");
}

Test(parked, more_than_a_page_is_listed_page_by_page)
{
    strcpy(world.refuses, "\x05");
    put(5, 1, 250);
    world_run(&world);
    list(0, 1000);
    cr_assert_eq(answer.count, PARKED_LIST_MAX);
    list(200, 1000);
    cr_assert_eq(answer.count, 50);
    list(250, 1000);
    cr_assert_eq(answer.count, 0);
}
