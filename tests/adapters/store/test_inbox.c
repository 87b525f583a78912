/* The inbox: each event has its effect once, in order, whatever comes twice or not at all. */
#include "store/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct world world;
static struct error err;

static void set_up(void)
{
    world_open(&world, BUS_FAKE);
    world.service = "fraud"; /* it owns none of the topics */
    world_restart(&world);
}

static void tear_down(void) { world_close(&world); }

TestSuite(inbox, .init = set_up, .fini = tear_down);

#define LANE "/payment/3/aa"

static const struct topic *topic(void) { return topic_find("micropay.payment"); }

/* Puts an event on the bus as the payment service would. */
static void put(const char *source, uint64_t sequence, uint64_t prev, unsigned key,
                unsigned version)
{
    fake_bus_put(world.bus, topic(), topic_partition(topic(), world_key(key)), world_key(key),
                 world_text(source, sequence, prev, key, version));
}

static unsigned partition_of(unsigned key) { return topic_partition(topic(), world_key(key)); }

static struct turns_state state(void)
{
    struct turns_state out;

    turns_state(world.turns, &out);
    return out;
}

/* --- once, in order --- */

Test(inbox, each_event_is_applied_once_and_in_order)
{
    world_consume(&world);
    for (unsigned i = 1; i <= 10; i++) put(LANE, i, i - 1, 1, i);
    world_run(&world);
    cr_assert_str_eq(world_versions(&world, 1), "1 2 3 4 5 6 7 8 9 10 ");
    cr_assert_eq(state().lag, 0);
}

Test(inbox, hundreds_of_events_move_a_partition_once_a_turn)
{
    uint64_t rows, commits;

    world_consume(&world);
    for (unsigned i = 1; i <= 500; i++) put(LANE, i, i - 1, 1, i);
    rows = world.store->rows_written;
    commits = world.store->commits;
    world_run(&world);
    cr_assert_eq(world_seen(&world), 500);
    cr_assert_eq(world.store->rows_written - rows, 500 * 2 + 2,
                 "two of the service for each, the partition, the timer of the key");
    cr_assert_eq(world.store->commits - commits, 1);
}

Test(inbox, a_repeat_changes_nothing_but_the_position)
{
    world_consume(&world);
    put(LANE, 1, 0, 1, 1);
    put(LANE, 2, 1, 1, 2);
    put(LANE, 1, 0, 1, 1);
    put(LANE, 2, 1, 1, 2);
    put(LANE, 3, 2, 1, 3);
    put(LANE, 3, 2, 1, 3);
    world_run(&world);
    cr_assert_str_eq(world_versions(&world, 1), "1 2 3 ");
    world_restart(&world);
    put(LANE, 3, 2, 1, 3);
    put(LANE, 4, 3, 1, 4);
    world_run(&world);
    cr_assert_str_eq(world_versions(&world, 1), "1 2 3 4 ");
    cr_assert_eq(world.alerts, 0);
}

Test(inbox, sources_are_told_apart_and_a_new_incarnation_begins_anew)
{
    world_consume(&world);
    put("/payment/3/aa", 5, 0, 1, 1);
    put("/payment/7/aa", 5, 0, 1, 2);
    put("/payment/3/aa", 6, 5, 1, 3);
    put("/payment/3/bb", 1, 0, 1, 4); /* the database was restored */
    put("/payment/3/bb", 2, 1, 1, 5);
    put("/payment/7/aa", 9, 5, 1, 6);
    world_run(&world);
    cr_assert_str_eq(world_versions(&world, 1), "1 2 3 4 5 6 ");
    cr_assert_eq(world.alerts, 0);
}

Test(inbox, a_restart_goes_on_at_its_own_position)
{
    world_consume(&world);
    for (unsigned i = 1; i <= 5; i++) put(LANE, i, i - 1, 1, i);
    world_run(&world);
    for (unsigned i = 6; i <= 10; i++) put(LANE, i, i - 1, 1, i);
    world.applied = 0;
    world_restart(&world);
    world_run(&world);
    cr_assert_str_eq(world_versions(&world, 1), "1 2 3 4 5 6 7 8 9 10 ");
    cr_assert_eq(world.applied, 5);
}

Test(inbox, types_that_nobody_consumes_are_passed_over_for_good)
{
    struct payment_cancelled_event data = {
        .payment = world_key(1),
        .kind = PAYMENT_KIND_PAYMENT,
        .status = PAYMENT_STATUS_CANCELLED,
        .payer = {world_key(1)},
        .payee = {world_key(2)},
        .currency = {"EUR"},
        .amount = {1250, 2},
        .reason = reason_row(REASON_CANCELLED_BY_CALLER)->name,
    };
    struct envelope envelope = {.id = {.bytes = {9}}, .subject = world_key(1), .tenant = "main"};
    struct buffer text = {0};

    world_consume(&world);
    put(LANE, 1, 0, 1, 1);
    envelope_print_head(LANE, 2, 1, &text);
    envelope_print_body(&envelope, EVENT_TYPE(payment_cancelled), &data, &text);
    fake_bus_put(world.bus, topic(), partition_of(1), world_key(1), buffer_str(&text));
    put(LANE, 3, 2, 1, 2);
    world_run(&world);
    cr_assert_str_eq(world_versions(&world, 1), "1 2 ");
    cr_assert_eq(state().parked, 0);
    buffer_done(&text);
}

