/* The headers that every route understands alike. */
#include "http/dispatch.h"
#include "observe/trace.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { KEY_MAX = 255, SIMULATE_MAX = 64, PLACE_WORD_MAX = 36 };

void headers_trace(struct http_exchange *exchange)
{
    trace_continue(exchange->loop, http_header(exchange, "traceparent"), exchange->traceparent);
}

/* --- media types --- */

/* A piece of a header that is a list: up to `separator`, without blanks around it. */
struct piece {
    const char *text;
    size_t length;
};

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* Takes the next piece off a list; false if there is none. */
static bool next_piece(const char **list, char separator, struct piece *out)
{
    const char *text = *list, *end;

    if (text == NULL) return false;
    end = strchr(text, separator);
    *list = end != NULL ? end + 1 : NULL;
    if (end == NULL) end = text + strlen(text);
    while (text < end && is_blank(*text)) text++;
    while (text < end && is_blank(end[-1])) end--;
    *out = (struct piece){text, (size_t)(end - text)};
    return true;
}

static bool same(struct piece a, struct piece b)
{
    return a.length == b.length && strncasecmp(a.text, b.text, a.length) == 0;
}

static bool is_in(struct piece type, const char *list)
{
    struct piece piece;

    while (next_piece(&list, ',', &piece))
        if (same(type, piece)) return true;
    return false;
}

/* The media type before its parameters. */
static struct piece bare_type(struct piece piece)
{
    const char *end = memchr(piece.text, ';', piece.length);

    if (end == NULL) return piece;
    while (end > piece.text && is_blank(end[-1])) end--;
    return (struct piece){piece.text, (size_t)(end - piece.text)};
}

/* Whether its parameters say that it is not wanted (q=0) */
static bool is_unwanted(struct piece piece)
{
    const char *at = memchr(piece.text, ';', piece.length), *end = piece.text + piece.length;

    while (at != NULL) {
        at++;
        while (at < end && is_blank(*at)) at++;
        if (end - at >= 3 && (*at == 'q' || *at == 'Q') && at[1] == '=' && at[2] == '0')
            return strspn(at + 2, "0.") >= strcspn(at + 2, ",; \t");
        at = memchr(at, ';', (size_t)(end - at));
    }
    return false;
}

/* Whether "type/subtype", "type/\*" or "*\/\*" takes one of the media types of a list. */
static bool takes_one_of(struct piece range, const char *list)
{
    struct piece type;
    size_t kind = range.length >= 2 ? range.length - 1 : 0; /* "type/" */

    if (range.length == 3 && memcmp(range.text, "*/*", 3) == 0) return true;
    while (next_piece(&list, ',', &type)) {
        if (same(range, type)) return true;
        if (kind > 0 && range.text[kind] == '*' && range.text[kind - 1] == '/' &&
            type.length > kind && strncasecmp(range.text, type.text, kind) == 0)
            return true;
    }
    return false;
}

static bool is_accepted(const char *accept, const char *produces)
{
    struct piece range;

    while (next_piece(&accept, ',', &range))
        if (takes_one_of(bare_type(range), produces) && !is_unwanted(range)) return true;
    return false;
}

/* Text of another charset than UTF-8 would be read as what it isn't. */
static bool has_other_charset(const char *type)
{
    const char *charset = strcasestr(type, "charset=");
    size_t quoted;

    if (charset == NULL) return false;
    charset += 8;
    quoted = *charset == '"';
    return strncasecmp(charset + quoted, "utf-8", 5) != 0 ||
           strchr("\"; \t", charset[quoted + 5]) == NULL;
}

enum outcome headers_media_types(const struct http_exchange *exchange, struct error *err)
{
    const struct http_route *route = exchange->route;
    const char *produces = route->produces != NULL ? route->produces : "application/json";
    const char *consumes = route->consumes != NULL ? route->consumes : "application/json";
    const char *accept = http_header(exchange, "Accept");
    const char *type = http_header(exchange, "Content-Type");
    bool gives = route->gives != NULL || route->produces != NULL;

