/* A service that hears what it says itself, over the embedded bus: outbox, bus and inbox together.
 */
#include "store/world.h"

static struct world world;

static void tear_down(void) { world_close(&world); }

TestSuite(end_to_end, .fini = tear_down);

static void expect_heard(unsigned keys, const char *versions, unsigned count)
{
    for (unsigned key = 0; key < keys; key++)
        cr_assert_str_eq(world_versions(&world, key), versions);
    cr_assert_eq(world_seen(&world), keys * count);
    cr_assert_eq(world.alerts, 0, "%s", world.alert.message);
}

Test(end_to_end, what_is_said_is_heard_once_and_in_order)
{
    world_open(&world, BUS_EMBEDDED);
    world_consume(&world);
    for (unsigned version = 1; version <= 5; version++)
        world_say_many(&world, 50, version, version, OUTCOME_DONE);
    world_settle(&world);
    expect_heard(50, "1 2 3 4 5 ", 5);
    world_restart(&world);
    world_say_many(&world, 50, 6, 6, OUTCOME_DONE);
    world_settle(&world);
    expect_heard(50, "1 2 3 4 5 6 ", 6);
}

/* Versions 1 to 3 of 4 keys; dies after so many steps of the loop; false if it rested before. */
static bool die_after(unsigned steps)
{
    unsigned version = 1;

    while (steps-- > 0) {
        if (version <= 3 && turns_waiting(world.turns) == 0) {
            world_say_many(&world, 4, version, version, OUTCOME_DONE);
            version++;
        }
        if (!test_loop_step(world.loop) && !test_loop_next(world.loop)) return false;
    }
    world_crash(&world, 0);
    return true;
}

Test(end_to_end, a_crash_at_any_step_neither_loses_nor_doubles_an_effect)
{
    bool died = true;
    unsigned deaths = 0;

    for (unsigned steps = 0; died; steps++) {
        unsigned said;

        world_open(&world, BUS_EMBEDDED);
        world_consume(&world);
        died = die_after(steps);
        deaths += died;
        world_settle(&world);
        said = (unsigned)world_seen(&world) / 4;
        for (unsigned version = said + 1; version <= 4; version++)
            world_say_many(&world, 4, version, version, OUTCOME_DONE);
        world_settle(&world);
        expect_heard(4, "1 2 3 4 ", 4);
        world_close(&world);
    }
    cr_assert_gt(deaths, 8, "%u", deaths);
    world_open(&world, BUS_EMBEDDED); /* for tear_down */
}

Test(end_to_end, a_restored_database_is_heard_again)
{
    world_open(&world, BUS_EMBEDDED);
    world_say_many(&world, 30, 1, 1, OUTCOME_DONE);
    world_settle(&world);
    world_save(&world, "backup.db");
    world_say_many(&world, 30, 2, 2, OUTCOME_DONE);
    world_settle(&world);
    world_restore(&world, "backup.db");
    world_consume(&world); /* it has read nothing yet: it gets all, of both incarnations */
    world_say_many(&world, 30, 3, 3, OUTCOME_DONE);
    world_settle(&world);
    expect_heard(30, "1 2 3 ", 3);
}
