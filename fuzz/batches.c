/* Turns bytes into batches of accounts, transfers and account updates over few ids, applies them to
 * a ledger and to the slow oracle of the tests, and compares: every result, all accounts, and what
 * must hold whatever was booked. Checkpoints, idling, opening again and sending a batch a second
 * time go on between.
 *
 * Events are stamped at whole seconds, idling and closing happen at half seconds: so it is never a
 * matter of a few nanoseconds whether a reservation has expired when nobody calls. */
#include "input.h"
#include "oracle/oracle.h"
#include "sim_env.h"

#include <micropay/micropay.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DIRECTORY "l"
#define TEMPORARY "t"
#define SECOND    1000000000u

enum {
    ACCOUNT_IDS = 14,
    ACCOUNTS_FIRST = 10, /* made at the start */
    BATCH_MAX = 12,
    REQUESTS_MAX = 3,
    STEPS_MAX = 100000,
    OPS_MAX = 200,
    IDS_MAX = 1024,
    RECENT = 8
};

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, mp_last_error());   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Ids given lately to events of a kind, for others to refer to. */
struct recent {
    mp_id ids[RECENT];
    unsigned count;
};

struct world {
    struct sim *sim;
    mp_env env;
    mp_options options;
    mp_ledger *ledger;
    oracle *judge;
    unsigned ids; /* 1 to so many were given to transfers and updates */
    struct recent pending, posted;
};

union events {
    mp_account accounts[BATCH_MAX];
    mp_transfer transfers[BATCH_MAX];
    mp_account_update updates[BATCH_MAX];
};

struct batch {
    uint32_t operation;
    uint32_t count;
    union events events;
    mp_result results[BATCH_MAX], expected[BATCH_MAX];
    mp_result_sums sums[BATCH_MAX], expected_sums[BATCH_MAX];
};

/* Both clocks: they stand still while the engine works, where the sim's own would go on. */
static uint64_t clock_ns;

static uint64_t clock_of(void *context)
{
    (void)context;
    return clock_ns;
}

/* --- events from bytes --- */

/* Most of them exist. */
static mp_id account_id(unsigned number)
{
    if (number < 12) return 1 + number % ACCOUNTS_FIRST;
    return number == 15 ? MP_U128_MAX : number == 12 ? 0 : number;
}

/* An odd id, one that was given before, or, mostly, a new one. */
static mp_id event_id(struct world *world, uint8_t byte)
{
    if (byte == 255) return MP_U128_MAX;
    if (byte == 254) return 0;
    if (byte >= 250) return MP_U128(byte, 7);
    if (byte >= 200 || world->ids == IDS_MAX) return world->ids - byte % (world->ids + 1);
    return ++world->ids;
}

static void recent_add(struct recent *recent, mp_id id)
{
    recent->ids[recent->count++ % RECENT] = id;
}

/* What an event refers to: mostly the newest ones. */
static mp_id recent_id(struct world *world, const struct recent *recent, uint8_t byte)
{
    unsigned back = byte % RECENT;

    if (byte >= 224) return event_id(world, byte);
    return recent->count > back ? recent->ids[(recent->count - 1 - back) % RECENT] : 1;
}

static mp_amount amount_of(uint8_t byte)
{
    static const mp_amount amounts[] = {0,
                                        1,
                                        2,
                                        10,
                                        100,
                                        1000,
                                        UINT32_MAX,
                                        UINT64_MAX,
                                        (mp_amount)1 << 63,
                                        (mp_amount)1 << 64,
                                        (mp_amount)1 << 127,
                                        MP_AMOUNT_MAX,
                                        MP_AMOUNT_MAX - 1,
                                        (((mp_amount)1 << 63) - 1),
                                        (mp_amount)5 << 60,
                                        ((mp_amount)1 << 56) - 1};

    return byte < 200 ? byte : amounts[byte % (sizeof amounts / sizeof *amounts)];
}

/* Instants before, within and after what has been booked. */
static uint64_t imported_time(uint8_t byte)
{
    if (byte < 200) return 1 + (uint64_t)byte * 10;
    if (byte < 240) return clock_ns - (uint64_t)(240 - byte) * SECOND;
    return byte < 250 ? clock_ns + byte - 245u : byte == 250 ? 0 : UINT64_MAX >> (byte - 251);
}

