#include "store/given.h"

#include "wire/buffer.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[200];

static int removed(const char *path, const struct stat *about, int flag, struct FTW *place)
{
    (void)about;
    (void)flag;
    (void)place;
    return remove(path);
}

void given_directory(void)
{
    const char *parent = getenv("MICROPAY_TEST_DIR");

    if (parent == NULL) parent = getenv("TMPDIR");
    if (parent == NULL) parent = "/tmp";
    snprintf(directory, sizeof directory, "%s/micropay-store-XXXXXX", parent);
    cr_assert_not_null(mkdtemp(directory));
}

void given_end(void) { nftw(directory, removed, 16, FTW_DEPTH | FTW_PHYS); }

const char *given_path(const char *name)
{
    static char paths[8][300];
    static unsigned turn;
    char *path = paths[turn++ % 8];

    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

struct store *given_store(const char *name)
{
    char url[320];
    struct store_config config = {.url = url};
    struct store *store = NULL;
    struct error err = {0};

    snprintf(url, sizeof url, "sqlite:%s", given_path(name));
    expect_done(store_open(&config, &store, &err));
    return store;
}

struct store *given_migrated(const char *name, const struct migrations *service)
{
    struct store *store = given_store(name);
    struct error err = {0};

    expect_done(store_migrate(store, service, &err));
    return store;
}

void given_script(struct store *store, const char *sql)
{
    struct error err = {0};

    expect_done(store_begin(store, &err));
    expect_done(store->ops->script(store, sql, &err));
    expect_done(store_commit(store, &err));
}

static void on_number(void *context, const struct store_row *row)
{
    *(int64_t *)context = store_read_integer(row, 0);
}

int64_t given_number(struct store *store, const char *sql)
{
    /* a statement's address is its identity, so each gets one that stays */
    static struct store_statement statements[64];
    static unsigned count;
    int64_t number = -1;
    struct error err = {0};
    unsigned at = 0;

    while (at < count && strcmp(statements[at].sql, sql) != 0) at++;
    if (at == count) {
        cr_assert_lt(count, 64);
        statements[count++] = (struct store_statement){"ask for a number", need_copy(sql)};
    }
    expect_done(store_begin(store, &err));
    expect_done(store_query(store, &statements[at], NULL, 0, on_number, &number, &err));
    expect_done(store_commit(store, &err));
    return number;
}

void given_copy(const char *from, const char *to)
{
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    char bytes[1 << 16];
    size_t length;

    cr_assert(in != NULL && out != NULL, "could not copy %s to %s", from, to);
    while ((length = fread(bytes, 1, sizeof bytes, in)) > 0)
        cr_assert_eq(fwrite(bytes, 1, length, out), length);
    fclose(in);
    cr_assert_eq(fclose(out), 0);
}

const char *outcome_word(enum outcome outcome)
{
    static const char *const words[] = {"done", "again", "unknown", "refused", "broken"};

    return (unsigned)outcome < 5 ? words[outcome] : "no outcome";
}