    if (gives && accept != NULL && *accept != '\0' && !is_accepted(accept, produces)) {
        error_set(err, REASON_NOT_ACCEPTABLE, "cannot answer in a form that Accept names");
        error_hint(err, "This route gives %s.", produces);
        return err->outcome;
    }
    if (exchange->body_length == 0 || (route->takes == NULL && !route->raw)) return OUTCOME_DONE;
    if (type != NULL && is_in(bare_type((struct piece){type, strlen(type)}), consumes) &&
        !has_other_charset(type))
        return OUTCOME_DONE;
    error_set(err, REASON_UNSUPPORTED_MEDIA,
              type != NULL ? "cannot read a body of that Content-Type"
                           : "cannot read a body without Content-Type");
    error_hint(err, "This route takes %s, text in UTF-8.", consumes);
    return err->outcome;
}

/* --- the others --- */

/* The value of a preference of RFC 7240: of `wait` in "respond-async, wait=10". */
static bool find_preference(const char *prefer, const char *name, struct piece *out)
{
    size_t length = strlen(name);
    struct piece piece;

    while (next_piece(&prefer, ',', &piece)) {
        const char *at = piece.text + length, *end = piece.text + piece.length;

        if (piece.length <= length || strncasecmp(piece.text, name, length) != 0) continue;
        while (at < end && is_blank(*at)) at++;
        if (at == end || *at != '=') continue;
        at++;
        while (at < end && is_blank(*at)) at++;
        *out = (struct piece){at, strcspn(at, ",; \t")};
        return true;
    }
    return false;
}

static void read_prefer(struct http_exchange *exchange, struct error *err)
{
    const char *prefer = http_header(exchange, "Prefer");
    struct piece value;
    uint64_t seconds = 0;

    exchange->wait_ms = exchange->route->waits ? HTTP_WAIT_DEFAULT_MS : 0;
    if (!exchange->route->waits || prefer == NULL || !find_preference(prefer, "wait", &value))
        return;
    for (size_t i = 0; i < value.length && seconds <= HTTP_WAIT_MAX_S; i++)
        seconds = value.text[i] >= '0' && value.text[i] <= '9'
                      ? 10 * seconds + (uint64_t)(value.text[i] - '0')
                      : UINT32_MAX;
    if (value.length == 0 || seconds > HTTP_WAIT_MAX_S)
        error_fault(err, "header Prefer", "wait must be a whole number of seconds from 0 to %u",
                    HTTP_WAIT_MAX_S);
    else
        exchange->wait_ms = seconds * 1000;
}

/* timeline.shard.sequence, the first two being words. */
static void read_at_least(struct http_exchange *exchange, struct error *err)
{
    static const char word[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *at = http_header(exchange, "Micropay-At-Least");

    if (at == NULL) return;
    for (unsigned i = 0; i < 2; i++) {
        size_t length = strspn(at, word);

        if (length == 0 || length > PLACE_WORD_MAX || at[length] != '.') break;
        at += length + 1;
        if (i == 1 && record_value(RECORD_BIG, at, &exchange->at_least)) return;
    }
    error_fault(err, "header Micropay-At-Least",
                "must be what Micropay-Sequence said: timeline.shard.sequence");
}

static bool is_visible(const char *text, size_t max)
{
    size_t length = strlen(text);

    for (size_t i = 0; i < length; i++)
        if (text[i] < '!' || text[i] > '~') return false;
    return length > 0 && length <= max;
}

static void read_key(struct http_exchange *exchange, struct error *err)
{
    const char *key = http_header(exchange, "Idempotency-Key");
    unsigned faults = err->fault_count;

    if (key == NULL) {
        if (exchange->route->key != HTTP_KEY_REQUIRED) return;
        error_fault(err, "header Idempotency-Key", "is missing");
        /* said with its own reason when nothing else is wrong: see dispatch.c */
        return;
    }
    if (!is_visible(key, KEY_MAX))
        error_fault(err, "header Idempotency-Key",
                    "must have 1 to %u visible ASCII characters, no blanks", KEY_MAX);
    if (err->fault_count == faults) exchange->key = key;
}

static void read_simulate(struct http_exchange *exchange, struct error *err)
{
    const char *simulate = http_header(exchange, "Simulate");

    if (simulate == NULL) return;
    if (exchange->caller.live)
        error_fault(err, "header Simulate", "works in test mode alone");
    else if (!is_visible(simulate, SIMULATE_MAX))
        error_fault(err, "header Simulate", "must have 1 to %u visible ASCII characters, no blanks",
                    SIMULATE_MAX);
    else
        exchange->simulate = simulate;
}

void headers_read(struct http_exchange *exchange, struct error *err)
{
    read_prefer(exchange, err);
    read_at_least(exchange, err);
    read_key(exchange, err);
    read_simulate(exchange, err);
}
