/* Opening by url. */
#include "store/given.h"

#include <string.h>

TestSuite(store, .init = given_directory, .fini = given_end);

Test(store, an_unknown_kind_of_store_is_named_without_showing_a_password)
{
    const char *urls[] = {"postgres://mp:secret@host/db", "sqlite", "", ":x", "sqlitex:a.db"};

    for (unsigned i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct store_config config = {.url = urls[i]};
        struct store *store = (void *)&config;
        struct error err = {0};

        expect_outcome(store_open(&config, &store, &err), OUTCOME_BROKEN);
        cr_assert_eq(err.reason, REASON_BAD_SETTING);
        cr_assert_null(strstr(err.message, "secret"));
        cr_assert_eq(store, (void *)&config, "a store that can't be opened stays as it was");
    }
    store_close(NULL);
}

Test(store, one_in_memory_works_and_is_gone_when_closed)
{
    struct store_config config = {.url = "sqlite::memory:"};

    for (unsigned i = 0; i < 2; i++) {
        struct store *store = NULL;
        struct error err = {0};

        expect_done(store_open(&config, &store, &err));
        given_script(store, "CREATE TABLE a (b BIGINT); INSERT INTO a VALUES (7);");
        cr_assert_eq(given_number(store, "SELECT b FROM a"), 7);
        store_close(store);
    }
}
