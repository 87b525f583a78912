/*
 * store_turns: how long a commit takes, and how many pieces of work a second turns get through.
 *
 * Commits, one by one, of 1 and of 13 rows: the first 200 of a new database, and all. In the same
 * run and folder, the limit: 4 KiB written over blocks that were written before, and fdatasync; and
 * the peer: SQLite in WAL mode with synchronous=FULL and nothing else set.
 *
 * Turns of 1 and of 500 pieces, a piece being a payment: 7 rows inserted under random keys, 6
 * updated, 4 events said, over the embedded bus. All is counted again at the end.
 */
#include "bus/events.h"
#include "store/turn.h"
#include "support/test_loop.h"

#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <linux/sched/types.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "usage: store_turns DIRECTORY [--commits N] [--payments N] [--cache MIB] [--clustered]\n"
    "                   [--slice US] [--json]\n"
    "\n"
    "DIRECTORY gets some files, which are removed at the end.\n"
    "  --commits N   one by one, of each kind (default 2000)\n"
    "  --payments N  at 500 a turn (default 100000)\n"
    "  --cache MIB   that the store may take (default: its own)\n"
    "  --clustered   rows in order of their random keys\n"
    "  --slice US    asks the scheduler for slices of so many microseconds\n"
    "  --json        one JSON object instead of text\n";

enum { FRESH = 200, INSERTS = 7, UPDATES = 6, EVENTS = 4, ALONE = 2000 };

static struct {
    const char *directory;
    unsigned commits, payments, slice_us;
    uint64_t cache_bytes;
    bool clustered, json;
} options = {NULL, 2000, 100000, 0, 0, false, false};

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "store_turns: %s\n", what);
    exit(1);
}

static struct error err;

static void must(enum outcome outcome)
{
    if (outcome != OUTCOME_DONE) fail(err.message);
}

static double now_us(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return 1e6 * (double)time.tv_sec + 1e-3 * (double)time.tv_nsec;
}

/* Time of the processor, which is the same on a busy machine. */
static double cpu_us(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return 1e6 * (double)time.tv_sec + 1e-3 * (double)time.tv_nsec;
}

static const char *path_of(const char *name)
{
    static char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s", options.directory, name);
    return path;
}

static void remove_database(const char *name)
{
    char wal[64];

    snprintf(wal, sizeof wal, "%s-wal", name);
    unlink(path_of(name));
    unlink(path_of(wal));
}

static struct uuid random_key(struct loop *loop)
{
    struct uuid key;

    loop_random(loop, &key, sizeof key);
    return key;
}

/* --- latencies --- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double quantile(double *values, unsigned count, double which)
{
    qsort(values, count, sizeof *values, by_size);
    return values[(unsigned)(which * (count - 1))];
}

static void report(const char *name, const char *unit, double value)
{
    static bool any;

    if (options.json)
        printf("%s\"%s_%s\":%.3f", any ? "," : "{", name, unit, value);
    else
        printf("%-28s %12.3f %s\n", name, value, unit);
    any = true;
}

static void report_latencies(const char *name, double *us, unsigned count)
{
    double fresh[FRESH];
    char text[64];
    unsigned first = count < FRESH ? count : FRESH;

    memcpy(fresh, us, first * sizeof *fresh);
    snprintf(text, sizeof text, "%s_fresh_p50", name);
    report(text, "us", quantile(fresh, first, 0.5));
    snprintf(text, sizeof text, "%s_p50", name);
    report(text, "us", quantile(us, count, 0.5));
    snprintf(text, sizeof text, "%s_p99", name);
    report(text, "us", quantile(us, count, 0.99));
}

/* The limit: a block over blocks that were written before. */
static void measure_raw(double *us)
{
    static char block[4096];
    int fd = open(path_of("raw"), O_RDWR | O_CREAT | O_TRUNC, 0600);

    for (unsigned i = 0; i < options.commits; i++)
        if (pwrite(fd, block, sizeof block, (off_t)i * 4096) != sizeof block) fail("the disk");
    fsync(fd);
    for (unsigned i = 0; i < options.commits; i++) {
        double from = now_us();

        memset(block, (int)i, sizeof block);
        if (pwrite(fd, block, sizeof block, (off_t)i * 4096) != sizeof block || fdatasync(fd) != 0)
            fail("the disk");
        us[i] = now_us() - from;
    }
    close(fd);
    unlink(path_of("raw"));
    report_latencies("raw_4k", us, options.commits);
}