/* --- what is missing --- */

Test(inbox, a_gap_stops_its_partition_before_it_and_no_other)
{
    unsigned other = 2;

    while (partition_of(other) == partition_of(1)) other++;
    world_consume(&world);
    put(LANE, 1, 0, 1, 1);
    put(LANE, 5, 3, 1, 2); /* 3 never came */
    put(LANE, 6, 5, 1, 3);
    put(LANE, 2, 0, other, 1);
    world_run(&world);
    cr_assert_str_eq(world_versions(&world, 1), "1 ");
    cr_assert_str_eq(world_versions(&world, other), "1 ");
    cr_assert_eq(world.alerts, 1);
    cr_assert_not_null(strstr(world.alert.message, "events are missing"));
    cr_assert_not(turns_ready(world.turns, &err));
    cr_assert_eq(state().stopped, 1);
    put(LANE, 7, 6, 1, 4);
    put(LANE, 8, 2, other, 2);
    world_run(&world);
    cr_assert_str_eq(world_versions(&world, 1), "1 ");
    cr_assert_str_eq(world_versions(&world, other), "1 2 ");
    cr_assert_eq(world.alerts, 1, "told once");

    world_restart(&world);
    world_run(&world);
    cr_assert_str_eq(world_versions(&world, 1), "1 ", "a restart doesn't hide it");
    cr_assert_eq(world.alerts, 2);
    turns_resume(world.turns, "payment", topic(), partition_of(1));
    world_run(&world);
    cr_assert_str_eq(world_versions(&world, 1), "1 2 3 4 ", "somebody has looked");
    cr_assert(turns_ready(world.turns, &err));
    put(LANE, 9, 8, other, 3);
    put(LANE, 12, 10, 1, 5);
    world_run(&world);
    cr_assert_eq(state().stopped, 1, "only that gap was forgiven");
}

Test(inbox, the_first_event_of_all_may_not_be_missing)
{
    world_consume(&world);
    put(LANE, 2, 1, 1, 2);
    world_run(&world);
    cr_assert_eq(world_seen(&world), 0);
    cr_assert_eq(state().stopped, 1);
}

Test(inbox, a_reader_that_comes_late_takes_what_there_still_is)
{
    for (unsigned i = 1; i <= 5; i++) put(LANE, i, i - 1, 1, i);
    fake_bus_drop(world.bus, topic(), partition_of(1), 3);
    world_consume(&world);
    put("/payment/9/aa", 8, 7, 1, 6); /* whose 7 was dropped */
    world_run(&world);
    cr_assert_str_eq(world_versions(&world, 1), "4 5 6 ");
    put(LANE, 7, 6, 1, 7);
    world_run(&world);
    cr_assert_eq(state().stopped, 1, "but a gap is a gap");
}

Test(inbox, what_cannot_be_read_is_parked_and_not_lost)
{
    world_consume(&world);
    fake_bus_put(world.bus, topic(), partition_of(1), world_key(1), "{\"no\": \"event\"}");
    world_run(&world);
    cr_assert_eq(state().parked, 1);
    cr_assert_eq(given_number(world.store, "SELECT COUNT(*) FROM parked WHERE value = "
                                           "CAST('{\"no\": \"event\"}' AS BLOB)"),
                 1);
}

/* --- turns that fail --- */

Test(inbox, a_turn_that_fails_is_repeated_and_applies_nothing_twice)
{
    world_consume(&world);
    world.applies_with = OUTCOME_AGAIN;
    for (unsigned i = 1; i <= 5; i++) put(LANE, i, i - 1, 1, i);
    world_pass(&world, 20 * S);
    cr_assert_eq(world_seen(&world), 0);
    world.applies_with = OUTCOME_DONE;
    world_pass(&world, 5 * S);
    cr_assert_str_eq(world_versions(&world, 1), "1 2 3 4 5 ");
    cr_assert_eq(state().lag, 0);
}

Test(inbox, what_a_failed_turn_had_applied_is_applied_again)
{
    world_consume(&world);
    put(LANE, 1, 0, 1, 1);
    world_run(&world);
    world.again_at = 4;
    for (unsigned i = 2; i <= 5; i++) put(LANE, i, i - 1, 1, i);
    world_pass(&world, S);
    cr_assert_str_eq(world_versions(&world, 1), "1 ");
    world.again_at = 0;
    world_pass(&world, 5 * S);
    cr_assert_str_eq(world_versions(&world, 1), "1 2 3 4 5 ");
    cr_assert_eq(world.alerts, 0);
}

