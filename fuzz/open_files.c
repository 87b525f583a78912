/* Damages the files of a small ledger and opens it. Nothing may crash, hang or leak; and one damage
 * alone must either be refused or do no harm.
 *
 * The first byte chooses the ledger and how it is opened. Then each byte names a damage, followed
 * by its operands. One of them makes all checksums right again, so that what was damaged before it
 * reaches the decoders. */
#include "input.h"
#include "resum.h"
#include "sim_env.h"

#include <micropay/micropay.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DIRECTORY "l"
#define TEMPORARY "t"

enum {
    ACCOUNTS = 8,
    DAMAGES_MAX = 64,
    PAGE = 4096,
    STEPS_MAX = 100000,
    SEGMENT = 16 << 20,
    FILES_MAX = 8,
    PATH_BYTES = 64,
    PAGES_AT_ENDS = 64,
    ROUNDS = 6 /* of 16 rows of a statement */
};

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, mp_last_error());   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* A sound ledger, and what its books say. */
struct model {
    struct sim *sim;
    mp_balance balances[ACCOUNTS];
    char paths[FILES_MAX][PATH_BYTES];
    unsigned file_count;
    struct page {
        unsigned file;
        uint32_t number;
    } pages[FILES_MAX * 2 * PAGES_AT_ENDS]; /* worth damaging */
    unsigned page_count;
};

/* A copy of it that is damaged. */
struct patient {
    const struct model *model;
    struct sim *sim;
};

static mp_options options_of(struct sim *sim, unsigned flags)
{
    return (mp_options){
        .flags = flags | ((flags & MP_OPEN_READ) == 0 ? MP_OPEN_MANUAL : 0u),
        .memory_max = 32u << 20,
        .accounts_max = 4096,
        .reservations_max = 4096,
        .env = sim_env(sim),
        .checkpoint_after = 1,
    };
}

/* --- making the ledgers --- */

/* Long enough for seals and checkpoints. */
static void step_until_idle(struct sim *sim, mp_ledger *ledger)
{
    bool worked = true;

    sim_pass(sim, 20000000);
    for (int i = 0; worked; i++) {
        MUST(i < STEPS_MAX);
        MUST(mp_step(ledger, &worked) == MP_OK);
    }
}

static void book(mp_ledger *ledger, mp_transfer transfer)
{
    mp_result result;

    if (transfer.pending_id == 0 || (transfer.flags & MP_TRANSFER_PENDING) != 0) {
        transfer.ledger = transfer.code = 1;
        if (transfer.debit_account_id == 0) transfer.debit_account_id = 1 + transfer.id % ACCOUNTS;
        if (transfer.credit_account_id == 0)
            transfer.credit_account_id = 1 + (transfer.id + 3) % ACCOUNTS;
    }
    MUST(mp_create_transfers(ledger, &transfer, 1, &result) == MP_OK &&
         result.result == MP_CREATED);
}

static void make_history(mp_ledger *ledger)
{
    mp_account accounts[ACCOUNTS];
    mp_result results[ACCOUNTS];
    mp_transfer imported[2] = {
        {.id = 1, .flags = MP_TRANSFER_IMPORTED, .timestamp = 1000},
        {.id = 2, .flags = MP_TRANSFER_IMPORTED, .timestamp = 2000, .user_data_128 = 9}};

    for (unsigned i = 0; i < ACCOUNTS; i++) {
        accounts[i] = (mp_account){.id = i + 1,
                                   .ledger = 1,
                                   .code = 1,
                                   .flags = MP_ACCOUNT_IMPORTED,
                                   .timestamp = i + 1,
                                   .user_data_64 = i};
    }
    MUST(mp_create_accounts(ledger, accounts, ACCOUNTS, results) == MP_OK);
    for (unsigned i = 0; i < 2; i++) {
        imported[i].debit_account_id = i + 1;
        imported[i].credit_account_id = i + 2;
        imported[i].amount = 100;
        imported[i].ledger = imported[i].code = 1;
    }
    MUST(mp_create_transfers(ledger, imported, 2, results) == MP_OK &&
         results[1].result == MP_CREATED);
}

