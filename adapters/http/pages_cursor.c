/*
 * A cursor is base64url of: version (1 byte), digest (8), then for each value its kind (1) and an
 * integer (8, little-endian) or a length (2) and bytes.
 */
#include "http/pages_cursor.h"

#include <stdlib.h>
#include <string.h>

enum { CURSOR_VERSION = 1, CURSOR_TEXT_MAX = 4096 };

/* --- base64url without padding --- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void print_base64(const uint8_t *bytes, size_t length, struct buffer *out)
{
    for (size_t i = 0; i < length; i += 3) {
        size_t left = length - i;
        uint32_t bits = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                        (left > 2 ? bytes[i + 2] : 0);

        for (unsigned j = 0; j < (left > 2 ? 4 : left + 1); j++)
            buffer_char(out, alphabet[bits >> (18 - 6 * j) & 63]);
    }
}

/* Length of what was read; -1 if it isn't base64url in its one form. */
static ssize_t read_base64(const char *text, size_t length, uint8_t *out)
{
    size_t count = 0;
    uint32_t bits = 0;
    unsigned held = 0;

    for (size_t i = 0; i < length; i++) {
        const char *digit = text[i] != '\0' ? strchr(alphabet, text[i]) : NULL;

        if (digit == NULL) return -1;
        bits = bits << 6 | (uint32_t)(digit - alphabet);
        held += 6;
        if (held < 8) continue;
        held -= 8;
        out[count++] = (uint8_t)(bits >> held);
        bits &= (UINT32_C(1) << held) - 1;
    }
    return held < 6 && bits == 0 ? (ssize_t)count : -1;
}

/* --- what it belongs to --- */

static void digest_value(const struct page_filter *filter, struct buffer *out)
{
    const union page_value *value = &filter->value;

    switch (filter->query->kind) {
    case RECORD_ID:
    case RECORD_ACCOUNT: buffer_add(out, &value->id, sizeof value->id); break;
    case RECORD_LEDGER_ID:
    case RECORD_MINOR: buffer_add(out, &value->whole, sizeof value->whole); break;
    case RECORD_AMOUNT:
    case RECORD_BALANCE:
        buffer_format(out, "%lld/%u", (long long)value->amount.units, value->amount.digits);
        break;
    case RECORD_CURRENCY: buffer_text(out, value->currency.code); break;
    case RECORD_FLAG: buffer_char(out, value->flag ? 't' : 'f'); break;
    case RECORD_TEXT: buffer_text(out, value->text); break;
    default: buffer_number(out, value->number); break;
    }
}

void page_digest(struct page *page, const struct http_route *route)
{
    struct buffer text = {0};
    uint8_t hash[32];

    buffer_text(&text, route->path);
    for (unsigned i = 0; i < page->sort_count; i++)
        buffer_format(&text, "\n%c%s", page->sorts[i].descending ? '-' : '+', page->sorts[i].field);
    for (unsigned i = 0; i < page->filter_count; i++) {
        buffer_format(&text, "\n%s %u ", page->filters[i].query->name, page->filters[i].op);
        digest_value(&page->filters[i], &text);
    }
    hash_fields(&(struct hash_field){text.bytes, text.length}, 1, hash);
    memcpy(page->digest, hash, sizeof page->digest);
    buffer_done(&text);
}

/* --- values --- */

static void print_value(const struct store_value *value, struct buffer *out)
{
    uint16_t length = (uint16_t)value->length;

    buffer_char(out, (char)value->kind);
    if (value->kind == STORE_INTEGER) {
        buffer_add(out, &value->integer, sizeof value->integer);
    } else if (value->kind != STORE_NULL) {
        buffer_add(out, &length, sizeof length);
        buffer_add(out, value->bytes, length);
    }
}

void page_cursor_print(const struct page *page, const struct store_value *last, struct buffer *out)
{
    struct buffer bytes = {0};

    buffer_char(&bytes, CURSOR_VERSION);
    buffer_add(&bytes, page->digest, sizeof page->digest);
    for (unsigned i = 0; i <= page->sort_count; i++) print_value(&last[i], &bytes);
    print_base64((const uint8_t *)bytes.bytes, bytes.length, out);
    buffer_done(&bytes);
}

/* The bytes of a cursor that are still to be read. */
struct reading {
    const uint8_t *at;
    size_t left;
};

static const void *take(struct reading *reading, size_t length)
{
    const void *bytes = reading->at;

    if (length > reading->left) return NULL;
    reading->at += length;
    reading->left -= length;
    return bytes;
}

static bool read_value(struct reading *reading, struct store_value *out)
{
    const uint8_t *kind = take(reading, 1);
    const void *field;
    uint16_t length;

    if (kind == NULL || *kind == STORE_NULL || *kind > STORE_BYTES) return false;
    out->kind = (enum store_kind) * kind;
    if (out->kind == STORE_INTEGER) {
        field = take(reading, sizeof out->integer);
        if (field == NULL) return false;
        memcpy(&out->integer, field, sizeof out->integer);
        return true;
    }
    field = take(reading, sizeof length);
    if (field == NULL) return false;
    memcpy(&length, field, sizeof length);
    out->length = length;
    out->bytes = take(reading, length);
    return out->bytes != NULL;
}

static bool read_values(struct page *page, struct reading reading)
{
    const uint8_t *version = take(&reading, 1), *digest = take(&reading, sizeof page->digest);

    if (digest == NULL || *version != CURSOR_VERSION ||
        memcmp(digest, page->digest, sizeof page->digest) != 0)
        return false;
    for (unsigned i = 0; i <= page->sort_count; i++)
        if (!read_value(&reading, &page->last[i])) return false;
    return reading.left == 0;
}

bool page_cursor_read(struct page *page, const char *text)
{
    size_t length = strlen(text);
    ssize_t count;

    if (length == 0 || length > CURSOR_TEXT_MAX) return false;
    page->cursor_bytes = need_memory(length);
    count = read_base64(text, length, (uint8_t *)page->cursor_bytes);
    if (count < 0 ||
        !read_values(page, (struct reading){(const uint8_t *)page->cursor_bytes, (size_t)count}))
        return false;
    page->last_count = page->sort_count + 1;
    return true;
}
