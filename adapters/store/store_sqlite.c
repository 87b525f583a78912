/*
 * The embedded store: one SQLite database of one process, each commit durable.
 *
 * WAL with synchronous=FULL: a commit appends its pages to the WAL and flushes it once. A WAL that
 * grows makes the file system commit its own journal with each flush; so it is made WAL_BYTES long
 * when it is opened, written over from its start after each checkpoint, and cut back only when one
 * huge transaction has made it longer than WAL_BYTES_MAX.
 *
 * The database is locked for as long as it is open. That saves the lock calls and the shared memory
 * of each transaction; a second process is refused by open().
 */
#include "store/store.h"
#include "wire/buffer.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    CACHE_BYTES = 4 << 20,
    WAL_PAGES = 4000, /* a checkpoint is made after a commit that leaves more in the WAL */
    WAL_BYTES = 16 << 20,
    WAL_BYTES_MAX = 64 << 20,
    BUSY_MS = 1000,
    COLUMNS_MAX = 64,
};

/* A statement as SQLite keeps it. Parameters are numbered by SQLite in order of appearance;
 * argument_of says which $N each of them is, from 0. */
struct prepared {
    const struct store_statement *statement; /* NULL = free place */
    sqlite3_stmt *handle;
    unsigned parameters;
    uint8_t argument_of[STORE_ARGUMENTS_MAX];
};

struct sqlite_store {
    struct store store;
    sqlite3 *db;
    char *path;
    sqlite3_stmt *begin, *commit, *rollback;
    struct prepared *prepared; /* hash table by the statement's address */
    unsigned prepared_count, prepared_room;
    bool in_transaction;
    int64_t changes_before;
    struct error failure; /* what went wrong in this transaction; it sticks until the rollback */
};

static struct sqlite_store *of(struct store *store) { return (struct sqlite_store *)store; }

/* --- errors --- */

/* What an answer of SQLite means; `doing` completes "could not ...". Callers of services read the
 * message, so the file's name is in the detail. */
static enum outcome explain(struct sqlite_store *store, int code, bool committing,
                            const char *doing, struct error *err)
{
    char facts[256];

    snprintf(facts, sizeof facts, "%s", sqlite3_errmsg(store->db));
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        error_set(err, REASON_STORE_UNREACHABLE,
                  "could not %s: another process has the database open", doing);
        error_hint(err, "End the other process, or give this one a directory of its own.");
        break;
    case SQLITE_FULL:
    case SQLITE_NOMEM:
        error_set(err, REASON_OUT_OF_SPACE, "could not %s: there is no space left", doing);
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        error_set(err, REASON_CORRUPT, "cannot %s: the database is damaged, or the file is none",
                  doing);
        break;
    case SQLITE_CONSTRAINT:
        error_set(err, REASON_CONFLICT, "cannot %s: it contradicts rows that are there", doing);
        err->outcome = OUTCOME_REFUSED; /* the same rows will contradict it again */
        break;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
        error_set(err, REASON_STORE_UNREACHABLE, "could not %s: the disk refused it", doing);
        /* the commit's last page may be in the WAL, then the next opening finds it */
        if (committing && (code & 0xff) == SQLITE_IOERR) err->outcome = OUTCOME_UNKNOWN;
        break;
    default: error_set(err, REASON_INTERNAL, "cannot %s", doing); break;
    }
    error_detail(err, "SQLite says of %s: %s (%d).", store->path, facts, code);
    return err->outcome;
}

/* Fails the transaction: every further call of it answers the same. */
static enum outcome fail(struct sqlite_store *store, const struct error *err)
{
    if (store->in_transaction && store->failure.outcome == OUTCOME_DONE) store->failure = *err;
    return err->outcome;
}

static enum outcome fail_with(struct sqlite_store *store, int code, const char *doing,
                              struct error *err)
{
    explain(store, code, false, doing, err);
    return fail(store, err);
}