static void account_read(struct input *input, mp_account *event)
{
    uint8_t how = input_u8(input), who = input_u8(input);

    *event =
        (mp_account){.id = account_id(who & 15), .ledger = who >> 7, .code = 1, .flags = how & 7};
    event->ledger++;
    if ((how & 8) != 0)
        event->flags |= (uint16_t)(input_u8(input) & 0xf0u & (how < 128 ? 0xe0u : 0xffu));
    if ((how & 16) != 0)
        event->user_data_128 = event->user_data_64 = event->user_data_32 = input_u8(input) % 3;
    if ((how & 96) == 96) { /* odd */
        uint8_t odd = input_u8(input);

        if (odd == 0) event->ledger = 0;
        if (odd == 1) event->code = 0;
        if (odd == 2) event->reserved = 1;
        if (odd == 3) event->flags |= 1 << 9;
        if (odd >= 4 && odd < 8) (&event->debits_pending)[odd - 4] = 1;
        if (odd == 8) event->timestamp = 5;
    }
    if ((event->flags & MP_ACCOUNT_IMPORTED) != 0)
        event->timestamp = imported_time(input_u8(input));
}

static uint16_t transfer_flags(struct input *input, uint8_t kind)
{
    static const uint16_t flags[16] = {
        [5] = MP_TRANSFER_PENDING,      [6] = MP_TRANSFER_PENDING,
        [7] = MP_TRANSFER_POST_PENDING, [8] = MP_TRANSFER_POST_PENDING | MP_TRANSFER_KEEP_PENDING,
        [9] = MP_TRANSFER_VOID_PENDING, [10] = MP_TRANSFER_INCREASE_PENDING,
        [11] = MP_TRANSFER_REVERSAL,    [12] = MP_TRANSFER_BIND_ID,
        [13] = MP_TRANSFER_IMPORTED,
    };

    if (kind == 14)
        return (uint16_t)(input_u8(input) & 0xf3); /* balancing, closing, pending, linked */
    if (kind == 15) return (uint16_t)(input_u16(input) & 0x3fff);
    return flags[kind];
}

/* What is out of the ordinary with an event: bits 4 to 6 of its first byte. */
enum manner { LINKED = 1, USER_DATA = 2, ODD = 3, NAMES_ACCOUNTS = 4 };

static void transfer_odd(struct world *world, struct input *input, mp_transfer *event)
{
    uint8_t odd = input_u8(input);

    switch (odd % 16) {
    case 0: event->ledger = odd >> 4; break;
    case 1: event->code = odd >> 4; break;
    case 2: event->timeout = odd < 128 ? odd : UINT32_MAX; break;
    case 3: event->pending_id = event_id(world, odd); break;
    case 4: event->timestamp = odd; break;
    case 5: event->user_data_32 = odd; break;
    case 6: event->user_data_128 = (mp_u128)odd << 100; break;
    case 7: event->credit_account_id = event->debit_account_id; break;
    default: event->flags ^= (uint16_t)(1u << (odd >> 4)); break;
    }
}

static void transfer_read(struct world *world, struct input *input, mp_transfer *event)
{
    uint8_t how = input_u8(input), kind = how & 15, manner = how >> 4 & 7;
    uint8_t id = input_u8(input), who = input_u8(input), amount = input_u8(input);
    uint16_t flags = transfer_flags(input, kind);
    bool refers = kind >= 7 && kind <= 11; /* then accounts and the rest may be 0 */

    *event = (mp_transfer){.amount = amount_of(amount), .flags = flags};
    event->id = event_id(world, id);
    if (kind == 12) {
        event->amount = 0;
    } else if (!refers || manner == NAMES_ACCOUNTS) {
        event->debit_account_id = account_id(who & 15);
        event->credit_account_id = account_id(who >> 4);
        if (who >> 4 < 12 && event->credit_account_id == event->debit_account_id)
            event->credit_account_id = 1 + event->debit_account_id % ACCOUNTS_FIRST;
        event->ledger = event->code = 1;
        if (event->debit_account_id > 8) event->ledger = 2;
    }
    if (refers) {
        event->pending_id =
            recent_id(world, kind == 11 ? &world->posted : &world->pending, input_u8(input));
        if (amount % 4 == 1) event->amount = MP_AMOUNT_MAX;
        if (kind == 9 && amount % 4 != 2) event->amount = 0;
        if (kind == 10) event->timeout = input_u8(input) % 4;
    } else if ((flags & MP_TRANSFER_PENDING) != 0) {
        event->timeout = input_u8(input) % 8;
    }
    if (manner == LINKED) event->flags |= MP_TRANSFER_LINKED;
    if (manner == USER_DATA)
        event->user_data_128 = event->user_data_64 = event->user_data_32 = input_u8(input) % 3;
    if (manner == ODD) transfer_odd(world, input, event);
    if ((event->flags & MP_TRANSFER_IMPORTED) != 0)
        event->timestamp = imported_time(input_u8(input));
    recent_add((flags & MP_TRANSFER_PENDING) != 0 ? &world->pending : &world->posted, event->id);
}

