/* Opening a store by its url; values in and out. */
#include "store/store.h"

#include <stdio.h>
#include <string.h>

static const struct store_ops *const kinds[] = {&store_sqlite_ops};
enum { KINDS = sizeof kinds / sizeof *kinds };

enum outcome store_open(const struct store_config *config, struct store **out, struct error *err)
{
    const char *colon = strchr(config->url, ':');
    size_t length = colon != NULL ? (size_t)(colon - config->url) : 0;

    for (unsigned i = 0; i < KINDS; i++) {
        const char *scheme = kinds[i]->scheme;

        if (length == strlen(scheme) && memcmp(config->url, scheme, length) == 0)
            return kinds[i]->open(config, out, err);
    }
    /* what stands behind the colon may hold a password */
    error_set(err, REASON_BAD_SETTING, "cannot open a store of the kind \"%.*s\"",
              (int)(length < 32 ? length : 32), config->url);
    error_hint(err, "Give a url such as \"sqlite:data/payment.db\".");
    return err->outcome;
}

void store_close(struct store *store)
{
    if (store != NULL) store->ops->close(store);
}

struct store_value store_text(const char *text)
{
    if (text == NULL) return (struct store_value){.kind = STORE_NULL};
    return (struct store_value){.kind = STORE_TEXT, .bytes = text, .length = strlen(text)};
}

struct store_value store_uuid(const struct uuid *id)
{
    if (uuid_is_zero(*id)) return (struct store_value){.kind = STORE_NULL};
    return store_bytes(id->bytes, sizeof id->bytes);
}

/* The value of a column if it is of that kind, else NULL. */
static const struct store_value *column_of(const struct store_row *row, unsigned column,
                                           enum store_kind kind)
{
    if (column >= row->count || row->values[column].kind != kind) return NULL;
    return &row->values[column];
}

int64_t store_read_integer(const struct store_row *row, unsigned column)
{
    const struct store_value *value = column_of(row, column, STORE_INTEGER);

    return value != NULL ? value->integer : 0;
}

struct uuid store_read_uuid(const struct store_row *row, unsigned column)
{
    const struct store_value *value = column_of(row, column, STORE_BYTES);
    struct uuid id = {0};

    if (value != NULL && value->length == sizeof id.bytes)
        memcpy(id.bytes, value->bytes, sizeof id.bytes);
    return id;
}

void store_read_text(const struct store_row *row, unsigned column, char *out, size_t size)
{
    const struct store_value *value = column_of(row, column, STORE_TEXT);
    size_t length = value != NULL ? value->length : 0;

    if (size == 0) return;
    if (length > size - 1) length = size - 1;
    if (length > 0) memcpy(out, value->bytes, length);
    out[length] = '\0';
}