/* Every kind of record; from `first` on 16 ids are used. */
static void make_records(mp_ledger *ledger, mp_id first)
{
    mp_transfer refused = {.id = first + 14,
                           .debit_account_id = 99,
                           .credit_account_id = 1,
                           .amount = 1,
                           .ledger = 1,
                           .code = 1};
    mp_account_update update = {
        .id = first + 15, .account_id = 8, .flags_set = MP_ACCOUNT_FROZEN_DEBITS};
    mp_request request = {
        .operation = MP_CREATE_TRANSFERS, .source = 7, .source_position = (uint64_t)first};
    mp_result result;

    book(ledger, (mp_transfer){.id = first, .amount = 10});
    book(ledger, (mp_transfer){
                     .id = first + 1, .amount = 500, .flags = MP_TRANSFER_PENDING, .timeout = 60});
    book(ledger, (mp_transfer){.id = first + 2,
                               .pending_id = first + 1,
                               .amount = 100,
                               .flags = MP_TRANSFER_POST_PENDING | MP_TRANSFER_KEEP_PENDING});
    book(ledger, (mp_transfer){.id = first + 3,
                               .pending_id = first + 1,
                               .amount = 50,
                               .flags = MP_TRANSFER_INCREASE_PENDING,
                               .timeout = 90});
    book(ledger, (mp_transfer){.id = first + 4,
                               .pending_id = first + 1,
                               .amount = 7,
                               .flags = MP_TRANSFER_POST_PENDING});
    book(ledger, (mp_transfer){.id = first + 5, .amount = 5, .flags = MP_TRANSFER_PENDING});
    book(ledger, (mp_transfer){
                     .id = first + 6, .pending_id = first + 5, .flags = MP_TRANSFER_VOID_PENDING});
    book(ledger,
         (mp_transfer){
             .id = first + 7, .pending_id = first, .amount = 4, .flags = MP_TRANSFER_REVERSAL});
    book(ledger, (mp_transfer){.id = first + 8,
                               .pending_id = first,
                               .amount = MP_AMOUNT_MAX,
                               .flags = MP_TRANSFER_REVERSAL});
    book(ledger, (mp_transfer){.id = first + 9,
                               .amount = (mp_amount)1 << 63,
                               .debit_account_id = 6,
                               .credit_account_id = 7,
                               .user_data_128 = 1});
    book(ledger, (mp_transfer){.id = first + 10,
                               .amount = (mp_amount)1 << 65,
                               .debit_account_id = 6,
                               .credit_account_id = 7,
                               .flags = MP_TRANSFER_PENDING});
    book(ledger,
         (mp_transfer){.id = first + 11, .amount = 3, .flags = MP_TRANSFER_PENDING, .timeout = 1});
    book(ledger, (mp_transfer){
                     .id = first + 12, .amount = 2, .flags = MP_TRANSFER_PENDING, .timeout = 1000});
    book(ledger,
         (mp_transfer){.id = first + 13, .amount = 1, .user_data_64 = 5, .user_data_32 = 6});
    MUST(mp_create_transfers(ledger, &refused, 1, &result) == MP_OK);
    MUST(mp_update_accounts(ledger, &update, 1, &result) == MP_OK && result.result == MP_CREATED);
    update = (mp_account_update){
        .id = first + 16, .account_id = 8, .flags_clear = MP_ACCOUNT_FROZEN_DEBITS};
    MUST(mp_update_accounts(ledger, &update, 1, &result) == MP_OK && result.result == MP_CREATED);
    MUST(mp_execute(ledger, &request) == MP_OK);
}

/* A large block, then small ones until a segment is finished: many pages, few ids. */
static void fill_segment(mp_ledger *ledger)
{
    static mp_transfer batch[MP_BATCH_MAX];
    static mp_result results[MP_BATCH_MAX];
    mp_id id = 1000000;
    mp_stats stats = {0};

    for (unsigned i = 0; i < MP_BATCH_MAX; i++) {
        batch[i] = (mp_transfer){.id = id++,
                                 .debit_account_id = 1 + i % 4,
                                 .credit_account_id = 5 + i % 3,
                                 .amount = 1,
                                 .ledger = 1,
                                 .code = 1};
    }
    MUST(mp_create_transfers(ledger, batch, MP_BATCH_MAX, results) == MP_OK);
    while (stats.position < SEGMENT) {
        book(ledger, (mp_transfer){.id = id++, .amount = 1});
        mp_read_stats(ledger, &stats);
    }
}

static bool page_is_used(struct sim *sim, const char *path, uint32_t number)
{
    static const uint8_t zeros[PAGE];
    uint8_t bytes[PAGE];

    return sim_read_file(sim, path, bytes, sizeof bytes, (uint64_t)number * PAGE) == PAGE &&
           memcmp(bytes, zeros, sizeof bytes) != 0;
}

