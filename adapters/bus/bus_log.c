/*
 * One table. A row's id is topic, partition and position in one 63-bit number, so that a partition
 * is a range of ids, its newest row is found by one descent, and a row costs no index beside the
 * table.
 */
#include "bus/bus_log.h"

#include "bus/topics.h"
#include "wire/buffer.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FORMAT = 1,
    POSITION_BITS = 44,
    PARTITION_BITS = 10,
    TOPICS_MAX = 1 << (63 - POSITION_BITS - PARTITION_BITS),
    PARTITIONS_MAX = 1 << PARTITION_BITS,
};

struct span {
    uint64_t oldest, newest;    /* committed; oldest = newest + 1: empty */
    uint64_t appended, touched; /* newest of the open transaction, and which one that is */
};

/* A topic as this database knows it. */
struct log_topic {
    int64_t number;
    struct span *spans; /* a partition each */
};

enum statement {
    BEGIN,
    COMMIT,
    ROLLBACK,
    APPEND,
    READ,
    AGES,
    TRIM,
    KEEP_NEWEST,
    EDGES,
    STATEMENTS,
};

struct bus_log {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    struct log_topic topics[TOPIC_COUNT];
    uint64_t transaction;  /* number of the open one, or of the last */
    struct span **changed; /* by the open transaction */
    unsigned changed_count, changed_room;
};

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS topics("
    " number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, partitions INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS records("
    " id INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL);"
    /* newest id of a partition whose records were all dropped: it is never given again */
    "CREATE TABLE IF NOT EXISTS newest(partition INTEGER PRIMARY KEY, id INTEGER NOT NULL);";

static const char edges[] =
    "SELECT (SELECT min(id) FROM records WHERE id BETWEEN ?1 AND ?2),"
    " max(coalesce((SELECT max(id) FROM records WHERE id BETWEEN ?1 AND ?2), 0),"
    " coalesce((SELECT id FROM newest WHERE partition = ?1), 0))";
static const char *const texts[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [APPEND] = "INSERT INTO records(id, time_ns, key, value) VALUES (?1, ?2, ?3, ?4)",
    [READ] = "SELECT id, key, value FROM records WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
    [AGES] = "SELECT id, time_ns FROM records WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3",
    [TRIM] = "DELETE FROM records WHERE id BETWEEN ?1 AND ?2",
    [KEEP_NEWEST] = "INSERT OR REPLACE INTO newest(partition, id) VALUES (?1, ?2)",
    [EDGES] = edges,
};

/* --- ids --- */

static const struct log_topic *topic_of(const struct bus_log *log, const struct topic *topic)
{
    assert(topic >= topics && topic < topics + TOPIC_COUNT);
    return &log->topics[topic - topics];
}

static struct span *span_of(const struct bus_log *log, const struct topic *topic,
                            unsigned partition)
{
    assert(partition < topic->partitions);
    return &topic_of(log, topic)->spans[partition];
}

static int64_t id_of(const struct bus_log *log, const struct topic *topic, unsigned partition,
                     uint64_t position)
{
    int64_t number = topic_of(log, topic)->number;

    assert(position >> POSITION_BITS == 0);
    return number << (POSITION_BITS + PARTITION_BITS) | (int64_t)partition << POSITION_BITS |
           (int64_t)position;
}

static uint64_t position_of(int64_t id)
{
    return (uint64_t)id & ((UINT64_C(1) << POSITION_BITS) - 1);
}

/* --- SQLite --- */

static enum outcome failed(struct bus_log *log, int code, const char *what, struct error *err)
{
    const char *why = sqlite3_errmsg(log->db);

    switch (code & 0xff) {
    case SQLITE_FULL: error_set(err, REASON_OUT_OF_SPACE, "could not %s: no space", what); break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: error_set(err, REASON_CORRUPT, "cannot %s: it is damaged", what); break;
    default: error_set(err, REASON_BUS_UNREACHABLE, "could not %s", what);
    }
    error_detail(err, "SQLite says: %s (%d).", why, sqlite3_extended_errcode(log->db));
    return err->outcome;
}

/* Runs a statement that has no rows. */
static int run(struct bus_log *log, enum statement statement)
{
    sqlite3_stmt *prepared = log->statements[statement];
    int code = sqlite3_step(prepared);

    sqlite3_reset(prepared);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static void bind_range(sqlite3_stmt *prepared, int64_t low, int64_t high)
{
    sqlite3_bind_int64(prepared, 1, low);
    sqlite3_bind_int64(prepared, 2, high);
}

/* --- opening --- */

static enum outcome open_database(struct bus_log *log, const char *path, struct error *err)
{
    static const char settings[] = "PRAGMA locking_mode = EXCLUSIVE;" /* no shared memory */
                                   "PRAGMA journal_mode = WAL;"
                                   "PRAGMA synchronous = FULL;"
                                   "PRAGMA wal_autocheckpoint = 4000;" /* pages: 16 MiB */
                                   "PRAGMA cache_size = -4096;"        /* KiB */
                                   "PRAGMA temp_store = MEMORY;";
    int code = sqlite3_open_v2(
        path, &log->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);

    if (code == SQLITE_OK) code = sqlite3_exec(log->db, settings, NULL, NULL, NULL);
    if (code == SQLITE_OK) code = sqlite3_exec(log->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (code == SQLITE_OK) return OUTCOME_DONE;
    failed(log, code, "open the bus", err);
    error_hint(err, (code & 0xff) == SQLITE_BUSY
                        ? "Another process has it open: stop that one first."
                        : "Look whether the folder of bus_url exists and can be written to.");
    return err->outcome;
}

static enum outcome check_format(struct bus_log *log, struct error *err)
{
    sqlite3_stmt *statement;
    int format = -1;

    if (sqlite3_prepare_v2(log->db, "PRAGMA user_version", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        format = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    if (format == 0 || format == FORMAT) return OUTCOME_DONE;
    error_set(err, REASON_BAD_SETTING, "cannot open the bus: it was made by a newer release");
    error_detail(err, "Its format is %d, this program's %d.", format, FORMAT);
    return err->outcome;
}

/* The topic's number in the database, given when it is first met. */
static enum outcome find_topic(struct bus_log *log, const struct topic *topic, struct error *err)
{
    static const char add[] = "INSERT OR IGNORE INTO topics(number, name, partitions) VALUES"
                              " ((SELECT coalesce(max(number), 0) + 1 FROM topics), ?1, ?2)";
    static const char find[] = "SELECT number, partitions FROM topics WHERE name = ?1";
    int64_t partitions = -1, number = -1;
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(log->db, add, -1, &statement, NULL);

    sqlite3_bind_text(statement, 1, topic->name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, topic->partitions);
    if (code == SQLITE_OK) code = sqlite3_step(statement);
    sqlite3_finalize(statement);
    if (code != SQLITE_DONE) return failed(log, code, "open the bus", err);

    code = sqlite3_prepare_v2(log->db, find, -1, &statement, NULL);
    sqlite3_bind_text(statement, 1, topic->name, -1, SQLITE_STATIC);
    if (code == SQLITE_OK) code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        number = sqlite3_column_int64(statement, 0);
        partitions = sqlite3_column_int64(statement, 1);
    }
    sqlite3_finalize(statement);
    if (code != SQLITE_ROW) return failed(log, code, "open the bus", err);
    if (partitions != topic->partitions || number >= TOPICS_MAX) {
        error_set(err, REASON_BAD_SETTING, "cannot open the bus: %s has %lld partitions, not %u",
                  topic->name, (long long)partitions, topic->partitions);
        error_hint(err, "Partitions never change: make a topic %s.v2 instead.", topic->name);
        return err->outcome;
    }
    log->topics[topic - topics].number = number;
    return OUTCOME_DONE;
}

static enum outcome find_edges(struct bus_log *log, const struct topic *topic, unsigned partition,
                               struct error *err)
{
    sqlite3_stmt *prepared = log->statements[EDGES];
    struct span *span = span_of(log, topic, partition);
    int code;

    bind_range(prepared, id_of(log, topic, partition, 0),
               id_of(log, topic, partition, (UINT64_C(1) << POSITION_BITS) - 1));
    code = sqlite3_step(prepared);
    if (code == SQLITE_ROW) {
        span->newest = position_of(sqlite3_column_int64(prepared, 1));
        span->oldest = sqlite3_column_type(prepared, 0) == SQLITE_NULL
                           ? span->newest + 1
                           : position_of(sqlite3_column_int64(prepared, 0));
    }
    sqlite3_reset(prepared);
    return code == SQLITE_ROW ? OUTCOME_DONE : failed(log, code, "open the bus", err);
}

static enum outcome find_topics(struct bus_log *log, struct error *err)
{
    for (const struct topic *topic = topics; topic->name != NULL; topic++) {
        enum outcome outcome = find_topic(log, topic, err);

        if (outcome != OUTCOME_DONE) return outcome;
        assert(topic->partitions <= PARTITIONS_MAX);
        log->topics[topic - topics].spans = need_memory(topic->partitions * sizeof(struct span));
        for (unsigned i = 0; i < topic->partitions; i++) {
            outcome = find_edges(log, topic, i, err);
            if (outcome != OUTCOME_DONE) return outcome;
        }
    }
    return OUTCOME_DONE;
}

/* Everything of opening that happens in its one transaction. */
static enum outcome set_up(struct bus_log *log, struct error *err)
{
    char mark[40];
    int code;
    enum outcome outcome = check_format(log, err);

    if (outcome != OUTCOME_DONE) return outcome;
    code = sqlite3_exec(log->db, schema, NULL, NULL, NULL);
    snprintf(mark, sizeof mark, "PRAGMA user_version = %d", FORMAT);
    if (code == SQLITE_OK) code = sqlite3_exec(log->db, mark, NULL, NULL, NULL);
    for (unsigned i = 0; i < STATEMENTS && code == SQLITE_OK; i++)
        code = sqlite3_prepare_v3(log->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                  &log->statements[i], NULL);
    if (code != SQLITE_OK) return failed(log, code, "open the bus", err);
    outcome = find_topics(log, err);
    if (outcome != OUTCOME_DONE) return outcome;
    code = run(log, COMMIT);
    return code == SQLITE_OK ? OUTCOME_DONE : failed(log, code, "open the bus", err);
}

enum outcome bus_log_open(const char *path, struct bus_log **out, struct error *err)
{
    struct bus_log *log = need_memory(sizeof *log);
    enum outcome outcome = open_database(log, path, err);

    if (outcome == OUTCOME_DONE) outcome = set_up(log, err);
    if (outcome == OUTCOME_DONE)
        *out = log;
    else
        bus_log_close(log);
    return outcome;
}

void bus_log_close(struct bus_log *log)
{
    for (unsigned i = 0; i < STATEMENTS; i++) sqlite3_finalize(log->statements[i]);
    sqlite3_close(log->db);
    for (unsigned i = 0; i < TOPIC_COUNT; i++) free(log->topics[i].spans);
    free(log->changed);
    free(log);
}

uint64_t bus_log_newest(const struct bus_log *log, const struct topic *topic, unsigned partition)
{
    return span_of(log, topic, partition)->newest;
}

uint64_t bus_log_oldest(const struct bus_log *log, const struct topic *topic, unsigned partition)
{
    return span_of(log, topic, partition)->oldest;
}

/* --- appending --- */

enum outcome bus_log_begin(struct bus_log *log, struct error *err)
{
    int code = run(log, BEGIN);

    log->transaction++;
    log->changed_count = 0;
    return code == SQLITE_OK ? OUTCOME_DONE : failed(log, code, "write to the bus", err);
}

/* Remembers that the open transaction appends to a partition. */
static void touch(struct bus_log *log, struct span *span)
{
    if (span->touched == log->transaction) return;
    span->touched = log->transaction;
    span->appended = span->newest;
    if (log->changed_count == log->changed_room) {
        log->changed_room = log->changed_room > 0 ? 2 * log->changed_room : 64;
        log->changed = need_more_memory(log->changed, log->changed_room * sizeof(struct span *));
    }
    log->changed[log->changed_count++] = span;
}

enum outcome bus_log_append(struct bus_log *log, const struct bus_record *record, uint64_t now_ns,
                            uint64_t *out_position, struct error *err)
{
    struct span *span = span_of(log, record->topic, record->partition);
    sqlite3_stmt *prepared = log->statements[APPEND];
    int code;

    touch(log, span);
    sqlite3_bind_int64(prepared, 1,
                       id_of(log, record->topic, record->partition, span->appended + 1));
    sqlite3_bind_int64(prepared, 2, (int64_t)now_ns);
    sqlite3_bind_blob(prepared, 3, record->key.bytes, sizeof record->key.bytes, SQLITE_STATIC);
    sqlite3_bind_blob64(prepared, 4, record->value, record->length, SQLITE_STATIC);
    code = run(log, APPEND);
    if (code != SQLITE_OK) return failed(log, code, "write to the bus", err);
    *out_position = ++span->appended;
    return OUTCOME_DONE;
}

enum outcome bus_log_commit(struct bus_log *log, struct error *err)
{
    int code = run(log, COMMIT);

    if (code != SQLITE_OK) {
        enum outcome outcome = failed(log, code, "write to the bus", err);

        /* The disk may have the end of the transaction without having said so. */
        if ((code & 0xff) == SQLITE_IOERR) outcome = err->outcome = OUTCOME_UNKNOWN;
        bus_log_rollback(log);
        return outcome;
    }
    return OUTCOME_DONE;
}

void bus_log_show(struct bus_log *log)
{
    for (unsigned i = 0; i < log->changed_count; i++)
        log->changed[i]->newest = log->changed[i]->appended;
}

void bus_log_rollback(struct bus_log *log)
{
    /* an error may have ended the transaction already */
    if (sqlite3_get_autocommit(log->db) == 0) run(log, ROLLBACK);
    log->changed_count = 0;
    log->transaction++;
}

/* --- reading --- */

enum outcome bus_log_read(struct bus_log *log, const struct topic *topic, unsigned partition,
                          uint64_t after, unsigned most,
                          bool (*on_row)(void *context, const struct log_row *row), void *context,
                          struct error *err)
{
    sqlite3_stmt *prepared = log->statements[READ];
    uint64_t newest = bus_log_newest(log, topic, partition);
    uint64_t last = newest - after > most ? after + most : newest;
    bool wanted = true;
    int code = SQLITE_DONE;

    bind_range(prepared, id_of(log, topic, partition, after + 1),
               id_of(log, topic, partition, last));
    while (after < last && wanted && (code = sqlite3_step(prepared)) == SQLITE_ROW) {
        struct log_row row = {.position = position_of(sqlite3_column_int64(prepared, 0))};

        if (row.position != after + 1 ||
            sqlite3_column_bytes(prepared, 1) != (int)sizeof row.key.bytes)
            break;
        after++;
        memcpy(row.key.bytes, sqlite3_column_blob(prepared, 1), sizeof row.key.bytes);
        row.value = sqlite3_column_blob(prepared, 2);
        row.length = (size_t)sqlite3_column_bytes(prepared, 2);
        wanted = on_row(context, &row);
    }
    sqlite3_reset(prepared);
    if (after == last || !wanted) return OUTCOME_DONE;
    if (code != SQLITE_ROW && code != SQLITE_DONE) return failed(log, code, "read the bus", err);
    return error_set(err, REASON_CORRUPT, "cannot read %s/%u behind %llu: a record is missing",
                     topic->name, partition, (unsigned long long)after);
}

/* --- dropping what is old --- */

/* Newest position of those from the oldest on that are all older than an instant. */
static enum outcome find_old(struct bus_log *log, const struct topic *topic, unsigned partition,
                             uint64_t before_ns, unsigned most, uint64_t *out, struct error *err)
{
    const struct span *span = span_of(log, topic, partition);
    sqlite3_stmt *prepared = log->statements[AGES];
    int code;

    bind_range(prepared, id_of(log, topic, partition, span->oldest),
               id_of(log, topic, partition, span->newest));
    sqlite3_bind_int64(prepared, 3, most);
    while ((code = sqlite3_step(prepared)) == SQLITE_ROW) {
        if ((uint64_t)sqlite3_column_int64(prepared, 1) >= before_ns) break;
        *out = position_of(sqlite3_column_int64(prepared, 0));
    }
    sqlite3_reset(prepared);
    if (code == SQLITE_ROW || code == SQLITE_DONE) return OUTCOME_DONE;
    return failed(log, code, "tidy the bus", err);
}

enum outcome bus_log_trim(struct bus_log *log, const struct topic *topic, unsigned partition,
                          uint64_t before_ns, unsigned most, unsigned *out_count, struct error *err)
{
    struct span *span = span_of(log, topic, partition);
    uint64_t last = span->oldest - 1;
    enum outcome outcome = find_old(log, topic, partition, before_ns, most, &last, err);
    int code;

    *out_count = 0;
    if (outcome != OUTCOME_DONE || last < span->oldest) return outcome;
    outcome = bus_log_begin(log, err);
    if (outcome != OUTCOME_DONE) return outcome;
    bind_range(log->statements[TRIM], id_of(log, topic, partition, span->oldest),
               id_of(log, topic, partition, last));
    bind_range(log->statements[KEEP_NEWEST], id_of(log, topic, partition, 0),
               id_of(log, topic, partition, span->newest));
    code = run(log, TRIM);
    if (code == SQLITE_OK) code = run(log, KEEP_NEWEST);
    if (code != SQLITE_OK) {
        failed(log, code, "tidy the bus", err);
        bus_log_rollback(log);
        return err->outcome;
    }
    outcome = bus_log_commit(log, err);
    if (outcome != OUTCOME_DONE) return outcome;
    *out_count = (unsigned)(last + 1 - span->oldest);
    span->oldest = last + 1;
    return OUTCOME_DONE;
}