static bool failed_before(const struct sqlite_store *store, struct error *err)
{
    if (store->failure.outcome == OUTCOME_DONE) return false;
    *err = store->failure;
    return true;
}

/* --- statements --- */

static unsigned place_of(const struct sqlite_store *store, const struct store_statement *statement)
{
    uint64_t hash = (uint64_t)(uintptr_t)statement * UINT64_C(0x9e3779b97f4a7c15);
    unsigned at = (unsigned)(hash >> 32) & (store->prepared_room - 1);

    while (store->prepared[at].statement != NULL && store->prepared[at].statement != statement)
        at = (at + 1) & (store->prepared_room - 1);
    return at;
}

static void make_room(struct sqlite_store *store)
{
    struct prepared *before = store->prepared;
    unsigned room = store->prepared_room;

    if (room > 0 && store->prepared_count < room / 2) return;
    store->prepared_room = room > 0 ? 2 * room : 64;
    store->prepared = need_memory(store->prepared_room * sizeof *store->prepared);
    for (unsigned i = 0; i < room; i++)
        if (before[i].statement != NULL)
            store->prepared[place_of(store, before[i].statement)] = before[i];
    free(before);
}

/* Finds out which $N each parameter is; false if one isn't of that form. */
static bool number_parameters(struct prepared *prepared)
{
    int count = sqlite3_bind_parameter_count(prepared->handle);

    if (count > STORE_ARGUMENTS_MAX) return false;
    for (int i = 0; i < count; i++) {
        const char *name = sqlite3_bind_parameter_name(prepared->handle, i + 1);
        long number = name != NULL && name[0] == '$' ? strtol(name + 1, NULL, 10) : 0;

        if (number < 1 || number > STORE_ARGUMENTS_MAX) return false;
        prepared->argument_of[i] = (uint8_t)(number - 1);
    }
    prepared->parameters = (unsigned)count;
    return true;
}

static enum outcome prepare(struct sqlite_store *store, const struct store_statement *statement,
                            struct prepared **out, struct error *err)
{
    struct prepared prepared = {.statement = statement};
    unsigned at;
    int code;

    make_room(store);
    at = place_of(store, statement);
    if (store->prepared[at].statement == NULL) {
        code = sqlite3_prepare_v3(store->db, statement->sql, -1, SQLITE_PREPARE_PERSISTENT,
                                  &prepared.handle, NULL);
        if (code == SQLITE_OK && (prepared.handle == NULL || !number_parameters(&prepared) ||
                                  sqlite3_column_count(prepared.handle) > COLUMNS_MAX)) {
            sqlite3_finalize(prepared.handle);
            code = SQLITE_MISUSE;
        }
        if (code != SQLITE_OK) return fail_with(store, code, statement->name, err);
        store->prepared[at] = prepared;
        store->prepared_count++;
    }
    *out = &store->prepared[at];
    return OUTCOME_DONE;
}

static void forget(struct store *base, const struct store_statement *statement)
{
    struct sqlite_store *store = of(base);
    unsigned at = store->prepared_room > 0 ? place_of(store, statement) : 0, last;

    if (store->prepared_room == 0 || store->prepared[at].statement == NULL) return;
    sqlite3_finalize(store->prepared[at].handle);
    store->prepared[at] = (struct prepared){0};
    store->prepared_count--;
    /* those behind it, up to a free place, may have had to go past it */
    last = store->prepared_room - 1;
    for (at = (at + 1) & last; store->prepared[at].statement != NULL; at = (at + 1) & last) {
        struct prepared moved = store->prepared[at];

        store->prepared[at] = (struct prepared){0};
        store->prepared[place_of(store, moved.statement)] = moved;
    }
}

