/*
 * The engine behind the table of subject.h, through its public API alone: in a temporary directory,
 * without threads of its own, with a clock that the caller holds. And a second handle that reads
 * the same files.
 *
 * $MICROPAY_TEST_DIR, else $TMPDIR, else /tmp has the directories.
 */
#include "subject.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <micropay/env.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct {
    char directory[4096];
    mp_env env; /* the system's, but for the clocks */
    mp_ledger *writer, *reader;
    uint64_t reopened;
    uint64_t checkpoint_after;
} engine;

static uint64_t clock_now_ns; /* what both clocks say */

static uint64_t clock_ns_of(void *context)
{
    (void)context;
    return clock_now_ns;
}

static void must_be_ok(mp_status status, const char *what)
{
    cr_assert(status == MP_OK, "%s: %s: %s", what, mp_status_name(status), mp_last_error());
}

enum { EARLY = 64 << 10, SOON = 16 << 10 };

/* Small tables and early checkpoints: both are met more often then. */
static mp_options options(unsigned flags)
{
    return (mp_options){
        .flags = flags | MP_OPEN_MANUAL,
        .memory_max = UINT64_C(96) << 20,
        .env = &engine.env,
        .checkpoint_after = engine.checkpoint_after,
    };
}

/* --- opening and closing --- */

static void open_writer(void)
{
    const mp_options how = options(0);

    must_be_ok(mp_open(engine.directory, &how, &engine.writer), "mp_open");
}

static void open_fresh(uint64_t clock_ns)
{
    const char *parent = getenv("MICROPAY_TEST_DIR");
    mp_options how;

    if (parent == NULL) parent = getenv("TMPDIR");
    if (parent == NULL) parent = "/tmp";
    snprintf(engine.directory, sizeof(engine.directory), "%s/micropay-test-XXXXXX", parent);
    cr_assert(mkdtemp(engine.directory) != NULL, "no temporary directory in %s", parent);

    clock_now_ns = clock_ns;
    engine.env = *mp_env_posix();
    engine.env.real_ns = clock_ns_of;
    engine.env.boot_ns = clock_ns_of;
    engine.reopened = 0;
    engine.checkpoint_after = EARLY;
    how = options(0);
    must_be_ok(mp_init(engine.directory, &how), "mp_init");
    open_writer();
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status, (void)kind, (void)place;
    return remove(path);
}

static void problem(void *user, const char *text)
{
    (void)user;
    fprintf(stderr, "%s\n", text);
}

static void verify(void)
{
    mp_verify_report report;
    const mp_status status =
        mp_verify(engine.directory, &engine.env, 0, NULL, problem, NULL, NULL, &report);

    must_be_ok(status, "mp_verify");
    cr_assert(report.problems == 0, "verification finds problems");
}

