/* What only the embedded store promises: its disk, its lock, its errors. */
#include "store/fault_vfs.h"
#include "store/given.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

TestSuite(store_sqlite, .init = given_directory, .fini = given_end);

static struct error err;

static enum outcome open_path(const char *path, struct store **out)
{
    char url[320];
    struct store_config config = {.url = url};

    snprintf(url, sizeof url, "sqlite:%s", path);
    return store_open(&config, out, &err);
}

static const struct store_statement insert = {"add a number", "INSERT INTO numbers VALUES ($1)"};
static const struct store_statement fill = {"add bytes", "INSERT INTO numbers VALUES ($1)"};

static struct store *given_numbers(void)
{
    struct store *store = given_store("numbers.db");

    given_script(store, "CREATE TABLE numbers (n BIGINT PRIMARY KEY)");
    return store;
}

static enum outcome add(struct store *store, int64_t number)
{
    struct store_value argument = store_integer(number);

    if (store_begin(store, &err) != OUTCOME_DONE) return err.outcome;
    if (store_exec(store, &insert, &argument, 1, 1, &err) == OUTCOME_DONE)
        return store_commit(store, &err);
    store_rollback(store);
    return err.outcome;
}

static int64_t count(struct store *store)
{
    return given_number(store, "SELECT COUNT(*) FROM numbers");
}

/* --- one process --- */

Test(store_sqlite, a_second_process_is_told_at_once_that_the_database_is_in_use)
{
    struct store *store = given_numbers();
    pid_t child = fork();
    int status;

    if (child == 0) {
        struct store *second = NULL;
        struct timespec from, to;
        enum outcome outcome;

        clock_gettime(CLOCK_MONOTONIC, &from);
        outcome = open_path(given_path("numbers.db"), &second);
        clock_gettime(CLOCK_MONOTONIC, &to);
        _exit(outcome == OUTCOME_AGAIN && err.reason == REASON_STORE_UNREACHABLE &&
                      strstr(err.message, "another process has") != NULL && second == NULL &&
                      to.tv_sec - from.tv_sec < 10
                  ? 0
                  : 1);
    }
    waitpid(child, &status, 0);
    cr_assert_eq(status, 0);
    expect_outcome(add(store, 1), OUTCOME_DONE);
    store_close(store);
    store = given_store("numbers.db");
    cr_assert_eq(count(store), 1);
    store_close(store);
}

/* --- what cannot be opened --- */

static void write_file(const char *name, const char *bytes, size_t length)
{
    FILE *file = fopen(given_path(name), "wb");

    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes, 1, length, file), length);
    fclose(file);
}

Test(store_sqlite, a_file_that_is_no_database_is_left_alone)
{
    static const char text[] = "This is somebody's letter, longer than a header of a hundred bytes,"
                               " and nobody would thank us for writing tables into it.";
    struct store *store = NULL;
    char after[sizeof text] = "";
    FILE *file;

    write_file("letter.db", text, sizeof text);
    expect_outcome(open_path(given_path("letter.db"), &store), OUTCOME_BROKEN);
    cr_assert_eq(err.reason, REASON_CORRUPT);
    file = fopen(given_path("letter.db"), "rb");
    cr_assert_eq(fread(after, 1, sizeof after, file), sizeof after);
    fclose(file);
    cr_assert_str_eq(after, text);
}

Test(store_sqlite, a_directory_that_is_missing_is_named)
{
    struct store *store = NULL;

    expect_outcome(open_path(given_path("nowhere/a.db"), &store), OUTCOME_AGAIN);
    cr_assert_eq(err.reason, REASON_STORE_UNREACHABLE);
    cr_assert_not_null(strstr(err.message, "nowhere/a.db"));
    cr_assert_null(store);
}

Test(store_sqlite, damage_breaks_instead_of_being_read)
{
    struct store *store = given_numbers();
    char nonsense[4096];
    int file;
    struct store_value argument = store_integer(7);

    expect_outcome(add(store, 1), OUTCOME_DONE);
    store_close(store);
    memset(nonsense, 0x5a, sizeof nonsense);
    file = open(given_path("numbers.db"), O_WRONLY);
    cr_assert_eq(pwrite(file, nonsense, sizeof nonsense, 4096), sizeof nonsense);
    close(file);
    store = given_store("numbers.db");
    expect_done(store_begin(store, &err));
    expect_outcome(store_exec(store, &insert, &argument, 1, 1, &err), OUTCOME_BROKEN);
    cr_assert_eq(err.reason, REASON_CORRUPT);
    store_rollback(store);
    store_close(store);
}

/* --- a disk that fails --- */