static int bind_value(sqlite3_stmt *handle, int at, const struct store_value *value)
{
    switch (value->kind) {
    case STORE_INTEGER: return sqlite3_bind_int64(handle, at, value->integer);
    case STORE_TEXT:
        return sqlite3_bind_text64(handle, at, value->length > 0 ? value->bytes : "", value->length,
                                   SQLITE_STATIC, SQLITE_UTF8);
    case STORE_BYTES:
        return sqlite3_bind_blob64(handle, at, value->length > 0 ? value->bytes : "", value->length,
                                   SQLITE_STATIC);
    default: return sqlite3_bind_null(handle, at);
    }
}

static int bind_all(struct prepared *prepared, const struct store_value *arguments, unsigned count)
{
    int code = SQLITE_OK;

    for (unsigned i = 0; i < prepared->parameters && code == SQLITE_OK; i++) {
        if (prepared->argument_of[i] >= count) return SQLITE_MISUSE;
        code = bind_value(prepared->handle, (int)i + 1, &arguments[prepared->argument_of[i]]);
    }
    return code;
}

static struct store_value column(sqlite3_stmt *handle, int at)
{
    switch (sqlite3_column_type(handle, at)) {
    case SQLITE_NULL: return (struct store_value){.kind = STORE_NULL};
    case SQLITE_TEXT:
        return (struct store_value){.kind = STORE_TEXT,
                                    .bytes = sqlite3_column_text(handle, at),
                                    .length = (size_t)sqlite3_column_bytes(handle, at)};
    case SQLITE_BLOB:
        return store_bytes(sqlite3_column_blob(handle, at),
                           (size_t)sqlite3_column_bytes(handle, at));
    default: return store_integer(sqlite3_column_int64(handle, at));
    }
}

