/*
 * Verification: a sound ledger passes, and whatever is changed in its log, with checksums made
 * right again, is found.
 *
 * $MICROPAY_TEST_DIR, else $TMPDIR, else /tmp has the directory.
 */
#include "block_walk.h"
#include "checkpoint_format.h"
#include "engine.h"
#include "hash.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define START_NS (UINT64_C(1800000000) * NS_PER_S)

static struct {
    char directory[4096];
    mp_env env;
    uint64_t now;
    uint8_t *log; /* the first segment */
    unsigned told;
    char sentence[8192]; /* the first problem told */
} test;

static uint64_t now_ns(void *context)
{
    (void)context;
    return test.now;
}

static void must(mp_status status, const char *what)
{
    cr_assert(status == MP_OK, "%s: %s: %s", what, mp_status_name(status), mp_last_error());
}

static void make_directory(void)
{
    const char *parent = getenv("MICROPAY_TEST_DIR");

    if (parent == NULL) parent = getenv("TMPDIR");
    if (parent == NULL) parent = "/tmp";
    snprintf(test.directory, sizeof test.directory, "%s/micropay-verify-XXXXXX", parent);
    cr_assert(mkdtemp(test.directory) != NULL);
    test.now = START_NS;
    test.env = *mp_env_posix();
    test.env.real_ns = now_ns;
    test.env.boot_ns = now_ns;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status, (void)kind, (void)place;
    return remove(path);
}