Test(inbox, of_two_readers_with_one_name_the_second_one_undoes_its_whole_turn)
{
    struct turns *first = world.turns, *second;
    static const struct turn_hooks hooks = {0};

    world_consume(&world);
    put(LANE, 1, 0, 1, 1);
    world_run(&world);
    expect_done(
        turns_open(world.loop, world.store, world.bus, "/other", &hooks, &world, &second, &err));
    world.turns = second;
    expect_done(world_try_consume(&world, CONSUME_PURE, &err));
    for (unsigned i = 2; i <= 5; i++) put(LANE, i, i - 1, 1, i);
    world_run(&world); /* both get all of them, one after the other */
    cr_assert_str_eq(world_versions(&world, 1), "1 2 3 4 5 ");
    cr_assert_gt(world.applied, 5, "both have tried");
    world_pass(&world, 10 * S);
    cr_assert_str_eq(world_versions(&world, 1), "1 2 3 4 5 ");
    put(LANE, 6, 5, 1, 6);
    world_pass(&world, 10 * S);
    cr_assert_str_eq(world_versions(&world, 1), "1 2 3 4 5 6 ");
    cr_assert_eq(state().stopped, 0);
    turns_close(second);
    world.turns = first;
}

Test(inbox, a_broken_turn_takes_no_further_events)
{
    world_consume(&world);
    world.applies_with = OUTCOME_BROKEN;
    put(LANE, 1, 0, 1, 1);
    world_run(&world);
    world.applies_with = OUTCOME_DONE;
    put(LANE, 2, 1, 1, 2);
    world_pass(&world, 60 * S);
    cr_assert_eq(world_seen(&world), 0);
    cr_assert(state().broken);
    world_restart(&world);
    world_run(&world);
    cr_assert_str_eq(world_versions(&world, 1), "1 2 ");
}

/* --- reading again --- */

static void on_rewound(void *context, const struct error *why)
{
    *(struct error *)context = why != NULL ? *why : (struct error){.reason = REASON_NONE};
}

Test(inbox, a_reader_that_only_changes_rows_can_read_all_again)
{
    struct error why = {.reason = REASON_INTERNAL};

    world_consume(&world);
    for (unsigned i = 1; i <= 5; i++) put(LANE, i, i - 1, 1, i);
    world_run(&world);
    fake_bus_drop(world.bus, topic(), partition_of(1), 2);
    put(LANE, 6, 5, 1, 6); /* is on its way already */
    turns_rewind(world.turns, "payment", topic(), 0, on_rewound, &why);
    world_run(&world);
    cr_assert_eq(why.reason, REASON_NONE);
    cr_assert_str_eq(world_versions(&world, 1), "1 2 3 4 5 3 4 5 6 ");
    put(LANE, 7, 6, 1, 7);
    world_run(&world);
    cr_assert_str_eq(world_versions(&world, 1), "1 2 3 4 5 3 4 5 6 7 ");
    cr_assert_eq(world.alerts, 0);
}

Test(inbox, what_was_on_its_way_when_all_is_read_again_comes_in_its_order)
{
    struct error why = {0};

    world_consume(&world);
    for (unsigned i = 1; i <= 3; i++) put(LANE, i, i - 1, 1, i);
    world_run(&world);
    put(LANE, 4, 3, 1, 4); /* will wait behind the turn that goes back */
    for (unsigned i = 0; i < TURN_MAX - 1; i++) world_say_many(&world, 0, 1, 1, OUTCOME_DONE);
    turns_rewind(world.turns, "payment", topic(), 0, on_rewound, &why);
    world_run(&world);
    cr_assert_str_eq(world_versions(&world, 1), "1 2 3 1 2 3 4 ");
}

Test(inbox, one_that_acts_cannot)
{
    struct error why = {0};

    expect_done(world_try_consume(&world, CONSUME_ACTING, &err));
    put(LANE, 1, 0, 1, 1);
    world_run(&world);
    turns_rewind(world.turns, "payment", topic(), 0, on_rewound, &why);
    world_run(&world);
    cr_assert_eq(why.reason, REASON_FORBIDDEN);
    turns_rewind(world.turns, "nobody", topic(), 0, on_rewound, &why);
    world_run(&world);
    cr_assert_eq(why.reason, REASON_NOT_FOUND);
    cr_assert_str_eq(world_versions(&world, 1), "1 ");
}

Test(inbox, an_event_that_does_not_exist_cannot_be_consumed)
{
    const struct consume consumes[] = {
        {.type = "payment.imagined", .major = 1, .apply = (void *)abort}, {0}};

    expect_outcome(turns_consume(world.turns, "payment", consumes, &err), OUTCOME_BROKEN);
    cr_assert_not_null(strstr(err.message, "payment.imagined"));
}
