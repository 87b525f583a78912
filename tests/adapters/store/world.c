#include "store/world.h"

#include "wire/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct error err;

static const struct migrations tables = {(const struct migration[]){
    {1, "0001_seen",
     "CREATE TABLE seen (number BIGINT PRIMARY KEY, key BYTEA NOT NULL, version BIGINT NOT NULL);"
     "CREATE TABLE counter (only SMALLINT PRIMARY KEY, value BIGINT NOT NULL);"
     "INSERT INTO counter VALUES (1, 0);"},
    {0, NULL, NULL}}};
static const struct store_statement count_on = {"count", "UPDATE counter SET value = value + 1"};
static const struct store_statement insert = {
    "store what was seen",
    "INSERT INTO seen (number, key, version) SELECT value, $1, $2 FROM counter"};

static const struct turn_hooks hooks = {0};

static void on_alert(void *context, const struct error *why)
{
    struct world *world = context;

    world->alerts++;
    world->alert = *why;
}

/* --- opening and closing --- */

static void open_bus(struct world *world)
{
    char url[320];
    struct bus_config config = {.url = url};

    if (world->kind == BUS_FAKE) {
        if (world->bus == NULL) world->bus = fake_bus_make(world->loop);
        return;
    }
    snprintf(url, sizeof url, "embedded:%s", given_path(world->bus_file));
    expect_done(bus_open(&config, world->loop, &world->bus, &err));
}

static void open_service(struct world *world)
{
    char source[40];

    world->store = given_migrated(world->database, &tables);
    snprintf(source, sizeof source, "/%s", world->service);
    expect_done(turns_open(world->loop, world->store, world->bus, source, &hooks, world,
                           &world->turns, &err));
    turns_on_alert(world->turns, on_alert);
    if (world->consumes) world_consume(world);
}

void world_open(struct world *world, enum bus_kind kind)
{
    given_directory();
    *world = (struct world){.service = "payment", .kind = kind, .loop = test_loop_make(NULL)};
    snprintf(world->database, sizeof world->database, "a0.db");
    snprintf(world->bus_file, sizeof world->bus_file, "bus0.db");
    open_bus(world);
    open_service(world);
}

/* Ends the service; of what the bus was given and has not confirmed it keeps the first `kept`. */
static void end_service(struct world *world, unsigned kept)
{
    turns_close(world->turns);
    if (world->kind == BUS_FAKE)
        fake_bus_crash(world->bus, kept);
    else
        bus_close(world->bus);
    test_loop_run(world->loop);
    store_close(world->store);
}

void world_close(struct world *world)
{
    end_service(world, 0);
    if (world->kind == BUS_FAKE) fake_bus_free(world->bus);
    test_loop_free(world->loop);
    given_end();
}

void world_restart(struct world *world)
{
    end_service(world, 0);
    open_bus(world);
    open_service(world);
}

static void copy_database(const char *from, const char *to)
{
    char from_wal[64], to_wal[64];

    given_copy(given_path(from), given_path(to));
    snprintf(from_wal, sizeof from_wal, "%s-wal", from);
    snprintf(to_wal, sizeof to_wal, "%s-wal", to);
    given_copy(given_path(from_wal), given_path(to_wal));
}

void world_crash(struct world *world, unsigned kept)
{
    char database[32], bus_file[32];

    world->crashes++;
    snprintf(database, sizeof database, "a%u.db", world->crashes);
    snprintf(bus_file, sizeof bus_file, "bus%u.db", world->crashes);
    copy_database(world->database, database);
    if (world->kind == BUS_EMBEDDED) copy_database(world->bus_file, bus_file);
    end_service(world, kept);
    memcpy(world->database, database, sizeof database);
    memcpy(world->bus_file, bus_file, sizeof bus_file);
    open_bus(world);
    open_service(world);
}

void world_save(struct world *world, const char *name) { copy_database(world->database, name); }

void world_restore(struct world *world, const char *name)
{
    end_service(world, 0);
    snprintf(world->database, sizeof world->database, "%s", name);
    open_bus(world);
    open_service(world);
}

/* --- running --- */

void world_run(struct world *world) { test_loop_run(world->loop); }

void world_pass(struct world *world, uint64_t ns) { test_loop_pass(world->loop, ns); }

static bool is_settled(void *context)
{
    struct turns_state state;

    turns_state(((struct world *)context)->turns, &state);
    return state.waiting == 0 && !state.working && state.outbox_rows == 0 && state.lag == 0;
}

void world_settle(struct world *world)
{
    cr_assert(test_loop_until(world->loop, is_settled, world, 60 * S), "it has not come to rest");
    test_loop_run(world->loop);
}

/* --- saying --- */

struct uuid world_key(unsigned number)
{
    return (struct uuid){.bytes = {(uint8_t)number, (uint8_t)(number >> 8), 0xee}};
}

struct say {
    struct work work;
    struct world *world;
    unsigned first, keys, from, to;
    enum outcome outcome;
};

static struct payment_failed_event failed(unsigned key)
{
    return (struct payment_failed_event){
        .payment = world_key(key),
        .kind = PAYMENT_KIND_PAYMENT,
        .status = PAYMENT_STATUS_FAILED,
        .payer = {world_key(1)},
        .payee = {world_key(2)},
        .currency = {"EUR"},
        .amount = {1250, 2},
        .reason = reason_row(REASON_INSUFFICIENT_FUNDS)->name,
    };
}