#define TABLES(kind)                                                                               \
    "CREATE TABLE payments (id BYTEA PRIMARY KEY, status BIGINT NOT NULL, body TEXT NOT "          \
    "NULL)" kind "; CREATE TABLE operations (id BYTEA PRIMARY KEY, status BIGINT NOT NULL, body "  \
    "TEXT NOT NULL)" kind ";"
static const char body[] = "what a row of a payment or of one of its operations has beside its key "
                           "and status, about a hundred and sixty bytes of it: ids of accounts, "
                           "an amount, instants.";

/* The peer. */
static void measure_sqlite(const char *name, unsigned rows, struct loop *loop, double *us)
{
    sqlite3 *db;
    sqlite3_stmt *insert;

    remove_database("peer.db");
    if (sqlite3_open(path_of("peer.db"), &db) != SQLITE_OK ||
        sqlite3_exec(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" TABLES(""), NULL,
                     NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, "INSERT INTO payments VALUES (?, ?, ?)", -1, &insert, NULL) !=
            SQLITE_OK)
        fail(sqlite3_errmsg(db));
    for (unsigned i = 0; i < options.commits; i++) {
        double from = now_us();

        sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
        for (unsigned row = 0; row < rows; row++) {
            struct uuid key = random_key(loop);

            sqlite3_bind_blob(insert, 1, &key, sizeof key, SQLITE_TRANSIENT);
            sqlite3_bind_int64(insert, 2, row);
            sqlite3_bind_text(insert, 3, body, -1, SQLITE_STATIC);
            if (sqlite3_step(insert) != SQLITE_DONE) fail(sqlite3_errmsg(db));
            sqlite3_reset(insert);
        }
        if (sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) fail(sqlite3_errmsg(db));
        us[i] = now_us() - from;
    }
    sqlite3_finalize(insert);
    sqlite3_close(db);
    remove_database("peer.db");
    report_latencies(name, us, options.commits);
}

/* --- the store --- */

static const struct store_statement insert_payment = {
    "store a payment", "INSERT INTO payments (id, status, body) VALUES ($1, $2, $3)"};
static const struct store_statement insert_operation = {
    "store an operation", "INSERT INTO operations (id, status, body) VALUES ($1, $2, $3)"};
static const struct store_statement update_payment = {
    "change a payment", "UPDATE payments SET status = $2 WHERE id = $1"};
static const struct store_statement update_operation = {
    "change an operation", "UPDATE operations SET status = $2 WHERE id = $1"};
static const struct store_statement count_rows = {
    "count", "SELECT (SELECT COUNT(*) FROM payments) + (SELECT COUNT(*) FROM operations)"};

static enum outcome write_row(struct store *store, const struct store_statement *statement,
                              struct uuid key, int64_t status)
{
    struct store_value arguments[] = {store_bytes(&key, sizeof key), store_integer(status),
                                      store_text(body)};

    return store_exec(store, statement, arguments, 3, 1, &err);
}

static const struct migrations plain = {
    (const struct migration[]){{1, "0001_bench", TABLES("")}, {0, NULL, NULL}}};
static const struct migrations clustered = {
    (const struct migration[]){{1, "0001_bench", TABLES(" /* clustered */")}, {0, NULL, NULL}}};

static struct store *open_store(const char *name)
{
    char url[PATH_MAX + 16];
    struct store_config config = {.url = url, .cache_bytes = options.cache_bytes};
    struct store *store;

    remove_database(name);
    snprintf(url, sizeof url, "sqlite:%s", path_of(name));
    must(store_open(&config, &store, &err));
    must(store_migrate(store, options.clustered ? &clustered : &plain, &err));
    return store;
}

static void on_count(void *context, const struct store_row *row)
{
    *(int64_t *)context = store_read_integer(row, 0);
}

static void expect_rows(struct store *store, int64_t wanted)
{
    int64_t rows = 0;

    must(store_begin(store, &err));
    must(store_query(store, &count_rows, NULL, 0, on_count, &rows, &err));
    must(store_commit(store, &err));
    if (rows != wanted) fail("rows are missing");
}