static void update_read(struct world *world, struct input *input, mp_account_update *event)
{
    uint8_t how = input_u8(input), who = input_u8(input), id = input_u8(input);

    *event = (mp_account_update){.account_id = account_id(who & 15)};
    event->id = event_id(world, id);
    event->flags_set = (uint16_t)((how & 7) << 5);
    event->flags_clear = (uint16_t)((how >> 3 & 7) << 5);
    if ((how & 64) != 0) event->flags = MP_UPDATE_LINKED;
    if ((how & 128) != 0) event->user_data_128 = event->user_data_64 = event->code = who >> 4;
    if (how == 255) event->flags_set = 1;
    memset(event->ignored, how, sizeof event->ignored);
}

static void batch_read(struct world *world, struct input *input, uint32_t operation,
                       struct batch *batch)
{
    batch->operation = operation;
    batch->count = input_u8(input) % (BATCH_MAX + 1);
    for (uint32_t i = 0; i < batch->count; i++) {
        switch (operation) {
        case MP_CREATE_ACCOUNTS: account_read(input, &batch->events.accounts[i]); break;
        case MP_CREATE_TRANSFERS: transfer_read(world, input, &batch->events.transfers[i]); break;
        default: update_read(world, input, &batch->events.updates[i]); break;
        }
    }
}

/* --- the ledger --- */

static void world_open(struct world *world)
{
    MUST(mp_open(DIRECTORY, &world->options, &world->ledger) == MP_OK);
}

static void step_until_idle(struct world *world)
{
    bool worked = true;

    for (int i = 0; worked; i++) {
        MUST(i < STEPS_MAX);
        MUST(mp_step(world->ledger, &worked) == MP_OK);
    }
}

static void oracle_idle(struct world *world)
{
    while (oracle_expire(world->judge, oracle_block_time(world->judge, clock_ns),
                         ORACLE_EXPIRIES_MAX) > 0)
        ;
}

static void check_accounts(mp_ledger *ledger, const oracle *judge)
{
    mp_id ids[ACCOUNT_IDS];
    mp_account is[ACCOUNT_IDS], ought[ACCOUNT_IDS];
    mp_amount totals[4][4] = {{0}};
    uint32_t count, expected;

    for (unsigned i = 0; i < ACCOUNT_IDS; i++) ids[i] = i + 1;
    MUST(mp_lookup_accounts(ledger, ids, ACCOUNT_IDS, is, &count) == MP_OK);
    MUST(oracle_lookup_accounts(judge, ids, ACCOUNT_IDS, ought, &expected) == MP_OK);
    MUST(count == expected && memcmp(is, ought, count * sizeof *is) == 0);
    for (uint32_t i = 0; i < count; i++) {
        for (unsigned j = 0; j < 4; j++) totals[is[i].ledger & 3][j] += (&is[i].debits_pending)[j];
    }
    for (unsigned i = 0; i < 4; i++)
        MUST(totals[i][0] == totals[i][2] && totals[i][1] == totals[i][3]);
}

/* At the next half second: all that is due is released. */
static void settle(struct world *world)
{
    clock_ns += SECOND / 2;
    step_until_idle(world);
    oracle_idle(world);
    check_accounts(world->ledger, world->judge);
}

/* The next whole second. */
static void go_on(void) { clock_ns += SECOND / 2; }

/* --- batches --- */

static mp_status oracle_apply(struct world *world, struct batch *batch, uint64_t first)
{
    switch (batch->operation) {
    case MP_CREATE_ACCOUNTS:
        return oracle_create_accounts(world->judge, first, batch->events.accounts, batch->count,
                                      batch->expected);
    case MP_CREATE_TRANSFERS:
        return oracle_create_transfers(world->judge, first, batch->events.transfers, batch->count,
                                       batch->expected, batch->expected_sums);
    default:
        return oracle_update_accounts(world->judge, first, batch->events.updates, batch->count,
                                      batch->expected);
    }
}