static enum outcome say(struct work *work, struct turn *turn, struct error *out)
{
    struct say *piece = (struct say *)work;

    for (unsigned version = piece->from; version <= piece->to; version++) {
        for (unsigned key = piece->first; key < piece->first + piece->keys; key++) {
            struct payment_failed_event data = failed(key);
            struct turn_event event = {
                .type = EVENT_TYPE(payment_failed),
                .data = &data,
                .tenant = "main",
                .key = world_key(key),
                .time_ns = turn_now_ns(turn),
                .entity_version = version,
            };

            if (turn_event(turn, &event, out) != OUTCOME_DONE) return out->outcome;
        }
    }
    if (piece->outcome == OUTCOME_DONE) return OUTCOME_DONE;
    error_set(out, REASON_CONFLICT, "no, as the test wants it");
    return out->outcome = piece->outcome;
}

static void said(struct work *work, enum outcome outcome, const struct error *why)
{
    (void)why;
    if (outcome == OUTCOME_DONE) ((struct say *)work)->world->said++;
    free(work);
}

static void add_say(struct world *world, struct say say_what)
{
    struct say *piece = need_memory(sizeof *piece);

    *piece = say_what;
    piece->world = world;
    piece->work = (struct work){.apply = say, .done = said};
    turns_add(world->turns, &piece->work);
}

void world_say(struct world *world, unsigned key, unsigned version)
{
    add_say(world, (struct say){.first = key, .keys = 1, .from = version, .to = version});
}

void world_say_many(struct world *world, unsigned keys, unsigned from, unsigned to,
                    enum outcome outcome)
{
    add_say(world, (struct say){.keys = keys, .from = from, .to = to, .outcome = outcome});
}

const char *world_text(const char *source, uint64_t sequence, uint64_t prev, unsigned key,
                       unsigned version)
{
    static struct buffer text;
    struct payment_failed_event data = failed(key);
    struct envelope envelope = {
        .id = {.bytes = {1, 2, 3, (uint8_t)key, (uint8_t)version, (uint8_t)sequence}},
        .subject = world_key(key),
        .time_ns = UINT64_C(1767225600000000000),
        .tenant = "main",
        .entity_version = version,
    };

    buffer_clear(&text);
    envelope_print_head(source, sequence, prev, &text);
    envelope_print_body(&envelope, EVENT_TYPE(payment_failed), &data, &text);
    return buffer_str(&text);
}

/* --- consuming --- */

static enum outcome apply(void *service, struct turn *turn, const struct consumed *event,
                          struct error *out)
{
    struct world *world = service;
    struct store_value arguments[] = {store_bytes(event->key.bytes, sizeof event->key.bytes),
                                      store_integer((int64_t)event->entity_version)};

    world->applied++;
    /* what a refused one must not leave behind */
    if (turn_timer_set(turn, 1, event->key, turn_now_ns(turn) + 3600 * S, out) != OUTCOME_DONE)
        return out->outcome;
    if (strchr(world->refuses, event->key.bytes[0]) != NULL && event->key.bytes[0] != 0)
        return error_set(out, REASON_INVALID_REQUEST, "cannot apply it, as the test wants it");
    if (world->again_at > 0 && world->again_at == event->entity_version)
        return error_set(out, REASON_CONFLICT, "could not apply it yet, as the test wants it");
    if (world->applies_with != OUTCOME_DONE) {
        error_set(out, REASON_CONFLICT, "could not apply it, as the test wants it");
        return out->outcome = world->applies_with;
    }
    if (store_exec(turn_store(turn), &count_on, NULL, 0, 1, out) != OUTCOME_DONE)
        return out->outcome;
    return store_exec(turn_store(turn), &insert, arguments, 2, 1, out);
}

enum outcome world_try_consume(struct world *world, enum consume_kind kind, struct error *out)
{
    static struct consume pure[] = {
        {.type = "payment.failed", .major = 1, .kind = CONSUME_PURE, .apply = apply}, {0}};
    static struct consume acting[] = {
        {.type = "payment.failed", .major = 1, .kind = CONSUME_ACTING, .apply = apply}, {0}};

    return turns_consume(world->turns, "payment", kind == CONSUME_PURE ? pure : acting, out);
}

void world_consume(struct world *world)
{
    world->consumes = true;
    expect_done(world_try_consume(world, CONSUME_PURE, &err));
}

int64_t world_seen(struct world *world)
{
    return given_number(world->store, "SELECT COUNT(*) FROM seen");
}

static const struct store_statement versions = {
    "read what was seen", "SELECT version FROM seen WHERE key = $1 ORDER BY number"};

static void on_version(void *context, const struct store_row *row)
{
    buffer_format(context, "%lld ", (long long)store_read_integer(row, 0));
}

const char *world_versions(struct world *world, unsigned key)
{
    static struct buffer text;
    struct uuid id = world_key(key);
    struct store_value argument = store_bytes(id.bytes, sizeof id.bytes);

    buffer_clear(&text);
    expect_done(store_begin(world->store, &err));
    expect_done(store_query(world->store, &versions, &argument, 1, on_version, &text, &err));
    expect_done(store_commit(world->store, &err));
    return buffer_str(&text);
}
