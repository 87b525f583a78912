/*
 * What a store promises: one database of one service, transactions, prepared statements, rows.
 *
 * The embedded store is SQLite in WAL mode, each commit durable. PostgreSQL fills the same struct:
 * statements are asked for first and answered at store_sync(), so that a batch is one round trip.
 * Used by one thread at a time, which may not be the loop's. Instances begin with struct store.
 *
 * SQL is the part that both speak: BIGINT, TEXT, BYTEA, SMALLINT; parameters $1 to $N; INSERT ...
 * ON CONFLICT; RETURNING. A comment that says "clustered", between a table's closing bracket and
 * the semicolon, asks for a table kept in order of its primary key where the store can. That is for
 * short rows, and for keys that rise. Wide rows under random keys are better left in the order in
 * which they come: those of one turn then share pages, and so do the index entries of their keys
 * (bench/store: less than half the time of a turn).
 *
 * An error sticks: once a call of a transaction has failed, every later one up to its commit
 * answers the same, and nothing of the transaction holds. Statements are named by what they do,
 * "store a payment": messages say "could not store a payment".
 */
#ifndef ADAPTERS_STORE_STORE_H
#define ADAPTERS_STORE_STORE_H

#include "runtime/error.h"
#include "wire/ids.h"

enum store_kind { STORE_NULL, STORE_INTEGER, STORE_TEXT, STORE_BYTES };

struct store_value {
    enum store_kind kind;
    int64_t integer;
    const void *bytes; /* lent; TEXT needs no NUL */
    size_t length;
};

#define STORE_ARGUMENTS_MAX 64

/* A statement; static: its address is its identity, it is prepared once a store. */
struct store_statement {
    const char *name;
    const char *sql;
};

/* A row of an answer, lent while on_row runs. */
struct store_row {
    const struct store_value *values;
    unsigned count;
};
typedef void (*store_on_row)(void *context, const struct store_row *row);

struct store_config {
    const char *url;      /* "sqlite:DIR/payment.db", "sqlite::memory:" */
    uint64_t cache_bytes; /* 0 = the default */
};

struct store;

struct store_ops {
    const char *scheme; /* of the url */
    /* Must. On failure *out stays as it was. Makes the database if there is none. */
    enum outcome (*open)(const struct store_config *config, struct store **out, struct error *err);
    /* Must. Begins a transaction for writing. */
    enum outcome (*begin)(struct store *store, struct error *err);
    /* Must. Asks for rows; on_row is called for each, at the latest inside sync. Arguments are
     * copied. */
    enum outcome (*query)(struct store *store, const struct store_statement *statement,
                          const struct store_value *arguments, unsigned count, store_on_row on_row,
                          void *context, struct error *err);
    /* Must. Changes rows. `rows` >= 0: that many must be changed, else the answer, here or at the
     * latest at sync or commit, is OUTCOME_AGAIN with REASON_CONFLICT. */
    enum outcome (*exec)(struct store *store, const struct store_statement *statement,
                         const struct store_value *arguments, unsigned count, int64_t rows,
                         struct error *err);
    /* Must. The statement's memory is about to be something else: what was prepared of it is
     * dropped. Nothing of it may be unanswered. */
    void (*forget)(struct store *store, const struct store_statement *statement);
    /* Must. All that was asked for has been answered when it returns. */
    enum outcome (*sync)(struct store *store, struct error *err);
    /* Must. Durable on OUTCOME_DONE; OUTCOME_UNKNOWN: either; on others nothing holds. The
     * transaction is over. */
    enum outcome (*commit)(struct store *store, struct error *err);
    /* Must. Never fails. */
    void (*rollback)(struct store *store);
    /* Must. Runs a script of several statements (migrations), inside a transaction. */
    enum outcome (*script)(struct store *store, const char *sql, struct error *err);
    /* Must. Takes the lock under which migrations run; ends with the transaction. */
    enum outcome (*lock)(struct store *store, struct error *err);
    void (*close)(struct store *store);
};

struct store {
    const struct store_ops *ops;
    /* Counters, for metrics and the bench: any thread may look, by store_counted(). */
    uint64_t commits, rows_written, statements;
};

/* The store's own thread alone counts. */
static inline void store_count(uint64_t *counter, uint64_t more)
{
    __atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED);
}
static inline uint64_t store_counted(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* The embedded one: store_sqlite.c */
extern const struct store_ops store_sqlite_ops;

/* Opens by the url's scheme. */
enum outcome store_open(const struct store_config *config, struct store **out,
                        struct error *err) MUST_USE;
void store_close(struct store *store); /* NULL is allowed */

MUST_USE static inline enum outcome store_begin(struct store *store, struct error *err)
{
    return store->ops->begin(store, err);
}
MUST_USE static inline enum outcome store_query(struct store *store,
                                                const struct store_statement *statement,
                                                const struct store_value *arguments, unsigned count,
                                                store_on_row on_row, void *context,
                                                struct error *err)
{
    return store->ops->query(store, statement, arguments, count, on_row, context, err);
}
MUST_USE static inline enum outcome store_exec(struct store *store,
                                               const struct store_statement *statement,
                                               const struct store_value *arguments, unsigned count,
                                               int64_t rows, struct error *err)
{
    return store->ops->exec(store, statement, arguments, count, rows, err);
}
static inline void store_forget(struct store *store, const struct store_statement *statement)
{
    store->ops->forget(store, statement);
}
MUST_USE static inline enum outcome store_sync(struct store *store, struct error *err)
{
    return store->ops->sync(store, err);
}
MUST_USE static inline enum outcome store_commit(struct store *store, struct error *err)
{
    return store->ops->commit(store, err);
}
static inline void store_rollback(struct store *store) { store->ops->rollback(store); }

static inline struct store_value store_integer(int64_t integer)
{
    return (struct store_value){.kind = STORE_INTEGER, .integer = integer};
}
static inline struct store_value store_bytes(const void *bytes, size_t length)
{
    return (struct store_value){.kind = STORE_BYTES, .bytes = bytes, .length = length};
}
/* NULL becomes an SQL NULL. */
struct store_value store_text(const char *text);
/* All zero becomes an SQL NULL. */
struct store_value store_uuid(const struct uuid *id);
/* Reading a column; those of another kind, NULL among them, give 0, "", zeros. */
int64_t store_read_integer(const struct store_row *row, unsigned column);
struct uuid store_read_uuid(const struct store_row *row, unsigned column);
/* Copies a text with its NUL, cut to fit. */
void store_read_text(const struct store_row *row, unsigned column, char *out, size_t size);

/* --- migrations --- */

/* Numbered from 1 without gaps; embedded from services/NAME/migrations/NNNN_what.sql. */
struct migration {
    unsigned number;
    const char *name;
    const char *sql;
};
/* Ended by one without name. */
struct migrations {
    const struct migration *rows;
};
/* Applies what is missing, each in a transaction, under the lock; refuses a database that has a
 * migration which this program doesn't know, or one whose text has changed. Applies those of the
 * adapters (outbox, inbox, parked, timers) first; `migrations` NULL = these alone. */
enum outcome store_migrate(struct store *store, const struct migrations *migrations,
                           struct error *err) MUST_USE;

#endif