static void measure_commits(const char *name, unsigned rows, struct loop *loop, double *us)
{
    double from = now_us();
    struct store *store = open_store("commits.db");

    if (rows == 1) report("open", "us", now_us() - from);
    for (unsigned i = 0; i < options.commits; i++) {
        from = now_us();
        must(store_begin(store, &err));
        for (unsigned row = 0; row < rows; row++)
            must(write_row(store, &insert_payment, random_key(loop), row));
        must(store_commit(store, &err));
        us[i] = now_us() - from;
    }
    expect_rows(store, (int64_t)options.commits * rows);
    store_close(store);
    remove_database("commits.db");
    report_latencies(name, us, options.commits);
}

/* --- turns --- */

struct payment {
    struct work work;
    struct uuid keys[INSERTS];
};

static struct loop *loop;
static struct payment *payments;
static unsigned done_count, in_turn;
static struct payment *turn_payments[TURN_MAX];

static enum outcome apply(struct work *work, struct turn *turn, struct error *out)
{
    struct payment *payment = (struct payment *)work;
    struct payment_failed_event data = {
        .payment = payment->keys[0],
        .kind = PAYMENT_KIND_PAYMENT,
        .status = PAYMENT_STATUS_FAILED,
        .payer = {payment->keys[0]},
        .payee = {payment->keys[0]},
        .currency = {"EUR"},
        .amount = {1250, 2},
        .reason = reason_row(REASON_INSUFFICIENT_FUNDS)->name,
    };
    struct turn_event event = {
        .type = EVENT_TYPE(payment_failed),
        .data = &data,
        .tenant = "main",
        .key = payment->keys[0],
        .time_ns = turn_now_ns(turn),
    };

    turn_payments[in_turn++] = payment;
    for (unsigned i = 0; i < EVENTS; i++) {
        event.entity_version = i + 1;
        if (turn_event(turn, &event, out) != OUTCOME_DONE) return out->outcome;
    }
    return OUTCOME_DONE;
}

static enum outcome on_write(void *context, struct turn *turn, struct error *out)
{
    struct store *store = turn_store(turn);

    (void)context;
    (void)out;
    for (unsigned i = 0; i < in_turn; i++) {
        const struct payment *payment = turn_payments[i];

        must(write_row(store, &insert_payment, payment->keys[0], 0));
        for (unsigned row = 1; row < INSERTS; row++)
            must(write_row(store, &insert_operation, payment->keys[row], 0));
        must(write_row(store, &update_payment, payment->keys[0], 1));
        for (unsigned row = 1; row < UPDATES; row++)
            must(write_row(store, &update_operation, payment->keys[row], 1));
    }
    return OUTCOME_DONE;
}

static void on_end(void *context, struct turn *turn, bool committed)
{
    (void)context;
    (void)turn;
    if (!committed) fail("a turn failed");
    in_turn = 0;
}

static void on_done(struct work *work, enum outcome outcome, const struct error *why)
{
    (void)work;
    if (outcome != OUTCOME_DONE) fail(why->message);
    done_count++;
}

static bool is_quiet(void *context)
{
    struct turns_state state;

    turns_state(context, &state);
    return state.waiting == 0 && state.outbox_rows == 0;
}

static const struct turn_hooks hooks = {.write = on_write, .end = on_end};