/* Of every other batch: without them there is a shorter way. */
static bool wants_sums(const struct batch *batch)
{
    return batch->operation == MP_CREATE_TRANSFERS && batch->count % 2 == 0;
}

static void check_results(const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        const mp_result *is = &batch->results[i], *ought = &batch->expected[i];

        if (batch->operation == MP_CREATE_ACCOUNTS)
            MUST(mp_account_result_name(is->result) != NULL);
        else
            MUST(mp_transfer_result_name(is->result) != NULL);
        if (is->result != ought->result || is->timestamp != ought->timestamp ||
            is->bound_code != ought->bound_code) {
            fprintf(
                stderr,
                "event %u of operation %u: result %u, bound %u, time %llu; expected %u, %u, %llu\n",
                i, batch->operation, is->result, is->bound_code, (unsigned long long)is->timestamp,
                ought->result, ought->bound_code, (unsigned long long)ought->timestamp);
            abort();
        }
        MUST(is->reserved == 0 && (is->sequence == ought->sequence || is->sequence == 0));
        MUST(is->result != MP_CREATED || is->sequence != 0);
        if (wants_sums(batch) && is->result == MP_CREATED) {
            MUST(memcmp(&batch->sums[i], &batch->expected_sums[i], sizeof batch->sums[i]) == 0);
        }
    }
}

/* Hands over batches that go into one block. */
static void apply(struct world *world, struct batch *const *batches, unsigned count)
{
    mp_request requests[REQUESTS_MAX] = {{0}};
    uint64_t first = oracle_begin(world->judge, clock_ns);

    for (unsigned i = 0; i < count; i++) {
        struct batch *batch = batches[i];

        requests[i] = (mp_request){.operation = batch->operation,
                                   .count = batch->count,
                                   .events = &batch->events,
                                   .results = batch->results,
                                   .sums = wants_sums(batch) ? batch->sums : NULL};
        MUST(mp_submit(world->ledger, &requests[i]) == MP_OK);
        MUST(oracle_apply(world, batch, first) == MP_OK);
        first = oracle_block_time(world->judge, clock_ns);
    }
    for (unsigned i = 0; i < count; i++) {
        MUST(mp_wait(world->ledger, &requests[i]) == MP_OK);
        check_results(batches[i]);
    }
    check_accounts(world->ledger, world->judge);
}

static bool is_linked(const struct batch *batch, uint32_t i)
{
    switch (batch->operation) {
    case MP_CREATE_ACCOUNTS: return (batch->events.accounts[i].flags & MP_ACCOUNT_LINKED) != 0;
    case MP_CREATE_TRANSFERS: return (batch->events.transfers[i].flags & MP_TRANSFER_LINKED) != 0;
    default: return (batch->events.updates[i].flags & MP_UPDATE_LINKED) != 0;
    }
}

/* The same batch again: what was booked exists, an id that was bound stays so. */
static void apply_again(struct world *world, struct batch *batch)
{
    mp_result before[BATCH_MAX];

    memcpy(before, batch->results, sizeof before);
    apply(world, &batch, 1);
    for (uint32_t i = 0; i < batch->count; i++) {
        const mp_result *is = &batch->results[i];
        uint32_t exists =
            batch->operation == MP_CREATE_ACCOUNTS ? MP_ACCOUNT_EXISTS : MP_TRANSFER_EXISTS;

        if (is_linked(batch, i) || (i > 0 && is_linked(batch, i - 1))) {
            MUST(is->result != MP_CREATED || before[i].result != MP_CREATED);
        } else if (before[i].result == MP_CREATED) {
            MUST(is->result == exists && is->timestamp == before[i].timestamp);
            MUST(is->sequence == before[i].sequence || is->sequence == 0);
        } else if (batch->operation != MP_CREATE_ACCOUNTS &&
                   mp_transfer_result_binds(before[i].result)) {
            MUST(is->result == MP_TRANSFER_ID_ALREADY_FAILED && is->bound_code == before[i].result);
        }
    }
}

/* --- all that can be read --- */

static void compare_transfers(mp_ledger *ledger, const oracle *judge)
{
    enum { COUNT = IDS_MAX + 8 };
    static mp_id ids[COUNT];
    static mp_transfer is[COUNT], ought[COUNT];
    uint32_t count, expected;

    for (unsigned i = 0; i < COUNT; i++) ids[i] = i <= IDS_MAX ? i : MP_U128(i - IDS_MAX + 249, 7);
    MUST(mp_lookup_transfers(ledger, ids, COUNT, is, &count) == MP_OK);
    MUST(oracle_lookup_transfers(judge, ids, COUNT, ought, &expected) == MP_OK);
    MUST(count == expected && memcmp(is, ought, count * sizeof *is) == 0);
}

