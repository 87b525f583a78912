/* Statements made while the program runs: a few, found by comparing texts. */
#include "store/texts.h"

#include "wire/buffer.h"

#include <stdlib.h>
#include <string.h>

enum { TEXTS_MAX = 64 };

struct text {
    struct store_statement statement;
    char *sql; /* NULL = free */
    uint64_t used;
};

struct texts {
    struct store *store;
    uint64_t uses;
    struct text rows[TEXTS_MAX];
};

struct texts *texts_make(struct store *store)
{
    struct texts *texts = need_memory(sizeof *texts);

    texts->store = store;
    return texts;
}

static void drop(struct texts *texts, struct text *text)
{
    if (text->sql == NULL) return;
    store_forget(texts->store, &text->statement);
    free(text->sql);
    text->sql = NULL;
}

const struct store_statement *texts_find(struct texts *texts, const char *name, const char *sql)
{
    struct text *oldest = &texts->rows[0];

    texts->uses++;
    for (struct text *text = texts->rows; text < texts->rows + TEXTS_MAX; text++) {
        if (text->sql != NULL && strcmp(text->sql, sql) == 0) {
            text->used = texts->uses;
            return &text->statement;
        }
        if (text->used < oldest->used) oldest = text;
    }
    drop(texts, oldest);
    oldest->sql = need_copy(sql);
    oldest->used = texts->uses;
    oldest->statement = (struct store_statement){name, oldest->sql};
    return &oldest->statement;
}

void texts_free(struct texts *texts)
{
    if (texts == NULL) return;
    for (unsigned i = 0; i < TEXTS_MAX; i++) drop(texts, &texts->rows[i]);
    free(texts);
}