/* Payments, `at_once` of them waiting for each turn. */
static void measure_turns(const char *name, unsigned count, unsigned at_once, double *us)
{
    struct store *store = open_store("turns.db");
    char url[PATH_MAX + 16], text[64];
    struct bus_config config = {.url = url};
    struct bus *bus;
    struct turns *turns;
    uint64_t rows, commits;
    double from, began, elapsed, cpu;
    unsigned turn_count = 0;
    struct rusage used;

    remove_database("turns-bus.db");
    snprintf(url, sizeof url, "embedded:%s", path_of("turns-bus.db"));
    must(bus_open(&config, loop, &bus, &err));
    must(turns_open(loop, store, bus, "/payment", &hooks, NULL, &turns, &err));
    test_loop_run(loop);
    rows = store->rows_written;
    commits = store->commits;
    done_count = 0;
    began = now_us();
    cpu = cpu_us();
    for (unsigned i = 0; i < count; i += at_once) {
        from = now_us();
        for (unsigned j = i; j < i + at_once && j < count; j++) {
            for (unsigned k = 0; k < INSERTS; k++) payments[j].keys[k] = random_key(loop);
            payments[j].work = (struct work){.apply = apply, .done = on_done};
            turns_add(turns, &payments[j].work);
        }
        test_loop_run(loop); /* the turn, then the bus's commit */
        us[turn_count++] = now_us() - from;
    }
    elapsed = now_us() - began;
    cpu = cpu_us() - cpu;
    if (!test_loop_until(loop, is_quiet, turns, UINT64_C(1000000000))) fail("the outbox is stuck");
    if (done_count != count || bus->records_published != (uint64_t)count * EVENTS)
        fail("something was lost");
    expect_rows(store, (int64_t)count * INSERTS);

    snprintf(text, sizeof text, "%s_pieces", name);
    report(text, "per_s", 1e6 * count / elapsed);
    snprintf(text, sizeof text, "%s_cpu_a_piece", name);
    report(text, "us", cpu / count);
    snprintf(text, sizeof text, "%s_p50", name);
    report(text, "us", quantile(us, turn_count, 0.5));
    snprintf(text, sizeof text, "%s_rows_an_event", name);
    report(text, "rows",
           ((double)(store->rows_written - rows) / count - INSERTS - UPDATES) / EVENTS);
    snprintf(text, sizeof text, "%s_commits_a_turn", name);
    report(text, "commits", (double)(store->commits - commits) / turn_count);
    getrusage(RUSAGE_SELF, &used);
    snprintf(text, sizeof text, "%s_memory", name);
    report(text, "mib", (double)used.ru_maxrss / 1024);

    turns_close(turns);
    bus_close(bus);
    test_loop_run(loop);
    store_close(store);
    remove_database("turns.db");
    remove_database("turns-bus.db");
}

static void parse(int argc, char **argv)
{
    static const struct option known[] = {
        {"commits", required_argument, NULL, 'c'}, {"payments", required_argument, NULL, 'p'},
        {"slice", required_argument, NULL, 's'},   {"cache", required_argument, NULL, 'm'},
        {"clustered", no_argument, NULL, 'k'},     {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'c': options.commits = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'p': options.payments = (unsigned)strtoul(optarg, NULL, 10); break;
        case 's': options.slice_us = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'm': options.cache_bytes = strtoul(optarg, NULL, 10) << 20; break;
        case 'k': options.clustered = true; break;
        case 'j': options.json = true; break;
        case 'h': fputs(usage, stdout); exit(0);
        default: fputs(usage, stderr); exit(2);
        }
    }
    if (optind + 1 != argc || options.commits == 0 || options.payments == 0) {
        fputs(usage, stderr);
        exit(2);
    }
    options.directory = argv[optind];
}

/* A task that wakes for a moment, as after each flush, preempts those that compute only if its
 * slice is shorter than theirs; else it waits for the next tick (4 ms at 250 Hz) when all cores are
 * busy. */
static void set_slice(void)
{
    struct sched_attr attributes = {.size = sizeof attributes,
                                    .sched_runtime = UINT64_C(1000) * options.slice_us};

    if (syscall(SYS_sched_setattr, 0, &attributes, 0) != 0) fail("the kernel knows no slices");
}

int main(int argc, char **argv)
{
    unsigned most;
    double *us;

    parse(argc, argv);
    if (options.slice_us > 0) set_slice();
    most = options.commits > options.payments ? options.commits : options.payments;
    if (most < ALONE) most = ALONE;
    us = need_memory(most * sizeof *us);
    payments = need_memory(most * sizeof *payments);
    loop = test_loop_make(NULL);
    measure_raw(us);
    measure_sqlite("sqlite_1_row", 1, loop, us);
    measure_commits("commit_1_row", 1, loop, us);
    measure_sqlite("sqlite_13_rows", 13, loop, us);
    measure_commits("commit_13_rows", 13, loop, us);
    measure_turns("turn_of_1", ALONE, 1, us);
    measure_turns("turn_of_500", options.payments, TURN_MAX, us);
    if (options.json) puts("}");
    test_loop_free(loop);
    free(payments);
    free(us);
    return 0;
}