static void compare_history(mp_ledger *ledger, const oracle *judge, mp_id account)
{
    static mp_account_balance is[1024], ought[1024];
    static mp_transfer transfers[1024], expected_transfers[1024];
    mp_account_filter filter = {
        .account_id = account, .limit = 1000, .flags = MP_FILTER_DEBITS | MP_FILTER_CREDITS};
    uint32_t count, expected;

    if (account % 2 == 0) filter.flags |= MP_FILTER_REVERSED;
    MUST(mp_account_balances(ledger, &filter, is, &count) == MP_OK);
    MUST(oracle_account_balances(judge, &filter, ought, &expected) == MP_OK);
    MUST(count == expected);
    for (uint32_t i = 0; i < count; i++) {
        mp_balance then, expected_then;

        MUST(is[i].timestamp == ought[i].timestamp &&
             memcmp(&is[i].balance, &ought[i].balance, sizeof is[i].balance) == 0);
        MUST(mp_balance_at(ledger, account, is[i].timestamp - i % 2, &then) ==
             oracle_balance_at(judge, account, is[i].timestamp - i % 2, &expected_then));
        if (oracle_balance_at(judge, account, is[i].timestamp - i % 2, &expected_then) == MP_OK) {
            MUST(memcmp(&then, &expected_then, sizeof then) == 0);
        }
    }
    MUST(mp_account_transfers(ledger, &filter, transfers, &count) == MP_OK);
    MUST(oracle_account_transfers(judge, &filter, expected_transfers, &expected) == MP_OK);
    MUST(count == expected &&
         memcmp(transfers, expected_transfers, count * sizeof *transfers) == 0);
}

static void compare_changes(mp_ledger *ledger, const oracle *judge)
{
    static mp_change is[2048], ought[2048];
    mp_change_filter filter = {.limit = 2000};
    uint32_t count, expected;

    MUST(mp_changes(ledger, &filter, is, &count) == MP_OK);
    MUST(oracle_changes(judge, &filter, ought, &expected) == MP_OK);
    MUST(count == expected);
    for (uint32_t i = 0; i < count; i++) {
        MUST(is[i].type == ought[i].type && is[i].timestamp == ought[i].timestamp &&
             is[i].sequence == ought[i].sequence &&
             is[i].transfer.amount == ought[i].transfer.amount);
        MUST(memcmp(&is[i].debit, &ought[i].debit, sizeof is[i].debit) == 0);
    }
}

static void compare_all(mp_ledger *ledger, const oracle *judge)
{
    check_accounts(ledger, judge);
    compare_transfers(ledger, judge);
    for (mp_id account = 1; account <= ACCOUNT_IDS; account++)
        compare_history(ledger, judge, account);
    compare_changes(ledger, judge);
}

static void compare_reader(struct world *world)
{
    mp_options options = world->options;
    mp_ledger *reader;

    options.flags = MP_OPEN_READ;
    MUST(mp_open(DIRECTORY, &options, &reader) == MP_OK);
    compare_all(reader, world->judge);
    MUST(mp_close(reader) == MP_OK);
}

/* Whether a reservation has expired that nobody has released yet. */
static bool something_is_due(const oracle *judge)
{
    for (uint32_t i = 0; i < oracle_transfer_count(judge); i++) {
        mp_amount left;
        uint64_t expires;

        if (oracle_open_reservation(judge, i, &left, &expires) && expires != 0 &&
            expires <= clock_ns + SECOND / 2)
            return true;
    }
    return false;
}

/* All that was answered is there after a power cut. What the ledger does by itself meanwhile may be
 * there or not: so that is done before. */
static void world_cut(struct world *world)
{
    if (something_is_due(world->judge))
        settle(world);
    else
        clock_ns += SECOND / 2; /* times that refused events got may be given again */
    sim_crash_at(world->sim, 1);
    (void)mp_close(world->ledger);
    sim_power_cut(world->sim, SIM_CUT_RANDOM);
    world_open(world);
}

static void world_reopen(struct world *world)
{
    settle(world);
    MUST(mp_close(world->ledger) == MP_OK);
    world_open(world);
}

