/*
 * Reading by the public API: statements, balances as of an instant, queries, changes and the log,
 * each against a plain list of all that happened. The history is long enough for several segments,
 * so most of it is read from disk.
 *
 * $MICROPAY_TEST_DIR, else $TMPDIR, else /tmp has the directory.
 */
#include <criterion/criterion.h>
#include <ftw.h>
#include <micropay/micropay.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ACCOUNTS = 12, BATCHES = 60, BATCH = 2500, ROWS_MAX = 400000 };
#define START_NS (UINT64_C(1800000000) * 1000000000)

static struct {
    char directory[4096];
    mp_env env;
    uint64_t now;
    uint64_t random;
    mp_id next_id;
    mp_ledger *writer, *reader;
    mp_change *changes;
    uint32_t change_count;
} test;

/* --- a world of its own --- */

static uint64_t now_ns(void *context)
{
    (void)context;
    return test.now;
}

static uint64_t dice(uint64_t sides)
{
    test.random ^= test.random << 13;
    test.random ^= test.random >> 7;
    test.random ^= test.random << 17;
    return test.random % sides;
}

static void must(mp_status status, const char *what)
{
    cr_assert(status == MP_OK, "%s: %s: %s", what, mp_status_name(status), mp_last_error());
}

static mp_options options(unsigned flags)
{
    return (mp_options){.flags = flags,
                        .memory_max = UINT64_C(256) << 20,
                        .env = &test.env,
                        .checkpoint_after = UINT64_C(8) << 20};
}

static void open_ledger(void)
{
    const char *parent = getenv("MICROPAY_TEST_DIR");
    const mp_options how = options(MP_OPEN_MANUAL);

    if (parent == NULL) parent = getenv("TMPDIR");
    if (parent == NULL) parent = "/tmp";
    snprintf(test.directory, sizeof test.directory, "%s/micropay-read-XXXXXX", parent);
    cr_assert(mkdtemp(test.directory) != NULL);
    test.now = START_NS;
    test.random = 88172645463325252ull;
    test.next_id = 1000;
    test.env = *mp_env_posix();
    test.env.real_ns = now_ns;
    test.env.boot_ns = now_ns;
    must(mp_init(test.directory, &how), "mp_init");
    must(mp_open(test.directory, &how, &test.writer), "mp_open");
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status, (void)kind, (void)place;
    return remove(path);
}