Test(store_sqlite, a_full_disk_may_be_tried_again_and_loses_nothing)
{
    struct store *store = given_numbers();

    store_close(store);
    fault_vfs_install();
    store = given_store("numbers.db");
    expect_outcome(add(store, 1), OUTCOME_DONE);
    fault_set(FAULT_WRITE, FAULT_WAL, 0, SQLITE_FULL);
    for (int64_t n = 2; n < 5; n++) {
        expect_outcome(add(store, n), OUTCOME_AGAIN);
        cr_assert_eq(err.reason, REASON_OUT_OF_SPACE);
    }
    fault_clear();
    cr_assert_eq(count(store), 1);
    expect_outcome(add(store, 2), OUTCOME_DONE);
    store_close(store);
    store = given_store("numbers.db");
    cr_assert_eq(count(store), 2);
    store_close(store);
}

Test(store_sqlite, a_table_that_may_not_grow_may_be_tried_again)
{
    struct store *store = given_store("numbers.db");
    static const char bytes[8192];
    struct store_value argument = store_bytes(bytes, sizeof bytes);
    enum outcome outcome = OUTCOME_DONE;

    given_script(store, "CREATE TABLE numbers (n BYTEA); PRAGMA max_page_count = 20;");
    for (unsigned i = 0; i < 20 && outcome == OUTCOME_DONE; i++) {
        expect_done(store_begin(store, &err));
        outcome = store_exec(store, &fill, &argument, 1, 1, &err);
        if (outcome == OUTCOME_DONE) outcome = store_commit(store, &err);
    }
    store_rollback(store);
    expect_outcome(outcome, OUTCOME_AGAIN);
    cr_assert_eq(err.reason, REASON_OUT_OF_SPACE);
    store_close(store);
}

Test(store_sqlite, a_flush_that_fails_leaves_open_whether_the_commit_holds)
{
    struct store *store;

    fault_vfs_install();
    store = given_numbers();
    expect_outcome(add(store, 1), OUTCOME_DONE);
    fault_set(FAULT_SYNC, FAULT_WAL, 0, SQLITE_IOERR_FSYNC);
    expect_outcome(add(store, 2), OUTCOME_UNKNOWN);
    fault_clear();
    cr_assert_eq(count(store), 1, "until it is opened again it doesn't hold");
    expect_outcome(add(store, 3), OUTCOME_DONE);
    store_close(store);
    store = given_store("numbers.db");
    cr_assert_eq(count(store), 2, "a later commit has taken its place");
    cr_assert_eq(given_number(store, "SELECT MAX(n) FROM numbers"), 3);
    store_close(store);
}

Test(store_sqlite, a_disk_that_cannot_be_read_may_be_tried_again)
{
    struct store *store = given_numbers();
    struct store_value argument = store_integer(7);

    for (int64_t n = 0; n < 100; n++) expect_outcome(add(store, n), OUTCOME_DONE);
    store_close(store);
    fault_vfs_install();
    store = given_store("numbers.db");
    fault_set(FAULT_READ, FAULT_DATABASE, 0, SQLITE_IOERR_READ);
    expect_done(store_begin(store, &err));
    expect_outcome(store_exec(store, &insert, &argument, 1, 1, &err), OUTCOME_AGAIN);
    store_rollback(store);
    fault_clear();
    expect_outcome(add(store, 100), OUTCOME_DONE);
    store_close(store);
}

/* --- what makes a commit quick --- */

Test(store_sqlite, a_commit_flushes_once_and_the_wal_does_not_grow)
{
    struct store *store;
    struct stat wal;
    unsigned syncs;
    off_t size;

    fault_vfs_install();
    store = given_numbers();
    expect_outcome(add(store, 0), OUTCOME_DONE);
    cr_assert_eq(stat(given_path("numbers.db-wal"), &wal), 0);
    size = wal.st_size;
    syncs = fault_calls(FAULT_SYNC, FAULT_WAL);
    for (int64_t n = 1; n <= 1000; n++) expect_outcome(add(store, n), OUTCOME_DONE);
    cr_assert_eq(fault_calls(FAULT_SYNC, FAULT_WAL) - syncs, 1000);
    cr_assert_eq(stat(given_path("numbers.db-wal"), &wal), 0);
    cr_assert_eq(wal.st_size, size);
    store_close(store);
    cr_assert_neq(stat(given_path("numbers.db-wal"), &wal), 0,
                  "a closed database is one file, safe to copy");
}

/* --- a process that dies --- */

Test(store_sqlite, every_commit_that_was_told_is_there_after_a_kill)
{
    /* how many the child was told; it lies in memory that outlives it */
    volatile int64_t *told =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct store *store = given_numbers();

    store_close(store);
    for (unsigned life = 0; life < 5; life++) {
        int64_t wanted = *told + 200;
        pid_t child = fork();

        if (child == 0) {
            store = given_store("numbers.db");
            for (int64_t n = count(store);; n++) {
                if (add(store, n) != OUTCOME_DONE) _exit(1);
                *told = n + 1;
            }
        }
        while (*told < wanted && waitpid(child, NULL, WNOHANG) == 0) sched_yield();
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        cr_assert_geq(*told, wanted, "the child has ended by itself");

        store = given_store("numbers.db");
        cr_assert(count(store) == *told || count(store) == *told + 1, "%lld told, %lld there",
                  (long long)*told, (long long)count(store));
        *told = count(store);
        store_close(store);
    }
}