/* The pages of a file that aren't zero: all, or the first and the last ones. */
static void note_file(struct model *model, const char *path)
{
    int64_t size = sim_size(model->sim, path);
    uint32_t pages = (uint32_t)(size / PAGE), used = 0, seen = 0;

    if (size < 0) return;
    MUST(model->file_count < FILES_MAX);
    snprintf(model->paths[model->file_count], PATH_BYTES, "%s", path);
    for (uint32_t number = 0; number < pages; number++)
        used += page_is_used(model->sim, path, number);
    for (uint32_t number = 0; number < pages; number++) {
        if (!page_is_used(model->sim, path, number)) continue;
        if (seen < PAGES_AT_ENDS || seen + PAGES_AT_ENDS >= used) {
            model->pages[model->page_count++] = (struct page){model->file_count, number};
        }
        seen++;
    }
    model->file_count++;
}

static void note_files(struct model *model)
{
    char path[PATH_BYTES];

    note_file(model, DIRECTORY "/ledger.mp");
    for (unsigned number = 1; number <= 2; number++) {
        snprintf(path, sizeof path, DIRECTORY "/wal/%08u.wal", number);
        note_file(model, path);
        snprintf(path, sizeof path, DIRECTORY "/checkpoint/%08u.ckpt", number);
        note_file(model, path);
        snprintf(path, sizeof path, DIRECTORY "/index/%08u.ids", number);
        note_file(model, path);
    }
}

static void read_balances(mp_ledger *ledger, mp_balance *balances)
{
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        mp_status status = mp_read_balance(ledger, i + 1, &balances[i]);

        MUST(status == MP_OK || status == MP_NOT_FOUND);
        if (status != MP_OK) balances[i] = (mp_balance){0};
    }
}

static void model_make(struct model *model, bool large)
{
    struct sim *sim = model->sim = sim_make(1);
    mp_options options = options_of(sim, 0);
    mp_ledger *ledger;

    sim_settings(sim)->ring_delay_max = 0;
    MUST(sim_env(sim)->dir_make(sim_env(sim)->context, TEMPORARY) == 0);
    MUST(mp_init(DIRECTORY, &options) == MP_OK);
    options.checkpoint_after = large ? 12u << 20 : 1;
    MUST(mp_open(DIRECTORY, &options, &ledger) == MP_OK);
    make_history(ledger);
    make_records(ledger, 100);
    if (large) fill_segment(ledger);
    step_until_idle(sim, ledger);
    sim_pass(sim, 2000000000u); /* one reservation expires */
    make_records(ledger, 200);
    step_until_idle(sim, ledger);
    make_records(ledger, 300);
    read_balances(ledger, model->balances);
    MUST(mp_close(ledger) == MP_OK);
    note_files(model);
}

static const struct model *model_of(bool large)
{
    static struct model models[2];
    struct model *model = &models[large];

    if (model->sim == NULL) model_make(model, large);
    return model;
}

/* --- damage --- */

/* A place in a file. */
struct place {
    const char *path;
    uint64_t offset;
};

static struct place some_page(const struct patient *patient, struct input *input)
{
    const struct model *model = patient->model;
    struct page page = model->pages[input_u16(input) % model->page_count];

    if (input_u8(input) == 255) page.number += input_u8(input); /* near it, zero as yet */
    return (struct place){model->paths[page.file], (uint64_t)page.number * PAGE};
}

static const char *some_file(const struct patient *patient, struct input *input)
{
    return patient->model->paths[input_u8(input) % patient->model->file_count];
}

/* Within the file as it is. */
static void overwrite(const struct patient *patient, struct place at, const void *bytes,
                      uint64_t length)
{
    int64_t size = sim_size(patient->sim, at.path);

    if (size < 0 || at.offset >= (uint64_t)size) return;
    if (length > (uint64_t)size - at.offset) length = (uint64_t)size - at.offset;
    sim_write_file(patient->sim, at.path, bytes, (size_t)length, at.offset);
}

static void damage_bytes(const struct patient *patient, struct input *input)
{
    struct place at = some_page(patient, input);
    uint8_t bytes[256];
    unsigned offset = input_u16(input) % PAGE, length = input_u8(input) % sizeof bytes + 1;

    if (length > PAGE - offset) length = PAGE - offset;
    at.offset += offset;
    input_bytes(input, bytes, length);
    overwrite(patient, at, bytes, length);
}

/* A number at an offset that is a multiple of its size becomes another one that is likely to hurt.
 */