/* Once more is harmless: a test that failed closes what it left open. */
static void close_for_good(uint64_t clock_ns)
{
    mp_status status = MP_OK;

    clock_now_ns = clock_ns;
    if (engine.directory[0] == '\0') return;
    if (engine.writer != NULL) {
        status = mp_close(engine.writer);
        engine.writer = NULL;
        if (status == MP_OK) verify();
    }
    nftw(engine.directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    engine.directory[0] = '\0';
    must_be_ok(status, "mp_close");
}

static void idle(uint64_t clock_ns)
{
    bool worked = true;

    clock_now_ns = clock_ns;
    for (int i = 0; worked; i++) {
        cr_assert(i < 1000000, "mp_step always finds something to do");
        must_be_ok(mp_step(engine.writer, &worked), "mp_step");
    }
}

static void remove_checkpoints(void)
{
    char path[sizeof(engine.directory) + 64];

    for (unsigned number = 1; number <= 200; number++) {
        snprintf(path, sizeof(path), "%s/checkpoint/%08u.ckpt", engine.directory, number);
        remove(path);
    }
}

/* From what the tables are rebuilt goes in turn: from a checkpoint of all there is; from the log
 * alone; from a checkpoint that was made while work went on, and the log behind it. */
static void reopen(uint64_t clock_ns)
{
    const uint64_t turn = engine.reopened++ % 3;
    mp_stats stats;

    clock_now_ns = clock_ns;
    mp_read_stats(engine.writer, &stats);
    must_be_ok(mp_close(engine.writer), "mp_close");
    engine.writer = NULL;
    engine.checkpoint_after = EARLY;
    if (turn != 2) remove_checkpoints();
    if (turn == 0) {
        engine.checkpoint_after = 1;
        open_writer();
        idle(clock_ns);
        must_be_ok(mp_close(engine.writer), "mp_close");
    } else if (turn == 1) {
        engine.checkpoint_after = stats.position + SOON;
    }
    open_writer();
}

/* --- batches --- */

static mp_status execute(mp_request *request, uint64_t clock_ns)
{
    clock_now_ns = clock_ns;
    return mp_execute(engine.writer, request);
}

static mp_status create_accounts(uint64_t clock_ns, const mp_account *events, uint32_t count,
                                 mp_result *results)
{
    mp_request request = {
        .operation = MP_CREATE_ACCOUNTS, .count = count, .events = events, .results = results};

    return execute(&request, clock_ns);
}

static mp_status create_transfers(uint64_t clock_ns, const mp_transfer *events, uint32_t count,
                                  mp_result *results, mp_result_sums *sums)
{
    mp_request request = {.operation = MP_CREATE_TRANSFERS,
                          .count = count,
                          .events = events,
                          .results = results,
                          .sums = sums};

    return execute(&request, clock_ns);
}

static mp_status update_accounts(uint64_t clock_ns, const mp_account_update *events, uint32_t count,
                                 mp_result *results)
{
    mp_request request = {
        .operation = MP_UPDATE_ACCOUNTS, .count = count, .events = events, .results = results};

    return execute(&request, clock_ns);
}

/* Counted anew after each opening, during which no batch is under way. */
static uint64_t waits(void)
{
    mp_stats stats;

    mp_read_stats(engine.writer, &stats);
    return stats.slow_prefetch;
}

/* --- reading, by the writer's handle and by the reader's --- */

/* A statement in bites, every other one gone on from by its cursor. */
static mp_status read_statement(mp_ledger *ledger, const mp_account_filter *filter, unsigned flags,
                                mp_statement_row *rows, uint32_t max, uint32_t *count)
{
    enum { BITE = 7 };
    uint64_t cursor = 0;
    uint32_t got = 1;

    *count = 0;
    while (got > 0 && *count < max) {
        mp_statement *statement = NULL;
        mp_status status = mp_statement_open(ledger, filter, flags, cursor, &statement);

        for (int bite = 0; status == MP_OK && got > 0 && *count < max && bite < 2; bite++) {
            uint32_t room = max - *count;
            status = mp_statement_next(statement, rows + *count, room < BITE ? room : BITE, &got);
            *count += got;
        }
        mp_statement_close(statement);
        if (status != MP_OK) return status;
        if (*count > 0) cursor = rows[*count - 1].position;
    }
    return MP_OK;
}

#define READ_FUNCTIONS(HANDLE)                                                                     \
    static mp_status HANDLE##_balance(mp_id account, mp_balance *out)                              \
    {                                                                                              \
        return mp_read_balance(engine.HANDLE, account, out);                                       \
    }                                                                                              \
    static mp_status HANDLE##_balance_at(mp_id account, uint64_t at_ns, mp_balance *out)           \
    {                                                                                              \
        return mp_balance_at(engine.HANDLE, account, at_ns, out);                                  \
    }                                                                                              \
    static mp_status HANDLE##_lookup_accounts(const mp_id *ids, uint32_t count, mp_account *out,   \
                                              uint32_t *found)                                     \
    {                                                                                              \
        return mp_lookup_accounts(engine.HANDLE, ids, count, out, found);                          \
    }                                                                                              \
    static mp_status HANDLE##_lookup_transfers(const mp_id *ids, uint32_t count, mp_transfer *out, \
                                               uint32_t *found)                                    \
    {                                                                                              \
        return mp_lookup_transfers(engine.HANDLE, ids, count, out, found);                         \
    }                                                                                              \
    static mp_status HANDLE##_account_transfers(const mp_account_filter *filter, mp_transfer *out, \
                                                uint32_t *count)                                   \
    {                                                                                              \
        return mp_account_transfers(engine.HANDLE, filter, out, count);                            \
    }                                                                                              \
    static mp_status HANDLE##_account_balances(const mp_account_filter *filter,                    \
                                               mp_account_balance *out, uint32_t *count)           \
    {                                                                                              \
        return mp_account_balances(engine.HANDLE, filter, out, count);                             \
    }                                                                                              \
    static mp_status HANDLE##_query_accounts(const mp_query_filter *filter, mp_account *out,       \
                                             uint32_t *count)                                      \
    {                                                                                              \
        return mp_query_accounts(engine.HANDLE, filter, out, count);                               \
    }                                                                                              \
    static mp_status HANDLE##_query_transfers(const mp_query_filter *filter, mp_transfer *out,     \
                                              uint32_t *count)                                     \
    {                                                                                              \
        return mp_query_transfers(engine.HANDLE, filter, out, count);                              \
    }                                                                                              \
    static mp_status HANDLE##_changes(const mp_change_filter *filter, mp_change *out,              \
                                      uint32_t *count)                                             \
    {                                                                                              \
        return mp_changes(engine.HANDLE, filter, out, count);                                      \
    }                                                                                              \
    static mp_status HANDLE##_statement(const mp_account_filter *filter, unsigned flags,           \
                                        mp_statement_row *rows, uint32_t max, uint32_t *count)     \
    {                                                                                              \
        return read_statement(engine.HANDLE, filter, flags, rows, max, count);                     \
    }                                                                                              \
    static void HANDLE##_stats(mp_stats *out) { mp_read_stats(engine.HANDLE, out); }