/* Runs a statement to its end. */
static int run(sqlite3_stmt *handle, store_on_row on_row, void *context)
{
    struct store_value values[COLUMNS_MAX];
    struct store_row row = {.values = values};
    int code;

    while ((code = sqlite3_step(handle)) == SQLITE_ROW) {
        if (on_row == NULL) continue;
        row.count = (unsigned)sqlite3_column_count(handle);
        for (unsigned i = 0; i < row.count; i++) values[i] = column(handle, (int)i);
        on_row(context, &row);
    }
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static enum outcome execute(struct store *base, const struct store_statement *statement,
                            const struct store_value *arguments, unsigned count,
                            store_on_row on_row, void *context, struct error *err)
{
    struct sqlite_store *store = of(base);
    struct prepared *prepared = NULL;
    enum outcome outcome = OUTCOME_DONE;
    int code;

    if (failed_before(store, err)) return err->outcome;
    store_count(&base->statements, 1);
    if (prepare(store, statement, &prepared, err) != OUTCOME_DONE) return err->outcome;
    code = bind_all(prepared, arguments, count);
    if (code == SQLITE_OK) code = run(prepared->handle, on_row, context);
    if (code != SQLITE_OK) outcome = fail_with(store, code, statement->name, err);
    sqlite3_reset(prepared->handle);
    sqlite3_clear_bindings(prepared->handle);
    return outcome;
}

static enum outcome query(struct store *base, const struct store_statement *statement,
                          const struct store_value *arguments, unsigned count, store_on_row on_row,
                          void *context, struct error *err)
{
    return execute(base, statement, arguments, count, on_row, context, err);
}

static enum outcome exec(struct store *base, const struct store_statement *statement,
                         const struct store_value *arguments, unsigned count, int64_t rows,
                         struct error *err)
{
    struct sqlite_store *store = of(base);
    int64_t changes;

    if (execute(base, statement, arguments, count, NULL, NULL, err) != OUTCOME_DONE)
        return err->outcome;
    changes = sqlite3_changes64(store->db);
    if (rows < 0 || rows == changes) return OUTCOME_DONE;
    error_set(err, REASON_CONFLICT, "could not %s: somebody else changed the rows",
              statement->name);
    error_detail(err, "%lld rows should have changed, %lld did.", (long long)rows,
                 (long long)changes);
    return fail(store, err);
}

/* --- transactions --- */

/* Runs one of the three statements that have neither arguments nor rows. */
static int run_bare(sqlite3_stmt *handle)
{
    int code = run(handle, NULL, NULL);

    sqlite3_reset(handle);
    return code;
}

static enum outcome begin(struct store *base, struct error *err)
{
    struct sqlite_store *store = of(base);
    int code = run_bare(store->begin);

    if (code != SQLITE_OK) return explain(store, code, false, "begin a transaction", err);
    store->in_transaction = true;
    store->failure.outcome = OUTCOME_DONE;
    store->changes_before = sqlite3_total_changes64(store->db);
    return OUTCOME_DONE;
}

static enum outcome sync(struct store *base, struct error *err)
{
    return failed_before(of(base), err) ? err->outcome : OUTCOME_DONE;
}

static void rollback(struct store *base)
{
    struct sqlite_store *store = of(base);

    /* some errors have ended the transaction already */
    if (!sqlite3_get_autocommit(store->db)) run_bare(store->rollback);
    store->in_transaction = false;
    store->failure.outcome = OUTCOME_DONE;
}

static enum outcome commit(struct store *base, struct error *err)
{
    struct sqlite_store *store = of(base);
    int64_t changes = sqlite3_total_changes64(store->db) - store->changes_before;
    enum outcome outcome = OUTCOME_DONE;
    int code;

    if (failed_before(store, err)) {
        outcome = err->outcome;
    } else if ((code = run_bare(store->commit)) != SQLITE_OK) {
        outcome = explain(store, code, true, "commit", err);
    } else if (changes > 0) {
        store_count(&base->commits, 1);
        store_count(&base->rows_written, (uint64_t)changes);
    }
    rollback(base); /* nothing to do after a commit that worked */
    return outcome;
}

/* --- scripts --- */

/* Puts SQLite's words for what the common dialect says in comments. */
static void translate(const char *sql, struct buffer *out)
{
    static const char mark[] = "/* clustered */";

    while (*sql != '\0') {
        if (strncasecmp(sql, mark, sizeof mark - 1) == 0) {
            buffer_text(out, "WITHOUT ROWID");
            sql += sizeof mark - 1;
        } else {
            buffer_char(out, *sql++);
        }
    }
}

static enum outcome script(struct store *base, const char *sql, struct error *err)
{
    struct sqlite_store *store = of(base);
    struct buffer text = {0};
    enum outcome outcome = OUTCOME_DONE;
    int code;

    if (failed_before(store, err)) return err->outcome;
    translate(sql, &text);
    code = sqlite3_exec(store->db, buffer_str(&text), NULL, NULL, NULL);
    if (code != SQLITE_OK) outcome = fail_with(store, code, "run a script", err);
    buffer_done(&text);
    return outcome;
}

/* A transaction for writing has the only lock there is. */
static enum outcome lock(struct store *base, struct error *err) { return sync(base, err); }

/* --- opening --- */

/* Writes zeros behind the end of the WAL until it is WAL_BYTES long. They are no frames, so they
 * are never read. */
static int grow_wal(sqlite3 *db)
{
    static const char zeros[1 << 16];
    sqlite3_file *file = NULL;
    sqlite3_int64 size = 0;
    int code = sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, (void *)&file);

    if (code != SQLITE_OK || file == NULL || file->pMethods == NULL) return code; /* :memory: */
    code = file->pMethods->xFileSize(file, &size);
    if (code != SQLITE_OK || size >= WAL_BYTES) return code;
    while (code == SQLITE_OK && size < WAL_BYTES) {
        code = file->pMethods->xWrite(file, zeros, (int)sizeof zeros, size);
        size += (sqlite3_int64)sizeof zeros;
    }
    return code == SQLITE_OK ? file->pMethods->xSync(file, SQLITE_SYNC_NORMAL) : code;
}

/* Sees to it that the journal is what was asked for: SQLite keeps silent when it can't have it. */
static int on_pragma(void *context, int columns, char **values, char **names)
{
    if (columns == 1 && values[0] != NULL && strcmp(names[0], "journal_mode") == 0)
        *(bool *)context = strcmp(values[0], "wal") == 0 || strcmp(values[0], "memory") == 0;
    return 0;
}

