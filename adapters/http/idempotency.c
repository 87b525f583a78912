/* Derived ids and fingerprints. */
#include "http/idempotency.h"

#include "http/router.h"

#include <string.h>

/* The route's path with the ids in it, in their one form: an upper-case UUID names the same thing.
 */
static void print_path(const struct http_exchange *exchange, struct buffer *out)
{
    const char *at = exchange->route->path;
    unsigned param = 0;

    while (*at != '\0') {
        size_t plain = strcspn(at, "{");

        buffer_add(out, at, plain);
        at += plain;
        if (*at == '\0') break;
        if (exchange->route->text_params) {
            buffer_text(out, exchange->text_params[param]);
        } else {
            char id[UUID_TEXT + 1];

            uuid_print(exchange->params[param], id);
            buffer_text(out, id);
        }
        param++;
        at += strcspn(at, "}") + 1;
    }
}

struct uuid idempotency_id(const struct http_exchange *exchange)
{
    const struct caller *caller = &exchange->caller;
    const char *mode = caller->live ? "live" : "test";
    const char *method = http_method_name(exchange->route->method);
    struct buffer path = {0};
    uint8_t hash[32];

    if (exchange->key == NULL) return (struct uuid){0};
    print_path(exchange, &path);
    hash_fields(
        (struct hash_field[]){
            {caller->tenant, strlen(caller->tenant)},
            {mode, strlen(mode)},
            {&caller->owner, sizeof caller->owner},
            {method, strlen(method)},
            {path.bytes, path.length},
            {exchange->key, strlen(exchange->key)},
        },
        6, hash);
    buffer_done(&path);
    return uuid_8(hash);
}

void idempotency_fingerprint(const struct http_exchange *exchange, uint8_t out[FINGERPRINT_BYTES])
{
    struct buffer text = {0};

    if (exchange->input != NULL)
        record_print(exchange->route->takes, exchange->input, &text);
    else
        buffer_add(&text, exchange->body, exchange->body_length);
    hash_fields(&(struct hash_field){text.bytes, text.length}, 1, out);
    buffer_done(&text);
}
