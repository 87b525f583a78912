/* What the tests of stores and turns share: a directory of their own, a store in it, and outcomes
 * that say in an assertion what they were. */
#ifndef TESTS_ADAPTERS_STORE_GIVEN_H
#define TESTS_ADAPTERS_STORE_GIVEN_H

#include "store/store.h"

#include <criterion/criterion.h>

/* Makes the directory; `given_end` removes it with all that is in it. */
void given_directory(void);
void given_end(void);
/* A path in it; one of eight that are used in turn. */
const char *given_path(const char *name);
/* Opens "sqlite:DIR/NAME", and fails the test if that isn't possible. */
struct store *given_store(const char *name);
/* The same, migrated with the adapters' own tables and `service` (NULL = none). */
struct store *given_migrated(const char *name, const struct migrations *service);
/* Runs a script in a transaction of its own. */
void given_script(struct store *store, const char *sql);
/* The one integer that a query without arguments answers; -1 if there is no row. Outside of a
 * transaction. */
int64_t given_number(struct store *store, const char *sql);
/* Copies a file. */
void given_copy(const char *from, const char *to);

const char *outcome_word(enum outcome outcome);

#define expect_outcome(expression, wanted)                                                         \
    do {                                                                                           \
        enum outcome got_ = (expression);                                                          \
        cr_assert(got_ == (wanted), "%s: %s instead of %s", #expression, outcome_word(got_),       \
                  outcome_word(wanted));                                                           \
    } while (0)
/* Wants `err` filled in by whoever returned the outcome. */
#define expect_done(expression)                                                                    \
    do {                                                                                           \
        enum outcome got_ = (expression);                                                          \
        cr_assert(got_ == OUTCOME_DONE, "%s: %s: %s (%s)", #expression, outcome_word(got_),        \
                  err.message, err.detail);                                                        \
    } while (0)

#endif