READ_FUNCTIONS(writer)
READ_FUNCTIONS(reader)

#define READS(HANDLE)                                                                              \
    .balance = HANDLE##_balance, .balance_at = HANDLE##_balance_at,                                \
    .lookup_accounts = HANDLE##_lookup_accounts, .lookup_transfers = HANDLE##_lookup_transfers,    \
    .account_transfers = HANDLE##_account_transfers,                                               \
    .account_balances = HANDLE##_account_balances, .query_accounts = HANDLE##_query_accounts,      \
    .query_transfers = HANDLE##_query_transfers, .changes = HANDLE##_changes,                      \
    .statement = HANDLE##_statement, .stats = HANDLE##_stats

static const struct subject subject_writer = {
    .name = "engine",
    .open = open_fresh,
    .close = close_for_good,
    .reopen = reopen,
    .idle = idle,
    .waits = waits,
    .create_accounts = create_accounts,
    .create_transfers = create_transfers,
    .update_accounts = update_accounts,
    READS(writer),
};

/* Once open it stays so and takes in what is new. */
static void open_reader(uint64_t clock_ns)
{
    const mp_options how = options(MP_OPEN_READ);

    clock_now_ns = clock_ns;
    if (engine.reader == NULL)
        must_be_ok(mp_open(engine.directory, &how, &engine.reader), "mp_open for reading");
    else
        must_be_ok(mp_refresh(engine.reader), "mp_refresh");
}

static void close_reader(uint64_t clock_ns)
{
    clock_now_ns = clock_ns;
    if (engine.reader != NULL) must_be_ok(mp_close(engine.reader), "mp_close for reading");
    engine.reader = NULL;
}

static const struct subject subject_reader = {
    .name = "reader",
    .reads_only = true,
    .open = open_reader,
    .close = close_reader,
    READS(reader),
};

const struct subject *const subjects[SUBJECTS_MAX] = {&subject_oracle, &subject_writer,
                                                      &subject_reader};