static void damage_number(const struct patient *patient, struct input *input)
{
    static const uint64_t values[] = {
        0,          1,          2,          255,        UINT16_MAX,          UINT32_MAX,
        UINT64_MAX, 1ull << 63, 1ull << 47, 1ull << 31, (1ull << 48) - 4096, 4096};
    struct place at = some_page(patient, input);
    uint8_t how = input_u8(input);
    unsigned length = 1u << how % 4;
    uint64_t value = 0;

    at.offset += input_u16(input) % PAGE / length * length;
    sim_read_file(patient->sim, at.path, &value, sizeof value, at.offset);
    switch (how / 4 % 4) {
    case 0: value = values[how / 16 % (sizeof values / sizeof *values)]; break;
    case 1: value += 1u + how / 16; break;
    case 2: value -= 1u + how / 16; break;
    default: value ^= 1ull << (how / 16 * 4 + 3); break;
    }
    overwrite(patient, at, &value, length);
}

static void damage_size(const struct patient *patient, struct input *input)
{
    const char *path = some_file(patient, input);
    int64_t size = sim_size(patient->sim, path);

    if (size < 0) return;
    switch (input_u8(input) % 6) {
    case 0: size = 0; break;
    case 1: size /= 2; break;
    case 2: size -= size > 0; break;
    case 3: size -= size < PAGE ? 0 : PAGE; break;
    case 4: size += PAGE; break;
    default: size = input_u16(input); break;
    }
    sim_cut_file(patient->sim, path, (uint64_t)size);
}

static void damage_page(const struct patient *patient, struct input *input, bool copy)
{
    struct place to = some_page(patient, input);
    uint8_t bytes[PAGE] = {0};

    if (copy) {
        struct place from = some_page(patient, input);

        sim_read_file(patient->sim, from.path, bytes, sizeof bytes, from.offset);
    }
    overwrite(patient, to, bytes, sizeof bytes);
}

struct damages {
    unsigned count;
    bool resummed;
};

static struct damages damage(const struct patient *patient, struct input *input)
{
    struct damages damages = {0};

    for (; input->size > 0 && damages.count < DAMAGES_MAX; damages.count++) {
        switch (input_u8(input) % 8) {
        case 0:
        case 1: damage_number(patient, input); break;
        case 2: damage_bytes(patient, input); break;
        case 3: damage_size(patient, input); break;
        case 4: sim_remove(patient->sim, some_file(patient, input)); break;
        case 5: damage_page(patient, input, true); break;
        case 6: damage_page(patient, input, false); break;
        default:
            resum_all(patient->sim, DIRECTORY);
            damages.resummed = true;
            break;
        }
    }
    return damages;
}

/* --- using what opens --- */

static void read_statement(mp_ledger *ledger, mp_id account, bool newest)
{
    mp_account_filter filter = {.account_id = account,
                                .flags = MP_FILTER_DEBITS | MP_FILTER_CREDITS};
    mp_statement *statement;
    mp_statement_row rows[16];
    uint32_t count = 1;
    mp_status status;

    if (newest) filter.flags |= MP_FILTER_REVERSED;
    status = mp_statement_open(ledger, &filter, MP_STATEMENT_ALL, 0, &statement);
    if (status != MP_OK) return;
    for (int i = 0; i < ROUNDS && status == MP_OK && count > 0; i++) {
        status = mp_statement_next(statement, rows, 16, &count);
    }
    mp_statement_close(statement);
    if (status == MP_OK && count == 0) return;
    if (mp_statement_open(ledger, &filter, 0, rows[0].position, &statement) == MP_OK)
        mp_statement_close(statement);
}

static void look_up(mp_ledger *ledger)
{
    static mp_transfer transfers[512];
    static mp_account accounts[16];
    mp_id ids[16];
    uint32_t found;

    for (mp_id from = 0; from < 320; from += from < 16 ? 84 : 16) {
        for (unsigned i = 0; i < 16; i++) ids[i] = from + i;
        (void)!mp_lookup_transfers(ledger, ids, 16, transfers, &found);
        (void)!mp_lookup_accounts(ledger, ids, 16, accounts, &found);
    }
}

