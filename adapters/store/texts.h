/*
 * Statements whose text is made while the program runs, as pages.h does: of the columns of a table
 * alone, but in as many forms as there are filters to combine. The most recent ones stay prepared;
 * the one that was used longest ago makes place for a new one. One table belongs to one store.
 */
#ifndef ADAPTERS_STORE_TEXTS_H
#define ADAPTERS_STORE_TEXTS_H

#include "store/store.h"

struct texts;

struct texts *texts_make(struct store *store);
/* The statement of a text, which is copied; `name` lives for ever. Good until the next call. */
const struct store_statement *texts_find(struct texts *texts, const char *name, const char *sql);
void texts_free(struct texts *texts); /* before the store is closed; NULL is allowed */

#endif
