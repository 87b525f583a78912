/*
 * Migrations: numbered files, each applied once, in a transaction that holds the lock.
 *
 * Two sets live in a database, each numbered for itself: the adapters' own ("adapters") and the
 * service's ("service"). The text of each is remembered by its SHA-256, so that a program whose
 * idea of the tables differs is refused rather than run.
 */
#include "store/store.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

extern const struct migrations adapters_migrations; /* made from migrations/ by embed_sql.py */

enum { CHECKSUM_TEXT = 2 * SHA256_DIGEST_LENGTH };

static const char table[] = "CREATE TABLE IF NOT EXISTS migrations ("
                            "part TEXT NOT NULL, number BIGINT NOT NULL, name TEXT NOT NULL, "
                            "checksum TEXT NOT NULL, PRIMARY KEY (part, number));";

static const struct store_statement select_applied = {
    "read the migrations",
    "SELECT number, name, checksum FROM migrations WHERE part = $1 ORDER BY number",
};
static const struct store_statement insert_applied = {
    "note a migration",
    "INSERT INTO migrations (part, number, name, checksum) VALUES ($1, $2, $3, $4)",
};

static void checksum_of(const char *sql, char out[CHECKSUM_TEXT + 1])
{
    uint8_t hash[SHA256_DIGEST_LENGTH];

    SHA256((const unsigned char *)sql, strlen(sql), hash);
    for (unsigned i = 0; i < sizeof hash; i++)
        snprintf(out + 2 * (size_t)i, 3, "%02x", (unsigned)hash[i]);
}

/* What the database has, held against the set. */
struct applied {
    const char *part;
    const struct migration *next; /* the one that the next row must be */
    struct error *err;            /* the first difference */
};

static void on_applied(void *context, const struct store_row *row)
{
    struct applied *applied = context;
    const struct migration *next = applied->next;
    int64_t number = store_read_integer(row, 0);
    char name[64], there[CHECKSUM_TEXT + 1], here[CHECKSUM_TEXT + 1];

    if (applied->err->outcome != OUTCOME_DONE) return;
    store_read_text(row, 1, name, sizeof name);
    store_read_text(row, 2, there, sizeof there);
    if (next->name == NULL || number != (int64_t)next->number) {
        error_set(applied->err, REASON_INTERNAL,
                  "cannot use the database: this program doesn't know its migration %s", name);
        error_detail(applied->err, "It is number %lld of the part \"%s\".", (long long)number,
                     applied->part);
        error_hint(applied->err, "Start the release that made it, or a newer one.");
        return;
    }
    checksum_of(next->sql, here);
    if (strcmp(name, next->name) != 0 || strcmp(there, here) != 0) {
        error_set(applied->err, REASON_INTERNAL,
                  "cannot use the database: migration %s was changed after it was applied",
                  next->name);
        error_detail(applied->err, "The database has %s with SHA-256 %s, this program %s.", name,
                     there, here);
        error_hint(applied->err, "Start the release that made it; put changes in a new migration.");
        return;
    }
    applied->next++;
}

static enum outcome apply(struct store *store, const char *part, const struct migration *migration,
                          struct error *err)
{
    char checksum[CHECKSUM_TEXT + 1];
    struct store_value arguments[] = {store_text(part), store_integer(migration->number),
                                      store_text(migration->name), store_text(NULL)};

    checksum_of(migration->sql, checksum);
    arguments[3] = store_text(checksum);
    if (store->ops->script(store, migration->sql, err) != OUTCOME_DONE) return err->outcome;
    return store_exec(store, &insert_applied, arguments, 4, 1, err);
}

/* In a transaction: checks what is there and applies the next one, if any is missing. */
static enum outcome step(struct store *store, const char *part, const struct migration *rows,
                         bool *more, struct error *err)
{
    struct store_value arguments[] = {store_text(part)};
    struct applied applied = {.part = part, .next = rows, .err = err};

    if (store->ops->lock(store, err) != OUTCOME_DONE) return err->outcome;
    if (store->ops->script(store, table, err) != OUTCOME_DONE) return err->outcome;
    if (store_query(store, &select_applied, arguments, 1, on_applied, &applied, err) !=
        OUTCOME_DONE)
        return err->outcome;
    if (store_sync(store, err) != OUTCOME_DONE || err->outcome != OUTCOME_DONE) return err->outcome;
    *more = applied.next->name != NULL;
    return *more ? apply(store, part, applied.next, err) : OUTCOME_DONE;
}

static enum outcome apply_set(struct store *store, const char *part, const struct migration *rows,
                              struct error *err)
{
    bool more = true;

    while (more) {
        if (store_begin(store, err) != OUTCOME_DONE) return err->outcome;
        if (step(store, part, rows, &more, err) != OUTCOME_DONE) {
            store_rollback(store);
            return err->outcome;
        }
        if (store_commit(store, err) != OUTCOME_DONE) return err->outcome;
    }
    return OUTCOME_DONE;
}

enum outcome store_migrate(struct store *store, const struct migrations *migrations,
                           struct error *err)
{
    *err = (struct error){0};
    if (apply_set(store, "adapters", adapters_migrations.rows, err) != OUTCOME_DONE)
        return err->outcome;
    return migrations != NULL ? apply_set(store, "service", migrations->rows, err) : OUTCOME_DONE;
}
