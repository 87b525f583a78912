/*
 * A service that says and reads events, its database, a bus; and their crashes. The service's table
 * `seen` gets a row for each event that it consumes: so what was applied, and how often, is what
 * the database says.
 */
#ifndef TESTS_ADAPTERS_STORE_WORLD_H
#define TESTS_ADAPTERS_STORE_WORLD_H

#include "bus/events.h"
#include "store/fake_bus.h"
#include "store/given.h"
#include "store/turn.h"
#include "support/test_loop.h"

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

enum bus_kind { BUS_FAKE, BUS_EMBEDDED };

struct world {
    const char *service; /* "payment" */
    enum bus_kind kind;
    struct loop *loop;
    struct bus *bus;
    struct store *store;
    struct turns *turns;
    char database[32], bus_file[32]; /* names of files; other ones after a crash */
    unsigned crashes;
    unsigned alerts;
    struct error alert;
    /* What consuming does: a key whose first byte is among these is refused */
    char refuses[32];
    enum outcome applies_with; /* of every event that isn't refused; DONE = it is applied */
    uint64_t again_at;         /* an event of this version answers AGAIN; 0 = none */
    bool consumes;
    unsigned applied; /* calls */
    unsigned said;    /* pieces that were told that what they said is durable */
};

/* Opens service "payment" with a new database and bus. */
void world_open(struct world *world, enum bus_kind kind);
void world_close(struct world *world);
/* Closes the service and opens it again. */
void world_restart(struct world *world);
/* The process dies and starts again: the database is what is on disk now; of what was published
 * and not confirmed, the fake bus keeps the first `kept`. Nothing has run when it returns. */
void world_crash(struct world *world, unsigned kept);
/* The database becomes a copy that was made before by world_save(). */
void world_save(struct world *world, const char *name);
void world_restore(struct world *world, const char *name);

void world_run(struct world *world);
void world_pass(struct world *world, uint64_t ns);
/* Runs until outbox and queue are empty; fails the test if that takes a minute. */
void world_settle(struct world *world);

/* Key number n; its first byte is n % 256. */
struct uuid world_key(unsigned number);
/* Adds a piece that says an event of type payment.failed: entity version `version` of the key. */
void world_say(struct world *world, unsigned key, unsigned version);
/* The same in one piece: many versions of many keys; REFUSED = refused after having said them. */
void world_say_many(struct world *world, unsigned keys, unsigned from, unsigned to,
                    enum outcome outcome);
/* Starts to consume payment.failed and fraud.risk.assessed as the group "payment". */
void world_consume(struct world *world);
enum outcome world_try_consume(struct world *world, enum consume_kind kind, struct error *err);

/* An event's text, as a publisher of its own would say it. */
const char *world_text(const char *source, uint64_t sequence, uint64_t prev, unsigned key,
                       unsigned version);

/* Rows of `seen`; of one key the versions in the order of applying, "1 2 3 ". */
int64_t world_seen(struct world *world);
const char *world_versions(struct world *world, unsigned key);

#endif
