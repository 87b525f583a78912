/* Migrations. */
#include "store/given.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(migrate, .init = given_directory, .fini = given_end);

static struct error err;

#define FIRST_SQL "CREATE TABLE first (a BIGINT); INSERT INTO first VALUES (1);"
#define FIRST                                                                                      \
    {                                                                                              \
        1, "0001_first", FIRST_SQL                                                                 \
    }
#define SECOND                                                                                     \
    {                                                                                              \
        2, "0002_second", "ALTER TABLE first ADD COLUMN b BIGINT; UPDATE first SET b = 2;"         \
    }
#define END                                                                                        \
    {                                                                                              \
        0, NULL, NULL                                                                              \
    }

static const struct migrations one = {(const struct migration[]){FIRST, END}};
static const struct migrations two = {(const struct migration[]){FIRST, SECOND, END}};

static int64_t applied(struct store *store)
{
    return given_number(store, "SELECT COUNT(*) FROM migrations WHERE part = 'service'");
}

Test(migrate, each_is_applied_once_and_later_ones_are_added)
{
    struct store *store = given_migrated("a.db", &one);

    cr_assert_eq(applied(store), 1);
    expect_done(store_migrate(store, &one, &err));
    store_close(store);
    store = given_migrated("a.db", &two);
    cr_assert_eq(applied(store), 2);
    cr_assert_eq(given_number(store, "SELECT COUNT(*) FROM first"), 1);
    cr_assert_eq(given_number(store, "SELECT b FROM first"), 2);
    store_close(store);
}

Test(migrate, the_tables_of_turns_are_made_whether_or_not_the_service_has_any)
{
    struct store *store = given_migrated("a.db", NULL);

    cr_assert_eq(given_number(store, "SELECT COUNT(*) FROM outbox"), 0);
    cr_assert_eq(given_number(store, "SELECT COUNT(*) FROM timers"), 0);
    cr_assert_eq(applied(store), 0);
    store_close(store);
}

Test(migrate, a_database_of_a_newer_program_is_refused_and_left_as_it_is)
{
    struct store *store = given_migrated("a.db", &two);

    expect_outcome(store_migrate(store, &one, &err), OUTCOME_BROKEN);
    cr_assert_not_null(strstr(err.message, "doesn't know its migration 0002_second"), "%s",
                       err.message);
    cr_assert_eq(applied(store), 2);
    store_close(store);
}

Test(migrate, one_that_was_changed_after_it_was_applied_is_refused)
{
    const struct migrations others[] = {
        {(const struct migration[]){
            {1, "0001_first", "CREATE TABLE first (a TEXT);"}, SECOND, END}},
        {(const struct migration[]){{1, "0001_other", FIRST_SQL}, SECOND, END}},
    };
    struct store *store = given_migrated("a.db", &one);

    for (unsigned i = 0; i < 2; i++) {
        expect_outcome(store_migrate(store, &others[i], &err), OUTCOME_BROKEN);
        cr_assert_not_null(strstr(err.message, "was changed after it was applied"));
        cr_assert_eq(applied(store), 1, "nothing behind it is applied");
    }
    store_close(store);
}

Test(migrate, one_that_fails_leaves_nothing_of_itself)
{
    const struct migrations bad = {(const struct migration[]){
        FIRST,
        {2, "0002_bad", "CREATE TABLE half (a BIGINT); CREATE TABLE half (a BIGINT);"},
        END}};
    struct store *store = given_store("a.db");

    expect_outcome(store_migrate(store, &bad, &err), OUTCOME_BROKEN);
    cr_assert_eq(applied(store), 1);
    cr_assert_eq(given_number(store, "SELECT COUNT(*) FROM sqlite_master WHERE name = 'half'"), 0);
    expect_done(store_migrate(store, &two, &err));
    store_close(store);
}

Test(migrate, what_was_applied_is_remembered_by_the_checksum_that_sha256sum_prints)
{
    const struct migrations known = {
        (const struct migration[]){{1, "0001_known", "SELECT 1;\n"}, END}};
    struct store *store = given_migrated("a.db", &known);

    cr_assert_eq(given_number(store,
                              "SELECT COUNT(*) FROM migrations WHERE checksum = "
                              "'b4e0497804e46e0a0b0b8c31975b062152d551bac49c3c2e80932567b4085dcd'"),
                 1);
    store_close(store);
}

Test(migrate, of_two_processes_at_once_each_is_done_or_clearly_refused)
{
    enum { PROCESSES = 4 };
    struct store *store;
    unsigned done = 0;

    for (unsigned i = 0; i < PROCESSES; i++) {
        if (fork() != 0) continue;
        char url[320];
        struct store_config config = {.url = url};
        enum outcome outcome;

        snprintf(url, sizeof url, "sqlite:%s", given_path("a.db"));
        outcome = store_open(&config, &store, &err);
        if (outcome == OUTCOME_DONE) {
            outcome = store_migrate(store, &two, &err);
            store_close(store);
        }
        _exit(outcome == OUTCOME_DONE                                                          ? 0
              : outcome == OUTCOME_AGAIN && strstr(err.message, "another process has") != NULL ? 1
                                                                                               : 2);
    }
    for (unsigned i = 0; i < PROCESSES; i++) {
        int status;

        wait(&status);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) < 2, "a process was not told why");
        if (WEXITSTATUS(status) == 0) done++;
    }
    cr_assert_geq(done, 1);
    store = given_migrated("a.db", &two);
    cr_assert_eq(given_number(store, "SELECT COUNT(*) FROM first"), 1);
    store_close(store);
}