static void close_ledger(void)
{
    free(test.changes);
    test.changes = NULL;
    if (test.reader != NULL) must(mp_close(test.reader), "mp_close");
    if (test.writer != NULL) must(mp_close(test.writer), "mp_close");
    test.reader = test.writer = NULL;
    nftw(test.directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* --- a history --- */

static mp_id open_holds[512];

static mp_transfer some_transfer(void)
{
    mp_transfer t = {.id = test.next_id++,
                     .debit_account_id = 1 + dice(3) * dice(4),
                     .amount = 1 + dice(1000),
                     .user_data_128 = dice(8) == 0 ? dice(5) : 0,
                     .user_data_64 = dice(4),
                     .user_data_32 = (uint32_t)dice(4),
                     .ledger = 1,
                     .code = (uint16_t)(1 + dice(4))};
    mp_id *hold = &open_holds[dice(512)];
    uint64_t kind = dice(20);

    t.credit_account_id = 1 + (t.debit_account_id + dice(ACCOUNTS - 2)) % (ACCOUNTS - 1);
    if (t.credit_account_id == t.debit_account_id) t.credit_account_id = ACCOUNTS;
    if (dice(3000) == 0) t.amount = (mp_u128)1 << (62 + dice(20));
    if (kind < 4) {
        t.flags = MP_TRANSFER_PENDING;
        t.timeout = (uint32_t)dice(30);
        *hold = t.id;
    } else if (kind < 8 && *hold != 0) {
        static const uint16_t ways[] = {MP_TRANSFER_POST_PENDING, MP_TRANSFER_VOID_PENDING,
                                        MP_TRANSFER_POST_PENDING | MP_TRANSFER_KEEP_PENDING,
                                        MP_TRANSFER_INCREASE_PENDING};

        t = (mp_transfer){
            .id = t.id, .pending_id = *hold, .flags = ways[dice(4)], .user_data_64 = dice(3)};
        t.amount = t.flags == MP_TRANSFER_VOID_PENDING ? 0 : 1 + dice(60);
    } else if (kind == 8) {
        t = (mp_transfer){.id = t.id,
                          .pending_id = 1000 + dice((uint64_t)t.id - 999),
                          .amount = 1 + dice(5),
                          .flags = MP_TRANSFER_REVERSAL};
    }
    return t;
}

static void make_accounts(void)
{
    mp_account accounts[ACCOUNTS];
    mp_result results[ACCOUNTS];

    for (uint32_t i = 0; i < ACCOUNTS; i++) {
        accounts[i] = (mp_account){
            .id = i + 1, .ledger = 1, .code = (uint16_t)(1 + i % 3), .user_data_64 = i % 4};
    }
    must(mp_create_accounts(test.writer, accounts, ACCOUNTS, results), "mp_create_accounts");
    for (uint32_t i = 0; i < ACCOUNTS; i++) cr_assert(results[i].result == MP_CREATED);
}

static void make_history(void)
{
    static mp_transfer transfers[BATCH];
    static mp_result results[BATCH];

    make_accounts();
    memset(open_holds, 0, sizeof open_holds);
    for (int batch = 0; batch < BATCHES; batch++) {
        mp_account_update update = {
            .id = test.next_id++, .account_id = 1 + dice(ACCOUNTS), .code = 7};
        mp_result result;

        test.now += 1 + dice(3) * 1000000000 + dice(2) * dice(70000);
        if (dice(2) == 0)
            update.flags_set = MP_ACCOUNT_FROZEN_DEBITS;
        else
            update.flags_clear = MP_ACCOUNT_FROZEN_DEBITS;
        if (batch % 3 == 0)
            must(mp_update_accounts(test.writer, &update, 1, &result), "mp_update_accounts");
        for (uint32_t i = 0; i < BATCH; i++) transfers[i] = some_transfer();
        must(mp_create_transfers(test.writer, transfers, BATCH, results), "mp_create_transfers");
    }
}

/* --- the plain list --- */

static void read_all_changes(mp_ledger *ledger)
{
    mp_change_filter filter = {.limit = MP_BATCH_MAX};
    uint32_t got = 1;

    test.changes = malloc(ROWS_MAX * sizeof *test.changes);
    test.change_count = 0;
    while (got > 0) {
        must(mp_changes(ledger, &filter, test.changes + test.change_count, &got), "mp_changes");
        test.change_count += got;
        if (got > 0) filter.after = test.changes[test.change_count - 1].position;
        cr_assert(test.change_count <= ROWS_MAX - MP_BATCH_MAX);
    }
    cr_assert(test.change_count > 60000, "only %u changes", test.change_count);
}

static bool concerns(const mp_change *change, mp_id account, bool *debit)
{
    *debit = true;
    if (change->type == MP_CHANGE_ACCOUNT_UPDATED) return change->update.account_id == account;
    *debit = change->transfer.debit_account_id == account;
    return *debit || change->transfer.credit_account_id == account;
}

static bool has(mp_u128 wanted, mp_u128 value) { return wanted == 0 || wanted == value; }

static bool row_expected(const mp_account_filter *f, unsigned flags, const mp_change *c)
{
    bool debit, all = (flags & MP_STATEMENT_ALL) != 0;

    if (!concerns(c, f->account_id, &debit) || c->timestamp < f->timestamp_min) return false;
    if (f->timestamp_max != 0 && c->timestamp > f->timestamp_max) return false;
    if (c->type == MP_CHANGE_ACCOUNT_UPDATED) return all;
    if ((f->flags & (debit ? MP_FILTER_DEBITS : MP_FILTER_CREDITS)) == 0) return false;
    if (c->type == MP_CHANGE_TWO_PHASE_EXPIRED) return all;
    return has(f->code, c->transfer.code) && has(f->user_data_32, c->transfer.user_data_32) &&
           has(f->user_data_64, c->transfer.user_data_64) &&
           has(f->user_data_128, c->transfer.user_data_128);
}

/* Numbers of the changes that a statement shows, in its order. */
static uint32_t *rows_expected(const mp_account_filter *f, unsigned flags, uint32_t *count)
{
    uint32_t *rows = malloc(((size_t)test.change_count + 1) * sizeof *rows);

    *count = 0;
    for (uint32_t i = 0; i < test.change_count; i++) {
        uint32_t number = (f->flags & MP_FILTER_REVERSED) != 0 ? test.change_count - 1 - i : i;

        if (row_expected(f, flags, &test.changes[number])) rows[(*count)++] = number;
    }
    return rows;
}

static void row_must_be(const mp_account_filter *f, const mp_statement_row *row, const mp_change *c)
{
    bool debit;

    concerns(c, f->account_id, &debit);
    cr_assert(row->position == c->position && row->sequence == c->sequence && row->type == c->type);
    cr_assert(row->debit == debit);
    cr_assert(memcmp(&row->balance, debit ? &c->debit : &c->credit, sizeof row->balance) == 0);
    cr_assert(row->account_flags == (debit ? c->debit_account_flags : c->credit_account_flags));
    if (c->type == MP_CHANGE_ACCOUNT_UPDATED) {
        cr_assert(row->transfer.id == c->update.id);
    } else {
        cr_assert(memcmp(&row->transfer, &c->transfer, sizeof row->transfer) == 0);
    }
}

/* --- statements --- */

static uint64_t some_time(void)
{
    const mp_change *change = &test.changes[dice(test.change_count)];

    return dice(20) == 0 ? START_NS + dice(100) : change->timestamp + dice(3) - 1;
}

static mp_account_filter some_filter(void)
{
    mp_account_filter f = {
        .account_id = 1 + dice(ACCOUNTS), .limit = UINT32_MAX, .flags = 1 + (uint32_t)dice(3)};

    if (dice(2) == 0) f.flags |= MP_FILTER_REVERSED;
    if (dice(2) == 0) f.timestamp_min = some_time();
    if (dice(2) == 0) f.timestamp_max = some_time();
    if (f.timestamp_max != 0 && f.timestamp_max < f.timestamp_min && dice(4) != 0) {
        uint64_t swapped = f.timestamp_min;

        f.timestamp_min = f.timestamp_max;
        f.timestamp_max = swapped;
    }
    if (dice(4) == 0) f.code = (uint16_t)(1 + dice(4));
    if (dice(6) == 0) f.user_data_64 = 1 + dice(3);
    if (dice(8) == 0) f.user_data_128 = 1 + dice(4);
    return f;
}

/* Reads a statement in bites; now and then it is closed and gone on from by its cursor. */
static void statement_must_agree(mp_ledger *ledger, const mp_account_filter *f, unsigned flags)
{
    static mp_statement_row rows[MP_BATCH_MAX];
    uint32_t expected, done = 0, got = 1;
    uint32_t *numbers = rows_expected(f, flags, &expected);
    mp_statement *statement;

    must(mp_statement_open(ledger, f, flags, 0, &statement), "mp_statement_open");
    while (got > 0) {
        uint32_t bite = (uint32_t)(1 + dice(dice(2) == 0 ? MP_BATCH_MAX : 150));

        must(mp_statement_next(statement, rows, bite, &got), "mp_statement_next");
        cr_assert(got == bite || done + got == expected, "%u of %u rows after %u of %u", got, bite,
                  done, expected);
        for (uint32_t i = 0; i < got; i++)
            row_must_be(f, &rows[i], &test.changes[numbers[done + i]]);
        done += got;
        if (got > 0 && dice(4) == 0) {
            mp_statement_close(statement);
            must(mp_statement_open(ledger, f, flags, rows[got - 1].position, &statement),
                 "mp_statement_open");
        }
    }
    cr_assert(done == expected);
    mp_statement_close(statement);
    free(numbers);
}

static void account_rows_must_agree(mp_ledger *ledger, mp_account_filter f)
{
    static mp_transfer transfers[MP_BATCH_MAX];
    static mp_account_balance balances[MP_BATCH_MAX];
    uint32_t expected, got;
    uint32_t *numbers = rows_expected(&f, 0, &expected);

    f.limit = dice(3) == 0 ? (uint32_t)dice(200) : UINT32_MAX;
    if (expected > f.limit) expected = f.limit;
    if (expected > MP_BATCH_MAX) expected = MP_BATCH_MAX;
    must(mp_account_transfers(ledger, &f, transfers, &got), "mp_account_transfers");
    cr_assert(got == expected);
    for (uint32_t i = 0; i < got; i++) {
        cr_assert(memcmp(&transfers[i], &test.changes[numbers[i]].transfer, sizeof transfers[i]) ==
                  0);
    }
    must(mp_account_balances(ledger, &f, balances, &got), "mp_account_balances");
    cr_assert(got == expected);
    for (uint32_t i = 0; i < got; i++) {
        const mp_change *c = &test.changes[numbers[i]];
        bool debit;

        concerns(c, f.account_id, &debit);
        cr_assert(balances[i].timestamp == c->timestamp);
        cr_assert(memcmp(&balances[i].balance, debit ? &c->debit : &c->credit, sizeof c->debit) ==
                  0);
    }
    free(numbers);
}

/* --- instants --- */

static void balance_at_must_agree(mp_ledger *ledger, mp_id account, uint64_t at_ns)
{
    mp_balance expected = {0}, got;
    bool debit;

    for (uint32_t i = 0; i < test.change_count && test.changes[i].timestamp <= at_ns; i++) {
        const mp_change *c = &test.changes[i];

        if (concerns(c, account, &debit)) expected = debit ? c->debit : c->credit;
    }
    if (at_ns < START_NS + ACCOUNTS) return; /* the accounts were being made */
    must(mp_balance_at(ledger, account, at_ns, &got), "mp_balance_at");
    cr_assert(memcmp(&got, &expected, sizeof got) == 0);
}

/* --- queries, changes --- */

static void query_must_agree(mp_ledger *ledger)
{
    static mp_transfer rows[MP_BATCH_MAX];
    mp_query_filter f = {.limit = dice(2) == 0 ? UINT32_MAX : (uint32_t)dice(500),
                         .flags = dice(2) == 0 ? MP_FILTER_REVERSED : 0};
    uint32_t got, found = 0;

    if (dice(2) == 0) f.timestamp_min = some_time();
    if (dice(2) == 0) f.timestamp_max = some_time();
    if (dice(2) == 0) f.code = (uint16_t)(1 + dice(5));
    if (dice(3) == 0) f.user_data_128 = 1 + dice(4);
    if (dice(6) == 0) f.ledger = 1 + (uint32_t)dice(2);
    must(mp_query_transfers(ledger, &f, rows, &got), "mp_query_transfers");
    for (uint32_t i = 0; i < test.change_count && found < f.limit && found < MP_BATCH_MAX; i++) {
        const mp_change *c =
            &test.changes[(f.flags & MP_FILTER_REVERSED) != 0 ? test.change_count - 1 - i : i];

        if (c->type == MP_CHANGE_ACCOUNT_UPDATED || c->type == MP_CHANGE_TWO_PHASE_EXPIRED)
            continue;
        if (c->timestamp < f.timestamp_min ||
            (f.timestamp_max != 0 && c->timestamp > f.timestamp_max))
            continue;
        if (f.timestamp_max != 0 && f.timestamp_min > f.timestamp_max) continue;
        if (!has(f.code, c->transfer.code) || !has(f.user_data_128, c->transfer.user_data_128))
            continue;
        if (!has(f.ledger, c->transfer.ledger)) continue;
        cr_assert(found < got && memcmp(&rows[found], &c->transfer, sizeof c->transfer) == 0);
        found++;
    }
    cr_assert(found == got, "%u rows instead of %u", got, found);
}

static void changes_must_agree(mp_ledger *ledger)
{
    static mp_change rows[MP_BATCH_MAX];
    mp_change_filter f = {.limit = 1 + (uint32_t)dice(3000)};
    uint32_t got, found = 0;

    if (dice(2) == 0) f.after = test.changes[dice(test.change_count)].position + dice(2);
    if (dice(2) == 0) f.timestamp_min = some_time();
    if (dice(2) == 0) f.timestamp_max = some_time();
    must(mp_changes(ledger, &f, rows, &got), "mp_changes");
    for (uint32_t i = 0; i < test.change_count && found < f.limit; i++) {
        const mp_change *c = &test.changes[i];

        if (c->position <= f.after || c->timestamp < f.timestamp_min) continue;
        if (f.timestamp_max != 0 &&
            (c->timestamp > f.timestamp_max || f.timestamp_min > f.timestamp_max))
            continue;
        cr_assert(found < got && memcmp(&rows[found], c, sizeof *c) == 0);
        found++;
    }
    cr_assert(found == got, "%u rows instead of %u", got, found);
}

/* The log must tell of every change and number every record. */
static void log_must_agree(mp_ledger *ledger)
{
    uint64_t sequence = 0, block = 0;
    uint32_t changes = 0;
    mp_record record;
    mp_log *log;
    mp_status status;

    must(mp_log_open(ledger, 0, &log), "mp_log_open");
    while ((status = mp_log_next(log, &record)) == MP_OK) {
        if (record.sequence != 0) cr_assert(record.sequence == ++sequence);
        cr_assert(record.block_position >= block && record.position > record.block_position);
        block = record.block_position;
        if (record.kind == MP_RECORD_ACCOUNT) cr_assert(record.account.id == record.slot + 1u);
        if (record.change.timestamp == 0) continue;
        cr_assert(changes < test.change_count);
        cr_assert(memcmp(&record.change, &test.changes[changes++], sizeof record.change) == 0);
    }
    cr_assert(status == MP_END && changes == test.change_count);
    mp_log_close(log);

    must(mp_log_open(ledger, block, &log), "mp_log_open");
    must(mp_log_next(log, &record), "mp_log_next");
    cr_assert(record.block_position == block);
    mp_log_close(log);
}

static void lookups_must_agree(mp_ledger *ledger)
{
    enum { IDS = 1000 };
    static mp_transfer found[IDS];
    static const mp_change *expected[IDS];
    static mp_id ids[IDS];
    uint32_t count = 0, got;

    for (uint32_t i = 0; i < IDS; i++) {
        const mp_change *c = &test.changes[dice(test.change_count)];

        ids[i] = dice(10) == 0                          ? (mp_id)999999999
                 : c->type == MP_CHANGE_ACCOUNT_UPDATED ? c->update.id
                                                        : c->transfer.id;
        if (ids[i] == c->transfer.id && c->transfer.id != 0) expected[count++] = c;
    }
    must(mp_lookup_transfers(ledger, ids, IDS, found, &got), "mp_lookup_transfers");
    cr_assert(got == count, "%u instead of %u found", got, count);
    for (uint32_t i = 0; i < count; i++) {
        cr_assert(memcmp(&found[i], &expected[i]->transfer, sizeof found[i]) == 0);
    }
}

static void all_must_agree(mp_ledger *ledger, int queries)
{
    log_must_agree(ledger);
    lookups_must_agree(ledger);
    for (int i = 0; i < queries; i++) {
        mp_account_filter f = some_filter();

        statement_must_agree(ledger, &f, dice(2) == 0 ? MP_STATEMENT_ALL : 0);
        account_rows_must_agree(ledger, some_filter());
        balance_at_must_agree(ledger, 1 + dice(ACCOUNTS), some_time());
        query_must_agree(ledger);
        changes_must_agree(ledger);
    }
}

static void told(void *user, const char *text) { snprintf(user, 1000, "%s", text); }

/* Nothing that is allowed may look wrong to verification. Beside a live writer it doesn't know yet
 * whether the newest block is durable. */
static void must_verify(uint32_t missing_at_most)
{
    mp_verify_report report;
    char problem[1000] = "";

    must(mp_verify(test.directory, &test.env, 0, NULL, told, NULL, problem, &report), "mp_verify");
    cr_assert(report.problems == 0, "%u problems: %s", (unsigned)report.problems, problem);
    cr_assert(report.transfers + report.expiries + report.updates + missing_at_most >=
              test.change_count);
}

/* --- cases --- */

TestSuite(read, .init = open_ledger, .fini = close_ledger, .timeout = 300);

Test(read, all_that_is_read_agrees_with_all_that_happened)
{
    make_history();
    read_all_changes(test.writer);
    all_must_agree(test.writer, 60);
    must_verify(BATCH);
}

Test(read, a_reader_beside_the_writer_and_a_writer_opened_again_read_the_same_from_disk)
{
    const mp_options how = options(MP_OPEN_MANUAL),
                     reading = options(MP_OPEN_READ | MP_OPEN_MANUAL);
    const mp_options plainly = options(MP_OPEN_MANUAL | MP_OPEN_NO_RING);

    make_history();
    read_all_changes(test.writer);
    must(mp_close(test.writer), "mp_close");
    must(mp_open(test.directory, &how, &test.writer), "mp_open");
    all_must_agree(test.writer, 10);
    must(mp_open(test.directory, &reading, &test.reader), "mp_open");
    all_must_agree(test.reader, 10);
    must(mp_close(test.writer), "mp_close");
    must(mp_open(test.directory, &plainly, &test.writer), "mp_open");
    all_must_agree(test.writer, 2);
    must(mp_close(test.writer), "mp_close");
    test.writer = NULL;
    must_verify(0);
}

Test(read, what_was_never_there_gives_nothing)
{
    const mp_id ids[2] = {1, 99};
    mp_balance balances[2];
    bool found[2];
    mp_statement *statement;
    mp_statement_row row;
    mp_account_filter f = {.account_id = 99, .flags = MP_FILTER_DEBITS};
    uint32_t count;

    make_accounts();
    cr_assert(mp_read_balance(test.writer, 99, balances) == MP_NOT_FOUND);
    cr_assert(mp_balance_at(test.writer, 99, UINT64_MAX, balances) == MP_NOT_FOUND);
    cr_assert(mp_balance_at(test.writer, 1, START_NS - 1, balances) == MP_NOT_FOUND);
    cr_assert(mp_read_many(test.writer, ids, 2, balances) == MP_NOT_FOUND);
    cr_assert(mp_statement_open(test.writer, &f, 0, 0, &statement) == MP_NOT_FOUND);
    f.account_id = 1;
    cr_assert(mp_statement_open(test.writer, &f, 0, 4224, &statement) == MP_INVALID);
    must(mp_read_balances(test.writer, ids, 2, balances, found), "mp_read_balances");
    cr_assert(found[0] && !found[1]);
    must(mp_statement_open(test.writer, &f, 0, 0, &statement), "mp_statement_open");
    must(mp_statement_next(statement, &row, 1, &count), "mp_statement_next");
    cr_assert(count == 0);
    mp_statement_close(statement);
    must(mp_balance_at(test.writer, 1, UINT64_MAX, balances), "mp_balance_at");
    cr_assert(balances[0].debits_posted == 0);
}