static void on_problem(void *user, const char *text)
{
    (void)user;
    fprintf(stderr, "verify: %s\n", text);
}

static void verify(struct world *world)
{
    mp_verify_report report;
    mp_stats stats;

    MUST(mp_verify(DIRECTORY, &world->env, 32u << 20, TEMPORARY, on_problem, NULL, NULL, &report) ==
         MP_OK);
    MUST(report.problems == 0);
    oracle_stats(world->judge, &stats);
    MUST(report.accounts == stats.accounts && report.transfers == stats.transfers &&
         report.expiries == stats.expiries && report.reservations_open == stats.reservations_open);
}

/* --- one run --- */

static void play(struct world *world, struct input *input)
{
    static struct batch batches[REQUESTS_MAX];
    struct batch *several[REQUESTS_MAX];
    bool applied = false;

    for (int i = 0; input->size > 0 && i < OPS_MAX; i++) {
        uint8_t op = input_u8(input);

        switch (op % 16) {
        case 0:
        case 1: batch_read(world, input, MP_CREATE_ACCOUNTS, &batches[0]); break;
        case 2: batch_read(world, input, MP_UPDATE_ACCOUNTS, &batches[0]); break;
        case 3: clock_ns += (uint64_t)(op >> 4) * SECOND; continue;
        case 4:
            settle(world);
            go_on();
            continue;
        case 5:
            if (op > 127)
                world_cut(world);
            else
                world_reopen(world);
            compare_all(world->ledger, world->judge);
            go_on();
            continue;
        case 6:
            if (applied) apply_again(world, &batches[0]);
            continue;
        case 7:
            for (unsigned j = 0; j < REQUESTS_MAX; j++) {
                batch_read(world, input,
                           j == 1 && op > 127 ? MP_UPDATE_ACCOUNTS : MP_CREATE_TRANSFERS,
                           &batches[j]);
                several[j] = &batches[j];
            }
            apply(world, several, REQUESTS_MAX);
            applied = false;
            continue;
        default: batch_read(world, input, MP_CREATE_TRANSFERS, &batches[0]); break;
        }
        several[0] = &batches[0];
        apply(world, several, 1);
        applied = true;
        if (op > 127) (void)!mp_step(world->ledger, NULL); /* the helper's turn */
    }
}

/* Accounts of two ledger numbers, some of them limited. */
static void make_accounts(struct world *world)
{
    static struct batch batch;
    struct batch *first = &batch;

    batch = (struct batch){.operation = MP_CREATE_ACCOUNTS, .count = ACCOUNTS_FIRST};
    for (unsigned i = 0; i < ACCOUNTS_FIRST; i++) {
        batch.events.accounts[i] = (mp_account){.id = i + 1, .ledger = i < 8 ? 1 : 2, .code = 1};
    }
    batch.events.accounts[5].flags = MP_ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS;
    batch.events.accounts[6].flags = MP_ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS;
    apply(world, &first, 1);
}

/* An empty ledger. */
static const struct sim *model(void)
{
    static struct sim *sim;

    if (sim == NULL) {
        mp_options options = {0};

        sim = sim_make(1);
        options.env = sim_env(sim);
        MUST(options.env->dir_make(options.env->context, TEMPORARY) == 0);
        MUST(mp_init(DIRECTORY, &options) == MP_OK);
    }
    return sim;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    uint8_t how = input_u8(&input);
    struct world world = {.sim = sim_clone(model()), .judge = oracle_new()};

    clock_ns = sim_settings(world.sim)->real_ns;
    world.env = *sim_env(world.sim);
    world.env.real_ns = world.env.boot_ns = clock_of;

    world.options = (mp_options){
        .flags = MP_OPEN_MANUAL | ((how & 1) == 0 ? MP_OPEN_NO_RING : 0u), /* the faster way */
        .memory_max = 32u << 20,
        .accounts_max = 1024,
        .reservations_max = 1024,
        .env = &world.env,
        .checkpoint_after = (how & 2) != 0 ? 1 : 0,
    };
    world_open(&world);
    if ((how & 16) == 0) make_accounts(&world); /* else history may be imported */
    play(&world, &input);
    settle(&world);
    compare_all(world.ledger, world.judge);
    if ((how & 4) != 0) compare_reader(&world);
    MUST(oracle_check(world.judge) == NULL);
    MUST(mp_close(world.ledger) == MP_OK);
    if ((how & 8) != 0) verify(&world);
    oracle_free(world.judge);
    sim_free(world.sim);
    return 0;
}