static void remove_directory(void)
{
    free(test.log);
    nftw(test.directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* --- a ledger with one of each --- */

static mp_ledger *ledger;
static mp_result results[MP_BATCH_MAX];

static void transfer(mp_transfer event, uint32_t expected)
{
    test.now += 1000;
    must(mp_create_transfers(ledger, &event, 1, results), "mp_create_transfers");
    cr_assert(results[0].result == expected, "transfer %u: %s", (unsigned)event.id,
              mp_transfer_result_name(results[0].result));
}

static mp_transfer plain(mp_id id, mp_id debit, mp_id credit, mp_amount amount)
{
    return (mp_transfer){.id = id,
                         .debit_account_id = debit,
                         .credit_account_id = credit,
                         .amount = amount,
                         .ledger = 1,
                         .code = 1};
}

static mp_transfer pending(mp_id id, mp_id debit, mp_id credit, mp_amount amount, uint32_t timeout)
{
    mp_transfer event = plain(id, debit, credit, amount);

    event.flags = MP_TRANSFER_PENDING;
    event.timeout = timeout;
    return event;
}

static mp_transfer about(mp_id id, mp_id pending_id, mp_amount amount, uint16_t flags)
{
    return (mp_transfer){.id = id, .pending_id = pending_id, .amount = amount, .flags = flags};
}

static void make_ledger(void)
{
    const mp_options how = {.flags = MP_OPEN_MANUAL, .memory_max = MIB(96), .env = &test.env};
    const mp_account accounts[] = {
        {.id = 1, .ledger = 1, .code = 1},
        {.id = 2, .ledger = 1, .code = 1},
        {.id = 3, .ledger = 1, .code = 1, .flags = MP_ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS},
        {.id = 4, .ledger = 2, .code = 1},
        {.id = 5, .ledger = 2, .code = 1},
    };
    const mp_account_update update = {
        .id = 90, .account_id = 2, .flags_set = MP_ACCOUNT_FROZEN_DEBITS};
    mp_transfer other = plain(12, 4, 5, 7), closing = pending(40, 1, 2, 0, 0), second;
    mp_request request = {.operation = MP_CREATE_TRANSFERS,
                          .count = 1,
                          .events = &second,
                          .results = results,
                          .source = 9,
                          .source_position = 5};

    must(mp_init(test.directory, &how), "mp_init");
    must(mp_open(test.directory, &how, &ledger), "mp_open");
    must(mp_create_accounts(ledger, accounts, 5, results), "mp_create_accounts");
    transfer(plain(10, 1, 2, 100), MP_CREATED);
    transfer(plain(11, 2, 3, 60), MP_CREATED);
    other.ledger = 2;
    transfer(other, MP_CREATED);
    transfer(pending(20, 3, 1, 50, 0), MP_CREATED);
    transfer(about(21, 20, 10, MP_TRANSFER_POST_PENDING | MP_TRANSFER_KEEP_PENDING), MP_CREATED);
    transfer(about(22, 20, 5, MP_TRANSFER_INCREASE_PENDING), MP_CREATED);
    transfer(about(23, 20, 30, MP_TRANSFER_POST_PENDING), MP_CREATED);
    transfer(pending(24, 1, 2, 8, 5), MP_CREATED);
    transfer(pending(27, 1, 2, 3, 5), MP_CREATED);
    transfer(pending(28, 1, 2, 2, 0), MP_CREATED);
    transfer(pending(25, 1, 2, 9, 0), MP_CREATED);
    transfer(about(26, 25, 0, MP_TRANSFER_VOID_PENDING), MP_CREATED);
    transfer(about(30, 10, 40, MP_TRANSFER_REVERSAL), MP_CREATED);
    transfer(about(31, 10, 60, MP_TRANSFER_REVERSAL), MP_CREATED);
    transfer(plain(50, 1, 77, 1), MP_TRANSFER_CREDIT_ACCOUNT_NOT_FOUND); /* binds the id */
    must(mp_update_accounts(ledger, &update, 1, results), "mp_update_accounts");
    closing.flags |= MP_TRANSFER_CLOSING_CREDIT;
    transfer(closing, MP_CREATED);
    transfer(about(41, 40, 0, MP_TRANSFER_VOID_PENDING), MP_CREATED);
    second = plain(60, 1, 2, (mp_u128)1 << 70);
    must(mp_execute(ledger, &request), "mp_execute");
    cr_assert(results[0].result == MP_CREATED);
    request.source_position = 6;
    second.id = 63;
    must(mp_execute(ledger, &request), "mp_execute");
    test.now += 10 * NS_PER_S; /* 24 and 27 expire */
    transfer(plain(61, 1, 2, 1), MP_CREATED);
    transfer(pending(62, 1, 3, 1, 0), MP_CREATED);
    must(mp_close(ledger), "mp_close");
}

/* --- the log's bytes --- */

static void log_path(char path[8192])
{
    snprintf(path, 8192, "%s/wal/00000001.wal", test.directory);
}

static void load_log(void)
{
    char path[8192];
    int file;

    log_path(path);
    file = open(path, O_RDONLY);
    test.log = malloc(SEGMENT_FIRST);
    cr_assert(pread(file, test.log, SEGMENT_FIRST, 0) == (ssize_t)SEGMENT_FIRST);
    close(file);
}

/* Makes all sums right again, block after block, and writes the log back. */
static void store_log(void)
{
    struct block_header *header = (struct block_header *)(test.log + PAGE_SIZE);
    mp_u128 sum = 0;
    char path[8192];
    int file;

    while (header->magic == BLOCK_MAGIC) {
        header->prev_sum = sum;
        sum = block_finish(test.log, SEGMENT_FIRST, header->position);
        header = (struct block_header *)(test.log + header->position +
                                         (uint64_t)header->pages * PAGE_SIZE);
    }
    log_path(path);
    file = open(path, O_WRONLY);
    cr_assert(pwrite(file, test.log, SEGMENT_FIRST, 0) == (ssize_t)SEGMENT_FIRST);
    close(file);
}

/* The record of an id; with kind 0 of any kind. */
static uint8_t *record_of(mp_id id, unsigned kind)
{
    struct block_header *header = (struct block_header *)(test.log + PAGE_SIZE);

    while (header->magic == BLOCK_MAGIC) {
        for (uint32_t number = 0; number < header->pages; number++) {
            uint8_t *page = test.log + header->position + (uint64_t)number * PAGE_SIZE;
            const struct page_trailer *trailer = (const struct page_trailer *)(page + PAGE_DATA);

            for (unsigned at = page_first(number); at < trailer->units_used * UNIT_SIZE;) {
                mp_id found;

                memcpy(&found, page + at + 8, sizeof found);
                if ((kind == 0 || page[at] == kind) &&
                    (found == id || page[at] == MP_RECORD_INPUT_POSITION)) {
                    if (kind != 0 || page[at] != MP_RECORD_INPUT_POSITION) return page + at;
                }
                at += record_units(page + at) * UNIT_SIZE;
            }
        }
        header = (struct block_header *)(test.log + header->position +
                                         (uint64_t)header->pages * PAGE_SIZE);
    }
    cr_assert(false, "no record of %u", (unsigned)id);
    return NULL;
}

static struct transfer_record *transfer_of(mp_id id)
{
    return (struct transfer_record *)record_of(id, MP_RECORD_TRANSFER);
}
static struct record_view view_of(struct transfer_record *record)
{
    struct record_view view;

    cr_assert(
        record_view((uint8_t *)record, (uint64_t)((uint8_t *)record - test.log), START_NS, &view));
    return view;
}

/* The block that holds a record. */
static struct block_header *block_of(const void *record)
{
    uint64_t at = (uint64_t)((const uint8_t *)record - test.log) / PAGE_SIZE * PAGE_SIZE;
    const struct page_trailer *trailer = (const struct page_trailer *)(test.log + at + PAGE_DATA);

    return (struct block_header *)(test.log + at - (uint64_t)trailer->page * PAGE_SIZE);
}

static struct account_record *account_of(mp_id id)
{
    return (struct account_record *)record_of(id, MP_RECORD_ACCOUNT);
}

/* --- verifying --- */

static void told(void *user, const char *text)
{
    (void)user;
    if (test.told++ == 0) snprintf(test.sentence, sizeof test.sentence, "%s", text);
}

static mp_verify_report verify(uint64_t memory_max)
{
    mp_verify_report report;

    test.told = 0;
    must(
        mp_verify(test.directory, &test.env, memory_max, test.directory, told, NULL, NULL, &report),
        "mp_verify");
    cr_assert(report.problems == test.told);
    return report;
}

TestSuite(verify, .init = make_directory, .fini = remove_directory, .timeout = 120);

Test(verify, a_sound_ledger_has_no_problem_and_all_of_it_is_counted)
{
    mp_verify_report report;

    make_ledger();
    report = verify(0);
    cr_assert(report.problems == 0, "%s", test.sentence);
    cr_assert(report.accounts == 5 && report.transfers == 20, "%u transfers",
              (unsigned)report.transfers);
    cr_assert(report.expiries == 2 && report.updates == 1 && report.bound_ids == 1);
    cr_assert(report.reservations_open == 2 && report.records == 29);
}

/* What is changed, and words of what must be said of it. */
static void change_amount(void) { transfer_of(11)->amount++; }
static void change_sum(void) { transfer_of(11)->credit_credits_posted++; }
static void change_both(void)
{
    transfer_of(12)->amount++;
    transfer_of(12)->credit_credits_posted++;
}
static void change_flags_after(void) { transfer_of(40)->credit_flags = 0; }
static void leave_closed(void) { transfer_of(41)->credit_flags |= MP_ACCOUNT_CLOSED; }
static void change_previous(void) { transfer_of(23)->debit_previous[0] ^= 32; }
static void change_jump(void) { transfer_of(26)->debit_jump[0] ^= 32; }
static void change_jump_time(void) { transfer_of(26)->credit_jump_time[0] ^= 1; }
static void repeat_id(void) { transfer_of(61)->id = 11; }
static void repeat_bound_id(void) { transfer_of(61)->id = 50; }
static void repeat_account(void)
{
    ((struct account_record *)record_of(2, MP_RECORD_ACCOUNT))->id = 1;
}
static void change_left(void)
{
    ((struct ext_reservation *)(uintptr_t)view_of(transfer_of(21)).reservation)->left++;
}
static void close_twice(void)
{
    ((struct ext_reservation *)(uintptr_t)view_of(transfer_of(26)).reservation)->pending_id = 20;
}
static void open_wrongly(void)
{
    ((struct ext_reservation *)(uintptr_t)view_of(transfer_of(26)).reservation)->inherited &=
        (uint8_t)~CLOSES;
}
static void expire_early(void) { transfer_of(24)->timeout = 60; }
static void expire_never(void) { transfer_of(24)->timeout = 0; }
static void post_late(void)
{
    transfer_of(20)->timeout = 1;
    transfer_of(23)->time_offset = 2000000000;
}
static void reverse_too_much(void) { transfer_of(10)->amount = 90; }
static void change_reversed(void)
{
    ((struct ext_reversal *)(uintptr_t)view_of(transfer_of(31)).reversal)->reversed++;
}
static void reverse_another(void)
{
    ((struct ext_reversal *)(uintptr_t)view_of(transfer_of(31)).reversal)->original[0] ^= 128;
}
static void change_time(void) { transfer_of(12)->time_offset += 5000; }
static void change_sequence(void)
{
    ((struct page_trailer *)(test.log + PAGE_SIZE + PAGE_DATA))->first_sequence++;
}
static void change_ledger(void) { transfer_of(12)->credit_slot = 1; }
static void change_update(void)
{
    ((struct update_record *)record_of(90, MP_RECORD_UPDATE))->account_flags_before = 4;
}
static void change_update_sums(void)
{
    ((struct update_record *)record_of(90, MP_RECORD_UPDATE))->sums[1]--;
}
static void bind_wrongly(void)
{
    ((struct bound_record *)record_of(50, MP_RECORD_BOUND_ID))->result = MP_TRANSFER_EXISTS;
}
static void break_limit(void)
{
    struct ext_pending *sums = (struct ext_pending *)(uintptr_t)view_of(transfer_of(20)).pending;

    transfer_of(20)->amount = 70;
    sums->debit_debits = sums->credit_credits = 70;
}
static void freeze(void) { ((struct update_record *)record_of(90, MP_RECORD_UPDATE))->slot = 0; }
static void mix_flags(void) { transfer_of(26)->flags |= MP_TRANSFER_POST_PENDING; }
static void change_source(void)
{
    ((struct input_position_record *)record_of(0, MP_RECORD_INPUT_POSITION))->source = 0;
}

static void break_credit_limit(void)
{
    account_of(2)->flags |= MP_ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS;
    transfer_of(10)->credit_flags |= MP_ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS;
}
static void close_account(void) { account_of(5)->flags |= MP_ACCOUNT_CLOSED; }
static void limit_both(void)
{
    account_of(5)->flags |=
        MP_ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS | MP_ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS;
}
static void close_what_is_not_empty(void)
{
    ((struct update_record *)record_of(90, MP_RECORD_UPDATE))->flags_set |= MP_ACCOUNT_CLOSED;
}
static void leave_something_behind(void)
{
    struct block_header *block = block_of(transfer_of(12));
    const struct page_trailer *trailer =
        (const struct page_trailer *)((uint8_t *)block + PAGE_DATA);

    ((uint8_t *)block)[trailer->units_used * UNIT_SIZE + 7] = 1;
}
static void mark_less(void) { block_of(transfer_of(61))->mark = PAGE_SIZE; }
static void count_no_expiries(void) { block_of(transfer_of(61))->expiries = 0; }
static void be_overdue(void) { transfer_of(28)->timeout = 1; }
static void expire_in_another_order(void) { transfer_of(24)->timeout = 6; }
static void reverse_of_another(void) { transfer_of(30)->debit_slot = 2; }
static void reverse_to_another(void) { transfer_of(31)->credit_slot = 2; }
static void inherit_other_data(void) { transfer_of(20)->user_data_32 = 5; }
static void capture_with_another_code(void) { transfer_of(23)->code = 2; }
static void go_back_in_a_source(void)
{
    ((struct input_position_record *)record_of(0, MP_RECORD_INPUT_POSITION))->position = 7;
}

struct change {
    const char *name;
    void (*change)(void);
    const char *words;
};

static const struct change changes[] = {
    {"an amount", change_amount, "transfer 0xb: the debit account's posted debits"},
    {"a sum after", change_sum,
     "credit account's posted credits after it are said to be 61, but come to 60"},
    {"an amount and a sum", change_both, "posted"},
    {"flags after", change_flags_after, "flags after it"},
    {"a void that doesn't open the account", leave_closed, "flags after it"},
    {"a pointer to the record before", change_previous, "record before stands"},
    {"a jump pointer", change_jump, "jump pointer"},
    {"a jump target's time", change_jump_time, "jump pointer"},
    {"an id that was used", repeat_id, "second time"},
    {"an id that was bound", repeat_bound_id, "second time"},
    {"an account's id", repeat_account, "second time"},
    {"what is left", change_left, "of the reservation is said to be left"},
    {"a reservation closed twice", close_twice, "no reservation is open"},
    {"a void that ends nothing", open_wrongly, "says wrongly whether it ends"},
    {"an expiry before its time", expire_early, "expires later"},
    {"an expiry of what never expires", expire_never, "never expires"},
    {"a post after expiry", post_late, "had expired"},
    {"reversals beyond the original", reverse_too_much, "left to reverse"},
    {"what was reversed", change_reversed, "reversed so far"},
    {"the original of a reversal", reverse_another, "no posted transfer"},
    {"a time", change_time, "newer"},
    {"a page's sequence", change_sequence, "comes first, but it is 1"},
    {"an account of another ledger", change_ledger, "different ledgers"},
    {"an update's flags", change_update, "flags are said to become"},
    {"an update's sums", change_update_sums, "updated account's posted debits"},
    {"a refusal that binds nothing", bind_wrongly, "binds no id"},
    {"a limit", break_limit, "against its limit"},
    {"a frozen account", freeze, "frozen"},
    {"flags that don't go together", mix_flags, "flags can't be"},
    {"a source", change_source, "source 0"},
    {"a limit of credits", break_credit_limit, "credits exceed its debits, against its limit"},
    {"a closed account", close_account, "the credit account is closed"},
    {"both limits", limit_both, "such flags can't be"},
    {"an account closed too early", close_what_is_not_empty, "closes an account that isn't empty"},
    {"what lies behind records", leave_something_behind, "isn't zero behind its records"},
    {"a mark before the last one", mark_less, "lies before that of the block before"},
    {"the number of expiries", count_no_expiries, "expiries come first in a block"},
    {"a reservation that should have expired", be_overdue, "should have released it"},
    {"the order of expiries", expire_in_another_order, "expired later was released before it"},
    {"an account of a reversal", reverse_of_another, "those of the reversed transfer, swapped"},
    {"the other one", reverse_to_another, "those of the reversed transfer, swapped"},
    {"user data that were inherited", inherit_other_data, "user data is said to be"},
    {"the code of a capture", capture_with_another_code, "aren't the reservation's"},
    {"the order of a source", go_back_in_a_source, "doesn't lie behind its last one"},
};

/* History that was imported, before anything else. */
static void make_imported_ledger(void)
{
    const mp_options how = {.flags = MP_OPEN_MANUAL, .memory_max = MIB(96), .env = &test.env};
    mp_account accounts[2], late;
    mp_transfer event;

    must(mp_init(test.directory, &how), "mp_init");
    must(mp_open(test.directory, &how, &ledger), "mp_open");
    for (uint32_t i = 0; i < 2; i++) {
        accounts[i] = (mp_account){.id = 1 + i,
                                   .ledger = 1,
                                   .code = 1,
                                   .flags = MP_ACCOUNT_IMPORTED,
                                   .timestamp = 100 + 100 * i};
    }
    must(mp_create_accounts(ledger, accounts, 2, results), "mp_create_accounts");
    event = plain(10, 1, 2, 5);
    event.flags = MP_TRANSFER_IMPORTED;
    event.timestamp = 300;
    transfer(event, MP_CREATED);
    late = accounts[0];
    late.id = 3;
    late.timestamp = 400;
    must(mp_create_accounts(ledger, &late, 1, results), "mp_create_accounts");
    cr_assert(results[0].result == MP_CREATED);
    must(mp_close(ledger), "mp_close");
}

static void import_account_too_early(void) { account_of(3)->imported_time = 250; }
static void import_at_an_accounts_time(void)
{
    ((struct ext_user_data *)(uintptr_t)view_of(transfer_of(10)).user_data)->imported_time = 200;
}

static const struct change imported_changes[] = {
    {"an imported account's time", import_account_too_early, "newer than the transfers before"},
    {"an imported transfer's time", import_at_an_accounts_time, "an account has the same time"},
};

static char all_told[1 << 16];

static void remember(void *user, const char *text)
{
    size_t used = strlen(all_told);

    (void)user;
    test.told++;
    snprintf(all_told + used, sizeof all_told - used, "%s\n", text);
}

static void expect_told(const struct change *changed, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        mp_verify_report report;

        load_log();
        changed[i].change();
        uint8_t *sound = malloc(SEGMENT_FIRST);
        char path[8192];
        int file;

        log_path(path);
        file = open(path, O_RDWR);
        cr_assert(pread(file, sound, SEGMENT_FIRST, 0) == (ssize_t)SEGMENT_FIRST);
        store_log();
        all_told[0] = 0;
        test.told = 0;
        must(mp_verify(test.directory, &test.env, 0, NULL, remember, NULL, NULL, &report),
             changed[i].name);
        cr_assert(report.problems > 0, "%s: nothing was told", changed[i].name);
        cr_assert(strstr(all_told, changed[i].words) != NULL, "%s: %s", changed[i].name, all_told);
        cr_assert(strstr(all_told, "wal/00000001.wal: offset ") != NULL, "%s: %s", changed[i].name,
                  all_told);
        cr_assert(pwrite(file, sound, SEGMENT_FIRST, 0) == (ssize_t)SEGMENT_FIRST);
        close(file);
        free(sound);
        free(test.log);
        test.log = NULL;
    }
    cr_assert(verify(0).problems == 0);
}

Test(verify, whatever_is_changed_is_told_with_file_and_offset)
{
    make_ledger();
    expect_told(changes, sizeof changes / sizeof *changes);
}

Test(verify, whatever_is_changed_in_imported_history_is_told)
{
    make_imported_ledger();
    cr_assert(verify(0).problems == 0, "%s", test.sentence);
    expect_told(imported_changes, sizeof imported_changes / sizeof *imported_changes);
}

Test(verify, damage_is_told_as_such_and_what_lies_before_is_verified)
{
    mp_verify_report report;
    uint64_t position;

    make_ledger();
    load_log();
    position = (uint64_t)((uint8_t *)transfer_of(25) - test.log);
    transfer_of(25)->amount++; /* its page's sum is wrong now */
    char path[8192];
    int file;
    log_path(path);
    file = open(path, O_WRONLY);
    cr_assert(pwrite(file, test.log, SEGMENT_FIRST, 0) == (ssize_t)SEGMENT_FIRST);
    close(file);
    cr_assert(mp_verify(test.directory, &test.env, 0, NULL, NULL, NULL, NULL, &report) ==
              MP_CORRUPT);
    cr_assert(strstr(mp_last_error(), "00000001.wal") != NULL, "%s", mp_last_error());
    cr_assert(report.position <= position && report.position > PAGE_SIZE && report.problems == 0);
}

/* More accounts and ids than fit into the memory allowed: in parts, and by a temporary file. */
Test(verify, little_memory_takes_longer_and_finds_the_same)
{
    enum { ACCOUNTS = 100000, BATCHES = 40 };
    const mp_options how = {.flags = MP_OPEN_MANUAL, .memory_max = MIB(256), .env = &test.env};
    static mp_account accounts[MP_BATCH_MAX];
    static mp_transfer transfers[MP_BATCH_MAX];
    mp_verify_report rich, poor;
    mp_id id = 1;

    must(mp_init(test.directory, &how), "mp_init");
    must(mp_open(test.directory, &how, &ledger), "mp_open");
    for (uint32_t done = 0; done < ACCOUNTS; done += 5000) {
        for (uint32_t i = 0; i < 5000; i++) {
            accounts[i] =
                (mp_account){.id = done + i + 1, .ledger = 1 + (done + i) / 50000, .code = 1};
        }
        must(mp_create_accounts(ledger, accounts, 5000, results), "mp_create_accounts");
    }
    for (uint32_t batch = 0; batch < BATCHES; batch++) {
        for (uint32_t i = 0; i < MP_BATCH_MAX; i++, id++) {
            uint32_t half = (uint32_t)id % 2 * 50000;

            transfers[i] = plain(id, 1 + half + (uint32_t)(id * 7919 % 50000),
                                 1 + half + (uint32_t)(id * 104729 % 50000), 3);
            transfers[i].ledger = 1 + (uint32_t)id % 2;
            if (i % 10 == 0) transfers[i].flags = MP_TRANSFER_PENDING;
            if (i % 10 == 5)
                transfers[i] = about(id, id - 5, MP_AMOUNT_MAX, MP_TRANSFER_POST_PENDING);
            if (i % 100 == 7) transfers[i] = about(id, id - 3, 1, MP_TRANSFER_REVERSAL);
        }
        must(mp_create_transfers(ledger, transfers, MP_BATCH_MAX, results), "mp_create_transfers");
    }
    must(mp_close(ledger), "mp_close");
    rich = verify(MIB(512));
    cr_assert(rich.problems == 0, "%s", test.sentence);
    poor = verify(1);
    cr_assert(poor.problems == 0, "%s", test.sentence);
    cr_assert(rich.bytes_total < poor.bytes_total, "all fits into so little");
    cr_assert(rich.accounts == ACCOUNTS && rich.transfers > BATCHES * (uint64_t)MP_BATCH_MAX / 2);
    cr_assert(poor.accounts == rich.accounts && poor.transfers == rich.transfers &&
              poor.records == rich.records);
    cr_assert(poor.reservations_open == rich.reservations_open);
}

static void open_empty_ledger(uint64_t checkpoint_after)
{
    const mp_options how = {.flags = MP_OPEN_MANUAL,
                            .memory_max = MIB(96),
                            .env = &test.env,
                            .checkpoint_after = checkpoint_after};

    must(mp_init(test.directory, &how), "mp_init");
    must(mp_open(test.directory, &how, &ledger), "mp_open");
}

static void make_accounts(uint32_t count)
{
    static mp_account accounts[MP_BATCH_MAX];

    for (uint32_t done = 0; done < count; done += MP_BATCH_MAX) {
        for (uint32_t i = 0; i < MP_BATCH_MAX; i++)
            accounts[i] = (mp_account){.id = done + i + 1, .ledger = 1, .code = 1};
        must(mp_create_accounts(ledger, accounts, MP_BATCH_MAX, results), "mp_create_accounts");
    }
}

/* More ids than fit into the memory allowed: the second one may stand in another part of the file.
 */
Test(verify, with_little_memory_an_id_that_was_used_is_told_too)
{
    static mp_transfer binds[MP_BATCH_MAX];

    open_empty_ledger(0);
    make_accounts(MP_BATCH_MAX);
    transfer(plain(11, 1, 2, 5), MP_CREATED);
    for (uint32_t batch = 0; batch < 43; batch++) {
        for (uint32_t i = 0; i < MP_BATCH_MAX; i++)
            binds[i] =
                (mp_transfer){.id = 1000 + batch * MP_BATCH_MAX + i, .flags = MP_TRANSFER_BIND_ID};
        must(mp_create_transfers(ledger, binds, MP_BATCH_MAX, results), "mp_create_transfers");
    }
    transfer(plain(61, 1, 2, 5), MP_CREATED);
    must(mp_close(ledger), "mp_close");
    load_log();
    repeat_id();
    store_log();
    cr_assert(verify(1).problems == 1);
    cr_assert(strstr(test.sentence, "second time") != NULL, "%s", test.sentence);
}

/* More accounts than fit: the log is read more than once. */
Test(verify, with_little_memory_a_changed_amount_is_told_too)
{
    mp_verify_report report;

    open_empty_ledger(0);
    make_accounts(80000);
    transfer(plain(10, 1, 2, 5), MP_CREATED);
    transfer(plain(11, 2, 80000, 5), MP_CREATED);
    must(mp_close(ledger), "mp_close");
    load_log();
    change_amount();
    store_log();
    report = verify(1);
    cr_assert(report.bytes_total >= 2 * (report.position - PAGE_SIZE), "all fits into so little");
    cr_assert(report.problems > 0);
    cr_assert(strstr(test.sentence, "transfer 0xb: the ") != NULL, "%s", test.sentence);
}

/* --- checkpoints --- */

static void change_item_sum(uint8_t *item) { ((struct account_item *)item)->sums[1]++; }
static void change_item_time(uint8_t *item) { ((struct account_item *)item)->timestamp++; }
static void change_item_left(uint8_t *item) { ((struct reservation_item *)item)->left++; }

/* A change of the checkpoint's first account or reservation, its sum made right again. */
static void change_checkpoint(uint16_t kind, void (*change)(uint8_t *item))
{
    static uint8_t chunk[CHUNK_BYTES];
    struct chunk_head *head = (struct chunk_head *)chunk;
    char path[8192];
    int file;

    snprintf(path, sizeof path, "%s/checkpoint/00000001.ckpt", test.directory);
    file = open(path, O_RDWR);
    for (off_t at = 0; head->kind != kind; at += CHUNK_BYTES) {
        cr_assert(pread(file, chunk, CHUNK_BYTES, at) == (ssize_t)CHUNK_BYTES);
        if (head->kind != kind) continue;
        change(chunk + sizeof *head);
        head->sum = 0;
        head->sum = XXH3_64bits(chunk, sizeof *head + head->bytes);
        cr_assert(pwrite(file, chunk, CHUNK_BYTES, at) == (ssize_t)CHUNK_BYTES);
    }
    memset(chunk, 0, sizeof chunk);
    close(file);
}

Test(verify, a_checkpoint_that_says_something_else_than_the_log_is_told)
{
    static const struct {
        uint16_t kind;
        void (*change)(uint8_t *item);
        const char *words;
    } cases[] = {
        {CHUNK_ACCOUNTS, change_item_sum, "leads to another account 1 than the log"},
        {CHUNK_ACCOUNTS, change_item_time, "leads to another account 1 than the log"},
        {CHUNK_RESERVATIONS, change_item_left, "leads to reservations that are not the pending"},
    };
    bool worked = true;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (i > 0) {
            remove_directory();
            make_directory();
            worked = true;
        }
        open_empty_ledger(1);
        make_accounts(MP_BATCH_MAX);
        transfer(plain(10, 1, 2, 5), MP_CREATED);
        transfer(pending(20, 1, 2, 5, 0), MP_CREATED);
        while (worked) must(mp_step(ledger, &worked), "mp_step");
        must(mp_close(ledger), "mp_close");
        cr_assert(verify(0).checkpoints >= 1 && test.told == 0, "%s", test.sentence);
        change_checkpoint(cases[i].kind, cases[i].change);
        cr_assert(verify(0).problems > 0, "%s: nothing was told", cases[i].words);
        cr_assert(strstr(test.sentence, cases[i].words) != NULL, "%s", test.sentence);
    }
}