static int set_up(struct sqlite_store *store, uint64_t cache_bytes)
{
    static const struct {
        const char *sql;
        size_t handle;
    } bare[] = {
        {"BEGIN IMMEDIATE", offsetof(struct sqlite_store, begin)},
        {"COMMIT", offsetof(struct sqlite_store, commit)},
        {"ROLLBACK", offsetof(struct sqlite_store, rollback)},
    };
    struct buffer pragmas = {0};
    bool journal = false;
    int code;

    /* the locking mode comes first: then the WAL needs no shared memory */
    buffer_format(&pragmas,
                  "PRAGMA locking_mode = EXCLUSIVE;"
                  "PRAGMA journal_mode = WAL;"
                  "PRAGMA synchronous = FULL;"
                  "PRAGMA foreign_keys = ON;"
                  "PRAGMA temp_store = MEMORY;"
                  "PRAGMA mmap_size = 0;"
                  "PRAGMA secure_delete = FAST;"
                  "PRAGMA cache_size = -%llu;"
                  "PRAGMA wal_autocheckpoint = %d;"
                  "PRAGMA journal_size_limit = %d;",
                  (unsigned long long)((cache_bytes > 0 ? cache_bytes : CACHE_BYTES) / 1024),
                  WAL_PAGES, WAL_BYTES_MAX);
    sqlite3_extended_result_codes(store->db, 1);
    code = sqlite3_busy_timeout(store->db, BUSY_MS);
    if (code == SQLITE_OK)
        code = sqlite3_exec(store->db, buffer_str(&pragmas), on_pragma, &journal, NULL);
    buffer_done(&pragmas);
    if (code == SQLITE_OK && !journal) code = SQLITE_CANTOPEN;
    for (unsigned i = 0; i < sizeof bare / sizeof *bare && code == SQLITE_OK; i++)
        code = sqlite3_prepare_v3(store->db, bare[i].sql, -1, SQLITE_PREPARE_PERSISTENT,
                                  (sqlite3_stmt **)((char *)store + bare[i].handle), NULL);
    /* the first transaction takes the lock that is kept, and opens the WAL */
    if (code == SQLITE_OK) code = run_bare(store->begin);
    if (code == SQLITE_OK) code = run_bare(store->commit);
    return code == SQLITE_OK ? grow_wal(store->db) : code;
}

static void close_store(struct store *base)
{
    struct sqlite_store *store = of(base);

    for (unsigned i = 0; i < store->prepared_room; i++) sqlite3_finalize(store->prepared[i].handle);
    sqlite3_finalize(store->begin);
    sqlite3_finalize(store->commit);
    sqlite3_finalize(store->rollback);
    sqlite3_close(store->db);
    free(store->prepared);
    free(store->path);
    free(store);
}

static enum outcome open_store(const struct store_config *config, struct store **out,
                               struct error *err)
{
    struct sqlite_store *store = need_memory(sizeof *store);
    char doing[128];
    int code;

    store->store.ops = &store_sqlite_ops;
    store->path = need_copy(strchr(config->url, ':') + 1);
    code = sqlite3_open_v2(store->path, &store->db,
                           SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK) code = set_up(store, config->cache_bytes);
    if (code != SQLITE_OK) {
        snprintf(doing, sizeof doing, "open %s", store->path);
        explain(store, code, false, doing, err);
        close_store(&store->store);
        return err->outcome;
    }
    *out = &store->store;
    return OUTCOME_DONE;
}

const struct store_ops store_sqlite_ops = {
    .scheme = "sqlite",
    .open = open_store,
    .begin = begin,
    .query = query,
    .exec = exec,
    .forget = forget,
    .sync = sync,
    .commit = commit,
    .rollback = rollback,
    .script = script,
    .lock = lock,
    .close = close_store,
};