static void query(mp_ledger *ledger)
{
    static mp_transfer transfers[512];
    static mp_account_balance balances[512];
    static mp_change changes[512];
    mp_query_filter filter = {.limit = 500, .timestamp_min = 3};
    mp_account_filter of_account = {.account_id = 7, .limit = 500, .flags = 3};
    mp_change_filter change_filter = {.limit = 500};
    uint32_t count;

    (void)!mp_query_transfers(ledger, &filter, transfers, &count);
    filter.flags = MP_FILTER_REVERSED;
    (void)!mp_query_transfers(ledger, &filter, transfers, &count);
    (void)!mp_account_balances(ledger, &of_account, balances, &count);
    (void)!mp_account_transfers(ledger, &of_account, transfers, &count);
    if (mp_changes(ledger, &change_filter, changes, &count) == MP_OK && count == 500) {
        change_filter.after = changes[499].position;
        (void)!mp_changes(ledger, &change_filter, changes, &count);
    }
}

static void read_log(mp_ledger *ledger)
{
    mp_log *log;
    mp_record record;

    if (mp_log_open(ledger, 0, &log) != MP_OK) return;
    for (int i = 0; i < 1000 && mp_log_next(log, &record) == MP_OK; i++)
        ;
    mp_log_close(log);
}

static void read_all(mp_ledger *ledger, uint64_t now)
{
    mp_balance balance;
    mp_stats stats;

    look_up(ledger);
    query(ledger);
    read_log(ledger);
    for (mp_id account = 1; account <= ACCOUNTS; account++) {
        read_statement(ledger, account, account % 2 == 0);
        for (unsigned i = 0; i < 6; i++)
            (void)!mp_balance_at(ledger, account, i < 3 ? i * 1000 : now - i * 400000000, &balance);
    }
    mp_read_stats(ledger, &stats);
    for (unsigned i = 0; mp_notice(ledger, i) != NULL; i++)
        ;
}

static void check_books(mp_ledger *ledger, const struct model *model)
{
    mp_balance balances[ACCOUNTS];

    read_balances(ledger, balances);
    MUST(memcmp(balances, model->balances, sizeof balances) == 0);
}

static void open_and_read(const struct patient *patient, struct damages damages)
{
    mp_options options = options_of(patient->sim, MP_OPEN_READ);
    mp_ledger *ledger;

    if (mp_open(DIRECTORY, &options, &ledger) != MP_OK) return;
    if (damages.count <= 1 && !damages.resummed) check_books(ledger, patient->model);
    read_all(ledger, sim_settings(patient->sim)->real_ns);
    (void)!mp_refresh(ledger);
    MUST(mp_close(ledger) == MP_OK);
}

static void open_and_write(const struct patient *patient, struct damages damages, unsigned flags,
                           bool book_more)
{
    mp_options options = options_of(patient->sim, flags);
    mp_ledger *ledger;

    if (mp_open(DIRECTORY, &options, &ledger) != MP_OK) return;
    if (damages.count <= 1 && !damages.resummed) check_books(ledger, patient->model);
    read_all(ledger, sim_settings(patient->sim)->real_ns);
    if (book_more && !damages.resummed) {
        mp_transfer transfer = {.id = 400,
                                .debit_account_id = 1,
                                .credit_account_id = 2,
                                .amount = 1,
                                .ledger = 1,
                                .code = 1};
        mp_result result;

        MUST(mp_create_transfers(ledger, &transfer, 1, &result) == MP_OK);
    }
    for (int i = 0; i < 50; i++) (void)mp_step(ledger, NULL);
    if (mp_close(ledger) != MP_OK) return;
    if (mp_open(DIRECTORY, &options, &ledger) == MP_OK) {
        (void)mp_close(ledger);
    } else {
        MUST(damages.resummed); /* what could be opened, and was sealed and closed, can be opened
                                   again */
    }
}

static void verify(const struct patient *patient, struct damages damages)
{
    mp_verify_report report;
    mp_status status = mp_verify(DIRECTORY, sim_env(patient->sim), 32u << 20, TEMPORARY, NULL, NULL,
                                 NULL, &report);

    MUST(damages.count > 0 || (status == MP_OK && report.problems == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    uint8_t how = input_u8(&input);
    bool large = (how & 7) == 7;
    struct patient patient = {.model = model_of(large)};
    struct damages damages;

    patient.sim = sim_clone(patient.model->sim);
    damages = damage(&patient, &input);
    open_and_read(&patient, damages);
    if ((how & 8) != 0 && (!large || how > 191)) verify(&patient, damages);
    if ((how & 16) == 0)
        open_and_write(&patient, damages, (how & 32) == 0 ? MP_OPEN_NO_RING : 0, (how & 64) != 0);
    sim_free(patient.sim);
    return 0;
}
